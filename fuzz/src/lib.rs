//! What the fuzz targets share. Each target is one line in `fuzz_targets/` that calls one function
//! here.
//!
//! Owns: how bytes are read as a conversation (`turns`), as frames (`frames`) or as TCP segments
//! (`flow`), and the laws that are checked besides "no panic": spans within their buffers, the flow
//! table's contract, any cut of a stream gives the same finds, records are one line of valid JSON
//! without repeated keys, memory is in proportion to the input.

pub mod allow;
pub mod capture;
pub mod control;
pub mod dissector;
pub mod flow;
pub mod frames;
pub mod inline;
pub mod json;
pub mod model;
pub mod path;
pub mod playbook;
pub mod rules;
pub mod session;
pub mod text;
pub mod trust;
pub mod turns;

//! The inline path: verdicts on packets that the kernel holds for us.
//!
//! Owns: judging marked packets by policy, commands and rules, and answering in a protocol's own
//! words. Does not own: netlink and shared memory (`citywall-capture`), who is inspected (the mark).
//!
//! Two processes (docs/adr/0009-inline.md): the *holder* has the queue and rights, and parses
//! nothing but netlink; the *parser* has no right, and judges. Where the parser is dead or late the
//! zone's choice holds. Entry points: [`holder::run`] and [`parser::run`] for the enforcer,
//! [`command::run`] for `citywall inline`, which starts both, and [`attached::Attached`] for who
//! starts that one as a process.

mod answer;
pub mod attached;
pub mod command;
mod connections;
mod engine;
pub mod holder;
pub mod orders;
pub mod parser;
mod policy;
mod requests;
mod rewrite;
mod rules;
mod splice;

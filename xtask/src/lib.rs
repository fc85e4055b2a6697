//! What the workspace makes for itself: the parts that tests call.
//!
//! Owns: the story generator. The command line is in `main.rs`.

pub mod story;

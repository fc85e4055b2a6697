//! What the workspace makes for itself: the parts that tests call.
//!
//! Owns: the story generator and the corpus. The command line is in `main.rs`.

pub mod corpus;
pub mod story;

//! One file a command.

pub mod actions;
pub mod check;
pub mod commands;
pub mod doctor;
pub mod enforce;
pub mod keys;
pub mod learn;
pub mod playbook;
pub mod policy;
pub mod range;
pub mod rehearse;
pub mod serve;
pub mod service;
pub mod watch;

/// A file or option that the user gave is invalid: exit code 2.
#[derive(Debug)]
pub struct Invalid(pub String);

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}

//! What can go wrong in the range itself.
//!
//! Owns: the errors and the fix that each names. Does not own: a scenario that fails, which is a
//! result.

use std::path::PathBuf;

/// The range could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum RangeError {
    /// Namespaces cannot be made on this machine.
    #[error("no city can be built here: {why}\n  {fix}")]
    Closed {
        /// What failed.
        why: String,
        /// What to install or allow.
        fix: String,
    },
    /// A program that the range needs is absent.
    #[error("{program} is not installed; on Debian: apt-get install {package}")]
    Missing {
        /// Its name.
        program: &'static str,
        /// Debian's package.
        package: &'static str,
    },
    /// A program failed.
    #[error("{command}: {said}")]
    Command {
        /// What was run.
        command: String,
        /// What it said.
        said: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {error}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file of the range's own has another form than expected.
    #[error("{what}: {error}")]
    Form {
        /// Which.
        what: String,
        /// Why.
        error: serde_json::Error,
    },
    /// Nothing has this name.
    #[error("no scenario is called {name:?}{hint}; `citywall range list` names them all")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The nearest name.
        hint: String,
    },
    /// Something was waited for in vain.
    #[error("waited {seconds} s in vain: {what}")]
    Patience {
        /// For what.
        what: String,
        /// How long.
        seconds: u64,
    },
}

/// The result of most of what the range does.
pub type Result<T> = std::result::Result<T, RangeError>;

/// Turns an input or output error into one that names the file.
pub(crate) fn file(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> RangeError + '_ {
    move |error| RangeError::File {
        path: path.to_owned(),
        error,
    }
}

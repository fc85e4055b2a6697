//! The real binary, run in a folder.

use std::path::Path;
use std::process::{Command, Output};

/// Runs it to its end.
pub fn run(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_citywall"))
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap()
}

/// What it printed, where all went well.
pub fn good(directory: &Path, arguments: &[&str]) -> String {
    let output = run(directory, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

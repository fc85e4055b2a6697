//! Data sets as cases.
//!
//! Owns: reading each set, its labels and its traps. Data that is not there is `SetError::Absent`, never
//! an empty case.

pub mod device_days;
pub mod floods;
pub mod forecasts;
mod generated;
pub mod iot23;
pub mod modbus;
pub mod packets;
pub mod speed;

use std::path::{Path, PathBuf};

/// Why a set gives no case.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// The files are not there.
    #[error("{0} is not there")]
    Absent(PathBuf),
    /// A file cannot be read.
    #[error("{path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file is not as it should be.
    #[error("{path}, line {line}: {what}")]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

/// Files of a folder, in the order of their names; those of its folders too.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, SetError> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let list = std::fs::read_dir(&folder).map_err(|_| SetError::Absent(folder.clone()))?;
        for entry in list.flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(kind) if kind.is_file() => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    Ok(found)
}

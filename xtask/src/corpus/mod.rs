//! The golden corpus: small captures, each of which shows one thing, made byte by byte.
//!
//! Owns: what the cases are, their files, and that they are the same bytes on every machine. Does not own:
//! what Citywall says of them (`expected.txt`, which the binary's own test compares and rewrites).

mod behaviour;
mod capture;
mod control;
mod flow;
mod fragments;
mod headers;
mod incident;
mod link;
mod mqtt;
mod names;
mod net;
mod overlap;
mod policy;
mod records;
mod rules;
mod secure;
mod services;
mod snmp;
mod talk;
mod tunnels;
mod web;

use std::io;
use std::path::{Path, PathBuf};

use capture::Capture;

/// One case: a folder `corpus/<area>/<name>`.
#[derive(Clone, Debug)]
pub struct Case {
    /// Area of the corpus, such as `packet`.
    pub area: &'static str,
    /// Name within the area.
    pub name: String,
    /// File names and contents, all but `expected.txt`.
    pub files: Vec<(&'static str, Vec<u8>)>,
}

impl Case {
    /// A case with its capture and its explanation.
    fn new(area: &'static str, name: &str, readme: &str, capture: Capture) -> Case {
        let title = name.replace('-', " ");
        let text = format!("# {area}: {title}\n\n{}\n", readme.trim());
        Case {
            area,
            name: name.to_owned(),
            files: vec![("input.pcap", capture.pcap()), ("README.md", text.into_bytes())],
        }
    }

    /// Adds `config.toml`, `city.toml` or `rules.rules`.
    fn with(mut self, file: &'static str, text: &str) -> Case {
        self.files.push((file, text.trim_start().as_bytes().to_vec()));
        self
    }

    /// Its folder below the corpus.
    pub fn folder(&self) -> PathBuf {
        Path::new(self.area).join(&self.name)
    }
}

/// Every case, in the order of the path from frame to incident.
pub fn cases() -> Vec<Case> {
    [
        link::cases(),
        tunnels::cases(),
        headers::cases(),
        fragments::cases(),
        flow::cases(),
        overlap::cases(),
        names::cases(),
        web::cases(),
        secure::cases(),
        services::cases(),
        control::cases(),
        mqtt::cases(),
        snmp::cases(),
        rules::cases(),
        policy::cases(),
        behaviour::cases(),
        incident::cases(),
    ]
    .concat()
}

/// The corpus of this workspace.
pub fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus")
}

/// Writes all files of all cases below `corpus`; returns how many changed.
///
/// # Errors
/// Where a file cannot be written.
pub fn write(corpus: &Path) -> io::Result<usize> {
    let mut changed = 0;
    for case in cases() {
        let folder = corpus.join(case.folder());
        std::fs::create_dir_all(&folder)?;
        for (name, bytes) in &case.files {
            let path = folder.join(name);
            if std::fs::read(&path).ok().as_ref() != Some(bytes) {
                std::fs::write(&path, bytes)?;
                changed += 1;
            }
        }
    }
    Ok(changed)
}

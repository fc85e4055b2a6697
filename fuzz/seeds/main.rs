//! Writes the seed corpus: one small, sound example of each thing that a decoder knows. Every byte is
//! made here; nothing is taken from a capture.
//!
//! Inputs found by a fuzzer and worth keeping (`seed-found-*`) lie beside them and are not touched.

mod captures;
mod control;
mod frames;
mod inline;
mod learned;
mod messages;
mod signed;
mod streams;
mod talk;
mod texts;

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// (target, name, bytes)
pub type Seed = (&'static str, String, Vec<u8>);

fn main() -> io::Result<()> {
    let folder = PathBuf::from(env::args().nth(1).unwrap_or_else(|| "corpus".to_owned()));
    let mut seeds = Vec::new();
    seeds.extend(messages::seeds());
    seeds.extend(streams::seeds());
    seeds.extend(frames::seeds());
    seeds.extend(captures::seeds());
    seeds.extend(texts::seeds());
    seeds.extend(signed::seeds());
    seeds.extend(inline::seeds());
    seeds.extend(control::seeds());
    seeds.extend(learned::seeds());
    for (target, name, bytes) in &seeds {
        write(&folder.join(target), name, bytes)?;
    }
    println!("{} seeds in {}", seeds.len(), folder.display());
    Ok(())
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join(format!("seed-{name}")), bytes)
}

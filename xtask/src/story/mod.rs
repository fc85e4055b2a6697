//! The story: a city's quarter of an hour with an attack in it, made from a seed.
//!
//! Owns: every byte of the story's capture, its city file and its ground truth. The same seed gives the same
//! bytes on every machine; another seed gives other addresses, makers, ports, names, values, times and order.
//! Does not own: what Citywall thinks of it.

mod attack;
mod background;
mod cast;
mod city;
mod city_file;
pub(crate) mod dice;
mod knock;
mod makers;
pub(crate) mod payload;
mod recorder;
mod tcp;
mod truth;
pub(crate) mod wire;

use std::io::{self, Write};

use flate2::{Compression, GzBuilder};

const US: i64 = 1_000;
const MS: i64 = 1_000_000;
const SECOND: i64 = 1_000_000_000;

/// Which story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// What all choices are made from.
    pub seed: u64,
    /// Leave out the attack's two forbidden writes, and nothing else.
    pub without_writes: bool,
}

/// A story.
#[derive(Clone, Debug)]
pub struct Story {
    /// Classic pcap with nanoseconds.
    pub pcap: Vec<u8>,
    /// The city file (TOML).
    pub city: String,
    /// The ground truth: see `truth` in the source for its members.
    pub truth: serde_json::Value,
    /// Every password that crosses the wire in clear: nothing that Citywall writes may hold one.
    pub secrets: Vec<String>,
}

/// Makes a story.
///
/// # Errors
/// None that a seed can cause: writing to memory.
pub fn generate(options: Options) -> io::Result<Story> {
    let mut world = city::World::new(options.seed);
    let cast = cast::Cast::new(&mut world);
    let mut dice = world.dice("story");
    let length = dice.within(17 * 60..=22 * 60) * SECOND;
    let end = world.start + length;
    let allowed = background::play(&mut world, &cast, end);
    let begin = world.start + length * dice.within(22..=38) / 100;
    let steps = attack::play(&mut world, &cast, begin, !options.without_writes);
    let recording = std::mem::take(&mut world.recorder).finish();
    let truth = truth::value(
        &world,
        &cast,
        (&steps, &allowed),
        &recording,
        options.seed,
        !options.without_writes,
    );
    Ok(Story {
        pcap: recording.pcap()?,
        city: city_file::text(&world, &cast, options.seed),
        truth,
        secrets: world.secrets.into_iter().collect(),
    })
}

/// The capture as the binary embeds it: gzip without name and time.
///
/// # Errors
/// None that a story can cause: writing to memory.
pub fn compress(pcap: &[u8]) -> io::Result<Vec<u8>> {
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    gzip.write_all(pcap)?;
    gzip.finish()
}

//! Frames from files, standard input and interfaces.
//!
//! Owns: capture file formats (pcap, pcapng, gzip and zstd around them), merging several files in
//! time order, the AF_PACKET ring. Does not own: what the frames say (`citywall-packet`).

mod model;

pub use model::*;

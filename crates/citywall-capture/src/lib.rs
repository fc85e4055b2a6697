//! Frames from files, standard input and interfaces, and packets that the kernel holds for us.
//!
//! Owns: capture file formats (pcap, pcapng, gzip, zstd and zip around them), merging several files in
//! time order, the AF_PACKET ring, giving up privileges once a source is open, writing pcap; for
//! the inline path, NFQUEUE by netlink and the memory that two processes share.
//! Does not own: what the frames say (`citywall-packet`), and verdicts.
//!
//! Entry points: [`Files`] and [`Interface`] are the two [`FrameSource`]s, [`PcapWriter`] writes,
//! [`interfaces`] lists what could be opened, [`drop_privileges`] is called after opening.
//! [`nfqueue::Queue`] holds packets, [`shared`] takes them to the process that judges them.
//!
//! `unsafe` is used in four modules: `ring` (the kernel's ring and the calls that set it up),
//! `privileges` (the calls that give rights up), `nfqueue/calls` (recvmmsg and its like) and
//! `shared/memory` (memory that another process writes). What parses bytes is safe code.

mod block;
mod capture_file;
mod files;
mod format;
mod input;
mod interfaces;
mod live;
mod model;
pub mod nfqueue;
mod pcap;
mod pcapng;
mod privileges;
mod resolution;
mod ring;
pub mod shared;
mod window;
mod writer;
mod zip;
mod zstd;

pub use files::{FileLimits, Files};
pub use interfaces::{InterfaceInfo, interfaces};
pub use live::{Interface, LiveOptions};
pub use model::*;
pub use privileges::{Dropped, PrivilegeError, RunAs, drop_privileges, keep_net_admin};
pub use writer::PcapWriter;

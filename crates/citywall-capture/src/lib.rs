//! Frames from files, standard input and interfaces.
//!
//! Owns: capture file formats (pcap, pcapng, gzip and zstd around them), merging several files in
//! time order, the AF_PACKET ring, giving up privileges once a source is open, and writing pcap.
//! Does not own: what the frames say (`citywall-packet`).
//!
//! Entry points: [`Files`] and [`Interface`] are the two [`FrameSource`]s, [`PcapWriter`] writes,
//! [`interfaces`] lists what could be opened, [`drop_privileges`] is called after opening.
//!
//! `unsafe` is used in two modules, `ring` (the kernel's ring and the calls that set it up) and
//! `privileges` (the calls that give rights up). What parses bytes is safe code.

mod block;
mod capture_file;
mod files;
mod format;
mod input;
mod interfaces;
mod live;
mod model;
mod pcap;
mod pcapng;
mod privileges;
mod resolution;
mod ring;
mod window;
mod writer;
mod zstd;

pub use files::{FileLimits, Files};
pub use interfaces::{InterfaceInfo, interfaces};
pub use live::{Interface, LiveOptions};
pub use model::*;
pub use privileges::{Dropped, PrivilegeError, RunAs, drop_privileges, keep_net_admin};
pub use writer::PcapWriter;

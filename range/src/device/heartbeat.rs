//! Patient monitors tell the nurses' station that they live.
//!
//! Owns: a datagram with a count, and the same one back. Does not own: what happens when it stays away.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::serve;
use crate::log::{Kind, Log, now};

/// Where the station listens.
const PORT: u16 = 4_700;

/// Serves the station.
pub(super) fn serve(log: Arc<Log>) -> io::Result<()> {
    serve::udp(PORT, move |beat, peer| {
        log.tell(Kind::Served, "heartbeat", peer, now(), true, "beat");
        Some(beat.to_vec())
    })
}

/// One beat.
pub(super) fn beat(to: Ipv4Addr, count: u64) -> io::Result<()> {
    let beat = [&b"alive"[..], &count.to_be_bytes()].concat();
    serve::ask(to, PORT, &beat, |answer| answer == beat).map(drop)
}

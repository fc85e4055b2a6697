//! Time: asked for and told.
//!
//! Owns: NTP's header as far as the range needs it (RFC 5905, figure 8). Does not own: clocks.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::serve::{self, wrong};
use crate::log::{Kind, Log, now};

const PORT: u16 = 123;
/// Seconds from 1900 to 1970.
const ERA: u64 = 2_208_988_800;

/// Serves time.
pub(super) fn serve(log: Arc<Log>) -> io::Result<()> {
    serve::udp(PORT, move |asked, peer| {
        let began = now();
        let sent = asked.get(40..48)?;
        log.tell(Kind::Served, "ntp", peer, began, true, "time");
        // Version 4, mode 4 (server), stratum 2, of a clock at 192.0.2.1.
        let mut message = vec![0x24, 2, 6, 0xec];
        message.extend([0; 8]);
        message.extend([192, 0, 2, 1]);
        message.extend(stamp());
        message.extend(sent);
        message.extend(stamp());
        message.extend(stamp());
        Some(message)
    })
}

fn stamp() -> [u8; 8] {
    let now = now();
    let seconds = now / 1_000_000_000 + ERA;
    let fraction = ((now % 1_000_000_000) << 32) / 1_000_000_000;
    (seconds << 32 | fraction).to_be_bytes()
}

/// Asks for the time.
pub(super) fn ask(to: Ipv4Addr) -> io::Result<()> {
    let mut message = vec![0x23, 0, 6, 0xec];
    message.extend([0; 36]);
    let sent = stamp();
    message.extend(sent);
    let answer = serve::ask(to, PORT, &message, |answer| answer.get(24..32) == Some(&sent[..]))?;
    match answer.first().map(|first| first & 7) {
        Some(4) => Ok(()),
        _ => Err(wrong("no server")),
    }
}

//! A log server, and those who tell it things.
//!
//! Owns: syslog over UDP as far as the range needs it (RFC 3164). There is no answer, so a client
//! only knows that it could send. Does not own: the devices' own logs.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;

use super::serve;
use crate::log::{Kind, Log, now};

const PORT: u16 = 514;

/// Takes lines.
pub(super) fn serve(log: Arc<Log>) -> io::Result<()> {
    serve::udp(PORT, move |line, peer| {
        let text = String::from_utf8_lossy(line.get(..200).unwrap_or(line));
        log.tell(Kind::Served, "syslog", peer, now(), true, &text);
        None
    })
}

/// Tells a line: facility local0, severity informational.
pub(super) fn send(to: Ipv4Addr, text: &str) -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let line = format!("<134>monitor: {text}");
    socket.send_to(line.as_bytes(), (to, PORT)).map(drop)
}

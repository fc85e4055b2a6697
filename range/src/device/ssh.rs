//! A shell by SSH, as far as its greeting, and those who look whether it is there.
//!
//! Owns: the exchange of identifications (RFC 4253 section 4.2). Does not own: keys; where there is a
//! real server, it has them.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;

use super::serve::{self, wrong};
use crate::log::{Kind, Log, now};

const PORT: u16 = 22;
/// RFC 4253 section 4.2: the longest identification, with its line feed.
const LONGEST: u64 = 255;
const OWN: &[u8] = b"SSH-2.0-Eastmere_1.0\r\n";

/// Greets whoever comes.
pub(super) fn serve(log: Arc<Log>) -> io::Result<()> {
    serve::tcp(PORT, move |stream, peer| {
        let began = now();
        let greeted = exchange(&stream);
        log.tell(Kind::Served, "ssh", peer, began, greeted.is_ok(), "greeting");
        greeted
    })
}

/// Looks whether the server is there, as a supervisor does.
pub(super) fn greet(to: Ipv4Addr) -> io::Result<()> {
    exchange(&serve::connect(to, PORT)?)
}

fn exchange(mut stream: &TcpStream) -> io::Result<()> {
    stream.write_all(OWN)?;
    let mut line = Vec::new();
    BufReader::new(stream.take(LONGEST)).read_until(b'\n', &mut line)?;
    if line.starts_with(b"SSH-2.0-") && line.ends_with(b"\n") {
        Ok(())
    } else {
        Err(wrong("no SSH"))
    }
}

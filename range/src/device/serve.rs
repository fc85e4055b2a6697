//! What all servers have in common: a port, and a bounded number of conversations.
//!
//! Owns: accepting, the limit, datagrams, reading exactly. Does not own: any protocol.

use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::ANSWER;
use crate::log::{Kind, Log, now};

/// Conversations that a server holds at one time; more are closed at once.
const CONVERSATIONS: usize = 64;
/// A conversation that says nothing for so long is over.
const SILENCE: Duration = Duration::from_secs(30);

/// Serves a TCP port: `talk` has one conversation, with the peer's address in words.
pub(super) fn tcp(
    port: u16,
    talk: impl Fn(TcpStream, &str) -> io::Result<()> + Send + Sync + 'static,
) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
    let talk = Arc::new(talk);
    let open = Arc::new(AtomicUsize::new(0));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if open.load(Ordering::Relaxed) >= CONVERSATIONS {
                continue;
            }
            open.fetch_add(1, Ordering::Relaxed);
            let (talk, open) = (Arc::clone(&talk), Arc::clone(&open));
            std::thread::spawn(move || {
                let peer = stream
                    .peer_addr()
                    .map_or_else(|_| "?".to_owned(), |p| p.ip().to_string());
                let _ = stream.set_nodelay(true);
                let _ = stream.set_read_timeout(Some(SILENCE));
                let _ = stream.set_write_timeout(Some(SILENCE));
                // However it ended: what was asked is in the log.
                let _ = talk(stream, &peer);
                open.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    Ok(())
}

/// Serves a UDP port: `answer` makes one datagram of another.
pub(super) fn udp(
    port: u16,
    mut answer: impl FnMut(&[u8], &str) -> Option<Vec<u8>> + Send + 'static,
) -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
    std::thread::spawn(move || {
        let mut buffer = [0; 2_048];
        loop {
            let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                continue;
            };
            let asked = buffer.get(..length).unwrap_or_default();
            if let Some(answer) = answer(asked, &from.ip().to_string()) {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    Ok(())
}

/// Takes all that it is given; tells for each conversation and each 16 KiB how much it has.
pub(super) fn sink(port: u16, log: Arc<Log>) -> io::Result<()> {
    tcp(port, move |mut stream, peer| {
        let mut buffer = [0; 4_096];
        let (mut bytes, mut told) = (0, 0);
        loop {
            let began = now();
            let read = stream.read(&mut buffer)?;
            bytes += read;
            if read == 0 || bytes - told >= 16_384 {
                told = bytes;
                log.tell(
                    Kind::Served,
                    "sink",
                    peer,
                    began,
                    true,
                    &format!("{bytes} bytes taken"),
                );
            }
            if read == 0 {
                return Ok(());
            }
        }
    })
}

/// Opens a conversation, with the patience of all clients.
pub(crate) fn connect(to: Ipv4Addr, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::new(IpAddr::V4(to), port), ANSWER)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    Ok(stream)
}

/// Sends a datagram from any port and gives the answer that `fits`.
pub(crate) fn ask(
    to: Ipv4Addr,
    port: u16,
    asked: &[u8],
    fits: impl Fn(&[u8]) -> bool,
) -> io::Result<Vec<u8>> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((to, port))?;
    socket.set_read_timeout(Some(ANSWER))?;
    socket.send(asked)?;
    let mut buffer = [0; 2_048];
    // A late answer to an earlier question is passed over, at most a few.
    for _ in 0..8 {
        let length = socket.recv(&mut buffer)?;
        let answer = buffer.get(..length).unwrap_or_default();
        if fits(answer) {
            return Ok(answer.to_vec());
        }
    }
    Err(io::Error::new(
        ErrorKind::InvalidData,
        "only answers to other questions",
    ))
}

/// Reads exactly so many bytes.
pub(super) fn read(stream: &mut TcpStream, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Why an answer is none.
pub(super) fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what.into())
}

//! The control socket: connections, their buffers and their bounds.
//!
//! Owns: taking and cutting connections, lines in and out, how many and how fast. Does not own:
//! what a line says (`lines`) and who may say it (`people`).
//!
//! Nobody can make the enforcer wait: nothing here blocks. Who sends too fast is read more slowly, so
//! that its own socket fills; who does not read what it is told is cut.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use citywall_event::Nanos;

use super::lines::{LINE, Speaker};
use super::people::Peer;

/// Connections at a time, and of one account.
pub const CONNECTIONS: usize = 64;
/// Of one account.
const OF_ONE: usize = 16;
/// Bytes that wait for one reader.
const WAITING: usize = 1 << 20;
/// How long a connection may stay without having said what it is.
const PATIENCE: Nanos = 5_000_000_000;
/// Lines of one connection in one round: others get their turn.
const ROUND: usize = 512;

/// What a connection is known by; never used again.
pub type Id = u64;

/// Lines a second, and how many may come at once.
#[derive(Clone, Copy, Debug)]
struct Rate {
    a_second: Nanos,
    at_once: Nanos,
}

const PERSON: Rate = Rate {
    a_second: 20,
    at_once: 100,
};
const SENSOR: Rate = Rate {
    a_second: 2_000,
    at_once: 20_000,
};

/// One connection.
pub struct Connection {
    /// Its name.
    pub id: Id,
    /// Who.
    pub peer: Peer,
    /// As what it speaks, once it said so.
    pub speaker: Option<Speaker>,
    /// It wants to be told what happens.
    pub subscribed: bool,
    stream: UnixStream,
    input: Vec<u8>,
    output: VecDeque<u8>,
    since: Nanos,
    /// What it may still send at once, in billionths of a line, and when that was reckoned.
    tokens: Nanos,
    reckoned: Nanos,
    /// No more is taken from it; it goes once its output is written.
    ending: bool,
    gone: bool,
}

/// What came from a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A line, without its line feed.
    Line(Vec<u8>),
    /// A line that is longer than it may be; no more is taken from the connection.
    TooLong,
}

/// All connections.
pub struct Connections {
    listener: UnixListener,
    open: Vec<Connection>,
    next: Id,
    /// Connections that were not taken, or cut because they did not read.
    pub cut: u64,
}

impl Connections {
    /// Serves a socket that is bound already.
    ///
    /// # Errors
    /// Where it cannot be made not to block.
    pub fn new(listener: UnixListener) -> std::io::Result<Connections> {
        listener.set_nonblocking(true)?;
        Ok(Connections {
            listener,
            open: Vec::new(),
            next: 1,
            cut: 0,
        })
    }

    /// The listening socket.
    pub fn listener(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// Those to wait for: the socket, whether more may be read from it, whether something waits to
    /// be written.
    pub fn interests(&self, now: Nanos) -> Vec<(Id, BorrowedFd<'_>, bool, bool)> {
        let open = self.open.iter().filter(|c| !c.gone);
        open.map(|c| {
            let reads = !c.ending && c.may_send(now) >= 1;
            (c.id, c.stream.as_fd(), reads, !c.output.is_empty())
        })
        .collect()
    }

    /// Takes what waits to be taken. `peer` tells who a user id is.
    pub fn accept(&mut self, now: Nanos, peer: impl Fn(u32) -> Peer) {
        while let Ok((stream, _)) = self.listener.accept() {
            let credentials = rustix::net::sockopt::socket_peercred(&stream);
            let uid = match (credentials, stream.set_nonblocking(true)) {
                (Ok(credentials), Ok(())) => credentials.uid.as_raw(),
                _ => continue,
            };
            let of_one = self.open.iter().filter(|c| c.peer.uid == uid).count();
            if self.open.len() >= CONNECTIONS || of_one >= OF_ONE {
                self.cut += 1;
                continue;
            }
            self.open.push(Connection {
                id: self.next,
                peer: peer(uid),
                speaker: None,
                subscribed: false,
                stream,
                input: Vec::new(),
                output: VecDeque::new(),
                since: now,
                tokens: PERSON.at_once * 1_000_000_000,
                reckoned: now,
                ending: false,
                gone: false,
            });
            self.next += 1;
        }
    }

    /// Reads what a connection has sent, at most one round.
    pub fn hear(&mut self, id: Id, now: Nanos) -> Vec<Heard> {
        match self.get(id) {
            Some(connection) => connection.hear(now),
            None => Vec::new(),
        }
    }

    /// The connection of this name.
    pub fn get(&mut self, id: Id) -> Option<&mut Connection> {
        self.open.iter_mut().find(|c| c.id == id && !c.gone)
    }

    /// Sends a text, whole lines, to a connection.
    pub fn send(&mut self, id: Id, text: &str) {
        let mut cut = 0;
        if let Some(connection) = self.get(id) {
            cut = u64::from(!connection.send(text));
        }
        self.cut += cut;
    }

    /// Sends a text to all that fit.
    pub fn send_all(&mut self, text: &str, fits: impl Fn(&Connection) -> bool) {
        for connection in self.open.iter_mut().filter(|c| !c.gone && !c.ending) {
            if fits(connection) && !connection.send(text) {
                self.cut += 1;
            }
        }
    }

    /// Writes what waits.
    pub fn flush(&mut self, id: Id) {
        if let Some(connection) = self.get(id) {
            connection.flush();
        }
    }

    /// No more is taken from it; it goes once it has read what it was told.
    pub fn end(&mut self, id: Id) {
        if let Some(connection) = self.get(id) {
            connection.ending = true;
            connection.flush();
        }
    }

    /// Looks up peers anew: the city file changed.
    pub fn rename(&mut self, peer: impl Fn(u32) -> Peer) {
        // For whom a console speaks is looked up with every line.
        for connection in self.open.iter_mut().filter(|c| !c.peer.is_spoken_for()) {
            connection.peer = peer(connection.peer.uid);
        }
    }

    /// Forgets those that are gone, and cuts those that never said what they are. Gives their names.
    pub fn sweep(&mut self, now: Nanos) -> Vec<Id> {
        for connection in &mut self.open {
            let silent = connection.speaker.is_none() && now - connection.since > PATIENCE;
            let told =
                connection.ending && (connection.output.is_empty() || now - connection.since > PATIENCE);
            connection.gone |= silent || told;
        }
        let gone = self.open.iter().filter(|c| c.gone).map(|c| c.id).collect();
        self.open.retain(|c| !c.gone);
        gone
    }

    /// How many there are of a kind.
    pub fn count(&self, fits: impl Fn(&Connection) -> bool) -> usize {
        self.open.iter().filter(|c| !c.gone && fits(c)).count()
    }
}

impl Connection {
    fn rate(&self) -> Rate {
        match self.speaker {
            Some(Speaker::Sensor) => SENSOR,
            _ => PERSON,
        }
    }

    /// It said what it is.
    pub fn speaks_as(&mut self, speaker: Speaker) {
        self.speaker = Some(speaker);
        self.tokens = self.rate().at_once * 1_000_000_000;
    }

    fn reckon(&self, now: Nanos) -> Nanos {
        let rate = self.rate();
        let span = (now - self.reckoned).clamp(0, 1_000_000_000 * rate.at_once / rate.a_second);
        (self.tokens + span * rate.a_second).min(rate.at_once * 1_000_000_000)
    }

    /// Whole lines that it may send now.
    fn may_send(&self, now: Nanos) -> Nanos {
        self.reckon(now) / 1_000_000_000
    }

    fn hear(&mut self, now: Nanos) -> Vec<Heard> {
        let mut heard = Vec::new();
        self.tokens = self.reckon(now);
        self.reckoned = now;
        let mut buffer = [0; 16 << 10];
        while !self.ending && !self.gone {
            while heard.len() < ROUND && self.tokens >= 1_000_000_000 {
                let Some(end) = self.input.iter().position(|b| *b == b'\n') else {
                    break;
                };
                let mut line: Vec<u8> = self.input.drain(..=end).collect();
                line.pop();
                self.tokens -= 1_000_000_000;
                heard.push(Heard::Line(line));
            }
            if heard.len() >= ROUND || self.tokens < 1_000_000_000 {
                break;
            }
            if self.input.len() >= LINE {
                self.ending = true;
                heard.push(Heard::TooLong);
                break;
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    self.gone = true;
                }
                Ok(n) => self.input.extend_from_slice(buffer.get(..n).unwrap_or(&[])),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.gone = true,
            }
        }
        heard
    }

    /// True where whole lines wait that were read but not heard: the next round need not wait.
    fn has_more(&self) -> bool {
        !self.ending && self.input.contains(&b'\n')
    }

    fn send(&mut self, text: &str) -> bool {
        if self.output.len() + text.len() > WAITING {
            // Half a line would be worse than none.
            self.gone = true;
            return false;
        }
        self.output.extend(text.as_bytes());
        self.flush();
        true
    }

    fn flush(&mut self) {
        while !self.output.is_empty() && !self.gone {
            let (first, _) = self.output.as_slices();
            match self.stream.write(first) {
                Ok(0) => self.gone = true,
                Ok(n) => {
                    self.output.drain(..n);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.gone = true,
            }
        }
    }
}

impl Connections {
    /// Connections that have whole lines waiting and may be heard at once.
    pub fn unheard(&self, now: Nanos) -> Vec<Id> {
        let waiting = self.open.iter().filter(|c| !c.gone && c.has_more());
        waiting.filter(|c| c.may_send(now) >= 1).map(|c| c.id).collect()
    }
}

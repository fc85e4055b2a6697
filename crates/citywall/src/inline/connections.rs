//! The TCP sessions that are inspected.
//!
//! Owns: finding a session by its packets, which end is the client, forgetting the idle ones.
//! Bounded: two generations; when the young one is full it becomes the old one, and what was not
//! heard since is forgotten.

use std::net::IpAddr;

use hashbrown::HashMap;

use super::policy::Party;
use super::requests::Requests;
use super::splice::Splice;

/// Sessions of one generation.
const GENERATION: usize = 16_384;

/// Both ends, the lower one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    ends: [(IpAddr, u16); 2],
}

impl Key {
    /// The key of a packet, and whether its sender stands first.
    pub fn new(from: (IpAddr, u16), to: (IpAddr, u16)) -> (Key, bool) {
        if from <= to {
            (Key { ends: [from, to] }, true)
        } else {
            (Key { ends: [to, from] }, false)
        }
    }
}

/// What is done with a session's packets.
pub enum Mode {
    /// They pass: nothing in it needs a look.
    Free,
    /// Requests are judged.
    Spliced(Box<Spliced>),
    /// It was ended: nothing passes.
    Ended,
}

/// What a session needs whose requests are judged.
pub struct Spliced {
    /// The numbers.
    pub splice: Splice,
    /// The requests.
    pub requests: Requests,
    /// The server's last window and timestamp, for packets in its name.
    pub window: u16,
    /// As above.
    pub timestamp: Option<u32>,
}

/// One session.
pub struct Connection {
    /// The client stands first in the key.
    pub client_first: bool,
    /// Who opened it.
    pub client: Party,
    /// With whom.
    pub server: Party,
    /// Their ports.
    pub ports: (u16, u16),
    /// What is done.
    pub mode: Mode,
}

/// All sessions.
#[derive(Default)]
pub struct Connections {
    young: HashMap<Key, Connection>,
    old: HashMap<Key, Connection>,
}

impl Connections {
    /// The session, where it is known.
    pub fn get(&mut self, key: &Key) -> Option<&mut Connection> {
        if !self.young.contains_key(key) {
            let connection = self.old.remove(key)?;
            self.insert(*key, connection);
        }
        self.young.get_mut(key)
    }

    /// A new session.
    pub fn insert(&mut self, key: Key, connection: Connection) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, connection);
    }

    /// Forgets one.
    pub fn remove(&mut self, key: &Key) {
        self.young.remove(key);
        self.old.remove(key);
    }

    /// Sessions that passed without a look are looked at again: the policy has changed.
    pub fn reconsider(&mut self) {
        for generation in [&mut self.young, &mut self.old] {
            generation.retain(|_, connection| !matches!(connection.mode, Mode::Free));
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

//! A map that forgets what was not used lately.
//!
//! Owns: two generations. What is used moves to the young one; when that is half the room, the old
//! one is dropped and the young one becomes old. So every step costs the same, and what is dropped
//! depends on the events alone.

use std::hash::Hash;

use hashbrown::HashMap;

/// The map.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    room: usize,
    forgotten: u64,
}

impl<K: Eq + Hash, V: Default> Recent<K, V> {
    /// Room for `room` entries.
    pub(crate) fn new(room: usize) -> Recent<K, V> {
        Recent {
            young: HashMap::new(),
            old: HashMap::new(),
            room: room.max(2),
            forgotten: 0,
        }
    }

    /// The entry of a key, made where it is new.
    pub(crate) fn entry(&mut self, key: K) -> &mut V {
        if self.young.len() >= self.room / 2 && !self.young.contains_key(&key) {
            self.forgotten += self.old.len() as u64;
            // The emptied map keeps its room: it is about to grow as large again.
            self.old.clear();
            std::mem::swap(&mut self.old, &mut self.young);
        }
        let old = &mut self.old;
        self.young
            .entry(key)
            .or_insert_with_key(|key| old.remove(key).unwrap_or_default())
    }

    /// The entry of a key that is known.
    pub(crate) fn get(&mut self, key: K) -> Option<&mut V> {
        if self.young.contains_key(&key) || self.old.contains_key(&key) {
            return Some(self.entry(key));
        }
        None
    }

    /// How many are known.
    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// How many were dropped.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

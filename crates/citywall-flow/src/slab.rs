//! Where conversations live: numbered slots that are used again.
//!
//! Owns: allocation of slots. Does not own: finding one by key (`table`) or by age (`timers`).

use crate::tcp::Connection;
use crate::timers::Links;
use crate::{Flow, FlowKey};

/// One conversation with all that the table keeps of it.
pub(crate) struct Slot<S> {
    pub key: FlowKey,
    pub links: Links,
    /// The initiator is the key's lower end.
    pub initiator_low: bool,
    pub flow: Flow<S>,
    /// Apart, so that the many short UDP conversations do not pay for it.
    pub tcp: Option<Box<Connection>>,
}

/// Slots, by number.
pub(crate) struct Slab<S> {
    slots: Vec<Option<Slot<S>>>,
    free: Vec<u32>,
}

impl<S> Slab<S> {
    pub fn new() -> Slab<S> {
        Slab {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    pub fn live(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    #[inline]
    pub fn get(&self, index: u32) -> Option<&Slot<S>> {
        self.slots.get(index as usize)?.as_ref()
    }

    #[inline]
    pub fn get_mut(&mut self, index: u32) -> Option<&mut Slot<S>> {
        self.slots.get_mut(index as usize)?.as_mut()
    }

    /// Puts a conversation into a free slot.
    pub fn insert(&mut self, slot: Slot<S>) -> u32 {
        while let Some(index) = self.free.pop() {
            if let Some(place) = self.slots.get_mut(index as usize) {
                *place = Some(slot);
                return index;
            }
        }
        self.slots.push(Some(slot));
        // The number of flows is limited by a u32, so this never cuts.
        (self.slots.len() - 1) as u32
    }

    /// Takes a conversation out.
    pub fn remove(&mut self, index: u32) -> Option<Slot<S>> {
        let slot = self.slots.get_mut(index as usize)?.take()?;
        self.free.push(index);
        Some(slot)
    }

    /// The numbers of all slots in use.
    pub fn indices(&self) -> impl Iterator<Item = u32> + '_ {
        (0u32..)
            .zip(&self.slots)
            .filter_map(|(i, slot)| slot.as_ref().map(|_| i))
    }
}

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

/// Slots of one block. Blocks never move: a table that grows copies nothing and never holds an old
/// and a new copy of itself.
const BLOCK: usize = 1_024;

/// Slots, by number.
pub(crate) struct Slab<S> {
    blocks: Vec<Vec<Option<Slot<S>>>>,
    vacant: Vec<u32>,
}

impl<S> Slab<S> {
    pub fn new() -> Slab<S> {
        Slab {
            blocks: Vec::new(),
            vacant: Vec::new(),
        }
    }

    pub fn live(&self) -> usize {
        let full = self.blocks.len().saturating_sub(1) * BLOCK;
        full + self.blocks.last().map_or(0, Vec::len) - self.vacant.len()
    }

    #[inline]
    pub fn get(&self, index: u32) -> Option<&Slot<S>> {
        self.blocks
            .get(index as usize / BLOCK)?
            .get(index as usize % BLOCK)?
            .as_ref()
    }

    #[inline]
    pub fn get_mut(&mut self, index: u32) -> Option<&mut Slot<S>> {
        self.place(index)?.as_mut()
    }

    /// Reads a little of each part of a slot that a packet will need, so that it comes into the
    /// processor's cache. What it gives means nothing.
    #[inline]
    pub fn touch(&self, index: u32) -> u64 {
        self.get(index).map_or(0, |slot| {
            let flow = &slot.flow;
            slot.key.touch()
                ^ flow.last as u64
                ^ flow.packets[0]
                ^ flow.missing[1]
                ^ slot.tcp.as_ref().map_or(0, |tcp| tcp.touch())
        })
    }

    /// Puts a conversation into a free slot.
    pub fn insert(&mut self, slot: Slot<S>) -> u32 {
        while let Some(index) = self.vacant.pop() {
            if let Some(place) = self.place(index) {
                *place = Some(slot);
                return index;
            }
        }
        if self.blocks.last().is_none_or(|block| block.len() == BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        let before = (self.blocks.len() - 1) * BLOCK;
        let Some(block) = self.blocks.last_mut() else {
            return 0;
        };
        block.push(Some(slot));
        // The number of flows is limited by a u32, so this never cuts.
        (before + block.len() - 1) as u32
    }

    #[inline]
    fn place(&mut self, index: u32) -> Option<&mut Option<Slot<S>>> {
        self.blocks
            .get_mut(index as usize / BLOCK)?
            .get_mut(index as usize % BLOCK)
    }

    /// Drops a conversation.
    pub fn free(&mut self, index: u32) {
        if let Some(place) = self.place(index)
            && place.is_some()
        {
            *place = None;
            self.vacant.push(index);
        }
    }

    /// The numbers of all slots in use.
    pub fn indices(&self) -> impl Iterator<Item = u32> + '_ {
        (0u32..)
            .zip(self.blocks.iter().flatten())
            .filter_map(|(i, slot)| slot.as_ref().map(|_| i))
    }
}

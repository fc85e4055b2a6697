//! Which conversation has been silent the longest.
//!
//! Owns: one list for each time-out class, linked through the slots, ordered by time, so that
//! looking for what has timed out costs only as much as there is. Does not own: closing.
//!
//! A conversation moves to its list's end at most once per `GRANULE` of packet time: most packets
//! touch no neighbour. So a list is ordered by `linked_at`, and the last packet lies in
//! `linked_at .. linked_at + GRANULE`; whoever walks a list checks the true time.

use citywall_packet::Nanos;

use crate::slab::Slab;
use crate::{Carrier, Flow, State, Timeouts};

const GRANULE: Nanos = 1_000_000_000;
const NIL: u32 = u32::MAX;

/// Conversations with the same time-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    TcpClosed,
    TcpNew,
    UdpSettled,
    UdpNew,
    TcpEstablished,
    TcpClosing,
    UdpEstablished,
    Icmp,
    Ethernet,
    Other,
}

impl Class {
    pub const ALL: [Class; 10] = [
        Class::TcpClosed,
        Class::TcpNew,
        Class::UdpSettled,
        Class::UdpNew,
        Class::TcpEstablished,
        Class::TcpClosing,
        Class::UdpEstablished,
        Class::Icmp,
        Class::Ethernet,
        Class::Other,
    ];

    #[inline]
    pub fn of<S>(flow: &Flow<S>) -> Class {
        match (flow.carrier, flow.state) {
            (Carrier::Tcp, State::New) => Class::TcpNew,
            (Carrier::Tcp, State::Established) => Class::TcpEstablished,
            // Who never got an answer is half open, whatever it sends: a flood may be of any flags.
            (Carrier::Tcp, State::Closing) if flow.packets.contains(&0) => Class::TcpNew,
            (Carrier::Tcp, State::Closing) => Class::TcpClosing,
            (Carrier::Tcp, State::Closed) => Class::TcpClosed,
            (Carrier::Udp, State::New) => Class::UdpNew,
            (Carrier::Udp, _) if flow.settled => Class::UdpSettled,
            (Carrier::Udp, _) => Class::UdpEstablished,
            (Carrier::Ip(1 | 58), _) => Class::Icmp,
            (Carrier::Ip(_), _) => Class::Other,
            (Carrier::Ethernet(_), _) => Class::Ethernet,
        }
    }

    #[inline]
    pub fn timeout(self, timeouts: &Timeouts) -> Nanos {
        match self {
            Class::TcpClosed => timeouts.tcp_closed,
            Class::TcpNew => timeouts.tcp_new,
            Class::UdpNew => timeouts.udp_new,
            Class::TcpEstablished => timeouts.tcp_established,
            Class::TcpClosing => timeouts.tcp_closing,
            Class::UdpSettled => timeouts.udp_settled,
            Class::UdpEstablished => timeouts.udp_established,
            Class::Icmp => timeouts.icmp,
            Class::Ethernet => timeouts.ethernet,
            Class::Other => timeouts.other,
        }
    }
}

/// A slot's place in its list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links {
    class: Class,
    previous: u32,
    next: u32,
    linked_at: Nanos,
}

impl Links {
    /// In no list.
    pub fn loose() -> Links {
        Links {
            class: Class::Other,
            previous: NIL,
            next: NIL,
            linked_at: 0,
        }
    }

    /// Whether a packet at `now` in this class means a new place.
    #[inline]
    pub fn stale(&self, class: Class, now: Nanos) -> bool {
        self.class != class || now.saturating_sub(self.linked_at) >= GRANULE
    }
}

#[derive(Clone, Copy)]
struct List {
    oldest: u32,
    newest: u32,
    len: u32,
}

/// The lists of all classes.
pub(crate) struct Timers {
    lists: [List; Class::ALL.len()],
}

impl Timers {
    pub fn new() -> Timers {
        Timers {
            lists: [List {
                oldest: NIL,
                newest: NIL,
                len: 0,
            }; Class::ALL.len()],
        }
    }

    /// Puts a loose slot at the end of a list. `now` must not go backward.
    pub fn link<S>(&mut self, slab: &mut Slab<S>, index: u32, class: Class, now: Nanos) {
        let list = &mut self.lists[class as usize];
        let previous = list.newest;
        let Some(slot) = slab.get_mut(index) else {
            return;
        };
        slot.links = Links {
            class,
            previous,
            next: NIL,
            linked_at: now,
        };
        list.newest = index;
        list.len += 1;
        match slab.get_mut(previous) {
            Some(before) => before.links.next = index,
            None => list.oldest = index,
        }
    }

    /// Takes a slot out of its list.
    pub fn unlink<S>(&mut self, slab: &mut Slab<S>, index: u32) {
        let Some(slot) = slab.get_mut(index) else {
            return;
        };
        let links = slot.links;
        slot.links = Links::loose();
        let list = &mut self.lists[links.class as usize];
        list.len = list.len.saturating_sub(1);
        match slab.get_mut(links.previous) {
            Some(before) => before.links.next = links.next,
            None => list.oldest = links.next,
        }
        match slab.get_mut(links.next) {
            Some(after) => after.links.previous = links.previous,
            None => list.newest = links.previous,
        }
    }

    /// How many are of a class.
    #[inline]
    pub fn len(&self, class: Class) -> u32 {
        self.lists[class as usize].len
    }

    /// The oldest slot of a class and since when it is in its place.
    pub fn oldest<S>(&self, slab: &Slab<S>, class: Class) -> Option<(Nanos, u32)> {
        let index = self.lists[class as usize].oldest;
        slab.get(index).map(|slot| (slot.links.linked_at, index))
    }

    /// Appends to `found` what has been silent for its time-out at `border`.
    pub fn collect<S>(&self, slab: &Slab<S>, timeouts: &Timeouts, border: Nanos, found: &mut Vec<u32>) {
        for class in Class::ALL {
            let timeout = class.timeout(timeouts);
            let mut index = self.lists[class as usize].oldest;
            while let Some(slot) = slab.get(index) {
                if slot.links.linked_at.saturating_add(timeout) > border {
                    break;
                }
                if slot.flow.last.saturating_add(timeout) <= border {
                    found.push(index);
                }
                index = slot.links.next;
            }
        }
    }
}

//! SYNs that are a search, and no flood.
//!
//! Owns: which slices try one port after another, and for how long that explains them. Does not own: who searches
//! (`scan`, which hears what came of each try).
//!
//! Who searches tries each port of each host once, or twice where nothing answers; decoys, invented senders beside
//! the real one, try the same ports. So few send, and there are nearly as many pairs of host and port as SYNs. A
//! flood is of many senders, or comes back to the same ports; one that goes on to ever new ones is out of them
//! in the end.

use citywall_event::Nanos;

use super::meter::{Key, Tally};
use super::sketch::Distinct;

/// Senders of a search at most: tools take ten decoys or so.
const SENDERS: f64 = 16.0;

/// Ports and hosts from which on it is one: floods are for a few.
const PAIRS: f64 = 16.0;

/// SYNs that a search explains: each port of a host twice.
const ALL: u64 = 2 * 65_536;

/// What was tried.
#[derive(Clone, Copy, Debug, Default)]
struct Tried {
    pairs: Distinct,
    syns: u64,
}

/// The search that is on, of one receiver or network.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Search {
    /// Before the last slice that was part of one, and with it.
    before: Tried,
    now: Tried,
    last: Nanos,
}

impl Search {
    /// True where the SYNs of a slice are a search; a slice may come again, with more of it.
    pub(super) fn explains(&mut self, slice: &Tally, calm: Nanos) -> bool {
        let senders = slice.askers.estimate();
        let own = Tried {
            pairs: slice.tried,
            syns: slice.syns().into(),
        };
        if matches!(slice.key, Key::From(_)) || senders > SENDERS || !own.is_search(senders) {
            return false;
        }
        // Each of many who try on their own has its own ports: a flood for random ones.
        if own.pairs.estimate() * senders > 2.0 * own.syns as f64 {
            return false;
        }
        if slice.start > self.last {
            let over = slice.start - self.last > calm;
            self.before = if over { Tried::default() } else { self.now };
            self.last = slice.start;
        }
        self.now = self.before;
        self.now.pairs.merge(&own.pairs);
        self.now.syns += own.syns;
        self.now.syns <= ALL && self.now.is_search(senders)
    }
}

impl Tried {
    fn is_search(&self, senders: f64) -> bool {
        let pairs = self.pairs.estimate();
        pairs >= PAIRS && self.syns as f64 <= 2.0 * senders.max(1.0) * pairs
    }
}

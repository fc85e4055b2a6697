//! What a device did by a rhythm before, and what a new rhythm means after that.
//!
//! Owns: since when each device is known, the rhythms that it had, which new one takes the place of an old
//! one, and how much a rhythm weighs. Does not own: hearing contacts, and what counts as a rhythm (`beacon`).
//!
//! What a habit can hide is bounded: a device that is known for less than its first days is judged without
//! one, each old rhythm has one successor, and only where it fell silent before the new one began.

use std::net::IpAddr;

use citywall_event::Nanos;

/// For so long a device is only got to know.
pub(crate) const FIRST_DAYS: Nanos = 259_200_000_000_000;

/// Address, protocol and port.
pub(crate) type Service = (IpAddr, u8, u16);

/// Rhythms that are kept of a device.
const HABITS: usize = 8;
/// How much a new rhythm's interval, and its sizes, may differ from those of the one that it succeeds.
const LIKE: (f64, f64) = (1.5, 4.0);

/// A device, and what it did by a rhythm.
#[derive(Debug, Default)]
pub(crate) struct Familiar {
    /// When it was heard first.
    pub(crate) since: Nanos,
    habits: Vec<Habit>,
}

/// One rhythm.
#[derive(Clone, Copy, Debug)]
struct Habit {
    service: Service,
    interval: Nanos,
    size: u64,
    last: Nanos,
}

/// What is known of a rhythm that is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traits {
    pub(crate) service: Service,
    /// When this device contacted this service first.
    pub(crate) first: Nanos,
    pub(crate) now: Nanos,
    pub(crate) interval: Nanos,
    /// Spread of the intervals, and the most that is a rhythm.
    pub(crate) spread: f64,
    pub(crate) widest: f64,
    /// Median of what it sent, and its spread, where conversations have ended.
    pub(crate) sizes: Option<(u64, f64)>,
    /// Share of the conversations that were answered.
    pub(crate) answered: f64,
    /// Devices of the city that contacted this service, this one too.
    pub(crate) callers: usize,
    /// The service was contacted by somebody in the first days of all that is known.
    pub(crate) old_service: bool,
}

/// What a rhythm is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Of a device of which too little is known: by its evenness alone.
    Early,
    /// In the place of an old one.
    Successor,
    /// Weighed.
    Weighs(f64),
}

impl Familiar {
    /// Whether it is known for its first days, at a time.
    pub(crate) fn known(&self, at: Nanos) -> bool {
        self.since != 0 && at.saturating_sub(self.since) >= FIRST_DAYS
    }

    /// A contact: a habit that goes on is not over.
    pub(crate) fn contact(&mut self, service: Service, at: Nanos) {
        if let Some(habit) = self.habits.iter_mut().find(|h| h.service == service) {
            habit.last = at;
        }
    }

    /// What was judged is a habit from now on. The one that was quiet for longest makes room.
    pub(crate) fn learn(&mut self, traits: &Traits) {
        let habit = Habit {
            service: traits.service,
            interval: traits.interval,
            size: traits.sizes.map_or(0, |s| s.0),
            last: traits.now,
        };
        if let Some(old) = self.habits.iter_mut().find(|h| h.service == traits.service) {
            *old = habit;
            return;
        }
        if self.habits.len() >= HABITS {
            let quiet = (0..self.habits.len()).min_by_key(|i| self.habits[*i].last);
            self.habits.swap_remove(quiet.unwrap_or(0));
        }
        self.habits.push(habit);
    }

    /// Judges a rhythm; an old one that it succeeds is over.
    pub(crate) fn judge(&mut self, traits: &Traits) -> Verdict {
        if !self.known(traits.now) {
            return Verdict::Early;
        }
        if let Some(old) = self.habits.iter().position(|h| h.succeeded_by(traits)) {
            self.habits.swap_remove(old);
            return Verdict::Successor;
        }
        Verdict::Weighs(traits.weight(self.known(traits.first)))
    }
}

impl Habit {
    /// The same port, rhythm and sizes, at another address, and not a contact since that one began.
    fn succeeded_by(&self, new: &Traits) -> bool {
        let alike = |a: f64, b: f64, most: f64| a.max(b) <= a.min(b) * most;
        let ((ip, protocol, port), (other, p, q)) = (self.service, new.service);
        let sizes = match new.sizes {
            Some((size, _)) if self.size > 0 => alike(size as f64, self.size as f64, LIKE.1),
            _ => true,
        };
        ip != other
            && (protocol, port) == (p, q)
            && self.last <= new.first
            && alike(self.interval as f64, new.interval as f64, LIKE.0)
            && sizes
    }
}

impl Traits {
    /// From 0 to 1. `new`: the device was known for long when it contacted the service first.
    fn weight(&self, new: bool) -> f64 {
        let even = (1.0 - self.spread / self.widest.max(1e-9)).clamp(0.0, 1.0);
        let alike = self.sizes.map_or(0.5, |s| (1.0 - s.1).clamp(0.0, 1.0));
        let others = self.callers.saturating_sub(1) as f64;
        let full = 0.7 + 0.14 * even + 0.15 * alike - 0.15 * others;
        let share = match (new, self.old_service) {
            // From its first days: only its evenness is new.
            (false, _) => 0.35,
            (true, true) => 0.6,
            (true, false) => 1.0,
        };
        // Nobody there: what looks for a service that is away does it by a rhythm too.
        let share = if self.answered < 0.5 {
            f64::min(share, 0.4)
        } else {
            share
        };
        (full * share).clamp(0.05, 0.99)
    }
}

//! Which tallies are a flood.
//!
//! Owns: what of a tally nothing explains, the habit of each receiver and sender, and when a flood
//! begins and ends. Does not own: counting (`meter`), and what follows.
//!
//! For each kind of flood a tally gives a number of packets that nothing explains: SYNs that no
//! data follows, datagrams that nobody answers, answers that nobody asked for. What is beyond the
//! larger of a static floor and a multiple of the habit adds up (CUSUM, Page 1954); calm takes off
//! an eighth of a floor a slice, so pulses of 200 ms a second add up too. A crowd that completes
//! its handshakes and talks explains its own packets, so it is no flood; nor is who tries one port after
//! another (`search`), which is told as a scan. A habit grows by at most a
//! factor of two in ten minutes: a slow ramp is not learned away.

use std::net::IpAddr;

use citywall_event::{Behaviour, Nanos};

use super::class::Class;
use super::meter::{Key, PortVote, SLICE, Tally};
use super::search::Search;
use super::words::{began, over};
use crate::recent::Recent;

/// From when on it is a flood, and how much is remembered. Rates are packets a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FloodLimits {
    /// SYNs that nothing follows.
    pub syn: f64,
    /// Small TCP packets that lead to nothing.
    pub tcp: f64,
    /// Unanswered datagrams.
    pub udp: f64,
    /// Unanswered datagrams of many senders: no stream is so.
    pub udp_spread: f64,
    /// Answers of services that nobody asked.
    pub reflected: f64,
    /// ICMP that asks, and answers to nothing.
    pub icmp: f64,
    /// Anything else, fragments.
    pub other: f64,
    /// What one host sends to many, or in vain.
    pub outbound: f64,
    /// How many times the habit.
    pub habit: f64,
    /// Calm after which a flood is over, nanoseconds.
    pub calm: Nanos,
    /// Receivers and senders that are remembered.
    pub keys: usize,
}

impl Default for FloodLimits {
    fn default() -> FloodLimits {
        FloodLimits {
            syn: 300.0,
            tcp: 3_000.0,
            udp: 5_000.0,
            udp_spread: 3_000.0,
            reflected: 500.0,
            icmp: 500.0,
            other: 2_000.0,
            outbound: 2_000.0,
            habit: 4.0,
            calm: 3_000_000_000,
            keys: 4_096,
        }
    }
}

/// Kinds of floods that a receiver can suffer, then the sender's.
pub(super) const KINDS: [&str; 7] = [
    "syn_flood",
    "ack_flood",
    "udp_flood",
    "amplification",
    "icmp_flood",
    "packet_flood",
    "outbound_flood",
];
const SYNS: usize = 0;
const ANSWERS: usize = 3;
const OUTBOUND: usize = 6;

/// An IP protocol.
const UDP: u8 = 17;

/// Slices a second.
pub(super) const PER_SECOND: f64 = 1e9 / SLICE as f64;

/// Share of a new slice in the habit: a memory of about a minute.
const LEARN: f64 = 1.0 / 600.0;

/// Growth of a habit at most, a slice: twofold in ten minutes.
const GROWTH: f64 = 1.000_116;

/// Slices after which a habit counts.
const KNOWN: u32 = 600;

/// A flood that began or ended.
#[derive(Clone, Debug, PartialEq)]
pub struct FloodFound {
    /// Of whom.
    pub key: Key,
    /// Who sends most of it, where that is clear; it may be invented. Of what one host sends: who receives most.
    pub main: Option<IpAddr>,
    /// IP protocol; 0 where it is mixed.
    pub protocol: u8,
    /// The one TCP port that nearly all SYNs of a flood are for, or the UDP port that nearly all answers come from
    /// which nobody asked for, as it was told when the flood began.
    pub port: Option<u16>,
    /// What.
    pub behaviour: Behaviour,
    /// False where it is over.
    pub began: bool,
}

#[derive(Debug, Default)]
struct Kind {
    /// Packets a slice that nothing explained, as a habit.
    habit: f64,
    /// What is beyond, added up.
    sum: f64,
    /// While it is on; apart, as nearly nobody suffers one.
    flood: Option<Box<Flood>>,
}

#[derive(Debug, Default)]
pub(super) struct Flood {
    /// When it began.
    pub(super) since: Nanos,
    /// The last slice that was not calm.
    pub(super) last: Nanos,
    /// Packets so far, those of the slice at hand, and the worst slice.
    pub(super) packets: u64,
    slice: u64,
    pub(super) peak: f64,
}

#[derive(Debug, Default)]
struct State {
    seen: u32,
    kinds: [Kind; KINDS.len()],
    /// The slice at hand, and what was before it: another worker may have more of the slice.
    slice: Option<Tally>,
    before: [(f64, f64); KINDS.len()],
    asked: Asked,
    search: Search,
}

/// What was sent in the slice before, and answers may still come for.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    packets: u32,
    syns: u32,
}

/// Finds floods.
#[derive(Debug)]
pub struct FloodDetector {
    limits: FloodLimits,
    /// Boxed: a map has more room than entries.
    states: Recent<Key, Box<State>>,
    /// Floods that are on: bounded by `ACTIVE`.
    active: Vec<Active>,
}

/// A flood that was told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Active {
    pub(super) key: Key,
    pub(super) kind: usize,
    pub(super) protocol: u8,
    /// The port that was told.
    port: Option<u16>,
    /// It went on to other ports, and that was told, too.
    spread: bool,
}

/// Floods that are followed at a time; a city with more has one cause.
const ACTIVE: usize = 256;

impl FloodDetector {
    /// Knows no habit yet.
    pub fn new(limits: FloodLimits) -> FloodDetector {
        FloodDetector {
            limits,
            states: Recent::new(limits.keys),
            active: Vec::new(),
        }
    }

    /// Receivers and senders that were forgotten for lack of room.
    pub fn forgotten(&self) -> u64 {
        self.states.forgotten()
    }

    /// True while a flood of SYNs for this port is on. Whoever answers them in the receiver's place makes
    /// conversations with it look different on its two sides.
    pub fn is_for_port(&self, to: IpAddr, port: u16) -> bool {
        let mut active = self.active.iter();
        active.any(|a| a.kind == SYNS && a.port == Some(port) && a.key == Key::To(to))
    }

    /// Floods that are on.
    #[cfg(test)]
    pub(super) fn active_len(&self) -> usize {
        self.active.len()
    }

    /// Takes a tally, in the order of slices. Where workers share the traffic, each one's tally of a
    /// slice is taken by itself and adds to those before.
    pub fn observe(&mut self, tally: &Tally) -> Option<FloodFound> {
        let limits = self.limits;
        let asked = self.asked_before(tally);
        let state = self.states.entry(tally.key);
        let whole = state.turn_to(tally, asked, &limits);
        let known = state.seen >= KNOWN;
        let mut packets = unexplained(&whole, state.asked);
        if state.search.explains(&whole, limits.calm) {
            packets[SYNS] = 0.0;
        }
        let mut worst: Option<(usize, f64)> = None;
        for (kind, packets) in packets.into_iter().enumerate() {
            let floor = floor(&limits, kind, &whole);
            if !state.kinds[kind].take(packets, floor, known, tally.start, &limits) {
                continue;
            }
            let excess = packets / floor;
            if worst.is_none_or(|(_, w)| excess > w) {
                worst = Some((kind, excess));
            }
        }
        let (kind, _) = worst?;
        // One flood a key is told at a time: the worst.
        if let Some(active) = self.active.iter_mut().find(|active| active.key == tally.key) {
            // What is done about one port does nothing about others.
            let told = active.port.filter(|_| !active.spread)?;
            let kind = active.kind;
            if elsewhere(&whole, kind, told) <= floor(&limits, kind, &whole) {
                return None;
            }
            let on = &state.kinds[kind];
            let peak = on.flood.as_ref()?.peak;
            active.spread = true;
            return Some(began(&whole, kind, on.habit, peak, None));
        }
        if self.active.len() >= ACTIVE {
            return None;
        }
        let flood = state.kinds[kind].flood.as_ref()?;
        let port = port(&whole, kind, floor(&limits, kind, &whole));
        self.active.push(Active {
            key: tally.key,
            kind,
            protocol: protocol(kind, &whole),
            port,
            spread: false,
        });
        Some(began(&whole, kind, state.kinds[kind].habit, flood.peak, port))
    }

    /// What of the slice before no answer had come for by its end: on their way answers cross the border of slices,
    /// and who asks many at once gets all of them in the next.
    fn asked_before(&mut self, tally: &Tally) -> Asked {
        let before = tally.start - SLICE;
        let mut slice = |key| {
            let slice = self.states.get(key).and_then(|state| state.slice);
            slice.filter(|s| s.start == before)
        };
        let asked = match tally.key {
            // Who gets nothing yet is not told of as a receiver.
            Key::To(ip) => slice(Key::From(ip)).map(|sent| Asked {
                packets: sent.total().saturating_sub(sent.back),
                syns: sent.syns().saturating_sub(sent.back),
            }),
            Key::Network(_) => slice(tally.key).map(|had| Asked {
                packets: had.back.saturating_sub(had.of(Class::IcmpAnswer)),
                syns: had.back_syns.saturating_sub(had.of(Class::Tcp)),
            }),
            // What it got then it may answer now.
            Key::From(ip) => slice(Key::To(ip)).map(|got| Asked {
                packets: got.total().saturating_sub(got.back),
                syns: 0,
            }),
        };
        asked.unwrap_or_default()
    }

    /// A border of packet time: tells floods that are over.
    pub fn tick(&mut self, at: Nanos) -> Vec<FloodFound> {
        let mut ended = Vec::new();
        let calm = self.limits.calm;
        let states = &mut self.states;
        self.active.retain(|active| {
            let Some(state) = states.get(active.key) else {
                return false;
            };
            if let Some(flood) = &state.kinds[active.kind].flood {
                if at.saturating_sub(flood.last) <= calm {
                    return true;
                }
                ended.push(over(active, active.port, flood));
                // Each that was told is told to be over.
                if active.spread {
                    ended.push(over(active, None, flood));
                }
            }
            for kind in &mut state.kinds {
                kind.flood = None;
                kind.sum = 0.0;
            }
            false
        });
        ended
    }
}

/// Packets of each kind that nothing explains; `asked` may still have been answered.
fn unexplained(t: &Tally, asked: Asked) -> [f64; KINDS.len()] {
    let of = |class| f64::from(t.of(class));
    let back = f64::from(t.back);
    let mut out = [0.0; KINDS.len()];
    if let Key::From(_) = t.key {
        // What is sent as answers to SYNs is the work of one who is flooded itself.
        let sent = f64::from(t.total()) - of(Class::SynAck) - of(Class::Reflected);
        // One stream to one receiver is what cameras do, in packets that are nearly full.
        let small = t.bytes < 1_000 * u64::from(t.total());
        if small || is_spread(t) {
            out[OUTBOUND] = (sent - 4.0 * back - f64::from(asked.packets)).max(0.0);
        }
        return out;
    }
    let small = t.bytes < 120 * u64::from(t.total());
    out[0] = (of(Class::Syn) - of(Class::Tcp) / 2.0).max(0.0);
    if small && t.back_bytes < 2 * t.bytes {
        // A port that is closed answers the SYN of who tries it.
        let refused = t.back_syns.saturating_add(asked.syns);
        out[1] = (of(Class::Tcp) - f64::from(refused)).max(0.0);
    }
    out[2] = (of(Class::Udp) + of(Class::Collected) - 4.0 * back).max(0.0);
    // Whoever got a SYN+ACK sent a SYN.
    let sent = back + f64::from(asked.packets);
    out[3] = (of(Class::Reflected) + of(Class::SynAck) - sent).max(0.0);
    out[4] = pings(t) + (of(Class::IcmpAnswer) - sent).max(0.0);
    out[5] = of(Class::Other);
    out
}

/// ICMP that asks. That each of a network's hosts is asked once in a slice, by who looks who is there or how they
/// fare, is no flood; that one is asked often is one even where it answers all.
fn pings(t: &Tally) -> f64 {
    let asked = t.of(Class::Icmp);
    let once = match t.key {
        Key::Network(_) => t.hosts,
        Key::To(_) | Key::From(_) => 0,
    };
    f64::from(asked.saturating_sub(once))
}

/// Between one and many others.
fn is_spread(t: &Tally) -> bool {
    t.others.estimate() > 64.0
}

/// Logs, traps and the like by one to one, nearly alone: what else is sent beside them could be a flood.
fn is_for_collector(t: &Tally) -> bool {
    let collected = t.of(Class::Collected);
    matches!(t.key, Key::From(_)) && !is_spread(t) && t.main.is_some() && collected > t.total() / 8 * 7
}

/// Packets a slice.
fn floor(limits: &FloodLimits, kind: usize, tally: &Tally) -> f64 {
    let rate = match kind {
        0 => limits.syn,
        1 => limits.tcp,
        2 if is_spread(tally) => limits.udp_spread,
        2 => limits.udp,
        3 => limits.reflected,
        4 => limits.icmp,
        5 => limits.other,
        // Collectors never answer, whoever sends: what one takes of all together, it takes of one.
        _ if is_for_collector(tally) => limits.udp,
        _ => limits.outbound,
    };
    (rate / PER_SECOND).max(1.0)
}

impl State {
    /// Goes on to the slice of a tally, over slices without one, which had next to nothing. Gives
    /// all that was counted of it so far.
    fn turn_to(&mut self, tally: &Tally, asked: Asked, limits: &FloodLimits) -> Tally {
        if let Some(whole) = self.slice.as_mut().filter(|s| s.start >= tally.start) {
            whole.merge(tally);
            for (kind, (habit, sum)) in self.kinds.iter_mut().zip(self.before) {
                kind.habit = habit;
                kind.sum = sum;
                if let Some(flood) = &mut kind.flood {
                    flood.packets -= flood.slice;
                }
            }
            return *whole;
        }
        if let Some(last) = self.slice {
            let missing = ((tally.start - last.start) / SLICE - 1).clamp(0, 100_000);
            let decay = (1.0 - LEARN).powi(missing as i32);
            for (index, kind) in self.kinds.iter_mut().enumerate() {
                kind.habit *= decay;
                kind.sum = (kind.sum - missing as f64 * floor(limits, index, tally) / 8.0).max(0.0);
            }
            self.seen = self.seen.saturating_add(missing as u32);
        }
        self.seen = self.seen.saturating_add(1);
        self.before = self.kinds.each_ref().map(|k| (k.habit, k.sum));
        self.slice = Some(*tally);
        self.asked = asked;
        *tally
    }
}

impl Kind {
    /// One slice; true while a flood is on.
    fn take(&mut self, packets: f64, floor: f64, known: bool, slice: Nanos, limits: &FloodLimits) -> bool {
        let usual = if known { limits.habit * self.habit } else { 0.0 };
        let threshold = floor.max(usual);
        let beyond = packets - threshold;
        // What is beyond in one slice counts up to what makes a flood by itself.
        self.sum = (self.sum + beyond.max(-floor / 8.0)).clamp(0.0, 4.0 * threshold);
        if self.sum >= threshold && self.flood.is_none() {
            self.flood = Some(Box::new(Flood {
                since: slice,
                ..Flood::default()
            }));
        }
        if let Some(flood) = &mut self.flood {
            flood.slice = packets as u64;
            flood.packets += flood.slice;
            flood.peak = flood.peak.max(packets);
            if packets > threshold / 2.0 {
                flood.last = slice;
            }
            return true;
        }
        let learned = self.habit + LEARN * (packets - self.habit);
        self.habit = if known {
            learned.min((self.habit * GROWTH).max(floor / 100.0))
        } else {
            learned
        };
        false
    }
}

pub(super) fn protocol(kind: usize, tally: &Tally) -> u8 {
    match kind {
        0 | 1 => 6,
        // SYN+ACKs can be reflected too.
        3 if tally.of(Class::SynAck) > tally.of(Class::Reflected) => 6,
        2 | 3 => UDP,
        4 => 1,
        _ => 0,
    }
}

/// The packets of a kind that have a port, and the vote on it.
fn ported(tally: &Tally, kind: usize) -> Option<(u32, PortVote)> {
    let [syns, answers] = tally.ports;
    match kind {
        SYNS => Some((tally.of(Class::Syn), syns)),
        ANSWERS if protocol(kind, tally) == UDP => Some((tally.of(Class::Reflected), answers)),
        _ => None,
    }
}

/// The one port of a flood: that of all but what is no flood by itself.
fn port(tally: &Tally, kind: usize, floor: f64) -> Option<u16> {
    let (all, vote) = ported(tally, kind)?;
    let one = matches!(tally.key, Key::To(_)) && vote.lead > all / 2;
    (one && elsewhere(tally, kind, vote.port) <= floor).then_some(vote.port)
}

/// Packets that surely have other ports.
fn elsewhere(tally: &Tally, kind: usize, port: u16) -> f64 {
    ported(tally, kind).map_or(0.0, |(all, vote)| {
        let lead = if vote.port == port { vote.lead } else { 0 };
        f64::from(all.saturating_sub(lead)) / 2.0
    })
}

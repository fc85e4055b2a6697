//! Packets of permitted conversations that somebody dropped on their way, for the health gate.
//!
//! Owns: what counts as lost, by conversation, bounded; on in runs that report to an enforcer. Does not
//! own: whom it matters to (`output::reporting`), what follows (`citywall_response`).
//!
//! A segment that is sent again may have been lost by chance, or not at all (RFC 5682: a spurious time-out).
//! One that is sent a *second* time again, before anything newer is sent, is stopped: a wall that drops a
//! conversation's packets drops the retransmissions, too. The sender's timers say so within some 600 ms
//! (RFC 6298: at least 200 ms as systems have it, doubled each time).

use std::net::IpAddr;

use citywall_event::Nanos;
use citywall_flow::{Direction, Flow, State};
use citywall_packet::{Packet, Transport};
use hashbrown::HashMap;

use super::conversation::Conversation;

/// Conversations that are remembered, of each of two generations.
const MOST: usize = 16_384;
/// What comes again sooner than this is the same packet, seen twice by a mirror port, or one of a burst that
/// makes up for the same loss.
const APART: Nanos = 1_000_000;
/// A keep-alive sends at most this many bytes, again and again (RFC 9293, 3.8.4).
const KEEP_ALIVE: u32 = 1;
/// How often something is sent again until it counts as lost.
const AGAIN: u8 = 2;

/// What became of a conversation's packets in one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Its ends.
    pub ends: [IpAddr; 2],
    /// Packets with data.
    pub packets: u32,
    /// How many of these show that they were lost before.
    pub lost: u32,
}

/// One direction of a conversation.
#[derive(Clone, Copy, Default)]
struct Way {
    /// Where the newest data ends, once there was any.
    newest: Option<u32>,
    /// How often data came again since then.
    again: u8,
    /// When data came last.
    at: Nanos,
}

struct Talk {
    ways: [Way; 2],
    /// Since the last `take`.
    carried: Carried,
}

/// What one worker remembers.
#[derive(Default)]
pub struct Losses {
    young: HashMap<u64, Talk>,
    old: HashMap<u64, Talk>,
    /// Conversations that had packets since the last `take`.
    touched: Vec<u64>,
}

impl Losses {
    /// A packet of a conversation.
    pub fn packet(&mut self, flow: &Flow<Conversation>, direction: Direction, packet: &Packet, at: Nanos) {
        let Transport::Tcp(tcp) = &packet.transport else {
            return;
        };
        // What is forbidden may well be dropped; what was never answered says nothing.
        if flow.state != State::Established || flow.user.violated {
            return;
        }
        let (Some(a), Some(b)) = (flow.initiator.ip, flow.responder.ip) else {
            return;
        };
        self.data(
            flow.id,
            [a, b],
            direction.index(),
            (tcp.seq, packet.payload.len),
            at,
        );
    }

    /// Data: where it starts and how long it is.
    fn data(&mut self, id: u64, ends: [IpAddr; 2], way: usize, (start, length): (u32, u32), at: Nanos) {
        if length <= KEEP_ALIVE {
            return;
        }
        if self.young.len() >= MOST {
            // Those of the older generation that were not heard of since are forgotten.
            self.old = std::mem::take(&mut self.young);
        }
        let old = &mut self.old;
        let talk = self.young.entry(id).or_insert_with(|| {
            old.remove(&id).unwrap_or(Talk {
                ways: [Way::default(); 2],
                carried: Carried {
                    ends,
                    packets: 0,
                    lost: 0,
                },
            })
        });
        if talk.carried.packets == 0 {
            self.touched.push(id);
        }
        talk.carried.packets = talk.carried.packets.saturating_add(1);
        let Some(way) = talk.ways.get_mut(way) else {
            return;
        };
        let end = start.wrapping_add(length);
        let same = at.saturating_sub(way.at) < APART;
        way.at = at;
        // Numbers wrap around: what is less than half of them ahead is newer (RFC 9293, 3.4).
        let is_newer = |newest: u32| (end.wrapping_sub(newest) as i32) > 0;
        if way.newest.is_none_or(is_newer) {
            way.newest = Some(end);
            way.again = 0;
        } else if !same {
            way.again = way.again.saturating_add(1);
            if way.again >= AGAIN {
                talk.carried.lost = talk.carried.lost.saturating_add(1);
            }
        }
    }

    /// Gives what was counted since the last time.
    pub fn take(&mut self, into: &mut Vec<Carried>) {
        for id in self.touched.drain(..) {
            let talk = match self.young.get_mut(&id) {
                Some(talk) => Some(talk),
                None => self.old.get_mut(&id),
            };
            if let Some(talk) = talk {
                into.push(talk.carried);
                (talk.carried.packets, talk.carried.lost) = (0, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Nanos = 1_000_000;

    fn ends() -> [IpAddr; 2] {
        [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()]
    }

    /// Packets and losses of one conversation: (milliseconds, way, start, length).
    fn heard(packets: &[(Nanos, usize, u32, u32)]) -> (u32, u32) {
        let mut losses = Losses::default();
        for (at, way, start, length) in packets {
            losses.data(7, ends(), *way, (*start, *length), at * MS);
        }
        let mut out = Vec::new();
        losses.take(&mut out);
        let first = (out[0].packets, out[0].lost);
        out.clear();
        losses.take(&mut out);
        assert_eq!(out, [], "told once");
        first
    }

    #[test]
    fn what_is_sent_again_and_again_is_lost() {
        assert_eq!(heard(&[(0, 0, 1, 10), (10, 1, 1, 10), (20, 0, 11, 10)]), (3, 0));
        // By chance, or in vain: it goes on.
        assert_eq!(
            heard(&[(0, 0, 1, 10), (200, 0, 1, 10), (210, 0, 11, 10), (420, 0, 11, 10)]),
            (4, 0)
        );
        // A wall.
        assert_eq!(
            heard(&[(0, 0, 1, 10), (200, 0, 1, 10), (600, 0, 1, 10), (1_400, 0, 1, 10)]),
            (4, 2)
        );
        // Each direction by itself.
        assert_eq!(
            heard(&[(0, 0, 1, 10), (200, 0, 1, 10), (300, 1, 1, 10), (600, 1, 1, 10)]),
            (4, 0)
        );
        // Around the end of the numbers.
        assert_eq!(
            heard(&[(0, 0, u32::MAX - 3, 10), (20, 0, 6, 10), (40, 0, 16, 10)]),
            (3, 0)
        );
    }

    #[test]
    fn what_a_mirror_shows_twice_and_keep_alives_are_not() {
        let mut twice = Vec::new();
        for n in 0..20 {
            twice.extend([(n * 50, 0, n as u32 * 10, 10); 2]);
        }
        assert_eq!(heard(&twice), (40, 0));
        assert_eq!(
            heard(&[
                (0, 0, 1, 10),
                (1_000, 0, 10, 1),
                (2_000, 0, 10, 1),
                (3_000, 0, 10, 1)
            ]),
            (1, 0)
        );
    }

    #[test]
    fn conversations_are_bounded_and_the_busy_ones_stay() {
        let mut losses = Losses::default();
        let mut out = Vec::new();
        for id in 0..MOST as u64 * 4 {
            losses.data(id, ends(), 0, (1, 10), 0);
            losses.data(u64::MAX, ends(), 0, (id as u32, 10), id as Nanos * 10 * MS);
            assert!(losses.young.len() <= MOST + 1 && losses.old.len() <= MOST + 1);
            if id % 100 == 0 {
                losses.take(&mut out);
                out.clear();
            }
        }
        for round in 1..4 {
            losses.data(u64::MAX, ends(), 0, (5, 10), Nanos::MAX / 2 + round * 200 * MS);
        }
        losses.take(&mut out);
        assert_eq!(out.iter().map(|c| c.lost).sum::<u32>(), 2);
    }
}

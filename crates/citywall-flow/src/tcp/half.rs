//! What is known of one sender of a TCP connection.
//!
//! Owns: sequence numbers and their comparison (RFC 9293, 3.4), window edges (with RFC 7323
//! scaling) and the timestamp check (RFC 7323, 5). Does not own: data (`stream`) or what flags do
//! (`handshake`).

use citywall_packet::{Tcp, tcp_flags};

use super::buffer::Buffer;

/// Distance by which a sequence number may be off before it is called out of window, where the
/// window is not known.
const FAR: i32 = 1 << 30;
/// Data this far behind the stream is not a retransmission any more, whatever the window.
const LONG_AGO: i32 = 1 << 20;
/// RFC 7323, 2.3. Assumed where the handshake was not seen: rather too much than too little.
const LARGEST_SCALE: u8 = 14;

/// How far `a` is ahead of `b`; negative when behind.
#[inline]
pub(crate) fn ahead(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b) as i32
}

/// Facts about a sender, one bit each.
pub(crate) mod known {
    /// A packet of this sender (or, after a SYN-ACK, of the other) told where it stands.
    pub const INIT: u16 = 1 << 0;
    /// A packet of this sender was heard and used.
    pub const HEARD: u16 = 1 << 1;
    /// Its SYN was seen.
    pub const SYN: u16 = 1 << 2;
    /// `next` is certain: from a SYN, or from data.
    pub const SYNCED: u16 = 1 << 3;
    /// Its SYN offered a window scale.
    pub const SCALED: u16 = 1 << 4;
    /// `stamp` is set.
    pub const STAMPED: u16 = 1 << 5;
    /// `edge` and `acked` are set.
    pub const ACKED: u16 = 1 << 6;
    /// `fin` is set.
    pub const FIN: u16 = 1 << 7;
    /// The stream of this sender is over: FIN in order, or RST.
    pub const ENDED: u16 = 1 << 8;
    /// The buffer holds data of the SYN that nobody has accepted yet (RFC 7413).
    pub const HELD: u16 = 1 << 9;
    /// `other_isn` is that of an earlier SYN.
    pub const EARLIER: u16 = 1 << 10;
    /// `other_isn` is that of a later SYN, which a SYN-ACK may still prove right.
    pub const PENDING: u16 = 1 << 11;
    /// `urgent` names a byte to leave out.
    pub const URGENT: u16 = 1 << 12;
    /// This sender reset the connection.
    pub const RESET: u16 = 1 << 13;
    /// `other_isn` is where the receiver, with an acknowledgement that cannot be, says that this
    /// sender stands.
    pub const CLAIMED: u16 = 1 << 14;
    /// It was heard, and where it stands is certain.
    pub const CERTAIN: u16 = HEARD | SYNCED;
}

/// First bytes of the last delivered piece that are kept to compare retransmissions with.
pub(crate) const SAMPLE: usize = 8;

/// One sender.
#[derive(Debug, Default)]
pub(crate) struct Half {
    pub known: u16,
    /// Anomalies already told, by `StreamMalformed as u16`.
    pub reported: u16,
    pub isn: u32,
    /// Another place where this sender may stand: see `EARLIER`, `PENDING`, `CLAIMED`, of which one
    /// at most holds.
    pub other_isn: u32,
    /// The next sequence number to deliver.
    pub next: u32,
    /// One past the highest sequence number that this sender has shown.
    pub shown: u32,
    /// What the receiver acknowledged, never beyond `shown`.
    pub acked: u32,
    /// Right edge of the receiver's window, the furthest that it offered.
    pub edge: u32,
    /// Sequence number of the FIN.
    pub fin: u32,
    /// Sequence number of the urgent byte.
    pub urgent: u32,
    /// TS.Recent of RFC 7323, as the receiver holds it.
    pub stamp: u32,
    pub sample_at: u32,
    pub sample: [u8; SAMPLE],
    pub sample_len: u8,
    /// A right checksum of this sender was seen.
    pub checked: bool,
    /// From its SYN: for windows that this sender offers.
    pub scale: u8,
    pub buffer: Option<Box<Buffer>>,
}

impl Half {
    #[inline]
    pub fn is(&self, fact: u16) -> bool {
        self.known & fact != 0
    }

    /// Starts (again) from a SYN.
    pub fn start(&mut self, tcp: &Tcp, payload: u32) {
        self.known &= known::EARLIER;
        self.known |= known::INIT | known::HEARD | known::SYN | known::SYNCED;
        self.stand_at(tcp.seq);
        self.shown = self.next.wrapping_add(payload);
        self.scale = tcp.window_scale.unwrap_or(0).min(LARGEST_SCALE);
        if tcp.window_scale.is_some() {
            self.known |= known::SCALED;
        }
        if let Some((value, _)) = tcp.timestamp {
            self.stamp = value;
            self.known |= known::STAMPED;
        }
    }

    /// Sets the numbers for an initial sequence number and drops what was buffered.
    pub fn stand_at(&mut self, isn: u32) {
        self.isn = isn;
        self.next = isn.wrapping_add(1);
        self.shown = self.next;
        self.sample_len = 0;
    }

    /// Midstream: takes the first packet's word for where the stream stands, and while there were
    /// no data, each later one's (a keep-alive lies one behind).
    #[inline]
    pub fn pick_up(&mut self, seq: u32, counts: bool) {
        if !self.is(known::SYNCED) {
            self.stand_at(seq.wrapping_sub(1));
            self.known |= known::INIT;
            if counts {
                self.known |= known::SYNCED;
            }
        }
        self.known |= known::HEARD;
    }

    /// PAWS (RFC 7323, 5.3): false where the timestamp is older than what was accepted. `len` is
    /// the segment's, FIN counted.
    #[inline]
    pub fn timestamp_passes(&mut self, tcp: &Tcp, len: u32) -> bool {
        let Some((value, _)) = tcp.timestamp else {
            return true;
        };
        if !self.is(known::STAMPED) {
            self.known |= known::STAMPED;
            self.stamp = value;
            return true;
        }
        let newer = ahead(value, self.stamp);
        if newer < 0 {
            return false;
        }
        // Only a segment at the stream's edge sets TS.Recent (5.3, R3): one ahead of it would let
        // mere reordering reject the earlier ones.
        if newer > 0 && ahead(tcp.seq, self.next) <= 0 && ahead(tcp.seq.wrapping_add(len), self.next) >= 0 {
            self.stamp = value;
        }
        true
    }

    /// True where a receiver takes a segment of `len` (FIN counted) at `seq`, as far as is known.
    #[inline]
    pub fn in_window(&self, seq: u32, len: u32) -> bool {
        if self.is(known::ACKED) {
            let over = ahead(seq, self.edge);
            // One byte at the edge is the probe of a closed window (RFC 9293, 3.8.6.1).
            if over > 0 || (over == 0 && len > 1) {
                return false;
            }
        } else if ahead(seq, self.next) > FAR {
            return false;
        }
        let behind = ahead(self.next, seq.wrapping_add(len));
        let window = if self.is(known::ACKED) {
            ahead(self.edge, self.acked)
        } else {
            0
        };
        behind <= window.max(LONG_AGO)
    }

    /// True where this sender takes a segment that acknowledges `ack` (RFC 9293, 3.10.7.4, and
    /// RFC 5961, 5.2), as far as is known: not beyond what it may have sent without our seeing it,
    /// and not older than a window ago. A window, but at least `LONG_AGO`, on either side: the
    /// capture may have lost what `ack` acknowledges, or hold the two directions out of step.
    #[inline]
    pub fn takes_ack(&self, ack: u32) -> bool {
        if self.known & known::CERTAIN != known::CERTAIN {
            return true;
        }
        let (acked, window) = if self.is(known::ACKED) {
            (self.acked, ahead(self.edge, self.acked).max(LONG_AGO))
        } else {
            (self.next, FAR)
        };
        ahead(ack, self.shown) <= window && ahead(acked, ack) <= window
    }

    /// A later SYN of this sender, which the receiver may yet accept.
    pub fn pend(&mut self, isn: u32) {
        self.other_isn = isn;
        self.known &= !known::CLAIMED;
        self.known |= known::PENDING;
    }

    /// Notes an acknowledgement that `takes_ack` refuses: it is true if this sender goes on there.
    #[cold]
    pub fn claim(&mut self, ack: u32) {
        if self.known & (known::PENDING | known::EARLIER) == 0 && ahead(ack, self.shown) > 0 {
            self.other_isn = ack;
            self.known |= known::CLAIMED;
        }
    }

    /// The capture lost more than a window: stands anew where this sender goes on (`seq`) and the
    /// receiver has said that it does. Gives the place that the receiver acknowledged.
    #[cold]
    pub fn regain(&mut self, seq: u32) -> Option<u32> {
        let claimed = self.other_isn;
        if self.known & (known::CLAIMED | known::HELD | known::ENDED) != known::CLAIMED
            || ahead(seq, self.next) <= 0
            || ahead(claimed, self.next) <= 0
            || ahead(seq, claimed).unsigned_abs() > LONG_AGO.unsigned_abs()
        {
            return None;
        }
        let window = ahead(self.edge, self.acked).max(LONG_AGO);
        self.known &= !known::CLAIMED;
        self.known |= known::ACKED;
        self.shown = seq;
        self.acked = if ahead(claimed, seq) < 0 { claimed } else { seq };
        self.edge = seq.wrapping_add_signed(window);
        Some(self.acked)
    }

    /// How far behind the RST's place `next` may be for it to be taken as probably real.
    pub fn reset_range(&self) -> i32 {
        if self.is(known::ACKED) {
            ahead(self.edge, self.next)
        } else {
            LONG_AGO
        }
    }

    /// What the receiver says about this sender's data. `shift` is the receiver's window scale, or
    /// `None` where it is not known.
    #[inline]
    pub fn acknowledge(&mut self, tcp: &Tcp, shift: Option<u8>) {
        if !self.is(known::INIT) {
            return;
        }
        if !self.is(known::SYNCED) && ahead(tcp.ack, self.next) > 0 {
            self.stand_at(tcp.ack.wrapping_sub(1));
        }
        // An acknowledgement of what this sender has not shown yet is worth nothing: it may come
        // from an attacker who wants the sensor to skip data.
        let ack = if ahead(tcp.ack, self.shown) > 0 {
            self.shown
        } else {
            tcp.ack
        };
        let shift = if tcp.flags & tcp_flags::SYN != 0 {
            0
        } else {
            shift.unwrap_or(LARGEST_SCALE)
        };
        let edge = ack.wrapping_add(u32::from(tcp.window) << shift);
        if !self.is(known::ACKED) {
            self.known |= known::ACKED;
            self.acked = ack;
            self.edge = edge;
            return;
        }
        if ahead(ack, self.acked) > 0 {
            self.acked = ack;
        }
        if ahead(edge, self.edge) > 0 {
            self.edge = edge;
        }
    }

    /// Keeps the first bytes of what is delivered at `next`.
    #[inline]
    pub fn remember(&mut self, bytes: &[u8]) {
        self.sample_at = self.next;
        if let Some(head) = bytes.first_chunk::<SAMPLE>() {
            self.sample = *head;
            self.sample_len = SAMPLE as u8;
        } else {
            self.sample_len = bytes.len() as u8;
            for (kept, byte) in self.sample.iter_mut().zip(bytes) {
                *kept = *byte;
            }
        }
    }

    /// True where a retransmission from `seq` contradicts what is remembered.
    pub fn contradicts(&self, seq: u32, bytes: &[u8]) -> bool {
        let offset = ahead(self.sample_at, seq);
        let sample = self.sample.iter().take(self.sample_len.into());
        (0i32..).zip(sample).any(|(i, kept)| {
            usize::try_from(offset.saturating_add(i)).is_ok_and(|at| bytes.get(at).is_some_and(|b| b != kept))
        })
    }
}

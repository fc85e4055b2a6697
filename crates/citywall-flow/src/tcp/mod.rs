//! One TCP connection: RFC 9293, seen from between its two ends.
//!
//! Owns: what becomes of a segment: checks in the order in which a receiver makes them, then the
//! state of the conversation. `handshake` deals with SYN and RST, `stream` with data and FIN.
//!
//! **Data are delivered when they arrive in order**, without waiting for the acknowledgement. It
//! costs no buffering, works where only one side is captured, and tells an inline user before the
//! receiver knows. The price: what a receiver drops for a reason that cannot be seen from here
//! (TTL, a full queue, MD5) is delivered, and a later, different copy is not. Against that:
//! - everything a receiver checks is checked: checksum, window, timestamps, sequence numbers, and
//!   whether it can have sent what a segment acknowledges. Open: what acknowledges a little more
//!   than was shown (within a window, or 1 MiB) is taken for honest, since the capture may have
//!   lost it or hold the directions out of step. The receiver drops a forged one; of that only
//!   `OverlapDifferent` or `DataAfterFin` tells, once the true segment comes;
//! - the receiver's overlap policy decides among pieces that wait for a hole to fill;
//! - a retransmission that differs is told as `OverlapDifferent`. Pieces that wait are compared
//!   byte by byte; of what has been delivered only the first 8 bytes of the last piece are kept,
//!   enough for the usual race of an injected answer. Differences elsewhere are not seen.
//!
//! A hole is given up when the receiver acknowledges it *and* the sender has gone on behind it
//! (either alone can be forged by one of the two), when a buffer limit is reached, and at the end.

mod buffer;
mod half;
mod handshake;
mod overlap;
mod stream;

use citywall_packet::{Checksum, Tcp, tcp_flags};

pub(crate) use self::handshake::Anew;

use self::half::{Half, ahead, known};
use crate::sink::Sink;
use crate::{Direction, Observer, State, StreamMalformed};

/// Both senders of a connection, by the direction in which they send.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    halves: [Half; 2],
}

/// A segment as it came.
pub(crate) struct Piece<'a> {
    pub tcp: &'a Tcp,
    pub direction: Direction,
    pub payload: &'a [u8],
    /// Bytes behind `payload` that the capture cut off.
    pub cut: u32,
}

impl Piece<'_> {
    fn is(&self, flag: u8) -> bool {
        self.tcp.flags & flag != 0
    }

    /// Payload on the wire.
    fn len(&self) -> u32 {
        (self.payload.len() as u32).wrapping_add(self.cut)
    }
}

impl Connection {
    /// Reads a little of each side. What it gives means nothing; see `Slab::touch`.
    #[inline]
    pub fn touch(&self) -> u64 {
        u64::from(self.halves[0].next ^ self.halves[1].next ^ self.halves[1].sample_at)
    }

    /// One segment. Bad checksums have been sorted out before.
    #[inline]
    pub fn push<S, O: Observer<S>>(&mut self, piece: &Piece<'_>, sink: &mut Sink<'_, S, O>) {
        if piece.is(tcp_flags::RST) {
            return self.reset(piece, sink);
        }
        if piece.is(tcp_flags::SYN) {
            return self.synchronise(piece, sink);
        }
        if sink.flow.state == State::Closed {
            return;
        }
        if !self.acknowledges_well(piece, sink) {
            return;
        }
        let tcp = piece.tcp;
        let counted = piece.len().wrapping_add(u32::from(piece.is(tcp_flags::FIN)));
        let me = &mut self.halves[piece.direction.index()];
        me.pick_up(tcp.seq, counted > 0);
        // Without data a segment can do no harm to the stream, and keep-alives look old.
        if counted > 0 && !me.in_window(tcp.seq, counted) && !self.regain(piece, sink) {
            let me = &mut self.halves[piece.direction.index()];
            return sink.malformed(&mut me.reported, piece.direction, StreamMalformed::OutOfWindow);
        }
        let me = &mut self.halves[piece.direction.index()];
        if !me.timestamp_passes(tcp, counted) && counted > 0 {
            return sink.malformed(&mut me.reported, piece.direction, StreamMalformed::OldTimestamp);
        }
        let end = tcp.seq.wrapping_add(counted);
        if ahead(end, me.shown) > 0 && me.in_window(tcp.seq, 0) {
            me.shown = end;
        }
        self.acknowledge(piece, sink);
        if counted > 0 {
            self.data(piece, sink);
        }
        if sink.flow.state == State::New {
            self.establish(piece, sink);
        }
    }

    /// False where the receiver drops a segment, neither SYN nor RST, for its acknowledgement
    /// (RFC 9293, 3.10.7.4): a FIN or data that only the sensor would believe.
    #[inline]
    fn acknowledges_well<S, O: Observer<S>>(&mut self, piece: &Piece<'_>, sink: &mut Sink<'_, S, O>) -> bool {
        let other = &mut self.halves[piece.direction.flip().index()];
        let kind = if !piece.is(tcp_flags::ACK) {
            StreamMalformed::NoAck
        } else if !other.takes_ack(piece.tcp.ack) {
            other.claim(piece.tcp.ack);
            // Where both directions were lost, this one may have been claimed as well.
            if piece.len() > 0 && !self.halves[piece.direction.index()].in_window(piece.tcp.seq, piece.len())
            {
                self.regain(piece, sink);
            }
            StreamMalformed::ImpossibleAck
        } else {
            return true;
        };
        let me = &mut self.halves[piece.direction.index()];
        sink.malformed(&mut me.reported, piece.direction, kind);
        false
    }

    /// True where a segment out of the window stands where the receiver, with an acknowledgement
    /// that was not believed alone, said that its sender is: the capture lost more than a window.
    /// As with any hole, the two have to agree.
    #[cold]
    fn regain<S, O: Observer<S>>(&mut self, piece: &Piece<'_>, sink: &mut Sink<'_, S, O>) -> bool {
        let direction = piece.direction;
        let Some(target) = self.halves[direction.index()].regain(piece.tcp.seq) else {
            return false;
        };
        let acknowledger = &mut self.halves[direction.flip().index()];
        sink.malformed(
            &mut acknowledger.reported,
            direction.flip(),
            StreamMalformed::AckOfUnseen,
        );
        self.skip_to(direction, target, false, sink);
        self.drain(direction, sink);
        true
    }

    /// What `piece` says about the other sender's data.
    #[inline]
    fn acknowledge<S, O: Observer<S>>(&mut self, piece: &Piece<'_>, sink: &mut Sink<'_, S, O>) {
        let shift = self.scale_of(piece.direction);
        let other = &mut self.halves[piece.direction.flip().index()];
        other.acknowledge(piece.tcp, shift);
        if other.is(known::PENDING) {
            // It did not accept the later SYN.
            sink.malformed(
                &mut other.reported,
                piece.direction.flip(),
                StreamMalformed::SynResend,
            );
        }
        if other.is(known::SYNCED) && other.is(known::ACKED) && ahead(other.acked, other.next) > 0 {
            self.skip_acknowledged(piece.direction.flip(), sink);
        }
    }

    /// The shift of windows that the sender in `direction` offers; `None` where it is not known.
    #[inline]
    fn scale_of(&self, direction: Direction) -> Option<u8> {
        let [a, b] = &self.halves;
        if a.known & b.known & known::SYN == 0 {
            return None;
        }
        // RFC 7323, 2.2: only where both offered it.
        let both = a.known & b.known & known::SCALED != 0;
        Some(if both {
            self.halves[direction.index()].scale
        } else {
            0
        })
    }

    fn establish<S, O>(&mut self, piece: &Piece<'_>, sink: &mut Sink<'_, S, O>) {
        let me = &self.halves[piece.direction.index()];
        let other = &self.halves[piece.direction.flip().index()];
        let answers = !other.is(known::SYN) || ahead(piece.tcp.ack, other.isn) > 0;
        if me.is(known::HEARD) && other.is(known::HEARD) && answers {
            sink.flow.state = State::Established;
        }
    }

    /// True where a buffer is held.
    #[inline]
    pub fn buffers(&self) -> bool {
        self.halves.iter().any(|half| half.buffer.is_some())
    }

    /// True where the receiver would take the segment. A wrong checksum is believed to be wrong only
    /// of a sender of whom a right one was seen: the others were captured before their card computed
    /// the sum, or were anonymised. An attacker cannot use that: to open a conversation that its
    /// target takes part in, it has to send a right one first.
    #[inline]
    pub fn accepts_checksum<S, O: Observer<S>>(
        &mut self,
        checksum: Checksum,
        direction: Direction,
        sink: &mut Sink<'_, S, O>,
    ) -> bool {
        match checksum {
            Checksum::Valid => self.halves[direction.index()].checked = true,
            Checksum::Unverified => {}
            Checksum::Invalid => {
                let me = &mut self.halves[direction.index()];
                sink.malformed(&mut me.reported, direction, StreamMalformed::BadChecksum);
                return !me.checked;
            }
        }
        true
    }
}

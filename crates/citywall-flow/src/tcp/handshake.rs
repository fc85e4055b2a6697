//! SYN, SYN-ACK and RST.
//!
//! Owns: which handshake a receiver believes, which reset it obeys, and when the same two
//! endpoints have begun a new connection. Does not own: FIN (`stream`).

use citywall_packet::{Tcp, tcp_flags};

use super::half::{ahead, known};
use super::{Connection, Piece};
use crate::sink::Sink;
use crate::{Content, Direction, Observer, State, StreamMalformed};

impl Connection {
    /// Whether this segment belongs to a new connection between the same endpoints.
    pub fn begins_anew(&self, tcp: &Tcp, direction: Direction, state: State, data: bool) -> Option<Anew> {
        let me = &self.halves[direction.index()];
        let other = &self.halves[direction.flip().index()];
        let flag = |bit| tcp.flags & bit != 0;
        let opens = || Some(Anew::Opens);
        if flag(tcp_flags::RST) {
            return None;
        }
        if flag(tcp_flags::SYN) {
            let same = me.is(known::SYN) && tcp.seq == me.isn;
            return match state {
                State::Closed if same => None,
                State::Closed => opens(),
                // What went before the SYN was a stray packet, not a conversation.
                State::New if !flag(tcp_flags::ACK) && !me.is(known::SYN) && !other.is(known::SYN) => opens(),
                // The responder itself accepts the later SYN: the end of the old connection was
                // not seen.
                _ if flag(tcp_flags::ACK)
                    && other.is(known::PENDING)
                    && tcp.ack == other.other_isn.wrapping_add(1) =>
                {
                    Some(Anew::Accepted)
                }
                _ => None,
            };
        }
        // Whoever sends data after its own reset has not reset anything: the RST was meant for
        // the sensor only, or is somebody else's.
        let risen = state == State::Closed
            && data
            && flag(tcp_flags::ACK)
            && me.is(known::RESET)
            && ahead(tcp.seq, me.next) >= 0;
        if risen { opens() } else { None }
    }

    /// SYN or SYN-ACK.
    #[cold]
    pub(super) fn synchronise<S, O: Observer<S>>(&mut self, piece: &Piece<'_>, sink: &mut Sink<'_, S, O>) {
        if sink.flow.state == State::Closed {
            return;
        }
        let (tcp, direction) = (piece.tcp, piece.direction);
        if self.halves[direction.index()].is(known::SYN) {
            return self.synchronise_again(piece, sink);
        }
        if piece.is(tcp_flags::ACK) && !self.answers_syn(piece, sink) {
            let me = &mut self.halves[direction.index()];
            return sink.malformed(&mut me.reported, direction, StreamMalformed::SynAckMismatch);
        }
        let me = &mut self.halves[direction.index()];
        if me.is(known::INIT) && me.is(known::HEARD) && sink.flow.state != State::New {
            // In the middle of a conversation whose start was not seen.
            me.pend(tcp.seq);
            return;
        }
        me.start(tcp, piece.len());
        self.drop_buffer(direction, sink);
        if piece.is(tcp_flags::ACK) {
            self.acknowledge(piece, sink);
            self.settle_held(direction.flip(), tcp.ack, sink);
        }
        self.hold(piece, sink);
    }

    /// A further SYN of somebody who has sent one.
    fn synchronise_again<S, O: Observer<S>>(&mut self, piece: &Piece<'_>, sink: &mut Sink<'_, S, O>) {
        let (tcp, direction) = (piece.tcp, piece.direction);
        let fresh = sink.flow.state == State::New && !self.halves[direction.flip().index()].is(known::SYN);
        let same = tcp.seq == self.halves[direction.index()].isn;
        if piece.is(tcp_flags::ACK) {
            if !same || !self.answers_syn(piece, sink) {
                let me = &mut self.halves[direction.index()];
                return sink.malformed(&mut me.reported, direction, StreamMalformed::SynAckMismatch);
            }
            // Simultaneous open: the SYN comes again, with ACK (RFC 9293, 3.5).
            self.acknowledge(piece, sink);
            return self.settle_held(direction.flip(), tcp.ack, sink);
        }
        if same {
            return;
        }
        let me = &mut self.halves[direction.index()];
        if !fresh {
            // Told when the other goes on as if nothing had been (`acknowledge`).
            me.pend(tcp.seq);
            return;
        }
        sink.malformed(&mut me.reported, direction, StreamMalformed::SynResend);
        // Nobody has answered: the later SYN counts, but the responder has the last word.
        me.other_isn = me.isn;
        me.known |= known::EARLIER;
        self.drop_buffer(direction, sink);
        self.halves[direction.index()].start(tcp, piece.len());
        self.hold(piece, sink);
    }

    /// True where a SYN-ACK acknowledges a SYN that was seen, or none was seen. Settles which of
    /// two SYNs it was.
    fn answers_syn<S, O>(&mut self, piece: &Piece<'_>, sink: &mut Sink<'_, S, O>) -> bool {
        let ack = piece.tcp.ack;
        let other = &mut self.halves[piece.direction.flip().index()];
        if !other.is(known::SYN) {
            if !other.is(known::INIT) {
                other.stand_at(ack.wrapping_sub(1));
                other.known |= known::INIT | known::SYNCED;
            }
            return true;
        }
        if ahead(ack, other.isn) > 0 && ahead(ack, other.shown) <= 0 {
            return true;
        }
        if other.is(known::EARLIER) && ack == other.other_isn.wrapping_add(1) {
            other.known &= !(known::EARLIER | known::HELD);
            let isn = other.other_isn;
            other.stand_at(isn);
            // Data of the SYN that lost.
            self.drop_buffer(piece.direction.flip(), sink);
            return true;
        }
        false
    }

    /// Data on a SYN wait for the answer: a receiver without TCP Fast Open (RFC 7413) drops them.
    fn hold<S, O: Observer<S>>(&mut self, piece: &Piece<'_>, sink: &mut Sink<'_, S, O>) {
        let next = self.halves[piece.direction.index()].next;
        if !piece.payload.is_empty() {
            self.insert(piece.direction, next, piece.payload, sink);
            self.halves[piece.direction.index()].known |= known::HELD;
        }
    }

    /// The SYN was answered with `ack`: its data are dropped unless they were acknowledged (then
    /// `acknowledge` has delivered them).
    fn settle_held<S, O: Observer<S>>(&mut self, of: Direction, ack: u32, sink: &mut Sink<'_, S, O>) {
        let half = &mut self.halves[of.index()];
        if half.is(known::HELD) && ahead(ack, half.next) <= 0 {
            half.known &= !known::HELD;
            half.shown = half.next;
            self.drop_buffer(of, sink);
        }
    }

    /// RST.
    #[cold]
    pub(super) fn reset<S, O: Observer<S>>(&mut self, piece: &Piece<'_>, sink: &mut Sink<'_, S, O>) {
        if sink.flow.state == State::Closed {
            return;
        }
        let direction = piece.direction;
        let me = &mut self.halves[direction.index()];
        me.known |= known::HEARD;
        match self.judge_reset(piece) {
            Reset::Obeyed => {
                self.halves[direction.index()].known |= known::RESET;
                self.flush(sink);
                for direction in [Direction::ToResponder, Direction::ToInitiator] {
                    let half = &mut self.halves[direction.index()];
                    if !half.is(known::ENDED) {
                        half.known |= known::ENDED;
                        sink.content(direction, Content::End { reset: true });
                    }
                }
                sink.flow.state = State::Closed;
            }
            // Hosts of today ask back (RFC 5961, 3.2), older ones obey. So the conversation
            // times out soon unless it goes on, and is followed if it does.
            Reset::Doubtful => sink.flow.state = State::Closing,
            Reset::Ignored => {
                let me = &mut self.halves[direction.index()];
                sink.malformed(&mut me.reported, direction, StreamMalformed::ResetOutOfWindow);
            }
        }
    }

    fn judge_reset(&self, piece: &Piece<'_>) -> Reset {
        let me = &self.halves[piece.direction.index()];
        let other = &self.halves[piece.direction.flip().index()];
        let seq = piece.tcp.seq;
        if !me.is(known::INIT) {
            // The answer to a SYN must acknowledge it (RFC 9293, 3.10.7.3).
            let ack = piece.tcp.ack;
            let answers =
                piece.is(tcp_flags::ACK) && ahead(ack, other.isn) > 0 && ahead(ack, other.shown) <= 0;
            return if !other.is(known::SYN) || answers {
                Reset::Obeyed
            } else {
                Reset::Ignored
            };
        }
        let exact = seq == me.next || seq == me.shown || (me.is(known::ACKED) && seq == me.acked);
        if exact || !me.is(known::SYNCED) {
            return Reset::Obeyed;
        }
        let distance = ahead(seq, me.next);
        if distance > 0 && distance <= me.reset_range() {
            Reset::Doubtful
        } else {
            Reset::Ignored
        }
    }
}

/// Why a segment belongs to a new connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anew {
    /// It opens one, or nothing of the old one can be true any more.
    Opens,
    /// It accepts a SYN that came as a part of the old one.
    Accepted,
}

enum Reset {
    Obeyed,
    Doubtful,
    Ignored,
}

//! Data and FIN: bytes in the order in which they were sent.
//!
//! Owns: delivery, holes, and the buffer limits. In-order data go straight from the packet to the
//! observer; only what comes early is copied.

use citywall_packet::tcp_flags;

use super::buffer::Buffer;
use super::half::{ahead, known};
use super::{Connection, Piece};
use crate::sink::Sink;
use crate::{Content, Direction, Observer, State, StreamMalformed, Urgent};

impl Connection {
    /// A segment with data, FIN, or both, that passed the receiver's checks.
    #[inline]
    pub(super) fn data<S, O: Observer<S>>(&mut self, piece: &Piece<'_>, sink: &mut Sink<'_, S, O>) {
        let direction = piece.direction;
        let me = &mut self.halves[direction.index()];
        if piece.tcp.flags & (tcp_flags::FIN | tcp_flags::URG) == 0
            && piece.tcp.seq == me.next
            && piece.cut == 0
            && me.buffer.is_none()
            && me.known & (known::FIN | known::ENDED | known::URGENT) == 0
        {
            me.remember(piece.payload);
            me.next = me.next.wrapping_add(piece.payload.len() as u32);
            return sink.content(direction, Content::Bytes(piece.payload));
        }
        self.data_with_care(piece, sink);
    }

    fn data_with_care<S, O: Observer<S>>(&mut self, piece: &Piece<'_>, sink: &mut Sink<'_, S, O>) {
        let (tcp, direction) = (piece.tcp, piece.direction);
        if self.halves[direction.index()].is(known::HELD) {
            self.unhold(direction, tcp.seq, sink);
        }
        if piece.is(tcp_flags::URG) {
            self.urge(piece, sink);
        }
        let me = &mut self.halves[direction.index()];
        let end = tcp.seq.wrapping_add(piece.len());
        // One that lies below what came already is old to its receiver (RFC 9293, 3.10.7.4).
        if piece.is(tcp_flags::FIN) && !me.is(known::FIN) && ahead(end, me.next) >= 0 {
            me.fin = end;
            me.known |= known::FIN;
        }
        let (mut payload, mut cut) = (piece.payload, piece.cut);
        if me.is(known::FIN) {
            let room = ahead(me.fin, tcp.seq).max(0) as u32;
            if piece.len() > room {
                // A keep-alive repeats the place of the FIN.
                if tcp.seq != me.fin || piece.len() > 1 {
                    sink.malformed(&mut me.reported, direction, StreamMalformed::DataAfterFin);
                }
                payload = payload.get(..room as usize).unwrap_or(payload);
                cut = cut.min(room - payload.len() as u32);
            }
        }
        if sink.flow.stop_stream[direction.index()] {
            let end = tcp.seq.wrapping_add(payload.len() as u32).wrapping_add(cut);
            if ahead(end, me.next) > 0 {
                me.next = end;
            }
            self.drop_buffer(direction, sink);
        } else {
            self.bytes(direction, tcp.seq, payload, sink);
            if cut > 0 {
                // What the capture cut off will not come again.
                let end = tcp.seq.wrapping_add(payload.len() as u32).wrapping_add(cut);
                if ahead(tcp.seq, self.halves[direction.index()].next) <= 0 {
                    self.skip_to(direction, end, false, sink);
                }
            }
        }
        self.drain(direction, sink);
    }

    /// Payload at `seq`: delivered, buffered, or found to be old.
    fn bytes<S, O: Observer<S>>(
        &mut self,
        direction: Direction,
        seq: u32,
        payload: &[u8],
        sink: &mut Sink<'_, S, O>,
    ) {
        if payload.is_empty() {
            return;
        }
        let me = &mut self.halves[direction.index()];
        let early = ahead(seq, me.next);
        if early > 0 {
            return self.insert(direction, seq, payload, sink);
        }
        let old = early.unsigned_abs() as usize;
        // One byte just behind the stream is a keep-alive (RFC 9293, 3.8.4), its content garbage.
        let keep_alive = old == 1 && payload.len() == 1;
        if old > 0 && !keep_alive && me.contradicts(seq, payload) {
            sink.malformed(&mut me.reported, direction, StreamMalformed::OverlapDifferent);
        }
        let fresh = payload.get(old..).unwrap_or(&[]);
        if fresh.is_empty() || me.is(known::ENDED) {
            return;
        }
        let next = me.next;
        let end = next.wrapping_add(fresh.len() as u32);
        let overlaps = me
            .buffer
            .as_mut()
            .and_then(|b| b.first(next))
            .is_some_and(|f| ahead(f, end) < 0);
        if overlaps {
            self.insert(direction, next, fresh, sink);
        } else {
            self.deliver(direction, fresh, sink);
        }
    }

    /// Hands over the next bytes, without an urgent byte where the host takes it out.
    fn deliver<S, O: Observer<S>>(&mut self, direction: Direction, bytes: &[u8], sink: &mut Sink<'_, S, O>) {
        let me = &mut self.halves[direction.index()];
        me.remember(bytes);
        let next = me.next;
        me.next = next.wrapping_add(bytes.len() as u32);
        if me.is(known::URGENT) {
            let at = usize::try_from(ahead(me.urgent, next)).unwrap_or(usize::MAX);
            if let Some((before, after)) = bytes.split_at_checked(at)
                && let Some((_, after)) = after.split_first()
            {
                me.known &= !known::URGENT;
                for part in [before, after] {
                    if !part.is_empty() {
                        sink.content(direction, Content::Bytes(part));
                    }
                }
                return;
            }
        }
        sink.content(direction, Content::Bytes(bytes));
    }

    /// Delivers what has become deliverable, FIN included.
    pub(super) fn drain<S, O: Observer<S>>(&mut self, direction: Direction, sink: &mut Sink<'_, S, O>) {
        while let Some((piece, old)) = self.pop_due(direction, sink) {
            self.deliver(direction, piece.get(old..).unwrap_or(&[]), sink);
        }
        let me = &mut self.halves[direction.index()];
        if me.is(known::FIN) && !me.is(known::ENDED) && ahead(me.next, me.fin) >= 0 {
            me.known |= known::ENDED;
            me.next = me.fin.wrapping_add(1);
            sink.content(direction, Content::End { reset: false });
            let other = &self.halves[direction.flip().index()];
            sink.flow.state = if other.is(known::ENDED) {
                State::Closed
            } else {
                State::Closing
            };
            self.drop_buffer(direction, sink);
        }
    }

    /// Takes the first buffered piece if its turn has come, with how much of it is old.
    fn pop_due<S, O>(&mut self, direction: Direction, sink: &mut Sink<'_, S, O>) -> Option<(Vec<u8>, usize)> {
        let me = &mut self.halves[direction.index()];
        let next = me.next;
        let buffer = me.buffer.as_mut()?;
        let old = usize::try_from(ahead(next, buffer.first(next)?)).ok()?;
        let before = buffer.cost();
        let piece = buffer.pop();
        sink.budget.moved(before, buffer.cost());
        if buffer.is_empty() {
            me.buffer = None;
        }
        piece.map(|piece| (piece, old))
    }

    /// Goes on at `target`: buffered pieces before it are delivered, what is not there is told as
    /// missing.
    pub(super) fn skip_to<S, O: Observer<S>>(
        &mut self,
        direction: Direction,
        target: u32,
        shed: bool,
        sink: &mut Sink<'_, S, O>,
    ) {
        loop {
            self.drain(direction, sink);
            let me = &mut self.halves[direction.index()];
            let next = me.next;
            if ahead(target, next) <= 0 || me.is(known::ENDED) {
                return;
            }
            let first = me.buffer.as_mut().and_then(|b| b.first(next));
            let stop = match first {
                Some(first) if ahead(first, target) < 0 => first,
                _ => target,
            };
            // The FIN itself is not a byte of the stream.
            let stop = if me.is(known::FIN) && ahead(stop, me.fin) > 0 {
                me.fin
            } else {
                stop
            };
            let missing = ahead(stop, next).max(0) as u32;
            me.next = stop;
            me.sample_len = 0;
            sink.gap(direction, missing, shed);
        }
    }

    /// The receiver acknowledged data that were not seen, and the sender has gone on behind them.
    #[cold]
    pub(super) fn skip_acknowledged<S, O: Observer<S>>(&mut self, of: Direction, sink: &mut Sink<'_, S, O>) {
        if self.halves[of.index()].is(known::HELD) {
            // Data of the SYN: accepted.
            self.halves[of.index()].known &= !known::HELD;
            self.drain(of, sink);
        }
        let half = &self.halves[of.index()];
        let target = half.acked;
        if half.is(known::ENDED) || ahead(target, half.next) <= 0 {
            return;
        }
        let acknowledger = &mut self.halves[of.flip().index()];
        if !sink.flow.stop_stream[of.index()] {
            sink.malformed(
                &mut acknowledger.reported,
                of.flip(),
                StreamMalformed::AckOfUnseen,
            );
        }
        self.skip_to(of, target, false, sink);
        self.drain(of, sink);
    }

    /// Buffers a piece that is too early, within the limits.
    pub(super) fn insert<S, O: Observer<S>>(
        &mut self,
        direction: Direction,
        seq: u32,
        payload: &[u8],
        sink: &mut Sink<'_, S, O>,
    ) {
        let me = &mut self.halves[direction.index()];
        if me.is(known::ENDED) {
            return;
        }
        let next = me.next;
        let receiver = match direction {
            Direction::ToResponder => sink.flow.responder.ip,
            Direction::ToInitiator => sink.flow.initiator.ip,
        };
        let policies = sink.policies;
        let buffer = me
            .buffer
            .get_or_insert_with(|| Box::new(Buffer::new(next, policies.of(receiver).overlap)));
        let before = buffer.cost();
        let differs = buffer.insert(next, seq, payload);
        let after = buffer.cost();
        sink.budget.moved(before, after);
        if differs {
            sink.malformed(&mut me.reported, direction, StreamMalformed::OverlapDifferent);
        }
        if after > sink.budget.per_direction || sink.budget.used > sink.budget.limit {
            self.shed(direction, sink);
        }
    }

    /// Gives up holes, the first ones first, until what waits is within the limits.
    #[cold]
    fn shed<S, O: Observer<S>>(&mut self, direction: Direction, sink: &mut Sink<'_, S, O>) {
        let me = &mut self.halves[direction.index()];
        me.known &= !known::HELD;
        sink.malformed(&mut me.reported, direction, StreamMalformed::BufferLimit);
        while self.waiting(direction) > sink.budget.per_direction || sink.budget.used > sink.budget.limit {
            if !self.give_up_hole(direction, true, sink) {
                return;
            }
        }
    }

    /// Gives up the hole before the first buffered piece and delivers what follows it. False where
    /// nothing waits any more.
    fn give_up_hole<S, O: Observer<S>>(
        &mut self,
        direction: Direction,
        shed: bool,
        sink: &mut Sink<'_, S, O>,
    ) -> bool {
        let me = &mut self.halves[direction.index()];
        let next = me.next;
        let Some(first) = me.buffer.as_mut().and_then(|b| b.first(next)) else {
            return false;
        };
        let before = self.waiting(direction);
        self.skip_to(direction, first, shed, sink);
        self.drain(direction, sink);
        if self.waiting(direction) >= before {
            // Cannot be; but a loop must not depend on it.
            self.drop_buffer(direction, sink);
        }
        self.halves[direction.index()].buffer.is_some()
    }

    fn waiting(&self, direction: Direction) -> usize {
        self.halves[direction.index()]
            .buffer
            .as_ref()
            .map_or(0, |buffer| buffer.cost())
    }

    /// After data on a SYN that nobody answered in our sight: if the sender goes on behind them
    /// they were accepted, if it sends them again they were not.
    fn unhold<S, O: Observer<S>>(&mut self, direction: Direction, seq: u32, sink: &mut Sink<'_, S, O>) {
        let me = &mut self.halves[direction.index()];
        me.known &= !known::HELD;
        if ahead(seq, me.next) <= 0 {
            self.drop_buffer(direction, sink);
        }
    }

    fn urge<S, O: Observer<S>>(&mut self, piece: &Piece<'_>, sink: &mut Sink<'_, S, O>) {
        let direction = piece.direction;
        let receiver = match direction {
            Direction::ToResponder => sink.flow.responder.ip,
            Direction::ToInitiator => sink.flow.initiator.ip,
        };
        let me = &mut self.halves[direction.index()];
        sink.malformed(&mut me.reported, direction, StreamMalformed::Urgent);
        if sink.policies.of(receiver).urgent == Urgent::OutOfBand && piece.tcp.urgent > 0 {
            me.urgent = piece.tcp.seq.wrapping_add(u32::from(piece.tcp.urgent) - 1);
            me.known |= known::URGENT;
        }
    }

    /// Frees what is buffered in one direction, unseen.
    pub(super) fn drop_buffer<S, O>(&mut self, direction: Direction, sink: &mut Sink<'_, S, O>) {
        if let Some(buffer) = self.halves[direction.index()].buffer.take() {
            sink.budget.moved(buffer.cost(), 0);
        }
    }

    /// Frees the buffers of directions that nobody wants any more.
    #[cold]
    pub fn release<S, O>(&mut self, sink: &mut Sink<'_, S, O>) {
        for direction in [Direction::ToResponder, Direction::ToInitiator] {
            if sink.flow.stop_stream[direction.index()] {
                self.drop_buffer(direction, sink);
            }
        }
    }

    /// Delivers all that waits, holes told as missing: the conversation is over.
    pub fn flush<S, O: Observer<S>>(&mut self, sink: &mut Sink<'_, S, O>) {
        for direction in [Direction::ToResponder, Direction::ToInitiator] {
            // Data on a SYN that nobody answered were never part of a stream.
            if self.halves[direction.index()].is(known::HELD) {
                self.drop_buffer(direction, sink);
            }
            while self.give_up_hole(direction, false, sink) {}
            self.drop_buffer(direction, sink);
        }
    }
}

//! Taking a request out of a living TCP session, and answering it, so that neither end notices.
//!
//! Owns: which bytes of the client reach the server, where answers of ours stand among the server's
//! bytes, and the arithmetic of sequence numbers that follows (RFC 9293, RFC 2018). Does not own:
//! what a request is and whether it passes ([`Talk`]), packets and their checksums (`rewrite`).
//!
//! Four number lines meet here. The client's stream has its own offsets; the server sees it without
//! the *cuts*. The server's stream has its own offsets; the client sees it with the *inserts*. An
//! offset is a sequence number with 32 more bits in front, so that it never wraps.
//!
//! What the client sends is taken in order alone: what comes ahead of a gap goes no further, and comes
//! again. Bytes that were judged are kept until the server has acknowledged them, and what is sent
//! again is replaced by them: the server never sees bytes that were not judged. A request that is
//! not whole yet is withheld; the packet that completes it carries all of it.

use std::collections::VecDeque;

use citywall_packet::tcp_flags::{ACK, FIN, RST, SYN};

/// Bytes of the client that are kept until the server has acknowledged them.
const KEPT: usize = 256 * 1024;
/// Denied requests that are not settled yet.
const CUTS: usize = 64;
/// Inserts that are remembered after the client has acknowledged them: the server may send again
/// what stands before them.
const PAST: usize = 64;
/// Bytes of answers in one packet of ours.
const TOGETHER: usize = 1_200;
/// An answer that the client does not acknowledge is sent again at most so often, nanoseconds.
const AGAIN: i64 = 20_000_000;

/// What becomes of the client's next bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// More are needed to tell.
    More,
    /// So many pass, also where they are not here yet.
    Pass(u64),
    /// So many are cut out, and this stands in the server's stream instead (may be empty).
    Deny(u64, Vec<u8>),
    /// The conversation ends.
    End,
}

/// What knows the requests.
pub trait Talk {
    /// Judges what stands first in `pending`, which is not empty.
    fn request(&mut self, pending: &[u8]) -> Step;
    /// The server's next bytes.
    fn response(&mut self, bytes: &[u8]);
    /// Bytes of the server passed unseen: it is taken to be at a border.
    fn response_lost(&mut self);
    /// True where the server's bytes so far end with a whole message.
    fn at_border(&self) -> bool;
}

/// What a packet says to TCP.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement.
    pub ack: u32,
    /// Flags.
    pub flags: u8,
    /// Largest segment, in a SYN.
    pub mss: Option<u16>,
    /// When, nanoseconds.
    pub at: i64,
    /// The bytes.
    pub payload: &'a [u8],
}

/// A packet as it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement.
    pub ack: u32,
    /// The FIN goes on with it.
    pub fin: bool,
    /// The bytes; `None` = as they are.
    pub payload: Option<Vec<u8>>,
}

/// A packet of ours to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inject {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement.
    pub ack: u32,
    /// The bytes: an answer, or none.
    pub payload: Vec<u8>,
}

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on as it is.
    Same,
    /// It goes on changed.
    Changed(Changed),
    /// It goes no further.
    Drop,
    /// The conversation ends.
    End,
}

#[derive(Debug)]
enum Answer {
    /// Nothing is owed.
    None,
    /// Waits for the end of a message of the server.
    Waits(Vec<u8>),
    /// Is this insert.
    Placed(u64),
}

/// Bytes of the client that the server does not see.
#[derive(Debug)]
struct Cut {
    start: u64,
    len: u64,
    answer: Answer,
}

/// Bytes of ours among the server's.
#[derive(Debug)]
struct Insert {
    /// Before the server's byte with this offset.
    at: u64,
    bytes: Vec<u8>,
}

/// One session that is spliced.
#[derive(Debug, Default)]
pub struct Splice {
    /// Numbers are known, by direction.
    begun: [bool; 2],
    /// The client's SYN, where it was seen.
    opening: Option<u32>,
    // The client's stream, in its own offsets.
    next: u64,
    judged: u64,
    start: u64,
    buffer: Vec<u8>,
    cuts: VecDeque<Cut>,
    removed: u64,
    /// Bytes that are still to come of what was judged, and whether they are cut.
    skip: (u64, bool),
    /// Up to where the server has acknowledged, as the server counts.
    server_acked: u64,
    // The server's stream, in its own offsets.
    back: u64,
    inserts: VecDeque<Insert>,
    inserted: u64,
    /// Name of the first of `inserts`, and of the first that the client has not acknowledged.
    first_insert: u64,
    first_owed: u64,
    /// Up to where the client has acknowledged, as the client counts.
    client_acked: u64,
    injected_at: i64,
    mss: u16,
}

/// The offset near `near` that has this sequence number.
fn unwrap(near: u64, seq: u32) -> u64 {
    let ahead = seq.wrapping_sub(near as u32) as i32;
    near.wrapping_add_signed(i64::from(ahead))
}

fn first(seq: u32) -> u64 {
    (1 << 40) + u64::from(seq)
}

impl Splice {
    /// A session of which nothing is known.
    pub fn new() -> Splice {
        Splice {
            mss: 536,
            ..Splice::default()
        }
    }

    /// True where packets need no look for the numbers' sake: nothing was cut and nothing is withheld.
    pub fn is_clean(&self) -> bool {
        self.removed == 0
            && self.inserted == 0
            && self.cuts.is_empty()
            && self.inserts.is_empty()
            && self.judged == self.next
            && self.skip.0 == 0
    }

    /// True where a SYN with this number is not the one that this session began with.
    pub fn is_opened_anew(&self, seq: u32) -> bool {
        self.opening != Some(seq)
    }

    /// True where both ends still count alike.
    pub fn has_own_numbers(&self) -> bool {
        self.removed == 0 && self.inserted == 0 && self.cuts.is_empty() && self.inserts.is_empty()
    }

    fn to_server(&self, offset: u64) -> u64 {
        let cut = |c: &Cut| offset.saturating_sub(c.start).min(c.len);
        let gone: u64 = self.cuts.iter().map(cut).sum();
        offset.wrapping_sub(self.removed).wrapping_sub(gone)
    }

    fn settled(&self, cut: &Cut) -> bool {
        match cut.answer {
            Answer::None => true,
            Answer::Waits(_) => false,
            Answer::Placed(insert) => insert < self.first_owed,
        }
    }

    /// What the client is told of the server's acknowledgement. A cut right behind it is covered
    /// once it is settled (or with `answering`): until then the client asks again.
    fn to_client_ack(&self, ack: u64, answering: bool) -> u64 {
        let mut offset = ack.wrapping_add(self.removed);
        for cut in &self.cuts {
            let covered = cut.start < offset || cut.start == offset && (answering || self.settled(cut));
            if !covered {
                break;
            }
            offset += cut.len;
        }
        offset
    }

    fn to_client(&self, offset: u64) -> u64 {
        let before = self.inserts.iter().take_while(|i| i.at <= offset);
        let more: u64 = before.map(|i| i.bytes.len() as u64).sum();
        offset.wrapping_add(self.inserted).wrapping_add(more)
    }

    fn to_server_ack(&self, ack: u64) -> u64 {
        let mut offset = ack.wrapping_sub(self.inserted);
        for insert in &self.inserts {
            if offset <= insert.at {
                break;
            }
            offset = insert.at.max(offset.saturating_sub(insert.bytes.len() as u64));
        }
        offset
    }

    /// A block edge of the SACK option (RFC 2018) that the client sends, as the server counts.
    pub fn sack_to_server(&self, edge: u32) -> u32 {
        self.to_server_ack(unwrap(self.to_client(self.back), edge)) as u32
    }

    /// A block edge that the server sends, as the client counts.
    pub fn sack_to_client(&self, edge: u32) -> u32 {
        self.to_client_ack(unwrap(self.to_server(self.next), edge), true) as u32
    }

    /// A packet of the client.
    pub fn client(&mut self, piece: &Piece<'_>, talk: &mut dyn Talk) -> (Fate, Option<Inject>) {
        if piece.flags & SYN != 0 {
            return (self.client_syn(piece), None);
        }
        self.begin_client(piece);
        let duplicate = self.client_ack(piece, talk);
        let offset = unwrap(self.next, piece.seq);
        let len = piece.payload.len() as u64;
        let fin = piece.flags & FIN != 0;
        if piece.flags & RST != 0 {
            return (
                self.pass_client(piece, offset.min(self.judged), false, None),
                None,
            );
        }
        if offset > self.next && (len > 0 || fin) {
            return (self.ask_server(piece), None);
        }
        let before = self.judged;
        if !self.keep(offset, piece.payload) {
            return (Fate::Drop, None);
        }
        if !self.judge(talk) {
            return (Fate::End, None);
        }
        if fin && offset + len == self.next && self.judged < self.next {
            self.cut(self.next - self.judged, Answer::None);
        }
        let fate = self.forward(piece, offset, before);
        let inject = self.injection(piece, offset, before, duplicate, talk.at_border());
        (fate, inject)
    }

    /// Ahead of a gap: in place of the packet goes an empty one that its receiver has to answer with
    /// what it has (RFC 9293, 3.10.7.4). Where the gap's bytes passed while nobody judged, that is how
    /// we learn of it: nobody will send them again.
    fn ask_server(&self, piece: &Piece<'_>) -> Fate {
        Fate::Changed(Changed {
            seq: self.to_server(self.next).wrapping_sub(1) as u32,
            ack: self.to_server_ack(unwrap(self.client_acked, piece.ack)) as u32,
            fin: false,
            payload: Some(Vec::new()),
        })
    }

    fn ask_client(&self, piece: &Piece<'_>) -> Fate {
        let acked = unwrap(self.server_acked, piece.ack);
        Fate::Changed(Changed {
            seq: self.to_client(self.back).wrapping_sub(1) as u32,
            ack: self.to_client_ack(acked.min(self.to_server(self.next)), false) as u32,
            fin: false,
            payload: Some(Vec::new()),
        })
    }

    fn client_syn(&mut self, piece: &Piece<'_>) -> Fate {
        if !piece.payload.is_empty() {
            // Data in a SYN (RFC 7413) comes again without it.
            return Fate::Drop;
        }
        let next = first(piece.seq) + 1;
        if self.is_opened_anew(piece.seq) {
            *self = Splice::new();
            self.opening = Some(piece.seq);
            (self.next, self.judged, self.start) = (next, next, next);
            self.server_acked = next;
            self.begun[0] = true;
        }
        self.mss = piece.mss.unwrap_or(536);
        Fate::Same
    }

    /// Where the session is met midway, it begins with this packet.
    fn begin_client(&mut self, piece: &Piece<'_>) {
        if !self.begun[0] {
            let next = first(piece.seq);
            (self.next, self.judged, self.start, self.server_acked) = (next, next, next, next);
            self.begun[0] = true;
        }
        if !self.begun[1] && piece.flags & ACK != 0 {
            self.back = first(piece.ack);
            self.client_acked = self.back;
            self.begun[1] = true;
        }
    }

    /// Takes the client's acknowledgement; true where it says the same as before.
    fn client_ack(&mut self, piece: &Piece<'_>, talk: &mut dyn Talk) -> bool {
        if piece.flags & ACK == 0 {
            return false;
        }
        let ack = unwrap(self.client_acked, piece.ack);
        let duplicate = ack == self.client_acked && piece.payload.is_empty();
        let known = self.to_client(self.back);
        if ack > known + 1 {
            // The zone let packets of the server pass while nobody judged.
            self.back += ack - known;
            talk.response_lost();
        }
        self.client_acked = self.client_acked.max(ack);
        while let Some((start, insert)) = self.owed() {
            if self.client_acked < start + insert.bytes.len() as u64 {
                break;
            }
            self.first_owed += 1;
        }
        while self.inserts.len() > PAST && self.first_insert < self.first_owed {
            if let Some(insert) = self.inserts.pop_front() {
                self.inserted += insert.bytes.len() as u64;
            }
            self.first_insert += 1;
        }
        self.prune();
        duplicate
    }

    /// The first insert that the client has not acknowledged, and where it begins as the client
    /// counts.
    fn owed(&self) -> Option<(u64, &Insert)> {
        let past = usize::try_from(self.first_owed - self.first_insert).ok()?;
        let insert = self.inserts.get(past)?;
        let before = self.inserts.iter().take(past);
        let len: u64 = before.map(|i| i.bytes.len() as u64).sum();
        Some((insert.at + self.inserted + len, insert))
    }

    /// Keeps what is new; false where there is no room.
    fn keep(&mut self, offset: u64, payload: &[u8]) -> bool {
        let known = self.next.saturating_sub(offset);
        let new = usize::try_from(known).ok().and_then(|known| payload.get(known..));
        let new = new.unwrap_or(&[]);
        if self.buffer.len() + new.len() > KEPT {
            return false;
        }
        self.buffer.extend_from_slice(new);
        self.next += new.len() as u64;
        true
    }

    fn kept(&self, from: u64, to: u64) -> &[u8] {
        let place = |offset: u64| usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
        self.buffer.get(place(from)..place(to)).unwrap_or(&[])
    }

    fn cut(&mut self, len: u64, answer: Answer) {
        self.cuts.push_back(Cut {
            start: self.judged,
            len,
            answer,
        });
        self.judged += len;
    }

    /// Judges what has come; false where the conversation ends.
    fn judge(&mut self, talk: &mut dyn Talk) -> bool {
        while self.judged < self.next {
            let here = self.next - self.judged;
            let (left, is_cut) = self.skip;
            if left > 0 {
                let taken = left.min(here);
                self.skip.0 -= taken;
                if is_cut {
                    self.cut(taken, Answer::None);
                } else {
                    self.judged += taken;
                }
                continue;
            }
            if self.cuts.len() >= CUTS {
                break;
            }
            let pending = self.kept(self.judged, self.next);
            match talk.request(pending) {
                Step::More => break,
                Step::End => return false,
                Step::Pass(len) => {
                    let len = len.max(1);
                    self.skip = (len - len.min(here), false);
                    self.judged += len.min(here);
                }
                Step::Deny(len, answer) => {
                    let len = len.max(1);
                    self.skip = (len - len.min(here), true);
                    let answer = if answer.is_empty() {
                        Answer::None
                    } else {
                        Answer::Waits(answer)
                    };
                    self.cut(len.min(here), answer);
                }
            }
        }
        true
    }

    /// The packet with what may go on of it; what was withheld before goes with it.
    fn forward(&mut self, piece: &Piece<'_>, offset: u64, before: u64) -> Fate {
        let len = piece.payload.len() as u64;
        if len == 0 {
            let fin = piece.flags & FIN != 0 && offset == self.judged;
            return self.pass_client(piece, offset.min(self.judged), fin, None);
        }
        let from = offset.min(before).max(self.start);
        let to = self.judged.min(offset + len).max(from);
        let room = piece.payload.len().max(usize::from(self.mss));
        let (bytes, end) = self.without_cuts(from, to, room);
        let fin = piece.flags & FIN != 0 && end == offset + len && end == self.judged;
        let same = from == offset && bytes == piece.payload;
        self.pass_client(piece, from, fin, (!same).then_some(bytes))
    }

    fn pass_client(&self, piece: &Piece<'_>, offset: u64, fin: bool, payload: Option<Vec<u8>>) -> Fate {
        let seq = self.to_server(offset) as u32;
        let ack = if piece.flags & ACK == 0 {
            piece.ack
        } else {
            self.to_server_ack(unwrap(self.client_acked, piece.ack)) as u32
        };
        let had_fin = piece.flags & FIN != 0;
        if payload.is_none() && seq == piece.seq && ack == piece.ack && fin == had_fin {
            return Fate::Same;
        }
        Fate::Changed(Changed {
            seq,
            ack,
            fin,
            payload,
        })
    }

    /// The client's bytes of a range as the server sees them, at most `room`, and where they end.
    fn without_cuts(&self, from: u64, to: u64, room: usize) -> (Vec<u8>, u64) {
        let mut bytes = Vec::new();
        let mut at = from;
        let mut cuts = self
            .cuts
            .iter()
            .filter(|c| c.start + c.len > from && c.start < to);
        loop {
            let cut = cuts.next();
            let until = cut.map_or(to, |c| c.start).max(at);
            let piece = self.kept(at, until);
            let fits = piece.len().min(room - bytes.len());
            bytes.extend_from_slice(piece.get(..fits).unwrap_or(piece));
            at += fits as u64;
            match cut {
                Some(cut) if at == until => at = (cut.start + cut.len).min(to),
                _ => return (bytes, at),
            }
        }
    }

    /// What we say to the client ourselves: answers that it has not acknowledged, and that what it
    /// sends again has arrived.
    fn injection(
        &mut self,
        piece: &Piece<'_>,
        offset: u64,
        before: u64,
        duplicate: bool,
        at_border: bool,
    ) -> Option<Inject> {
        let placed = at_border && self.place();
        let end = offset + piece.payload.len() as u64;
        let again = !piece.payload.is_empty() && offset < before;
        let silent = self
            .cuts
            .back()
            .is_some_and(|c| c.start >= before && matches!(c.answer, Answer::None));
        let owed = self.owed().is_some();
        let due = piece.at.saturating_sub(self.injected_at) >= AGAIN;
        let ack = self.to_client_ack(self.server_acked, owed);
        let wanted = placed
            || silent
            || owed && (again || duplicate) && due
            || again && end <= ack.max(self.start) && due;
        if !wanted {
            return None;
        }
        self.injected_at = piece.at;
        let (mut payload, mut seq) = (Vec::new(), self.to_client(self.back));
        if let Some((start, first)) = self.owed() {
            seq = start;
            let past = usize::try_from(self.first_owed - self.first_insert).unwrap_or(0);
            let together = self.inserts.iter().skip(past).take_while(|i| i.at == first.at);
            for insert in together {
                if !payload.is_empty() && payload.len() + insert.bytes.len() > TOGETHER {
                    break;
                }
                payload.extend_from_slice(&insert.bytes);
            }
        }
        Some(Inject {
            seq: seq as u32,
            ack: ack as u32,
            payload,
        })
    }

    /// Gives answers that wait their place behind what the server has said.
    fn place(&mut self) -> bool {
        let mut placed = false;
        for cut in &mut self.cuts {
            if let Answer::Waits(bytes) = &mut cut.answer {
                let name = self.first_insert + self.inserts.len() as u64;
                self.inserts.push_back(Insert {
                    at: self.back,
                    bytes: std::mem::take(bytes),
                });
                cut.answer = Answer::Placed(name);
                placed = true;
            }
        }
        placed
    }

    /// Forgets what both ends are done with.
    fn prune(&mut self) {
        let until = self
            .to_client_ack(self.server_acked, false)
            .clamp(self.start, self.judged);
        let gone = usize::try_from(until - self.start).unwrap_or(usize::MAX);
        self.buffer.drain(..gone.min(self.buffer.len()));
        self.start = until;
        while let Some(cut) = self.cuts.front() {
            if cut.start + cut.len > self.start || !self.settled(cut) {
                break;
            }
            self.removed += cut.len;
            self.cuts.pop_front();
        }
    }

    /// The numbers of a reset to the server: where it expects the client's next byte, and what the
    /// client has of it.
    pub fn reset_to_server(&self) -> (u32, u32) {
        (
            self.server_acked.max(self.to_server(self.start)) as u32,
            self.to_server_ack(self.client_acked) as u32,
        )
    }

    /// A packet of the server.
    pub fn server(&mut self, piece: &Piece<'_>, talk: &mut dyn Talk) -> Fate {
        if piece.flags & SYN != 0 {
            self.back = first(piece.seq) + 1;
            self.client_acked = self.back;
            self.begun[1] = true;
            self.mss = self.mss.min(piece.mss.unwrap_or(536));
            return Fate::Same;
        }
        self.begin_server(piece);
        let offset = unwrap(self.back, piece.seq);
        let len = piece.payload.len() as u64;
        if offset > self.back && len > 0 && self.to_server_ack(self.client_acked) >= offset {
            // Passed unseen, as the client has it.
            self.back = offset;
            talk.response_lost();
        }
        if offset > self.back && len > 0 {
            return self.ask_client(piece);
        }
        let mut ack = piece.ack;
        if piece.flags & ACK != 0 {
            let acked = unwrap(self.server_acked, piece.ack);
            self.server_acked = self.server_acked.max(acked);
            if acked > self.to_server(self.next) + 1 {
                // The zone let packets of the client pass while nobody judged.
                self.next = self.to_client_ack(acked, true);
                (self.judged, self.start) = (self.next, self.next);
                self.buffer.clear();
                self.skip = (0, false);
            }
            ack = self.to_client_ack(acked, false) as u32;
            self.prune();
        }
        let known = self.back.saturating_sub(offset);
        let new = usize::try_from(known)
            .ok()
            .and_then(|known| piece.payload.get(known..));
        if let Some(new) = new
            && !new.is_empty()
        {
            talk.response(new);
            self.back += new.len() as u64;
        }
        let seq = self.to_client(offset) as u32;
        let had_fin = piece.flags & FIN != 0;
        let (payload, whole) = self.with_inserts(offset, piece.payload);
        let fin = had_fin && whole;
        if payload.is_none() && seq == piece.seq && ack == piece.ack && fin == had_fin {
            return Fate::Same;
        }
        Fate::Changed(Changed {
            seq,
            ack,
            fin,
            payload,
        })
    }

    fn begin_server(&mut self, piece: &Piece<'_>) {
        if !self.begun[1] {
            self.back = first(piece.seq);
            self.client_acked = self.back;
            self.begun[1] = true;
        }
        if !self.begun[0] && piece.flags & ACK != 0 {
            let next = first(piece.ack);
            (self.next, self.judged, self.start, self.server_acked) = (next, next, next, next);
            self.begun[0] = true;
        }
    }

    /// The server's bytes with ours where they stand among them (what is sent again may reach over
    /// such a place); `None` where none do. False where not all of them found room.
    fn with_inserts(&self, offset: u64, payload: &[u8]) -> (Option<Vec<u8>>, bool) {
        let end = offset + payload.len() as u64;
        let inside = |i: &&Insert| i.at > offset && i.at < end;
        if !self.inserts.iter().any(|i| inside(&i)) {
            return (None, true);
        }
        let room = payload.len().max(usize::from(self.mss));
        let (mut bytes, mut at) = (Vec::new(), 0);
        for insert in self.inserts.iter().filter(inside) {
            let until = usize::try_from(insert.at - offset).unwrap_or(usize::MAX);
            bytes.extend_from_slice(payload.get(at..until).unwrap_or(&[]));
            at = until;
            if bytes.len() + insert.bytes.len() > room {
                return (Some(bytes), false);
            }
            bytes.extend_from_slice(&insert.bytes);
        }
        let rest = payload.get(at..).unwrap_or(&[]);
        let fits = rest.len().min(room - bytes.len());
        bytes.extend_from_slice(rest.get(..fits).unwrap_or(rest));
        (Some(bytes), fits == rest.len())
    }
}

#[cfg(test)]
mod tests;

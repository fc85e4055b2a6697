//! One datagram that waits for fragments: its pieces, and how a new one meets the old ones. Owns the
//! resolution of overlaps; does not own limits.

use std::ops::Range;

use super::Incomplete;
use crate::malformed::Malformed;
use crate::model::{Fragment, Nanos, Network, OverlapPolicy, Packet};

/// Bytes of a datagram's payload that are decided.
#[derive(Debug)]
pub(super) struct Piece {
    start: u32,
    data: Vec<u8>,
}

impl Piece {
    /// What a piece costs beside its bytes: itself, and an allocation.
    pub(super) const COST: usize = 64;

    fn new(start: u32, data: &[u8]) -> Self {
        Piece {
            start,
            data: data.to_vec(),
        }
    }

    fn range(&self) -> Range<u32> {
        self.start..self.start.saturating_add(self.data.len() as u32)
    }
}

/// An incomplete datagram.
#[derive(Debug)]
pub(super) struct Datagram {
    /// Its number in the order of creation.
    pub(super) age: u64,
    /// Overlapping IPv6 fragments: nothing more is taken, nothing comes out.
    pub(super) condemned: bool,
    /// Fragments taken.
    pub(super) fragments: u16,
    /// Header of the fragment with offset 0.
    pub(super) header: Vec<u8>,
    /// Next header of the fragment with offset 0.
    pub(super) protocol: u8,
    first: Packet,
    v6: bool,
    policy: OverlapPolicy,
    /// Disjoint, in order of `start`, none empty.
    pieces: Vec<Piece>,
    /// Where the datagram ends, once the last fragment is there.
    end: Option<u32>,
    /// Bytes in `pieces`.
    bytes: usize,
}

/// What became of a fragment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Inserted {
    pub(super) overlap: bool,
    pub(super) refused: bool,
    pub(super) complete: bool,
}

impl Datagram {
    /// What a datagram costs beside its pieces: itself, and its places in the tables.
    pub(super) const COST: usize = size_of::<Datagram>() + 192;

    pub(super) fn new(age: u64, first: &Packet, policy: OverlapPolicy) -> Self {
        let v6 = matches!(first.network, Network::Ip(ip) if ip.src.is_ipv6());
        Datagram {
            age,
            condemned: false,
            fragments: 0,
            header: Vec::new(),
            protocol: 0,
            first: *first,
            v6,
            policy,
            pieces: Vec::new(),
            end: None,
            bytes: 0,
        }
    }

    /// Bytes of memory that this datagram accounts for.
    pub(super) fn cost(&self) -> usize {
        Self::COST + self.header.len() + self.bytes + self.pieces.len() * Piece::COST
    }

    /// True where its time is over at `now`. Time that goes backward ends nothing.
    pub(super) fn stale(&self, now: Nanos, timeout: Nanos) -> bool {
        now.saturating_sub(self.first.at) > timeout
    }

    pub(super) fn incomplete(&self) -> Incomplete {
        Incomplete {
            first: self.first,
            fragments: self.fragments,
            bytes: self.bytes as u32,
            kind: Malformed::FragmentTimeout,
        }
    }

    /// The whole payload; call it when `Inserted::complete` was said.
    pub(super) fn payload(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(|piece| piece.data.as_slice())
    }

    /// Bytes of payload that are there.
    pub(super) fn payload_len(&self) -> usize {
        self.bytes
    }

    /// Takes one fragment. `data` is not empty and ends below 65,536.
    pub(super) fn insert(
        &mut self,
        fragment: Fragment,
        header: &[u8],
        data: &[u8],
        out: &mut Vec<Malformed>,
    ) -> Inserted {
        let new = fragment.offset..fragment.offset + data.len() as u32;
        if self.contradicts_end(new.end, fragment.more) {
            out.push(Malformed::FragmentEndConflict);
            return Inserted {
                refused: true,
                ..Inserted::default()
            };
        }
        self.fragments = self.fragments.saturating_add(1);
        let met = self.overlapped(&new);
        let meeting = self.compare(met.clone(), &new, data);
        let overlap = match meeting {
            Meeting::None => false,
            Meeting::Duplicate => {
                out.push(Malformed::FragmentDuplicate);
                if !fragment.more {
                    self.end = Some(new.end);
                }
                return Inserted {
                    complete: self.is_complete(),
                    ..Inserted::default()
                };
            }
            Meeting::Overlap { same, inside } => {
                out.push(if same {
                    Malformed::FragmentOverlapSame
                } else {
                    Malformed::FragmentOverlapDifferent
                });
                if inside {
                    out.push(Malformed::FragmentTeardrop);
                }
                true
            }
        };
        if overlap && self.v6 {
            out.push(Malformed::FragmentOverlapIpv6);
            self.condemn();
            return Inserted {
                overlap,
                ..Inserted::default()
            };
        }
        if !fragment.more {
            self.end = Some(new.end);
        }
        if fragment.offset == 0 {
            self.keep_header(header);
        }
        self.merge(met, new, data);
        Inserted {
            overlap,
            refused: false,
            complete: self.is_complete(),
        }
    }

    /// The pieces are disjoint and within the end, so they are all when there are as many bytes.
    fn is_complete(&self) -> bool {
        self.end == Some(self.bytes as u32)
    }

    /// True for a fragment beyond the known end, another end, or an end within what is there. Hosts
    /// discard such a fragment and keep the datagram.
    fn contradicts_end(&self, new_end: u32, more: bool) -> bool {
        let reached = self.pieces.last().map_or(0, |piece| piece.range().end);
        match self.end {
            Some(end) => new_end > end || (!more && new_end != end),
            None => !more && new_end < reached,
        }
    }

    fn keep_header(&mut self, header: &[u8]) {
        if self.header.is_empty() {
            self.header = header.to_vec();
            self.protocol = match self.v6 {
                // The fragment header ends the header of a fragment; its first byte says what follows.
                true => header
                    .len()
                    .checked_sub(8)
                    .and_then(|at| header.get(at))
                    .copied()
                    .unwrap_or(0),
                false => header.get(9).copied().unwrap_or(0),
            };
        }
    }

    fn condemn(&mut self) {
        self.condemned = true;
        self.pieces = Vec::new();
        self.header = Vec::new();
        self.bytes = 0;
    }

    /// The pieces that overlap `new`.
    fn overlapped(&self, new: &Range<u32>) -> Range<usize> {
        let first = self
            .pieces
            .partition_point(|piece| piece.range().end <= new.start);
        let behind = self
            .pieces
            .iter()
            .skip(first)
            .take_while(|piece| piece.start < new.end)
            .count();
        first..first + behind
    }

    /// How the new bytes relate to those of the pieces `met`.
    fn compare(&self, met: Range<usize>, new: &Range<u32>, data: &[u8]) -> Meeting {
        let pieces = self.pieces.get(met).unwrap_or(&[]);
        if pieces.is_empty() {
            return Meeting::None;
        }
        let mut same = true;
        let mut inside = false;
        for piece in pieces {
            let old = piece.range();
            let common = old.start.max(new.start)..old.end.min(new.end);
            same &= slice(&piece.data, old.start, &common) == slice(data, new.start, &common);
            inside |= new.start > old.start && new.end < old.end;
        }
        match pieces {
            [only] if same && only.range() == *new => Meeting::Duplicate,
            _ => Meeting::Overlap { same, inside },
        }
    }

    /// Puts `data` in the place of the pieces `met`, and keeps of those what the policy prefers.
    fn merge(&mut self, met: Range<usize>, new: Range<u32>, data: &[u8]) {
        if met.is_empty() {
            self.bytes += data.len();
            self.pieces.insert(met.start, Piece::new(new.start, data));
            return;
        }
        let place = met.start;
        let old_pieces: Vec<Piece> = self.pieces.drain(met).collect();
        let size = |pieces: &[Piece]| pieces.iter().map(|piece| piece.data.len()).sum::<usize>();
        let before = size(&old_pieces);
        let mut merged = Vec::with_capacity(old_pieces.len() + 2);
        let mut tail = None;
        // Bytes of `new` before this place are decided.
        let mut at = new.start;
        for mut piece in old_pieces {
            let old = piece.range();
            if self.policy.prefers_new_fragment(&old, &new) {
                if old.end > new.end {
                    tail = Some(Piece::new(
                        new.end,
                        slice(&piece.data, old.start, &(new.end..old.end)),
                    ));
                }
                if old.start < new.start {
                    piece.data.truncate((new.start - old.start) as usize);
                    merged.push(piece);
                }
            } else {
                if at < old.start {
                    merged.push(Piece::new(at, slice(data, new.start, &(at..old.start))));
                }
                merged.push(piece);
                at = old.end;
            }
        }
        if at < new.end {
            merged.push(Piece::new(at, slice(data, new.start, &(at..new.end))));
        }
        merged.extend(tail);
        self.bytes = (self.bytes + size(&merged)).saturating_sub(before);
        self.pieces.splice(place..place, merged);
    }
}

/// How a new fragment meets the old ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meeting {
    None,
    Duplicate,
    Overlap {
        /// The common bytes are equal.
        same: bool,
        /// The new one lies within an old one, touching neither end.
        inside: bool,
    },
}

/// The bytes `range` of `data`, whose first byte lies at `start`.
fn slice<'a>(data: &'a [u8], start: u32, range: &Range<u32>) -> &'a [u8] {
    let from = range.start.saturating_sub(start) as usize;
    let to = range.end.saturating_sub(start) as usize;
    data.get(from..to).unwrap_or(&[])
}

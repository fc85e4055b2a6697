//! Pieces of one direction that came before what precedes them.
//!
//! Owns: keeping them in order without overlap, as the receiving host would. Does not own: limits
//! and delivery (`stream`).
//!
//! A piece that is overlapped is cut, and what remains of it is from then on a piece with its own
//! start and end, as in the hosts' queues.

use std::collections::BTreeMap;

use citywall_packet::OverlapPolicy;

use super::overlap::{Range, new_wins};

/// What one piece costs beside its bytes, for the account (map node, vector, allocator).
const PIECE_COST: usize = 64;

/// The queue of one direction.
#[derive(Debug)]
pub(crate) struct Buffer {
    /// Sequence number that `base` stands for: the next one to deliver, when last looked at.
    sequence: u32,
    base: u64,
    policy: OverlapPolicy,
    pieces: BTreeMap<u64, Vec<u8>>,
    cost: usize,
}

impl Buffer {
    pub fn new(next: u32, policy: OverlapPolicy) -> Buffer {
        Buffer {
            sequence: next,
            base: 0,
            policy,
            pieces: BTreeMap::new(),
            cost: 0,
        }
    }

    /// Bytes held, with what it costs to hold them.
    pub fn cost(&self) -> usize {
        self.cost
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Where the first piece starts.
    pub fn first(&mut self, next: u32) -> Option<u32> {
        self.rebase(next);
        let (&start, _) = self.pieces.first_key_value()?;
        Some(self.sequence.wrapping_add(start.wrapping_sub(self.base) as u32))
    }

    /// Takes the first piece.
    pub fn pop(&mut self) -> Option<Vec<u8>> {
        let (_, piece) = self.pieces.pop_first()?;
        self.cost -= piece.len() + PIECE_COST;
        Some(piece)
    }

    /// Adds a segment that starts at `sequence`, not before `next`. True where it contradicts
    /// what was there.
    pub fn insert(&mut self, next: u32, sequence: u32, data: &[u8]) -> bool {
        self.rebase(next);
        let start = self.base + u64::from(sequence.wrapping_sub(next));
        let new = Range {
            start,
            end: start + data.len() as u64,
        };
        if new.start == new.end {
            return false;
        }
        let mut differs = false;
        // Up to here the new segment has been dealt with.
        let mut done = new.start;
        for start in self.overlapping(new) {
            let Some(piece) = self.take(start) else { continue };
            let old = Range {
                start,
                end: start + piece.len() as u64,
            };
            let both = Range {
                start: old.start.max(new.start),
                end: old.end.min(new.end),
            };
            differs |= part(&piece, old.start, both) != part(data, new.start, both);
            if new_wins(self.policy, old, new) {
                self.put(
                    old.start,
                    part(
                        &piece,
                        old.start,
                        Range {
                            start: old.start,
                            end: both.start,
                        },
                    ),
                );
                self.put(
                    both.end,
                    part(
                        &piece,
                        old.start,
                        Range {
                            start: both.end,
                            end: old.end,
                        },
                    ),
                );
            } else {
                self.put(
                    done,
                    part(
                        data,
                        new.start,
                        Range {
                            start: done,
                            end: both.start,
                        },
                    ),
                );
                done = both.end;
                self.restore(start, piece);
            }
        }
        self.put_rest(done, data, new);
        differs
    }

    /// After the last piece that won against the new segment: the remainder, which pieces that
    /// lost have made room for.
    fn put_rest(&mut self, done: u64, data: &[u8], new: Range) {
        self.put(
            done,
            part(
                data,
                new.start,
                Range {
                    start: done,
                    end: new.end,
                },
            ),
        );
    }

    /// Starts of the pieces that overlap `new`, in order.
    fn overlapping(&self, new: Range) -> Vec<u64> {
        let before = self
            .pieces
            .range(..new.start)
            .next_back()
            .filter(|(start, piece)| **start + piece.len() as u64 > new.start)
            .map(|(&start, _)| start);
        before
            .into_iter()
            .chain(self.pieces.range(new.start..new.end).map(|(&start, _)| start))
            .collect()
    }

    fn take(&mut self, start: u64) -> Option<Vec<u8>> {
        let piece = self.pieces.remove(&start)?;
        self.cost -= piece.len() + PIECE_COST;
        Some(piece)
    }

    fn put(&mut self, start: u64, data: &[u8]) {
        if !data.is_empty() {
            self.restore(start, data.to_vec());
        }
    }

    fn restore(&mut self, start: u64, piece: Vec<u8>) {
        self.cost += piece.len() + PIECE_COST;
        self.pieces.insert(start, piece);
    }

    /// Follows the stream: positions never wrap, sequence numbers do.
    fn rebase(&mut self, next: u32) {
        self.base += u64::from(next.wrapping_sub(self.sequence));
        self.sequence = next;
    }
}

/// The bytes of `data`, which starts at `origin`, that lie in `range`.
fn part(data: &[u8], origin: u64, range: Range) -> &[u8] {
    let start = range.start.saturating_sub(origin) as usize;
    let end = range.end.saturating_sub(origin) as usize;
    data.get(start..end).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICIES: [OverlapPolicy; 7] = [
        OverlapPolicy::First,
        OverlapPolicy::Last,
        OverlapPolicy::Bsd,
        OverlapPolicy::BsdRight,
        OverlapPolicy::Linux,
        OverlapPolicy::Windows,
        OverlapPolicy::Solaris,
    ];

    /// The same queue, byte by byte: each byte with the number of its segment. A piece is a run of
    /// bytes of one segment.
    #[derive(Default)]
    struct Model {
        bytes: Vec<Option<(u8, usize)>>,
        segments: usize,
    }

    impl Model {
        fn insert(&mut self, policy: OverlapPolicy, start: usize, data: &[u8]) -> bool {
            self.segments += 1;
            let end = start + data.len();
            self.bytes.resize(self.bytes.len().max(end), None);
            let before = self.bytes.clone();
            let owner = |at: usize| before.get(at).copied().flatten().map(|(_, segment)| segment);
            let new = Range {
                start: start as u64,
                end: end as u64,
            };
            let mut differs = false;
            for (at, &byte) in (start..).zip(data) {
                if let Some((old, segment)) = before[at] {
                    differs |= old != byte;
                    let first = (0..=at).rev().take_while(|&i| owner(i) == Some(segment)).last();
                    let last = (at..before.len())
                        .take_while(|&i| owner(i) == Some(segment))
                        .last();
                    let old = Range {
                        start: first.unwrap_or(at) as u64,
                        end: last.unwrap_or(at) as u64 + 1,
                    };
                    if !new_wins(policy, old, new) {
                        continue;
                    }
                }
                self.bytes[at] = Some((byte, self.segments));
            }
            differs
        }
    }

    proptest! {
        #[test]
        fn as_a_byte_by_byte_model(
            policy in prop::sample::select(&POLICIES[..]),
            isn in prop_oneof![Just(0u32), Just(u32::MAX - 20), any::<u32>()],
            segments in prop::collection::vec((1u32..60, prop::collection::vec(b'a'..b'd', 0..12)), 0..20),
        ) {
            let mut model = Model::default();
            let mut buffer = Buffer::new(isn, policy);
            for (start, data) in &segments {
                let differs = buffer.insert(isn, isn.wrapping_add(*start), data);
                prop_assert_eq!(differs, model.insert(policy, *start as usize, data));
            }
            let mut read = vec![None; model.bytes.len()];
            let mut next = isn;
            while let Some(first) = buffer.first(next) {
                let piece = buffer.pop().expect("a first piece");
                let at = first.wrapping_sub(isn) as usize;
                prop_assert!(first.wrapping_sub(isn) >= next.wrapping_sub(isn), "pieces overlap");
                for (place, byte) in read[at..].iter_mut().zip(&piece) {
                    *place = Some(*byte);
                }
                next = first.wrapping_add(piece.len() as u32);
            }
            prop_assert_eq!(buffer.cost(), 0);
            let expected: Vec<_> = model.bytes.iter().map(|byte| byte.map(|(byte, _)| byte)).collect();
            prop_assert_eq!(read, expected);
        }
    }
}

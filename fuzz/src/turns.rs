//! Bytes as a conversation: turns of two parties, cut into pieces.
//!
//! Turns are told apart by [`MARK`], not by a length, so that bytes can be inserted anywhere
//! without changing what the rest means. Each turn begins with a control byte:
//!
//! | bits | meaning |
//! |---|---|
//! | 0 | 1 = to the initiator |
//! | 1-3 | 0-4 bytes, 5 gap (two bytes of length follow), 6 end, 7 reset |
//! | 4-6 | size of the pieces, see [`PIECES`] |
//! | 7 | a byte follows: the rest is repeated 2^n times |

use citywall_flow::{Content, Direction};

/// Stands between turns.
pub const MARK: [u8; 3] = [0xc1, 0x7a, 0x11];

/// Sizes of pieces; 0 = the whole turn in one.
pub const PIECES: [usize; 8] = [0, 1, 2, 3, 7, 16, 64, 1_000];

/// Bytes of all turns after repetition, as a conversation's first byte says: quick, or more than the
/// usual limit of a message.
const MOST: [usize; 2] = [2 * 1024, 66 * 1024];

/// What one party does.
#[derive(Debug)]
pub struct Turn {
    /// Which way.
    pub direction: Direction,
    /// What.
    pub action: Action,
}

/// What a turn is.
#[derive(Debug)]
pub enum Action {
    /// Bytes, and the size of the pieces they come in (0 = whole).
    Send(Vec<u8>, usize),
    /// The capture lost bytes.
    Gap(u64),
    /// FIN or RST.
    End {
        /// RST.
        reset: bool,
    },
}

/// The parts between marks. Compared as one number, so that the fuzzer learns the mark.
pub fn parts(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let [a, b, c] = MARK;
    let mark = u32::from_be_bytes([0, a, b, c]);
    let mut rest = Some(data);
    std::iter::from_fn(move || {
        let all = rest?;
        let at = all
            .windows(3)
            .position(|w| u32::from_be_bytes([0, w[0], w[1], w[2]]) == mark);
        match at {
            Some(at) => {
                rest = Some(&all[at + 3..]);
                Some(&all[..at])
            }
            None => {
                rest = None;
                Some(all)
            }
        }
    })
}

/// The turns of a conversation; bit 5 of `first`, its first byte, lets repetition be large.
pub fn turns(first: u8, data: &[u8]) -> Vec<Turn> {
    let mut room = MOST[usize::from(first >> 5 & 1)];
    parts(data).filter_map(|part| turn(part, &mut room)).collect()
}

fn turn(part: &[u8], room: &mut usize) -> Option<Turn> {
    let (&control, mut rest) = part.split_first()?;
    let direction = if control & 1 == 0 {
        Direction::ToResponder
    } else {
        Direction::ToInitiator
    };
    let action = match control >> 1 & 7 {
        5 => {
            let [a, b] = *rest.first_chunk().unwrap_or(&[0, 1]);
            Action::Gap(u16::from_be_bytes([a, b]).into())
        }
        6 => Action::End { reset: false },
        7 => Action::End { reset: true },
        _ => {
            let mut times = 1;
            if control & 0x80 != 0 {
                let (&n, after) = rest.split_first()?;
                times = 1usize << (n & 15);
                rest = after;
            }
            let times = times.min(*room / rest.len().max(1)).max(1);
            let bytes = rest.repeat(times);
            *room = room.saturating_sub(bytes.len());
            Action::Send(bytes, PIECES[usize::from(control >> 4 & 7)])
        }
    };
    Some(Turn { direction, action })
}

impl Turn {
    /// Hands out the contents of this turn: datagrams whole, streams cut unless `whole`.
    pub fn contents(&self, datagrams: bool, whole: bool, mut each: impl FnMut(Content<'_>)) {
        match &self.action {
            Action::Send(bytes, _) if datagrams => each(Content::Datagram(bytes)),
            Action::Send(bytes, piece) => {
                let piece = if whole || *piece == 0 { bytes.len() } else { *piece };
                bytes
                    .chunks(piece.max(1))
                    .for_each(|piece| each(Content::Bytes(piece)));
            }
            Action::Gap(_) | Action::End { .. } if datagrams => {}
            Action::Gap(count) => each(Content::Gap(*count)),
            Action::End { reset } => each(Content::End { reset: *reset }),
        }
    }
}

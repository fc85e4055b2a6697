//! Rules on TCP streams: contents may straddle pieces, and what a match has used is not used twice.

use citywall_flow::{Content, Segment};

use super::{Facts, Match, Scratch, Then};
use crate::book::RuleBook;
use crate::detect::{Detect, MAX_VARIABLES, Part, Place, Variables};
use crate::flow_rules::{Conversation, Half};
use crate::inspect::inspect;

/// Stream bytes during which a rule may wait for the protocol to be known.
const PROTOCOL_WAIT: u64 = 8_192;
/// Bytes kept meanwhile.
const WAITING_TAIL: usize = 1_024;

impl RuleBook {
    /// Tries the stream rules on the next piece of a TCP stream. Call it after the dissector was fed
    /// with the same piece, so that the first piece already knows its protocol. Give it gaps and
    /// ends, too.
    pub fn stream(
        &self,
        segment: &Segment<'_>,
        conversation: &mut Conversation<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<Match>,
    ) {
        if self.stream_ports.is_empty() || conversation.rules.passed || !self.gate(conversation).stream {
            return;
        }
        let direction = conversation.direction;
        let piece = match segment.content {
            Content::Bytes(piece) if !piece.is_empty() => piece,
            // Nothing can straddle a gap.
            Content::Gap(_) => {
                conversation.rules.tail(direction).bytes.clear();
                return;
            }
            Content::End { .. } => {
                conversation.rules.drop_tail(direction);
                return;
            }
            Content::Bytes(_) | Content::Datagram(_) => return,
        };
        let tail = conversation.rules.tail(direction);
        let before = tail.position;
        if before >= self.stream_depth {
            tail.bytes = Vec::new();
            return;
        }
        // The window is the kept end of what came before, and the piece.
        let kept = tail.bytes.len();
        let mut window = std::mem::take(&mut scratch.window);
        window.clear();
        if kept > 0 {
            window.extend_from_slice(&tail.bytes);
            window.extend_from_slice(piece);
        }
        self.stream_window(
            conversation,
            if kept > 0 { &window } else { piece },
            kept,
            before,
            scratch,
            out,
        );
        scratch.window = window;
        let waiting = self.stream_waits && conversation.flow.protocol.is_none() && before < PROTOCOL_WAIT;
        let keep = if waiting {
            WAITING_TAIL.max(self.tail)
        } else {
            self.tail
        };
        let tail = conversation.rules.tail(direction);
        tail.position = before + piece.len() as u64;
        keep_end(&mut tail.bytes, piece, keep);
    }

    /// `window[kept..]` is new; `before` is the stream position where the new bytes begin.
    fn stream_window(
        &self,
        conversation: &mut Conversation<'_>,
        window: &[u8],
        kept: usize,
        before: u64,
        scratch: &mut Scratch,
        out: &mut Vec<Match>,
    ) {
        scratch.begin();
        let facts = Facts::of_flow(&conversation.flow, conversation.direction);
        self.stream
            .scan(window, &mut scratch.seen, &mut scratch.candidates);
        self.stream_rest
            .collect(facts.src_port, facts.dst_port, &mut scratch.candidates);
        if scratch.candidates.is_empty() {
            return;
        }
        let candidates = scratch.take_candidates();
        let end = before + (window.len() - kept) as u64;
        for &index in &candidates {
            let Some(rule) = self.rules.get(index as usize) else {
                continue;
            };
            let detect = &rule.detect;
            if !facts.fit(detect, Some(conversation.rules)) {
                continue;
            }
            let Some(part) = detect.parts.iter().find(|p| p.place == Place::Payload) else {
                continue;
            };
            // Bytes that an earlier match of this rule has used are not used again.
            let used = conversation.rules.used(index, conversation.direction);
            let start = before.saturating_sub(kept as u64);
            let from = usize::try_from(used.saturating_sub(start))
                .unwrap_or(usize::MAX)
                .min(window.len());
            if !stream_part_matches(detect, part, window, kept, from, start, scratch) {
                continue;
            }
            conversation.rules.use_up(index, conversation.direction, end);
            if self.matched(index, Half::Payload, &facts, Some(conversation), scratch, out) == Then::Stop {
                break;
            }
        }
        scratch.end(candidates);
    }
}

/// Places counted from the start mean the start of the stream, or of the piece as it was sent;
/// all else may match anywhere in the window.
fn stream_part_matches(
    detect: &Detect,
    part: &Part,
    window: &[u8],
    kept: usize,
    from: usize,
    start: u64,
    scratch: &mut Scratch,
) -> bool {
    let mut try_on = |data: &[u8]| {
        let mut variables: Variables = [0; MAX_VARIABLES];
        inspect(data, &part.tests, &mut variables, &mut scratch.work)
    };
    let rest = window.get(from..).unwrap_or(&[]);
    if !detect.anchored {
        return try_on(rest);
    }
    let whole = start == 0 && from == 0 && kept > 0;
    (whole && try_on(window)) || (from <= kept && try_on(window.get(kept..).unwrap_or(&[])))
}

/// Keeps the last `keep` bytes of `tail` and `piece` in `tail`.
fn keep_end(tail: &mut Vec<u8>, piece: &[u8], keep: usize) {
    if piece.len() >= keep {
        tail.clear();
        tail.extend_from_slice(&piece[piece.len() - keep..]);
        return;
    }
    let excess = (tail.len() + piece.len()).saturating_sub(keep);
    tail.drain(..excess.min(tail.len()));
    tail.extend_from_slice(piece);
}

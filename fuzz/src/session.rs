//! A conversation whose protocol has to be found, and the law of probes.

use citywall_flow::{Carrier, Direction, Segment};
use citywall_transaction::{Hint, Limits, Output, PROTOCOLS, Probe, Session, SessionState};

use crate::dissector::{CARRIERS, Lines, PORTS, assert_in_proportion, limits};
use crate::turns::{Action, Turn, turns};

/// Lengths up to which every prefix is probed.
const PROBED: usize = 64;

/// Bytes of a conversation of which all are kept while no probe is sure: within them it does not
/// depend on the pieces what is found.
const KEPT: usize = 2_000;

/// The first two bytes choose carrier, limits and ports; the rest is the conversation.
pub fn run(data: &[u8]) {
    let Some((&[first, second], rest)) = data.split_first_chunk() else {
        return;
    };
    let hint = Hint {
        carrier: CARRIERS[usize::from(first) % CARRIERS.len()],
        direction: Direction::ToResponder,
        initiator_port: PORTS[usize::from(second >> 4)],
        responder_port: PORTS[usize::from(second & 15)],
    };
    let turns = turns(first, rest);
    if hint.carrier == Carrier::Tcp
        && let Some(Turn {
            action: Action::Send(bytes, _),
            ..
        }) = turns.first()
    {
        probes_are_steady(&hint, bytes);
    }
    let limits = limits(first >> 6);
    let cut = play(&hint, &limits, &turns, false);
    assert_in_proportion(&cut, &turns);
    if hint.carrier == Carrier::Tcp && first >> 6 < 2 && length(&turns) <= KEPT {
        let whole = play(&hint, &limits, &turns, true);
        assert!(
            cut == whole,
            "cut:\n{}whole:\n{}",
            String::from_utf8_lossy(&cut),
            String::from_utf8_lossy(&whole)
        );
    }
}

fn length(turns: &[Turn]) -> usize {
    turns
        .iter()
        .map(|turn| match &turn.action {
            Action::Send(bytes, _) => bytes.len(),
            _ => 0,
        })
        .sum()
}

/// For a longer prefix of the same bytes only `Maybe` changes.
fn probes_are_steady(hint: &Hint, data: &[u8]) {
    for entry in PROTOCOLS.iter().filter(|e| (e.carried_by)(Carrier::Tcp)) {
        let mut before = Probe::Maybe;
        for end in (1..=data.len().min(PROBED)).chain([data.len()]) {
            let now = (entry.probe)(hint, &data[..end]);
            assert!(
                before == Probe::Maybe || now == before,
                "{:?}: {before:?} became {now:?} at {end}",
                entry.protocol
            );
            before = now;
        }
    }
}

fn play(hint: &Hint, limits: &Limits, turns: &[Turn], whole: bool) -> Vec<u8> {
    let mut session = Session::new(*hint);
    let mut lines = Lines::default();
    let mut over = [false; 2];
    let mut known = None;
    for (turn, at) in turns.iter().zip(1..) {
        let i = turn.direction.index();
        turn.contents(hint.carrier != Carrier::Tcp, whole, |content| {
            if over[i] {
                return;
            }
            let mut out = Output::default();
            let segment = Segment {
                at,
                direction: turn.direction,
                content,
            };
            session.feed(&segment, limits, &mut out);
            lines.take(&out, at);
            over[i] |= matches!(content, citywall_flow::Content::End { .. });
            over = [over[0] | out.done[0], over[1] | out.done[1]];
            if let SessionState::Known(protocol) = session.state() {
                assert!(
                    known.is_none_or(|k| k == protocol),
                    "{known:?} became {protocol:?}"
                );
                known = Some(protocol);
            }
        });
    }
    let mut out = Output::default();
    session.finish(1_000, &mut out);
    lines.take(&out, 1_000);
    assert_ne!(session.state(), SessionState::Probing);
    lines.text
}

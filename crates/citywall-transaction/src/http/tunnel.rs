//! What a CONNECT tunnel carries (RFC 9110 section 9.3.6): TLS or SSH, followed by their own
//! dissectors.
//!
//! Owns: the few bytes kept until one of them is recognised. Tunnels in tunnels are not followed.

use citywall_event::Nanos;
use citywall_flow::{Content, Direction};

use crate::{Dissector, Hint, Input, Limits, Output, Probe, ssh, tls};

/// Bytes that are kept while it is not known what the tunnel carries.
const KEPT: usize = 2_048;

/// An open tunnel.
pub(super) struct Tunnel {
    state: State,
}

enum State {
    Probing {
        limits: Limits,
        hint: Hint,
        kept: Vec<(Nanos, Direction, Vec<u8>)>,
    },
    Known(Box<dyn Dissector>),
    Unknown,
}

impl Tunnel {
    /// A tunnel of which nothing was seen yet.
    pub(super) fn new(limits: Limits, hint: Hint) -> Tunnel {
        Tunnel {
            state: State::Probing {
                limits,
                hint,
                kept: Vec::new(),
            },
        }
    }

    /// The next piece.
    pub(super) fn feed(&mut self, input: &Input<'_>, out: &mut Output) {
        match &mut self.state {
            State::Known(inner) => inner.feed(input, out),
            State::Unknown => out.all_done(),
            State::Probing { .. } => match input.content {
                Content::Bytes(data) => self.probe(input, data, out),
                Content::Gap(_) => self.give_up(out),
                Content::Datagram(_) | Content::End { .. } => {}
            },
        }
    }

    /// Bytes that it keeps.
    pub(super) fn held(&self) -> usize {
        match &self.state {
            State::Probing { kept, .. } => kept.iter().map(|(_, _, bytes)| bytes.len()).sum(),
            State::Known(inner) => inner.held(),
            State::Unknown => 0,
        }
    }

    /// The conversation is over.
    pub(super) fn finish(&mut self, at: Nanos, out: &mut Output) {
        if let State::Known(inner) = &mut self.state {
            inner.finish(at, out);
        }
    }

    fn probe(&mut self, input: &Input<'_>, data: &[u8], out: &mut Output) {
        let State::Probing { limits, hint, kept } = &mut self.state else {
            return;
        };
        kept.push((input.at, input.direction, data.to_vec()));
        let start: Vec<u8> = kept
            .iter()
            .filter(|(_, direction, _)| *direction == input.direction)
            .flat_map(|(_, _, bytes)| bytes.iter().copied())
            .take(KEPT)
            .collect();
        let hint = Hint {
            direction: input.direction,
            ..*hint
        };
        let probes = [
            (tls::ENTRY.probe)(&hint, &start),
            (ssh::ENTRY.probe)(&hint, &start),
        ];
        let mut inner: Box<dyn Dissector> = match probes {
            [Probe::Yes, _] => tls::open_inside(limits, "http"),
            [_, Probe::Yes] => (ssh::ENTRY.open)(limits, &hint),
            [Probe::Maybe, _] | [_, Probe::Maybe] if start.len() < KEPT => return,
            _ => return self.give_up(out),
        };
        for (at, direction, bytes) in kept.iter() {
            let input = Input {
                at: *at,
                direction: *direction,
                content: Content::Bytes(bytes),
            };
            inner.feed(&input, out);
        }
        self.state = State::Known(inner);
    }

    fn give_up(&mut self, out: &mut Output) {
        self.state = State::Unknown;
        out.all_done();
    }
}

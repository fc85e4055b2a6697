//! Which protocol does a conversation speak? Found by content on any port, then followed.
//!
//! Owns: probing, the few bytes kept until a probe is sure, and the hand-over to a dissector.

use citywall_event::Nanos;
use citywall_flow::{Carrier, Content, Direction, Segment};

use crate::{Dissector, Hint, Input, Limits, Output, PROTOCOLS, Probe, Protocol, ProtocolEntry};

/// Bytes of a conversation that are kept while no probe is sure.
const PROBE_BYTES: usize = 2_048;

/// Bytes of one direction after which a conversation that no probe knows is given up.
const PROBE_LIMIT: u64 = 8_192;

/// What a conversation was found to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// Not known yet.
    Probing,
    /// This.
    Known(Protocol),
    /// Nothing that we understand.
    Unknown,
}

/// One conversation's protocol state.
pub struct Session {
    inner: Inner,
}

enum Inner {
    /// Nothing was heard. Most conversations are known by their first piece, and need no memory of it.
    New(Hint),
    Probing(Box<Probing>),
    Known {
        protocol: Protocol,
        reversed: bool,
        dissector: Box<dyn Dissector>,
    },
    Unknown,
}

struct Probing {
    /// Here, as nobody asks for it once the protocol is known.
    hint: Hint,
    /// Pieces of the stream in arrival order.
    kept: Vec<Piece>,
    kept_bytes: usize,
    seen: [u64; 2],
    /// No probe wants this direction's bytes any more.
    ruled_out: [bool; 2],
    /// A piece was missing: the directions' starts are no longer known.
    broken: [bool; 2],
}

struct Piece {
    at: Nanos,
    direction: Direction,
    bytes: Vec<u8>,
}

impl Session {
    /// A conversation of which nothing is known but its carrier and ports (`hint.direction` is
    /// ignored).
    pub fn new(hint: Hint) -> Session {
        Session {
            inner: Inner::New(hint),
        }
    }

    /// What it speaks.
    pub fn state(&self) -> SessionState {
        match &self.inner {
            Inner::New(_) | Inner::Probing(_) => SessionState::Probing,
            Inner::Known { protocol, .. } => SessionState::Known(*protocol),
            Inner::Unknown => SessionState::Unknown,
        }
    }

    /// True where the flow table had initiator and responder the wrong way round (midstream).
    pub fn reversed(&self) -> bool {
        matches!(self.inner, Inner::Known { reversed: true, .. })
    }

    /// The next piece. `out` directions are the protocol's: swap them where `reversed`.
    pub fn feed(&mut self, segment: &Segment<'_>, limits: &Limits, out: &mut Output) {
        match &mut self.inner {
            Inner::Unknown => out.all_done(),
            Inner::Known {
                reversed, dissector, ..
            } => {
                dissector.feed(
                    &input(segment.at, segment.direction, segment.content, *reversed),
                    out,
                );
                if *reversed {
                    out.done.swap(0, 1);
                }
            }
            Inner::New(hint) => {
                let hint = *hint;
                self.first(hint, segment, limits, out);
            }
            Inner::Probing(_) => self.probe(segment, limits, out),
        }
    }

    /// About how many bytes of what is not over it keeps; see [`Dissector::held`].
    #[inline]
    pub fn held(&self) -> usize {
        match &self.inner {
            Inner::New(_) | Inner::Unknown => 0,
            Inner::Probing(probing) => probing.kept_bytes,
            Inner::Known { dissector, .. } => dissector.held(),
        }
    }

    /// The conversation is over.
    pub fn finish(&mut self, at: Nanos, out: &mut Output) {
        if let Inner::Known { dissector, .. } = &mut self.inner {
            dissector.finish(at, out);
        }
        self.inner = match std::mem::replace(&mut self.inner, Inner::Unknown) {
            Inner::New(_) | Inner::Probing(_) => Inner::Unknown,
            known => known,
        };
    }

    fn first(&mut self, hint: Hint, segment: &Segment<'_>, limits: &Limits, out: &mut Output) {
        if let Content::Datagram(data) | Content::Bytes(data) = segment.content {
            let direction = segment.direction;
            if let Answer::Yes(entry, reversed) = ask(&Hint { direction, ..hint }, data) {
                let dissector = (entry.open)(limits, &hint);
                return self.go_on(entry, reversed, dissector, segment, out);
            }
        }
        self.inner = Inner::Probing(Box::new(Probing {
            hint,
            kept: Vec::new(),
            kept_bytes: 0,
            seen: [0; 2],
            ruled_out: [false; 2],
            broken: [false; 2],
        }));
        self.probe(segment, limits, out);
    }

    fn probe(&mut self, segment: &Segment<'_>, limits: &Limits, out: &mut Output) {
        let Inner::Probing(probing) = &mut self.inner else {
            return;
        };
        let direction = segment.direction;
        let i = direction.index();
        match segment.content {
            Content::Datagram(data) => {
                let hint = Hint {
                    direction,
                    ..probing.hint
                };
                match ask(&hint, data) {
                    Answer::Yes(entry, reversed) => self.open(entry, reversed, segment, limits, out),
                    Answer::Maybe | Answer::No => {
                        probing.seen[i] += 1;
                        // A few datagrams each way are enough to know that it is nothing of ours.
                        if probing.seen[0] + probing.seen[1] >= 8 {
                            self.give_up(out);
                        }
                    }
                }
            }
            Content::Bytes(data) => self.probe_stream(segment, data, limits, out),
            Content::Gap(_) => {
                probing.broken[i] = true;
                probing.ruled_out[i] = true;
                if probing.ruled_out == [true; 2] {
                    self.give_up(out);
                }
            }
            Content::End { .. } => {}
        }
    }

    fn probe_stream(&mut self, segment: &Segment<'_>, data: &[u8], limits: &Limits, out: &mut Output) {
        let Inner::Probing(probing) = &mut self.inner else {
            return;
        };
        let direction = segment.direction;
        let i = direction.index();
        probing.seen[i] += data.len() as u64;
        if !probing.ruled_out[i] {
            let hint = Hint {
                direction,
                ..probing.hint
            };
            let earlier: Vec<u8> = probing
                .kept
                .iter()
                .filter(|p| p.direction == direction)
                .flat_map(|p| p.bytes.iter().copied())
                .collect();
            let answer = if earlier.is_empty() {
                ask(&hint, data)
            } else {
                let mut start = earlier;
                start.extend_from_slice(data);
                ask(&hint, &start)
            };
            match answer {
                Answer::Yes(entry, reversed) => return self.open(entry, reversed, segment, limits, out),
                Answer::No => probing.ruled_out[i] = true,
                Answer::Maybe => {}
            }
        }
        let full = probing.kept_bytes + data.len() > PROBE_BYTES;
        if probing.ruled_out == [true; 2] || probing.seen[i] > PROBE_LIMIT || (full && !probing.ruled_out[i])
        {
            return self.give_up(out);
        }
        if full {
            // This direction's start is lost for a dissector that the other side may still name.
            probing.broken[i] = true;
            return;
        }
        probing.kept_bytes += data.len();
        probing.kept.push(Piece {
            at: segment.at,
            direction,
            bytes: data.to_vec(),
        });
    }

    fn give_up(&mut self, out: &mut Output) {
        self.inner = Inner::Unknown;
        out.all_done();
    }

    fn open(
        &mut self,
        entry: &'static ProtocolEntry,
        reversed: bool,
        segment: &Segment<'_>,
        limits: &Limits,
        out: &mut Output,
    ) {
        let Inner::Probing(probing) = &self.inner else {
            return;
        };
        let mut dissector = (entry.open)(limits, &probing.hint);
        for piece in &probing.kept {
            if !probing.broken[piece.direction.index()] {
                let content = Content::Bytes(&piece.bytes);
                dissector.feed(&input(piece.at, piece.direction, content, reversed), out);
            }
        }
        for direction in [Direction::ToResponder, Direction::ToInitiator] {
            if probing.broken[direction.index()] {
                dissector.feed(&input(segment.at, direction, Content::Gap(0), reversed), out);
            }
        }
        self.go_on(entry, reversed, dissector, segment, out);
    }

    fn go_on(
        &mut self,
        entry: &'static ProtocolEntry,
        reversed: bool,
        mut dissector: Box<dyn Dissector>,
        segment: &Segment<'_>,
        out: &mut Output,
    ) {
        dissector.feed(
            &input(segment.at, segment.direction, segment.content, reversed),
            out,
        );
        if reversed {
            out.done.swap(0, 1);
        }
        self.inner = Inner::Known {
            protocol: entry.protocol,
            reversed,
            dissector,
        };
    }
}

fn input(at: Nanos, direction: Direction, content: Content<'_>, reversed: bool) -> Input<'_> {
    Input {
        at,
        direction: if reversed { direction.flip() } else { direction },
        content,
    }
}

enum Answer {
    Yes(&'static ProtocolEntry, bool),
    Maybe,
    No,
}

/// Asks all probes that the carrier allows. A `Maybe` of an earlier entry holds back the `Yes` of
/// none: the first that is sure wins, so that the answer does not depend on how a stream is cut
/// only as far as probes are strict; see `Probe`.
fn ask(hint: &Hint, data: &[u8]) -> Answer {
    let mut maybe = false;
    for entry in PROTOCOLS.iter().filter(|e| (e.carried_by)(hint.carrier)) {
        match (entry.probe)(hint, data) {
            // A stricter protocol is still undecided: wait, or the cut would decide.
            Probe::Yes | Probe::Reversed if maybe && hint.carrier == Carrier::Tcp => return Answer::Maybe,
            Probe::Yes => return Answer::Yes(entry, false),
            Probe::Reversed => return Answer::Yes(entry, true),
            Probe::Maybe => maybe = true,
            Probe::No => {}
        }
    }
    if maybe { Answer::Maybe } else { Answer::No }
}

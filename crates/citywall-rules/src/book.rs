//! The rule book: all rules of a run, ordered, with the indexes that decide which are tried.

use std::sync::Arc;

use citywall_flow::Carrier;
use citywall_transaction::Protocol;
use hashbrown::HashMap;

use crate::buffers::BufferSpec;
use crate::classification::Classes;
use crate::compile::{Compiled, Compiler, compile_line};
use crate::detect::{BitOp, Place};
use crate::flow_rules::{Conversation, FlowView, Gate};
use crate::port_index::PortIndex;
use crate::prefilter::{FastPattern, Prefilter};
use crate::run::Facts;
use crate::source::logical_lines;
use crate::{Action, Refused, Rule, RuleError, RuleIndex, RuleSource, RuleVars};

/// Longest end of a stream that is kept so that contents may straddle its pieces.
const MAX_TAIL: usize = 1024;

/// Rules of one book.
const MAX_RULES: usize = 1_000_000;

/// What loading needs besides the texts.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Variables.
    pub vars: RuleVars,
    /// Classes: the built-in ones and those of a `classification.config`.
    pub classes: Classes,
    /// Bytes of one direction of a stream that rules see; what comes after is not looked at.
    pub stream_depth: u64,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            vars: RuleVars::default(),
            classes: Classes::default(),
            stream_depth: 1024 * 1024,
        }
    }
}

/// How large a book is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BookSize {
    /// Rules.
    pub rules: usize,
    /// Distinct fast patterns.
    pub patterns: usize,
    /// Rules tried on every packet, stream piece or transaction that fits their header, because
    /// they have no fast pattern.
    pub without_pattern: usize,
    /// Heap bytes of the automata.
    pub automata_bytes: usize,
}

/// All rules, compiled. Immutable: workers share it, a reload makes a new one.
#[derive(Debug)]
pub struct RuleBook {
    pub(crate) rules: Vec<Rule>,
    pub(crate) buffers: Vec<BufferSlot>,
    pub(crate) by_protocol: Vec<ProtocolRules>,
    /// Rules that say nothing of single packets: tried once per flow and direction.
    pub(crate) once: PortIndex,
    /// Packet rules without fast pattern.
    pub(crate) packet: PortIndex,
    /// Packet rules with one: all of them by port, and the automaton.
    pub(crate) payload_ports: PortIndex,
    pub(crate) payload: Prefilter,
    /// All stream rules by port, those without fast pattern, and the automaton.
    pub(crate) stream_ports: PortIndex,
    pub(crate) stream_rest: PortIndex,
    pub(crate) stream: Prefilter,
    pub(crate) tail: usize,
    /// Some stream rule waits for the application protocol to be known.
    pub(crate) stream_waits: bool,
    pub(crate) stream_depth: u64,
    /// Of requests, of responses.
    bodies: [bool; 2],
    warnings: Vec<Refused>,
    size: BookSize,
    by_id: HashMap<(u32, u32), u32>,
}

/// A buffer and the automaton of the rules that look into it first.
#[derive(Debug)]
pub(crate) struct BufferSlot {
    pub spec: BufferSpec,
    pub prefilter: Prefilter,
}

/// What concerns the records of one protocol.
#[derive(Debug, Default)]
pub(crate) struct ProtocolRules {
    /// Buffers with an automaton.
    pub buffers: Vec<u16>,
    /// Rules without fast pattern.
    pub rest: Vec<u32>,
}

impl RuleBook {
    /// Reads rules. What cannot be supported is refused with its place; all others run.
    pub fn load(sources: &[RuleSource<'_>], vars: &RuleVars) -> (RuleBook, Vec<Refused>) {
        let setup = Setup {
            vars: vars.clone(),
            ..Setup::default()
        };
        RuleBook::load_with(sources, &setup)
    }

    /// As `load`, with classes and limits.
    pub fn load_with(sources: &[RuleSource<'_>], setup: &Setup) -> (RuleBook, Vec<Refused>) {
        let mut compiler = Compiler::new(&setup.vars, &setup.classes);
        let mut refused = Vec::new();
        let mut warnings = Vec::new();
        let mut compiled: Vec<Compiled> = Vec::new();
        let mut known: HashMap<(u32, u32), (Arc<str>, u32)> = HashMap::new();
        for source in sources {
            let file: Arc<str> = Arc::from(source.name);
            for line in logical_lines(source.text) {
                let mut one = match compile_line(&mut compiler, &line, &file) {
                    Ok(one) => one,
                    Err(error) => {
                        refused.push(error);
                        continue;
                    }
                };
                let sid = one.rule.sid;
                let error = match known.get(&(one.rule.gid, sid)) {
                    Some((file, line)) => Some(duplicate(sid, file, *line)),
                    None if compiled.len() >= MAX_RULES => Some(too_many()),
                    None => None,
                };
                if let Some(error) = error {
                    refused.push(line.refuse(&file, error, Some(sid)));
                    continue;
                }
                known.insert((one.rule.gid, sid), (file.clone(), one.rule.line));
                warnings.extend(one.ignored.drain(..).map(|e| line.refuse(&file, e, Some(sid))));
                compiled.push(one);
            }
        }
        let buffers = std::mem::take(&mut compiler.buffers);
        (build(compiled, buffers, warnings, setup.stream_depth), refused)
    }

    /// A rule. `None` only for an index of another book.
    pub fn rule(&self, index: RuleIndex) -> Option<&Rule> {
        self.rules.get(index.0 as usize)
    }

    /// The rule with this generator and signature id.
    pub fn find(&self, gid: u32, sid: u32) -> Option<&Rule> {
        self.by_id.get(&(gid, sid)).and_then(|i| self.rule(RuleIndex(*i)))
    }

    /// Number of rules.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// True where no rule is loaded.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// All rules in the order in which they are tried.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Options that are ignored in rules that run all the same.
    pub fn warnings(&self) -> &[Refused] {
        &self.warnings
    }

    /// How large it is.
    pub fn size(&self) -> BookSize {
        self.size
    }

    /// Some rule looks at packets: call `packet`.
    pub fn needs_packets(&self) -> bool {
        !(self.once.is_empty() && self.packet.is_empty() && self.payload_ports.is_empty())
    }

    /// Some rule looks at streams: call `stream`.
    pub fn needs_stream(&self) -> bool {
        !self.stream_ports.is_empty()
    }

    /// Some rule looks at this conversation's stream: where false, `stream` need not be called for
    /// it, and as far as rules are concerned the flow table may stop delivering it.
    #[inline]
    pub fn wants_stream(&self, conversation: &mut Conversation<'_>) -> bool {
        use citywall_flow::Direction::{ToInitiator, ToResponder};
        let rules = &*conversation.rules;
        let deep = |direction| rules.position(direction) >= self.stream_depth;
        self.needs_stream()
            && !rules.passed
            && !(deep(ToInitiator) && deep(ToResponder))
            && self.gate(conversation).stream
    }

    /// Some rule looks at the records of this protocol: call `transaction`.
    pub fn needs_transactions(&self, protocol: Protocol) -> bool {
        let rules = self.of_protocol(protocol);
        !(rules.buffers.is_empty() && rules.rest.is_empty())
    }

    /// Some rule looks into HTTP bodies.
    pub fn needs_bodies(&self) -> bool {
        self.bodies != [false; 2]
    }

    /// Some rule looks into HTTP bodies of responses.
    pub fn needs_response_bodies(&self) -> bool {
        self.bodies[1]
    }

    #[inline]
    pub(crate) fn of_protocol(&self, protocol: Protocol) -> &ProtocolRules {
        // `build` made one entry for every protocol.
        &self.by_protocol[protocol as usize]
    }

    /// Which stages concern a conversation; worked out at its first packet.
    #[inline]
    pub(crate) fn gate(&self, conversation: &mut Conversation<'_>) -> Gate {
        if !conversation.rules.gate.known {
            conversation.rules.gate = self.find_gate(&conversation.flow);
        }
        conversation.rules.gate
    }

    #[cold]
    fn find_gate(&self, flow: &FlowView) -> Gate {
        let there = Facts::of_flow(flow, citywall_flow::Direction::ToResponder);
        let back = Facts::of_flow(flow, citywall_flow::Direction::ToInitiator);
        let concerns = |index: &PortIndex| {
            [&there, &back].into_iter().any(|facts| {
                index.any(facts.src_port, facts.dst_port, |rule| {
                    self.rules
                        .get(rule as usize)
                        .is_some_and(|rule| facts.fit_header(&rule.detect.header))
                })
            })
        };
        Gate {
            known: true,
            once: concerns(&self.once),
            packet: concerns(&self.packet),
            payload: concerns(&self.payload_ports),
            stream: flow.carrier == Carrier::Tcp && concerns(&self.stream_ports),
        }
    }
}

fn duplicate(sid: u32, file: &str, line: u32) -> RuleError {
    RuleError::new(
        0,
        "sid",
        format!("{sid} is already the rule at {file}:{line}"),
        "remove one, or give one another sid",
    )
}

fn too_many() -> RuleError {
    RuleError::new(0, "rule", "more than 1000000 rules", "load fewer")
}

/// Pass, drop, reject, alert; within these, bits are set before they are asked for; then priority.
fn rank(rule: &Rule) -> (u8, u8, u8) {
    let action = match rule.action {
        Action::Pass => 0,
        Action::Drop => 1,
        Action::Reject(_) => 2,
        Action::Alert => 3,
    };
    let asks = |op| matches!(op, BitOp::IsSet | BitOp::IsNotSet);
    let bits = &rule.detect.bits;
    let any_ask = bits.iter().any(|b| asks(b.op));
    let any_set = bits.iter().any(|b| !asks(b.op));
    let bits = match (any_set, any_ask) {
        (true, false) => 0,
        (false, false) => 1,
        (true, true) => 2,
        (false, true) => 3,
    };
    (action, bits, rule.severity)
}

/// Indexes while they are being made.
#[derive(Default)]
struct Indexes {
    once: PortIndex,
    packet: PortIndex,
    payload_ports: PortIndex,
    stream_ports: PortIndex,
    stream_rest: PortIndex,
    payload: Vec<FastPattern>,
    stream: Vec<FastPattern>,
    by_buffer: Vec<Vec<FastPattern>>,
    by_protocol: Vec<ProtocolRules>,
    tail: usize,
    stream_waits: bool,
    without_pattern: usize,
}

fn build(
    mut compiled: Vec<Compiled>,
    specs: Vec<BufferSpec>,
    warnings: Vec<Refused>,
    stream_depth: u64,
) -> RuleBook {
    compiled.sort_by_key(|one| rank(&one.rule));
    let mut made = Indexes {
        by_buffer: specs.iter().map(|_| Vec::new()).collect(),
        by_protocol: (0..=Protocol::Snmp as usize)
            .map(|_| ProtocolRules::default())
            .collect(),
        ..Indexes::default()
    };
    let bodies = compiled
        .iter()
        .flat_map(|one| &one.rule.detect.parts)
        .filter_map(|part| match part.place {
            Place::Buffer(i) => Some(specs[usize::from(i)].source.bodies()),
            _ => None,
        })
        .fold([false; 2], crate::buffers::either);
    for (one, index) in compiled.iter_mut().zip(0u32..) {
        made.add(one, index);
    }
    let mut buffers = Vec::with_capacity(specs.len());
    for ((spec, patterns), i) in specs
        .into_iter()
        .zip(std::mem::take(&mut made.by_buffer))
        .zip(0u16..)
    {
        if !patterns.is_empty() {
            made.by_protocol[spec.source.protocol() as usize].buffers.push(i);
        }
        buffers.push(BufferSlot {
            spec,
            prefilter: prefilter(patterns),
        });
    }
    let payload = prefilter(std::mem::take(&mut made.payload));
    let stream = prefilter(std::mem::take(&mut made.stream));
    let automata = || buffers.iter().map(|b| &b.prefilter).chain([&payload, &stream]);
    let size = BookSize {
        rules: compiled.len(),
        patterns: automata().map(Prefilter::patterns).sum(),
        without_pattern: made.without_pattern,
        automata_bytes: automata().map(Prefilter::memory).sum(),
    };
    let by_id = compiled
        .iter()
        .zip(0u32..)
        .map(|(one, index)| ((one.rule.gid, one.rule.sid), index))
        .collect();
    RuleBook {
        by_id,
        rules: compiled.into_iter().map(|one| one.rule).collect(),
        buffers,
        by_protocol: made.by_protocol,
        once: made.once,
        packet: made.packet,
        payload_ports: made.payload_ports,
        payload,
        stream_ports: made.stream_ports,
        stream_rest: made.stream_rest,
        stream,
        tail: made.tail.min(MAX_TAIL),
        stream_waits: made.stream_waits,
        stream_depth,
        bodies,
        warnings,
        size,
    }
}

/// Contents are at most 4096 bytes and rules at most a million: the automaton's own limits (2^31
/// states) hold, and a set that exceeded them all the same would only lose its prefilter's rules.
fn prefilter(patterns: Vec<FastPattern>) -> Prefilter {
    Prefilter::build(patterns).unwrap_or_default()
}

impl Indexes {
    fn add(&mut self, one: &mut Compiled, index: u32) {
        let detect = &one.rule.detect;
        let header = &detect.header;
        let fast = &mut one.fast;
        let payload_pattern = fast.payload.take().map(|(bytes, nocase)| FastPattern {
            bytes,
            nocase,
            rule: index,
        });
        if detect.stages.packet {
            let waits = detect.flow.established.is_some()
                || detect.app.is_some()
                || detect.flow.fragment.is_some()
                || !detect.bits.is_empty();
            match payload_pattern.clone() {
                Some(pattern) => {
                    self.payload_ports.insert(index, header);
                    self.payload.push(pattern);
                }
                None if detect.once && !waits => self.once.insert(index, header),
                None => {
                    self.without_pattern += 1;
                    self.packet.insert(index, header);
                }
            }
        }
        if detect.stages.stream {
            self.stream_ports.insert(index, header);
            self.tail = self
                .tail
                .max(fast.span.map_or(MAX_TAIL, |span| span.saturating_sub(1)));
            self.stream_waits |= detect.app.is_some();
            match payload_pattern {
                Some(pattern) => self.stream.push(pattern),
                None => {
                    self.without_pattern += 1;
                    self.stream_rest.insert(index, header);
                }
            }
        }
        if detect.stages.transaction {
            match (fast.buffer.take(), fast.protocol) {
                (Some((buffer, bytes, nocase)), _) => {
                    if let Some(patterns) = self.by_buffer.get_mut(usize::from(buffer)) {
                        patterns.push(FastPattern {
                            bytes,
                            nocase,
                            rule: index,
                        });
                    }
                }
                (None, Some(protocol)) => {
                    self.without_pattern += 1;
                    self.by_protocol[protocol as usize].rest.push(index);
                }
                (None, None) => {}
            }
        }
    }
}

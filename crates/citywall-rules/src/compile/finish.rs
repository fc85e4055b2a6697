//! When all options are read: where the rule is tried, which content is its fast pattern, and the
//! rule itself.

use std::sync::Arc;

use citywall_transaction::Protocol;

use super::draft::DraftPart;
use super::{Compiled, Compiler, Draft, DraftContent, DraftTest};
use crate::RuleError;
use crate::buffers::Source;
use crate::detect::{AppTest, BitOp, CarrierTest, Content, Detect, Num, Part, Place, Stages, Test};
use crate::rule::{Action, Rule};
use crate::search::Search;
use crate::syntax::Syntax;

/// The contents that wake a rule.
#[derive(Debug, Default)]
pub(crate) struct FastPatterns {
    /// In packets and streams.
    pub payload: Option<(Vec<u8>, bool)>,
    /// In a record's buffer.
    pub buffer: Option<(u16, Vec<u8>, bool)>,
    /// The protocol whose records are tested.
    pub protocol: Option<Protocol>,
    /// Bytes of a stream that one match can span at most; `None` = any number.
    pub span: Option<usize>,
}

/// Makes the rule.
pub(super) fn finish(
    c: &mut Compiler<'_>,
    mut draft: Draft,
    syntax: &Syntax<'_>,
    file: &Arc<str>,
    line: u32,
) -> Result<Compiled, RuleError> {
    let sid = draft.sid.ok_or_else(|| {
        RuleError::new(
            syntax.options.last().map_or(0, |o| o.at),
            "sid",
            "is missing or zero",
            "give the rule a number of its own: sid:1000001;",
        )
    })?;
    draft
        .parts
        .retain(|p| !p.tests.is_empty() || p.absent != crate::detect::Absent::Fails);
    check_contents(&draft)?;
    let protocol = record_protocol(c, &draft)?;
    let stages = stages(&draft, protocol, syntax)?;
    let fast = fast_patterns(c, &draft, protocol, stages);
    let leaning = leaning(c, &draft);
    let app = match (draft.app, protocol) {
        (None, Some(protocol)) => Some(AppTest::Is(protocol)),
        (app, _) => app,
    };
    let anchored = draft
        .parts
        .iter()
        .any(|p| p.place == Place::Payload && p.tests.iter().any(is_anchored));
    let once = draft.packet.is_empty()
        && draft.parts.is_empty()
        && draft.numbers.is_empty()
        && draft.threshold.is_none()
        && draft.bits.iter().all(|b| b.op != BitOp::Toggle);
    let class = c.classes.get(&draft.class).cloned();
    let rule = Rule {
        gid: draft.gid,
        sid,
        rev: draft.rev,
        action: draft.action,
        msg: draft.msg.into_boxed_str(),
        class: c.text(&draft.class),
        category: match &class {
            Some(class) => class.category.clone(),
            None => c.text(&draft.class),
        },
        severity: draft.priority.or(class.map(|k| k.severity)).unwrap_or(3),
        threshold: draft.threshold,
        target: draft.target,
        file: file.clone(),
        line,
        metadata: draft.metadata.into_boxed_str(),
        references: draft.references.into_boxed_str(),
        detect: Detect {
            header: draft.header,
            flow: draft.flow,
            app,
            packet: draft.packet.into_boxed_slice(),
            numbers: draft.numbers.into_boxed_slice(),
            bits: draft.bits.into_boxed_slice(),
            parts: draft.parts.into_iter().map(part).collect(),
            stages,
            leaning,
            once,
            anchored,
            noalert: draft.noalert && draft.action != Action::Pass,
        },
    };
    Ok(Compiled {
        rule,
        fast,
        ignored: draft.ignored,
    })
}

/// Combinations of modifiers that can never match, or mean nothing.
fn check_contents(draft: &Draft) -> Result<(), RuleError> {
    for content in draft.parts.iter().flat_map(|p| &p.tests).filter_map(content_of) {
        let relative = content.distance.is_some() || content.within.is_some();
        if content.starts && (relative || content.offset.is_some() || content.depth.is_some()) {
            return Err(RuleError::new(
                content.at,
                "startswith",
                "does not go with offset, depth, distance or within",
                "use one or the other",
            ));
        }
        if relative && (content.offset.is_some() || content.depth.is_some()) {
            return Err(RuleError::new(
                content.at,
                "content",
                "has both absolute and relative places",
                "use offset and depth, or distance and within",
            ));
        }
    }
    Ok(())
}

fn content_of(test: &DraftTest) -> Option<&DraftContent> {
    match test {
        DraftTest::Content(content) => Some(content),
        DraftTest::Done(_) => None,
    }
}

fn source_of(c: &Compiler<'_>, part: &DraftPart) -> Option<Source> {
    match part.place {
        Place::Buffer(i) => c.buffers.get(usize::from(i)).map(|b| b.source),
        _ => None,
    }
}

/// Whose records the rule tests, if any.
fn record_protocol(c: &Compiler<'_>, draft: &Draft) -> Result<Option<Protocol>, RuleError> {
    let of_buffers = draft
        .parts
        .iter()
        .filter_map(|p| source_of(c, p))
        .map(Source::protocol);
    let of_numbers = draft.numbers.iter().map(|n| number_protocol(n.number));
    let mut found: Option<Protocol> = None;
    for protocol in of_buffers.chain(of_numbers) {
        if let Some(AppTest::Is(header)) = draft.app
            && header != protocol
        {
            return Err(mixed(header, protocol));
        }
        if let Some(other) = found
            && other != protocol
        {
            return Err(mixed(other, protocol));
        }
        found = Some(protocol);
    }
    Ok(found)
}

fn mixed(a: Protocol, b: Protocol) -> RuleError {
    RuleError::new(
        0,
        "rule",
        format!("tests both {} and {}", a.name(), b.name()),
        "test one protocol in one rule",
    )
}

fn number_protocol(number: citywall_transaction::Number) -> Protocol {
    use citywall_transaction::Number::*;
    match number {
        DnsOpcode | DnsRcode | DnsRrtype => Protocol::Dns,
        TlsCertValidDays => Protocol::Tls,
        MqttType | MqttFlags | MqttQos | MqttProtocolVersion | MqttReasonCode => Protocol::Mqtt,
        ModbusFunction | ModbusSubfunction | ModbusUnit | ModbusAddress | ModbusValue | ModbusIsWrite
        | ModbusIsRead => Protocol::Modbus,
        SnmpVersion | SnmpPduType => Protocol::Snmp,
        DhcpMessageType | DhcpLeaseTime => Protocol::Dhcp,
        NtpVersion | NtpMode => Protocol::Ntp,
        _ => Protocol::Http,
    }
}

fn stages(draft: &Draft, protocol: Option<Protocol>, syntax: &Syntax<'_>) -> Result<Stages, RuleError> {
    let header_app = match draft.app {
        Some(AppTest::Is(protocol)) => Some(protocol),
        _ => None,
    };
    let payload = draft.parts.iter().any(|p| p.place == Place::Payload);
    let of_packets =
        !draft.packet.is_empty() || draft.parts.iter().any(|p| matches!(p.place, Place::Header(_)));
    let mut stages = Stages::default();
    if protocol.is_some() {
        if of_packets {
            return Err(RuleError::new(
                syntax.protocol.at,
                "rule",
                "tests packet headers and a protocol's buffers at once",
                "split the rule in two and join them with flowbits",
            ));
        }
        stages.transaction = true;
        if !payload {
            return Ok(stages);
        }
    } else if header_app.is_some() && !payload && !of_packets {
        stages.transaction = true;
        return Ok(stages);
    }
    if !payload || of_packets || draft.packets_only {
        stages.packet = true;
        return Ok(stages);
    }
    match draft.header.carrier {
        CarrierTest::Number(6) => stages.stream = true,
        CarrierTest::TcpOrUdp => {
            stages.stream = true;
            stages.packet = true;
        }
        _ => stages.packet = true,
    }
    if draft.stream_only && !stages.stream {
        return Err(RuleError::new(
            syntax.protocol.at,
            "flow",
            "asks for streams, which this protocol has not",
            "use tcp, or leave only_stream out",
        ));
    }
    Ok(stages)
}

/// Which way a record that holds both ways is looked at: as the buffers say.
fn leaning(c: &Compiler<'_>, draft: &Draft) -> Option<citywall_flow::Direction> {
    draft
        .flow
        .direction
        .or_else(|| draft.parts.iter().find_map(|p| source_of(c, p)?.direction()))
}

/// A place counted from the start of the data?
fn is_anchored(test: &DraftTest) -> bool {
    match test {
        DraftTest::Content(content) => {
            let relative = content.distance.is_some() || content.within.is_some();
            !relative
                && (content.starts || content.ends || content.depth.is_some() || content.offset.is_some())
        }
        DraftTest::Done(Test::Size(_)) => true,
        DraftTest::Done(Test::Pattern(p)) => !p.relative && p.pattern.starts_anchored(),
        DraftTest::Done(test) => !test.is_relative(),
    }
}

fn fast_patterns(
    c: &Compiler<'_>,
    draft: &Draft,
    protocol: Option<Protocol>,
    stages: Stages,
) -> FastPatterns {
    let mut fast = FastPatterns {
        protocol: protocol.or(match draft.app {
            Some(AppTest::Is(app)) if stages.transaction => Some(app),
            _ => None,
        }),
        ..FastPatterns::default()
    };
    let mut best = (i32::MIN, i32::MIN);
    for part in &draft.parts {
        if part.absent != crate::detect::Absent::Fails {
            continue;
        }
        for content in part.tests.iter().filter_map(content_of).filter(|k| !k.negated) {
            let bytes = match content.fast {
                Some(Some((start, len))) => content.bytes.get(start..start + len).unwrap_or(&content.bytes),
                _ => &content.bytes[..],
            };
            let score = score(bytes) + if content.fast.is_some() { 1_000 } else { 0 };
            match part.place {
                Place::Payload if score > best.0 => {
                    best.0 = score;
                    fast.payload = Some((bytes.to_vec(), content.nocase));
                }
                Place::Buffer(i) => {
                    let score = score + source_of(c, part).map_or(0, Source::weight);
                    if score > best.1 {
                        best.1 = score;
                        fast.buffer = Some((i, bytes.to_vec(), content.nocase));
                    }
                }
                _ => {}
            }
        }
    }
    fast.span = draft
        .parts
        .iter()
        .find(|p| p.place == Place::Payload)
        .and_then(|p| span(&p.tests));
    fast
}

/// Longer and more varied is rarer.
fn score(bytes: &[u8]) -> i32 {
    let mut seen = [false; 256];
    bytes.iter().for_each(|b| seen[usize::from(*b)] = true);
    let distinct = seen.iter().filter(|s| **s).count();
    (bytes.len().min(24) + 2 * distinct.min(12)) as i32
}

/// How many bytes before its end a match can need: from its first content, or from the start of
/// the stream where places are counted from there. `None` = any number.
fn span(tests: &[DraftTest]) -> Option<usize> {
    let constant = |num: Option<Num>| match num {
        None => Some(0),
        Some(Num::Const(n)) => usize::try_from(n.max(0)).ok(),
        Some(Num::Var(_)) => None,
    };
    let mut total = 0usize;
    for (i, test) in tests.iter().enumerate() {
        let DraftTest::Content(content) = test else {
            return None;
        };
        let relative = content.distance.is_some() || content.within.is_some();
        if relative {
            content.within?;
            total += constant(content.within)? + constant(content.distance)?;
        } else if content.depth.is_some() || content.starts {
            let depth = if content.starts {
                content.bytes.len()
            } else {
                constant(content.depth)?
            };
            total = total.max(constant(content.offset)? + depth);
        } else if i == 0 && content.offset.is_none() && !content.negated {
            total = content.bytes.len();
        } else {
            return None;
        }
    }
    Some(total)
}

fn part(draft: DraftPart) -> Part {
    let mut tests: Vec<Test> = draft
        .tests
        .into_iter()
        .map(|test| match test {
            DraftTest::Content(content) => Test::Content(Box::new(compile_content(content))),
            DraftTest::Done(test) => test,
        })
        .collect();
    for i in 0..tests.len() {
        let retry = wants_retry(&tests[i + 1..]);
        match &mut tests[i] {
            Test::Content(content) => content.retry = retry,
            Test::Pattern(pattern) => pattern.retry = retry,
            _ => {}
        }
    }
    Part {
        place: draft.place,
        absent: draft.absent,
        tests: tests.into_boxed_slice(),
    }
}

/// Does what follows depend on where this one matched?
fn wants_retry(following: &[Test]) -> bool {
    for test in following {
        if test.is_relative() {
            return true;
        }
        if test.moves() {
            return false;
        }
    }
    false
}

fn compile_content(draft: DraftContent) -> Content {
    Content {
        search: Search::new(&draft.bytes, draft.nocase),
        negated: draft.negated,
        relative: draft.distance.is_some() || draft.within.is_some(),
        offset: draft.offset.unwrap_or(Num::Const(0)),
        depth: draft.depth,
        distance: draft.distance.unwrap_or(Num::Const(0)),
        within: draft.within,
        starts: draft.starts,
        ends: draft.ends,
        retry: false,
    }
}

//! Keywords on the conversation and on what is remembered: `flow`, `flowbits`, thresholds.

use citywall_flow::Direction;

use super::{Compiler, Draft};
use crate::RuleError;
use crate::detect::{BitOp, BitTest};
use crate::rule::{Threshold, ThresholdKind, Track};
use crate::syntax::RuleOption;

/// `flow:established,to_server`
pub(super) fn flow(draft: &mut Draft, option: &RuleOption<'_>) -> Result<(), RuleError> {
    for word in option.text()?.split(',').map(str::trim) {
        match word {
            "established" => draft.flow.established = Some(true),
            "not_established" => draft.flow.established = Some(false),
            "stateless" => draft.flow.established = None,
            "to_server" | "from_client" => direction(draft, option, Direction::ToResponder)?,
            "to_client" | "from_server" => direction(draft, option, Direction::ToInitiator)?,
            "only_stream" => draft.stream_only = true,
            "no_stream" => draft.packets_only = true,
            "only_frag" => draft.flow.fragment = Some(true),
            "no_frag" => draft.flow.fragment = Some(false),
            _ => {
                return Err(option.refuse(
                    format!("`{}` is not one of its words", super::draft::shorten(word)),
                    "use established, to_server, to_client and the like",
                ));
            }
        }
    }
    if draft.stream_only && draft.packets_only {
        return Err(option.refuse("asks for streams only and for packets only", "choose one"));
    }
    Ok(())
}

fn direction(draft: &mut Draft, option: &RuleOption<'_>, to: Direction) -> Result<(), RuleError> {
    if draft.flow.direction.is_some_and(|d| d != to) {
        return Err(option.refuse("names both directions", "name one, or none"));
    }
    draft.flow.direction = Some(to);
    Ok(())
}

/// Reads one option; false where it is none of these.
pub(super) fn option(
    c: &mut Compiler<'_>,
    draft: &mut Draft,
    option: &RuleOption<'_>,
) -> Result<bool, RuleError> {
    match option.name {
        "flowbits" => flow_bits(c, draft, option)?,
        "threshold" => threshold(draft, option, None)?,
        "detection_filter" => threshold(draft, option, Some(ThresholdKind::DetectionFilter))?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn flow_bits(c: &mut Compiler<'_>, draft: &mut Draft, option: &RuleOption<'_>) -> Result<(), RuleError> {
    let text = option.text()?;
    let (op, names) = text.split_once(',').unwrap_or((text, ""));
    let op = match op.trim() {
        "noalert" => {
            draft.noalert = true;
            return Ok(());
        }
        "isset" => BitOp::IsSet,
        "isnotset" => BitOp::IsNotSet,
        "set" => BitOp::Set,
        "unset" => BitOp::Unset,
        "toggle" => BitOp::Toggle,
        _ => {
            return Err(option.refuse(
                "has an unknown operation",
                "use set, unset, toggle, isset, isnotset or noalert",
            ));
        }
    };
    let all = names.contains('&');
    if all && names.contains('|') {
        return Err(option.refuse("mixes | and &", "use one of them"));
    }
    let mut bits = Vec::new();
    for name in names.split(['|', '&']).map(str::trim) {
        if name.is_empty() {
            return Err(option.refuse("names no bit", "write flowbits:set,name;"));
        }
        let bit = c
            .bit(name)
            .ok_or_else(|| option.refuse("more than 16384 flow bits", "load fewer rules"))?;
        bits.push(bit);
    }
    draft.bits.push(BitTest {
        op,
        bits: bits.into_boxed_slice(),
        all,
    });
    Ok(())
}

fn threshold(
    draft: &mut Draft,
    option: &RuleOption<'_>,
    fixed: Option<ThresholdKind>,
) -> Result<(), RuleError> {
    if draft.threshold.is_some() {
        return Err(option.unsupported("the rule has two thresholds", "keep one"));
    }
    let mut kind = fixed;
    let (mut track, mut count, mut seconds, mut multiplier) = (None, None, None, None);
    for item in option.text()?.split(',') {
        let mut words = item.split_whitespace();
        let (word, value) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match word {
            "type" if fixed.is_none() => kind = threshold_kind(value),
            "track" => track = tracked(value),
            "count" => count = value.parse::<u32>().ok().filter(|n| *n > 0),
            "seconds" => seconds = value.parse::<u32>().ok(),
            "multiplier" => multiplier = value.parse::<u32>().ok(),
            _ => {
                return Err(option.refuse(
                    format!("`{}` is not one of its words", super::draft::shorten(word)),
                    "use type, track, count and seconds",
                ));
            }
        }
    }
    let missing = |what: &str| {
        option.refuse(
            format!("has no valid {what}"),
            "say type, track, count and seconds",
        )
    };
    let kind = kind.ok_or_else(|| missing("type"))?;
    if kind == ThresholdKind::Backoff {
        seconds = Some(0);
        multiplier.ok_or_else(|| missing("multiplier"))?;
    }
    draft.threshold = Some(Threshold {
        kind,
        track: track.ok_or_else(|| missing("track"))?,
        count: count.ok_or_else(|| missing("count"))?,
        seconds: seconds.ok_or_else(|| missing("seconds"))?,
        multiplier: multiplier.unwrap_or(0),
    });
    Ok(())
}

fn threshold_kind(word: &str) -> Option<ThresholdKind> {
    match word {
        "limit" => Some(ThresholdKind::Limit),
        "threshold" => Some(ThresholdKind::Threshold),
        "both" => Some(ThresholdKind::Both),
        "backoff" => Some(ThresholdKind::Backoff),
        _ => None,
    }
}

fn tracked(word: &str) -> Option<Track> {
    match word {
        "by_src" => Some(Track::Source),
        "by_dst" => Some(Track::Destination),
        "by_rule" => Some(Track::Rule),
        "by_both" => Some(Track::Both),
        "by_flow" => Some(Track::Flow),
        _ => None,
    }
}

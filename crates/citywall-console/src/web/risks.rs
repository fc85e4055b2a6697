//! What could go wrong with an action: of this measure, against this device.
//!
//! Owns: the sentences, from the measures' own values, the city file and what was seen. Does not own: the gate's
//! judgement, which stands beside them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use citywall_event::Place;

use super::context::Ctx;
use crate::board::Board;
use crate::gate::ActionView;
use crate::said::{Message, Part};
use crate::text::{number, plain};

/// Sentences about one action.
const MOST: usize = 6;
/// Names within one sentence.
const NAMES: usize = 4;

/// What could go wrong, a sentence each. Empty where nothing is known of it.
pub fn of(ctx: &Ctx, action: &ActionView) -> Vec<String> {
    let board = ctx.app().board();
    let mut all: Vec<String> = Vec::new();
    for message in &action.messages.measures {
        for sentence in measure(ctx, &board, message) {
            if !all.contains(&sentence) && all.len() < MOST {
                all.push(sentence);
            }
        }
    }
    all
}

/// A value of a measure, as text.
fn text(message: &Message, name: &str) -> String {
    match message.parts.get(name) {
        Some(Part::Text(text)) => text.clone(),
        Some(Part::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// The address of a measure's end, or the first of its network.
fn address(message: &Message, name: &str) -> Option<IpAddr> {
    text(message, name).split('/').next()?.parse().ok()
}

fn measure(ctx: &Ctx, board: &Board, message: &Message) -> Vec<String> {
    let l = ctx.l();
    let context = &ctx.known.context;
    let place = |ip: Option<IpAddr>| context.locate(ip, None);
    let who = |name: &str| match address(message, name) {
        Some(ip) => plain(&board.name_of(ip, context)),
        None => plain(&text(message, name)),
    };
    let zone = |name: &str| plain(context.zone_name(place(address(message, name)).zone));
    match message.id.as_str() {
        "measure-isolate" | "measure-quarantine" => {
            let (host, name) = (address(message, "host"), who("host"));
            let mut all = Vec::new();
            let peers = peers(ctx, board, host);
            if !peers.is_empty() {
                all.push(l.with("wrong-cut", &[("device", &name), ("peers", &peers.join(", "))]));
            }
            all.extend(depend(ctx, place(host), &name));
            if all.is_empty() {
                all.push(l.with("wrong-cut-unknown", &[("device", &name)]));
            }
            all
        }
        "measure-deny-pair" => {
            let (from, to) = (who("from"), zone("to"));
            let seen = conversations(
                ctx,
                board,
                address(message, "from"),
                place(address(message, "to")),
            );
            let values = [("from", from.as_str()), ("zone", &to), ("n", &number(seen))];
            vec![l.with(if seen > 0 { "wrong-pair-seen" } else { "wrong-pair" }, &values)]
        }
        "measure-deny-command" => {
            let values = [("from", who("from")), ("zone", zone("to"))];
            vec![l.with(
                "wrong-command",
                &values.each_ref().map(|(name, value)| (*name, value.as_str())),
            )]
        }
        "measure-limit-rate" => {
            let name = who("host");
            let n = text(message, "n");
            let mut all = vec![l.with("wrong-rate", &[("device", &name), ("n", &n)])];
            all.extend(depend(ctx, place(address(message, "host")), &name));
            all
        }
        "measure-limit-into" => {
            vec![l.with(
                "wrong-into",
                &[("device", &who("host")), ("n", &text(message, "n"))],
            )]
        }
        "measure-drop-answers" => vec![l.with(
            "wrong-drop-answers",
            &[("device", &who("host")), ("port", &text(message, "port"))],
        )],
        "measure-syn-proxy" => vec![l.with("wrong-syn-proxy", &[("device", &who("host"))])],
        _ => Vec::new(),
    }
}

/// The services of the city that need a device.
fn depend(ctx: &Ctx, place: Place, name: &str) -> Option<String> {
    let services = ctx.known.context.dependents(&[place]);
    let names: Vec<String> = services.iter().take(NAMES).map(|s| plain(&s.name)).collect();
    let values = [("device", name), ("services", &names.join(", "))];
    (!names.is_empty()).then(|| ctx.l().with("wrong-services", &values))
}

/// With whom a device talks as the city file allows, most first.
fn peers(ctx: &Ctx, board: &Board, host: Option<IpAddr>) -> Vec<String> {
    let context = &ctx.known.context;
    let zone = |ip| context.locate(Some(ip), None).zone;
    let mut bytes: BTreeMap<String, u64> = BTreeMap::new();
    for ((from, to, _), talk) in &board.talks {
        let peer = match host {
            Some(host) if host == *from => *to,
            Some(host) if host == *to => *from,
            _ => continue,
        };
        let pair = (
            context.zone_name(zone(*from)).to_owned(),
            context.zone_name(zone(*to)).to_owned(),
        );
        let forbidden = board.crossings.get(&pair).is_some_and(|c| c.violations > 0);
        if !forbidden && (ctx.person.sees_city() || ctx.person.sees(zone(peer).into_iter())) {
            *bytes.entry(plain(&board.name_of(peer, context))).or_default() += talk.bytes;
        }
    }
    let mut list: Vec<(String, u64)> = bytes.into_iter().collect();
    list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    list.into_iter().take(NAMES).map(|(name, _)| name).collect()
}

/// Conversations that were seen between a device and a zone.
fn conversations(ctx: &Ctx, board: &Board, host: Option<IpAddr>, other: Place) -> u64 {
    let zone = |ip: &IpAddr| ctx.known.context.locate(Some(*ip), None).zone;
    let own = |ip: &IpAddr| host == Some(*ip);
    let between = |from: &IpAddr, to: &IpAddr| {
        own(from) && zone(to) == other.zone || own(to) && zone(from) == other.zone
    };
    let talks = board.talks.iter();
    talks
        .filter(|((from, to, _), _)| between(from, to))
        .map(|(_, talk)| talk.flows)
        .sum()
}

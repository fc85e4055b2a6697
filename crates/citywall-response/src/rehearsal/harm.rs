//! What measures would have cut of the traffic that was permitted.
//!
//! Owns: which conversations and commands a measure meets, and how much of them. Does not own:
//! whether the measure was taken.
//!
//! The log has a line a conversation, not a packet: of one that was under way when a measure began
//! or ended, its packets count in proportion to time. What a rate limit cuts is what is sent beyond
//! the rate on average, which is less than what is sent in bursts beyond it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use citywall_event::{Context, Nanos, Place, Service};

use super::log::{CommandLine, FlowLine};
use super::report::Cut;
use crate::{Action, Host, Measure};

/// Actions whose harm is followed; more are told without.
const ACTIONS: usize = 10_000;
/// Pairs that one action is told to have cut.
const PAIRS: usize = 256;
/// Commands that wait for the word that they were forbidden.
const WAITING: usize = 1_024;

/// All actions.
#[derive(Debug, Default)]
pub(crate) struct Harms {
    pub(crate) actions: Vec<Harm>,
    /// Commands of one packet: by action and pair.
    waiting: Vec<(String, usize, Pair)>,
}

/// One action.
#[derive(Debug)]
pub(crate) struct Harm {
    id: String,
    measures: Vec<Measure>,
    from: Nanos,
    until: Nanos,
    pairs: BTreeMap<Pair, Amount>,
    /// Pairs that found no room.
    pub(crate) beyond: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    from: IpAddr,
    to: IpAddr,
    what: String,
}

#[derive(Clone, Copy, Debug, Default)]
struct Amount {
    flows: u64,
    packets: u64,
    bytes: u64,
    commands: u64,
    /// Packets that were sent, where a rate limits them; cut is what is beyond the rate.
    rate: Option<u32>,
}

impl Harms {
    pub(crate) fn begin(&mut self, action: &Action, from: Nanos, until: Nanos) {
        if self.actions.len() < ACTIONS {
            self.actions.push(Harm {
                id: action.id.0.clone(),
                measures: action.measures.clone(),
                from,
                until,
                pairs: BTreeMap::new(),
                beyond: 0,
            });
        }
    }

    pub(crate) fn end(&mut self, id: &str, at: Nanos) {
        if let Some(harm) = self.actions.iter_mut().rev().find(|h| h.id == id) {
            harm.until = harm.until.min(at);
        }
    }

    /// A conversation is over. Only what the policy permits is work.
    pub(crate) fn flow(&mut self, flow: &FlowLine, context: &Context, now: Nanos) {
        if self.actions.is_empty() || !permitted(flow, context) {
            return;
        }
        for harm in &mut self.actions {
            harm.flow(flow, context, now);
        }
    }

    pub(crate) fn command(&mut self, command: &CommandLine, now: Nanos) {
        if self
            .waiting
            .first()
            .is_some_and(|(packet, ..)| *packet != command.packet)
        {
            self.settle();
        }
        for (place, harm) in self.actions.iter().enumerate() {
            if harm.meets_command(command, now) && self.waiting.len() < WAITING {
                let pair = Pair {
                    from: command.from,
                    to: command.to,
                    what: format!("{} commands", command.verb.name()),
                };
                self.waiting.push((command.packet.clone(), place, pair));
            }
        }
    }

    /// The policy did not allow what this packet said.
    pub(crate) fn forbidden(&mut self, packet: &str) {
        self.waiting.retain(|(waiting, ..)| waiting != packet);
    }

    /// What nobody called forbidden was work.
    pub(crate) fn settle(&mut self) {
        for (_, place, pair) in std::mem::take(&mut self.waiting) {
            if let Some(harm) = self.actions.get_mut(place) {
                harm.add(
                    pair,
                    Amount {
                        commands: 1,
                        ..Amount::default()
                    },
                );
            }
        }
    }
}

fn permitted(flow: &FlowLine, context: &Context) -> bool {
    let end = |ip: IpAddr| (context.locate(Some(ip), None), Some(ip));
    let service = Service {
        protocol: flow.protocol,
        port: flow.port,
        app_proto: flow.app.as_deref(),
    };
    context
        .judge_contact(end(flow.from), end(flow.to), &service)
        .is_ok()
}

/// How much of a conversation lies within a time.
fn share(count: u64, flow: &FlowLine, from: Nanos, until: Nanos) -> u64 {
    let length = flow.end.saturating_sub(flow.start).max(1) as u128;
    let inside = flow.end.min(until).saturating_sub(flow.start.max(from)).max(0) as u128;
    if flow.start >= from && flow.end <= until {
        return count;
    }
    // At least one packet: it was under way.
    u64::try_from(u128::from(count) * inside / length)
        .unwrap_or(count)
        .max(1)
        .min(count)
}

impl Harm {
    fn add(&mut self, pair: Pair, amount: Amount) {
        if !self.pairs.contains_key(&pair) && self.pairs.len() >= PAIRS {
            self.beyond += 1;
            return;
        }
        let sum = self.pairs.entry(pair).or_default();
        sum.flows += amount.flows;
        sum.packets += amount.packets;
        sum.bytes += amount.bytes;
        sum.commands += amount.commands;
        sum.rate = sum.rate.or(amount.rate);
    }

    fn flow(&mut self, flow: &FlowLine, context: &Context, now: Nanos) {
        let until = self.until.min(now);
        if flow.end < self.from || flow.start >= until {
            return;
        }
        let met = self.measures.iter().find_map(|m| meets(m, flow, context));
        let Some(rate) = met else { return };
        // A limit touches what the host sends, all else both directions.
        let both = rate.is_none();
        let sum = |of: [u64; 2]| if both { of[0] + of[1] } else { of[0] };
        let pair = Pair {
            from: flow.from,
            to: flow.to,
            what: service_name(flow),
        };
        let amount = Amount {
            flows: 1,
            packets: share(sum(flow.packets), flow, self.from, until),
            bytes: share(sum(flow.bytes), flow, self.from, until),
            commands: 0,
            rate,
        };
        self.add(pair, amount);
    }

    fn meets_command(&self, command: &CommandLine, now: Nanos) -> bool {
        let during = (self.from..self.until).contains(&now);
        during
            && self.measures.iter().any(|measure| match measure {
                Measure::DenyCommand { from, to, verbs } => {
                    *from == Host::Ip(command.from) && to.contains(command.to) && verbs.has(command.verb)
                }
                _ => false,
            })
    }

    /// What was cut, the most first.
    pub(crate) fn cuts(&self, context: &Context) -> Vec<Cut> {
        let limited: u64 = self
            .pairs
            .values()
            .filter(|a| a.rate.is_some())
            .map(|a| a.packets)
            .sum();
        let seconds = self.until.saturating_sub(self.from).max(0) as u128 / 1_000_000_000;
        let mut cuts: Vec<Cut> = Vec::new();
        for (pair, amount) in &self.pairs {
            let mut cut = Cut {
                from: name(context, pair.from),
                to: name(context, pair.to),
                what: pair.what.clone(),
                flows: amount.flows,
                packets: amount.packets,
                bytes: amount.bytes,
                commands: amount.commands,
            };
            if let Some(rate) = amount.rate {
                let passes = u128::from(rate) * seconds.max(1);
                let beyond = u128::from(limited).saturating_sub(passes);
                let part = |count: u64| {
                    u64::try_from(u128::from(count) * beyond / u128::from(limited.max(1))).unwrap_or(count)
                };
                cut.packets = part(cut.packets);
                cut.bytes = part(cut.bytes);
            }
            if cut.packets > 0 || cut.commands > 0 {
                cuts.push(cut);
            }
        }
        cuts.sort_by_key(|cut| std::cmp::Reverse(cut.packets + cut.commands));
        cuts
    }

    /// Services that depend on who was cut off from work.
    pub(crate) fn services(&self, context: &Context) -> Vec<String> {
        let cuts = self.cuts(context);
        if cuts.is_empty() {
            return Vec::new();
        }
        let mut places: Vec<Place> = Vec::new();
        for pair in self.pairs.keys() {
            for ip in [pair.from, pair.to] {
                let place = context.locate(Some(ip), None);
                let is_cut = cuts
                    .iter()
                    .any(|c| c.from == name(context, pair.from) && c.to == name(context, pair.to));
                if is_cut && !places.contains(&place) {
                    places.push(place);
                }
            }
        }
        context
            .dependents(&places)
            .iter()
            .map(|s| s.name.clone())
            .collect()
    }
}

/// Does a measure touch a conversation? `Some(Some(rate))` where only what is beyond a rate.
fn meets(measure: &Measure, flow: &FlowLine, context: &Context) -> Option<Option<u32>> {
    let is = |host: &Host, ip: IpAddr| match host {
        Host::Ip(address) => *address == ip,
        Host::Mac(mac) => {
            let of_mac = context.locate(None, Some(*mac)).asset;
            of_mac.is_some() && of_mac == context.locate(Some(ip), None).asset
        }
    };
    match measure {
        Measure::Isolate { host } => (is(host, flow.from) || is(host, flow.to)).then_some(None),
        Measure::Quarantine { host } => {
            let touched = is(host, flow.from) || is(host, flow.to);
            (touched && !is_lifeline(flow, context)).then_some(None)
        }
        Measure::DenyPair { from, to } => {
            let spared = to.first() != to.last() && is_infrastructure(flow.to, context);
            (is(from, flow.from) && to.contains(flow.to) && !spared).then_some(None)
        }
        Measure::LimitRate {
            host,
            packets_per_second,
        } => is(host, flow.from).then_some(Some(*packets_per_second)),
        Measure::LimitInto {
            to,
            protocol,
            packets_per_second,
        } => {
            let zone = |ip| context.locate(Some(ip), None).zone;
            let other = zone(flow.from) != zone(flow.to);
            (*to == flow.to && *protocol == flow.protocol && other).then_some(Some(*packets_per_second))
        }
        // Who completes a handshake, as every conversation that did any work has, comes through.
        Measure::SynProxy { .. } => None,
        Measure::DropAnswers { to, from_port } => {
            const UDP: u8 = 17;
            let zone = |ip| context.locate(Some(ip), None).zone;
            let other = zone(flow.from) != zone(flow.to);
            let from = flow.from_port == Some(*from_port);
            (*to == flow.to && flow.protocol == UDP && from && other).then_some(None)
        }
        // Commands are counted on their own.
        Measure::DenyCommand { .. } => None,
    }
}

/// Whom the denial of a whole network spares.
fn is_infrastructure(ip: IpAddr, context: &Context) -> bool {
    let asset = context.locate(Some(ip), None).asset;
    asset
        .and_then(|id| context.asset(id))
        .is_some_and(citywall_event::AssetInfo::is_infrastructure)
}

/// What a quarantine leaves: addresses, names and updates.
fn is_lifeline(flow: &FlowLine, context: &Context) -> bool {
    let role = |ip: IpAddr, roles: &[&str]| {
        let asset = context
            .locate(Some(ip), None)
            .asset
            .and_then(|id| context.asset(id));
        asset.is_some_and(|a| a.roles.iter().any(|r| roles.contains(&r.as_str())))
    };
    let dhcp = flow.protocol == 17 && matches!(flow.port, Some(67 | 68 | 546 | 547));
    let dns = flow.port == Some(53) && role(flow.to, &["dns"]);
    dhcp || dns || role(flow.to, &["update"])
}

fn name(context: &Context, ip: IpAddr) -> String {
    let asset = context
        .locate(Some(ip), None)
        .asset
        .and_then(|id| context.asset(id));
    asset.map_or_else(|| ip.to_string(), |a| a.name.clone())
}

fn service_name(flow: &FlowLine) -> String {
    let protocol = citywall_event::protocol_name(flow.protocol).unwrap_or("IP");
    match (&flow.app, flow.port) {
        (Some(app), _) => app.clone(),
        (None, Some(port)) => format!("{}/{port}", protocol.to_lowercase()),
        (None, None) => protocol.to_lowercase(),
    }
}

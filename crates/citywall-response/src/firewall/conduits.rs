//! Conduits as chains: who may open what with whom.
//!
//! Owns: one chain a conduit (its ports), one chain an origin (its targets), and the two passes:
//! conduits whose commands are inspected are looked at first, so that what any of them names is
//! inspected, whatever else lets it pass. Does not own: what stands before and after.

use std::collections::BTreeMap;

use citywall_event::{Grant, ZoneId};
use citywall_policy::{Peer, Ruleset};

use super::ends::{Ends, Side, is_in};
use super::model::{Chain, Field, Right, Rule, Statement, Value, Verdict};

/// What is done with what a grant names.
const INSPECT: &str = "inspect";

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;

/// One end of a conduit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Zone(ZoneId),
    Outside,
    Every,
    Asset(usize),
}

/// The targets of one origin, and which conduits lead there.
type Targets = BTreeMap<End, Vec<usize>>;

/// The chains of one pass, built up.
pub(super) struct Pass<'a> {
    rules: &'a Ruleset,
    ends: &'a Ends,
    names: &'a [String],
    inspected: bool,
    chains: Vec<Chain>,
    /// Chains that try several conduits, by the conduits.
    groups: BTreeMap<Vec<usize>, String>,
}

/// The end of a packet that goes no further.
pub(super) fn verdict(verdict: Verdict) -> Statement {
    Statement::Verdict(verdict)
}

pub(super) fn jump(chain: &str) -> Statement {
    Statement::Verdict(Verdict::Jump(chain.to_owned()))
}

pub(super) fn goto(chain: &str) -> Statement {
    Statement::Verdict(Verdict::Goto(chain.to_owned()))
}

/// Does a conduit let anything pass in this pass?
fn takes_part(grant: &Grant, inspected: bool) -> bool {
    grant.commands.is_empty() != inspected
}

impl<'a> Pass<'a> {
    pub(super) fn new(rules: &'a Ruleset, ends: &'a Ends, names: &'a [String], inspected: bool) -> Pass<'a> {
        Pass {
            rules,
            ends,
            names,
            inspected,
            chains: Vec::new(),
            groups: BTreeMap::new(),
        }
    }

    /// All chains of the pass, and the rules that enter them.
    pub(super) fn build(mut self) -> (Vec<Chain>, Vec<Rule>) {
        let assets: BTreeMap<&str, usize> = self
            .rules
            .assets
            .iter()
            .enumerate()
            .map(|(i, a)| (a.name.as_str(), i))
            .collect();
        let end = |peer: &Peer| match peer {
            Peer::EveryZone => Some(End::Every),
            Peer::Outside => Some(End::Outside),
            Peer::Zone(id) => Some(End::Zone(*id)),
            Peer::Hosts { name, .. } => assets.get(name.as_str()).copied().map(End::Asset),
        };
        let mut origins: BTreeMap<End, Targets> = BTreeMap::new();
        for (index, allow) in self.rules.allows.iter().enumerate() {
            if !allow.grants.iter().any(|g| takes_part(g, self.inspected)) {
                continue;
            }
            self.conduit(index, &allow.grants);
            let to: Vec<End> = allow.to.iter().filter_map(end).collect();
            for from in allow.from.iter().filter_map(end) {
                let targets = origins.entry(from).or_default();
                for to in &to {
                    let conduits = targets.entry(*to).or_default();
                    if conduits.last() != Some(&index) {
                        conduits.push(index);
                    }
                }
            }
        }
        let entering = self.origins(&origins);
        (self.chains, entering)
    }

    fn name(&self, what: &str) -> String {
        if self.inspected {
            format!("{what}_inspected")
        } else {
            what.to_owned()
        }
    }

    fn zone_name(&self, zone: ZoneId) -> String {
        let unknown = || format!("zone.{zone}");
        self.names.get(usize::from(zone)).cloned().unwrap_or_else(unknown)
    }

    /// One chain for the ports of all grants of a conduit.
    fn conduit(&mut self, index: usize, grants: &[Grant]) {
        let last = if self.inspected {
            goto(INSPECT)
        } else {
            verdict(Verdict::Accept)
        };
        let mut ports: BTreeMap<u8, Vec<Value>> = BTreeMap::new();
        let mut anything = false;
        for grant in grants.iter().filter(|g| takes_part(g, self.inspected)) {
            anything |= grant.ports.is_empty();
            for run in &grant.ports {
                let value = Value::Numbers(run.first.into(), run.last.into());
                ports.entry(run.protocol).or_default().push(value);
            }
        }
        let rules = if anything {
            vec![vec![last]]
        } else {
            let rule = |(protocol, values): (u8, Vec<Value>)| {
                let mut rule = carried(protocol, values)?;
                rule.push(last.clone());
                Some(rule)
            };
            ports.into_iter().filter_map(rule).collect()
        };
        let name = self.name(&format!("conduit_{index}"));
        self.chains.push(Chain {
            name,
            base: None,
            rules,
        });
    }

    /// A jump to the conduits: to the only one, or to a chain that tries them all.
    fn try_all(&mut self, conduits: &[usize]) -> Verdict {
        if let [one] = conduits {
            return Verdict::Jump(self.name(&format!("conduit_{one}")));
        }
        if let Some(name) = self.groups.get(conduits) {
            return Verdict::Jump(name.clone());
        }
        let name = self.name(&format!("conduits_{}", self.groups.len()));
        let rules = conduits
            .iter()
            .map(|c| vec![jump(&self.name(&format!("conduit_{c}")))])
            .collect();
        self.chains.push(Chain {
            name: name.clone(),
            base: None,
            rules,
        });
        self.groups.insert(conduits.to_vec(), name.clone());
        Verdict::Jump(name)
    }

    /// The chain of each origin, and the rules that find the origin of a packet.
    fn origins(&mut self, origins: &BTreeMap<End, Targets>) -> Vec<Rule> {
        let mut zones = BTreeMap::new();
        let mut assets = BTreeMap::new();
        let mut entering = Vec::new();
        for (from, targets) in origins {
            let name = match from {
                End::Zone(zone) => format!("from_{}", self.zone_name(*zone)),
                End::Asset(index) => format!("from_asset_{index}"),
                End::Every => "from_every_zone".to_owned(),
                End::Outside => "from_outside".to_owned(),
            };
            let name = self.name(&name);
            let mut rules = Vec::new();
            if *from == End::Outside {
                let back = [verdict(Verdict::Return)];
                rules.extend(self.ends.in_group(Side::Source, super::ends::sets::ZONED, &back));
            }
            rules.extend(self.targets(&name, targets));
            self.chains.push(Chain {
                name: name.clone(),
                base: None,
                rules,
            });
            match from {
                End::Zone(zone) => {
                    zones.insert(*zone, Verdict::Jump(name));
                }
                End::Asset(index) => {
                    assets.insert(*index, Verdict::Jump(name));
                }
                End::Every => {
                    let tail = [jump(&name)];
                    entering.extend(self.ends.in_group(Side::Source, super::ends::sets::ZONED, &tail));
                }
                End::Outside => entering.push(vec![jump(&name)]),
            }
        }
        let mut found = self.ends.by_zone(Side::Source, &zones);
        found.extend(self.ends.by_asset(Side::Source, &assets));
        found.extend(entering);
        found
    }

    /// The rules that find the target of a packet.
    fn targets(&mut self, origin: &str, targets: &Targets) -> Vec<Rule> {
        let mut zones = BTreeMap::new();
        let mut assets = BTreeMap::new();
        let mut last = Vec::new();
        for (to, conduits) in targets {
            let verdict = self.try_all(conduits);
            match to {
                End::Zone(zone) => {
                    zones.insert(*zone, verdict);
                }
                End::Asset(index) => {
                    assets.insert(*index, verdict);
                }
                End::Every => {
                    let tail = [Statement::Verdict(verdict)];
                    last.extend(self.ends.in_group(Side::Target, super::ends::sets::ZONED, &tail));
                }
                End::Outside => {
                    let name = format!("{origin}_out");
                    let back = [Statement::Verdict(Verdict::Return)];
                    let mut rules = self.ends.in_group(Side::Target, super::ends::sets::ZONED, &back);
                    rules.push(vec![Statement::Verdict(verdict)]);
                    self.chains.push(Chain {
                        name: name.clone(),
                        base: None,
                        rules,
                    });
                    last.push(vec![jump(&name)]);
                }
            }
        }
        let mut found = self.ends.by_zone(Side::Target, &zones);
        found.extend(self.ends.by_asset(Side::Target, &assets));
        found.extend(last);
        found
    }
}

/// The match for ports of a protocol; for ICMP the message types.
fn carried(protocol: u8, values: Vec<Value>) -> Option<Rule> {
    let values = super::model::canonical(values);
    let all = |last: u32| values.iter().any(|v| v.holds(&Value::Numbers(0, last)));
    let whole = is_in(Field::Protocol, vec![Value::number(protocol.into())]);
    let (field, last) = match protocol {
        TCP => (Field::TcpPort, 0xffff),
        UDP => (Field::UdpPort, 0xffff),
        SCTP => (Field::SctpPort, 0xffff),
        ICMP => (Field::IcmpType, 0xff),
        ICMPV6 => (Field::Icmp6Type, 0xff),
        // Other protocols have no ports: a service of theirs lies in any run.
        _ => return Some(vec![whole]),
    };
    if all(last) {
        return Some(vec![whole]);
    }
    let within: Vec<Value> = values
        .into_iter()
        .filter_map(|v| match v {
            Value::Numbers(a, b) if a <= last => Some(Value::Numbers(a, b.min(last))),
            _ => None,
        })
        .collect();
    (!within.is_empty()).then(|| {
        vec![Statement::Match {
            left: vec![field],
            not: false,
            right: Right::Values(within),
        }]
    })
}

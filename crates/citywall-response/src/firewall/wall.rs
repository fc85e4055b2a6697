//! From a `Ruleset` to our tables.
//!
//! Owns: the layout: what stands before what. It agrees with `citywall_event::Context`: what that
//! judges a violation is dropped, and nothing else of the policy is. Does not own: conduits
//! (`conduits`), where packets come from (`ends`), the timed sets' meaning (`elements`).
//!
//! Order of the `forward` chain: measures; conversations that were allowed; what stays within a
//! zone; isolated zones; floods; what is never judged; zones that are open or closed while the
//! enforcer is down; conduits; the rest is denied and counted.

use std::collections::{BTreeMap, BTreeSet};

use citywall_event::{Prefix, ZoneId};
use citywall_policy::{Inspect, Peer, RuledZone, Ruleset, WhenDown};

use super::conduits::{Pass, goto, jump, verdict};
use super::deployment::{Deployment, Mode};
use super::elements;
use super::ends::{Ends, Side, in_set, is_in, is_infrastructure, networks, not_in_set, sets};
use super::model::{
    Base, Chain, Family, Field, KeyType, Mark, Right, Rule, Set, Statement, Table, Value, Verdict, canonical,
    state,
};
use super::{frames, measures};

/// Packet marks (ADR 5).
pub mod marks {
    /// Inspect; pass where the inspection is dead or late.
    pub const INSPECT_OPEN: u32 = 0x1_0000;
    /// Inspect; stop where the inspection is dead or late.
    pub const INSPECT_CLOSED: u32 = 0x2_0000;
    /// Already judged: the queue rule spares it.
    pub const JUDGED: u32 = 0x4_0000;
    /// A session from which something was cut: its two ends count differently from then on, so it needs
    /// its parser to its end. It stays with the conversation, so that a parser which does not know the
    /// session knows that much.
    pub const SPLICED: u32 = 0x8_0000;
    /// The wall opened this conversation with a device in place of who asked it to.
    pub const PROXIED: u32 = 0x10_0000;
}

/// Groups of zones, each with the sets `NAME4`, `NAME6` and `NAMEm`.
mod groups {
    pub const OPEN: &str = "open";
    pub const CLOSED: &str = "closed";
    pub const INSPECT_CLOSED: &str = "strict";
}

/// The counters that the tables have.
pub const COUNTERS: [&str; 10] = [
    "denied_by_measure",
    "down",
    "early",
    "flooded",
    "isolated",
    "isolation_violations",
    "limited",
    "proxied",
    "quarantined",
    "violations",
];

/// `NF_IP_PRI_RAW` and `NF_IP_PRI_MANGLE`: the kernel begins to follow conversations at -200.
const BEFORE_TRACKING: i32 = -300;
const BEHIND_TRACKING: i32 = -150;
/// What others filter (priority 0), and the queue, come after us.
const BEFORE_FILTER: i32 = -10;

/// Our tables as they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wall {
    /// The tables: `inet`, and on a bridge `bridge`.
    pub tables: Vec<Table>,
}

impl Wall {
    /// Translates a policy for a place. The same arguments give equal walls.
    pub fn new(rules: &Ruleset, at: &Deployment) -> Wall {
        let ends = Ends::new(rules, at.mode == Mode::Bridge);
        let mut tables = vec![inet(rules, at, &ends)];
        if at.mode == Mode::Bridge {
            tables.push(frames::table(rules, &ends));
        }
        Wall { tables }
    }

    /// SYNs can be answered in a device's place: a measure that is put in force for that has an effect.
    pub fn answers_syns(&self) -> bool {
        let mut tables = self.tables.iter().filter(|t| t.family == Family::Inet);
        tables.any(|t| t.chains.iter().any(|c| c.name == super::ANSWERING))
    }

    /// Answers that nobody asked for can be dropped by their port.
    pub fn drops_answers(&self) -> bool {
        let mut tables = self.tables.iter().filter(|t| t.family == Family::Inet);
        tables.any(|t| t.sets.iter().any(elements::holds_answers))
    }

    /// All tables as nft reads them.
    pub fn text(&self) -> String {
        self.tables.iter().map(Table::text).collect()
    }
}

fn inet(rules: &Ruleset, at: &Deployment, ends: &Ends) -> Table {
    let mut all_sets = elements::timed_sets();
    all_sets.extend(elements::listed_sets());
    all_sets.extend(policy_sets(rules, at, ends));
    all_sets.sort_by(|a, b| a.order().cmp(&b.order()));
    let mut chains = measures::chains(at);
    chains.extend(verdict_chains(at, ends));
    let mut forward = vec![
        vec![jump("measures")],
        vec![
            Statement::State(state::ESTABLISHED | state::RELATED),
            goto("allowed_before"),
        ],
    ];
    if rules.zones.is_empty() {
        forward.push(vec![verdict(Verdict::Accept)]);
    } else {
        chains.extend(policy_chains(rules, ends, &mut forward));
    }
    chains.push(base("forward", "forward", None, BEFORE_FILTER, false, forward));
    if at.syn_proxy && at.mode == Mode::Routed {
        chains.extend(measures::syn_proxy([
            BEFORE_TRACKING,
            BEHIND_TRACKING,
            BEFORE_FILTER + 1,
        ]));
    }
    let from_cut_off = vec![vec![jump("early")]];
    chains.push(base(
        "input",
        "input",
        None,
        BEFORE_FILTER,
        true,
        from_cut_off.clone(),
    ));
    for device in &at.ingress {
        let name = format!("{}{device}", super::EARLY);
        chains.push(base(
            &name,
            "ingress",
            Some(device),
            -500,
            true,
            from_cut_off.clone(),
        ));
    }
    Table {
        family: Family::Inet,
        counters: COUNTERS.iter().map(|c| (*c).to_owned()).collect(),
        sets: all_sets,
        chains,
    }
}

/// A base chain.
pub(super) fn base(
    name: &str,
    hook: &str,
    device: Option<&String>,
    priority: i32,
    accept: bool,
    rules: Vec<Rule>,
) -> Chain {
    Chain {
        name: name.to_owned(),
        base: Some(Base {
            hook: hook.to_owned(),
            device: device.cloned(),
            priority,
            accept,
        }),
        rules,
    }
}

/// A chain that is jumped to.
pub(super) fn chain(name: &str, rules: Vec<Rule>) -> Chain {
    Chain {
        name: name.to_owned(),
        base: None,
        rules,
    }
}

/// Counts and drops.
pub(super) fn count_drop(counter: &str) -> Rule {
    vec![Statement::Count(counter.to_owned()), verdict(Verdict::Drop)]
}

/// The chains that the policy ends in.
fn verdict_chains(at: &Deployment, ends: &Ends) -> Vec<Chain> {
    let log = |rule: &mut Vec<Rule>, prefix: &str| {
        if at.log_per_second > 0 {
            rule.push(vec![
                Statement::Rate {
                    per_second: at.log_per_second,
                    burst: at.log_per_second,
                },
                Statement::Log {
                    prefix: prefix.to_owned(),
                    group: at.log_group,
                },
            ]);
        }
    };
    let mut violation = Vec::new();
    log(&mut violation, "citywall violation ");
    violation.push(count_drop("violations"));
    let mut isolation = Vec::new();
    log(&mut isolation, "citywall isolation ");
    isolation.push(count_drop("isolation_violations"));
    let inspect = |bits| {
        vec![
            Statement::SetMark(Mark::Conversation, bits),
            Statement::SetMark(Mark::Packet, bits),
            verdict(Verdict::Accept),
        ]
    };
    let strict = [goto("inspect_closed")];
    let mut choose = ends.in_group(Side::Target, groups::INSPECT_CLOSED, &strict);
    choose.push(inspect(marks::INSPECT_OPEN));
    let mark_again = |bits| {
        vec![
            Statement::Marked(Mark::Conversation, bits),
            Statement::SetMark(Mark::Packet, bits),
        ]
    };
    vec![
        chain("violation", violation),
        chain("isolation_violation", isolation),
        chain("inspect_closed", vec![inspect(marks::INSPECT_CLOSED)]),
        chain("inspect", choose),
        chain(
            "allowed_before",
            vec![
                mark_again(marks::INSPECT_OPEN),
                mark_again(marks::INSPECT_CLOSED),
                vec![verdict(Verdict::Accept)],
            ],
        ),
    ]
}

/// What the policy says; adds to `forward`.
fn policy_chains(rules: &Ruleset, ends: &Ends, forward: &mut Vec<Rule>) -> Vec<Chain> {
    let names = zone_names(rules);
    let mut chains = Vec::new();
    let mut within = BTreeMap::new();
    for (id, _) in zones(rules).filter(|(_, z)| !z.inside_denied) {
        let name = format!("within_{}", names[usize::from(id)]);
        let accept = BTreeMap::from([(id, Verdict::Accept)]);
        chains.push(chain(&name, ends.by_zone(Side::Target, &accept)));
        within.insert(id, Verdict::Jump(name));
    }
    forward.extend(ends.by_zone(Side::Source, &within));
    chains.extend(isolation(rules, ends, &names, forward));
    chains.push(between_outsiders(ends));
    forward.push(vec![jump("outside_alone")]);
    forward.push(vec![jump("floods")]);
    chains.push(chain("never_judged", never_judged(rules)));
    forward.push(vec![jump("never_judged")]);
    chains.extend(down(ends));
    forward.push(vec![not_in_set(Field::Family, elements::ALIVE), jump("down")]);
    for inspected in [true, false] {
        let (made, entering) = Pass::new(rules, ends, &names, inspected).build();
        if entering.is_empty() {
            continue;
        }
        chains.extend(made);
        let name = if inspected {
            "conduits_of_commands"
        } else {
            "conduits"
        };
        chains.push(chain(name, entering));
        forward.push(vec![jump(name)]);
    }
    forward.push(vec![goto("violation")]);
    chains
}

/// What neither comes from a zone nor goes to one.
fn between_outsiders(ends: &Ends) -> Chain {
    let back = [verdict(Verdict::Return)];
    let mut rules = ends.in_group(Side::Source, sets::ZONED, &back);
    rules.extend(ends.in_group(Side::Target, sets::ZONED, &back));
    rules.push(vec![verdict(Verdict::Accept)]);
    chain("outside_alone", rules)
}

/// Addresses that are not one host's, and messages without which nothing works: as in
/// `Context::judge_contact`.
fn never_judged(rules: &Ruleset) -> Vec<Rule> {
    let accept = [verdict(Verdict::Accept)];
    let mut all = Ends::no_home_address(Side::Source, &accept);
    all.extend(Ends::no_home_address(Side::Target, &accept));
    all.extend(Ends::group_address(Side::Target, &accept));
    let mut list = Vec::new();
    let broadcasts = broadcasts(rules);
    if !broadcasts.is_empty() {
        list.push(is_in(Field::Ip4Target, broadcasts));
    }
    let numbers = |list: &[u32]| list.iter().map(|n| Value::number(*n)).collect::<Vec<_>>();
    list.push(is_in(Field::UdpPort, canonical(numbers(&[67, 68, 546, 547]))));
    // All but echo, timestamp, information and address mask requests (RFC 792, RFC 950).
    let not = |field, values| Statement::Match {
        left: vec![field],
        not: true,
        right: Right::Values(values),
    };
    list.push(not(Field::IcmpType, numbers(&[8, 13, 15, 17])));
    list.push(not(Field::Icmp6Type, numbers(&[128])));
    list.push(is_in(Field::Protocol, numbers(&[2])));
    all.extend(
        list.into_iter()
            .map(|statement| vec![statement, verdict(Verdict::Accept)]),
    );
    all
}

/// The highest address of each IPv4 network that has hosts.
fn broadcasts(rules: &Ruleset) -> Vec<Value> {
    let of = |prefix: &Prefix| (prefix.first().is_ipv4() && prefix.length() <= 30).then(|| prefix.last());
    let all = rules.zones.iter().flat_map(|z| &z.networks).filter_map(of);
    canonical(all.map(Value::ip).collect())
}

/// Zones with their numbers.
pub(super) fn zones(rules: &Ruleset) -> impl Iterator<Item = (ZoneId, &RuledZone)> {
    rules
        .zones
        .iter()
        .enumerate()
        .filter_map(|(id, zone)| Some((ZoneId::try_from(id).ok()?, zone)))
}

/// Names that nft takes: those with other characters are told apart by their number.
pub(super) fn zone_names(rules: &Ruleset) -> Vec<String> {
    let name = |(id, zone): (usize, &RuledZone)| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let written: String = zone
            .name
            .chars()
            .take(64)
            .map(|c| if plain(c) { c } else { '_' })
            .collect();
        if written == zone.name {
            written
        } else {
            format!("{written}.{id}")
        }
    };
    rules.zones.iter().enumerate().map(name).collect()
}

/// While the enforcer is down: closed where either end is a closed zone; open where both ends are
/// open zones, or one is and the other lies outside; else what the policy says.
fn down(ends: &Ends) -> Vec<Chain> {
    let dropped = [goto("down_closed")];
    let accept = [verdict(Verdict::Accept)];
    let back = [verdict(Verdict::Return)];
    let mut outside = ends.in_group(Side::Source, sets::ZONED, &back);
    outside.extend(ends.in_group(Side::Target, groups::OPEN, &accept));
    let mut open = ends.in_group(Side::Target, groups::OPEN, &accept);
    open.extend(ends.in_group(Side::Target, sets::ZONED, &back));
    open.push(vec![verdict(Verdict::Accept)]);
    let mut rules = ends.in_group(Side::Source, groups::CLOSED, &dropped);
    rules.extend(ends.in_group(Side::Target, groups::CLOSED, &dropped));
    rules.extend(ends.in_group(Side::Source, groups::OPEN, &[goto("down_open")]));
    rules.push(vec![jump("down_outside")]);
    vec![
        chain("down_closed", vec![count_drop("down")]),
        chain("down_outside", outside),
        chain("down_open", open),
        chain("down", rules),
    ]
}

/// Nothing crosses the border of an isolated zone, whatever it carries, as in
/// `Context::judge_isolation`.
fn isolation(rules: &Ruleset, ends: &Ends, names: &[String], forward: &mut Vec<Rule>) -> Vec<Chain> {
    let apart: Vec<ZoneId> = zones(rules)
        .filter(|(_, z)| z.isolated)
        .map(|(id, _)| id)
        .collect();
    if apart.is_empty() {
        return Vec::new();
    }
    let mut chains = Vec::new();
    let mut inside = BTreeMap::new();
    for id in apart {
        // Conversations within an isolated zone whose inside is denied go on to the conduits.
        let name = format!("apart_{}", names[usize::from(id)]);
        let back = BTreeMap::from([(id, Verdict::Return)]);
        let mut own = ends.by_zone_or_mac(Side::Target, &back);
        own.push(vec![goto("isolation_violation")]);
        chains.push(chain(&name, own));
        inside.insert(id, Verdict::Goto(name));
    }
    let back = [verdict(Verdict::Return)];
    let mut all = Ends::group_address(Side::Source, &back);
    all.extend(Ends::group_address(Side::Target, &back));
    all.extend(ends.lives_nowhere(Side::Source, &back));
    all.extend(ends.lives_nowhere(Side::Target, &back));
    let violation = Verdict::Goto("isolation_violation".to_owned());
    let into = inside.keys().map(|id| (*id, violation.clone())).collect();
    all.extend(ends.by_zone_or_mac(Side::Source, &inside));
    all.extend(ends.by_zone_or_mac(Side::Target, &into));
    chains.push(chain("isolation", all));
    forward.push(vec![jump("isolation")]);
    chains
}

/// The sets that the policy fills.
fn policy_sets(rules: &Ruleset, at: &Deployment, ends: &Ends) -> Vec<Set> {
    let group = |name: &str, wanted: &dyn Fn(&RuledZone) -> bool| {
        let ids: BTreeSet<ZoneId> = zones(rules)
            .filter(|(_, z)| wanted(z))
            .map(|(id, _)| id)
            .collect();
        let values = ids.iter().flat_map(|id| ends.of_zone(*id).iter().copied());
        let mut made = by_family(name, values.collect());
        made.push(static_set(
            &format!("{name}m"),
            KeyType::Ether,
            ends.macs_of(&ids),
        ));
        made
    };
    let mut all = group(sets::ZONED, &|_| true);
    all.extend(group(groups::OPEN, &|z| {
        z.when_down == WhenDown::Open && !z.isolated
    }));
    all.extend(group(groups::CLOSED, &|z| z.when_down == WhenDown::Closed));
    all.extend(group(groups::INSPECT_CLOSED, &|z| {
        z.inspect == Inspect::FailClosed
    }));
    all.extend(by_family(sets::KNOWN, ends.known()));
    // RFC 1918, RFC 6598, RFC 4193.
    let private = networks(&[
        ("10.0.0.0", 8),
        ("172.16.0.0", 12),
        ("192.168.0.0", 16),
        ("100.64.0.0", 10),
        ("fc00::", 7),
    ]);
    all.extend(by_family(sets::PRIVATE, private));
    let infrastructure = || rules.assets.iter().filter(|a| is_infrastructure(&a.roles));
    let addresses = |asset: &citywall_policy::RuledAsset| {
        asset
            .addresses
            .iter()
            .map(|(ip, _)| Value::ip(*ip))
            .collect::<Vec<_>>()
    };
    let mut spared: Vec<Value> = infrastructure().flat_map(addresses).collect();
    let mut spared_macs: Vec<Value> = infrastructure()
        .flat_map(|a| a.macs.iter().map(|m| Value::Mac(*m)))
        .collect();
    spared.extend(at.own.iter().map(|ip| Value::ip(*ip)));
    spared.extend(at.management.iter().map(|n| Value::network(*n)));
    for peer in &rules.management {
        match peer {
            Peer::Zone(id) => spared.extend(ends.of_zone(*id)),
            Peer::Hosts { addresses, macs, .. } => {
                spared.extend(addresses.iter().map(|ip| Value::ip(*ip)));
                spared_macs.extend(macs.iter().map(|m| Value::Mac(*m)));
            }
            // Management from everywhere would spare everything: only what is named is spared.
            Peer::EveryZone | Peer::Outside => {}
        }
    }
    all.extend(by_family(measures::SPARED, canonical(spared)));
    all.push(static_set(
        &format!("{}m", measures::SPARED),
        KeyType::Ether,
        canonical(spared_macs),
    ));
    let lifelines = ["dns", "dhcp", "update"]
        .into_iter()
        .flat_map(|role| rules.assets_of(role))
        .flat_map(addresses);
    all.extend(by_family(measures::LIFELINES, canonical(lifelines.collect())));
    all
}

fn static_set(name: &str, key: KeyType, values: Vec<Value>) -> Set {
    Set {
        name: name.to_owned(),
        key: vec![key],
        interval: key != KeyType::Ether,
        timeout: false,
        rated: false,
        size: 0,
        elements: Some(values),
    }
}

fn by_family(name: &str, values: Vec<Value>) -> Vec<Set> {
    let (v6, v4): (Vec<Value>, Vec<Value>) = canonical(values).into_iter().partition(Value::is_v6);
    vec![
        static_set(&format!("{name}4"), KeyType::Ip4, v4),
        static_set(&format!("{name}6"), KeyType::Ip6, v6),
    ]
}

/// Used by `measures`: a rule's beginning for an element that must not be one of the spared.
pub(super) fn spared_or(field: Field, suffix: &str, set: &str) -> Rule {
    vec![
        not_in_set(field, &format!("{}{suffix}", measures::SPARED)),
        in_set(field, &format!("{set}{suffix}")),
    ]
}

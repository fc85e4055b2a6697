//! Frames that cross a bridge without being shown to the `inet` table.
//!
//! Owns: the `bridge` table: ARP passes, IP is judged by `inet` (br_netfilter), frames that hide IP
//! from it do not pass, the rest is judged by hardware addresses as `Context` judges what has no
//! IP address. Does not own: anything about IP.

use std::collections::BTreeMap;

use citywall_event::{Mac, ZoneId};
use citywall_policy::{Peer, Ruleset};

use super::conduits::verdict;
use super::elements::timed_sets;
use super::ends::{Ends, in_set, is_in};
use super::model::{Chain, Family, Field, Rule, Statement, Table, Value, Verdict, canonical_map};
use super::wall::{base, chain, count_drop, zone_names};

/// IEEE 802.1Q, 802.1ad and sessions of PPPoE (RFC 2516): IP within them is not shown to `inet`.
const HIDING: [u32; 3] = [0x8100, 0x88a8, 0x8864];
/// IPv4, ARP, IPv6.
const IP: [u32; 3] = [0x0800, 0x0806, 0x86dd];

pub(super) fn table(rules: &Ruleset, ends: &Ends) -> Table {
    let on_frames = |name: &str| matches!(name, "isolated4" | "isolatedm");
    let sets = timed_sets().into_iter().filter(|s| on_frames(&s.name)).collect();
    let types = |list: &[u32]| is_in(Field::EtherType, list.iter().map(|t| Value::number(*t)).collect());
    let mut chains = Vec::new();
    let mut forward: Vec<Rule> = Vec::new();
    for field in [Field::EtherSource, Field::EtherTarget] {
        let mut rule = vec![in_set(field, "isolatedm")];
        rule.extend(count_drop("isolated"));
        forward.push(rule);
    }
    let mut arp = vec![in_set(Field::ArpSource, "isolated4")];
    arp.extend(count_drop("isolated"));
    forward.push(arp);
    forward.push(vec![types(&IP), verdict(Verdict::Accept)]);
    let mut hiding = vec![types(&HIDING)];
    hiding.extend(count_drop("hidden"));
    forward.push(hiding);
    let members = ends.members();
    let names = zone_names(rules);
    let mut from = Vec::new();
    for (mac, zone) in &members {
        let Some(name) = names.get(usize::from(*zone)) else {
            continue;
        };
        from.push((Value::Mac(*mac), Verdict::Goto(format!("frames_{name}"))));
    }
    for (id, name) in names.iter().enumerate() {
        let Ok(id) = ZoneId::try_from(id) else { continue };
        if members.values().any(|z| *z == id) {
            chains.push(from_zone(rules, &members, id, name));
        }
    }
    if !from.is_empty() {
        chains.push(chain("frames_denied", vec![count_drop("frame_violations")]));
        // Chains that are jumped to stand first.
        chains.rotate_right(1);
        forward.push(vec![Statement::Map {
            key: Field::EtherSource,
            entries: canonical_map(from),
        }]);
    }
    chains.push(base("forward", "forward", None, -200, true, forward));
    Table {
        family: Family::Bridge,
        counters: ["frame_violations", "hidden", "isolated"]
            .iter()
            .map(|c| (*c).to_owned())
            .collect(),
        sets,
        chains,
    }
}

/// Frames of a zone's members to members of zones; who is in no zone is not judged.
fn from_zone(rules: &Ruleset, members: &BTreeMap<Mac, ZoneId>, from: ZoneId, name: &str) -> Chain {
    let entry = |(mac, to): (&Mac, &ZoneId)| {
        let way = if allowed(rules, from, *to) {
            Verdict::Accept
        } else {
            Verdict::Goto("frames_denied".to_owned())
        };
        (Value::Mac(*mac), way)
    };
    let entries = canonical_map(members.iter().map(entry).collect());
    let rule = vec![Statement::Map {
        key: Field::EtherTarget,
        entries,
    }];
    chain(&format!("frames_{name}"), vec![rule])
}

/// Without ports only a conduit for everything carries a frame; conduits of single assets are
/// about their addresses.
fn allowed(rules: &Ruleset, from: ZoneId, to: ZoneId) -> bool {
    let zone = |id: ZoneId| rules.zones.get(usize::from(id));
    let (Some(a), Some(b)) = (zone(from), zone(to)) else {
        return false;
    };
    if from == to && !a.inside_denied {
        return true;
    }
    if from != to && (a.isolated || b.isolated) {
        return false;
    }
    let is = |peers: &[Peer], id: ZoneId| {
        peers
            .iter()
            .any(|p| matches!(p, Peer::EveryZone) || matches!(p, Peer::Zone(z) if *z == id))
    };
    rules.allows.iter().any(|allow| {
        is(&allow.from, from) && is(&allow.to, to) && allow.grants.iter().any(|g| g.ports.is_empty())
    })
}

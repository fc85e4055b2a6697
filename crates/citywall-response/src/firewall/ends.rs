//! Which packets come from, or go to, a zone or an asset: as rules.
//!
//! Owns: the same answer as `citywall_event::Context::locate` gives, in nftables: a declared
//! address first, then the network, then the hardware address. Does not own: what follows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use citywall_event::{AssetInfo, Mac, Prefix, ZoneId};
use citywall_policy::Ruleset;

use super::model::{Field, Right, Rule, Statement, Value, Verdict, canonical, canonical_map};

/// Named sets that the rules here look into.
pub(super) mod sets {
    /// All addresses of zones.
    pub const ZONED: &str = "zoned";
    /// All addresses that say where their owner lives: of zones, and declared ones.
    pub const KNOWN: &str = "known";
    /// Addresses with a local meaning.
    pub const PRIVATE: &str = "private";
}

/// One end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Target,
}

impl Side {
    fn ip4(self) -> Field {
        match self {
            Side::Source => Field::Ip4Source,
            Side::Target => Field::Ip4Target,
        }
    }

    fn ip6(self) -> Field {
        match self {
            Side::Source => Field::Ip6Source,
            Side::Target => Field::Ip6Target,
        }
    }

    fn ether(self) -> Field {
        match self {
            Side::Source => Field::EtherSource,
            Side::Target => Field::EtherTarget,
        }
    }
}

/// A match with a named set.
pub(super) fn in_set(field: Field, name: &str) -> Statement {
    Statement::Match {
        left: vec![field],
        not: false,
        right: Right::Set(name.to_owned()),
    }
}

/// A match with everything but a named set.
pub(super) fn not_in_set(field: Field, name: &str) -> Statement {
    Statement::Match {
        left: vec![field],
        not: true,
        right: Right::Set(name.to_owned()),
    }
}

/// A match with values.
pub(super) fn is_in(field: Field, values: Vec<Value>) -> Statement {
    Statement::Match {
        left: vec![field],
        not: false,
        right: Right::Values(canonical(values)),
    }
}

/// Members that are known by hardware address.
#[derive(Clone, Copy, Debug)]
struct Carrier {
    zone: Option<ZoneId>,
    asset: Option<usize>,
    /// It carries the traffic of others: only believed without an address.
    gateway: bool,
    /// Within its own zone it names the asset only where the asset declares no address.
    has_addresses: bool,
}

/// Everything that is known of addresses, the later declaration winning as in `Context`.
pub(super) struct Ends {
    /// Of each zone: networks, and declared addresses outside of them.
    zones: Vec<Vec<Value>>,
    /// Declared addresses.
    declared: BTreeMap<IpAddr, usize>,
    carriers: BTreeMap<Mac, Carrier>,
    /// Which sides have a hardware address to look at.
    bridge: bool,
}

impl Ends {
    pub(super) fn new(rules: &Ruleset, bridge: bool) -> Ends {
        let networks = |zone: &citywall_policy::RuledZone| {
            zone.networks
                .iter()
                .map(|n| Value::network(*n))
                .collect::<Vec<_>>()
        };
        let mut zones: Vec<Vec<Value>> = rules.zones.iter().map(networks).collect();
        let mut declared = BTreeMap::new();
        let mut place = BTreeMap::new();
        let mut carriers = BTreeMap::new();
        for (id, zone) in rules.zones.iter().enumerate() {
            for mac in &zone.macs {
                let carrier = Carrier {
                    zone: ZoneId::try_from(id).ok(),
                    asset: None,
                    gateway: false,
                    has_addresses: false,
                };
                carriers.insert(*mac, carrier);
            }
        }
        for (index, asset) in rules.assets.iter().enumerate() {
            for (ip, zone) in &asset.addresses {
                declared.insert(ip.to_canonical(), index);
                place.insert(ip.to_canonical(), *zone);
            }
            let carrier = Carrier {
                zone: asset.zone,
                asset: Some(index),
                gateway: asset.roles.iter().any(|r| r == "gateway"),
                has_addresses: !asset.addresses.is_empty(),
            };
            asset.macs.iter().for_each(|mac| {
                carriers.insert(*mac, carrier);
            });
        }
        for (ip, zone) in place {
            if let Some(values) = zone.and_then(|z| zones.get_mut(usize::from(z))) {
                values.push(Value::ip(ip));
            }
        }
        Ends {
            zones: zones.into_iter().map(canonical).collect(),
            declared,
            carriers,
            bridge,
        }
    }

    /// Addresses of a zone.
    pub(super) fn of_zone(&self, zone: ZoneId) -> &[Value] {
        self.zones.get(usize::from(zone)).map_or(&[], Vec::as_slice)
    }

    /// Addresses of all zones.
    pub(super) fn zoned(&self) -> Vec<Value> {
        canonical(self.zones.iter().flatten().copied().collect())
    }

    /// Addresses that say where their owner lives.
    pub(super) fn known(&self) -> Vec<Value> {
        let declared = self.declared.keys().map(|ip| Value::ip(*ip));
        canonical(self.zoned().into_iter().chain(declared).collect())
    }

    /// Hardware addresses of members of these zones that are believed for private addresses.
    pub(super) fn macs_of(&self, zones: &BTreeSet<ZoneId>) -> Vec<Value> {
        let of = |(mac, c): (&Mac, &Carrier)| {
            let in_zone = c.zone.is_some_and(|z| zones.contains(&z));
            (in_zone && !c.gateway).then_some(Value::Mac(*mac))
        };
        canonical(self.carriers.iter().filter_map(of).collect())
    }

    /// Every hardware address of a zone's member, for frames without IP.
    pub(super) fn members(&self) -> BTreeMap<Mac, ZoneId> {
        let of = |(mac, c): (&Mac, &Carrier)| Some((*mac, c.zone?));
        self.carriers.iter().filter_map(of).collect()
    }

    fn sees_mac(&self, side: Side) -> bool {
        !self.carriers.is_empty() && (side == Side::Source || self.bridge)
    }

    /// The two beginnings (IPv4, IPv6) of a rule about private addresses of no known place.
    fn homeless(&self, side: Side) -> [Rule; 2] {
        let one = |field, family: &str| {
            vec![
                not_in_set(field, &format!("{}{family}", sets::KNOWN)),
                in_set(field, &format!("{}{family}", sets::PRIVATE)),
            ]
        };
        [one(side.ip4(), "4"), one(side.ip6(), "6")]
    }

    /// Rules that look up the zone, and do what is said for it.
    pub(super) fn by_zone(&self, side: Side, verdicts: &BTreeMap<ZoneId, Verdict>) -> Vec<Rule> {
        let mut entries = Vec::new();
        for (zone, verdict) in verdicts {
            entries.extend(self.of_zone(*zone).iter().map(|v| (*v, verdict.clone())));
        }
        let mut rules = self.by_address(side, entries);
        if self.sees_mac(side) {
            let of = |(mac, c): (&Mac, &Carrier)| {
                let verdict = verdicts.get(&c.zone?)?;
                (!c.gateway).then(|| (Value::Mac(*mac), verdict.clone()))
            };
            let macs: Vec<_> = self.carriers.iter().filter_map(of).collect();
            rules.extend(self.homeless_map(side, macs));
        }
        rules
    }

    /// As `by_zone`, and by hardware address for those whose address says nothing.
    pub(super) fn by_zone_or_mac(&self, side: Side, verdicts: &BTreeMap<ZoneId, Verdict>) -> Vec<Rule> {
        let mut rules = self.by_zone(side, verdicts);
        if self.sees_mac(side) {
            let of = |(mac, c): (&Mac, &Carrier)| Some((Value::Mac(*mac), verdicts.get(&c.zone?)?.clone()));
            let entries = canonical_map(self.carriers.iter().filter_map(of).collect());
            if !entries.is_empty() {
                for mut rule in no_home(side) {
                    rule.push(Statement::Map {
                        key: side.ether(),
                        entries: entries.clone(),
                    });
                    rules.push(rule);
                }
            }
        }
        rules
    }

    /// Rules for what neither its address nor its hardware address says where it lives.
    pub(super) fn lives_nowhere(&self, side: Side, tail: &[Statement]) -> Vec<Rule> {
        let members: Vec<Value> = self.members().keys().map(|mac| Value::Mac(*mac)).collect();
        let strangers = (self.sees_mac(side) && !members.is_empty()).then(|| Statement::Match {
            left: vec![side.ether()],
            not: true,
            right: Right::Values(canonical(members)),
        });
        let finish = |mut rule: Rule| {
            rule.extend(strangers.clone());
            rule.extend_from_slice(tail);
            rule
        };
        no_home(side).into_iter().map(finish).collect()
    }

    /// Rules for addresses that stand for more than one host, or for the asker itself.
    pub(super) fn group_address(side: Side, tail: &[Statement]) -> Vec<Rule> {
        both(side, &GROUPS, tail)
    }

    /// Rules for addresses that say nothing about where a device lives.
    pub(super) fn no_home_address(side: Side, tail: &[Statement]) -> Vec<Rule> {
        both(side, &NO_HOME, tail)
    }

    /// Rules that look up the declared asset, and do what is said for it.
    pub(super) fn by_asset(&self, side: Side, verdicts: &BTreeMap<usize, Verdict>) -> Vec<Rule> {
        let of = |(ip, asset): (&IpAddr, &usize)| Some((Value::ip(*ip), verdicts.get(asset)?.clone()));
        let mut rules = self.by_address(side, self.declared.iter().filter_map(of).collect());
        if !self.sees_mac(side) {
            return rules;
        }
        let mut homeless = Vec::new();
        let mut inside: BTreeMap<ZoneId, Vec<(Value, Verdict)>> = BTreeMap::new();
        for (mac, carrier) in &self.carriers {
            let Some(verdict) = carrier.asset.and_then(|a| verdicts.get(&a)) else {
                continue;
            };
            if carrier.gateway {
                continue;
            }
            homeless.push((Value::Mac(*mac), verdict.clone()));
            if let Some(zone) = carrier.zone.filter(|_| !carrier.has_addresses) {
                inside
                    .entry(zone)
                    .or_default()
                    .push((Value::Mac(*mac), verdict.clone()));
            }
        }
        for (zone, entries) in inside {
            rules.extend(self.in_zone_map(side, zone, &entries));
        }
        rules.extend(self.homeless_map(side, homeless));
        rules
    }

    /// Members of the zone whose address is not another asset's, by hardware address.
    fn in_zone_map(&self, side: Side, zone: ZoneId, entries: &[(Value, Verdict)]) -> Vec<Rule> {
        let (v6, v4): (Vec<Value>, Vec<Value>) = self.of_zone(zone).iter().partition(|v| v.is_v6());
        let mut rules = Vec::new();
        for (field, values) in [(side.ip4(), v4), (side.ip6(), v6)] {
            if values.is_empty() {
                continue;
            }
            let mut rule = vec![is_in(field, values.clone())];
            let declared = self.declared.keys().map(|ip| Value::ip(*ip));
            let others: Vec<Value> = declared
                .filter(|one| values.iter().any(|v| v.holds(one)))
                .collect();
            if !others.is_empty() {
                rule.push(Statement::Match {
                    left: vec![field],
                    not: true,
                    right: Right::Values(canonical(others)),
                });
            }
            rule.push(Statement::Map {
                key: side.ether(),
                entries: canonical_map(entries.to_vec()),
            });
            rules.push(rule);
        }
        rules
    }

    fn homeless_map(&self, side: Side, macs: Vec<(Value, Verdict)>) -> Vec<Rule> {
        if macs.is_empty() {
            return Vec::new();
        }
        let entries = canonical_map(macs);
        let finish = |mut rule: Rule| {
            rule.push(Statement::Map {
                key: side.ether(),
                entries: entries.clone(),
            });
            rule
        };
        self.homeless(side).into_iter().map(finish).collect()
    }

    fn by_address(&self, side: Side, entries: Vec<(Value, Verdict)>) -> Vec<Rule> {
        let (v6, v4): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(v, _)| v.is_v6());
        let map = |key, entries: Vec<(Value, Verdict)>| {
            (!entries.is_empty()).then(|| {
                vec![Statement::Map {
                    key,
                    entries: canonical_map(entries),
                }]
            })
        };
        [map(side.ip4(), v4), map(side.ip6(), v6)]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Rules for what lies in a named group of zones: sets `NAME4`, `NAME6`, `NAMEm`.
    pub(super) fn in_group(&self, side: Side, name: &str, tail: &[Statement]) -> Vec<Rule> {
        let mut rules = Vec::new();
        for (field, family) in [(side.ip4(), "4"), (side.ip6(), "6")] {
            let mut rule = vec![in_set(field, &format!("{name}{family}"))];
            rule.extend_from_slice(tail);
            rules.push(rule);
        }
        if self.sees_mac(side) {
            for mut rule in self.homeless(side) {
                rule.push(in_set(side.ether(), &format!("{name}m")));
                rule.extend_from_slice(tail);
                rules.push(rule);
            }
        }
        rules
    }
}

/// Unspecified and link-local addresses (RFC 1122, RFC 3927, RFC 4291).
const NO_HOME: [(&str, u8); 4] = [("0.0.0.0", 32), ("169.254.0.0", 16), ("::", 128), ("fe80::", 10)];
/// Multicast, broadcast and loopback.
const GROUPS: [(&str, u8); 5] = [
    ("224.0.0.0", 4),
    ("255.255.255.255", 32),
    ("127.0.0.0", 8),
    ("ff00::", 8),
    ("::1", 128),
];

/// Networks by their text.
pub(super) fn networks(list: &[(&str, u8)]) -> Vec<Value> {
    let one = |(ip, length): &(&str, u8)| Prefix::new(ip.parse().ok()?, *length).map(Value::network);
    canonical(list.iter().filter_map(one).collect())
}

fn no_home(side: Side) -> Vec<Rule> {
    both(side, &NO_HOME, &[])
}

/// One rule a family.
fn both(side: Side, list: &[(&str, u8)], tail: &[Statement]) -> Vec<Rule> {
    let (v6, v4): (Vec<Value>, Vec<Value>) = networks(list).into_iter().partition(Value::is_v6);
    [(side.ip4(), v4), (side.ip6(), v6)]
        .into_iter()
        .map(|(field, values)| {
            let mut rule = vec![is_in(field, values)];
            rule.extend_from_slice(tail);
            rule
        })
        .collect()
}

/// Roles that no measure may cut off.
pub(super) fn is_infrastructure(roles: &[String]) -> bool {
    roles
        .iter()
        .any(|r| AssetInfo::INFRASTRUCTURE.contains(&r.as_str()))
}

//! Zones for a city that has no file yet.
//!
//! Owns: one zone for each network of the usual size in which devices were seen, and hints at what they
//! are. Does not own: conduits. How bad it is when a zone stops is for a person to say: until then it
//! counts as the worst.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use citywall_event::{Criticality, Prefix};

use super::Learner;
use crate::city::{City, Domain, Zone};
use crate::limits;
use crate::{Denied, Inspect, WhenDown};

/// Devices of one network.
#[derive(Default)]
struct Found {
    hosts: BTreeSet<IpAddr>,
    /// What its devices are asked for, and how many of them.
    serves: BTreeMap<String, BTreeSet<IpAddr>>,
    asks: BTreeMap<String, BTreeSet<IpAddr>>,
}

/// The city, and for each zone its name, network and hints.
pub(super) fn city(learner: &Learner) -> (City, Vec<(String, String, String)>) {
    let mut found: BTreeMap<Prefix, Found> = BTreeMap::new();
    for (talk, heard) in learner
        .talks
        .iter()
        .filter(|(_, h)| h.answered > 0 || !h.commands.is_empty())
    {
        let app = heard
            .app
            .clone()
            .unwrap_or_else(|| match (talk.protocol, talk.port) {
                (6, Some(port)) => format!("tcp/{port}"),
                (17, Some(port)) => format!("udp/{port}"),
                _ => "icmp".to_owned(),
            });
        for (ip, serves) in [(talk.from.ip, false), (talk.to.ip, true)] {
            let Some(network) = network(ip) else { continue };
            if found.len() >= limits::ZONES && !found.contains_key(&network) {
                continue;
            }
            let zone = found.entry(network).or_default();
            zone.hosts.insert(ip);
            let list = if serves { &mut zone.serves } else { &mut zone.asks };
            list.entry(app.clone()).or_default().insert(ip);
        }
    }
    let mut city = empty();
    city.domains.push(Domain {
        name: "city".to_owned(),
        department: String::new(),
        line: 1,
    });
    let mut told = Vec::new();
    for (network, zone) in found {
        let name = format!(
            "net-{}",
            network
                .first()
                .to_string()
                .replace(['.', ':'], "-")
                .trim_end_matches('-')
        );
        let busiest = |list: &BTreeMap<String, BTreeSet<IpAddr>>| {
            let mut by: Vec<(usize, &String)> = list.iter().map(|(app, who)| (who.len(), app)).collect();
            by.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
            by.iter()
                .take(3)
                .map(|(n, app)| format!("{app} ({n})"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let (serves, asks) = (busiest(&zone.serves), busiest(&zone.asks));
        let mut hint = super::text::devices(zone.hosts.len());
        for (what, list) in [("; asked for ", serves), ("; asking for ", asks)] {
            if !list.is_empty() {
                hint.push_str(what);
                hint.push_str(&list);
            }
        }
        told.push((name.clone(), network.to_string(), hint));
        city.zones.push(Zone {
            name,
            domain: 0,
            networks: vec![network],
            macs: Vec::new(),
            criticality: Criticality::Safety,
            inside_denied: false,
            isolated: false,
            when_down: WhenDown::default(),
            inspect: Inspect::default(),
            denied: Denied::default(),
            line: 1,
        });
    }
    (city, told)
}

/// A city of which nothing is known yet.
pub(super) fn empty() -> City {
    City {
        file: "proposal".to_owned(),
        name: "Proposed".to_owned(),
        ..City::default()
    }
}

/// The network of usual size around a private address; public ones are outside.
fn network(ip: IpAddr) -> Option<Prefix> {
    let private = match ip {
        IpAddr::V4(v4) => v4.is_private() || v4.to_bits() >> 22 == 0x6440_0000 >> 22,
        IpAddr::V6(v6) => v6.is_unique_local(),
    };
    let length = if ip.is_ipv4() { 24 } else { 64 };
    private.then(|| Prefix::containing(ip, length)).flatten()
}

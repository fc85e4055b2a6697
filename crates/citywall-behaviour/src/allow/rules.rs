//! What a list allows as rules: who is reached by somebody new, and who reaches somebody new.
//!
//! Owns: the text, in the rule language of `citywall-rules` (and of Suricata). Rules speak of addresses and
//! ports; commands, values and hours stay in the list. Does not own: the language.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;

use super::list::{AllowList, DYNAMIC};
use super::peer::Peer;

/// What is sent to many reaches nobody in particular.
const TO_MANY: [&str; 3] = ["224.0.0.0/4", "255.255.255.255", "ff00::/8"];

impl AllowList {
    /// The rules, numbered from `sid` on. `addresses` gives those of an asset.
    pub fn rules(&self, sid: u32, addresses: &dyn Fn(&Peer) -> Vec<IpAddr>) -> String {
        let of = |peer: &Peer| match peer {
            Peer::Ip(ip) => vec![*ip],
            Peer::Asset(_) => addresses(peer),
            Peer::Mac(_) | Peer::Name(_) | Peer::Outside => Vec::new(),
        };
        let mut served: BTreeMap<(&Peer, &str, u16), BTreeSet<IpAddr>> = BTreeMap::new();
        let mut reached: BTreeMap<&Peer, (BTreeSet<IpAddr>, bool)> = BTreeMap::new();
        let closed = self.devices.iter().filter(|d| !d.open);
        reached.extend(closed.map(|d| (&d.peer, Default::default())));
        let allowed = self.talks.iter().filter(|talk| talk.seen.doubt.is_none());
        for talk in allowed {
            let carrier = match talk.protocol {
                6 => "tcp",
                17 => "udp",
                _ => continue,
            };
            for from in self.members(&talk.from) {
                for to in self.members(&talk.to) {
                    if let Some((peers, names)) = reached.get_mut(from) {
                        peers.extend(of(to));
                        *names |= matches!(to, Peer::Name(_));
                    }
                    if reached.contains_key(to) && talk.port != 0 {
                        served
                            .entry((to, carrier, talk.port))
                            .or_default()
                            .extend(of(from));
                    }
                }
            }
        }
        let mut text =
            "# Made of a learned allow-list. Rules know addresses and ports; the list itself knows more.\n"
                .to_owned();
        let mut sid = sid;
        // Writing to a string does not fail.
        let mut rule = |head: String, message: String| {
            let message: String = message
                .chars()
                .filter(|c| !matches!(c, '"' | ';' | '\\'))
                .collect();
            let message = super::sentence::clean(&message);
            let _ = writeln!(
                text,
                "alert {head} (msg:\"Allow-list: {message}\"; flow:to_server; classtype:policy-violation; sid:{sid}; rev:1;)"
            );
            sid += 1;
        };
        for ((peer, carrier, port), by) in &served {
            let port_text = match *port {
                DYNAMIC => format!("{DYNAMIC}:65535"),
                port => port.to_string(),
            };
            if let (Some(own), false) = (group(of(peer), &[]), by.is_empty()) {
                let by: Vec<String> = by.iter().map(IpAddr::to_string).collect();
                rule(
                    format!("{carrier} ![{}] any -> {own} {port_text}", by.join(",")),
                    format!("{} is contacted on {carrier}/{port} by somebody new", peer.text()),
                );
            }
        }
        for (peer, (to, names)) in &reached {
            let (Some(own), Some(to)) = (group(of(peer), &[]), group(to.iter().copied(), &TO_MANY)) else {
                continue;
            };
            // Names have no address that a rule could hold: then only the city's own are meant.
            let to = match names {
                true => format!("[$HOME_NET,!{to}]"),
                false => format!("!{to}"),
            };
            for carrier in ["tcp", "udp"] {
                rule(
                    format!("{carrier} {own} any -> {to} any"),
                    format!("{} contacts somebody new by {carrier}", peer.text()),
                );
            }
        }
        text
    }
}

fn group(addresses: impl IntoIterator<Item = IpAddr>, more: &[&str]) -> Option<String> {
    let all: BTreeSet<String> = addresses.into_iter().map(|ip| ip.to_string()).collect();
    let all: Vec<String> = all
        .into_iter()
        .chain(more.iter().map(|s| (*s).to_owned()))
        .collect();
    (!all.is_empty()).then(|| format!("[{}]", all.join(",")))
}

//! What a device is allowed as a MUD file: Manufacturer Usage Description, RFC 8520, over the access lists
//! of RFC 8519.
//!
//! Owns: the mapping. MUD speaks of addresses, names and ports: commands, values and hours have no place in
//! it and stay in the list. Does not own: which addresses a declared asset has.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::list::{AllowList, DYNAMIC, End, Talk};
use super::peer::Peer;
use super::sentence::clean;

/// `systeminfo` has at most so many bytes (RFC 8520, section 3.12).
const SYSTEM_INFO: usize = 60;

/// What stands at the other side.
enum Other {
    Name(String),
    Network(IpAddr),
}

impl AllowList {
    /// The MUD file of one device; `url` is where it will be served. `addresses` gives those of an asset.
    /// `None` where the list does not have the device.
    pub fn mud(&self, peer: &Peer, url: &str, addresses: &dyn Fn(&Peer) -> Vec<IpAddr>) -> Option<Value> {
        let device = self.devices.iter().find(|d| d.peer == *peer)?;
        let kind = device.kind.and_then(|k| self.kinds.get(usize::from(k)));
        let is = |end: &End| match end {
            End::Kind(kind) => device.kind == Some(*kind),
            End::Peer(own) => own == peer,
        };
        let mut aces: [[BTreeSet<String>; 2]; 2] = Default::default();
        let allowed = self.talks.iter().filter(|talk| talk.seen.doubt.is_none());
        for talk in allowed {
            let mut pairs = Vec::new();
            if is(&talk.from) {
                pairs.push((&talk.to, true));
            }
            if is(&talk.to) {
                pairs.push((&talk.from, false));
            }
            for (end, begins) in pairs {
                for other in self.others(end, peer, addresses) {
                    for (version, lists) in aces.iter_mut().enumerate() {
                        if matches!(&other, Other::Network(ip) if ip.is_ipv4() != (version == 0)) {
                            continue;
                        }
                        for (way, list) in lists.iter_mut().enumerate() {
                            list.insert(matches(talk, &other, begins, version, way == 0).to_string());
                        }
                    }
                }
            }
        }
        let mut info = clean(&format!(
            "{} {}",
            peer.text(),
            kind.map(|k| k.text()).unwrap_or_default()
        ));
        info.truncate(info.floor_char_boundary(SYSTEM_INFO));
        let mut mud = json!({
            "mud-version": 1,
            "mud-url": url,
            "last-update": rfc3339(self.span.1),
            "cache-validity": 48,
            "is-supported": true,
            "systeminfo": info.trim_end(),
        });
        if let Some(kind) = kind.filter(|kind| !kind.maker.is_empty()) {
            mud["mfg-name"] = Value::from(clean(&kind.maker));
        }
        let mut acls = Vec::new();
        for (way, policy) in ["from-device-policy", "to-device-policy"].into_iter().enumerate() {
            let mut names = Vec::new();
            for (version, lists) in aces.iter().enumerate() {
                let list = &lists[way];
                if list.is_empty() {
                    continue;
                }
                let name = format!(
                    "mud-v{}-{}",
                    if version == 0 { 4 } else { 6 },
                    if way == 0 { "fr" } else { "to" }
                );
                let entries: Vec<Value> = list
                    .iter()
                    .enumerate()
                    .map(|(number, matches)| {
                        let matches: Value = serde_json::from_str(matches).unwrap_or_default();
                        let name = format!("{name}-{number}");
                        json!({ "name": name, "matches": matches, "actions": { "forwarding": "accept" } })
                    })
                    .collect();
                acls.push(json!({
                    "name": name,
                    "type": if version == 0 { "ipv4-acl-type" } else { "ipv6-acl-type" },
                    "aces": { "ace": entries },
                }));
                names.push(json!({ "name": name }));
            }
            mud[policy] = json!({ "access-lists": { "access-list": names } });
        }
        Some(json!({
            "ietf-mud:mud": mud,
            "ietf-access-control-list:acls": { "acl": acls },
        }))
    }

    fn others(&self, end: &End, own: &Peer, addresses: &dyn Fn(&Peer) -> Vec<IpAddr>) -> Vec<Other> {
        let mut others = Vec::new();
        for peer in self.members(end).into_iter().filter(|peer| *peer != own) {
            match peer {
                Peer::Name(name) if is_domain(name) => others.push(Other::Name(name.clone())),
                Peer::Ip(ip) => others.push(Other::Network(*ip)),
                Peer::Asset(_) => others.extend(addresses(peer).into_iter().map(Other::Network)),
                // MUD's lists are of IP and of domain names (RFC 6991); whoever calls from outside has
                // neither.
                Peer::Name(_) | Peer::Mac(_) | Peer::Outside => {}
            }
        }
        others
    }
}

/// The match of one entry: to where (from the device), or from where (to the device).
fn matches(talk: &Talk, other: &Other, begins: bool, version: usize, from_device: bool) -> Value {
    let (ip, family) = if version == 0 {
        ("ipv4", "ipv4")
    } else {
        ("ipv6", "ipv6")
    };
    let side = if from_device { "destination" } else { "source" };
    let mut layer3 = json!({ "protocol": talk.protocol });
    match other {
        Other::Name(name) => {
            let short = if from_device { "dst" } else { "src" };
            layer3[format!("ietf-acldns:{short}-dnsname")] = Value::from(name.as_str());
        }
        Other::Network(address) => {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            layer3[format!("{side}-{family}-network")] = Value::from(format!("{address}/{bits}"));
        }
    }
    let mut found = json!({ ip: layer3 });
    let layer4 = match talk.protocol {
        6 => "tcp",
        17 => "udp",
        _ => return found,
    };
    // The service's port is the other's where the device begins, else the device's own.
    let port = if begins == from_device {
        "destination-port"
    } else {
        "source-port"
    };
    let mut of = json!({});
    if talk.port == DYNAMIC {
        of[port] = json!({ "lower-port": DYNAMIC, "upper-port": 65_535 });
    } else if talk.port != 0 {
        of[port] = json!({ "operator": "eq", "port": talk.port });
    }
    if talk.protocol == 6 {
        let who = if begins { "from-device" } else { "to-device" };
        of["ietf-mud:direction-initiated"] = Value::from(who);
    }
    found[layer4] = of;
    found
}

/// `inet:domain-name` of RFC 6991: labels of letters, digits, `-` and `_`.
fn is_domain(name: &str) -> bool {
    let label = |label: &str| {
        let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|c| plain(*c) || *c == b'-')
            && plain(bytes[0])
            && plain(bytes[bytes.len() - 1])
    };
    name.len() <= 253 && name.trim_end_matches('.').split('.').all(label)
}

/// A date and time of RFC 3339, whole seconds.
fn rfc3339(at: citywall_event::Nanos) -> String {
    let mut text = Vec::new();
    citywall_event::json::time(&mut text, at);
    let text = String::from_utf8_lossy(&text).into_owned();
    format!("{}Z", text.get(..19).unwrap_or("1970-01-01T00:00:00"))
}

//! Who claims to be whom on a link.
//!
//! Owns: addresses that move from one hardware address to another while the first still speaks, or
//! against what the city file says. Does not own: devices (inventory).

use std::net::IpAddr;

use smallvec::SmallVec;

use citywall_event::{
    Behaviour, Body, Context, Event, Mac, Nanos, Order, Side, SightingTrait, Technique, say,
};

use crate::recent::Recent;

/// Former holders of an address that are remembered.
const FORMER: usize = 4;

/// How much is remembered, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdentityLimits {
    /// An address that was silent for this long may have moved, nanoseconds.
    pub silent: Nanos,
    /// Addresses that are remembered.
    pub addresses: usize,
}

impl Default for IdentityLimits {
    fn default() -> IdentityLimits {
        IdentityLimits {
            silent: 300_000_000_000,
            addresses: 16_384,
        }
    }
}

/// Finds addresses that somebody else claims.
#[derive(Debug)]
pub struct IdentityWatch {
    limits: IdentityLimits,
    owners: Recent<IpAddr, Owner>,
}

#[derive(Debug, Default)]
struct Owner {
    mac: Option<Mac>,
    last: Nanos,
    first_claim: Option<Order>,
    told: Option<Mac>,
    /// Who had it before it moved: who comes back to what was its own claims nothing.
    former: SmallVec<[Mac; 1]>,
}

impl IdentityWatch {
    /// Has heard nothing.
    pub fn new(limits: IdentityLimits) -> IdentityWatch {
        IdentityWatch {
            limits,
            owners: Recent::new(limits.addresses),
        }
    }

    /// Addresses that were forgotten for lack of room.
    pub fn forgotten(&self) -> u64 {
        self.owners.forgotten()
    }

    /// Takes one event; the `Behaviour` is about its `src`, whose MAC claims the address.
    pub fn observe(&mut self, event: &Event, context: &Context) -> Option<Behaviour> {
        let Body::Sighting(sighting) = &event.body else {
            return None;
        };
        let claims = sighting.trait_ == SightingTrait::Address && sighting.side == Side::Source;
        // A DHCP answer is said by the server about another.
        if !claims || sighting.evidence != "arp.src_ip" {
            return None;
        }
        let mac = event.subject.src_mac?;
        let ip: IpAddr = sighting.value.parse().ok()?;
        let declared = context
            .locate(Some(ip), None)
            .asset
            .and_then(|id| context.asset(id));
        let owner = self.owners.entry(ip);
        let (known, by_file) = match declared.filter(|a| !a.macs.is_empty()) {
            Some(asset) if asset.macs.contains(&mac) => {
                owner.keep(mac, event);
                return None;
            }
            Some(asset) => (asset.macs[0], true),
            None => {
                let fresh = event.at.saturating_sub(owner.last) <= self.limits.silent;
                match owner.mac {
                    Some(before) if before != mac && fresh => (before, false),
                    _ => {
                        owner.keep(mac, event);
                        return None;
                    }
                }
            }
        };
        if !by_file && owner.former.contains(&mac) {
            // It comes back to what was its own. Who took the address up meanwhile claims it from here on.
            owner.former.retain(|former| *former != mac);
            owner.mac = None;
            owner.keep(mac, event);
            return None;
        }
        if owner.told == Some(mac) {
            return None;
        }
        owner.told = Some(mac);
        let name = declared.map_or_else(|| ip.to_string(), |asset| format!("{} ({ip})", asset.name));
        let text = |mac: Mac| mac.map(|b| format!("{b:02x}")).join(":");
        let gateway = declared.is_some_and(citywall_event::AssetInfo::is_infrastructure);
        Some(Behaviour {
            kind: "address_claimed",
            reason: say!(
                "claims-to-be",
                "{who} claims to be {whom}; {before}: what is sent to it may be read and changed on its way",
                who = text(mac),
                whom = name,
                before = match by_file {
                    true => say!("city-file-says", "the city file says {mac}", mac = text(known)),
                    false => say!("until-now", "until now it was {mac}", mac = text(known)),
                }
            ),
            score: if gateway { 0.99 } else { 0.9 },
            features: vec![("infrastructure", f64::from(u8::from(gateway)))],
            technique: Some(Technique::ADVERSARY_IN_THE_MIDDLE),
            evidence: owner.first_claim.into_iter().chain([event.order]).collect(),
        })
    }
}

impl Owner {
    fn keep(&mut self, mac: Mac, event: &Event) {
        if let Some(before) = self.mac.filter(|before| *before != mac)
            && !self.former.contains(&before)
        {
            if self.former.len() >= FORMER {
                self.former.remove(0);
            }
            self.former.push(before);
        }
        self.mac = Some(mac);
        self.last = event.at;
        self.first_claim = Some(event.order);
    }
}

//! `Ruleset`: the policy as a plain value, for enforcing.
//!
//! Owns: its shape and its golden text. The rule that is never written down: between zones, and
//! between a zone and "outside", what no entry allows is denied. Does not own: how it is enforced.

use std::fmt;
use std::net::IpAddr;

use citywall_event::{Criticality, Grant, Mac, OUTSIDE, Ports, Prefix, ZoneId};

use crate::{Denied, Inspect, WhenDown};

/// Who may reach whom. Equal cities give equal rulesets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ruleset {
    /// The city's name.
    pub city: String,
    /// Zones by `ZoneId`.
    pub zones: Vec<RuledZone>,
    /// What is allowed, in the order of the city file. Order has no meaning.
    pub allows: Vec<Allow>,
    /// Declared assets: a `Peer::Hosts` is one of them, by name.
    pub assets: Vec<RuledAsset>,
    /// From where the networks and this machine are run: the way to these is never cut.
    pub management: Vec<Peer>,
}

/// A declared asset as far as enforcing goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuledAsset {
    /// Its name.
    pub name: String,
    /// Its zone; `None` = outside.
    pub zone: Option<ZoneId>,
    /// Its addresses, each with the zone that it lies in.
    pub addresses: Vec<(IpAddr, Option<ZoneId>)>,
    /// Its hardware addresses.
    pub macs: Vec<Mac>,
    /// What it is.
    pub roles: Vec<String>,
}

/// A zone as far as enforcing goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuledZone {
    /// Its name.
    pub name: String,
    /// Its networks; no two zones overlap.
    pub networks: Vec<Prefix>,
    /// Members by hardware address.
    pub macs: Vec<Mac>,
    /// How bad it is when it stops.
    pub criticality: Criticality,
    /// Nothing may cross its border, whatever `allows` says.
    pub isolated: bool,
    /// Members reach each other only as `allows` says.
    pub inside_denied: bool,
    /// What holds at its border while the wall is down.
    pub when_down: WhenDown,
    /// What happens to its inspected conversations when the inspection is dead or late.
    pub inspect: Inspect,
    /// How a denied command to it is answered.
    pub denied: Denied,
}

/// One end of an `Allow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Every zone but "outside".
    EveryZone,
    /// What is in no zone.
    Outside,
    /// A zone.
    Zone(ZoneId),
    /// A declared asset.
    Hosts {
        /// Its name.
        name: String,
        /// Its addresses.
        addresses: Vec<IpAddr>,
        /// Its hardware addresses.
        macs: Vec<Mac>,
    },
}

/// One conduit: any of `from` may open what any of `grants` says with any of `to`.
#[derive(Clone, Debug, PartialEq)]
pub struct Allow {
    /// Who may begin.
    pub from: Vec<Peer>,
    /// With whom.
    pub to: Vec<Peer>,
    /// What; a grant with commands needs the conversation to be inspected.
    pub grants: Vec<Grant>,
    /// Why, as the city file says; may be empty.
    pub reason: String,
    /// Line of the city file.
    pub line: u32,
}

impl Ruleset {
    /// The declared assets of a role: `gateway`, `dns`, `dhcp`, `ntp`, `update`, `management`,
    /// `sensor`, or a word of the city's own.
    pub fn assets_of<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'a RuledAsset> {
        self.assets
            .iter()
            .filter(move |asset| asset.roles.iter().any(|r| r == role))
    }

    fn peer(&self, peer: &Peer) -> String {
        match peer {
            Peer::EveryZone => "*".to_owned(),
            Peer::Outside => OUTSIDE.to_owned(),
            Peer::Zone(id) => self
                .zones
                .get(usize::from(*id))
                .map_or_else(|| "?".to_owned(), |z| z.name.clone()),
            Peer::Hosts { name, .. } => format!("asset {name}"),
        }
    }
}

/// The golden text: one line a zone, one a peer of the management, then one line a grant.
impl fmt::Display for Ruleset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "ruleset of {}: between zones, deny but for", self.city)?;
        for zone in &self.zones {
            write!(f, "zone {} {}", zone.name, zone.criticality.name())?;
            zone.networks.iter().try_for_each(|n| write!(f, " {n}"))?;
            if !zone.macs.is_empty() {
                write!(f, " +{} macs", zone.macs.len())?;
            }
            if zone.isolated {
                write!(f, " isolated")?;
            }
            if zone.inside_denied {
                write!(f, " inside-denied")?;
            }
            if zone.when_down != WhenDown::default() {
                write!(f, " when-down-{}", zone.when_down.name())?;
            }
            if zone.inspect != Inspect::default() {
                write!(f, " inspect-{}", zone.inspect.name())?;
            }
            if zone.denied != Denied::default() {
                write!(f, " denied-{}", zone.denied.name())?;
            }
            writeln!(f)?;
        }
        for peer in &self.management {
            writeln!(f, "management {}", self.peer(peer))?;
        }
        for allow in &self.allows {
            let side = |peers: &[Peer]| peers.iter().map(|p| self.peer(p)).collect::<Vec<_>>().join(",");
            let (from, to) = (side(&allow.from), side(&allow.to));
            for grant in &allow.grants {
                write!(f, "allow {from} -> {to}")?;
                write_ports(f, &grant.ports)?;
                writeln!(f, " ({})", grant.text)?;
            }
        }
        Ok(())
    }
}

fn write_ports(f: &mut fmt::Formatter<'_>, ports: &[Ports]) -> fmt::Result {
    if ports.is_empty() {
        return write!(f, " anything");
    }
    for run in ports {
        match run.protocol {
            1 => write!(f, " icmp")?,
            58 => write!(f, " icmpv6")?,
            protocol => {
                write!(f, " {}/{}", if protocol == 6 { "tcp" } else { "udp" }, run.first)?;
                if run.last != run.first {
                    write!(f, "-{}", run.last)?;
                }
            }
        }
    }
    Ok(())
}

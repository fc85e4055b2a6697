//! The city file of a topology, as text.
//!
//! Owns: its lines. Does not own: what they mean (the product reads them, and refuses what is wrong).

use std::fmt::Write;

use crate::topology::{OUTSIDE, Topology};

/// Writes the city file. `more` is put behind it as it is: what a scenario declares on its own.
pub(crate) fn write(topology: &Topology, more: &str) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = lines(topology, &mut text);
    text.push_str(more);
    text
}

fn lines(topology: &Topology, text: &mut String) -> std::fmt::Result {
    writeln!(text, "# {}, drawn from seed {}.", topology.name, topology.seed)?;
    writeln!(text, "\n[city]\nname = {:?}", topology.name)?;
    let mut domains: Vec<&str> = topology.zones.iter().map(|z| z.domain).collect();
    domains.dedup();
    domains.retain(|d| !d.is_empty());
    for domain in domains {
        writeln!(text, "\n[[domain]]\nname = {domain:?}")?;
    }
    for zone in topology.zones.iter().filter(|z| z.name != OUTSIDE) {
        let [a, b, c] = zone.network;
        writeln!(
            text,
            "\n[[zone]]\nname = {:?}\ndomain = {:?}",
            zone.name, zone.domain
        )?;
        writeln!(
            text,
            "networks = [\"{a}.{b}.{c}.0/24\"]\ncriticality = {:?}",
            zone.criticality
        )?;
    }
    for host in topology.hosts.iter().filter(|h| !h.role.is_empty()) {
        writeln!(
            text,
            "\n[[asset]]\nname = {:?}\naddress = \"{}\"",
            host.name, host.address
        )?;
        writeln!(text, "mac = {:?}\nrole = {:?}", host.mac, host.role)?;
    }
    let gateways: Vec<String> = topology
        .zones
        .iter()
        .map(|z| format!("{:?}", z.gateway().to_string()))
        .collect();
    writeln!(
        text,
        "\n[[asset]]\nname = \"wall\"\naddress = [{}]",
        gateways.join(", ")
    )?;
    writeln!(
        text,
        "zone = \"data-centre\"\nrole = [\"gateway\", \"management\"]"
    )?;
    for conduit in &topology.conduits {
        writeln!(
            text,
            "\n[[conduit]]\nfrom = {:?}\nto = {:?}",
            conduit.from, conduit.to
        )?;
        writeln!(text, "allow = {:?}\nreason = {:?}", conduit.allow, conduit.reason)?;
    }
    for (name, needs, criticality) in &topology.services {
        writeln!(
            text,
            "\n[[service]]\nname = {name:?}\ndepends_on = {needs:?}\ncriticality = {criticality:?}"
        )?;
    }
    writeln!(
        text,
        "\n[[person]]\nname = \"Ada Lindqvist\"\ndepartment = \"Security\""
    )?;
    writeln!(
        text,
        "roles = [\"operator\", \"approver\", \"administrator\"]\nunix = \"root\""
    )
}

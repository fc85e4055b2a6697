//! The city file of a topology, as text.
//!
//! Owns: its lines. Does not own: what they mean (the product reads them, and refuses what is wrong).

use std::fmt::Write;

use crate::topology::{Conduit, OUTSIDE, Topology};

/// Writes the city file.
pub(crate) fn write(topology: &Topology) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = lines(topology, &mut text);
    text
}

/// The same city as it was before anybody thought of conduits: everybody may reach everybody.
pub(crate) fn write_open(topology: &Topology) -> String {
    let anybody = |from: &'static str, to: &'static str| Conduit {
        from: vec![from],
        to: vec![to],
        allow: vec!["any"],
        reason: "not yet segmented",
    };
    let conduits = vec![anybody("*", "*"), anybody("*", OUTSIDE), anybody(OUTSIDE, "*")];
    write(&Topology {
        conduits,
        ..topology.clone()
    })
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
    let macs: Vec<String> = (0..topology.zones.len()).map(crate::network::mac).collect();
    writeln!(text, "mac = {macs:?}")?;
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

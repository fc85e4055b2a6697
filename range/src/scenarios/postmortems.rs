//! Five public post-mortems, as they would happen to this city; each ends safe.
//!
//! Owns: their transfer. What really happened is told in `docs/range.md`.

use super::*;

fn forbidden_set(city: &Topology, at: &str, to: &str) -> Part {
    let step = Step::Snmp {
        to: ip(city, to),
        community: "public".to_owned(),
        oid: SIGNAL_PLAN.to_owned(),
    };
    Part::repeated(at, 0, 100, 100, step)
}

pub(super) static R2_TAKE_DOWN: Scenario = Scenario {
    name: "r2-take-down",
    title: "A report about one page must not take the whole records server down (Cloudflare R2, 2025-02)",
    lesson: "An abuse desk wanted one page gone and switched off a product for 59 minutes. Here a playbook asks \
             to isolate the server because somebody abuses one of its pages: the wards need it. Only the abuser may lose anything.",
    attack: |city| vec![forbidden_set(city, "kiosk", "junction-1")],
    detected: &[Detected::Incident("kiosk")],
    done: &[
        Done::Action(DENY, "kiosk"),
        Done::Stops("snmp"),
        Done::Refused("records"),
    ],
    touched: &["kiosk"],
    twist: Twist::GreedyProposal("records"),
    ..BASE
};

pub(super) static C_291: Scenario = Scenario {
    name: "c-291",
    title: "An update of the rules matches everything (CrowdStrike channel file 291, 2024-07)",
    lesson: "The update is right in form. Every packet of the city is now an attack of the worst kind. Look at \
             how many devices the wall touches all the same, and that none of them is one that people depend \
             on.",
    attack: |city| vec![forbidden_set(city, "kiosk", "junction-1")],
    detected: &[Detected::Alert(9_100_091), Detected::Incident("kiosk")],
    done: &[Done::Action(DENY, "kiosk"), Done::Stops("snmp"), Done::AtMost(3)],
    touched: &["kiosk"],
    twist: Twist::RulesForEverything,
    ..BASE
};

pub(super) static BOT_FILE: Scenario = Scenario {
    name: "bot-file",
    title: "A file of the wall's own comes with an absurd size (Cloudflare bot management, 2025-11)",
    lesson: "A file that doubled in size took a network down, because whoever read it trusted it. Look at the \
             log: the file is refused by its size, the old one stays in force, and the attack that comes \
             meanwhile is answered as always.",
    attack: |city| vec![forbidden_set(city, "kiosk", "junction-2")],
    detected: &[
        Detected::Log("the old files stay in force"),
        Detected::Incident("kiosk"),
    ],
    done: &[Done::Action(DENY, "kiosk"), Done::Stops("snmp")],
    touched: &["kiosk"],
    twist: Twist::HugeConfiguration,
    ..BASE
};

pub(super) static STALE_BLOCKS: Scenario = Scenario {
    name: "stale-blocks",
    title: "An emergency block must not outlive its emergency (GitHub, 2026-01)",
    lesson: "Blocks that were set in an incident years ago hit users who had done nothing. Here nobody takes \
             the block back: look at the time to live that it had from the first moment, and at the rules after \
             it is over.",
    attack: |city| vec![forbidden_set(city, "office-1", "junction-3")],
    detected: &[Detected::Incident("office-1")],
    done: &[Done::Action(DENY, "office-1"), Done::Stops("snmp")],
    touched: &["office-1"],
    undone: Undone::Time,
    ..BASE
};

pub(super) static GATEWAY_BAN: Scenario = Scenario {
    name: "gateway-ban",
    title: "Everything bad seems to come from the gateway (CrowdSec's ban of LAN gateways)",
    lesson: "Behind an address translation every attacker has the gateway's address. A wall that bans it bans \
             the city. Look at the sentence with which the wall declines, and at all work that goes on.",
    attack: |city| {
        let gateway = city
            .zones
            .iter()
            .find(|z| z.name == "offices")
            .map(crate::topology::Zone::gateway);
        let forged = Step::Flood {
            to: ip(city, "junction-1"),
            port: 161,
            sources: vec![gateway.unwrap_or(Ipv4Addr::LOCALHOST)],
            burst: 30,
        };
        vec![
            Part::repeated("stranger", 0, 80, 50, forged),
            forbidden_set(city, "kiosk", "junction-2"),
        ]
    },
    detected: &[Detected::Violation, Detected::Incident("kiosk")],
    done: &[Done::Action(DENY, "kiosk"), Done::Stops("snmp")],
    touched: &["kiosk"],
    ..BASE
};

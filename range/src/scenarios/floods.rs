//! Floods, from inside and from outside.
//!
//! Owns: who floods whom, and what must still get through.

use super::*;

/// The product's words for what these are.
const FLOODS: &[&str] = &["udp_flood", "packet_flood", "outbound_flood", "carpet_flood"];

pub(super) static FLOOD_FROM_INSIDE: Scenario = Scenario {
    name: "flood-from-inside",
    title: "A lamp that was taken over floods the broker of all lamps",
    lesson: "Whoever sends the flood, the flooded one is spared first: what opens anew with the broker is \
             limited, what is established goes on. The other lamps must be heard all the time. The limit ends with the flood.",
    attack: |city| {
        let flood = Step::Flood {
            to: ip(city, "broker"),
            port: 1_883,
            sources: vec![],
            burst: 150,
        };
        vec![Part::repeated("lamp-3", 0, 600, 10, flood)]
    },
    detected: &[Detected::Behaviour(FLOODS)],
    done: &[Done::Action(&["limit-rate"], "broker")],
    touched: &["lamp-3"],
    undone: Undone::Calm,
    watched: 6_000,
    ..BASE
};

pub(super) static FLOOD_FROM_OUTSIDE: Scenario = Scenario {
    name: "flood-from-outside",
    title: "A stranger floods the citizens' forms from invented addresses",
    lesson: "Blocking the senders would block whomever the stranger names. Look at what is limited instead: \
             what arrives at the flooded server, while the wards go on using it.",
    attack: |city| {
        let sources = (0..200).map(|n| Ipv4Addr::new(203, 0, 113, 10 + n)).collect();
        let flood = Step::Flood {
            to: ip(city, "forms"),
            port: 9_000,
            sources,
            burst: 500,
        };
        let target = ip(city, "forms").to_string();
        let words = [
            "--udp",
            "--rand-source",
            "-q",
            "-i",
            "u1000",
            "-c",
            "5000",
            "-p",
            "9001",
        ];
        let hping3 = Step::Tool {
            program: "hping3".to_owned(),
            arguments: words
                .iter()
                .copied()
                .chain([target.as_str()])
                .map(str::to_owned)
                .collect(),
        };
        vec![
            Part::repeated("stranger", 0, 600, 10, flood),
            Part::once("stranger", hping3),
        ]
    },
    detected: &[Detected::Behaviour(FLOODS)],
    done: &[Done::Action(&["limit-rate"], "forms")],
    touched: &[],
    undone: Undone::Calm,
    watched: 6_000,
    ..BASE
};

/// What honest people do while the forms are flooded: each try is a conversation of its own.
const HONEST: &[&str] = &["page"];

/// SYNs in invented names at the citizens' forms, and people who want to fill them in.
fn syn_flood(city: &Topology) -> Vec<Part> {
    let forms = ip(city, "forms");
    // 3,000 a second.
    let flood = Step::SynFlood {
        to: forms,
        port: 80,
        burst: 30,
    };
    let page = || Step::Page { to: forms };
    vec![
        Part::repeated("stranger", 0, 600, 10, flood),
        Part::repeated("office-2", 0, 120, 50, page()),
        Part::repeated("web", 25, 120, 50, page()),
    ]
}

pub(super) static SYN_FLOOD: Scenario = Scenario {
    name: "syn-flood",
    title: "A stranger floods the citizens' forms with SYNs from invented addresses",
    lesson: "An invented address never answers; a person's computer does. Look at who answers the SYNs once the \
             wall knows of the flood, and at what reaches the server. Everybody who is there must come through.",
    attack: syn_flood,
    detected: &[Detected::Behaviour(&["syn_flood"])],
    done: &[Done::Action(&["limit-rate"], "forms"), Done::Opens("page", 99)],
    touched: &[],
    harmed: &["office-1", "forms"],
    undone: Undone::Calm,
    honest: HONEST,
    watched: 6_000,
    ..BASE
};

pub(super) static SYN_FLOOD_LIMITED: Scenario = Scenario {
    name: "syn-flood-limited",
    title: "The same flood of SYNs, where the kernel cannot answer in the server's place",
    lesson: "A limit does not know who is honest: most of what it drops is the flood, and most of what people \
             try is dropped with it. What is established goes on. Compare with `syn-flood`.",
    attack: syn_flood,
    detected: &[Detected::Behaviour(&["syn_flood"])],
    done: &[Done::Action(&["limit-rate"], "forms")],
    touched: &[],
    harmed: &["office-1", "forms"],
    undone: Undone::Calm,
    told: &["--limit-floods"],
    honest: HONEST,
    watched: 6_000,
    ..BASE
};

/// Answers of time servers that nobody asked, at a power supply, and those who look after the power.
fn amplification(city: &Topology) -> Vec<Part> {
    let power = ip(city, "ups-1");
    // 2,000 a second.
    let answers = Step::Reflect {
        to: power,
        from_port: 123,
        burst: 20,
    };
    let asks = || Step::SnmpRead {
        to: power,
        community: "city-ops".to_owned(),
        oid: SYSTEM_SERVICES.to_owned(),
    };
    vec![
        Part::repeated("stranger", 0, 600, 10, answers),
        Part::repeated("office-1", 0, 120, 50, asks()),
        Part::repeated("office-2", 25, 120, 50, asks()),
    ]
}

pub(super) static AMPLIFICATION: Scenario = Scenario {
    name: "amplification",
    title: "Time servers of others send a power supply what a stranger asked them in its name",
    lesson: "All of the flood comes from one UDP port, as it is one service that is abused. Look at what is dropped: that \
             port's answers, which nobody asked for. Those who look after the power go on asking.",
    attack: amplification,
    detected: &[Detected::Behaviour(&["amplification"])],
    done: &[
        Done::Action(&["limit-rate"], "ups-1"),
        Done::Opens("snmp-read", 99),
    ],
    touched: &[],
    harmed: &["ups-1"],
    undone: Undone::Calm,
    honest: &["snmp-read"],
    watched: 6_000,
    ..BASE
};

pub(super) static AMPLIFICATION_LIMITED: Scenario = Scenario {
    name: "amplification-limited",
    title: "The same answers, where the wall does nothing but limit",
    lesson: "Those who look after the power ask by the protocol that the flood comes in: what they ask shares the limit \
             with it, and most of it is dropped. Compare with `amplification`.",
    attack: amplification,
    detected: &[Detected::Behaviour(&["amplification"])],
    done: &[Done::Action(&["limit-rate"], "ups-1")],
    touched: &[],
    harmed: &["ups-1", "office-1", "office-2"],
    undone: Undone::Calm,
    told: &["--limit-floods"],
    honest: &["snmp-read"],
    watched: 6_000,
    ..BASE
};

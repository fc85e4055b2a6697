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

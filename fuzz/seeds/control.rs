//! Seeds of what is said to the enforcer, between its processes, and into its journal.

use citywall_event::{Prefix, Verb, VerbSet};
use citywall_fuzz::control::{Denial, hand, parser};
use citywall_response::{Act, ActionId, Entry, Fact, Held, Host, Measure, Moment, Outcome, Rung};
use citywall_trust::Payload;

use crate::Seed;

const LINES: [(&str, &str); 9] = [
    ("sensor", r#"{"type":"hello","version":1,"as":"sensor"}"#),
    (
        "person",
        r#"{"type":"hello","version":1,"as":"person"}
{"type":"list","id":1}
{"type":"status","id":2}
{"type":"journal","id":3,"last":9}
{"type":"subscribe","id":4}"#,
    ),
    (
        "notice",
        r#"{"type":"notice","incident":"I0-5-1","change":"opened","severity":1,"kinds":["scan","takeover"],"title":"a camera was taken over","at":1700000000000000000,"suspects":[{"name":"cam","address":"10.2.0.7","mac":"02:00:00:00:00:07","taken":true,"proved":true}],"crossings":[{"suspect":0,"zone":"signals","targets":["10.1.0.5","fd00::5"]}],"changes":[{"suspect":0,"target":"10.1.0.5","protocol":"modbus"}],"evidence":["0-1-1"]}"#,
    ),
    (
        "vitals",
        r#"{"type":"vitals","vitals":[{"address":"10.1.0.5","span":500000000,"packets":9,"asked":4,"answered":3,"lost":1,"heartbeat":false}]}"#,
    ),
    (
        "approve",
        r#"{"type":"approve","id":1,"action":"I0-5-1.2","hash":"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff","reason":"seen"}"#,
    ),
    (
        "propose",
        r#"{"type":"propose","id":1,"rung":"deny-conduit","host":"10.2.0.7","to":"10.1.0.0/24","seconds":600,"incident":"I0-5-1","reason":"scans"}"#,
    ),
    (
        "undo",
        r#"{"type":"undo","id":1,"action":"I0-5-1.2","reason":"a fitter"}"#,
    ),
    (
        "answer",
        r#"{"type":"answer","id":1,"incident":"I0-5-1","step":"action--1","done":true}"#,
    ),
    (
        "hostile",
        "[[[[\n\n{\"type\":\"end-acts\",\"id\":1}\n{\"type\":\"undo\",\"action\":\"x\\\" }\"}",
    ),
];

fn ip(text: &str) -> std::net::IpAddr {
    text.parse().expect("an address")
}

fn prefix(text: &str, length: u8) -> Prefix {
    Prefix::containing(ip(text), length).expect("a network")
}

fn measures() -> Vec<Measure> {
    let from = Host::Ip(ip("10.2.0.7"));
    let verbs = VerbSet::default().with(Verb::Write);
    vec![
        Measure::Isolate { host: from },
        Measure::Quarantine {
            host: Host::Mac([2, 0, 0, 0, 0, 7]),
        },
        Measure::LimitRate {
            host: from,
            packets_per_second: 50,
        },
        Measure::DenyPair {
            from,
            to: prefix("10.1.0.0", 24),
        },
        Measure::DenyCommand {
            from,
            to: prefix("10.1.0.5", 32),
            verbs,
        },
        Measure::SynProxy {
            to: ip("10.1.0.5"),
            port: 443,
        },
        Measure::DropAnswers {
            to: ip("fd00::5"),
            from_port: 123,
        },
        Measure::LimitInto {
            to: ip("fd00::5"),
            protocol: 17,
            packets_per_second: 9,
        },
    ]
}

fn orders() -> Vec<Seed> {
    let action = ActionId("I0-5-1.2".to_owned());
    let elements = measures().into_iter().map(|measure| hand::Element {
        measure,
        action: action.clone(),
        life: 600_000_000_000,
    });
    let elements: Vec<hand::Element> = elements.collect();
    let held = measures().into_iter().map(|measure| Held {
        measure,
        comment: action.0.clone(),
        remaining: Some(5_000_000_000),
    });
    let mut answer = hand::Answer::new(7, hand::Status::Done, "");
    answer.held = held.collect();
    let failed = hand::Answer::new(8, hand::Status::Failed, "nft: no");
    let denial = Denial {
        id: "I0-5-1.2 10.2.0.7 10.1.0.5/32".to_owned(),
        from: Host::Ip(ip("10.2.0.7")),
        to: prefix("10.1.0.5", 32),
        verbs: VerbSet::default().with(Verb::Write).with(Verb::Operate),
        until: 1_700_000_000_000_000_000,
    };
    let hand_order = |order: hand::Order| order.encode(7).expect("it fits");
    let all = [
        ("add", 0, hand_order(hand::Order::Add(elements.clone()))),
        ("remove", 0, hand_order(hand::Order::Remove(elements))),
        ("list", 0, hand_order(hand::Order::List)),
        ("end", 0, hand_order(hand::Order::End)),
        ("held", 1, answer.encode().expect("it fits")),
        ("failed", 1, failed.encode().expect("it fits")),
        ("deny", 2, parser::Order::Deny(denial).write()),
        ("allow", 2, parser::Order::Allow("x".to_owned()).write()),
        ("city", 2, parser::Order::City.write()),
    ];
    let seed = |(name, kind, bytes): (&str, u8, Vec<u8>)| {
        ("orders", name.to_owned(), [&[kind], &bytes[..]].concat())
    };
    all.into_iter().map(seed).collect()
}

pub fn seeds() -> Vec<Seed> {
    let mut seeds: Vec<Seed> = LINES
        .iter()
        .map(|(name, text)| ("control", (*name).to_owned(), text.as_bytes().to_vec()))
        .collect();
    seeds.extend(orders());
    let act = Act {
        zones: vec!["signals".to_owned(), "cctv".to_owned()],
        rungs: vec![Rung::DenyCommand, Rung::Quarantine],
        expires: 1_795_362_439_000_000_000,
        serial: 3,
    };
    seeds.push(("act", "two-zones".to_owned(), act.encode()));
    let action = ActionId("I0-5-1.2".to_owned());
    let facts = [
        ("started", Fact::Started { revision: 1 }),
        (
            "applied",
            Fact::Applied {
                action: action.clone(),
            },
        ),
        (
            "undoing",
            Fact::Undoing {
                action: action.clone(),
                outcome: Outcome::RolledBack {
                    why: "loss".to_owned(),
                },
            },
        ),
        (
            "ended",
            Fact::Ended {
                action,
                outcome: Outcome::Lapsed,
            },
        ),
        (
            "act",
            Fact::Act {
                act,
                signer: "Ada".to_owned(),
            },
        ),
        ("acts-ended", Fact::ActsEnded { by: "Ada".to_owned() }),
        ("shed", Fact::Shed { count: 7 }),
    ];
    for (name, fact) in facts {
        let at = Moment {
            wall: 1_700_000_000_000_000_000,
            steady: 5,
        };
        seeds.push((
            "entry",
            name.to_owned(),
            Entry { at, fact }.to_json().into_bytes(),
        ));
    }
    seeds
}

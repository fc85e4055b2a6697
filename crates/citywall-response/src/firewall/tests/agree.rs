//! Law: for any policy and any packet that begins a conversation, the wall lets pass what
//! `Context::judge_contact` allows, and nothing else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use citywall_event::{Context, Mac, Service};
use citywall_policy::{City, Ruleset};
use proptest::prelude::*;

use super::evaluate::{Packet, walk};
use crate::firewall::{Deployment, Mode, Wall, marks};

/// Cities are drawn as text: what the language cannot say need not be enforced.
pub fn city() -> impl Strategy<Value = String> {
    let zones = prop::collection::vec((0u8..4, any::<bool>(), 0u8..6, 0u8..3, any::<bool>()), 2..5);
    let assets = prop::collection::vec((0u8..4, 0u8..6, 1u8..6, 0u8..6), 0..6);
    let conduits = prop::collection::vec(
        (
            prop::collection::vec(0usize..12, 1..3),
            prop::collection::vec(0usize..12, 1..3),
            prop::collection::vec(0usize..GRANTS.len(), 1..4),
        ),
        3..12,
    );
    (zones, assets, conduits).prop_map(|(zones, assets, conduits)| write(&zones, &assets, &conduits))
}

const GRANTS: [&str; 10] = [
    "modbus",
    "modbus: read",
    "snmp: get",
    "icmp",
    "any",
    "tcp/80",
    "tcp/70-90",
    "udp",
    "http/80",
    "dns",
];

type Zone = (u8, bool, u8, u8, bool);
type Asset = (u8, u8, u8, u8);
type Conduit = (Vec<usize>, Vec<usize>, Vec<usize>);

fn write(zones: &[Zone], assets: &[Asset], conduits: &[Conduit]) -> String {
    let mut text = String::from("[city]\nname = \"C\"\n[[domain]]\nname = \"d\"\n");
    for (n, (kind, denied, apart, down, closed)) in zones.iter().enumerate() {
        text += &format!("[[zone]]\nname = \"z{n}\"\ndomain = \"d\"\n");
        match kind {
            0 => text += &format!("networks = [\"10.{n}.0.0/24\"]\n"),
            1 => text += &format!("networks = [\"10.{n}.0.0/24\", \"10.{n}.1.0/24\", \"fd0{n}::/64\"]\n"),
            2 => text += &format!("networks = [\"10.{n}.0.0/30\"]\nmacs = [\"02:00:00:00:0{n}:01\"]\n"),
            _ => text += &format!("macs = [\"02:00:00:00:0{n}:01\", \"02:00:00:00:0{n}:02\"]\n"),
        }
        if *denied {
            text += "inside = \"deny\"\n";
        }
        if *apart == 0 {
            text += "isolated = true\n";
        }
        text += match down {
            0 => "when_down = \"open\"\n",
            1 => "when_down = \"closed\"\n",
            _ => "",
        };
        if *closed {
            text += "inspect = \"fail-closed\"\n";
        }
    }
    let mut names: Vec<String> = (0..zones.len()).map(|n| format!("z{n}")).collect();
    names.extend(["outside".to_owned(), "*".to_owned()]);
    for (n, (kind, zone, host, role)) in assets.iter().enumerate() {
        let zone = usize::from(*zone) % zones.len();
        text += &format!("[[asset]]\nname = \"a{n}\"\n");
        let networked = zones[zone].0 < 3;
        let address = match kind {
            0 if networked => format!("address = \"10.{zone}.0.{}\"\n", host % 3),
            1 => format!("address = \"192.168.7.{}\"\nzone = \"z{zone}\"\n", n + 1),
            2 => format!("mac = \"02:00:00:00:aa:0{n}\"\nzone = \"z{zone}\"\n"),
            _ => format!(
                "address = \"192.168.8.{}\"\nmac = \"02:00:00:00:aa:0{n}\"\n",
                n + 1
            ),
        };
        text += &address;
        if *role == 0 {
            text += "role = \"gateway\"\n";
        }
        names.push(format!("a{n}"));
    }
    for (from, to, grants) in conduits {
        let list = |which: &[usize]| {
            let mut all: Vec<&str> = which.iter().map(|i| names[i % names.len()].as_str()).collect();
            all.sort_unstable();
            all.dedup();
            if all.contains(&"*") {
                all = vec!["*"];
            }
            all.iter()
                .map(|n| format!("{n:?}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let mut allow: Vec<&str> = grants.iter().map(|g| GRANTS[*g]).collect();
        allow.sort_unstable();
        allow.dedup();
        text += &format!(
            "[[conduit]]\nfrom = [{}]\nto = [{}]\nallow = {allow:?}\n",
            list(from),
            list(to)
        );
    }
    text
}

fn address(zones: u8) -> impl Strategy<Value = IpAddr> {
    let v4 = |a, b, c, d| IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    prop_oneof![
        6 => (0..zones, 0u8..2, prop_oneof![0u8..5, Just(255)]).prop_map(move |(z, n, h)| v4(10, z, n, h)),
        2 => (1u8..9).prop_map(move |h| v4(192, 168, 7, h)),
        2 => (1u8..9).prop_map(move |h| v4(192, 168, 8, h)),
        1 => Just(v4(172, 16, 0, 9)),
        2 => Just(v4(203, 0, 113, 7)),
        1 => prop_oneof![
            Just(v4(169, 254, 1, 1)), Just(v4(0, 0, 0, 0)), Just(v4(224, 0, 0, 5)),
            Just(v4(255, 255, 255, 255)), Just(v4(127, 0, 0, 1)),
        ],
        3 => (0..zones, 1u16..4).prop_map(|(z, h)| {
            IpAddr::V6(Ipv6Addr::new(0xfd00 | u16::from(z), 0, 0, 0, 0, 0, 0, h))
        }),
        1 => prop_oneof![
            Just("fe80::1"), Just("ff02::1"), Just("::"), Just("2001:db8::1"), Just("fdff::1"), Just("::1"),
        ].prop_map(|t| t.parse().unwrap()),
    ]
}

fn mac() -> impl Strategy<Value = Mac> {
    prop_oneof![
        (0u8..5, 1u8..4).prop_map(|(z, n)| [2, 0, 0, 0, z, n]),
        (0u8..7).prop_map(|n| [2, 0, 0, 0, 0xaa, n]),
    ]
}

pub fn packet() -> impl Strategy<Value = Packet> {
    let what = prop_oneof![
        4 => prop_oneof![Just(80u16), Just(502), Just(75), Just(9)].prop_map(|p| (6u8, p)),
        3 => prop_oneof![Just(53u16), Just(161), Just(67), Just(547), Just(9)].prop_map(|p| (17u8, p)),
        2 => prop_oneof![Just(8u16), Just(0), Just(3), Just(13), Just(5)].prop_map(|p| (1u8, p)),
        2 => prop_oneof![Just(128u16), Just(129), Just(135), Just(1)].prop_map(|p| (58u8, p)),
        1 => prop_oneof![Just(47u8), Just(2), Just(50)].prop_map(|p| (p, 0)),
    ];
    (address(4), address(4), mac(), mac(), what).prop_filter_map(
        "of one family",
        |(from, to, from_mac, to_mac, (protocol, port))| {
            (from.is_ipv4() == to.is_ipv4()).then_some(Packet {
                from,
                to,
                from_mac,
                to_mac,
                protocol,
                port,
                state: crate::firewall::model::state::NEW,
            })
        },
    )
}

/// What the policy says of a packet. A router does not see the target's hardware address.
pub fn allowed(context: &Context, mode: Mode, p: &Packet) -> bool {
    let to_mac = (mode == Mode::Bridge).then_some(p.to_mac);
    let from = (context.locate(Some(p.from), Some(p.from_mac)), Some(p.from));
    let to = (context.locate(Some(p.to), to_mac), Some(p.to));
    // Other protocols have no port.
    let port = matches!(p.protocol, 1 | 6 | 17 | 58).then_some(p.port);
    let service = Service {
        protocol: p.protocol,
        port,
        app_proto: None,
    };
    context.judge_contact(from, to, &service).is_ok()
}

fn compile(text: &str) -> Option<(Ruleset, Context)> {
    City::parse(text, "drawn.toml").ok().map(|city| city.compile())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("CITYWALL_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(300),
        max_local_rejects: u32::MAX,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_wall_agrees_with_the_policy(
        text in city(),
        packets in prop::collection::vec(packet(), 64),
        bridge: bool,
    ) {
        let Some((rules, context)) = compile(&text) else {
            return Err(TestCaseError::reject("the city file is refused"));
        };
        let mode = if bridge { Mode::Bridge } else { Mode::Routed };
        let wall = Wall::new(&rules, &Deployment { mode, ..Deployment::default() });
        for packet in &packets {
            let fate = walk(&wall.tables[0], "forward", packet);
            prop_assert_eq!(
                fate.accepted, allowed(&context, mode, packet),
                "{:?}\n{:?}\n{}\n{}", packet, fate, text, wall.text()
            );
            prop_assert!(fate.accepted || !fate.counted.is_empty(), "dropped, and not counted");
            let known = marks::INSPECT_OPEN | marks::INSPECT_CLOSED;
            prop_assert!(fate.mark & !known == 0 && fate.mark.count_ones() <= 1);
            prop_assert_eq!(fate.mark, fate.conversation);
        }
    }
}

/// The law would hold of empty cities, too: drawn ones must be sound, and say yes and no.
#[test]
fn drawn_cities_allow_and_deny() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut refused, mut yes, mut no, mut marked) = (0, 0, 0, 0);
    for _ in 0..200 {
        let text = city().new_tree(&mut runner).unwrap().current();
        let Some((rules, _)) = compile(&text) else {
            refused += 1;
            continue;
        };
        let wall = Wall::new(&rules, &Deployment::default());
        for _ in 0..50 {
            let packet = packet().new_tree(&mut runner).unwrap().current();
            let fate = walk(&wall.tables[0], "forward", &packet);
            *(if fate.accepted { &mut yes } else { &mut no }) += 1;
            marked += u32::from(fate.mark != 0);
        }
    }
    assert!(refused < 60, "{refused} of 200 refused");
    assert!(
        yes > 500 && no > 500 && marked > 10,
        "{yes} accepted, {no} dropped, {marked} marked"
    );
}

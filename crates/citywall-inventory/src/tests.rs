//! Events in, assets out.

use std::fmt::Write as _;
use std::net::IpAddr;

use citywall_event::{
    AssetInfo, Body, Command, CommandOutcome, Contact, Context, ContextParts, Criticality, Event,
    FlowSummary, Mac, Nanos, Order, Prefix, Side, Sighting, SightingTrait, Subject, Verb, ZoneInfo,
};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::{Inventory, Limits, Makers};

const SECOND: Nanos = 1_000_000_000;

pub(crate) fn city() -> Context {
    let zone = |name: &str| ZoneInfo {
        name: name.to_owned(),
        domain: "d".to_owned(),
        criticality: Criticality::Normal,
        isolated: false,
        inside_denied: false,
    };
    let prefix = |third: u8| Prefix::new(IpAddr::from([10, 0, third, 0]), 24).unwrap();
    let asset = |name: &str, role: &str, addresses: &[(&str, u16)], macs: &[Mac]| AssetInfo {
        name: name.to_owned(),
        roles: vec![role.to_owned()],
        criticality: Criticality::Safety,
        zone: addresses.first().map(|(_, z)| *z),
        maker: None,
        addresses: addresses
            .iter()
            .map(|(a, z)| (a.parse().unwrap(), Some(*z)))
            .collect(),
        macs: macs.to_vec(),
    };
    Context::new(ContextParts {
        zones: vec![zone("cameras"), zone("pumps")],
        networks: vec![(prefix(1), 0), (prefix(2), 1)],
        assets: vec![
            asset("plc", "plc", &[("10.0.2.20", 1)], &[]),
            asset(
                "router",
                "gateway",
                &[("10.0.1.1", 0), ("10.0.2.1", 1)],
                &[mac(1)],
            ),
        ],
        ..ContextParts::default()
    })
}

fn mac(last: u8) -> Mac {
    [0x00, 0x1b, 0xc5, 0, 0, last]
}

/// `10.0.1.5/5` is the address and the last byte of the MAC; either may be `-`.
fn party(text: &str) -> (Option<IpAddr>, Option<Mac>) {
    let (ip, last) = text.split_once('/').unwrap();
    (ip.parse().ok(), last.parse().ok().map(mac))
}

/// One event a line: `SECOND KIND SRC DST [WORDS]`.
fn event(number: u64, line: &str) -> Event {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words[0].parse::<Nanos>().unwrap() * SECOND;
    let ((src_ip, src_mac), (dst_ip, dst_mac)) = (party(words[2]), party(words[3]));
    let app = words.get(4).copied().unwrap_or("");
    let app_proto = ["modbus", "dns", "telnet"].into_iter().find(|a| *a == app);
    let body = match words[1] {
        "contact" => Body::Contact(Contact { midstream: false }),
        "flow" => Body::Flow(FlowSummary {
            end: at,
            packets: [3, 2],
            bytes: [300, 200],
            ..FlowSummary::default()
        }),
        "unanswered" => Body::Flow(FlowSummary {
            end: at,
            packets: [3, 0],
            bytes: [300, 0],
            ..FlowSummary::default()
        }),
        "arp" => Body::Sighting(Sighting {
            side: Side::Source,
            trait_: SightingTrait::Address,
            value: words[4].to_owned(),
            evidence: "arp.src_ip",
        }),
        "name" => Body::Sighting(Sighting {
            side: Side::Source,
            trait_: SightingTrait::Hostname,
            value: words[4].to_owned(),
            evidence: "dhcp.hostname",
        }),
        // DHCP speaks of the MAC that is the fifth word.
        "named" | "leased" => Body::Sighting(Sighting {
            side: Side::Card(mac(words[4].parse().unwrap())),
            trait_: match words[1] {
                "named" => SightingTrait::Hostname,
                _ => SightingTrait::Address,
            },
            value: words[5].to_owned(),
            evidence: "dhcp",
        }),
        "command" => Body::Command(Box::new(Command {
            protocol: "modbus",
            verb: Verb::Read,
            function: "read_coils",
            unit: None,
            point: "coil:1".to_owned(),
            count: 1,
            value: None,
            outcome: CommandOutcome::Accepted,
            technique: None,
        })),
        other => panic!("{other}"),
    };
    Event {
        order: Order::of_packet(at, 0, number, 0),
        at,
        subject: Subject {
            src_ip,
            dst_ip,
            src_mac,
            dst_mac,
            ..Subject::default()
        },
        app_proto,
        body,
    }
}

fn show(out: &mut String, inventory: &mut Inventory) {
    for (_, body) in inventory.drain_changes() {
        let Body::Asset(a) = body else { panic!("{body:?}") };
        let list = |values: &[String]| values.join(",");
        let addresses: Vec<String> = a.addresses.iter().map(IpAddr::to_string).collect();
        writeln!(
            out,
            "{} {} mac={} ip={} zone={} maker={} names={} roles={} seen={}-{}",
            a.change,
            a.name,
            a.mac.map_or("-".to_owned(), |m| m[5].to_string()),
            list(&addresses),
            a.zone.as_deref().unwrap_or("-"),
            a.maker.as_deref().unwrap_or("-"),
            list(&a.hostnames),
            list(&a.roles),
            a.first_seen / SECOND,
            a.last_seen / SECOND,
        )
        .unwrap();
    }
}

const OUI: &str = "
OUI/MA-L                                                    Organization
company_id                                                  Organization
                                                            Address

00-1B-C5   (hex)\t\tIEEE Registration Authority
001BC5     (base 16)\t\tIEEE Registration Authority
\t\t\t\t445 Hoes Lane

70-B3-D5   (hex)\t\tExample Parts
04D000-04DFFF     (base 16)\t\tExample Parts

8C-1F-64   (hex)\t\tExample Lamps
500000-5FFFFF     (base 16)\t\tExample Lamps

nonsense (hex)
";

/// Runs lines; a line `tick N` is a border.
fn run(inventory: &mut Inventory, context: &Context, lines: &str) -> String {
    let mut out = String::new();
    for (number, line) in lines
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
        .enumerate()
    {
        if let Some(at) = line.strip_prefix("tick ") {
            inventory.tick(at.parse::<Nanos>().unwrap() * SECOND, context);
            show(&mut out, inventory);
            continue;
        }
        inventory.observe(&event(number as u64, line), context);
    }
    inventory.finish(1_000 * SECOND, context);
    out.push_str("finish\n");
    show(&mut out, inventory);
    out
}

pub(crate) fn check(context: &Context, lines: &str, expected: Expect) {
    let mut inventory = Inventory::new(Limits::default(), Makers::parse(OUI));
    expected.assert_eq(&run(&mut inventory, context, lines));
}

#[test]
fn dhcp_speaks_of_the_card_that_its_message_names() {
    check(
        &city(),
        "
        0 contact 0.0.0.0/5 255.255.255.255/255
        0 named   0.0.0.0/5 255.255.255.255/255 5 lamp
        1 named   0.0.0.0/5 255.255.255.255/255 6 door
        2 leased  10.0.1.9/9 255.255.255.255/255 5 10.0.1.50
        3 leased  10.0.1.9/9 255.255.255.255/255 6 10.0.1.51
        # By a relay: its own MAC is the router's.
        4 named   10.0.1.1/1 10.0.2.9/9 7 pump
        5 leased  10.0.2.9/9 10.0.1.1/1 7 10.0.2.50
        ",
        expect![[r#"
            finish
            new 10.0.1.50 mac=5 ip=10.0.1.50 zone=cameras maker=IEEE Registration Authority names=lamp roles= seen=0-0
            new 10.0.1.51 mac=6 ip=10.0.1.51 zone=cameras maker=IEEE Registration Authority names=door roles= seen=1-1
            new 10.0.2.50 mac=7 ip=10.0.2.50 zone=pumps maker=IEEE Registration Authority names=pump roles= seen=4-4
        "#]],
    );
}

#[test]
fn makers_are_found_in_the_ieee_listing() {
    let makers = Makers::parse(OUI);
    let mut out = String::new();
    for mac in [
        [0x00, 0x1b, 0xc5, 1, 2, 3],
        [0x70, 0xb3, 0xd5, 0x04, 0xdf, 0xff],
        [0x70, 0xb3, 0xd5, 0x04, 0xe0, 0x00],
        [0x8c, 0x1f, 0x64, 0x5f, 0, 0],
        [0x8c, 0x1f, 0x64, 0x60, 0, 0],
        [0x02, 0x1b, 0xc5, 1, 2, 3],
    ] {
        writeln!(out, "{mac:02x?} {:?}", makers.find(mac)).unwrap();
    }
    expect![[r#"
        [00, 1b, c5, 01, 02, 03] Some("IEEE Registration Authority")
        [70, b3, d5, 04, df, ff] Some("Example Parts")
        [70, b3, d5, 04, e0, 00] None
        [8c, 1f, 64, 5f, 00, 00] Some("Example Lamps")
        [8c, 1f, 64, 60, 00, 00] None
        [02, 1b, c5, 01, 02, 03] None
    "#]]
    .assert_eq(&out);
}

#[test]
fn who_does_not_answer_is_no_asset() {
    check(
        &city(),
        "
        1 contact 10.0.1.5/5 10.0.1.6/6
        1 contact 10.0.1.5/5 10.0.1.7/7
        1 unanswered 10.0.1.5/5 10.0.1.7/7
        2 flow 10.0.1.5/5 10.0.1.6/6 telnet
        2 contact 10.0.1.5/5 239.1.1.1/-
        2 contact 10.0.1.5/5 10.0.1.255/-
        tick 3
        4 name 10.0.1.5/5 10.0.1.6/6 lobby
        tick 5
        ",
        expect![[r#"
            new 10.0.1.5 mac=5 ip=10.0.1.5 zone=cameras maker=IEEE Registration Authority names= roles= seen=1-2
            new 10.0.1.6 mac=6 ip=10.0.1.6 zone=cameras maker=IEEE Registration Authority names= roles=telnet-server seen=2-2
            finish
            changed 10.0.1.5 mac=5 ip=10.0.1.5 zone=cameras maker=IEEE Registration Authority names=lobby roles= seen=1-4
        "#]],
    );
}

#[test]
fn a_router_stands_for_nobody() {
    check(
        &city(),
        "
        1 contact 10.0.1.5/9 10.0.1.6/6
        1 name 10.0.1.5/9 10.0.1.6/6 first
        1 contact 10.0.1.7/9 10.0.1.6/6
        1 name 10.0.1.7/9 10.0.1.6/6 second
        1 contact 10.0.2.5/9 10.0.1.6/6
        tick 2
        ",
        expect![[r#"
            new 10.0.1.5 mac=- ip=10.0.1.5 zone=cameras maker=- names=first roles= seen=1-1
            new 10.0.1.7 mac=- ip=10.0.1.7 zone=cameras maker=- names=second roles= seen=1-1
            new 10.0.2.5 mac=- ip=10.0.2.5 zone=pumps maker=- names= roles= seen=1-1
            finish
        "#]],
    );
    check(
        &city(),
        "
        1 contact 10.0.1.5/9 10.0.1.6/6
        1 contact 9.9.9.9/9 10.0.1.6/6
        1 contact 9.9.9.8/9 10.0.1.6/6
        1 contact 10.0.1.8/9 10.0.1.6/6
        tick 2
        ",
        expect![[r#"
            new 10.0.1.5 mac=- ip=10.0.1.5 zone=cameras maker=- names= roles= seen=1-1
            new 10.0.1.8 mac=- ip=10.0.1.8 zone=cameras maker=- names= roles= seen=1-1
            finish
        "#]],
    );
}

#[test]
fn arp_says_whose_an_address_is() {
    check(
        &city(),
        "
        1 contact 10.0.1.50/9 10.0.1.6/6
        1 contact 10.0.1.51/9 10.0.1.6/6
        1 arp -/9 -/- 10.0.1.9
        1 contact 10.0.1.52/9 10.0.1.6/6
        2 arp -/8 -/- 10.0.1.8
        2 contact 10.0.1.8/8 10.0.1.6/6
        3 arp -/7 -/- 10.0.1.8
        tick 4
        ",
        expect![[r#"
            new 10.0.1.9 mac=9 ip=10.0.1.9 zone=cameras maker=IEEE Registration Authority names= roles= seen=1-1
            new 10.0.1.50 mac=- ip=10.0.1.50 zone=cameras maker=- names= roles= seen=1-1
            new 10.0.1.51 mac=- ip=10.0.1.51 zone=cameras maker=- names= roles= seen=1-1
            new 10.0.1.52 mac=- ip=10.0.1.52 zone=cameras maker=- names= roles= seen=1-1
            new 10.0.1.8 mac=8 ip=10.0.1.8 zone=cameras maker=IEEE Registration Authority names= roles= seen=2-2
            new 00:1b:c5:00:00:07 mac=7 ip= zone=- maker=IEEE Registration Authority names= roles= seen=3-3
            finish
        "#]],
    );
}

#[test]
fn declared_assets_have_their_names() {
    check(
        &city(),
        "
        1 flow 10.0.1.5/5 10.0.2.20/1 modbus
        1 command 10.0.1.5/5 10.0.2.20/1 modbus
        1 contact 10.0.1.1/1 10.0.1.5/5
        1 contact 10.0.2.1/1 10.0.2.20/20
        1 contact 10.0.2.7/1 10.0.2.20/20
        tick 2
        ",
        expect![[r#"
            new 10.0.1.5 mac=5 ip=10.0.1.5 zone=cameras maker=IEEE Registration Authority names= roles=modbus-client seen=1-1
            new plc mac=- ip=10.0.2.20 zone=pumps maker=- names= roles=plc,modbus-server seen=1-1
            new router mac=1 ip=10.0.1.1,10.0.2.1 zone=cameras maker=IEEE Registration Authority names= roles=gateway seen=1-1
            new 10.0.2.7 mac=- ip=10.0.2.7 zone=pumps maker=- names= roles= seen=1-1
            finish
        "#]],
    );
}

#[test]
fn without_a_city_private_addresses_count() {
    check(
        &Context::default(),
        "
        1 flow 192.168.1.5/5 192.168.1.6/6 dns
        1 contact 192.168.1.5/5 8.8.8.8/1
        1 contact 8.8.8.8/1 192.168.1.5/5
        1 contact fe80::5/5 ff02::1/-
        1 contact fd00::5/5 192.168.1.6/6
        1 contact 192.168.1.9/1 192.168.1.6/6
        tick 2
        ",
        expect![[r#"
            new 192.168.1.5 mac=5 ip=192.168.1.5,fd00::5 zone=- maker=IEEE Registration Authority names= roles= seen=1-1
            new 192.168.1.6 mac=6 ip=192.168.1.6 zone=- maker=IEEE Registration Authority names= roles=dns-server seen=1-1
            new 192.168.1.9 mac=- ip=192.168.1.9 zone=- maker=- names= roles= seen=1-1
            finish
        "#]],
    );
}

#[test]
fn changes_are_told_at_borders_and_not_too_often() {
    check(
        &city(),
        "
        1 contact 10.0.1.5/5 10.0.1.6/6
        tick 2
        3 name 10.0.1.5/5 10.0.1.6/6 a
        tick 4
        5 name 10.0.1.5/5 10.0.1.6/6 b
        6 name 10.0.1.5/5 10.0.1.6/6 b
        tick 70
        tick 140
        ",
        expect![[r#"
            new 10.0.1.5 mac=5 ip=10.0.1.5 zone=cameras maker=IEEE Registration Authority names= roles= seen=1-1
            changed 10.0.1.5 mac=5 ip=10.0.1.5 zone=cameras maker=IEEE Registration Authority names=a,b roles= seen=1-6
            finish
        "#]],
    );
}

#[test]
fn there_is_room_for_so_many_and_no_more() {
    let limits = Limits {
        assets: 32,
        ..Limits::default()
    };
    let mut inventory = Inventory::new(limits, Makers::default());
    let context = city();
    // A device that answered, then a flood of invented sources, each heard once in 400 s.
    inventory.observe(&event(0, "1 flow 10.0.1.1/1 10.0.2.20/20 modbus"), &context);
    inventory.observe(&event(0, "1 flow 10.0.1.200/200 10.0.1.201/201 modbus"), &context);
    for round in 0..40u64 {
        for host in (2..=199u64).filter(|host| host % 40 == round) {
            let line = format!("{} contact 10.0.1.{host}/{host} 10.0.2.20/20", round * 10 + 2);
            inventory.observe(&event(round, &line), &context);
            assert!(inventory.len() <= 32);
        }
        inventory.tick((round as Nanos * 10 + 3) * SECOND, &context);
        inventory.drain_changes();
    }
    let counters = inventory.counters();
    assert!(counters.evicted > 0 && counters.refused > 0, "{counters:?}");
    let named = |ip: &str| inventory.find(ip.parse().ok(), None).map(|d| d.name());
    assert_eq!(named("10.0.2.20").as_deref(), Some("plc"));
    assert_eq!(named("10.0.1.201").as_deref(), Some("10.0.1.201"));
}

#[test]
fn a_new_city_file_gives_new_names() {
    let mut inventory = Inventory::new(Limits::default(), Makers::default());
    let none = Context::default();
    inventory.observe(&event(0, "1 flow 10.0.1.5/5 10.0.2.20/20 modbus"), &none);
    inventory.reload(&city());
    let named = |i: &Inventory| i.find("10.0.2.20".parse().ok(), None).map(|d| d.name());
    assert_eq!(named(&inventory).as_deref(), Some("plc"));
    inventory.reload(&none);
    assert_eq!(named(&inventory).as_deref(), Some("10.0.2.20"));
}

proptest! {
    /// Whatever comes: the maps agree with the devices, and a replay gives the same reports.
    #[test]
    fn the_maps_agree_and_replays_are_equal(
        steps in proptest::collection::vec((0u8..7, 0u8..6, 0u8..12, 0u8..6, 0u8..12), 0..120),
        assets in 1usize..12,
    ) {
        let context = city();
        let limits = Limits { assets, addresses: 3, hints: 2, outside: 2, report_every: 5 * SECOND };
        let mut outputs = Vec::new();
        for _ in 0..2 {
            let mut inventory = Inventory::new(limits, Makers::default());
            let mut out = String::new();
            for (number, (kind, a, b, c, d)) in steps.iter().enumerate() {
                let kind = ["contact", "flow", "unanswered", "arp", "name", "command", "contact"][usize::from(*kind)];
                let net = |n: u8, h: u8| match n {
                    0 => format!("10.0.1.{}", h + 1),
                    1 => format!("10.0.2.{}", h + 16),
                    2 => format!("9.9.9.{h}"),
                    3 => format!("fe80::{h}"),
                    4 => "-".to_owned(),
                    _ => format!("10.0.1.{}", h + 100),
                };
                let line = format!("{number} {kind} {}/{} {}/{} {}", net(*a, *b), d % 7, net(*c, *d), b % 5, net(0, *b));
                inventory.observe(&event(number as u64, &line), &context);
                if number % 7 == 0 {
                    inventory.tick(number as Nanos * SECOND, &context);
                    show(&mut out, &mut inventory);
                }
                inventory.agree()?;
            }
            inventory.finish(1_000 * SECOND, &context);
            show(&mut out, &mut inventory);
            outputs.push(out);
        }
        prop_assert_eq!(&outputs[0], &outputs[1]);
    }
}

impl Inventory {
    fn agree(&self) -> Result<(), TestCaseError> {
        prop_assert!(self.len() <= self.limits.assets);
        for (ip, binding) in &self.by_ip {
            let device = self.devices[binding.device as usize].as_ref();
            prop_assert!(
                device.is_some_and(|d| d.addresses.contains(ip)),
                "{} is nobody's",
                ip
            );
        }
        for (mac, state) in &self.by_mac {
            if let Some(id) = state.device {
                prop_assert!(self.devices[id as usize].is_some(), "{:?} is nobody's", mac);
            }
        }
        for (id, device) in self.devices.iter().enumerate() {
            let Some(device) = device else { continue };
            for ip in &device.addresses {
                prop_assert_eq!(self.by_ip.get(ip).map(|b| b.device), Some(id as u32));
            }
        }
        Ok(())
    }
}

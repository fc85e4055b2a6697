//! Tests of the table as such; what a city file makes of it is tested in `citywall-policy`.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use expect_test::expect;
use proptest::prelude::*;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn prefix(text: &str) -> Prefix {
    let (address, length) = text.split_once('/').unwrap();
    Prefix::new(ip(address), length.parse().unwrap()).unwrap()
}

fn zone(name: &str) -> ZoneInfo {
    ZoneInfo {
        name: name.to_owned(),
        domain: "works".to_owned(),
        criticality: Criticality::Essential,
        isolated: false,
        inside_denied: false,
    }
}

fn asset(name: &str, role: &str, addresses: &[(&str, ZoneId)], macs: &[Mac], zone: ZoneId) -> AssetInfo {
    AssetInfo {
        name: name.to_owned(),
        roles: vec![role.to_owned()],
        criticality: Criticality::Safety,
        zone: Some(zone),
        maker: None,
        addresses: addresses.iter().map(|(a, z)| (ip(a), Some(*z))).collect(),
        macs: macs.to_vec(),
    }
}

fn works() -> Context {
    Context::new(ContextParts {
        zones: vec![zone("lamps"), zone("pumps")],
        networks: vec![
            (prefix("10.2.0.0/16"), 1),
            (prefix("10.1.0.0/24"), 0),
            (prefix("10.1.1.0/24"), 0),
            (prefix("fd01::/64"), 0),
        ],
        macs: vec![([2, 0, 0, 0, 0, 9], 1)],
        assets: vec![
            asset("lamp-7", "lamp", &[], &[[2, 0, 0, 0, 0, 7]], 0),
            asset(
                "router",
                "gateway",
                &[("10.1.0.1", 0), ("10.2.0.1", 1)],
                &[[2, 0, 0, 0, 0, 1]],
                0,
            ),
        ],
        ..ContextParts::default()
    })
}

#[test]
fn an_address_is_located_by_itself_then_its_network_then_its_mac() {
    let context = works();
    let mut out = String::new();
    for (address, last) in [
        ("10.1.0.1", None),
        ("10.2.0.1", None),
        ("10.1.1.255", None),
        ("10.1.2.0", None),
        ("::ffff:10.2.3.4", None),
        ("fd01::5", None),
        ("10.1.0.77", Some(7)),
        ("10.2.0.77", Some(7)),
        ("192.168.7.7", Some(7)),
        ("9.9.9.9", Some(7)),
        ("fe80::7", Some(7)),
        ("0.0.0.0", Some(9)),
        ("10.2.0.77", Some(1)),
        ("192.168.7.7", Some(1)),
        ("0.0.0.0", Some(1)),
    ] {
        let place = context.locate(Some(ip(address)), last.map(|l| [2, 0, 0, 0, 0, l]));
        let name = place
            .asset
            .and_then(|id| context.asset(id))
            .map_or("-", |a| a.name.as_str());
        let mac = last.map_or("-".to_owned(), |l| l.to_string());
        writeln!(
            out,
            "{address:16} mac {mac:2} {} {name}",
            context.zone_name(place.zone)
        )
        .unwrap();
    }
    expect![[r#"
        10.1.0.1         mac -  lamps router
        10.2.0.1         mac -  pumps router
        10.1.1.255       mac -  lamps -
        10.1.2.0         mac -  outside -
        ::ffff:10.2.3.4  mac -  pumps -
        fd01::5          mac -  lamps -
        10.1.0.77        mac 7  lamps lamp-7
        10.2.0.77        mac 7  pumps -
        192.168.7.7      mac 7  lamps lamp-7
        9.9.9.9          mac 7  outside -
        fe80::7          mac 7  lamps lamp-7
        0.0.0.0          mac 9  pumps -
        10.2.0.77        mac 1  pumps -
        192.168.7.7      mac 1  outside -
        0.0.0.0          mac 1  lamps router
    "#]]
    .assert_eq(&out);
}

#[test]
fn points_are_covered() {
    let range = |first, last| PointPattern::Range {
        kind: "holding".to_owned(),
        first,
        last,
    };
    let topic = |t: &str| PointPattern::Topic(t.to_owned());
    let below = PointPattern::Below("1.3.6.1.4".to_owned());
    for (pattern, point, count, covered) in [
        (range(40, 49), "holding:40", 10, true),
        (range(40, 49), "holding:40", 11, false),
        (range(40, 49), "holding:39", 1, false),
        (range(40, 49), "coil:40", 1, false),
        (range(0, u32::MAX), "holding:4294967295", 2, false),
        (range(40, 49), "holding:", 1, false),
        (range(40, 49), "", 1, false),
        (below.clone(), "1.3.6.1.4.1.9", 1, true),
        (below.clone(), "1.3.6.1.4", 1, true),
        (below, "1.3.6.1.41", 1, false),
        (topic("city/+/lamp"), "city/north/lamp", 1, true),
        (topic("city/+/lamp"), "city/north/east/lamp", 1, false),
        (topic("city/#"), "city", 1, true),
        (topic("city/#"), "city/a/b", 1, true),
        (topic("city/+"), "city/#", 1, false),
        (topic("city/#"), "city/#", 1, true),
        (topic("city/+"), "city/+", 1, true),
        (topic("city/a"), "city/+", 1, false),
        (topic("#"), "$SYS/x", 1, false),
        (topic("$SYS/#"), "$SYS/x", 1, true),
    ] {
        assert_eq!(
            pattern.covers(point, count),
            covered,
            "{pattern:?} {point} +{count}"
        );
    }
}

#[test]
fn what_falls_next_comes_first() {
    let service = |name: &str, criticality, depends_on: &[Dependency]| ServiceInfo {
        name: name.to_owned(),
        criticality,
        depends_on: depends_on.to_vec(),
    };
    let context = Context::new(ContextParts {
        zones: vec![zone("lamps"), zone("pumps")],
        services: vec![
            service("hospital", Criticality::Safety, &[Dependency::Service(1)]),
            service(
                "water",
                Criticality::Essential,
                &[Dependency::Zone(1), Dependency::Service(3)],
            ),
            service("fountain", Criticality::Normal, &[Dependency::Asset(4)]),
            service(
                "loop",
                Criticality::Safety,
                &[Dependency::Service(0), Dependency::Service(3)],
            ),
            service("light", Criticality::Safety, &[Dependency::Zone(0)]),
        ],
        ..ContextParts::default()
    });
    let places = [Place {
        zone: Some(1),
        asset: Some(4),
    }];
    let names: Vec<_> = context
        .dependents(&places)
        .iter()
        .map(|s| s.name.as_str())
        .collect();
    assert_eq!(names, ["water", "fountain", "hospital", "loop"]);
}

#[test]
fn without_a_city_everything_is_allowed() {
    let context = Context::default();
    let (from, to) = (Some(ip("10.0.0.1")), Some(ip("10.9.0.1")));
    let place = context.locate(from, None);
    let service = Service {
        protocol: 6,
        port: Some(23),
        app_proto: Some("telnet"),
    };
    assert_eq!(
        context.judge_contact((place, from), (place, to), &service),
        Ok(())
    );
}

#[test]
fn a_grant_of_mail_carries_the_tls_that_mail_turns_to() {
    let carries = |allowed: &str, seen: Option<&str>| {
        let grant = Grant {
            text: allowed.to_owned(),
            app: Some(allowed.to_owned()),
            ports: Vec::new(),
            commands: Vec::new(),
        };
        grant.carries(&Service {
            protocol: 6,
            port: Some(25),
            app_proto: seen,
        })
    };
    assert!(carries("smtp", None));
    assert!(carries("smtp", Some("tls")));
    assert!(!carries("smtp", Some("ssh")));
    assert!(!carries("http", Some("tls")));
    assert!(!carries("tls", Some("http")));
}

proptest! {
    #[test]
    fn ranges_agree_with_a_plain_search(
        seeds in proptest::collection::vec((any::<u16>(), 4u8..=16), 0..24),
        probe: u16,
    ) {
        let mut networks: Vec<(Prefix, ZoneId)> = Vec::new();
        for (bits, length) in seeds {
            let address = Ipv4Addr::from_bits(u32::from(bits)).into();
            let candidate = Prefix::containing(address, 16 + length).unwrap();
            if !networks.iter().any(|(p, _)| p.overlaps(candidate)) {
                networks.push((candidate, networks.len() as ZoneId));
            }
        }
        let probe = Ipv4Addr::from_bits(u32::from(probe)).into();
        let expected = networks.iter().find(|(p, _)| p.contains(probe)).map(|(_, z)| *z);
        let zones = (0..networks.len()).map(|i| zone(&i.to_string())).collect();
        let context = Context::new(ContextParts { zones, networks, ..ContextParts::default() });
        prop_assert_eq!(context.locate(Some(probe), None).zone, expected);
    }
}

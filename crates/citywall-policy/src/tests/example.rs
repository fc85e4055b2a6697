//! The example is the reference: it parses, and what it says of defaults is so.

use expect_test::expect;

use super::city;
use crate::EXAMPLE;

/// Takes the mark from each commented field.
fn with_defaults_written_out() -> String {
    let field = |line: &&str| {
        line.strip_prefix('#').is_some_and(|rest| {
            rest.starts_with(|c: char| c.is_ascii_lowercase())
                && rest
                    .split_once(" = ")
                    .is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        })
    };
    let lines = EXAMPLE
        .lines()
        .map(|line| if field(&line) { &line[1..] } else { line });
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_example_is_sound_and_nothing_in_it_is_suspicious() {
    let findings: Vec<String> = city(EXAMPLE).check().iter().map(|f| f.to_string()).collect();
    assert_eq!(findings, Vec::<String>::new());
}

#[test]
fn each_commented_field_has_the_default_as_its_value() {
    let written_out = with_defaults_written_out();
    let marked = EXAMPLE
        .lines()
        .zip(written_out.lines())
        .filter(|(a, b)| a != b)
        .count();
    assert_eq!(marked, 18, "commented fields in the example");
    assert_eq!(city(EXAMPLE), city(&written_out));
}

#[test]
fn every_field_is_explained() {
    // What the reader knows is what it names when it refuses an unknown field.
    for section in [
        "city", "domain", "zone", "asset", "conduit", "service", "person", "window", "response",
    ] {
        let text = if section == "city" {
            "[city]\nzzzzzzzzz = 1\n".to_owned()
        } else if section == "response" {
            "[city]\nname = \"x\"\n[response]\nzzzzzzzzz = 1\n".to_owned()
        } else {
            format!("[city]\nname = \"x\"\n[[{section}]]\nzzzzzzzzz = 1\n")
        };
        let errors = super::errors(&text);
        let fields = errors
            .lines()
            .find_map(|line| line.split_once("has the fields "))
            .map(|(_, fields)| fields)
            .unwrap_or_else(|| panic!("{section}: {errors}"));
        let written_out = with_defaults_written_out();
        let part: Vec<&str> = written_out
            .split("\n[")
            .filter(|part| part.trim_start_matches('[').starts_with(section))
            .collect();
        for field in fields.split(", ") {
            let said = part
                .iter()
                .any(|p| p.lines().any(|l| l.starts_with(&format!("{field} = "))));
            assert!(said, "the example does not show {field} of {section}");
        }
    }
}

#[test]
fn every_protocol_is_listed() {
    for (name, _) in crate::known_protocols() {
        let listed = EXAMPLE
            .lines()
            .filter(|l| l.starts_with('#'))
            .any(|l| l.split_whitespace().any(|w| w == name));
        assert!(listed, "the example does not list {name}");
    }
}

#[test]
fn the_example_as_a_ruleset() {
    let (ruleset, _) = city(EXAMPLE).compile();
    expect![[r#"
        ruleset of Example City: between zones, deny but for
        zone signals safety 10.20.0.0/24 fd20::/64
        zone traffic-centre essential 10.21.0.0/24
        zone cctv normal 10.30.0.0/24
        zone pumps safety 10.40.0.0/24
        zone water-scada essential 10.41.0.0/24
        zone core essential 10.1.0.0/24
        zone offices normal 10.90.0.0/22
        allow asset signal-server -> signals udp/161 (snmp: get, set 1.3.6.1.4.1.1206.*)
        allow asset signal-server -> signals icmp icmpv6 (icmp)
        allow traffic-centre -> signals udp/161 (snmp: get)
        allow asset scada-1 -> pumps tcp/502 (modbus: read, write holding:40-49 unit 1)
        allow cctv,signals -> core tcp/1883 (mqtt: publish city/#, subscribe)
        allow cctv,signals -> core tcp/443 (https)
        allow asset recorder -> cctv tcp/554 (rtsp)
        allow asset recorder -> cctv tcp/80 tcp/8080 (http)
        allow * -> asset resolver udp/53 tcp/53 udp/5353 udp/5355 (dns)
        allow * -> asset resolver udp/123 (ntp)
        allow offices -> outside tcp/443 (https)
        allow offices -> outside tcp/80 tcp/8080 (http)
    "#]]
    .assert_eq(&ruleset.to_string());
}

//! `explain`, the matrix and `diff`: words as data, and laws.

use citywall_event::{Command, CommandOutcome, Service, Verb};
use expect_test::expect;
use proptest::prelude::*;

use super::city;
use crate::{Cell, Direction, EXAMPLE, Explanation, Judged, difference};

fn show(explained: &Explanation) -> String {
    let mut text = format!(
        "{} -> {}: {}\n",
        explained.from.words,
        explained.to.words,
        if explained.allowed() { "yes" } else { "no" }
    );
    for (name, why) in [("free", &explained.free), ("isolated", &explained.isolated)] {
        if let Some(why) = why {
            text.push_str(&format!("  {name}: {why}\n"));
        }
    }
    for way in &explained.ways {
        let partly = if way.partly { " (partly)" } else { "" };
        text.push_str(&format!(
            "  line {}: {} -> {}: {}{partly}\n",
            way.line, way.from, way.to, way.allow
        ));
    }
    for answer in &explained.answers {
        let by = answer.by.as_ref().map_or(String::new(), |way| {
            format!(" by line {} ({})", way.line, way.allow)
        });
        let yes = if answer.allowed { "yes" } else { "no" };
        text.push_str(&format!("  {}? {yes}{by} {}\n", answer.what, answer.why));
    }
    if let Some(needed) = &explained.needed {
        text.push_str(&format!("  needed: {}\n", needed.trim_end().replace('\n', " | ")));
    }
    text
}

#[test]
fn the_example_explained() {
    let city = city(EXAMPLE);
    let judged = Judged::new(&city);
    let mut told = String::new();
    for (from, to, protocol, command) in [
        ("scada-1", "pumps", None, None),
        ("water-scada", "pumps", None, None),
        ("scada-1", "pump-plc-1", Some("modbus"), Some("write holding:40")),
        (
            "scada-1",
            "10.40.0.99",
            Some("modbus"),
            Some("write holding:40 unit 1"),
        ),
        (
            "scada-1",
            "pumps",
            Some("modbus"),
            Some("write holding:45-50 unit 1, read"),
        ),
        (
            "traffic-centre",
            "signals",
            Some("snmp"),
            Some("set 1.3.6.1.4.1.1206.4"),
        ),
        ("cctv", "10.40.0.5", Some("http/8080"), None),
        ("cctv", "cctv", Some("telnet"), None),
        ("cctv", "resolver", Some("dns"), None),
        ("offices", "outside", Some("https"), None),
        ("outside", "8.8.8.8", None, None),
        ("core", "cctv", Some("mqtt"), Some("publish city/x")),
        ("outside", "signals", Some("icmp"), None),
    ] {
        let (from, to) = (judged.end(from).unwrap(), judged.end(to).unwrap());
        told.push_str(&show(&judged.explain(&from, &to, protocol, command).unwrap()));
    }
    for word in ["signal", "nothing at all"] {
        told.push_str(&format!("{}\n", judged.end(word).unwrap_err()));
    }
    let end = judged.end("cctv").unwrap();
    for (protocol, command) in [
        (None, Some("read")),
        (Some("modbs"), None),
        (Some("modbus"), Some("write x")),
    ] {
        told.push_str(&format!(
            "{}\n",
            judged.explain(&end, &end, protocol, command).unwrap_err()
        ));
    }
    expect![[r#"
        asset scada-1 of zone water-scada -> zone pumps: yes
          line 180: scada-1 -> pumps: modbus: read, write holding:40-49 unit 1
        zone water-scada -> zone pumps: no
          line 180: scada-1 -> pumps: modbus: read, write holding:40-49 unit 1 (partly)
          needed: [[conduit]] | from = "water-scada" | to = "pumps" | allow = ["PROTOCOL"] | reason = "..."
        asset scada-1 of zone water-scada -> asset pump-plc-1 of zone pumps: no
          line 180: scada-1 -> pumps: modbus: read, write holding:40-49 unit 1
          modbus: write holding:40? no the conduit from zone water-scada to zone pumps carries modbus, but not this: write holding:40
          needed: [[conduit]] | from = "scada-1" | to = "pump-plc-1" | allow = ["modbus: write holding:40"] | reason = "..."
        asset scada-1 of zone water-scada -> 10.40.0.99 of zone pumps: yes
          line 180: scada-1 -> pumps: modbus: read, write holding:40-49 unit 1
          modbus: write holding:40 unit 1? yes by line 180 (modbus: read, write holding:40-49 unit 1) 
        asset scada-1 of zone water-scada -> zone pumps: no
          line 180: scada-1 -> pumps: modbus: read, write holding:40-49 unit 1
          modbus: write holding:45-50 unit 1? no the conduit from zone water-scada to zone pumps carries modbus, but not this: write holding:45 (+5)
          modbus: read? yes by line 180 (modbus: read, write holding:40-49 unit 1) 
          needed: [[conduit]] | from = "scada-1" | to = "pumps" | allow = ["modbus: write holding:45-50 unit 1, read"] | reason = "..."
        zone traffic-centre -> zone signals: no
          line 168: signal-server -> signals: snmp: get, set 1.3.6.1.4.1.1206.* (partly)
          line 168: signal-server -> signals: icmp (partly)
          line 175: traffic-centre -> signals: snmp: get
          snmp: set 1.3.6.1.4.1.1206.4? no the conduit from zone traffic-centre to zone signals carries snmp, but not this: write 1.3.6.1.4.1.1206.4
          needed: [[conduit]] | from = "traffic-centre" | to = "signals" | allow = ["snmp: set 1.3.6.1.4.1.1206.4"] | reason = "..."
        zone cctv -> 10.40.0.5 of zone pumps: no
          http/8080? no no conduit lets zone cctv reach zone pumps (http)
          needed: [[asset]] | name = "host-10-40-0-5" | address = "10.40.0.5" |  | [[conduit]] | from = "cctv" | to = "host-10-40-0-5" | allow = ["http/8080"] | reason = "..."
        zone cctv -> zone cctv: yes
          free: members of zone cctv may reach each other
          telnet? yes members of zone cctv may reach each other
        zone cctv -> asset resolver of zone core: yes
          line 186: cctv -> core: mqtt: publish city/#, subscribe
          line 186: cctv -> core: https
          line 196: * -> resolver: dns
          line 196: * -> resolver: ntp
          dns on udp/53? yes by line 196 (dns) 
          dns on tcp/53? yes by line 196 (dns) 
          dns on udp/5353? yes by line 196 (dns) 
          dns on udp/5355? yes by line 196 (dns) 
        zone offices -> outside: yes
          line 201: offices -> outside: https
          line 201: offices -> outside: http
          https? yes by line 201 (https) 
        outside -> 8.8.8.8 outside: yes
          free: both are outside: that is not the city's to judge
        zone core -> zone cctv: yes
          line 191: recorder -> cctv: rtsp (partly)
          line 191: recorder -> cctv: http (partly)
          mqtt: publish city/x? yes by line 186 (mqtt: publish city/#, subscribe) 
        outside -> zone signals: no
          icmp? no no conduit lets outside reach zone signals (icmp)
          icmp (IPv6)? no no conduit lets outside reach zone signals (ipv6-icmp)
          needed: [[conduit]] | from = "outside" | to = "signals" | allow = ["icmp"] | reason = "..."
        nothing is called "signal" in city.toml; did you mean "signals"?
        nothing is called "nothing at all" in city.toml; name a zone, an asset, "outside", or an address
        a command needs its protocol: add --protocol
        "modbs", at character 1: unknown protocol "modbs"; did you mean "modbus"?
        "modbus: write x", at character 15: "x" is no point of modbus; write kind and number: holding:40, coil:3, input:0-9, discrete:1
    "#]].assert_eq(&told);
}

#[test]
fn the_example_as_a_table() {
    let matrix = city(EXAMPLE).matrix();
    let mut told = String::new();
    for (row, name) in matrix.cells.iter().zip(&matrix.names) {
        let signs: Vec<String> = row
            .iter()
            .map(|cell| match cell {
                Cell::NotJudged => "-".to_owned(),
                Cell::Isolated => "#".to_owned(),
                Cell::Free => "all".to_owned(),
                Cell::Ways(ways) if ways.is_empty() => ".".to_owned(),
                Cell::Ways(ways) => ways
                    .iter()
                    .map(|w| w.allow.split(':').next().unwrap_or(""))
                    .collect::<Vec<_>>()
                    .join("+"),
            })
            .collect();
        told.push_str(&format!("{name}: {}\n", signs.join(" | ")));
    }
    expect![[r#"
        signals: all | . | . | . | . | mqtt+https+dns+ntp | . | .
        traffic-centre: snmp+icmp+snmp | all | . | . | . | dns+ntp | . | .
        cctv: . | . | all | . | . | mqtt+https+dns+ntp | . | .
        pumps: . | . | . | all | . | dns+ntp | . | .
        water-scada: . | . | . | modbus | all | dns+ntp | . | .
        core: . | . | rtsp+http | . | . | all | . | .
        offices: . | . | . | . | . | dns+ntp | all | https+http
        outside: . | . | . | . | . | . | . | -
    "#]]
    .assert_eq(&told);
}

fn changes(old: &str, new: &str) -> String {
    let difference = difference(&city(old), &city(new)).unwrap();
    let mut told = String::new();
    for change in &difference.changes {
        let way = match change.direction {
            Direction::NowAllowed => "now allowed",
            Direction::NoLonger => "no longer",
        };
        told.push_str(&format!(
            "{way}: {} -> {}: {}\n",
            change.from.join(", "),
            change.to.join(", "),
            change.what.join(" and ")
        ));
    }
    for line in &difference.declared {
        told.push_str(&format!("{line}\n"));
    }
    told
}

#[test]
fn changes_of_the_example() {
    let mut told = String::new();
    for (name, from, to) in [
        ("a point less", "holding:40-49", "holding:40-44"),
        ("a unit more", "holding:40-49 unit 1", "holding:40-49 unit 1-2"),
        (
            "no commands",
            "modbus: read, write holding:40-49 unit 1",
            "modbus",
        ),
        (
            "another protocol",
            "[\"rtsp\", \"http\"]",
            "[\"rtsp\", \"tcp/80\"]",
        ),
        ("ports", "[\"https\", \"http\"]", "[\"https\", \"tcp/8000-8100\"]"),
        (
            "isolated",
            "networks = [\"10.40.0.0/24\"]",
            "networks = [\"10.40.0.0/24\"]\nisolated = true",
        ),
        (
            "inside",
            "networks = [\"10.30.0.0/24\"]",
            "networks = [\"10.30.0.0/24\"]\ninside = \"deny\"",
        ),
        (
            "smaller",
            "networks = [\"10.90.0.0/22\"]",
            "networks = [\"10.90.0.0/23\"]",
        ),
        ("moved", "address = \"10.1.0.30\"", "address = \"10.1.0.31\""),
        ("who", "from = \"scada-1\"", "from = \"water-scada\""),
        ("mqtt", "publish city/#, subscribe", "publish city/#"),
        (
            "the same, written otherwise",
            "from = [\"cctv\", \"signals\"]",
            "from = [\"signals\", \"cctv\"]",
        ),
        ("people", "unix = \"ada\"", "unix = [\"ada\", \"ada2\"]"),
        ("response", "#blast_radius = 10", "blast_radius = 5"),
    ] {
        assert!(EXAMPLE.contains(from), "{name}");
        let new = EXAMPLE.replace(from, to);
        told.push_str(&format!("== {name}\n{}", changes(EXAMPLE, &new)));
    }
    expect![[r#"
        == a point less
        no longer: scada-1 -> pumps: modbus: write holding:45-49 unit 1
        == a unit more
        now allowed: scada-1 -> pumps: modbus: write holding:40-49 unit 2
        == no commands
        now allowed: scada-1 -> pumps: modbus: write, operate, configure, download, upload, start, stop, restart, discover, subscribe, publish, other
        == another protocol
        now allowed: recorder -> cctv: tcp/80
        no longer: recorder -> cctv: http
        == ports
        now allowed: offices -> outside: tcp/8000-8079 and tcp/8080 and tcp/8081-8100
        no longer: offices -> outside: http
        == isolated
        no longer: pumps -> resolver: dns (tcp) and dns (udp) and ntp
        no longer: scada-1 -> pumps: modbus: read, write holding:40-49 unit 1
        zone pumps is isolated now
        == inside
        no longer: cctv -> cctv: anything
        members of zone cctv reach each other only by conduits now
        == smaller
        now allowed: outside -> outside (before: offices): anything
        now allowed: outside (before: offices) -> outside: anything
        no longer: offices -> outside (before: offices): anything but http and https
        no longer: outside (before: offices) -> offices: anything
        no longer: outside (before: offices) -> resolver: dns (tcp) and dns (udp) and ntp
        zone offices has other networks: without ["10.90.0.0/22"], with ["10.90.0.0/23"]
        == moved
        now allowed: recorder -> cctv: http and rtsp
        no longer: recorder -> cctv: http and rtsp
        asset recorder has other addresses
        == who
        now allowed: water-scada -> pumps: modbus: read, write holding:40-49 unit 1
        == mqtt
        no longer: cctv, signals -> core, recorder, resolver: mqtt: subscribe
        == the same, written otherwise
        == people
        Ada Example has other accounts
        == response
        the blast radius is 5, was 10
    "#]].assert_eq(&told);
    assert_eq!(changes(EXAMPLE, EXAMPLE), "");
}

#[test]
fn a_conduit_of_an_isolated_zone_comes_back() {
    let closed = EXAMPLE.replace(
        "networks = [\"10.40.0.0/24\"]",
        "networks = [\"10.40.0.0/24\"]\nisolated = true",
    );
    assert!(changes(&closed, EXAMPLE).contains("now allowed: scada-1 -> pumps: modbus"));
}

/// A small city of random conduits between three zones, two assets and outside.
fn cities() -> impl Strategy<Value = String> {
    let ends = prop::sample::select(vec![
        "\"a\"",
        "\"b\"",
        "\"c\"",
        "\"x\"",
        "\"y\"",
        "\"*\"",
        "\"outside\"",
    ]);
    let allow = prop::sample::select(vec![
        "\"any\"",
        "\"icmp\"",
        "\"tcp/22\"",
        "\"tcp/400-600\"",
        "\"https\"",
        "\"modbus\"",
        "\"modbus: read\"",
        "\"modbus: write holding:1-9 unit 1\"",
        "\"modbus: write holding:5-20, write_single_coil coil:3\"",
        "\"modbus/5020: changes\"",
        "\"snmp: get, set 1.3.6.*\"",
        "\"mqtt: publish a/#, subscribe b/+\"",
    ]);
    let conduit = (ends.clone(), ends, prop::collection::vec(allow, 1..3)).prop_map(|(from, to, allow)| {
        format!(
            "[[conduit]]\nfrom = {from}\nto = {to}\nallow = [{}]\n",
            allow.join(", ")
        )
    });
    let flags = (any::<bool>(), prop::bool::weighted(0.2));
    (prop::collection::vec(conduit, 0..6), prop::collection::vec(flags, 3), 0u8..2).prop_map(|(conduits, flags, shift)| {
        let mut text = "city.name = \"R\"\n[[domain]]\nname = \"d\"\n".to_owned();
        for (index, (name, (deny, isolated))) in ["a", "b", "c"].iter().zip(flags).enumerate() {
            let inside = if deny { "deny" } else { "allow" };
            text.push_str(&format!(
                "[[zone]]\nname = \"{name}\"\ndomain = \"d\"\nnetworks = [\"10.{}.0.0/24\"]\ninside = \"{inside}\"\nisolated = {isolated}\n",
                index as u8 + shift
            ));
        }
        for (index, name) in ["x", "y"].iter().enumerate() {
            text.push_str(&format!("[[asset]]\nname = \"{name}\"\naddress = \"10.{index}.0.77\"\n"));
        }
        if shift > 0 {
            text = text.replace("address = \"10.0.0.77\"", "address = \"10.0.0.77\"\nzone = \"outside\"");
        }
        text + &conduits.concat()
    })
}

/// What is asked: the words, and the same as the data plane sees it.
fn asks() -> Vec<(
    &'static str,
    Option<&'static str>,
    Service<'static>,
    Option<Command>,
)> {
    let service = |protocol, port, app_proto| Service {
        protocol,
        port: Some(port),
        app_proto,
    };
    let command = |verb, function, point: &str, unit| Command {
        protocol: "modbus",
        verb,
        function,
        unit,
        point: point.to_owned(),
        count: 1,
        value: None,
        outcome: CommandOutcome::Unanswered,
        technique: None,
    };
    let modbus = service(6, 502, Some("modbus"));
    vec![
        ("tcp/22", None, service(6, 22, None), None),
        ("tcp/450", None, service(6, 450, None), None),
        ("https", None, service(6, 443, Some("tls")), None),
        ("modbus", None, modbus, None),
        ("modbus/5020", None, service(6, 5020, Some("modbus")), None),
        (
            "modbus",
            Some("write_single_register holding:7 unit 1"),
            modbus,
            Some(command(
                Verb::Write,
                "write_single_register",
                "holding:7",
                Some(1),
            )),
        ),
        (
            "modbus",
            Some("write_single_coil coil:3"),
            modbus,
            Some(command(Verb::Operate, "write_single_coil", "coil:3", None)),
        ),
        (
            "modbus",
            Some("read_coils coil:3 unit 9"),
            modbus,
            Some(command(Verb::Read, "read_coils", "coil:3", Some(9))),
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_city_does_not_differ_from_itself(text in cities()) {
        let city = city(&text);
        prop_assert!(difference(&city, &city).unwrap().is_empty());
    }

    #[test]
    fn explanations_agree_with_judgements(text in cities()) {
        let city = city(&text);
        let judged = Judged::new(&city);
        let words = ["a", "b", "c", "x", "y", "outside", "10.1.0.9", "10.9.0.9"];
        for from in words {
            for to in words {
                let (from, to) = (judged.end(from).unwrap(), judged.end(to).unwrap());
                for (protocol, command, service, given) in asks() {
                    let explained = judged.explain(&from, &to, Some(protocol), command).unwrap();
                    let (a, b) = ((from.place, from.ip), (to.place, to.ip));
                    let verdict = match &given {
                        Some(given) => judged.context().judge_command_on(a, b, Some(&service), given).is_ok(),
                        None => judged.context().judge_contact(a, b, &service).is_ok(),
                    };
                    prop_assert_eq!(explained.allowed(), verdict, "{} -> {} {}", &from.name, &to.name, protocol);
                    // Whatever is allowed has its reason: a line, or that nothing is judged.
                    for answer in explained.answers.iter().filter(|a| a.allowed) {
                        prop_assert!(answer.by.is_some() || explained.free.is_some(), "{:?}", answer);
                    }
                    prop_assert_eq!(explained.needed.is_some(), !verdict);
                }
            }
        }
    }

    #[test]
    fn differences_agree_with_judgements(old in cities(), new in cities()) {
        let (old, new) = (city(&old), city(&new));
        let found = difference(&old, &new).unwrap();
        let (a, b) = (Judged::new(&old), Judged::new(&new));
        let samples = ["10.0.0.9", "10.1.0.9", "10.2.0.9", "10.3.0.9", "10.0.0.77", "10.1.0.77", "9.9.9.9"];
        let mut differ = false;
        for from in samples {
            for to in samples {
                for (protocol, command, ..) in asks() {
                    let allowed = |judged: &Judged<'_>| {
                        let (from, to) = (judged.end(from).unwrap(), judged.end(to).unwrap());
                        judged.explain(&from, &to, Some(protocol), command).unwrap().allowed()
                    };
                    differ |= allowed(&a) != allowed(&b);
                }
            }
        }
        // What is asked here is part of what a comparison asks.
        prop_assert!(!differ || !found.changes.is_empty());
        // Turned round, all that was given is taken away.
        let back = difference(&new, &old).unwrap();
        let count = |d: &crate::Difference, way| d.changes.iter().filter(|c| c.direction == way).count();
        prop_assert_eq!(count(&found, Direction::NowAllowed) > 0, count(&back, Direction::NoLonger) > 0);
    }

    #[test]
    fn what_is_needed_is_enough(text in cities()) {
        let base = city(&text);
        let judged = Judged::new(&base);
        for (from, to) in [("a", "b"), ("x", "c"), ("outside", "a"), ("10.2.0.9", "outside")] {
            let (start, end) = (judged.end(from).unwrap(), judged.end(to).unwrap());
            let explained = judged.explain(&start, &end, Some("modbus"), Some("write holding:100")).unwrap();
            if let Some(needed) = explained.needed.filter(|_| explained.isolated.is_none()) {
                let grown = city(&format!("{text}\n{needed}"));
                let judged = Judged::new(&grown);
                let (start, end) = (judged.end(from).unwrap(), judged.end(to).unwrap());
                let explained = judged.explain(&start, &end, Some("modbus"), Some("write holding:100")).unwrap();
                prop_assert!(explained.allowed(), "{}", show(&explained));
            }
        }
    }
}

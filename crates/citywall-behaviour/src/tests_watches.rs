//! Names, rhythms, uploads and claims in; behaviour out.

use citywall_event::{
    AssetInfo, Behaviour, Body, Contact, Context, ContextParts, Criticality, Event, FlowSummary, NameAsked,
    Nanos, Order, Prefix, Side, Sighting, SightingTrait, Subject, ZoneInfo,
};
use expect_test::expect;

use crate::{
    BeaconLimits, BeaconWatch, IdentityLimits, IdentityWatch, NameLimits, NameWatch, UploadLimits,
    UploadWatch,
};

const SECOND: Nanos = 1_000_000_000;

pub(crate) fn city() -> Context {
    let gateway = AssetInfo {
        name: "router".to_owned(),
        roles: vec!["gateway".to_owned()],
        criticality: Criticality::Essential,
        zone: Some(0),
        maker: None,
        addresses: vec![("10.0.0.1".parse().expect("address"), Some(0))],
        macs: vec![[2, 0, 0, 0, 0, 1]],
    };
    Context::new(ContextParts {
        zones: vec![ZoneInfo {
            name: "lamps".to_owned(),
            domain: "light".to_owned(),
            criticality: Criticality::Normal,
            isolated: false,
            inside_denied: false,
        }],
        networks: vec![(
            Prefix::new("10.0.0.0".parse().expect("address"), 8).expect("prefix"),
            0,
        )],
        assets: vec![gateway],
        ..ContextParts::default()
    })
}

pub(crate) fn event(number: u64, at: Nanos, src: &str, dst: &str, body: Body) -> Event {
    Event {
        order: Order::of_packet(at, 0, number, 0),
        at,
        subject: Subject {
            src_ip: src.parse().ok(),
            dst_ip: dst.parse().ok(),
            dst_port: Some(443),
            protocol: Some(6),
            ..Subject::default()
        },
        app_proto: None,
        body,
    }
}

fn show(found: Vec<Behaviour>) -> String {
    let line = |b: Behaviour| format!("{} {:.2} {}\n", b.kind, b.score, b.reason);
    found.into_iter().map(line).collect()
}

fn ask(names: impl Iterator<Item = (String, bool)>) -> String {
    let mut watch = NameWatch::new(NameLimits::default());
    let event = |(n, (name, unknown)): (u64, (String, bool))| {
        let body = Body::Name(NameAsked { name, unknown });
        event(n, n as Nanos * SECOND / 2, "10.0.0.7", "10.0.0.53", body)
    };
    show(
        (1..)
            .zip(names)
            .filter_map(|n| watch.observe(&event(n)))
            .collect(),
    )
}

/// Letters as a coder would spread them.
fn coded(mut n: u64, length: usize) -> String {
    let letter = |_| {
        n = n
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        char::from(b"abcdefghijklmnopqrstuvwxyz234567"[(n >> 59) as usize])
    };
    (0..length).map(letter).collect()
}

#[test]
fn names_that_carry_data() {
    let told = ask((0..60).map(|n| (format!("{}.t.example.com", coded(n, 48)), false)));
    expect![[r#"
        dns_tunnel 1.00 10.0.0.7 asked for 20 different long names below example.com within 10 s: they carry 1000 bytes of what looks like coded data
    "#]]
    .assert_eq(&told);
}

#[test]
fn long_names_of_a_content_network_are_no_tunnel() {
    // Few, and asked for again and again.
    let told = ask((0..400).map(|n| {
        (
            format!("edge-{}-frankfurt-de-content.cdn.example.com", n % 12),
            false,
        )
    }));
    assert_eq!(told, "");
    let reverse = ask((0..60).map(|n| (format!("{n}.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.ip6.arpa"), false)));
    assert_eq!(reverse, "");
}

/// Names with their askers, so many seconds after the one before; what was told, and of whom.
fn ask_later(names: impl Iterator<Item = (Nanos, u8, String, bool)>) -> Vec<String> {
    let mut watch = NameWatch::new(NameLimits::default());
    let event = |(n, (seconds, asker, name, unknown)): (u64, (Nanos, u8, String, bool))| {
        let body = Body::Name(NameAsked { name, unknown });
        event(n, seconds * SECOND, &format!("10.0.0.{asker}"), "10.0.0.53", body)
    };
    let found = (1..).zip(names).filter_map(|n| watch.observe(&event(n)));
    found
        .map(|b| format!("{} {:.2} {}", b.kind, b.score, b.reason))
        .collect()
}

#[test]
fn a_tunnel_that_takes_its_time_is_found_over_a_day() {
    let name = |n: Nanos| format!("{}.t.example.com", coded(n as u64, 48));
    expect!["dns_tunnel 1.00 10.0.0.7 asked for 100 different long names below example.com within 19800 s: they carry 5000 bytes of what looks like coded data"].assert_eq(&ask_later((0..300).map(|n| (n * 200, 7, name(n), false))).join("\n"));
    // Few a day, though for weeks.
    assert_eq!(
        ask_later((0..300).map(|n| (n * 1_000, 7, name(n), false))),
        Vec::<String>::new()
    );
    // The same names again and again.
    let content = ask_later((0..900).map(|n| (n * 60, 7, name(n % 40), false)));
    assert_eq!(content, Vec::<String>::new());
}

#[test]
fn what_several_have_asked_for_since_yesterday_is_a_service() {
    let name = |n: Nanos| format!("{}.avqs.example", coded(n as u64, 40));
    let usual = (0..30).map(|n| (n * 4_000, (n % 3) as u8, name(n), false));
    let scan = (0..200).map(|n| (130_000 + n, 1, name(1_000 + n), false));
    assert_eq!(ask_later(usual.chain(scan)), Vec::<String>::new());
}

#[test]
fn unknown_domains_of_words_are_told_where_nobody_asks_so() {
    const WORDS: [&str; 7] = ["green", "house", "river", "table", "light", "stone", "paper"];
    const TOPS: [&str; 4] = ["com", "net", "info", "top"];
    let name = |n: usize| format!("{}{}{n}.{}", WORDS[n % 7], WORDS[n / 7 % 7], TOPS[n % 4]);
    let of =
        |begin: Nanos, asker: u8| (0..80usize).map(move |n| (begin + 12 * n as Nanos, asker, name(n), true));
    let first = || std::iter::once((0, 1, "x.lan.city.example".to_owned(), true));
    expect!["generated_names 0.65 10.0.0.7 asked for 40 domains that do not exist within 468 s, each once and under 4 top-level domains; at most 0 in an hour before"].assert_eq(&ask_later(first().chain(of(90_000, 7))).join("\n"));
    // Who asks for others has as many every hour.
    let forwards = (0..48).flat_map(|hour| of(hour * 4_000, 53));
    assert_eq!(ask_later(first().chain(forwards)), Vec::<String>::new());
}

#[test]
fn names_that_nobody_chose() {
    let told = ask((0..60).map(|n| (format!("{}.com", coded(n, 14)), true)));
    assert!(told.starts_with("generated_names"), "{told}");
    // Somebody whose name server is gone asks for what people chose.
    let words = [
        "weather",
        "lantern",
        "timetable",
        "harbour",
        "festival",
        "library",
        "gallery",
    ];
    let lost = ask((0..60).map(|n| (format!("{}{}.example", words[n % 7], words[n / 7 % 7]), true)));
    assert_eq!(lost, "");
}

fn contacts(at: impl Iterator<Item = Nanos>) -> String {
    let (mut watch, city) = (BeaconWatch::new(BeaconLimits::default()), city());
    let body = || Body::Contact(Contact { midstream: false });
    let events = (1..)
        .zip(at)
        .map(|(n, at)| event(n, at, "10.0.0.7", "192.0.2.9", body()));
    show(events.filter_map(|e| watch.observe(&e, &city)).collect())
}

#[test]
fn a_rhythm_with_jitter_is_told_and_people_are_not() {
    let jitter = |n: Nanos| [0, 7, -5, 3, -9, 8, 1, -2][n as usize % 8] * SECOND;
    let told = contacts((1..30).map(|n| n * 60 * SECOND + jitter(n)));
    expect![[r#"
        periodic_callback 0.68 10.0.0.7 contacted 192.0.2.9 (tcp/443) 10 times, every 57.0 s, within 16 % of that
    "#]]
    .assert_eq(&told);
    // Somebody who reads: now and then, by no rhythm.
    let gaps = [3, 200, 14, 7, 900, 33, 5, 61, 420, 9, 2, 77, 15, 301, 48, 4, 130];
    let times = gaps.iter().scan(1, |at, gap| {
        *at += gap * SECOND;
        Some(*at)
    });
    assert_eq!(contacts(times), "");
}

#[test]
fn what_many_of_the_city_do_is_no_call_back() {
    let (mut watch, city) = (BeaconWatch::new(BeaconLimits::default()), city());
    for n in 1..30_u64 {
        for host in 1..8_u64 {
            let src = format!("10.0.0.{host}");
            let at = n as Nanos * 60 * SECOND + host as Nanos * SECOND;
            let body = Body::Contact(Contact { midstream: false });
            assert_eq!(
                watch.observe(&event(n * 10 + host, at, &src, "192.0.2.9", body), &city),
                None
            );
        }
    }
}

#[test]
fn an_upload_out_of_habit() {
    let (mut watch, city) = (UploadWatch::new(UploadLimits::default()), city());
    let mut found = Vec::new();
    for n in 1..200_u64 {
        let sent = if n < 100 { 10_000 } else { 900_000 };
        let body = Body::Flow(FlowSummary {
            bytes: [sent, 4_000],
            packets: [700, 60],
            ..FlowSummary::default()
        });
        // The day before is learned.
        let at = if n == 1 { SECOND } else { 86_400 * SECOND } + n as Nanos * 60 * SECOND;
        found.extend(watch.observe(&event(n, at, "10.0.0.7", "192.0.2.9", body), &city));
    }
    expect![[r#"
        upload_out_of_habit 0.83 10.0.0.7 sent 20.8 MB to 192.0.2.9 within 119 min in 120 conversations, 43 times what it received; never more than 0.0 MB before
        upload_out_of_habit 0.91 10.0.0.7 sent 42.4 MB to 192.0.2.9 within 143 min in 144 conversations, 74 times what it received; never more than 0.0 MB before
        upload_out_of_habit 0.96 10.0.0.7 sent 85.6 MB to 192.0.2.9 within 191 min in 192 conversations, 111 times what it received; never more than 0.0 MB before
    "#]]
    .assert_eq(&show(found));
}

/// What is sent, in megabytes, by whom, hours after the first; `hours` ascend.
fn uploads(sent: &[(Nanos, &str, u64)]) -> String {
    let (mut watch, city) = (UploadWatch::new(UploadLimits::default()), city());
    let mut found = Vec::new();
    for (n, (hours, from, megabytes)) in (1..).zip(sent) {
        let body = Body::Flow(FlowSummary {
            bytes: [megabytes * 1_000_000, 4_000],
            packets: [700, 60],
            ..FlowSummary::default()
        });
        let at = SECOND + hours * 3_600 * SECOND;
        found.extend(watch.observe(&event(n, at, from, "192.0.2.9", body), &city));
    }
    show(found)
}

#[test]
fn while_habits_are_learned_an_upload_is_told_again_at_eight_times_as_much() {
    let camera = "10.0.0.7";
    let day = |from: Nanos| (0..12).map(move |n| (from + n, camera, 30));
    let told = uploads(&day(0).chain(day(30)).collect::<Vec<_>>());
    expect![[r#"
        upload_out_of_habit 0.67 10.0.0.7 sent 30.0 MB to 192.0.2.9 within 0 min in 1 conversation, 7500 times what it received; never more than 0.0 MB before
        upload_out_of_habit 0.98 10.0.0.7 sent 240.0 MB to 192.0.2.9 within 420 min in 8 conversations, 7500 times what it received; never more than 0.0 MB before
    "#]]
    .assert_eq(&told);
}

fn claim(number: u64, at: Nanos, ip: &str, mac: u8) -> Event {
    let sighting = Sighting {
        side: Side::Source,
        trait_: SightingTrait::Address,
        value: ip.to_owned(),
        evidence: "arp.src_ip",
    };
    let mut event = event(number, at, "10.0.0.7", "10.0.0.9", Body::Sighting(sighting));
    event.subject.src_mac = Some([2, 0, 0, 0, 0, mac]);
    event
}

#[test]
fn who_comes_back_to_its_own_address_is_not_the_one_who_took_it() {
    let (mut watch, city) = (IdentityWatch::new(IdentityLimits::default()), city());
    // Silent for longer than five minutes, then both speak.
    let claims = [(1, 5), (400, 66), (401, 5), (402, 66)];
    let events = (1..)
        .zip(claims)
        .map(|(n, (second, mac))| claim(n, second * SECOND, "10.0.0.5", mac));
    let found = events.filter_map(|e| watch.observe(&e, &city)).collect();
    expect![[r#"
        address_claimed 0.90 02:00:00:00:00:42 claims to be 10.0.0.5; until now it was 02:00:00:00:00:05: what is sent to it may be read and changed on its way
    "#]]
    .assert_eq(&show(found));
}

#[test]
fn somebody_claims_to_be_the_gateway() {
    let (mut watch, city) = (IdentityWatch::new(IdentityLimits::default()), city());
    let claims = [
        ("10.0.0.1", 1),
        ("10.0.0.5", 5),
        ("10.0.0.1", 66),
        ("10.0.0.1", 66),
        ("10.0.0.5", 66),
    ];
    let events = (1..)
        .zip(claims)
        .map(|(n, (ip, mac))| claim(n, n as Nanos * SECOND, ip, mac));
    let found = events.filter_map(|e| watch.observe(&e, &city)).collect();
    expect![[r#"
        address_claimed 0.99 02:00:00:00:00:42 claims to be router (10.0.0.1); the city file says 02:00:00:00:00:01: what is sent to it may be read and changed on its way
        address_claimed 0.90 02:00:00:00:00:42 claims to be 10.0.0.5; until now it was 02:00:00:00:00:05: what is sent to it may be read and changed on its way
    "#]]
    .assert_eq(&show(found));
}

#[test]
fn an_address_that_was_silent_may_move() {
    let (mut watch, city) = (IdentityWatch::new(IdentityLimits::default()), city());
    assert_eq!(watch.observe(&claim(1, SECOND, "10.0.0.5", 5), &city), None);
    assert_eq!(watch.observe(&claim(2, 400 * SECOND, "10.0.0.5", 6), &city), None);
}

#[test]
fn messages_that_are_asked_for_in_the_clear_need_a_longer_rhythm() {
    let mut watch = BeaconWatch::new(BeaconLimits::default());
    let city = city();
    let mut told = Vec::new();
    for number in 0..150_u64 {
        let at = SECOND + number as Nanos * 2 * SECOND;
        let mut contact = event(
            number + 1,
            at,
            "10.0.0.6",
            "203.0.113.9",
            Body::Contact(Contact { midstream: false }),
        );
        contact.subject.dst_port = Some(80);
        told.extend(watch.observe(&contact, &city).map(|b| (number + 1, b.kind)));
    }
    assert_eq!(told, [(100, "periodic_callback")]);
}

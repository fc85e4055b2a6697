//! Models held against what devices do: anomalies, rates, drift.

use super::*;
use crate::SplitMix64;
use crate::learned::{Normal, Sent, Spoken};
use citywall_event::FlowSummary;
use expect_test::expect;

fn ip(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

/// A conversation of a device that is over at a second.
fn flow(second: i64, from: u8, port: u16, bytes: u64) -> Event {
    let at = second * 1_000_000_000;
    let flow = FlowSummary {
        start: at - 5_000_000,
        end: at,
        packets: [4, 4],
        bytes: [bytes, 300],
        established: true,
        ..FlowSummary::default()
    };
    Event {
        order: Order::of_packet(at, 0, second as u64, 0),
        at,
        subject: Subject {
            src_ip: Some(ip(from)),
            dst_ip: Some(ip(200)),
            dst_port: Some(port),
            protocol: Some(6),
            ..Subject::default()
        },
        app_proto: None,
        body: Body::Flow(flow),
    }
}

fn spoken(events: &[Event]) -> Vec<Spoken> {
    let mut features = ConversationFeatures::new(64);
    let all = events.iter().filter_map(|event| {
        let Body::Flow(flow) = &event.body else {
            return None;
        };
        let seen = Seen::of(event, flow)?;
        Some(Spoken {
            capture: 0,
            at: seen.at,
            who: seen.src,
            bytes: seen.bytes[0] + seen.bytes[1],
            features: features.observe(&seen),
        })
    });
    all.collect()
}

/// Nothing that is normal deviates from the list.
fn train(class: &str, events: &[Event], packets: &[Sent]) -> Arc<[Model]> {
    let normal = Normal {
        conversations: &spoken(events),
        packets,
        deviations: Some(&[]),
    };
    vec![Model::train(class, String::new(), 1, &normal).expect("enough")].into()
}

/// A device that polls once a minute.
fn polling(minutes: i64) -> Vec<Event> {
    (1..minutes)
        .map(|n| flow(n * 60, 1, 502, 280 + n as u64 % 40))
        .collect()
}

/// Plays events with their ticks.
fn play(watch: &mut UnusualWatch, events: &[Event]) -> Vec<Unusual> {
    let context = Context::default();
    let mut found = Vec::new();
    let mut last = i64::MIN;
    for event in events {
        let second = event.at.div_euclid(1_000_000_000);
        if second > last {
            found.extend(watch.tick(second * 1_000_000_000, &context));
            last = second;
        }
        watch.observe(event, &context);
    }
    found.extend(watch.finish(last.saturating_mul(1_000_000_000), &context));
    found
}

#[test]
fn what_the_model_never_saw_is_told_once_in_an_hour() {
    let mut watch = UnusualWatch::new(&train("any", &polling(300), &[]), UnusualLimits::default());
    assert_eq!(play(&mut watch, &polling(100)), []);
    let odd = [
        flow(6_000, 1, 445, 9_000_000),
        flow(6_060, 1, 445, 9_000_000),
        flow(6_120, 1, 502, 300),
    ];
    let told = play(&mut watch, &odd);
    assert_eq!(told.len(), 1, "{told:?}");
    let (subject, told) = &told[0];
    assert_eq!(
        (told.kind, subject.src_ip, subject.dst_port),
        ("anomaly", Some(ip(1)), Some(445))
    );
    expect![[r#"10.0.0.1 behaves as devices of any kind do not: service tcp/445 (normal: tcp/502); bytes sent 9000000 (normal: 180 to 361); bytes per packet sent 2250000 (normal: 44 to 90)"#]]
        .assert_eq(&told.reason);
    assert_eq!(told.evidence, [odd[0].order]);
    assert!(told.score > 0.9999);
}

#[test]
fn a_deviation_adds_to_what_the_model_finds_and_alone_is_told_by_itself() {
    let models = train("any", &polling(300), &[]);
    let deviation = |second: i64| Event {
        body: Body::Behaviour(Box::new(Behaviour {
            kind: "new_peer",
            reason: Phrase::as_written("it never spoke with that one"),
            score: 0.7,
            features: Vec::new(),
            technique: None,
            evidence: Vec::new(),
        })),
        ..flow(second, 1, 502, 300)
    };
    // Odd, but not odd enough by itself.
    let odd = flow(6_000, 1, 502, 600);
    let watched = |more: &[Event]| {
        let mut watch = UnusualWatch::new(&models, UnusualLimits::default());
        let mut events = polling(100);
        events.extend(more.iter().cloned());
        play(&mut watch, &events)
    };
    assert_eq!(watched(&[deviation(5_941)]), []);
    assert_eq!(watched(std::slice::from_ref(&odd)), []);
    let told = watched(&[odd, deviation(6_001)]);
    assert_eq!(told.len(), 1);
    assert!(
        told[0]
            .1
            .reason
            .contains("not on the signed list: it never spoke with that one"),
        "{}",
        told[0].1.reason
    );
    assert_eq!(told[0].1.evidence.len(), 2);
}

#[test]
fn without_a_model_for_the_device_it_abstains() {
    let odd = [flow(120, 1, 445, 9_000_000)];
    for models in [vec![].into(), train("pumps", &polling(300), &[])] {
        let mut watch = UnusualWatch::new(&models, UnusualLimits::default());
        assert_eq!(play(&mut watch, &odd), []);
    }
}

#[test]
fn packets_that_break_the_pattern_are_a_reason() {
    // One packet a second, as large as the one before.
    let seen = |second: i64, bytes: u32| PacketSeen {
        at: second * 1_000_000_000,
        card: [2, 0, 0, 0, 0, 1],
        from: (Party::Ip(ip(1)), 40_000),
        to: (Party::Ip(ip(200)), 502),
        protocol: 6,
        bytes,
    };
    let mut random = SplitMix64::new(1);
    let mut features = PacketFeatures::new(16);
    let mut sizes: Vec<u32> = (0..6_000).map(|_| 80 + random.below(20) as u32).collect();
    let packets: Vec<Sent> = (0..)
        .zip(&sizes)
        .map(|(second, bytes)| {
            let seen = seen(second, *bytes);
            let mut row = [0.0; PACKET_FEATURES];
            features.observe(&seen, &mut row);
            Sent {
                capture: 0,
                at: seen.at,
                who: Some(ip(1)),
                row,
            }
        })
        .collect();
    let models = train("any", &polling(100), &packets);
    let context = Context::default();
    let mut watch = UnusualWatch::new(&models, UnusualLimits::default());
    assert!(watch.wants_packets());
    let mut told = Vec::new();
    sizes.truncate(3_000);
    for (second, bytes) in (0..).zip(sizes.iter().copied().chain([1_400; 30])) {
        told.extend(watch.tick(second * 1_000_000_000, &context));
        watch.packet(&seen(second, bytes), &context);
    }
    told.extend(watch.finish(3_040 * 1_000_000_000, &context));
    assert_eq!(told.len(), 1, "{told:?}");
    let reason = &told[0].1.reason;
    assert!(
        reason.contains("over") && reason.contains("(normal: "),
        "{reason}"
    );
    assert!(told[0].0.dst_ip.is_none() && told[0].1.features[0].0 == "packets");
}

/// Devices that ask every five minutes, with a day's course in their bytes.
fn days(first: i64, days: i64, devices: u8, of: impl Fn(i64, u8) -> (u16, u64)) -> Vec<Event> {
    let mut all = Vec::new();
    for slot in first * 288..(first + days) * 288 {
        for device in 1..=devices {
            let (port, bytes) = of(slot, device);
            all.push(flow(slot * 300 + i64::from(device), device, port, bytes));
        }
    }
    all
}

fn usual(slot: i64, device: u8) -> (u16, u64) {
    let mut random = SplitMix64::new((slot as u64) << 8 | u64::from(device));
    let day = 1_000.0 + 700.0 * (std::f64::consts::TAU * slot as f64 / 288.0).sin();
    (502, (day * (1.0 + 0.1 * random.normal())).max(0.0) as u64)
}

#[test]
fn more_than_the_forecast_expects_is_told_of_the_class() {
    let models = train("any", &days(0, 7, 3, usual), &[]);
    assert!(models[0].rates.is_some());
    let mut watch = UnusualWatch::new(&models, UnusualLimits::default());
    let quiet = play(&mut watch, &days(7, 2, 3, usual));
    assert_eq!(quiet, []);
    let band = watch.bands(9 * 24).next().expect("a forecast");
    assert!(band.expected.low > 0.0 && band.expected.high < 1e6, "{band:?}");
    let (class, held) = watch.held().next().expect("hours that were held against it");
    assert!(class == "any" && held.len() >= 40, "{}", held.len());
    let inside = held.iter().filter(|h| h.expected.held).count();
    assert!(inside * 10 >= held.len() * 7, "{inside} of {}", held.len());
    assert!(held.iter().zip(held.iter().skip(1)).all(|(a, b)| a.hour < b.hour));
    // Each sends as much by night as by day, for three hours: none of it is large.
    let loud = |slot: i64, device: u8| {
        let (port, bytes) = usual(slot, device);
        (
            port,
            if slot % 288 > 200 && slot % 288 < 240 {
                20_000
            } else {
                bytes
            },
        )
    };
    let told = play(&mut watch, &days(9, 1, 3, loud));
    let (_, held) = watch.held().next().expect("hours");
    let off = held.iter().filter(|h| h.hour >= 9 * 24 && !h.expected.held);
    assert!(off.clone().any(|h| h.bytes as f64 > h.expected.high), "{held:?}");
    play(&mut watch, &days(10, 8, 3, usual));
    let (_, held) = watch.held().next().expect("hours");
    assert_eq!(held.len(), super::HOURS_KEPT, "a week, and no more");
    let rates: Vec<&str> = told
        .iter()
        .filter(|(_, b)| b.kind == "rate_unexpected")
        .map(|(_, b)| &*b.reason)
        .collect();
    assert!(
        rates
            .first()
            .is_some_and(|r| r.contains("more than expected (normal: ")),
        "{told:?}"
    );
    let single = told.iter().find(|(_, b)| b.kind == "anomaly").expect("a device");
    assert!(
        single.1.reason.contains("bytes in the hour"),
        "{}",
        single.1.reason
    );
}

#[test]
fn slow_on_many_devices_is_drift_and_sudden_on_one_is_not() {
    let models = train("any", &days(0, 7, 4, usual), &[]);
    let drifts = |of: &dyn Fn(i64, u8) -> (u16, u64)| {
        let mut watch = UnusualWatch::new(&models, UnusualLimits::default());
        let told = play(&mut watch, &days(7, 7, 4, of));
        let figure = watch.drift().next().map(|(_, figure)| figure);
        let kept: Vec<(Option<IpAddr>, String)> = told
            .into_iter()
            .filter(|(_, b)| b.features.iter().any(|(name, _)| *name == "shift"))
            .map(|(s, b)| (s.src_ip, format!("{}: {}", b.kind, &*b.reason)))
            .collect();
        (kept, figure.expect("a figure"))
    };
    let (none, figure) = drifts(&usual);
    assert_eq!((none.len(), figure.judged, figure.moved), (0, 4, 0), "{none:?}");
    // Half more with each day.
    let (slow, figure) = drifts(&|slot, device| {
        let (port, bytes) = usual(slot, device);
        (port, bytes + bytes * (slot as u64 - 7 * 288) / 288 / 2)
    });
    assert_eq!((slow.len(), figure.moved), (1, 4), "{slow:?}");
    assert_eq!(slow[0].0, None);
    assert!(
        slow[0]
            .1
            .starts_with("drift: 4 of 4 devices of any kind are no longer"),
        "{slow:?}"
    );
    let (sudden, _) = drifts(&|slot, device| {
        let (port, bytes) = usual(slot, device);
        (
            port,
            if device == 2 && slot >= 11 * 288 {
                40 * bytes
            } else {
                bytes
            },
        )
    });
    assert_eq!(sudden.len(), 1, "{sudden:?}");
    assert_eq!(sudden[0].0, Some(ip(2)));
    assert!(
        sudden[0]
            .1
            .starts_with("anomaly: 10.0.0.2 alone among the devices of any kind changed from one day"),
        "{sudden:?}"
    );
}

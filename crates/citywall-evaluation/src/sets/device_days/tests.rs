//! The harness itself: that it can fail, and that its truth is true.

use std::collections::HashSet;

use super::stream::{Dice, HOUR, SECOND};
use super::*;

/// Says that everything is an attack.
struct Loud;

impl Sensor for Loud {
    fn event(&mut self, event: Event, tell: &mut dyn FnMut(Told)) {
        tell(Told {
            at: event.at,
            about: event.subject.src_ip,
            kind: "syn_flood",
            score: 1.0,
        });
    }
    fn packet(&mut self, at: Nanos, sample: &Sample, tell: &mut dyn FnMut(Told)) {
        tell(Told {
            at,
            about: Some(sample.src),
            kind: "syn_flood",
            score: 1.0,
        });
    }
    fn finish(&mut self, _: Nanos, _: &mut dyn FnMut(Told)) {}
}

const SETTINGS: Settings = Settings {
    draws: 5,
    seed: 5,
    rate: 1e-3,
    cpu: || 0.0,
};

fn tables_of(runs: u32, mut sensor: impl FnMut() -> Box<dyn Sensor>) -> Vec<Plain> {
    let mut bench = Bench {
        sensor: &mut sensor,
        peak: || None,
    };
    tables(runs, &SETTINGS, &mut bench)
}

fn cell<'a>(table: &'a Plain, row: &str, column: &str) -> &'a str {
    let at = table.columns.iter().position(|c| c.starts_with(column));
    let row = table.rows.iter().find(|r| r[0].starts_with(row));
    &row.expect("a row")[at.expect("a column")]
}

fn value(table: &Plain, row: &str, column: &str) -> f64 {
    let cell = cell(table, row, column);
    cell.split(' ')
        .next()
        .expect("a value")
        .parse()
        .expect("a number")
}

#[test]
fn who_never_speaks_finds_nothing_and_the_same_seed_gives_the_same_tables() {
    let tables = tables_of(2, || Box::new(Mute));
    let who = &tables[0];
    assert_eq!(value(who, "ours, all", "told"), 0.0);
    assert_eq!(value(who, "ours, all", "false alerts"), 0.0);
    // Two runs are 1,200 device-days and more: enough for 1e-3.
    assert_eq!(value(who, "ours, all", "TPR at 1e-3"), 0.0);
    assert_eq!(cell(who, "ours, all", "TPR at 1e-4"), "-");
    assert!(tables[3].rows.is_empty());
    let names = [
        "boxplot",
        "new destination",
        "rate threshold",
        "isolation forest",
        "boosted trees",
    ];
    for rival in names {
        assert!(who.rows.iter().any(|row| row[0].starts_with(rival)), "{rival}");
    }
    assert!(value(who, "rate threshold: conv", "all families") > 0.1);
    assert_eq!(tables, tables_of(2, || Box::new(Mute)));
}

#[test]
fn who_always_speaks_is_told_by_its_false_alerts_and_ranks_nothing() {
    let tables = tables_of(2, || Box::new(Loud));
    let who = &tables[0];
    assert_eq!(value(who, "ours, all", "told"), 1.0);
    assert_eq!(value(who, "ours, each", "TPR at 1e-3"), 0.0);
    assert!(value(who, "ours, all", "false alerts") > 1.0);
    assert_eq!(value(who, "ours, all", "TPR at 1e-3"), 0.0);
    let flood = &tables[1].rows[0];
    assert_eq!((flood[6].as_str(), flood[7].as_str()), ("2", "2"));
}

/// All that a run says, by day, and its attacks.
fn days(seed: u64) -> (City, Vec<Vec<Event>>, Vec<Attack>) {
    let city = City::new(seed);
    let (mut stream, mut attacks, mut all) = (Stream::default(), Vec::new(), Vec::new());
    for day in ATTACKED..DAYS {
        attacks.extend(attacks::day(&city, BEGIN, day, &mut stream));
    }
    for day in 0..DAYS {
        all.push(stream.before(BEGIN + Nanos::from(day + 1) * DAY + 2 * HOUR).0);
    }
    (city, all, attacks)
}

#[test]
fn each_family_is_there_once_on_a_device_of_its_own_and_within_its_day() {
    for seed in 0..30 {
        let (city, events, attacks) = days(seed);
        assert_eq!(attacks.len(), attacks::FAMILIES.len());
        let mut units = HashSet::new();
        for attack in &attacks {
            let name = attacks::FAMILIES[attack.family].name;
            let begin = BEGIN + Nanos::from(attack.day) * DAY;
            // An upload may be one conversation; everything else takes several.
            let least = if name == "bulk upload" { 1 } else { 5 };
            assert!(attack.done.len() >= least, "{name}: {}", attack.done.len());
            assert!(
                attack.start() >= begin && attack.end() < begin + DAY,
                "{name} of {seed}"
            );
            assert!(attack.day >= ATTACKED && attack.day < DAYS);
            let own = if attack.unit == city.border() {
                attack.day as usize + 1_000
            } else {
                attack.unit
            };
            assert!(units.insert(own), "{name} of {seed}");
        }
        let before = events[..ATTACKED as usize - 1].iter().all(Vec::is_empty);
        assert!(before, "an attack before its day");
        // Whatever was said in these days is an attack's, and by whom the truth says.
        for event in events.iter().flatten() {
            let sender = event.subject.src_ip.or(match &event.body {
                citywall_event::Body::Lookup(look) => look.sender.map(IpAddr::V4),
                _ => None,
            });
            let unit = city.unit(sender);
            let by = |a: &&Attack| a.unit == unit || a.touched.contains(&unit);
            let explained = attacks
                .iter()
                .filter(by)
                .any(|a| event.at >= a.start() && event.at <= a.end() + 2 * HOUR);
            let answer = matches!(&event.body, citywall_event::Body::Lookup(look) if look.answer);
            assert!(explained || answer, "{:?} of {unit}", event.body);
        }
    }
}

#[test]
fn families_are_what_they_say() {
    use citywall_event::Body;
    let find = |name: &str| {
        attacks::FAMILIES
            .iter()
            .position(|f| f.name == name)
            .expect("a family")
    };
    for seed in 0..10 {
        let (city, events, attacks) = days(seed);
        let of = |name: &str| {
            let family = find(name);
            let attack = attacks.iter().find(|a| a.family == family).expect("an attack");
            let own: Vec<&Event> = events
                .iter()
                .flatten()
                .filter(|e| city.unit(e.subject.src_ip) == attack.unit)
                .filter(|e| e.at >= attack.start() && e.at <= attack.end() + 2 * HOUR)
                .collect();
            (attack.clone(), own)
        };
        let (calls, own) = of("call-backs, minutes to hours");
        let whom: HashSet<_> = own.iter().map(|e| e.subject.dst_ip).collect();
        assert_eq!(whom.len(), 1);
        assert!(calls.end() - calls.start() > 18 * HOUR);
        let (_, own) = of("slow guessing");
        let failed = own.iter().filter(|e| match &e.body {
            Body::Login(login) => login.success == Some(false),
            Body::Flow(_) => e.app_proto == Some("ssh"),
            _ => false,
        });
        assert!(failed.count() >= 20);
        let (slow, _) = of("slow scan");
        let every = (slow.end() - slow.start()) / (slow.done.len() as Nanos - 1);
        assert!((100 * SECOND..700 * SECOND).contains(&every), "{every}");
        let (upload, own) = of("slow upload");
        let sent: u64 = own
            .iter()
            .filter_map(|e| match &e.body {
                Body::Flow(flow) => Some(flow.bytes[0]),
                _ => None,
            })
            .sum();
        let meant: f64 = upload.done.iter().map(|d| d.1).sum();
        assert!((sent as f64 / meant - 1.0).abs() < 0.1, "{sent} {meant}");
        let (_, own) = of("generated names");
        let unknown = own
            .iter()
            .filter(|e| matches!(&e.body, Body::Name(asked) if asked.unknown));
        assert!(unknown.count() >= 60);
        let (spread, own) = of("scan of many sources");
        let from: HashSet<_> = own.iter().map(|e| e.subject.src_ip).collect();
        assert!(from.len() >= 30 && spread.unit == city.border(), "{}", from.len());
    }
}

#[test]
fn attacks_move_nothing_that_is_normal() {
    let mut sensor = || Box::new(Mute) as Box<dyn Sensor>;
    let mut bench = Bench {
        sensor: &mut sensor,
        peak: || None,
    };
    let (with, without) = (
        one(3, true, &SETTINGS, &mut bench),
        one(3, false, &SETTINGS, &mut bench),
    );
    let untouched = |row: &&windows::Row| {
        let concerns =
            |a: &Attack| a.unit == usize::from(row.unit) || a.touched.contains(&usize::from(row.unit));
        !with
            .attacks
            .iter()
            .any(|a| a.day == u32::from(row.day) && concerns(a))
    };
    // Who is called by an attack's recipient is no sender: windows are by sender.
    let of = |run: &Run| run.rows.iter().filter(untouched).cloned().collect::<Vec<_>>();
    let (a, b) = (of(&with), of(&without));
    assert!(a.len() > 20_000 && a == b);
    assert!(without.attacks.is_empty() && with.events > without.events);
}

#[test]
fn a_device_day_is_a_day_of_many_events_but_not_of_too_many() {
    let city = City::new(9);
    let mut stream = Stream::default();
    benign::day(&city, BEGIN, 0, &mut stream);
    let (events, packets) = stream.before(BEGIN + DAY);
    assert!((20_000..120_000).contains(&events.len()), "{}", events.len());
    assert!((10_000..400_000).contains(&packets.len()), "{}", packets.len());
    assert!(events.is_sorted_by_key(|e| e.order) && packets.is_sorted_by_key(|p| p.0));
    let silent = city
        .devices
        .iter()
        .filter(|d| !events.iter().any(|e| e.subject.src_ip == Some(d.ip)));
    assert_eq!(silent.count(), 0);
    let mut dice = Dice::new(&[1, 2, 3]);
    assert!((0..1_000).all(|_| (3..=5).contains(&dice.count(3, 5))));
}

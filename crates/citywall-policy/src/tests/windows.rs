//! When windows are open: past midnight, and where clocks are put forward and back.

use citywall_event::Place;
use expect_test::expect;
use jiff::civil::DateTime;

use super::city;

const TEXT: &str = r#"
[city]
name = "Here"
timezone = "Europe/Berlin"
[[domain]]
name = "d"
[[zone]]
name = "signals"
domain = "d"
networks = ["10.1.0.0/24"]
[[zone]]
name = "other"
domain = "d"
networks = ["10.2.0.0/24"]
[[asset]]
name = "plc"
address = "10.2.0.9"
[[window]]
name = "night"
on = ["signals"]
days = ["tue", "sat"]
from = 22:00:00
to = 04:00:00
[[window]]
name = "small hours"
on = ["signals"]
days = ["sun"]
from = 02:15:00
to = 02:45:00
[[window]]
name = "all day"
on = ["plc"]
days = ["wed"]
from = 06:00:00
to = 06:00:00
[[window]]
name = "once"
on = ["plc"]
starts = 2026-12-01T08:00:00
ends = 2026-12-01T16:00:00
"#;

fn nanos(utc: &str) -> i64 {
    let local: DateTime = utc.parse().unwrap();
    let at = local.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
    i64::try_from(at.as_nanosecond()).unwrap()
}

/// Runs over a span of UTC in steps of five minutes and tells when windows open and close.
fn run(from: &str, to: &str, places: &[(Place, &str)]) -> String {
    let city = city(TEXT);
    let (mut at, end) = (nanos(from), nanos(to));
    let mut told = String::new();
    let mut before = vec![String::new(); places.len()];
    while at < end {
        for ((place, name), before) in places.iter().zip(&mut before) {
            let open: Vec<&str> = city
                .windows_open(at, *place)
                .iter()
                .map(|w| w.name.as_str())
                .collect();
            let now = open.join(", ");
            if now != *before {
                told.push_str(&format!("{} {name}: {now}\n", city.local_time(at)));
                *before = now;
            }
        }
        at += 300_000_000_000;
    }
    told
}

const SIGNALS: Place = Place {
    zone: Some(0),
    asset: None,
};
const PLC: Place = Place {
    zone: Some(1),
    asset: Some(0),
};

#[test]
fn a_week() {
    expect![[r#"
        2026-11-24 22:00:00 CET signals: night
        2026-11-25 04:00:00 CET signals: 
        2026-11-25 06:00:00 CET plc: all day
        2026-11-26 06:00:00 CET plc: 
        2026-11-28 22:00:00 CET signals: night
        2026-11-29 02:15:00 CET signals: night, small hours
        2026-11-29 02:45:00 CET signals: night
        2026-11-29 04:00:00 CET signals: 
        2026-12-01 08:00:00 CET plc: once
        2026-12-01 16:00:00 CET plc: 
        2026-12-01 22:00:00 CET signals: night
        2026-12-02 04:00:00 CET signals: 
        2026-12-02 06:00:00 CET plc: all day
    "#]]
    .assert_eq(&run(
        "2026-11-23T00:00:00",
        "2026-12-02T12:00:00",
        &[(SIGNALS, "signals"), (PLC, "plc")],
    ));
}

#[test]
fn the_night_in_which_clocks_are_put_forward() {
    // 2026-03-29: 02:00 becomes 03:00.
    expect![[r#"
        2026-03-28 22:00:00 CET signals: night
        2026-03-29 03:15:00 CEST signals: night, small hours
        2026-03-29 03:45:00 CEST signals: night
        2026-03-29 04:00:00 CEST signals: 
    "#]]
    .assert_eq(&run(
        "2026-03-28T12:00:00",
        "2026-03-29T12:00:00",
        &[(SIGNALS, "signals")],
    ));
}

#[test]
fn the_night_in_which_clocks_are_put_back() {
    // 2026-10-25: 03:00 becomes 02:00.
    expect![[r#"
        2026-10-24 22:00:00 CEST signals: night
        2026-10-25 02:15:00 CEST signals: night, small hours
        2026-10-25 02:45:00 CET signals: night
        2026-10-25 04:00:00 CET signals: 
    "#]]
    .assert_eq(&run(
        "2026-10-24T12:00:00",
        "2026-10-25T12:00:00",
        &[(SIGNALS, "signals")],
    ));
}

#[test]
fn borders_and_the_end_of_time() {
    let city = city(TEXT);
    let once = &city.windows[3];
    let (starts, ends) = (nanos("2026-12-01T07:00:00"), nanos("2026-12-01T15:00:00"));
    for (at, open, over) in [
        (starts - 1, false, false),
        (starts, true, false),
        (ends - 1, true, false),
        (ends, false, true),
        (i64::MAX, false, true),
        (i64::MIN, false, false),
    ] {
        assert_eq!(once.is_open(at, &city.timezone), open, "{at}");
        assert_eq!(once.is_over(at, &city.timezone), over, "{at}");
    }
}

//! What the benign work lost, and small questions of the judge.
//!
//! Owns: counting requests, and comparing names, times and rules. Does not own: verdicts.

use serde::{Deserialize, Serialize};

use crate::city::City;
use crate::drive::Act;
use crate::log::Kind;
use crate::topology::Host;

/// What the work of those who are to be left alone lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Toll {
    /// Requests of all who are to be left alone.
    pub requests: u64,
    /// Of these, failed.
    pub failed: u64,
    /// Requests from or to a device of a zone that is `safety`.
    pub safety_requests: u64,
    /// Of these, failed.
    pub safety_failed: u64,
    /// The first few that failed.
    pub examples: Vec<String>,
}

/// Failures that are shown.
const EXAMPLES: usize = 4;

/// Counts what was begun in a span of time by everybody but these.
pub(super) fn toll(city: &City, but: &[&str], from: u64, to: u64) -> Toll {
    let mut toll = Toll::default();
    let topology = &city.topology;
    for host in topology.hosts.iter().filter(|h| !but.contains(&h.name)) {
        for line in city.lines(host.name) {
            if line.kind != Kind::Work || line.began < from || line.began >= to {
                continue;
            }
            let peer = line.peer.parse().ok().and_then(|ip| topology.who(ip));
            if peer.is_some_and(|peer| but.contains(&peer.name)) {
                continue;
            }
            let safety = [Some(host), peer].into_iter().flatten().any(|host| {
                topology
                    .zone_of(host)
                    .is_some_and(|zone| zone.criticality == "safety")
            });
            toll.requests += 1;
            toll.safety_requests += u64::from(safety);
            if line.ok {
                continue;
            }
            toll.failed += 1;
            toll.safety_failed += u64::from(safety);
            if toll.examples.len() < EXAMPLES {
                let peer = peer.map_or(line.peer.as_str(), |p| p.name);
                toll.examples
                    .push(format!("{} of {} to {peer}: {}", line.name, host.name, line.what));
            }
        }
    }
    toll
}

/// Whether an action is about a host.
pub(super) fn is_about(act: &Act, host: &Host) -> bool {
    // The target begins with whom it is about; behind that stands towards whom.
    let mut words = act.target.split(|c: char| c.is_whitespace() || c == ',');
    let whom = words.find(|w| {
        !matches!(
            *w,
            "changing" | "commands" | "from" | "new" | "conversations" | "with"
        )
    });
    whom.is_some_and(|w| w == host.name || w == host.address.to_string() || w == host.mac)
}

/// The first lines that two texts do not share.
pub(super) fn difference(before: &str, now: &str) -> String {
    let lost = before
        .lines()
        .filter(|line| !now.contains(*line))
        .map(|l| format!("-{}", l.trim()));
    let new = now
        .lines()
        .filter(|line| !before.contains(*line))
        .map(|l| format!("+{}", l.trim()));
    lost.chain(new).take(6).collect::<Vec<_>>().join(" | ")
}

/// A time of the product's events (`2026-04-30T13:20:41.000000+0000`), nanoseconds since 1970.
pub(super) fn time(text: &str) -> Option<u64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let seconds = number(11, 13)? * 3_600 + number(14, 16)? * 60 + number(17, 19)?;
    // Days since 1970 by the civil calendar (Hinnant, "chrono-compatible low-level date algorithms").
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let micros = number(20, 26)?;
    u64::try_from((days * 86_400 + seconds) * 1_000_000_000 + micros * 1_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(time("1970-01-01T00:00:01.000002+0000"), Some(1_000_002_000));
        assert_eq!(
            time("2026-04-30T13:20:41.500000+0000"),
            Some(1_777_555_241_500_000_000)
        );
        assert_eq!(
            time("2024-02-29T00:00:00.000000+0000"),
            Some(1_709_164_800_000_000_000)
        );
        assert_eq!(time("yesterday"), None);
    }

    #[test]
    fn rules_are_compared_by_line() {
        let (before, now) = ("table inet a {\n\tset b\n}", "table inet a {\n\tset c\n}");
        assert_eq!(difference(before, now), "-set b | +set c");
        assert_eq!(difference(before, before), "");
    }
}

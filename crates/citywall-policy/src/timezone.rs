//! The city's own time, for people: files are in UTC.
//!
//! Owns: the time zone by IANA name from the bundled database (never the machine's), and how a
//! time is shown.

use citywall_event::{Nanos, Phrase, say};
use jiff::civil;
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// Which border of a span a local time is, where the clock shows it twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The first time.
    Begin,
    /// The second time.
    End,
}

/// A time zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Timezone {
    name: String,
    zone: TimeZone,
}

impl Default for Timezone {
    fn default() -> Timezone {
        Timezone {
            name: "UTC".to_owned(),
            zone: TimeZone::UTC,
        }
    }
}

impl Timezone {
    /// Finds a zone by its IANA name, `Europe/Berlin`.
    pub fn find(name: &str) -> Option<Timezone> {
        let zone = TimeZoneDatabase::bundled().get(name).ok()?;
        Some(Timezone {
            name: name.to_owned(),
            zone,
        })
    }

    /// The name as the city file gives it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the city's clocks show.
    pub(crate) fn civil(&self, at: Nanos) -> Option<civil::DateTime> {
        let timestamp = jiff::Timestamp::from_nanosecond(i128::from(at)).ok()?;
        Some(self.zone.to_datetime(timestamp))
    }

    /// When the city's clocks show this. A time that is left out moves on by what is left out.
    pub(crate) fn instant(&self, local: civil::DateTime, side: Side) -> Option<Nanos> {
        let found = self.zone.to_ambiguous_timestamp(local);
        let timestamp = match side {
            Side::Begin => found.compatible(),
            Side::End => found.later(),
        };
        i64::try_from(timestamp.ok()?.as_nanosecond()).ok()
    }

    /// `2026-11-22 16:47:19 CET`.
    pub fn local_time(&self, at: Nanos) -> String {
        let shown = jiff::Timestamp::from_nanosecond(i128::from(at))
            .ok()
            .and_then(|timestamp| {
                let zoned = timestamp.to_zoned(self.zone.clone());
                jiff::fmt::strtime::format("%Y-%m-%d %H:%M:%S %Z", &zoned).ok()
            });
        // Every 64-bit nanosecond is a time that jiff can hold; the number is better than nothing.
        shown.unwrap_or_else(|| format!("{at} ns"))
    }
}

/// Names that are near to a wrong one.
pub(crate) fn suggest(name: &str) -> Phrase {
    let known: Vec<String> = TimeZoneDatabase::bundled()
        .available()
        .map(|n| n.to_string())
        .collect();
    crate::suggest::did_you_mean(name, known.iter().map(String::as_str), || {
        say!("file-timezone-form", "use an IANA name such as \"Europe/Berlin\"")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_follow_the_zone_and_its_summers() {
        let berlin = Timezone::find("Europe/Berlin").unwrap();
        assert_eq!(
            berlin.local_time(1_795_362_439_123_456_789),
            "2026-11-22 16:47:19 CET"
        );
        assert_eq!(
            berlin.local_time(1_782_864_000_000_000_000),
            "2026-07-01 02:00:00 CEST"
        );
        assert_eq!(Timezone::default().local_time(-1), "1969-12-31 23:59:59 UTC");
        for edge in [i64::MIN, i64::MAX] {
            assert!(
                Timezone::find("Asia/Kathmandu")
                    .unwrap()
                    .local_time(edge)
                    .ends_with("+0545")
                    || edge < 0
            );
        }
        assert!(Timezone::find("Middle/Earth").is_none());
    }
}

//! Maintenance windows: when work on zones or assets is expected.
//!
//! Owns: their form, its reading, and whether one is open at a time. Does not own: what follows from
//! that.
//!
//! Times are the city's. Where the clock is put forward, a border within the hour that is left out
//! moves on by that hour; where it is put back, a window begins at the first of the two times and
//! ends at the second: it is never shorter than it reads.

use citywall_event::{Dependency, Nanos, Place, say};
use jiff::civil;
use toml::value::Datetime;

use crate::city::City;
use crate::error::Report;
use crate::reader::{Fields, choose};
use crate::timezone::{Side, Timezone};

/// A maintenance window.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Its name.
    pub name: String,
    /// The zones and assets.
    pub on: Vec<Dependency>,
    /// When.
    pub when: Occurrence,
    /// Indices of the people who do the work.
    pub people: Vec<usize>,
    /// Line in the file.
    pub line: u32,
}

/// When a window is open, in the city's own time.
#[derive(Clone, Debug, PartialEq)]
pub enum Occurrence {
    /// On these days of each week.
    Weekly {
        /// Days on which it begins.
        days: Vec<Day>,
        /// Seconds after midnight.
        from: u32,
        /// Seconds after midnight, of the next day where not later than `from`.
        to: u32,
    },
    /// Once.
    Once {
        /// Begin, local.
        starts: civil::DateTime,
        /// End, local.
        ends: civil::DateTime,
    },
}

/// A day of the week.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

const DAYS: [(&str, Day); 7] = [
    ("mon", Day::Monday),
    ("tue", Day::Tuesday),
    ("wed", Day::Wednesday),
    ("thu", Day::Thursday),
    ("fri", Day::Friday),
    ("sat", Day::Saturday),
    ("sun", Day::Sunday),
];

impl Day {
    fn of(date: civil::Date) -> Day {
        match date.weekday() {
            civil::Weekday::Monday => Day::Monday,
            civil::Weekday::Tuesday => Day::Tuesday,
            civil::Weekday::Wednesday => Day::Wednesday,
            civil::Weekday::Thursday => Day::Thursday,
            civil::Weekday::Friday => Day::Friday,
            civil::Weekday::Saturday => Day::Saturday,
            civil::Weekday::Sunday => Day::Sunday,
        }
    }
}

impl Window {
    /// Is it open at this time? Its begin is within, its end is not.
    pub fn is_open(&self, at: Nanos, timezone: &Timezone) -> bool {
        let within = |starts: civil::DateTime, ends: civil::DateTime| {
            let starts = timezone.instant(starts, Side::Begin);
            let ends = timezone.instant(ends, Side::End);
            matches!((starts, ends), (Some(starts), Some(ends)) if starts <= at && at < ends)
        };
        match &self.when {
            Occurrence::Once { starts, ends } => within(*starts, *ends),
            Occurrence::Weekly { days, from, to } => {
                let Some(today) = timezone.civil(at).map(|now| now.date()) else {
                    return false;
                };
                let yesterday = today.yesterday().ok();
                [Some(today), yesterday].into_iter().flatten().any(|date| {
                    let last = if to <= from {
                        date.tomorrow().ok()
                    } else {
                        Some(date)
                    };
                    days.contains(&Day::of(date))
                        && last.is_some_and(|last| within(clock(date, *from), clock(last, *to)))
                })
            }
        }
    }

    /// Will it never be open again after this time?
    pub fn is_over(&self, at: Nanos, timezone: &Timezone) -> bool {
        match &self.when {
            Occurrence::Weekly { days, .. } => days.is_empty(),
            Occurrence::Once { ends, .. } => timezone.instant(*ends, Side::End).is_some_and(|end| end <= at),
        }
    }

    /// Is this place meant?
    pub fn is_on(&self, place: Place) -> bool {
        self.on.iter().any(|on| match *on {
            Dependency::Zone(zone) => place.zone == Some(zone),
            Dependency::Asset(asset) => place.asset == Some(asset),
            Dependency::Service(_) => false,
        })
    }
}

impl City {
    /// The windows that are open at a time on a place: its asset, or its zone.
    pub fn windows_open(&self, at: Nanos, place: Place) -> Vec<&Window> {
        self.windows
            .iter()
            .filter(|w| w.is_on(place) && w.is_open(at, &self.timezone))
            .collect()
    }
}

/// A second of a day as its clock shows it.
fn clock(date: civil::Date, second: u32) -> civil::DateTime {
    let part = |n: u32| i8::try_from(n).unwrap_or(0);
    date.at(
        part(second / 3_600 % 24),
        part(second / 60 % 60),
        part(second % 60),
        0,
    )
}

/// Reads the fields that say when.
pub(crate) fn occurrence(report: &mut Report<'_>, fields: &Fields<'_, '_>) -> Option<Occurrence> {
    let weekly = ["days", "from", "to"].map(|f| fields.has(f));
    let once = ["starts", "ends"].map(|f| fields.has(f));
    if weekly == [true; 3] && once == [false; 2] {
        return weekly_window(report, fields);
    }
    if weekly == [false; 3] && once == [true; 2] {
        return single_window(report, fields);
    }
    report.error(
        &fields.span,
        say!("file-window-when", "a window is either weekly or once"),
        say!(
            "file-window-when-fix",
            "give days, from and to; or give starts and ends"
        ),
    );
    None
}

fn weekly_window(report: &mut Report<'_>, fields: &Fields<'_, '_>) -> Option<Occurrence> {
    let mut days = Vec::new();
    for word in fields.required_texts(report, "days") {
        days.extend(choose(report, "days", &word, &DAYS));
    }
    days.sort_unstable();
    days.dedup();
    let mut seconds = |name: &str| {
        let value = fields.datetime(report, name)?;
        match (value.date, value.time, value.offset) {
            (None, Some(t), None) => {
                Some(u32::from(t.hour) * 3_600 + u32::from(t.minute) * 60 + u32::from(t.second))
            }
            _ => {
                report.error(
                    &fields.span_of(name),
                    say!(
                        "file-window-time",
                        "{name} of a weekly window is a time of day",
                        name = name
                    ),
                    say!("file-window-time-fix", "write 22:00:00 without quotes"),
                );
                None
            }
        }
    };
    let (from, to) = (seconds("from"), seconds("to"));
    Some(Occurrence::Weekly {
        days,
        from: from?,
        to: to?,
    })
}

fn single_window(report: &mut Report<'_>, fields: &Fields<'_, '_>) -> Option<Occurrence> {
    let mut moment = |name: &str| {
        let value = fields.datetime(report, name)?;
        let read = local(&value);
        if read.is_none() {
            report.error(
                &fields.span_of(name),
                say!("file-window-date", "{name} is a local date and time", name = name),
                say!(
                    "file-window-date-fix",
                    "write 2026-12-01T08:00:00 without quotes and offset"
                ),
            );
        }
        read
    };
    let (starts, ends) = (moment("starts"), moment("ends"));
    let (starts, ends) = (starts?, ends?);
    if starts >= ends {
        report.error(
            &fields.span_of("ends"),
            say!("file-window-order", "the window ends before it starts"),
            say!("file-window-order-fix", "let ends be later than starts"),
        );
        return None;
    }
    Some(Occurrence::Once { starts, ends })
}

/// A date with a time and without an offset.
fn local(value: &Datetime) -> Option<civil::DateTime> {
    if value.offset.is_some() {
        return None;
    }
    let (date, time) = (value.date?, value.time?);
    let date = civil::Date::new(
        i16::try_from(date.year).ok()?,
        i8::try_from(date.month).ok()?,
        i8::try_from(date.day).ok()?,
    );
    // TOML has leap seconds, the city's clock does not.
    Some(date.ok()?.at(
        i8::try_from(time.hour).ok().filter(|h| *h < 24)?,
        i8::try_from(time.minute).ok().filter(|m| *m < 60)?,
        i8::try_from(time.second.min(59)).ok()?,
        0,
    ))
}

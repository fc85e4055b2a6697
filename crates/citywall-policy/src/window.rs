//! Maintenance windows: when work on zones or assets is expected.
//!
//! Owns: their form and its reading. They are declared and checked; nothing is judged by them yet
//! in this crate.

use citywall_event::Dependency;
use toml::value::Datetime;

use crate::error::Report;
use crate::reader::{Fields, choose};

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
    /// Once: local times, `2026-12-01T08:00:00`.
    Once {
        /// Begin.
        starts: String,
        /// End.
        ends: String,
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
        "a window is either weekly or once",
        "give days, from and to; or give starts and ends",
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
                    format!("{name} of a weekly window is a time of day"),
                    "write 22:00:00 without quotes",
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
        match (value.date, value.time, value.offset) {
            (Some(_), Some(_), None) => Some(value),
            _ => {
                report.error(
                    &fields.span_of(name),
                    format!("{name} is a local date and time"),
                    "write 2026-12-01T08:00:00 without quotes and offset",
                );
                None
            }
        }
    };
    let (starts, ends) = (moment("starts"), moment("ends"));
    let (starts, ends) = (starts?, ends?);
    if key(&starts) >= key(&ends) {
        report.error(
            &fields.span_of("ends"),
            "the window ends before it starts",
            "let ends be later than starts",
        );
        return None;
    }
    Some(Occurrence::Once {
        starts: starts.to_string(),
        ends: ends.to_string(),
    })
}

/// Orders local moments.
fn key(value: &Datetime) -> impl Ord + use<> {
    let date = value.date.map(|d| (d.year, d.month, d.day));
    let time = value.time.map(|t| (t.hour, t.minute, t.second, t.nanosecond));
    (date, time)
}

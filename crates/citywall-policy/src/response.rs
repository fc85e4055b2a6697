//! What the city says of the response: what holds when the wall is down, how a denied command is
//! answered, how many devices may be touched, and what is never cut.
//!
//! Owns: these choices, their words and the `[response]` table. Does not own: carrying them out. What
//! may happen without a person is not said in a city file: that takes a signed act.

use citywall_event::{ConduitEnd, say};

use crate::error::Report;
use crate::limits;
use crate::reader::{Fields, Word};

/// What holds at a zone's border while the wall is down, or not yet up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WhenDown {
    /// What held before.
    #[default]
    LastGood,
    /// All may pass.
    Open,
    /// Nothing may pass.
    Closed,
}

impl WhenDown {
    pub(crate) const NAMES: [(&'static str, WhenDown); 3] = [
        ("last-good", WhenDown::LastGood),
        ("open", WhenDown::Open),
        ("closed", WhenDown::Closed),
    ];

    /// The word of the city file.
    pub fn name(self) -> &'static str {
        word(&WhenDown::NAMES, self)
    }
}

/// What happens to inspected conversations when the inspection is dead or late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Inspect {
    /// They pass uninspected.
    #[default]
    FailOpen,
    /// They stop.
    FailClosed,
}

impl Inspect {
    pub(crate) const NAMES: [(&'static str, Inspect); 2] = [
        ("fail-open", Inspect::FailOpen),
        ("fail-closed", Inspect::FailClosed),
    ];

    /// The word of the city file.
    pub fn name(self) -> &'static str {
        word(&Inspect::NAMES, self)
    }
}

/// How a denied command is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Denied {
    /// In the protocol's own words, where it has them; else as `Reset`.
    #[default]
    Exception,
    /// The conversation ends.
    Reset,
    /// Silence.
    Drop,
}

impl Denied {
    pub(crate) const NAMES: [(&'static str, Denied); 3] = [
        ("exception", Denied::Exception),
        ("reset", Denied::Reset),
        ("drop", Denied::Drop),
    ];

    /// The word of the city file.
    pub fn name(self) -> &'static str {
        word(&Denied::NAMES, self)
    }
}

/// What happens to a plan that no signed act covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResponseMode {
    /// It is told.
    Observe,
    /// A person approves it.
    #[default]
    Propose,
}

impl ResponseMode {
    const NAMES: [(&'static str, ResponseMode); 2] = [
        ("observe", ResponseMode::Observe),
        ("propose", ResponseMode::Propose),
    ];

    /// The word of the city file.
    pub fn name(self) -> &'static str {
        word(&ResponseMode::NAMES, self)
    }
}

fn word<T: PartialEq>(names: &[(&'static str, T)], value: T) -> &'static str {
    names
        .iter()
        .find(|(_, known)| *known == value)
        .map_or("", |(name, _)| name)
}

/// The `[response]` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseRules {
    /// Without a signed act.
    pub mode: ResponseMode,
    /// Actions in force at a time in the whole city. Each is about one device, so no more devices than
    /// that are acted against.
    pub blast_radius: u32,
    /// Zones and assets from which the networks and this machine are run: the way to them is never
    /// cut. Assets with the role `management` are too, whether or not they are named here.
    pub management: Vec<ConduitEnd>,
}

impl Default for ResponseRules {
    fn default() -> ResponseRules {
        ResponseRules {
            mode: ResponseMode::default(),
            blast_radius: 10,
            management: Vec::new(),
        }
    }
}

/// The fields of the table.
pub(crate) const FIELDS: [&str; 3] = ["mode", "blast_radius", "management"];

/// Reads the table's own words; gives the names in `management`, which the caller looks up.
pub(crate) fn read(report: &mut Report<'_>, fields: &Fields<'_, '_>, rules: &mut ResponseRules) -> Vec<Word> {
    let word = fields.text(report, "mode");
    match word {
        Some(word) if word.text == "automatic" => report.error(
            &word.span,
            say!("file-automatic", "a city file cannot make the response automatic"),
            say!(
                "file-automatic-fix",
                "sign an act for the zone and kind of action, which expires: see `citywall keys sign`"
            ),
        ),
        Some(word) => {
            let found = crate::reader::choose(report, "mode", &word, &ResponseMode::NAMES);
            rules.mode = found.unwrap_or_default();
        }
        None => {}
    }
    if let Some(number) = fields.number(report, "blast_radius", 0..=limits::BLAST_RADIUS) {
        rules.blast_radius = number;
    }
    fields.texts(report, "management")
}

//! The guards and their sentences.
//!
//! Owns: what each says, and how much it weighs. Does not own: when it holds (`gate`).

use citywall_event::{Phrase, counted, say};

/// How much a guard weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Nobody can let it pass.
    Never,
    /// Not without people.
    Attended,
    /// Not now.
    Wait,
}

/// Why something may not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    Shape { what: Phrase },
    NotOneDevice { what: Phrase },
    Own,
    Infrastructure { role: String },
    SafetyCutOff { why: Phrase },
    Unproved,
    Lifeline,
    CutsSafetyWork,
    Observing,
    Stale,
    Safety { why: Phrase },
    Essential { why: Phrase },
    ServesSafety,
    ByLink,
    CutsWork,
    CutsCommands,
    Maintenance { window: String },
    Regret,
    UnattendedCap { limit: u32 },
    NoAct,
    InForce { action: String },
    Foreign,
    CityCap { limit: u32 },
    ZoneCap { zone: String, limit: u32 },
    People { have: u32, needed: u32 },
}

impl Guard {
    pub(crate) fn weight(&self) -> Weight {
        match self {
            Guard::Shape { .. }
            | Guard::NotOneDevice { .. }
            | Guard::Own
            | Guard::Infrastructure { .. }
            | Guard::SafetyCutOff { .. }
            | Guard::Unproved
            | Guard::Lifeline
            | Guard::CutsSafetyWork
            | Guard::Observing
            | Guard::Stale => Weight::Never,
            Guard::Safety { .. }
            | Guard::Essential { .. }
            | Guard::ServesSafety
            | Guard::ByLink
            | Guard::CutsWork
            | Guard::CutsCommands
            | Guard::Maintenance { .. }
            | Guard::Regret
            | Guard::UnattendedCap { .. }
            | Guard::NoAct => Weight::Attended,
            Guard::InForce { .. }
            | Guard::Foreign
            | Guard::CityCap { .. }
            | Guard::ZoneCap { .. }
            | Guard::People { .. } => Weight::Wait,
        }
    }

    /// A short name, for counting.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Guard::Shape { .. } => "shape",
            Guard::NotOneDevice { .. } => "not-one-device",
            Guard::Own => "own",
            Guard::Infrastructure { .. } => "infrastructure",
            Guard::SafetyCutOff { .. } => "safety-cut-off",
            Guard::Unproved => "unproved",
            Guard::Lifeline => "lifeline",
            Guard::CutsSafetyWork => "cuts-safety-work",
            Guard::Observing => "observing",
            Guard::Stale => "stale",
            Guard::Safety { .. } => "safety",
            Guard::Essential { .. } => "essential",
            Guard::ServesSafety => "serves-safety",
            Guard::ByLink => "by-link",
            Guard::CutsWork => "cuts-work",
            Guard::CutsCommands => "cuts-commands",
            Guard::Maintenance { .. } => "maintenance",
            Guard::Regret => "regret",
            Guard::UnattendedCap { .. } => "unattended-cap",
            Guard::NoAct => "no-act",
            Guard::InForce { .. } => "in-force",
            Guard::Foreign => "foreign",
            Guard::CityCap { .. } => "city-cap",
            Guard::ZoneCap { .. } => "zone-cap",
            Guard::People { .. } => "people",
        }
    }

    /// The short name, and the sentence.
    pub(crate) fn words(&self) -> Phrase {
        say!(
            "guard",
            "{name}: {what}",
            name = self.name(),
            what = self.sentence()
        )
    }

    fn sentence(&self) -> Phrase {
        match self {
            Guard::Shape { what } | Guard::NotOneDevice { what } => what.clone(),
            Guard::Own => say!("guard-own", "it is the wall itself or the way to it"),
            Guard::Infrastructure { role } => say!(
                "guard-infrastructure",
                "everything else needs it (role {role})",
                role = role
            ),
            Guard::SafetyCutOff { why } => say!(
                "guard-safety-cut-off",
                "it can never be cut off: {why}",
                why = why
            ),
            Guard::Unproved => say!(
                "guard-unproved",
                "nothing proves that the source's address is its own"
            ),
            Guard::Lifeline => say!(
                "guard-lifeline",
                "it would cut the way to DNS, DHCP, time, a gateway or the management"
            ),
            Guard::CutsSafetyWork => say!(
                "guard-cuts-safety-work",
                "it would cut permitted work of what counts as safety"
            ),
            Guard::Observing => say!("guard-observing", "the city's mode is observe: nothing is done"),
            Guard::Stale => say!("guard-stale", "the plan changed since it was shown"),
            Guard::Safety { why } => say!(
                "guard-safety",
                "two different people must approve: {why}",
                why = why
            ),
            Guard::Essential { why } => {
                say!("guard-essential", "a person must decide: {why}", why = why)
            }
            Guard::ServesSafety => say!(
                "guard-serves-safety",
                "a person must decide: a conduit joins it to what counts as safety"
            ),
            Guard::ByLink => say!(
                "guard-by-link",
                "a person must decide: a neighbour can borrow a hardware address, and its frames may be others'"
            ),
            Guard::CutsWork => say!(
                "guard-cuts-work",
                "a person must decide: a conduit permits work there"
            ),
            Guard::CutsCommands => say!(
                "guard-cuts-commands",
                "a person must decide: a conduit permits such commands there"
            ),
            Guard::Maintenance { window } => say!(
                "guard-maintenance",
                "somebody works on it now (window {window})",
                window = window
            ),
            Guard::Regret => say!("guard-regret", "it was rolled back before: a person must decide"),
            Guard::UnattendedCap { limit } => say!(
                "guard-unattended-cap",
                "{limit} in ten minutes is all that happens without a person",
                limit = counted(*limit, "device", "devices")
            ),
            Guard::NoAct => say!("guard-no-act", "no signed act makes this automatic here"),
            Guard::InForce { action } => say!(
                "guard-in-force",
                "{action} has it in force already",
                action = action
            ),
            Guard::Foreign => say!(
                "guard-foreign",
                "the kernel holds the same by somebody else's hand"
            ),
            Guard::CityCap { limit } => say!(
                "guard-city-cap",
                "{limit} in force, as many as the city allows",
                limit = counted(*limit, "action is", "actions are")
            ),
            Guard::ZoneCap { zone, limit: 1 } => say!(
                "guard-zone-cap-one",
                "1 device of zone {zone} is acted against, as many as may be at a time",
                zone = zone
            ),
            Guard::ZoneCap { zone, limit } => say!(
                "guard-zone-cap",
                "{limit} devices of zone {zone} are acted against, as many as may be at a time",
                limit = *limit,
                zone = zone
            ),
            Guard::People { have, needed: 1 } => say!(
                "guard-people-one",
                "1 person must approve, {have} did; who proposed it does not suffice alone",
                have = *have
            ),
            Guard::People { have, needed } => say!(
                "guard-people",
                "{needed} different people must approve, {have} did; who proposed it does not suffice alone",
                needed = *needed,
                have = *have
            ),
        }
    }
}

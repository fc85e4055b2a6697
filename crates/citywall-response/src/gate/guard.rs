//! The guards and their sentences.
//!
//! Owns: what each says, and how much it weighs. Does not own: when it holds (`gate`).

use std::fmt;

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
    Shape { what: String },
    NotOneDevice { what: String },
    Own,
    Infrastructure { role: String },
    SafetyCutOff { why: String },
    Unproved,
    Lifeline,
    CutsSafetyWork,
    Observing,
    Stale,
    Safety { why: String },
    Essential { why: String },
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
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name())?;
        match self {
            Guard::Shape { what } | Guard::NotOneDevice { what } => f.write_str(what),
            Guard::Own => f.write_str("it is the wall itself or the way to it"),
            Guard::Infrastructure { role } => write!(f, "everything else needs it (role {role})"),
            Guard::SafetyCutOff { why } => write!(f, "it can never be cut off: {why}"),
            Guard::Unproved => f.write_str("nothing proves that the source's address is its own"),
            Guard::Lifeline => {
                f.write_str("it would cut the way to DNS, DHCP, time, a gateway or the management")
            }
            Guard::CutsSafetyWork => f.write_str("it would cut permitted work of what counts as safety"),
            Guard::Observing => f.write_str("the city's mode is observe: nothing is done"),
            Guard::Stale => f.write_str("the plan changed since it was shown"),
            Guard::Safety { why } => write!(f, "two different people must approve: {why}"),
            Guard::Essential { why } => write!(f, "a person must decide: {why}"),
            Guard::ServesSafety => {
                f.write_str("a person must decide: a conduit joins it to what counts as safety")
            }
            Guard::ByLink => f.write_str(
                "a person must decide: a neighbour can borrow a hardware address, and its frames may be others'",
            ),
            Guard::CutsWork => f.write_str("a person must decide: a conduit permits work there"),
            Guard::CutsCommands => f.write_str("a person must decide: a conduit permits such commands there"),
            Guard::Maintenance { window } => write!(f, "somebody works on it now (window {window})"),
            Guard::Regret => f.write_str("it was rolled back before: a person must decide"),
            Guard::UnattendedCap { limit } => {
                write!(
                    f,
                    "{limit} devices in ten minutes is all that happens without a person"
                )
            }
            Guard::NoAct => f.write_str("no signed act makes this automatic here"),
            Guard::InForce { action } => write!(f, "{action} has it in force already"),
            Guard::Foreign => f.write_str("the kernel holds the same by somebody else's hand"),
            Guard::CityCap { limit } => write!(f, "{limit} actions are in force, as many as the city allows"),
            Guard::ZoneCap { zone, limit } => {
                let what = if *limit == 1 { "device" } else { "devices" };
                write!(
                    f,
                    "{limit} {what} of zone {zone} are acted against, as many as may be at a time"
                )
            }
            Guard::People { have, needed } => {
                let what = if *needed == 1 {
                    "person"
                } else {
                    "different people"
                };
                write!(
                    f,
                    "{needed} {what} must approve, {have} did; who proposed it does not suffice alone"
                )
            }
        }
    }
}

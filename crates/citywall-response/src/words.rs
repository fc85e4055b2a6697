//! Actions in words, for whoever shows them: the command line, the control socket, the console.
//!
//! Owns: a sentence for each measure and outcome, a word for each stage. Does not own: where they
//! stand (`docs/spec/control.md`), or their translation.

use std::fmt;

use citywall_event::{Nanos, Verb};

use crate::{Measure, Outcome, Stage};

impl Stage {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Proposed => "proposed",
            Stage::Applying => "applying",
            Stage::Active => "active",
            Stage::Undoing => "undoing",
            Stage::Ended => "ended",
        }
    }
}

/// Whole seconds, rounded up: what is left is never told as nothing while it holds.
pub fn whole_seconds(span: Nanos) -> i64 {
    const SECOND: Nanos = 1_000_000_000;
    span.max(0).saturating_add(SECOND - 1) / SECOND
}

/// What became of an action.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Applied => f.write_str("in force"),
            Outcome::Expired => f.write_str("its time was over"),
            Outcome::Undone { by } => write!(f, "taken back by {by}"),
            Outcome::RolledBack { why } => write!(f, "taken back by the health gate: {why}"),
            Outcome::Withdrawn { why } => write!(f, "withdrawn: {why}"),
            Outcome::Failed { why } => write!(f, "could not be done: {why}"),
            Outcome::Refused { guards } => write!(f, "refused: {}", guards.join("; ")),
            Outcome::Rejected { by } => write!(f, "rejected by {by}"),
            Outcome::Lapsed => f.write_str("nobody approved in time"),
        }
    }
}

/// What a measure does, as a line of a diff.
impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Measure::Isolate { host } => write!(f, "{host}: nothing to or from it passes"),
            Measure::Quarantine { host } => {
                write!(
                    f,
                    "{host}: reaches DHCP, DNS and the update servers, and nothing else"
                )
            }
            Measure::DenyPair { from, to } => write!(f, "{from} and {to}: nothing passes between the two"),
            Measure::LimitRate {
                host,
                packets_per_second,
            } => write!(f, "{host}: sends at most {packets_per_second} packets a second"),
            Measure::LimitInto {
                to,
                protocol,
                packets_per_second,
            } => write!(
                f,
                "{to}: at most {packets_per_second} new packets a second of IP protocol {protocol} reach it"
            ),
            Measure::DenyCommand { from, to, verbs } => {
                let verbs = Verb::ALL.iter().filter(|verb| verbs.has(**verb));
                let verbs: Vec<&str> = verbs.map(|verb| verb.name()).collect();
                write!(
                    f,
                    "{from} may not tell {to} to {}; everything else between the two goes on",
                    verbs.join(", ")
                )
            }
        }
    }
}

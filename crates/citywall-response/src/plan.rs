//! Plans: what would be done about one incident, the least harmful first.
//!
//! Owns: the ladder's rungs and the shape of a plan. Does not own: how a plan is made, whether it
//! may be carried out, and doing it.

use citywall_event::Nanos;

use crate::Measure;

/// The ladder of least harm, the mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rung {
    /// Look.
    Observe,
    /// Tell somebody.
    Notify,
    /// Deny changing commands, keep the reading.
    DenyCommand,
    /// Limit the rate.
    LimitRate,
    /// Deny what one host opens with one zone.
    DenyConduit,
    /// Leave DHCP, DNS and updates.
    Quarantine,
    /// Cut off.
    Isolate,
}

impl Rung {
    /// All, mildest first.
    pub const ALL: [Rung; 7] = [
        Rung::Observe,
        Rung::Notify,
        Rung::DenyCommand,
        Rung::LimitRate,
        Rung::DenyConduit,
        Rung::Quarantine,
        Rung::Isolate,
    ];

    /// The name used in events, in signed acts and in playbooks.
    pub fn name(self) -> &'static str {
        match self {
            Rung::Observe => "observe",
            Rung::Notify => "notify",
            Rung::DenyCommand => "deny-command",
            Rung::LimitRate => "limit-rate",
            Rung::DenyConduit => "deny-conduit",
            Rung::Quarantine => "quarantine",
            Rung::Isolate => "isolate",
        }
    }

    /// Parses `name`.
    pub fn parse(name: &str) -> Option<Rung> {
        Rung::ALL.into_iter().find(|r| r.name() == name)
    }
}

/// An action's name: the incident's number and a count, `I0-1660-1.2`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActionId(pub String);

/// One rung on one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// Its name.
    pub id: ActionId,
    /// The rung.
    pub rung: Rung,
    /// On whom or what, for people.
    pub target: String,
    /// Why, in plain words.
    pub reason: String,
    /// Who answers for it: the department or the playbook that asked for it.
    pub owner: String,
    /// How long it is to hold, nanoseconds.
    pub time_to_live: Nanos,
    /// What is to be held in force; none for `observe` and `notify`.
    pub measures: Vec<Measure>,
}

/// What would be done about one incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The incident's number.
    pub incident: String,
    /// The least harmful first.
    pub actions: Vec<Action>,
}

//! A scenario: what happens, and what must come of it. Data.
//!
//! Owns: the shape. Does not own: the scenarios themselves (`scenarios`), and judging (`judge`).

use serde::{Deserialize, Serialize};

use crate::attack::Part;
use crate::topology::Topology;

/// One of three ways to run a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// Automatic response.
    On,
    /// Nobody responds: what is to be done must then not be found done.
    Off,
    /// No attack: nothing may be done.
    Benign,
}

impl Variant {
    /// All three.
    pub const ALL: [Variant; 3] = [Variant::On, Variant::Off, Variant::Benign];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Variant::On => "response on",
            Variant::Off => "response off",
            Variant::Benign => "benign only",
        }
    }
}

/// What happens, and what must come of it.
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line.
    pub title: &'static str,
    /// What to look at, for those who train.
    pub lesson: &'static str,
    /// The attack.
    pub(crate) attack: fn(&Topology) -> Vec<Part>,
    /// What must be detected.
    pub(crate) detected: &'static [Detected],
    /// What must be done; each must hold.
    pub(crate) done: &'static [Done],
    /// Hosts that an action may be about, and whose own work may suffer. Everybody else's may not.
    pub(crate) touched: &'static [&'static str],
    /// Hosts whose work suffers from the attack itself, whatever is done.
    pub(crate) harmed: &'static [&'static str],
    /// How everything becomes as it was.
    pub(crate) undone: Undone,
    /// Does the wall enforce the policy too, or does it only respond?
    pub(crate) enforced: bool,
    /// What else is done to the product.
    pub(crate) twist: Twist,
    /// What the enforcer is told besides, on its command line.
    pub(crate) told: &'static [&'static str],
    /// Steps that are the tries of honest people: how many of them get through is counted.
    pub(crate) honest: &'static [&'static str],
    /// How long the attack is watched at most, milliseconds.
    pub(crate) watched: u64,
}

/// Something that must be seen in the product's events.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Detected {
    /// An incident in which this host is the suspect.
    Incident(&'static str),
    /// A behaviour of one of these kinds.
    Behaviour(&'static [&'static str]),
    /// A rule with this number.
    Alert(u32),
    /// A violation.
    Violation,
    /// A line in the product's log that holds this.
    Log(&'static str),
}

/// Something that must have been done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Done {
    /// One of these rungs is in force against this host.
    Action(&'static [&'static str], &'static str),
    /// One of these rungs is in force against this host, after a person approved it: the product
    /// must have waited for that.
    Approved(&'static [&'static str], &'static str),
    /// One of these rungs against this host waits for people, and was not done.
    Waits(&'static [&'static str], &'static str),
    /// The enforcer has a plan with one of these rungs for an incident of this host.
    Planned(&'static [&'static str], &'static str),
    /// The attack's step by this name got through before, and does not any more.
    Stops(&'static str),
    /// After the answer this host's own work of these kinds goes on: none of it fails, and some of each is tried.
    Keeps(&'static str, &'static [&'static str]),
    /// Of the honest step by this name so many of a hundred get through, from a while after the answer on.
    Opens(&'static str, usize),
    /// The attack's step by this name never gets through.
    Never(&'static str),
    /// The product refused to do something to this host.
    Refused(&'static str),
    /// Not more actions than these are in force at any time.
    AtMost(usize),
}

/// How everything becomes as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undone {
    /// A person takes it back.
    Command,
    /// Its time is over.
    Time,
    /// All of the product is killed; then its time is over.
    Death,
    /// The flood ends, and the limit that was for it with it; what else there is, a person takes back.
    Calm,
    /// This host's permitted work with that one stops, for a cause of its own: who acted cannot know, and
    /// takes back what it did there by itself.
    Harm(&'static str, &'static str),
}

/// What is done to the product itself while the attack runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Twist {
    /// Nothing.
    None,
    /// New rules come that match everything.
    RulesForEverything,
    /// A configuration of an absurd size comes.
    HugeConfiguration,
    /// A person asks for far too much: that this host be isolated.
    GreedyProposal(&'static str),
}

//! A playbook that was read and checked.
//!
//! Owns: its shape. Steps are named by their place in `Playbook::steps`. Only `read` makes one, so
//! every place exists, the workflow ends, and every command is one that Citywall knows.

use citywall_event::Nanos;

use super::condition::Condition;
use super::variable::Variable;
use crate::Rung;

/// A playbook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Playbook {
    /// The file that it was read from.
    pub file: String,
    /// `playbook--UUID`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for, in plain words.
    pub description: String,
    /// The version: when it was changed last, as written.
    pub modified: String,
    /// Kinds of evidence that it answers (labels `incident:KIND`); none = it is never chosen by itself.
    pub incidents: Vec<String>,
    /// 1 (first) to 100; 101 = not given.
    pub priority: u8,
    /// Not to be used before.
    pub valid_from: Option<Nanos>,
    /// Not to be used from then on.
    pub valid_until: Option<Nanos>,
    /// It carries the standard's own signatures, which are not what Citywall trusts.
    pub has_signatures: bool,
    /// Its variables.
    pub variables: Vec<Variable>,
    /// The steps, in the order of the file.
    pub steps: Vec<Step>,
    /// Where it starts.
    pub start: usize,
    /// Where it goes when a step cannot be done.
    pub exception: Option<usize>,
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// `TYPE--UUID`.
    pub id: String,
    /// For people; may be empty.
    pub name: String,
    /// For people; may be empty.
    pub description: String,
    /// Waits so long before it begins, nanoseconds.
    pub delay: Nanos,
    /// Gives up after so long, nanoseconds.
    pub timeout: Option<Nanos>,
    /// What it does.
    pub deed: Deed,
    /// What follows, whatever came of it.
    pub on_completion: Option<usize>,
    /// What follows where it was done.
    pub on_success: Option<usize>,
    /// What follows where it could not be done.
    pub on_failure: Option<usize>,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Begins.
    Start,
    /// Ends the playbook, or the branch.
    End,
    /// Commands, one after the other.
    Act(Vec<Command>),
    /// All branches at once.
    Parallel(Vec<usize>),
    /// One of two.
    If {
        /// Asked once.
        condition: Condition,
        /// Where it holds.
        on_true: usize,
        /// Where it does not.
        on_false: Option<usize>,
    },
    /// A branch again and again.
    While {
        /// Asked before each turn.
        condition: Condition,
        /// The branch.
        on_true: usize,
    },
    /// One of many.
    Switch {
        /// The variable's name.
        variable: String,
        /// Value and branch, in the order of the file.
        cases: Vec<(String, usize)>,
        /// Where no value is the variable's.
        default: Option<usize>,
    },
}

/// A command that Citywall knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `x-citywall`: a rung is wanted.
    Want {
        /// The rung.
        rung: Rung,
        /// On whom.
        target: Target,
        /// For how long, nanoseconds.
        time_to_live: Option<Nanos>,
        /// Why; may be empty.
        reason: String,
    },
    /// `manual`: a person is to do it.
    Ask {
        /// What.
        text: String,
    },
}

/// On whom a rung is wanted. There is no way to write an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The incident as a whole.
    Incident,
    /// The suspected source.
    Suspect,
    /// All suspects.
    Suspects,
}

impl Target {
    /// The variable that a command writes.
    pub(crate) const NAMES: [(&'static str, Target); 3] = [
        ("__incident__:value", Target::Incident),
        ("__suspect__:value", Target::Suspect),
        ("__suspects__:value", Target::Suspects),
    ];

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Target::Incident => "the incident",
            Target::Suspect => "the suspected source",
            Target::Suspects => "each suspect",
        }
    }
}

impl Step {
    /// What a person is asked to do in it; empty where nobody is asked.
    pub fn question(&self) -> &str {
        let Deed::Act(commands) = &self.deed else {
            return "";
        };
        let asked = commands.iter().find_map(|c| match c {
            Command::Ask { text } => Some(text.as_str()),
            Command::Want { .. } => None,
        });
        asked.unwrap_or("")
    }
}

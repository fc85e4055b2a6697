//! Playbooks: CACAO 2.0 documents (OASIS CACAO Security Playbooks 2.0) as data.
//!
//! Owns: reading and checking them, choosing one for an incident, and stepping through it. Does
//! not own: whether what one asks for may be done (the gate), and doing it. The subset of the
//! standard, and what is refused and why, stands in `docs/spec/playbook.md`.
//!
//! A playbook is data from elsewhere and may be malicious, signed or not. So what it can say is
//! little: a rung of the ladder on suspects of its own incident ([`Wish`]), or a question to a
//! person ([`Question`]). It cannot name an address, a zone or a measure, and it cannot approve.
//!
//! Entry points: [`Runs`] for the governor.

mod built_in;
mod condition;
mod document;
mod error;
mod explain;
mod fields;
mod graph;
mod json;
mod model;
mod read;
mod read_step;
mod run;
mod runs;
mod seam;
#[cfg(test)]
mod tests;
mod variable;

pub use built_in::{BUILT_IN, built_in};
pub use condition::Condition;
pub use document::Document;
pub use error::{PlaybookError, limits};
pub use explain::{Explanation, Line, explain};
pub use model::{Command, Deed, Playbook, Step, Target};
pub use read::INCIDENTS;
pub(crate) use read::parse_time;
pub use runs::{Playbooks, Runs};
pub use seam::{Answer, Question, Said, Say, Standing, Wish};
pub use variable::{Fact, GIVEN, Given, Kind, Variable};

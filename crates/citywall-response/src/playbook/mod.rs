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

mod seam;

pub use seam::{Answer, Question, Runs, Said, Say, Standing, Wish};

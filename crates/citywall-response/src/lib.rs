//! From an incident to what is done about it, and back.
//!
//! Owns: the ladder of least harm, plans, the safety gate that alone builds [`Approved`], budgets,
//! the governor (a pure state machine), the health gate, reconciliation after a crash, playbooks,
//! and the translation of the policy and of measures into nftables. Does not own: what an incident
//! is, the policy, processes, sockets and clocks: what is done is told as effects, which the binary
//! carries out.
//!
//! The names are laid out in `docs/adr/0005-a-wall-that-acts.md`; ladder, guards and the journal's
//! entries in `docs/spec/response.md`. Entry point: [`Governor`].

mod bug;
mod effect;
mod facts;
pub mod firewall;
mod gate;
mod governor;
mod grounds;
mod input;
mod journal;
mod measure;
mod notice;
mod plan;
mod planner;
pub mod playbook;
pub mod rehearsal;
mod settings;
#[cfg(test)]
mod tests;
mod words;

pub use citywall_event::{Change, Crossing, Flooded, Suspect, Victim};
pub use effect::{Effect, Outcome, Refusal};
pub use facts::{Account, Facts, HostStanding, Principal};
pub use gate::Approved;
pub use governor::{Governor, Stage, View};
pub use grounds::Grounds;
pub use input::{Input, Moment, Proposal, Vital};
pub use journal::{Entry, EntryError, Fact};
pub use measure::{Held, Host, Key, Measure};
pub use notice::Notice;
pub use plan::{Action, ActionId, Plan, PlanHash, Rung};
pub use settings::{Act, Mode, Settings, VerifiedAct};
pub use words::whole_seconds;

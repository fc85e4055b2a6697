//! From an incident to what is done about it, and back.
//!
//! Owns: the ladder of least harm, plans, the safety gate that alone builds [`Approved`], budgets,
//! the governor (a pure state machine), the health gate, reconciliation after a crash, playbooks,
//! and the translation of the policy and of measures into nftables. Does not own: what an incident
//! is, the policy, processes, sockets and clocks: what is done is told as effects, which the binary
//! carries out.
//!
//! The names are laid out in `docs/adr/0005-a-wall-that-acts.md`.

pub mod firewall;
mod measure;
mod notice;
mod plan;
pub mod playbook;

pub use measure::{Host, Measure};
pub use notice::{Change, Crossing, Notice, Suspect};
pub use plan::{Action, ActionId, Plan, Rung};

//! Learned allow-lists: who does what, for machines that do one thing.
//!
//! Owns: learning of use, what of it is proposed and what allowed, the list and its bytes, its sentences
//! and exports, and deviations from it. It speaks in `Command`, conversations and fingerprints alone:
//! no protocol is named here. Does not own: signatures (`citywall-trust`), which list is in force (the
//! binary), conduits in the words of the city file (`citywall-policy`).

mod artefact;
mod learner;
mod list;
mod mud;
mod peer;
mod propose;
mod rules;
mod seen;
mod sentence;
#[cfg(test)]
mod tests;
mod watch;

pub use artefact::AllowListError;
pub use learner::{AllowLearner, AllowLimits};
pub use list::{AllowList, DYNAMIC, Device, Doubt, End, Evidence, Order, Print, Range, Talk};
pub use peer::{Kind, Peer};
pub use propose::AllowDoubt;
pub use watch::{AllowWatch, WatchLimits};

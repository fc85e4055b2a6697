//! Rules in Suricata's language: parse -> compile -> match.
//!
//! Owns: the language (semantics as its public user guide describes them), refusing with line and
//! column what cannot be supported, prefilters, and the bounded inspection of packets, stream
//! pieces and transactions. Does not own: decoding any of these, writing alerts, dropping traffic.
//!
//! Entry points: [`RuleBook::load`]; [`RuleBook::packet`], [`RuleBook::stream`] and
//! [`RuleBook::transaction`] by each worker with its own [`Scratch`]; [`Thresholds::admit`] in the
//! one ordered stage.
//!
//! Absent on purpose: scripts, state per host, files, and every keyword that would load but never
//! match. A rule either runs as written or is refused with its place.

mod book;
mod buffers;
mod classification;
mod compile;
mod detect;
mod error;
mod flow_rules;
mod inspect;
mod pattern;
mod port_index;
mod prefilter;
mod rule;
mod run;
mod search;
mod set;
mod source;
mod syntax;
mod thresholds;
mod transform;
mod uint;
mod vars;

pub use book::{BookSize, RuleBook, Setup};
pub use classification::{Class, Classes};
pub use flow_rules::{Conversation, FlowRules, FlowView};
pub use inspect::InspectionCounters;
pub use rule::{Action, RejectWho, Rule, RuleIndex, Target, Threshold, ThresholdKind, Track};
pub use run::{Match, Scratch};
pub use source::{Refused, RuleSource};
pub use thresholds::Thresholds;
pub use vars::RuleVars;

pub(crate) use error::RuleError;

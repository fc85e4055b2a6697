//! How good detection is: in figures that a hard reviewer accepts.
//!
//! Owns: measures of scores, the protocol of an evaluation (calibrate first, then test, nothing on both
//! sides), trivial baselines, and data sets as cases. Does not own: detectors (`citywall-behaviour`),
//! and the command line.

mod forest;
mod metrics;
pub mod sets;
mod table;
mod trees;
mod trial;

pub use metrics::{Scored, counts, interval, pr_auc, recall_at, roc_auc, threshold};
pub use table::{Plain, Report};
pub use trial::{Case, Own, Row, Sample, Settings, Table};

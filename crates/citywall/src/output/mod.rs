//! What leaves the process: the event log, the summary, the screen, syslog, webhook, metrics.

pub mod alerting;
pub mod eve;
pub mod metrics;
pub mod progress;
pub mod reporting;
pub mod story;
pub mod summary;
pub mod syslog;
pub mod webhook;

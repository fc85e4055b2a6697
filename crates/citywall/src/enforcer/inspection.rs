//! The inline parser's process, as the enforcer sees it.
//!
//! Owns: which commands are denied for a while, for the parser's table of verdicts. Does not own:
//! judging packets (`crate::inline`).

use super::orders::Element;
use citywall_response::Measure;

/// The process, where there is one.
#[derive(Default)]
pub struct Inspection {
    denied: Vec<Element>,
}

impl Inspection {
    /// Commands are denied from now on.
    pub fn add(&mut self, elements: &[Element]) {
        let denied = elements
            .iter()
            .filter(|e| matches!(e.measure, Measure::DenyCommand { .. }));
        self.denied.extend(denied.cloned());
    }

    /// They are not any more.
    pub fn remove(&mut self, elements: &[Element]) {
        let gone = |e: &Element| elements.iter().any(|g| g.measure.key() == e.measure.key() && g.action == e.action);
        self.denied.retain(|e| !gone(e));
    }

    /// A word for `status`.
    pub fn state(&self) -> &'static str {
        "none"
    }
}

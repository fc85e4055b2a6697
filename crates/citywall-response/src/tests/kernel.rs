//! A stand-in for the kernel's timed sets and for the hand: just elements with a life.

use crate::{Held, Measure, Rung};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Element {
    pub(super) measure: Measure,
    pub(super) comment: String,
    /// True time at which the kernel drops it.
    pub(super) until: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Kernel {
    pub(super) elements: Vec<Element>,
}

impl Kernel {
    pub(super) fn pass(&mut self, now: i64) {
        self.elements.retain(|e| e.until > now);
    }

    /// One element, as a set holds it: one a key. False where somebody else's stands there.
    pub(super) fn add(&mut self, measure: &Measure, comment: &str, until: i64) -> bool {
        let key = measure.key();
        match self.elements.iter().find(|e| e.measure.key() == key) {
            Some(there) => there.comment == comment,
            None => {
                self.elements.push(Element {
                    measure: measure.clone(),
                    comment: comment.to_owned(),
                    until,
                });
                true
            }
        }
    }

    pub(super) fn remove(&mut self, measures: &[Measure], comment: &str) {
        self.elements
            .retain(|e| e.comment != comment || !measures.iter().any(|m| m.key() == e.measure.key()));
    }

    pub(super) fn held(&self, now: i64) -> Vec<Held> {
        let held = |e: &Element| Held {
            measure: e.measure.clone(),
            comment: e.comment.clone(),
            remaining: (e.until < i64::MAX).then(|| e.until - now),
        };
        self.elements.iter().map(held).collect()
    }
}

/// The rung that a measure belongs to.
pub(super) fn rung_of(measure: &Measure) -> Option<Rung> {
    Some(match measure {
        Measure::Isolate { .. } => Rung::Isolate,
        Measure::Quarantine { .. } => Rung::Quarantine,
        Measure::DenyPair { .. } => Rung::DenyConduit,
        Measure::DenyCommand { .. } => Rung::DenyCommand,
        Measure::LimitRate { .. }
        | Measure::LimitInto { .. }
        | Measure::SynProxy { .. }
        | Measure::DropAnswers { .. } => Rung::LimitRate,
    })
}

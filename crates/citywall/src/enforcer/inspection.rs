//! The inline path, as the enforcer sees it.
//!
//! Owns: its process, which commands are denied for a while, what it tells. Does not own: judging
//! packets (`crate::inline`), the queue rule (`kernel`).
//!
//! Its holder needs a right of its own, so it is started before the enforcer gives its rights up and
//! cannot be started again afterwards: where it dies the queue rule stays, so the zones' choice holds,
//! and that is told. Its parser, which alone reads packets, it starts again by itself.

use std::path::Path;
use std::sync::mpsc::Receiver;

use citywall_event::Nanos;
use citywall_response::{Held, Measure};

use super::nft::{QUEUE_CLOSED, QUEUE_OPEN};
use super::orders::Element;
use crate::inline::attached::{Attached, Files};

/// Refusals that are read in one round.
const ROUND: usize = 256;

/// The process, where there is one.
#[derive(Default)]
pub struct Inspection {
    process: Option<Attached>,
    told: Option<Receiver<String>>,
    /// It was there and is gone.
    lost: bool,
}

impl Inspection {
    /// Starts it. Where that fails the wall works all the same, but for denied commands.
    pub fn start(city: &Path, user: Option<u32>) -> Inspection {
        let files = Files {
            city: Some(city.to_owned()),
            rules: Vec::new(),
        };
        match Attached::start(QUEUE_OPEN, QUEUE_CLOSED, &files, user) {
            Ok(process) => Inspection {
                process: Some(process),
                ..Inspection::default()
            },
            Err(error) => {
                log::error!("no inspection of packets: {error:#}");
                Inspection::default()
            }
        }
    }

    /// Hears it; to be called once rights are given up.
    pub fn listen(&mut self) {
        self.told = self.process.as_mut().and_then(Attached::listen);
    }

    /// True while it runs.
    pub fn runs(&mut self) -> bool {
        self.process.as_mut().is_some_and(Attached::runs)
    }

    /// True once: it was there and is gone.
    pub fn died(&mut self) -> bool {
        if self.process.is_none() || self.runs() {
            return false;
        }
        self.process = None;
        self.lost = true;
        true
    }

    /// What it told since the last time, one JSON object each.
    pub fn told(&self) -> Vec<String> {
        let told = self.told.iter().flat_map(Receiver::try_iter);
        told.take(ROUND).collect()
    }

    /// Commands are denied from now on.
    pub fn add(&mut self, elements: &[Element], wall: Nanos) {
        for element in elements {
            self.deny(
                &element.action.0,
                &element.measure,
                wall.saturating_add(element.life),
            );
        }
    }

    /// What the kernel still marks for an earlier enforcer is denied again.
    pub fn restore(&mut self, held: &[Held], wall: Nanos) {
        for held in held {
            if let Some(remaining) = held.remaining {
                self.deny(&held.comment, &held.measure, wall.saturating_add(remaining));
            }
        }
    }

    fn deny(&mut self, action: &str, measure: &Measure, until: Nanos) {
        let (Some(process), Some(name)) = (&mut self.process, name(action, measure)) else {
            return;
        };
        if let Err(error) = process.deny(&name, measure, until) {
            log::error!("commands cannot be denied: {error}");
        }
    }

    /// The city file was read again.
    pub fn city(&mut self, path: &Path) {
        if let Some(process) = &mut self.process
            && let Err(error) = process.city(path)
        {
            log::error!("packets are still judged by the old city file: {error}");
        }
    }

    /// They are not any more.
    pub fn remove(&mut self, elements: &[Element]) {
        for element in elements {
            let (Some(process), Some(name)) = (&mut self.process, name(&element.action.0, &element.measure))
            else {
                continue;
            };
            if let Err(error) = process.allow(&name) {
                log::error!("a denial of commands cannot be ended before its time: {error}");
            }
        }
    }

    /// A word for `status`.
    pub fn state(&self) -> &'static str {
        match (&self.process, self.lost) {
            (Some(_), _) => "runs",
            (None, true) => "died: commands cannot be denied until the enforcer is started again",
            (None, false) => "none",
        }
    }
}

/// Does this line say that a denial has come, or a new city?
pub fn decides_anew(line: &str) -> bool {
    let told = serde_json::from_str::<serde_json::Value>(line).unwrap_or_default();
    matches!(
        told.get("told").and_then(serde_json::Value::as_str),
        Some("denies" | "city")
    )
}

/// A denial's name: one for each measure of an action.
fn name(action: &str, measure: &Measure) -> Option<String> {
    match measure {
        Measure::DenyCommand { from, to, .. } => Some(format!("{action} {from} {to}")),
        _ => None,
    }
}

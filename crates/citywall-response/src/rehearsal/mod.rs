//! What would have been done, had the wall been on: the governor over traffic that is past.
//!
//! Owns: the simulated kernel, the reading of the log's lines, and what measures would have cut.
//! Does not own: any decision: the governor is the live one, and hears what it hears live. Pure:
//! lines come in, a [`Report`] comes out; no file, no clock.

mod harm;
mod kernel;
mod log;
mod report;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use citywall_event::{Context, Nanos};

use crate::playbook::{Runs, Say};
use crate::{Effect, Fact, Facts, Governor, Input, Moment, Notice, Settings, VerifiedAct};
use harm::Harms;
use kernel::Kernel;

pub use log::{CommandLine, FlowLine, Line, LineError};
pub use report::{Asked, Cut, Report, Taken, Untaken};

/// Entries of the journal that are kept; of the others the number is told.
const JOURNAL: usize = 100_000;
/// Notices that are heard together at most.
const TOGETHER: usize = 1_024;
/// Times of its own that the governor is given between two lines.
const TICKS: usize = 10_000;

/// A governor, its simulated kernel, and what they would have done.
pub struct Rehearsal {
    governor: Governor,
    kernel: Kernel,
    harms: Harms,
    context: Context,
    /// Waits for the first line, whose time is the beginning.
    act: Option<VerifiedAct>,
    now: Option<Nanos>,
    /// Notices of one moment, which are heard together.
    together: Vec<Notice>,
    journal: Vec<String>,
    report: Report,
}

impl Rehearsal {
    /// Nothing has happened yet. With an act, what it covers needs no person.
    pub fn new(facts: Facts, settings: Settings, runs: Runs, act: Option<VerifiedAct>) -> Rehearsal {
        let context = (*facts.context).clone();
        Rehearsal {
            harms: Harms::default(),
            governor: Governor::new(facts, settings).with_playbooks(runs),
            kernel: Kernel::default(),
            context,
            act,
            now: None,
            together: Vec::new(),
            journal: Vec::new(),
            report: Report::default(),
        }
    }

    /// One line of `eve.json`, without its line feed. Lines that say nothing here are passed over.
    ///
    /// # Errors
    /// Where a line that matters cannot be understood.
    pub fn line(&mut self, line: &[u8]) -> Result<(), LineError> {
        let Some(line) = Line::parse(line)? else {
            return Ok(());
        };
        self.report.lines += 1;
        match line {
            Line::Incident(at, notice) => {
                if self.together.len() >= TOGETHER || self.now.is_some_and(|now| at != now) {
                    self.hear_together();
                }
                self.reach(at);
                self.together.push(*notice);
            }
            Line::Flow(at, flow) => {
                self.pass(at);
                self.report.flows += 1;
                self.harms.flow(&flow, &self.context, at);
            }
            Line::Command(at, command) => {
                self.pass(at);
                self.harms.command(&command, at);
            }
            Line::Forbidden(packet) => self.harms.forbidden(&packet),
        }
        Ok(())
    }

    /// An input of a live governor, as it was recorded.
    pub fn input(&mut self, now: Moment, input: Input) {
        self.now = Some(now.steady);
        self.hear(now, input);
    }

    /// The traffic is over. What is in force stays so until its end, which is told.
    pub fn finish(mut self) -> (Report, Vec<String>) {
        self.hear_together();
        self.harms.settle();
        for (place, harm) in self.harms.actions.iter().enumerate() {
            if let Some(taken) = self.report.taken.get_mut(place) {
                taken.cuts = harm.cuts(&self.context);
                taken.services = harm.services(&self.context);
                taken.beyond = harm.beyond;
            }
        }
        self.report.end = self.now;
        for view in self.governor.actions() {
            self.report.judge(&view);
        }
        (self.report, self.journal)
    }

    /// A line of another moment than the notices that wait.
    fn pass(&mut self, at: Nanos) {
        if self.now.is_some_and(|now| at > now) {
            self.hear_together();
        }
        self.reach(at);
    }

    fn hear_together(&mut self) {
        if self.together.is_empty() {
            return;
        }
        let notices = std::mem::take(&mut self.together);
        self.report.notices += notices.len() as u64;
        let now = self.now.unwrap_or_default();
        self.hear(moment(now), Input::Notices(notices));
    }

    /// Goes to a time, past what falls due before it. Time never goes backward.
    fn reach(&mut self, to: Nanos) {
        let first = self.now.is_none();
        let mut now = self.now.unwrap_or(to);
        if first {
            self.report.begin = Some(to);
            self.now = Some(to);
            if let Some(act) = self.act.take() {
                self.hear(moment(to), Input::Act(act));
            }
        }
        for _ in 0..TICKS {
            let Some(due) = self.governor.due().filter(|due| *due <= to) else {
                break;
            };
            // What is overdue is due one moment later, so that time goes on.
            now = due.max(now.saturating_add(1)).min(to);
            self.hear(moment(now), Input::Tick);
            if now >= to {
                break;
            }
        }
        self.now = Some(to.max(now));
    }

    /// The governor hears something; what it asks for is done on the simulated kernel, whose
    /// answers it hears in turn.
    fn hear(&mut self, now: Moment, input: Input) {
        let mut inputs = VecDeque::from([input]);
        // Each answer may lead to more, but not without end.
        let mut left = 4_096_u32;
        while let Some(input) = inputs.pop_front() {
            for effect in self.governor.hear(now, input) {
                self.carry_out(now, effect, &mut inputs);
            }
            left = left.saturating_sub(1);
            if left == 0 {
                break;
            }
        }
    }

    fn carry_out(&mut self, now: Moment, effect: Effect, inputs: &mut VecDeque<Input>) {
        let at = now.steady;
        match effect {
            Effect::Journal(entry) => {
                if let Fact::Refused {
                    incident,
                    what,
                    by,
                    guards,
                } = &entry.fact
                {
                    self.report.refuse(incident, what, by, guards, at);
                }
                if self.journal.len() < JOURNAL {
                    self.journal.push(entry.to_json());
                } else {
                    self.report.unwritten += 1;
                }
            }
            Effect::Apply(approved) => {
                let plan = approved.get().clone();
                for action in &plan.actions {
                    let until = self.kernel.apply(action, at);
                    self.report.take(&plan.incident, action, at, until);
                    self.harms.begin(action, at, until);
                    inputs.push_back(Input::Applied {
                        action: action.id.clone(),
                        result: Ok(()),
                    });
                }
            }
            Effect::Remove { action, .. } => {
                if self.kernel.remove(&action) {
                    self.harms.end(&action.0, at);
                    self.report.taken_back(&action, at);
                }
                inputs.push_back(Input::Removed {
                    action,
                    result: Ok(()),
                });
            }
            Effect::Tell(action) => self.report.tell(&action, at),
            Effect::Said(said) => {
                if let Say::Ask(question) = said.say {
                    self.report.ask(said.incident, question, at);
                }
            }
            Effect::Watch(_) | Effect::Refused(_) => {}
        }
    }
}

/// In a rehearsal packet time is both clocks.
fn moment(at: Nanos) -> Moment {
    Moment { wall: at, steady: at }
}

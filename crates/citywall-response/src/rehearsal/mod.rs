//! What would have been done, had the wall been on: the governor over traffic that is past.
//!
//! Owns: the simulated kernel, the reading of the log's lines, and what measures would have cut.
//! Does not own: any decision: the governor is the live one, and hears what it hears live. Pure:
//! lines come in, a [`Report`] comes out; no file, no clock.

mod harm;
mod kernel;
mod log;
mod paced;
mod report;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use citywall_event::{Context, Nanos};

use crate::playbook::{Runs, Say};
use crate::{Effect, Fact, Facts, Governor, Input, Moment, Settings, VerifiedAct};
use harm::Harms;
use kernel::Kernel;

pub use log::{CommandLine, FlowLine, Line, LineError};
pub use paced::{Hand, Paced};
pub use report::{Asked, Cut, Report, Taken, Untaken};

/// Entries of the journal that are kept; of the others the number is told.
const JOURNAL: usize = 100_000;

/// A governor, its simulated kernel, and what they would have done.
pub struct Rehearsal {
    paced: Paced,
    books: Books,
    context: Context,
    /// Waits for the first line, whose time is the beginning.
    act: Option<VerifiedAct>,
}

/// What would have been done.
#[derive(Default)]
struct Books {
    kernel: Kernel,
    harms: Harms,
    journal: Vec<String>,
    report: Report,
}

impl Rehearsal {
    /// Nothing has happened yet. With an act, what it covers needs no person.
    pub fn new(facts: Facts, settings: Settings, runs: Runs, act: Option<VerifiedAct>) -> Rehearsal {
        let context = (*facts.context).clone();
        Rehearsal {
            paced: Paced::new(Governor::new(facts, settings).with_playbooks(runs)),
            books: Books::default(),
            context,
            act,
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
        self.books.report.lines += 1;
        match line {
            Line::Incident(at, notice) => {
                self.reach(at);
                self.books.report.notices += 1;
                self.hear(Input::Notices(vec![*notice]));
            }
            Line::Flow(at, flow) => {
                self.reach(at);
                self.books.report.flows += 1;
                self.books.harms.flow(&flow, &self.context, at);
            }
            Line::Command(at, command) => {
                self.reach(at);
                self.books.harms.command(&command, at);
            }
            Line::Forbidden(packet) => self.books.harms.forbidden(&packet),
        }
        Ok(())
    }

    /// An input of a live governor, as it was recorded.
    pub fn input(&mut self, now: Moment, input: Input) {
        let books = &mut self.books;
        self.paced.hear_at(now, input, &mut |at, effect, answers| {
            books.carry_out(at, effect, answers);
        });
    }

    /// The traffic is over. What is in force stays so until its end, which is told.
    pub fn finish(self) -> (Report, Vec<String>) {
        let Books {
            mut harms,
            mut report,
            journal,
            ..
        } = self.books;
        harms.settle();
        for (place, harm) in harms.actions.iter().enumerate() {
            if let Some(taken) = report.taken.get_mut(place) {
                taken.cuts = harm.cuts(&self.context);
                taken.services = harm.services(&self.context);
                taken.beyond = harm.beyond;
            }
        }
        report.end = self.paced.now();
        for view in self.paced.governor().actions() {
            report.judge(&view);
        }
        (report, journal)
    }

    fn hear(&mut self, input: Input) {
        let books = &mut self.books;
        self.paced.hear(input, &mut |at, effect, answers| {
            books.carry_out(at, effect, answers)
        });
    }

    /// Goes to a time, past what falls due before it.
    fn reach(&mut self, to: Nanos) {
        let first = self.paced.now().is_none();
        let books = &mut self.books;
        self.paced.reach(to, &mut |at, effect, answers| {
            books.carry_out(at, effect, answers)
        });
        if first {
            self.books.report.begin = Some(to);
            if let Some(act) = self.act.take() {
                self.hear(Input::Act(act));
            }
        }
    }
}

impl Books {
    /// What the governor asks for is done on the simulated kernel, whose answers it hears in turn.
    fn carry_out(&mut self, at: Nanos, effect: Effect, answers: &mut VecDeque<Input>) {
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
                    answers.push_back(Input::Applied {
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
                answers.push_back(Input::Removed {
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
            Effect::Watch { .. } | Effect::Refused(_) => {}
        }
    }
}

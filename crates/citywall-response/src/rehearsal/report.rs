//! What a rehearsal found.
//!
//! Owns: the numbers. Does not own: how they are shown (the binary).

use citywall_event::{Nanos, Phrase, say};

use crate::playbook::Question;
use crate::{Action, ActionId, Measure, Outcome, Rung, Stage, View};

/// Actions, and questions, that are listed; of more the number is told.
const LISTED: usize = 10_000;

/// What would have been done, and what not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// First line that mattered.
    pub begin: Option<Nanos>,
    /// Last one.
    pub end: Option<Nanos>,
    /// Lines that mattered.
    pub lines: u64,
    /// Conversations.
    pub flows: u64,
    /// Notices of incidents.
    pub notices: u64,
    /// What would have been in force, in order.
    pub taken: Vec<Taken>,
    /// What would have been proposed and not done.
    pub untaken: Vec<Untaken>,
    /// What people would have been told or asked.
    pub asked: Vec<Asked>,
    /// Notifications.
    pub told: u64,
    /// Entries of the journal that were not kept.
    pub unwritten: u64,
    /// Actions and questions that are not listed.
    pub unlisted: u64,
}

/// An action that would have been in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its name.
    pub id: String,
    /// Its incident.
    pub incident: String,
    /// The rung.
    pub rung: Rung,
    /// On whom.
    pub target: Phrase,
    /// Why.
    pub reason: Phrase,
    /// Who answers for it.
    pub owner: String,
    /// From when.
    pub from: Nanos,
    /// Until when.
    pub until: Nanos,
    /// Why it was over before its time.
    pub outcome: Option<Phrase>,
    /// What the kernel would have held.
    pub measures: Vec<Measure>,
    /// Permitted work that it would have cut.
    pub cuts: Vec<Cut>,
    /// Services that depend on who was cut.
    pub services: Vec<String>,
    /// Pairs that are not listed in `cuts`.
    pub beyond: u64,
}

impl Taken {
    /// Would it have touched real work?
    pub fn touched_work(&self) -> bool {
        !self.cuts.is_empty() || self.beyond > 0
    }
}

/// Permitted work between two, that a measure would have cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Who began.
    pub from: String,
    /// With whom.
    pub to: String,
    /// What: a protocol, a port, commands.
    pub what: String,
    /// Conversations.
    pub flows: u64,
    /// Packets; in proportion to time where a conversation was under way.
    pub packets: u64,
    /// Bytes, likewise.
    pub bytes: u64,
    /// Commands.
    pub commands: u64,
}

/// An action that was proposed and not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untaken {
    /// Its name.
    pub id: String,
    /// Its incident.
    pub incident: String,
    /// The rung.
    pub rung: String,
    /// On whom.
    pub target: Phrase,
    /// Why it was wanted.
    pub reason: Phrase,
    /// When.
    pub at: Nanos,
    /// What held it back: guards, or that nobody approved.
    pub held_by: Vec<Phrase>,
}

/// What a playbook asked of people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The incident.
    pub incident: String,
    /// By which playbook.
    pub playbook: String,
    /// When.
    pub at: Nanos,
    /// What.
    pub text: String,
}

/// What became of an action, for people.
fn words(outcome: &Outcome) -> Phrase {
    match outcome {
        Outcome::Undone { by } => say!("outcome-took-back", "{who} took it back", who = by),
        Outcome::RolledBack { why } => {
            say!("outcome-back-by-itself", "taken back by itself: {why}", why = why)
        }
        Outcome::Rejected { by } => say!("outcome-said-no", "{who} said no", who = by),
        outcome => outcome.words(),
    }
}

impl Report {
    /// How many actions would have touched real work.
    pub fn touched(&self) -> usize {
        self.taken.iter().filter(|t| t.touched_work()).count()
    }

    pub(crate) fn take(&mut self, incident: &str, action: &Action, from: Nanos, until: Nanos) {
        // What is put in force anew after a restart is the same action.
        if self.taken.iter().rev().take(64).any(|t| t.id == action.id.0) {
            return;
        }
        self.untaken.retain(|u| u.id != action.id.0);
        if self.taken.len() >= LISTED {
            self.unlisted += 1;
            return;
        }
        self.taken.push(Taken {
            id: action.id.0.clone(),
            incident: incident.to_owned(),
            rung: action.rung,
            target: action.target.clone(),
            reason: action.reason.clone(),
            owner: action.owner.clone(),
            from,
            until,
            outcome: None,
            measures: action.measures.clone(),
            cuts: Vec::new(),
            services: Vec::new(),
            beyond: 0,
        });
    }

    pub(crate) fn taken_back(&mut self, action: &ActionId, at: Nanos) {
        if let Some(taken) = self.taken.iter_mut().rev().find(|t| t.id == action.0) {
            taken.until = taken.until.min(at);
        }
    }

    pub(crate) fn tell(&mut self, action: &citywall_event::Action, at: Nanos) {
        let mild = Rung::parse(action.kind).is_some_and(|r| r <= Rung::Notify);
        if mild {
            self.told += 1;
            return;
        }
        // What was refused before it was an action was heard of as the journal's `refused`, in English.
        if action.id.is_empty()
            && let Some(untaken) = self.untaken.last_mut()
            && (untaken.incident == action.incident && untaken.target == action.target)
        {
            untaken.target.clone_from(&action.target);
            untaken.held_by.clone_from(&action.guards);
        }
        if action.id.is_empty() || self.taken.iter().any(|t| t.id == action.id) {
            return;
        }
        if let Some(known) = self.untaken.iter_mut().find(|u| u.id == action.id) {
            known.held_by.clone_from(&action.guards);
            return;
        }
        if self.untaken.len() >= LISTED {
            self.unlisted += 1;
            return;
        }
        self.untaken.push(Untaken {
            id: action.id.clone(),
            incident: action.incident.clone(),
            rung: action.kind.to_owned(),
            target: action.target.clone(),
            reason: action.reason.clone(),
            at,
            held_by: action.guards.clone(),
        });
    }

    /// The gate said no before there was a proposal.
    pub(crate) fn refuse(&mut self, incident: &str, what: &str, by: &str, guards: &[String], at: Nanos) {
        if self.untaken.len() >= LISTED {
            self.unlisted += 1;
            return;
        }
        let (rung, target) = what.split_once(' ').unwrap_or((what, ""));
        self.untaken.push(Untaken {
            id: String::new(),
            incident: incident.to_owned(),
            rung: rung.to_owned(),
            target: Phrase::as_written(target),
            reason: say!("asked-by", "asked for by {who}", who = by),
            at,
            held_by: guards
                .iter()
                .map(|guard| Phrase::as_written(guard.as_str()))
                .collect(),
        });
    }

    pub(crate) fn ask(&mut self, incident: String, question: Question, at: Nanos) {
        if self.asked.len() >= LISTED {
            self.unlisted += 1;
            return;
        }
        self.asked.push(Asked {
            incident,
            playbook: question.playbook,
            at,
            text: question.text,
        });
    }

    /// How things stand in the end.
    pub(crate) fn judge(&mut self, view: &View) {
        let id = &view.action.id.0;
        if let Some(taken) = self.taken.iter_mut().find(|t| t.id == *id) {
            taken.outcome = view.outcome.as_ref().map(words);
        }
        if let (Stage::Proposed, Some(untaken)) = (view.stage, self.untaken.iter_mut().find(|u| u.id == *id))
        {
            untaken.held_by.clone_from(&view.guards);
        }
    }
}

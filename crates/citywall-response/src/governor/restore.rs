//! Going on after a crash at any step.
//!
//! Owns: what the journal's entries mean for the state, and bringing the kernel in line with it.
//! Does not own: reading either.
//!
//! What was approved but not seen in force is taken back: nothing is ever put in force by a
//! restart. Of what was in force, the rest of its life goes on; where the kernel holds less of it,
//! more of it or longer than it may, it is taken back.

use citywall_event::{Nanos, say};

use super::state::{Tracked, serial_of};
use super::{Governor, Stage};
use crate::bug::{Bug, planted};
use crate::effect::Outcome;
use crate::{ActionId, Effect, Entry, Fact, Grounds, Held, Measure, Plan, PlanHash, VerifiedAct, Vital};

/// Kernels count life in coarse ticks.
const SLACK: Nanos = 1_000_000_000;

impl Governor {
    /// The state that the journal tells of.
    pub(super) fn recall(&mut self, entries: &[Entry]) {
        for entry in entries {
            self.clock.recall(entry.at);
            // An act that was over then does not come back by a newer one.
            let (now, latest) = (self.clock.now(), self.clock.latest());
            self.acts
                .retain(|(act, until)| *until > now && act.act().expires > latest);
            self.recall_fact(entry);
        }
        self.out.clear();
    }

    fn recall_fact(&mut self, entry: &Entry) {
        match &entry.fact {
            Fact::Proposed {
                plan,
                severity,
                grounds,
                needed,
                ..
            } => {
                let mut tracked = self.recalled(entry, plan, grounds);
                tracked.severity = *severity;
                tracked.needed = *needed;
                self.keep(tracked);
            }
            Fact::Approved { action, hash, by, .. } => self.recall_approval(action, *hash, by),
            Fact::Intent {
                plan,
                people,
                act,
                baseline,
                grounds,
                ..
            } => self.recall_intent(entry, plan, people, act.is_some(), baseline, grounds),
            Fact::Applied { action } => self.recall_stage(action, Stage::Active, None),
            Fact::Undoing { action, outcome } => {
                let tracked = self.find(action).and_then(|serial| self.actions.get(&serial));
                if let Some(tracked) = tracked.cloned() {
                    self.regret(&tracked, outcome);
                }
                self.recall_stage(action, Stage::Undoing, Some(outcome.clone()));
            }
            Fact::Ended { action, .. } => {
                if let Some(serial) = self.find(action) {
                    self.actions.remove(&serial);
                }
            }
            Fact::Act { act, signer } => {
                self.act_serial = self.act_serial.max(act.serial);
                self.clock.believe_wall();
                let left = act.expires.saturating_sub(entry.at.wall);
                self.add_act(VerifiedAct::remembered(act.clone(), signer.clone()), left);
            }
            Fact::ActsEnded { .. } => self.acts.clear(),
            Fact::Started { .. } | Fact::Refused { .. } | Fact::Shed { .. } => {}
        }
    }

    fn recalled(&self, entry: &Entry, plan: &Plan, grounds: &Grounds) -> Tracked {
        let at = entry.at.steady;
        Tracked {
            hash: plan.hash(),
            plan: plan.clone(),
            stage: Stage::Proposed,
            grounds: grounds.clone(),
            severity: 1,
            approvals: Vec::new(),
            needed: 2,
            until: at.saturating_add(self.settings.approval_lifetime),
            sent: at,
            began: entry.at,
            outcome: None,
            baseline: Vec::new(),
            watch: Vec::new(),
            waits_for_people: false,
        }
    }

    fn keep(&mut self, tracked: Tracked) {
        if let Some(serial) = serial_of(&tracked.action().id) {
            self.serial = self.serial.max(serial);
            self.actions.insert(serial, tracked);
        }
    }

    fn recall_approval(&mut self, action: &ActionId, hash: PlanHash, by: &str) {
        let tracked = self.find(action).and_then(|serial| self.actions.get_mut(&serial));
        if let Some(tracked) = tracked.filter(|t| t.hash == hash)
            && !tracked.approvals.iter().any(|a| a == by)
        {
            tracked.approvals.push(by.to_owned());
        }
    }

    fn recall_intent(
        &mut self,
        entry: &Entry,
        plan: &Plan,
        people: &[String],
        unattended: bool,
        baseline: &[Vital],
        grounds: &Grounds,
    ) {
        let mut tracked = self.recalled(entry, plan, grounds);
        let serial = serial_of(&tracked.action().id);
        let before = serial.and_then(|serial| self.actions.get(&serial));
        tracked.severity = before.map_or(1, |b| b.severity);
        tracked.needed = before.map_or(2, |b| b.needed);
        tracked.stage = Stage::Applying;
        tracked.approvals = people.to_vec();
        tracked.until = entry.at.steady.saturating_add(tracked.action().time_to_live);
        tracked.baseline = baseline.to_vec();
        tracked.watch = self.to_watch(&tracked);
        if unattended && !planted(Bug::BudgetForgottenAtRestart) {
            let devices = self.devices_of(&tracked);
            let at = entry.at.steady;
            self.unattended
                .extend(devices.into_iter().map(|device| (at, device)));
            // The journal is long; what has left the window limits nothing.
            let (_, window) = self.settings.unattended();
            self.unattended
                .retain(|(then, _)| at.saturating_sub(*then) < window);
        }
        self.keep(tracked);
    }

    fn recall_stage(&mut self, action: &ActionId, stage: Stage, outcome: Option<Outcome>) {
        if let Some(tracked) = self.find(action).and_then(|serial| self.actions.get_mut(&serial)) {
            tracked.stage = stage;
            tracked.outcome = outcome;
        }
    }

    /// Brings the kernel in line with the journal.
    pub(super) fn reconcile(&mut self, held: &[Held]) {
        self.take_back_orphans(held);
        let serials: Vec<u64> = self.actions.keys().copied().collect();
        for serial in serials {
            let Some(tracked) = self.actions.get(&serial) else {
                continue;
            };
            match tracked.stage {
                Stage::Applying => {
                    let why = say!(
                        "wall-stopped",
                        "the wall stopped before this was known to be in force"
                    );
                    self.take_back(serial, Outcome::Failed { why });
                }
                Stage::Undoing => {
                    let outcome = tracked.outcome.clone().unwrap_or(Outcome::Expired);
                    self.take_back(serial, outcome);
                }
                Stage::Active => self.reconcile_active(serial, held),
                Stage::Proposed => self.forget_approvals(serial),
                Stage::Ended => {}
            }
        }
    }

    /// Nobody knows how long the wall was down: who approved before must say so again.
    fn forget_approvals(&mut self, serial: u64) {
        if let Some(tracked) = self.actions.get_mut(&serial)
            && !planted(Bug::ApprovalsForEver)
        {
            tracked.approvals.clear();
        }
    }

    /// Elements that bear one of our ids and belong to no living action go; what is not ours is
    /// remembered, so that it is never overwritten.
    fn take_back_orphans(&mut self, held: &[Held]) {
        let mut orphans: Vec<(ActionId, Vec<Measure>)> = Vec::new();
        for element in held {
            let id = ActionId(element.comment.clone());
            let ours = serial_of(&id).is_some();
            if !ours && !planted(Bug::ForeignRemoved) {
                self.foreign.push(element.measure.key());
                continue;
            }
            let living = self.find(&id).and_then(|serial| self.actions.get(&serial));
            let wanted = living.is_some_and(|a| {
                a.stage != Stage::Proposed
                    && a.action()
                        .measures
                        .iter()
                        .any(|m| m.key() == element.measure.key())
            });
            if wanted || planted(Bug::OrphansLeft) {
                continue;
            }
            match orphans.iter_mut().find(|(known, _)| *known == id) {
                Some((_, measures)) => measures.push(element.measure.clone()),
                None => orphans.push((id, vec![element.measure.clone()])),
            }
        }
        let now = self.clock.now();
        for (action, measures) in orphans {
            self.orphans.push((action.clone(), measures.clone(), now));
            self.out.push(Effect::Remove { action, measures });
        }
    }

    fn reconcile_active(&mut self, serial: u64, held: &[Held]) {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        let Some(tracked) = self.actions.get_mut(&serial) else {
            return;
        };
        let action = tracked.action();
        let life = action.time_to_live;
        let mine: Vec<&Held> = held.iter().filter(|h| h.comment == action.id.0).collect();
        let whole = action
            .measures
            .iter()
            .all(|m| mine.iter().any(|h| h.measure == *m));
        let by_wall = life.saturating_sub(wall.saturating_sub(tracked.began.wall));
        let by_journal = tracked.until.saturating_sub(now);
        let allowed = by_wall.min(by_journal).min(life);
        let longest = mine.iter().map(|h| h.remaining.unwrap_or(Nanos::MAX)).max();
        let shortest = mine.iter().map(|h| h.remaining.unwrap_or(Nanos::MAX)).min();
        if planted(Bug::LifeRenewed) {
            tracked.until = now.saturating_add(life);
            return;
        }
        let why = match (whole, longest) {
            (false, _) => Some(say!(
                "kernel-not-whole",
                "the kernel does not hold it whole any more"
            )),
            (true, Some(longest)) if longest > allowed.saturating_add(SLACK) => Some(say!(
                "kernel-too-long",
                "the kernel holds it for longer than it may"
            )),
            _ => None,
        };
        match why {
            Some(why) => {
                self.take_back(serial, Outcome::Withdrawn { why });
            }
            None => {
                let left = shortest.unwrap_or(0).min(allowed).max(0);
                tracked.until = now.saturating_add(left);
            }
        }
    }
}

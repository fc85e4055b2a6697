//! Doing and undoing, with the journal ahead of the kernel.
//!
//! Owns: the steps of an action, what time does to it, acts, and a new city file. Does not own:
//! what may be done (`gate`).

use citywall_event::{Phrase, say};

use super::state::Tracked;
use super::{ACTS, ENDED, Governor, REGRETS, Stage, texts};
use crate::bug::{Bug, planted};
use crate::effect::Outcome;
use crate::gate::{self, Asker, Guard};
use crate::{ActionId, Effect, Fact, Facts, Plan, VerifiedAct};

impl Governor {
    /// The gate is asked now, whoever was asked before. `intent` is durable before the hand is told.
    pub(super) fn execute(&mut self, serial: u64, asker: Asker<'_>) -> Result<(), Vec<Guard>> {
        let Some(tracked) = self.actions.get(&serial) else {
            return Ok(());
        };
        let approved = self.ask(tracked, |case| gate::approve(case, asker))?;
        let guards = texts(&self.judge(tracked).words());
        let devices = self.devices_of(tracked);
        let unattended = matches!(asker, Asker::Act(_));
        let watch = self.to_watch(tracked);
        let baseline = self.vitals_of(&watch);
        let act = self.act_for(tracked).filter(|_| unattended);
        let people = match asker {
            Asker::People(people) => people.to_vec(),
            Asker::Act(_) => Vec::new(),
        };
        let (now, moment) = (self.clock.now(), self.clock.moment());
        if unattended {
            self.unattended
                .extend(devices.into_iter().map(|device| (now, device)));
        }
        let Some(tracked) = self.actions.get_mut(&serial) else {
            return Ok(());
        };
        tracked.stage = Stage::Applying;
        tracked.sent = now;
        tracked.began = moment;
        tracked.until = now.saturating_add(tracked.action().time_to_live);
        tracked.baseline.clone_from(&baseline);
        tracked.watch = watch;
        let (plan, hash, grounds) = (tracked.plan.clone(), tracked.hash, tracked.grounds.clone());
        self.note(Fact::Intent {
            plan,
            hash,
            people,
            act,
            guards,
            baseline,
            grounds,
        });
        self.out.push(Effect::Apply(approved));
        Ok(())
    }

    /// The serial of an act that covers an action now.
    fn act_for(&self, tracked: &Tracked) -> Option<u64> {
        let host = tracked.action().measures.first()?.host();
        let zone = self.facts.context.zone_name(self.facts.standing(host).zone);
        let rung = tracked.action().rung;
        let (now, wall) = (self.clock.now(), self.clock.latest());
        let holds = |(act, until): &&(VerifiedAct, i64)| {
            let over = *until <= now || act.act().expires <= wall;
            act.act().covers(zone, rung) && (!over || planted(Bug::ActNeverEnds))
        };
        self.acts.iter().find(holds).map(|(act, _)| act.act().serial)
    }

    /// Carries an action out by itself, where an act covers it and no guard holds it back.
    pub(super) fn try_unattended(&mut self, serial: u64) {
        let Some(tracked) = self.actions.get(&serial) else {
            return;
        };
        if tracked.grounds.by_hand.is_some() || tracked.waits_for_people || self.act_for(tracked).is_none() {
            return;
        }
        // The guards were told with the proposal; it waits.
        let _ = self.execute(serial, Asker::Act(true));
    }

    /// What was held back by a budget is tried again, the worst first.
    pub(super) fn retry_unattended(&mut self) {
        if self.acts.is_empty() {
            return;
        }
        let waiting = self.actions.iter().filter(|(_, a)| a.stage == Stage::Proposed);
        let mut order: Vec<(u8, u64)> = waiting.map(|(serial, a)| (a.severity, *serial)).collect();
        order.sort_unstable();
        for (_, serial) in order {
            self.try_unattended(serial);
        }
    }

    pub(super) fn applied(&mut self, id: &ActionId, result: Result<(), String>) {
        let Some(serial) = self.find(id) else { return };
        let Some(tracked) = self.actions.get_mut(&serial) else {
            return;
        };
        // The answer to an order that was taken back since says nothing.
        if tracked.stage != Stage::Applying {
            return;
        }
        match result {
            Ok(()) => {
                tracked.stage = Stage::Active;
                let tracked = tracked.clone();
                self.note(Fact::Applied { action: id.clone() });
                self.tell(&tracked, "applied", Vec::new());
            }
            Err(why) => {
                let why = Phrase::as_written(why);
                self.take_back(serial, Outcome::Failed { why });
            }
        }
    }

    /// Takes an action out of force. `undoing` is durable before the hand is told.
    pub(super) fn take_back(&mut self, serial: u64, outcome: Outcome) {
        let now = self.clock.now();
        let Some(tracked) = self.actions.get_mut(&serial) else {
            return;
        };
        tracked.stage = Stage::Undoing;
        tracked.sent = now;
        tracked.outcome = Some(outcome.clone());
        // From the decision on, not from the hand's answer: that may be late.
        let tracked = tracked.clone();
        self.regret(&tracked, &outcome);
        let (action, measures) = (tracked.action().id.clone(), tracked.action().measures.clone());
        self.note(Fact::Undoing {
            action: action.clone(),
            outcome,
        });
        self.out.push(Effect::Remove { action, measures });
    }

    pub(super) fn removed(&mut self, id: &ActionId, result: Result<(), String>) {
        if result.is_ok() {
            self.orphans.retain(|(orphan, ..)| orphan != id);
        }
        let Some(serial) = self.find(id) else { return };
        let Some(tracked) = self.actions.get(&serial) else {
            return;
        };
        if tracked.stage != Stage::Undoing || result.is_err() {
            // A hand that could not is told again in time.
            return;
        }
        let outcome = tracked.outcome.clone().unwrap_or(Outcome::Expired);
        self.end(serial, outcome);
    }

    /// The last step of an action.
    pub(super) fn end(&mut self, serial: u64, outcome: Outcome) {
        let Some(mut tracked) = self.actions.remove(&serial) else {
            return;
        };
        self.note(Fact::Ended {
            action: tracked.action().id.clone(),
            outcome: outcome.clone(),
        });
        let (status, words) = told(&outcome);
        self.tell(&tracked, status, words);
        tracked.stage = Stage::Ended;
        tracked.until = self.clock.now();
        tracked.outcome = Some(outcome);
        self.ended.push_back(tracked);
        if self.ended.len() > ENDED {
            self.ended.pop_front();
        }
    }

    /// What was rolled back is not tried again by itself.
    pub(super) fn regret(&mut self, tracked: &Tracked, outcome: &Outcome) {
        let Outcome::RolledBack { .. } = outcome else {
            return;
        };
        let until = self.clock.now().saturating_add(self.settings.regret);
        let rung = tracked.action().rung;
        for device in self.devices_of(tracked) {
            self.regrets.push((until, device, rung));
        }
        let too_many = self.regrets.len().saturating_sub(REGRETS);
        self.regrets.drain(..too_many);
    }

    /// What time alone does.
    pub(super) fn pass_time(&mut self) {
        let now = self.clock.now();
        let (_, window) = self.settings.unattended();
        self.unattended.retain(|(at, _)| now.saturating_sub(*at) < window);
        self.regrets.retain(|(until, ..)| *until > now);
        let wall = self.clock.latest();
        if !planted(Bug::ActNeverEnds) {
            self.acts
                .retain(|(act, until)| *until > now && act.act().expires > wall);
        }
        let patience = self.settings.hand_patience;
        let serials: Vec<u64> = self.actions.keys().copied().collect();
        for serial in serials {
            let Some(tracked) = self.actions.get(&serial) else {
                continue;
            };
            let late = now.saturating_sub(tracked.sent) >= patience;
            let over = tracked.until <= now;
            match tracked.stage {
                Stage::Proposed if over && !planted(Bug::ApprovalsForEver) => {
                    self.end(serial, Outcome::Lapsed)
                }
                Stage::Applying if late => {
                    let why = say!("hand-late", "the hand did not answer in time");
                    self.take_back(serial, Outcome::Failed { why });
                }
                Stage::Applying | Stage::Active if over => self.take_back(serial, Outcome::Expired),
                Stage::Undoing if late => self.remove_again(serial),
                _ => {}
            }
        }
        for (action, measures, sent) in &mut self.orphans {
            if now.saturating_sub(*sent) >= patience {
                *sent = now;
                let (action, measures) = (action.clone(), measures.clone());
                self.out.push(Effect::Remove { action, measures });
            }
        }
        let said = self.runs.tick(now);
        let mut shed = 0;
        self.hear_said(said, &mut shed);
    }

    fn remove_again(&mut self, serial: u64) {
        let now = self.clock.now();
        if let Some(tracked) = self.actions.get_mut(&serial) {
            tracked.sent = now;
            let (action, measures) = (tracked.action().id.clone(), tracked.action().measures.clone());
            self.out.push(Effect::Remove { action, measures });
        }
    }

    pub(super) fn take_act(&mut self, act: VerifiedAct) {
        let serial = act.act().serial;
        if serial <= self.act_serial {
            let text = say!(
                "refused-serial",
                "an act with serial {serial} was heard already: sign one with a greater",
                serial = self.act_serial
            );
            return self.refuse(None, text);
        }
        let left = act.act().expires.saturating_sub(self.clock.wall());
        if left <= 0 {
            return self.refuse(None, say!("refused-act-over", "the act is over already"));
        }
        self.act_serial = serial;
        self.clock.believe_wall();
        self.note(Fact::Act {
            act: act.act().clone(),
            signer: act.signer().to_owned(),
        });
        self.add_act(act, left);
    }

    pub(super) fn add_act(&mut self, act: VerifiedAct, left: i64) {
        let until = self.clock.now().saturating_add(left);
        self.acts.push((act, until));
        if self.acts.len() > ACTS {
            self.acts.remove(0);
        }
    }

    pub(super) fn take_city(&mut self, facts: Facts) {
        self.facts = facts;
        self.restate();
    }

    /// By another reading of the city file every open plan is another plan, and what is in force may
    /// be no longer.
    pub(super) fn restate(&mut self) {
        let serials: Vec<u64> = self.actions.keys().copied().collect();
        for serial in serials {
            let Some(tracked) = self.actions.get(&serial) else {
                continue;
            };
            let verdict = self.judge(tracked);
            let gone = verdict.never.first().map(Guard::words);
            let changed = tracked.plan.revision != self.facts.revision;
            match (tracked.stage, gone) {
                (Stage::Proposed, Some(why)) => self.end(serial, Outcome::Withdrawn { why }),
                (Stage::Applying | Stage::Active, Some(why)) => {
                    self.take_back(serial, Outcome::Withdrawn { why });
                }
                (Stage::Proposed, None) if changed => self.propose_anew(serial, &verdict),
                _ => {}
            }
        }
    }

    /// The same action by the new city file. Who approved the old plan has not approved this one.
    fn propose_anew(&mut self, serial: u64, verdict: &gate::Verdict) {
        let revision = self.facts.revision;
        let Some(tracked) = self.actions.get_mut(&serial) else {
            return;
        };
        tracked.plan = Plan {
            revision,
            ..tracked.plan.clone()
        };
        tracked.hash = tracked.plan.hash();
        tracked.approvals.clear();
        tracked.needed = verdict.needed;
        let tracked = tracked.clone();
        self.note(Fact::Proposed {
            plan: tracked.plan.clone(),
            severity: tracked.severity,
            grounds: tracked.grounds.clone(),
            needed: verdict.needed,
            guards: texts(&verdict.words()),
        });
        self.tell(&tracked, "proposed", verdict.words());
    }
}

/// How an outcome is told: the status and what there is to say.
fn told(outcome: &Outcome) -> (&'static str, Vec<Phrase>) {
    let by = |who: &str| vec![say!("by-whom", "by {who}", who = who)];
    match outcome {
        Outcome::Applied => ("applied", Vec::new()),
        Outcome::Expired => ("expired", Vec::new()),
        Outcome::Undone { by: who } => ("undone", by(who)),
        Outcome::RolledBack { why } => ("rolled-back", vec![why.clone()]),
        Outcome::Withdrawn { why } => ("withdrawn", vec![why.clone()]),
        Outcome::Failed { why } => ("failed", vec![why.clone()]),
        Outcome::Refused { guards } => ("refused", guards.clone()),
        Outcome::Rejected { by: who } => ("rejected", by(who)),
        Outcome::Lapsed => ("lapsed", Vec::new()),
    }
}

//! What people may do: approve, reject, undo, answer, and end automatic mode.
//!
//! Owns: which role may what, and that one person counts once, whatever accounts there are. Does
//! not own: how many people it takes (`gate`).

use citywall_event::{say, sentences};
use citywall_policy::Role;

use super::{Governor, Stage};
use crate::bug::{Bug, planted};
use crate::effect::Outcome;
use crate::gate::{Asker, Guard};
use crate::playbook::Answer;
use crate::{Account, ActionId, Fact, PlanHash};

impl Governor {
    /// The person behind an account, if one of the roles is hers.
    fn person_with(&self, account: &Account, roles: &[Role]) -> Option<String> {
        let person = self.facts.principal(account)?;
        let may = person.roles.iter().any(|r| roles.contains(r)) || planted(Bug::RolesIgnored);
        let name = match planted(Bug::AccountsCounted) {
            true => account.0.clone(),
            false => person.name.clone(),
        };
        may.then_some(name)
    }

    pub(super) fn operator(&self, account: &Account) -> Option<String> {
        self.person_with(account, &[Role::Operator, Role::Approver, Role::Administrator])
    }

    pub(super) fn approve(&mut self, by: &Account, id: &ActionId, hash: PlanHash) {
        let Some(serial) = self.find(id) else {
            return self.refuse(
                Some(id),
                say!(
                    "refused-no-action",
                    "there is no open action {action}",
                    action = &id.0
                ),
            );
        };
        let Some(person) = self.person_with(by, &[Role::Approver]) else {
            let text = say!(
                "refused-no-approver",
                "{who} is nobody whom the city file makes an approver",
                who = &by.0
            );
            return self.refuse(Some(id), text);
        };
        let Some(tracked) = self.actions.get_mut(&serial) else {
            return;
        };
        if tracked.stage != Stage::Proposed {
            return self.refuse(
                Some(id),
                say!(
                    "refused-waits-not",
                    "{action} waits for no approval",
                    action = &id.0
                ),
            );
        }
        let current = tracked.hash == hash || planted(Bug::HashIgnored);
        if !current {
            return self.refuse(Some(id), Guard::Stale.words());
        }
        if !tracked.approvals.contains(&person) {
            tracked.approvals.push(person.clone());
            self.note(Fact::Approved {
                action: id.clone(),
                hash,
                by: person,
                account: by.0.clone(),
            });
        }
        self.try_attended(serial);
    }

    /// Carries out what people have approved, where nothing else holds it back.
    fn try_attended(&mut self, serial: u64) {
        let Some(tracked) = self.actions.get(&serial) else {
            return;
        };
        let (id, people) = (tracked.action().id.clone(), tracked.approvals.clone());
        let needed = self.judge(tracked).needed;
        if let Some(tracked) = self.actions.get_mut(&serial) {
            tracked.needed = needed;
        }
        if let Err(guards) = self.execute(serial, Asker::People(&people)) {
            // Noted, and somebody else must approve it, too: that is no refusal.
            let waits = (people.len() as u64) < u64::from(needed);
            if waits && guards.iter().all(|guard| matches!(guard, Guard::People { .. })) {
                return;
            }
            self.refuse(Some(&id), sentences(guards.iter().map(Guard::words)));
        }
    }

    pub(super) fn reject(&mut self, by: &Account, id: &ActionId) {
        let Some(person) = self.operator(by) else {
            return self.refuse(
                Some(id),
                say!("refused-reject", "{who} may not reject", who = &by.0),
            );
        };
        match self.find(id) {
            Some(serial) if self.stage(serial) == Some(Stage::Proposed) => {
                self.end(serial, Outcome::Rejected { by: person });
            }
            _ => self.refuse(
                Some(id),
                say!(
                    "refused-waits-not",
                    "{action} waits for no approval",
                    action = &id.0
                ),
            ),
        }
    }

    pub(super) fn undo(&mut self, by: &Account, id: &ActionId) {
        let Some(person) = self.operator(by) else {
            return self.refuse(Some(id), say!("refused-undo", "{who} may not undo", who = &by.0));
        };
        match self.find(id) {
            Some(serial) if matches!(self.stage(serial), Some(Stage::Applying | Stage::Active)) => {
                self.take_back(serial, Outcome::Undone { by: person });
            }
            _ => self.refuse(
                Some(id),
                say!("refused-not-in-force", "{action} is not in force", action = &id.0),
            ),
        }
    }

    pub(super) fn answer(&mut self, by: &Account, answer: &Answer) {
        if self.operator(by).is_none() {
            return self.refuse(None, say!("refused-answer", "{who} may not answer", who = &by.0));
        }
        let said = self.runs.answer(self.clock.now(), answer);
        let mut shed = 0;
        self.hear_said(said, &mut shed);
    }

    pub(super) fn end_acts(&mut self, by: &Account) {
        let Some(person) = self.operator(by) else {
            return self.refuse(
                None,
                say!(
                    "refused-end-acts",
                    "{who} may not end automatic mode",
                    who = &by.0
                ),
            );
        };
        self.acts.clear();
        self.note(Fact::ActsEnded { by: person });
    }

    fn stage(&self, serial: u64) -> Option<Stage> {
        self.actions.get(&serial).map(|a| a.stage)
    }
}

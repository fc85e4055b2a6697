//! From notices, playbooks and people to proposals.
//!
//! Owns: what becomes a proposal, how many are kept, and which go when there is no room. Does not
//! own: what is planned (`planner`), and whether it may be (`gate`).

use citywall_event::{Nanos, Phrase, say, sentences};

use super::state::{BY_HAND, Known, Tracked};
use super::{Governor, INCIDENTS, Stage, texts};
use crate::effect::Outcome;
use crate::gate::Guard;
use crate::planner::{self, Draft};
use crate::playbook::{Said, Say, Standing, Wish};
use crate::{
    Account, Action, ActionId, Effect, Fact, Flooded, Grounds, Host, Measure, Notice, Plan, Proposal, Rung,
    Suspect,
};

/// Longest target or reason, in bytes: a journal's line is bounded.
const TEXT: usize = 512;

/// IP protocols of SYNs, and of answers that nobody asked for.
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Who and how long.
struct Terms<'a> {
    incident: &'a str,
    severity: u8,
    owner: String,
    time_to_live: Option<Nanos>,
}

impl Governor {
    /// The worst first, so that a storm of mild ones takes nothing from it.
    pub(super) fn hear_notices(&mut self, mut notices: Vec<Notice>) {
        notices.sort_by(|a, b| (a.severity, a.at, &a.incident).cmp(&(b.severity, b.at, &b.incident)));
        let mut shed = 0;
        for notice in notices {
            self.hear_notice(notice, &mut shed);
        }
        if shed > 0 {
            self.note(Fact::Shed { count: shed });
        }
    }

    fn hear_notice(&mut self, notice: Notice, shed: &mut u64) {
        if !self.make_room_for(&notice) {
            *shed += 1;
            return;
        }
        let standings: Vec<Standing> = notice.suspects.iter().map(|s| self.standing_of(s)).collect();
        let mut calm: Vec<Flooded> = Vec::new();
        let still = notice.flooded.clone();
        let known = match self.incidents.remove(&notice.incident) {
            Some(mut known) => {
                let before = std::mem::replace(&mut known.notice, notice.clone());
                let over = |flooded: &Flooded| !notice.flooded.contains(flooded);
                calm.extend(before.flooded.into_iter().filter(over));
                known
            }
            None => Known::new(notice.clone()),
        };
        self.incidents.insert(notice.incident.clone(), known);
        self.floods_are_over(&notice.incident, &calm, &still);
        match self.runs.hear(self.clock.now(), &notice, &standings) {
            Some(said) => self.hear_said(said, shed),
            None => {
                let open = self.open_keys();
                let drafts = planner::plan(&notice, &self.facts, &self.settings, &open);
                for draft in drafts {
                    let terms = Terms {
                        incident: &notice.incident,
                        severity: notice.severity,
                        owner: self.owner(&notice),
                        time_to_live: None,
                    };
                    self.propose(draft, &terms, shed);
                }
            }
        }
    }

    /// Nobody floods these any more: limits that were for that are taken back.
    fn floods_are_over(&mut self, incident: &str, calm: &[Flooded], still: &[Flooded]) {
        let is_for = |measure: &Measure| {
            let of = |f: &Flooded| match *measure {
                Measure::LimitInto { to, protocol, .. } => {
                    f.address.to_canonical() == to && f.protocol == protocol
                }
                Measure::SynProxy { to, port } => {
                    f.address.to_canonical() == to && f.protocol == TCP && f.port == Some(port)
                }
                Measure::DropAnswers { to, from_port } => {
                    f.address.to_canonical() == to && f.protocol == UDP && f.port == Some(from_port)
                }
                _ => false,
            };
            calm.iter().any(of) && !still.iter().any(of)
        };
        let of = |tracked: &&Tracked| {
            tracked.plan.incident == incident && tracked.action().measures.iter().any(is_for)
        };
        let limits = self.actions.iter().filter(|(_, tracked)| of(tracked));
        let limits: Vec<(u64, Stage)> = limits.map(|(serial, t)| (*serial, t.stage)).collect();
        for (serial, stage) in limits {
            if let (Some(tracked), Some(known)) =
                (self.actions.get(&serial), self.incidents.get_mut(incident))
            {
                let action = tracked.action();
                known.is_over(action.rung, &action.target, &action.measures);
            }
            let why = say!("withdrawn-flood-over", "the flood is over");
            match stage {
                Stage::Proposed => self.end(serial, Outcome::Withdrawn { why }),
                Stage::Applying | Stage::Active => self.take_back(serial, Outcome::Withdrawn { why }),
                _ => {}
            }
        }
    }

    /// An incident that is not known yet needs a place: the mildest, oldest one gives its own up,
    /// unless it is this one.
    fn make_room_for(&mut self, notice: &Notice) -> bool {
        if self.incidents.len() < INCIDENTS || self.incidents.contains_key(&notice.incident) {
            return true;
        }
        let mildest = self
            .incidents
            .iter()
            .max_by_key(|(name, k)| (k.notice.severity, std::cmp::Reverse(k.notice.at), *name));
        let Some((name, known)) = mildest else {
            return false;
        };
        if (known.notice.severity, std::cmp::Reverse(known.notice.at))
            <= (notice.severity, std::cmp::Reverse(notice.at))
        {
            return false;
        }
        let name = name.clone();
        self.incidents.remove(&name);
        true
    }

    fn standing_of(&self, suspect: &Suspect) -> Standing {
        let host = planner::host_of(suspect);
        let standing = host.map(|host| self.facts.standing(host));
        let zone = standing.as_ref().and_then(|s| s.zone);
        Standing {
            zone: self.facts.context.zone_name(zone).to_owned(),
            criticality: standing
                .as_ref()
                .map_or(citywall_event::Criticality::Safety, |s| s.criticality),
            infrastructure: standing.is_some_and(|s| s.infrastructure.is_some() || s.own),
        }
    }

    /// The department that answers for a suspect.
    fn owner(&self, notice: &Notice) -> String {
        let host = notice.suspects.first().and_then(planner::host_of);
        let zone = host.and_then(|host| self.facts.standing(host).zone);
        let zone = zone.and_then(|zone| self.facts.context.zone(zone));
        zone.map_or_else(|| "security".to_owned(), |zone| zone.domain.clone())
    }

    /// What playbooks say.
    pub(super) fn hear_said(&mut self, said: Vec<Said>, shed: &mut u64) {
        for said in said {
            match said.say {
                Say::Wish(wish) => self.hear_wish(&said.incident, wish, shed),
                Say::Ask(_) | Say::Over { .. } => self.out.push(Effect::Said(said)),
            }
        }
    }

    /// A wish permits nothing: the planner makes measures of it, from the notice, and the gate judges
    /// them.
    fn hear_wish(&mut self, incident: &str, wish: Wish, shed: &mut u64) {
        let Some(known) = self.incidents.get(incident) else {
            return;
        };
        let severity = known.notice.severity;
        let open = self.open_keys();
        let mut drafts = match wish.suspect {
            Some(index) => planner::rung_against(
                wish.rung,
                &known.notice,
                index,
                &self.facts,
                &self.settings,
                &open,
            ),
            None if wish.rung <= Rung::Notify => vec![Draft::of(
                wish.rung,
                Phrase::as_written(incident),
                wish.reason.clone(),
            )],
            None => Vec::new(),
        };
        if drafts.is_empty() {
            let suspect = wish.suspect.and_then(|index| known.notice.suspects.get(index));
            let whom = suspect.map_or(incident, |suspect| suspect.name.as_str());
            let what = format!("{} on {whom}", wish.rung.name());
            let guards = vec!["shape: the incident gives no measure for this wish".to_owned()];
            self.note(Fact::Refused {
                incident: incident.to_owned(),
                what,
                by: wish.playbook.clone(),
                guards,
            });
        }
        for draft in &mut drafts {
            if !wish.reason.is_empty() {
                draft.reason.clone_from(&wish.reason);
            }
        }
        for draft in drafts {
            let terms = Terms {
                incident,
                severity,
                owner: format!("playbook {}", wish.playbook),
                time_to_live: wish.time_to_live,
            };
            self.propose(draft, &terms, shed);
        }
    }

    /// A person proposes. The measures follow from the words; the gate judges them as any others.
    pub(super) fn propose_by_hand(&mut self, by: &Account, proposal: Proposal) {
        let Some(person) = self.operator(by) else {
            return self.refuse(
                None,
                say!(
                    "refused-propose",
                    "{who} may not propose: the city file gives no such role",
                    who = &by.0
                ),
            );
        };
        let Some(measure) = measure_by_hand(&proposal, self.settings.packets_per_second) else {
            let text = say!(
                "refused-ends",
                "{rung} cannot be proposed so: deny-conduit and deny-command need a second end, the others have none",
                rung = proposal.rung.name()
            );
            return self.refuse(None, text);
        };
        let incident = proposal.incident.unwrap_or_else(|| BY_HAND.to_owned());
        let target = match measure.to() {
            Some(to) => say!(
                "target-pair",
                "{who} to {whom}",
                who = proposal.host.to_string(),
                whom = to.to_string()
            ),
            None => Phrase::as_written(proposal.host.to_string()),
        };
        let draft = Draft {
            rung: proposal.rung,
            target,
            reason: Phrase::as_written(proposal.reason),
            measures: vec![measure],
            grounds: Grounds {
                proved: false,
                contradicts: false,
                by_hand: Some(person.clone()),
            },
        };
        let terms = Terms {
            incident: &incident,
            severity: 1,
            owner: person,
            time_to_live: proposal.time_to_live,
        };
        let mut shed = 0;
        self.propose(draft, &terms, &mut shed);
        if shed > 0 {
            self.refuse(
                None,
                say!(
                    "refused-too-many",
                    "too many proposals are open: approve or reject some"
                ),
            );
        }
    }

    /// One draft becomes a proposal, or a refusal; what a signed act covers is carried out at once.
    fn propose(&mut self, draft: Draft, terms: &Terms<'_>, shed: &mut u64) {
        if let Some(known) = self.incidents.get_mut(terms.incident)
            && draft.grounds.by_hand.is_none()
            && !known.is_new(draft.rung, &draft.target, &draft.measures)
        {
            return;
        }
        if draft.measures.is_empty() {
            return self.tell_people(&draft, terms);
        }
        if self.is_open(&draft) {
            if draft.grounds.by_hand.is_some() {
                self.refuse(
                    None,
                    say!("refused-again", "this is proposed or in force already"),
                );
            }
            return;
        }
        let mut tracked = self.track(draft, terms);
        let verdict = self.judge(&tracked);
        tracked.needed = verdict.needed;
        if !verdict.never.is_empty() {
            let guards: Vec<Phrase> = verdict.never.iter().map(Guard::words).collect();
            let action = tracked.action();
            self.note(Fact::Refused {
                incident: terms.incident.to_owned(),
                what: format!("{} {}", action.rung.name(), action.target),
                by: action.owner.clone(),
                guards: texts(&guards),
            });
            self.tell_refused(&tracked, guards.clone());
            if tracked.grounds.by_hand.is_some() {
                self.refuse(Some(&tracked.action().id), sentences(guards));
            }
            return;
        }
        if !self.make_room(tracked.severity) {
            *shed += 1;
            return;
        }
        self.serial += 1;
        let serial = self.serial;
        self.note(Fact::Proposed {
            plan: tracked.plan.clone(),
            severity: tracked.severity,
            grounds: tracked.grounds.clone(),
            needed: tracked.needed,
            guards: texts(&verdict.words()),
        });
        self.tell(&tracked, "proposed", verdict.words());
        self.actions.insert(serial, tracked);
        self.try_unattended(serial);
    }

    fn track(&self, draft: Draft, terms: &Terms<'_>) -> Tracked {
        let id = format!("{}.{}", terms.incident, self.serial + 1);
        let plan = Plan {
            incident: terms.incident.to_owned(),
            revision: self.facts.revision,
            actions: vec![Action {
                id: ActionId(id),
                rung: draft.rung,
                target: draft.target.bounded(TEXT),
                reason: draft.reason.bounded(TEXT),
                owner: Phrase::as_written(terms.owner.as_str()).bounded(TEXT).to_string(),
                time_to_live: terms.time_to_live.unwrap_or(self.settings.time_to_live),
                measures: draft.measures,
            }],
        };
        let now = self.clock.now();
        let mut tracked = Tracked {
            hash: plan.hash(),
            plan,
            stage: Stage::Proposed,
            grounds: draft.grounds,
            severity: terms.severity,
            approvals: Vec::new(),
            needed: 1,
            until: now.saturating_add(self.settings.approval_lifetime),
            sent: now,
            began: self.clock.moment(),
            outcome: None,
            baseline: Vec::new(),
            watch: Vec::new(),
            waits_for_people: false,
        };
        tracked.watch = self.to_watch(&tracked);
        tracked
    }

    /// Something that only people are told.
    fn tell_people(&mut self, draft: &Draft, terms: &Terms<'_>) {
        self.out.push(Effect::Tell(citywall_event::Action {
            id: String::new(),
            incident: terms.incident.to_owned(),
            kind: draft.rung.name(),
            status: "told",
            target: draft.target.clone(),
            reason: draft.reason.clone(),
            owner: terms.owner.clone(),
            time_to_live: None,
            guards: Vec::new(),
        }));
    }

    /// The elements that open actions are about.
    fn open_keys(&self) -> Vec<crate::Key> {
        let measures = self.actions.values().flat_map(|a| &a.action().measures);
        measures.map(Measure::key).collect()
    }

    /// Is the same open already, by whatever incident?
    fn is_open(&self, draft: &Draft) -> bool {
        let keys = |measures: &[Measure]| measures.iter().map(Measure::key).collect::<Vec<_>>();
        let wanted = keys(&draft.measures);
        self.actions
            .values()
            .any(|a| keys(&a.action().measures) == wanted)
    }

    /// Room for one more proposal: the mildest, youngest gives way where it is milder.
    fn make_room(&mut self, severity: u8) -> bool {
        let open = |a: &&Tracked| a.stage == Stage::Proposed;
        if self.actions.values().filter(open).count() < self.settings.proposals.max(1) {
            return true;
        }
        let proposals = self.actions.iter().filter(|(_, a)| open(a));
        let mildest = proposals.max_by_key(|(serial, a)| (a.severity, **serial));
        let Some(serial) = mildest.filter(|(_, a)| a.severity > severity).map(|(s, _)| *s) else {
            return false;
        };
        self.end(serial, Outcome::Lapsed);
        true
    }
}

fn measure_by_hand(proposal: &Proposal, packets_per_second: u32) -> Option<Measure> {
    let host = match proposal.host {
        Host::Ip(ip) => Host::Ip(ip.to_canonical()),
        mac => mac,
    };
    match (proposal.rung, proposal.to) {
        (Rung::DenyConduit, Some(to)) => Some(Measure::DenyPair { from: host, to }),
        (Rung::DenyCommand, Some(to)) => Some(Measure::DenyCommand {
            from: host,
            to,
            verbs: planner::changing(),
        }),
        (Rung::LimitRate, None) => Some(Measure::LimitRate {
            host,
            packets_per_second,
        }),
        (Rung::Quarantine, None) => Some(Measure::Quarantine { host }),
        (Rung::Isolate, None) => Some(Measure::Isolate { host }),
        _ => None,
    }
}

//! The gate of a rehearsal: the live governor over a kernel in memory.
//!
//! Owns: that incidents reach the governor, that its orders are answered as a kernel would, and time.
//! A replay tells a past in a moment: its incidents are heard when it is over, as if they happened
//! now, so that a person has the same time to decide as when they are real. Nothing is touched.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use citywall_event::{Nanos, Phrase, say, sentences};
use citywall_policy::City;
use citywall_response::playbook::{Playbooks, Runs};
use citywall_response::rehearsal::Line;
use citywall_response::{
    Account, ActionId, Effect, Entry, Facts, Governor, Input, Moment, Notice, PlanHash, Settings, Stage,
    View, whole_seconds,
};

use crate::gate::{ActionView, Ask, Gate, GateError, GateKind};

/// Incidents that wait for the end of a replay.
const WAITING: usize = 512;
/// Entries of the journal that are kept.
const JOURNAL: usize = 10_000;
/// Answers to one input: each may lead to more, but not without end.
const ANSWERS: usize = 4_096;
/// Times of its own that the governor is given at once.
const TICKS: usize = 1_000;

/// The account by which the console names a person to the gate.
pub fn account(person: &str) -> Account {
    Account(format!("console:{person}"))
}

/// A city's facts, in which people are known by the console's accounts.
fn facts(city: &City, revision: u64) -> Facts {
    let mut facts = Facts::of(city, revision, Vec::new(), Vec::new());
    for person in &mut facts.people {
        person.accounts.push(account(&person.name));
    }
    facts
}

/// The governor and its simulated kernel.
pub struct Rehearsed {
    governor: Governor,
    waiting: BTreeMap<String, Notice>,
    /// Notices are heard at once; else at the end of the replay.
    live: bool,
    journal: VecDeque<Entry>,
    /// Of the city file.
    revision: u64,
    started: Instant,
    begin: Nanos,
    heard: Nanos,
}

impl Rehearsed {
    /// A gate for this city. `live`: incidents happen as they are told.
    pub fn new(city: Option<&City>, live: bool) -> Rehearsed {
        let (facts, settings, playbooks) = match city {
            Some(city) => {
                let facts = facts(city, 1);
                (facts, Settings::of(city), Playbooks::default().and_built_in())
            }
            None => (Facts::default(), Settings::default(), Playbooks::default()),
        };
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Rehearsed {
            governor: Governor::new(facts, settings).with_playbooks(Runs::new(playbooks)),
            waiting: BTreeMap::new(),
            live,
            journal: VecDeque::new(),
            revision: 1,
            started: Instant::now(),
            begin: nanos(since.unwrap_or_default()),
            heard: 0,
        }
    }

    fn now(&self) -> Moment {
        let at = self
            .begin
            .saturating_add(nanos(self.started.elapsed()))
            .max(self.heard);
        Moment { wall: at, steady: at }
    }

    /// What is due by now, then the input. What was refused is the answer.
    fn hear(&mut self, input: Input) -> Vec<Phrase> {
        let now = self.now();
        for _ in 0..TICKS {
            if self.governor.due().is_none_or(|due| due > now.steady) {
                break;
            }
            self.hear_at(now, Input::Tick);
        }
        self.hear_at(now, input)
    }

    fn hear_at(&mut self, now: Moment, input: Input) -> Vec<Phrase> {
        self.heard = now.steady;
        let mut refused = Vec::new();
        let mut inputs = VecDeque::from([input]);
        for _ in 0..ANSWERS {
            let Some(input) = inputs.pop_front() else { break };
            for effect in self.governor.hear(now, input) {
                match effect {
                    Effect::Journal(entry) => {
                        if self.journal.len() >= JOURNAL {
                            self.journal.pop_front();
                        }
                        self.journal.push_back(entry);
                    }
                    Effect::Apply(approved) => {
                        inputs.extend(approved.get().actions.iter().map(|action| Input::Applied {
                            action: action.id.clone(),
                            result: Ok(()),
                        }));
                    }
                    Effect::Remove { action, .. } => inputs.push_back(Input::Removed {
                        action,
                        result: Ok(()),
                    }),
                    Effect::Refused(refusal) => refused.push(refusal.reason),
                    Effect::Tell(_) | Effect::Said(_) | Effect::Watch { .. } => {}
                }
            }
        }
        refused
    }
}

impl Gate for Rehearsed {
    fn kind(&self) -> GateKind {
        GateKind::Rehearsal
    }

    fn actions(&mut self, _person: &str) -> Result<Vec<ActionView>, GateError> {
        self.hear(Input::Tick);
        Ok(self.governor.actions().iter().map(shown).collect())
    }

    fn ask(&mut self, person: &str, ask: &Ask, _reason: &str) -> Result<String, GateError> {
        let by = account(person);
        let action = ActionId(ask.action().to_owned());
        let input = match ask {
            Ask::Approve { hash, .. } => {
                let hash = PlanHash::parse(hash);
                let wrong = || GateError::refused(&say!("refused-hash", "the plan's hash is not one"));
                let hash = hash.ok_or_else(wrong)?;
                let action = action.clone();
                Input::Approve { by, action, hash }
            }
            Ask::Reject { .. } => {
                let action = action.clone();
                Input::Reject { by, action }
            }
            Ask::Undo { .. } => {
                let action = action.clone();
                Input::Undo { by, action }
            }
        };
        let refused = self.hear(input);
        let view = self
            .governor
            .actions()
            .into_iter()
            .find(|v| v.action.id == action);
        let approved = matches!(ask, Ask::Approve { .. });
        let waits = view
            .as_ref()
            .filter(|v| approved && v.stage == Stage::Proposed && v.approvals.iter().any(|a| a == person));
        match (waits, refused.is_empty()) {
            (Some(view), _) if view.approvals.len() < view.needed as usize => Ok(format!(
                "approved by {}; {} of {} people",
                view.approvals.join(", "),
                view.approvals.len(),
                view.needed
            )),
            (_, false) => Err(GateError::refused(&sentences(refused))),
            (Some(view), true) => Err(GateError::refused(&sentences(view.guards.iter().cloned()))),
            (None, true) => Ok(view.map_or_else(String::new, |v| v.stage.name().to_owned())),
        }
    }

    fn journal(&mut self, _person: &str, last: usize) -> Result<Vec<serde_json::Value>, GateError> {
        let skip = self.journal.len().saturating_sub(last);
        let texts = self.journal.iter().skip(skip).map(Entry::to_json);
        Ok(texts
            .filter_map(|text| serde_json::from_str(&text).ok())
            .collect())
    }

    fn line(&mut self, line: &[u8]) {
        let Ok(Some(Line::Incident(_, notice))) = Line::parse(line) else {
            return;
        };
        if self.live {
            self.hear(Input::Notices(vec![*notice]));
        } else if notice.change != "closed"
            && (self.waiting.len() < WAITING || self.waiting.contains_key(&notice.incident))
        {
            self.waiting.insert(notice.incident.clone(), *notice);
        }
    }

    fn city(&mut self, city: Option<&City>) {
        self.revision += 1;
        let facts = city.map_or_else(Facts::default, |city| facts(city, self.revision));
        self.hear(Input::City(Box::new(facts)));
    }

    fn replayed(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.live = true;
        self.hear(Input::Notices(waiting.into_values().collect()));
    }
}

fn nanos(span: Duration) -> Nanos {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

fn shown(view: &View) -> ActionView {
    let action = &view.action;
    ActionView {
        id: action.id.0.clone(),
        incident: view.incident.clone(),
        rung: action.rung.name().to_owned(),
        target: action.target.to_string(),
        reason: action.reason.to_string(),
        owner: action.owner.clone(),
        stage: view.stage.name().to_owned(),
        hash: view.hash.to_string(),
        approvals: view.approvals.clone(),
        needed: view.needed,
        guards: view.guards.iter().map(ToString::to_string).collect(),
        time_to_live_s: whole_seconds(action.time_to_live),
        remaining_s: whole_seconds(view.remaining),
        measures: action.measures.iter().map(ToString::to_string).collect(),
        outcome: view.outcome.as_ref().map(ToString::to_string),
        messages: serde_json::from_str(&view.messages_json()).unwrap_or_default(),
    }
}

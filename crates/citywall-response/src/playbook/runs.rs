//! Which playbook answers an incident, and the table of those that run.
//!
//! Owns: the choice, what is said once and not again, answers, and the bounds. Does not own: the
//! interpreter (`run`).
//!
//! For each kind of evidence that an incident shows, one playbook is chosen: of those that name the
//! kind, the one with the highest priority, a city's own before the built-in. It runs again when the
//! incident has grown (a new suspect, a new zone, a new change); what it said before is not said
//! twice, and what a person answered once is not asked again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use citywall_event::{Nanos, Phrase};

use super::error::limits;
use super::model::{Playbook, Target};
use super::read::INCIDENTS;
use super::run::{Out, Run, World};
use super::seam::{Answer, Question, Said, Say, Standing, Wish};
use super::variable::Fact;
use crate::{Notice, Rung, Suspect};

/// The playbooks that may be chosen.
#[derive(Clone, Debug, Default)]
pub struct Playbooks {
    /// In the order in which they are preferred at equal priority.
    all: Vec<Arc<Playbook>>,
}

impl Playbooks {
    /// These, before whatever is added later.
    pub fn new(playbooks: impl IntoIterator<Item = Playbook>) -> Playbooks {
        Playbooks {
            all: playbooks.into_iter().map(Arc::new).collect(),
        }
    }

    /// A city's own, and behind them the built-in ones.
    #[must_use]
    pub fn and_built_in(mut self) -> Playbooks {
        for playbook in super::built_in::parsed() {
            let known = |p: &Arc<Playbook>| p.id == playbook.id;
            // A city's version of a built-in playbook stands in its place.
            if !self.all.iter().any(known) {
                self.all.push(Arc::new(playbook));
            }
        }
        self
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Playbook> {
        self.all.iter().map(Arc::as_ref)
    }

    /// The playbook for a kind of evidence.
    fn for_kind(&self, kind: &str, at: Nanos) -> Option<&Arc<Playbook>> {
        let fits = |p: &&Arc<Playbook>| p.is_valid_at(at) && p.incidents.iter().any(|k| k == kind);
        self.all.iter().filter(fits).min_by_key(|p| p.priority)
    }

    /// For each kind that a notice shows, the worst first, no playbook twice.
    fn choose(&self, notice: &Notice) -> Vec<Arc<Playbook>> {
        let mut chosen: Vec<Arc<Playbook>> = Vec::new();
        for kind in INCIDENTS
            .iter()
            .rev()
            .filter(|k| notice.kinds.iter().any(|n| n == *k))
        {
            if let Some(playbook) = self.for_kind(kind, notice.at)
                && !chosen.iter().any(|c| c.id == playbook.id)
            {
                chosen.push(Arc::clone(playbook));
            }
        }
        chosen
    }
}

/// The running playbooks.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    playbooks: Playbooks,
    incidents: BTreeMap<String, Response>,
}

/// What runs for one incident.
#[derive(Clone, Debug, Default)]
struct Response {
    heard: Nanos,
    facts: BTreeMap<&'static str, Fact>,
    suspects: Vec<Heard>,
    runs: Vec<Run>,
    /// By playbook: what the incident was when it was started last.
    started: BTreeMap<String, String>,
    wished: BTreeSet<(Rung, String, usize)>,
    /// Questions that wait, by playbook and step.
    open: BTreeSet<(String, usize)>,
    answers: BTreeMap<(String, usize), bool>,
}

/// A suspect of the last notice.
#[derive(Clone, Debug)]
struct Heard {
    identity: String,
    crossings: usize,
    changes: usize,
}

impl Runs {
    /// Nothing runs; these may be chosen.
    pub fn new(playbooks: Playbooks) -> Runs {
        Runs {
            playbooks,
            incidents: BTreeMap::new(),
        }
    }

    /// The playbooks that may be chosen.
    pub fn playbooks(&self) -> &Playbooks {
        &self.playbooks
    }

    /// An incident opened, grew or closed. `standings` are in the order of `notice.suspects`; `now`
    /// is a time that runs evenly, for delays and time-outs.
    /// `None`: no playbook speaks of such an incident, and the default planner is to be asked.
    pub fn hear(&mut self, now: Nanos, notice: &Notice, standings: &[Standing]) -> Option<Vec<Said>> {
        if notice.change == "closed" {
            let response = self.incidents.remove(&notice.incident)?;
            return Some(response.close(&notice.incident));
        }
        let chosen = self.playbooks.choose(notice);
        if chosen.is_empty() && !self.incidents.contains_key(&notice.incident) {
            return None;
        }
        let mut said = Vec::new();
        self.make_room(&notice.incident, &mut said);
        let response = self.incidents.entry(notice.incident.clone()).or_default();
        response.learn(now, notice, standings);
        for playbook in chosen {
            response.start(playbook, &notice.incident, &mut said);
        }
        response.advance(now, &notice.incident, &mut said);
        Some(said)
    }

    /// Where there are too many incidents, the one that was heard of longest ago goes.
    fn make_room(&mut self, incident: &str, said: &mut Vec<Said>) {
        if self.incidents.contains_key(incident) || self.incidents.len() < limits::INCIDENTS {
            return;
        }
        let oldest = self
            .incidents
            .iter()
            .min_by_key(|(number, r)| (r.heard, number.as_str()));
        let Some(number) = oldest.map(|(number, _)| number.clone()) else {
            return;
        };
        if let Some(response) = self.incidents.remove(&number) {
            said.extend(response.close(&number));
        }
    }

    /// A person has answered. An answer to what nobody asked says nothing.
    pub fn answer(&mut self, now: Nanos, answer: &Answer) -> Vec<Said> {
        let mut said = Vec::new();
        if let Some(response) = self.incidents.get_mut(&answer.incident) {
            response.answer(answer);
            response.advance(now, &answer.incident, &mut said);
        }
        said
    }

    /// Delays and time-outs that are due.
    pub fn tick(&mut self, now: Nanos) -> Vec<Said> {
        let mut said = Vec::new();
        for (number, response) in &mut self.incidents {
            if response.due().is_some_and(|due| due <= now) {
                response.advance(now, number, &mut said);
            }
        }
        said
    }

    /// When `tick` is next worth calling.
    pub fn due(&self) -> Option<Nanos> {
        self.incidents.values().filter_map(Response::due).min()
    }

    /// Questions that wait for a person.
    pub fn questions(&self) -> Vec<Said> {
        let mut all = Vec::new();
        for (number, response) in &self.incidents {
            for run in &response.runs {
                for place in run.waits_at() {
                    all.extend(run.playbook.steps.get(place).map(|step| Said {
                        incident: number.clone(),
                        say: Say::Ask(Question {
                            playbook: run.playbook.name.clone(),
                            step: step.id.clone(),
                            text: step.question().to_owned(),
                            until: None,
                        }),
                    }));
                }
            }
        }
        all.dedup();
        all
    }
}

/// Whom suspects reached without leave: each zone and each address in it counts.
fn met(notice: &Notice) -> impl Iterator<Item = usize> {
    let each = |c: &crate::Crossing| std::iter::repeat_n(c.suspect, 1 + c.targets.len());
    notice.crossings.iter().flat_map(each)
}

impl Response {
    fn learn(&mut self, now: Nanos, notice: &Notice, standings: &[Standing]) {
        self.heard = now;
        self.facts = facts(notice, standings);
        let count =
            |suspect: usize, of: &mut dyn Iterator<Item = usize>| of.filter(|s| *s == suspect).count();
        let suspects = notice.suspects.iter().take(limits::SUSPECTS).enumerate();
        self.suspects = suspects
            .map(|(place, suspect)| Heard {
                identity: identity(suspect),
                crossings: count(place, &mut met(notice)),
                changes: count(place, &mut notice.changes.iter().map(|c| c.suspect)),
            })
            .collect();
    }

    /// What makes an incident another one to a playbook.
    fn state(&self) -> String {
        let mut all: Vec<String> = self
            .suspects
            .iter()
            .map(|s| format!("{} {} {}", s.identity, s.crossings, s.changes))
            .collect();
        // The source is a fact of its own: `__suspect__`.
        let first = all.first().cloned().unwrap_or_default();
        all.sort_unstable();
        format!("{first}\n{}", all.join("\n"))
    }

    fn start(&mut self, playbook: Arc<Playbook>, incident: &str, said: &mut Vec<Said>) {
        let state = self.state();
        if self.started.get(&playbook.id) == Some(&state) {
            return;
        }
        self.started.insert(playbook.id.clone(), state);
        if self.runs.len() >= limits::RUNS {
            let oldest = self.runs.remove(0);
            said.push(over(
                incident,
                &oldest,
                (false, "newer runs need its room".to_owned()),
            ));
        }
        self.runs.push(Run::new(playbook));
    }

    fn due(&self) -> Option<Nanos> {
        self.runs.iter().filter_map(Run::due).min()
    }

    fn answer(&mut self, answer: &Answer) {
        for run in &self.runs {
            let Some(place) = run.playbook.steps.iter().position(|s| s.id == answer.step) else {
                continue;
            };
            let key = (run.playbook.id.clone(), place);
            if self.open.remove(&key) {
                self.answers.insert(key, answer.done);
            }
        }
    }

    fn advance(&mut self, now: Nanos, incident: &str, said: &mut Vec<Said>) {
        let mut runs = std::mem::take(&mut self.runs);
        for run in &mut runs {
            self.advance_one(run, now, incident, said);
        }
        runs.retain(|run| run.over.is_none());
        // The older one keeps its time-outs.
        for run in runs {
            if !self.runs.iter().any(|older| older.stands_like(&run)) {
                self.runs.push(run);
            }
        }
        // A question that timed out is nobody's any more.
        let waiting: BTreeSet<(String, usize)> = self
            .runs
            .iter()
            .flat_map(|run| run.waits_at().map(|place| (run.playbook.id.clone(), place)))
            .collect();
        self.open.retain(|question| waiting.contains(question));
    }

    fn advance_one(&mut self, run: &mut Run, now: Nanos, incident: &str, said: &mut Vec<Said>) {
        let facts = &self.facts;
        let variables = &run.playbook.clone().variables;
        let fact = |name: &str| match variables.iter().find(|v| v.name == name) {
            Some(variable) if !variable.external => variable.value.clone(),
            _ => facts.get(name).cloned().unwrap_or(Fact::Unknown),
        };
        let mut outs = Vec::new();
        // An answer leads on, which may lead to a question that was answered in another run.
        for _ in 0..=limits::STEPS {
            let answers: BTreeMap<usize, bool> = self
                .answers
                .iter()
                .filter(|((id, place), _)| *id == run.playbook.id && !run.was_answered(*place))
                .map(|((_, place), done)| (*place, *done))
                .collect();
            let world = World {
                fact: &fact,
                answers: &answers,
            };
            let before = outs.len();
            run.advance(now, &world, &mut outs);
            let waits: Vec<usize> = run.waits_at().collect();
            if run.over.is_some() || outs.len() == before || !waits.iter().any(|p| answers.contains_key(p)) {
                break;
            }
        }
        for out in outs {
            self.say(run, out, incident, said);
        }
        if let Some(end) = &run.over
            && (run.spoke || !end.0)
        {
            said.push(over(incident, run, end.clone()));
        }
    }

    fn say(&mut self, run: &mut Run, out: Out, incident: &str, said: &mut Vec<Said>) {
        let say = |say| Said {
            incident: incident.to_owned(),
            say,
        };
        match out {
            Out::Want {
                step,
                rung,
                target,
                time_to_live,
                reason,
            } => {
                for suspect in self.targets(rung, target) {
                    run.spoke = true;
                    said.push(say(Say::Wish(Wish {
                        playbook: run.playbook.name.clone(),
                        step: step_id(run, step),
                        rung,
                        suspect,
                        time_to_live,
                        reason: words(&reason),
                    })));
                }
            }
            Out::Ask { step, text, until } => {
                let key = (run.playbook.id.clone(), step);
                let answered = self.answers.contains_key(&key) && !run.was_answered(step);
                let still_waits = run.waits_at().any(|place| place == step);
                if answered || !still_waits || self.open.len() >= limits::SAID || !self.open.insert(key) {
                    return;
                }
                run.spoke = true;
                said.push(say(Say::Ask(Question {
                    playbook: run.playbook.name.clone(),
                    step: step_id(run, step),
                    text,
                    until,
                })));
            }
        }
    }

    /// The suspects of a wish that were not wished for before, as indices; nobody where a rung has
    /// nothing to deny.
    fn targets(&mut self, rung: Rung, target: Target) -> Vec<Option<usize>> {
        let places: Vec<Option<usize>> = match target {
            Target::Incident => vec![None],
            Target::Suspect => self.suspects.first().map(|_| Some(0)).into_iter().collect(),
            Target::Suspects => (0..self.suspects.len()).map(Some).collect(),
        };
        let mut fresh = Vec::new();
        for place in places {
            let heard = place.and_then(|place| self.suspects.get(place));
            let weight = match (rung, heard) {
                (Rung::DenyConduit, Some(heard)) => heard.crossings,
                (Rung::DenyCommand, Some(heard)) => heard.changes,
                _ => 1,
            };
            let identity = heard.map_or("", |h| h.identity.as_str());
            let key = (rung, identity.to_owned(), weight);
            if weight > 0 && self.wished.len() < limits::SAID && self.wished.insert(key) {
                fresh.push(place);
            }
        }
        fresh
    }

    fn close(self, incident: &str) -> Vec<Said> {
        let why = (false, "its incident is closed".to_owned());
        self.runs
            .iter()
            .map(|run| over(incident, run, why.clone()))
            .collect()
    }
}

fn step_id(run: &Run, step: usize) -> String {
    run.playbook
        .steps
        .get(step)
        .map_or(String::new(), |s| s.id.clone())
}

/// A playbook's words, by an id made of them: language files know those of the built-in playbooks.
fn words(text: &str) -> Phrase {
    if text.is_empty() {
        return Phrase::default();
    }
    let mut id = "playbook".to_owned();
    for word in text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|w| !w.is_empty())
    {
        id.push('-');
        id.push_str(&word.to_ascii_lowercase());
    }
    Phrase::of_file(id, text)
}

fn over(incident: &str, run: &Run, (completed, reason): (bool, String)) -> Said {
    Said {
        incident: incident.to_owned(),
        say: Say::Over {
            playbook: run.playbook.name.clone(),
            completed,
            reason,
        },
    }
}

fn identity(suspect: &Suspect) -> String {
    match (suspect.address, suspect.mac) {
        (Some(address), _) => address.to_string(),
        (None, Some(mac)) => crate::Host::Mac(mac).to_string(),
        (None, None) => suspect.name.clone(),
    }
}

/// What an incident says to conditions; see `variable::GIVEN`.
fn facts(notice: &Notice, standings: &[Standing]) -> BTreeMap<&'static str, Fact> {
    let count = |n: usize| Fact::Int(i64::try_from(n).unwrap_or(i64::MAX));
    let texts = |texts: &mut dyn Iterator<Item = &str>| {
        let mut list: Vec<String> = Vec::new();
        for text in texts.take(limits::SAID) {
            if !list.iter().any(|t| t == text) {
                list.push(text.to_owned());
            }
        }
        Fact::List(list)
    };
    let source = notice.suspects.first();
    let of = |read: &dyn Fn(&Suspect) -> Fact| source.map_or(Fact::Unknown, read);
    let standing = standings.first().filter(|_| source.is_some());
    let stands = |read: &dyn Fn(&Standing) -> Fact| standing.map_or(Fact::Unknown, read);
    BTreeMap::from([
        ("__incident__", Fact::Text(notice.incident.clone())),
        ("__title__", Fact::Text(notice.title.clone())),
        ("__severity__", Fact::Int(i64::from(notice.severity))),
        ("__kinds__", texts(&mut notice.kinds.iter().map(String::as_str))),
        ("__suspect__", of(&|s| Fact::Text(s.name.clone()))),
        (
            "__suspects__",
            texts(&mut notice.suspects.iter().map(|s| s.name.as_str())),
        ),
        ("__suspect_count__", count(notice.suspects.len())),
        ("__suspect_taken__", of(&|s| Fact::Bool(s.taken))),
        ("__suspect_proved__", of(&|s| Fact::Bool(s.proved))),
        ("__suspect_zone__", stands(&|s| Fact::Text(s.zone.clone()))),
        (
            "__suspect_criticality__",
            stands(&|s| Fact::Text(s.criticality.name().to_owned())),
        ),
        (
            "__suspect_infrastructure__",
            stands(&|s| Fact::Bool(s.infrastructure)),
        ),
        ("__change_count__", count(notice.changes.len())),
        (
            "__zones_reached__",
            texts(&mut notice.crossings.iter().map(|c| c.zone.as_str())),
        ),
    ])
}

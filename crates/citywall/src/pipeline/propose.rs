//! What would be done about incidents: the governor, in a run that does nothing by itself.
//!
//! Owns: that the governor hears every incident at its time, and what of its words goes into the
//! log. Planner, playbooks and gate are those of the enforcer and of a rehearsal
//! (`citywall-response`); only incidents reach them, so other events cost nothing here.

use citywall_event::{Action, IncidentReport, Nanos, Subject};
use citywall_response::playbook::{Playbooks, Runs};
use citywall_response::rehearsal::Paced;
use citywall_response::{Effect, Facts, Governor, Input, Notice, Settings as Governing};

use crate::settings::Settings;

/// The log's times are whole microseconds; a rehearsal from the log must hear the same.
const GRAIN: Nanos = 1_000;

/// What is told: when, about whom, and what.
pub type Told = (Nanos, Subject, Action);

/// The governor, and what it told.
pub struct Proposer {
    paced: Paced,
    revision: u64,
}

impl Proposer {
    /// Without a city nobody knows who may do what: then people are only told.
    pub fn new(settings: &Settings) -> Proposer {
        let (facts, governing, playbooks) = match &settings.city {
            Some(city) => (
                Facts::of(city, 1, Vec::new(), Vec::new()),
                Governing::of(city),
                Playbooks::default().and_built_in(),
            ),
            None => (Facts::default(), Governing::default(), Playbooks::default()),
        };
        let governor = Governor::new(facts, governing).with_playbooks(Runs::new(playbooks));
        Proposer {
            paced: Paced::new(governor),
            revision: 1,
        }
    }

    /// Takes a new city: what is proposed is judged by it from now on.
    pub fn reload(&mut self, settings: &Settings) -> Vec<Told> {
        self.revision += 1;
        let facts = match &settings.city {
            Some(city) => Facts::of(city, self.revision, Vec::new(), Vec::new()),
            None => Facts::default(),
        };
        self.hear(Input::City(Box::new(facts)))
    }

    /// An incident opened, grew or closed.
    pub fn incident(&mut self, at: Nanos, report: &IncidentReport) -> Vec<Told> {
        let mut told = self.pass(at);
        let mut notice = Notice::from(report);
        notice.at -= notice.at.rem_euclid(GRAIN);
        told.extend(self.hear(Input::Notices(vec![notice])));
        told
    }

    /// True where time alone leads to something by then: a playbook that waits, a proposal that lapses.
    pub fn is_due(&self, by: Nanos) -> bool {
        self.paced.is_due(by)
    }

    /// Time has passed.
    pub fn pass(&mut self, to: Nanos) -> Vec<Told> {
        let mut actions = Vec::new();
        self.paced.reach(to - to.rem_euclid(GRAIN), &mut |at, effect, _| {
            actions.extend(tellable(at, effect));
        });
        self.told(actions)
    }

    fn hear(&mut self, input: Input) -> Vec<Told> {
        let mut actions = Vec::new();
        self.paced
            .hear(input, &mut |at, effect, _| actions.extend(tellable(at, effect)));
        self.told(actions)
    }

    /// Each is about the suspected source, as its incident is.
    fn told(&self, actions: Vec<(Nanos, Action)>) -> Vec<Told> {
        let governor = self.paced.governor();
        let with_source = |(at, action): (Nanos, Action)| {
            let suspect = governor.notice(&action.incident).and_then(|n| n.suspects.first());
            let (src_ip, src_mac) = suspect.map_or((None, None), |s| (s.address, s.mac));
            let place = governor.facts().context.locate(src_ip, src_mac);
            let subject = Subject {
                src_ip,
                src_mac,
                src_zone: place.zone,
                ..Subject::default()
            };
            (at, subject, action)
        };
        actions.into_iter().map(with_source).collect()
    }
}

/// Nobody approves here, so that a proposal lapsed is no news.
fn tellable(at: Nanos, effect: Effect) -> Option<(Nanos, Action)> {
    match effect {
        Effect::Tell(action) if action.status != "lapsed" => Some((at, action)),
        _ => None,
    }
}

//! The governor: from what happens to what is done, and back.
//!
//! Owns: the state machine and its order of work. Pure: no clock, no file, no process; the same
//! inputs give the same effects, live, in a replay and in a rehearsal. Does not own: whether
//! something may be done (`gate`), and doing it.
//!
//! An action goes `proposed -> applying -> active -> undoing -> ended`. Before the kernel changes
//! the journal says `intent`, before it changes back `undoing`; so whatever a crash cuts off can be
//! told from the journal and from what the kernel holds (`restore`).

mod execute;
mod health;
mod people;
mod propose;
mod restore;
mod state;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use citywall_event::{Nanos, Phrase};

use crate::effect::Outcome;
use crate::facts::Device;
use crate::gate::{self, Case, InForce, Ledger};
use crate::playbook::Runs;
use crate::{
    Action, ActionId, Effect, Entry, Fact, Facts, Held, Input, Key, Measure, Moment, PlanHash, Refusal, Rung,
    Settings, VerifiedAct, Vital,
};
use state::{Clock, Known, Tracked};

/// Actions that are over and still shown.
const ENDED: usize = 256;
/// Acts that hold at a time.
const ACTS: usize = 16;
/// Devices whose vitals are kept.
const VITALS: usize = 4_096;
/// Incidents whose last notice is kept.
const INCIDENTS: usize = 512;
/// Rolled back actions that are remembered.
const REGRETS: usize = 1_024;

/// Where an action stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Waits for approvals.
    Proposed,
    /// The hand was told; its answer is not here.
    Applying,
    /// In force.
    Active,
    /// The hand was told to take it away; its answer is not here.
    Undoing,
    /// Over.
    Ended,
}

/// An action for a list that people read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The action.
    pub action: Action,
    /// Its incident.
    pub incident: String,
    /// What an approval must be bound to.
    pub hash: PlanHash,
    /// Where it stands.
    pub stage: Stage,
    /// Who approved so far.
    pub approvals: Vec<String>,
    /// How many different people must.
    pub needed: u32,
    /// What the gate says now: the guards that hold it back.
    pub guards: Vec<Phrase>,
    /// What is left of it, nanoseconds: until it ends, or until it can no longer be approved.
    pub remaining: Nanos,
    /// What became of it, where it is over.
    pub outcome: Option<Outcome>,
}

/// The state machine.
#[derive(Clone, Debug)]
pub struct Governor {
    settings: Settings,
    facts: Facts,
    runs: Runs,
    clock: Clock,
    /// All that is not over, by serial number.
    actions: BTreeMap<u64, Tracked>,
    ended: VecDeque<Tracked>,
    incidents: BTreeMap<String, Known>,
    serial: u64,
    /// Acts, and when they end by the even time.
    acts: Vec<(VerifiedAct, Nanos)>,
    act_serial: u64,
    /// Devices touched unattended, and when.
    unattended: Vec<(Nanos, Device)>,
    /// Until when what is not to be tried again.
    regrets: Vec<(Nanos, Device, Rung)>,
    /// Elements in the kernel that are somebody else's.
    foreign: Vec<Key>,
    /// Elements with one of our ids that no action knows, and when their removal was ordered: they
    /// count as in force until the hand says that they are gone.
    orphans: Vec<(ActionId, Vec<Measure>, Nanos)>,
    vitals: BTreeMap<IpAddr, (Nanos, Vital)>,
    /// Whose vitals are wanted, and who is apart.
    watched: (Vec<IpAddr>, Vec<IpAddr>),
    out: Vec<Effect>,
}

impl Governor {
    /// Nothing has happened yet, and the default planner speaks of every incident.
    pub fn new(facts: Facts, settings: Settings) -> Governor {
        Governor {
            settings,
            facts,
            runs: Runs::default(),
            clock: Clock::default(),
            actions: BTreeMap::new(),
            ended: VecDeque::new(),
            incidents: BTreeMap::new(),
            serial: 0,
            acts: Vec::new(),
            act_serial: 0,
            unattended: Vec::new(),
            regrets: Vec::new(),
            foreign: Vec::new(),
            orphans: Vec::new(),
            vitals: BTreeMap::new(),
            watched: Default::default(),
            out: Vec::new(),
        }
    }

    /// With playbooks, which speak before the default planner.
    #[must_use]
    pub fn with_playbooks(mut self, runs: Runs) -> Governor {
        self.runs = runs;
        self
    }

    /// Goes on after a crash or a restart: from the journal, oldest first, and from what the kernel
    /// holds now. The effects bring the kernel to what the journal says: measures of actions that
    /// are over, or of which it is not known that they were in force, go; measures that live on keep
    /// what is left of their lives; what is not ours is left alone.
    pub fn restore(
        facts: Facts,
        settings: Settings,
        entries: &[Entry],
        held: &[Held],
        now: Moment,
    ) -> (Governor, Vec<Effect>) {
        let mut governor = Governor::new(facts, settings);
        governor.recall(entries);
        if now.wall < governor.clock.latest() {
            // Nobody knows how much of an act is left: it is to be signed again.
            governor.acts.clear();
        }
        governor.clock.advance(now);
        governor.note(Fact::Started {
            revision: governor.facts.revision,
        });
        governor.reconcile(held);
        governor.restate();
        governor.pass_time();
        governor.tell_watched();
        let effects = std::mem::take(&mut governor.out);
        (governor, effects)
    }

    /// Something happened. The effects are to be done in their order.
    pub fn hear(&mut self, now: Moment, input: Input) -> Vec<Effect> {
        self.clock.advance(now);
        self.pass_time();
        match input {
            Input::Notices(notices) => self.hear_notices(notices),
            Input::Vitals(vitals) => self.hear_vitals(vitals),
            Input::Propose { by, proposal } => self.propose_by_hand(&by, proposal),
            Input::Approve { by, action, hash } => self.approve(&by, &action, hash),
            Input::Reject { by, action } => self.reject(&by, &action),
            Input::Undo { by, action } => self.undo(&by, &action),
            Input::Answer { by, answer } => self.answer(&by, &answer),
            Input::Act(act) => self.take_act(act),
            Input::EndActs { by } => self.end_acts(&by),
            Input::City(facts) => self.take_city(*facts),
            Input::Applied { action, result } => self.applied(&action, result),
            Input::Removed { action, result } => self.removed(&action, result),
            Input::Tick => {}
        }
        self.retry_unattended();
        self.tell_watched();
        std::mem::take(&mut self.out)
    }

    /// What a hostile playbook could say.
    #[cfg(test)]
    pub(crate) fn hear_hostile(&mut self, now: Moment, said: Vec<crate::playbook::Said>) -> Vec<Effect> {
        self.clock.advance(now);
        self.pass_time();
        let mut shed = 0;
        self.hear_said(said, &mut shed);
        self.tell_watched();
        std::mem::take(&mut self.out)
    }

    /// The steady time at which `Input::Tick` is next worth sending, if any.
    pub fn due(&self) -> Option<Nanos> {
        let actions = self.actions.values().map(|a| match a.stage {
            Stage::Applying => a.until.min(a.sent.saturating_add(self.settings.hand_patience)),
            Stage::Undoing => a.sent.saturating_add(self.settings.hand_patience),
            _ => a.until,
        });
        let next = actions.chain(self.runs.due()).min()?;
        Some(self.clock.steady_of(next))
    }

    /// All actions that are not over, and the last that are.
    pub fn actions(&self) -> Vec<View> {
        let living = self.actions.values();
        living.chain(self.ended.iter()).map(|a| self.view(a)).collect()
    }

    /// Where the actions that are not over stand.
    pub fn stages(&self) -> impl Iterator<Item = (&ActionId, PlanHash, Stage)> {
        self.actions.values().map(|a| (&a.action().id, a.hash, a.stage))
    }

    /// What playbooks wait for people to do.
    pub fn questions(&self) -> Vec<crate::playbook::Said> {
        self.runs.questions()
    }

    /// The city as it is known now.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The last notice of an incident, where it is still known.
    pub fn notice(&self, incident: &str) -> Option<&crate::Notice> {
        self.incidents.get(incident).map(|known| &known.notice)
    }

    /// The acts that hold.
    pub fn acts(&self) -> impl Iterator<Item = &VerifiedAct> {
        self.acts.iter().map(|(act, _)| act)
    }

    fn view(&self, tracked: &Tracked) -> View {
        let guards = match tracked.stage {
            Stage::Proposed => self.judge(tracked).words(),
            _ => Vec::new(),
        };
        View {
            action: tracked.action().clone(),
            incident: tracked.plan.incident.clone(),
            hash: tracked.hash,
            stage: tracked.stage,
            approvals: tracked.approvals.clone(),
            needed: tracked.needed,
            guards,
            remaining: tracked.until.saturating_sub(self.clock.now()).max(0),
            outcome: tracked.outcome.clone(),
        }
    }

    fn note(&mut self, fact: Fact) {
        let at = self.clock.moment();
        self.out.push(Effect::Journal(Entry { at, fact }));
    }

    fn refuse(&mut self, action: Option<&ActionId>, reason: Phrase) {
        self.out.push(Effect::Refused(Refusal {
            action: action.cloned(),
            reason,
        }));
    }

    fn tell(&mut self, tracked: &Tracked, status: &'static str, guards: Vec<Phrase>) {
        let id = tracked.action().id.0.clone();
        self.out.push(Effect::Tell(event(tracked, id, status, guards)));
    }

    /// What was never an action has no name.
    fn tell_refused(&mut self, tracked: &Tracked, guards: Vec<Phrase>) {
        self.out
            .push(Effect::Tell(event(tracked, String::new(), "refused", guards)));
    }

    fn find(&self, id: &ActionId) -> Option<u64> {
        let serial = state::serial_of(id)?;
        let tracked = self.actions.get(&serial)?;
        (tracked.action().id == *id).then_some(serial)
    }

    fn judge(&self, tracked: &Tracked) -> gate::Verdict {
        self.ask(tracked, gate::judge)
    }

    fn ask<T>(&self, tracked: &Tracked, question: impl FnOnce(&Case<'_>) -> T) -> T {
        let ledger = self.ledger();
        question(&Case {
            plan: &tracked.plan,
            grounds: &tracked.grounds,
            facts: &self.facts,
            settings: &self.settings,
            ledger: &ledger,
            wall: self.clock.wall(),
        })
    }

    fn devices_of(&self, tracked: &Tracked) -> Vec<Device> {
        self.ask(tracked, |case| case.devices())
    }

    /// What is in force, or may be for all that is known.
    fn ledger(&self) -> Ledger {
        let holds = |a: &&Tracked| matches!(a.stage, Stage::Applying | Stage::Active | Stage::Undoing);
        let in_force = self.actions.values().filter(holds).filter_map(|a| {
            let host = a.action().measures.first()?.host();
            Some(InForce {
                action: a.action().id.0.clone(),
                device: self.facts.device(host),
                zone: self.facts.standing(host).zone,
                keys: a.action().measures.iter().map(Measure::key).collect(),
            })
        });
        let orphans = self.orphans.iter().flat_map(|(id, measures, _)| {
            measures.iter().map(|measure| InForce {
                action: id.0.clone(),
                device: self.facts.device(measure.host()),
                zone: self.facts.standing(measure.host()).zone,
                keys: vec![measure.key()],
            })
        });
        Ledger {
            in_force: in_force.chain(orphans).collect(),
            unattended: self.unattended.iter().map(|(_, device)| *device).collect(),
            foreign: self.foreign.clone(),
            regrets: self.regrets.iter().map(|(_, d, r)| (*d, *r)).collect(),
        }
    }
}

/// In English, for the journal and for who asked.
fn texts(words: &[Phrase]) -> Vec<String> {
    words.iter().map(Phrase::to_string).collect()
}

/// How the log tells of an action.
fn event(tracked: &Tracked, id: String, status: &'static str, guards: Vec<Phrase>) -> citywall_event::Action {
    let action = tracked.action();
    citywall_event::Action {
        id,
        incident: tracked.plan.incident.clone(),
        kind: action.rung.name(),
        status,
        target: action.target.clone(),
        reason: action.reason.clone(),
        owner: action.owner.clone(),
        time_to_live: Some(action.time_to_live),
        guards,
    }
}

//! The safety gate: the only maker of [`Approved`].
//!
//! Owns: which guards hold for a plan, how many people it takes, and what may never be. It is
//! asked when something is proposed, and again at the moment of doing. Does not own: what is
//! planned, who asks, and doing. `docs/spec/response.md` gives the reason for each guard.

mod guard;
mod shape;

use citywall_event::{Criticality, Nanos, Phrase, say};

use crate::bug::{Bug, planted};
use crate::facts::Device;
use crate::{Facts, Grounds, Host, HostStanding, Key, Measure, Mode, Plan, Rung, Settings};

pub(crate) use guard::Guard;
use guard::Weight;
pub(crate) use shape::MEASURES;

/// Proof that the gate let it pass. There is no other way to make one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Approved<T>(T);

impl<T> Approved<T> {
    /// What was approved.
    pub fn get(&self) -> &T {
        &self.0
    }
}

/// What is in force, or may be, of one action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InForce {
    pub(crate) action: String,
    pub(crate) device: Device,
    pub(crate) zone: Option<u16>,
    pub(crate) keys: Vec<Key>,
}

/// What has been done, as far as it limits what may be done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) in_force: Vec<InForce>,
    /// Devices touched without a person, within the span that counts.
    pub(crate) unattended: Vec<Device>,
    /// Elements of the kernel that are not ours.
    pub(crate) foreign: Vec<Key>,
    /// What was rolled back and is not to be tried again by itself.
    pub(crate) regrets: Vec<(Device, Rung)>,
}

/// How a plan comes to the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker<'a> {
    /// Nobody: a signed act covers it, or none does.
    Act(bool),
    /// These people approved, by name and each once.
    People(&'a [String]),
}

/// A question to the gate.
pub(crate) struct Case<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) grounds: &'a Grounds,
    pub(crate) facts: &'a Facts,
    pub(crate) settings: &'a Settings,
    pub(crate) ledger: &'a Ledger,
    pub(crate) wall: Nanos,
}

/// What the gate says of a plan, whoever asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// It may never be, whoever approves.
    pub(crate) never: Vec<Guard>,
    /// Not without a person.
    pub(crate) attended: Vec<Guard>,
    /// Not now.
    pub(crate) wait: Vec<Guard>,
    /// How many different people it takes.
    pub(crate) needed: u32,
}

impl Verdict {
    fn add(&mut self, guard: Guard) {
        let guards = match guard.weight() {
            Weight::Never => &mut self.never,
            Weight::Attended => &mut self.attended,
            Weight::Wait => &mut self.wait,
        };
        if !guards.contains(&guard) {
            guards.push(guard);
        }
    }

    /// All guards in words, the gravest first.
    pub(crate) fn words(&self) -> Vec<Phrase> {
        let all = self.never.iter().chain(&self.attended).chain(&self.wait);
        all.map(Guard::words).collect()
    }
}

/// What the gate says of a plan.
pub(crate) fn judge(case: &Case<'_>) -> Verdict {
    let mut verdict = Verdict {
        needed: 1,
        ..Verdict::default()
    };
    for action in &case.plan.actions {
        if let Some(guard) = shape::judge(action, case.facts, case.settings) {
            verdict.add(guard);
        }
        for measure in &action.measures {
            judge_measure(case, action.rung, measure, &mut verdict);
        }
        judge_ledger(case, action.measures.as_slice(), &mut verdict);
    }
    if case.settings.mode == Mode::Observe {
        verdict.add(Guard::Observing);
    }
    let (limit, _) = case.settings.unattended();
    let new = |device: &Device| !case.ledger.unattended.contains(device);
    let touched = case.devices().into_iter().filter(new).count() + distinct(&case.ledger.unattended);
    if touched > limit as usize {
        verdict.add(Guard::UnattendedCap { limit });
    }
    verdict
}

/// Lets a plan pass, or says which guards do not.
pub(crate) fn approve(case: &Case<'_>, asker: Asker<'_>) -> Result<Approved<Plan>, Vec<Guard>> {
    let Verdict {
        mut never,
        attended,
        mut wait,
        needed,
    } = judge(case);
    never.append(&mut wait);
    match asker {
        Asker::Act(covered) => {
            if !covered {
                never.push(Guard::NoAct);
            }
            never.extend(attended);
        }
        Asker::People(people) => {
            let have = people.len() as u32;
            let proposer = case.grounds.by_hand.as_ref();
            let alone = people.iter().all(|p| Some(p) == proposer) && !planted(Bug::ProposerApproves);
            if have < needed || alone {
                never.push(Guard::People { have, needed });
            }
        }
    }
    match never.is_empty() {
        true => Ok(Approved(case.plan.clone())),
        false => Err(never),
    }
}

impl Case<'_> {
    /// The devices that it touches.
    pub(crate) fn devices(&self) -> Vec<Device> {
        let mut devices = Vec::new();
        for measure in self.plan.actions.iter().flat_map(|a| &a.measures) {
            let device = self.facts.device(measure.host());
            if !devices.contains(&device) {
                devices.push(device);
            }
        }
        devices
    }
}

fn distinct(devices: &[Device]) -> usize {
    let seen = |place: usize, device: &Device| devices[..place].contains(device);
    devices.iter().enumerate().filter(|(i, d)| !seen(*i, d)).count()
}

/// The guards about whom a measure touches and what it cuts.
fn judge_measure(case: &Case<'_>, rung: Rung, measure: &Measure, verdict: &mut Verdict) {
    let host = measure.host();
    let mut standing = case.facts.standing(host);
    if case.grounds.contradicts && standing.criticality < Criticality::Safety {
        standing.criticality = Criticality::Safety;
        standing.why = say!(
            "why-addresses-differ",
            "its address and its hardware address belong to different devices: what contradicts itself counts as safety"
        );
    }
    if standing.own {
        verdict.add(Guard::Own);
    }
    if let Some(role) = standing
        .infrastructure
        .clone()
        .filter(|_| !planted(Bug::InfrastructureForgotten))
    {
        verdict.add(Guard::Infrastructure { role });
    }
    let source = measure.is_against_source();
    let proved = case.grounds.proved || case.grounds.by_hand.is_some() || planted(Bug::ProofForgotten);
    if source && !proved {
        verdict.add(Guard::Unproved);
    }
    if matches!(host, Host::Mac(_)) && !planted(Bug::ByLinkForgotten) {
        verdict.add(Guard::ByLink);
    }
    judge_harm(case, rung, &standing, verdict);
    judge_work(case, measure, verdict);
    let window = case.facts.maintenance(standing.place(), case.wall);
    if let Some(window) = window.filter(|_| !planted(Bug::MaintenanceForgotten)) {
        let window = window.to_owned();
        verdict.add(Guard::Maintenance { window });
    }
    let device = case.facts.device(host);
    if case.ledger.regrets.contains(&(device, rung)) && !planted(Bug::RegretForgotten) {
        verdict.add(Guard::Regret);
    }
}

/// The guards about how bad it is when the host stops.
fn judge_harm(case: &Case<'_>, rung: Rung, standing: &HostStanding, verdict: &mut Verdict) {
    let cuts_off = rung >= Rung::Quarantine;
    let why = standing.why.clone();
    match standing.criticality {
        Criticality::Safety if cuts_off && !planted(Bug::SafetyIsolated) => {
            verdict.add(Guard::SafetyCutOff { why });
        }
        Criticality::Safety => {
            verdict.needed = if planted(Bug::OnePersonForSafety) { 1 } else { 2 };
            verdict.add(Guard::Safety { why });
        }
        Criticality::Essential if cuts_off => verdict.add(Guard::Essential { why }),
        _ => {}
    }
    if cuts_off {
        let host = case
            .plan
            .actions
            .iter()
            .flat_map(|a| &a.measures)
            .map(Measure::host);
        if host.into_iter().any(|host| case.facts.serves_safety(host)) {
            verdict.add(Guard::ServesSafety);
        }
    }
}

/// The guards about permitted work between two ends.
fn judge_work(case: &Case<'_>, measure: &Measure, verdict: &mut Verdict) {
    match *measure {
        Measure::DenyPair { from, to } => {
            let work = case.facts.work(from, to);
            if work.lifeline {
                verdict.add(Guard::Lifeline);
            } else if work.safety {
                verdict.add(Guard::CutsSafetyWork);
            } else if work.any {
                verdict.add(Guard::CutsWork);
            }
        }
        Measure::DenyCommand { from, to, verbs } => {
            let work = case.facts.commands(from, to, verbs);
            if work.any {
                verdict.add(Guard::CutsCommands);
            }
            if work.safety && !planted(Bug::OnePersonForSafety) {
                verdict.needed = 2;
            }
        }
        _ => {}
    }
}

/// The guards about how much is in force already.
fn judge_ledger(case: &Case<'_>, measures: &[Measure], verdict: &mut Verdict) {
    let in_force = &case.ledger.in_force;
    for key in measures.iter().map(Measure::key) {
        let other = in_force.iter().find(|other| other.keys.contains(&key));
        if let Some(other) = other.filter(|_| !planted(Bug::InForceForgotten)) {
            let action = other.action.clone();
            verdict.add(Guard::InForce { action });
        }
        if case.ledger.foreign.contains(&key) {
            verdict.add(Guard::Foreign);
        }
    }
    let cap = case.settings.city_cap;
    if in_force.len() as u32 >= cap && !planted(Bug::CityCapForgotten) {
        verdict.add(Guard::CityCap { limit: cap });
    }
    for measure in measures {
        let standing = case.facts.standing(measure.host());
        let device = case.facts.device(measure.host());
        let Some(limit) = case.facts.zone_cap(standing.zone) else {
            continue;
        };
        let mut others: Vec<Device> = in_force
            .iter()
            .filter(|other| other.zone == standing.zone && other.device != device)
            .map(|other| other.device)
            .collect();
        others.sort_unstable();
        others.dedup();
        if others.len() as u32 >= limit && !planted(Bug::ZoneCapForgotten) {
            let zone = case.facts.context.zone_name(standing.zone).to_owned();
            verdict.add(Guard::ZoneCap { zone, limit });
        }
    }
}

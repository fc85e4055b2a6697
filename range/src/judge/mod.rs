//! Playing a scenario one of the three ways, and judging what came of it.
//!
//! Owns: the order of things in a run, and every verdict. What counts is what devices and attackers
//! logged themselves, what the kernel holds, and what the product told; each where it is the truth.
//! Does not own: starting things (`city`, `drive`), and adding up runs (`report`).

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::Topology;
use crate::city::{self, City};
use crate::drive::{Act, Monitor, Product, Setting};
use crate::error::Result;
use crate::inside::{Job, Told, tell};
use crate::log::{Kind, Line, now};
use crate::scenario::{Detected, Done, Scenario, Undone, Variant};
use crate::scenarios;

mod work;
use work::Toll;

/// What came of one run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Played {
    /// From the attack's beginning to the first of what must be detected that could be read.
    pub detected_ms: Option<u64>,
    /// Everything that was in force at some time.
    pub acted: Vec<Act>,
    /// From the attack's beginning to the first action that was seen in force.
    pub acted_ms: Option<u64>,
    /// From the packet that is the evidence to the rule that the kernel holds, for each action.
    pub counting_ms: Vec<f64>,
    /// What the benign work lost.
    pub toll: Toll,
    /// Tries of honest people during the attack, and how many got through.
    pub honest: (usize, usize),
    /// The same of those from a while after the answer on.
    pub honest_after: (usize, usize),
    /// From the command (or the end of the time) to the rules being as before.
    pub undone_ms: Option<u64>,
    /// What is not as it must be; empty = passed.
    pub problems: Vec<String>,
    /// What could not be tried here.
    pub skipped: Vec<String>,
}

/// An answer must have stopped the attack so long after it was seen in force.
const GRACE: u64 = 300_000_000;
/// A device whose room for half-open conversations is full has it back at the first repetition of its own
/// answers, a second later (RFC 6298, 2).
const ROOM: u64 = 1_500_000_000;
/// Benign work alone, before the attack.
const SETTLE: Duration = Duration::from_millis(900);
/// No attack is shorter: the benign work beside it is to be measured.
const LEAST: u64 = 1_800_000_000;
/// How often the enforcer is asked what is in force.
const ASK: Duration = Duration::from_millis(80);
/// How long after a flood its limit may stay.
const CALM: Duration = Duration::from_secs(30);
/// How long a person's undoing may take to show in the kernel before it counts as failed.
const UNDO: Duration = Duration::from_secs(5);

/// One run, as it goes.
struct Run {
    scenario: &'static Scenario,
    variant: Variant,
    city: City,
    product: Product,
    monitor: Monitor,
    /// The rules before the attack.
    before: String,
    /// When the attack began.
    start: u64,
    /// When the last action came in force.
    acted_at: Option<u64>,
    asked: Instant,
    most_at_once: usize,
    /// All actions, as they were last told.
    last: Vec<Act>,
    /// What our operator approved.
    approved: Vec<String>,
    played: Played,
}

/// Plays one job.
pub(crate) fn play(job: &Job) -> Result<Played> {
    let scenario = scenarios::find(&job.scenario)?;
    let progress = |text: &str| {
        tell(&Told::Progress {
            text: text.to_owned(),
        })
    };
    progress("building the city");
    let topology = Topology::eastmere(job.seed);
    let city = City::start(topology, &job.program, &job.folder)?;
    progress("starting the product");
    let product = Product::start(&Setting {
        program: &job.program,
        folder: &job.folder,
        topology: &city.topology,
        rules: &job.rules,
        responds: job.variant != Variant::Off,
        enforced: scenario.enforced,
        undone: scenario.undone,
        told: scenario.told,
    })?;
    std::thread::sleep(SETTLE);
    let mut run = Run {
        scenario,
        variant: job.variant,
        monitor: Monitor::start()?,
        before: Product::ruleset()?,
        city,
        product,
        start: 0,
        acted_at: None,
        asked: Instant::now(),
        most_at_once: 0,
        last: Vec::new(),
        approved: Vec::new(),
        played: Played::default(),
    };
    run.attack(progress)?;
    Ok(run.played)
}

impl Run {
    fn attack(&mut self, progress: impl Fn(&str)) -> Result<()> {
        let parts = match self.variant {
            Variant::Benign => Vec::new(),
            Variant::On | Variant::Off => (self.scenario.attack)(&self.city.topology),
        };
        let mut attackers = self.city.attackers(&parts)?;
        progress(if parts.is_empty() {
            "benign work alone"
        } else {
            "the attack begins"
        });
        self.start = now();
        if !parts.is_empty() {
            self.product.twist(self.scenario.twist)?;
        }
        city::go(&mut attackers);
        let watched = match self.variant {
            Variant::On => self.scenario.watched,
            // It only has to be seen that nothing stops it.
            Variant::Off => self.scenario.watched.min(4_000),
            Variant::Benign => 3_000,
        };
        let end = Instant::now() + Duration::from_millis(watched);
        while Instant::now() < end {
            std::thread::sleep(Duration::from_millis(15));
            self.observe()?;
            if self.variant == Variant::On && self.is_over() {
                break;
            }
        }
        self.observe()?;
        let judged = now();
        drop(attackers);
        self.skipped();
        self.count_honest();
        self.judge_detection();
        self.judge_done();
        progress("taking everything back");
        self.undo()?;
        self.judge_toll(judged);
        self.time_rules();
        Ok(())
    }

    /// Everything that was waited for is there.
    fn is_over(&self) -> bool {
        let lines = self.city.attack_lines();
        self.scenario.detected.iter().all(|d| self.detected_at(*d).is_some())
            && self.scenario.done.iter().all(|d| self.holds(*d, &lines).is_ok())
            // What must never happen has its whole time to happen.
            && !self.scenario.done.iter().any(|d| matches!(d, Done::Never(_) | Done::AtMost(_) | Done::Waits(..)))
            // How many of all get through shows at the end.
            && self.scenario.honest.is_empty()
            && now().saturating_sub(self.start) > LEAST
    }

    fn observe(&mut self) -> Result<()> {
        self.product.listen();
        if self.asked.elapsed() < ASK {
            return Ok(());
        }
        self.asked = Instant::now();
        let all = self.product.actions()?;
        self.approve(&all)?;
        self.last = all.clone();
        let in_force: Vec<Act> = all
            .into_iter()
            .filter(|act| act.stage == "active" && act.changes())
            .collect();
        self.most_at_once = self.most_at_once.max(in_force.len());
        for act in in_force {
            if self.played.acted.iter().any(|known| known.id == act.id) {
                continue;
            }
            let at = self.monitor.first(&act.id).unwrap_or_else(now);
            self.acted_at = self.acted_at.max(Some(at));
            if self.played.acted_ms.is_none() {
                self.played.acted_ms = Some(at.saturating_sub(self.start) / 1_000_000);
            }
            self.played.acted.push(act);
        }
        Ok(())
    }

    /// The operator: approves what the scenario says, and nothing else.
    fn approve(&mut self, all: &[Act]) -> Result<()> {
        for act in all.iter().filter(|act| act.stage == "proposed") {
            let wanted = |done: &Done| match done {
                Done::Approved(rungs, name) => self.is(act, rungs, name),
                _ => false,
            };
            let known = self.approved.contains(&act.id);
            if self.variant == Variant::On && !known && self.scenario.done.iter().any(wanted) {
                self.approved.push(act.id.clone());
                self.product.approve(&act.id)?;
            }
        }
        Ok(())
    }

    /// An action is one of these rungs against this host.
    fn is(&self, act: &Act, rungs: &[&str], name: &str) -> bool {
        let host = self.city.topology.host(name);
        rungs.contains(&act.rung.as_str()) && host.is_some_and(|h| work::is_about(act, h))
    }

    /// How long each rule took that waited for nobody. At the end: an incident's line comes to the file after its
    /// notice to the enforcer.
    fn time_rules(&mut self) {
        self.product.listen();
        let applied = self.product.applied();
        let took = |act: &Act| {
            // nft's monitor keeps an element that has a range in one of its fields until another one comes: there
            // the enforcer's journal says when the kernel had taken it.
            let told = applied.get(&act.id).copied();
            let rule = self.monitor.first(&act.id).into_iter().chain(told).min()?;
            let evidence = self.evidence_of(act, rule)?;
            Some(rule.saturating_sub(evidence) as f64 / 1e6)
        };
        let unattended = self
            .played
            .acted
            .iter()
            .filter(|act| !self.approved.contains(&act.id));
        self.played.counting_ms = unattended.filter_map(took).collect();
    }

    /// The time of the last packet that is evidence of an action's incident, before its rule.
    fn evidence_of(&self, act: &Act, rule: u64) -> Option<u64> {
        let of = |event: &serde_json::Value| {
            let number = event["incident"]["number"].as_str()?;
            let packet = work::time(event["timestamp"].as_str()?)?;
            (act.id.starts_with(number) && packet <= rule).then_some(packet)
        };
        self.product.seen.iter().filter_map(|seen| of(&seen.event)).max()
    }

    /// How people fared who had nothing to do with the attack.
    fn count_honest(&mut self) {
        let lines = self.city.attack_lines();
        let count = |from: u64| {
            let tries = lines
                .iter()
                .filter(|l| self.scenario.honest.contains(&l.name.as_str()));
            let tries = tries.filter(|l| l.began >= from);
            tries.fold((0, 0), |(tried, ok), line| (tried + 1, ok + usize::from(line.ok)))
        };
        self.played.honest = count(0);
        self.played.honest_after = self.acted_at.map_or((0, 0), |at| count(at + ROOM));
    }

    fn skipped(&mut self) {
        let mut lines = self.city.attack_lines();
        for host in &self.city.topology.hosts {
            let told = self.city.lines(host.name).into_iter();
            lines.extend(told.filter(|l| l.kind == Kind::Served && !l.ok));
        }
        let skipped = lines.iter().filter(|l| l.what.starts_with("SKIPPED"));
        self.played.skipped = skipped.map(|l| format!("{} {}", l.peer, l.what)).collect();
    }

    fn judge_detection(&mut self) {
        if self.variant == Variant::Benign {
            return;
        }
        let detected: Vec<_> = self
            .scenario
            .detected
            .iter()
            .map(|d| (*d, self.detected_at(*d)))
            .collect();
        for (wanted, at) in &detected {
            if at.is_none() {
                self.played.problems.push(format!("not detected: {wanted:?}"));
            }
        }
        let first = detected.iter().filter_map(|(_, at)| *at).min();
        self.played.detected_ms = first.map(|at| at.saturating_sub(self.start) / 1_000_000);
    }

    /// When something could first be read in what the product tells.
    fn detected_at(&self, wanted: Detected) -> Option<u64> {
        let topology = &self.city.topology;
        if let Detected::Log(text) = wanted {
            return self.product.log().contains(text).then(now);
        }
        let fits = |event: &serde_json::Value| match wanted {
            Detected::Incident(host) => {
                let assets = event["incident"]["assets"].as_array();
                let known = topology.host(host);
                let named = |name: &serde_json::Value| {
                    let name = name.as_str().unwrap_or_default();
                    known.is_some_and(|h| name == h.name || name == h.address.to_string() || name == h.mac)
                };
                assets.is_some_and(|assets| assets.iter().any(named))
            }
            Detected::Behaviour(kinds) => event["behaviour"]["kind"]
                .as_str()
                .is_some_and(|kind| kinds.contains(&kind)),
            Detected::Alert(sid) => event["alert"]["signature_id"].as_u64() == Some(u64::from(sid)),
            Detected::Violation => event["event_type"] == "violation",
            Detected::Log(_) => false,
        };
        let found = self
            .product
            .seen
            .iter()
            .find(|seen| seen.at >= self.start && fits(&seen.event));
        found.map(|seen| seen.at)
    }

    fn judge_done(&mut self) {
        if self.variant == Variant::Benign {
            for seen in self
                .product
                .seen
                .iter()
                .filter(|s| s.event["event_type"] == "incident")
            {
                let what = format!("a false alarm: {}", seen.event["incident"]["title"]);
                self.played.problems.push(what);
            }
            for act in &self.played.acted {
                let what = format!("without an attack: {} against {}", act.rung, act.target);
                self.played.problems.push(what);
            }
            return;
        }
        let lines = self.city.attack_lines();
        let verdicts: Vec<_> = self
            .scenario
            .done
            .iter()
            .map(|d| (*d, self.holds(*d, &lines)))
            .collect();
        match self.variant {
            Variant::On => {
                let failed = verdicts.iter().filter_map(|(_, v)| v.as_ref().err());
                self.played.problems.extend(failed.cloned());
                self.judge_targets();
            }
            _ => {
                if verdicts.iter().all(|(_, v)| v.is_ok()) {
                    let what = "with the response off all that is to be done was found done".to_owned();
                    self.played.problems.push(what);
                }
                for (wanted, verdict) in verdicts {
                    // The attack must get through where nobody answers, else it shows nothing.
                    let attack = matches!(wanted, Done::Stops(_) | Done::Never(_));
                    if attack && verdict.is_ok() {
                        self.played
                            .problems
                            .push(format!("with the response off: {wanted:?} holds"));
                    }
                }
            }
        }
    }

    /// Nobody was acted against but who may be.
    fn judge_targets(&mut self) {
        let mut strangers = Vec::new();
        for act in &self.played.acted {
            let allowed = self
                .scenario
                .touched
                .iter()
                .chain(self.scenario.done.iter().filter_map(|d| match d {
                    Done::Action(_, host) | Done::Approved(_, host) => Some(host),
                    _ => None,
                }));
            let mut allowed = allowed.filter_map(|name| self.city.topology.host(name));
            if !allowed.any(|host| work::is_about(act, host)) {
                strangers.push(format!(
                    "acted against somebody else: {} on {}",
                    act.rung, act.target
                ));
            }
        }
        self.played.problems.extend(strangers);
    }

    /// What was proposed and not done, for messages.
    fn waiting(&self) -> String {
        let waits = self
            .last
            .iter()
            .filter(|act| act.changes() && act.stage != "active");
        let words = waits.map(|a| {
            format!(
                "; {} {} is {}: {}",
                a.rung,
                a.target,
                a.stage,
                a.guards.join(", ")
            )
        });
        words.take(4).collect()
    }

    /// The numbers of the incidents that name a host as a suspect.
    fn incidents_of(&self, name: &str) -> Vec<String> {
        let of = |event: &serde_json::Value| {
            let suspects = event["incident"]["suspects"].as_array()?;
            let named = suspects.iter().any(|suspect| suspect["name"] == name);
            named.then(|| {
                event["incident"]["number"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            })
        };
        self.product
            .seen
            .iter()
            .filter_map(|seen| of(&seen.event))
            .collect()
    }

    /// Whether something holds; why not, where it does not.
    fn holds(&self, wanted: Done, lines: &[Line]) -> std::result::Result<(), String> {
        let yes = |holds: bool, why: String| if holds { Ok(()) } else { Err(why) };
        let through = |step: &str, from: u64, to: u64| {
            let tries = lines.iter().filter(|l| l.kind == Kind::Attack && l.name == step);
            let tries = tries.filter(move |l| l.began >= from && l.began < to);
            tries.fold((0_usize, 0_usize), |(tried, ok), line| {
                (tried + 1, ok + usize::from(line.ok))
            })
        };
        let answered = self.acted_at.map(|at| at + GRACE);
        match wanted {
            Done::Action(rungs, name) => {
                let done = self.played.acted.iter().any(|act| self.is(act, rungs, name));
                yes(
                    done,
                    format!("none of {rungs:?} was done against {name}{}", self.waiting()),
                )
            }
            Done::Approved(rungs, name) => {
                let mut acts = self.played.acted.iter().filter(|act| self.is(act, rungs, name));
                let why = format!("none of {rungs:?} was proposed against {name}, approved and then done");
                yes(
                    acts.any(|act| self.approved.contains(&act.id)),
                    why + &self.waiting(),
                )
            }
            Done::Waits(rungs, name) => {
                let waits = |act: &Act| act.stage == "proposed" && !act.guards.is_empty();
                let mut known = self.last.iter().filter(|act| self.is(act, rungs, name));
                let done = self.played.acted.iter().any(|act| self.is(act, rungs, name));
                yes(
                    !done && known.any(waits),
                    format!("none of {rungs:?} against {name} waits for people"),
                )
            }
            Done::Planned(rungs, name) => {
                let incidents = self.incidents_of(name);
                let log = self.product.log();
                let told = |rung: &&str| {
                    let of = |number: &String| log.contains(&format!("told {rung} {number}:"));
                    incidents.iter().any(of)
                };
                yes(
                    rungs.iter().any(told),
                    format!("no {rungs:?} is planned for an incident of {name}"),
                )
            }
            Done::Stops(step) => {
                let Some(answered) = answered else {
                    return Err(format!("{step}: nothing was done"));
                };
                let (_, before) = through(step, 0, answered);
                let (tried, after) = through(step, answered, u64::MAX);
                let why =
                    format!("{step}: {before} got through before the answer; after it {after} of {tried}");
                yes(before > 0 && tried > 0 && after == 0, why)
            }
            Done::Keeps(name, jobs) => {
                let Some(answered) = answered else {
                    return Err(format!("{name}: nothing was done"));
                };
                let lines = self.city.lines(name);
                let after = lines
                    .iter()
                    .filter(|l| l.kind == Kind::Work && l.began >= answered);
                let fared = |job: &&str| {
                    let of = after.clone().filter(|l| l.name == **job);
                    of.fold((0, 0), |(ok, failed), l| {
                        (ok + usize::from(l.ok), failed + usize::from(!l.ok))
                    })
                };
                let lost = jobs.iter().find(|job| !matches!(fared(job), (1.., 0)));
                yes(
                    lost.is_none(),
                    format!(
                        "{name}: after the answer of {lost:?} (done, failed) {:?}",
                        lost.map(fared)
                    ),
                )
            }
            Done::Opens(step, percent) => {
                let Some(acted) = self.acted_at else {
                    return Err(format!("{step}: nothing was done"));
                };
                let (tried, ok) = through(step, acted + ROOM, u64::MAX);
                yes(
                    tried > 0 && ok * 100 >= tried * percent,
                    format!("{step}: {ok} of {tried} got through, {percent} of 100 must"),
                )
            }
            Done::Never(step) => {
                let (tried, ok) = through(step, 0, u64::MAX);
                yes(
                    tried > 0 && ok == 0,
                    format!("{step}: {ok} of {tried} got through"),
                )
            }
            Done::Refused(name) => {
                let host = self.city.topology.host(name);
                // An action that was held back by a guard, or the sentence that nothing is done.
                let declined = |act: &&Act| {
                    let held = act.changes() && act.stage != "active" && !act.guards.is_empty();
                    held || act.reason.contains("nothing is done") || act.reason.contains("not cut off")
                };
                let named = |act: &Act| {
                    host.is_some_and(|h| {
                        act.target.contains(h.name) || act.target.contains(&h.address.to_string())
                    })
                };
                let told = self.last.iter().filter(declined).any(named);
                let refused = self.product.declined.iter().any(|line| line.contains(name));
                yes(told || refused, format!("nothing was declined about {name}"))
            }
            Done::AtMost(most) => {
                let seen = self.most_at_once;
                yes(seen <= most, format!("{seen} actions were in force at one time"))
            }
        }
    }

    fn undo(&mut self) -> Result<()> {
        if self.variant != Variant::On || self.played.acted.is_empty() {
            return self.judge_rules(Instant::now());
        }
        match self.scenario.undone {
            Undone::Command => {
                let start = Instant::now();
                self.undo_all()?;
                return self.judge_rules(start);
            }
            Undone::Calm => {
                let calm = self.judge_calm(Instant::now())?;
                self.undo_all()?;
                self.judge_rules(Instant::now())?;
                self.played.undone_ms = calm;
                return Ok(());
            }
            Undone::Harm(whose, with) => {
                self.product.deafen(with, whose)?;
                return self.judge_rollback(Instant::now());
            }
            Undone::Time => {}
            Undone::Death => self.product.die(),
        }
        let start = Instant::now();
        let longest = self.product.longest_life();
        while start.elapsed() < longest + UNDO && Product::ruleset()? != self.before {
            std::thread::sleep(Duration::from_millis(50));
        }
        if start.elapsed() > longest + Duration::from_secs(1) {
            self.played
                .problems
                .push(format!("still there after {:?}", start.elapsed()));
        }
        self.judge_rules(start)
    }

    /// A person takes back whatever is in force.
    fn undo_all(&mut self) -> Result<()> {
        for act in self.product.actions()? {
            if act.stage == "active" && act.changes() {
                self.product.undo(&act.id)?;
            }
        }
        Ok(())
    }

    /// The attack has ended: how long limits stay, milliseconds.
    fn judge_calm(&mut self, start: Instant) -> Result<Option<u64>> {
        while start.elapsed() < CALM {
            let all = self.product.actions()?;
            let limits = |act: &Act| act.rung == "limit-rate" && act.stage == "active";
            if !all.iter().any(limits) {
                let limit = all.iter().find(|act| act.rung == "limit-rate");
                if let Some(act) = limit.filter(|act| !act.outcome.contains("the flood is over")) {
                    let what = format!("the limit ended otherwise: {} {}", act.stage, act.outcome);
                    self.played.problems.push(what);
                }
                return Ok(Some(start.elapsed().as_millis() as u64));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let what = format!("a limit stays {CALM:?} after the flood");
        self.played.problems.push(what);
        Ok(None)
    }

    /// What was done is taken back by nobody but the health gate.
    fn judge_rollback(&mut self, start: Instant) -> Result<()> {
        while start.elapsed() < UNDO && Product::ruleset()? != self.before {
            std::thread::sleep(Duration::from_millis(10));
        }
        if Product::ruleset()? != self.before {
            let what = format!("nothing was taken back within {UNDO:?} of the harm");
            self.played.problems.push(what);
            return Ok(());
        }
        self.played.undone_ms = Some(start.elapsed().as_millis() as u64);
        let all = self.product.actions()?;
        let by_itself = |act: &&Act| self.played.acted.iter().any(|a| a.id == act.id);
        for act in all.iter().filter(by_itself) {
            if !act.outcome.contains("health gate") {
                let what = format!("{} ended otherwise: {} {}", act.id, act.stage, act.outcome);
                self.played.problems.push(what);
            }
        }
        Ok(())
    }

    /// Waits until the rules are what they were before the attack.
    fn judge_rules(&mut self, start: Instant) -> Result<()> {
        loop {
            let now = Product::ruleset()?;
            if now == self.before {
                if !self.played.acted.is_empty() {
                    self.played.undone_ms = Some(start.elapsed().as_millis() as u64);
                }
                return Ok(());
            }
            if start.elapsed() > UNDO.max(self.product.longest_life()) {
                let gone = work::difference(&self.before, &now);
                self.played
                    .problems
                    .push(format!("the rules are not as before: {gone}"));
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn judge_toll(&mut self, judged: u64) {
        let spared: Vec<&str> = self
            .scenario
            .touched
            .iter()
            .chain(self.scenario.harmed)
            .copied()
            .collect();
        let spared = if self.variant == Variant::Benign {
            vec![]
        } else {
            spared
        };
        let toll = work::toll(&self.city, &spared, self.start, judged);
        // With the response off nobody but the attacker can have caused a loss.
        if self.variant != Variant::Off {
            if toll.safety_failed > 0 {
                self.played
                    .problems
                    .push(format!("safety work failed: {}", toll.examples.join("; ")));
            }
            if toll.failed * 1_000 > toll.requests {
                self.played
                    .problems
                    .push(format!("benign work failed: {}", toll.examples.join("; ")));
            }
            if toll.requests < 100 {
                self.played
                    .problems
                    .push(format!("only {} benign requests: no measure", toll.requests));
            }
        }
        self.played.toll = toll;
    }
}

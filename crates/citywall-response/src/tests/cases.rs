//! Random cases: topology x tags x notices (spoofed, storms) x hostile playbooks x people x crash
//! points x jumps of the clock, judged by `oracle`. How many are played is `counted`'s.

mod notices;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use super::counted::{Stats, step_name};
use super::kernel::{Element, Kernel, rung_of};
use super::oracle::{self, Oracle, Seen, SeenAct};
use super::places::Place;
use super::town::{BEGIN, Dice, Town, address};
use crate::playbook::{Said, Say, Wish};
use crate::{
    Account, Act, ActionId, Change, Crossing, Effect, Entry, Fact, Flooded, Governor, Host, Input, Measure,
    Moment, Notice, PlanHash, Proposal, Rung, Settings, Stage, Suspect, VerifiedAct, Vital,
};

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
const LADDER: [Rung; 5] = [
    Rung::DenyCommand,
    Rung::LimitRate,
    Rung::DenyConduit,
    Rung::Quarantine,
    Rung::Isolate,
];

struct World<'a> {
    place: &'a Place,
    edition: usize,
    dice: Dice,
    governor: Governor,
    settings: Settings,
    kernel: Kernel,
    journal: Vec<Entry>,
    oracle: Oracle,
    /// True time, from 0.
    now: i64,
    /// What the wall clock is wrong by.
    wrong: i64,
    watch: Vec<IpAddr>,
    proposing: Option<usize>,
    shown: Vec<(ActionId, PlanHash)>,
    /// When each action was put in force, and its life.
    lives: BTreeMap<String, (i64, i64)>,
    pending: Vec<Input>,
    crash_in: Option<usize>,
    foreign: Vec<Element>,
    /// Actions that the hand once failed to take back.
    failed: Vec<String>,
    /// Devices that fared badly before: what began since then is not to blame.
    ill: Vec<IpAddr>,
    /// When the journal was written last: what passed since then is lost in a crash.
    noted: i64,
    /// The notices that were heard last.
    last: Vec<Notice>,
    /// Suspects of incidents, by address and hardware address.
    pairs: Vec<(String, IpAddr, Option<[u8; 6]>)>,
    /// What the hand does with its next order: nothing wrong, an error, or no answer.
    stats: &'a mut Stats,
    /// All effects, where they are to be compared.
    trace: Option<String>,
    incidents: usize,
    act_serial: u64,
}

type Verdict = Result<(), String>;
/// A rung, whom it is about, and towards whom.
type Part = (Rung, Host, Option<citywall_event::Prefix>);

/// Plays one case.
pub(super) fn play(place: &Place, seed: u64, stats: &mut Stats, traced: bool) -> (Verdict, Option<String>) {
    let mut dice = Dice::new(seed);
    let settings = Settings {
        city_cap: if dice.one_in(4) { 2 } else { 10 },
        ..Settings::default()
    };
    let mut world = World {
        place,
        edition: 0,
        governor: Governor::new(place.facts[0].clone(), settings.clone()),
        dice,
        settings,
        kernel: Kernel::default(),
        journal: Vec::new(),
        oracle: Oracle::default(),
        now: 0,
        wrong: 0,
        watch: Vec::new(),
        proposing: None,
        shown: Vec::new(),
        lives: BTreeMap::new(),
        pending: Vec::new(),
        crash_in: None,
        foreign: Vec::new(),
        failed: Vec::new(),
        ill: Vec::new(),
        noted: 0,
        last: Vec::new(),
        pairs: Vec::new(),
        stats,
        trace: traced.then(String::new),
        incidents: 0,
        act_serial: 0,
    };
    let verdict = world.run();
    (verdict, world.trace)
}

impl World<'_> {
    fn town(&self) -> &Town {
        &self.place.towns[self.edition]
    }

    fn moment(&self) -> Moment {
        Moment {
            wall: (BEGIN * SECOND)
                .saturating_add(self.now)
                .saturating_add(self.wrong),
            steady: self.now,
        }
    }

    fn run(&mut self) -> Verdict {
        self.stats.add("case");
        if self.dice.one_in(8) {
            let element = Element {
                measure: Measure::Isolate {
                    host: Host::Ip(self.any_address()),
                },
                comment: (*self.dice.pick(&["", "by hand", "I am not yours"])).to_owned(),
                until: i64::MAX,
            };
            self.foreign.push(element.clone());
            self.kernel.elements.push(element);
            self.stats.add("foreign element in the kernel");
            self.restart()?;
        }
        let flavour = self.dice.below(4);
        if flavour == 0 || flavour == 3 && self.dice.one_in(2) {
            self.act()?;
        }
        let steps = 4 + self.dice.below(7);
        for _ in 0..steps {
            self.step(flavour)?;
        }
        self.end()
    }

    fn step(&mut self, flavour: usize) -> Verdict {
        self.crash_in = self.dice.one_in(6).then(|| self.dice.below(8));
        match (flavour, self.dice.below(20)) {
            (0, 0..9) | (_, 0..4) => self.notices()?,
            (1 | 2, 4..11) => self.approve()?,
            (2, 11..13) | (_, 4) => self.by_hand()?,
            (_, 5) => self.act()?,
            (_, 6 | 7 | 11) => self.vitals()?,
            (_, 8) => self.undo()?,
            (_, 9) => self.wish()?,
            (_, 10) => self.edit()?,
            (_, 12 | 13) => {
                self.jump();
                if self.dice.one_in(2) {
                    self.act()?;
                }
            }
            _ => self.wait()?,
        }
        if self.crash_in.take().is_some() {
            self.stats.add("crash: between inputs");
            self.restart()?;
        }
        Ok(())
    }

    fn any_address(&mut self) -> IpAddr {
        let town = &self.place.towns[self.edition];
        match self.dice.below(16) {
            0 => IpAddr::V4(Ipv4Addr::new(203, 0, 113, self.dice.below(4) as u8 + 1)),
            1 => IpAddr::V4(Ipv4Addr::new(192, 168, 9, self.dice.below(3) as u8 + 1)),
            2 => *self.dice.pick(&town.own),
            3..6 => address(self.dice.below(town.zones.len()), 201 + self.dice.below(6) as u8),
            _ => {
                let asset = self.dice.pick(&town.assets);
                let (zone, host) = asset.feet[0];
                address(zone, host)
            }
        }
    }

    fn act(&mut self) -> Verdict {
        let zones: Vec<String> = (0..self.town().zones.len()).map(|z| format!("z{z}")).collect();
        let mut zones: Vec<String> = zones.into_iter().filter(|_| !self.dice.one_in(4)).collect();
        if self.dice.one_in(2) {
            zones.push("outside".to_owned());
        }
        let rungs: Vec<Rung> = LADDER.into_iter().filter(|_| !self.dice.one_in(4)).collect();
        let life = MINUTE * (1 + self.dice.below(60) as i64);
        self.act_serial += 1;
        let act = Act {
            zones: zones.clone(),
            rungs: rungs.clone(),
            expires: self.moment().wall + life,
            serial: self.act_serial,
        };
        self.oracle.acts.push(SeenAct {
            zones,
            rungs,
            ends: self.now + life,
            ends_wall: act.expires,
        });
        self.stats.add("act signed");
        self.send(Input::Act(VerifiedAct::tested(act)))
    }

    fn open(&self, stages: &[Stage]) -> Vec<(ActionId, PlanHash)> {
        let open = self
            .governor
            .stages()
            .filter(|(_, _, stage)| stages.contains(stage));
        open.map(|(id, hash, _)| (id.clone(), hash)).collect()
    }

    /// Somebody, by an account: mostly one of an approver.
    fn somebody(&mut self) -> (usize, Account) {
        let town = &self.place.towns[self.edition];
        let mut person = self.dice.below(town.people.len());
        if !town.people[person].approver && !self.dice.one_in(3) {
            person = 1;
        }
        let account = self.dice.pick(town.people[person].accounts.as_slice());
        (person, Account::unix(account))
    }

    fn approve(&mut self) -> Verdict {
        let open = self.open(&[Stage::Proposed]);
        if open.is_empty() {
            return Ok(());
        }
        let (action, mut hash) = self.dice.pick(&open).clone();
        let current = hash;
        match self.dice.below(12) {
            0 => hash.0[0] ^= 1,
            1..4 => {
                // As it was shown some time ago.
                let old = self.shown.iter().find(|(id, _)| *id == action);
                hash = old.map_or(hash, |(_, old)| *old);
            }
            _ => {}
        }
        if hash != current {
            self.stats.add("approval: of a plan that changed");
        }
        // Often by all accounts of one person, or by several people.
        let times = 1 + self.dice.below(3);
        let same = self.dice.one_in(2);
        let (mut person, _) = self.somebody();
        for _ in 0..times {
            let account;
            if same {
                let accounts = &self.place.towns[self.edition].people[person].accounts;
                account = Account::unix(self.dice.pick(accounts.as_slice()).as_str());
            } else {
                (person, account) = self.somebody();
            }
            let approver = self.town().people[person].approver;
            self.stats.add(if approver {
                "approval: by an approver"
            } else {
                "approval: by somebody else"
            });
            if approver && hash == current {
                let now = self.now;
                if let Some(seen) = self.oracle.actions.get_mut(&action.0) {
                    seen.people.push((person, now));
                }
            }
            self.send(Input::Approve {
                by: account.clone(),
                action: action.clone(),
                hash,
            })?;
        }
        Ok(())
    }

    fn by_hand(&mut self) -> Verdict {
        let (person, by) = self.somebody();
        let rung = *self.dice.pick(&LADDER);
        let to = matches!(rung, Rung::DenyCommand | Rung::DenyConduit).then(|| {
            let ip = self.any_address();
            let length = if self.dice.one_in(2) { 32 } else { 24 };
            citywall_event::Prefix::containing(ip, length).expect("a length that fits")
        });
        let mut wanted = (rung, Host::Ip(self.any_address()), to);
        let part = self.part_of_what_is_open().filter(|_| self.dice.one_in(2));
        let again = part.is_some();
        if let Some((action, hash, part)) = part {
            self.stats.add("proposed by hand: a part of what is open");
            self.approved_by_all(&action, hash)?;
            wanted = part;
        }
        let (rung, host, to) = wanted;
        let proposal = Proposal {
            incident: None,
            rung,
            host,
            to,
            time_to_live: self
                .dice
                .one_in(3)
                .then(|| self.dice.below(7_200) as i64 * SECOND),
            reason: "by hand".to_owned(),
        };
        self.stats.add("proposed by hand");
        self.proposing = Some(person);
        let sent = self.send(Input::Propose {
            by: by.clone(),
            proposal,
        });
        self.proposing = None;
        sent?;
        let Some((action, hash)) = self.open(&[Stage::Proposed]).pop() else {
            return Ok(());
        };
        if again {
            return self.approved_by_all(&action, hash);
        }
        // Some approve what they proposed, at once.
        if self.dice.one_in(3) {
            let now = self.now;
            let approver = self.town().people[person].approver;
            if let Some(seen) = self.oracle.actions.get_mut(&action.0).filter(|_| approver) {
                seen.people.push((person, now));
            }
            self.stats.add("approval: by the proposer");
            self.send(Input::Approve { by, action, hash })?;
        }
        Ok(())
    }

    /// One pair of an action that is about several.
    fn part_of_what_is_open(&mut self) -> Option<(ActionId, PlanHash, Part)> {
        let all = self.governor.actions();
        let open = all.iter().filter(|v| v.stage != Stage::Ended);
        let several: Vec<_> = open.filter(|v| v.action.measures.len() > 1).collect();
        if several.is_empty() {
            return None;
        }
        let view = *self.dice.pick(&several);
        let measure = self.dice.pick(view.action.measures.as_slice());
        let part = (rung_of(measure)?, measure.host(), measure.to());
        Some((view.action.id.clone(), view.hash, part))
    }

    fn approved_by_all(&mut self, action: &ActionId, hash: PlanHash) -> Verdict {
        for person in 0..self.town().people.len() {
            let somebody = &self.town().people[person];
            let (approver, account) = (somebody.approver, Account::unix(&somebody.accounts[0]));
            let now = self.now;
            if let Some(seen) = self.oracle.actions.get_mut(&action.0).filter(|_| approver) {
                seen.people.push((person, now));
            }
            self.send(Input::Approve {
                by: account,
                action: action.clone(),
                hash,
            })?;
        }
        Ok(())
    }

    fn undo(&mut self) -> Verdict {
        let open = self.open(&[Stage::Active, Stage::Applying]);
        if open.is_empty() {
            return Ok(());
        }
        let (action, _) = self.dice.pick(&open).clone();
        let (_, by) = self.somebody();
        self.stats.add("undo");
        self.send(Input::Undo { by, action })
    }

    /// A hostile playbook wants anything on any suspect, for as long as it likes.
    fn wish(&mut self) -> Verdict {
        if self.incidents == 0 {
            return Ok(());
        }
        let wish = Wish {
            playbook: "hostile".to_owned(),
            step: "s".to_owned(),
            rung: *self.dice.pick(&LADDER),
            suspect: Some(self.dice.below(4)),
            time_to_live: *self
                .dice
                .pick(&[None, Some(i64::MAX), Some(-1), Some(600 * SECOND)]),
            reason: citywall_event::Phrase::as_written("x".repeat(self.dice.below(2_000))),
        };
        let incident = format!("I0-{}-1", self.dice.below(self.incidents));
        self.stats.add("hostile wish");
        let said = vec![Said {
            incident,
            say: Say::Wish(wish),
        }];
        let effects = self.governor.hear_hostile(self.moment(), said);
        self.carry_out(effects)?;
        self.settle()
    }

    fn edit(&mut self) -> Verdict {
        self.shown = self.open(&[Stage::Proposed]);
        self.edition = 1 - self.edition;
        self.stats.add("city file edited");
        // By another file a hardware address may be a gateway's, which says nothing of others.
        for (incident, ip, mac) in &self.pairs {
            let key = (incident.clone(), Host::Ip(*ip));
            if let Some(known) = self.oracle.suspects.get_mut(&key) {
                known.1 |= is_clean(&self.place.towns[self.edition], *ip, *mac);
            }
        }
        for seen in self.oracle.actions.values_mut() {
            seen.people.clear();
        }
        let facts = self.place.facts[self.edition].clone();
        self.send(Input::City(Box::new(facts)))
    }

    fn jump(&mut self) {
        let hours = self.dice.below(100) as i64 - 50;
        self.wrong += hours * 60 * MINUTE / 2;
        self.stats.add(if hours < 0 {
            "clock jumped back"
        } else {
            "clock jumped ahead"
        });
    }

    fn wait(&mut self) -> Verdict {
        let step = match self.dice.below(4) {
            0 => SECOND,
            1 => MINUTE,
            2 => 6 * MINUTE,
            _ => 20 * MINUTE,
        };
        self.pass(step);
        self.send(Input::Tick)
    }

    fn pass(&mut self, step: i64) {
        self.now += step;
        self.kernel.pass(self.now);
    }

    fn vitals(&mut self) -> Verdict {
        if self.watch.is_empty() {
            return Ok(());
        }
        let address = *self.dice.pick(&self.watch.clone());
        let bad = self.dice.one_in(2);
        let vital = Vital {
            address,
            span: SECOND,
            packets: 1_000,
            asked: 100,
            answered: 100,
            lost: if bad { 500 } else { 0 },
            heartbeat: None,
        };
        let ours = self.ours();
        let mut ids: Vec<String> = ours.iter().map(|(id, _)| id.clone()).collect();
        ids.dedup();
        let elsewhere = ours.iter().all(|(_, m)| m.host() != Host::Ip(address));
        let before = self.open(&[Stage::Active, Stage::Applying]).len();
        let crash = self.crash_in.take();
        self.send(Input::Vitals(vec![vital]))?;
        self.crash_in = crash;
        let living = self.open(&[Stage::Active, Stage::Applying]);
        if bad {
            self.stats.add("vitals: permitted work is lost");
        }
        // Those whom only something proposed would touch are watched, too.
        let waits = !self.open(&[Stage::Proposed]).is_empty();
        let alone = ids.len() == 1 && before == 1 && !waits && !self.ill.contains(&address);
        if bad {
            self.ill.push(address);
        }
        let (Some(id), true, true) = (ids.first(), bad && elsewhere, alone) else {
            return Ok(());
        };
        self.stats.add("vitals: one action to blame");
        if living.iter().any(|(living, _)| living.0 == *id) {
            return Err(format!("{address} loses packets and {id} goes on"));
        }
        let Some(Host::Ip(ip)) = ours.first().map(|(_, m)| m.host()) else {
            return Ok(());
        };
        let who = oracle::who(self.town(), ip);
        let rolled_back = self.journal.iter().any(|e| {
            matches!(&e.fact, Fact::Undoing { action, outcome: crate::Outcome::RolledBack { .. } } if action.0 == *id)
        });
        if !rolled_back {
            // It was on its way out already.
            return Ok(());
        }
        if let Some(rung) = ours.first().and_then(|(_, m)| rung_of(m)) {
            self.oracle.regrets.push((self.now, who, rung));
        }
        self.again(ip)
    }

    /// The same is heard of the same device once more, as another incident.
    fn again(&mut self, ip: IpAddr) -> Verdict {
        let same = |n: &&Notice| n.suspects.iter().any(|s| s.address == Some(ip));
        let Some(mut notice) = self.last.iter().find(same).cloned() else {
            return Ok(());
        };
        let old = std::mem::replace(&mut notice.incident, format!("I0-{}-1", self.incidents));
        self.incidents += 1;
        for suspect in &notice.suspects {
            let by_ip = suspect.address.map(Host::Ip);
            let Some(host) = by_ip.or(suspect.mac.map(Host::Mac)) else {
                continue;
            };
            let known = self.oracle.suspects.get(&(old.clone(), host)).copied();
            let key = (notice.incident.clone(), host);
            self.oracle.suspects.insert(key, known.unwrap_or((false, true)));
            if let Some(ip) = suspect.address {
                self.pairs.push((notice.incident.clone(), ip, suspect.mac));
            }
        }
        self.stats.add("heard again after a roll-back");
        self.send(Input::Notices(vec![notice]))
    }

    fn ours(&self) -> Vec<(String, Measure)> {
        let ours = self.kernel.elements.iter().filter(|e| !self.foreign.contains(e));
        ours.map(|e| (e.comment.clone(), e.measure.clone())).collect()
    }

    fn send(&mut self, input: Input) -> Verdict {
        let moment = self.moment();
        let effects = self.governor.hear(moment, input);
        self.carry_out(effects)?;
        self.settle()
    }

    /// The hand's answers, until there are none.
    fn settle(&mut self) -> Verdict {
        for _ in 0..200 {
            let Some(input) = self.pending.pop() else {
                break;
            };
            let effects = self.governor.hear(self.moment(), input);
            self.carry_out(effects)?;
        }
        self.check()
    }

    /// Does the effects in their order, until a crash.
    fn carry_out(&mut self, effects: Vec<Effect>) -> Verdict {
        if let Some(trace) = &mut self.trace {
            writeln!(trace, "{effects:?}").expect("a string");
        }
        for effect in effects {
            if let Some(left) = self.crash_in.as_mut() {
                if *left == 0 {
                    self.crash_in = None;
                    self.stats.add(&format!("crash: before {}", step_name(&effect)));
                    return self.restart();
                }
                *left -= 1;
            }
            self.do_effect(effect)?;
        }
        Ok(())
    }

    fn do_effect(&mut self, effect: Effect) -> Verdict {
        match effect {
            Effect::Journal(entry) => self.record(entry),
            Effect::Apply(approved) => {
                let plan = approved.get().clone();
                for action in &plan.actions {
                    self.apply(action)?;
                }
            }
            Effect::Remove { action, measures } => {
                let fails = self.dice.one_in(20);
                let silent = self.dice.one_in(20);
                if fails {
                    self.failed.push(action.0.clone());
                } else {
                    self.kernel.remove(&measures, &action.0);
                }
                self.stats.add("hand: removed");
                if !silent {
                    let result = if fails { Err("no".to_owned()) } else { Ok(()) };
                    self.pending.push(Input::Removed { action, result });
                }
            }
            Effect::Tell(action) => self.stats.add(&format!("told: {}", action.status)),
            Effect::Refused(refusal) => {
                let guard = refusal.reason.split(':').next().unwrap_or("").to_owned();
                let known = guard.len() < 20 && !guard.contains(' ');
                self.stats.add(&format!(
                    "refused to a person: {}",
                    if known { &guard } else { "other" }
                ));
            }
            Effect::Watch { addresses, .. } => self.watch = addresses,
            Effect::Said(_) => {}
        }
        Ok(())
    }

    fn record(&mut self, entry: Entry) {
        match &entry.fact {
            Fact::Proposed { plan, guards, .. } => {
                let proposer = self.proposing;
                for guard in guards {
                    let name = guard.split(':').next().unwrap_or("");
                    self.stats.add(&format!("held back by: {name}"));
                }
                for action in &plan.actions {
                    let seen = self.oracle.actions.entry(action.id.0.clone()).or_insert(Seen {
                        people: Vec::new(),
                        proposer,
                    });
                    seen.people.clear();
                }
            }
            Fact::Refused { guards, .. } => {
                for guard in guards {
                    let name = guard.split(':').next().unwrap_or("");
                    self.stats.add(&format!("refused by: {name}"));
                }
            }
            Fact::Intent { people, .. } => {
                self.stats.add(if people.is_empty() {
                    "in force: unattended"
                } else {
                    "in force: approved"
                });
                if people.len() > 1 {
                    self.stats.add("in force: approved by two and more");
                }
            }
            Fact::Ended { outcome, .. } => {
                let text = format!("{outcome:?}");
                let name = text.split([' ', '{']).next().unwrap_or("").to_owned();
                self.stats.add(&format!("ended: {name}"));
            }
            _ => {}
        }
        self.noted = self.now;
        self.journal.push(entry);
    }

    fn apply(&mut self, action: &crate::Action) -> Verdict {
        let id = &action.id.0;
        let intent = self.journal.iter().rev().any(
            |e| matches!(&e.fact, Fact::Intent { plan, .. } if plan.actions.iter().any(|a| a == action)),
        );
        if !intent {
            return Err(format!("{id} is put in force before it is written down"));
        }
        let place = self.place;
        let act = oracle::Act {
            town: &place.towns[self.edition],
            now: self.now,
            wall: self.moment().wall,
            id,
            rung: action.rung,
            measures: &action.measures,
        };
        self.oracle
            .applied(&act)
            .map_err(|why| format!("{id} {action:?}: {why}"))?;
        if self.dice.one_in(20) {
            self.stats.add("hand: refused");
            let result = Err("the kernel says no".to_owned());
            self.pending.push(Input::Applied {
                action: action.id.clone(),
                result,
            });
            return Ok(());
        }
        if action.measures.iter().any(|m| matches!(m.host(), Host::Mac(_))) {
            self.stats.add("in force: by hardware address");
        }
        let until = self.now.saturating_add(action.time_to_live);
        self.lives.insert(id.clone(), (self.now, action.time_to_live));
        for measure in &action.measures {
            if !self.kernel.add(measure, id, until) {
                return Err(format!(
                    "{id} overwrites what another holds: its undo would be lost"
                ));
            }
        }
        oracle::radius(
            self.town(),
            &self.ours(),
            &action.measures,
            self.settings.city_cap as usize,
        )?;
        if self.dice.one_in(20) {
            self.stats.add("hand: silent");
        } else {
            self.pending.push(Input::Applied {
                action: action.id.clone(),
                result: Ok(()),
            });
        }
        Ok(())
    }

    /// The process dies; some time later another begins with what the disk and the kernel hold.
    fn restart(&mut self) -> Verdict {
        self.pending.clear();
        let down = *self.dice.pick(&[0, SECOND, MINUTE, 20 * MINUTE]);
        let lost = self.now - self.noted + down;
        self.pass(down);
        if self.dice.one_in(4) {
            self.jump();
        }
        if self.dice.one_in(5) {
            let measure = Measure::Quarantine {
                host: Host::Ip(address(0, 222)),
            };
            self.kernel
                .add(&measure, "I7-7-7.4000", self.now + 1_000 * MINUTE);
            self.stats.add("element of ours that the journal does not know");
        }
        if self.dice.one_in(5)
            && let Some(element) = self
                .kernel
                .elements
                .iter_mut()
                .find(|e| !self.foreign.contains(e))
        {
            element.until = i64::MAX;
            self.stats.add("element that lives for ever");
        }
        for seen in self.oracle.actions.values_mut() {
            seen.people.clear();
        }
        let held = self.kernel.held(self.now);
        let facts = self.place.facts[self.edition].clone();
        let (governor, effects) =
            Governor::restore(facts, self.settings.clone(), &self.journal, &held, self.moment());
        self.governor = governor;
        self.watch.clear();
        self.stats.add("restart");
        self.carry_out(effects)?;
        for act in &mut self.oracle.acts {
            // Even time goes on where the journal ends; the wall clock counts on.
            act.ends += lost;
        }
        for (id, _) in self.ours() {
            if id == "I7-7-7.4000" {
                // The hand may fail; by the end it must be gone.
                continue;
            }
            let known = self.open(&[Stage::Active, Stage::Undoing, Stage::Applying]);
            let failed =
                known.iter().any(|(k, _)| k.0 == id) || self.pending.iter().any(|i| is_failure(i, &id));
            if !failed {
                return Err(format!(
                    "after the restart the kernel holds {id}, which nobody knows"
                ));
            }
        }
        Ok(())
    }

    /// What must hold at any time.
    fn check(&mut self) -> Verdict {
        for element in &self.foreign {
            if !self.kernel.elements.contains(element) {
                return Err(format!("{element:?} was not ours and is gone"));
            }
        }
        for element in self.kernel.elements.iter().filter(|e| e.until == i64::MAX) {
            let Some((began, life)) = self.lives.get(&element.comment) else {
                continue;
            };
            let excused = self.foreign.contains(element) || self.failed.contains(&element.comment);
            if self.now > began + life + 30 * MINUTE && !excused {
                return Err(format!("{} outlives its time", element.comment));
            }
        }
        Ok(())
    }

    /// All time is over: what is ours is undone.
    fn end(&mut self) -> Verdict {
        self.crash_in = None;
        for _ in 0..12 {
            self.pass(150 * MINUTE);
            self.send(Input::Tick)?;
        }
        for _ in 0..40 {
            self.pass(10 * SECOND);
            self.send(Input::Tick)?;
            if self.ours().is_empty() {
                break;
            }
        }
        if let Some((id, measure)) = self.ours().into_iter().next() {
            return Err(format!("{id} is never undone: {measure:?}"));
        }
        Ok(())
    }
}

/// Do an address and a hardware address name one device, as far as the town knows?
fn is_clean(town: &Town, ip: IpAddr, mac: Option<[u8; 6]>) -> bool {
    let owner = mac.and_then(|m| town.assets.iter().position(|a| a.mac == Some(m)));
    owner.is_none_or(|n| town.assets[n].role == "gateway" || oracle::who(town, ip) == oracle::Who::Asset(n))
}

fn is_failure(input: &Input, id: &str) -> bool {
    matches!(input, Input::Removed { action, result: Err(_) } if action.0 == id)
}

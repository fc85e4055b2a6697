//! Doing what the governor decides, and telling it what happens.
//!
//! Owns: the order of things: an entry of the journal is on the disk before what follows from it is
//! begun; answers of the hand and of people find who waits for them. Does not own: any decision
//! (`Governor`), waiting (`serve`).

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use citywall_event::Nanos;
use citywall_response::playbook::{Said, Say};
use citywall_response::{
    Account, ActionId, Approved, Effect, Entry, Facts, Governor, Input, Moment, Plan, Refusal, Stage, View,
};
use serde_json::{Value, json};

use super::answers;
use super::channel::{Channel, Gone};
use super::connections::{Connections, Id};
use super::hand::fault;
use super::inspection::{self, Inspection};
use super::lines::{Ask, Request, Speaker};
use super::orders::{Answer, Element, Order, Status};
use super::people::{Peer, People};
use super::record::Record;

/// Questions of playbooks that are kept.
const QUESTIONS: usize = 256;
/// Those who wait for an answer.
const ASKING: usize = 256;
/// How long somebody waits for what was asked to be done.
const PATIENCE: Nanos = 8_000_000_000;
/// Inputs that follow from one another before the rest waits for the next round.
const CHAIN: usize = 4_096;

/// What an order was for.
enum Purpose {
    Apply(Vec<ActionId>),
    Remove(ActionId),
    Other(&'static str),
}

/// Somebody who waits until what was asked is done.
struct Asking {
    connection: Id,
    number: u64,
    action: ActionId,
    for_what: For,
    until: Nanos,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Approval,
    Rejection,
    Undoing,
}

/// Counters for `status`.
#[derive(Default)]
pub struct Counts {
    /// Notices heard.
    pub notices: u64,
    /// Lines refused.
    pub refused_lines: u64,
    /// Plans put in force.
    pub applied: u64,
    /// Actions taken back.
    pub removed: u64,
}

/// Everything that the loop holds.
pub struct Drive {
    governor: Governor,
    record: Record,
    hand: Channel,
    /// The control socket.
    pub connections: Connections,
    people: People,
    /// The process that judges packets.
    pub inspection: Inspection,
    orders: BTreeMap<u32, Purpose>,
    asking: Vec<Asking>,
    /// Who asked what is being heard now, for refusals.
    asker: Option<(Id, u64)>,
    answered: bool,
    questions: VecDeque<Said>,
    /// Whose vitals are wanted, and who is apart.
    wanted: (Vec<IpAddr>, Vec<IpAddr>),
    started: Nanos,
    /// Counters.
    pub counts: Counts,
}

impl Drive {
    /// Takes up a governor that was restored; its effects are carried out.
    ///
    /// # Errors
    /// Where the hand is gone.
    pub fn new(
        (governor, effects): (Governor, Vec<Effect>),
        record: Record,
        hand: Channel,
        connections: Connections,
        people: People,
        inspection: Inspection,
        now: Moment,
    ) -> Result<Drive, Gone> {
        let mut drive = Drive {
            governor,
            record,
            hand,
            connections,
            people,
            inspection,
            orders: BTreeMap::new(),
            asking: Vec::new(),
            asker: None,
            answered: false,
            questions: VecDeque::new(),
            wanted: Default::default(),
            started: now.steady,
            counts: Counts::default(),
        };
        let follow = drive.carry_out(now, effects)?;
        drive.hear_all(now, follow)?;
        Ok(drive)
    }

    /// To wait for the hand on.
    pub fn hand_socket(&self) -> std::os::fd::BorrowedFd<'_> {
        self.hand.socket()
    }

    /// Takes new connections.
    pub fn accept(&mut self, now: Nanos) {
        let people = &self.people;
        self.connections.accept(now, |uid| people.peer(uid));
    }

    /// Who may say what.
    pub fn people(&self) -> &People {
        &self.people
    }

    /// When the governor next wants to be asked.
    pub fn due(&self) -> Option<Nanos> {
        self.governor.due()
    }

    /// The line that says whose vitals are wanted.
    pub fn wanted(&self) -> String {
        answers::wanted(&self.wanted.0, &self.wanted.1)
    }

    /// Ends: gives back what the loop must close.
    pub fn into_hand(self) -> Channel {
        self.hand
    }

    /// The governor hears something.
    ///
    /// # Errors
    /// Where the hand is gone.
    pub fn hear(&mut self, now: Moment, input: Input) -> Result<(), Gone> {
        self.hear_all(now, VecDeque::from([input]))
    }

    fn hear_all(&mut self, now: Moment, mut inputs: VecDeque<Input>) -> Result<(), Gone> {
        let mut left = CHAIN;
        while let Some(input) = inputs.pop_front() {
            let effects = self.governor.hear(now, input);
            inputs.extend(self.carry_out(now, effects)?);
            left -= 1;
            if left == 0 {
                log::error!(
                    "{} inputs are left out: they follow from one another without end",
                    inputs.len()
                );
                break;
            }
        }
        self.settle(now);
        Ok(())
    }

    /// Does what is asked, in its order. Gives what is known of it at once.
    fn carry_out(&mut self, now: Moment, effects: Vec<Effect>) -> Result<VecDeque<Input>, Gone> {
        let mut follow = VecDeque::new();
        let mut entries: Vec<Entry> = Vec::new();
        let mut telling = Vec::new();
        for effect in effects {
            match effect {
                Effect::Journal(entry) => entries.push(entry),
                Effect::Apply(plan) => {
                    self.write(now, &mut entries);
                    self.tell_all(&mut telling);
                    self.apply(now, &plan, &mut follow)?;
                }
                Effect::Remove { action, measures } => {
                    self.write(now, &mut entries);
                    self.tell_all(&mut telling);
                    let elements = measures.into_iter().map(|measure| Element {
                        measure,
                        action: action.clone(),
                        life: 0,
                    });
                    let elements: Vec<Element> = elements.collect();
                    self.remove(action, elements, &mut follow)?;
                }
                // Told once what stands before it is on the disk: a storm is one flush, not thousands.
                words => telling.push(words),
            }
        }
        self.write(now, &mut entries);
        self.tell_all(&mut telling);
        Ok(follow)
    }

    fn tell_all(&mut self, telling: &mut Vec<Effect>) {
        for effect in telling.drain(..) {
            match effect {
                Effect::Tell(action) => self.tell(&action),
                Effect::Said(said) => self.say(said),
                Effect::Watch { addresses, apart } => self.watch(addresses, apart),
                Effect::Refused(refusal) => self.refuse(&refusal),
                Effect::Journal(_) | Effect::Apply(_) | Effect::Remove { .. } => {}
            }
        }
    }

    fn write(&mut self, now: Moment, entries: &mut Vec<Entry>) {
        if entries.is_empty() {
            return;
        }
        fault::point("before-journal");
        self.record.write(now.wall, entries);
        entries.clear();
        fault::point("after-journal");
    }

    fn apply(
        &mut self,
        now: Moment,
        plan: &Approved<Plan>,
        follow: &mut VecDeque<Input>,
    ) -> Result<(), Gone> {
        let actions: Vec<ActionId> = plan.get().actions.iter().map(|a| a.id.clone()).collect();
        let mut elements = Vec::new();
        for action in &plan.get().actions {
            elements.extend(action.measures.iter().map(|measure| Element {
                measure: measure.clone(),
                action: action.id.clone(),
                life: action.time_to_live,
            }));
        }
        let result = match self.record.trouble() {
            // What was decided is not on the disk: nothing may follow from it.
            Some(trouble) => Err(format!("the journal cannot be written: {trouble}")),
            None if elements.is_empty() => Ok(None),
            None => self.hand.order(&Order::Add(elements.clone()))?.map(Some),
        };
        fault::point("after-apply");
        match result {
            Ok(Some(number)) => {
                self.inspection.add(&elements, now.wall);
                self.orders.insert(number, Purpose::Apply(actions));
            }
            Ok(None) => follow.extend(applied(&actions, &Ok(()))),
            Err(why) => follow.extend(applied(&actions, &Err(why))),
        }
        Ok(())
    }

    fn remove(
        &mut self,
        action: ActionId,
        elements: Vec<Element>,
        follow: &mut VecDeque<Input>,
    ) -> Result<(), Gone> {
        self.inspection.remove(&elements);
        if elements.is_empty() {
            follow.push_back(Input::Removed {
                action,
                result: Ok(()),
            });
            return Ok(());
        }
        let order = self.hand.order(&Order::Remove(elements))?;
        fault::point("after-remove");
        match order {
            Ok(number) => {
                self.orders.insert(number, Purpose::Remove(action));
            }
            Err(why) => follow.push_back(Input::Removed {
                action,
                result: Err(why),
            }),
        }
        Ok(())
    }

    /// Gives an order that nobody waits for.
    ///
    /// # Errors
    /// Where the hand is gone.
    pub fn order(&mut self, order: &Order, name: &'static str) -> Result<(), Gone> {
        match self.hand.order(order)? {
            Ok(number) => {
                self.orders.insert(number, Purpose::Other(name));
            }
            Err(why) => log::warn!("{name}: {why}"),
        }
        Ok(())
    }

    /// Takes the hand's answers.
    ///
    /// # Errors
    /// Where the hand is gone.
    pub fn hear_hand(&mut self, now: Moment) -> Result<(), Gone> {
        while let Some(answer) = self.hand.answer()? {
            fault::point("after-answer");
            if answer.status == Status::More {
                continue;
            }
            let inputs = self.answered(&answer);
            self.hear_all(now, inputs)?;
        }
        Ok(())
    }

    fn answered(&mut self, answer: &Answer) -> VecDeque<Input> {
        let result = match answer.status {
            Status::Done | Status::More => Ok(()),
            Status::Refused | Status::Failed => Err(answer.sentence.clone()),
        };
        match self.orders.remove(&answer.number) {
            Some(Purpose::Apply(actions)) => {
                self.counts.applied += u64::from(result.is_ok());
                applied(&actions, &result).into()
            }
            Some(Purpose::Remove(action)) => {
                self.counts.removed += u64::from(result.is_ok());
                VecDeque::from([Input::Removed { action, result }])
            }
            Some(Purpose::Other(name)) => {
                if let Err(why) = result {
                    log::error!("{name}: {why}");
                }
                VecDeque::new()
            }
            None => VecDeque::new(),
        }
    }

    fn tell(&mut self, action: &citywall_event::Action) {
        log::info!(
            "{} {} {}: {} ({})",
            action.status,
            action.kind,
            action.target,
            action.reason,
            action.incident
        );
        self.connections
            .send_all(&answers::told(action), |c| c.subscribed);
    }

    fn say(&mut self, said: Said) {
        self.connections
            .send_all(&answers::said_line(&said), |c| c.subscribed);
        match &said.say {
            Say::Ask(_) => {
                if self.questions.len() >= QUESTIONS {
                    self.questions.pop_front();
                }
                self.questions.push_back(said);
            }
            Say::Over { playbook, .. } => {
                let of = |s: &Said| matches!(&s.say, Say::Ask(q) if q.playbook == *playbook);
                self.questions.retain(|s| s.incident != said.incident || !of(s));
            }
            Say::Wish(_) => {}
        }
    }

    fn watch(&mut self, addresses: Vec<IpAddr>, apart: Vec<IpAddr>) {
        let now = (addresses, apart);
        if now != self.wanted {
            self.wanted = now;
            let line = self.wanted();
            self.connections
                .send_all(&line, |c| c.speaker == Some(Speaker::Sensor));
        }
    }

    fn refuse(&mut self, refusal: &Refusal) {
        match self.asker {
            Some((connection, number)) if !self.answered => {
                self.answered = true;
                let line = answers::refused(number, &refusal.reason);
                self.connections.send(connection, &line);
            }
            _ => log::info!("refused: {}", refusal.reason),
        }
    }

    /// A person asks.
    ///
    /// # Errors
    /// Where the hand is gone.
    pub fn ask(&mut self, now: Moment, connection: Id, peer: &Peer, request: Request) -> Result<(), Gone> {
        let Request { number, ask } = request;
        if let Err(why) = self.people.may(peer, &ask) {
            self.connections
                .send(connection, &answers::error(Some(number), "not-permitted", &why));
            return Ok(());
        }
        let by = Account::unix(&peer.account);
        let (input, waits) = match ask {
            Ask::List => return self.reply(connection, number, self.list()),
            Ask::Status => return self.reply(connection, number, self.status(now)),
            Ask::Journal(last) => return self.reply(connection, number, self.journal(last)),
            Ask::Subscribe => {
                if let Some(connection) = self.connections.get(connection) {
                    connection.subscribed = true;
                }
                return self.reply(connection, number, json!({ "done": "subscribed" }));
            }
            Ask::Approve { action, hash, reason } => {
                let written = self.note(now, peer, "approve", &action.0, &reason);
                if !written {
                    return self.no_journal(connection, number);
                }
                let waits = Some((action.clone(), For::Approval));
                (Input::Approve { by, action, hash }, waits)
            }
            Ask::Reject { action, reason } => {
                self.note(now, peer, "reject", &action.0, &reason);
                let waits = Some((action.clone(), For::Rejection));
                (Input::Reject { by, action }, waits)
            }
            Ask::Undo { action, reason } => {
                // Taking back does not wait for a disk.
                self.note(now, peer, "undo", &action.0, &reason);
                let waits = Some((action.clone(), For::Undoing));
                (Input::Undo { by, action }, waits)
            }
            Ask::Propose(proposal) => {
                if !self.note(now, peer, "propose", proposal.rung.name(), &proposal.reason) {
                    return self.no_journal(connection, number);
                }
                (Input::Propose { by, proposal }, None)
            }
            Ask::Answer(answer) => {
                self.note(now, peer, "answer", &answer.incident, &answer.step);
                self.questions.retain(|said| {
                    let same = matches!(&said.say, Say::Ask(q) if q.step == answer.step);
                    said.incident != answer.incident || !same
                });
                (Input::Answer { by, answer }, None)
            }
            Ask::EndActs => {
                self.note(now, peer, "end-acts", "", "");
                (Input::EndActs { by }, None)
            }
            Ask::Act(_) => {
                let why = "signed acts are read from files: start the enforcer with --act FILE, and reload it (SIGHUP) for a new one";
                self.connections
                    .send(connection, &answers::error(Some(number), "not-here", why));
                return Ok(());
            }
        };
        self.hear_from(now, (connection, number), input, waits)
    }

    fn hear_from(
        &mut self,
        now: Moment,
        asker: (Id, u64),
        input: Input,
        waits: Option<(ActionId, For)>,
    ) -> Result<(), Gone> {
        let before: Vec<ActionId> = match waits {
            None => self.governor.actions().into_iter().map(|v| v.action.id).collect(),
            Some(_) => Vec::new(),
        };
        self.asker = Some(asker);
        self.answered = false;
        let heard = self.hear(now, input);
        self.asker = None;
        heard?;
        if self.answered {
            return Ok(());
        }
        match waits {
            Some((action, for_what)) => {
                if self.asking.len() >= ASKING {
                    self.asking.remove(0);
                }
                self.asking.push(Asking {
                    connection: asker.0,
                    number: asker.1,
                    action,
                    for_what,
                    until: now.steady + PATIENCE,
                });
                self.settle(now);
                Ok(())
            }
            None => {
                let new = self
                    .governor
                    .actions()
                    .into_iter()
                    .filter(|v| !before.contains(&v.action.id));
                let new: Vec<Value> = new.map(|v| answers::view(&v)).collect();
                self.reply(asker.0, asker.1, json!({ "done": "heard", "actions": new }))
            }
        }
    }

    fn reply(&mut self, connection: Id, number: u64, members: Value) -> Result<(), Gone> {
        self.connections
            .send(connection, &answers::answer(number, members));
        Ok(())
    }

    fn no_journal(&mut self, connection: Id, number: u64) -> Result<(), Gone> {
        let why = format!(
            "the journal cannot be written, and what cannot be recorded is not done: {}",
            self.record.trouble().unwrap_or("")
        );
        self.connections
            .send(connection, &answers::error(Some(number), "journal", &why));
        Ok(())
    }

    fn note(&mut self, now: Moment, peer: &Peer, ask: &str, action: &str, reason: &str) -> bool {
        let person = self.people.person(peer).map(|(name, _)| name);
        let body = json!({
            "account": peer.account, "person": person, "ask": ask, "about": action, "reason": reason,
        });
        self.record.asked(now.wall, body.to_string())
    }

    /// Answers those whose action has come to where they wait for it.
    fn settle(&mut self, now: Moment) {
        if self.asking.is_empty() {
            return;
        }
        let views: BTreeMap<ActionId, View> = self
            .governor
            .actions()
            .into_iter()
            .map(|view| (view.action.id.clone(), view))
            .collect();
        let asking = std::mem::take(&mut self.asking);
        for one in asking {
            let line = match settled(&one, views.get(&one.action), now.steady) {
                Some(line) => line,
                None => {
                    self.asking.push(one);
                    continue;
                }
            };
            self.connections.send(one.connection, &line);
        }
    }

    fn list(&self) -> Value {
        let actions: Vec<Value> = self.governor.actions().iter().map(answers::view).collect();
        let questions: Vec<Value> = self.questions.iter().map(answers::said).collect();
        json!({ "actions": actions, "questions": questions })
    }

    fn status(&self, now: Moment) -> Value {
        let actions = self.governor.actions();
        let at = |stage| actions.iter().filter(|v| v.stage == stage).count();
        json!({ "status": {
            "up_s": (now.steady - self.started) / 1_000_000_000,
            "proposed": at(Stage::Proposed),
            "active": at(Stage::Active) + at(Stage::Applying) + at(Stage::Undoing),
            "sensors": self.connections.count(|c| c.speaker == Some(Speaker::Sensor)),
            "watched": self.wanted.0,
            "journal": self.record.trouble().unwrap_or("written"),
            "journal_lost": self.record.lost,
            "hand": self.hand.pid(),
            "inspection": self.inspection.state(),
            "notices": self.counts.notices,
            "refused_lines": self.counts.refused_lines,
            "applied": self.counts.applied,
            "removed": self.counts.removed,
            "cut_connections": self.connections.cut,
        }})
    }

    fn journal(&self, last: usize) -> Value {
        match self.record.last(last) {
            Ok(entries) => {
                let entry = |e: &citywall_trust::journal::Entry| json!({ "seq": e.seq, "at": e.at, "kind": e.kind, "body": e.body });
                json!({ "entries": entries.iter().map(entry).collect::<Vec<Value>>() })
            }
            Err(error) => json!({ "entries": [], "trouble": format!("{error:#}") }),
        }
    }

    /// Every second: time passes, and the journal is tried again.
    ///
    /// # Errors
    /// Where the hand is gone.
    pub fn tick(&mut self, now: Moment) -> Result<(), Gone> {
        self.record.retry(now.wall);
        if self.inspection.died() {
            log::error!(
                "the inspection of packets died: the zones' choice holds for what is marked; start the enforcer again"
            );
        }
        let told = self.inspection.told();
        // It decides by something new from here on, and what it let go before may not be let go now.
        if told.iter().any(|line| inspection::decides_anew(line)) {
            self.order(&Order::JudgeAgain, "having conversations judged again")?;
        }
        for line in told {
            log::info!("inspection: {line}");
        }
        self.hear(now, Input::Tick)
    }

    /// The city file was read anew.
    ///
    /// # Errors
    /// Where the hand is gone.
    pub fn reload(&mut self, now: Moment, facts: Facts, people: People) -> Result<(), Gone> {
        self.people = people;
        let people = &self.people;
        self.connections.rename(|uid| people.peer(uid));
        self.hear(now, Input::City(Box::new(facts)))
    }
}

fn applied(actions: &[ActionId], result: &Result<(), String>) -> Vec<Input> {
    let of = |action: &ActionId| Input::Applied {
        action: action.clone(),
        result: result.clone(),
    };
    actions.iter().map(of).collect()
}

/// The answer to who waits, once there is one.
fn settled(one: &Asking, view: Option<&View>, now: Nanos) -> Option<String> {
    let done = |text: &str, view: &View| {
        Some(answers::answer(
            one.number,
            json!({ "done": text, "action": answers::view(view) }),
        ))
    };
    let failed = |text: &str| Some(answers::error(Some(one.number), "failed", text));
    let Some(view) = view else {
        return failed("there is no such action any more");
    };
    if let Some(outcome) = view.outcome.as_ref().filter(|_| view.stage == Stage::Ended) {
        use citywall_response::Outcome;
        let words = outcome.to_string();
        return match (one.for_what, outcome) {
            (For::Undoing, Outcome::Failed { .. }) => failed(&words),
            (For::Undoing, _) | (For::Rejection, Outcome::Rejected { .. }) => done(&words, view),
            _ => failed(&words),
        };
    }
    match (one.for_what, view.stage) {
        (For::Approval, Stage::Active) => return done("in force", view),
        (For::Approval, Stage::Proposed) if (view.approvals.len() as u64) < u64::from(view.needed) => {
            return done("noted: somebody else must approve it, too", view);
        }
        _ => {}
    }
    if now > one.until {
        return failed("it is not done yet: look at `citywall actions list`");
    }
    None
}

//! One playbook, step by step.
//!
//! Owns: where a run stands, and what each step leads to. A pure state machine: time, what the
//! incident says and what people answered are arguments; what it wants comes out as values. Does
//! not own: what a wish becomes. It ends: steps, turns, branches and nesting are counted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use citywall_event::Nanos;

use super::error::limits;
use super::model::{Command, Deed, Playbook, Target};
use super::variable::Fact;
use crate::Rung;

/// What comes out of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Out {
    Want {
        step: usize,
        rung: Rung,
        target: Target,
        time_to_live: Option<Nanos>,
        reason: String,
    },
    Ask {
        step: usize,
        text: String,
        until: Option<Nanos>,
    },
}

/// What a run may ask about: facts of the incident, and answers by step.
pub(crate) struct World<'a> {
    pub(crate) fact: &'a dyn Fn(&str) -> Fact,
    pub(crate) answers: &'a BTreeMap<usize, bool>,
}

/// Where a run stands.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) playbook: Arc<Playbook>,
    tokens: Vec<Token>,
    joins: BTreeMap<u32, Join>,
    next_join: u32,
    taken: u32,
    turns: BTreeMap<usize, u32>,
    /// Steps that this run has asked a person about, once answered.
    asked: BTreeSet<usize>,
    in_exception: bool,
    /// Something that it wanted was told.
    pub(crate) spoke: bool,
    /// Whether it was completed, and why it is over.
    pub(crate) over: Option<(bool, String)>,
}

/// One place where the run goes on.
#[derive(Clone, Debug)]
struct Token {
    at: usize,
    state: State,
    frames: Vec<Frame>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the step.
    Enter,
    /// Until its delay is over.
    Delayed(Nanos),
    /// Before this command.
    At(usize),
    /// For a person, at this command.
    Waiting(usize, Option<Nanos>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    /// In a branch of this step.
    Branch(usize),
    /// In a branch of a parallel step.
    Join(u32),
}

/// A parallel step that waits for its branches.
#[derive(Clone, Debug)]
struct Join {
    step: usize,
    left: usize,
    frames: Vec<Frame>,
}

impl Run {
    pub(crate) fn new(playbook: Arc<Playbook>) -> Run {
        let start = Token {
            at: playbook.start,
            state: State::Enter,
            frames: Vec::new(),
        };
        Run {
            playbook,
            tokens: vec![start],
            joins: BTreeMap::new(),
            next_join: 0,
            taken: 0,
            turns: BTreeMap::new(),
            asked: BTreeSet::new(),
            in_exception: false,
            spoke: false,
            over: None,
        }
    }

    /// When it goes on by itself.
    pub(crate) fn due(&self) -> Option<Nanos> {
        let due = |token: &Token| match token.state {
            State::Delayed(until) => Some(until),
            State::Waiting(_, until) => until,
            State::Enter | State::At(_) => Some(Nanos::MIN),
        };
        self.tokens.iter().filter_map(due).min()
    }

    /// Goes on as far as it can.
    pub(crate) fn advance(&mut self, now: Nanos, world: &World<'_>, out: &mut Vec<Out>) {
        while self.over.is_none() {
            let Some(index) = self.tokens.iter().position(|t| self.can_go(t, now, world)) else {
                break;
            };
            self.taken += 1;
            if self.taken > limits::TAKEN {
                self.stop(format!("stopped after {} steps", limits::TAKEN));
                break;
            }
            let token = self.tokens.remove(index);
            self.go(token, index, now, world, out);
        }
        if self.over.is_none() && self.tokens.is_empty() {
            self.over = Some(match self.in_exception {
                true => (false, "its exception branch came to its end".to_owned()),
                false => (true, "it came to its end".to_owned()),
            });
        }
    }

    fn can_go(&self, token: &Token, now: Nanos, world: &World<'_>) -> bool {
        match token.state {
            State::Enter | State::At(_) => true,
            State::Delayed(until) => until <= now,
            State::Waiting(_, until) => {
                until.is_some_and(|until| until <= now) || world.answers.contains_key(&token.at)
            }
        }
    }

    fn stop(&mut self, why: String) {
        self.tokens.clear();
        self.joins.clear();
        self.over = Some((false, why));
    }

    /// One move of one token, which was taken out of place `index`.
    fn go(&mut self, mut token: Token, index: usize, now: Nanos, world: &World<'_>, out: &mut Vec<Out>) {
        let playbook = Arc::clone(&self.playbook);
        let Some(step) = playbook.steps.get(token.at) else {
            return self.stop("a step that is not there".to_owned());
        };
        match token.state {
            State::Enter if step.delay > 0 => {
                token.state = State::Delayed(now.saturating_add(step.delay));
                self.tokens.insert(index, token);
            }
            State::Enter | State::Delayed(_) => self.enter(token, index, world),
            State::At(command) => self.command(token, index, command, now, out),
            State::Waiting(command, _) => match world.answers.get(&token.at) {
                Some(true) => {
                    self.asked.insert(token.at);
                    token.state = State::At(command + 1);
                    self.tokens.insert(index, token);
                }
                Some(false) => {
                    self.asked.insert(token.at);
                    self.fail(token, index, "could not be done");
                }
                None => self.fail(token, index, "was not answered in time"),
            },
        }
    }

    fn enter(&mut self, mut token: Token, index: usize, world: &World<'_>) {
        let playbook = Arc::clone(&self.playbook);
        let Some(step) = playbook.steps.get(token.at) else {
            return self.stop("a step that is not there".to_owned());
        };
        match &step.deed {
            Deed::Start => self.follow(token, index, step.on_completion),
            Deed::End => self.follow(token, index, None),
            Deed::Act(_) => {
                token.state = State::At(0);
                self.tokens.insert(index, token);
            }
            Deed::Parallel(branches) => self.fork(token, index, branches),
            Deed::If {
                condition,
                on_true,
                on_false,
            } => match (condition.holds(world.fact), on_false) {
                (true, _) => self.branch(token, index, *on_true),
                (false, Some(on_false)) => self.branch(token, index, *on_false),
                (false, None) => self.follow(token, index, step.on_completion),
            },
            Deed::While { condition, on_true } => {
                if !condition.holds(world.fact) {
                    return self.follow(token, index, step.on_completion);
                }
                let turns = self.turns.entry(token.at).or_default();
                *turns += 1;
                if *turns > limits::TURNS {
                    return self.stop(format!("stopped after {} turns of {}", limits::TURNS, step.id));
                }
                self.branch(token, index, *on_true);
            }
            Deed::Switch {
                variable,
                cases,
                default,
            } => {
                let value = match (world.fact)(variable) {
                    Fact::Text(text) => Some(text),
                    Fact::Int(number) => Some(number.to_string()),
                    Fact::Bool(value) => Some(value.to_string()),
                    Fact::List(_) | Fact::Unknown => None,
                };
                let case = cases.iter().find(|(case, _)| Some(case) == value.as_ref());
                match case.map(|(_, to)| *to).or(*default) {
                    Some(to) => self.branch(token, index, to),
                    None => self.follow(token, index, step.on_completion),
                }
            }
        }
    }

    fn command(&mut self, mut token: Token, index: usize, command: usize, now: Nanos, out: &mut Vec<Out>) {
        let playbook = Arc::clone(&self.playbook);
        let Some(step) = playbook.steps.get(token.at) else {
            return self.stop("a step that is not there".to_owned());
        };
        let Deed::Act(commands) = &step.deed else {
            return self.stop("a step that does nothing".to_owned());
        };
        match commands.get(command) {
            None => return self.follow(token, index, step.on_completion.or(step.on_success)),
            Some(Command::Want {
                rung,
                target,
                time_to_live,
                reason,
            }) => {
                out.push(Out::Want {
                    step: token.at,
                    rung: *rung,
                    target: *target,
                    time_to_live: *time_to_live,
                    reason: match reason.is_empty() {
                        true => step.description.clone(),
                        false => reason.clone(),
                    },
                });
                token.state = State::At(command + 1);
            }
            Some(Command::Ask { text }) => {
                let until = step.timeout.map(|timeout| now.saturating_add(timeout));
                out.push(Out::Ask {
                    step: token.at,
                    text: text.clone(),
                    until,
                });
                token.state = State::Waiting(command, until);
            }
        }
        self.tokens.insert(index, token);
    }

    /// Has this run been answered about a step before?
    pub(crate) fn was_answered(&self, step: usize) -> bool {
        self.asked.contains(&step)
    }

    /// Steps at which it waits for a person.
    pub(crate) fn waits_at(&self) -> impl Iterator<Item = usize> {
        let waits = |token: &Token| matches!(token.state, State::Waiting(..)).then_some(token.at);
        self.tokens.iter().filter_map(waits)
    }

    /// Does it stand where another run of the same playbook stands? Then one of them is enough.
    pub(crate) fn stands_like(&self, other: &Run) -> bool {
        let places = |run: &Run| -> Vec<(usize, Vec<Option<usize>>)> {
            let frame = |frame: &Frame| match frame {
                Frame::Branch(step) => Some(*step),
                // Joins are counted within a run.
                Frame::Join(_) => None,
            };
            let token = |token: &Token| (token.at, token.frames.iter().map(frame).collect());
            run.tokens.iter().map(token).collect()
        };
        self.playbook.id == other.playbook.id && self.over.is_none() && places(self) == places(other)
    }

    fn fail(&mut self, token: Token, index: usize, why: &str) {
        let playbook = Arc::clone(&self.playbook);
        let Some(step) = playbook.steps.get(token.at) else {
            return self.stop("a step that is not there".to_owned());
        };
        if let Some(next) = step.on_failure.or(step.on_completion) {
            return self.follow(token, index, Some(next));
        }
        let name = if step.name.is_empty() {
            &step.id
        } else {
            &step.name
        };
        match playbook.exception {
            Some(exception) if !self.in_exception => {
                self.in_exception = true;
                self.joins.clear();
                self.tokens = vec![Token {
                    at: exception,
                    state: State::Enter,
                    frames: Vec::new(),
                }];
            }
            _ => self.stop(format!("{name:?} {why}")),
        }
    }

    fn branch(&mut self, mut token: Token, index: usize, to: usize) {
        if token.frames.len() >= limits::NESTED {
            return self.stop(format!("more than {} branches within branches", limits::NESTED));
        }
        token.frames.push(Frame::Branch(token.at));
        self.follow(token, index, Some(to));
    }

    fn fork(&mut self, token: Token, index: usize, branches: &[usize]) {
        let room = limits::TOKENS.saturating_sub(self.tokens.len());
        if token.frames.len() >= limits::NESTED || branches.len() > room {
            return self.stop(format!("more than {} branches at a time", limits::TOKENS));
        }
        let join = self.next_join;
        self.next_join += 1;
        let mut frames = token.frames.clone();
        frames.push(Frame::Join(join));
        self.joins.insert(
            join,
            Join {
                step: token.at,
                left: branches.len(),
                frames: token.frames,
            },
        );
        for (place, to) in branches.iter().enumerate() {
            let branch = Token {
                at: *to,
                state: State::Enter,
                frames: frames.clone(),
            };
            self.tokens.insert(index + place, branch);
        }
    }

    /// Goes to a step, or ends the branch where there is none.
    fn follow(&mut self, mut token: Token, index: usize, next: Option<usize>) {
        let mut next = next;
        loop {
            if let Some(to) = next {
                // Back to the while that this is a branch of: the branch ends.
                if let Some(place) = token.frames.iter().position(|f| *f == Frame::Branch(to)) {
                    token.frames.truncate(place);
                }
                token.at = to;
                token.state = State::Enter;
                self.tokens.insert(index, token);
                return;
            }
            match token.frames.pop() {
                None => return,
                Some(Frame::Branch(step)) => {
                    let branching = self.playbook.steps.get(step);
                    next = branching.and_then(|s| match s.deed {
                        Deed::While { .. } => Some(step),
                        _ => s.on_completion,
                    });
                }
                Some(Frame::Join(join)) => {
                    let Some(waiting) = self.joins.get_mut(&join) else {
                        return;
                    };
                    waiting.left = waiting.left.saturating_sub(1);
                    if waiting.left > 0 {
                        return;
                    }
                    let Some(waiting) = self.joins.remove(&join) else {
                        return;
                    };
                    token.frames = waiting.frames;
                    next = self
                        .playbook
                        .steps
                        .get(waiting.step)
                        .and_then(|s| s.on_completion);
                }
            }
        }
    }
}

//! A playbook in plain words: what it would do, step by step, and what holds it back.
//!
//! Owns: the sentences of `citywall playbook check`. Does not own: the guards themselves (`gate`);
//! the list here says what they are.

use std::collections::BTreeSet;

use citywall_event::Nanos;

use super::error::limits;
use super::model::{Command, Deed, Playbook, Step};
use crate::Rung;

/// A line and how far it is indented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Branches that it lies in.
    pub depth: usize,
    /// The step's number in this explanation, where it begins one.
    pub number: Option<usize>,
    /// The sentence.
    pub text: String,
}

/// What a playbook would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The steps.
    pub lines: Vec<Line>,
    /// The rungs that it may want, mildest first.
    pub rungs: Vec<Rung>,
    /// What holds it back.
    pub guards: Vec<&'static str>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// Explains a playbook.
pub fn explain(playbook: &Playbook) -> Explanation {
    let mut teller = Teller {
        playbook,
        lines: Vec::new(),
        numbers: vec![None; playbook.steps.len()],
        next: 1,
        rungs: BTreeSet::new(),
    };
    teller.way(Some(playbook.start), 0);
    if let Some(exception) = playbook.exception {
        teller.line(
            0,
            None,
            "where a step cannot be done and says nothing of it:".to_owned(),
        );
        teller.way(Some(exception), 1);
    }
    let rungs: Vec<Rung> = teller.rungs.iter().copied().collect();
    Explanation {
        guards: guards(&rungs),
        notes: notes(playbook),
        lines: teller.lines,
        rungs,
    }
}

fn guards(rungs: &[Rung]) -> Vec<&'static str> {
    if rungs.iter().all(|r| *r <= Rung::Notify) {
        return vec!["it touches nothing: it looks and tells"];
    }
    let mut guards = vec![
        "it acts on suspects of its own incident alone; it cannot name an address",
        "never on a safety asset, one without clear tags, or one that a safety service rests on",
        "never on gateways, DNS, DHCP, time, management, sensors, or Citywall itself",
        "only on a source whose address is proved",
        "at most 1 % of a zone's devices (or one), 3 devices in 10 minutes unattended, 10 actions in the city",
        "a person approves each action, or a signed act for that zone and rung does until it expires",
        "each action ends by itself, and is taken back when devices or permitted work fare worse",
    ];
    if rungs.iter().any(|r| *r >= Rung::Quarantine) {
        guards.push("quarantine and isolation: of devices of normal criticality, unless two people approve");
    }
    guards
}

fn notes(playbook: &Playbook) -> Vec<String> {
    let mut notes = Vec::new();
    if playbook.incidents.is_empty() {
        notes.push("no label incident:KIND: it is never chosen by itself".to_owned());
    }
    if playbook.has_signatures {
        let text = "its own signatures are not looked at; sign it with citywall playbook sign";
        notes.push(text.to_owned());
    }
    for step in &playbook.steps {
        let asks = !step.question().is_empty();
        if matches!(step.deed, Deed::Act(_)) && !asks && step.on_failure.is_some() {
            notes.push(format!(
                "{}: on_failure is never taken, as a wish cannot fail",
                title(step)
            ));
        }
        if asks && step.timeout.is_none() {
            notes.push(format!(
                "{}: waits until somebody answers, as it has no timeout",
                title(step)
            ));
        }
    }
    notes
}

struct Teller<'a> {
    playbook: &'a Playbook,
    lines: Vec<Line>,
    numbers: Vec<Option<usize>>,
    next: usize,
    rungs: BTreeSet<Rung>,
}

impl Teller<'_> {
    fn line(&mut self, depth: usize, number: Option<usize>, text: String) {
        self.lines.push(Line { depth, number, text });
    }

    /// From a step to the end of its branch. Each step is told once.
    fn way(&mut self, from: Option<usize>, depth: usize) {
        let mut next = from;
        if depth > limits::NESTED + 2 {
            return self.line(depth, None, "and so on".to_owned());
        }
        while let Some(place) = next {
            let Some(step) = self.playbook.steps.get(place) else {
                return;
            };
            if let Some(number) = self.numbers[place] {
                return self.line(depth, None, format!("go on with step {number}"));
            }
            let silent = matches!(step.deed, Deed::Start | Deed::End) && step.delay == 0;
            if !silent {
                self.numbers[place] = Some(self.next);
                self.next += 1;
            }
            if step.delay > 0 {
                let number = self.numbers[place];
                self.line(depth, number, format!("wait {}", span(step.delay)));
            }
            self.step(place, step, depth);
            let either = step.on_success.or(step.on_failure);
            if step.on_completion.is_none() && either.is_some() && !step.question().is_empty() {
                for (what, to) in [("done", step.on_success), ("not done", step.on_failure)] {
                    if to.is_some() {
                        self.line(depth, None, format!("where it was {what}:"));
                        self.way(to, depth + 1);
                    }
                }
                return;
            }
            next = step.on_completion.or(step.on_success);
        }
    }

    fn step(&mut self, place: usize, step: &Step, depth: usize) {
        let mut number = self.numbers[place].filter(|_| step.delay == 0);
        let branch = |teller: &mut Self, head: String, to: usize| {
            teller.line(depth, None, head);
            teller.way(Some(to), depth + 1);
        };
        match &step.deed {
            Deed::Start | Deed::End => {}
            Deed::Act(commands) => {
                for command in commands {
                    let text = self.command(step, command);
                    self.line(depth, number.take(), text);
                }
            }
            Deed::Parallel(branches) => {
                self.line(depth, number, "at the same time:".to_owned());
                for (index, to) in branches.iter().enumerate() {
                    if index > 0 {
                        self.line(depth, None, "and:".to_owned());
                    }
                    self.way(Some(*to), depth + 1);
                }
            }
            Deed::If {
                condition,
                on_true,
                on_false,
            } => {
                self.line(depth, number, format!("if {}:", condition.text));
                self.way(Some(*on_true), depth + 1);
                if let Some(on_false) = on_false {
                    branch(self, "else:".to_owned(), *on_false);
                }
            }
            Deed::While { condition, on_true } => {
                let most = limits::TURNS;
                self.line(
                    depth,
                    number,
                    format!("as long as {} (at most {most} times):", condition.text),
                );
                self.way(Some(*on_true), depth + 1);
            }
            Deed::Switch {
                variable,
                cases,
                default,
            } => {
                self.line(depth, number, format!("by {variable}:"));
                for (value, to) in cases {
                    branch(self, format!("{value:?}:"), *to);
                }
                if let Some(to) = default {
                    branch(self, "any other:".to_owned(), *to);
                }
            }
        }
    }

    fn command(&mut self, step: &Step, command: &Command) -> String {
        match command {
            Command::Want {
                rung,
                target,
                time_to_live,
                reason,
            } => {
                self.rungs.insert(*rung);
                let long = match time_to_live {
                    Some(time) => format!(" for {}", span(*time)),
                    None => String::new(),
                };
                let why = if reason.is_empty() {
                    &step.description
                } else {
                    reason
                };
                let why = if why.is_empty() {
                    String::new()
                } else {
                    format!(": {why}")
                };
                format!("propose {} on {}{long}{why}", rung.name(), target.words())
            }
            Command::Ask { text } => match step.timeout {
                Some(time) => format!("ask a person, for at most {}: {text}", span(time)),
                None => format!("ask a person: {text}"),
            },
        }
    }
}

fn title(step: &Step) -> &str {
    if step.name.is_empty() {
        &step.id
    } else {
        &step.name
    }
}

/// `90s`, `30m`, `12h`, `7d`; milliseconds where there is no other way.
fn span(time: Nanos) -> String {
    let milliseconds = time / 1_000_000;
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if milliseconds > 0 && milliseconds % size == 0 {
            return format!("{}{unit}", milliseconds / size);
        }
    }
    format!("{milliseconds}ms")
}

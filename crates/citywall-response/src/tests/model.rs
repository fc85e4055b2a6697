//! Every interleaving of a small machine: two actions, two people, a hand that may fail or stay
//! silent, crashes at every effect, patience and lives that end.
//!
//! Breadth first over the real governor. In each state: an element of the kernel belongs to an
//! action that is on its way, and from each state a working hand and time alone lead to an empty
//! kernel: no undo is ever lost.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use citywall_event::{Crossing, Suspect};
use citywall_policy::City;

use super::kernel::Kernel;
use crate::{Account, Effect, Entry, Facts, Governor, Input, Moment, Notice, Settings, Stage};

const SECOND: i64 = 1_000_000_000;
/// Steps, one after another; `CITYWALL_DEPTH` says otherwise.
const DEPTH: usize = 5;

const TOWN: &str = r#"
[city]
name = "Two"
[[domain]]
name = "d"
[[zone]]
name = "cams"
domain = "d"
networks = ["10.1.0.0/24"]
criticality = "normal"
[[zone]]
name = "signals"
domain = "d"
networks = ["10.2.0.0/24"]
[[person]]
name = "Ada"
roles = ["operator", "approver"]
unix = ["ada", "ada2"]
[[person]]
name = "Ben"
roles = ["operator", "approver"]
unix = ["ben"]
"#;

#[derive(Clone)]
struct State {
    governor: Governor,
    kernel: Kernel,
    journal: Vec<Entry>,
    pending: VecDeque<Input>,
    now: i64,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Approve(&'static str, usize),
    Undo(usize),
    Answer,
    AnswerBad,
    Silence,
    Wait(i64),
}

impl State {
    /// Stands for the whole state: at greater depth the words of millions of them would not fit.
    fn key(&self) -> u128 {
        let words = format!("{:?} {:?} {:?}", self.governor, self.kernel, self.pending);
        let half = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            (salt, &words).hash(&mut hasher);
            u128::from(hasher.finish())
        };
        half(0) << 64 | half(1)
    }

    fn moment(&self) -> Moment {
        Moment {
            wall: 1_796_083_200 * SECOND + self.now,
            steady: self.now,
        }
    }

    fn hear(&mut self, input: Input, crash: Option<usize>) -> bool {
        let effects = self.governor.hear(self.moment(), input);
        self.carry_out(effects, crash)
    }

    /// True where the crash came.
    fn carry_out(&mut self, effects: Vec<Effect>, crash: Option<usize>) -> bool {
        for (place, effect) in effects.into_iter().enumerate() {
            if crash == Some(place) {
                self.restart();
                return true;
            }
            match effect {
                Effect::Journal(entry) => self.journal.push(entry),
                Effect::Apply(plan) => {
                    for action in &plan.get().actions {
                        let until = self.now + action.time_to_live;
                        for measure in &action.measures {
                            assert!(self.kernel.add(measure, &action.id.0, until), "overwritten");
                        }
                        self.pending.push_back(Input::Applied {
                            action: action.id.clone(),
                            result: Ok(()),
                        });
                    }
                }
                Effect::Remove { action, measures } => {
                    self.kernel.remove(&measures, &action.0);
                    self.pending.push_back(Input::Removed {
                        action,
                        result: Ok(()),
                    });
                }
                _ => {}
            }
        }
        false
    }

    fn restart(&mut self) {
        self.pending.clear();
        let facts = facts();
        let held = self.kernel.held(self.now);
        let (governor, effects) =
            Governor::restore(facts, Settings::default(), &self.journal, &held, self.moment());
        self.governor = governor;
        self.carry_out(effects, None);
    }

    fn step(&self, step: Step, crash: Option<usize>) -> Option<(State, bool)> {
        let mut next = self.clone();
        let ids: Vec<_> = self
            .governor
            .stages()
            .map(|(id, hash, _)| (id.clone(), hash))
            .collect();
        let input = match step {
            Step::Approve(who, n) => {
                let (action, hash) = ids.get(n)?.clone();
                Input::Approve {
                    by: Account::unix(who),
                    action,
                    hash,
                }
            }
            Step::Undo(n) => Input::Undo {
                by: Account::unix("ben"),
                action: ids.get(n)?.0.clone(),
            },
            Step::Answer => next.pending.pop_front()?,
            Step::AnswerBad => match next.pending.pop_front()? {
                Input::Applied { action, .. } => {
                    next.kernel.elements.retain(|e| e.comment != action.0);
                    Input::Applied {
                        action,
                        result: Err("no".to_owned()),
                    }
                }
                _ => return None,
            },
            Step::Silence => {
                next.pending.pop_front()?;
                Input::Tick
            }
            Step::Wait(span) => {
                next.now += span;
                next.kernel.pass(next.now);
                Input::Tick
            }
        };
        let crashed = next.hear(input, crash);
        Some((next, crashed))
    }

    fn check(&self) {
        for element in &self.kernel.elements {
            let held = self.governor.stages().any(|(id, _, stage)| {
                id.0 == element.comment && matches!(stage, Stage::Applying | Stage::Active | Stage::Undoing)
            });
            assert!(held, "{element:?} belongs to nobody");
        }
        for view in self
            .governor
            .actions()
            .iter()
            .filter(|v| v.stage == Stage::Active)
        {
            assert!(view.approvals.len() as u32 >= view.needed, "{view:?}");
        }
        let mut rest = self.clone();
        for _ in 0..6 {
            while let Some(input) = rest.pending.pop_front() {
                rest.hear(input, None);
            }
            rest.now += 40 * 60 * SECOND;
            rest.kernel.pass(rest.now);
            rest.hear(Input::Tick, None);
        }
        assert!(rest.kernel.elements.is_empty(), "an undo was lost");
        assert_eq!(rest.governor.stages().count(), 0, "an action never ends");
    }
}

fn facts() -> Facts {
    let city = City::parse(TOWN, "two.toml").expect("a city file");
    Facts::of(&city, 1, Vec::new(), Vec::new())
}

/// One action that one person may approve, and one that takes two.
fn begin() -> State {
    let mut state = State {
        governor: Governor::new(facts(), Settings::default()),
        kernel: Kernel::default(),
        journal: Vec::new(),
        pending: VecDeque::new(),
        now: 0,
    };
    let suspect = |name: &str, ip: &str, taken| Suspect {
        name: name.to_owned(),
        address: ip.parse().ok(),
        mac: None,
        taken,
        proved: true,
    };
    let crossing = Crossing {
        suspect: 1,
        zone: "cams".to_owned(),
        targets: vec!["10.1.0.9".parse().expect("an address")],
    };
    let notice = Notice {
        incident: "I0-1-1".to_owned(),
        severity: 1,
        suspects: vec![
            suspect("cam", "10.1.0.5", true),
            suspect("signal", "10.2.0.5", false),
        ],
        crossings: vec![crossing],
        ..Notice::default()
    };
    state.hear(Input::Notices(vec![notice]), None);
    assert_eq!(state.governor.stages().count(), 2);
    state
}

#[test]
fn every_interleaving_of_a_small_machine() {
    let mut steps = vec![
        Step::Answer,
        Step::AnswerBad,
        Step::Silence,
        Step::Wait(6 * SECOND),
        Step::Wait(31 * 60 * SECOND),
    ];
    for action in 0..2 {
        steps.extend(["ada", "ada2", "ben"].map(|who| Step::Approve(who, action)));
        steps.push(Step::Undo(action));
    }
    let depth = std::env::var("CITYWALL_DEPTH")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(DEPTH);
    let first = begin();
    let mut seen = HashSet::from([first.key()]);
    let mut frontier = vec![first];
    let (mut transitions, mut crashes) = (0_u64, 0_u64);
    for _ in 0..depth {
        let mut next = Vec::new();
        for state in &frontier {
            for step in &steps {
                for crash in (0..6).map(Some).chain([None]) {
                    let Some((after, crashed)) = state.step(*step, crash) else {
                        break;
                    };
                    if crash.is_some() && !crashed {
                        continue;
                    }
                    transitions += 1;
                    crashes += u64::from(crashed);
                    if seen.insert(after.key()) {
                        after.check();
                        next.push(after);
                    }
                }
            }
        }
        frontier = next;
    }
    println!(
        "{} states, {transitions} transitions, {crashes} of them crashes, to depth {depth}",
        seen.len()
    );
    assert!(seen.len() > 100);
}

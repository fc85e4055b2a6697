//! A governor whose clocks are packet time: what `watch` and a rehearsal have in common.
//!
//! Owns: when the governor hears that time has passed, and that each answer is heard before
//! anything later. Does not own: what becomes of its effects.

use std::collections::VecDeque;

use citywall_event::Nanos;

use crate::{Effect, Governor, Input, Moment};

/// Times of its own that the governor is given between two inputs.
const TICKS: usize = 10_000;
/// Answers to one input: each may lead to more, but not without end.
const ANSWERS: usize = 4_096;

/// What is done with an effect at a time; it may put answers of the hand into the queue.
pub type Hand<'h> = &'h mut dyn FnMut(Nanos, Effect, &mut VecDeque<Input>);

/// The governor, and how far its time is. The same inputs at the same times give the same effects,
/// however often `reach` is called in between.
#[derive(Clone, Debug)]
pub struct Paced {
    governor: Governor,
    now: Option<Nanos>,
}

impl Paced {
    /// Time begins with the first input.
    pub fn new(governor: Governor) -> Paced {
        Paced { governor, now: None }
    }

    /// The governor, for what it knows.
    pub fn governor(&self) -> &Governor {
        &self.governor
    }

    /// How far time is; `None` before the first input.
    pub fn now(&self) -> Option<Nanos> {
        self.now
    }

    /// True where something falls due by then.
    pub fn is_due(&self, by: Nanos) -> bool {
        self.now.is_some() && self.governor.due().is_some_and(|due| due <= by)
    }

    /// Goes to a time, past what falls due before it. Time never goes backward.
    pub fn reach(&mut self, to: Nanos, hand: Hand<'_>) {
        let mut now = self.now.unwrap_or(to);
        for _ in 0..TICKS {
            let due = self.governor.due().filter(|due| self.now.is_some() && *due <= to);
            let Some(due) = due else { break };
            // What is overdue is due one moment later, so that time goes on.
            now = due.max(now.saturating_add(1)).min(to);
            self.hear_at(moment(now), Input::Tick, hand);
            if now >= to {
                break;
            }
        }
        self.now = Some(to.max(now));
    }

    /// Hears something at the time that was reached.
    pub fn hear(&mut self, input: Input, hand: Hand<'_>) {
        let now = moment(self.now.unwrap_or_default());
        self.hear_at(now, input, hand);
    }

    /// Hears something as it was heard then, by both clocks.
    pub fn hear_at(&mut self, now: Moment, input: Input, hand: Hand<'_>) {
        self.now = Some(now.steady);
        let mut inputs = VecDeque::from([input]);
        for _ in 0..ANSWERS {
            let Some(input) = inputs.pop_front() else { break };
            for effect in self.governor.hear(now, input) {
                hand(now.steady, effect, &mut inputs);
            }
        }
    }
}

/// In a replay packet time is both clocks.
fn moment(at: Nanos) -> Moment {
    Moment { wall: at, steady: at }
}

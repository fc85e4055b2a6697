//! What the governor keeps of an action, of an incident and of time.
//!
//! Owns: these values. Does not own: what becomes of them.

use std::net::IpAddr;

use citywall_event::{Nanos, Phrase};

use super::Stage;
use crate::bug::{Bug, planted};
use crate::effect::Outcome;
use crate::{Action, ActionId, Grounds, Measure, Moment, Notice, Plan, PlanHash, Rung, Vital};

/// Kinds and targets that were wanted of one incident already.
const KNOWN: usize = 64;

/// An action on its way.
#[derive(Clone, Debug)]
pub(super) struct Tracked {
    /// One action.
    pub(super) plan: Plan,
    pub(super) hash: PlanHash,
    pub(super) stage: Stage,
    pub(super) grounds: Grounds,
    pub(super) severity: u8,
    /// People by name, each once.
    pub(super) approvals: Vec<String>,
    pub(super) needed: u32,
    /// Until when it can be approved, or is in force.
    pub(super) until: Nanos,
    /// When the hand was told.
    pub(super) sent: Nanos,
    /// When, by the wall clock, it was put in force.
    pub(super) began: Moment,
    pub(super) outcome: Option<Outcome>,
    /// Those who must not fare worse, as they fared before.
    pub(super) baseline: Vec<Vital>,
    pub(super) watch: Vec<IpAddr>,
    /// It was ended by its own hand once: by itself it does not begin again.
    pub(super) waits_for_people: bool,
}

impl Tracked {
    pub(super) fn action(&self) -> &Action {
        static NONE: Action = Action {
            id: ActionId(String::new()),
            rung: Rung::Observe,
            target: Phrase::NONE,
            reason: Phrase::NONE,
            owner: String::new(),
            time_to_live: 0,
            measures: Vec::new(),
        };
        // Plans here have one action by construction.
        self.plan.actions.first().unwrap_or(&NONE)
    }
}

/// The serial number in an action's id: what stands behind the last full stop.
pub(super) fn serial_of(id: &ActionId) -> Option<u64> {
    let (incident, serial) = id.0.rsplit_once('.')?;
    let ours = incident.starts_with('I') || incident == BY_HAND;
    let plain = !serial.is_empty() && serial.bytes().all(|b| b.is_ascii_digit());
    (ours && plain).then(|| serial.parse().ok()).flatten()
}

/// What stands for an incident where a person acts without one.
pub(super) const BY_HAND: &str = "M";

/// What is known of an incident.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) notice: Notice,
    /// What was wanted, so that it is not wanted again.
    wanted: Vec<(Rung, String)>,
}

impl Known {
    pub(super) fn new(notice: Notice) -> Known {
        Known {
            notice,
            wanted: Vec::new(),
        }
    }

    /// True the first time that this is wanted, as long as there is room.
    pub(super) fn is_new(&mut self, rung: Rung, target: &str, measures: &[Measure]) -> bool {
        let wanted = (rung, wanted_as(target, measures));
        if self.wanted.contains(&wanted) || self.wanted.len() >= KNOWN {
            return false;
        }
        self.wanted.push(wanted);
        true
    }

    /// What was wanted is over, and may be wanted again.
    pub(super) fn is_over(&mut self, rung: Rung, target: &str, measures: &[Measure]) {
        let over = (rung, wanted_as(target, measures));
        self.wanted.retain(|wanted| *wanted != over);
    }
}

/// A target's words do not say of which protocol a flood is.
fn wanted_as(target: &str, measures: &[Measure]) -> String {
    match measures.first() {
        Some(Measure::LimitInto { protocol, .. }) => format!("{target} {protocol}"),
        Some(Measure::SynProxy { port, .. }) => format!("{target} {port}"),
        Some(Measure::DropAnswers { from_port, .. }) => format!("{target} {from_port}"),
        _ => target.to_owned(),
    }
}

/// The governor's own even time. It begins at 0, is carried over restarts by the journal, and grows
/// by what the steady clock grows; while the governor is down it stands still. So a budget never
/// frees itself by a jump of a clock or by a restart.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    now: Nanos,
    steady: Option<Nanos>,
    wall: Nanos,
    /// The latest wall time that was heard: an act that is over stays over.
    latest: Nanos,
}

impl Clock {
    pub(super) fn advance(&mut self, to: Moment) {
        if let Some(last) = self.steady {
            self.now = self.now.saturating_add(to.steady.saturating_sub(last).max(0));
        }
        if planted(Bug::WallClockSpans) {
            self.now = self.now.max(to.wall);
        }
        self.steady = Some(self.steady.map_or(to.steady, |last| last.max(to.steady)));
        self.wall = to.wall;
        self.latest = self.latest.max(to.wall);
    }

    /// Goes on where a journal's entry stands.
    pub(super) fn recall(&mut self, at: Moment) {
        self.now = self.now.max(at.steady);
        self.wall = at.wall;
        self.latest = self.latest.max(at.wall);
    }

    pub(super) fn now(&self) -> Nanos {
        self.now
    }

    /// The wall clock.
    pub(super) fn wall(&self) -> Nanos {
        self.wall
    }

    /// The latest wall time that was heard.
    pub(super) fn latest(&self) -> Nanos {
        self.latest
    }

    /// A new act was signed by this wall clock: a clock that once ran ahead ends no act for ever.
    pub(super) fn believe_wall(&mut self) {
        self.latest = self.wall;
    }

    pub(super) fn moment(&self) -> Moment {
        Moment {
            wall: self.wall,
            steady: self.now,
        }
    }

    /// The steady clock's time of a moment of the even time.
    pub(super) fn steady_of(&self, at: Nanos) -> Nanos {
        let base = self.steady.unwrap_or(0);
        base.saturating_add(at.saturating_sub(self.now))
    }
}

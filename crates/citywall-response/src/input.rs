//! All that a governor can hear.
//!
//! Owns: the inputs' shape. Does not own: who sends them, and whether that may be.

use std::net::IpAddr;

use citywall_event::Nanos;

use crate::playbook::Answer;
use crate::{Account, ActionId, Facts, Host, Notice, PlanHash, Rung, VerifiedAct};

/// The time of an input, by two clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    /// The wall clock: for people, for windows and for the ends of acts. May jump.
    pub wall: Nanos,
    /// A clock that runs evenly (`CLOCK_BOOTTIME`): for every span. Its zero has no meaning. In a
    /// replay: packet time.
    pub steady: Nanos,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// Incidents, as many as came together: the worst are heard first.
    Notices(Vec<Notice>),
    /// How devices fare.
    Vitals(Vec<Vital>),
    /// A person proposes by hand. Another must approve.
    Propose {
        /// By which account.
        by: Account,
        /// What.
        proposal: Proposal,
    },
    /// A person approves a plan as it was shown.
    Approve {
        /// By which account.
        by: Account,
        /// The action.
        action: ActionId,
        /// The hash that was shown with it.
        hash: PlanHash,
    },
    /// A person says no.
    Reject {
        /// By which account.
        by: Account,
        /// The action.
        action: ActionId,
    },
    /// A person takes an action back.
    Undo {
        /// By which account.
        by: Account,
        /// The action.
        action: ActionId,
    },
    /// A person answers a playbook's question.
    Answer {
        /// By which account.
        by: Account,
        /// What.
        answer: Answer,
    },
    /// A signed act was proved.
    Act(VerifiedAct),
    /// A person ends all acts: automatic mode is off.
    EndActs {
        /// By which account.
        by: Account,
    },
    /// The city file was read anew.
    City(Box<Facts>),
    /// The hand's answer to `Effect::Apply`.
    Applied {
        /// The action.
        action: ActionId,
        /// Why it did not succeed; the transaction then changed nothing.
        result: Result<(), String>,
    },
    /// The hand's answer to `Effect::Remove`: nothing of it is held any more, or why not.
    Removed {
        /// The action.
        action: ActionId,
        /// Why it did not succeed.
        result: Result<(), String>,
    },
    /// Time has passed; due every second and at `Governor::due`.
    Tick,
}

/// What a person proposes by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The incident that it is about, where there is one.
    pub incident: Option<String>,
    /// The rung; `observe` and `notify` cannot be proposed.
    pub rung: Rung,
    /// Against whom.
    pub host: Host,
    /// Towards whom, where the rung is about two ends: a zone's network, or one address.
    pub to: Option<citywall_event::Prefix>,
    /// For how long; `None` = the default.
    pub time_to_live: Option<Nanos>,
    /// Why.
    pub reason: String,
}

/// How a device fared in a span of time, as the sensor saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vital {
    /// Which.
    pub address: IpAddr,
    /// The span, nanoseconds.
    pub span: Nanos,
    /// Packets that it sent or got.
    pub packets: u64,
    /// Requests of protocols that are understood, in conversations that the policy allows, to or
    /// from it.
    pub asked: u64,
    /// How many of these were answered.
    pub answered: u64,
    /// Packets of allowed conversations that were lost.
    pub lost: u64,
    /// Whether its heartbeat (whatever it sends at regular times) came; `None` = it has none.
    pub heartbeat: Option<bool>,
}

//! Modes, caps and times of the governor.
//!
//! Owns: the numbers and what a signed act says. Does not own: where they are written (the city
//! file, the configuration) and how an act's signature is proved.

use citywall_event::Nanos;

use crate::Rung;

const SECOND: Nanos = 1_000_000_000;
const MINUTE: Nanos = 60 * SECOND;

/// What the governor does with a plan that no signed act covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Plans are told; nothing can be approved.
    Observe,
    /// A person approves.
    #[default]
    Propose,
}

/// Numbers of the governor. The caps can be made smaller than their defaults, not larger: larger
/// ones count as the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Without a signed act.
    pub mode: Mode,
    /// Actions in force at a time in the whole city.
    pub city_cap: u32,
    /// Devices that may be touched unattended within `unattended_window`.
    pub unattended_cap: u32,
    /// The span of `unattended_cap`; longer is stricter.
    pub unattended_window: Nanos,
    /// How long a proposal can be approved, and an approval holds.
    pub approval_lifetime: Nanos,
    /// How long an action is in force by default; a playbook may ask for less, or for up to
    /// `longest`.
    pub time_to_live: Nanos,
    /// The longest time to live.
    pub longest: Nanos,
    /// How long the hand may take before an order counts as failed.
    pub hand_patience: Nanos,
    /// How long something that was rolled back is not tried again unattended.
    pub regret: Nanos,
    /// Packets a second that `limit-rate` leaves.
    pub packets_per_second: u32,
    /// Proposals that are kept; the mildest go first.
    pub proposals: usize,
}

impl Settings {
    /// The most actions in force in a city, whatever is configured.
    pub const CITY_CAP: u32 = 10;
    /// The most devices touched unattended within `UNATTENDED_WINDOW`.
    pub const UNATTENDED_CAP: u32 = 3;
    /// The span of the unattended cap.
    pub const UNATTENDED_WINDOW: Nanos = 10 * MINUTE;
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            mode: Mode::Propose,
            city_cap: Settings::CITY_CAP,
            unattended_cap: Settings::UNATTENDED_CAP,
            unattended_window: Settings::UNATTENDED_WINDOW,
            approval_lifetime: 15 * MINUTE,
            time_to_live: 30 * MINUTE,
            longest: 24 * 60 * MINUTE,
            hand_patience: 5 * SECOND,
            regret: 24 * 60 * MINUTE,
            packets_per_second: 20,
            proposals: 256,
        }
    }
}

/// What a city signs to let some rungs happen without a person: for zones, until a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Act {
    /// Zone names; `outside` for hosts of none. Empty: the act permits nothing.
    pub zones: Vec<String>,
    /// The rungs.
    pub rungs: Vec<Rung>,
    /// Wall time at which it ends.
    pub expires: Nanos,
    /// Grows with every act; a smaller one than was heard is refused.
    pub serial: u64,
}

/// An act whose signature was proved by the enforcer (`citywall_trust::Signed<Act>`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VerifiedAct {
    /// What was signed.
    pub act: Act,
    /// Who signed: the key's id, for the journal.
    pub signer: String,
}

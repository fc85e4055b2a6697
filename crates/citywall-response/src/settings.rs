//! Modes, caps and times of the governor.
//!
//! Owns: the numbers and what a signed act says. Does not own: where they are written (the city
//! file, the configuration) and how an act's signature is proved.

use citywall_event::Nanos;
use citywall_policy::{City, ResponseMode};
use citywall_trust::{Payload, Purpose, Verified};
use serde::{Deserialize, Serialize};

use crate::Rung;
use crate::bug::{Bug, planted};

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

/// Numbers of the governor. `unattended_cap` can be made smaller than its default and
/// `unattended_window` longer; what would be laxer counts as the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Without a signed act.
    pub mode: Mode,
    /// Actions in force at a time in the whole city: the city file's `response.blast_radius`.
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
    /// The kernel can answer SYNs in a device's place (`firewall::Deployment::syn_proxy`).
    pub syn_proxy: bool,
    /// The wall in force can tell answers that nobody asked for by their port.
    pub drop_answers: bool,
    /// Proposals that are kept; the mildest go first.
    pub proposals: usize,
}

impl Settings {
    /// Actions in force in a city that says nothing of it.
    pub const CITY_CAP: u32 = 10;
    /// The most devices touched unattended within `UNATTENDED_WINDOW`.
    pub const UNATTENDED_CAP: u32 = 3;
    /// The span of the unattended cap.
    pub const UNATTENDED_WINDOW: Nanos = 10 * MINUTE;

    /// What the city file says, and else the defaults.
    pub fn of(city: &City) -> Settings {
        Settings {
            mode: match city.response.mode {
                ResponseMode::Observe => Mode::Observe,
                ResponseMode::Propose => Mode::Propose,
            },
            city_cap: city.response.blast_radius,
            ..Settings::default()
        }
    }

    pub(crate) fn unattended(&self) -> (u32, Nanos) {
        (
            self.unattended_cap.min(Settings::UNATTENDED_CAP),
            self.unattended_window.max(Settings::UNATTENDED_WINDOW),
        )
    }
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
            // What is only planned is planned for the usual kernel; the enforcer knows its own.
            syn_proxy: true,
            drop_answers: true,
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
    /// Grows with every act; one that is not greater than all that were heard is refused.
    pub serial: u64,
}

/// An act's form in its envelope.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActForm {
    zones: Vec<String>,
    rungs: Vec<String>,
    /// Seconds since 1970, UTC.
    expires: i64,
    serial: u64,
}

impl Act {
    /// Zones, and rungs, that an act can name.
    pub const NAMES: usize = 1_024;

    pub(crate) fn covers(&self, zone: &str, rung: Rung) -> bool {
        self.rungs.contains(&rung) && (self.zones.iter().any(|z| z == zone) || planted(Bug::ActEverywhere))
    }
}

impl Payload for Act {
    const PURPOSE: Purpose = Purpose::Act;

    fn subject(&self) -> String {
        "automatic".to_owned()
    }

    fn encode(&self) -> Vec<u8> {
        let form = ActForm {
            zones: self.zones.clone(),
            rungs: self.rungs.iter().map(|r| r.name().to_owned()).collect(),
            expires: self.expires.div_euclid(SECOND),
            serial: self.serial,
        };
        // Strings and numbers always have a form.
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8]) -> Result<Act, String> {
        let form: ActForm = serde_json::from_slice(bytes).map_err(|e| format!("an act: {e}"))?;
        if form.zones.len() > Act::NAMES || form.rungs.len() > Rung::ALL.len() {
            return Err(format!(
                "an act names {} zones at most, and each rung once",
                Act::NAMES
            ));
        }
        let rung = |name: &String| {
            let known = || Rung::ALL.map(Rung::name).join(", ");
            Rung::parse(name).ok_or_else(|| format!("an act names the rung {name:?}; there are {}", known()))
        };
        let expires = form.expires.checked_mul(SECOND);
        Ok(Act {
            zones: form.zones,
            rungs: form.rungs.iter().map(rung).collect::<Result<_, _>>()?,
            expires: expires.ok_or("an act ends some day: `expires` is beyond all times")?,
            serial: form.serial,
        })
    }
}

/// An act whose signature was proved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VerifiedAct {
    act: Act,
    signer: String,
}

impl VerifiedAct {
    /// What was signed.
    pub fn act(&self) -> &Act {
        &self.act
    }

    /// Who signed: a person of the city file, for the journal.
    pub fn signer(&self) -> &str {
        &self.signer
    }

    /// For a rehearsal, which does nothing: had all rungs been automatic in these zones. The
    /// enforcer has no use for it: its acts come out of envelopes.
    pub fn rehearsed(zones: Vec<String>) -> VerifiedAct {
        VerifiedAct {
            act: Act {
                zones,
                rungs: Rung::ALL.to_vec(),
                expires: Nanos::MAX,
                serial: 1,
            },
            signer: "rehearsal".to_owned(),
        }
    }

    /// The same for fewer rungs.
    #[must_use]
    pub fn only(mut self, rungs: &[Rung]) -> VerifiedAct {
        self.act.rungs.retain(|rung| rungs.contains(rung));
        self
    }

    /// As if it had been proved.
    #[cfg(test)]
    pub(crate) fn tested(act: Act) -> VerifiedAct {
        let signer = "Ada".to_owned();
        VerifiedAct { act, signer }
    }

    /// As it was journalled.
    pub(crate) fn remembered(act: Act, signer: String) -> VerifiedAct {
        VerifiedAct { act, signer }
    }
}

impl From<Verified<Act>> for VerifiedAct {
    fn from(verified: Verified<Act>) -> VerifiedAct {
        VerifiedAct {
            signer: verified.signer().principal.clone(),
            act: verified.into_value(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_that_never_ends_is_refused() {
        let act = |expires: i64| {
            Act::decode(format!(r#"{{"zones":["a"],"rungs":[],"expires":{expires},"serial":3}}"#).as_bytes())
        };
        assert_eq!(
            act(1_795_334_624).map(|act| act.expires),
            Ok(1_795_334_624 * SECOND)
        );
        assert_eq!(
            act(17_953_346_243_943),
            Err("an act ends some day: `expires` is beyond all times".to_owned())
        );
    }
}

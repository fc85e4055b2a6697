//! The city file: who is in the city's networks, who may reach whom and say what, and what
//! depends on what.
//!
//! Owns: the file's language and its errors, the checks for contradictions, and the two plain
//! values that it compiles to: `citywall_event::Context` for judging traffic and `Ruleset` for
//! enforcing. Does not own: what is really on the network (inventory), how a ruleset becomes
//! packets dropped (response), files and clocks: text and times are arguments.
//!
//! Entry points: [`City::parse`], [`City::check`], [`City::compile`]; [`Judged::explain`],
//! [`City::matrix`], [`difference`] and [`Learner`] are what `citywall policy` says in words. The format is explained by
//! [`EXAMPLE`].

mod allow;
mod ask;
mod check;
mod city;
mod compile;
mod diff;
mod ends;
mod error;
mod explain;
mod learn;
mod matrix;
mod overlap;
mod parse;
mod protocol;
mod reader;
mod resolve;
mod response;
mod ruleset;
mod suggest;
#[cfg(test)]
mod tests;
mod timezone;
mod window;

pub use check::Finding;
pub use city::{Asset, City, Conduit, Domain, Person, Role, Zone};
pub use diff::{Change, Difference, Direction, TooMany, difference};
pub use ends::{End, Judged};
pub use error::CityError;
pub use explain::{Answer, Explanation, Way};
pub use learn::{Doubt, Learner, Listener, Proposal, Seen, Told, Who};
pub use matrix::{Cell, Matrix};
pub use protocol::{known_function, known_protocols};
pub use response::{Denied, Inspect, ResponseMode, ResponseRules, WhenDown};
pub use ruleset::{Allow, Peer, RuledAsset, RuledZone, Ruleset};
pub use suggest::nearest;
pub use timezone::Timezone;
pub use window::{Day, Occurrence, Window};

/// The commented example of a city file: the format's reference.
pub const EXAMPLE: &str = include_str!("example.toml");

/// What a city file may hold at most. Larger files are refused by name of the limit.
pub mod limits {
    /// Bytes of a city file.
    pub const BYTES: usize = 4 << 20;
    /// Zones. `ZoneId` would hold more; screens and tables would not.
    pub const ZONES: usize = 1_024;
    /// Assets.
    pub const ASSETS: usize = 65_536;
    /// Conduits.
    pub const CONDUITS: usize = 8_192;
    /// Zone pairs that conduits name, summed over conduits (`"*"` counts once).
    pub const PAIRS: usize = 262_144;
    /// Services.
    pub const SERVICES: usize = 1_024;
    /// What one service depends on.
    pub const DEPENDENCIES: usize = 64;
    /// People.
    pub const PEOPLE: usize = 4_096;
    /// Maintenance windows.
    pub const WINDOWS: usize = 4_096;
    /// Errors that are told of one file.
    pub const ERRORS: usize = 100;
    /// Devices that may be acted against at a time.
    pub const BLAST_RADIUS: u32 = 1_000;
    /// Unix accounts of one person.
    pub const ACCOUNTS: usize = 64;
    /// Characters of a name.
    pub const NAME: usize = 64;
}

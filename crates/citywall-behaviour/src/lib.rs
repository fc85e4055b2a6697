//! Behaviour that is not normal: what shows only over many conversations.
//!
//! Owns: detectors that are keyed wider than a flow and live in the ordered stage: scans of one and of many, searches of a link, the
//! guessing of passwords, floods, clients that crowd a server, call-backs, names that carry data, uploads, worms, and claimed addresses; and
//! what is learned of normal use. Does not own: single conversations, and what follows.
//!
//! Each detector takes every event, in order, and gives at most one `Behaviour` for it. Time is
//! packet time; memory is bounded by its limits, and what was forgotten is counted.

pub mod allow;
mod beacon;
mod crowding;
mod flood;
mod guessing;
mod identity;
mod learned;
mod names;
mod random;
mod recent;
mod rhythm_habit;
mod scan;
mod scan_words;
mod shared_scan;
mod slow_guessing;
mod sweep;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_crowding;
#[cfg(test)]
mod tests_rhythms;
#[cfg(test)]
mod tests_scan;
#[cfg(test)]
mod tests_watches;
mod unusual;
mod upload;
mod worm;

pub use beacon::{BeaconLimits, BeaconWatch};
pub use crowding::{CrowdingLimits, CrowdingWatch};
pub use flood::{Class, FloodDetector, FloodFound, FloodLimits, Key, Meter, SLICE, Sample, Tally};
pub use guessing::{GuessingLimits, PasswordGuessing};
pub use identity::{IdentityLimits, IdentityWatch};
pub use learned::{
    Band, Calibration, Chances, Conversation, ConversationFeatures, Ensemble, Expected, Forecast, HOUR,
    Habit, HourTold, Hourly, Hours, Judgement, Model, ModelError, NUMBERS, Normal, Off, Outcome,
    PACKET_FEATURES, PacketFeatures, PacketRow, PacketSeen, Party, RATES, Rates, Reason, Scores, Seen, Sent,
    Spoken, WINDOW, Warmth, Windows, Workspace, packet_feature, together,
};
pub use names::{NameLimits, NameWatch};
pub use random::SplitMix64;
pub use scan::{ScanDetector, ScanLimits};
pub use shared_scan::{SharedScanLimits, SharedScans};
pub use slow_guessing::{SlowGuessing, SlowGuessingLimits};
pub use sweep::{SweepLimits, SweepWatch};
pub use unusual::{ClassBand, Figure, HourHeld, Unusual, UnusualLimits, UnusualWatch};
pub use upload::{UploadLimits, UploadWatch};
pub use worm::{WormLimits, WormWatch};

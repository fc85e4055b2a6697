//! What a run rests on, how old that is, and what it takes of the disk.
//!
//! Owns: the seam to who knows it, and the shapes that the page *Health* and the API show. Does not own:
//! reading files (the binary does).

use std::net::IpAddr;

use citywall_event::Phrase;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who knows.
pub trait Upkeep: Send + Sync {
    /// As it is now. It may look at files, no longer than a directory takes.
    fn now(&self) -> Standing;

    /// What signed models expect of classes of devices, and how far those have moved; nothing where there are none.
    fn foreseen(&self) -> Vec<Foreseen>;

    /// What the signed allow-list in force says of a device; none where there is no list.
    fn habits(&self, name: &str, addresses: &[IpAddr]) -> Option<Vec<Habit>>;
}

/// A class of devices, against its signed model.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Foreseen {
    /// The zone that the model is for, or `any`.
    pub class: String,
    /// Hours, oldest first: at most the last week's and the one under way.
    pub hours: Vec<ForeseenHour>,
    /// How far its devices have moved from what the model learned, once a day was judged.
    pub drift: Option<Drifted>,
}

impl Foreseen {
    /// Classes that are told of, at most.
    pub const MOST: usize = 64;
    /// The class of the model for whoever has none of its own.
    pub const ANY: &str = "any";
}

/// An hour of a class.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
pub struct ForeseenHour {
    /// Hour since 1970.
    pub hour: i64,
    /// Nine of ten normal hours have at least so many bytes,
    pub low: u64,
    /// and at most so many.
    pub high: u64,
    /// What was exchanged; none while the hour is under way.
    pub bytes: Option<u64>,
}

impl ForeseenHour {
    /// What was exchanged lies in the band; none while nobody knows.
    pub fn held(&self) -> Option<bool> {
        self.bytes.map(|bytes| (self.low..=self.high).contains(&bytes))
    }
}

/// How far a class has moved from its model on the last day that was judged.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Drifted {
    /// The middle of the devices' shifts (population stability index); up to 0.25 is normal.
    pub shift: f64,
    /// Devices that said enough to be judged.
    pub judged: u64,
    /// Devices of them that have moved.
    pub moved: u64,
    /// Devices of those that had not on the days before.
    pub suddenly: u64,
}

impl Drifted {
    /// How the class fares: `still`, `few` (single devices alone, which is told of them), `suddenly` (what an
    /// update does, and what spreads), `slowly` (the model ages).
    pub fn course(&self) -> &'static str {
        match (
            self.moved,
            self.moved * 2 > self.judged,
            self.suddenly * 2 > self.moved,
        ) {
            (0, ..) => "still",
            (_, false, _) => "few",
            (_, true, true) => "suddenly",
            (_, true, false) => "slowly",
        }
    }
}

/// A sentence of the signed allow-list.
#[derive(Clone, Debug)]
pub struct Habit {
    /// What is done.
    pub text: Phrase,
    /// Why it is only proposed, and not allowed.
    pub doubt: Option<Phrase>,
}

/// How the run stands.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Standing {
    /// What it rests on.
    pub files: Vec<Rests>,
    /// The disk, where the run writes to it.
    pub disk: Option<Disk>,
    /// Packets that the kernel dropped before they were seen; live alone.
    pub kernel_drops: Option<u64>,
    /// Packets that were given up on their way to the ring, where one is kept.
    pub packets_given_up: Option<u64>,
}

/// Something that judgements rest on.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Rests {
    /// `city`, `rules`, `makers`, `allow-list`, `model`.
    pub kind: &'static str,
    /// Which: a file, a class of devices.
    pub name: String,
    /// When it was last changed, seconds since 1970; none where it comes with the program.
    pub changed: Option<u64>,
    /// How many entries it has.
    pub entries: Option<u64>,
    /// Entries that were refused.
    pub refused: u64,
}

/// The disk's one number, and its parts.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Disk {
    /// The most that all may take, bytes.
    pub budget: u64,
    /// Each part.
    pub parts: Vec<Taken>,
}

/// A part of the disk that is taken.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Taken {
    /// `events`, `packets`, `console`.
    pub kind: &'static str,
    /// Bytes now.
    pub bytes: u64,
    /// It is within the budget; what people and certificates need is not.
    pub counted: bool,
}

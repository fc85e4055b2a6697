//! What a run rests on, how old that is, and what it takes of the disk.
//!
//! Owns: the seam to who knows it, and the shapes that the page *Health* and the API show. Does not own:
//! reading files (the binary does).

use std::net::IpAddr;

use citywall_event::Phrase;
use serde::Serialize;
use utoipa::ToSchema;

/// Who knows.
pub trait Upkeep: Send + Sync {
    /// As it is now. It may look at files, no longer than a directory takes.
    fn now(&self) -> Standing;

    /// What the signed allow-list in force says of a device; none where there is no list.
    fn habits(&self, name: &str, addresses: &[IpAddr]) -> Option<Vec<Habit>>;
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

//! What travels from the workers to the ordered stage.

use citywall_behaviour::{PacketSeen, Tally};
use citywall_event::{Event, Order};

use super::losses::Carried;
use crate::stats::Seen;

/// One thing that a worker found: its place, its rendered line, and its meaning where the ordered
/// stage has to judge it.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// Its place.
    pub order: Order,
    /// Its line in `Facts::text`; empty where there is none.
    pub start: u32,
    /// Length of the line.
    pub len: u32,
    /// Index into `Facts::events`, or `NO_EVENT`; into `Facts::tallies` where `kind` is `TALLY`, into
    /// `Facts::packets` where it is `PACKET`.
    pub event: u32,
    /// The event type of the line.
    pub kind: &'static str,
}

/// `Record::event` where there is none.
pub const NO_EVENT: u32 = u32::MAX;

/// `Record::kind` of a tally, which has no line.
pub const TALLY: &str = "tally";

/// `Record::kind` of a packet that a model judges, which has no line.
pub const PACKET: &str = "packet";

/// Bytes of lines, records and events each for which memory is kept.
const KEPT: usize = 8 << 20;

/// What one worker found in one batch, in order.
#[derive(Debug, Default)]
pub struct Facts {
    /// Everything that this worker will ever say below this place is said.
    pub watermark: Order,
    /// In ascending order.
    pub records: Vec<Record>,
    /// Rendered lines, each with its line feed.
    pub text: Vec<u8>,
    /// Meanings.
    pub events: Vec<Event>,
    /// What was counted of packets.
    pub tallies: Vec<Tally>,
    /// Packets, where a model judges them.
    pub packets: Vec<PacketSeen>,
    /// How packets of permitted conversations fared; of no place in the order.
    pub carried: Vec<Carried>,
    /// What this worker has seen so far; in the last facts of a batch only.
    pub seen: Option<Seen>,
}

impl Facts {
    /// The line of a record.
    pub fn line(&self, record: &Record) -> &[u8] {
        let start = record.start as usize;
        self.text.get(start..start + record.len as usize).unwrap_or(&[])
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.records.clear();
        self.text.clear();
        self.events.clear();
        self.tallies.clear();
        self.packets.clear();
        self.carried.clear();
        // One batch of very long lines does not stay for the run.
        self.text.shrink_to(KEPT);
        self.records.shrink_to(KEPT / size_of::<Record>());
        self.events.shrink_to(KEPT / size_of::<Event>());
        self.seen = None;
    }
}

//! The ring of slots: packets one way, verdicts the other.
//!
//! Owns: what lies where in the shared memory, the cursors, and the checks of all that the other
//! side wrote. Does not own: the mapping (`memory`), wake-ups and who sends what (`mod`).
//!
//! The holder fills slots in order and moves `head`; the parser answers in the same order, in the
//! slot itself, and moves `judged`. Each side keeps its own cursors privately and believes of the
//! other's only that it lies between what is possible. So a hostile parser can give wrong verdicts
//! on packets that it was given, and stop; it can do nothing else.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use super::memory::Memory;
use crate::nfqueue::Verdict;

/// Bytes of the longest packet that a slot holds, and of its replacement.
pub const PACKET: usize = 65_536;
/// Bytes of the longest answer.
pub const ANSWER: usize = 2_048;
/// Slots of a ring: a power of two.
pub const SLOTS: u32 = 256;

const PAGE: usize = 4_096;
const FIELDS: usize = 128;
const SLOT: usize = (FIELDS + PACKET + ANSWER).next_multiple_of(PAGE);
const LEN: usize = PAGE + SLOT * SLOTS as usize;

// In the first page, each on a cache line of its own.
const MAGIC_AT: usize = 0;
const HEAD: usize = 64;
const JUDGED: usize = 128;
const PARSER_SLEEPS: usize = 192;
const HOLDER_SLEEPS: usize = 256;

/// "CWQ" and the layout's version.
const MAGIC: u32 = 0x4357_5101;

// In a slot: the packet's words.
const CHOICE: usize = 0;
const MARK: usize = 4;
const IN_INTERFACE: usize = 8;
const FLAGS: usize = 12;
const LENGTH: usize = 16;
const AT_LOW: usize = 20;
const AT_HIGH: usize = 24;
const HARDWARE_LOW: usize = 28;
const HARDWARE_HIGH: usize = 32;
// The verdict's words.
const VERDICT: usize = 64;
const NEW_MARK: usize = 68;
const NEW_LENGTH: usize = 72;
const ANSWER_LENGTH: usize = 76;
const REPLY_FLAGS: usize = 80;

const OFFLOADED: u32 = 1;
const HAS_HARDWARE: u32 = 2;
const HAS_MARK: u32 = 1;

/// What is told of a packet besides its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Its zone is one that fails closed.
    pub closed: bool,
    /// Packet mark.
    pub mark: u32,
    /// Where it came in.
    pub in_interface: u32,
    /// Hardware address of the one who handed it over: the sender's own only on its link.
    pub from_hardware: Option<[u8; 6]>,
    /// Checksums are not computed yet, or several segments stand in it.
    pub offloaded: bool,
    /// When it was queued, nanoseconds since the epoch.
    pub at: i64,
}

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Pass or drop.
    pub verdict: Verdict,
    /// The packet's new mark.
    pub mark: Option<u32>,
    /// The packet's new bytes; empty = as they are.
    pub payload: Vec<u8>,
    /// A packet to the one who sent it; empty = none.
    pub answer: Vec<u8>,
}

impl Default for Reply {
    fn default() -> Reply {
        Reply {
            verdict: Verdict::Accept,
            mark: None,
            payload: Vec::new(),
            answer: Vec::new(),
        }
    }
}

impl Reply {
    /// Pass as it is; keeps the memory.
    pub fn reset(&mut self) {
        self.verdict = Verdict::Accept;
        self.mark = None;
        self.payload.clear();
        self.answer.clear();
    }
}

/// The other side wrote what cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// It says that it is where it cannot be: nothing of it can be believed any more.
    #[error("the other side's cursor is out of range")]
    Cursor,
    /// A verdict that is none, or a length that does not fit. The slot is used up all the same.
    #[error("the other side wrote a verdict that is none, or a length that does not fit")]
    Slot,
}

fn slot(index: u32) -> usize {
    PAGE + SLOT * (index % SLOTS) as usize
}

/// The end that holds the queue.
pub struct HolderRing {
    memory: Memory,
    head: u32,
    tail: u32,
    judged: u32,
}

impl HolderRing {
    /// New memory and its ring.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn new() -> io::Result<HolderRing> {
        let memory = Memory::new(LEN)?;
        memory.store(MAGIC_AT, MAGIC);
        Ok(HolderRing {
            memory,
            head: 0,
            tail: 0,
            judged: 0,
        })
    }

    /// The memory's file, for the other side.
    pub fn file(&self) -> BorrowedFd<'_> {
        self.memory.file()
    }

    /// Slots that are free.
    pub fn room(&self) -> usize {
        (SLOTS - self.head.wrapping_sub(self.tail)) as usize
    }

    /// Slots whose verdict was not taken yet.
    pub fn waiting(&self) -> usize {
        self.head.wrapping_sub(self.tail) as usize
    }

    /// Puts a packet in; false where there is no room or it is too long.
    pub fn push(&mut self, told: &Told, packet: &[u8]) -> bool {
        if self.room() == 0 || packet.len() > PACKET {
            return false;
        }
        let at = slot(self.head);
        let memory = &self.memory;
        memory.put(at + CHOICE, u32::from(told.closed));
        memory.put(at + MARK, told.mark);
        memory.put(at + IN_INTERFACE, told.in_interface);
        let [a, b, c, d, e, f] = told.from_hardware.unwrap_or_default();
        memory.put(at + HARDWARE_LOW, u32::from_ne_bytes([a, b, c, d]));
        memory.put(at + HARDWARE_HIGH, u32::from_ne_bytes([e, f, 0, 0]));
        let flag = |set, flag| if set { flag } else { 0 };
        let flags = flag(told.offloaded, OFFLOADED) | flag(told.from_hardware.is_some(), HAS_HARDWARE);
        memory.put(at + FLAGS, flags);
        memory.put(at + LENGTH, packet.len() as u32);
        memory.put(at + AT_LOW, told.at as u32);
        memory.put(at + AT_HIGH, (told.at as u64 >> 32) as u32);
        memory.write(at + FIELDS, packet);
        self.head = self.head.wrapping_add(1);
        memory.store(HEAD, self.head);
        true
    }

    /// Takes the next verdict into `reply`; false where there is none yet. With `RingError::Slot`
    /// the packet is done with, but has no verdict.
    ///
    /// # Errors
    /// Where the other side wrote what cannot be.
    pub fn take(&mut self, reply: &mut Reply) -> Result<bool, RingError> {
        reply.reset();
        if self.judged == self.tail {
            let judged = self.memory.load(JUDGED);
            if judged.wrapping_sub(self.tail) > self.head.wrapping_sub(self.tail) {
                return Err(RingError::Cursor);
            }
            self.judged = judged;
            if judged == self.tail {
                return Ok(false);
            }
        }
        let at = slot(self.tail);
        self.tail = self.tail.wrapping_add(1);
        let memory = &self.memory;
        // Each word is read once, then judged, then used.
        let (verdict, flags) = (memory.peek(at + VERDICT), memory.peek(at + REPLY_FLAGS));
        let length = memory.peek(at + NEW_LENGTH) as usize;
        let answer = memory.peek(at + ANSWER_LENGTH) as usize;
        reply.verdict = match verdict {
            0 => Verdict::Drop,
            1 => Verdict::Accept,
            _ => return Err(RingError::Slot),
        };
        if length > PACKET || answer > ANSWER {
            return Err(RingError::Slot);
        }
        reply.mark = (flags & HAS_MARK != 0).then(|| memory.peek(at + NEW_MARK));
        if length > 0 {
            memory.read(at + FIELDS, length, &mut reply.payload);
        }
        if answer > 0 {
            memory.read(at + FIELDS + PACKET, answer, &mut reply.answer);
        }
        Ok(true)
    }

    /// True where the other side says that it waits to be woken.
    pub fn other_sleeps(&self) -> bool {
        self.memory.load(PARSER_SLEEPS) != 0
    }

    /// Says that this side is about to wait, or no longer is.
    pub fn sleep(&self, sleeps: bool) {
        self.memory.store(HOLDER_SLEEPS, u32::from(sleeps));
    }

    /// True where a verdict waits, or the cursor is one to be looked at.
    pub fn has_news(&self) -> bool {
        self.memory.load(JUDGED) != self.tail
    }
}

/// The end that judges.
pub struct ParserRing {
    memory: Memory,
    judged: u32,
    head: u32,
}

impl ParserRing {
    /// Maps what the holder made.
    ///
    /// # Errors
    /// Where it is not such memory.
    pub fn map(file: OwnedFd) -> io::Result<ParserRing> {
        let memory = Memory::map(file, LEN)?;
        if memory.load(MAGIC_AT) != MAGIC {
            return Err(io::Error::other("the shared memory has another layout"));
        }
        let judged = memory.load(JUDGED);
        Ok(ParserRing {
            memory,
            judged,
            head: judged,
        })
    }

    /// Copies the next packet into `packet` (emptied before).
    ///
    /// # Errors
    /// Where the holder wrote what cannot be.
    pub fn next(&mut self, packet: &mut Vec<u8>) -> Result<Option<Told>, RingError> {
        packet.clear();
        if self.head == self.judged {
            let head = self.memory.load(HEAD);
            if head.wrapping_sub(self.judged) > SLOTS {
                return Err(RingError::Cursor);
            }
            self.head = head;
            if head == self.judged {
                return Ok(None);
            }
        }
        let at = slot(self.judged);
        let memory = &self.memory;
        let length = memory.peek(at + LENGTH) as usize;
        if length > PACKET {
            return Err(RingError::Slot);
        }
        memory.read(at + FIELDS, length, packet);
        let time = u64::from(memory.peek(at + AT_HIGH)) << 32 | u64::from(memory.peek(at + AT_LOW));
        let flags = memory.peek(at + FLAGS);
        let [a, b, c, d] = memory.peek(at + HARDWARE_LOW).to_ne_bytes();
        let [e, f, ..] = memory.peek(at + HARDWARE_HIGH).to_ne_bytes();
        Ok(Some(Told {
            closed: memory.peek(at + CHOICE) != 0,
            mark: memory.peek(at + MARK),
            in_interface: memory.peek(at + IN_INTERFACE),
            from_hardware: (flags & HAS_HARDWARE != 0).then_some([a, b, c, d, e, f]),
            offloaded: flags & OFFLOADED != 0,
            at: time as i64,
        }))
    }

    /// Answers the packet that `next` gave; an answer or a replacement that is too long is left out,
    /// and the packet is dropped then.
    pub fn reply(&mut self, reply: &Reply) {
        let at = slot(self.judged);
        let memory = &self.memory;
        let fits = reply.payload.len() <= PACKET && reply.answer.len() <= ANSWER;
        let (verdict, payload, answer) = match reply.verdict {
            Verdict::Accept if fits => (1, &reply.payload[..], &reply.answer[..]),
            Verdict::Drop if fits => (0, &[][..], &reply.answer[..]),
            _ => (0, &[][..], &[][..]),
        };
        memory.put(at + VERDICT, verdict);
        memory.put(at + NEW_MARK, reply.mark.unwrap_or(0));
        memory.put(at + REPLY_FLAGS, if reply.mark.is_some() { HAS_MARK } else { 0 });
        memory.put(at + NEW_LENGTH, payload.len() as u32);
        memory.put(at + ANSWER_LENGTH, answer.len() as u32);
        memory.write(at + FIELDS, payload);
        memory.write(at + FIELDS + PACKET, answer);
        self.judged = self.judged.wrapping_add(1);
        memory.store(JUDGED, self.judged);
    }

    /// True where the other side says that it waits to be woken.
    pub fn other_sleeps(&self) -> bool {
        self.memory.load(HOLDER_SLEEPS) != 0
    }

    /// Says that this side is about to wait, or no longer is.
    pub fn sleep(&self, sleeps: bool) {
        self.memory.store(PARSER_SLEEPS, u32::from(sleeps));
    }

    /// True where a packet waits.
    pub fn has_news(&self) -> bool {
        self.memory.load(HEAD) != self.judged
    }
}

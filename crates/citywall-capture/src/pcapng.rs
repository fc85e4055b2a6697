//! pcapng files (draft-ietf-opsawg-pcapng).
//!
//! Owns: sections in both byte orders, interface descriptions and the options that change how a
//! frame is read, the three kinds of packet blocks. All other blocks are skipped. Does not own:
//! reading.

use std::borrow::Cow;

use citywall_packet::{LinkType, Nanos};

use crate::format::{Next, Record};
use crate::resolution::Resolution;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// Interface descriptions that a section may have.
const MOST_INTERFACES: usize = 65_536;
/// Bytes that a block may have beside a frame: its fields, options and comments.
const BESIDE_FRAME: u32 = 128 * 1024;

/// A pcapng file, between two blocks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pcapng {
    big_endian: bool,
    interfaces: Vec<Interface>,
    /// Time of the last packet block, for simple packets, which have none.
    last: Nanos,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: LinkType,
    resolution: Resolution,
    /// Longest capture, 0 for no limit.
    snap: u32,
    /// Bytes of frame check sequence at the end of each frame.
    fcs: u8,
}

/// The fields of a packet block, whichever kind it is.
struct Packet {
    interface: u32,
    count: Option<u64>,
    captured: u32,
    wire: u32,
    /// Where the frame starts in the block.
    start: usize,
}

impl Pcapng {
    /// What a file starts with: the type of a section header block, the same in both byte orders.
    pub(crate) const MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

    /// The block that `data` starts with.
    #[inline]
    pub(crate) fn next(&mut self, data: &[u8], limit: u32) -> Next {
        if data.len() < 12 {
            return Next::Need(12);
        }
        let kind = self.word(data, 0);
        if kind == SECTION
            && let Err(damaged) = self.byte_order(data)
        {
            return damaged;
        }
        let len = self.word(data, 4);
        if len < 12 || !len.is_multiple_of(4) {
            return damaged(format!("a block of type {kind:#x} with a length of {len}"));
        }
        let read = matches!(
            kind,
            SECTION | INTERFACE | PACKET | SIMPLE_PACKET | ENHANCED_PACKET
        );
        if len > limit.saturating_add(BESIDE_FRAME) {
            return if read {
                damaged(format!("a block of type {kind:#x} with {len} bytes"))
            } else {
                Next::Skip(u64::from(len))
            };
        }
        let Some(block) = data.get(..len as usize) else {
            return Next::Need(len as usize);
        };
        let again = self.word(block, len as usize - 4);
        if again != len {
            return damaged(format!(
                "a block says {len} bytes at its start and {again} at its end"
            ));
        }
        match kind {
            ENHANCED_PACKET | PACKET | SIMPLE_PACKET => self.packet(block, kind, limit),
            SECTION => self.section(block),
            INTERFACE => self.interface(block),
            _ => Next::Skip(u64::from(len)),
        }
    }

    #[inline]
    fn packet(&mut self, block: &[u8], kind: u32, limit: u32) -> Next {
        let packet = match kind {
            ENHANCED_PACKET if block.len() >= 32 => Packet {
                interface: self.word(block, 8),
                count: Some(self.time(block)),
                captured: self.word(block, 20),
                wire: self.word(block, 24),
                start: 28,
            },
            PACKET if block.len() >= 32 => Packet {
                interface: u32::from(self.half(block, 8)),
                count: Some(self.time(block)),
                captured: self.word(block, 20),
                wire: self.word(block, 24),
                start: 28,
            },
            SIMPLE_PACKET if block.len() >= 16 => {
                let wire = self.word(block, 8);
                let snap = self.interfaces.first().map_or(0, |interface| interface.snap);
                let captured = if snap == 0 { wire } else { wire.min(snap) };
                Packet {
                    interface: 0,
                    count: None,
                    captured,
                    wire,
                    start: 12,
                }
            }
            _ => return damaged(format!("a packet block of {} bytes", block.len())),
        };
        let Some(interface) = self.interfaces.get(packet.interface as usize) else {
            return damaged(format!(
                "a packet of interface {}, which is not described",
                packet.interface
            ));
        };
        if packet.captured > limit || packet.captured as usize > block.len() - packet.start - 4 {
            return damaged(format!(
                "a packet of {} bytes in a block of {}, at most {limit} are read",
                packet.captured,
                block.len()
            ));
        }
        if let Some(count) = packet.count {
            self.last = interface.resolution.nanos(count);
        }
        let record = Record {
            start: packet.start,
            len: packet.captured,
            wire_len: packet.wire.max(packet.captured),
            at: self.last,
            link: interface.link,
        };
        Next::Frame(record.without_fcs(interface.fcs), block.len())
    }

    /// Learns the byte order from the magic number of a section header (section 4.1).
    #[cold]
    fn byte_order(&mut self, data: &[u8]) -> Result<(), Next> {
        self.big_endian = match data.get(8..12) {
            Some([0x1a, 0x2b, 0x3c, 0x4d]) => true,
            Some([0x4d, 0x3c, 0x2b, 0x1a]) => false,
            _ => {
                return Err(Next::Damaged(Cow::Borrowed(
                    "a section header without a byte-order magic",
                )));
            }
        };
        Ok(())
    }

    #[cold]
    fn section(&mut self, block: &[u8]) -> Next {
        let major = self.half(block, 12);
        if block.len() < 28 || major != 1 {
            return damaged(format!(
                "a section header of {} bytes, version {major}",
                block.len()
            ));
        }
        self.interfaces.clear();
        Next::Skip(block.len() as u64)
    }

    /// Adds an interface description (section 4.2).
    #[cold]
    fn interface(&mut self, block: &[u8]) -> Next {
        if block.len() < 20 {
            return damaged(format!("an interface description of {} bytes", block.len()));
        }
        if self.interfaces.len() >= MOST_INTERFACES {
            return damaged(format!("more than {MOST_INTERFACES} interfaces"));
        }
        let mut interface = Interface {
            link: LinkType(u32::from(self.half(block, 8))),
            resolution: Resolution::MICROS,
            snap: self.word(block, 12),
            fcs: 0,
        };
        let mut offset = 0;
        let mut rest = block.get(16..block.len() - 4).unwrap_or(&[]);
        while let Some((code, value, after)) = self.option(rest) {
            match (code, value) {
                (9, [resolution]) => interface.resolution = Resolution::from_tsresol(*resolution),
                (14, value) => offset = self.seconds(value).unwrap_or(offset),
                // The specification counts bits here, writers count bytes.
                (13, [4 | 32]) => interface.fcs = 4,
                (13, [2 | 16]) => interface.fcs = 2,
                _ => {}
            }
            rest = after;
        }
        interface.resolution = interface.resolution.with_offset(offset);
        self.interfaces.push(interface);
        Next::Skip(block.len() as u64)
    }

    /// The first option of `options` and what follows it; `None` at their end.
    fn option<'a>(&self, options: &'a [u8]) -> Option<(u16, &'a [u8], &'a [u8])> {
        let head = options.get(..4)?;
        let (code, len) = (self.half(head, 0), usize::from(self.half(head, 2)));
        let value = options.get(4..4 + len)?;
        let after = options.get(4 + len.next_multiple_of(4)..).unwrap_or(&[]);
        (code != 0).then_some((code, value, after))
    }

    fn seconds(&self, value: &[u8]) -> Option<i64> {
        let bytes: [u8; 8] = value.try_into().ok()?;
        Some(if self.big_endian {
            i64::from_be_bytes(bytes)
        } else {
            i64::from_le_bytes(bytes)
        })
    }

    /// The time stamp of a packet block, its high half first.
    #[inline]
    fn time(&self, block: &[u8]) -> u64 {
        u64::from(self.word(block, 12)) << 32 | u64::from(self.word(block, 16))
    }

    /// Four bytes as a number; 0 where they are not there.
    #[inline]
    fn word(&self, data: &[u8], at: usize) -> u32 {
        match data.get(at..).and_then(|rest| rest.first_chunk()) {
            Some(bytes) if self.big_endian => u32::from_be_bytes(*bytes),
            Some(bytes) => u32::from_le_bytes(*bytes),
            None => 0,
        }
    }

    /// Two bytes as a number; 0 where they are not there.
    fn half(&self, data: &[u8], at: usize) -> u16 {
        match data.get(at..).and_then(|rest| rest.first_chunk()) {
            Some(bytes) if self.big_endian => u16::from_be_bytes(*bytes),
            Some(bytes) => u16::from_le_bytes(*bytes),
            None => 0,
        }
    }
}

#[cold]
fn damaged(what: String) -> Next {
    Next::Damaged(Cow::Owned(what))
}

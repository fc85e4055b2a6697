//! What a capture file is made of, one step at a time.
//!
//! Owns: telling the formats apart by their first bytes, and the answer that each gives to "what
//! comes next". Does not own: reading (`window`), the formats themselves (`pcap`, `pcapng`).

use std::borrow::Cow;

use citywall_packet::{LinkType, Nanos};

use crate::pcap::Pcap;
use crate::pcapng::Pcapng;

/// One frame in the bytes that were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// First captured byte, relative to the bytes that were looked at.
    pub start: usize,
    /// Captured bytes.
    pub len: u32,
    /// Bytes on the wire, at least `len`.
    pub wire_len: u32,
    /// Capture time.
    pub at: Nanos,
    /// Link type.
    pub link: LinkType,
}

impl Record {
    /// The same frame without the frame check sequence of `fcs` bytes at its end. Where the capture
    /// cut the frame, only as much of the sequence is taken off as was captured.
    #[inline]
    pub(crate) fn without_fcs(mut self, fcs: u8) -> Record {
        self.wire_len = self.wire_len.saturating_sub(u32::from(fcs));
        self.len = self.len.min(self.wire_len);
        self
    }
}

/// What the bytes at hand start with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A frame, and how many bytes it takes with its header.
    Frame(Record, usize),
    /// Something without a frame, of so many bytes, which need not be at hand.
    Skip(u64),
    /// At least so many bytes must be at hand to tell.
    Need(usize),
    /// Nothing that can be read.
    Damaged(Cow<'static, str>),
}

/// A capture format and the state of reading it.
pub(crate) enum Format {
    /// Nothing was read yet.
    Unknown,
    /// Classic pcap.
    Pcap(Pcap),
    /// pcapng.
    Pcapng(Pcapng),
}

/// What the first bytes of a file tell.
pub(crate) enum Start {
    /// A format, after so many bytes.
    Known(Format, usize),
    /// At least so many bytes must be at hand to tell.
    Need(usize),
    /// No capture; why.
    Foreign(String),
}

impl Format {
    /// Looks at the first bytes of a file.
    pub(crate) fn start(data: &[u8]) -> Start {
        let Some(magic) = data.first_chunk::<4>() else {
            let known = Pcap::MAGICS
                .iter()
                .chain([&Pcapng::MAGIC])
                .any(|magic| magic.starts_with(data));
            return if known {
                Start::Need(4)
            } else {
                Start::Foreign(starts_with(data))
            };
        };
        if *magic == Pcapng::MAGIC {
            Start::Known(Format::Pcapng(Pcapng::default()), 0)
        } else if !Pcap::MAGICS.contains(magic) {
            Start::Foreign(starts_with(data))
        } else {
            data.first_chunk()
                .and_then(Pcap::new)
                .map_or(Start::Need(Pcap::HEADER), |pcap| {
                    Start::Known(Format::Pcap(pcap), Pcap::HEADER)
                })
        }
    }

    /// What `data` starts with. `limit` is the largest frame that is believed.
    #[inline]
    pub(crate) fn next(&mut self, data: &[u8], limit: u32) -> Next {
        match self {
            Format::Pcap(pcap) => pcap.next(data, limit),
            Format::Pcapng(pcapng) => pcapng.next(data, limit),
            Format::Unknown => Next::Need(4),
        }
    }
}

/// Says in words what a foreign file starts with, and what to do where that is known.
fn starts_with(data: &[u8]) -> String {
    let head = data.get(..8).unwrap_or(data);
    let hex: Vec<String> = head.iter().map(|byte| format!("{byte:02x}")).collect();
    let hint = match head {
        [0xfd, b'7', b'z', b'X', ..] => " (xz: unpack it first)",
        [b'B', b'Z', b'h', ..] => " (bzip2: unpack it first)",
        [b'P', b'K', ..] => " (zip without a file)",
        [0x04, 0x22, 0x4d, 0x18, ..] => " (lz4: unpack it first)",
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => " (compressed twice: unpack it once)",
        [b's', b'n', b'o', b'o', ..] => " (snoop: convert it with editcap)",
        _ if head
            .iter()
            .all(|b| matches!(b, b' '..=b'~' | b'\n' | b'\r' | b'\t')) =>
        {
            " (text)"
        }
        _ => "",
    };
    format!("starts with {}{hint}", hex.join(" "))
}

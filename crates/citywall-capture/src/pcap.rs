//! Classic pcap files (draft-ietf-opsawg-pcap).
//!
//! Owns: the file header in both byte orders, with micro- and nanoseconds, the record headers, and
//! the longer record header of old patched libpcaps. Does not own: reading.

use std::borrow::Cow;

use citywall_packet::LinkType;

use crate::format::{Next, Record};

/// A pcap file after its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pcap {
    big_endian: bool,
    /// Nanoseconds that a unit of the second time field is.
    fraction: u32,
    /// Bytes of a record header.
    header: usize,
    link: LinkType,
    /// Bytes of frame check sequence at the end of each frame.
    fcs: u8,
}

impl Pcap {
    /// Bytes of the file header.
    pub(crate) const HEADER: usize = 24;

    /// What a file can start with: microseconds, nanoseconds, and Kuznetzov's patch (microseconds,
    /// records with an interface, protocol and packet type), each in both byte orders.
    pub(crate) const MAGICS: [[u8; 4]; 6] = [
        [0xd4, 0xc3, 0xb2, 0xa1],
        [0xa1, 0xb2, 0xc3, 0xd4],
        [0x4d, 0x3c, 0xb2, 0xa1],
        [0xa1, 0xb2, 0x3c, 0x4d],
        [0x34, 0xcd, 0xb2, 0xa1],
        [0xa1, 0xb2, 0xcd, 0x34],
    ];

    /// Reads the file header; `None` where the magic number is unknown.
    pub(crate) fn new(header: &[u8; Pcap::HEADER]) -> Option<Pcap> {
        let magic = header.first_chunk()?;
        let kind = Pcap::MAGICS.iter().position(|known| known == magic)?;
        let big_endian = kind % 2 == 1;
        let network = word(header.last_chunk()?, big_endian);
        // The length of the check sequence stands above the link type, in units of 16 bits; 4 is
        // taken for four bytes, since nothing has eight.
        let fcs = match (network & 0x0400_0000 != 0, network >> 28) {
            (true, 1) => 2,
            (true, 2 | 4) => 4,
            _ => 0,
        };
        Some(Pcap {
            big_endian,
            fraction: if kind / 2 == 1 { 1 } else { 1000 },
            header: if kind / 2 == 2 { 24 } else { 16 },
            link: LinkType(network & 0xffff),
            fcs,
        })
    }

    /// The record that `data` starts with.
    #[inline]
    pub(crate) fn next(&self, data: &[u8], limit: u32) -> Next {
        if data.len() < self.header {
            return Next::Need(self.header);
        }
        let Some([s0, s1, s2, s3, f0, f1, f2, f3, c0, c1, c2, c3, w0, w1, w2, w3]) = data.first_chunk::<16>()
        else {
            return Next::Need(self.header);
        };
        let seconds = word(&[*s0, *s1, *s2, *s3], self.big_endian);
        let fraction = word(&[*f0, *f1, *f2, *f3], self.big_endian);
        let captured = word(&[*c0, *c1, *c2, *c3], self.big_endian);
        let wire = word(&[*w0, *w1, *w2, *w3], self.big_endian);
        if captured > limit {
            return too_long(captured, limit);
        }
        let used = self.header + captured as usize;
        if data.len() < used {
            return Next::Need(used);
        }
        // 2^32 seconds and 2^32 microseconds together stay far below 2^63 nanoseconds.
        let at = i64::from(seconds) * 1_000_000_000 + i64::from(fraction) * i64::from(self.fraction);
        let record = Record {
            start: self.header,
            len: captured,
            wire_len: wire.max(captured),
            at,
            link: self.link,
        };
        Next::Frame(record.without_fcs(self.fcs), used)
    }
}

#[cold]
fn too_long(captured: u32, limit: u32) -> Next {
    Next::Damaged(Cow::Owned(format!(
        "a record of {captured} bytes, more than {limit}"
    )))
}

#[inline]
fn word(bytes: &[u8; 4], big_endian: bool) -> u32 {
    if big_endian {
        u32::from_be_bytes(*bytes)
    } else {
        u32::from_le_bytes(*bytes)
    }
}

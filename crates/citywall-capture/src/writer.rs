//! Writing captures.
//!
//! Owns: classic pcap with nanoseconds (draft-ietf-opsawg-pcap), little-endian, one link type. Does
//! not own: reading.

use std::io::{self, Write};

use citywall_packet::{LinkType, Nanos};

/// The longest frame that is written, as tcpdump has it.
const SNAP: u32 = 256 * 1024;

/// Writes a capture. Each frame is two writes: give it something buffered.
pub struct PcapWriter<W: Write> {
    to: W,
}

impl<W: Write> PcapWriter<W> {
    /// Writes the file header.
    ///
    /// # Errors
    /// What the writer said.
    pub fn new(mut to: W, link: LinkType) -> io::Result<PcapWriter<W>> {
        let mut header = Vec::with_capacity(24);
        header.extend(0xa1b2_3c4d_u32.to_le_bytes());
        header.extend(2u16.to_le_bytes());
        header.extend(4u16.to_le_bytes());
        header.extend([0; 8]);
        header.extend(SNAP.to_le_bytes());
        header.extend(link.0.to_le_bytes());
        to.write_all(&header)?;
        Ok(PcapWriter { to })
    }

    /// Writes a frame: its time, its length on the wire and the bytes that were captured of it. The
    /// format has times from 1970 to 2106; times outside are written as the nearest of these.
    ///
    /// # Errors
    /// What the writer said; `InvalidInput` for more than 256 KiB.
    pub fn write(&mut self, at: Nanos, wire_len: u32, data: &[u8]) -> io::Result<()> {
        let captured = u32::try_from(data.len()).ok().filter(|len| *len <= SNAP);
        let captured =
            captured.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "frame is too long"))?;
        let at = at.clamp(0, i64::from(u32::MAX) * 1_000_000_000 + 999_999_999);
        let mut header = [0; 16];
        let fields = [
            (at / 1_000_000_000) as u32,
            (at % 1_000_000_000) as u32,
            captured,
            wire_len,
        ];
        for (field, place) in fields.iter().zip(header.chunks_exact_mut(4)) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        self.to.write_all(&header)?;
        self.to.write_all(data)
    }

    /// Flushes the writer below: what was written so far is a whole capture.
    ///
    /// # Errors
    /// What the writer said.
    pub fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    /// Gives the writer back, after a flush.
    ///
    /// # Errors
    /// What the writer said.
    pub fn finish(mut self) -> io::Result<W> {
        self.to.flush()?;
        Ok(self.to)
    }
}

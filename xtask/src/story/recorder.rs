//! What the mirror port saw, in order.
//!
//! Owns: frames with their times, their numbering, the capture file. Does not own: their content.

use std::collections::HashMap;
use std::io;

use citywall_capture::PcapWriter;
use citywall_packet::LinkType;

use super::wire;

/// Stands for a frame until all frames are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FrameId(usize);

/// Frames in the order in which they were made up.
#[derive(Debug, Default)]
pub struct Recorder {
    frames: Vec<(i64, Vec<u8>)>,
}

/// Frames in the order of their times.
#[derive(Debug)]
pub struct Recording {
    frames: Vec<(i64, Vec<u8>)>,
    /// Packet number (from 1) and time by `FrameId`.
    numbers: Vec<(u64, i64)>,
}

impl Recorder {
    /// Adds a frame; `at` in nanoseconds since 1970.
    pub fn push(&mut self, at: i64, frame: Vec<u8>) -> FrameId {
        self.frames.push((at, frame));
        FrameId(self.frames.len() - 1)
    }

    /// Puts the frames in order of time and numbers each sender's IPv4 packets.
    pub fn finish(self) -> Recording {
        let mut order: Vec<usize> = (0..self.frames.len()).collect();
        order.sort_by_key(|&i| (self.frames[i].0, i));
        let mut numbers = vec![(0, 0); self.frames.len()];
        let mut frames = Vec::with_capacity(order.len());
        let mut all = self.frames.into_iter().map(Some).collect::<Vec<_>>();
        let mut next_id: HashMap<[u8; 4], u16> = HashMap::new();
        for (number, i) in (1..).zip(order) {
            let Some((at, mut frame)) = all[i].take() else {
                continue;
            };
            numbers[i] = (number, at);
            if frame[12..14] == [8, 0] {
                let packet = &mut frame[wire::ETHERNET..];
                let source = [packet[12], packet[13], packet[14], packet[15]];
                // Each sender starts somewhere else.
                let start = u16::from_be_bytes([source[3], source[2]]).wrapping_mul(40_503);
                let id = next_id.entry(source).or_insert(start);
                *id = id.wrapping_add(1);
                packet[4..6].copy_from_slice(&id.to_be_bytes());
                wire::seal_ipv4(packet);
            }
            frames.push((at, frame));
        }
        Recording { frames, numbers }
    }
}

impl Recording {
    /// Packet number (from 1) and time of a frame.
    pub fn place(&self, frame: FrameId) -> (u64, i64) {
        self.numbers[frame.0]
    }

    /// Frames with their times.
    pub fn frames(&self) -> &[(i64, Vec<u8>)] {
        &self.frames
    }

    /// The capture file: classic pcap with nanoseconds.
    ///
    /// # Errors
    /// Where a frame is too long for the format.
    pub fn pcap(&self) -> io::Result<Vec<u8>> {
        let mut writer = PcapWriter::new(Vec::new(), LinkType::ETHERNET)?;
        for (at, frame) in &self.frames {
            writer.write(*at, frame.len() as u32, frame)?;
        }
        writer.finish()
    }
}

//! A capture in the making: a clock that moves with every frame, and the file.

use citywall_capture::PcapWriter;
use citywall_packet::LinkType;

use super::net::{self, End, Host};

/// 2026-11-22 08:00 UTC, in nanoseconds since 1970.
pub const START: i64 = 1_795_334_400_000_000_000;
/// A millisecond.
pub const MS: i64 = 1_000_000;
/// A second.
pub const SECOND: i64 = 1_000_000_000;

/// Frames with their times.
#[derive(Debug)]
pub struct Capture {
    link: LinkType,
    frames: Vec<(i64, u32, Vec<u8>)>,
    now: i64,
}

impl Capture {
    /// An Ethernet capture.
    pub fn new() -> Capture {
        Capture::on(LinkType::ETHERNET)
    }

    /// A capture with another link type.
    pub fn on(link: LinkType) -> Capture {
        Capture {
            link,
            frames: Vec::new(),
            now: START,
        }
    }

    /// The time of the next frame.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Lets time pass, or turns it back.
    pub fn wait(&mut self, nanoseconds: i64) {
        self.now += nanoseconds;
    }

    /// A frame; the next comes a millisecond later.
    pub fn frame(&mut self, bytes: Vec<u8>) {
        let length = bytes.len();
        self.cut(bytes, length);
    }

    /// A frame of which only `keep` bytes were captured.
    pub fn cut(&mut self, mut bytes: Vec<u8>, keep: usize) {
        let length = bytes.len() as u32;
        bytes.truncate(keep);
        self.frames.push((self.now, length, bytes));
        self.now += MS;
    }

    /// An IP packet in Ethernet.
    pub fn ip(&mut self, from: Host, to: Host, protocol: u8, payload: &[u8]) {
        self.frame(net::frame(from, to, &net::ip(from, to, protocol, payload)));
    }

    /// A UDP datagram in Ethernet.
    pub fn udp(&mut self, from: End, to: End, payload: &[u8]) {
        self.ip(from.0, to.0, net::UDP, &net::udp(from, to, payload));
    }

    /// The file: classic pcap with nanoseconds.
    ///
    /// # Panics
    /// Never: memory takes all, and no frame is as long as the format's limit.
    pub fn pcap(&self) -> Vec<u8> {
        let written = || -> std::io::Result<Vec<u8>> {
            let mut writer = PcapWriter::new(Vec::new(), self.link)?;
            for (at, length, bytes) in &self.frames {
                writer.write(*at, *length, bytes)?;
            }
            writer.finish()
        };
        written().expect("frames of the corpus fit into a capture")
    }
}

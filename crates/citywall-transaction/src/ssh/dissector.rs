//! Follows an SSH connection until both key exchange messages are known.
//!
//! Owns: finding the banner among lines that may stand before it, and the first packets, in any
//! cut. Keeps at most one line or one packet per direction.

use citywall_event::{Nanos, Side as EventSide, Sighting, SightingTrait};
use citywall_flow::{Content, Direction};

use super::handshake::SshHandshake;
use super::kex;
use crate::{Dissector, Input, Item, Limits, Output, Transaction};

/// The longest banner (RFC 4253 section 4.2: 255 with CR LF); longer ones are cut and told.
const BANNER: usize = 255;

/// Bytes of lines before the banner that are passed over.
const BEFORE_BANNER: usize = 16 * 1024;

/// The longest packet that every implementation must take (RFC 4253 section 6.1).
const PACKET: usize = 35_000;

/// Packets after the banner among which KEXINIT must be.
const PACKETS: u8 = 4;

/// One connection.
pub(super) struct SshDissector {
    limit: usize,
    sides: [Side; 2],
    handshake: Box<SshHandshake>,
    ended: bool,
}

#[derive(Default)]
struct Side {
    stage: Stage,
    /// The incomplete line or packet.
    kept: Vec<u8>,
    /// Bytes before the banner.
    before: usize,
    /// Packets that were not KEXINIT.
    packets: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Banner,
    /// A line longer than any banner is passed over up to its end; true where it is the banner.
    LongLine(bool),
    Packets,
    Closed,
}

impl Dissector for SshDissector {
    fn feed(&mut self, input: &Input<'_>, out: &mut Output) {
        if self.ended {
            return out.all_done();
        }
        match input.content {
            Content::Bytes(data) => self.bytes(input.direction, data, out),
            Content::Gap(_) | Content::End { .. } => self.side(input.direction).stage = Stage::Closed,
            Content::Datagram(_) => {}
        }
        self.conclude(false, out);
    }

    fn finish(&mut self, _at: Nanos, out: &mut Output) {
        self.conclude(true, out);
    }

    fn held(&self) -> usize {
        self.sides.iter().map(|side| side.kept.len()).sum()
    }
}

impl SshDissector {
    pub(super) fn new(limits: &Limits) -> SshDissector {
        SshDissector {
            limit: limits.message.min(PACKET),
            sides: Default::default(),
            handshake: Box::default(),
            ended: false,
        }
    }

    fn side(&mut self, direction: Direction) -> &mut Side {
        &mut self.sides[direction.index()]
    }

    fn bytes(&mut self, direction: Direction, mut data: &[u8], out: &mut Output) {
        while !data.is_empty() {
            let used = match self.side(direction).stage {
                Stage::Banner => self.line(direction, data, out),
                Stage::LongLine(banner) => self.long_line(direction, banner, data, out),
                Stage::Packets => self.packet(direction, data, out),
                Stage::Closed => return,
            };
            data = data.get(used..).unwrap_or_default();
        }
    }

    /// Collects a line; returns how many bytes it took.
    fn line(&mut self, direction: Direction, data: &[u8], out: &mut Output) -> usize {
        let side = self.side(direction);
        let room = BANNER.saturating_sub(side.kept.len());
        let window = &data[..room.min(data.len())];
        let Some(end) = window.iter().position(|b| *b == b'\n') else {
            side.kept.extend_from_slice(window);
            if side.kept.len() == BANNER {
                let banner = side.kept.starts_with(b"SSH-");
                if banner {
                    out.malformed(direction, "ssh.banner_too_long");
                } else {
                    side.kept = Vec::new();
                }
                side.before += BANNER;
                side.stage = Stage::LongLine(banner);
            }
            return window.len();
        };
        side.kept.extend_from_slice(&window[..=end]);
        let line = std::mem::take(&mut side.kept);
        if line.starts_with(b"SSH-") {
            self.banner(direction, line, out);
        } else {
            side.before += line.len();
            if side.before > BEFORE_BANNER {
                side.stage = Stage::Closed;
            }
        }
        end + 1
    }

    /// Passes over the rest of a line.
    fn long_line(&mut self, direction: Direction, banner: bool, data: &[u8], out: &mut Output) -> usize {
        let side = self.side(direction);
        let room = (BEFORE_BANNER + 1).saturating_sub(side.before).max(1);
        let window = &data[..room.min(data.len())];
        let end = window.iter().position(|b| *b == b'\n');
        let used = end.map_or(window.len(), |end| end + 1);
        side.before += used;
        if side.before > BEFORE_BANNER {
            side.stage = Stage::Closed;
        } else if end.is_some() {
            side.stage = Stage::Banner;
            if banner {
                let line = std::mem::take(&mut side.kept);
                self.banner(direction, line, out);
            }
        }
        used
    }

    fn banner(&mut self, direction: Direction, mut line: Vec<u8>, out: &mut Output) {
        // CR LF; LF alone from older implementations; anything else of control is not text.
        while line.last().is_some_and(|b| matches!(b, b'\r' | b'\n')) {
            line.pop();
        }
        let party = &mut self.handshake.parties[direction.index()];
        party.banner = line;
        let software = party.software_and_comment();
        if software.is_empty() {
            out.malformed(direction, "ssh.banner");
        } else {
            let sighting = Sighting {
                side: EventSide::Source,
                trait_: SightingTrait::Software,
                value: String::from_utf8_lossy(software).into_owned(),
                evidence: "ssh.banner",
            };
            out.items.push((direction, Item::Sighting(sighting)));
        }
        // 1.99 speaks both (RFC 4253 section 5.1); lower ones have another key exchange.
        let modern = party.version().starts_with(b"2.") || party.version() == b"1.99";
        self.side(direction).stage = if modern { Stage::Packets } else { Stage::Closed };
    }

    /// Collects a packet (RFC 4253 section 6); returns how many bytes it took.
    fn packet(&mut self, direction: Direction, data: &[u8], out: &mut Output) -> usize {
        let limit = self.limit;
        let side = self.side(direction);
        let mut used = 4usize.saturating_sub(side.kept.len()).min(data.len());
        side.kept.extend_from_slice(&data[..used]);
        let Some(length) = side.kept.first_chunk::<4>() else {
            return used;
        };
        let length = u32::from_be_bytes(*length) as usize;
        if !(2..=limit).contains(&length) {
            out.malformed(direction, "ssh.packet_length");
            side.stage = Stage::Closed;
            return used;
        }
        let more = (4 + length - side.kept.len()).min(data.len() - used);
        side.kept.extend_from_slice(&data[used..used + more]);
        used += more;
        if side.kept.len() == 4 + length {
            let packet = std::mem::take(&mut side.kept);
            self.whole_packet(direction, &packet[4..], out);
        }
        used
    }

    /// `packet` begins with the padding's length.
    fn whole_packet(&mut self, direction: Direction, packet: &[u8], out: &mut Output) {
        let side = &mut self.sides[direction.index()];
        let padding = packet.first().copied().map_or(0, usize::from);
        let payload = packet
            .get(1..packet.len().saturating_sub(padding))
            .unwrap_or_default();
        match payload.split_first() {
            Some((&kex::KEXINIT, rest)) => {
                side.stage = Stage::Closed;
                let hassh = kex::hassh(rest, direction);
                if hassh.is_none() {
                    out.malformed(direction, "ssh.kexinit");
                }
                self.handshake.parties[direction.index()].hassh = hassh;
            }
            _ => {
                side.packets += 1;
                if side.packets >= PACKETS {
                    side.stage = Stage::Closed;
                }
            }
        }
    }

    fn conclude(&mut self, over: bool, out: &mut Output) {
        if self.ended {
            return;
        }
        let closed = [0, 1].map(|i| self.sides[i].stage == Stage::Closed);
        if !over && closed != [true; 2] {
            out.done[0] |= closed[0];
            out.done[1] |= closed[1];
            return;
        }
        self.ended = true;
        out.all_done();
        let handshake = std::mem::take(&mut self.handshake);
        if handshake.parties.iter().any(|party| !party.banner.is_empty()) {
            out.transaction(Direction::ToResponder, Transaction::Ssh(handshake));
        }
    }
}

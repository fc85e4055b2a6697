//! Replays a capture file through packet, flow and session, and collects what was found.
//!
//! A reader of its own, since this crate does not know `citywall-capture`.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use citywall_event::Nanos;
use citywall_flow::{
    CloseReason, Direction, Flow, FlowLimits, FlowTable, HostPolicies, Observer, Segment, StreamMalformed,
};
use citywall_packet::{Checksum, Frame, LinkType, Transport, decode};
use citywall_transaction::{Hint, Item, Limits, Output, Session};

/// Two parties of a conversation: address and port of the initiator and of the responder.
pub type Parties = (IpAddr, u16, IpAddr, u16);

/// The folder of the data that tests may use, if it is there; else says so, loudly.
pub fn data(folder: &str) -> Option<PathBuf> {
    let cache = |variable: &str, below: &str| {
        let base = PathBuf::from(std::env::var_os(variable)?);
        Some(base.join(below))
    };
    let root = cache("CITYWALL_DATA", "")
        .or_else(|| cache("XDG_CACHE_HOME", "citywall-data"))
        .or_else(|| cache("HOME", ".cache/citywall-data"))?;
    let path = root.join(folder);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("SKIPPED: no test data at {} (set CITYWALL_DATA)", path.display());
    None
}

/// Everything that was found in a file, with the parties as the protocol has them.
pub fn replay(path: &Path) -> Vec<(Parties, Item)> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut table: FlowTable<Talk> = FlowTable::new(FlowLimits::default(), HostPolicies::default());
    let mut found = Found::default();
    let (mut id, mut now) = (0, Nanos::MIN);
    for (at, link, data) in frames(&bytes) {
        now = now.max(at);
        let frame = Frame {
            data,
            wire_len: data.len() as u32,
            at,
            link,
        };
        let mut packet = decode(&frame, &mut Vec::new());
        // Some captures were made anonymous without mending their checksums.
        if let Transport::Tcp(tcp) = &mut packet.transport {
            tcp.checksum = Checksum::Unverified;
        }
        id += 1;
        table.push(&packet, data, id, now, &mut found);
    }
    table.finish(&mut found);
    found.items
}

#[derive(Default)]
struct Talk {
    session: Option<Session>,
}

#[derive(Default)]
struct Found {
    limits: Limits,
    items: Vec<(Parties, Item)>,
}

impl Found {
    fn keep(&mut self, flow: &mut Flow<Talk>, out: Output, reversed: bool) {
        let (Some(a), Some(b)) = (flow.initiator.ip, flow.responder.ip) else {
            return;
        };
        let mut parties = (a, flow.initiator.port, b, flow.responder.port);
        if reversed {
            parties = (parties.2, parties.3, parties.0, parties.1);
        }
        self.items
            .extend(out.items.into_iter().map(|(_, item)| (parties, item)));
    }
}

impl Observer<Talk> for Found {
    fn opened(&mut self, flow: &mut Flow<Talk>) {
        flow.user.session = Some(Session::new(Hint {
            carrier: flow.carrier,
            direction: Direction::ToResponder,
            initiator_port: flow.initiator.port,
            responder_port: flow.responder.port,
        }));
    }

    fn segment(&mut self, flow: &mut Flow<Talk>, segment: Segment<'_>) {
        let Some(mut session) = flow.user.session.take() else {
            return;
        };
        let mut out = Output::default();
        session.feed(&segment, &self.limits, &mut out);
        for (stop, done) in flow.stop_stream.iter_mut().zip(out.done) {
            *stop |= done;
        }
        self.keep(flow, out, session.reversed());
        flow.user.session = Some(session);
    }

    fn malformed(&mut self, _flow: &mut Flow<Talk>, _direction: Direction, _kind: StreamMalformed) {}

    fn closed(&mut self, flow: &mut Flow<Talk>, _reason: CloseReason) {
        let Some(mut session) = flow.user.session.take() else {
            return;
        };
        let mut out = Output::default();
        session.finish(flow.last, &mut out);
        self.keep(flow, out, session.reversed());
    }
}

/// Time, link type and bytes of each frame of a pcap or pcapng file.
fn frames(file: &[u8]) -> Vec<(Nanos, LinkType, &[u8])> {
    match file.get(..4) {
        Some(&[0x0a, 0x0d, 0x0d, 0x0a]) => pcapng(file),
        Some(&[0xd4, 0xc3, 0xb2, 0xa1]) => pcap(file, u32::from_le_bytes, 1_000),
        Some(&[0x4d, 0x3c, 0xb2, 0xa1]) => pcap(file, u32::from_le_bytes, 1),
        Some(&[0xa1, 0xb2, 0xc3, 0xd4]) => pcap(file, u32::from_be_bytes, 1_000),
        _ => panic!("not a capture file"),
    }
}

fn word(data: &[u8], at: usize, read: fn([u8; 4]) -> u32) -> Option<u32> {
    Some(read(data.get(at..at + 4)?.try_into().ok()?))
}

fn pcap(file: &[u8], read: fn([u8; 4]) -> u32, unit: Nanos) -> Vec<(Nanos, LinkType, &[u8])> {
    let mut frames = Vec::new();
    let link = LinkType(word(file, 20, read).expect("a whole file header") & 0xffff);
    let mut at = 24;
    while let (Some(seconds), Some(part), Some(length)) = (
        word(file, at, read),
        word(file, at + 4, read),
        word(file, at + 8, read),
    ) {
        let Some(data) = file.get(at + 16..at + 16 + length as usize) else {
            break;
        };
        frames.push((
            Nanos::from(seconds) * 1_000_000_000 + Nanos::from(part) * unit,
            link,
            data,
        ));
        at += 16 + length as usize;
    }
    frames
}

/// Enhanced packet blocks of little-endian sections with microseconds, as all of the data has.
fn pcapng(file: &[u8]) -> Vec<(Nanos, LinkType, &[u8])> {
    let read = u32::from_le_bytes;
    let mut frames = Vec::new();
    let mut links = Vec::new();
    let mut at = 0;
    while let (Some(kind), Some(length)) = (word(file, at, read), word(file, at + 4, read)) {
        let Some(block) = file
            .get(at..at + length as usize)
            .filter(|block| block.len() >= 12)
        else {
            break;
        };
        match kind {
            0x0a0d_0d0a => links.clear(),
            1 => links.push(LinkType(word(block, 8, read).expect("a link type") & 0xffff)),
            6 => {
                let field = |i: usize| word(block, 8 + 4 * i, read).expect("a whole packet block");
                let ticks = u64::from(field(1)) << 32 | u64::from(field(2));
                let data = &block[28..28 + field(3) as usize];
                frames.push((ticks as Nanos * 1_000, links[field(0) as usize], data));
            }
            _ => {}
        }
        at += length as usize;
    }
    frames
}

//! Captures as packets.
//!
//! Owns: reading a capture to its end, with what the features and the counting of floods need of each
//! packet. Does not own: what is normal.

use std::path::{Path, PathBuf};

use citywall_behaviour::{Class, PacketSeen, Party, Sample as Counted};
use citywall_capture::{Batch, Damage, FileLimits, Files, FrameSource};
use citywall_packet::{Network, Packet, Transport, decode, tcp_flags};

use super::SetError;

/// One packet.
#[derive(Clone, Copy, Debug)]
pub struct One {
    /// For the features.
    pub seen: PacketSeen,
    /// What it is, as far as floods go.
    pub class: Class,
}

impl One {
    /// For the counting of floods; `None` without IP.
    pub fn counted(&self) -> Option<Counted> {
        match (self.seen.from.0, self.seen.to.0) {
            (Party::Ip(src), Party::Ip(dst)) => Some(Counted {
                src,
                dst,
                class: self.class,
                ports: [self.seen.from.1, self.seen.to.1],
                bytes: self.seen.bytes,
            }),
            _ => None,
        }
    }
}

/// All packets of a capture in their order, one for each frame; `None` where a frame says nothing.
///
/// # Errors
/// Where the file is absent or no capture. What is damaged behind its beginning ends it.
pub fn read(path: &Path) -> Result<Vec<Option<One>>, SetError> {
    read_first(path, usize::MAX)
}

/// The first packets of a capture, as `read`.
///
/// # Errors
/// As `read`.
pub fn read_first(path: &Path, most: usize) -> Result<Vec<Option<One>>, SetError> {
    let mut all = Vec::new();
    each(path, &mut |packet| {
        if all.len() < most {
            all.push(packet);
        }
        all.len() < most
    })?;
    Ok(all)
}

/// Hears the packets of a capture in their order, one for each frame, until it wants no more. Gives what was
/// damaged.
///
/// # Errors
/// As `read`.
pub fn each(path: &Path, hear: &mut dyn FnMut(Option<One>) -> bool) -> Result<Vec<Damage>, SetError> {
    if !path.is_file() {
        return Err(SetError::Absent(path.to_owned()));
    }
    let failed = |error: citywall_capture::CaptureError| SetError::Read {
        path: path.to_owned(),
        error: std::io::Error::other(error),
    };
    let mut files = Files::open(&[PathBuf::from(path)], FileLimits::default()).map_err(failed)?;
    let mut batch = Batch::default();
    let mut found = Vec::new();
    let mut latest = 0;
    while files.next_batch(&mut batch).map_err(failed)? {
        for meta in &batch.frames {
            found.clear();
            latest = latest.max(meta.at);
            let packet = decode(&batch.frame(meta), &mut found);
            if !hear(one(&packet, latest)) {
                return Ok(Vec::new());
            }
        }
    }
    Ok(files.damage().to_vec())
}

fn one(packet: &Packet, at: i64) -> Option<One> {
    let ports = packet.transport.ports().unwrap_or((0, 0));
    let mut class = Class::Other;
    match packet.transport {
        Transport::Tcp(tcp) => {
            class = match tcp.flags & (tcp_flags::SYN | tcp_flags::ACK) {
                tcp_flags::SYN => Class::Syn,
                both if both & tcp_flags::SYN != 0 => Class::SynAck,
                _ => Class::Tcp,
            };
        }
        Transport::Udp {
            src_port, dst_port, ..
        } => class = Class::of_udp(src_port, dst_port),
        _ => {}
    }
    let macs = packet.macs;
    let (from, to, protocol) = match packet.network {
        Network::Ip(ip) => {
            if matches!(ip.protocol, 1 | 58) {
                class = match packet.transport {
                    Transport::Icmp { v6, kind, .. } => Class::of_icmp(v6, kind),
                    _ => Class::Icmp,
                };
            }
            (Party::Ip(ip.src), Party::Ip(ip.dst), ip.protocol)
        }
        _ => (Party::Mac(macs?.src), Party::Mac(macs?.dst), 0),
    };
    Some(One {
        seen: PacketSeen {
            at,
            card: macs.map_or([0; 6], |m| m.src),
            from: (from, ports.0),
            to: (to, ports.1),
            protocol,
            bytes: packet.wire_len,
        },
        class,
    })
}

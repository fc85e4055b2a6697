//! An incident's packets, cut from the captures that a replay read.
//!
//! Owns: which packets belong to the evidence: those that its events name, and the conversations that
//! these are part of. Does not own: who may have them (`citywall-console`), reading and writing captures
//! (`citywall-capture`).

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::PathBuf;

use citywall_capture::{Batch, CaptureError, FrameMeta, FrameSource, PcapWriter};
use citywall_console::{Packets, Seen, Wanted};
use citywall_packet::{Network, Transport};

use super::watch;

/// Bytes of packets in one answer; those that events name come first.
const MOST: usize = 16 << 20;
/// Conversations that are followed.
const CONVERSATIONS: usize = 4_096;

/// The captures of a replay; none: the built-in story.
pub struct Replayed {
    /// As on the command line.
    pub files: Vec<PathBuf>,
}

/// Both ends and the protocol, whichever of them speaks.
type Conversation = (u8, (IpAddr, u16), (IpAddr, u16));

/// A packet's ends, and its conversation where it has one.
struct Ends {
    ips: [Option<IpAddr>; 2],
    conversation: Option<Conversation>,
}

fn ends(batch: &Batch, meta: &FrameMeta) -> Ends {
    let packet = citywall_packet::decode(&batch.frame(meta), &mut Vec::new());
    match packet.network {
        Network::None => Ends {
            ips: [None, None],
            conversation: None,
        },
        Network::Arp(arp) => Ends {
            ips: [arp.sender_ip, arp.target_ip].map(|ip| Some(IpAddr::V4(ip))),
            conversation: None,
        },
        Network::Ip(ip) => {
            let ports = match packet.transport {
                Transport::Tcp(tcp) => (tcp.src_port, tcp.dst_port),
                Transport::Udp {
                    src_port, dst_port, ..
                }
                | Transport::Sctp {
                    src_port, dst_port, ..
                } => (src_port, dst_port),
                _ => (0, 0),
            };
            let (from, to) = ((ip.src, ports.0), (ip.dst, ports.1));
            Ends {
                ips: [Some(ip.src), Some(ip.dst)],
                conversation: Some((ip.protocol, from.min(to), from.max(to))),
            }
        }
    }
}

impl Replayed {
    /// Hears every frame, until it has heard enough.
    fn each(&self, hear: &mut dyn FnMut(&Batch, &FrameMeta) -> bool) -> Result<(), CaptureError> {
        let mut source = watch::captures(&self.files)?;
        let mut batch = Batch::default();
        while source.next_batch(&mut batch)? {
            for meta in &batch.frames {
                if !hear(&batch, meta) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn collect(&self, wanted: &Wanted, seen: Seen<'_>) -> Result<Vec<(FrameMeta, Vec<u8>)>, CaptureError> {
        let mut conversations: HashSet<Conversation> = HashSet::new();
        let mut missing = wanted.numbers.len();
        self.each(&mut |batch, meta| {
            if wanted.numbers.contains(&(meta.source, meta.number)) {
                missing = missing.saturating_sub(1);
                if let Some(conversation) = ends(batch, meta).conversation
                    && conversations.len() < CONVERSATIONS
                {
                    conversations.insert(conversation);
                }
            }
            missing > 0
        })?;
        let (mut kept, mut bytes) = (Vec::new(), 0);
        self.each(&mut |batch, meta| {
            let named = wanted.numbers.contains(&(meta.source, meta.number));
            if !named && !(wanted.from..=wanted.to).contains(&meta.at) {
                return true;
            }
            let ends = ends(batch, meta);
            let part = ends.conversation.is_some_and(|c| conversations.contains(&c));
            // What events name finds room behind the end of the others' half.
            let room = if named { MOST } else { MOST / 2 };
            let data = meta.data.of(&batch.bytes);
            if (named || part) && seen(ends.ips) && bytes + data.len() <= room {
                bytes += data.len();
                kept.push((*meta, data.to_vec()));
            }
            true
        })?;
        Ok(kept)
    }
}

impl Packets for Replayed {
    fn cut(&self, wanted: &Wanted, seen: Seen<'_>) -> Result<Vec<u8>, String> {
        let kept = self.collect(wanted, seen).map_err(|e| e.to_string())?;
        // The format has one link type; evidence of several is that of the first.
        let link = kept
            .first()
            .map_or(citywall_packet::LinkType::ETHERNET, |(meta, _)| meta.link);
        let mut writer = PcapWriter::new(Vec::new(), link).map_err(|e| e.to_string())?;
        for (meta, data) in kept.iter().filter(|(meta, _)| meta.link == link) {
            writer
                .write(meta.at, meta.wire_len, data)
                .map_err(|e| e.to_string())?;
        }
        writer.finish().map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn frames(pcap: Vec<u8>) -> Vec<(citywall_packet::Nanos, Ends)> {
        let reader = std::io::Cursor::new(pcap);
        let readers = vec![(
            "cut".to_owned(),
            Box::new(reader) as Box<dyn std::io::Read + Send>,
        )];
        let mut source =
            citywall_capture::Files::from_readers(readers, citywall_capture::FileLimits::default()).unwrap();
        let (mut batch, mut all) = (Batch::default(), Vec::new());
        while source.next_batch(&mut batch).unwrap() {
            all.extend(batch.frames.iter().map(|meta| (meta.at, ends(&batch, meta))));
        }
        all
    }

    /// The story's camera logs into nothing by itself: packet 1837 is somebody's Telnet login into it.
    #[test]
    fn a_conversation_is_cut_from_the_story_and_nothing_that_is_not_seen() {
        let story = Replayed { files: Vec::new() };
        let mut at = 0;
        story
            .each(&mut |_, meta| {
                at = meta.at;
                meta.number < 1_837
            })
            .unwrap();
        let minute = 60_000_000_000;
        let wanted = Wanted {
            numbers: BTreeSet::from([(0, 1_837)]),
            from: at - minute,
            to: at + minute,
        };
        let whole = frames(story.cut(&wanted, &|_| true).unwrap());
        assert!(whole.len() > 10, "{}", whole.len());
        assert!(whole.iter().any(|(time, _)| *time == at));
        let first = whole[0].1.conversation.unwrap();
        assert!(whole.iter().all(|(_, e)| e.conversation == Some(first)));
        assert!(first.1.1 == 23 || first.2.1 == 23, "{first:?}");
        assert!(frames(story.cut(&wanted, &|_| false).unwrap()).is_empty());
        let nothing = Wanted {
            numbers: BTreeSet::from([(7, 1)]),
            ..wanted
        };
        assert!(frames(story.cut(&nothing, &|_| true).unwrap()).is_empty());
    }
}

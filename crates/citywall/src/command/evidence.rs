//! An incident's packets, cut from the captures that a replay read, or from the ring of a live run.
//!
//! Owns: which packets belong to the evidence: those that its events name, and the conversations that
//! these are part of. Does not own: who may have them (`citywall-console`), reading and writing captures
//! (`citywall-capture`), keeping live packets (`packets`).

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use citywall_capture::{
    Batch, CaptureError, FileLimits, Files as CaptureFiles, FrameMeta, FrameSource, PcapWriter,
};
use citywall_console::{Packets, Seen, Wanted};
use citywall_flow::{FlowKey, KeyOptions};
use citywall_packet::{Nanos, Network, Packet};

use super::watch;
use crate::packets::{Segment, listed};

/// Bytes of packets in one answer; those that events name come first.
const MOST: usize = 16 << 20;
/// Conversations that are followed.
const CONVERSATIONS: usize = 4_096;

/// Packets that can be read again.
pub struct Kept {
    place: Place,
    /// What tells conversations apart, as in the run.
    keys: KeyOptions,
}

enum Place {
    /// The captures of a replay, as on the command line; none: the built-in story.
    Captures(Vec<PathBuf>),
    /// The folder of a live run's ring.
    Ring(PathBuf),
}

/// Captures that are read, and of each whose its packets are, where that is not as it stands: the worker, and
/// the number of the first.
struct Opened {
    source: CaptureFiles,
    names: Option<Vec<(u16, u64)>>,
}

fn packet(batch: &Batch, meta: &FrameMeta) -> Packet {
    citywall_packet::decode(&batch.frame(meta), &mut Vec::new())
}

/// Whom a packet is about.
fn ends(packet: &Packet) -> [Option<IpAddr>; 2] {
    match packet.network {
        Network::None => [None, None],
        Network::Arp(arp) => [arp.sender_ip, arp.target_ip].map(|ip| Some(IpAddr::V4(ip))),
        Network::Ip(ip) => [Some(ip.src), Some(ip.dst)],
    }
}

impl Kept {
    /// In the captures of a replay.
    pub fn in_captures(files: Vec<PathBuf>, keys: KeyOptions) -> Kept {
        let place = Place::Captures(files);
        Kept { place, keys }
    }

    /// In the ring of a live run, and of those before it.
    pub fn in_ring(folder: PathBuf, keys: KeyOptions) -> Kept {
        let place = Place::Ring(folder);
        Kept { place, keys }
    }

    /// What may hold wanted packets: `named` those whose numbers are wanted, else those of the time, too.
    fn open(&self, wanted: &Wanted, named: bool) -> Result<Option<Opened>, CaptureError> {
        let folder = match &self.place {
            Place::Captures(files) => {
                let source = watch::captures(files, None)?;
                return Ok(Some(Opened { source, names: None }));
            }
            Place::Ring(folder) => folder,
        };
        let all = segments(folder, wanted).map_err(|error| CaptureError::Io {
            file: folder.display().to_string(),
            error,
        })?;
        let holds = |(place, segment): &(usize, &Segment)| {
            let next = all.get(place + 1).filter(|next| next.worker == segment.worker);
            let until = next.map_or(u64::MAX, |next| next.first);
            let numbers = (segment.worker, segment.first)..(segment.worker, until);
            if wanted.numbers.range(numbers).next().is_some() {
                return true;
            }
            let ends = next.and_then(Segment::begins).unwrap_or(Nanos::MAX);
            let in_time = |begins| begins <= wanted.to && ends >= wanted.from;
            !named && segment.begins().is_some_and(in_time)
        };
        let held = all.iter().enumerate().filter(holds);
        let held: Vec<&Segment> = held.map(|(_, segment)| segment).collect();
        if held.is_empty() {
            return Ok(None);
        }
        let paths: Vec<PathBuf> = held.iter().map(|segment| segment.path.clone()).collect();
        let names = held.iter().map(|segment| (segment.worker, segment.first));
        Ok(Some(Opened {
            source: CaptureFiles::open(&paths, FileLimits::default())?,
            names: Some(names.collect()),
        }))
    }

    /// Hears every frame of what may hold wanted ones, until it has heard enough.
    fn each(
        &self,
        wanted: &Wanted,
        named: bool,
        hear: &mut dyn FnMut(&Batch, &FrameMeta) -> bool,
    ) -> Result<(), CaptureError> {
        let Some(Opened { mut source, names }) = self.open(wanted, named)? else {
            return Ok(());
        };
        let mut batch = Batch::default();
        while source.next_batch(&mut batch)? {
            for meta in &batch.frames {
                let mut meta = *meta;
                if let Some(names) = &names {
                    let (worker, first) = names.get(usize::from(meta.source)).copied().unwrap_or_default();
                    meta.source = worker;
                    meta.number = first.saturating_add(meta.number).saturating_sub(1);
                }
                if !hear(&batch, &meta) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn conversation(&self, packet: &Packet) -> Option<FlowKey> {
        FlowKey::with(packet, self.keys).map(|(key, _)| key)
    }

    fn collect(&self, wanted: &Wanted, seen: Seen<'_>) -> Result<Vec<(FrameMeta, Vec<u8>)>, CaptureError> {
        let mut conversations: HashSet<FlowKey> = HashSet::new();
        let mut missing = wanted.numbers.len();
        self.each(wanted, true, &mut |batch, meta| {
            if wanted.numbers.contains(&(meta.source, meta.number)) {
                missing = missing.saturating_sub(1);
                if let Some(conversation) = self.conversation(&packet(batch, meta))
                    && conversations.len() < CONVERSATIONS
                {
                    conversations.insert(conversation);
                }
            }
            missing > 0
        })?;
        let (mut kept, mut bytes) = (Vec::new(), 0);
        self.each(wanted, false, &mut |batch, meta| {
            let named = wanted.numbers.contains(&(meta.source, meta.number));
            if !named && !(wanted.from..=wanted.to).contains(&meta.at) {
                return true;
            }
            let packet = packet(batch, meta);
            let part = self
                .conversation(&packet)
                .is_some_and(|c| conversations.contains(&c));
            // What events name finds room behind the end of the others' half.
            let room = if named { MOST } else { MOST / 2 };
            let data = meta.data.of(&batch.bytes);
            if (named || part) && seen(ends(&packet)) && bytes + data.len() <= room {
                bytes += data.len();
                kept.push((*meta, data.to_vec()));
            }
            true
        })?;
        Ok(kept)
    }
}

/// The segments of the run that an incident is of: the last that had begun when the incident did.
fn segments(folder: &Path, wanted: &Wanted) -> std::io::Result<Vec<Segment>> {
    let mut all = listed(folder)?;
    let begun = |segment: &&Segment| i64::try_from(segment.run).is_ok_and(|run| run <= wanted.first);
    let run = all.iter().filter(begun).map(|segment| segment.run).max();
    all.retain(|segment| Some(segment.run) == run);
    Ok(all)
}

impl Packets for Kept {
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

    fn frames(pcap: Vec<u8>) -> Vec<(citywall_packet::Nanos, Packet)> {
        let reader = std::io::Cursor::new(pcap);
        let readers = vec![(
            "cut".to_owned(),
            Box::new(reader) as Box<dyn std::io::Read + Send>,
        )];
        let mut source =
            citywall_capture::Files::from_readers(readers, citywall_capture::FileLimits::default()).unwrap();
        let (mut batch, mut all) = (Batch::default(), Vec::new());
        while source.next_batch(&mut batch).unwrap() {
            all.extend(batch.frames.iter().map(|meta| (meta.at, packet(&batch, meta))));
        }
        all
    }

    /// The story's camera logs into nothing by itself: packet 1837 is somebody's Telnet login into it.
    #[test]
    fn a_conversation_is_cut_from_the_story_and_nothing_that_is_not_seen() {
        let story = Kept::in_captures(Vec::new(), KeyOptions::default());
        let mut at = 0;
        let nothing = Wanted {
            numbers: BTreeSet::new(),
            first: 0,
            from: 0,
            to: 0,
        };
        story
            .each(&nothing, true, &mut |_, meta| {
                at = meta.at;
                meta.number < 1_837
            })
            .unwrap();
        let minute = 60_000_000_000;
        let wanted = Wanted {
            numbers: BTreeSet::from([(0, 1_837)]),
            first: at,
            from: at - minute,
            to: at + minute,
        };
        let whole = frames(story.cut(&wanted, &|_| true).unwrap());
        assert!(whole.len() > 10, "{}", whole.len());
        assert!(whole.iter().any(|(time, _)| *time == at));
        let first = story.conversation(&whole[0].1);
        assert!(whole.iter().all(|(_, p)| story.conversation(p) == first));
        let ports = whole[0].1.transport.ports().unwrap();
        assert!(ports.0 == 23 || ports.1 == 23, "{ports:?}");
        assert!(frames(story.cut(&wanted, &|_| false).unwrap()).is_empty());
        let nothing = Wanted {
            numbers: BTreeSet::from([(7, 1)]),
            ..wanted
        };
        assert!(frames(story.cut(&nothing, &|_| true).unwrap()).is_empty());
    }
}

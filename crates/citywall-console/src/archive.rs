//! The events behind the pages: the log's lines in packed blocks, newest searched first.
//!
//! Owns: the lines within a budget of bytes, and which blocks a search can pass over. Does not own:
//! what a line says. The oldest block goes first; how many lines went is told.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::IpAddr;
use std::sync::Arc;

use citywall_event::Nanos;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

use crate::text::nanos;

/// Lines of a block.
const BLOCK: usize = 1024;
/// Bytes of a block's lines at most: a block of long lines is closed sooner.
const BLOCK_BYTES: usize = 1 << 20;
/// Longest line that is kept.
const LINE: usize = 128 << 10;
/// Names of event types that can be told apart in a mask; further ones share the last bit.
const KINDS: usize = 63;
/// Words of a block's filter of addresses.
const FILTER: usize = 128;

/// Lines, packed, with what is needed to pass them over.
pub struct Block {
    /// Place of the first line, counted from 0 over all lines.
    first: u64,
    lines: u32,
    from: Nanos,
    to: Nanos,
    kinds: u64,
    filter: [u64; FILTER],
    bytes: usize,
    packed: Box<[u8]>,
}

/// A block that is being filled.
#[derive(Default)]
struct Open {
    text: Vec<u8>,
    lines: u32,
    from: Nanos,
    to: Nanos,
    kinds: u64,
    filter: Vec<u64>,
}

/// The lines.
pub struct Archive {
    blocks: VecDeque<Arc<Block>>,
    open: Open,
    kinds: Vec<String>,
    next: u64,
    bytes: usize,
    budget: usize,
    /// Lines that went to keep the budget.
    pub forgotten: u64,
}

/// What is looked for. All that is said must hold.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Not before.
    pub from: Option<Nanos>,
    /// Before this.
    pub to: Option<Nanos>,
    /// One of these event types; none: all.
    pub kinds: Vec<String>,
    /// One of these takes part (source or destination); none: all.
    pub hosts: Vec<IpAddr>,
    /// Stands in the line, whatever its case (ASCII); empty: all.
    pub text: String,
    /// Only places below this one: where the page before ended.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// A line that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its place.
    pub place: u64,
    /// The line, without its line feed.
    pub line: String,
}

/// A part of the archive, to be searched while the archive goes on.
pub struct Snapshot {
    blocks: Vec<Arc<Block>>,
    open: Vec<u8>,
    open_first: u64,
    kinds: Vec<String>,
}

impl Archive {
    /// Nothing is kept yet; packed blocks stay within this many bytes.
    pub fn new(budget: usize) -> Archive {
        Archive {
            blocks: VecDeque::new(),
            open: Open::default(),
            kinds: Vec::new(),
            next: 0,
            bytes: 0,
            budget,
            forgotten: 0,
        }
    }

    /// Keeps a line (without its line feed) of an event type, a time and two ends.
    pub fn push(&mut self, line: &[u8], kind: &str, at: Nanos, ends: [Option<IpAddr>; 2]) {
        if line.len() > LINE || line.contains(&b'\n') {
            self.forgotten += 1;
            return;
        }
        let bit = self.kind_bit(kind);
        let open = &mut self.open;
        if open.lines == 0 {
            (open.from, open.to) = (at, at);
            open.filter.clear();
            open.filter.resize(FILTER, 0);
        }
        open.from = open.from.min(at);
        open.to = open.to.max(at);
        open.kinds |= 1 << bit;
        for end in ends.into_iter().flatten() {
            set(&mut open.filter, end);
        }
        open.text.extend_from_slice(line);
        open.text.push(b'\n');
        open.lines += 1;
        self.next += 1;
        if open.lines as usize >= BLOCK || open.text.len() >= BLOCK_BYTES {
            self.close();
        }
    }

    fn kind_bit(&mut self, kind: &str) -> usize {
        if let Some(known) = self.kinds.iter().position(|k| k == kind) {
            return known;
        }
        if self.kinds.len() < KINDS {
            self.kinds.push(kind.to_owned());
            return self.kinds.len() - 1;
        }
        KINDS
    }

    fn close(&mut self) {
        let open = std::mem::take(&mut self.open);
        let mut filter = [0; FILTER];
        filter
            .iter_mut()
            .zip(&open.filter)
            .for_each(|(to, from)| *to = *from);
        let mut packer = DeflateEncoder::new(Vec::with_capacity(open.text.len() / 8), Compression::new(4));
        // Memory takes all that is written to it.
        let packed = packer.write_all(&open.text).and_then(|()| packer.finish());
        let packed = packed.unwrap_or_default().into_boxed_slice();
        self.bytes += packed.len() + std::mem::size_of::<Block>();
        self.blocks.push_back(Arc::new(Block {
            first: self.next - u64::from(open.lines),
            lines: open.lines,
            from: open.from,
            to: open.to,
            kinds: open.kinds,
            filter,
            bytes: open.text.len(),
            packed,
        }));
        while self.bytes > self.budget && self.blocks.len() > 1 {
            if let Some(gone) = self.blocks.pop_front() {
                self.bytes -= gone.packed.len() + std::mem::size_of::<Block>();
                self.forgotten += u64::from(gone.lines);
            }
        }
        // The buffer is used again.
        self.open.text = open.text;
        self.open.text.clear();
    }

    /// Lines that came so far.
    pub fn count(&self) -> u64 {
        self.next
    }

    /// Bytes that the packed blocks take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The event types that were met.
    pub fn kinds(&self) -> &[String] {
        &self.kinds
    }

    /// What can be searched without holding up who pushes.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            blocks: self.blocks.iter().cloned().collect(),
            open: self.open.text.clone(),
            open_first: self.next - u64::from(self.open.lines),
            kinds: self.kinds.clone(),
        }
    }
}

/// Two bits for an address.
fn places(ip: IpAddr) -> [usize; 2] {
    let bits = match ip {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    };
    let mixed = (bits as u64 ^ (bits >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    [(mixed >> 51) as usize, (mixed >> 38) as usize & 0x1fff]
}

fn set(filter: &mut [u64], ip: IpAddr) {
    for place in places(ip) {
        if let Some(word) = filter.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }
}

fn may_hold(filter: &[u64], ip: IpAddr) -> bool {
    places(ip).into_iter().all(|place| {
        filter
            .get(place / 64)
            .is_some_and(|word| word & (1 << (place % 64)) != 0)
    })
}

impl Block {
    fn unpack(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.bytes);
        // What was packed here unpacks; a failure would leave what came before it.
        let _ = DeflateDecoder::new(&self.packed[..])
            .take(self.bytes as u64)
            .read_to_end(&mut text);
        text
    }

    fn may_match(&self, query: &Query, mask: u64) -> bool {
        self.kinds & mask != 0
            && query.from.is_none_or(|from| self.to >= from)
            && query.to.is_none_or(|to| self.from < to)
            && query.before.is_none_or(|before| self.first < before)
            && (query.hosts.is_empty() || query.hosts.iter().any(|ip| may_hold(&self.filter, *ip)))
    }
}

/// What a search needs of a line.
#[derive(serde::Deserialize)]
pub struct Head<'a> {
    /// Packet time.
    #[serde(borrow)]
    pub timestamp: std::borrow::Cow<'a, str>,
    /// Its type.
    #[serde(borrow)]
    pub event_type: std::borrow::Cow<'a, str>,
    /// Who sent it.
    pub src_ip: Option<IpAddr>,
    /// Who got it.
    pub dest_ip: Option<IpAddr>,
}

impl Snapshot {
    /// The newest lines that match and that `visible` lets through, newest first.
    pub fn search(&self, query: &Query, visible: &dyn Fn(&Head<'_>, &str) -> bool) -> Vec<Hit> {
        let mask = self.mask(query);
        let needle = query.text.to_ascii_lowercase();
        let finder = memchr::memmem::Finder::new(needle.as_bytes());
        let mut hits = Vec::new();
        if self.search_text(&self.open, self.open_first, query, &finder, visible, &mut hits) {
            return hits;
        }
        for block in self.blocks.iter().rev() {
            if block.may_match(query, mask)
                && self.search_text(&block.unpack(), block.first, query, &finder, visible, &mut hits)
            {
                break;
            }
        }
        hits
    }

    /// Every line, oldest first.
    pub fn each(&self, hear: &mut dyn FnMut(&[u8])) {
        for block in &self.blocks {
            block
                .unpack()
                .split(|b| *b == b'\n')
                .filter(|l| !l.is_empty())
                .for_each(&mut *hear);
        }
        self.open
            .split(|b| *b == b'\n')
            .filter(|l| !l.is_empty())
            .for_each(hear);
    }

    fn mask(&self, query: &Query) -> u64 {
        if query.kinds.is_empty() {
            return u64::MAX;
        }
        let bit = |kind: &String| self.kinds.iter().position(|k| k == kind).unwrap_or(KINDS);
        query.kinds.iter().fold(0, |mask, kind| mask | 1 << bit(kind))
    }

    /// True where there are enough.
    fn search_text(
        &self,
        text: &[u8],
        first: u64,
        query: &Query,
        finder: &memchr::memmem::Finder<'_>,
        visible: &dyn Fn(&Head<'_>, &str) -> bool,
        hits: &mut Vec<Hit>,
    ) -> bool {
        let lines: Vec<&[u8]> = text.split(|b| *b == b'\n').filter(|l| !l.is_empty()).collect();
        let mut lowered = Vec::new();
        for (index, line) in lines.iter().enumerate().rev() {
            let place = first + index as u64;
            if query.before.is_some_and(|before| place >= before) {
                continue;
            }
            if !finder.needle().is_empty() {
                lowered.clear();
                lowered.extend(line.iter().map(u8::to_ascii_lowercase));
                if finder.find(&lowered).is_none() {
                    continue;
                }
            }
            let (Ok(head), Ok(whole)) = (
                serde_json::from_slice::<Head<'_>>(line),
                std::str::from_utf8(line),
            ) else {
                continue;
            };
            if matches(&head, query) && visible(&head, whole) {
                hits.push(Hit {
                    place,
                    line: whole.to_owned(),
                });
                if hits.len() >= query.limit {
                    return true;
                }
            }
        }
        false
    }
}

fn matches(head: &Head<'_>, query: &Query) -> bool {
    let kind = query.kinds.is_empty() || query.kinds.iter().any(|k| *k == head.event_type);
    let ends = [head.src_ip, head.dest_ip];
    let host = query.hosts.is_empty() || ends.iter().flatten().any(|ip| query.hosts.contains(ip));
    if !kind || !host {
        return false;
    }
    if query.from.is_none() && query.to.is_none() {
        return true;
    }
    let at = nanos(&head.timestamp).unwrap_or_default();
    query.from.is_none_or(|from| at >= from) && query.to.is_none_or(|to| at < to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64) -> String {
        let second = number % 60;
        let minute = number / 60 % 60;
        let kind = ["flow", "dns", "command"][number as usize % 3];
        format!(
            "{{\"timestamp\":\"2026-04-30T13:{minute:02}:{second:02}.000000+0000\",\"event_type\":\"{kind}\",\"src_ip\":\"10.0.{}.{}\",\"text\":\"Line {number}.\"}}",
            number / 250 % 250,
            number % 250
        )
    }

    fn filled(lines: u64, budget: usize) -> Archive {
        let mut archive = Archive::new(budget);
        for number in 0..lines {
            let text = line(number);
            let head: Head<'_> = serde_json::from_str(&text).unwrap();
            let at = nanos(&head.timestamp).unwrap();
            archive.push(text.as_bytes(), &head.event_type, at, [head.src_ip, head.dest_ip]);
        }
        archive
    }

    fn found(archive: &Archive, query: &Query) -> Vec<u64> {
        let hits = archive.snapshot().search(query, &|_, _| true);
        hits.into_iter().map(|hit| hit.place).collect()
    }

    #[test]
    fn finds_what_a_look_at_every_line_finds() {
        let archive = filled(3_000, 1 << 30);
        let ip: IpAddr = "10.0.7.9".parse().unwrap();
        let query = Query {
            limit: 5_000,
            ..Query::default()
        };
        let by_hand =
            |wanted: &dyn Fn(u64) -> bool| (0..3_000).rev().filter(|n| wanted(*n)).collect::<Vec<_>>();
        assert_eq!(found(&archive, &query), by_hand(&|_| true));
        let of_kind = Query {
            kinds: vec!["command".into()],
            ..query.clone()
        };
        assert_eq!(found(&archive, &of_kind), by_hand(&|n| n % 3 == 2));
        let of_host = Query {
            hosts: vec![ip],
            ..query.clone()
        };
        assert_eq!(
            found(&archive, &of_host),
            by_hand(&|n| n / 250 % 250 == 7 && n % 250 == 9)
        );
        let of_text = Query {
            text: "LINE 29".into(),
            ..query.clone()
        };
        assert_eq!(
            found(&archive, &of_text),
            by_hand(&|n| n.to_string().starts_with("29"))
        );
        let from = nanos("2026-04-30T13:10:00.000000+0000");
        let to = nanos("2026-04-30T13:10:05.000000+0000");
        let of_time = Query {
            from,
            to,
            ..query.clone()
        };
        assert_eq!(found(&archive, &of_time), by_hand(&|n| (600..605).contains(&n)));
        assert!(
            found(
                &archive,
                &Query {
                    kinds: vec!["tls".into()],
                    ..query
                }
            )
            .is_empty()
        );
    }

    #[test]
    fn pages_join_without_gap_or_overlap() {
        let archive = filled(1_300, 1 << 30);
        let mut query = Query {
            text: "line".into(),
            limit: 97,
            ..Query::default()
        };
        let mut all = Vec::new();
        loop {
            let page = found(&archive, &query);
            let Some(last) = page.last() else { break };
            query.before = Some(*last);
            all.extend(page);
        }
        assert_eq!(all, (0..1_300).rev().collect::<Vec<_>>());
    }

    #[test]
    fn the_oldest_go_and_are_counted() {
        let archive = filled(40_000, 64 << 10);
        assert!(archive.bytes() <= 64 << 10, "{}", archive.bytes());
        assert!(archive.forgotten > 0);
        let query = Query {
            limit: usize::MAX,
            ..Query::default()
        };
        let kept = found(&archive, &query);
        assert_eq!(kept.len() as u64 + archive.forgotten, 40_000);
        assert_eq!(kept.first(), Some(&39_999));
    }
}

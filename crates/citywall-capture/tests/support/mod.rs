//! Captures built from numbers, and reading them to the end as text.
#![allow(dead_code)]

use std::io::Read;

use citywall_capture::{Batch, CaptureError, Damage, FileLimits, Files, FrameSource};

/// A frame as it is compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Got {
    pub at: i64,
    pub source: u16,
    pub number: u64,
    pub link: u32,
    pub wire_len: u32,
    pub data: Vec<u8>,
}

/// Reads captures from memory to their end.
pub fn read_all(captures: &[&[u8]], limits: FileLimits) -> Result<(Vec<Got>, Vec<Damage>), CaptureError> {
    let readers = captures.iter().enumerate().map(|(index, bytes)| {
        let reader: Box<dyn Read + Send> = Box::new(std::io::Cursor::new(bytes.to_vec()));
        (format!("file-{index}"), reader)
    });
    drain(Files::from_readers(readers.collect(), limits)?)
}

/// Reads a source to its end.
pub fn drain(mut files: Files) -> Result<(Vec<Got>, Vec<Damage>), CaptureError> {
    let (mut all, mut batch) = (Vec::new(), Batch::default());
    while files.next_batch(&mut batch)? {
        all.extend(batch.frames.iter().map(|meta| {
            let frame = batch.frame(meta);
            assert_eq!(
                frame.data.len(),
                meta.data.len as usize,
                "a span outside its batch"
            );
            Got {
                at: meta.at,
                source: meta.source,
                number: meta.number,
                link: meta.link.0,
                wire_len: meta.wire_len,
                data: frame.data.to_vec(),
            }
        }));
    }
    assert!(batch.frames.is_empty());
    assert!(!files.next_batch(&mut batch)?, "the end is the end");
    Ok((all, files.damage().to_vec()))
}

/// What a capture says, one line a frame.
pub fn told(captures: &[&[u8]]) -> String {
    let (frames, damage) = match read_all(captures, FileLimits::default()) {
        Ok(read) => read,
        Err(error) => return format!("error: {error}\n"),
    };
    let mut text = String::new();
    for frame in frames {
        let Got {
            at,
            source,
            number,
            link,
            wire_len,
            data,
        } = frame;
        let (seconds, nanos) = (at.div_euclid(1_000_000_000), at.rem_euclid(1_000_000_000));
        let data = data.escape_ascii();
        text += &format!("{source}#{number} {seconds}.{nanos:09} link {link} wire {wire_len} {data}\n");
    }
    for Damage {
        file,
        offset,
        frames,
        what,
    } in damage
    {
        text += &format!("damage in {file} at {offset} after {frames} frames: {what}\n");
    }
    text
}

/// Numbers in one byte order.
#[derive(Clone, Default)]
pub struct Bytes {
    pub big: bool,
    pub bytes: Vec<u8>,
}

impl Bytes {
    pub fn new(big: bool) -> Bytes {
        Bytes {
            big,
            bytes: Vec::new(),
        }
    }

    pub fn u16(mut self, value: u16) -> Bytes {
        self.bytes.extend(if self.big {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        });
        self
    }

    pub fn u32(mut self, value: u32) -> Bytes {
        self.bytes.extend(if self.big {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        });
        self
    }

    pub fn raw(mut self, bytes: &[u8]) -> Bytes {
        self.bytes.extend(bytes);
        self
    }

    /// Zeroes up to a multiple of four.
    pub fn pad(mut self) -> Bytes {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }
}

/// A classic pcap header.
pub fn pcap(big: bool, magic: u32, network: u32) -> Bytes {
    Bytes::new(big)
        .u32(magic)
        .u16(2)
        .u16(4)
        .u32(0)
        .u32(0)
        .u32(65_535)
        .u32(network)
}

impl Bytes {
    /// A classic pcap record.
    pub fn record(self, seconds: u32, fraction: u32, wire: u32, data: &[u8]) -> Bytes {
        self.u32(seconds)
            .u32(fraction)
            .u32(data.len() as u32)
            .u32(wire)
            .raw(data)
    }

    /// A pcapng block.
    pub fn block(self, kind: u32, body: Bytes) -> Bytes {
        let body = body.pad().bytes;
        let len = body.len() as u32 + 12;
        self.u32(kind).u32(len).raw(&body).u32(len)
    }

    /// A section header.
    pub fn section(self) -> Bytes {
        let body = Bytes::new(self.big)
            .u32(0x1a2b_3c4d)
            .u16(1)
            .u16(0)
            .u32(u32::MAX)
            .u32(u32::MAX);
        self.block(0x0a0d_0d0a, body)
    }

    /// An interface description with options (code, value).
    pub fn interface(self, link: u16, snap: u32, options: &[(u16, &[u8])]) -> Bytes {
        let mut body = Bytes::new(self.big).u16(link).u16(0).u32(snap);
        for (code, value) in options {
            body = body.u16(*code).u16(value.len() as u16).raw(value).pad();
        }
        if !options.is_empty() {
            body = body.u16(0).u16(0);
        }
        self.block(1, body)
    }

    /// An enhanced packet.
    pub fn packet(self, interface: u32, time: u64, wire: u32, data: &[u8]) -> Bytes {
        let body = Bytes::new(self.big)
            .u32(interface)
            .u32((time >> 32) as u32)
            .u32(time as u32)
            .u32(data.len() as u32)
            .u32(wire)
            .raw(data);
        self.block(6, body)
    }
}

/// The data folder that tests may read, or a loud word that it is not there.
pub fn shared_data() -> Option<std::path::PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(std::path::PathBuf::from);
    let folder = variable("CITYWALL_DATA")
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("citywall-data")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/citywall-data")))
        .filter(|folder| folder.is_dir());
    if folder.is_none() {
        eprintln!("SKIPPED: no shared data; set CITYWALL_DATA to its folder");
    }
    folder
}

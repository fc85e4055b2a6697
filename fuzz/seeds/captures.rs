//! Capture files in each format, plain and compressed.

use crate::Seed;
use crate::talk::marked;

/// CRC-32 as gzip uses it (RFC 1952, 8).
pub fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| {
        if crc & 1 == 1 {
            crc >> 1 ^ 0xedb8_8320
        } else {
            crc >> 1
        }
    };
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc))
    })
}

/// One stored block (RFC 1951, 3.2.4) as a gzip member.
pub fn gzip(plain: &[u8]) -> Vec<u8> {
    let length = plain.len() as u16;
    [
        &b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x01"[..],
        &length.to_le_bytes(),
        &(!length).to_le_bytes(),
        plain,
        &crc32(plain).to_le_bytes(),
        &u32::from(length).to_le_bytes(),
    ]
    .concat()
}

/// One raw block and one of repeated bytes (RFC 8878, 3.1.1.2) as a frame without checksum.
fn zstd(plain: &[u8], zeroes: u32) -> Vec<u8> {
    let block = |last: u32, kind: u32, size: u32| (last | kind << 1 | size << 3).to_le_bytes()[..3].to_vec();
    let raw = [block(0, 0, plain.len() as u32), plain.to_vec()].concat();
    let repeated = [block(1, 1, zeroes), vec![0]].concat();
    [b"\x28\xb5\x2f\xfd\0\x58".to_vec(), raw, repeated].concat()
}

struct Numbers {
    big: bool,
}

impl Numbers {
    fn u16(&self, value: u16) -> Vec<u8> {
        if self.big {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
        .to_vec()
    }

    fn u32(&self, value: u32) -> Vec<u8> {
        if self.big {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
        .to_vec()
    }

    fn words(&self, values: &[u32]) -> Vec<u8> {
        values.iter().flat_map(|value| self.u32(*value)).collect()
    }

    fn pcap(&self, magic: u32, link: u32, frames: &[&[u8]]) -> Vec<u8> {
        let mut file = self.u32(magic);
        file.extend([self.u16(2), self.u16(4), self.words(&[0, 0, 65_535, link])].concat());
        for (frame, at) in frames.iter().zip(1_700_000_000..) {
            let length = frame.len() as u32;
            file.extend(self.words(&[at, 5, length, length]));
            file.extend_from_slice(frame);
        }
        file
    }

    fn block(&self, kind: u32, body: &[u8]) -> Vec<u8> {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let length = body.len() as u32 + 12;
        [self.words(&[kind, length]), body, self.u32(length)].concat()
    }

    fn pcapng(&self, frames: &[&[u8]]) -> Vec<u8> {
        let section = [
            self.u32(0x1a2b_3c4d),
            self.u16(1),
            self.u16(0),
            self.words(&[u32::MAX, u32::MAX]),
        ]
        .concat();
        // Options: a name, the resolution of times (microseconds), the end.
        let options = [
            self.u16(2),
            self.u16(4),
            b"eth0".to_vec(),
            self.u16(9),
            self.u16(1),
            vec![6, 0, 0, 0],
            self.u32(0),
        ]
        .concat();
        let interface = [self.u16(1), self.u16(0), self.u32(65_535), options].concat();
        let mut file = [self.block(0x0a0d_0d0a, &section), self.block(1, &interface)].concat();
        for (frame, at) in frames.iter().zip(0u32..) {
            let length = frame.len() as u32;
            let packet = [&self.words(&[0, 0x0006_0000, at, length, length])[..], frame].concat();
            file.extend(self.block(6, &packet));
            file.extend(self.block(3, &[&self.u32(length)[..], frame].concat()));
        }
        file.extend(self.block(2, &[&self.words(&[0, 0, 7, 3, 3])[..], b"old"].concat()));
        file.extend(self.block(5, &self.words(&[0, 0, 0])));
        file
    }
}

pub fn seeds() -> Vec<Seed> {
    let frames: [&[u8]; 3] = [b"first frame", b"", b"third"];
    let (little, big) = (Numbers { big: false }, Numbers { big: true });
    let micro = little.pcap(0xa1b2_c3d4, 1, &frames);
    let files = [
        ("pcap", micro.clone()),
        ("pcap-big", big.pcap(0xa1b2_c3d4, 101, &frames)),
        ("pcap-nano", little.pcap(0xa1b2_3c4d, 1, &frames)),
        ("pcap-kuznetzov", little.pcap(0xa1b2_cd34, 1, &[])),
        ("pcap-fcs", little.pcap(0xa1b2_c3d4, 0x2400_0001, &frames)),
        ("pcapng", little.pcapng(&frames)),
        ("pcapng-big", big.pcapng(&frames)),
        ("gzip", gzip(&micro)),
        ("gzip-twice", [gzip(&micro[..30]), gzip(&micro[30..])].concat()),
        ("zstd", zstd(&micro, 64)),
        (
            "zstd-skipped",
            [b"\x50\x2a\x4d\x18\x02\0\0\0xx".to_vec(), zstd(&micro, 1)].concat(),
        ),
        ("two", marked(&[micro.clone(), little.pcapng(&frames)])),
        ("cut", micro[..45].to_vec()),
    ];
    files
        .into_iter()
        .map(|(name, file)| ("capture", name.to_owned(), [vec![0x39], file].concat()))
        .collect()
}

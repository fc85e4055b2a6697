//! The frames in one block of a TPACKET_V3 ring.
//!
//! Owns: the layout that the kernel writes (linux/if_packet.h, `tpacket_block_desc`, `tpacket3_hdr`,
//! `sockaddr_ll`), every length checked before it is used. Does not own: the ring (`ring`).

use citywall_packet::Nanos;

/// Where the kernel sets who owns a block, in the block.
pub(crate) const STATUS: usize = 8;
/// Number of frames in the block.
const COUNT: usize = 12;
/// Place of the first frame's header.
const FIRST: usize = 16;
/// Bytes of a frame's header, followed by its link-layer address.
const HEADER: usize = 48;
/// Bytes of the link-layer address up to the packet type, which is the last that is needed.
const ADDRESS: usize = 11;

/// The VLAN tag was taken out of the frame; its tag control information is in the header.
const VLAN_VALID: u32 = 1 << 4;
/// The header also has the tag protocol identifier.
const VLAN_TPID_VALID: u32 = 1 << 6;

/// A frame that this host sent.
pub(crate) const OUTGOING: u8 = 4;

/// One frame as the kernel handed it over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RingFrame<'a> {
    /// The captured bytes, without the VLAN tag in `vlan`.
    pub data: &'a [u8],
    /// Bytes on the wire, without the VLAN tag in `vlan`.
    pub wire_len: u32,
    /// When the kernel took it.
    pub at: Nanos,
    /// A VLAN tag that was taken out: protocol identifier, control information.
    pub vlan: Option<(u16, u16)>,
    /// `PACKET_HOST`, `PACKET_OUTGOING` and so on.
    pub direction: u8,
    /// EtherType.
    pub protocol: u16,
}

/// Walks the frames of a block. Ends early where the block contradicts itself.
pub(crate) struct Frames<'a> {
    block: &'a [u8],
    at: usize,
    left: u32,
}

impl<'a> Frames<'a> {
    /// The frames of `block`, which starts with its descriptor.
    pub(crate) fn new(block: &'a [u8]) -> Frames<'a> {
        Frames {
            block,
            at: word(block, FIRST) as usize,
            left: word(block, COUNT),
        }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = RingFrame<'a>;

    #[inline]
    fn next(&mut self) -> Option<RingFrame<'a>> {
        self.left = self.left.checked_sub(1)?;
        let frame = self.block.get(self.at..)?;
        let header = frame.get(..HEADER + ADDRESS)?;
        let mac = usize::from(half(header, 24));
        let data = frame.get(mac..)?.get(..word(header, 12) as usize)?;
        let status = word(header, 20);
        let vlan = (status & VLAN_VALID != 0).then(|| {
            let named = status & VLAN_TPID_VALID != 0;
            (
                if named { half(header, 36) } else { 0x8100 },
                word(header, 32) as u16,
            )
        });
        let seconds = i64::from(word(header, 4));
        let next = word(header, 0) as usize;
        // A zero would be this frame again.
        self.left = if next == 0 { 0 } else { self.left };
        self.at = self.at.saturating_add(next);
        Some(RingFrame {
            data,
            wire_len: word(header, 16).max(data.len() as u32),
            at: seconds * 1_000_000_000 + i64::from(word(header, 8)),
            vlan,
            direction: header.get(HEADER + 10).copied().unwrap_or(0),
            protocol: u16::from_be(half(header, HEADER + 2)),
        })
    }
}

/// A number that the kernel wrote, in this machine's byte order; 0 where it is not there.
#[inline]
fn word(data: &[u8], at: usize) -> u32 {
    data.get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

#[inline]
fn half(data: &[u8], at: usize) -> u16 {
    data.get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |bytes| u16::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;

    /// A frame as the kernel lays it out: header, address, frame at 80, padded to 16.
    fn frame(status: u32, vlan: (u32, u16), direction: u8, data: &[u8], wire: u32, last: bool) -> Vec<u8> {
        let size = (80 + data.len()).next_multiple_of(16);
        let next = if last { 0 } else { size as u32 };
        let mut bytes = vec![0; size];
        for (at, value) in [
            (0, next),
            (4, 1_700_000_000),
            (8, 999_999_999),
            (12, data.len() as u32),
            (16, wire),
            (20, status),
            (32, vlan.0),
        ] {
            bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        }
        bytes[24..26].copy_from_slice(&80u16.to_ne_bytes());
        bytes[36..38].copy_from_slice(&vlan.1.to_ne_bytes());
        bytes[50..52].copy_from_slice(&0x0800u16.to_be_bytes());
        bytes[58] = direction;
        bytes[80..80 + data.len()].copy_from_slice(data);
        bytes
    }

    fn block(count: u32, frames: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![0; 48];
        bytes[STATUS..STATUS + 4].copy_from_slice(&1u32.to_ne_bytes());
        bytes[COUNT..COUNT + 4].copy_from_slice(&count.to_ne_bytes());
        bytes[FIRST..FIRST + 4].copy_from_slice(&48u32.to_ne_bytes());
        bytes.extend(frames.concat());
        bytes
    }

    fn told(block: &[u8]) -> String {
        Frames::new(block).map(|frame| format!("{frame:x?}\n")).collect()
    }

    #[test]
    fn frames_of_a_block() {
        let frames = [
            frame(1, (0, 0), 0, b"abcd", 4, false),
            frame(
                1 | VLAN_VALID | VLAN_TPID_VALID,
                (0x2005, 0x88a8),
                OUTGOING,
                b"efg",
                300,
                false,
            ),
            frame(1 | VLAN_VALID, (5, 0), 3, b"", 0, true),
        ];
        expect![[r#"
            RingFrame { data: [61, 62, 63, 64], wire_len: 4, at: 17979cfe71c4c9ff, vlan: None, direction: 0, protocol: 800 }
            RingFrame { data: [65, 66, 67], wire_len: 12c, at: 17979cfe71c4c9ff, vlan: Some((88a8, 2005)), direction: 4, protocol: 800 }
            RingFrame { data: [], wire_len: 0, at: 17979cfe71c4c9ff, vlan: Some((8100, 5)), direction: 3, protocol: 800 }
        "#]]
        .assert_eq(&told(&block(3, &frames)));
    }

    #[test]
    fn a_count_or_a_length_that_lies_ends_the_block() {
        let short = block(1000, &[frame(1, (0, 0), 0, b"abcd", 4, true)]);
        assert_eq!(Frames::new(&short).count(), 1);
        let mut long = frame(1, (0, 0), 0, b"abcd", 4, false);
        long[12..16].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert_eq!(Frames::new(&block(1, &[long])).count(), 0);
        assert_eq!(Frames::new(&[]).count(), 0);
    }

    proptest! {
        #[test]
        fn arbitrary_blocks_end(mut bytes in proptest::collection::vec(any::<u8>(), 0..500), first in 0u32..64) {
            if let Some(place) = bytes.get_mut(FIRST..FIRST + 4) {
                place.copy_from_slice(&first.to_ne_bytes());
            }
            prop_assert!(Frames::new(&bytes).count() <= bytes.len() + 1);
        }
    }
}

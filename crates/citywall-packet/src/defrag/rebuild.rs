//! The header of a reassembled datagram (RFC 791, 3.2; RFC 8200, 4.5). Owns nothing else.

use super::datagram::Datagram;
use crate::checksum;
use crate::ipv6::{Extension, FRAGMENT};

/// The datagram as if it had never been fragmented; `None` where it is longer than its length field
/// can say, or the first fragment's header is not one.
pub(super) fn rebuild(whole: &Datagram) -> Option<Vec<u8>> {
    let mut packet = match whole.header.first()? >> 4 {
        4 => ipv4_header(whole)?,
        _ => ipv6_header(whole)?,
    };
    packet.reserve_exact(whole.payload_len());
    for piece in whole.payload() {
        packet.extend_from_slice(piece);
    }
    Some(packet)
}

fn ipv4_header(whole: &Datagram) -> Option<Vec<u8>> {
    let mut header = whole.header.clone();
    let total = u16::try_from(header.len() + whole.payload_len()).ok()?;
    header.get_mut(2..4)?.copy_from_slice(&total.to_be_bytes());
    // Keep "don't fragment" and the reserved bit; clear "more fragments" and the offset.
    let flags = header.get_mut(6..8)?;
    flags.copy_from_slice(&[*flags.first()? & 0xc0, 0]);
    header.get_mut(10..12)?.copy_from_slice(&[0, 0]);
    let sum = !checksum::fold(checksum::sum(&header));
    header.get_mut(10..12)?.copy_from_slice(&sum.to_ne_bytes());
    Some(header)
}

/// The unfragmentable part without the fragment header, which is its last.
fn ipv6_header(whole: &Datagram) -> Option<Vec<u8>> {
    let mut header = whole.header.clone();
    let unfragmentable = header.len().checked_sub(8)?;
    let next_header_at = fragment_header_named_at(&header, unfragmentable)?;
    header.truncate(unfragmentable);
    *header.get_mut(next_header_at)? = whole.protocol;
    let length = u16::try_from(header.len().checked_sub(40)? + whole.payload_len()).ok()?;
    header.get_mut(4..6)?.copy_from_slice(&length.to_be_bytes());
    Some(header)
}

/// Where the "next header" byte lies that announces the fragment header at `fragment_at`.
fn fragment_header_named_at(header: &[u8], fragment_at: usize) -> Option<usize> {
    let (mut named_at, mut at) = (6, 40);
    // Ends: each extension header consumes at least 8 bytes.
    while at < fragment_at {
        let extension = Extension::read(*header.get(named_at)?, header.get(at..)?).ok()?;
        (named_at, at) = (at, at + extension.length);
    }
    (at == fragment_at && header.get(named_at) == Some(&FRAGMENT)).then_some(named_at)
}

//! Community ID v1: the name of a conversation that other tools compute alike.
//!
//! Owns: the published algorithm (corelight/community-id-spec, version 1): SHA-1 over the ordered
//! addresses, protocol and ports. Does not own: our own keys and hashes (`key`).

use std::net::IpAddr;

use sha1::{Digest, Sha1};

use crate::key::icmp_counterpart;
use crate::{Carrier, Flow};

/// Characters of a Community ID: the version with its colon, then 20 bytes in Base64.
const LENGTH: usize = 30;

/// The text of a Community ID. A value, as each conversation has one and needs it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommunityId([u8; LENGTH]);

impl CommunityId {
    /// The text.
    pub fn as_str(&self) -> &str {
        // The alphabet is ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The Community ID v1 of a conversation, such as `1:LQU9qZlK+B5F3KDmev6m5PMibrg=`; `None` where
/// there is no IP. `seed` separates domains of use; 0 is the default everywhere.
pub fn community_id<S>(flow: &Flow<S>, seed: u16) -> Option<CommunityId> {
    let (src, dst) = flow.initiator.ip.zip(flow.responder.ip)?;
    let ports = (flow.initiator.port, flow.responder.port);
    Some(match flow.carrier {
        Carrier::Tcp => tuple_id((src, ports.0), (dst, ports.1), 6, true, false, seed),
        Carrier::Udp => tuple_id((src, ports.0), (dst, ports.1), 17, true, false, seed),
        Carrier::Ip(132) => tuple_id((src, ports.0), (dst, ports.1), 132, true, false, seed),
        Carrier::Ip(protocol @ (1 | 58)) => {
            // An endpoint's "port" is the ICMP type here, the other's the code.
            let kind = ports.0 as u8;
            match icmp_counterpart(protocol == 58, kind) {
                Some(other) => tuple_id(
                    (src, kind.into()),
                    (dst, other.into()),
                    protocol,
                    true,
                    false,
                    seed,
                ),
                // Without a counterpart there are no two directions to unite.
                None => tuple_id((src, ports.0), (dst, ports.1), protocol, true, true, seed),
            }
        }
        Carrier::Ip(protocol) => tuple_id((src, 0), (dst, 0), protocol, false, false, seed),
        Carrier::Ethernet(_) => return None,
    })
}

type End = (IpAddr, u16);

fn tuple_id(src: End, dst: End, protocol: u8, ports: bool, one_way: bool, seed: u16) -> CommunityId {
    // `IpAddr` orders by its bytes in network order; a v4 address never meets a v6 one.
    let (low, high) = if one_way || src <= dst {
        (src, dst)
    } else {
        (dst, src)
    };
    // All at once: the hash function's own buffer would be filled piece by piece.
    let mut bytes = [0; 40];
    let mut len = 0;
    let mut append = |part: &[u8]| {
        bytes[len..len + part.len()].copy_from_slice(part);
        len += part.len();
    };
    append(&seed.to_be_bytes());
    for (address, _) in [low, high] {
        match address {
            IpAddr::V4(ip) => append(&ip.octets()),
            IpAddr::V6(ip) => append(&ip.octets()),
        }
    }
    append(&[protocol, 0]);
    if ports {
        append(&low.1.to_be_bytes());
        append(&high.1.to_be_bytes());
    }
    let hash: [u8; 20] = Sha1::digest(&bytes[..len]).into();
    let mut text = [b'='; LENGTH];
    text[..2].copy_from_slice(b"1:");
    base64(&hash, &mut text[2..]);
    CommunityId(text)
}

/// Base64 with padding (RFC 4648, 4): 20 bytes give 27 letters and one `=`, which is there already.
fn base64(hash: &[u8; 20], letters: &mut [u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (four, three) in letters.chunks_mut(4).zip(hash.chunks(3)) {
        let byte = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (letter, shift) in four.iter_mut().zip([18, 12, 6, 0]).take(three.len() + 1) {
            *letter = ALPHABET[(bits >> shift & 63) as usize];
        }
    }
}

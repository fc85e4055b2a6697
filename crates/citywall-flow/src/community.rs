//! Community ID v1: the name of a conversation that other tools compute alike.
//!
//! Owns: the published algorithm (corelight/community-id-spec, version 1): SHA-1 over the ordered
//! addresses, protocol and ports. Does not own: our own keys and hashes (`key`).

use std::net::IpAddr;

use sha1::{Digest, Sha1};

use crate::key::icmp_counterpart;
use crate::{Carrier, Flow};

/// The Community ID v1 of a conversation, such as `1:LQU9qZlK+B5F3KDmev6m5PMibrg=`. Empty where
/// there is no IP. `seed` separates domains of use; 0 is the default everywhere.
pub fn community_id<S>(flow: &Flow<S>, seed: u16) -> String {
    let (Some(src), Some(dst)) = (flow.initiator.ip, flow.responder.ip) else {
        return String::new();
    };
    let ports = (flow.initiator.port, flow.responder.port);
    match flow.carrier {
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
        Carrier::Ethernet(_) => String::new(),
    }
}

type End = (IpAddr, u16);

fn tuple_id(src: End, dst: End, protocol: u8, ports: bool, one_way: bool, seed: u16) -> String {
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
    let mut text = String::with_capacity(30);
    text.push_str("1:");
    push_base64(&mut text, &hash);
    text
}

/// Base64 with padding (RFC 4648, 4): 20 bytes give 27 letters and one `=`.
fn push_base64(text: &mut String, hash: &[u8; 20]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut padded = [0; 21];
    padded[..20].copy_from_slice(hash);
    let mut letters = [b'='; 28];
    for (four, three) in letters.chunks_exact_mut(4).zip(padded.chunks_exact(3)) {
        let bits = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        for (letter, shift) in four.iter_mut().zip([18, 12, 6, 0]) {
            *letter = ALPHABET[(bits >> shift & 63) as usize];
        }
    }
    letters[27] = b'=';
    // The alphabet is ASCII.
    text.push_str(std::str::from_utf8(&letters).unwrap_or_default());
}

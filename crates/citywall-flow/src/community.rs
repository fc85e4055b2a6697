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
    let mut hash = Sha1::new();
    hash.update(seed.to_be_bytes());
    for (address, _) in [low, high] {
        match address {
            IpAddr::V4(ip) => hash.update(ip.octets()),
            IpAddr::V6(ip) => hash.update(ip.octets()),
        }
    }
    hash.update([protocol, 0]);
    if ports {
        hash.update(low.1.to_be_bytes());
        hash.update(high.1.to_be_bytes());
    }
    let mut text = String::with_capacity(30);
    text.push_str("1:");
    push_base64(&mut text, &hash.finalize());
    text
}

/// Base64 with padding (RFC 4648, 4).
fn push_base64(text: &mut String, bytes: &[u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4u32 {
            let letter = if i as usize <= chunk.len() {
                ALPHABET[(bits >> (18 - 6 * i) & 63) as usize]
            } else {
                b'='
            };
            text.push(char::from(letter));
        }
    }
}

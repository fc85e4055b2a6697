//! The IPv6 header and its extension headers (RFC 8200). Does not own reassembly.

use std::net::{IpAddr, Ipv6Addr};

use crate::bytes::{array, be16, be32};
use crate::decode::{Decoder, Layer};
use crate::ipv4::protocol;
use crate::malformed::Malformed;
use crate::model::{Checksum, Fragment, Ip, Network, Span};

pub(crate) const HOP_BY_HOP: u8 = 0;
pub(crate) const ROUTING: u8 = 43;
pub(crate) const FRAGMENT: u8 = 44;
pub(crate) const NO_NEXT_HEADER: u8 = 59;
pub(crate) const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;
const HIP: u8 = 139;
const SHIM6: u8 = 140;

/// Extension headers that are walked. Each may occur once, destination options twice.
const MAX_EXTENSIONS: usize = 16;

/// One extension header: its own type, the next one's, and its length in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extension {
    pub(crate) kind: u8,
    pub(crate) next: u8,
    pub(crate) length: usize,
}

/// Why no extension header could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoExtension {
    /// `kind` is an upper protocol.
    Upper,
    /// The bytes end within the header.
    Short,
    /// The length field cannot be.
    Length,
}

impl Extension {
    /// Reads the extension header of type `kind` at the start of `bytes`.
    pub(crate) fn read(kind: u8, bytes: &[u8]) -> Result<Extension, NoExtension> {
        let units = |scale: usize, extra: usize| match bytes.get(1) {
            Some(&value) => Ok((usize::from(value) + extra) * scale),
            None => Err(NoExtension::Short),
        };
        let length = match kind {
            HOP_BY_HOP | ROUTING | DESTINATION | MOBILITY | HIP | SHIM6 => units(8, 1)?,
            FRAGMENT => 8,
            // RFC 4302, 2.2: in 4-byte words, minus 2; the fixed part has 12 bytes.
            protocol::AH => match units(4, 2)? {
                length if length < 12 => return Err(NoExtension::Length),
                length => length,
            },
            _ => return Err(NoExtension::Upper),
        };
        match bytes.first() {
            Some(&next) if length <= bytes.len() => Ok(Extension { kind, next, length }),
            _ => Err(NoExtension::Short),
        }
    }
}

impl Decoder<'_, '_> {
    /// An IPv6 header, its extension headers, and what they carry.
    pub(crate) fn ipv6(&mut self) -> Option<Layer> {
        let start = self.at;
        let Some(fixed) = self.rest().first_chunk::<40>() else {
            return self.short(Malformed::Ipv6Truncated);
        };
        if fixed[0] >> 4 != 6 {
            return self.bad(Malformed::Ipv6Version);
        }
        let length = usize::from(be16(fixed, 4));
        // 0 is a jumbogram (RFC 2675) or segmentation offload: the frame says where it ends.
        let open =
            length == 0 && fixed[6] != NO_NEXT_HEADER && (fixed[6] == HOP_BY_HOP || self.to_be_segmented());
        let whole = open || self.narrow(40 + length, Malformed::Ipv6Truncated);
        self.commit();
        self.at += 40;
        let mut ip = Ip {
            src: IpAddr::V6(Ipv6Addr::from(array::<16>(fixed, 8))),
            dst: IpAddr::V6(Ipv6Addr::from(array::<16>(fixed, 24))),
            protocol: fixed[6],
            ttl: fixed[7],
            tos: (be16(fixed, 0) >> 4) as u8,
            id: 0,
            header: Span {
                start: start as u32,
                len: 40,
            },
            payload: self.span_from(self.at),
            fragment: None,
            reassembled: self.reassembled,
        };
        let walked = matches!(ip.protocol, protocol::TCP | protocol::UDP) || self.extensions(&mut ip);
        ip.header.len = (self.at - start) as u32;
        ip.payload = self.span_from(self.at);
        self.packet.payload = ip.payload;
        self.packet.network = Network::Ip(ip);
        if !walked || ip.fragment.is_some() {
            return None;
        }
        // What is not whole its receiver drops, as it does what has a wrong sum.
        let checksum = if whole {
            Checksum::Unverified
        } else {
            Checksum::Invalid
        };
        self.above_ip(ip.protocol, true, checksum)
    }

    /// Walks the extension headers up to the upper protocol or a fragment header that splits the
    /// packet. False where it does not come that far.
    fn extensions(&mut self, ip: &mut Ip) -> bool {
        let mut seen = Seen::default();
        for _ in 0..=MAX_EXTENSIONS {
            let rest = self.rest();
            let extension = match Extension::read(ip.protocol, rest) {
                Ok(extension) => extension,
                Err(NoExtension::Upper) => return true,
                Err(NoExtension::Length) => {
                    self.bad(Malformed::AhLength);
                    return false;
                }
                Err(NoExtension::Short) => {
                    let ah = ip.protocol == protocol::AH;
                    self.short(if ah {
                        Malformed::AhLength
                    } else {
                        Malformed::Ipv6ExtensionTruncated
                    });
                    return false;
                }
            };
            if let Some(wrong) = seen.note(extension.kind) {
                self.out.push(wrong);
            }
            if extension.kind == ROUTING && rest.get(2) == Some(&0) {
                self.out.push(Malformed::Ipv6RoutingType0);
            }
            ip.protocol = extension.next;
            self.at += extension.length;
            if extension.kind == FRAGMENT {
                let place = be16(rest, 2);
                ip.id = be32(rest, 4);
                // Offset 0 and no more to come is a whole packet ("atomic", RFC 6946).
                if place & 0xfff9 != 0 {
                    ip.fragment = Some(Fragment {
                        offset: u32::from(place & 0xfff8),
                        more: place & 1 != 0,
                    });
                    return true;
                }
            }
        }
        self.out.push(Malformed::Ipv6ExtensionChain);
        false
    }
}

/// Which extension headers a packet had so far.
#[derive(Default)]
struct Seen {
    count: u8,
    hop_by_hop: u8,
    routing: u8,
    fragment: u8,
    destination: u8,
    ah: u8,
}

impl Seen {
    /// Counts one; says what is wrong with its place. Once per packet and kind of anomaly.
    fn note(&mut self, kind: u8) -> Option<Malformed> {
        let first = self.count == 0;
        self.count = self.count.saturating_add(1);
        let (times, allowed) = match kind {
            HOP_BY_HOP => (&mut self.hop_by_hop, 1),
            ROUTING => (&mut self.routing, 1),
            FRAGMENT => (&mut self.fragment, 1),
            DESTINATION => (&mut self.destination, 2),
            protocol::AH => (&mut self.ah, 1),
            _ => return None,
        };
        *times = times.saturating_add(1);
        if *times == allowed + 1 {
            return Some(Malformed::Ipv6ExtensionRepeated);
        }
        (kind == HOP_BY_HOP && !first && *times == 1).then_some(Malformed::Ipv6ExtensionOrder)
    }
}

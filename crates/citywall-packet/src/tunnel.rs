//! Tunnels above IP: GRE, PPTP, ERSPAN, VXLAN, Geneve, Teredo. IP-in-IP needs no header of its own
//! and lies with `ipv4`; PPPoE and MPLS lie with `link`.
//!
//! A UDP port alone never turns a datagram into a tunnel, because clients pick such ports too: the
//! content has to fit, else the datagram stays what it is.

use crate::bytes::{be16, be32};
use crate::decode::{Decoder, Layer};
use crate::link::ethertype::{IPV4, IPV6, MPLS, MPLS_MULTICAST, PPP, TRANSPARENT_ETHERNET};
use crate::link::plausible_ethernet;
use crate::malformed::Malformed;
use crate::model::TunnelKind;

/// GRE protocol types of ERSPAN (draft-foschiano-erspan).
const ERSPAN_1_2: u16 = 0x88be;
const ERSPAN_3: u16 = 0x22eb;

const VXLAN_PORT: u16 = 4789;
/// What Linux used before the port was assigned, and many overlays still use.
const VXLAN_OLD_PORT: u16 = 8472;
/// The generic protocol extension (draft-ietf-nvo3-vxlan-gpe).
const VXLAN_GPE_PORT: u16 = 4790;
const GENEVE_PORT: u16 = 6081;
const TEREDO_PORT: u16 = 3544;

/// GRE flag bits (RFC 2784, RFC 2890, RFC 2637).
mod gre {
    pub(super) const CHECKSUM: u16 = 0x8000;
    pub(super) const ROUTING: u16 = 0x4000;
    pub(super) const KEY: u16 = 0x2000;
    pub(super) const SEQUENCE: u16 = 0x1000;
    /// Strict source route, recursion control: receivers drop what has them (RFC 2784, 2.3).
    pub(super) const REFUSED: u16 = 0x0f00 | ROUTING;
    /// Only in version 1.
    pub(super) const ACKNOWLEDGEMENT: u16 = 0x0080;
    pub(super) const VERSION: u16 = 0x0007;
}

impl Decoder<'_, '_> {
    /// A GRE header: version 0, or version 1 as PPTP uses it.
    pub(crate) fn gre(&mut self) -> Option<Layer> {
        let Some(header) = self.rest().first_chunk::<4>() else {
            return self.short(Malformed::GreTruncated);
        };
        let (flags, kind) = (be16(header, 0), be16(header, 2));
        match flags & gre::VERSION {
            0 => self.gre_0(flags, kind),
            1 => self.gre_1(flags, kind),
            _ => self.bad(Malformed::GreVersion),
        }
    }

    fn gre_0(&mut self, flags: u16, kind: u16) -> Option<Layer> {
        if flags & gre::REFUSED != 0 {
            return self.bad(Malformed::GreFlags);
        }
        let mut length = 4;
        if flags & gre::CHECKSUM != 0 {
            length += 4;
        }
        let key_at = length;
        if flags & gre::KEY != 0 {
            length += 4;
        }
        if flags & gre::SEQUENCE != 0 {
            length += 4;
        }
        let Some(header) = self.rest().get(..length) else {
            return self.short(Malformed::GreTruncated);
        };
        let key = if flags & gre::KEY != 0 {
            be32(header, key_at)
        } else {
            0
        };
        self.at += length;
        match kind {
            TRANSPARENT_ETHERNET => self.enter(
                TunnelKind::Gre,
                virtual_subnet(flags, key).unwrap_or(key),
                Layer::Ethernet,
            ),
            IPV4 => self.enter(TunnelKind::Gre, key, Layer::Ipv4),
            IPV6 => self.enter(TunnelKind::Gre, key, Layer::Ipv6),
            MPLS | MPLS_MULTICAST => self.enter(TunnelKind::Gre, key, Layer::Protocol(kind)),
            // Type I has neither sequence number nor a header of its own.
            ERSPAN_1_2 if flags & gre::SEQUENCE == 0 => self.enter(TunnelKind::Erspan, 0, Layer::Ethernet),
            ERSPAN_1_2 => self.erspan(1, 8),
            ERSPAN_3 => self.erspan(2, 12),
            _ => None,
        }
    }

    /// PPTP (RFC 2637, 4.1): the key is payload length and call id.
    fn gre_1(&mut self, flags: u16, kind: u16) -> Option<Layer> {
        if flags & (gre::CHECKSUM | gre::REFUSED) != 0 || flags & gre::KEY == 0 {
            return self.bad(Malformed::GreFlags);
        }
        let mut length = 8;
        if flags & gre::SEQUENCE != 0 {
            length += 4;
        }
        if flags & gre::ACKNOWLEDGEMENT != 0 {
            length += 4;
        }
        let Some(header) = self.rest().get(..length) else {
            return self.short(Malformed::GreTruncated);
        };
        let (payload, call) = (be16(header, 4), be16(header, 6));
        // Without a sequence number there is no payload, only an acknowledgement.
        if kind != PPP || flags & gre::SEQUENCE == 0 {
            return None;
        }
        self.at += length;
        self.narrow(usize::from(payload), Malformed::GreTruncated);
        self.enter(TunnelKind::Gre, u32::from(call), Layer::Ppp)
    }

    /// ERSPAN type II (version 1, 8 bytes) and III (version 2, 12 bytes, optional 8 more).
    fn erspan(&mut self, version: u8, length: usize) -> Option<Layer> {
        let Some(header) = self.rest().get(..length) else {
            return self.short(Malformed::ErspanTruncated);
        };
        if header.first().map(|byte| byte >> 4) != Some(version) {
            return self.bad(Malformed::ErspanVersion);
        }
        let session = u32::from(be16(header, 2) & 0x03ff);
        let more = version == 2 && header.last().is_some_and(|byte| byte & 1 == 1);
        self.at += length;
        if more {
            if self.rest().len() < 8 {
                return self.short(Malformed::ErspanTruncated);
            }
            self.at += 8;
        }
        self.enter(TunnelKind::Erspan, session, Layer::Ethernet)
    }

    /// Goes on into a tunnel where port and content of a UDP datagram say so.
    #[inline(always)]
    pub(crate) fn udp_tunnel(&mut self, src_port: u16, dst_port: u16) -> Option<Layer> {
        match dst_port {
            VXLAN_PORT | VXLAN_OLD_PORT => self.vxlan(dst_port),
            VXLAN_GPE_PORT => self.vxlan_gpe(),
            GENEVE_PORT => self.geneve(),
            _ => {
                let on_port = dst_port == TEREDO_PORT || src_port == TEREDO_PORT;
                let ipv6 = self.rest().first().is_some_and(|byte| byte >> 4 == 6);
                if on_port || ipv6 {
                    self.teredo(on_port)
                } else {
                    None
                }
            }
        }
    }

    /// VXLAN (RFC 7348, 5), with the group policy bits that Linux and Cisco add.
    #[cold]
    fn vxlan(&mut self, port: u16) -> Option<Layer> {
        const HAS_VNI: u8 = 0x08;
        const HAS_GROUP: u8 = 0x80;
        let rest = self.rest();
        let (Some(header), Some(inside)) = (rest.first_chunk::<8>(), rest.get(8..)) else {
            return None;
        };
        let clean = header[7] == 0
            && match header[0] {
                HAS_VNI => header[1..4] == [0, 0, 0],
                flags => flags == HAS_VNI | HAS_GROUP && header[1] & !0x48 == 0,
            };
        if !clean {
            // Receivers ignore the reserved bits, but refuse a header without a VNI.
            if port != VXLAN_PORT || !plausible_ethernet(inside) {
                return None;
            }
            self.out.push(Malformed::VxlanHeader);
            if header[0] & HAS_VNI == 0 {
                return None;
            }
        }
        self.at += 8;
        self.enter(TunnelKind::Vxlan, be32(header, 4) >> 8, Layer::Ethernet)
    }

    /// VXLAN with a next protocol: version 0, with VNI and protocol.
    #[cold]
    fn vxlan_gpe(&mut self) -> Option<Layer> {
        let header = self.rest().first_chunk::<8>()?;
        let inner = match *header {
            [0x0c, 0, 0, 1, .., 0] => Layer::Ipv4,
            [0x0c, 0, 0, 2, .., 0] => Layer::Ipv6,
            [0x0c, 0, 0, 3, .., 0] => Layer::Ethernet,
            _ => return None,
        };
        self.at += 8;
        self.enter(TunnelKind::Vxlan, be32(header, 4) >> 8, inner)
    }

    /// Geneve (RFC 8926, 3.4). Options are skipped.
    #[cold]
    fn geneve(&mut self) -> Option<Layer> {
        let header = self.rest().first_chunk::<8>()?;
        let inner = match be16(header, 2) {
            TRANSPARENT_ETHERNET => Layer::Ethernet,
            IPV4 => Layer::Ipv4,
            IPV6 => Layer::Ipv6,
            _ => return None,
        };
        if header[0] >> 6 != 0 {
            return self.bad(Malformed::GeneveVersion);
        }
        let length = 8 + usize::from(header[0] & 0x3f) * 4;
        if self.rest().len() < length {
            return self.short(Malformed::GeneveOptions);
        }
        self.at += length;
        self.enter(TunnelKind::Geneve, be32(header, 4) >> 8, inner)
    }

    /// Teredo (RFC 4380, 5.1.1): indications, then a whole IPv6 packet.
    #[cold]
    fn teredo(&mut self, on_port: bool) -> Option<Layer> {
        let skip = if on_port {
            teredo_indications(self.rest())?
        } else {
            0
        };
        let inside = self.rest().get(skip..)?;
        let header = inside.first_chunk::<40>()?;
        if header[0] >> 4 != 6 {
            return None;
        }
        let length = 40 + usize::from(be16(header, 4));
        // Peers talk to each other from any port: there the length has to be exact and one of the
        // addresses Teredo's. On the port, trailers may follow (RFC 6081, 4).
        let fits = if on_port {
            length <= inside.len() || self.cut
        } else {
            const PREFIX: [u8; 4] = [0x20, 0x01, 0, 0];
            length == inside.len() && (header[8..12] == PREFIX || header[24..28] == PREFIX)
        };
        if !fits {
            return None;
        }
        self.at += skip;
        self.enter(TunnelKind::Teredo, 0, Layer::Ipv6)
    }
}

/// The virtual subnet that the key of NVGRE holds, before 8 bits that differ by flow (RFC 7637 section 3.2).
/// It has neither checksum nor sequence number, and subnets below 0x1000 are reserved: where the key says so
/// it is the number of a tunnel that somebody set up by hand, which looks the same.
fn virtual_subnet(flags: u16, key: u32) -> Option<u32> {
    let subnet = key >> 8;
    let nvgre = flags & (gre::CHECKSUM | gre::KEY | gre::SEQUENCE) == gre::KEY;
    (nvgre && (0x1000..0xff_ffff).contains(&subnet)).then_some(subnet)
}

/// The length of the authentication and origin indications before a Teredo packet.
fn teredo_indications(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    if let Some(&[0, 1, client, value, ..]) = bytes.get(at..) {
        // Client identifier, authentication value, nonce, confirmation byte.
        at += 4 + usize::from(client) + usize::from(value) + 9;
    }
    if let Some(&[0, 0, ..]) = bytes.get(at..) {
        at += 8;
    }
    (at <= bytes.len()).then_some(at)
}

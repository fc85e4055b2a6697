//! Link layers: Ethernet II and 802.3, tags, Linux cooked, loopback, raw IP, PPP, PPPoE, MPLS, and ARP
//! as what they carry beside IP. Owns EtherTypes; does not own IP.

use std::net::Ipv4Addr;

use crate::bytes::{array, be16, be32};
use crate::decode::{Decoder, Layer};
use crate::malformed::Malformed;
use crate::model::{Arp, LinkType, Mac, Macs, Network, TunnelKind, Vlans};

/// EtherType numbers (IANA IEEE 802 numbers).
pub(crate) mod ethertype {
    pub(crate) const IPV4: u16 = 0x0800;
    pub(crate) const ARP: u16 = 0x0806;
    pub(crate) const TRANSPARENT_ETHERNET: u16 = 0x6558;
    pub(crate) const RARP: u16 = 0x8035;
    pub(crate) const VLAN: u16 = 0x8100;
    pub(crate) const IPV6: u16 = 0x86dd;
    pub(crate) const PPP: u16 = 0x880b;
    pub(crate) const MPLS: u16 = 0x8847;
    pub(crate) const MPLS_MULTICAST: u16 = 0x8848;
    pub(crate) const PPPOE_SESSION: u16 = 0x8864;
    pub(crate) const QINQ: u16 = 0x88a8;
    pub(crate) const HSR: u16 = 0x892f;
    /// Before 802.1ad, some vendors tagged the outer VLAN like this.
    pub(crate) const QINQ_OLD: u16 = 0x9100;
    /// Values up to here are 802.3 lengths, values from `MIN` on are types (802.3, 3.2.6).
    pub(crate) const MAX_LENGTH: u16 = 1500;
    pub(crate) const MIN: u16 = 0x0600;
}

use ethertype::*;

/// Tags in front of each other that are unwrapped.
const MAX_TAGS: usize = 8;

/// Labels in one MPLS stack that are unwrapped.
const MAX_LABELS: usize = 16;

impl Decoder<'_, '_> {
    /// Decodes the link header that the link type names.
    #[inline]
    pub(crate) fn link(&mut self, link: LinkType) -> Option<Layer> {
        if link == LinkType::ETHERNET {
            return self.ethernet();
        }
        self.other_link(link)
    }

    /// The numbers are those of <https://www.tcpdump.org/linktypes.html>.
    fn other_link(&mut self, link: LinkType) -> Option<Layer> {
        match link.0 {
            0 | 108 => self.loopback(),
            9 | 50 => Some(Layer::Ppp),
            51 => self.pppoe(),
            12 | 14 | 101 => self.raw_ip(),
            113 => self.linux_sll(),
            228 => Some(Layer::Ipv4),
            229 => Some(Layer::Ipv6),
            276 => self.linux_sll2(),
            _ => self.bad(Malformed::LinkUnsupported),
        }
    }

    /// Ethernet: destination, source, type or length.
    #[inline]
    pub(crate) fn ethernet(&mut self) -> Option<Layer> {
        let Some(header) = self.rest().first_chunk::<14>() else {
            return self.short(Malformed::EthernetTruncated);
        };
        self.commit();
        self.packet.macs = Some(Macs {
            dst: array(header, 0),
            src: array(header, 6),
        });
        self.packet.vlans = Vlans::default();
        self.packet.ethertype = 0;
        self.advance(14);
        self.protocol(be16(header, 12))
    }

    /// What follows an EtherType.
    #[inline]
    pub(crate) fn protocol(&mut self, kind: u16) -> Option<Layer> {
        if kind == IPV4 {
            self.packet.ethertype = IPV4;
            return self.ipv4();
        }
        self.other_protocol(kind)
    }

    fn other_protocol(&mut self, kind: u16) -> Option<Layer> {
        let kind = self.tags(kind)?;
        if kind < MIN {
            return self.length_frame(kind);
        }
        self.packet.ethertype = kind;
        match kind {
            IPV4 => self.ipv4(),
            IPV6 => self.ipv6(),
            ARP | RARP => self.arp(),
            PPPOE_SESSION => self.pppoe(),
            MPLS | MPLS_MULTICAST => self.mpls(),
            _ => None,
        }
    }

    /// Unwraps 802.1Q and 802.1ad tags and the HSR tag (IEC 62439-3); gives the type behind them.
    fn tags(&mut self, kind: u16) -> Option<u16> {
        let mut kind = kind;
        for _ in 0..=MAX_TAGS {
            let rest = self.rest();
            match kind {
                VLAN | QINQ | QINQ_OLD => {
                    let Some(tag) = rest.first_chunk::<4>() else {
                        self.short(Malformed::VlanTruncated);
                        return None;
                    };
                    self.keep_vlan(be16(tag, 0) & 0x0fff);
                    kind = be16(tag, 2);
                    self.advance(4);
                }
                HSR => {
                    let Some(tag) = rest.first_chunk::<6>() else {
                        self.short(Malformed::VlanTruncated);
                        return None;
                    };
                    kind = be16(tag, 4);
                    self.advance(6);
                }
                _ => return Some(kind),
            }
        }
        self.out.push(Malformed::VlanTooDeep);
        None
    }

    /// Id 0 only carries a priority and names no VLAN (802.1Q, 9.6), so it is not kept: both directions
    /// of a conversation then agree.
    fn keep_vlan(&mut self, id: u16) {
        let vlans = &mut self.packet.vlans;
        if let (true, Some(slot)) = (id != 0, vlans.ids.get_mut(usize::from(vlans.count))) {
            *slot = id;
            vlans.count += 1;
        }
    }

    /// 802.3: a length, then LLC (802.2). Only SNAP names an EtherType.
    fn length_frame(&mut self, length: u16) -> Option<Layer> {
        if length > MAX_LENGTH {
            return self.bad(Malformed::EthernetLength);
        }
        self.narrow(usize::from(length), Malformed::EthernetLength);
        self.advance(0);
        // SNAP with the organisation codes of RFC 1042 and 802.1H.
        match self.rest().first_chunk::<8>() {
            Some(&[0xaa, 0xaa, 0x03, 0, 0, 0 | 0xf8, high, low]) => {
                let kind = u16::from_be_bytes([high, low]);
                if kind < MIN {
                    return None;
                }
                self.advance(8);
                Some(Layer::Protocol(kind))
            }
            _ => None,
        }
    }

    /// Linux cooked capture v1: packet type, ARPHRD, address length, address, protocol.
    fn linux_sll(&mut self) -> Option<Layer> {
        let Some(header) = self.rest().first_chunk::<16>() else {
            return self.short(Malformed::SllTruncated);
        };
        self.cooked_address(be16(header, 4), array(header, 6));
        self.advance(16);
        self.cooked_protocol(be16(header, 2), be16(header, 14))
    }

    /// Linux cooked capture v2: protocol, reserved, interface, ARPHRD, packet type, address.
    fn linux_sll2(&mut self) -> Option<Layer> {
        let Some(header) = self.rest().first_chunk::<20>() else {
            return self.short(Malformed::SllTruncated);
        };
        self.cooked_address(u16::from(header[11]), array(header, 12));
        self.advance(20);
        self.cooked_protocol(be16(header, 8), be16(header, 0))
    }

    fn cooked_address(&mut self, length: u16, src: Mac) {
        if length == 6 {
            self.packet.macs = Some(Macs { src, dst: [0; 6] });
        }
    }

    /// The protocol field of a cooked header is an EtherType only for hardware types that have them.
    fn cooked_protocol(&mut self, hardware: u16, kind: u16) -> Option<Layer> {
        const NETLINK: u16 = 824;
        const LLC: u16 = 4;
        match (hardware, kind) {
            (NETLINK, _) => None,
            // The frame had an 802.3 length, which the kernel removed: what is left is its content.
            (_, LLC) => {
                let length = self.rest().len().min(usize::from(MAX_LENGTH));
                self.length_frame(length as u16)
            }
            (_, kind) if kind < MIN => None,
            (_, kind) => self.protocol(kind),
        }
    }

    /// BSD loopback: the address family as the writer's machine stores it.
    fn loopback(&mut self) -> Option<Layer> {
        let Some(header) = self.rest().first_chunk::<4>() else {
            return self.short(Malformed::LoopbackTruncated);
        };
        // Families are small, so the order in which the value is small is the writer's.
        let family = u32::from_be_bytes(*header).min(u32::from_le_bytes(*header));
        self.advance(4);
        match family {
            2 => {
                self.packet.ethertype = IPV4;
                Some(Layer::Ipv4)
            }
            // AF_INET6 of Linux, Windows, NetBSD and OpenBSD, FreeBSD, macOS.
            10 | 23 | 24 | 28 | 30 => {
                self.packet.ethertype = IPV6;
                Some(Layer::Ipv6)
            }
            _ => self.bad(Malformed::LoopbackFamily),
        }
    }

    /// IP without a link header: the first nibble is the version.
    pub(crate) fn raw_ip(&mut self) -> Option<Layer> {
        match self.rest().first().map(|byte| byte >> 4) {
            Some(4) => Some(Layer::Ipv4),
            Some(6) => Some(Layer::Ipv6),
            Some(_) => self.bad(Malformed::IpVersion),
            None => self.short(Malformed::IpVersion),
        }
    }

    /// PPP: optional address and control (RFC 1662), protocol of one or two bytes (RFC 1661, 2).
    pub(crate) fn ppp(&mut self) -> Option<Layer> {
        let rest = self.rest();
        let skip = if rest.starts_with(&[0xff, 0x03]) { 2 } else { 0 };
        let (protocol, length) = match rest.get(skip..) {
            Some(&[low, ..]) if low & 1 == 1 => (u16::from(low), 1),
            Some(&[high, low, ..]) => (u16::from_be_bytes([high, low]), 2),
            _ => return self.short(Malformed::PppTruncated),
        };
        let kind = match protocol {
            0x0021 => IPV4,
            0x0057 => IPV6,
            0x0281 => MPLS,
            0x0283 => MPLS_MULTICAST,
            _ => return None,
        };
        self.at += skip + length;
        if self.pending.is_none() {
            self.advance(0);
        }
        Some(Layer::Protocol(kind))
    }

    /// PPPoE session (RFC 2516, 4): version 1, type 1, code 0.
    fn pppoe(&mut self) -> Option<Layer> {
        let Some(header) = self.rest().first_chunk::<6>() else {
            return self.short(Malformed::PppoeTruncated);
        };
        if header[..2] != [0x11, 0] {
            return self.bad(Malformed::PppoeHeader);
        }
        self.at += 6;
        self.narrow(usize::from(be16(header, 4)), Malformed::PppoeLength);
        self.enter(TunnelKind::Pppoe, u32::from(be16(header, 2)), Layer::Ppp)
    }

    /// An MPLS label stack (RFC 3032). What lies under it is named by no field and has to be guessed.
    fn mpls(&mut self) -> Option<Layer> {
        for _ in 0..MAX_LABELS {
            let Some(entry) = self.rest().first_chunk::<4>() else {
                return self.short(Malformed::MplsTruncated);
            };
            let entry = be32(entry, 0);
            self.at += 4;
            if entry & 0x100 != 0 {
                let (skip, inner) = self.under_labels()?;
                self.at += skip;
                return self.enter(TunnelKind::Mpls, entry >> 12, inner);
            }
        }
        self.bad(Malformed::MplsTooDeep)
    }

    /// Guesses what a label stack carries: IP by its version and length, else a pseudowire with
    /// Ethernet, with (RFC 4385) or without control word. The number is the bytes to skip.
    fn under_labels(&self) -> Option<(usize, Layer)> {
        let rest = self.rest();
        let fits = |length: usize| self.cut || length <= rest.len();
        match rest.first()? >> 4 {
            4 if rest[0] & 15 >= 5 && fits(usize::from(be16(rest, 2))) => {
                return Some((0, Layer::Protocol(IPV4)));
            }
            6 if fits(40 + usize::from(be16(rest, 4))) => return Some((0, Layer::Protocol(IPV6))),
            0 if rest.get(4..).is_some_and(plausible_ethernet) => return Some((4, Layer::Ethernet)),
            _ => {}
        }
        plausible_ethernet(rest).then_some((0, Layer::Ethernet))
    }

    /// ARP and RARP for Ethernet and IPv4 (RFC 826, RFC 903). Other kinds stay a payload.
    fn arp(&mut self) -> Option<Layer> {
        let rest = self.rest();
        let Some(fixed) = rest.first_chunk::<8>() else {
            return self.short(Malformed::ArpTruncated);
        };
        // Hardware type 6 is IEEE 802, whose stations write it in place of 1.
        if !matches!(be16(fixed, 0), 1 | 6) || be16(fixed, 2) != IPV4 {
            return None;
        }
        if fixed[4..6] != [6, 4] {
            return self.bad(Malformed::ArpFormat);
        }
        let Some(body) = rest.first_chunk::<28>() else {
            return self.short(Malformed::ArpTruncated);
        };
        self.commit();
        self.packet.network = Network::Arp(Arp {
            operation: be16(body, 6),
            sender_mac: array(body, 8),
            sender_ip: Ipv4Addr::from(array::<4>(body, 14)),
            target_mac: array(body, 18),
            target_ip: Ipv4Addr::from(array::<4>(body, 24)),
        });
        // What follows is Ethernet padding.
        self.narrow(28, Malformed::ArpTruncated);
        // The payload is the ARP packet itself: its dissector reads it whole.
        None
    }
}

/// True where `bytes` can well be an Ethernet frame: an EtherType seen in practice, the right first
/// nibble where it is IP, or an 802.3 length that fits.
pub(crate) fn plausible_ethernet(bytes: &[u8]) -> bool {
    let (Some(header), Some(next)) = (bytes.first_chunk::<14>(), bytes.get(14)) else {
        return false;
    };
    match be16(header, 12) {
        IPV4 => next >> 4 == 4,
        IPV6 => next >> 4 == 6,
        ARP | RARP | VLAN | QINQ | QINQ_OLD | HSR | MPLS | MPLS_MULTICAST => true,
        // PPPoE, Profinet, EtherCAT, GOOSE/SV, LLDP, MACsec, PTP, EAPOL, slow protocols, PRP, loop test.
        0x8863
        | 0x8864
        | 0x8892
        | 0x88a4
        | 0x88b8..=0x88ba
        | 0x88cc
        | 0x88e5
        | 0x88f7
        | 0x888e
        | 0x8809
        | 0x88fb
        | 0x9000 => true,
        length => (3..=MAX_LENGTH).contains(&length) && usize::from(length) <= bytes.len() - 14,
    }
}

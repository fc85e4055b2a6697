//! The IPv4 header and its options (RFC 791), and the choice of the upper protocol for both IP
//! versions. Does not own reassembly.

use std::net::{IpAddr, Ipv4Addr};

use crate::bytes::{array, be16};
use crate::checksum;
use crate::decode::{Decoder, Layer};
use crate::ipv6::{Extension, NoExtension};
use crate::malformed::Malformed;
use crate::model::{Checksum, Fragment, Ip, Network, Span, Transport, TunnelKind};

/// IP protocol numbers (IANA).
pub(crate) mod protocol {
    pub(crate) const ICMP: u8 = 1;
    pub(crate) const IGMP: u8 = 2;
    pub(crate) const IPV4: u8 = 4;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const IPV6: u8 = 41;
    pub(crate) const GRE: u8 = 47;
    pub(crate) const ESP: u8 = 50;
    pub(crate) const AH: u8 = 51;
    pub(crate) const ICMPV6: u8 = 58;
    pub(crate) const SCTP: u8 = 132;
}

/// Loose and strict source route options.
pub(crate) const SOURCE_ROUTES: [u8; 2] = [131, 137];

impl Decoder<'_, '_> {
    /// An IPv4 header and what it carries.
    #[inline]
    pub(crate) fn ipv4(&mut self) -> Option<Layer> {
        let start = self.at;
        let Some(fixed) = self.rest().first_chunk::<20>() else {
            return self.short(Malformed::Ipv4Truncated);
        };
        if fixed[0] >> 4 != 4 {
            return self.bad(Malformed::Ipv4Version);
        }
        let header_len = usize::from(fixed[0] & 15) * 4;
        if header_len < 20 {
            return self.bad(Malformed::Ipv4HeaderLength);
        }
        let total = usize::from(be16(fixed, 2));
        let whole = total < header_len || self.narrow(total, Malformed::Ipv4Truncated);
        // A total length of 0 is how segmentation offload shows a packet that is still to be cut: the
        // frame then says where it ends.
        if total < header_len && (total != 0 || !self.to_be_segmented()) {
            return self.bad(Malformed::Ipv4TotalLength);
        }
        self.commit();
        let header = self.rest().get(..header_len);
        let mut checksum = header.map_or(Checksum::Unverified, |header| self.ipv4_header(header));
        if !whole {
            // Its receiver drops it as it does one with a wrong sum.
            checksum = Checksum::Invalid;
        }
        self.at += header_len.min(self.data.len() - start);
        let place = be16(fixed, 6);
        let ip = Ip {
            src: IpAddr::V4(Ipv4Addr::from(array::<4>(fixed, 12))),
            dst: IpAddr::V4(Ipv4Addr::from(array::<4>(fixed, 16))),
            protocol: fixed[9],
            ttl: fixed[8],
            tos: fixed[1],
            id: u32::from(be16(fixed, 4)),
            header: Span {
                start: start as u32,
                len: (self.at - start) as u32,
            },
            payload: self.span_from(self.at),
            fragment: (place & 0x3fff != 0).then(|| Fragment {
                offset: u32::from(place & 0x1fff) * 8,
                more: place & 0x2000 != 0,
            }),
            reassembled: self.reassembled,
        };
        self.packet.payload = ip.payload;
        self.packet.network = Network::Ip(ip);
        if header.is_none() {
            return self.short(Malformed::Ipv4Truncated);
        }
        if place & 0x3fff != 0 {
            return None;
        }
        self.above_ip(fixed[9], false, checksum)
    }

    /// Checks a whole header. The result is what the transport checksum starts as.
    #[inline(always)]
    fn ipv4_header(&mut self, header: &[u8]) -> Checksum {
        let (sum, sound) = match <&[u8; 20]>::try_from(header) {
            Ok(fixed) => (checksum::sum_fixed(fixed), true),
            Err(_) => (checksum::sum(header), self.ipv4_options(header)),
        };
        // A field of 0 is left to the network card by the sending host.
        let summed = checksum::fold(sum) == 0xffff || header[10..12] == [0, 0];
        if !summed {
            self.out.push(Malformed::Ipv4Checksum);
        }
        if summed && sound {
            Checksum::Unverified
        } else {
            Checksum::Invalid
        }
    }

    /// Walks the options; false where a receiver would drop the packet for them.
    #[cold]
    fn ipv4_options(&mut self, header: &[u8]) -> bool {
        let mut source_route = false;
        for option in Ipv4Options::new(header) {
            let Some(kind) = option else {
                self.out.push(Malformed::Ipv4OptionLength);
                return false;
            };
            source_route |= SOURCE_ROUTES.contains(&kind);
        }
        if source_route {
            self.out.push(Malformed::Ipv4SourceRoute);
        }
        true
    }

    /// Goes on with what IP carries; `checksum` is what the transport checksum starts as.
    #[inline(always)]
    pub(crate) fn above_ip(&mut self, upper: u8, v6: bool, checksum: Checksum) -> Option<Layer> {
        match upper {
            protocol::TCP => {
                self.tcp(checksum);
                None
            }
            protocol::UDP => self.udp(v6, checksum),
            _ => self.other_transport(upper, v6, checksum),
        }
    }

    fn other_transport(&mut self, upper: u8, v6: bool, checksum: Checksum) -> Option<Layer> {
        match upper {
            protocol::ICMP if !v6 => self.icmp(false, checksum),
            protocol::ICMPV6 if v6 => self.icmp(true, checksum),
            protocol::IGMP if !v6 => self.igmp(),
            protocol::SCTP => self.sctp(),
            protocol::ESP => self.esp(),
            protocol::AH if !v6 => return self.ipv4_ah(checksum),
            protocol::IPV4 => {
                self.packet.transport = Transport::Other;
                return self.enter(TunnelKind::IpInIp, 0, Layer::Ipv4);
            }
            protocol::IPV6 => {
                self.packet.transport = Transport::Other;
                return self.enter(TunnelKind::IpInIp, 0, Layer::Ipv6);
            }
            protocol::GRE => {
                self.packet.transport = Transport::Other;
                return self.gre();
            }
            _ => self.packet.transport = Transport::Other,
        }
        None
    }

    /// An authentication header between IPv4 and its payload (RFC 4302); counted to the IP header.
    fn ipv4_ah(&mut self, checksum: Checksum) -> Option<Layer> {
        let ah = match Extension::read(protocol::AH, self.rest()) {
            Ok(ah) => ah,
            Err(NoExtension::Short) => return self.short(Malformed::AhLength),
            Err(_) => return self.bad(Malformed::AhLength),
        };
        self.advance(ah.length);
        if let Network::Ip(ip) = &mut self.packet.network {
            ip.protocol = ah.next;
            ip.header.len += ah.length as u32;
            ip.payload = self.packet.payload;
        }
        if ah.next == protocol::AH {
            // RFC 4302 has one per packet; a chain of them would be a loop without use.
            return self.bad(Malformed::AhLength);
        }
        self.above_ip(ah.next, false, checksum)
    }
}

/// The option kinds of a whole IPv4 header; `None` for one whose length cannot be, which ends it.
pub(crate) struct Ipv4Options<'a> {
    rest: &'a [u8],
}

impl<'a> Ipv4Options<'a> {
    pub(crate) fn new(header: &'a [u8]) -> Self {
        Ipv4Options {
            rest: header.get(20..).unwrap_or(&[]),
        }
    }
}

impl Iterator for Ipv4Options<'_> {
    type Item = Option<u8>;

    fn next(&mut self) -> Option<Option<u8>> {
        loop {
            match *self.rest {
                [] | [0, ..] => return None,
                [1, ref rest @ ..] => self.rest = rest,
                [kind, length, ..] if length >= 2 && usize::from(length) <= self.rest.len() => {
                    self.rest = self.rest.get(usize::from(length)..).unwrap_or(&[]);
                    return Some(Some(kind));
                }
                _ => {
                    self.rest = &[];
                    return Some(None);
                }
            }
        }
    }
}

//! Transport headers: TCP, UDP, ICMP, ICMPv6, SCTP, IGMP, ESP. Does not own checksums
//! (`checksum`) or what UDP ports may carry (`tunnel`).

use std::net::Ipv4Addr;

use crate::bytes::{array, be16, be32};
use crate::decode::{Decoder, Layer};
use crate::malformed::Malformed;
use crate::model::{Checksum, Span, Tcp, Transport, tcp_flags};

/// The largest window scale (RFC 7323, 2.3).
const MAX_WINDOW_SCALE: u8 = 14;

impl Decoder<'_, '_> {
    /// A TCP header (RFC 9293, 3.1).
    #[inline]
    pub(crate) fn tcp(&mut self, checksum: Checksum) {
        let start = self.at;
        let rest = self.rest();
        let Some(fixed) = rest.first_chunk::<20>() else {
            self.short(Malformed::TcpTruncated);
            return;
        };
        let header_len = usize::from(fixed[12] >> 4) * 4;
        if header_len < 20 {
            self.bad(Malformed::TcpHeaderLength);
            return;
        }
        let header = match rest.get(..header_len) {
            Some(header) => header,
            None => {
                self.short(Malformed::TcpTruncated);
                if !self.cut {
                    return;
                }
                // The capture cut the options: ports and numbers are still worth having.
                rest
            }
        };
        let options = match header.len() {
            20 => Options::default(),
            _ => self.tcp_options(header),
        };
        if odd_flags(fixed[13]) {
            self.out.push(Malformed::TcpFlags);
        }
        self.advance(header.len());
        self.packet.transport = Transport::Tcp(Tcp {
            src_port: be16(fixed, 0),
            dst_port: be16(fixed, 2),
            seq: be32(fixed, 4),
            ack: be32(fixed, 8),
            flags: fixed[13],
            window: be16(fixed, 14),
            urgent: be16(fixed, 18),
            mss: options.mss,
            window_scale: options.window_scale,
            sack_permitted: options.sack_permitted,
            timestamp: options.timestamp,
            header: Span {
                start: start as u32,
                len: header.len() as u32,
            },
            checksum,
        });
    }

    #[inline(always)]
    fn tcp_options(&mut self, header: &[u8]) -> Options {
        // Most segments of a connection carry just this: two paddings and the timestamp.
        if let Some(&[1, 1, 8, 10, a, b, c, d, e, f, g, h]) = header.get(20..) {
            let timestamp = Some((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])));
            return Options {
                timestamp,
                ..Options::default()
            };
        }
        self.tcp_option_list(header.get(20..).unwrap_or(&[]))
    }

    /// Options by kind (RFC 9293, 3.2; RFC 7323; RFC 2018); where one is repeated, the last counts.
    fn tcp_option_list(&mut self, bytes: &[u8]) -> Options {
        let mut options = Options::default();
        let mut rest = bytes;
        loop {
            let (option, behind) = match *rest {
                [] | [0, ..] => return options,
                [1, ref behind @ ..] => {
                    rest = behind;
                    continue;
                }
                [_, length, ..] if length >= 2 && usize::from(length) <= rest.len() => {
                    rest.split_at(usize::from(length))
                }
                _ => {
                    self.short(Malformed::TcpOptionLength);
                    return options;
                }
            };
            rest = behind;
            match *option {
                [2, 4, high, low] => options.mss = Some(u16::from_be_bytes([high, low])),
                [3, 3, scale] => {
                    if scale > MAX_WINDOW_SCALE {
                        self.out.push(Malformed::TcpWindowScale);
                    }
                    options.window_scale = Some(scale.min(MAX_WINDOW_SCALE));
                }
                [4, 2] => options.sack_permitted = true,
                [8, 10, ..] => options.timestamp = Some((be32(option, 2), be32(option, 6))),
                [2 | 3 | 4 | 8, ..] => self.out.push(Malformed::TcpOptionLength),
                _ => {}
            }
        }
    }

    /// A UDP header (RFC 768) and the tunnels that are known by port or content.
    #[inline]
    pub(crate) fn udp(&mut self, v6: bool, checksum: Checksum) -> Option<Layer> {
        let rest = self.rest();
        let Some(header) = rest.first_chunk::<8>() else {
            return self.short(Malformed::UdpTruncated);
        };
        let length = usize::from(be16(header, 4));
        if length != rest.len() {
            self.udp_length(length, rest.len(), v6)?;
        }
        let (src_port, dst_port) = (be16(header, 0), be16(header, 2));
        self.advance(8);
        self.packet.transport = Transport::Udp {
            src_port,
            dst_port,
            checksum,
        };
        self.udp_tunnel(src_port, dst_port)
    }

    /// The UDP length is not that of the IP payload. `None` where a receiver drops the datagram.
    #[cold]
    fn udp_length(&mut self, length: usize, have: usize, v6: bool) -> Option<()> {
        if length == 0 && v6 {
            // A jumbogram (RFC 2675, 4): the IP payload says where it ends.
            return Some(());
        }
        if length < 8 || (length > have && !self.cut) {
            self.bad(Malformed::UdpLength);
            return None;
        }
        if length < have {
            self.out.push(Malformed::UdpSurplus);
        }
        self.narrow(length, Malformed::UdpLength);
        Some(())
    }

    /// The header that ICMP (RFC 792) and ICMPv6 (RFC 4443) share.
    pub(crate) fn icmp(&mut self, v6: bool, checksum: Checksum) {
        let Some(header) = self.rest().first_chunk::<8>() else {
            self.short(if v6 {
                Malformed::Icmpv6Truncated
            } else {
                Malformed::IcmpTruncated
            });
            return;
        };
        let kind = header[0];
        let echo = if v6 {
            matches!(kind, 128 | 129)
        } else {
            matches!(kind, 0 | 8)
        };
        let (id, seq) = if echo {
            (be16(header, 4), be16(header, 6))
        } else {
            (0, 0)
        };
        self.packet.transport = Transport::Icmp {
            v6,
            kind,
            code: header[1],
            id,
            seq,
            checksum,
        };
        self.advance(8);
    }

    /// The SCTP common header (RFC 9260, 3.1).
    pub(crate) fn sctp(&mut self) {
        let Some(header) = self.rest().first_chunk::<12>() else {
            self.short(Malformed::SctpTruncated);
            return;
        };
        self.packet.transport = Transport::Sctp {
            src_port: be16(header, 0),
            dst_port: be16(header, 2),
            tag: be32(header, 4),
        };
        self.advance(12);
    }

    /// The start that all IGMP versions share (RFC 2236, RFC 3376).
    pub(crate) fn igmp(&mut self) {
        let Some(header) = self.rest().first_chunk::<8>() else {
            self.short(Malformed::IgmpTruncated);
            return;
        };
        // A version 3 report has no group here, but a count.
        let report_v3 = header[0] == 0x22;
        let group = if report_v3 { [0; 4] } else { array(header, 4) };
        self.packet.transport = Transport::Igmp {
            kind: header[0],
            group: Ipv4Addr::from(group),
        };
        self.advance(8);
    }

    /// The ESP header (RFC 4303, 2); the rest is encrypted.
    pub(crate) fn esp(&mut self) {
        let Some(header) = self.rest().first_chunk::<8>() else {
            self.short(Malformed::EspTruncated);
            return;
        };
        self.packet.transport = Transport::Esp {
            spi: be32(header, 0),
            seq: be32(header, 4),
        };
        self.advance(8);
    }
}

/// The TCP options that matter.
#[derive(Default)]
struct Options {
    mss: Option<u16>,
    window_scale: Option<u8>,
    sack_permitted: bool,
    timestamp: Option<(u32, u32)>,
}

/// Flags that no stack sends, but scanners do.
#[inline(always)]
fn odd_flags(flags: u8) -> bool {
    use tcp_flags::{ACK, FIN, PSH, RST, SYN, URG};
    flags & (FIN | SYN | RST | PSH | ACK | URG) == 0 || (flags & SYN != 0 && flags & (FIN | RST) != 0)
}

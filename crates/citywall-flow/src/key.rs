//! Which packets belong together: the key of a conversation.
//!
//! Owns: the normalised key, the same for both directions, and its hashes. Does not own: who of
//! the two opened the conversation (`table`).

use std::net::IpAddr;

use citywall_packet::{Mac, Network, Packet, Transport, TunnelKind};

/// What the packets of one conversation have in common, whichever way they go.
///
/// - IP: addresses, protocol, ports (TCP, UDP, SCTP), VLAN ids (see `KeyOptions`), innermost tunnel.
/// - ICMP: in place of ports the pair of types (echo request and reply, solicitation and
///   advertisement, ...) and the echo identifier; messages without a counterpart by type and code.
/// - no IP (ARP too): the two MAC addresses, EtherType, VLAN ids, tunnel.
///
/// The unspecified address is nobody's: all who ask for one (DHCP, duplicate address detection) send from
/// it. So its MAC address stands in for it, where there is one: each of them has a conversation of its own.
///
/// An MPLS label names one direction of a path only (RFC 3031, 3.1), so for MPLS the kind of the
/// tunnel counts but not its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowKey {
    /// Lower address (2 words), higher address (2 words), ports and protocol, VLAN and tunnel.
    words: [u64; 6],
}

/// What counts in a key besides what always does. The same for all packets of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyOptions {
    /// VLAN ids (IEEE 802.1Q). Without them, networks that use the same addresses in different
    /// VLANs are taken for one; with them, a mirror port that shows the two directions of a
    /// conversation under different tags makes two of it.
    pub use_vlans: bool,
}

impl Default for KeyOptions {
    fn default() -> KeyOptions {
        KeyOptions { use_vlans: true }
    }
}

/// Which way a packet goes, seen from its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orientation {
    /// From the key's lower to its higher end; also where both ends are equal.
    Forward,
    /// From the higher to the lower end.
    Backward,
}

/// How the ends of a key are to be read. In the key, so that unlike things never meet.
#[derive(Clone, Copy)]
enum Form {
    Ports4 = 1,
    Ports6 = 2,
    Icmp4 = 3,
    Icmp6 = 4,
    Bare4 = 5,
    Bare6 = 6,
    Ethernet = 7,
}

/// The VLAN ids of a packet without tags, where they stand in a key's last word.
const NO_VLANS: u64 = 0xffff_ffff << 32;

/// Beside a key's form, where a MAC address stands in for the unspecified address: no address is like it.
const NOBODY: u64 = 0x80 << 8;

/// Fractional bits of the square roots of the first primes: numbers without a pattern of ours.
const K: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

impl FlowKey {
    /// `with` the default options: VLANs count.
    #[inline]
    pub fn of(packet: &Packet) -> Option<(FlowKey, Orientation)> {
        Self::with(packet, KeyOptions::default())
    }

    /// The key of a packet and the packet's orientation; `None` where there is neither IP nor a
    /// hardware address.
    #[inline]
    pub fn with(packet: &Packet, options: KeyOptions) -> Option<(FlowKey, Orientation)> {
        let (mut key, orientation) = Self::with_vlans(packet)?;
        if key.words[..2] == [0; 2] {
            key.name_nobody(packet, orientation);
        }
        if !options.use_vlans {
            let [.., last] = &mut key.words;
            *last |= NO_VLANS;
        }
        Some((key, orientation))
    }

    #[inline]
    fn with_vlans(packet: &Packet) -> Option<(FlowKey, Orientation)> {
        if let Network::Ip(ip) = packet.network
            && let (IpAddr::V4(src), IpAddr::V4(dst)) = (ip.src, ip.dst)
            && let Some(ports) = packet.transport.ports()
        {
            return Some(Self::of_ports4(
                packet,
                [src, dst].map(u32::from),
                ports,
                ip.protocol,
            ));
        }
        match packet.network {
            Network::Ip(ip) => {
                let (form, ends) = transport_ends(&packet.transport, ip.src.is_ipv6());
                let src = (address(ip.src), ends.src);
                let dst = (address(ip.dst), ends.dst);
                let (low, high, orientation) = order(src, dst);
                let ports = match ends.fixed {
                    Some(fixed) => fixed,
                    None => u32::from(low.1) << 16 | u32::from(high.1),
                };
                Some((
                    Self::build(packet, low.0, high.0, ports, ip.protocol.into(), form),
                    orientation,
                ))
            }
            Network::Arp(arp) => {
                let (src, dst) = match packet.macs {
                    Some(macs) => (macs.src, macs.dst),
                    None => (arp.sender_mac, arp.target_mac),
                };
                Some(Self::ethernet(packet, src, dst, crate::opening::ETHERTYPE_ARP))
            }
            Network::None => {
                let macs = packet.macs?;
                Some(Self::ethernet(packet, macs.src, macs.dst, packet.ethertype))
            }
        }
    }

    /// The usual case, in one word an end: which is the lower one is not guessed by the processor, who would be
    /// wrong every other time.
    #[inline]
    fn of_ports4(
        packet: &Packet,
        [src, dst]: [u32; 2],
        ports: (u16, u16),
        protocol: u8,
    ) -> (FlowKey, Orientation) {
        let end = |address: u32, port: u16| u64::from(address) << 16 | u64::from(port);
        let (src, dst) = (end(src, ports.0), end(dst, ports.1));
        let (low, high) = (src.min(dst), src.max(dst));
        let orientation = if src <= dst {
            Orientation::Forward
        } else {
            Orientation::Backward
        };
        let ports = ((low & 0xffff) << 16 | high & 0xffff) as u32;
        let (low, high) = (u128::from(low >> 16), u128::from(high >> 16));
        let key = Self::build(packet, low, high, ports, protocol.into(), Form::Ports4);
        (key, orientation)
    }

    /// Puts a MAC address where the lower address is the unspecified one.
    #[cold]
    fn name_nobody(&mut self, packet: &Packet, orientation: Orientation) {
        let (Network::Ip(ip), Some(macs)) = (packet.network, packet.macs) else {
            return;
        };
        // Where both are, there is no order that holds for both directions.
        if ip.src == ip.dst {
            return;
        }
        let card = match orientation {
            Orientation::Forward => macs.src,
            Orientation::Backward => macs.dst,
        };
        self.words[1] = mac_bits(card) as u64;
        self.words[4] |= NOBODY;
    }

    /// Reads it; the number means nothing.
    #[inline]
    pub(crate) fn touch(&self) -> u64 {
        self.words[0] ^ self.words[5]
    }

    /// A 64-bit hash under a secret `seed`, for tables, and to deal packets out to workers: nobody
    /// who does not know the seed can aim at one bucket or one worker. The same for the same seed in
    /// every run and on every machine.
    #[inline]
    pub fn hash_with(&self, seed: u64) -> u64 {
        let w = &self.words;
        // The secret in every factor: one that a sender can make zero takes the other with it, and
        // all that only stands in the other then gives the same hash.
        let s = |turn| seed.rotate_left(turn);
        let low = fold(w[0] ^ K[0] ^ seed, w[1] ^ K[1] ^ s(11));
        let high = fold(w[2] ^ K[2] ^ s(21), w[3] ^ K[3] ^ s(32));
        let rest = fold(w[4] ^ K[4] ^ s(43), w[5] ^ K[5] ^ s(53));
        fold(low ^ high.rotate_left(23) ^ K[6] ^ s(5), rest ^ K[7] ^ s(37))
    }

    fn ethernet(packet: &Packet, src: Mac, dst: Mac, ethertype: u16) -> (FlowKey, Orientation) {
        let (low, high, orientation) = order((mac_bits(src), 0), (mac_bits(dst), 0));
        let key = Self::build(packet, low.0, high.0, 0, ethertype, Form::Ethernet);
        (key, orientation)
    }

    #[inline(always)]
    fn build(packet: &Packet, low: u128, high: u128, ports: u32, protocol: u16, form: Form) -> FlowKey {
        let (kind, tunnel) = match packet.tunnel {
            None => (0, 0),
            Some(tunnel) if tunnel.kind == TunnelKind::Mpls => (tunnel.kind as u8 + 1, 0),
            Some(tunnel) => (tunnel.kind as u8 + 1, tunnel.id),
        };
        let vlans = packet.vlans.as_slice();
        // VLAN id 0 can be on the wire (priority tag), so "no tag" needs a number of its own: all
        // ones, as in `NO_VLANS`.
        let vlan = |i: usize| u64::from(vlans.get(i).copied().unwrap_or(u16::MAX));
        FlowKey {
            words: [
                (low >> 64) as u64,
                low as u64,
                (high >> 64) as u64,
                high as u64,
                u64::from(ports) << 32 | u64::from(protocol) << 16 | (form as u64) << 8 | u64::from(kind),
                vlan(0) << 48 | vlan(1) << 32 | u64::from(tunnel),
            ],
        }
    }
}

struct Ends {
    src: u16,
    dst: u16,
    /// In place of ordered ports: the same for both directions.
    fixed: Option<u32>,
}

#[inline]
fn transport_ends(transport: &Transport, v6: bool) -> (Form, Ends) {
    let pick = |four, six| if v6 { six } else { four };
    let ported = |src, dst| {
        let ends = Ends {
            src,
            dst,
            fixed: None,
        };
        (pick(Form::Ports4, Form::Ports6), ends)
    };
    match *transport {
        Transport::Tcp(tcp) => ported(tcp.src_port, tcp.dst_port),
        Transport::Udp {
            src_port, dst_port, ..
        } => ported(src_port, dst_port),
        Transport::Sctp {
            src_port, dst_port, ..
        } => ported(src_port, dst_port),
        Transport::Icmp {
            v6: six,
            kind,
            code,
            id,
            ..
        } => {
            let name = match icmp_counterpart(six, kind) {
                Some(other) => u16::from(kind.min(other)) << 8,
                None => u16::from(kind) << 8 | u16::from(code),
            };
            let fixed = Some(u32::from(name) << 16 | u32::from(id));
            let form = if six { Form::Icmp6 } else { Form::Icmp4 };
            (
                form,
                Ends {
                    src: 0,
                    dst: 0,
                    fixed,
                },
            )
        }
        Transport::None | Transport::Igmp { .. } | Transport::Esp { .. } | Transport::Other => {
            let ends = Ends {
                src: 0,
                dst: 0,
                fixed: Some(0),
            };
            (pick(Form::Bare4, Form::Bare6), ends)
        }
    }
}

/// The message type that answers (or asked for) this one: RFC 792, 950, 1256 for IPv4; RFC 4443,
/// 2710, 4861, 4620, 6275 for IPv6. The same pairs that Community ID uses.
pub(crate) fn icmp_counterpart(v6: bool, kind: u8) -> Option<u8> {
    let pair = match (v6, kind) {
        (false, 0 | 8) => (0, 8),
        (false, 9 | 10) => (9, 10),
        (false, 13 | 14) => (13, 14),
        (false, 15 | 16) => (15, 16),
        (false, 17 | 18) => (17, 18),
        (true, 128 | 129) => (128, 129),
        (true, 130 | 131) => (130, 131),
        (true, 133 | 134) => (133, 134),
        (true, 135 | 136) => (135, 136),
        (true, 139 | 140) => (139, 140),
        (true, 144 | 145) => (144, 145),
        _ => return None,
    };
    Some(if kind == pair.0 { pair.1 } else { pair.0 })
}

type End = (u128, u16);

#[inline]
fn order(src: End, dst: End) -> (End, End, Orientation) {
    if src <= dst {
        (src, dst, Orientation::Forward)
    } else {
        (dst, src, Orientation::Backward)
    }
}

#[inline]
fn address(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u32::from(ip).into(),
        IpAddr::V6(ip) => u128::from(ip),
    }
}

#[inline]
fn mac_bits(mac: Mac) -> u128 {
    let [a, b, c, d, e, f] = mac;
    u64::from_be_bytes([0, 0, a, b, c, d, e, f]).into()
}

/// Multiplies to 128 bits and folds the halves: every input bit reaches every output bit.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a).wrapping_mul(u128::from(b));
    product as u64 ^ (product >> 64) as u64
}

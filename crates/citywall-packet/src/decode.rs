//! The decoder: its cursor, its bounds, and the loop from layer to layer. Owns `decode` and
//! `decode_reassembled`; the layers themselves lie in `link`, `ipv4`, `ipv6`, `transport`, `tunnel`.
//!
//! Rules that all layers keep:
//! - A header that its receiver would refuse is reported and not presented: the packet then ends at
//!   the layer before, whose payload it is (the valid prefix).
//! - A length field narrows `data`, so no inner layer can see bytes beyond an outer one's end.
//! - A tunnel counts as unwrapped only when the header inside is whole; until then it is `pending`.

use std::net::IpAddr;

use crate::malformed::Malformed;
use crate::model::{Frame, Network, Packet, Span, Transport, Tunnel, TunnelKind, Vlans};

/// How many tunnels in each other are unwrapped.
pub const MAX_TUNNELS: u8 = 8;

/// The longest IP packet in a standard Ethernet frame (RFC 894). A longer one holds several segments that a
/// network card joined, or is still to cut.
pub(crate) const MTU: usize = 1_500;

/// What lies at the cursor and is still to be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    /// An Ethernet header.
    Ethernet,
    /// What this EtherType says.
    Protocol(u16),
    /// A PPP protocol field.
    Ppp,
    /// An IPv4 header.
    Ipv4,
    /// An IPv6 header.
    Ipv6,
}

/// The state of decoding one frame.
pub(crate) struct Decoder<'a, 'o> {
    /// The bytes up to the end that the layers so far allow.
    pub(crate) data: &'a [u8],
    /// Where the next layer starts; never beyond `data`.
    pub(crate) at: usize,
    /// True while `data` ends where the capture ended, not where a length field says.
    pub(crate) cut: bool,
    /// `data` came out of the defragmenter.
    pub(crate) reassembled: bool,
    /// A tunnel whose inner header is not yet seen.
    pub(crate) pending: Option<Tunnel>,
    /// The result.
    pub(crate) packet: &'o mut Packet,
    /// What is wrong.
    pub(crate) out: &'o mut Vec<Malformed>,
}

/// Decodes one frame from its link layer to its transport header. Anomalies are appended to `out`.
///
/// All spans of the result are relative to `frame.data`. Transport checksums are not touched
/// (`Checksum::Unverified`, see [`verify_transport`](crate::verify_transport)), except that they are
/// `Checksum::Invalid` where the IPv4 header checksum is wrong or its options are broken: the receiver
/// drops such a packet.
/// A fragment has `Transport::None`; give it to the [`Defragmenter`](crate::Defragmenter).
pub fn decode(frame: &Frame<'_>, out: &mut Vec<Malformed>) -> Packet {
    let mut packet = Packet::default();
    decode_into(frame, &mut packet, out);
    packet
}

/// As [`decode`], to where the packet will stay: it is large to be carried about. What `packet` was is of
/// no meaning.
pub fn decode_into(frame: &Frame<'_>, packet: &mut Packet, out: &mut Vec<Malformed>) {
    let data = bounded(frame.data);
    *packet = Packet {
        at: frame.at,
        wire_len: frame.wire_len,
        cap_len: data.len() as u32,
        macs: None,
        ethertype: 0,
        vlans: Vlans::default(),
        tunnel: None,
        tunnel_depth: 0,
        network: Network::None,
        transport: Transport::None,
        payload: Span {
            start: 0,
            len: data.len() as u32,
        },
        truncated: false,
    };
    let mut decoder = Decoder {
        data,
        at: 0,
        cut: packet.cap_len < frame.wire_len,
        reassembled: false,
        pending: None,
        packet,
        out,
    };
    let next = decoder.link(frame.link);
    decoder.run(next);
    // No length field said that the end of the data is the end of the payload.
    decoder.packet.truncated |= decoder.cut;
}

/// Decodes a datagram that the [`Defragmenter`](crate::Defragmenter) returned. `template` is the
/// packet of the fragment that completed it: time, addresses, VLANs and tunnel are taken from there.
/// Spans are relative to `data`, `Ip::reassembled` is set.
pub fn decode_reassembled(data: &[u8], template: &Packet, out: &mut Vec<Malformed>) -> Packet {
    let data = bounded(data);
    let mut packet = Packet {
        wire_len: data.len() as u32,
        cap_len: data.len() as u32,
        network: Network::None,
        transport: Transport::None,
        payload: Span {
            start: 0,
            len: data.len() as u32,
        },
        truncated: false,
        ..*template
    };
    let mut decoder = Decoder {
        data,
        at: 0,
        cut: false,
        reassembled: true,
        pending: None,
        packet: &mut packet,
        out,
    };
    let next = decoder.raw_ip();
    decoder.run(next);
    packet
}

/// Spans are 32 bits wide; no frame comes near, but a caller's slice might.
#[inline]
fn bounded(data: &[u8]) -> &[u8] {
    data.get(..u32::MAX as usize).unwrap_or(data)
}

impl<'a> Decoder<'a, '_> {
    /// Goes on until a layer names no other. Ends, because each turn after the first has either
    /// entered a tunnel (bounded by `MAX_TUNNELS`) or consumed a link header.
    #[inline]
    fn run(&mut self, first: Option<Layer>) {
        let mut next = first;
        while let Some(layer) = next {
            next = match layer {
                Layer::Ethernet => self.ethernet(),
                Layer::Protocol(kind) => self.protocol(kind),
                Layer::Ppp => self.ppp(),
                Layer::Ipv4 => self.ipv4(),
                Layer::Ipv6 => self.ipv6(),
            };
        }
    }

    /// The bytes from the cursor to the end.
    #[inline(always)]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.data.get(self.at..).unwrap_or(&[])
    }

    /// The span from `start` to the end of the data.
    #[inline(always)]
    pub(crate) fn span_from(&self, start: usize) -> Span {
        Span {
            start: start as u32,
            len: self.data.len().saturating_sub(start) as u32,
        }
    }

    /// Moves the cursor behind a header that was understood; the rest becomes the payload.
    #[inline(always)]
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.at = (self.at + bytes).min(self.data.len());
        self.packet.payload = self.span_from(self.at);
    }

    /// A length field says that the layer at the cursor has `promised` bytes. Ends the data there; or
    /// notes that bytes are missing, which is `wrong` unless the capture cut them. False where it is wrong.
    #[inline(always)]
    pub(crate) fn narrow(&mut self, promised: usize, wrong: Malformed) -> bool {
        match self.data.get(..self.at + promised) {
            Some(inside) => {
                self.data = inside;
                self.cut = false;
                true
            }
            None => self.missing(wrong),
        }
    }

    /// Bytes that a length field promises are not there. False where they were never sent.
    #[cold]
    fn missing(&mut self, wrong: Malformed) -> bool {
        self.packet.truncated = true;
        if self.cut {
            return true;
        }
        self.out.push(wrong);
        self.cut = true;
        false
    }

    /// True where a length of 0 may be one that a network card is still to fill in: as much follows as only
    /// segments hold that are still to be cut, or it is not known how much. A receiver drops any other.
    pub(crate) fn to_be_segmented(&self) -> bool {
        self.cut || self.rest().len() > MTU
    }

    /// The header at the cursor ends early: an anomaly, unless the capture cut it.
    #[cold]
    pub(crate) fn short(&mut self, wrong: Malformed) -> Option<Layer> {
        if self.cut {
            self.packet.truncated = true;
        } else {
            self.out.push(wrong);
        }
        None
    }

    /// The header at the cursor is one that its receiver refuses.
    #[cold]
    pub(crate) fn bad(&mut self, wrong: Malformed) -> Option<Layer> {
        self.out.push(wrong);
        None
    }

    /// Notes that what follows is inside a tunnel, and goes on with `inner` unless that is too deep.
    #[cold]
    pub(crate) fn enter(&mut self, kind: TunnelKind, id: u32, inner: Layer) -> Option<Layer> {
        // Two tunnels without a header between them, as MPLS in GRE: the first is entered by now.
        self.commit();
        if self.packet.tunnel_depth >= MAX_TUNNELS {
            return self.bad(Malformed::TunnelTooDeep);
        }
        self.pending = Some(Tunnel {
            kind,
            id,
            outer: self.outer(),
        });
        Some(inner)
    }

    /// The addresses of the tunnel's end points: of the packet around it, else of the tunnel around it.
    fn outer(&self) -> Option<(IpAddr, IpAddr)> {
        match self.packet.network {
            Network::Ip(ip) => Some((ip.src, ip.dst)),
            _ => self.packet.tunnel.and_then(|tunnel| tunnel.outer),
        }
    }

    /// The header inside the pending tunnel, if there is one, is whole: what is known of the layers
    /// outside gives way to what is inside.
    #[inline(always)]
    pub(crate) fn commit(&mut self) {
        if let Some(tunnel) = self.pending.take() {
            self.packet.tunnel = Some(tunnel);
            self.packet.tunnel_depth += 1;
            self.packet.network = Network::None;
            self.packet.transport = Transport::None;
        }
    }
}

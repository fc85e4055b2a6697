//! What a rule's header, `flow` and `flowbits` are compared with.

use std::net::IpAddr;

use citywall_flow::{Carrier, Direction};
use citywall_packet::{Network, Packet};
use citywall_transaction::Protocol;

use crate::detect::{AppTest, BitOp, BitTest, CarrierTest, Detect, Family, Header};
use crate::flow_rules::{Conversation, FlowRules, FlowView};

/// One packet, piece or transaction in its direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub src: Option<IpAddr>,
    pub dst: Option<IpAddr>,
    pub src_port: u16,
    pub dst_port: u16,
    /// IP protocol; `None` without IP.
    pub carrier: Option<u8>,
    pub direction: Option<Direction>,
    established: Option<bool>,
    app: Option<Protocol>,
}

impl Facts {
    /// Of a packet, and what is known of its conversation.
    #[inline]
    pub fn of_packet(packet: &Packet, conversation: Option<&Conversation<'_>>) -> Facts {
        let (src, dst) = match packet.network {
            Network::Ip(ip) => (Some(ip.src), Some(ip.dst)),
            _ => (None, None),
        };
        let (src_port, dst_port) = packet.transport.ports().unwrap_or((0, 0));
        Facts {
            src,
            dst,
            src_port,
            dst_port,
            carrier: super::ip_protocol(packet),
            direction: conversation.map(|c| c.direction),
            established: conversation.map(|c| c.flow.established),
            app: conversation.and_then(|c| c.flow.protocol),
        }
    }

    /// Of a conversation, one way.
    #[inline]
    pub fn of_flow(flow: &FlowView, direction: Direction) -> Facts {
        let carrier = match flow.carrier {
            Carrier::Tcp => Some(6),
            Carrier::Udp => Some(17),
            Carrier::Ip(number) => Some(number),
            Carrier::Ethernet(_) => None,
        };
        // What a flow keeps as ports of ICMP are type and code.
        let has_ports = matches!(carrier, Some(6 | 17 | 132));
        let port = |port| if has_ports { port } else { 0 };
        let here = (flow.initiator, port(flow.initiator_port));
        let there = (flow.responder, port(flow.responder_port));
        let (src, dst) = match direction {
            Direction::ToResponder => (here, there),
            Direction::ToInitiator => (there, here),
        };
        Facts {
            src: src.0,
            dst: dst.0,
            src_port: src.1,
            dst_port: dst.1,
            carrier,
            direction: Some(direction),
            established: Some(flow.established),
            app: flow.protocol,
        }
    }

    /// Everything but contents.
    #[inline]
    pub fn fit(&self, detect: &Detect, rules: Option<&FlowRules>) -> bool {
        self.fit_header(&detect.header)
            && detect.flow.direction.is_none_or(|d| self.direction == Some(d))
            && detect
                .flow
                .established
                .is_none_or(|e| self.established == Some(e))
            && self.fit_app(detect.app)
            && detect.bits.iter().all(|test| fit_bits(test, rules))
    }

    #[inline]
    fn fit_app(&self, test: Option<AppTest>) -> bool {
        match test {
            None => true,
            Some(AppTest::Is(protocol)) => self.app == Some(protocol),
            Some(AppTest::Not(protocol)) => self.app.is_some_and(|app| app != protocol),
        }
    }

    /// Addresses, ports and carrier.
    #[inline]
    pub fn fit_header(&self, header: &Header) -> bool {
        self.fit_carrier(header.carrier)
            && self.fit_family(header.family)
            && (fits(header, self.src, self.src_port, self.dst, self.dst_port)
                || (header.both_ways && fits(header, self.dst, self.dst_port, self.src, self.src_port)))
    }

    #[inline]
    fn fit_carrier(&self, test: CarrierTest) -> bool {
        match test {
            CarrierTest::Any => true,
            CarrierTest::Ip => self.carrier.is_some(),
            CarrierTest::TcpOrUdp => matches!(self.carrier, Some(6 | 17)),
            CarrierTest::Icmp => matches!(self.carrier, Some(1 | 58)),
            CarrierTest::Number(number) => self.carrier == Some(number),
        }
    }

    #[inline]
    fn fit_family(&self, family: Family) -> bool {
        match family {
            Family::Any => true,
            Family::V4 => matches!(self.src, Some(IpAddr::V4(_))),
            Family::V6 => matches!(self.src, Some(IpAddr::V6(_))),
        }
    }
}

#[inline]
fn fits(header: &Header, src: Option<IpAddr>, src_port: u16, dst: Option<IpAddr>, dst_port: u16) -> bool {
    header.dst_port.contains(dst_port)
        && header.src_port.contains(src_port)
        && header.src.contains(src)
        && header.dst.contains(dst)
}

fn fit_bits(test: &BitTest, rules: Option<&FlowRules>) -> bool {
    let set = |bit: &u16| rules.is_some_and(|r| r.bit(*bit));
    match test.op {
        BitOp::IsSet if test.all => test.bits.iter().all(set),
        BitOp::IsSet => test.bits.iter().any(set),
        BitOp::IsNotSet if test.all => !test.bits.iter().any(set),
        BitOp::IsNotSet => test.bits.iter().any(|b| !set(b)),
        BitOp::Set | BitOp::Unset | BitOp::Toggle => true,
    }
}

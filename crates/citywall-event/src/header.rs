//! The fields that every line of `eve.json` starts with.

use std::net::IpAddr;

use crate::json::Object;
use crate::{Mac, Nanos, Order};

/// Who spoke to whom, as an event names it. For flow-wide events `src` is the initiator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The conversation, 0 where there is none.
    pub flow_id: u64,
    /// Source IP address.
    pub src_ip: Option<IpAddr>,
    /// Destination IP address.
    pub dst_ip: Option<IpAddr>,
    /// Source port, where the transport has ports.
    pub src_port: Option<u16>,
    /// Destination port.
    pub dst_port: Option<u16>,
    /// Source hardware address.
    pub src_mac: Option<Mac>,
    /// Destination hardware address.
    pub dst_mac: Option<Mac>,
    /// IP protocol number; `None` where there is no IP.
    pub protocol: Option<u8>,
    /// VLAN ids, outer first; 0 = absent.
    pub vlans: [u16; 2],
    /// Zone of the source, by index in `Context::zones`.
    pub src_zone: Option<u16>,
    /// Zone of the destination.
    pub dst_zone: Option<u16>,
}

/// Where and when an event was seen.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// Its place; the id is derived from it.
    pub order: Order,
    /// Packet time of the event itself (differs from `order.at` where time went backward).
    pub at: Nanos,
    /// The parties.
    pub subject: &'a Subject,
    /// Interface name in live capture.
    pub interface: Option<&'a str>,
    /// Application protocol, once known.
    pub app_proto: Option<&'static str>,
}

/// The EVE name of an IP protocol.
pub fn protocol_name(protocol: u8) -> Option<&'static str> {
    Some(match protocol {
        1 => "ICMP",
        2 => "IGMP",
        6 => "TCP",
        17 => "UDP",
        50 => "ESP",
        58 => "IPv6-ICMP",
        132 => "SCTP",
        _ => return None,
    })
}

/// Appends one event as a line: the header, `event_type`, then what `fill` adds.
pub fn write_line(
    out: &mut Vec<u8>,
    header: &Header<'_>,
    event_type: &'static str,
    fill: impl FnOnce(&mut Object<'_>),
) {
    Object::write(out, |o| {
        o.time("timestamp", header.at);
        o.id("id", &header.order);
        let s = header.subject;
        if s.flow_id != 0 {
            o.u64("flow_id", s.flow_id);
        }
        if let Some(interface) = header.interface {
            o.bytes("in_iface", interface.as_bytes());
        }
        o.word("event_type", event_type);
        if header.order.packet != 0 && header.order.phase == Order::PACKET {
            o.u64("pcap_cnt", header.order.packet);
        }
        if s.vlans[0] != 0 {
            o.array("vlan", |a| {
                s.vlans
                    .iter()
                    .filter(|v| **v != 0)
                    .for_each(|v| a.u64((*v).into()))
            });
        }
        write_parties(o, s);
        if let Some(app) = header.app_proto {
            o.word("app_proto", app);
        }
        fill(o);
    });
    out.push(b'\n');
}

fn write_parties(o: &mut Object<'_>, s: &Subject) {
    if let Some(ip) = s.src_ip {
        o.ip("src_ip", ip);
    }
    if let Some(port) = s.src_port {
        o.u64("src_port", port.into());
    }
    if let Some(ip) = s.dst_ip {
        o.ip("dest_ip", ip);
    }
    if let Some(port) = s.dst_port {
        o.u64("dest_port", port.into());
    }
    if let Some(protocol) = s.protocol {
        match protocol_name(protocol) {
            Some(name) => o.word("proto", name),
            None => o.str("proto", itoa::Buffer::new().format(protocol)),
        }
    }
    if s.src_ip.is_none()
        && let (Some(src), Some(dst)) = (s.src_mac, s.dst_mac)
    {
        o.object("ether", |e| {
            e.mac("src_mac", src);
            e.mac("dest_mac", dst);
        });
    }
}

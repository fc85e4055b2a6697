//! A packet as one line of text, for tests and for people. Owns no decoding. Not for the hot path.

use std::fmt::{Result, Write};

use crate::model::{Arp, Checksum, Ip, Mac, Network, Packet, Tcp, Transport, Tunnel, TunnelKind, tcp_flags};

/// Bytes of the payload that are shown.
const SHOWN: usize = 24;

/// One line: link, tunnel, network, transport, payload; parts that are absent are left out. `data` is
/// the buffer that the packet was decoded from.
pub fn describe(packet: &Packet, data: &[u8]) -> String {
    let mut line = String::new();
    // Writing to a string does not fail.
    let _ = write_packet(&mut line, packet, data);
    line
}

fn write_packet(line: &mut String, packet: &Packet, data: &[u8]) -> Result {
    if let Some(macs) = packet.macs {
        write!(line, "{}>{} ", mac(macs.src), mac(macs.dst))?;
    }
    write!(line, "{:04x}", packet.ethertype)?;
    for id in packet.vlans.as_slice() {
        write!(line, " vlan {id}")?;
    }
    if let Some(tunnel) = packet.tunnel {
        write_tunnel(line, &tunnel, packet.tunnel_depth)?;
    }
    match &packet.network {
        Network::None => {}
        Network::Arp(arp) => write_arp(line, arp)?,
        Network::Ip(ip) => write_ip(line, ip)?,
    }
    write_transport(line, &packet.transport)?;
    let payload = packet.payload.of(data);
    write!(line, " | {}", packet.payload.len)?;
    if !payload.is_empty() {
        let shown = payload.get(..SHOWN).unwrap_or(payload);
        let more = if shown.len() < payload.len() { ".." } else { "" };
        write!(line, " \"{}\"{more}", shown.escape_ascii())?;
    }
    if packet.truncated {
        write!(line, " truncated")?;
    }
    Ok(())
}

fn mac(mac: Mac) -> String {
    let [a, b, c, d, e, f] = mac;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

fn write_tunnel(line: &mut String, tunnel: &Tunnel, depth: u8) -> Result {
    let kind = match tunnel.kind {
        TunnelKind::IpInIp => "ip-in-ip",
        TunnelKind::Gre => "gre",
        TunnelKind::Erspan => "erspan",
        TunnelKind::Vxlan => "vxlan",
        TunnelKind::Geneve => "geneve",
        TunnelKind::Teredo => "teredo",
        TunnelKind::Mpls => "mpls",
        TunnelKind::Pppoe => "pppoe",
    };
    write!(line, " [{kind} {}", tunnel.id)?;
    if let Some((src, dst)) = tunnel.outer {
        write!(line, " {src}>{dst}")?;
    }
    if depth > 1 {
        write!(line, " depth {depth}")?;
    }
    write!(line, "]")
}

fn write_arp(line: &mut String, arp: &Arp) -> Result {
    write!(
        line,
        " arp {} {} {} > {} {}",
        arp.operation,
        mac(arp.sender_mac),
        arp.sender_ip,
        mac(arp.target_mac),
        arp.target_ip
    )
}

fn write_ip(line: &mut String, ip: &Ip) -> Result {
    write!(
        line,
        " {}>{} proto {} ttl {} id {}",
        ip.src, ip.dst, ip.protocol, ip.ttl, ip.id
    )?;
    if ip.tos != 0 {
        write!(line, " tos {}", ip.tos)?;
    }
    if ip.reassembled {
        write!(line, " reassembled")?;
    }
    if let Some(fragment) = ip.fragment {
        write!(
            line,
            " fragment {}{}",
            fragment.offset,
            if fragment.more { "+" } else { "" }
        )?;
    }
    Ok(())
}

fn write_transport(line: &mut String, transport: &Transport) -> Result {
    match transport {
        Transport::None => Ok(()),
        Transport::Tcp(tcp) => write_tcp(line, tcp),
        Transport::Udp {
            src_port,
            dst_port,
            checksum,
        } => {
            write!(line, " udp {src_port}>{dst_port}{}", sum(*checksum))
        }
        Transport::Icmp {
            v6,
            kind,
            code,
            id,
            seq,
            checksum,
        } => {
            let name = if *v6 { "icmpv6" } else { "icmp" };
            write!(line, " {name} {kind}/{code} id {id} seq {seq}{}", sum(*checksum))
        }
        Transport::Sctp {
            src_port,
            dst_port,
            tag,
        } => write!(line, " sctp {src_port}>{dst_port} tag {tag}"),
        Transport::Igmp { kind, group } => write!(line, " igmp {kind:#x} {group}"),
        Transport::Esp { spi, seq } => write!(line, " esp {spi:#x} seq {seq}"),
        Transport::Other => write!(line, " other"),
    }
}

fn write_tcp(line: &mut String, tcp: &Tcp) -> Result {
    use tcp_flags::*;
    write!(line, " tcp {}>{} ", tcp.src_port, tcp.dst_port)?;
    for (bit, letter) in [
        (CWR, 'C'),
        (ECE, 'E'),
        (URG, 'U'),
        (ACK, 'A'),
        (PSH, 'P'),
        (RST, 'R'),
        (SYN, 'S'),
        (FIN, 'F'),
    ] {
        if tcp.flags & bit != 0 {
            line.push(letter);
        }
    }
    write!(line, " seq {} ack {} win {}", tcp.seq, tcp.ack, tcp.window)?;
    if tcp.urgent != 0 {
        write!(line, " urgent {}", tcp.urgent)?;
    }
    if let Some(mss) = tcp.mss {
        write!(line, " mss {mss}")?;
    }
    if let Some(scale) = tcp.window_scale {
        write!(line, " ws {scale}")?;
    }
    if tcp.sack_permitted {
        write!(line, " sack")?;
    }
    if let Some((value, echo)) = tcp.timestamp {
        write!(line, " ts {value}/{echo}")?;
    }
    write!(line, "{}", sum(tcp.checksum))
}

fn sum(checksum: Checksum) -> &'static str {
    match checksum {
        Checksum::Valid => " sum ok",
        Checksum::Invalid => " sum BAD",
        Checksum::Unverified => "",
    }
}

//! The `dhcp` event: field names of Suricata's EVE (extended form).

use std::net::{IpAddr, Ipv4Addr};

use citywall_event::json::{self, Object};

use super::codes;
use super::message::DhcpMessage;
use super::options::{self, code};

/// Writes the `dhcp` object.
pub(super) fn write(message: &DhcpMessage, o: &mut Object<'_>) {
    o.object("dhcp", |o| {
        o.str("type", if message.reply() { "reply" } else { "request" });
        o.u64("id", message.id().into());
        let hardware = message.hardware_address();
        match hardware.try_into() {
            Ok(mac) => o.mac("client_mac", mac),
            Err(_) => o.hex("client_mac", hardware),
        }
        o.ip("assigned_ip", IpAddr::V4(message.assigned_ip()));
        o.ip("client_ip", IpAddr::V4(message.client_ip()));
        o.ip("relay_ip", IpAddr::V4(message.relay_ip()));
        o.ip("next_server_ip", IpAddr::V4(message.next_server_ip()));
        write_options(message, o);
    });
}

fn write_options(message: &DhcpMessage, o: &mut Object<'_>) {
    let options = &message.options;
    if let Some(id) = options.get(code::CLIENT_ID) {
        // Hardware type 1 says that an Ethernet address follows (RFC 2132 section 9.14).
        let id = if id.len() == 7 && id.first() == Some(&1) {
            &id[1..]
        } else {
            &id
        };
        o.bytes("client_id", &colons(id));
    }
    match message.kind().map(|kind| (codes::message_type(kind), kind)) {
        Some((Some(name), _)) => o.str("dhcp_type", name),
        Some((None, kind)) => o.bytes("dhcp_type", &numbered(b"type_", kind)),
        None => {}
    }
    for (option, key) in [
        (code::HOSTNAME, "hostname"),
        (code::DOMAIN, "domain"),
        (code::VENDOR_CLASS, "vendor_class_identifier"),
    ] {
        if let Some(text) = options.get(option) {
            o.bytes(key, options::text(&text));
        }
    }
    for (option, key) in [
        (code::REQUESTED_IP, "requested_ip"),
        (code::SERVER_ID, "server_id"),
        (code::SUBNET_MASK, "subnet_mask"),
    ] {
        if let Some(ip) = options.number(option) {
            o.ip(key, IpAddr::V4(Ipv4Addr::from(ip)));
        }
    }
    for (option, key) in [
        (code::LEASE_TIME, "lease_time"),
        (code::REBINDING_TIME, "rebinding_time"),
        (code::RENEWAL_TIME, "renewal_time"),
    ] {
        if let Some(seconds) = options.number(option) {
            o.u64(key, seconds.into());
        }
    }
    if let Some(list) = options.get(code::PARAMETERS) {
        o.array("params", |a| {
            for &option in list.iter() {
                match codes::option(option) {
                    Some(name) => a.str(name),
                    None => a.bytes(&numbered(b"option_", option)),
                }
            }
        });
    }
    for (option, key) in [(code::DNS_SERVER, "dns_servers"), (code::ROUTER, "routers")] {
        if let Some(list) = options.get(option) {
            o.array(key, |a| {
                list.as_chunks::<4>()
                    .0
                    .iter()
                    .for_each(|ip| a.ip(IpAddr::from(*ip)));
            });
        }
    }
}

fn numbered(prefix: &[u8], number: u8) -> Vec<u8> {
    let mut text = prefix.to_vec();
    json::number(&mut text, number.into());
    text
}

fn colons(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len() * 3);
    for (i, byte) in bytes.iter().enumerate() {
        if i > 0 {
            text.push(b':');
        }
        json::hex(&mut text, &[*byte]);
    }
    text
}

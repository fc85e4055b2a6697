//! DHCP (RFC 2131, RFC 2132): how a host gets its address, over a relay.

use std::net::Ipv4Addr;

use crate::story::wire::Mac;

/// What both sides of one lease know.
#[derive(Clone, Debug)]
pub struct Lease<'a> {
    /// Transaction id.
    pub id: u32,
    /// The client's hardware address.
    pub client: Mac,
    /// Its host name.
    pub hostname: &'a str,
    /// Its vendor class.
    pub class: &'a str,
    /// The address it gets.
    pub address: Ipv4Addr,
    /// The server.
    pub server: Ipv4Addr,
    /// Router of the client's network, which relays.
    pub router: Ipv4Addr,
    /// The resolver.
    pub resolver: Ipv4Addr,
    /// The city's domain.
    pub domain: &'a str,
}

/// Message types (option 53).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Discover = 1,
    Offer = 2,
    Request = 3,
    Ack = 5,
}

/// One message of the exchange.
pub fn message(lease: &Lease<'_>, kind: Kind) -> Vec<u8> {
    let reply = matches!(kind, Kind::Offer | Kind::Ack);
    let (given, relay) = if reply {
        (lease.address, lease.router)
    } else {
        (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED)
    };
    let mut m = vec![if reply { 2 } else { 1 }, 1, 6, u8::from(reply)];
    m.extend(lease.id.to_be_bytes());
    m.extend([0, 0, 0, 0]);
    m.extend([0; 4]);
    m.extend(given.octets());
    m.extend([0; 4]);
    m.extend(relay.octets());
    m.extend(lease.client);
    m.extend([0; 10 + 64 + 128]);
    m.extend([99, 130, 83, 99]);
    option(&mut m, 53, &[kind as u8]);
    if reply {
        option(&mut m, 54, &lease.server.octets());
        option(&mut m, 51, &86_400_u32.to_be_bytes());
        option(&mut m, 58, &43_200_u32.to_be_bytes());
        option(&mut m, 59, &75_600_u32.to_be_bytes());
        option(&mut m, 1, &[255, 255, 255, 0]);
        option(&mut m, 3, &lease.router.octets());
        option(&mut m, 6, &lease.resolver.octets());
        option(&mut m, 15, lease.domain.as_bytes());
    } else {
        option(&mut m, 61, &[&[1][..], &lease.client].concat());
        if kind == Kind::Request {
            option(&mut m, 50, &lease.address.octets());
            option(&mut m, 54, &lease.server.octets());
        }
        option(&mut m, 12, lease.hostname.as_bytes());
        option(&mut m, 60, lease.class.as_bytes());
        option(&mut m, 55, &[1, 3, 6, 15, 42, 51, 58, 59]);
    }
    m.push(255);
    // BOOTP messages have at least 300 bytes (RFC 1542, section 2.1).
    m.resize(m.len().max(300), 0);
    m
}

fn option(message: &mut Vec<u8>, code: u8, value: &[u8]) {
    message.extend([code, value.len() as u8]);
    message.extend(value);
}

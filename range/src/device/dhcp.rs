//! Addresses: a lease is renewed, as its client does at half its time.
//!
//! Owns: DHCP as far as the range needs it (RFC 2131, section 4.3.2, RENEWING): one REQUEST from the
//! leased address straight to the server, one ACK. So it passes the wall, where a first DISCOVER stays on
//! its link. Does not own: pools, relays, real servers.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ANSWER;
use super::serve::{self, wrong};
use crate::log::{Kind, Log, now};

const SERVER: u16 = 67;
const CLIENT: u16 = 68;
/// What stands before the options (RFC 2131, section 3).
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Where the options begin.
const OPTIONS: usize = 240;
/// Message types (RFC 2132, section 9.6).
const REQUEST: u8 = 3;
const ACK: u8 = 5;

/// Who has which address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The hardware address, as text.
    pub mac: String,
    /// The leased one.
    pub address: Ipv4Addr,
}

impl Lease {
    fn card(&self) -> [u8; 6] {
        let mut card = [0; 6];
        for (slot, byte) in card.iter_mut().zip(self.mac.split(':')) {
            *slot = u8::from_str_radix(byte, 16).unwrap_or(0);
        }
        card
    }
}

/// Serves the leases.
pub(super) fn serve(leases: Vec<Lease>, log: Arc<Log>) -> io::Result<()> {
    serve::udp(SERVER, move |asked, peer| {
        let began = now();
        let known = leases.iter().find(|lease| {
            asked.get(12..16) == Some(&lease.address.octets()[..])
                && asked.get(28..34) == Some(&lease.card()[..])
        });
        let fits = asked.first() == Some(&1) && kind(asked) == Some(REQUEST);
        log.tell(
            Kind::Served,
            "dhcp",
            peer,
            began,
            fits && known.is_some(),
            "renewal",
        );
        let lease = known.filter(|_| fits)?;
        let mut message = message(2, asked.get(4..8)?, lease, ACK);
        message[16..20].copy_from_slice(&lease.address.octets());
        // A lease of an hour.
        message.extend([51, 4, 0, 0, 14, 16, 255]);
        Some(message)
    })
}

/// A message up to its type: operation, transaction, whose lease.
fn message(operation: u8, transaction: &[u8], lease: &Lease, kind: u8) -> Vec<u8> {
    // Ethernet, six bytes of hardware address.
    let mut message = vec![operation, 1, 6, 0];
    message.extend(transaction);
    message.resize(12, 0);
    message.extend(lease.address.octets());
    message.resize(28, 0);
    message.extend(lease.card());
    message.resize(OPTIONS - COOKIE.len(), 0);
    message.extend(COOKIE);
    message.extend([53, 1, kind]);
    message
}

/// The message's type.
fn kind(message: &[u8]) -> Option<u8> {
    let mut rest = message.get(OPTIONS - COOKIE.len()..)?.strip_prefix(&COOKIE)?;
    loop {
        match *rest {
            // Padding.
            [0, ref after @ ..] => rest = after,
            [53, 1, kind, ..] => return Some(kind),
            [255, ..] => return None,
            [_, length, ref after @ ..] => rest = after.get(usize::from(length)..)?,
            _ => return None,
        }
    }
}

/// Renews a lease; an error where nobody acknowledges it.
pub(super) fn renew(to: Ipv4Addr, lease: &Lease, transaction: u32) -> io::Result<()> {
    let transaction = transaction.to_be_bytes();
    let mut asked = message(1, &transaction, lease, REQUEST);
    asked.push(255);
    // Servers answer to the client's port, whatever the question came from.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, CLIENT))?;
    socket.set_read_timeout(Some(ANSWER))?;
    socket.send_to(&asked, (to, SERVER))?;
    let mut buffer = [0; 1_500];
    // A late answer to an earlier question is passed over, at most a few.
    for _ in 0..8 {
        let (length, from) = socket.recv_from(&mut buffer)?;
        let answer = buffer.get(..length).unwrap_or_default();
        if from.ip() == to && answer.first() == Some(&2) && answer.get(4..8) == Some(&transaction[..]) {
            return match kind(answer) {
                Some(ACK) => Ok(()),
                _ => Err(wrong("not acknowledged")),
            };
        }
    }
    Err(wrong("no answer that fits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_type_however_it_is_cut() {
        let lease = Lease {
            mac: "02:00:5e:10:20:30".into(),
            address: Ipv4Addr::new(10, 1, 2, 3),
        };
        let mut asked = message(1, &[1, 2, 3, 4], &lease, REQUEST);
        assert_eq!((asked.len(), kind(&asked)), (OPTIONS + 3, Some(REQUEST)));
        assert_eq!(asked[28..34], [2, 0, 0x5e, 0x10, 0x20, 0x30]);
        for cut in 0..asked.len() {
            assert_eq!(kind(&asked[..cut]), None);
        }
        // Behind padding and another option.
        let options = [0, 0, 12, 1, b'x', 53, 1, ACK, 255];
        asked.truncate(OPTIONS);
        asked.extend(options);
        assert_eq!(kind(&asked), Some(ACK));
        asked[OPTIONS + 3] = 200;
        assert_eq!(kind(&asked), None);
    }
}

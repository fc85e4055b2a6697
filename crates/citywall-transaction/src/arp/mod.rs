//! Address resolution (RFC 826), as carried by Ethernet: the payload from the hardware type on.
//!
//! Owns: the `arp` record and who claims which address. Does not own: the comparison with the
//! frame's own addresses, which are not visible here, or whether a claim is a lie.

use std::net::{IpAddr, Ipv4Addr};

use citywall_event::json::Object;
use citywall_event::{Lookup, Mac, Side, Sighting, SightingTrait};
use citywall_flow::{Carrier, Content, Direction};

use crate::told::Told;
use crate::{
    Dissector, Hint, Input, Item, Limits, Output, Probe, Protocol, ProtocolEntry, Record, Transaction,
};

/// How this protocol is found.
pub const ENTRY: ProtocolEntry = ProtocolEntry {
    protocol: Protocol::Arp,
    carried_by: |c| c == Carrier::Ethernet(0x0806),
    probe,
    open,
};

/// Hardware type, protocol type, two lengths, operation.
const HEADER_BYTES: usize = 8;

const ETHERNET: u16 = 1;
const IPV4: u16 = 0x0800;

const REQUEST: u16 = 1;
const REPLY: u16 = 2;

/// The EtherType says all.
fn probe(_hint: &Hint, _data: &[u8]) -> Probe {
    Probe::Yes
}

fn open(_limits: &Limits, _hint: &Hint) -> Box<dyn Dissector> {
    Box::new(Conversation::default())
}

/// An ARP message.
#[derive(Debug)]
pub struct ArpMessage {
    hardware_type: u16,
    protocol_type: u16,
    operation: u16,
    parties: Parties,
    direction: Direction,
}

/// The four address fields.
#[derive(Debug)]
enum Parties {
    /// Ethernet and IPv4: sender, target.
    Ipv4([(Mac, Ipv4Addr); 2]),
    /// Addresses of other sizes: sender hardware and protocol, target hardware and protocol.
    Other([Box<[u8]>; 4]),
}

impl ArpMessage {
    /// What was looked up or answered. An announcement (RFC 5227) looks for nobody.
    pub fn lookup(&self) -> Option<Lookup> {
        let (_, sender) = self.sender()?;
        let [_, (_, asked)] = self.parties()?;
        let (target, answer) = match self.operation {
            REQUEST if sender != asked => (asked, false),
            REPLY => (sender, true),
            _ => return None,
        };
        Some(Lookup {
            sender: Some(sender).filter(|ip| !ip.is_unspecified()),
            target,
            answer,
        })
    }

    /// Sender and target, where the addresses are those of Ethernet and IPv4.
    pub fn parties(&self) -> Option<[(Mac, Ipv4Addr); 2]> {
        match self.parties {
            Parties::Ipv4(parties) => Some(parties),
            Parties::Other(_) => None,
        }
    }
}

#[derive(Default)]
struct Conversation {
    told: Told,
}

fn parse(data: &[u8], direction: Direction) -> Result<ArpMessage, &'static str> {
    let Some((&[h0, h1, p0, p1, hardware, protocol, o0, o1], rest)) =
        data.split_first_chunk::<HEADER_BYTES>()
    else {
        return Err("arp.truncated");
    };
    let parties = if (hardware, protocol) == (6, 4) {
        let Some(fields) = rest.first_chunk::<20>() else {
            return Err("arp.truncated");
        };
        let party = |at: usize| {
            let mut mac = [0; 6];
            mac.copy_from_slice(&fields[at..at + 6]);
            let ip = Ipv4Addr::new(fields[at + 6], fields[at + 7], fields[at + 8], fields[at + 9]);
            (mac, ip)
        };
        Parties::Ipv4([party(0), party(10)])
    } else {
        let mut rest = rest;
        let mut field = |length: u8| -> Result<Box<[u8]>, &'static str> {
            let (value, after) = rest.split_at_checked(length.into()).ok_or("arp.truncated")?;
            rest = after;
            Ok(value.into())
        };
        Parties::Other([
            field(hardware)?,
            field(protocol)?,
            field(hardware)?,
            field(protocol)?,
        ])
    };
    Ok(ArpMessage {
        hardware_type: u16::from_be_bytes([h0, h1]),
        protocol_type: u16::from_be_bytes([p0, p1]),
        operation: u16::from_be_bytes([o0, o1]),
        parties,
        direction,
    })
}

impl ArpMessage {
    /// The sender, where the sizes are those of Ethernet and IPv4 and the types say the same.
    fn sender(&self) -> Option<(Mac, Ipv4Addr)> {
        match self.parties {
            Parties::Ipv4([sender, _]) if self.hardware_type == ETHERNET && self.protocol_type == IPV4 => {
                Some(sender)
            }
            _ => None,
        }
    }

    /// The first thing that no honest host sends.
    fn mark(&self) -> Option<&'static str> {
        let Some((mac, ip)) = self.sender() else {
            return if self.hardware_type == ETHERNET && self.protocol_type == IPV4 {
                Some("arp.address_length")
            } else {
                None
            };
        };
        if mac[0] & 1 != 0 {
            Some("arp.sender_group_address")
        } else if ip.is_multicast() || ip.is_broadcast() {
            Some("arp.sender_ip")
        } else if operation(self.operation).is_none() {
            Some("arp.opcode")
        } else {
            None
        }
    }
}

impl Dissector for Conversation {
    fn feed(&mut self, input: &Input<'_>, out: &mut Output) {
        let Content::Datagram(data) = input.content else {
            return;
        };
        let direction = input.direction;
        let message = match parse(data, direction) {
            Ok(message) => message,
            Err(mark) => return out.malformed(direction, mark),
        };
        let mark = message.mark();
        if let Some(mark) = mark {
            out.malformed(direction, mark);
        } else if let Some((_, ip)) = message.sender().filter(|(_, ip)| !ip.is_unspecified()) {
            let value = ip.to_string();
            if self.told.first(SightingTrait::Address, &value) {
                let sighting = Sighting {
                    side: Side::Source,
                    trait_: SightingTrait::Address,
                    value,
                    evidence: "arp.src_ip",
                };
                out.items.push((direction, Item::Sighting(sighting)));
            }
        }
        out.transaction(direction, Transaction::Arp(Box::new(message)));
    }
}

/// Names of operations, from the IANA registry "Address Resolution Protocol Parameters".
fn operation(code: u16) -> Option<&'static str> {
    Some(match code {
        1 => "request",
        2 => "reply",
        3 => "reverse_request",
        4 => "reverse_reply",
        5 => "drarp_request",
        6 => "drarp_reply",
        7 => "drarp_error",
        8 => "inarp_request",
        9 => "inarp_reply",
        10 => "arp_nak",
        _ => return None,
    })
}

fn hardware(code: u16) -> Option<&'static str> {
    Some(match code {
        1 => "ethernet",
        6 => "ieee802",
        15 => "frame_relay",
        18 => "fibre_channel",
        24 => "ieee1394",
        27 => "eui64",
        32 => "infiniband",
        _ => return None,
    })
}

fn name_or_number(o: &mut Object<'_>, key: &str, name: Option<&str>, number: u16) {
    match name {
        Some(name) => o.str(key, name),
        None => o.u64(key, number.into()),
    }
}

impl Record for ArpMessage {
    fn event_type(&self) -> &'static str {
        "arp"
    }

    fn write(&self, o: &mut Object<'_>) {
        o.object("arp", |o| {
            name_or_number(o, "hw_type", hardware(self.hardware_type), self.hardware_type);
            let ipv4 = (self.protocol_type == IPV4).then_some("ipv4");
            name_or_number(o, "proto_type", ipv4, self.protocol_type);
            name_or_number(o, "opcode", operation(self.operation), self.operation);
            match &self.parties {
                Parties::Ipv4([(src_mac, src_ip), (dest_mac, dest_ip)]) => {
                    o.mac("src_mac", *src_mac);
                    o.ip("src_ip", IpAddr::V4(*src_ip));
                    o.mac("dest_mac", *dest_mac);
                    o.ip("dest_ip", IpAddr::V4(*dest_ip));
                    if src_ip.is_unspecified() {
                        // RFC 5227: is this address free?
                        o.bool("probe", true);
                    } else if src_ip == dest_ip {
                        o.bool("gratuitous", true);
                    }
                }
                Parties::Other(fields) => {
                    let keys = ["src_mac", "src_ip", "dest_mac", "dest_ip"];
                    keys.into_iter()
                        .zip(fields)
                        .for_each(|(key, value)| o.hex(key, value));
                }
            }
        });
    }

    fn direction(&self) -> Option<Direction> {
        Some(self.direction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    fn run(messages: &[&str]) -> String {
        let hint = testing::hint_on(Carrier::Ethernet(0x0806), 0, 0);
        let mut conversation = testing::Conversation::new(&ENTRY, &hint, &Limits::default());
        for message in messages {
            conversation.datagram(Direction::ToResponder, &testing::hex(message));
        }
        conversation.finish()
    }

    fn check(messages: &[&str], expected: Expect) {
        expected.assert_eq(&run(messages));
    }

    #[test]
    fn a_request_tells_who_asks() {
        let request = "0001 0800 06 04 0001 0242ac110002 ac110002 000000000000 ac110001 0000";
        check(
            &[request, request],
            expect![[r#"
                > sighting Source Address "172.17.0.2" arp.src_ip
                > {"arp":{"hw_type":"ethernet","proto_type":"ipv4","opcode":"request","src_mac":"02:42:ac:11:00:02","src_ip":"172.17.0.2","dest_mac":"00:00:00:00:00:00","dest_ip":"172.17.0.1"}}
                > {"arp":{"hw_type":"ethernet","proto_type":"ipv4","opcode":"request","src_mac":"02:42:ac:11:00:02","src_ip":"172.17.0.2","dest_mac":"00:00:00:00:00:00","dest_ip":"172.17.0.1"}}
            "#]],
        );
    }

    #[test]
    fn gratuitous_and_probe_are_told_apart() {
        check(
            &[
                "0001 0800 06 04 0002 0242ac110002 ac110002 ffffffffffff ac110002",
                "0001 0800 06 04 0001 0242ac110002 00000000 000000000000 ac110002",
            ],
            expect![[r#"
                > sighting Source Address "172.17.0.2" arp.src_ip
                > {"arp":{"hw_type":"ethernet","proto_type":"ipv4","opcode":"reply","src_mac":"02:42:ac:11:00:02","src_ip":"172.17.0.2","dest_mac":"ff:ff:ff:ff:ff:ff","dest_ip":"172.17.0.2","gratuitous":true}}
                > {"arp":{"hw_type":"ethernet","proto_type":"ipv4","opcode":"request","src_mac":"02:42:ac:11:00:02","src_ip":"0.0.0.0","dest_mac":"00:00:00:00:00:00","dest_ip":"172.17.0.2","probe":true}}
            "#]],
        );
    }

    #[test]
    fn what_is_wrong_is_marked() {
        check(
            &[
                "0001 0800 06 04 0001 0242",
                "0001 0800 06 04 0002 0342ac110002 ac110002 ffffffffffff ac110001",
                "0001 0800 06 04 0063 0242ac110002 ac110002 ffffffffffff ac110001",
                "0001 0800 02 01 0001 aabb cc ddee ff",
                "0020 86dd 02 01 0001 aabb cc ddee ff",
            ],
            expect![[r#"
                > malformed arp.truncated
                > malformed arp.sender_group_address
                > {"arp":{"hw_type":"ethernet","proto_type":"ipv4","opcode":"reply","src_mac":"03:42:ac:11:00:02","src_ip":"172.17.0.2","dest_mac":"ff:ff:ff:ff:ff:ff","dest_ip":"172.17.0.1"}}
                > malformed arp.opcode
                > {"arp":{"hw_type":"ethernet","proto_type":"ipv4","opcode":99,"src_mac":"02:42:ac:11:00:02","src_ip":"172.17.0.2","dest_mac":"ff:ff:ff:ff:ff:ff","dest_ip":"172.17.0.1"}}
                > malformed arp.address_length
                > {"arp":{"hw_type":"ethernet","proto_type":"ipv4","opcode":"request","src_mac":"aabb","src_ip":"cc","dest_mac":"ddee","dest_ip":"ff"}}
                > {"arp":{"hw_type":"infiniband","proto_type":34525,"opcode":"request","src_mac":"aabb","src_ip":"cc","dest_mac":"ddee","dest_ip":"ff"}}
            "#]],
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_one_message_or_one_mark(data in proptest::collection::vec(any::<u8>(), 0..80)) {
            let mut conversation = testing::Conversation::new(
                &ENTRY,
                &testing::hint_on(Carrier::Ethernet(0x0806), 0, 0),
                &Limits::default(),
            );
            conversation.datagram(Direction::ToResponder, &data);
            prop_assert!((1..=2).contains(&conversation.finish().lines().count()));
        }
    }
}

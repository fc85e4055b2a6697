//! What the enforcer tells the parser while it runs, and what the parser tells back.
//!
//! Owns: the messages on the Unix socket between the two: bounded, one JSON object each. A city
//! file goes as a descriptor, as it may be long. Does not own: who may send them (whoever holds the
//! socket's other end).

use std::io::{Read, Seek, SeekFrom};
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use citywall_event::{Nanos, Prefix, Verb, VerbSet};
use citywall_response::Host;
use serde::{Deserialize, Serialize};

use super::policy::Denial;

/// Bytes of the longest message.
pub const MESSAGE: usize = 4_096;
/// Bytes of the longest city file.
pub const CITY: u64 = 4 << 20;

/// Tells the parser which descriptor came with the message.
pub const ORDERS: &[u8] = b"orders";

/// What the parser is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Deny commands for a while.
    Deny(Denial),
    /// End a denial.
    Allow(String),
    /// Take the city file that comes as a descriptor.
    City,
    /// Tell the counts.
    Count,
}

/// A message that is none of these.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// Not the JSON that it should be.
    #[error("an order that does not parse: {0}")]
    Syntax(#[from] serde_json::Error),
    /// A field that makes no sense.
    #[error("an order whose {0} makes no sense")]
    Field(&'static str),
    /// Longer than may be.
    #[error("an order of more than {MESSAGE} bytes")]
    TooLong,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case", deny_unknown_fields)]
enum Wire {
    Deny {
        id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ip: Option<IpAddr>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mac: Option<[u8; 6]>,
        to: IpAddr,
        length: u8,
        verbs: Vec<String>,
        until: Nanos,
    },
    Allow {
        id: String,
    },
    City {},
    Count {},
}

impl Order {
    /// As a message.
    pub fn write(&self) -> Vec<u8> {
        let wire = match self {
            Order::Deny(denial) => Wire::Deny {
                id: denial.id.clone(),
                ip: match denial.from {
                    Host::Ip(ip) => Some(ip),
                    Host::Mac(_) => None,
                },
                mac: match denial.from {
                    Host::Mac(mac) => Some(mac),
                    Host::Ip(_) => None,
                },
                to: denial.to.first(),
                length: denial.to.length(),
                verbs: Verb::ALL
                    .into_iter()
                    .filter(|verb| denial.verbs.has(*verb))
                    .map(|verb| verb.name().to_owned())
                    .collect(),
                until: denial.until,
            },
            Order::Allow(id) => Wire::Allow { id: id.clone() },
            Order::City => Wire::City {},
            Order::Count => Wire::Count {},
        };
        // Strings and numbers: nothing in it can fail to be written.
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// Where it is none.
    pub fn read(message: &[u8]) -> Result<Order, OrderError> {
        if message.len() > MESSAGE {
            return Err(OrderError::TooLong);
        }
        Ok(match serde_json::from_slice(message)? {
            Wire::Deny {
                id,
                ip,
                mac,
                to,
                length,
                verbs,
                until,
            } => {
                let from = match (ip, mac) {
                    (Some(ip), None) => Host::Ip(ip),
                    (None, Some(mac)) => Host::Mac(mac),
                    _ => return Err(OrderError::Field("host")),
                };
                let mut set = VerbSet::default();
                for name in &verbs {
                    let verb = Verb::ALL.into_iter().find(|verb| verb.name() == name);
                    set = set.with(verb.ok_or(OrderError::Field("verb"))?);
                }
                Order::Deny(Denial {
                    id,
                    from,
                    to: Prefix::containing(to, length).ok_or(OrderError::Field("prefix"))?,
                    verbs: set,
                    until,
                })
            }
            Wire::Allow { id } => Order::Allow(id),
            Wire::City {} => Order::City,
            Wire::Count {} => Order::Count,
        })
    }
}

/// Reads a city file from a descriptor, from its start.
///
/// # Errors
/// Where it cannot be read, or is longer than `CITY`.
pub fn read_city(descriptor: OwnedFd) -> std::io::Result<String> {
    let mut file = std::fs::File::from(descriptor);
    file.seek(SeekFrom::Start(0))?;
    let mut text = String::new();
    file.take(CITY + 1).read_to_string(&mut text)?;
    if text.len() as u64 > CITY {
        return Err(std::io::Error::other("the city file is too long"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn orders_come_back_as_they_were() {
        let denial = Denial {
            id: "I0-1660-1.2".to_owned(),
            from: Host::Ip("10.0.0.7".parse().unwrap()),
            to: Prefix::new("10.1.0.0".parse().unwrap(), 16).unwrap(),
            verbs: VerbSet::default().with(Verb::Write).with(Verb::Operate),
            until: 5,
        };
        let by_mac = Denial {
            from: Host::Mac([1, 2, 3, 4, 5, 6]),
            ..denial.clone()
        };
        let orders = [
            Order::Deny(denial),
            Order::Deny(by_mac),
            Order::Allow("x".to_owned()),
            Order::City,
            Order::Count,
        ];
        for order in orders {
            let message = order.write();
            assert!(message.len() < MESSAGE);
            assert_eq!(Order::read(&message).unwrap(), order);
        }
        let unknown = br#"{"order":"allow","id":"x","more":1}"#;
        assert!(Order::read(unknown).is_err());
    }

    proptest! {
        #[test]
        fn any_message_is_an_order_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Order::read(&bytes);
        }
    }
}

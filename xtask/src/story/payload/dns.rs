//! DNS (RFC 1035): questions, and answers as a caching resolver gives them.

use std::net::Ipv4Addr;

/// What an answer says.
#[derive(Clone, Debug)]
pub enum Data {
    /// An address.
    A(Ipv4Addr),
    /// Another name, of which the following records speak.
    Alias(String),
}

/// Record types.
pub const A: u16 = 1;
/// IPv6 addresses.
pub const AAAA: u16 = 28;

/// A question with EDNS (RFC 6891), as resolvers of operating systems ask it.
pub fn query(id: u16, name: &str, kind: u16) -> Vec<u8> {
    let mut m = header(id, 0x0100, 0, 0);
    question(&mut m, name, kind);
    edns(&mut m);
    m
}

/// An answer: `code` 0 is success, 3 "no such name".
pub fn answer(id: u16, name: &str, kind: u16, code: u16, ttl: u32, records: &[Data]) -> Vec<u8> {
    let mut m = header(id, 0x8180 | code, records.len() as u16, 0);
    question(&mut m, name, kind);
    // The owner of the first record is the name of the question, at offset 12.
    let mut owner: [u8; 2] = [0xc0, 12];
    for record in records {
        m.extend(owner);
        let (kind, data) = match record {
            Data::A(ip) => (A, ip.octets().to_vec()),
            Data::Alias(name) => (5, encoded(name)),
        };
        m.extend(kind.to_be_bytes());
        m.extend([0, 1]);
        m.extend(ttl.to_be_bytes());
        m.extend((data.len() as u16).to_be_bytes());
        if kind == 5 {
            owner = (0xc000 | m.len() as u16).to_be_bytes();
        }
        m.extend(data);
    }
    edns(&mut m);
    m
}

fn header(id: u16, flags: u16, answers: u16, authorities: u16) -> Vec<u8> {
    [id, flags, 1, answers, authorities, 1]
        .into_iter()
        .flat_map(u16::to_be_bytes)
        .collect()
}

fn question(m: &mut Vec<u8>, name: &str, kind: u16) {
    m.extend(encoded(name));
    m.extend(kind.to_be_bytes());
    m.extend([0, 1]);
}

fn encoded(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.split('.') {
        out.push(label.len() as u8);
        out.extend(label.as_bytes());
    }
    out.push(0);
    out
}

/// The OPT record: answers up to 1,232 bytes.
fn edns(m: &mut Vec<u8>) {
    m.extend([0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]);
}

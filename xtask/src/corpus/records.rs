//! DNS messages of any shape (RFC 1035), for what the story's builder has no use.

/// Record types (IANA).
pub mod kind {
    #![allow(missing_docs)]
    pub const A: u16 = 1;
    pub const CNAME: u16 = 5;
    pub const SOA: u16 = 6;
    pub const PTR: u16 = 12;
    pub const MX: u16 = 15;
    pub const TXT: u16 = 16;
    pub const AAAA: u16 = 28;
    pub const SRV: u16 = 33;
}

/// A resource record.
#[derive(Clone, Debug)]
pub struct Record {
    /// Owner.
    pub name: &'static str,
    /// Type.
    pub kind: u16,
    /// Class; 0x8001 is IN with mDNS' cache-flush bit (RFC 6762, 10.2).
    pub class: u16,
    /// Seconds.
    pub ttl: u32,
    /// Data, names in it uncompressed.
    pub data: Vec<u8>,
}

impl Record {
    /// A record of class IN that lives for two minutes.
    pub fn new(name: &'static str, kind: u16, data: Vec<u8>) -> Record {
        Record {
            name,
            kind,
            class: 1,
            ttl: 120,
            data,
        }
    }
}

/// A name as labels.
pub fn name(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in text.split('.').filter(|l| !l.is_empty()) {
        out.push(label.len() as u8);
        out.extend(label.as_bytes());
    }
    out.push(0);
    out
}

/// Data of a TXT record.
pub fn texts(parts: &[&str]) -> Vec<u8> {
    parts
        .iter()
        .flat_map(|p| [&[p.len() as u8], p.as_bytes()].concat())
        .collect()
}

/// Data of an SRV record (RFC 2782).
pub fn service(port: u16, target: &str) -> Vec<u8> {
    [&[0, 0, 0, 0][..], &port.to_be_bytes(), &name(target)].concat()
}

/// A message: id, flags, question (name, type, class) if any, and the three sections of records.
pub fn message(id: u16, flags: u16, question: Option<(&str, u16, u16)>, sections: [&[Record]; 3]) -> Vec<u8> {
    let counts = sections.map(|s| s.len() as u16);
    let mut m: Vec<u8> = [
        id,
        flags,
        u16::from(question.is_some()),
        counts[0],
        counts[1],
        counts[2],
    ]
    .into_iter()
    .flat_map(u16::to_be_bytes)
    .collect();
    if let Some((asked, kind, class)) = question {
        m.extend(name(asked));
        m.extend(kind.to_be_bytes());
        m.extend(class.to_be_bytes());
    }
    for record in sections.concat() {
        m.extend(name(record.name));
        m.extend(record.kind.to_be_bytes());
        m.extend(record.class.to_be_bytes());
        m.extend(record.ttl.to_be_bytes());
        m.extend((record.data.len() as u16).to_be_bytes());
        m.extend(record.data);
    }
    m
}

/// A question of class IN.
pub fn ask(id: u16, asked: &str, kind: u16) -> Vec<u8> {
    message(id, 0x0100, Some((asked, kind, 1)), [&[], &[], &[]])
}

/// An answer to it.
pub fn tell(id: u16, asked: &str, kind: u16, answers: &[Record]) -> Vec<u8> {
    message(id, 0x8180, Some((asked, kind, 1)), [answers, &[], &[]])
}

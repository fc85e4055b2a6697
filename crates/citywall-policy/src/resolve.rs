//! Names and addresses of a city file: each is said once, and references find them.
//!
//! Owns: the registers of names, IP and hardware addresses. Does not own: networks' overlap
//! (`overlap`), and what a name stands for.

use std::net::IpAddr;

use citywall_event::{Mac, OUTSIDE, Phrase, say};
use hashbrown::HashMap;

use crate::error::{Report, quoted};
use crate::reader::Word;
use crate::suggest::did_you_mean;

/// What a name of the file stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thing {
    Zone(usize),
    Asset(usize),
    Service(usize),
}

/// Names of one kind of thing that share a space, and where each was declared.
#[derive(Debug)]
pub(crate) struct Names<T> {
    by_name: HashMap<String, (T, u32)>,
    /// In order of declaration, for suggestions.
    order: Vec<String>,
}

impl<T: Copy> Names<T> {
    pub(crate) fn new() -> Names<T> {
        Names {
            by_name: HashMap::new(),
            order: Vec::new(),
        }
    }

    /// Declares a name; false where it is taken.
    pub(crate) fn declare(&mut self, report: &mut Report<'_>, name: &Word, thing: T) -> bool {
        if name.text == OUTSIDE || name.text == "*" {
            report.error(
                &name.span,
                say!(
                    "file-name-reserved",
                    "{name} has a meaning of its own",
                    name = quoted(&name.text)
                ),
                another_name(),
            );
            return false;
        }
        let line = report.line(name.span.start);
        if let Some((_, other)) = self.by_name.get(&name.text) {
            report.error(
                &name.span,
                say!(
                    "file-name-taken",
                    "the name {name} is taken: line {line} has it",
                    name = quoted(&name.text),
                    line = *other
                ),
                another_name(),
            );
            return false;
        }
        self.by_name.insert(name.text.clone(), (thing, line));
        self.order.push(name.text.clone());
        true
    }

    /// Finds what a reference means.
    pub(crate) fn find(&self, report: &mut Report<'_>, word: &Word, kind: &Phrase) -> Option<T> {
        if let Some((thing, _)) = self.by_name.get(&word.text) {
            return Some(*thing);
        }
        let fix = if report.is_full() {
            Phrase::NONE
        } else {
            did_you_mean(&word.text, self.order.iter().map(String::as_str), || {
                say!(
                    "file-declare",
                    "declare it, or name {kind} that is declared",
                    kind = kind
                )
            })
        };
        report.error(
            &word.span,
            say!(
                "file-name-unknown",
                "nothing is called {name} here: {kind} is expected",
                name = quoted(&word.text),
                kind = kind
            ),
            fix,
        );
        None
    }
}

fn another_name() -> Phrase {
    say!("file-name-fix", "choose another name")
}

fn own_address() -> Phrase {
    say!(
        "file-own-address",
        "write the address that the device has on the network"
    )
}

/// Who has which address.
#[derive(Debug, Default)]
pub(crate) struct Register {
    ips: HashMap<IpAddr, u32>,
    macs: HashMap<Mac, u32>,
}

impl Register {
    /// Reads one host's address, once.
    pub(crate) fn ip(&mut self, report: &mut Report<'_>, word: &Word) -> Option<IpAddr> {
        let Ok(ip) = word.text.parse::<IpAddr>() else {
            let fix = if word.text.contains('/') {
                say!(
                    "file-address-slash",
                    "networks belong to zones; write one address without a slash"
                )
            } else {
                say!("file-address-form", "write it as 10.20.0.12 or fd20::12")
            };
            let what = say!(
                "file-no-address",
                "{value} is no IP address",
                value = quoted(&word.text)
            );
            report.error(&word.span, what, fix);
            return None;
        };
        let ip = ip.to_canonical();
        if ip.is_multicast() || ip.is_unspecified() || ip.is_loopback() || is_broadcast(ip) {
            report.error(
                &word.span,
                say!(
                    "file-not-one-device",
                    "{value} is not the address of one device",
                    value = ip.to_string()
                ),
                own_address(),
            );
            return None;
        }
        let line = report.line(word.span.start);
        if let Some(other) = self.ips.insert(ip, line) {
            said_twice(report, word, other);
            return None;
        }
        Some(ip)
    }

    /// Reads one hardware address, once.
    pub(crate) fn mac(&mut self, report: &mut Report<'_>, word: &Word) -> Option<Mac> {
        let Some(mac) = parse_mac(&word.text) else {
            report.error(
                &word.span,
                say!(
                    "file-no-mac",
                    "{value} is no hardware address",
                    value = quoted(&word.text)
                ),
                say!("file-mac-form", "write it as 00:1b:c5:00:12:07"),
            );
            return None;
        };
        if mac[0] & 1 != 0 || mac == [0; 6] {
            report.error(
                &word.span,
                say!(
                    "file-not-one-device",
                    "{value} is not the address of one device",
                    value = quoted(&word.text)
                ),
                own_address(),
            );
            return None;
        }
        let line = report.line(word.span.start);
        if let Some(other) = self.macs.insert(mac, line) {
            said_twice(report, word, other);
            return None;
        }
        Some(mac)
    }
}

fn said_twice(report: &mut Report<'_>, word: &Word, other: u32) {
    let line = report.line(word.span.start);
    report.error(
        &word.span,
        say!(
            "file-address-twice",
            "{value} is said twice: on line {first} and on line {second}",
            value = word.text.as_str(),
            first = other,
            second = line
        ),
        say!(
            "file-address-twice-fix",
            "keep it where its owner is declared, and refer to that by name"
        ),
    );
}

fn is_broadcast(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(v4) if v4.is_broadcast())
}

/// Six pairs of hexadecimal digits, with colons or hyphens.
pub(crate) fn parse_mac(text: &str) -> Option<Mac> {
    let mut mac = [0u8; 6];
    let mut parts = text.split([':', '-']);
    for byte in &mut mac {
        let part = parts.next()?;
        if part.len() != 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

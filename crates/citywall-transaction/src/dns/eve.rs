//! The `dns` event: field names of Suricata's EVE, DNS version 3.

use std::cell::Cell;

use citywall_event::json::{self, Array, Object};

use super::codes;
use super::message::{
    ADDITIONALS, ANSWERS, AUTHORITIES, DnsMessage, Flavour, QUESTIONS, Question, Resource, be16,
};
use super::name;
use super::rdata::{self, GROUPED, Rdata, grouped_bit};

/// Entries of one section that are written; how many more there were is said in `omitted`.
const WRITTEN: usize = 512;

/// Multicast DNS: the highest bit of a class means "unicast answer wanted" in a question and "I
/// own this name, flush others" in a record (RFC 6762 sections 5.4 and 10.2).
const CLASS_BIT: u16 = 0x8000;

struct Writer<'a> {
    message: &'a DnsMessage,
    /// Names are put together here.
    text: Vec<u8>,
}

thread_local! {
    /// What the names of the last message were put together in, for the next one's.
    static TEXT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Writes the `dns` object.
pub(super) fn write(message: &DnsMessage, o: &mut Object<'_>) {
    let mut writer = Writer {
        message,
        text: TEXT.take(),
    };
    o.object("dns", |o| {
        writer.header(o);
        writer.sections(o);
    });
    TEXT.set(writer.text);
}

impl Writer<'_> {
    fn header(&self, o: &mut Object<'_>) {
        let message = self.message;
        let (high, low) = (message.byte(2), message.byte(3));
        o.u64("version", 3);
        o.word("type", if message.response() { "response" } else { "request" });
        o.u64("tx_id", message.tx_id.into());
        o.u64("id", be16(&message.raw, 0).unwrap_or(0).into());
        o.hex("flags", &[high, low]);
        for (name, set) in [
            ("qr", high & 0x80),
            ("aa", high & 4),
            ("tc", high & 2),
            ("rd", high & 1),
            ("ra", low & 0x80),
            ("z", low & 0x40),
        ] {
            if set != 0 {
                o.bool(name, true);
            }
        }
        o.u64("opcode", message.opcode().into());
        o.word("rcode", codes::rcode(message.rcode()));
    }

    fn sections(&mut self, o: &mut Object<'_>) {
        let view = self.message.view();
        let counts = self.message.layout.counts;
        if counts[QUESTIONS] > 0 {
            o.array("queries", |a| {
                for question in view.questions().take(WRITTEN) {
                    a.object(|o| self.question(o, &question));
                }
            });
        }
        for (section, key) in [
            (ANSWERS, "answers"),
            (AUTHORITIES, "authorities"),
            (ADDITIONALS, "additionals"),
        ] {
            if counts[section] == 0 {
                continue;
            }
            o.array(key, |a| {
                for resource in view.resources(section).take(WRITTEN) {
                    a.object(|o| self.resource(o, &resource));
                }
            });
            if section == ANSWERS && self.message.layout.grouped != 0 {
                o.object("grouped", |o| self.grouped(o));
            }
        }
        let omitted: usize = counts
            .iter()
            .map(|&c| usize::from(c).saturating_sub(WRITTEN))
            .sum();
        if omitted > 0 {
            o.u64("omitted", omitted as u64);
        }
    }

    fn multicast(&self) -> bool {
        self.message.flavour == Flavour::Mdns
    }

    /// The name's text, in `self.text`.
    #[inline]
    fn name(&mut self, at: usize) -> &[u8] {
        let utf8 = self.message.flavour != Flavour::Dns;
        self.text.clear();
        name::present(&self.message.raw, at, utf8, &mut self.text);
        &self.text
    }

    fn type_and_class(&self, o: &mut Object<'_>, rtype: u16, class: u16) {
        match codes::rrtype(rtype) {
            Some(name) => o.word("rrtype", name),
            None => {
                let mut text = b"TYPE".to_vec();
                json::number(&mut text, rtype.into());
                o.bytes("rrtype", &text);
            }
        }
        let class = if self.multicast() {
            class & !CLASS_BIT
        } else {
            class
        };
        if let Some(name) = codes::class(class) {
            o.word("rrclass", name);
        }
    }

    fn question(&mut self, o: &mut Object<'_>, question: &Question) {
        o.bytes("rrname", self.name(question.name));
        self.type_and_class(o, question.rtype, question.class);
        if self.multicast() && question.class & CLASS_BIT != 0 {
            o.bool("unicast_response", true);
        }
    }

    fn resource(&mut self, o: &mut Object<'_>, resource: &Resource) {
        o.bytes("rrname", self.name(resource.name));
        if resource.rtype == codes::rr::OPT {
            // Class and time to live mean other things here (RFC 6891 section 6.1.3).
            o.word("rrtype", "OPT");
            o.u64("udp_size", resource.class.into());
        } else {
            self.type_and_class(o, resource.rtype, resource.class);
            if self.multicast() && resource.class & CLASS_BIT != 0 {
                o.bool("cache_flush", true);
            }
        }
        o.u64("ttl", resource.ttl.into());
        self.data(o, resource);
    }

    fn data(&mut self, o: &mut Object<'_>, resource: &Resource) {
        match rdata::read(&self.message.raw, resource) {
            Rdata::Empty => o.str("rdata", ""),
            Rdata::Ip(ip) => o.ip("rdata", ip),
            Rdata::Name(at) => o.bytes("rdata", self.name(at)),
            Rdata::Text(data) => {
                o.bytes("rdata", self.strings(data));
                if rdata::strings(data).nth(1).is_some() {
                    o.array("txt", |a| rdata::strings(data).for_each(|text| a.bytes(text)));
                }
            }
            Rdata::Soa(soa) => o.object("soa", |o| {
                o.bytes("mname", self.name(soa.mname));
                o.bytes("rname", self.name(soa.rname));
                for (key, number) in ["serial", "refresh", "retry", "expire", "minimum"]
                    .into_iter()
                    .zip(soa.numbers)
                {
                    o.u64(key, number.into());
                }
            }),
            Rdata::Srv([priority, weight, port], target) => o.object("srv", |o| {
                o.u64("priority", priority.into());
                o.u64("weight", weight.into());
                o.u64("port", port.into());
                o.bytes("name", self.name(target));
            }),
            Rdata::Sshfp(algorithm, kind, fingerprint) => o.object("sshfp", |o| {
                o.hex("fingerprint", fingerprint);
                o.u64("algo", algorithm.into());
                o.u64("type", kind.into());
            }),
            Rdata::Opt(data) => o.array("opt", |a| {
                for (code, value) in rdata::pairs(data) {
                    a.object(|o| {
                        o.u64("code", code.into());
                        o.hex("data", value);
                    });
                }
            }),
            Rdata::Caa(flags, tag, value) => o.bytes("rdata", self.caa(flags, tag, value)),
            Rdata::Service(priority, target, parameters) => {
                o.bytes("rdata", self.service(priority, target, parameters));
            }
            Rdata::Other(data) => o.hex("rdata", data),
        }
    }

    /// The character strings as one text (RFC 7208 section 3.3 joins them so).
    fn strings(&mut self, data: &[u8]) -> &[u8] {
        self.text.clear();
        rdata::strings(data).for_each(|text| self.text.extend_from_slice(text));
        &self.text
    }

    fn caa(&mut self, flags: u8, tag: &[u8], value: &[u8]) -> &[u8] {
        self.text.clear();
        json::number(&mut self.text, flags.into());
        for part in [b" ", tag, b" \"", value, b"\""] {
            self.text.extend_from_slice(part);
        }
        &self.text
    }

    fn service(&mut self, priority: u16, target: usize, parameters: &[u8]) -> &[u8] {
        self.text.clear();
        json::number(&mut self.text, priority.into());
        self.text.push(b' ');
        let start = self.text.len();
        name::present(&self.message.raw, target, false, &mut self.text);
        if self.text.len() == start {
            self.text.push(b'.');
        }
        rdata::parameters(parameters, &mut self.text);
        &self.text
    }

    /// Answers by type.
    fn grouped(&mut self, o: &mut Object<'_>) {
        let layout = &self.message.layout;
        for (rtype, key) in GROUPED {
            if layout.grouped & grouped_bit(rtype) != 0 {
                o.array(key, |a| self.group(a, rtype));
            }
        }
    }

    fn group(&mut self, a: &mut Array<'_>, rtype: u16) {
        let message = self.message;
        for resource in message.view().resources(ANSWERS).take(WRITTEN) {
            if resource.rtype != rtype {
                continue;
            }
            match rdata::read(&message.raw, &resource) {
                Rdata::Ip(ip) => a.ip(ip),
                Rdata::Name(at) => a.bytes(self.name(at)),
                Rdata::Text(data) => a.bytes(self.strings(data)),
                Rdata::Other(data) => a.hex(data),
                _ => a.str(""),
            }
        }
    }
}

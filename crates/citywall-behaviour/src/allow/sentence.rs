//! A list as sentences, for the person who signs it.
//!
//! Owns: its words. Does not own: what is in it.

use std::fmt::Write as _;
use std::net::IpAddr;

use citywall_event::{Phrase, names, say};

use super::list::{AllowList, DYNAMIC, Doubt, End, Evidence, Order, Talk};
use super::peer::Peer;

impl AllowList {
    /// One sentence an entry, by conduit: what is allowed, then what is only proposed and why. Each
    /// begins with its number, by which it is accepted.
    pub fn sentences(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write_sentences(&mut text);
        text
    }

    /// What a device does and has done to it by this list: a sentence each, and why it is only proposed where it is.
    /// The device is known by its name in the city file, or by its addresses.
    pub fn of_device(&self, name: &str, addresses: &[IpAddr]) -> Vec<(Phrase, Option<Phrase>)> {
        let is = |peer: &Peer| match peer {
            Peer::Asset(asset) => asset == name,
            Peer::Ip(ip) => addresses.iter().any(|own| own.to_canonical() == *ip),
            Peer::Mac(_) | Peer::Name(_) | Peer::Outside => false,
        };
        let kinds: Vec<u16> = self
            .devices
            .iter()
            .filter(|device| is(&device.peer))
            .filter_map(|device| device.kind)
            .collect();
        let ends = |end: &End| match end {
            End::Peer(peer) => is(peer),
            End::Kind(kind) => kinds.contains(kind),
        };
        let own = self
            .entries()
            .into_iter()
            .filter(|entry| entry.ends.iter().any(ends));
        own.map(|entry| (entry.text, entry.seen.doubt.map(Doubt::why)))
            .collect()
    }

    fn write_sentences(&self, text: &mut String) -> std::fmt::Result {
        let (allowed, proposed) = self.counts();
        writeln!(
            text,
            "{}: {allowed} habits of {} devices are allowed, {proposed} are only proposed.",
            clean(&self.name),
            self.devices.len()
        )?;
        let days = self.span.1.saturating_sub(self.span.0) as f64 / 86_400e9;
        let hours = match self.covered {
            0 => " Hours of the day are not known yet.",
            _ => "",
        };
        writeln!(
            text,
            "Learned over {days:.1} days, in slots of {:.0} s.{hours}",
            self.slot as f64 / 1e9
        )?;
        let all = self.entries();
        for doubtful in [false, true] {
            let of = all.iter().filter(|e| e.seen.doubt.is_some() == doubtful);
            let of: Vec<&Entry> = of.collect();
            if doubtful && !of.is_empty() {
                writeln!(text, "\nOnly proposed, not allowed:")?;
            }
            let mut conduits: Vec<&str> = of.iter().map(|e| e.conduit.as_str()).collect();
            conduits.sort_unstable();
            conduits.dedup();
            for conduit in conduits {
                writeln!(text, "\n{}", clean(conduit))?;
                for entry in of.iter().filter(|e| e.conduit == conduit) {
                    let why = entry.seen.doubt.map(|d| format!(" ({})", d.why()));
                    writeln!(
                        text,
                        "  {:>3}. {}{}.",
                        entry.number,
                        clean(&entry.text),
                        why.unwrap_or_default()
                    )?;
                }
            }
        }
        for device in self.devices.iter().filter(|d| d.open) {
            writeln!(
                text,
                "\n{} speaks with more than can be listed: it is not judged.",
                clean(&device.peer.text())
            )?;
        }
        Ok(())
    }

    fn entries(&self) -> Vec<Entry> {
        let mut all = Vec::new();
        for talk in &self.talks {
            let text = say!(
                "list-contacts",
                "{who} contacts {whom} on {service}, {often}",
                who = self.end_text(&talk.from),
                whom = self.end_text(&talk.to),
                service = service_text(talk),
                often = self.often(&talk.seen)
            );
            let ends = vec![talk.from.clone(), talk.to.clone()];
            all.push((self.conduit(&talk.from, &talk.to), text, talk.seen, ends));
        }
        for order in &self.orders {
            let what = point_text(order);
            let what = order.values.map_or(what.clone(), |range| {
                let (low, high) = range.usual;
                let usual = match low == high {
                    true => say!("value-is", "{what} = {value}", what = what, value = number(low)),
                    false => say!(
                        "value-between",
                        "{what} = {low} to {high}",
                        what = what,
                        low = number(low),
                        high = number(high)
                    ),
                };
                if range.all == range.usual {
                    return usual;
                }
                let (low, high) = range.all;
                say!(
                    "value-seen",
                    "{what} (seen: {low} to {high})",
                    what = usual,
                    low = number(low),
                    high = number(high)
                )
            });
            let text = say!(
                "list-tells",
                "{who} tells {whom} by {protocol}: {verb} {what}, {often}",
                who = self.end_text(&order.from),
                whom = self.end_text(&order.to),
                protocol = &order.protocol,
                verb = order.verb.word(),
                what = what,
                often = self.often(&order.seen)
            );
            let ends = vec![order.from.clone(), order.to.clone()];
            all.push((self.conduit(&order.from, &order.to), text, order.seen, ends));
        }
        for print in &self.prints {
            let text = say!(
                "list-shows",
                "{who} shows the {name} fingerprint {value}, {often}",
                who = self.end_text(&print.of),
                name = &print.name,
                value = &print.value,
                often = self.often(&print.seen)
            );
            let ends = vec![print.of.clone()];
            all.push((format!("{}:", self.zone(&print.of)), text, print.seen, ends));
        }
        let numbered = all.into_iter().enumerate();
        numbered
            .map(|(index, (conduit, text, seen, ends))| Entry {
                number: index + 1,
                conduit,
                text,
                seen,
                ends,
            })
            .collect()
    }

    fn conduit(&self, from: &End, to: &End) -> String {
        format!("{} to {}:", self.zone(from), self.zone(to))
    }

    fn often(&self, seen: &Evidence) -> Phrase {
        let often = match self.slot / 1_000_000_000 {
            3_600 => say!("often-an-hour", "at most {n} an hour", n = seen.often),
            seconds => say!(
                "often-in",
                "at most {n} in {seconds} s",
                n = seen.often,
                seconds = seconds.unsigned_abs()
            ),
        };
        match self.hours(seen) {
            Some(hours) => say!(
                "often-at",
                "{often}, {hours} UTC",
                often = often,
                hours = hours_text(hours)
            ),
            None => often,
        }
    }
}

struct Entry {
    number: usize,
    conduit: String,
    text: Phrase,
    seen: Evidence,
    /// Whom it is about.
    ends: Vec<End>,
}

/// Points as they are shown.
pub(super) fn point_text(order: &Order) -> Phrase {
    let point = match &order.point {
        None => say!("any-point", "any point"),
        Some((point, 1)) if point.is_empty() => Phrase::as_written(order.function.as_str()),
        Some((point, 0 | 1)) => Phrase::as_written(point.as_str()),
        Some((point, count)) => Phrase::as_written(format!("{point} (+{})", count - 1)),
    };
    match order.unit {
        Some(unit) => say!("of-unit", "{what} of unit {unit}", what = point, unit = unit),
        None => point,
    }
}

pub(super) fn service_text(talk: &Talk) -> Phrase {
    let words = service_words(talk.protocol, talk.port);
    match talk.app.is_empty() {
        true => words,
        false => say!(
            "service-app",
            "{service} ({app})",
            service = words,
            app = &talk.app
        ),
    }
}

pub(super) fn service_words(protocol: u8, port: u16) -> Phrase {
    let carrier = match protocol {
        1 => "ICMP".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        58 => "ICMPv6".to_owned(),
        132 => "sctp".to_owned(),
        other => format!("IP protocol {other}"),
    };
    match port {
        0 => Phrase::as_written(carrier),
        DYNAMIC => say!(
            "and-above",
            "{service} and above",
            service = format!("{carrier}/{DYNAMIC}")
        ),
        port => Phrase::as_written(format!("{carrier}/{port}")),
    }
}

/// Hours as runs: `6 to 9 and 14 to 15`.
pub(super) fn hours_text(hours: u32) -> Phrase {
    let has = |hour: u32| hours >> (hour % 24) & 1 == 1;
    if (0..24).all(has) {
        return say!("any-hour", "at any hour");
    }
    let starts = (0..24).filter(|hour| has(*hour) && !has(hour + 23));
    let run = |start: u32| {
        let length = (1..24).find(|more| !has(start + more)).unwrap_or(24);
        say!(
            "hours-run",
            "{from} to {to}",
            from = start,
            to = (start + length - 1) % 24 + 1
        )
    };
    let both = |first: Phrase, next: Phrase| names(&[first, next]);
    let runs = starts.map(run).reduce(both);
    runs.unwrap_or_else(|| say!("no-hour", "at no hour"))
}

/// A number without needless digits.
pub(super) fn number(value: f64) -> String {
    if value.abs() < 1e15 || value == 0.0 {
        format!("{value}")
    } else {
        format!("{value:e}")
    }
}

/// Text of the network must not make lines of its own.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

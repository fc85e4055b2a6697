//! A list as sentences, for the person who signs it.
//!
//! Owns: its words. Does not own: what is in it.

use std::fmt::Write as _;

use super::list::{AllowList, DYNAMIC, Evidence, Order, Talk};

impl AllowList {
    /// One sentence an entry, by conduit: what is allowed, then what is only proposed and why. Each
    /// begins with its number, by which it is accepted.
    pub fn sentences(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write_sentences(&mut text);
        text
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
            let text = format!(
                "{} contacts {} on {}{}",
                self.end_text(&talk.from),
                self.end_text(&talk.to),
                service_text(talk),
                self.often(&talk.seen)
            );
            all.push((self.conduit(&talk.from, &talk.to), text, talk.seen));
        }
        for order in &self.orders {
            let values = order.values.map_or(String::new(), |range| {
                let (low, high) = range.usual;
                let mut text = match low == high {
                    true => format!(" = {}", number(low)),
                    false => format!(" = {} to {}", number(low), number(high)),
                };
                if range.all != range.usual {
                    let (low, high) = range.all;
                    let _ = write!(text, " (seen: {} to {})", number(low), number(high));
                }
                text
            });
            let text = format!(
                "{} tells {} by {}: {} {}{values}{}",
                self.end_text(&order.from),
                self.end_text(&order.to),
                order.protocol,
                order.verb.name(),
                point_text(order),
                self.often(&order.seen)
            );
            all.push((self.conduit(&order.from, &order.to), text, order.seen));
        }
        for print in &self.prints {
            let text = format!(
                "{} shows the {} fingerprint {}{}",
                self.end_text(&print.of),
                print.name,
                print.value,
                self.often(&print.seen)
            );
            all.push((format!("{}:", self.zone(&print.of)), text, print.seen));
        }
        let numbered = all.into_iter().enumerate();
        numbered
            .map(|(index, (conduit, text, seen))| Entry {
                number: index + 1,
                conduit,
                text,
                seen,
            })
            .collect()
    }

    fn conduit(&self, from: &super::End, to: &super::End) -> String {
        format!("{} to {}:", self.zone(from), self.zone(to))
    }

    fn often(&self, seen: &Evidence) -> String {
        let slot = match self.slot / 1_000_000_000 {
            3_600 => "an hour".to_owned(),
            seconds => format!("in {seconds} s"),
        };
        let hours = match self.hours(seen) {
            Some(hours) => format!(", {} UTC", hours_text(hours)),
            None => String::new(),
        };
        format!(", at most {} {slot}{hours}", seen.often)
    }
}

struct Entry {
    number: usize,
    conduit: String,
    text: String,
    seen: Evidence,
}

/// Points as they are shown.
pub(super) fn point_text(order: &Order) -> String {
    let unit = order
        .unit
        .map_or(String::new(), |unit| format!(" of unit {unit}"));
    match &order.point {
        None => format!("any point{unit}"),
        Some((point, 1)) if point.is_empty() => format!("{}{unit}", order.function),
        Some((point, 0 | 1)) => format!("{point}{unit}"),
        Some((point, count)) => format!("{point} (+{}){unit}", count - 1),
    }
}

pub(super) fn service_text(talk: &Talk) -> String {
    let words = service_words(talk.protocol, talk.port);
    match talk.app.is_empty() {
        true => words,
        false => format!("{words} ({})", talk.app),
    }
}

pub(super) fn service_words(protocol: u8, port: u16) -> String {
    let carrier = match protocol {
        1 => "ICMP".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        58 => "ICMPv6".to_owned(),
        132 => "sctp".to_owned(),
        other => format!("IP protocol {other}"),
    };
    match port {
        0 => carrier,
        DYNAMIC => format!("{carrier}/{DYNAMIC} and above"),
        port => format!("{carrier}/{port}"),
    }
}

/// Hours as runs: `6 to 9 and 14 to 15`.
pub(super) fn hours_text(hours: u32) -> String {
    let has = |hour: u32| hours >> (hour % 24) & 1 == 1;
    if (0..24).all(has) {
        return "at any hour".to_owned();
    }
    let starts = (0..24).filter(|hour| has(*hour) && !has(hour + 23));
    let runs: Vec<String> = starts
        .map(|start| {
            let length = (1..24).find(|more| !has(start + more)).unwrap_or(24);
            format!("{start} to {}", (start + length - 1) % 24 + 1)
        })
        .collect();
    match runs.is_empty() {
        true => "at no hour".to_owned(),
        false => runs.join(" and "),
    }
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

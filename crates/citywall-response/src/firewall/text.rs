//! Our tables in nft's own language (nft(8)): what is loaded, what golden tests show, and the
//! lines that a diff compares.
//!
//! Owns: the writing. All strings in it are our own names: what a person wrote never gets here.
//! Does not own: reading (`listing`).

use std::fmt::Write as _;

use super::model::{Chain, Field, Mark, Right, Set, Statement, TABLE, Table, Value, Verdict, state};

/// Elements on one line of text.
const ON_A_LINE: usize = 4096;

impl Field {
    /// nft's words.
    pub fn name(self) -> &'static str {
        match self {
            Field::Ip4Source => "ip saddr",
            Field::Ip4Target => "ip daddr",
            Field::Ip6Source => "ip6 saddr",
            Field::Ip6Target => "ip6 daddr",
            Field::EtherSource => "ether saddr",
            Field::EtherTarget => "ether daddr",
            Field::EtherType => "ether type",
            Field::ArpSource => "arp saddr ip",
            Field::TcpPort => "tcp dport",
            Field::TcpSourcePort => "tcp sport",
            Field::UdpPort => "udp dport",
            Field::UdpSourcePort => "udp sport",
            Field::SctpPort => "sctp dport",
            Field::IcmpType => "icmp type",
            Field::Icmp6Type => "icmpv6 type",
            Field::Protocol => "meta l4proto",
            Field::Family => "meta nfproto",
            Field::Began4 => "ct original ip saddr",
            Field::Called4 => "ct original ip daddr",
            Field::Began6 => "ct original ip6 saddr",
            Field::Called6 => "ct original ip6 daddr",
            Field::Direction => "ct direction",
        }
    }
}

/// One value, as nft reads it.
pub fn value(value: &Value) -> String {
    match value {
        Value::Addresses(a, b) if a == b => a.to_string(),
        Value::Addresses(a, b) => match value.as_prefix() {
            Some(prefix) => prefix.to_string(),
            None => format!("{a}-{b}"),
        },
        Value::Mac([a, b, c, d, e, f]) => format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"),
        Value::Numbers(a, b) if a == b => a.to_string(),
        Value::Numbers(a, b) => format!("{a}-{b}"),
    }
}

/// One concatenated key.
pub fn key(parts: &[Value]) -> String {
    parts.iter().map(value).collect::<Vec<_>>().join(" . ")
}

fn named(field: Field, v: &Value) -> String {
    let Value::Numbers(a, b) = v else { return value(v) };
    let name = match (field, *a) {
        (Field::EtherType, 0x0800) => "ip",
        (Field::EtherType, 0x0806) => "arp",
        (Field::EtherType, 0x86dd) => "ip6",
        (Field::EtherType, _) => return format!("{a:#06x}"),
        (Field::Protocol, 1) => "icmp",
        (Field::Protocol, 2) => "igmp",
        (Field::Protocol, 6) => "tcp",
        (Field::Protocol, 17) => "udp",
        (Field::Protocol, 58) => "icmpv6",
        (Field::Protocol, 132) => "sctp",
        (Field::Family, 2) => "ipv4",
        (Field::Family, 10) => "ipv6",
        (Field::Direction, 0) => "original",
        (Field::Direction, 1) => "reply",
        _ => return value(v),
    };
    if a == b { name.to_owned() } else { value(v) }
}

impl Verdict {
    /// nft's words.
    pub fn text(&self) -> String {
        match self {
            Verdict::Accept => "accept".to_owned(),
            Verdict::Drop => "drop".to_owned(),
            Verdict::Return => "return".to_owned(),
            Verdict::Jump(chain) => format!("jump {chain}"),
            Verdict::Goto(chain) => format!("goto {chain}"),
        }
    }
}

fn mark_name(mark: Mark) -> &'static str {
    match mark {
        Mark::Packet => "meta mark",
        Mark::Conversation => "ct mark",
    }
}

/// A rule.
pub fn rule(statements: &[Statement]) -> String {
    statements.iter().map(statement).collect::<Vec<_>>().join(" ")
}

fn statement(statement: &Statement) -> String {
    match statement {
        Statement::Match { left, not, right } => {
            let names: Vec<&str> = left.iter().map(|f| f.name()).collect();
            let field = left.first().copied().unwrap_or(Field::Protocol);
            let right = match right {
                Right::Set(name) => format!("@{name}"),
                Right::Values(values) => match values.as_slice() {
                    [one] => named(field, one),
                    many => {
                        let all: Vec<String> = many.iter().map(|v| named(field, v)).collect();
                        format!("{{ {} }}", all.join(", "))
                    }
                },
                Right::Keys(keys) => {
                    let all: Vec<String> = keys.iter().map(|k| key(k)).collect();
                    format!("{{ {} }}", all.join(", "))
                }
            };
            let not = if *not { "!= " } else { "" };
            format!("{} {not}{right}", names.join(" . "))
        }
        Statement::Opens => "tcp flags & (fin | syn | rst | ack) == syn".to_owned(),
        Statement::Accepts => "tcp flags & (fin | syn | rst | ack) == syn | ack".to_owned(),
        Statement::State(bits) => format!("ct state {}", state_names(*bits)),
        Statement::Marked(mark, bits) => {
            format!("{} & {bits:#010x} == {bits:#010x}", mark_name(*mark))
        }
        Statement::SetMark(mark, bits) => {
            let name = mark_name(*mark);
            format!("{name} set {name} | {bits:#010x}")
        }
        Statement::Map { key, entries } => {
            let entry = |(v, verdict): &(Value, Verdict)| format!("{} : {}", named(*key, v), verdict.text());
            let all: Vec<String> = entries.iter().map(entry).collect();
            format!("{} vmap {{ {} }}", key.name(), all.join(", "))
        }
        Statement::Count(name) => format!("counter name \"{name}\""),
        Statement::Rate { per_second, burst } => {
            format!("limit rate {per_second}/second burst {burst} packets")
        }
        Statement::Log { prefix, group } => match group {
            Some(group) => format!("log prefix \"{prefix}\" group {group}"),
            None => format!("log prefix \"{prefix}\""),
        },
        Statement::NoTrack => "notrack".to_owned(),
        Statement::SynProxy { mss } => format!("synproxy mss {mss}"),
        Statement::Reset => "reject with tcp reset".to_owned(),
        Statement::Verdict(verdict) => verdict.text(),
        Statement::Foreign(what) => format!("<not ours: {what}>"),
    }
}

fn state_names(bits: u32) -> String {
    let names = [
        (state::INVALID, "invalid"),
        (state::ESTABLISHED, "established"),
        (state::RELATED, "related"),
        (state::NEW, "new"),
        (state::UNTRACKED, "untracked"),
    ];
    let set = names.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, n)| *n);
    set.collect::<Vec<_>>().join(",")
}

/// The head of a set's declaration, one field a line.
fn set_head(set: &Set) -> Vec<String> {
    let key: Vec<&str> = set.key.iter().map(|k| k.name()).collect();
    let mut lines = vec![format!("type {}", key.join(" . "))];
    if set.size > 0 {
        lines.push(format!("size {}", set.size));
    }
    let flags: Vec<&str> = [
        (set.rated, "dynamic"),
        (set.interval, "interval"),
        (set.timeout, "timeout"),
    ]
    .into_iter()
    .filter_map(|(on, name)| on.then_some(name))
    .collect();
    if !flags.is_empty() {
        lines.push(format!("flags {}", flags.join(",")));
    }
    if set.rated {
        // An element without a rate of its own would match at this one; we always give one.
        lines.push("limit rate over 1/second burst 5 packets".to_owned());
    }
    lines
}

fn chain_head(chain: &Chain) -> Option<String> {
    let base = chain.base.as_ref()?;
    let device = match &base.device {
        Some(device) => format!(" device \"{device}\""),
        None => String::new(),
    };
    let policy = if base.accept { "accept" } else { "drop" };
    Some(format!(
        "type filter hook {}{device} priority {}; policy {policy};",
        base.hook, base.priority
    ))
}

impl Table {
    /// The table as nft reads it.
    pub fn text(&self) -> String {
        let mut out = format!("table {} {TABLE} {{\n", self.family.name());
        for counter in &self.counters {
            let _ = writeln!(out, "\tcounter {counter} {{\n\t}}\n");
        }
        for set in &self.sets {
            let _ = writeln!(out, "\tset {} {{", set.name);
            for line in set_head(set) {
                let _ = writeln!(out, "\t\t{line}");
            }
            if let Some(elements) = set.elements.as_ref().filter(|e| !e.is_empty()) {
                let all: Vec<String> = elements.iter().map(value).collect();
                let lines: Vec<String> = all.chunks(ON_A_LINE).map(|l| l.join(", ")).collect();
                let _ = writeln!(out, "\t\telements = {{ {} }}", lines.join(",\n\t\t\t     "));
            }
            let _ = writeln!(out, "\t}}\n");
        }
        for chain in &self.chains {
            let _ = writeln!(out, "\tchain {} {{", chain.name);
            if let Some(head) = chain_head(chain) {
                let _ = writeln!(out, "\t\t{head}");
            }
            for statements in &chain.rules {
                let _ = writeln!(out, "\t\t{}", rule(statements));
            }
            let _ = writeln!(out, "\t}}\n");
        }
        out.push_str("}\n");
        out
    }

    /// One line a fact, each complete in itself: what a diff compares. A rule's line holds its
    /// chain's name; within a chain the lines stand in the order of the rules.
    pub fn lines(&self) -> Vec<(String, Vec<String>)> {
        let family = self.family.name();
        let mut blocks = Vec::new();
        for counter in &self.counters {
            blocks.push((format!("{family} counter {counter}"), Vec::new()));
        }
        for set in &self.sets {
            let mut lines = set_head(set);
            for element in set.elements.iter().flatten() {
                lines.push(format!("element {}", value(element)));
            }
            blocks.push((format!("{family} set {}", set.name), lines));
        }
        for chain in &self.chains {
            let mut lines: Vec<String> = chain_head(chain).into_iter().collect();
            lines.extend(chain.rules.iter().map(|r| rule(r)));
            blocks.push((format!("{family} chain {}", chain.name), lines));
        }
        blocks.sort();
        blocks
    }
}

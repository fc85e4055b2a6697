//! The language of a conduit's `allow` entries: `PROTOCOL [/PORTS] [: COMMAND, ...]`.
//!
//! Owns: its parsing into `citywall_event::Grant`, with the place of each error. The reference is
//! in `example.toml`. Does not own: which protocols there are.

use citywall_event::{CommandGrant, Grant, Phrase, PointPattern, Ports, Verb, VerbSet, say};

use crate::error::quoted;
use crate::protocol::{self, Commands, Known};
use crate::suggest::did_you_mean;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Commands of one entry, and points of one command.
const MOST: usize = 256;

/// The kinds of points that commands of Modbus have in events (docs/spec/event.md).
const MODBUS_POINTS: [&str; 9] = [
    "coil",
    "discrete",
    "input",
    "holding",
    "file",
    "fifo",
    "diagnostic",
    "encapsulated",
    "function",
];

/// What is wrong with an entry, and at which byte of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AllowError {
    pub offset: usize,
    pub what: Phrase,
    pub fix: Phrase,
}

fn error<T>(offset: usize, what: Phrase, fix: Phrase) -> Result<T, AllowError> {
    Err(AllowError { offset, what, fix })
}

/// Parses one entry.
pub(crate) fn parse(text: &str) -> Result<Grant, AllowError> {
    // A port list and a protocol name hold no colon, so the first one begins the commands.
    let (head, commands) = match text.split_once(':') {
        Some((head, commands)) => (head, Some((head.len() + 1, commands))),
        None => (text, None),
    };
    let (name, ports) = match head.split_once('/') {
        Some((name, ports)) => (name.trim(), Some((name.len() + 1, ports))),
        None => (head.trim(), None),
    };
    let mut grant = Grant {
        text: text.trim().to_owned(),
        app: None,
        ports: Vec::new(),
        commands: Vec::new(),
    };
    let known = transport_or_protocol(name, ports, &mut grant)?;
    if let Some((offset, commands)) = commands {
        let Some(known) = known.filter(|k| k.commands != Commands::None) else {
            return error(
                offset,
                say!(
                    "allow-no-commands",
                    "commands of {name} are not told apart",
                    name = quoted(name)
                ),
                say!("allow-no-commands-fix", "leave out the colon and what follows"),
            );
        };
        grant.commands = parse_commands(known, offset, commands)?;
    }
    Ok(grant)
}

fn transport_or_protocol(
    name: &str,
    ports: Option<(usize, &str)>,
    grant: &mut Grant,
) -> Result<Option<&'static Known>, AllowError> {
    let transports = match name {
        "any" | "icmp" if ports.is_some() => {
            return error(
                0,
                say!("allow-no-ports", "{name} has no ports", name = quoted(name)),
                say!("allow-no-ports-fix", "write just {name}", name = quoted(name)),
            );
        }
        "any" => return Ok(None),
        "icmp" => {
            for protocol in [1, 58] {
                grant.ports.push(Ports {
                    protocol,
                    first: 0,
                    last: u16::MAX,
                });
            }
            return Ok(None);
        }
        "tcp" => vec![TCP],
        "udp" => vec![UDP],
        _ => {
            let Some(known) = protocol::find(name) else {
                return unknown_protocol(name);
            };
            grant.app = Some(known.app.to_owned());
            match ports {
                Some((offset, text)) => grant.ports = parse_ports(&known.transports(), offset, text)?,
                None => grant.ports = known.usual_ports(),
            }
            return Ok(Some(known));
        }
    };
    match ports {
        Some((offset, text)) => grant.ports = parse_ports(&transports, offset, text)?,
        None => grant.ports = parse_ports(&transports, 0, "0-65535")?,
    }
    Ok(None)
}

fn unknown_protocol<T>(name: &str) -> Result<T, AllowError> {
    if matches!(name, "arp" | "dhcp") {
        return error(
            0,
            say!("allow-needless", "{name} needs no conduit", name = name),
            say!("allow-needless-fix", "leave it out"),
        );
    }
    let names = protocol::known_protocols()
        .map(|(name, _)| name)
        .chain(["tcp", "udp", "icmp", "any"]);
    let fix = did_you_mean(name, names, || {
        say!(
            "allow-protocol-fix",
            "use a protocol that the example lists, or its port: \"tcp/8443\""
        )
    });
    let what = say!(
        "allow-protocol-unknown",
        "unknown protocol {name}",
        name = quoted(name)
    );
    error(0, what, fix)
}

/// `443`, `8000-8099`, `5000;5004-5010`.
fn parse_ports(transports: &[u8], offset: usize, text: &str) -> Result<Vec<Ports>, AllowError> {
    let mut ports = Vec::new();
    for part in text.split(';') {
        let (first, last) = match number_range(part.trim()) {
            Some((first, last)) if last <= u32::from(u16::MAX) => (first as u16, last as u16),
            _ => {
                return error(
                    offset,
                    say!(
                        "allow-port",
                        "{value} is no port or range of ports",
                        value = quoted(part.trim())
                    ),
                    say!(
                        "allow-port-fix",
                        "write ports as 443, 8000-8099 or 80;8080, each at most 65535"
                    ),
                );
            }
        };
        for &protocol in transports {
            ports.push(Ports {
                protocol,
                first,
                last,
            });
        }
        if ports.len() > MOST {
            return error(
                offset,
                say!("allow-ports", "too many ports"),
                say!("allow-ports-fix", "name at most {n} runs of ports", n = MOST),
            );
        }
    }
    ports.sort_unstable();
    ports.dedup();
    Ok(ports)
}

/// `7` or `7-9`.
fn number_range(text: &str) -> Option<(u32, u32)> {
    let number = |t: &str| {
        let digits = !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| t.parse::<u32>().ok()).flatten()
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    (first <= last).then_some((first, last))
}

/// A word of a command and where it stands. Words in quotes may hold anything but a quote.
struct Token<'a> {
    text: &'a str,
    offset: usize,
    quoted: bool,
}

fn tokens(base: usize, text: &str) -> Result<Vec<Vec<Token<'_>>>, AllowError> {
    let mut commands = vec![Vec::new()];
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let offset = base + text.len() - rest.len();
        let Some(first) = rest.chars().next() else { break };
        if first == ',' {
            commands.push(Vec::new());
            rest = &rest[1..];
        } else if first == '\'' {
            let Some((word, after)) = rest[1..].split_once('\'') else {
                return error(
                    offset,
                    say!("allow-quote", "a quote is not closed"),
                    say!("allow-quote-fix", "add the second '"),
                );
            };
            push(&mut commands, word, offset, true);
            rest = after;
        } else {
            let end = rest
                .find(|c: char| c == ',' || c.is_whitespace())
                .unwrap_or(rest.len());
            push(&mut commands, &rest[..end], offset, false);
            rest = &rest[end..];
        }
        if commands.len() > MOST || commands.last().is_some_and(|c| c.len() > MOST) {
            return error(
                offset,
                say!("allow-commands", "too many commands or points"),
                say!("allow-commands-fix", "use at most {n}", n = MOST),
            );
        }
    }
    Ok(commands)
}

fn push<'a>(commands: &mut [Vec<Token<'a>>], text: &'a str, offset: usize, quoted: bool) {
    if let Some(command) = commands.last_mut() {
        command.push(Token { text, offset, quoted });
    }
}

fn parse_commands(known: &Known, base: usize, text: &str) -> Result<Vec<CommandGrant>, AllowError> {
    tokens(base, text)?
        .into_iter()
        .map(|words| parse_command(known, base, &words))
        .collect()
}

fn parse_command(known: &Known, base: usize, words: &[Token<'_>]) -> Result<CommandGrant, AllowError> {
    let Some((word, rest)) = words.split_first() else {
        return error(
            base,
            say!("allow-command-missing", "a command is missing"),
            say!(
                "allow-command-missing-fix",
                "name a verb such as read, or leave out the comma or colon"
            ),
        );
    };
    let mut grant = CommandGrant::default();
    if let Some(verbs) = protocol::verbs_of(known.name, word.text) {
        grant.verbs = verbs.into_iter().fold(VerbSet::default(), VerbSet::with);
    }
    // A word may be both: every MQTT publication is a `publish`, also those that set something.
    if let Commands::Functions(functions) = known.commands
        && functions.contains(&word.text)
    {
        grant.functions.push(word.text.to_owned());
    }
    if grant == CommandGrant::default() {
        return unknown_command(known, word);
    }
    let mut rest = rest.iter();
    while let Some(token) = rest.next() {
        if token.text == "unit" && !token.quoted {
            let units = rest.next().and_then(|t| number_range(t.text));
            if units.is_none() || rest.len() > 0 {
                return error(
                    token.offset,
                    say!(
                        "allow-unit",
                        "\"unit\" ends a command and takes one number or range"
                    ),
                    say!("allow-unit-fix", "write: unit 1, or: unit 1-4"),
                );
            }
            grant.units = units;
        } else {
            grant.points.push(parse_point(known, token)?);
        }
    }
    merge_ranges(&mut grant.points);
    Ok(grant)
}

fn unknown_command<T>(known: &Known, word: &Token<'_>) -> Result<T, AllowError> {
    let functions = match known.commands {
        Commands::Functions(functions) => functions,
        Commands::None | Commands::Verbs => &[],
    };
    let verbs = || Verb::ALL.into_iter().map(Verb::name).chain(["any", "changes"]);
    let fix = did_you_mean(word.text, verbs().chain(functions.iter().copied()), || {
        let all: Vec<&str> = verbs().chain(functions.iter().copied()).collect();
        say!(
            "allow-command-fix",
            "{name} has: {all}",
            name = known.name,
            all = all.join(" ")
        )
    });
    error(
        word.offset,
        say!(
            "allow-command-unknown",
            "unknown command {command} of {name}",
            command = quoted(word.text),
            name = known.name
        ),
        fix,
    )
}

fn parse_point(known: &Known, token: &Token<'_>) -> Result<PointPattern, AllowError> {
    let text = token.text;
    match known.name {
        "mqtt" => {
            let levels: Vec<&str> = text.split('/').collect();
            let last = levels.len() - 1;
            let sound = !text.is_empty()
                && levels
                    .iter()
                    .enumerate()
                    .all(|(i, l)| !l.contains(['#', '+']) || *l == "+" || *l == "#" && i == last);
            if !sound {
                return error(
                    token.offset,
                    say!("allow-topic", "{value} is no topic filter", value = quoted(text)),
                    say!(
                        "allow-topic-fix",
                        "+ stands for one whole level and # for all that follow, at the end: city/+/lamp/#"
                    ),
                );
            }
            Ok(PointPattern::Topic(text.to_owned()))
        }
        "snmp" => {
            let oid = text.strip_prefix('.').unwrap_or(text);
            let (root, below) = match oid.strip_suffix(".*") {
                Some(root) => (root, true),
                None => (oid, false),
            };
            let sound = root
                .split('.')
                .all(|arc| number_range(arc).is_some() && !arc.contains('-'));
            if !sound {
                return error(
                    token.offset,
                    say!(
                        "allow-object",
                        "{value} is no object identifier",
                        value = quoted(text)
                    ),
                    say!(
                        "allow-object-fix",
                        "write numbers: 1.3.6.1.2.1.1.5.0, or 1.3.6.1.4.1.1206.* for all below"
                    ),
                );
            }
            let root = root.to_owned();
            Ok(if below {
                PointPattern::Below(root)
            } else {
                PointPattern::Exact(root)
            })
        }
        _ => match text.split_once(':') {
            Some((kind, _)) if known.name == "modbus" && !MODBUS_POINTS.contains(&kind) => {
                no_point(token, text)
            }
            Some((kind, numbers)) if !kind.is_empty() => match number_range(numbers) {
                Some((first, last)) => Ok(PointPattern::Range {
                    kind: kind.to_owned(),
                    first,
                    last,
                }),
                None => error(
                    token.offset,
                    say!(
                        "allow-range",
                        "{value} is no number or range",
                        value = quoted(numbers)
                    ),
                    say!("allow-range-fix", "write holding:40 or holding:40-49"),
                ),
            },
            _ if known.name == "modbus" => no_point(token, text),
            _ => Ok(PointPattern::Exact(text.to_owned())),
        },
    }
}

fn no_point(token: &Token<'_>, text: &str) -> Result<PointPattern, AllowError> {
    error(
        token.offset,
        say!(
            "allow-point",
            "{value} is no point of modbus",
            value = quoted(text)
        ),
        say!(
            "allow-point-fix",
            "write kind and number: holding:40, coil:3, input:0-9, discrete:1"
        ),
    )
}

/// Joins ranges that touch, so that one command over both is covered.
fn merge_ranges(points: &mut Vec<PointPattern>) {
    let mut ranges: Vec<(String, u32, u32)> = Vec::new();
    points.retain(|point| match point {
        PointPattern::Range { kind, first, last } => {
            ranges.push((kind.clone(), *first, *last));
            false
        }
        _ => true,
    });
    ranges.sort();
    ranges.dedup_by(|next, kept| {
        let touches = next.0 == kept.0 && next.1 <= kept.2.saturating_add(1);
        if touches {
            kept.2 = kept.2.max(next.2);
        }
        touches
    });
    points.extend(
        ranges
            .into_iter()
            .map(|(kind, first, last)| PointPattern::Range { kind, first, last }),
    );
}

//! What may be asked of a policy: a protocol, its ports, its commands, as an entry of `allow`.
//!
//! Owns: the taking apart of an entry into single questions that `Context` can answer. Does not own:
//! the entry's language (`allow`).

use citywall_event::{Command, CommandGrant, CommandOutcome, Grant, PointPattern, Ports, Service, Verb};

use crate::allow;
use crate::protocol::{self, Commands};

/// One question with one answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ask {
    /// In the words of `allow`.
    pub words: String,
    /// The same by its verb, for all functions that have it.
    pub by_verb: String,
    /// IP protocol and port of the responder; `None` = not said.
    pub ports: Option<(u8, Option<u16>)>,
    /// Application protocol.
    pub app: Option<String>,
    /// The command.
    pub command: Option<Command>,
}

impl Ask {
    pub(crate) fn service(&self) -> Option<Service<'_>> {
        self.ports.map(|(protocol, port)| Service {
            protocol,
            port,
            app_proto: self.app.as_deref(),
        })
    }
}

/// Reads a question: `modbus`, `http/8080`, `tcp/22`, and the commands behind a colon.
///
/// # Errors
/// In words, with the fix.
pub(crate) fn parse(protocol: &str, command: Option<&str>) -> Result<Grant, String> {
    let text = match command {
        Some(command) => format!("{protocol}: {command}"),
        None => protocol.to_owned(),
    };
    allow::parse(&text).map_err(|e| format!("{text:?}, at character {}: {}; {}", e.offset + 1, e.what, e.fix))
}

/// The single questions of an entry. Of ports and points that are a run, each is asked as a whole.
pub(crate) fn take_apart(grant: &Grant) -> Vec<Ask> {
    let head = grant.text.split(':').next().unwrap_or_default().trim();
    let mut asks = Vec::new();
    let runs: Vec<Option<Ports>> = match grant.ports.is_empty() {
        true => vec![None],
        false => grant.ports.iter().copied().map(Some).collect(),
    };
    for run in runs {
        // ICMP is asked by its question, not by its answers.
        let ports = run.map(|r| match r.protocol {
            1 => (1, Some(8)),
            58 => (58, Some(128)),
            protocol => (protocol, Some(r.first)),
        });
        let many = grant.ports.len() > 1;
        let place = |ports: Option<(u8, Option<u16>)>| match ports {
            Some((6, Some(port))) if many => format!("{head} on tcp/{port}"),
            Some((17, Some(port))) if many => format!("{head} on udp/{port}"),
            Some((58, _)) => format!("{head} (IPv6)"),
            _ => head.to_owned(),
        };
        if grant.commands.is_empty() {
            asks.push(Ask {
                words: place(ports),
                by_verb: place(ports),
                ports,
                app: grant.app.clone(),
                command: None,
            });
            continue;
        }
        for wanted in &grant.commands {
            for command in commands(grant.app.as_deref().unwrap_or_default(), wanted) {
                asks.push(Ask {
                    words: format!("{}: {}", place(ports), words(&command, command.function)),
                    by_verb: format!("{}: {}", place(ports), words(&command, "")),
                    ports,
                    app: grant.app.clone(),
                    command: Some(command),
                });
            }
        }
    }
    asks
}

fn words(command: &Command, function: &str) -> String {
    let mut text = match function {
        "" => command.verb.name().to_owned(),
        function => function.to_owned(),
    };
    if !command.point.is_empty() {
        text.push(' ');
        text.push_str(&command.point);
        if command.count > 1
            && let Some((_, first)) = command.point.split_once(':')
            && let Ok(first) = first.parse::<u32>()
        {
            text.push_str(&format!("-{}", first.saturating_add(command.count - 1)));
        }
    }
    if let Some(unit) = command.unit {
        text.push_str(&format!(" unit {unit}"));
    }
    text
}

/// The commands that a grant of commands speaks of: each of its functions, each verb by each function
/// that has it, at each of its points.
pub(crate) fn commands(app: &str, grant: &CommandGrant) -> Vec<Command> {
    let Some(name) = protocol::name_of(app) else {
        return Vec::new();
    };
    let known = protocol::functions_of(app);
    let mut spoken: Vec<(Verb, &'static str)> = Vec::new();
    for function in known {
        let verb = protocol::verb_of(app, function);
        let named = grant.functions.iter().any(|f| f == function) && verb_is_not_named(grant, app, function);
        if named || grant.verbs.has(verb) {
            spoken.push((verb, function));
        }
    }
    for verb in Verb::ALL.into_iter().filter(|v| grant.verbs.has(*v)) {
        if !spoken.iter().any(|(v, _)| *v == verb) {
            spoken.push((verb, ""));
        }
    }
    spoken.sort_by_key(|(verb, _)| *verb);
    let mut units = vec![None];
    if let Some((first, last)) = grant.units {
        units = vec![Some(first)];
        if last != first {
            units.push(Some(last));
        }
    }
    let mut found = Vec::new();
    let points = points(&grant.points);
    for unit in &units {
        for (point, count) in &points {
            for &(verb, function) in &spoken {
                found.push(Command {
                    protocol: name,
                    verb,
                    function,
                    unit: *unit,
                    point: point.clone(),
                    count: *count,
                    value: None,
                    outcome: CommandOutcome::Unanswered,
                    technique: None,
                });
            }
        }
    }
    found
}

/// A function that a verb covers already is asked once.
fn verb_is_not_named(grant: &CommandGrant, app: &str, function: &str) -> bool {
    !grant.verbs.has(protocol::verb_of(app, function))
}

fn points(patterns: &[PointPattern]) -> Vec<(String, u32)> {
    if patterns.is_empty() {
        return vec![(String::new(), 1)];
    }
    patterns
        .iter()
        .map(|pattern| match pattern {
            PointPattern::Exact(point) | PointPattern::Topic(point) | PointPattern::Below(point) => {
                (point.clone(), 1)
            }
            PointPattern::Range { kind, first, last } => (
                format!("{kind}:{first}"),
                last.saturating_sub(*first).saturating_add(1),
            ),
        })
        .collect()
}

/// Are commands of this protocol told apart?
pub(crate) fn has_commands(app: &str) -> bool {
    protocol::by_app(app).any(|known| known.commands != Commands::None)
}

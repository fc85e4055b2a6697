//! The smallest questions that two lists of entries can answer differently.
//!
//! Owns: cutting ports, points and units at every border that an entry names, and putting what changed
//! together into words again. Does not own: the answers.

use std::collections::{BTreeMap, BTreeSet};

use citywall_event::{Command, CommandOutcome, Grant, PointPattern, Ports, Service, Verb};

use crate::explain::point_words;
use crate::protocol;

/// What no entry can name.
const NOBODY: &str = "\0";
/// Points, ports and units that are told apart at most, each; more are asked at their borders only
/// (of the first that many).
const MOST: usize = 512;

/// One question.
#[derive(Clone, Debug)]
pub(super) struct Atom {
    pub command: Option<Command>,
    ports: Ports,
    app: String,
    /// Ports that it stands for in words.
    text: String,
    /// The verb or function, and the points that it stands for.
    word: String,
    point: Option<PointPattern>,
    unit: Option<(u32, u32)>,
}

impl Atom {
    pub(super) fn service(&self) -> Service<'_> {
        Service {
            protocol: self.ports.protocol,
            port: Some(self.ports.first),
            app_proto: Some(&self.app),
        }
    }
}

/// A protocol and port that nobody names.
pub(super) fn anything() -> Atom {
    Atom {
        command: None,
        ports: Ports {
            protocol: 253,
            first: 0,
            last: 0,
        },
        app: NOBODY.to_owned(),
        text: "anything".to_owned(),
        word: String::new(),
        point: None,
        unit: None,
    }
}

/// All questions that these entries tell apart.
pub(super) fn of<'a>(grants: impl Iterator<Item = &'a Grant>) -> Vec<Atom> {
    let grants: Vec<&Grant> = grants.collect();
    let runs = port_runs(&grants);
    let apps: BTreeSet<&str> = grants.iter().filter_map(|g| g.app.as_deref()).collect();
    let mut atoms = Vec::new();
    for run in &runs {
        let service = Service {
            protocol: run.protocol,
            port: Some(run.first),
            app_proto: None,
        };
        let there: Vec<&&Grant> = grants
            .iter()
            .filter(|g| g.on_port(&service) && !g.ports.is_empty())
            .collect();
        if there.iter().any(|g| g.app.is_none()) {
            atoms.push(contact(*run, NOBODY));
        }
        for app in apps
            .iter()
            .filter(|app| there.iter().any(|g| g.app.as_deref() == Some(**app)))
        {
            atoms.push(contact(*run, app));
            if grants
                .iter()
                .any(|g| g.app.as_deref() == Some(*app) && !g.commands.is_empty())
            {
                atoms.extend(commands(*run, app, &grants));
            }
        }
    }
    atoms
}

fn contact(run: Ports, app: &str) -> Atom {
    Atom {
        command: None,
        ports: ask_port(run),
        app: app.to_owned(),
        text: port_words(run, app),
        word: String::new(),
        point: None,
        unit: None,
    }
}

/// ICMP is asked by its question: answers are never judged.
fn ask_port(run: Ports) -> Ports {
    let first = match run.protocol {
        1 => 8,
        58 => 128,
        _ => run.first,
    };
    Ports { first, ..run }
}

/// The ports, cut wherever an entry begins or ends.
fn port_runs(grants: &[&Grant]) -> Vec<Ports> {
    let mut borders: BTreeMap<u8, BTreeSet<u32>> = BTreeMap::new();
    for run in grants.iter().flat_map(|g| &g.ports) {
        let cut = borders.entry(run.protocol).or_default();
        cut.insert(run.first.into());
        cut.insert(u32::from(run.last) + 1);
    }
    let mut runs = Vec::new();
    for (protocol, cut) in borders {
        if matches!(protocol, 1 | 58) {
            runs.push(Ports {
                protocol,
                first: 0,
                last: u16::MAX,
            });
            continue;
        }
        let cut: Vec<u32> = cut.into_iter().collect();
        for pair in cut.windows(2).take(MOST) {
            let &[first, end] = pair else { continue };
            let (Ok(first), Ok(last)) = (u16::try_from(first), u16::try_from(end - 1)) else {
                continue;
            };
            runs.push(Ports {
                protocol,
                first,
                last,
            });
        }
    }
    runs
}

fn port_words(run: Ports, app: &str) -> String {
    let carrier = match run.protocol {
        1 => return "icmp".to_owned(),
        58 => return "icmp (IPv6)".to_owned(),
        6 => "tcp",
        17 => "udp",
        _ => "ip",
    };
    let ports = match run.first == run.last {
        true => run.first.to_string(),
        false => format!("{}-{}", run.first, run.last),
    };
    if app == NOBODY {
        return format!("{carrier}/{ports}");
    }
    let usual = protocol::by_app(app).find(|known| {
        known
            .usual_ports()
            .iter()
            .any(|p| p.protocol == run.protocol && p.first == run.first && run.last == run.first)
    });
    match (usual, protocol::by_app(app).next()) {
        (Some(known), _) => match known.transports().len() > 1 {
            true => format!("{} ({carrier})", known.name),
            false => known.name.to_owned(),
        },
        (None, Some(known)) => format!("{}/{ports}", known.name),
        (None, None) => format!("{app} on {carrier}/{ports}"),
    }
}

/// The commands of a protocol, cut at every point and unit that an entry names.
fn commands(run: Ports, app: &str, grants: &[&Grant]) -> Vec<Atom> {
    let Some(name) = protocol::name_of(app) else {
        return Vec::new();
    };
    let said: Vec<_> = grants
        .iter()
        .filter(|g| g.app.as_deref() == Some(app))
        .flat_map(|g| &g.commands)
        .collect();
    let mut words: Vec<(Verb, &'static str)> = protocol::functions_of(app)
        .iter()
        .map(|f| (protocol::verb_of(app, f), *f))
        .collect();
    for verb in Verb::ALL {
        if !words.iter().any(|(v, _)| *v == verb) {
            words.push((verb, ""));
        }
    }
    let points = points(said.iter().flat_map(|c| &c.points));
    let units = units(said.iter().filter_map(|c| c.units));
    let mut atoms = Vec::new();
    for (verb, function) in words {
        for unit in &units {
            for point in &points {
                let (text, count) = sample(point.as_ref());
                let command = Command {
                    protocol: name,
                    verb,
                    function,
                    unit: unit.map(|(first, _)| first),
                    point: text,
                    count,
                    value: None,
                    outcome: CommandOutcome::Unanswered,
                    technique: None,
                };
                atoms.push(Atom {
                    command: Some(command),
                    ports: ask_port(run),
                    app: app.to_owned(),
                    text: port_words(run, app),
                    word: if function.is_empty() {
                        verb.name()
                    } else {
                        function
                    }
                    .to_owned(),
                    point: point.clone(),
                    unit: *unit,
                });
            }
        }
    }
    atoms
}

/// An example of a point; of a run the whole of it.
fn sample(point: Option<&PointPattern>) -> (String, u32) {
    match point {
        None => (format!("{NOBODY}:0"), 1),
        Some(PointPattern::Exact(text) | PointPattern::Topic(text)) => (text.clone(), 1),
        Some(PointPattern::Below(root)) => (format!("{root}.0"), 1),
        Some(PointPattern::Range { kind, first, last }) => (
            format!("{kind}:{first}"),
            last.saturating_sub(*first).saturating_add(1),
        ),
    }
}

/// `None` stands for all points that nobody names.
fn points<'a>(said: impl Iterator<Item = &'a PointPattern>) -> Vec<Option<PointPattern>> {
    let mut cut: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    let mut found = vec![None];
    for point in said {
        match point {
            PointPattern::Range { kind, first, last } => {
                let borders = cut.entry(kind).or_default();
                borders.insert((*first).into());
                borders.insert(u64::from(*last) + 1);
            }
            other if found.len() < MOST && !found.contains(&Some(other.clone())) => {
                found.push(Some(other.clone()));
            }
            _ => {}
        }
    }
    for (kind, borders) in cut {
        let borders: Vec<u64> = borders.into_iter().collect();
        for pair in borders.windows(2).take(MOST) {
            let &[first, end] = pair else { continue };
            if let (Ok(first), Ok(last)) = (u32::try_from(first), u32::try_from(end - 1)) {
                found.push(Some(PointPattern::Range {
                    kind: kind.to_owned(),
                    first,
                    last,
                }));
            }
        }
    }
    found
}

/// `None` stands for all units that nobody names.
fn units(said: impl Iterator<Item = (u32, u32)>) -> Vec<Option<(u32, u32)>> {
    let mut borders: BTreeSet<u64> = BTreeSet::new();
    for (first, last) in said {
        borders.insert(first.into());
        borders.insert(u64::from(last) + 1);
    }
    let borders: Vec<u64> = borders.into_iter().collect();
    let mut found = vec![None];
    for pair in borders.windows(2).take(MOST) {
        if let &[first, end] = pair
            && let (Ok(first), Ok(last)) = (u32::try_from(first), u32::try_from(end - 1))
        {
            found.push(Some((first, last)));
        }
    }
    found
}

/// What several questions ask together: ports and protocols once, their commands behind a colon.
pub(super) fn words(atoms: &[&Atom]) -> Vec<String> {
    let mut texts: Vec<&str> = Vec::new();
    let mut whole: BTreeSet<&str> = BTreeSet::new();
    for atom in atoms {
        if !texts.contains(&atom.text.as_str()) {
            texts.push(&atom.text);
        }
        if atom.command.is_none() {
            whole.insert(&atom.text);
        }
    }
    let mut found = Vec::new();
    for text in texts {
        let of: Vec<&&Atom> = atoms
            .iter()
            .filter(|a| a.text == text && a.command.is_some())
            .collect();
        let said = command_words(&of);
        match said.is_empty() {
            true => found.push(text.to_owned()),
            false => found.push(format!("{text}: {said}")),
        }
    }
    found
}

/// First and last unit; all where there are none.
type Units = Option<(u32, u32)>;

/// `read, write holding:40-49 unit 1`.
fn command_words(atoms: &[&&Atom]) -> String {
    // The points of each word and unit, touching runs joined.
    let mut by: BTreeMap<(&str, Units), Vec<Option<&PointPattern>>> = BTreeMap::new();
    for atom in atoms {
        by.entry((&atom.word, atom.unit))
            .or_default()
            .push(atom.point.as_ref());
    }
    let mut merged: BTreeMap<(String, Units), Vec<&str>> = BTreeMap::new();
    for ((word, unit), points) in by {
        let text = match points.contains(&None) {
            // What nobody names is in it, so it is all points, or all but a few: the rest says which.
            true => String::new(),
            false => point_list(&points),
        };
        merged.entry((text, unit)).or_default().push(word);
    }
    let mut said: Vec<String> = Vec::new();
    let app = atoms.first().map_or("", |a| a.app.as_str());
    for ((points, unit), words) in merged {
        let words = by_verb(app, words);
        let unit = match unit {
            Some((first, last)) if first == last => format!(" unit {first}"),
            Some((first, last)) => format!(" unit {first}-{last}"),
            None => String::new(),
        };
        for word in words {
            let part = format!("{word}{points}{unit}");
            // All units: the ones with a number say nothing more.
            let wider = format!("{word}{points}");
            if !said.contains(&wider) && !said.contains(&part) {
                said.push(part);
            }
        }
    }
    said.join(", ")
}

/// Where all functions of a verb are there, the verb says it shorter.
fn by_verb(app: &str, words: Vec<&str>) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    let mut whole: Vec<&str> = Vec::new();
    for verb in Verb::ALL {
        let functions: Vec<&str> = protocol::functions_with(app, verb).collect();
        if !functions.is_empty() && functions.iter().all(|f| words.contains(f)) {
            said.push(verb.name().to_owned());
            whole.extend(functions);
        } else if words.contains(&verb.name()) {
            said.push(verb.name().to_owned());
        }
    }
    if said.len() == Verb::ALL.len() {
        return vec!["any".to_owned()];
    }
    let single = words
        .iter()
        .filter(|w| !whole.contains(*w) && !said.iter().any(|s| s == *w));
    let single: Vec<String> = single.map(|w| (*w).to_owned()).collect();
    said.extend(single);
    said
}

fn point_list(points: &[Option<&PointPattern>]) -> String {
    let mut runs: Vec<PointPattern> = Vec::new();
    for point in points.iter().flatten() {
        if let (
            Some(PointPattern::Range { kind: a, last, .. }),
            PointPattern::Range {
                kind: b,
                first,
                last: end,
            },
        ) = (runs.last_mut(), point)
            && a == b
            && last.checked_add(1) == Some(*first)
        {
            *last = *end;
            continue;
        }
        runs.push((*point).clone());
    }
    runs.iter()
        .map(|point| format!(" {}", point_words(point)))
        .collect()
}

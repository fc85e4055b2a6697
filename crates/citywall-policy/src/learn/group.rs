//! Conversations that are alike become one conduit.
//!
//! Owns: which hosts stand for their zone, which commands are said, what is doubtful, and the last
//! look: that what is proposed allows what it was learned from. Does not own: the text.

use std::collections::{BTreeMap, BTreeSet};

use citywall_event::{Command, Phrase, PointPattern, Service, Verb, counted, say};

use super::{Doubt, Heard, Learner, Named, Proposal, Seen, Talk, Told, Who};
use crate::ask::has_commands;
use crate::city::City;
use crate::ends::Judged;
use crate::explain::point_words;
use crate::{allow, protocol};

/// Points of one verb that are listed; more are told as all.
const POINTS: usize = 32;

/// A host as a conduit names it: by its zone and, where it must be told apart, its address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Node {
    zone: Option<u16>,
    who: Who,
}

/// Conversations of one kind between two zones.
#[derive(Default)]
struct Group {
    talks: Vec<(Node, Node, usize)>,
}

/// What makes conversations alike: zones, the service in the words of `allow`, whether their
/// commands change something, and whether a suspect began them.
type Key = (Option<u16>, Option<u16>, String, bool, bool);

pub(super) fn propose(learner: &Learner, city: &City, doubt: Doubt) -> Proposal {
    let judged = Judged::new(city);
    let mut talks: Vec<(&Talk, Heard)> = Vec::new();
    let mut proposal = Proposal::default();
    let mut members: BTreeMap<Option<u16>, BTreeSet<Who>> = BTreeMap::new();
    let mut groups: BTreeMap<Key, Group> = BTreeMap::new();
    for (talk, heard) in &learner.talks {
        let node = |who: Who| Node {
            zone: judged.context.locate(Some(who.ip), who.mac).zone,
            who,
        };
        let (from, to) = (node(talk.from), node(talk.to));
        if heard.answered > 0 || !heard.commands.is_empty() {
            members.entry(from.zone).or_default().insert(talk.from);
            members.entry(to.zone).or_default().insert(talk.to);
        }
        let heard = denied(&judged, talk, heard);
        let Some(heard) = heard else {
            proposal.allowed += 1;
            continue;
        };
        if heard.answered == 0 && heard.commands.is_empty() && !is_one_way(talk) {
            proposal.unanswered += heard.seen.times;
            continue;
        }
        let suspected = learner.suspects.contains(&talk.from.ip);
        // Who changes something is seldom who only looks: changes are grouped for themselves.
        let (changes, rest) = part_changes(heard);
        for (heard, changing) in [(rest, false), (changes, true)] {
            let Some(heard) = heard else { continue };
            groups
                .entry((from.zone, to.zone, head(talk, &heard), changing, suspected))
                .or_default()
                .talks
                .push((from.clone(), to.clone(), talks.len()));
            talks.push((talk, heard));
        }
    }
    let mut names = Names::new(&judged);
    for (key, group) in &groups {
        split(
            &judged,
            key,
            group,
            &talks,
            &members,
            doubt,
            &mut names,
            &mut proposal,
        );
    }
    let named = names.made.into_iter().map(|(name, address)| Named {
        outside: outside(city, &address),
        name,
        address,
    });
    proposal.named = named.collect();
    proposal.settle();
    proposal
}

fn outside(city: &City, address: &str) -> bool {
    let ip = address.parse::<std::net::IpAddr>();
    let mut networks = city.zones.iter().flat_map(|zone| &zone.networks);
    ip.is_ok_and(|ip| !networks.any(|network| network.contains(ip)))
}

/// Services that nobody answers.
fn is_one_way(talk: &Talk) -> bool {
    talk.protocol == 17 && matches!(talk.port, Some(514 | 162))
}

/// What of a conversation is not allowed yet: `None` where all of it is.
fn denied(judged: &Judged<'_>, talk: &Talk, heard: &Heard) -> Option<Heard> {
    let end = |who: Who| (judged.context.locate(Some(who.ip), who.mac), Some(who.ip));
    let (from, to) = (end(talk.from), end(talk.to));
    let service = service(talk, heard.app.as_deref());
    let contact = judged.context.judge_contact(from, to, &service).is_ok();
    let mut rest = heard.clone();
    rest.commands.retain(|(c, _)| {
        judged
            .context
            .judge_command_on(from, to, Some(&service), c)
            .is_err()
    });
    (!contact || !rest.commands.is_empty()).then_some(rest)
}

/// The commands that change something, and all else. A conversation without commands is all else.
fn part_changes(heard: Heard) -> (Option<Heard>, Option<Heard>) {
    let (changes, rest): (Vec<_>, Vec<_>) = heard
        .commands
        .iter()
        .cloned()
        .partition(|(c, _)| c.verb.changes());
    if changes.is_empty() {
        return (None, Some(heard));
    }
    let mut seen = Seen::default();
    changes.iter().for_each(|(_, s)| seen.join(s));
    let changed = Heard {
        commands: changes,
        seen,
        ..heard.clone()
    };
    let rest = (!rest.is_empty()).then_some(Heard {
        commands: rest,
        ..heard
    });
    (Some(changed), rest)
}

fn service<'a>(talk: &Talk, app: Option<&'a str>) -> Service<'a> {
    Service {
        protocol: talk.protocol,
        port: talk.port,
        app_proto: app,
    }
}

/// The service in the words of `allow`, without commands.
fn head(talk: &Talk, heard: &Heard) -> String {
    let port = talk.port.unwrap_or(0);
    if let Some(app) = heard.app.as_deref() {
        let usual = protocol::by_app(app).find(|known| {
            let ports = known.usual_ports();
            ports
                .iter()
                .any(|p| p.protocol == talk.protocol && p.first == port)
        });
        if let Some(known) = usual {
            return known.name.to_owned();
        }
        let carried = protocol::by_app(app).find(|known| known.transports().contains(&talk.protocol));
        if let Some(known) = carried {
            return format!("{}/{port}", known.name);
        }
    }
    match talk.protocol {
        1 | 58 => "icmp".to_owned(),
        6 => format!("tcp/{port}"),
        17 => format!("udp/{port}"),
        _ => "any".to_owned(),
    }
}

/// Names of hosts that have none yet.
struct Names<'a> {
    judged: &'a Judged<'a>,
    made: Vec<(String, String)>,
}

impl<'a> Names<'a> {
    fn new(judged: &'a Judged<'a>) -> Names<'a> {
        Names {
            judged,
            made: Vec::new(),
        }
    }

    fn of(&mut self, node: &Node) -> String {
        let place = self.judged.context.locate(Some(node.who.ip), node.who.mac);
        if let Some(asset) = place.asset.and_then(|id| self.judged.context.asset(id)) {
            return asset.name.clone();
        }
        let address = node.who.ip.to_string();
        if let Some((name, _)) = self.made.iter().find(|(_, known)| *known == address) {
            return name.clone();
        }
        let name = format!("host-{}", address.replace(['.', ':'], "-"));
        self.made.push((name.clone(), address));
        name
    }
}

/// Parts a group by who speaks with whom, so that no conduit allows what nobody did, but for hosts that
/// stand for their zone.
#[allow(clippy::too_many_arguments)]
fn split(
    judged: &Judged<'_>,
    key: &Key,
    group: &Group,
    talks: &[(&Talk, Heard)],
    members: &BTreeMap<Option<u16>, BTreeSet<Who>>,
    doubt: Doubt,
    names: &mut Names<'_>,
    proposal: &mut Proposal,
) {
    let most = |zone: Option<u16>, hosts: &BTreeSet<&Node>| {
        let all = members.get(&zone).map_or(0, BTreeSet::len);
        zone.is_none() || hosts.len() * 2 > all
    };
    // Who speaks with each.
    let mut by_to: BTreeMap<&Node, BTreeSet<&Node>> = BTreeMap::new();
    for (from, to, _) in &group.talks {
        by_to.entry(to).or_default().insert(from);
    }
    let mut by_from: BTreeMap<Vec<&Node>, BTreeSet<&Node>> = BTreeMap::new();
    for (to, from) in by_to {
        by_from.entry(from.into_iter().collect()).or_default().insert(to);
    }
    for (from, to) in by_from {
        let from: BTreeSet<&Node> = from.into_iter().collect();
        let indices: Vec<usize> = group
            .talks
            .iter()
            .filter(|(f, t, _)| from.contains(f) && to.contains(t))
            .map(|(_, _, index)| *index)
            .collect();
        let mut part = Part {
            key,
            lone: from.len() == 1
                && !most(key.0, &from)
                && members.get(&key.0).map_or(0, BTreeSet::len) > doubt.peers
                && !(to.len() > 1 && most(key.1, &to)),
            // A suspect never stands for its zone.
            from: if most(key.0, &from) && !key.4 {
                vec![judged.context.zone_name(key.0).to_owned()]
            } else {
                from.iter().map(|node| names.of(node)).collect()
            },
            to: if most(key.1, &to) {
                vec![judged.context.zone_name(key.1).to_owned()]
            } else {
                to.iter().map(|node| names.of(node)).collect()
            },
            devices: (from.len(), to.len()),
            isolated: from.iter().chain(&to).any(|node| {
                let zone = node.zone.and_then(|z| judged.context.zone(z));
                zone.is_some_and(|z| z.isolated)
            }) && key.0 != key.1,
            doubt,
        };
        part.say(&indices, talks, proposal);
    }
}

/// Conversations that become one conduit.
struct Part<'a> {
    key: &'a Key,
    from: Vec<String>,
    to: Vec<String>,
    devices: (usize, usize),
    lone: bool,
    isolated: bool,
    doubt: Doubt,
}

impl Part<'_> {
    fn say(&mut self, indices: &[usize], talks: &[(&Talk, Heard)], proposal: &mut Proposal) {
        let heard: Vec<&(&Talk, Heard)> = indices.iter().filter_map(|i| talks.get(*i)).collect();
        let mut seen = Seen::default();
        let mut commands: Vec<(&Command, Seen)> = Vec::new();
        let mut untold = 0;
        for (_, h) in &heard {
            seen.join(&h.seen);
            untold += h.untold;
            commands.extend(h.commands.iter().map(|(c, s)| (c, *s)));
        }
        proposal.untold += untold;
        let times = seen.times.max(commands.iter().map(|(_, s)| s.times).sum());
        let why = if self.isolated {
            Some(say!(
                "learn-isolated",
                "it crosses the border of a zone that is declared isolated"
            ))
        } else if self.key.4 {
            Some(say!(
                "learn-suspected",
                "who began it is suspected in an incident: it may be the attack itself"
            ))
        } else if self.key.0.is_none() {
            Some(say!("learn-outside", "it comes from outside"))
        } else if self.key.2 == "any" {
            Some(say!(
                "learn-unnamed",
                "this IP protocol has no name in a city file"
            ))
        } else if times <= self.doubt.once {
            Some(say!("learn-once", "seen once"))
        } else if self.lone && times <= self.doubt.lone {
            Some(say!(
                "learn-lone",
                "only one device of its zone did it, {n}",
                n = counted(times, "time", "times")
            ))
        } else {
            None
        };
        let app = heard
            .iter()
            .find_map(|(_, h)| h.app.as_deref())
            .unwrap_or_default();
        if let Some(why) = why {
            let allow = entry(&self.key.2, app, &commands);
            proposal.doubtful.push(self.told(vec![allow.text], seen, why));
            return;
        }
        // Single commands may be doubtful where the conversation is not.
        let (rare, usual): (Vec<_>, Vec<_>) = commands
            .iter()
            .copied()
            .partition(|(c, s)| c.verb.changes() && total(&commands, c) <= self.doubt.once && s.times > 0);
        if !rare.is_empty() {
            let allow = entry(&self.key.2, app, &rare);
            let why = say!("learn-rare", "these commands change something and were seen once");
            let mut when = Seen::default();
            rare.iter().for_each(|(_, s)| when.join(s));
            proposal.doubtful.push(self.told(vec![allow.text], when, why));
        }
        if usual.is_empty() && !rare.is_empty() {
            return;
        }
        let allow = entry(&self.key.2, app, &usual);
        let mut note = Phrase::NONE;
        if commands.is_empty() && has_commands(app) {
            note = say!(
                "learn-unheard",
                "its commands were not seen: this allows all of them"
            );
        } else if allow.widened {
            note = say!(
                "learn-wide",
                "too many points to list: this allows more than was seen"
            );
        }
        proposal.conduits.push(self.told(vec![allow.text], seen, note));
    }

    fn told(&self, allow: Vec<String>, seen: Seen, note: Phrase) -> Told {
        Told {
            from: self.from.clone(),
            to: self.to.clone(),
            allow,
            devices: self.devices,
            seen,
            changes: self.key.3,
            note,
            zones: [self.key.0, self.key.1],
        }
    }
}

/// How often a change was asked for by anyone: its function and point.
fn total(commands: &[(&Command, Seen)], of: &Command) -> u64 {
    let same = |c: &Command| c.function == of.function && c.point == of.point && c.unit == of.unit;
    commands
        .iter()
        .filter(|(c, _)| same(c))
        .map(|(_, s)| s.times)
        .sum()
}

/// An entry of `allow`.
struct Entry {
    text: String,
    widened: bool,
}

/// Says commands: first with all that was seen; where that does not hold all of them, with less.
fn entry(head: &str, app: &str, commands: &[(&Command, Seen)]) -> Entry {
    let plain = Entry {
        text: head.to_owned(),
        widened: !commands.is_empty(),
    };
    if commands.is_empty() || !has_commands(app) {
        return plain;
    }
    let mut by: BTreeMap<(String, BTreeSet<u32>), Vec<&Command>> = BTreeMap::new();
    for (command, _) in commands {
        // Units are said for each word apart.
        by.entry((word(app, command), command.unit.into_iter().collect()))
            .or_default()
            .push(command);
    }
    let mut widened = false;
    let mut said: BTreeMap<(String, String), BTreeSet<u32>> = BTreeMap::new();
    for ((word, units), list) in by {
        let (points, wide) = points(app, &list);
        widened |= wide;
        said.entry((word, points)).or_default().extend(units);
    }
    let mut parts: Vec<String> = Vec::new();
    for ((word, points), units) in said {
        let runs = runs(&units);
        if runs.is_empty() {
            parts.push(format!("{word}{points}"));
        }
        for (first, last) in runs {
            let unit = if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            };
            parts.push(format!("{word}{points} unit {unit}"));
        }
    }
    let text = format!("{head}: {}", parts.join(", "));
    let holds = |text: &str| {
        allow::parse(text).is_ok_and(|grant| commands.iter().all(|(c, _)| grant.allows(c, None)))
    };
    if parts.len() <= 128 && holds(&text) {
        return Entry { text, widened };
    }
    // What cannot be said with its points is said without them.
    let words: BTreeSet<String> = commands.iter().map(|(c, _)| word(app, c)).collect();
    let text = format!("{head}: {}", words.into_iter().collect::<Vec<_>>().join(", "));
    match holds(&text) {
        true => Entry { text, widened: true },
        false => plain,
    }
}

/// The word for a command: its function where that says more than the verb.
fn word(app: &str, command: &Command) -> String {
    let functions = protocol::functions_of(app);
    let known = functions.contains(&command.function);
    let verb = command.verb;
    let usual = protocol::verb_of(app, command.function) == verb;
    match known && (!usual || command.point.is_empty() || app == "mqtt" || verb == Verb::Other) {
        true => command.function.to_owned(),
        false => verb.name().to_owned(),
    }
}

/// The points of commands, each with a space before it; true where more than was seen.
fn points(app: &str, commands: &[&Command]) -> (String, bool) {
    if commands.iter().any(|c| c.point.is_empty()) {
        return (String::new(), false);
    }
    let mut ranges: BTreeMap<&str, Vec<(u32, u32)>> = BTreeMap::new();
    let mut exact: BTreeSet<&str> = BTreeSet::new();
    for command in commands {
        let numbered = command
            .point
            .split_once(':')
            .filter(|_| app != "mqtt" && app != "snmp")
            .and_then(|(kind, number)| Some((kind, number.parse::<u32>().ok()?)));
        match numbered {
            Some((kind, first)) => {
                let last = first.saturating_add(command.count.max(1) - 1);
                ranges.entry(kind).or_default().push((first, last));
            }
            None => {
                exact.insert(&command.point);
            }
        }
    }
    let mut patterns: Vec<PointPattern> = Vec::new();
    for (kind, mut list) in ranges {
        list.sort_unstable();
        let mut joined: Vec<(u32, u32)> = Vec::new();
        for (first, last) in list {
            match joined.last_mut() {
                Some(end) if first <= end.1.saturating_add(1) => end.1 = end.1.max(last),
                _ => joined.push((first, last)),
            }
        }
        patterns.extend(joined.into_iter().map(|(first, last)| PointPattern::Range {
            kind: kind.to_owned(),
            first,
            last,
        }));
    }
    let all = patterns.len() + exact.len();
    let (mut listed, mut wide) = (Vec::new(), false);
    if all > POINTS {
        wide = true;
        match (app, common(app, &exact)) {
            ("snmp", Some(root)) => listed.push(PointPattern::Below(root)),
            ("mqtt", Some(root)) => listed.push(PointPattern::Topic(format!("{root}/#"))),
            _ => return (String::new(), true),
        }
    } else {
        listed.extend(patterns);
        listed.extend(exact.into_iter().map(|point| match app {
            "mqtt" => PointPattern::Topic(point.to_owned()),
            _ => PointPattern::Exact(point.to_owned()),
        }));
    }
    (
        listed.iter().map(|p| format!(" {}", point_words(p))).collect(),
        wide,
    )
}

/// What all points begin with: whole arcs or levels.
fn common(app: &str, points: &BTreeSet<&str>) -> Option<String> {
    let sign = if app == "snmp" { '.' } else { '/' };
    let mut all = points.iter().map(|p| p.split(sign).collect::<Vec<_>>());
    let mut root = all.next()?;
    for point in all {
        let same = root.iter().zip(&point).take_while(|(a, b)| a == b).count();
        root.truncate(same);
    }
    // One level says next to nothing.
    (root.len() > 1).then(|| root.join(&sign.to_string()))
}

fn runs(units: &BTreeSet<u32>) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for unit in units {
        match runs.last_mut() {
            Some(run) if run.1.checked_add(1) == Some(*unit) => run.1 = *unit,
            _ => runs.push((*unit, *unit)),
        }
    }
    runs
}

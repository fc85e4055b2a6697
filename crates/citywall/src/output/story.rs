//! The screen: what happened, in about twenty lines that a person can act on.
//!
//! Owns: what is remembered for it while a run goes on (bounded), and its words. It says nothing
//! that is not also in the events.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;

use hashbrown::HashMap;

use citywall_event::{
    Action, Body, Command, Context, Criticality, Event, IncidentReport, Nanos, Verb, sentences,
};

use super::summary::Usage;
use crate::pipeline::judge::Judge;
use crate::pipeline::ordered::Stage;
use crate::pipeline::run::Outcome;
use crate::settings::Settings;

/// Different keys that each list remembers; more are only counted.
const REMEMBERED: usize = 256;

/// Lines that each list shows.
const SHOWN: usize = 3;

/// Reasons of an incident that are shown, and how many of them tell its beginning.
const REASONS: usize = 7;
const BEGINNING: usize = 3;

/// What is remembered for the screen.
#[derive(Default)]
pub struct Story {
    /// By actor, protocol and verb.
    commands: HashMap<(Option<IpAddr>, &'static str, Verb), Told>,
    forbidden: Vec<(Nanos, String)>,
    forbidden_more: u64,
    alerts: BTreeMap<(u8, String), u64>,
    anomalies: BTreeMap<&'static str, u64>,
    violations: BTreeMap<String, u64>,
    behaviours: Vec<(Nanos, String)>,
    incidents: BTreeMap<String, IncidentReport>,
    actions: Vec<Action>,
    devices: BTreeMap<String, u64>,
    makers: u64,
}

/// How often somebody told devices to do a thing.
#[derive(Default)]
struct Told {
    times: u64,
    last: Option<IpAddr>,
    targets: BTreeSet<IpAddr>,
}

/// Proposals of an incident that are shown, and what the safety gate refused of it.
const ACTIONS: usize = 3;
const REFUSED: usize = 2;

/// What the gate says of an action stands behind it.
fn with_guards(text: String, action: &Action) -> String {
    match action.guards.is_empty() {
        true => text,
        false => format!("{text} [{}]", sentences(action.guards.iter().cloned())),
    }
}

/// How much a proposal does, the most first.
fn rung(kind: &str) -> usize {
    const LADDER: [&str; 7] = [
        "isolate",
        "quarantine",
        "deny-conduit",
        "deny-command",
        "limit-rate",
        "notify",
        "observe",
    ];
    LADDER
        .iter()
        .position(|name| *name == kind)
        .unwrap_or(LADDER.len())
}

/// A party by name where the city file names it, else by address.
pub fn party(context: &Context, ip: Option<IpAddr>) -> String {
    let Some(ip) = ip else {
        return "a device without an address".into();
    };
    let place = context.locate(Some(ip), None);
    match place.asset.and_then(|asset| context.asset(asset)) {
        Some(asset) => asset.name.clone(),
        None => ip.to_string(),
    }
}

/// A detector knows addresses; people know names.
fn named(reason: &str, event: &Event, context: &Context) -> String {
    let mut text = reason.to_owned();
    for ip in [event.subject.src_ip, event.subject.dst_ip].into_iter().flatten() {
        let (name, address) = (party(context, Some(ip)), ip.to_string());
        if name != address {
            let words = text
                .split(' ')
                .map(|word| if word == address { name.as_str() } else { word });
            text = words.collect::<Vec<_>>().join(" ");
        }
    }
    text
}

/// Counts under a key, if there is room for one more key.
fn bump<K: Ord>(map: &mut BTreeMap<K, u64>, key: K) {
    if map.len() < REMEMBERED || map.contains_key(&key) {
        *map.entry(key).or_default() += 1;
    }
}

impl Story {
    /// Remembers what the screen may tell of an event.
    pub fn event(&mut self, event: &Event, context: &Context) {
        match &event.body {
            Body::Command(command) => self.command(event, command),
            Body::Alert(alert) => bump(&mut self.alerts, (alert.severity, alert.signature.clone())),
            Body::Anomaly(anomaly) => bump(&mut self.anomalies, anomaly.event),
            Body::Violation(violation) => {
                // Ports and commands stand in brackets behind: the screen counts by zones.
                let which = violation.reason.split(" (").next().unwrap_or_default();
                bump(&mut self.violations, which.to_owned());
                if let Some(command) = &violation.command {
                    self.forbidden(event, command, context);
                }
            }
            Body::Behaviour(behaviour) if self.behaviours.len() < REMEMBERED => {
                self.behaviours
                    .push((event.at, named(&behaviour.reason, event, context)));
            }
            Body::Incident(report) if self.incidents.len() < REMEMBERED => {
                self.incidents.insert(report.number.clone(), (**report).clone());
            }
            Body::Action(action) => self.action(action),
            _ => {}
        }
    }

    /// What is wanted, or refused; what became of a proposal stands in the log.
    fn action(&mut self, action: &Action) {
        let wanted = matches!(action.status, "told" | "proposed" | "refused");
        let known = !action.id.is_empty() && self.actions.iter().any(|a| a.id == action.id);
        if wanted && !known && self.actions.len() < REMEMBERED {
            self.actions.push(action.clone());
        }
    }

    fn command(&mut self, event: &Event, command: &Command) {
        let key = (event.subject.src_ip, command.protocol, command.verb);
        if self.commands.len() >= REMEMBERED && !self.commands.contains_key(&key) {
            return;
        }
        let told = self.commands.entry(key).or_default();
        told.times += 1;
        let target = event.subject.dst_ip;
        // Polling asks the same device many times in a row.
        if told.last != target {
            told.last = target;
            if told.targets.len() < REMEMBERED {
                told.targets.extend(target);
            }
        }
    }

    fn forbidden(&mut self, event: &Event, command: &Command, context: &Context) {
        if !command.verb.changes() {
            return;
        }
        if self.forbidden.len() >= SHOWN {
            self.forbidden_more += 1;
            return;
        }
        let (from, to) = (
            party(context, event.subject.src_ip),
            party(context, event.subject.dst_ip),
        );
        let outcome = match command.outcome {
            citywall_event::CommandOutcome::Accepted => "accepted",
            citywall_event::CommandOutcome::Refused(_) => "refused by the device",
            citywall_event::CommandOutcome::Unanswered => "no answer seen",
        };
        let text = format!(
            "{from} told {to}: {} {} ({outcome})",
            command.protocol,
            command.sentence()
        );
        self.forbidden.push((event.at, text));
    }

    /// Takes the inventory's last word.
    pub fn finish(&mut self, judge: &Judge, context: &Context) {
        for device in judge.devices() {
            *self
                .devices
                .entry(context.zone_name(device.zone()).to_owned())
                .or_default() += 1;
            self.makers += u64::from(device.maker().is_some());
        }
    }
}

/// `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// What stands behind the last row that is shown, where there are more.
fn and_more(place: usize, rows: usize) -> String {
    match rows.saturating_sub(SHOWN) {
        more if more > 0 && place + 1 == SHOWN => {
            format!("; and {}", plural(more as u64, "more kind", "more kinds"))
        }
        _ => String::new(),
    }
}

fn span(nanos: Nanos) -> String {
    let seconds = nanos / 1_000_000_000;
    match seconds {
        0..60 => format!("{:.1} s", nanos as f64 / 1e9),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..172_800 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} days {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// Network text on a terminal: control characters would be commands to it.
pub fn clean(text: &str) -> String {
    let mut clean: String = text
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .take(170)
        .collect();
    if text.chars().count() > 170 {
        clean.push('…');
    }
    clean
}

/// The page.
pub fn page(
    settings: &Settings,
    outcome: &Outcome,
    stage: &Stage,
    usage: &Usage,
    out: Option<&Path>,
) -> String {
    let mut page = Page {
        text: String::new(),
        settings,
    };
    page.city(outcome);
    page.devices(&stage.story);
    page.commands(&stage.story);
    page.alerts(&stage.story);
    page.incidents(&stage.story);
    page.numbers(outcome, stage, usage, out);
    page.text
}

struct Page<'a> {
    text: String,
    settings: &'a Settings,
}

impl Page<'_> {
    /// One line: a label in the margin on the first, blanks on the others.
    fn line(&mut self, label: &str, text: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{label:<10} {}", clean(text));
    }

    fn time(&self, at: Nanos) -> String {
        match &self.settings.city {
            Some(city) => city.local_time(at),
            None => {
                let mut text = Vec::new();
                citywall_event::json::time(&mut text, at);
                let text = String::from_utf8_lossy(&text).into_owned();
                format!("{} {} UTC", &text[..10], &text[11..19])
            }
        }
    }

    fn clock(&self, at: Nanos) -> String {
        let time = self.time(at);
        time.split_whitespace().nth(1).unwrap_or(&time).to_owned()
    }

    fn city(&mut self, outcome: &Outcome) {
        let context = &self.settings.context;
        let zones: Vec<String> = context
            .zones()
            .iter()
            .map(|zone| match zone.criticality {
                Criticality::Normal => zone.name.clone(),
                other => format!("{} ({})", zone.name, other.name()),
            })
            .collect();
        match &self.settings.city {
            Some(city) => {
                let text = format!("{}: {}", city.name, plural(zones.len() as u64, "zone", "zones"));
                self.line("City", &text);
                self.line("", &zones.join(", "));
            }
            None => self.line(
                "City",
                "no city file: zones and permissions are unknown (give one with --city FILE)",
            ),
        }
        if let (Some(first), Some(last)) = (outcome.prepare.first, outcome.prepare.last) {
            let text = format!(
                "{} to {}, {}",
                self.time(first),
                self.clock(last),
                span(last - first)
            );
            self.line("Time", &text);
        }
    }

    fn devices(&mut self, story: &Story) {
        let all: u64 = story.devices.values().sum();
        let zones: Vec<String> = story
            .devices
            .iter()
            .map(|(zone, n)| format!("{zone} {n}"))
            .collect();
        let makers = if story.makers > 0 {
            format!("; maker known of {}", story.makers)
        } else {
            String::new()
        };
        let text = if all == 0 {
            "none seen".into()
        } else {
            format!("{all} seen: {}{makers}", zones.join(", "))
        };
        self.line("Devices", &text);
    }

    fn commands(&mut self, story: &Story) {
        let mut label = "Commands";
        let mut rows: Vec<_> = story.commands.iter().collect();
        rows.sort_by_key(|(key, told)| (std::cmp::Reverse(told.times), **key));
        for (place, ((actor, protocol, verb), told)) in rows.iter().take(SHOWN).enumerate() {
            let (actor, verb) = (party(&self.settings.context, *actor), verb.name());
            let (times, devices) = (
                &told.times,
                plural(told.targets.len() as u64, "device", "devices"),
            );
            let text = format!(
                "{actor}: {protocol} {verb}, {} to {devices}{}",
                plural(*times, "time", "times"),
                and_more(place, rows.len())
            );
            self.line(label, &text);
            label = "";
        }
        if rows.is_empty() {
            self.line(label, "none seen");
        }
        let mut label = "Forbidden";
        for (at, text) in &story.forbidden {
            let text = format!("{} {text}", self.clock(*at));
            self.line(label, &text);
            label = "";
        }
        if story.forbidden_more > 0 {
            self.line("", &format!("and {} more", grouped(story.forbidden_more)));
        }
    }

    fn alerts(&mut self, story: &Story) {
        self.list(
            "Alerts",
            story
                .alerts
                .iter()
                .map(|((_, text), n)| (text.clone(), *n))
                .collect(),
        );
        let all: u64 = story.anomalies.values().sum();
        let mut kinds: Vec<_> = story.anomalies.iter().collect();
        kinds.sort_by_key(|(name, n)| (std::cmp::Reverse(**n), **name));
        let kinds: Vec<String> = kinds
            .iter()
            .take(3)
            .map(|(name, n)| format!("{name} {n}"))
            .collect();
        if all > 0 {
            self.line("Malformed", &format!("{}: {}", grouped(all), kinds.join(", ")));
        } else {
            self.line("Malformed", "none");
        }
        let mut label = "Behaviour";
        for (at, text) in story.behaviours.iter().take(SHOWN) {
            let text = format!("{} {text}", self.clock(*at));
            self.line(label, &text);
            label = "";
        }
        if !story.violations.is_empty() {
            let mut rows: Vec<(String, u64)> =
                story.violations.iter().map(|(k, v)| (k.clone(), *v)).collect();
            rows.sort_by_key(|(text, n)| (std::cmp::Reverse(*n), text.clone()));
            self.list("Violations", rows);
        }
    }

    fn list(&mut self, label: &str, rows: Vec<(String, u64)>) {
        if rows.is_empty() {
            return self.line(label, "none");
        }
        let mut label = label;
        for (place, (text, times)) in rows.iter().take(SHOWN).enumerate() {
            let times = if *times > 1 {
                format!(" ({})", plural(*times, "time", "times"))
            } else {
                String::new()
            };
            let more = and_more(place, rows.len());
            self.line(label, &format!("{text}{times}{more}"));
            label = "";
        }
    }

    fn incidents(&mut self, story: &Story) {
        let mut reports: Vec<&IncidentReport> = story.incidents.values().collect();
        reports.sort_by_key(|r| (r.severity, r.first, r.number.clone()));
        if reports.is_empty() {
            self.text.push('\n');
            self.line("Incidents", "none");
        }
        for report in reports.iter().take(SHOWN) {
            self.text.push('\n');
            self.line(
                "INCIDENT",
                &format!(
                    "{} (severity {} of 4, {})",
                    report.title, report.severity, report.number
                ),
            );
            // How it began, and what it came to.
            let skipped = report.reasons.len().saturating_sub(REASONS);
            for (i, reason) in report.reasons.iter().enumerate() {
                if (BEGINNING..BEGINNING + skipped).contains(&i) {
                    if i == BEGINNING {
                        self.line(
                            "",
                            &format!("and {}", plural(skipped as u64, "more reason", "more reasons")),
                        );
                    }
                    continue;
                }
                let technique = reason
                    .technique
                    .map(|t| format!(" [{}]", t.id))
                    .unwrap_or_default();
                let text = format!("{} {}{technique}", self.clock(reason.at), reason.text);
                self.line("", &text);
            }
            if !report.services.is_empty() {
                self.line("At stake", &report.services.join(", "));
            }
            let mut actions: Vec<&Action> = story
                .actions
                .iter()
                .filter(|action| action.incident == report.number)
                .collect();
            // What stops it first; the plan itself goes from the least harm up.
            actions.sort_by_key(|action| rung(action.kind));
            let (refused, wanted): (Vec<&Action>, Vec<&Action>) =
                actions.into_iter().partition(|action| action.status == "refused");
            for action in wanted.iter().take(ACTIONS) {
                let text = format!("{} {}: {}", action.kind, action.target, action.reason);
                self.line("Would do", &with_guards(text, action));
            }
            if wanted.len() > ACTIONS {
                let more: Vec<String> = wanted[ACTIONS..]
                    .iter()
                    .map(|action| format!("{} {}", action.kind, action.target))
                    .collect();
                self.line(
                    "",
                    &format!(
                        "and {}: {}",
                        grouped(more.len() as u64) + " more",
                        more.join("; ")
                    ),
                );
            }
            for action in refused.iter().take(REFUSED) {
                let text = format!("{} {}", action.kind, action.target);
                self.line("Would not", &with_guards(text, action));
            }
            if refused.len() > REFUSED {
                self.line("", &format!("and {} more", refused.len() - REFUSED));
            }
        }
        if reports.len() > SHOWN {
            self.line("", &format!("and {} more incidents", reports.len() - SHOWN));
        }
        self.text.push('\n');
    }

    fn numbers(&mut self, outcome: &Outcome, stage: &Stage, usage: &Usage, out: Option<&Path>) {
        let (packets, flows) = (outcome.prepare.packets, outcome.workers.flows);
        let events: u64 = stage.counts.values().sum();
        let text = format!(
            "{}, {}, {}; {:.2} s, {} MB",
            plural(packets, "packet", "packets"),
            plural(flows, "flow", "flows"),
            plural(events, "event", "events"),
            usage.wall,
            usage.peak_memory / 1_000_000
        );
        self.line("Run", &text);
        if let Some(text) = stage.judge().usage() {
            self.line("Use", &text);
        }
        let drops = outcome.kernel_drops;
        if drops + outcome.workers.flows_evicted + outcome.workers.stream_shed > 0 {
            let text = format!(
                "the kernel dropped {}; {} flows and {} stream bytes were given up for lack of memory",
                plural(drops, "packet", "packets"),
                grouped(outcome.workers.flows_evicted),
                grouped(outcome.workers.stream_shed)
            );
            self.line("Not seen", &text);
        }
        let files = match out {
            Some(out) => format!(
                "{}/eve.json (events), {}/summary.json (counters)",
                out.display(),
                out.display()
            ),
            None => "none written; add --out DIR for eve.json and summary.json".into(),
        };
        self.line("Files", &files);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_spans_are_readable() {
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(12), "12");
        assert_eq!(span(90_000_000_000), "1 min 30 s");
        assert_eq!(span(200_000_000_000_000), "2 days 7 h");
    }

    #[test]
    fn network_text_cannot_command_the_terminal() {
        assert_eq!(clean("a\x1b[2Jb\n"), "a\u{fffd}[2Jb\u{fffd}");
        assert!(clean(&"x".repeat(1_000)).chars().count() <= 171);
    }
}

//! Actions in words, for whoever shows them: the command line, the control socket, the console.
//!
//! Owns: a sentence for each measure and outcome, a word for each stage. Does not own: where they
//! stand (`docs/spec/control.md`), or their translation.

use std::fmt;

use citywall_event::json::Object;
use citywall_event::{Nanos, Phrase, Verb, counted, say, sentences};

use crate::{Measure, Outcome, Stage, View};

impl Stage {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Proposed => "proposed",
            Stage::Applying => "applying",
            Stage::Active => "active",
            Stage::Undoing => "undoing",
            Stage::Ended => "ended",
        }
    }
}

impl View {
    /// What it says, as messages for other languages: a JSON object of `target`, `reason`, `guards`, `measures`
    /// and `outcome`, each where it has one (`docs/spec/event.md`, "Messages").
    pub fn messages_json(&self) -> String {
        let list = |o: &mut Object<'_>, key: &str, phrases: &[Phrase]| {
            o.array(key, |all| {
                phrases
                    .iter()
                    .for_each(|phrase| all.object(|o| phrase.write_members(o)));
            });
        };
        let measures: Vec<Phrase> = self.action.measures.iter().map(Measure::words).collect();
        let mut out = Vec::new();
        Object::write(&mut out, |o| {
            self.action.target.write_message(o, "target");
            self.action.reason.write_message(o, "reason");
            list(o, "guards", &self.guards);
            list(o, "measures", &measures);
            if let Some(outcome) = &self.outcome {
                outcome.words().write_message(o, "outcome");
            }
        });
        String::from_utf8(out).unwrap_or_default()
    }
}

/// Whole seconds, rounded up: what is left is never told as nothing while it holds.
pub fn whole_seconds(span: Nanos) -> i64 {
    const SECOND: Nanos = 1_000_000_000;
    span.max(0).saturating_add(SECOND - 1) / SECOND
}

impl Outcome {
    /// What became of an action.
    pub fn words(&self) -> Phrase {
        match self {
            Outcome::Applied => say!("outcome-applied", "in force"),
            Outcome::Expired => say!("outcome-expired", "its time was over"),
            Outcome::Undone { by } => say!("outcome-undone", "taken back by {who}", who = by),
            Outcome::RolledBack { why } => say!(
                "outcome-rolled-back",
                "taken back by the health gate: {why}",
                why = why
            ),
            Outcome::Withdrawn { why } => say!("outcome-withdrawn", "withdrawn: {why}", why = why),
            Outcome::Failed { why } => say!("outcome-failed", "could not be done: {why}", why = why),
            Outcome::Refused { guards } => say!(
                "outcome-refused",
                "refused: {guards}",
                guards = sentences(guards.iter().cloned())
            ),
            Outcome::Rejected { by } => say!("outcome-rejected", "rejected by {who}", who = by),
            Outcome::Lapsed => say!("outcome-lapsed", "nobody approved in time"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words())
    }
}

impl Measure {
    /// What it does, as a line of a diff.
    pub fn words(&self) -> Phrase {
        match self {
            Measure::Isolate { host } => say!(
                "measure-isolate",
                "{host}: nothing to or from it passes",
                host = host.to_string()
            ),
            Measure::Quarantine { host } => say!(
                "measure-quarantine",
                "{host}: reaches DHCP, DNS and the update servers, and nothing else",
                host = host.to_string()
            ),
            Measure::DenyPair { from, to } => say!(
                "measure-deny-pair",
                "{from} and {to}: nothing passes between the two",
                from = from.to_string(),
                to = to.to_string()
            ),
            Measure::LimitRate {
                host,
                packets_per_second,
            } => say!(
                "measure-limit-rate",
                "{host}: sends at most {n} a second",
                host = host.to_string(),
                n = counted(*packets_per_second, "packet", "packets")
            ),
            Measure::LimitInto {
                to,
                protocol,
                packets_per_second,
            } => say!(
                "measure-limit-into",
                "{host}: gets at most {n} a second of IP protocol {protocol}",
                host = *to,
                n = counted(*packets_per_second, "new packet", "new packets"),
                protocol = u32::from(*protocol)
            ),
            Measure::SynProxy { to, port } => say!(
                "measure-syn-proxy",
                "{host}: who opens a conversation with its TCP port {port} is answered by the wall first, and \
                 comes through once that is confirmed",
                host = *to,
                port = u32::from(*port)
            ),
            Measure::DropAnswers { to, from_port } => say!(
                "measure-drop-answers",
                "{host}: what comes from UDP port {port} without having been asked for is dropped",
                host = *to,
                port = u32::from(*from_port)
            ),
            Measure::DenyCommand { from, to, verbs } => {
                let all = Verb::ALL.into_iter().filter(|verb| verbs.has(*verb));
                let comma = |first: Phrase, next: Phrase| {
                    say!("comma", "{first}, {next}", first = first, next = next)
                };
                let verbs = all.map(Verb::word).reduce(comma).unwrap_or_default();
                say!(
                    "measure-deny-command",
                    "{from} may not tell {to} to {verbs}; everything else between the two goes on",
                    from = from.to_string(),
                    to = to.to_string(),
                    verbs = verbs
                )
            }
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words())
    }
}

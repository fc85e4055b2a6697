//! May this one reach that one, and why.
//!
//! Owns: the answer in its parts: which conduit lets what through, for whom, and what would be needed
//! where nothing does. The verdict itself is `Context`'s, so that an explanation never says other than
//! what is judged. Does not own: how it is printed.

use citywall_event::{Conduit as CompiledConduit, ConduitEnd, Grant, PointPattern, Verb, Violation};

use crate::ask::{self, Ask};
use crate::city::Conduit;
use crate::ends::{End, Judged, means};

/// One entry of a conduit that applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Line of the conduit.
    pub line: u32,
    /// The entry, as the city file says it.
    pub allow: String,
    /// Why the conduit is there; may be empty.
    pub reason: String,
    /// By which words the conduit names the two ends: `*`, a zone, an asset.
    pub from: String,
    /// The other end.
    pub to: String,
    /// Only single assets of the ends are meant, not all that was asked about.
    pub partly: bool,
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The question, in the words of `allow`.
    pub what: String,
    /// May it be?
    pub allowed: bool,
    /// Where it may: which entry says so; `None`: nothing needs to.
    pub by: Option<Way>,
    /// Where it may not, or where nothing needs to say so: why.
    pub why: String,
}

/// What was asked, and the answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Who would begin.
    pub from: End,
    /// With whom.
    pub to: End,
    /// True where nothing between the two is judged, or all may pass: why.
    pub free: Option<String>,
    /// True where nothing may pass, whatever conduits say: why.
    pub isolated: Option<String>,
    /// The entries that apply, in the order of the file.
    pub ways: Vec<Way>,
    /// The answers, where something was asked.
    pub answers: Vec<Answer>,
    /// What to write where something was refused.
    pub needed: Option<String>,
}

impl Explanation {
    /// Is all that was asked allowed; where nothing was asked: anything at all?
    pub fn allowed(&self) -> bool {
        if self.isolated.is_some() {
            return false;
        }
        if self.answers.is_empty() {
            return self.free.is_some() || self.ways.iter().any(|way| !way.partly);
        }
        self.answers.iter().all(|answer| answer.allowed)
    }
}

impl Judged<'_> {
    /// Explains what `from` may open with `to`: all of it, or what an entry as of `allow` asks for.
    ///
    /// # Errors
    /// Where the question cannot be read: in words, with the fix.
    pub fn explain(
        &self,
        from: &End,
        to: &End,
        protocol: Option<&str>,
        command: Option<&str>,
    ) -> Result<Explanation, String> {
        let asked = match protocol {
            Some(protocol) => Some(ask::parse(protocol, command)?),
            None if command.is_some() => {
                return Err("a command needs its protocol: add --protocol".to_owned());
            }
            None => None,
        };
        let answers: Vec<(String, Answer)> = asked
            .iter()
            .flat_map(ask::take_apart)
            .map(|ask| {
                let answer = self.answer(from, to, &ask);
                (ask.by_verb, answer)
            })
            .collect();
        let answers = join_functions(answers);
        let isolated = self.context.judge_isolation(from.party(), to.party()).err();
        let free = self.free(from, to);
        let ways = self.ways(from, to, true);
        let refused = answers.iter().any(|a| !a.allowed);
        let nothing = asked.is_none() && free.is_none() && ways.iter().all(|w| w.partly);
        let needed = (refused || nothing).then(|| self.needed(from, to, asked.as_ref(), isolated.as_ref()));
        Ok(Explanation {
            from: from.clone(),
            to: to.clone(),
            free: free.filter(|_| isolated.is_none()),
            isolated: isolated.map(|v| v.reason.to_string()),
            ways,
            answers,
            needed,
        })
    }

    /// Is there nothing to judge between the two?
    pub(crate) fn free(&self, from: &End, to: &End) -> Option<String> {
        // What no conduit can name is allowed only where nothing is judged.
        let nothing = ask::Ask {
            words: String::new(),
            by_verb: String::new(),
            ports: Some((253, Some(0))),
            app: Some("\0".to_owned()),
            command: None,
        };
        self.verdict(from, to, &nothing).ok()?;
        if self.ways(from, to, false).iter().any(|way| way.allow == "any") {
            return None;
        }
        Some(match (from.place.zone, to.place.zone) {
            (Some(a), Some(b)) if a == b => {
                format!(
                    "members of zone {} may reach each other",
                    self.context.zone_name(Some(a))
                )
            }
            (None, None) => "both are outside: that is not the city's to judge".to_owned(),
            _ => "nothing says where one of the two lives, so it is not judged".to_owned(),
        })
    }

    fn verdict(&self, from: &End, to: &End, ask: &Ask) -> Result<(), Box<Violation>> {
        match (&ask.command, ask.service()) {
            (Some(command), service) => {
                self.context
                    .judge_command_on(from.party(), to.party(), service.as_ref(), command)
            }
            (None, Some(service)) => self.context.judge_contact(from.party(), to.party(), &service),
            // "any": a protocol and port that nobody names.
            (None, None) => {
                let service = citywall_event::Service {
                    protocol: 253,
                    port: Some(0),
                    app_proto: Some("\0"),
                };
                self.context.judge_contact(from.party(), to.party(), &service)
            }
        }
        .map_err(Box::new)
    }

    fn answer(&self, from: &End, to: &End, ask: &Ask) -> Answer {
        let verdict = self.verdict(from, to, ask);
        let by = verdict.is_ok().then(|| self.way_of(from, to, ask)).flatten();
        let why = match &verdict {
            Err(violation) => violation.reason.to_string(),
            Ok(()) if by.is_none() => self
                .free(from, to)
                .unwrap_or_else(|| "it is not judged".to_owned()),
            Ok(()) => String::new(),
        };
        Answer {
            what: ask.words.clone(),
            allowed: verdict.is_ok(),
            by,
            why,
        }
    }

    /// The first entry that allows it.
    fn way_of(&self, from: &End, to: &End, ask: &Ask) -> Option<Way> {
        let allows = |grant: &Grant| match (&ask.command, ask.service()) {
            (Some(command), service) => grant.allows(command, service.as_ref()),
            (None, Some(service)) => grant.carries(&service),
            (None, None) => grant.ports.is_empty() && grant.app.is_none(),
        };
        let applying = |from: &End, to: &End| {
            let (from, to) = (from.place, to.place);
            let named = move |ends: &[ConduitEnd], place| ends.iter().any(|end| means(*end, place));
            self.city
                .conduits
                .iter()
                .filter(move |c| named(&c.from, from) && named(&c.to, to))
        };
        let forward = applying(from, to)
            .find_map(|c| Some((c, c.allow.iter().find(|g| allows(g))?)))
            .map(|(c, g)| self.way(c, g, from, to, false));
        if forward.is_some() {
            return forward;
        }
        // A publication to somebody who may subscribe to it.
        let command = ask.command.as_ref()?;
        applying(to, from)
            .find(|c| {
                let compiled = CompiledConduit {
                    grants: c.allow.clone(),
                    ..CompiledConduit::default()
                };
                command.function == Verb::Publish.name() && compiled.tells_subscribers(command)
            })
            .and_then(|c| Some(self.way(c, c.allow.first()?, to, from, false)))
    }

    /// All entries that apply; with `partly`, also those that name single assets of the two zones.
    fn ways(&self, from: &End, to: &End, partly: bool) -> Vec<Way> {
        let mut ways = Vec::new();
        for conduit in &self.city.conduits {
            let whole = |ends: &[ConduitEnd], end: &End| ends.iter().any(|e| means(*e, end.place));
            let some = |ends: &[ConduitEnd], end: &End| whole(ends, end) || partly && self.of_zone(ends, end);
            if !some(&conduit.from, from) || !some(&conduit.to, to) {
                continue;
            }
            let partly = !whole(&conduit.from, from) || !whole(&conduit.to, to);
            for grant in &conduit.allow {
                ways.push(self.way(conduit, grant, from, to, partly));
            }
        }
        ways
    }

    /// Is one of the ends an asset of the zone that was asked about?
    fn of_zone(&self, ends: &[ConduitEnd], asked: &End) -> bool {
        matches!(asked.conduit, Some(ConduitEnd::Zone(_)))
            && ends.iter().any(|end| self.lives_in(*end, asked))
    }

    fn lives_in(&self, end: ConduitEnd, asked: &End) -> bool {
        let ConduitEnd::Asset(id) = end else { return false };
        let asset = self.context.asset(id);
        asset.is_some_and(|a| {
            a.addresses.iter().any(|(_, zone)| *zone == asked.place.zone) || a.zone == asked.place.zone
        })
    }

    fn way(&self, conduit: &Conduit, grant: &Grant, from: &End, to: &End, partly: bool) -> Way {
        let name = |ends: &[ConduitEnd], asked: &End| {
            let whole = ends.iter().find(|end| means(**end, asked.place));
            match whole {
                Some(end) => self.city.end_name(*end).to_owned(),
                None => {
                    let meant = ends.iter().filter(|end| self.lives_in(**end, asked));
                    meant
                        .map(|end| self.city.end_name(*end))
                        .collect::<Vec<_>>()
                        .join(", ")
                }
            }
        };
        Way {
            line: conduit.line,
            allow: grant.text.clone(),
            reason: conduit.reason.clone(),
            from: name(&conduit.from, from),
            to: name(&conduit.to, to),
            partly,
        }
    }

    /// What to write, so that it would be allowed.
    fn needed(&self, from: &End, to: &End, asked: Option<&Grant>, isolated: Option<&Violation>) -> String {
        if let Some(violation) = isolated {
            return format!(
                "{}: as long as it is isolated, no conduit helps; if that is no longer so, remove `isolated = true` there and add a conduit",
                violation.reason
            );
        }
        let name = |end: &End| match end.conduit {
            Some(conduit) => Some(self.city.end_name(conduit).to_owned()),
            None if end.place.zone.is_some() => None,
            None => Some(citywall_event::OUTSIDE.to_owned()),
        };
        let mut text = String::new();
        let mut quoted = |end: &End, other: &str| {
            let name = name(end).unwrap_or_else(|| {
                let name = format!("host-{}", end.name.replace([':', '.'], "-"));
                if name != other {
                    text.push_str(&format!(
                        "[[asset]]\nname = {name:?}\naddress = {:?}\n\n",
                        end.name
                    ));
                }
                name
            });
            toml::Value::String(name).to_string()
        };
        let (from, to) = (
            quoted(from, ""),
            quoted(to, &format!("host-{}", from.name.replace([':', '.'], "-"))),
        );
        let allow = asked.map_or("PROTOCOL", |grant| grant.text.as_str());
        text.push_str(&format!(
            "[[conduit]]\nfrom = {from}\nto = {to}\nallow = [{}]\nreason = \"...\"\n",
            toml::Value::String(allow.to_owned())
        ));
        text
    }
}

/// Functions of one verb with the same answer are told as the verb.
fn join_functions(answers: Vec<(String, Answer)>) -> Vec<Answer> {
    let alike = |a: &Answer, b: &Answer| (a.allowed, &a.by, &a.why) == (b.allowed, &b.by, &b.why);
    let mut joined: Vec<Answer> = Vec::new();
    for group in answers.chunk_by(|(a, _), (b, _)| a == b) {
        let Some(((by_verb, first), rest)) = group.split_first() else {
            continue;
        };
        if !rest.is_empty() && rest.iter().all(|(_, other)| alike(first, other)) {
            joined.push(Answer {
                what: by_verb.clone(),
                ..first.clone()
            });
        } else {
            joined.extend(group.iter().map(|(_, answer)| answer.clone()));
        }
    }
    joined
}

/// A point in the words of `allow`.
pub(crate) fn point_words(point: &PointPattern) -> String {
    let text = match point {
        PointPattern::Exact(text) | PointPattern::Topic(text) => text.clone(),
        PointPattern::Below(root) => format!("{root}.*"),
        PointPattern::Range { kind, first, last } if first == last => format!("{kind}:{first}"),
        PointPattern::Range { kind, first, last } => format!("{kind}:{first}-{last}"),
    };
    match text.contains([' ', ',', '\'']) || text.is_empty() || text == "unit" {
        true => format!("'{text}'"),
        false => text,
    }
}

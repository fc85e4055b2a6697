//! What a city file to be would mean: its errors, what becomes allowed and what no longer is, what is
//! suspicious in it, and who must stand for it.
//!
//! Owns: the shapes that page and API show, and whether all of it is a person's own. Does not own: the
//! comparison and the checks (`citywall-policy`). It takes seconds for a large city: not for the server's
//! thread.

use std::collections::{BTreeSet, HashSet};

use citywall_event::{OUTSIDE, Phrase, Place, counted, say};
use citywall_policy::{City, Difference, Direction, difference};
use serde::Serialize;
use utoipa::ToSchema;

use crate::known::Known;
use crate::permission::Person;
use crate::proposal::{added, bound, digest, needed};
use crate::proposals::TEXT;
use crate::said::{Message, Part};

/// The name that errors give to the text.
pub const NAME: &str = "proposal";
/// Sentences of one kind that are told.
const TOLD: usize = 500;

/// Something that is wrong or suspicious in the text.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Remark {
    /// Line of the text that was sent, from 1.
    pub line: u32,
    /// What is the matter.
    pub what: String,
    /// What to do about it.
    pub fix: String,
    /// The present city file has it, too.
    pub before: bool,
    /// What `what` says in any language; not there where it has no message (the words of another's parser).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    pub message: Option<Message>,
    /// What `fix` says, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    pub fix_message: Option<Message>,
}

impl Remark {
    fn new(line: u32, what: &Phrase, fix: &Phrase) -> Remark {
        Remark {
            line,
            what: what.to_string(),
            fix: fix.to_string(),
            before: false,
            message: Message::of(what),
            fix_message: Message::of(fix),
        }
    }

    /// What is the matter and what to do about it, in English.
    pub fn english(&self) -> String {
        format!("{}; {}", self.what, self.fix)
    }

    /// The same as a message, where both have one.
    pub fn whole(&self) -> Option<Message> {
        let part = |message: &Option<Message>| Some(Part::Message(Box::new(message.clone()?)));
        let parts = [
            ("first", part(&self.message)?),
            ("next", part(&self.fix_message)?),
        ];
        Some(Message {
            id: "sentences".to_owned(),
            parts: parts.map(|(name, part)| (name.to_owned(), part)).into(),
        })
    }
}

/// What traffic may now do, or no longer.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ChangeView {
    /// `now-allowed` or `no-longer`.
    pub change: &'static str,
    /// Who begins.
    pub from: Vec<String>,
    /// With whom.
    pub to: Vec<String>,
    /// In the words of the city file.
    pub what: Vec<String>,
    /// What these say in any language.
    #[schema(value_type = Object)]
    pub messages: ChangeMessages,
}

/// What a change's words say, as messages: as many as the English words beside it, empty where words are the same in
/// every language.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ChangeMessages {
    /// Who begins.
    pub from: Vec<Message>,
    /// With whom.
    pub to: Vec<Message>,
    /// What.
    pub what: Vec<Message>,
}

/// All that is told of a text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Review {
    /// SHA-256 of the present city file.
    pub base: String,
    /// What a signature is bound to: this text, and the present city file.
    pub hash: String,
    /// Why it is no city file; then nothing else is told.
    pub errors: Vec<Remark>,
    /// The two say the same.
    pub same: bool,
    /// What traffic may now do, or no longer.
    pub changes: Vec<ChangeView>,
    /// What else is declared otherwise, in English.
    pub declared: Vec<String>,
    /// What each of `declared` says in any language.
    #[schema(value_type = Vec<Object>)]
    pub declared_messages: Vec<Message>,
    /// What is suspicious: contradictions, conduits that do nothing, services cut off; in English.
    pub findings: Vec<Remark>,
    /// How many different people must sign.
    pub needed: u32,
    /// Zones with a device whose stop endangers people, that the change touches.
    pub safety: Vec<String>,
    /// It changes more than what the person answers for.
    pub beyond: bool,
    /// Zones that it touches.
    #[serde(skip)]
    pub zones: Vec<String>,
    /// The city's name.
    #[serde(skip)]
    pub city: String,
}

impl Review {
    /// May it be handed in?
    pub fn is_fit(&self) -> bool {
        self.errors.is_empty() && !self.same && !self.beyond
    }
}

/// The whole text, of what somebody sent. Who answers for some zones alone sends what is to be added: the rest
/// of the city file is not theirs to read. Browsers send CR LF.
pub fn whole(known: &Known, person: &Person, sent: &str) -> String {
    let sent = sent.replace("\r\n", "\n");
    match person.sees_city() {
        true => sent,
        false => format!("{}\n{sent}", known.text.trim_end_matches('\n')),
    }
}

/// Reads, compares and checks a whole text as this person may see it.
pub fn review(known: &Known, person: &Person, text: &str) -> Review {
    let mut review = Review {
        base: digest(&known.text),
        ..Review::default()
    };
    review.hash = bound(&review.base, text);
    // What the person sent begins here.
    let skipped = match person.sees_city() {
        true => 0,
        false => known.text.trim_end_matches('\n').matches('\n').count() as u32 + 1,
    };
    let own = |line: u32| line.saturating_sub(skipped).max(1);
    if text.len() > TEXT {
        let what = say!(
            "review-long",
            "it has {n}",
            n = counted(text.len(), "byte", "bytes")
        );
        let fix = say!(
            "review-long-fix",
            "the page takes {most}; use `citywall policy diff` in a shell",
            most = TEXT
        );
        review.errors.push(Remark::new(1, &what, &fix));
        return review;
    }
    let city = match City::parse(text, NAME) {
        Ok(city) => city,
        Err(errors) => {
            let remark = |e: &citywall_policy::CityError| Remark::new(own(e.line), &e.what, &e.fix);
            review.errors = errors.iter().map(remark).collect();
            return review;
        }
    };
    let nothing = City::default();
    let old = known.city.as_ref();
    let found = match difference(old.unwrap_or(&nothing), &city) {
        Ok(found) => found,
        Err(error) => {
            let what = say!("review-many", "it cannot be compared with the present one");
            review.errors.push(Remark::new(1, &what, &error.words()));
            return review;
        }
    };
    let needed = needed(old, &city, &found);
    (review.needed, review.safety) = (needed.people, needed.safety.into_iter().collect());
    review.city = old.map_or(&city.name, |old| &old.name).clone();
    review.same = found.is_empty();
    review.beyond = beyond(person, [old.unwrap_or(&nothing), &city], &found);
    review.zones = zones([old.unwrap_or(&nothing), &city], &found);
    let before: HashSet<(Phrase, Phrase)> = old
        .map(|old| old.check().into_iter().map(|f| (f.what, f.fix)).collect())
        .unwrap_or_default();
    let findings = city.check().into_iter().map(|f| {
        let remark = Remark::new(own(f.line), &f.what, &f.fix);
        Remark {
            before: before.contains(&(f.what, f.fix)),
            ..remark
        }
    });
    // What is amiss elsewhere is not for who sees some zones alone.
    let city_wide = person.sees_city();
    review.findings = findings.filter(|f| city_wide || !f.before).take(TOLD).collect();
    review.findings.sort_by_key(|f| (f.before, f.line));
    if !review.beyond {
        tell(&mut review, found);
    }
    review
}

fn english(all: &[Phrase]) -> Vec<String> {
    all.iter().map(Phrase::to_string).collect()
}

fn messages(all: &[Phrase]) -> Vec<Message> {
    let message = |phrase: &Phrase| Message::of(phrase).unwrap_or_default();
    all.iter().map(message).collect()
}

fn tell(review: &mut Review, found: Difference) {
    let changes = found.changes.into_iter().take(TOLD);
    review.changes = changes
        .map(|c| ChangeView {
            change: match c.direction {
                Direction::NowAllowed => "now-allowed",
                Direction::NoLonger => "no-longer",
            },
            messages: ChangeMessages {
                from: messages(&c.from),
                to: messages(&c.to),
                what: messages(&c.what),
            },
            from: english(&c.from),
            to: english(&c.to),
            what: english(&c.what),
        })
        .collect();
    let declared: Vec<Phrase> = found.declared.into_iter().take(TOLD).collect();
    review.declared_messages = messages(&declared);
    review.declared = english(&declared);
}

/// Does a change reach farther than the person does? One end of each pair must be the person's, as the
/// present city file has it; what is no pair is the whole city's.
fn beyond(person: &Person, [old, new]: [&City; 2], found: &Difference) -> bool {
    if person.sees_city() {
        return false;
    }
    let own = |[from, to]: &[[Place; 2]; 2]| person.sees([from[0], to[0]].into_iter().filter_map(|p| p.zone));
    // A device gets a name from whoever answers for its zone; one outside belongs to nobody.
    let named = added(old, new).filter_map(|asset| new.zones.get(asset.zone?));
    let mut foreign = named.map(|zone| old.zones.iter().position(|z| z.name == zone.name));
    found.beside
        || !found.touched.iter().all(own)
        || foreign.any(|zone| !person.sees(zone.and_then(|z| u16::try_from(z).ok()).into_iter()))
}

/// Names of the zones that a change touches, by either city.
fn zones(cities: [&City; 2], found: &Difference) -> Vec<String> {
    let mut names = BTreeSet::new();
    for places in found.touched.iter().flatten() {
        for (city, place) in cities.iter().zip(places) {
            let zone = place.zone.and_then(|zone| city.zones.get(usize::from(zone)));
            names.insert(zone.map_or(OUTSIDE, |zone| &zone.name).to_owned());
        }
    }
    names.into_iter().collect()
}

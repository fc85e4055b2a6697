//! Sentences for people: in English, each with the message that it is, so that it can be said in other
//! languages.
//!
//! Owns: [`Phrase`], made by [`say!`](crate::say) where the sentence is made, and its form in JSON.
//! Does not own: other languages' words (the console's language files), which fact is worth a
//! sentence.

use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::ops::Deref;

use crate::json::Object;

/// A sentence, or part of one. Phrases are equal, and in order, as their English is.
#[derive(Clone, Default)]
pub struct Phrase {
    text: String,
    message: Option<Box<Message>>,
}

/// What a phrase says, whatever the language: which message of the language files, and its values.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Message {
    id: Cow<'static, str>,
    parts: Vec<(Cow<'static, str>, Part)>,
}

/// A value within a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A name, an address, a value: the same in every language.
    Text(String),
    /// How many; languages choose words by it.
    Number(u64),
    /// How many, with the English of what is counted: [`counted`].
    Counted(u64, &'static str),
    /// What has words of its own.
    Phrase(Phrase),
}

/// Says something: a message's id, its English with the values by name, and the values. Each value must stand in
/// the English (the compiler sees to it); that the language files have the message, with these values and in
/// English with these words, is a test of the console.
///
/// ```
/// let phrase = citywall_event::say!("who-does", "{who} does what it may not", who = "camera-10");
/// assert_eq!(&*phrase, "camera-10 does what it may not");
/// ```
#[macro_export]
macro_rules! say {
    ($id:literal, $english:literal $(, $name:ident = $value:expr)* $(,)?) => {
        match ($( $crate::Part::from($value), )*) {
            ($( $name, )*) => {
                let text = format!($english $(, $name = $name)*);
                $crate::Phrase::said($id, text, vec![$( (stringify!($name), $name) ),*])
            }
        }
    };
}

impl Phrase {
    /// Nothing is said.
    pub const NONE: Phrase = Phrase {
        text: String::new(),
        message: None,
    };

    /// What [`say!`](crate::say) makes.
    #[doc(hidden)]
    pub fn said(id: &'static str, text: String, parts: Vec<(&'static str, Part)>) -> Phrase {
        let id = Cow::Borrowed(id);
        let parts = parts.into_iter().map(|(name, part)| (Cow::Borrowed(name), part));
        let parts = parts.collect();
        let message = Some(Box::new(Message { id, parts }));
        Phrase { text, message }
    }

    /// A sentence that was kept with its message, read again. The English of what stands within is not kept apart:
    /// such a part has the empty text.
    pub fn kept(text: impl Into<String>, id: String, parts: Vec<(String, Part)>) -> Phrase {
        let parts = parts.into_iter().map(|(name, part)| (Cow::Owned(name), part));
        let message = Message {
            id: Cow::Owned(id),
            parts: parts.collect(),
        };
        Phrase {
            text: text.into(),
            message: Some(Box::new(message)),
        }
    }

    /// Somebody's own words: a person's, a program's of another maker. They are the same in every language.
    pub fn as_written(text: impl Into<String>) -> Phrase {
        Phrase {
            text: text.into(),
            message: None,
        }
    }

    /// Words of a file that comes with Citywall (a rule, a playbook), which language files may know by an id;
    /// where they do not, they stand as written.
    pub fn of_file(id: String, text: impl Into<String>) -> Phrase {
        let text = text.into();
        let parts = vec![(Cow::Borrowed("text"), Part::Text(text.clone()))];
        let id = Cow::Owned(id);
        Phrase {
            text,
            message: Some(Box::new(Message { id, parts })),
        }
    }

    /// In English.
    pub fn english(&self) -> &str {
        &self.text
    }

    /// The value of this name, where it is a phrase by itself.
    pub fn part(&self, name: &str) -> Option<&Phrase> {
        let parts = self.message.iter().flat_map(|message| &message.parts);
        parts
            .filter(|(own, _)| own == name)
            .find_map(|(_, part)| match part {
                Part::Phrase(phrase) => Some(phrase),
                _ => None,
            })
    }

    /// Cut to this many bytes of English, where it is longer: what is cut is as written.
    pub fn bounded(mut self, most: usize) -> Phrase {
        if self.text.len() > most {
            self.text.truncate(self.text.floor_char_boundary(most));
            self.message = None;
        }
        self
    }

    /// With the first letter in upper case, in English; other languages begin as they do.
    pub fn capital(mut self) -> Phrase {
        let mut letters = self.text.chars();
        if let Some(first) = letters.next() {
            self.text = first.to_uppercase().chain(letters).collect();
        }
        self
    }

    /// Writes the message as an object, where there is one: `id`, and the values by name.
    pub fn write_message(&self, o: &mut Object<'_>, key: &str) {
        if let Some(message) = &self.message {
            o.object(key, |o| message.write(o));
        }
    }

    /// Writes the message's members; none where there is none.
    pub fn write_members(&self, o: &mut Object<'_>) {
        if let Some(message) = &self.message {
            message.write(o);
        }
    }

    /// The message as JSON text, where there is one.
    pub fn message_json(&self) -> Option<String> {
        let message = self.message.as_ref()?;
        let mut out = Vec::new();
        Object::write(&mut out, |o| message.write(o));
        String::from_utf8(out).ok()
    }
}

impl Message {
    fn write(&self, o: &mut Object<'_>) {
        o.str("id", &self.id);
        for (name, part) in &self.parts {
            match part {
                Part::Text(text) => o.str(name, text),
                Part::Number(number) | Part::Counted(number, _) => o.u64(name, *number),
                Part::Phrase(Phrase { text, message: None }) => o.str(name, text),
                Part::Phrase(Phrase {
                    message: Some(message),
                    ..
                }) => o.object(name, |o| message.write(o)),
            }
        }
    }
}

/// So many of something, within a sentence: the English of one and of more stands here, the message has the number
/// alone, and each language file chooses its words by it.
///
/// ```
/// use citywall_event::{counted, say};
/// let phrase = say!("tried", "{who} tried {n}", who = "camera-10", n = counted(1_u64, "host", "hosts"));
/// assert_eq!(&*phrase, "camera-10 tried 1 host");
/// ```
pub fn counted(number: impl TryInto<u64>, one: &'static str, more: &'static str) -> Part {
    let number = number.try_into().unwrap_or(u64::MAX);
    Part::Counted(number, if number == 1 { one } else { more })
}

/// `one`, `one and two`, `one, two and 3 more`.
pub fn names<P>(all: &[P]) -> Phrase
where
    P: Clone,
    Part: From<P>,
{
    let first_two = all.iter().take(2).cloned().map(<Part as From<P>>::from).collect();
    joined(first_two, all.len())
}

fn joined(first_two: Vec<Part>, all: usize) -> Phrase {
    let mut parts = first_two.into_iter();
    match (parts.next(), parts.next()) {
        (None, _) => say!("names-none", "others"),
        (Some(Part::Phrase(one)), None) => one,
        (Some(one), None) => Phrase::as_written(one.to_string()),
        (Some(one), Some(two)) if all == 2 => {
            say!("names-two", "{first} and {second}", first = one, second = two)
        }
        (Some(one), Some(two)) => say!(
            "names-more",
            "{first}, {second} and {n} more",
            first = one,
            second = two,
            n = all - 2
        ),
    }
}

/// `one; two; three`: each a sentence of its own.
pub fn sentences(all: impl IntoIterator<Item = Phrase>) -> Phrase {
    let join = |first: Phrase, next: Phrase| say!("sentences", "{first}; {next}", first = first, next = next);
    all.into_iter().reduce(join).unwrap_or_default()
}

impl Deref for Phrase {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl AsRef<str> for Phrase {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Text(text) => f.write_str(text),
            Part::Number(number) => write!(f, "{number}"),
            Part::Counted(number, what) => write!(f, "{number} {what}"),
            Part::Phrase(phrase) => f.write_str(phrase),
        }
    }
}

impl PartialEq for Phrase {
    fn eq(&self, other: &Phrase) -> bool {
        self.text == other.text
    }
}

impl Eq for Phrase {}

impl PartialOrd for Phrase {
    fn partial_cmp(&self, other: &Phrase) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Phrase {
    fn cmp(&self, other: &Phrase) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl Borrow<str> for Phrase {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl Hash for Phrase {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl PartialEq<str> for Phrase {
    fn eq(&self, other: &str) -> bool {
        self.text == other
    }
}

impl PartialEq<&str> for Phrase {
    fn eq(&self, other: &&str) -> bool {
        self.text == *other
    }
}

impl From<Phrase> for Part {
    fn from(phrase: Phrase) -> Part {
        Part::Phrase(phrase)
    }
}

impl From<&Phrase> for Part {
    fn from(phrase: &Phrase) -> Part {
        Part::Phrase(phrase.clone())
    }
}

impl From<String> for Part {
    fn from(text: String) -> Part {
        Part::Text(text)
    }
}

impl From<&String> for Part {
    fn from(text: &String) -> Part {
        Part::Text(text.clone())
    }
}

impl From<&str> for Part {
    fn from(text: &str) -> Part {
        Part::Text(text.to_owned())
    }
}

impl From<IpAddr> for Part {
    fn from(ip: IpAddr) -> Part {
        Part::Text(ip.to_string())
    }
}

impl From<u64> for Part {
    fn from(number: u64) -> Part {
        Part::Number(number)
    }
}

impl From<u32> for Part {
    fn from(number: u32) -> Part {
        Part::Number(number.into())
    }
}

impl From<usize> for Part {
    fn from(number: usize) -> Part {
        Part::Number(number as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_english_and_its_message() {
        let zone = say!("zone", "zone {name}", name = "pu\"mps");
        let phrase = say!(
            "told",
            "{who} asked {n} in {zone} for {all}",
            who = "camera-10",
            n = counted(3_u32, "time", "times"),
            zone = zone,
            all = names(&["a", "b", "c", "d"]),
        );
        assert_eq!(
            &*phrase,
            "camera-10 asked 3 times in zone pu\"mps for a, b and 2 more"
        );
        expect_test::expect![[r#"{"id":"told","who":"camera-10","n":3,"zone":{"id":"zone","name":"pu\"mps"},"all":{"id":"names-more","first":"a","second":"b","n":2}}"#]]
            .assert_eq(&phrase.message_json().unwrap());
    }

    #[test]
    fn what_is_written_has_no_message_and_what_is_cut_neither() {
        assert_eq!(Phrase::as_written("so").message_json(), None);
        let long = say!("long", "{text} and so on", text = "日本語");
        assert_eq!(long.clone().bounded(100).message_json(), long.message_json());
        let cut = long.bounded(4);
        assert_eq!((&*cut, cut.message_json()), ("日", None));
        assert_eq!(sentences([]), "");
        assert_eq!(sentences(["a", "b"].map(Phrase::as_written)), "a; b");
    }
}

//! What others said (the log, the gate), in the language of a page.
//!
//! Owns: messages as they come with English sentences (`docs/spec/event.md`, "Messages"), and saying them by the
//! language files. A message that a language lacks is said in English, as it was written. Does not
//! own: the words (`locales`), which fact is worth a sentence.

use std::collections::BTreeMap;
use std::net::IpAddr;

use citywall_event::Phrase;
use fluent_bundle::FluentArgs;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use crate::text::cut;
use crate::words::Language;

/// How deep messages stand in messages.
const DEPTH: usize = 12;
/// Values of one message.
const PARTS: usize = 16;
/// Longest value, in characters: all names of a list, too.
const VALUE: usize = 400;
/// Marks around a device's name and its address, within a text: Fluent knows texts alone. Values are rid of them.
/// An object identifier has no name.
const MARKS: [char; 3] = ['\u{e000}', '\u{e001}', '\u{e002}'];

/// A message of the language files, and its values.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Message {
    /// Which; empty where a sentence has none.
    #[serde(default)]
    pub id: String,
    /// By name.
    #[serde(flatten)]
    pub parts: BTreeMap<String, Part>,
}

/// A value of a message.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Part {
    /// How many.
    Number(u64),
    /// A name, an address, a value.
    Text(String),
    /// What has words of its own.
    Message(Box<Message>),
}

impl Message {
    /// That of a phrase.
    pub fn of(phrase: &Phrase) -> Option<Message> {
        serde_json::from_str(&phrase.message_json()?).ok()
    }
}

/// A sentence in some language.
#[derive(Clone, Debug, PartialEq)]
pub struct Sentence(Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Device { name: String, address: String },
}

/// Who has an address, where that is known.
pub type Names<'a> = &'a dyn Fn(IpAddr) -> Option<String>;

/// A sentence that was written in English, with its message where it has one.
pub fn say(language: Language<'_>, names: Names<'_>, english: &str, message: Option<&Message>) -> Sentence {
    let said = message.and_then(|message| spoken(language, names, message, DEPTH));
    match said {
        Some(text) => Sentence::read(&text),
        None => Sentence(vec![Piece::Text(english.to_owned())]),
    }
}

fn spoken(language: Language<'_>, names: Names<'_>, message: &Message, depth: usize) -> Option<String> {
    let deeper = depth.checked_sub(1)?;
    let mut args = FluentArgs::new();
    for (name, part) in message.parts.iter().take(PARTS) {
        match part {
            Part::Number(number) => args.set(name.as_str(), *number),
            Part::Text(text) => args.set(name.as_str(), value(names, text)),
            Part::Message(message) => args.set(name.as_str(), spoken(language, names, message, deeper)?),
        }
    }
    language
        .own(&message.id, &args)
        .or_else(|| match message.parts.get("text")? {
            Part::Text(text) => Some(value(names, text)),
            _ => None,
        })
}

fn value(names: Names<'_>, text: &str) -> String {
    let text = cut(&text.replace(MARKS, "\u{fffd}"), VALUE);
    let [begin, middle, end] = MARKS;
    let name = text.parse().ok().and_then(names).filter(|name| *name != text);
    if let Some(name) = name {
        let name = cut(&name.replace(MARKS, "\u{fffd}"), VALUE);
        return format!("{begin}{name}{middle}{text}{end}");
    }
    // An object identifier says nothing to most people, and is long.
    let word = |word: &str| match is_object(word) {
        true => format!("{begin}{middle}{word}{end}"),
        false => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// An object identifier of some length, `1.3.6.1.4.1.1206`.
fn is_object(word: &str) -> bool {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    word.split('.').count() >= 6 && word.split('.').all(number)
}

impl Sentence {
    fn read(text: &str) -> Sentence {
        let [begin, middle, end] = MARKS;
        let mut pieces = Vec::new();
        for (place, piece) in text.split(begin).enumerate() {
            let device = piece.split_once(end).and_then(|(device, rest)| {
                let (name, address) = device.split_once(middle)?;
                Some((name, address, rest))
            });
            match device {
                Some((name, address, rest)) if place > 0 => {
                    pieces.push(Piece::Device {
                        name: name.to_owned(),
                        address: address.to_owned(),
                    });
                    pieces.push(Piece::Text(rest.to_owned()));
                }
                _ => pieces.push(Piece::Text(piece.to_owned())),
            }
        }
        pieces.retain(|piece| *piece != Piece::Text(String::new()));
        Sentence(pieces)
    }

    /// As text, devices by name alone.
    pub fn text(&self) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Device { name, address } if name.is_empty() => address,
            Piece::Device { name, .. } => name,
        });
        pieces.collect()
    }

    /// As part of a page, devices by name with the address in small; `most` characters at most.
    pub fn markup(&self, most: usize) -> Markup {
        let mut left = most;
        let mut take = |text: &str| {
            let shown = cut(text, left);
            left = left.saturating_sub(text.chars().count());
            shown
        };
        html! { @for piece in &self.0 { @match piece {
            Piece::Text(text) => { (take(text)) }
            Piece::Device { name, address } => { @if !name.is_empty() { (take(name)) " " } small { (address) } }
        } } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Words;

    fn message(json: &str) -> Message {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn sentences_in_two_languages() {
        let words = Words::new();
        let names = |ip: IpAddr| (ip == IpAddr::from([10, 1, 2, 3])).then(|| "camera-10".to_owned());
        let told = message(
            r#"{"id":"scanned","who":"10.1.2.3","tried":{"id":"hosts-on","n":12,"service":"tcp/23"},"seconds":"64","failed":9}"#,
        );
        let say = |tag, message: &Message| {
            let language = Language { words: &words, tag };
            say(language, &names, "in English", Some(message))
        };
        let english = say("en", &told);
        assert_eq!(
            english.text(),
            "camera-10 tried 12 hosts on tcp/23 within 64 s, 9 of them in vain"
        );
        assert!(
            english
                .markup(400)
                .into_string()
                .starts_with("camera-10 <small>10.1.2.3</small> tried")
        );
        assert_eq!(
            say("zh-CN", &told).text(),
            "camera-10 在 64 秒内试探了 tcp/23 上的 12 台主机，其中 9 次没有结果"
        );
        // One is not many.
        let one = message(r#"{"id":"hosts-on","n":1,"service":"tcp/23"}"#);
        assert_eq!(say("en", &one).text(), "1 host on tcp/23");
        // What no language knows is told as it was written; a file's own words likewise, within the sentence.
        assert_eq!(say("zh-CN", &message(r#"{"id":"no-such"}"#)).text(), "in English");
        let own =
            message(r#"{"id":"alerted","who":"a","whom":"b","what":{"id":"rule-1","text":"our <rule>"}}"#);
        assert_eq!(
            say("zh-CN", &own).markup(400).into_string(),
            "a 对 b：our &lt;rule&gt;"
        );
    }

    #[test]
    fn hostile_values_stay_values() {
        let words = Words::new();
        let say = |json: &str| {
            let language = Language {
                words: &words,
                tag: "en",
            };
            super::say(language, &|_| Some("x".into()), "english", Some(&message(json))).markup(50)
        };
        let marked = r#"{"id":"title-scan","who":"\ue000<b>\ue001{ $who }\ue002"}"#;
        assert_eq!(
            say(marked).into_string(),
            "\u{fffd}&lt;b&gt;\u{fffd}{ $who }\u{fffd} searches the network"
        );
        assert_eq!(
            say(&format!(
                r#"{{"id":"title-scan","who":"{}"}}"#,
                "x".repeat(10_000)
            ))
            .into_string()
            .chars()
            .count(),
            51
        );
        let deep = (0..100).fold(r#""x""#.to_owned(), |inner, _| {
            format!(r#"{{"id":"title-scan","who":{inner}}}"#)
        });
        assert_eq!(say(&deep).into_string(), "english");
    }
}

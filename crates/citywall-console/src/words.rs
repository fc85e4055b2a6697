//! Words: what the pages say, in each language.
//!
//! Owns: the language files (English and Simplified Chinese stand in the binary; others are added as
//! files), and which language a request gets. A message that a language lacks is said in English. Does
//! not own: which message an event says (`said`).

use std::collections::BTreeMap;
use std::path::Path;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use unic_langid::LanguageIdentifier;

const ENGLISH: &str = include_str!("../locales/en.ftl");
const CHINESE: &str = include_str!("../locales/zh-CN.ftl");
/// What events and actions say.
const SAID_ENGLISH: &str = include_str!("../locales/said.en.ftl");
const SAID_CHINESE: &str = include_str!("../locales/said.zh-CN.ftl");
/// Longest language file.
const FILE: u64 = 1 << 20;
/// Languages beside the built-in ones.
const MOST: usize = 32;

type Bundle = FluentBundle<FluentResource>;

/// All languages.
pub struct Words {
    languages: BTreeMap<String, Bundle>,
}

/// One language, for one page.
#[derive(Clone, Copy)]
pub struct Language<'w> {
    /// All of them.
    pub words: &'w Words,
    /// `en`, `zh-CN`.
    pub tag: &'w str,
}

impl Words {
    /// The built-in languages.
    pub fn new() -> Words {
        let mut words = Words {
            languages: BTreeMap::new(),
        };
        for (tag, page, said) in [("en", ENGLISH, SAID_ENGLISH), ("zh-CN", CHINESE, SAID_CHINESE)] {
            if let Err(error) = words.add(tag, format!("{page}\n{said}")) {
                log::error!("the built-in language {tag}: {error}");
            }
        }
        words
    }

    /// Adds each `TAG.ftl` of a folder; one that is wrong is told and passed over.
    pub fn add_folder(&mut self, folder: &Path) {
        let Ok(entries) = std::fs::read_dir(folder) else {
            return;
        };
        for path in entries.flatten().map(|entry| entry.path()).take(MOST) {
            let tag = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
            if path.extension().is_none_or(|e| e != "ftl") {
                continue;
            }
            let small = std::fs::metadata(&path).is_ok_and(|meta| meta.len() <= FILE);
            let added = match std::fs::read_to_string(&path) {
                Ok(text) if small => self.add(tag, text),
                Ok(_) => Err("it is too long".into()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = added {
                log::warn!("{}: not a language file: {error}", path.display());
            }
        }
    }

    fn add(&mut self, tag: &str, text: String) -> Result<(), String> {
        let id: LanguageIdentifier = tag.parse().map_err(|e| format!("{tag} is no language: {e}"))?;
        let resource = FluentResource::try_new(text).map_err(|(_, errors)| {
            errors
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; ")
        })?;
        let mut bundle = Bundle::new_concurrent(vec![id]);
        bundle.set_use_isolating(false);
        bundle.add_resource(resource).map_err(|errors| {
            errors
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; ")
        })?;
        self.languages.insert(tag.to_owned(), bundle);
        Ok(())
    }

    /// The languages' tags.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.languages.keys().map(String::as_str)
    }

    /// The language that was chosen, else the first that the browser asks for (RFC 9110, 12.5.4; its
    /// order is taken as the preference), else English.
    pub fn language(&self, chosen: Option<&str>, accepted: &str) -> Language<'_> {
        let wanted = chosen.into_iter().chain(accepted.split(',').take(16));
        for wanted in wanted {
            let wanted = wanted.split(';').next().unwrap_or_default().trim();
            let base = wanted.split('-').next().unwrap_or_default();
            let same = self.languages.keys().find(|tag| tag.eq_ignore_ascii_case(wanted));
            let near = || {
                self.languages
                    .keys()
                    .find(|tag| tag.split('-').next() == Some(base))
            };
            if let Some(tag) = same.or_else(near).filter(|_| !base.is_empty()) {
                return Language { words: self, tag };
            }
        }
        Language {
            words: self,
            tag: "en",
        }
    }

    fn say(&self, tag: &str, id: &str, args: Option<&FluentArgs<'_>>) -> Option<String> {
        let bundle = self.languages.get(tag)?;
        let pattern = bundle.get_message(id)?.value()?;
        let mut errors = Vec::new();
        Some(bundle.format_pattern(pattern, args, &mut errors).into_owned())
    }
}

impl Default for Words {
    fn default() -> Words {
        Words::new()
    }
}

impl Language<'_> {
    /// A message.
    pub fn t(&self, id: &str) -> String {
        self.find(id).unwrap_or_else(|| id.to_owned())
    }

    /// A message, where there is one.
    pub fn find(&self, id: &str) -> Option<String> {
        self.words
            .say(self.tag, id, None)
            .or_else(|| self.words.say("en", id, None))
    }

    /// A message with values. What is a number as this program writes it counts as one, so that a message may
    /// choose by it; numbers of four digits and more are grouped, and no language here chooses by them.
    pub fn with(&self, id: &str, values: &[(&str, &str)]) -> String {
        let mut args = FluentArgs::new();
        for (name, value) in values {
            match value.parse::<u16>().ok().filter(|n| n.to_string() == *value) {
                Some(number) => args.set(*name, number),
                None => args.set(*name, *value),
            }
        }
        self.args(id, &args)
    }

    /// A message about so many.
    pub fn count(&self, id: &str, n: u64) -> String {
        let mut args = FluentArgs::new();
        args.set("n", n);
        self.args(id, &args)
    }

    /// A message with values, where this language itself has it and knows all of its values.
    pub fn own(&self, id: &str, args: &FluentArgs<'_>) -> Option<String> {
        let bundle = self.words.languages.get(self.tag)?;
        let pattern = bundle.get_message(id)?.value()?;
        let mut errors = Vec::new();
        let said = bundle.format_pattern(pattern, Some(args), &mut errors);
        errors.is_empty().then(|| said.into_owned())
    }

    fn args(&self, id: &str, args: &FluentArgs<'_>) -> String {
        let said = self.words.say(self.tag, id, Some(args));
        said.or_else(|| self.words.say("en", id, Some(args)))
            .unwrap_or_else(|| id.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn ids(text: &str) -> BTreeSet<String> {
        let id = |line: &str| Some(line.split_once(" =")?.0.to_owned());
        text.lines()
            .filter(|l| l.starts_with(|c: char| c.is_ascii_lowercase()))
            .filter_map(id)
            .collect()
    }

    fn sources(folder: &Path, text: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            match entry.path() {
                path if path.is_dir() => sources(&path, text),
                path => text.push_str(&std::fs::read_to_string(path).unwrap()),
            }
        }
    }

    /// Every message is in both languages, every one that the code names is there, and none is dead.
    #[test]
    fn languages_are_complete() {
        let (english, chinese) = (ids(ENGLISH), ids(CHINESE));
        assert_eq!(english, chinese);
        let mut text = String::new();
        sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut text);
        let named = |call: &str| -> BTreeSet<String> {
            let after = text.split(call).skip(1);
            after
                .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
                .collect()
        };
        let literal: BTreeSet<String> = [".t(\"", ".with(\"", ".count(\""]
            .iter()
            .flat_map(|c| named(c))
            .collect();
        let missing: Vec<_> = literal.difference(&english).collect();
        assert!(missing.is_empty(), "not in the language files: {missing:?}");
        // Those that are put together from data: kind-X, role-X, ...
        let made = |id: &str| {
            named("find(&format!(\"")
                .iter()
                .chain(&named(".t(&format!(\""))
                .any(|pattern| {
                    let (front, back) = pattern
                        .split_once('{')
                        .map_or((pattern.as_str(), ""), |(f, rest)| {
                            (f, rest.split_once('}').map_or("", |(_, b)| b))
                        });
                    id.starts_with(front) && id.ends_with(back)
                })
        };
        let dead: Vec<_> = english
            .difference(&literal)
            .filter(|id| !made(id) && !text.contains(&format!("\"{id}\"")))
            .collect();
        assert!(dead.is_empty(), "never said: {dead:?}");
    }

    #[test]
    fn one_is_not_many() {
        let words = Words::new();
        let said = |n: &str, from: &str| {
            let values = [
                ("n", n),
                ("from", from),
                ("to", "3"),
                ("first", "a"),
                ("last", "b"),
            ];
            words.language(Some("en"), "").with("proposal-seen", &values)
        };
        assert_eq!(
            said("1", "1"),
            "One conversation of one device with 3 others, a to b."
        );
        assert_eq!(
            said("1,001", "21"),
            "1,001 conversations of 21 devices with 3 others, a to b."
        );
        // Who is called 007 stays so.
        assert!(said("007", "2").starts_with("007 "));
    }

    #[test]
    fn the_browser_is_asked() {
        let words = Words::new();
        let tag = |chosen, accepted| words.language(chosen, accepted).tag.to_owned();
        assert_eq!(tag(None, "zh-Hans-CN,zh;q=0.9,en;q=0.8"), "zh-CN");
        assert_eq!(tag(None, "pt-PT, en-GB;q=0.5"), "en");
        assert_eq!(tag(Some("zh-CN"), "en"), "zh-CN");
        assert_eq!(tag(None, ""), "en");
        assert_eq!(tag(Some(";;"), ",,,"), "en");
    }
}

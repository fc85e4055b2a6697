//! What is said in English where sentences are made, and the language files: the two are held together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const ENGLISH: &str = include_str!("../locales/said.en.ftl");
const CHINESE: &str = include_str!("../locales/said.zh-CN.ftl");
const PAGES: [&str; 2] = [
    include_str!("../locales/en.ftl"),
    include_str!("../locales/zh-CN.ftl"),
];

type Messages = BTreeMap<String, String>;

fn messages(file: &str) -> Messages {
    let all = file.lines().filter_map(|line| line.split_once(" = "));
    all.map(|(id, text)| (id.to_owned(), text.to_owned())).collect()
}

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The program's sources, without what is test alone.
fn sources(folder: &Path, all: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" && name != "target" {
            sources(&path, all);
        } else if name.ends_with(".rs") && !name.contains("test") {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let code: Vec<&str> = code.take_while(|line| *line != "#[cfg(test)]").collect();
            all.push(code.join("\n"));
        }
    }
}

/// A string literal at the start of `text`, and what stands behind it.
fn literal(text: &str) -> Option<(String, &str)> {
    let mut letters = text.trim_start().strip_prefix('"')?.chars();
    let mut value = String::new();
    loop {
        match letters.next()? {
            '"' => return Some((value, letters.as_str())),
            '\\' => match letters.next()? {
                // A line that goes on.
                '\n' => letters = letters.as_str().trim_start().chars(),
                escaped => value.push(escaped),
            },
            letter => value.push(letter),
        }
    }
}

/// `{who}` as Fluent has it: `{ $who }`.
fn fluent(english: &str) -> String {
    let mut out = String::new();
    for (place, piece) in english.split('{').enumerate() {
        match piece.split_once('}').filter(|_| place > 0) {
            Some((name, rest)) => out.push_str(&format!("{{ ${name} }}{rest}")),
            None => out.push_str(piece),
        }
    }
    out
}

/// All that `say!` says in the sources.
fn said() -> Messages {
    let (mut all, mut said) = (Vec::new(), Messages::new());
    for entry in std::fs::read_dir(crates()).unwrap().flatten() {
        let source = entry.path().join("src");
        if source.is_dir() {
            sources(&source, &mut all);
        }
    }
    for text in &all {
        for call in text.split("say!(").skip(1) {
            let Some((id, rest)) = literal(call) else { continue };
            let (english, _) = literal(rest.trim_start().strip_prefix(',').unwrap()).unwrap();
            let english = fluent(&english);
            let before = said.insert(id.clone(), english.clone());
            assert!(
                before.is_none_or(|before| before == english),
                "{id} is said in two ways"
            );
        }
    }
    assert!(
        said.len() > 150,
        "{} sentences: the sources were not read",
        said.len()
    );
    said
}

/// What the files that come with the program say: rules, and what playbooks want.
fn of_files() -> Messages {
    let mut all = Messages::new();
    let rules = std::fs::read_to_string(crates().join("citywall/rules/citywall.rules")).unwrap();
    for rule in rules.lines().filter(|line| !line.starts_with('#')) {
        let part = |name: &str, end: char| Some(rule.split_once(name)?.1.split_once(end)?.0.to_owned());
        if let (Some(text), Some(sid)) = (part("msg:\"", '"'), part("sid:", ';')) {
            all.insert(format!("rule-{sid}"), text);
        }
    }
    for entry in std::fs::read_dir(crates().join("citywall-response/playbooks"))
        .unwrap()
        .flatten()
    {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let playbook: serde_json::Value = serde_json::from_str(&text).unwrap();
        for step in playbook["workflow"].as_object().unwrap().values() {
            for command in step["commands"].as_array().into_iter().flatten() {
                let Some(text) = command["description"].as_str() else {
                    continue;
                };
                let words = text.split(|c: char| !c.is_ascii_alphanumeric());
                let words: Vec<String> = words.filter(|w| !w.is_empty()).map(str::to_lowercase).collect();
                all.insert(format!("playbook-{}", words.join("-")), text.to_owned());
            }
        }
    }
    assert!(all.len() > 40, "{}", all.len());
    all
}

fn values(message: &str) -> Vec<&str> {
    let after = message.split("{ $").skip(1);
    let mut names: Vec<&str> = after.filter_map(|rest| Some(rest.split_once(" }")?.0)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Every sentence that is made, every rule and every playbook's wish has its message in both languages; the
/// English one has the words that the program has, and the others have the same values.
#[test]
fn every_sentence_has_its_message_in_both_languages() {
    let (english, chinese) = (messages(ENGLISH), messages(CHINESE));
    let mut wanted = said();
    wanted.extend(of_files());
    for (id, text) in &wanted {
        assert_eq!(english.get(id), Some(text), "{id} in said.en.ftl");
    }
    for (id, text) in &english {
        let other = chinese
            .get(id)
            .unwrap_or_else(|| panic!("{id} is not in said.zh-CN.ftl"));
        assert_eq!(values(text), values(other), "the values of {id}");
        let letters = other
            .chars()
            .filter(|c| ('\u{4e00}'..='\u{9fff}').contains(c))
            .count();
        let bare = other.replace(|c: char| !c.is_ascii_alphabetic(), " ");
        let words = bare
            .split_whitespace()
            .filter(|w| w.len() > 3 && !values(text).contains(w))
            .count();
        assert!(letters > 0 || words == 0, "{id} is not Chinese: {other}");
        // Names of kinds, verbs and the like are made of data; all else is said somewhere.
        let made = ["flood-kind-", "criticality-word-", "feature-"];
        assert!(
            wanted.contains_key(id) || made.iter().any(|front| id.starts_with(front)),
            "{id} is never said"
        );
    }
    assert_eq!(english.len(), chinese.len());
    for page in PAGES {
        let both = messages(page);
        let twice: Vec<&String> = english.keys().filter(|id| both.contains_key(*id)).collect();
        assert!(twice.is_empty(), "in two files: {twice:?}");
    }
}

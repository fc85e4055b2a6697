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

/// The messages of a language file, each on one line.
fn messages(file: &str) -> Messages {
    let (mut all, mut last) = (Messages::new(), None);
    for line in file.lines().filter(|line| !line.starts_with('#')) {
        let goes_on = line.starts_with([' ', '}']);
        match line.split_once(" = ").filter(|_| !goes_on) {
            Some((id, text)) => {
                all.insert(id.to_owned(), text.to_owned());
                last = Some(id.to_owned());
            }
            None => {
                let last = last.as_ref().filter(|_| goes_on && !line.trim().is_empty());
                if let Some(text) = last.and_then(|id| all.get_mut(id)) {
                    text.push(' ');
                    text.push_str(line.trim());
                }
            }
        }
    }
    all
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

/// `{who}` as Fluent has it: `{ $who }`. What is `counted` is chosen by how many, with the English of one and of more
/// that stands where the sentence is made.
fn fluent(english: &str, counted: &Counted) -> String {
    let mut out = String::new();
    for (place, piece) in english.split('{').enumerate() {
        match piece.split_once('}').filter(|_| place > 0) {
            Some((name, rest)) => {
                let value = format!("{{ ${name} }}");
                match counted.get(name) {
                    Some([one, more]) => out.push_str(&format!(
                        "{{ ${name} -> [one] {value} {one} *[other] {value} {more} }}{rest}"
                    )),
                    None => out.push_str(&format!("{value}{rest}")),
                }
            }
            None => out.push_str(piece),
        }
    }
    out
}

/// The English of one and of more, by the name of the value.
type Counted = BTreeMap<String, [String; 2]>;

/// The values of a call of `say!` that are `counted`; `rest` stands behind its English.
fn counted(rest: &str) -> Counted {
    let rest = within(rest);
    let mut all = Counted::new();
    for (place, _) in rest.match_indices(" = counted(") {
        let name = rest[..place]
            .rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .next();
        // The number may be an expression; it has no texts.
        let words = within(&rest[place + " = counted(".len()..]);
        let (one, after) = literal(&words[words.find('"').unwrap()..]).unwrap();
        let (more, _) = literal(after.trim_start().strip_prefix(',').unwrap()).unwrap();
        all.insert(name.unwrap().to_owned(), [one, more]);
    }
    all
}

/// What stands before the parenthesis that closes.
fn within(text: &str) -> &str {
    let (mut depth, mut place) = (0, 0);
    while let Some(letter) = text[place..].chars().next() {
        match letter {
            '"' => {
                place = text.len() - literal(&text[place..]).unwrap().1.len();
                continue;
            }
            '(' => depth += 1,
            ')' if depth == 0 => return &text[..place],
            ')' => depth -= 1,
            _ => {}
        }
        place += letter.len_utf8();
    }
    text
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
            let (english, rest) = literal(rest.trim_start().strip_prefix(',').unwrap()).unwrap();
            let english = fluent(&english, &counted(rest));
            let before = said.insert(id.clone(), english.clone());
            assert!(
                before.is_none_or(|before| before == english),
                "{id} is said in two ways"
            );
        }
    }
    assert!(
        said.len() > 350,
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
    assert_eq!(
        english["so-often"],
        "{ $what } ({ $n -> [one] { $n } time *[other] { $n } times })"
    );
    for page in PAGES {
        let both = messages(page);
        let twice: Vec<&String> = english.keys().filter(|id| both.contains_key(*id)).collect();
        assert!(twice.is_empty(), "in two files: {twice:?}");
    }
}

//! The house rules that a machine can check, over every file that git tracks.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn tracked(pattern: &str) -> Vec<(String, String)> {
    let output = Command::new("git")
        .args(["ls-files", pattern])
        .current_dir(root())
        .output()
        .expect("git runs");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|name| Some((name.to_owned(), std::fs::read_to_string(root().join(name)).ok()?)))
        .collect()
}

/// Lines of code, tests at the file's end left out.
fn code_lines(text: &str) -> usize {
    text.lines().take_while(|line| *line != "mod tests {").count()
}

#[test]
fn every_source_file_says_what_it_owns() {
    let files = tracked("*.rs");
    assert!(files.len() > 50, "only {} files found", files.len());
    for (name, text) in files {
        let first = text.lines().find(|line| !line.starts_with("#!"));
        assert!(
            first.is_some_and(|line| line.starts_with("//!")),
            "{name} does not open with //!"
        );
    }
}

#[test]
fn files_stay_readable() {
    for (name, text) in tracked("*.rs") {
        let lines = code_lines(&text);
        assert!(lines <= 900, "{name} has {lines} lines: split it by noun");
    }
}

#[test]
fn unsafe_stands_only_in_its_rooms() {
    let rooms = [
        "crates/citywall-capture/src/ring",
        "crates/citywall-capture/src/privileges",
        "crates/citywall-capture/src/nfqueue/calls",
        "crates/citywall-capture/src/shared/memory",
    ];
    for (name, text) in tracked("crates/*.rs") {
        let allowed = rooms.iter().any(|room| name.starts_with(room));
        let has = text
            .lines()
            .any(|line| line.trim_start().starts_with("unsafe ") || line.contains(" unsafe {"));
        assert!(allowed || !has, "{name} holds unsafe code");
    }
}

#[test]
fn nothing_is_left_undone_or_names_a_machine() {
    // Spelled in pieces, so that this file does not find itself.
    let words = [
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["todo", "!("].concat(),
        ["unimplemented", "!("].concat(),
        ["#[ign", "ore"].concat(),
        ["/wo", "rk/"].concat(),
        ["/ro", "ot/"].concat(),
    ];
    for pattern in ["*.rs", "*.md", "*.toml", "test", ".ci/*"] {
        for (name, text) in tracked(pattern) {
            for word in &words {
                assert!(!text.contains(word.as_str()), "{name} holds {word}");
            }
        }
    }
}

#[test]
fn every_event_type_is_in_the_specification() {
    let spec = std::fs::read_to_string(root().join("docs/spec/event.md")).expect("docs/spec/event.md");
    for kind in citywall_event::EVENT_TYPES {
        assert!(
            spec.contains(&format!("\n### `{kind}`")),
            "docs/spec/event.md has no section for `{kind}`"
        );
    }
    for (field, _) in citywall_event::PERSONAL {
        assert!(
            spec.contains(&format!("`{field}`")),
            "docs/spec/event.md does not list the personal field {field}"
        );
    }
}

//! The corpus: what is committed is what the generator makes.

use std::collections::BTreeSet;

use xtask::corpus::{cases, home};

#[test]
fn committed_files_are_those_that_the_generator_makes() {
    let mut differing = Vec::new();
    for case in cases() {
        for (name, bytes) in &case.files {
            let path = case.folder().join(name);
            if std::fs::read(home().join(&path)).ok().as_ref() != Some(bytes) {
                differing.push(path.display().to_string());
            }
        }
    }
    assert!(
        differing.is_empty(),
        "remake them with `cargo xtask corpus`: {differing:?}"
    );
}

#[test]
fn nothing_else_is_in_the_corpus() {
    let cases = cases();
    let known: BTreeSet<_> = cases.iter().map(|case| case.folder()).collect();
    assert_eq!(known.len(), cases.len(), "two cases have one folder");
    for area in std::fs::read_dir(home()).unwrap().flatten() {
        for case in std::fs::read_dir(area.path()).into_iter().flatten().flatten() {
            let path = case.path();
            let folder = path.strip_prefix(home()).unwrap();
            assert!(known.contains(folder), "{} is made by nothing", folder.display());
            let made = cases.iter().find(|c| c.folder() == folder).unwrap();
            for file in std::fs::read_dir(&path).unwrap().flatten() {
                let name = file.file_name();
                let expected = name == "expected.txt" || made.files.iter().any(|(n, _)| name == *n);
                assert!(expected, "{} is made by nothing", file.path().display());
            }
        }
    }
}

#[test]
fn captures_are_small() {
    for case in cases() {
        let (_, pcap) = &case.files[0];
        assert!(
            pcap.len() < 200_000,
            "{}: {} bytes",
            case.folder().display(),
            pcap.len()
        );
    }
}

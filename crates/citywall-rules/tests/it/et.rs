//! A large public rule set, where it is at hand: how much of it runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use citywall_rules::{Classes, RuleBook, RuleSource, Setup};

fn rulesets() -> Option<PathBuf> {
    let data = match (
        std::env::var_os("CITYWALL_DATA"),
        std::env::var_os("XDG_CACHE_HOME"),
    ) {
        (Some(data), _) => PathBuf::from(data),
        (None, Some(cache)) => PathBuf::from(cache).join("citywall-data"),
        (None, None) => PathBuf::from(std::env::var_os("HOME")?).join(".cache/citywall-data"),
    };
    let folder = data.join("rules-conformance/rulesets");
    folder.join("et-composite.rules").is_file().then_some(folder)
}

#[test]
fn most_of_a_large_public_rule_set_loads() {
    let Some(folder) = rulesets() else {
        eprintln!("SKIPPED: rules-conformance/rulesets/et-composite.rules is not there (set CITYWALL_DATA)");
        return;
    };
    let text = std::fs::read(folder.join("et-composite.rules")).unwrap();
    let classification = std::fs::read(folder.join("classification.config")).unwrap();
    let mut classes = Classes::default();
    let bad = classes.read_config(RuleSource {
        name: "classification.config",
        text: &classification,
    });
    assert_eq!(bad, []);
    let setup = Setup {
        classes,
        ..Setup::default()
    };
    let source = RuleSource {
        name: "et-composite.rules",
        text: &text,
    };
    let start = std::time::Instant::now();
    let (book, refused) = RuleBook::load_with(&[source], &setup);
    let took = start.elapsed();
    let mut by_keyword: BTreeMap<&str, usize> = BTreeMap::new();
    for refusal in &refused {
        *by_keyword.entry(&refusal.keyword).or_default() += 1;
    }
    let mut top: Vec<_> = by_keyword.into_iter().collect();
    top.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    println!(
        "{} loaded, {} refused in {took:?}; {:?}",
        book.len(),
        refused.len(),
        book.size()
    );
    for (keyword, count) in top.iter().take(20) {
        let example = refused
            .iter()
            .find(|r| r.keyword == *keyword)
            .map(ToString::to_string);
        println!("{count:6} {keyword}: {}", example.unwrap_or_default());
    }
    let total = book.len() + refused.len();
    assert!(
        book.len() * 100 > total * 95,
        "only {} of {total} rules load",
        book.len()
    );
}

//! What holds for every text.

use proptest::prelude::*;

use crate::{City, EXAMPLE};

/// Words that occur in city files, so that random texts get past the first lines.
const WORDS: &[&str] = &[
    "[city]\n",
    "[[domain]]\n",
    "[[zone]]\n",
    "[[asset]]\n",
    "[[conduit]]\n",
    "[[service]]\n",
    "[[person]]\n",
    "[[window]]\n",
    "name",
    "domain",
    "networks",
    "macs",
    "address",
    "mac",
    "zone",
    "role",
    "from",
    "to",
    "allow",
    "depends_on",
    "on",
    "days",
    "starts",
    "ends",
    "roles",
    "unix",
    "timezone",
    "criticality",
    "isolated",
    "inside",
    " = ",
    "\"a\"",
    "\"b\"",
    "\"*\"",
    "\"outside\"",
    "\"10.0.0.0/8\"",
    "\"10.0.0.1\"",
    "\"fd00::/8\"",
    "\"00:1b:c5:00:12:07\"",
    "\"safety\"",
    "\"deny\"",
    "true",
    "[",
    "]",
    ", ",
    "\n",
    "1",
    "22:00:00",
    "2026-01-01T00:00:00",
    "\"modbus: write holding:1-9 unit 1\"",
    "\"snmp: set 1.3.*\"",
    "\"mqtt: publish a/#\"",
    "\"tcp/1-9;11\"",
    "\"any\"",
    "'",
    "\"",
    "{",
    "}",
    "#",
];

proptest! {
    #[test]
    fn any_text_gives_a_city_or_errors_with_places(text in "\\PC{0,80}(\n\\PC{0,40}){0,4}") {
        check(&text)?;
    }

    #[test]
    fn any_words_give_a_city_or_errors_with_places(
        words in proptest::collection::vec(proptest::sample::select(WORDS), 0..60),
    ) {
        check(&words.concat())?;
    }

    #[test]
    fn a_damaged_example_gives_a_city_or_errors_with_places(
        at in 0..EXAMPLE.len(),
        length in 0usize..40,
        insert in "[\\x20-\\x7e\n]{0,6}",
    ) {
        let end = (at + length).min(EXAMPLE.len());
        let text = format!("{}{insert}{}", &EXAMPLE[..at], &EXAMPLE[end..]);
        check(&text)?;
    }
}

fn check(text: &str) -> Result<(), TestCaseError> {
    match City::parse(text, "f") {
        Ok(city) => {
            // Compiling is a function of the text.
            let again = City::parse(text, "f").expect("the same text");
            prop_assert_eq!(&city, &again);
            let (ruleset, _) = city.compile();
            prop_assert_eq!(ruleset.to_string(), again.compile().0.to_string());
            prop_assert_eq!(city.check(), again.check());
        }
        Err(errors) => {
            prop_assert!(!errors.is_empty());
            let lines = text.split('\n').count() as u32;
            for error in &errors {
                prop_assert!((1..=lines).contains(&error.line), "{}", error);
                prop_assert!(
                    error.column >= 1 && !error.what.is_empty() && !error.fix.is_empty(),
                    "{}",
                    error
                );
            }
            prop_assert!(errors.is_sorted_by_key(|e| e.line));
        }
    }
    Ok(())
}

#[test]
fn cutting_the_file_in_a_character_is_safe() {
    let text = format!("{}é", " ".repeat(crate::limits::BYTES - 1));
    assert!(City::parse(&text, "f").is_err());
}

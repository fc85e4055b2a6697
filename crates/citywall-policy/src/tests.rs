//! City files in, errors, findings, rulesets and judgements out.

mod errors;
mod example;
mod explaining;
mod findings;
mod judging;
mod laws;
mod learning;
mod response;
mod windows;

use crate::City;

/// Parses a file that must be sound.
fn city(text: &str) -> City {
    City::parse(text, "city.toml").unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// All errors of a file, one a line.
fn errors(text: &str) -> String {
    match City::parse(text, "city.toml") {
        Ok(_) => "no errors".to_owned(),
        Err(errors) => errors.iter().map(|e| format!("{e}\n")).collect(),
    }
}

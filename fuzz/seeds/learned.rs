//! A learned model, and a learned allow-list.

use crate::Seed;

/// Those that freeze version 1.
pub fn seeds() -> Vec<Seed> {
    let bytes = include_bytes!("../../crates/citywall-behaviour/src/learned/model-1.bin");
    let list = include_bytes!("../../crates/citywall-behaviour/src/allow/tests/version1.json");
    vec![
        ("model", "version-1".to_owned(), bytes.to_vec()),
        ("allow_list", "version-1".to_owned(), list.to_vec()),
    ]
}

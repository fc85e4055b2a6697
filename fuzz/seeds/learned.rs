//! A learned model.

use crate::Seed;

/// The one that freezes version 1.
pub fn seeds() -> Vec<Seed> {
    let bytes = include_bytes!("../../crates/citywall-behaviour/src/learned/model-1.bin");
    vec![("model", "version-1".to_owned(), bytes.to_vec())]
}

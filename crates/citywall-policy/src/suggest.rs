//! "Did you mean": the nearest known name.
//!
//! Owns: the edit distance and how near is near. Does not own: which names are known.

use citywall_event::{Phrase, say};

use crate::error::quoted;

/// Candidates that are looked at; more would cost more than a hint is worth.
const CANDIDATES: usize = 2_000;

/// The nearest of `known` to `word`, where it is near enough to be a slip of the finger.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded: Vec<char> = word.to_lowercase().chars().take(64).collect();
    let limit = (folded.len() / 3).clamp(1, 3);
    known
        .into_iter()
        .take(CANDIDATES)
        .filter_map(|candidate| {
            let other: Vec<char> = candidate.to_lowercase().chars().take(64).collect();
            let longer = other.len().abs_diff(folded.len());
            if folded.len() >= 4 && other.starts_with(&folded) {
                return Some((1, longer, candidate));
            }
            let near = longer <= limit;
            let distance = if near {
                distance(&folded, &other)
            } else {
                usize::MAX
            };
            (distance <= limit).then_some((distance, longer, candidate))
        })
        .min()
        .map(|(_, _, candidate)| candidate)
}

/// `did you mean "x"?`, or else what `otherwise` says.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
    otherwise: impl FnOnce() -> Phrase,
) -> Phrase {
    match nearest(word, known) {
        Some(near) => say!("did-you-mean", "did you mean {name}?", name = quoted(near)),
        None => otherwise(),
    }
}

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (row[j] + 1)
                .min(last[j + 1] + 1)
                .min(last[j] + usize::from(x != y));
            if i > 0 && j > 0 && a[i - 1] == *y && b[j - 1] == *x {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        let known = [
            "name",
            "networks",
            "criticality",
            "isolated",
            "pump-plc-1",
            "pumps",
        ];
        for (word, expected) in [
            ("nmae", Some("name")),
            ("network", Some("networks")),
            ("Criticallity", Some("criticality")),
            ("islotaed", Some("isolated")),
            ("critical", Some("criticality")),
            ("pump", Some("pumps")),
            ("x", None),
            ("", None),
            ("colour", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}

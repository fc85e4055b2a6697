//! Which rules could match these bytes at all? One automaton per buffer over the rules' fast
//! patterns.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind, packed};

/// Sets up to this size get a fully built automaton.
const DFA_PATTERNS: usize = 400;

/// One fast pattern and the rule that it wakes.
#[derive(Clone, Debug)]
pub(crate) struct FastPattern {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// ASCII case does not matter.
    pub nocase: bool,
    /// The rule.
    pub rule: u32,
}

/// An automaton over fast patterns.
#[derive(Debug, Default)]
pub(crate) struct Prefilter {
    automaton: Option<AhoCorasick>,
    /// A vectorised search that says quickly that nothing is there; small exact sets only.
    gate: Option<packed::Searcher>,
    /// Rules of pattern `i`: `rules[starts[i]..starts[i + 1]]`.
    starts: Vec<u32>,
    rules: Vec<u32>,
}

/// Which patterns of one scan have been seen, cleared in constant time.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    marks: Vec<u32>,
    round: u32,
}

impl Seen {
    fn begin(&mut self, patterns: usize) {
        if self.marks.len() < patterns {
            self.marks.resize(patterns, 0);
        }
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.marks.fill(0);
            self.round = 1;
        }
    }

    /// True the first time in this round.
    fn first(&mut self, pattern: usize) -> bool {
        match self.marks.get_mut(pattern) {
            Some(mark) if *mark != self.round => {
                *mark = self.round;
                true
            }
            _ => false,
        }
    }
}

impl Prefilter {
    /// Builds the automaton. Fails only where the automaton library's own bounds are exceeded.
    pub fn build(mut patterns: Vec<FastPattern>) -> Result<Prefilter, aho_corasick::BuildError> {
        if patterns.is_empty() {
            return Ok(Prefilter::default());
        }
        // One automaton for both kinds: where any pattern ignores case, all do. A rule's own
        // contents are tested afterwards with their case.
        let folded = patterns.iter().any(|p| p.nocase);
        if folded {
            patterns.iter_mut().for_each(|p| p.bytes.make_ascii_lowercase());
        }
        patterns.sort_by(|a, b| (&a.bytes, a.rule).cmp(&(&b.bytes, b.rule)));
        let mut unique: Vec<&[u8]> = Vec::new();
        let mut starts = Vec::new();
        let mut rules: Vec<u32> = Vec::with_capacity(patterns.len());
        for pattern in &patterns {
            if unique.last() != Some(&pattern.bytes.as_slice()) {
                unique.push(&pattern.bytes);
                starts.push(rules.len() as u32);
            }
            rules.push(pattern.rule);
        }
        starts.push(rules.len() as u32);
        let kind = if unique.len() <= DFA_PATTERNS {
            AhoCorasickKind::DFA
        } else {
            AhoCorasickKind::ContiguousNFA
        };
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(folded)
            .kind(Some(kind))
            .build(&unique)?;
        let gate = if folded {
            None
        } else {
            packed::Config::new().builder().extend(&unique).build()
        };
        Ok(Prefilter {
            automaton: Some(automaton),
            gate,
            starts,
            rules,
        })
    }

    /// Number of distinct patterns.
    pub fn patterns(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Heap bytes of the automaton, for the load report.
    pub fn memory(&self) -> usize {
        self.automaton.as_ref().map_or(0, AhoCorasick::memory_usage)
            + (self.starts.len() + self.rules.len()) * 4
    }

    /// Appends the rules whose pattern occurs in `data` (each pattern's rules once per call).
    #[inline]
    pub fn scan(&self, data: &[u8], seen: &mut Seen, out: &mut Vec<u32>) {
        let Some(automaton) = &self.automaton else { return };
        if let Some(gate) = &self.gate
            && data.len() >= gate.minimum_len()
            && gate.find(data).is_none()
        {
            return;
        }
        self.collect(automaton, data, seen, out);
    }

    fn collect(&self, automaton: &AhoCorasick, data: &[u8], seen: &mut Seen, out: &mut Vec<u32>) {
        seen.begin(self.patterns());
        let mut left = self.patterns();
        let mut state = aho_corasick::automaton::OverlappingState::start();
        // Overlapping search cannot fail for this match kind; an error would only end the scan.
        while automaton.try_find_overlapping(data, &mut state).is_ok() {
            let Some(found) = state.get_match() else { break };
            let pattern = found.pattern().as_usize();
            if seen.first(pattern) {
                let start = self.starts[pattern] as usize;
                let end = self.starts[pattern + 1] as usize;
                out.extend_from_slice(&self.rules[start..end]);
                left -= 1;
                if left == 0 {
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(patterns: &[(&str, bool)], data: &str) -> Vec<u32> {
        let patterns = patterns
            .iter()
            .zip(0..)
            .map(|((text, nocase), rule)| FastPattern {
                bytes: text.as_bytes().to_vec(),
                nocase: *nocase,
                rule,
            })
            .collect();
        let prefilter = Prefilter::build(patterns).unwrap();
        let mut out = Vec::new();
        prefilter.scan(data.as_bytes(), &mut Seen::default(), &mut out);
        out.sort_unstable();
        out
    }

    proptest! {
        #[test]
        fn every_rule_whose_pattern_occurs_is_found(
            patterns in proptest::collection::vec("[abA]{1,3}", 1..6),
            nocase in any::<bool>(),
            data in "[abA]{0,24}",
        ) {
            let with: Vec<(&str, bool)> = patterns.iter().map(|p| (p.as_str(), nocase)).collect();
            let fold = |t: &str| if nocase { t.to_ascii_lowercase() } else { t.to_owned() };
            let wanted: Vec<u32> = (0..)
                .zip(&patterns)
                .filter(|(_, p)| fold(&data).contains(&fold(p)))
                .map(|(i, _)| i)
                .collect();
            prop_assert_eq!(found(&with, &data), wanted);
        }
    }
}

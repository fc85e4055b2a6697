//! Comparisons of numbers as the rule language writes them: `5`, `>5`, `!5`, `2-8`, `2<>8`.

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UintTest {
    /// Equal.
    Is(u64),
    /// Not equal.
    Not(u64),
    /// Less.
    Less(u64),
    /// Less or equal.
    AtMost(u64),
    /// More.
    More(u64),
    /// More or equal.
    AtLeast(u64),
    /// Between, both ends outside, as `a<>b` means.
    Between(u64, u64),
    /// Not inside the open interval.
    NotBetween(u64, u64),
}

impl UintTest {
    /// Parses; `name` turns words into numbers.
    pub fn parse(text: &str, name: &dyn Fn(&str) -> Option<u64>) -> Option<UintTest> {
        let text = text.trim();
        let value = |t: &str| {
            let t = t.trim();
            number(t).or_else(|| name(t))
        };
        if let Some((a, b)) = text.split_once("<>") {
            let (a, negated) = match a.trim().strip_prefix('!') {
                Some(rest) => (rest, true),
                None => (a, false),
            };
            let (a, b) = (value(a)?, value(b)?);
            if a >= b {
                return None;
            }
            return Some(if negated {
                UintTest::NotBetween(a, b)
            } else {
                UintTest::Between(a, b)
            });
        }
        if let Some(rest) = text.strip_prefix(">=") {
            return value(rest).map(UintTest::AtLeast);
        }
        if let Some(rest) = text.strip_prefix("<=") {
            return value(rest).map(UintTest::AtMost);
        }
        if let Some(rest) = text.strip_prefix('>') {
            return value(rest).map(UintTest::More);
        }
        if let Some(rest) = text.strip_prefix('<') {
            return value(rest).map(UintTest::Less);
        }
        if let Some(rest) = text.strip_prefix("!=").or_else(|| text.strip_prefix('!')) {
            return value(rest).map(UintTest::Not);
        }
        let text = text.strip_prefix('=').unwrap_or(text);
        if let Some((a, b)) = text.split_once('-')
            && let (Some(a), Some(b)) = (value(a), value(b))
        {
            return (a < b).then_some(UintTest::Between(a, b));
        }
        value(text).map(UintTest::Is)
    }

    /// Parses without names.
    pub fn plain(text: &str) -> Option<UintTest> {
        UintTest::parse(text, &|_| None)
    }

    /// The comparison.
    #[inline]
    pub fn holds(self, value: u64) -> bool {
        match self {
            UintTest::Is(v) => value == v,
            UintTest::Not(v) => value != v,
            UintTest::Less(v) => value < v,
            UintTest::AtMost(v) => value <= v,
            UintTest::More(v) => value > v,
            UintTest::AtLeast(v) => value >= v,
            UintTest::Between(a, b) => value > a && value < b,
            UintTest::NotBetween(a, b) => value <= a || value >= b,
        }
    }
}

/// A decimal or `0x` number.
pub(crate) fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// A signed decimal or `0x` number.
pub(crate) fn signed(text: &str) -> Option<i64> {
    let text = text.trim();
    match text.strip_prefix('-') {
        Some(rest) => number(rest).and_then(|v| i64::try_from(v).ok()).map(|v| -v),
        None => number(text).and_then(|v| i64::try_from(v).ok()),
    }
}

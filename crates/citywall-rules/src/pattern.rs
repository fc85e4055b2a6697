//! Perl-compatible expressions (`pcre`): translated, checked at load, compiled at first use.
//!
//! Owns: the difference between PCRE's syntax and that of the `regex` crate. An expression that is
//! regular goes to `regex` (linear time); one with look-around, back-references, atomic groups or
//! possessive repeats goes to `fancy-regex` with a limit on backtracking.

mod translate;

use std::sync::OnceLock;

pub(crate) use translate::translate;

/// Memory of one compiled expression.
const SIZE_LIMIT: usize = 4 * 1024 * 1024;
/// Nested groups of one expression.
const NEST_LIMIT: u32 = 96;
/// Steps of the backtracking engine for one search.
const BACKTRACK_LIMIT: usize = 50_000;
/// States that the expression may need, estimated at load. Where the text defeats the lazily built automaton
/// each byte costs all of them.
const STATES_LIMIT: u64 = 8_000;

/// Flags of an expression that both engines understand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    /// `i`
    pub caseless: bool,
    /// `s`
    pub dot_all: bool,
    /// `m`
    pub multi_line: bool,
    /// `x`
    pub extended: bool,
    /// `G`
    pub ungreedy: bool,
    /// `A`
    pub anchored: bool,
    /// `E`
    pub dollar_end: bool,
}

/// An expression, compiled when it is first needed: most rules of a large book are never tried.
#[derive(Debug)]
pub(crate) struct Pattern {
    text: Box<str>,
    flags: Flags,
    fancy: bool,
    compiled: OnceLock<Option<Compiled>>,
}

#[derive(Debug)]
enum Compiled {
    Regular(regex::bytes::Regex),
    Fancy(Box<fancy_regex::Regex>),
}

/// Why a search gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed;

impl Pattern {
    /// Translates and checks an expression.
    pub fn new(expression: &[u8], flags: Flags) -> Result<Pattern, String> {
        let text = translate(expression, flags)?;
        let fancy = match check_regular(&text, flags) {
            Ok(states) if states > STATES_LIMIT => return Err("repeats too much".to_owned()),
            Ok(_) => false,
            Err(reason) => {
                check_fancy(&text, flags).map_err(|other| format!("{reason}; {other}"))?;
                true
            }
        };
        Ok(Pattern {
            text: text.into_boxed_str(),
            flags,
            fancy,
            compiled: OnceLock::new(),
        })
    }

    /// True where the backtracking engine runs it.
    pub fn is_fancy(&self) -> bool {
        self.fancy
    }

    /// It can match at the start of the data only.
    pub fn starts_anchored(&self) -> bool {
        self.flags.anchored || (!self.flags.multi_line && self.text.starts_with('^'))
    }

    /// First match that starts at or after `from`: (start, end).
    pub fn find(&self, data: &[u8], from: usize) -> Result<Option<(usize, usize)>, Failed> {
        if from > data.len() {
            return Ok(None);
        }
        match self.compiled.get_or_init(|| self.compile()) {
            Some(Compiled::Regular(regex)) => Ok(regex.find_at(data, from).map(|m| (m.start(), m.end()))),
            Some(Compiled::Fancy(regex)) => match regex.find_from_pos(data, from) {
                Ok(found) => Ok(found.map(|m| (m.start(), m.end()))),
                Err(_) => Err(Failed),
            },
            None => Err(Failed),
        }
    }

    fn compile(&self) -> Option<Compiled> {
        if self.fancy {
            return fancy(&self.text, self.flags)
                .map(|r| Compiled::Fancy(Box::new(r)))
                .ok();
        }
        regex::bytes::RegexBuilder::new(&self.text)
            .unicode(false)
            .case_insensitive(self.flags.caseless)
            .dot_matches_new_line(self.flags.dot_all)
            .multi_line(self.flags.multi_line)
            .ignore_whitespace(self.flags.extended)
            .swap_greed(self.flags.ungreedy)
            .size_limit(SIZE_LIMIT)
            .dfa_size_limit(SIZE_LIMIT)
            .nest_limit(NEST_LIMIT)
            .build()
            .map(Compiled::Regular)
            .ok()
    }
}

/// Parses as a regular expression and estimates its states.
fn check_regular(text: &str, flags: Flags) -> Result<u64, String> {
    let hir = regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .case_insensitive(flags.caseless)
        .dot_matches_new_line(flags.dot_all)
        .multi_line(flags.multi_line)
        .ignore_whitespace(flags.extended)
        .swap_greed(flags.ungreedy)
        .nest_limit(NEST_LIMIT)
        .build()
        .parse(text)
        .map_err(|e| match e {
            regex_syntax::Error::Parse(e) => e.kind().to_string(),
            regex_syntax::Error::Translate(e) => e.kind().to_string(),
            _ => "cannot be parsed".to_owned(),
        })?;
    Ok(states(&hir))
}

/// A rough count of automaton states. The nest limit bounds the recursion.
fn states(hir: &regex_syntax::hir::Hir) -> u64 {
    use regex_syntax::hir::HirKind;
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(l) => l.0.len() as u64,
        HirKind::Class(_) => 1,
        HirKind::Repetition(r) => {
            let times = u64::from(r.max.unwrap_or(r.min).max(r.min).max(1));
            states(&r.sub).saturating_mul(times).saturating_add(2)
        }
        HirKind::Capture(c) => states(&c.sub).saturating_add(2),
        HirKind::Concat(all) | HirKind::Alternation(all) => {
            all.iter().fold(1u64, |sum, h| sum.saturating_add(states(h)))
        }
    }
}

fn fancy(text: &str, flags: Flags) -> Result<fancy_regex::Regex, fancy_regex::Error> {
    fancy_regex::RegexBuilder::new(text)
        .bytes_mode(fancy_regex::BytesMode::Ascii)
        .case_insensitive(flags.caseless)
        .dot_matches_new_line(flags.dot_all)
        .multi_line(flags.multi_line)
        .ignore_whitespace(flags.extended)
        .backtrack_limit(BACKTRACK_LIMIT)
        .delegate_size_limit(SIZE_LIMIT)
        .delegate_dfa_size_limit(SIZE_LIMIT)
        .max_prog_size(20_000)
        .build()
}

fn check_fancy(text: &str, flags: Flags) -> Result<(), String> {
    if flags.ungreedy {
        return Err("flag G is not supported together with look-around or back-references".to_owned());
    }
    fancy(text, flags).map(|_| ()).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(expression: &str, flags: Flags, data: &[u8]) -> Option<(usize, usize)> {
        Pattern::new(expression.as_bytes(), flags)
            .unwrap()
            .find(data, 0)
            .unwrap()
    }

    #[test]
    fn pcre_habits_are_understood() {
        let plain = Flags::default();
        assert_eq!(find(r"^a{b", plain, b"a{b"), Some((0, 3)));
        assert_eq!(find(r"[[a]b", plain, b"x[b"), Some((1, 3)));
        assert_eq!(find(r"a\<b\/c\e", plain, b"a<b/c\x1b"), Some((0, 6)));
        assert_eq!(find(r"\xff\x0", plain, b"..\xff\x00"), Some((2, 4)));
        assert_eq!(find(r"[^\r\n]+$", plain, b"abc\n"), Some((0, 4)));
        assert_eq!(find(r"\101\x{42}", plain, b"AB"), Some((0, 2)));
        assert_eq!(find(r"(?#no)a&&[a&&b]", plain, b"a&&&"), Some((0, 4)));
        assert_eq!(find(r"\Qa.b\E.", plain, b"axba.bc"), Some((3, 7)));
        assert_eq!(find(r".\d\s\w", plain, b"\xff1\x0ba"), Some((0, 4)));
    }

    #[test]
    fn what_is_not_regular_backtracks_within_a_limit() {
        let plain = Flags::default();
        assert_eq!(find(r"(a+)b\1", plain, b"xaabaa"), Some((1, 6)));
        assert_eq!(find(r"a(?!b)\xff", plain, b"aba\xff"), Some((2, 4)));
        assert_eq!(find(r"^a++b", plain, b"aaab"), Some((0, 4)));
        assert_eq!(find(r"(?>\r\n|\n)x", plain, b"\r\nx"), Some((0, 3)));
        let evil = Pattern::new(br"^(a|aa)+\1$", plain).unwrap();
        assert!(evil.is_fancy());
        let data = [b"a".repeat(4000), b"b".to_vec()].concat();
        assert_eq!(evil.find(&data, 0), Err(Failed));
    }

    #[test]
    fn what_cannot_be_bounded_is_refused() {
        let refused = |e: &str| {
            Pattern::new(e.as_bytes(), Flags::default())
                .map(|_| ())
                .unwrap_err()
        };
        assert_eq!(refused("(a{500}){500}"), "repeats too much");
        assert!(refused("(a").starts_with("unclosed group"), "{}", refused("(a"));
        assert!(Pattern::new(&b"(".repeat(10_000), Flags::default()).is_err());
    }
}

//! The shape of a rule: `action protocol src sport -> dst dport (name:value; ...)`.
//!
//! Owns: splitting into words and options with their places. Does not own: what any of them mean.

use crate::RuleError;
use crate::source::check_length;

/// More options than this in one rule are refused.
const MAX_OPTIONS: usize = 512;

/// A word of the header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word<'a> {
    /// Offset in the rule's text.
    pub at: usize,
    /// The word.
    pub text: &'a str,
}

/// One `name:value;`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RuleOption<'a> {
    /// Offset of the name.
    pub at: usize,
    /// The keyword.
    pub name: &'a str,
    /// Offset of the value (of the name where there is none).
    pub value_at: usize,
    /// The value, trimmed; `None` without a colon.
    pub value: Option<&'a [u8]>,
}

/// A rule in its parts.
#[derive(Debug)]
pub(crate) struct Syntax<'a> {
    /// `alert`, `drop`, ...
    pub action: Word<'a>,
    /// `tcp`, `http`, ...
    pub protocol: Word<'a>,
    /// Source address.
    pub src: Word<'a>,
    /// Source port.
    pub src_port: Word<'a>,
    /// `->`, `<>` or `=>`.
    pub arrow: Word<'a>,
    /// Destination address.
    pub dst: Word<'a>,
    /// Destination port.
    pub dst_port: Word<'a>,
    /// What stands in the parentheses.
    pub options: Vec<RuleOption<'a>>,
}

impl<'a> RuleOption<'a> {
    /// A refusal at this option's value.
    pub fn refuse(&self, reason: impl Into<String>, fix: &'static str) -> RuleError {
        RuleError::new(self.value_at, self.name, reason, fix)
    }

    /// A refusal at this option's name.
    pub fn unsupported(&self, reason: impl Into<String>, fix: &'static str) -> RuleError {
        RuleError::new(self.at, self.name, reason, fix)
    }

    /// The value as text, without quotes around it.
    pub fn text(&self) -> Result<&'a str, RuleError> {
        let value = self
            .value
            .ok_or_else(|| self.refuse("needs a value", "write it as name:value;"))?;
        let text = std::str::from_utf8(value)
            .map_err(|_| self.refuse("is not UTF-8 text", "use plain text here"))?;
        Ok(text
            .strip_prefix('"')
            .and_then(|t| t.strip_suffix('"'))
            .unwrap_or(text)
            .trim())
    }

    /// True where there is no value, or an empty one.
    pub fn bare(&self) -> bool {
        self.value.is_none_or(<[u8]>::is_empty)
    }
}

/// Splits a rule.
pub(crate) fn parse(text: &[u8]) -> Result<Syntax<'_>, RuleError> {
    check_length(text)?;
    let open = memchr::memchr(b'(', text).ok_or_else(|| {
        RuleError::new(
            0,
            "rule",
            "has no parenthesis with options",
            "write: alert tcp any any -> any any (msg:\"...\"; sid:1;)",
        )
    })?;
    let header = std::str::from_utf8(&text[..open])
        .map_err(|e| RuleError::new(e.valid_up_to(), "header", "is not text", "use plain text here"))?;
    let words = words(header)?;
    let [action, protocol, src, src_port, arrow, dst, dst_port] =
        <[Word<'_>; 7]>::try_from(words).map_err(|words| {
            let at = words.last().map_or(0, |w| w.at);
            RuleError::new(
                at,
                "header",
                format!("has {} words where 7 are needed", words.len()),
                "write: action protocol source port -> destination port",
            )
        })?;
    let close = text.trim_ascii_end().len();
    if text.get(close.wrapping_sub(1)) != Some(&b')') || close < open + 2 {
        return Err(RuleError::new(
            close.saturating_sub(1),
            "rule",
            "does not end with a closing parenthesis",
            "end the rule with ;)",
        ));
    }
    Ok(Syntax {
        action,
        protocol,
        src,
        src_port,
        arrow,
        dst,
        dst_port,
        options: options(text, open + 1, close - 1)?,
    })
}

/// Words are parted by spaces, but not inside brackets.
fn words(header: &str) -> Result<Vec<Word<'_>>, RuleError> {
    let mut words = Vec::with_capacity(7);
    let mut depth = 0usize;
    let mut start = None;
    let end = std::iter::once((header.len(), ' '));
    for (at, c) in header.char_indices().chain(end) {
        match c {
            '[' => depth += 1,
            ']' => {
                depth = depth.checked_sub(1).ok_or_else(|| {
                    RuleError::new(
                        at,
                        "header",
                        "closing bracket without an opening one",
                        "balance the brackets",
                    )
                })?;
            }
            _ => {}
        }
        if c.is_whitespace() && (depth == 0 || at == header.len()) {
            if let Some(start) = start.take() {
                words.push(Word {
                    at: start,
                    text: &header[start..at],
                });
            }
        } else if start.is_none() {
            start = Some(at);
        }
    }
    if depth > 0 {
        return Err(RuleError::new(
            header.len(),
            "header",
            "opening bracket is never closed",
            "balance the brackets",
        ));
    }
    Ok(words)
}

/// Options end at a semicolon that no backslash precedes; quotes protect nothing, as the rule
/// language has it.
fn options(text: &[u8], mut at: usize, close: usize) -> Result<Vec<RuleOption<'_>>, RuleError> {
    let mut options = Vec::new();
    while at < close {
        if text[at].is_ascii_whitespace() || text[at] == b';' {
            at += 1;
            continue;
        }
        let end = option_end(text, at, close)?;
        options.push(option(text, at, end)?);
        if options.len() > MAX_OPTIONS {
            return Err(RuleError::new(
                at,
                "rule",
                "has more than 512 options",
                "split the rule",
            ));
        }
        at = end + 1;
    }
    Ok(options)
}

fn option_end(text: &[u8], start: usize, close: usize) -> Result<usize, RuleError> {
    let mut at = start;
    while at < close {
        match text[at] {
            b'\\' => at += 2,
            b';' => return Ok(at),
            _ => at += 1,
        }
    }
    Err(RuleError::new(
        start,
        &String::from_utf8_lossy(name_of(&text[start..close])),
        "option does not end",
        "end each option with a semicolon",
    ))
}

fn name_of(option: &[u8]) -> &[u8] {
    let end = memchr::memchr(b':', option).unwrap_or(option.len());
    option[..end].trim_ascii()
}

fn option(text: &[u8], start: usize, end: usize) -> Result<RuleOption<'_>, RuleError> {
    let whole = &text[start..end];
    let name = name_of(whole);
    let name = std::str::from_utf8(name)
        .ok()
        .filter(|n| {
            n.bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
        })
        .filter(|n| !n.is_empty())
        .ok_or_else(|| {
            RuleError::new(
                start,
                &String::from_utf8_lossy(name),
                "is not a keyword",
                "a semicolon inside a value is written \\;",
            )
        })?;
    let Some(colon) = memchr::memchr(b':', whole) else {
        return Ok(RuleOption {
            at: start,
            name,
            value_at: start,
            value: None,
        });
    };
    let raw = &whole[colon + 1..];
    let value = raw.trim_ascii();
    let lead = raw.len() - raw.trim_ascii_start().len();
    Ok(RuleOption {
        at: start,
        name,
        value_at: start + colon + 1 + lead,
        value: Some(value),
    })
}

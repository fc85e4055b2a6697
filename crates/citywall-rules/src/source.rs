//! Rule files as text: logical lines, and where in the file each byte of them stands.
//!
//! Owns: joining of lines that end in a backslash, comments, and the mapping back to line and
//! column for messages. Does not own: what a rule means (`syntax`, `compile`).

use crate::RuleError;

/// A logical line longer than this is not a rule that a person or a feed would write.
const MAX_RULE_BYTES: usize = 64 * 1024;

/// A text of rules with the name that messages use for it.
#[derive(Clone, Copy, Debug)]
pub struct RuleSource<'a> {
    /// File name as the user gave it.
    pub name: &'a str,
    /// Its bytes. Rules are ASCII by habit, but nothing enforces it.
    pub text: &'a [u8],
}

/// A rule that cannot be used, with the exact place and what would help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {keyword}: {reason}; {fix}")]
pub struct Refused {
    /// Name of the source.
    pub file: String,
    /// Line, counted from 1.
    pub line: u32,
    /// Column in bytes, counted from 1.
    pub column: u32,
    /// The keyword concerned, or `rule` / `header`.
    pub keyword: String,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub fix: &'static str,
    /// The rule's sid, where it could be read.
    pub sid: Option<u32>,
}

/// One rule's text, continuation lines joined.
#[derive(Debug)]
pub(crate) struct Logical {
    /// The text without the backslashes and line ends.
    pub text: Vec<u8>,
    /// Where pieces of `text` start: (offset in text, line, column), ascending.
    pieces: Vec<(usize, u32, u32)>,
}

impl Logical {
    /// Line and column (from 1) of a byte offset into `text`.
    pub fn place(&self, offset: usize) -> (u32, u32) {
        let mut place = (1, 1);
        for &(start, line, column) in &self.pieces {
            if start > offset {
                break;
            }
            place = (line, column.saturating_add((offset - start) as u32));
        }
        place
    }

    /// The error as a user sees it.
    pub fn refuse(&self, file: &str, error: RuleError, sid: Option<u32>) -> Refused {
        let (line, column) = self.place(error.at);
        Refused {
            file: file.to_owned(),
            line,
            column,
            keyword: error.keyword,
            reason: error.reason,
            fix: error.fix,
            sid,
        }
    }
}

/// The rules of a text, in order; comments and empty lines are left out. A rule that is too long
/// comes cut, and `parse` will refuse it.
pub(crate) fn logical_lines(text: &[u8]) -> impl Iterator<Item = Logical> + '_ {
    let mut lines = text.split(|&b| b == b'\n').zip(1u32..);
    std::iter::from_fn(move || {
        let mut logical: Option<Logical> = None;
        for (raw, number) in lines.by_ref() {
            let line = raw.trim_ascii_end();
            let body = line.trim_ascii_start();
            if logical.is_none() && (body.is_empty() || body.starts_with(b"#")) {
                continue;
            }
            let indent = (line.len() - body.len()) as u32;
            let (body, goes_on) = match body.strip_suffix(b"\\") {
                Some(rest) => (rest, true),
                None => (body, false),
            };
            let rule = logical.get_or_insert_with(|| Logical {
                text: Vec::new(),
                pieces: Vec::new(),
            });
            rule.pieces.push((rule.text.len(), number, indent + 1));
            // One byte more than allowed is kept, so that `check_length` sees it.
            let room = (MAX_RULE_BYTES + 1).saturating_sub(rule.text.len());
            rule.text.extend_from_slice(&body[..body.len().min(room)]);
            if !goes_on {
                break;
            }
        }
        logical
    })
}

/// Refuses a rule that `logical_lines` had to cut.
pub(crate) fn check_length(text: &[u8]) -> Result<(), RuleError> {
    if text.len() <= MAX_RULE_BYTES {
        return Ok(());
    }
    Err(RuleError::new(
        MAX_RULE_BYTES,
        "rule",
        "longer than 65536 bytes",
        "split the rule",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continuation_lines_keep_their_places() {
        let text = b"# no\n\nalert tcp \\\n   any any\r\n  x\n";
        let lines: Vec<_> = logical_lines(text).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].text, b"alert tcp any any");
        assert_eq!(lines[0].place(0), (3, 1));
        assert_eq!(lines[0].place(14), (4, 8));
        assert_eq!(lines[1].place(0), (5, 3));
    }
}

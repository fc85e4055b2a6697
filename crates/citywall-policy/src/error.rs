//! What is wrong with a city file, where, and how to put it right.
//!
//! Owns: `CityError`, byte offset -> line and column, and the collecting of many errors. Does not
//! own: what is an error.

use std::ops::Range;

use citywall_event::{Phrase, counted, say};

use crate::limits;

/// One error of a city file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {what}; {fix}")]
pub struct CityError {
    /// The file, as the caller named it.
    pub file: String,
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// What is wrong.
    pub what: Phrase,
    /// What to do about it.
    pub fix: Phrase,
}

/// A value of the file as messages show it: in quotes, and on one line.
pub(crate) fn quoted(text: &str) -> String {
    format!("{text:?}")
}

/// Where lines of the text begin.
pub(crate) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(text: &'a str) -> Lines<'a> {
        let starts = std::iter::once(0)
            .chain(
                text.bytes()
                    .enumerate()
                    .filter(|(_, b)| *b == b'\n')
                    .map(|(i, _)| i + 1),
            )
            .collect();
        Lines { text, starts }
    }

    /// Line and column of a byte offset, both from 1.
    pub(crate) fn position(&self, offset: usize) -> (u32, u32) {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let column = self
            .text
            .get(start..offset)
            .map_or(offset.saturating_sub(start), |t| t.chars().count());
        (line as u32, column as u32 + 1)
    }
}

/// Collects the errors of one file.
pub(crate) struct Report<'a> {
    file: &'a str,
    lines: Lines<'a>,
    errors: Vec<CityError>,
    untold: usize,
}

impl<'a> Report<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Report<'a> {
        Report {
            file,
            lines: Lines::new(text),
            errors: Vec::new(),
            untold: 0,
        }
    }

    /// The line of a byte offset, from 1.
    pub(crate) fn line(&self, offset: usize) -> u32 {
        self.lines.position(offset).0
    }

    /// True where nothing more would be told: suggestions need not be looked for.
    pub(crate) fn is_full(&self) -> bool {
        self.errors.len() >= limits::ERRORS
    }

    pub(crate) fn error(&mut self, span: &Range<usize>, what: Phrase, fix: Phrase) {
        if self.is_full() {
            self.untold += 1;
            return;
        }
        let (line, column) = self.lines.position(span.start);
        self.errors.push(CityError {
            file: self.file.to_owned(),
            line,
            column,
            what,
            fix,
        });
    }

    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// All errors in the order of the file.
    pub(crate) fn finish(mut self) -> Vec<CityError> {
        self.errors
            .sort_by(|a, b| (a.line, a.column, a.what.english()).cmp(&(b.line, b.column, b.what.english())));
        if self.untold > 0
            && let Some(last) = self.errors.last().cloned()
        {
            self.errors.push(CityError {
                what: say!(
                    "file-more",
                    "{n} not shown",
                    n = counted(self.untold, "more error is", "more errors are")
                ),
                fix: say!("file-more-fix", "repair these first"),
                ..last
            });
        }
        self.errors
    }
}

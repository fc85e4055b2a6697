//! What is wrong with a playbook, where, and how to put it right.
//!
//! Owns: `PlaybookError` and the collecting of many. Does not own: what is an error.

/// What a playbook may hold at most. A larger one is refused by name of the limit.
pub mod limits {
    /// Bytes of a file.
    pub const BYTES: usize = 256 << 10;
    /// Depth of objects and lists.
    pub const DEPTH: usize = 16;
    /// Values of all kinds.
    pub const VALUES: usize = 20_000;
    /// Steps of the workflow.
    pub const STEPS: usize = 256;
    /// Variables, of the playbook and of one step.
    pub const VARIABLES: usize = 128;
    /// Agents, and targets.
    pub const PARTIES: usize = 128;
    /// Commands of one step.
    pub const COMMANDS: usize = 16;
    /// Branches of one parallel or switch step.
    pub const BRANCHES: usize = 32;
    /// Characters of a condition.
    pub const CONDITION: usize = 1_024;
    /// Operators and brackets of a condition.
    pub const TERMS: usize = 64;
    /// Depth of brackets and `NOT` in a condition.
    pub const BRACKETS: usize = 8;
    /// Characters of a sentence that a person is shown.
    pub const SENTENCE: usize = 500;
    /// Seconds of a delay, a time-out and a time to live: a week.
    pub const SECONDS: u64 = 7 * 86_400;
    /// Steps that one run takes before it is stopped.
    pub const TAKEN: u32 = 2_000;
    /// Turns of one `while-condition`.
    pub const TURNS: u32 = 100;
    /// Branches that one run follows at a time.
    pub const TOKENS: usize = 64;
    /// Branches within branches.
    pub const NESTED: usize = 16;
    /// Runs of one incident.
    pub const RUNS: usize = 16;
    /// Incidents with runs.
    pub const INCIDENTS: usize = 256;
    /// Wishes, and questions, of one incident.
    pub const SAID: usize = 256;
    /// Suspects of a notice that playbooks speak of.
    pub const SUSPECTS: usize = 64;
    /// Errors that are told of one file.
    pub const ERRORS: usize = 50;
}

/// One error of a playbook.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {path}: {what}; {fix}")]
pub struct PlaybookError {
    /// The file, as the caller named it.
    pub file: String,
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// Where in the document: `$.workflow.action--….commands[0]`.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

/// Collects the errors of one file.
pub(crate) struct Report<'a> {
    file: &'a str,
    text: &'a str,
    errors: Vec<(usize, PlaybookError)>,
    untold: usize,
}

impl<'a> Report<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Report<'a> {
        Report {
            file,
            text,
            errors: Vec::new(),
            untold: 0,
        }
    }

    pub(crate) fn error(&mut self, at: usize, path: &str, what: impl Into<String>, fix: impl Into<String>) {
        if self.errors.len() >= limits::ERRORS {
            self.untold += 1;
            return;
        }
        let (line, column) = position(self.text, at);
        let error = PlaybookError {
            file: self.file.to_owned(),
            line,
            column,
            path: path.to_owned(),
            what: what.into(),
            fix: fix.into(),
        };
        self.errors.push((at, error));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// All errors in the order of the file.
    pub(crate) fn finish(mut self) -> Vec<PlaybookError> {
        self.errors
            .sort_by(|a, b| (a.0, &a.1.what).cmp(&(b.0, &b.1.what)));
        let mut errors: Vec<PlaybookError> = self.errors.into_iter().map(|(_, e)| e).collect();
        if let (true, Some(last)) = (self.untold > 0, errors.last().cloned()) {
            errors.push(PlaybookError {
                what: format!("{} more errors are not shown", self.untold),
                fix: "repair these first".to_owned(),
                ..last
            });
        }
        errors
    }
}

/// Line and column of a byte offset, both from 1.
fn position(text: &str, at: usize) -> (u32, u32) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |n| n + 1);
    (line as u32, before[start..].chars().count() as u32 + 1)
}

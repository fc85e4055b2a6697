//! Why a rule is refused, before its place in the file is known.

/// A refusal at a byte offset of the rule's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuleError {
    /// Byte offset in the logical line.
    pub at: usize,
    /// The keyword concerned.
    pub keyword: String,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub fix: &'static str,
}

impl RuleError {
    /// A refusal.
    pub fn new(at: usize, keyword: &str, reason: impl Into<String>, fix: &'static str) -> RuleError {
        let keyword: String = keyword.chars().take(64).collect();
        RuleError {
            at,
            keyword,
            reason: reason.into(),
            fix,
        }
    }
}

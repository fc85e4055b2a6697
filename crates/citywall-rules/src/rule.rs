//! A rule as the rest of Citywall sees it: what it is called, how grave it is, what it asks for.

use std::fmt;
use std::sync::Arc;

use crate::detect::Detect;

/// A rule's place in its rule book, which is also the order in which rules are tried: pass, drop,
/// reject, alert; then those that set flow bits before those that ask for them; then priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleIndex(pub u32);

/// What a rule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Look no further: no other rule of this packet (or flow) matches.
    Pass,
    /// Alert, and drop where the sensor stands in the line.
    Drop,
    /// Alert, and reset the sender, the receiver or both.
    Reject(RejectWho),
    /// Alert.
    Alert,
}

/// Who a reject is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RejectWho {
    /// The packet's source.
    Source,
    /// Its destination.
    Destination,
    /// Both.
    Both,
}

/// Which party a rule names as the victim (`target`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// The source.
    Source,
    /// The destination.
    Destination,
}

/// A rule's own limit on its alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// Which kind.
    pub kind: ThresholdKind,
    /// What is counted apart.
    pub track: Track,
    /// How many.
    pub count: u32,
    /// Length of the window in seconds (0 for `backoff`).
    pub seconds: u32,
    /// Factor of `backoff`; else 0.
    pub multiplier: u32,
}

/// Kinds of thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ThresholdKind {
    /// At most `count` alerts in a window.
    Limit,
    /// Every `count`th match in a window.
    Threshold,
    /// One alert in a window, at the `count`th match.
    Both,
    /// At the `count`th match, then at `count * multiplier`, and so on.
    Backoff,
    /// `detection_filter`: each match after the first `count` in a window.
    DetectionFilter,
}

/// What a threshold counts apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Track {
    /// By source address.
    Source,
    /// By destination address.
    Destination,
    /// The rule as a whole.
    Rule,
    /// By the pair of addresses, either way round.
    Both,
    /// By flow.
    Flow,
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Generator id, 1 unless the rule says otherwise.
    pub gid: u32,
    /// Signature id.
    pub sid: u32,
    /// Revision.
    pub rev: u32,
    /// What it asks for.
    pub action: Action,
    /// Its message.
    pub msg: Box<str>,
    /// Short class name (`trojan-activity`); empty where the rule has none.
    pub class: Arc<str>,
    /// The class's text.
    pub category: Arc<str>,
    /// Priority: 1 (worst) to 255.
    pub severity: u8,
    /// `threshold` or `detection_filter`.
    pub threshold: Option<Threshold>,
    /// Who is the victim.
    pub target: Option<Target>,
    /// Name of the source that it was read from.
    pub file: Arc<str>,
    /// Line in that source, from 1.
    pub line: u32,
    pub(crate) metadata: Box<str>,
    pub(crate) references: Box<str>,
    pub(crate) detect: Detect,
}

impl Rule {
    /// Metadata as key and value, in the order written.
    pub fn metadata(&self) -> impl Iterator<Item = (&str, &str)> {
        self.metadata.split(',').filter_map(|item| {
            let item = item.trim();
            let (key, value) = item.split_once(char::is_whitespace).unwrap_or((item, ""));
            (!key.is_empty()).then_some((key, value.trim()))
        })
    }

    /// References as kind and text (`cve`, `2021-44228`), in the order written.
    pub fn references(&self) -> impl Iterator<Item = (&str, &str)> {
        self.references
            .lines()
            .filter_map(|line| line.split_once(',').map(|(k, v)| (k.trim(), v.trim())))
    }

    /// The ATT&CK technique that the metadata names (`mitre_technique_id`).
    pub fn technique(&self) -> Option<&str> {
        self.metadata()
            .find(|(key, _)| *key == "mitre_technique_id")
            .map(|(_, value)| value)
    }

    /// True where traffic would be dropped or rejected if the sensor stood in the line.
    pub fn would_drop(&self) -> bool {
        matches!(self.action, Action::Drop | Action::Reject(_))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Action::Pass => "pass",
            Action::Drop => "drop",
            Action::Reject(RejectWho::Source) => "reject",
            Action::Reject(RejectWho::Destination) => "rejectdst",
            Action::Reject(RejectWho::Both) => "rejectboth",
            Action::Alert => "alert",
        })
    }
}

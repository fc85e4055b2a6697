//! What a signature is for.
//!
//! Owns: the purposes and their names, which are part of the signed bytes: what was signed for one
//! purpose says nothing for another. Does not own: which key may sign what (`keyring`).

use std::fmt;

/// What a signature is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// A playbook may be run.
    Playbook,
    /// A kind of action is automatic in a zone, for a while.
    Act,
    /// The journal was so long at that time.
    JournalHead,
    /// A learned model may be used.
    Model,
    /// A learned list of allowed commands may be used.
    AllowList,
    /// Zones and conduits are proposed.
    PolicyProposal,
    /// Detection rules may be used.
    Rules,
    /// Evidence was gathered by this box.
    Evidence,
}

impl Purpose {
    /// All.
    pub const ALL: [Purpose; 8] = [
        Purpose::Playbook,
        Purpose::Act,
        Purpose::JournalHead,
        Purpose::Model,
        Purpose::AllowList,
        Purpose::PolicyProposal,
        Purpose::Rules,
        Purpose::Evidence,
    ];

    /// The name in envelopes, keyrings and signed bytes.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Playbook => "playbook",
            Purpose::Act => "act",
            Purpose::JournalHead => "journal-head",
            Purpose::Model => "model",
            Purpose::AllowList => "allow-list",
            Purpose::PolicyProposal => "policy-proposal",
            Purpose::Rules => "rules",
            Purpose::Evidence => "evidence",
        }
    }

    /// Parses `name`.
    pub fn parse(name: &str) -> Option<Purpose> {
        Purpose::ALL.into_iter().find(|p| p.name() == name)
    }

    /// All names, for messages.
    pub(crate) fn names() -> String {
        Purpose::ALL.map(Purpose::name).join(", ")
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

//! Bugs that tests plant into the gate, to see that the tests would find them.
//!
//! Owns: their list. In the program that is built there are none: `planted` is the constant
//! `false` and vanishes.

/// A bug that somebody could make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Contradictory tags are not noticed.
    ContradictionIgnored,
    /// Missing tags count as normal.
    MissingTagsNormal,
    /// The wall's own addresses are forgotten.
    OwnForgotten,
    /// What conduits permit is not looked at.
    ConduitsForgotten,
    /// What the denial of a network spares is thought spared where it is denied by name.
    SparedByName,
    /// Who is known by a hardware address alone may be acted against without a person.
    ByLinkForgotten,
    /// Infrastructure may be acted against.
    InfrastructureForgotten,
    /// A safety asset may be isolated with approvals.
    SafetyIsolated,
    /// One person is enough for safety.
    OnePersonForSafety,
    /// Approvals are counted by account.
    AccountsCounted,
    /// Who proposed by hand may approve alone.
    ProposerApproves,
    /// Roles are not looked at.
    RolesIgnored,
    /// The proof that a source is real is not asked for.
    ProofForgotten,
    /// The zone's share is not counted.
    ZoneCapForgotten,
    /// The city's number is not counted.
    CityCapForgotten,
    /// The unattended number is forgotten at a restart.
    BudgetForgottenAtRestart,
    /// Spans are measured by the wall clock.
    WallClockSpans,
    /// An act never ends.
    ActNeverEnds,
    /// An act counts for every zone.
    ActEverywhere,
    /// An approval counts for another plan.
    HashIgnored,
    /// Approvals never lapse.
    ApprovalsForEver,
    /// Maintenance is not looked at.
    MaintenanceForgotten,
    /// The health gate does not roll back.
    HealthIgnored,
    /// What was rolled back is tried again.
    RegretForgotten,
    /// After a crash, what the journal does not know stays in the kernel.
    OrphansLeft,
    /// After a crash, time to live begins anew.
    LifeRenewed,
    /// After a crash, what is not ours is removed.
    ForeignRemoved,
    /// Two actions may hold one element of the kernel.
    InForceForgotten,
    /// The wall may answer for a port that nobody has.
    PortForgotten,
    /// The wall may answer where commands are inspected.
    InspectionForgotten,
}

#[cfg(test)]
std::thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Is this bug planted?
#[cfg(test)]
pub(crate) fn planted(bug: Bug) -> bool {
    PLANTED.with(|cell| cell.get() == Some(bug))
}

/// Plants a bug in this thread, or none.
#[cfg(test)]
pub(crate) fn plant(bug: Option<Bug>) {
    PLANTED.with(|cell| cell.set(bug));
}

/// There are none in the program.
#[cfg(not(test))]
pub(crate) const fn planted(_bug: Bug) -> bool {
    false
}

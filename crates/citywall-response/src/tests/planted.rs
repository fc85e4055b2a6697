//! Bugs planted into the gate, each found by the cases.

use super::counted::{Stats, play_many};
use super::places::places;
use crate::bug::{Bug, plant};

const BUGS: [Bug; 30] = [
    Bug::ContradictionIgnored,
    Bug::MissingTagsNormal,
    Bug::OwnForgotten,
    Bug::ConduitsForgotten,
    Bug::SparedByName,
    Bug::ByLinkForgotten,
    Bug::InfrastructureForgotten,
    Bug::SafetyIsolated,
    Bug::OnePersonForSafety,
    Bug::AccountsCounted,
    Bug::ProposerApproves,
    Bug::RolesIgnored,
    Bug::ProofForgotten,
    Bug::ZoneCapForgotten,
    Bug::CityCapForgotten,
    Bug::BudgetForgottenAtRestart,
    Bug::WallClockSpans,
    Bug::ActNeverEnds,
    Bug::ActEverywhere,
    Bug::HashIgnored,
    Bug::ApprovalsForEver,
    Bug::MaintenanceForgotten,
    Bug::HealthIgnored,
    Bug::RegretForgotten,
    Bug::OrphansLeft,
    Bug::LifeRenewed,
    Bug::ForeignRemoved,
    Bug::InForceForgotten,
    Bug::PortForgotten,
    Bug::InspectionForgotten,
];

/// Cases within which each must be found.
const WITHIN: u64 = 40_000;

#[test]
fn every_planted_bug_is_found() {
    let mut missed = Vec::new();
    let mut stats = Stats::default();
    let sound = places(60, 11, &mut stats);
    let result = play_many(&sound, 0, 4_000, &mut stats);
    assert_eq!(
        result,
        Ok(()),
        "a case fails with no bug planted: nothing would be proved"
    );
    for bug in BUGS {
        // Some bugs stand in what is worked out when a city file is read.
        plant(Some(bug));
        let mut stats = Stats::default();
        let places = places(60, 11, &mut stats);
        let found = play_many(&places, 0, WITHIN, &mut stats);
        plant(None);
        match found {
            Err((seed, why)) => println!("{bug:?}: found by case {seed}: {}", &why[..why.len().min(160)]),
            Ok(()) => missed.push(bug),
        }
    }
    assert!(missed.is_empty(), "not found within {WITHIN} cases: {missed:?}");
}

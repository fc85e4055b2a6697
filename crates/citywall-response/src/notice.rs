//! An incident as the response needs it: who, to whom, what, and how sure.
//!
//! Owns: the typed form in which a sensor tells an incident to the governor. Nothing in it is
//! believed about criticality, role or zone: the governor looks those up in the city file that it
//! read itself. Does not own: how an incident comes about (`citywall-incident`), and its parties'
//! shape (`citywall-event`).

use citywall_event::{Change, Crossing, Flooded, IncidentReport, Nanos, Suspect, Victim};

/// Pieces of evidence that a notice names.
const EVIDENCE: usize = 16;

/// An incident opened, grew or closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// The incident's number, as in events (`I0-1660-1`).
    pub incident: String,
    /// `opened`, `updated` or `closed`.
    pub change: String,
    /// 1 (worst) to 4.
    pub severity: u8,
    /// What the evidence shows, the weakest first, by these names: `forbidden-contact`,
    /// `forbidden-read`, `unusual`, `alert`, `password-guessing`, `callback`, `scan`, `upload`, `deviation`, `flood`, `tunnel`,
    /// `address-claimed`, `rogue-device`, `takeover`, `stolen-credentials`, `refused-change`, `isolation`, `unanswered-change`, `change`. A
    /// playbook is chosen by them; one that is not known here matches no playbook.
    pub kinds: Vec<String>,
    /// One line.
    pub title: String,
    /// Packet time of the last evidence.
    pub at: Nanos,
    /// The suspected source first.
    pub suspects: Vec<Suspect>,
    /// Zones that a suspect reached without leave.
    pub crossings: Vec<Crossing>,
    /// Changing commands that a suspect gave without leave.
    pub changes: Vec<Change>,
    /// Those to whom something was done, the first few.
    pub victims: Vec<Victim>,
    /// Those who are flooded from sources that prove nothing.
    pub flooded: Vec<Flooded>,
    /// Ids of the events that show it, the worst first.
    pub evidence: Vec<String>,
}

impl From<&IncidentReport> for Notice {
    fn from(report: &IncidentReport) -> Notice {
        let parties = &report.parties;
        Notice {
            incident: report.number.clone(),
            change: report.change.to_owned(),
            severity: report.severity,
            kinds: parties.kinds.iter().map(|k| (*k).to_owned()).collect(),
            title: report.title.to_string(),
            at: report.last,
            suspects: parties.suspects.clone(),
            crossings: parties.crossings.clone(),
            changes: parties.changes.clone(),
            victims: parties.victims.clone(),
            flooded: parties.flooded.clone(),
            evidence: report
                .reasons
                .iter()
                .rev()
                .take(EVIDENCE)
                .map(|reason| reason.event.to_string())
                .collect(),
        }
    }
}

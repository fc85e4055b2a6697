//! What is proposed from what was seen: the learner of `citywall policy learn` over the events that are kept.
//!
//! Owns: when it is learned anew, and the key by which a person names what is to be taken. Does not own:
//! learning (`citywall-policy`), and what a line of the log says (the binary, which knows all protocols).

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use citywall_event::Event;
use citywall_policy::{Doubt, Listener, Proposal, Told};
use memchr::memmem;
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::known::Known;

/// Turns a line of the log into events; none where it is no event, or says nothing that is learned.
pub type Reader = fn(&[u8]) -> Vec<Event>;

/// How long a proposal is shown before it is learned anew: somebody reads it, and ticks.
const FRESH: Duration = Duration::from_secs(60);
/// Where in a line its type stands, at the latest.
const HEAD: usize = 512;

/// What was proposed, when, and for which reading of the city file.
pub struct Proposed {
    at: Instant,
    known: Arc<Known>,
    proposal: Arc<Proposal>,
}

/// The proposal for this reading of the city file. It reads all events that are kept: on a thread that may wait.
pub fn proposed(app: &App, known: &Arc<Known>) -> Arc<Proposal> {
    let now = Instant::now();
    {
        let last = app.proposed.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last.as_ref();
        let fresh = last.filter(|p| Arc::ptr_eq(&p.known, known) && now.duration_since(p.at) < FRESH);
        if let Some(fresh) = fresh {
            return Arc::clone(&fresh.proposal);
        }
    }
    let snapshot = app.archive().snapshot();
    let mut listener = Listener::default();
    snapshot.each(&mut |line| {
        if is_learned(line) {
            (app.reader)(line).iter().for_each(|event| listener.event(event));
        }
    });
    let mut proposal = listener.propose(known.city.as_ref(), Doubt::default());
    proposal.untold += listener.left_out();
    let proposal = Arc::new(proposal);
    // Nothing is kept of a replay that is still read.
    let fresh = Proposed {
        at: now,
        known: Arc::clone(known),
        proposal: Arc::clone(&proposal),
    };
    let over = app.live || app.run().over;
    *app.proposed.lock().unwrap_or_else(PoisonError::into_inner) = over.then_some(fresh);
    proposal
}

/// Is a line of a type that is learned from? To read all the others would take ten times as long.
fn is_learned(line: &[u8]) -> bool {
    let head = line.get(..line.len().min(HEAD)).unwrap_or(line);
    ["flow", "command", "incident"]
        .map(|kind| format!("\"event_type\":\"{kind}\""))
        .iter()
        .any(|kind| memmem::find(head, kind.as_bytes()).is_some())
}

/// By which a person names what is to be taken: it stays the same while more of it is seen.
pub fn key(told: &Told) -> String {
    let mut hasher = Sha256::new();
    for list in [&told.from, &told.to, &told.allow] {
        for word in list {
            hasher.update(word.as_bytes());
            hasher.update([0]);
        }
        hasher.update([1]);
    }
    let digest = hasher.finalize();
    digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

/// May it be taken as it stands? What has no name in a city file would allow everything.
pub fn can_be_taken(told: &Told) -> bool {
    told.allow.iter().all(|entry| entry != "any")
}

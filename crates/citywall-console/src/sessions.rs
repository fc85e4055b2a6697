//! Sessions, and how fast somebody may try to begin one.
//!
//! Owns: tokens and their limits, the token against forged requests, the wait after failures. Does
//! not own: passwords (`accounts`). Time is an argument. A failure makes only its own source wait, and
//! never for longer than a minute: nobody can be locked out by others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::accounts::digest;

/// Sessions at a time; of one person.
const SESSIONS: usize = 4_096;
const OF_ONE: usize = 16;
/// Without a request.
const IDLE: Duration = Duration::from_secs(30 * 60);
/// In all.
const ABSOLUTE: Duration = Duration::from_secs(12 * 3600);
/// A token's age at which it is exchanged.
const ROTATE: Duration = Duration::from_secs(3600);
/// How long the token before is still good: requests are under way.
const GRACE: Duration = Duration::from_secs(60);
/// Failures without a wait.
const FREE: u32 = 5;
/// The same for all names together, counted under the name "": many may sit behind one address.
const FREE_IN_ALL: u32 = 30;
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(60);
/// Sources whose failures are remembered.
const SOURCES: usize = 8_192;

/// A session.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who.
    pub person: String,
    /// Stands in every form and in a header of every call that changes something.
    pub csrf: String,
    begun: Instant,
    seen: Instant,
    made: Instant,
    /// This token was exchanged; it ends then.
    until: Option<Instant>,
}

/// All sessions, by the digest of their token.
#[derive(Default)]
pub struct Sessions {
    sessions: HashMap<String, Session>,
}

impl Sessions {
    /// Begins a session under this token.
    pub fn begin(&mut self, now: Instant, token: &str, csrf: String, person: &str) {
        self.sweep(now);
        let own = self.sessions.values().filter(|s| s.person == person).count();
        if own >= OF_ONE || self.sessions.len() >= SESSIONS {
            let oldest = self
                .sessions
                .iter()
                .filter(|(_, s)| own < OF_ONE || s.person == person)
                .min_by_key(|(_, s)| s.seen);
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                self.sessions.remove(&key);
            }
        }
        let session = Session {
            person: person.to_owned(),
            csrf,
            begun: now,
            seen: now,
            made: now,
            until: None,
        };
        self.sessions.insert(digest(token), session);
    }

    /// The session of a token, and whether the token is to be exchanged. `active`: a person did
    /// something; a stream that is merely open does not keep a session alive.
    pub fn find(&mut self, now: Instant, token: &str, active: bool) -> Option<(Session, bool)> {
        let key = digest(token);
        let session = self.sessions.get_mut(&key)?;
        if is_over(session, now) {
            self.sessions.remove(&key);
            return None;
        }
        if active {
            session.seen = now;
        }
        let old = session.until.is_none() && now.duration_since(session.made) >= ROTATE;
        Some((session.clone(), old))
    }

    /// Exchanges a token.
    pub fn rotate(&mut self, now: Instant, token: &str, new: &str) {
        if let Some(session) = self.sessions.get_mut(&digest(token)) {
            session.until = Some(now + GRACE);
            let next = Session {
                made: now,
                until: None,
                ..session.clone()
            };
            self.sessions.insert(digest(new), next);
        }
    }

    /// Ends a session.
    pub fn end(&mut self, token: &str) {
        if let Some(session) = self.sessions.remove(&digest(token)) {
            // A token that was exchanged goes with it.
            self.sessions.retain(|_, s| s.csrf != session.csrf);
        }
    }

    /// Ends all sessions of a person.
    pub fn end_all(&mut self, person: &str) {
        self.sessions.retain(|_, s| s.person != person);
    }

    fn sweep(&mut self, now: Instant) {
        self.sessions.retain(|_, s| !is_over(s, now));
    }
}

fn is_over(session: &Session, now: Instant) -> bool {
    now.duration_since(session.seen) >= IDLE
        || now.duration_since(session.begun) >= ABSOLUTE
        || session.until.is_some_and(|until| now >= until)
}

/// Failures of one source, for one name.
#[derive(Clone, Copy)]
struct Failed {
    times: u32,
    until: Instant,
}

/// Who has to wait.
#[derive(Default)]
pub struct Attempts {
    failed: HashMap<(IpAddr, String), Failed>,
}

impl Attempts {
    /// How long this source has to wait before it may try this name again.
    pub fn wait(&self, now: Instant, source: IpAddr, name: &str) -> Option<Duration> {
        let failed = self.failed.get(&(source, name.to_owned()))?;
        failed
            .until
            .checked_duration_since(now)
            .filter(|left| !left.is_zero())
    }

    /// It failed.
    pub fn failed(&mut self, now: Instant, source: IpAddr, name: &str) {
        if self.failed.len() >= SOURCES {
            self.failed.retain(|_, f| f.until + LONGEST > now);
        }
        if self.failed.len() >= SOURCES {
            self.failed.clear();
        }
        let failed = self
            .failed
            .entry((source, name.to_owned()))
            .or_insert(Failed { times: 0, until: now });
        failed.times = failed.times.saturating_add(1);
        let free = if name.is_empty() { FREE_IN_ALL } else { FREE };
        let over = failed.times.saturating_sub(free).min(6);
        let wait = match over {
            0 => Duration::ZERO,
            over => Duration::from_secs(1 << over).min(LONGEST),
        };
        failed.until = now + wait;
    }

    /// It worked.
    pub fn worked(&mut self, source: IpAddr, name: &str) {
        self.failed.remove(&(source, name.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(now: Instant) -> Sessions {
        let mut sessions = Sessions::default();
        sessions.begin(now, "t", "c".into(), "Ada");
        sessions
    }

    #[test]
    fn sessions_end_by_idleness_by_age_and_by_word() {
        let start = Instant::now();
        let mut idle = begun(start);
        assert!(idle.find(start + IDLE / 2, "t", false).is_some());
        assert!(
            idle.find(start + IDLE, "t", true).is_none(),
            "an open stream is no activity"
        );
        let mut busy = begun(start);
        let mut at = start;
        while at < start + ABSOLUTE - IDLE {
            at += IDLE / 2;
            assert!(busy.find(at, "t", true).is_some());
        }
        assert!(busy.find(start + ABSOLUTE, "t", true).is_none());
        let mut ended = begun(start);
        ended.begin(start, "u", "d".into(), "Ben");
        ended.end("t");
        assert!(ended.find(start, "t", true).is_none() && ended.find(start, "u", true).is_some());
        ended.end_all("Ben");
        assert!(ended.find(start, "u", true).is_none());
        assert!(ended.find(start, "other", true).is_none());
    }

    #[test]
    fn tokens_are_exchanged() {
        let start = Instant::now();
        let mut sessions = begun(start);
        let mut at = start;
        while at < start + ROTATE {
            assert!(!sessions.find(at, "t", true).unwrap().1);
            at += IDLE / 2;
        }
        assert!(sessions.find(at, "t", true).unwrap().1);
        sessions.rotate(at, "t", "new");
        assert!(sessions.find(at + GRACE / 2, "t", true).is_some());
        assert!(sessions.find(at + GRACE, "t", true).is_none());
        assert_eq!(sessions.find(at + GRACE, "new", true).unwrap().0.person, "Ada");
    }

    #[test]
    fn one_person_cannot_fill_the_table() {
        let now = Instant::now();
        let mut sessions = begun(now);
        for number in 0..OF_ONE * 4 {
            sessions.begin(now, &format!("b{number}"), format!("c{number}"), "Ben");
        }
        assert!(sessions.find(now, "t", true).is_some());
        assert_eq!(sessions.sessions.len(), OF_ONE + 1);
    }

    #[test]
    fn failures_make_their_source_wait_and_nobody_else() {
        let now = Instant::now();
        let (bad, good): (IpAddr, IpAddr) = ([203, 0, 113, 9].into(), [10, 0, 0, 1].into());
        let mut attempts = Attempts::default();
        for _ in 0..FREE {
            assert_eq!(attempts.wait(now, bad, "Ada"), None);
            attempts.failed(now, bad, "Ada");
        }
        for _ in 0..100 {
            attempts.failed(now, bad, "Ada");
        }
        assert_eq!(attempts.wait(now, bad, "Ada"), Some(LONGEST));
        assert_eq!(attempts.wait(now, good, "Ada"), None);
        assert_eq!(attempts.wait(now + LONGEST, bad, "Ada"), None);
        attempts.worked(bad, "Ada");
        assert_eq!(attempts.wait(now, bad, "Ada"), None);
        for number in 0..SOURCES as u32 * 2 {
            attempts.failed(now, IpAddr::from(number.to_be_bytes()), "Ada");
        }
        assert!(attempts.failed.len() <= SOURCES);
    }
}

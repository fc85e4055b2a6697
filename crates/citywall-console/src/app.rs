//! What all requests share.
//!
//! Owns: the state behind the pages and how it is reached: what may wait goes to a thread that may.
//! Does not own: routes (`web`), judgement (`gate`).

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::SystemTime;

use citywall_policy::City;
use citywall_trust::journal::{Journal, Options as JournalOptions};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use utoipa::ToSchema;

use crate::ConsoleError;
use crate::accounts::{AccountError, Accounts};
use crate::archive::Archive;
use crate::board::Board;
use crate::gate::{ActionView, Ask, Gate, GateError, GateKind};
use crate::known::Known;
use crate::normal::Normals;
use crate::packets::Packets;
use crate::passkeys::Challenges;
use crate::proposals::Proposals;
use crate::proposed::{Proposed, Reader};
use crate::sessions::{Attempts, Sessions};
use crate::upkeep::Upkeep;
use crate::words::Words;

/// Acts that are kept in memory for the page.
const ACTS: usize = 1_000;

/// Who did what on the console, and why.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Act {
    /// Wall time, seconds since 1970.
    pub at: u64,
    /// The person of the city file.
    pub who: String,
    /// `approve`, `undo`, `normal`, `login` ...
    pub what: String,
    /// On what.
    pub on: String,
    /// In the person's words.
    pub why: String,
    /// What came of it.
    pub came: String,
}

/// The journal of the console: on disk where there is a folder, else in memory alone.
pub struct Acts {
    journal: Option<Journal>,
    /// The last, oldest first.
    pub last: VecDeque<Act>,
}

impl Acts {
    fn open(folder: Option<&std::path::Path>) -> Result<Acts, ConsoleError> {
        let journal = folder
            .map(|folder| Journal::open(&folder.join("journal"), JournalOptions::default(), None))
            .transpose()?;
        let entries = journal.iter().flat_map(|(_, opened)| opened.entries.iter().rev());
        let own = entries.filter(|entry| entry.kind == "console").take(ACTS);
        let mut last: VecDeque<Act> = own.filter_map(|e| Act::deserialize(&e.body).ok()).collect();
        last.make_contiguous().reverse();
        Ok(Acts {
            last,
            journal: journal.map(|(journal, _)| journal),
        })
    }

    /// Records; where it cannot be recorded it must not be done.
    ///
    /// # Errors
    /// Where the journal cannot be written.
    pub fn record(&mut self, act: Act) -> Result<(), ConsoleError> {
        if let Some(journal) = &mut self.journal {
            let at = i64::try_from(act.at).unwrap_or(0).saturating_mul(1_000_000_000);
            journal.append(at, "console", &act)?;
        }
        if self.last.len() >= ACTS {
            self.last.pop_front();
        }
        self.last.push_back(act);
        Ok(())
    }
}

/// How the run fares, as the binary tells it.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// The replay is over.
    pub over: bool,
    /// The run in numbers, where it is over (`summary.json`).
    pub summary: Value,
}

/// All that is shared.
pub struct App {
    known: RwLock<Arc<Known>>,
    board: RwLock<Board>,
    archive: RwLock<Archive>,
    gate: Mutex<Box<dyn Gate>>,
    /// Where acts go.
    pub gate_kind: GateKind,
    accounts: Mutex<Accounts>,
    sessions: Mutex<Sessions>,
    attempts: Mutex<Attempts>,
    challenges: Mutex<Challenges>,
    normals: Mutex<Normals>,
    acts: Mutex<Acts>,
    proposals: Mutex<Proposals>,
    /// What was proposed from what was seen, a moment ago.
    pub proposed: Mutex<Option<Proposed>>,
    /// Turns a line of the log into events.
    pub reader: Reader,
    run: RwLock<Run>,
    /// All languages.
    pub words: Words,
    /// Tells streams that something changed.
    pub changed: watch::Sender<u64>,
    /// Password hashes at a time: each takes 19 MiB.
    pub hashing: Semaphore,
    /// Searches at a time.
    pub searching: Semaphore,
    /// Open event streams.
    pub streams: AtomicUsize,
    /// Events that found no room on their way here.
    pub shed: AtomicU64,
    /// The replay is live traffic.
    pub live: bool,
    /// Who keeps packets.
    pub packets: Option<Arc<dyn Packets>>,
    /// Who knows what the run rests on.
    pub upkeep: Option<Arc<dyn Upkeep>>,
    /// Captures that are read for somebody, at a time.
    pub cutting: Arc<Semaphore>,
    /// City files that are compared for somebody, at a time.
    pub judging: Arc<Semaphore>,
    /// Served by TLS.
    pub secure: bool,
    /// Names by which it may be reached, in lower case; empty: any.
    pub hosts: Vec<String>,
}

/// What an app is made of.
pub struct Parts {
    /// The city.
    pub city: Option<City>,
    /// The text of its file.
    pub city_text: Arc<str>,
    /// Turns a line of the log into events.
    pub reader: Reader,
    /// Where acts go.
    pub gate: Box<dyn Gate>,
    /// Accounts, journal and words live here; without it, in memory.
    pub folder: Option<PathBuf>,
    /// Bytes of packed events.
    pub events: usize,
    /// Traffic is live.
    pub live: bool,
    /// Who keeps packets.
    pub packets: Option<Arc<dyn Packets>>,
    /// Who knows what the run rests on.
    pub upkeep: Option<Arc<dyn Upkeep>>,
    /// Served by TLS.
    pub secure: bool,
    /// Names by which it may be reached; empty: any.
    pub hosts: Vec<String>,
}

impl App {
    /// Reads the folder.
    ///
    /// # Errors
    /// Where a file of it is not one of ours.
    pub fn new(parts: Parts) -> Result<App, ConsoleError> {
        let mut words = Words::new();
        if let Some(folder) = &parts.folder {
            words.add_folder(&folder.join("words"));
        }
        Ok(App {
            known: RwLock::new(Arc::new(Known::new(parts.city, parts.city_text))),
            board: RwLock::default(),
            archive: RwLock::new(Archive::new(parts.events)),
            gate_kind: parts.gate.kind(),
            gate: Mutex::new(parts.gate),
            acts: Mutex::new(Acts::open(parts.folder.as_deref())?),
            normals: Mutex::new(Normals::open(parts.folder.as_deref())?),
            proposals: Mutex::new(Proposals::open(parts.folder.as_deref())),
            proposed: Mutex::default(),
            reader: parts.reader,
            accounts: Mutex::new(Accounts::open(parts.folder)?),
            sessions: Mutex::default(),
            attempts: Mutex::default(),
            challenges: Mutex::default(),
            run: RwLock::default(),
            words,
            changed: watch::Sender::new(0),
            hashing: Semaphore::new(1),
            searching: Semaphore::new(2),
            streams: AtomicUsize::new(0),
            shed: AtomicU64::new(0),
            live: parts.live,
            packets: parts.packets,
            upkeep: parts.upkeep,
            cutting: Arc::new(Semaphore::new(1)),
            judging: Arc::new(Semaphore::new(1)),
            secure: parts.secure,
            hosts: parts.hosts,
        })
    }

    /// The board, to read.
    pub fn board(&self) -> RwLockReadGuard<'_, Board> {
        self.board.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The board, to change.
    pub fn board_mut(&self) -> RwLockWriteGuard<'_, Board> {
        self.board.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The events, to read.
    pub fn archive(&self) -> RwLockReadGuard<'_, Archive> {
        self.archive.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The events, to change.
    pub fn archive_mut(&self) -> RwLockWriteGuard<'_, Archive> {
        self.archive.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The gate. It may wait for the kernel: not for the server's thread.
    pub fn gate(&self) -> MutexGuard<'_, Box<dyn Gate>> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The accounts.
    pub fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sessions.
    pub fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Failed logins.
    pub fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What passkeys are asked.
    pub fn challenges(&self) -> MutexGuard<'_, Challenges> {
        self.challenges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is normal here.
    pub fn normals(&self) -> MutexGuard<'_, Normals> {
        self.normals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// City files to be.
    pub fn proposals(&self) -> MutexGuard<'_, Proposals> {
        self.proposals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The console's journal.
    pub fn acts(&self) -> MutexGuard<'_, Acts> {
        self.acts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the run fares.
    pub fn run(&self) -> RwLockReadGuard<'_, Run> {
        self.run.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the run fares, to change.
    pub fn run_mut(&self) -> RwLockWriteGuard<'_, Run> {
        self.run.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The city as its file has it now.
    pub fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The city file was read anew. Who is no longer in it is nobody from now on.
    pub fn reload(&self, city: Option<City>, text: Arc<str>) {
        let known = Arc::new(Known::new(city, text));
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&known);
        self.gate().city(known.city.as_ref());
        self.changed.send_modify(|version| *version += 1);
    }

    /// What the gate holds; waits for it on a thread that may.
    ///
    /// # Errors
    /// Where it cannot be reached.
    pub async fn actions(self: &Arc<App>, person: &str) -> Result<Vec<ActionView>, GateError> {
        let (app, person) = (Arc::clone(self), person.to_owned());
        waiting(move || app.gate().actions(&person)).await
    }

    /// The last entries of the gate's journal, oldest first; waits likewise.
    ///
    /// # Errors
    /// Where it cannot be reached.
    pub async fn decisions(self: &Arc<App>, person: &str, last: usize) -> Result<Vec<Value>, GateError> {
        let (app, person) = (Arc::clone(self), person.to_owned());
        waiting(move || app.gate().journal(&person, last)).await
    }

    /// A person asks the gate. It is in the journal before it is done, and so is what came of it.
    ///
    /// # Errors
    /// Where the journal cannot be written, or the gate refuses.
    pub async fn ask(self: &Arc<App>, person: String, ask: Ask, reason: String) -> Result<String, GateError> {
        let app = Arc::clone(self);
        waiting(move || {
            let act = |came: &str| Act {
                at: now(),
                who: person.clone(),
                what: ask.word().to_owned(),
                on: ask.action().to_owned(),
                why: reason.clone(),
                came: came.to_owned(),
            };
            let unrecorded = |e: ConsoleError| GateError::Refused {
                text: e.to_string(),
                message: None,
            };
            app.acts().record(act("asked")).map_err(unrecorded)?;
            let came = app.gate().ask(&person, &ask, &reason);
            let word = match &came {
                Ok(done) => done.clone(),
                Err(error) => error.to_string(),
            };
            if let Err(error) = app.acts().record(act(&word)) {
                log::error!(
                    "what came of {} is not in the console's journal: {error}",
                    ask.action()
                );
            }
            app.changed.send_modify(|version| *version += 1);
            came
        })
        .await
    }

    /// Records an act that the gate has no part in.
    ///
    /// # Errors
    /// Where the journal cannot be written.
    pub async fn record(
        self: &Arc<App>,
        who: &str,
        what: &str,
        on: &str,
        why: &str,
    ) -> Result<(), ConsoleError> {
        let act = Act {
            at: now(),
            who: who.to_owned(),
            what: what.to_owned(),
            on: on.to_owned(),
            why: why.to_owned(),
            came: String::new(),
        };
        let app = Arc::clone(self);
        tokio::task::spawn_blocking(move || app.acts().record(act))
            .await
            .unwrap_or_else(|e| Err(ConsoleError::Account(AccountError::System(e.to_string()))))
    }
}

/// Runs on a thread that may wait.
async fn waiting<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, GateError> + Send + 'static,
) -> Result<T, GateError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|e| Err(GateError::Unreachable(e.to_string())))
}

/// Wall time, seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

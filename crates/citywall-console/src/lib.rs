//! The console: what there is, what is wrong, why, what would be done, and a person's word on it.
//!
//! Owns: the pages and their API, accounts and sessions, the events behind a search, and who may do
//! what. Does not own: any judgement about traffic (it reads the log's lines), and any act: what a
//! person decides goes to the response's [`Gate`], and there is no other way. The data plane never
//! waits for it: lines that find no room in [`Feed`] are given up and counted.
//!
//! Entry point: [`start`]. Tokio lives here and nowhere else. Why the pages are made on the server:
//! `docs/adr/0017-the-console.md`.

mod accounts;
mod app;
mod archive;
mod board;
mod feed;
mod forecasts;
mod gate;
mod known;
mod normal;
mod packets;
mod passkeys;
mod permission;
mod proposal;
mod proposals;
mod proposed;
mod rehearsed;
mod review;
mod said;
mod server;
mod sessions;
mod text;
mod upkeep;
mod web;
mod words;

use std::io::{BufRead, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use citywall_policy::City;
use citywall_trust::journal::JournalError;

pub use accounts::{AccountError, leave_link};
pub use feed::Feed;
pub use forecasts::Forecasts;
pub use gate::{ActionView, Ask, Gate, GateError, GateKind, Messages};
pub use packets::{Packets, Seen, Wanted};
pub use proposal::{Backer, Needed, PolicyProposal, digest, needed};
pub use proposed::Reader;
pub use rehearsed::Rehearsed;
pub use said::Message;
pub use upkeep::{Disk, Drifted, Foreseen, ForeseenHour, Habit, Rests, Standing, Taken, Upkeep};

use app::{App, Parts};
use archive::Archive;
use board::Board;

/// Longest line that is recalled.
const LINE: u64 = 1 << 20;
/// Bytes of packed events that are kept to be searched.
const EVENTS: usize = 48 << 20;

/// Why the console cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The address.
    #[error("the console cannot listen on {address}: {error}; choose another with --console=ADDR")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// Accounts and what is kept beside them.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// TLS.
    #[error("{file}: {error}")]
    Certificate {
        /// The file.
        file: String,
        /// What is wrong.
        error: String,
    },
    /// A thread or a runtime.
    #[error("the console cannot start: {0}")]
    System(std::io::Error),
}

/// How the console is served.
pub struct Options {
    /// Where. Off loopback it speaks TLS alone.
    pub address: SocketAddr,
    /// The city.
    pub city: Option<City>,
    /// The text of its file; empty where there is none.
    pub city_text: Arc<str>,
    /// Turns a line of the log into events: what is proposed is learned from them.
    pub reader: Reader,
    /// Where acts go.
    pub gate: Box<dyn Gate>,
    /// Accounts, journal and certificate live here; without it in memory.
    pub folder: Option<PathBuf>,
    /// A certificate and its key of the city's own, PEM.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Traffic is live; else a replay.
    pub live: bool,
    /// Who keeps packets, where anybody does.
    pub packets: Option<Arc<dyn Packets>>,
    /// Who knows what the run rests on.
    pub upkeep: Option<Arc<dyn Upkeep>>,
}

/// A console that is served.
pub struct Console {
    /// The pipeline's end.
    pub feed: Feed,
    /// Where it is.
    pub url: String,
    /// The path of the one-time link, where nobody has an account yet.
    pub first_link: Option<String>,
    app: Arc<App>,
}

impl Console {
    /// Hears what an earlier run wrote, oldest first; before this run begins. It is shown, and nothing
    /// is proposed because of it.
    ///
    /// # Errors
    /// Where it cannot be read; what came before is shown.
    pub fn recall(&self, mut lines: impl BufRead) -> std::io::Result<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            // A line without end must not fill the memory.
            if lines.by_ref().take(LINE).read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            keep(
                &mut self.app.board_mut(),
                &mut self.app.archive_mut(),
                line.trim_ascii_end(),
            );
        }
    }

    /// What is to be told when the city file was read anew: pages, people and the gate go by that one from then on.
    /// It does not wait: a gate may.
    pub fn reloader(&self) -> impl Fn(Option<City>, Arc<str>) + Send + 'static {
        let app = Arc::clone(&self.app);
        move |city, text| {
            let app = Arc::clone(&app);
            let thread = std::thread::Builder::new().name("console-reload".into());
            if let Err(error) = thread.spawn(move || app.reload(city, text)) {
                log::error!("the console goes on with the old city file: {error}");
            }
        }
    }

    /// The run is over; `summary` tells it in numbers.
    pub fn finished(&self, summary: serde_json::Value) {
        self.app.run_mut().summary = summary;
        self.feed.end();
    }
}

/// Starts serving, on threads of its own.
///
/// # Errors
/// Where it cannot listen, or a file of the folder is not one of ours.
pub fn start(options: Options) -> Result<Console, ConsoleError> {
    let secure = !options.address.ip().is_loopback();
    let listen = |error| ConsoleError::Listen {
        address: options.address,
        error,
    };
    let socket = std::net::TcpListener::bind(options.address).map_err(listen)?;
    socket.set_nonblocking(true).map_err(listen)?;
    let address = socket.local_addr().map_err(listen)?;
    let tls = match (&options.certificate, secure) {
        (Some((certificate, key)), _) => Some(server::tls_of_files(certificate, key)?),
        (None, true) => {
            let names = vec![host_name(), "citywall.local".to_owned(), address.ip().to_string()];
            Some(server::tls_of_own(options.folder.as_deref(), &names)?)
        }
        (None, false) => None,
    };
    let secure = tls.is_some();
    let app = Arc::new(App::new(Parts {
        city: options.city,
        city_text: options.city_text,
        reader: options.reader,
        gate: options.gate,
        folder: options.folder,
        events: EVENTS,
        live: options.live,
        packets: options.packets,
        upkeep: options.upkeep,
        secure,
        hosts: server::hosts(address),
    })?);
    let feed = Feed::default();
    let (hearing, heard) = (Arc::clone(&app), feed.clone());
    let thread = std::thread::Builder::new().name("console-feed".into());
    thread
        .spawn(move || hear(&hearing, &heard))
        .map_err(ConsoleError::System)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(8)
        .thread_name("console-work")
        .build()
        .map_err(ConsoleError::System)?;
    let router = web::router(Arc::clone(&app));
    let thread = std::thread::Builder::new().name("console".into());
    let serve = move || {
        runtime.block_on(async move {
            match tokio::net::TcpListener::from_std(socket) {
                Ok(listener) => server::serve(listener, tls, router).await,
                Err(error) => log::error!("the console cannot listen: {error}"),
            }
        });
    };
    thread.spawn(serve).map_err(ConsoleError::System)?;
    let scheme = if secure { "https" } else { "http" };
    let first_link = {
        let mut accounts = app.accounts();
        match accounts.is_empty() {
            true => Some(format!("/link/{}", accounts.link(None)?)),
            false => None,
        }
    };
    Ok(Console {
        feed,
        url: match address.ip().is_unspecified() {
            true => format!("{scheme}://{}:{}", host_name(), address.port()),
            false => format!("{scheme}://{address}"),
        },
        first_link,
        app,
    })
}

/// Keeps a line; true where it is about an incident.
fn keep(board: &mut Board, archive: &mut Archive, line: &[u8]) -> bool {
    let read = board.hear(line);
    if let Some(read) = &read {
        archive.push(line, &read.kind, read.at, read.ends);
    }
    read.is_some_and(|read| read.incident)
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}

/// The thread that hears the log.
fn hear(app: &App, feed: &Feed) {
    let mut batch = feed::Batch::default();
    let mut over = false;
    loop {
        feed.take(&mut batch);
        if batch.shed > 0 {
            app.shed.fetch_add(batch.shed, Ordering::Relaxed);
        }
        let mut incidents = Vec::new();
        let lines: Vec<&[u8]> = batch
            .lines
            .split(|b| *b == b'\n')
            .filter(|l| !l.is_empty())
            .collect();
        // Pages are answered between two pieces.
        for piece in lines.chunks(256) {
            let mut board = app.board_mut();
            let mut archive = app.archive_mut();
            for line in piece {
                if keep(&mut board, &mut archive, line) {
                    incidents.push(*line);
                }
            }
        }
        // An enforcer hears from the sensor, and may keep who asks it waiting.
        if !incidents.is_empty() && app.gate_kind == GateKind::Rehearsal {
            let mut gate = app.gate();
            incidents.iter().for_each(|line| gate.line(line));
        }
        if batch.over && !over {
            over = true;
            if !app.live {
                app.gate().replayed();
            }
            app.run_mut().over = true;
        }
        if !lines.is_empty() || over {
            app.changed.send_modify(|version| *version += 1);
        }
        if over {
            return;
        }
    }
}

//! The devices: small programs that speak the real protocols, and write down all that they do.
//!
//! Owns: what a host serves and does all day, and running it: one process a host, one thread for
//! each server, connection and work. Does not own: the attacks (`attack`).

mod ber;
mod dhcp;
mod dns;
mod heartbeat;
mod http;
pub(crate) mod modbus;
mod mqtt;
mod ntp;
mod real;
mod serve;
pub(crate) mod snmp;
mod ssh;
mod syslog;
pub(crate) mod telnet;
mod work;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use dhcp::Lease;
pub(crate) use dns::{TXT, ask as dns_ask};
pub(crate) use http::{get as http_get, post as http_post};
pub use work::{Job, Work};

use crate::error::{RangeError, Result, file};
use crate::log::Log;

/// How long a client waits for an answer.
pub(crate) const ANSWER: Duration = Duration::from_millis(1_000);

/// What a host serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "serves", rename_all = "kebab-case")]
pub enum Server {
    /// A controller: coils and registers.
    Modbus,
    /// A signal controller: a few objects.
    Snmp,
    /// Whatever tells by SNMP how it is: a switch, a power supply.
    Agent,
    /// A shell by SSH.
    Ssh,
    /// A shell with a password.
    Telnet {
        /// The account.
        user: String,
        /// Its password.
        password: String,
    },
    /// A page.
    Http {
        /// Bytes of every page.
        bytes: usize,
    },
    /// A page of a server that is no small device.
    Web {
        /// Bytes of every page.
        bytes: usize,
    },
    /// A broker.
    Mqtt,
    /// Names.
    Dns,
    /// Addresses.
    Dhcp {
        /// Whose.
        leases: Vec<Lease>,
    },
    /// Time.
    Ntp,
    /// Takes log lines.
    Syslog,
    /// Answers beats of the heart.
    Heartbeat,
    /// Takes what it is given, on [`SINK_PORT`].
    Sink,
}

/// Where a [`Server::Sink`] listens.
pub const SINK_PORT: u16 = 8_443;

impl Server {
    /// A shell.
    pub fn telnet(user: &str, password: &str) -> Server {
        Server::Telnet {
            user: user.to_owned(),
            password: password.to_owned(),
        }
    }

    /// A page.
    pub fn http(bytes: usize) -> Server {
        Server::Http { bytes }
    }
}

/// What one process is to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// The host's name.
    pub host: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Where it writes what it did.
    pub log: PathBuf,
    /// What it serves.
    pub serves: Vec<Server>,
    /// What it does all day.
    pub works: Vec<Work>,
}

/// Runs a host until it is killed. `ready` is called when all its ports are open.
pub(crate) fn run(spec: &Path, ready: impl FnOnce()) -> Result<()> {
    let text = std::fs::read(spec).map_err(file(spec))?;
    let form = |error| RangeError::Form {
        what: spec.display().to_string(),
        error,
    };
    let spec: Spec = serde_json::from_slice(&text).map_err(form)?;
    let log = Arc::new(Log::open(&spec.log)?);
    for server in &spec.serves {
        if !real::start(server, &spec.log, &log) {
            start(server, &log).map_err(file(&spec.log))?;
        }
    }
    ready();
    let works = spec.works.iter().enumerate().map(|(index, work)| {
        let (work, log) = (work.clone(), Arc::clone(&log));
        std::thread::spawn(move || work::run(&work, index as u64, &log))
    });
    let works: Vec<_> = works.collect();
    for work in works {
        let _ = work.join();
    }
    // What only serves has nothing else to do.
    loop {
        std::thread::sleep(Duration::from_secs(3_600));
    }
}

/// Opens the server's port, and serves it in threads of its own.
fn start(server: &Server, log: &Arc<Log>) -> std::io::Result<()> {
    let log = Arc::clone(log);
    match server.clone() {
        Server::Modbus => modbus::serve(log),
        Server::Snmp | Server::Agent => snmp::serve(log),
        Server::Ssh => ssh::serve(log),
        Server::Telnet { user, password } => telnet::serve(user, password, log),
        Server::Http { bytes } | Server::Web { bytes } => http::serve(bytes, log),
        Server::Mqtt => mqtt::serve(log),
        Server::Dns => dns::serve(log),
        Server::Dhcp { leases } => dhcp::serve(leases, log),
        Server::Ntp => ntp::serve(log),
        Server::Syslog => syslog::serve(log),
        Server::Heartbeat => heartbeat::serve(log),
        Server::Sink => serve::sink(SINK_PORT, log),
    }
}

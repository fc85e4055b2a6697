//! The attacks: small programs, and real tools where they are installed; bounded in count and time.
//!
//! Owns: what an attacker can be told to do, doing it in a host's namespace, and writing down what
//! came of each try: the ground truth of the attack. Does not own: which attack belongs to which
//! scenario.

mod replay;
mod steps;
mod syns;
mod tool;

pub(crate) use syns::NOBODY;
pub(crate) use tool::find as find_tool;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{RangeError, Result, file};
use crate::log::Log;

/// One thing that an attacker does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub(crate) enum Step {
    /// Tries passwords on each target by telnet, and types lines where one is right.
    Telnet {
        targets: Vec<Ipv4Addr>,
        passwords: Vec<(String, String)>,
        lines: Vec<String>,
    },
    /// Opens TCP conversations and closes them.
    Scan { targets: Vec<Ipv4Addr>, ports: Vec<u16> },
    /// Writes a register, or switches a coil off.
    Modbus { to: Ipv4Addr, register: Option<u16> },
    /// Reads registers of a controller.
    ModbusRead { to: Ipv4Addr },
    /// Sets an object.
    Snmp {
        to: Ipv4Addr,
        community: String,
        oid: String,
    },
    /// Calls home by HTTP.
    Beacon { to: Ipv4Addr },
    /// Carries data out in names.
    DnsTunnel { via: Ipv4Addr },
    /// Carries data out, so many bytes each time.
    Exfiltrate { to: Ipv4Addr, bytes: usize },
    /// Sends UDP datagrams; `sources` are invented where given.
    Flood {
        to: Ipv4Addr,
        port: u16,
        sources: Vec<Ipv4Addr>,
        burst: u32,
    },
    /// Sends SYNs, each in the name of another address that nobody has.
    SynFlood { to: Ipv4Addr, port: u16, burst: u32 },
    /// Sends what services elsewhere would answer to somebody who asked in the target's name: datagrams from one
    /// port of many addresses.
    Reflect {
        to: Ipv4Addr,
        from_port: u16,
        burst: u32,
    },
    /// Reads an object.
    SnmpRead {
        to: Ipv4Addr,
        community: String,
        oid: String,
    },
    /// Plays recorded datagrams, which set an object in another's name, by tcpreplay.
    Replay {
        to: Ipv4Addr,
        source: Ipv4Addr,
        oid: String,
    },
    /// Takes another's address, and announces that.
    TakeAddress { address: Ipv4Addr },
    /// Asks for a page, as anybody may: used to see whether somebody still gets through.
    Page { to: Ipv4Addr },
    /// Runs a program of others.
    Tool { program: String, arguments: Vec<String> },
}

impl Step {
    /// Its name in the log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Step::Telnet { .. } => "telnet",
            Step::Scan { .. } => "scan",
            Step::Modbus { .. } => "modbus",
            Step::ModbusRead { .. } => "modbus-read",
            Step::Snmp { .. } => "snmp",
            Step::Beacon { .. } => "beacon",
            Step::DnsTunnel { .. } => "dns-tunnel",
            Step::Exfiltrate { .. } => "exfiltrate",
            Step::Flood { .. } => "flood",
            Step::SynFlood { .. } => "syn-flood",
            Step::Reflect { .. } => "reflect",
            Step::SnmpRead { .. } => "snmp-read",
            Step::Replay { .. } => "replay",
            Step::TakeAddress { .. } => "take-address",
            Step::Page { .. } => "page",
            Step::Tool { .. } => "tool",
        }
    }
}

/// A step, where, when and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// The host that does it.
    pub at: String,
    /// After the attack's beginning, milliseconds.
    pub after: u64,
    /// How often; bounded by [`MOST`].
    pub times: u32,
    /// Time from one to the next, milliseconds.
    pub every: u64,
    /// What.
    #[serde(flatten)]
    pub step: Step,
}

/// A step is done at most so often, and a part ends after so long.
const MOST: u32 = 2_000;
const LONGEST: Duration = Duration::from_secs(60);

impl Part {
    /// Once, at the beginning.
    pub(crate) fn once(at: &str, step: Step) -> Part {
        Part::repeated(at, 0, 1, 0, step)
    }

    /// Again and again.
    pub(crate) fn repeated(at: &str, after: u64, times: u32, every: u64, step: Step) -> Part {
        Part {
            at: at.to_owned(),
            after,
            times,
            every,
            step,
        }
    }
}

/// What one process is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub log: PathBuf,
    pub part: Part,
}

/// Does one part. `ready` is called before the attack's clock starts; `go` returns when it does.
pub(crate) fn run(spec: &Path, ready: impl FnOnce(), go: impl FnOnce()) -> Result<()> {
    let text = std::fs::read(spec).map_err(file(spec))?;
    let form = |error| RangeError::Form {
        what: spec.display().to_string(),
        error,
    };
    let spec: Spec = serde_json::from_slice(&text).map_err(form)?;
    let log = Log::open(&spec.log)?;
    ready();
    go();
    let part = &spec.part;
    let start = std::time::Instant::now();
    std::thread::sleep(Duration::from_millis(part.after));
    let mut attacker = steps::Attacker::new(&part.step, &log);
    let mut due = std::time::Instant::now();
    for count in 0..part.times.min(MOST) {
        if start.elapsed() > LONGEST {
            break;
        }
        attacker.try_once(count);
        due = (due + Duration::from_millis(part.every)).max(std::time::Instant::now());
        std::thread::sleep(due.saturating_duration_since(std::time::Instant::now()));
    }
    Ok(())
}

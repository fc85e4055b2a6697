//! The inline path as its user sees it: a process that was started, told orders, and tells refusals.
//!
//! Owns: starting `citywall inline` and talking to it over its standard input and output. Does not
//! own: what happens in it. To be called while the rights that the queues need are still there.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};

use anyhow::Context as _;
use citywall_event::Nanos;
use citywall_response::Measure;

use super::orders::Order;
use super::policy::Denial;

/// Lines that wait to be read; more are lost, and the process counts them.
const LINES: usize = 1_024;

/// Which files it decides by.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// The city file.
    pub city: Option<PathBuf>,
    /// Rules that drop or reject.
    pub rules: Vec<PathBuf>,
}

/// The running process. Dropping this ends it: queues are given back, and the kernel does with
/// marked packets what the queue rule says without a reader.
pub struct Attached {
    child: Child,
    orders: Option<ChildStdin>,
    output: Option<ChildStdout>,
}

impl Attached {
    /// Starts it on the two queues; it becomes `user` where it is root.
    ///
    /// # Errors
    /// Where no process can be started; that a queue cannot be had shows by its end.
    pub fn start(open: u16, closed: u16, files: &Files, user: Option<u32>) -> anyhow::Result<Attached> {
        let mut command = Command::new("/proc/self/exe");
        command.args(["inline", "--attached", "--queue-open", &open.to_string()]);
        command.args(["--queue-closed", &closed.to_string()]);
        if let Some(user) = user {
            command.args(["--user", &user.to_string()]);
        }
        if let Some(city) = &files.city {
            command.arg("--city").arg(city);
        }
        for rules in &files.rules {
            command.arg("--rules").arg(rules);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the inline path")?;
        let orders = child.stdin.take().context("no way to give orders")?;
        let output = child.stdout.take().context("no way to hear refusals")?;
        Ok(Attached {
            child,
            orders: Some(orders),
            output: Some(output),
        })
    }

    /// Hears what it tells: one JSON object a line (`"told": "refused"` is a refusal). `None` where
    /// somebody hears already. It takes a thread, so it is to be called once rights are given up:
    /// a thread keeps those that it was started with.
    pub fn listen(&mut self) -> Option<Receiver<String>> {
        let output = self.output.take()?;
        let (send, told) = sync_channel(LINES);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Nobody reads: what it tells is lost, not its work.
                if matches!(
                    send.try_send(line),
                    Err(std::sync::mpsc::TrySendError::Disconnected(_))
                ) {
                    return;
                }
            }
        });
        Some(told)
    }

    /// True while it runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Denies the commands of a measure until `until`; other measures are none of its business.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn deny(&mut self, id: &str, measure: &Measure, until: Nanos) -> std::io::Result<()> {
        let Measure::DenyCommand { from, to, verbs } = *measure else {
            return Ok(());
        };
        let denial = Denial {
            id: id.to_owned(),
            from,
            to,
            verbs,
            until,
        };
        self.line(&Order::Deny(denial).write())
    }

    /// Ends a denial.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn allow(&mut self, id: &str) -> std::io::Result<()> {
        self.line(&Order::Allow(id.to_owned()).write())
    }

    /// Takes a new city file.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn city(&mut self, path: &Path) -> std::io::Result<()> {
        self.line(format!("city {}", path.display()).as_bytes())
    }

    fn line(&mut self, line: &[u8]) -> std::io::Result<()> {
        let Some(orders) = &mut self.orders else {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        };
        orders.write_all(&[line, b"\n"].concat())?;
        orders.flush()
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // The end of its input is what ends it: a confined process may not send it a signal.
        self.orders = None;
        let until = std::time::Instant::now() + std::time::Duration::from_secs(3);
        while self.runs() && std::time::Instant::now() < until {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

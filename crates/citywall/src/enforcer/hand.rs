//! The hand: the one process that may touch the kernel's tables.
//!
//! Owns: its rights, and carrying orders out one at a time. Does not own: their layout (`orders`),
//! what becomes of them in the kernel (`kernel`), any decision.
//!
//! It is started by the enforcer before that gives its rights up, keeps `CAP_NET_ADMIN` and nothing
//! else, and reads nothing but fixed layouts from the enforcer and what `nft` answers. It parses no
//! packet, no city and no line of anybody. When the enforcer is gone, however it died, the kernel
//! closes its end of the line, and the hand ends. The timed elements stay, which the kernel itself
//! undoes; so does the queue rule, without which what is marked would pass unjudged in a fail-closed
//! zone, too. Asked to stop, the enforcer takes the rule out where no zone is fail-closed.

use std::io::Read;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use citywall_capture::RunAs;
use citywall_response::Held;
use citywall_response::firewall::Mode;
use rustix::net::{RecvFlags, SendFlags};

use super::confine::{self, Reach, Role};
use super::kernel::Kernel;
use super::orders::{Answer, DATAGRAM, ELEMENTS, Order, Status};
use crate::End;

/// Longest ruleset that is taken.
const PREPARED: u64 = 64 << 20;

/// The hand's arguments: from the enforcer, not from people.
#[derive(clap::Args, Clone, Debug)]
pub struct HandArgs {
    /// User to become.
    #[arg(long)]
    user: Option<u32>,
    /// The wall is a bridge.
    #[arg(long)]
    bridge: bool,
    /// Say what could be done that must not be, and end.
    #[arg(long)]
    probe: bool,
}

/// Runs the hand until the enforcer ends it or is gone.
///
/// # Errors
/// Where it cannot be confined, or its line breaks.
pub fn run(args: &HandArgs) -> anyhow::Result<End> {
    ignore_signals()?;
    let prepared = read_prepared().context("cannot read the prepared ruleset")?;
    let mode = if args.bridge { Mode::Bridge } else { Mode::Routed };
    let kernel = Kernel::new(prepared, mode);
    let started = give_up_rights(args);
    let (status, sentence) = match &started {
        Ok(()) => (Status::Done, String::new()),
        Err(error) => (Status::Failed, format!("{error:#}")),
    };
    answer(&Answer::new(0, status, &sentence))?;
    started?;
    if args.probe {
        answer(&Answer::new(
            1,
            Status::Done,
            &confine::probe(Role::Hand).join(", "),
        ))?;
    }
    serve(kernel)
}

fn give_up_rights(args: &HandArgs) -> anyhow::Result<()> {
    let run_as = match args.user {
        Some(user) => RunAs::User { uid: user, gid: user },
        None => RunAs::Same,
    };
    citywall_capture::keep_net_admin(run_as).context("cannot give up rights")?;
    let mut reach = Reach::default();
    // By name: not whatever lies beside them.
    let programs = super::nft::programs();
    let programs: Vec<&str> = programs.iter().map(String::as_str).collect();
    reach.execute_programs(&programs);
    // Names of protocols and services, which nft prints.
    reach.read.extend(
        [
            "/etc/protocols",
            "/etc/services",
            "/usr/share/iproute2",
            "/etc/iproute2",
            "/etc/xtables.conf",
        ]
        .map(Into::into),
    );
    confine::confine(Role::Hand, &reach)
}

/// A Ctrl-C goes to all processes of a terminal: the enforcer ends the hand in its own time.
fn ignore_signals() -> anyhow::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    Ok(())
}

/// The ruleset lies in memory that stands in for standard output.
fn read_prepared() -> std::io::Result<String> {
    let memory = std::io::stdout().as_fd().try_clone_to_owned()?;
    let mut text = String::new();
    std::fs::File::from(memory)
        .take(PREPARED)
        .read_to_string(&mut text)?;
    Ok(text)
}

fn serve(mut kernel: Kernel) -> anyhow::Result<End> {
    let mut buffer = vec![0; DATAGRAM + 1];
    let line = std::io::stdin();
    loop {
        let length = match rustix::net::recv(line.as_fd(), &mut buffer[..], RecvFlags::empty()) {
            Ok((_, 0)) => return Ok(End::Failed),
            Ok((_, length)) => length,
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => {
                log::error!("the line to the enforcer broke: {error}");
                return Ok(End::Failed);
            }
        };
        let bytes = buffer.get(..length).unwrap_or(&[]);
        let (number, order) = match Order::decode(bytes) {
            Ok(order) => order,
            Err(error) => {
                answer(&Answer::new(
                    number_of(bytes),
                    Status::Refused,
                    &error.to_string(),
                ))?;
                continue;
            }
        };
        fault::point("hand-before");
        let last = order == Order::End;
        let result = carry_out(&mut kernel, order);
        fault::point("hand-after");
        // Where nobody hears it any more the next reading says so.
        let _ = tell(number, result);
        if last {
            return Ok(End::Done);
        }
    }
}

/// The number of an order that could not be read, where there is one.
fn number_of(bytes: &[u8]) -> u32 {
    let number = bytes.get(4..8).and_then(|b| b.try_into().ok());
    number.map_or(0, u32::from_le_bytes)
}

fn carry_out(kernel: &mut Kernel, order: Order) -> Result<Vec<Held>, String> {
    match order {
        Order::Add(elements) => kernel.add(&elements).map(|()| Vec::new()),
        Order::Remove(elements) => kernel.remove(&elements).map(|()| Vec::new()),
        Order::List => kernel.list(),
        Order::Flush => kernel.flush().map(|()| Vec::new()),
        Order::Heartbeat => kernel.heartbeat().map(|()| Vec::new()),
        Order::Load => kernel.load().map(|()| Vec::new()),
        Order::InsertQueue => kernel.insert_queue().map(|()| Vec::new()),
        Order::JudgeAgain => kernel.judge_again().map(|()| Vec::new()),
        Order::End => kernel.end().map(|()| Vec::new()),
    }
}

/// Answers, in several pieces where there is much to list.
fn tell(number: u32, result: Result<Vec<Held>, String>) -> anyhow::Result<()> {
    let held = match result {
        Ok(held) => held,
        Err(sentence) => return answer(&Answer::new(number, Status::Failed, &sentence)),
    };
    let mut pieces = held.chunks(ELEMENTS).peekable();
    while let Some(piece) = pieces.next() {
        let status = match pieces.peek() {
            Some(_) => Status::More,
            None => Status::Done,
        };
        let mut message = Answer::new(number, status, "");
        message.held = piece.to_vec();
        answer(&message)?;
    }
    if held.is_empty() {
        answer(&Answer::new(number, Status::Done, ""))?;
    }
    Ok(())
}

fn answer(message: &Answer) -> anyhow::Result<()> {
    let bytes = message.encode()?;
    rustix::net::send(std::io::stdin().as_fd(), &bytes, SendFlags::NOSIGNAL).context("cannot answer")?;
    Ok(())
}

/// Places at which tests let a process die, in builds with debug assertions alone.
pub mod fault {
    /// Dies here, without any last word, where the environment names this place. `place:3` is the
    /// third time.
    pub fn point(_place: &str) {
        #[cfg(debug_assertions)]
        imp::point(_place);
    }

    #[cfg(debug_assertions)]
    mod imp {
        use std::sync::atomic::{AtomicU32, Ordering};

        static PASSED: AtomicU32 = AtomicU32::new(0);

        pub fn point(place: &str) {
            let Ok(named) = std::env::var("CITYWALL_FAULT") else {
                return;
            };
            let (name, times) = named.split_once(':').unwrap_or((&named, "1"));
            if name != place || PASSED.fetch_add(1, Ordering::Relaxed) + 1 != times.parse().unwrap_or(1) {
                return;
            }
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    }
}

//! `citywall inline`: holder and parser without the enforcer, for tests and for a first try.
//!
//! Owns: starting both halves, starting another parser where one is lost, orders from standard input
//! and refusals to standard output. Does not own: the halves. The rule that sends packets to the
//! queues is the caller's.

use std::io::{BufRead, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use citywall_capture::shared::{receive_message, send_message, socket_pair, wait};
use citywall_capture::{RunAs, drop_privileges, keep_net_admin};
use clap::Args;

use super::engine::Engine;
use super::holder::{Holder, Options, Parsers};
use super::orders::{MESSAGE, ORDERS, Order};
use super::parser::{self, now};
use super::policy::{DENIALS, Denial, Policy};
use crate::End;
use crate::cli::Files;
use crate::enforcer::confine::{self, Reach, Role, confine};
use crate::settings::Settings;

/// The shortest time between two starts of a parser.
const BETWEEN_STARTS: Duration = Duration::from_millis(200);

/// `citywall inline`.
#[derive(Args, Clone, Debug)]
pub struct InlineArgs {
    #[command(flatten)]
    pub files: Files,
    /// The queue whose packets pass where nobody judges them.
    #[arg(long, value_name = "N")]
    pub queue_open: Option<u16>,
    /// The queue whose packets are dropped where nobody judges them.
    #[arg(long, value_name = "N")]
    pub queue_closed: Option<u16>,
    /// After so many milliseconds without a verdict the zone's choice holds.
    #[arg(long, value_name = "MS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub late: u64,
    /// Microseconds that each half looks for work before it waits to be woken.
    #[arg(long, value_name = "US", default_value_t = 20, value_parser = clap::value_parser!(u64).range(0..=1_000))]
    pub spin: u64,
    /// End where nobody can give orders any more: who started this is gone.
    #[arg(long, hide = true)]
    pub attached: bool,
    /// User to become, where it is root; it keeps the one right that the queues need.
    #[arg(long, hide = true, value_name = "UID")]
    pub user: Option<u32>,
    /// This process is the parser; the holder's socket is its standard input.
    #[arg(long, hide = true)]
    pub parser: bool,
    /// Say what this half could do that it must not be able to, and end.
    #[arg(long, hide = true)]
    pub probe: bool,
}

/// Runs it until a signal ends it.
///
/// # Errors
/// Where a file is invalid or a queue cannot be had.
pub fn run(args: &InlineArgs) -> anyhow::Result<End> {
    if args.parser {
        return judge(args);
    }
    if args.queue_open.is_none() && args.queue_closed.is_none() {
        let error = crate::command::Invalid("name a queue: --queue-open N, --queue-closed N, or both".into());
        return Err(anyhow::Error::new(error));
    }
    // The files' errors are told before anything is touched.
    load(args)?;
    let options = Options {
        open: args.queue_open,
        closed: args.queue_closed,
        late: Duration::from_millis(args.late),
        spin: Duration::from_micros(args.spin),
    };
    let mut holder = Holder::open(options)?;
    // Verdicts need it; all else was for opening. A parser that is started inherits it and gives it up.
    let run_as = args
        .user
        .map_or(RunAs::Same, |user| RunAs::User { uid: user, gid: user });
    keep_net_admin(run_as).context("cannot give up rights")?;
    confine(Role::Holder, &reach(args)?)?;
    if args.probe {
        return Ok(probe(Role::Holder));
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("signals")?;
    }
    let orders = Shared::default();
    let mut children = Children {
        args: args.clone(),
        child: None,
        started: None,
        orders: Arc::clone(&orders),
    };
    let listening = Arc::clone(&orders);
    let (attached, over) = (args.attached, Arc::clone(&stop));
    std::thread::spawn(move || {
        listen(&listening);
        if attached {
            over.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    });
    let telling = Arc::clone(&orders);
    std::thread::spawn(move || tell(&telling));
    let done = holder.run(&mut children, &stop);
    children.lost("the end");
    let c = holder.counts;
    log::info!(
        "{} packets; unjudged: {} passed, {} dropped; late {} times, {} parsers lost, {} verdicts invalid",
        c.packets,
        c.passed,
        c.dropped,
        c.late,
        c.lost,
        c.invalid
    );
    done?;
    Ok(End::Done)
}

fn load(args: &InlineArgs) -> anyhow::Result<Engine> {
    let settings = Settings::load(&args.files, None, None, None)?;
    for refused in &settings.refused {
        log::warn!("{refused}");
    }
    let rules = Some(Arc::clone(&settings.rules));
    let policy = match &settings.city {
        Some(city) => Policy::new(city, rules),
        None => Policy::of_rules(rules),
    };
    Ok(Engine::new(policy))
}

/// The parser's process.
fn judge(args: &InlineArgs) -> anyhow::Result<End> {
    let engine = load(args)?;
    let socket = std::io::stdin().as_fd().try_clone_to_owned()?;
    drop_privileges(RunAs::Same).context("cannot give up rights")?;
    confine(Role::Parser, &Reach::default())?;
    if args.probe {
        return Ok(probe(Role::Parser));
    }
    parser::run(&socket, engine, Duration::from_micros(args.spin))?;
    Ok(End::Done)
}

/// What the holder may touch: what its parsers read while they start, this program, and the folder
/// of the city file, which is read again when it is changed.
fn reach(args: &InlineArgs) -> anyhow::Result<Reach> {
    let mut reach = Reach::default();
    let files = &args.files;
    for file in files.city.iter().chain(&files.config).chain(&files.rules) {
        reach.read_beside(file);
    }
    reach.read.push("/proc/self".into());
    reach.execute_programs(&[]);
    let program = std::env::current_exe().context("this program's own path")?;
    reach.execute.push(program);
    Ok(reach)
}

/// Tells what is open that must not be.
fn probe(role: Role) -> End {
    let open = confine::probe(role);
    outln!("{role:?}: [{}]", open.join(", "));
    if open.is_empty() { End::Done } else { End::Failed }
}

/// What parsers are told.
#[derive(Default)]
struct Orders {
    /// Our end of the socket, while there is a parser.
    socket: Option<OwnedFd>,
    /// What is denied: a new parser must know it, too.
    denials: Vec<Denial>,
}

impl Orders {
    /// Keeps what a later parser has to know.
    fn note(&mut self, order: &Order) -> anyhow::Result<()> {
        match order {
            Order::Deny(denial) => {
                let now = now();
                self.denials.retain(|d| d.until > now && d.id != denial.id);
                anyhow::ensure!(self.denials.len() < DENIALS, "too many denials");
                self.denials.push(denial.clone());
            }
            Order::Allow(id) => self.denials.retain(|d| d.id != *id),
            Order::City | Order::Count => {}
        }
        Ok(())
    }
}

type Shared = Arc<Mutex<Orders>>;

fn locked(orders: &Shared) -> MutexGuard<'_, Orders> {
    orders.lock().unwrap_or_else(PoisonError::into_inner)
}

fn current(orders: &Shared) -> Option<OwnedFd> {
    locked(orders).socket.as_ref().and_then(|fd| fd.try_clone().ok())
}

/// Starts parsers as processes of this program.
struct Children {
    args: InlineArgs,
    child: Option<Child>,
    started: Option<Instant>,
    orders: Shared,
}

impl Children {
    fn start(&mut self) -> anyhow::Result<OwnedFd> {
        let (ours, theirs) = socket_pair()?;
        let (orders, orders_theirs) = socket_pair()?;
        send_message(ours.as_fd(), ORDERS, &[orders_theirs.as_fd()])?;
        let mut command = Command::new("/proc/self/exe");
        command.args(["inline", "--parser", "--spin", &self.args.spin.to_string()]);
        let one = |name: &str, path: &Option<PathBuf>, command: &mut Command| {
            if let Some(path) = path {
                command.arg(name).arg(path);
            }
        };
        one("--city", &self.args.files.city, &mut command);
        one("--config", &self.args.files.config, &mut command);
        for rules in &self.args.files.rules {
            command.arg("--rules").arg(rules);
        }
        let child = command
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start the parser")?;
        log::info!("parser: process {}", child.id());
        self.child = Some(child);
        let mut known = locked(&self.orders);
        for denial in &known.denials {
            let order = Order::Deny(denial.clone()).write();
            if let Err(error) = send_message(orders.as_fd(), &order, &[]) {
                log::error!("the new parser does not know that {} denies: {error}", denial.id);
            }
        }
        known.socket = Some(orders);
        drop(known);
        Ok(ours)
    }
}

impl Parsers for Children {
    fn next(&mut self) -> Option<OwnedFd> {
        if self.started.is_some_and(|at| at.elapsed() < BETWEEN_STARTS) {
            return None;
        }
        self.started = Some(Instant::now());
        self.start().inspect_err(|error| log::error!("{error:#}")).ok()
    }

    fn lost(&mut self, _why: &str) {
        locked(&self.orders).socket = None;
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Orders from standard input, one JSON object a line; `city FILE` sends a city file.
fn listen(orders: &Shared) {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let sent = match line.strip_prefix("city ") {
            Some(path) => send_city(orders, path),
            None => send(orders, line.as_bytes()),
        };
        if let Err(error) = sent {
            outln!(
                "{}",
                serde_json::json!({"told": "refused-order", "reason": format!("{error:#}")})
            );
        }
    }
}

fn send(orders: &Shared, message: &[u8]) -> anyhow::Result<()> {
    let order = Order::read(message)?;
    let mut known = locked(orders);
    known.note(&order)?;
    match (&known.socket, order) {
        (Some(socket), _) => Ok(send_message(socket.as_fd(), message, &[])?),
        // The next parser is told at its start.
        (None, Order::Deny(_) | Order::Allow(_)) => Ok(()),
        (None, _) => anyhow::bail!("there is no parser"),
    }
}

fn send_city(orders: &Shared, path: &str) -> anyhow::Result<()> {
    let socket = current(orders).context("there is no parser")?;
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {path}"))?;
    Ok(send_message(
        socket.as_fd(),
        &Order::City.write(),
        &[file.as_fd()],
    )?)
}

/// What the parser tells, to standard output.
fn tell(orders: &Shared) {
    let mut buffer = [0; MESSAGE];
    loop {
        let Some(socket) = current(orders) else {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        if wait(&[socket.as_fd()], Duration::from_millis(200)).is_err() {
            return;
        }
        match receive_message(socket.as_fd(), &mut buffer) {
            Ok(Some((len, _))) => {
                let line = String::from_utf8_lossy(buffer.get(..len).unwrap_or(&[])).into_owned();
                let mut out = std::io::stdout().lock();
                if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
                    return;
                }
            }
            Ok(None) => {}
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

//! How fast the inline path is, and what it adds to the way of a packet.
//!
//! Owns: a router in network namespaces of its own with `citywall inline` behind its queue, one
//! iperf3 flow through it, and a probe that asks and is answered beside that flow. Does not own:
//! what the figures are held against (`docs/performance.md`). Nothing outside is touched.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::Parser;

const SERVER: &str = "10.77.2.2";
const PROBE: u16 = 7_001;
/// Between two questions of the probe.
const PACE: Duration = Duration::from_millis(1);

/// Rules that a flow of random bytes never matches, but is searched for.
const RULES: &str = "drop tcp any any -> any any (msg:\"bench\"; content:\"evil-drop-xyz\"; sid:1;)\n\
    drop tcp any any -> any any (msg:\"bench\"; content:\"cmd.exe\"; nocase; sid:2;)\n\
    reject tcp any any -> any 502 (msg:\"bench\"; content:\"|00 5a|\"; offset:6; sid:3;)\n";

const NETWORK: &str = "mount -t tmpfs none /run; mkdir /run/netns; ip link set lo up
    echo 1 > /proc/sys/net/ipv4/ip_forward
    for n in 1 2; do
        ip netns add n$n
        ip link add r$n type veth peer name eth0 netns n$n
        ip addr add 10.77.$n.1/24 dev r$n; ip link set r$n up
        ip -n n$n addr add 10.77.$n.2/24 dev eth0
        ip -n n$n link set eth0 up; ip -n n$n link set lo up
        ip -n n$n route add default via 10.77.$n.1
    done";

/// `cargo xtask inline-bench`.
#[derive(Parser, Debug)]
pub struct Args {
    /// The binary that is measured.
    #[arg(long, default_value = "target/release/citywall")]
    binary: PathBuf,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 4)]
    seconds: u32,
    /// The part that this process plays; for its own use.
    #[arg(long, hide = true)]
    role: Option<String>,
}

/// Runs it.
pub fn run(args: &Args) -> anyhow::Result<()> {
    match args.role.as_deref() {
        None => again_in_namespaces(args),
        Some("inside") => inside(args),
        Some("echo") => echo(),
        Some("ask") => ask(args.seconds),
        Some(other) => bail!("no such role: {other}"),
    }
}

fn again_in_namespaces(args: &Args) -> anyhow::Result<()> {
    ensure!(
        args.binary.exists(),
        "{} is not there: cargo build --release",
        args.binary.display()
    );
    let status = Command::new("unshare")
        .args(["-Urnm", "--kill-child"])
        .arg(std::env::current_exe()?)
        .args([
            "inline-bench",
            "--role",
            "inside",
            "--seconds",
            &args.seconds.to_string(),
        ])
        .arg("--binary")
        .arg(&args.binary)
        .status()
        .context("unshare")?;
    ensure!(status.success(), "the measurement failed");
    Ok(())
}

fn sh(script: &str) -> anyhow::Result<()> {
    let status = Command::new("sh").args(["-ec", script]).status()?;
    ensure!(status.success(), "{script}");
    Ok(())
}

/// Ended when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(namespace: &str, program: &[&str]) -> anyhow::Result<Running> {
    let child = Command::new("ip")
        .args(["netns", "exec", namespace])
        .args(program)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    Ok(Running(child))
}

fn output(namespace: &str, program: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("ip")
        .args(["netns", "exec", namespace])
        .args(program)
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program:?}: {told}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// One flow; at most so many bits a second (0 = all that goes). Gives bits a second that arrived.
fn flow(seconds: u32, limit: f64) -> anyhow::Result<f64> {
    let _server = start("n2", &["iperf3", "-s", "-1"])?;
    std::thread::sleep(Duration::from_millis(400));
    let (seconds, limit) = (seconds.to_string(), format!("{limit:.0}"));
    let text = output(
        "n1",
        &["iperf3", "-c", SERVER, "-t", &seconds, "-b", &limit, "--json"],
    )?;
    let value: serde_json::Value = serde_json::from_str(&text)?;
    value["end"]["sum_received"]["bits_per_second"]
        .as_f64()
        .context("iperf3 tells no rate")
}

/// Microseconds of a question with its answer, beside a flow of this rate: median, p99, worst.
fn latency(seconds: u32, rate: f64) -> anyhow::Result<[f64; 3]> {
    let me = std::env::current_exe()?.display().to_string();
    let _echo = start("n2", &[&me, "inline-bench", "--role", "echo"])?;
    let background = (rate > 0.0).then(|| std::thread::spawn(move || flow(seconds + 2, rate)));
    std::thread::sleep(Duration::from_secs(1));
    let wait = seconds.to_string();
    let text = output("n1", &[&me, "inline-bench", "--role", "ask", "--seconds", &wait])?;
    if let Some(background) = background {
        let reached = background
            .join()
            .map_err(|_| anyhow::anyhow!("the flow failed"))??;
        println!("      (beside {:.2} Gbit/s)", reached / 1e9);
    }
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    numbers
        .try_into()
        .map_err(|_| anyhow::anyhow!("the probe says {text:?}"))
}

fn inside(args: &Args) -> anyhow::Result<()> {
    sh(NETWORK)?;
    let plain = flow(args.seconds, 0.0)?;
    println!("without a queue  {:.2} Gbit/s, one flow", plain / 1e9);
    let rules = format!("/run/citywall-bench-{}.rules", std::process::id());
    std::fs::write(&rules, RULES)?;
    let queue = "iptables -t mangle -A FORWARD -j NFQUEUE --queue-num 101";
    let begin = || -> anyhow::Result<Running> {
        let child = Command::new(&args.binary)
            .args(["-q", "inline", "--queue-closed", "101", "--rules", &rules])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        std::thread::sleep(Duration::from_millis(800));
        Ok(Running(child))
    };
    let running = begin()?;
    sh(queue)?;
    let inline = flow(args.seconds, 0.0)?;
    println!("inline           {:.2} Gbit/s, one flow, rules on", inline / 1e9);
    let half = inline / 2.0;
    let busy = latency(args.seconds, half)?;
    let quiet = latency(args.seconds, 0.0)?;
    drop(running);
    sh(&queue.replace("-A", "-D"))?;
    let without = latency(args.seconds, half)?;
    let without_quiet = latency(args.seconds, 0.0)?;
    let line = |what: &str, with: [f64; 3], without: [f64; 3]| {
        println!("{what}: question and answer, microseconds: median / p99 / worst");
        println!("    inline  {:.0} / {:.0} / {:.0}", with[0], with[1], with[2]);
        println!(
            "    without {:.0} / {:.0} / {:.0}",
            without[0], without[1], without[2]
        );
        // Both the question and the answer pass the queue.
        println!(
            "    added to each packet at p99: {:.0}",
            (with[1] - without[1]) / 2.0
        );
    };
    line("at half load", busy, without);
    line("at rest", quiet, without_quiet);
    Ok(())
}

fn echo() -> anyhow::Result<()> {
    for stream in TcpListener::bind((SERVER, PROBE))?.incoming() {
        let mut stream = stream?;
        stream.set_nodelay(true)?;
        let mut bytes = [0; 8];
        while stream.read_exact(&mut bytes).is_ok() {
            stream.write_all(&bytes)?;
        }
    }
    Ok(())
}

fn ask(seconds: u32) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect((SERVER, PROBE))?;
    stream.set_nodelay(true)?;
    let end = Instant::now() + Duration::from_secs(seconds.into());
    let mut took = Vec::new();
    while Instant::now() < end {
        let start = Instant::now();
        stream.write_all(b"\x81question"[..8].as_ref())?;
        stream.read_exact(&mut [0; 8])?;
        took.push(start.elapsed().as_secs_f64() * 1e6);
        std::thread::sleep(PACE);
    }
    took.sort_by(f64::total_cmp);
    let at = |part: f64| {
        let place = (took.len() as f64 * part) as usize;
        took.get(place.min(took.len().saturating_sub(1)))
            .copied()
            .unwrap_or(0.0)
    };
    println!("{} {} {}", at(0.5), at(0.99), at(1.0));
    Ok(())
}

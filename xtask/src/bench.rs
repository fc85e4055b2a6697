//! `cargo xtask bench`: packets, bits and events per CPU second and peak memory, per capture.
//!
//! Owns: the captures that it makes for itself (floods of small frames, long streams, very many
//! short flows), running binaries over captures, and the table. Figures are CPU time, which other
//! work on the machine disturbs less than wall time; two binaries are compared in one run, in turn.

use std::fs;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use citywall_capture::PcapWriter;
use citywall_packet::LinkType;
use serde_json::Value;

/// `cargo xtask bench`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Captures to measure besides our own (repeatable).
    #[arg(long, value_name = "FILE")]
    pub pcap: Vec<PathBuf>,
    /// A second binary to compare with, measured in turn in the same run.
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// Worker counts to measure.
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    pub workers: Vec<u16>,
    /// Runs of each; the median counts.
    #[arg(long, default_value_t = 3)]
    pub runs: usize,
    /// Only these event types are written (Suricata's default log: flow,dns,http,tls).
    #[arg(long, value_delimiter = ',')]
    pub types: Vec<String>,
    /// Leave out our own captures.
    #[arg(long)]
    pub only_given: bool,
    /// Count instructions of the hot stages with valgrind instead (one run, slow).
    #[arg(long)]
    pub instructions: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

struct Measured {
    packets: f64,
    bytes: f64,
    events: f64,
    cpu: f64,
    wall: f64,
    memory: f64,
    busiest: f64,
}

/// Runs the command.
///
/// # Errors
/// Where a binary or capture cannot be run.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let status = Command::new("cargo")
        .args(["build", "--release", "--locked", "-p", "citywall"])
        .status()?;
    if !status.success() {
        bail!("the release build failed");
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let own = Path::new(&target).join("release/citywall");
    let work = tempdir()?;
    let mut captures = args.pcap.clone();
    if !args.only_given {
        captures.extend(make_captures(&work)?);
    }
    if args.instructions {
        return captures
            .iter()
            .try_for_each(|capture| instructions(&own, capture, &work));
    }
    let config = work.join("bench.toml");
    let types: Vec<String> = args.types.iter().map(|t| format!("{t:?}")).collect();
    fs::write(&config, format!("[events]\ntypes = [{}]\n", types.join(", ")))?;
    let mut binaries = vec![own];
    binaries.extend(args.against.clone());
    let mut rows = Vec::new();
    for capture in &captures {
        for workers in &args.workers {
            let mut runs: Vec<Vec<Measured>> = binaries.iter().map(|_| Vec::new()).collect();
            for _ in 0..args.runs.max(1) {
                for (binary, runs) in binaries.iter().zip(&mut runs) {
                    runs.push(measure(binary, capture, *workers, &config, &work)?);
                }
            }
            for (binary, mut runs) in binaries.iter().zip(runs) {
                runs.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
                let median = runs.swap_remove(runs.len() / 2);
                rows.push((binary.clone(), capture.clone(), *workers, median));
            }
        }
    }
    fs::remove_dir_all(&work)?;
    print(&rows, args.json);
    Ok(())
}

fn tempdir() -> anyhow::Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("citywall-bench-{}", std::process::id()));
    fs::create_dir_all(&path)?;
    Ok(path)
}

fn measure(
    binary: &Path,
    capture: &Path,
    workers: u16,
    config: &Path,
    work: &Path,
) -> anyhow::Result<Measured> {
    let out = work.join("out");
    let output = Command::new(binary)
        .args([
            "-q",
            "watch",
            "--json",
            "--workers",
            &workers.to_string(),
            "--pcap",
        ])
        .arg(capture)
        .arg("--out")
        .arg(&out)
        .arg("--config")
        .arg(config)
        .output()
        .with_context(|| format!("cannot run {}", binary.display()))?;
    let summary: Value = serde_json::from_slice(&output.stdout).with_context(|| {
        format!(
            "{}: {}",
            capture.display(),
            String::from_utf8_lossy(&output.stderr)
        )
    })?;
    fs::remove_dir_all(&out)?;
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    let timing = &summary["timing"];
    let sum = |value: &Value| value.as_object().map_or(0.0, |o| o.values().map(number).sum());
    let busiest = timing["thread_cpu_seconds"]
        .as_object()
        .map_or(0.0, |o| o.values().map(number).fold(0.0, f64::max));
    Ok(Measured {
        packets: number(&summary["packets"]),
        bytes: number(&summary["bytes"]),
        events: sum(&summary["events"]),
        cpu: number(&timing["cpu_seconds"]),
        wall: number(&timing["wall_seconds"]),
        memory: number(&timing["peak_memory_bytes"]),
        busiest,
    })
}

fn print(rows: &[(PathBuf, PathBuf, u16, Measured)], json: bool) {
    if json {
        let list: Vec<Value> = rows
            .iter()
            .map(|(binary, capture, workers, m)| {
                serde_json::json!({
                    "binary": binary, "capture": capture, "workers": workers, "packets": m.packets,
                    "events": m.events, "cpu_seconds": m.cpu, "wall_seconds": m.wall,
                    "peak_memory_bytes": m.memory, "busiest_thread_seconds": m.busiest,
                })
            })
            .collect();
        println!("{}", Value::from(list));
        return;
    }
    println!(
        "{:<28} {:>3} {:>10} {:>8} {:>8} {:>10} {:>9} {:>9} {:>7} {:>8}  binary",
        "capture",
        "w",
        "packets",
        "CPU s",
        "wall s",
        "Mpkt/CPU-s",
        "Gbit/CPU-s",
        "kev/CPU-s",
        "MB",
        "busiest"
    );
    for (binary, capture, workers, m) in rows {
        let cpu = m.cpu.max(1e-9);
        println!(
            "{:<28} {:>3} {:>10} {:>8.2} {:>8.2} {:>10.2} {:>9.2} {:>9.0} {:>7.0} {:>6.0} %  {}",
            capture.file_name().unwrap_or_default().to_string_lossy(),
            workers,
            m.packets,
            m.cpu,
            m.wall,
            m.packets / cpu / 1e6,
            m.bytes * 8.0 / cpu / 1e9,
            m.events / cpu / 1e3,
            m.memory / 1e6,
            m.busiest / cpu * 100.0,
            binary.display()
        );
    }
}

/// Instructions by function, as valgrind counts them: equal from run to run.
fn instructions(binary: &Path, capture: &Path, work: &Path) -> anyhow::Result<()> {
    let counts = work.join("callgrind.out");
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(binary)
        .args(["-q", "watch", "--json", "--workers", "1", "--pcap"])
        .arg(capture)
        .stdout(std::process::Stdio::null())
        .status()
        .context("valgrind is needed: apt-get install valgrind")?;
    if !status.success() {
        bail!("valgrind ended with {status}");
    }
    println!("{}", capture.display());
    let output = Command::new("callgrind_annotate")
        .arg("--threshold=90")
        .arg(&counts)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    for line in text
        .lines()
        .filter(|l| l.contains("PROGRAM TOTALS") || l.contains("citywall"))
        .take(40)
    {
        println!("  {}", line.chars().take(150).collect::<String>());
    }
    Ok(())
}

/// Fills a capture.
type Make = fn(&mut Maker) -> anyhow::Result<()>;

fn make_captures(work: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let makers: [(&str, Make); 3] = [
        ("flood-64.pcap", flood),
        ("long-streams.pcap", long_streams),
        ("short-flows.pcap", short_flows),
    ];
    let mut made = Vec::new();
    for (name, make) in makers {
        let path = work.join(name);
        let mut maker = Maker {
            writer: PcapWriter::new(
                BufWriter::with_capacity(1 << 20, fs::File::create(&path)?),
                LinkType::ETHERNET,
            )?,
            at: 1_700_000_000_000_000_000,
            frame: Vec::new(),
        };
        make(&mut maker)?;
        maker.writer.finish()?;
        made.push(path);
    }
    Ok(made)
}

struct Maker {
    writer: PcapWriter<BufWriter<fs::File>>,
    at: i64,
    frame: Vec<u8>,
}

impl Maker {
    /// One TCP segment in an Ethernet/IPv4 frame; checksums are left as offload leaves them.
    fn tcp(
        &mut self,
        ends: [(u32, u16); 2],
        seq: u32,
        ack: u32,
        flags: u8,
        data: &[u8],
    ) -> anyhow::Result<()> {
        let [(src, sport), (dst, dport)] = ends;
        let total = 40 + data.len() as u16;
        let f = &mut self.frame;
        f.clear();
        f.extend_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
        f.extend_from_slice(&[0x45, 0]);
        f.extend_from_slice(&total.to_be_bytes());
        f.extend_from_slice(&[0, 1, 0x40, 0, 64, 6, 0, 0]);
        f.extend_from_slice(&src.to_be_bytes());
        f.extend_from_slice(&dst.to_be_bytes());
        f.extend_from_slice(&sport.to_be_bytes());
        f.extend_from_slice(&dport.to_be_bytes());
        f.extend_from_slice(&seq.to_be_bytes());
        f.extend_from_slice(&ack.to_be_bytes());
        f.extend_from_slice(&[0x50, flags, 0xfa, 0xf0]);
        // The partial sum of the pseudo-header: what a card that computes checksums is given.
        let words = [
            src >> 16,
            src & 0xffff,
            dst >> 16,
            dst & 0xffff,
            6,
            u32::from(total - 20),
        ];
        let sum: u32 = words.iter().sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        f.extend_from_slice(&(((folded & 0xffff) + (folded >> 16)) as u16).to_be_bytes());
        f.extend_from_slice(&[0, 0]);
        f.extend_from_slice(data);
        f.resize(f.len().max(60), 0);
        self.at += 2_000;
        let (at, len) = (self.at, self.frame.len() as u32);
        self.writer.write(at, len, &self.frame)?;
        Ok(())
    }
}

/// A SYN flood of 2 million frames from ever new sources.
fn flood(maker: &mut Maker) -> anyhow::Result<()> {
    for i in 0..2_000_000u32 {
        let source = 0x0a00_0000 | (i.wrapping_mul(2_654_435_761) >> 9);
        maker.tcp(
            [(source, 1024 + (i % 60_000) as u16), (0xc0a8_0001, 80)],
            i,
            0,
            0x02,
            &[],
        )?;
    }
    Ok(())
}

/// Eight streams of 50 MB each, in turn.
fn long_streams(maker: &mut Maker) -> anyhow::Result<()> {
    let data = vec![0x5a; 1448];
    for stream in 0..8u32 {
        let (client, server) = ((0x0a01_0000 + stream, 40_000), (0xc0a8_0002, 9_000));
        maker.tcp([client, server], 1, 0, 0x02, &[])?;
        maker.tcp([server, client], 1, 2, 0x12, &[])?;
        maker.tcp([client, server], 2, 2, 0x10, &[])?;
        for i in 0..36_000u32 {
            maker.tcp([server, client], 2 + i * 1448, 2, 0x10, &data)?;
            if i % 2 == 1 {
                maker.tcp([client, server], 2, 2 + (i + 1) * 1448, 0x10, &[])?;
            }
        }
    }
    Ok(())
}

/// A million short conversations of five packets.
fn short_flows(maker: &mut Maker) -> anyhow::Result<()> {
    for i in 0..1_000_000u32 {
        let client = (0x0a02_0000 + (i >> 8), 20_000 + (i & 0xff) as u16);
        let server = (0xc0a8_0003, 8_000);
        maker.tcp([client, server], 1, 0, 0x02, &[])?;
        maker.tcp([server, client], 1, 2, 0x12, &[])?;
        maker.tcp([client, server], 2, 2, 0x18, b"status\r\n")?;
        maker.tcp([server, client], 2, 10, 0x19, b"ok\r\n")?;
        maker.tcp([client, server], 10, 7, 0x11, &[])?;
    }
    Ok(())
}

//! `summary.json`: the run in numbers. Written always, for an empty input too.

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::output::eve::create_private;
use crate::packets::Kept;
use crate::pipeline::ordered::Stage;
use crate::pipeline::run::Outcome;

/// Time and memory of the run, as the kernel counted them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Wall-clock seconds.
    pub wall: f64,
    /// CPU seconds of the whole process.
    pub cpu: f64,
    /// Peak resident memory in bytes.
    pub peak_memory: u64,
}

impl Usage {
    /// Asks the kernel. `started` is when the process began its work.
    pub fn now(started: std::time::Instant) -> Usage {
        let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: u64 = peak
            .and_then(|p| p.split_whitespace().next()?.parse().ok())
            .unwrap_or(0);
        Usage {
            wall: started.elapsed().as_secs_f64(),
            cpu: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
            peak_memory: kib * 1024,
        }
    }
}

fn utc(at: Option<i64>) -> Value {
    at.map_or(Value::Null, |at| {
        let mut text = Vec::new();
        citywall_event::json::time(&mut text, at);
        String::from_utf8_lossy(&text).into_owned().into()
    })
}

/// The run in numbers.
pub fn summary(outcome: &Outcome, stage: &Stage, usage: &Usage, workers: u16, kept: Option<Kept>) -> Value {
    let prepare = &outcome.prepare;
    let worker = &outcome.workers;
    let mut judge = stage.judge().counters();
    judge.insert("thresholds_forgotten", stage.thresholds_forgotten());
    // A class that a model is for, once a day of it was judged.
    let drift: serde_json::Map<String, Value> = stage
        .judge()
        .drift()
        .map(|(class, f)| {
            let shift = (f.index * 100.0).round() / 100.0;
            let figure = json!({ "shift": shift, "devices_judged": f.judged, "devices_moved": f.moved, "suddenly": f.suddenly });
            (class.to_owned(), figure)
        })
        .collect();
    let mut malformed = prepare.malformed.clone();
    crate::stats::add_maps(&mut malformed, worker.malformed.clone());
    let log = stage.log();
    let lost = log.map_or(0, |log| log.lost);
    let shed = worker.flows_evicted > 0
        || worker.stream_shed > 0
        || worker.sessions_shed > 0
        || worker.alerts_shed > 0
        || worker.rule_budget > 0
        || outcome.defrag_evicted > 0
        || judge.values().any(|count| *count > 0)
        || outcome.kernel_drops > 0
        || lost > 0;
    let packets_kept = kept.map(
        |kept| json!({ "bytes": kept.bytes, "budget_bytes": kept.budget, "packets_given_up": kept.shed }),
    );
    let per_cpu = |count: u64| (count as f64 / usage.cpu.max(1e-9)).round();
    json!({
        "format": citywall_event::FORMAT,
        "version": env!("CARGO_PKG_VERSION"),
        "packets": prepare.packets,
        "bytes": prepare.bytes,
        "first": utc(prepare.first),
        "last": utc(prepare.last),
        "time_went_backward": prepare.backward,
        "link_types": prepare.links.iter().map(|(k, v)| (k.to_string(), json!(v))).collect::<serde_json::Map<_, _>>(),
        "flows": { "opened": worker.flows, "peak": worker.flows_peak },
        "app_protos": worker.protocols,
        "events": stage.counts,
        "malformed": malformed,
        "alerts_held_back": stage.held_back,
        "drops": { "kernel": outcome.kernel_drops, "events_not_written": lost },
        "evictions": {
            "flows": worker.flows_evicted,
            "stream_bytes": worker.stream_shed,
            "sessions": worker.sessions_shed,
            "alerts": worker.alerts_shed,
            "datagrams": outcome.defrag_evicted,
            "rule_budget": worker.rule_budget,
            "judge": judge,
        },
        "drift": drift,
        "log_parts_removed": log.map_or(0, |log| log.removed),
        "packets_kept": packets_kept,
        "nothing_was_shed": !shed,
        "interrupted": outcome.interrupted,
        "damaged_inputs": outcome.damage.iter().map(|d| json!({
            "file": d.file, "offset": d.offset, "packets": d.frames, "what": d.what,
        })).collect::<Vec<_>>(),
        "alerting": stage.alerting().counters(),
        "timing": {
            "wall_seconds": round(usage.wall),
            "cpu_seconds": round(usage.cpu),
            "peak_memory_bytes": usage.peak_memory,
            "workers": workers,
            "packets_per_cpu_second": per_cpu(prepare.packets),
            "events_per_cpu_second": per_cpu(stage.counts.values().sum()),
            "thread_cpu_seconds": outcome.threads.iter().map(|(name, s)| (name.clone(), json!(round(*s)))).collect::<serde_json::Map<_, _>>(),
        },
    })
}

fn round(seconds: f64) -> f64 {
    (seconds * 1e4).round() / 1e4
}

/// Writes the summary beside the log.
///
/// # Errors
/// Where the file cannot be written.
pub fn write(directory: &Path, summary: &Value) -> std::io::Result<()> {
    let mut file = create_private(&directory.join("summary.json"))?;
    serde_json::to_writer_pretty(&mut file, summary)?;
    file.write_all(b"\n")
}

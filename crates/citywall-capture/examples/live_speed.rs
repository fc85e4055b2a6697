//! Counts what arrives on an interface: `live_speed NAME SECONDS WORKERS`. Needs CAP_NET_RAW.

use std::time::{Duration, Instant};

use citywall_capture::{Batch, CaptureError, FrameSource, Interface, LiveOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let name = words.next().ok_or("which interface?")?;
    let seconds: u64 = words.next().ok_or("for how many seconds?")?.parse()?;
    let workers: u16 = words.next().ok_or("how many workers?")?.parse()?;
    let options = LiveOptions {
        workers,
        fanout_group: std::process::id() as u16,
        ..LiveOptions::default()
    };
    let open = |worker| Interface::open(&name, LiveOptions { worker, ..options });
    let sources = (0..workers).map(open).collect::<Result<Vec<_>, _>>()?;
    let until = Instant::now() + Duration::from_secs(seconds);
    let threads: Vec<_> = sources
        .into_iter()
        .map(|source| std::thread::spawn(move || count(source, until)))
        .collect();
    for (worker, thread) in threads.into_iter().enumerate() {
        let (frames, bytes, drops, cpu) = thread.join().map_err(|_| "a worker panicked")??;
        let cost = cpu * 1e9 / frames.max(1) as f64;
        println!(
            "worker {worker}: {frames} frames, {bytes} bytes, {drops} dropped, {cost:.0} ns CPU a frame"
        );
    }
    Ok(())
}

/// Frames, bytes, drops and CPU seconds of a worker.
fn count(mut source: Interface, until: Instant) -> Result<(u64, u64, u64, f64), CaptureError> {
    let (mut batch, mut frames, mut bytes) = (Batch::default(), 0, 0);
    while Instant::now() < until {
        source.next_batch(&mut batch)?;
        frames += batch.frames.len() as u64;
        bytes += batch
            .frames
            .iter()
            .map(|meta| u64::from(meta.wire_len))
            .sum::<u64>();
    }
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos: f64 = text
        .split(' ')
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(0.0);
    Ok((frames, bytes, source.drops(), nanos / 1e9))
}

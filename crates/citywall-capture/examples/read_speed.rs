//! Reads captures to their end and says how fast that went: `read_speed FILE...`.

use std::path::PathBuf;
use std::time::Instant;

use citywall_capture::{Batch, FileLimits, Files, FrameSource};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let mut files = Files::open(&paths, FileLimits::default())?;
    let (mut batch, mut frames, mut bytes, mut batches, mut sum) = (Batch::default(), 0u64, 0u64, 0u64, 0u64);
    while files.next_batch(&mut batch)? {
        batches += 1;
        frames += batch.frames.len() as u64;
        for meta in &batch.frames {
            let frame = batch.frame(meta);
            bytes += frame.data.len() as u64;
            sum = sum.wrapping_add(u64::from(frame.data.first().copied().unwrap_or(0)));
        }
    }
    let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    println!("{frames} frames, {bytes} bytes, {batches} batches, check sum {sum:x}");
    println!(
        "{wall:.3} s, {cpu:.3} CPU s, {:.1} ns CPU a frame",
        cpu * 1e9 / frames.max(1) as f64
    );
    println!("{:.2} million frames a CPU second", frames as f64 / cpu / 1e6);
    for damage in files.damage() {
        println!("{} at {}: {}", damage.file, damage.offset, damage.what);
    }
    Ok(())
}

/// CPU time of this thread so far, by the scheduler's own count.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos: f64 = text
        .split(' ')
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(0.0);
    nanos / 1e9
}

//! Threads, queues and signals: a replay or a live run from start to end.
//!
//! Replay: one preparing thread feeds all workers the same batches; a single worker prepares for
//! itself, which spares the processor the way of each packet from one core to another. Live: each
//! worker has its own ring and prepares for itself. The caller's thread is the ordered stage in all.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant, SystemTime};

use citywall_capture::{Batch, CaptureError, Damage, FrameSource};
use citywall_event::{Event, Nanos};
use citywall_packet::DefragStats;

use super::facts::Facts;
use super::merge::Merge;
use super::ordered::Stage;
use super::prepare::{Prepared, Preparer};
use super::worker::Worker;
use crate::output::progress::Progress;
use crate::settings::Settings;
use crate::stats::{PrepareStats, Seen, WorkerStats};

/// Batches that wait before each worker.
const QUEUE: usize = 3;

/// Emptied facts that are kept to be filled again; each is about a megabyte.
const SPARES: usize = 16;

/// Live, lines wait at most this long before they are in the file.
const SHOW_AFTER: Duration = Duration::from_millis(100);

/// What the outside asks of a run.
#[derive(Default)]
pub struct Signals {
    /// Ctrl-C or a service stop: finish what was read.
    pub stop: Arc<AtomicBool>,
    /// SIGHUP: read the files again.
    pub reload: Arc<AtomicBool>,
}

/// Settings that can be exchanged while a run goes on.
pub struct Shared {
    current: RwLock<Arc<Settings>>,
    generation: AtomicU64,
}

impl Shared {
    /// Starts with these.
    pub fn new(settings: Arc<Settings>) -> Shared {
        Shared {
            current: RwLock::new(settings),
            generation: AtomicU64::new(0),
        }
    }

    /// The settings in force.
    pub fn get(&self) -> Arc<Settings> {
        Arc::clone(
            &self
                .current
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }

    /// Puts new ones in force.
    pub fn set(&self, settings: Arc<Settings>) {
        *self
            .current
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = settings;
        self.generation.fetch_add(1, Ordering::Release);
    }
}

/// What a run found out about itself.
#[derive(Default)]
pub struct Outcome {
    /// Counters of preparation.
    pub prepare: PrepareStats,
    /// Counters of the workers.
    pub workers: WorkerStats,
    /// Datagrams given up because the defragmenter was full.
    pub defrag_evicted: u64,
    /// Frames that the kernel dropped.
    pub kernel_drops: u64,
    /// Inputs that ended early.
    pub damage: Vec<Damage>,
    /// Why the run ended early, if it did.
    pub error: Option<CaptureError>,
    /// It was asked to stop.
    pub interrupted: bool,
    /// CPU seconds by thread name.
    pub threads: Vec<(String, f64)>,
}

// One a batch: a box would cost more than the copy.
#[allow(clippy::large_enum_variant)]
enum Message {
    Facts(usize, Facts),
    End(usize, Box<Ending>),
}

#[derive(Default)]
struct Ending {
    workers: WorkerStats,
    prepare: PrepareStats,
    defrag: DefragStats,
    drops: u64,
    damage: Vec<Damage>,
    error: Option<CaptureError>,
    cpu: f64,
}

/// Emptied facts on their way back to the workers.
type Spares = Mutex<Vec<Facts>>;

fn take_spare(spares: &Spares) -> Facts {
    spares
        .lock()
        .map(|mut s| s.pop().unwrap_or_default())
        .unwrap_or_default()
}

fn give_spares(spares: &Spares, emptied: &mut Vec<Facts>) {
    if let Ok(mut spares) = spares.lock() {
        let room = SPARES.saturating_sub(spares.len());
        spares.extend(emptied.drain(..).take(room));
    }
    emptied.clear();
}

/// CPU seconds of the calling thread.
pub fn thread_cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Replays a source to its end.
pub fn replay(
    source: Box<dyn FrameSource>,
    shared: &Shared,
    workers: u16,
    stage: &mut Stage,
    signals: &Signals,
    show_progress: bool,
) -> Outcome {
    let workers = workers.max(1);
    if workers == 1 {
        let way = Way::Replay(show_progress.then(Progress::start));
        return alone(vec![source], vec![way], shared, stage, signals);
    }
    let spares = Spares::default();
    let (to_order, from_workers) = sync_channel::<Message>(usize::from(workers) * 2);
    std::thread::scope(|scope| {
        let mut lanes = Vec::new();
        for index in 0..workers {
            let (to_worker, batches) = sync_channel::<Arc<Prepared>>(QUEUE);
            lanes.push(to_worker);
            let to_order = to_order.clone();
            let spares = &spares;
            spawn(scope, format!("worker-{index}"), move || {
                follow(index, workers, shared, &batches, &to_order, spares);
            });
        }
        drop(to_order);
        let (to_caller, ended) = sync_channel::<Ending>(1);
        let stop = Arc::clone(&signals.stop);
        spawn(scope, "prepare".into(), move || {
            let ending = read(source, shared, lanes, &stop, show_progress);
            let _ = to_caller.send(ending);
        });
        let mut outcome = order(&from_workers, workers.into(), shared, stage, signals, &spares);
        if let Ok(ending) = ended.recv() {
            outcome.add(ending, "prepare".into());
        }
        outcome.finish(signals);
        outcome
    })
}

/// Hears all events that one worker finds in a source, in its order; nothing behind the workers runs.
/// Gives what was damaged.
///
/// # Errors
/// Where the source cannot be read.
pub fn events(
    source: &mut dyn FrameSource,
    settings: &Arc<Settings>,
    hear: &mut dyn FnMut(&Event),
) -> Result<Vec<Damage>, CaptureError> {
    let mut take = |facts: &Facts| facts.events.iter().for_each(&mut *hear);
    let mut preparer = Preparer::new(settings, 1, 1);
    let mut worker = Worker::new(Arc::clone(settings), 0, 1);
    let mut prepared = Prepared::default();
    let mut facts = Facts::default();
    while source.next_batch(&mut prepared.batch)? {
        preparer.prepare(&mut prepared);
        facts = worker.work(&prepared, facts, &mut |part| {
            take(&part);
            part
        });
        take(&facts);
    }
    let (facts, _) = worker.finish(preparer.last(), facts, &mut |part| {
        take(&part);
        part
    });
    take(&facts);
    Ok(source.damage().to_vec())
}

impl Outcome {
    fn add(&mut self, ending: Ending, name: String) {
        self.workers.add(ending.workers);
        self.prepare.add(ending.prepare);
        self.defrag_evicted += ending.defrag.evicted;
        self.kernel_drops += ending.drops;
        self.damage.extend(ending.damage);
        self.error = self.error.take().or(ending.error);
        self.threads.push((name, ending.cpu));
    }

    fn finish(&mut self, signals: &Signals) {
        self.threads.push(("order".into(), thread_cpu()));
        self.threads.sort_by(|a, b| a.0.cmp(&b.0));
        self.interrupted = signals.stop.load(Ordering::Relaxed);
    }
}

/// Spawns a named thread in a scope. A thread that cannot be made is fatal before any work.
fn spawn<'scope, 'env: 'scope>(
    scope: &'scope std::thread::Scope<'scope, 'env>,
    name: String,
    work: impl FnOnce() + Send + 'scope,
) {
    if let Err(error) = std::thread::Builder::new()
        .name(name.clone())
        .spawn_scoped(scope, work)
    {
        log::error!("cannot start thread {name}: {error}");
    }
}

/// The preparing thread of a replay.
fn read(
    mut source: Box<dyn FrameSource>,
    shared: &Shared,
    lanes: Vec<SyncSender<Arc<Prepared>>>,
    stop: &AtomicBool,
    show_progress: bool,
) -> Ending {
    let settings = shared.get();
    let mut preparer = Preparer::new(&settings, 1, lanes.len() as u16);
    let mut progress = show_progress.then(Progress::start);
    let mut in_flight: VecDeque<Arc<Prepared>> = VecDeque::new();
    let mut error = None;
    while !stop.load(Ordering::Relaxed) {
        let mut prepared = reuse(&mut in_flight);
        match source.next_batch(&mut prepared.batch) {
            Ok(true) => {}
            Ok(false) => break,
            Err(failure) => {
                error = Some(failure);
                break;
            }
        }
        preparer.prepare(&mut prepared);
        if let Some(progress) = &mut progress {
            let (done, all) = source.progress();
            progress.update(preparer.stats.packets, done, all);
        }
        let prepared = Arc::new(prepared);
        for lane in &lanes {
            // A worker that is gone has failed; the others go on.
            let _ = lane.send(Arc::clone(&prepared));
        }
        in_flight.push_back(prepared);
    }
    preparer.finish();
    if let Some(progress) = &mut progress {
        progress.finish();
    }
    Ending {
        defrag: preparer.defragmenter().stats(),
        prepare: preparer.stats,
        drops: source.drops(),
        damage: source.damage().to_vec(),
        error,
        cpu: thread_cpu(),
        ..Ending::default()
    }
}

/// A batch that all workers are done with, or a new one. The queues bound how many there are.
fn reuse(in_flight: &mut VecDeque<Arc<Prepared>>) -> Prepared {
    if in_flight
        .front()
        .is_some_and(|oldest| Arc::strong_count(oldest) == 1)
        && let Some(Ok(prepared)) = in_flight.pop_front().map(Arc::try_unwrap)
    {
        return prepared;
    }
    Prepared::default()
}

/// A worker thread of a replay.
fn follow(
    index: u16,
    workers: u16,
    shared: &Shared,
    batches: &Receiver<Arc<Prepared>>,
    to_order: &SyncSender<Message>,
    spares: &Spares,
) {
    let mut worker = Worker::new(shared.get(), index, workers);
    let mut generation = shared.generation.load(Ordering::Acquire);
    let lane = usize::from(index);
    let mut last = (0, 0, 0);
    let mut spill = |facts| carry_off(facts, lane, to_order, spares);
    while let Ok(prepared) = batches.recv() {
        refresh(&mut worker, shared, &mut generation);
        last = prepared.last;
        let mut facts = worker.work(&prepared, take_spare(spares), &mut spill);
        // All workers are given all packets: one of them counts.
        let (packets, bytes) = if index == 0 { prepared.counted } else { (0, 0) };
        facts.seen = Some(Seen {
            packets,
            bytes,
            ..worker.seen()
        });
        drop(prepared);
        if to_order.send(Message::Facts(lane, facts)).is_err() {
            return;
        }
    }
    let (facts, stats) = worker.finish(last, take_spare(spares), &mut spill);
    let _ = to_order.send(Message::Facts(lane, facts));
    let ending = Ending {
        workers: stats,
        cpu: thread_cpu(),
        ..Ending::default()
    };
    let _ = to_order.send(Message::End(lane, Box::new(ending)));
}

/// Gives facts to the ordered stage in the middle of a batch.
fn carry_off(facts: Facts, lane: usize, to_order: &SyncSender<Message>, spares: &Spares) -> Facts {
    // An ordered stage that is gone has ended the run; what follows is of no use.
    let _ = to_order.send(Message::Facts(lane, facts));
    take_spare(spares)
}

fn refresh(worker: &mut Worker, shared: &Shared, generation: &mut u64) {
    let now = shared.generation.load(Ordering::Acquire);
    if now != *generation {
        *generation = now;
        worker.reload(shared.get());
    }
}

/// The ordered stage: merges until all workers have ended.
fn order(
    from_workers: &Receiver<Message>,
    workers: usize,
    shared: &Shared,
    stage: &mut Stage,
    signals: &Signals,
    spares: &Spares,
) -> Outcome {
    let mut merge = Merge::new(workers);
    let mut outcome = Outcome::default();
    let mut seen = vec![Seen::default(); workers];
    let mut shown = Instant::now();
    loop {
        match from_workers.recv_timeout(SHOW_AFTER) {
            Ok(Message::Facts(lane, facts)) => {
                if let (Some(old), Some(new)) = (seen.get_mut(lane), facts.seen) {
                    *old = new;
                }
                stage.carried(&facts.carried);
                merge.push(lane, facts);
            }
            Ok(Message::End(lane, ending)) => {
                merge.end(lane);
                outcome.add(*ending, format!("worker-{lane}"));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if signals.reload.swap(false, Ordering::Relaxed) {
            reload(shared, stage);
        }
        if let Some(low) = merge.drain(|facts, record| stage.record(facts, record)) {
            stage.advance(low);
        }
        if shown.elapsed() >= SHOW_AFTER {
            shown = Instant::now();
            stage.show(&Seen::sum(&seen));
        }
        give_spares(spares, &mut merge.spare);
    }
    merge.drain(|facts, record| stage.record(facts, record));
    // A short run may have shown nothing yet, and metrics go on to be asked for while a console serves.
    stage.show(&Seen::sum(&seen));
    outcome
}

/// Reads city, configuration and rules again; what is invalid leaves the old ones in force.
fn reload(shared: &Shared, stage: &mut Stage) {
    match shared.get().reload() {
        Ok(settings) => {
            let settings = Arc::new(settings);
            shared.set(Arc::clone(&settings));
            stage.reload(settings);
            log::warn!("reloaded the city file, the configuration and the rules");
        }
        Err(error) => log::error!("not reloaded, the old files stay in force: {error:#}"),
    }
}

/// Watches live until asked to stop. `sources` holds one ring a worker, already open.
pub fn live(
    sources: Vec<Box<dyn FrameSource>>,
    shared: &Shared,
    stage: &mut Stage,
    signals: &Signals,
) -> Outcome {
    let ways = sources.iter().map(|_| Way::Live(None)).collect();
    alone(sources, ways, shared, stage, signals)
}

/// How a worker that prepares for itself goes on and ends.
enum Way {
    /// At once when asked to stop; shows how far it is.
    Replay(Option<Progress>),
    /// Once what had come before it was asked is done.
    Live(Option<LastCall>),
}

impl Way {
    /// True where the run is over; `last` is the batch before.
    fn is_over(&mut self, source: &dyn FrameSource, last: &Batch) -> bool {
        match self {
            Way::Replay(_) => true,
            Way::Live(call) => call
                .get_or_insert_with(|| LastCall::now(source.lag()))
                .is_over(last),
        }
    }

    fn show(&mut self, source: &dyn FrameSource, packets: u64) {
        if let Way::Replay(Some(progress)) = self {
            let (done, all) = source.progress();
            progress.update(packets, done, all);
        }
    }
}

/// Workers that each have a source of their own and prepare for themselves.
fn alone(
    sources: Vec<Box<dyn FrameSource>>,
    ways: Vec<Way>,
    shared: &Shared,
    stage: &mut Stage,
    signals: &Signals,
) -> Outcome {
    let workers = sources.len() as u16;
    let spares = Spares::default();
    let (to_order, from_workers) = sync_channel::<Message>(sources.len() * 4);
    std::thread::scope(|scope| {
        for ((index, source), way) in (0u16..).zip(sources).zip(ways) {
            let to_order = to_order.clone();
            let (spares, stop) = (&spares, &signals.stop);
            spawn(scope, format!("worker-{index}"), move || {
                watch((index, workers), source, way, shared, &to_order, spares, stop);
            });
        }
        drop(to_order);
        let mut outcome = order(&from_workers, workers.into(), shared, stage, signals, &spares);
        outcome.finish(signals);
        outcome
    })
}

/// A worker's thread: fetch, prepare, work.
fn watch(
    (index, workers): (u16, u16),
    mut source: Box<dyn FrameSource>,
    mut way: Way,
    shared: &Shared,
    to_order: &SyncSender<Message>,
    spares: &Spares,
    stop: &AtomicBool,
) {
    let lane = usize::from(index);
    let settings = shared.get();
    let mut generation = shared.generation.load(Ordering::Acquire);
    // The packets have been shared out: all that comes is this worker's.
    let mut preparer = Preparer::new(&settings, workers, 1);
    let mut worker = Worker::new(settings, 0, workers);
    let mut prepared = Prepared::default();
    let mut error = None;
    let mut spill = |facts| carry_off(facts, lane, to_order, spares);
    loop {
        if stop.load(Ordering::Relaxed) && way.is_over(&*source, &prepared.batch) {
            break;
        }
        refresh(&mut worker, shared, &mut generation);
        match source.next_batch(&mut prepared.batch) {
            Ok(true) => {}
            Ok(false) => break,
            Err(failure) => {
                error = Some(failure);
                if let Way::Live(_) = way {
                    // The others' rings are of the same interface.
                    stop.store(true, Ordering::Relaxed);
                }
                break;
            }
        }
        let mut facts = if prepared.batch.frames.is_empty() {
            // The others' finds wait for this: what is older than that would have come.
            let now = preparer.advance(wall_clock().saturating_sub(source.lag()));
            worker.idle(now, index, take_spare(spares), &mut spill)
        } else {
            preparer.prepare(&mut prepared);
            worker.work(&prepared, take_spare(spares), &mut spill)
        };
        facts.seen = Some(Seen {
            packets: preparer.stats.packets,
            bytes: preparer.stats.bytes,
            drops: source.drops(),
            ..worker.seen()
        });
        way.show(&*source, preparer.stats.packets);
        if to_order.send(Message::Facts(lane, facts)).is_err() {
            return;
        }
    }
    preparer.finish();
    let (facts, stats) = worker.finish(preparer.last(), take_spare(spares), &mut spill);
    let _ = to_order.send(Message::Facts(lane, facts));
    if let Way::Replay(Some(progress)) = &mut way {
        progress.finish();
    }
    let ending = Ending {
        workers: stats,
        defrag: preparer.defragmenter().stats(),
        prepare: preparer.stats,
        drops: source.drops(),
        damage: source.damage().to_vec(),
        error,
        cpu: thread_cpu(),
    };
    let _ = to_order.send(Message::End(lane, Box::new(ending)));
}

/// The end of a live run: what had arrived when it was asked for is still taken out of the ring,
/// or it would be lost without being counted anywhere.
struct LastCall {
    at: Nanos,
    asked: Instant,
    lag: Duration,
}

impl LastCall {
    fn now(lag: Nanos) -> LastCall {
        LastCall {
            at: wall_clock(),
            asked: Instant::now(),
            lag: Duration::from_nanos(lag.unsigned_abs()),
        }
    }

    /// `last` is the batch before. A source that is empty when its lag is over has nothing older; a
    /// clock that was set back must not delay the end without bound.
    fn is_over(&self, last: &Batch) -> bool {
        let waited = self.asked.elapsed();
        let all = match last.frames.last() {
            Some(frame) => frame.at > self.at,
            None => waited > self.lag * 2,
        };
        all || waited > Duration::from_secs(5)
    }
}

/// The machine's clock: used in live runs alone, to let time-outs fall due in silence.
fn wall_clock() -> Nanos {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Nanos::try_from(since.as_nanos()).unwrap_or(Nanos::MAX)
}

//! Alerts leave the box: syslog, webhook, metrics.
//!
//! Owns: which events are sent, the bounded queue before each sink, retries and counters. A sink
//! that is slow or gone never holds up the ordered stage: its queue fills, and what does not fit is
//! counted as dropped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use citywall_event::{Body, Context, Event};

use super::metrics::Metrics;
use super::reporting::Reporting;
use super::syslog::{Syslog, Target};
use super::webhook::Webhook;
use crate::config::Config;
use crate::pipeline::losses::Carried;
use crate::stats::Seen;

/// Messages that wait for one sink.
const QUEUE: usize = 1_024;

/// Tries before a message is given up.
const TRIES: u32 = 4;

/// How long the end of a run waits for what is still queued.
const PATIENCE: Duration = Duration::from_secs(5);

/// An event on its way out.
pub struct Message {
    /// Its line, without the line feed.
    pub line: Vec<u8>,
    /// Its type.
    pub kind: &'static str,
    /// 1 (worst) to 4.
    pub severity: u8,
    /// Packet time.
    pub at: i64,
}

/// Something that a message can be given to.
pub trait Sink: Send + 'static {
    /// Delivers it.
    ///
    /// # Errors
    /// A text for the log; the message is tried again.
    fn send(&mut self, message: &Message) -> Result<(), String>;
}

#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

struct Lane {
    name: &'static str,
    queue: Option<SyncSender<Arc<Message>>>,
    counts: Arc<Counts>,
    done: Receiver<()>,
}

/// All sinks.
pub struct Alerting {
    lanes: Vec<Lane>,
    metrics: Option<Metrics>,
    reporting: Option<Reporting>,
}

impl Alerting {
    /// Starts the sinks that the configuration names.
    ///
    /// # Errors
    /// Where an address cannot be used.
    pub fn start(config: &Config, metrics: Option<std::net::SocketAddr>) -> anyhow::Result<Alerting> {
        let mut lanes = Vec::new();
        if let Some(syslog) = &config.syslog {
            let target = Target::parse(&syslog.address).map_err(anyhow::Error::msg)?;
            lanes.push(Lane::start("syslog", Syslog::new(target)));
        }
        if let Some(webhook) = &config.webhook {
            let token = webhook
                .token_env
                .as_ref()
                .and_then(|name| std::env::var(name).ok());
            lanes.push(Lane::start("webhook", Webhook::new(&webhook.url, token)));
        }
        let metrics = metrics.map(Metrics::serve).transpose()?;
        Ok(Alerting {
            lanes,
            metrics,
            reporting: None,
        })
    }

    /// Reports incidents to the enforcer that serves this socket.
    ///
    /// # Errors
    /// Where no thread can be started.
    pub fn report_to(&mut self, socket: &std::path::Path) -> std::io::Result<()> {
        self.reporting = Some(Reporting::start(socket)?);
        Ok(())
    }

    /// Sends the event if it is one that people want to hear of. `line` is empty where its type is
    /// not written; it is rendered then.
    pub fn event(&mut self, event: &Event, line: &[u8], context: &Context) {
        if let Some(reporting) = &mut self.reporting {
            reporting.event(event, context);
        }
        if self.lanes.is_empty() {
            return;
        }
        let severity = match &event.body {
            Body::Alert(alert) => alert.severity,
            Body::Incident(incident) => incident.severity,
            Body::Violation(_) => 2,
            Body::Behaviour(_) => 3,
            Body::Action(_) => 2,
            _ => return,
        };
        let mut text = line.to_vec();
        if text.is_empty() {
            event.write(&mut text, None);
        }
        while text.last() == Some(&b'\n') {
            text.pop();
        }
        let kind = event.body.event_type().unwrap_or("");
        let message = Arc::new(Message {
            line: text,
            kind,
            severity,
            at: event.at,
        });
        for lane in &self.lanes {
            let taken = lane
                .queue
                .as_ref()
                .is_some_and(|queue| queue.try_send(Arc::clone(&message)).is_ok());
            if !taken {
                lane.counts.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// How packets fared, for the enforcer.
    pub fn carried(&mut self, carried: &[Carried]) {
        if let Some(reporting) = &mut self.reporting {
            reporting.carried(carried);
        }
    }

    /// Shows the counts to whoever scrapes.
    pub fn heartbeat(&mut self, counts: &BTreeMap<&'static str, u64>, seen: &Seen) {
        if let Some(reporting) = &mut self.reporting {
            reporting.tick();
        }
        if let Some(metrics) = &mut self.metrics {
            let sinks = counters(&self.lanes);
            metrics.update(seen, counts, &sinks);
        }
    }

    /// Waits a bounded time for what is queued.
    pub fn finish(&mut self) {
        if let Some(reporting) = &mut self.reporting {
            reporting.finish();
        }
        let until = Instant::now() + PATIENCE;
        for lane in &mut self.lanes {
            lane.queue = None;
            let left = until.saturating_duration_since(Instant::now());
            if lane.done.recv_timeout(left) == Err(RecvTimeoutError::Timeout) {
                log::warn!(
                    "{}: not everything could be sent in {} s",
                    lane.name,
                    PATIENCE.as_secs()
                );
            }
        }
    }

    /// Sent, dropped and failed messages by sink.
    pub fn counters(&self) -> BTreeMap<&'static str, BTreeMap<&'static str, u64>> {
        let mut all = counters(&self.lanes);
        if let Some(reporting) = &self.reporting {
            all.insert("enforcer", BTreeMap::from(reporting.counters()));
        }
        all
    }
}

fn counters(lanes: &[Lane]) -> BTreeMap<&'static str, BTreeMap<&'static str, u64>> {
    let count = |c: &AtomicU64| c.load(Ordering::Relaxed);
    lanes
        .iter()
        .map(|lane| {
            let c = &lane.counts;
            let values = [("sent", &c.sent), ("dropped", &c.dropped), ("failed", &c.failed)];
            (
                lane.name,
                values
                    .into_iter()
                    .map(|(name, value)| (name, count(value)))
                    .collect(),
            )
        })
        .collect()
}

impl Lane {
    fn start(name: &'static str, sink: impl Sink) -> Lane {
        let (queue, messages) = sync_channel::<Arc<Message>>(QUEUE);
        let (ended, done) = sync_channel(1);
        let counts = Arc::new(Counts::default());
        let own = Arc::clone(&counts);
        let thread = std::thread::Builder::new().name(name.into());
        let started = thread.spawn(move || {
            deliver(name, sink, &messages, &own);
            let _ = ended.send(());
        });
        if let Err(error) = started {
            log::error!("{name}: cannot start: {error}");
        }
        Lane {
            name,
            queue: Some(queue),
            counts,
            done,
        }
    }
}

fn deliver(name: &str, mut sink: impl Sink, messages: &Receiver<Arc<Message>>, counts: &Counts) {
    while let Ok(message) = messages.recv() {
        let mut wait = Duration::from_millis(200);
        let mut sent = false;
        for round in 1..=TRIES {
            match sink.send(&message) {
                Ok(()) => {
                    sent = true;
                    break;
                }
                Err(error) if round == TRIES => log::error!("{name}: given up after {TRIES} tries: {error}"),
                Err(error) => {
                    log::debug!("{name}: {error}; trying again");
                    std::thread::sleep(wait);
                    wait *= 3;
                }
            }
        }
        let counter = if sent { &counts.sent } else { &counts.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

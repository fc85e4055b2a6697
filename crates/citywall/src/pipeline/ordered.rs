//! The ordered stage: one thread that sees everything in the one order.
//!
//! Owns: thresholds of rules, the log, counts by event type, and the place of what the judge
//! concludes (right behind its cause) and of what would be done about it. What is concluded is
//! `judge`'s, what would be done `propose`'s.

use std::collections::BTreeMap;
use std::sync::Arc;

use citywall_event::{Body, Event, Nanos, Order, Subject};
use citywall_rules::Thresholds;

use super::facts::{Facts, PACKET, Record, TALLY};
use super::judge::{Conclusion, Judge};
use super::losses::Carried;
use super::propose::{Proposer, Told};
use crate::output::alerting::Alerting;
use crate::output::eve::EveLog;
use crate::output::story::Story;
use crate::output::story::clean;
use crate::settings::Settings;
use crate::stats::Seen;

/// Who hears the log's lines.
pub type Listener = Box<dyn FnMut(&[u8])>;
/// Who hears how far the run is.
pub type Shown = Box<dyn FnMut(&Seen)>;
/// Hears what models expect.
pub type Foresight = Box<dyn FnMut(Vec<citywall_console::Foreseen>) + Send>;
/// Who hears of new settings.
pub type Reloaded = Box<dyn FnMut(&Settings)>;

/// The ordered stage.
pub struct Stage {
    settings: Arc<Settings>,
    log: Option<EveLog>,
    alerting: Alerting,
    thresholds: Thresholds,
    judge: Judge,
    proposer: Proposer,
    /// What the screen tells in the end.
    pub story: Story,
    /// Written or counted events by type.
    pub counts: BTreeMap<&'static str, u64>,
    /// Alerts that thresholds held back.
    pub held_back: u64,
    /// The run's last counts of one type, added up before they go to the map.
    run: (&'static str, u64),
    line: Vec<u8>,
    /// Hears every line of the log, written or not.
    listener: Option<Listener>,
    reloaded: Option<Reloaded>,
    shown: Option<Shown>,
    foreseen: Option<Foresight>,
    /// The hour of which that was told last.
    hour: Nanos,
    /// Source and packet of the last conclusion, and how many it has.
    late: (u16, u64, u32),
    /// Conclusions so far that no packet caused.
    of_time: u32,
    /// The next whole second of packet time.
    border: Nanos,
    last: Order,
}

impl Stage {
    /// Starts with an empty city.
    pub fn new(settings: Arc<Settings>, log: Option<EveLog>, alerting: Alerting) -> Stage {
        Stage {
            judge: Judge::new(&settings),
            proposer: Proposer::new(&settings),
            settings,
            log,
            alerting,
            thresholds: Thresholds::new(65_536),
            story: Story::default(),
            counts: BTreeMap::new(),
            held_back: 0,
            run: ("", 0),
            line: Vec::new(),
            listener: None,
            reloaded: None,
            shown: None,
            foreseen: None,
            hour: Nanos::MIN,
            late: (0, 0, 0),
            of_time: 0,
            border: Nanos::MIN,
            last: Order::default(),
        }
    }

    /// Has every line of the log told to somebody, too, in order and with its line feed.
    pub fn listen(&mut self, listener: Listener) {
        self.listener = Some(listener);
    }

    /// Has somebody told how far the run is, some times a second.
    pub fn on_show(&mut self, shown: Shown) {
        self.shown = Some(shown);
    }

    /// Has somebody told once an hour what models expect, and how far what they learned has moved.
    pub fn on_foreseen(&mut self, foreseen: Foresight) {
        self.foreseen = Some(foreseen);
    }

    /// Has somebody told of new settings.
    pub fn on_reload(&mut self, reloaded: Reloaded) {
        self.reloaded = Some(reloaded);
    }

    /// Takes new settings.
    pub fn reload(&mut self, settings: Arc<Settings>) {
        if let Some(reloaded) = &mut self.reloaded {
            reloaded(&settings);
        }
        self.judge.reload(&settings);
        // Other models expect other things.
        self.hour = Nanos::MIN;
        let told = self.proposer.reload(&settings);
        self.settings = settings;
        self.tell(self.last, told);
    }

    /// One record, in order.
    pub fn record(&mut self, facts: &Facts, record: &Record) {
        self.tick(record.order);
        self.last = record.order;
        if record.kind == PACKET {
            if let Some(seen) = facts.packets.get(record.event as usize) {
                self.judge.packet(seen, &self.settings.context);
            }
            return;
        }
        if record.kind == TALLY {
            if let Some(tally) = facts.tallies.get(record.event as usize) {
                let conclusions = self.judge.tally(tally, &self.settings.context);
                if !conclusions.is_empty() {
                    self.conclude(record.order, record.order.at, conclusions);
                }
            }
            return;
        }
        let event = facts.events.get(record.event as usize);
        if let Some(event) = event
            && let Body::Alert(alert) = &event.body
            && !self.admit(event, alert.gid, alert.sid)
        {
            self.held_back += 1;
            return;
        }
        let line = facts.line(record);
        if !line.is_empty() {
            if let Some(listener) = &mut self.listener {
                listener(line);
            }
            if let Some(log) = &mut self.log {
                log.line(line, record.order.at);
            }
            self.count(record.kind);
        }
        if let Some(event) = event {
            self.event(event, line);
        }
    }

    fn event(&mut self, event: &Event, line: &[u8]) {
        self.story.event(event, &self.settings.context);
        self.alerting.event(event, line, &self.settings.context);
        let conclusions = self.judge.event(event, &self.settings.context);
        if !conclusions.is_empty() {
            self.conclude(event.order, event.at, conclusions);
        }
    }

    /// Counts of rules' thresholds that were given up for lack of room.
    pub fn thresholds_forgotten(&self) -> u64 {
        self.thresholds.evicted()
    }

    /// How packets fared, for whoever asks for it; it changes nothing of what is written.
    pub fn carried(&mut self, carried: &[Carried]) {
        self.alerting.carried(carried);
    }

    /// Nothing below this place can come any more.
    pub fn advance(&mut self, low: Order) {
        if low.at < Nanos::MAX {
            self.tick(Order {
                source: self.last.source,
                packet: self.last.packet,
                ..low
            });
            if low > self.last {
                self.last = Order {
                    phase: Order::TIMER,
                    ..low
                };
            }
        }
    }

    /// Shows how far the run is: live, what was concluded goes to the file, for whoever follows it.
    pub fn show(&mut self, seen: &Seen) {
        if let (Some(log), true) = (&mut self.log, self.settings.interface.is_some()) {
            log.flush();
        }
        self.settle();
        if let Some(shown) = &mut self.shown {
            shown(seen);
        }
        self.alerting.heartbeat(&self.counts, seen);
    }

    /// The input is over: what is still open is concluded.
    pub fn finish(&mut self) {
        let (at, cause) = (self.last.at, self.last);
        let conclusions = self.judge.finish(at, &self.settings.context);
        self.conclude(cause, at, conclusions);
        // What came with the last hours is not told with another's beginning any more.
        self.foresee(at);
        self.judge.end();
        self.settle();
        self.story.finish(&self.judge, &self.settings.context);
        if let Some(log) = &mut self.log {
            log.flush();
        }
        self.alerting.finish();
    }

    /// The log, for its failures and losses.
    pub fn log(&self) -> Option<&EveLog> {
        self.log.as_ref()
    }

    /// The judge, for its counters.
    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// Alerting, for its counters.
    pub fn alerting(&self) -> &Alerting {
        &self.alerting
    }

    #[inline]
    fn tick(&mut self, order: Order) {
        if order.at < self.border {
            return;
        }
        let first = self.border == Nanos::MIN;
        let at = order.at.div_euclid(1_000_000_000).saturating_mul(1_000_000_000);
        self.border = at.saturating_add(1_000_000_000);
        if first {
            return;
        }
        if self.proposer.is_due(at) {
            let told = self.proposer.pass(at);
            self.tell(order, told);
        }
        let conclusions = self.judge.tick(at, &self.settings.context);
        let hour = at.div_euclid(3_600_000_000_000);
        if hour > self.hour {
            self.hour = hour;
            self.foresee(at);
        }
        if !conclusions.is_empty() {
            self.conclude(order, at, conclusions);
        }
    }

    fn foresee(&mut self, at: Nanos) {
        if let Some(foreseen) = &mut self.foreseen {
            foreseen(self.judge.foreseen(at));
        }
    }

    /// Writes what the judge concluded, right behind its cause, and lets the judge hear it too.
    fn conclude(&mut self, cause: Order, at: Nanos, conclusions: Vec<Conclusion>) {
        let mut queue: std::collections::VecDeque<_> = conclusions.into();
        // A conclusion may lead to another (a scan to an incident), but not without end.
        let mut left = 256;
        while let Some((subject, body)) = queue.pop_front() {
            let event = self.write(cause, at, subject, body);
            if let Body::Incident(report) = &event.body {
                if self.settings.interface.is_some() && report.change == "opened" {
                    // A replay's page tells it at the end; here the end may be far.
                    let title = clean(&report.title);
                    log::warn!(
                        "incident {}, severity {}: {title}",
                        report.number,
                        report.severity
                    );
                }
                let told = self.proposer.incident(at, report);
                self.tell(cause, told);
            }
            left -= 1;
            if left > 0 {
                queue.extend(self.judge.event(&event, &self.settings.context));
            }
        }
    }

    /// Writes what would be done.
    fn tell(&mut self, cause: Order, told: Vec<Told>) {
        for (at, subject, action) in told {
            self.write(cause, at, subject, Body::Action(Box::new(action)));
        }
    }

    /// An event of this stage, behind its cause: for the log, the screen and whoever is alerted.
    fn write(&mut self, cause: Order, at: Nanos, subject: Subject, body: Body) -> Event {
        let event = Event {
            order: self.next_late(cause),
            at,
            subject,
            app_proto: None,
            body,
        };
        self.line.clear();
        let kind = event.body.event_type().unwrap_or("");
        if self.settings.writes(kind) && event.write(&mut self.line, self.settings.interface.as_deref()) {
            if let Some(listener) = &mut self.listener {
                listener(&self.line);
            }
            if let Some(log) = &mut self.log {
                log.line(&self.line, cause.at);
            }
            self.count(kind);
        }
        self.story.event(&event, &self.settings.context);
        self.alerting.event(&event, &self.line, &self.settings.context);
        event
    }

    fn next_late(&mut self, cause: Order) -> Order {
        let place = (cause.source, cause.packet);
        let ordinal = if cause.packet == 0 {
            // Packets are counted from 1: this comes of time alone, and comes back to this place.
            &mut self.of_time
        } else {
            if place != (self.late.0, self.late.1) {
                self.late = (place.0, place.1, 0);
            }
            &mut self.late.2
        };
        let next = *ordinal;
        *ordinal = next.wrapping_add(1);
        Order {
            phase: Order::LATE,
            flow: 0,
            ordinal: next,
            ..cause
        }
    }

    fn admit(&mut self, event: &Event, gid: u32, sid: u32) -> bool {
        let Some(rule) = self.settings.rules.find(gid, sid) else {
            return true;
        };
        self.thresholds.admit(
            rule,
            event.at,
            event.subject.src_ip,
            event.subject.dst_ip,
            event.subject.flow_id,
        )
    }

    fn count(&mut self, kind: &'static str) {
        if self.run.0 != kind {
            self.settle();
            self.run.0 = kind;
        }
        self.run.1 += 1;
    }

    fn settle(&mut self) {
        if self.run.1 > 0 {
            *self.counts.entry(self.run.0).or_default() += self.run.1;
            self.run.1 = 0;
        }
    }
}

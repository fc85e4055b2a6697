//! One worker: follows the conversations that fall to it and tells what it found as `Facts`.
//!
//! Owns: the flow table of its share, the protocol sessions and what they hold, rule state by flow. Does not
//! own: what is asked of the policy (`questions`), and anything keyed wider than a flow.

use std::sync::Arc;

use citywall_behaviour::Tally;
use citywall_event::{Anomaly, Body, Contact, Ended, Event, FlowSummary, Nanos, Order, json::Object};
use citywall_flow::{
    AHEAD, Carrier, CloseReason, Content, Direction, Flow, FlowTable, Observer, Segment, State,
    StreamMalformed,
};
use citywall_packet::{Checksum, Malformed, Packet, Transport};
use citywall_transaction::{Item, Output, Session, SessionState, Transaction};

use super::conversation::{Conversation, flow_line, hint, seen, subject};
use super::facts::{Facts, NO_EVENT, PACKET, Record, TALLY};
use super::habits::habits;
use super::inspect::Inspector;
use super::losses::Losses;
use super::prepare::{At, Prepared, Ready, end_of_second};
use crate::settings::Settings;
use crate::stats::{Seen, WorkerStats};

/// Bytes of lines after which what was found is carried off in the middle of a batch.
const TEXT: usize = 16 << 20;

/// And those after which one packet causes no more alerts.
const MOST_TEXT: usize = 64 << 20;

/// Bytes that a session may keep where all together keep too much.
const MODEST: u32 = 4_096;

/// Conversations that are closed before what was found is carried off. Each may have very many requests
/// open, which are all told then.
const PART: usize = 128;

/// One worker.
pub struct Worker {
    table: FlowTable<Conversation>,
    teller: Teller,
    /// Its share of what is prepared.
    index: usize,
    /// The last moment of the second whose time-outs were looked at.
    until: Nanos,
}

/// Everything that observes the flow table.
pub struct Teller {
    pub(super) settings: Arc<Settings>,
    facts: Facts,
    /// Where the next find stands.
    place: Order,
    /// Packet time as captured, for the event's own time.
    at: Nanos,
    found: Output,
    /// The capture holds only the beginning of the packet at hand.
    cut: bool,
    stats: WorkerStats,
    pub(super) inspector: Inspector,
    /// Rule books so far, by reloads.
    pub(super) book: u16,
    /// Bytes that all sessions keep, and may keep.
    held: usize,
    session_memory: usize,
    /// Where an enforcer wants to know.
    losses: Option<Losses>,
    /// A model judges packets.
    packets: bool,
}

impl Worker {
    /// The worker that share `index` of what is prepared belongs to; the limits are shared by `workers`.
    pub fn new(settings: Arc<Settings>, index: u16, workers: u16) -> Worker {
        let limits = settings.flow_limits(workers);
        let session_memory = settings.session_memory(workers);
        let table = FlowTable::with_keys(limits, settings.host_policies.clone(), settings.key_options());
        Worker {
            table,
            teller: Teller {
                losses: settings.reports.then(Losses::default),
                packets: settings.judges_packets(),
                settings,
                facts: Facts::default(),
                place: Order::default(),
                at: 0,
                found: Output::default(),
                cut: false,
                stats: WorkerStats::default(),
                inspector: Inspector::default(),
                book: 0,
                held: 0,
                session_memory,
            },
            index: index.into(),
            until: Nanos::MIN,
        }
    }

    /// Takes new settings (after a reload): conversations go on, rule state starts anew.
    pub fn reload(&mut self, settings: Arc<Settings>) {
        self.teller.packets = settings.judges_packets();
        self.teller.settings = settings;
        self.teller.book = self.teller.book.wrapping_add(1);
    }

    /// Follows a batch and fills `facts` (emptied before) with what was found.
    /// A batch's facts are kept small: when many conversations end at once, what was found so far
    /// is given to `spill`, which returns emptied facts.
    pub fn work(
        &mut self,
        prepared: &Prepared,
        facts: Facts,
        spill: &mut dyn FnMut(Facts) -> Facts,
    ) -> Facts {
        self.teller.facts = facts;
        self.teller.facts.clear();
        let mut borders = prepared.borders.as_slice();
        let mut tallies = prepared.tallies.as_slice();
        let mut malformed = prepared.malformed.as_slice();
        let mut incomplete = prepared.incomplete.as_slice();
        let mut share = prepared.shares.get(self.index).map_or(&[][..], Vec::as_slice);
        loop {
            let (next, rest) = share.split_at(share.len().min(AHEAD));
            self.foresee(prepared, next);
            for place in next {
                self.borders(prepared, *place, &mut borders, &mut tallies, spill);
                if let Some(ready) = prepared.packets.get(*place as usize) {
                    let given_up = at(&mut incomplete, *place);
                    let malformed = at(&mut malformed, *place);
                    self.packet(ready, given_up, malformed, prepared.data(ready));
                    if self.teller.facts.text.len() > TEXT {
                        self.teller.spill(spill);
                    }
                }
            }
            if rest.is_empty() {
                break;
            }
            share = rest;
        }
        // Time has come as far for who got none of the last packets.
        self.borders(prepared, u32::MAX, &mut borders, &mut tallies, spill);
        let (at, source, packet) = prepared.last;
        let last = Order {
            at,
            source,
            packet,
            phase: Order::LATE,
            flow: u64::MAX,
            ordinal: u32::MAX,
        };
        self.teller.facts.watermark = last;
        if let Some(losses) = &mut self.teller.losses {
            losses.take(&mut self.teller.facts.carried);
        }
        std::mem::take(&mut self.teller.facts)
    }

    /// Does what is to be done before the packet at `place`, for whichever worker that is.
    #[inline]
    fn borders(
        &mut self,
        prepared: &Prepared,
        place: u32,
        borders: &mut &[u32],
        tallies: &mut &[At<Tally>],
        spill: &mut dyn FnMut(Facts) -> Facts,
    ) {
        while let Some((border, rest)) = borders.split_first()
            && *border <= place
        {
            *borders = rest;
            let Some(ready) = prepared.packets.get(*border as usize) else {
                continue;
            };
            if self.index == 0 {
                self.teller.tallies(ready, at(tallies, *border));
            }
            self.time_outs(ready, spill);
        }
    }

    /// Brings what the next packets will need into the cache.
    #[inline]
    fn foresee(&self, prepared: &Prepared, next: &[u32]) {
        let mut hashes = [0; AHEAD];
        for (slot, place) in hashes.iter_mut().zip(next) {
            *slot = prepared
                .packets
                .get(*place as usize)
                .map_or(0, |ready| ready.hash);
        }
        std::hint::black_box(self.table.foresee(&hashes));
    }

    /// Live: time goes on though no packet came.
    pub fn idle(
        &mut self,
        now: Nanos,
        source: u16,
        facts: Facts,
        spill: &mut dyn FnMut(Facts) -> Facts,
    ) -> Facts {
        self.teller.facts = facts;
        self.teller.facts.clear();
        if now > self.until {
            self.expire(now, source, 0, spill);
            self.until = end_of_second(now);
        }
        self.teller.facts.watermark = Order {
            at: now,
            ..Order::default()
        };
        std::mem::take(&mut self.teller.facts)
    }

    /// The input is over: all conversations end.
    pub fn finish(
        &mut self,
        last: (Nanos, u16, u64),
        facts: Facts,
        spill: &mut dyn FnMut(Facts) -> Facts,
    ) -> (Facts, WorkerStats) {
        let (at, source, packet) = last;
        self.teller.facts = facts;
        self.teller.facts.clear();
        self.teller.at = at;
        // Behind the last packet: nothing else can stand there.
        self.teller.place = Order {
            at,
            source,
            packet: packet + 1,
            phase: Order::TIMER,
            flow: 0,
            ordinal: 0,
        };
        while self.table.finish_part(PART, &mut self.teller) {
            self.teller.spill(spill);
        }
        let top = Order {
            at: Nanos::MAX,
            source: u16::MAX,
            ..Order::default()
        };
        self.teller.facts.watermark = top;
        (std::mem::take(&mut self.teller.facts), self.stats())
    }

    /// What can be told while the run goes on.
    pub fn seen(&self) -> Seen {
        let table = self.table.stats();
        Seen {
            flows: table.opened,
            flows_open: table.live as u64,
            flows_evicted: table.evicted,
            ..Seen::default()
        }
    }

    /// Counters so far.
    pub fn stats(&self) -> WorkerStats {
        let table = self.table.stats();
        let mut stats = self.teller.stats.clone();
        stats.flows = table.opened;
        stats.flows_evicted = table.evicted;
        stats.flows_peak = table.peak as u64;
        stats.stream_shed = table.shed_bytes;
        stats.rule_budget = self.teller.inspection().budget_exceeded;
        stats
    }

    #[inline]
    fn time_outs(&mut self, ready: &Ready, spill: &mut dyn FnMut(Facts) -> Facts) {
        if ready.at > self.until {
            if self.until != Nanos::MIN {
                self.expire(ready.at, ready.source, ready.number, spill);
            }
            self.until = end_of_second(ready.at);
        }
    }

    fn expire(&mut self, now: Nanos, source: u16, packet: u64, spill: &mut dyn FnMut(Facts) -> Facts) {
        let border = now.div_euclid(1_000_000_000).saturating_mul(1_000_000_000);
        self.teller.at = border;
        self.teller.place = Order {
            at: now,
            source,
            packet,
            phase: Order::TIMER,
            flow: 0,
            ordinal: 0,
        };
        while self.table.expire_part(border, PART, &mut self.teller) {
            self.teller.spill(spill);
        }
    }

    fn packet(
        &mut self,
        ready: &Ready,
        given_up: &[At<(Packet, Malformed)>],
        malformed: &[At<Malformed>],
        data: &[u8],
    ) {
        let teller = &mut self.teller;
        teller.at = ready.packet.at;
        teller.place = Order::of_packet(ready.at, ready.source, ready.number, 0);
        if teller.packets {
            teller.judged(&ready.packet, ready.at);
        }
        for (_, (fragment, kind)) in given_up {
            teller.decode_anomaly(fragment, kind.name());
        }
        for (_, kind) in malformed {
            teller.decode_anomaly(&ready.packet, kind.name());
        }
        let packet = &ready.packet;
        // Such a datagram is read all the same: captures that were taken before the card computed its
        // sum, or made anonymous, are full of them. A wrong IPv4 header was told already.
        let wrong_sum = malformed.is_empty()
            && matches!(
                packet.transport,
                Transport::Udp {
                    checksum: Checksum::Invalid,
                    ..
                }
            );
        teller.cut = packet.truncated;
        let id = u64::from(ready.source) << 44 | ready.number;
        let pushed = self
            .table
            .push_hashed(packet, data, (id, ready.hash), ready.at, teller);
        teller.cut = false;
        let Some((flow, direction)) = pushed else {
            return;
        };
        if let Some(losses) = &mut teller.losses {
            losses.packet(flow, direction, packet, ready.at);
        }
        if wrong_sum {
            teller.anomaly(flow, direction, "decode", "udp.bad_checksum");
        }
        if teller.settings.rules.needs_packets() {
            teller.inspect_packet(flow, packet, data, direction);
        }
        if flow.state == State::Closed && flow.carrier == Carrier::Tcp && !flow.user.ended {
            flow.user.ended = true;
            let summary = super::conversation::summary(flow);
            let answered = !summary.refused && summary.packets[1] > 0;
            teller.flow_event(flow, Direction::ToResponder, Body::Ended(Ended { answered }));
        }
    }
}

/// What belongs to the packet at `place`, taken off the front of `rest` with what belonged to those before.
#[inline]
fn at<'a, T>(rest: &mut &'a [At<T>], place: u32) -> &'a [At<T>] {
    if rest.first().is_none_or(|(first, _)| *first > place) {
        return &[];
    }
    let before = rest.partition_point(|(other, _)| *other < place);
    let upto = rest.partition_point(|(other, _)| *other <= place);
    let own = rest.get(before..upto).unwrap_or(&[]);
    *rest = rest.get(upto..).unwrap_or(&[]);
    own
}

impl Teller {
    /// False where one packet has caused so many lines that its further alerts are only counted: many rules
    /// that match each of very many requests.
    pub(super) fn has_room(&self) -> bool {
        self.facts.text.len() < MOST_TEXT
    }

    #[cold]
    pub(super) fn alerts_shed(&mut self, alerts: usize) {
        self.stats.alerts_shed += alerts as u64;
    }

    /// Carries off what was found so far: nothing that comes stands before it.
    fn spill(&mut self, spill: &mut dyn FnMut(Facts) -> Facts) {
        let mut facts = std::mem::take(&mut self.facts);
        if let Some(last) = facts.records.last() {
            facts.watermark = last.order;
        }
        self.facts = spill(facts);
        self.facts.clear();
    }

    /// What was counted goes on by the first worker alone. It stands before the packet that showed
    /// that its slice is over, and before time-outs, whose flow is never 0.
    fn tallies(&mut self, ready: &Ready, tallies: &[At<Tally>]) {
        for (ordinal, (_, tally)) in (0..).zip(tallies) {
            let order = Order {
                at: ready.at,
                source: ready.source,
                packet: ready.number,
                phase: Order::TIMER,
                flow: 0,
                ordinal,
            };
            let index = self.facts.tallies.len() as u32;
            self.facts.tallies.push(*tally);
            let start = self.facts.text.len();
            self.record(order, start, index, TALLY);
        }
    }

    /// A packet that a model judges stands before all that it causes, and uses up no ordinal.
    fn judged(&mut self, packet: &Packet, at: Nanos) {
        if let Some(seen) = seen(packet, at) {
            let index = self.facts.packets.len() as u32;
            self.facts.packets.push(seen);
            let start = self.facts.text.len();
            self.record(self.place, start, index, PACKET);
        }
    }

    fn next_order(&mut self) -> Order {
        let order = self.place;
        self.place.ordinal = self.place.ordinal.saturating_add(1);
        order
    }

    /// In a timer the place is the flow's.
    fn turn_to(&mut self, flow: u64) {
        if self.place.phase == Order::TIMER && self.place.flow != flow {
            self.place.flow = flow;
            self.place.ordinal = 0;
        }
    }

    /// Records an event that the ordered stage judges, with its line if it has one.
    fn event(&mut self, event: Event) {
        let start = self.facts.text.len();
        let kind = event.body.event_type().unwrap_or("");
        if !kind.is_empty() && self.settings.writes(kind) {
            event.write(&mut self.facts.text, self.settings.interface.as_deref());
        }
        self.record_event(start, event, kind);
    }

    /// Records the line that begins at `start`, with what it means.
    fn record_event(&mut self, start: usize, event: Event, kind: &'static str) {
        let order = event.order;
        let index = self.facts.events.len() as u32;
        self.facts.events.push(event);
        self.record(order, start, index, kind);
    }

    fn record(&mut self, order: Order, start: usize, event: u32, kind: &'static str) {
        let len = self.facts.text.len() - start;
        // A batch is bounded, so its text stays far below 4 GiB.
        self.facts.records.push(Record {
            order,
            start: start as u32,
            len: len as u32,
            event,
            kind,
        });
    }

    fn decode_anomaly(&mut self, packet: &Packet, name: &'static str) {
        let subject = super::conversation::packet_subject(packet);
        let order = self.next_order();
        let body = Body::Anomaly(Anomaly {
            kind: "decode",
            event: name,
        });
        self.event(Event {
            order,
            at: self.at,
            subject,
            app_proto: None,
            body,
        });
    }

    pub(super) fn flow_event(
        &mut self,
        flow: &Flow<Conversation>,
        direction: Direction,
        body: Body,
    ) -> Order {
        let order = self.next_order();
        let subject = subject(flow, direction);
        let app_proto = flow.user.app();
        self.event(Event {
            order,
            at: self.at,
            subject,
            app_proto,
            body,
        });
        order
    }

    fn anomaly(
        &mut self,
        flow: &mut Flow<Conversation>,
        direction: Direction,
        kind: &'static str,
        name: &'static str,
    ) {
        *self.stats.malformed.entry(name).or_default() += 1;
        if flow.user.note_anomaly(name) {
            self.flow_event(flow, direction, Body::Anomaly(Anomaly { kind, event: name }));
        }
    }

    /// Tells everything that a session gave out.
    fn items(&mut self, flow: &mut Flow<Conversation>) {
        let mut items = std::mem::take(&mut self.found.items);
        for (direction, item) in items.drain(..) {
            // Items speak of the protocol's directions; events of the flow's.
            let direction = if flow.user.reversed {
                direction.flip()
            } else {
                direction
            };
            match item {
                Item::Transaction(transaction) => {
                    self.transaction(flow, direction, &transaction);
                    self.found.reclaim(transaction);
                }
                Item::Command(command) => self.command(flow, direction, command),
                Item::Reading(reading) => {
                    if self.settings.writes("reading") {
                        self.flow_event(flow, direction, Body::Reading(reading));
                    }
                }
                Item::Login(login) => {
                    self.flow_event(flow, direction, Body::Login(login));
                }
                Item::Sighting(sighting) => {
                    self.flow_event(flow, direction, Body::Sighting(sighting));
                }
                Item::Name(name) => {
                    self.flow_event(flow, direction, Body::Name(name));
                }
                // The rest of a datagram is missing in the capture, not in what was sent.
                Item::Malformed(_) if self.cut && flow.carrier != Carrier::Tcp => {}
                Item::Malformed(name) => self.anomaly(flow, direction, "applayer", name),
            }
        }
        self.found.items = items;
    }

    fn transaction(
        &mut self,
        flow: &mut Flow<Conversation>,
        direction: Direction,
        transaction: &Transaction,
    ) {
        let record = transaction.record();
        let kind = record.event_type();
        // A file is part of the exchange that carried it.
        if kind != "fileinfo" {
            flow.user.transactions = flow.user.transactions.saturating_add(1);
        }
        if self.settings.writes(kind) {
            let order = self.next_order();
            let start = self.facts.text.len();
            // Transactions are told from the client's side, as Suricata does.
            let subject = subject(flow, flow.user.forward());
            let header = citywall_event::Header {
                order,
                at: self.at,
                subject: &subject,
                interface: self.settings.interface.as_deref(),
                app_proto: None,
            };
            citywall_event::write_line(&mut self.facts.text, &header, kind, |o: &mut Object<'_>| {
                record.write(o)
            });
            match lookup(transaction) {
                // The line shows it: what is concluded from it names the line.
                Some(lookup) => {
                    let event = Event {
                        order,
                        at: self.at,
                        subject: self::subject(flow, direction),
                        app_proto: None,
                        body: Body::Lookup(lookup),
                    };
                    self.record_event(start, event, kind);
                }
                None => self.record(order, start, NO_EVENT, kind),
            }
        } else if let Some(lookup) = lookup(transaction) {
            self.flow_event(flow, direction, Body::Lookup(lookup));
        }
        if flow
            .user
            .protocol
            .is_some_and(|p| self.settings.rules.needs_transactions(p))
        {
            self.inspect_transaction(flow, direction, transaction);
        }
        if let Transaction::Arp(message) = transaction {
            self.judge_arp(flow, message);
        }
        if self.settings.use_is_known() {
            for (direction, body) in habits(record, flow.user.forward()) {
                self.flow_event(flow, direction, body);
            }
        }
    }

    fn learn_protocol(&mut self, flow: &mut Flow<Conversation>, session: &Session) {
        let SessionState::Known(protocol) = session.state() else {
            return;
        };
        if flow.user.protocol.is_some() {
            return;
        }
        flow.user.protocol = Some(protocol);
        flow.user.reversed = session.reversed();
        *self.stats.protocols.entry(protocol.name()).or_default() += 1;
        self.judge_contact(flow);
    }

    fn feed(&mut self, flow: &mut Flow<Conversation>, segment: &Segment<'_>) {
        let Some(mut session) = flow.user.session.take() else {
            return;
        };
        let settings = Arc::clone(&self.settings);
        self.found.done = [false; 2];
        self.found.settled = false;
        session.feed(segment, &settings.dissector_limits, &mut self.found);
        self.learn_protocol(flow, &session);
        self.items(flow);
        let done = self.found.done;
        self.hold(flow, session.held());
        if session.state() == SessionState::Unknown {
            *self.stats.protocols.entry("unknown").or_default() += 1;
        } else {
            flow.user.session = Some(session);
            if self.held > self.session_memory {
                self.shed(flow);
            }
        }
        flow.settled = self.found.settled;
        flow.user.done = [flow.user.done[0] | done[0], flow.user.done[1] | done[1]];
        if flow.user.done == [true; 2] && flow.user.protocol.is_some() {
            // Encrypted from here on: the dissector said all that it can.
            self.end_session(flow);
        }
    }

    fn end_session(&mut self, flow: &mut Flow<Conversation>) {
        if let Some(mut session) = flow.user.session.take() {
            session.finish(self.at, &mut self.found);
            self.items(flow);
            self.hold(flow, 0);
        }
    }

    /// The session keeps so many bytes now.
    #[inline]
    fn hold(&mut self, flow: &mut Flow<Conversation>, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.held = (self.held + bytes as usize).saturating_sub(flow.user.held as usize);
        flow.user.held = bytes;
    }

    /// All sessions together keep too much: this one is no longer read, unless it keeps so little that
    /// others are to blame, and there is still room for those.
    #[cold]
    fn shed(&mut self, flow: &mut Flow<Conversation>) {
        if flow.user.held >= MODEST || self.held > self.session_memory.saturating_mul(2) {
            self.stats.sessions_shed += 1;
            self.end_session(flow);
        }
    }
}

fn lookup(transaction: &Transaction) -> Option<citywall_event::Lookup> {
    match transaction {
        Transaction::Arp(message) => message.lookup(),
        _ => None,
    }
}

impl Observer<Conversation> for Teller {
    fn opened(&mut self, flow: &mut Flow<Conversation>) {
        let context = Arc::clone(&self.settings);
        flow.user.places = [
            context.context.locate(flow.initiator.ip, flow.initiator.mac),
            context.context.locate(flow.responder.ip, flow.responder.mac),
        ];
        flow.user.session = Some(Session::new(hint(flow)));
        flow.user.contact = self.place.ordinal;
        self.flow_event(
            flow,
            Direction::ToResponder,
            Body::Contact(Contact {
                midstream: flow.midstream,
            }),
        );
        // Midstream the initiator is a guess: the protocol will tell who called whom.
        if flow.midstream {
            let (from, to) = flow.user.parties(flow);
            self.judge_isolation(flow, from, to);
        } else {
            self.judge_contact(flow);
        }
    }

    fn segment(&mut self, flow: &mut Flow<Conversation>, segment: Segment<'_>) {
        self.turn_to(flow.id);
        if segment.direction == Direction::ToResponder && !flow.user.first_words.is_full() {
            match segment.content {
                Content::Bytes(bytes) => flow.user.first_words.take(bytes),
                _ => flow.user.first_words.end(),
            }
        }
        if flow.user.session.is_some() {
            self.feed(flow, &segment);
        }
        // Behind the dissector, so that rules of a protocol know the conversation from its first piece.
        let rules = self.rules_want_stream(flow);
        if rules {
            self.inspect_stream(flow, &segment);
        }
        if !rules {
            let ended = flow.user.session.is_none();
            let said = flow.user.first_words.is_full();
            flow.stop_stream = [said & (ended | flow.user.done[0]), ended | flow.user.done[1]];
        }
    }

    fn malformed(&mut self, flow: &mut Flow<Conversation>, direction: Direction, kind: StreamMalformed) {
        self.turn_to(flow.id);
        self.anomaly(flow, direction, "stream", kind.name());
    }

    fn closed(&mut self, flow: &mut Flow<Conversation>, reason: CloseReason) {
        self.turn_to(flow.id);
        self.end_session(flow);
        let summary: FlowSummary = super::conversation::summary(flow);
        let order = self.next_order();
        let subject = subject(flow, Direction::ToResponder);
        let start = self.facts.text.len();
        if self.settings.writes("flow") {
            flow_line(
                &mut self.facts.text,
                flow,
                reason,
                order,
                self.at,
                &subject,
                &self.settings,
            );
        }
        let event = Event {
            order,
            at: self.at,
            subject,
            app_proto: flow.user.app(),
            body: Body::Flow(summary),
        };
        self.record_event(start, event, "flow");
    }
}

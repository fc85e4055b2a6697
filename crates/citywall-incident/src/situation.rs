//! All suspects and incidents at one moment.
//!
//! Owns: which evidence belongs together, when an incident opens, grows, joins another and closes,
//! and the limits. Does not own: what evidence is, and an incident's words.
//!
//! Evidence belongs to the incident that its actor is in, as a suspect or as somebody that was
//! taken over or changed; else to the one that its victim was drawn into. So "camera logged into,
//! camera scans, camera writes" is one incident. An incident opens when the evidence against one
//! suspect within the window weighs enough: a single failed or forbidden contact never does.

use std::net::IpAddr;

use citywall_event::{Body, Context, Event, Flooded, Nanos, Subject, ZoneId, say};
use citywall_inventory::Inventory;
use hashbrown::HashMap;

use crate::evidence::{Evidence, Party, Seat};
use crate::incident::{Effect, Held, Incident, MET};

/// Weight at which evidence against one suspect opens an incident.
pub(crate) const OPENS: u32 = 5;

/// Pieces of evidence that are held of a suspect before an incident opens.
const HELD: usize = 8;

/// How much is kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open incidents.
    pub incidents: usize,
    /// Suspects, and parties of open incidents.
    pub suspects: usize,
    /// How long evidence counts, and an incident stays open without more, nanoseconds of packet time.
    pub window: Nanos,
    /// Shortest time between two updates of one incident that has not become worse.
    pub update_every: Nanos,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            incidents: 256,
            suspects: 16_384,
            window: 3_600_000_000_000,
            update_every: 10_000_000_000,
        }
    }
}

/// What did not fit, and what there was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Incidents that were opened.
    pub opened: u64,
    /// Incidents that were closed early to make room.
    pub evicted: u64,
    /// Pieces of evidence that found no room.
    pub refused: u64,
    /// Suspects that were forgotten for lack of room.
    pub forgotten: u64,
}

/// All that is suspected now.
#[derive(Debug)]
pub struct Situation {
    limits: Limits,
    suspects: HashMap<Party, Suspect>,
    /// By number in the order of opening.
    incidents: Vec<(u64, Incident)>,
    next: u64,
    swept: Nanos,
    counters: Counters,
}

/// What is known against somebody.
#[derive(Debug, Default)]
struct Suspect {
    /// The incident that it is in.
    incident: Option<u64>,
    last: Nanos,
    /// Evidence before there is an incident.
    held: Vec<(Held, Option<Seat>)>,
    /// Whom it reached without leave before there is one, the first few.
    met: Vec<(Option<ZoneId>, IpAddr)>,
    seat: Option<Seat>,
}

impl Suspect {
    /// What is held against it.
    fn weight(&self) -> u32 {
        self.held.iter().map(|(held, _)| held.kind.weight()).sum()
    }
}

type Conclusions = Vec<(Subject, Body)>;

impl Situation {
    /// Nothing is suspected.
    pub fn new(limits: Limits) -> Situation {
        Situation {
            limits,
            suspects: HashMap::new(),
            incidents: Vec::new(),
            next: 0,
            swept: Nanos::MIN,
            counters: Counters::default(),
        }
    }

    /// What did not fit.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// How many incidents are open.
    pub fn open(&self) -> usize {
        self.incidents.len()
    }

    /// Takes one event; gives what it leads to: `IncidentReport`s, each with the suspected source as
    /// its subject.
    pub fn assess(&mut self, event: &Event, context: &Context, inventory: &Inventory) -> Conclusions {
        match &event.body {
            Body::Login(_) | Body::Behaviour(_) | Body::Violation(_) | Body::Alert(_) => {}
            _ => return Vec::new(),
        }
        if let Some(flooded) = calmed(event) {
            return self.flood_is_over(flooded, event.at, context);
        }
        let Some(evidence) = Evidence::of(event, context) else {
            return Vec::new();
        };
        match self.incident_of(&evidence, inventory) {
            Some(id) => {
                self.hand_over(evidence.actor, id);
                self.grow(id, &evidence, context, inventory)
            }
            None => self.suspect(&evidence, context, inventory),
        }
    }

    /// Whoever answers a flood with a limit wants to know at once when there is none any more.
    fn flood_is_over(&mut self, flooded: Flooded, at: Nanos, context: &Context) -> Conclusions {
        let mut out = Vec::new();
        for (_, incident) in &mut self.incidents {
            if incident.calms(flooded) {
                tell(incident, "updated", at, context, &mut out);
            }
        }
        out
    }

    /// The incident that evidence belongs to.
    fn incident_of(&self, evidence: &Evidence<'_>, inventory: &Inventory) -> Option<u64> {
        let of = |party: &Party| self.suspects.get(party).and_then(|s| s.incident);
        let actor = of(&evidence.actor).or_else(|| self.incident_of_device(evidence.actor, inventory));
        actor.or_else(|| {
            let binds = evidence.kind.binds_victim();
            evidence.victim.as_ref().filter(|_| binds).and_then(of)
        })
    }

    /// One host may act by an IPv4 and by an IPv6 address: the same incident, where its own MAC shows that
    /// it is one. Its addresses stay parties of their own there, as each is answered on its own.
    fn incident_of_device(&self, party: Party, inventory: &Inventory) -> Option<u64> {
        let Party::Ip(ip) = party else { return None };
        let device = inventory.find(Some(ip), None).filter(|d| d.mac().is_some())?;
        let others = device.addresses().iter().map(|other| Party::Ip(*other));
        others
            .filter_map(|other| self.suspects.get(&other)?.incident)
            .min()
    }

    /// What was held against somebody before it came into an incident belongs to that.
    fn hand_over(&mut self, party: Party, id: u64) {
        let Some(suspect) = self.suspects.get_mut(&party).filter(|s| s.incident.is_none()) else {
            return;
        };
        let Some((_, incident)) = self.incidents.iter_mut().find(|(n, _)| *n == id) else {
            return;
        };
        let (held, met) = (
            std::mem::take(&mut suspect.held),
            std::mem::take(&mut suspect.met),
        );
        let Some(actor) = suspect.seat.take() else { return };
        for (held, victim) in held {
            incident.dirty |= incident.add(held, &actor, victim.as_ref()) != Effect::None;
        }
        for (zone, target) in met {
            incident.meet((actor.party, zone), &[target]);
        }
    }

    fn grow(
        &mut self,
        id: u64,
        evidence: &Evidence<'_>,
        context: &Context,
        inventory: &Inventory,
    ) -> Conclusions {
        let mut out = Vec::new();
        let id = self.join_victims(id, evidence, context, &mut out);
        let at = evidence.event().at;
        let Some((_, incident)) = self.incidents.iter_mut().find(|(n, _)| *n == id) else {
            return out;
        };
        if incident.repeats(evidence.kind, evidence.actor, evidence.victim, evidence.mark, at) {
            if let Some(target) = evidence.reaches() {
                let zone = context.locate(Some(target), None).zone;
                incident.meet((evidence.actor, zone), &[target]);
            }
            let again = evidence.floods().is_some_and(|flooded| incident.floods(flooded));
            if again || incident.dirty && at.saturating_sub(incident.told) >= self.limits.update_every {
                tell(incident, "updated", at, context, &mut out);
            }
            if let Some(suspect) = self.suspects.get_mut(&evidence.actor) {
                suspect.last = suspect.last.max(at);
            }
            return out;
        }
        let actor = evidence.actor_seat(context, inventory);
        let victim = evidence.victim_seat(context, inventory);
        let held = hold(evidence, &actor, victim.as_ref());
        let effect = incident.add(held, &actor, victim.as_ref());
        let worse = effect == Effect::Worse;
        incident.dirty |= effect != Effect::None;
        if worse || incident.dirty && at.saturating_sub(incident.told) >= self.limits.update_every {
            tell(incident, "updated", at, context, &mut out);
        }
        self.bind(id, evidence, &actor, victim.as_ref());
        out
    }

    /// The victim may be in another incident: then the two are one, the older.
    fn join_victims(
        &mut self,
        id: u64,
        evidence: &Evidence<'_>,
        context: &Context,
        out: &mut Conclusions,
    ) -> u64 {
        let Some(victim) = evidence.victim.filter(|_| evidence.kind.binds_victim()) else {
            return id;
        };
        let Some(other) = self
            .suspects
            .get(&victim)
            .and_then(|s| s.incident)
            .filter(|o| *o != id)
        else {
            return id;
        };
        let (older, younger) = (id.min(other), id.max(other));
        let Some(place) = self.incidents.iter().position(|(n, _)| *n == younger) else {
            return id;
        };
        if !self.incidents.iter().any(|(n, _)| *n == older) {
            return id;
        }
        let (_, gone) = self.incidents.remove(place);
        let mut report = gone.report("closed", context);
        if let Some((_, kept)) = self.incidents.iter_mut().find(|(n, _)| *n == older) {
            report.title = say!(
                "title-joined",
                "{title} (now part of {incident})",
                title = report.title,
                incident = &kept.number
            );
            out.push((gone.subject(), Body::Incident(Box::new(report))));
            kept.join(gone);
        }
        for suspect in self.suspects.values_mut().filter(|s| s.incident == Some(younger)) {
            suspect.incident = Some(older);
        }
        older
    }

    /// Evidence against somebody who is in no incident.
    fn suspect(&mut self, evidence: &Evidence<'_>, context: &Context, inventory: &Inventory) -> Conclusions {
        let at = evidence.event().at;
        if self.suspects.len() >= self.limits.suspects && !self.suspects.contains_key(&evidence.actor) {
            self.counters.refused += 1;
            return Vec::new();
        }
        let window = self.limits.window;
        let suspect = self.suspects.entry(evidence.actor).or_default();
        suspect.held.retain(|(h, _)| at.saturating_sub(h.at) <= window);
        suspect.last = suspect.last.max(at);
        if let Some(target) = evidence.reaches() {
            let met = (context.locate(Some(target), None).zone, target);
            if suspect.met.len() < MET && !suspect.met.contains(&met) {
                suspect.met.push(met);
            }
        }
        let known = suspect
            .held
            .iter_mut()
            .find(|(h, _)| h.kind == evidence.kind && h.mark == evidence.mark);
        if let Some((held, _)) = known {
            held.times += 1;
            return Vec::new();
        }
        let actor = evidence.actor_seat(context, inventory);
        let victim = evidence.victim_seat(context, inventory);
        if suspect.held.len() < HELD {
            suspect
                .held
                .push((hold(evidence, &actor, victim.as_ref()), victim));
        } else {
            self.counters.refused += 1;
        }
        let weight = suspect.weight();
        suspect.seat = Some(actor);
        if weight < OPENS {
            return Vec::new();
        }
        self.open_incident(evidence.actor, at, context)
    }

    fn open_incident(&mut self, party: Party, at: Nanos, context: &Context) -> Conclusions {
        let mut out = Vec::new();
        self.make_room(at, context, &mut out);
        let Some(suspect) = self.suspects.get_mut(&party) else {
            return out;
        };
        let (held, actor) = (std::mem::take(&mut suspect.held), suspect.seat.take());
        let met = std::mem::take(&mut suspect.met);
        let (Some((first, _)), Some(actor)) = (held.first(), actor) else {
            return out;
        };
        let id = self.next;
        self.next += 1;
        self.counters.opened += 1;
        suspect.incident = Some(id);
        let mut incident = Incident::new(first);
        let mut drawn = Vec::new();
        for (held, victim) in held {
            if let Some(victim) = victim
                .as_ref()
                .filter(|v| held.kind.binds_victim() && !v.infrastructure)
            {
                drawn.push(victim.party);
            }
            incident.add(held, &actor, victim.as_ref());
        }
        for (zone, target) in met {
            incident.meet((actor.party, zone), &[target]);
        }
        tell(&mut incident, "opened", at, context, &mut out);
        self.incidents.push((id, incident));
        for party in drawn {
            self.draw_in(party, id, at);
        }
        out
    }

    /// Ties the parties of evidence to the incident.
    fn bind(&mut self, id: u64, evidence: &Evidence<'_>, actor: &Seat, victim: Option<&Seat>) {
        let at = evidence.event().at;
        self.draw_in(actor.party, id, at);
        if let Some(victim) = victim.filter(|v| evidence.kind.binds_victim() && !v.infrastructure) {
            self.draw_in(victim.party, id, at);
        }
    }

    fn draw_in(&mut self, party: Party, id: u64, at: Nanos) {
        if self.suspects.len() >= self.limits.suspects && !self.suspects.contains_key(&party) {
            self.counters.refused += 1;
            return;
        }
        let suspect = self.suspects.entry(party).or_default();
        suspect.incident.get_or_insert(id);
        suspect.last = suspect.last.max(at);
    }

    /// Closes the mildest, oldest incident where there is no room for one more.
    fn make_room(&mut self, at: Nanos, context: &Context, out: &mut Conclusions) {
        while self.incidents.len() >= self.limits.incidents.max(1) {
            let mildest = self
                .incidents
                .iter()
                .enumerate()
                .max_by_key(|(_, (id, i))| (i.severity, std::cmp::Reverse((i.last, *id))));
            let Some((place, _)) = mildest else { return };
            self.counters.evicted += 1;
            self.close(place, at, context, out);
        }
    }

    fn close(&mut self, place: usize, at: Nanos, context: &Context, out: &mut Conclusions) {
        let (id, mut incident) = self.incidents.remove(place);
        incident.told = at;
        out.push((
            incident.subject(),
            Body::Incident(Box::new(incident.report("closed", context))),
        ));
        self.suspects.retain(|_, s| s.incident != Some(id));
    }

    /// A border of packet time: tells updates that were held back, closes what has been quiet, and
    /// forgets old suspicion.
    pub fn tick(&mut self, at: Nanos, context: &Context) -> Conclusions {
        let mut out = Vec::new();
        for (_, incident) in &mut self.incidents {
            if incident.dirty && at.saturating_sub(incident.told) >= self.limits.update_every {
                tell(incident, "updated", at, context, &mut out);
            }
        }
        let window = self.limits.window;
        let quiet = |i: &Incident| at.saturating_sub(i.last) > window;
        while let Some(place) = self.incidents.iter().position(|(_, i)| quiet(i)) {
            self.close(place, at, context, &mut out);
        }
        self.sweep(at);
        out
    }

    /// Forgets those who have been quiet: once a minute, and at once where there is no room.
    fn sweep(&mut self, at: Nanos) {
        let full = self.suspects.len() >= self.limits.suspects;
        if !full && at.saturating_sub(self.swept) < 60_000_000_000 {
            return;
        }
        self.swept = at;
        let window = self.limits.window;
        self.suspects
            .retain(|_, s| s.incident.is_some() || at.saturating_sub(s.last) <= window);
        if self.suspects.len() < self.limits.suspects {
            return;
        }
        // All are fresh: a flood of invented sources. Those with the least against them go, so that who is
        // patient is not forgotten with them.
        let before = self.suspects.len();
        for least in 1..OPENS {
            self.suspects
                .retain(|_, s| s.incident.is_some() || s.weight() > least);
            if self.suspects.len() <= self.limits.suspects / 2 {
                break;
            }
        }
        self.counters.forgotten += (before - self.suspects.len()) as u64;
    }

    /// The city file was read anew: assets have other indices. What is in an incident is found again
    /// by its addresses; suspicion that was no incident yet is dropped.
    pub fn reload(&mut self, context: &Context) {
        self.suspects.clear();
        for (id, incident) in &mut self.incidents {
            incident.rename(context);
            let last = incident.last;
            for party in incident.parties() {
                let suspect = self.suspects.entry(party).or_default();
                suspect.incident.get_or_insert(*id);
                suspect.last = last;
            }
        }
    }

    /// The input is over: tells updates that were held back, and final counts. Incidents stay open.
    pub fn finish(&mut self, at: Nanos, context: &Context) -> Conclusions {
        let mut out = Vec::new();
        let untold = |i: &Incident| i.dirty || i.recounted;
        for (_, incident) in self.incidents.iter_mut().filter(|(_, i)| untold(i)) {
            tell(incident, "updated", at, context, &mut out);
        }
        out
    }

    /// The open incidents as they stand, in the order of opening.
    pub fn reports(&self, context: &Context) -> Vec<citywall_event::IncidentReport> {
        self.incidents
            .iter()
            .map(|(_, incident)| incident.report("updated", context))
            .collect()
    }
}

fn hold(evidence: &Evidence<'_>, actor: &Seat, victim: Option<&Seat>) -> Held {
    let event = evidence.event();
    Held {
        kind: evidence.kind,
        order: event.order,
        at: event.at,
        text: evidence.text(actor, victim),
        technique: evidence.technique,
        actor: evidence.actor,
        victim: evidence.victim,
        mark: evidence.mark,
        changes_by: evidence.changes_by(),
        floods: evidence.floods(),
        guessed: evidence.guessed(),
        times: 1,
    }
}

/// Who is not flooded any more, by which protocol.
fn calmed(event: &Event) -> Option<Flooded> {
    match &event.body {
        Body::Behaviour(behaviour) if behaviour.kind == "flood_ended" => Some(Flooded {
            address: event.subject.dst_ip?,
            protocol: event.subject.protocol.unwrap_or(0),
            port: event.subject.dst_port.or(event.subject.src_port),
        }),
        _ => None,
    }
}

/// Reports an incident.
fn tell(incident: &mut Incident, change: &'static str, at: Nanos, context: &Context, out: &mut Conclusions) {
    incident.dirty = false;
    incident.recounted = false;
    incident.told = at;
    out.push((
        incident.subject(),
        Body::Incident(Box::new(incident.report(change, context))),
    ));
}

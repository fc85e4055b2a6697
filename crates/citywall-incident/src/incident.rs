//! One incident: its evidence, who is in it, and its report.
//!
//! Owns: which reasons are kept, how bad it is, and what a report says. Does not own: which
//! evidence belongs to it (`situation`), its title (`words`).

use std::net::IpAddr;

use citywall_event::{
    Change, Context, Criticality, Crossing, Flooded, IncidentReport, Nanos, Order, Parties, Phrase, Place,
    Reason, Subject, Suspect, Technique, Victim, ZoneId, counted, say,
};

use crate::evidence::{Kind, Party, Seat};

/// Reasons that an incident keeps.
pub(crate) const REASONS: usize = 16;

/// Targets that are named of each zone that somebody reached.
pub(crate) const MET: usize = 16;

/// Actors, and victims, that an incident names.
pub(crate) const SEATS: usize = 64;
/// Floods that one host may be under at a time, by one protocol.
const KINDS_OF_FLOOD: usize = 8;

/// Evidence that is serious whatever else is known.
const SERIOUS: [Kind; 7] = [
    Kind::Isolation,
    Kind::RefusedChange,
    Kind::Claim,
    Kind::Flood,
    Kind::Tunnel,
    Kind::Upload,
    Kind::Deviation,
];

/// Evidence as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) kind: Kind,
    pub(crate) order: Order,
    pub(crate) at: Nanos,
    pub(crate) text: Phrase,
    pub(crate) technique: Option<Technique>,
    pub(crate) actor: Party,
    pub(crate) victim: Option<Party>,
    pub(crate) mark: u64,
    /// The protocol of a changing command, whatever became of it.
    pub(crate) changes_by: Option<&'static str>,
    /// The address that is flooded, and the IP protocol.
    pub(crate) floods: Option<Flooded>,
    /// The actor got in by trying passwords.
    pub(crate) guessed: bool,
    /// How often it came.
    pub(crate) times: u64,
}

/// One incident.
#[derive(Debug)]
pub(crate) struct Incident {
    pub(crate) number: String,
    pub(crate) first: Nanos,
    pub(crate) last: Nanos,
    held: Vec<Held>,
    /// Kinds of evidence that have come, as bits.
    kinds: u32,
    /// The suspects; the first is one who was taken over and acts, else who did the worst.
    pub(crate) actors: Vec<Seat>,
    /// Those to whom something was done.
    pub(crate) victims: Vec<Seat>,
    /// Victims of changes, and of takeovers.
    pub(crate) changed: Vec<Party>,
    pub(crate) taken: Vec<Party>,
    /// Those of `taken` whose password was guessed.
    pub(crate) guessed: Vec<Party>,
    /// Who crossed into which zone without leave (`None` = outside).
    pub(crate) reached: Vec<(Party, Option<ZoneId>)>,
    /// Whom, for each of `reached`: the first few.
    met: Vec<Vec<IpAddr>>,
    /// Changing commands without leave: by whom, to whom, in which protocol.
    told_to: Vec<(Party, IpAddr, &'static str)>,
    /// Those who are flooded, once for each flood.
    flooded: Vec<Flooded>,
    worst_change: Criticality,
    pub(crate) severity: u8,
    pub(crate) told: Nanos,
    /// There is something that was not told: worth an update.
    pub(crate) dirty: bool,
    /// Only counts have grown since: told at the end.
    pub(crate) recounted: bool,
}

/// What new evidence did to an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// More of the same.
    None,
    /// Worth an update some time.
    News,
    /// It is worse than before.
    Worse,
}

impl Incident {
    pub(crate) fn new(first: &Held) -> Incident {
        Incident {
            number: format!("I{}", first.order),
            first: first.at,
            last: first.at,
            held: Vec::new(),
            kinds: 0,
            actors: Vec::new(),
            victims: Vec::new(),
            changed: Vec::new(),
            taken: Vec::new(),
            guessed: Vec::new(),
            reached: Vec::new(),
            met: Vec::new(),
            told_to: Vec::new(),
            flooded: Vec::new(),
            worst_change: Criticality::Normal,
            severity: 4,
            told: first.at,
            dirty: false,
            recounted: false,
        }
    }

    pub(crate) fn has(&self, kind: Kind) -> bool {
        self.kinds & (1 << kind as u32) != 0
    }

    /// True where this would only be counted: nothing else need be looked up for it.
    pub(crate) fn repeats(
        &mut self,
        kind: Kind,
        actor: Party,
        victim: Option<Party>,
        mark: u64,
        at: Nanos,
    ) -> bool {
        let same = |h: &&mut Held| {
            let of_kind = h.kind == kind && h.actor == actor;
            // Scans, contacts and reads are much alike: one reason for all victims.
            let same_victim = kind <= Kind::Scan || h.victim == victim;
            of_kind && same_victim && h.mark == mark
        };
        let Some(held) = self.held.iter_mut().find(same) else {
            return false;
        };
        held.times += 1;
        self.last = self.last.max(at);
        self.recounted = true;
        true
    }

    /// Adds evidence.
    pub(crate) fn add(&mut self, held: Held, actor: &Seat, victim: Option<&Seat>) -> Effect {
        let (kind, before) = (held.kind, self.severity);
        let new_kind = !self.has(kind);
        self.kinds |= 1 << kind as u32;
        self.last = self.last.max(held.at);
        self.seat_actor(actor, kind);
        if let Some(victim) = victim {
            seat(&mut self.victims, victim);
            if kind.is_change() {
                note(&mut self.changed, victim.party);
                self.worst_change = self.worst_change.max(victim.criticality);
            }
            if kind == Kind::Isolation {
                self.worst_change = self.worst_change.max(victim.criticality).max(actor.criticality);
            }
            if kind == Kind::Takeover {
                note(&mut self.taken, victim.party);
            }
            if held.guessed {
                note(&mut self.guessed, victim.party);
            }
            if matches!(kind, Kind::ForbiddenContact | Kind::Isolation) {
                self.meet((actor.party, victim.place.zone), victim.ip.as_slice());
            }
            if let (Some(protocol), Some(ip)) = (held.changes_by, victim.ip) {
                note(&mut self.told_to, (actor.party, ip, protocol));
            }
        }
        let flooded = held.floods.is_some_and(|flooded| self.floods(flooded));
        self.order_actors();
        let strong = kind >= Kind::Takeover;
        let kept = self.keep(held);
        self.severity = self.judge_severity();
        if self.severity < before || flooded {
            Effect::Worse
        } else if new_kind || strong || kept {
            Effect::News
        } else {
            Effect::None
        }
    }

    /// Somebody is flooded; true where that was not known.
    pub(crate) fn floods(&mut self, flooded: Flooded) -> bool {
        note_flooded(&mut self.flooded, flooded)
    }

    /// One of the floods is over; true where it was the last of them on somebody.
    pub(crate) fn calms(&mut self, flooded: Flooded) -> bool {
        let Some(place) = self.flooded.iter().position(|f| *f == flooded) else {
            return false;
        };
        self.flooded.remove(place);
        !self.flooded.contains(&flooded)
    }

    /// Each who is flooded, once.
    fn flooded(&self) -> Vec<Flooded> {
        let mut all: Vec<Flooded> = Vec::new();
        for flooded in &self.flooded {
            if !all.contains(flooded) {
                all.push(*flooded);
            }
        }
        all
    }

    /// Somebody reached somebody in a zone without leave. A target that was not named before is worth
    /// an update: what is done may be about each of them.
    pub(crate) fn meet(&mut self, reached: (Party, Option<ZoneId>), targets: &[IpAddr]) {
        note(&mut self.reached, reached);
        self.met.resize(self.reached.len(), Vec::new());
        let Some(place) = self.reached.iter().position(|r| *r == reached) else {
            return;
        };
        for target in targets {
            if self.met[place].len() < MET && !self.met[place].contains(target) {
                self.met[place].push(*target);
                self.dirty = true;
            }
        }
    }

    fn seat_actor(&mut self, actor: &Seat, kind: Kind) {
        seat(&mut self.actors, actor);
        if let Some(seat) = self.actors.iter_mut().find(|s| s.party == actor.party) {
            seat.worst = seat.worst.max(Some(kind));
            seat.proved |= actor.proved || self.victims.iter().any(|v| v.party == actor.party && v.proved);
            seat.own_mac = seat.own_mac.or(actor.own_mac);
        }
    }

    /// Puts the suspected source first: nearest to the harm is what was taken over and acts.
    fn order_actors(&mut self) {
        let rank = |s: &Seat| (self.taken.contains(&s.party), s.worst);
        let mut best = 0;
        for (place, seat) in self.actors.iter().enumerate() {
            if rank(seat) > rank(&self.actors[best]) {
                best = place;
            }
        }
        if best > 0 {
            self.actors[..=best].rotate_right(1);
        }
    }

    /// Keeps the first and the strongest. True where this is one of them: a reason that the
    /// reports told so far do not have.
    fn keep(&mut self, held: Held) -> bool {
        if self.held.len() < REASONS {
            self.held.push(held);
            return true;
        }
        let weakest = self
            .held
            .iter()
            .enumerate()
            .skip(1)
            .min_by_key(|(place, h)| (h.kind, std::cmp::Reverse(*place)));
        let Some((place, _)) = weakest.filter(|(_, h)| h.kind < held.kind) else {
            return false;
        };
        self.held.remove(place);
        self.held.push(held);
        true
    }

    fn judge_severity(&self) -> u8 {
        let harm = self.worst_change >= Criticality::Essential;
        let change = self.has(Kind::Change) || self.has(Kind::UnansweredChange);
        let forbidden =
            self.has(Kind::ForbiddenContact) || self.has(Kind::ForbiddenRead) || self.has(Kind::Scan);
        // Who tried until it was in means it; a default password may also be a technician's.
        let guessed = !self.guessed.is_empty();
        let taken_over = self.has(Kind::Takeover) && forbidden && self.a_victim_acts();
        if (change || self.has(Kind::Isolation)) && harm {
            1
        } else if change || taken_over || guessed || SERIOUS.iter().any(|kind| self.has(*kind)) {
            2
        } else {
            3
        }
    }

    /// True where somebody that was taken over does something in turn.
    pub(crate) fn a_victim_acts(&self) -> bool {
        self.taken
            .iter()
            .any(|victim| self.actors.iter().any(|actor| actor.party == *victim))
    }

    /// The report as it stands.
    pub(crate) fn report(&self, change: &'static str, context: &Context) -> IncidentReport {
        let seats = || self.actors.iter().chain(&self.victims);
        let mut zones = Vec::new();
        let mut domains = Vec::new();
        let mut assets = Vec::new();
        for seat in seats() {
            once(&mut zones, context.zone_name(seat.place.zone));
            if let Some(zone) = seat.place.zone.and_then(|id| context.zone(id)) {
                once(&mut domains, &zone.domain);
            }
            once(&mut assets, &seat.name);
        }
        if context.is_empty() {
            zones.clear();
        }
        let services = context.dependents(&self.hit_places());
        let mut held: Vec<&Held> = self.held.iter().collect();
        held.sort_by_key(|h| h.order);
        IncidentReport {
            change,
            number: self.number.clone(),
            title: crate::words::title(self, context),
            severity: self.severity,
            zones,
            domains,
            assets,
            services: services.iter().map(|s| s.name.clone()).collect(),
            reasons: held.into_iter().map(reason).collect(),
            parties: self.parties_told(context),
            first: self.first,
            last: self.last,
        }
    }

    /// Who is in it, as the response needs it.
    fn parties_told(&self, context: &Context) -> Parties {
        let place_of = |party: &Party| self.actors.iter().position(|a| a.party == *party);
        let suspect = |seat: &Seat| Suspect {
            name: seat.name.to_string(),
            address: seat.ip,
            mac: seat.own_mac,
            taken: self.taken.contains(&seat.party),
            proved: seat.proved,
        };
        let victim = |seat: &Seat| Victim {
            name: seat.name.to_string(),
            address: seat.ip,
            taken: self.taken.contains(&seat.party),
        };
        let crossing = |((party, zone), targets): (&(Party, Option<ZoneId>), &Vec<IpAddr>)| {
            Some(Crossing {
                suspect: place_of(party)?,
                zone: context.zone_name(*zone).to_owned(),
                targets: targets.clone(),
            })
        };
        let change = |(party, target, protocol): &(Party, IpAddr, &'static str)| {
            Some(Change {
                suspect: place_of(party)?,
                target: *target,
                protocol: (*protocol).to_owned(),
            })
        };
        Parties {
            kinds: Kind::ALL
                .into_iter()
                .filter(|k| self.has(*k))
                .map(Kind::name)
                .collect(),
            suspects: self.actors.iter().map(suspect).collect(),
            crossings: self.reached.iter().zip(&self.met).filter_map(crossing).collect(),
            changes: self.told_to.iter().filter_map(change).collect(),
            victims: self.victims.iter().map(victim).collect(),
            flooded: self.flooded(),
        }
    }

    /// The places whose services may fall: what was changed, else what was taken over, else all
    /// victims.
    fn hit_places(&self) -> Vec<Place> {
        let of = |parties: &[Party]| -> Vec<Place> {
            self.victims
                .iter()
                .filter(|s| parties.contains(&s.party))
                .map(|s| s.place)
                .collect()
        };
        if !self.changed.is_empty() {
            of(&self.changed)
        } else if !self.taken.is_empty() {
            of(&self.taken)
        } else {
            self.victims.iter().map(|s| s.place).collect()
        }
    }

    /// What its events are about: the suspected source.
    pub(crate) fn subject(&self) -> Subject {
        let source = self.actors.first();
        Subject {
            src_ip: source.and_then(|s| s.ip),
            src_mac: source.and_then(|s| s.mac),
            src_zone: source.and_then(|s| s.place.zone),
            ..Subject::default()
        }
    }

    /// Those whose further deeds belong here.
    pub(crate) fn parties(&self) -> Vec<Party> {
        let victims = self.victims.iter().filter(|v| !v.infrastructure).map(|v| v.party);
        let bound = victims.filter(|v| self.taken.contains(v) || self.changed.contains(v));
        self.actors.iter().map(|a| a.party).chain(bound).collect()
    }

    /// The city file was read anew: finds all parties again by their addresses.
    pub(crate) fn rename(&mut self, context: &Context) {
        let mut renamed: Vec<(Party, Party)> = Vec::new();
        for seat in self.actors.iter_mut().chain(&mut self.victims) {
            let old = seat.party;
            seat.relocate(context);
            renamed.push((old, seat.party));
        }
        let new_of = |party: &mut Party| {
            if let Some((_, new)) = renamed.iter().find(|(old, _)| old == party) {
                *party = *new;
            }
        };
        let parties = self.changed.iter_mut().chain(&mut self.taken);
        parties.chain(&mut self.guessed).for_each(new_of);
        // Zones have other indices too; contacts to come will tell them again.
        self.reached.clear();
        self.met.clear();
        for (party, _, _) in &mut self.told_to {
            new_of(party);
        }
        for held in &mut self.held {
            new_of(&mut held.actor);
            if let Some(victim) = &mut held.victim {
                new_of(victim);
            }
        }
    }

    /// Takes over another incident's evidence and parties.
    pub(crate) fn join(&mut self, other: Incident) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.kinds |= other.kinds;
        self.worst_change = self.worst_change.max(other.worst_change);
        for flooded in &other.flooded {
            note_flooded(&mut self.flooded, *flooded);
        }
        for actor in &other.actors {
            let kind = actor.worst.unwrap_or(Kind::ForbiddenContact);
            self.seat_actor(actor, kind);
        }
        for victim in &other.victims {
            seat(&mut self.victims, victim);
        }
        for party in other.changed {
            note(&mut self.changed, party);
        }
        for party in other.taken {
            note(&mut self.taken, party);
        }
        for party in other.guessed {
            note(&mut self.guessed, party);
        }
        for (reached, targets) in other.reached.into_iter().zip(other.met) {
            self.meet(reached, &targets);
        }
        for told in other.told_to {
            note(&mut self.told_to, told);
        }
        for held in other.held {
            self.keep(held);
        }
        self.order_actors();
        self.severity = self.judge_severity();
        self.dirty = true;
    }
}

fn reason(held: &Held) -> Reason {
    let text = match held.times {
        0 | 1 => held.text.clone(),
        times => say!(
            "so-often",
            "{what} ({n})",
            what = &held.text,
            n = counted(times, "time", "times")
        ),
    };
    Reason {
        event: held.order,
        at: held.at,
        text,
        technique: held.technique,
    }
}

fn seat(seats: &mut Vec<Seat>, new: &Seat) {
    if let Some(known) = seats.iter_mut().find(|s| s.party == new.party) {
        // More may be known by now than its address.
        known.name = new.name.clone();
        match (known.ip, new.ip) {
            // It was known by its place alone. That it is there proves nothing of an address.
            (None, Some(_)) => {
                known.ip = new.ip;
                known.mac = new.mac.or(known.mac);
                known.own_mac = new.own_mac.or(known.own_mac);
                known.proved = new.proved;
            }
            (Some(_), None) => {}
            _ => known.proved |= new.proved,
        }
        return;
    }
    if seats.len() < SEATS {
        seats.push(new.clone());
    }
}

fn note<T: PartialEq>(noted: &mut Vec<T>, new: T) {
    if noted.len() < SEATS && !noted.contains(&new) {
        noted.push(new);
    }
}

fn once(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|n| n == name) {
        names.push(name.to_owned());
    }
}

/// Notes a flood; true where it is the first on somebody. Floods of several kinds at a time end one by one.
fn note_flooded(all: &mut Vec<Flooded>, one: Flooded) -> bool {
    let known = all.iter().filter(|f| **f == one).count();
    if known < KINDS_OF_FLOOD && all.len() < SEATS * KINDS_OF_FLOOD {
        all.push(one);
    }
    known == 0
}

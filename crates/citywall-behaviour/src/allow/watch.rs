//! Deviations from an allow-list.
//!
//! Owns: holding each contact, command and fingerprint against the list, and saying what is not on it with
//! what is normal beside it. A device that the list does not know is not judged, but whoever it reaches
//! is. Does not own: which list is in force.

use std::net::IpAddr;

use citywall_event::{
    Behaviour, Body, Command, Context, Event, Mac, Nanos, Order as Place, Phrase, Side, Sighting,
    SightingTrait, Subject, Technique, Verb, counted, names, say, sentences,
};
use hashbrown::{HashMap, HashSet};

use super::learner::{brief, is_icmp, service};
use super::list::{AllowList, Doubt, End, Evidence, Order, Talk};
use super::peer::{Kinds, Met, Names, Peer, meet, to_many};
use super::seen::numbers;
use super::sentence::{hours_text, number, point_text, service_text};
use crate::recent::Recent;

/// How much is remembered, and how often is too often.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WatchLimits {
    /// Parties, counts and deviations that are remembered, of each kind.
    pub remembered: usize,
    /// Times the busiest slot that was learned.
    pub factor: u32,
    /// And this many more.
    pub more: u32,
    /// Deviations of one device that are told in a slot.
    pub told: u32,
}

impl Default for WatchLimits {
    fn default() -> WatchLimits {
        WatchLimits {
            remembered: 65_536,
            factor: 2,
            more: 16,
            told: 32,
        }
    }
}

/// As an event has a party.
type Address = (Option<IpAddr>, Option<Mac>);

/// Numbers of ends in the index.
type EndId = u32;

/// What the list says of one pair of ends.
#[derive(Debug, Default)]
struct Pair {
    talks: Vec<usize>,
    /// Sorted by what makes a command another one.
    orders: Vec<usize>,
}

/// A party, and where the list has it.
#[derive(Clone, Debug)]
struct Known {
    met: Met,
    /// Its own entry, and that of its kind.
    ends: [Option<EndId>; 2],
    /// It was seen while learning, or is of a kind that was.
    held: bool,
    /// It speaks with too many to be judged.
    open: bool,
}

/// Holds use against a list.
#[derive(Debug)]
pub struct AllowWatch {
    limits: WatchLimits,
    list: AllowList,
    ends: HashMap<End, EndId>,
    pairs: HashMap<(EndId, EndId), Pair>,
    /// Who commands an end, for the words of what is normal.
    commanders: HashMap<EndId, Vec<EndId>>,
    prints: HashMap<EndId, HashMap<String, HashSet<String>>>,
    /// The devices of the list: their kind, which stands whatever is concluded of them later, and whether
    /// they are not judged.
    held: HashMap<Peer, (Option<u16>, bool)>,
    kinds: Kinds,
    parties: Recent<Address, Option<Option<Known>>>,
    names: Names,
    counts: Recent<(bool, usize, EndKey), Count>,
    told: Recent<(&'static str, String), Option<i64>>,
    tellers: Recent<Peer, (i64, u32)>,
    /// What was not judged, as neither side is on the list.
    abstained: u64,
    /// What was not told, as the device had done enough already.
    held_back: u64,
}

/// A pair of devices.
type EndKey = (Peer, Peer);

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    slot: i64,
    times: u32,
}

/// One thing that is not as it was.
struct Deviation {
    kind: &'static str,
    /// What happened, and what is normal.
    text: Phrase,
    score: f64,
    feature: (&'static str, f64),
}

impl AllowWatch {
    /// Takes a list that somebody stands for.
    pub fn new(list: AllowList, limits: WatchLimits) -> AllowWatch {
        let mut watch = AllowWatch {
            limits,
            ends: HashMap::new(),
            pairs: HashMap::new(),
            commanders: HashMap::new(),
            prints: HashMap::new(),
            held: HashMap::new(),
            kinds: Kinds::default(),
            parties: Recent::new(limits.remembered),
            names: Names::new(),
            counts: Recent::new(limits.remembered),
            told: Recent::new(limits.remembered),
            tellers: Recent::new(limits.remembered),
            abstained: 0,
            held_back: 0,
            list: AllowList::default(),
        };
        for device in &list.devices {
            watch.held.insert(device.peer.clone(), (device.kind, device.open));
            watch.end(&End::Peer(device.peer.clone()));
        }
        for kind in 0..list.kinds.len() {
            watch.end(&End::Kind(kind as u16));
        }
        // Also the ends of what is only proposed: it is told where it is seen again.
        for end in list.talks.iter().flat_map(|talk| [&talk.from, &talk.to]) {
            watch.end(end);
        }
        for end in list.orders.iter().flat_map(|order| [&order.from, &order.to]) {
            watch.end(end);
        }
        for (index, talk) in list.talks.iter().enumerate() {
            if talk.seen.doubt.is_none() {
                watch.pair(&talk.from, &talk.to).talks.push(index);
            }
        }
        for (index, order) in list.orders.iter().enumerate() {
            if order.seen.doubt.is_none() {
                watch.pair(&order.from, &order.to).orders.push(index);
                let (from, to) = (watch.end(&order.from), watch.end(&order.to));
                let known = watch.commanders.entry(to).or_default();
                if !known.contains(&from) {
                    known.push(from);
                }
            }
        }
        for pair in watch.pairs.values_mut() {
            let orders = &list.orders;
            pair.orders.sort_by(|a, b| {
                let (a, b) = (&orders[*a], &orders[*b]);
                key(a).cmp(&key(b))
            });
        }
        for print in list.prints.iter().filter(|print| print.seen.doubt.is_none()) {
            let of = watch.end(&print.of);
            let values = watch.prints.entry(of).or_default();
            values
                .entry(print.name.clone())
                .or_default()
                .insert(print.value.clone());
        }
        watch.list = list;
        watch
    }

    /// The list.
    pub fn list(&self) -> &AllowList {
        &self.list
    }

    /// Parties, counts and deviations that were forgotten for lack of room.
    pub fn forgotten(&self) -> u64 {
        self.parties.forgotten() + self.counts.forgotten() + self.told.forgotten() + self.tellers.forgotten()
    }

    /// What was not judged, as neither side is on the list.
    pub fn abstained(&self) -> u64 {
        self.abstained
    }

    /// What was not told, as the device had deviated often enough already.
    pub fn held_back(&self) -> u64 {
        self.held_back
    }

    /// The city file changed: who is who is asked anew.
    pub fn reload(&mut self) {
        self.parties = Recent::new(self.limits.remembered);
    }

    fn end(&mut self, end: &End) -> EndId {
        let next = self.ends.len() as EndId;
        *self.ends.entry_ref(end).or_insert(next)
    }

    fn pair(&mut self, from: &End, to: &End) -> &mut Pair {
        let key = (self.end(from), self.end(to));
        self.pairs.entry(key).or_default()
    }

    /// Takes one event; the `Behaviour` is about its parties.
    pub fn observe(&mut self, event: &Event, context: &Context) -> Option<Behaviour> {
        let s = &event.subject;
        match &event.body {
            Body::Contact(contact) if !is_icmp(s.protocol) => {
                self.contact(event, service(s, None)?, contact.midstream, context)
            }
            Body::Flow(flow) if is_icmp(s.protocol) => {
                self.contact(event, service(s, flow.icmp)?, false, context)
            }
            Body::Command(command) => self.command(event, command, context),
            Body::Sighting(sighting) if sighting.trait_ == SightingTrait::Fingerprint => {
                self.print(event, sighting, context)
            }
            Body::Answer(answer) => {
                let asker = self.known(s.dst_ip, s.dst_mac, context)?;
                self.names.told(&asker.met.peer, &answer.name, &answer.addresses);
                None
            }
            Body::Asset(asset) => {
                if self.kinds.concluded(asset, context) {
                    self.reload();
                }
                None
            }
            _ => None,
        }
    }

    /// Who a party is, and where the list has it.
    fn known(&mut self, ip: Option<IpAddr>, mac: Option<Mac>, context: &Context) -> Option<Known> {
        // A router's MAC is not the host's: `locate` knows, so both count.
        if let Some(Some(known)) = self.parties.get((ip, mac)) {
            return known.clone();
        }
        let known = meet(ip, mac, context).map(|met| {
            self.kinds.declared(&met, context);
            let seen = self.held.get(&met.peer).copied();
            let kind = match seen {
                Some((kind, _)) => kind,
                // A device that came later is held to what its kind does.
                None => {
                    let kind = self.kinds.of.get(&met.peer);
                    let place = kind.and_then(|kind| self.list.kinds.iter().position(|k| k == kind));
                    place.map(|place| place as u16)
                }
            };
            let own = self.ends.get(&End::Peer(met.peer.clone())).copied();
            let of_kind = kind.and_then(|kind| self.ends.get(&End::Kind(kind))).copied();
            Known {
                ends: [own, of_kind],
                held: met.inside && (seen.is_some() || of_kind.is_some()),
                open: seen.is_some_and(|(_, open)| open),
                met,
            }
        });
        *self.parties.entry((ip, mac)) = Some(known.clone());
        known
    }

    /// Both sides; a host outside is its name, where the other side asked for it.
    fn sides(&mut self, s: &Subject, context: &Context) -> Option<(Known, Known)> {
        let from = self.known(s.src_ip, s.src_mac, context)?;
        let mut to = self.known(s.dst_ip, s.dst_mac, context)?;
        if !to.met.inside
            && let Some(name) = self.names.of(&from.met.peer, s.dst_ip)
        {
            let peer = Peer::Name(name);
            // Known by its name or by its address.
            to.ends[1] = self.ends.get(&End::Peer(peer.clone())).copied();
            to.met.peer = peer;
        }
        Some((from, to))
    }

    fn pairs_of<'a>(&'a self, from: &'a Known, to: &'a Known) -> impl Iterator<Item = &'a Pair> {
        let ends = from.ends.into_iter().flatten();
        ends.flat_map(move |f| to.ends.into_iter().flatten().map(move |t| (f, t)))
            .filter_map(|key| self.pairs.get(&key))
    }

    fn contact(
        &mut self,
        event: &Event,
        service: (u8, u16),
        midstream: bool,
        context: &Context,
    ) -> Option<Behaviour> {
        let s = event.subject;
        if to_many(s.dst_ip, s.dst_mac) {
            return None;
        }
        let (from, to) = self.sides(&s, context)?;
        // What calls from outside is the policy's and the scan detector's matter.
        if !from.met.inside {
            return None;
        }
        if !(from.held || to.held) || from.open {
            self.abstained += 1;
            return None;
        }
        if let Some(index) = self.talk(&from, &to, service) {
            let talk = &self.list.talks[index];
            let (seen, what) = (talk.seen, service_text(talk));
            let mut found = Vec::new();
            found.extend(self.hour(event.at, &seen));
            found.extend(self.often((false, index), &from, &to, event.at, seen.often));
            let begun = contacted(&from, &to, &what);
            return self.tell(event, &from.met.peer, &begun, found, None);
        }
        // A late answer, or a conversation that began before it was watched, looks turned round.
        let back = (service.0, s.src_port.unwrap_or(0).min(super::DYNAMIC));
        if (midstream || service.0 == 17) && self.talk(&to, &from, back).is_some() {
            return None;
        }
        let what = words(service);
        let begun = contacted(&from, &to, &what);
        let spoken = self.pairs_of(&from, &to).next().is_some();
        let deviation = if spoken {
            let normal = self.services(&from, &to);
            Deviation {
                kind: "new_service",
                text: say!(
                    "never-on",
                    "it never did on {service} (normal: {normal})",
                    service = what,
                    normal = normal
                ),
                score: 0.7,
                feature: ("new_service", 1.0),
            }
        } else {
            let (text, count) = self.peers(&from, &to, service.0, service.1);
            Deviation {
                kind: "new_peer",
                text,
                score: 0.7,
                feature: ("known_peers", count as f64),
            }
        };
        self.tell(event, &from.met.peer, &begun, vec![deviation], None)
    }

    fn talk(&self, from: &Known, to: &Known, (protocol, port): (u8, u16)) -> Option<usize> {
        let same = |index: &&usize| {
            let talk = &self.list.talks[**index];
            (talk.protocol, talk.port) == (protocol, port)
        };
        self.pairs_of(from, to)
            .find_map(|pair| pair.talks.iter().find(same))
            .copied()
    }

    /// The services that one has at the other, in words.
    fn services(&self, from: &Known, to: &Known) -> Phrase {
        let talks = self.pairs_of(from, to).flat_map(|pair| &pair.talks);
        let all: Vec<Phrase> = talks.map(|i| service_text(&self.list.talks[*i])).collect();
        some(&all, say!("commands-alone", "commands alone"))
    }

    /// With whom a party speaks, in words, and with how many.
    fn peers(&self, from: &Known, to: &Known, protocol: u8, port: u16) -> (Phrase, usize) {
        let is = |known: &Known, end: &End| {
            let id = self.ends.get(end).copied();
            id.is_some() && known.ends.contains(&id)
        };
        let allowed = self.list.talks.iter().filter(|talk| talk.seen.doubt.is_none());
        let doubted = |talk: &&Talk| {
            let same = (talk.protocol, talk.port) == (protocol, port);
            same && talk.seen.doubt.is_some() && is(from, &talk.from) && is(to, &talk.to)
        };
        let doubt = self
            .list
            .talks
            .iter()
            .find(doubted)
            .and_then(|talk| talk.seen.doubt);
        let mut all: Vec<Phrase> = if from.held {
            let own = allowed.filter(|talk| is(from, &talk.from));
            own.map(|talk| self.list.end_text(&talk.to)).collect()
        } else {
            let own = allowed.filter(|talk| is(to, &talk.to));
            own.map(|talk| self.list.end_text(&talk.from)).collect()
        };
        sort(&mut all);
        let normal = but(some(&all, say!("nobody", "nobody")), doubt);
        let text = match from.held {
            true => say!(
                "never-spoke",
                "it never spoke with that one (normal: {normal})",
                normal = normal
            ),
            false => say!(
                "new-never-spoke",
                "that one is new, and never spoke with {whom} (normal: {normal})",
                whom = to.met.peer.text(),
                normal = normal
            ),
        };
        (text, all.len())
    }

    fn command(&mut self, event: &Event, command: &Command, context: &Context) -> Option<Behaviour> {
        let (mut from, to) = self.sides(&event.subject, context)?;
        if !(from.held || to.held) || from.open {
            self.abstained += 1;
            return None;
        }
        if !from.met.inside {
            from.ends = [self.ends.get(&End::Peer(Peer::Outside)).copied(), None];
        }
        let point = brief(&command.point);
        let begun = say!(
            "told-device",
            "{who} told {whom} by {protocol}: {command}",
            who = from.met.peer.text(),
            whom = to.met.peer.text(),
            protocol = command.protocol,
            command = sentence(command)
        );
        let mut found = Vec::new();
        if let Some(index) = self.order(&from, &to, command, &point) {
            let order = &self.list.orders[index];
            let seen = order.seen;
            if let (Some(range), Some(value)) = (order.values, command.value.as_ref().and_then(numbers))
                && !range.holds(value)
            {
                let (low, high) = range.usual;
                found.push(Deviation {
                    kind: "value_out_of_range",
                    text: say!(
                        "out-of-range",
                        "the value is out of range (normal: {low} to {high})",
                        low = number(low),
                        high = number(high)
                    ),
                    score: 0.8,
                    feature: ("value", if value.1 > high { value.1 } else { value.0 }),
                });
            }
            found.extend(self.hour(event.at, &seen));
            found.extend(self.often((true, index), &from, &to, event.at, seen.often));
        } else {
            found.push(self.new_order(&from, &to, command));
        }
        let technique = command.technique.or(Some(Technique::UNAUTHORIZED_COMMAND));
        self.tell(event, &from.met.peer, &begun, found, technique)
    }

    fn order(&self, from: &Known, to: &Known, command: &Command, point: &str) -> Option<usize> {
        let orders = &self.list.orders;
        let wanted = |point| {
            (
                command.protocol,
                command.verb,
                command.function,
                command.unit,
                point,
            )
        };
        let find = |pair: &Pair, wanted| {
            let found = pair.orders.binary_search_by(|i| key(&orders[*i]).cmp(&wanted));
            found.ok().map(|at| pair.orders[at])
        };
        self.pairs_of(from, to).find_map(|pair| {
            find(pair, wanted(Some((point, command.count)))).or_else(|| find(pair, wanted(None)))
        })
    }

    /// A command that is on no list: its commander, its function or its point is new.
    fn new_order(&self, from: &Known, to: &Known, command: &Command) -> Deviation {
        let doubt = self.doubted(from, to, command);
        let known: Vec<&Order> = self
            .pairs_of(from, to)
            .flat_map(|pair| pair.orders.iter().map(|i| &self.list.orders[*i]))
            .collect();
        if known.is_empty() {
            let own = to.ends.into_iter().flatten();
            let ids: Vec<EndId> = own
                .filter_map(|id| self.commanders.get(&id))
                .flatten()
                .copied()
                .collect();
            let mut all: Vec<Phrase> = self
                .ends
                .iter()
                .filter(|(_, id)| ids.contains(id))
                .map(|(end, _)| self.list.end_text(end))
                .collect();
            sort(&mut all);
            return Deviation {
                kind: "new_commander",
                text: say!(
                    "never-commanded",
                    "it never commanded that device (normal: {normal})",
                    normal = but(some(&all, say!("nobody", "nobody")), doubt)
                ),
                score: if command.verb.changes() { 0.95 } else { 0.8 },
                feature: ("known_commanders", all.len() as f64),
            };
        }
        let same = |o: &&&Order| {
            o.protocol == command.protocol && o.verb == command.verb && o.function == command.function
        };
        let points: Vec<Phrase> = known.iter().filter(same).map(|o| point_text(o)).collect();
        if points.is_empty() {
            let own = known.iter().map(|o| Phrase::as_written(o.function.as_str()));
            let mut all: Vec<Phrase> = own.collect();
            sort(&mut all);
            return Deviation {
                kind: "new_command",
                text: say!(
                    "never-did-there",
                    "it never did {function} there (normal: {normal})",
                    function = command.function,
                    normal = but(some(&all, say!("nothing", "nothing")), doubt)
                ),
                score: if command.verb.changes() { 0.95 } else { 0.7 },
                feature: ("known_functions", all.len() as f64),
            };
        }
        Deviation {
            kind: "new_point",
            text: say!(
                "never-did-to-point",
                "it never did that to this point (normal: {normal})",
                normal = but(some(&points, say!("none-known", "none")), doubt)
            ),
            score: if command.verb.changes() { 0.9 } else { 0.6 },
            feature: ("known_points", points.len() as f64),
        }
    }

    /// What there is to say where it was seen while learning and not accepted.
    fn doubted(&self, from: &Known, to: &Known, command: &Command) -> Option<Doubt> {
        let is = |known: &Known, end: &End| {
            let id = self.ends.get(end).copied();
            id.is_some() && known.ends.contains(&id)
        };
        let found = self.list.orders.iter().find(|o| {
            o.seen.doubt.is_some()
                && o.verb == command.verb
                && o.function == command.function
                && o.unit == command.unit
                && o.point
                    .as_ref()
                    .is_none_or(|(p, n)| *p == command.point && *n == command.count)
                && is(from, &o.from)
                && is(to, &o.to)
        });
        found.and_then(|o| o.seen.doubt)
    }

    fn print(&mut self, event: &Event, sighting: &Sighting, context: &Context) -> Option<Behaviour> {
        let s = &event.subject;
        let known = match sighting.side {
            Side::Source => self.known(s.src_ip, s.src_mac, context),
            Side::Destination => self.known(s.dst_ip, s.dst_mac, context),
            Side::Card(card) => self.known(None, Some(card), context),
        }?;
        if !known.held {
            return None;
        }
        let value = brief(&sighting.value);
        let own = known.ends.into_iter().flatten();
        let sets: Vec<_> = own
            .filter_map(|id| self.prints.get(&id)?.get(sighting.evidence))
            .collect();
        // Where it never showed one, that it does now is a new service's matter.
        if sets.is_empty() || sets.iter().any(|set| set.contains(&value)) {
            return None;
        }
        let mut all: Vec<String> = sets.into_iter().flatten().cloned().collect();
        all.sort();
        let shown: Vec<Phrase> = all
            .iter()
            .map(|print| Phrase::as_written(print.as_str()))
            .collect();
        let found = Deviation {
            kind: "new_fingerprint",
            text: say!(
                "other-software",
                "that is other software (normal: {normal})",
                normal = some(&shown, say!("none-known", "none"))
            ),
            score: 0.6,
            feature: ("known_fingerprints", all.len() as f64),
        };
        let peer = known.met.peer;
        let begun = say!(
            "showed-fingerprint",
            "{who} showed the {name} fingerprint {value}",
            who = peer.text(),
            name = sighting.evidence,
            value = value
        );
        self.tell(event, &peer, &begun, vec![found], None)
    }

    /// An hour before or after counts as known: that takes the change of clocks, too. Of hours in which
    /// nothing was learned nothing is said.
    fn hour(&self, at: Nanos, seen: &Evidence) -> Option<Deviation> {
        let hours = self.list.hours(seen)?;
        let hour = at.div_euclid(3_600_000_000_000).rem_euclid(24) as u32;
        let near = [(hour + 23) % 24, hour, (hour + 1) % 24];
        if self.list.covered >> hour & 1 == 0 || near.iter().any(|h| hours >> h & 1 == 1) {
            return None;
        }
        Some(Deviation {
            kind: "unusual_hour",
            text: say!(
                "never-at-hour",
                "it never did at this hour (normal: {hours} UTC)",
                hours = hours_text(hours)
            ),
            score: 0.5,
            feature: ("hour_utc", f64::from(hour)),
        })
    }

    fn often(
        &mut self,
        entry: (bool, usize),
        from: &Known,
        to: &Known,
        at: Nanos,
        often: u32,
    ) -> Option<Deviation> {
        let key = (entry.0, entry.1, (from.met.peer.clone(), to.met.peer.clone()));
        let slot = at.div_euclid(self.list.slot.max(1));
        let limit = often
            .saturating_mul(self.limits.factor)
            .saturating_add(self.limits.more);
        let count = self.counts.entry(key);
        if count.slot != slot {
            *count = Count { slot, times: 0 };
        }
        count.times = count.times.saturating_add(1);
        let times = count.times;
        let seconds = self.list.slot as f64 / 1e9;
        (times > limit).then(|| Deviation {
            kind: "unusually_often",
            text: say!(
                "too-often",
                "that is more than {limit} within {seconds} s (normal: at most {often})",
                limit = counted(limit, "time", "times"),
                seconds = format!("{seconds:.0}"),
                often = often
            ),
            score: 0.6,
            feature: ("times", f64::from(times)),
        })
    }

    /// Says it once in a slot of time, and of one device only so many; all that deviates in one event is
    /// one behaviour, named after the strongest.
    fn tell(
        &mut self,
        event: &Event,
        who: &Peer,
        begun: &Phrase,
        mut found: Vec<Deviation>,
        technique: Option<Technique>,
    ) -> Option<Behaviour> {
        let slot = event.at.div_euclid(self.list.slot.max(1));
        found.retain(|deviation| {
            // Values and counts differ each time: which thing deviates is what counts.
            let what = match deviation.kind {
                "value_out_of_range" | "unusually_often" => begun.split(" = ").next().unwrap_or_default(),
                _ => begun.english(),
            };
            let last = self.told.entry((deviation.kind, what.to_owned()));
            last.replace(slot) != Some(slot)
        });
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        let kind = found.first()?.kind;
        let told = self.tellers.entry(who.clone());
        if told.0 != slot {
            *told = (slot, 0);
        }
        if told.1 >= self.limits.told {
            self.held_back += 1;
            return None;
        }
        told.1 += 1;
        let deviations = sentences(found.iter().map(|d| d.text.clone()));
        Some(Behaviour {
            kind,
            reason: say!(
                "deviates",
                "{what}: {deviations}",
                what = begun,
                deviations = deviations
            ),
            score: found.iter().map(|d| d.score).fold(0.0, f64::max),
            features: found.iter().map(|d| d.feature).collect(),
            technique,
            evidence: vec![event.order].into_iter().collect::<Vec<Place>>(),
        })
    }
}

type Key<'a> = (&'a str, Verb, &'a str, Option<u32>, Option<(&'a str, u32)>);

/// What makes a command another one.
fn key(order: &Order) -> Key<'_> {
    let point = order
        .point
        .as_ref()
        .map(|(point, count)| (point.as_str(), *count));
    (&order.protocol, order.verb, &order.function, order.unit, point)
}

fn words(service: (u8, u16)) -> Phrase {
    super::sentence::service_words(service.0, service.1)
}

fn contacted(from: &Known, to: &Known, what: &Phrase) -> Phrase {
    say!(
        "contacted-on",
        "{who} contacted {whom} on {service}",
        who = from.met.peer.text(),
        whom = to.met.peer.text(),
        service = what
    )
}

/// What is normal, and that more was seen which nobody accepted.
fn but(normal: Phrase, doubt: Option<Doubt>) -> Phrase {
    match doubt {
        Some(doubt) => say!(
            "normal-but",
            "{normal}; seen while learning, but {why}, and nobody accepted it",
            normal = normal,
            why = doubt.why()
        ),
        None => normal,
    }
}

fn sort(all: &mut Vec<Phrase>) {
    all.sort_by(|a, b| a.english().cmp(b.english()));
    all.dedup();
}

/// A command in few words: texts of the network are long at times.
fn sentence(command: &Command) -> Phrase {
    // Some commands are about no point.
    if command.point.is_empty() && command.value.is_none() {
        return Phrase::as_written(command.function);
    }
    let text = command.sentence();
    match text.len() > 200 {
        true => say!("cut", "{text}...", text = text.bounded(200)),
        false => text,
    }
}

/// The first of a list, and how many more.
fn some(all: &[Phrase], none: Phrase) -> Phrase {
    let comma = |first: Phrase, next: Phrase| say!("comma", "{first}, {next}", first = first, next = next);
    let joined = |all: &[Phrase]| all.iter().cloned().reduce(comma).unwrap_or_default();
    match all {
        [] => none,
        [one] => one.clone(),
        [first @ .., last] if first.len() < 4 => names(&[joined(first), last.clone()]),
        all => say!(
            "and-more",
            "{first} and {n} more",
            first = joined(&all[..3]),
            n = all.len() - 3
        ),
    }
}

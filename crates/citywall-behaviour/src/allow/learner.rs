//! Learning of use, event by event.
//!
//! Owns: what is remembered of each device, within bounds. What was learned of two periods, one after the
//! other, joins to what is learned of both at once. Does not own: what of it is allowed (`propose`).

use std::collections::BTreeMap;

use citywall_event::{Body, Command, Context, Event, Nanos, Side, Sighting, SightingTrait, Subject};
use serde::{Deserialize, Serialize};

use super::list::DYNAMIC;
use super::peer::{Kind, Kinds, Met, Names, Peer, meet, to_many};
use super::seen::{Seen, Values, numbers};

/// How much is remembered. Together with the sizes of entries it bounds what one device can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllowLimits {
    /// Length of a slot of time, nanoseconds: what is done in one slot alone is not learned.
    pub slot: Nanos,
    /// Devices.
    pub devices: usize,
    /// Different conversations that a device begins; with more it is not judged.
    pub talks: usize,
    /// Different functions that a device calls at others.
    pub functions: usize,
    /// Fingerprints of a device.
    pub prints: usize,
}

impl Default for AllowLimits {
    fn default() -> AllowLimits {
        AllowLimits {
            slot: 3_600_000_000_000,
            devices: 20_000,
            talks: 1_024,
            functions: 1_024,
            prints: 64,
        }
    }
}

/// Points of one function; of more none is told apart.
const POINTS: usize = 256;
const HOUR: Nanos = 3_600_000_000_000;
/// Bytes of a text from the network that are kept.
const TEXT: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct TalkKey {
    pub to: Peer,
    pub protocol: u8,
    pub port: u16,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TalkSeen {
    pub app: String,
    /// `None` where only the end was seen so far.
    pub seen: Option<Seen>,
}

impl Join for TalkSeen {
    fn join(&mut self, later: &TalkSeen) {
        match (&mut self.seen, &later.seen) {
            (Some(seen), Some(more)) => seen.join(more),
            (seen @ None, more) => seen.clone_from(more),
            (Some(_), None) => {}
        }
        if later.app > self.app {
            self.app.clone_from(&later.app);
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct FunctionKey {
    pub to: Peer,
    pub protocol: String,
    pub verb: u8,
    pub function: String,
    pub unit: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PointSeen {
    pub seen: Seen,
    pub values: Values,
}

/// Points of a function, or, where there are too many, all of them as one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Points {
    Few(#[serde(with = "pairs")] BTreeMap<(String, u32), PointSeen>),
    Many(PointSeen),
}

/// What is remembered of one device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Habits {
    pub zone: String,
    /// `None` = too many.
    #[serde(with = "maybe_pairs")]
    pub talks: Many<TalkKey, TalkSeen>,
    #[serde(with = "maybe_pairs")]
    pub functions: Many<FunctionKey, Points>,
    #[serde(with = "maybe_pairs")]
    pub prints: Many<(String, String), Seen>,
}

/// What is known of a time, and takes what is known of the time behind it.
pub(super) trait Join {
    fn join(&mut self, later: &Self);
}

impl Join for Seen {
    fn join(&mut self, later: &Seen) {
        Seen::join(self, later);
    }
}

/// A map that is given up where it grows too large: then nothing is said of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Many<K, V>(pub Option<BTreeMap<K, V>>);

impl<K, V> Default for Many<K, V> {
    fn default() -> Many<K, V> {
        Many(Some(BTreeMap::new()))
    }
}

impl<K: Ord, V> Many<K, V> {
    /// Takes what was seen of a key later than all that is known.
    fn take(&mut self, key: K, room: usize, later: V)
    where
        V: Join,
    {
        let Some(map) = &mut self.0 else { return };
        if let Some(known) = map.get_mut(&key) {
            known.join(&later);
        } else if map.len() < room {
            map.insert(key, later);
        } else {
            self.0 = None;
        }
    }

    fn join(&mut self, later: &Many<K, V>, room: usize)
    where
        K: Clone,
        V: Clone + Join,
    {
        let Some(more) = &later.0 else {
            self.0 = None;
            return;
        };
        for (key, value) in more {
            self.take(key.clone(), room, value.clone());
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().flatten()
    }
}

impl Join for PointSeen {
    fn join(&mut self, later: &PointSeen) {
        self.seen.join(&later.seen);
        self.values.join(&later.values);
    }
}

impl Join for Points {
    fn join(&mut self, later: &Points) {
        match later {
            Points::Few(list) => {
                for (key, point) in list {
                    self.take(key.clone(), point.clone());
                }
            }
            Points::Many(all) => {
                self.give_up();
                if let Points::Many(known) = self {
                    known.join(all);
                }
            }
        }
    }
}

impl Points {
    /// Takes what was seen of a point later than all that is known.
    fn take(&mut self, key: (String, u32), point: PointSeen) {
        match self {
            Points::Many(known) => known.join(&point),
            Points::Few(list) => {
                if let Some(known) = list.get_mut(&key) {
                    known.join(&point);
                } else if list.len() < POINTS {
                    list.insert(key, point);
                } else {
                    self.give_up();
                    if let Points::Many(known) = self {
                        known.join(&point);
                    }
                }
            }
        }
    }

    /// From here on points are not told apart. How often and when is no longer known exactly: what
    /// counts are the busiest point's slots, so nothing is allowed more often than one point was used.
    fn give_up(&mut self) {
        if let Points::Few(list) = self {
            let busiest = list.iter().max_by_key(|(_, p)| p.seen.times);
            if let Some((_, busiest)) = busiest {
                let mut all = busiest.clone();
                list.values().for_each(|point| {
                    all.values.join(&point.values);
                    all.seen.hours |= point.seen.hours;
                });
                *self = Points::Many(all);
            }
        }
    }
}

/// Learns what devices do.
#[derive(Debug)]
pub struct AllowLearner {
    pub(super) limits: AllowLimits,
    pub(super) span: Option<(Nanos, Nanos)>,
    /// For each hour of the day, UTC, the first and the last day on which anything was heard.
    days: [Option<(i64, i64)>; 24],
    pub(super) devices: BTreeMap<Peer, Habits>,
    pub(super) kinds: Kinds,
    /// Devices that found no room.
    left_out: u64,
    names: Names,
}

impl AllowLearner {
    /// Knows nothing yet.
    pub fn new(limits: AllowLimits) -> AllowLearner {
        AllowLearner {
            limits: AllowLimits {
                slot: limits.slot.max(1),
                ..limits
            },
            span: None,
            days: [None; 24],
            devices: BTreeMap::new(),
            kinds: Kinds::default(),
            left_out: 0,
            names: Names::new(),
        }
    }

    /// Devices that found no room, each time.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// First and last event that was learned from.
    pub fn span(&self) -> Option<(Nanos, Nanos)> {
        self.span
    }

    /// Takes the next event.
    pub fn observe(&mut self, event: &Event, context: &Context) {
        let s = &event.subject;
        match &event.body {
            // Midstream, who began is a guess; of ICMP only the end says what it was.
            Body::Contact(contact) if !contact.midstream && !is_icmp(s.protocol) => {
                let seen = Seen::new(event.at, self.limits.slot);
                self.talk(event, None, Some(seen), context);
            }
            Body::Flow(flow) => {
                let seen = is_icmp(s.protocol).then(|| Seen::new(event.at, self.limits.slot));
                self.talk(event, flow.icmp, seen, context);
            }
            Body::Command(command) => self.command(event, command, context),
            Body::Answer(answer) => {
                if let Some(asker) = meet(s.dst_ip, s.dst_mac, context) {
                    self.names.told(&asker.peer, &answer.name, &answer.addresses);
                }
            }
            Body::Sighting(sighting) if sighting.trait_ == SightingTrait::Fingerprint => {
                self.print(event, sighting, context);
            }
            Body::Asset(asset) => {
                self.kinds.concluded(asset, context);
            }
            _ => {}
        }
    }

    fn talk(&mut self, event: &Event, icmp: Option<u8>, seen: Option<Seen>, context: &Context) {
        let s = &event.subject;
        let Some((protocol, port)) = service(s, icmp) else {
            return;
        };
        if to_many(s.dst_ip, s.dst_mac) {
            return;
        }
        let Some((from, to)) = self.parties(s, context) else {
            return;
        };
        let room = self.limits.talks;
        let key = TalkKey { to, protocol, port };
        let app = event.app_proto.unwrap_or_default().to_owned();
        let heard = TalkSeen { app, seen };
        let Some(habits) = self.habits(&from, event.at, context) else {
            return;
        };
        // An end says which protocol it was; alone it is not learned.
        if heard.seen.is_some() || !heard.app.is_empty() {
            habits.talks.take(key, room, heard);
        }
    }

    fn command(&mut self, event: &Event, command: &Command, context: &Context) {
        let Some((from, to)) = self.parties(&event.subject, context) else {
            return;
        };
        let (at, slot) = (event.at, self.limits.slot);
        let room = self.limits.functions;
        let mut values = Values::default();
        if let Some(range) = command.value.as_ref().and_then(numbers) {
            values.add(range, at, slot);
        }
        let point = PointSeen {
            seen: Seen::new(at, slot),
            values,
        };
        let named = (brief(&command.point), command.count);
        let key = FunctionKey {
            to,
            protocol: command.protocol.to_owned(),
            verb: command.verb as u8,
            function: command.function.to_owned(),
            unit: command.unit,
        };
        let Some(habits) = self.habits(&from, at, context) else {
            return;
        };
        habits
            .functions
            .take(key, room, Points::Few(BTreeMap::from([(named, point)])));
    }

    fn print(&mut self, event: &Event, sighting: &Sighting, context: &Context) {
        let s = &event.subject;
        let met = match sighting.side {
            Side::Source => meet(s.src_ip, s.src_mac, context),
            Side::Destination => meet(s.dst_ip, s.dst_mac, context),
            Side::Card(card) => meet(None, Some(card), context),
        };
        let Some(met) = met.filter(|met| met.inside) else {
            return;
        };
        let (at, slot, room) = (event.at, self.limits.slot, self.limits.prints);
        let key = (sighting.evidence.to_owned(), brief(&sighting.value));
        let Some(habits) = self.habits(&met, at, context) else {
            return;
        };
        habits.prints.take(key, room, Seen::new(at, slot));
    }

    /// Who begins, and with whom; `None` where neither is one of the city's.
    fn parties(&mut self, s: &Subject, context: &Context) -> Option<(Met, Peer)> {
        let mut from = meet(s.src_ip, s.src_mac, context)?;
        let to = meet(s.dst_ip, s.dst_mac, context)?;
        if !from.inside {
            if !to.inside {
                return None;
            }
            from.peer = Peer::Outside;
        }
        if to.inside {
            self.kinds.declared(&to, context);
            // Who is only commanded is a device, too.
            self.habits(&to, Nanos::MIN, context);
            return Some((from, to.peer));
        }
        let name = self.names.of(&from.peer, s.dst_ip);
        Some((from, name.map_or(to.peer, Peer::Name)))
    }

    fn habits(&mut self, met: &Met, at: Nanos, context: &Context) -> Option<&mut Habits> {
        if at > Nanos::MIN {
            let span = self.span.get_or_insert((at, at));
            *span = (span.0.min(at), span.1.max(at));
            let (hour, day) = (at.div_euclid(HOUR).rem_euclid(24), at.div_euclid(24 * HOUR));
            if let Some(days) = self.days.get_mut(hour as usize) {
                let days = days.get_or_insert((day, day));
                *days = (days.0.min(day), days.1.max(day));
            }
        }
        if met.inside {
            self.kinds.declared(met, context);
        }
        if self.devices.len() >= self.limits.devices && !self.devices.contains_key(&met.peer) {
            self.left_out += 1;
            return None;
        }
        let zone = met.zone;
        Some(self.devices.entry(met.peer.clone()).or_insert_with(|| Habits {
            zone: zone.map_or("", |zone| context.zone_name(Some(zone))).to_owned(),
            ..Habits::default()
        }))
    }

    /// Are slots of the same length? Only then they add up.
    pub fn same_slots(&self, other: &AllowLearner) -> bool {
        self.limits.slot == other.limits.slot
    }

    /// Takes what another one learned in the time behind this one's.
    pub fn join(&mut self, later: &AllowLearner) {
        if let Some(more) = later.span {
            let span = self.span.get_or_insert(more);
            *span = (span.0.min(more.0), span.1.max(more.1));
        }
        self.left_out += later.left_out;
        for (days, later) in self.days.iter_mut().zip(later.days) {
            if let Some(more) = later {
                let days = days.get_or_insert(more);
                *days = (days.0.min(more.0), days.1.max(more.1));
            }
        }
        for (address, device) in &later.kinds.same {
            self.kinds.same.insert(address.clone(), device.clone());
        }
        let limits = self.limits;
        for (peer, kind) in &later.kinds.of {
            self.kinds.of.insert(peer.clone(), kind.clone());
        }
        for (peer, habits) in &later.devices {
            if self.devices.len() >= limits.devices && !self.devices.contains_key(peer) {
                self.left_out += 1;
                continue;
            }
            let known = self.devices.entry(peer.clone()).or_insert_with(|| Habits {
                zone: habits.zone.clone(),
                ..Habits::default()
            });
            known.talks.join(&habits.talks, limits.talks);
            known.functions.join(&habits.functions, limits.functions);
            known.prints.join(&habits.prints, limits.prints);
        }
    }

    /// Hours of the day in which anything was heard on two days at least.
    pub(super) fn covered(&self) -> u32 {
        let twice = |days: &Option<(i64, i64)>| days.is_some_and(|(first, last)| first != last);
        let hours = self.days.iter().enumerate();
        hours.fold(0, |all, (hour, days)| all | u32::from(twice(days)) << hour)
    }

    /// What was learned, to go on from it after a restart. Names of addresses are not kept: they are
    /// asked for again.
    pub fn save(&self) -> Vec<u8> {
        let state = State {
            citywall_learning: VERSION,
            slot: self.limits.slot,
            span: self.span,
            days: self.days.to_vec(),
            left_out: self.left_out,
            same: self.kinds.same.clone().into_iter().collect(),
            kinds: self
                .kinds
                .of
                .iter()
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
            devices: self.devices.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        };
        // Texts and numbers always have a form in JSON.
        serde_json::to_vec(&state).unwrap_or_default()
    }

    /// Goes on from `save`'s bytes; they come from this box's own state directory.
    ///
    /// # Errors
    /// In words, where they are none or of another version.
    pub fn load(bytes: &[u8], limits: AllowLimits) -> Result<AllowLearner, String> {
        let state: State = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        if state.citywall_learning != VERSION {
            return Err(format!("version {} is not known", state.citywall_learning));
        }
        if state.devices.len() > limits.devices || state.slot < 1 {
            return Err("more devices than fit, or no slot".to_owned());
        }
        let mut learner = AllowLearner::new(AllowLimits {
            slot: state.slot,
            ..limits
        });
        learner.span = state.span;
        learner.left_out = state.left_out;
        learner
            .days
            .iter_mut()
            .zip(state.days)
            .for_each(|(days, kept)| *days = kept);
        learner.kinds.of = state.kinds.into_iter().collect();
        learner.kinds.same = state.same.into_iter().collect();
        learner.devices = state.devices.into_iter().collect();
        Ok(learner)
    }
}

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    citywall_learning: u32,
    slot: Nanos,
    span: Option<(Nanos, Nanos)>,
    days: Vec<Option<(i64, i64)>>,
    left_out: u64,
    same: Vec<(Peer, Peer)>,
    kinds: Vec<(Peer, Kind)>,
    devices: Vec<(Peer, Habits)>,
}

/// The service of a conversation; `None` for error reports, which are answers.
pub(super) fn service(s: &Subject, icmp: Option<u8>) -> Option<(u8, u16)> {
    let protocol = s.protocol?;
    if let Some(kind) = icmp
        && !citywall_event::is_icmp_request(protocol, kind)
    {
        return None;
    }
    let port = match protocol {
        6 | 17 | 132 => s.dst_port.unwrap_or(0).min(DYNAMIC),
        _ => 0,
    };
    Some((protocol, port))
}

/// Its conversations have no port, and may be error reports.
pub(super) fn is_icmp(protocol: Option<u8>) -> bool {
    matches!(protocol, Some(1 | 58))
}

pub(super) fn brief(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT)].to_owned()
}

/// Maps whose keys are no texts, as lists of pairs.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(map)
    }

    pub fn deserialize<'de, K, V, D>(from: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(from)?.into_iter().collect())
    }
}

mod maybe_pairs {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Many;

    pub fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        many: &Many<K, V>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let list: Option<Vec<(&K, &V)>> = many.0.as_ref().map(|map| map.iter().collect());
        list.serialize(to)
    }

    pub fn deserialize<'de, K, V, D>(from: D) -> Result<Many<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        let list = Option::<Vec<(K, V)>>::deserialize(from)?;
        Ok(Many(list.map(|list| list.into_iter().collect())))
    }
}

//! From what was seen to what is allowed: over identical devices, and not by one odd hour.
//!
//! Owns: what a list says. The period that was learned from is not trusted to be benign: what comes from
//! outside, what one of several identical devices did alone, and what was done in too few slots of time
//! is proposed and not allowed; of values and counts the most extreme slot (of three or more devices the
//! most extreme device) does not count. Does not own: what is remembered (`learner`).

use std::collections::{BTreeMap, BTreeSet};

use citywall_event::Verb;

use super::learner::{AllowLearner, PointSeen, Points};
use super::list::{AllowList, Device, Doubt, End, Evidence, Order, Print, Range, Talk};
use super::peer::{Kind, Kinds, Peer};
use super::seen::Seen;

/// What is asked of something before it is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllowDoubt {
    /// Slots of time in which it was done.
    pub slots: u32,
    /// Devices that did it, where there are at least as many identical ones.
    pub devices: usize,
}

impl Default for AllowDoubt {
    fn default() -> AllowDoubt {
        AllowDoubt { slots: 2, devices: 2 }
    }
}

/// The same thing, done by several devices or to several.
struct Lifted<'a, T> {
    of: Vec<(&'a Peer, Option<&'a Peer>, &'a T)>,
}

impl<T> Default for Lifted<'_, T> {
    fn default() -> Self {
        Lifted { of: Vec::new() }
    }
}

type TalkKey = (End, End, u8, u16);
/// The application protocol, and who did it.
type LiftedTalk<'a> = (&'a str, Lifted<'a, Seen>);

type OrderKey<'a> = (
    End,
    End,
    &'a str,
    u8,
    &'a str,
    Option<u32>,
    Option<(&'a str, u32)>,
);

struct Lifting<'a> {
    kinds: BTreeMap<&'a Kind, u16>,
    of: BTreeMap<&'a Peer, u16>,
    same: &'a Kinds,
    doubt: AllowDoubt,
}

impl AllowLearner {
    /// The list as it can be said now.
    pub fn propose(&self, name: &str, doubt: AllowDoubt) -> AllowList {
        let lifting = self.lifting(doubt);
        let mut kinds = vec![Kind::default(); lifting.kinds.len()];
        for (kind, index) in &lifting.kinds {
            kinds[usize::from(*index)] = (*kind).clone();
        }
        let devices = self.devices.iter().filter(|(peer, _)| **peer != Peer::Outside);
        let devices = devices
            .map(|(peer, habits)| Device {
                peer: peer.clone(),
                zone: habits.zone.clone(),
                kind: lifting.of.get(peer).copied(),
                open: habits.talks.0.is_none() || habits.functions.0.is_none(),
            })
            .collect();
        AllowList {
            name: name.to_owned(),
            slot: self.limits.slot,
            span: self.span.unwrap_or_default(),
            covered: self.covered(),
            kinds,
            devices,
            talks: self.talks(&lifting),
            orders: self.orders(&lifting),
            prints: self.prints(&lifting),
        }
    }

    /// Kinds of which at least two devices were met.
    fn lifting(&self, doubt: AllowDoubt) -> Lifting<'_> {
        let mut members: BTreeMap<&Kind, Vec<&Peer>> = BTreeMap::new();
        for peer in self.devices.keys() {
            if let Some(kind) = self.kinds.of.get(peer) {
                members.entry(kind).or_default().push(peer);
            }
        }
        let several = members.into_iter().filter(|(_, peers)| {
            let devices: BTreeSet<&Peer> = peers.iter().map(|p| self.kinds.device(p)).collect();
            devices.len() > 1
        });
        let several: Vec<_> = several.take(usize::from(u16::MAX)).collect();
        let mut lifting = Lifting {
            kinds: BTreeMap::new(),
            of: BTreeMap::new(),
            same: &self.kinds,
            doubt,
        };
        for (index, (kind, peers)) in several.into_iter().enumerate() {
            lifting.kinds.insert(kind, index as u16);
            lifting
                .of
                .extend(peers.into_iter().map(|peer| (peer, index as u16)));
        }
        lifting
    }

    fn talks(&self, lifting: &Lifting<'_>) -> Vec<Talk> {
        let mut lifted: BTreeMap<TalkKey, LiftedTalk<'_>> = BTreeMap::new();
        for (from, habits) in &self.devices {
            for (key, talk) in habits.talks.iter() {
                let Some(seen) = &talk.seen else { continue };
                let slot = (lifting.end(from), lifting.end(&key.to), key.protocol, key.port);
                let (app, all) = lifted.entry(slot).or_default();
                *app = (*app).max(&talk.app);
                all.of.push((from, Some(&key.to), seen));
            }
        }
        let talk = |((from, to, protocol, port), (app, all)): (TalkKey, LiftedTalk<'_>)| Talk {
            seen: lifting.evidence(&from, Some(&to), &all.of),
            from,
            to,
            protocol,
            port,
            app: app.to_owned(),
        };
        lifted.into_iter().map(talk).collect()
    }

    fn orders(&self, lifting: &Lifting<'_>) -> Vec<Order> {
        let mut lifted: BTreeMap<OrderKey<'_>, Lifted<'_, PointSeen>> = BTreeMap::new();
        for (from, habits) in &self.devices {
            for (key, points) in habits.functions.iter() {
                let points: Vec<(Option<(&str, u32)>, &PointSeen)> = match points {
                    Points::Few(list) => {
                        let few = list.iter();
                        few.map(|((p, n), seen)| (Some((p.as_str(), *n)), seen)).collect()
                    }
                    Points::Many(all) => vec![(None, all)],
                };
                for (point, seen) in points {
                    let slot: OrderKey<'_> = (
                        lifting.end(from),
                        lifting.end(&key.to),
                        &key.protocol,
                        key.verb,
                        &key.function,
                        key.unit,
                        point,
                    );
                    lifted
                        .entry(slot)
                        .or_default()
                        .of
                        .push((from, Some(&key.to), seen));
                }
            }
        }
        let order = |(key, all): (OrderKey<'_>, Lifted<'_, PointSeen>)| {
            let (from, to, protocol, verb, function, unit, point) = key;
            let seen: Vec<_> = all.of.iter().map(|(f, t, p)| (*f, *t, &p.seen)).collect();
            Some(Order {
                seen: lifting.evidence(&from, Some(&to), &seen),
                from,
                to,
                protocol: protocol.to_owned(),
                verb: *Verb::ALL.get(usize::from(verb))?,
                function: function.to_owned(),
                unit,
                point: point.map(|(p, n)| (p.to_owned(), n)),
                values: range(&all.of),
            })
        };
        lifted.into_iter().filter_map(order).collect()
    }

    fn prints(&self, lifting: &Lifting<'_>) -> Vec<Print> {
        let mut lifted: BTreeMap<(End, &str, &str), Lifted<'_, Seen>> = BTreeMap::new();
        for (of, habits) in &self.devices {
            for ((name, value), seen) in habits.prints.iter() {
                let slot = (lifting.end(of), name.as_str(), value.as_str());
                lifted.entry(slot).or_default().of.push((of, None, seen));
            }
        }
        let print = |((of, name, value), all): ((End, &str, &str), Lifted<'_, Seen>)| Print {
            seen: lifting.evidence(&of, None, &all.of),
            of,
            name: name.to_owned(),
            value: value.to_owned(),
        };
        lifted.into_iter().map(print).collect()
    }
}

impl Lifting<'_> {
    fn end(&self, peer: &Peer) -> End {
        match self.of.get(peer) {
            Some(kind) => End::Kind(*kind),
            None => End::Peer(peer.clone()),
        }
    }

    fn evidence(&self, from: &End, to: Option<&End>, all: &[(&Peer, Option<&Peer>, &Seen)]) -> Evidence {
        let mut often: Vec<u32> = all.iter().map(|(_, _, seen)| seen.often()).collect();
        often.sort_unstable();
        // Of three or more the busiest does not count.
        let often = often[often.len().saturating_sub(if often.len() > 2 { 2 } else { 1 })];
        Evidence {
            times: all
                .iter()
                .fold(0, |sum, (_, _, seen)| sum.saturating_add(seen.times)),
            often,
            hours: hours(all),
            doubt: self.doubt(from, to, all),
        }
    }

    fn doubt(&self, from: &End, to: Option<&End>, all: &[(&Peer, Option<&Peer>, &Seen)]) -> Option<Doubt> {
        if *from == End::Peer(Peer::Outside) {
            return Some(Doubt::Outside);
        }
        let most = all.iter().map(|(_, _, seen)| seen.slots()).max().unwrap_or(0);
        let ends: BTreeSet<i64> = all.iter().flat_map(|(_, _, seen)| seen.ends()).collect();
        if (most as usize).max(ends.len()) < self.doubt.slots as usize {
            return Some(Doubt::OneSlot);
        }
        let lonely = |end: &End, who: BTreeSet<&Peer>| {
            let End::Kind(kind) = end else { return false };
            let devices = |peers: BTreeSet<&Peer>| {
                let devices: BTreeSet<&Peer> = peers.into_iter().map(|p| self.same.device(p)).collect();
                devices.len()
            };
            let of_kind = self.of.iter().filter(|(_, k)| *k == kind);
            let members = devices(of_kind.map(|(peer, _)| *peer).collect());
            devices(who) < self.doubt.devices.min(members)
        };
        let lonely = lonely(from, all.iter().map(|(from, ..)| *from).collect())
            || to.is_some_and(|to| lonely(to, all.iter().filter_map(|(_, to, _)| *to).collect()));
        lonely.then_some(Doubt::OneDevice)
    }
}

/// Hours in which it was done; of three or more devices by two at least.
fn hours(all: &[(&Peer, Option<&Peer>, &Seen)]) -> u32 {
    let needed = if all.len() > 2 { 2 } else { 1 };
    let done = |hour: &u32| {
        all.iter()
            .filter(|(_, _, seen)| seen.hours >> hour & 1 == 1)
            .count()
            >= needed
    };
    let hours = (0..24).filter(done).fold(0, |hours, hour| hours | 1 << hour);
    // Where no two agree, nothing is known of hours.
    if hours == 0 { (1 << 24) - 1 } else { hours }
}

/// The range of values over all that did it.
fn range(all: &[(&Peer, Option<&Peer>, &PointSeen)]) -> Option<Range> {
    let seen: Vec<(f64, f64)> = all.iter().filter_map(|(_, _, p)| p.values.all()).collect();
    let (mut low, mut high): (Vec<f64>, Vec<f64>) = all
        .iter()
        .filter_map(|(_, _, p)| p.values.usual().or_else(|| p.values.all()))
        .unzip();
    low.sort_by(f64::total_cmp);
    high.sort_by(|a, b| b.total_cmp(a));
    let at = usize::from(low.len() > 2);
    let (least, most) = (*low.get(at)?, *high.get(at)?);
    let widest = seen.into_iter().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
    let usual = if least <= most { (least, most) } else { widest };
    Some(Range { usual, all: widest })
}

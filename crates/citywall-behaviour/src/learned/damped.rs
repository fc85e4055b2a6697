//! Packets as damped statistics of their sender, channel and socket.
//!
//! Owns: the 115 features of Kitsune (Mirsky, Doitshman, Elovici and Shabtai 2018, section IV): for five
//! rates of forgetting, how heavy, how large, how even and how correlated the traffic is that a packet
//! belongs to. Kept as weight, mean and sum of squared differences (West 1979), which is the same in
//! exact arithmetic as the paper's sums and does not cancel. Does not own: what is normal (`ensemble`).
//!
//! All tables are bounded; what is forgotten is counted. No feature holds an address or a time of day.

use std::net::IpAddr;

use citywall_event::{Mac, Nanos};

use crate::recent::Recent;

/// Features of a packet.
pub const PACKET_FEATURES: usize = RATES.len() * PER_RATE;
/// Forgetting: the weight of what was seen `t` seconds ago is 2^(-rate t).
pub const RATES: [f64; 5] = [5.0, 3.0, 1.0, 0.1, 0.01];
const PER_RATE: usize = 23;

/// Names of the features of one rate.
const NAMES: [&str; PER_RATE] = [
    "packets of the sender's card",
    "mean size of the sender's card",
    "spread of sizes of the sender's card",
    "packets of the sender",
    "mean size of the sender",
    "spread of sizes of the sender",
    "packets to the receiver",
    "mean size to the receiver",
    "spread of sizes to the receiver",
    "size both ways of the channel",
    "spread both ways of the channel",
    "covariance both ways of the channel",
    "correlation both ways of the channel",
    "gaps to the receiver",
    "mean gap to the receiver",
    "spread of gaps to the receiver",
    "packets of the socket",
    "mean size of the socket",
    "spread of sizes of the socket",
    "size both ways of the socket",
    "spread both ways of the socket",
    "covariance both ways of the socket",
    "correlation both ways of the socket",
];

/// A feature in words: what, and over about how many seconds.
pub fn packet_feature(index: usize) -> (&'static str, f64) {
    let rate = RATES.get(index / PER_RATE).copied().unwrap_or(1.0);
    (NAMES[index % PER_RATE], 1.0 / rate)
}

/// Who sends or receives: without an IP address it is the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Party {
    /// By IP address.
    Ip(IpAddr),
    /// By hardware address.
    Mac(Mac),
}

/// What is seen of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketSeen {
    /// When; never goes backward.
    pub at: Nanos,
    /// The sender's card.
    pub card: Mac,
    /// The sender and its port.
    pub from: (Party, u16),
    /// The receiver and its port.
    pub to: (Party, u16),
    /// IP protocol, or 0.
    pub protocol: u8,
    /// Bytes on the wire.
    pub bytes: u32,
}

/// A sender's statistics are of a sender that was only now heard of until their longest memory, which is halved in
/// a hundred seconds, is that of its habit: they look odd by that alone.
const WARM: Nanos = 1_200_000_000_000;

/// Since when senders are known.
#[derive(Debug)]
pub struct Warmth(Recent<IpAddr, Option<Nanos>>);

impl Warmth {
    /// Knows nobody; remembers so many senders.
    pub fn new(senders: usize) -> Warmth {
        Warmth(Recent::new(senders))
    }

    /// True where a sender was known for long enough by this packet of it.
    pub fn is_warm(&mut self, sender: IpAddr, at: Nanos) -> bool {
        let first = *self.0.entry(sender).get_or_insert(at);
        at.saturating_sub(first) >= WARM
    }
}

/// Weight, mean and sum of squared differences, for each rate.
#[derive(Clone, Copy, Debug, Default)]
struct Damped {
    last: Nanos,
    weight: [f64; RATES.len()],
    mean: [f64; RATES.len()],
    squares: [f64; RATES.len()],
    /// The last value less the mean.
    residual: [f64; RATES.len()],
}

/// Two directions, and how they go together.
#[derive(Clone, Copy, Debug, Default)]
struct Link {
    ways: [Damped; 2],
    last: Nanos,
    /// Sums of products of residuals.
    products: [f64; RATES.len()],
}

#[derive(Clone, Copy, Debug, Default)]
struct Channel {
    link: Link,
    gaps: [Damped; 2],
}

type Pair = (Party, Party);
type SocketPair = ((Party, u16), (Party, u16), u8);

/// Makes features of packets.
#[derive(Debug)]
pub struct PacketFeatures {
    cards: Recent<(Mac, Party), Damped>,
    senders: Recent<Party, Damped>,
    channels: Recent<Pair, Channel>,
    sockets: Recent<SocketPair, Link>,
}

impl PacketFeatures {
    /// Has seen nothing. Remembers `senders` senders, four times as many channels and eight times as
    /// many sockets.
    pub fn new(senders: usize) -> PacketFeatures {
        PacketFeatures {
            cards: Recent::new(senders),
            senders: Recent::new(senders),
            channels: Recent::new(senders.saturating_mul(4)),
            sockets: Recent::new(senders.saturating_mul(8)),
        }
    }

    /// What was forgotten for lack of room.
    pub fn forgotten(&self) -> u64 {
        self.cards.forgotten()
            + self.senders.forgotten()
            + self.channels.forgotten()
            + self.sockets.forgotten()
    }

    /// Bytes of state a sender, its channels and sockets included, where all tables are full.
    pub const fn bytes_per_sender() -> usize {
        // Maps hold a fifth more room than entries.
        (size_of::<((Mac, Party), Damped)>()
            + size_of::<(Party, Damped)>()
            + 4 * size_of::<(Pair, Channel)>()
            + 8 * size_of::<(SocketPair, Link)>())
            * 6
            / 5
    }

    /// Takes a packet and writes its features, rate by rate.
    pub fn observe(&mut self, p: &PacketSeen, out: &mut [f32; PACKET_FEATURES]) {
        let size = f64::from(p.bytes);
        let card = self.cards.entry((p.card, p.from.0));
        card.take(p.at, size);
        card.write(out, 0);
        let sender = self.senders.entry(p.from.0);
        sender.take(p.at, size);
        sender.write(out, 3);
        let (pair, way) = match p.from.0 <= p.to.0 {
            true => ((p.from.0, p.to.0), 0),
            false => ((p.to.0, p.from.0), 1),
        };
        let channel = self.channels.entry(pair);
        let before = channel.link.ways[way];
        channel.link.take(p.at, size, way);
        channel.link.write(p.at, way, out, 6);
        // The first packet has no gap before it.
        if before.weight[0] > 0.0 || before.last != 0 {
            let gap = p.at.saturating_sub(before.last).max(0) as f64 / 1e9;
            channel.gaps[way].take(p.at, gap);
        }
        channel.gaps[way].write(out, 13);
        let (pair, way) = match p.from <= p.to {
            true => ((p.from, p.to, p.protocol), 0),
            false => ((p.to, p.from, p.protocol), 1),
        };
        let socket = self.sockets.entry(pair);
        socket.take(p.at, size, way);
        socket.write(p.at, way, out, 16);
    }
}

/// 2^(-rate t) for all rates from one power: each is a whole multiple of the smallest.
#[inline]
fn decay(from: Nanos, to: Nanos) -> [f64; RATES.len()] {
    let seconds = to.saturating_sub(from).max(0) as f64 / 1e9;
    let ten = |x: f64| {
        let two = x * x;
        let four = two * two;
        four * four * two
    };
    let hundredth = (-0.01 * seconds).exp2();
    let tenth = ten(hundredth);
    let one = ten(tenth);
    let three = one * one * one;
    [three * one * one, three, one, tenth, hundredth]
}

impl Damped {
    #[inline]
    fn take(&mut self, at: Nanos, value: f64) {
        let decay = decay(self.last, at);
        self.last = at;
        for (i, left) in decay.into_iter().enumerate() {
            let old = left * self.weight[i];
            let weight = old + 1.0;
            let off = value - self.mean[i];
            self.weight[i] = weight;
            self.mean[i] += off / weight;
            // Not `value - mean`: after a long silence that is all rounding.
            self.residual[i] = off * (old / weight);
            self.squares[i] = left * self.squares[i] + off * self.residual[i];
        }
    }

    fn variance(&self, rate: usize) -> f64 {
        match self.weight[rate] > 0.0 {
            true => (self.squares[rate] / self.weight[rate]).max(0.0),
            false => 0.0,
        }
    }

    #[inline]
    fn write(&self, out: &mut [f32; PACKET_FEATURES], at: usize) {
        for (rate, out) in out.chunks_exact_mut(PER_RATE).enumerate() {
            out[at] = self.weight[rate] as f32;
            out[at + 1] = self.mean[rate] as f32;
            out[at + 2] = self.variance(rate).sqrt() as f32;
        }
    }
}

impl Link {
    #[inline]
    fn take(&mut self, at: Nanos, value: f64, way: usize) {
        self.ways[way].take(at, value);
        let decay = decay(self.last, at);
        self.last = at;
        for (i, left) in decay.into_iter().enumerate() {
            let both = self.ways[0].residual[i] * self.ways[1].residual[i];
            self.products[i] = left * self.products[i] + both;
        }
    }

    #[inline]
    fn write(&self, at: Nanos, way: usize, out: &mut [f32; PACKET_FEATURES], place: usize) {
        let (here, there) = (&self.ways[way], &self.ways[1 - way]);
        here.write(out, place);
        let left = decay(there.last, at);
        for (rate, out) in out.chunks_exact_mut(PER_RATE).enumerate() {
            let out = &mut out[place + 3..place + 7];
            let (v1, v2) = (here.variance(rate), there.variance(rate));
            let (m1, m2) = (here.mean[rate], there.mean[rate]);
            let weights = here.weight[rate] + left[rate] * there.weight[rate];
            let covariance = self.products[rate] / weights.max(1e-12);
            let spreads = (v1 * v2).sqrt();
            out[0] = (m1 * m1 + m2 * m2).sqrt() as f32;
            out[1] = (v1 * v1 + v2 * v2).sqrt() as f32;
            out[2] = covariance as f32;
            out[3] = if spreads > EVEN {
                (covariance / spreads) as f32
            } else {
                0.0
            };
        }
    }
}

/// Below this product of spreads two directions do not vary, and nothing correlates.
const EVEN: f64 = 1e-9;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SplitMix64;

    /// The published sums over the whole past, packet by packet, without any recurrence.
    #[derive(Default)]
    struct Past(Vec<PacketSeen>);

    impl Past {
        /// Weight, mean, spread, and how far the mean is from the last value.
        fn weigh(&self, rate: f64, now: Nanos, values: &[(Nanos, f64)]) -> (f64, f64, f64, f64) {
            let Some(&(last, about)) = values.last() else {
                return (0.0, 0.0, 0.0, 0.0);
            };
            let sum = |now: Nanos, of: &dyn Fn(f64) -> f64| -> f64 {
                let weight = |at: Nanos| (-rate * (now - at) as f64 / 1e9).exp2();
                values.iter().map(|(at, v)| weight(*at) * of(*v)).sum()
            };
            // The mean and spread do not change with time: taken at the last value, and about it, no weight
            // vanishes and nothing cancels.
            let near = sum(last, &|_| 1.0);
            let off = sum(last, &|v| v - about) / near;
            let var = sum(last, &|v| (v - about - off) * (v - about - off)) / near;
            (sum(now, &|_| 1.0), about + off, var.max(0.0).sqrt(), off)
        }

        fn sizes(&self, upto: usize, of: impl Fn(&PacketSeen) -> bool) -> Vec<(Nanos, f64)> {
            let chosen = self.0[..upto].iter().filter(|p| of(p));
            chosen.map(|p| (p.at, f64::from(p.bytes))).collect()
        }

        fn two_ways(
            &self,
            rate: f64,
            there: &dyn Fn(&PacketSeen) -> bool,
            back: &dyn Fn(&PacketSeen) -> bool,
        ) -> [f64; 7] {
            let n = self.0.len();
            let now = self.0[n - 1].at;
            let (w1, m1, s1, _) = self.weigh(rate, now, &self.sizes(n, there));
            let (w2, m2, s2, _) = self.weigh(rate, now, &self.sizes(n, back));
            let mut last = [0.0, 0.0];
            let mut products = 0.0;
            for (i, p) in self.0.iter().enumerate() {
                let way = match (there(p), back(p)) {
                    (true, _) => 0,
                    (_, true) => 1,
                    _ => continue,
                };
                let own: &dyn Fn(&PacketSeen) -> bool = if way == 0 { there } else { back };
                let (_, _, _, off) = self.weigh(rate, p.at, &self.sizes(i + 1, own));
                let residual = -off;
                products += (-rate * (now - p.at) as f64 / 1e9).exp2() * residual * last[1 - way];
                last[way] = residual;
            }
            let covariance = products / (w1 + w2);
            let correlation = if s1 * s2 > EVEN {
                covariance / (s1 * s2)
            } else {
                0.0
            };
            let radius = (s1.powi(4) + s2.powi(4)).sqrt();
            [
                w1,
                m1,
                s1,
                (m1 * m1 + m2 * m2).sqrt(),
                radius,
                covariance,
                correlation,
            ]
        }

        fn features(&self) -> Vec<f64> {
            let n = self.0.len();
            let p = self.0[n - 1];
            let mut all = Vec::new();
            for rate in RATES {
                let (w, m, s, _) = self.weigh(
                    rate,
                    p.at,
                    &self.sizes(n, |q| q.card == p.card && q.from.0 == p.from.0),
                );
                all.extend([w, m, s]);
                let (w, m, s, _) = self.weigh(rate, p.at, &self.sizes(n, |q| q.from.0 == p.from.0));
                all.extend([w, m, s]);
                let there = |q: &PacketSeen| (q.from.0, q.to.0) == (p.from.0, p.to.0);
                let back = |q: &PacketSeen| (q.from.0, q.to.0) == (p.to.0, p.from.0);
                all.extend(self.two_ways(rate, &there, &back));
                let times: Vec<Nanos> = self.0.iter().filter(|q| there(q)).map(|q| q.at).collect();
                let gaps: Vec<(Nanos, f64)> = times
                    .windows(2)
                    .map(|t| (t[1], (t[1] - t[0]) as f64 / 1e9))
                    .collect();
                let (w, m, s, _) = self.weigh(rate, p.at, &gaps);
                all.extend([w, m, s]);
                let there = |q: &PacketSeen| (q.from, q.to, q.protocol) == (p.from, p.to, p.protocol);
                let back = |q: &PacketSeen| (q.from, q.to, q.protocol) == (p.to, p.from, p.protocol);
                all.extend(self.two_ways(rate, &there, &back));
            }
            all
        }
    }

    fn traffic(seed: u64, packets: usize) -> Vec<PacketSeen> {
        let mut random = SplitMix64::new(seed);
        let mut at = 1_500_000_000_000_000_000;
        (0..packets)
            .map(|_| {
                at += (random.unit().powi(4) * 20e9) as Nanos;
                let host = |i: usize| Party::Ip(IpAddr::from([10, 0, 0, i as u8]));
                let from = random.below(3);
                let to = (from + 1 + random.below(2)) % 3;
                PacketSeen {
                    at,
                    card: [2, 0, 0, 0, 0, from as u8],
                    from: (host(from), 1_000 + random.below(2) as u16),
                    to: (host(to), 502),
                    protocol: 6,
                    bytes: if random.below(4) == 0 {
                        60
                    } else {
                        60 + random.below(1_400) as u32
                    },
                }
            })
            .collect()
    }

    #[test]
    fn the_features_are_the_published_sums() {
        for seed in 0..4 {
            let mut past = Past::default();
            let mut features = PacketFeatures::new(64);
            let mut found = [0.0; PACKET_FEATURES];
            for packet in traffic(seed, 120) {
                past.0.push(packet);
                features.observe(&packet, &mut found);
                for (i, (wanted, found)) in past.features().into_iter().zip(found).enumerate() {
                    // An f32 of the exact value is itself off by 6e-8 of it.
                    let off = (wanted - f64::from(found)).abs();
                    assert!(
                        off <= 1e-6 * wanted.abs().max(1.0),
                        "{:?} at packet {}: {found} is not {wanted}",
                        packet_feature(i),
                        past.0.len()
                    );
                }
            }
        }
    }

    #[test]
    fn senders_without_end_are_forgotten() {
        let mut features = PacketFeatures::new(100);
        let mut out = [0.0; PACKET_FEATURES];
        for i in 0..10_000u32 {
            let packet = PacketSeen {
                at: i64::from(i),
                card: [2, 0, 0, 0, 0, 1],
                from: (Party::Ip(IpAddr::from(i.to_be_bytes())), i as u16),
                to: (Party::Ip(IpAddr::from([10, 0, 0, 1])), 80),
                protocol: 17,
                bytes: 60,
            };
            features.observe(&packet, &mut out);
        }
        assert!(
            features.senders.len() <= 100 && features.channels.len() <= 400 && features.sockets.len() <= 800
        );
        assert!(features.forgotten() > 20_000);
        assert!(out.iter().all(|f| f.is_finite()));
    }

    #[test]
    fn there_are_115() {
        assert_eq!(PACKET_FEATURES, 115);
        assert_eq!(
            packet_feature(114),
            ("correlation both ways of the socket", 100.0)
        );
    }
}

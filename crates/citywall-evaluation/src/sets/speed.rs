//! How fast packets become features and scores.
//!
//! Owns: a plain reference of the published recurrences, and CPU time of both in the same run. Does not
//! own: the features.

use std::collections::HashMap;

use citywall_behaviour::{Ensemble, PACKET_FEATURES, PacketFeatures, PacketSeen, RATES, Workspace};

use super::generated::site_packets;
use crate::table::Plain;
use crate::trial::Settings;

/// Weight, sum, sum of squares, time: the paper's table I, word by word.
#[derive(Clone, Copy, Default)]
struct Stat {
    weight: f64,
    sum: f64,
    squares: f64,
    last: f64,
}

impl Stat {
    fn update(&mut self, rate: f64, now: f64, value: f64) -> (f64, f64, f64) {
        let decay = 2f64.powf(-rate * (now - self.last));
        self.weight = self.weight * decay + 1.0;
        self.sum = self.sum * decay + value;
        self.squares = self.squares * decay + value * value;
        self.last = now;
        self.read()
    }

    fn read(&self) -> (f64, f64, f64) {
        let weight = self.weight.max(1e-20);
        let mean = self.sum / weight;
        (
            self.weight,
            mean,
            (self.squares / weight - mean * mean).abs().sqrt(),
        )
    }
}

/// A plain reference: one map from text to statistics, as the published prototype has it.
#[derive(Default)]
struct Reference {
    stats: HashMap<String, Stat>,
    products: HashMap<String, (f64, f64, f64)>,
    before: HashMap<String, f64>,
}

impl Reference {
    fn observe(&mut self, p: &PacketSeen) -> Vec<f64> {
        let now = p.at as f64 / 1e9;
        let size = f64::from(p.bytes);
        let (from, to) = (format!("{:?}", p.from.0), format!("{:?}", p.to.0));
        let sockets = (format!("{from}:{}", p.from.1), format!("{to}:{}", p.to.1));
        let mut out = Vec::new();
        for rate in RATES {
            for key in [format!("{:?}{from}", p.card), from.clone()] {
                let stat = self.stats.entry(format!("{key} {rate}")).or_default();
                let (w, m, s) = stat.update(rate, now, size);
                out.extend([w, m, s]);
            }
            self.two(&from, &to, rate, now, size, &mut out);
            let gap = now - self.before.get(&format!("{from}>{to}")).copied().unwrap_or(now);
            let (w, m, s) = self
                .stats
                .entry(format!("gap {from}>{to} {rate}"))
                .or_default()
                .update(rate, now, gap);
            out.extend([w, m, s]);
            self.two(&sockets.0, &sockets.1, rate, now, size, &mut out);
        }
        self.before.insert(format!("{from}>{to}"), now);
        out
    }

    fn two(&mut self, from: &str, to: &str, rate: f64, now: f64, size: f64, out: &mut Vec<f64>) {
        let here = self.stats.entry(format!("{from}>{to} {rate}")).or_default();
        let (w1, m1, s1) = here.update(rate, now, size);
        let (w2, m2, s2) = self
            .stats
            .entry(format!("{to}>{from} {rate}"))
            .or_default()
            .read();
        let key = if from < to {
            format!("{from}{to} {rate}")
        } else {
            format!("{to}{from} {rate}")
        };
        let (products, residual, last) = self.products.entry(key).or_default();
        *products = *products * 2f64.powf(-rate * (now - *last)) + (size - m1) * *residual;
        *residual = size - m1;
        *last = now;
        let covariance = *products / (w1 + w2);
        let correlation = if s1 * s2 > 0.0 {
            covariance / (s1 * s2)
        } else {
            0.0
        };
        out.extend([
            w1,
            m1,
            s1,
            m1.hypot(m2),
            (s1.powi(4) + s2.powi(4)).sqrt(),
            covariance,
            correlation,
        ]);
    }
}

/// Packets a CPU second: ours without and with scoring, and the plain reference.
pub fn table(settings: &Settings) -> Plain {
    let packets = site_packets(settings.seed, 14, 3_600);
    let mut features = PacketFeatures::new(1_024);
    let mut rows = Vec::new();
    let mut row = [0.0; PACKET_FEATURES];
    for p in packets.iter().take(20_000) {
        features.observe(&p.seen, &mut row);
        rows.push(row);
    }
    let rate = |work: &mut dyn FnMut(&PacketSeen)| {
        let start = (settings.cpu)();
        packets.iter().for_each(|p| work(&p.seen));
        packets.len() as f64 / ((settings.cpu)() - start).max(1e-9)
    };
    let mut features = PacketFeatures::new(1_024);
    let mut sum = 0.0;
    let alone = rate(&mut |p| {
        features.observe(p, &mut row);
        sum += f64::from(row[0]);
    });
    let mut lines = vec![vec!["features".to_owned(), format!("{alone:.0}")]];
    if let Some(ensemble) = Ensemble::train(&rows, settings.seed) {
        let mut features = PacketFeatures::new(1_024);
        let mut work = Workspace::default();
        let scored = rate(&mut |p| {
            features.observe(p, &mut row);
            sum += f64::from(ensemble.score(&row, &mut work));
        });
        lines.push(vec!["features and scores".to_owned(), format!("{scored:.0}")]);
    }
    let mut reference = Reference::default();
    let plain = rate(&mut |p| sum += reference.observe(p)[0]);
    lines.push(vec![
        "plain reference, features".to_owned(),
        format!("{plain:.0}"),
    ]);
    Plain {
        title: "Speed of packet statistics".to_owned(),
        columns: vec!["what".to_owned(), "packets a CPU second".to_owned()],
        rows: lines,
        notes: vec![
            format!("{} generated packets, one thread", packets.len()),
            format!(
                "a sender takes at most {} bytes, its channels and sockets included (checksum of the work {:.0})",
                PacketFeatures::bytes_per_sender(),
                sum
            ),
        ],
    }
}

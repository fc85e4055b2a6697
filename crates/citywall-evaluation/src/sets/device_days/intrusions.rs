//! Attacks of what is inside already: call-backs, names that carry data, guessing and uploads.
//!
//! Owns: what each does, and what a seed draws of it. Does not own: where and when (`attacks`).

use std::net::IpAddr;

use super::attacks::Raid;
use super::city::{Cloud, PORTAL, RESOLVER, outside};
use super::stream::{Outcome, Talk, UDP, seconds};

/// Contacts with one host outside, every so many seconds, give or take up to a half.
fn calls_back(raid: &mut Raid<'_>, every: f64, lasts: f64) {
    let from = raid.source();
    let master = outside(raid.dice.below(1 << 40) as u64);
    let jitter = raid.dice.between(0.0, 0.5);
    let port = raid.dice.pick(&[443, 443, 8_080, 80, 6_667, 4_444]);
    let udp = raid.dice.chance(0.1);
    let over = if udp { "udp" } else { "tcp" };
    raid.truth.what = format!("{over}/{port} every {every:.0} s, jitter {:.0} %", jitter * 100.0);
    let begin = raid.moment(lasts);
    let mut late = 0.0;
    while late < lasts {
        let bytes = [raid.dice.count(150, 900), raid.dice.count(100, 1_500)];
        let mut talk = Talk::tcp(from, master, port, bytes, 0.5);
        if udp {
            talk.protocol = UDP;
        }
        // A master that is away for a while.
        if raid.dice.chance(0.03) {
            talk = talk.ending(Outcome::Silent);
        }
        raid.talk(begin + seconds(late), talk);
        late += every * raid.dice.between(1.0 - jitter, 1.0 + jitter);
    }
}

/// Every 10 s to 5 min.
pub fn calls_back_often(raid: &mut Raid<'_>) {
    let every = raid.dice.wide(10.0, 300.0);
    let lasts = (every * raid.dice.between(120.0, 250.0)).min(80_000.0);
    calls_back(raid, every, lasts);
}

/// Every 5 min to 2 h, for a day.
pub fn calls_back_seldom(raid: &mut Raid<'_>) {
    let every = raid.dice.wide(300.0, 7_200.0);
    calls_back(raid, every, 84_000.0);
}

const BASE32: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";
const HEX: &[u8] = b"0123456789abcdef";

/// Names below one domain, each of which carries a piece.
fn names(raid: &mut Raid<'_>, every: f64, count: u64) {
    let from = raid.source();
    let alphabet = raid.dice.pick(&[BASE32, HEX]);
    let domain = format!("{}.example", raid.dice.letters(9, b"abcdeilmnorst"));
    raid.truth.what = format!(
        "{count} names of {} letters, one every {every:.1} s",
        alphabet.len()
    );
    let begin = raid.moment(every * 1.3 * count as f64);
    let mut late = 0.0;
    for _ in 0..count {
        let length = raid.dice.count(30, 60) as usize;
        let mut name = raid.dice.letters(length, alphabet);
        if raid.dice.chance(0.5) {
            name = format!("{}.{name}", raid.dice.letters(40, alphabet));
        }
        let at = begin + seconds(late);
        raid.stream
            .ask(at, from, RESOLVER, Some((format!("{name}.{domain}"), false)));
        raid.did(at, 1.0);
        late += every * raid.dice.between(0.7, 1.3);
    }
}

/// A name every second or so.
pub fn tunnel(raid: &mut Raid<'_>) {
    let (every, count) = (raid.dice.wide(0.1, 6.0), raid.dice.count(100, 2_000));
    names(raid, every, count);
}

/// A name every minute or so.
pub fn slow_tunnel(raid: &mut Raid<'_>) {
    let every = raid.dice.wide(20.0, 180.0);
    let count = raid.dice.count(200, 1_000).min((70_000.0 / every) as u64);
    names(raid, every, count);
}

/// Domains that do not exist, until one does.
pub fn made_up_names(raid: &mut Raid<'_>) {
    const WORDS: [&str; 16] = [
        "green", "house", "river", "table", "light", "stone", "paper", "train", "sugar", "metal", "north",
        "silver", "garden", "winter", "orange", "market",
    ];
    let from = raid.source();
    let of_words = raid.dice.chance(0.2);
    let (every, count) = (raid.dice.wide(0.2, 12.0), raid.dice.count(60, 500));
    let of = if of_words { "two words" } else { "letters" };
    raid.truth.what = format!("{count} domains of {of}, one every {every:.1} s");
    let begin = raid.moment(every * 1.3 * count as f64);
    let alphabet = raid
        .dice
        .pick(&[b"abcdefghijklmnopqrstuvwxyz".as_slice(), BASE32]);
    let mut late = 0.0;
    for _ in 0..count {
        let label = if of_words {
            let (a, b) = (raid.dice.pick(&WORDS), raid.dice.pick(&WORDS));
            format!("{a}{b}{}", raid.dice.below(100))
        } else {
            let length = raid.dice.count(9, 20) as usize;
            raid.dice.letters(length, alphabet)
        };
        let top = raid.dice.pick(&["com", "net", "info", "biz", "top"]);
        let at = begin + seconds(late);
        raid.stream
            .ask(at, from, RESOLVER, Some((format!("{label}.{top}"), true)));
        raid.did(at, 1.0);
        late += every * raid.dice.between(0.7, 1.3);
    }
}

/// Passwords are tried: over telnet, HTTP and MQTT they are seen, over SSH only how short each session is.
fn guesses(raid: &mut Raid<'_>, every: f64, count: u64) {
    let from = raid.source();
    let inside = raid.by.is_some();
    let hosts: Vec<IpAddr> = match inside {
        true => {
            let many = if raid.dice.chance(0.7) { 1 } else { 4 };
            let all: Vec<IpAddr> = raid
                .city
                .devices
                .iter()
                .map(|d| d.ip)
                .filter(|ip| *ip != from)
                .collect();
            (0..many).map(|_| raid.dice.pick(&all)).collect()
        }
        false => vec![PORTAL],
    };
    let (port, app) = raid
        .dice
        .pick(&[(23, "telnet"), (80, "http"), (1_883, "mqtt"), (22, "ssh")]);
    raid.truth.what = format!(
        "{app}, {} hosts, {count} tries, one every {every:.1} s",
        hosts.len()
    );
    let begin = raid.moment(every * 1.4 * count as f64);
    let mut late = 0.0;
    for _ in 0..count {
        let to = raid.dice.pick(&hosts);
        let at = begin + seconds(late);
        let bytes = [raid.dice.count(1_200, 2_600), raid.dice.count(1_500, 3_000)];
        let try_ = Talk::tcp(from, to, port, bytes, raid.dice.between(0.2, 3.0)).app(app);
        match app {
            "ssh" => drop(raid.stream.talk(at, &try_)),
            _ => raid.stream.login(at, &try_, false),
        }
        raid.did(at, 1.0);
        late += every * raid.dice.between(0.6, 1.4);
    }
}

/// Some a second, or one in some seconds.
pub fn guesses_fast(raid: &mut Raid<'_>) {
    let (every, count) = (raid.dice.wide(0.05, 6.0), raid.dice.count(80, 1_500));
    guesses(raid, every, count);
}

/// One every minute to a quarter of an hour, for hours.
pub fn guesses_slowly(raid: &mut Raid<'_>) {
    let every = raid.dice.wide(60.0, 900.0);
    let count = (raid.dice.between(6.0, 20.0) * 3_600.0 / every) as u64;
    guesses(raid, every, count);
}

/// So many bytes go out in so many pieces.
fn uploads(raid: &mut Raid<'_>, bytes: f64, pieces: u64, lasts: f64) {
    let from = raid.source();
    // Two of three go where nobody goes, the third where desks leave their files too.
    let to = match raid.dice.chance(0.67) {
        true => outside(raid.dice.below(1 << 40) as u64),
        false => raid.city.cloud(Cloud::Shares, raid.truth.day),
    };
    let (megabytes, hours) = (bytes / 1e6, lasts / 3_600.0);
    raid.truth.what = format!("{megabytes:.0} MB in {pieces} pieces within {hours:.1} h");
    let begin = raid.moment(lasts);
    let every = lasts / pieces as f64;
    for i in 0..pieces {
        let sent = bytes / pieces as f64 * raid.dice.between(0.6, 1.4);
        let back = sent / raid.dice.between(25.0, 90.0);
        let at = begin + seconds(every * (i as f64 + raid.dice.between(0.0, 0.5)));
        let talk = Talk::tcp(from, to, 443, [sent as u64, back as u64], every * 0.4).app("tls");
        raid.stream.talk(at, &talk);
        raid.did(at, sent);
    }
}

/// All within an hour.
pub fn uploads_at_once(raid: &mut Raid<'_>) {
    let (bytes, pieces) = (raid.dice.wide(60e6, 2e9), raid.dice.count(1, 20));
    let lasts = raid.dice.between(300.0, 3_000.0);
    uploads(raid, bytes, pieces, lasts);
}

/// A little now and then, for a day.
pub fn uploads_slowly(raid: &mut Raid<'_>) {
    let (bytes, pieces) = (raid.dice.wide(60e6, 600e6), raid.dice.count(80, 500));
    uploads(raid, bytes, pieces, 72_000.0);
}

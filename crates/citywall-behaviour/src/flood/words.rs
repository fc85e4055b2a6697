//! Words for floods.
//!
//! Owns: what is said of a flood that begins or ends. Does not own: when it is told.

use citywall_event::{Behaviour, Phrase, Technique, counted, say};

use super::detector::{Active, Flood, FloodFound, KINDS, PER_SECOND, protocol};
use super::meter::{Key, SLICE, Tally};

fn name(key: Key) -> Phrase {
    match key {
        Key::To(ip) => say!("receives", "{who} receives", who = ip),
        Key::Network(ip) => say!(
            "network-receives",
            "hosts of the network of {who} receive",
            who = ip
        ),
        Key::From(ip) => say!("sends", "{who} sends", who = ip),
    }
}

/// What there is too much of.
fn of_what(kind: usize) -> Phrase {
    match kind {
        0 => say!("flood-of-syns", "SYNs that nothing follows"),
        1 => say!("flood-of-acks", "small TCP packets that lead to nothing"),
        2 => say!("flood-of-datagrams", "datagrams that nobody answers"),
        3 => say!("flood-of-answers", "answers that nobody asked for"),
        4 => say!("flood-of-icmp", "ICMP messages"),
        5 => say!("flood-of-others", "packets and fragments of other protocols"),
        _ => say!("flood-outbound", "packets that are not answered"),
    }
}

pub(super) fn began(tally: &Tally, kind: usize, habit: f64, peak: f64, port: Option<u16>) -> FloodFound {
    let carpet = matches!(tally.key, Key::Network(_));
    let rate = peak * PER_SECOND;
    let others = tally.others.estimate();
    let feature = match tally.key {
        Key::From(_) => "receivers",
        _ => "senders",
    };
    let others_told = others.round_ties_even() as u64;
    let others_told = match (tally.key, tally.main) {
        (Key::From(_), Some(main)) => say!(
            "flood-receivers-main",
            "about {n}, most of it to {whom}",
            n = counted(others_told, "receiver", "receivers"),
            whom = main
        ),
        (Key::From(_), None) => say!(
            "flood-receivers",
            "about {n}",
            n = counted(others_told, "receiver", "receivers")
        ),
        (_, None) => say!(
            "flood-senders",
            "about {n}",
            n = counted(others_told, "sender", "senders")
        ),
        (_, Some(main)) => say!(
            "flood-senders-main",
            "about {n}, most of them by {who}",
            n = counted(others_told, "sender", "senders"),
            who = main
        ),
    };
    let reason = say!(
        "flooded",
        "{side} {rate} {what} a second, {others}; its habit is {habit}",
        side = name(tally.key),
        rate = format!("{rate:.0}"),
        what = of_what(kind),
        others = others_told,
        habit = format!("{:.0}", habit * PER_SECOND)
    );
    let behaviour = Behaviour {
        kind: if carpet { "carpet_flood" } else { KINDS[kind] },
        reason,
        score: (1.0 - habit * 2.0 / peak.max(1.0)).clamp(0.5, 1.0),
        features: vec![
            ("packets_per_second", rate),
            ("bytes_per_second", tally.bytes as f64 * PER_SECOND),
            (feature, others),
            ("habit_per_second", habit * PER_SECOND),
            ("answers_per_second", f64::from(tally.back) * PER_SECOND),
            ("hosts", tally.hosts.into()),
        ],
        technique: Some(Technique::DENIAL_OF_SERVICE),
        evidence: Vec::new(),
    };
    FloodFound {
        key: tally.key,
        main: tally.main,
        protocol: protocol(kind, tally),
        port,
        behaviour,
        began: true,
    }
}

pub(super) fn over(active: &Active, port: Option<u16>, flood: &Flood) -> FloodFound {
    let &Active {
        key, kind, protocol, ..
    } = active;
    let seconds = (flood.last - flood.since + SLICE) as f64 / 1e9;
    let behaviour = Behaviour {
        kind: "flood_ended",
        reason: say!(
            "flood-over",
            "{side} no more of the {what} that lasted {seconds} s ({packets})",
            side = name(key),
            what = Phrase::of_file(
                format!("flood-kind-{}", KINDS[kind].replace('_', "-")),
                KINDS[kind].replace('_', " ")
            ),
            seconds = format!("{seconds:.1}"),
            packets = counted(flood.packets, "packet", "packets")
        ),
        score: 0.0,
        features: vec![
            ("seconds", seconds),
            ("packets", flood.packets as f64),
            ("peak_per_second", flood.peak * PER_SECOND),
        ],
        technique: None,
        evidence: Vec::new(),
    };
    FloodFound {
        key,
        main: None,
        protocol,
        port,
        behaviour,
        began: false,
    }
}

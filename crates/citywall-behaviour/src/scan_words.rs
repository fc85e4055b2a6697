//! Words for scans.
//!
//! Owns: what came of what was tried, and how that is said. Does not own: when it is told (`scan`).

use citywall_event::{Phrase, counted, say};

use crate::scan::Common;

/// What came of one thing that was tried, where it counts as in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fates(u8);

impl Fates {
    /// No answer, or a refusal.
    pub(crate) const IN_VAIN: Fates = Fates(1);
    /// The policy forbids it; what came of it is known later.
    pub(crate) const FORBIDDEN: Fates = Fates(2);
    /// It was answered, and broken off at that.
    pub(crate) const BROKEN_OFF: Fates = Fates(4);
    /// All, in the order in which they are counted.
    pub(crate) const ALL: [Fates; 3] = [Fates::IN_VAIN, Fates::FORBIDDEN, Fates::BROKEN_OFF];

    /// Both.
    pub(crate) fn and(self, other: Fates) -> Fates {
        Fates(self.0 | other.0)
    }

    pub(crate) fn has(self, one: Fates) -> bool {
        self.0 & one.0 != 0
    }
}

/// That somebody tried so many, and how many of them had each fate.
pub(crate) fn scanned(who: String, common: Common, n: usize, seconds: f64, fates: [usize; 3]) -> Phrase {
    let tried = match common {
        Common::Port(protocol, port) => say!(
            "hosts-on",
            "{n} on {service}",
            n = counted(n, "host", "hosts"),
            service = name(protocol, port)
        ),
        Common::Host(host) => say!(
            "ports-of",
            "{n} of {host}",
            n = counted(n, "port", "ports"),
            host = host
        ),
    };
    let seconds = format!("{seconds:.0}");
    let [in_vain, forbidden, broken_off] = fates;
    if forbidden + broken_off == 0 {
        return say!(
            "scanned",
            "{who} tried {tried} within {seconds} s, {failed} of them in vain",
            who = who,
            tried = tried,
            seconds = seconds,
            failed = in_vain
        );
    }
    let all = [
        (
            forbidden,
            say!("scanned-forbidden", "{n} forbidden", n = forbidden),
        ),
        (
            broken_off,
            say!(
                "scanned-broken-off",
                "{n} broken off at the first answer",
                n = broken_off
            ),
        ),
        (in_vain, say!("scanned-in-vain", "{n} in vain", n = in_vain)),
    ];
    let some = all.into_iter().filter(|(n, _)| *n > 0).map(|(_, said)| said);
    let and = |first: Phrase, second: Phrase| {
        say!(
            "names-two",
            "{first} and {second}",
            first = first,
            second = second
        )
    };
    say!(
        "scanned-of-them",
        "{who} tried {tried} within {seconds} s, of them {how}",
        who = who,
        tried = tried,
        seconds = seconds,
        how = some.reduce(and).unwrap_or_default()
    )
}

/// A service by its protocol and port.
pub(crate) fn name(protocol: u8, port: u16) -> String {
    match protocol {
        6 => format!("tcp/{port}"),
        17 => format!("udp/{port}"),
        1 | 58 => "icmp".to_owned(),
        other => format!("IP protocol {other}"),
    }
}

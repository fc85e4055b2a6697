//! What carries something out of the city.
//!
//! Owns: call-backs, tunnels, exfiltration.

use super::*;

pub(super) static C2_BEACON: Scenario = Scenario {
    name: "c2-beacon",
    title: "A camera calls its new master outside, again and again",
    lesson: "No conduit lets a camera speak with the world. Look at what is denied: the way out, while the \
             recorder still gets its pictures.",
    attack: |city| {
        let home = Step::Beacon { to: ip(city, "lair") };
        vec![Part::repeated("camera-3", 0, 60, 520, home)]
    },
    detected: &[Detected::Incident("camera-3"), Detected::Alert(9_100_003)],
    done: &[Done::Action(DENY, "camera-3"), Done::Stops("beacon")],
    touched: &["camera-3"],
    watched: 8_000,
    ..BASE
};

pub(super) static DNS_TUNNEL: Scenario = Scenario {
    name: "dns-tunnel",
    title: "An office machine carries data out in the names that it asks for",
    lesson: "The resolver that carries the names is everybody's: it is never touched. Look at what is done to \
             the one who asks, and that office-2 beside it still gets its names.",
    attack: |city| {
        let out = Step::DnsTunnel {
            via: ip(city, "resolver"),
        };
        vec![Part::repeated("kiosk", 0, 400, 40, out)]
    },
    detected: &[Detected::Incident("kiosk"), Detected::Behaviour(&["dns_tunnel"])],
    done: &[Done::Action(ANY, "kiosk"), Done::Falls("dns-tunnel", 90)],
    touched: &["kiosk"],
    ..BASE
};

pub(super) static SLOW_EXFILTRATION: Scenario = Scenario {
    name: "slow-exfiltration",
    title: "An office machine uploads what it found, in pieces, to a stranger",
    lesson: "Uploads to the web are allowed, so the policy says nothing. Look at which evidence was needed \
             before anything was done, and how small the answer is.",
    attack: |city| {
        let out = Step::Exfiltrate {
            to: ip(city, "lair"),
            bytes: 900_000,
        };
        vec![Part::repeated("office-1", 0, 100, 120, out)]
    },
    detected: &[Detected::Incident("office-1"), Detected::Alert(9_100_006)],
    done: &[Done::Action(ANY, "office-1")],
    touched: &["office-1"],
    watched: 7_000,
    ..BASE
};

//! What carries something out of the city.
//!
//! Owns: call-backs, tunnels, exfiltration.

use super::*;

pub(super) static C2_BEACON: Scenario = Scenario {
    name: "c2-beacon",
    title: "A camera that was taken over calls its new master outside, again and again",
    lesson: "No conduit lets a camera speak with the world. Look at what is denied: the way out, while the \
             recorder still gets its pictures.",
    attack: |city| {
        let home = Step::Beacon { to: ip(city, "lair") };
        vec![
            take_over(city, "kiosk", "camera-3"),
            Part::repeated("camera-3", 700, 60, 520, home),
        ]
    },
    detected: &[Detected::Incident("camera-3"), Detected::Alert(9_100_003)],
    done: &[Done::Action(DENY, "camera-3"), Done::Stops("beacon")],
    touched: &["camera-3", "kiosk"],
    watched: 8_000,
    ..BASE
};

pub(super) static DNS_TUNNEL: Scenario = Scenario {
    name: "dns-tunnel",
    title: "A camera that was taken over carries data out in the names that it asks for",
    lesson: "The resolver that carries the names is everybody's: it is never touched. The camera is put into \
             quarantine, which leaves it names: look at what a quarantine is, and what it is not. \
             The tunnel itself is a matter for the resolver's people, who are told.",
    attack: |city| {
        let out = Step::DnsTunnel {
            via: ip(city, "resolver"),
        };
        vec![
            take_over_camera(city),
            Part::repeated("camera-2", 700, 400, 40, out),
        ]
    },
    detected: &[
        Detected::Incident("camera-2"),
        Detected::Behaviour(&["dns_tunnel"]),
    ],
    done: &[Done::Action(CUT, "camera-2")],
    touched: &["camera-2", "kiosk"],
    ..BASE
};

pub(super) static SLOW_EXFILTRATION: Scenario = Scenario {
    name: "slow-exfiltration",
    title: "A kiosk that was taken over uploads what it found, in pieces, to a stranger",
    lesson: "Uploads to the web are allowed, so the policy says nothing. Look at which evidence was needed \
             before anything was proposed, why the quarantine waits for you, and that the kiosk keeps its address, \
             names and updates in it.",
    attack: |city| {
        let out = Step::Exfiltrate {
            to: ip(city, "lair"),
            bytes: 900_000,
        };
        vec![
            take_over(city, "stray-box", "kiosk"),
            Part::repeated("kiosk", 700, 100, 120, out),
        ]
    },
    detected: &[Detected::Incident("kiosk"), Detected::Alert(9_100_005)],
    done: &[
        Done::Approved(&["quarantine"], "kiosk"),
        Done::Stops("exfiltrate"),
        Done::Keeps("kiosk", &["dhcp-renew", "dns", "http-get"]),
    ],
    touched: &["kiosk", "stray-box"],
    watched: 7_000,
    ..BASE
};

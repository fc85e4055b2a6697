//! The ground truth of a story: what really happened, packet by packet.

use serde_json::{Value, json};

use super::attack::Step;
use super::background::AllowedWrite;
use super::cast::Cast;
use super::city::{HostId, World};
use super::recorder::{FrameId, Recording};

/// Everything as one JSON value. Packets are numbered from 1; times are nanoseconds since 1970, UTC.
pub fn value(
    world: &World,
    cast: &Cast,
    (steps, allowed): (&[Step], &[AllowedWrite]),
    recording: &Recording,
    seed: u64,
    writes: bool,
) -> Value {
    let hosts: Vec<Value> = world
        .hosts()
        .map(|(_, host)| {
            json!({
                "name": host.name,
                "address": host.ip,
                "mac": mac(host.mac),
                "zone": host.zone.map(|z| world.zone(z).name),
                "role": host.role,
                "maker": host.maker,
            })
        })
        .collect();
    let zones: Vec<Value> = world
        .zones
        .iter()
        .map(|zone| {
            let [a, b, c] = zone.network;
            json!({ "name": zone.name, "network": format!("{a}.{b}.{c}.0/24"), "gateway": zone.gateway })
        })
        .collect();
    let frames = recording.frames();
    json!({
        "seed": seed,
        "city": world.name,
        "without_writes": !writes,
        "packets": frames.len(),
        "start": frames.first().map(|f| f.0),
        "end": frames.last().map(|f| f.0),
        "attacker": party(world, cast.villain.host),
        "camera": party(world, cast.villain.camera),
        "controller": party(world, cast.villain.signal),
        "plc": party(world, cast.plcs[cast.villain.plc].host),
        "steps": steps.iter().map(|step| told(world, step, recording)).collect::<Vec<_>>(),
        "allowed_writes": allowed.iter().map(|write| allowed_write(world, write, recording)).collect::<Vec<_>>(),
        "counts": world.counts,
        "zones": zones,
        "hosts": hosts,
    })
}

fn told(world: &World, step: &Step, recording: &Recording) -> Value {
    let mut places: Vec<(u64, i64)> = step.frames.iter().map(|f| recording.place(*f)).collect();
    places.sort_unstable();
    json!({
        "name": step.name,
        "what": step.what,
        "technique": step.technique,
        "from": party(world, step.from),
        "to": step.to.map(|to| party(world, to)),
        "first_time": places.first().map(|p| p.1),
        "last_time": places.last().map(|p| p.1),
        "packets": places.iter().map(|p| p.0).collect::<Vec<_>>(),
        "details": step.details,
    })
}

fn allowed_write(world: &World, write: &AllowedWrite, recording: &Recording) -> Value {
    let packets: Vec<u64> = write
        .frames
        .iter()
        .map(|f: &FrameId| recording.place(*f).0)
        .collect();
    json!({
        "protocol": write.protocol,
        "from": party(world, write.from),
        "to": party(world, write.to),
        "unit": write.unit,
        "point": write.point,
        "value": write.value,
        "packets": packets,
    })
}

fn party(world: &World, id: HostId) -> Value {
    let host = world.host(id);
    json!({ "name": host.name, "address": host.ip, "zone": host.zone.map(|z| world.zone(z).name) })
}

fn mac(mac: [u8; 6]) -> String {
    mac.map(|b| format!("{b:02x}")).join(":")
}

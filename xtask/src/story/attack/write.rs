//! The camera reads and changes a signal controller and a pump controller.

use serde_json::{Value, json};

use super::Step;
use crate::story::SECOND;
use crate::story::background::{Manager, exchange};
use crate::story::cast::{Cast, Plc};
use crate::story::city::World;
use crate::story::dice::Dice;
use crate::story::payload::{modbus, snmp};
use crate::story::tcp::{Side, Tcp};

/// Reads a signal controller, then asks it for another plan, or shortens a green.
pub(super) fn write_signal(
    world: &mut World,
    cast: &Cast,
    at: i64,
    writes: bool,
    dice: &mut Dice,
    steps: &mut Vec<Step>,
) -> i64 {
    let villain = &cast.villain;
    let port = world.free_port(villain.camera, dice);
    let manager = Manager {
        cast,
        from: (villain.camera, port),
        to: villain.signal,
    };
    let (point, value, before) = signal_point(dice);
    let target = world.host(villain.signal);
    let maker = target.maker.unwrap_or("");
    let identity = [
        (
            snmp::DESCRIPTION,
            snmp::Value::Text(format!("{maker} signal controller, NTCIP 1202 v02")),
        ),
        (snmp::OBJECT, snmp::Value::Oid(snmp::CONTROLLER)),
        (snmp::NAME, snmp::Value::Text(target.name.clone())),
    ]
    .map(|(oid, value)| (oid.to_owned(), value));
    let state = [
        (point.clone(), snmp::Value::Integer(before)),
        (snmp::GREENS.to_owned(), snmp::Value::Integer(0x22)),
    ];
    let step = |name, what: &str, technique, frames, details| Step {
        name,
        what: what.to_owned(),
        from: villain.camera,
        to: Some(villain.signal),
        technique,
        frames,
        details,
    };
    let mut now = at;
    let mut frames = Vec::new();
    for asked in [&identity[..], &state] {
        frames.extend(manager.ask(world, snmp::Pdu::Get, asked, now, dice));
        now += dice.within(SECOND..=4 * SECOND);
    }
    let details = json!({ "source_port": port });
    steps.push(step(
        "snmp_read",
        "The camera reads a traffic signal controller",
        "T0888",
        frames,
        details,
    ));
    if writes {
        let binding = [(point.clone(), snmp::Value::Integer(value))];
        let frames = manager.ask(world, snmp::Pdu::Set, &binding, now, dice);
        let what = "The camera changes a traffic signal controller, which accepts it";
        let details = json!({ "point": point, "value": value, "before": before });
        steps.push(step("snmp_write", what, "T0855", frames, details));
    }
    now + SECOND
}

/// What is changed at a signal controller: the object, its new value and the value before.
fn signal_point(dice: &mut Dice) -> (String, i64, i64) {
    let phase = dice.within(1..=8);
    if dice.chance(70) {
        let (value, before) = (dice.pick(&[254, 255]), dice.within(1..=12));
        (snmp::PATTERN_CONTROL.to_owned(), value, before)
    } else {
        (snmp::minimum_green(phase), 1, dice.within(6..=12))
    }
}

/// Reads a pump controller, then writes a register or a coil of it.
pub(super) fn write_pump(
    world: &mut World,
    cast: &Cast,
    at: i64,
    writes: bool,
    dice: &mut Dice,
    steps: &mut Vec<Step>,
) -> i64 {
    let villain = &cast.villain;
    let plc = &cast.plcs[villain.plc];
    let mut tcp = Tcp::open(world, villain.camera, plc.host, 502, at);
    let values: Vec<u16> = (0..16).map(|_| dice.within(100..=900) as u16).collect();
    let (ask, answer) = (modbus::read(3, plc.base, 16), modbus::registers(3, &values));
    exchange(world, &mut tcp, plc.unit, &ask, &answer, dice);
    let (ask, answer) = (modbus::read(1, 0, 8), modbus::bits(1, &[0b101]));
    exchange(world, &mut tcp, plc.unit, &ask, &answer, dice);
    tcp.wait(world, dice.within(2 * SECOND..=6 * SECOND));
    let before = tcp.frames.len();
    let change = pump_change(plc, dice);
    let write = writes.then(|| exchange(world, &mut tcp, plc.unit, &change.pdu, &change.pdu, dice));
    let after = tcp.frames.len();
    tcp.wait(world, dice.within(SECOND..=3 * SECOND));
    tcp.close(world, Side::Client);
    let mut frames = tcp.frames[..before].to_vec();
    frames.extend(&tcp.frames[after..]);
    let step = |name, what: &str, technique, frames, details| Step {
        name,
        what: what.to_owned(),
        from: villain.camera,
        to: Some(plc.host),
        technique,
        frames,
        details,
    };
    let details = json!({ "unit": plc.unit });
    steps.push(step(
        "modbus_read",
        "The camera reads a pump controller",
        "T0861",
        frames,
        details,
    ));
    if let Some(frames) = write {
        let what = "The camera writes to a pump controller, which accepts it";
        let details = json!({ "point": change.point, "value": change.value, "unit": plc.unit });
        steps.push(step("modbus_write", what, change.technique, frames, details));
    }
    tcp.now
}

/// What is changed at a pump controller.
struct PumpChange {
    pdu: Vec<u8>,
    point: String,
    value: Value,
    technique: &'static str,
}

fn pump_change(plc: &Plc, dice: &mut Dice) -> PumpChange {
    let (first, last) = plc.set_points;
    let register = dice.within(first.into()..=last.into()) as u16;
    if dice.chance(60) {
        // Far outside what the operators set.
        let value = dice.within(1_500..=9_999) as u16;
        PumpChange {
            pdu: modbus::write(6, register, value),
            point: format!("holding:{register}"),
            value: json!(value),
            technique: "T0836",
        }
    } else {
        let on = dice.chance(50);
        let coil = if on { 1 } else { dice.pick(&[0, 2]) };
        PumpChange {
            pdu: modbus::write(5, coil, if on { 0xff00 } else { 0 }),
            point: format!("coil:{coil}"),
            value: json!(on),
            technique: "T0855",
        }
    }
}

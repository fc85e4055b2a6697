//! People at work: office workers on the web, an engineer on servers.

use crate::story::cast::Cast;
use crate::story::city::{HostId, World};
use crate::story::dice::Dice;
use crate::story::payload::{dns, ssh, tls};
use crate::story::tcp::{Side, Tcp};
use crate::story::{MS, SECOND};

use super::basics::{Question, look_up};

/// Office people look things up and visit pages outside.
pub(super) fn offices(world: &mut World, cast: &Cast, end: i64) {
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
                let question = Question {
                    name: &typo,
                    kind: dns::A,
                    records: &[],
                };
                look_up(world, cast, desktop, &question, at, &mut dice);
                at += dice.within(2 * SECOND..=5 * SECOND);
            }
            let mut records = vec![dns::Data::A(world.host(site).ip)];
            if dice.chance(35) {
                records.insert(0, dns::Data::Alias(format!("edge-{}.example.net", name.len())));
            }
            let question = Question {
                name,
                kind: dns::AAAA,
                records: &[],
            };
            look_up(world, cast, desktop, &question, at, &mut dice);
            let question = Question {
                name,
                kind: dns::A,
                records: &records,
            };
            let found = look_up(world, cast, desktop, &question, at + MS, &mut dice);
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
pub(super) fn maintenance(world: &mut World, cast: &Cast, end: i64) {
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

//! What every host needs: an address, its neighbours, the time, names.

use std::net::Ipv4Addr;

use crate::story::cast::Cast;
use crate::story::city::{HostId, World};
use crate::story::dice::Dice;
use crate::story::payload::{dhcp, dns, ntp};
use crate::story::{MS, SECOND};

/// Devices come up one after the other: lease, announcement, the first look-ups.
pub(super) fn boot(world: &mut World, cast: &Cast) {
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
            &Question {
                name: &name,
                kind: dns::A,
                records: &[dns::Data::A(address)],
            },
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
pub(super) fn neighbours(world: &mut World, cast: &Cast, end: i64) {
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
pub(super) fn clocks(world: &mut World, cast: &Cast, end: i64) {
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

/// What is asked of a resolver, and what there is to answer.
pub(super) struct Question<'a> {
    /// Name.
    pub name: &'a str,
    /// Type of record.
    pub kind: u16,
    /// Answer.
    pub records: &'a [dns::Data],
}

/// A question to the city's resolver and its answer; gives the time of the answer.
pub(super) fn look_up(
    world: &mut World,
    cast: &Cast,
    host: HostId,
    question: &Question<'_>,
    at: i64,
    dice: &mut Dice,
) -> i64 {
    let Question { name, kind, records } = *question;
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

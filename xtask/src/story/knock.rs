//! Knocking at a TCP port, as scanners do: SYN, and the answer.

use std::net::Ipv4Addr;

use super::city::{HostId, World};
use super::recorder::FrameId;
use super::tcp::{first_window, syn_options};
use super::wire::{self, flag};

/// How a knock at a port is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nobody is there.
    Silent,
    /// A host that does not listen there.
    Closed(HostId),
    /// A host that listens; the knocker resets.
    Open(HostId),
}

/// Knocks at `to` and gives all frames of it.
pub fn knock(
    world: &mut World,
    client: HostId,
    to: (Ipv4Addr, u16),
    at: i64,
    answer: Answer,
) -> Vec<FrameId> {
    let mut dice = world.dice(&format!("knock {} {} {at}", to.0, to.1));
    let from = (world.host(client).ip, world.free_port(client, &mut dice));
    let seq = dice.roll() as u32;
    let stack = world.host(client).stack;
    let options = syn_options(
        stack.scales,
        stack.timestamps.then(|| (world.stamp(client, at), 0)),
    );
    let syn = wire::Tcp {
        src: from,
        dst: to,
        seq,
        ack: 0,
        flags: flag::SYN,
        window: first_window(stack),
        options: &options,
        payload: &[],
    };
    let mut frames = vec![world.send_ip(at, client, to.0, wire::TCP, &wire::tcp(&syn))];
    let back = wire::Tcp {
        src: to,
        dst: from,
        ack: seq.wrapping_add(1),
        ..syn.clone()
    };
    match answer {
        Answer::Silent => {}
        Answer::Closed(server) => {
            let at = at + world.reaction(server, &mut dice);
            let reset = wire::Tcp {
                seq: 0,
                flags: flag::RST | flag::ACK,
                window: 0,
                options: &[],
                ..back
            };
            frames.push(world.send_ip(at, server, from.0, wire::TCP, &wire::tcp(&reset)));
        }
        Answer::Open(server) => {
            let at = at + world.reaction(server, &mut dice);
            let accept = wire::Tcp {
                seq: dice.roll() as u32,
                flags: flag::SYN | flag::ACK,
                window: first_window(world.host(server).stack),
                options: &syn_options(false, None),
                ..back
            };
            frames.push(world.send_ip(at, server, from.0, wire::TCP, &wire::tcp(&accept)));
            let at = at + world.reaction(client, &mut dice);
            let seq = seq.wrapping_add(1);
            let reset = wire::Tcp {
                seq,
                flags: flag::RST,
                window: 0,
                options: &[],
                ..syn
            };
            frames.push(world.send_ip(at, client, to.0, wire::TCP, &wire::tcp(&reset)));
        }
    }
    frames
}

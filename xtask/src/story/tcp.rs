//! TCP conversations: handshake, segments, acknowledgements, end.
//!
//! Owns: sequence numbers, options, delayed acknowledgement (RFC 9293, RFC 7323, RFC 5681). There is no loss.

use super::city::{HostId, Stack, World};
use super::dice::Dice;
use super::recorder::FrameId;
use super::wire::{self, flag};
use super::{MS, US};

/// Who of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Opened the conversation.
    Client = 0,
    /// Was called.
    Server = 1,
}

impl Side {
    fn other(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

/// Bytes of data in a segment.
const MSS: usize = 1_460;

/// Shift of the window, where both sides scale it.
const SCALE: u8 = 7;

/// One conversation.
pub struct Tcp {
    ends: [(HostId, u16); 2],
    seq: [u32; 2],
    /// The last timestamp that each side received.
    echo: [u32; 2],
    /// Data that a side has received and not acknowledged.
    owes: [bool; 2],
    timestamps: bool,
    scaled: bool,
    dice: Dice,
    /// Time of the last frame.
    pub now: i64,
    /// All frames so far.
    pub frames: Vec<FrameId>,
}

impl Tcp {
    /// Opens a conversation with its handshake.
    pub fn open(world: &mut World, client: HostId, server: HostId, port: u16, at: i64) -> Tcp {
        let mut dice = world.dice(&format!("tcp {client:?} {server:?} {port} {at}"));
        let local = world.free_port(client, &mut dice);
        let stacks = [client, server].map(|host| world.host(host).stack);
        let timestamps = stacks.iter().all(|s| s.timestamps);
        let scaled = stacks.iter().all(|s| s.scales);
        let mut tcp = Tcp {
            ends: [(client, local), (server, port)],
            seq: [dice.roll() as u32, dice.roll() as u32],
            echo: [0; 2],
            owes: [false; 2],
            timestamps,
            scaled,
            dice,
            now: at,
            frames: Vec::new(),
        };
        let stamp = stacks[0].timestamps.then(|| (world.stamp(client, at), 0));
        let options = syn_options(stacks[0].scales, stamp);
        tcp.emit(world, Side::Client, flag::SYN, &[], Some(&options), at);
        tcp.now += tcp.reaction(world, Side::Server);
        let stamp = timestamps.then(|| (world.stamp(server, tcp.now), tcp.echo[1]));
        let options = syn_options(scaled, stamp);
        tcp.emit(
            world,
            Side::Server,
            flag::SYN | flag::ACK,
            &[],
            Some(&options),
            tcp.now,
        );
        tcp.now += tcp.reaction(world, Side::Client);
        tcp.emit(world, Side::Client, flag::ACK, &[], None, tcp.now);
        tcp
    }

    /// Lets time pass; what is owed is acknowledged.
    pub fn wait(&mut self, world: &mut World, time: i64) {
        let until = self.now + time;
        self.settle(world);
        self.now = self.now.max(until);
    }

    /// Sends data. The other side acknowledges with its next data, or after a while.
    pub fn send(&mut self, world: &mut World, from: Side, data: &[u8]) {
        if self.owes[from.other() as usize] {
            self.settle_side(world, from.other());
        }
        self.now += self.reaction(world, from);
        let last = data.chunks(MSS).count();
        for (n, chunk) in (1..).zip(data.chunks(MSS)) {
            let push = if n == last { flag::PSH } else { 0 };
            self.emit(world, from, flag::ACK | push, chunk, None, self.now);
            self.owes[from.other() as usize] = true;
            if n % 2 == 0 && n != last {
                let at = self.now + self.reaction(world, from.other());
                self.acknowledge(world, from.other(), at);
            }
            self.now += self.dice.within(12 * US..=30 * US);
        }
    }

    /// Closes politely, `first` beginning.
    pub fn close(&mut self, world: &mut World, first: Side) {
        self.settle(world);
        for side in [first, first.other()] {
            self.now += self.reaction(world, side);
            self.emit(world, side, flag::FIN | flag::ACK, &[], None, self.now);
        }
        self.now += self.reaction(world, first);
        self.emit(world, first, flag::ACK, &[], None, self.now);
    }

    /// Sends what acknowledgements are owed.
    fn settle(&mut self, world: &mut World) {
        for side in [Side::Client, Side::Server] {
            self.settle_side(world, side);
        }
    }

    fn settle_side(&mut self, world: &mut World, side: Side) {
        if self.owes[side as usize] {
            self.now += self.dice.within(8 * MS..=40 * MS);
            self.acknowledge(world, side, self.now);
        }
    }

    fn acknowledge(&mut self, world: &mut World, side: Side, at: i64) {
        self.emit(world, side, flag::ACK, &[], None, at);
        self.now = self.now.max(at);
    }

    fn reaction(&mut self, world: &World, side: Side) -> i64 {
        world.reaction(self.ends[side as usize].0, &mut self.dice)
    }

    fn emit(
        &mut self,
        world: &mut World,
        from: Side,
        flags: u8,
        data: &[u8],
        options: Option<&[u8]>,
        at: i64,
    ) {
        let (me, it) = (from as usize, from.other() as usize);
        let (host, port) = self.ends[me];
        let (peer, peer_port) = self.ends[it];
        let stamp = world.stamp(host, at);
        let usual = if self.timestamps {
            timestamp_option(stamp, self.echo[me])
        } else {
            Vec::new()
        };
        let to = world.host(peer).ip;
        let stack = world.host(host).stack;
        let window = match (flags & flag::SYN != 0, self.scaled) {
            (false, true) => (stack.window >> SCALE).min(0xffff) as u16,
            _ => first_window(stack),
        };
        let segment = wire::tcp(&wire::Tcp {
            src: (world.host(host).ip, port),
            dst: (to, peer_port),
            seq: self.seq[me],
            ack: if flags & flag::ACK != 0 { self.seq[it] } else { 0 },
            flags,
            window,
            options: options.unwrap_or(&usual),
            payload: data,
        });
        let frame = world.send_ip(at, host, to, wire::TCP, &segment);
        self.frames.push(frame);
        let counted = data.len() as u32 + u32::from(flags & (flag::SYN | flag::FIN) != 0);
        self.seq[me] = self.seq[me].wrapping_add(counted);
        self.echo[it] = stamp;
        self.owes[me] = false;
    }
}

/// The window while it is not scaled.
pub(super) fn first_window(stack: Stack) -> u16 {
    stack.window.min(64_240) as u16
}

/// Maximum segment size; selective acknowledgement and window scale; timestamps (value and echo).
pub(super) fn syn_options(scales: bool, stamp: Option<(u32, u32)>) -> Vec<u8> {
    let mut options = vec![2, 4];
    options.extend((MSS as u16).to_be_bytes());
    if scales {
        // The lone bytes 1 are padding: each option stands on its usual boundary.
        options.extend([1, 3, 3, SCALE, 1, 1, 4, 2]);
    }
    if let Some((value, echo)) = stamp {
        options.extend(timestamp_option(value, echo));
    }
    options
}

fn timestamp_option(value: u32, echo: u32) -> Vec<u8> {
    let mut options = vec![1, 1, 8, 10];
    options.extend(value.to_be_bytes());
    options.extend(echo.to_be_bytes());
    options
}

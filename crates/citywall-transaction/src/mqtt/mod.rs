//! MQTT 3.1, 3.1.1 and 5: who connected, what is published and who listens.
//!
//! Owns: finding control packets in a stream, going on after a gap, pairing CONNECT, SUBSCRIBE and a PUBLISH that
//! wants an acknowledgement with their answers. `packet` owns the layouts, `message` the event, `command` what a message means.
//!
//! One event for each control packet. PINGREQ, PINGRESP and acknowledgements of a PUBLISH that report success
//! say nothing new and give none.

mod command;
mod message;
mod packet;
mod properties;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use citywall_event::{Command, CommandOutcome, Login, Nanos, Side, Sighting, SightingTrait};
use citywall_flow::{Carrier, Content, Direction};

pub use message::{Ack, Connect, MqttBody, MqttMessage, Publish, Topics, Will};
pub use properties::Properties;

use crate::{
    Dissector, Hint, Input, Item, Limits, Output, Pending, Probe, Protocol, ProtocolEntry, Transaction,
};
use packet::{Head, Header, kind};

/// How this protocol is found.
pub const ENTRY: ProtocolEntry = ProtocolEntry {
    protocol: Protocol::Mqtt,
    carried_by: |c| c == Carrier::Tcp,
    probe,
    open,
};

/// Topic aliases of one direction that are kept (MQTT 5.0, section 3.3.2.3.4).
const ALIASES: usize = 64;

/// Bytes of a topic that are waited for in a PUBLISH that is not kept.
const TRUNCATED_TOPIC: usize = 1_024;

fn open(limits: &Limits, _hint: &Hint) -> Box<dyn Dissector> {
    Box::new(Mqtt {
        limits: Kept {
            message: limits.message.max(TRUNCATED_TOPIC * 2),
            open_requests: limits.open_requests.max(1),
            read_commands: limits.read_commands,
            readings: limits.readings,
            at_request: limits.at_request,
        },
        state: State::default(),
    })
}

/// A CONNECT, up to its protocol level (MQTT 5.0, section 3.1).
fn probe(hint: &Hint, data: &[u8]) -> Probe {
    const NAMES: [(&[u8], std::ops::RangeInclusive<u8>); 2] =
        [(b"\x00\x04MQTT", 4..=5), (b"\x00\x06MQIsdp", 3..=3)];
    match data.first() {
        None => return Probe::Maybe,
        Some(0x10) => {}
        Some(_) => return Probe::No,
    }
    let header = match packet::header(data) {
        Head::More => return Probe::Maybe,
        Head::Whole(header) if header.remaining >= 12 => header,
        Head::Whole(_) | Head::Invalid => return Probe::No,
    };
    let rest = &data[header.size.min(data.len())..];
    for (name, levels) in NAMES {
        if rest.len() <= name.len() {
            if name.starts_with(rest) {
                return Probe::Maybe;
            }
        } else if rest.starts_with(name) {
            return match (levels.contains(&rest[name.len()]), hint.direction) {
                (true, Direction::ToResponder) => Probe::Yes,
                (true, Direction::ToInitiator) => Probe::Reversed,
                (false, _) => Probe::No,
            };
        }
    }
    Probe::No
}

struct Kept {
    message: usize,
    open_requests: usize,
    read_commands: bool,
    readings: bool,
    at_request: bool,
}

/// One MQTT conversation.
struct Mqtt {
    limits: Kept,
    state: State,
}

#[derive(Default)]
struct State {
    pending: [Pending; 2],
    /// Bytes of a packet that is not kept, by direction.
    skip: [u64; 2],
    /// After a gap: the next byte may not start a packet.
    doubt: [bool; 2],
    /// Given up, by direction.
    dead: [bool; 2],
    version: u8,
    aliases: [Vec<(u16, Vec<u8>)>; 2],
    connect_seen: bool,
    gapped: bool,
    login: Option<Login>,
    subscribes: VecDeque<Topics>,
    /// Of each sender: commands of quality of service 1 and 2 that wait for what their receiver says.
    publishes: [VecDeque<(u16, Command)>; 2],
    roles_told: bool,
}

impl Dissector for Mqtt {
    fn feed(&mut self, input: &Input<'_>, out: &mut Output) {
        let i = input.direction.index();
        match input.content {
            Content::Bytes(data) if !self.state.dead[i] => {
                let skipped = (data.len() as u64).min(self.state.skip[i]);
                self.state.skip[i] -= skipped;
                let data = &data[skipped as usize..];
                let mut pending = std::mem::take(&mut self.state.pending[i]);
                let kept = pending.feed(data, self.limits.message, |bytes| {
                    self.step(input.direction, bytes, out)
                });
                if kept.is_err() {
                    self.give_up(input.direction, out);
                }
                self.state.pending[i] = pending;
            }
            Content::Gap(missing) => self.gap(i, missing),
            Content::Bytes(_) | Content::Datagram(_) | Content::End { .. } => {}
        }
    }

    fn finish(&mut self, _at: Nanos, out: &mut Output) {
        self.log_in(None, out);
        while let Some(subscribe) = self.state.subscribes.pop_front() {
            self.subscribed(&subscribe, &[], out);
        }
        for direction in [Direction::ToResponder, Direction::ToInitiator] {
            for (_, command) in self.state.publishes[direction.index()].drain(..) {
                out.command(direction, command);
            }
        }
    }

    fn held(&self) -> usize {
        let State {
            pending,
            aliases,
            subscribes,
            publishes,
            ..
        } = &self.state;
        let pending = pending.iter().map(|pending| pending.bytes().len());
        let aliases = aliases.iter().flatten().map(|(_, topic)| topic.len());
        let topics = subscribes
            .iter()
            .flat_map(|s| &s.topics)
            .map(|(topic, _)| 32 + topic.len());
        let publishes = publishes.iter().flatten();
        let commands = publishes.map(|(_, command)| size_of::<Command>() + command.point.len());
        pending.chain(aliases).chain(topics).chain(commands).sum()
    }
}

impl Mqtt {
    fn gap(&mut self, i: usize, missing: u64) {
        self.state.gapped = true;
        if missing > 0 && missing <= self.state.skip[i] {
            self.state.skip[i] -= missing;
            return;
        }
        self.state.skip[i] = 0;
        self.state.pending[i].clear();
        self.state.doubt[i] = true;
    }

    /// Nothing can be understood any more.
    fn give_up(&mut self, direction: Direction, out: &mut Output) -> usize {
        self.state.dead[direction.index()] = true;
        out.done[direction.index()] = true;
        usize::MAX
    }

    /// Takes one control packet off `bytes`; returns its length (0: more are needed).
    fn step(&mut self, direction: Direction, bytes: &[u8], out: &mut Output) -> usize {
        let i = direction.index();
        if self.state.dead[i] {
            return bytes.len();
        }
        let header = match packet::header(bytes) {
            Head::More => return 0,
            Head::Whole(header) => header,
            Head::Invalid => {
                if !self.state.doubt[i] {
                    out.malformed(direction, "mqtt.invalid_length");
                }
                return self.give_up(direction, out);
            }
        };
        if self.state.doubt[i] && !(header.flags_fit() && header.kind() != 0 && header.qos() < 3) {
            return self.give_up(direction, out);
        }
        let total = header.size.saturating_add(header.remaining);
        if total > self.limits.message {
            return self.truncated(direction, header, bytes, out);
        }
        let Some(rest) = bytes.get(header.size..total) else {
            return 0;
        };
        self.packet(direction, header, rest, out);
        total
    }

    /// A packet that is larger than what is kept: its topic is looked at, the rest is skipped.
    fn truncated(&mut self, direction: Direction, header: Header, bytes: &[u8], out: &mut Output) -> usize {
        if self.state.doubt[direction.index()] {
            return self.give_up(direction, out);
        }
        let total = header.size.saturating_add(header.remaining);
        let mut topic = None;
        if header.kind() == kind::PUBLISH {
            let &[high, low, ref rest @ ..] = &bytes[header.size..] else {
                return 0;
            };
            let length = usize::from(u16::from_be_bytes([high, low]));
            if length <= TRUNCATED_TOPIC {
                let Some(text) = rest.get(..length) else { return 0 };
                topic = Some(text.to_vec());
            }
        }
        let command = topic.as_ref().filter(|topic| self.commands(direction, topic));
        let command = command.map(|topic| command::large_publish(topic));
        let body = MqttBody::Truncated {
            topic,
            length: total as u64,
        };
        self.give(direction, header, body, out);
        if let Some(command) = command {
            out.command(direction, command);
        }
        let here = total.min(bytes.len());
        self.state.skip[direction.index()] = (total - here) as u64;
        here
    }

    fn packet(&mut self, direction: Direction, header: Header, rest: &[u8], out: &mut Output) {
        let i = direction.index();
        let known =
            (1..=14).contains(&header.kind()) || (header.kind() == kind::AUTH && self.state.version >= 5);
        if !known {
            return out.malformed(direction, "mqtt.unassigned_msg_type");
        }
        let Some(body) = packet::body(header, self.state.version, rest) else {
            if self.state.doubt[i] {
                self.give_up(direction, out);
            } else {
                out.malformed(direction, "mqtt.malformed");
            }
            return;
        };
        self.state.doubt[i] = false;
        if header.kind() == kind::PUBLISH && header.qos() == 3 {
            out.malformed(direction, "mqtt.invalid_qos_level");
        } else if !header.flags_fit() && self.state.version >= 4 {
            out.malformed(direction, "mqtt.invalid_flags");
        }
        match body {
            MqttBody::Connect(connect) => self.connect(direction, header, connect, out),
            MqttBody::Publish(publish) => self.publish(direction, header, publish, out),
            MqttBody::ConnAck { code, .. } => {
                if !self.state.connect_seen && !self.state.gapped {
                    out.malformed(direction, "mqtt.missing_connect");
                }
                self.give(direction, header, body, out);
                self.log_in(Some(code == 0), out);
                if code == 0 {
                    self.tell_roles(out);
                }
            }
            MqttBody::Subscribe(subscribe) => {
                self.give(direction, header, MqttBody::Subscribe(subscribe.clone()), out);
                if self.limits.at_request {
                    return self.subscribed(&subscribe, &[], out);
                }
                if self.state.subscribes.len() >= self.limits.open_requests
                    && let Some(oldest) = self.state.subscribes.pop_front()
                {
                    self.subscribed(&oldest, &[], out);
                }
                self.state.subscribes.push_back(subscribe);
            }
            MqttBody::Codes {
                message_id,
                ref codes,
                ..
            } if header.kind() == kind::SUBACK => {
                let codes = codes.clone();
                self.give(direction, header, body, out);
                let open = &mut self.state.subscribes;
                if let Some(place) = open.iter().position(|s| s.message_id == message_id)
                    && let Some(subscribe) = open.remove(place)
                {
                    self.subscribed(&subscribe, &codes, out);
                }
            }
            MqttBody::Empty => {}
            MqttBody::Ack(ref ack) => {
                let (id, refused) = (ack.message_id, ack.reason.filter(|reason| *reason >= 0x80));
                if refused.is_some() {
                    self.give(direction, header, body, out);
                }
                let last = matches!(header.kind(), kind::PUBACK | kind::PUBCOMP);
                // PUBREL is the sender's own, and PUBREC of success half an answer.
                if last || header.kind() == kind::PUBREC && refused.is_some() {
                    self.acknowledged(direction.flip(), id, refused, out);
                }
            }
            body => self.give(direction, header, body, out),
        }
    }

    fn connect(&mut self, direction: Direction, header: Header, connect: Connect, out: &mut Output) {
        if std::mem::replace(&mut self.state.connect_seen, true) {
            out.malformed(direction, "mqtt.double_connect");
        }
        self.state.version = connect.version;
        self.log_in(None, out);
        if connect.username.is_some() || connect.password_length.is_some() {
            self.state.login = Some(Login {
                protocol: "mqtt",
                user: String::from_utf8_lossy(connect.username.as_deref().unwrap_or(&[])).into_owned(),
                password_length: connect.password_length.map(u32::from),
                default_credentials: connect.default_credentials,
                success: None,
            });
        }
        self.give(direction, header, MqttBody::Connect(connect), out);
    }

    /// The login that is open ended so.
    fn log_in(&mut self, success: Option<bool>, out: &mut Output) {
        if let Some(login) = self.state.login.take() {
            out.items
                .push((Direction::ToResponder, Item::Login(Login { success, ..login })));
        }
    }

    fn publish(&mut self, direction: Direction, header: Header, mut publish: Publish, out: &mut Output) {
        if publish.message_id == Some(0) {
            out.malformed(direction, "mqtt.missing_msg_id");
        }
        self.resolve_alias(direction, &mut publish, out);
        let to_broker = direction == Direction::ToResponder;
        let waits = publish
            .message_id
            .filter(|id| *id != 0 && matches!(header.qos(), 1 | 2) && !self.limits.at_request);
        let reads = self.limits.readings && to_broker && !publish.topic.is_empty();
        let reading = reads.then(|| command::reading(&publish));
        let command = self.commands(direction, &publish.topic);
        let command = command.then(|| command::publish(&publish));
        self.give(direction, header, MqttBody::Publish(publish), out);
        if let Some(reading) = reading {
            out.reading(direction, reading);
        }
        let Some(command) = command else { return };
        let Some(id) = waits else {
            return out.command(direction, command);
        };
        let waiting = &mut self.state.publishes[direction.index()];
        // The same number again is the same PUBLISH sent again, or its answer was lost.
        let same = waiting.iter().position(|(open, _)| *open == id);
        let full = (waiting.len() >= self.limits.open_requests).then_some(0);
        if let Some((_, old)) = same.or(full).and_then(|place| waiting.remove(place)) {
            out.command(direction, old);
        }
        waiting.push_back((id, command));
    }

    /// True where a PUBLISH to this topic is told as a command.
    fn commands(&self, direction: Direction, topic: &[u8]) -> bool {
        command::commands(topic) || (self.limits.read_commands && direction == Direction::ToResponder)
    }

    /// What the receiver of a PUBLISH says of it; `direction` is the PUBLISH's.
    fn acknowledged(&mut self, direction: Direction, id: u16, refused: Option<u8>, out: &mut Output) {
        let waiting = &mut self.state.publishes[direction.index()];
        let place = waiting.iter().position(|(open, _)| *open == id);
        if let Some((_, command)) = place.and_then(|place| waiting.remove(place)) {
            let outcome = match refused {
                None => CommandOutcome::Accepted,
                Some(reason) => CommandOutcome::Refused(reason.into()),
            };
            out.command(direction, Command { outcome, ..command });
        }
    }

    /// Puts the topic in where only its alias was sent, and learns aliases.
    fn resolve_alias(&mut self, direction: Direction, publish: &mut Publish, out: &mut Output) {
        let Some(alias) = publish.properties.topic_alias() else {
            return;
        };
        let aliases = &mut self.state.aliases[direction.index()];
        let place = aliases.iter().position(|(known, _)| *known == alias);
        match (place, publish.topic.is_empty()) {
            (Some(place), true) => publish.topic.clone_from(&aliases[place].1),
            (None, true) => {
                if !self.state.gapped {
                    out.malformed(direction, "mqtt.unknown_topic_alias");
                }
            }
            (Some(place), false) => aliases[place].1.clone_from(&publish.topic),
            (None, false) if aliases.len() < ALIASES && publish.topic.len() <= TRUNCATED_TOPIC => {
                aliases.push((alias, publish.topic.clone()));
            }
            (None, false) => {}
        }
    }

    fn subscribed(&self, subscribe: &Topics, codes: &[u8], out: &mut Output) {
        if !self.limits.read_commands {
            return;
        }
        for (n, (topic, _)) in subscribe.topics.iter().enumerate() {
            let command = command::subscribe(topic, codes.get(n).copied());
            out.command(Direction::ToResponder, command);
        }
    }

    fn give(&self, direction: Direction, header: Header, body: MqttBody, out: &mut Output) {
        let message = MqttMessage {
            first: header.first,
            version: self.state.version,
            from: direction,
            body,
        };
        out.transaction(direction, Transaction::Mqtt(Box::new(message)));
    }

    fn tell_roles(&mut self, out: &mut Output) {
        if std::mem::replace(&mut self.state.roles_told, true) {
            return;
        }
        let roles = [
            (Direction::ToInitiator, "mqtt-broker", "mqtt.connack"),
            (Direction::ToResponder, "mqtt-client", "mqtt.connect"),
        ];
        for (direction, role, evidence) in roles {
            let sighting = Sighting {
                side: Side::Source,
                trait_: SightingTrait::Role,
                value: role.to_owned(),
                evidence,
            };
            out.items.push((direction, Item::Sighting(sighting)));
        }
    }
}

//! What a client says on a stream, request by request, before the server hears it.
//!
//! Owns: where one request ends and the next begins (Modbus/TCP, MQTT), what commands it holds, and
//! whether it passes. Does not own: what the bytes mean (`citywall-transaction`), sequence numbers
//! (`splice`). Streams of other protocols pass as they are once their protocol is known and allowed.

use std::borrow::Cow;

use citywall_event::{Nanos, Service};
use citywall_flow::{Carrier, Content, Direction};
use citywall_policy::Denied;
use citywall_transaction::{Dissector, Hint, Input, Item, Limits, Output, PROTOCOLS, Probe, Protocol};

use super::answer;
use super::policy::{Party, Policy, Refusal};
use super::splice::{Step, Talk};

/// Bytes of a request that are waited for; of a longer one its beginning decides.
const WHOLE: usize = 16 * 1024;
/// Bytes that a probe may ask for.
const PROBED: usize = 2_048;

/// Where requests of a stream end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Not known yet.
    Probing,
    /// MBAP headers.
    Modbus,
    /// Fixed headers.
    Mqtt,
    /// Requests are not told apart.
    Whole,
}

/// The state of one stream's requests.
pub struct Requests {
    framing: Framing,
    dissector: Option<Box<dyn Dissector>>,
    /// Application protocol, once known.
    pub protocol: Option<Protocol>,
    /// The version in MQTT's CONNECT.
    version: u8,
    border: Border,
    /// The session was met midway: its protocol may go by the port.
    pub midway: bool,
}

impl Default for Requests {
    fn default() -> Requests {
        Requests {
            framing: Framing::Probing,
            dissector: None,
            protocol: None,
            version: 4,
            border: Border::default(),
            midway: false,
        }
    }
}

impl Requests {
    /// Those of a session that was met midway.
    pub fn met_midway() -> Requests {
        Requests {
            midway: true,
            ..Requests::default()
        }
    }

    /// True where requests are not told apart: nothing can be cut out.
    pub fn is_whole(&self) -> bool {
        self.framing == Framing::Whole
    }
}

/// Follows where messages of the server end.
#[derive(Debug, Default)]
struct Border {
    head: Vec<u8>,
    left: usize,
}

/// The size of the message that begins so; `Err` where none can begin so, `Ok(None)` where more
/// bytes are needed.
fn size(framing: Framing, head: &[u8]) -> Result<Option<usize>, ()> {
    match framing {
        Framing::Modbus => {
            let &[_, _, p1, p0, l1, l0, ..] = head else {
                return if head.get(2..).is_some_and(|p| p.iter().take(2).any(|b| *b != 0)) {
                    Err(())
                } else {
                    Ok(None)
                };
            };
            let length = usize::from(u16::from_be_bytes([l1, l0]));
            if (p1, p0) == (0, 0) && (2..=255).contains(&length) {
                Ok(Some(6 + length))
            } else {
                Err(())
            }
        }
        Framing::Mqtt => {
            if head.first().is_some_and(|b| b >> 4 == 0) {
                return Err(());
            }
            match head.get(1..).and_then(answer::variable) {
                Some((bytes, length)) => Ok(Some(1 + bytes + length)),
                None if head.len() >= 5 => Err(()),
                None => Ok(None),
            }
        }
        Framing::Probing | Framing::Whole => Ok(Some(head.len().max(1))),
    }
}

impl Border {
    fn take(&mut self, framing: Framing, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let taken = self.left.min(bytes.len());
                self.left -= taken;
                bytes = bytes.get(taken..).unwrap_or(&[]);
                continue;
            }
            let Some((first, rest)) = bytes.split_first() else {
                return;
            };
            self.head.push(*first);
            bytes = rest;
            match size(framing, &self.head) {
                Ok(None) => {}
                Ok(Some(total)) => {
                    self.left = total.saturating_sub(self.head.len());
                    self.head.clear();
                }
                // Not understood: the next packet is taken to begin anew.
                Err(()) => {
                    self.head.clear();
                    return;
                }
            }
        }
    }

    fn is_here(&self) -> bool {
        self.left == 0 && self.head.is_empty()
    }
}

/// Judges the requests of one stream.
pub struct Judge<'a> {
    /// The stream's state.
    pub requests: &'a mut Requests,
    /// What is decided by.
    pub policy: &'a Policy,
    /// Who asks.
    pub client: Party,
    /// Who is asked.
    pub server: Party,
    /// Their ports.
    pub ports: (u16, u16),
    /// Packet time.
    pub at: Nanos,
    /// What cannot be judged is refused.
    pub closed: bool,
    /// Emptied after use.
    pub found: &'a mut Output,
    /// The first refusal, to be told.
    pub refused: &'a mut Option<(Refusal, Denied)>,
    /// Requests refused.
    pub count: &'a mut u64,
}

/// Bounds of the dissectors that stand here.
pub fn limits() -> Limits {
    Limits {
        message: WHOLE,
        open_requests: 16,
        readings: false,
        read_commands: true,
        at_request: true,
        body: 0,
        ..Limits::default()
    }
}

impl Judge<'_> {
    fn hint(&self) -> Hint {
        Hint {
            carrier: Carrier::Tcp,
            direction: Direction::ToResponder,
            initiator_port: self.ports.0,
            responder_port: self.ports.1,
        }
    }

    fn service(&self) -> Service<'static> {
        Service {
            protocol: 6,
            port: Some(self.ports.1),
            app_proto: self.requests.protocol.map(Protocol::name),
        }
    }

    /// Finds out which protocol begins so; false where more bytes are needed.
    fn probe(&mut self, pending: &[u8]) -> bool {
        let hint = self.hint();
        let mut waits = false;
        for entry in PROTOCOLS.iter().filter(|entry| (entry.carried_by)(Carrier::Tcp)) {
            let framing = match entry.protocol {
                Protocol::Modbus => Framing::Modbus,
                Protocol::Mqtt => Framing::Mqtt,
                _ => Framing::Whole,
            };
            match (entry.probe)(&hint, pending) {
                Probe::Yes | Probe::Reversed => {
                    self.requests.protocol = Some(entry.protocol);
                    self.requests.framing = framing;
                    if framing != Framing::Whole {
                        self.requests.dissector = Some((entry.open)(&limits(), &hint));
                    }
                    return true;
                }
                // Only for these two is it worth holding bytes back.
                Probe::Maybe => waits |= framing != Framing::Whole,
                Probe::No => {}
            }
        }
        if waits && pending.len() < PROBED {
            return false;
        }
        self.requests.framing = Framing::Whole;
        if self.requests.midway && matches!(self.ports.1, 1883) {
            self.requests.protocol = Some(Protocol::Mqtt);
            self.requests.framing = Framing::Mqtt;
            let entry = PROTOCOLS.iter().find(|e| e.protocol == Protocol::Mqtt);
            self.requests.dissector = entry.map(|entry| (entry.open)(&limits(), &hint));
        }
        true
    }

    fn refuse(&mut self, refusal: Refusal, len: u64, answer: impl FnOnce(bool) -> Vec<u8>) -> Step {
        let how = self.policy.answer(self.server.place);
        *self.count += 1;
        let point_only = refusal.point_only;
        self.refused.get_or_insert((refusal, how));
        match how {
            Denied::Reset => Step::End,
            Denied::Drop => Step::Deny(len, Vec::new()),
            Denied::Exception => Step::Deny(len, answer(point_only)),
        }
    }

    fn first(&mut self, pending: &[u8]) -> Option<Step> {
        if !self.probe(pending) {
            return Some(Step::More);
        }
        self.requests.protocol?;
        let refusal = self
            .policy
            .refuses_contact(&self.client, &self.server, &self.service())?;
        let how = self.policy.answer(self.server.place);
        *self.count += 1;
        self.refused.get_or_insert((refusal, how));
        Some(Step::End)
    }

    fn whole(&mut self, unit: &[u8], total: usize) -> Step {
        if self.requests.framing == Framing::Mqtt && unit.first().is_some_and(|b| b >> 4 == 1) {
            self.requests.version = mqtt_version(unit).unwrap_or(4);
        }
        let len = total as u64;
        let short = self.shortened(unit, total);
        if let (Some(dissector), Some(bytes)) = (&mut self.requests.dissector, &short) {
            let input = Input {
                at: self.at,
                direction: Direction::ToResponder,
                content: Content::Bytes(bytes),
            };
            dissector.feed(&input, self.found);
        }
        let service = self.service();
        let refusal = self.found.items.iter().find_map(|item| match item {
            (Direction::ToResponder, Item::Command(command)) => {
                let (from, to) = (&self.client, &self.server);
                self.policy.refuses(from, to, &service, command, self.at)
            }
            _ => None,
        });
        self.found.items.clear();
        let unread = short.is_none();
        let refusal = refusal.or_else(|| self.too_long(unread, total));
        let Some(refusal) = refusal else {
            return Step::Pass(len);
        };
        let (framing, version) = (self.requests.framing, self.requests.version);
        self.refuse(refusal, len, |point_only| match framing {
            Framing::Modbus => answer::modbus(unit, point_only),
            Framing::Mqtt => {
                let header = unit.get(1..).and_then(answer::variable).map_or(2, |(n, _)| n + 1);
                answer::mqtt(unit, header, version)
            }
            _ => Vec::new(),
        })
    }

    /// What the dissector is given: the request, or where only its beginning is here and it is a
    /// PUBLISH, one with the same topic and nothing more. `None` where there is nothing to read.
    fn shortened<'b>(&self, unit: &'b [u8], total: usize) -> Option<Cow<'b, [u8]>> {
        if unit.len() >= total {
            return Some(Cow::Borrowed(unit));
        }
        let first = *unit.first().filter(|b| **b >> 4 == 3)?;
        let (bytes, _) = answer::variable(unit.get(1..)?)?;
        let body = unit.get(1 + bytes..)?;
        let &[high, low, ..] = body else { return None };
        let topic = body.get(..2 + usize::from(u16::from_be_bytes([high, low])))?;
        let mut rest = topic.to_vec();
        if first >> 1 & 3 != 0 {
            rest.extend_from_slice(&[0, 1]);
        }
        if self.requests.version >= 5 {
            rest.push(0);
        }
        let length = rest.len();
        let head = [first, (length & 0x7f) as u8 | 0x80, (length >> 7 & 0x7f) as u8];
        Some(Cow::Owned([&head[..], &rest].concat()))
    }

    /// A request of which only the beginning is here, and of that nothing could be read.
    fn too_long(&self, unread: bool, total: usize) -> Option<Refusal> {
        (unread && self.closed).then(|| Refusal {
            reason: format!("a request of {total} bytes is longer than what can be judged ({WHOLE})"),
            point_only: false,
        })
    }
}

/// The protocol level in a CONNECT (MQTT 5.0, 3.1.2.2).
fn mqtt_version(packet: &[u8]) -> Option<u8> {
    let (bytes, _) = answer::variable(packet.get(1..)?)?;
    let rest = packet.get(1 + bytes..)?;
    let &[high, low, ref name @ ..] = rest else {
        return None;
    };
    name.get(usize::from(u16::from_be_bytes([high, low]))).copied()
}

impl Talk for Judge<'_> {
    fn request(&mut self, pending: &[u8]) -> Step {
        if self.requests.framing == Framing::Probing
            && let Some(step) = self.first(pending)
        {
            return step;
        }
        match size(self.requests.framing, pending) {
            Ok(None) => Step::More,
            Ok(Some(total)) if total <= pending.len() => {
                let unit = pending.get(..total).unwrap_or(pending);
                if self.requests.framing == Framing::Whole {
                    return Step::Pass(total as u64);
                }
                self.whole(unit, total)
            }
            Ok(Some(total)) if total <= WHOLE => Step::More,
            Ok(Some(total)) if pending.len() >= PROBED => self.whole(pending, total),
            Ok(Some(_)) => Step::More,
            // Not what the protocol is: what follows cannot be told apart any more.
            Err(()) if self.closed => {
                let refusal = Refusal {
                    reason: "what is sent is not the protocol that was begun".to_owned(),
                    point_only: false,
                };
                *self.count += 1;
                self.refused.get_or_insert((refusal, Denied::Reset));
                Step::End
            }
            Err(()) => Step::Pass(pending.len() as u64),
        }
    }

    fn response(&mut self, bytes: &[u8]) {
        let framing = self.requests.framing;
        self.requests.border.take(framing, bytes);
    }

    fn response_lost(&mut self) {
        self.requests.border = Border::default();
    }

    fn at_border(&self) -> bool {
        self.requests.border.is_here()
    }
}

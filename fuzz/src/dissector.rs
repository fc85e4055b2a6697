//! One protocol's dissector on a conversation, without probing.

use citywall_event::json::Object;
use citywall_event::{Body, Event, Login, Nanos, Order, Subject};
use citywall_flow::{Carrier, Content, Direction};
use citywall_transaction::{
    Buffer, Hint, Input, Item, Limits, Number, Output, PROTOCOLS, Protocol, ProtocolEntry, Record,
};

use crate::json::assert_line;
use crate::turns::{Turn, turns};

/// Ports that protocols have an opinion on, and one that none has.
pub const PORTS: [u16; 16] = [
    53, 5353, 5355, 67, 68, 80, 443, 123, 161, 162, 502, 1883, 22, 23, 8883, 40_000,
];

/// Carriers of the protocols.
pub const CARRIERS: [Carrier; 3] = [Carrier::Tcp, Carrier::Udp, Carrier::Ethernet(0x0806)];

/// Bytes of output for each byte of input, besides [`OUTPUT_BASE`]: a record may repeat what came
/// earlier (a compressed name, a URL), but not without bounds.
const OUTPUT_FACTOR: usize = 1_024;
const OUTPUT_BASE: usize = 1 << 20;

/// Records of a conversation whose JSON is checked and that are asked for their buffers: the rest is
/// mostly repetition.
const CHECKED: usize = 200;

/// The first two bytes choose carrier, limits and ports; the rest is the conversation.
pub fn run(protocol: Protocol, data: &[u8]) {
    let Some((&[first, second], rest)) = data.split_first_chunk() else {
        return;
    };
    let entry = PROTOCOLS
        .iter()
        .find(|entry| entry.protocol == protocol)
        .expect("every protocol has an entry");
    let carriers: Vec<Carrier> = CARRIERS.into_iter().filter(|c| (entry.carried_by)(*c)).collect();
    let hint = Hint {
        carrier: carriers[usize::from(first) % carriers.len()],
        direction: Direction::ToResponder,
        initiator_port: PORTS[usize::from(second >> 4)],
        responder_port: PORTS[usize::from(second & 15)],
    };
    let limits = limits(first >> 6);
    let turns = turns(first, rest);
    let cut = play(entry, &hint, &limits, &turns, false);
    assert_in_proportion(&cut, &turns);
    // Under tight limits it depends on the pieces what is given up.
    if hint.carrier == Carrier::Tcp && first >> 6 < 2 {
        let whole = play(entry, &hint, &limits, &turns, true);
        assert!(
            cut == whole,
            "cut:\n{}whole:\n{}",
            String::from_utf8_lossy(&cut),
            String::from_utf8_lossy(&whole)
        );
    }
}

/// 0 and 1: as configured by default, 1 with all that is off by default; 2 and 3: tight.
pub fn limits(which: u8) -> Limits {
    let usual = Limits {
        // More than a conversation has here: what overflows depends on the pieces.
        message: 128 * 1024,
        file_hashes: which & 1 == 1,
        ..Limits::default()
    };
    if which < 2 {
        return usual;
    }
    Limits {
        message: 64,
        open_requests: 2,
        decompressed: 256,
        body: 16,
        read_commands: false,
        readings: which & 1 == 1,
        ..usual
    }
}

fn play(entry: &ProtocolEntry, hint: &Hint, limits: &Limits, turns: &[Turn], whole: bool) -> Vec<u8> {
    let mut dissector = (entry.open)(limits, hint);
    let mut lines = Lines::default();
    let mut over = [false; 2];
    for (turn, at) in turns.iter().zip(1..) {
        let i = turn.direction.index();
        turn.contents(hint.carrier != Carrier::Tcp, whole, |content| {
            if over[i] {
                return;
            }
            let mut out = Output::default();
            let input = Input {
                at,
                direction: turn.direction,
                content,
            };
            dissector.feed(&input, &mut out);
            lines.take(&out, at);
            over[i] |= matches!(content, Content::End { .. });
            over = [over[0] | out.done[0], over[1] | out.done[1]];
        });
    }
    let mut out = Output::default();
    dissector.finish(1_000, &mut out);
    lines.take(&out, 1_000);
    lines.text
}

/// Panics where the output has no proportion to the conversation.
pub fn assert_in_proportion(text: &[u8], turns: &[Turn]) {
    let input: usize = turns
        .iter()
        .map(|turn| match &turn.action {
            crate::turns::Action::Send(bytes, _) => bytes.len(),
            _ => 1,
        })
        .sum();
    assert!(
        text.len() <= OUTPUT_BASE + OUTPUT_FACTOR * input,
        "{} bytes of output for {input} bytes",
        text.len()
    );
}

/// Finds, written down and checked.
#[derive(Default)]
pub struct Lines {
    /// One line each.
    pub text: Vec<u8>,
    checked: usize,
}

impl Lines {
    /// Writes down what a dissector found.
    pub fn take(&mut self, out: &Output, at: Nanos) {
        for (direction, item) in &out.items {
            self.text
                .extend_from_slice(if *direction == Direction::ToResponder {
                    b"> "
                } else {
                    b"< "
                });
            let start = self.text.len();
            match item {
                Item::Transaction(transaction) => {
                    let record = transaction.record();
                    Object::write(&mut self.text, |o| {
                        o.str("event_type", record.event_type());
                        record.write(o);
                    });
                    if self.check(start) {
                        ask(record);
                    }
                }
                Item::Command(command) => self.event(Body::Command(command.clone()), at),
                Item::Reading(reading) => self.event(Body::Reading(reading.clone()), at),
                Item::Login(login) => self.login(login),
                Item::Sighting(s) => self.line(format!("{s:?}")),
                Item::Name(name) => self.line(format!("{name:?}")),
                Item::Malformed(name) => self.line((*name).to_owned()),
            }
            self.text.push(b'\n');
        }
    }

    fn line(&mut self, text: String) {
        self.text.extend_from_slice(text.as_bytes());
    }

    fn event(&mut self, body: Body, at: Nanos) {
        let start = self.text.len();
        let event = Event {
            order: Order::default(),
            at,
            subject: Subject::default(),
            app_proto: None,
            body,
        };
        event.write(&mut self.text, None);
        self.check(start);
    }

    fn login(&mut self, login: &Login) {
        self.event(Body::Login(login.clone()), 0);
        self.line(format!("{login:?}"));
    }

    /// Checks what was written from `start` on, unless enough was checked.
    fn check(&mut self, start: usize) -> bool {
        self.checked += 1;
        let check = self.checked <= CHECKED;
        if check {
            assert_line(&self.text[start..]);
        }
        check
    }
}

/// Everything that a rule could ask of a record.
fn ask(record: &dyn Record) {
    let mut length = 0;
    for buffer in BUFFERS {
        record.buffers(buffer, &mut |value| length += value.len());
    }
    let numbers = NUMBERS.into_iter().filter_map(|n| record.number(n)).count();
    std::hint::black_box((length, numbers, record.direction()));
}

use Buffer as B;

/// All buffers.
const BUFFERS: [Buffer; 63] = [
    B::HttpMethod,
    B::HttpUri,
    B::HttpUriRaw,
    B::HttpHost,
    B::HttpHostRaw,
    B::HttpUserAgent,
    B::HttpReferer,
    B::HttpCookie,
    B::HttpAccept,
    B::HttpContentType,
    B::HttpContentLength,
    B::HttpConnection,
    B::HttpServer,
    B::HttpLocation,
    B::HttpProtocol,
    B::HttpStatCode,
    B::HttpStatMsg,
    B::HttpRequestLine,
    B::HttpResponseLine,
    B::HttpRequestHeader,
    B::HttpResponseHeader,
    B::HttpRequestBody,
    B::HttpResponseBody,
    B::FileData,
    B::DnsQuery,
    B::DnsQueryName,
    B::DnsAnswerName,
    B::DnsResponseName,
    B::TlsSni,
    B::TlsVersion,
    B::TlsSubject,
    B::TlsIssuer,
    B::TlsSerial,
    B::TlsFingerprint,
    B::TlsAlpn,
    B::Ja3Hash,
    B::Ja3String,
    B::Ja3sHash,
    B::Ja3sString,
    B::Ja4Hash,
    B::SshClientProto,
    B::SshClientSoftware,
    B::SshServerProto,
    B::SshServerSoftware,
    B::SshHassh,
    B::SshHasshString,
    B::SshHasshServer,
    B::SshHasshServerString,
    B::MqttClientId,
    B::MqttUsername,
    B::MqttPassword,
    B::MqttWillTopic,
    B::MqttWillMessage,
    B::MqttPublishTopic,
    B::MqttPublishMessage,
    B::MqttSubscribeTopic,
    B::MqttUnsubscribeTopic,
    B::MqttProtocolName,
    B::SnmpCommunity,
    B::SnmpUsm,
    B::SnmpOid,
    B::DhcpHostname,
    B::TelnetUser,
];

/// All numbers.
const NUMBERS: [Number; 23] = [
    Number::DnsOpcode,
    Number::DnsRcode,
    Number::DnsRrtype,
    Number::HttpStatCode,
    Number::TlsCertValidDays,
    Number::MqttType,
    Number::MqttFlags,
    Number::MqttQos,
    Number::MqttProtocolVersion,
    Number::MqttReasonCode,
    Number::ModbusFunction,
    Number::ModbusSubfunction,
    Number::ModbusUnit,
    Number::ModbusAddress,
    Number::ModbusValue,
    Number::ModbusIsWrite,
    Number::ModbusIsRead,
    Number::SnmpVersion,
    Number::SnmpPduType,
    Number::DhcpMessageType,
    Number::DhcpLeaseTime,
    Number::NtpVersion,
    Number::NtpMode,
];

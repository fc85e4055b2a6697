//! Where content keywords look: names of sticky buffers and old-style modifiers, and how each is
//! read from a record.
//!
//! Owns: the table of names. Does not own: the values, which the protocols' records hand out
//! (`citywall_transaction::Record::buffers`); a few are derived here from those.

use citywall_flow::Direction;
use citywall_transaction::{Buffer, Protocol, Record};

use crate::transform::Transform;

/// A place in a record, as a rule names it with its direction settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// One named buffer.
    One(Buffer),
    /// Either of two (a rule without direction).
    Either(Buffer, Buffer),
    /// Names of header fields, each after CR LF, derived from the header.
    HeaderNames(Direction),
    /// First line and header together.
    Start(Direction),
    /// The value of one request header field.
    RequestField(&'static str),
}

/// A source with its transforms; interned in the rule book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BufferSpec {
    /// Where from.
    pub source: Source,
    /// Applied in order.
    pub transforms: Vec<Transform>,
}

impl BufferSpec {
    /// Hands out the values after the transforms. `room` and `transformed` are scratch space.
    pub fn values(
        &self,
        record: &dyn Record,
        room: &mut Vec<u8>,
        transformed: &mut Vec<u8>,
        each: &mut dyn FnMut(&[u8]),
    ) {
        if self.transforms.is_empty() {
            self.source.fetch(record, room, each);
            return;
        }
        self.source.fetch(record, room, &mut |value| {
            transformed.clear();
            transformed.extend_from_slice(value);
            for transform in &self.transforms {
                transform.apply(transformed);
            }
            each(transformed);
        });
    }
}

/// What a buffer name stands for before the rule's direction is known.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Named {
    /// The same both ways.
    Fixed(Source),
    /// One for requests, one for answers.
    Sided(Source, Source),
}

impl Named {
    /// Settles the direction.
    pub fn settle(self, direction: Option<Direction>) -> Source {
        match (self, direction) {
            (Named::Fixed(source), _) => source,
            (Named::Sided(request, _), Some(Direction::ToResponder)) => request,
            (Named::Sided(_, response), Some(Direction::ToInitiator)) => response,
            (Named::Sided(Source::One(a), Source::One(b)), None) => Source::Either(a, b),
            (Named::Sided(request, _), None) => request,
        }
    }
}

/// The buffer that a sticky keyword selects.
pub(crate) fn sticky(name: &str) -> Option<Named> {
    use Buffer::*;
    let one = |b| Some(Named::Fixed(Source::One(b)));
    let sides = |a, b| Some(Named::Sided(Source::One(a), Source::One(b)));
    match name {
        "http.method" => one(HttpMethod),
        "http.uri" => one(HttpUri),
        "http.uri.raw" => one(HttpUriRaw),
        "http.host" => one(HttpHost),
        "http.host.raw" => one(HttpHostRaw),
        "http.user_agent" => one(HttpUserAgent),
        "http.referer" | "http_referer" => one(HttpReferer),
        "http.cookie" => one(HttpCookie),
        "http.accept" | "http_accept" => one(HttpAccept),
        "http.accept_enc" | "http_accept_enc" => Some(Named::Fixed(Source::RequestField("accept-encoding"))),
        "http.accept_lang" | "http_accept_lang" => {
            Some(Named::Fixed(Source::RequestField("accept-language")))
        }
        "http.content_type" | "http_content_type" => one(HttpContentType),
        "http.content_len" | "http_content_len" => one(HttpContentLength),
        "http.connection" | "http_connection" => one(HttpConnection),
        "http.server" => one(HttpServer),
        "http.location" => one(HttpLocation),
        "http.protocol" | "http_protocol" => one(HttpProtocol),
        "http.stat_code" => one(HttpStatCode),
        "http.stat_msg" => one(HttpStatMsg),
        "http.request_line" | "http_request_line" => one(HttpRequestLine),
        "http.response_line" | "http_response_line" => one(HttpResponseLine),
        "http.header" | "http.header.raw" => sides(HttpRequestHeader, HttpResponseHeader),
        "http.request_header" => one(HttpRequestHeader),
        "http.response_header" => one(HttpResponseHeader),
        "http.request_body" => one(HttpRequestBody),
        "http.response_body" => one(HttpResponseBody),
        "http.header_names" | "http_header_names" => Some(Named::Sided(
            Source::HeaderNames(Direction::ToResponder),
            Source::HeaderNames(Direction::ToInitiator),
        )),
        "http.start" | "http_start" => Some(Named::Sided(
            Source::Start(Direction::ToResponder),
            Source::Start(Direction::ToInitiator),
        )),
        "file.data" | "file_data" => sides(HttpRequestBody, HttpResponseBody),
        "dns.query" | "dns_query" => one(DnsQuery),
        "dns.query.name" | "dns.queries.rrname" => one(DnsQueryName),
        "dns.answer.name" | "dns.answers.rrname" => one(DnsAnswerName),
        "dns.response.rrname" => one(DnsResponseName),
        "tls.sni" | "tls_sni" => one(TlsSni),
        "tls.cert_subject" | "tls_cert_subject" => one(TlsSubject),
        "tls.cert_issuer" | "tls_cert_issuer" => one(TlsIssuer),
        "tls.cert_serial" | "tls_cert_serial" => one(TlsSerial),
        "tls.cert_fingerprint" | "tls_cert_fingerprint" => one(TlsFingerprint),
        "tls.alpn" => one(TlsAlpn),
        "ja3.hash" | "ja3_hash" => one(Ja3Hash),
        "ja3.string" | "ja3_string" => one(Ja3String),
        "ja3s.hash" | "ja3s_hash" => one(Ja3sHash),
        "ja3s.string" => one(Ja3sString),
        "ja4.hash" => one(Ja4Hash),
        "ssh.proto" | "ssh_proto" => sides(SshClientProto, SshServerProto),
        "ssh.software" | "ssh_software" => sides(SshClientSoftware, SshServerSoftware),
        "ssh.hassh" => one(SshHassh),
        "ssh.hassh.string" => one(SshHasshString),
        "ssh.hassh.server" => one(SshHasshServer),
        "ssh.hassh.server.string" => one(SshHasshServerString),
        "mqtt.connect.clientid" => one(MqttClientId),
        "mqtt.connect.username" => one(MqttUsername),
        "mqtt.connect.willtopic" => one(MqttWillTopic),
        "mqtt.connect.willmessage" => one(MqttWillMessage),
        "mqtt.connect.protocol_string" => one(MqttProtocolName),
        "mqtt.publish.topic" => one(MqttPublishTopic),
        "mqtt.publish.message" => one(MqttPublishMessage),
        "mqtt.subscribe.topic" => one(MqttSubscribeTopic),
        "mqtt.unsubscribe.topic" => one(MqttUnsubscribeTopic),
        "snmp.community" => one(SnmpCommunity),
        "snmp.usm" => one(SnmpUsm),
        "snmp.oid" => one(SnmpOid),
        "dhcp.hostname" => one(DhcpHostname),
        "telnet.user" => one(TelnetUser),
        _ => None,
    }
}

/// The buffer that an old-style modifier moves the previous content to.
pub(crate) fn modifier(name: &str) -> Option<Named> {
    sticky(match name {
        "http_method" => "http.method",
        "http_uri" => "http.uri",
        "http_raw_uri" => "http.uri.raw",
        "http_header" => "http.header",
        "http_raw_header" => "http.header.raw",
        "http_cookie" => "http.cookie",
        "http_user_agent" => "http.user_agent",
        "http_host" => "http.host",
        "http_raw_host" => "http.host.raw",
        "http_stat_code" => "http.stat_code",
        "http_stat_msg" => "http.stat_msg",
        "http_client_body" => "http.request_body",
        "http_server_body" => "http.response_body",
        _ => return None,
    })
}

/// The buffer that a letter in a pcre's flags selects.
pub(crate) fn of_pcre_flag(flag: char) -> Option<Named> {
    sticky(match flag {
        'U' => "http.uri",
        'I' => "http.uri.raw",
        'P' => "http.request_body",
        'Q' => "http.response_body",
        'H' => "http.header",
        'D' => "http.header.raw",
        'M' => "http.method",
        'C' => "http.cookie",
        'S' => "http.stat_code",
        'Y' => "http.stat_msg",
        'V' => "http.user_agent",
        'W' => "http.host",
        'Z' => "http.host.raw",
        _ => return None,
    })
}

/// What one or the other needs.
pub(crate) fn either(a: [bool; 2], b: [bool; 2]) -> [bool; 2] {
    [a[0] || b[0], a[1] || b[1]]
}

impl Source {
    /// Whose records have it.
    pub fn protocol(self) -> Protocol {
        match self {
            Source::One(buffer) | Source::Either(buffer, _) => protocol_of(buffer),
            Source::HeaderNames(_) | Source::Start(_) | Source::RequestField(_) => Protocol::Http,
        }
    }

    /// Which way the bytes went, where the source tells.
    pub fn direction(self) -> Option<Direction> {
        use Buffer::*;
        match self {
            Source::HeaderNames(d) | Source::Start(d) => Some(d),
            Source::RequestField(_) => Some(Direction::ToResponder),
            Source::Either(..) => None,
            Source::One(buffer) => match buffer {
                HttpMethod | HttpUri | HttpUriRaw | HttpHost | HttpHostRaw | HttpUserAgent | HttpReferer
                | HttpAccept | HttpRequestLine | HttpRequestHeader | HttpRequestBody | DnsQuery | TlsSni
                | Ja3Hash | Ja3String | Ja4Hash | SshClientProto | SshClientSoftware | SshHassh
                | SshHasshString => Some(Direction::ToResponder),
                HttpServer | HttpLocation | HttpStatCode | HttpStatMsg | HttpResponseLine
                | HttpResponseHeader | HttpResponseBody | TlsSubject | TlsIssuer | TlsSerial
                | TlsFingerprint | Ja3sHash | Ja3sString | SshServerProto | SshServerSoftware
                | SshHasshServer | SshHasshServerString => Some(Direction::ToInitiator),
                _ => None,
            },
        }
    }

    /// How little a hit in it says: added to the score of a fast pattern.
    pub fn weight(self) -> i32 {
        use Buffer::*;
        match self {
            Source::One(HttpMethod | HttpStatCode | HttpStatMsg | HttpProtocol | HttpConnection) => -12,
            Source::One(HttpContentType | HttpContentLength | HttpAccept | HttpServer) => -6,
            Source::HeaderNames(_) | Source::Start(_) | Source::RequestField(_) => -6,
            Source::Either(HttpRequestHeader, _) | Source::One(HttpRequestHeader | HttpResponseHeader) => -3,
            _ => 0,
        }
    }

    /// True for buffers that need HTTP bodies of requests, and of responses.
    pub fn bodies(self) -> [bool; 2] {
        use Buffer::*;
        let of = |b| {
            [
                matches!(b, HttpRequestBody | FileData),
                matches!(b, HttpResponseBody | FileData),
            ]
        };
        match self {
            Source::One(b) => of(b),
            Source::Either(a, b) => either(of(a), of(b)),
            _ => [false; 2],
        }
    }

    /// Hands out the values. `room` is scratch space for those that are derived.
    pub fn fetch(self, record: &dyn Record, room: &mut Vec<u8>, each: &mut dyn FnMut(&[u8])) {
        match self {
            Source::One(buffer) => record.buffers(buffer, each),
            Source::Either(a, b) => {
                record.buffers(a, each);
                record.buffers(b, each);
            }
            Source::HeaderNames(direction) => {
                record.buffers(header_of(direction), &mut |header| {
                    room.clear();
                    header_names(header, room);
                    each(room);
                });
            }
            Source::Start(direction) => {
                room.clear();
                let line = match direction {
                    Direction::ToResponder => Buffer::HttpRequestLine,
                    Direction::ToInitiator => Buffer::HttpResponseLine,
                };
                record.buffers(line, &mut |line| {
                    room.clear();
                    room.extend_from_slice(line.trim_ascii_end());
                    room.extend_from_slice(b"\r\n");
                });
                if !room.is_empty() {
                    record.buffers(header_of(direction), &mut |header| {
                        room.extend_from_slice(header);
                    });
                    room.extend_from_slice(b"\r\n");
                    each(room);
                }
            }
            Source::RequestField(name) => {
                record.buffers(Buffer::HttpRequestHeader, &mut |header| {
                    fields(header)
                        .filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
                        .for_each(|(_, value)| each(value));
                });
            }
        }
    }
}

fn header_of(direction: Direction) -> Buffer {
    match direction {
        Direction::ToResponder => Buffer::HttpRequestHeader,
        Direction::ToInitiator => Buffer::HttpResponseHeader,
    }
}

/// Header lines as (name, value); RFC 9112 section 5.
fn fields(header: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    header.split(|&b| b == b'\n').filter_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        Some((line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()))
    })
}

fn header_names(header: &[u8], out: &mut Vec<u8>) {
    for (name, _) in fields(header) {
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(name);
    }
    out.extend_from_slice(b"\r\n\r\n");
}

fn protocol_of(buffer: Buffer) -> Protocol {
    use Buffer::*;
    match buffer {
        DnsQuery | DnsQueryName | DnsAnswerName | DnsResponseName => Protocol::Dns,
        TlsSni | TlsVersion | TlsSubject | TlsIssuer | TlsSerial | TlsFingerprint | TlsAlpn | Ja3Hash
        | Ja3String | Ja3sHash | Ja3sString | Ja4Hash => Protocol::Tls,
        SshClientProto | SshClientSoftware | SshServerProto | SshServerSoftware | SshHassh
        | SshHasshString | SshHasshServer | SshHasshServerString => Protocol::Ssh,
        MqttClientId | MqttUsername | MqttPassword | MqttWillTopic | MqttWillMessage | MqttPublishTopic
        | MqttPublishMessage | MqttSubscribeTopic | MqttUnsubscribeTopic | MqttProtocolName => Protocol::Mqtt,
        SnmpCommunity | SnmpUsm | SnmpOid => Protocol::Snmp,
        DhcpHostname => Protocol::Dhcp,
        TelnetUser => Protocol::Telnet,
        _ => Protocol::Http,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_names_come_in_order() {
        let mut out = Vec::new();
        header_names(b"Host: a\r\nUser-Agent: b:c\r\n\r\n", &mut out);
        assert_eq!(out, b"\r\nHost\r\nUser-Agent\r\n\r\n");
        let value = fields(b"a: 1\r\nAccept-Encoding:  gzip \r\n").nth(1);
        assert_eq!(value, Some((&b"Accept-Encoding"[..], &b"gzip"[..])));
    }
}

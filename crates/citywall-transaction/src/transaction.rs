//! What a conversation said, as values.

use citywall_event::NameAnswer;
use citywall_event::json::Object;
use citywall_flow::Direction;

use crate::{arp, dhcp, dns, http, modbus, mqtt, ntp, snmp, ssh, telnet, tls};

/// The protocols that are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// Address resolution (RFC 826).
    Arp,
    /// Names: DNS over UDP and TCP, mDNS, LLMNR.
    Dns,
    /// HTTP/1.
    Http,
    /// TLS 1.0 to 1.3.
    Tls,
    /// Secure shell.
    Ssh,
    /// Telnet.
    Telnet,
    /// DHCP for IPv4.
    Dhcp,
    /// Network time.
    Ntp,
    /// MQTT 3.1.1 and 5.
    Mqtt,
    /// Modbus/TCP.
    Modbus,
    /// SNMP v1, v2c, v3.
    Snmp,
}

impl Protocol {
    /// The name in `app_proto`, rules and the city file.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Arp => "arp",
            Protocol::Dns => "dns",
            Protocol::Http => "http",
            Protocol::Tls => "tls",
            Protocol::Ssh => "ssh",
            Protocol::Telnet => "telnet",
            Protocol::Dhcp => "dhcp",
            Protocol::Ntp => "ntp",
            Protocol::Mqtt => "mqtt",
            Protocol::Modbus => "modbus",
            Protocol::Snmp => "snmp",
        }
    }
}

/// What every protocol's record can do.
pub trait Record {
    /// The EVE `event_type`.
    fn event_type(&self) -> &'static str;
    /// Writes the members that follow the header: usually one object named like the event type.
    fn write(&self, o: &mut Object<'_>);
    /// Hands out each value of a named buffer (none where the record has no such buffer).
    fn buffers(&self, _which: Buffer, _each: &mut dyn FnMut(&[u8])) {}
    /// A named number.
    fn number(&self, _which: Number) -> Option<u64> {
        None
    }
    /// Which way the rule language would say that this record goes; `None` = it holds both.
    fn direction(&self) -> Option<Direction> {
        None
    }
    /// The addresses that a name server told, where this is such an answer.
    fn answer(&self) -> Option<NameAnswer> {
        None
    }
}

/// A finished (or ended) exchange. One variant per protocol record.
#[derive(Debug)]
#[non_exhaustive]
pub enum Transaction {
    /// Arp.
    Arp(Box<arp::ArpMessage>),
    /// Dns.
    Dns(Box<dns::DnsMessage>),
    /// Http.
    Http(Box<http::HttpExchange>),
    /// Tls.
    Tls(Box<tls::TlsHandshake>),
    /// Ssh.
    Ssh(Box<ssh::SshHandshake>),
    /// Telnet.
    Telnet(Box<telnet::TelnetSession>),
    /// Dhcp.
    Dhcp(Box<dhcp::DhcpMessage>),
    /// Ntp.
    Ntp(Box<ntp::NtpMessage>),
    /// Mqtt.
    Mqtt(Box<mqtt::MqttMessage>),
    /// Modbus.
    Modbus(Box<modbus::ModbusExchange>),
    /// Snmp.
    Snmp(Box<snmp::SnmpMessage>),
    /// A file that was carried, with its hashes.
    File(Box<http::FileInfo>),
}

impl Transaction {
    /// The record inside.
    pub fn record(&self) -> &dyn Record {
        match self {
            Transaction::Arp(r) => &**r,
            Transaction::Dns(r) => &**r,
            Transaction::Http(r) => &**r,
            Transaction::Tls(r) => &**r,
            Transaction::Ssh(r) => &**r,
            Transaction::Telnet(r) => &**r,
            Transaction::Dhcp(r) => &**r,
            Transaction::Ntp(r) => &**r,
            Transaction::Mqtt(r) => &**r,
            Transaction::Modbus(r) => &**r,
            Transaction::Snmp(r) => &**r,
            Transaction::File(r) => &**r,
        }
    }
}

/// Named byte strings that rules match on (Suricata's "sticky buffers").
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Buffer {
    HttpMethod,
    HttpUri,
    HttpUriRaw,
    HttpHost,
    HttpHostRaw,
    HttpUserAgent,
    HttpReferer,
    HttpCookie,
    HttpAccept,
    HttpContentType,
    HttpContentLength,
    HttpConnection,
    HttpServer,
    HttpLocation,
    HttpProtocol,
    HttpStatCode,
    HttpStatMsg,
    HttpRequestLine,
    HttpResponseLine,
    HttpRequestHeader,
    HttpResponseHeader,
    HttpRequestBody,
    HttpResponseBody,
    FileData,
    DnsQuery,
    DnsQueryName,
    DnsAnswerName,
    DnsResponseName,
    TlsSni,
    TlsVersion,
    TlsSubject,
    TlsIssuer,
    TlsSerial,
    TlsFingerprint,
    TlsAlpn,
    Ja3Hash,
    Ja3String,
    Ja3sHash,
    Ja3sString,
    Ja4Hash,
    SshClientProto,
    SshClientSoftware,
    SshServerProto,
    SshServerSoftware,
    SshHassh,
    SshHasshString,
    SshHasshServer,
    SshHasshServerString,
    MqttClientId,
    MqttUsername,
    MqttPassword,
    MqttWillTopic,
    MqttWillMessage,
    MqttPublishTopic,
    MqttPublishMessage,
    MqttSubscribeTopic,
    MqttUnsubscribeTopic,
    MqttProtocolName,
    SnmpCommunity,
    SnmpUsm,
    SnmpOid,
    DhcpHostname,
    TelnetUser,
}

/// Named numbers that rules match on.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Number {
    DnsOpcode,
    DnsRcode,
    DnsRrtype,
    HttpStatCode,
    TlsCertValidDays,
    MqttType,
    MqttFlags,
    MqttQos,
    MqttProtocolVersion,
    MqttReasonCode,
    ModbusFunction,
    ModbusSubfunction,
    ModbusUnit,
    ModbusAddress,
    ModbusValue,
    ModbusIsWrite,
    ModbusIsRead,
    SnmpVersion,
    SnmpPduType,
    DhcpMessageType,
    DhcpLeaseTime,
    NtpVersion,
    NtpMode,
}

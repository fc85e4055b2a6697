//! The part before the parentheses: action, protocol, addresses, ports.

use std::sync::Arc;

use citywall_transaction::Protocol;

use super::Compiler;
use crate::RuleError;
use crate::detect::{AppTest, CarrierTest, Family, Header};
use crate::rule::{Action, RejectWho};
use crate::set::{AddressSet, PortSet};
use crate::syntax::{Syntax, Word};

/// A compiled header.
pub(crate) struct HeaderDraft {
    pub action: Action,
    pub header: Header,
    pub app: Option<AppTest>,
    pub packets_only: bool,
    pub stream_only: bool,
}

/// Compiles it.
pub(super) fn compile(c: &mut Compiler<'_>, syntax: &Syntax<'_>) -> Result<HeaderDraft, RuleError> {
    let action = action(syntax.action)?;
    let protocol = protocol(syntax.protocol)?;
    let both_ways = match syntax.arrow.text {
        "->" | "=>" => false,
        "<>" => true,
        _ => return Err(refuse(syntax.arrow, "is not a direction", "use -> or <>")),
    };
    let header = Header {
        carrier: protocol.carrier,
        family: protocol.family,
        src: addresses(c, syntax.src)?,
        dst: addresses(c, syntax.dst)?,
        src_port: ports(c, syntax.src_port)?,
        dst_port: ports(c, syntax.dst_port)?,
        both_ways,
    };
    Ok(HeaderDraft {
        action,
        header,
        app: protocol.app.map(AppTest::Is),
        packets_only: protocol.packets_only,
        stream_only: protocol.stream_only,
    })
}

fn refuse(word: Word<'_>, reason: &str, fix: &'static str) -> RuleError {
    let text = super::draft::shorten(word.text);
    RuleError::new(word.at, "header", format!("`{text}` {reason}"), fix)
}

fn action(word: Word<'_>) -> Result<Action, RuleError> {
    Ok(match word.text {
        "alert" => Action::Alert,
        "pass" => Action::Pass,
        "drop" => Action::Drop,
        "reject" | "rejectsrc" => Action::Reject(RejectWho::Source),
        "rejectdst" => Action::Reject(RejectWho::Destination),
        "rejectboth" => Action::Reject(RejectWho::Both),
        "config" => {
            return Err(refuse(
                word,
                "is not supported as an action",
                "use the configuration file",
            ));
        }
        _ => {
            return Err(refuse(
                word,
                "is not an action",
                "use alert, pass, drop, reject, rejectsrc, rejectdst or rejectboth",
            ));
        }
    })
}

struct ProtocolDraft {
    carrier: CarrierTest,
    family: Family,
    app: Option<Protocol>,
    packets_only: bool,
    stream_only: bool,
}

fn protocol(word: Word<'_>) -> Result<ProtocolDraft, RuleError> {
    let mut draft = ProtocolDraft {
        carrier: CarrierTest::Any,
        family: Family::Any,
        app: None,
        packets_only: false,
        stream_only: false,
    };
    let (carrier, app) = match word.text {
        "ip" => (CarrierTest::Ip, None),
        "pkthdr" => (CarrierTest::Any, None),
        "ipv4" | "ip4" => {
            draft.family = Family::V4;
            (CarrierTest::Ip, None)
        }
        "ipv6" | "ip6" => {
            draft.family = Family::V6;
            (CarrierTest::Ip, None)
        }
        "tcp" => (CarrierTest::Number(6), None),
        "tcp-pkt" => {
            draft.packets_only = true;
            (CarrierTest::Number(6), None)
        }
        "tcp-stream" => {
            draft.stream_only = true;
            (CarrierTest::Number(6), None)
        }
        "udp" => (CarrierTest::Number(17), None),
        "icmp" => (CarrierTest::Icmp, None),
        "icmpv4" => (CarrierTest::Number(1), None),
        "icmpv6" | "icmp6" => (CarrierTest::Number(58), None),
        "sctp" => (CarrierTest::Number(132), None),
        "http" | "http1" => (CarrierTest::Number(6), Some(Protocol::Http)),
        "tls" | "ssl" => (CarrierTest::Number(6), Some(Protocol::Tls)),
        "ssh" => (CarrierTest::Number(6), Some(Protocol::Ssh)),
        "telnet" => (CarrierTest::Number(6), Some(Protocol::Telnet)),
        "mqtt" => (CarrierTest::Number(6), Some(Protocol::Mqtt)),
        "modbus" => (CarrierTest::Number(6), Some(Protocol::Modbus)),
        "dns" => (CarrierTest::TcpOrUdp, Some(Protocol::Dns)),
        "snmp" => (CarrierTest::TcpOrUdp, Some(Protocol::Snmp)),
        "dhcp" => (CarrierTest::Number(17), Some(Protocol::Dhcp)),
        "ntp" => (CarrierTest::Number(17), Some(Protocol::Ntp)),
        "arp" => (CarrierTest::Any, Some(Protocol::Arp)),
        name if name.contains(':') => {
            return Err(refuse(
                word,
                "names a hook, which is not supported",
                "leave out the hook",
            ));
        }
        _ => {
            return Err(refuse(
                word,
                "is not a protocol that rules can name here",
                "remove the rule, or use tcp or udp with content",
            ));
        }
    };
    draft.carrier = carrier;
    draft.app = app;
    Ok(draft)
}

/// The application protocol of this name.
pub(super) fn app_protocol(name: &str) -> Option<Protocol> {
    let word = Word { at: 0, text: name };
    protocol(word).ok()?.app
}

fn addresses(c: &mut Compiler<'_>, word: Word<'_>) -> Result<Arc<AddressSet>, RuleError> {
    if let Some(set) = c.addresses.get(word.text) {
        return Ok(set.clone());
    }
    let set = AddressSet::parse(word.text, c.vars).map_err(|reason| {
        RuleError::new(
            word.at,
            "header",
            reason,
            "correct the address or define the variable",
        )
    })?;
    let set = Arc::new(set);
    c.addresses.insert(word.text.to_owned(), set.clone());
    Ok(set)
}

fn ports(c: &mut Compiler<'_>, word: Word<'_>) -> Result<Arc<PortSet>, RuleError> {
    if let Some(set) = c.ports.get(word.text) {
        return Ok(set.clone());
    }
    let set = PortSet::parse(word.text, c.vars).map_err(|reason| {
        RuleError::new(
            word.at,
            "header",
            reason,
            "correct the port or define the variable",
        )
    })?;
    let set = Arc::new(set);
    c.ports.insert(word.text.to_owned(), set.clone());
    Ok(set)
}

//! Keywords of application protocols that are numbers or choices, not bytes.

use citywall_transaction::{Buffer, Number};

use super::content::{part_of, push_content};
use super::draft::{DraftTest, shorten};
use super::{Compiler, Draft, header};
use crate::RuleError;
use crate::buffers::Source;
use crate::detect::{AppTest, NumberTest, Test};
use crate::inspect::tls_version;
use crate::syntax::RuleOption;
use crate::uint::UintTest;

/// Reads one option; false where it is none of these.
pub(super) fn option(
    c: &mut Compiler<'_>,
    draft: &mut Draft,
    option: &RuleOption<'_>,
) -> Result<bool, RuleError> {
    match option.name {
        "app-layer-protocol" => app_layer_protocol(draft, option)?,
        "tls.version" | "ssl_version" => versions(c, draft, option)?,
        "tls.subject" => text_of(c, draft, option, Buffer::TlsSubject, false)?,
        "tls.issuerdn" => text_of(c, draft, option, Buffer::TlsIssuer, false)?,
        "tls.fingerprint" => text_of(c, draft, option, Buffer::TlsFingerprint, true)?,
        "ssh.protoversion" => text_of(c, draft, option, Buffer::SshClientProto, true)?,
        "modbus" => modbus(draft, option)?,
        name => {
            let Some((number, names)) = numbered(name) else {
                return Ok(false);
            };
            let test = UintTest::parse(option.text()?, names).ok_or_else(|| {
                option.refuse(
                    format!(
                        "`{}` is not a number or name",
                        shorten(option.text().unwrap_or(""))
                    ),
                    "write 5, >5, !5 or 2-8",
                )
            })?;
            push(draft, number, vec![test], false);
        }
    }
    Ok(true)
}

fn push(draft: &mut Draft, number: Number, any: Vec<UintTest>, negated: bool) {
    draft.numbers.push(NumberTest {
        number,
        any: any.into_boxed_slice(),
        negated,
    });
}

type Names = &'static dyn Fn(&str) -> Option<u64>;

/// Keywords that compare one number.
fn numbered(name: &str) -> Option<(Number, Names)> {
    let found: (Number, Names) = match name {
        "dns.opcode" => (Number::DnsOpcode, &|_| None),
        "dns.rcode" => (Number::DnsRcode, &dns_rcode),
        "dns.rrtype" => (Number::DnsRrtype, &dns_rrtype),
        "mqtt.type" => (Number::MqttType, &mqtt_type),
        "mqtt.qos" => (Number::MqttQos, &|_| None),
        "mqtt.protocol_version" => (Number::MqttProtocolVersion, &|_| None),
        "mqtt.reason_code" => (Number::MqttReasonCode, &|_| None),
        "snmp.version" => (Number::SnmpVersion, &|_| None),
        "snmp.pdu_type" => (Number::SnmpPduType, &snmp_pdu),
        "dhcp.leasetime" => (Number::DhcpLeaseTime, &|_| None),
        "ntp.version" => (Number::NtpVersion, &|_| None),
        "ntp.mode" => (Number::NtpMode, &|_| None),
        _ => return None,
    };
    Some(found)
}

/// Names of the IANA registry "DNS RCODEs".
fn dns_rcode(name: &str) -> Option<u64> {
    Some(match name.to_ascii_uppercase().as_str() {
        "NOERROR" => 0,
        "FORMERR" => 1,
        "SERVFAIL" => 2,
        "NXDOMAIN" => 3,
        "NOTIMP" => 4,
        "REFUSED" => 5,
        "YXDOMAIN" => 6,
        "YXRRSET" => 7,
        "NXRRSET" => 8,
        "NOTAUTH" => 9,
        "NOTZONE" => 10,
        _ => return None,
    })
}

/// Names of the IANA registry "Resource Record (RR) TYPEs".
fn dns_rrtype(name: &str) -> Option<u64> {
    Some(match name.to_ascii_uppercase().as_str() {
        "A" => 1,
        "NS" => 2,
        "CNAME" => 5,
        "SOA" => 6,
        "NULL" => 10,
        "PTR" => 12,
        "HINFO" => 13,
        "MX" => 15,
        "TXT" => 16,
        "AAAA" => 28,
        "SRV" => 33,
        "NAPTR" => 35,
        "DS" => 43,
        "RRSIG" => 46,
        "DNSKEY" => 48,
        "SVCB" => 64,
        "HTTPS" => 65,
        "IXFR" => 251,
        "AXFR" => 252,
        "ANY" => 255,
        _ => return None,
    })
}

/// MQTT 5 section 2.1.2.
fn mqtt_type(name: &str) -> Option<u64> {
    Some(match name.to_ascii_uppercase().as_str() {
        "CONNECT" => 1,
        "CONNACK" => 2,
        "PUBLISH" => 3,
        "PUBACK" => 4,
        "PUBREC" => 5,
        "PUBREL" => 6,
        "PUBCOMP" => 7,
        "SUBSCRIBE" => 8,
        "SUBACK" => 9,
        "UNSUBSCRIBE" => 10,
        "UNSUBACK" => 11,
        "PINGREQ" => 12,
        "PINGRESP" => 13,
        "DISCONNECT" => 14,
        "AUTH" => 15,
        _ => return None,
    })
}

/// RFC 3416 section 3: tags of the PDU choice.
fn snmp_pdu(name: &str) -> Option<u64> {
    Some(match name.to_ascii_lowercase().as_str() {
        "get_request" => 0,
        "get_next_request" => 1,
        "get_response" | "response" => 2,
        "set_request" => 3,
        "trap_v1" => 4,
        "get_bulk_request" => 5,
        "inform_request" => 6,
        "trap_v2" => 7,
        "report" => 8,
        _ => return None,
    })
}

fn app_layer_protocol(draft: &mut Draft, option: &RuleOption<'_>) -> Result<(), RuleError> {
    let text = option.text()?;
    let (negated, name) = match text.strip_prefix('!') {
        Some(rest) => (true, rest.trim()),
        None => (false, text),
    };
    let protocol = header::app_protocol(name).ok_or_else(|| {
        option.refuse(
            format!("`{}` is not a protocol that is found here", shorten(name)),
            "remove the rule or this option",
        )
    })?;
    draft.app = Some(if negated {
        AppTest::Not(protocol)
    } else {
        AppTest::Is(protocol)
    });
    Ok(())
}

/// `tls.version:1.2`, `ssl_version:sslv3,tls1.0`, `ssl_version:!tls1.2`
fn versions(c: &mut Compiler<'_>, draft: &mut Draft, option: &RuleOption<'_>) -> Result<(), RuleError> {
    const KNOWN: [&str; 6] = ["ssl2", "ssl3", "tls1.0", "tls1.1", "tls1.2", "tls1.3"];
    let mut any = Vec::new();
    let mut negated = 0;
    for item in option.text()?.split(',').map(str::trim) {
        let (not, name) = match item.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, item),
        };
        negated += usize::from(not);
        let version = tls_version(name.as_bytes());
        if !KNOWN.contains(&version.as_str()) {
            return Err(option.refuse(
                format!("`{}` is not a version of TLS", shorten(item)),
                "use sslv3, tls1.0, tls1.1, tls1.2 or tls1.3",
            ));
        }
        any.push(version.into_boxed_str());
    }
    if negated != 0 && negated != any.len() {
        return Err(option.refuse("mixes versions with and without !", "negate all or none"));
    }
    let part = part_of(c, draft, Source::One(Buffer::TlsVersion));
    let test = Test::TlsVersion {
        any: any.into_boxed_slice(),
        negated: negated != 0,
    };
    draft.add(part, DraftTest::Done(test), option)
}

/// Old keywords that carry the text to be found (or to be equal to).
fn text_of(
    c: &mut Compiler<'_>,
    draft: &mut Draft,
    option: &RuleOption<'_>,
    buffer: Buffer,
    whole: bool,
) -> Result<(), RuleError> {
    let value = option.value.unwrap_or_default();
    let (negated, rest) = match value.strip_prefix(b"!") {
        Some(rest) => (true, rest.trim_ascii()),
        None => (false, value),
    };
    let text = rest
        .strip_prefix(b"\"")
        .and_then(|r| r.strip_suffix(b"\""))
        .unwrap_or(rest);
    if text.is_empty() {
        return Err(option.refuse("needs a text", "write the text after the colon"));
    }
    let part = part_of(c, draft, Source::One(buffer));
    push_content(draft, part, text.to_vec(), negated, option)?;
    let content = draft.last_content(option)?;
    content.starts = whole;
    content.ends = whole;
    Ok(())
}

/// `function 8, subfunction 1` | `function !assigned` | `access write holding, address 100<>200,
/// value >5` | `unit 3, function 6`; MODBUS Application Protocol V1.1b3.
fn modbus(draft: &mut Draft, option: &RuleOption<'_>) -> Result<(), RuleError> {
    for item in option.text()?.split(',').map(str::trim) {
        let (word, value) = item.split_once(char::is_whitespace).unwrap_or((item, ""));
        let value = value.trim();
        let number = match word {
            "unit" => Number::ModbusUnit,
            "subfunction" => Number::ModbusSubfunction,
            "address" => Number::ModbusAddress,
            "value" => Number::ModbusValue,
            "function" => {
                modbus_function(draft, option, value)?;
                continue;
            }
            "access" => {
                modbus_access(draft, option, value)?;
                continue;
            }
            _ => {
                return Err(option.refuse(
                    format!("`{}` is not one of its words", shorten(word)),
                    "use unit, function, subfunction, access, address and value",
                ));
            }
        };
        let test = UintTest::plain(value)
            .ok_or_else(|| option.refuse(format!("{word} is not a number"), "write 5, >5 or 2<>8"))?;
        push(draft, number, vec![test], false);
    }
    Ok(())
}

fn modbus_function(draft: &mut Draft, option: &RuleOption<'_>, value: &str) -> Result<(), RuleError> {
    use UintTest::{Between, Is};
    if let Some(test) = UintTest::plain(value) {
        push(draft, Number::ModbusFunction, vec![test], false);
        return Ok(());
    }
    let (negated, name) = match value.strip_prefix('!') {
        Some(rest) => (true, rest.trim()),
        None => (false, value),
    };
    // Section 4.1 and Annex A of the specification.
    let assigned = || {
        let mut set = vec![
            Between(0, 9),
            Between(10, 13),
            Between(14, 18),
            Between(19, 25),
            Is(43),
        ];
        set.shrink_to_fit();
        set
    };
    let (any, negated) = match name {
        "assigned" => (assigned(), negated),
        "unassigned" => (assigned(), !negated),
        "user" => (vec![Between(64, 73), Between(99, 111)], negated),
        "public" => (vec![Between(64, 73), Between(99, 111)], !negated),
        "reserved" => (
            [9, 10, 13, 14, 41, 42, 90, 91, 125, 126, 127].map(Is).to_vec(),
            negated,
        ),
        "all" => (vec![UintTest::AtLeast(0)], negated),
        _ => {
            return Err(option.refuse(
                format!("`{}` is not a function", shorten(name)),
                "write its number, or assigned, unassigned, public, user, reserved or all",
            ));
        }
    };
    push(draft, Number::ModbusFunction, any, negated);
    Ok(())
}

fn modbus_access(draft: &mut Draft, option: &RuleOption<'_>, value: &str) -> Result<(), RuleError> {
    let mut words = value.split_whitespace();
    let access = words.next();
    let number = match access {
        Some("read") => Number::ModbusIsRead,
        Some("write") => Number::ModbusIsWrite,
        _ => {
            return Err(option.refuse(
                "access is neither read nor write",
                "write access read or access write",
            ));
        }
    };
    push(draft, number, vec![UintTest::Is(1)], false);
    let Some(kind) = words.next() else {
        return Ok(());
    };
    let functions: &[u64] = match (access, kind) {
        (Some("read"), "coils") => &[1],
        (Some("read"), "discretes") => &[2],
        (Some("read"), "holding") => &[3, 23],
        (Some("read"), "input") => &[4],
        (_, "coils") => &[5, 15],
        (_, "holding") => &[6, 16, 22, 23],
        _ => {
            return Err(option.refuse(
                format!("`{}` cannot be accessed so", shorten(kind)),
                "use coils, discretes, input or holding",
            ));
        }
    };
    let any = functions.iter().copied().map(UintTest::Is).collect();
    push(draft, Number::ModbusFunction, any, false);
    Ok(())
}

//! The `snmp` event: field names of Suricata's EVE; `vars` holds every binding with its value,
//! and the community is replaced by what may be told of it.

use std::net::{IpAddr, Ipv4Addr};

use citywall_event::json::Object;

use super::message::{Pdu, PduKind, Security, SnmpMessage, Trap};
use super::value;

/// Bindings that are written; how many more there were is said in `vars_omitted`.
const WRITTEN: usize = 1_024;

/// SNMPv2-MIB: snmpTrapOID.0, the binding that names a v2 trap.
const TRAP_OID: &[u8] = &[0x2b, 6, 1, 6, 3, 1, 1, 4, 1, 0];

/// Writes the `snmp` object.
pub(super) fn write(message: &SnmpMessage, o: &mut Object<'_>) {
    o.object("snmp", |o| {
        o.u64("version", message.parts.version.into());
        if let Some(community) = message.community() {
            o.bool("community_default", matches!(community, b"public" | b"private"));
            o.u64("community_length", community.len() as u64);
        }
        if let Some(security) = &message.parts.security {
            write_security(message, security, o);
        }
        match &message.parts.pdu {
            Some(pdu) => write_pdu(message, pdu, o),
            None if message.parts.security.as_ref().is_some_and(|s| s.flags & 2 != 0) => {
                o.bool("encrypted", true);
            }
            None => {}
        }
    });
}

fn write_security(message: &SnmpMessage, security: &Security, o: &mut Object<'_>) {
    o.i64("msg_id", security.message_id);
    if security.model == 3 {
        o.bytes("usm", message.at(&security.user));
        o.i64("engine_boots", security.boots);
        o.i64("engine_time", security.time);
    } else {
        o.i64("security_model", security.model);
    }
    o.hex("engine_id", message.at(&security.engine_id));
    let level = match security.flags & 3 {
        0 => "noAuthNoPriv",
        1 => "authNoPriv",
        _ => "authPriv",
    };
    o.str("security_level", level);
    let context = message.at(&security.context_name);
    if !context.is_empty() {
        o.bytes("context_name", context);
    }
}

fn write_pdu(message: &SnmpMessage, pdu: &Pdu, o: &mut Object<'_>) {
    o.str("pdu_type", pdu.kind.name());
    if let Some(trap) = &pdu.trap {
        write_trap(message, trap, o);
    } else {
        o.i64("request_id", pdu.request_id);
        let [first, second] = pdu.numbers;
        if pdu.kind == PduKind::GetBulk {
            o.u64("non_repeaters", first.into());
            o.u64("max_repetitions", second.into());
        } else if first != 0 {
            match error_status(first) {
                Some(name) => o.str("error", name),
                None => o.u64("error", first.into()),
            }
            o.u64("error_index", second.into());
        }
    }
    let mut scratch = Vec::with_capacity(64);
    if matches!(pdu.kind, PduKind::TrapV2 | PduKind::Inform)
        && let Some(binding) = message.bindings().find(|b| b.oid == TRAP_OID)
    {
        value::dotted(binding.contents, &mut scratch);
        o.bytes("trap_oid", &scratch);
    }
    o.array("vars", |a| {
        for binding in message.bindings().take(WRITTEN) {
            a.object(|o| binding.write(o, &mut scratch));
        }
    });
    let omitted = (pdu.count as usize).saturating_sub(WRITTEN);
    if omitted > 0 {
        o.u64("vars_omitted", omitted as u64);
    }
}

fn write_trap(message: &SnmpMessage, trap: &Trap, o: &mut Object<'_>) {
    match generic_trap(trap.generic) {
        Some(name) => o.str("trap_type", name),
        None => o.i64("trap_type", trap.generic),
    }
    o.str("trap_oid", &value::dotted_string(message.at(&trap.enterprise)));
    match <[u8; 4]>::try_from(message.at(&trap.agent)) {
        Ok(ip) => o.ip("trap_address", IpAddr::V4(Ipv4Addr::from(ip))),
        Err(_) => o.hex("trap_address", message.at(&trap.agent)),
    }
    o.i64("specific_trap", trap.specific);
    o.u64("uptime", trap.uptime);
}

/// Names of RFC 1157 section 4.1.6.
fn generic_trap(code: i64) -> Option<&'static str> {
    Some(match code {
        0 => "coldStart",
        1 => "warmStart",
        2 => "linkDown",
        3 => "linkUp",
        4 => "authenticationFailure",
        5 => "egpNeighborLoss",
        6 => "enterpriseSpecific",
        _ => return None,
    })
}

/// Names of RFC 3416 section 3.
fn error_status(code: u32) -> Option<&'static str> {
    Some(match code {
        1 => "tooBig",
        2 => "noSuchName",
        3 => "badValue",
        4 => "readOnly",
        5 => "genErr",
        6 => "noAccess",
        7 => "wrongType",
        8 => "wrongLength",
        9 => "wrongEncoding",
        10 => "wrongValue",
        11 => "noCreation",
        12 => "inconsistentValue",
        13 => "resourceUnavailable",
        14 => "commitFailed",
        15 => "undoFailed",
        16 => "authorizationError",
        17 => "notWritable",
        18 => "inconsistentName",
        _ => return None,
    })
}

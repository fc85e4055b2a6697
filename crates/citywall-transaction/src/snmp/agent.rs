//! What an agent's answers tell of the device: name, description, role.

use citywall_event::{Side, Sighting, SightingTrait, Value};

use super::value::Binding;
use crate::told::{Told, brief};

/// SNMPv2-MIB sysDescr.0 and sysName.0, 1.3.6.1.2.1.1.{1,5}.0 (RFC 3418).
const SYS_DESCR: &[u8] = &[0x2b, 6, 1, 2, 1, 1, 1, 0];
const SYS_NAME: &[u8] = &[0x2b, 6, 1, 2, 1, 1, 5, 0];

/// NTCIP devices, 1.3.6.1.4.1.1206.4.2.N (NTCIP 8004): contents of the identifier up to N.
const NTCIP_DEVICES: &[u8] = &[0x2b, 6, 1, 4, 1, 0x89, 0x36, 4, 2];

/// Their roles by N: NTCIP 1202, 1203, 1204.
const NTCIP_ROLES: [(u8, &str); 3] = [
    (1, "traffic-signal-controller"),
    (3, "dynamic-message-sign"),
    (5, "environmental-sensor-station"),
];

/// Gives what a binding of a response says of its sender to `each`, unless it was told before.
pub(super) fn sighting(binding: &Binding<'_>, told: &mut Told, mut each: impl FnMut(Sighting)) {
    let mut tell = |trait_, value: &str, evidence| {
        if !value.is_empty() && told.first(trait_, value) {
            each(Sighting {
                side: Side::Source,
                trait_,
                value: value.to_owned(),
                evidence,
            });
        }
    };
    if let Some(device) = binding.oid.strip_prefix(NTCIP_DEVICES).and_then(<[u8]>::first)
        && let Some((_, role)) = NTCIP_ROLES.iter().find(|(number, _)| number == device)
    {
        tell(SightingTrait::Role, role, "snmp.oid");
    }
    let named = match binding.oid {
        SYS_DESCR => Some((SightingTrait::Product, "snmp.sys_descr")),
        SYS_NAME => Some((SightingTrait::Hostname, "snmp.sys_name")),
        _ => None,
    };
    if let Some((trait_, evidence)) = named
        && let Some(Value::Text(text)) = binding.value()
    {
        tell(trait_, brief(&text), evidence);
    }
}

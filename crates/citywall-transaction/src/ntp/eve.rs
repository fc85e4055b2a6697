//! The `ntp` event: `version`, `mode`, `stratum` and `reference_id` as Suricata 8 names them, the
//! rest after the field names of RFC 5905 and RFC 9327.

use citywall_event::json::{self, Object};

use super::message::{Body, Control, NtpMessage, Private, Time, nanos};

/// Writes the `ntp` object.
pub(super) fn write(message: &NtpMessage, o: &mut Object<'_>) {
    o.object("ntp", |o| {
        o.u64("version", message.version.into());
        o.u64("mode", message.mode.into());
        match &message.body {
            Body::Time(time) => {
                o.u64("leap", message.leap.into());
                write_time(time, o);
            }
            Body::Control(control) => o.object("control", |o| write_control(control, o)),
            Body::Private(private) => o.object("private", |o| write_private(private, o)),
        }
    });
}

/// Seconds of a number with 16 bits of fraction.
fn seconds(fixed: u32) -> f64 {
    f64::from(fixed) / 65_536.0
}

fn write_time(time: &Time, o: &mut Object<'_>) {
    o.u64("stratum", time.stratum.into());
    o.i64("poll", time.poll.into());
    o.i64("precision", time.precision.into());
    o.f64("root_delay", seconds(time.root_delay));
    o.f64("root_dispersion", seconds(time.root_dispersion));
    let mut colons = Vec::with_capacity(11);
    for (i, byte) in time.reference_id.iter().enumerate() {
        if i > 0 {
            colons.push(b':');
        }
        json::hex(&mut colons, &[*byte]);
    }
    o.bytes("reference_id", &colons);
    let text = time.reference_id.trim_ascii_end();
    let text = text.strip_suffix(b"\0").unwrap_or(text);
    if time.stratum <= 1 && !text.is_empty() && text.iter().all(u8::is_ascii_graphic) {
        // A clock's name, or why the server refuses ("kiss code").
        o.bytes(
            if time.stratum == 1 {
                "reference_clock"
            } else {
                "kiss_code"
            },
            text,
        );
    }
    let keys = [
        "reference_timestamp",
        "origin_timestamp",
        "receive_timestamp",
        "transmit_timestamp",
    ];
    for (key, at) in keys.into_iter().zip(time.times) {
        if let Some(at) = nanos(at) {
            o.time(key, at);
        }
    }
    if time.extra > 0 {
        o.u64("extension_bytes", time.extra.into());
    }
}

/// Operations of RFC 9327 section 2.
fn control_operation(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "read_status",
        2 => "read_variables",
        3 => "write_variables",
        4 => "read_clock_variables",
        5 => "write_clock_variables",
        6 => "set_trap",
        7 => "trap_response",
        8 => "configure",
        9 => "save_configuration",
        10 => "read_mru",
        11 => "read_ordered_list",
        12 => "request_nonce",
        31 => "unset_trap",
        _ => return None,
    })
}

fn write_control(control: &Control, o: &mut Object<'_>) {
    o.bool("response", control.response);
    if control.error {
        o.bool("error", true);
    }
    if control.more {
        o.bool("more", true);
    }
    o.u64("opcode", control.operation.into());
    if let Some(name) = control_operation(control.operation) {
        o.str("operation", name);
    }
    o.u64("sequence", control.sequence.into());
    o.u64("status", control.status.into());
    o.u64("association_id", control.association.into());
    o.u64("offset", control.offset.into());
    o.u64("count", control.count.into());
}

fn write_private(private: &Private, o: &mut Object<'_>) {
    o.bool("response", private.response);
    if private.more {
        o.bool("more", true);
    }
    if private.authenticated {
        o.bool("authenticated", true);
    }
    o.u64("sequence", private.sequence.into());
    o.u64("implementation", private.implementation.into());
    o.u64("request_code", private.request.into());
    if matches!(private.request, 20 | 42) {
        // The list of recent clients: much longer than its request, hence loved by floods.
        o.bool("monlist", true);
    }
    o.u64("error", private.error.into());
    o.u64("items", private.items.into());
    o.u64("item_size", private.item_size.into());
}

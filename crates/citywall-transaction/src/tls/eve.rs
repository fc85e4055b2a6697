//! The fields of the `tls` event. `ja4_2`, `chain_length` and `weak` are Citywall's own.

use citywall_event::json::{self, Object};

use super::TlsHandshake;
use super::certificate::Certificate;
use super::fingerprint::Hashed;
use super::handshake::version_name;

/// Writes the `tls` object with Suricata EVE's field names.
pub(super) fn write(handshake: &TlsHandshake, o: &mut Object<'_>) {
    o.object("tls", |o| {
        if let Some(certificate) = &handshake.certificate {
            write_certificate(certificate, handshake.chain, o);
        }
        if handshake.resumed {
            o.bool("session_resumed", true);
        }
        if let Some(name) = handshake.server_name() {
            o.bytes("sni", name);
        }
        if let Some(version) = handshake.version() {
            o.str("version", version_name(version));
        }
        if let Some(from) = handshake.from {
            o.str("from_proto", from);
        }
        write_hashed("ja3", handshake.ja3(), o);
        write_hashed("ja3s", handshake.ja3s(), o);
        if let Some(ja4) = handshake.ja4() {
            o.bytes("ja4", ja4);
        }
        if let Some(ja4) = handshake.second_ja4() {
            o.bytes("ja4_2", ja4);
        }
        let client = handshake
            .client
            .as_ref()
            .map(|client| client.protocols.as_slice());
        write_list("client_alpns", client.unwrap_or_default(), o);
        let server = handshake
            .server
            .as_ref()
            .map(|server| server.protocols.as_slice());
        write_list("server_alpns", server.unwrap_or_default(), o);
        if !handshake.weak.is_empty() {
            o.array("weak", |a| handshake.weak.iter().for_each(|name| a.str(name)));
        }
    });
}

fn write_certificate(certificate: &Certificate, chain: u32, o: &mut Object<'_>) {
    if !certificate.subject.is_empty() {
        o.bytes("subject", &certificate.subject);
    }
    if !certificate.issuer.is_empty() {
        o.bytes("issuerdn", &certificate.issuer);
    }
    write_list("subjectaltname", &certificate.names, o);
    if !certificate.serial.is_empty() {
        o.bytes("serial", &certificate.serial);
    }
    o.bytes("fingerprint", &certificate.fingerprint);
    if let Some(at) = certificate.not_before {
        write_time("notbefore", at, o);
    }
    if let Some(at) = certificate.not_after {
        write_time("notafter", at, o);
    }
    o.u64("chain_length", u64::from(chain));
}

fn write_list(key: &str, values: &[Vec<u8>], o: &mut Object<'_>) {
    if !values.is_empty() {
        o.array(key, |a| values.iter().for_each(|value| a.bytes(value)));
    }
}

fn write_hashed(key: &str, value: Option<&Hashed>, o: &mut Object<'_>) {
    if let Some(value) = value {
        o.object(key, |o| {
            o.bytes("hash", &value.hash);
            o.bytes("string", &value.text);
        });
    }
}

/// `2026-11-22T12:00:00`. Certificates run to the year 9999, so nanoseconds would not do.
fn write_time(key: &str, seconds: i64, o: &mut Object<'_>) {
    let (year, month, day) = json::civil(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400);
    let mut text = Vec::with_capacity(19);
    digits(&mut text, year, 4);
    for (mark, value) in [
        (b'-', i64::from(month)),
        (b'-', i64::from(day)),
        (b'T', of_day / 3_600),
        (b':', of_day / 60 % 60),
        (b':', of_day % 60),
    ] {
        text.push(mark);
        digits(&mut text, value, 2);
    }
    o.bytes(key, &text);
}

fn digits(text: &mut Vec<u8>, value: i64, width: u32) {
    for place in (0..width).rev() {
        text.push(b'0' + (value.unsigned_abs() / 10u64.pow(place) % 10) as u8);
    }
}

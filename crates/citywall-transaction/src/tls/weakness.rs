//! What is weak about a handshake, judged by today's recommendations (RFC 9325).

use citywall_event::Nanos;

use super::handshake::TlsHandshake;

/// RSA keys below this are weak.
const RSA_BITS: u32 = 2_048;

/// The names of all weaknesses, in a fixed order.
pub(super) fn weaknesses(handshake: &TlsHandshake, at: Nanos) -> Vec<&'static str> {
    let mut weak = Vec::new();
    if handshake.version().is_some_and(|version| version < 0x0303) {
        weak.push("old_version");
    }
    if let Some(server) = &handshake.server
        && let Some(name) = cipher(server.cipher)
    {
        weak.push(name);
    }
    let Some(certificate) = &handshake.certificate else {
        return weak;
    };
    let asked = handshake
        .client
        .as_ref()
        .and_then(|client| client.server_name.as_deref());
    let checks = [
        (certificate.expired(at), "expired"),
        (certificate.not_yet_valid(at), "not_yet_valid"),
        (certificate.self_signed, "self_signed"),
        (
            certificate.rsa_bits.is_some_and(|bits| bits < RSA_BITS),
            "small_key",
        ),
        (certificate.weak_signature, "weak_signature"),
        (
            !certificate.broken && asked.is_some_and(|name| !certificate.names_match(name)),
            "name_mismatch",
        ),
    ];
    weak.extend(checks.into_iter().filter(|(is, _)| *is).map(|(_, name)| name));
    weak
}

/// What is weak about a cipher suite, by its number in IANA's registry.
fn cipher(suite: u16) -> Option<&'static str> {
    match suite {
        // NULL: nothing is encrypted.
        0x0000..=0x0002
        | 0x002c..=0x002e
        | 0x003b
        | 0x00b0
        | 0x00b1
        | 0x00b4
        | 0x00b5
        | 0x00b8
        | 0x00b9
        | 0xc001
        | 0xc006
        | 0xc00b
        | 0xc010
        | 0xc015
        | 0xc039..=0xc03b => Some("null_cipher"),
        // EXPORT: keys of 40 or 56 bits.
        0x0003
        | 0x0006
        | 0x0008
        | 0x000b
        | 0x000e
        | 0x0011
        | 0x0014
        | 0x0017
        | 0x0019
        | 0x0026..=0x002b
        | 0x0060..=0x0065 => Some("export_cipher"),
        0x0004 | 0x0005 | 0x0018 | 0x0020 | 0x0024 | 0x0066 | 0x008a | 0x008e | 0x0092 | 0xc002 | 0xc007
        | 0xc00c | 0xc011 | 0xc016 | 0xc033 => Some("rc4_cipher"),
        // DES and 3DES: blocks of 64 bits.
        0x0009
        | 0x000a
        | 0x000c
        | 0x000d
        | 0x000f
        | 0x0010
        | 0x0012
        | 0x0013
        | 0x0015
        | 0x0016
        | 0x001a
        | 0x001b
        | 0x001e
        | 0x001f
        | 0x0022
        | 0x0023
        | 0x008b
        | 0x008f
        | 0x0093
        | 0xc003
        | 0xc008
        | 0xc00d
        | 0xc012
        | 0xc017
        | 0xc01a..=0xc01c
        | 0xc034 => Some("des_cipher"),
        // Anonymous: nobody is authenticated.
        0x0034 | 0x003a | 0x0046 | 0x006c | 0x006d | 0x0089 | 0x009b | 0x00a6 | 0x00a7 | 0xc018 | 0xc019 => {
            Some("anonymous_cipher")
        }
        _ => None,
    }
}

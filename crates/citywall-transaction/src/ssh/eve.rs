//! The fields of the `ssh` event.

use citywall_event::json::Object;

use super::SshHandshake;
use super::handshake::Party;

/// Writes the `ssh` object with Suricata EVE's field names.
pub(super) fn write(handshake: &SshHandshake, o: &mut Object<'_>) {
    let [client, server] = &handshake.parties;
    o.object("ssh", |o| {
        write_party("client", client, o);
        write_party("server", server, o);
    });
}

fn write_party(key: &str, party: &Party, o: &mut Object<'_>) {
    if party.banner.is_empty() {
        return;
    }
    o.object(key, |o| {
        o.bytes("proto_version", party.version());
        o.bytes("software_version", party.software());
        if let Some(hassh) = &party.hassh {
            o.object("hassh", |o| {
                o.bytes("hash", &hassh.hash);
                o.bytes("string", &hassh.text);
            });
        }
    });
}

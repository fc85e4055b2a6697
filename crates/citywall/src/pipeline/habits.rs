//! What allow-lists need of protocol records besides commands: names and fingerprints.
//!
//! Owns: which values of a record become events. They are given out only where use is learned or held
//! against what was learned: without that, nothing changes and nothing costs.

use citywall_event::{Body, Side, Sighting, SightingTrait};
use citywall_flow::Direction;
use citywall_transaction::{Buffer, Record};

/// The buffer of a fingerprint, whether the client is who shows it, and its name.
const FINGERPRINTS: [(Buffer, bool, &str); 3] = [
    (Buffer::Ja4Hash, true, "ja4"),
    (Buffer::SshHassh, true, "hassh"),
    (Buffer::SshHasshServer, false, "hassh_server"),
];

/// The events of a record; `forward` is the direction from client to server.
pub(super) fn habits(record: &dyn Record, forward: Direction) -> Vec<(Direction, Body)> {
    let mut found = Vec::new();
    for (buffer, client, name) in FINGERPRINTS {
        let direction = if client { forward } else { forward.flip() };
        record.buffers(buffer, &mut |value| {
            let sighting = Sighting {
                side: Side::Source,
                trait_: SightingTrait::Fingerprint,
                value: String::from_utf8_lossy(value).into_owned(),
                evidence: name,
            };
            found.push((direction, Body::Sighting(sighting)));
        });
    }
    if let Some(answer) = record.answer() {
        found.push((forward.flip(), Body::Answer(answer)));
    }
    found
}

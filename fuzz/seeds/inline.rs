//! Seeds of the inline path: a datagram of the kernel, writes to the ring, packets of a session.

use crate::Seed;

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = (value.len() as u16 + 4).to_ne_bytes().to_vec();
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn message(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = (body.len() as u32 + 16).to_ne_bytes().to_vec();
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&[0; 10]);
    bytes.extend_from_slice(body);
    bytes
}

fn packet() -> Vec<u8> {
    let mut body = vec![2, 0, 0, 101];
    body.extend(attribute(1, &[0, 0, 0, 7, 8, 0, 2]));
    body.extend(attribute(3, &[0, 2, 0, 0]));
    body.extend(attribute(5, &[0, 0, 0, 3]));
    body.extend(attribute(7, &[0, 0, 0, 4]));
    body.extend(attribute(9, &[0, 6, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0]));
    body.extend(attribute(14, &[0, 0, 0, 2]));
    body.extend(attribute(10, b"\x45packet"));
    message(0x300, &body)
}

pub fn seeds() -> Vec<Seed> {
    let error = message(2, &(-1i32).to_ne_bytes());
    // The cursor of the parser says 3; the first verdict is "pass" with new bytes and an answer.
    let mut ring = vec![5, 0, 0, 128, 4, 3, 0, 0, 0];
    ring.extend_from_slice(&[
        0, 16, 64, 20, 1, 0, 0, 0, 9, 0, 0, 0, 7, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0,
    ]);
    ring.extend_from_slice(&[0, 0, 128, 1, 4, 0, 0, 128, 1, 9]);
    // Both SYNs, a request that passes, its answer, one that is denied, one in two pieces.
    let mut session = vec![2, 39, 0, 0, 0x92, 99, 40, 0, 0x10, 40, 100, 11, 5, 1];
    session.extend_from_slice(&[7; 9]);
    session.extend_from_slice(&[0x90, 100, 51, 3, 0xaa, 5, 1, 0x10, 51, 103, 11, 1, 1]);
    session.extend_from_slice(&[7; 9]);
    session.extend_from_slice(&[0x10, 62, 106, 1, 5, 0x10, 63, 106, 10, 1]);
    session.extend_from_slice(&[7; 9]);
    session.extend_from_slice(&[0x11, 73, 106, 0]);
    vec![
        ("nfqueue", "packet".to_owned(), packet()),
        (
            "nfqueue",
            "two-and-error".to_owned(),
            [packet(), packet(), error].concat(),
        ),
        ("ring", "verdicts".to_owned(), ring),
        ("splice", "session".to_owned(), session),
    ]
}

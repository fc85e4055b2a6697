//! TLS 1.2 and 1.3 handshakes (RFC 5246, RFC 8446): whole and in order; what is encrypted is any bytes.

use super::{counted16, der};
use crate::story::dice::Dice;

/// A record.
fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3], &counted16(content)[..]].concat()
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    [&[kind], &length[1..], body].concat()
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &counted16(body)].concat()
}

/// How a client introduces itself.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    ciphers: &'static [u16],
    groups: &'static [u16],
    signatures: &'static [u16],
    alpn: &'static [&'static str],
}

/// A browser, and a program with a common library.
pub const CLIENTS: &[Client] = &[
    Client {
        ciphers: &[
            0x1301, 0x1303, 0x1302, 0xc02b, 0xc02f, 0xcca9, 0xcca8, 0xc02c, 0xc030, 0xc013, 0xc014, 0x009c,
            0x009d, 0x002f, 0x0035,
        ],
        groups: &[29, 23, 24, 25],
        signatures: &[
            0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601,
        ],
        alpn: &["h2", "http/1.1"],
    },
    Client {
        ciphers: &[
            0x1302, 0x1303, 0x1301, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc02b, 0xc02f, 0x009f, 0x009e, 0x00ff,
        ],
        groups: &[29, 23, 30, 25, 24],
        signatures: &[
            0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0809, 0x080a, 0x0804, 0x0805, 0x0806,
        ],
        alpn: &["http/1.1"],
    },
];

/// ClientHello in its record.
pub fn client_hello(client: &Client, name: &str, dice: &mut Dice) -> Vec<u8> {
    let words = |list: &[u16]| -> Vec<u8> { list.iter().flat_map(|w| w.to_be_bytes()).collect() };
    let sni = counted16(&[&[0][..], &counted16(name.as_bytes())].concat());
    let protocols: Vec<u8> = client
        .alpn
        .iter()
        .flat_map(|p| [&[p.len() as u8], p.as_bytes()].concat())
        .collect();
    let share = [&[0, 29][..], &counted16(&dice.bytes(32))].concat();
    let extensions = [
        extension(0, &sni),
        extension(23, &[]),
        extension(0xff01, &[0]),
        extension(10, &counted16(&words(client.groups))),
        extension(11, &[1, 0]),
        extension(35, &[]),
        extension(16, &counted16(&protocols)),
        extension(13, &counted16(&words(client.signatures))),
        extension(51, &counted16(&share)),
        extension(45, &[1, 1]),
        extension(43, &[4, 3, 4, 3, 3]),
    ]
    .concat();
    let body = [
        vec![3, 3],
        dice.bytes(32),
        vec![32],
        dice.bytes(32),
        counted16(&words(client.ciphers)),
        vec![1, 0],
        counted16(&extensions),
    ]
    .concat();
    let mut hello = record(22, &handshake(1, &body));
    // The first record says 1.0 (RFC 8446, section 5.1).
    hello[2] = 1;
    hello
}

/// The session id of a ClientHello of ours, which the server of TLS 1.3 repeats.
fn session_id(hello: &[u8]) -> &[u8] {
    &hello[44..76]
}

/// What a server of TLS 1.3 sends: ServerHello, the change of cipher and encrypted records.
pub fn server_1_3(hello: &[u8], dice: &mut Dice) -> Vec<u8> {
    let share = [&[0, 29][..], &counted16(&dice.bytes(32))].concat();
    let extensions = [extension(43, &[3, 4]), extension(51, &share)].concat();
    let body = [
        vec![3, 3],
        dice.bytes(32),
        vec![32],
        session_id(hello).to_vec(),
        vec![0x13, 0x01, 0],
        counted16(&extensions),
    ]
    .concat();
    let encrypted = dice.within(2_100..=3_400) as usize;
    [
        record(22, &handshake(2, &body)),
        record(20, &[1]),
        data(encrypted, dice),
    ]
    .concat()
}

/// What a client of TLS 1.3 answers.
pub fn client_1_3(dice: &mut Dice) -> Vec<u8> {
    [record(20, &[1]), data(53, dice)].concat()
}

/// What a server of TLS 1.2 sends first: ServerHello to ServerHelloDone.
pub fn server_1_2(name: &str, year: i64, dice: &mut Dice) -> Vec<u8> {
    let extensions = [
        extension(0xff01, &[0]),
        extension(23, &[]),
        extension(16, &counted16(b"\x08http/1.1")),
    ]
    .concat();
    let hello = [
        vec![3, 3],
        dice.bytes(32),
        vec![32],
        dice.bytes(32),
        vec![0xc0, 0x2f, 0],
        counted16(&extensions),
    ]
    .concat();
    let certificate = certificate(name, year, dice);
    let entry = counted24(&certificate);
    let exchange = [
        vec![3, 0, 29, 32],
        dice.bytes(32),
        vec![8, 4],
        counted16(&dice.bytes(256)),
    ]
    .concat();
    [
        record(22, &handshake(2, &hello)),
        record(22, &handshake(11, &counted24(&entry))),
        record(22, &handshake(12, &exchange)),
        record(22, &handshake(14, &[])),
    ]
    .concat()
}

/// What a client of TLS 1.2 answers.
pub fn client_1_2(dice: &mut Dice) -> Vec<u8> {
    let exchange = [vec![32], dice.bytes(32)].concat();
    [
        record(22, &handshake(16, &exchange)),
        record(20, &[1]),
        record(22, &dice.bytes(40)),
    ]
    .concat()
}

/// The end of a TLS 1.2 handshake.
pub fn finished_1_2(dice: &mut Dice) -> Vec<u8> {
    [record(20, &[1]), record(22, &dice.bytes(40))].concat()
}

/// Encrypted data of `n` bytes.
pub fn data(n: usize, dice: &mut Dice) -> Vec<u8> {
    record(23, &dice.bytes(n))
}

fn counted24(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[1..], bytes].concat()
}

/// A certificate (RFC 5280) of an invented authority; its key and signature are any bytes.
fn certificate(name: &str, year: i64, dice: &mut Dice) -> Vec<u8> {
    let attribute = |oid, text: &str| {
        der::tagged(
            0x31,
            &der::sequence(&[der::oid(oid), der::tagged(12, text.as_bytes())]),
        )
    };
    let rsa_sha256 = || der::sequence(&[der::oid("1.2.840.113549.1.1.11"), der::null()]);
    let issuer = der::sequence(&[
        attribute("2.5.4.10", "Example Trust Services"),
        attribute("2.5.4.3", "Example Issuing CA 3"),
    ]);
    let subject = der::sequence(&[attribute("2.5.4.3", name)]);
    let time = |year: i64| der::tagged(23, format!("{:02}0301000000Z", year % 100).as_bytes());
    let modulus = [vec![0, 0xc3], dice.bytes(254), vec![0x4d]].concat();
    let key = der::sequence(&[der::tagged(2, &modulus), der::number(2, 65_537)]);
    let spki = der::sequence(&[
        der::sequence(&[der::oid("1.2.840.113549.1.1.1"), der::null()]),
        der::tagged(3, &[&[0][..], &key].concat()),
    ]);
    let names = der::sequence(&[der::tagged(0x82, name.as_bytes())]);
    let extensions = der::sequence(&[der::sequence(&[der::oid("2.5.29.17"), der::octets(&names)])]);
    let mut serial = dice.bytes(12);
    serial[0] = serial[0] & 0x7f | 1;
    let body = der::sequence(&[
        der::tagged(0xa0, &der::number(2, 2)),
        der::tagged(2, &serial),
        rsa_sha256(),
        issuer,
        der::sequence(&[time(year - 1), time(year + 1)]),
        subject,
        spki,
        der::tagged(0xa3, &extensions),
    ]);
    let signature = [vec![0], dice.bytes(256)].concat();
    der::sequence(&[body, rsa_sha256(), der::tagged(3, &signature)])
}

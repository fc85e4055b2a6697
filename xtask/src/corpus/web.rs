//! HTTP/1: framing, codings, pipelining, and the ways in which two readers disagree.

use super::Case;
use super::capture::{Capture, SECOND};
use super::net::{CLIENT, SERVER};
use super::talk::{Side, Side::Client, Side::Server, Talk};

const AREA: &str = "transaction";

/// `{"pump":3,...}` as gzip has it (RFC 1952), made once: another compressor would give other bytes.
const GZIP: &[u8] = &[
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 42, 40, 205, 45, 80, 178, 50, 214, 81, 42, 46, 73, 44, 73, 85,
    178, 82, 42, 42, 205, 203, 203, 204, 75, 87, 210, 81, 42, 40, 74, 45, 46, 46, 45, 2, 10, 154, 232, 25,
    225, 231, 214, 114, 1, 0, 29, 189, 156, 236, 74, 0, 0, 0,
];

/// 20,000 zeros (the digit) as gzip has them.
const GZIP_BOMB: &[u8] = &[
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 237, 193, 49, 1, 0, 0, 0, 194, 160, 74, 235, 159, 206, 26, 30, 64, 1, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 240, 96, 189, 15, 27, 140, 32, 78, 0, 0,
];

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let hashes = "[events]\nfile_hashes = true\n";
    vec![
        plain(
            "http",
            80,
            "HTTP/1.1 (RFC 9112): a page, a form, a redirect, an error. The exchange is told when it is whole.",
        ),
        plain(
            "http-unusual-port",
            31_337,
            "The same on port 31337: found by content.",
        ),
        chunked().with("config.toml", hashes),
        pipelined(),
        gzip().with("config.toml", hashes),
        deflate_and_brotli().with("config.toml", hashes),
        bomb().with(
            "config.toml",
            "[limits]\ndecompressed = \"4K\"\n[events]\nfile_hashes = true\n",
        ),
        login(),
        smuggling(),
        malformed(),
        tunnel(),
        many_requests().with("config.toml", "[limits]\nopen_requests = 8\n"),
    ]
}

/// Pieces of one conversation.
fn talk(port: u16, client_port: u16, pieces: &[(Side, &[u8])], capture: &mut Capture) {
    let mut talk = Talk::open(capture, (CLIENT, client_port), (SERVER, port));
    for (side, bytes) in pieces {
        talk.say(capture, *side, bytes);
    }
    talk.close(capture);
    capture.wait(SECOND);
}

fn case(name: &str, readme: &str, talks: &[&[(Side, &[u8])]]) -> Case {
    let mut capture = Capture::new();
    for (n, pieces) in (0..).zip(talks) {
        talk(80, 40_001 + n, pieces, &mut capture);
    }
    Case::new(AREA, name, readme, capture)
}

fn plain(name: &str, port: u16, readme: &str) -> Case {
    let mut capture = Capture::new();
    talk(
        port,
        40_001,
        &[
            (
                Client,
                b"GET /index.html?lang=de HTTP/1.1\r\nHost: signs.example\r\nUser-Agent: Kiosk/2.1\r\nReferer: http://signs.example/\r\n\r\n",
            ),
            (
                Server,
                b"HTTP/1.1 200 OK\r\nServer: lighttpd/1.4.69\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 14\r\n\r\n<h1>Signs</h1>",
            ),
            (
                Client,
                b"POST /set HTTP/1.1\r\nHost: signs.example\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 11\r\n\r\nbright=high",
            ),
            (Server, b"HTTP/1.1 303 See Other\r\nLocation: /done\r\nContent-Length: 0\r\n\r\n"),
            (Client, b"HEAD /big.bin HTTP/1.1\r\nHost: signs.example\r\n\r\n"),
            // What HEAD is told of a body does not come (RFC 9110, 9.3.2).
            (Server, b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n"),
            (Client, b"GET /no HTTP/1.0\r\n\r\n"),
            (Server, b"HTTP/1.0 404 Not Found\r\nContent-Type: text/plain\r\n\r\nuntil the end"),
        ],
        &mut capture,
    );
    Case::new(AREA, name, readme, capture)
}

fn chunked() -> Case {
    case(
        "http-chunked",
        "A body in chunks with an extension and a trailer (RFC 9112, 7.1), cut within a chunk size. `fileinfo` has the size and\n\
         hash of \"pressure 4.2\\n\" (13 bytes), and the next exchange begins at the right place.",
        &[&[
            (Client, b"GET /report HTTP/1.1\r\nHost: pump-3.example\r\n\r\n"),
            (Server, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n9;why=not\r\npressure \r"),
            (Server, b"\n4\r\n4.2\n\r\n0\r\nX-Sum: 13\r\n\r\n"),
            (Client, b"GET /next HTTP/1.1\r\nHost: pump-3.example\r\n\r\n"),
            (Server, b"HTTP/1.1 204 No Content\r\n\r\n"),
        ]],
    )
}

fn pipelined() -> Case {
    case(
        "http-pipelined",
        "Three requests in one go, three answers in one go (RFC 9112, 9.3.2), with an interim 100 in front of the second: each\n\
         answer belongs to its request.",
        &[&[
            (
                Client,
                b"GET /a HTTP/1.1\r\nHost: e.example\r\n\r\nPUT /b HTTP/1.1\r\nHost: e.example\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhiGET /c HTTP/1.1\r\nHost: e.example\r\n\r\n",
            ),
            (
                Server,
                b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            ),
        ]],
    )
}

fn coded(coding: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

const GET: &[u8] =
    b"GET /state HTTP/1.1\r\nHost: pump-3.example\r\nAccept-Encoding: gzip, deflate, br\r\n\r\n";

fn gzip() -> Case {
    case(
        "http-gzip",
        "A body compressed with gzip (RFC 9110, 8.4.1): `fileinfo` has size and hashes of what was compressed, 74 bytes of JSON.",
        &[&[(Client, GET), (Server, &coded("gzip", GZIP))]],
    )
}

/// Zlib (RFC 1950) around one stored block (RFC 1951, 3.2.4).
fn stored_zlib(text: &[u8]) -> Vec<u8> {
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in text {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    let length = text.len() as u16;
    [
        &[0x78, 0x01, 0x01][..],
        &length.to_le_bytes(),
        &(!length).to_le_bytes(),
        text,
        &(b << 16 | a).to_be_bytes(),
    ]
    .concat()
}

/// Brotli (RFC 7932, 9.2): one uncompressed block, then the empty last one.
fn stored_brotli(text: &[u8]) -> Vec<u8> {
    let head = ((text.len() as u32 - 1) << 4 | 1 << 20).to_le_bytes();
    [&head[..3], text, &[3]].concat()
}

fn deflate_and_brotli() -> Case {
    let text = b"{\"lamp\":17,\"on\":true}";
    case(
        "http-deflate-brotli",
        "The same 21 bytes by deflate (zlib, RFC 1950; raw, as some servers wrongly send it) and by brotli (RFC 7932): three\n\
         `fileinfo` events with the same hashes.",
        &[
            &[(Client, GET), (Server, &coded("deflate", &stored_zlib(text)))],
            &[
                (Client, GET),
                (
                    Server,
                    &coded("deflate", &{
                        let zlib = stored_zlib(text);
                        zlib[2..zlib.len() - 4].to_vec()
                    }),
                ),
            ],
            &[(Client, GET), (Server, &coded("br", &stored_brotli(text)))],
        ],
    )
}

fn bomb() -> Case {
    case(
        "http-decompression-budget",
        "55 bytes that become 20,000 where the configuration allows 4 KiB: the budget ends the work, it is said, and the body's\n\
         hash is not given as if it were whole. Then a body that says gzip and is not, and one with more codings than anybody\n\
         needs.",
        &[
            &[(Client, GET), (Server, &coded("gzip", GZIP_BOMB))],
            &[
                (Client, GET),
                (Server, &coded("gzip", b"this was never compressed")),
            ],
            &[
                (Client, GET),
                (Server, &coded("gzip, gzip, gzip, gzip, gzip, gzip, gzip", GZIP)),
            ],
        ],
    )
}

fn login() -> Case {
    case(
        "http-login",
        "Basic authentication (RFC 7617) with a factory password: refused, then accepted. `login` says user, length and that it is a\n\
         default; the password itself stands nowhere.",
        &[&[
            (Client, b"GET /cfg HTTP/1.1\r\nHost: cam.example\r\nAuthorization: Basic YWRtaW46d3Jvbmc=\r\n\r\n"),
            (Server, b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"cam\"\r\nContent-Length: 0\r\n\r\n"),
            (Client, b"GET /cfg HTTP/1.1\r\nHost: cam.example\r\nAuthorization: Basic YWRtaW46YWRtaW4=\r\n\r\n"),
            (Server, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ]],
    )
}

fn smuggling() -> Case {
    const END: (Side, &[u8]) = (Server, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    case(
        "http-smuggling",
        "Request smuggling (Linhart and others 2005; RFC 9112, 11.2): both framings at once, two lengths that differ, a length that\n\
         is no number, a transfer coding that is none, a space before the colon, a folded line, two hosts, a host that is not the\n\
         target's, broken chunks. Each is said.",
        &[
            &[
                (
                    Client,
                    b"POST / HTTP/1.1\r\nHost: e.example\r\nContent-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /admin HTTP/1.1\r\nHost: e.example\r\n\r\n",
                ),
                END,
                END,
            ],
            &[
                (
                    Client,
                    b"POST / HTTP/1.1\r\nHost: e.example\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
                ),
                END,
            ],
            &[(Client, b"POST / HTTP/1.1\r\nHost: e.example\r\nContent-Length: +3\r\n\r\nabc"), END],
            &[
                (
                    Client,
                    b"POST / HTTP/1.1\r\nHost: e.example\r\nTransfer-Encoding: xchunked\r\nContent-Length: 3\r\n\r\nabc",
                ),
                END,
            ],
            &[(Client, b"GET / HTTP/1.1\r\nHost : e.example\r\nX-Long: a\r\n b\r\n\r\n"), END],
            &[(Client, b"GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n"), END],
            &[(Client, b"GET http://a.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n"), END],
            &[
                (
                    Client,
                    b"POST / HTTP/1.1\r\nHost: e.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcde\r\n0\r\n\r\n",
                ),
                END,
            ],
            &[
                (
                    Client,
                    b"POST / HTTP/1.1\r\nHost: e.example\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
                ),
                END,
            ],
        ],
    )
}

fn malformed() -> Case {
    const END: (Side, &[u8]) = (Server, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let long = [
        b"GET / HTTP/1.1\r\nHost: e.example\r\nX: ".as_slice(),
        &[b'a'; 70_000],
        b"\r\n\r\n",
    ]
    .concat();
    let many = [
        b"GET / HTTP/1.1\r\nHost: e.example\r\n".to_vec(),
        b"X: y\r\n".repeat(1_100),
        b"\r\n".to_vec(),
    ]
    .concat();
    case(
        "http-malformed",
        "Heads that break RFC 9112: bare LF and CR, a NUL, a field without colon and one without name, no host, a target with spaces, a bad method, a\n\
         status line that is none, a head of 70 kB, 1,100 fields, an answer without a question. What follows a bare CR is read as a\n\
         line of its own, because some receivers do so.",
        &[
            &[(Client, b"GET / HTTP/1.1\nHost: e.example\n\n"), END],
            &[
                (
                    Client,
                    b"GET / HTTP/1.1\r\nHost: e.example\r\nX: a\rb\r\nY: a\0b\r\n\r\n",
                ),
                END,
            ],
            &[
                (
                    Client,
                    b"GET / HTTP/1.1\r\nHost: e.example\r\nno colon\r\n: no name\r\n\r\n",
                ),
                END,
            ],
            &[(Client, b"GET / HTTP/1.1\r\nAccept: */*\r\n\r\n"), END],
            &[(Client, b"GET / HTTP/1.1\r\nHost: e.example\r\n\r\nGET /a b c HTTP/1.1\r\nHost: e.example\r\n\r\n"), END],
            &[
                (
                    Client,
                    b"GET / HTTP/1.1\r\nHost: e.example\r\n\r\nG@T /x HTTP/1.1\r\nHost: e.example\r\n\r\n",
                ),
                END,
            ],
            &[
                (Client, b"GET / HTTP/1.1\r\nHost: e.example\r\n\r\n"),
                (Server, b"HTTP/1.1 2x0 What\r\n\r\n"),
            ],
            &[(Client, &long), END],
            &[(Client, &many), END],
            &[
                (Client, b"GET / HTTP/1.1\r\nHost: e.example\r\n\r\n"),
                (
                    Server,
                    b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                ),
            ],
        ],
    )
}

fn many_requests() -> Case {
    let request = b"GET /a HTTP/1.1\r\nHost: e.example\r\n\r\n".repeat(10);
    case(
        "http-too-many-requests",
        "Ten pipelined requests without an answer where the configuration remembers eight: it is said, and memory stays bounded.",
        &[&[(Client, &request)]],
    )
}

fn tunnel() -> Case {
    case(
        "http-connect",
        "CONNECT (RFC 9110, 9.3.6): behind the 200 the conversation is another one, here SSH: an `ssh` event on the port of the\n\
         proxy, and the rule for SSH on unusual ports. The flow's `app_proto` stays that of the proxy.",
        &[&[
            (
                Client,
                b"CONNECT shell.example:22 HTTP/1.1\r\nHost: shell.example:22\r\n\r\n",
            ),
            (Server, b"HTTP/1.1 200 Connection established\r\n\r\n"),
            (Server, b"SSH-2.0-dropbear_2022.83\r\n"),
            (Client, b"SSH-2.0-OpenSSH_9.6\r\n"),
        ]],
    )
}

//! Conversations of HTTP in text, and the laws that hold for any.

use std::io::Write as _;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::ENTRY;
use crate::testing::{Turn, client, hex, server, transcript};
use crate::{Buffer, Dissector as _, Hint, Input, Item, Limits, Number, Output, Probe, Transaction};
use citywall_flow::{Carrier, Content, Direction};

fn check_with(limits: &Limits, turns: &[Turn], expected: Expect) {
    let whole = transcript(&ENTRY, limits, turns, usize::MAX);
    expected.assert_eq(&whole);
    for piece in [1, 2, 7, 100] {
        assert_eq!(
            whole,
            transcript(&ENTRY, limits, turns, piece),
            "pieces of {piece}"
        );
    }
}

fn check(turns: &[Turn], expected: Expect) {
    check_with(&Limits::default(), turns, expected);
}

#[test]
fn a_request_and_its_response_are_one_event() {
    check(
        &[
            client(
                "POST /v2/ingest/lights?site=7 HTTP/1.1\r\nHost: API.City.example:8080\r\n\
                 User-Agent: ESP32HTTPClient\r\nReferer: http://city.example/index.html\r\n\
                 X-Forwarded-For: 10.0.0.9\r\nContent-Length: 5\r\n\r\nhello",
            ),
            server(
                "HTTP/1.1 302 Found\r\nServer: nginx/1.24.0\r\nContent-Type: text/html; charset=utf-8\r\n\
                 Location: /next\r\nContent-Length: 3\r\n\r\nyes",
            ),
        ],
        expect![[r#"
            > sighting Source Software "ESP32HTTPClient" http.user_agent
            < sighting Source Software "nginx/1.24.0" http.server
            > {"http":{"hostname":"api.city.example","http_port":8080,"url":"/v2/ingest/lights?site=7","http_user_agent":"ESP32HTTPClient","xff":"10.0.0.9","http_content_type":"text/html","http_refer":"http://city.example/index.html","http_method":"POST","protocol":"HTTP/1.1","status":302,"redirect":"/next","length":3}}
        "#]],
    );
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    check(
        &[
            client("GET /a HTTP/1.1\r\nHost: h\r\n\r\nHEAD /b HTTP/1.1\r\nHost: h\r\n\r\n"),
            client("GET /c HTTP/1.1\r\nHost: h\r\n\r\nGET /d HTTP/1.1\r\nHost: h\r\n\r\n"),
            server(
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
            ),
            server("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
            server("HTTP/1.0 200 OK\r\n\r\nuntil the end"),
        ],
        expect![[r#"
            > {"http":{"hostname":"h","url":"/a","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":2}}
            > {"http":{"hostname":"h","url":"/b","http_method":"HEAD","protocol":"HTTP/1.1","status":200,"length":0}}
            > {"http":{"hostname":"h","url":"/c","http_method":"GET","protocol":"HTTP/1.1","status":304,"length":0}}
            > {"http":{"hostname":"h","url":"/d","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":13}}
        "#]],
    );
}

#[test]
fn chunks_with_extensions_and_trailers_are_counted_without_their_framing() {
    check(
        &[
            client("GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
            server(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n\
                 00A \r\n, world...\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
            ),
        ],
        expect![[r#"
            > {"http":{"hostname":"h","url":"/","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":15}}
            < malformed http.response_without_request
            > {"http":{"protocol":"HTTP/1.1","status":204,"length":0}}
        "#]],
    );
}

#[test]
fn interim_responses_do_not_answer() {
    check(
        &[
            client("PUT /f HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
            server("HTTP/1.1 100 Continue\r\n\r\n"),
            client("ab"),
            server("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"),
        ],
        expect![[r#"
            > {"http":{"hostname":"h","url":"/f","http_method":"PUT","protocol":"HTTP/1.1","status":201,"length":0}}
        "#]],
    );
}

#[test]
fn oddities_are_marked_once_and_read_on() {
    check(
        &[
            client(
                "\r\nGET  /x y HTTP/1.1\nHost : a\nHost: b\nno colon here\n: no name\nX-Folded: 1\n 2\n\
                 X-Nul: \0\nX-Cr: a\rb\n\nGET /again HTTP/1.1\nHost: b\n\n",
            ),
            server("HTTP/1.1 abc\r\nContent-Length: x\r\n\r\n"),
        ],
        expect![[r#"
            > malformed http.request_line
            > malformed http.missing_cr
            > malformed http.space_before_colon
            > malformed http.host_repeated
            > malformed http.field_without_colon
            > malformed http.field_without_name
            > malformed http.folded_field
            > malformed http.bare_cr
            > malformed http.nul_byte
            < malformed http.status_line
            < malformed http.content_length_invalid
            > {"http":{"hostname":"a","url":"/x y","http_method":"GET","protocol":"HTTP/1.1","length":0}}
            > {"http":{"hostname":"b","url":"/again","http_method":"GET","protocol":"HTTP/1.1","length":0}}
        "#]],
    );
}

#[test]
fn smuggling_shows() {
    check(
        &[
            client(
                "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
                 POST http://me:secret@other/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n xchunked\r\n\r\nrest",
            ),
            server("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
        ],
        expect![[r#"
            > malformed http.length_ambiguous
            > malformed http.folded_field
            > malformed http.transfer_encoding
            > malformed http.host_ambiguous
            > malformed http.chunk_size
            < malformed http.content_length_repeated
            > {"http":{"hostname":"h","url":"/","http_method":"POST","protocol":"HTTP/1.1","status":200,"length":1}}
            > {"http":{"hostname":"other","url":"http://other/","http_method":"POST","protocol":"HTTP/1.1","length":0}}
        "#]],
    );
}

#[test]
fn bad_chunks_lose_the_message_and_the_next_is_found() {
    check(
        &[
            client("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"),
            server(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
            ),
        ],
        expect![[r#"
            < malformed http.chunk_end
            > {"http":{"hostname":"h","url":"/1","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":3}}
            > {"http":{"hostname":"h","url":"/2","http_method":"GET","protocol":"HTTP/1.1","status":404,"length":0}}
        "#]],
    );
}

#[test]
fn gaps_inside_bodies_are_counted_and_others_are_overcome() {
    check(
        &[
            client("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"),
            server("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789"),
            Turn::Gap(Direction::ToInitiator, 90),
            client("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n"),
            server("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234"),
            Turn::Gap(Direction::ToInitiator, 90),
            server("rest of something\x00HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"),
            Turn::Gap(Direction::ToResponder, 90),
            client("lost\r\nGET /4 HTTP/1.1\r\nHost: h\r\n\r\n"),
            server("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"),
        ],
        expect![[r#"
            > {"http":{"hostname":"h","url":"/1","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":100}}
            > {"http":{"hostname":"h","url":"/2","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":5}}
            > {"http":{"protocol":"HTTP/1.1","status":200,"length":1}}
            > {"http":{"hostname":"h","url":"/4","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":1}}
        "#]],
    );
}

#[test]
fn credentials_leave_only_their_length() {
    let basic = |path: &str, value: &str| {
        client(format!(
            "GET {path} HTTP/1.1\r\nHost: cam\r\nAuthorization: {value}\r\n\r\n"
        ))
    };
    let ok = || server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let no = || server("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    check(
        &[
            basic("/1", "Basic YWRtaW46c2VjcmV0"),
            no(),
            basic("/2", "Basic YWRtaW46MTIzNDU="),
            ok(),
            basic("/3", "basic YWRtaW46MTIzNDU="),
            ok(),
            basic("/4", "Digest username=\"operator\", realm=\"r\", response=\"00\""),
            ok(),
            basic("/5", "Bearer abcdef"),
            ok(),
        ],
        expect![[r#"
            > login http user="admin" password_length=Some(6) default=false success=Some(false)
            > {"http":{"hostname":"cam","url":"/1","http_method":"GET","protocol":"HTTP/1.1","status":401,"length":0}}
            > login http user="admin" password_length=Some(5) default=true success=Some(true)
            > {"http":{"hostname":"cam","url":"/2","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":0}}
            > {"http":{"hostname":"cam","url":"/3","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":0}}
            > login http user="operator" password_length=None default=false success=Some(true)
            > {"http":{"hostname":"cam","url":"/4","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":0}}
            > {"http":{"hostname":"cam","url":"/5","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":0}}
        "#]],
    );
}

#[test]
fn a_tunnel_is_opened_only_when_accepted() {
    check(
        &[
            client(
                "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\nGET /x HTTP/1.1\r\nHost: p\r\n\r\n",
            ),
            server(
                "HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            ),
            client("CONNECT b.example:22 HTTP/1.1\r\nHost: b.example:22\r\n\r\nSSH-2.0-x\r\n"),
            server("HTTP/1.1 200 OK\r\n\r\nSSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"),
        ],
        expect![[r#"
            > {"http":{"hostname":"a.example","http_port":443,"url":"a.example:443","http_method":"CONNECT","protocol":"HTTP/1.1","status":405,"length":0}}
            > {"http":{"hostname":"p","url":"/x","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":0}}
            > {"http":{"hostname":"b.example","http_port":22,"url":"b.example:22","http_method":"CONNECT","protocol":"HTTP/1.1","status":200,"length":0}}
            > sighting Source Software "x" ssh.banner
            < sighting Source Software "OpenSSH_9.2p1 Debian-2" ssh.banner
            > {"ssh":{"client":{"proto_version":"2.0","software_version":"x"},"server":{"proto_version":"2.0","software_version":"OpenSSH_9.2p1"}}}
        "#]],
    );
}

#[test]
fn tunnels_that_wait_behind_each_other_are_refused_one_by_one() {
    let connect = |n: usize| format!("CONNECT h:{n} HTTP/1.1\r\nHost: h:{n}\r\n\r\n");
    let wanted: String = (1..=500).map(connect).collect();
    let refused = "HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n";
    let turns: Vec<_> = std::iter::once(client(wanted))
        .chain((0..499).map(|_| server(refused)))
        .chain([
            client(connect(501)),
            server(refused),
            server("HTTP/1.1 200 OK\r\n\r\nSSH-2.0-OpenSSH_9.2p1\r\n"),
        ])
        .collect();
    let told = transcript(&ENTRY, &Limits::default(), &turns, usize::MAX);
    let count = |what: &str| told.matches(what).count();
    assert_eq!(
        (count("\"status\":405"), count("\"status\":200")),
        (500, 1),
        "{told}"
    );
    assert!(told.contains("OpenSSH_9.2p1"), "{told}");
}

#[test]
fn an_upgrade_ends_it() {
    check(
        &[
            client("GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n"),
            server(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05hello"),
            client(b"\x81\x85mask"),
        ],
        expect![[r#"
            > {"http":{"hostname":"h","url":"/ws","http_method":"GET","protocol":"HTTP/1.1","status":101,"length":0}}
        "#]],
    );
}

#[test]
fn a_simple_request_is_answered_by_its_body() {
    check(
        &[client("GET /old\r\n"), server("<html>old</html>")],
        expect![[r#"
            > {"http":{"url":"/old","http_method":"GET","length":16}}
        "#]],
    );
}

#[test]
fn a_request_without_version_keeps_the_header_behind_it() {
    check(
        &[
            client("GET /gen?id=1\r\nHost: 192.0.2.25\r\nUser-Agent:Moz\r\n\r\n"),
            server("xzsc=$"),
        ],
        expect![[r#"
            > malformed http.request_line
            > sighting Source Software "Moz" http.user_agent
            > {"http":{"hostname":"192.0.2.25","url":"/gen?id=1","http_user_agent":"Moz","http_method":"GET","length":6}}
        "#]],
    );
    // The header may come later, and then it is none any more.
    check(
        &[
            client("GET /old\r\n"),
            client("Host: h\r\n\r\n"),
            server("HTTP/1.1 400 x\r\nContent-Length: 0\r\n\r\n"),
            client("GET /late\r\n"),
            server("<html>"),
            client("Host: h\r\n\r\n"),
        ],
        expect![[r#"
            > malformed http.request_line
            > {"http":{"hostname":"h","url":"/old","http_method":"GET","protocol":"HTTP/1.1","status":400,"length":0}}
            > malformed http.method
            > {"http":{"url":"/late","http_method":"GET","length":6}}
        "#]],
    );
}

#[test]
fn secrets_of_a_message_are_in_no_event() {
    let secrets = [
        // operator:s3cret-pass
        "b3BlcmF0b3I6czNjcmV0LXBhc3M=",
        "s3cret",
        "t0ken",
        "c00kie",
    ];
    let request = "Host: h\nUser-Agent: agent\nAuthorization: Basic b3BlcmF0b3I6czNjcmV0LXBhc3M=\n\
                   Proxy-Authorization: Bearer t0ken\nCookie: id=c00kie\nAUTHORIZATION : Bearer t0ken\n\
                   cookie: id=1;\n c00kie\nCookie\n\n";
    let response = "Server: s\nSet-Cookie: id=c00kie\nset-cookie : c00kie\nAuthentication-Info: t0ken\n\
                    Proxy-Authenticate: t0ken\nContent-Length: 0\n\n";
    for line_end in ["\r\n", "\n", "\r", "\r\r\n"] {
        for start in [
            "GET /a HTTP/1.1\n",
            "POST /a HTTP/1.0\n",
            "GET /a\n",
            "CONNECT a:1 HTTP/1.1\n",
        ] {
            for status in [
                "HTTP/1.1 200 OK\n",
                "HTTP/1.1 401 x\n",
                "HTTP/1.1 302 x\nLocation: /\n",
                "odd\n",
            ] {
                for message in [48, 160, 65_536] {
                    let limits = Limits {
                        message,
                        ..Limits::default()
                    };
                    let ask = client([start, request].concat().replace('\n', line_end));
                    let tell = server([status, response].concat().replace('\n', line_end));
                    for turns in [vec![ask.clone(), tell.clone()], vec![tell], vec![ask]] {
                        let text = transcript(&ENTRY, &limits, &turns, usize::MAX);
                        assert!(
                            secrets.iter().all(|secret| !text.contains(secret)),
                            "{turns:?} gave {text}"
                        );
                    }
                }
            }
        }
    }
    // They are read, for rules and for the login.
    let turns = [
        client(["GET /a HTTP/1.1\n", request].concat()),
        server(["HTTP/1.1 200 OK\n", response].concat()),
    ];
    expect![[r#"
        > malformed http.missing_cr
        > malformed http.space_before_colon
        > malformed http.folded_field
        > malformed http.field_without_colon
        > sighting Source Software "agent" http.user_agent
        < malformed http.missing_cr
        < malformed http.space_before_colon
        < sighting Source Software "s" http.server
        > login http user="operator" password_length=Some(11) default=false success=Some(true)
        > {"http":{"hostname":"h","url":"/a","http_user_agent":"agent","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":0}}
    "#]].assert_eq(&transcript(&ENTRY, &Limits::default(), &turns, usize::MAX));
}

#[test]
fn heads_and_open_requests_are_bounded() {
    let limits = Limits {
        message: 64,
        open_requests: 2,
        ..Limits::default()
    };
    let get = |n: u32| client(format!("GET /{n} HTTP/1.1\r\nHost: h\r\n\r\n"));
    let ok = |n: u32| server(format!("HTTP/1.1 20{n} OK\r\nContent-Length: 0\r\n\r\n"));
    check_with(
        &limits,
        &[get(1), get(2), get(3), ok(1), ok(2), ok(3), ok(4)],
        expect![[r#"
            > malformed http.too_many_requests
            > {"http":{"hostname":"h","url":"/1","http_method":"GET","protocol":"HTTP/1.1","length":0}}
            > {"http":{"protocol":"HTTP/1.1","status":201,"length":0}}
            > {"http":{"hostname":"h","url":"/2","http_method":"GET","protocol":"HTTP/1.1","status":202,"length":0}}
            > {"http":{"hostname":"h","url":"/3","http_method":"GET","protocol":"HTTP/1.1","status":203,"length":0}}
            < malformed http.response_without_request
            > {"http":{"protocol":"HTTP/1.1","status":204,"length":0}}
        "#]],
    );
    let long = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(80));
    check_with(
        &limits,
        &[client(long), get(2)],
        expect![[r#"
        > malformed http.head_too_long
        > {"http":{"url":"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","http_method":"GET","length":0}}
    "#]],
    );
}

const GZIP: &str = "1f8b0800000000000203b3c928c9cdb14bce2ca9541806848d3ed83b0041bf95a2d5000000";
const RAW_DEFLATE: &str = "b3c928c9cdb14bce2ca9541806848d3ed83b00";
const ZLIB: &str = "789cb3c928c9cdb14bce2ca9541806848d3ed83b00f2a24e76";
const BROTLI: &str = "1bd400f88d94a9eb53bff08cd14990b4bc2c6412d5b200534c7231f7f52409";

fn coded(coding: &str, body: &[u8]) -> [Turn; 2] {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Disposition: attachment; filename=\"f.htm\"\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    [
        client("GET /dir/file?x=1 HTTP/1.1\r\nHost: h\r\n\r\n"),
        server([head.as_bytes(), body].concat()),
    ]
}

/// The exchange of a conversation of one.
fn exchange(limits: &Limits, turns: &[Turn]) -> Transaction {
    let hint = Hint {
        carrier: Carrier::Tcp,
        direction: Direction::ToResponder,
        initiator_port: 40_000,
        responder_port: 80,
    };
    let mut dissector = super::dissector::HttpDissector::new(limits, hint);
    let mut out = Output::default();
    for turn in turns {
        let (direction, bytes) = match turn {
            Turn::Client(bytes) => (Direction::ToResponder, bytes),
            Turn::Server(bytes) => (Direction::ToInitiator, bytes),
            Turn::Gap(..) => continue,
        };
        let content = Content::Bytes(bytes);
        let at = 0;
        dissector.feed(
            &Input {
                at,
                direction,
                content,
            },
            &mut out,
        );
    }
    dissector.finish(0, &mut out);
    out.items
        .into_iter()
        .find_map(|(_, item)| match item {
            Item::Transaction(transaction @ Transaction::Http(_)) => Some(transaction),
            _ => None,
        })
        .expect("one exchange")
}

fn buffer(transaction: &Transaction, which: Buffer) -> String {
    let mut out = String::new();
    transaction.record().buffers(which, &mut |value| {
        out.push_str(&String::from_utf8_lossy(value));
        out.push('|');
    });
    out
}

#[test]
fn codings_come_off_for_rules() {
    let body = format!("<html>{}</html>|", "city ".repeat(40));
    for (coding, bytes) in [
        ("gzip", GZIP),
        ("x-gzip", GZIP),
        ("deflate", RAW_DEFLATE),
        ("deflate", ZLIB),
        ("br", BROTLI),
    ] {
        let turns = coded(coding, &hex(bytes));
        assert_eq!(
            buffer(&exchange(&Limits::default(), &turns), Buffer::FileData),
            body,
            "{coding}"
        );
        let few = Limits {
            body: 9,
            ..Limits::default()
        };
        assert_eq!(
            buffer(&exchange(&few, &turns), Buffer::HttpResponseBody),
            "<html>cit|"
        );
        let none = Limits { body: 0, ..few };
        assert_eq!(buffer(&exchange(&none, &turns), Buffer::FileData), "");
    }
}

#[test]
fn files_are_hashed_when_asked_for() {
    let limits = Limits {
        file_hashes: true,
        ..Limits::default()
    };
    check_with(
        &limits,
        &coded("gzip", &hex(GZIP)),
        expect![[r#"
        > {"http":{"hostname":"h","url":"/dir/file?x=1","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":37}}
        < {"fileinfo":{"filename":"f.htm","gaps":false,"state":"CLOSED","md5":"40de5de03d4fc8bbc4d8748a0f1617d6","sha1":"ec507dcc123f45fa2fb0fa956ab5316ae3a14f23","sha256":"a9086388b2ba064a3e1f467141a6eaa78adb756fd3a4dc122147d2c598bd1177","stored":false,"size":213}}
    "#]],
    );
    check_with(
        &limits,
        &coded("gzip, br", &hex(GZIP)),
        expect![[r#"
        < malformed http.decompression_failed
        > {"http":{"hostname":"h","url":"/dir/file?x=1","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":37}}
    "#]],
    );
    check_with(
        &limits,
        &coded("gzip, gzip, gzip, gzip", &hex(GZIP)),
        expect![[r#"
        < malformed http.coding_layers
        > {"http":{"hostname":"h","url":"/dir/file?x=1","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":37}}
        < {"fileinfo":{"filename":"f.htm","gaps":false,"state":"CLOSED","md5":"4b3d4a62e864787df912a631b4775cb2","sha1":"c38f31f1315bdaf29e9ffc15d97d583be0387d4d","sha256":"eabebe8a427d7684e487f2b4edfa3602669303efc5e28af7d5b375ea49ac755b","stored":false,"size":37}}
    "#]],
    );
    // A file name that never ends, twice: what the inner coding swallows has a budget too.
    let deflate = |bytes: &[u8]| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    };
    let endless = [&b"\x1f\x8b\x08\x08\0\0\0\0\0\x03"[..], &[b'a'; 2 << 20]].concat();
    check_with(
        &limits,
        &coded("gzip, gzip, gzip", &deflate(&deflate(&endless))),
        expect![[r#"
            < malformed http.decompression_budget
            > {"http":{"hostname":"h","url":"/dir/file?x=1","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":80}}
        "#]],
    );
    let small = Limits {
        decompressed: 100,
        ..limits
    };
    check_with(
        &small,
        &coded("br", &hex(BROTLI)),
        expect![[r#"
        < malformed http.decompression_budget
        > {"http":{"hostname":"h","url":"/dir/file?x=1","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":31}}
        < {"fileinfo":{"filename":"f.htm","gaps":false,"state":"TRUNCATED","stored":false,"size":100}}
    "#]],
    );
}

#[test]
fn rules_see_every_part() {
    let turns = [
        client(
            "POST http://User@Host.Example:81/a/./b/../%63//d%2e?q=%41 HTTP/1.1\r\nHost: Host.Example:81\r\n\
             Cookie: sid=1\r\nAccept: */*\r\nConnection: close\r\nContent-Type: a/b\r\nContent-Length: 2\r\n\r\nhi",
        ),
        server(
            "HTTP/1.1 200 Very OK\r\nServer: s\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nLocation: /l\r\nContent-Length: 3\r\n\r\nyou",
        ),
    ];
    let transaction = exchange(&Limits::default(), &turns);
    use Buffer::*;
    let text: String = [
        HttpMethod,
        HttpUri,
        HttpUriRaw,
        HttpHost,
        HttpHostRaw,
        HttpUserAgent,
        HttpReferer,
        HttpCookie,
        HttpAccept,
        HttpContentType,
        HttpContentLength,
        HttpConnection,
        HttpServer,
        HttpLocation,
        HttpProtocol,
        HttpStatCode,
        HttpStatMsg,
        HttpRequestLine,
        HttpResponseLine,
        HttpRequestHeader,
        HttpResponseHeader,
        HttpRequestBody,
        HttpResponseBody,
        FileData,
    ]
    .iter()
    .map(|which| format!("{which:?} {:?}\n", buffer(&transaction, *which)))
    .collect();
    expect![[r#"
        HttpMethod "POST|"
        HttpUri "/a/c/d.?q=A|"
        HttpUriRaw "http://User@Host.Example:81/a/./b/../%63//d%2e?q=%41|"
        HttpHost "host.example|"
        HttpHostRaw "User@Host.Example:81|"
        HttpUserAgent ""
        HttpReferer ""
        HttpCookie "sid=1|a=1|b=2|"
        HttpAccept "*/*|"
        HttpContentType "a/b|"
        HttpContentLength "2|3|"
        HttpConnection "close|"
        HttpServer "s|"
        HttpLocation "/l|"
        HttpProtocol "HTTP/1.1|HTTP/1.1|"
        HttpStatCode "200|"
        HttpStatMsg "Very OK|"
        HttpRequestLine "POST http://User@Host.Example:81/a/./b/../%63//d%2e?q=%41 HTTP/1.1|"
        HttpResponseLine "HTTP/1.1 200 Very OK|"
        HttpRequestHeader "Host: Host.Example:81\r\nCookie: sid=1\r\nAccept: */*\r\nConnection: close\r\nContent-Type: a/b\r\nContent-Length: 2\r\n|"
        HttpResponseHeader "Server: s\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nLocation: /l\r\nContent-Length: 3\r\n|"
        HttpRequestBody "hi|"
        HttpResponseBody "you|"
        FileData "hi|you|"
    "#]].assert_eq(&text);
    assert_eq!(transaction.record().number(Number::HttpStatCode), Some(200));
}

#[test]
fn http_is_recognised_by_its_first_line() {
    let probe = |direction, data: &str| {
        let hint = Hint {
            carrier: Carrier::Tcp,
            direction,
            initiator_port: 1,
            responder_port: 2,
        };
        (ENTRY.probe)(&hint, data.as_bytes())
    };
    use Direction::{ToInitiator, ToResponder};
    for (direction, data, expected) in [
        (ToResponder, "G", Probe::Maybe),
        (ToResponder, "GET ", Probe::Maybe),
        (ToResponder, "GET /", Probe::Yes),
        (ToInitiator, "GET /", Probe::Reversed),
        (ToResponder, "OPTIONS * HTTP/1.1\r\n", Probe::Yes),
        (ToResponder, "OPTIONS rtsp://cam/1 RTSP/1.0\r\n", Probe::No),
        (ToResponder, "CONNECT a:443 HTTP/1.0\r\n", Probe::Yes),
        (ToResponder, "CONNECT a:443 HT", Probe::Maybe),
        (ToResponder, "HELO a\r\n", Probe::No),
        (ToResponder, "get /", Probe::No),
        (ToInitiator, "HTT", Probe::Maybe),
        (ToInitiator, "HTTP/1.1 200", Probe::Yes),
        (ToResponder, "HTTP/1.1 200", Probe::Reversed),
        (ToInitiator, "HTTP/2", Probe::No),
    ] {
        assert_eq!(probe(direction, data), expected, "{data:?}");
    }
}

/// What hostile conversations are put together from.
const WORDS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\n",
    b"GET /old\r\n",
    b"HEAD /a%2e%2E//..\\ HTTP/1.0\n",
    b"CONNECT a:1 HTTP/1.1\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 100 \r\n\r\n",
    b"HTTP/1.1 101 x\r\n",
    b"HTTP/1.0 304\r\n",
    b"Host: h\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: 18446744073709551615\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Content-Encoding: br, deflate\r\n",
    b"Authorization: Basic YWRtaW46MTIzNDU=\r\n",
    b" fold\r\n",
    b": x\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"fffffffffffffffff\r\n",
    b"5;x\r\nab",
    b"abc",
    b"\0\xff",
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xb3\xc9\x28\xc9\xcd\xb1",
    b"\x78\x9c\xb3\xc9",
    b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
    b" \r\n 5x\r\n",
    b" Transfer-Encoding\x0b: xchunked\r\n",
    b"Content-Encoding\r\n : gz\0ip\r\n",
    b"a: b\rContent-Length: 4\n",
    b" \n",
    b"\r\r\n",
    b" HTTP/1.1 200 ok\r\n",
    b"SSH-2.0-x\r\n",
];

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let word = prop_oneof![
        8 => proptest::sample::select(WORDS).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 0..40),
    ];
    let bytes = proptest::collection::vec(word, 1..12).prop_map(|words| words.concat());
    let turn = prop_oneof![
        5 => bytes.clone().prop_map(Turn::Client),
        5 => bytes.prop_map(Turn::Server),
        1 => (any::<bool>(), 0u64..40).prop_map(|(up, n)| {
            Turn::Gap(if up { Direction::ToResponder } else { Direction::ToInitiator }, n)
        }),
    ];
    proptest::collection::vec(turn, 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_cut_gives_the_same(turns in turns(), piece in 1usize..20, tight in any::<bool>(), hashes in any::<bool>()) {
        let limits = Limits {
            message: if tight { 48 } else { 4_096 },
            open_requests: if tight { 2 } else { 16 },
            decompressed: if tight { 16 } else { 4_096 },
            body: if tight { 20 } else { 4_096 },
            file_hashes: hashes,
            ..Limits::default()
        };
        let whole = transcript(&ENTRY, &limits, &turns, usize::MAX);
        prop_assert_eq!(&whole, &transcript(&ENTRY, &limits, &turns, piece));
        prop_assert_eq!(&whole, &transcript(&ENTRY, &limits, &turns, 1));
    }

    #[test]
    fn a_longer_start_never_changes_the_probe(data in prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        proptest::sample::select(WORDS).prop_map(<[u8]>::to_vec),
    ]) {
        let hint = crate::testing::hint(Direction::ToResponder);
        let mut sure = Probe::Maybe;
        for end in 0..=data.len() {
            let answer = (ENTRY.probe)(&hint, &data[..end]);
            if sure != Probe::Maybe {
                prop_assert_eq!(sure, answer);
            }
            sure = answer;
        }
    }
}

//! Buffers and numbers of protocols, through the real dissectors.

use crate::bench::Bench;

const REQUEST: &[u8] = b"POST /a/B%20c?x=1 HTTP/1.1\r\nHost: Example.org\r\nUser-Agent: agent/1\r\nAccept-Encoding: gzip\r\nCookie: k=v\r\nContent-Length: 5\r\n\r\nhello";
const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\nServer: small\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\nbye!";

/// Does a rule with these options match the exchange above?
fn http(options: &str) -> String {
    let rule = format!("alert http any any -> any any ({options}; sid:1;)");
    let mut bench = Bench::tcp(&rule, 40_000, 8_080);
    bench.client(REQUEST).server(RESPONSE).end();
    bench.text.clone()
}

#[test]
fn http_buffers_hold_what_they_are_called() {
    for options in [
        r#"http.method; content:"POST""#,
        r#"http.uri; content:"/a/B c"; startswith"#,
        r#"http.uri.raw; content:"B%20c""#,
        r#"content:"/a/b"; nocase; http_uri; content:"POST"; http_method"#,
        r#"uricontent:"/a/""#,
        r#"http.host; content:"example.org"; bsize:11"#,
        r#"http.user_agent; content:"agent""#,
        r#"http.cookie; content:"k=v""#,
        r#"flow:to_server; http.header; content:"User-Agent: agent/1|0d 0a|""#,
        r#"flow:to_server; http.header_names; content:"|0d 0a|User-Agent|0d 0a|Accept-Encoding|0d 0a|""#,
        r#"http.accept_enc; content:"gzip"; bsize:4"#,
        r#"flow:to_server; http.start; content:"HTTP/1.1|0d 0a|Host""#,
        r#"http.request_body; content:"hello""#,
        r#"content:"hell"; http_client_body; pcre:"/^POST$/M""#,
        r#"urilen:10; http.uri; content:"a""#,
        r#"urilen:>10,raw; http.uri; content:"a""#,
        r#"flow:to_server; file.data; content:"hello""#,
        r#"http.uri; to_lowercase; content:"/a/b c""#,
        r#"http.host; dotprefix; content:".example.org"; endswith"#,
        r#"http.uri; pcre:"/^\/a\/b/i"; content:"x=1"; distance:0"#,
        r#"http.referer; absent; http.uri; content:"a""#,
        r#"http.referer; content:!"q"; absent:or_else; http.uri; content:"a""#,
        // Its payload half is seen in the stream.
        r#"content:"User-Agent"; http.uri; content:"/a""#,
    ] {
        assert_eq!(http(options), "> 1\n", "{options}");
    }
    for options in [
        r#"http.stat_code; content:"200""#,
        r#"http.server; content:"small""#,
        r#"flow:to_client; http.header; content:"Content-Type""#,
        r#"flow:to_client; file_data; content:"bye""#,
        r#"http.response_line; content:"200 OK""#,
        r#"content:"200"; http_stat_code"#,
    ] {
        assert_eq!(http(options), "< 1\n", "{options}");
    }
}

#[test]
fn http_rules_do_not_match_what_is_elsewhere() {
    for options in [
        r#"http.method; content:"GET""#,
        r#"http.uri; content:"example""#,
        r#"flow:to_server; http.header; content:"small""#,
        r#"flow:to_client; http.header; content:"agent""#,
        r#"flow:to_client; file.data; content:"hello""#,
        r#"http.referer; content:!"q""#,
        r#"http.host; absent; http.uri; content:"a""#,
        r#"urilen:5; http.uri; content:"a""#,
        r#"content:"nowhere"; http.uri; content:"/a""#,
        r#"http.uri; content:"x=1"; content:"/a"; distance:0"#,
    ] {
        assert_eq!(http(options), "", "{options}");
    }
}

#[test]
fn a_protocol_alone_matches_once() {
    let rules = "alert ssh any any -> any !22 (sid:1;)
        alert ssh any any -> any any (flow:to_server; ssh.software; content:\"bear\"; sid:2;)
        alert ssh any any -> any any (flow:to_client; ssh.software; content:\"OpenSSH\"; sid:3;)
        alert http any any -> any any (sid:4;)";
    let mut bench = Bench::tcp(rules, 40_000, 2_022);
    bench
        .server(b"SSH-2.0-OpenSSH_9.2\r\n")
        .client(b"SSH-2.0-dropbear_2022\r\n")
        .end();
    assert_eq!(bench.text, "> 1\n> 2\n< 3\n");
}

#[test]
fn dns_rules_know_name_type_and_way() {
    let rules = r#"
        alert dns any any -> any 53 (dns.query; content:"example"; nocase; sid:1;)
        alert dns any any -> any any (dns.query; dotprefix; content:".evil.example"; endswith; sid:2;)
        alert dns any any -> any any (dns.rrtype:TXT; flow:to_server; sid:3;)
        alert dns any any -> any any (dns.opcode:!0; sid:4;)
        alert udp any any -> any 53 (content:"|04|evil|07|example|00|"; nocase; sid:5;)
        alert dns any any -> any any (content:"EVIL"; nocase; sid:6;)"#;
    let mut bench = Bench::udp(rules, 40_000, 53);
    bench.client(b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04evil\x07example\x00\x00\x10\x00\x01");
    bench.text.push_str("answer:\n");
    bench.server(b"\x12\x34\x81\x83\x00\x01\x00\x00\x00\x00\x00\x00\x04evil\x07example\x00\x00\x10\x00\x01");
    expect_test::expect![[r#"
        > 1
        > 2
        > 3
        > 5
        > 6
        answer:
        < 6
    "#]]
    .assert_eq(&bench.text);
}

#[test]
fn modbus_rules_know_function_access_and_address() {
    let rules = "
        alert modbus any any -> any any (modbus:access write holding, address 10<>20, value >5; sid:1;)
        alert modbus any any -> any any (modbus:function 6; sid:2;)
        alert modbus any any -> any any (modbus:unit 3, function !assigned; sid:3;)
        alert modbus any any -> any any (modbus:access read; sid:4;)
        alert modbus any any -> any any (modbus:function user; sid:5;)";
    let mut bench = Bench::tcp(rules, 40_000, 502);
    let write = b"\x00\x01\x00\x00\x00\x06\x03\x06\x00\x0c\x00\x09";
    bench.client(write).server(write);
    let read = b"\x00\x02\x00\x00\x00\x06\x03\x03\x00\x0c\x00\x01";
    bench
        .client(read)
        .server(b"\x00\x02\x00\x00\x00\x05\x03\x03\x02\x00\x09")
        .end();
    assert_eq!(bench.text, "> 1\n> 2\n> 4\n");
}

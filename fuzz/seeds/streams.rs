//! Stream protocols: HTTP, TLS, SSH, Telnet, MQTT, Modbus.

use crate::Seed;
use crate::captures::{crc32, gzip};
use crate::messages::ber;
use crate::talk::Talk;

fn http() -> Vec<(String, Talk)> {
    let get = "GET /lamp/7?level=40%25&x=%2e%2e%2f HTTP/1.1\r\nHost: lamps.city.example:8080\r\nUser-Agent: curl/8.5\r\nAccept: */*\r\nCookie: a=b\r\n\r\n";
    let login = "POST /login HTTP/1.1\r\nHost: 10.30.0.7\r\nAuthorization: Basic YWRtaW46YWRtaW4=\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 25\r\n\r\nuser=admin&password=admin";
    let fine =
        "HTTP/1.1 200 OK\r\nServer: lamp/1.0\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: z\r\n\r\n";
    let mut gzipped =
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let body = gzip(b"<html>compressed body</html>");
    gzipped.extend(format!("{:x}\r\n", body.len()).bytes());
    gzipped.extend(&body);
    gzipped.extend(b"\r\n0\r\n\r\n");
    // zlib around a stored block (RFC 1950, 1951), Adler-32 behind it.
    let deflated = b"\x78\x01\x01\x02\0\xfd\xffhi\x01\x3b\0\xd2";
    let deflate = [
        format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: {}\r\n\r\n",
            deflated.len()
        )
        .as_bytes(),
        deflated,
    ]
    .concat();
    // A brotli stream of one uncompressed meta-block is longest to write; this one is empty (RFC 7932).
    let brotli = b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\n\x06";
    let until_close = "HTTP/1.0 404 Not Found\r\nServer: old\r\n\r\nuntil the end";
    let multipart = "POST /fw HTTP/1.1\r\nHost: plc\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: 110\r\n\r\n--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"fw.bin\"\r\nContent-Type: app/x\r\n\r\nfirmware-bytes\r\n--B--\r\n";
    let new = || Talk::new(0x40, 0xf5);
    vec![
        ("get".to_owned(), new().client(get).server(fine)),
        ("pipelined".to_owned(), new().client([get, get, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"].concat()).server([fine, chunked].concat()).end(0).end(1)),
        ("login".to_owned(), new().pieces(0, 5, login).server("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"1\"\r\nContent-Length: 0\r\n\r\n")),
        ("chunked".to_owned(), new().client(get).pieces(1, 3, chunked)),
        ("gzip".to_owned(), new().client(get).pieces(1, 4, gzipped)),
        ("deflate".to_owned(), new().client(get).server(deflate)),
        ("brotli".to_owned(), new().client(get).server(brotli)),
        ("until-close".to_owned(), new().client(get).server(until_close).end(1)),
        ("multipart".to_owned(), new().client(multipart).server("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")),
        ("connect".to_owned(), new().client("CONNECT 10.0.0.1:502 HTTP/1.1\r\nHost: x\r\n\r\n").server("HTTP/1.1 200 Connected\r\n\r\n").client("\0\x01\0\0\0\x06\x01\x03\0\0\0\x01")),
        ("upgrade".to_owned(), new().client("GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n").server("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n").server(b"\x81\x02hi")),
        ("range".to_owned(), new().client(get).server("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/5\r\nContent-Disposition: attachment; filename=\"a b.txt\"\r\nContent-Length: 2\r\n\r\nhe")),
        ("folded".to_owned(), new().client("GET http://h/a HTTP/1.1\nHost: h\n X: y\nContent-Length: 3\nContent-Length: 4\nTransfer-Encoding: chunked\n\n").gap(0, 100).client(get)),
    ]
}

fn with_length(length: usize, bytes: &[u8]) -> Vec<u8> {
    let size = (bytes.len() as u32).to_be_bytes();
    [&size[4 - length..], bytes].concat()
}

fn tls_record(kind: u8, version: u8, bytes: &[u8]) -> Vec<u8> {
    [&[kind, 3, version][..], &with_length(2, bytes)].concat()
}

fn handshake(kind: u8, bytes: &[u8]) -> Vec<u8> {
    [&[kind][..], &with_length(3, bytes)].concat()
}

fn extension(kind: u16, bytes: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &with_length(2, bytes)].concat()
}

pub fn client_hello() -> Vec<u8> {
    let name = with_length(2, b"hub.city.example");
    let extensions = [
        extension(0x0a0a, b""),
        extension(0, &with_length(2, &[&[0][..], &name].concat())),
        extension(10, &with_length(2, &[0, 29, 0, 23])),
        extension(11, &[1, 0]),
        extension(13, &with_length(2, &[4, 3, 8, 4, 4, 1])),
        extension(16, &with_length(2, b"\x02h2\x08http/1.1")),
        extension(43, &with_length(1, &[0x1a, 0x1a, 3, 4, 3, 3])),
        extension(51, &with_length(2, &[0, 29, 0, 4, 1, 2, 3, 4])),
        extension(23, b""),
    ]
    .concat();
    let ciphers = with_length(2, &[0x1a, 0x1a, 0x13, 1, 0x13, 2, 0xc0, 0x2b, 0, 0x2f]);
    let hello = [
        &[3, 3][..],
        &[0x5a; 32],
        &with_length(1, &[7; 32]),
        &ciphers,
        &[1, 0],
        &with_length(2, &extensions),
    ]
    .concat();
    tls_record(22, 1, &handshake(1, &hello))
}

fn server_hello(version: u8, cipher: u16, extensions: &[u8]) -> Vec<u8> {
    let hello = [
        &[3, version][..],
        &[0xa5; 32],
        &with_length(1, &[7; 32]),
        &cipher.to_be_bytes(),
        &[0],
        &with_length(2, extensions),
    ]
    .concat();
    handshake(2, &hello)
}

/// X.509 (RFC 5280, 4.1), with an RSA key of no use and a signature of zeroes.
fn certificate() -> Vec<u8> {
    let rsa = ber(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]);
    let sha1 = ber(
        0x30,
        &[
            ber(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5]),
            ber(5, b""),
        ]
        .concat(),
    );
    let attribute = |last: u8, value: &[u8]| {
        let pair = [ber(6, &[0x55, 4, last]), ber(12, value)].concat();
        ber(0x31, &ber(0x30, &pair))
    };
    let name = ber(
        0x30,
        &[
            attribute(6, b"XX"),
            attribute(10, b"Example City"),
            attribute(3, b"hub.city.example"),
        ]
        .concat(),
    );
    let validity = ber(
        0x30,
        &[ber(0x17, b"200101000000Z"), ber(0x18, b"20300101000000Z")].concat(),
    );
    let key = ber(0x30, &[ber(2, &[0x5a; 128]), ber(2, &[1, 0, 1])].concat());
    let key = ber(
        0x30,
        &[
            ber(0x30, &[rsa, ber(5, b"")].concat()),
            ber(3, &[&[0][..], &key].concat()),
        ]
        .concat(),
    );
    let names = ber(0x30, &ber(0x82, b"hub.city.example"));
    let alternatives = ber(0x30, &[ber(6, &[0x55, 0x1d, 0x11]), ber(4, &names)].concat());
    let extensions = ber(0xa3, &ber(0x30, &alternatives));
    let signed = ber(
        0x30,
        &[
            ber(0xa0, &ber(2, &[2])),
            ber(2, &[9, 8, 7]),
            sha1.clone(),
            name.clone(),
            validity,
            name,
            key,
            extensions,
        ]
        .concat(),
    );
    ber(0x30, &[signed, sha1, ber(3, &[0; 129])].concat())
}

fn tls() -> Vec<(String, Talk)> {
    let chain = with_length(3, &with_length(3, &certificate()));
    let old = [
        server_hello(3, 0x002f, &extension(0xff01, &[0])),
        handshake(11, &chain),
        handshake(14, b""),
    ]
    .concat();
    let new = server_hello(
        3,
        0x1301,
        &[extension(43, &[3, 4]), extension(51, &[0, 29, 0, 4, 1, 2, 3, 4])].concat(),
    );
    let change = tls_record(20, 3, &[1]);
    let data = tls_record(23, 3, &[0x77; 40]);
    let socks = b"\x05\x01\0".to_vec();
    let sslv2 = b"\x80\x2e\x01\0\x02\0\x15\0\0\0\x10\x01\0\x80\x02\0\x80\x03\0\x80\x04\0\x80\x05\0\x80\x06\0\x40\x07\0\xc0abcdefghijklmnop".to_vec();
    let cut = |bytes: &[u8]| {
        bytes
            .chunks(50)
            .map(|part| tls_record(22, 3, part))
            .collect::<Vec<_>>()
            .concat()
    };
    vec![
        (
            "tls12".to_owned(),
            Talk::new(0, 0xf6)
                .client(client_hello())
                .server(tls_record(22, 3, &old))
                .client(
                    [
                        tls_record(22, 3, &handshake(16, &[1; 20])),
                        change.clone(),
                        data.clone(),
                    ]
                    .concat(),
                )
                .server([change.clone(), data.clone()].concat())
                .end(0),
        ),
        (
            "tls13".to_owned(),
            Talk::new(0, 0xf6).pieces(0, 3, client_hello()).pieces(
                1,
                4,
                [tls_record(22, 3, &new), change, data].concat(),
            ),
        ),
        (
            "cut-records".to_owned(),
            Talk::new(0, 0xf6).client(client_hello()).server(cut(&old)),
        ),
        (
            "alert".to_owned(),
            Talk::new(0, 0xf6)
                .client(client_hello())
                .server(tls_record(21, 3, &[2, 40]))
                .end(1),
        ),
        (
            "socks".to_owned(),
            Talk::new(0, 0xf6)
                .client(socks)
                .server(b"\x05\0")
                .client(b"\x05\x01\0\x01\x0a\0\0\x01\x01\xbb")
                .server(b"\x05\0\0\x01\0\0\0\0\0\0")
                .client(client_hello()),
        ),
        ("sslv2".to_owned(), Talk::new(0, 0xf6).client(sslv2)),
        (
            "gap".to_owned(),
            Talk::new(0, 0xf6)
                .client(client_hello())
                .gap(1, 500)
                .server(tls_record(22, 3, &old)),
        ),
    ]
}

fn ssh() -> Vec<(String, Talk)> {
    let list = |text: &str| with_length(4, text.as_bytes());
    let init = [
        &[20][..],
        &[9; 16],
        &list("curve25519-sha256,diffie-hellman-group1-sha1"),
        &list("ssh-ed25519,ssh-rsa"),
        &list("chacha20-poly1305@openssh.com,aes128-cbc"),
        &list("aes128-ctr"),
        &list("hmac-sha2-256"),
        &list("hmac-md5"),
        &list("none,zlib@openssh.com"),
        &list("none"),
        &list(""),
        &list(""),
        &[0; 5],
    ]
    .concat();
    let packet = |payload: &[u8]| {
        let padding = 4 + (8 - (payload.len() + 9) % 8) % 8;
        with_length(4, &[&[padding as u8][..], payload, &vec![0; padding]].concat())
    };
    let client = [
        b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(),
        packet(&init),
        packet(&[30, 0, 0, 0, 1, 7]),
        packet(&[21]),
    ]
    .concat();
    let server = [
        b"hello there\r\nSSH-2.0-dropbear_2022.83 lamp\r\n".to_vec(),
        packet(&init),
        packet(&[31, 0, 0, 0, 1, 7]),
        packet(&[21]),
    ]
    .concat();
    vec![
        (
            "whole".to_owned(),
            Talk::new(0, 0xfc)
                .client(&client)
                .server(&server)
                .client([5; 64])
                .end(0),
        ),
        (
            "pieces".to_owned(),
            Talk::new(0, 0xfc).pieces(1, 1, &server).pieces(0, 4, &client),
        ),
        (
            "version1".to_owned(),
            Talk::new(0, 0xfc)
                .server("SSH-1.99-Cisco-1.25\n")
                .client("SSH-1.5-old\n"),
        ),
        (
            "lost".to_owned(),
            Talk::new(0, 0xfc)
                .client("SSH-2.0-a\r\n")
                .gap(1, 7)
                .server(packet(&init))
                .client(packet(&init)),
        ),
    ]
}

fn telnet() -> Vec<(String, Talk)> {
    let offer = b"\xff\xfd\x18\xff\xfb\x01\xff\xfb\x03\xff\xfa\x18\x01\xff\xf0";
    let reply = b"\xff\xfb\x18\xff\xfd\x01\xff\xfa\x18\0xterm\xff\xf0";
    vec![
        (
            "login".to_owned(),
            Talk::new(0, 0xfd)
                .server([&offer[..], b"\r\nlamp-7 login: "].concat())
                .client(reply)
                .pieces(0, 1, "root\r\n")
                .server("root\r\nPassword: ")
                .pieces(0, 2, "xc3511\r\n")
                .server("\r\nWelcome\r\n~ # ")
                .client("cat /proc/cpuinfo\r\n")
                .server("cat /proc/cpuinfo\r\nbusy\r\n~ # ")
                .end(0),
        ),
        (
            "refused".to_owned(),
            Talk::new(0, 0xfd)
                .server("Username: ")
                .client("admin\r\0")
                .server("admin\r\nPassword:")
                .client("admin\r\0")
                .server("\r\n% Login invalid\r\n\r\nUsername: ")
                .client("a\x7fb\x15c\r\n")
                .end(1),
        ),
        (
            "ahead".to_owned(),
            Talk::new(0, 0xfd)
                .server(b"\xff\xfe\x22login: ")
                .client("u\r\np\r\nls\r\n")
                .gap(0, 4)
                .client("x\r\n")
                .server("\x1b[2J$ "),
        ),
    ]
}

fn mqtt_packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut rest = body.len();
    loop {
        let more = rest >= 128;
        packet.push((rest % 128) as u8 | if more { 0x80 } else { 0 });
        rest /= 128;
        if !more {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

fn mqtt() -> Vec<(String, Talk)> {
    let text = |t: &str| with_length(2, t.as_bytes());
    let properties = |p: &[u8]| with_length(1, p);
    let connect = |level: u8, properties: Vec<u8>, will: Vec<u8>| {
        let head = [
            text("MQTT"),
            vec![level, 0xee, 0, 60],
            properties,
            text("lamp-7"),
            will,
        ];
        mqtt_packet(
            0x10,
            &[
                head.concat(),
                text("city/will"),
                text("gone"),
                text("lamp"),
                text("secret"),
            ]
            .concat(),
        )
    };
    let four = connect(4, vec![], vec![]);
    let five = connect(
        5,
        properties(&[0x11, 0, 0, 0, 9, 0x21, 0, 5, 0x26, 0, 1, b'a', 0, 1, b'b']),
        properties(&[0x18, 0, 0, 0, 1]),
    );
    let publish = mqtt_packet(
        0x33,
        &[text("city/lamp/7/set"), vec![0, 1], b"{\"level\":40}".to_vec()].concat(),
    );
    let publish5 = mqtt_packet(
        0x30,
        &[
            text("city/lamp/7"),
            properties(&[0x23, 0, 4, 0x01, 1, 0x02, 0, 0, 0, 9]),
            b"21.5".to_vec(),
        ]
        .concat(),
    );
    let alias = mqtt_packet(
        0x30,
        &[text(""), properties(&[0x23, 0, 4]), b"22.5".to_vec()].concat(),
    );
    let subscribe = mqtt_packet(
        0x82,
        &[vec![0, 2], text("city/#"), vec![1], text("+/x"), vec![0]].concat(),
    );
    let subscribe5 = mqtt_packet(
        0x82,
        &[vec![0, 2], properties(&[0x0b, 7]), text("city/#"), vec![1]].concat(),
    );
    let old = mqtt_packet(0x10, &[text("MQIsdp"), vec![3, 2, 0, 60], text("old")].concat());
    vec![
        (
            "v4".to_owned(),
            Talk::new(0, 0xfb)
                .client(four)
                .server(b"\x20\x02\0\0")
                .client([publish, subscribe].concat())
                .server(b"\x40\x02\0\x01\x90\x04\0\x02\x01\0")
                .client(b"\xc0\0")
                .server(b"\xd0\0")
                .client(b"\xa2\x0a\0\x03\0\x06city/#")
                .server(b"\xb0\x02\0\x03")
                .client(b"\xe0\0"),
        ),
        (
            "v5".to_owned(),
            Talk::new(0, 0xfb)
                .pieces(0, 3, five)
                .server(b"\x20\x06\0\0\x03\x22\0\x0a")
                .client([publish5, alias, subscribe5].concat())
                .server(b"\x90\x04\0\x02\0\x01")
                .server(b"\xe0\x02\x8b\0")
                .client(b"\xf0\x02\x18\0"),
        ),
        (
            "qos2".to_owned(),
            Talk::new(0, 0xfb)
                .client(old)
                .server(b"\x20\x02\0\x05")
                .client(mqtt_packet(0x34, b"\0\x01t\0\x09x"))
                .server(b"\x50\x02\0\x09")
                .client(b"\x62\x02\0\x09")
                .server(b"\x70\x02\0\x09"),
        ),
        (
            "midstream".to_owned(),
            Talk::new(0, 0xfb)
                .gap(0, 9)
                .client(mqtt_packet(0x30, b"\0\x01tvalue"))
                .server(mqtt_packet(0x30, &[0; 200])),
        ),
    ]
}

fn modbus() -> Vec<(String, Talk)> {
    let adu = |id: u16, pdu: &[u8]| {
        [
            &id.to_be_bytes()[..],
            &[0, 0],
            &(pdu.len() as u16 + 1).to_be_bytes(),
            &[1],
            pdu,
        ]
        .concat()
    };
    let pairs: [(&str, &[u8], &[u8]); 14] = [
        ("read-coils", b"\x01\0\x10\0\x0a", b"\x01\x02\xff\x03"),
        ("read-holding", b"\x03\0\x28\0\x02", b"\x03\x04\0\x01\0\x02"),
        ("read-input", b"\x04\0\x28\0\x01", b"\x04\x02\x12\x34"),
        ("write-coil", b"\x05\0\x10\xff\0", b"\x05\0\x10\xff\0"),
        ("write-register", b"\x06\0\x28\x12\x34", b"\x06\0\x28\x12\x34"),
        ("diagnostics", b"\x08\0\x01\0\0", b"\x08\0\x01\0\0"),
        (
            "write-coils",
            b"\x0f\0\x10\0\x0a\x02\xcd\x01",
            b"\x0f\0\x10\0\x0a",
        ),
        (
            "write-registers",
            b"\x10\0\x28\0\x02\x04\0\x0a\x01\x02",
            b"\x10\0\x28\0\x02",
        ),
        ("server-id", b"\x11", b"\x11\x05lamp\xff"),
        (
            "file",
            b"\x14\x07\x06\0\x04\0\x01\0\x02",
            b"\x14\x06\x05\x06\x0d\xfe\0\x20",
        ),
        ("mask", b"\x16\0\x04\0\xf2\0\x25", b"\x16\0\x04\0\xf2\0\x25"),
        (
            "read-write",
            b"\x17\0\x03\0\x01\0\x0e\0\x01\x02\0\xff",
            b"\x17\x02\0\xfe",
        ),
        (
            "identity",
            b"\x2b\x0e\x01\0",
            b"\x2b\x0e\x01\x01\0\0\x02\0\x04city\x01\x02p7",
        ),
        ("exception", b"\x03\xff\xff\0\x01", b"\x83\x02"),
    ];
    let mut all: Vec<(String, Talk)> = pairs
        .iter()
        .map(|(title, ask, answer)| {
            (
                (*title).to_owned(),
                Talk::new(0, 0xfa).client(adu(5, ask)).server(adu(5, answer)),
            )
        })
        .collect();
    let poll = |id| adu(id, b"\x03\0\x28\0\x02");
    let told = |id| adu(id, b"\x03\x04\0\x01\0\x02");
    all.push((
        "polling".to_owned(),
        Talk::new(0, 0xfa)
            .pieces(0, 4, [poll(1), poll(2), poll(3)].concat())
            .pieces(1, 2, [told(2), told(1)].concat())
            .gap(1, 13)
            .server(told(3))
            .end(0),
    ));
    all.push(("many".to_owned(), Talk::new(0, 0xfa).again(6, poll(9))));
    all
}

pub fn seeds() -> Vec<Seed> {
    debug_assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    let all = [
        ("http", http()),
        ("tls", tls()),
        ("ssh", ssh()),
        ("telnet", telnet()),
        ("mqtt", mqtt()),
        ("modbus", modbus()),
    ];
    let mut seeds = Vec::new();
    for (target, talks) in all {
        for (title, talk) in talks {
            seeds.push(("session", format!("{target}-{title}"), talk.starting(0, 0xff)));
            seeds.push((target, title, talk.done()));
        }
    }
    seeds
}

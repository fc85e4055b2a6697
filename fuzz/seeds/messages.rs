//! Datagram protocols: DNS, DHCP, NTP, ARP, SNMP.

use crate::Seed;
use crate::talk::Talk;

fn name(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in text.split('.') {
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    out
}

/// Header with these counts (RFC 1035, 4.1.1).
fn dns_header(id: u16, flags: u16, counts: [u16; 4]) -> Vec<u8> {
    let [a, b, c, d] = counts;
    [id, flags, a, b, c, d].map(u16::to_be_bytes).concat()
}

pub fn dns_query(text: &str, kind: u16) -> Vec<u8> {
    let end = [kind, 1].map(u16::to_be_bytes).concat();
    [dns_header(7, 0x0100, [1, 0, 0, 0]), name(text), end].concat()
}

/// An answer record that points back to the question's name.
fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    let head = [0xc00c, kind, 1, 0, 300, data.len() as u16].map(u16::to_be_bytes);
    [&head.concat()[..], data].concat()
}

pub fn dns_answer(text: &str, kind: u16, records: &[Vec<u8>]) -> Vec<u8> {
    let end = [kind, 1].map(u16::to_be_bytes).concat();
    let header = dns_header(7, 0x8180, [1, records.len() as u16, 0, 0]);
    [header, name(text), end, records.concat()].concat()
}

fn dns() -> Vec<(String, Talk)> {
    let host = "signal-12.city.example";
    let soa = [name("ns.city.example"), name("root.city.example"), vec![0; 20]].concat();
    let records: [(&str, u16, Vec<u8>); 12] = [
        ("a", 1, vec![10, 20, 0, 12]),
        ("ns", 2, name("ns.city.example")),
        ("cname", 5, vec![0xc0, 22]),
        ("soa", 6, soa),
        ("ptr", 12, name("a.city.example")),
        ("mx", 15, [vec![0, 10], name("mail.city.example")].concat()),
        ("txt", 16, b"\x05hello\x05world".to_vec()),
        ("aaaa", 28, vec![0xfd; 16]),
        (
            "srv",
            33,
            [vec![0, 1, 0, 2, 0x01, 0xbb], name("srv.city.example")].concat(),
        ),
        ("ds", 43, [vec![0x12, 0x34, 8, 2], vec![7; 32]].concat()),
        ("sshfp", 44, [vec![4, 2], vec![9; 32]].concat()),
        ("https", 65, b"\0\x01\0\0\x01\0\x06\x02h2\x02h3".to_vec()),
    ];
    let mut all: Vec<(String, Talk)> = records
        .into_iter()
        .map(|(title, kind, data)| {
            let talk = Talk::new(1, 0xf0)
                .client(dns_query(host, kind))
                .server(dns_answer(host, kind, &[record(kind, &data)]));
            (title.to_owned(), talk)
        })
        .collect();
    let framed = |message: Vec<u8>| [&(message.len() as u16).to_be_bytes()[..], &message].concat();
    let query = framed(dns_query(host, 1));
    let answer = framed(dns_answer(host, 1, &[record(1, &[10, 20, 0, 12])]));
    all.push((
        "tcp".to_owned(),
        Talk::new(0, 0xf0)
            .pieces(0, 2, [query.clone(), query.clone()].concat())
            .pieces(1, 5, [answer.clone(), answer].concat())
            .gap(0, 9)
            .client(query)
            .end(0),
    ));
    let mut edns = dns_query(host, 255);
    edns[11] = 1;
    edns.extend(b"\0\0\x29\x10\0\0\0\x80\0\0\x0c\0\x0a\0\x08cookie-1");
    all.push(("edns".to_owned(), Talk::new(1, 0xf0).client(edns)));
    let mut mdns = dns_answer(
        "_http._tcp.local",
        12,
        &[record(12, &name("lamp._http._tcp.local"))],
    );
    mdns[0..2].copy_from_slice(&[0, 0]);
    all.push(("mdns".to_owned(), Talk::new(1, 0x11).client(mdns)));
    let mut update = dns_query(host, 6);
    update[2] = 0x28;
    all.push(("update".to_owned(), Talk::new(1, 0xf0).client(update)));
    let mut looped = dns_header(7, 0x8180, [1, 0, 0, 0]);
    looped.extend([1, b'a', 0xc0, 12, 0, 1, 0, 1]);
    all.push(("loop".to_owned(), Talk::new(1, 0xf0).server(looped)));
    all
}

/// BOOTP fields, the magic number, then options (RFC 2131, 2132).
pub fn dhcp_message(op: u8, options: &[u8]) -> Vec<u8> {
    let mut message = vec![op, 1, 6, 0, 0x11, 0x22, 0x33, 0x44, 0, 1, 0x80, 0];
    message.extend([0; 16]);
    message.extend([2, 0, 0, 0, 0, 9]);
    message.resize(236, 0);
    message.extend([99, 130, 83, 99]);
    message.extend_from_slice(options);
    message
}

fn dhcp() -> Vec<(String, Talk)> {
    let discover =
        b"\x35\x01\x01\x3d\x07\x01\x02\0\0\0\0\x09\x0c\x04lamp\x3c\x08udhcp1.3\x37\x04\x01\x03\x06\x0f\xff";
    let offer = b"\x35\x01\x02\x36\x04\x0a\x01\0\x43\x33\x04\0\0\x0e\x10\x01\x04\xff\xff\xff\0\x03\x04\x0a\x01\0\x01\x06\x08\x0a\x01\0\x35\x0a\x01\0\x36\xff";
    let request = b"\x35\x01\x03\x32\x04\x0a\x01\0\x09\x36\x04\x0a\x01\0\x43\x51\x08\0\0\0lamp1\x52\x06\x01\x04port\xff";
    let ack =
        b"\x35\x01\x05\x0f\x0ccity.example\x2a\x04\x0a\x01\0\x7b\x79\x05\x18\x0a\x01\x02\x03\x34\x01\x03\xff";
    let whole = Talk::new(0, 0x43)
        .client(dhcp_message(1, discover))
        .server(dhcp_message(2, offer))
        .client(dhcp_message(1, request))
        .server(dhcp_message(2, ack));
    let mut bootp = dhcp_message(1, b"");
    bootp.truncate(236);
    bootp.resize(300, 0);
    vec![
        ("lease".to_owned(), whole),
        ("bootp".to_owned(), Talk::new(0, 0x43).client(bootp)),
        (
            "inform".to_owned(),
            Talk::new(0, 0x43).client(dhcp_message(1, b"\x35\x01\x08\0\0\x0c\x02a\xff")),
        ),
    ]
}

/// RFC 5905, 7.3: leap, version and mode in the first byte.
pub fn ntp_message(first: u8, stratum: u8) -> Vec<u8> {
    let mut message = vec![first, stratum, 6, 0xec, 0, 0, 1, 0, 0, 0, 2, 0];
    message.extend(b"GPS\0");
    message.extend([0xe9, 0x11, 0x22, 0x33, 0x80, 0, 0, 0].repeat(4));
    message
}

fn ntp() -> Vec<(String, Talk)> {
    let signed = [&ntp_message(0x23, 0)[..], &[0, 0, 0, 5], &[9; 16]].concat();
    let extended = [
        &ntp_message(0x23, 0)[..],
        b"\x01\x04\0\x10unique-id-12",
        &[0; 4],
        &[8; 16],
    ]
    .concat();
    let control = b"\x16\x02\0\x01\0\0\0\0\0\0\0\x0aversion=\"4\"".to_vec();
    let private = [&[0x17, 0, 3, 0x2a][..], &[0; 4]].concat();
    vec![
        (
            "client".to_owned(),
            Talk::new(0, 0xf7)
                .client(ntp_message(0x23, 0))
                .server(ntp_message(0x24, 2)),
        ),
        ("v3".to_owned(), Talk::new(0, 0xf7).client(ntp_message(0xdb, 0))),
        (
            "symmetric".to_owned(),
            Talk::new(0, 0x77).client(ntp_message(0x21, 3)),
        ),
        (
            "broadcast".to_owned(),
            Talk::new(0, 0x77).client(ntp_message(0x25, 1)),
        ),
        ("signed".to_owned(), Talk::new(0, 0xf7).client(signed)),
        ("extension".to_owned(), Talk::new(0, 0xf7).client(extended)),
        ("control".to_owned(), Talk::new(0, 0xf7).client(control)),
        ("private".to_owned(), Talk::new(0, 0xf7).client(private)),
    ]
}

/// RFC 826 for Ethernet and IPv4.
pub fn arp_message(operation: u8, sender: u8, target: u8) -> Vec<u8> {
    let mut message = vec![0, 1, 8, 0, 6, 4, 0, operation, 2, 0, 0, 0, 0, sender];
    message.extend([10, 0, 0, sender, 2, 0, 0, 0, 0, target, 10, 0, 0, target]);
    message
}

fn arp() -> Vec<(String, Talk)> {
    let mut odd = arp_message(1, 1, 2);
    odd[4] = 2;
    vec![
        (
            "request".to_owned(),
            Talk::new(0, 0xff)
                .client(arp_message(1, 1, 2))
                .server(arp_message(2, 2, 1)),
        ),
        (
            "gratuitous".to_owned(),
            Talk::new(0, 0xff).client(arp_message(2, 3, 3)),
        ),
        ("lengths".to_owned(), Talk::new(0, 0xff).client(odd)),
    ]
}

/// BER with a definite length (X.690, 8.1.3).
pub fn ber(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head = match length {
        0..=0x7f => vec![tag, length as u8],
        0x80..=0xff => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    [&head[..], content].concat()
}

fn binding(value: &[u8]) -> Vec<u8> {
    ber(
        0x30,
        &[&ber(6, &[0x2b, 6, 1, 4, 1, 0x89, 0x36, 4, 2, 1])[..], value].concat(),
    )
}

fn pdu(tag: u8, bindings: &[Vec<u8>]) -> Vec<u8> {
    let numbers = b"\x02\x02\x12\x34\x02\x01\0\x02\x01\0";
    ber(tag, &[&numbers[..], &ber(0x30, &bindings.concat())].concat())
}

pub fn snmp_message(version: u8, pdu: &[u8]) -> Vec<u8> {
    ber(0x30, &[&[2, 1, version][..], b"\x04\x06public", pdu].concat())
}

fn snmp() -> Vec<(String, Talk)> {
    let values = [
        ber(2, &[0x12, 0x34]),
        ber(4, b"Signal controller, v2"),
        ber(5, b""),
        ber(6, &[0x2b, 6, 1, 2, 1, 1]),
        ber(0x40, &[10, 0, 0, 1]),
        ber(0x41, &[1, 2, 3]),
        ber(0x42, &[5]),
        ber(0x43, &[9, 9]),
        ber(0x44, b"\x9f\x78\x04\x42\xf6\0\0"),
        ber(0x46, &[1; 8]),
        ber(0x80, b""),
        ber(0x82, b""),
    ]
    .map(|value| binding(&value));
    let get = pdu(0xa0, &[binding(&ber(5, b""))]);
    let set = pdu(0xa3, &[binding(&ber(2, &[3]))]);
    let answer = pdu(0xa2, &values);
    let description = ber(
        0x30,
        &[
            &ber(6, &[0x2b, 6, 1, 2, 1, 1, 1, 0])[..],
            &ber(4, b"Lamp controller 7"),
        ]
        .concat(),
    );
    let bulk = ber(
        0xa5,
        &[
            &b"\x02\x01\x05\x02\x01\0\x02\x01\x0a"[..],
            &ber(0x30, &binding(&ber(5, b""))),
        ]
        .concat(),
    );
    let trap1 = ber(
        0xa4,
        &[
            &ber(6, &[0x2b, 6, 1, 4, 1])[..],
            &ber(0x40, &[10, 0, 0, 9]),
            b"\x02\x01\x06\x02\x01\x07",
            &ber(0x43, &[1]),
            &ber(0x30, &binding(&ber(2, &[1]))),
        ]
        .concat(),
    );
    let usm = ber(
        0x30,
        &[
            &ber(4, b"\x80\0\x1f\x88\x80engine")[..],
            b"\x02\x01\x02\x02\x01\x03",
            &ber(4, b"operator"),
            &ber(4, &[0; 12]),
            &ber(4, &[0; 8]),
        ]
        .concat(),
    );
    let v3 = |flags: u8, data: &[u8]| {
        let global = ber(
            0x30,
            &[&b"\x02\x01\x09\x02\x03\0\xff\xe3\x04\x01"[..], &[flags, 2, 1, 3]].concat(),
        );
        ber(0x30, &[&[2, 1, 3][..], &global, &ber(4, &usm), data].concat())
    };
    let scoped = ber(0x30, &[&ber(4, b"engine")[..], &ber(4, b""), &get].concat());
    let udp = || Talk::new(1, 0xf8);
    vec![
        (
            "get".to_owned(),
            udp()
                .client(snmp_message(1, &get))
                .server(snmp_message(1, &answer)),
        ),
        (
            "set".to_owned(),
            udp()
                .client(snmp_message(0, &set))
                .server(snmp_message(0, &answer)),
        ),
        (
            "description".to_owned(),
            udp().server(snmp_message(1, &pdu(0xa2, &[description]))),
        ),
        ("bulk".to_owned(), udp().client(snmp_message(1, &bulk))),
        (
            "trap1".to_owned(),
            Talk::new(1, 0xf9).client(snmp_message(0, &trap1)),
        ),
        (
            "trap2".to_owned(),
            Talk::new(1, 0xf9).client(snmp_message(1, &pdu(0xa7, &values))),
        ),
        (
            "v3".to_owned(),
            udp().client(v3(4, &scoped)).client(v3(7, &ber(4, &[0x5a; 40]))),
        ),
        (
            "tcp".to_owned(),
            Talk::new(0, 0xf8).pieces(0, 3, snmp_message(1, &get)),
        ),
    ]
}

pub fn seeds() -> Vec<Seed> {
    let all = [
        ("dns", dns()),
        ("dhcp", dhcp()),
        ("ntp", ntp()),
        ("arp", arp()),
        ("snmp", snmp()),
    ];
    let mut seeds = Vec::new();
    for (target, talks) in all {
        for (title, talk) in talks {
            // Carriers of `session`: 0 TCP, 1 UDP, 2 ARP.
            let carrier = match title.as_str() {
                "tcp" => 0,
                _ if target == "arp" => 2,
                _ => 1,
            };
            let bytes = talk.clone().done();
            seeds.push((
                "session",
                format!("{target}-{title}"),
                talk.starting(carrier, bytes[1]),
            ));
            seeds.push((target, title, bytes));
        }
    }
    seeds
}

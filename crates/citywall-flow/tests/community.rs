//! Community ID v1 against the values published with its specification
//! (corelight/community-id-spec, `baseline/`), seeds 0 and 1. One-way ICMP in falling order of
//! addresses, which the baseline lacks, was computed with pycommunityid 1.5.

use std::net::IpAddr;

use citywall_flow::{Carrier, Endpoint, Flow, State, community_id};
use citywall_packet::Vlans;

fn id(carrier: Carrier, src: (&str, u16), dst: (&str, u16), seed: u16) -> String {
    let end = |(ip, port): (&str, u16)| {
        let ip: Option<IpAddr> = ip.parse().ok();
        Endpoint { ip, port, mac: None }
    };
    let flow = Flow {
        id: 0,
        carrier,
        initiator: end(src),
        responder: end(dst),
        vlans: Vlans::default(),
        tunnel: None,
        start: 0,
        last: 0,
        packets: [0; 2],
        bytes: [0; 2],
        tcp_flags: [0; 2],
        state: State::New,
        midstream: false,
        stop_stream: [false; 2],
        settled: false,
        missing: [0; 2],
        user: (),
    };
    community_id(&flow, seed).map_or_else(String::new, |id| id.as_str().to_owned())
}

/// Both directions give the same two values.
fn check(carrier: Carrier, src: (&str, u16), dst: (&str, u16), seed0: &str, seed1: &str) {
    assert_eq!(id(carrier, src, dst, 0), seed0);
    assert_eq!(id(carrier, src, dst, 1), seed1);
    if !matches!(carrier, Carrier::Ip(1 | 58)) {
        assert_eq!(id(carrier, dst, src, 0), seed0);
    }
}

#[test]
fn ports() {
    check(
        Carrier::Tcp,
        ("128.232.110.120", 34855),
        ("66.35.250.204", 80),
        "1:LQU9qZlK+B5F3KDmev6m5PMibrg=",
        "1:3V71V58M3Ksw/yuFALMcW0LAHvc=",
    );
    check(
        Carrier::Tcp,
        ("2001:470:e5bf:dead:4957:2174:e82c:4887", 63943),
        ("2607:f8b0:400c:c03::1a", 25),
        "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=",
        "1:eJYTW6AOzFLlSUoESovMjnu7rMw=",
    );
    check(
        Carrier::Udp,
        ("192.168.1.52", 54585),
        ("8.8.8.8", 53),
        "1:d/FP5EW3wiY1vCndhwleRRKHowQ=",
        "1:Q9We8WO3piVF8yEQBNJF4uiSVrI=",
    );
    check(
        Carrier::Ip(132),
        ("192.168.170.8", 7),
        ("192.168.170.56", 7),
        "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs=",
        "1:5w3ZRjeKBzqT3zsaEECDGjUbYeg=",
    );
}

#[test]
fn without_ports() {
    check(
        Carrier::Ip(46),
        ("10.1.12.1", 0),
        ("10.1.12.2", 0),
        "1:KHlLkgoJW7ifUTyTSgyVfkFHzKw=",
        "1:rYir8gphR31noO9iDRQmF/BteEI=",
    );
    assert_eq!(id(Carrier::Ethernet(0x0806), ("", 0), ("", 0), 0), "");
}

#[test]
fn icmp() {
    let echo = ("1:X0snYXpgwiv9TZtqg64sgzUn6Dk=", "1:03g6IloqVBdcZlPyX8r0hgoE7kA=");
    check(
        Carrier::Ip(1),
        ("192.168.0.89", 8),
        ("192.168.0.1", 0),
        echo.0,
        echo.1,
    );
    check(
        Carrier::Ip(1),
        ("192.168.0.1", 0),
        ("192.168.0.89", 0),
        echo.0,
        echo.1,
    );
    check(
        Carrier::Ip(1),
        ("10.0.0.1", 11),
        ("10.0.0.2", 0),
        "1:YHxtAirCG//0OzkcVAukqKQN9xM=",
        "1:XjUibYHaafLQ3pxQeiMI8g25q20=",
    );
    check(
        Carrier::Ip(1),
        ("10.0.0.9", 3),
        ("10.0.0.2", 1),
        "1:faUfuSN4GO2O3g5aLrre+YxnqiI=",
        "1:NHjaBYke+Rk8zEJkaHcSJX/IItw=",
    );
}

#[test]
fn icmp_v6() {
    let ends = ("fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea");
    let forth = ("1:dGHyGvjMfljg6Bppwm3bg0LO8TY=", "1:kHa1FhMYIT6Ym2Vm2AOtoOARDzY=");
    check(Carrier::Ip(58), (ends.0, 135), (ends.1, 0), forth.0, forth.1);
    check(Carrier::Ip(58), (ends.1, 136), (ends.0, 0), forth.0, forth.1);
    let back = ("1:zavyT/cezQr1fmImYCwYnMXbgck=", "1:2hSqmsDZ2kdcY9kbiUzOEBic0iM=");
    check(Carrier::Ip(58), (ends.1, 135), (ends.0, 0), back.0, back.1);
    check(
        Carrier::Ip(58),
        ("3ffe:507:0:1:200:86ff:fe05:80da", 128),
        ("3ffe:501:0:1001::2", 0),
        "1:+TW+HtLHvV1xnGhV1lv7XoJrqQg=",
        "1:GfZxjAkDk2MkegpBYHV6tadtFXQ=",
    );
    check(
        Carrier::Ip(58),
        ("3ffe:501:410:0:2c0:dfff:fe47:33e", 1),
        ("3ffe:507:0:1:200:86ff:fe05:80da", 4),
        "1:hLZd0XGWojozrvxqE0dWB1iM6R0=",
        "1:W8MHwXpWzpoSTD+cGcaJr4u0ys8=",
    );
    check(
        Carrier::Ip(58),
        ("fe80::260:97ff:fe07:69ea", 134),
        ("ff02::1", 0),
        "1:pkvHqCL88/tg1k4cPigmZXUtL00=",
        "1:K/ee5UCqAMAQXDorP5nSa2CGLjc=",
    );
}

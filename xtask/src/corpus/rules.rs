//! Rules of Suricata's language: what they find, and what becomes of those that cannot be loaded.

use super::Case;
use super::capture::{Capture, SECOND};
use super::link::question_and_answer;
use super::net::{self, CLIENT, SERVER, host};
use super::talk::{Side::Client, Side::Server, Talk};

const AREA: &str = "rules";

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![content(), pcre(), flowbits(), threshold(), refused(), buffers()]
}

/// One HTTP exchange.
fn get(c: &mut Capture, port: u16, path: &str) {
    let mut talk = Talk::open(c, (CLIENT, port), (SERVER, 80));
    talk.say(
        c,
        Client,
        format!("GET {path} HTTP/1.1\r\nHost: e.example\r\n\r\n").as_bytes(),
    );
    talk.say(c, Server, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    talk.close(c);
}

fn content() -> Case {
    let mut capture = Capture::new();
    let c = &mut capture;
    let mut talk = Talk::open(c, (CLIENT, 40_001), (SERVER, 7_777));
    // The word is cut in two by the segments: only the stream has it.
    talk.say(c, Client, b"please OPEN sl");
    talk.say(c, Client, b"uice 4\n");
    talk.say(c, Server, b"open sluice 4 done\n");
    talk.close(c);
    c.udp((CLIENT, 40_002), (SERVER, 7_777), &[0xde, 0xad, 0, 5, 0x10]);
    Case::new(
        AREA,
        "content",
        "`content` over two segments with `nocase`, `distance` and `within`; by direction; bytes in a datagram with `dsize`,\n\
         `offset`, `depth` and `byte_test`. sid 4 must not match: its second content is too far.",
        capture,
    )
    .with(
        "rules.rules",
        r#"
alert tcp any any -> any 7777 (msg:"sluice is told to open"; flow:established,to_server; content:"open"; nocase; content:"sluice"; distance:1; within:6; sid:1; rev:1;)
alert tcp any 7777 -> any any (msg:"sluice said done"; flow:established,to_client; content:"done|0a|"; sid:2; rev:3; classtype:attempted-admin;)
alert udp any any -> any 7777 (msg:"magic with five"; dsize:5; content:"|de ad|"; depth:2; byte_test:2,=,5,2; sid:3;)
alert tcp any any -> any 7777 (msg:"never"; content:"please"; content:"4"; distance:0; within:3; sid:4;)
"#,
    )
}

fn pcre() -> Case {
    let mut capture = Capture::new();
    get(&mut capture, 40_001, "/cgi-bin/valve?id=12&cmd=open");
    get(&mut capture, 40_002, "/cgi-bin/valve?id=abc&cmd=open");
    Case::new(
        AREA,
        "pcre",
        "A regular expression on a sticky buffer (`http.uri`) and one in the stream behind a content (`R`). The second request has\n\
         no number, so it matches neither.",
        capture,
    )
    .with(
        "rules.rules",
        r#"
alert http any any -> any any (msg:"valve by number"; http.uri; pcre:"/[?&]id=\d+(?:&|$)/"; sid:1;)
alert tcp any any -> any 80 (msg:"valve in the stream"; flow:to_server,established; content:"valve?id="; pcre:"/^[0-9]{1,3}&/R"; sid:2;)
"#,
    )
}

fn flowbits() -> Case {
    let mut capture = Capture::new();
    let c = &mut capture;
    for (port, words) in [
        (40_001, ["login", "delete all"]),
        (40_002, ["hello", "delete all"]),
    ] {
        let mut talk = Talk::open(c, (CLIENT, port), (SERVER, 7_777));
        for word in words {
            talk.say(c, Client, format!("{word}\n").as_bytes());
            talk.say(c, Server, b"ok\n");
        }
        talk.close(c);
    }
    Case::new(
        AREA,
        "flowbits",
        "A bit that one rule sets silently and another asks for: only the conversation with a login before \"delete\" alerts.",
        capture,
    )
    .with(
        "rules.rules",
        r#"
alert tcp any any -> any 7777 (msg:"login seen"; flow:to_server,established; content:"login"; flowbits:set,logged.in; flowbits:noalert; sid:1;)
alert tcp any any -> any 7777 (msg:"delete after login"; flow:to_server,established; content:"delete"; flowbits:isset,logged.in; sid:2;)
"#,
    )
}

fn threshold() -> Case {
    let mut capture = Capture::new();
    let c = &mut capture;
    for n in 0..10_u16 {
        let from = host(192, 0, 2, if n % 2 == 0 { 10 } else { 11 });
        c.udp((from, 40_000 + n), (SERVER, 7_777), b"knock");
        c.wait(SECOND);
    }
    Case::new(
        AREA,
        "threshold",
        "Ten knocks, five of each of two hosts, a second apart. `limit` 1 in 60 s by source: two alerts. `threshold` 3 in 60 s by\n\
         destination: three. `both` 4 in 60 s by source: one for each source. The rest is counted as held back.",
        capture,
    )
    .with(
        "rules.rules",
        r#"
alert udp any any -> any 7777 (msg:"limit"; content:"knock"; threshold:type limit, track by_src, count 1, seconds 60; sid:1;)
alert udp any any -> any 7777 (msg:"threshold"; content:"knock"; threshold:type threshold, track by_dst, count 3, seconds 60; sid:2;)
alert udp any any -> any 7777 (msg:"both"; content:"knock"; detection_filter:track by_src, count 4, seconds 60; sid:3;)
alert udp any any -> any 7777 (msg:"both by source"; content:"knock"; threshold:type both, track by_src, count 4, seconds 60; sid:4;)
"#,
    )
}

fn refused() -> Case {
    let mut capture = Capture::new();
    capture.frame(net::frame(
        CLIENT,
        SERVER,
        &question_and_answer(CLIENT, SERVER)[0],
    ));
    Case::new(
        AREA,
        "refused",
        "Rules that cannot be loaded are refused with file, line, column, keyword and a way out; the others run.",
        capture,
    )
    .with(
        "rules.rules",
        r#"
# A keyword that nobody has, a script, and a rule that runs.
alert dns any any -> any any (msg:"misspelt"; dns.qeury; content:"lamp"; sid:1;)
alert dns any any -> any any (msg:"script"; lua:check.lua; sid:2;)
alert dns any any -> any any (msg:"a lamp is looked for"; dns.query; content:"lamp-"; startswith; sid:3;)
"#,
    )
}

fn buffers() -> Case {
    let mut capture = Capture::new();
    get(&mut capture, 40_001, "/%61dmin/../%61dmin/users");
    for packet in question_and_answer(CLIENT, SERVER) {
        capture.frame(net::frame(CLIENT, SERVER, &packet));
    }
    Case::new(
        AREA,
        "buffers",
        "Sticky buffers of protocols: the normalised and the raw URI, the method, the host, a DNS question; `drop` is said\n\
         as `blocked`: what an inline sensor would do; `watch` drops nothing.",
        capture,
    )
    .with(
        "rules.rules",
        r#"
alert http any any -> any any (msg:"uri is normalised"; http.uri; content:"/admin/users"; startswith; http.method; content:"GET"; sid:1;)
alert http any any -> any any (msg:"raw uri is not"; http.uri.raw; content:"/%61dmin/../"; http.host; content:"e.example"; sid:2;)
drop dns any any -> any any (msg:"would be dropped"; dns.query; content:"lamp-17.example"; bsize:15; metadata:mitre_technique_id T0846; sid:3;)
pass http any any -> any any (msg:"passes"; http.uri; content:"/nothing-of-it"; sid:4;)
"#,
    )
}

//! Real conversations through the wall: three hosts in namespaces of their own, the wall between
//! them once as a router and once as a bridge.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use citywall_event::{Prefix, Verb, VerbSet};
use citywall_policy::City;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::kernel::{has_syn_proxy, inside, listing, nft, run, try_nft};
use crate::firewall::{
    Deployment, Mode, Wall, Wanted, add, differences, heartbeat, install, remove, silence,
};
use crate::{ActionId, Host, Measure};

/// Longer than any answer takes, shorter than TCP's patience.
const ANSWER: Duration = Duration::from_millis(600);

/// Does something in the network of a host.
fn at<T: Send + 'static>(host: &str, what: impl FnOnce() -> T + Send + 'static) -> T {
    let file = File::open(format!("/run/netns/{host}")).unwrap();
    std::thread::spawn(move || {
        use std::os::fd::AsFd as _;
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        what()
    })
    .join()
    .unwrap()
}

/// Answers every byte with itself.
fn serve(host: &str, address: &str) {
    let address: SocketAddr = address.parse().unwrap();
    let listener = at(host, move || TcpListener::bind(address).unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let mut buffer = [0; 64];
                while let Ok(n @ 1..) = stream.read(&mut buffer) {
                    if stream.write_all(&buffer[..n]).is_err() {
                        return;
                    }
                }
            });
        }
    });
}

fn open(host: &str, address: &str) -> Option<TcpStream> {
    let address: SocketAddr = address.parse().unwrap();
    let stream = at(host, move || TcpStream::connect_timeout(&address, ANSWER).ok())?;
    stream.set_read_timeout(Some(ANSWER)).unwrap();
    stream.set_nodelay(true).unwrap();
    Some(stream)
}

/// A new question, and its own answer: earlier ones may still come, as TCP tries again.
fn alive(stream: &mut TcpStream) -> bool {
    static QUESTION: AtomicU8 = AtomicU8::new(0);
    let question = QUESTION.fetch_add(1, Ordering::Relaxed);
    if stream.write_all(&[question]).is_err() {
        return false;
    }
    let end = Instant::now() + ANSWER;
    let mut buffer = [0; 64];
    while Instant::now() < end {
        match stream.read(&mut buffer) {
            Ok(n @ 1..) if buffer[..n].contains(&question) => return true,
            Ok(1..) => {}
            _ => return false,
        }
    }
    false
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Hosts `a` (10.1.0.9) and `b` (10.2.0.9), and the wall between them. On a bridge both have long
/// networks, so that they see each other without a router.
fn hosts(mode: Mode) {
    run("mount", "-t tmpfs none /run");
    std::fs::create_dir("/run/netns").unwrap();
    run("ip", "link set lo up");
    if mode == Mode::Bridge {
        run("ip", "link add br0 type bridge");
        run("ip", "link set br0 up");
        for name in ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"] {
            std::fs::write(format!("/proc/sys/net/bridge/{name}"), "1").unwrap();
        }
    } else {
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
    }
    for (host, net) in [("a", 1), ("b", 2)] {
        run("ip", &format!("netns add {host}"));
        run(
            "ip",
            &format!("link add to_{host} type veth peer name eth0 netns {host}"),
        );
        let length = if mode == Mode::Bridge { 8 } else { 24 };
        run(
            "ip",
            &format!("-n {host} link set eth0 address 02:00:00:00:0{net}:09"),
        );
        run(
            "ip",
            &format!("-n {host} address add 10.{net}.0.9/{length} dev eth0"),
        );
        run("ip", &format!("-n {host} link set eth0 up"));
        run("ip", &format!("-n {host} link set lo up"));
        run("ip", &format!("link set to_{host} up"));
        if mode == Mode::Bridge {
            run("ip", &format!("link set to_{host} master br0"));
        } else {
            run("ip", &format!("address add 10.{net}.0.1/24 dev to_{host}"));
            run("ip", &format!("-n {host} route add default via 10.{net}.0.1"));
        }
    }
}

const CITY: &str = r#"
[city]
name = "Live"
[[domain]]
name = "works"
[[zone]]
name = "east"
domain = "works"
networks = ["10.1.0.0/24"]
[[zone]]
name = "west"
domain = "works"
networks = ["10.2.0.0/24"]
WHEN_DOWN
[[conduit]]
from = "east"
to = "west"
allow = ["modbus: read", "tcp/80"]
"#;

/// Host `b` is what everything needs.
const NAMES: &str = r#"
[[asset]]
name = "names"
address = "10.2.0.9"
zone = "west"
role = "dns"
"#;

fn wall(mode: Mode, when_down: &str) -> Wall {
    let when_down = format!("when_down = \"{when_down}\"");
    let city = City::parse(&CITY.replace("WHEN_DOWN", &when_down), "live.toml").unwrap();
    let at = Deployment {
        mode,
        ingress: vec!["to_a".to_owned(), "to_b".to_owned()],
        ..Deployment::default()
    };
    Wall::new(&city.compile().0, &at)
}

fn wanted(measure: Measure, seconds: i64) -> Wanted {
    Wanted {
        measure,
        action: ActionId("I0-1-1.1".to_owned()),
        life: seconds * 1_000_000_000,
    }
}

fn a() -> Host {
    Host::Ip("10.1.0.9".parse().unwrap())
}

fn prefix(text: &str, length: u8) -> Prefix {
    Prefix::new(text.parse().unwrap(), length).unwrap()
}

/// What passes, what does not, and what a measure does to a conversation that lives.
fn conversations(mode: Mode) {
    hosts(mode);
    serve("b", "10.2.0.9:80");
    serve("b", "10.2.0.9:81");
    serve("b", "10.2.0.9:502");
    serve("a", "10.1.0.9:80");
    // The bridge's ports take a moment to forward.
    until("without a wall all is open", || {
        open("a", "10.2.0.9:81").is_some()
    });
    nft(&install(&wall(mode, "last-good"), &listing()));
    nft(&heartbeat(None));
    let mut held = open("a", "10.2.0.9:80").expect("the conduit carries it");
    assert!(alive(&mut held));
    assert!(open("a", "10.2.0.9:81").is_none(), "no conduit carries this port");
    assert!(open("b", "10.1.0.9:80").is_none(), "no conduit leads back");
    let measures = [
        Measure::DenyPair {
            from: a(),
            to: prefix("10.2.0.0", 24),
        },
        Measure::DenyPair {
            from: a(),
            to: prefix("10.2.0.9", 32),
        },
        Measure::Isolate { host: a() },
        Measure::Quarantine { host: a() },
        Measure::Isolate {
            host: Host::Mac([2, 0, 0, 0, 1, 9]),
        },
    ];
    for measure in &measures {
        nft(&add(&[wanted(measure.clone(), 60)], mode).unwrap());
        assert!(!alive(&mut held), "{measure:?} cuts what lives");
        assert!(
            open("a", "10.2.0.9:80").is_none(),
            "{measure:?} denies what is new"
        );
        nft(&remove([measure], mode).unwrap());
        until("the conversation goes on", || alive(&mut held));
    }
    spared(mode);
    // The kernel undoes it alone.
    nft(&add(&[wanted(measures[0].clone(), 1)], mode).unwrap());
    assert!(!alive(&mut held));
    until("the measure's end", || alive(&mut held));
    assert!(listing().held.is_empty());
    inspected(mode);
}

/// Where a whole zone is denied, what everything needs in it goes on; where it is named, it does not.
fn spared(mode: Mode) {
    let city = CITY.replace("WHEN_DOWN", "") + NAMES;
    let city = City::parse(&city, "live.toml").unwrap();
    let at = Deployment {
        mode,
        ..Deployment::default()
    };
    nft(&install(&Wall::new(&city.compile().0, &at), &listing()));
    let mut names = open("a", "10.2.0.9:80").expect("the conduit carries it");
    let deny = |to, length| Measure::DenyPair {
        from: a(),
        to: prefix(to, length),
    };
    let whole = deny("10.2.0.0", 24);
    nft(&add(&[wanted(whole.clone(), 60)], mode).unwrap());
    assert!(alive(&mut names), "names are resolved in the denied zone");
    assert!(open("a", "10.2.0.9:80").is_some());
    let by_mac = Measure::DenyPair {
        from: Host::Mac([2, 0, 0, 0, 1, 9]),
        to: prefix("10.2.0.0", 24),
    };
    nft(&add(&[wanted(by_mac.clone(), 60)], mode).unwrap());
    assert!(alive(&mut names), "nor by hardware address");
    let named = deny("10.2.0.9", 32);
    nft(&add(&[wanted(named.clone(), 60)], mode).unwrap());
    assert!(!alive(&mut names), "who is named alone is cut");
    nft(&remove([&whole, &by_mac, &named], mode).unwrap());
    nft(&install(&wall(mode, "last-good"), &listing()));
}

/// Conversations whose commands are judged carry the mark, in both directions.
fn inspected(mode: Mode) {
    nft("table inet probe {\n counter open {\n }\n chain seen {\n \
         type filter hook forward priority 100; policy accept;\n \
         meta mark & 0x00010000 == 0x00010000 counter name \"open\"\n }\n}\n");
    let count = || {
        let told = try_nft(&["list", "counter", "inet", "probe", "open"], "").unwrap();
        let number = told.split_whitespace().skip_while(|w| *w != "packets").nth(1);
        number.unwrap().parse::<u32>().unwrap()
    };
    let mut plain = open("a", "10.2.0.9:80").unwrap();
    assert!(alive(&mut plain));
    assert_eq!(count(), 0, "nothing names commands here");
    let mut polling = open("a", "10.2.0.9:502").unwrap();
    assert!(alive(&mut polling));
    assert!(count() >= 4, "the conduit names commands");
    let before = count();
    let deny = Measure::DenyCommand {
        from: a(),
        to: prefix("10.2.0.9", 32),
        verbs: VerbSet::default().with(Verb::Write),
    };
    nft(&add(&[wanted(deny.clone(), 60)], mode).unwrap());
    assert!(alive(&mut plain), "the reading goes on");
    assert!(count() >= before + 2, "and is looked at");
    nft(&remove([&deny], mode).unwrap());
    let before = count();
    assert!(alive(&mut plain));
    assert_eq!(count(), before);
}

#[test]
fn a_router_cuts_and_undoes() {
    if inside("live::a_router_cuts_and_undoes") {
        conversations(Mode::Routed);
    }
}

#[test]
fn a_bridge_cuts_and_undoes() {
    if inside("live::a_bridge_cuts_and_undoes") {
        if !std::path::Path::new("/proc/sys/net/bridge").exists() {
            eprintln!("SKIPPED: a_bridge_cuts_and_undoes: no br_netfilter in this kernel");
            return;
        }
        conversations(Mode::Bridge);
    }
}

/// The enforcer's sign of life ends, and each zone has what the city chose. What was allowed stays.
#[test]
fn zones_have_their_choice_while_the_enforcer_is_down() {
    if !inside("live::zones_have_their_choice_while_the_enforcer_is_down") {
        return;
    }
    hosts(Mode::Routed);
    serve("b", "10.2.0.9:80");
    serve("b", "10.2.0.9:81");
    for (choice, conduit, other) in [
        ("last-good", true, false),
        ("open", true, false),
        ("closed", false, false),
    ] {
        nft(&install(&wall(Mode::Routed, choice), &listing()));
        nft(&heartbeat(Some(3)));
        let mut held = open("a", "10.2.0.9:80").expect("up: the conduit holds");
        assert!(alive(&mut held));
        assert!(open("a", "10.2.0.9:81").is_none());
        until("the sign of life ends", || listing().alive.is_none());
        assert!(alive(&mut held), "{choice}: what was allowed stays");
        assert_eq!(open("a", "10.2.0.9:80").is_some(), conduit, "{choice}");
        assert_eq!(open("a", "10.2.0.9:81").is_some(), other, "{choice}");
        nft(&heartbeat(Some(60)));
        assert!(open("a", "10.2.0.9:80").is_some(), "{choice}: up again");
        nft(&silence());
    }
    // Open where both ends are.
    let both = CITY
        .replace("WHEN_DOWN", "when_down = \"open\"")
        .replace("name = \"east\"", "name = \"east\"\nwhen_down = \"open\"");
    let city = City::parse(&both, "live.toml").unwrap();
    nft(&install(
        &Wall::new(&city.compile().0, &Deployment::default()),
        &listing(),
    ));
    assert!(open("a", "10.2.0.9:81").is_some(), "down, and both are open");
    nft(&heartbeat(None));
    assert!(open("a", "10.2.0.9:81").is_none(), "up");
}

/// What a host sends beyond its rate is dropped, what is below it is not.
#[test]
fn a_rate_is_the_rate_that_was_asked_for() {
    if !inside("live::a_rate_is_the_rate_that_was_asked_for") {
        return;
    }
    hosts(Mode::Routed);
    let text = CITY.replace("WHEN_DOWN", "").replace("\"tcp/80\"", "\"udp/9\"");
    let city = City::parse(&text, "live.toml").unwrap();
    nft(&install(
        &Wall::new(&city.compile().0, &Deployment::default()),
        &listing(),
    ));
    nft(&heartbeat(None));
    for rate in [20, 100] {
        let limit = Measure::LimitRate {
            host: a(),
            packets_per_second: rate,
        };
        nft(&add(&[wanted(limit.clone(), 60)], Mode::Routed).unwrap());
        let passed = datagrams(Duration::from_secs(2));
        nft(&remove([&limit], Mode::Routed).unwrap());
        // A burst of one second's worth, then the rate.
        let most = rate * 3 + rate / 2;
        assert!((rate * 2..=most).contains(&passed), "{passed} of at most {most}");
    }
    assert!(datagrams(Duration::from_millis(500)) > 100, "unlimited again");
}

/// Sends about 500 datagrams a second, and counts what arrives.
fn datagrams(span: Duration) -> u32 {
    use std::net::UdpSocket;
    let receiver = at("b", || UdpSocket::bind("10.2.0.9:9").unwrap());
    receiver
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let counter = std::thread::spawn(move || {
        let mut count = 0;
        while receiver.recv(&mut [0; 16]).is_ok() {
            count += 1;
        }
        count
    });
    let sender = at("a", || UdpSocket::bind("10.1.0.9:0").unwrap());
    let end = Instant::now() + span;
    while Instant::now() < end {
        let _ = sender.send_to(b"x", "10.2.0.9:9");
        std::thread::sleep(Duration::from_millis(2));
    }
    counter.join().unwrap()
}

/// Packets that a counter of the table `probe` has.
fn counted(name: &str) -> u32 {
    let told = try_nft(&["list", "counter", "inet", "probe", name], "").unwrap();
    let number = told.split_whitespace().skip_while(|w| *w != "packets").nth(1);
    number.unwrap().parse().unwrap()
}

/// One's complement sum (RFC 1071).
fn checksum(pieces: &[&[u8]]) -> [u8; 2] {
    let words = pieces.iter().flat_map(|piece| piece.chunks(2));
    let mut sum: u32 = words
        .map(|w| u32::from(w[0]) << 8 | u32::from(w.get(1).copied().unwrap_or(0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

/// So many SYNs to port 80 of `b`, each in the name of another neighbour of `a` that is not there.
fn syns(count: u32) {
    use rustix::net::{AddressFamily, SendFlags, SocketType, ipproto, sendto, socket};
    let end: SocketAddr = "10.2.0.9:80".parse().unwrap();
    let sending = at("a", || {
        socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::RAW)).unwrap()
    });
    for n in 0..count {
        let source = [10, 1, 0, 100 + (n % 100) as u8];
        let mut ip = [69, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 0, 0, 0, 0, 10, 2, 0, 9];
        ip[12..16].copy_from_slice(&source);
        let mut tcp = [0, 0, 0, 80, 0, 0, 0, 9, 0, 0, 0, 0, 0x50, 2, 0x20, 0, 0, 0, 0, 0];
        tcp[..2].copy_from_slice(&(20_000 + n as u16).to_be_bytes());
        let sum = checksum(&[&ip[12..20], &[0, 6, 0, 20], &tcp]);
        tcp[16..18].copy_from_slice(&sum);
        sendto(&sending, &[&ip[..], &tcp].concat(), SendFlags::empty(), &end).unwrap();
    }
}

/// All of a text comes back, in more segments than one.
fn carries(stream: &mut TcpStream) -> bool {
    let text: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
    let mut writer = stream.try_clone().unwrap();
    let sent = text.clone();
    let writing = std::thread::spawn(move || writer.write_all(&sent).is_ok());
    let mut back = vec![0; text.len()];
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let read = stream.read_exact(&mut back).is_ok();
    stream.set_read_timeout(Some(ANSWER)).unwrap();
    writing.join().unwrap() && read && back == text
}

/// SYNs in invented names stay outside, whoever is there comes through, and the policy holds as before.
#[test]
fn syns_are_answered_in_a_device_s_place() {
    if !inside("live::syns_are_answered_in_a_device_s_place") || !has_syn_proxy() {
        return;
    }
    hosts(Mode::Routed);
    for port in [80, 81, 502] {
        serve("b", &format!("10.2.0.9:{port}"));
    }
    let city = City::parse(&CITY.replace("WHEN_DOWN", ""), "live.toml").unwrap();
    let deployment = Deployment {
        syn_proxy: true,
        ..Deployment::default()
    };
    let wall = Wall::new(&city.compile().0, &deployment);
    assert!(wall.answers_syns());
    nft(&install(&wall, &listing()));
    nft(&heartbeat(None));
    assert!(differences(&wall, &listing()).is_empty());
    nft("table inet probe {\n counter reached {\n }\n chain seen {\n \
         type filter hook postrouting priority 0; policy accept;\n \
         oifname to_b ip saddr 10.1.0.100-10.1.0.199 counter name \"reached\"\n }\n}\n");
    // As small devices are: no cookies of its own, and little room for conversations that are half open.
    at("b", || {
        for (name, value) in [("tcp_syncookies", "0"), ("tcp_max_syn_backlog", "32")] {
            std::fs::write(format!("/proc/sys/net/ipv4/{name}"), value).unwrap();
        }
    });
    let mut before = open("a", "10.2.0.9:80").unwrap();
    syns(50);
    assert!(
        open("a", "10.2.0.9:80").is_none(),
        "there is no room for honest clients"
    );
    let reached = counted("reached");
    assert!(
        reached >= 50,
        "without a measure the flood reaches the device: {reached}"
    );
    let proxy = |port| Measure::SynProxy {
        to: "10.2.0.9".parse().unwrap(),
        port,
    };
    let limit = Measure::LimitInto {
        to: "10.2.0.9".parse().unwrap(),
        protocol: 6,
        packets_per_second: 1,
    };
    // What is limited besides is limited elsewhere: the flood went on to other ports.
    let all = [proxy(80), limit];
    nft(&add(&all.clone().map(|m| wanted(m, 60)), Mode::Routed).unwrap());
    let began = Instant::now();
    until("the device has room again", || {
        open("a", "10.2.0.9:80").is_some_and(|mut s| alive(&mut s))
    });
    // Left alone it would keep what is half open for a minute.
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let reached = counted("reached");
    let mut through = Vec::new();
    for _ in 0..10 {
        syns(200);
        through.extend(open("a", "10.2.0.9:80"));
    }
    assert_eq!(through.len(), 10, "everybody who is there comes through");
    assert_eq!(counted("reached"), reached, "nobody else does");
    assert!(through.iter_mut().all(alive));
    assert!(
        carries(&mut through[0]),
        "in both directions, whatever its length"
    );
    assert!(alive(&mut before), "what was established goes on");
    for port in [81, 502] {
        nft(&add(&[wanted(proxy(port), 60)], Mode::Routed).unwrap());
        let opened = open("a", &format!("10.2.0.9:{port}"));
        assert!(
            opened.is_none(),
            "{port}: no conduit, or one that names commands: nothing comes past the policy"
        );
        nft(&remove([&proxy(port)], Mode::Routed).unwrap());
    }
    let isolate = Measure::Isolate { host: a() };
    nft(&add(&[wanted(isolate.clone(), 60)], Mode::Routed).unwrap());
    assert!(!alive(&mut through[1]), "other measures cut it as anything else");
    assert!(open("a", "10.2.0.9:80").is_none());
    nft(&remove([&isolate], Mode::Routed).unwrap());
    nft(&remove(&all, Mode::Routed).unwrap());
    until("all goes on", || alive(&mut through[1]));
    assert!(
        through.iter_mut().all(alive),
        "what was opened meanwhile outlives the measure"
    );
    // The kernel takes it back alone.
    nft(&add(&[wanted(proxy(80), 1)], Mode::Routed).unwrap());
    until("the measure's end", || listing().held.is_empty());
    syns(50);
    assert!(counted("reached") > reached);
    assert!(open("a", "10.2.0.9:80").is_some());
    assert!(differences(&wall, &listing()).is_empty());
}

/// Answers that nobody asked for are dropped by the port that they come from; what was asked for comes, and so
/// does all else.
#[test]
fn answers_that_nobody_asked_for_are_dropped() {
    use std::net::UdpSocket;
    if !inside("live::answers_that_nobody_asked_for_are_dropped") {
        return;
    }
    hosts(Mode::Routed);
    let back = "[[conduit]]\nfrom = \"west\"\nto = \"east\"\nallow = [\"udp/123\"]\n";
    let text = CITY.replace("WHEN_DOWN", "").replace("\"tcp/80\"", "\"udp\"") + back;
    let city = City::parse(&text, "live.toml").unwrap();
    nft(&install(
        &Wall::new(&city.compile().0, &Deployment::default()),
        &listing(),
    ));
    nft(&heartbeat(None));
    let bound = |host: &str, address: &'static str| {
        let socket = at(host, move || UdpSocket::bind(address).unwrap());
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        socket
    };
    let (service, other) = (bound("a", "10.1.0.9:123"), bound("a", "10.1.0.9:5000"));
    let (device, asking) = (bound("b", "10.2.0.9:9"), bound("b", "10.2.0.9:4000"));
    let arrives = |from: &UdpSocket, to: &str, at: &UdpSocket| {
        from.send_to(b"x", to).unwrap();
        at.recv(&mut [0; 16]).is_ok()
    };
    assert!(
        arrives(&service, "10.2.0.9:9", &device),
        "without a measure it arrives"
    );
    let drop = Measure::DropAnswers {
        to: "10.2.0.9".parse().unwrap(),
        from_port: 123,
    };
    nft(&add(&[wanted(drop.clone(), 60)], Mode::Routed).unwrap());
    for _ in 0..3 {
        assert!(
            !arrives(&service, "10.2.0.9:9", &device),
            "that port's datagrams are dropped"
        );
        assert!(arrives(&other, "10.2.0.9:9", &device), "all others arrive");
    }
    assert!(arrives(&asking, "10.1.0.9:123", &service));
    assert!(
        arrives(&service, "10.2.0.9:4000", &asking),
        "what the device asked for is answered"
    );
    nft(&remove([&drop], Mode::Routed).unwrap());
    assert!(arrives(&service, "10.2.0.9:9", &device), "undone");
}

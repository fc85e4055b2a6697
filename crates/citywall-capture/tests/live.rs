//! Capturing from interfaces, in a network namespace of the test's own.
//!
//! Each test starts itself again under `unshare`; only there are interfaces made and traffic sent.
//! Frames are made by sending UDP to a neighbour that does not exist, through one end of a veth
//! pair; the other end is captured.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use citywall_capture::{Batch, CaptureError, FrameSource, Interface, LiveOptions, PcapWriter, interfaces};
use citywall_packet::LinkType;

/// Names the test that runs in the namespace.
const INSIDE: &str = "CITYWALL_TEST_IN_NAMESPACE";
/// Port that the frames are sent to.
const PORT: u16 = 40_404;

/// True in the namespace, where the test is to do its work. Outside it starts the test there, and
/// passes on whether it succeeded.
fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some_and(|name| name == test) {
        return true;
    }
    let works = |flags: &str| {
        Command::new("unshare")
            .args([
                flags, "ip", "link", "add", "cw0", "type", "veth", "peer", "name", "cw1",
            ])
            .output()
    };
    let Some(flags) = ["-Urn", "-n"]
        .into_iter()
        .find(|flags| works(flags).is_ok_and(|o| o.status.success()))
    else {
        eprintln!("SKIPPED: {test}: no network namespace can be made (unshare, ip, user namespaces or root)");
        return false;
    };
    let program = std::env::current_exe().expect("the test's own path");
    let output = Command::new("unshare")
        .arg(flags)
        .arg(program)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, test)
        .output()
        .expect("unshare worked before");
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    told.lines()
        .filter(|line| line.starts_with("SKIPPED"))
        .for_each(|line| eprintln!("{line}"));
    false
}

fn ip(command: &str) {
    let output = Command::new("ip")
        .args(command.split(' '))
        .output()
        .expect("ip worked before");
    assert!(
        output.status.success(),
        "ip {command}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A veth pair: what is sent to 10.99.0.2 leaves through cw0 and arrives on cw1.
fn veth() {
    ip("link set lo up");
    ip("link add cw0 address 02:00:00:00:00:01 type veth peer name cw1 address 02:00:00:00:00:02");
    for name in ["cw0", "cw1"] {
        // Without it the ends announce themselves with frames that were not sent by the test.
        let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1");
        ip(&format!("link set {name} up"));
    }
    ip("addr add 10.99.0.1/24 dev cw0");
    ip("neigh add 10.99.0.2 lladdr 02:00:00:00:00:02 dev cw0 nud permanent");
}

fn open(name: &str, options: LiveOptions) -> Interface {
    Interface::open(name, options).unwrap_or_else(|error| panic!("{error}"))
}

/// The source ports of the test's frames.
fn take(source: &mut Interface, ports: &mut Vec<u16>) {
    let mut batch = Batch::default();
    assert!(
        source
            .next_batch(&mut batch)
            .unwrap_or_else(|error| panic!("{error}"))
    );
    ports.extend(
        batch
            .frames
            .iter()
            .filter_map(|meta| source_port(batch.frame(meta).data)),
    );
}

fn source_port(frame: &[u8]) -> Option<u16> {
    let word = |at: usize| Some(u16::from_be_bytes([*frame.get(at)?, *frame.get(at + 1)?]));
    (word(36)? == PORT && frame.get(23) == Some(&17)).then(|| word(34))?
}

/// Sends `rounds` times a datagram from each of `flows` ports, takes up what arrives by `receive`,
/// and gives the ports.
fn send(flows: usize, rounds: usize, to: &str, mut receive: impl FnMut() -> usize) -> Vec<u16> {
    let bind = |_| UdpSocket::bind("0.0.0.0:0").expect("a port");
    let sockets: Vec<UdpSocket> = (0..flows).map(bind).collect();
    let deadline = Instant::now() + Duration::from_secs(20);
    for round in 1..=rounds {
        for socket in &sockets {
            socket.send_to(&[round as u8; 100], (to, PORT)).expect("sent");
        }
        while receive() < round * flows && Instant::now() < deadline {}
    }
    sockets
        .iter()
        .map(|socket| socket.local_addr().expect("bound").port())
        .collect()
}

#[test]
fn one_worker_gets_every_frame_once() {
    if !inside("one_worker_gets_every_frame_once") {
        return;
    }
    veth();
    let mut source = open(
        "cw1",
        LiveOptions {
            worker: 7,
            ..LiveOptions::default()
        },
    );
    let (mut batch, mut got, mut last) = (Batch::default(), 0, 0);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_nanos() as i64;
    let ports = send(200, 10, "10.99.0.2", || {
        assert!(source.next_batch(&mut batch).expect("captured"));
        for meta in &batch.frames {
            assert_eq!((meta.number, meta.source, meta.link.0), (got as u64 + 1, 7, 1));
            assert_eq!((meta.wire_len, meta.data.len), (142, 142));
            assert!(
                meta.at >= now.max(last) && meta.at < now + 60_000_000_000,
                "{} {now}",
                meta.at
            );
            last = meta.at;
            got += 1;
        }
        got
    });
    assert_eq!((ports.len(), got, source.drops()), (200, 2000, 0));
}

#[test]
fn two_workers_share_conversations() {
    if !inside("two_workers_share_conversations") {
        return;
    }
    veth();
    let options = LiveOptions {
        workers: 2,
        fanout_group: 4711,
        ..LiveOptions::default()
    };
    let mut sources = [
        open("cw1", options),
        open("cw1", LiveOptions { worker: 1, ..options }),
    ];
    let mut got = [Vec::new(), Vec::new()];
    let ports = send(64, 20, "10.99.0.2", || {
        for (source, ports) in sources.iter_mut().zip(&mut got) {
            take(source, ports);
        }
        got.iter().map(Vec::len).sum()
    });
    let mut seen: BTreeMap<u16, [u32; 2]> = BTreeMap::new();
    for (worker, ports) in got.iter().enumerate() {
        for port in ports {
            seen.entry(*port).or_default()[worker] += 1;
        }
    }
    assert_eq!(seen.len(), ports.len());
    assert!(
        seen.values().all(|counts| matches!(counts, [20, 0] | [0, 20])),
        "{seen:?}"
    );
    assert!(
        got.iter().all(|ports| ports.len() >= 20 * 10),
        "{:?}",
        got.each_ref().map(Vec::len)
    );
}

#[test]
fn frames_are_cut_at_the_snap_length() {
    if !inside("frames_are_cut_at_the_snap_length") {
        return;
    }
    veth();
    let mut source = open(
        "cw1",
        LiveOptions {
            snaplen: 60,
            ..LiveOptions::default()
        },
    );
    let (mut batch, mut lengths) = (Batch::default(), Vec::new());
    send(1, 2, "10.99.0.2", || {
        assert!(source.next_batch(&mut batch).expect("captured"));
        lengths.extend(batch.frames.iter().map(|meta| (meta.wire_len, meta.data.len)));
        lengths.len()
    });
    assert_eq!(lengths, [(142, 60), (142, 60)]);
}

#[test]
fn vlan_tags_are_back_in_their_place() {
    if !inside("vlan_tags_are_back_in_their_place") {
        return;
    }
    veth();
    // The kernel takes the first tag out of each frame that arrives, whoever sent it.
    let ends = b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01";
    let frames = [
        &b"\x81\0\x60\x05\x08\0"[..],
        b"\x88\xa8\0\x07\x81\0\0\x08\x08\0",
        b"\x08\0",
    ]
    .map(|tags| [&ends[..], tags, &[0x45; 60]].concat());
    let path = std::env::temp_dir().join(format!("citywall-capture-vlan-{}.pcap", std::process::id()));
    let write = || {
        let mut writer = PcapWriter::new(std::fs::File::create(&path)?, LinkType::ETHERNET)?;
        frames
            .iter()
            .try_for_each(|frame| writer.write(0, frame.len() as u32, frame))
    };
    write().expect("written");
    let mut source = open("cw1", LiveOptions::default());
    let sent = Command::new("tcpreplay")
        .args(["-q", "--topspeed", "-i", "cw0"])
        .arg(&path)
        .output();
    let _ = std::fs::remove_file(&path);
    let Ok(sent) = sent else {
        eprintln!("SKIPPED: vlan_tags_are_back_in_their_place: no tcpreplay to send tagged frames");
        return;
    };
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    let (mut batch, mut got) = (Batch::default(), Vec::new());
    for _ in 0..20 {
        assert!(source.next_batch(&mut batch).expect("captured"));
        got.extend(
            batch
                .frames
                .iter()
                .map(|meta| (meta.wire_len as usize, batch.frame(meta).data.to_vec())),
        );
    }
    assert_eq!(got, frames.map(|frame| (frame.len(), frame)));
}

#[test]
fn the_loopback_gives_each_frame_once() {
    if !inside("the_loopback_gives_each_frame_once") {
        return;
    }
    ip("link set lo up");
    let receiver = UdpSocket::bind(("127.0.0.1", PORT)).expect("a port");
    let mut source = open("lo", LiveOptions::default());
    let mut ports = Vec::new();
    let mut sent = send(10, 5, "127.0.0.1", || {
        take(&mut source, &mut ports);
        ports.len()
    });
    take(&mut source, &mut ports);
    drop(receiver);
    sent = (0..5).flat_map(|_| sent.clone()).collect();
    sent.sort();
    ports.sort();
    assert_eq!(ports, sent);
}

#[test]
fn interfaces_that_cannot_be_captured() {
    if !inside("interfaces_that_cannot_be_captured") {
        return;
    }
    veth();
    let told = |error: Option<CaptureError>| error.map(|error| error.to_string()).unwrap_or_default();
    let refused = |name: &str| told(Interface::open(name, LiveOptions::default()).err());
    let ended = |source: &mut Interface| {
        let mut batch = Batch::default();
        told((0..50).find_map(|_| source.next_batch(&mut batch).err()))
    };
    let mut source = open("cw1", LiveOptions::default());
    ip("link set cw1 down");
    let down = "interface cw1: it went down: switch it on with \"ip link set cw1 up\" and start again";
    assert_eq!(ended(&mut source), down);
    assert_eq!(
        refused("cw1"),
        "interface cw1: it is down: switch it on with \"ip link set cw1 up\""
    );
    ip("link set cw1 up");
    let mut source = open("cw1", LiveOptions::default());
    let known = interfaces().into_iter().find(|interface| interface.name == "cw1");
    assert!(known.is_some_and(|known| known.up && known.mtu == 1500 && !known.loopback));
    ip("link del cw0");
    assert_eq!(ended(&mut source), "interface cw1: it is gone");
    assert_eq!(
        refused("cw1"),
        "interface cw1: there is no such interface; there are: lo"
    );
    assert_eq!(
        refused("a-name-that-is-too-long"),
        refused("a-name-that-is-too-long")
    );
}

#[test]
fn what_finds_no_room_is_counted() {
    if !inside("what_finds_no_room_is_counted") {
        return;
    }
    veth();
    let small = LiveOptions {
        block_size: 128 * 1024,
        blocks: 4,
        ..LiveOptions::default()
    };
    let mut source = open("cw1", small);
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a port");
    let sent = 1000;
    for _ in 0..sent {
        socket.send_to(&[7; 1400], ("10.99.0.2", PORT)).expect("sent");
    }
    let (mut batch, mut got) = (Batch::default(), 0);
    for _ in 0..20 {
        assert!(source.next_batch(&mut batch).expect("captured"));
        got += batch.frames.len() as u64;
    }
    assert!(
        source.drops() > 0 && got > 0,
        "{got} frames, {} drops",
        source.drops()
    );
    assert_eq!(got + source.drops(), sent);
}

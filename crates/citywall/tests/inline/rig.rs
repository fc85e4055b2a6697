//! Namespaces with a queue between them, a running `citywall inline`, and both ends of sessions.

#[path = "../support/namespace.rs"]
mod namespace;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use namespace::inside_of;

pub const PATIENCE: Duration = Duration::from_secs(60);
pub const SERVER: &str = "10.77.2.2";

pub const CITY: &str = r#"
[city]
name = "Test"
[[domain]]
name = "water"
[[zone]]
name = "centre"
domain = "water"
networks = ["10.77.1.0/24", "fd77:1::/64"]
[[zone]]
name = "pumps"
domain = "water"
networks = ["10.77.2.0/24", "fd77:2::/64"]
denied = "DENIED"
[[conduit]]
from = "centre"
to = "pumps"
allow = ["modbus: read, write holding:10", "mqtt: publish ok/#, subscribe ok/#", "snmp: get", "tcp/7000-7999"]
"#;

/// True in the namespace, where the test is to do its work.
pub fn inside(test: &str) -> bool {
    let probe = "mount -t tmpfs none /run && mkdir /run/netns && ip netns add a && \
                 iptables -t mangle -A FORWARD -j NFQUEUE --queue-num 1 --queue-bypass";
    let lacks = "needs unshare, ip, user namespaces and iptables with NFQUEUE";
    inside_of("-Urnm", probe, test, lacks)
}

pub fn sh(script: &str) {
    let output = Command::new("sh").args(["-ec", script]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {told}");
}

#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A client's and a server's namespace with this one as the router between them; all that is
/// forwarded goes to a queue.
pub fn network(queue: &str) {
    sh("mount -t tmpfs none /run; mkdir /run/netns; ip link set lo up
        echo 1 > /proc/sys/net/ipv4/ip_forward
        for n in 1 2; do
            ip netns add n$n
            ip link add r$n type veth peer name eth0 netns n$n
            ip addr add 10.77.$n.1/24 dev r$n; ip link set r$n up
            ip -n n$n addr add 10.77.$n.2/24 dev eth0
            ip -n n$n link set eth0 up; ip -n n$n link set lo up
            ip -n n$n route add default via 10.77.$n.1
        done
        iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP");
    sh(&format!("iptables -t mangle -A FORWARD -j NFQUEUE {queue}"));
}

/// The namespaces n1 and so on, one a zone, with this one as router or as the bridge in the wire.
/// IPv4 10.77.N.2, IPv6 fd77:N::2.
pub fn zones(count: u8, bridge: bool) {
    sh("mount -t tmpfs none /run; mkdir /run/netns; ip link set lo up
        echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
    if bridge {
        // What the folder of interfaces shows belongs to who mounted it.
        sh(
            "mount -t sysfs none /sys; ip link add br0 type bridge; ip link set br0 up
            for f in iptables ip6tables; do echo 1 > /proc/sys/net/bridge/bridge-nf-call-$f; done",
        );
    }
    for n in 1..=count {
        sh(&format!(
            "ip netns add n{n}
             ip link add r{n} type veth peer name eth0 netns n{n}; ip link set r{n} up
             ip -n n{n} link set lo up; ip -n n{n} link set eth0 up"
        ));
        // On the bridge all zones lie in one network.
        let (v4, v6) = if bridge { (16, 16) } else { (24, 64) };
        sh(&format!(
            "ip -n n{n} addr add 10.77.{n}.2/{v4} dev eth0
             ip -n n{n} addr add fd77:{n}::2/{v6} dev eth0 nodad"
        ));
        if bridge {
            sh(&format!("ip link set r{n} master br0"));
        } else {
            sh(&format!(
                "ip addr add 10.77.{n}.1/24 dev r{n}; ip addr add fd77:{n}::1/64 dev r{n} nodad
                 ip -n n{n} route add default via 10.77.{n}.1
                 ip -n n{n} -6 route add default via fd77:{n}::1"
            ));
        }
    }
}

/// Goes on in a namespace: of this thread alone.
pub fn enter(name: &str) {
    let file = fs::File::open(format!("/run/netns/{name}")).unwrap();
    rustix::thread::move_into_link_name_space(file.as_fd(), Some(rustix::thread::LinkNameSpaceType::Network))
        .unwrap();
}

/// Runs something in a namespace and waits for it.
pub fn within<T: Send + 'static>(name: &'static str, run: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(move || {
        enter(name);
        run()
    })
    .join()
    .unwrap()
}

/// A running `citywall inline`.
pub struct Inline {
    pub child: Child,
    orders: ChildStdin,
    told: Receiver<Value>,
    pub log: String,
}

impl Inline {
    pub fn start(test: &str, denied: &str, more: &[&str]) -> Inline {
        let folder = std::env::temp_dir().join(format!("citywall-inline-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let city = folder.join("city.toml");
        fs::write(&city, CITY.replace("DENIED", denied)).unwrap();
        let log = folder.join("log").display().to_string();
        let mut child = Command::new(env!("CARGO_BIN_EXE_citywall"))
            .args(["-v", "inline", "--city", city.to_str().unwrap()])
            // A test machine is busy: only tests of lateness are to meet it.
            .args(if more.contains(&"--late") {
                &[][..]
            } else {
                &["--late", "5000"][..]
            })
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (send, told) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if send.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
        let orders = child.stdin.take().unwrap();
        let inline = Inline {
            child,
            orders,
            told,
            log,
        };
        inline.says("a parser judges", 1);
        inline
    }

    /// How many parsers have begun to judge.
    pub fn judges(&self) -> usize {
        self.log().matches("a parser judges").count()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until the log says something so many times.
    pub fn says(&self, text: &str, times: usize) {
        let end = Instant::now() + PATIENCE;
        while self.log().matches(text).count() < times {
            assert!(
                Instant::now() < end,
                "waited in vain for {text:?}:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn order(&mut self, line: &str) -> Value {
        writeln!(self.orders, "{line}").unwrap();
        loop {
            let told = self.told.recv_timeout(PATIENCE).unwrap();
            if told["told"] != "refused" {
                return told;
            }
        }
    }

    pub fn refusal(&self) -> Value {
        self.told.recv_timeout(PATIENCE).unwrap()
    }

    pub fn parser(&self) -> Pid {
        let log = self.log();
        let (_, rest) = log.rsplit_once("parser: process ").unwrap();
        let number = rest.split_whitespace().next().unwrap().parse().unwrap();
        Pid::from_raw(number).unwrap()
    }
}

impl Drop for Inline {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(std::path::Path::new(&self.log).parent().unwrap());
    }
}

pub fn adu(id: u16, pdu: &[u8]) -> Vec<u8> {
    let mut adu = id.to_be_bytes().to_vec();
    adu.extend_from_slice(&[0, 0]);
    adu.extend_from_slice(&(pdu.len() as u16 + 1).to_be_bytes());
    adu.push(1);
    adu.extend_from_slice(pdu);
    adu
}

pub fn read_adu(stream: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut adu = vec![0; 6];
    stream.read_exact(&mut adu)?;
    let len = usize::from(u16::from_be_bytes([adu[4], adu[5]]));
    adu.resize(6 + len, 0);
    stream.read_exact(&mut adu[6..])?;
    Ok(adu)
}

/// A Modbus device with 100 registers; each write that reaches it is told to `writes`.
pub fn modbus_server() -> Receiver<u16> {
    modbus_server_in("n2")
}

pub fn modbus_server_in(name: &'static str) -> Receiver<u16> {
    let (told, writes) = channel();
    let listener = within(name, || TcpListener::bind(("::", 502)).unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, told) = (stream.unwrap(), told.clone());
            stream.set_nodelay(true).unwrap();
            std::thread::spawn(move || {
                while let Ok(request) = read_adu(&mut stream) {
                    let id = u16::from_be_bytes([request[0], request[1]]);
                    let address = u16::from_be_bytes([request[8], request[9]]);
                    let answer = match request[7] {
                        3 => adu(id, &[3, 2, 0, address as u8]),
                        function => {
                            told.send(address).unwrap();
                            adu(id, &[&[function], &request[8..12]].concat())
                        }
                    };
                    if stream.write_all(&answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    writes
}

pub fn connect(port: u16) -> TcpStream {
    connect_to(SERVER, port)
}

pub fn connect_to(address: &'static str, port: u16) -> TcpStream {
    let stream = within("n1", move || TcpStream::connect((address, port)).unwrap());
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub fn read_register(id: u16, address: u8) -> Vec<u8> {
    adu(id, &[3, 0, address, 0, 1])
}

pub fn write_register(id: u16, address: u8) -> Vec<u8> {
    adu(id, &[6, 0, address, 0, 9])
}

#[track_caller]
pub fn ask(stream: &mut TcpStream, request: &[u8], expected: &[u8]) {
    stream.write_all(request).unwrap();
    let got = read_adu(stream);
    assert_eq!(got.as_deref().ok(), Some(expected), "{got:?}");
}

/// Polls, with a denied write after each tenth.
pub fn poll(stream: &mut TcpStream, polls: u16) {
    for n in 0..polls {
        let register = (n % 90) as u8;
        ask(stream, &read_register(n, register), &adu(n, &[3, 2, 0, register]));
        if n % 10 == 9 {
            // Another address would do: "illegal data address".
            ask(stream, &write_register(n, 40), &adu(n, &[0x86, 2]));
        }
    }
}

pub fn nothing<T: std::fmt::Debug>(receiver: &Receiver<T>) {
    let got: Vec<T> = receiver.try_iter().collect();
    assert!(got.is_empty(), "{got:?}");
}

/// Echoes on a port that no protocol has.
pub fn echo_server() {
    echo_server_in("n2", 7_000);
}

pub fn echo_server_in(name: &'static str, port: u16) {
    let listener = within(name, move || TcpListener::bind(("::", port)).unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut byte = [0; 64];
                while let Ok(len @ 1..) = stream.read(&mut byte) {
                    stream.write_all(&byte[..len]).unwrap();
                }
            });
        }
    });
}

pub fn echo(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"\x81hello")?;
    stream.read_exact(&mut [0; 6])
}

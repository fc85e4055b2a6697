//! Real servers in place of ours, where they are installed and run as the one user that there is.
//!
//! Owns: their configuration, starting them, and whether they answer; where one does not, that is
//! written down and our own server takes its place. Does not own: their logs.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::dhcp::Lease;
use super::{Server, dns, ntp, snmp, ssh};
use crate::attack::find_tool;
use crate::log::{Kind, Log, now};
use crate::topology::SYSTEM_SERVICES;

/// How long one may take until it answers.
const PATIENCE: Duration = Duration::from_millis(2_500);

/// A real server: its program, its arguments, its files, and how it is asked whether it lives.
struct Real {
    program: &'static str,
    /// What is run to its end before, with its arguments.
    before: Option<(&'static str, Vec<String>)>,
    arguments: Vec<String>,
    files: Vec<(&'static str, Vec<u8>)>,
    answers: fn() -> io::Result<()>,
}

/// Starts a real server; false where there is none, or where it does not answer.
pub(super) fn start(server: &Server, log_file: &Path, log: &Log) -> bool {
    let folder = log_file.with_extension("server");
    let Some(real) = real(server, &folder) else {
        return false;
    };
    let Some(program) = find_tool(real.program) else {
        let what = "SKIPPED: not installed, our own server takes its place";
        log.tell(Kind::Served, real.program, real.program, now(), false, what);
        return false;
    };
    match run(&real, &program, &folder) {
        Ok(()) => {
            log.tell(
                Kind::Served,
                real.program,
                "",
                now(),
                true,
                "the real server runs",
            );
            true
        }
        Err(error) => {
            let what = format!("SKIPPED: our own server takes its place: {error}");
            log.tell(Kind::Served, real.program, real.program, now(), false, &what);
            false
        }
    }
}

fn run(real: &Real, program: &Path, folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (name, bytes) in &real.files {
        std::fs::write(folder.join(name), bytes)?;
    }
    let output = std::fs::File::create(folder.join("output"))?;
    if let Some((before, arguments)) = &real.before {
        let before = find_tool(before).ok_or_else(|| io::Error::other(format!("no {before}")))?;
        let status = Command::new(before)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?)
            .status()?;
        if !status.success() {
            return Err(io::Error::other(status.to_string()));
        }
    }
    let mut child = Command::new(program)
        .args(&real.arguments)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()?;
    let end = Instant::now() + PATIENCE;
    loop {
        let asked = (real.answers)();
        if asked.is_ok() && matches!(child.try_wait(), Ok(None)) {
            // It lives as long as the namespaces do.
            return Ok(());
        }
        if Instant::now() > end || matches!(child.try_wait(), Ok(Some(_))) {
            stop(&mut child);
            let said = std::fs::read_to_string(folder.join("output")).unwrap_or_default();
            let said = said.lines().last().unwrap_or("it says nothing").to_owned();
            return Err(io::Error::other(said));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn stop(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn real(server: &Server, folder: &Path) -> Option<Real> {
    let path = |name: &str| folder.join(name).display().to_string();
    let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect();
    match server {
        Server::Mqtt => Some(Real {
            program: "mosquitto",
            before: None,
            arguments: words(&["-c", &path("mosquitto.conf")]),
            files: vec![(
                "mosquitto.conf",
                b"user root\nlistener 1883 0.0.0.0\nallow_anonymous true\npersistence false\n".to_vec(),
            )],
            answers: || open(1_883),
        }),
        Server::Web { bytes } => Some(Real {
            program: "nginx",
            before: None,
            arguments: words(&["-c", &path("nginx.conf"), "-p", &folder.display().to_string()]),
            files: vec![
                ("nginx.conf", nginx(folder).into_bytes()),
                ("page", vec![b'.'; *bytes]),
            ],
            answers: || open(80),
        }),
        Server::Dns => Some(Real {
            program: "unbound",
            before: None,
            arguments: words(&["-d", "-c", &path("unbound.conf")]),
            files: vec![(
                "unbound.conf",
                unbound(&PathBuf::from(path("unbound.pid"))).into_bytes(),
            )],
            answers: || dns::ask(Ipv4Addr::LOCALHOST, "updates.eastmere.example", dns::A, 7),
        }),
        Server::Dhcp { leases } => Some(Real {
            program: "dnsmasq",
            before: None,
            arguments: words(&["-d", "-C", &path("dnsmasq.conf")]),
            files: vec![("dnsmasq.conf", dnsmasq(leases, folder).into_bytes())],
            // Nobody here has a lease who could ask.
            answers: || listens(67),
        }),
        Server::Ntp => Some(Real {
            program: "chronyd",
            before: None,
            arguments: words(&["-x", "-n", "-u", "root", "-f", &path("chrony.conf")]),
            files: vec![(
                "chrony.conf",
                format!(
                    "local stratum 8\nallow all\ncmdport 0\nbindcmdaddress /\npidfile {}\n",
                    path("chrony.pid")
                )
                .into_bytes(),
            )],
            answers: || ntp::ask(Ipv4Addr::LOCALHOST),
        }),
        Server::Agent => Some(Real {
            program: "snmpd",
            before: None,
            arguments: words(&["-f", "-C", "-c", &path("snmpd.conf"), "-Lo", "udp:161"]),
            files: vec![(
                "snmpd.conf",
                b"rocommunity city-ops\nsysservices 72\nsysdescr a power supply of the data centre\n"
                    .to_vec(),
            )],
            answers: || snmp::get(Ipv4Addr::LOCALHOST, "city-ops", SYSTEM_SERVICES, 7).map(drop),
        }),
        Server::Ssh => Some(Real {
            program: "dropbear",
            before: Some(("dropbearkey", words(&["-t", "ed25519", "-f", &path("host.key")]))),
            // In the foreground, telling standard error, nobody's password, no forwarding.
            arguments: words(&["-F", "-E", "-s", "-j", "-k", "-p", "22", "-r", &path("host.key")]),
            files: vec![],
            answers: || ssh::greet(Ipv4Addr::LOCALHOST),
        }),
        _ => None,
    }
}

/// Somebody has this UDP port.
fn listens(port: u16) -> io::Result<()> {
    let sockets = std::fs::read_to_string("/proc/net/udp")?;
    let local = format!(":{port:04X}");
    let mut ports = sockets.lines().filter_map(|line| line.split_whitespace().nth(1));
    if ports.any(|address| address.ends_with(&local)) {
        Ok(())
    } else {
        Err(io::Error::other("nobody has its port"))
    }
}

/// No names, no free addresses; a lease that it has never heard of is renewed all the same.
fn dnsmasq(leases: &[Lease], folder: &Path) -> String {
    let folder = folder.display();
    let mut text = format!(
        "port=0\ndhcp-leasefile={folder}/leases\n\
         log-facility=-\nno-ping\ndhcp-authoritative\n"
    );
    for Lease { mac, address } in leases {
        let [a, b, c, _] = address.octets();
        text += &format!("dhcp-range={a}.{b}.{c}.0,static,255.255.255.0,1h\ndhcp-host={mac},{address}\n");
    }
    text
}

/// One process, as the one user; every path is the same page.
fn nginx(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "user root;\ndaemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n\
         events {{ worker_connections 128; }}\nhttp {{\n  access_log {folder}/access.log;\n\
         \u{20} client_body_temp_path {folder}/body;\n  proxy_temp_path {folder}/proxy;\n\
         \u{20} fastcgi_temp_path {folder}/fastcgi;\n  uwsgi_temp_path {folder}/uwsgi;\n\
         \u{20} scgi_temp_path {folder}/scgi;\n\
         \u{20} server {{ listen 80; root {folder}; location / {{ try_files /page =404; }} }}\n}}\n"
    )
}

/// Knows its own city; whatever lies below `tunnel.example` has a text.
fn unbound(pid: &Path) -> String {
    format!(
        "server:\n  username: \"\"\n  chroot: \"\"\n  directory: \"/\"\n  pidfile: \"{}\"\n  interface: 0.0.0.0\n\
         \u{20} access-control: 0.0.0.0/0 allow\n  num-threads: 1\n  use-syslog: no\n  do-daemonize: no\n\
         \u{20} local-zone: \"eastmere.example.\" redirect\n\
         \u{20} local-data: \"eastmere.example. 60 A 192.0.2.80\"\n\
         \u{20} local-zone: \"tunnel.example.\" redirect\n\
         \u{20} local-data: 'tunnel.example. 60 TXT \"go on, I have it\"'\n\
         remote-control:\n  control-enable: no\n",
        pid.display()
    )
}

fn open(port: u16) -> io::Result<()> {
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&to, Duration::from_millis(200)).map(drop)
}

//! A topology as network namespaces: one a host, one for the wall, one for its sensor.
//!
//! Owns: namespaces, bridges, veth pairs, addresses, routes and the mirror port; running a program
//! in a namespace. Does not own: what runs there, and the outer namespace in which all of this
//! lives and with which it dies (`outside`).
//!
//! Each host's port is copied to the sensor where frames come in, so a frame is seen once, as it
//! was sent, whether it is then bridged, routed or dropped.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::error::{RangeError, Result, file};
use crate::topology::Topology;

/// The namespace that the wall routes in.
pub(crate) const WALL: &str = "wall";
/// The namespace in which the sensor watches.
pub(crate) const SENSOR: &str = "sensor";
/// The interface on which the sensor watches.
pub(crate) const SPAN: &str = "span0";
/// The wall's end of the mirror.
const MIRROR: &str = "mirror0";

/// Where `ip netns` keeps the names.
const NAMES: &str = "/run/netns";

/// A command that runs in a namespace.
pub(crate) fn within(namespace: &str, program: &str) -> Command {
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--net={NAMES}/{namespace}"))
        .arg("--")
        .arg(program);
    command
}

/// Runs a command and gives what it wrote.
pub(crate) fn output(command: &mut Command, input: &str) -> Result<String> {
    let failed = |said: String| RangeError::Command {
        command: words(command),
        said,
    };
    let (stdin, stdout, stderr) = (Stdio::piped(), Stdio::piped(), Stdio::piped());
    let child = Command::new(command.get_program())
        .args(command.get_args())
        .stdin(stdin)
        .stdout(stdout)
        .stderr(stderr)
        .spawn();
    let mut child = child.map_err(|e| failed(e.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that has read enough closes its end; it then says itself what is wrong.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|e| failed(e.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A command's words, for messages.
pub(crate) fn words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn batch(program: &str, namespace: Option<&str>, lines: &str) -> Result<()> {
    let mut command = Command::new(program);
    if let Some(namespace) = namespace {
        command.args(["-n", namespace]);
    }
    output(command.args(["-batch", "-"]), lines).map(drop)
}

/// Builds all of it.
pub(crate) fn build(topology: &Topology) -> Result<()> {
    // A /run of our own: names of namespaces, and the locks of nft and iptables, lie there.
    output(Command::new("mount").args(["-t", "tmpfs", "range", "/run"]), "")?;
    std::fs::create_dir_all(NAMES).map_err(file(&PathBuf::from(NAMES)))?;
    let mut lines = format!("netns add {WALL}\nnetns add {SENSOR}\n");
    for host in &topology.hosts {
        lines += &format!("netns add {}\n", host.name);
    }
    lines += &format!("link add dev {MIRROR} netns {WALL} type veth peer name {SPAN} netns {SENSOR}\n");
    for host in &topology.hosts {
        let name = host.name;
        lines += &format!("link add dev p-{name} netns {WALL} type veth peer name eth0 netns {name}\n");
    }
    batch("ip", None, &lines)?;
    sysctl(WALL, &wall_settings())?;
    wall(topology)?;
    batch(
        "ip",
        Some(SENSOR),
        &format!("link set lo up\nlink set {SPAN} mtu 9000 up\n"),
    )?;
    for host in &topology.hosts {
        self::host(topology, host)?;
    }
    Ok(())
}

fn wall_settings() -> Vec<(&'static str, &'static str)> {
    vec![
        ("net.ipv4.ip_forward", "1"),
        ("net.ipv4.conf.all.rp_filter", "0"),
        ("net.ipv4.conf.default.rp_filter", "0"),
        // A router that redirects would take itself out of the path.
        ("net.ipv4.conf.all.send_redirects", "0"),
        ("net.ipv4.conf.default.send_redirects", "0"),
        ("net.ipv6.conf.all.disable_ipv6", "1"),
        ("net.ipv6.conf.default.disable_ipv6", "1"),
        // What is bridged within a zone passes the firewall as well.
        ("net.bridge.bridge-nf-call-iptables", "1"),
    ]
}

/// Sets kernel variables of a namespace.
fn sysctl(namespace: &str, settings: &[(&str, &str)]) -> Result<()> {
    let mut command = within(namespace, "sysctl");
    command.arg("-qw");
    command.args(settings.iter().map(|(name, value)| format!("{name}={value}")));
    output(&mut command, "").map(drop)
}

fn wall(topology: &Topology) -> Result<()> {
    let mut lines = format!("link set lo up\nlink set {MIRROR} mtu 9000 up\n");
    for (index, zone) in topology.zones.iter().enumerate() {
        let bridge = zone.bridge(index);
        let gateway = zone.gateway();
        lines += &format!(
            "link add {bridge} type bridge forward_delay 0\nlink set {bridge} address {}\n",
            mac(index)
        );
        lines += &format!("addr add {gateway}/24 dev {bridge}\nlink set {bridge} up\n");
    }
    let mut mirror = String::new();
    for host in &topology.hosts {
        let Some(zone) = topology.zone_of(host) else {
            continue;
        };
        let name = host.name;
        lines += &format!(
            "link set p-{name} master {}\nlink set p-{name} up\n",
            zone.bridge(host.zone)
        );
        mirror += &format!(
            "qdisc add dev p-{name} clsact\nfilter add dev p-{name} ingress protocol all prio 1 \
             u32 match u32 0 0 action mirred egress mirror dev {MIRROR}\n"
        );
    }
    // What is sent to addresses that nobody has leaves the city, and is not answered: no word comes back that
    // it cannot be delivered.
    if let Some(outside) = topology.hosts.iter().find(|host| topology.is_outside(host)) {
        lines += &format!("route add {} via {}\n", crate::attack::NOBODY, outside.address);
    }
    batch("ip", Some(WALL), &lines)?;
    batch("tc", Some(WALL), &mirror)
}

/// The wall's own hardware address in a zone.
pub(crate) fn mac(zone: usize) -> String {
    format!("02:00:5e:00:01:{zone:02x}")
}

fn host(topology: &Topology, host: &crate::topology::Host) -> Result<()> {
    let Some(zone) = topology.zone_of(host) else {
        return Ok(());
    };
    // Without IPv6 the ends of the links do not announce themselves with frames of their own.
    let settings = [
        ("net.ipv6.conf.all.disable_ipv6", "1"),
        ("net.ipv4.conf.all.rp_filter", "0"),
        // As small devices are: no cookies, little room for what is half open, and no memory of who was there
        // before.
        ("net.ipv4.tcp_syncookies", "0"),
        ("net.ipv4.tcp_no_metrics_save", "1"),
        ("net.ipv4.tcp_max_syn_backlog", "128"),
        ("net.core.somaxconn", "128"),
    ];
    sysctl(host.name, &settings)?;
    let lines = format!(
        "link set lo up\nlink set eth0 address {}\naddr add {}/24 dev eth0\nlink set eth0 up\nroute add default via {}\n",
        host.mac,
        host.address,
        zone.gateway()
    );
    batch("ip", Some(host.name), &lines)
}

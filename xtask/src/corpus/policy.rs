//! The city file: what no conduit allows.

use super::Case;
use super::capture::{Capture, SECOND};
use super::net::{End, Host, host};
use super::talk::{Side::Client, Side::Server, Talk};
use crate::story::payload::modbus::{adu, read, registers, write};

const AREA: &str = "policy";

/// The operators' server.
pub const SCADA: Host = host(10, 41, 0, 10);
/// A pump's controller.
pub const PLC: Host = host(10, 40, 0, 20);
/// A camera.
pub const CAMERA: Host = host(10, 30, 0, 6);
/// A device of the isolated zone.
const SAFETY: Host = host(10, 50, 0, 2);

/// A small city: one conduit, one isolated zone.
pub const CITY: &str = r#"
[city]
name = "Corpus"

[[domain]]
name = "water"

[[domain]]
name = "transport"

[[zone]]
name = "pumps"
domain = "water"
networks = ["10.40.0.0/24"]
criticality = "safety"

[[zone]]
name = "scada"
domain = "water"
networks = ["10.41.0.0/24"]
criticality = "essential"

[[zone]]
name = "cctv"
domain = "transport"
networks = ["10.30.0.0/24"]
criticality = "normal"

[[zone]]
name = "burner-safety"
domain = "water"
networks = ["10.50.0.0/24"]
criticality = "safety"
isolated = true

[[asset]]
name = "pump-plc-1"
address = "10.40.0.20"
role = "plc"

[[asset]]
name = "scada-1"
address = "10.41.0.10"
role = "scada-server"

[[asset]]
name = "camera-6"
address = "10.30.0.6"
role = "camera"

[[conduit]]
from = "scada-1"
to = "pumps"
allow = ["modbus: read, write holding:40-49 unit 1"]

[[service]]
name = "Drinking water"
depends_on = ["pumps"]
"#;

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![conduit(), protocol(), command(), isolation()]
}

/// A Modbus conversation of requests with their answers.
pub fn modbus(c: &mut Capture, from: End, to: Host, pairs: &[(Vec<u8>, Vec<u8>)]) {
    let mut talk = Talk::open(c, from, (to, 502));
    for (n, (ask, answer)) in (1..).zip(pairs) {
        talk.say(c, Client, &adu(n, 1, ask));
        talk.say(c, Server, &adu(n, 1, answer));
        c.wait(SECOND);
    }
    talk.close(c);
}

fn conduit() -> Case {
    let mut capture = Capture::new();
    let c = &mut capture;
    modbus(c, (SCADA, 40_001), PLC, &[(read(3, 40, 1), registers(3, &[7]))]);
    modbus(c, (CAMERA, 40_001), PLC, &[(read(3, 40, 1), registers(3, &[7]))]);
    Case::new(
        AREA,
        "conduit",
        "The operators' server reads a pump (allowed); a camera reads it too, and no conduit leads from cameras to pumps: a\n\
         `violation` of kind conduit, told once for the contact and once for the command.",
        capture,
    )
    .with("city.toml", CITY)
}

fn protocol() -> Case {
    let mut capture = Capture::new();
    let c = &mut capture;
    // HTTP on the port of Modbus.
    let mut talk = Talk::open(c, (SCADA, 40_001), (PLC, 502));
    talk.say(c, Client, b"GET / HTTP/1.1\r\nHost: plc\r\n\r\n");
    talk.say(c, Server, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    talk.close(c);
    // And a port that the conduit does not carry.
    Talk::between((SCADA, 40_002), (PLC, 23)).syn(c);
    Case::new(
        AREA,
        "protocol",
        "The conduit carries Modbus. HTTP on its port is told when the content shows it; telnet at once. Kind protocol.",
        capture,
    )
    .with("city.toml", CITY)
}

fn command() -> Case {
    let mut capture = Capture::new();
    let pairs = [
        (write(6, 40, 500), write(6, 40, 500)),
        (write(6, 50, 1), write(6, 50, 1)),
        (write(5, 3, 0xff00), vec![0x85, 1]),
    ];
    modbus(&mut capture, (SCADA, 40_001), PLC, &pairs);
    Case::new(
        AREA,
        "command",
        "The operators' server may write the registers 40 to 49: the first write is fine, the second (50) and the coil are\n\
         violations of kind command, though the device refused the latter itself.",
        capture,
    )
    .with("city.toml", CITY)
}

fn isolation() -> Case {
    let mut capture = Capture::new();
    let c = &mut capture;
    Talk::between((SCADA, 40_001), (SAFETY, 502)).syn(c);
    Talk::between((SAFETY, 40_002), (host(198, 51, 100, 9), 443)).syn(c);
    modbus(
        c,
        (host(10, 50, 0, 3), 40_003),
        SAFETY,
        &[(read(3, 0, 1), registers(3, &[1]))],
    );
    Case::new(
        AREA,
        "isolation",
        "A zone that is declared to have no connection at all: a contact into it and one out of it are violations of kind\n\
         isolation; what stays inside is fine.",
        capture,
    )
    .with("city.toml", CITY)
}

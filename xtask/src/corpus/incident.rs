//! One incident: a camera is taken over, searches, and writes to a pump.

use super::Case;
use super::capture::{Capture, MS, SECOND};
use super::net::host;
use super::policy::{CAMERA, CITY, PLC, modbus};
use super::talk::{Side::Client, Side::Server, Talk};
use crate::story::payload::modbus::{read, registers, write};

const AREA: &str = "incident";

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        case(
            "camera-to-pump",
            true,
            "A camera is entered by telnet with a factory password, searches the pumps' network and writes a register of a PLC\n\
             (ATT&CK for ICS T0812, T0846, T0836): one `incident` with its reasons, each with the event that shows it, and what\n\
             would be done (`action`).",
        ),
        case(
            "without-the-write",
            false,
            "The same without search and write: a login with a factory password alone. Compare the incident's severity, if there is one.",
        ),
    ]
}

fn case(name: &str, goes_on: bool, readme: &str) -> Case {
    let mut capture = Capture::new();
    let c = &mut capture;
    let mut talk = Talk::open(c, (host(203, 0, 113, 66), 51_000), (CAMERA, 23));
    talk.say(c, Server, &[255, 251, 1, 255, 251, 3]);
    talk.say(c, Client, &[255, 253, 1, 255, 253, 3]);
    talk.say(c, Server, b"\r\ncamera-6 login: ");
    talk.say(c, Client, b"root\r\0");
    talk.say(c, Server, b"root\r\nPassword: ");
    talk.say(c, Client, b"xc3511\r\0");
    talk.say(c, Server, b"\r\n\r\nBusyBox v1.19.4\r\n# ");
    talk.say(c, Client, b"/bin/busybox CAM\r\0");
    talk.say(c, Server, b"/bin/busybox CAM\r\nCAM: applet not found\r\n# ");
    if goes_on {
        for n in 1..=20 {
            Talk::between((CAMERA, 40_000 + u16::from(n)), (host(10, 40, 0, 100 + n), 502)).syn(c);
            c.wait(100 * MS);
        }
        let pairs = [
            (read(3, 40, 2), registers(3, &[420, 7])),
            (write(6, 40, 0), write(6, 40, 0)),
        ];
        modbus(c, (CAMERA, 42_000), PLC, &pairs);
    }
    c.wait(90 * SECOND);
    talk.close(c);
    Case::new(AREA, name, readme, capture).with("city.toml", CITY)
}

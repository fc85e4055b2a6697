//! Attacks on devices and control systems.
//!
//! Owns: worm, scan, guessing, forbidden writes, false addresses, strange devices.

use super::*;

pub(super) static CAMERA_WORM: Scenario = Scenario {
    name: "camera-worm",
    title: "A kiosk takes over a camera by a vendor's password; the camera goes on to the next one",
    lesson: "Watch the incident grow: first a login with a password that is no secret, then the camera that \
             was broken into does the same to its neighbour. See that the recorder still gets the pictures of \
             camera-1, and that only camera-2 is cut off.",
    attack: |city| {
        let onward = Step::Telnet {
            targets: ips(city, &["camera-3"]),
            passwords: passwords(),
            lines: worm_lines(city),
        };
        let home = Step::Beacon { to: ip(city, "lair") };
        vec![
            take_over_camera(city),
            Part::repeated("camera-2", 1_000, 40, 250, onward),
            Part::repeated("camera-2", 1_000, 40, 400, home),
        ]
    },
    detected: &[Detected::Incident("camera-2"), Detected::Alert(9_000_001)],
    done: &[Done::Action(CUT, "camera-2"), Done::Stops("telnet")],
    touched: &["camera-2", "camera-3", "kiosk"],
    ..BASE
};

pub(super) static KIOSK_SCAN: Scenario = Scenario {
    name: "kiosk-scan",
    title: "A kiosk looks for open doors among the cameras and the pumps",
    lesson: "A scan needs no malware to be seen: many hosts, most of them in vain. Look at which zones the \
             kiosk is denied, and that it is denied nothing else: its way to the forms of the city stays.",
    attack: |city| {
        let zone = |name: &str| city.zones.iter().find(|z| z.name == name);
        let targets = ["video", "pumps"].iter().filter_map(|n| zone(n));
        let targets = targets.flat_map(|z| (8..40).map(|last| z.at(last))).collect();
        let open = Step::Scan {
            targets: ips(city, &["camera-1", "camera-2", "camera-3", "pump-plc-1"]),
            ports: vec![23, 80, 502],
        };
        vec![
            Part::once(
                "kiosk",
                Step::Scan {
                    targets,
                    ports: vec![23],
                },
            ),
            Part::repeated("kiosk", 200, 60, 100, open),
        ]
    },
    detected: &[
        Detected::Incident("kiosk"),
        Detected::Behaviour(&["horizontal_scan", "vertical_scan"]),
    ],
    done: &[Done::Action(DENY, "kiosk"), Done::Stops("scan")],
    touched: &["kiosk"],
    ..BASE
};

pub(super) static PASSWORD_GUESSING: Scenario = Scenario {
    name: "password-guessing",
    title: "An office machine tries password after password on a camera",
    lesson: "None of the passwords is right, so nobody was taken over: the incident says guessing, and the \
             answer is small. hydra is used where it is installed, our own program where it is not.",
    attack: |city| {
        let camera = ip(city, "camera-1");
        let words = [
            "admin", "12345", "root", "pass", "666666", "default", "camera", "user",
        ];
        let passwords = words.map(|w| ("root".to_owned(), w.to_owned())).to_vec();
        let own = Step::Telnet {
            targets: vec![camera],
            passwords,
            lines: vec![],
        };
        let arguments = format!("-l root -x 4:4:a -t 2 -f -I telnet://{camera}");
        let hydra = Step::Tool {
            program: "hydra".to_owned(),
            arguments: arguments.split(' ').map(str::to_owned).collect(),
        };
        let page = Step::Scan {
            targets: vec![camera],
            ports: vec![23],
        };
        vec![
            Part::repeated("office-2", 0, 20, 200, own),
            Part::once("office-2", hydra),
            Part::repeated("office-2", 100, 60, 100, page),
        ]
    },
    detected: &[
        Detected::Incident("office-2"),
        Detected::Behaviour(&["password_guessing"]),
    ],
    done: &[Done::Action(DENY, "office-2"), Done::Stops("scan")],
    touched: &["office-2"],
    ..BASE
};

pub(super) static PUMP_WRITE: Scenario = Scenario {
    name: "pump-write",
    title: "A camera that was taken over switches a pump off",
    lesson: "The worst that this city knows: somebody tells a pump what to do who may not. Look at the time \
             between the first write and the answer, and at the pump's own log: the control room's polling \
             must not have missed a beat.",
    attack: |city| {
        let write = Step::Modbus {
            to: ip(city, "pump-plc-1"),
            register: None,
        };
        vec![
            take_over_camera(city),
            Part::repeated("camera-2", 800, 200, 100, write),
        ]
    },
    detected: &[Detected::Incident("camera-2"), Detected::Violation],
    done: &[Done::Action(DENY, "camera-2"), Done::Stops("modbus")],
    touched: &["camera-2", "kiosk"],
    ..BASE
};

pub(super) static SIGNAL_WRITE: Scenario = Scenario {
    name: "signal-write",
    title: "An office machine sets the plan of a traffic signal with the community 'public'",
    lesson: "SNMP runs over UDP, where a sender's address proves little; yet the answer came back and the \
             machine answers on its own link. Look at what the wall takes as proof, and that the signal is \
             still run by the traffic centre.",
    attack: |city| {
        let set = Step::Snmp {
            to: ip(city, "junction-1"),
            community: "public".to_owned(),
            oid: SIGNAL_PLAN.to_owned(),
        };
        vec![Part::repeated("office-1", 0, 100, 100, set)]
    },
    detected: &[Detected::Incident("office-1"), Detected::Alert(9_000_023)],
    done: &[Done::Action(DENY, "office-1"), Done::Stops("snmp")],
    touched: &["office-1"],
    ..BASE
};

pub(super) static SCADA_MISUSE: Scenario = Scenario {
    name: "scada-misuse",
    title: "The control room itself writes to a pump what the city does not allow",
    lesson: "The control room may poll and change set points; the pump depends on it. Cutting it off would be \
             the attacker's success: what is denied is the write alone, inside the living conversation.",
    attack: |city| {
        let write = Step::Modbus {
            to: ip(city, "pump-plc-2"),
            register: Some(700),
        };
        vec![Part::repeated("scada-1", 0, 200, 50, write)]
    },
    detected: &[Detected::Incident("scada-1"), Detected::Violation],
    done: &[Done::Action(&["deny-command"], "scada-1"), Done::Stops("modbus")],
    ..BASE
};

pub(super) static POLICY_HOLDS: Scenario = Scenario {
    name: "policy-holds",
    title: "With the policy in force, what no conduit allows does not arrive at all",
    lesson: "Nobody has to respond to what cannot happen. The kiosk tries pumps, signals and cameras; none of \
             its packets gets there, and all permitted work goes on.",
    attack: |city| {
        let write = Step::Modbus {
            to: ip(city, "pump-plc-1"),
            register: None,
        };
        let set = Step::Snmp {
            to: ip(city, "junction-2"),
            community: "public".to_owned(),
            oid: SIGNAL_PLAN.to_owned(),
        };
        vec![
            take_over_camera(city),
            Part::repeated("kiosk", 0, 50, 200, write),
            Part::repeated("kiosk", 0, 50, 200, set),
        ]
    },
    detected: &[Detected::Violation],
    done: &[Done::Never("modbus"), Done::Never("snmp"), Done::Never("telnet")],
    touched: &["kiosk"],
    enforced: true,
    watched: 4_000,
    ..BASE
};

pub(super) static ARP_SPOOFING: Scenario = Scenario {
    name: "arp-spoofing",
    title: "A kiosk says that it is the gateway, to read what its neighbours send",
    lesson: "Whoever is cut off by the address it claims would be the gateway itself. Look at whom the wall \
             acts against: the hardware address that claims, not the address that is claimed.",
    attack: |city| {
        let gateway = city
            .host("kiosk")
            .and_then(|h| city.zone_of(h))
            .map(crate::topology::Zone::gateway);
        let address = gateway.unwrap_or(Ipv4Addr::LOCALHOST);
        let victim = ip(city, "office-1");
        let spoof = Step::Tool {
            program: "arpspoof".to_owned(),
            arguments: ["-i", "eth0", "-t", &victim.to_string(), &address.to_string()]
                .map(str::to_owned)
                .to_vec(),
        };
        vec![
            Part::repeated("kiosk", 0, 20, 300, Step::TakeAddress { address }),
            Part::once("kiosk", spoof),
        ]
    },
    detected: &[Detected::Behaviour(&["address_claimed"])],
    done: &[Done::Action(CUT, "kiosk")],
    touched: &["kiosk"],
    harmed: &["office-1", "office-2"],
    ..BASE
};

pub(super) static ROGUE_DEVICE: Scenario = Scenario {
    name: "rogue-device",
    title: "Somebody plugs a box into a lamp post, and it looks for the pumps",
    lesson: "The city file does not know it, so nobody misses it. Look at how it is told apart from the lamps \
             beside it, which go on telling how bright they are.",
    attack: |city| {
        let read = Step::ModbusRead {
            to: ip(city, "pump-plc-2"),
        };
        let look = Step::Scan {
            targets: ips(
                city,
                &[
                    "pump-plc-1",
                    "pump-plc-2",
                    "junction-1",
                    "camera-1",
                    "records",
                    "scada-1",
                ],
            ),
            ports: vec![22, 23, 80, 502],
        };
        vec![
            Part::repeated("stray-box", 0, 30, 200, look),
            Part::repeated("stray-box", 0, 100, 100, read),
        ]
    },
    detected: &[Detected::Incident("stray-box")],
    done: &[Done::Action(ANY, "stray-box"), Done::Stops("modbus-read")],
    touched: &["stray-box"],
    ..BASE
};

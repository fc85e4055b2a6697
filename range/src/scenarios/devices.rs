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
    done: &[
        Done::Action(DENY, "camera-2"),
        Done::Action(CUT, "camera-2"),
        Done::Stops("telnet"),
    ],
    touched: &["camera-2", "camera-3", "kiosk"],
    ..BASE
};

pub(super) static CAMERA_SCAN: Scenario = Scenario {
    name: "camera-scan",
    title: "A camera that was taken over looks for open doors among the pumps and the wards",
    lesson: "A scan needs no malware to be seen: many hosts, most of them in vain. Look at which zones the \
             camera is denied without anybody being asked, and what waits for a person, because it would stop \
             the pictures as well. nmap is used where it is installed.",
    attack: |city| {
        let zone = |name: &str| city.zones.iter().find(|z| z.name == name);
        let targets = ["pumps", "hospital"].iter().filter_map(|n| zone(n));
        let targets = targets.flat_map(|z| (8..40).map(|last| z.at(last))).collect();
        let open = Step::Scan {
            targets: ips(city, &["pump-plc-1", "pump-plc-2"]),
            ports: vec![502],
        };
        let nmap = Step::Tool {
            program: "nmap".to_owned(),
            arguments: [
                "-sT",
                "-Pn",
                "-n",
                "--max-retries",
                "0",
                "-T4",
                "-p",
                "21-25,80,102,443,502",
            ]
            .iter()
            .map(|a| (*a).to_owned())
            .chain(
                ips(city, &["pump-plc-1", "pump-plc-2"])
                    .iter()
                    .map(ToString::to_string),
            )
            .collect(),
        };
        let wide = Step::Scan {
            targets,
            ports: vec![23],
        };
        vec![
            take_over_camera(city),
            Part::repeated("camera-2", 700, 1, 0, wide),
            Part::repeated("camera-2", 700, 1, 0, nmap),
            Part::repeated("camera-2", 600, 80, 100, open),
        ]
    },
    detected: &[
        Detected::Incident("camera-2"),
        Detected::Behaviour(&["horizontal_scan", "vertical_scan"]),
    ],
    done: &[Done::Action(DENY, "camera-2"), Done::Stops("scan")],
    touched: &["camera-2", "kiosk"],
    ..BASE
};

pub(super) static PASSWORD_GUESSING: Scenario = Scenario {
    name: "password-guessing",
    title: "An office machine tries password after password on a camera, and one is right",
    lesson: "Guessing alone is told and not acted on: a forgetful fitter looks the same. When the guess is right \
             and the camera then speaks with whom it may not, it is another matter. hydra is used where it is \
             installed, beside our own program.",
    attack: |city| {
        let camera = ip(city, "camera-3");
        let words = [
            "12345", "root", "pass", "666666", "default", "camera", "user", "admin",
        ];
        let passwords = words.map(|w| ("root".to_owned(), w.to_owned())).to_vec();
        let own = Step::Telnet {
            targets: vec![camera],
            passwords,
            lines: worm_lines(city),
        };
        let arguments = format!("-l root -x 2:2:a -t 2 -f -I telnet://{}", ip(city, "camera-1"));
        let hydra = Step::Tool {
            program: "hydra".to_owned(),
            arguments: arguments.split(' ').map(str::to_owned).collect(),
        };
        let read = Step::ModbusRead {
            to: ip(city, "pump-plc-1"),
        };
        vec![
            Part::once("office-2", own),
            Part::once("office-2", hydra),
            Part::repeated("camera-3", 1_000, 100, 100, read),
        ]
    },
    detected: &[
        Detected::Incident("camera-3"),
        Detected::Behaviour(&["password_guessing", "password_guessed"]),
    ],
    done: &[Done::Action(DENY, "camera-3"), Done::Stops("modbus-read")],
    touched: &["camera-3", "office-2", "camera-1"],
    ..BASE
};

pub(super) static PUMP_WRITE: Scenario = Scenario {
    name: "pump-write",
    title: "A camera that was taken over switches a pump off",
    lesson: "The worst that this city knows: somebody tells a pump what to do who may not. Look at the time \
             between the first write and the answer, and at the pump's own log: the control room's polling \
             must not have missed a beat.",
    attack: |city| switch_from_camera(city, "pump-plc-1", 800),
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
    lesson: "The control room may poll and change set points; the pumps depend on it. Cutting it off would be \
             the attacker's success, so all that is planned is to deny the write, and that waits for two \
             different people. Look at who is asked, and at the polling, which never misses a beat.",
    attack: |city| {
        let write = Step::Modbus {
            to: ip(city, "pump-plc-2"),
            register: Some(700),
        };
        vec![Part::repeated("scada-1", 0, 200, 50, write)]
    },
    detected: &[Detected::Incident("scada-1"), Detected::Violation],
    done: &[Done::Waits(&["deny-command"], "scada-1")],
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
    lesson: "Whoever is cut off by the address it claims would be the gateway itself. Look at whom the incident \
             names: the device whose hardware address it is. Its people are told; what it sends through the wall is \
             slowed down by that hardware address once a person has approved; pulling its plug is theirs.",
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
    done: &[
        Done::Planned(&["notify"], "kiosk"),
        Done::Approved(&["limit-rate"], "kiosk"),
    ],
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
                &["pump-plc-2", "junction-1", "camera-1", "records", "scada-1"],
            ),
            ports: vec![22, 23, 80, 502],
        };
        let write = Step::Modbus {
            to: ip(city, "pump-plc-2"),
            register: Some(900),
        };
        vec![
            Part::repeated("stray-box", 0, 30, 200, look),
            Part::repeated("stray-box", 0, 100, 100, read),
            Part::repeated("stray-box", 600, 100, 100, write),
        ]
    },
    detected: &[Detected::Incident("stray-box")],
    done: &[
        Done::Action(ANY, "stray-box"),
        Done::Stops("modbus-read"),
        Done::Stops("modbus"),
    ],
    touched: &["stray-box"],
    ..BASE
};

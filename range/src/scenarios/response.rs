//! Abuse of the response itself.
//!
//! Owns: what an attacker does who wants the wall to do the harm.

use super::*;

pub(super) static SPOOFED_HOSPITAL: Scenario = Scenario {
    name: "spoofed-hospital",
    title: "A kiosk attacks in the hospital's name, so that the wall may cut the hospital off",
    lesson: "Every packet says that it is from a ward. If the wall believed them, it would do what the attacker \
             cannot. Look for the sentence with which it declines, and at the wards' heartbeats: none may be \
             missing. tcpreplay is used where it is installed.",
    attack: |city| {
        let sources = ips(city, &["ward-1", "ward-2", "nurse-station"]);
        let forge = |to: &str, port| Step::Flood {
            to: ip(city, to),
            port,
            sources: sources.clone(),
            burst: 12,
        };
        let mut parts: Vec<Part> = [
            "pump-plc-1",
            "pump-plc-2",
            "junction-1",
            "junction-2",
            "camera-1",
            "camera-2",
        ]
        .iter()
        .enumerate()
        .map(|(n, to)| Part::repeated("kiosk", n as u64 * 40, 40, 100, forge(to, 161 + n as u16)))
        .collect();
        // What the kiosk does in its own name shows that the wall is awake.
        let own = Step::Snmp {
            to: ip(city, "junction-3"),
            community: "private".to_owned(),
            oid: SIGNAL_PLAN.to_owned(),
        };
        parts.push(Part::repeated("kiosk", 500, 60, 100, own));
        // A recording of the wards, as it were, played to a signal controller.
        let played = Step::Replay {
            to: ip(city, "junction-1"),
            source: ip(city, "ward-1"),
            oid: SIGNAL_PLAN.to_owned(),
        };
        parts.push(Part::repeated("kiosk", 900, 3, 700, played));
        parts
    },
    detected: &[Detected::Violation, Detected::Incident("kiosk")],
    done: &[Done::Action(DENY, "kiosk"), Done::Stops("snmp")],
    touched: &["kiosk"],
    ..BASE
};

pub(super) static ALERT_STORM: Scenario = Scenario {
    name: "alert-storm",
    title: "Forty invented neighbours all misbehave at once, to make the wall act without end",
    lesson: "The number of devices that may be touched without a person is small, and a storm does not make it \
             larger. Count the actions, and look at what the rest became: proposals for a person.",
    attack: |city| {
        let zone = city.zones.iter().find(|z| z.name == "offices");
        let sources: Vec<Ipv4Addr> = (0..40)
            .filter_map(|n| zone.map(|z| z.at(200_u8.saturating_sub(n))))
            .collect();
        let storm = Step::Flood {
            to: ip(city, "junction-1"),
            port: 161,
            sources,
            burst: 80,
        };
        let own = Step::Snmp {
            to: ip(city, "junction-2"),
            community: "public".to_owned(),
            oid: SIGNAL_PLAN.to_owned(),
        };
        vec![
            Part::repeated("kiosk", 0, 60, 60, storm),
            Part::repeated("kiosk", 0, 60, 100, own),
        ]
    },
    detected: &[Detected::Violation],
    done: &[Done::Action(DENY, "kiosk"), Done::AtMost(10)],
    touched: &["kiosk"],
    ..BASE
};

pub(super) static MALICIOUS_PLAYBOOK: Scenario = Scenario {
    name: "malicious-playbook",
    title: "A playbook with a good signature asks to isolate the hospital and the resolver",
    lesson: "Somebody's key was stolen. The signature is right and the playbook is well formed; it asks for \
             what may never be done. The gate stands behind the playbook, not in it.",
    attack: |city| {
        let set = Step::Snmp {
            to: ip(city, "junction-1"),
            community: "public".to_owned(),
            oid: SIGNAL_PLAN.to_owned(),
        };
        vec![Part::repeated("office-1", 0, 100, 100, set)]
    },
    detected: &[Detected::Incident("office-1")],
    done: &[
        Done::Action(DENY, "office-1"),
        Done::Stops("snmp"),
        Done::Refused("ward-1"),
    ],
    touched: &["office-1"],
    twist: Twist::GreedyProposal("ward-1"),
    ..BASE
};

pub(super) static DEAD_DAEMON: Scenario = Scenario {
    name: "dead-daemon",
    title: "The wall acts, and then all of its processes are killed",
    lesson: "What the kernel holds has an end of its own. Kill everything, wait for the time that the action \
             had, and compare the rules with those before.",
    attack: |city| switch_from_camera(city, "pump-plc-2", 600),
    detected: &[Detected::Incident("camera-2")],
    done: &[Done::Action(DENY, "camera-2"), Done::Stops("modbus")],
    touched: &["camera-2", "kiosk"],
    undone: Undone::Death,
    ..BASE
};

pub(super) static UNFORESEEN_HARM: Scenario = Scenario {
    name: "unforeseen-harm",
    title: "The wall acts about a pump, and right then the control room's polling of that pump stops",
    lesson: "Nobody can foresee everything that an action does. So the wall looks at what it touched: who fared well \
             before and does not now gets back what was there, at once and without a person, and the same is \
             not tried again by itself for a day. Here the cause is another one, which the wall cannot know.",
    attack: |city| switch_from_camera(city, "pump-plc-1", 800),
    detected: &[Detected::Incident("camera-2")],
    done: &[Done::Action(DENY, "camera-2"), Done::Stops("modbus")],
    touched: &["camera-2", "kiosk"],
    undone: Undone::Harm("scada-1", "pump-plc-1"),
    ..BASE
};

//! The city file of a story: what the city is allowed to do.

use std::fmt::Write;

use super::cast::Cast;
use super::city::{HostId, Purpose, World};

/// The domain and criticality of a zone; no criticality means the worst.
fn nature(purpose: Purpose) -> (&'static str, Option<&'static str>) {
    match purpose {
        Purpose::Signals => ("transport", None),
        Purpose::Centre => ("transport", Some("essential")),
        Purpose::Cctv => ("public-safety", Some("normal")),
        Purpose::Pumps => ("water", None),
        Purpose::Scada => ("water", Some("essential")),
        Purpose::Lights => ("lighting", Some("normal")),
        Purpose::Core => ("administration", Some("essential")),
        Purpose::Offices => ("administration", Some("normal")),
    }
}

/// The file's text.
pub fn text(world: &World, cast: &Cast, seed: u64) -> String {
    let mut dice = world.dice("city file");
    let zone_name = dice.pick(&[
        "Europe/Berlin",
        "Europe/Rome",
        "Europe/Helsinki",
        "Europe/Lisbon",
        "Africa/Nairobi",
    ]);
    let mut out = format!(
        "# The city of the built-in story, made by `cargo xtask story --seed {seed}`.\n\
         # Every field is explained in the example that `citywall check` and the documentation show.\n\n\
         [city]\nname = \"{}\"\ntimezone = \"{zone_name}\"\n",
        world.name
    );
    let departments = [
        ("transport", "Traffic engineering"),
        ("public-safety", "Public safety"),
        ("water", "Water works"),
        ("lighting", "Street lighting"),
        ("administration", "City administration"),
    ];
    for (name, department) in departments {
        push(
            &mut out,
            format_args!("\n[[domain]]\nname = \"{name}\"\ndepartment = \"{department}\"\n"),
        );
    }
    for zone in &world.zones {
        let (domain, criticality) = nature(zone.purpose);
        let [a, b, c] = zone.network;
        push(
            &mut out,
            format_args!(
                "\n[[zone]]\nname = \"{}\"\ndomain = \"{domain}\"\nnetworks = [\"{a}.{b}.{c}.0/24\"]\n",
                zone.name
            ),
        );
        if let Some(criticality) = criticality {
            push(&mut out, format_args!("criticality = \"{criticality}\"\n"));
        }
    }
    assets(&mut out, world, cast);
    conduits(&mut out, world, cast);
    services(&mut out, world, cast);
    let people = [
        "Ada Example",
        "Bela Muster",
        "Chidi Sample",
        "Dana Ejemplo",
        "Emre Ornek",
    ];
    let first = dice.pick(&people);
    let others = people.into_iter().filter(|name| *name != first);
    // What touches safety takes two approvers; the security team answers for the whole city.
    let posts = [
        ("Traffic engineering", r#""operator", "approver""#),
        ("City security", r#""administrator", "approver""#),
        ("Water works", r#""operator", "approver""#),
        ("City security", r#""operator""#),
        ("City council", r#""viewer""#),
    ];
    for (name, (department, roles)) in std::iter::once(first).chain(others).zip(posts) {
        push(
            &mut out,
            format_args!(
                "\n[[person]]\nname = \"{name}\"\ndepartment = \"{department}\"\nroles = [{roles}]\n"
            ),
        );
    }
    out
}

/// Writing to a string cannot fail.
fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

fn assets(out: &mut String, world: &World, cast: &Cast) {
    for (id, host) in world.hosts() {
        let Some(zone) = host.zone else { continue };
        // Lamps and work places are found in traffic.
        if matches!(zone, Purpose::Lights | Purpose::Offices) {
            continue;
        }
        let role = if id == cast.resolver {
            "[\"dns\", \"ntp\"]".to_owned()
        } else {
            format!("\"{}\"", host.role)
        };
        push(
            out,
            format_args!(
                "\n[[asset]]\nname = \"{}\"\naddress = \"{}\"\nrole = {role}\n",
                host.name, host.ip
            ),
        );
        if let Some(maker) = host
            .maker
            .filter(|_| matches!(zone, Purpose::Signals | Purpose::Cctv | Purpose::Pumps))
        {
            push(out, format_args!("maker = \"{maker}\"\n"));
        }
    }
    let addresses: Vec<String> = world.zones.iter().map(|z| format!("\"{}\"", z.gateway)).collect();
    push(
        out,
        format_args!(
            "\n[[asset]]\nname = \"core-switch\"\naddress = [{}]\nzone = \"{}\"\nrole = \"gateway\"\n",
            addresses.join(", "),
            world.zone(Purpose::Core).name
        ),
    );
}

fn conduits(out: &mut String, world: &World, cast: &Cast) {
    let host = |id: HostId| world.host(id).name.clone();
    let zone = |purpose: Purpose| world.zone(purpose).name.to_owned();
    let mut conduit = |from: String, to: String, allow: &str, reason: &str| {
        push(
            out,
            format_args!(
                "\n[[conduit]]\nfrom = \"{from}\"\nto = \"{to}\"\nallow = [{allow}]\nreason = \"{reason}\"\n"
            ),
        );
    };
    conduit(
        host(cast.traffic_server),
        zone(Purpose::Signals),
        "\"snmp: get, set 1.3.6.1.4.1.1206.*\"",
        "Polling and plan changes of the signals",
    );
    conduit(
        host(cast.traffic_desk),
        zone(Purpose::Signals),
        "\"ssh\"",
        "Maintenance of the controllers",
    );
    conduit(
        host(cast.traffic_desk),
        host(cast.broker),
        "\"ssh\"",
        "Maintenance of the broker",
    );
    for plc in &cast.plcs {
        let (first, last) = plc.set_points;
        let allow = format!("\"modbus: read, write holding:{first}-{last} unit {}\"", plc.unit);
        conduit(
            host(cast.scada),
            host(plc.host),
            &allow,
            "Polling, and the set points that the operators may change",
        );
    }
    conduit(
        zone(Purpose::Lights),
        host(cast.broker),
        "\"mqtt: publish city/lights/#, subscribe city/lights/#\"",
        "Telemetry of lamps and sensors",
    );
    conduit(
        host(cast.recorder),
        zone(Purpose::Cctv),
        "\"http\"",
        "Status of the cameras",
    );
    conduit(
        "*".to_owned(),
        host(cast.resolver),
        "\"dns\", \"ntp\"",
        "Names and time for all",
    );
    conduit(
        zone(Purpose::Offices),
        "outside".to_owned(),
        "\"https\", \"http\"",
        "The web",
    );
    conduit(
        host(cast.resolver),
        "outside".to_owned(),
        "\"dns\", \"ntp\"",
        "Names and time from outside",
    );
}

fn services(out: &mut String, world: &World, cast: &Cast) {
    let mut service = |name: &str, on: &[&str], criticality: Option<&str>| {
        let on: Vec<String> = on.iter().map(|d| format!("\"{d}\"")).collect();
        push(
            out,
            format_args!(
                "\n[[service]]\nname = \"{name}\"\ndepends_on = [{}]\n",
                on.join(", ")
            ),
        );
        if let Some(criticality) = criticality {
            push(out, format_args!("criticality = \"{criticality}\"\n"));
        }
    };
    let host = |id: HostId| world.host(id).name.as_str();
    let zone = |purpose: Purpose| world.zone(purpose).name;
    service(
        "Traffic signals",
        &[zone(Purpose::Signals), host(cast.traffic_server)],
        None,
    );
    service("Drinking water", &[zone(Purpose::Pumps), host(cast.scada)], None);
    service(
        "Street lighting",
        &[zone(Purpose::Lights), host(cast.broker)],
        Some("essential"),
    );
    service(
        "Video surveillance",
        &[zone(Purpose::Cctv), host(cast.recorder)],
        Some("normal"),
    );
    service(
        "Emergency vehicle priority",
        &["Traffic signals", host(cast.resolver)],
        Some("essential"),
    );
}

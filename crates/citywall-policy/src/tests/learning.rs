//! `learn`: what is proposed, what is doubted, and that it is enough.

use citywall_event::{Command, CommandOutcome, Service, Verb};
use expect_test::expect;
use proptest::prelude::*;

use super::city;
use crate::{City, Doubt, EXAMPLE, Judged, Learner, Proposal, Who};

const SECOND: i64 = 1_000_000_000;
const START: i64 = 1_795_362_439 * SECOND;

fn who(ip: &str) -> Who {
    Who {
        ip: ip.parse().unwrap(),
        mac: None,
    }
}

fn service(protocol: u8, port: u16, app_proto: Option<&str>) -> Service<'_> {
    Service {
        protocol,
        port: Some(port),
        app_proto,
    }
}

fn command(
    protocol: &'static str,
    verb: Verb,
    function: &'static str,
    point: &str,
    count: u32,
    unit: Option<u32>,
) -> Command {
    Command {
        protocol,
        verb,
        function,
        unit,
        point: point.to_owned(),
        count,
        value: None,
        outcome: CommandOutcome::Accepted,
        technique: None,
    }
}

fn modbus(verb: Verb, function: &'static str, point: &str, count: u32) -> Command {
    command("modbus", verb, function, point, count, Some(1))
}

/// A day in a small city.
fn day() -> Learner {
    let mut learner = Learner::default();
    let mut talk = |from: &str, to: &str, port: u16, app: Option<&str>, times: i64, commands: &[Command]| {
        let transport = if matches!(app, Some("dns" | "snmp" | "ntp")) {
            17
        } else {
            6
        };
        let service = service(transport, port, app);
        for n in 0..times {
            let at = START + n * 60 * SECOND;
            learner.conversation(who(from), who(to), &service, (at, at + SECOND), true);
            for command in commands {
                learner.command(who(from), who(to), &service, command, at);
            }
        }
    };
    let read = [
        modbus(Verb::Read, "read_holding_registers", "holding:0", 10),
        modbus(Verb::Read, "read_coils", "coil:3", 1),
    ];
    for plc in ["10.40.0.20", "10.40.0.21", "10.40.0.22"] {
        talk("10.41.0.10", plc, 502, Some("modbus"), 30, &read);
    }
    talk(
        "10.41.0.10",
        "10.40.0.20",
        502,
        Some("modbus"),
        5,
        &[
            modbus(Verb::Write, "write_single_register", "holding:40", 1),
            modbus(Verb::Write, "write_single_register", "holding:41", 1),
        ],
    );
    talk(
        "10.41.0.10",
        "10.40.0.20",
        502,
        Some("modbus"),
        1,
        &[modbus(Verb::Write, "write_single_register", "holding:99", 1)],
    );
    for n in 5..13 {
        let camera = format!("10.30.0.{n}");
        talk(&camera, "10.1.0.30", 443, Some("tls"), 4, &[]);
        talk(
            &camera,
            "10.1.0.40",
            1883,
            Some("mqtt"),
            4,
            &[
                command(
                    "mqtt",
                    Verb::Publish,
                    "publish",
                    &format!("city/cam/{n}"),
                    1,
                    None,
                ),
                command("mqtt", Verb::Subscribe, "subscribe", "city/all/#", 1, None),
            ],
        );
        talk("10.1.0.30", &camera, 554, None, 6, &[]);
        talk(&camera, "10.1.0.53", 53, Some("dns"), 20, &[]);
    }
    // One camera does what none of the others does.
    talk(
        "10.30.0.6",
        "10.40.0.20",
        502,
        Some("modbus"),
        3,
        &[modbus(Verb::Operate, "write_single_coil", "coil:1", 1)],
    );
    talk("10.30.0.7", "10.40.0.21", 8080, Some("http"), 1, &[]);
    talk("10.90.0.7", "93.184.216.34", 443, Some("tls"), 9, &[]);
    talk("185.1.1.1", "10.30.0.6", 23, Some("telnet"), 40, &[]);
    // Nobody answered.
    learner.conversation(
        who("10.30.0.6"),
        who("10.40.0.23"),
        &service(6, 23, None),
        (START, START),
        false,
    );
    learner
}

#[test]
fn a_day_without_a_city_file() {
    let proposal = day().propose(None, Doubt::default());
    expect![[r##"
        # Proposed from observed traffic: read it, correct it, sign it. What is doubtful stands in comments
        # at the end and is not allowed by what stands before.

        [city]
        name = "Proposed"

        [[domain]]
        name = "city"

        # 3 devices; asked for dns (1), mqtt (1), tls (1); asking for tcp/554 (1)
        [[zone]]
        name = "net-10-1-0-0"
        domain = "city"
        networks = ["10.1.0.0/24"]
        # Say how bad it is when it stops; until then it counts as the worst.
        #criticality = "safety"

        # 8 devices; asked for tcp/554 (8), telnet (1); asking for dns (8), mqtt (8), tls (8)
        [[zone]]
        name = "net-10-30-0-0"
        domain = "city"
        networks = ["10.30.0.0/24"]
        # Say how bad it is when it stops; until then it counts as the worst.
        #criticality = "safety"

        # 3 devices; asked for modbus (3), http (1)
        [[zone]]
        name = "net-10-40-0-0"
        domain = "city"
        networks = ["10.40.0.0/24"]
        # Say how bad it is when it stops; until then it counts as the worst.
        #criticality = "safety"

        # 1 device; asking for modbus (1)
        [[zone]]
        name = "net-10-41-0-0"
        domain = "city"
        networks = ["10.41.0.0/24"]
        # Say how bad it is when it stops; until then it counts as the worst.
        #criticality = "safety"

        # 1 device; asking for tls (1)
        [[zone]]
        name = "net-10-90-0-0"
        domain = "city"
        networks = ["10.90.0.0/24"]
        # Say how bad it is when it stops; until then it counts as the worst.
        #criticality = "safety"

        [[asset]]
        name = "host-10-1-0-30"
        address = "10.1.0.30"

        [[asset]]
        name = "host-10-1-0-53"
        address = "10.1.0.53"

        [[asset]]
        name = "host-10-1-0-40"
        address = "10.1.0.40"

        [[asset]]
        name = "host-10-40-0-20"
        address = "10.40.0.20"

        # 48 conversations of 1 device with 8 devices, 2026-11-22 15:47:19 UTC to 2026-11-22 15:52:20 UTC
        [[conduit]]
        from = "host-10-1-0-30"
        to = "net-10-30-0-0"
        allow = ["tcp/554"]
        reason = "Learned: 48 conversations of 1 device with 8 devices, 2026-11-22 15:47:19 UTC to 2026-11-22 15:52:20 UTC"

        # 160 conversations of 8 devices with 1 device, 2026-11-22 15:47:19 UTC to 2026-11-22 16:06:20 UTC
        [[conduit]]
        from = "net-10-30-0-0"
        to = "host-10-1-0-53"
        allow = ["dns"]
        reason = "Learned: 160 conversations of 8 devices with 1 device, 2026-11-22 15:47:19 UTC to 2026-11-22 16:06:20 UTC"

        # 32 conversations of 8 devices with 1 device, 2026-11-22 15:47:19 UTC to 2026-11-22 15:50:20 UTC
        [[conduit]]
        from = "net-10-30-0-0"
        to = "host-10-1-0-30"
        allow = ["https"]
        reason = "Learned: 32 conversations of 8 devices with 1 device, 2026-11-22 15:47:19 UTC to 2026-11-22 15:50:20 UTC"

        # 32 conversations of 8 devices with 1 device, 2026-11-22 15:47:19 UTC to 2026-11-22 15:50:20 UTC
        [[conduit]]
        from = "net-10-30-0-0"
        to = "host-10-1-0-40"
        allow = ["mqtt: publish city/cam/10 city/cam/11 city/cam/12 city/cam/5 city/cam/6 city/cam/7 city/cam/8 city/cam/9, subscribe city/all/#"]
        reason = "Learned: 32 conversations of 8 devices with 1 device, 2026-11-22 15:47:19 UTC to 2026-11-22 15:50:20 UTC"

        # 96 conversations of 1 device with 3 devices, 2026-11-22 15:47:19 UTC to 2026-11-22 16:16:20 UTC
        [[conduit]]
        from = "net-10-41-0-0"
        to = "net-10-40-0-0"
        allow = ["modbus: read coil:3 holding:0-9 unit 1"]
        reason = "Learned: 96 conversations of 1 device with 3 devices, 2026-11-22 15:47:19 UTC to 2026-11-22 16:16:20 UTC"

        # 11 commands of 1 device with 1 device, 2026-11-22 15:47:19 UTC to 2026-11-22 15:51:19 UTC
        [[conduit]]
        from = "net-10-41-0-0"
        to = "host-10-40-0-20"
        allow = ["modbus: write holding:40-41 unit 1"]
        reason = "Learned: 11 commands of 1 device with 1 device, 2026-11-22 15:47:19 UTC to 2026-11-22 15:51:19 UTC"

        # 9 conversations of 1 device with 1 device, 2026-11-22 15:47:19 UTC to 2026-11-22 15:55:20 UTC
        [[conduit]]
        from = "net-10-90-0-0"
        to = "outside"
        allow = ["https"]
        reason = "Learned: 9 conversations of 1 device with 1 device, 2026-11-22 15:47:19 UTC to 2026-11-22 15:55:20 UTC"

        # Doubtful: not proposed.
        #
        # it comes from outside: 40 conversations of 1 device with 1 device, 2026-11-22 15:47:19 UTC to 2026-11-22 16:26:20 UTC.
        # from = "outside", to = "host-10-30-0-6", allow = ["telnet"]
        #
        # seen once: 1 conversation of 1 device with 1 device, 2026-11-22 15:47:19 UTC to 2026-11-22 15:47:20 UTC.
        # from = "host-10-30-0-7", to = "host-10-40-0-21", allow = ["http"]
        #
        # only one device of its zone did it, 3 times: 3 commands of 1 device with 1 device, 2026-11-22 15:47:19 UTC to 2026-11-22 15:49:19 UTC.
        # from = "host-10-30-0-6", to = "host-10-40-0-20", allow = ["modbus: operate coil:1 unit 1"]
        #
        # these commands change something and were seen once: 1 command of 1 device with 1 device, 2026-11-22 15:47:19 UTC to 2026-11-22 15:47:19 UTC.
        # from = "net-10-41-0-0", to = "host-10-40-0-20", allow = ["modbus: write holding:99 unit 1"]
    "##]].assert_eq(&proposal.toml);
    assert_eq!(proposal.unanswered, 1);
    let proposed = city(&proposal.toml);
    assert_eq!(proposed.zones.len(), proposal.zones.len());
}

#[test]
fn a_day_on_top_of_a_city_file() {
    let text = EXAMPLE
        .replace("[\"rtsp\", \"http\"]", "[\"http\"]")
        .replace("[\"mqtt: publish city/#, subscribe\", \"https\"]", "[\"https\"]");
    let base = city(&text);
    let proposal = day().propose(Some(&base), Doubt::default());
    expect![[r##"
        # Proposed from observed traffic: read it, correct it, sign it. What is doubtful stands in comments
        # at the end and is not allowed by what stands before.

        [[asset]]
        name = "host-10-1-0-40"
        address = "10.1.0.40"

        # 32 conversations of 8 devices with 1 device, 2026-11-22 15:47:19 UTC to 2026-11-22 15:50:20 UTC
        [[conduit]]
        from = "cctv"
        to = "host-10-1-0-40"
        allow = ["mqtt: publish city/cam/10 city/cam/11 city/cam/12 city/cam/5 city/cam/6 city/cam/7 city/cam/8 city/cam/9, subscribe city/all/#"]
        reason = "Learned: 32 conversations of 8 devices with 1 device, 2026-11-22 15:47:19 UTC to 2026-11-22 15:50:20 UTC"

        # 48 conversations of 1 device with 8 devices, 2026-11-22 15:47:19 UTC to 2026-11-22 15:52:20 UTC
        [[conduit]]
        from = "recorder"
        to = "cctv"
        allow = ["tcp/554"]
        reason = "Learned: 48 conversations of 1 device with 8 devices, 2026-11-22 15:47:19 UTC to 2026-11-22 15:52:20 UTC"

        # Doubtful: not proposed.
        #
        # it comes from outside: 40 conversations of 1 device with 1 device, 2026-11-22 15:47:19 UTC to 2026-11-22 16:26:20 UTC.
        # from = "outside", to = "host-10-30-0-6", allow = ["telnet"]
        #
        # seen once: 1 conversation of 1 device with 1 device, 2026-11-22 15:47:19 UTC to 2026-11-22 15:47:20 UTC.
        # from = "host-10-30-0-7", to = "host-10-40-0-21", allow = ["http"]
        #
        # only one device of its zone did it, 3 times: 3 commands of 1 device with 1 device, 2026-11-22 15:47:19 UTC to 2026-11-22 15:49:19 UTC.
        # from = "host-10-30-0-6", to = "pump-plc-1", allow = ["modbus: operate coil:1 unit 1"]
        #
        # seen once: 1 command of 1 device with 1 device, 2026-11-22 15:47:19 UTC to 2026-11-22 15:47:19 UTC.
        # from = "water-scada", to = "pump-plc-1", allow = ["modbus: write holding:99 unit 1"]
    "##]].assert_eq(&proposal.toml);
    let grown = city(&format!("{text}\n{}", proposal.toml));
    assert!(grown.conduits.len() > base.conduits.len());
}

#[test]
fn what_is_learned_is_not_learned_again() {
    let first = day().propose(None, Doubt::default());
    let again = day().propose(Some(&city(&first.toml)), Doubt::default());
    assert_eq!(again.conduits, []);
    assert_eq!(again.doubtful.len(), first.doubtful.len());
}

#[test]
fn the_border_of_an_isolated_zone_is_never_proposed() {
    let text = EXAMPLE.replace(
        "networks = [\"10.40.0.0/24\"]",
        "networks = [\"10.40.0.0/24\"]\nisolated = true",
    );
    let proposal = day().propose(Some(&city(&text)), Doubt::default());
    assert!(
        proposal
            .conduits
            .iter()
            .all(|told| !told.to.contains(&"pumps".to_owned()))
    );
    assert!(
        proposal
            .doubtful
            .iter()
            .any(|told| told.note.contains("isolated"))
    );
}

/// A conversation of random parties, and a command.
type Piece = (u8, u8, u8, u8, usize, Option<(usize, u32, u32)>, i64, bool);

fn hear(learner: &mut Learner, pieces: &[Piece]) {
    const SERVICES: [(u8, u16, Option<&str>); 8] = [
        (6, 502, Some("modbus")),
        (6, 5020, Some("modbus")),
        (17, 161, Some("snmp")),
        (6, 1883, Some("mqtt")),
        (6, 443, Some("tls")),
        (6, 9999, None),
        (17, 7777, Some("quic")),
        (1, 8, None),
    ];
    for &(net_a, host_a, net_b, host_b, which, said, times, answered) in pieces {
        let ip = |net: u8, host: u8| match net {
            0 => format!("93.184.216.{host}"),
            net => format!("10.{net}.0.{host}"),
        };
        let (from, to) = (who(&ip(net_a, host_a)), who(&ip(net_b, host_b)));
        let (protocol, port, app) = SERVICES[which % SERVICES.len()];
        let service = service(protocol, port, app);
        for n in 0..times {
            let at = START + n * SECOND;
            learner.conversation(from, to, &service, (at, at), answered);
            let Some((kind, point, count)) = said else {
                continue;
            };
            let command = match (app, kind % 4) {
                (Some("modbus"), 0) => modbus(Verb::Read, "read_coils", &format!("coil:{point}"), count),
                (Some("modbus"), 1) => modbus(
                    Verb::Write,
                    "write_multiple_registers",
                    &format!("holding:{point}"),
                    count,
                ),
                (Some("modbus"), 2) => modbus(Verb::Restart, "diagnostics", "", 1),
                (Some("modbus"), _) => modbus(Verb::Other, "user_defined", "65", 1),
                (Some("snmp"), 0 | 1) => command(
                    "snmp",
                    Verb::Read,
                    "get",
                    &format!("1.3.6.1.{point}.{count}"),
                    1,
                    None,
                ),
                (Some("snmp"), _) => {
                    command("snmp", Verb::Write, "set", &format!("1.3.6.1.{point}"), 1, None)
                }
                (Some("mqtt"), 0) => command(
                    "mqtt",
                    Verb::Publish,
                    "publish",
                    &format!("a b/{point}, 'q'/$x"),
                    1,
                    None,
                ),
                (Some("mqtt"), 1) => command(
                    "mqtt",
                    Verb::Write,
                    "publish",
                    &format!("city/{point}/set"),
                    1,
                    None,
                ),
                (Some("mqtt"), 2) => command(
                    "mqtt",
                    Verb::Subscribe,
                    "subscribe",
                    &format!("city/+/{point}/#"),
                    1,
                    None,
                ),
                (Some("mqtt"), _) => command("mqtt", Verb::Publish, "publish", "odd/#/\ntopic", 1, None),
                _ => continue,
            };
            learner.command(from, to, &service, &command, at);
        }
    }
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let said = prop::option::of((0usize..4, 0u32..60, 1u32..4));
    prop::collection::vec(
        (
            0u8..4,
            1u8..6,
            0u8..4,
            1u8..6,
            0usize..8,
            said,
            1i64..25,
            prop::bool::weighted(0.9),
        ),
        0..40,
    )
}

/// Is each thing that was learned allowed, or among what is listed as doubtful?
fn covers(learner: &Learner, proposal: &Proposal, grown: &City) -> Result<(), TestCaseError> {
    let judged = Judged::new(grown);
    for (talk, heard) in &learner.talks {
        let end = |who: Who| (judged.context().locate(Some(who.ip), who.mac), Some(who.ip));
        let (from, to) = (end(talk.from), end(talk.to));
        let service = Service {
            protocol: talk.protocol,
            port: talk.port,
            app_proto: heard.app.as_deref(),
        };
        let mut verdicts = vec![judged.context().judge_contact(from, to, &service).is_ok()];
        for (command, _) in &heard.commands {
            verdicts.push(
                judged
                    .context()
                    .judge_command_on(from, to, Some(&service), command)
                    .is_ok(),
            );
        }
        if verdicts.iter().all(|v| *v) || heard.answered == 0 && heard.commands.is_empty() {
            continue;
        }
        let names = |place: citywall_event::Place| {
            let asset = place
                .asset
                .and_then(|id| judged.context().asset(id))
                .map(|a| a.name.clone());
            let made = |ip: std::net::IpAddr| format!("host-{}", ip.to_string().replace('.', "-"));
            (judged.context().zone_name(place.zone).to_owned(), asset, made)
        };
        let named = |list: &[String], who: Who, place| {
            let (zone, asset, made) = names(place);
            list.contains(&zone) || asset.is_some_and(|a| list.contains(&a)) || list.contains(&made(who.ip))
        };
        let doubted = proposal
            .doubtful
            .iter()
            .any(|told| named(&told.from, talk.from, from.0) && named(&told.to, talk.to, to.0));
        prop_assert!(doubted, "{:?} {:?}\n{}", talk, heard, proposal.toml);
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_was_seen_is_allowed_or_doubted(pieces in pieces()) {
        let mut learner = Learner::default();
        hear(&mut learner, &pieces);
        let proposal = learner.propose(None, Doubt::default());
        let grown = City::parse(&proposal.toml, "proposal").map_err(|e| TestCaseError::fail(format!("{e:?}\n{}", proposal.toml)))?;
        covers(&learner, &proposal, &grown)?;
    }

    #[test]
    fn with_a_city_file_too(pieces in pieces()) {
        let base = "city.name = \"B\"\n[[domain]]\nname = \"d\"\n[[zone]]\nname = \"one\"\ndomain = \"d\"\nnetworks = [\"10.1.0.0/24\"]\ninside = \"deny\"\n[[zone]]\nname = \"two\"\ndomain = \"d\"\nnetworks = [\"10.2.0.0/24\"]\n[[asset]]\nname = \"plc\"\naddress = \"10.1.0.2\"\n[[conduit]]\nfrom = \"two\"\nto = \"plc\"\nallow = [\"modbus: read\"]\n";
        let mut learner = Learner::default();
        hear(&mut learner, &pieces);
        let proposal = learner.propose(Some(&city(base)), Doubt::default());
        let text = format!("{base}\n{}", proposal.toml);
        let grown = City::parse(&text, "proposal").map_err(|e| TestCaseError::fail(format!("{e:?}\n{text}")))?;
        covers(&learner, &proposal, &grown)?;
    }

    #[test]
    fn without_doubt_all_is_allowed(pieces in pieces()) {
        let mut learner = Learner::default();
        let inside: Vec<Piece> = pieces.into_iter().filter(|p| p.0 > 0).collect();
        hear(&mut learner, &inside);
        let proposal = learner.propose(None, Doubt { once: 0, lone: 0, peers: 0 });
        prop_assert_eq!(&proposal.doubtful, &[]);
        let grown = City::parse(&proposal.toml, "proposal").unwrap();
        covers(&learner, &proposal, &grown)?;
    }
}

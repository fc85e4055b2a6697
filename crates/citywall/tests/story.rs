//! The story against the generator's ground truth: what the real binary tells of an attack is what happened.
//!
//! Owns: the comparison, for several seeds. Each claim of an incident or a behaviour is followed to the event
//! that it names, and from there to the packets that the generator says belong to the attack.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use xtask::story::{Options, Story, generate};

/// Seeds that are tried: inside and outside attackers, both orders of the writes, registers and coils.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=8;

/// Guessed passwords that are also ordinary words or numbers of the story, so that seeing one says nothing.
const ORDINARY: [&str; 5] = ["1234", "admin", "camera", "support", "user"];

/// A run over a story.
struct Run {
    story: Story,
    /// The lines of `eve.json`, in order.
    events: Vec<Value>,
    /// Line number by `id`.
    ids: HashMap<String, usize>,
    /// Ids of first packets that flows name.
    first_events: BTreeSet<String>,
    /// `eve.json`, `summary.json` and both screens, as they were written.
    written: BTreeMap<&'static str, String>,
}

fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("citywall-story-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn citywall(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_citywall"))
        .arg("watch")
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {err}");
    out
}

fn run(seed: u64, without_writes: bool) -> Run {
    let story = generate(Options { seed, without_writes }).unwrap();
    let directory = scratch(&format!("{seed}-{without_writes}"));
    fs::write(directory.join("story.pcap"), &story.pcap).unwrap();
    fs::write(directory.join("city.toml"), &story.city).unwrap();
    let input = ["--pcap", "story.pcap", "--city", "city.toml"];
    let with = |more: &[&str]| citywall(&directory, &[&input[..], more].concat());
    let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
    let mut written = BTreeMap::new();
    written.insert("the screen", with(&["--out", "one", "--workers", "1"]));
    written.insert(
        "the screen of --json",
        with(&["--out", "three", "--workers", "3", "--json"]),
    );
    written.insert("eve.json", read("one/eve.json"));
    written.insert("summary.json", read("one/summary.json"));
    assert!(
        written["eve.json"] == read("three/eve.json"),
        "seed {seed}: three workers say something else"
    );
    fs::remove_dir_all(&directory).unwrap();
    let events: Vec<Value> = written["eve.json"]
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let ids = events
        .iter()
        .enumerate()
        .map(|(n, e)| (text(&e["id"]).to_owned(), n))
        .collect();
    let first_events = events
        .iter()
        .filter_map(|e| e["flow"]["first_event"].as_str().map(str::to_owned))
        .collect();
    Run {
        story,
        events,
        ids,
        first_events,
        written,
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The technique's number in a command or reason.
fn technique(value: &Value) -> Option<&str> {
    value["technique"]["id"].as_str()
}

fn changes(command: &Value) -> bool {
    [
        "write",
        "operate",
        "configure",
        "download",
        "start",
        "stop",
        "restart",
    ]
    .contains(&command["verb"].as_str().unwrap_or(""))
}

impl Run {
    fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(move |e| e["event_type"] == kind)
    }

    /// Violations by commands that change something.
    fn forbidden(&self) -> Vec<&Value> {
        self.of("violation")
            .filter(|e| changes(&e["violation"]["command"]))
            .collect()
    }

    fn steps(&self) -> &[Value] {
        list(&self.story.truth["steps"])
    }

    fn step(&self, name: &str) -> &Value {
        self.steps()
            .iter()
            .find(|s| s["name"] == name)
            .unwrap_or_else(|| panic!("no step {name}"))
    }

    /// Packets of the steps whose names are accepted.
    fn packets(&self, of: impl Fn(&str) -> bool) -> BTreeSet<u64> {
        let steps = self.steps().iter().filter(|s| of(text(&s["name"])));
        steps
            .flat_map(|s| list(&s["packets"]))
            .filter_map(Value::as_u64)
            .collect()
    }

    /// The last word on each incident, by number.
    fn incidents(&self) -> BTreeMap<&str, &Value> {
        self.of("incident")
            .map(|e| (text(&e["incident"]["number"]), e))
            .collect()
    }

    /// The packet that an id of an event stands for; the event must exist.
    fn packet(&self, id: &str) -> u64 {
        let event = self.ids.get(id).map(|n| &self.events[*n]);
        assert!(
            event.is_some() || self.first_events.contains(id),
            "nothing has the id {id}"
        );
        let of_id = id.split('-').nth(1).and_then(|p| p.parse().ok());
        let told = event.and_then(|e| e["pcap_cnt"].as_u64());
        told.or(of_id).unwrap_or_else(|| panic!("{id} names no packet"))
    }
}

fn check_forbidden_writes(seed: u64, run: &Run) {
    let camera = &run.story.truth["camera"];
    let told: BTreeMap<&str, &Value> = run
        .forbidden()
        .into_iter()
        .map(|e| (text(&e["violation"]["command"]["protocol"]), e))
        .collect();
    assert_eq!(run.forbidden().len(), 2, "seed {seed}: {:?}", run.forbidden());
    for (protocol, name, victim) in [
        ("snmp", "snmp_write", "controller"),
        ("modbus", "modbus_write", "plc"),
    ] {
        let (step, event) = (run.step(name), told[protocol]);
        let (details, command) = (&step["details"], &event["violation"]["command"]);
        assert_eq!(
            event["src_ip"], camera["address"],
            "seed {seed}: the actor of {event}"
        );
        assert_eq!(
            event["dest_ip"], run.story.truth[victim]["address"],
            "seed {seed}: the target of {event}"
        );
        assert_eq!(event["violation"]["from_zone"], camera["zone"], "seed {seed}");
        assert_eq!(
            event["violation"]["to_zone"], run.story.truth[victim]["zone"],
            "seed {seed}"
        );
        for key in ["point", "value", "unit"] {
            assert_eq!(command[key], details[key], "seed {seed}: {key} of {event}");
        }
        assert_eq!(command["outcome"], "accepted", "seed {seed}: {event}");
        assert_eq!(
            technique(command),
            step["technique"].as_str(),
            "seed {seed}: {event}"
        );
        let packet = event["pcap_cnt"].as_u64().unwrap();
        assert!(
            run.packets(|s| s == name).contains(&packet),
            "seed {seed}: packet {packet} is not of {name}"
        );
    }
}

/// All that changes something is what the truth says, and what is allowed is no violation.
fn check_allowed_writes(seed: u64, run: &Run) {
    let allowed = list(&run.story.truth["allowed_writes"]);
    for write in allowed {
        let packets: BTreeSet<u64> = list(&write["packets"]).iter().filter_map(Value::as_u64).collect();
        let of_write = |e: &&Value| e["pcap_cnt"].as_u64().is_some_and(|p| packets.contains(&p));
        let commands: Vec<&Value> = run.of("command").filter(of_write).collect();
        assert_eq!(commands.len(), 1, "seed {seed}: {write} gave {commands:?}");
        for key in ["protocol", "point", "value", "unit"] {
            assert_eq!(
                commands[0]["command"][key], write[key],
                "seed {seed}: {key} of {write}"
            );
        }
        assert_eq!(
            run.of("violation").filter(of_write).count(),
            0,
            "seed {seed}: {write} is allowed"
        );
    }
    let all = run.of("command").filter(|e| changes(&e["command"])).count();
    let writes = run
        .steps()
        .iter()
        .filter(|s| text(&s["name"]).ends_with("_write"))
        .count();
    assert_eq!(
        all,
        allowed.len() + writes,
        "seed {seed}: commands that change something"
    );
}

fn check_top_incident(seed: u64, run: &Run) {
    let incidents = run.incidents();
    let top: Vec<&&Value> = incidents
        .values()
        .filter(|e| e["incident"]["severity"] == 1)
        .collect();
    assert_eq!(top.len(), 1, "seed {seed}: incidents of severity 1");
    let (event, incident) = (top[0], &top[0]["incident"]);
    let truth = &run.story.truth;
    let camera = text(&truth["camera"]["name"]);
    let title = text(&incident["title"]);
    assert!(
        title.starts_with(camera),
        "seed {seed}: {title} does not begin with the suspect, {camera}"
    );
    assert_eq!(
        event["src_ip"], truth["camera"]["address"],
        "seed {seed}: the suspected source"
    );
    let city: toml::Table = story_city(run);
    for party in ["controller", "plc", "camera"] {
        let (name, zone) = (&truth[party]["name"], &truth[party]["zone"]);
        assert!(
            list(&incident["assets"]).contains(name),
            "seed {seed}: {name} is not among the assets of {incident}"
        );
        assert!(
            list(&incident["zones"]).contains(zone),
            "seed {seed}: {zone} is not among the zones of {incident}"
        );
        let domain = domain_of(&city, text(zone));
        assert!(
            list(&incident["domains"]).iter().any(|d| *d == domain),
            "seed {seed}: {domain} is not among the domains of {incident}"
        );
        assert!(
            party == "camera" || title.contains(text(name)),
            "seed {seed}: {title} does not name {name}"
        );
    }
    let page = &run.written["the screen"];
    assert!(
        page.contains(&format!("INCIDENT   {title} (severity 1 of 4")),
        "seed {seed}: {page}"
    );
    check_reasons(seed, run, incident);
}

/// The key reasons of the top incident are there, each shown by packets of the right step.
fn check_reasons(seed: u64, run: &Run, incident: &Value) {
    let attack = run.packets(|_| true);
    let mut shown: BTreeSet<&str> = BTreeSet::new();
    for reason in list(&incident["reasons"]) {
        let id = text(&reason["event"]);
        let packets = shown_by(run, id, &attack);
        assert!(
            packets.iter().all(|packet| attack.contains(packet)),
            "seed {seed}: not all of {packets:?} are of the attack: {reason}"
        );
        let steps = run.steps().iter().filter(|s| {
            let of_step = list(&s["packets"]);
            packets.iter().any(|packet| of_step.iter().any(|p| p == packet))
        });
        let names: Vec<&str> = steps.map(|s| text(&s["name"])).collect();
        let event = run.ids.get(id).map(|n| &run.events[*n]);
        match event.map_or("", |e| text(&e["event_type"])) {
            "login" => assert_eq!(names, ["login"], "seed {seed}: {reason}"),
            "behaviour" => {
                let kind = text(&event.unwrap()["behaviour"]["kind"]);
                let right = match kind {
                    "password_guessing" | "password_guessed" => names == ["login"],
                    "horizontal_scan" => names.iter().all(|n| n.starts_with("scan_") || *n == "arp_sweep"),
                    other => panic!("seed {seed}: what is {other} doing here?"),
                };
                assert!(right, "seed {seed}: {kind} is shown by {names:?}");
            }
            "violation" if changes(&event.unwrap()["violation"]["command"]) => {
                assert!(
                    names.iter().all(|n| n.ends_with("_write")),
                    "seed {seed}: {names:?} show {reason}"
                );
            }
            _ => {}
        }
        shown.extend(names);
    }
    for key in [
        "login",
        "scan_signals",
        "scan_pumps",
        "snmp_write",
        "modbus_write",
    ] {
        assert!(
            shown.contains(key),
            "seed {seed}: no reason shows {key}: {shown:?}"
        );
    }
}

/// The packets that show an event: its own, or, where it was concluded at a border of time, its evidence's.
fn shown_by(run: &Run, id: &str, attack: &BTreeSet<u64>) -> Vec<u64> {
    let packet = run.packet(id);
    let event = run.ids.get(id).map(|n| &run.events[*n]);
    let evidence = event.map_or(&[][..], |e| list(&e["behaviour"]["evidence"]));
    if attack.contains(&packet) || evidence.is_empty() {
        return vec![packet];
    }
    evidence.iter().map(|id| run.packet(text(id))).collect()
}

/// Whatever is claimed, the event that it names exists and came before.
fn check_evidence(seed: u64, run: &Run) {
    let attack = run.packets(|_| true);
    let mut followed = 0;
    for event in &run.events {
        let reasons = list(&event["incident"]["reasons"]).iter().map(|r| &r["event"]);
        for id in reasons.chain(list(&event["behaviour"]["evidence"])) {
            let packets = shown_by(run, text(id), &attack);
            if let Some(line) = run.ids.get(text(id)) {
                assert!(
                    *line <= run.ids[text(&event["id"])],
                    "seed {seed}: {id} comes after {event}"
                );
            }
            assert!(
                packets.iter().all(|packet| attack.contains(packet)),
                "seed {seed}: not all of {packets:?} are of the attack: {event}"
            );
            followed += 1;
        }
    }
    assert!(followed > 20, "seed {seed}: only {followed} claims were followed");
}

fn check_counts(seed: u64, run: &Run) {
    let told = |name: &str| -> u64 {
        let count = match name {
            "mqtt_publishes" => run
                .of("mqtt")
                .filter(|e| e["mqtt"]["publish"].is_object())
                .count(),
            "telnet_logins" => run
                .of("login")
                .filter(|e| e["login"]["protocol"] == "telnet")
                .count(),
            _ => run.of(name.split('_').next().unwrap()).count(),
        };
        count as u64
    };
    let truth: BTreeMap<String, u64> = serde_json::from_value(run.story.truth["counts"].clone()).unwrap();
    assert!(truth.len() >= 10);
    let counted: BTreeMap<String, u64> = truth.keys().map(|name| (name.clone(), told(name))).collect();
    assert_eq!(counted, truth, "seed {seed}");
    let summary: Value = serde_json::from_str(&run.written["summary.json"]).unwrap();
    assert_eq!(summary["packets"], run.story.truth["packets"], "seed {seed}");
    assert_eq!(
        summary["malformed"],
        serde_json::json!({}),
        "seed {seed}: our own story is well formed"
    );
    assert_eq!(summary["nothing_was_shed"], true, "seed {seed}");
}

fn check_secrets(seed: u64, run: &Run) {
    let secrets: Vec<&String> = run
        .story
        .secrets
        .iter()
        .filter(|s| !ORDINARY.contains(&s.as_str()))
        .collect();
    assert!(secrets.len() >= 5, "seed {seed}: {secrets:?}");
    for secret in secrets {
        for (place, text) in &run.written {
            assert!(
                !text.contains(secret.as_str()),
                "seed {seed}: a password ({secret}) stands in {place}"
            );
        }
    }
}

fn story_city(run: &Run) -> toml::Table {
    run.story.city.parse().unwrap()
}

fn domain_of(city: &toml::Table, zone: &str) -> String {
    let zones = city["zone"].as_array().unwrap();
    let found = zones.iter().find(|z| z["name"].as_str() == Some(zone));
    found.and_then(|z| z["domain"].as_str()).unwrap().to_owned()
}

#[test]
fn the_story_is_what_happened() {
    for seed in SEEDS {
        let run = run(seed, false);
        check_forbidden_writes(seed, &run);
        check_allowed_writes(seed, &run);
        check_top_incident(seed, &run);
        check_evidence(seed, &run);
        check_counts(seed, &run);
        check_secrets(seed, &run);
        check_shape(&run.written["the screen"]);
    }
}

/// What an incident says, apart from its writes: comparable between a story with and one without them.
fn said(incident: &Value, without: &[&str]) -> Vec<String> {
    let reasons = list(&incident["reasons"])
        .iter()
        .map(|r| text(&r["text"]).to_owned());
    reasons
        .filter(|text| !without.iter().any(|w| text.contains(w)))
        .collect()
}

#[test]
fn without_the_writes_the_story_is_the_same_but_for_them() {
    for seed in SEEDS {
        let (whole, without) = (run(seed, false), run(seed, true));
        assert_eq!(
            without.forbidden().len(),
            0,
            "seed {seed}: {:?}",
            without.forbidden()
        );
        check_allowed_writes(seed, &without);
        check_evidence(seed, &without);
        check_counts(seed, &without);
        check_secrets(seed, &without);
        let (had, has) = (whole.incidents(), without.incidents());
        assert_eq!(
            had.keys().collect::<Vec<_>>(),
            has.keys().collect::<Vec<_>>(),
            "seed {seed}: incidents"
        );
        for (number, event) in has {
            let (then, now) = (&had[number]["incident"], &event["incident"]);
            assert_ne!(now["severity"], 1, "seed {seed}: {now}");
            assert_eq!(
                had[number]["src_ip"], event["src_ip"],
                "seed {seed}: the suspect of {number}"
            );
            for key in ["zones", "domains", "assets", "first"] {
                assert_eq!(then[key], now[key], "seed {seed}: {key} of {number}");
            }
            let writes = [": write ", ": operate ", "a value is set with the community"];
            assert_eq!(
                said(then, &writes),
                said(now, &[]),
                "seed {seed}: reasons of {number}"
            );
        }
        for kind in [
            "behaviour",
            "login",
            "telnet",
            "dns",
            "http",
            "arp",
            "mqtt",
            "reading",
        ] {
            assert_eq!(
                whole.of(kind).count(),
                without.of(kind).count(),
                "seed {seed}: events of type {kind}"
            );
        }
        let page = &without.written["the screen"];
        assert!(
            !page.contains("\nForbidden") && !page.contains("severity 1 of 4"),
            "seed {seed}: {page}"
        );
    }
}

/// The page without what a machine's speed changes: time and memory stand at the end of the line `Run`.
fn told(page: &str) -> String {
    let line = |l: &str| match l.starts_with("Run ") {
        true => l.split(';').next().unwrap_or("").to_owned(),
        false => l.to_owned(),
    };
    page.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn without_arguments_the_same_page_is_told_each_time() {
    let directory = scratch("default");
    let pages: Vec<String> = (0..3).map(|_| citywall(&directory, &[])).collect();
    fs::remove_dir_all(&directory).unwrap();
    assert_eq!(told(&pages[0]), told(&pages[1]));
    assert_eq!(told(&pages[0]), told(&pages[2]));
    let story = generate(Options {
        seed: 1,
        without_writes: false,
    })
    .unwrap();
    for party in ["camera", "controller", "plc"] {
        let name = text(&story.truth[party]["name"]);
        assert!(
            pages[0].contains(name),
            "{name} is not on the page:\n{}",
            pages[0]
        );
    }
    check_shape(&pages[0]);
}

/// A page fits a screen.
fn check_shape(page: &str) {
    let lines = page.lines().count();
    assert!((20..=36).contains(&lines), "{lines} lines:\n{page}");
    for line in page.lines() {
        assert!(
            line.chars().count() <= 182,
            "{} characters: {line}",
            line.chars().count()
        );
    }
}

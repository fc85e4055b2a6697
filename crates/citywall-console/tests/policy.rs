//! Policy over HTTP: what was seen is proposed, compared, handed in and signed; by whom, and by whom not.

mod support;

use std::sync::Arc;
use std::time::Duration;

use citywall_console::{Console, Options, PolicyProposal, Rehearsed, digest};
use citywall_event::{Body, Event, FlowSummary, IncidentReport, Order, Subject, Suspect};
use citywall_policy::City;
use citywall_trust::{KeyEntry, Keyring, Purpose, Signed, files};
use serde_json::{Value, json};
use support::{Answer, Browser};

const PASSWORD: &str = "lamps and pumps and trams";
/// Ends of the example's zones: offices to core is nobody's department, offices to pumps is the water works'.
const LINES: [(&str, &str, u16, usize); 4] = [
    ("10.90.0.9", "10.1.0.30", 8443, 5),
    ("10.41.0.10", "10.40.0.20", 9999, 5),
    ("203.0.113.9", "10.40.0.20", 4444, 7),
    ("10.90.0.9", "10.30.0.5", 7777, 1),
];

/// Reads what `flow` writes.
fn reader(line: &[u8]) -> Vec<Event> {
    let value: Value = serde_json::from_slice(line).unwrap_or_default();
    if value["event_type"] == "incident" {
        let suspect = Suspect {
            address: value["src_ip"].as_str().and_then(|t| t.parse().ok()),
            ..Suspect::default()
        };
        let mut report = IncidentReport::default();
        report.parties.suspects.push(suspect);
        return vec![Event {
            order: Order::default(),
            at: 0,
            subject: Subject::default(),
            app_proto: None,
            body: Body::Incident(Box::new(report)),
        }];
    }
    let ip = |key: &str| value[key].as_str().and_then(|t| t.parse().ok());
    let summary = FlowSummary {
        packets: [3, 3],
        established: true,
        ..FlowSummary::default()
    };
    vec![Event {
        order: Order::default(),
        at: 0,
        subject: Subject {
            src_ip: ip("src_ip"),
            dst_ip: ip("dest_ip"),
            dst_port: value["dest_port"].as_u64().and_then(|p| u16::try_from(p).ok()),
            protocol: Some(6),
            ..Subject::default()
        },
        app_proto: None,
        body: Body::Flow(summary),
    }]
}

fn text() -> String {
    let people = "\n[[person]]\nname = \"Chidi Example\"\ndepartment = \"Water works\"\nroles = [\"approver\"]\n\
                  \n[[person]]\nname = \"Dana Example\"\nroles = [\"operator\"]\n";
    let text = citywall_policy::EXAMPLE.replace(
        "roles = [\"operator\", \"approver\"]",
        "roles = [\"operator\", \"approver\", \"administrator\"]",
    );
    format!("{text}{people}")
}

fn start(folder: Option<std::path::PathBuf>) -> (Console, Browser) {
    start_after(folder, "")
}

/// The same, where this line was heard first.
fn start_after(folder: Option<std::path::PathBuf>, line: &str) -> (Console, Browser) {
    let city = City::parse(&text(), "city.toml").expect("a city");
    let console = citywall_console::start(Options {
        address: ([127, 0, 0, 1], 0).into(),
        gate: Box::new(Rehearsed::new(Some(&city), false)),
        city: Some(city),
        city_text: text().into(),
        reader,
        folder,
        certificate: None,
        live: false,
        packets: None,
        upkeep: None,
    })
    .expect("a console");
    console.feed.line(line.as_bytes());
    for (from, to, port, times) in LINES {
        for _ in 0..times {
            let line = json!({
                "timestamp": "2026-04-30T13:26:31.462207+0000", "event_type": "flow", "src_ip": from, "dest_ip": to,
                "dest_port": port, "proto": "TCP", "flow": {
                    "pkts_toserver": 3, "pkts_toclient": 3, "bytes_toserver": 300, "bytes_toclient": 300,
                    "start": "2026-04-30T13:26:30.462207+0000", "end": "2026-04-30T13:26:31.462207+0000",
                },
            });
            console.feed.line(format!("{line}\n").as_bytes());
        }
    }
    console.finished(json!({}));
    let ada = Browser::first(&console.url, console.first_link.as_ref(), PASSWORD);
    (console, ada)
}

fn call(browser: &Browser, path: &str, body: &Value) -> (u16, Value) {
    let csrf = browser.csrf();
    let headers = [
        ("content-type", "application/json"),
        ("x-csrf-token", csrf.as_str()),
    ];
    let path = format!("/api/v1/policy/{path}");
    let answer = browser.send("POST", &path, &headers, &body.to_string());
    (
        answer.status,
        serde_json::from_str(&answer.body).unwrap_or_default(),
    )
}

fn get(browser: &Browser, path: &str) -> Value {
    serde_json::from_str(&browser.get(&format!("/api/v1/policy/{path}")).body).unwrap_or_default()
}

/// Compares and hands in.
fn hand_in(browser: &Browser, text: &str) -> (u16, Value) {
    let (status, review) = call(browser, "proposal/diff", &json!({ "text": text }));
    assert_eq!(status, 200, "{review}");
    let body = json!({ "text": text, "hash": review["hash"], "reason": "works on Mondays" });
    call(browser, "proposals", &body)
}

fn sign(browser: &Browser, id: &Value) -> (u16, Value) {
    let hash = get(browser, &format!("proposals/{id}"))["proposal"]["hash"].take();
    let body = json!({ "hash": hash, "reason": "seen it" });
    call(browser, &format!("proposals/{id}/sign"), &body)
}

fn ports(list: &Value) -> Vec<String> {
    let all = list.as_array().into_iter().flatten();
    all.map(|told| told["allow"][0].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// What an attacker did often looks like work: it is not among what is proposed, and says why.
#[test]
fn what_a_suspect_began_is_doubtful() {
    let at = "2026-04-30T13:26:31.462207+0000";
    let incident = json!({
        "timestamp": at, "id": "c0-1-0", "event_type": "incident", "src_ip": "10.90.0.9",
        "incident": {
            "change": "opened", "number": "I0-1-1", "title": "a desk searches", "severity": 3, "zones": ["offices"],
            "kinds": ["scan"], "reasons": [{"event": "0-1-0", "at": at, "text": "searched"}],
            "suspects": [{"name": "10.90.0.9", "ip": "10.90.0.9"}], "first": at, "last": at,
        },
    });
    let (_console, ada) = start_after(None, &format!("{incident}\n"));
    let seen = get(&ada, "proposal");
    // Without the incident it is proposed: see below.
    assert_eq!(ports(&seen["conduits"]), ["tcp/9999"], "{seen}");
    let doubtful = seen["doubtful"].as_array().expect("a list");
    let desk = doubtful.iter().find(|told| told["allow"][0] == "tcp/8443");
    // It does not stand for its zone, though it is all that was seen of that.
    assert_eq!(desk.expect("the desk's")["from"], json!(["host-10-90-0-9"]));
    let page = ada.get("/policy/proposal").body;
    assert!(page.contains("is suspected in an incident"), "{page}");
}

#[test]
fn what_was_seen_is_ticked_compared_and_signed_by_one() {
    let folder = std::env::temp_dir().join(format!("citywall-policy-page-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let (_console, mut ada) = start(Some(folder.clone()));
    let seen = get(&ada, "proposal");
    assert_eq!(ports(&seen["conduits"]), ["tcp/9999", "tcp/8443"]);
    let doubtful = ports(&seen["doubtful"]);
    assert!(
        doubtful.contains(&"tcp/4444".into()) && doubtful.contains(&"tcp/7777".into()),
        "{seen}"
    );
    let page = ada.get("/policy/proposal").body;
    assert!(
        page.contains("it comes from outside") && page.contains("seen once"),
        "{page}"
    );
    let chinese = Browser {
        language: "zh-CN",
        ..ada.clone()
    };
    assert!(chinese.get("/policy/proposal").body.contains("它来自外部"));
    // Ticked on the page.
    let conduits = seen["conduits"].as_array().expect("conduits");
    let office = conduits
        .iter()
        .find(|c| c["allow"][0] == "tcp/8443")
        .expect("the offices' conduit");
    let csrf = ada.csrf();
    let key = office["key"].as_str().expect("a key");
    let page = ada.post(
        "/policy/proposal",
        &[("csrf", &csrf), ("take", key), ("take", "nothing")],
    );
    assert!(
        page.status == 200 && page.body.contains("Becomes allowed") && page.body.contains("tcp/8443"),
        "{}",
        page.body
    );
    assert!(page.body.contains("One person must sign."), "{}", page.body);
    let (_, sent) = call(&ada, "proposal/text", &json!({ "take": [key] }));
    let sent = sent["text"].as_str().expect("a text").to_owned();
    assert!(sent.starts_with(text().trim_end()) && sent.ends_with('\n'));
    let (_, review) = call(&ada, "proposal/diff", &json!({ "text": sent }));
    assert_eq!((&review["needed"], &review["same"]), (&json!(1), &json!(false)));
    assert_eq!(review["base"], digest(&text()));
    // Another text than was shown is not handed in, and what somebody wrote stays; nor is one without a reason.
    let other = format!("{sent}# more\r\n");
    let hash = review["hash"].as_str().expect("a hash");
    let fields = |text: &str, reason: &str| -> Vec<(String, String)> {
        [
            ("csrf", csrf.as_str()),
            ("text", text),
            ("hash", hash),
            ("reason", reason),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into()
    };
    let post = |ada: &mut Browser, fields: Vec<(String, String)>| -> Answer {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        ada.post("/policy/proposals", &fields)
    };
    let answer = post(&mut ada, fields(&other, "why"));
    assert!(
        answer.status == 409 && answer.body.contains("# more"),
        "{}",
        answer.body
    );
    assert_eq!(post(&mut ada, fields(&sent, " ")).status, 422);
    // Forms write CR LF; it is the same text.
    let answer = post(&mut ada, fields(&sent.replace('\n', "\r\n"), "works on Mondays"));
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/policy/proposals/1"))
    );
    assert!(ada.get("/policy").body.contains("It waits to be signed."));
    assert_eq!(ada.get("/policy/proposals/1/file").status, 409);
    assert_eq!(sign(&ada, &json!(1)), (200, json!({ "done": "signed" })));
    assert_eq!(sign(&ada, &json!(1)).0, 409);
    let page = ada.get("/policy/proposals/1").body;
    assert!(
        page.contains("citywall policy accept policy-1.signed") && page.contains("policy.key"),
        "{page}"
    );
    // What is taken away is signed by the console's key, for this city file.
    let file = ada.get("/policy/proposals/1/file");
    assert!(
        file.header("content-disposition")
            .is_some_and(|h| h.contains("policy-1.signed"))
    );
    let mut ring = Keyring::default();
    let public = files::load_key(&folder.join("policy.key"))
        .expect("the key")
        .public();
    ring.add(KeyEntry {
        name: "console".into(),
        principal: "Citywall console".into(),
        public,
        purposes: vec![Purpose::PolicyProposal],
        revoked: None,
    })
    .expect("a ring");
    let signed = Signed::<PolicyProposal>::parse(file.body.as_bytes()).expect("an envelope");
    let verified = signed
        .verify_without_serial(&ring, i64::MAX)
        .expect("a signature");
    assert_eq!(verified.value().toml, sent);
    assert_eq!(verified.value().base, Some(digest(&text())));
    assert_eq!(
        (
            &*verified.value().people[0].name,
            &*verified.value().people[0].why
        ),
        ("Ada Example", "seen it")
    );
    // Every step is in the journal.
    let page = ada.get("/actions").body;
    for step in ["policy-propose", "policy-sign", "policy-signed", "policy-file"] {
        assert!(page.contains(step), "{step}");
    }
    std::fs::remove_dir_all(&folder).expect("the folder goes");
}

#[test]
fn two_people_sign_where_it_touches_safety_and_departments_stay_within_their_zones() {
    let (console, mut ada) = start(None);
    let [grace, chidi, mut dana, alan] = ["Grace Example", "Chidi Example", "Dana Example", "Alan Example"]
        .map(|name| ada.invite(name, PASSWORD));
    // The water works see, propose and add what is theirs.
    let seen = get(&grace, "proposal");
    assert_eq!(ports(&seen["conduits"]), ["tcp/9999"]);
    assert!(
        !seen.to_string().contains("7777") && !seen.to_string().contains("8443"),
        "{seen}"
    );
    let (_, added) = call(
        &grace,
        "proposal/text",
        &json!({ "take": [seen["conduits"][0]["key"]] }),
    );
    let added = added["text"].as_str().expect("a text").to_owned();
    assert!(
        added.contains("tcp/9999") && !added.contains("[[person]]"),
        "the rest is not hers to read"
    );
    let (_, review) = call(&grace, "proposal/diff", &json!({ "text": added }));
    assert_eq!(
        (&review["needed"], &review["beyond"]),
        (&json!(2), &json!(false)),
        "{review}"
    );
    assert_eq!(review["safety"], json!(["pumps"]));
    // What is another department's, or the whole city's, is refused and said.
    let foreign = "[[conduit]]\nfrom = \"offices\"\nto = \"cctv\"\nallow = [\"tcp/9\"]\n";
    let person = "[[person]]\nname = \"Eve Example\"\nroles = [\"administrator\"]\n";
    let device = "[[asset]]\nname = \"harmless\"\naddress = \"10.20.0.99\"\ncriticality = \"normal\"\n";
    for text in [foreign, person, device] {
        let (status, refused) = hand_in(&grace, text);
        assert!(
            status == 403
                && refused["error"]
                    .as_str()
                    .is_some_and(|e| e.contains("more than what you answer for")),
            "{text}: {refused}"
        );
    }
    // Errors name the line of what she wrote.
    let (_, review) = call(
        &grace,
        "proposal/diff",
        &json!({ "text": "\n[[conduit]]\nfrom = \"pumps\"\nto = \"nowhere\"\nallow = [\"tcp/9\"]\n" }),
    );
    assert_eq!(review["errors"][0]["line"], 4, "{review}");
    let (status, refused) = hand_in(&grace, "[[conduit");
    assert_eq!(status, 422, "{refused}");
    // Who looks neither proposes nor signs.
    assert_eq!(alan.get("/policy/proposal").status, 403);
    assert!(!alan.get("/policy").body.contains("/policy/proposal\""));
    let (status, handed) = hand_in(&grace, &added);
    assert_eq!(status, 200, "{handed}");
    let id = handed["id"].clone();
    assert_eq!(alan.get(&format!("/policy/proposals/{id}")).status, 404);
    assert_eq!(sign(&dana, &id).0, 403, "an operator does not sign");
    assert_eq!(
        sign(&grace, &id),
        (200, json!({ "done": "another person must sign" }))
    );
    assert_eq!(sign(&grace, &id).0, 409, "the same person is no second one");
    assert!(
        grace
            .get(&format!("/policy/proposals/{id}"))
            .body
            .contains("You have signed this.")
    );
    assert!(
        !grace
            .get(&format!("/policy/proposals/{id}"))
            .body
            .contains("[[person]]")
    );
    assert_eq!(sign(&chidi, &id), (200, json!({ "done": "signed" })));
    assert_eq!(
        chidi.get(&format!("/api/v1/policy/proposals/{id}/file")).status,
        403,
        "it holds the whole city file"
    );
    assert_eq!(
        ada.get(&format!("/api/v1/policy/proposals/{id}/file")).status,
        200
    );
    // A changed city file refuses by name what was made from another.
    let whole = format!("{}\n\n{foreign}", text().trim_end());
    let (_, handed) = hand_in(&dana, &whole);
    let (_, withdrawn) = hand_in(&dana, &whole);
    let csrf = dana.csrf();
    let path = format!("/policy/proposals/{}/withdraw", withdrawn["id"]);
    assert_eq!(dana.post(&path, &[("csrf", "0")]).status, 403);
    assert_eq!(dana.post(&path, &[("csrf", &csrf)]).status, 303);
    let hash = get(&ada, &format!("proposals/{}", handed["id"]))["proposal"]["hash"].take();
    let changed = format!("{}# changed\n", text());
    console.reloader()(
        City::parse(&changed, "city.toml").ok(),
        Arc::from(changed.as_str()),
    );
    let path = format!("proposals/{}", handed["id"]);
    while get(&ada, &path)["proposal"]["state"] != "outdated" {
        std::thread::sleep(Duration::from_millis(10));
    }
    let (status, refused) = call(
        &ada,
        &format!("{path}/sign"),
        &json!({ "hash": hash, "reason": "x" }),
    );
    assert!(
        status == 409 && refused["error"].as_str().is_some_and(|e| e.contains("city.toml")),
        "{refused}"
    );
    // What was accepted and loaded is in force.
    console.reloader()(City::parse(&whole, "city.toml").ok(), Arc::from(whole.as_str()));
    while get(&ada, &path)["proposal"]["state"] != "in-force" {
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn hostile_and_huge_texts_do_no_harm() {
    let (_console, mut ada) = start(None);
    let csrf = ada.csrf();
    let evil = "</textarea><script>alert(1)</script>\n[[zone]]\nname = \"<img src=x>\"\n";
    let page = ada.post("/policy/proposal", &[("csrf", &csrf), ("text", evil)]);
    assert_eq!(page.status, 200);
    assert!(
        !page.body.contains("<script>alert") && !page.body.contains("<img"),
        "{}",
        page.body
    );
    assert!(
        page.body.contains("&lt;/textarea&gt;"),
        "what somebody wrote stays"
    );
    assert_eq!(
        ada.post("/policy/proposal", &[("csrf", "0"), ("text", "x")])
            .status,
        403
    );
    let long = "a".repeat(2 << 20);
    let page = ada.post("/policy/proposal", &[("csrf", &csrf), ("text", &long)]);
    assert!(
        page.status == 200 && page.body.contains("bytes"),
        "{} {:.3000}",
        page.status,
        page.body
    );
    let longer = "#".repeat(5 << 20);
    assert_eq!(
        ada.post("/policy/proposal", &[("csrf", &csrf), ("text", &longer)])
            .status,
        413
    );
    for odd in ["", "\0", "\u{feff}", "x = ", "[city]\nname = 1", "\r\n\r\n"] {
        let (status, review) = call(&ada, "proposal/diff", &json!({ "text": odd }));
        assert!(
            status == 200 && review["errors"].as_array().is_some_and(|e| !e.is_empty()),
            "{odd:?}: {review}"
        );
    }
}

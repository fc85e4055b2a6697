//! The console over HTTP: first start, logging in, permissions, hostile text, hostile requests.

mod support;

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use citywall_console::{
    Console, Drifted, Foreseen, ForeseenHour, Habit, Options, Rehearsed, Standing, Upkeep,
};
use citywall_policy::City;
use serde_json::json;
use support::Browser;

const PASSWORD: &str = "lamps and pumps and trams";

/// Pages that anybody who is logged in may see.
const PAGES: [&str; 14] = [
    "/",
    "/incidents",
    "/devices",
    "/commands",
    "/traffic",
    "/policy",
    "/policy/proposal",
    "/actions",
    "/normal",
    "/events",
    "/report",
    "/health",
    "/people",
    "/incidents/I0-1-1",
];

fn city() -> City {
    let with_people = citywall_policy::EXAMPLE.replace(
        "roles = [\"operator\", \"approver\"]",
        "roles = [\"operator\", \"approver\", \"administrator\"]",
    );
    City::parse(&with_people, "city.toml").expect("the example is valid")
}

fn start(folder: Option<std::path::PathBuf>) -> Console {
    start_with(folder, None)
}

fn start_with(folder: Option<std::path::PathBuf>, upkeep: Option<Arc<dyn Upkeep>>) -> Console {
    let city = city();
    citywall_console::start(Options {
        address: ([127, 0, 0, 1], 0).into(),
        gate: Box::new(Rehearsed::new(Some(&city), false)),
        city: Some(city),
        city_text: "".into(),
        reader: |_| Vec::new(),
        folder,
        certificate: None,
        live: false,
        packets: None,
        upkeep,
    })
    .expect("a console")
}

fn line(kind: &str, from: &str, to: &str, body: serde_json::Value) -> String {
    let mut event = json!({
        "timestamp": "2026-04-30T13:26:31.462207+0000", "id": "0-1-0", "event_type": kind,
        "src_ip": from, "dest_ip": to, "proto": "TCP",
    });
    event[kind] = body;
    if kind == "flow" {
        event["zones"] = json!({ "src": "outside", "dest": "cctv" });
    }
    format!("{event}\n")
}

fn incident(number: &str, title: &str, zone: &str, severity: u8) -> String {
    line(
        "incident",
        "203.0.113.9",
        "10.30.0.5",
        json!({
            "change": "opened", "number": number, "title": title, "severity": severity, "zones": [zone],
            "domains": ["transport"], "assets": ["203.0.113.9"], "services": [],
            "reasons": [{"event": "0-1-0", "at": "2026-04-30T13:26:31.462207+0000", "text": title}],
            "kinds": ["scan"], "suspects": [{"name": "203.0.113.9", "ip": "203.0.113.9", "taken": false, "proved": true}],
            "crossings": [], "changes": [], "victims": [],
            "first": "2026-04-30T13:26:31.462207+0000", "last": "2026-04-30T13:26:31.462207+0000",
        }),
    )
}

/// A console that knows of this, and Ada, who is its administrator.
fn with(lines: &[String]) -> (Console, Browser) {
    let console = start(None);
    lines.iter().for_each(|line| console.feed.line(line.as_bytes()));
    console.finished(json!({ "packets": 1, "nothing_was_shed": true }));
    let ada = Browser::first(&console.url, console.first_link.as_ref(), PASSWORD);
    (console, ada)
}

#[test]
fn first_start_login_and_logout() {
    let console = start(None);
    let link = console.first_link.clone().unwrap();
    let mut ada = Browser::at(&console.url);
    let answer = ada.get("/incidents?q=x");
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/login?back=%2Fincidents%3Fq%3Dx"))
    );
    assert!(ada.get(&link).body.contains("Ada Example"));
    assert_eq!(ada.use_link(&link, "Ada Example", "short").status, 400);
    assert_eq!(ada.use_link(&link, "Nobody Example", PASSWORD).status, 400);
    assert_eq!(ada.use_link(&link, "Ada Example", PASSWORD).status, 303);
    assert_eq!(ada.get("/").status, 200);
    // The link works once.
    assert_eq!(
        Browser::at(&console.url)
            .use_link(&link, "Grace Example", PASSWORD)
            .status,
        404
    );
    let mut other = Browser::at(&console.url);
    for _ in 0..5 {
        assert_eq!(
            other
                .post("/login", &[("name", "Ada Example"), ("password", "wrong")])
                .status,
            403
        );
    }
    // From the sixth failure on its source waits; who is logged in goes on.
    other.post("/login", &[("name", "Ada Example"), ("password", "wrong")]);
    let waits = other.post("/login", &[("name", "Ada Example"), ("password", PASSWORD)]);
    assert!(
        waits.status == 403 && waits.body.contains("Try again in"),
        "{}",
        waits.body
    );
    assert_eq!(ada.get("/").status, 200);
    let unknown = other.post("/login", &[("name", "Grace Example"), ("password", PASSWORD)]);
    assert!(
        unknown.body.contains("Name or password is wrong"),
        "an account that is not there is not told"
    );
    // Without its token a form does nothing.
    assert_eq!(ada.post("/logout", &[("csrf", "0")]).status, 403);
    assert_eq!(ada.get("/").status, 200);
    let (csrf, before) = (ada.csrf(), ada.clone());
    assert_eq!(ada.post("/logout", &[("csrf", &csrf)]).status, 303);
    assert_eq!(before.get("/").status, 303, "the old token is worth nothing");
}

#[test]
fn accounts_outlive_a_restart_and_the_shell_brings_one_back() {
    let folder = std::env::temp_dir().join(format!("citywall-console-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let first = start(Some(folder.clone()));
    let link = first.first_link.clone().unwrap();
    assert_eq!(
        Browser::at(&first.url)
            .use_link(&link, "Ada Example", PASSWORD)
            .status,
        303
    );
    first.finished(json!({}));
    // The journal has one writer: in one process both consoles cannot hold it.
    let journal = std::fs::read_to_string(folder.join("journal/journal.jsonl")).unwrap();
    assert!(
        journal.contains("\"what\":\"password\"")
            && journal.contains("Ada Example")
            && !journal.contains(PASSWORD)
    );
    let token = citywall_console::leave_link(&folder, "Ada Example").unwrap();
    let mut ada = Browser::at(&first.url);
    assert_eq!(
        ada.use_link(
            &format!("/link/{token}"),
            "Grace Example",
            "pumps and trams and lamps"
        )
        .status,
        303
    );
    assert!(
        ada.get("/").body.contains("Ada Example"),
        "a link is for whom it was made"
    );
    assert_eq!(
        ada.post("/login", &[("name", "Ada Example"), ("password", PASSWORD)])
            .status,
        403
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn every_page_is_safe_and_in_both_languages() {
    let (_console, ada) = with(&[incident("I0-1-1", "a scan", "cctv", 3)]);
    for language in ["en", "zh-CN"] {
        let browser = Browser {
            language,
            ..ada.clone()
        };
        for path in PAGES {
            let answer = browser.get(path);
            assert_eq!(answer.status, 200, "{path}");
            let policy = answer.header("content-security-policy").unwrap();
            assert!(
                policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe")
            );
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert!(answer.body.contains(&format!("lang=\"{language}\"")), "{path}");
            // Nothing inline, nothing from elsewhere: the policy would stop it.
            for inline in [
                " style=",
                "<style",
                " onclick=",
                "javascript:",
                "src=\"http",
                "href=\"http",
            ] {
                assert!(!answer.body.contains(inline), "{path}: {inline}");
            }
            assert_eq!(answer.body.matches("<script").count(), 1, "{path}");
            assert_eq!(answer.body.matches("<h1").count(), 1, "{path}");
        }
    }
    assert_eq!(ada.get("/incidents/I9-9-9").status, 404);
    assert_eq!(ada.get("/nowhere").status, 404);
    assert_eq!(ada.send("DELETE", "/incidents", &[], "").status, 405);
    for asset in ["console.css", "console.js", "icon.svg"] {
        assert_eq!(ada.get(&format!("/assets/{asset}")).status, 200);
    }
    assert_eq!(ada.get("/assets/..%2Fconsole.css").status, 404);
}

#[test]
fn what_the_network_wrote_stays_text() {
    let evil = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u{202e}";
    let formula = "=HYPERLINK(\"http://evil.example\";\"pump\")";
    let long = "A".repeat(60_000);
    let device = |name: &str| {
        line(
            "asset",
            "10.30.0.5",
            "10.30.0.5",
            json!({
                "change": "new", "name": name, "addresses": ["10.30.0.5"], "hostnames": [evil], "roles": [evil], "maker": evil,
                "zone": "cctv", "first_seen": "2026-04-30T13:26:31.462207+0000", "last_seen": "2026-04-30T13:26:31.462207+0000",
                "evidence": [{"what": evil, "source": evil}],
            }),
        )
    };
    let (_console, ada) = with(&[
        incident("I0-1-1", evil, "cctv", 3),
        incident("I0-1-2", &long, "cctv", 3),
        device(evil),
        device(formula),
        line(
            "command",
            "203.0.113.9",
            "10.30.0.5",
            json!({"protocol": evil, "verb": evil, "point": formula, "value": evil}),
        ),
        line(
            "http",
            "203.0.113.9",
            "10.30.0.5",
            json!({"http_user_agent": evil, "url": formula}),
        ),
        line(evil, "203.0.113.9", "10.30.0.5", json!({})),
        "no json\n".to_owned(),
        "{\"event_type\":\"incident\"}\n".to_owned(),
    ]);
    let named = serde_urlencoded::to_string([("name", evil)]).unwrap();
    let searched = serde_urlencoded::to_string([("q", evil.trim_end_matches('\u{202e}'))]).unwrap();
    let mut paths: Vec<String> = PAGES.iter().map(|p| (*p).to_owned()).collect();
    paths.push(format!("/device?{named}"));
    paths.extend(["events", "incidents", "devices", "commands"].map(|page| format!("/{page}?{searched}")));
    paths.push("/incidents/I0-1-2".into());
    for path in &paths {
        let answer = ada.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(
            !answer.body.contains("<script>alert") && !answer.body.contains("<img"),
            "{path}"
        );
        assert!(!answer.body.contains('\u{202e}'), "{path}");
        assert!(answer.body.len() < 400_000, "{path}: {}", answer.body.len());
    }
    for file in ["events.csv", "incidents.csv", "devices.csv", "commands.csv"] {
        let csv = ada.get(&format!("/export/{file}"));
        assert_eq!(csv.status, 200);
        assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
        assert!(
            csv.header("content-disposition")
                .unwrap()
                .starts_with("attachment")
        );
        assert!(
            !csv.body.contains(",\"=") && !csv.body.contains("\n\"="),
            "{file}"
        );
    }
    assert!(ada.get("/export/devices.csv").body.contains("\"'=HYPERLINK"));
    assert!(ada.get("/api/v1/health").body.contains("\"unread\":3"));
}

#[test]
fn a_department_sees_its_zones_and_nothing_else() {
    let water = |kind: &str, body| line(kind, "10.41.0.10", "10.40.0.20", body);
    let (_console, mut ada) = with(&[
        incident("I0-1-1", "cameras are searched", "cctv", 3),
        incident("I0-1-2", "a pump is searched", "pumps", 3),
        water("modbus", json!({"id": 1})),
        line(
            "http",
            "203.0.113.9",
            "10.30.0.5",
            json!({"url": "/secret-of-cctv"}),
        ),
        line(
            "command",
            "10.41.0.10",
            "10.40.0.20",
            json!({"protocol": "modbus", "verb": "read", "point": "holding:40"}),
        ),
        line(
            "command",
            "10.1.0.30",
            "10.30.0.5",
            json!({"protocol": "http-secret", "verb": "read"}),
        ),
    ]);
    let grace = ada.invite("Grace Example", "trams and lamps and pumps");
    assert_eq!(
        (
            ada.get("/incidents/I0-1-1").status,
            ada.get("/incidents/I0-1-2").status
        ),
        (200, 200)
    );
    assert_eq!(
        (
            grace.get("/incidents/I0-1-1").status,
            grace.get("/incidents/I0-1-2").status
        ),
        (404, 200)
    );
    assert_eq!(grace.get("/api/v1/incidents/I0-1-1").status, 404);
    let paths = [
        "/",
        "/incidents",
        "/events",
        "/commands",
        "/traffic",
        "/policy",
        "/report",
        "/actions",
        "/export/events.csv",
        "/export/events.json",
        "/export/incidents.csv",
        "/export/commands.json",
        "/api/v1/events?limit=1000",
        "/api/v1/incidents",
        "/api/v1/commands",
        "/api/v1/zones",
    ];
    for path in paths {
        let answer = grace.get(path);
        assert_eq!(answer.status, 200, "{path}");
        for foreign in [
            "cameras are searched",
            "secret-of-cctv",
            "http-secret",
            "\"offices\"",
        ] {
            assert!(!answer.body.contains(foreign), "{path}: {foreign}");
        }
    }
    assert!(
        grace.get("/events").body.contains("modbus")
            && grace.get("/incidents").body.contains("a pump is searched")
    );
    assert_eq!(grace.get("/rehearsal").status, 403, "it is about the whole city");
    assert_eq!(grace.get("/events?zone=nowhere").status, 400);
    // Grace is no administrator: she brings nobody in, and ends nobody's session.
    let mut grace = grace;
    let csrf = grace.csrf();
    for path in ["/people/link", "/people/end"] {
        assert_eq!(
            grace
                .post(path, &[("csrf", &csrf), ("name", "Ada Example")])
                .status,
            403,
            "{path}"
        );
    }
    // An administrator ends hers.
    let csrf = ada.csrf();
    assert_eq!(
        ada.post("/people/end", &[("csrf", &csrf), ("name", "Grace Example")])
            .status,
        303
    );
    assert_eq!(grace.get("/").status, 303);
}

#[test]
fn normal_here_covers_what_was_said_and_ends() {
    let (_console, mut ada) = with(&[
        incident("I0-1-1", "the fitter's laptop", "cctv", 3),
        incident("I0-1-2", "a pump was switched", "pumps", 1),
    ]);
    let csrf = ada.csrf();
    let said = |reason| {
        [
            ("csrf", csrf.as_str()),
            ("days", "400"),
            ("reason", reason),
            ("sure", "yes"),
        ]
    };
    assert!(
        ada.get("/incidents/I0-1-1/normal")
            .body
            .contains("One incident would have been covered")
    );
    assert_eq!(
        ada.post(
            "/incidents/I0-1-1/normal",
            &[("csrf", &csrf), ("days", "7"), ("reason", "x")]
        )
        .status,
        400
    );
    assert_eq!(
        ada.post("/incidents/I0-1-2/normal", &said("never mind")).status,
        409,
        "the worst kind is never normal"
    );
    assert_eq!(
        ada.post("/incidents/I0-1-1/normal", &said("our own scan on Mondays"))
            .status,
        303
    );
    assert!(ada.get("/normal").body.contains("our own scan on Mondays"));
    assert!(!ada.get("/api/v1/incidents").body.contains("I0-1-1"));
    assert!(
        ada.get("/actions").body.contains("our own scan on Mondays"),
        "it is in the journal"
    );
    assert_eq!(ada.post("/normal/1/end", &[("csrf", &csrf)]).status, 303);
    assert!(ada.get("/api/v1/incidents").body.contains("I0-1-1"));
}

#[test]
fn the_document_and_the_api_are_one() {
    let (_console, ada) = with(&[
        incident("I0-1-1", "a scan", "cctv", 3),
        line(
            "asset",
            "10.30.0.5",
            "10.30.0.5",
            json!({
                "change": "new", "name": "cam", "addresses": ["10.30.0.5"], "zone": "cctv",
                "first_seen": "2026-04-30T13:26:31.462207+0000", "last_seen": "2026-04-30T13:26:31.462207+0000",
            }),
        ),
    ]);
    let document: serde_json::Value = serde_json::from_str(&ada.get("/api/openapi.json").body).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let source = include_str!("../src/web/api.rs");
    assert_eq!(
        paths.len(),
        source.matches(".route(").count(),
        "every route is in the document"
    );
    let stranger = Browser {
        cookie: None,
        ..ada.clone()
    };
    for (path, operations) in paths {
        let real = path
            .replace("{number}", "I0-1-1")
            .replace("proposals/{id}", "proposals/1")
            .replace("{id}", "I0-1-1.1")
            .replace("{deed}", "approve");
        let real = if real.ends_with("/device") {
            format!("{real}?name=cam")
        } else {
            real
        };
        if operations.get("get").is_some() {
            // This console keeps no packets and nobody has proposed anything, and it says so.
            let nothing = real.ends_with("/packets") || real.contains("/proposals/1");
            let kept = if nothing { 404 } else { 200 };
            assert_eq!(ada.get(&real).status, kept, "{real}");
            assert_eq!(stranger.get(&real).status, 401, "{real}");
            assert!(serde_json::from_str::<serde_json::Value>(&ada.get(&real).body).is_ok());
        } else {
            assert!(operations.get("post").is_some());
        }
        if operations.get("post").is_some() {
            let json = [("Content-Type", "application/json")];
            assert_eq!(stranger.send("POST", &real, &json, "{}").status, 401);
            assert_eq!(ada.send("POST", &real, &json, "{}").status, 403, "no token");
        }
    }
}

#[test]
fn other_sites_and_other_names_are_refused() {
    let (console, ada) = with(&[]);
    let host = console.url.trim_start_matches("http://");
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(
        ada.send("GET", "/", &[("Host", "evil.example")], "").status,
        403,
        "DNS rebinding"
    );
    assert_eq!(
        ada.send("GET", "/", &[("Host", "localhost:8440")], "").status,
        200
    );
    for headers in [
        [form[0], ("Origin", "https://evil.example")],
        [form[0], ("Sec-Fetch-Site", "cross-site")],
    ] {
        assert_eq!(
            ada.send("POST", "/login", &headers, "name=a&password=b").status,
            403
        );
    }
    let own = format!("http://{host}");
    let answer = ada.send(
        "POST",
        "/login",
        &[form[0], ("Origin", &own)],
        "name=a&password=b",
    );
    assert!(answer.body.contains("Name or password is wrong"));
    let answer = ada.get("/look?lang=zh-CN&back=//evil.example");
    assert_eq!(answer.header("location"), Some("/"));
}

#[test]
fn malformed_and_huge_requests_break_nothing() {
    let (console, ada) = with(&[]);
    let host = console.url.trim_start_matches("http://").to_owned();
    let hostile: Vec<Vec<u8>> = vec![
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        format!("GET /{} HTTP/1.1\r\nHost: {host}\r\n\r\n", "a".repeat(100_000)).into_bytes(),
        format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\n{}\r\n",
            "X: y\r\n".repeat(5_000)
        )
        .into_bytes(),
        format!("POST /login HTTP/1.1\r\nHost: {host}\r\nContent-Length: 99999999999\r\n\r\n").into_bytes(),
        format!("POST /login HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
            .into_bytes(),
        b"\0".repeat(70_000),
    ];
    for bytes in hostile {
        let mut stream = TcpStream::connect(&host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || text.starts_with("HTTP/1."), "{text}");
    }
    let long = "q=".to_owned() + &"%F0%9F%92%A9".repeat(1_500);
    assert_eq!(ada.get(&format!("/events?{long}")).status, 200);
    for odd in [
        "/events?before=-1",
        "/events?from=soon",
        "/devices?page=x",
        "/device",
        "/events?zone=%00",
    ] {
        assert_eq!(ada.get(odd).status, 400, "{odd}");
    }
    assert_eq!(ada.get("/devices?page=18446744073709551615").status, 200);
    let body = "x".repeat(200_000);
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(ada.send("POST", "/login", &form, &body).status, 413);
    assert_eq!(ada.get("/").status, 200);
}

#[test]
fn streams_tell_that_something_changed_and_end_with_the_session() {
    let console = start(None);
    let mut ada = Browser::at(&console.url);
    ada.use_link(&console.first_link.clone().unwrap(), "Ada Example", PASSWORD);
    let open = || {
        let mut stream = TcpStream::connect(&ada.host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let cookie = ada.cookie.clone().unwrap();
        write!(
            stream,
            "GET /stream HTTP/1.1\r\nConnection: close\r\nHost: {}\r\nCookie: {cookie}\r\n\r\n",
            ada.host
        )
        .unwrap();
        stream
    };
    let wait_for = |stream: &mut TcpStream, wanted: &str| {
        let mut seen = String::new();
        let mut bytes = [0; 4096];
        while !seen.contains(wanted) {
            let n = stream.read(&mut bytes).expect("in time");
            assert!(n > 0, "closed after {seen}");
            seen.push_str(&String::from_utf8_lossy(&bytes[..n]));
        }
    };
    let mut streams: Vec<TcpStream> = (0..200).map(|_| open()).collect();
    streams.iter_mut().for_each(|s| wait_for(s, "event: hello"));
    console
        .feed
        .line(incident("I0-1-1", "a scan", "cctv", 3).as_bytes());
    streams.iter_mut().for_each(|s| wait_for(s, "event: changed"));
    assert!(ada.get("/api/v1/health").body.contains("\"streams\":200"));
    let csrf = ada.csrf();
    ada.post("/logout", &[("csrf", &csrf)]);
    console
        .feed
        .line(incident("I0-1-2", "a scan", "cctv", 3).as_bytes());
    for stream in &mut streams {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("it ends");
    }
}

/// What touches safety takes two people, and one person with two sessions is one.
#[test]
fn two_people_approve_what_touches_safety() {
    let title = "pump-plc-1, which had been taken over, changed signal-12 without permission";
    let told = line(
        "incident",
        "10.40.0.20",
        "10.20.0.12",
        json!({
            "change": "updated", "number": "I0-1-1", "title": title, "severity": 1, "zones": ["pumps", "signals"],
            "domains": ["water", "transport"], "assets": ["pump-plc-1", "signal-12"], "services": ["Drinking water"],
            "reasons": [{"event": "0-1-0", "at": "2026-04-30T13:26:31.462207+0000", "text": title}],
            "kinds": ["forbidden-contact", "change"],
            "suspects": [{"name": "pump-plc-1", "ip": "10.40.0.20", "taken": true, "proved": true}],
            "crossings": [{"suspect": 0, "zone": "signals", "targets": ["10.20.0.12"]}],
            "changes": [{"suspect": 0, "target": "10.20.0.12", "protocol": "snmp"}],
            "victims": [{"name": "signal-12", "ip": "10.20.0.12", "taken": false}],
            "first": "2026-04-30T13:26:31.462207+0000", "last": "2026-04-30T13:26:31.462207+0000",
        }),
    );
    let (_console, mut ada) = with(&[told]);
    let mut grace = ada.invite("Grace Example", "trams and lamps and pumps");
    let actions = |browser: &Browser| -> Vec<serde_json::Value> {
        serde_json::from_str(&browser.get("/api/v1/actions").body).unwrap()
    };
    let listed = actions(&ada);
    let action = listed
        .iter()
        .find(|a| a["needed"] == 2)
        .unwrap_or_else(|| panic!("two are needed: {listed:?}"));
    let id = action["id"].as_str().unwrap();
    let stage = |browser: &Browser| {
        let found = actions(browser).into_iter().find(|a| a["id"] == id).unwrap();
        found["stage"].as_str().unwrap().to_owned()
    };
    let approve = |browser: &mut Browser| {
        let (csrf, hash) = (browser.csrf(), action["hash"].as_str().unwrap());
        browser
            .post(
                &format!("/actions/{id}/approve"),
                &[
                    ("csrf", &csrf),
                    ("hash", hash),
                    ("reason", "seen"),
                    ("back", "/actions"),
                ],
            )
            .status
    };
    assert_eq!(approve(&mut ada), 303);
    assert_eq!(stage(&ada), "proposed");
    let mut again = Browser {
        cookie: None,
        ..ada.clone()
    };
    again.post("/login", &[("name", "Ada Example"), ("password", PASSWORD)]);
    approve(&mut again);
    assert_eq!(stage(&ada), "proposed", "the same person counts once");
    assert!(
        grace
            .get("/incidents/I0-1-1")
            .body
            .contains("Approve as the second person")
    );
    assert_eq!(approve(&mut grace), 303);
    assert_eq!(stage(&ada), "active");
    let csrf = grace.csrf();
    assert_eq!(
        grace
            .post(
                &format!("/actions/{id}/undo"),
                &[("csrf", &csrf), ("reason", "a fitter")]
            )
            .status,
        303
    );
    assert_eq!(stage(&ada), "ended");
}

/// What a run with signed models knows after some hours.
struct Modelled;

impl Upkeep for Modelled {
    fn now(&self) -> Standing {
        Standing::default()
    }

    fn foreseen(&self) -> Vec<Foreseen> {
        let hour = |hour, bytes| ForeseenHour {
            hour,
            low: 1_000,
            high: 5_000,
            bytes,
        };
        let class = |name: &str, moved, suddenly| Foreseen {
            class: name.to_owned(),
            hours: vec![
                hour(493_000, Some(2_000)),
                hour(493_001, Some(9_000)),
                hour(493_002, Some(10)),
                hour(493_003, None),
            ],
            drift: Some(Drifted {
                shift: 0.31,
                judged: 4,
                moved,
                suddenly,
            }),
        };
        vec![class("any", 4, 0), class("cctv", 4, 3), class("pumps", 0, 0)]
    }

    fn habits(&self, _: &str, _: &[IpAddr]) -> Option<Vec<Habit>> {
        None
    }
}

#[test]
fn bands_stand_beside_what_came_and_drift_is_told_apart() {
    let console = start_with(None, Some(Arc::new(Modelled)));
    console.finished(json!({ "packets": 1 }));
    let mut ada = Browser::first(&console.url, console.first_link.as_ref(), PASSWORD);
    let page = ada.get("/traffic").body;
    for words in [
        "devices without a model of their own",
        "as expected",
        "more than expected",
        "less than expected",
        "not seen whole",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    // Drawn, and said for who does not see it.
    assert!(page.contains("Bytes in each hour, and what was expected: cctv") && page.contains("<polygon"));
    let health = ada.get("/health").body;
    assert!(health.contains("The model ages") && health.contains("something that spreads. Ask"));
    let api: serde_json::Value = serde_json::from_str(&ada.get("/api/v1/traffic").body).expect("JSON");
    let hours = api["forecasts"][1]["hours"].as_array().expect("hours");
    assert_eq!(hours.len(), 4);
    assert_eq!(
        (&hours[1]["bytes"], &hours[1]["high"], &hours[3]["bytes"]),
        (&json!(9_000), &json!(5_000), &json!(null))
    );
    let api: serde_json::Value = serde_json::from_str(&ada.get("/api/v1/health").body).expect("JSON");
    let courses: Vec<_> = api["drift"].as_array().expect("drift").iter().collect();
    assert_eq!(courses.len(), 3);
    assert_eq!(
        (
            &courses[0]["course"],
            &courses[1]["course"],
            &courses[2]["course"]
        ),
        (&json!("slowly"), &json!("suddenly"), &json!("still"))
    );
    // A department sees its own zone's model alone.
    let grace = ada.invite("Grace Example", "trams and lamps and pumps");
    let api: serde_json::Value = serde_json::from_str(&grace.get("/api/v1/traffic").body).expect("JSON");
    let classes: Vec<_> = api["forecasts"].as_array().expect("a list").iter().collect();
    assert_eq!(classes.len(), 1);
    assert_eq!(classes[0]["class"], "pumps");
    let document = ada.get("/api/openapi.json").body;
    assert!(document.contains("ForeseenHour") && document.contains("Drifted"));
}

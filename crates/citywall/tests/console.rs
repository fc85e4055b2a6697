//! The console beside the real binary, on the story: first start, an incident, approval, undo; once in a
//! rehearsal, once with an enforcer and the kernel's tables in a namespace.

#[allow(dead_code)]
#[path = "enforcer/rig.rs"]
mod rig;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// A running `citywall watch --console`.
struct Served {
    child: Child,
    host: String,
    link: String,
    cookie: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(arguments: &[&str]) -> Served {
    let mut child = Command::new(env!("CARGO_BIN_EXE_citywall"))
        .args(["watch", "--console=127.0.0.1:0", "--json"])
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let errors = BufReader::new(child.stderr.take().unwrap());
    let mut link = None;
    let mut lines = errors.lines();
    for line in lines.by_ref().map_while(Result::ok) {
        if let Some((_, url)) = line.split_once("open this once: http://") {
            link = Some(url.to_owned());
        }
        if line.contains("the replay is over") {
            break;
        }
    }
    // Somebody reads on, so that the program never waits for it.
    std::thread::spawn(move || lines.for_each(drop));
    let (host, path) = link
        .as_deref()
        .and_then(|l| l.split_once('/'))
        .expect("a first link");
    Served {
        child,
        host: host.to_owned(),
        link: format!("/{path}"),
        cookie: String::new(),
    }
}

impl Served {
    fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nCookie: {}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            self.host,
            self.cookie,
            body.len()
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let status = text.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        (status, text)
    }

    fn json(&self, path: &str) -> Value {
        let (status, text) = self.send("GET", path, "", "");
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    fn act(&self, csrf: &str, action: &Value, deed: &str) -> (u16, String) {
        let headers = format!("Content-Type: application/json\r\nx-csrf-token: {csrf}\r\n");
        let body = serde_json::json!({ "hash": action["hash"], "reason": "seen on the camera, too" });
        let path = format!("/api/v1/actions/{}/{deed}", action["id"].as_str().unwrap());
        self.send("POST", &path, &headers, &body.to_string())
    }
}

/// Ada, who has set her password by the first link; the replay is read.
fn with_ada(arguments: &[&str]) -> Served {
    let mut console = serve(arguments);
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let body = "name=Ada+Example&password=lamps+and+pumps+and+trams&again=lamps+and+pumps+and+trams";
    let (status, answer) = console.send("POST", &console.link, form, body);
    assert_eq!(status, 303, "{answer}");
    let cookie = answer
        .lines()
        .find_map(|l| l.strip_prefix("set-cookie: "))
        .expect("a session");
    console.cookie = cookie.split(';').next().unwrap().to_owned();
    // What the log's thread has not read yet comes within a moment.
    while !console.json("/api/v1/health")["over"].as_bool().unwrap() {
        std::thread::sleep(Duration::from_millis(10));
    }
    console
}

/// What is approved on a page is held by the kernel, and what is taken back is not.
#[test]
fn an_approval_reaches_the_kernel_and_so_does_its_undoing() {
    const NAME: &str = "an_approval_reaches_the_kernel_and_so_does_its_undoing";
    if !rig::inside(NAME) {
        return;
    }
    let up = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status()
        .unwrap();
    assert!(up.success());
    let story = include_str!("../story/city.toml");
    // Somebody must ask the enforcer whether it serves.
    let city = story.replace(
        "name = \"Dana Ejemplo\"",
        "name = \"Dana Ejemplo\"\nunix = \"root\"",
    );
    let folder = rig::Enforcer::folder("console");
    let config = folder.join("config.toml");
    std::fs::write(&config, "[enforcer]\nconsoles = [0]\n").unwrap();
    let enforcer = rig::Enforcer::start_with("console", &city, &["--config", config.to_str().unwrap()]);
    let socket = enforcer.folder.join("control");
    let console = with_ada(&["--enforcer", socket.to_str().unwrap()]);
    let me = console.json("/api/v1/me");
    assert_eq!(me["gate"], "enforcer");
    // The sensor's line to the enforcer has a thread of its own.
    let end = std::time::Instant::now() + rig::PATIENCE;
    let action = loop {
        let actions = console.json("/api/v1/actions");
        let mut all = actions.as_array().unwrap().iter();
        if let Some(found) = all.find(|a| a["rung"] == "deny-conduit" && a["needed"] == 1) {
            break found.clone();
        }
        assert!(std::time::Instant::now() < end, "nothing is proposed: {actions}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let held = || {
        let listed = Command::new("nft").args(["list", "ruleset"]).output().unwrap();
        String::from_utf8_lossy(&listed.stdout).contains(&format!("comment {}", action["id"]))
    };
    let csrf = me["csrf"].as_str().unwrap();
    assert!(!held());
    let (status, answer) = console.act(csrf, &action, "approve");
    assert_eq!(status, 200, "{answer}");
    assert!(held());
    let (status, answer) = console.act(csrf, &action, "undo");
    assert_eq!(status, 200, "{answer}");
    assert!(!held());
    let (_, page) = console.send("GET", "/actions", "", "");
    assert!(!page.contains("Rehearsal: nothing is touched"));
    assert!(
        page.contains("console:Ada Example"),
        "the enforcer's journal says who"
    );
}

#[test]
fn the_storys_incident_from_the_list_to_approval_and_back() {
    let console = with_ada(&[]);
    let me = console.json("/api/v1/me");
    assert_eq!(
        (&me["gate"], &me["name"]),
        (&Value::from("rehearsal"), &Value::from("Ada Example"))
    );
    let incidents = console.json("/api/v1/incidents");
    let worst = &incidents[0];
    assert_eq!(
        (worst["severity"].as_u64(), &worst["services"][0]),
        (Some(1), &Value::from("Traffic signals"))
    );
    let number = worst["number"].as_str().unwrap();
    let whole = console.json(&format!("/api/v1/incidents/{number}"));
    let action = whole["actions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|a| a["rung"] == "deny-command")
        .expect("a proposal");
    assert_eq!(action["stage"], "proposed");
    let csrf = me["csrf"].as_str().unwrap();
    // Another plan than the one that was read is not approved.
    let mut other = action.clone();
    other["hash"] = "0".repeat(64).into();
    assert_eq!(console.act(csrf, &other, "approve").0, 409);
    assert_eq!(console.act("0", action, "approve").0, 403);
    let (status, answer) = console.act(csrf, action, "approve");
    assert_eq!(status, 200, "{answer}");
    let stage = |console: &Served| {
        let actions = console.json("/api/v1/actions");
        let found = actions
            .as_array()
            .unwrap()
            .iter()
            .find(|a| a["id"] == action["id"])
            .cloned()
            .unwrap();
        found["stage"].as_str().unwrap().to_owned()
    };
    assert_eq!(stage(&console), "active");
    assert_eq!(console.act(csrf, action, "undo").0, 200);
    assert_eq!(stage(&console), "ended");
    let (_, page) = console.send("GET", "/actions", "", "");
    assert!(
        page.contains("seen on the camera, too") && page.contains("Rehearsal"),
        "the act is in the journal"
    );
    // Everything that the log holds can be found.
    let events = console.json("/api/v1/events?kind=violation&device=camera-10&limit=1000");
    assert!(events["events"].as_array().unwrap().len() > 500);
}

/// The API is what its document says, and nothing that is asked of it breaks the server: schemathesis makes
/// requests from the document, good ones and bad ones. `./test` installs it.
#[test]
fn the_api_is_what_its_document_says() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("schemathesis");
    let program = folder.join("bin/schemathesis");
    if !program.is_file() {
        eprintln!(
            "SKIPPED: the API's document: no schemathesis in {}",
            folder.display()
        );
        return;
    }
    let console = with_ada(&[]);
    let csrf = console.json("/api/v1/me")["csrf"].as_str().unwrap().to_owned();
    let output = Command::new(program)
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .arg("run")
        .arg(format!("http://{}/api/openapi.json", console.host))
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "25"])
        .args(["--seed", "1", "--no-color"])
        // A string of the right shape may be no time, zone or device; the document says so by its 400. It
        // names no security scheme, so that the session is a header as any; that strangers get 401 is tested
        // in the console's own crate.
        .args(["--exclude-checks", "positive_data_acceptance,ignored_auth"])
        .args(["--header", &format!("Cookie: {}", console.cookie)])
        .args(["--header", &format!("x-csrf-token: {csrf}")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("25 selected / 25 total"), "{said}");
    console.json("/api/v1/health");
}

/// The texts of a page that people read: not tags, what an event looks like in the log, names of programs, what is
/// to be chosen, nor what somebody typed or a journal holds.
fn texts(page: &str) -> Vec<String> {
    const VERBATIM: [&str; 6] = ["pre", "code", "option", "script", "title", "head"];
    let (mut texts, mut within): (Vec<String>, Option<String>) = (Vec::new(), None);
    let (_, body) = page.split_once("<main").expect("a page");
    for piece in body.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap_or((piece, ""));
        let name = tag.split(' ').next().unwrap_or_default();
        match &within {
            Some(outer) if name.strip_prefix('/') == Some(outer.as_str()) => within = None,
            Some(_) => continue,
            None if VERBATIM.contains(&name) || tag.contains("data-verbatim") => {
                within = Some(name.to_owned());
                continue;
            }
            None => {}
        }
        texts.push(text.to_owned());
    }
    texts
}

/// Titles, reasons, what is proposed and what the gate says are told in the page's language.
#[test]
fn in_chinese_no_page_of_the_story_says_an_english_sentence() {
    /// Two of them in one text are a sentence, or near to one.
    const SMALL: [&str; 24] = [
        "the", "a", "is", "are", "was", "of", "and", "it", "its", "by", "not", "no", "may", "which", "with",
        "from", "that", "this", "does", "has", "had", "been", "there", "were",
    ];
    let console = with_ada(&[]);
    let incidents = console.json("/api/v1/incidents");
    let number = incidents[0]["number"].as_str().unwrap();
    let mut pages: Vec<String> = [
        "/",
        "/incidents",
        "/devices",
        "/commands",
        "/traffic",
        "/policy",
        "/policy/proposal",
        "/actions",
        "/normal",
        "/rehearsal",
        "/events",
        "/events?kind=violation",
        "/events?kind=behaviour",
        "/events?kind=incident",
        "/events?kind=action",
        "/health",
        "/report",
        "/people",
        "/device?name=camera-10",
    ]
    .map(str::to_owned)
    .into();
    pages.push(format!("/incidents/{number}"));
    pages.push(format!("/incidents/{number}/normal"));
    let mut english = Vec::new();
    for path in &pages {
        let (status, page) = console.send("GET", path, "Accept-Language: zh-CN\r\n", "");
        assert_eq!(status, 200, "{path}");
        for text in texts(&page) {
            let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '\'');
            if words.filter(|word| SMALL.contains(word)).count() > 1 {
                english.push(format!("{path}: {text}"));
            }
        }
    }
    assert!(english.is_empty(), "{}", english.join("\n"));
    let (_, page) = console.send(
        "GET",
        &format!("/incidents/{number}"),
        "Accept-Language: zh-CN\r\n",
        "",
    );
    for expected in ["未经许可更改了", "没有通道允许", "厂商默认密码", "只能到达 DHCP"]
    {
        assert!(page.contains(expected), "{expected}");
    }
    // The same sentences in English, with the device's name before its address.
    let (_, page) = console.send(
        "GET",
        &format!("/incidents/{number}"),
        "Accept-Language: en\r\n",
        "",
    );
    for expected in ["changed junction-", "no conduit lets", "camera-10 <small>10.94."] {
        assert!(page.contains(expected), "{expected}");
    }
}

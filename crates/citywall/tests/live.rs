//! Live watching with the real binary, in a network namespace of each test's own.
//!
//! Each test starts itself again under `unshare`; only there is a veth pair made, the story sent
//! through one end by tcpreplay, and the other end watched. Packet times are then times of arrival:
//! minutes of the story pass in seconds, and what is compared is what does not depend on that.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::Value;

/// Names the test that runs in the namespace.
const INSIDE: &str = "CITYWALL_TEST_IN_NAMESPACE";
/// No single wait takes longer.
const PATIENCE: Duration = Duration::from_secs(15);
const NOBODY: u32 = 65_534;

/// A network namespace alone: root in it is the machine's root, who can become another user.
const OWN_NETWORK: &str = "-n";
/// In a user namespace as well, which knows no user but root.
const ROOT_ONLY: &str = "-Urn";

/// True in the namespace, where the test is to do its work. Outside it starts the test there, and
/// passes on whether it succeeded.
fn inside(test: &str, flags: &str) -> bool {
    if std::env::var_os(INSIDE).is_some_and(|name| name == test) {
        return true;
    }
    let works = |program: &str, arguments: &[&str]| {
        Command::new(program)
            .args(arguments)
            .output()
            .is_ok_and(|o| o.status.success())
    };
    let make = ["ip", "link", "add", "cw0", "type", "veth", "peer", "name", "cw1"];
    let Some(flags) = [flags, ROOT_ONLY]
        .into_iter()
        .find(|flags| works("unshare", &[&[*flags][..], &make].concat()))
    else {
        eprintln!("SKIPPED: {test}: no network namespace can be made (unshare, ip, user namespaces or root)");
        return false;
    };
    if !works("tcpreplay", &["--version"]) {
        eprintln!("SKIPPED: {test}: no tcpreplay to send the story with");
        return false;
    }
    let program = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .arg(flags)
        .arg(program)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, test)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    told.lines()
        .filter(|line| line.starts_with("SKIPPED"))
        .for_each(|line| eprintln!("{line}"));
    false
}

fn run(program: &str, arguments: &str) {
    let output = Command::new(program).args(arguments.split(' ')).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments}: {told}");
}

/// What is sent through veth0 arrives on veth1.
fn veth() {
    run("ip", "link set lo up");
    run("ip", "link add veth0 type veth peer name veth1");
    for name in ["veth0", "veth1"] {
        // Without it the ends announce themselves with frames that are not the story's.
        fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1").unwrap();
        run("ip", &format!("link set {name} mtu 9000 up"));
    }
}

/// A folder that anybody may look into, removed at the end of a test.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("citywall-live-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        Folder(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.0.join(name), text).unwrap();
        self.path(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn story(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("story").join(name)
}

fn city() -> String {
    fs::read_to_string(story("city.toml")).unwrap()
}

/// Sends the story, and gives how many packets that were.
fn send_story(folder: &Folder) -> u64 {
    let packed = story("story.pcap.gz");
    let unpacked = Command::new("gzip").arg("-dc").arg(packed).output().unwrap();
    let capture = folder.path("story.pcap");
    fs::write(&capture, unpacked.stdout).unwrap();
    let before = arrived();
    run("tcpreplay", &format!("-q --pps 3000 -i veth0 {capture}"));
    arrived() - before
}

/// Packets that veth1 has received, from /proc/net/dev (proc_net(5)).
fn arrived() -> u64 {
    let text = fs::read_to_string("/proc/net/dev").unwrap();
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("veth1:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A running `citywall watch --interface veth1`.
struct Watch {
    child: Child,
    out: PathBuf,
    errors: PathBuf,
    screen: PathBuf,
}

/// How a run ended.
struct Ended {
    code: Option<i32>,
    screen: String,
    errors: String,
}

impl Watch {
    /// Starts it, and waits until it watches.
    fn start(folder: &Folder, city: &str, more: &[&str]) -> Watch {
        let out = folder.0.join("out");
        let (errors, screen) = (folder.0.join("errors"), folder.0.join("screen"));
        let child = Command::new(env!("CARGO_BIN_EXE_citywall"))
            .args(["-v", "watch", "--interface", "veth1", "--city", city, "--out"])
            .arg(&out)
            .args(more)
            .stdin(Stdio::null())
            .stdout(fs::File::create(&screen).unwrap())
            .stderr(fs::File::create(&errors).unwrap())
            .spawn()
            .unwrap();
        let watch = Watch {
            child,
            out,
            errors,
            screen,
        };
        watch.says("watching veth1");
        watch
    }

    /// Waits for a line of the log.
    fn says(&self, text: &str) {
        until(text, || fs::read_to_string(&self.errors).unwrap().contains(text));
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    fn events(&self) -> Vec<Value> {
        events(&self.out)
    }

    /// Waits until it has ended.
    fn end(&mut self) -> Ended {
        until("the end of the run", || !self.runs());
        Ended {
            code: self.child.wait().unwrap().code(),
            screen: fs::read_to_string(&self.screen).unwrap(),
            errors: fs::read_to_string(&self.errors).unwrap(),
        }
    }

    /// The lines of /proc/PID/status that say which rights each of its threads has.
    fn rights(&self) -> BTreeSet<String> {
        let mut rights = BTreeSet::new();
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap() {
            let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
            let names = [
                "Uid:",
                "CapInh:",
                "CapPrm:",
                "CapEff:",
                "CapAmb:",
                "NoNewPrivs:",
                "Seccomp:",
            ];
            rights.extend(
                status
                    .lines()
                    .filter(|line| names.iter().any(|name| line.starts_with(name)))
                    .map(|line| line.replace('\t', " ")),
            );
        }
        rights
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All events written, each a valid line.
fn events(directory: &Path) -> Vec<Value> {
    fs::read_to_string(directory.join("eve.json"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// What an event tells apart from times and numbers of packets, for those kinds where that is the
/// same live and in a replay: logins, alerts, forbidden changes, and the incident's last title.
fn told(events: &[Value]) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    let mut title = &Value::Null;
    for event in events {
        let ends = format!("{} to {}", event["src_ip"], event["dest_ip"]);
        match event["event_type"].as_str().unwrap() {
            "telnet" => {
                told.insert(format!("{ends}: {}", event["telnet"]));
            }
            "alert" => {
                told.insert(format!("{ends}: {}", event["alert"]["signature"]));
            }
            "violation" if event["violation"]["command"]["verb"] != "read" => {
                told.insert(format!("{ends}: {}", event["violation"]["reason"]));
            }
            // Sent a thousand times as fast, the search of the network may pass for a flood as well.
            "incident" if event["incident"]["kinds"] != serde_json::json!(["flood"]) => {
                title = &event["incident"]["title"];
            }
            _ => {}
        }
    }
    told.insert(format!("incident: {title}"));
    told
}

/// Everything that the sensor was told to do it does while it can do nothing else: what it must not be able
/// to do is tried, then it sends to a name and to an address, is scraped, and keeps what it learned.
#[test]
fn a_confined_sensor_does_what_it_was_told_and_nothing_else() {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{TcpListener, TcpStream};

    let folder = Folder::new("confined");
    let (webhook, syslog) = (
        TcpListener::bind("localhost:0").unwrap(),
        TcpListener::bind("127.0.0.1:0").unwrap(),
    );
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    let metrics = port(&TcpListener::bind("127.0.0.1:0").unwrap());
    let config = format!(
        "[webhook]\nurl = \"http://localhost:{}/\"\n[syslog]\naddress = \"tcp://127.0.0.1:{}\"\n[learning]\nstate = \"{}\"\n",
        port(&webhook),
        port(&syslog),
        folder.path("state"),
    );
    let config = folder.write("config.toml", &config);
    let city = folder.write("city.toml", &city());
    let (out, metrics) = (folder.path("out"), format!("127.0.0.1:{metrics}"));
    let watch = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_citywall"));
        let files = ["watch", "--out", &out, "--city", &city, "--config", &config];
        command.args(files).args(["--metrics", &metrics]).args(more);
        command.stdin(Stdio::null());
        command
    };
    let mut bare = Command::new(env!("CARGO_BIN_EXE_citywall"));
    bare.args(["watch", "--probe"]);
    for mut probed in [watch(&["--probe"]), bare] {
        let output = probed.output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        // With names to be found, sockets can be made; what they reach is Landlock's.
        let told = told.replace("a UDP socket", "");
        assert_eq!(told, "sensor: []\n", "{output:?}");
    }

    let first = std::thread::spawn(move || {
        let (mut posted, _) = webhook.accept().unwrap();
        let mut line = String::new();
        BufReader::new(&posted).read_line(&mut line).unwrap();
        let _ = posted.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let mut start = [0; 64];
        let (mut logged, _) = syslog.accept().unwrap();
        let length = logged.read(&mut start).unwrap();
        (line, String::from_utf8_lossy(&start[..length]).into_owned())
    });
    let mut child = watch(&["--json", "--console=127.0.0.1:0"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut page = String::new();
    until("the metrics of the whole story", || {
        page.clear();
        let Ok(mut stream) = TcpStream::connect(&metrics) else {
            return false;
        };
        let _ = stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n");
        let _ = stream.read_to_string(&mut page);
        page.contains("citywall_packets_total")
    });
    let (posted, logged) = first.join().unwrap();
    assert!(posted.starts_with("POST / HTTP/1.1"), "{posted}");
    assert!(logged.contains(" citywall "), "{logged}");
    let learned = folder.0.join("state/learning.json");
    until("what was learned", || learned.exists());
    let _ = child.kill();
    let _ = child.wait();
}

/// Watches the story with this many workers, and compares with its replay.
fn the_story_is_told(folder: &Folder, workers: &str) -> u32 {
    let replayed = folder.path("replayed");
    run(
        env!("CARGO_BIN_EXE_citywall"),
        &format!("watch --json --out {replayed}"),
    );
    let expected = told(&events(Path::new(&replayed)));

    let mut watch = Watch::start(
        folder,
        story("city.toml").to_str().unwrap(),
        &["--workers", workers],
    );
    let rights = watch.rights();
    send_story(folder);
    until("the incident in eve.json, while the run goes on", || {
        watch.events().iter().any(|e| e["event_type"] == "incident")
    });
    run(
        "tcpreplay",
        &format!("-q --topspeed -i veth0 {}", folder.path("story.pcap")),
    );
    let sent = arrived();
    // At once: the last packets still wait in the ring, and are told all the same.
    watch.signal(Signal::INT);
    let ended = watch.end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);

    let summary: Value = serde_json::from_slice(&fs::read(watch.out.join("summary.json")).unwrap()).unwrap();
    assert!(sent > 6_000);
    assert_eq!(summary["packets"], sent);
    assert_eq!(summary["drops"]["kernel"], 0);
    assert_eq!(summary["nothing_was_shed"], true);
    assert_eq!(summary["interrupted"], true);
    let events = watch.events();
    let counted: u64 = summary["events"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!(events.len() as u64, counted);
    let ids: BTreeSet<&str> = events.iter().filter_map(|event| event["id"].as_str()).collect();
    assert_eq!(ids.len(), events.len(), "each event has an id of its own");
    assert!(events.iter().all(|event| event["in_iface"] == "veth1"));
    assert_eq!(told(&events), expected);
    assert!(ended.screen.contains("INCIDENT"), "{}", ended.screen);

    let meta = |name: &str| fs::metadata(watch.out.join(name)).unwrap();
    let user = meta("eve.json").uid();
    for (name, mode) in [(".", 0o700), ("eve.json", 0o600), ("summary.json", 0o600)] {
        assert_eq!(
            (meta(name).mode() & 0o777, meta(name).uid()),
            (mode, user),
            "{name}"
        );
    }
    let none = "0000000000000000";
    let mut bare = vec![
        "NoNewPrivs: 1".to_owned(),
        "Seccomp: 2".to_owned(),
        format!("Uid: {user} {user} {user} {user}"),
    ];
    bare.extend(["CapInh", "CapPrm", "CapEff", "CapAmb"].map(|set| format!("{set}: {none}")));
    assert_eq!(rights, bare.into_iter().collect(), "no thread has a right left");
    user
}

#[test]
fn two_workers_tell_the_story_live_as_nobody() {
    let test = "two_workers_tell_the_story_live_as_nobody";
    if !inside(test, OWN_NETWORK) {
        return;
    }
    veth();
    let folder = Folder::new(test);
    let user = the_story_is_told(&folder, "2");
    let map = fs::read_to_string("/proc/self/uid_map").unwrap();
    if map.trim_end().ends_with(" 1") {
        eprintln!("SKIPPED: {test}: the change of user, as this namespace knows only one");
    } else {
        assert_eq!(user, NOBODY);
    }
}

#[test]
fn one_worker_tells_the_story_where_there_is_no_user_but_root() {
    let test = "one_worker_tells_the_story_where_there_is_no_user_but_root";
    if !inside(test, ROOT_ONLY) {
        return;
    }
    veth();
    let folder = Folder::new(test);
    assert_eq!(the_story_is_told(&folder, "1"), 0);
}

#[test]
fn a_reload_refuses_what_is_invalid_and_takes_what_is_valid() {
    let test = "a_reload_refuses_what_is_invalid_and_takes_what_is_valid";
    if !inside(test, OWN_NETWORK) {
        return;
    }
    veth();
    let folder = Folder::new(test);
    let name = folder.write("city.toml", &city());
    let mut watch = Watch::start(&folder, &name, &["--workers", "2"]);
    let invalid = city().replace("[city]\nname", "[city]\nnam");
    folder.write("city.toml", &invalid);
    watch.signal(Signal::HUP);
    watch.says("not reloaded, the old files stay in force");
    send_story(&folder);
    let violations = |watch: &Watch| {
        let events = watch.events();
        let found = events.iter().filter(|e| e["event_type"] == "violation").count();
        (events.len(), found)
    };
    until("violations of the old city file", || violations(&watch).1 > 0);
    // Wait until all is written, then count what comes after the next reload.
    let mut before = (0, 0);
    until("the story's last event", || {
        std::thread::sleep(Duration::from_millis(1_500));
        let last = std::mem::replace(&mut before, violations(&watch));
        last == before
    });
    let (start, _) = city()
        .split_once("[[zone]]")
        .map(|(a, b)| (a.to_owned(), b.len()))
        .unwrap();
    let valid = start.replacen("name = \"", "name = \"New ", 1);
    folder.write("city.toml", &valid);
    watch.signal(Signal::HUP);
    watch.says("reloaded the city file, the configuration and the rules");
    send_story(&folder);
    until("more events", || violations(&watch).0 > before.0);
    watch.signal(Signal::TERM);
    let ended = watch.end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(
        ended.errors.contains("city.toml:"),
        "the place of the error: {}",
        ended.errors
    );
    assert_eq!(
        violations(&watch).1,
        before.1,
        "a city without zones forbids nothing"
    );
    assert!(ended.screen.contains("New "), "{}", ended.screen);
}

#[test]
fn a_second_interrupt_ends_at_once() {
    let test = "a_second_interrupt_ends_at_once";
    if !inside(test, OWN_NETWORK) {
        return;
    }
    veth();
    let folder = Folder::new(test);
    // Accepts connections and never answers: what is queued for it delays the end of the run.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hook = format!("[webhook]\nurl = \"http://{}\"\n", silent.local_addr().unwrap());
    let config = folder.write("config.toml", &hook);
    let mut watch = Watch::start(
        &folder,
        story("city.toml").to_str().unwrap(),
        &["--config", &config],
    );
    send_story(&folder);
    until("an incident", || {
        watch.events().iter().any(|e| e["event_type"] == "incident")
    });
    watch.signal(Signal::INT);
    std::thread::sleep(Duration::from_millis(800));
    assert!(watch.runs(), "it sends what is queued, for a bounded time");
    watch.signal(Signal::INT);
    let asked = Instant::now();
    assert_eq!(watch.end().code, Some(130));
    assert!(asked.elapsed() < Duration::from_secs(2));
}

#[test]
fn an_interface_that_goes_away_ends_the_run_with_its_reason() {
    let test = "an_interface_that_goes_away_ends_the_run_with_its_reason";
    if !inside(test, OWN_NETWORK) {
        return;
    }
    veth();
    let folder = Folder::new(test);
    let mut watch = Watch::start(&folder, story("city.toml").to_str().unwrap(), &["--workers", "2"]);
    send_story(&folder);
    run("ip", "link del veth0");
    let ended = watch.end();
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.errors.contains("citywall: interface veth1: it is gone"),
        "{}",
        ended.errors
    );
    // What was seen before is told all the same.
    assert!(ended.screen.contains("INCIDENT"), "{}", ended.screen);
    assert!(watch.out.join("summary.json").exists());
}

#[test]
fn what_cannot_be_started_is_refused_with_the_fix() {
    let test = "what_cannot_be_started_is_refused_with_the_fix";
    if !inside(test, OWN_NETWORK) {
        return;
    }
    veth();
    let folder = Folder::new(test);
    let program = env!("CARGO_BIN_EXE_citywall");
    let refused = |command: &mut Command| {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let mut without_rights = Command::new("setpriv");
    without_rights.args(["--bounding-set", "-all", "--inh-caps", "-all", program]);
    let told = refused(without_rights.args(["watch", "--interface", "veth1"]));
    assert!(told.contains("CAP_NET_RAW") && told.contains("setcap"), "{told}");
    let told = refused(Command::new(program).args(["watch", "--interface", "veth7"]));
    assert!(told.contains("no such interface; there are: lo, "), "{told}");
    run("ip", "link set veth1 down");
    let told = refused(Command::new(program).args(["watch", "--interface", "veth1"]));
    assert!(told.contains("ip link set veth1 up"), "{told}");
    run("ip", "link set veth1 up");
    // A directory that holds other files is not handed to another user.
    let file = folder.write("holiday.jpg", "");
    let told = refused(Command::new(program).args(["watch", "--interface", "veth1", "--out", &file]));
    assert!(told.contains("holiday.jpg"), "{told}");
    let map = fs::read_to_string("/proc/self/uid_map").unwrap();
    if map.trim_end().ends_with(" 1") {
        eprintln!("SKIPPED: {test}: the hand-over of directories, as this namespace knows only one user");
        return;
    }
    let owner = fs::metadata(&folder.0).unwrap().uid();
    let told = refused(
        Command::new(program)
            .args(["watch", "--interface", "veth1", "--out"])
            .arg(&folder.0),
    );
    assert!(told.contains("it holds 'holiday.jpg'"), "{told}");
    assert_eq!(fs::metadata(&folder.0).unwrap().uid(), owner);
    // One that the user cannot reach is told at the start, not when the log is first rotated.
    fs::set_permissions(&folder.0, PermissionsExt::from_mode(0o700)).unwrap();
    let out = folder.path("out");
    let told = refused(Command::new(program).args(["watch", "--interface", "veth1", "--out", &out]));
    assert!(told.contains("as user 65534: choose another directory"), "{told}");
}

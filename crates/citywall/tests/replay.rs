//! Replays with the real binary: determinism, bad input, exit codes, files.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use citywall_capture::PcapWriter;
use citywall_packet::LinkType;

fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("citywall-replay-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn citywall(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_citywall"))
        .args(arguments)
        .output()
        .unwrap()
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn story() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("story/story.pcap.gz")
}

fn summary(directory: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(directory.join("summary.json")).unwrap()).unwrap()
}

/// Every capture of the corpus, and the story.
fn captures() -> Vec<PathBuf> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus");
    let mut found = vec![story()];
    for area in fs::read_dir(corpus).into_iter().flatten().flatten() {
        for case in fs::read_dir(area.path()).into_iter().flatten().flatten() {
            let input = case.path().join("input.pcap");
            if input.exists() {
                found.push(input);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn any_number_of_workers_gives_the_same_bytes() {
    let directory = scratch("workers");
    for capture in captures() {
        let mut seen: Option<Vec<u8>> = None;
        for workers in ["1", "2", "4", "7"] {
            let out = directory.join(workers);
            let output = citywall(&[
                "watch",
                "--pcap",
                capture.to_str().unwrap(),
                "--out",
                out.to_str().unwrap(),
                "--workers",
                workers,
                "--json",
            ]);
            assert_eq!(
                code(&output),
                Some(0),
                "{}: {}",
                capture.display(),
                text(&output.stderr)
            );
            assert_eq!(summary(&out)["nothing_was_shed"], true, "{}", capture.display());
            let events = fs::read(out.join("eve.json")).unwrap();
            assert!(!events.is_empty(), "{} gave no events", capture.display());
            match &seen {
                None => seen = Some(events),
                Some(first) => assert!(*first == events, "{} with {workers} workers", capture.display()),
            }
        }
    }
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn every_line_is_json_with_a_unique_id_and_times_never_go_backward_in_order() {
    let directory = scratch("lines");
    let output = citywall(&["watch", "--out", directory.to_str().unwrap()]);
    assert_eq!(code(&output), Some(0), "{}", text(&output.stderr));
    let mut ids = std::collections::HashSet::new();
    let mut types = std::collections::BTreeMap::<String, u64>::new();
    for line in fs::read_to_string(directory.join("eve.json")).unwrap().lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let id = event["id"].as_str().expect("id").to_owned();
        assert!(ids.insert(id), "an id stands twice: {line}");
        *types
            .entry(event["event_type"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    let counted: std::collections::BTreeMap<String, u64> =
        serde_json::from_value(summary(&directory)["events"].clone()).unwrap();
    assert_eq!(types, counted, "summary.json counts what was written");
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn an_empty_file_is_a_capture_without_packets() {
    let directory = scratch("empty");
    let empty = directory.join("empty.pcap");
    fs::write(&empty, b"").unwrap();
    let out = directory.join("out");
    let output = citywall(&[
        "watch",
        "--pcap",
        empty.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ]);
    assert_eq!(code(&output), Some(0), "{}", text(&output.stderr));
    assert_eq!(summary(&out)["packets"], 0);
    assert_eq!(fs::read(out.join("eve.json")).unwrap(), b"");
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_file_cut_anywhere_is_told_with_its_place_and_the_rest_is_processed() {
    let directory = scratch("cut");
    let plain = directory.join("plain.pcap");
    let decompressed = Command::new("gzip")
        .args(["-dc", story().to_str().unwrap()])
        .output()
        .unwrap()
        .stdout;
    for cut in [30, 1_000, decompressed.len() / 2, decompressed.len() - 1] {
        fs::write(&plain, &decompressed[..cut]).unwrap();
        let output = citywall(&["watch", "--pcap", plain.to_str().unwrap(), "--json"]);
        assert_eq!(code(&output), Some(3), "cut at {cut}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains("plain.pcap") && text(&output.stderr).contains("at byte"));
        serde_json::from_slice::<serde_json::Value>(&output.stdout)
            .expect("the summary is printed all the same");
    }
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn standard_input_is_a_capture_too() {
    let bytes = fs::read(story()).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_citywall"))
        .args(["watch", "--pcap", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), Some(0));
    let counted: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(counted["packets"].as_u64().unwrap() > 1_000);
}

#[test]
fn a_pipe_that_gives_nothing_more_hears_the_end() {
    for workers in ["1", "2"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_citywall"))
            .args(["watch", "--pcap", "-", "--json", "--workers", workers])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let bytes = fs::read(story()).unwrap();
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(&bytes).unwrap();
        // All that is there was taken, and then it waits: the pipe is empty.
        let waits = format!("/proc/{}/wchan", child.id());
        std::thread::sleep(Duration::from_millis(500));
        assert!(Path::new(&waits).exists(), "it is over before it was asked to");
        let id = child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &id])
                .status()
                .unwrap()
                .success()
        );
        let end = Instant::now() + Duration::from_secs(20);
        while child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "it waits for the pipe for ever");
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(pipe);
        let output = child.wait_with_output().unwrap();
        let counted: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(counted["packets"].as_u64().unwrap() > 1_000, "{counted}");
        assert_eq!(counted["interrupted"], true);
    }
}

/// A capture in which each of these clients has a conversation with one server and sends this.
fn requests(path: &Path, clients: u16, request: &[u8]) {
    let mut writer = PcapWriter::new(Vec::new(), LinkType::RAW).unwrap();
    let mut frame = |client: u16, to_server: bool, flags: u8, seq: u32, ack: u32, data: &[u8]| {
        let [high, low] = client.to_be_bytes();
        let mut ends = [([10, 1, high, low], 40_000u16), ([10, 2, 0, 1], 80)];
        if !to_server {
            ends.reverse();
        }
        let [(src, src_port), (dst, dst_port)] = ends;
        let total = (40 + data.len()) as u16;
        let [total_high, total_low] = total.to_be_bytes();
        let mut bytes = vec![0x45, 0, total_high, total_low, 0, 1, 0x40, 0, 64, 6, 0, 0];
        bytes.extend([src, dst].concat());
        bytes.extend([src_port.to_be_bytes(), dst_port.to_be_bytes()].concat());
        bytes.extend([seq.to_be_bytes(), ack.to_be_bytes()].concat());
        bytes.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        bytes.extend_from_slice(data);
        writer.write(0, bytes.len() as u32, &bytes).unwrap();
    };
    for client in 0..clients {
        frame(client, true, 2, 0, 0, b"");
        frame(client, false, 0x12, 0, 1, b"");
        for (place, piece) in (0..).zip(request.chunks(60_000)) {
            frame(client, true, 0x10, 1 + place * 60_000, 1, piece);
        }
    }
    fs::write(path, writer.finish().unwrap()).unwrap();
}

#[test]
fn what_many_conversations_hold_together_is_bounded() {
    let directory = scratch("sessions");
    let (capture, config) = (directory.join("heads.pcap"), directory.join("c.toml"));
    let head = [b"GET / HTTP/1.1\r\nX: ".as_slice(), &[b'a'; 10_000]].concat();
    requests(&capture, 200, &head);
    fs::write(&config, "[limits]\nsession_memory = \"256K\"\n").unwrap();
    for (config, shed) in [(Some(&config), true), (None, false)] {
        let out = directory.join(if shed { "small" } else { "large" });
        let mut arguments = vec![
            "watch",
            "--pcap",
            capture.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
        ];
        if let Some(config) = config {
            arguments.extend(["--config", config.to_str().unwrap()]);
        }
        assert_eq!(code(&citywall(&arguments)), Some(0));
        let told = summary(&out);
        let sessions = told["evictions"]["sessions"].as_u64().unwrap();
        assert_eq!(sessions > 100, shed, "{told}");
        assert_eq!(told["nothing_was_shed"], !shed, "{told}");
    }
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn what_the_alerts_of_one_packet_take_is_bounded() {
    let directory = scratch("alerts");
    let (capture, rules, out) = (
        directory.join("requests.pcap"),
        directory.join("r.rules"),
        directory.join("out"),
    );
    requests(&capture, 1, &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(4_000));
    let rule = |sid: u32| {
        let msg = "x".repeat(30_000);
        format!("alert http any any -> any any (msg:\"{msg}\"; content:\"GET\"; http_method; sid:{sid};)\n")
    };
    fs::write(&rules, (1..=4).map(rule).collect::<String>()).unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let output = citywall(&[
        "watch",
        "--pcap",
        &path(&capture),
        "--rules",
        &path(&rules),
        "--out",
        &path(&out),
        "--json",
    ]);
    assert_eq!(code(&output), Some(0), "{}", text(&output.stderr));
    let told = summary(&out);
    assert!(told["evictions"]["alerts"].as_u64().unwrap() > 1_000, "{told}");
    assert!(told["events"]["alert"].as_u64().unwrap() > 1_000, "{told}");
    assert_eq!(told["events"]["http"], 4_000, "{told}");
    for line in fs::read_to_string(out.join("eve.json")).unwrap().lines() {
        assert!(
            serde_json::from_str::<serde_json::Value>(line).is_ok(),
            "a line is cut"
        );
    }
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn garbage_and_missing_files_are_clear_errors() {
    let directory = scratch("garbage");
    let garbage = directory.join("garbage.pcap");
    fs::write(&garbage, b"this is no capture at all, but a text of some length").unwrap();
    let output = citywall(&["watch", "--pcap", garbage.to_str().unwrap()]);
    assert_eq!(code(&output), Some(1));
    assert!(
        text(&output.stderr).contains("garbage.pcap"),
        "{}",
        text(&output.stderr)
    );
    let output = citywall(&["watch", "--pcap", "no-such-file.pcap"]);
    assert_eq!(code(&output), Some(1));
    assert!(text(&output.stderr).contains("no-such-file.pcap"));
    let city = directory.join("city.toml");
    fs::write(&city, "[city]\nname = \"x\"\n[[zone]]\nnam = \"y\"\n").unwrap();
    let output = citywall(&["check", "--city", city.to_str().unwrap()]);
    assert_eq!(code(&output), Some(2));
    let told = text(&output.stderr);
    assert!(told.contains("city.toml:4:1") && told.contains("name"), "{told}");
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_full_disk_is_told_and_the_exit_code_says_so() {
    let directory = scratch("full");
    // A tmpfs of its own would need rights; a file-size limit makes the kernel refuse likewise.
    let script = format!(
        "trap '' XFSZ; ulimit -f 64; exec {} watch --out {} --json",
        env!("CARGO_BIN_EXE_citywall"),
        directory.display()
    );
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(code(&output), Some(1), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("counted but not written"),
        "{}",
        text(&output.stderr)
    );
    let counted: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(counted["drops"]["events_not_written"].as_u64().unwrap() > 0);
    assert!(counted["packets"].as_u64().unwrap() > 1_000, "counting went on");
    fs::remove_dir_all(directory).unwrap();
}

/// Whoever reads a stranger's capture starts no program and opens no connection: the kernel holds it.
#[test]
fn commands_that_read_captures_are_confined() {
    let own = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if !own.contains("\nSeccomp:") {
        eprintln!("SKIPPED: this kernel does not say whether a process is under seccomp");
        return;
    }
    for arguments in [
        &["commands", "--pcap", "-"][..],
        &["policy", "learn", "--pcap", "-"],
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_citywall"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It waits for the capture; by then it is confined.
        let status = format!("/proc/{}/status", child.id());
        let end = Instant::now() + Duration::from_secs(20);
        while !fs::read_to_string(&status).unwrap().contains("\nSeccomp:\t2") {
            assert!(Instant::now() < end, "{arguments:?} reads unconfined");
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}

#[test]
fn whoever_stops_reading_is_no_fault_and_a_full_disk_is() {
    let city = Path::new(env!("CARGO_MANIFEST_DIR")).join("story/city.toml");
    let city = city.to_str().unwrap();
    for arguments in [
        &["check", "--city", city][..],
        &["policy", "show", "--city", city],
        &["doctor"],
        &["watch"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_citywall"));
        command.args(arguments).stderr(Stdio::piped());
        let mut gone = command.stdout(Stdio::piped()).spawn().unwrap();
        drop(gone.stdout.take());
        let output = gone.wait_with_output().unwrap();
        let told = text(&output.stderr);
        assert!(!told.contains("panicked"), "{arguments:?}: {told}");
        if ["check", "watch"].contains(&arguments[0]) {
            assert_eq!(code(&output), Some(0), "{told}");
            let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
            let output = command.stdout(full).output().unwrap();
            assert_eq!(code(&output), Some(1));
            let told = text(&output.stderr);
            assert!(told.contains("No space left"), "{told}");
        }
    }
}

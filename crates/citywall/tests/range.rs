//! The range with the real binary: a few scenarios, each three ways, in namespaces.
//!
//! All scenarios: `citywall range run --all`. Here only what takes little time.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Runs `citywall range run`; `None` where no city can be built here.
fn run(test: &str, arguments: &[&str]) -> Option<(Value, String)> {
    if let Some(why) = citywall_range::why_closed() {
        eprintln!("SKIPPED: {test}: {why}");
        return None;
    }
    let output = Command::new(env!("CARGO_BIN_EXE_citywall"))
        .args(["range", "run", "--json"])
        .args(arguments)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {errors}"));
    let expected = if report["scenarios"]
        .as_array()
        .unwrap()
        .iter()
        .all(|s| s["passed"] == true)
    {
        0
    } else {
        1
    };
    assert_eq!(output.status.code(), Some(expected), "{errors}");
    Some((report, errors))
}

#[test]
fn scenarios_pass_three_ways() {
    let test = "scenarios_pass_three_ways";
    let names = ["signal-write", "pump-write", "policy-holds"];
    let Some((report, errors)) = run(test, &names) else {
        return;
    };
    let scenarios = report["scenarios"].as_array().unwrap();
    assert_eq!(scenarios.len(), names.len());
    for scenario in scenarios {
        assert_eq!(scenario["passed"], true, "{scenario:#}\n{errors}");
        assert_eq!(scenario["spared"], true, "{scenario:#}");
        assert!(scenario["detected_ms"].as_u64().is_some(), "{scenario:#}");
        assert_eq!(scenario["safety"][1], 0, "{scenario:#}");
    }
    let acted = |name: &str| {
        let found = scenarios.iter().find(|s| s["name"] == name).unwrap();
        !found["acted"].as_array().unwrap().is_empty() && found["undone_ms"].as_u64().is_some()
    };
    assert!(acted("signal-write") && acted("pump-write"), "{report:#}");
}

#[test]
fn nothing_is_left_behind_even_where_it_is_killed() {
    let test = "nothing_is_left_behind_even_where_it_is_killed";
    if let Some(why) = citywall_range::why_closed() {
        eprintln!("SKIPPED: {test}: {why}");
        return;
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_citywall"))
        .args(["range", "run", "signal-write", "--only", "off"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Each of its processes is told a file below a folder of this name.
    let mine = format!("citywall-range-{}", child.id());
    let alive = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let lines = processes.filter_map(|p| std::fs::read(p.path().join("cmdline")).ok());
        lines
            .filter(|line| String::from_utf8_lossy(line).contains(&mine))
            .count()
    };
    let until = |what: &str, holds: &dyn Fn() -> bool| {
        let end = Instant::now() + Duration::from_secs(30);
        while !holds() {
            assert!(Instant::now() < end, "waited in vain: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    until("a city", &|| alive() > 20);
    child.kill().unwrap();
    child.wait().unwrap();
    until("the end of all processes", &|| alive() == 0);
    let _ = std::fs::remove_dir_all(std::env::temp_dir().join(mine));
}

#[test]
fn an_unknown_scenario_is_a_wrong_usage_with_a_hint() {
    let output = Command::new(env!("CARGO_BIN_EXE_citywall"))
        .args(["range", "run", "pump-wrote"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("did you mean \"pump-write\""), "{errors}");
}

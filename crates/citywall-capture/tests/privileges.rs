//! Giving up rights, in processes of the test's own.

use std::process::Command;

use citywall_capture::{Interface, LiveOptions, RunAs, drop_privileges, keep_net_admin};
use expect_test::expect;

/// Says which test runs in a process that may lose its rights.
const INSIDE: &str = "CITYWALL_TEST_WITHOUT_RIGHTS";

fn status(names: &[&str]) -> String {
    let text = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let wanted = text
        .lines()
        .filter(|line| names.iter().any(|name| line.starts_with(name)));
    wanted
        .map(|line| format!("{}\n", line.replace('\t', " ")))
        .collect()
}

fn is_root() -> bool {
    status(&["Uid:"]).starts_with("Uid: 0 ") && !status(&["CapBnd:"]).contains(" 0000000000000000")
}

/// True in a process of its own, which this starts where needed.
fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some_and(|name| name == test) {
        return true;
    }
    let program = std::env::current_exe().expect("the test's own path");
    let output = Command::new(program)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, test)
        .output()
        .expect("the test starts itself");
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    told.lines()
        .filter(|line| line.starts_with("SKIPPED"))
        .for_each(|line| eprintln!("{line}"));
    false
}

#[test]
fn root_becomes_nobody_without_rights() {
    if !inside("root_becomes_nobody_without_rights") {
        return;
    }
    if !is_root() {
        eprintln!("SKIPPED: root_becomes_nobody_without_rights: not root");
        return;
    }
    let before = Interface::open("lo", LiveOptions::default())
        .map(drop)
        .map_err(|error| error.to_string());
    match drop_privileges(RunAs::NOBODY) {
        Ok(dropped) => assert_eq!(
            (dropped.uid, dropped.gid, dropped.user_changed),
            (65534, 65534, true)
        ),
        Err(error) if error.error.raw_os_error() == Some(libc::EINVAL) => {
            eprintln!("SKIPPED: root_becomes_nobody_without_rights: no user 65534 in this namespace");
            return;
        }
        Err(error) => panic!("{error}"),
    }
    expect![[r#"
        Uid: 65534 65534 65534 65534
        Gid: 65534 65534 65534 65534
        Groups:  
        CapInh: 0000000000000000
        CapPrm: 0000000000000000
        CapEff: 0000000000000000
        CapBnd: 0000000000000000
        CapAmb: 0000000000000000
        NoNewPrivs: 1
    "#]]
    .assert_eq(&status(&["Uid:", "Gid:", "Groups:", "Cap", "NoNewPrivs:"]));
    // What was possible before is not any more.
    let refused = Interface::open("lo", LiveOptions::default())
        .err()
        .map(|error| error.to_string());
    if before.is_ok() {
        expect![[r#"interface lo: opening a packet socket is not permitted. It needs the capability CAP_NET_RAW: run as root, or give it to the program once with "sudo setcap cap_net_raw+ep /path/to/citywall""#]]
            .assert_eq(&refused.unwrap_or_default());
    }
    // A thread that is started now has nothing either.
    let thread = std::thread::spawn(|| status(&["CapEff:", "Uid:"]))
        .join()
        .expect("a thread");
    assert_eq!(thread, status(&["CapEff:", "Uid:"]));
}

#[test]
fn any_user_can_give_up_capabilities() {
    if !inside("any_user_can_give_up_capabilities") {
        return;
    }
    let user = status(&["Uid:", "Gid:"]);
    let dropped = drop_privileges(RunAs::Same).unwrap_or_else(|error| panic!("{error}"));
    assert!(!dropped.user_changed);
    assert_eq!(status(&["Uid:", "Gid:"]), user);
    expect![[r#"
        CapInh: 0000000000000000
        CapPrm: 0000000000000000
        CapEff: 0000000000000000
        CapAmb: 0000000000000000
        NoNewPrivs: 1
    "#]]
    .assert_eq(&status(&["CapInh", "CapPrm", "CapEff", "CapAmb", "NoNewPrivs:"]));
    // Twice is as good as once.
    assert_eq!(drop_privileges(RunAs::Same).ok(), Some(dropped));
}

#[test]
fn one_right_is_kept_and_handed_on() {
    if !inside("one_right_is_kept_and_handed_on") {
        return;
    }
    if !is_root() {
        eprintln!("SKIPPED: one_right_is_kept_and_handed_on: not root");
        return;
    }
    match keep_net_admin(RunAs::NOBODY) {
        Ok(dropped) => assert!(dropped.user_changed),
        Err(error) if error.error.raw_os_error() == Some(libc::EINVAL) => {
            eprintln!("SKIPPED: one_right_is_kept_and_handed_on: no user 65534 in this namespace");
            return;
        }
        Err(error) => panic!("{error}"),
    }
    let names = [
        "Uid:",
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs:",
    ];
    let expected = expect![[r#"
        Uid: 65534 65534 65534 65534
        CapInh: 0000000000001000
        CapPrm: 0000000000001000
        CapEff: 0000000000001000
        CapBnd: 0000000000001000
        CapAmb: 0000000000001000
        NoNewPrivs: 1
    "#]];
    expected.assert_eq(&status(&names));
    // A program that is started has the same one right.
    let output = Command::new("cat")
        .arg("/proc/self/status")
        .output()
        .expect("cat");
    let text = String::from_utf8_lossy(&output.stdout).replace('\t', " ");
    let told: String = text
        .lines()
        .filter(|line| names.iter().any(|name| line.starts_with(name)))
        .map(|line| format!("{line}\n"))
        .collect();
    expected.assert_eq(&told);
}

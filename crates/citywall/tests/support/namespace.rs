//! Tests that run in namespaces of their own.
//!
//! Owns: trying whether they can be made, starting the test once more inside, passing on how it went. Does
//! not own: what the test builds there.

use std::process::Command;

/// Names the test that runs inside.
const INSIDE: &str = "CITYWALL_TEST_IN_NAMESPACE";

/// True inside the namespaces (`unshare`'s flags), where the test is to do its work. Outside it starts the
/// test there if the shell's `probe` works inside, and else says that it is skipped for what it `lacks`.
pub fn inside_of(namespaces: &str, probe: &str, test: &str, lacks: &str) -> bool {
    if std::env::var_os(INSIDE).is_some_and(|name| name == test) {
        return true;
    }
    let works = Command::new("unshare")
        .args([namespaces, "sh", "-c", probe])
        .output()
        .is_ok_and(|output| output.status.success());
    if !works {
        eprintln!("SKIPPED: {test}: {lacks}");
        return false;
    }
    let output = Command::new("unshare")
        .args([namespaces, "--kill-child"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, test)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("1 passed"), "{told}");
    false
}

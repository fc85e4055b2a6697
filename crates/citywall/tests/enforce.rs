//! `citywall enforce` with the real binary and the real kernel, in namespaces of each test's own.

#[path = "support/namespace.rs"]
mod namespace;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use namespace::inside_of;

/// True in the namespaces, where the test is to do its work.
fn inside(test: &str) -> bool {
    let lacks = "no user and network namespaces, or no nft in them";
    inside_of("-Urnm", "nft list ruleset", test, lacks)
}

/// A folder with a city and a state, removed at the end.
struct Place(PathBuf);

impl Place {
    fn new(test: &str) -> Place {
        let path = std::env::temp_dir().join(format!("citywall-enforce-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        let place = Place(path);
        place.city("tcp/80");
        place
    }

    fn city(&self, allow: &str) {
        let text = format!(
            "[city]\nname = \"C\"\n[[domain]]\nname = \"d\"\n\
             [[zone]]\nname = \"a\"\ndomain = \"d\"\nnetworks = [\"10.1.0.0/24\"]\n\
             [[zone]]\nname = \"b\"\ndomain = \"d\"\nnetworks = [\"10.2.0.0/24\"]\nwhen_down = \"closed\"\n\
             [[conduit]]\nfrom = \"a\"\nto = \"b\"\nallow = [\"{allow}\"]\n"
        );
        fs::write(self.0.join("city.toml"), text).unwrap();
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_citywall"));
        command
            .arg("enforce")
            .args(arguments.split_whitespace())
            // As a person names it: the watchdog, which works elsewhere, has to find it.
            .args(["--state", "state"])
            .current_dir(&self.0)
            .stdin(Stdio::null());
        if arguments.contains("--apply") || arguments.contains("--dry-run") {
            command.arg("--city").arg(self.0.join("city.toml"));
        }
        command
    }

    fn try_run(&self, arguments: &str) -> Output {
        self.command(arguments).output().unwrap()
    }

    #[track_caller]
    fn run(&self, arguments: &str) -> String {
        let output = self.try_run(arguments);
        let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments}: {told}");
        told.into_owned()
    }

    #[track_caller]
    fn refused(&self, arguments: &str, code: i32, because: &str) {
        let output = self.try_run(arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.contains(because), "{told}");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn nft(arguments: &str) -> String {
    let output = Command::new("nft").args(arguments.split(' ')).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn ruleset() -> String {
    nft("-s list ruleset")
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_apply_is_planned_confirmed_and_taken_back() {
    if !inside("an_apply_is_planned_confirmed_and_taken_back") {
        return;
    }
    let place = Place::new("confirm");
    nft("add table inet foreign");
    let empty = ruleset();
    let planned = place.run("--dry-run");
    assert!(
        planned.contains("+ inet chain conduit_0") && planned.contains("tcp dport 80 accept"),
        "{planned}"
    );
    assert_eq!(ruleset(), empty, "a dry run changes nothing");
    assert!(place.run("--apply --within 60s").contains("--confirm"));
    assert!(place.run("--dry-run").starts_with("nothing would change"));
    place.refused("--apply", 1, "waits for its confirmation");
    place.run("--confirm");
    place.refused("--confirm", 1, "no apply waits");
    assert!(place.run("--apply").contains("already"));
    let first = ruleset();
    // A second policy, and back to the first, exactly.
    place.city("udp/161");
    let planned = place.run("--dry-run");
    assert!(
        planned.contains("-     tcp dport 80 accept\n+     udp dport 161 accept"),
        "{planned}"
    );
    let json: serde_json::Value = serde_json::from_str(&place.run("--dry-run --json")).unwrap();
    assert_eq!(json["changes"][0]["place"], "inet chain conduit_0");
    place.run("--apply --within 60s");
    assert_ne!(ruleset(), first);
    place.run("--rollback");
    assert_eq!(ruleset(), first);
    assert!(
        place.run("--rollback").contains("nothing to go back to"),
        "once more changes nothing"
    );
    assert_eq!(ruleset(), first);
    // At the next start the confirmed one is loaded, and only where there is none.
    assert!(place.run("--boot").contains("there is a wall already"));
    nft("delete table inet citywall");
    assert!(place.run("--boot").contains("is in force"));
    assert_eq!(ruleset(), first);
    place.refused("--dry-run --routed no/such", 2, "is no name of an interface");
    place.refused("", 2, "say what to do");
    assert!(
        first.contains("table inet foreign"),
        "what is not ours was touched"
    );
}

/// Whoever applied is dead, and did not confirm.
#[test]
fn what_was_before_comes_back_by_itself() {
    if !inside("what_was_before_comes_back_by_itself") {
        return;
    }
    let place = Place::new("back");
    let empty = ruleset();
    // From a shell that is killed right after, with all of its group.
    let mut shell = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "{} & sleep 60",
            shell_words(&place.command("--apply --within 4s"))
        ))
        .current_dir(&place.0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        // What outlives the shell does not keep whoever reads this test's words waiting.
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("the apply", || ruleset().contains("table inet citywall"));
    shell.kill().unwrap();
    shell.wait().unwrap();
    until("the way back", || ruleset() == empty);
    // It is confirmed: nothing comes back.
    until("the watchdog's end", || !place.0.join("state/pending").exists());
    place.run("--apply --within 2s");
    place.run("--confirm");
    std::thread::sleep(Duration::from_millis(2500));
    assert!(ruleset().contains("table inet citywall"));
    place.run("--rollback");
    assert_eq!(ruleset(), empty);
    // A reboot before the confirmation is a refusal.
    place.run("--apply --within 60s");
    nft("delete table inet citywall");
    assert!(place.run("--boot").contains("no wall was ever confirmed"));
}

fn shell_words(command: &Command) -> String {
    let quote = |word: &std::ffi::OsStr| format!("'{}'", word.to_str().unwrap());
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(quote)
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn what_stands_in_the_way_is_named() {
    if !inside("what_stands_in_the_way_is_named") {
        return;
    }
    let place = Place::new("refused");
    place.refused("--confirm", 1, "no apply waits");
    assert!(place.run("--rollback").contains("nothing to go back to"));
    place.run("--apply --within 60s");
    place.run("--confirm");
    nft("insert rule inet citywall forward ip ttl 7 accept");
    place.city("tcp/81");
    place.refused("--apply", 1, "changed by somebody else");
    assert!(place.run("--dry-run").contains("<not ours:"));
    // Whoever is at work keeps others out.
    let lock = fs::File::open(place.0.join("state/lock")).unwrap();
    lock.lock().unwrap();
    place.refused("--rollback", 1, "another `citywall enforce` is at work");
    drop(lock);
    // Without rights.
    let output = Command::new("unshare")
        .args([
            "-U",
            env!("CARGO_BIN_EXE_citywall"),
            "enforce",
            "--dry-run",
            "--city",
        ])
        .arg(place.0.join("city.toml"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("CAP_NET_ADMIN"), "{told}");
    // Without nft.
    if let Some(nft) = ["/usr/sbin/nft"].into_iter().find(|p| Path::new(p).is_file()) {
        let hidden = place.0.join("empty");
        fs::create_dir(&hidden).unwrap();
        for folder in ["/usr/sbin", "/usr/bin", "/usr/local/sbin"] {
            if Path::new(folder).join("nft").exists() {
                let status = Command::new("mount")
                    .args(["--bind", hidden.to_str().unwrap(), folder])
                    .status();
                assert!(status.unwrap().success(), "{nft}");
            }
        }
        place.refused("--dry-run", 1, "install the package nftables");
    }
}

//! The console in a real browser: starts the walk of `browser/walk.mjs` where what it needs is here.
//!
//! `./test` installs that: Node, a Chromium, and the two packages that `browser/package-lock.json` pins. Pictures
//! of each page are left in the target folder, for a person to look at.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The first of these programs that is on the path.
fn find(programs: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    programs
        .iter()
        .flat_map(|program| folders.iter().map(move |folder| folder.join(program)))
        .find(|file| file.is_file())
}

#[test]
fn a_walk_through_the_console_in_a_browser() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("tests/browser");
    let browser = find(&["chromium", "chromium-browser", "google-chrome"]);
    let packages = folder.join("node_modules/playwright-core").is_dir();
    let (Some(node), Some(browser), true) = (find(&["node"]), browser, packages) else {
        eprintln!(
            "SKIPPED: the console in a browser: needs node, a Chromium, and `npm ci` in {}",
            folder.display()
        );
        return;
    };
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("console");
    std::fs::create_dir_all(&shots).expect("a folder for pictures");
    let output = Command::new(node)
        .arg(folder.join("walk.mjs"))
        .env("BINARY", env!("CARGO_BIN_EXE_citywall"))
        .env("BROWSER", browser)
        .env("SHOTS", &shots)
        .env("CITY", root.join("story/city.toml"))
        .env(
            "MILD",
            root.join("../../corpus/behaviour/horizontal-scan/input.pcap"),
        )
        .output()
        .expect("node starts");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("the walk is done"), "{said}");
    assert!(shots.join("phone-.png").is_file());
    // Told where the test passes, too: `.config/nextest.toml` shows it.
    let figures: Vec<&str> = said
        .lines()
        .filter_map(|line| line.strip_prefix("FIGURE "))
        .collect();
    assert!(figures.len() >= 2, "{said}");
    for figure in figures {
        eprintln!("{figure}");
    }
}

//! `docs/walk.md` with the real binary and the real kernel: what stands there is what is printed.
//!
//! `CITYWALL_BLESS=1` writes what is printed into the document; read it before it is committed.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::rig::{Enforcer, PROGRAM, inside, until};

/// Processes that the walk leaves at work.
struct Left(Vec<Child>);

impl Drop for Left {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = rustix::process::kill_process(
                rustix::process::Pid::from_child(child),
                rustix::process::Signal::TERM,
            );
            let _ = child.wait();
        }
    }
}

/// What a line of the shell prints, both outputs in the order in which it does.
fn printed(folder: &Path, line: &str, left: &mut Left) -> String {
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let shell = |script: String| {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script).current_dir(folder).env("PATH", &path);
        shell.stdin(Stdio::null()).process_group(0);
        shell
    };
    if let Some(line) = line.strip_suffix('&') {
        left.0.push(shell(format!("exec {line}")).spawn().unwrap());
        until("an enforcer that serves", || {
            let status = shell("citywall actions status --socket control.sock".into()).output();
            status.unwrap().status.success()
        });
        return String::new();
    }
    let output = shell(format!("( {line} ) 2>&1")).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_walk_is_as_it_stands_in_the_documentation() {
    if !inside("walk::the_walk_is_as_it_stands_in_the_documentation") {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let document = root.join("docs/walk.md");
    let text = fs::read_to_string(&document).unwrap();
    if std::env::var_os("CITYWALL_BLESS").is_some() {
        fs::write(&document, walked(&root, &text)).unwrap();
        return;
    }
    // Which notices reach the enforcer in one round is chance, and numbers the actions: the most usual way
    // is written down.
    let mut told = walked(&root, &text);
    for _ in 0..9 {
        if told == text {
            return;
        }
        told = walked(&root, &text);
    }
    assert_eq!(told, text, "CITYWALL_BLESS=1 writes down what is printed now");
}

/// The document, with what is printed now.
fn walked(root: &Path, text: &str) -> String {
    let folder = Enforcer::folder("walk");
    symlink(PROGRAM, folder.join("citywall")).unwrap();
    symlink(root.join("crates").canonicalize().unwrap(), folder.join("crates")).unwrap();
    let mut left = Left(Vec::new());
    let (mut told, mut inside, mut commands) = (String::new(), false, 0);
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if inside && !line.starts_with("$ ") {
            // What was printed when it was written down.
            continue;
        }
        told.push_str(line);
        told.push('\n');
        if let (true, Some(command)) = (inside, line.strip_prefix("$ ")) {
            told.push_str(&printed(&folder, command, &mut left));
            commands += 1;
        }
    }
    drop(left);
    fs::remove_dir_all(&folder).unwrap();
    assert!(commands >= 8, "the walk was found");
    told
}

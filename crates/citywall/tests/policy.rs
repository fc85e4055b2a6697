//! `citywall policy accept`: what people signed replaces the city file that it was made from, and nothing else does.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use citywall_console::{Backer, PolicyProposal, digest};
use citywall_trust::{Purpose, Signed, SigningKey, files};
use serde_json::Value;

/// A folder with a city file, the console's key and a keyring that believes it.
struct Place {
    folder: PathBuf,
    key: SigningKey,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

const CITY: &str = include_str!("../story/city.toml");

impl Place {
    fn new(name: &str) -> Place {
        let folder = std::env::temp_dir().join(format!("citywall-accept-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let place = Place {
            key: files::new_key(&folder.join("policy.key")).unwrap(),
            folder,
        };
        std::fs::write(place.path("city.toml"), CITY).unwrap();
        std::fs::set_permissions(place.path("city.toml"), PermissionsExt::from_mode(0o640)).unwrap();
        // As the page says how.
        let shown = Command::new(env!("CARGO_BIN_EXE_citywall"))
            .args(["keys", "show", "policy.key", "--name", "console"])
            .args([
                "--principal",
                "Citywall console",
                "--purpose",
                Purpose::PolicyProposal.name(),
            ])
            .current_dir(&place.folder)
            .output()
            .unwrap();
        let ring = format!("version = 1\n{}", String::from_utf8_lossy(&shown.stdout));
        std::fs::write(place.path("keyring.toml"), ring).unwrap();
        std::fs::set_permissions(place.path("keyring.toml"), PermissionsExt::from_mode(0o644)).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn sign(&self, base: Option<&str>, toml: &str, people: &[&str], serial: u64) {
        let proposal = PolicyProposal {
            city: "Eastmere".into(),
            toml: toml.into(),
            base: base.map(digest),
            people: people
                .iter()
                .map(|name| Backer {
                    name: (*name).into(),
                    why: "works on Mondays".into(),
                    at: 1_795_362_439,
                })
                .collect(),
        };
        let signed = Signed::sign(&proposal, serial, 1_795_362_439_000_000_000, None, &self.key).unwrap();
        std::fs::write(self.path("p.signed"), signed.to_json()).unwrap();
    }

    /// Exit code, and what it says.
    fn accept(&self, more: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_citywall"))
            .args([
                "policy",
                "accept",
                "p.signed",
                "--city",
                "city.toml",
                "--key-ring",
                "keyring.toml",
            ])
            .args(more)
            .current_dir(&self.folder)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code().unwrap_or(-1),
            String::from_utf8_lossy(&said).into_owned(),
        )
    }

    fn city(&self) -> String {
        std::fs::read_to_string(self.path("city.toml")).unwrap()
    }
}

fn with(conduit: (&str, &str, u16)) -> String {
    let (from, to, port) = conduit;
    format!("{CITY}\n[[conduit]]\nfrom = \"{from}\"\nto = \"{to}\"\nallow = [\"tcp/{port}\"]\n")
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_was_signed_takes_the_place_of_what_it_was_made_from() {
    let place = Place::new("done");
    let first = with(("offices", "data-centre", 9_443));
    place.sign(Some(CITY), &first, &["Ada Example"], 7);
    let (code, said) = place.accept(&["--dry-run"]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("Becomes allowed:") && said.contains("tcp/9443"),
        "{said}"
    );
    assert!(
        said.contains("Ada Example") && said.contains("works on Mondays"),
        "{said}"
    );
    assert_eq!(place.city(), CITY, "a dry run changes nothing");
    assert!(!place.path("city.toml.serials").exists());
    let (code, said) = place.accept(&["--dry-run", "--json"]);
    let told: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (code, &told["serial"], &told["dry_run"]),
        (0, &Value::from(7), &Value::from(true))
    );
    let (code, said) = place.accept(&[]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("SIGHUP") && said.contains("enforce --dry-run"),
        "{said}"
    );
    assert_eq!(place.city(), first);
    assert_eq!(
        mode(&place.path("city.toml")),
        0o640,
        "who could read it still can"
    );
    assert_eq!(
        std::fs::read_to_string(place.path("city.toml.before")).unwrap(),
        CITY
    );
    // The same once more is made from a city file that is no longer there.
    let (code, said) = place.accept(&[]);
    assert!(code == 1 && said.contains("it was changed since"), "{said}");
    // What is older than the last is refused, also where the city file was put back.
    let second = with(("offices", "data-centre", 9_444));
    place.sign(Some(&first), &second, &["Ada Example"], 6);
    let (code, said) = place.accept(&[]);
    assert!(code == 1 && said.contains("serial 6"), "{said}");
    assert_eq!(place.city(), first);
    place.sign(Some(&first), &second, &["Ada Example"], 8);
    assert_eq!(place.accept(&[]).0, 0);
    assert_eq!(place.city(), second);
}

#[test]
fn nothing_else_does() {
    let place = Place::new("refused");
    let safe = with(("offices", "data-centre", 9_443));
    let refused = |why: &str| {
        let (code, said) = place.accept(&[]);
        assert!(
            code == 1 && said.contains("REFUSED") && said.contains(why),
            "{why}: {said}"
        );
        assert_eq!(place.city(), CITY);
        assert!(
            !place.path("city.toml.serials").exists(),
            "what is refused is not remembered"
        );
    };
    place.sign(Some("another"), &safe, &["Ada Example"], 1);
    refused("is not the city file that it was made from");
    place.sign(None, &safe, &["Ada Example"], 1);
    refused("fragment");
    place.sign(Some(CITY), "[[conduit]]", &["Ada Example"], 1);
    refused("p.signed:1");
    // Pumps endanger people: two who may, and who are not the same.
    let pumps = with(("offices", "pumps", 9_443));
    for people in [
        &["Ada Example"][..],
        &["Ada Example", "Ada Example"],
        &["Ada Example", "Emre Ornek"],
    ] {
        place.sign(Some(CITY), &pumps, people, 1);
        refused("2 different people");
    }
    place.sign(Some(CITY), &safe, &[], 1);
    refused("1 different people");
    // A turned bit, another key.
    place.sign(Some(CITY), &safe, &["Ada Example"], 1);
    let whole = std::fs::read_to_string(place.path("p.signed")).unwrap();
    let (head, tail) = whole.split_at(whole.len() / 2);
    let turned = format!(
        "{head}{}{}",
        if tail.starts_with('A') { 'B' } else { 'A' },
        &tail[1..]
    );
    std::fs::write(place.path("p.signed"), turned).unwrap();
    refused("");
    std::fs::write(place.path("p.signed"), "{}").unwrap();
    refused("");
    let stranger = SigningKey::from_seed(&[7; 32]).unwrap();
    let own = Place {
        folder: place.folder.clone(),
        key: stranger,
    };
    own.sign(Some(CITY), &safe, &["Ada Example"], 1);
    refused("not in the keyring");
    std::mem::forget(own);
    place.sign(Some(CITY), &pumps, &["Ada Example", "Bela Muster"], 1);
    assert_eq!(place.accept(&[]).0, 0);
    assert_eq!(place.city(), pumps);
    // Files that are not there are a usage error.
    std::fs::remove_file(place.path("p.signed")).unwrap();
    assert_eq!(place.accept(&[]).0, 2);
}

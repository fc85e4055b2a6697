//! The permitted edges between the workspace's crates, as data, held over `cargo metadata`.
//!
//! A new edge is a decision: add it here with an ADR that says why.

use std::collections::BTreeMap;
use std::process::Command;

/// Crate -> the workspace crates that it may name.
const EDGES: &[(&str, &[&str])] = &[
    ("citywall-event", &[]),
    ("citywall-packet", &[]),
    ("citywall-capture", &["packet"]),
    ("citywall-flow", &["packet"]),
    ("citywall-transaction", &["packet", "flow", "event"]),
    ("citywall-rules", &["packet", "flow", "transaction", "event"]),
    ("citywall-behaviour", &["flow", "transaction", "event"]),
    ("citywall-inventory", &["event"]),
    ("citywall-policy", &["event"]),
    ("citywall-incident", &["event", "inventory", "policy"]),
    ("citywall-trust", &["event"]),
    (
        "citywall-response",
        &["event", "incident", "inventory", "policy", "trust"],
    ),
    (
        "citywall-evaluation",
        &["event", "packet", "capture", "behaviour"],
    ),
    (
        "citywall-console",
        &["event", "inventory", "policy", "incident", "response", "trust"],
    ),
    ("citywall-range", &[]),
];

/// The only members that may name both planes.
const ASSEMBLY: &[&str] = &["citywall", "xtask"];

fn metadata() -> serde_json::Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo metadata runs");
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

#[test]
fn crates_name_only_what_their_layer_allows() {
    let permitted: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() >= 10, "only {} packages found", packages.len());
    for package in packages {
        let name = package["name"].as_str().expect("name");
        if ASSEMBLY.contains(&name) {
            continue;
        }
        let allowed = permitted
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not in EDGES: which layer is it?"));
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            // What tests use does not reach the binary.
            if dependency["kind"] == "dev" {
                continue;
            }
            let other = dependency["name"].as_str().expect("name");
            if let Some(short) = other.strip_prefix("citywall-") {
                assert!(allowed.contains(&short), "{name} may not name {other}");
            }
        }
    }
}

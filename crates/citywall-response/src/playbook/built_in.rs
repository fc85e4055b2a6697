//! The playbooks that stand in the binary.
//!
//! Owns: their list. They are data like any other (`playbooks/`), are checked by the same code, and
//! a city's own stand before them.

use super::model::Playbook;

/// Name and text of each.
pub const BUILT_IN: [(&str, &str); 8] = [
    (
        "taken-over-device",
        include_str!("../../playbooks/taken-over-device.json"),
    ),
    (
        "forbidden-write",
        include_str!("../../playbooks/forbidden-write.json"),
    ),
    ("scan", include_str!("../../playbooks/scan.json")),
    ("brute-force", include_str!("../../playbooks/brute-force.json")),
    (
        "flood-from-inside",
        include_str!("../../playbooks/flood-from-inside.json"),
    ),
    ("rogue-device", include_str!("../../playbooks/rogue-device.json")),
    (
        "isolated-zone",
        include_str!("../../playbooks/isolated-zone.json"),
    ),
    (
        "stolen-credentials",
        include_str!("../../playbooks/stolen-credentials.json"),
    ),
];

/// The text of one, by name.
pub fn built_in(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}

/// All, read. A test holds that all of them are good.
pub(crate) fn parsed() -> Vec<Playbook> {
    let parse = |(name, text): &(&str, &str)| Playbook::parse(text, &format!("built-in {name}")).ok();
    BUILT_IN.iter().filter_map(parse).collect()
}

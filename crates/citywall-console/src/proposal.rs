//! A city file to be, as somebody stands for it: what is signed, and what that is bound to.
//!
//! Owns: the payload of `docs/spec/proposal.md`, its digests, and how many people must stand for it. Does not
//! own: envelopes and keys (`citywall-trust`), what a change means (`citywall-policy`), putting it in
//! force (`citywall policy accept`).

use std::collections::BTreeSet;

use citywall_event::{Criticality, Place};
use citywall_policy::{Asset, City, Difference};
use citywall_trust::{Payload, Purpose};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// People that one proposal names.
const PEOPLE: usize = 64;

/// A person who stands for a proposal.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
pub struct Backer {
    /// The person of the city file.
    pub name: String,
    /// In the person's words.
    pub why: String,
    /// Wall time, seconds since 1970.
    pub at: u64,
}

/// A proposal that somebody stands for.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct PolicyProposal {
    /// The city's name.
    pub city: String,
    /// The text.
    pub toml: String,
    /// `digest` of the city file that the text replaces; none: the text is a fragment for a person to work on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Who signed on a page; whoever signs with a key of their own is in the envelope.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<Backer>,
}

impl Payload for PolicyProposal {
    const PURPOSE: Purpose = Purpose::PolicyProposal;

    fn subject(&self) -> String {
        self.city.clone()
    }

    fn encode(&self) -> Vec<u8> {
        // Strings and numbers always become JSON.
        serde_json::to_vec(self).unwrap_or_default()
    }

    fn decode(bytes: &[u8]) -> Result<PolicyProposal, String> {
        let read: PolicyProposal = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        match read.people.len() > PEOPLE {
            true => Err(format!("more than {PEOPLE} people")),
            false => Ok(read),
        }
    }
}

/// What a city file's text is known by: SHA-256. Where there is no city file yet, that of no text.
pub fn digest(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// What a signature is bound to: the text that was shown, and the city file that it was compared with.
pub fn bound(base: &str, text: &str) -> String {
    let mut hasher = Sha256::new();
    for part in ["citywall-policy/1\n", base, "\n", text] {
        hasher.update(part.as_bytes());
    }
    hex(&hasher.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Who must stand for a change, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needed {
    /// How many different people.
    pub people: u32,
    /// Zones with a device whose stop endangers people, of either city file, that the change touches.
    pub safety: BTreeSet<String>,
}

/// As with approvals: what touches a zone with a device of criticality `safety` takes two people. So does what
/// is declared beside conduits and new names: it may say who is to be believed, or that such a zone is none.
/// Where there is no city file yet there are no people to choose from: one suffices.
pub fn needed(old: Option<&City>, new: &City, found: &Difference) -> Needed {
    let Some(old) = old else {
        return Needed {
            people: 1,
            safety: BTreeSet::new(),
        };
    };
    let sides = [old, new].map(|city| (city, safety_zones(city)));
    let mut safety = BTreeSet::new();
    for ends in &found.touched {
        for places in ends {
            for ((city, zones), place) in sides.iter().zip(places) {
                let zone = place.zone.map(usize::from).filter(|zone| zones.contains(zone));
                let declared = zone.and_then(|zone| city.zones.get(zone));
                safety.extend(declared.map(|zone| zone.name.clone()));
                if outside_safety(city, *place) {
                    safety.insert(citywall_event::OUTSIDE.to_owned());
                }
            }
        }
    }
    // A name of its own may make less of a device than its zone does.
    let [_, (_, zones)] = &sides;
    let named = added(old, new).filter_map(|asset| asset.zone.filter(|zone| zones.contains(zone)));
    safety.extend(
        named
            .filter_map(|zone| new.zones.get(zone))
            .map(|zone| zone.name.clone()),
    );
    Needed {
        people: if safety.is_empty() && !found.beside { 1 } else { 2 },
        safety,
    }
}

/// Devices that only the new city names.
pub fn added<'n>(old: &City, new: &'n City) -> impl Iterator<Item = &'n Asset> {
    let known: BTreeSet<String> = old.assets.iter().map(|asset| asset.name.clone()).collect();
    new.assets
        .iter()
        .filter(move |asset| !known.contains(&asset.name))
}

/// Zones that are `safety`, or have a device that is.
fn safety_zones(city: &City) -> BTreeSet<usize> {
    let zones = city.zones.iter().enumerate();
    let own = zones.filter(|(_, zone)| zone.criticality == Criticality::Safety);
    let assets = city
        .assets
        .iter()
        .filter(|a| a.criticality == Criticality::Safety);
    own.map(|(id, _)| id)
        .chain(assets.filter_map(|a| a.zone))
        .collect()
}

/// A device that is declared `safety` and stands in no zone.
fn outside_safety(city: &City, place: Place) -> bool {
    let asset = place.asset.and_then(|id| city.assets.get(id as usize));
    place.zone.is_none() && asset.is_some_and(|a| a.criticality == Criticality::Safety)
}

#[cfg(test)]
mod tests {
    use citywall_policy::{EXAMPLE, difference};

    use super::*;

    fn city(text: &str) -> City {
        City::parse(text, "city.toml").unwrap()
    }

    fn of(addition: &str) -> Needed {
        let (old, new) = (city(EXAMPLE), city(&format!("{EXAMPLE}\n{addition}")));
        needed(Some(&old), &new, &difference(&old, &new).unwrap())
    }

    #[test]
    fn what_touches_safety_takes_two() {
        let conduit = |from: &str, to: &str| {
            format!("[[conduit]]\nfrom = \"{from}\"\nto = \"{to}\"\nallow = [\"tcp/9\"]\n")
        };
        let example = city(EXAMPLE);
        let zones = safety_zones(&example);
        assert!(!zones.is_empty() && zones.len() < example.zones.len());
        let name = |safe: bool| {
            let mut all = example.zones.iter().enumerate();
            let found = all.find(|(id, zone)| zones.contains(id) == safe && !zone.isolated);
            found.map(|(_, zone)| zone.name.clone()).unwrap()
        };
        let (safe, other) = (name(true), name(false));
        let two = of(&conduit("outside", &safe));
        assert_eq!((two.people, two.safety), (2, BTreeSet::from([safe])));
        assert_eq!(of(&conduit("outside", &other)).people, 1);
        // Nobody becomes an approver, and no zone harmless, by one person's word.
        let person = "[[person]]\nname = \"Eve Example\"\nroles = [\"administrator\"]\n";
        assert_eq!(of(person).people, 2);
        assert_eq!(needed(None, &example, &Difference::default()).people, 1);
    }

    #[test]
    fn fragments_of_before_are_still_read() {
        let old = PolicyProposal::decode(br#"{"city":"Example","toml":"x = 1"}"#).unwrap();
        assert_eq!((old.base.as_deref(), old.people.len()), (None, 0));
        assert_eq!(
            String::from_utf8(old.encode()).unwrap(),
            r#"{"city":"Example","toml":"x = 1"}"#
        );
        assert_eq!(PolicyProposal::decode(&old.encode()), Ok(old));
        assert!(PolicyProposal::decode(b"{}").is_err());
    }

    #[test]
    fn a_signature_is_bound_to_both_texts() {
        let all = [
            bound("a", "b"),
            bound("a", "c"),
            bound("c", "b"),
            bound("a\nb", ""),
        ];
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 4);
        assert_eq!(digest("").len(), 64);
    }
}

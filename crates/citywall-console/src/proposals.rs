//! Proposals that wait for signatures, and those that have them.
//!
//! Owns: their files in `DIR/console/policy`, how many are kept, the console's own key, and that each
//! signer is another person. Does not own: who may sign (`permission`), how many must (`proposal`), and what
//! a change means.

use std::path::{Path, PathBuf};

use citywall_trust::{PublicKey, Signed, SigningKey, files};
use serde::{Deserialize, Serialize};

use crate::accounts::write_private;
use crate::proposal::{Backer, PolicyProposal};

/// Kept at a time.
const MOST: usize = 16;
/// Longest text of a city file that the page takes.
pub const TEXT: usize = 1 << 20;
/// Longest file of a proposal that is read: its text in JSON, twice as long at worst, and what stands beside it.
const FILE: u64 = 3 << 20;
/// The key's file, in the console's folder.
pub const KEY: &str = "policy.key";

/// A proposal.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Kept {
    /// Its number.
    pub id: u64,
    /// The city's name.
    pub city: String,
    /// Digest of the city file that it was made from.
    pub base: String,
    /// What signatures are bound to.
    pub hash: String,
    /// Who made it, why and when.
    pub by: Backer,
    /// Who signed.
    pub signers: Vec<Backer>,
    /// Zones that it touches: who sees none of them does not see it.
    pub zones: Vec<String>,
    /// Where enough people have signed: the serial.
    pub serial: Option<u64>,
    /// The city file to be.
    pub text: String,
    /// The signed form, where there is no folder for it.
    #[serde(skip)]
    signed: Option<String>,
}

/// What is to be kept.
pub struct Draft {
    /// The city's name.
    pub city: String,
    /// Digest of the present city file.
    pub base: String,
    /// What signatures are bound to.
    pub hash: String,
    /// Zones that it touches.
    pub zones: Vec<String>,
    /// The text.
    pub text: String,
}

/// Why it was not done.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is none of this number.
    Unknown,
    /// Too many wait.
    Full,
    /// The person signed it before.
    Twice,
    /// Enough people have signed.
    Over,
    /// It is not yet signed by enough people.
    Open,
    /// The disk, or the key.
    System(String),
}

fn system(error: impl ToString) -> Refused {
    Refused::System(error.to_string())
}

/// All that are kept.
#[derive(Default)]
pub struct Proposals {
    folder: Option<PathBuf>,
    list: Vec<Kept>,
    key: Option<SigningKey>,
    last: u64,
}

impl Proposals {
    /// Reads the folder. A file that is none of ours is told and passed over: what somebody proposed must not keep
    /// the console from starting.
    pub fn open(folder: Option<&Path>) -> Proposals {
        let mut proposals = Proposals {
            folder: folder.map(Path::to_path_buf),
            ..Proposals::default()
        };
        let Some(folder) = folder else {
            return proposals;
        };
        let entries = std::fs::read_dir(folder.join("policy")).into_iter().flatten();
        let number = |name: &std::ffi::OsStr| name.to_str()?.strip_suffix(".json")?.parse::<u64>().ok();
        let mut found: Vec<(u64, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| Some((number(&entry.file_name())?, entry.path())))
            .collect();
        found.sort();
        proposals.last = found.last().map_or(0, |(id, _)| *id);
        let newest = found.len().saturating_sub(MOST);
        for (id, path) in found.into_iter().skip(newest) {
            match read(&path).map(|kept| Kept { id, ..kept }) {
                Ok(kept) => proposals.list.push(kept),
                Err(error) => log::error!("{}: no proposal of this console: {error}", path.display()),
            }
        }
        proposals
    }

    /// All, the oldest first.
    pub fn all(&self) -> &[Kept] {
        &self.list
    }

    /// One.
    pub fn get(&self, id: u64) -> Option<&Kept> {
        self.list.iter().find(|kept| kept.id == id)
    }

    /// Keeps one. Where there is no room the oldest goes that is signed or was made from another city file than
    /// `present`.
    ///
    /// # Errors
    /// Where all others still wait for people, or it cannot be written.
    pub fn add(&mut self, draft: Draft, by: Backer, present: &str) -> Result<u64, Refused> {
        if self.list.len() >= MOST {
            let over = |kept: &&Kept| kept.serial.is_some() || kept.base != present;
            let oldest = self.list.iter().find(over).map(|kept| kept.id);
            self.remove(oldest.ok_or(Refused::Full)?)?;
        }
        let kept = Kept {
            id: self.last + 1,
            city: draft.city,
            base: draft.base,
            hash: draft.hash,
            by,
            signers: Vec::new(),
            zones: draft.zones,
            serial: None,
            text: draft.text,
            signed: None,
        };
        self.write(&kept)?;
        self.last = kept.id;
        self.list.push(kept);
        Ok(self.last)
    }

    /// Takes one away.
    ///
    /// # Errors
    /// Where there is none, or its file cannot be removed.
    pub fn remove(&mut self, id: u64) -> Result<(), Refused> {
        let place = self.list.iter().position(|kept| kept.id == id);
        let place = place.ok_or(Refused::Unknown)?;
        for file in ["json", "signed"].iter().filter_map(|end| self.file(id, end)) {
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(system(error)),
                _ => {}
            }
        }
        self.list.remove(place);
        Ok(())
    }

    /// A person signs; when `needed` people have, so does the console's key. True where that is done.
    ///
    /// # Errors
    /// Where the person has signed before, or it cannot be kept; then it is as before.
    pub fn sign(&mut self, id: u64, person: Backer, needed: u32) -> Result<bool, Refused> {
        let kept = self.get(id).ok_or(Refused::Unknown)?;
        if kept.serial.is_some() {
            return Err(Refused::Over);
        }
        if kept.signers.iter().any(|signer| signer.name == person.name) {
            return Err(Refused::Twice);
        }
        let mut signed = kept.clone();
        let now = person.at;
        signed.signers.push(person);
        let enough = signed.signers.len() as u64 >= u64::from(needed.max(1));
        if enough {
            // Later ones count more, also where the clock went back.
            let last = self.list.iter().filter_map(|kept| kept.serial).max();
            signed.serial = Some(now.max(last.map_or(0, |last| last + 1)));
            let text = self.envelope(&signed, now)?;
            match self.file(id, "signed") {
                Some(file) => write_private(&file, text.as_bytes()).map_err(system)?,
                None => signed.signed = Some(text),
            }
        }
        self.write(&signed)?;
        if let Some(kept) = self.list.iter_mut().find(|kept| kept.id == id) {
            *kept = signed;
        }
        Ok(enough)
    }

    /// The signed form of one.
    ///
    /// # Errors
    /// Where it is not signed yet, or cannot be read.
    pub fn signed(&self, id: u64) -> Result<String, Refused> {
        let kept = self.get(id).ok_or(Refused::Unknown)?;
        if kept.serial.is_none() {
            return Err(Refused::Open);
        }
        match (self.file(id, "signed"), &kept.signed) {
            (Some(file), _) => std::fs::read_to_string(file).map_err(system),
            (None, Some(text)) => Ok(text.clone()),
            (None, None) => Err(Refused::Unknown),
        }
    }

    /// The console's public key; the key is made where there is none yet.
    ///
    /// # Errors
    /// Where it cannot be made, or others may read it.
    pub fn public(&mut self) -> Result<PublicKey, Refused> {
        self.key().map(SigningKey::public)
    }

    /// Where the key lies.
    pub fn key_file(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(KEY))
    }

    fn key(&mut self) -> Result<&SigningKey, Refused> {
        let key = match self.key.take() {
            Some(key) => key,
            None => match self.key_file() {
                Some(file) if file.exists() => files::load_key(&file).map_err(system)?,
                Some(file) => files::new_key(&file).map_err(system)?,
                None => {
                    let mut seed = [0; 32];
                    getrandom::fill(&mut seed).map_err(system)?;
                    SigningKey::from_seed(&seed).map_err(system)?
                }
            },
        };
        Ok(self.key.insert(key))
    }

    fn envelope(&mut self, kept: &Kept, now: u64) -> Result<String, Refused> {
        let payload = PolicyProposal {
            city: kept.city.clone(),
            toml: kept.text.clone(),
            base: Some(kept.base.clone()),
            people: kept.signers.clone(),
        };
        let at = i64::try_from(now).unwrap_or(0).saturating_mul(1_000_000_000);
        let serial = kept.serial.unwrap_or(now);
        let signed = Signed::sign(&payload, serial, at, None, self.key()?).map_err(system)?;
        Ok(format!("{}\n", signed.to_json().trim_end()))
    }

    fn file(&self, id: u64, end: &str) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        Some(folder.join("policy").join(format!("{id}.{end}")))
    }

    fn write(&self, kept: &Kept) -> Result<(), Refused> {
        let Some(file) = self.file(kept.id, "json") else {
            return Ok(());
        };
        let text = serde_json::to_vec(kept).map_err(system)?;
        write_private(&file, &text).map_err(system)
    }
}

fn read(path: &Path) -> Result<Kept, String> {
    let meta = std::fs::metadata(path).map_err(|e| e.to_string())?;
    if meta.len() > FILE {
        return Err("it is too long".into());
    }
    let text = std::fs::read(path).map_err(|e| e.to_string())?;
    serde_json::from_slice(&text).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use citywall_trust::{KeyEntry, Keyring, Purpose};

    use super::*;
    use crate::proposal::{bound, digest};

    fn person(name: &str, at: u64) -> Backer {
        Backer {
            name: name.into(),
            why: "a test".into(),
            at,
        }
    }

    fn draft(text: &str) -> Draft {
        Draft {
            city: "Example".into(),
            base: digest("old"),
            hash: bound(&digest("old"), text),
            zones: vec!["pumps".into()],
            text: text.into(),
        }
    }

    fn verified(proposals: &mut Proposals, id: u64) -> (PolicyProposal, u64) {
        let mut ring = Keyring::default();
        ring.add(KeyEntry {
            name: "console".into(),
            principal: "Citywall console".into(),
            public: proposals.public().unwrap(),
            purposes: vec![Purpose::PolicyProposal],
            revoked: None,
        })
        .unwrap();
        let signed = Signed::<PolicyProposal>::parse(proposals.signed(id).unwrap().as_bytes()).unwrap();
        let now = 2_000_000_000_000_000_000;
        let verified = signed.verify_without_serial(&ring, now).unwrap();
        let serial = verified.statement().serial;
        (verified.into_value(), serial)
    }

    #[test]
    fn two_different_people_sign_and_a_restart_forgets_nothing() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = std::env::temp_dir().join(format!("citywall-proposals-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let mut proposals = Proposals::open(Some(&folder));
        let id = proposals
            .add(draft("new"), person("Ada", 10), &digest("old"))
            .unwrap();
        assert_eq!(proposals.sign(id, person("Ada", 11), 2), Ok(false));
        assert_eq!(proposals.sign(id, person("Ada", 12), 2), Err(Refused::Twice));
        assert_eq!(proposals.signed(id), Err(Refused::Open));
        let mut proposals = Proposals::open(Some(&folder));
        assert_eq!(proposals.sign(id, person("Grace", 13), 2), Ok(true));
        assert_eq!(proposals.sign(id, person("Eve", 14), 2), Err(Refused::Over));
        let (value, serial) = verified(&mut proposals, id);
        assert_eq!(
            (value.toml.as_str(), value.base, serial),
            ("new", Some(digest("old")), 13)
        );
        assert_eq!(
            value.people.iter().map(|p| &*p.name).collect::<Vec<_>>(),
            ["Ada", "Grace"]
        );
        let mode = |name: &str| std::fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(KEY), mode("policy/1.signed")), (0o600, 0o600));
        // A clock that goes back gives no lower serial, and a broken file keeps nobody from starting.
        let next = proposals
            .add(draft("newer"), person("Ada", 5), &digest("old"))
            .unwrap();
        assert_eq!(proposals.sign(next, person("Ada", 5), 1), Ok(true));
        assert_eq!(verified(&mut proposals, next).1, 14);
        std::fs::write(folder.join("policy/9.json"), "{").unwrap();
        let mut proposals = Proposals::open(Some(&folder));
        assert_eq!(proposals.all().len(), 2);
        proposals.remove(next).unwrap();
        assert_eq!(proposals.signed(next), Err(Refused::Unknown));
        assert_eq!(
            proposals.add(draft("third"), person("Ada", 15), ""),
            Ok(10),
            "no number is used twice"
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn they_are_few_and_those_that_wait_are_not_pushed_out() {
        let mut proposals = Proposals::open(None);
        let present = digest("old");
        for n in 0..MOST {
            proposals
                .add(draft(&n.to_string()), person("Ada", 1), &present)
                .unwrap();
        }
        assert_eq!(
            proposals.add(draft("x"), person("Ada", 1), &present),
            Err(Refused::Full)
        );
        assert_eq!(proposals.sign(2, person("Ada", 1), 1), Ok(true));
        assert_eq!(verified(&mut proposals, 2).0.toml, "1");
        assert!(proposals.add(draft("x"), person("Ada", 1), &present).is_ok());
        assert!(proposals.get(2).is_none() && proposals.get(1).is_some());
        // What was made from another city file can no longer be signed, and makes room.
        assert!(proposals.add(draft("y"), person("Ada", 1), "another").is_ok());
        assert_eq!(proposals.all().len(), MOST);
    }
}

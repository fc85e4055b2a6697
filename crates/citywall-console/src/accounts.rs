//! Accounts: who has set a password, and links by which one is set.
//!
//! Owns: the file, Argon2id, one-time links. Does not own: who exists and may do what, which is the
//! city file's, and sessions. Without a folder all is kept in memory alone.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::passkeys::Passkey;

/// Shortest and longest password, in bytes.
const PASSWORD: std::ops::RangeInclusive<usize> = 12..=256;
/// Passkeys of one person.
const PASSKEYS: usize = 8;
/// Accounts and links that are kept.
const MOST: usize = 4_096;
/// The longest file that is read.
const FILE: u64 = 4 << 20;
/// How long a link works.
pub const LINK: Duration = Duration::from_secs(24 * 3600);

/// Why an account could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Too short or too long.
    #[error("a password has {} to {} bytes", PASSWORD.start(), PASSWORD.end())]
    Length,
    /// A password that is guessed first.
    #[error("this password is among the first that are guessed, or holds the name")]
    Weak,
    /// The disk or the system.
    #[error("{file}: {error}")]
    Io {
        /// The file.
        file: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file is not one of ours.
    #[error("{file}: {error}; restore it, or move it away and make a link with `citywall console link`")]
    Form {
        /// The file.
        file: String,
        /// What is wrong.
        error: String,
    },
    /// Hashing, or the source of randomness, failed.
    #[error("{0}")]
    System(String),
}

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    /// Hashes by the name of the person.
    accounts: BTreeMap<String, String>,
    /// Passkeys by the name of the person.
    #[serde(default)]
    passkeys: BTreeMap<String, Vec<Passkey>>,
}

/// A link that somebody may use once.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Link {
    /// Whose password it sets; none: who uses it says who it is.
    person: Option<String>,
    /// Seconds since 1970.
    until: u64,
}

/// The accounts.
pub struct Accounts {
    folder: Option<PathBuf>,
    accounts: BTreeMap<String, String>,
    passkeys: BTreeMap<String, Vec<Passkey>>,
    /// By the hash of the token.
    links: BTreeMap<String, Link>,
}

impl Accounts {
    /// Reads the folder's file, or begins without one.
    ///
    /// # Errors
    /// Where it cannot be read or is none.
    pub fn open(folder: Option<PathBuf>) -> Result<Accounts, AccountError> {
        let mut accounts = Accounts {
            folder,
            accounts: BTreeMap::new(),
            passkeys: BTreeMap::new(),
            links: BTreeMap::new(),
        };
        if let Some(path) = accounts.file() {
            match fs::metadata(&path) {
                Ok(meta) if meta.len() > FILE => return Err(form(&path, "it is too long")),
                Ok(_) => {
                    let text = fs::read_to_string(&path).map_err(|e| io(&path, e))?;
                    let file: File = serde_json::from_str(&text).map_err(|e| form(&path, &e.to_string()))?;
                    if file.version != 1 {
                        return Err(form(
                            &path,
                            &format!("version {} is not known here", file.version),
                        ));
                    }
                    accounts.accounts = file.accounts;
                    accounts.passkeys = file.passkeys;
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(io(&path, error)),
            }
        }
        Ok(accounts)
    }

    fn file(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join("accounts.json"))
    }

    /// Has anybody set a password?
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Has this person set a password?
    pub fn has(&self, person: &str) -> bool {
        self.accounts.contains_key(person)
    }

    /// The stored hash of a person, else one that no password fits: both take equally long to check.
    pub fn stored(&self, person: &str) -> String {
        self.accounts
            .get(person)
            .cloned()
            .unwrap_or_else(|| NOBODY.to_owned())
    }

    /// Keeps a hash made by [`hash`].
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn set(&mut self, person: &str, hash: String) -> Result<(), AccountError> {
        if self.accounts.len() >= MOST && !self.accounts.contains_key(person) {
            return Err(AccountError::System("there are too many accounts".into()));
        }
        let before = self.accounts.insert(person.to_owned(), hash);
        let saved = self.save();
        if saved.is_err() {
            match before {
                Some(before) => self.accounts.insert(person.to_owned(), before),
                None => self.accounts.remove(person),
            };
        }
        saved
    }

    /// The passkeys of a person.
    pub fn passkeys(&self, person: &str) -> impl Iterator<Item = &Passkey> {
        self.passkeys.get(person).into_iter().flatten()
    }

    /// Keeps another passkey of a person.
    ///
    /// # Errors
    /// Where it cannot be written, there are too many, or somebody has it.
    pub fn add_passkey(&mut self, person: &str, passkey: Passkey) -> Result<(), AccountError> {
        if self.holder(&passkey.id).is_some() || self.passkeys(person).count() >= PASSKEYS {
            let text = format!("a passkey is one person's, who has {PASSKEYS} at most");
            return Err(AccountError::System(text));
        }
        let list = self.passkeys.entry(person.to_owned()).or_default();
        list.push(passkey);
        let saved = self.save();
        if saved.is_err() {
            self.passkeys.entry(person.to_owned()).or_default().pop();
        }
        saved
    }

    /// Who has the passkey of this id.
    pub fn holder(&self, id: &str) -> Option<(String, Passkey)> {
        let all = self
            .passkeys
            .iter()
            .flat_map(|(name, list)| list.iter().map(move |p| (name, p)));
        all.filter(|(_, p)| p.id == id)
            .map(|(name, p)| (name.clone(), p.clone()))
            .next()
    }

    /// Remembers how often a passkey was used.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn used_passkey(&mut self, person: &str, id: &str, uses: u32) -> Result<(), AccountError> {
        let list = self.passkeys.get_mut(person);
        if let Some(passkey) = list.and_then(|list| list.iter_mut().find(|p| p.id == id)) {
            passkey.used(uses);
        }
        self.save()
    }

    /// Whoever sets a password anew begins anew: passkeys of a person who lost one go.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn forget_passkeys(&mut self, person: &str) -> Result<(), AccountError> {
        match self.passkeys.remove(person) {
            Some(_) => self.save(),
            None => Ok(()),
        }
    }

    fn save(&self) -> Result<(), AccountError> {
        let Some(path) = self.file() else { return Ok(()) };
        let file = File {
            version: 1,
            accounts: self.accounts.clone(),
            passkeys: self.passkeys.clone(),
        };
        let text = serde_json::to_string(&file).map_err(|e| form(&path, &e.to_string()))?;
        write_private(&path, text.as_bytes())
    }

    /// A new one-time link's token. It is kept in memory.
    ///
    /// # Errors
    /// Where there is no randomness.
    pub fn link(&mut self, person: Option<&str>) -> Result<String, AccountError> {
        let token = token()?;
        self.links.retain(|_, link| link.until > now());
        while self.links.len() >= MOST {
            self.links.pop_first();
        }
        self.links.insert(digest(&token), new_link(person));
        Ok(token)
    }

    /// Whom a token's link is for, where it still works: `Some(None)` is whoever uses it.
    pub fn linked(&self, token: &str) -> Option<Option<String>> {
        let digest = digest(token);
        let link = match self.links.get(&digest) {
            Some(link) => Some(link.clone()),
            None => {
                let path = self.folder.as_ref()?.join(format!("link-{digest}.json"));
                let text = fs::read_to_string(path).ok()?;
                serde_json::from_str(&text).ok()
            }
        }?;
        // The first start's link is for the first account alone.
        let first = link.person.is_none() && !self.is_empty();
        (link.until > now() && !first).then_some(link.person)
    }

    /// The link is used up.
    pub fn use_up(&mut self, token: &str) {
        let digest = digest(token);
        self.links.remove(&digest);
        if let Some(folder) = &self.folder {
            let _ = fs::remove_file(folder.join(format!("link-{digest}.json")));
        }
    }
}

/// From the shell: leaves a link in the console's folder, for a console that runs or will run.
///
/// # Errors
/// Where it cannot be written.
pub fn leave_link(folder: &Path, person: &str) -> Result<String, AccountError> {
    let token = token()?;
    let path = folder.join(format!("link-{}.json", digest(&token)));
    let text = serde_json::to_string(&new_link(Some(person))).map_err(|e| form(&path, &e.to_string()))?;
    write_private(&path, text.as_bytes())?;
    // Whose folder it is reads it: the console may run as another user than who makes the link.
    let owner = fs::metadata(folder).map_err(|e| io(folder, e))?;
    let (uid, gid) = (
        std::os::unix::fs::MetadataExt::uid(&owner),
        std::os::unix::fs::MetadataExt::gid(&owner),
    );
    std::os::unix::fs::chown(&path, Some(uid), Some(gid)).map_err(|e| io(&path, e))?;
    Ok(token)
}

fn new_link(person: Option<&str>) -> Link {
    Link {
        person: person.map(str::to_owned),
        until: now() + LINK.as_secs(),
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// 32 random bytes as hexadecimal digits.
///
/// # Errors
/// Where there is no randomness.
pub fn token() -> Result<String, AccountError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| AccountError::System(e.to_string()))?;
    Ok(hex(&bytes))
}

/// What is kept of a token: who reads the memory or the folder cannot use it.
pub fn digest(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A hash that no password has.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// 19 MiB and two passes: OWASP's first choice for Argon2id.
fn argon2() -> Result<Argon2<'static>, AccountError> {
    let params = Params::new(19_456, 2, 1, None).map_err(|e| AccountError::System(e.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Hashes a new password; takes some tens of milliseconds.
///
/// # Errors
/// Where it is too short, too long, or guessed first.
pub fn hash(person: &str, password: &str) -> Result<String, AccountError> {
    if !PASSWORD.contains(&password.len()) {
        return Err(AccountError::Length);
    }
    let lower = password.to_lowercase();
    let one_letter = lower.chars().all(|c| lower.starts_with(c));
    let of_name = person
        .to_lowercase()
        .split(' ')
        .any(|part| part.len() > 2 && lower.contains(part));
    let common = [
        "password",
        "passw0rd",
        "123456789",
        "qwertz",
        "qwerty",
        "citywall",
        "letmein",
        "changeme",
    ];
    if one_letter || of_name || common.iter().any(|word| lower.contains(word)) {
        return Err(AccountError::Weak);
    }
    let mut salt = [0_u8; 16];
    getrandom::fill(&mut salt).map_err(|e| AccountError::System(e.to_string()))?;
    let salt = SaltString::encode_b64(&salt).map_err(|e| AccountError::System(e.to_string()))?;
    let hash = argon2()?.hash_password(password.as_bytes(), &salt);
    hash.map(|h| h.to_string())
        .map_err(|e| AccountError::System(e.to_string()))
}

/// Does the password fit the stored hash? Takes some tens of milliseconds either way.
pub fn verify(stored: &str, password: &str) -> bool {
    let (Ok(parsed), Ok(argon2)) = (PasswordHash::new(stored), argon2()) else {
        return false;
    };
    password.len() <= *PASSWORD.end() && argon2.verify_password(password.as_bytes(), &parsed).is_ok()
}

fn io(path: &Path, error: std::io::Error) -> AccountError {
    AccountError::Io {
        file: path.display().to_string(),
        error,
    }
}

fn form(path: &Path, error: &str) -> AccountError {
    AccountError::Form {
        file: path.display().to_string(),
        error: error.to_owned(),
    }
}

/// Writes a file that only its owner reads, whole or not at all.
///
/// # Errors
/// Where it cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), AccountError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut builder = fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|e| io(folder, e))?;
    let beside = path.with_extension("new");
    let _ = fs::remove_file(&beside);
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&beside, path));
    written.map_err(|e| io(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_links() {
        let folder = std::env::temp_dir().join(format!("citywall-accounts-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let mut accounts = Accounts::open(Some(folder.clone())).unwrap();
        assert!(accounts.is_empty() && !verify(&accounts.stored("Ada"), "correct horse staple"));
        assert!(matches!(hash("Ada", "short"), Err(AccountError::Length)));
        assert!(matches!(
            hash("Ada Example", "ada-loves-engines"),
            Err(AccountError::Weak)
        ));
        assert!(matches!(hash("Ada", "Password2026!!"), Err(AccountError::Weak)));
        let link = accounts.link(None).unwrap();
        assert_eq!(accounts.linked(&link), Some(None));
        accounts
            .set("Ada", hash("Ada", "correct horse staple").unwrap())
            .unwrap();
        assert_eq!(accounts.linked(&link), None, "the first account is there");
        // What was written is read by the next start, and holds no password.
        let again = Accounts::open(Some(folder.clone())).unwrap();
        assert!(verify(&again.stored("Ada"), "correct horse staple"));
        assert!(!verify(&again.stored("Ada"), "correct horse stapel"));
        assert!(
            !fs::read_to_string(folder.join("accounts.json"))
                .unwrap()
                .contains("horse")
        );
        let link = accounts.link(Some("Cem")).unwrap();
        assert_eq!(accounts.linked(&link), Some(Some("Cem".into())));
        accounts.use_up(&link);
        assert_eq!(accounts.linked(&link), None, "once");
        let left = leave_link(&folder, "Ben").unwrap();
        assert_eq!(accounts.linked(&left), Some(Some("Ben".into())));
        accounts.use_up(&left);
        assert_eq!(accounts.linked(&left), None);
        assert_eq!(accounts.linked("../../etc/passwd"), None);
        fs::remove_dir_all(folder).unwrap();
    }
}

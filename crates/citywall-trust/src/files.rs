//! The files of keys, keyrings and serials.
//!
//! Owns: opening them safely: no symbolic links, no secrets that others can read, no half-written
//! file after a crash; and the random seed of a new key, which comes from the operating system.
//! Does not own: what is in them.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use rustix::fs::OFlags;

use crate::{Keyring, Serials, SigningKey, TrustError};

/// Bytes of a key's file.
const KEY_BYTES: u64 = 4_096;
/// Bytes of a keyring or a memory of serials.
const TEXT_BYTES: u64 = 64 << 20;

fn file_error(path: &Path, what: impl Into<String>, fix: impl Into<String>) -> TrustError {
    TrustError::File {
        file: path.display().to_string(),
        what: what.into(),
        fix: fix.into(),
    }
}

fn io_error(path: &Path, error: &std::io::Error) -> TrustError {
    let fix = match error.kind() {
        std::io::ErrorKind::NotFound => "make it, or name another file",
        std::io::ErrorKind::PermissionDenied => "run as its owner, or give this user the right",
        std::io::ErrorKind::AlreadyExists => "name another file; nothing is ever written over a key",
        _ => "see that the file and its folder can be used",
    };
    let link = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    if link {
        return file_error(
            path,
            "it is a symbolic link, and whoever may change the link would choose the file",
            "name the file itself",
        );
    }
    file_error(path, error.to_string(), fix)
}

/// Opens a file for reading: a regular one, not through a link in its last part.
fn open(path: &Path) -> Result<File, TrustError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)
        .map_err(|e| io_error(path, &e))?;
    let data = file.metadata().map_err(|e| io_error(path, &e))?;
    if !data.is_file() {
        return Err(file_error(path, "it is no regular file", "name a file"));
    }
    Ok(file)
}

fn read_text(path: &Path, file: File, most: u64) -> Result<String, TrustError> {
    let mut text = String::new();
    file.take(most + 1)
        .read_to_string(&mut text)
        .map_err(|e| io_error(path, &e))?;
    if text.len() as u64 > most {
        return Err(file_error(
            path,
            format!("it has more than {most} bytes"),
            "name the right file",
        ));
    }
    Ok(text)
}

/// Loads a private key. The file must be this user's (or root's) and of mode 0600 or stricter.
///
/// # Errors
/// Where the file cannot be used safely, or holds no key.
pub fn load_key(path: &Path) -> Result<SigningKey, TrustError> {
    let file = open(path)?;
    let data = file.metadata().map_err(|e| io_error(path, &e))?;
    let mode = data.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(file_error(
            path,
            format!("others may use this private key: its mode is {mode:04o}"),
            format!(
                "chmod 600 {}; and where others may have read it, make a new key",
                path.display()
            ),
        ));
    }
    let me = rustix::process::geteuid().as_raw();
    if data.uid() != me && data.uid() != 0 {
        return Err(file_error(
            path,
            format!(
                "this private key belongs to user {}, not to user {me}",
                data.uid()
            ),
            "use a key of your own",
        ));
    }
    SigningKey::from_pem(&read_text(path, file, KEY_BYTES)?)
}

/// Makes a new key and its file, of mode 0600. An existing file is never replaced.
///
/// # Errors
/// Where the file exists or cannot be written, or the system gives no random bytes.
pub fn new_key(path: &Path) -> Result<SigningKey, TrustError> {
    let mut seed = [0; 32];
    SystemRandom::new()
        .fill(&mut seed)
        .map_err(|_| file_error(path, "the system gives no random bytes", "try again"))?;
    let key = SigningKey::from_seed(&seed)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| io_error(path, &e))?;
    file.write_all(SigningKey::seed_to_pem(&seed).as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|e| {
            // A part of a key is none, and would stand in the way of the next try.
            let _ = std::fs::remove_file(path);
            io_error(path, &e)
        })?;
    Ok(key)
}

/// Loads a keyring. Others may read it, but only its owner may change it.
///
/// # Errors
/// Where the file cannot be used safely, or is wrong.
pub fn load_keyring(path: &Path) -> Result<Keyring, TrustError> {
    let file = open(path)?;
    let mode = file.metadata().map_err(|e| io_error(path, &e))?.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(file_error(
            path,
            format!("others may change whom this box believes: its mode is {mode:04o}"),
            format!("look through it, then chmod 644 {}", path.display()),
        ));
    }
    let text = read_text(path, file, TEXT_BYTES)?;
    Keyring::parse(&text, &path.display().to_string())
}

/// Loads the memory of serials; an absent file is an empty memory.
///
/// # Errors
/// Where the file is there and cannot be used.
pub fn load_serials(path: &Path) -> Result<Serials, TrustError> {
    if let Err(error) = std::fs::symlink_metadata(path)
        && error.kind() == std::io::ErrorKind::NotFound
    {
        return Ok(Serials::default());
    }
    let text = read_text(path, open(path)?, TEXT_BYTES)?;
    Serials::parse(&text, &path.display().to_string())
}

/// Writes the memory of serials: whole, or not at all.
///
/// # Errors
/// Where it cannot be written; then the old one stands.
pub fn save_serials(path: &Path, serials: &Serials) -> Result<(), TrustError> {
    replace(path, serials.to_json().as_bytes())
}

/// Writes a file of mode 0600 beside `path`, and puts it in its place when it is on the disk.
///
/// # Errors
/// Where it cannot be written; then what stood there stands.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), TrustError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".new-{}", std::process::id()));
    let beside: PathBuf = path.with_file_name(name);
    let write = || -> std::io::Result<()> {
        let flags = OFlags::NOFOLLOW.bits() as i32;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(flags)
            .open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        sync_folder(path)
    };
    write().map_err(|error| {
        // What is half-written is of no use; that it stays would only be untidy.
        let _ = std::fs::remove_file(&beside);
        io_error(path, &error)
    })
}

/// A new or renamed file lasts only once its folder is on the disk.
pub(crate) fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

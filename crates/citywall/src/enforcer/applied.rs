//! Putting a wall in force so that nobody locks himself out.
//!
//! Owns: the folder that remembers what was in force before and what is confirmed, the lock, and
//! the watchdog: a process of its own that goes back unless somebody confirms in time, whatever
//! became of who applied. Does not own: what a wall is (`citywall_response::firewall`), running nft.
//!
//! A reboot while an apply waits for its confirmation is a refusal: the kernel forgets its tables, and
//! `--boot` loads what was confirmed last.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use citywall_response::firewall::{
    Difference, Listing, Mode, Wall, differences, heartbeat, install, restore,
};

use super::nft;

/// The kernel's answer before the apply.
const BEFORE: &str = "before.json";
/// The wall that waits.
const CANDIDATE: &str = "candidate.nft";
/// The wall that was confirmed last.
const CONFIRMED: &str = "confirmed.nft";
/// There while an apply waits for its confirmation: until when, and its token.
const PENDING: &str = "pending";
/// There where nobody is expected to give signs of life.
const UNATTENDED: &str = "unattended";
/// Held while the folder or the kernel is changed.
const LOCK: &str = "lock";
/// How long the lock is waited for before whoever holds it is named.
const PATIENCE: Duration = Duration::from_secs(2);
/// What the watchdog says when it is on guard.
const ON_GUARD: &str = "on guard";
/// Longest file that is read back.
const BYTES: u64 = 256 << 20;

/// The folder.
pub struct Applied {
    folder: PathBuf,
    // Held as long as the value lives.
    _lock: File,
}

/// What an apply did.
#[derive(Debug, PartialEq, Eq)]
pub enum Done {
    /// The kernel already held it.
    Nothing,
    /// It is in force, and waits.
    Waits,
}

impl Applied {
    /// Opens the folder, making it where it is not there, and keeps everybody else out.
    ///
    /// # Errors
    /// Where it cannot be made, or another apply, confirmation or rollback is at work.
    pub fn open(folder: &Path) -> anyhow::Result<Applied> {
        // The watchdog works elsewhere.
        let folder = &std::path::absolute(folder).context("cannot tell where the folder of --state is")?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| {
                format!(
                    "cannot make {}: name another folder with --state",
                    folder.display()
                )
            })?;
        let path = folder.join(LOCK);
        let lock = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        // The one before may be at its last lines: a watchdog that has just gone back still holds it.
        let end = Instant::now() + PATIENCE;
        while lock.try_lock().is_err() {
            if Instant::now() < end {
                std::thread::sleep(Duration::from_millis(20));
                continue;
            }
            bail!(
                "another `citywall enforce` is at work in {}: wait for it to end",
                folder.display()
            );
        }
        Ok(Applied {
            folder: folder.to_owned(),
            _lock: lock,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Written whole or not at all, and on the disk when this returns.
    fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let (path, fresh) = (self.path(name), self.path(&format!("{name}.new")));
        let write = || -> std::io::Result<()> {
            let mut file = fs::OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .mode(0o600)
                .open(&fresh)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&fresh, &path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    fn read(&self, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let path = self.path(name);
        match fs::metadata(&path) {
            Ok(data) if data.len() > BYTES => bail!("{} is too long to be ours: remove it", path.display()),
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e).with_context(|| format!("cannot read {}", path.display())),
        }
        fs::read(&path)
            .map(Some)
            .with_context(|| format!("cannot read {}", path.display()))
    }

    fn remove(&self, name: &str) -> anyhow::Result<()> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(e).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// The token of the apply that waits, where one does.
    fn pending(&self) -> anyhow::Result<Option<String>> {
        let text = self.read(PENDING)?;
        Ok(text.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()))
    }

    /// Puts a wall in force. Unless it is confirmed within the time, what was before comes back by
    /// itself.
    ///
    /// # Errors
    /// Where another apply waits, our tables hold what we did not write, or the kernel says no;
    /// nothing is then changed.
    pub fn apply(&self, wall: &Wall, within: Duration) -> anyhow::Result<Done> {
        if self.pending()?.is_some() {
            bail!("an apply waits for its confirmation: `citywall enforce --confirm` or `--rollback` first");
        }
        let answer = nft::tables().map_err(anyhow::Error::msg)?;
        let now = Listing::parse([answer.as_slice()])?;
        refuse_foreign(&now)?;
        if differences(wall, &now).is_empty() {
            return Ok(Done::Nothing);
        }
        let mut script = install(wall, &now);
        // Without an enforcer's sign of life nobody is expected to give one.
        if now.alive.is_none() {
            script.push_str(&heartbeat(None));
        }
        self.write(BEFORE, &answer)?;
        self.write(CANDIDATE, wall.text().as_bytes())?;
        let until = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .saturating_add(within);
        let token = format!("{} {}", until.as_nanos(), std::process::id());
        self.write(PENDING, token.as_bytes())?;
        let result = guard(&self.folder, &token, within)
            .and_then(|()| nft::transaction(&script).map_err(anyhow::Error::msg));
        if let Err(error) = result {
            // The watchdog sees that nothing waits, and goes.
            self.remove(PENDING)?;
            self.remove(CANDIDATE)?;
            self.remove(BEFORE)?;
            return Err(error);
        }
        Ok(Done::Waits)
    }

    /// The apply that waits is what people want.
    ///
    /// # Errors
    /// Where none waits: it was confirmed, taken back, or its time was over.
    pub fn confirm(&self) -> anyhow::Result<()> {
        if self.pending()?.is_none() {
            bail!(
                "no apply waits for a confirmation: it was confirmed before, or taken back as its time was over; \
                 see `citywall enforce --dry-run`"
            );
        }
        let answer = nft::tables().map_err(anyhow::Error::msg)?;
        let now = Listing::parse([answer.as_slice()])?;
        if now.alive == Some(None) {
            self.write(UNATTENDED, b"")?;
        } else {
            self.remove(UNATTENDED)?;
        }
        // First the guard is called off: from here on nothing is taken back by itself.
        self.remove(PENDING)?;
        if let Some(candidate) = self.read(CANDIDATE)? {
            self.write(CONFIRMED, &candidate)?;
        }
        self.remove(CANDIDATE)
    }

    /// Goes back to what was before the last apply. Once more changes nothing.
    ///
    /// # Errors
    /// Where the kernel says no.
    pub fn rollback(&self) -> anyhow::Result<bool> {
        let Some(before) = self.read(BEFORE)? else {
            self.remove(PENDING)?;
            return Ok(false);
        };
        let before = Listing::parse([before.as_slice()])
            .with_context(|| format!("{} is damaged", self.path(BEFORE).display()))?;
        let answer = nft::tables().map_err(anyhow::Error::msg)?;
        let now = Listing::parse([answer.as_slice()])?;
        if !differences(&before.wall(), &now).is_empty() {
            nft::transaction(&restore(&before, &now)).map_err(anyhow::Error::msg)?;
        }
        if before.is_empty() {
            // Nothing is marked any more.
            nft::remove_queue_if_there().map_err(anyhow::Error::msg)?;
        }
        let confirmed = self.pending()?.is_none();
        self.remove(PENDING)?;
        self.remove(CANDIDATE)?;
        self.remove(BEFORE)?;
        // What was confirmed is not wanted any more; what never was leaves the last one alone.
        if confirmed && before.is_empty() {
            self.remove(CONFIRMED)?;
        } else if confirmed {
            self.write(CONFIRMED, before.wall().text().as_bytes())?;
        }
        Ok(true)
    }

    /// Takes the whole wall away: our tables, the queue rule, what is loaded at the next start. Tells
    /// whether there was one.
    ///
    /// # Errors
    /// Where an enforcer lives or lived seconds ago, our tables hold what we did not write, or the kernel
    /// says no.
    pub fn remove_all(&self) -> anyhow::Result<bool> {
        let answer = nft::tables().map_err(anyhow::Error::msg)?;
        let now = Listing::parse([answer.as_slice()])?;
        if let Some(Some(left)) = now.alive {
            bail!(
                "an enforcer gives signs of life: stop it first (`systemctl stop citywall-enforcer`, or Ctrl-C), \
                 then try again in {} seconds",
                left / 1_000_000_000 + 1
            );
        }
        refuse_foreign(&now)?;
        let was = !now.is_empty();
        if was {
            nft::transaction(&restore(&Listing::default(), &now)).map_err(anyhow::Error::msg)?;
        }
        nft::remove_queue().map_err(anyhow::Error::msg)?;
        for name in [PENDING, CANDIDATE, BEFORE, CONFIRMED, UNATTENDED] {
            self.remove(name)?;
        }
        Ok(was)
    }

    /// Loads what was confirmed last, before the network is up and before the enforcer is. No sign
    /// of life is given: zones have what the city chose for the time without an enforcer.
    ///
    /// # Errors
    /// Where the kernel says no.
    pub fn boot(&self) -> anyhow::Result<Boot> {
        self.remove(PENDING)?;
        self.remove(CANDIDATE)?;
        let Some(text) = self.read(CONFIRMED)? else {
            return Ok(Boot::Nothing);
        };
        let text = String::from_utf8(text).context("the confirmed wall is no text")?;
        if !nft::tables().map_err(anyhow::Error::msg)?.is_empty() {
            return Ok(Boot::There);
        }
        if text.contains("\ntable bridge ") {
            show_frames(Mode::Bridge)?;
        }
        let mut script = text;
        let unattended = self.read(UNATTENDED)?.is_some();
        if unattended {
            script.push_str(&heartbeat(None));
        }
        let loaded = load_at_boot(&script)?;
        // Until the enforcer is up nobody judges what is sent into a fail-closed zone.
        if !unattended
            && nft::fails_closed()
            && let Err(error) = nft::insert_queue()
        {
            log::error!(
                "commands pass unjudged until the enforcer is up, into fail-closed zones too: {error}"
            );
        }
        Ok(loaded)
    }
}

fn load_at_boot(script: &str) -> anyhow::Result<Boot> {
    let Err(error) = nft::transaction(script) else {
        return Ok(Boot::Loaded);
    };
    // Interfaces may not be there yet: the early drop is a gain in speed, not a rule.
    let later = without_ingress(script);
    if later == script {
        bail!(error);
    }
    nft::transaction(&later).map_err(anyhow::Error::msg)?;
    Ok(Boot::WithoutEarlyDrop)
}

/// What was loaded at boot.
#[derive(Debug, PartialEq, Eq)]
pub enum Boot {
    /// Nothing was ever confirmed.
    Nothing,
    /// There is a table already.
    There,
    /// The whole wall.
    Loaded,
    /// All but the chains of interfaces that are not there yet.
    WithoutEarlyDrop,
}

fn without_ingress(text: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        inside |= line.starts_with("\tchain early_");
        if !inside {
            out.push_str(line);
        }
        inside &= !line.starts_with("\t}");
    }
    out
}

fn refuse_foreign(now: &Listing) -> anyhow::Result<()> {
    if let Some(foreign) = now.not_ours() {
        bail!(
            "our table was changed by somebody else, who would lose it: {foreign}\n\
             take it out, or the whole table (`nft delete table inet citywall`), then try again"
        );
    }
    Ok(())
}

/// What an apply would change.
///
/// # Errors
/// Where nft does not answer.
pub fn plan(wall: &Wall) -> anyhow::Result<(Vec<Difference>, Listing)> {
    let answer = nft::tables().map_err(anyhow::Error::msg)?;
    let now = Listing::parse([answer.as_slice()])?;
    Ok((differences(wall, &now), now))
}

/// On a bridge the kernel must show IP packets to the `inet` table (br_netfilter).
///
/// # Errors
/// Where the kernel cannot.
pub fn show_frames(mode: Mode) -> anyhow::Result<()> {
    if mode != Mode::Bridge {
        return Ok(());
    }
    for name in ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"] {
        let path = format!("/proc/sys/net/bridge/{name}");
        fs::write(&path, "1").with_context(|| {
            format!("cannot write {path}: a bridge is filtered with br_netfilter; load it with `modprobe br_netfilter`, as root")
        })?;
    }
    Ok(())
}

/// Starts the watchdog and waits until it is on guard.
fn guard(folder: &Path, token: &str, within: Duration) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("cannot find the program itself for the watchdog")?;
    let mut child = Command::new(program)
        .args(["--quiet", "enforce", "--watchdog", token, "--within"])
        .arg(format!("{}ms", within.as_millis()))
        .arg("--state")
        .arg(folder)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start the watchdog")?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        let _ = BufReader::new(out).read_line(&mut line);
    }
    if line.trim() == ON_GUARD {
        return Ok(());
    }
    let _ = child.kill();
    let _ = child.wait();
    bail!("the watchdog did not start, so nothing was applied")
}

/// The watchdog: goes back at the end of the time, unless the apply with this token was confirmed
/// or taken back. It runs in a session of its own, so that it outlives a lost terminal, and it
/// measures time by a clock that nobody sets.
///
/// # Errors
/// Where going back did not work until the end.
pub fn watchdog(folder: &Path, token: &str, within: Duration) -> anyhow::Result<()> {
    let _ = rustix::process::setsid();
    let end = Instant::now() + within;
    // Without this a hang-up, a Ctrl-C or an asked end would take the guard away.
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    for signal in [
        signal_hook::consts::SIGHUP,
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGPIPE,
    ] {
        signal_hook::flag::register(signal, asked.clone())?;
    }
    // Confirmed or taken back is what is gone or another's. What cannot be read tells nothing.
    let waits = || match fs::read_to_string(folder.join(PENDING)) {
        Ok(text) => text.trim() == token,
        Err(error) => error.kind() != std::io::ErrorKind::NotFound || !folder.is_dir(),
    };
    let own = fs::read_to_string(folder.join(PENDING))
        .with_context(|| format!("cannot read {}", folder.join(PENDING).display()))?;
    if own.trim() != token {
        bail!("another apply waits in {}", folder.display());
    }
    {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{ON_GUARD}")?;
        out.flush()?;
    }
    while Instant::now() < end {
        if !waits() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100).min(end.saturating_duration_since(Instant::now())));
    }
    let mut last = None;
    for _ in 0..600 {
        if !waits() {
            return Ok(());
        }
        match Applied::open(folder).and_then(|applied| applied.rollback()) {
            Ok(_) => return Ok(()),
            Err(error) => last = Some(error),
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Err(last.unwrap_or_else(|| anyhow::anyhow!("could not go back")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ingress_chains_alone_are_left_out() {
        let text = "table inet citywall {\n\tchain early {\n\t\tdrop\n\t}\n\n\tchain early_eth0 {\n\t\tjump early\n\t}\n\n\tchain x {\n\t}\n}\n";
        let left = without_ingress(text);
        assert!(left.contains("chain early {") && left.contains("chain x {"));
        assert!(!left.contains("eth0"));
        assert_eq!(left.matches('{').count(), left.matches('}').count());
    }
}

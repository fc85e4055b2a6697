//! Which allow-list is in force.
//!
//! Owns: the signed form of a list, the checks before its first use, and the last good one, which goes on
//! where a new one is refused. Does not own: what it says (`citywall-behaviour`), signatures and serials
//! (`citywall-trust`).

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use citywall_behaviour::allow::AllowList;
use citywall_event::Nanos;
use citywall_trust::{Accept, Keyring, Payload, Purpose, Serials, Signed, Verified, files, limits};

use crate::config::Learning;

/// The highest serials that were seen, in the state directory.
pub const SERIALS: &str = "serials.json";
/// The last list that was believed, in the state directory.
pub const LAST_GOOD: &str = "last-good.allow-list";

/// A list that somebody stands for.
#[derive(Debug)]
pub struct Listed(pub AllowList);

impl Payload for Listed {
    const PURPOSE: Purpose = Purpose::AllowList;

    fn subject(&self) -> String {
        self.0.name.clone()
    }

    fn encode(&self) -> Vec<u8> {
        self.0.encode()
    }

    fn decode(bytes: &[u8]) -> Result<Listed, String> {
        AllowList::decode(bytes).map(Listed).map_err(|e| e.to_string())
    }
}

/// The machine's time: a signature has a time, packets do not tell it.
pub fn now() -> Nanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Nanos::try_from(since.as_nanos()).unwrap_or(Nanos::MAX)
}

/// The configured list, if it is to be believed; else the last good one.
///
/// # Errors
/// Where neither is.
pub fn in_force(learning: &Learning) -> anyhow::Result<Option<Arc<AllowList>>> {
    let (Some(list), Some(ring), Some(state)) = (&learning.allow_list, &learning.key_ring, &learning.state)
    else {
        return Ok(None);
    };
    let ring = files::load_keyring(ring).context("learning.key_ring")?;
    let serials = serials(state)?;
    let last_good = state.join(LAST_GOOD);
    let refused = match believe(list, &ring, &mut serials.clone()) {
        Ok((verified, bytes)) => {
            keep(state, &verified, &bytes, &serials, &ring)?;
            return Ok(Some(told(verified)));
        }
        Err(error) => error.context(format!("learning.allow_list: {}", list.display())),
    };
    if !last_good.exists() {
        return Err(refused);
    }
    match believe(&last_good, &ring, &mut serials.clone()) {
        Ok((verified, _)) => {
            log::error!("{refused:#}; the last good list goes on");
            Ok(Some(told(verified)))
        }
        Err(error) => bail!("{refused:#}; and the last good one is refused, too: {error:#}"),
    }
}

/// The highest serials that were seen.
///
/// # Errors
/// Where the memory is there and cannot be read: it must not count as an empty one.
pub fn serials(state: &Path) -> anyhow::Result<Serials> {
    files::load_serials(&state.join(SERIALS)).context("the state directory")
}

/// Reads and checks a list.
///
/// # Errors
/// The first reason not to believe it.
pub fn believe(
    path: &Path,
    ring: &Keyring,
    serials: &mut Serials,
) -> anyhow::Result<(Verified<Listed>, Vec<u8>)> {
    let bytes = read(path)?;
    let signed = Signed::<Listed>::parse(&bytes)?;
    let verified = signed.verify(ring, serials, Accept::NewOrSame, now())?;
    Ok((verified, bytes))
}

/// Reads a file as far as a signed one may go.
///
/// # Errors
/// Where it cannot be read.
pub fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    use std::io::Read as _;
    let cannot = || format!("cannot read {}", path.display());
    let file = std::fs::File::open(path).with_context(cannot)?;
    let mut bytes = Vec::new();
    let most = limits::FILE as u64 + 1;
    file.take(most).read_to_end(&mut bytes).with_context(cannot)?;
    Ok(bytes)
}

/// Remembers the serial, then the list. What cannot be remembered is not used: it could be replaced by an
/// older one unnoticed.
fn keep(
    state: &Path,
    verified: &Verified<Listed>,
    bytes: &[u8],
    before: &Serials,
    ring: &Keyring,
) -> anyhow::Result<()> {
    let statement = verified.statement();
    let known = before.highest(verified.signer().key, statement.purpose, &statement.subject);
    if known == Some(statement.serial) && state.join(LAST_GOOD).exists() {
        return Ok(());
    }
    std::fs::create_dir_all(state).with_context(|| format!("learning.state: {}", state.display()))?;
    let mut serials = before.clone();
    Signed::<Listed>::parse(bytes)?.verify(ring, &mut serials, Accept::NewOrSame, now())?;
    files::save_serials(&state.join(SERIALS), &serials).context("learning.state")?;
    files::replace(&state.join(LAST_GOOD), bytes).context("learning.state")?;
    Ok(())
}

fn told(verified: Verified<Listed>) -> Arc<AllowList> {
    let (allowed, proposed) = verified.value().0.counts();
    log::info!(
        "allow-list {} with serial {}, signed by {}: {allowed} habits allowed, {proposed} only proposed",
        verified.statement().subject,
        verified.statement().serial,
        verified.signer().name
    );
    Arc::new(verified.into_value().0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use citywall_trust::{KeyEntry, SigningKey};

    fn signed(serial: u64) -> (Keyring, Vec<u8>) {
        let key = SigningKey::from_seed(&[9; 32]).expect("a seed");
        let mut ring = Keyring::default();
        let entry = KeyEntry {
            name: "ada".to_owned(),
            principal: "Ada".to_owned(),
            public: key.public(),
            purposes: vec![Purpose::AllowList],
            revoked: None,
        };
        ring.add(entry).expect("one key");
        let list = AllowList {
            name: "site".to_owned(),
            slot: 1,
            ..AllowList::default()
        };
        let signed = Signed::sign(&Listed(list), serial, now(), None, &key).expect("signed");
        (ring, signed.to_json().into_bytes())
    }

    /// Any turned bit shows: in the form, the key, the times, the payload or the signature.
    #[test]
    fn ten_thousand_altered_lists_are_refused() {
        let (ring, bytes) = signed(1);
        let good = Signed::<Listed>::parse(&bytes).expect("whole");
        let verify =
            |signed: &Signed<Listed>| signed.verify(&ring, &mut Serials::default(), Accept::NewOrSame, now());
        assert!(verify(&good).is_ok());
        let mut tried = 0;
        for at in 0..bytes.len() {
            for with in 0..=255_u8 {
                // Every bit, then other bytes until there are enough; white space says nothing.
                let mut altered = bytes.clone();
                altered[at] ^= with;
                let blank = altered[at].is_ascii_whitespace();
                if with == 0 || blank || tried >= 10_000 && !with.is_power_of_two() {
                    continue;
                }
                tried += 1;
                let believed = Signed::<Listed>::parse(&altered)
                    .ok()
                    .map(|signed| verify(&signed));
                // Hexadecimal digits and JSON have one form each, so nothing else is the same file.
                assert!(
                    !matches!(believed, Some(Ok(_))),
                    "byte {at} turned by {with}: {}",
                    String::from_utf8_lossy(&altered)
                );
            }
        }
        assert!(tried >= 10_000, "{tried}");
    }

    #[test]
    fn an_older_serial_and_another_purpose_are_refused() {
        let (ring, newer) = signed(7);
        let (_, older) = signed(6);
        let mut serials = Serials::default();
        let mut verify = |bytes: &[u8]| {
            let signed = Signed::<Listed>::parse(bytes).expect("whole");
            signed
                .verify(&ring, &mut serials, Accept::NewOrSame, now())
                .map(|_| ())
        };
        assert!(verify(&newer).is_ok() && verify(&newer).is_ok());
        let refused = verify(&older).expect_err("older").to_string();
        assert!(refused.contains("serial 6"), "{refused}");
        let model = String::from_utf8(newer)
            .expect("JSON")
            .replace("allow-list", "model");
        assert!(verify(model.as_bytes()).is_err());
    }
}

//! `citywall learn train|sign|verify|show|rollback`: models from the first capture to their use.
//!
//! Owns: what a model is trained on and the manifest that says so, its signed form, the folder of those in
//! force and what went before them. Does not own: training (`citywall-behaviour`), signatures and serials
//! (`citywall-trust`).

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use citywall_behaviour::allow::{AllowWatch, WatchLimits};
use citywall_behaviour::{
    ConversationFeatures, Model, Normal, Off, PACKET_FEATURES, PacketFeatures, Party, Seen, Sent, Spoken,
    Warmth,
};
use citywall_capture::{FileLimits, Files as CaptureFiles};
use citywall_evaluation::sets::packets;
use citywall_event::{Body, Nanos};
use citywall_trust::{
    Accept, Keyring, Payload, Purpose, Serials, Signed, SigningKey, Verified, files, limits,
};
use clap::Args;
use sha2::{Digest, Sha256};

use crate::End;
use crate::allowed::now;
use crate::cli::Files;
use crate::command::Invalid;
use crate::pipeline::run;
use crate::settings::Settings;

/// Packets that an ensemble is trained on, at most.
const PACKETS: usize = 50_000;
/// Conversations that a habit is learned from, at most.
const CONVERSATIONS: usize = 2_000_000;
/// Sources and senders that features are kept of.
const SOURCES: usize = 4_096;
/// The class for devices that no other is for.
const ANY: &str = "any";
/// Models in force, at most.
const MODELS: usize = 256;
/// The highest serials that were seen, in the folder of models.
const SERIALS: &str = "serials.json";

/// A model that somebody stands for.
#[derive(Debug)]
pub struct Trained(pub Model);

impl Payload for Trained {
    const PURPOSE: Purpose = Purpose::Model;

    fn subject(&self) -> String {
        self.0.class.clone()
    }

    fn encode(&self) -> Vec<u8> {
        self.0.encode()
    }

    fn decode(bytes: &[u8]) -> Result<Trained, String> {
        Model::decode(bytes).map(Trained).map_err(|e| e.to_string())
    }
}

/// `citywall learn train`.
#[derive(Args, Clone, Debug)]
pub struct TrainArgs {
    /// A capture, or a folder with captures (repeatable). All that is in them is taken as normal.
    #[arg(long, value_name = "DIR|PCAP", required = true)]
    from: Vec<PathBuf>,
    /// The devices that it is for: a zone of the city file, or `any`.
    #[arg(long, value_name = "CLASS")]
    class: String,
    /// The city file: with it, and a zone as class, only what that zone's devices do teaches.
    #[arg(long, value_name = "FILE")]
    city: Option<PathBuf>,
    /// An allow-list, signed or not: how often what is normal deviates from it becomes part of the model.
    #[arg(long, value_name = "FILE")]
    allow_list: Option<PathBuf>,
    /// Seed of the training.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Where the model goes; it is not signed yet.
    #[arg(long, value_name = "FILE")]
    pub(super) out: PathBuf,
}

/// `citywall learn sign`.
#[derive(Args, Clone, Debug)]
pub struct SignArgs {
    /// The model.
    model: PathBuf,
    /// The private key's file.
    #[arg(long, value_name = "KEY")]
    key: PathBuf,
    /// Counts models of a class; one that is lower than the last is refused [default: the time in seconds].
    #[arg(long, value_name = "N")]
    serial: Option<u64>,
    /// Where the signed model goes.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// `citywall learn verify`.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// The signed model.
    file: PathBuf,
    /// Whose signatures count.
    #[arg(long, value_name = "FILE")]
    key_ring: PathBuf,
    /// The class that it must be for.
    #[arg(long, value_name = "CLASS")]
    class: String,
    /// Put it in force in this folder; what was in force there is kept for `rollback`.
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
}

/// `citywall learn rollback`.
#[derive(Args, Clone, Debug)]
pub struct RollbackArgs {
    /// The folder of models.
    #[arg(long, value_name = "DIR")]
    models: PathBuf,
    /// The class.
    #[arg(long, value_name = "CLASS")]
    class: String,
    /// Nothing goes backward: the model before is signed anew with this key.
    #[arg(long, value_name = "KEY")]
    key: PathBuf,
    /// Whose signatures count.
    #[arg(long, value_name = "FILE")]
    key_ring: PathBuf,
}

pub(super) fn train(args: &TrainArgs) -> anyhow::Result<End> {
    let mut paths = Vec::new();
    for from in &args.from {
        if from.is_dir() {
            let list = std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))?;
            paths.extend(list.flatten().map(|e| e.path()).filter(|p| is_capture(p)));
        } else {
            paths.push(from.clone());
        }
    }
    paths.sort();
    if paths.is_empty() {
        return Err(Invalid("--from: there is no capture".into()).into());
    }
    let manifest = manifest(&paths)?;
    let model = learn(&paths, manifest, args).map_err(|e| Invalid(format!("{e:#}")))?;
    let bytes = model.encode();
    std::fs::write(&args.out, &bytes).with_context(|| format!("cannot write {}", args.out.display()))?;
    outln!("{}: {}", args.out.display(), summary(&model, &bytes));
    Ok(End::Done)
}

fn is_capture(path: &Path) -> bool {
    let name = path
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    path.is_file() && (name.contains(".pcap") || name.ends_with(".cap"))
}

/// One line a file: SHA-256, bytes, name. The folder does not count.
fn manifest(paths: &[PathBuf]) -> anyhow::Result<String> {
    let mut lines = Vec::new();
    for path in paths {
        let mut file =
            std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut hasher = HashWriter(Sha256::new());
        let size = std::io::copy(&mut file, &mut hasher)?;
        let digest: String = hasher.0.finalize().iter().map(|b| format!("{b:02x}")).collect();
        let name = path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        lines.push(format!("{digest} {size} {name}\n"));
    }
    lines.sort();
    Ok(lines.concat())
}

struct HashWriter(Sha256);

impl std::io::Write for HashWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Each capture by itself: features do not reach from one into the next.
fn learn(paths: &[PathBuf], manifest: String, args: &TrainArgs) -> anyhow::Result<Model> {
    let files = Files {
        city: args.city.clone(),
        ..Files::default()
    };
    let mut settings = Settings::load(&files, None, None, None)?;
    let mut list = None;
    if let Some(path) = &args.allow_list {
        let held = super::allow_list::read(path)?;
        list = Some(AllowWatch::new(held.clone(), WatchLimits::default()));
        settings.allowed = Some(Arc::new(held));
    }
    let settings = Arc::new(settings);
    let context = &settings.context;
    let zoned = args.city.is_some() && args.class != ANY;
    let is_of = |ip: IpAddr, mac| {
        let zone = context.locate(Some(ip), mac).zone;
        !zoned || zone.is_some() && context.zone_name(zone) == args.class
    };
    let mut conversations: Vec<Spoken> = Vec::new();
    let mut rows: Vec<Sent> = Vec::new();
    let mut deviations = Vec::new();
    for (capture, path) in (0..).zip(paths) {
        let mut source = CaptureFiles::open(std::slice::from_ref(path), FileLimits::default())?;
        let mut features = ConversationFeatures::new(SOURCES);
        run::events(&mut source, &settings, &mut |event| {
            if let Some(list) = &mut list
                && let Some(found) = list.observe(event, context)
                && let Some(who) = event.subject.src_ip
            {
                deviations.push(Off {
                    capture,
                    at: event.at,
                    who,
                    score: found.score,
                });
            }
            if let Body::Flow(flow) = &event.body
                && let Some(seen) = Seen::of(event, flow)
                && is_of(seen.src, event.subject.src_mac)
                && conversations.len() < CONVERSATIONS
            {
                conversations.push(Spoken::of(capture, &seen, &mut features));
            }
        })?;
        let mut features = PacketFeatures::new(SOURCES);
        let mut warmth = Warmth::new(SOURCES);
        // Even with what others send: it is part of what devices' channels look like.
        for packet in packets::read_first(path, PACKETS - rows.len())?
            .into_iter()
            .flatten()
        {
            let mut row = [0.0; PACKET_FEATURES];
            features.observe(&packet.seen, &mut row);
            let who = match packet.seen.from.0 {
                Party::Ip(ip) => Some(ip),
                Party::Mac(_) => None,
            };
            if who.is_none_or(|ip| is_of(ip, Some(packet.seen.card))) {
                let at = packet.seen.at;
                let who = who.filter(|ip| warmth.is_warm(*ip, at));
                rows.push(Sent {
                    capture,
                    at,
                    who,
                    row,
                });
            }
        }
    }
    let normal = Normal {
        conversations: &conversations,
        packets: &rows,
        deviations: list.is_some().then_some(&deviations),
    };
    Ok(Model::train(&args.class, manifest, args.seed, &normal)?)
}

pub(super) fn summary(model: &Model, bytes: &[u8]) -> String {
    let digest: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
    let has = |part: bool| if part { "with" } else { "without" };
    format!(
        "class {}, {} conversations, {} packets, {} windows, {} rates, seed {}, {} bytes, sha256 {digest}",
        model.class,
        model.habit.seen(),
        has(model.packets.is_some()),
        has(model.windows.is_some()),
        has(model.rates.is_some()),
        model.seed,
        bytes.len()
    )
}

/// A file of at most what a signed file may have.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let size = std::fs::metadata(path)
        .with_context(|| format!("cannot read {}", path.display()))?
        .len();
    if size > limits::FILE as u64 {
        bail!(
            "{} has {size} bytes; a model has at most {}",
            path.display(),
            limits::FILE
        );
    }
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

pub(super) fn sign(args: &SignArgs) -> anyhow::Result<End> {
    let model =
        Model::decode(&read(&args.model)?).map_err(|e| Invalid(format!("{}: {e}", args.model.display())))?;
    let key = files::load_key(&args.key).map_err(|e| Invalid(e.to_string()))?;
    let serial = args
        .serial
        .unwrap_or_else(|| now().div_euclid(1_000_000_000).unsigned_abs());
    let text = signed(&Trained(model), serial, &key)?;
    files::replace(&args.out, text.as_bytes())?;
    outln!(
        "{}: signed by key {}, serial {serial}",
        args.out.display(),
        key.public().id().hex()
    );
    Ok(End::Done)
}

fn signed(model: &Trained, serial: u64, key: &SigningKey) -> anyhow::Result<String> {
    let signed = Signed::sign(model, serial, now(), None, key)?;
    Ok(format!("{}\n", signed.to_json().trim_end()))
}

/// Checks a signed model: signature, purpose, time, class, serial. Nothing in it is used before that.
///
/// # Errors
/// The first reason not to believe it.
pub fn believe(
    bytes: &[u8],
    class: &str,
    ring: &Keyring,
    serials: &mut Serials,
    now: Nanos,
) -> anyhow::Result<Verified<Trained>> {
    let signed = Signed::<Trained>::parse(bytes)?;
    let found = &signed.envelope().claims().0.subject;
    if found != class {
        bail!("it is for class {found:?}, not {class:?}");
    }
    Ok(signed.verify(ring, serials, Accept::NewOrSame, now)?)
}

/// The models of a folder that are to be believed. Where one is not, the one of its class in `running` goes
/// on; where there is none, nothing is held against it.
pub fn in_force(folder: &Path, ring: &Path, running: &Arc<[Model]>) -> Arc<[Model]> {
    match load(folder, ring, running) {
        Ok(models) => models.into(),
        Err(error) => {
            log::error!("learning.models: {error:#}; the models in force go on");
            Arc::clone(running)
        }
    }
}

fn load(folder: &Path, ring: &Path, running: &[Model]) -> anyhow::Result<Vec<Model>> {
    let ring = files::load_keyring(ring)?;
    let serials = files::load_serials(&folder.join(SERIALS))?;
    let list = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = list.flatten().map(|e| e.path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "model"));
    paths.sort();
    let mut models = Vec::new();
    for path in paths.iter().take(MODELS) {
        let class = path
            .file_stem()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        let believed =
            read(path).and_then(|bytes| believe(&bytes, &class, &ring, &mut serials.clone(), now()));
        match believed {
            Ok(verified) => models.push(verified.into_value().0),
            Err(error) => {
                log::error!("{}: REFUSED: {error:#}", path.display());
                models.extend(running.iter().find(|m| m.class == class).cloned());
            }
        }
    }
    Ok(models)
}

/// The model in force, and the one before it.
fn places(models: &Path, class: &str) -> anyhow::Result<[PathBuf; 2]> {
    let plain = class
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
    if class.is_empty() || !plain {
        return Err(Invalid(format!("class {class:?}: use letters, digits, - and _")).into());
    }
    Ok([
        models.join(format!("{class}.model")),
        models.join(format!("{class}.before")),
    ])
}

/// Puts a verified model in force. The serials are written first: after a crash the new one still counts.
fn install(models: &Path, class: &str, bytes: &[u8], serials: &Serials) -> anyhow::Result<()> {
    let [place, before] = places(models, class)?;
    files::save_serials(&models.join(SERIALS), serials)?;
    if let Ok(old) = read(&place)
        && old != bytes
    {
        files::replace(&before, &old)?;
    }
    files::replace(&place, bytes)?;
    Ok(())
}

pub(super) fn verify(args: &VerifyArgs) -> anyhow::Result<End> {
    let ring = files::load_keyring(&args.key_ring).map_err(|e| Invalid(e.to_string()))?;
    let mut serials = match &args.models {
        Some(models) => files::load_serials(&models.join(SERIALS))?,
        None => Serials::default(),
    };
    let bytes = read(&args.file)?;
    match believe(&bytes, &args.class, &ring, &mut serials, now()) {
        Ok(verified) => {
            if let Some(models) = &args.models {
                install(models, &args.class, &bytes, &serials)?;
            }
            let model = &verified.value().0;
            let who = &verified.signer().name;
            outln!(
                "{}: signed by {who}; {}",
                args.file.display(),
                summary(model, &model.encode())
            );
            Ok(End::Done)
        }
        Err(error) => {
            errln!(
                "citywall: {}: REFUSED: {error:#}; what is in force goes on",
                args.file.display()
            );
            Ok(End::Failed)
        }
    }
}

pub(super) fn rollback(args: &RollbackArgs) -> anyhow::Result<End> {
    let [place, before] = places(&args.models, &args.class)?;
    let ring = files::load_keyring(&args.key_ring).map_err(|e| Invalid(e.to_string()))?;
    let key = files::load_key(&args.key).map_err(|e| Invalid(e.to_string()))?;
    let mut serials = files::load_serials(&args.models.join(SERIALS))?;
    let old = read(&before).map_err(|e| Invalid(format!("there is nothing to go back to: {e:#}")))?;
    // It was believed once; its serial is lower by now.
    let old = Signed::<Trained>::parse(&old)?
        .verify_without_serial(&ring, now())?
        .into_value();
    let current = Signed::<Trained>::parse(&read(&place)?)?;
    let highest = current.envelope().claims().0.serial;
    let known = serials
        .highest(key.public().id(), Purpose::Model, &args.class)
        .unwrap_or(0);
    let text = signed(&old, highest.max(known) + 1, &key)?;
    believe(text.as_bytes(), &args.class, &ring, &mut serials, now())?;
    install(&args.models, &args.class, text.as_bytes(), &serials)?;
    outln!(
        "{}: back to {}",
        place.display(),
        summary(&old.0, &old.0.encode())
    );
    Ok(End::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use citywall_behaviour::{Conversation, NUMBERS, Outcome, SplitMix64};
    use citywall_trust::KeyEntry;

    fn model(class: &str) -> Model {
        let conversations: Vec<Spoken> = (0..100)
            .map(|i| Spoken {
                capture: 0,
                at: i * 60_000_000_000,
                who: IpAddr::from([10, 0, 0, 1]),
                bytes: 600,
                features: Conversation {
                    service: 6 << 16 | 502,
                    outcome: Outcome::Answered,
                    numbers: [(i % 9) as f64; NUMBERS.len()],
                },
            })
            .collect();
        let normal = Normal {
            conversations: &conversations,
            ..Normal::default()
        };
        Model::train(class, "made for a test\n".to_owned(), 1, &normal).expect("enough")
    }

    fn ring(key: &SigningKey) -> Keyring {
        let mut ring = Keyring::default();
        ring.add(KeyEntry {
            name: "ada".into(),
            principal: "Ada".into(),
            public: key.public(),
            purposes: vec![Purpose::Model],
            revoked: None,
        })
        .expect("one key");
        ring
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32]).expect("a key")
    }

    #[test]
    fn ten_thousand_altered_models_are_refused() {
        let (key, now) = (key(1), now());
        let ring = ring(&key);
        let good = signed(&Trained(model("pumps")), 5, &key)
            .expect("signed")
            .into_bytes();
        let mut serials = Serials::default();
        believe(&good, "pumps", &ring, &mut serials, now).expect("unaltered");
        let running = serials.clone();
        let mut random = SplitMix64::new(11);
        let mut tried = 0;
        while tried < 10_000 {
            let mut bytes = good.clone();
            let at = random.below(bytes.len() - 1);
            match tried % 4 {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes.truncate(at),
                2 => bytes.insert(at, b'A' + random.below(26) as u8),
                _ => {
                    let other = random.below(bytes.len() - 1);
                    bytes.swap(at, other);
                }
            }
            if bytes == good {
                continue;
            }
            tried += 1;
            // Space between the members of the JSON is not signed: what is read then is the same model.
            if let Ok(verified) = believe(&bytes, "pumps", &ring, &mut serials, now) {
                assert_eq!(
                    verified.value().0,
                    model("pumps"),
                    "{}",
                    String::from_utf8_lossy(&bytes)
                );
                panic!("an altered file was believed, though it says the same");
            }
            assert_eq!(serials, running);
        }
    }

    #[test]
    fn unsigned_foreign_older_and_other_classes_are_refused() {
        let (ours, theirs, now) = (key(1), key(2), now());
        let ring = ring(&ours);
        let mut serials = Serials::default();
        let of = |class: &str, serial, key: &SigningKey| {
            signed(&Trained(model(class)), serial, key).expect("signed")
        };
        let mut try_one =
            |text: &str| believe(text.as_bytes(), "pumps", &ring, &mut serials, now).map(|_| ());
        assert!(try_one(&of("pumps", 5, &ours)).is_ok());
        assert!(try_one(&of("pumps", 4, &ours)).is_err());
        assert!(try_one(&of("lamps", 6, &ours)).is_err());
        assert!(try_one(&of("pumps", 6, &theirs)).is_err());
        let unsigned = model("pumps").encode();
        assert!(believe(&unsigned, "pumps", &ring, &mut Serials::default(), now).is_err());
        let mut try_one =
            |text: &str| believe(text.as_bytes(), "pumps", &ring, &mut serials, now).map(|_| ());
        assert!(try_one(&of("pumps", 6, &ours)).is_ok());
    }
}

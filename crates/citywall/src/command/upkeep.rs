//! What a run rests on, and what it takes of the disk, for the console.
//!
//! Owns: looking it up when somebody asks. Does not own: how it is shown (`citywall-console`).

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use citywall_console::{Disk, Forecasts, Foreseen, Habit, Rests, Standing, Taken, Upkeep};

use crate::cli::WatchArgs;
use crate::packets::{FOLDER, Kept};
use crate::pipeline::run::Shared;
use crate::settings::Settings;

/// Files of a folder that are looked at.
const MOST: usize = 65_536;

/// A live run, or a replay, as it stands.
pub struct Run {
    shared: Arc<Shared>,
    files: crate::cli::Files,
    out: Option<PathBuf>,
    kept: Option<Box<dyn Fn() -> Kept + Send + Sync>>,
    /// What the kernel dropped; `u64::MAX`: nobody counts.
    drops: Arc<AtomicU64>,
    foreseen: Forecasts,
}

impl Run {
    /// Of these arguments. `kept` tells how the ring of packets fares, `drops` what the kernel dropped,
    /// `foreseen` what models expected.
    pub fn new(
        args: &WatchArgs,
        shared: Arc<Shared>,
        kept: Option<Box<dyn Fn() -> Kept + Send + Sync>>,
        drops: Arc<AtomicU64>,
        foreseen: Forecasts,
    ) -> Run {
        Run {
            shared,
            files: args.files.clone(),
            out: args.out.clone(),
            kept,
            drops,
            foreseen,
        }
    }

    fn rests(&self, settings: &Settings) -> Vec<Rests> {
        let learning = &settings.config.learning;
        let mut all = Vec::new();
        let mut add = |kind, path: Option<&Path>, name: &str, entries: Option<usize>, refused: usize| {
            all.push(Rests {
                kind,
                name: path.map_or_else(|| name.to_owned(), |path| path.display().to_string()),
                changed: path.and_then(changed),
                entries: entries.map(|n| n as u64),
                refused: refused as u64,
            });
        };
        if let Some(city) = &settings.city {
            add(
                "city",
                self.files.city.as_deref(),
                &city.name,
                Some(city.assets.len()),
                0,
            );
        }
        let rules = Some(settings.rules.len());
        let refused = settings.refused.len();
        match self.files.rules.as_slice() {
            [] => add("rules", None, "", rules, refused),
            // All files are one book.
            [first, rest @ ..] => {
                add("rules", Some(first), "", rules, refused);
                rest.iter().for_each(|file| add("rules", Some(file), "", None, 0));
            }
        }
        let makers = &settings.config.inventory.makers;
        add(
            "makers",
            Some(makers).filter(|path| path.is_file()).map(PathBuf::as_path),
            "",
            None,
            0,
        );
        if let Some(list) = &settings.allowed {
            let (allowed, _) = list.counts();
            add(
                "allow-list",
                learning.allow_list.as_deref(),
                &list.name,
                Some(allowed),
                0,
            );
        }
        let folder = learning.models.as_deref().and_then(changed);
        all.extend(settings.models.iter().map(|model| Rests {
            kind: "model",
            name: model.class.clone(),
            changed: folder,
            entries: None,
            refused: 0,
        }));
        all
    }

    fn disk(&self, settings: &Settings) -> Option<Disk> {
        let out = self.out.as_deref()?;
        let events = bytes(out, &|name| {
            name.starts_with("eve.json") || name == "summary.json"
        });
        let taken = |kind, bytes, counted| Taken { kind, bytes, counted };
        Some(Disk {
            budget: settings.config.events.disk.0,
            parts: vec![
                taken("events", events, true),
                taken("packets", bytes(&out.join(FOLDER), &|_| true), true),
                taken("console", deep(&out.join("console"), 4), false),
            ],
        })
    }
}

impl Upkeep for Run {
    fn now(&self) -> Standing {
        let settings = self.shared.get();
        let drops = self.drops.load(Ordering::Relaxed);
        Standing {
            files: self.rests(&settings),
            disk: self.disk(&settings),
            kernel_drops: (drops != u64::MAX).then_some(drops),
            packets_given_up: self.kept.as_ref().map(|kept| kept().shed),
        }
    }

    fn foreseen(&self) -> Vec<Foreseen> {
        self.foreseen.now()
    }

    fn habits(&self, name: &str, addresses: &[IpAddr]) -> Option<Vec<Habit>> {
        let settings = self.shared.get();
        let list = settings.allowed.as_ref()?;
        let own = list.of_device(name, addresses).into_iter();
        Some(own.map(|(text, doubt)| Habit { text, doubt }).collect())
    }
}

/// When a file was last changed, seconds since 1970.
fn changed(path: &Path) -> Option<u64> {
    let time = std::fs::metadata(path).ok()?.modified().ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// Bytes of a folder's files whose names are wanted.
fn bytes(folder: &Path, wanted: &dyn Fn(&str) -> bool) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let files = entries.take(MOST).flatten();
    let files = files.filter(|entry| entry.file_name().to_str().is_some_and(wanted));
    let sizes = files.filter_map(|entry| entry.metadata().ok().filter(|meta| meta.is_file()));
    sizes.map(|meta| meta.len()).sum()
}

/// Bytes of a folder and the folders in it, so many deep.
fn deep(folder: &Path, depth: usize) -> u64 {
    let own = bytes(folder, &|_| true);
    let Some(depth) = depth.checked_sub(1) else {
        return own;
    };
    let Ok(entries) = std::fs::read_dir(folder) else {
        return own;
    };
    let folders = entries.take(MOST).flatten().map(|entry| entry.path());
    own + folders
        .filter(|path| path.is_dir())
        .map(|path| deep(&path, depth))
        .sum::<u64>()
}

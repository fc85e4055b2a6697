//! Use is learned, or held against what was learned.
//!
//! Owns: which of the two, and the file in which learning goes on after a restart. Does not own: what is
//! learned (`citywall-behaviour`), and which list is in force (`allowed`).

use std::path::PathBuf;
use std::sync::Arc;

use citywall_behaviour::allow::{AllowLearner, AllowLimits, AllowList, AllowWatch, WatchLimits};
use citywall_event::{Behaviour, Context, Event, Nanos};

use crate::settings::Settings;

/// Days that are learned from before a list is signed.
pub const DAYS: i64 = 7;
/// What was learned, in the state directory.
pub const LEARNED: &str = "learning.json";

const DAY: Nanos = 86_400_000_000_000;
const HOUR: Nanos = 3_600_000_000_000;

/// What is done with use.
pub enum Use {
    /// Nothing.
    Ignored,
    /// It is learned.
    Learned(Box<Learning>),
    /// It is held against a list.
    Held(Arc<AllowList>, Box<AllowWatch>),
}

/// Learning, and where it is kept.
pub struct Learning {
    learner: AllowLearner,
    file: PathBuf,
    saved: Option<Nanos>,
    day: i64,
}

impl Use {
    /// As the settings have it.
    pub fn new(settings: &Settings) -> Use {
        if let Some(list) = &settings.allowed {
            let watch = AllowWatch::new((**list).clone(), WatchLimits::default());
            return Use::Held(Arc::clone(list), Box::new(watch));
        }
        match &settings.config.learning.state {
            Some(state) if settings.learns => Use::Learned(Box::new(Learning::begin(state.join(LEARNED)))),
            _ => Use::Ignored,
        }
    }

    /// Takes new settings.
    pub fn reload(&mut self, settings: &Settings) {
        match (&mut *self, &settings.allowed) {
            (Use::Held(list, watch), Some(new)) if **list == **new => watch.reload(),
            // What is learned goes on; nothing in it depends on the city file but names.
            (Use::Learned(_), None) if settings.learns => {}
            _ => {
                self.finish();
                *self = Use::new(settings);
            }
        }
    }

    /// Takes one event.
    pub fn observe(&mut self, event: &Event, context: &Context) -> Option<Behaviour> {
        match self {
            Use::Ignored => None,
            Use::Learned(learning) => {
                learning.learner.observe(event, context);
                None
            }
            Use::Held(_, watch) => watch.observe(event, context),
        }
    }

    /// A border of packet time.
    pub fn tick(&mut self, at: Nanos) {
        let Use::Learned(learning) = self else { return };
        let saved = *learning.saved.get_or_insert(at);
        if at - saved >= HOUR {
            learning.saved = Some(at);
            learning.save();
        }
        let day = learning.day();
        if day != learning.day {
            learning.day = day;
            log::info!("{}", learning.words());
        }
    }

    /// The input is over.
    pub fn finish(&mut self) {
        if let Use::Learned(learning) = self {
            learning.save();
        }
    }

    /// How far learning is, for the screen.
    pub fn words(&self) -> Option<String> {
        match self {
            Use::Ignored => None,
            Use::Learned(learning) => Some(learning.words()),
            Use::Held(list, watch) => Some(format!(
                "held against the signed list {}: {} habits of {} devices; {} contacts and commands of others \
                 were not judged",
                list.name,
                list.counts().0,
                list.devices.len(),
                watch.abstained()
            )),
        }
    }

    /// What was forgotten, and what was not told.
    pub fn counters(&self) -> Option<[(&'static str, u64); 2]> {
        match self {
            Use::Ignored => None,
            Use::Learned(learning) => Some([
                ("habits_forgotten", learning.learner.left_out()),
                ("deviations_held_back", 0),
            ]),
            Use::Held(_, watch) => Some([
                ("habits_forgotten", watch.forgotten()),
                ("deviations_held_back", watch.held_back()),
            ]),
        }
    }
}

impl Learning {
    fn begin(file: PathBuf) -> Learning {
        let limits = AllowLimits::default();
        let learner = match std::fs::read(&file) {
            Ok(bytes) => AllowLearner::load(&bytes, limits).unwrap_or_else(|error| {
                log::error!("{}: {error}; learning begins anew", file.display());
                AllowLearner::new(limits)
            }),
            Err(_) => AllowLearner::new(limits),
        };
        Learning {
            learner,
            file,
            saved: None,
            day: 0,
        }
    }

    /// The day of learning, from 1.
    fn day(&self) -> i64 {
        let (first, last) = self.learner.span().unwrap_or_default();
        (last - first) / DAY + 1
    }

    fn words(&self) -> String {
        match self.day() {
            day if day <= DAYS => format!(
                "learning, day {day} of {DAYS}: until a list is signed limits are static, and nothing that \
                 is learned acts"
            ),
            _ => format!(
                "learned for {DAYS} days: make a list of {}, read it and sign it (citywall learn allow-list \
                 --help)",
                self.file.display()
            ),
        }
    }

    fn save(&self) {
        let made = self.file.parent().map_or(Ok(()), std::fs::create_dir_all);
        let bytes = self.learner.save();
        let kept = made
            .map_err(|e| e.to_string())
            .and_then(|()| citywall_trust::files::replace(&self.file, &bytes).map_err(|e| e.to_string()));
        if let Err(error) = kept {
            log::error!("what was learned is not kept: {error}");
        }
    }
}

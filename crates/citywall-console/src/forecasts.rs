//! What was held against forecasts, kept over the end of a run.
//!
//! Owns: the hours of the last week by class, their file, and joining them with what a run tells. Does not own:
//! forecasts and what they are held against (`citywall-behaviour`), how they are drawn (`web::traffic`).
//!
//! A run knows the hours that it saw itself. Those of the runs before come from the file, but only once this run has
//! told its first hour: until then nobody knows which week is the last one, or which classes have a model in force.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::accounts::{AccountError, write_private};
use crate::upkeep::{Foreseen, ForeseenHour};

/// The file's name.
const NAME: &str = "forecasts.json";
/// Its version.
const VERSION: u32 = 1;
/// Longest file that is read: so many classes and hours take less.
const FILE: u64 = 4 << 20;
/// Hours of a class that are kept beside the one under way: a week.
const HOURS: i64 = 168;

/// Hours that are over, by class.
type Hours = BTreeMap<String, BTreeMap<i64, ForeseenHour>>;

/// The file.
#[derive(Deserialize, Serialize)]
struct Kept {
    version: u32,
    classes: BTreeMap<String, Vec<ForeseenHour>>,
}

#[derive(Default)]
struct State {
    /// Of earlier runs and of this one.
    over: Hours,
    /// What is told.
    now: Vec<Foreseen>,
}

/// What models expected, as it is told and kept. Cheap to clone.
#[derive(Clone, Default)]
pub struct Forecasts {
    file: Option<PathBuf>,
    state: Arc<Mutex<State>>,
    /// Held while the file is written, and that somebody waits to write it.
    writing: Arc<(Mutex<()>, AtomicBool)>,
}

impl Forecasts {
    /// With what the folder's file has, where there is one. A file that cannot be read is told of and goes: what
    /// was expected last week is no reason not to start.
    pub fn open(folder: &Path) -> Forecasts {
        let file = folder.join(NAME);
        let over = read(&file).unwrap_or_else(|error| {
            log::warn!("what was held against forecasts before is not shown: {error}");
            Hours::new()
        });
        Forecasts {
            file: Some(file),
            state: Arc::new(Mutex::new(State {
                over,
                now: Vec::new(),
            })),
            writing: Arc::default(),
        }
    }

    /// What a run knows now. It does not wait for the disk.
    pub fn tell(&self, mut now: Vec<Foreseen>) {
        let mut state = self.state();
        // Classes without a model in force are told of no more.
        let known = |class: &String| now.iter().any(|told| told.class == *class);
        state.over.retain(|class, _| known(class));
        let mut news = false;
        for told in &mut now {
            news |= join(state.over.entry(told.class.clone()).or_default(), told);
        }
        state.now = now;
        drop(state);
        if news {
            self.keep();
        }
    }

    /// All that is known.
    pub fn now(&self) -> Vec<Foreseen> {
        self.state().now.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the file, on a thread of its own: who tells is the pipeline, and must not wait.
    fn keep(&self) {
        if self.file.is_none() {
            return;
        }
        let own = self.clone();
        let thread = std::thread::Builder::new().name("console-hours".into());
        if let Err(error) = thread.spawn(move || own.write()) {
            log::warn!("what was held against forecasts is not kept: {error}");
        }
    }

    /// Writes the file. However slow the disk is, one writes and one waits.
    fn write(&self) {
        let Some(file) = self
            .file
            .as_deref()
            .filter(|_| !self.writing.1.swap(true, Ordering::AcqRel))
        else {
            return;
        };
        let _writing = self.writing.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What is told from here on is written by the next one.
        self.writing.1.store(false, Ordering::Release);
        let classes = self.state().over.clone().into_iter();
        let kept = Kept {
            version: VERSION,
            classes: classes
                .map(|(class, hours)| (class, hours.into_values().collect()))
                .collect(),
        };
        let written = serde_json::to_vec(&kept)
            .map_err(|error| error.to_string())
            .and_then(|bytes| write_private(file, &bytes).map_err(|error| error.to_string()));
        if let Err(error) = written {
            log::warn!("what was held against forecasts is not kept: {error}");
        }
    }
}

/// Adds the hours that a run has held to those that are known, and gives the run's class all of the last week. True
/// where there are new ones.
fn join(over: &mut BTreeMap<i64, ForeseenHour>, told: &mut Foreseen) -> bool {
    let Some(last) = told.hours.last().map(|hour| hour.hour) else {
        return false;
    };
    let mut news = false;
    for hour in told.hours.iter().filter(|hour| hour.bytes.is_some()) {
        news |= over.insert(hour.hour, *hour).is_none();
    }
    // Clocks may have been wrong in either direction.
    over.retain(|hour, _| (last.saturating_sub(HOURS)..=last).contains(hour));
    let under_way = told.hours.iter().filter(|hour| hour.bytes.is_none());
    let under_way = under_way.filter(|hour| !over.contains_key(&hour.hour));
    told.hours = over.values().chain(under_way).copied().collect();
    told.hours.sort_by_key(|hour| hour.hour);
    news
}

fn read(file: &Path) -> Result<Hours, AccountError> {
    let Ok(meta) = std::fs::metadata(file) else {
        return Ok(Hours::new());
    };
    let wrong = |error: String| AccountError::Form {
        file: file.display().to_string(),
        error,
    };
    if meta.len() > FILE {
        return Err(wrong("it is too long".into()));
    }
    let text = std::fs::read_to_string(file).map_err(|e| wrong(e.to_string()))?;
    let kept: Kept = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
    if kept.version != VERSION {
        return Err(wrong(format!(
            "it has version {}; this program reads version {VERSION}",
            kept.version
        )));
    }
    let classes = kept.classes.into_iter().take(Foreseen::MOST);
    let hours = |list: Vec<ForeseenHour>| {
        let over = list.into_iter().filter(|hour| hour.bytes.is_some());
        over.take(HOURS as usize + 1)
            .map(|hour| (hour.hour, hour))
            .collect()
    };
    Ok(classes.map(|(class, list)| (class, hours(list))).collect())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use expect_test::{Expect, expect};

    use super::*;

    fn told(class: &str, hours: &[(i64, Option<u64>)]) -> Foreseen {
        let hour = |(hour, bytes): &(i64, Option<u64>)| ForeseenHour {
            hour: *hour,
            low: 1,
            high: 9,
            bytes: *bytes,
        };
        Foreseen {
            class: class.to_owned(),
            hours: hours.iter().map(hour).collect(),
            drift: None,
        }
    }

    fn check(forecasts: &Forecasts, expected: Expect) {
        let mut text = String::new();
        for class in forecasts.now() {
            let hour = |h: &ForeseenHour| match h.bytes {
                Some(bytes) => format!("{}={bytes}", h.hour),
                None => format!("{}=?", h.hour),
            };
            let hours: Vec<String> = class.hours.iter().map(hour).collect();
            text.push_str(&format!("{}: {}\n", class.class, hours.join(" ")));
        }
        expected.assert_eq(&text);
    }

    /// What the file holds, once it holds this.
    fn written(folder: &Path, text: &str) {
        let end = Instant::now() + Duration::from_secs(10);
        while !std::fs::read_to_string(folder.join(NAME)).is_ok_and(|kept| kept.contains(text)) {
            assert!(Instant::now() < end, "{text} was not written");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_run_goes_on_from_what_the_one_before_held() {
        let folder = std::env::temp_dir().join(format!("citywall-forecasts-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let first = Forecasts::open(&folder);
        first.tell(vec![
            told("any", &[(100, Some(5)), (101, None)]),
            told("pumps", &[(101, None)]),
        ]);
        first.tell(vec![
            told("any", &[(100, Some(5)), (101, Some(20)), (102, None)]),
            told("pumps", &[(101, Some(3)), (102, None)]),
        ]);
        check(
            &first,
            expect![[r#"
                any: 100=5 101=20 102=?
                pumps: 101=3 102=?
            "#]],
        );
        written(&folder, r#""hour":101,"low":1,"high":9,"bytes":3"#);

        // Nothing until the first hour is known; then the week, with a gap where nobody watched. What has no model
        // any more goes.
        let second = Forecasts::open(&folder);
        check(&second, expect![""]);
        second.tell(vec![told("any", &[(104, None)])]);
        check(
            &second,
            expect![[r#"
                any: 100=5 101=20 104=?
            "#]],
        );
        // Other models, read anew, have held nothing yet.
        second.tell(vec![told("any", &[(104, Some(7)), (105, None)])]);
        second.tell(vec![told("any", &[(106, None)])]);
        check(
            &second,
            expect![[r#"
                any: 100=5 101=20 104=7 106=?
            "#]],
        );
        // A week is all.
        second.tell(vec![told("any", &[(270, None)])]);
        check(
            &second,
            expect![[r#"
                any: 104=7 270=?
            "#]],
        );
        nothing_is_written(&second);
        std::fs::write(folder.join(NAME), r#"{"version":2,"classes":{}}"#).unwrap();
        let third = Forecasts::open(&folder);
        third.tell(vec![told("any", &[(270, None)])]);
        check(
            &third,
            expect![[r#"
                any: 270=?
            "#]],
        );
        nothing_is_written(&third);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    /// Waits for the threads that write; each holds a clone.
    fn nothing_is_written(forecasts: &Forecasts) {
        for _ in 0..2_000 {
            if Arc::strong_count(&forecasts.writing) == 1 {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        panic!("still writing after 10 s");
    }
}

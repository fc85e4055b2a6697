//! What the binary does when the range starts it again: inside the namespaces, and as a device.
//!
//! Owns: the hidden commands, and that nothing outlives the one who asked for it. Does not own: how
//! a scenario is played (`judge`).

use std::io::{BufRead, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{RangeError, Result, file};
use crate::scenario::Variant;
use crate::{attack, device, judge, training};

/// What is to be done inside.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The binary.
    pub program: PathBuf,
    /// Where all of the run's files go.
    pub folder: PathBuf,
    /// The scenario's name.
    pub scenario: String,
    /// Which of the three ways.
    pub variant: Variant,
    /// What the city is drawn from.
    pub seed: u64,
    /// The rules that the product brings along.
    pub rules: String,
    /// For people, until they end it.
    pub training: Option<training::Lesson>,
}

/// Lines from the inside to the outside.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
pub(crate) enum Told {
    /// How far it is.
    Progress { text: String },
    /// What came of it.
    Outcome { outcome: Box<judge::Played> },
    /// Why there is no outcome.
    Failed { text: String },
}

/// Tells the outside something.
pub(crate) fn tell(told: &Told) {
    if let Ok(mut text) = serde_json::to_vec(told) {
        text.push(b'\n');
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(&text).and_then(|()| out.flush());
    }
}

/// `citywall range-device KIND FILE`.
///
/// # Errors
/// What kept it from being what it was to be.
pub fn range_device(kind: &str, spec: &Path) -> Result<()> {
    let ready = || {
        println!("ready");
        let _ = std::io::stdout().flush();
    };
    match kind {
        "host" => {
            end_with_the_asker();
            device::run(spec, ready)
        }
        "attack" => attack::run(spec, ready, || {
            let _ = std::io::stdin().lock().read_line(&mut String::new());
        }),
        "inside" => inside(spec),
        other => Err(RangeError::Command {
            command: format!("range-device {other}"),
            said: "no such kind; this command is the range's own".to_owned(),
        }),
    }
}

/// Plays one job as the first process of its namespaces: when it ends, all of them end.
///
/// # Errors
/// Where the job's file is not the range's.
pub fn inside(path: &Path) -> Result<()> {
    let text = std::fs::read(path).map_err(file(path))?;
    let job: Job = serde_json::from_slice(&text).map_err(|error| RangeError::Form {
        what: path.display().to_string(),
        error,
    })?;
    if let Some(lesson) = &job.training {
        return training::inside(&job, lesson);
    }
    end_with_the_asker();
    match judge::play(&job) {
        Ok(outcome) => tell(&Told::Outcome {
            outcome: Box::new(outcome),
        }),
        Err(error) => tell(&Told::Failed {
            text: error.to_string(),
        }),
    }
    Ok(())
}

/// Ends this process as soon as nobody holds the other end of its standard input.
fn end_with_the_asker() {
    std::thread::spawn(|| {
        let mut buffer = [0; 64];
        loop {
            match std::io::stdin().lock().read(&mut buffer) {
                Ok(0) => std::process::exit(1),
                Err(error) if error.kind() != std::io::ErrorKind::Interrupted => std::process::exit(1),
                _ => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    });
}

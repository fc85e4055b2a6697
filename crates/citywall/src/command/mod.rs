//! One file a command.

pub mod actions;
pub mod check;
pub mod commands;
pub mod console;
pub mod doctor;
pub mod enforce;
mod evidence;
pub mod keys;
pub mod learn;
pub mod log;
pub mod playbook;
pub mod policy;
pub mod range;
pub mod rehearse;
pub mod serve;
pub mod service;
pub mod upkeep;
pub mod watch;

use std::path::PathBuf;
use std::sync::Arc;

use citywall_capture::{Damage, FileLimits, Files as CaptureFiles};
use citywall_event::Event;

use crate::End;
use crate::pipeline::run::events;
use crate::settings::Settings;

/// Hears all events of captures, as the workers tell them; then says which captures were damaged.
///
/// # Errors
/// Where a capture cannot be read.
pub fn replay_events(
    captures: &[PathBuf],
    settings: &Arc<Settings>,
    hear: &mut dyn FnMut(&Event),
) -> anyhow::Result<End> {
    let mut source = CaptureFiles::open(captures, FileLimits::default())?;
    let damage = events(&mut source, settings, hear)?;
    Ok(tell_damage(&damage))
}

/// Says on standard error where inputs ended early.
fn tell_damage(damage: &[Damage]) -> End {
    for damage in damage {
        errln!(
            "citywall: {}: {} at byte {}",
            damage.file,
            damage.what,
            damage.offset
        );
    }
    if damage.is_empty() {
        End::Done
    } else {
        End::Damaged
    }
}

/// A file or option that the user gave is invalid: exit code 2.
#[derive(Debug)]
pub struct Invalid(pub String);

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}

//! `citywall learn allow-list train`: captures, a log, or a state directory in; a list out.
//!
//! Owns: the sources. Does not own: what is learned.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use citywall_behaviour::allow::{AllowDoubt, AllowLearner, AllowLimits, AllowList};
use citywall_event::{Event, Order};
use citywall_inventory::Inventory;
use clap::Args;

use crate::End;
use crate::cli::Files;
use crate::command::log::replay_log;
use crate::command::{Invalid, replay_events};
use crate::pipeline::learning::LEARNED;
use crate::settings::Settings;

/// `citywall learn allow-list train`.
#[derive(Args, Clone, Debug)]
pub struct TrainArgs {
    /// A capture, the --out folder of a run, or a state directory (repeatable; one after the other in time).
    #[arg(long, value_name = "FILE|DIR", required = true)]
    from: Vec<PathBuf>,
    /// The city file.
    #[arg(long, value_name = "FILE")]
    city: Option<PathBuf>,
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Of which site the list is [default: the city's name].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Length of a slot of time: what is done in one slot alone is only proposed.
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    slot: u32,
    /// Slots in which something was done before it is learned.
    #[arg(long, value_name = "N", default_value_t = 2)]
    slots: u32,
    /// Devices that did it, where there are identical ones.
    #[arg(long, value_name = "N", default_value_t = 2)]
    devices: usize,
    /// Where the list goes [default: only its sentences, on the screen].
    #[arg(long, value_name = "FILE")]
    pub(in crate::command::learn) out: Option<PathBuf>,
}

pub(super) fn run(args: &TrainArgs) -> anyhow::Result<End> {
    let given = Files {
        city: args.city.clone(),
        config: args.config.clone(),
        rules: Vec::new(),
    };
    let mut settings = Settings::load(&given, None, None, None).map_err(|e| Invalid(format!("{e:#}")))?;
    settings.learns = true;
    let settings = Arc::new(settings);
    let limits = AllowLimits {
        slot: i64::from(args.slot) * 1_000_000_000,
        ..AllowLimits::default()
    };
    let mut learner = AllowLearner::new(limits);
    let mut end = End::Done;
    let captures: Vec<PathBuf> = args.from.iter().filter(|p| !p.is_dir()).cloned().collect();
    for folder in args.from.iter().filter(|p| p.is_dir()) {
        end = from_folder(folder, &settings, &mut learner, limits)?;
    }
    if !captures.is_empty() {
        end = from_captures(&captures, &settings, &mut learner)?;
    }
    if learner.left_out() > 0 {
        errln!("citywall: {} times a device found no room", learner.left_out());
    }
    let city = settings.city.as_ref().map_or("site", |city| city.name.as_str());
    let doubt = AllowDoubt {
        slots: args.slots,
        devices: args.devices,
    };
    let list = learner.propose(args.name.as_deref().unwrap_or(city), doubt);
    tell(args, &list)?;
    Ok(end)
}

fn tell(args: &TrainArgs, list: &AllowList) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut screen = std::io::stdout().lock();
    let Some(out) = &args.out else {
        // A reader that went away (`| head`) is no failure.
        let _ = write!(screen, "{}", list.sentences());
        return Ok(());
    };
    let bytes = list.encode();
    AllowList::decode(&bytes).context("the list cannot be kept")?;
    citywall_trust::files::replace(out, &bytes)?;
    let (allowed, proposed) = list.counts();
    let _ = writeln!(
        screen,
        "{}: {allowed} habits of {} devices learned, {proposed} only proposed. Read it (citywall learn \
         allow-list show), accept what is right, and sign it.",
        out.display(),
        list.devices.len()
    );
    Ok(())
}

/// Learns from captures, with what the inventory concludes of the devices.
pub(super) fn from_captures(
    captures: &[PathBuf],
    settings: &Arc<Settings>,
    learner: &mut AllowLearner,
) -> anyhow::Result<End> {
    let context = &settings.context;
    let limits = citywall_inventory::Limits::default();
    let mut inventory = Inventory::new(limits, settings.makers.clone());
    let mut last = Order::default();
    let end = replay_events(captures, settings, &mut |event| {
        last = last.max(event.order);
        inventory.observe(event, context);
        learner.observe(event, context);
    })?;
    inventory.finish(last.at, context);
    for (subject, body) in inventory.drain_changes() {
        let event = Event {
            order: last,
            at: last.at,
            subject,
            app_proto: None,
            body,
        };
        learner.observe(&event, context);
    }
    Ok(end)
}

fn from_folder(
    folder: &Path,
    settings: &Settings,
    learner: &mut AllowLearner,
    limits: AllowLimits,
) -> anyhow::Result<End> {
    let kept = folder.join(LEARNED);
    if kept.is_file() {
        let bytes = std::fs::read(&kept).with_context(|| kept.display().to_string())?;
        let earlier = AllowLearner::load(&bytes, limits);
        let mut earlier = earlier.map_err(|e| Invalid(format!("{}: {e}", kept.display())))?;
        // Slots of two lengths do not add up.
        if !earlier.same_slots(learner) {
            let text = format!(
                "{}: it was learned in slots of another length; say --slot",
                kept.display()
            );
            return Err(Invalid(text).into());
        }
        std::mem::swap(learner, &mut earlier);
        learner.join(&earlier);
        return Ok(End::Done);
    }
    replay_log(folder, &mut |event| learner.observe(event, &settings.context))
}

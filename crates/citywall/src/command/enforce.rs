//! `citywall enforce`: the city file as a firewall, tried, confirmed, taken back; and the enforcer.
//!
//! Owns: the options and what people are told. Does not own: the wall (`citywall_response::firewall`),
//! the way back (`crate::enforcer::applied`), the enforcer (`crate::enforcer::serve`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use citywall_event::Prefix;
use citywall_policy::City;
use citywall_response::firewall::{Deployment, Mode, Wall};
use serde_json::json;

use super::Invalid;
use super::serve::{self, Place, ServeArgs};
use crate::End;
use crate::enforcer::applied::{self, Applied, Boot, Done};
use crate::enforcer::{nft, own};
use crate::output::story::plural;
use crate::screen;

/// Where what was in force before is remembered: root's, apart from what the sensor's user owns, as
/// what lies here is loaded at the next start.
const STATE: &str = "/var/lib/citywall-firewall";

/// `citywall enforce`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct EnforceArgs {
    /// Print what would change in the kernel, line by line; change nothing.
    #[arg(long, group = "what")]
    dry_run: bool,
    /// Put the city file in force. What was before comes back by itself unless it is confirmed.
    #[arg(long, group = "what")]
    apply: bool,
    /// Keep what was applied.
    #[arg(long, group = "what")]
    confirm: bool,
    /// Go back to what was before the last apply.
    #[arg(long, group = "what")]
    rollback: bool,
    /// Take the whole wall away: our tables, the queue rule, and what is loaded at the next start. The
    /// enforcer must be stopped; what each zone chose for the time without one ends with this.
    #[arg(long, group = "what")]
    remove: bool,
    /// At the start of the machine: load what was confirmed last.
    #[arg(long, group = "what")]
    boot: bool,
    /// Go back at the end of the time.
    #[arg(long, hide = true, group = "what", value_name = "TOKEN")]
    watchdog: Option<String>,
    /// The city file.
    #[arg(long, value_name = "FILE")]
    city: Option<PathBuf>,
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The machine is a router between the zones (the default); interfaces where what is cut off is
    /// dropped before anything else looks at it.
    #[arg(long, value_name = "INTERFACE", num_args = 0.., conflicts_with = "bridge")]
    routed: Option<Vec<String>>,
    /// The machine is a bridge in the wire; its ports are where what is cut off is dropped first.
    #[arg(long, value_name = "BRIDGE")]
    bridge: Option<String>,
    /// A network from which this machine is managed: no measure cuts it off (repeatable).
    #[arg(long, value_name = "NETWORK")]
    management: Vec<String>,
    /// Lines a second that the kernel's log is told about what the policy denies; 0 is none.
    #[arg(long, value_name = "N", default_value_t = 5)]
    log: u32,
    /// How long --apply waits for --confirm: 30s, 5m.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    within: Duration,
    /// The folder that remembers what was in force before.
    #[arg(long, value_name = "DIR", default_value = STATE)]
    state: PathBuf,
    /// Print for machines.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    serve: ServeArgs,
}

const EXAMPLES: &str = "Examples:
  citywall enforce --dry-run --city city.toml
      what would change
  sudo citywall enforce --apply --city city.toml --within 2m
      in force for two minutes; if you are locked out, wait
  sudo citywall enforce --confirm
      you are not: keep it
  sudo citywall enforce --rollback
      back to what was before
  sudo citywall enforce --remove
      the enforcer is stopped: take the wall away

Only our own tables (inet citywall, bridge citywall) are touched. A reboot before --confirm is a
refusal. Zones whose when_down is not last-good need the enforcer (--serve) once it has run: with it
dead or stopped they are open or closed, and commands into fail-closed zones stop. What was allowed
before goes on in each case.";

fn time(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number
        .parse()
        .map_err(|_| "write a number and a unit: 60s, 5m, 1500ms".to_owned())?;
    let span = match unit {
        "ms" => Duration::from_millis(number),
        "s" | "" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.saturating_mul(60)),
        _ => return Err(format!("{unit:?} is no unit: ms, s or m")),
    };
    if span.is_zero() || span > Duration::from_secs(86_400) {
        return Err("between 1ms and 1440m".to_owned());
    }
    Ok(span)
}

/// Runs the command.
///
/// # Errors
/// Where a file is invalid, a right is missing, or the kernel says no.
pub fn run(args: &EnforceArgs) -> anyhow::Result<End> {
    if args.serve.serve {
        let city = args
            .city
            .as_deref()
            .ok_or_else(|| Invalid("--serve needs --city FILE".into()))?;
        let place = Place {
            city,
            config: args.config.as_deref(),
            mode: if args.bridge.is_some() {
                Mode::Bridge
            } else {
                Mode::Routed
            },
            ingress: match &args.bridge {
                Some(bridge) => ports(bridge)?,
                None => args.routed.clone().unwrap_or_default(),
            },
            management: management(args)?,
            log_per_second: args.log,
        };
        return serve::run(&args.serve, place);
    }
    if let Some(token) = &args.watchdog {
        applied::watchdog(&args.state, token, args.within)?;
        return Ok(End::Done);
    }
    if args.confirm {
        Applied::open(&args.state)?.confirm()?;
        return tell(
            args,
            "confirmed",
            "confirmed: this is what is loaded at the next start, too",
        );
    }
    if args.rollback {
        let done = Applied::open(&args.state)?.rollback()?;
        let text = if done {
            "what was in force before the last apply is in force again"
        } else {
            "there is nothing to go back to: nothing was changed"
        };
        return tell(args, if done { "rolled-back" } else { "nothing" }, text);
    }
    if args.remove {
        let was = Applied::open(&args.state)?.remove_all()?;
        let text = if was {
            "the wall is gone: nothing of ours stands in the kernel, and nothing is loaded at the next start"
        } else {
            "there was no wall: nothing of ours stands in the kernel"
        };
        return tell(args, if was { "removed" } else { "nothing" }, text);
    }
    if args.boot {
        return boot(args);
    }
    if args.apply {
        return apply(args);
    }
    if args.dry_run {
        return dry_run(args);
    }
    Err(Invalid(
        "say what to do: --dry-run, --apply, --confirm, --rollback, --remove, --boot or --serve".into(),
    )
    .into())
}

fn tell(args: &EnforceArgs, state: &str, text: &str) -> anyhow::Result<End> {
    if args.json {
        outln!("{}", json!({ "state": state }));
    } else {
        outln!("{text}");
    }
    Ok(End::Done)
}

/// The wall that the arguments ask for.
fn wall(args: &EnforceArgs) -> anyhow::Result<(Wall, Mode)> {
    let path = args
        .city
        .as_deref()
        .ok_or_else(|| Invalid("name the city file with --city FILE".into()))?;
    let city = read_city(path)?;
    let mode = if args.bridge.is_some() {
        Mode::Bridge
    } else {
        Mode::Routed
    };
    let ingress = match &args.bridge {
        Some(bridge) => ports(bridge)?,
        None => args.routed.clone().unwrap_or_default(),
    };
    let at = Deployment {
        mode,
        ingress,
        own: own::addresses(),
        management: management(args)?,
        log_per_second: args.log,
        log_group: None,
        syn_proxy: nft::has_syn_proxy(),
    };
    at.check()
        .map_err(|e| Invalid(format!("--routed, --bridge: {e}")))?;
    Ok((Wall::new(&city.compile().0, &at), mode))
}

fn read_city(path: &Path) -> anyhow::Result<City> {
    let text = std::fs::read_to_string(path).map_err(|e| Invalid(format!("{}: {e}", path.display())))?;
    City::parse(&text, &path.display().to_string()).map_err(|errors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Invalid(all.join("\n")).into()
    })
}

/// The interfaces of a bridge, sorted.
fn ports(bridge: &str) -> anyhow::Result<Vec<String>> {
    let folder = Path::new("/sys/class/net").join(bridge).join("brif");
    let entries = std::fs::read_dir(&folder).map_err(|e| {
        Invalid(format!(
            "--bridge {bridge}: {}: {e}; name a bridge: see `ip link show type bridge`",
            folder.display()
        ))
    })?;
    let name = |entry: std::io::Result<std::fs::DirEntry>| Some(entry.ok()?.file_name().to_str()?.to_owned());
    let mut names: Vec<String> = entries.filter_map(name).collect();
    names.sort();
    Ok(names)
}

fn management(args: &EnforceArgs) -> anyhow::Result<Vec<Prefix>> {
    args.management.iter().map(|text| network(text)).collect()
}

fn network(text: &str) -> anyhow::Result<Prefix> {
    let (ip, length) = text.split_once('/').unwrap_or((text, ""));
    let ip: Option<std::net::IpAddr> = ip.parse().ok();
    let length = match length {
        "" => ip.map(|ip| if ip.is_ipv4() { 32 } else { 128 }),
        length => length.parse().ok(),
    };
    ip.zip(length)
        .and_then(|(ip, length)| Prefix::new(ip, length))
        .ok_or_else(|| {
            Invalid(format!(
                "--management {text}: no network; write 10.9.0.0/24, with no bits after the prefix"
            ))
            .into()
        })
}

fn dry_run(args: &EnforceArgs) -> anyhow::Result<End> {
    let (wall, _) = wall(args)?;
    let (differences, now) = applied::plan(&wall)?;
    if args.json {
        let told = json!({
            "changes": differences,
            "held": now.held.len(),
            "blocked": now.blocked,
            "not_ours": now.not_ours(),
        });
        outln!("{told}");
        return Ok(End::Done);
    }
    for difference in &differences {
        screen::out(format_args!("{difference}"));
    }
    if differences.is_empty() {
        outln!("nothing would change: the kernel holds what the city file says");
    } else {
        let lines: usize = differences.iter().map(|d| d.added.len() + d.removed.len()).sum();
        outln!(
            "{}, {}; {} in force stay in force",
            plural(
                differences.len() as u64,
                "place would change",
                "places would change"
            ),
            plural(lines as u64, "line", "lines"),
            plural(now.held.len() as u64, "measure", "measures"),
        );
    }
    Ok(End::Done)
}

fn apply(args: &EnforceArgs) -> anyhow::Result<End> {
    let (wall, mode) = wall(args)?;
    let applied = Applied::open(&args.state)?;
    applied::show_frames(mode)?;
    match applied.apply(&wall, args.within).context("nothing was applied")? {
        Done::Nothing => tell(
            args,
            "nothing",
            "the kernel holds this already: nothing was changed",
        ),
        Done::Waits => {
            let state = if args.state == Path::new(STATE) {
                String::new()
            } else {
                format!(" --state {}", args.state.display())
            };
            let text = format!(
                "in force. Unless you say `citywall enforce --confirm{state}` within {:?}, what was before comes back by itself",
                args.within
            );
            tell(args, "waits", &text)
        }
    }
}

fn boot(args: &EnforceArgs) -> anyhow::Result<End> {
    let (state, text) = match Applied::open(&args.state)?.boot()? {
        Boot::Nothing => ("nothing", "no wall was ever confirmed: nothing was loaded"),
        Boot::There => ("there", "there is a wall already: nothing was loaded"),
        Boot::Loaded => ("loaded", "the wall that was confirmed last is in force"),
        Boot::WithoutEarlyDrop => (
            "loaded-without-early-drop",
            "the wall that was confirmed last is in force, but for the early drop: an interface is not there yet",
        ),
    };
    tell(args, state, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(time("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(time("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(time("1500ms"), Ok(Duration::from_millis(1500)));
        assert!(time("0").is_err() && time("1h").is_err() && time("9999m").is_err() && time("").is_err());
    }
}

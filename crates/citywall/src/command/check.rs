//! `citywall check`: validates the files and explains them, touching nothing.

use serde_json::json;

use crate::End;
use crate::cli::CheckArgs;
use crate::enforcer::confine::confine_reader;
use crate::settings::Settings;

/// Refused rules that are named on the page.
const SHOWN: usize = 40;

/// Runs the command.
///
/// # Errors
/// Never: what is wrong is printed, and the exit code says so.
pub fn run(args: &CheckArgs) -> anyhow::Result<End> {
    confine_reader(None)?;
    let settings = match Settings::load(&args.files, None, None, None) {
        Ok(settings) => settings,
        Err(error) => {
            if args.json {
                outln!(
                    "{}",
                    json!({ "valid": false, "errors": format!("{error:#}").lines().collect::<Vec<_>>() })
                );
            } else {
                errln!("{error:#}");
            }
            return Ok(End::Usage);
        }
    };
    let findings: Vec<String> = settings
        .city
        .as_ref()
        .map(|city| {
            city.check_at(Some(now()))
                .iter()
                .map(ToString::to_string)
                .collect()
        })
        .unwrap_or_default();
    let refused: Vec<String> = settings.refused.iter().map(ToString::to_string).collect();
    if args.json {
        let report = json!({
            "valid": refused.is_empty(),
            "zones": settings.context.zones().len(),
            "assets": settings.context.assets().len(),
            "rules": settings.rules.len(),
            "rules_refused": refused,
            "findings": findings,
        });
        outln!("{report}");
    } else {
        explain(&settings);
        for finding in &findings {
            outln!("  warning: {finding}");
        }
        outln!(
            "Rules: {} loaded, {} refused",
            settings.rules.len(),
            refused.len()
        );
        for line in refused.iter().take(SHOWN) {
            outln!("  {line}");
        }
        if refused.len() > SHOWN {
            outln!("  and {} more: --json tells all", refused.len() - SHOWN);
        }
    }
    // `watch` runs the others; who asks wants to know that these do not run.
    Ok(if refused.is_empty() { End::Done } else { End::Usage })
}

/// For windows that are over.
fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(now.unwrap_or_default().as_nanos()).unwrap_or(i64::MAX)
}

fn explain(settings: &Settings) {
    let context = &settings.context;
    match &settings.city {
        Some(city) => outln!(
            "City: {}, {} zones, {} assets, {} services",
            city.name,
            context.zones().len(),
            context.assets().len(),
            context.services().len()
        ),
        None => outln!("City: none given (--city FILE); everything would be allowed"),
    }
    for zone in context.zones() {
        outln!(
            "  zone {} ({}, {}){}",
            zone.name,
            zone.domain,
            zone.criticality.name(),
            if zone.isolated { ", isolated" } else { "" }
        );
    }
    let config = &settings.config;
    outln!(
        "Limits: {} flows, {} MB of stream memory, {} MB for eve.json",
        config.limits.flows,
        config.limits.stream_memory.0 >> 20,
        config.events.disk.0 >> 20
    );
}

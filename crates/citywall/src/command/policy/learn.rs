//! `citywall policy learn`: traffic in, a proposal out.
//!
//! Owns: the two sources (captures, a run's log). Does not own: what is proposed, and from which events
//! (`citywall-policy`), and the signed form (`docs/spec/proposal.md`).

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use citywall_console::PolicyProposal;
use citywall_event::Nanos;
use citywall_policy::{Doubt, Listener, Proposal, Told};
use citywall_trust::{Signed, files};
use serde_json::{Value, json};

use super::LearnArgs;
use crate::End;
use crate::cli::Files;
use crate::command::log::replay_log;
use crate::command::{Invalid, replay_events};
use crate::settings::Settings;

pub(super) fn run(args: &LearnArgs) -> anyhow::Result<End> {
    let given = Files {
        city: args.city.clone(),
        config: args.config.clone(),
        rules: Vec::new(),
    };
    let settings = Settings::load(&given, None, None, None).map_err(|e| Invalid(format!("{e:#}")))?;
    let settings = Arc::new(settings);
    let mut listener = Listener::default();
    let end = match &args.from {
        Some(folder) => replay_log(folder, &mut |event| listener.event(event))?,
        None => replay_events(&args.pcap, &settings, &mut |event| listener.event(event))?,
    };
    if listener.left_out() > 0 {
        errln!(
            "citywall: {} commands found no room and were not learned",
            listener.left_out()
        );
    }
    let doubt = Doubt {
        once: args.once,
        lone: args.lone,
        ..Doubt::default()
    };
    let proposal = listener.propose(settings.city.as_ref(), doubt);
    if let Some(out) = &args.out {
        let name = settings.city.as_ref().map_or("proposed", |city| &city.name);
        let bytes = match &args.sign {
            Some(key) => sign(name, &proposal, key)?,
            None => proposal.toml.clone(),
        };
        std::fs::write(out, bytes).with_context(|| out.display().to_string())?;
    }
    tell(args, &proposal);
    Ok(end)
}

fn sign(city: &str, proposal: &Proposal, key: &std::path::Path) -> anyhow::Result<String> {
    let key = files::load_key(key)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let payload = PolicyProposal {
        city: city.to_owned(),
        toml: proposal.toml.clone(),
        base: None,
        people: Vec::new(),
    };
    let at = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
    Ok(Signed::sign(&payload, now.as_secs(), at, None, &key)?.to_json() + "\n")
}

fn tell(args: &LearnArgs, proposal: &Proposal) {
    use std::io::Write as _;
    let mut screen = std::io::stdout().lock();
    let (conduits, doubtful) = (proposal.conduits.len(), proposal.doubtful.len());
    let _ = if args.json {
        writeln!(screen, "{:#}", to_json(proposal))
    } else if let Some(out) = &args.out {
        let signed = if args.sign.is_some() { ", signed" } else { "" };
        writeln!(
            screen,
            "{}{signed}: {conduits} conduits and {} zones proposed, {doubtful} doubtful. Read it before you use it.",
            out.display(),
            proposal.zones.len()
        )
    } else {
        write!(screen, "{}", proposal.toml)
    };
}

fn to_json(proposal: &Proposal) -> Value {
    let told = |t: &Told| {
        json!({
            "from": t.from, "to": t.to, "allow": t.allow, "times": t.seen.times,
            "devices_from": t.devices.0, "devices_to": t.devices.1,
            "first": utc(t.seen.first), "last": utc(t.seen.last), "note": t.note.english(),
        })
    };
    let zone = |(name, network, hint): &(String, String, String)| json!({ "name": name, "network": network, "hint": hint });
    let asset = |(name, address): &(String, String)| json!({ "name": name, "address": address });
    json!({
        "conduits": proposal.conduits.iter().map(told).collect::<Vec<_>>(),
        "doubtful": proposal.doubtful.iter().map(told).collect::<Vec<_>>(),
        "zones": proposal.zones.iter().map(zone).collect::<Vec<_>>(),
        "assets": proposal.assets.iter().map(asset).collect::<Vec<_>>(),
        "allowed_already": proposal.allowed,
        "unanswered": proposal.unanswered,
        "left_out": proposal.untold,
        "toml": proposal.toml,
    })
}

fn utc(at: Nanos) -> String {
    let mut text = Vec::new();
    citywall_event::json::time(&mut text, at);
    String::from_utf8_lossy(&text).into_owned()
}

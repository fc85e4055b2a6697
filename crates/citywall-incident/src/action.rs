//! What would be done about an incident: the least that stops it.
//!
//! Owns: the ladder of least harm as proposals, and whom nothing is proposed against. Does not own:
//! approval, doing and undoing, which are the response's.
//!
//! The ladder: `observe`, `notify`, `deny-command`, `limit-rate`, `deny-conduit`, `quarantine`,
//! `isolate`. Nothing beyond `notify` is proposed against safety assets, gateways, resolvers, time
//! and DHCP servers, management hosts and sensors. What no conduit allows can be denied without
//! harm, so that is proposed before anything that touches permitted work.

use citywall_event::{Action, Context, Criticality, OUTSIDE};

use crate::evidence::Seat;
use crate::incident::Incident;

/// Proposals for one incident at most.
const PROPOSALS: usize = 16;

/// What is to be proposed now and was not yet.
pub(crate) fn propose(incident: &mut Incident, context: &Context) -> Vec<Action> {
    let mut wanted: Vec<(&'static str, String, String)> = Vec::new();
    let Some(source) = incident.actors.first().cloned() else {
        return Vec::new();
    };
    if incident.severity > 2 {
        let why = "not enough to act on: watch it and see who it speaks with";
        wanted.push(("observe", source.name.clone(), why.to_owned()));
    } else {
        let why = format!("{} must know", department(incident, context));
        wanted.push(("notify", incident.number.clone(), why));
    }
    for victim in incident
        .victims
        .iter()
        .filter(|v| incident.taken.contains(&v.party))
    {
        let why = "others know its password: change it, and see what else it opens";
        wanted.push(("notify", victim.name.clone(), why.to_owned()));
    }
    for actor in &incident.actors {
        against(incident, actor, context, &mut wanted);
    }
    let mut actions = Vec::new();
    for (kind, target, reason) in wanted {
        let known = incident.proposed.iter().any(|(k, t)| *k == kind && *t == target);
        if known || incident.proposed.len() >= PROPOSALS {
            continue;
        }
        incident.proposed.push((kind, target.clone()));
        actions.push(Action {
            incident: incident.number.clone(),
            kind,
            status: "proposed",
            target,
            reason,
            ..Action::default()
        });
    }
    actions
}

/// The rungs against one suspect.
fn against(
    incident: &Incident,
    actor: &Seat,
    context: &Context,
    wanted: &mut Vec<(&'static str, String, String)>,
) {
    if incident.severity > 2 || context.is_empty() {
        return;
    }
    if let Some(guard) = guard(actor) {
        let why = format!(
            "{guard}: nothing is done to {} but to tell its people",
            actor.name
        );
        wanted.push(("notify", format!("those who run {}", actor.name), why));
        return;
    }
    let is_source = incident.actors.first().is_some_and(|s| s.party == actor.party);
    if is_source && !incident.changed.is_empty() {
        for zone in changed_zones(incident, context) {
            let target = format!("changing commands from {} to zone {zone}", actor.name);
            let why = "no conduit allows them, so denying them stops no permitted work";
            wanted.push(("deny-command", target, why.to_owned()));
        }
    }
    for zone in reached_zones(incident, actor, context) {
        let target = format!("{} to {zone}", actor.name);
        let why = "no conduit allows it, so denying it stops no permitted work";
        wanted.push(("deny-conduit", target, why.to_owned()));
    }
    let taken = incident.taken.contains(&actor.party);
    if !taken || actor.place.zone.is_none() {
        return;
    }
    if actor.criticality == Criticality::Normal {
        let why = "it was taken over and acts on its own; it is of normal criticality, and its update and \
                   address services stay reachable";
        wanted.push(("quarantine", actor.name.clone(), why.to_owned()));
    } else {
        let why = "it was taken over, but the city notices when it stops: limit it and let its people decide";
        wanted.push(("limit-rate", actor.name.clone(), why.to_owned()));
    }
}

/// Why nothing is done against somebody.
fn guard(actor: &Seat) -> Option<&'static str> {
    if actor.infrastructure {
        return Some("everything else needs it");
    }
    if actor.criticality == Criticality::Safety {
        return Some("people can come to harm when it stops");
    }
    None
}

fn changed_zones<'a>(incident: &Incident, context: &'a Context) -> Vec<&'a str> {
    let changed = incident
        .victims
        .iter()
        .filter(|v| incident.changed.contains(&v.party));
    unique(changed.map(|v| context.zone_name(v.place.zone)))
}

fn reached_zones(incident: &Incident, actor: &Seat, context: &Context) -> Vec<String> {
    let crossed = incident.reached.iter().filter(|(party, _)| *party == actor.party);
    crossed
        .map(|(_, zone)| match zone {
            Some(_) => format!("zone {}", context.zone_name(*zone)),
            None => OUTSIDE.to_owned(),
        })
        .collect()
}

fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut unique = Vec::new();
    for name in names {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    unique
}

/// Whose matter it is: the domains of those to whom it was done.
fn department(incident: &Incident, context: &Context) -> String {
    let zones = incident
        .victims
        .iter()
        .filter_map(|v| context.zone(v.place.zone?));
    let domains = unique(zones.map(|z| z.domain.as_str()));
    match domains.is_empty() {
        true => "the city's security team".to_owned(),
        false => format!("the people of {}", domains.join(" and ")),
    }
}

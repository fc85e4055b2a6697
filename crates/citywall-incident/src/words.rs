//! The title of an incident: one line for somebody who has never read a packet.
//!
//! Owns: the sentences. Does not own: the facts.

use citywall_event::Context;

use crate::evidence::{Kind, Party, Seat};
use crate::incident::Incident;

/// The title as the facts stand.
pub(crate) fn title(incident: &Incident, context: &Context) -> String {
    let Some(source) = incident.actors.first() else {
        return "Something happened".to_owned();
    };
    let who = suspect(incident, source);
    if !incident.changed.is_empty() {
        let what = list(&named(&incident.victims, &incident.changed));
        return match incident.has(Kind::Change) {
            true => format!("{who} changed {what} without permission"),
            false => format!("{who} sent forbidden changes to {what}; whether they took effect was not seen"),
        };
    }
    let victims: Vec<&str> = incident.victims.iter().map(|s| s.name.as_str()).collect();
    if incident.has(Kind::Isolation) {
        return format!(
            "The border of an isolated zone was crossed: {who} reached {}",
            list(&victims)
        );
    }
    if incident.has(Kind::RefusedChange) {
        return format!(
            "{who} tried to change {} without permission and was refused",
            list(&victims)
        );
    }
    if incident.has(Kind::Takeover) {
        if incident.a_victim_acts() {
            let does = if incident.has(Kind::Scan) {
                "searches the network"
            } else {
                "does what it may not"
            };
            return format!("{who} {does}");
        }
        let taken = named(&incident.victims, &incident.taken);
        return format!(
            "{} logged into {} with a password that is no secret",
            source.name,
            list(&taken)
        );
    }
    if incident.has(Kind::Claim) {
        return format!("{} poses as another device", source.name);
    }
    if incident.has(Kind::Flood) {
        return match victims.as_slice() {
            [] => format!("{} floods the network", source.name),
            victims => format!("{} floods {}", source.name, list(victims)),
        };
    }
    if incident.has(Kind::Deviation) {
        return match victims.as_slice() {
            [] => format!("{} gives commands that it never gave", source.name),
            victims => format!("{} commands {} as it never did", source.name, list(victims)),
        };
    }
    if incident.has(Kind::Tunnel) {
        return format!("{} carries data out in names that it asks for", source.name);
    }
    if incident.has(Kind::Upload) {
        return format!(
            "{} carries far more out of the city than it ever did",
            source.name
        );
    }
    if incident.has(Kind::Scan) {
        return format!("{} searches the network", source.name);
    }
    if incident.has(Kind::Callback) {
        return format!("{} calls somebody outside again and again", source.name);
    }
    if incident.has(Kind::Guessing) {
        return format!("{} guesses passwords", source.name);
    }
    let zones = forbidden_zones(incident, context);
    let only_unusual = !incident.has(Kind::ForbiddenContact) && !incident.has(Kind::ForbiddenRead);
    if incident.has(Kind::Unusual) && only_unusual {
        return format!("{} does what it never did", source.name);
    }
    match zones.is_empty() {
        true => format!("{} shows signs of an attack", source.name),
        false => format!("{} does what it may not in {}", source.name, list(&zones)),
    }
}

/// The source, with what is known of how it came to this.
fn suspect(incident: &Incident, source: &Seat) -> String {
    if incident.taken.contains(&source.party) {
        return format!("{}, which had been taken over,", source.name);
    }
    source.name.clone()
}

/// Names in the order of the parties.
fn named<'a>(seats: &'a [Seat], parties: &[Party]) -> Vec<&'a str> {
    let find = |party| seats.iter().find(|s| s.party == party);
    parties
        .iter()
        .filter_map(|party| find(*party))
        .map(|s| s.name.as_str())
        .collect()
}

fn forbidden_zones<'a>(incident: &Incident, context: &'a Context) -> Vec<&'a str> {
    let mut zones: Vec<&str> = Vec::new();
    for seat in &incident.victims {
        let name = context.zone_name(seat.place.zone);
        if !context.is_empty() && !zones.contains(&name) {
            zones.push(name);
        }
    }
    zones
}

/// `a`, `a and b`, `a, b and 3 more`.
fn list(names: &[&str]) -> String {
    match names {
        [] => "others".to_owned(),
        [one] => (*one).to_owned(),
        [one, two] => format!("{one} and {two}"),
        [one, two, rest @ ..] => format!("{one}, {two} and {} more", rest.len()),
    }
}

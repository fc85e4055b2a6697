//! The title of an incident: one line for somebody who has never read a packet.
//!
//! Owns: the sentences. Does not own: the facts.

use citywall_event::{Context, Phrase, names, say};

use crate::evidence::{Kind, Party, Seat};
use crate::incident::Incident;

/// The title as the facts stand.
pub(crate) fn title(incident: &Incident, context: &Context) -> Phrase {
    let Some(source) = incident.actors.first() else {
        return say!("title-something", "Something happened");
    };
    let who = suspect(incident, source);
    if !incident.changed.is_empty() {
        let what = names(&named(&incident.victims, &incident.changed));
        return match incident.has(Kind::Change) {
            true => say!(
                "title-changed",
                "{who} changed {what} without permission",
                who = who,
                what = what
            ),
            false => say!(
                "title-sent-changes",
                "{who} sent forbidden changes to {what}; whether they took effect was not seen",
                who = who,
                what = what
            ),
        };
    }
    let victims = once_each(incident.victims.iter());
    let whom = || names(&victims);
    if incident.has(Kind::Isolation) {
        return say!(
            "title-isolation",
            "The border of an isolated zone was crossed: {who} reached {whom}",
            who = who,
            whom = whom()
        );
    }
    if incident.has(Kind::RefusedChange) {
        return say!(
            "title-refused",
            "{who} tried to change {whom} without permission and was refused",
            who = who,
            whom = whom()
        );
    }
    if incident.has(Kind::Takeover) {
        return takeover(incident, source, who);
    }
    let who = &source.name;
    if incident.has(Kind::Claim) {
        return say!("title-claim", "{who} poses as another device", who = who);
    }
    if incident.has(Kind::Flood) {
        return match victims.is_empty() {
            true => say!("title-flood", "{who} floods the network", who = who),
            false => say!("title-flood-of", "{who} floods {whom}", who = who, whom = whom()),
        };
    }
    if incident.has(Kind::Deviation) {
        return match victims.is_empty() {
            true => say!(
                "title-deviation",
                "{who} gives commands that it never gave",
                who = who
            ),
            false => say!(
                "title-deviation-of",
                "{who} commands {whom} as it never did",
                who = who,
                whom = whom()
            ),
        };
    }
    milder(incident, who, context)
}

/// Of what is an attack by itself in few cases alone.
fn milder(incident: &Incident, who: &Phrase, context: &Context) -> Phrase {
    if incident.has(Kind::Tunnel) {
        return say!(
            "title-tunnel",
            "{who} carries data out in names that it asks for",
            who = who
        );
    }
    if incident.has(Kind::Upload) {
        return say!(
            "title-upload",
            "{who} carries far more out of the city than it ever did",
            who = who
        );
    }
    if incident.has(Kind::Scan) {
        return say!("title-scan", "{who} searches the network", who = who);
    }
    if incident.has(Kind::Callback) {
        return say!(
            "title-callback",
            "{who} calls somebody outside again and again",
            who = who
        );
    }
    if incident.has(Kind::Guessing) {
        return say!("title-guessing", "{who} guesses passwords", who = who);
    }
    let zones = forbidden_zones(incident, context);
    let only_unusual = !incident.has(Kind::ForbiddenContact) && !incident.has(Kind::ForbiddenRead);
    if incident.has(Kind::Unusual) && only_unusual {
        return say!("title-unusual", "{who} does what it never did", who = who);
    }
    match zones.is_empty() {
        true => say!("title-signs", "{who} shows signs of an attack", who = who),
        false => say!(
            "title-forbidden",
            "{who} does what it may not in {zones}",
            who = who,
            zones = names(&zones)
        ),
    }
}

fn takeover(incident: &Incident, source: &Seat, who: Phrase) -> Phrase {
    if incident.a_victim_acts() {
        return match incident.has(Kind::Scan) {
            true => say!("title-scan", "{who} searches the network", who = who),
            false => say!("title-may-not", "{who} does what it may not", who = who),
        };
    }
    if !incident.guessed.is_empty() {
        let guessed = named(&incident.victims, &incident.guessed);
        return say!(
            "title-guessed",
            "{who} guessed a password of {whom}",
            who = &source.name,
            whom = names(&guessed)
        );
    }
    let taken = named(&incident.victims, &incident.taken);
    say!(
        "title-logged-in",
        "{who} logged into {whom} with a password that is no secret",
        who = &source.name,
        whom = names(&taken)
    )
}

/// The source, with what is known of how it came to this.
fn suspect(incident: &Incident, source: &Seat) -> Phrase {
    match incident.taken.contains(&source.party) {
        true => say!(
            "suspect-taken",
            "{who}, which had been taken over,",
            who = &source.name
        ),
        false => source.name.clone(),
    }
}

/// Names in the order of the parties.
fn named(seats: &[Seat], parties: &[Party]) -> Vec<Phrase> {
    let find = |party| seats.iter().find(|s| s.party == party);
    once_each(parties.iter().filter_map(|party| find(*party)))
}

/// One device may be there by several addresses.
fn once_each<'a>(seats: impl Iterator<Item = &'a Seat>) -> Vec<Phrase> {
    let mut names: Vec<Phrase> = Vec::new();
    for seat in seats {
        if !names.contains(&seat.name) {
            names.push(seat.name.clone());
        }
    }
    names
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

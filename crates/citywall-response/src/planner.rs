//! What would be done about an incident: the least that stops it.
//!
//! Owns: which rungs are wanted against whom, their measures and their words. One planner for
//! `watch`, for rehearsals and for the enforcer. Does not own: whether it may be (`gate`).
//!
//! What no conduit allows can be denied without harm, so that comes before anything that touches
//! permitted work. Nothing beyond `notify` is planned against what everything else needs.

use std::net::IpAddr;

use citywall_event::{Criticality, OUTSIDE, Phrase, Prefix, Verb, VerbSet, names, say};

use crate::gate::MEASURES;
use crate::{Facts, Flooded, Grounds, Host, HostStanding, Key, Measure, Notice, Rung, Settings, Suspect};

/// Suspects of one incident that are planned against.
const SUSPECTS: usize = 16;

/// Something wanted, before it is an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) rung: Rung,
    pub(crate) target: Phrase,
    pub(crate) reason: Phrase,
    pub(crate) measures: Vec<Measure>,
    pub(crate) grounds: Grounds,
}

/// All that is wanted about an incident, the least harmful first.
/// Elements in `open` are wanted already, by whatever action.
pub(crate) fn plan(notice: &Notice, facts: &Facts, settings: &Settings, open: &[Key]) -> Vec<Draft> {
    let mut drafts = Vec::new();
    if notice.severity > 2 {
        let why = say!(
            "plan-watch",
            "not enough to act on: watch it and see who it speaks with"
        );
        let source = notice.suspects.first().map_or(&notice.incident, |s| &s.name);
        drafts.push(Draft::of(Rung::Observe, Phrase::as_written(source.as_str()), why));
    } else {
        let why = say!(
            "plan-know",
            "{people} must know",
            people = department(notice, facts)
        );
        let incident = Phrase::as_written(notice.incident.as_str());
        drafts.push(Draft::of(Rung::Notify, incident, why));
    }
    for victim in notice.victims.iter().filter(|v| v.taken) {
        let why = say!(
            "plan-password",
            "others know its password: change it, and see what else it opens"
        );
        let victim = Phrase::as_written(victim.name.as_str());
        drafts.push(Draft::of(Rung::Notify, victim, why));
    }
    if notice.severity <= 2 && !facts.context.is_empty() {
        for index in 0..notice.suspects.len().min(SUSPECTS) {
            against(notice, index, facts, (settings, open), &mut drafts);
        }
        drafts.extend(for_flooded(notice, facts, settings));
    }
    drafts.sort_by_key(|draft| draft.rung);
    drafts
}

/// The rungs against one suspect.
fn against(
    notice: &Notice,
    index: usize,
    facts: &Facts,
    (settings, open): (&Settings, &[Key]),
    drafts: &mut Vec<Draft>,
) {
    let Some(suspect) = notice.suspects.get(index) else {
        return;
    };
    let Some(host) = host_of(suspect) else { return };
    let standing = facts.standing(host);
    if let Some(guard) = untouchable(&standing) {
        let why = say!(
            "plan-untouchable",
            "{why}: nothing is done to {who} but to tell its people",
            why = guard,
            who = &suspect.name
        );
        drafts.push(Draft::of(Rung::Notify, those_who_run(suspect), why));
        return;
    }
    let safety = standing.criticality == Criticality::Safety;
    if safety {
        let why = say!(
            "plan-harm",
            "people can come to harm when it stops ({why}): {who} is not cut off",
            why = &standing.why,
            who = &suspect.name
        );
        drafts.push(Draft::of(Rung::Notify, those_who_run(suspect), why));
    }
    let mut rungs = vec![Rung::DenyCommand, Rung::DenyConduit];
    if suspect.taken && standing.zone.is_some() && !safety {
        rungs.push(match standing.criticality {
            Criticality::Normal => Rung::Quarantine,
            _ => Rung::LimitRate,
        });
    }
    if claims(notice, suspect) && standing.zone.is_some() && !safety {
        rungs.push(Rung::LimitRate);
        if standing.criticality == Criticality::Normal {
            rungs.push(Rung::Quarantine);
        }
    }
    for rung in rungs {
        drafts.extend(rung_against(rung, notice, index, facts, settings, open));
    }
}

/// True for who says on its link that it is somebody else: its own address is not the one that it
/// claims, so that it is known by its hardware address alone.
fn claims(notice: &Notice, suspect: &Suspect) -> bool {
    suspect.address.is_none() && notice.kinds.iter().any(|kind| kind == "address-claimed")
}

/// One rung against one suspect of an incident, as far as it has an object. What a playbook wants
/// becomes measures here, too.
pub(crate) fn rung_against(
    rung: Rung,
    notice: &Notice,
    index: usize,
    facts: &Facts,
    settings: &Settings,
    open: &[Key],
) -> Vec<Draft> {
    let Some(suspect) = notice.suspects.get(index) else {
        return Vec::new();
    };
    let Some(host) = host_of(suspect) else {
        return Vec::new();
    };
    let grounds = Grounds {
        proved: suspect.proved,
        contradicts: facts.disagree(suspect.address, suspect.mac),
        by_hand: None,
    };
    let name = Phrase::as_written(suspect.name.as_str());
    let one = |measure: Measure, reason: Phrase| {
        vec![Draft {
            rung,
            target: name.clone(),
            reason,
            measures: vec![measure],
            grounds: grounds.clone(),
        }]
    };
    let claims = claims(notice, suspect);
    match rung {
        Rung::Observe | Rung::Notify => vec![Draft::of(rung, name, Phrase::default())],
        Rung::DenyCommand => deny_commands(notice, index, host, facts, &grounds),
        Rung::DenyConduit => deny_conduits(notice, index, host, facts, (&grounds, open)),
        Rung::LimitRate => one(
            Measure::LimitRate {
                host,
                packets_per_second: settings.packets_per_second,
            },
            if claims {
                say!(
                    "plan-limit-claims",
                    "it says that it is somebody else: what it sends from its link, its own or others', is slowed \
                     down until its people have seen to it"
                )
            } else {
                say!(
                    "plan-limit-taken",
                    "it was taken over, but the city notices when it stops: limit it and let its people decide"
                )
            },
        ),
        Rung::Quarantine => one(
            Measure::Quarantine { host },
            if claims {
                say!(
                    "plan-quarantine-claims",
                    "it says that it is somebody else, and is of normal criticality: nothing that others send is \
                     carried on by it, and its update and address services stay reachable"
                )
            } else {
                say!(
                    "plan-quarantine-taken",
                    "it was taken over and acts on its own; it is of normal criticality, and its update and address \
                     services stay reachable"
                )
            },
        ),
        Rung::Isolate => one(
            Measure::Isolate { host },
            say!("plan-isolate", "it is cut off until somebody has seen to it"),
        ),
    }
}

/// Changing commands to the zones where it changed something.
fn deny_commands(notice: &Notice, index: usize, from: Host, facts: &Facts, grounds: &Grounds) -> Vec<Draft> {
    let changes = notice.changes.iter().filter(|c| c.suspect == index);
    let mut zones = Vec::new();
    for change in changes {
        let zone = facts.context.locate(Some(change.target), None).zone;
        let same = |(known, _): &(Option<u16>, IpAddr)| *known == zone && zone.is_some();
        if !zones.iter().any(same) && zones.len() < MEASURES {
            zones.push((zone, change.target));
        }
    }
    let verbs = changing();
    let mut drafts = Vec::new();
    for (zone, target) in zones {
        let Some((networks, name)) = networks(facts, from, zone, &[target]) else {
            continue;
        };
        let permitted = networks.iter().any(|to| facts.commands(from, *to, verbs).any);
        let reason = match permitted {
            false => say!(
                "plan-deny-commands",
                "no conduit allows them, so denying them stops no permitted work"
            ),
            true => say!(
                "plan-deny-some-commands",
                "a conduit allows some there: denying them stops permitted work, too"
            ),
        };
        drafts.push(Draft {
            rung: Rung::DenyCommand,
            target: say!(
                "target-commands",
                "changing commands from {who} to {whom}",
                who = suspect_name(notice, index),
                whom = name
            ),
            reason,
            measures: networks
                .into_iter()
                .map(|to| Measure::DenyCommand { from, to, verbs })
                .collect(),
            grounds: grounds.clone(),
        });
    }
    drafts
}

/// What it opened without leave: the whole zone, but for what everything needs there. Where a conduit
/// allows other work with the zone, only those whom it reached without leave are denied, and none
/// of them to whom work is permitted; as more become known, those are denied, too.
fn deny_conduits(
    notice: &Notice,
    index: usize,
    from: Host,
    facts: &Facts,
    (grounds, open): (&Grounds, &[Key]),
) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for crossing in notice.crossings.iter().filter(|c| c.suspect == index) {
        let zone = facts.zone_named(&crossing.zone);
        if zone.is_none() && crossing.zone != OUTSIDE {
            continue;
        }
        let Some((whole, mut name)) = networks(facts, from, zone, &crossing.targets) else {
            continue;
        };
        let free = |to: &Prefix| {
            let work = facts.work(from, *to);
            !work.any && !work.lifeline
        };
        let mut measures = whole.clone();
        if zone.is_none() || !whole.iter().all(free) {
            let is_open = |to: &Prefix| open.contains(&Measure::DenyPair { from, to: *to }.key());
            measures = singles(&crossing.targets);
            measures.retain(|to| meets(from, to) && free(to) && !is_open(to));
            let some = list(&measures);
            name = match zone {
                Some(_) => say!("hosts-of", "{hosts} of {zone}", hosts = some, zone = name),
                None => say!("hosts-outside", "{hosts} {zone}", hosts = some, zone = name),
            };
        } else if whole.iter().any(|to| facts.spares_in(*to)) {
            name = say!(
                "but-for-needs",
                "{zone}, but for what everything needs there",
                zone = name
            );
        }
        if measures.is_empty() {
            continue;
        }
        drafts.push(Draft {
            rung: Rung::DenyConduit,
            target: say!(
                "target-pair",
                "{who} to {whom}",
                who = suspect_name(notice, index),
                whom = name
            ),
            reason: say!(
                "plan-deny-conduit",
                "no conduit allows it, so denying it stops no permitted work"
            ),
            measures: measures
                .into_iter()
                .map(|to| Measure::DenyPair { from, to })
                .collect(),
            grounds: grounds.clone(),
        });
    }
    drafts
}

/// Those who are flooded are spared what proves nothing, whoever sends it: none of the sources is acted
/// against. Where SYNs are for one port the wall asks who is there; else what opens anew beyond a rate
/// is dropped, which honest clients share with the flood.
fn for_flooded(notice: &Notice, facts: &Facts, settings: &Settings) -> Vec<Draft> {
    let limit = |flooded: &Flooded| {
        let to = flooded.address.to_canonical();
        let named = notice.victims.iter().find(|v| v.address == Some(flooded.address));
        let name = named.map_or_else(|| to.to_string(), |v| v.name.clone());
        if let Some(port) = proxied_port(flooded, facts, settings) {
            return Draft {
                rung: Rung::LimitRate,
                target: say!(
                    "target-flooded-port",
                    "new conversations with {whom} on TCP port {port}",
                    whom = name,
                    port = u32::from(port)
                ),
                reason: say!(
                    "plan-syn-proxy",
                    "it is flooded with SYNs from sources that prove nothing; whoever answers the wall comes \
                     through, and what is established goes on"
                ),
                measures: vec![Measure::SynProxy { to, port }],
                grounds: Grounds::default(),
            };
        }
        if let (UDP, Some(from_port), true) = (flooded.protocol, flooded.port, settings.drop_answers) {
            return Draft {
                rung: Rung::LimitRate,
                target: say!(
                    "target-flooded-answers",
                    "new conversations with {whom} from UDP port {port}",
                    whom = name,
                    port = u32::from(from_port)
                ),
                reason: say!(
                    "plan-drop-answers",
                    "it is flooded with answers that it did not ask for, all from one port; what it asks for is still \
                     answered, and all else goes on"
                ),
                measures: vec![Measure::DropAnswers { to, from_port }],
                grounds: Grounds::default(),
            };
        }
        Draft {
            rung: Rung::LimitRate,
            target: say!(
                "target-flooded",
                "new conversations with {whom} from other zones",
                whom = name
            ),
            reason: say!(
                "plan-limit-flood",
                "it is flooded from sources that prove nothing; what is established goes on"
            ),
            measures: vec![Measure::LimitInto {
                to,
                protocol: flooded.protocol,
                packets_per_second: settings.packets_per_second,
            }],
            grounds: Grounds::default(),
        }
    };
    notice.flooded.iter().take(SUSPECTS).map(limit).collect()
}

/// IP protocols.
const TCP: u8 = 6;
const UDP: u8 = 17;

/// The port for which the wall can answer.
fn proxied_port(flooded: &Flooded, facts: &Facts, settings: &Settings) -> Option<u16> {
    let port = flooded.port.filter(|_| flooded.protocol == TCP)?;
    let can = settings.syn_proxy && !facts.inspects(flooded.address.to_canonical(), port);
    can.then_some(port)
}

impl Draft {
    /// Something that only people are told.
    pub(crate) fn of(rung: Rung, target: Phrase, reason: Phrase) -> Draft {
        Draft {
            rung,
            target,
            reason,
            measures: Vec::new(),
            grounds: Grounds::default(),
        }
    }
}

/// How a measure names a suspect: by address, as a hardware address may be a gateway's.
pub(crate) fn host_of(suspect: &Suspect) -> Option<Host> {
    let by_ip = suspect.address.map(|ip| Host::Ip(ip.to_canonical()));
    by_ip.or(suspect.mac.map(Host::Mac))
}

fn those_who_run(suspect: &Suspect) -> Phrase {
    say!("target-people", "those who run {who}", who = &suspect.name)
}

/// Why nothing is done against somebody.
fn untouchable(standing: &HostStanding) -> Option<Phrase> {
    if standing.own {
        return Some(say!("why-own", "it is the wall itself"));
    }
    let role = standing.infrastructure.as_ref()?;
    Some(say!(
        "why-needed",
        "everything else needs it ({role})",
        role = role
    ))
}

/// The verbs that change something.
pub(crate) fn changing() -> VerbSet {
    let changes = Verb::ALL.into_iter().filter(|verb| verb.changes());
    changes.fold(VerbSet::default(), VerbSet::with)
}

fn meets(from: Host, to: &Prefix) -> bool {
    match from {
        Host::Ip(ip) => ip.is_ipv4() == to.first().is_ipv4(),
        Host::Mac(_) => true,
    }
}

/// What is meant by a zone: its networks; of "outside" the addresses themselves. An address of one
/// family speaks with none of the other: such a pair cannot be put in force.
fn networks(
    facts: &Facts,
    from: Host,
    zone: Option<u16>,
    targets: &[IpAddr],
) -> Option<(Vec<Prefix>, Phrase)> {
    let meets = |to: &Prefix| meets(from, to);
    let (networks, name) = match zone {
        None => {
            let singles = singles(targets).into_iter().filter(meets).collect();
            (singles, say!("zone-outside", "outside"))
        }
        Some(zone) => {
            let name = say!("zone", "zone {name}", name = facts.context.zone_name(Some(zone)));
            let all = facts.networks.get(usize::from(zone))?;
            let all = all.iter().filter(|to| meets(to)).copied();
            (all.take(MEASURES).collect::<Vec<_>>(), name)
        }
    };
    (!networks.is_empty()).then_some((networks, name))
}

fn singles(targets: &[IpAddr]) -> Vec<Prefix> {
    let mut singles: Vec<Prefix> = Vec::new();
    for ip in targets {
        let ip = ip.to_canonical();
        let length = if ip.is_ipv4() { 32 } else { 128 };
        let single = Prefix::containing(ip, length).filter(|p| !singles.contains(p));
        singles.extend(single.filter(|_| singles.len() < MEASURES));
    }
    singles
}

fn list(networks: &[Prefix]) -> Phrase {
    let all: Vec<IpAddr> = networks.iter().map(|network| network.first()).collect();
    names(&all)
}

fn suspect_name(notice: &Notice, index: usize) -> &str {
    notice.suspects.get(index).map_or("?", |s| s.name.as_str())
}

/// Whose matter it is: the domains of those to whom it was done.
fn department(notice: &Notice, facts: &Facts) -> Phrase {
    let mut domains: Vec<&str> = Vec::new();
    for victim in &notice.victims {
        let place = facts.context.locate(victim.address, None);
        let zone = place.zone.and_then(|id| facts.context.zone(id));
        if let Some(zone) = zone.filter(|z| !domains.contains(&z.domain.as_str())) {
            domains.push(&zone.domain);
        }
    }
    match domains.is_empty() {
        true => say!("people-security", "the city's security team"),
        false => say!("people-of", "the people of {domains}", domains = every(&domains)),
    }
}

/// `a`, `a and b`, `a and b and c`.
fn every(all: &[&str]) -> Phrase {
    let both = |first: Phrase, next: Phrase| names(&[first, next]);
    let all = all.iter().map(|name| Phrase::as_written(*name));
    all.reduce(both).unwrap_or_default()
}

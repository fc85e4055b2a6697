//! `citywall learn allow-list export`: a list in the forms that others enforce.
//!
//! Owns: which address an asset has, and a list as conversations for the policy's proposal. Does not own:
//! the forms (`citywall-behaviour` for MUD and rules, `citywall-policy` for conduits).

use std::collections::BTreeSet;
use std::net::IpAddr;

use citywall_behaviour::allow::{AllowList, DYNAMIC, Peer, Talk};
use citywall_event::{Command, CommandOutcome, Context, Service, Verb};
use citywall_policy::{City, Doubt, Learner, Who};
use serde_json::Value;

/// The addresses of a device.
fn addresses(context: &Context, peer: &Peer) -> Vec<IpAddr> {
    match peer {
        Peer::Ip(ip) => vec![*ip],
        Peer::Asset(name) => {
            let mut assets = context.assets().iter();
            let found = assets.find(|asset| asset.name == *name);
            found.map_or_else(Vec::new, |asset| {
                asset.addresses.iter().map(|(ip, _)| *ip).collect()
            })
        }
        Peer::Mac(_) | Peer::Name(_) | Peer::Outside => Vec::new(),
    }
}

/// The MUD file of a device, by its name or address.
pub(super) fn mud(list: &AllowList, device: &str, url: &str, context: &Context) -> Option<Value> {
    let found = list.devices.iter().find(|d| d.peer.text() == device)?;
    list.mud(&found.peer, url, &|peer| addresses(context, peer))
}

/// Rules, from a number on.
pub(super) fn rules(list: &AllowList, sid: u32, context: &Context) -> String {
    list.rules(sid, &|peer| addresses(context, peer))
}

/// Conduits, as the policy proposes them from conversations. Who is only known by a name has no place in a
/// city file, and stands in a comment.
pub(super) fn conduits(list: &AllowList, city: Option<&City>, context: &Context) -> String {
    let mut learner = Learner::default();
    let mut named = BTreeSet::new();
    let who = |peer: &Peer| {
        let of = addresses(context, peer).into_iter();
        of.map(|ip| Who { ip, mac: None }).collect::<Vec<_>>()
    };
    for talk in list.talks.iter().filter(|talk| talk.seen.doubt.is_none()) {
        for from in list.members(&talk.from) {
            for to in list.members(&talk.to) {
                if let Peer::Name(name) = to {
                    named.insert(format!("{} contacts {name}", from.text()));
                }
                for f in who(from) {
                    for t in who(to) {
                        let service = service(talk);
                        learner.conversation(f, t, &service, list.span, true);
                    }
                }
            }
        }
    }
    for order in list.orders.iter().filter(|order| order.seen.doubt.is_none()) {
        let Some((protocol, function)) = citywall_policy::known_function(&order.protocol, &order.function)
        else {
            continue;
        };
        let mut command = Command {
            protocol,
            verb: order.verb,
            function,
            unit: order.unit,
            point: order.point.as_ref().map_or("", |(point, _)| point).to_owned(),
            count: order.point.as_ref().map_or(1, |(_, count)| *count),
            value: None,
            outcome: CommandOutcome::Accepted,
            technique: None,
        };
        let carries = |from, to| {
            let talks = list.talks.iter();
            let mut on = talks.filter(|t| t.app == order.protocol && t.seen.doubt.is_none());
            on.find(|t| t.from == from && t.to == to)
        };
        let (mut from, mut to) = (&order.from, &order.to);
        let mut talk = carries(from.clone(), to.clone());
        if talk.is_none() && order.verb == Verb::Publish {
            // What is told to somebody was subscribed to.
            std::mem::swap(&mut from, &mut to);
            talk = carries(from.clone(), to.clone());
            (command.verb, command.function) = (Verb::Subscribe, Verb::Subscribe.name());
        }
        let Some(talk) = talk else { continue };
        for from in list.members(from).into_iter().flat_map(who) {
            for to in list.members(to).into_iter().flat_map(who) {
                learner.command(from, to, &service(talk), &command, list.span.1);
            }
        }
    }
    // The list was read and signed: nothing in it is doubted once more.
    let doubt = Doubt {
        once: 0,
        lone: 0,
        ..Doubt::default()
    };
    let mut text = learner.propose(city, doubt).toml;
    for line in named {
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        text += &format!("\n# Known by name alone, without a conduit: {line}.");
    }
    text + "\n"
}

fn service(talk: &Talk) -> Service<'_> {
    let port = match talk.port {
        0 => None,
        // The first stands for all that are handed out by chance.
        DYNAMIC => Some(DYNAMIC),
        port => Some(port),
    };
    Service {
        protocol: talk.protocol,
        port,
        app_proto: (!talk.app.is_empty()).then_some(talk.app.as_str()),
    }
}

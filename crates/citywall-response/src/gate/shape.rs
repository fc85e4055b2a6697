//! Whether an action says one thing only, about one device.
//!
//! Owns: that its measures are those of its rung, that they name hosts and not groups, and that its
//! life is bounded. Does not own: whom they hit.

use std::net::IpAddr;

use citywall_event::{Mac, Phrase, say};

use super::Guard;
use crate::bug::{Bug, planted};
use crate::{Action, Facts, Host, Measure, Rung, Settings};

/// Measures that one action may have.
pub(crate) const MEASURES: usize = 16;

pub(super) fn judge(action: &Action, facts: &Facts, settings: &Settings) -> Option<Guard> {
    let shape = |what: Phrase| Some(Guard::Shape { what });
    let count = action.measures.len();
    if count == 0 || count > MEASURES {
        return shape(say!("shape-measures", "an action has one to sixteen measures"));
    }
    if !(1..=settings.longest).contains(&action.time_to_live) {
        return shape(say!(
            "shape-time",
            "its time to live is not within what the city allows"
        ));
    }
    let device = action.measures.first().map(|m| facts.device(m.host()));
    for measure in &action.measures {
        if !belongs(action.rung, measure) {
            return shape(say!("shape-rung", "its measures are not those of its rung"));
        }
        if Some(facts.device(measure.host())) != device {
            return shape(say!("shape-one-device", "an action is about one device"));
        }
        if let Host::Ip(ip) = measure.host()
            && (!is_one_host(ip) || is_border(facts, ip))
        {
            let what = say!(
                "not-one-address",
                "{host} is not the address of one device",
                host = ip
            );
            return Some(Guard::NotOneDevice { what });
        }
        if let Host::Mac(mac) = measure.host()
            && !is_one_station(mac)
        {
            let what = say!(
                "not-one-hardware-address",
                "{host} is not the hardware address of one device",
                host = measure.host().to_string()
            );
            return Some(Guard::NotOneDevice { what });
        }
        if let Some(to) = measure.to()
            && !facts.is_one_target(to)
        {
            let what = say!(
                "not-one-network",
                "{network} is neither one zone's network nor one address",
                network = to.to_string()
            );
            return Some(Guard::NotOneDevice { what });
        }
        if let Measure::LimitRate {
            packets_per_second: 0,
            ..
        }
        | Measure::LimitInto {
            packets_per_second: 0,
            ..
        } = measure
        {
            return shape(say!(
                "shape-no-limit",
                "a limit that lets nothing pass is no limit"
            ));
        }
        if let Measure::SynProxy { port: 0, .. } | Measure::DropAnswers { from_port: 0, .. } = measure
            && !planted(Bug::PortForgotten)
        {
            return shape(say!("shape-no-port", "port 0 is nobody's"));
        }
        if let Measure::SynProxy { to, port } = *measure
            && facts.inspects(to, port)
        {
            return shape(say!(
                "shape-inspected",
                "commands to TCP port {port} of {host} are inspected: the wall cannot answer there in its place",
                port = u32::from(port),
                host = to
            ));
        }
    }
    None
}

fn belongs(rung: Rung, measure: &Measure) -> bool {
    matches!(
        (rung, measure),
        (Rung::DenyCommand, Measure::DenyCommand { .. })
            | (
                Rung::LimitRate,
                Measure::LimitRate { .. }
                    | Measure::LimitInto { .. }
                    | Measure::SynProxy { .. }
                    | Measure::DropAnswers { .. }
            )
            | (Rung::DenyConduit, Measure::DenyPair { .. })
            | (Rung::Quarantine, Measure::Quarantine { .. })
            | (Rung::Isolate, Measure::Isolate { .. })
    )
}

fn is_one_host(ip: IpAddr) -> bool {
    let group = match ip {
        IpAddr::V4(v4) => v4.is_broadcast() || v4.octets()[0] == 0 || v4.octets()[0] >= 240,
        IpAddr::V6(_) => false,
    };
    !(group || ip.is_unspecified() || ip.is_loopback() || ip.is_multicast())
}

/// Neither a group's address, nor none, nor one that routers share (VRRP, RFC 9568).
fn is_one_station(mac: Mac) -> bool {
    let shared = matches!(mac, [0, 0, 0x5e, 0, 1 | 2, _]);
    !(mac[0] & 1 == 1 || mac == [0; 6] || shared)
}

/// The lowest and the highest address of an IPv4 network are not a device's.
fn is_border(facts: &Facts, ip: IpAddr) -> bool {
    let mut networks = facts.networks.iter().flatten();
    ip.is_ipv4() && networks.any(|n| n.length() <= 30 && (n.first() == ip || n.last() == ip))
}

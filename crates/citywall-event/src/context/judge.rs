//! Whether the policy allows a conversation or a command.
//!
//! Owns: the order of the questions, what is never judged, and the reason in words. Does not own:
//! the conduits' matching, and what happens to what is not allowed: this only says.

// A violation is rare and is moved once, into its event: boxing it would only cost an allocation.
#![allow(clippy::result_large_err)]

use std::net::IpAddr;

use super::locate::has_no_home;
use super::{Conduit, Context, Place, Service};
use crate::{Command, Phrase, Verb, Violation, ViolationKind, protocol_name, say};

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

impl Context {
    /// Does a packet between these two cross the border of an isolated zone? Whatever it carries,
    /// whoever began, and whether or not its beginning was seen: so it is asked of midstream
    /// conversations and of ARP messages (by their sender and target) too. Not judged are group
    /// addresses, and parties of which neither an address nor a MAC says where they live.
    pub fn judge_isolation(
        &self,
        from: (Place, Option<IpAddr>),
        to: (Place, Option<IpAddr>),
    ) -> Result<(), Violation> {
        if from.0.zone == to.0.zone || !lives_somewhere(from) || !lives_somewhere(to) {
            return Ok(());
        }
        match self.isolation(from.0, to.0) {
            Some(reason) => Err(self.violation(ViolationKind::Isolation, from.0, to.0, reason)),
            None => Ok(()),
        }
    }

    /// May `from` open this conversation with `to`? Asked once at its first packet (no
    /// `app_proto` yet: the ports decide) and once more when the application protocol is known.
    /// Only the one who begins is judged, never answers. Not judged are: addresses that are not
    /// one host's (multicast, broadcast), link-local ones, DHCP, ICMP that is no request; but the
    /// border of an isolated zone is a border for these too.
    pub fn judge_contact(
        &self,
        from: (Place, Option<IpAddr>),
        to: (Place, Option<IpAddr>),
        service: &Service<'_>,
    ) -> Result<(), Violation> {
        self.judge_isolation(from, to)?;
        if self.is_free(from, to) || is_housekeeping(service) {
            return Ok(());
        }
        let (from, to) = (from.0, to.0);
        let mut conduits = self.pairs.between(&self.conduits, from, to).peekable();
        if conduits.peek().is_none() {
            let reason = say!(
                "no-conduit",
                "no conduit lets {from} reach {to} ({what})",
                from = self.who(from),
                to = self.who(to),
                what = name_service(service)
            );
            return Err(self.violation(ViolationKind::Conduit, from, to, reason));
        }
        let mut expected = None;
        for grant in conduits.flat_map(|c| &c.grants) {
            if grant.carries(service) {
                return Ok(());
            }
            if expected.is_none() && grant.on_port(service) {
                expected = grant.app.as_deref();
            }
        }
        let reason = match expected {
            Some(app) => say!(
                "conduit-carries-other",
                "the conduit from {from} to {to} carries {app} there, not {what}",
                from = self.who(from),
                to = self.who(to),
                app = app,
                what = name_service(service)
            ),
            None => say!(
                "conduit-carries-not",
                "no conduit from {from} to {to} carries {what}",
                from = self.who(from),
                to = self.who(to),
                what = name_service(service)
            ),
        };
        Err(self.violation(ViolationKind::Protocol, from, to, reason))
    }

    /// May `from` give this command to `to`? Where the conversation's ports are not at hand:
    /// conduits that only name ports then allow no command.
    pub fn judge_command(
        &self,
        from: (Place, Option<IpAddr>),
        to: (Place, Option<IpAddr>),
        command: &Command,
    ) -> Result<(), Violation> {
        self.judge_command_on(from, to, None, command)
    }

    /// May `from` give this command to `to`, in this conversation? A publication is also allowed
    /// to those who were allowed to subscribe to it.
    pub fn judge_command_on(
        &self,
        from: (Place, Option<IpAddr>),
        to: (Place, Option<IpAddr>),
        service: Option<&Service<'_>>,
        command: &Command,
    ) -> Result<(), Violation> {
        let isolation = self.judge_isolation(from, to);
        if isolation.is_ok() && self.is_free(from, to) {
            return Ok(());
        }
        let (from, to) = (from.0, to.0);
        let about_command = |mut violation: Violation| {
            violation.command = Some(command.clone());
            Err(violation)
        };
        let refuse = |kind, rule: Phrase| {
            let reason = say!(
                "rule-and-command",
                "{rule}: {command}",
                rule = rule,
                command = command.sentence()
            );
            about_command(self.violation(kind, from, to, reason))
        };
        if let Err(violation) = isolation {
            return about_command(violation);
        }
        let between = |from, to| self.pairs.between(&self.conduits, from, to);
        let conduits: Vec<&Conduit> = between(from, to).collect();
        if conduits
            .iter()
            .any(|c| c.grants.iter().any(|g| g.allows(command, service)))
            || is_publication(command) && between(to, from).any(|c| c.tells_subscribers(command))
        {
            return Ok(());
        }
        let (who, whom) = (self.who(from), self.who(to));
        let protocol = command.protocol;
        if conduits.is_empty() {
            return refuse(
                ViolationKind::Conduit,
                say!(
                    "no-conduit",
                    "no conduit lets {from} reach {to} ({what})",
                    from = who,
                    to = whom,
                    what = protocol
                ),
            );
        }
        let spoken = conduits
            .iter()
            .any(|c| c.grants.iter().any(|g| g.speaks(protocol, service)));
        if !spoken {
            return refuse(
                ViolationKind::Protocol,
                say!(
                    "conduit-carries-not",
                    "no conduit from {from} to {to} carries {what}",
                    from = who,
                    to = whom,
                    what = protocol
                ),
            );
        }
        refuse(
            ViolationKind::Command,
            say!(
                "conduit-carries-not-this",
                "the conduit from {from} to {to} carries {protocol}, but not this",
                from = who,
                to = whom,
                protocol = protocol
            ),
        )
    }

    /// Does a conduit allow a command with this verb or function in this conversation, be it to
    /// another point? Tells what is refused for its point from what is refused altogether.
    pub fn allows_elsewhere(&self, from: Place, to: Place, service: &Service<'_>, command: &Command) -> bool {
        self.pairs
            .between(&self.conduits, from, to)
            .flat_map(|c| &c.grants)
            .filter(|g| g.speaks(command.protocol, Some(service)))
            .any(|g| g.commands.is_empty() || g.commands.iter().any(|c| c.names(command)))
    }

    /// True where what a conversation may carry depends on its commands: a grant that carries it
    /// names some. Where it is false, `judge_contact` says it all.
    pub fn names_commands(&self, from: Place, to: Place, service: &Service<'_>) -> bool {
        self.pairs
            .between(&self.conduits, from, to)
            .flat_map(|c| &c.grants)
            .any(|g| g.carries(service) && !g.commands.is_empty())
    }

    /// True where there is nothing to judge, whatever the conversation carries.
    fn is_free(&self, from: (Place, Option<IpAddr>), to: (Place, Option<IpAddr>)) -> bool {
        if self.is_empty() {
            return true;
        }
        if from.0.zone == to.0.zone {
            let denied = from
                .0
                .zone
                .and_then(|id| self.zone(id))
                .is_some_and(|z| z.inside_denied);
            if !denied {
                return true;
            }
        }
        match (from.1, to.1) {
            (Some(from), Some(to)) => {
                has_no_home(from) || has_no_home(to) || is_group(to) || self.ranges.is_broadcast(to)
            }
            // Without IP a MAC names a party, or nothing does.
            _ => from.0.zone.is_none() || to.0.zone.is_none(),
        }
    }

    fn isolation(&self, from: Place, to: Place) -> Option<Phrase> {
        if from.zone == to.zone {
            return None;
        }
        let isolated = |place: Place| {
            place
                .zone
                .and_then(|id| self.zone(id))
                .filter(|zone| zone.isolated)
        };
        let zone = isolated(to).or_else(|| isolated(from))?;
        Some(say!(
            "isolated-reached",
            "zone {zone} is declared isolated, but {from} reached {to}",
            zone = &zone.name,
            from = self.who(from),
            to = self.who(to)
        ))
    }

    fn who(&self, place: Place) -> Phrase {
        match place.zone {
            Some(_) => say!("zone", "zone {name}", name = self.zone_name(place.zone)),
            None => say!("zone-outside", "outside"),
        }
    }

    fn violation(&self, kind: ViolationKind, from: Place, to: Place, reason: Phrase) -> Violation {
        Violation {
            kind,
            from_zone: self.zone_name(from.zone).to_owned(),
            to_zone: self.zone_name(to.zone).to_owned(),
            reason,
            command: None,
        }
    }
}

/// Publications to topics that set something have the verb of what they do.
fn is_publication(command: &Command) -> bool {
    command.verb == Verb::Publish || command.function == Verb::Publish.name()
}

/// Is it known where this party lives? By its address, else by its MAC.
fn lives_somewhere((place, ip): (Place, Option<IpAddr>)) -> bool {
    match ip {
        Some(ip) if is_group(ip) => false,
        Some(ip) if !has_no_home(ip) => true,
        _ => place.zone.is_some(),
    }
}

/// True for an ICMP message that asks for an answer: echo, timestamp, information and address mask
/// requests (RFC 792, RFC 950), and the echo request of ICMPv6 (RFC 4443). All others answer
/// something, or report an error to who caused it.
pub fn is_icmp_request(protocol: u8, kind: u8) -> bool {
    match protocol {
        ICMP => matches!(kind, 8 | 13 | 15 | 17),
        ICMPV6 => kind == 128,
        _ => false,
    }
}

/// DHCP (RFC 2131) works before a device has a place, and ICMP messages that are no request
/// (RFC 792, RFC 4443) answer something.
fn is_housekeeping(service: &Service<'_>) -> bool {
    match service.protocol {
        UDP => matches!(service.port, Some(67 | 68 | 546 | 547)),
        ICMP | ICMPV6 => {
            let kind = service.port.and_then(|port| u8::try_from(port).ok());
            !kind.is_some_and(|kind| is_icmp_request(service.protocol, kind))
        }
        // IGMP speaks to routers of the link only.
        2 => true,
        _ => false,
    }
}

/// Addresses that stand for more than one host, or for the asker itself.
fn is_group(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast() || v4.is_loopback(),
        IpAddr::V6(v6) => v6.is_multicast() || v6.is_loopback(),
    }
}

/// `snmp` where it is known, else `udp/161`.
fn name_service(service: &Service<'_>) -> String {
    if let Some(app) = service.app_proto {
        return app.to_owned();
    }
    let carrier = match service.protocol {
        TCP => "tcp".to_owned(),
        UDP => "udp".to_owned(),
        other => protocol_name(other).map_or_else(
            || format!("IP protocol {other}"),
            |name| name.to_ascii_lowercase(),
        ),
    };
    match service.port {
        Some(port) if matches!(service.protocol, TCP | UDP | 132) => format!("{carrier}/{port}"),
        _ => carrier,
    }
}

//! What an event is evidence of.
//!
//! Owns: the kinds, their weight, and the sentence. Does not own: what several together mean.

use std::net::IpAddr;

use citywall_event::{
    Behaviour, Body, Command, CommandOutcome, Context, Criticality, Event, Flooded, Mac, Phrase, Place,
    Subject, Technique, Violation, ViolationKind, say,
};
use citywall_inventory::Inventory;

/// What evidence shows. The order is that of strength, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// A conversation that no conduit allows.
    ForbiddenContact,
    /// A command that changes nothing, and that no conduit allows.
    ForbiddenRead,
    /// Somebody does what it never did.
    Unusual,
    /// A rule matched.
    Alert,
    /// Many failed logins.
    Guessing,
    /// Somebody outside is called again and again, or names that a program made up are asked for.
    Callback,
    /// A scan.
    Scan,
    /// Far more was carried out of the city than ever before.
    Upload,
    /// A device was commanded as it never was.
    Deviation,
    /// Far more than somebody takes.
    Flood,
    /// Names that carry data.
    Tunnel,
    /// An address was claimed that is another's.
    Claim,
    /// Somebody got in: with a vendor's default password, or a guessed one.
    Takeover,
    /// A forbidden change was refused by the device.
    RefusedChange,
    /// The border of an isolated zone was crossed.
    Isolation,
    /// A forbidden change; no answer was seen.
    UnansweredChange,
    /// A forbidden change was accepted.
    Change,
}

impl Kind {
    /// All, weakest first.
    pub(crate) const ALL: [Kind; 17] = [
        Kind::ForbiddenContact,
        Kind::ForbiddenRead,
        Kind::Unusual,
        Kind::Alert,
        Kind::Guessing,
        Kind::Callback,
        Kind::Scan,
        Kind::Upload,
        Kind::Deviation,
        Kind::Flood,
        Kind::Tunnel,
        Kind::Claim,
        Kind::Takeover,
        Kind::RefusedChange,
        Kind::Isolation,
        Kind::UnansweredChange,
        Kind::Change,
    ];

    /// The name in events, and in what a playbook answers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::ForbiddenContact => "forbidden-contact",
            Kind::ForbiddenRead => "forbidden-read",
            Kind::Unusual => "unusual",
            Kind::Alert => "alert",
            Kind::Guessing => "password-guessing",
            Kind::Callback => "callback",
            Kind::Scan => "scan",
            Kind::Upload => "upload",
            Kind::Deviation => "deviation",
            Kind::Flood => "flood",
            Kind::Tunnel => "tunnel",
            Kind::Claim => "address-claimed",
            Kind::Takeover => "takeover",
            Kind::RefusedChange => "refused-change",
            Kind::Isolation => "isolation",
            Kind::UnansweredChange => "unanswered-change",
            Kind::Change => "change",
        }
    }

    /// How much it weighs; see `situation::OPENS`.
    pub(crate) fn weight(self) -> u32 {
        match self {
            Kind::ForbiddenContact => 1,
            Kind::ForbiddenRead | Kind::Unusual | Kind::Alert => 3,
            Kind::Guessing | Kind::Callback => 4,
            Kind::Scan | Kind::Upload | Kind::Deviation => 5,
            Kind::Flood | Kind::Tunnel | Kind::Claim | Kind::Takeover | Kind::RefusedChange => 6,
            Kind::Isolation | Kind::UnansweredChange | Kind::Change => 10,
        }
    }

    /// Changes that were not refused.
    pub(crate) fn is_change(self) -> bool {
        matches!(self, Kind::Change | Kind::UnansweredChange)
    }

    /// Evidence that ties its victim to the incident: what the victim does later belongs to it.
    pub(crate) fn binds_victim(self) -> bool {
        matches!(self, Kind::Takeover | Kind::Change | Kind::UnansweredChange)
    }
}

/// Somebody, as evidence names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Party {
    /// A declared asset.
    Asset(u32),
    /// An address.
    Ip(IpAddr),
    /// A hardware address, where there is no other.
    Mac(Mac),
    /// Many, or invented ones: the senders of a flood.
    Many,
}

/// A party with what is needed to speak of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seat {
    pub(crate) party: Party,
    pub(crate) place: Place,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) mac: Option<Mac>,
    pub(crate) name: Phrase,
    pub(crate) criticality: Criticality,
    /// A gateway, resolver and the like: many speak with it, and nothing is done against it.
    pub(crate) infrastructure: bool,
    /// Its MAC, where its own link was seen: the inventory says that it is its own.
    pub(crate) own_mac: Option<Mac>,
    /// Its address cannot be invented: it was answered in a TCP conversation, or it is heard with
    /// the MAC by which it answers on its link.
    pub(crate) proved: bool,
    /// The worst that it did; `None` where things were only done to it.
    pub(crate) worst: Option<Kind>,
}

/// One event as evidence.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    pub(crate) kind: Kind,
    pub(crate) actor: Party,
    pub(crate) victim: Option<Party>,
    /// Tells apart pieces of one kind that are worth a reason each.
    pub(crate) mark: u64,
    pub(crate) technique: Option<Technique>,
    event: &'a Event,
}

impl<'a> Evidence<'a> {
    /// Reads an event; `None` where it is evidence of nothing.
    pub(crate) fn of(event: &'a Event, context: &Context) -> Option<Evidence<'a>> {
        let (kind, mark, technique) = match &event.body {
            Body::Login(login) if login.success == Some(true) && login.default_credentials => {
                let technique = Some(Technique::DEFAULT_CREDENTIALS);
                (Kind::Takeover, mark_of(&[login.protocol]), technique)
            }
            Body::Behaviour(behaviour) => {
                let (kind, mark) = behaviour_kind(behaviour)?;
                (kind, mark, behaviour.technique)
            }
            Body::Violation(violation) => of_violation(violation, &event.subject, context),
            Body::Alert(alert) if alert.severity <= 2 => {
                // The rule names its technique by id.
                let named = |t: &&Technique| Some(t.id) == alert.technique.as_deref();
                let technique = Technique::ALL.iter().find(named).copied();
                (Kind::Alert, u64::from(alert.sid), technique)
            }
            _ => return None,
        };
        let subject = &event.subject;
        let actor = match party(subject.src_ip, subject.src_mac, context) {
            None if kind == Kind::Flood => Party::Many,
            _ if kind == Kind::Claim => party(None, subject.src_mac, context)?,
            found => found?,
        };
        // A scan is about many; the event names only the last.
        let victim = match kind {
            Kind::Scan | Kind::Guessing => None,
            // The name server only carries the names, and claims go to everybody.
            Kind::Tunnel | Kind::Callback | Kind::Claim => None,
            _ => party(subject.dst_ip, subject.dst_mac, context),
        };
        Some(Evidence {
            kind,
            actor,
            victim,
            mark,
            technique,
            event,
        })
    }

    pub(crate) fn event(&self) -> &'a Event {
        self.event
    }

    /// The one who acts.
    pub(crate) fn actor_seat(&self, context: &Context, inventory: &Inventory) -> Seat {
        let Subject { src_ip, src_mac, .. } = self.event.subject;
        if self.kind == Kind::Claim {
            // Its address is the one that is claimed: another's. By its hardware address it is proved to
            // be there where the device of that address was declared, or has answered on its link.
            let mut seat = Seat::new(self.actor, None, src_mac, context, inventory);
            if seat.place.asset.is_none() {
                seat.name = self.actor.text();
            }
            return seat;
        }
        let mut seat = Seat::new(self.actor, src_ip, src_mac, context, inventory);
        seat.proved |= self.was_answered();
        seat
    }

    /// The protocol of a changing command.
    pub(crate) fn changes_by(&self) -> Option<&'static str> {
        match &self.event.body {
            Body::Violation(violation) => {
                let command = violation.command.as_ref().filter(|c| c.verb.changes())?;
                Some(command.protocol)
            }
            _ => None,
        }
    }

    /// Whom the actor reached without leave, in a zone where it has no business.
    pub(crate) fn reaches(&self) -> Option<IpAddr> {
        let contact = matches!(self.kind, Kind::ForbiddenContact | Kind::Isolation);
        self.event.subject.dst_ip.filter(|_| contact)
    }

    /// The actor got in by trying passwords.
    pub(crate) fn guessed(&self) -> bool {
        matches!(&self.event.body, Body::Behaviour(b) if b.kind == GUESSED)
    }

    /// Who is flooded, by which protocol.
    pub(crate) fn floods(&self) -> Option<Flooded> {
        let address = self.event.subject.dst_ip.filter(|_| self.kind == Kind::Flood)?;
        // By a device of ours: it is known who sends, and who receives too much is told by that.
        if matches!(&self.event.body, Body::Behaviour(b) if b.kind == "outbound_flood") {
            return None;
        }
        let protocol = self.event.subject.protocol.unwrap_or(0);
        // The port of a crowd's conversations is no sign of SYNs that lead to nothing.
        let port = match &self.event.body {
            Body::Behaviour(b) if b.kind == "syn_flood" => self.event.subject.dst_port,
            Body::Behaviour(b) if b.kind == "amplification" => self.event.subject.src_port,
            _ => None,
        };
        Some(Flooded {
            address,
            protocol,
            port,
        })
    }

    /// Did the other side answer in TCP? Then the actor gets what is sent to its address.
    fn was_answered(&self) -> bool {
        const TCP: u8 = 6;
        let answered = match &self.event.body {
            Body::Login(login) => login.success.is_some(),
            Body::Violation(violation) => {
                let command = violation.command.as_ref();
                command.is_some_and(|c| c.outcome != CommandOutcome::Unanswered)
            }
            _ => false,
        };
        answered && self.event.subject.protocol == Some(TCP)
    }

    /// The one to whom it is done.
    pub(crate) fn victim_seat(&self, context: &Context, inventory: &Inventory) -> Option<Seat> {
        let Subject { dst_ip, dst_mac, .. } = self.event.subject;
        let mut seat = Seat::new(self.victim?, dst_ip, dst_mac, context, inventory);
        // Who answers is there, whatever it does later.
        seat.proved |= self.was_answered();
        Some(seat)
    }

    /// The sentence. No account names: they are personal.
    pub(crate) fn text(&self, actor: &Seat, victim: Option<&Seat>) -> Phrase {
        let who = &actor.name;
        let whom = victim.map_or_else(|| say!("many", "many"), |v| v.name.clone());
        match &self.event.body {
            Body::Login(login) => say!(
                "logged-in-by-default",
                "{who} logged into {whom} by {protocol} with a vendor's default password",
                who = who,
                whom = whom,
                protocol = login.protocol
            ),
            Body::Behaviour(behaviour) => behaviour.reason.clone(),
            Body::Alert(alert) => say!(
                "alerted",
                "{who} to {whom}: {what}",
                who = who,
                whom = whom,
                what = Phrase::of_file(format!("rule-{}", alert.sid), &*alert.signature)
            ),
            Body::Violation(violation) => {
                let rule = violation.reason.part("rule").unwrap_or(&violation.reason).clone();
                match &violation.command {
                    Some(command) => say!(
                        "commanded",
                        "{who} told {whom} by {protocol}: {command}; {outcome}. {rule}",
                        who = who,
                        whom = whom,
                        protocol = command.protocol,
                        command = command.sentence(),
                        outcome = outcome(command),
                        rule = rule.capital()
                    ),
                    None => say!(
                        "contacted",
                        "{who} to {whom}: {rule}",
                        who = who,
                        whom = whom,
                        rule = rule
                    ),
                }
            }
            _ => Phrase::default(),
        }
    }
}

impl Seat {
    fn new(
        party: Party,
        ip: Option<IpAddr>,
        mac: Option<Mac>,
        context: &Context,
        inventory: &Inventory,
    ) -> Seat {
        let mut seat = Seat {
            party,
            place: Place::default(),
            ip,
            mac,
            name: Phrase::default(),
            criticality: Criticality::Normal,
            infrastructure: false,
            own_mac: None,
            proved: false,
            worst: None,
        };
        seat.relocate(context);
        let device = inventory.find(ip, mac);
        if seat.name.is_empty() {
            seat.name = device.map_or_else(|| party.text(), |device| Phrase::as_written(device.name()));
        }
        if let Some(device) = device.filter(|d| mac.is_some() && d.mac() == mac) {
            seat.own_mac = mac;
            let holds = ip.is_none_or(|ip| device.addresses().contains(&ip));
            seat.proved = device.has_answered() && holds;
        }
        seat
    }

    /// Looks up what the city file says of it.
    pub(crate) fn relocate(&mut self, context: &Context) {
        self.place = context.locate(self.ip, self.mac);
        self.criticality = context.criticality(self.place);
        self.infrastructure = false;
        let declared = self.place.asset.and_then(|id| Some((id, context.asset(id)?)));
        if let Some((id, asset)) = declared {
            self.party = Party::Asset(id);
            self.name = Phrase::as_written(asset.name.as_str());
            self.infrastructure = asset.is_infrastructure();
        } else if let Some(party) = party(self.ip, self.mac, context) {
            self.party = party;
        }
    }
}

impl Party {
    fn text(self) -> Phrase {
        match self {
            Party::Asset(id) => Phrase::as_written(format!("asset {id}")),
            Party::Ip(ip) => Phrase::as_written(ip.to_string()),
            Party::Mac(mac) => Phrase::as_written(mac.map(|b| format!("{b:02x}")).join(":")),
            Party::Many => say!("somebody-many", "somebody, by many addresses,"),
        }
    }
}

fn party(ip: Option<IpAddr>, mac: Option<Mac>, context: &Context) -> Option<Party> {
    if let Some(asset) = context.locate(ip, mac).asset {
        return Some(Party::Asset(asset));
    }
    // The unspecified address is nobody's: many send from it.
    let ip = ip.filter(|ip| mac.is_none() || !ip.is_unspecified());
    ip.map(|ip| Party::Ip(ip.to_canonical())).or(mac.map(Party::Mac))
}

/// The behaviour of who tried passwords until one was right.
const GUESSED: &str = "password_guessed";

/// What a behaviour shows, and what tells it apart from others of the same kind.
fn behaviour_kind(behaviour: &Behaviour) -> Option<(Kind, u64)> {
    let kind = match behaviour.kind {
        "horizontal_scan" | "vertical_scan" | "shared_scan" | "worm_spread" => Kind::Scan,
        "password_guessing" => Kind::Guessing,
        GUESSED => Kind::Takeover,
        "periodic_callback" | "generated_names" => Kind::Callback,
        "upload_out_of_habit" => Kind::Upload,
        "dns_tunnel" => Kind::Tunnel,
        "address_claimed" => Kind::Claim,
        "syn_flood" | "ack_flood" | "udp_flood" | "amplification" | "icmp_flood" | "packet_flood"
        | "outbound_flood" | "carpet_flood" | "connections_held" | "request_flood" => Kind::Flood,
        other => return unusual(other, behaviour.score),
    };
    Some((kind, mark_of(&[behaviour.kind])))
}

/// What deviates from a signed allow-list, or from a signed model. That a device is commanded by
/// somebody new, or as it never was, is an incident by itself; of the rest, two different things are.
fn unusual(kind: &str, score: f64) -> Option<(Kind, u64)> {
    const COMMANDS: [&str; 4] = ["new_commander", "new_command", "new_point", "value_out_of_range"];
    const OTHERS: [&str; 7] = [
        "new_peer",
        "new_service",
        "new_fingerprint",
        "unusually_often",
        "unusual_hour",
        // As logs of earlier versions have it.
        "unusual_conversation",
        "anomaly",
    ];
    /// Least score of a command that changes something; see `docs/spec/allow-list.md`.
    const CHANGES: f64 = 0.8;
    let place = |names: &[&str]| names.iter().position(|name| *name == kind).map(|i| i as u64);
    if let Some(place) = place(&COMMANDS) {
        let changes = score > CHANGES || kind == "value_out_of_range";
        let kind = if changes { Kind::Deviation } else { Kind::Unusual };
        return Some((kind, place));
    }
    place(&OTHERS).map(|place| (Kind::Unusual, COMMANDS.len() as u64 + place))
}

fn of_violation(
    violation: &Violation,
    subject: &Subject,
    context: &Context,
) -> (Kind, u64, Option<Technique>) {
    // Contacts and reads are worth a reason for each zone.
    let zone = context.locate(subject.dst_ip, subject.dst_mac).zone;
    let to_zone = zone.map_or(0, |zone| u64::from(zone) + 1);
    let Some(command) = &violation.command else {
        let kind = match violation.kind {
            ViolationKind::Isolation => Kind::Isolation,
            _ => Kind::ForbiddenContact,
        };
        return (kind, to_zone, None);
    };
    if !command.verb.changes() {
        let kind = match violation.kind {
            ViolationKind::Isolation => Kind::Isolation,
            _ => Kind::ForbiddenRead,
        };
        return (kind, to_zone, command.technique);
    }
    let kind = match command.outcome {
        CommandOutcome::Accepted => Kind::Change,
        CommandOutcome::Unanswered => Kind::UnansweredChange,
        CommandOutcome::Refused(_) => Kind::RefusedChange,
    };
    let technique = command.technique.unwrap_or(Technique::UNAUTHORIZED_COMMAND);
    (kind, point_mark(command), Some(technique))
}

/// Writes to different points are worth a reason each.
fn point_mark(command: &Command) -> u64 {
    mark_of(&[&command.point, command.verb.name()])
}

/// A mark of words (FNV-1a).
fn mark_of(words: &[&str]) -> u64 {
    let bytes = words.iter().flat_map(|word| word.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn outcome(command: &Command) -> Phrase {
    match command.outcome {
        CommandOutcome::Accepted => say!("device-accepted", "the device accepted it"),
        CommandOutcome::Unanswered => say!("device-unanswered", "no answer was seen"),
        CommandOutcome::Refused(code) => say!(
            "device-refused",
            "the device refused it (code {code})",
            code = code
        ),
    }
}

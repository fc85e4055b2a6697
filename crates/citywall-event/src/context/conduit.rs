//! What a conduit lets through: ports, protocols and commands.
//!
//! Owns: the compiled form of a conduit, the index by zone pair, and whether a conversation or a
//! command matches. Does not own: the language it is written in, and what the names mean.

use hashbrown::HashMap;

use super::{AssetInfo, Place, Service, ZoneId};
use crate::{Command, Verb};

/// One end of a conduit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConduitEnd {
    /// Every zone, but not "outside".
    EveryZone,
    /// The zone "outside".
    Outside,
    /// A zone.
    Zone(ZoneId),
    /// A declared asset, by index.
    Asset(u32),
}

/// Who may open a conversation with whom, and say what.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conduit {
    /// Who may begin.
    pub from: Vec<ConduitEnd>,
    /// With whom.
    pub to: Vec<ConduitEnd>,
    /// What is allowed.
    pub grants: Vec<Grant>,
}

/// A run of responder ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ports {
    /// IP protocol number.
    pub protocol: u8,
    /// First port.
    pub first: u16,
    /// Last port.
    pub last: u16,
}

impl Ports {
    /// True where the service lies in the run; a service without a port does.
    fn holds(self, service: &Service<'_>) -> bool {
        self.protocol == service.protocol
            && service
                .port
                .is_none_or(|port| (self.first..=self.last).contains(&port))
    }
}

/// One thing that a conduit allows.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// How the city file says it.
    pub text: String,
    /// The application protocol, as in `app_proto`; `None` = any.
    pub app: Option<String>,
    /// The responder's ports; none = any protocol, any port.
    pub ports: Vec<Ports>,
    /// The commands; none = all.
    pub commands: Vec<CommandGrant>,
}

impl Grant {
    /// May this conversation be opened? Before its protocol is known the ports decide.
    pub fn carries(&self, service: &Service<'_>) -> bool {
        self.on_port(service)
            && match (&self.app, service.app_proto) {
                (Some(allowed), Some(seen)) => allowed == seen || (seen == "tls" && may_turn_to_tls(allowed)),
                _ => true,
            }
    }

    /// Is one of the ports the service's?
    pub fn on_port(&self, service: &Service<'_>) -> bool {
        self.ports.is_empty() || self.ports.iter().any(|p| p.holds(service))
    }

    /// Does it speak of this protocol at all? Grants of bare ports do where the conversation is
    /// known to be on one of them.
    pub fn speaks(&self, protocol: &str, service: Option<&Service<'_>>) -> bool {
        let named = match &self.app {
            Some(app) => app == protocol,
            None => self.ports.is_empty() || service.is_some(),
        };
        named && service.is_none_or(|service| self.on_port(service))
    }

    /// May this command be given?
    pub fn allows(&self, command: &Command, service: Option<&Service<'_>>) -> bool {
        self.speaks(command.protocol, service)
            && (self.commands.is_empty() || self.commands.iter().any(|c| c.allows(command)))
    }

    /// May `command`'s target ask to be told of what `command` tells?
    fn allows_subscription_to(&self, command: &Command) -> bool {
        self.speaks(command.protocol, None)
            && (self.commands.is_empty()
                || self
                    .commands
                    .iter()
                    .any(|c| c.verbs.has(Verb::Subscribe) && c.at_point(command)))
    }
}

/// A set of verbs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VerbSet(u16);

impl VerbSet {
    /// Every verb.
    pub const ALL: VerbSet = VerbSet((1 << Verb::ALL.len()) - 1);

    /// The set with `verb` in it too.
    #[must_use]
    pub fn with(self, verb: Verb) -> VerbSet {
        VerbSet(self.0 | 1 << verb as u16)
    }

    /// Is `verb` in it?
    pub fn has(self, verb: Verb) -> bool {
        self.0 & (1 << verb as u16) != 0
    }
}

/// Which commands: the verb or the function must be named, and the point and unit, where any is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CommandGrant {
    /// Verbs.
    pub verbs: VerbSet,
    /// The protocol's own functions, as in `Command::function`.
    pub functions: Vec<String>,
    /// Points; none = all.
    pub points: Vec<PointPattern>,
    /// Units, first and last; none = all.
    pub units: Option<(u32, u32)>,
}

impl CommandGrant {
    fn allows(&self, command: &Command) -> bool {
        self.names(command) && self.at_point(command)
    }

    /// Is its verb or function named, whatever its point?
    pub(super) fn names(&self, command: &Command) -> bool {
        self.verbs.has(command.verb) || self.functions.iter().any(|f| f == command.function)
    }

    fn at_point(&self, command: &Command) -> bool {
        let unit = match (self.units, command.unit) {
            (None, _) => true,
            (Some((first, last)), Some(unit)) => (first..=last).contains(&unit),
            (Some(_), None) => false,
        };
        unit && (self.points.is_empty()
            || self
                .points
                .iter()
                .any(|p| p.covers(&command.point, command.count)))
    }
}

/// Which points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PointPattern {
    /// This one.
    Exact(String),
    /// Numbered points of a kind: `holding:40-49`.
    Range {
        /// `holding`.
        kind: String,
        /// First number.
        first: u32,
        /// Last number.
        last: u32,
    },
    /// An object identifier and all below it.
    Below(String),
    /// An MQTT topic filter (MQTT 5.0, 4.7).
    Topic(String),
}

impl PointPattern {
    /// Are the `count` points from `point` on all meant? A point that is itself an MQTT filter
    /// (of a subscription) is covered where all topics that it takes are.
    pub fn covers(&self, point: &str, count: u32) -> bool {
        match self {
            PointPattern::Exact(exact) => exact == point && count <= 1,
            PointPattern::Range { kind, first, last } => {
                let Some((k, number)) = point.split_once(':') else {
                    return false;
                };
                let Ok(number) = number.parse::<u32>() else {
                    return false;
                };
                let end = number.checked_add(count.max(1) - 1);
                k == kind && number >= *first && end.is_some_and(|end| end <= *last)
            }
            PointPattern::Below(root) => point
                .strip_prefix(root.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
            PointPattern::Topic(filter) => topic_covers(filter, point),
        }
    }
}

/// Level by level: `#` takes the rest, `+` any one level. Filters that begin with a wildcard take
/// no topic that begins with `$` (MQTT 5.0, 4.7.2).
fn topic_covers(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['#', '+']) {
        return false;
    }
    let mut topic = topic.split('/');
    let mut filter = filter.split('/');
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(level)) if level != "#" => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
}

/// A zone, "outside" or every zone, as a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ZoneKey {
    Every,
    Of(Option<ZoneId>),
}

/// Protocols that begin in the clear and may ask for TLS, in which they are no longer to be told apart: a
/// conversation of theirs is then known as TLS.
fn may_turn_to_tls(app: &str) -> bool {
    matches!(app, "smtp" | "imap" | "ftp" | "ldap" | "pgsql" | "mysql")
}

/// A conduit as it applies between two zones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    conduit: u32,
    from_asset: Option<u32>,
    to_asset: Option<u32>,
}

/// Which conduits apply between which zones.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairs(HashMap<(ZoneKey, ZoneKey), Vec<Entry>>);

impl Pairs {
    pub(super) fn new(conduits: &[Conduit], assets: &[AssetInfo]) -> Pairs {
        let mut pairs: HashMap<_, Vec<Entry>> = HashMap::new();
        for (index, conduit) in conduits.iter().enumerate() {
            let to: Vec<_> = conduit.to.iter().flat_map(|e| keys(*e, assets)).collect();
            for (from_key, from_asset) in conduit.from.iter().flat_map(|e| keys(*e, assets)) {
                for &(to_key, to_asset) in &to {
                    let entries = pairs.entry((from_key, to_key)).or_default();
                    let entry = Entry {
                        conduit: index as u32,
                        from_asset,
                        to_asset,
                    };
                    // Ends of one conduit arrive together, so a repeat stands last.
                    if entries.last() != Some(&entry) {
                        entries.push(entry);
                    }
                }
            }
        }
        Pairs(pairs)
    }

    /// The conduits that apply from one place to another, in the order of the city file within
    /// each of the four ways to name a zone pair.
    pub(super) fn between<'a>(
        &'a self,
        conduits: &'a [Conduit],
        from: Place,
        to: Place,
    ) -> impl Iterator<Item = &'a Conduit> {
        let keys = |place: Place| {
            let every = place.zone.map(|_| ZoneKey::Every);
            [Some(ZoneKey::Of(place.zone)), every]
        };
        let to_keys = keys(to);
        keys(from)
            .into_iter()
            .flatten()
            .flat_map(move |f| to_keys.into_iter().flatten().map(move |t| (f, t)))
            .filter_map(|pair| self.0.get(&pair))
            .flatten()
            .filter(move |entry| {
                entry.from_asset.is_none_or(|a| from.asset == Some(a))
                    && entry.to_asset.is_none_or(|a| to.asset == Some(a))
            })
            .filter_map(|entry| conduits.get(entry.conduit as usize))
    }
}

/// The zone keys of one end. An asset has those of all its addresses.
fn keys(end: ConduitEnd, assets: &[AssetInfo]) -> Vec<(ZoneKey, Option<u32>)> {
    match end {
        ConduitEnd::EveryZone => vec![(ZoneKey::Every, None)],
        ConduitEnd::Outside => vec![(ZoneKey::Of(None), None)],
        ConduitEnd::Zone(zone) => vec![(ZoneKey::Of(Some(zone)), None)],
        ConduitEnd::Asset(index) => {
            let Some(asset) = assets.get(index as usize) else {
                return Vec::new();
            };
            let mut zones: Vec<Option<ZoneId>> = asset.addresses.iter().map(|(_, zone)| *zone).collect();
            if !asset.macs.is_empty() {
                zones.push(asset.zone);
            }
            zones.sort_unstable();
            zones.dedup();
            zones
                .into_iter()
                .map(|zone| (ZoneKey::Of(zone), Some(index)))
                .collect()
        }
    }
}

impl Conduit {
    /// May who begins ask to be told of what `command` tells? Then it may be told.
    pub fn tells_subscribers(&self, command: &Command) -> bool {
        self.grants.iter().any(|g| g.allows_subscription_to(command))
    }
}

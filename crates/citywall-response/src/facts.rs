//! What the gate knows of the city, from the city file that the enforcer read itself.
//!
//! Owns: the standing of a host (zone, asset, how bad it is when it stops, whether everything else
//! needs it), what the policy permits between two ends, who the people are, when maintenance is.
//! Does not own: the city file. Nothing here is heard from the sensor.

mod standing;
mod work;

use std::net::IpAddr;
use std::sync::Arc;

use citywall_event::{AssetInfo, Conduit, ConduitEnd, Context, Mac, Nanos, Place, Prefix, ZoneId};
use citywall_policy::{City, Role, Timezone, Window};
use sha2::{Digest, Sha256};

pub(crate) use standing::Device;
pub use standing::HostStanding;
use standing::Tags;

/// An account on some machine or console: `unix:ada`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account(pub String);

impl Account {
    /// The account of a Unix peer.
    pub fn unix(name: &str) -> Account {
        Account(format!("unix:{name}"))
    }
}

/// One person of the city file, whatever accounts there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Full name; what counts as "the same person".
    pub name: String,
    /// What the person may do.
    pub roles: Vec<Role>,
    /// By which accounts the person is known.
    pub accounts: Vec<Account>,
}

/// The city as the gate sees it. Equal cities give equal facts.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Stands for what the city file says, and for how often it was read; approvals are bound to it.
    pub revision: u64,
    /// Zones, assets, services.
    pub context: Arc<Context>,
    /// The networks of each zone, by `ZoneId`.
    pub networks: Vec<Vec<Prefix>>,
    /// Who may approve and operate.
    pub people: Vec<Principal>,
    /// When work on devices is expected.
    pub windows: Vec<Window>,
    /// The zone of the windows' times.
    pub timezone: Timezone,
    conduits: Arc<Vec<Conduit>>,
    /// From where the networks and this machine are run.
    management: Vec<ConduitEnd>,
    /// The same, as networks that whoever started the enforcer named.
    managed_from: Vec<Prefix>,
    tags: Arc<Tags>,
}

impl Facts {
    /// Reads them off a city. `own` and `own_macs` are the addresses of the machine that enforces:
    /// never acted against, as the management path leads there.
    pub fn of(city: &City, revision: u64, own: Vec<IpAddr>, own_macs: Vec<Mac>) -> Facts {
        let person = |person: &citywall_policy::Person| Principal {
            name: person.name.clone(),
            roles: person.roles.clone(),
            accounts: person.unix.iter().map(|name| Account::unix(name)).collect(),
        };
        let context = city.compile().1;
        let conduits = city.conduits.iter().map(|conduit| Conduit {
            from: conduit.from.clone(),
            to: conduit.to.clone(),
            grants: conduit.allow.clone(),
        });
        let macs = city.zones.iter().map(|zone| zone.macs.len() as u32).collect();
        Facts {
            revision: fingerprint(city, revision),
            networks: city.zones.iter().map(|zone| zone.networks.clone()).collect(),
            people: city.people.iter().map(person).collect(),
            windows: city.windows.clone(),
            timezone: city.timezone.clone(),
            conduits: Arc::new(conduits.collect()),
            management: city.response.management.clone(),
            managed_from: Vec::new(),
            tags: Arc::new(Tags::of(&context, macs, own, own_macs)),
            context: Arc::new(context),
        }
    }

    /// Networks from which this machine is run, besides what the city file says: never acted against.
    pub fn managed_from(&mut self, networks: &[Prefix]) {
        self.managed_from = networks.to_vec();
    }

    fn is_managed_from(&self, ip: IpAddr) -> bool {
        self.managed_from.iter().any(|network| network.contains(ip))
    }

    /// The person behind an account.
    pub fn principal(&self, account: &Account) -> Option<&Principal> {
        self.people.iter().find(|p| p.accounts.contains(account))
    }

    /// How many devices of a zone may be touched at a time: 1 % of those that the city file names,
    /// and one at least. What is only seen in traffic does not count, as it can be invented.
    /// `None` for "outside", whose devices are not the city's.
    pub(crate) fn zone_cap(&self, zone: Option<ZoneId>) -> Option<u32> {
        let devices = self.tags.devices.get(usize::from(zone?)).copied().unwrap_or(0);
        Some((devices / 100).max(1))
    }

    /// A zone by its name.
    pub(crate) fn zone_named(&self, name: &str) -> Option<ZoneId> {
        let place = self.context.zones().iter().position(|zone| zone.name == name)?;
        ZoneId::try_from(place).ok()
    }

    /// The window in which somebody works on what lives at a place now.
    pub(crate) fn maintenance(&self, place: Place, wall: Nanos) -> Option<&str> {
        let open = |window: &&Window| window.is_on(place) && window.is_open(wall, &self.timezone);
        self.windows.iter().find(open).map(|window| window.name.as_str())
    }

    fn asset(&self, index: u32) -> Option<&AssetInfo> {
        self.context.asset(index)
    }
}

/// Equal for equal cities, whatever file they were read from; a city that changed while the
/// enforcer was down is another one.
fn fingerprint(city: &City, revision: u64) -> u64 {
    let digest = Sha256::digest(format!("{revision} {city:?}"));
    let bytes = digest.iter().take(8);
    bytes.fold(0, |number, byte| number << 8 | u64::from(*byte))
}

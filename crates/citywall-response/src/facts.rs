//! What the gate knows of the city, from the city file that the enforcer read itself.
//!
//! Owns: the standing of a host (zone, asset, how bad it is when it stops, whether everything else
//! needs it), who the people are, when maintenance is. Does not own: the city file.

use std::net::IpAddr;

use citywall_event::{Context, Mac, Prefix};
use citywall_policy::{City, Role, Timezone, Window};

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
    /// Which reading of the city file this is; approvals are bound to it.
    pub revision: u64,
    /// Zones, assets, conduits, services.
    pub context: Context,
    /// The networks of each zone, by `ZoneId`.
    pub networks: Vec<Vec<Prefix>>,
    /// Who may approve and operate.
    pub people: Vec<Principal>,
    /// When work on devices is expected.
    pub windows: Vec<Window>,
    /// The zone of the windows' times.
    pub timezone: Timezone,
    /// The enforcer's own addresses and those of its management: never acted against.
    pub own: Vec<IpAddr>,
    /// The enforcer's own hardware addresses.
    pub own_macs: Vec<Mac>,
}

impl Facts {
    /// Reads them off a city. `own` and `own_macs` are the machine's.
    pub fn of(city: &City, revision: u64, own: Vec<IpAddr>, own_macs: Vec<Mac>) -> Facts {
        let person = |person: &citywall_policy::Person| Principal {
            name: person.name.clone(),
            roles: person.roles.clone(),
            accounts: match person.unix.is_empty() {
                true => Vec::new(),
                false => vec![Account::unix(&person.unix)],
            },
        };
        Facts {
            revision,
            context: city.compile().1,
            networks: city.zones.iter().map(|zone| zone.networks.clone()).collect(),
            people: city.people.iter().map(person).collect(),
            windows: city.windows.clone(),
            timezone: city.timezone.clone(),
            own,
            own_macs,
        }
    }

    /// The person behind an account.
    pub fn principal(&self, account: &Account) -> Option<&Principal> {
        self.people.iter().find(|p| p.accounts.contains(account))
    }
}

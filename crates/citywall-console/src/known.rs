//! The city as its file has it now.
//!
//! Owns: who the people are, which zone is which, and how the city's clocks show a time. A request keeps the one
//! that it began with: by another reading of the file a zone has another number. Does not own: the file.

use std::sync::Arc;

use citywall_event::{Context, Nanos, ZoneId};
use citywall_policy::City;

use crate::board::Incident;
use crate::permission::{Person, Scope};

/// Who stands in for the people where no city file names any.
pub const NOBODY: &str = "Local administrator";

/// One reading of the city file.
pub struct Known {
    /// The city file.
    pub city: Option<City>,
    /// Its text; empty where there is none.
    pub text: Arc<str>,
    /// Zones and assets by address.
    pub context: Context,
}

impl Known {
    /// What follows from a city file.
    pub fn new(city: Option<City>, text: Arc<str>) -> Known {
        Known {
            text,
            context: city.as_ref().map(|c| c.compile().1).unwrap_or_default(),
            city,
        }
    }

    /// The person of a name. Without people in the city file somebody may still look.
    pub fn person(&self, name: &str) -> Option<Person> {
        match &self.city {
            Some(city) if !city.people.is_empty() => Person::of(city, name),
            _ if name == NOBODY => Some(Person {
                name: NOBODY.to_owned(),
                roles: vec![citywall_policy::Role::Administrator],
                scope: Scope::City,
            }),
            _ => None,
        }
    }

    /// Names of all people.
    pub fn people(&self) -> Vec<String> {
        match &self.city {
            Some(city) if !city.people.is_empty() => city.people.iter().map(|p| p.name.clone()).collect(),
            _ => vec![NOBODY.to_owned()],
        }
    }

    /// A zone by its name.
    pub fn zone(&self, name: &str) -> Option<ZoneId> {
        let place = self.context.zones().iter().position(|zone| zone.name == name)?;
        ZoneId::try_from(place).ok()
    }

    /// The zones that an incident concerns.
    pub fn zones_of<'a>(&'a self, incident: &'a Incident) -> impl Iterator<Item = ZoneId> + 'a {
        incident.zones.iter().filter_map(|name| self.zone(name))
    }

    /// A packet time, as the city's clocks show it.
    pub fn time(&self, at: Nanos) -> String {
        match &self.city {
            Some(city) => city.local_time(at),
            None => citywall_policy::Timezone::default().local_time(at),
        }
    }

    /// A time of an event, likewise.
    pub fn time_of(&self, text: &str) -> String {
        crate::text::nanos(text).map_or_else(|| crate::text::plain(text), |at| self.time(at))
    }
}

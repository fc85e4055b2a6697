//! Who may do what on the console: role by deed by department.
//!
//! Owns: the table. Does not own: the gate's own judgement, which comes on top of it: what is allowed
//! here may still be refused there. The table is written out in `tests/permissions.txt`, and each
//! cell of it is a test.

use std::collections::BTreeSet;

use citywall_event::ZoneId;
use citywall_policy::{City, Role};

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// See pages, search.
    Look,
    /// Take data away as a file.
    Export,
    /// Take an incident's packets, and with them what people wrote, passwords too.
    Packets,
    /// Approve a plan.
    Approve,
    /// Say no to a plan.
    Reject,
    /// Take an action back.
    Undo,
    /// Say that something is normal here, and take that back.
    CallNormal,
    /// Say what the city file should be, and see what that would mean.
    Propose,
    /// Stand for a city file to be.
    SignPolicy,
    /// Make links by which others set their password; end their sessions.
    Invite,
}

#[cfg(test)]
impl Deed {
    /// All.
    pub const ALL: [Deed; 10] = [
        Deed::Look,
        Deed::Export,
        Deed::Packets,
        Deed::Approve,
        Deed::Reject,
        Deed::Undo,
        Deed::CallNormal,
        Deed::Propose,
        Deed::SignPolicy,
        Deed::Invite,
    ];
}

/// Roles of the city file, by their names there.
pub const ROLES: [(Role, &str); 5] = [
    (Role::Viewer, "viewer"),
    (Role::Operator, "operator"),
    (Role::Approver, "approver"),
    (Role::Engineer, "engineer"),
    (Role::Administrator, "administrator"),
];

/// Whose matter it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Touches a zone of the person's department, or the person answers for the whole city.
    Own,
    /// Touches only zones of other departments.
    Other,
}

/// May a role do this?
pub fn permitted(role: Role, deed: Deed, reach: Reach) -> bool {
    let roles: &[Role] = match (deed, reach) {
        (Deed::Look | Deed::Export, Reach::Own) => return true,
        (Deed::Look | Deed::Export | Deed::Invite, _) => &[Role::Administrator],
        (Deed::Undo | Deed::Packets | Deed::Propose | Deed::SignPolicy, Reach::Other) => {
            &[Role::Administrator]
        }
        (Deed::Propose, Reach::Own) => &[
            Role::Operator,
            Role::Approver,
            Role::Engineer,
            Role::Administrator,
        ],
        (Deed::SignPolicy, Reach::Own) => &[Role::Approver, Role::Administrator],
        (Deed::Approve | Deed::Reject, Reach::Own) => &[Role::Approver],
        (Deed::Undo | Deed::Packets, Reach::Own) => &[Role::Operator, Role::Approver, Role::Administrator],
        (Deed::CallNormal, Reach::Own) => &[Role::Operator, Role::Approver],
        (_, Reach::Other) => &[],
    };
    roles.contains(&role)
}

/// What a person sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All zones.
    City,
    /// The zones of the person's department.
    Zones(BTreeSet<ZoneId>),
}

/// A person of the city file at the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Full name: the principal.
    pub name: String,
    /// What the person may do.
    pub roles: Vec<Role>,
    /// Of which zones.
    pub scope: Scope,
}

impl Person {
    /// The person of this name. Whose department answers for a domain sees that domain's zones; who
    /// belongs to no such department answers for the city, and an administrator sees all.
    pub fn of(city: &City, name: &str) -> Option<Person> {
        let person = city.principal(name)?;
        let own = |domain: usize| {
            city.domains
                .get(domain)
                .is_some_and(|d| d.department == person.department)
        };
        let zones: BTreeSet<ZoneId> = city
            .zones
            .iter()
            .enumerate()
            .filter(|(_, zone)| !person.department.is_empty() && own(zone.domain))
            .filter_map(|(id, _)| ZoneId::try_from(id).ok())
            .collect();
        let city_wide = zones.is_empty() || person.roles.contains(&Role::Administrator);
        Some(Person {
            name: person.name.clone(),
            roles: person.roles.clone(),
            scope: if city_wide {
                Scope::City
            } else {
                Scope::Zones(zones)
            },
        })
    }

    /// May the person do this, of such a reach?
    pub fn may(&self, deed: Deed, reach: Reach) -> bool {
        self.roles.iter().any(|role| permitted(*role, deed, reach))
    }

    /// Is one of these zones the person's?
    pub fn reach(&self, mut zones: impl Iterator<Item = ZoneId>) -> Reach {
        match &self.scope {
            Scope::City => Reach::Own,
            Scope::Zones(own) if zones.any(|zone| own.contains(&zone)) => Reach::Own,
            Scope::Zones(_) => Reach::Other,
        }
    }

    /// Does the person see what lies in these zones?
    pub fn sees(&self, zones: impl Iterator<Item = ZoneId>) -> bool {
        self.may(Deed::Look, self.reach(zones))
    }

    /// Does the person see what is in no zone, such as the journal of the whole city?
    pub fn sees_city(&self) -> bool {
        self.scope == Scope::City
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn each_cell_of_the_table() {
        let mut table = String::from("role           deed        own  other\n");
        for (role, name) in ROLES {
            for deed in Deed::ALL {
                let word = |reach| if permitted(role, deed, reach) { "yes" } else { "-" };
                let deed_name = format!("{deed:?}");
                let _ = writeln!(
                    table,
                    "{name:<14} {deed_name:<11} {:<4} {}",
                    word(Reach::Own),
                    word(Reach::Other)
                );
            }
        }
        expect_test::expect_file!["../tests/permissions.txt"].assert_eq(&table);
    }

    #[test]
    fn departments_see_their_zones() {
        let city = City::parse(citywall_policy::EXAMPLE, "city.toml").unwrap();
        // Traffic engineering answers for no domain of the example, the water works for one.
        assert!(Person::of(&city, "Ada Example").unwrap().sees_city());
        let grace = Person::of(&city, "Grace Example").unwrap();
        let zone = |name: &str| city.zones.iter().position(|z| z.name == name).unwrap() as ZoneId;
        assert!(grace.sees([zone("pumps")].into_iter()));
        assert!(grace.sees([zone("offices"), zone("pumps")].into_iter()));
        assert!(!grace.sees([zone("offices")].into_iter()));
        assert!(!grace.sees(std::iter::empty()), "what is nowhere is the city's");
        assert!(Person::of(&city, "Nobody").is_none());
    }
}

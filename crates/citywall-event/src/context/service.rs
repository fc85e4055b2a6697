//! Services of the city and what they need.
//!
//! Owns: the question "what falls next". Does not own: how a service is declared.

use super::{Context, Criticality, Place, ZoneId};

/// What a service needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependency {
    /// A zone as a whole.
    Zone(ZoneId),
    /// An asset, by index.
    Asset(u32),
    /// Another service, by index.
    Service(u32),
}

/// A service of the city.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceInfo {
    /// Its name in the city file.
    pub name: String,
    /// How bad it is when it stops.
    pub criticality: Criticality,
    /// What it needs.
    pub depends_on: Vec<Dependency>,
}

impl Context {
    /// The services that depend on any of these places, what falls next first: by the number of
    /// services in between, then the worst first, then in the order of the city file. Work is
    /// proportional to the number of dependencies times the depth of the chain.
    pub fn dependents(&self, places: &[Place]) -> Vec<&ServiceInfo> {
        let mut fallen: Vec<Option<usize>> = vec![None; self.services.len()];
        for depth in 0..=self.services.len() {
            let mut grown = false;
            for (index, service) in self.services.iter().enumerate() {
                if fallen[index].is_some() {
                    continue;
                }
                let hit = service.depends_on.iter().any(|dependency| match *dependency {
                    Dependency::Zone(zone) => depth == 0 && places.iter().any(|p| p.zone == Some(zone)),
                    Dependency::Asset(asset) => depth == 0 && places.iter().any(|p| p.asset == Some(asset)),
                    Dependency::Service(other) => fallen
                        .get(other as usize)
                        .is_some_and(|f| f.is_some_and(|at| at < depth)),
                });
                if hit {
                    fallen[index] = Some(depth);
                    grown = true;
                }
            }
            if !grown {
                break;
            }
        }
        let mut order: Vec<(usize, usize)> = fallen
            .iter()
            .enumerate()
            .filter_map(|(index, depth)| depth.map(|depth| (depth, index)))
            .collect();
        order.sort_by_key(|&(depth, index)| {
            (depth, std::cmp::Reverse(self.services[index].criticality), index)
        });
        order
            .into_iter()
            .map(|(_, index)| &self.services[index])
            .collect()
    }
}

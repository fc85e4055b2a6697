//! Who may reach whom, as a table of zones.
//!
//! Owns: what stands in each cell. Does not own: how it is drawn, and single questions (`explain`).

use citywall_event::OUTSIDE;

use crate::city::City;
use crate::ends::{End, Judged};
use crate::explain::Way;

/// All zones by all zones, "outside" last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// Names of rows and columns.
    pub names: Vec<String>,
    /// By row, then by column. The row begins.
    pub cells: Vec<Vec<Cell>>,
}

/// What a zone may open with another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Outside to outside: not the city's.
    NotJudged,
    /// Nothing may pass, whatever conduits say.
    Isolated,
    /// All may pass.
    Free,
    /// What these say; none: nothing.
    Ways(Vec<Way>),
}

impl City {
    /// The table.
    pub fn matrix(&self) -> Matrix {
        let judged = Judged::new(self);
        let mut ends: Vec<End> = (0..self.zones.len()).map(|id| judged.zone(id)).collect();
        ends.push(judged.outside());
        let cell = |from: &End, to: &End| {
            if from.name == OUTSIDE && to.name == OUTSIDE {
                return Cell::NotJudged;
            }
            // Without a question there is nothing that could be wrong in it.
            let Ok(explained) = judged.explain(from, to, None, None) else {
                return Cell::Ways(Vec::new());
            };
            match (explained.isolated, explained.free) {
                (Some(_), _) => Cell::Isolated,
                (None, Some(_)) if from.place.zone == to.place.zone => Cell::Free,
                _ => Cell::Ways(explained.ways),
            }
        };
        Matrix {
            names: ends.iter().map(|end| end.name.clone()).collect(),
            cells: ends
                .iter()
                .map(|from| ends.iter().map(|to| cell(from, to)).collect())
                .collect(),
        }
    }
}

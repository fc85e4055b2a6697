//! Maintenance: whether somebody works on a device now.
//!
//! Owns: which window is named. Does not own: when a window is open (`citywall-policy`).

use citywall_event::{Nanos, Place};

use super::Facts;

impl Facts {
    /// The window in which somebody works on what lives at a place now.
    pub(crate) fn maintenance(&self, place: Place, wall: Nanos) -> Option<&str> {
        let open = |w: &&citywall_policy::Window| w.is_on(place) && w.is_open(wall, &self.timezone);
        self.windows.iter().find(open).map(|window| window.name.as_str())
    }
}

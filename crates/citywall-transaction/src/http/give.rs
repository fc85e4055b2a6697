//! What of an exchange is given out, and in which order: login, exchange, files, sightings.

use citywall_event::{Login, Side, Sighting, SightingTrait};
use citywall_flow::Direction;

use super::HttpExchange;
use super::dissector::{HttpDissector, REQUEST};
use crate::{Item, Output, Transaction};

/// Longer values say nothing more about a device.
const SIGHTING: usize = 200;

impl HttpDissector {
    pub(super) fn give(&mut self, mut exchange: Box<HttpExchange>, out: &mut Output) {
        if let Some(login) = exchange.login.take() {
            self.give_login(*login, exchange.status(), out);
        }
        let files = std::mem::take(&mut exchange.files);
        out.transaction(REQUEST, Transaction::Http(exchange));
        for file in files.into_iter().flatten() {
            out.transaction(file.direction, Transaction::File(Box::new(file)));
        }
    }

    fn give_login(&mut self, mut login: Login, status: Option<u16>, out: &mut Output) {
        login.success = status.map(|status| !matches!(status, 401 | 403));
        if login.success == Some(true) {
            if self.logged_in.as_deref() == Some(&login.user) {
                return;
            }
            self.logged_in = Some(login.user.clone());
        }
        out.items.push((REQUEST, Item::Login(login)));
    }

    pub(super) fn sight(
        &mut self,
        direction: Direction,
        value: Option<&[u8]>,
        evidence: &'static str,
        out: &mut Output,
    ) {
        let seen = &mut self.sighted[direction.index()];
        let Some(value) = value.filter(|v| !*seen && !v.is_empty()) else {
            return;
        };
        *seen = true;
        let value = String::from_utf8_lossy(&value[..value.len().min(SIGHTING)]).into_owned();
        let sighting = Sighting {
            side: Side::Source,
            trait_: SightingTrait::Software,
            value,
            evidence,
        };
        out.items.push((direction, Item::Sighting(sighting)));
    }
}

//! Who is believed where two MACs say that they have one address.
//!
//! Owns: when an address is held, and what becomes of the claims of others. Does not own: what else binds
//! addresses to MACs (`learn`).
//!
//! ARP and DHCP prove nothing: anybody can say that an address is its own. So an address stays with a
//! device that has it by its own MAC and was heard with it within `SILENCE`, and whoever claims it
//! meanwhile does not get it. The last such claim is remembered. It counts once the holder has not been
//! heard with this address for that long, at the claimer's next word: a stand-by that takes over from a
//! machine that failed, and who is leased what another gave up, come through, if late. Silence is that of
//! the address, not of the device: a machine that lost one of its addresses to its twin is heard on with
//! the others. And it is that of the holder's own MAC: who passes its packets on does not keep it alive.

use std::net::IpAddr;

use citywall_event::{Context, Mac, Nanos};

use crate::inventory::Inventory;
use crate::learn::SILENCE;

impl Inventory {
    /// Is the address a device's that was heard with it lately, by a MAC of its own?
    pub(crate) fn is_held(&self, ip: IpAddr, at: Nanos) -> bool {
        let Some(binding) = self.by_ip.get(&ip) else {
            return false;
        };
        let device = self.devices.get(binding.device as usize).and_then(Option::as_ref);
        let Some(state) = device.and_then(|d| d.mac).and_then(|mac| self.by_mac.get(&mac)) else {
            return false;
        };
        state.is_surely_of(ip) && at.saturating_sub(binding.heard) <= SILENCE
    }

    /// Remembers that a MAC claims an address that another holds.
    pub(crate) fn note_claim(&mut self, ip: IpAddr, mac: Mac) {
        if let Some(binding) = self.by_ip.get_mut(&ip) {
            binding.claim = Some(mac);
        }
    }

    /// The address came with this MAC: where it had claimed it, and nobody holds it any more, it is its own.
    pub(crate) fn settle_claim(&mut self, ip: IpAddr, mac: Mac, at: Nanos, context: &Context) {
        let claims = self.by_ip.get(&ip).is_some_and(|b| b.claim == Some(mac));
        if !claims || self.is_held(ip, at) {
            return;
        }
        if let Some(binding) = self.by_ip.get_mut(&ip) {
            binding.claim = None;
        }
        self.bind(ip, mac, at, context);
    }
}

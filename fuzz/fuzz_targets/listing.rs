//! What nft says that the kernel holds: any bytes. Law: what is read is written again alike, as far
//! as it is ours.
#![no_main]

use citywall_response::firewall::{Listing, differences, install};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(listing) = Listing::parse([bytes]) {
        assert!(differences(&listing.wall(), &listing).is_empty());
        let _ = install(&listing.wall(), &listing);
        let _ = listing.not_ours();
    }
});

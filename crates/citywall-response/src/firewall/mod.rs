//! The policy and the measures as nftables.
//!
//! Owns: the translation of a `Ruleset` into one transaction, the timed sets, and the diff between
//! what is and what should be. Does not own: running `nft` (the binary's hand does).

//! The enforcer and its hand: processes, the control socket, and doing what the governor decides.
//!
//! Owns: who runs with which rights, the control socket's lines, the journal's file. Does not own:
//! any decision (`citywall-response`).
//!
//! Entry points: [`serve::run`] (the enforcer), [`hand::run`] (the hand).

pub mod answers;
pub mod applied;
pub mod channel;
pub mod confine;
pub mod connections;
pub mod drive;
pub mod hand;
pub mod inspection;
pub mod kernel;
pub mod lines;
pub mod nft;
pub mod orders;
pub mod own;
pub mod people;
pub mod record;
pub mod serve;

//! Rules and traffic in, matches out.

mod bench;
mod built_in;
mod contents;
mod et;
mod laws;
mod packets;
mod refusals;
mod state;
mod transactions;

//! Packet -> Flow, Segment: the flow table, TCP reassembly with host policies, timers, eviction.
//!
//! Owns: what belongs to one conversation, in which order its bytes were sent, and when it is
//! over. Does not own: what the bytes mean (`citywall-transaction`), or the clock (packet time is
//! an argument everywhere).

mod community;
mod key;
mod limits;
mod model;
mod opening;
mod policies;
mod sink;
mod slab;
mod table;
mod tcp;
mod timers;

pub use community::{CommunityId, community_id};
pub use key::{FlowKey, KeyOptions, Orientation};
pub use limits::{FlowLimits, FlowStats, Timeouts};
pub use model::*;
pub use policies::{HostPolicies, HostPolicy, PrefixError, Urgent};
pub use table::{AHEAD, FlowTable};

//! What an action rests on, as far as the gate must know it.
//!
//! Owns: `Grounds`. Does not own: how they were found.

/// What an action rests on. They are set by the planner from a notice, or by the governor from a
/// person's account: nothing that asks for an action can state them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Grounds {
    /// The suspect's address cannot be invented.
    pub proved: bool,
    /// The suspect's address and hardware address belong to different devices.
    pub contradicts: bool,
    /// The person who proposed it by hand.
    pub by_hand: Option<String>,
}

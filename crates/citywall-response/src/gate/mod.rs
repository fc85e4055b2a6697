//! The safety gate: the only maker of [`Approved`].
//!
//! Owns: the guards, each with its sentence. Does not own: what is planned, who asks, and doing.

/// Proof that the gate let it pass. There is no other way to make one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Approved<T>(T);

impl<T> Approved<T> {
    /// What was approved.
    pub fn get(&self) -> &T {
        &self.0
    }
}

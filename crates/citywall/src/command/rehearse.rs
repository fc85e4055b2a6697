//! `citywall rehearse`.

use crate::End;

/// `citywall rehearse`.
#[derive(clap::Args, Clone, Debug)]
pub struct RehearseArgs {}

/// Runs the command.
///
/// # Errors
/// Not built yet.
pub fn run(_args: &RehearseArgs) -> anyhow::Result<End> {
    anyhow::bail!("not built yet")
}

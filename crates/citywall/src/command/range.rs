//! `citywall range`.

use crate::End;

/// `citywall range`.
#[derive(clap::Args, Clone, Debug)]
pub struct RangeArgs {}

/// Runs the command.
///
/// # Errors
/// Not built yet.
pub fn run(_args: &RangeArgs) -> anyhow::Result<End> {
    anyhow::bail!("not built yet")
}

//! `citywall enforce`.

use crate::End;

/// `citywall enforce`.
#[derive(clap::Args, Clone, Debug)]
pub struct EnforceArgs {}

/// Runs the command.
///
/// # Errors
/// Not built yet.
pub fn run(_args: &EnforceArgs) -> anyhow::Result<End> {
    anyhow::bail!("not built yet")
}

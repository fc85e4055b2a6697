//! `citywall actions`.

use crate::End;

/// `citywall actions`.
#[derive(clap::Args, Clone, Debug)]
pub struct ActionsArgs {}

/// Runs the command.
///
/// # Errors
/// Not built yet.
pub fn run(_args: &ActionsArgs) -> anyhow::Result<End> {
    anyhow::bail!("not built yet")
}

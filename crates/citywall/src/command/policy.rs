//! `citywall policy`.

use crate::End;

/// `citywall policy`.
#[derive(clap::Args, Clone, Debug)]
pub struct PolicyArgs {}

/// Runs the command.
///
/// # Errors
/// Not built yet.
pub fn run(_args: &PolicyArgs) -> anyhow::Result<End> {
    anyhow::bail!("not built yet")
}

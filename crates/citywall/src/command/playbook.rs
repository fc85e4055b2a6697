//! `citywall playbook`.

use crate::End;

/// `citywall playbook`.
#[derive(clap::Args, Clone, Debug)]
pub struct PlaybookArgs {}

/// Runs the command.
///
/// # Errors
/// Not built yet.
pub fn run(_args: &PlaybookArgs) -> anyhow::Result<End> {
    anyhow::bail!("not built yet")
}

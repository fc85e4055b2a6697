//! `cargo xtask story`: writes a story's files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use xtask::story::{Options, compress, generate};

/// `cargo xtask story`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Another seed makes other addresses, makers, ports, values, times and order
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Folder for story.pcap, city.toml and truth.json; it is made
    #[arg(long, value_name = "DIR", required_unless_present = "bless")]
    pub out: Option<PathBuf>,
    /// Leave out the attack's two forbidden writes, and nothing else
    #[arg(long)]
    pub without_writes: bool,
    /// Remake the story that the binary embeds (seed 1)
    #[arg(long, conflicts_with_all = ["out", "without_writes"])]
    pub bless: bool,
}

/// Runs the command.
///
/// # Errors
/// Where the files cannot be written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let story = generate(Options {
        seed: args.seed,
        without_writes: args.without_writes,
    })?;
    let truth = serde_json::to_string_pretty(&story.truth)? + "\n";
    if args.bless {
        ensure!(args.seed == 1, "the embedded story is that of seed 1");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/citywall/story");
        return write(
            &folder,
            &[
                ("story.pcap.gz", &compress(&story.pcap)?),
                ("city.toml", story.city.as_bytes()),
                ("truth.json", truth.as_bytes()),
            ],
        );
    }
    let folder = args.out.as_deref().context("--out is missing")?;
    write(
        folder,
        &[
            ("story.pcap", &story.pcap),
            ("city.toml", story.city.as_bytes()),
            ("truth.json", truth.as_bytes()),
        ],
    )
}

fn write(folder: &Path, files: &[(&str, &[u8])]) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, bytes) in files {
        let path = folder.join(name);
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{} ({} bytes)", path.display(), bytes.len());
    }
    Ok(())
}

//! Where the wall stands: how packets reach it, and what it must never cut off.
//!
//! Owns: the facts about a machine that the policy does not know, and their checks. Does not own:
//! finding them out.

use std::net::IpAddr;

use citywall_event::Prefix;
use thiserror::Error;

/// How packets pass the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It is a router between the zones.
    #[default]
    Routed,
    /// It is a bridge in the wire; br_netfilter shows it IP packets
    /// (`net.bridge.bridge-nf-call-iptables = 1`).
    Bridge,
}

impl Mode {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Routed => "routed",
            Mode::Bridge => "bridge",
        }
    }
}

/// Where a wall stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deployment {
    /// How packets pass.
    pub mode: Mode,
    /// Interfaces where what is cut off is dropped before anything else looks at it.
    pub ingress: Vec<String>,
    /// Addresses of the machine itself.
    pub own: Vec<IpAddr>,
    /// From where it is managed: never cut off by a measure.
    pub management: Vec<Prefix>,
    /// Lines a second about what the policy denies; 0 = none. They go to the kernel's log, or to
    /// `log_group`.
    pub log_per_second: u32,
    /// NFLOG group for those lines.
    pub log_group: Option<u16>,
    /// The kernel has `synproxy` (CONFIG_NFT_SYNPROXY). On a bridge it is of no use: what it answers, it
    /// routes.
    pub syn_proxy: bool,
}

/// What is wrong with a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DeploymentError {
    /// Not a name that an interface can have.
    #[error(
        "{0:?} is no name of an interface: at most 15 characters, letters, digits, \".\", \"_\" and \"-\"; see `ip link`"
    )]
    Interface(String),
    /// Named twice.
    #[error("interface {0} is named twice: name it once")]
    Twice(String),
}

/// `IFNAMSIZ` (linux/if.h) without the closing zero.
const NAME: usize = 15;

impl Deployment {
    /// Checks the names.
    ///
    /// # Errors
    /// Names that no interface can have, or that are there twice.
    pub fn check(&self) -> Result<(), DeploymentError> {
        for (index, name) in self.ingress.iter().enumerate() {
            let sound = !name.is_empty()
                && name.len() <= NAME
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
            if !sound {
                return Err(DeploymentError::Interface(name.clone()));
            }
            if self.ingress[..index].contains(name) {
                return Err(DeploymentError::Twice(name.clone()));
            }
        }
        Ok(())
    }
}

//! `Context`: how the data plane knows zones and assets without naming their crates.
//!
//! Owns: the compiled, read-only table (address or MAC -> zone, asset; zone pair -> conduits) and
//! the three questions that traffic asks of it. It is filled by `citywall-policy`; it knows no
//! file format and no protocol by name beyond the strings it is given.

use std::net::IpAddr;

use crate::{Command, Mac, Violation};

/// Index into `Context::zones`.
pub type ZoneId = u16;

/// How bad it is when a zone or asset stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Criticality {
    /// An office printer.
    Normal,
    /// The city notices.
    Essential,
    /// People can come to harm.
    Safety,
}

/// Where an address belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its zone.
    pub zone: Option<ZoneId>,
    /// Index into the declared assets.
    pub asset: Option<u32>,
}

/// What a conversation says of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Service<'a> {
    /// IP protocol number.
    pub protocol: u8,
    /// The responder's port, where there is one.
    pub port: Option<u16>,
    /// Application protocol, once known.
    pub app_proto: Option<&'a str>,
}

/// The compiled table. `Context::default()` knows no city and allows everything.
#[derive(Clone, Debug, Default)]
pub struct Context {}

impl Context {
    /// Zone and asset of an address.
    pub fn locate(&self, _ip: Option<IpAddr>, _mac: Option<Mac>) -> Place {
        Place::default()
    }

    /// May `from` open this conversation with `to`? Asked once at its first packet (no
    /// `app_proto` yet) and once more when the application protocol is known.
    pub fn judge_contact(
        &self,
        _from: (Place, Option<IpAddr>),
        _to: (Place, Option<IpAddr>),
        _service: &Service<'_>,
    ) -> Result<(), Violation> {
        Ok(())
    }

    /// May `from` give this command to `to`?
    pub fn judge_command(
        &self,
        _from: (Place, Option<IpAddr>),
        _to: (Place, Option<IpAddr>),
        _command: &Command,
    ) -> Result<(), Violation> {
        Ok(())
    }
}

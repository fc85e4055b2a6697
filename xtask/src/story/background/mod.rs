//! An ordinary quarter of an hour: what the city's devices and people do anyway.

mod basics;
mod people;
mod polling;
mod telemetry;

use super::cast::Cast;
use super::city::{HostId, World};
use super::recorder::FrameId;

pub(super) use polling::{Manager, exchange};

/// A change that the policy allows, for the ground truth.
#[derive(Clone, Debug)]
pub struct AllowedWrite {
    /// Protocol.
    pub protocol: &'static str,
    /// Who.
    pub from: HostId,
    /// To whom.
    pub to: HostId,
    /// Modbus unit.
    pub unit: Option<u8>,
    /// Point, as commands name it.
    pub point: String,
    /// Value.
    pub value: i64,
    /// Request and answer.
    pub frames: Vec<FrameId>,
}

/// Everything that is as it should be, from `world.start` to `end`.
pub fn play(world: &mut World, cast: &Cast, end: i64) -> Vec<AllowedWrite> {
    let mut allowed = Vec::new();
    basics::boot(world, cast);
    basics::neighbours(world, cast, end);
    basics::clocks(world, cast, end);
    polling::poll_signals(world, cast, end, &mut allowed);
    for plc in &cast.plcs {
        polling::poll_pumps(world, cast, plc, end, &mut allowed);
    }
    telemetry::lights(world, cast, end);
    telemetry::camera_pages(world, cast, end);
    people::offices(world, cast, end);
    people::maintenance(world, cast, end);
    allowed
}

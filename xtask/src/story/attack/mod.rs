//! The attack: a camera is taken over, looks around, and writes where it may not.

mod search;
mod shell;
mod write;

use serde_json::Value;

use super::SECOND;
use super::cast::Cast;
use super::city::{HostId, World};
use super::recorder::FrameId;
use super::tcp::Side;

/// One step, for the ground truth.
#[derive(Clone, Debug)]
pub struct Step {
    /// `login`, `download`, `arp_sweep`, `scan_signals`, `scan_pumps`, `snmp_read`, `snmp_write`, `modbus_read`, `modbus_write`.
    pub name: &'static str,
    /// In words.
    pub what: String,
    /// Who.
    pub from: HostId,
    /// To whom, where it is one.
    pub to: Option<HostId>,
    /// ATT&CK technique.
    pub technique: &'static str,
    /// All of its packets.
    pub frames: Vec<FrameId>,
    /// What else is to be known.
    pub details: Value,
}

/// The whole attack, begun at `begin`; with or without its two writes.
pub fn play(world: &mut World, cast: &Cast, begin: i64, writes: bool) -> Vec<Step> {
    let mut dice = world.dice("attack");
    let mut steps = Vec::new();
    let (mut shell, at) = shell::log_in(world, cast, begin, &mut dice, &mut steps);
    let at = shell::download(world, cast, &mut shell, at, &mut dice, &mut steps);
    let at = search::look_around(world, cast, at, &mut dice, &mut steps);
    let order = if cast.villain.pumps_first {
        [false, true]
    } else {
        [true, false]
    };
    let mut at = at + dice.within(8 * SECOND..=25 * SECOND);
    for signals in order {
        shell::type_command(
            world,
            &mut shell,
            at,
            if signals { "/tmp/.t s" } else { "/tmp/.t p" },
            "",
        );
        let begin = shell.now + dice.within(SECOND..=4 * SECOND);
        let end = if signals {
            write::write_signal(world, cast, begin, writes, &mut dice, &mut steps)
        } else {
            write::write_pump(world, cast, begin, writes, &mut dice, &mut steps)
        };
        shell::answer(world, &mut shell, end, "done\r\n# ");
        at = shell.now + dice.within(15 * SECOND..=50 * SECOND);
    }
    shell::type_command(world, &mut shell, at, "exit", "");
    shell.close(world, Side::Server);
    if let Some(login) = steps.iter_mut().find(|s| s.name == "login") {
        login.frames.extend(&shell.frames);
        login.frames.sort_unstable();
        login.frames.dedup();
    }
    steps
}

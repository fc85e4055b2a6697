//! The families of attacks: where each is put into the city's days, and the truth about it.
//!
//! Owns: the list of families, which device of which day each seed gives to each of them, and what is
//! recorded of an attack while it is made. Does not own: what an attack does (`searches`, `intrusions`).

use citywall_event::Nanos;

use super::city::{City, Kind};
use super::stream::{DAY, Dice, Stream, Talk};
use super::{ATTACKED, DAYS, intrusions, searches};

/// A family.
#[derive(Clone, Copy)]
pub struct Family {
    pub name: &'static str,
    /// Kinds of behaviour that say what it is.
    pub right: &'static [&'static str],
    /// The true-positive rate at 1e-3 that is wanted.
    pub bar: f64,
    /// Whose attack it can be.
    place: Place,
    make: fn(&mut Raid<'_>),
}

/// Where an attack comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A device of the city.
    Inside,
    /// Somebody outside: at the border, on this day of those that have attacks.
    Outside(u32),
    /// One or the other.
    Either(u32),
}

const SCANS: &[&str] = &["horizontal_scan", "vertical_scan"];
const GUESSES: &[&str] = &["password_guessing", "password_guessed"];
const UPLOADS: &[&str] = &["upload_out_of_habit"];

/// All families.
pub const FAMILIES: [Family; 16] = [
    Family {
        name: "flood from outside",
        right: &[
            "syn_flood",
            "ack_flood",
            "udp_flood",
            "amplification",
            "icmp_flood",
            "packet_flood",
            "carpet_flood",
        ],
        bar: 0.99,
        place: Place::Outside(0),
        make: searches::flood_in,
    },
    Family {
        name: "flood of a device of ours",
        right: &["outbound_flood"],
        bar: 0.99,
        place: Place::Inside,
        make: searches::flood_out,
    },
    Family {
        name: "horizontal scan",
        right: &["horizontal_scan"],
        bar: 0.99,
        place: Place::Either(2),
        make: searches::horizontal,
    },
    Family {
        name: "vertical scan",
        right: &["vertical_scan"],
        bar: 0.99,
        place: Place::Inside,
        make: searches::vertical,
    },
    Family {
        name: "slow scan",
        right: SCANS,
        bar: 0.99,
        place: Place::Inside,
        make: searches::slow,
    },
    Family {
        name: "scan of many sources",
        right: &["shared_scan"],
        bar: 0.99,
        place: Place::Outside(1),
        make: searches::spread,
    },
    Family {
        name: "call-backs, seconds to minutes",
        right: &["periodic_callback"],
        bar: 0.9,
        place: Place::Inside,
        make: intrusions::calls_back_often,
    },
    Family {
        name: "call-backs, minutes to hours",
        right: &["periodic_callback"],
        bar: 0.9,
        place: Place::Inside,
        make: intrusions::calls_back_seldom,
    },
    Family {
        name: "DNS tunnel",
        right: &["dns_tunnel"],
        bar: 0.9,
        place: Place::Inside,
        make: intrusions::tunnel,
    },
    Family {
        name: "slow DNS tunnel",
        right: &["dns_tunnel"],
        bar: 0.9,
        place: Place::Inside,
        make: intrusions::slow_tunnel,
    },
    Family {
        name: "generated names",
        right: &["generated_names"],
        bar: 0.9,
        place: Place::Inside,
        make: intrusions::made_up_names,
    },
    Family {
        name: "fast guessing",
        right: GUESSES,
        bar: 0.9,
        place: Place::Either(3),
        make: intrusions::guesses_fast,
    },
    Family {
        name: "slow guessing",
        right: GUESSES,
        bar: 0.9,
        place: Place::Inside,
        make: intrusions::guesses_slowly,
    },
    Family {
        name: "bulk upload",
        right: UPLOADS,
        bar: 0.9,
        place: Place::Inside,
        make: intrusions::uploads_at_once,
    },
    Family {
        name: "slow upload",
        right: UPLOADS,
        bar: 0.9,
        place: Place::Inside,
        make: intrusions::uploads_slowly,
    },
    Family {
        name: "worm",
        right: &["worm_spread", "horizontal_scan"],
        bar: 0.9,
        place: Place::Inside,
        make: searches::worm,
    },
];

/// Kinds that are taken over: those that have a small computer in them, and desks.
const TAKEN: [Kind; 12] = [
    Kind::Camera,
    Kind::CloudCamera,
    Kind::Signal,
    Kind::Sensor,
    Kind::Sign,
    Kind::Charger,
    Kind::Light,
    Kind::Building,
    Kind::Station,
    Kind::Kiosk,
    Kind::Office,
    Kind::Plc,
];

/// The truth about one attack.
#[derive(Clone, Debug, PartialEq)]
pub struct Attack {
    /// Which family, by its place in `FAMILIES`.
    pub family: usize,
    /// The device that does it, or the border.
    pub unit: usize,
    /// On which day.
    pub day: u32,
    /// When each part of it was done, and its weight: packets of floods, bytes of uploads, else 1.
    pub done: Vec<(Nanos, f64)>,
    /// What was drawn for it, for people.
    pub what: String,
    /// Others that it takes over: their day is nobody's normal day.
    pub touched: Vec<usize>,
}

impl Attack {
    /// Its first moment.
    pub fn start(&self) -> Nanos {
        self.done.first().map_or(0, |d| d.0)
    }

    /// Its last.
    pub fn end(&self) -> Nanos {
        self.done.last().map_or(0, |d| d.0)
    }
}

/// An attack in the making.
pub struct Raid<'a> {
    pub city: &'a City,
    /// Who does it; `None`: somebody outside.
    pub by: Option<usize>,
    pub start: Nanos,
    pub dice: Dice,
    pub stream: &'a mut Stream,
    pub truth: Attack,
    /// Devices that have attacks of their own.
    pub busy: &'a [usize],
}

impl Raid<'_> {
    /// A conversation that is part of it.
    pub fn talk(&mut self, at: Nanos, talk: Talk) {
        self.stream.talk(at, &talk);
        self.did(at, 1.0);
    }

    /// Something that is part of it. A flood's packets are counted together where they are close.
    pub fn did(&mut self, at: Nanos, weight: f64) {
        const CLOSE: Nanos = 2_000_000;
        match self.truth.done.last_mut() {
            Some(last) if (0..CLOSE).contains(&(at - last.0)) => last.1 += weight,
            _ => self.truth.done.push((at, weight)),
        }
    }
}

/// Where each family's attack of a seed is: the device (or the border) and the day. No device has two, and
/// the border has one a day.
fn places(city: &City) -> Vec<(usize, Option<usize>, u32)> {
    let mut dice = Dice::new(&[city.seed, 0x0061_7474]);
    let mut free = city.of(&TAKEN);
    let mut found = Vec::new();
    for (family, of) in FAMILIES.iter().enumerate() {
        let outside = match of.place {
            Place::Outside(day) => Some(day),
            Place::Either(day) if dice.chance(0.4) => Some(day),
            _ => None,
        };
        match outside {
            Some(day) => found.push((family, None, ATTACKED + day)),
            None if !free.is_empty() => {
                let device = free.swap_remove(dice.below(free.len()));
                let day = dice.count(u64::from(ATTACKED), u64::from(DAYS) - 1) as u32;
                found.push((family, Some(device.unit), day));
            }
            None => {}
        }
    }
    found
}

/// Puts all attacks of a day into the stream.
pub fn day(city: &City, begin: Nanos, day: u32, stream: &mut Stream) -> Vec<Attack> {
    let mut all = Vec::new();
    let places = places(city);
    let busy: Vec<usize> = places.iter().filter_map(|p| p.1).collect();
    for (family, by, _) in places.into_iter().filter(|p| p.2 == day) {
        let mut raid = Raid {
            city,
            by,
            start: begin + Nanos::from(day) * DAY,
            dice: Dice::new(&[city.seed, 0xa77a, family as u64]),
            stream: &mut *stream,
            truth: Attack {
                family,
                unit: by.unwrap_or(city.border()),
                day,
                done: Vec::new(),
                what: String::new(),
                touched: Vec::new(),
            },
            busy: &busy,
        };
        (FAMILIES[family].make)(&mut raid);
        raid.truth.done.sort_by_key(|d| d.0);
        all.push(raid.truth);
    }
    all
}

//! Random cities as data, and their city files.
//!
//! Owns: what a town is made of; `oracle` judges by this, the gate by the parsed file. Nothing here
//! is shared with the gate.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use citywall_policy::City;

use crate::Facts;

/// A small generator of numbers (SplitMix64).
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

/// What conduits of a town allow.
const ALLOWED: [&str; 7] = [
    "any",
    "modbus: read",
    "modbus",
    "modbus: write",
    "https",
    "dns",
    "snmp: get",
];

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.roll() % n.max(1) as u64) as usize
    }

    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

pub(super) const WORDS: [&str; 3] = ["normal", "essential", "safety"];

/// How bad it is, as words of the file; `None` = the file is silent.
pub(super) type Tag = Option<usize>;

#[derive(Clone, Debug)]
pub(super) struct Zone {
    pub(super) tag: Tag,
    pub(super) inside_denied: bool,
    pub(super) isolated: bool,
    /// Further members by hardware address, which only count.
    pub(super) macs: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Asset {
    /// Zone and host number of each address.
    pub(super) feet: Vec<(usize, u8)>,
    pub(super) tag: Tag,
    pub(super) role: &'static str,
    pub(super) mac: Option<[u8; 6]>,
}

/// One end of a conduit or of a dependency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum End {
    Every,
    Outside,
    Zone(usize),
    Asset(usize),
    Service(usize),
}

#[derive(Clone, Debug)]
pub(super) struct Conduit {
    pub(super) from: End,
    pub(super) to: End,
    pub(super) allow: &'static str,
}

#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) needs: Vec<End>,
    pub(super) tag: Tag,
}

#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) approver: bool,
    pub(super) operator: bool,
    pub(super) accounts: Vec<String>,
}

/// From and to, seconds after the case's begin, and on which zone.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) zone: usize,
    pub(super) from: i64,
    pub(super) to: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Town {
    pub(super) zones: Vec<Zone>,
    pub(super) assets: Vec<Asset>,
    pub(super) conduits: Vec<Conduit>,
    pub(super) services: Vec<Service>,
    pub(super) people: Vec<Person>,
    pub(super) windows: Vec<Window>,
    pub(super) management: Vec<End>,
    pub(super) own: Vec<IpAddr>,
}

/// Midnight of 2026-12-01, UTC, in seconds: where all cases begin.
pub(super) const BEGIN: i64 = 1_796_083_200;

pub(super) fn address(zone: usize, host: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, zone as u8 + 1, 0, host))
}

impl Town {
    pub(super) fn random(dice: &mut Dice) -> Town {
        let tag = |dice: &mut Dice| match dice.below(6) {
            0 => None,
            1 => Some(2),
            2 => Some(1),
            _ => Some(0),
        };
        let zones: Vec<Zone> = (0..3 + dice.below(3))
            .map(|_| Zone {
                tag: tag(dice),
                inside_denied: dice.one_in(3),
                isolated: dice.one_in(8),
                macs: if dice.one_in(4) { 230 } else { 0 },
            })
            .collect();
        let role = |dice: &mut Dice| {
            *dice.pick(&[
                "camera",
                "camera",
                "camera",
                "plc",
                "printer",
                "gateway",
                "dns",
                "dhcp",
                "ntp",
                "management",
                "sensor",
            ])
        };
        let mut assets: Vec<Asset> = Vec::new();
        for number in 0..3 + dice.below(6) {
            let zone = dice.below(zones.len());
            let mut feet = vec![(zone, 10 + number as u8)];
            if dice.one_in(6) {
                feet.push((dice.below(zones.len()), 100 + number as u8));
            }
            assets.push(Asset {
                feet,
                tag: if dice.one_in(2) { None } else { tag(dice) },
                role: role(dice),
                mac: dice.one_in(3).then_some([2, 0, 0, 0, 0, number as u8]),
            });
        }
        let end = |dice: &mut Dice| match dice.below(8) {
            0 => End::Every,
            1 => End::Outside,
            2..5 => End::Asset(dice.below(assets.len())),
            _ => End::Zone(dice.below(zones.len())),
        };
        let conduits = (0..dice.below(6))
            .map(|_| Conduit {
                from: end(dice),
                to: end(dice),
                allow: ALLOWED[dice.below(ALLOWED.len())],
            })
            .collect();
        let services: Vec<Service> = (0..dice.below(4))
            .map(|number| Service {
                needs: (0..1 + dice.below(2))
                    .map(|_| match dice.below(5) {
                        0 if number > 0 => End::Service(dice.below(number)),
                        0..2 => End::Zone(dice.below(zones.len())),
                        _ => End::Asset(dice.below(assets.len())),
                    })
                    .collect(),
                tag: tag(dice),
            })
            .collect();
        let people = (0..4)
            .map(|number| Person {
                approver: number < 2 || dice.one_in(2),
                operator: dice.one_in(2),
                accounts: (0..1 + dice.below(2)).map(|n| format!("p{number}x{n}")).collect(),
            })
            .collect();
        let windows = (0..dice.below(2))
            .map(|_| {
                let from = dice.below(3_000) as i64;
                Window {
                    zone: dice.below(zones.len()),
                    from,
                    to: from + 600 + dice.below(3_000) as i64,
                }
            })
            .collect();
        let mut own = vec![IpAddr::V4(Ipv4Addr::new(10, 250, 0, 1))];
        own.push(address(0, 77));
        let management = match dice.below(6) {
            0 => vec![End::Asset(dice.below(assets.len()))],
            1 => vec![End::Zone(zones.len() - 1)],
            _ => Vec::new(),
        };
        Town {
            zones,
            assets,
            conduits,
            services,
            people,
            windows,
            management,
            own,
        }
    }

    fn name(end: End) -> String {
        match end {
            End::Every => "*".to_owned(),
            End::Outside => "outside".to_owned(),
            End::Zone(n) => format!("z{n}"),
            End::Asset(n) => format!("a{n}"),
            End::Service(n) => format!("Service {n}"),
        }
    }

    /// The city file.
    pub(super) fn text(&self) -> String {
        let mut out = "[city]\nname = \"Town\"\n[[domain]]\nname = \"d\"\n".to_owned();
        let tag = |out: &mut String, tag: Tag| {
            if let Some(word) = tag {
                writeln!(out, "criticality = \"{}\"", WORDS[word]).unwrap();
            }
        };
        let mut number = 0_u32;
        for (n, zone) in self.zones.iter().enumerate() {
            write!(
                out,
                "[[zone]]\nname = \"z{n}\"\ndomain = \"d\"\nnetworks = [\"10.{}.0.0/24\"]\n",
                n + 1
            )
            .unwrap();
            tag(&mut out, zone.tag);
            if zone.inside_denied {
                out.push_str("inside = \"deny\"\n");
            }
            if zone.isolated {
                out.push_str("isolated = true\n");
            }
            if zone.macs > 0 {
                let mut macs = Vec::new();
                for _ in 0..zone.macs {
                    number += 1;
                    macs.push(format!(
                        "\"06:00:00:00:{:02x}:{:02x}\"",
                        number >> 8,
                        number & 255
                    ));
                }
                writeln!(out, "macs = [{}]", macs.join(", ")).unwrap();
            }
        }
        for (n, asset) in self.assets.iter().enumerate() {
            let feet: Vec<String> = asset
                .feet
                .iter()
                .map(|(z, h)| format!("\"{}\"", address(*z, *h)))
                .collect();
            let zone = asset.feet[0].0;
            write!(
                out,
                "[[asset]]\nname = \"a{n}\"\naddress = [{}]\nzone = \"z{zone}\"\nrole = \"{}\"\n",
                feet.join(", "),
                asset.role
            )
            .unwrap();
            if let Some(mac) = asset.mac {
                writeln!(out, "mac = \"02:00:00:00:00:{:02x}\"", mac[5]).unwrap();
            }
            tag(&mut out, asset.tag);
        }
        for conduit in &self.conduits {
            writeln!(
                out,
                "[[conduit]]\nfrom = \"{}\"\nto = \"{}\"\nallow = [\"{}\"]",
                Town::name(conduit.from),
                Town::name(conduit.to),
                conduit.allow
            )
            .unwrap();
        }
        for (n, service) in self.services.iter().enumerate() {
            let needs: Vec<String> = service
                .needs
                .iter()
                .map(|e| format!("\"{}\"", Town::name(*e)))
                .collect();
            writeln!(
                out,
                "[[service]]\nname = \"Service {n}\"\ndepends_on = [{}]",
                needs.join(", ")
            )
            .unwrap();
            tag(&mut out, service.tag);
        }
        for (n, person) in self.people.iter().enumerate() {
            let mut roles = vec!["\"viewer\""];
            if person.approver {
                roles.push("\"approver\"");
            }
            if person.operator {
                roles.push("\"operator\"");
            }
            let accounts: Vec<String> = person.accounts.iter().map(|a| format!("\"{a}\"")).collect();
            writeln!(
                out,
                "[[person]]\nname = \"Person {n}\"\nroles = [{}]\nunix = [{}]",
                roles.join(", "),
                accounts.join(", ")
            )
            .unwrap();
        }
        for (n, window) in self.windows.iter().enumerate() {
            let at = |seconds: i64| {
                format!(
                    "2026-12-01T{:02}:{:02}:{:02}",
                    seconds / 3_600,
                    seconds / 60 % 60,
                    seconds % 60
                )
            };
            writeln!(
                out,
                "[[window]]\nname = \"w{n}\"\non = [\"z{}\"]\nstarts = {}\nends = {}",
                window.zone,
                at(window.from),
                at(window.to)
            )
            .unwrap();
        }
        if !self.management.is_empty() {
            let names: Vec<String> = self
                .management
                .iter()
                .map(|e| format!("\"{}\"", Town::name(*e)))
                .collect();
            writeln!(out, "[response]\nmanagement = [{}]", names.join(", ")).unwrap();
        }
        out
    }

    /// What the gate knows of it; `Err` where the city file is refused.
    pub(super) fn facts(&self, revision: u64) -> Result<Facts, String> {
        let city = City::parse(&self.text(), "town.toml").map_err(|e| format!("{e:?}"))?;
        Ok(Facts::of(&city, revision, self.own.clone(), Vec::new()))
    }
}

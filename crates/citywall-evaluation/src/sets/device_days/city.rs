//! Who is in the simulated city.
//!
//! Owns: devices, their kinds, zones and addresses, the clouds outside, and on which days something
//! happens that is normal but not usual. Does not own: what devices do (`benign`, `people`).

use std::net::{IpAddr, Ipv4Addr};

use super::stream::Dice;
use super::{CALIBRATED, DAYS};

/// The city file: zones alone. No conduit is declared, so that no policy helps the detectors.
pub const CITY: &str = r#"
[city]
name = "device-days"
[[domain]]
name = "all"
[[zone]]
name = "signals"
domain = "all"
networks = ["10.20.0.0/24"]
criticality = "safety"
[[zone]]
name = "cctv"
domain = "all"
networks = ["10.30.0.0/24"]
criticality = "normal"
[[zone]]
name = "water"
domain = "all"
networks = ["10.40.0.0/24"]
criticality = "essential"
[[zone]]
name = "sensors"
domain = "all"
networks = ["10.50.0.0/24"]
criticality = "normal"
[[zone]]
name = "street"
domain = "all"
networks = ["10.60.0.0/24"]
criticality = "normal"
[[zone]]
name = "buildings"
domain = "all"
networks = ["10.70.0.0/24"]
criticality = "normal"
[[zone]]
name = "offices"
domain = "all"
networks = ["10.80.0.0/24"]
criticality = "normal"
[[zone]]
name = "centre"
domain = "all"
networks = ["10.90.0.0/24"]
criticality = "essential"
[[zone]]
name = "public"
domain = "all"
networks = ["10.95.0.0/24"]
criticality = "normal"
"#;

/// What a device is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Camera,
    CloudCamera,
    Signal,
    Plc,
    Sensor,
    Sign,
    Charger,
    Light,
    Building,
    Station,
    Kiosk,
    Office,
    Admin,
    Scada,
    Resolver,
    Recorder,
    Broker,
    Poller,
    Files,
    Portal,
}

/// Kinds: name, network (second octet), first host, how many.
const KINDS: [(Kind, &str, u8, u8, u8); 20] = [
    (Kind::Camera, "camera", 30, 20, 8),
    (Kind::CloudCamera, "camera with a cloud", 30, 60, 3),
    (Kind::Signal, "signal controller", 20, 20, 8),
    (Kind::Plc, "PLC", 40, 20, 4),
    (Kind::Sensor, "sensor", 50, 20, 8),
    (Kind::Sign, "bus-stop sign", 60, 20, 5),
    (Kind::Charger, "charger", 60, 40, 3),
    (Kind::Light, "light gateway", 60, 60, 4),
    (Kind::Building, "building controller", 70, 20, 4),
    (Kind::Station, "air station", 50, 60, 2),
    (Kind::Kiosk, "kiosk", 70, 40, 2),
    (Kind::Office, "office computer", 80, 20, 6),
    (Kind::Admin, "administrator", 90, 40, 1),
    (Kind::Scada, "SCADA server", 40, 2, 1),
    (Kind::Resolver, "name and time server", 90, 2, 1),
    (Kind::Recorder, "video recorder", 90, 10, 1),
    (Kind::Broker, "message broker", 90, 11, 1),
    (Kind::Poller, "management poller", 90, 12, 1),
    (Kind::Files, "file server", 90, 13, 1),
    (Kind::Portal, "public portal", 95, 10, 1),
];

impl Kind {
    /// For people.
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|k| k.0 == self).map_or("", |k| k.1)
    }
}

/// A device.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    pub kind: Kind,
    pub ip: IpAddr,
    /// Its place in the city; what is drawn for it depends on it.
    pub unit: usize,
}

/// What is normal and not usual, and when.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Everybody of some kinds fetches the same file: day and second.
    pub firmware: (u32, f64),
    /// Half the town wants the same page.
    pub crowd: (u32, f64),
    /// A zone loses its power for a moment.
    pub power_cut: (u32, f64),
    /// The stations' cloud is down: day, second, seconds.
    pub outage: (u32, f64, f64),
    /// From this day on the password of the kiosks is another.
    pub password: u32,
    /// Devices that the poller looks for though they are gone.
    pub off: usize,
}

/// The city.
#[derive(Clone, Debug)]
pub struct City {
    pub seed: u64,
    pub devices: Vec<Device>,
    pub plan: Plan,
}

/// An address of ours.
pub const fn ours(network: u8, host: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, network, 0, host))
}

/// Names and time.
pub const RESOLVER: IpAddr = ours(90, 2);
pub const RECORDER: IpAddr = ours(90, 10);
pub const BROKER: IpAddr = ours(90, 11);
pub const POLLER: IpAddr = ours(90, 12);
pub const FILES: IpAddr = ours(90, 13);
pub const SCADA: IpAddr = ours(40, 2);
pub const PORTAL: IpAddr = ours(95, 10);

/// Networks of zones, by their second octet.
pub const NETWORKS: [u8; 9] = [20, 30, 40, 50, 60, 70, 80, 90, 95];

/// An address outside, one for each number.
pub fn outside(number: u64) -> IpAddr {
    let mut dice = Dice::new(&[0x0075_7369, number]);
    let mut octet = |low, high| dice.count(low, high) as u8;
    IpAddr::from([octet(45, 99), octet(0, 255), octet(0, 255), octet(1, 254)])
}

/// Clouds that devices have.
#[derive(Clone, Copy, Debug)]
pub enum Cloud {
    Cameras = 1,
    Chargers,
    Lights,
    Buildings,
    Stations,
    Signs,
    Broker,
    Backup,
    Mail,
    Shares,
}

impl City {
    /// The city of a seed.
    pub fn new(seed: u64) -> City {
        let mut devices = Vec::new();
        for (kind, _, network, first, count) in KINDS {
            for i in 0..count {
                let (ip, unit) = (ours(network, first + i), devices.len());
                devices.push(Device { kind, ip, unit });
            }
        }
        let mut dice = Dice::new(&[seed, 0x504c_414e]);
        // Behind what is calibrated on: nobody has seen it before.
        let mut judged = |low: f64, high: f64| {
            let day = dice.count(u64::from(CALIBRATED), u64::from(DAYS) - 1) as u32;
            (day, dice.between(low, high) * 3_600.0)
        };
        let (firmware, crowd, power_cut) = (judged(0.0, 5.0), judged(9.0, 20.0), judged(0.5, 23.0));
        let outage = judged(1.0, 16.0);
        let plan = Plan {
            firmware,
            crowd,
            power_cut,
            outage: (outage.0, outage.1, dice.between(2.0, 7.0) * 3_600.0),
            password: dice.count(u64::from(CALIBRATED), u64::from(DAYS) - 1) as u32,
            off: dice.count(1, 4) as usize,
        };
        City { seed, devices, plan }
    }

    /// Which device has an address.
    pub fn unit(&self, ip: Option<IpAddr>) -> usize {
        let found = self.devices.iter().find(|d| Some(d.ip) == ip);
        found.map_or(self.border(), |d| d.unit)
    }

    /// What is said about nobody of ours is said about the border.
    pub fn border(&self) -> usize {
        self.devices.len()
    }

    /// Devices and the border.
    pub fn units(&self) -> usize {
        self.devices.len() + 1
    }

    /// For people.
    pub fn name(&self, unit: usize) -> &'static str {
        self.devices.get(unit).map_or("border", |d| d.kind.name())
    }

    /// Devices of some kinds.
    pub fn of(&self, kinds: &[Kind]) -> Vec<Device> {
        self.devices
            .iter()
            .filter(|d| kinds.contains(&d.kind))
            .copied()
            .collect()
    }

    /// Where a cloud is reached on a day: some stay for good, others move every few days.
    pub fn cloud(&self, cloud: Cloud, day: u32) -> IpAddr {
        let which = cloud as u64;
        let mut dice = Dice::new(&[self.seed, 0x434c_4f55, which]);
        let era = if dice.chance(0.5) {
            0
        } else {
            u64::from(day) / dice.count(3, 6)
        };
        outside(self.seed.wrapping_mul(64).wrapping_add(which) << 8 | era)
    }
}

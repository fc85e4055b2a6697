//! Who plays: the hosts of a seed's city, and who of them is attacked.

use super::city::{self, HostId, Purpose, World};
use super::dice::Dice;
use super::makers;

/// A pump controller with what may be written to it.
#[derive(Clone, Debug)]
pub struct Plc {
    /// The host.
    pub host: HostId,
    /// Modbus unit.
    pub unit: u8,
    /// First register that is polled.
    pub base: u16,
    /// Registers that the operators may change: first and last.
    pub set_points: (u16, u16),
}

/// All players.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Cast {
    pub signals: Vec<HostId>,
    pub traffic_server: HostId,
    pub traffic_desk: HostId,
    pub cameras: Vec<HostId>,
    pub plcs: Vec<Plc>,
    pub scada: HostId,
    pub water_desk: HostId,
    pub lamps: Vec<HostId>,
    pub resolver: HostId,
    pub dhcp: HostId,
    pub broker: HostId,
    pub platform: HostId,
    pub recorder: HostId,
    pub desktops: Vec<HostId>,
    pub web: Vec<(HostId, &'static str)>,
    pub name_server: HostId,
    /// The city's domain name.
    pub domain: String,
    /// Community of the signal controllers, and SNMP version (0 or 1).
    pub community: &'static str,
    pub snmp_version: i64,
    /// Port of the cameras' pages.
    pub camera_port: u16,
    pub villain: Villain,
}

/// The attack's choices.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Villain {
    pub host: HostId,
    pub camera: HostId,
    pub signal: HostId,
    pub plc: usize,
    /// Port of the camera's telnet server.
    pub telnet_port: u16,
    pub user: &'static str,
    pub password: &'static str,
    /// Pairs that are tried before.
    pub guesses: Vec<(&'static str, &'static str)>,
    /// The pumps before the signals.
    pub pumps_first: bool,
}

/// Host names outside that office people visit; none can exist (RFC 2606).
const SITES: &[&str] = &[
    "www.daily-news.example",
    "mail.example.com",
    "maps.example.net",
    "static.weather.example",
    "login.suite.example",
    "cdn.example.org",
    "shop.stationery.example",
    "video.example.com",
];

/// Vendor defaults that cameras were taken over by.
const DEFAULTS: &[(&str, &str)] = &[
    ("root", "xc3511"),
    ("root", "vizxv"),
    ("root", "hi3518"),
    ("root", "jvbzd"),
    ("root", "klv123"),
    ("root", "xmhdipc"),
    ("root", "anko"),
    ("admin", "7ujMko0admin"),
    ("admin", "meinsm"),
    ("root", "juantech"),
];

/// What is tried first.
const GUESSES: &[(&str, &str)] = &[
    ("admin", "admin123"),
    ("root", "password1"),
    ("admin", "camera"),
    ("root", "admin"),
    ("admin", "1234"),
    ("support", "support"),
    ("root", "123456"),
    ("user", "user"),
];

impl Cast {
    /// Fills the city.
    pub fn new(world: &mut World) -> Cast {
        let mut dice = world.dice("cast");
        let linux = city::LINUX;
        let signals = devices(world, &mut dice, Purpose::Signals);
        let cameras = devices(world, &mut dice, Purpose::Cctv);
        let plcs = devices(world, &mut dice, Purpose::Pumps);
        let lamps = devices(world, &mut dice, Purpose::Lights);
        let desktops = devices(world, &mut dice, Purpose::Offices);
        let mut server = |zone, names: &[&str], role, stack| {
            let name = dice.pick(names).to_owned();
            world.add(zone, name, role, stack, makers::SERVERS)
        };
        use Purpose::{Centre, Core, Scada};
        let traffic_names = ["signal-server", "traffic-server", "atcs-1"];
        let traffic_server = server(Centre, &traffic_names, "traffic-server", linux);
        let traffic_desk = server(
            Centre,
            &["traffic-desk-1", "operator-1"],
            "workstation",
            city::WINDOWS,
        );
        let scada = server(
            Scada,
            &["scada-1", "water-scada-1"],
            "scada-server",
            city::WINDOWS,
        );
        let water_desk = server(
            Scada,
            &["water-hmi", "water-desk-1"],
            "workstation",
            city::WINDOWS,
        );
        let resolver = server(Core, &["resolver", "ns-1"], "dns", linux);
        let dhcp = server(Core, &["leases", "dhcp-1"], "dhcp", linux);
        let broker = server(Core, &["broker", "mqtt-1"], "broker", linux);
        let platform = server(Core, &["city-platform", "platform-1"], "platform", linux);
        let recorder = server(Core, &["recorder", "nvr-1"], "video-recorder", linux);
        let mut sites = SITES.to_vec();
        dice.shuffle(&mut sites);
        let web = sites
            .iter()
            .take(5)
            .map(|site| (world.add_outside(site, "web"), *site))
            .collect();
        let name_server = world.add_outside("name server", "dns");
        let plcs: Vec<Plc> = plcs.into_iter().map(|host| plc(host, &mut dice)).collect();
        let villain = Villain::new(world, &mut dice, (&signals, &cameras, &lamps), plcs.len());
        Cast {
            signals,
            traffic_server,
            traffic_desk,
            cameras,
            plcs,
            scada,
            water_desk,
            lamps,
            resolver,
            dhcp,
            broker,
            platform,
            recorder,
            desktops,
            web,
            name_server,
            domain: format!("{}.example", world.name.to_ascii_lowercase()),
            community: dice.pick(&["public", "ntcip", "signals"]),
            snmp_version: dice.within(0..=1),
            camera_port: dice.pick(&[80, 80, 8080]),
            villain,
        }
    }

    /// Hosts that get their address by DHCP.
    pub fn leased(&self) -> Vec<HostId> {
        [
            &self.cameras[..],
            &self.lamps,
            &self.desktops,
            &[self.traffic_desk, self.water_desk],
        ]
        .concat()
    }
}

/// Several devices of one kind, with numbers in their names.
fn devices(world: &mut World, dice: &mut Dice, zone: Purpose) -> Vec<HostId> {
    let (prefixes, count, role, stack) = match zone {
        Purpose::Signals => (
            ["signal", "junction", "tsc"],
            6..=9,
            "signal-controller",
            city::CONTROLLER,
        ),
        Purpose::Cctv => (["cam", "camera", "eye"], 4..=7, "camera", city::EMBEDDED),
        Purpose::Pumps => (["pump-plc", "plc", "pump"], 2..=3, "plc", city::CONTROLLER),
        Purpose::Lights => (
            ["lamp-gw", "light", "pole"],
            5..=8,
            "lamp-gateway",
            city::EMBEDDED,
        ),
        _ => (["pc", "office", "desk"], 4..=7, "workstation", city::WINDOWS),
    };
    // A city buys its controllers from one maker.
    let from = match zone {
        Purpose::Signals => vec![dice.pick(makers::SIGNALS)],
        Purpose::Cctv => vec![dice.pick(makers::CAMERAS), dice.pick(makers::CAMERAS)],
        Purpose::Pumps => vec![dice.pick(makers::PLCS)],
        Purpose::Lights => makers::GATEWAYS.to_vec(),
        _ => makers::DESKTOPS.to_vec(),
    };
    let prefix = dice.pick(&prefixes);
    let mut numbers: Vec<i64> = (1..=60).collect();
    dice.shuffle(&mut numbers);
    numbers.truncate(dice.within(count) as usize);
    numbers.sort_unstable();
    let name = |n: i64| format!("{prefix}-{n:02}");
    numbers
        .into_iter()
        .map(|n| world.add(zone, name(n), role, stack, &from))
        .collect()
}

fn plc(host: HostId, dice: &mut Dice) -> Plc {
    let base = (dice.within(0..=20) * 100) as u16;
    let first = base + dice.within(4..=12) as u16;
    Plc {
        host,
        unit: dice.within(1..=9) as u8,
        base,
        set_points: (first, first + dice.within(1..=3) as u16),
    }
}

impl Villain {
    fn new(
        world: &mut World,
        dice: &mut Dice,
        (signals, cameras, lamps): (&[HostId], &[HostId], &[HostId]),
        plcs: usize,
    ) -> Villain {
        let host = if dice.chance(70) {
            world.add_outside("attacker", "attacker")
        } else {
            dice.pick(lamps)
        };
        let (user, password) = dice.pick(DEFAULTS);
        let mut guesses = GUESSES.to_vec();
        dice.shuffle(&mut guesses);
        guesses.truncate(dice.within(3..=6) as usize);
        Villain {
            host,
            camera: dice.pick(cameras),
            signal: dice.pick(signals),
            plc: dice.below(plcs),
            telnet_port: dice.pick(&[23, 23, 23, 2323]),
            user,
            password,
            guesses,
            pumps_first: dice.chance(40),
        }
    }
}

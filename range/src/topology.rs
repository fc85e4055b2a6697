//! The city that is built: a value.
//!
//! Owns: zones, hosts, their addresses and jobs, conduits, services and people, drawn from a seed.
//! Does not own: namespaces (`network`), the text of the city file (`cityfile`), programs (`device`).

use std::net::Ipv4Addr;

use crate::device::{Lease, Server, Work};
use crate::random::Random;

/// A city.
#[derive(Clone, Debug)]
pub struct Topology {
    /// Its name.
    pub name: &'static str,
    /// What it was drawn from.
    pub seed: u64,
    /// One bridge each. The last is the world outside, which the city file does not name.
    pub zones: Vec<Zone>,
    /// One namespace each.
    pub hosts: Vec<Host>,
    /// Who may reach whom: from, to, what, why.
    pub conduits: Vec<Conduit>,
    /// What people notice, and what it needs.
    pub services: Vec<(&'static str, Vec<&'static str>, &'static str)>,
}

/// A set of devices on one bridge.
#[derive(Clone, Debug)]
pub struct Zone {
    /// Its name.
    pub name: &'static str,
    /// Its field of work.
    pub domain: &'static str,
    /// `safety`, `essential` or `normal`.
    pub criticality: &'static str,
    /// The first three bytes of its /24.
    pub network: [u8; 3],
}

/// A device.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its name.
    pub name: &'static str,
    /// Index of its zone.
    pub zone: usize,
    /// What it is, for the city file; empty where the city file does not know it.
    pub role: &'static str,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its hardware address, as text.
    pub mac: String,
    /// What it serves.
    pub serves: Vec<Server>,
    /// What it does all day.
    pub works: Vec<Work>,
}

/// A line of the policy.
#[derive(Clone, Debug)]
pub struct Conduit {
    /// Names of zones or hosts.
    pub from: Vec<&'static str>,
    /// Names of zones or hosts.
    pub to: Vec<&'static str>,
    /// In the city file's words.
    pub allow: Vec<&'static str>,
    /// Why.
    pub reason: &'static str,
}

/// The name of the world outside.
pub const OUTSIDE: &str = "outside";

/// Where the signal controllers keep what plan they run: an object of NTCIP 1202.
pub const SIGNAL_PLAN: &str = "1.3.6.1.4.1.1206.4.2.1.4.14.0";

/// What kinds of service a device offers: an object that every agent has (RFC 3418, `sysServices`).
pub const SYSTEM_SERVICES: &str = "1.3.6.1.2.1.1.7.0";

impl Zone {
    /// The wall's own address in it.
    pub fn gateway(&self) -> Ipv4Addr {
        self.at(1)
    }

    /// An address in it.
    pub fn at(&self, last: u8) -> Ipv4Addr {
        let [a, b, c] = self.network;
        Ipv4Addr::new(a, b, c, last)
    }

    /// The name of its bridge (at most 15 bytes).
    pub fn bridge(&self, index: usize) -> String {
        let short: String = self.name.chars().take(9).collect();
        format!("br{index}-{short}")
    }
}

impl Topology {
    /// The host of a name.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.iter().find(|h| h.name == name)
    }

    /// Who has this address.
    pub fn who(&self, address: Ipv4Addr) -> Option<&Host> {
        self.hosts.iter().find(|h| h.address == address)
    }

    /// The zone of a host.
    pub fn zone_of(&self, host: &Host) -> Option<&Zone> {
        self.zones.get(host.zone)
    }

    /// True where the host lies beyond the city's border.
    pub fn is_outside(&self, host: &Host) -> bool {
        self.zone_of(host).is_none_or(|z| z.name == OUTSIDE)
    }

    /// Eastmere: signals, video, pumps, wards, lamps, a data centre and offices.
    pub fn eastmere(seed: u64) -> Topology {
        let mut draw = Draw::new(seed);
        draw.zones();
        draw.transport();
        draw.water();
        draw.hospital();
        draw.lighting();
        draw.centre();
        draw.outside();
        Topology {
            name: "Eastmere",
            seed,
            zones: draw.zones,
            hosts: draw.hosts,
            conduits: conduits(),
            services: services(),
        }
    }
}

struct Draw {
    random: Random,
    zones: Vec<Zone>,
    hosts: Vec<Host>,
    /// Last bytes that are taken, by zone.
    taken: Vec<Vec<u8>>,
}

impl Draw {
    fn new(seed: u64) -> Draw {
        Draw {
            random: Random::new(seed),
            zones: Vec::new(),
            hosts: Vec::new(),
            taken: Vec::new(),
        }
    }

    fn zones(&mut self) {
        const ZONES: [(&str, &str, &str); 9] = [
            ("signals", "transport", "safety"),
            ("traffic-desk", "transport", "essential"),
            ("video", "public-safety", "normal"),
            ("pumps", "water", "safety"),
            ("water-desk", "water", "essential"),
            ("hospital", "health", "safety"),
            ("lighting", "lighting", "normal"),
            ("data-centre", "administration", "essential"),
            ("offices", "administration", "normal"),
        ];
        let second = self.random.between(16, 250);
        let mut thirds = Vec::new();
        for (name, domain, criticality) in ZONES {
            let third = self.random.fresh(2, 250, &mut thirds);
            self.zones.push(Zone {
                name,
                domain,
                criticality,
                network: [10, second, third],
            });
            self.taken.push(vec![1]);
        }
        // RFC 5737: for documentation; nobody has it.
        self.zones.push(Zone {
            name: OUTSIDE,
            domain: "",
            criticality: "",
            network: [198, 51, 100],
        });
        self.taken.push(vec![1]);
    }

    /// Adds a host to a zone and gives its address.
    fn host(&mut self, zone: &str, name: &'static str, role: &'static str, serves: Vec<Server>) -> Ipv4Addr {
        let zone = self.zones.iter().position(|z| z.name == zone).unwrap_or(0);
        let last = match self.taken.get_mut(zone) {
            Some(taken) => self.random.fresh(10, 240, taken),
            None => 10,
        };
        let address = self.zones.get(zone).map_or(Ipv4Addr::LOCALHOST, |z| z.at(last));
        let r = self.random.next().to_be_bytes();
        // Bit 2 of the first byte: given by the one who runs it, not by a maker (IEEE 802).
        let mac = format!("02:{:02x}:{:02x}:{:02x}:{zone:02x}:{last:02x}", r[0], r[1], r[2]);
        self.hosts.push(Host {
            name,
            zone,
            role,
            address,
            mac,
            serves,
            works: Vec::new(),
        });
        address
    }

    fn works(&mut self, name: &str, work: Work) {
        if let Some(host) = self.hosts.iter_mut().find(|h| h.name == name) {
            host.works.push(work);
        }
    }

    fn address(&self, name: &str) -> Ipv4Addr {
        let host = self.hosts.iter().find(|h| h.name == name);
        host.map_or(Ipv4Addr::UNSPECIFIED, |h| h.address)
    }

    fn lease(&self, name: &str) -> Lease {
        let host = self.hosts.iter().find(|h| h.name == name);
        Lease {
            mac: host.map(|h| h.mac.clone()).unwrap_or_default(),
            address: self.address(name),
        }
    }

    fn transport(&mut self) {
        self.host("traffic-desk", "signal-server", "traffic-server", vec![]);
        for name in ["junction-1", "junction-2", "junction-3"] {
            let controller = self.host("signals", name, "signal-controller", vec![Server::Snmp]);
            self.works("signal-server", Work::snmp_poll(controller, SIGNAL_PLAN, 100));
        }
        let third = self.address("junction-3");
        self.works("signal-server", Work::snmp_set(third, SIGNAL_PLAN, 700));
        let camera = |password| vec![Server::telnet("root", password), Server::http(40_000)];
        self.host("video", "camera-1", "camera", camera("a8Kd-20ff"));
        self.host("video", "camera-2", "camera", camera("vizxv"));
        self.host("video", "camera-3", "camera", camera("admin"));
    }

    fn water(&mut self) {
        self.host("water-desk", "scada-1", "scada-server", vec![]);
        for name in ["pump-plc-1", "pump-plc-2"] {
            let plc = self.host("pumps", name, "plc", vec![Server::Modbus]);
            self.works("scada-1", Work::modbus_poll(plc, 50));
        }
        let plc = self.address("pump-plc-1");
        self.works("scada-1", Work::modbus_write(plc, 40, 500));
    }

    fn hospital(&mut self) {
        let station = self.host(
            "hospital",
            "nurse-station",
            "alarm-server",
            vec![Server::Heartbeat],
        );
        for name in ["ward-1", "ward-2"] {
            self.host("hospital", name, "patient-monitor", vec![]);
            self.works(name, Work::heartbeat(station, 50));
        }
    }

    fn lighting(&mut self) {
        for name in ["lamp-1", "lamp-2", "lamp-3"] {
            self.host("lighting", name, "lamp-controller", vec![]);
        }
    }

    fn centre(&mut self) {
        let resolver = self.host("data-centre", "resolver", "dns", vec![Server::Dns, Server::Ntp]);
        let broker = self.host("data-centre", "broker", "mqtt-broker", vec![Server::Mqtt]);
        self.host("data-centre", "recorder", "video-recorder", vec![]);
        let log = self.host("data-centre", "log-server", "syslog", vec![Server::Syslog]);
        let records = self.host(
            "data-centre",
            "records",
            "records-server",
            vec![Server::http(2_000), Server::Ssh],
        );
        let power = self.host("data-centre", "ups-1", "ups", vec![Server::Agent]);
        self.works("log-server", Work::snmp_poll(power, SYSTEM_SERVICES, 300));
        self.works("log-server", Work::ssh_greeting(records, 500));
        self.host(
            "data-centre",
            "updates",
            "update",
            vec![Server::Web { bytes: 8_000 }],
        );
        let forms = self.host(
            "data-centre",
            "forms",
            "web-server",
            vec![Server::Web { bytes: 4_000 }],
        );
        for camera in ["camera-1", "camera-2", "camera-3"] {
            let camera = self.address(camera);
            self.works("recorder", Work::http_get(camera, "/video.mjpg", 150));
        }
        for lamp in ["lamp-1", "lamp-2", "lamp-3"] {
            self.works(lamp, Work::mqtt_publish(broker, 200));
        }
        for host in ["signal-server", "ward-1", "lamp-1", "camera-1"] {
            self.works(host, Work::dns(resolver, 250));
        }
        for host in ["scada-1", "ward-2"] {
            self.works(host, Work::ntp(resolver, 300));
        }
        self.works("ward-1", Work::http_get(records, "/patients/next", 200));
        self.works("ward-2", Work::syslog(log, 300));
        self.host("offices", "office-1", "workstation", vec![]);
        self.host("offices", "office-2", "workstation", vec![]);
        self.host("offices", "kiosk", "kiosk", vec![Server::telnet("admin", "1234")]);
        let lease = self.lease("kiosk");
        let leases = vec![lease.clone()];
        let dhcp = self.host("data-centre", "leases", "dhcp", vec![Server::Dhcp { leases }]);
        // What a quarantine leaves, with the firmware that it fetches.
        self.works("kiosk", Work::dhcp_renew(dhcp, lease, 200));
        self.works("kiosk", Work::dns(resolver, 250));
        self.works("office-1", Work::http_get(forms, "/forms", 200));
        self.works("office-2", Work::dns(resolver, 300));
    }

    fn outside(&mut self) {
        let web = self.host(OUTSIDE, "web", "", vec![Server::Web { bytes: 6_000 }]);
        self.host(OUTSIDE, "stranger", "", vec![]);
        self.host(
            OUTSIDE,
            "lair",
            "",
            vec![Server::http(200), Server::Dns, Server::Sink],
        );
        self.works("office-2", Work::http_get(web, "/", 250));
        let updates = self.address("updates");
        for host in ["camera-1", "kiosk"] {
            self.works(host, Work::http_get(updates, "/firmware/latest", 400));
        }
        // Somebody's own box, plugged into a lamp post; the city file does not know it.
        self.host("lighting", "stray-box", "", vec![]);
    }
}

fn conduits() -> Vec<Conduit> {
    let line = |from: &[&'static str], to: &[&'static str], allow: &[&'static str], reason| Conduit {
        from: from.to_vec(),
        to: to.to_vec(),
        allow: allow.to_vec(),
        reason,
    };
    vec![
        line(
            &["signal-server"],
            &["signals"],
            &["snmp: get, set 1.3.6.1.4.1.1206.*", "icmp"],
            "The traffic centre runs the signals",
        ),
        line(
            &["scada-1"],
            &["pumps"],
            &["modbus: read, write holding:40-49"],
            "Polling, and the set points that operators may change",
        ),
        line(&["recorder"], &["video"], &["http"], "Pictures are recorded"),
        line(
            &["lighting"],
            &["broker"],
            &["mqtt: publish city/#, subscribe"],
            "Lamps tell how they are",
        ),
        line(&["hospital", "offices"], &["records"], &["http"], "Records"),
        line(&["*"], &["resolver"], &["dns", "ntp"], "Names and time"),
        line(&["*"], &["log-server"], &["syslog"], "Logs"),
        line(&["*"], &["updates"], &["http"], "Firmware and updates"),
        line(&["offices"], &["outside"], &["http", "https", "dns"], "The web"),
        line(&["offices"], &["ups-1"], &["snmp"], "Who looks after the power"),
        line(
            &["outside", "offices"],
            &["forms"],
            &["http"],
            "Forms of the city",
        ),
    ]
}

fn services() -> Vec<(&'static str, Vec<&'static str>, &'static str)> {
    vec![
        ("Traffic signals", vec!["signals", "signal-server"], "safety"),
        ("Drinking water", vec!["pumps", "scada-1"], "safety"),
        ("Patient alarms", vec!["hospital", "records"], "safety"),
        ("Street lighting", vec!["lighting", "broker"], "normal"),
        ("Video surveillance", vec!["video", "recorder"], "normal"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_seed_is_a_city_and_no_address_is_given_twice() {
        for seed in 0..32 {
            let (one, same, other) = (
                Topology::eastmere(seed),
                Topology::eastmere(seed),
                Topology::eastmere(seed + 100),
            );
            let addresses = |t: &Topology| t.hosts.iter().map(|h| h.address).collect::<Vec<_>>();
            assert_eq!(addresses(&one), addresses(&same));
            assert_ne!(addresses(&one), addresses(&other));
            let unique: BTreeSet<_> = addresses(&one).into_iter().collect();
            let macs: BTreeSet<_> = one.hosts.iter().map(|h| &h.mac).collect();
            let names: BTreeSet<_> = one.hosts.iter().map(|h| h.name).collect();
            assert_eq!(
                (unique.len(), macs.len(), names.len()),
                (one.hosts.len(), one.hosts.len(), one.hosts.len())
            );
            for (index, zone) in one.zones.iter().enumerate() {
                assert!(zone.bridge(index).len() <= 15, "{}", zone.bridge(index));
            }
            assert!(
                one.hosts.iter().all(|h| h.name.len() <= 13),
                "a port's name has 15 bytes"
            );
        }
    }
}

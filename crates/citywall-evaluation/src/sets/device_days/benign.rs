//! What the devices of a city do on a day.
//!
//! Owns: the work of machines, and what happens to them that is normal: reboots, a power cut, a cloud that
//! is down, new firmware. Each device of each day draws from its own numbers, so that nothing that is added
//! to a city moves anything else. Does not own: what people do (`people`).

use std::net::IpAddr;

use citywall_behaviour::Class;
use citywall_event::Nanos;

use super::city::{
    BROKER, City, Cloud, Device, FILES, Kind, POLLER, RECORDER, RESOLVER, SCADA, ours, outside,
};
use super::stream::{DAY, Dice, Outcome, Stream, Talk, seconds};

/// Seconds of a day.
pub const WHOLE: f64 = 86_400.0;

/// One device on one day.
pub struct Work<'a> {
    pub city: &'a City,
    pub device: Device,
    pub day: u32,
    pub start: Nanos,
    pub dice: Dice,
    pub stream: &'a mut Stream,
}

/// All that is normal on a day.
pub fn day(city: &City, begin: Nanos, day: u32, stream: &mut Stream) {
    for device in &city.devices {
        let mut work = Work {
            city,
            device: *device,
            day,
            start: begin + Nanos::from(day) * DAY,
            dice: Dice::new(&[city.seed, device.unit as u64, day.into()]),
            stream,
        };
        work.common();
        work.own();
        work.firmware();
    }
}

impl Work<'_> {
    /// A second of the day.
    pub fn at(&self, second: f64) -> Nanos {
        self.start + seconds(second)
    }

    /// A conversation at a second of the day.
    pub fn talk(&mut self, second: f64, talk: Talk) {
        self.stream.talk(self.at(second), &talk);
    }

    /// The name server is asked for a name that exists.
    pub fn ask(&mut self, second: f64) {
        self.stream.ask(self.at(second), self.device.ip, RESOLVER, None);
    }

    /// Something that is done every so many seconds, give or take a share.
    pub fn rhythm(&mut self, every: f64, jitter: f64, mut act: impl FnMut(&mut Self, f64)) {
        let mut second = self.dice.between(0.0, every);
        while second < WHOLE {
            act(self, second);
            second += every * self.dice.between(1.0 - jitter, 1.0 + jitter);
        }
    }

    /// Where a cloud is today; one that moves is asked for again.
    pub fn cloud(&self, cloud: Cloud) -> IpAddr {
        self.city.cloud(cloud, self.day)
    }

    /// Time, an address, reboots.
    fn common(&mut self) {
        let own = self.device.ip;
        self.rhythm(1_024.0, 0.01, |w, s| {
            w.talk(s, Talk::udp(own, RESOLVER, 123, [48, 48]))
        });
        self.rhythm(43_200.0, 0.02, |w, s| {
            w.talk(s, Talk::udp(own, RESOLVER, 67, [300, 300]))
        });
        if self.dice.chance(0.03) {
            let second = self.dice.between(0.0, WHOLE - 600.0);
            self.boot(second);
        }
        let (cut_day, second) = self.city.plan.power_cut;
        // The street and the signals are on one line.
        let on_it = matches!(
            self.device.kind,
            Kind::Signal | Kind::Sign | Kind::Light | Kind::Charger
        );
        if cut_day == self.day && on_it {
            let late = self.dice.between(2.0, 40.0);
            self.boot((second + late).min(WHOLE - 600.0));
        }
    }

    /// What a device does when it starts: an address, time, names, and servers that are not up yet.
    fn boot(&mut self, second: f64) {
        let own = self.device.ip;
        if let IpAddr::V4(v4) = own {
            let [a, b, c, _] = v4.octets();
            self.stream.look(self.at(second), own, [a, b, c, 1].into(), true);
            self.stream.look(self.at(second + 0.1), own, v4, false);
        }
        self.talk(second + 1.0, Talk::udp(own, RESOLVER, 67, [300, 300]));
        self.talk(second + 2.0, Talk::udp(own, RESOLVER, 123, [48, 48]));
        for i in 0..self.dice.below(4) {
            self.ask(second + 3.0 + i as f64);
        }
        for i in 0..self.dice.below(5) {
            let early = Talk::tcp(own, BROKER, 8_883, [0, 0], 1.0).ending(Outcome::Refused);
            self.talk(second + 5.0 + 5.0 * i as f64, early);
        }
    }

    fn own(&mut self) {
        match self.device.kind {
            Kind::Camera => self.camera(),
            Kind::CloudCamera => self.cloud_camera(),
            Kind::Signal => self.signal(),
            Kind::Plc => self.plc(),
            Kind::Sensor => self.sensor(),
            Kind::Sign => self.sign(),
            Kind::Charger => self.charger(),
            Kind::Light => self.light(),
            Kind::Building => self.building(),
            Kind::Station => self.station(),
            Kind::Kiosk => self.kiosk(),
            Kind::Scada => self.scada(),
            Kind::Resolver => self.resolver(),
            Kind::Recorder => self.recorder(),
            Kind::Broker => self.broker(),
            Kind::Poller => self.poller(),
            Kind::Files => self.files(),
            Kind::Office => self.office(),
            Kind::Admin => self.admin(),
            Kind::Portal => self.portal(),
        }
    }

    /// How bright it is, from 0 to 1: more moves in front of a camera by day.
    pub fn light_of_day(second: f64) -> f64 {
        (0.5 - 0.5 * (std::f64::consts::TAU * second / WHOLE).cos()).powi(2)
    }

    fn camera(&mut self) {
        let own = self.device.ip;
        self.rhythm(7_200.0, 0.4, |w, s| {
            let lasts = w.dice.between(3_000.0, 9_000.0);
            let bytes = (lasts * w.dice.between(60e3, 140e3)) as u64;
            w.talk(s, Talk::tcp(RECORDER, own, 554, [bytes / 400, bytes], lasts));
        });
        self.rhythm(1_800.0, 0.9, |w, s| {
            if w.dice.chance(0.1 + 0.8 * Self::light_of_day(s)) {
                let picture = w.dice.count(80_000, 400_000);
                w.talk(s, Talk::tcp(own, RECORDER, 21, [picture, 2_000], 1.5));
            }
        });
    }

    fn cloud_camera(&mut self) {
        let own = self.device.ip;
        let cloud = self.cloud(Cloud::Cameras);
        self.rhythm(1_800.0, 0.2, |w, s| {
            w.ask(s);
            let lasts = w.dice.between(1_500.0, 1_780.0);
            let rate = (30e3 + 120e3 * Self::light_of_day(s)) * w.dice.between(0.7, 1.3);
            let bytes = (lasts * rate) as u64;
            w.talk(
                s + 0.1,
                Talk::tcp(own, cloud, 443, [bytes, bytes / 60], lasts).app("tls"),
            );
        });
    }

    fn signal(&mut self) {
        let own = self.device.ip;
        self.rhythm(120.0, 0.02, |w, s| {
            let poll = Talk::udp(POLLER, own, 161, [80, 130]).app("snmp");
            let lost = w.dice.chance(0.002);
            w.talk(s, if lost { poll.ending(Outcome::Silent) } else { poll });
        });
        // Traps are not answered.
        self.rhythm(14_400.0, 0.9, |w, s| {
            w.talk(s, Talk::udp(own, POLLER, 162, [180, 0]).ending(Outcome::Silent));
        });
    }

    fn plc(&mut self) {
        let own = self.device.ip;
        self.rhythm(3_600.0, 0.3, |w, s| {
            let lasts = w.dice.between(2_000.0, 3_500.0);
            let polls = lasts as u64;
            w.talk(
                s,
                Talk::tcp(SCADA, own, 502, [polls * 12, polls * 29], lasts).app("modbus"),
            );
        });
    }

    fn sensor(&mut self) {
        let own = self.device.ip;
        self.rhythm(900.0, 0.03, |w, s| {
            let bytes = [w.dice.count(300, 900), 200];
            let visit = Talk::tcp(own, BROKER, 1_883, bytes, 2.0).app("mqtt");
            w.stream.login(w.at(s), &visit, true);
        });
    }

    fn sign(&mut self) {
        let own = self.device.ip;
        let home = self.cloud(Cloud::Signs);
        self.rhythm(60.0, 0.05, |w, s| {
            let bytes = [420, w.dice.count(2_000, 30_000)];
            w.talk(s, Talk::tcp(own, home, 80, bytes, 0.4).app("http"));
        });
        self.rhythm(3_600.0, 0.1, |w, s| w.ask(s));
    }

    fn charger(&mut self) {
        let own = self.device.ip;
        let cloud = self.cloud(Cloud::Chargers);
        self.rhythm(10_800.0, 0.6, |w, s| {
            w.ask(s);
            let lasts = w.dice.between(3_000.0, 4_000.0);
            let bytes = [(lasts * 6.0) as u64, (lasts * 4.0) as u64];
            w.talk(s + 0.1, Talk::tcp(own, cloud, 443, bytes, lasts).app("tls"));
        });
    }

    fn light(&mut self) {
        let own = self.device.ip;
        let cloud = self.cloud(Cloud::Lights);
        self.rhythm(300.0, 0.05, |w, s| {
            let bytes = [w.dice.count(1_200, 1_900), w.dice.count(3_500, 5_000)];
            w.talk(s, Talk::tcp(own, cloud, 443, bytes, 0.8).app("tls"));
        });
        self.rhythm(1_800.0, 0.1, |w, s| w.ask(s));
    }

    fn building(&mut self) {
        let own = self.device.ip;
        let cloud = self.cloud(Cloud::Buildings);
        self.rhythm(600.0, 0.2, |w, s| {
            w.ask(s);
            let bytes = [w.dice.count(4_000, 20_000), w.dice.count(3_000, 9_000)];
            w.talk(s + 0.1, Talk::tcp(own, cloud, 443, bytes, 1.2).app("tls"));
        });
        // Its log: nobody answers to that.
        self.rhythm(240.0, 0.9, |w, s| {
            w.talk(s, Talk::udp(own, FILES, 514, [220, 0]).ending(Outcome::Silent));
        });
    }

    /// Where its cloud is down, it tries all addresses of it, less and less often.
    fn station(&mut self) {
        let own = self.device.ip;
        let cloud = self.cloud(Cloud::Stations);
        let (day, from, lasts) = self.city.plan.outage;
        let down = move |w: &Self, s: f64| w.day == day && s >= from && s < from + lasts;
        self.rhythm(600.0, 0.02, |w, s| {
            if !down(w, s) {
                let bytes = [w.dice.count(5_000, 7_000), 3_500];
                w.talk(s, Talk::tcp(own, cloud, 443, bytes, 1.0).app("tls"));
            }
        });
        if day != self.day {
            return;
        }
        let seed = self.city.seed;
        let others: Vec<IpAddr> = (0..3).map(|i| outside(seed ^ 0x0bad_c10d ^ i << 20)).collect();
        let (mut second, mut wait) = (from, 10.0);
        while second < (from + lasts).min(WHOLE) {
            self.ask(second);
            for (i, to) in [cloud].iter().chain(&others).enumerate() {
                let try_ = Talk::tcp(own, *to, 443, [0, 0], 1.0).ending(Outcome::Silent);
                self.talk(second + 8.0 * i as f64, try_);
            }
            second += wait * self.dice.between(0.9, 1.1) + 32.0;
            wait = f64::min(wait * 2.0, 320.0);
        }
    }

    /// One of them was never told the new password, nor is the other when it changes again.
    fn kiosk(&mut self) {
        let own = self.device.ip;
        let first = self.city.of(&[Kind::Kiosk]).first().map(|d| d.unit);
        if first == Some(self.device.unit) || self.day >= self.city.plan.password {
            self.rhythm(3_600.0, 0.01, |w, s| {
                for i in 0..w.dice.count(1, 2) {
                    let try_ = Talk::tcp(own, FILES, 80, [500, 300], 0.3).app("http");
                    w.stream.login(w.at(s + i as f64), &try_, false);
                }
            });
        }
        self.rhythm(400.0, 0.8, |w, s| {
            if (25_000.0..75_000.0).contains(&s) {
                let bytes = [600, w.dice.count(4_000, 90_000)];
                w.talk(s, Talk::tcp(own, FILES, 80, bytes, 0.5).app("http"));
            }
        });
    }

    fn scada(&mut self) {
        let own = self.device.ip;
        self.rhythm(300.0, 0.02, |w, s| {
            let bytes = [w.dice.count(20_000, 60_000), 2_000];
            w.talk(s, Talk::tcp(own, FILES, 1_433, bytes, 0.7));
        });
    }

    fn resolver(&mut self) {
        let own = self.device.ip;
        self.rhythm(180.0, 0.9, |w, s| {
            // A few servers are asked most.
            let server = outside(0x0d15_0000 + w.dice.wide(1.0, 400.0) as u64);
            let ask = Talk::udp(own, server, 53, [60, 160]).app("dns");
            let lost = w.dice.chance(0.02);
            w.talk(s, if lost { ask.ending(Outcome::Silent) } else { ask });
        });
        for i in 0..4 {
            let server = outside(0x0717_0000 + i);
            self.rhythm(1_024.0, 0.01, |w, s| {
                w.talk(s, Talk::udp(own, server, 123, [48, 48]))
            });
        }
    }

    /// A wall of pictures arrives at it all day; a minute of it stands for that.
    fn recorder(&mut self) {
        let second = self.dice.between(20_000.0, 70_000.0);
        let cameras = self.city.of(&[Kind::Camera]);
        self.flow_of_pictures(second, 60.0, &cameras);
        let own = self.device.ip;
        self.rhythm(900.0, 0.1, |w, s| {
            w.talk(s, Talk::tcp(own, FILES, 445, [40_000, 9_000], 3.0))
        });
    }

    /// Pictures of cameras, packet by packet.
    pub fn flow_of_pictures(&mut self, second: f64, lasts: f64, cameras: &[Device]) {
        let mut at = second;
        while at < second + lasts {
            for camera in cameras {
                for i in 0..self.dice.count(3, 7) {
                    let sent = self.at(at + 0.000_3 * i as f64);
                    self.stream.packet(sent, camera.ip, RECORDER, Class::Tcp, 1_514);
                }
                let answered = self.at(at + 0.003);
                self.stream.packet(answered, RECORDER, camera.ip, Class::Tcp, 66);
            }
            at += 0.1;
        }
    }

    fn broker(&mut self) {
        let own = self.device.ip;
        let cloud = self.cloud(Cloud::Broker);
        self.rhythm(60.0, 0.1, |w, s| {
            let bytes = [w.dice.count(15_000, 60_000), 3_500];
            w.talk(s, Talk::tcp(own, cloud, 8_883, bytes, 0.9).app("tls"));
        });
    }

    /// Touches all that it looks after, and some that are switched off.
    fn poller(&mut self) {
        let own = self.device.ip;
        let all = self
            .city
            .of(&[Kind::Signal, Kind::Camera, Kind::Sign, Kind::Light, Kind::Plc]);
        let off = self.city.plan.off;
        self.rhythm(3_600.0, 0.001, |w, s| {
            for (i, device) in all.iter().enumerate() {
                w.talk(s + 0.2 * i as f64, Talk::ping(own, device.ip));
            }
            for i in 0..off {
                let gone = Talk::ping(own, ours(20, 120 + i as u8)).ending(Outcome::Silent);
                w.talk(s + 0.2 * (all.len() + i) as f64, gone);
            }
        });
        // What is set up in them is fetched each night.
        let night = self.dice.between(9_000.0, 12_000.0);
        for (i, device) in all.iter().enumerate() {
            let visit = Talk::tcp(own, device.ip, 22, [4_000, 30_000], 2.5).app("ssh");
            self.talk(night + 4.0 * i as f64, visit);
        }
    }

    /// A small copy each night, a full one on Sunday, and a mirror that is kept by short sessions all day.
    fn files(&mut self) {
        let own = self.device.ip;
        let cloud = self.cloud(Cloud::Backup);
        let full = if self.day % 7 == 6 { 5.0 } else { 1.0 };
        let mut second = 3_600.0 + self.dice.between(0.0, 1_200.0);
        self.backup_packets(second, cloud);
        for _ in 0..8 {
            let bytes = (full * self.dice.between(0.1e9, 0.4e9)) as u64;
            let lasts = bytes as f64 / 12e6;
            self.talk(
                second,
                Talk::tcp(own, cloud, 443, [bytes, bytes / 70], lasts).app("tls"),
            );
            second += lasts + 1.0;
        }
        self.rhythm(600.0, 0.01, |w, s| {
            let bytes = [w.dice.count(3_000, 9_000), 4_000];
            w.talk(s, Talk::tcp(own, RECORDER, 22, bytes, 2.0).app("ssh"));
        });
    }

    fn backup_packets(&mut self, second: f64, to: IpAddr) {
        for i in 0..6_000 {
            let at = self.at(second + 1.0 + 0.000_8 * f64::from(i));
            self.stream.packet(at, FILES, to, Class::Tcp, 1_514);
            if i % 2 == 0 {
                self.stream.packet(at + 400_000, to, FILES, Class::Tcp, 66);
            }
        }
    }

    /// The day on which all fetch the same file.
    fn firmware(&mut self) {
        let (day, second) = self.city.plan.firmware;
        let takes = matches!(
            self.device.kind,
            Kind::Camera | Kind::CloudCamera | Kind::Light | Kind::Building | Kind::Sign | Kind::Sensor
        );
        if day != self.day || !takes {
            return;
        }
        let from = outside(self.city.seed ^ 0xf1f1);
        let second = second + self.dice.between(0.0, 3_600.0);
        let size = Dice::new(&[self.city.seed, 0xf11e]).count(20_000_000, 80_000_000);
        self.ask(second);
        let fetched = Talk::tcp(self.device.ip, from, 443, [size / 800, size], 40.0).app("tls");
        self.talk(second + 0.1, fetched);
        let own = self.device.ip;
        for i in 0..1_500 {
            let at = self.at(second + 1.0 + 0.001_2 * f64::from(i));
            self.stream.packet(at, from, own, Class::Tcp, 1_514);
            if i % 2 == 0 {
                self.stream.packet(at + 500_000, own, from, Class::Tcp, 66);
            }
        }
    }
}

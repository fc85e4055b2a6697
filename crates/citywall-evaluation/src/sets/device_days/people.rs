//! What people do in a city's networks: at their desks, and as visitors from outside.
//!
//! Owns: office computers, who looks after the devices and mistypes, visitors of the public portal, a crowd
//! of them, and the noise that every public address hears. Does not own: machines (`benign`).

use std::net::IpAddr;

use citywall_behaviour::Class;

use super::benign::{WHOLE, Work};
use super::city::{Cloud, FILES, Kind, RESOLVER, ours, outside};
use super::stream::{Outcome, Talk};

/// Public addresses, of which most are nobody's.
const PUBLIC: u8 = 95;

/// Ports that the noise of the Internet tries.
const NOISE: [u16; 10] = [22, 23, 80, 443, 445, 1_433, 3_389, 5_900, 8_080, 8_443];

impl Work<'_> {
    fn weekend(&self) -> bool {
        matches!(self.day % 7, 5 | 6)
    }

    /// A desk: pages, mail, files, calls.
    pub fn office(&mut self) {
        if self.weekend() || self.dice.chance(0.1) {
            return;
        }
        let own = self.device.ip;
        let (arrives, leaves) = (
            self.dice.between(7.5, 9.5) * 3_600.0,
            self.dice.between(16.0, 18.5) * 3_600.0,
        );
        let mut second = arrives;
        while second < leaves {
            self.page(second);
            second += self.dice.wait(300.0);
        }
        let mail = self.cloud(Cloud::Mail);
        let mut second = arrives;
        while second < leaves {
            self.talk(second, Talk::tcp(own, mail, 443, [3_000, 9_000], 1.0).app("tls"));
            second += 300.0 * self.dice.between(0.98, 1.02);
        }
        self.names(arrives, leaves);
        for _ in 0..self.dice.below(30) {
            let (second, bytes) = (
                self.dice.between(arrives, leaves),
                self.dice.wide(2e4, 2e7) as u64,
            );
            self.talk(second, Talk::tcp(own, FILES, 445, [bytes / 5, bytes], 5.0));
        }
        if self.dice.chance(0.25) {
            self.call(arrives);
        }
        if self.dice.chance(0.08) {
            let (second, bytes) = (
                self.dice.between(arrives, leaves),
                self.dice.wide(5e6, 6e7) as u64,
            );
            let share = self.cloud(Cloud::Shares);
            self.talk(
                second,
                Talk::tcp(own, share, 443, [bytes, bytes / 60], 30.0).app("tls"),
            );
        }
    }

    /// A page, and all that it drags along.
    fn page(&mut self, second: f64) {
        let own = self.device.ip;
        for i in 0..self.dice.count(2, 10) {
            // A few sites are visited most.
            let site = outside(0x517e_0000 + self.dice.wide(1.0, 6_000.0) as u64);
            let at = second + 0.3 * i as f64;
            self.ask(at);
            let bytes = [self.dice.count(1_500, 9_000), self.dice.wide(5e3, 2e6) as u64];
            let visit = Talk::tcp(own, site, 443, bytes, self.dice.between(0.3, 60.0)).app("tls");
            let dead = self.dice.chance(0.01);
            self.talk(
                at + 0.05,
                if dead {
                    visit.ending(Outcome::Silent)
                } else {
                    visit
                },
            );
        }
    }

    /// Names that do not exist, and what a virus scanner asks its maker: long, and coded.
    fn names(&mut self, arrives: f64, leaves: f64) {
        const WORDS: [&str; 8] = [
            "printer", "wpad", "intranet", "mail", "plan", "scan", "archive", "lohn",
        ];
        let own = self.device.ip;
        for _ in 0..self.dice.below(40) {
            let second = self.dice.between(arrives, leaves);
            let at = self.at(second);
            let name = format!(
                "{}{}.lan.city.example",
                self.dice.pick(&WORDS),
                self.dice.below(9)
            );
            self.stream.ask(at, own, RESOLVER, Some((name, true)));
        }
        for _ in 0..self.dice.below(60) {
            let second = self.dice.between(arrives, leaves);
            self.asks_about_file(second);
        }
        // Now and then all files are looked at.
        if self.dice.chance(0.04) {
            let begin = self.dice.between(arrives, leaves);
            for _ in 0..self.dice.count(60, 300) {
                let second = begin + self.dice.between(0.0, 900.0);
                self.asks_about_file(second);
            }
        }
    }

    fn asks_about_file(&mut self, second: f64) {
        let name = format!("{}.avqs.example", self.dice.letters(40, b"0123456789abcdef"));
        let at = self.at(second);
        self.stream.ask(at, self.device.ip, RESOLVER, Some((name, false)));
    }

    /// Pictures both ways for an hour, with somebody who was never met before.
    fn call(&mut self, arrives: f64) {
        let whom = outside(self.dice.below(1 << 40) as u64);
        let second = arrives + self.dice.between(1_000.0, 20_000.0);
        let lasts = self.dice.between(1_200.0, 4_500.0);
        let bytes = (lasts * self.dice.between(80e3, 250e3)) as u64;
        let back = (bytes as f64 * self.dice.between(0.5, 2.0)) as u64;
        let call = Talk {
            lasts,
            ..Talk::udp(self.device.ip, whom, 3_478, [bytes, back])
        };
        self.talk(second, call);
    }

    /// A desk, and logins on devices: one in three is mistyped at first, few more than once.
    pub fn admin(&mut self) {
        self.office();
        if self.weekend() {
            return;
        }
        let own = self.device.ip;
        let all = self
            .city
            .of(&[Kind::Signal, Kind::Light, Kind::Building, Kind::Plc]);
        for _ in 0..self.dice.count(3, 12) {
            let device = self.dice.pick(&all);
            let mut second = self.dice.between(30_000.0, 60_000.0);
            let (port, app) = self.dice.pick(&[(23, "telnet"), (80, "http")]);
            let visit = Talk::tcp(own, device.ip, port, [2_000, 9_000], 4.0).app(app);
            while self.dice.chance(0.3) {
                self.stream.login(self.at(second), &visit, false);
                second += self.dice.between(5.0, 20.0);
            }
            self.stream.login(self.at(second), &visit, true);
        }
        for _ in 0..self.dice.below(15) {
            let (device, second) = (self.dice.pick(&all), self.dice.between(30_000.0, 60_000.0));
            let bytes = [self.dice.count(4_000, 60_000), 50_000];
            self.talk(second, Talk::tcp(own, device.ip, 22, bytes, 200.0).app("ssh"));
        }
    }

    /// Visitors, a crowd on one day, and noise.
    pub fn portal(&mut self) {
        let portal = self.device.ip;
        for _ in 0..self.dice.count(150, 400) {
            let (second, client) = (self.dice.between(0.0, WHOLE), self.dice.below(1 << 40) as u64);
            if self.dice.chance(0.2 + 0.8 * Self::light_of_day(second)) {
                self.visit(second, outside(client), portal);
            }
        }
        let (day, second) = self.city.plan.crowd;
        if day == self.day {
            for _ in 0..self.dice.count(500, 1_500) {
                let (late, client) = (self.dice.between(0.0, 2_400.0), self.dice.below(1 << 40) as u64);
                self.visit(second + late, outside(client), portal);
            }
            self.crowd_packets(second + 600.0, portal);
        }
        for _ in 0..self.dice.count(40, 90) {
            let (second, from) = (
                self.dice.between(0.0, WHOLE),
                outside(self.dice.below(1 << 40) as u64),
            );
            let port = self.dice.pick(&NOISE);
            for i in 0..self.dice.count(1, 2) {
                let to = ours(PUBLIC, self.dice.count(1, 254) as u8);
                let (outcome, port) = match to == portal {
                    true if matches!(port, 80 | 443) => (Outcome::Answered, port),
                    true => (Outcome::Refused, port),
                    false => (Outcome::Silent, port),
                };
                self.talk(
                    second + i as f64,
                    Talk::tcp(from, to, port, [300, 600], 0.3).ending(outcome),
                );
            }
        }
    }

    fn visit(&mut self, second: f64, client: IpAddr, portal: IpAddr) {
        for i in 0..self.dice.count(1, 4) {
            let bytes = [self.dice.count(1_500, 6_000), self.dice.wide(5e3, 1e6) as u64];
            let visit = Talk::tcp(client, portal, 443, bytes, self.dice.between(0.5, 40.0)).app("tls");
            self.talk(second + i as f64, visit);
        }
    }

    /// The crowd's packets for a minute: each client completes its handshake, asks and reads.
    fn crowd_packets(&mut self, second: f64, portal: IpAddr) {
        let rate = self.dice.between(20.0, 60.0);
        let mut late = 0.0;
        while late < 60.0 {
            let client = outside(self.dice.below(1 << 40) as u64);
            let from = self.at(second + late);
            let mut step = 0;
            let mut send = |there: bool, class, bytes| {
                step += 15_000_000;
                let (a, b) = if there { (client, portal) } else { (portal, client) };
                self.stream.packet(from + step, a, b, class, bytes);
            };
            send(true, Class::Syn, 66);
            send(false, Class::SynAck, 66);
            send(true, Class::Tcp, 66);
            send(true, Class::Tcp, 500);
            for i in 0..12 {
                send(i % 3 == 2, Class::Tcp, if i % 3 == 2 { 66 } else { 1_514 });
            }
            late += self.dice.wait(1.0 / rate);
        }
    }
}

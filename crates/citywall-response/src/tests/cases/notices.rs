//! Notices of incidents, as sensors tell them: true ones, spoofed ones, storms.
//!
//! Owns: drawing them, and telling the oracle whom each is about. Does not own: what follows.

use super::*;

impl World<'_> {
    pub(super) fn notices(&mut self) -> Verdict {
        let count = match self.dice.below(300) {
            0 => 100,
            1..100 => 3,
            _ => 1,
        };
        if count > 3 {
            self.stats.add("storm");
        }
        let mut notices = Vec::new();
        for _ in 0..count {
            notices.push(self.notice());
        }
        self.last.clone_from(&notices);
        self.send(Input::Notices(notices))
    }

    fn notice(&mut self) -> Notice {
        let grown = self.incidents > 0 && self.dice.one_in(4);
        let number = if grown {
            self.dice.below(self.incidents)
        } else {
            self.incidents += 1;
            self.incidents - 1
        };
        let incident = format!("I0-{number}-1");
        let mut notice = Notice {
            incident: incident.clone(),
            change: if grown { "updated" } else { "opened" }.to_owned(),
            severity: 1 + self.dice.below(3) as u8,
            at: self.now,
            ..Notice::default()
        };
        for index in 0..1 + self.dice.below(2) {
            let ip = self.any_address();
            let proved = !self.dice.one_in(4);
            let mac = self
                .dice
                .one_in(5)
                .then(|| self.dice.below(6) as u8)
                .map(|n| [2, 0, 0, 0, 0, n]);
            self.stats.add(if proved {
                "suspect: proved"
            } else {
                "suspect: spoofed"
            });
            let clean = is_clean(self.town(), ip, mac);
            if !clean {
                self.stats.add("suspect: contradictory addresses");
            }
            let known = self
                .oracle
                .suspects
                .entry((incident.clone(), Host::Ip(ip)))
                .or_insert((false, false));
            known.0 |= proved;
            known.1 |= clean;
            self.pairs.push((incident.clone(), ip, mac));
            notice.suspects.push(Suspect {
                name: ip.to_string(),
                address: Some(ip),
                mac,
                taken: self.dice.one_in(2),
                proved,
            });
            if self.dice.one_in(2) {
                notice.changes.push(Change {
                    suspect: index,
                    target: self.any_address(),
                    protocol: "modbus".to_owned(),
                });
            }
            if self.dice.one_in(2) {
                let target = self.any_address();
                let zone = oracle::zone_at(self.town(), target);
                notice.crossings.push(Crossing {
                    suspect: index,
                    zone: zone.map_or("outside".to_owned(), |z| format!("z{z}")),
                    targets: match oracle::zone_at(self.town(), target) {
                        Some(zone) => {
                            let more = 10 + self.dice.below(3) as u8;
                            vec![target, address(zone, more)]
                        }
                        None => {
                            let more = 5 + self.dice.below(3) as u8;
                            vec![target, IpAddr::V4(Ipv4Addr::new(203, 0, 113, more))]
                        }
                    },
                });
            }
        }
        if self.dice.one_in(6) {
            self.claimer(&mut notice);
        }
        if self.dice.one_in(10) {
            notice.flooded.push(Flooded {
                address: self.any_address(),
                protocol: if self.dice.one_in(4) { 17 } else { 6 },
                port: [None, Some(0), Some(80), Some(502)][self.dice.below(4)],
            });
        }
        notice
    }

    /// Somebody who is known by a hardware address alone, as who claims another's address is.
    fn claimer(&mut self, notice: &mut Notice) {
        let mac = [2, 0, 0, 0, 0, self.dice.below(9) as u8];
        let proved = !self.dice.one_in(4);
        let key = (notice.incident.clone(), Host::Mac(mac));
        let known = self.oracle.suspects.entry(key).or_insert((false, true));
        known.0 |= proved;
        self.stats.add("suspect: by hardware address");
        if !self.dice.one_in(4) {
            notice.kinds.push("address-claimed".to_owned());
        }
        notice.suspects.push(Suspect {
            name: Host::Mac(mac).to_string(),
            address: None,
            mac: Some(mac),
            taken: self.dice.one_in(2),
            proved,
        });
        let target = self.any_address();
        let zone = oracle::zone_at(self.town(), target);
        if let Some(zone) = zone.filter(|_| self.dice.one_in(2)) {
            notice.crossings.push(Crossing {
                suspect: notice.suspects.len() - 1,
                zone: format!("z{zone}"),
                targets: vec![target],
            });
        }
    }
}

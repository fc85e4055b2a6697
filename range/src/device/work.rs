//! The benign work: what must go on, whatever is done against an attacker.
//!
//! Owns: the kinds of work, their rhythm, and that each request's fate is written down. Does not
//! own: the protocols.

use std::io;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::dhcp::{self, Lease};
use super::{dns, heartbeat, http, modbus, mqtt, ntp, snmp, ssh, syslog};
use crate::log::{Kind, Log, now};

/// Something that a host does again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// With whom.
    pub to: Ipv4Addr,
    /// How often, milliseconds.
    pub every: u64,
    /// What.
    #[serde(flatten)]
    pub job: Job,
}

/// The kinds of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "kebab-case")]
pub enum Job {
    /// Reads registers, in one long conversation.
    ModbusPoll,
    /// Writes a set point.
    ModbusWrite {
        /// The register.
        point: u16,
    },
    /// Reads an object.
    SnmpPoll {
        /// Which.
        oid: String,
    },
    /// Sets an object.
    SnmpSet {
        /// Which.
        oid: String,
    },
    /// Fetches a page.
    HttpGet {
        /// Which.
        path: String,
    },
    /// Tells a measured value, and waits until the broker has it.
    MqttPublish,
    /// Asks for an address.
    Dns,
    /// Renews its lease.
    DhcpRenew {
        /// Which.
        lease: Lease,
    },
    /// Asks for the time.
    Ntp,
    /// Tells a line; there is no answer.
    Syslog,
    /// One beat of the heart.
    Heartbeat,
    /// Looks whether a shell is there.
    SshGreeting,
}

impl Job {
    /// Its name in the log.
    pub fn name(&self) -> &'static str {
        match self {
            Job::ModbusPoll => "modbus-poll",
            Job::ModbusWrite { .. } => "modbus-write",
            Job::SnmpPoll { .. } => "snmp-poll",
            Job::SnmpSet { .. } => "snmp-set",
            Job::HttpGet { .. } => "http-get",
            Job::MqttPublish => "mqtt-publish",
            Job::Dns => "dns",
            Job::DhcpRenew { .. } => "dhcp-renew",
            Job::Ntp => "ntp",
            Job::Syslog => "syslog",
            Job::Heartbeat => "heartbeat",
            Job::SshGreeting => "ssh-greeting",
        }
    }
}

impl Work {
    fn new(to: Ipv4Addr, every: u64, job: Job) -> Work {
        Work { to, every, job }
    }

    /// See [`Job::ModbusPoll`].
    pub fn modbus_poll(to: Ipv4Addr, every: u64) -> Work {
        Work::new(to, every, Job::ModbusPoll)
    }

    /// See [`Job::ModbusWrite`].
    pub fn modbus_write(to: Ipv4Addr, point: u16, every: u64) -> Work {
        Work::new(to, every, Job::ModbusWrite { point })
    }

    /// See [`Job::SnmpPoll`].
    pub fn snmp_poll(to: Ipv4Addr, oid: &str, every: u64) -> Work {
        Work::new(to, every, Job::SnmpPoll { oid: oid.to_owned() })
    }

    /// See [`Job::SnmpSet`].
    pub fn snmp_set(to: Ipv4Addr, oid: &str, every: u64) -> Work {
        Work::new(to, every, Job::SnmpSet { oid: oid.to_owned() })
    }

    /// See [`Job::HttpGet`].
    pub fn http_get(to: Ipv4Addr, path: &str, every: u64) -> Work {
        Work::new(
            to,
            every,
            Job::HttpGet {
                path: path.to_owned(),
            },
        )
    }

    /// See [`Job::MqttPublish`].
    pub fn mqtt_publish(to: Ipv4Addr, every: u64) -> Work {
        Work::new(to, every, Job::MqttPublish)
    }

    /// See [`Job::Dns`].
    pub fn dns(to: Ipv4Addr, every: u64) -> Work {
        Work::new(to, every, Job::Dns)
    }

    /// See [`Job::DhcpRenew`].
    pub fn dhcp_renew(to: Ipv4Addr, lease: Lease, every: u64) -> Work {
        Work::new(to, every, Job::DhcpRenew { lease })
    }

    /// See [`Job::Ntp`].
    pub fn ntp(to: Ipv4Addr, every: u64) -> Work {
        Work::new(to, every, Job::Ntp)
    }

    /// See [`Job::Syslog`].
    pub fn syslog(to: Ipv4Addr, every: u64) -> Work {
        Work::new(to, every, Job::Syslog)
    }

    /// See [`Job::SshGreeting`].
    pub fn ssh_greeting(to: Ipv4Addr, every: u64) -> Work {
        Work::new(to, every, Job::SshGreeting)
    }

    /// See [`Job::Heartbeat`].
    pub fn heartbeat(to: Ipv4Addr, every: u64) -> Work {
        Work::new(to, every, Job::Heartbeat)
    }
}

/// Does the work for ever. `index` shifts the rhythms of one host against each other.
pub(super) fn run(work: &Work, index: u64, log: &Log) {
    let every = Duration::from_millis(work.every.max(1));
    let mut due = Instant::now() + Duration::from_millis(index * 17 % work.every.max(1));
    let mut asked: Box<dyn FnMut(u64) -> io::Result<()>> = client(work);
    let peer = work.to.to_string();
    let mut count = 0;
    loop {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let began = now();
        let outcome = asked(count);
        count += 1;
        let what = outcome
            .as_ref()
            .err()
            .map_or_else(String::new, io::Error::to_string);
        log.tell(Kind::Work, work.job.name(), &peer, began, outcome.is_ok(), &what);
        // After a long wait the work goes on in its rhythm; it does not catch up.
        due = (due + every).max(Instant::now());
    }
}

/// What makes one request.
fn client(work: &Work) -> Box<dyn FnMut(u64) -> io::Result<()>> {
    let to = work.to;
    match work.job.clone() {
        Job::ModbusPoll => {
            let mut master = modbus::Master::new(to);
            Box::new(move |_| master.read_holding(0, 8).map(drop))
        }
        Job::ModbusWrite { point } => {
            let mut master = modbus::Master::new(to);
            Box::new(move |count| master.write_register(point, 200 + (count % 40) as u16))
        }
        Job::SnmpPoll { oid } => Box::new(move |count| snmp::get(to, "city-ops", &oid, count).map(drop)),
        Job::SnmpSet { oid } => {
            Box::new(move |count| snmp::set(to, "city-ops", &oid, 1 + (count % 4) as i64, count))
        }
        Job::HttpGet { path } => Box::new(move |_| http::get(to, 80, &path).map(drop)),
        Job::MqttPublish => {
            let mut lamp = mqtt::Publisher::new(to);
            Box::new(move |count| lamp.publish("city/lighting/level", &format!("{}", 40 + count % 30)))
        }
        Job::Dns => {
            Box::new(move |count| dns::ask(to, "updates.eastmere.example", dns::A, count as u16).map(drop))
        }
        Job::DhcpRenew { lease } => Box::new(move |count| dhcp::renew(to, &lease, count as u32)),
        Job::Ntp => Box::new(move |_| ntp::ask(to)),
        Job::Syslog => Box::new(move |count| syslog::send(to, &format!("all is well, {count}"))),
        Job::Heartbeat => Box::new(move |count| heartbeat::beat(to, count)),
        Job::SshGreeting => Box::new(move |_| ssh::greet(to)),
    }
}

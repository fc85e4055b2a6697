//! Who is at the other end of the control socket.
//!
//! Owns: from a peer's user id to its account, from the account to a person of the city file, and
//! which roles may say what. Does not own: what the governor makes of it: it asks again.

use std::collections::BTreeMap;

use citywall_policy::{City, Role};
use citywall_response::{Account, Facts};

use super::lines::Ask;

/// Longest passwd(5) that is read.
const PASSWD: u64 = 4 << 20;

/// Who a peer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its user id.
    pub uid: u32,
    /// Its account: a name, or `#` and the number where it has none here.
    pub account: String,
}

/// What of the city file matters at the socket.
#[derive(Clone, Debug, Default)]
pub struct People {
    /// The city file's name, for what to do.
    city: String,
    /// Names by user id, from passwd(5).
    names: BTreeMap<u32, String>,
    /// Person and roles by account.
    accounts: BTreeMap<String, (String, Vec<Role>)>,
    /// User ids of sensors.
    sensors: Vec<u32>,
    /// User ids of consoles, which speak for people.
    consoles: Vec<u32>,
}

/// What stands before a person's name where a console speaks for them. No account of a machine has a
/// colon in its name, passwd(5).
const CONSOLE: &str = "console:";

/// Lets the gate know people by what consoles call them, too.
pub fn known_to_consoles(facts: &mut Facts, consoles: &[u32]) {
    if !consoles.is_empty() {
        for person in &mut facts.people {
            let account = Account::unix(&format!("{CONSOLE}{}", person.name));
            person.accounts.push(account);
        }
    }
}

impl Peer {
    /// Does a console speak here, for a person?
    pub fn is_spoken_for(&self) -> bool {
        self.account.starts_with(CONSOLE)
    }
}

impl People {
    /// Reads them off a city. Accounts are those of this machine; one that is not there is told.
    pub fn of(city: &City, sensors: Vec<u32>, consoles: Vec<u32>) -> People {
        let names = read_passwd("/etc/passwd");
        let mut accounts = BTreeMap::new();
        for person in &city.people {
            for account in &person.unix {
                accounts.insert(account.clone(), (person.name.clone(), person.roles.clone()));
                let is_number = account.starts_with('#');
                if !is_number && !names.values().any(|name| name == account) {
                    log::warn!(
                        "{}: {} has the account {account}, which is not in /etc/passwd; for an account from elsewhere write unix = \"#UID\"",
                        city.file,
                        person.name
                    );
                }
            }
        }
        if !consoles.is_empty() {
            for person in &city.people {
                let account = format!("{CONSOLE}{}", person.name);
                accounts.insert(account, (person.name.clone(), person.roles.clone()));
            }
        }
        People {
            city: city.file.clone(),
            names,
            accounts,
            sensors,
            consoles,
        }
    }

    /// Is it a console of this enforcer?
    pub fn is_console(&self, peer: &Peer) -> bool {
        self.consoles.contains(&peer.uid)
    }

    /// The peer as whom a console speaks for a person.
    ///
    /// # Errors
    /// Where it is no console, or there is nobody of that name.
    pub fn on_behalf(&self, peer: &Peer, person: &str) -> Result<Peer, String> {
        if !self.is_console(peer) {
            return Err(format!(
                "user {} ({}) is no console of this enforcer: name it in `enforcer.consoles` of its configuration",
                peer.account, peer.uid
            ));
        }
        let account = format!("{CONSOLE}{person}");
        match self.accounts.contains_key(&account) {
            true => Ok(Peer {
                uid: peer.uid,
                account,
            }),
            false => Err(format!("{} names nobody of the name {person}", self.city)),
        }
    }

    /// The peer with this user id.
    pub fn peer(&self, uid: u32) -> Peer {
        let number = format!("#{uid}");
        // Who is named by number in the city file is meant, whatever the machine calls the account.
        let named = self
            .names
            .get(&uid)
            .filter(|_| !self.accounts.contains_key(&number));
        Peer {
            uid,
            account: named.cloned().unwrap_or(number),
        }
    }

    /// The person behind an account, with the roles.
    pub fn person(&self, peer: &Peer) -> Option<(&str, &[Role])> {
        let (name, roles) = self.accounts.get(&peer.account)?;
        Some((name, roles))
    }

    /// May it speak as a sensor?
    ///
    /// # Errors
    /// What to do so that it may.
    pub fn sensor(&self, peer: &Peer) -> Result<(), String> {
        if self.sensors.contains(&peer.uid) {
            return Ok(());
        }
        Err(format!(
            "user {} ({}) is not a sensor of this enforcer: start the enforcer with --sensor {}, or name it in `enforcer.sensors` of its configuration",
            peer.account, peer.uid, peer.uid
        ))
    }

    /// May the peer ask this?
    ///
    /// # Errors
    /// What is missing, and what to do.
    pub fn may(&self, peer: &Peer, ask: &Ask) -> Result<(), String> {
        let Some((name, roles)) = self.person(peer) else {
            return Err(self.nobody(peer));
        };
        let needed = needed(ask);
        if roles.iter().any(|role| satisfies(*role, needed)) {
            return Ok(());
        }
        Err(format!(
            "{name} is not {} in the city file: add \"{}\" to the person's `roles` in {} and reload the enforcer",
            article(needed),
            word(needed),
            self.city
        ))
    }

    /// What a peer is told that is nobody.
    pub fn nobody(&self, peer: &Peer) -> String {
        let rooted = match peer.uid {
            0 => " Root is nobody in particular: act under an account of your own, or name root there.",
            _ => "",
        };
        format!(
            "the account {} is no person of the city file: add to {}\n  [[person]]\n  name = \"...\"\n  unix = \"{}\"\n  roles = [\"viewer\"]\nand reload the enforcer (SIGHUP).{rooted}",
            peer.account, self.city, peer.account
        )
    }
}

/// The role that a message takes. The governor judges approvals and undoing again by itself.
fn needed(ask: &Ask) -> Role {
    match ask {
        Ask::List | Ask::Status | Ask::Journal(_) | Ask::Subscribe => Role::Viewer,
        Ask::Undo { .. } | Ask::Propose(_) | Ask::Answer(_) | Ask::EndActs => Role::Operator,
        Ask::Approve { .. } | Ask::Reject { .. } => Role::Approver,
        // The signature is what counts; this keeps others from trying.
        Ask::Act(_) => Role::Operator,
    }
}

/// Every role may look; who may approve may also take back.
fn satisfies(role: Role, needed: Role) -> bool {
    match needed {
        Role::Viewer => true,
        Role::Operator => matches!(role, Role::Operator | Role::Approver | Role::Administrator),
        other => role == other,
    }
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
        Role::Approver => "approver",
        Role::Engineer => "engineer",
        Role::Administrator => "administrator",
    }
}

/// The word of a role, for answers.
pub fn role_name(role: Role) -> &'static str {
    word(role)
}

fn article(role: Role) -> String {
    let word = word(role);
    let article = if word.starts_with(['a', 'e', 'o']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {word}")
}

/// Names by user id; a file that cannot be read leaves numbers.
fn read_passwd(path: &str) -> BTreeMap<u32, String> {
    use std::io::Read;
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(PASSWD).read_to_string(&mut text));
    if let Err(error) = read {
        log::warn!("cannot read {path}: {error}; accounts are known by number alone, unix = \"#UID\"");
    }
    parse_passwd(&text)
}

fn parse_passwd(text: &str) -> BTreeMap<u32, String> {
    let mut names = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        let (name, uid) = (
            fields.next().unwrap_or(""),
            fields.nth(1).and_then(|u| u.parse().ok()),
        );
        if let (false, Some(uid)) = (name.is_empty(), uid) {
            // The first line of a number counts, as for getpwuid(3).
            names.entry(uid).or_insert_with(|| name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use citywall_response::ActionId;

    use super::*;

    fn people() -> People {
        let person = |name: &str, roles: &[Role]| (name.to_owned(), roles.to_vec());
        People {
            city: "city.toml".into(),
            names: parse_passwd(
                "root:x:0:0::/:/bin/sh\nada:x:1000:1000::/:\nada2:x:1000:1:\nben:x:1001:1::\nbad\n:x:5\n",
            ),
            accounts: BTreeMap::from([
                ("ada".into(), person("Ada", &[Role::Approver])),
                ("#1001".into(), person("Ben", &[Role::Viewer])),
            ]),
            sensors: vec![990],
            consoles: vec![991],
        }
    }

    #[test]
    fn a_console_speaks_for_people_and_nobody_else_does() {
        let mut people = people();
        people
            .accounts
            .insert("console:Ada".into(), ("Ada".into(), vec![Role::Approver]));
        let console = people.peer(991);
        let undo = Ask::Undo {
            action: ActionId("I1.1".into()),
            reason: String::new(),
        };
        assert!(people.may(&console, &undo).is_err(), "by itself it is nobody");
        let ada = people.on_behalf(&console, "Ada").unwrap();
        assert!(ada.is_spoken_for() && ada.uid == 991);
        assert_eq!(people.may(&ada, &undo), Ok(()));
        assert_eq!(people.person(&ada).map(|p| p.0), Some("Ada"));
        assert!(people.on_behalf(&console, "Eve").is_err());
        assert!(
            people
                .on_behalf(&people.peer(1000), "Ada")
                .unwrap_err()
                .contains("enforcer.consoles")
        );
    }

    #[test]
    fn a_peer_is_the_person_that_the_city_file_names() {
        let people = people();
        let ada = people.peer(1000);
        assert_eq!(ada.account, "ada");
        assert_eq!(people.person(&ada).map(|p| p.0), Some("Ada"));
        // By number, though the machine has a name for it.
        assert_eq!(people.person(&people.peer(1001)).map(|p| p.0), Some("Ben"));
        assert_eq!(people.person(&people.peer(7)), None);
        assert_eq!(
            people.person(&people.peer(0)),
            None,
            "root is nobody unless named"
        );
        assert!(
            people
                .may(&people.peer(0), &Ask::List)
                .unwrap_err()
                .contains("unix = \"root\"")
        );
    }

    #[test]
    fn roles_decide_who_may_say_what() {
        let people = people();
        let (ada, ben) = (people.peer(1000), people.peer(1001));
        let undo = Ask::Undo {
            action: ActionId("I1.1".into()),
            reason: String::new(),
        };
        let reject = Ask::Reject {
            action: ActionId("I1.1".into()),
            reason: String::new(),
        };
        for ask in [&Ask::List, &undo, &reject] {
            assert_eq!(people.may(&ada, ask), Ok(()));
        }
        assert_eq!(people.may(&ben, &Ask::List), Ok(()));
        assert!(people.may(&ben, &undo).unwrap_err().contains("\"operator\""));
        assert!(people.may(&ben, &reject).unwrap_err().contains("an approver"));
        assert!(people.sensor(&ada).is_err());
        assert_eq!(people.sensor(&people.peer(990)), Ok(()));
    }
}

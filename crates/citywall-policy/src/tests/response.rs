//! People's accounts, the `[response]` table, and what the ruleset carries for enforcing.

use expect_test::expect;

use super::{city, errors};
use crate::{ResponseMode, WhenDown};

const TEXT: &str = r#"
city.name = "Here"
[[domain]]
name = "d"
[[zone]]
name = "pumps"
domain = "d"
networks = ["10.1.0.0/24"]
when_down = "closed"
inspect = "fail-closed"
denied = "drop"
[[zone]]
name = "office"
domain = "d"
networks = ["10.2.0.0/24"]
when_down = "open"
[[asset]]
name = "desk"
address = "10.2.0.5"
role = ["management", "update"]
[[asset]]
name = "router"
address = ["10.1.0.1", "10.2.0.1"]
zone = "office"
role = "gateway"
[[person]]
name = "Ada"
roles = ["approver"]
unix = ["ada", "ada-admin"]
[[person]]
name = "Bob"
roles = ["approver"]
unix = "bob"
[response]
mode = "observe"
blast_radius = 3
management = ["router"]
"#;

#[test]
fn one_principal_whatever_accounts() {
    let city = city(TEXT);
    let name = |account: &str| city.principal_of_unix(account).map(|p| p.name.as_str());
    assert_eq!(name("ada"), Some("Ada"));
    assert_eq!(name("ada-admin"), Some("Ada"));
    assert_eq!(name("bob"), Some("Bob"));
    assert_eq!(name(""), None);
    assert_eq!(name("root"), None);
    assert_eq!(city.principal("Bob").map(|p| p.unix.len()), Some(1));
    assert_eq!(city.response.mode, ResponseMode::Observe);
    assert_eq!(city.response.blast_radius, 3);
}

#[test]
fn the_ruleset_carries_what_enforcing_needs() {
    let (ruleset, _) = city(TEXT).compile();
    assert_eq!(ruleset.zones[0].when_down, WhenDown::Closed);
    let names = |role| {
        ruleset
            .assets_of(role)
            .map(|a| a.name.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("update"), ["desk"]);
    assert_eq!(names("gateway"), ["router"]);
    expect![[r#"
        ruleset of Here: between zones, deny but for
        zone pumps safety 10.1.0.0/24 when-down-closed inspect-fail-closed denied-drop
        zone office safety 10.2.0.0/24 when-down-open
        management asset router
        management asset desk
    "#]]
    .assert_eq(&ruleset.to_string());
}

#[test]
fn what_is_refused() {
    let table = |lines: &str| errors(&format!("city.name = \"Here\"\n[response]\n{lines}\n"));
    let mut told = String::new();
    for lines in [
        "mode = \"automatic\"",
        "mode = \"propse\"",
        "blast_radius = 1001",
        "blast_radius = -1",
        "blast_radius = \"3\"",
        "management = \"*\"",
        "management = [\"outside\"]",
        "management = [\"nobody\"]",
    ] {
        told.push_str(&table(lines));
    }
    told.push_str(&errors(
        "city.name = \"Here\"\n[[person]]\nname = \"A\"\nroles = [\"viewer\"]\nunix = [\"a\", \"a\", \"\"]\n",
    ));
    told.push_str(&errors(
        "city.name = \"Here\"\n[[response]]\nmode = \"observe\"\n",
    ));
    expect![[r#"
        city.toml:3:8: a city file cannot make the response automatic; sign an act for the zone and kind of action, which expires: see `citywall keys sign`
        city.toml:3:8: mode cannot be "propse"; did you mean "propose"?
        city.toml:3:16: blast_radius in [response] cannot be 1001; write 0 to 1000
        city.toml:3:16: blast_radius in [response] cannot be -1; write 0 to 1000
        city.toml:3:16: blast_radius in [response] is a whole number, found string; write a whole number
        city.toml:3:14: "*" cannot be the way to the city's management; name zones and assets
        city.toml:3:15: "outside" cannot be the way to the city's management; name zones and assets
        city.toml:3:15: nothing is called "nobody" here: a zone or an asset is expected; declare it, or name a zone or an asset that is declared
        city.toml:5:14: the account "a" is empty, or said twice, or one too many; name each account once
        city.toml:5:19: the account "" is empty, or said twice, or one too many; name each account once
        city.toml:2:1: a table is expected here, found array; write [response]
    "#]].assert_eq(&told);
}

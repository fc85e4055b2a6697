//! What is suspicious though well-formed.

use expect_test::expect;

use super::city;

#[test]
fn contradictions_shadows_and_services_cut_off() {
    let text = r#"
[city]
name = "Here"
[[domain]]
name = "water"
[[domain]]
name = "air"
[[zone]]
name = "pumps"
domain = "water"
networks = ["10.1.0.0/24"]
[[zone]]
name = "vault"
domain = "water"
networks = ["10.2.0.0/24"]
isolated = true
[[zone]]
name = "office"
domain = "water"
networks = ["10.3.0.0/24"]
criticality = "normal"
[[zone]]
name = "empty"
domain = "water"
[[asset]]
name = "scada"
address = "10.3.0.9"
[[conduit]]
from = "office"
to = "vault"
allow = ["ssh"]
[[conduit]]
from = "office"
to = "office"
allow = ["ssh"]
[[conduit]]
from = "outside"
to = "pumps"
allow = ["any"]
[[conduit]]
from = ["office", "outside"]
to = "pumps"
allow = ["modbus: read", "tcp/80-90", "http"]
[[conduit]]
from = "scada"
to = "pumps"
allow = ["modbus: read", "http/85"]
[[service]]
name = "Water"
depends_on = ["pumps", "vault", "Air"]
[[service]]
name = "Air"
depends_on = ["Water", "empty", "pumps"]
"#;
    let findings: String = city(text).check().iter().map(|f| format!("{f}\n")).collect();
    expect![[r#"
        city.toml:7: domain air has no zone; give it a zone, or remove it
        city.toml:23: no conduit leads to or from zone empty; add conduits, or say isolated = true
        city.toml:23: nothing can be in zone empty: it has no networks and no macs; give it networks, or remove it
        city.toml:28: the conduit names vault, but zone vault is isolated; remove one of the two: isolation wins
        city.toml:32: office may already reach itself; remove the conduit, or say inside = "deny"
        city.toml:36: outside may reach zone pumps, whose failure can harm people; let a zone of the city stand between
        city.toml:40: outside may reach zone pumps, whose failure can harm people; let a zone of the city stand between
        city.toml:44: "http/85" is already allowed by "tcp/80-90" on line 40; remove the narrower one, or narrow the wider one
        city.toml:44: "modbus: read" is already allowed by "modbus: read" on line 40; remove the narrower one, or narrow the wider one
        city.toml:49: service Water depends on itself; break the circle
        city.toml:49: service Water needs zone pumps, but no conduit joins it with anything else that the service needs; add a conduit, or correct depends_on
        city.toml:49: service Water needs zone vault, but no conduit joins it with anything else that the service needs; add a conduit, or correct depends_on
        city.toml:52: service Air depends on itself; break the circle
        city.toml:52: service Air needs zone empty, but no conduit joins it with anything else that the service needs; add a conduit, or correct depends_on
        city.toml:52: service Air needs zone pumps, but no conduit joins it with anything else that the service needs; add a conduit, or correct depends_on
    "#]].assert_eq(&findings);
}

#[test]
fn equal_conduits_are_told_once() {
    let text = r#"
city.name = "Here"
[[domain]]
name = "d"
[[zone]]
name = "a"
domain = "d"
networks = ["10.1.0.0/24"]
[[zone]]
name = "b"
domain = "d"
networks = ["10.2.0.0/24"]
[[conduit]]
from = "a"
to = "b"
allow = ["ssh"]
[[conduit]]
from = "a"
to = "b"
allow = ["ssh"]
"#;
    let findings: String = city(text).check().iter().map(|f| format!("{f}\n")).collect();
    expect![[r#"
        city.toml:17: "ssh" is already allowed by "ssh" on line 13; remove the narrower one, or narrow the wider one
    "#]].assert_eq(&findings);
}

#[test]
fn who_can_approve_and_what_is_milder_than_its_zone() {
    let text = r#"
city.name = "Here"
[[domain]]
name = "d"
[[zone]]
name = "ward"
domain = "d"
networks = ["10.1.0.0/24"]
[[zone]]
name = "vault"
domain = "d"
networks = ["10.2.0.0/24"]
isolated = true
[[zone]]
name = "office"
domain = "d"
networks = ["10.3.0.0/24"]
criticality = "normal"
[[asset]]
name = "printer"
address = "10.1.0.9"
criticality = "normal"
[[asset]]
name = "satellite"
address = "192.0.2.9"
[[conduit]]
from = "*"
to = "*"
allow = ["dns"]
[[service]]
name = "Care"
depends_on = ["ward", "office", "vault"]
[[person]]
name = "Ada"
roles = ["approver"]
unix = "ada"
[[person]]
name = "Bob"
roles = ["approver"]
[[window]]
name = "past"
on = ["ward"]
starts = 2020-01-01T00:00:00
ends = 2020-01-02T00:00:00
[[window]]
name = "weekly"
on = ["ward"]
days = ["mon"]
from = 01:00:00
to = 02:00:00
[response]
management = ["vault"]
"#;
    let city = city(text);
    let findings: String = city
        .check_at(Some(1_795_362_439_000_000_000))
        .iter()
        .map(|f| format!("{f}\n"))
        .collect();
    expect![[r#"
        city.toml:6: what touches zone ward needs two different people, but 1 can approve; give a second person the role approver and an account
        city.toml:10: zone vault is isolated, and yet of the management; name another zone or asset in [response]
        city.toml:20: asset printer is normal, milder than its zone ward, which is safety: more may be done against it; let it be as its zone, or move it to a zone of its own
        city.toml:24: asset satellite is outside, so nothing guards it, though people can come to harm when it stops; let a zone hold its address, or say its criticality
        city.toml:31: service Care needs zone vault, but no conduit joins it with anything else that the service needs; add a conduit, or correct depends_on
        city.toml:38: Bob is an approver, but has no account to approve with; add `unix = "..."`, or take the role away
        city.toml:41: window past is over and will never be open again; remove it, or give it another time
    "#]].assert_eq(&findings);
    let without_clock = city.check();
    assert!(!without_clock.iter().any(|f| f.what.contains("never be open")));
}

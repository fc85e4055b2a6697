//! What is refused, where, and with which advice.

use expect_test::expect;

use super::errors;

#[test]
fn names_are_checked_and_suggested() {
    expect![[r#"
        city.toml:2:1: [city] has no name; add `name = "..."`
        city.toml:3:1: unknown field "nmae" in [city]; did you mean "name"?
        city.toml:4:12: unknown time zone "Europe/Berlni"; did you mean "Europe/Berlin"?
        city.toml:9:3: unknown section "zoone"; did you mean "zone"?
        city.toml:14:10: nothing is called "transprot" here: a domain is expected; did you mean "transport"?
        city.toml:16:1: unknown field "critical" in [[zone]]; did you mean "criticality"?
        city.toml:19:8: the name "signals" is taken: line 13 has it; choose another name
        city.toml:21:15: criticality cannot be "sefety"; did you mean "safety"?
        city.toml:22:12: isolated in [[zone]] is true or false, found string; write true or false
        city.toml:24:1: [[zone]] has no name; add `name = "..."`
        city.toml:28:8: "outside" has a meaning of its own; choose another name
        city.toml:32:8: nothing is called "signal" here: a zone or an asset is expected; did you mean "signals"?
        city.toml:33:18: "signals" is named twice; name it once
        city.toml:33:29: nothing is called "no such thing" here: a zone or an asset is expected; declare it, or name a zone or an asset that is declared
        city.toml:34:9: allow in [[conduit]] is empty; name at least one
        city.toml:38:14: nothing is called "Lihgt" here: a zone, an asset or a service is expected; did you mean "Light"?
        city.toml:42:10: roles cannot be "aprover"; did you mean "approver"?
        city.toml:48:8: the account "a" is that of A (line 41); an account belongs to one person
    "#]].assert_eq(&errors(
        r#"
[city]
nmae = "Here"
timezone = "Europe/Berlni"

[[domain]]
name = "transport"

[[zoone]]
name = "x"

[[zone]]
name = "signals"
domain = "transprot"
networks = ["10.0.0.0/24"]
critical = "safety"

[[zone]]
name = "signals"
domain = "transport"
criticality = "sefety"
isolated = "yes"

[[zone]]
domain = "transport"

[[zone]]
name = "outside"
domain = "transport"

[[conduit]]
from = "signal"
to = ["signals", "signals", "no such thing"]
allow = []

[[service]]
name = "Light"
depends_on = "Lihgt"

[[person]]
name = "A"
roles = ["aprover"]
unix = "a"

[[person]]
name = "B"
roles = "viewer"
unix = "a"
"#,
    ));
}

#[test]
fn an_address_is_said_once() {
    expect![[r#"
        city.toml:9:43: "10.1.0.1/16" has bits set after its network part; write 10.1.0.0/16
        city.toml:9:58: "10.2.0.0" is no network; write 10.2.0.0/32 for this one address
        city.toml:9:70: the prefix length 129 is too long; use at most /128
        city.toml:9:84: "x" is no network; write it as 10.20.0.0/24 or fd20::/64
        city.toml:10:30: "01:00:5e:00:00:01" is not the address of one device; write the address that the device has on the network
        city.toml:10:51: "1:2:3" is no hardware address; write it as 00:1b:c5:00:12:07
        city.toml:14:13: 10.0.0.0/8 of zone b (line 14) overlaps 10.0.0.0/16 of zone a (line 9); split or remove one: an address belongs to one zone, once
        city.toml:14:13: 10.0.0.0/8 of zone b (line 14) overlaps 10.0.4.0/24 of zone a (line 9); split or remove one: an address belongs to one zone, once
        city.toml:17:27: 192.168.0.7 is said twice: on line 17 and on line 17; keep it where its owner is declared, and refer to that by name
        city.toml:17:42: 224.0.0.1 is not the address of one device; write the address that the device has on the network
        city.toml:17:55: "192.168.0.0/24" is no IP address; networks belong to zones; write one address without a slash
        city.toml:18:7: 00-1B-C5-00-12-07 is said twice: on line 10 and on line 18; keep it where its owner is declared, and refer to that by name
        city.toml:21:11: ::ffff:192.168.0.7 is said twice: on line 17 and on line 21; keep it where its owner is declared, and refer to that by name
        city.toml:25:8: the asset says zone "a", but its address lies in b; leave out the zone, or correct the address
        city.toml:28:7: an asset that has only a hardware address lies in no network; say its zone: `zone = "..."`
        city.toml:29:1: [[asset]] has no address; add `address = "..."` or `mac = "..."`
    "#]].assert_eq(&errors(
        r#"
[city]
name = "Here"
[[domain]]
name = "d"
[[zone]]
name = "a"
domain = "d"
networks = ["10.0.0.0/16", "10.0.4.0/24", "10.1.0.1/16", "10.2.0.0", "fd00::/129", "x"]
macs = ["00:1b:c5:00:12:07", "01:00:5e:00:00:01", "1:2:3"]
[[zone]]
name = "b"
domain = "d"
networks = ["10.0.0.0/8", "192.168.0.0/24"]
[[asset]]
name = "one"
address = ["192.168.0.7", "192.168.0.7", "224.0.0.1", "192.168.0.0/24"]
mac = "00-1B-C5-00-12-07"
[[asset]]
name = "two"
address = "::ffff:192.168.0.7"
[[asset]]
name = "three"
address = "192.168.0.8"
zone = "a"
[[asset]]
name = "four"
mac = "00:1b:c5:00:12:09"
[[asset]]
name = "five"
[[asset]]
name = "six"
address = ["10.0.0.6", "192.168.0.6"]
"#,
    ));
}

#[test]
fn allow_entries_are_placed() {
    let entries = [
        "modbuss",
        "modbus: raed",
        "modbus: read, ",
        "modbus: write holding",
        "modbus: write holding:49-40",
        "modbus: write holding:1 unit",
        "modbus: write unit 1 holding:1",
        "snmp: set 1.3.x.*",
        "mqtt: publish city/#/x",
        "mqtt: publish 'a b",
        "tcp/70000",
        "tcp/80-",
        "https/: read",
        "https: read",
        "arp",
        "any/80",
        "",
        ":",
    ];
    let mut out = String::new();
    for entry in entries {
        let text = format!(
            "city.name = 'x'\n[[domain]]\nname='d'\n[[zone]]\nname='z'\ndomain='d'\n[[conduit]]\nfrom='z'\nto='*'\nallow=[\"{entry}\"]\n"
        );
        out += &format!("{entry}\n    {}", errors(&text));
    }
    expect![[r#"
        modbuss
            city.toml:10:9: unknown protocol "modbuss"; did you mean "modbus"?
        modbus: raed
            city.toml:10:17: unknown command "raed" of modbus; did you mean "read"?
        modbus: read, 
            city.toml:10:16: a command is missing; name a verb such as read, or leave out the comma or colon
        modbus: write holding
            city.toml:10:23: "holding" is no point of modbus; write kind and number: holding:40, coil:3, input:0-9, discrete:1
        modbus: write holding:49-40
            city.toml:10:23: "49-40" is no number or range; write holding:40 or holding:40-49
        modbus: write holding:1 unit
            city.toml:10:33: "unit" ends a command and takes one number or range; write: unit 1, or: unit 1-4
        modbus: write unit 1 holding:1
            city.toml:10:23: "unit" ends a command and takes one number or range; write: unit 1, or: unit 1-4
        snmp: set 1.3.x.*
            city.toml:10:19: "1.3.x.*" is no object identifier; write numbers: 1.3.6.1.2.1.1.5.0, or 1.3.6.1.4.1.1206.* for all below
        mqtt: publish city/#/x
            city.toml:10:23: "city/#/x" is no topic filter; + stands for one whole level and # for all that follow, at the end: city/+/lamp/#
        mqtt: publish 'a b
            city.toml:10:23: a quote is not closed; add the second '
        tcp/70000
            city.toml:10:13: "70000" is no port or range of ports; write ports as 443, 8000-8099 or 80;8080, each at most 65535
        tcp/80-
            city.toml:10:13: "80-" is no port or range of ports; write ports as 443, 8000-8099 or 80;8080, each at most 65535
        https/: read
            city.toml:10:15: "" is no port or range of ports; write ports as 443, 8000-8099 or 80;8080, each at most 65535
        https: read
            city.toml:10:15: commands of "https" are not told apart; leave out the colon and what follows
        arp
            city.toml:10:9: arp needs no conduit; leave it out
        any/80
            city.toml:10:9: "any" has no ports; write just "any"

            city.toml:10:9: unknown protocol ""; use a protocol that the example lists, or its port: "tcp/8443"
        :
            city.toml:10:9: unknown protocol ""; use a protocol that the example lists, or its port: "tcp/8443"
    "#]].assert_eq(&out);
}

#[test]
fn windows_have_one_of_two_forms() {
    expect![[r#"
        city.toml:4:1: a window is either weekly or once; give days, from and to; or give starts and ends
        city.toml:6:6: nothing is called "nothing" here: a zone or an asset is expected; declare it, or name a zone or an asset that is declared
        city.toml:11:6: on in [[window]] is empty; name at least one
        city.toml:13:8: the window ends before it starts; let ends be later than starts
        city.toml:16:6: on in [[window]] is empty; name at least one
        city.toml:17:9: days cannot be "tuesday"; use one of mon, tue, wed, thu, fri, sat, sun
        city.toml:18:8: from in [[window]] is a date or time without quotes, found string; write a date or time without quotes
        city.toml:19:6: to of a weekly window is a time of day; write 22:00:00 without quotes
        city.toml:20:10: nothing is called "nobody" here: a person is expected; declare it, or name a person that is declared
    "#]].assert_eq(&errors(
        r#"
[city]
name = "Here"
[[window]]
name = "neither"
on = "nothing"
days = ["tue"]
starts = 2026-01-01T00:00:00
[[window]]
name = "backward"
on = []
starts = 2026-01-02T00:00:00
ends = 2026-01-01T00:00:00
[[window]]
name = "wrong types"
on = []
days = ["tuesday"]
from = "22:00"
to = 2026-01-01
people = "nobody"
"#,
    ));
}

#[test]
fn what_is_no_toml_is_told_as_such() {
    expect![[r#"
        city.toml:1:6: unclosed table, expected `]`; see the TOML syntax in the commented example
    "#]]
    .assert_eq(&errors("[city\nname = \n"));
    expect![[r#"
        city.toml:1:8: zone is a list of tables; begin each with [[zone]]
        city.toml:2:8: a table is expected here, found integer; write [city]
        city.toml:3:12: a table is expected here, found integer; write [[service]]
    "#]]
    .assert_eq(&errors("zone = 1\ncity = 2\nservice = [1]\n"));
    expect![[r#"
        city.toml:1:1: the file has no [city]; add [city] with a name
    "#]]
    .assert_eq(&errors(""));
}

#[test]
fn there_is_an_end_to_errors_and_to_size() {
    let many: String = (0..500).map(|i| format!("x{i} = 1\n")).collect();
    let errors_of_many = errors(&many);
    assert_eq!(errors_of_many.lines().count(), crate::limits::ERRORS + 1);
    assert!(
        errors_of_many.contains("401 more errors are not shown"),
        "{errors_of_many}"
    );
    let large = " ".repeat(crate::limits::BYTES + 1);
    expect![[r#"
        city.toml:1:1: the file has 4194305 bytes, more than 4194304; split the city, or name networks instead of single devices
    "#]].assert_eq(&errors(&large));
}

#[test]
fn of_a_large_text_that_is_no_toml_one_error_is_told() {
    let large = "\r".repeat(1 << 20);
    assert_eq!(errors(&large).lines().count(), 1);
    assert_eq!(
        errors(&large[..1_000]).lines().count(),
        1,
        "what follows says the same"
    );
}

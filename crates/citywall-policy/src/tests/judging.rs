//! What the compiled table says of conversations and commands.

use std::net::IpAddr;

use citywall_event::{Command, CommandOutcome, Context, Service, Value, Verb, Violation};
use expect_test::expect;

use super::city;
use crate::EXAMPLE;

fn end(context: &Context, text: &str) -> (citywall_event::Place, Option<IpAddr>) {
    let ip: Option<IpAddr> = Some(text.parse().unwrap());
    (context.locate(ip, None), ip)
}

fn show(verdict: Result<(), Violation>) -> String {
    match verdict {
        Ok(()) => "allowed".to_owned(),
        Err(v) => format!("{}: {}", v.kind.name(), v.reason),
    }
}

/// `10.0.0.1 > 10.0.0.2 tcp/80 http`.
fn contact(context: &Context, line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (protocol, port) = words[3].split_once('/').unwrap();
    let service = Service {
        protocol: match protocol {
            "tcp" => 6,
            "udp" => 17,
            "icmp" => 1,
            other => other.parse().unwrap(),
        },
        port: port.parse().ok(),
        app_proto: words.get(4).copied(),
    };
    show(context.judge_contact(end(context, words[0]), end(context, words[2]), &service))
}

/// `10.0.0.1 > 10.0.0.2 modbus write write_single_register holding:40 2 unit`.
fn command(context: &Context, line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
    let command = Command {
        protocol: leak(words[3]),
        verb: Verb::parse(words[4]).unwrap(),
        function: leak(words[5]),
        unit: words.get(8).map(|u| u.parse().unwrap()),
        point: words[6].to_owned(),
        count: words[7].parse().unwrap(),
        value: (words[4] == "write").then_some(Value::Uint(1)),
        outcome: CommandOutcome::Unanswered,
        technique: None,
    };
    show(context.judge_command(end(context, words[0]), end(context, words[2]), &command))
}

fn table(text: &str, judge: fn(&Context, &str) -> String, lines: &str) -> String {
    let (_, context) = city(text).compile();
    lines
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .map(|line| format!("{line}\n    {}\n", judge(&context, line)))
        .collect()
}

#[test]
fn contacts_in_the_example() {
    expect![[r#"
        10.30.0.5 > 10.20.0.12 udp/161
            conduit: no conduit lets zone cctv reach zone signals (udp/161)
        10.30.0.5 > 10.20.0.12 udp/161 snmp
            conduit: no conduit lets zone cctv reach zone signals (snmp)
        10.30.0.5 > 10.40.0.20 tcp/502 modbus
            conduit: no conduit lets zone cctv reach zone pumps (modbus)
        10.21.0.10 > 10.20.0.12 udp/161
            allowed
        10.21.0.11 > 10.20.0.12 udp/161 snmp
            allowed
        10.21.0.11 > 10.20.0.12 tcp/22
            protocol: no conduit from zone traffic-centre to zone signals carries tcp/22
        10.21.0.11 > 10.20.0.12 icmp/8
            protocol: no conduit from zone traffic-centre to zone signals carries icmp
        10.21.0.11 > 10.20.0.12 icmp/3
            allowed
        10.21.0.10 > 10.20.0.12 icmp/8
            allowed
        10.41.0.10 > 10.40.0.20 tcp/502
            allowed
        10.41.0.11 > 10.40.0.20 tcp/502
            conduit: no conduit lets zone water-scada reach zone pumps (tcp/502)
        10.30.0.5 > 10.1.0.30 tcp/443 tls
            allowed
        10.30.0.5 > 10.1.0.30 tcp/443 http
            protocol: the conduit from zone cctv to zone core carries tls there, not http
        10.30.0.5 > 10.1.0.53 udp/53 dns
            allowed
        10.30.0.5 > 10.1.0.53 udp/53 telnet
            protocol: the conduit from zone cctv to zone core carries dns there, not telnet
        10.30.0.5 > 10.30.0.6 tcp/23 telnet
            allowed
        10.30.0.5 > 8.8.8.8 udp/53
            conduit: no conduit lets zone cctv reach outside (udp/53)
        8.8.8.8 > 10.30.0.5 tcp/23
            conduit: no conduit lets outside reach zone cctv (tcp/23)
        8.8.8.8 > 9.9.9.9 tcp/23
            allowed
        10.91.0.5 > 8.8.8.8 tcp/443
            allowed
        10.30.0.5 > 239.255.255.250 udp/1900
            allowed
        10.30.0.5 > 10.20.0.255 udp/137
            allowed
        10.30.0.5 > 255.255.255.255 udp/9999
            allowed
        0.0.0.0 > 10.20.0.9 udp/67
            allowed
        fe80::1 > fd20::1 tcp/80
            allowed
        169.254.0.9 > 10.20.0.12 tcp/80
            allowed
        fd20::1 > 10.30.0.5 132/80
            conduit: no conduit lets zone signals reach zone cctv (sctp/80)
    "#]]
    .assert_eq(&table(
        EXAMPLE,
        contact,
        "
        10.30.0.5 > 10.20.0.12 udp/161
        10.30.0.5 > 10.20.0.12 udp/161 snmp
        10.30.0.5 > 10.40.0.20 tcp/502 modbus
        10.21.0.10 > 10.20.0.12 udp/161
        10.21.0.11 > 10.20.0.12 udp/161 snmp
        10.21.0.11 > 10.20.0.12 tcp/22
        10.21.0.11 > 10.20.0.12 icmp/8
        10.21.0.11 > 10.20.0.12 icmp/3
        10.21.0.10 > 10.20.0.12 icmp/8
        10.41.0.10 > 10.40.0.20 tcp/502
        10.41.0.11 > 10.40.0.20 tcp/502
        10.30.0.5 > 10.1.0.30 tcp/443 tls
        10.30.0.5 > 10.1.0.30 tcp/443 http
        10.30.0.5 > 10.1.0.53 udp/53 dns
        10.30.0.5 > 10.1.0.53 udp/53 telnet
        10.30.0.5 > 10.30.0.6 tcp/23 telnet
        10.30.0.5 > 8.8.8.8 udp/53
        8.8.8.8 > 10.30.0.5 tcp/23
        8.8.8.8 > 9.9.9.9 tcp/23
        10.91.0.5 > 8.8.8.8 tcp/443
        10.30.0.5 > 239.255.255.250 udp/1900
        10.30.0.5 > 10.20.0.255 udp/137
        10.30.0.5 > 255.255.255.255 udp/9999
        0.0.0.0 > 10.20.0.9 udp/67
        fe80::1 > fd20::1 tcp/80
        169.254.0.9 > 10.20.0.12 tcp/80
        fd20::1 > 10.30.0.5 132/80
        ",
    ));
}

#[test]
fn commands_in_the_example() {
    expect![[r#"
        10.30.0.5 > 10.20.0.12 snmp write set 1.3.6.1.4.1.1206.4.2.1.3.14.0 1
            conduit: no conduit lets zone cctv reach zone signals (snmp): write 1.3.6.1.4.1.1206.4.2.1.3.14.0 = 1
        10.21.0.10 > 10.20.0.12 snmp write set 1.3.6.1.4.1.1206.4.2.1.3.14.0 1
            allowed
        10.21.0.10 > 10.20.0.12 snmp write set 1.3.6.1.2.1.1.5.0 1
            command: the conduit from zone traffic-centre to zone signals carries snmp, but not this: write 1.3.6.1.2.1.1.5.0 = 1
        10.21.0.11 > 10.20.0.12 snmp write set 1.3.6.1.4.1.1206.4.2.1.3.14.0 1
            command: the conduit from zone traffic-centre to zone signals carries snmp, but not this: write 1.3.6.1.4.1.1206.4.2.1.3.14.0 = 1
        10.21.0.11 > 10.20.0.12 snmp read get-bulk 1.3.6.1.2.1 1
            allowed
        10.41.0.10 > 10.40.0.20 modbus write write_single_register holding:40 1 1
            allowed
        10.41.0.10 > 10.40.0.20 modbus write write_multiple_registers holding:45 6 1
            command: the conduit from zone water-scada to zone pumps carries modbus, but not this: write holding:45 (+5) = 1
        10.41.0.10 > 10.40.0.20 modbus write write_single_register holding:40 1 2
            command: the conduit from zone water-scada to zone pumps carries modbus, but not this: write holding:40 = 1
        10.41.0.10 > 10.40.0.20 modbus read read_coils coil:1 9 7
            allowed
        10.41.0.11 > 10.40.0.20 modbus read read_coils coil:1 9 7
            conduit: no conduit lets zone water-scada reach zone pumps (modbus): read coil:1 (+8)
        10.30.0.5 > 10.1.0.30 mqtt publish publish city/cam 1
            allowed
        10.30.0.5 > 10.1.0.30 mqtt publish publish other/cam 1
            command: the conduit from zone cctv to zone core carries mqtt, but not this: publish other/cam
        10.1.0.30 > 10.30.0.5 mqtt publish publish other/cam 1
            allowed
        10.1.0.30 > 10.40.0.20 mqtt publish publish other/cam 1
            conduit: no conduit lets zone core reach zone pumps (mqtt): publish other/cam
        10.30.0.5 > 10.1.0.30 mqtt write publish city/cam/set 1
            allowed
        10.1.0.30 > 10.30.0.5 mqtt write publish city/cam/set 1
            allowed
        10.30.0.5 > 10.1.0.30 modbus write write_single_coil coil:1 1
            protocol: no conduit from zone cctv to zone core carries modbus: write coil:1 = 1
        10.40.0.5 > 10.40.0.20 modbus write write_single_coil coil:1 1
            allowed
    "#]].assert_eq(&table(
        EXAMPLE,
        command,
        "
        10.30.0.5 > 10.20.0.12 snmp write set 1.3.6.1.4.1.1206.4.2.1.3.14.0 1
        10.21.0.10 > 10.20.0.12 snmp write set 1.3.6.1.4.1.1206.4.2.1.3.14.0 1
        10.21.0.10 > 10.20.0.12 snmp write set 1.3.6.1.2.1.1.5.0 1
        10.21.0.11 > 10.20.0.12 snmp write set 1.3.6.1.4.1.1206.4.2.1.3.14.0 1
        10.21.0.11 > 10.20.0.12 snmp read get-bulk 1.3.6.1.2.1 1
        10.41.0.10 > 10.40.0.20 modbus write write_single_register holding:40 1 1
        10.41.0.10 > 10.40.0.20 modbus write write_multiple_registers holding:45 6 1
        10.41.0.10 > 10.40.0.20 modbus write write_single_register holding:40 1 2
        10.41.0.10 > 10.40.0.20 modbus read read_coils coil:1 9 7
        10.41.0.11 > 10.40.0.20 modbus read read_coils coil:1 9 7
        10.30.0.5 > 10.1.0.30 mqtt publish publish city/cam 1
        10.30.0.5 > 10.1.0.30 mqtt publish publish other/cam 1
        10.1.0.30 > 10.30.0.5 mqtt publish publish other/cam 1
        10.1.0.30 > 10.40.0.20 mqtt publish publish other/cam 1
        10.30.0.5 > 10.1.0.30 mqtt write publish city/cam/set 1
        10.1.0.30 > 10.30.0.5 mqtt write publish city/cam/set 1
        10.30.0.5 > 10.1.0.30 modbus write write_single_coil coil:1 1
        10.40.0.5 > 10.40.0.20 modbus write write_single_coil coil:1 1
        ",
    ));
}

const STRICT: &str = r#"
city.name = "Here"
[[domain]]
name = "d"
[[zone]]
name = "vault"
domain = "d"
networks = ["10.1.0.0/24"]
isolated = true
[[zone]]
name = "hall"
domain = "d"
networks = ["10.2.0.0/24"]
inside = "deny"
[[asset]]
name = "desk"
address = "10.2.0.1"
[[conduit]]
from = "*"
to = "*"
allow = ["ssh", "modbus: write_single_coil 'coil:1'"]
[[conduit]]
from = "outside"
to = "desk"
allow = ["http/8000-8001;9000"]
"#;

#[test]
fn isolation_wins_and_inside_can_be_denied() {
    expect![[r#"
        10.1.0.1 > 10.2.0.1 tcp/22
            isolation: zone vault is declared isolated, but zone vault reached zone hall
        8.8.8.8 > 10.1.0.1 icmp/8
            isolation: zone vault is declared isolated, but outside reached zone vault
        10.1.0.1 > 10.1.0.2 tcp/99
            allowed
        10.2.0.1 > 10.2.0.2 tcp/22
            allowed
        10.2.0.1 > 10.2.0.2 tcp/99
            protocol: no conduit from zone hall to zone hall carries tcp/99
        10.2.0.1 > 8.8.8.8 tcp/22
            conduit: no conduit lets zone hall reach outside (tcp/22)
        8.8.8.8 > 10.2.0.1 tcp/8001
            allowed
        8.8.8.8 > 10.2.0.1 tcp/9000 http
            allowed
        8.8.8.8 > 10.2.0.1 tcp/80
            protocol: no conduit from outside to zone hall carries tcp/80
        8.8.8.8 > 10.2.0.2 tcp/8000
            conduit: no conduit lets outside reach zone hall (tcp/8000)
        10.1.0.1 > 10.2.0.1 icmp/3
            isolation: zone vault is declared isolated, but zone vault reached zone hall
        10.1.0.1 > 10.2.0.1 icmp/any
            isolation: zone vault is declared isolated, but zone vault reached zone hall
        10.1.0.1 > 10.2.0.1 udp/67
            isolation: zone vault is declared isolated, but zone vault reached zone hall
        10.2.0.1 > 10.1.0.255 udp/9
            isolation: zone vault is declared isolated, but zone hall reached zone vault
        10.1.0.1 > 10.1.0.255 udp/9
            allowed
        10.1.0.1 > 239.1.1.1 udp/9
            allowed
        10.1.0.1 > fe80::1 tcp/9
            allowed
        0.0.0.0 > 10.1.0.1 udp/68
            allowed
    "#]]
    .assert_eq(&table(
        STRICT,
        contact,
        "
        10.1.0.1 > 10.2.0.1 tcp/22
        8.8.8.8 > 10.1.0.1 icmp/8
        10.1.0.1 > 10.1.0.2 tcp/99
        10.2.0.1 > 10.2.0.2 tcp/22
        10.2.0.1 > 10.2.0.2 tcp/99
        10.2.0.1 > 8.8.8.8 tcp/22
        8.8.8.8 > 10.2.0.1 tcp/8001
        8.8.8.8 > 10.2.0.1 tcp/9000 http
        8.8.8.8 > 10.2.0.1 tcp/80
        8.8.8.8 > 10.2.0.2 tcp/8000
        10.1.0.1 > 10.2.0.1 icmp/3
        10.1.0.1 > 10.2.0.1 icmp/any
        10.1.0.1 > 10.2.0.1 udp/67
        10.2.0.1 > 10.1.0.255 udp/9
        10.1.0.1 > 10.1.0.255 udp/9
        10.1.0.1 > 239.1.1.1 udp/9
        10.1.0.1 > fe80::1 tcp/9
        0.0.0.0 > 10.1.0.1 udp/68
        ",
    ));
    expect![[r#"
        10.2.0.1 > 10.2.0.2 modbus write write_single_coil coil:1 1
            allowed
        10.2.0.1 > 10.2.0.2 modbus write write_single_coil coil:2 1
            command: the conduit from zone hall to zone hall carries modbus, but not this: write coil:2 = 1
        10.2.0.1 > 10.2.0.2 modbus write write_multiple_coils coil:1 1
            command: the conduit from zone hall to zone hall carries modbus, but not this: write coil:1 = 1
        10.2.0.1 > 10.1.0.2 modbus write write_single_coil coil:1 1
            isolation: zone vault is declared isolated, but zone hall reached zone vault
        10.2.0.1 > 10.1.0.255 modbus write write_single_coil coil:1 1
            isolation: zone vault is declared isolated, but zone hall reached zone vault
    "#]]
    .assert_eq(&table(
        STRICT,
        command,
        "
        10.2.0.1 > 10.2.0.2 modbus write write_single_coil coil:1 1
        10.2.0.1 > 10.2.0.2 modbus write write_single_coil coil:2 1
        10.2.0.1 > 10.2.0.2 modbus write write_multiple_coils coil:1 1
        10.2.0.1 > 10.1.0.2 modbus write write_single_coil coil:1 1
        10.2.0.1 > 10.1.0.255 modbus write write_single_coil coil:1 1
        ",
    ));
}

//! Which evidence is one reason, and which is several.

use citywall_event::{Body, Contact, Context, ContextParts, FlowSummary};
use citywall_inventory::{Inventory, Limits as InventoryLimits, Makers};
use expect_test::expect;

use crate::tests::{check, event, show};
use crate::{Limits, Situation};

#[test]
fn a_login_and_a_guess_are_two_reasons_and_equal_ones_are_counted() {
    check(
        "
        1 default-login 10.90.0.66 10.30.0.17
        1 guessed 10.90.0.66 10.30.0.17
        5 guessed 10.90.0.66 10.30.0.17
        9 default-login 10.90.0.66 10.30.0.17
        9 default-login 10.90.0.66 10.30.0.17
        12 guessed 10.90.0.66 10.20.0.3
        ",
        expect![[r#"
            opened I0-1-0 severity 3: 10.90.0.66 logged into 10.30.0.17 with a password that is no secret
              1 to 1; zones offices, cctv; domains administration, transport; assets 10.90.0.66, 10.30.0.17; services 
              [0-1-0] T0812 10.90.0.66 logged into 10.30.0.17 by telnet with a vendor's default password
            updated I0-1-0 severity 2: 10.90.0.66 guessed a password of 10.30.0.17
              1 to 1; zones offices, cctv; domains administration, transport; assets 10.90.0.66, 10.30.0.17; services 
              [0-1-0] T0812 10.90.0.66 logged into 10.30.0.17 by telnet with a vendor's default password
              [0-2-0] T0846 10.90.0.66 guessed
            updated I0-1-0 severity 2: 10.90.0.66 guessed a password of 10.30.0.17 and 10.20.0.3
              1 to 12; zones offices, cctv, signals; domains administration, transport; assets 10.90.0.66, 10.30.0.17, 10.20.0.3; services Traffic signals, Emergency vehicle priority
              [0-1-0] T0812 10.90.0.66 logged into 10.30.0.17 by telnet with a vendor's default password (3 times)
              [0-2-0] T0846 10.90.0.66 guessed (2 times)
              [0-6-0] T0846 10.90.0.66 guessed
            finish
        "#]],
    );
}

#[test]
fn each_kind_of_scan_and_of_flood_is_told() {
    check(
        "
        1 crowd 10.90.0.66 10.30.0.17
        2 syn-flood 10.90.0.66 10.30.0.17
        3 syn-flood 10.90.0.66 10.30.0.17
        4 scan 10.90.0.66 10.30.0.17
        5 vertical 10.90.0.66 10.30.0.18
        6 scan 10.90.0.66 10.30.0.19
        ",
        expect![[r#"
            opened I0-1-0 severity 2: 10.90.0.66 floods 10.30.0.17
              1 to 1; zones offices, cctv; domains administration, transport; assets 10.90.0.66, 10.30.0.17; services 
              [0-1-0] T0846 10.90.0.66 crowd
            finish
            updated I0-1-0 severity 2: 10.90.0.66 floods 10.30.0.17
              1 to 6; zones offices, cctv; domains administration, transport; assets 10.90.0.66, 10.30.0.17; services 
              [0-1-0] T0846 10.90.0.66 crowd
              [0-2-0] T0846 10.90.0.66 syn-flood (2 times)
              [0-4-0] T0846 10.90.0.66 scan (2 times)
              [0-5-0] T0846 10.90.0.66 vertical
        "#]],
    );
}

#[test]
fn one_host_with_two_addresses_is_in_one_incident() {
    let context = Context::new(ContextParts::default());
    let mut inventory = Inventory::new(InventoryLimits::default(), Makers::default());
    let mut situation = Situation::new(Limits::default());
    let mut out = String::new();
    let lines = [
        "1 alert 192.168.0.5 192.168.0.9 7",
        // Held against its other address before there is an incident.
        "2 alert fd00::5 fd00::9 8",
        "3 guessed 192.168.0.5 192.168.0.9",
        "4 scan fd00::5 fd00::9",
        "40 guessed fd00::5 fd00::9",
        "41 scan fd00::6 fd00::9",
    ];
    for (number, line) in lines.into_iter().enumerate() {
        let mut seen = event(&context, number as u64 + 1, line).expect("an event");
        // The last is somebody else.
        let own = if number == 5 { 6 } else { 5 };
        seen.subject.src_mac = Some([2, 0, 0, 0, 0, own]);
        seen.subject.dst_mac = Some([2, 0, 0, 0, 0, 9]);
        for body in [
            Body::Contact(Contact { midstream: false }),
            Body::Flow(FlowSummary {
                packets: [1, 1],
                ..FlowSummary::default()
            }),
        ] {
            let mut met = event(&context, 0, line).expect("an event");
            (met.subject, met.body) = (seen.subject, body);
            inventory.observe(&met, &context);
        }
        show(&mut out, situation.assess(&seen, &context, &inventory));
    }
    expect![[r#"
        opened I0-1-0 severity 2: 192.168.0.5 guessed a password of 192.168.0.9
          1 to 3; zones ; domains ; assets 192.168.0.5, 192.168.0.9; services 
          [0-1-0] - 192.168.0.5 to 192.168.0.9: a rule
          [0-3-0] T0846 192.168.0.5 guessed
        updated I0-1-0 severity 2: 192.168.0.5 guessed a password of 192.168.0.9
          1 to 40; zones ; domains ; assets 192.168.0.5, 192.168.0.9; services 
          [0-1-0] - 192.168.0.5 to 192.168.0.9: a rule
          [0-2-0] - 192.168.0.5 to 192.168.0.9: a rule
          [0-3-0] T0846 192.168.0.5 guessed
          [0-4-0] T0846 fd00::5 scan
          [0-5-0] T0846 fd00::5 guessed
        opened I0-6-0 severity 3: fd00::6 searches the network
          41 to 41; zones ; domains ; assets fd00::6; services 
          [0-6-0] T0846 fd00::6 scan
    "#]]
    .assert_eq(&out);
}

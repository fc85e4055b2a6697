//! Which evidence is one reason, and which is several.

use expect_test::expect;

use crate::tests::check;

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

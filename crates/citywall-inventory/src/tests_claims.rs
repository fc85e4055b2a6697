//! Who keeps an address that two say they have.

use expect_test::expect;

use crate::tests::{check, city};

#[test]
fn who_claims_what_another_holds_does_not_get_it() {
    check(
        &city(),
        "
        1 contact -/6 -/255
        1 arp -/6 -/- 10.0.1.6
        2 contact -/7 -/255
        2 arp -/7 -/- 10.0.1.7
        # One of them is only known by what it sends.
        3 contact 10.0.1.8/8 10.0.1.6/6
        4 contact -/66 -/255
        4 arp -/66 -/- 10.0.1.6
        4 arp -/66 -/- 10.0.1.7
        4 arp -/66 -/- 10.0.1.8
        # What is sent to it is passed on.
        5 contact 10.0.1.6/66 10.0.1.7/7
        5 flow 10.0.1.6/66 10.0.1.7/7
        6 contact 10.0.1.7/7 10.0.1.6/66
        6 arp -/66 -/- 10.0.1.66
        ",
        expect![[r#"
            finish
            new 10.0.1.6 mac=6 ip=10.0.1.6 zone=cameras maker=IEEE Registration Authority names= roles= seen=1-5
            new 10.0.1.7 mac=7 ip=10.0.1.7 zone=cameras maker=IEEE Registration Authority names= roles= seen=2-6
            new 10.0.1.8 mac=8 ip=10.0.1.8 zone=cameras maker=IEEE Registration Authority names= roles= seen=3-3
            new 10.0.1.66 mac=66 ip=10.0.1.66 zone=cameras maker=IEEE Registration Authority names= roles= seen=4-4
        "#]],
    );
}

#[test]
fn who_took_over_gets_the_address_after_a_silence() {
    check(
        &city(),
        "
        # A pair: each has an address of its own, the first has their common one.
        1 arp -/6 -/- 10.0.1.6
        1 arp -/7 -/- 10.0.1.7
        2 arp -/6 -/- 10.0.1.100
        3 contact 10.0.1.100/6 10.0.1.9/9
        # The second takes over. The first lives on.
        9 arp -/7 -/- 10.0.1.100
        10 contact 10.0.1.100/7 10.0.1.9/9
        300 contact 10.0.1.6/6 10.0.1.9/9
        tick 600
        601 contact 10.0.1.6/6 10.0.1.9/9
        604 contact 10.0.1.100/7 10.0.1.9/9
        ",
        expect![[r#"
            new 10.0.1.6 mac=6 ip=10.0.1.6,10.0.1.100 zone=cameras maker=IEEE Registration Authority names= roles= seen=1-300
            new 10.0.1.7 mac=7 ip=10.0.1.7 zone=cameras maker=IEEE Registration Authority names= roles= seen=1-9
            finish
            changed 10.0.1.6 mac=6 ip=10.0.1.6 zone=cameras maker=IEEE Registration Authority names= roles= seen=1-601
            changed 10.0.1.7 mac=7 ip=10.0.1.7,10.0.1.100 zone=cameras maker=IEEE Registration Authority names= roles= seen=1-604
        "#]],
    );
}

#[test]
fn who_comes_back_keeps_its_address() {
    check(
        &city(),
        "
        1 arp -/6 -/- 10.0.1.100
        9 arp -/7 -/- 10.0.1.100
        10 contact 10.0.1.100/7 10.0.1.9/9
        20 contact 10.0.1.100/6 10.0.1.9/9
        615 contact 10.0.1.100/7 10.0.1.9/9
        ",
        expect![[r#"
            finish
            new 10.0.1.100 mac=6 ip=10.0.1.100 zone=cameras maker=IEEE Registration Authority names= roles= seen=1-615
            new 00:1b:c5:00:00:07 mac=7 ip= zone=- maker=IEEE Registration Authority names= roles= seen=9-9
        "#]],
    );
}

#[test]
fn a_lease_of_what_was_given_up_moves() {
    check(
        &city(),
        "
        1 leased 10.0.1.9/9 -/255 6 10.0.1.50
        2 contact 10.0.1.50/6 10.0.1.9/9
        700 leased 10.0.1.9/9 -/255 7 10.0.1.50
        # While the one before was heard a moment ago, it takes until that one was silent.
        701 leased 10.0.1.9/9 -/255 8 10.0.1.50
        710 contact 10.0.1.50/8 10.0.1.9/9
        tick 711
        1302 contact 10.0.1.50/8 10.0.1.9/9
        ",
        expect![[r#"
            new 00:1b:c5:00:00:06 mac=6 ip= zone=cameras maker=IEEE Registration Authority names= roles= seen=1-2
            new 10.0.1.50 mac=7 ip=10.0.1.50 zone=cameras maker=IEEE Registration Authority names= roles= seen=700-710
            new 00:1b:c5:00:00:08 mac=8 ip= zone=- maker=IEEE Registration Authority names= roles= seen=701-701
            finish
            changed 10.0.1.50 mac=7 ip= zone=cameras maker=IEEE Registration Authority names= roles= seen=700-710
            changed 00:1b:c5:00:00:08 mac=8 ip=10.0.1.50 zone=cameras maker=IEEE Registration Authority names= roles= seen=701-1302
        "#]],
    );
}

#[test]
fn what_a_router_passed_on_is_no_hold() {
    check(
        &city(),
        "
        # Not known for a router's MAC yet; then the host itself is seen on its own link.
        1 contact 10.0.1.6/9 10.0.1.8/8
        1 contact 10.0.1.7/9 10.0.1.8/8
        2 arp -/6 -/- 10.0.1.6
        ",
        expect![[r#"
            finish
            new 10.0.1.7 mac=9 ip=10.0.1.7 zone=cameras maker=IEEE Registration Authority names= roles= seen=1-1
            new 10.0.1.6 mac=6 ip=10.0.1.6 zone=cameras maker=IEEE Registration Authority names= roles= seen=2-2
        "#]],
    );
}

#[test]
fn the_city_file_knows_who_a_declared_device_is() {
    check(
        &city(),
        "
        1 arp -/66 -/- 10.0.1.1
        2 contact 10.0.1.66/66 10.0.1.8/8
        3 arp -/1 -/- 10.0.1.1
        ",
        expect![[r#"
            finish
            new 10.0.1.66 mac=66 ip=10.0.1.66 zone=cameras maker=IEEE Registration Authority names= roles= seen=1-2
            new router mac=1 ip=10.0.1.1 zone=cameras maker=IEEE Registration Authority names= roles=gateway seen=3-3
        "#]],
    );
}

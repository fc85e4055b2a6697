//! Overlap policies, shown on patterns: each fragment is filled with its own number, one character
//! stands for 8 bytes.
//!
//! The first pattern is the one that Shankar and Paxson published ("Active Mapping", 2003) with the
//! answers of real hosts; the others are those that tell apart what it leaves equal.

use citywall_packet::OverlapPolicy;
use expect_test::{Expect, expect};

use crate::defrag::{Bench, piece};

/// Sends fragments of (offset, length) in units of 8 bytes, the last one without "more"; one line of
/// answer per policy.
fn check(fragments: &[(u16, u16)], expected: Expect) {
    let mut table = String::new();
    for policy in OverlapPolicy::ALL {
        let mut bench = Bench::with(policy);
        let mut result = None;
        for (index, (offset, length)) in fragments.iter().enumerate() {
            let digit = b'1' + index as u8;
            let last = index + 1 == fragments.len();
            result = bench.push(
                &piece(offset * 8, !last, &vec![digit; usize::from(*length) * 8]),
                1,
            );
        }
        let text = result.map_or("incomplete".to_owned(), |data| {
            data[20..].chunks(8).map(|unit| char::from(unit[0])).collect()
        });
        table.push_str(&format!("{:<10}{text}\n", policy.name()));
    }
    expected.assert_eq(&table);
}

#[test]
fn the_published_pattern() {
    check(
        &[(0, 3), (4, 2), (6, 3), (1, 4), (6, 3), (9, 3)],
        expect![[r#"
            first     111422333666
            last      144442555666
            bsd       111442333666
            bsd-right 144422555666
            linux     111442555666
            windows   111422333666
            solaris   111422333666
        "#]],
    );
}

#[test]
fn new_around_old() {
    check(
        &[(1, 2), (0, 4), (4, 1)],
        expect![[r#"
        first     21123
        last      22223
        bsd       22223
        bsd-right 21123
        linux     22223
        windows   22223
        solaris   22223
    "#]],
    );
}

#[test]
fn new_before_old_with_the_same_end() {
    check(
        &[(1, 2), (0, 3), (3, 1)],
        expect![[r#"
        first     2113
        last      2223
        bsd       2223
        bsd-right 2113
        linux     2223
        windows   2113
        solaris   2223
    "#]],
    );
}

#[test]
fn new_within_old() {
    check(
        &[(0, 4), (1, 2), (4, 1)],
        expect![[r#"
        first     11113
        last      12213
        bsd       11113
        bsd-right 12213
        linux     11113
        windows   11113
        solaris   11113
    "#]],
    );
}

#[test]
fn new_starts_with_old_and_is_longer_or_shorter() {
    check(
        &[(0, 2), (0, 3), (3, 1)],
        expect![[r#"
        first     1123
        last      2223
        bsd       1123
        bsd-right 2223
        linux     2223
        windows   1123
        solaris   1123
    "#]],
    );
    check(
        &[(0, 3), (0, 2), (3, 1)],
        expect![[r#"
        first     1113
        last      2213
        bsd       1113
        bsd-right 2213
        linux     2213
        windows   1113
        solaris   1113
    "#]],
    );
}

#[test]
fn new_over_several_old_ones_and_their_gaps() {
    check(
        &[(1, 1), (3, 1), (5, 2), (0, 6), (7, 1)],
        expect![[r#"
        first     41424335
        last      44444435
        bsd       44444435
        bsd-right 41424335
        linux     44444435
        windows   44444335
        solaris   44444335
    "#]],
    );
}

//! Contents, their places, expressions and bytes.

use crate::bench::{Bench, matches};
use citywall_flow::{Content, Direction};

fn yes(options: &str, data: &[u8]) {
    assert!(matches(options, data), "should match: {options}");
}

fn no(options: &str, data: &[u8]) {
    assert!(!matches(options, data), "should not match: {options}");
}

#[test]
fn places_are_counted_as_written() {
    yes(r#"content:"ab|20 63|\;""#, b"xab c;y");
    yes(r#"content:"AB"; nocase"#, b"xaB");
    no(r#"content:"AB""#, b"xaB");
    yes(r#"content:"b"; offset:1; depth:2"#, b"aab");
    no(r#"content:"b"; offset:1; depth:2"#, b"aaab");
    yes(r#"content:"a"; content:"b"; distance:1; within:2"#, b"axxb");
    no(r#"content:"a"; content:"b"; distance:1; within:2"#, b"axxxb");
    yes(r#"content:"b"; content:"a"; distance:-2; within:1"#, b"ab");
    yes(r#"content:"ab"; startswith; content:"yz"; endswith"#, b"ab..yz");
    no(r#"content:"ab"; startswith"#, b".ab");
    no(r#"content:"yz"; endswith"#, b"yz.");
    yes(r#"content:"a"; content:!"b"; within:3"#, b"a...b");
    no(r#"content:"a"; content:!"b"; within:3"#, b"a..b");
    yes(r#"content:!"zz"; content:"a""#, b"a");
}

#[test]
fn repeated_contents_are_tried_in_turn() {
    // Only the second `a` has a `b` near, only the third has a `c` after that.
    let data = b"a....a.b...a.b.c";
    yes(
        r#"content:"a"; content:"b"; distance:1; within:1; content:"c"; distance:1; within:1"#,
        data,
    );
    no(
        r#"content:"a"; content:"b"; distance:1; within:1; content:"d"; distance:0"#,
        data,
    );
    yes(r#"pcre:"/a/"; content:"b.c"; distance:1; within:3"#, data);
    yes(r#"content:"a"; pcre:"/^.b\.c/R""#, data);
    // A negated content after the last occurrence only.
    yes(r#"content:"a"; content:!"b"; within:2; content:"....a""#, data);
}

#[test]
fn work_is_bounded_and_counted() {
    let rule = r#"alert tcp any any -> any any (content:"a"; content:"a"; distance:0; content:"a"; distance:0; content:"a"; distance:0; content:"b"; distance:0; sid:1;)"#;
    let mut bench = Bench::tcp(rule, 1, 2);
    bench.client(&b"a".repeat(20_000));
    assert_eq!(bench.text, "");
    assert_eq!(bench.scratch.counters().budget_exceeded, 1);
}

#[test]
fn look_around_is_searched_in_a_window() {
    // One step of the backtracking engine may search all that is left: 64 KiB of this took seconds.
    let rule = r#"alert tcp any any -> any any (pcre:"/(?=(a+)+b)c|(?=x)xy/"; sid:1;)"#;
    let mut bench = Bench::tcp(rule, 1, 2);
    bench.client(&b"a".repeat(65_536));
    assert_eq!(bench.text, "");
    assert_eq!(bench.scratch.counters().pattern_cut, 1);
    bench.client(b"xy");
    assert_eq!(bench.text, "> 1\n");
}

#[test]
fn bytes_become_numbers() {
    let data = b"\x00\x00\x01\x02len=0010;abcdefghij!";
    yes("byte_test:2,=,258,2", data);
    yes("byte_test:2,=,513,2,little", data);
    yes("byte_test:1,&,0x02,3", data);
    yes("byte_test:1,!&,0x04,3", data);
    yes("byte_test:1,>=,2,3,bitmask 0xfe", b"\0\0\0\x04");
    no("byte_test:4,>,9,20", b"short");
    yes(r#"content:"len="; byte_test:4,=,10,0,relative,string,dec"#, data);
    yes(
        r#"content:"len="; byte_jump:4,1,relative,string,dec,post_offset 0; content:"!"; within:1"#,
        b"len=x0003;ab!",
    );
    yes(
        r#"content:"len="; byte_extract:4,0,n,relative,string,dec; content:"\;"; within:1; content:"!"; distance:n; within:1"#,
        data,
    );
    no(
        r#"content:"len="; byte_extract:4,0,n,relative,string,dec; content:"!"; distance:n; within:1"#,
        data,
    );
    yes(
        r#"byte_math:bytes 1, offset 3, oper *, rvalue 5, result r; byte_test:4,=,r,8,string,dec"#,
        data,
    );
    yes(r#"content:"!"; isdataat:!1,relative"#, data);
    no(r#"content:"ab"; isdataat:!1,relative"#, data);
    yes("isdataat:10", data);
    no("isdataat:100", data);
    yes(
        r#"byte_jump:2,2,from_beginning,post_offset -255; content:"len"; distance:0"#,
        data,
    );
    yes(r#"bsize:3; content:"abc""#, b"abc");
    no(r#"bsize:3; content:"abc""#, b"abcd");
}

#[test]
fn expressions_see_what_the_flags_say() {
    yes(r#"pcre:"/^get\s+\/x/i""#, b"GET  /x");
    yes(r#"content:"a"; pcre:"/^b/R""#, b"xab");
    no(r#"content:"a"; pcre:"/^b/R""#, b"xa.b");
    yes(r#"pcre:!"/z/"; content:"a""#, b"a");
    yes(r#"pcre:"/(a+)\.\1/""#, b"aa.aa");
    yes(r#"pcre:"/^\xff\x00.$/s""#, b"\xff\x00\n");
}

#[test]
fn contents_straddle_pieces_but_count_once() {
    let rule = r#"alert tcp any any -> any 23 (content:"/bin/busybox"; sid:1;)"#;
    let mut bench = Bench::tcp(rule, 1, 23);
    bench.client(b"..../bi").client(b"n/bus").client(b"ybox MIRAI");
    assert_eq!(bench.text, "> 1\n");
    bench.client(b"more").client(b"/bin/busybox");
    assert_eq!(bench.text, "> 1\n> 1\n");
    bench
        .client(b"/bin/")
        .piece(Direction::ToResponder, Content::Gap(3))
        .client(b"busybox");
    bench.server(b"/bin/busyb").client(b"ox");
    assert_eq!(bench.text, "> 1\n> 1\n");
}

#[test]
fn anchored_contents_see_the_stream_start_and_each_piece() {
    let rule =
        r#"alert tcp any any -> any any (content:"GO"; depth:2; content:"|00|"; offset:4; depth:2; sid:1;)"#;
    let mut bench = Bench::tcp(rule, 1, 2);
    bench.client(b"G").client(b"O..\x00");
    assert_eq!(bench.text, "> 1\n");
    bench.client(b"..").client(b"GO..\x00");
    assert_eq!(bench.text, "> 1\n> 1\n");
    bench.client(b".GO..\x00");
    assert_eq!(bench.text, "> 1\n> 1\n");
}

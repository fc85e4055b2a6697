//! Each capture format, from bytes built here to frames.

mod support;

use std::io::Write;

use citywall_capture::PcapWriter;
use citywall_packet::LinkType;
use expect_test::expect;
use support::{Bytes, pcap, told};

const MICROS: u32 = 0xa1b2_c3d4;
const NANOS: u32 = 0xa1b2_3c4d;
const KUZNETZOV: u32 = 0xa1b2_cd34;

#[test]
fn pcap_in_both_byte_orders_and_units() {
    let mut text = String::new();
    for big in [false, true] {
        for magic in [MICROS, NANOS] {
            let capture = pcap(big, magic, 1)
                .record(1_700_000_000, 123_456, 5, b"hello")
                .record(1_699_999_999, 5, 1500, b"cut")
                .record(u32::MAX, u32::MAX, 0, b"");
            text += &told(&[&capture.bytes]);
        }
    }
    expect![[r#"
        0#1 1700000000.123456000 link 1 wire 5 hello
        0#2 1699999999.000005000 link 1 wire 1500 cut
        0#3 4294971589.967295000 link 1 wire 0 
        0#1 1700000000.000123456 link 1 wire 5 hello
        0#2 1699999999.000000005 link 1 wire 1500 cut
        0#3 4294967299.294967295 link 1 wire 0 
        0#1 1700000000.123456000 link 1 wire 5 hello
        0#2 1699999999.000005000 link 1 wire 1500 cut
        0#3 4294971589.967295000 link 1 wire 0 
        0#1 1700000000.000123456 link 1 wire 5 hello
        0#2 1699999999.000000005 link 1 wire 1500 cut
        0#3 4294967299.294967295 link 1 wire 0 
    "#]]
    .assert_eq(&text);
}

#[test]
fn pcap_with_kuznetzov_records() {
    let mut text = String::new();
    for big in [false, true] {
        let header = |len| {
            Bytes::new(big)
                .u32(7)
                .u32(8)
                .u32(len)
                .u32(len)
                .u32(3)
                .u16(0x0800)
                .raw(&[4, 0])
        };
        let capture = pcap(big, KUZNETZOV, 1)
            .raw(&header(3).bytes)
            .raw(b"abc")
            .raw(&header(2).bytes)
            .raw(b"de");
        text += &told(&[&capture.bytes]);
    }
    expect![[r#"
        0#1 7.000008000 link 1 wire 3 abc
        0#2 7.000008000 link 1 wire 2 de
        0#1 7.000008000 link 1 wire 3 abc
        0#2 7.000008000 link 1 wire 2 de
    "#]]
    .assert_eq(&text);
}

/// A record header that is cut is judged only when it is whole: what is told of it must not depend on
/// how much a single read gave.
#[test]
fn a_kuznetzov_record_that_is_cut_in_its_header() {
    let capture = pcap(false, KUZNETZOV, 1).u32(7).u32(8).u32(u32::MAX).u32(3);
    expect![[r#"
        damage in file-0 at 24 after 0 frames: cut in the middle of a record, 16 bytes of it are there
    "#]]
    .assert_eq(&told(&[&capture.bytes]));
}

#[test]
fn the_check_sequence_is_taken_off_where_the_header_says_so() {
    let frames = |network| {
        let capture = pcap(false, MICROS, network).record(0, 0, 10, b"frame+FCS!");
        told(&[&capture.record(0, 0, 10, b"frame+F").record(0, 0, 2, b"xy").bytes])
    };
    let mut text = frames(0x2400_0001);
    text += &frames(0x1400_0001);
    text += &frames(0x2000_0071);
    let capture = Bytes::new(false)
        .section()
        .interface(1, 0, &[(13, &[4])])
        .packet(0, 0, 10, b"frame+FCS!");
    text += &told(&[&capture.bytes]);
    expect![[r#"
        0#1 0.000000000 link 1 wire 6 frame+
        0#2 0.000000000 link 1 wire 6 frame+
        0#3 0.000000000 link 1 wire 0 
        0#1 0.000000000 link 1 wire 8 frame+FC
        0#2 0.000000000 link 1 wire 8 frame+F
        0#3 0.000000000 link 1 wire 0 
        0#1 0.000000000 link 113 wire 10 frame+FCS!
        0#2 0.000000000 link 113 wire 10 frame+F
        0#3 0.000000000 link 113 wire 2 xy
        0#1 0.000000000 link 1 wire 6 frame+
    "#]]
    .assert_eq(&text);
}

/// Everything that a section can have, in one byte order.
fn section(big: bool) -> Bytes {
    let seconds = 1_700_000_000u64;
    let offset = if big {
        100i64.to_be_bytes()
    } else {
        100i64.to_le_bytes()
    };
    let obsolete = Bytes::new(big)
        .u16(2)
        .u16(9)
        .u32(0)
        .u32(50)
        .u32(3)
        .u32(3)
        .raw(b"old");
    let simple = Bytes::new(big).u32(9).raw(b"simple");
    Bytes::new(big)
        .section()
        .block(0x0bad, Bytes::new(big).raw(b"skipped"))
        .interface(1, 6, &[(2, b"eth0")])
        .packet(0, seconds * 1_000_000 + 5, 4, b"abcd")
        .interface(113, 0, &[(9, &[9]), (1, b"comment")])
        .interface(276, 0, &[(14, &offset), (9, &[0x81])])
        .packet(1, seconds * 1_000_000_000 + 7, 100, b"nanoseconds")
        .block(4, Bytes::new(big).u16(0).u16(0))
        .packet(2, 51, 5, b"parts")
        .block(2, obsolete)
        .block(3, simple)
        .block(5, Bytes::new(big).u32(0).u32(0).u32(0))
}

#[test]
fn pcapng_with_several_interfaces_in_both_byte_orders() {
    let text = told(&[&section(false).bytes]) + &told(&[&section(true).bytes]);
    expect![[r#"
        0#1 1700000000.000005000 link 1 wire 4 abcd
        0#2 1700000000.000000007 link 113 wire 100 nanoseconds
        0#3 125.500000000 link 276 wire 5 parts
        0#4 125.000000000 link 276 wire 3 old
        0#5 125.000000000 link 1 wire 9 simple
        0#1 1700000000.000005000 link 1 wire 4 abcd
        0#2 1700000000.000000007 link 113 wire 100 nanoseconds
        0#3 125.500000000 link 276 wire 5 parts
        0#4 125.000000000 link 276 wire 3 old
        0#5 125.000000000 link 1 wire 9 simple
    "#]]
    .assert_eq(&text);
}

#[test]
fn a_new_section_forgets_interfaces_and_byte_order() {
    let second = Bytes::new(true)
        .section()
        .interface(101, 0, &[])
        .packet(0, 1, 1, b"x")
        .packet(1, 1, 1, b"y");
    let capture = Bytes::new(false)
        .section()
        .interface(1, 0, &[])
        .interface(1, 0, &[])
        .packet(1, 1, 1, b"w")
        .raw(&second.bytes);
    expect![[r#"
        0#1 0.000001000 link 1 wire 1 w
        0#2 0.000001000 link 101 wire 1 x
        damage in file-0 at 188 after 2 frames: a packet of interface 1, which is not described
    "#]]
    .assert_eq(&told(&[&capture.bytes]));
}

#[test]
fn a_block_that_is_not_understood_may_be_larger_than_memory() {
    let large = vec![7; 3_000_000];
    let capture = Bytes::new(false)
        .section()
        .interface(1, 0, &[])
        .block(0x4000_0000, Bytes::new(false).raw(&large))
        .packet(0, 1, 1, b"x");
    let cut = &capture.bytes[..1_000_000];
    expect![[r#"
        0#1 0.000001000 link 1 wire 1 x
        damage in file-0 at 1000000 after 0 frames: cut in the middle of a block, 2000060 bytes are missing
    "#]]
    .assert_eq(&(told(&[&capture.bytes]) + &told(&[cut])));
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    to.write_all(plain).and_then(|()| to.finish()).unwrap_or_default()
}

/// A file in an archive, stored as it is.
fn zip(plain: &[u8]) -> Vec<u8> {
    let size = (plain.len() as u32).to_le_bytes();
    let fixed = [
        b"PK\x03\x04\x14\0\0\0\0\0".as_slice(),
        &[0; 8],
        &size,
        &size,
        &[6, 0, 0, 0],
    ];
    [&fixed.concat(), b"a.pcap".as_slice(), plain].concat()
}

fn zstd(plain: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(plain, ruzstd::encoding::CompressionLevel::Fastest)
}

#[test]
fn compressed_captures_of_several_members() {
    let capture = pcap(false, MICROS, 1)
        .record(1, 0, 1, b"a")
        .record(2, 0, 1, b"b")
        .bytes;
    let (first, second) = capture.split_at(45);
    let text = told(&[&[gzip(first), gzip(second)].concat()])
        + &told(&[&[zstd(first), zstd(second)].concat()])
        + &told(&[&gzip(b"")])
        + &told(&[&zstd(b"")]);
    expect![[r#"
        0#1 1.000000000 link 1 wire 1 a
        0#2 2.000000000 link 1 wire 1 b
        0#1 1.000000000 link 1 wire 1 a
        0#2 2.000000000 link 1 wire 1 b
    "#]]
    .assert_eq(&text);
}

#[test]
fn compressed_captures_that_are_cut() {
    let capture = pcap(false, MICROS, 1)
        .record(1, 0, 1, b"a")
        .record(2, 0, 1, b"b")
        .bytes;
    let (zipped, zstd) = (gzip(&capture), zstd(&capture));
    let text = told(&[&zipped[..zipped.len() - 3]])
        + &told(&[&zstd[..zstd.len() - 3]])
        + &told(&[&zipped[..5]])
        + &told(&[&zstd[..5]])
        + &told(&[&[&zipped[..], b"trailing"].concat()]);
    expect![[r#"
        0#1 1.000000000 link 1 wire 1 a
        0#2 2.000000000 link 1 wire 1 b
        damage in file-0 at 58 after 2 frames: the gzip stream is damaged: unexpected end of file
        0#1 1.000000000 link 1 wire 1 a
        0#2 2.000000000 link 1 wire 1 b
        damage in file-0 at 58 after 2 frames: the zstd stream is damaged: unexpected end of file
        damage in file-0 at 0 after 0 frames: the gzip stream is damaged: unexpected end of file
        damage in file-0 at 0 after 0 frames: the zstd stream is damaged: unexpected end of file
        0#1 1.000000000 link 1 wire 1 a
        0#2 2.000000000 link 1 wire 1 b
        damage in file-0 at 58 after 2 frames: the gzip stream is damaged: unexpected end of file
    "#]]
    .assert_eq(&text);
}

#[test]
fn empty_cut_and_foreign_starts() {
    let header = pcap(false, MICROS, 1).bytes;
    let ng = Bytes::new(true).section().bytes;
    let mut text = String::new();
    for start in [
        &b""[..],
        &header,
        &header[..10],
        &header[..3],
        &ng,
        &ng[..20],
        &ng[..2],
    ] {
        text += &format!("{} bytes\n{}", start.len(), told(&[start]));
    }
    let foreign: [&[u8]; 6] = [
        b"{\"a\": 1}",
        b"x",
        b"\xfd7zXZ\0\0",
        b"PK\x03\x04",
        &gzip(b"text inside"),
        &gzip(&gzip(&header)),
    ];
    for start in foreign {
        text += &told(&[start]);
    }
    expect![[r#"
        0 bytes
        24 bytes
        10 bytes
        damage in file-0 at 0 after 0 frames: cut in the middle of a file header, 10 bytes of it are there
        3 bytes
        damage in file-0 at 0 after 0 frames: cut in the middle of a file header, 3 bytes of it are there
        28 bytes
        20 bytes
        damage in file-0 at 0 after 0 frames: cut in the middle of a record, 20 bytes of it are there
        2 bytes
        damage in file-0 at 0 after 0 frames: cut in the middle of a file header, 2 bytes of it are there
        error: file-0: not a pcap or pcapng capture: starts with 7b 22 61 22 (text)
        error: file-0: not a pcap or pcapng capture: starts with 78 (text)
        error: file-0: not a pcap or pcapng capture: starts with fd 37 7a 58 (xz: unpack it first)
        damage in file-0 at 0 after 0 frames: the zip stream is damaged: unexpected end of file
        error: file-0: not a pcap or pcapng capture: the gzip stream starts with 74 65 78 74 20 69 6e 73 (text)
        error: file-0: not a pcap or pcapng capture: the gzip stream starts with 1f 8b 08 00 00 00 00 00 (compressed twice: unpack it once)
    "#]]
    .assert_eq(&text);
}

#[test]
fn damage_in_the_middle() {
    let good = pcap(true, NANOS, 1).record(1, 0, 1, b"a");
    let absurd = good.clone().u32(2).u32(0).u32(262_145).u32(1).raw(&[0; 100]);
    let cut = good.clone().record(2, 0, 9, b"123456789");
    let ng = Bytes::new(false)
        .section()
        .interface(1, 0, &[])
        .packet(0, 1, 1, b"x");
    let mut texts = vec![told(&[&absurd.bytes]), told(&[&cut.bytes[..cut.bytes.len() - 1]])];
    for garbage in [
        Bytes::new(false).raw(&[0xff; 64]),
        Bytes::new(false).u32(6).u32(8).raw(&[0; 64]),
        Bytes::new(false).block(
            6,
            Bytes::new(false)
                .u32(0)
                .u32(0)
                .u32(0)
                .u32(100)
                .u32(100)
                .raw(b"short"),
        ),
        Bytes::new(false).block(6, Bytes::new(false)),
        Bytes::new(false).u32(6).u32(400_000).raw(&[0; 64]),
        Bytes::new(false).u32(77).u32(32).raw(&[0; 24]),
        Bytes::new(false).block(1, Bytes::new(false).u32(0)),
        Bytes::new(false).block(
            0x0a0d_0d0a,
            Bytes::new(false).u32(0x1a2b_3c4d).u16(2).u16(0).u32(0).u32(0),
        ),
        Bytes::new(false).block(
            0x0a0d_0d0a,
            Bytes::new(false).u32(0x1a2b_3c4e).u16(1).u16(0).u32(0).u32(0),
        ),
    ] {
        texts.push(told(&[&ng.clone().raw(&garbage.bytes).bytes]));
    }
    expect![[r#"
        0#1 1.000000000 link 1 wire 1 a
        damage in file-0 at 41 after 1 frames: a record of 262145 bytes, more than 262144
        0#1 1.000000000 link 1 wire 1 a
        damage in file-0 at 41 after 1 frames: cut in the middle of a record, 24 bytes of it are there
        0#1 0.000001000 link 1 wire 1 x
        damage in file-0 at 84 after 1 frames: a block of type 0xffffffff with a length of 4294967295
        0#1 0.000001000 link 1 wire 1 x
        damage in file-0 at 84 after 1 frames: a block of type 0x6 with a length of 8
        0#1 0.000001000 link 1 wire 1 x
        damage in file-0 at 84 after 1 frames: a packet of 100 bytes in a block of 40, at most 262144 are read
        0#1 0.000001000 link 1 wire 1 x
        damage in file-0 at 84 after 1 frames: a packet block of 12 bytes
        0#1 0.000001000 link 1 wire 1 x
        damage in file-0 at 84 after 1 frames: a block of type 0x6 with 400000 bytes
        0#1 0.000001000 link 1 wire 1 x
        damage in file-0 at 84 after 1 frames: a block says 32 bytes at its start and 0 at its end
        0#1 0.000001000 link 1 wire 1 x
        damage in file-0 at 84 after 1 frames: an interface description of 16 bytes
        0#1 0.000001000 link 1 wire 1 x
        damage in file-0 at 84 after 1 frames: a section header of 28 bytes, version 2
        0#1 0.000001000 link 1 wire 1 x
        damage in file-0 at 84 after 1 frames: a section header without a byte-order magic
    "#]]
    .assert_eq(&texts.concat());
}

#[test]
fn what_the_writer_writes() {
    let written = || -> std::io::Result<Vec<u8>> {
        let mut writer = PcapWriter::new(Vec::new(), LinkType::RAW)?;
        writer.write(1_700_000_000_123_456_789, 20, b"twenty on the wire")?;
        writer.write(-5, 0, b"")?;
        writer.write(i64::MAX, 0, b"")?;
        assert!(writer.write(0, 0, &vec![0; 300_000]).is_err());
        writer.finish()
    };
    expect![[r#"
        0#1 1700000000.123456789 link 101 wire 20 twenty on the wire
        0#2 0.000000000 link 101 wire 0 
        0#3 4294967295.999999999 link 101 wire 0 
    "#]]
    .assert_eq(&told(&[&written().unwrap_or_default()]));
}

#[test]
fn an_archive_of_one_capture_is_read_and_of_several_is_refused_behind_the_first() {
    let capture = pcap(false, MICROS, 1)
        .record(1, 0, 1, b"a")
        .record(2, 0, 1, b"b")
        .bytes;
    let text = told(&[&zip(&capture)]) + &told(&[&[zip(&capture), zip(&capture)].concat()]);
    expect![[r#"
        0#1 1.000000000 link 1 wire 1 a
        0#2 2.000000000 link 1 wire 1 b
        0#1 1.000000000 link 1 wire 1 a
        0#2 2.000000000 link 1 wire 1 b
        damage in file-0 at 58 after 2 frames: the archive holds more than one file: unpack it, and name each
    "#]]
    .assert_eq(&text);
}

//! Hostile text on its way to a page or a file.
//!
//! Owns: what of the network's text is shown (cut, without characters that change the direction or
//! the meaning of what stands beside them), cells of CSV that no program takes for a formula, and
//! how times and numbers are written. Does not own: HTML escaping, which the templates do.

use citywall_event::Nanos;

/// Longest text of the network on a page, in characters.
pub const SHOWN: usize = 300;

/// The text without control and direction characters, cut at `SHOWN` characters.
pub fn plain(text: &str) -> String {
    cut(text, SHOWN)
}

/// The text without control and direction characters, cut at `most` characters.
pub fn cut(text: &str, most: usize) -> String {
    let mut shown: String = text.chars().take(most).map(visible).collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

/// A character that cannot be seen, or that turns its neighbours around, is shown as one that can.
fn visible(c: char) -> char {
    let hidden = c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    if hidden { '\u{fffd}' } else { c }
}

/// A cell of CSV, RFC 4180. What a spreadsheet would take for a formula gets an apostrophe.
pub fn csv_cell(out: &mut String, text: &str) {
    let text = cut(text, 32_000);
    let formula = text
        .trim_start()
        .starts_with(['=', '+', '-', '@', '\t', '\r', '|', '%']);
    out.push('"');
    if formula {
        out.push('\'');
    }
    for c in text.chars() {
        if c == '"' {
            out.push('"');
        }
        out.push(c);
    }
    out.push('"');
}

/// A time of an event (`2026-04-30T13:20:37.514998+0000`); `None` where it is none.
pub fn nanos(text: &str) -> Option<Nanos> {
    let time: jiff::Timestamp = text.parse().ok()?;
    i64::try_from(time.as_nanosecond()).ok()
}

/// A number with a mark at every thousand, as both languages write it.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes with a unit that leaves at most four digits.
pub fn bytes(value: u64) -> String {
    let mut scaled = value as f64;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        if scaled < 1_000.0 || unit == "TB" {
            let digits = usize::from(unit != "B" && scaled < 10.0);
            return format!("{scaled:.digits$} {unit}");
        }
        scaled /= 1_000.0;
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_that_hides_is_seen() {
        assert_eq!(
            plain("cam\u{202e}exe.jpg\0\n"),
            "cam\u{fffd}exe.jpg\u{fffd}\u{fffd}"
        );
        assert_eq!(plain("水泵 12"), "水泵 12");
        assert_eq!(cut("abcdef", 3), "abc…");
    }

    #[test]
    fn times_and_numbers() {
        assert_eq!(
            nanos("2026-04-30T13:20:37.514998+0000"),
            Some(1_777_555_237_514_998_000)
        );
        assert_eq!(nanos("yesterday"), None);
        assert_eq!(
            (number(1_234_567), number(12), number(100)),
            ("1,234,567".into(), "12".into(), "100".into())
        );
        assert_eq!(
            (bytes(999), bytes(1_500), bytes(25_000_000)),
            ("999 B".into(), "1.5 kB".into(), "25 MB".into())
        );
    }

    proptest! {
        /// No spreadsheet finds a formula, and quotes stay pairs.
        #[test]
        fn cells_are_text(text in "[ =+@|%\"\\-\t\r\na-z]{0,12}") {
            let mut cell = String::new();
            csv_cell(&mut cell, &text);
            let inner = &cell[1..cell.len() - 1];
            prop_assert!(cell.starts_with('"') && cell.ends_with('"'));
            prop_assert!(!inner.trim_start().starts_with(['=', '+', '-', '@', '|', '%']), "{cell}");
            prop_assert!(inner.replace("\"\"", "").find('"').is_none());
        }
    }
}

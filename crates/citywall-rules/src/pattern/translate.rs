//! From PCRE's syntax to that of the `regex` family: only ASCII comes out, every byte of the
//! input above 0x7f as `\xHH`.

use super::Flags;

/// Rewrites an expression.
pub(crate) fn translate(expression: &[u8], flags: Flags) -> Result<String, String> {
    let mut t = Translator {
        input: expression,
        at: 0,
        out: String::with_capacity(expression.len() + 16),
        flags,
    };
    if flags.anchored {
        t.out.push_str(r"\A(?:");
    }
    while let Some(b) = t.next() {
        t.outside(b)?;
    }
    if flags.anchored {
        t.out.push(')');
    }
    Ok(t.out)
}

struct Translator<'a> {
    input: &'a [u8],
    at: usize,
    out: String,
    flags: Flags,
}

impl Translator<'_> {
    fn next(&mut self) -> Option<u8> {
        let b = self.input.get(self.at).copied();
        self.at += usize::from(b.is_some());
        b
    }

    fn rest(&self) -> &[u8] {
        self.input.get(self.at..).unwrap_or(&[])
    }

    /// A byte that stands for itself.
    fn literal(&mut self, b: u8) {
        if b.is_ascii_alphanumeric() || b == b'_' {
            self.out.push(b as char);
        } else {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            self.out.push_str(r"\x");
            self.out.push(HEX[usize::from(b >> 4)] as char);
            self.out.push(HEX[usize::from(b & 15)] as char);
        }
    }

    fn outside(&mut self, b: u8) -> Result<(), String> {
        match b {
            b'\\' => self.escape(false)?,
            b'[' => self.class()?,
            b'(' if self.rest().starts_with(b"?#") => while self.next().is_some_and(|b| b != b')') {},
            b'(' if self.rest().starts_with(b"?R") || self.rest().starts_with(b"?0") => {
                return Err("recursion is not supported".to_owned());
            }
            b'(' if self.rest().starts_with(b"*") => {
                return Err("verbs such as (*SKIP) are not supported".to_owned());
            }
            b'{' if !self.is_repeat() => self.literal(b'{'),
            b'{' => self.repeat(),
            b'}' | b']' => self.literal(b),
            b'$' if !self.flags.multi_line && self.flags.dollar_end => self.out.push_str(r"\z"),
            // Before a last line feed, too, as PCRE has it.
            b'$' if !self.flags.multi_line => self.out.push_str(r"(?:\n?\z)"),
            b if b >= 0x80 || (b < 0x20 && !self.flags.extended) => self.literal(b),
            b => self.out.push(b as char),
        }
        Ok(())
    }

    /// After `{`: is it `{2}`, `{2,}` or `{2,3}`?
    fn is_repeat(&self) -> bool {
        let rest = self.rest();
        let Some(end) = memchr::memchr(b'}', &rest[..rest.len().min(16)]) else {
            return false;
        };
        let mut parts = rest[..end].splitn(2, |&b| b == b',');
        let digits = |p: &[u8]| p.iter().all(u8::is_ascii_digit);
        let low = parts.next().unwrap_or_default();
        !low.is_empty() && digits(low) && parts.next().is_none_or(digits)
    }

    fn repeat(&mut self) {
        self.out.push('{');
        while let Some(b) = self.next() {
            self.out.push(b as char);
            if b == b'}' {
                break;
            }
        }
    }

    /// After a backslash.
    fn escape(&mut self, in_class: bool) -> Result<(), String> {
        let Some(b) = self.next() else {
            return Err("ends with a backslash".to_owned());
        };
        match b {
            b'x' => self.hex_escape()?,
            b'0' => self.octal(0, 2),
            b'1'..=b'7' if in_class || self.looks_octal(b) => self.octal(u32::from(b - b'0'), 2),
            b'1'..=b'9' if in_class => self.literal(b),
            b'1'..=b'9' => {
                self.out.push('\\');
                self.out.push(b as char);
            }
            b'e' => self.literal(0x1b),
            b'a' => self.literal(0x07),
            b'c' => {
                let control = self.next().unwrap_or(b'@').to_ascii_uppercase() ^ 0x40;
                self.literal(control);
            }
            b'b' if in_class => self.literal(0x08),
            b'd' => self.shorthand(in_class, "0-9", false),
            b'D' => self.shorthand(in_class, "0-9", true),
            b's' => self.shorthand(in_class, r"\x09-\x0d\x20", false),
            b'S' => self.shorthand(in_class, r"\x09-\x0d\x20", true),
            b'w' => self.shorthand(in_class, "0-9A-Za-z_", false),
            b'W' => self.shorthand(in_class, "0-9A-Za-z_", true),
            b'h' => self.shorthand(in_class, r"\x09\x20", false),
            b'H' => self.shorthand(in_class, r"\x09\x20", true),
            b'v' => self.shorthand(in_class, r"\x0a-\x0d", false),
            b'V' => self.shorthand(in_class, r"\x0a-\x0d", true),
            b'N' if !in_class => self.out.push_str(r"[^\n]"),
            b'R' if !in_class => self.out.push_str(r"(?:\r\n|[\x0a-\x0d])"),
            b'Z' if !in_class => self.out.push_str(r"(?:\n?\z)"),
            b'Q' => self.quoted(),
            b'E' => {}
            b'n' | b'r' | b't' | b'f' => {
                self.out.push('\\');
                self.out.push(b as char);
            }
            b'A' | b'z' | b'B' | b'b' | b'G' | b'K' | b'k' | b'g' if !in_class => {
                self.out.push('\\');
                self.out.push(b as char);
            }
            b'p' | b'P' | b'X' | b'C' if !in_class => {
                return Err(format!("\\{} is not supported", b as char));
            }
            // Any other escaped byte stands for itself.
            b => self.literal(b),
        }
        Ok(())
    }

    fn shorthand(&mut self, in_class: bool, set: &str, negated: bool) {
        match (in_class, negated) {
            (true, false) => self.out.push_str(set),
            (_, true) => self.wrapped("[^", set),
            (false, false) => self.wrapped("[", set),
        }
    }

    fn wrapped(&mut self, open: &str, set: &str) {
        self.out.push_str(open);
        self.out.push_str(set);
        self.out.push(']');
    }

    fn hex_escape(&mut self) -> Result<(), String> {
        let braces = self.rest().first() == Some(&b'{');
        if braces {
            self.at += 1;
        }
        let mut value = 0u32;
        let most = if braces { 4 } else { 2 };
        for _ in 0..most {
            let Some(digit) = self.rest().first().and_then(|b| (*b as char).to_digit(16)) else {
                break;
            };
            value = value * 16 + digit;
            self.at += 1;
        }
        if braces && self.next() != Some(b'}') {
            return Err("\\x{ is not closed".to_owned());
        }
        let byte = u8::try_from(value).map_err(|_| "characters above \\xff are not supported")?;
        self.literal(byte);
        Ok(())
    }

    /// PCRE: `\12` is a back-reference unless it has three octal digits or begins with zero.
    fn looks_octal(&self, first: u8) -> bool {
        first <= b'3' && self.rest().len() >= 2 && self.rest()[..2].iter().all(|b| (b'0'..=b'7').contains(b))
    }

    fn octal(&mut self, mut value: u32, most: usize) {
        for _ in 0..most {
            match self.rest().first() {
                Some(&b @ b'0'..=b'7') if value * 8 + u32::from(b - b'0') < 256 => {
                    value = value * 8 + u32::from(b - b'0');
                    self.at += 1;
                }
                _ => break,
            }
        }
        self.literal(value as u8);
    }

    fn quoted(&mut self) {
        while !self.rest().is_empty() {
            if self.rest().starts_with(br"\E") {
                self.at += 2;
                return;
            }
            if let Some(b) = self.next() {
                self.literal(b);
            }
        }
    }

    /// After `[`. In PCRE only `]`, `^`, `-` and the backslash are special inside.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.rest().first() == Some(&b'^') {
            self.at += 1;
            self.out.push('^');
        }
        if self.rest().first() == Some(&b']') {
            self.at += 1;
            self.literal(b']');
        }
        while let Some(b) = self.next() {
            match b {
                b']' => {
                    self.out.push(']');
                    return Ok(());
                }
                b'\\' => self.class_escape()?,
                b'[' if self.posix() => {}
                b'-' => self.dash(),
                b => self.literal(b),
            }
        }
        Err("a [ is never closed".to_owned())
    }

    fn class_escape(&mut self) -> Result<(), String> {
        self.escape(true)?;
        // A shorthand cannot start a range: `[\w-.]` holds a plain dash.
        let was_set = matches!(
            self.input.get(self.at.wrapping_sub(1)),
            Some(b'd' | b'D' | b's' | b'S' | b'w' | b'W' | b'h' | b'H' | b'v' | b'V')
        ) && self.input.get(self.at.wrapping_sub(2)) == Some(&b'\\');
        if was_set && self.rest().first() == Some(&b'-') {
            self.at += 1;
            self.literal(b'-');
        }
        Ok(())
    }

    /// A dash is a range only between two single characters.
    fn dash(&mut self) {
        let first = self.out.ends_with('[') || self.out.ends_with("[^");
        let rest = self.rest();
        let last = rest.first() == Some(&b']');
        let before_set = rest.first() == Some(&b'\\')
            && matches!(
                rest.get(1),
                Some(b'd' | b'D' | b's' | b'S' | b'w' | b'W' | b'h' | b'H' | b'v' | b'V')
            );
        if first || last || before_set {
            self.literal(b'-');
        } else {
            self.out.push('-');
        }
    }

    /// `[:alpha:]` inside a class; true where it was one.
    fn posix(&mut self) -> bool {
        let rest = self.rest();
        if rest.first() != Some(&b':') {
            return false;
        }
        let window = &rest[..rest.len().min(16)];
        let Some(end) = window.windows(2).skip(1).position(|w| w == b":]") else {
            return false;
        };
        let name = &window[1..end + 1];
        if !name.iter().all(|b| b.is_ascii_lowercase() || *b == b'^') {
            return false;
        }
        let length = name.len() + 3;
        let text: String = window[..length].iter().map(|b| *b as char).collect();
        self.out.push('[');
        self.out.push_str(&text);
        self.at += length;
        true
    }
}

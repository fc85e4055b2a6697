//! JSON (RFC 8259) with the place of every value, for messages.
//!
//! Owns: the syntax and its limits. A key twice in one object is refused: readers would differ on
//! which one counts. Does not own: what the values mean.

use super::error::limits;

/// A value and the byte that it begins at.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: usize,
    pub(crate) value: Value,
}

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// As it is written.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Object(Vec<Member>),
}

/// A property of an object.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) at: usize,
    pub(crate) name: String,
    pub(crate) node: Node,
}

/// Why a text is no JSON: where, what, and the fix.
pub(crate) type Broken = (usize, String, String);

impl Node {
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
        }
    }
}

/// Parses one document.
pub(crate) fn parse(text: &str) -> Result<Node, Broken> {
    let mut parser = Parser {
        text,
        at: 0,
        values: 0,
    };
    parser.space();
    let node = parser.value(0)?;
    parser.space();
    if parser.at < text.len() {
        return Err(parser.broken("there is more after the document", "remove it"));
    }
    Ok(node)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    values: usize,
}

impl Parser<'_> {
    fn broken(&self, what: impl Into<String>, fix: &str) -> Broken {
        (self.at, what.into(), fix.to_owned())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, Broken> {
        if depth > limits::DEPTH {
            let what = format!("deeper than {} objects and lists", limits::DEPTH);
            return Err(self.broken(what, "make it flatter"));
        }
        self.values += 1;
        if self.values > limits::VALUES {
            let what = format!("more than {} values", limits::VALUES);
            return Err(self.broken(what, "split the playbook"));
        }
        let at = self.at;
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        };
        Ok(Node { at, value })
    }

    fn word(&mut self) -> Result<Value, Broken> {
        let rest = &self.text[self.at..];
        for (word, value) in [
            ("null", Value::Null),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
        ] {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        let what = match rest.chars().next() {
            None => "the document ends here".to_owned(),
            Some(c) => format!("no value begins with {c:?}"),
        };
        Err(self.broken(
            what,
            "write a JSON value: an object, a list, a string in \"\", a number, true, false or null",
        ))
    }

    fn number(&mut self) -> Result<Value, Broken> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let whole = self.digits();
        let leading_zero = self.text.as_bytes().get(self.at - whole) == Some(&b'0');
        let mut good = whole == 1 || whole > 1 && !leading_zero;
        if self.peek() == Some(b'.') {
            self.at += 1;
            good &= self.digits() > 0;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            good &= self.digits() > 0;
        }
        let text = &self.text[start..self.at];
        if !good || text.len() > 32 {
            self.at = start;
            return Err(self.broken("this is no JSON number", "write it as 60000, -1 or 0.5"));
        }
        Ok(Value::Number(text.to_owned()))
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn string(&mut self) -> Result<String, Broken> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(c) = rest.chars().next() else {
                return Err(self.broken("a string does not end", "close it with \""));
            };
            match c {
                '"' => {
                    self.at += 1;
                    return Ok(out);
                }
                '\\' => out.push(self.escape()?),
                c if c < ' ' => {
                    return Err(self.broken("a control character in a string", "write \\n, \\t or \\u00XX"));
                }
                c => {
                    self.at += c.len_utf8();
                    out.push(c);
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Broken> {
        let bad = self.broken(
            "no such escape in a string",
            "there are \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\uXXXX",
        );
        let letter = self.text.as_bytes().get(self.at + 1).copied();
        self.at += 2;
        Ok(match letter {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = self.unit().ok_or_else(|| bad.clone())?;
                let code = if (0xd800..0xdc00).contains(&first) {
                    // A surrogate pair, RFC 8259 section 7.
                    if !self.text[self.at..].starts_with("\\u") {
                        return Err(bad);
                    }
                    self.at += 2;
                    let second = self.unit().filter(|u| (0xdc00..0xe000).contains(u));
                    0x1_0000 + ((first - 0xd800) << 10) + (second.ok_or_else(|| bad.clone())? - 0xdc00)
                } else {
                    first
                };
                char::from_u32(code).ok_or(bad)?
            }
            _ => return Err(bad),
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }

    fn list(&mut self, depth: usize) -> Result<Value, Broken> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::List(items));
        }
        loop {
            self.space();
            items.push(self.value(depth + 1)?);
            if self.ends(b']', "a list")? {
                return Ok(Value::List(items));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Broken> {
        self.at += 1;
        let mut members: Vec<Member> = Vec::new();
        let mut names = hashbrown::HashSet::new();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(members));
        }
        loop {
            self.space();
            let at = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.broken("a property name is missing", "write \"name\": value"));
            }
            let name = self.string()?;
            if !names.insert(name.clone()) {
                self.at = at;
                return Err(self.broken(format!("{name:?} stands here twice"), "keep one"));
            }
            self.space();
            if self.peek() != Some(b':') {
                return Err(self.broken("a colon is missing", "write \"name\": value"));
            }
            self.at += 1;
            self.space();
            let node = self.value(depth + 1)?;
            members.push(Member { at, name, node });
            if self.ends(b'}', "an object")? {
                return Ok(Value::Object(members));
            }
        }
    }

    /// After an item: true at the closing bracket, false at a comma.
    fn ends(&mut self, close: u8, what: &str) -> Result<bool, Broken> {
        self.space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(false)
            }
            Some(c) if c == close => {
                self.at += 1;
                Ok(true)
            }
            _ => Err(self.broken(
                format!("{what} goes on with a comma or ends with {}", char::from(close)),
                "put the comma or the bracket",
            )),
        }
    }
}

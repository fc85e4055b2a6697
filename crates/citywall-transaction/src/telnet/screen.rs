//! What the server shows: prompts, and words that tell how a login ended.
//!
//! Owns: the server's current line and its classification. Does not own: what the client types.

/// Bytes of the current line that are kept (its end).
const LINE: usize = 160;

/// What the server waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    /// A user name.
    User,
    /// A password.
    Password,
    /// A command.
    Shell,
}

/// Words that end the line of a prompt, before its colon.
const USER_WORDS: [&[u8]; 11] = [
    b"login",
    b"login name",
    b"logon",
    b"logon name",
    b"username",
    b"user name",
    b"user id",
    b"userid",
    b"user",
    b"account",
    b"account name",
];
const PASSWORD_WORDS: [&[u8]; 4] = [b"password", b"passwd", b"passcode", b"pass"];

/// Words of a refusal. ("Try again", "Login incorrect", "Access denied", "Authentication failed", ...)
const REFUSALS: [&[u8]; 7] = [
    b"incorrect",
    b"failed",
    b"failure",
    b"denied",
    b"invalid",
    b"again",
    b"bad password",
];

/// Words of a greeting after a login.
const GREETINGS: [&[u8]; 4] = [b"welcome", b"last login", b"busybox", b"built-in shell"];

/// The server's side of the screen.
#[derive(Debug, Default)]
pub(super) struct Screen {
    line: Vec<u8>,
    escape: Escape,
    /// A refusal was shown since `reset`.
    pub refused: bool,
    /// A greeting was shown since `reset`.
    pub greeted: bool,
    /// Nothing was shown since `reset`.
    pub quiet: bool,
}

/// Terminal control sequences (ECMA-48) are not text.
#[derive(Clone, Copy, Debug, Default)]
enum Escape {
    #[default]
    None,
    Start,
    Sequence,
}

impl Screen {
    /// The next byte of the server's text. Returns true where it ends a line.
    pub(super) fn push(&mut self, byte: u8) -> bool {
        match (self.escape, byte) {
            (Escape::None, 0x1b) => self.escape = Escape::Start,
            (Escape::Start, b'[') => self.escape = Escape::Sequence,
            (Escape::Start, _) | (Escape::Sequence, 0x40..=0x7e) => self.escape = Escape::None,
            (Escape::Sequence, _) => {}
            (Escape::None, b'\r' | b'\n') => {
                self.end_line();
                return true;
            }
            (Escape::None, b'\t' | 0x20..) => {
                if self.line.len() >= LINE {
                    self.line.drain(..LINE / 2);
                }
                self.line.push(byte.to_ascii_lowercase());
                self.quiet = false;
            }
            (Escape::None, _) => {}
        }
        false
    }

    fn end_line(&mut self) {
        self.refused |= REFUSALS.iter().any(|word| contains(&self.line, word));
        self.greeted |= GREETINGS.iter().any(|word| contains(&self.line, word));
        self.line.clear();
    }

    /// What the unfinished line asks for.
    pub(super) fn prompt(&self) -> Option<Prompt> {
        prompt(&self.line)
    }

    /// The host that a `host login:` prompt names.
    pub(super) fn host(&self) -> Option<String> {
        let mut words = self.line.split(|b| *b == b' ').filter(|w| !w.is_empty());
        let (host, login, rest) = (words.next()?, words.next()?, words.next());
        let named = host.len() <= 63
            && host.iter().any(u8::is_ascii_alphabetic)
            && host
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b));
        (named && login == b"login:" && rest.is_none()).then(|| String::from_utf8_lossy(host).into_owned())
    }

    /// Starts to look for what follows the client's input.
    pub(super) fn reset(&mut self) {
        self.refused = false;
        self.greeted = false;
        self.quiet = true;
        self.line.clear();
    }

    /// Bytes are missing.
    pub(super) fn lose(&mut self) {
        self.line.clear();
        self.escape = Escape::None;
        self.quiet = false;
    }
}

/// What a lower-case line asks for.
pub(super) fn prompt(line: &[u8]) -> Option<Prompt> {
    let line = line.trim_ascii_end();
    let (last, rest) = line.split_last()?;
    match last {
        b':' => {
            let rest = rest.trim_ascii_end();
            let ends = |words: &[&[u8]]| words.iter().any(|word| rest.ends_with(word));
            if ends(&PASSWORD_WORDS) || contains(rest, b"password for") {
                Some(Prompt::Password)
            } else {
                ends(&USER_WORDS).then_some(Prompt::User)
            }
        }
        b'$' | b'#' | b'>' | b'%' => Some(Prompt::Shell),
        _ => None,
    }
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

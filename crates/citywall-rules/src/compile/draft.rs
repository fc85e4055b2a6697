//! A rule while its options are being read.

use crate::RuleError;
use crate::buffers::Source;
use crate::detect::{
    Absent, AppTest, BitTest, FlowTest, Header, MAX_VARIABLES, Num, NumberTest, PacketTest, Place, Test,
};
use crate::rule::{Action, Target, Threshold};
use crate::syntax::RuleOption;
use crate::transform::Transform;

/// Tests of one rule. This also bounds the depth of its inspection.
const MAX_TESTS: usize = 96;

/// What has been read so far.
pub(crate) struct Draft {
    pub action: Action,
    pub header: Header,
    /// `http`, `dns` ...: the header's protocol.
    pub app: Option<AppTest>,
    /// `tcp-pkt`.
    pub packets_only: bool,
    /// `tcp-stream`.
    pub stream_only: bool,
    pub flow: FlowTest,
    pub gid: u32,
    pub sid: Option<u32>,
    pub rev: u32,
    pub msg: String,
    pub class: String,
    pub priority: Option<u8>,
    pub metadata: String,
    pub references: String,
    pub target: Option<Target>,
    pub threshold: Option<Threshold>,
    pub noalert: bool,
    pub packet: Vec<PacketTest>,
    pub numbers: Vec<NumberTest>,
    pub bits: Vec<BitTest>,
    pub parts: Vec<DraftPart>,
    /// The sticky buffer.
    pub selected: Selected,
    /// The content that modifiers change: part and test.
    pub last: Option<(usize, usize)>,
    pub variables: Vec<String>,
    pub ignored: Vec<RuleError>,
    tests: usize,
}

/// Which buffer the next test goes to.
#[derive(Clone, Debug)]
pub(crate) enum Selected {
    /// Payload or packet header.
    Place(Place),
    /// A record's buffer; interned when a test comes.
    Buffer(Source, Vec<Transform>),
}

/// The tests of one buffer.
pub(crate) struct DraftPart {
    pub place: Place,
    pub absent: Absent,
    pub tests: Vec<DraftTest>,
}

/// One test.
pub(crate) enum DraftTest {
    Content(DraftContent),
    Done(Test),
}

/// A content whose modifiers may still come.
#[derive(Clone)]
pub(crate) struct DraftContent {
    pub at: usize,
    pub bytes: Vec<u8>,
    pub negated: bool,
    pub nocase: bool,
    pub offset: Option<Num>,
    pub depth: Option<Num>,
    pub distance: Option<Num>,
    pub within: Option<Num>,
    pub starts: bool,
    pub ends: bool,
    /// `fast_pattern`, with the piece of the content that it names.
    pub fast: Option<Option<(usize, usize)>>,
}

impl Draft {
    /// A rule of which only the header is known.
    pub fn new(header: super::header::HeaderDraft) -> Draft {
        Draft {
            action: header.action,
            header: header.header,
            app: header.app,
            packets_only: header.packets_only,
            stream_only: header.stream_only,
            flow: FlowTest::default(),
            gid: 1,
            sid: None,
            rev: 0,
            msg: String::new(),
            class: String::new(),
            priority: None,
            metadata: String::new(),
            references: String::new(),
            target: None,
            threshold: None,
            noalert: false,
            packet: Vec::new(),
            numbers: Vec::new(),
            bits: Vec::new(),
            parts: Vec::new(),
            selected: Selected::Place(Place::Payload),
            last: None,
            variables: Vec::new(),
            ignored: Vec::new(),
            tests: 0,
        }
    }

    /// The part for a place, made where it is new.
    pub fn part(&mut self, place: Place) -> usize {
        if let Some(i) = self.parts.iter().position(|p| p.place == place) {
            return i;
        }
        self.parts.push(DraftPart {
            place,
            absent: Absent::Fails,
            tests: Vec::new(),
        });
        self.parts.len() - 1
    }

    /// Adds a test to a part.
    pub fn add(&mut self, part: usize, test: DraftTest, option: &RuleOption<'_>) -> Result<(), RuleError> {
        self.tests += 1;
        if self.tests > MAX_TESTS {
            return Err(option.unsupported("the rule has more than 96 tests", "split the rule"));
        }
        if let Some(part) = self.parts.get_mut(part) {
            part.tests.push(test);
        }
        Ok(())
    }

    /// The content that a modifier speaks of.
    pub fn last_content(&mut self, option: &RuleOption<'_>) -> Result<&mut DraftContent, RuleError> {
        let found = self
            .last
            .and_then(|(part, test)| self.parts.get_mut(part)?.tests.get_mut(test));
        match found {
            Some(DraftTest::Content(content)) => Ok(content),
            _ => Err(option.unsupported("no content before it", "put it after a content")),
        }
    }

    /// A number or the name of an extracted variable.
    pub fn num(&self, text: &str, option: &RuleOption<'_>) -> Result<Num, RuleError> {
        let text = text.trim();
        if let Some(value) = crate::uint::signed(text) {
            return Ok(Num::Const(value));
        }
        if let Some(i) = self.variables.iter().position(|v| v == text) {
            return Ok(Num::Var(i as u8));
        }
        Err(option.refuse(
            format!("`{}` is neither a number nor a variable", shorten(text)),
            "byte_extract must come before the variable is used",
        ))
    }

    /// The slot of a variable.
    pub fn variable(&mut self, name: &str, option: &RuleOption<'_>) -> Result<u8, RuleError> {
        let name = name.trim();
        let named = name
            .chars()
            .next()
            .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if !named {
            return Err(option.refuse("variable has no name", "begin its name with a letter"));
        }
        if let Some(i) = self.variables.iter().position(|v| v == name) {
            return Ok(i as u8);
        }
        if self.variables.len() >= MAX_VARIABLES {
            return Err(option.unsupported("more than 16 variables", "split the rule"));
        }
        self.variables.push(name.to_owned());
        Ok((self.variables.len() - 1) as u8)
    }
}

/// The beginning of a text, for messages.
pub(crate) fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}

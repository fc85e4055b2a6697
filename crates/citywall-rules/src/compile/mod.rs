//! From a rule's syntax to a rule that can run, or the exact reason why it cannot.
//!
//! Owns: the order of work and what all rules of a book share (buffers, flow bits, sets of
//! addresses and ports). Each family of keywords has its own file.

mod application;
mod bytes;
mod content;
mod draft;
mod finish;
mod header;
mod meta;
mod packet;
mod state;

use std::sync::Arc;

use hashbrown::HashMap;

use crate::buffers::BufferSpec;
use crate::classification::Classes;
use crate::pattern::Pattern;
use crate::set::{AddressSet, PortSet};
use crate::syntax::{RuleOption, Syntax};
use crate::transform::Transform;
use crate::{Refused, Rule, RuleError, RuleVars};

pub(crate) use draft::{Draft, DraftContent, DraftTest};

/// What the rules of a book share while it is being made.
pub(crate) struct Compiler<'a> {
    pub vars: &'a RuleVars,
    pub classes: &'a Classes,
    /// Buffers with transforms, interned; `Place::Buffer` points here.
    pub buffers: Vec<BufferSpec>,
    bits: HashMap<String, u16>,
    addresses: HashMap<String, Arc<AddressSet>>,
    ports: HashMap<String, Arc<PortSet>>,
    patterns: HashMap<(Vec<u8>, String), Arc<Pattern>>,
    texts: HashMap<String, Arc<str>>,
}

/// A rule, and the options of it that are ignored.
pub(crate) struct Compiled {
    pub rule: Rule,
    pub fast: finish::FastPatterns,
    pub ignored: Vec<RuleError>,
}

const KNOWN_BUT_UNSUPPORTED: &[(&str, &str)] = &[
    ("xbits", "state that is kept per host is not supported"),
    ("hostbits", "state that is kept per host is not supported"),
    ("flowint", "flow counters are not supported"),
    ("flowvar", "flow variables are not supported"),
    ("lua", "scripts are not supported"),
    ("luajit", "scripts are not supported"),
    ("geoip", "no geographic data is kept"),
    ("iprep", "no reputation lists are kept"),
    ("dataset", "data sets are not supported"),
    ("datarep", "data sets are not supported"),
    ("stream_size", "sizes of streams are not offered to rules"),
    ("base64_decode", "decoding of base64 is not supported"),
    ("base64_data", "decoding of base64 is not supported"),
    ("from_base64", "decoding of base64 is not supported"),
    ("tls.certs", "raw certificates are not offered to rules"),
    (
        "tls.cert_chain_len",
        "the length of a chain is not offered to rules",
    ),
    ("ssl_state", "the state of a handshake is not offered to rules"),
    (
        "app-layer-event",
        "protocol events have other names here (see `anomaly` events)",
    ),
    (
        "app-layer-state",
        "the state of a protocol is not offered to rules",
    ),
    (
        "decode-event",
        "decoder events have other names here (see `anomaly` events)",
    ),
    (
        "stream-event",
        "stream events have other names here (see `anomaly` events)",
    ),
    (
        "engine-event",
        "engine events have other names here (see `anomaly` events)",
    ),
    ("mqtt.connect.password", "passwords are never kept"),
    ("frame", "frames are not offered to rules"),
    ("asn1", "ASN.1 checks are not supported"),
    ("rpc", "RPC is not understood"),
    ("ipopts", "IP options are not offered to rules"),
    ("filename", "files are not offered to rules"),
    ("fileext", "files are not offered to rules"),
    ("filemagic", "files are not offered to rules"),
    ("filestore", "files are not stored"),
    ("filemd5", "files are not offered to rules"),
    ("filesha1", "files are not offered to rules"),
    ("filesha256", "files are not offered to rules"),
    ("filesize", "files are not offered to rules"),
    ("file.name", "files are not offered to rules"),
    ("file.magic", "files are not offered to rules"),
    ("ftpbounce", "FTP is not understood"),
    ("pcrexform", "transforms by expression are not supported"),
    ("xor", "this transform is not supported"),
    ("nfq_set_mark", "marks are set by the firewall, not by rules"),
    ("replace", "content is never changed"),
];

impl<'a> Compiler<'a> {
    /// Nothing is shared yet.
    pub fn new(vars: &'a RuleVars, classes: &'a Classes) -> Compiler<'a> {
        Compiler {
            vars,
            classes,
            buffers: Vec::new(),
            bits: HashMap::new(),
            addresses: HashMap::new(),
            ports: HashMap::new(),
            patterns: HashMap::new(),
            texts: HashMap::new(),
        }
    }

    /// Compiles one rule.
    pub fn compile(
        &mut self,
        syntax: &Syntax<'_>,
        file: &Arc<str>,
        line: u32,
    ) -> Result<Compiled, RuleError> {
        let mut draft = Draft::new(header::compile(self, syntax)?);
        // The direction decides what some buffers mean, wherever `flow` stands in the rule.
        for option in syntax.options.iter().filter(|o| o.name == "flow") {
            state::flow(&mut draft, option)?;
        }
        for option in &syntax.options {
            self.option(&mut draft, option)?;
        }
        finish::finish(self, draft, syntax, file, line)
    }

    fn option(&mut self, draft: &mut Draft, option: &RuleOption<'_>) -> Result<(), RuleError> {
        if option.name == "flow"
            || meta::option(self, draft, option)?
            || content::option(self, draft, option)?
            || packet::option(draft, option)?
            || state::option(self, draft, option)?
            || application::option(self, draft, option)?
        {
            return Ok(());
        }
        if let Some(test) = bytes::test(draft, option)? {
            let part = content::current(self, draft);
            return draft.add(part, DraftTest::Done(test), option);
        }
        let known = KNOWN_BUT_UNSUPPORTED
            .iter()
            .find(|(name, _)| *name == option.name);
        Err(match known {
            Some((_, reason)) => option.unsupported(*reason, "remove the rule or this option"),
            None => option.unsupported(
                "is not a keyword that Citywall knows",
                "check its spelling, or remove the rule",
            ),
        })
    }

    /// The place of a buffer with its transforms.
    pub fn buffer(&mut self, spec: BufferSpec) -> u16 {
        if let Some(i) = self.buffers.iter().position(|s| *s == spec) {
            return i as u16;
        }
        self.buffers.push(spec);
        // Sources and transforms are few, and chains of transforms are bounded.
        (self.buffers.len() - 1) as u16
    }

    /// The number of a flow bit; `None` where there are too many.
    pub fn bit(&mut self, name: &str) -> Option<u16> {
        if let Some(bit) = self.bits.get(name) {
            return Some(*bit);
        }
        let bit = u16::try_from(self.bits.len()).ok().filter(|b| *b < 16_384)?;
        self.bits.insert(name.to_owned(), bit);
        Some(bit)
    }

    /// A text that many rules share.
    pub fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(shared) = self.texts.get(text) {
            return shared.clone();
        }
        let shared: Arc<str> = Arc::from(text);
        self.texts.insert(text.to_owned(), shared.clone());
        shared
    }
}

/// More transforms than this on one buffer are refused.
pub(crate) const MAX_TRANSFORMS: usize = 4;

/// Adds a transform to a chain.
pub(crate) fn chain(
    transforms: &mut Vec<Transform>,
    next: Transform,
    option: &RuleOption<'_>,
) -> Result<(), RuleError> {
    if transforms.len() >= MAX_TRANSFORMS {
        return Err(option.unsupported("more than 4 transforms", "use fewer"));
    }
    transforms.push(next);
    Ok(())
}

/// The sid of a rule that is refused, if it says one.
pub(crate) fn sid_of(syntax: &Syntax<'_>) -> Option<u32> {
    let option = syntax.options.iter().find(|o| o.name == "sid")?;
    option.text().ok()?.parse().ok()
}

/// Parses and compiles one logical line.
pub(crate) fn compile_line(
    compiler: &mut Compiler<'_>,
    line: &crate::source::Logical,
    file: &Arc<str>,
) -> Result<Compiled, Refused> {
    let syntax = crate::syntax::parse(&line.text).map_err(|e| line.refuse(file, e, None))?;
    compiler
        .compile(&syntax, file, line.place(0).0)
        .map_err(|e| line.refuse(file, e, sid_of(&syntax)))
}

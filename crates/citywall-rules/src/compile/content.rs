//! `content` and its modifiers, `pcre`, sticky buffers, transforms, sizes.

use std::sync::Arc;

use super::draft::{DraftContent, DraftTest, Selected};
use super::{Compiler, Draft, chain};
use crate::RuleError;
use crate::buffers::{self, BufferSpec, Named, Source};
use crate::detect::{Absent, HeaderPlace, Num, PatternTest, Place, Test};
use crate::pattern::{Flags, Pattern};
use crate::syntax::RuleOption;
use crate::transform::Transform;
use crate::uint::UintTest;

/// Longest content.
const MAX_CONTENT: usize = 4096;

/// Reads one option; false where it is none of these.
pub(super) fn option(
    c: &mut Compiler<'_>,
    draft: &mut Draft,
    option: &RuleOption<'_>,
) -> Result<bool, RuleError> {
    match option.name {
        "content" => content(c, draft, option)?,
        "uricontent" => {
            content(c, draft, option)?;
            if let Some(named) = buffers::modifier("http_uri") {
                move_last(c, draft, named, option)?;
            }
        }
        "pcre" => pcre(c, draft, option)?,
        "bsize" => {
            let size = size(option)?;
            let part = current(c, draft);
            draft.add(part, DraftTest::Done(Test::Size(size)), option)?;
        }
        "urilen" => urilen(c, draft, option)?,
        "absent" => absent(c, draft, option)?,
        "pkt_data" => draft.selected = Selected::Place(Place::Payload),
        "ipv4.hdr" => draft.selected = Selected::Place(Place::Header(HeaderPlace::Ipv4)),
        "ipv6.hdr" => draft.selected = Selected::Place(Place::Header(HeaderPlace::Ipv6)),
        "tcp.hdr" => draft.selected = Selected::Place(Place::Header(HeaderPlace::Tcp)),
        "udp.hdr" => draft.selected = Selected::Place(Place::Header(HeaderPlace::Udp)),
        "icmpv4.hdr" | "icmpv6.hdr" => draft.selected = Selected::Place(Place::Header(HeaderPlace::Icmp)),
        name => {
            if modifier(draft, option)? {
                return Ok(true);
            }
            if let Some(named) = buffers::modifier(name) {
                move_last(c, draft, named, option)?;
            } else if let Some(named) = buffers::sticky(name) {
                let source = settle(draft, named);
                draft.selected = Selected::Buffer(source, Vec::new());
            } else if let Some(transform) = Transform::named(name) {
                add_transform(draft, transform, option)?;
            } else {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn settle(draft: &Draft, named: Named) -> Source {
    named.settle(draft.flow.direction)
}

fn add_transform(draft: &mut Draft, transform: Transform, option: &RuleOption<'_>) -> Result<(), RuleError> {
    match &mut draft.selected {
        Selected::Buffer(_, transforms) => chain(transforms, transform, option),
        Selected::Place(_) => Err(option.unsupported(
            "transforms work on sticky buffers only",
            "select a buffer such as http.uri before it",
        )),
    }
}

/// The part that the selected buffer stands for.
pub(super) fn current(c: &mut Compiler<'_>, draft: &mut Draft) -> usize {
    let place = match &draft.selected {
        Selected::Place(place) => *place,
        Selected::Buffer(source, transforms) => Place::Buffer(c.buffer(BufferSpec {
            source: *source,
            transforms: transforms.clone(),
        })),
    };
    draft.part(place)
}

/// The part of a buffer without transforms.
pub(super) fn part_of(c: &mut Compiler<'_>, draft: &mut Draft, source: Source) -> usize {
    let place = Place::Buffer(c.buffer(BufferSpec {
        source,
        transforms: Vec::new(),
    }));
    draft.part(place)
}

fn content(c: &mut Compiler<'_>, draft: &mut Draft, option: &RuleOption<'_>) -> Result<(), RuleError> {
    let (negated, inner, at) = quoted(option)?;
    let bytes = content_bytes(inner).map_err(|(offset, reason)| {
        RuleError::new(at + offset, option.name, reason, "write bytes as |0d 0a|")
    })?;
    if bytes.is_empty() {
        return Err(option.refuse("is empty", "write at least one byte"));
    }
    if bytes.len() > MAX_CONTENT {
        return Err(option.refuse("is longer than 4096 bytes", "shorten it"));
    }
    let part = current(c, draft);
    push_content(draft, part, bytes, negated, option)
}

/// Adds a content to a part; modifiers that follow change it.
pub(super) fn push_content(
    draft: &mut Draft,
    part: usize,
    bytes: Vec<u8>,
    negated: bool,
    option: &RuleOption<'_>,
) -> Result<(), RuleError> {
    let content = DraftContent {
        at: option.at,
        bytes,
        negated,
        nocase: false,
        offset: None,
        depth: None,
        distance: None,
        within: None,
        starts: false,
        ends: false,
        fast: None,
    };
    draft.add(part, DraftTest::Content(content), option)?;
    let test = draft.parts[part].tests.len() - 1;
    draft.last = Some((part, test));
    Ok(())
}

/// `!"..."`: negation, what is inside the quotes, and where that starts.
fn quoted<'a>(option: &RuleOption<'a>) -> Result<(bool, &'a [u8], usize), RuleError> {
    let value = option
        .value
        .ok_or_else(|| option.refuse("needs a value", "write it as name:\"...\";"))?;
    let rest = value.strip_prefix(b"!").map(<[u8]>::trim_ascii_start);
    let negated = rest.is_some();
    let rest = rest.unwrap_or(value);
    let at = option.value_at + (value.len() - rest.len()) + 1;
    rest.strip_prefix(b"\"")
        .and_then(|r| r.strip_suffix(b"\""))
        .map(|inner| (negated, inner, at))
        .ok_or_else(|| option.refuse("is not in quotes", "put it in double quotes"))
}

/// Undoes `|41 42|` and backslashes; an error has its offset.
fn content_bytes(text: &[u8]) -> Result<Vec<u8>, (usize, &'static str)> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&b) = text.get(at) {
        match b {
            b'|' => {
                let close = memchr::memchr(b'|', &text[at + 1..]).ok_or((at, "| is never closed"))?;
                hex_bytes(&text[at + 1..at + 1 + close], &mut out)
                    .map_err(|o| (at + 1 + o, "is not hexadecimal"))?;
                at += close + 2;
            }
            b'\\' => {
                out.push(*text.get(at + 1).ok_or((at, "ends with a backslash"))?);
                at += 2;
            }
            b => {
                out.push(b);
                at += 1;
            }
        }
    }
    Ok(out)
}

fn hex_bytes(text: &[u8], out: &mut Vec<u8>) -> Result<(), usize> {
    let mut high = None;
    for (at, b) in text.iter().enumerate().filter(|(_, b)| !b.is_ascii_whitespace()) {
        let digit = (*b as char).to_digit(16).ok_or(at)? as u8;
        match high.take() {
            None => high = Some(digit),
            Some(first) => out.push(first * 16 + digit),
        }
    }
    if high.is_some() { Err(text.len()) } else { Ok(()) }
}

/// Modifiers of the last content.
fn modifier(draft: &mut Draft, option: &RuleOption<'_>) -> Result<bool, RuleError> {
    match option.name {
        "nocase" => draft.last_content(option)?.nocase = true,
        "startswith" => draft.last_content(option)?.starts = true,
        "endswith" => draft.last_content(option)?.ends = true,
        "offset" | "depth" | "distance" | "within" => {
            let num = draft.num(option.text()?, option)?;
            position(draft, option, num)?;
        }
        "fast_pattern" => {
            let chop = fast_chop(option)?;
            let content = draft.last_content(option)?;
            if content.negated {
                return Err(
                    option.unsupported("a negated content cannot be the fast pattern", "choose another")
                );
            }
            if chop.is_some_and(|(start, len)| start + len > content.bytes.len()) {
                return Err(option.refuse("reaches past the content's end", "correct offset and length"));
            }
            content.fast = Some(chop);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn position(draft: &mut Draft, option: &RuleOption<'_>, num: Num) -> Result<(), RuleError> {
    const LIMIT: i64 = 1 << 20;
    if matches!(num, Num::Const(v) if !(-LIMIT..=LIMIT).contains(&v)) {
        return Err(option.refuse("is out of bounds", "use at most 1048576"));
    }
    let negative = matches!(num, Num::Const(v) if v < 0);
    let content = draft.last_content(option)?;
    if negative && option.name != "distance" {
        return Err(option.refuse("is negative", "use a number from 0"));
    }
    let slot = match option.name {
        "offset" => &mut content.offset,
        "depth" => &mut content.depth,
        "distance" => &mut content.distance,
        _ => &mut content.within,
    };
    if slot.replace(num).is_some() {
        return Err(option.unsupported("is said twice for one content", "say it once"));
    }
    let length = content.bytes.len() as i64;
    let too_short = |n: Option<Num>| matches!(n, Some(Num::Const(v)) if v < length);
    if too_short(content.depth) || too_short(content.within) {
        return Err(option.refuse(
            "is shorter than the content, which then never matches",
            "make it at least as long as the content",
        ));
    }
    Ok(())
}

/// `fast_pattern`, `fast_pattern:only`, `fast_pattern:2,6`.
fn fast_chop(option: &RuleOption<'_>) -> Result<Option<(usize, usize)>, RuleError> {
    if option.bare() || option.text()? == "only" {
        return Ok(None);
    }
    option
        .text()?
        .split_once(',')
        .and_then(|(a, b)| Some((a.trim().parse::<u16>().ok()?, b.trim().parse::<u16>().ok()?)))
        .filter(|(_, len)| *len > 0)
        .map(|(a, b)| Some((a.into(), b.into())))
        .ok_or_else(|| option.refuse("is neither `only` nor offset,length", "write fast_pattern; alone"))
}

/// Old-style modifiers: the last content belongs to another buffer.
fn move_last(
    c: &mut Compiler<'_>,
    draft: &mut Draft,
    named: Named,
    option: &RuleOption<'_>,
) -> Result<(), RuleError> {
    draft.last_content(option)?;
    let source = settle(draft, named);
    let target = part_of(c, draft, source);
    if let Some((part, test)) = draft.last
        && part != target
    {
        let content = draft.parts[part].tests.remove(test);
        draft.parts[target].tests.push(content);
        draft.last = Some((target, draft.parts[target].tests.len() - 1));
    }
    Ok(())
}

fn pcre(c: &mut Compiler<'_>, draft: &mut Draft, option: &RuleOption<'_>) -> Result<(), RuleError> {
    let (negated, inner, at) = quoted(option)?;
    let whole = inner.trim_ascii();
    let end = memchr::memrchr(b'/', whole).filter(|end| *end > 0 && whole.starts_with(b"/"));
    let Some(end) = end else {
        return Err(option.refuse("is not between slashes", "write pcre:\"/expression/flags\";"));
    };
    let expression = &whole[1..end];
    let letters = String::from_utf8_lossy(&whole[end + 1..]).into_owned();
    let mut flags = Flags::default();
    let mut relative = false;
    let mut named = None;
    for letter in letters.chars() {
        match letter {
            'i' => flags.caseless = true,
            's' => flags.dot_all = true,
            'm' => flags.multi_line = true,
            'x' => flags.extended = true,
            'G' => flags.ungreedy = true,
            'A' => flags.anchored = true,
            'E' => flags.dollar_end = true,
            'R' => relative = true,
            'B' | 'O' => {}
            other => match buffers::of_pcre_flag(other) {
                Some(buffer) => named = Some(buffer),
                None => {
                    return Err(RuleError::new(
                        at + end + 1,
                        option.name,
                        format!("flag `{other}` is not supported"),
                        "use flags of i s m x A E G R and of buffers",
                    ));
                }
            },
        }
    }
    let key = (expression.to_vec(), letters);
    let pattern = match c.patterns.get(&key) {
        Some(pattern) => pattern.clone(),
        None => {
            let pattern = Pattern::new(expression, flags)
                .map_err(|reason| RuleError::new(at, option.name, reason, "simplify the expression"))?;
            let pattern = Arc::new(pattern);
            c.patterns.insert(key, pattern.clone());
            pattern
        }
    };
    let part = match named {
        Some(named) => {
            let source = settle(draft, named);
            part_of(c, draft, source)
        }
        None => current(c, draft),
    };
    let test = Test::Pattern(Box::new(PatternTest {
        pattern,
        negated,
        relative,
        retry: false,
    }));
    draft.add(part, DraftTest::Done(test), option)
}

fn size(option: &RuleOption<'_>) -> Result<UintTest, RuleError> {
    UintTest::plain(option.text()?).ok_or_else(|| option.refuse("is not a size", "write 5, >5, <5 or 2<>8"))
}

/// `urilen:5<>10,raw`
fn urilen(c: &mut Compiler<'_>, draft: &mut Draft, option: &RuleOption<'_>) -> Result<(), RuleError> {
    use citywall_transaction::Buffer;
    let text = option.text()?;
    let (number, kind) = text.split_once(',').unwrap_or((text, "norm"));
    let buffer = match kind.trim() {
        "norm" => Buffer::HttpUri,
        "raw" => Buffer::HttpUriRaw,
        _ => return Err(option.refuse("is neither raw nor norm", "write raw or norm after the comma")),
    };
    let size =
        UintTest::plain(number).ok_or_else(|| option.refuse("is not a length", "write 5, >5, <5 or 2<>8"))?;
    let part = part_of(c, draft, Source::One(buffer));
    draft.add(part, DraftTest::Done(Test::Size(size)), option)
}

fn absent(c: &mut Compiler<'_>, draft: &mut Draft, option: &RuleOption<'_>) -> Result<(), RuleError> {
    if !matches!(draft.selected, Selected::Buffer(..)) {
        return Err(option.unsupported("needs a sticky buffer before it", "select one, e.g. http.referer"));
    }
    let absent = if option.bare() {
        Absent::Required
    } else if option.text()? == "or_else" {
        Absent::Accepted
    } else {
        return Err(option.refuse("is not or_else", "write absent; or absent:or_else;"));
    };
    let part = current(c, draft);
    draft.parts[part].absent = absent;
    Ok(())
}

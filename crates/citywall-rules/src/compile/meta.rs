//! Keywords that say what a rule is, not what it tests.

use super::{Compiler, Draft};
use crate::RuleError;
use crate::rule::Target;
use crate::syntax::RuleOption;

/// The version of the rule language that `requires` is compared with.
const LANGUAGE_VERSION: [u32; 3] = [8, 0, 0];

/// Reads one option; false where it is none of these.
pub(super) fn option(
    c: &Compiler<'_>,
    draft: &mut Draft,
    option: &RuleOption<'_>,
) -> Result<bool, RuleError> {
    match option.name {
        "msg" => draft.msg = message(option)?,
        "sid" => draft.sid = Some(number(option)?).filter(|sid| *sid > 0),
        "rev" => draft.rev = number(option)?,
        "gid" => draft.gid = number(option)?,
        "classtype" => {
            draft.class = option.text()?.to_owned();
            // An unknown class is a lesser evil than a rule that does not run.
            if c.classes.get(&draft.class).is_none() {
                draft.ignored.push(option.refuse(
                    "class is not known: priority 3 is taken",
                    "add it to classification.config",
                ));
            }
        }
        "priority" => {
            let priority = number(option)?;
            draft.priority = u8::try_from(priority).ok().filter(|p| *p > 0);
            if draft.priority.is_none() {
                return Err(option.refuse("is not 1 to 255", "1 is the worst"));
            }
        }
        "reference" => {
            if !draft.references.is_empty() {
                draft.references.push('\n');
            }
            draft.references.push_str(&lossy(option));
        }
        "metadata" => {
            if !draft.metadata.is_empty() {
                draft.metadata.push(',');
            }
            draft.metadata.push_str(&lossy(option));
        }
        "target" => {
            draft.target = Some(match option.text()? {
                "src_ip" => Target::Source,
                "dest_ip" => Target::Destination,
                _ => return Err(option.refuse("is neither src_ip nor dest_ip", "use one of them")),
            });
        }
        "noalert" => draft.noalert = true,
        "alert" => draft.noalert = false,
        "requires" => requires(option)?,
        "tag" | "logto" | "prefilter" | "bypass" | "rawbytes" => {
            if option.name == "tag" {
                draft.ignored.push(option.unsupported(
                    "is ignored: the packets that follow an alert are not logged",
                    "no action needed",
                ));
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn number(option: &RuleOption<'_>) -> Result<u32, RuleError> {
    option
        .text()?
        .parse()
        .map_err(|_| option.refuse("is not a number", "write a whole number"))
}

fn lossy(option: &RuleOption<'_>) -> String {
    String::from_utf8_lossy(option.value.unwrap_or_default())
        .replace('\n', " ")
        .trim_matches('"')
        .to_owned()
}

/// The quoted text with its escapes undone.
fn message(option: &RuleOption<'_>) -> Result<String, RuleError> {
    let value = option
        .value
        .ok_or_else(|| option.refuse("needs a text", "write msg:\"...\";"))?;
    let text = String::from_utf8_lossy(value);
    let text = text
        .strip_prefix('"')
        .and_then(|t| t.strip_suffix('"'))
        .unwrap_or(&text);
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    Ok(out)
}

/// `requires: version >= 7.0.3 < 8.5, feature x`
fn requires(option: &RuleOption<'_>) -> Result<(), RuleError> {
    const FIX: &str = "no action needed: the rule is for another version";
    for item in option.text()?.split(',') {
        let mut words = item.split_whitespace();
        match words.next() {
            Some("version") => {
                let comparisons: Vec<&str> = words.filter(|w| *w != "|").collect();
                let holds = comparisons.chunks(2).all(|pair| match pair {
                    [op, version] => compare(op, version),
                    _ => false,
                });
                if !holds {
                    return Err(option.refuse("asks for another version of the rule language", FIX));
                }
            }
            Some("keyword") | None => {}
            Some(_) => return Err(option.refuse("asks for a feature that is not here", FIX)),
        }
    }
    Ok(())
}

fn compare(op: &str, version: &str) -> bool {
    let mut wanted = [0u32; 3];
    for (slot, part) in wanted.iter_mut().zip(version.split('.')) {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        *slot = digits.parse().unwrap_or(0);
    }
    match op {
        ">=" => LANGUAGE_VERSION >= wanted,
        ">" => LANGUAGE_VERSION > wanted,
        "<" => LANGUAGE_VERSION < wanted,
        "<=" => LANGUAGE_VERSION <= wanted,
        _ => false,
    }
}

//! `byte_test`, `byte_jump`, `byte_extract`, `byte_math`, `isdataat`.

use super::{Draft, draft::shorten};
use crate::RuleError;
use crate::detect::{ByteJump, ByteMath, ByteOp, ByteTest, BytesRead, JumpFrom, MathOp, Num, Test};
use crate::syntax::RuleOption;
use crate::uint::number;

const ENDIAN_FIX: &str = "name one of big and little";

/// What the common words after the commas say.
#[derive(Default)]
struct Words {
    relative: bool,
    little: bool,
    string: bool,
    base: Option<u32>,
    align: u64,
    from: Option<JumpFrom>,
    multiplier: Option<u64>,
    mask: Option<u64>,
    post: Option<Num>,
}

/// Reads one option; the compiler adds the test to the selected part. `None` where it is none of
/// these.
pub(super) fn test(draft: &mut Draft, option: &RuleOption<'_>) -> Result<Option<Test>, RuleError> {
    Ok(Some(match option.name {
        "byte_test" => byte_test(draft, option)?,
        "byte_jump" => byte_jump(draft, option)?,
        "byte_extract" => byte_extract(draft, option)?,
        "byte_math" => byte_math(draft, option)?,
        "isdataat" => is_data_at(draft, option)?,
        _ => return Ok(None),
    }))
}

fn parts<'a>(option: &RuleOption<'a>, least: usize) -> Result<Vec<&'a str>, RuleError> {
    let parts: Vec<&str> = option.text()?.split(',').map(str::trim).collect();
    if parts.len() < least {
        return Err(option.refuse(
            format!("needs at least {least} values"),
            "part the values with commas",
        ));
    }
    Ok(parts)
}

fn words(draft: &Draft, option: &RuleOption<'_>, items: &[&str]) -> Result<Words, RuleError> {
    let mut words = Words::default();
    for item in items {
        let (word, value) = match item.split_once(char::is_whitespace) {
            Some((word, value)) => (word, value.trim()),
            None => (*item, ""),
        };
        match word {
            "relative" => words.relative = true,
            "little" => words.little = true,
            "big" => words.little = false,
            "endian" => {
                words.little = match value {
                    "little" => true,
                    "big" => false,
                    _ => return Err(option.refuse("has an unknown byte order", ENDIAN_FIX)),
                }
            }
            "string" => {
                words.string = true;
                if !value.is_empty() {
                    words.base = Some(base(value, option)?);
                }
            }
            "dec" | "hex" | "oct" => words.base = Some(base(word, option)?),
            "align" => {
                words.align = match value {
                    "" | "4" => 4,
                    "2" => 2,
                    _ => return Err(option.refuse("aligns to neither 2 nor 4", "use align 2 or align 4")),
                }
            }
            "from_beginning" => words.from = Some(JumpFrom::Beginning),
            "from_end" => words.from = Some(JumpFrom::End),
            "multiplier" => words.multiplier = Some(plain(value, option)?),
            "bitmask" => words.mask = Some(mask(value, option)?),
            "post_offset" => words.post = Some(draft.num(value, option)?),
            "dce" => return Err(option.unsupported("DCE/RPC is not understood", "remove the rule")),
            _ => {
                return Err(option.refuse(
                    format!("`{}` is not one of its words", shorten(item)),
                    "check the spelling",
                ));
            }
        }
    }
    Ok(words)
}

fn base(word: &str, option: &RuleOption<'_>) -> Result<u32, RuleError> {
    match word {
        "dec" => Ok(10),
        "hex" => Ok(16),
        "oct" => Ok(8),
        _ => Err(option.refuse("has an unknown base", "use dec, hex or oct")),
    }
}

fn plain(text: &str, option: &RuleOption<'_>) -> Result<u64, RuleError> {
    number(text).ok_or_else(|| {
        option.refuse(
            format!("`{}` is not a number", shorten(text)),
            "write a decimal or 0x number",
        )
    })
}

/// Bit masks are hexadecimal with or without `0x`.
fn mask(text: &str, option: &RuleOption<'_>) -> Result<u64, RuleError> {
    let digits = text.trim_start_matches("0x").trim_start_matches("0X");
    u64::from_str_radix(digits, 16)
        .ok()
        .filter(|m| *m != 0)
        .ok_or_else(|| option.refuse("has a bad bit mask", "write it as 0xff"))
}

fn reading(
    draft: &Draft,
    option: &RuleOption<'_>,
    count: &str,
    offset: &str,
    words: &Words,
) -> Result<BytesRead, RuleError> {
    let base = match (words.string, words.base) {
        (true, base) => Some(base.unwrap_or(10)),
        // Old rules leave out `string` before the base.
        (false, base) => base,
    };
    let mut count = draft.num(count, option)?;
    let most = if base.is_some() { 23 } else { 8 };
    if let Num::Const(n) = &mut count {
        if *n == 0 && base.is_some() {
            *n = most;
        }
        if !(1..=most).contains(n) {
            return Err(option.refuse(
                format!("reads {n} bytes where 1 to {most} are possible"),
                "correct the first value",
            ));
        }
    }
    Ok(BytesRead {
        count,
        offset: draft.num(offset, option)?,
        relative: words.relative,
        little: words.little,
        base,
        mask: words.mask,
    })
}

fn byte_test(draft: &mut Draft, option: &RuleOption<'_>) -> Result<Test, RuleError> {
    let parts = parts(option, 4)?;
    let words = words(draft, option, &parts[4..])?;
    let op = parts[1];
    let (negated, op) = match op.strip_prefix('!') {
        Some("") => (true, "="),
        Some(rest) => (true, rest.trim()),
        None => (false, op),
    };
    let op = match op {
        "<" => ByteOp::Less,
        ">" => ByteOp::More,
        "=" => ByteOp::Equal,
        "<=" => ByteOp::AtMost,
        ">=" => ByteOp::AtLeast,
        "&" => ByteOp::And,
        "^" => ByteOp::Xor,
        _ => return Err(option.refuse("has an unknown operator", "use < > = <= >= & or ^")),
    };
    Ok(Test::Compare(Box::new(ByteTest {
        read: reading(draft, option, parts[0], parts[3], &words)?,
        op,
        negated,
        value: draft.num(parts[2], option)?,
    })))
}

fn byte_jump(draft: &mut Draft, option: &RuleOption<'_>) -> Result<Test, RuleError> {
    let parts = parts(option, 2)?;
    let words = words(draft, option, &parts[2..])?;
    Ok(Test::Jump(Box::new(ByteJump {
        read: reading(draft, option, parts[0], parts[1], &words)?,
        multiplier: words.multiplier.unwrap_or(1),
        align: words.align != 0,
        from: words.from.unwrap_or(JumpFrom::AfterRead),
        post: words.post.unwrap_or(Num::Const(0)),
    })))
}

fn byte_extract(draft: &mut Draft, option: &RuleOption<'_>) -> Result<Test, RuleError> {
    let parts = parts(option, 3)?;
    let words = words(draft, option, &parts[3..])?;
    let read = reading(draft, option, parts[0], parts[1], &words)?;
    Ok(Test::Calculate(Box::new(ByteMath {
        read,
        op: MathOp::Multiply,
        value: Num::Const(words.multiplier.and_then(|m| i64::try_from(m).ok()).unwrap_or(1)),
        align: words.align,
        result: draft.variable(parts[2], option)?,
    })))
}

/// `bytes 4, offset 0, oper +, rvalue 10, result x, relative, endian little, string dec`
fn byte_math(draft: &mut Draft, option: &RuleOption<'_>) -> Result<Test, RuleError> {
    let parts = parts(option, 5)?;
    let mut named = [""; 5];
    let mut rest = Vec::new();
    for part in parts {
        let (word, value) = part.split_once(char::is_whitespace).unwrap_or((part, ""));
        let slot = ["bytes", "offset", "oper", "rvalue", "result"]
            .iter()
            .position(|name| *name == word);
        match slot {
            Some(i) => named[i] = value.trim(),
            None => rest.push(part),
        }
    }
    let [bytes, offset, op, value, result] = named;
    let words = words(draft, option, &rest)?;
    let op = match op {
        "+" => MathOp::Add,
        "-" => MathOp::Subtract,
        "*" => MathOp::Multiply,
        "/" => MathOp::Divide,
        "<<" => MathOp::ShiftLeft,
        ">>" => MathOp::ShiftRight,
        _ => return Err(option.refuse("has an unknown operator", "use + - * / << or >>")),
    };
    Ok(Test::Calculate(Box::new(ByteMath {
        read: reading(draft, option, bytes, offset, &words)?,
        op,
        value: draft.num(value, option)?,
        align: 0,
        result: draft.variable(result, option)?,
    })))
}

/// `isdataat:!50,relative`
fn is_data_at(draft: &mut Draft, option: &RuleOption<'_>) -> Result<Test, RuleError> {
    let parts = parts(option, 1)?;
    let (negated, at) = match parts[0].strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, parts[0]),
    };
    let rest: Vec<&str> = parts[1..].iter().copied().filter(|w| *w != "rawbytes").collect();
    let words = words(draft, option, &rest)?;
    Ok(Test::DataAt {
        at: draft.num(at, option)?,
        relative: words.relative,
        negated,
    })
}

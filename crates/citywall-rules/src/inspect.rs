//! Steps a rule's tests through one buffer, backtracking over repeated contents, within a budget.

use crate::detect::{
    ByteJump, ByteMath, ByteOp, ByteTest, BytesRead, Content, JumpFrom, MathOp, Num, PatternTest, Test,
    Variables,
};

/// Work that one rule may do on one buffer; a unit is about 32 bytes looked at, or one step.
const RULE_BUDGET: u64 = 40_000;
/// Work of all rules on one packet, stream piece or transaction.
const CALL_BUDGET: u64 = 400_000;

/// Bytes that an expression with look-around or back-references is searched in. What a rule of that
/// kind looks for stands in a head or a request line; further back it is not found, and counted.
const FANCY_WINDOW: usize = 2_048;

/// What inspection cost and where it gave up. Kept by each worker, summed by the binary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InspectionCounters {
    /// Rules that were tried because their fast pattern hit or because they have none.
    pub tried: u64,
    /// Rules given up on one buffer because the work bound was reached.
    pub budget_exceeded: u64,
    /// Searches with look-around in more than they are let see.
    pub pattern_cut: u64,
    /// Searches of an expression that hit its backtracking or memory limit.
    pub pattern_failed: u64,
    /// Matches that could not be remembered because the flow's memory of them was full.
    pub memory_full: u64,
}

/// What one call of the rule book may still cost, and the counters.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub counters: InspectionCounters,
    left: u64,
}

impl Work {
    /// A new call.
    pub fn begin(&mut self) {
        self.left = CALL_BUDGET;
    }
}

/// Does `data` satisfy all tests in order?
pub(crate) fn inspect(data: &[u8], tests: &[Test], variables: &mut Variables, work: &mut Work) -> bool {
    let budget = RULE_BUDGET.min(work.left);
    let mut run = Run {
        data,
        tests,
        budget,
        counters: &mut work.counters,
    };
    let matched = budget > 0 && run.step(0, 0, variables);
    let left = run.budget;
    work.left -= budget - left;
    if left == 0 {
        work.counters.budget_exceeded += 1;
        return false;
    }
    matched
}

struct Run<'a> {
    data: &'a [u8],
    tests: &'a [Test],
    budget: u64,
    counters: &'a mut InspectionCounters,
}

fn value(num: Num, variables: &Variables) -> i64 {
    match num {
        Num::Const(v) => v,
        Num::Var(i) => variables
            .get(usize::from(i))
            .map_or(0, |v| i64::try_from(*v).unwrap_or(i64::MAX)),
    }
}

/// A place in the data, clamped.
fn place(base: i64, plus: i64, len: usize) -> usize {
    let at = base.saturating_add(plus).max(0);
    usize::try_from(at).unwrap_or(usize::MAX).min(len)
}

impl<'a> Run<'a> {
    /// Takes from the budget; false where it is used up.
    #[inline]
    fn pay(&mut self, bytes: usize) -> bool {
        self.budget = self.budget.saturating_sub(1 + bytes as u64 / 32);
        self.budget > 0
    }

    /// Test `i` with the last match ending at `cursor`. Recursion is as deep as the rule has tests,
    /// which the compiler bounds.
    fn step(&mut self, i: usize, cursor: usize, variables: &mut Variables) -> bool {
        let tests = self.tests;
        let Some(test) = tests.get(i) else { return true };
        if !self.pay(0) {
            return false;
        }
        match test {
            Test::Content(content) => self.content(content, i, cursor, variables),
            Test::Pattern(pattern) => self.pattern(pattern, i, cursor, variables),
            Test::Size(size) => size.holds(self.data.len() as u64) && self.step(i + 1, cursor, variables),
            Test::TlsVersion { any, negated } => {
                let version = tls_version(self.data);
                any.iter().any(|v| **v == *version) != *negated && self.step(i + 1, cursor, variables)
            }
            Test::DataAt {
                at,
                relative,
                negated,
            } => {
                let at = value(*at, variables);
                let len = self.data.len() as i64;
                let has = if *relative {
                    (cursor as i64).saturating_add(at) <= len
                } else {
                    at < len
                };
                has != *negated && self.step(i + 1, cursor, variables)
            }
            Test::Compare(test) => {
                self.byte_test(test, cursor, variables) && self.step(i + 1, cursor, variables)
            }
            Test::Jump(jump) => match self.byte_jump(jump, cursor, variables) {
                Some(cursor) => self.step(i + 1, cursor, variables),
                None => false,
            },
            Test::Calculate(math) => match self.byte_math(math, cursor, variables) {
                Some((result, end)) => {
                    if let Some(slot) = variables.get_mut(usize::from(math.result)) {
                        *slot = result;
                    }
                    self.step(i + 1, end, variables)
                }
                None => false,
            },
        }
    }

    /// First and last place that a content may cover.
    fn bounds(&self, c: &Content, cursor: usize, variables: &Variables) -> (usize, usize) {
        let len = self.data.len();
        if c.relative {
            let base = cursor as i64;
            let distance = value(c.distance, variables);
            let low = place(base, distance, len);
            let high = c.within.map_or(len, |within| {
                place(base, distance.saturating_add(value(within, variables)), len)
            });
            return (low, high);
        }
        let offset = if c.starts { 0 } else { value(c.offset, variables) };
        let depth = if c.starts {
            Some(c.search.len() as i64)
        } else {
            c.depth.map(|d| value(d, variables))
        };
        let low = place(0, offset, len);
        let high = depth.map_or(len, |d| place(offset, d, len));
        (low, high)
    }

    fn content(&mut self, c: &'a Content, i: usize, cursor: usize, variables: &mut Variables) -> bool {
        let data = self.data;
        let needle = c.search.len();
        let (mut low, high) = self.bounds(c, cursor, variables);
        if c.ends {
            let found = data
                .len()
                .checked_sub(needle)
                .is_some_and(|at| at >= low && data.len() <= high && c.search.is(&data[at..]));
            if c.negated {
                return !found && self.step(i + 1, cursor, variables);
            }
            return found && self.step(i + 1, data.len(), variables);
        }
        loop {
            let window = data.get(low..high).unwrap_or(&[]);
            let found = if window.len() == needle {
                c.search.is(window).then_some(0)
            } else {
                c.search.find(window)
            };
            if !self.pay(found.map_or(window.len(), |at| at + needle)) {
                return false;
            }
            let Some(at) = found else {
                return c.negated && self.step(i + 1, cursor, variables);
            };
            if c.negated {
                return false;
            }
            let start = low + at;
            if self.step(i + 1, start + needle, variables) {
                return true;
            }
            if !c.retry {
                return false;
            }
            low = start + 1;
        }
    }

    fn pattern(&mut self, p: &'a PatternTest, i: usize, cursor: usize, variables: &mut Variables) -> bool {
        let data = self.data;
        let base = if p.relative { cursor.min(data.len()) } else { 0 };
        let mut rest = &data[base..];
        if p.pattern.is_fancy() && rest.len() > FANCY_WINDOW {
            self.counters.pattern_cut += 1;
            rest = &rest[..FANCY_WINDOW];
        }
        let mut from = 0;
        loop {
            // The backtracking engine's limit counts steps, but one step may search all that is left:
            // it sees little at a time, and pays for the square.
            let left = rest.len() - from.min(rest.len());
            let cost = if p.pattern.is_fancy() {
                (left * 16).max(left * left / 4)
            } else {
                left * 2
            };
            if !self.pay(cost) {
                return false;
            }
            let found = match p.pattern.find(rest, from) {
                Ok(found) => found,
                Err(_) => {
                    self.counters.pattern_failed += 1;
                    return false;
                }
            };
            let Some((start, end)) = found else {
                return p.negated && self.step(i + 1, cursor, variables);
            };
            if p.negated {
                return false;
            }
            if self.step(i + 1, base + end, variables) {
                return true;
            }
            if !p.retry {
                return false;
            }
            from = start + 1;
        }
    }

    /// The number and the place after it.
    fn read(&self, read: &BytesRead, cursor: usize, variables: &Variables) -> Option<(u64, usize)> {
        let base = if read.relative { cursor as i64 } else { 0 };
        let start = usize::try_from(base.checked_add(value(read.offset, variables))?).ok()?;
        let count = usize::try_from(value(read.count, variables)).ok()?;
        let end = start.checked_add(count)?;
        let bytes = self.data.get(start..end)?;
        let number = match read.base {
            Some(base) => digits(bytes, base)?,
            None if count > 8 => return None,
            None if read.little => bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)),
            None => bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b)),
        };
        let number = match read.mask {
            Some(mask) => (number & mask) >> mask.trailing_zeros().min(63),
            None => number,
        };
        Some((number, end))
    }

    fn byte_test(&self, t: &ByteTest, cursor: usize, variables: &Variables) -> bool {
        let Some((number, _)) = self.read(&t.read, cursor, variables) else {
            return false;
        };
        let wanted = value(t.value, variables) as u64;
        let holds = match t.op {
            ByteOp::Less => number < wanted,
            ByteOp::More => number > wanted,
            ByteOp::Equal => number == wanted,
            ByteOp::AtMost => number <= wanted,
            ByteOp::AtLeast => number >= wanted,
            ByteOp::And => number & wanted != 0,
            ByteOp::Xor => number ^ wanted != 0,
        };
        holds != t.negated
    }

    fn byte_jump(&self, jump: &ByteJump, cursor: usize, variables: &Variables) -> Option<usize> {
        let (number, end) = self.read(&jump.read, cursor, variables)?;
        let mut distance = number.checked_mul(jump.multiplier)?;
        if jump.align {
            distance = distance.checked_next_multiple_of(4)?;
        }
        let base = match jump.from {
            JumpFrom::AfterRead => end,
            JumpFrom::Beginning => 0,
            JumpFrom::End => self.data.len(),
        };
        let at = i64::try_from(distance)
            .ok()?
            .checked_add(base as i64)?
            .checked_add(value(jump.post, variables))?;
        usize::try_from(at).ok().filter(|at| *at <= self.data.len())
    }

    fn byte_math(&self, math: &ByteMath, cursor: usize, variables: &Variables) -> Option<(u64, usize)> {
        let (number, end) = self.read(&math.read, cursor, variables)?;
        let by = value(math.value, variables) as u64;
        let result = match math.op {
            MathOp::Add => number.wrapping_add(by),
            MathOp::Subtract => number.wrapping_sub(by),
            MathOp::Multiply => number.wrapping_mul(by),
            MathOp::Divide => number.checked_div(by)?,
            MathOp::ShiftLeft => number.checked_shl(u32::try_from(by).ok()?).unwrap_or(0),
            MathOp::ShiftRight => number.checked_shr(u32::try_from(by).ok()?).unwrap_or(0),
        };
        let result = match math.align {
            0 => result,
            align => result.checked_next_multiple_of(align)?,
        };
        Some((result, end))
    }
}

/// Leading digits after white space, as C's `strtoull` reads them; `None` where there are none.
fn digits(bytes: &[u8], base: u32) -> Option<u64> {
    let mut text = bytes.trim_ascii_start();
    if base == 16 {
        text = text
            .strip_prefix(b"0x")
            .or_else(|| text.strip_prefix(b"0X"))
            .unwrap_or(text);
    }
    let mut number = 0u64;
    let mut any = false;
    for digit in text.iter().map_while(|b| (*b as char).to_digit(base)) {
        number = number.saturating_mul(base.into()).saturating_add(digit.into());
        any = true;
    }
    any.then_some(number)
}

/// `TLS 1.2`, `TLSv1.2` and `tls1.2` alike become `tls1.2`; `SSLv3` becomes `ssl3`.
pub(crate) fn tls_version(text: &[u8]) -> String {
    let mut out = String::with_capacity(8);
    for b in text.iter().take(32) {
        match b.to_ascii_lowercase() {
            b'v' | b' ' => {}
            b if b.is_ascii_alphanumeric() || b == b'.' => out.push(b as char),
            _ => {}
        }
    }
    if out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert_str(0, "tls");
    }
    if out == "tls1" { "tls1.0".to_owned() } else { out }
}

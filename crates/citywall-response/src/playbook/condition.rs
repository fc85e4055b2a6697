//! Conditions: a small language over variables, in the manner of STIX patterns.
//!
//! ```text
//! condition  = and , { "OR" , and } ;
//! and        = not , { "AND" , not } ;
//! not        = [ "NOT" ] , ( "(" , condition , ")" | "[" , condition , "]" | comparison ) ;
//! comparison = operand , [ ( "=" | "==" | "!=" | "<" | "<=" | ">" | ">=" ) , operand
//!                        | [ "NOT" ] , "IN" , ( "(" , literal , { "," , literal } , ")" | variable ) ] ;
//! operand    = variable | literal ;
//! variable   = name , ":value" ;               (* __severity__:value *)
//! literal    = "'" text "'" | integer | "true" | "false" ;
//! ```
//!
//! Owns: its syntax, its types, and its value. It always ends, cannot fail at run time, and reads
//! nothing but variables. A comparison with what is not known is false, and so is its opposite.

use super::error::limits;
use super::variable::{Fact, Kind};

/// A condition that may be evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// As it is written.
    pub text: String,
    term: Term,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Term {
    Or(Vec<Term>),
    And(Vec<Term>),
    Not(Box<Term>),
    Compare(Operand, Operator, Operand),
    In(Operand, Vec<Fact>),
    InList(Operand, String),
    True(Operand),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operand {
    Variable(String, Kind),
    Literal(Fact),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Why a text is no condition: the byte, what, and the fix.
pub(crate) type Wrong = (usize, String, String);

impl Condition {
    /// Parses and checks a condition; `kind_of` says of what kind a variable is, if there is one.
    pub(crate) fn parse(text: &str, kind_of: &dyn Fn(&str) -> Option<Kind>) -> Result<Condition, Wrong> {
        if text.chars().count() > limits::CONDITION {
            let what = format!("a condition of more than {} characters", limits::CONDITION);
            return Err((0, what, "nest if-condition steps instead".to_owned()));
        }
        let mut parser = Parser {
            text,
            at: 0,
            terms: 0,
            kind_of,
        };
        let term = parser.or(0)?;
        parser.space();
        if parser.at < text.len() {
            return Err(parser.wrong("a condition ends before this", "join comparisons with AND or OR"));
        }
        Ok(Condition {
            text: text.to_owned(),
            term,
        })
    }

    /// Its value.
    pub fn holds(&self, fact: &dyn Fn(&str) -> Fact) -> bool {
        value(&self.term, fact) == Some(true)
    }
}

/// Three-valued: `None` is "not known".
fn value(term: &Term, fact: &dyn Fn(&str) -> Fact) -> Option<bool> {
    match term {
        Term::Or(terms) => {
            let values: Vec<Option<bool>> = terms.iter().map(|t| value(t, fact)).collect();
            match values.contains(&Some(true)) {
                true => Some(true),
                false => (!values.contains(&None)).then_some(false),
            }
        }
        Term::And(terms) => {
            let values: Vec<Option<bool>> = terms.iter().map(|t| value(t, fact)).collect();
            match values.contains(&Some(false)) {
                true => Some(false),
                false => (!values.contains(&None)).then_some(true),
            }
        }
        Term::Not(term) => value(term, fact).map(|v| !v),
        Term::Compare(left, operator, right) => compare(&left.fact(fact), *operator, &right.fact(fact)),
        Term::In(operand, facts) => match operand.fact(fact) {
            Fact::Unknown => None,
            known => Some(facts.contains(&known)),
        },
        Term::InList(operand, list) => match (operand.fact(fact), fact(list)) {
            (Fact::Text(text), Fact::List(list)) => Some(list.contains(&text)),
            _ => None,
        },
        Term::True(operand) => match operand.fact(fact) {
            Fact::Bool(value) => Some(value),
            _ => None,
        },
    }
}

fn compare(left: &Fact, operator: Operator, right: &Fact) -> Option<bool> {
    let order = match (left, right) {
        (Fact::Int(a), Fact::Int(b)) => a.cmp(b),
        (Fact::Text(a), Fact::Text(b)) => a.cmp(b),
        (Fact::Bool(a), Fact::Bool(b)) => a.cmp(b),
        _ => return None,
    };
    Some(match operator {
        Operator::Equal => order.is_eq(),
        Operator::Unequal => order.is_ne(),
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        Operator::GreaterOrEqual => order.is_ge(),
    })
}

impl Operand {
    fn kind(&self) -> Kind {
        match self {
            Operand::Variable(_, kind) => *kind,
            Operand::Literal(Fact::Bool(_)) => Kind::Bool,
            Operand::Literal(Fact::Int(_)) => Kind::Int,
            Operand::Literal(Fact::List(_)) => Kind::List,
            Operand::Literal(_) => Kind::Text,
        }
    }

    fn fact(&self, fact: &dyn Fn(&str) -> Fact) -> Fact {
        match self {
            Operand::Variable(name, _) => fact(name),
            Operand::Literal(literal) => literal.clone(),
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    terms: usize,
    kind_of: &'a dyn Fn(&str) -> Option<Kind>,
}

impl<'a> Parser<'a> {
    fn wrong(&self, what: impl Into<String>, fix: impl Into<String>) -> Wrong {
        (self.at, what.into(), fix.into())
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn take(&mut self, symbol: &str) -> bool {
        self.space();
        let taken = self.rest().starts_with(symbol);
        if taken {
            self.at += symbol.len();
        }
        taken
    }

    /// A word of its own, in capitals or not.
    fn word(&mut self, word: &str) -> bool {
        self.space();
        let rest = self.rest();
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        let taken = rest[..end].eq_ignore_ascii_case(word);
        if taken {
            self.at += end;
        }
        taken
    }

    fn count(&mut self) -> Result<(), Wrong> {
        self.terms += 1;
        match self.terms > limits::TERMS {
            true => Err(self.wrong(
                format!("more than {} operators", limits::TERMS),
                "nest if-condition steps instead",
            )),
            false => Ok(()),
        }
    }

    fn or(&mut self, depth: usize) -> Result<Term, Wrong> {
        let mut terms = vec![self.and(depth)?];
        while self.word("OR") {
            terms.push(self.and(depth)?);
        }
        Ok(one_or(terms, Term::Or))
    }

    fn and(&mut self, depth: usize) -> Result<Term, Wrong> {
        let mut terms = vec![self.not(depth)?];
        while self.word("AND") {
            terms.push(self.not(depth)?);
        }
        Ok(one_or(terms, Term::And))
    }

    fn not(&mut self, depth: usize) -> Result<Term, Wrong> {
        self.count()?;
        if depth > limits::BRACKETS {
            let what = format!("deeper than {} brackets", limits::BRACKETS);
            return Err(self.wrong(what, "nest if-condition steps instead"));
        }
        if self.word("NOT") {
            return Ok(Term::Not(Box::new(self.not(depth + 1)?)));
        }
        for (open, close) in [("(", ")"), ("[", "]")] {
            if self.take(open) {
                let term = self.or(depth + 1)?;
                if !self.take(close) {
                    return Err(self.wrong("a bracket does not close", format!("put {close} here")));
                }
                return Ok(term);
            }
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Term, Wrong> {
        let start = self.at;
        let left = self.operand()?;
        let start_of_operator = self.at;
        let negated = self.word("NOT");
        if self.word("IN") {
            let term = self.membership(left)?;
            return Ok(match negated {
                true => Term::Not(Box::new(term)),
                false => term,
            });
        }
        if negated {
            return Err(self.wrong(
                "NOT stands here without IN",
                "write NOT IN, or NOT before the comparison",
            ));
        }
        let Some(operator) = self.operator() else {
            if left.kind() == Kind::Bool {
                return Ok(Term::True(left));
            }
            self.at = start;
            return Err(self.wrong(
                format!("{} alone is no condition", left.kind().name()),
                "compare it, as in __severity__:value <= 2",
            ));
        };
        let right = self.operand()?;
        let (a, b) = (left.kind(), right.kind());
        if a != b || matches!(a, Kind::List | Kind::Opaque) {
            let what = format!("{} is compared with {}", a.name(), b.name());
            let fix = "compare two values of one type; ask for membership of a list with IN";
            return Err((start_of_operator, what, fix.to_owned()));
        }
        if !matches!(operator, Operator::Equal | Operator::Unequal) && a != Kind::Int {
            let what = format!("{} has no order", a.name());
            return Err((start_of_operator, what, "use = or !=".to_owned()));
        }
        Ok(Term::Compare(left, operator, right))
    }

    fn operator(&mut self) -> Option<Operator> {
        let known = [
            ("==", Operator::Equal),
            ("!=", Operator::Unequal),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("=", Operator::Equal),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        known
            .into_iter()
            .find(|(symbol, _)| self.take(symbol))
            .map(|(_, o)| o)
    }

    fn membership(&mut self, left: Operand) -> Result<Term, Wrong> {
        if !self.take("(") {
            let at = self.at;
            return match self.operand()? {
                Operand::Variable(name, Kind::List) if left.kind() == Kind::Text => {
                    Ok(Term::InList(left, name))
                }
                other => Err((
                    at,
                    format!("{} IN {} asks nothing", left.kind().name(), other.kind().name()),
                    "write 'text' IN __list__:value, or __name__:value IN ('a', 'b')".to_owned(),
                )),
            };
        }
        let mut facts = Vec::new();
        loop {
            self.count()?;
            let at = self.at;
            let Operand::Literal(fact) = self.operand()? else {
                return Err((at, "a variable in a list".to_owned(), "write literals".to_owned()));
            };
            let kind = Operand::Literal(fact.clone()).kind();
            if kind != left.kind() {
                let what = format!("{} among values of {}", kind.name(), left.kind().name());
                return Err((at, what, "write values of one type".to_owned()));
            }
            facts.push(fact);
            if self.take(")") {
                return Ok(Term::In(left, facts));
            }
            if !self.take(",") {
                return Err(self.wrong("a list goes on with a comma or ends with )", "put one of them"));
            }
        }
    }

    fn operand(&mut self) -> Result<Operand, Wrong> {
        self.space();
        let rest = self.rest();
        if let Some(inner) = rest.strip_prefix('\'') {
            let Some(end) = inner.find('\'') else {
                return Err(self.wrong("a text does not end", "close it with '"));
            };
            self.at += end + 2;
            return Ok(Operand::Literal(Fact::Text(inner[..end].to_owned())));
        }
        if rest.starts_with("__") {
            return self.variable();
        }
        for (word, fact) in [("true", Fact::Bool(true)), ("false", Fact::Bool(false))] {
            if self.word(word) {
                return Ok(Operand::Literal(fact));
            }
        }
        let sign = usize::from(rest.starts_with('-'));
        let digits = rest[sign..].bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0
            && let Ok(number) = rest[..sign + digits].parse()
        {
            self.at += sign + digits;
            return Ok(Operand::Literal(Fact::Int(number)));
        }
        Err(self.wrong(
            "neither a variable nor a value",
            "write __name__:value, 'text', a whole number, true or false",
        ))
    }

    fn variable(&mut self) -> Result<Operand, Wrong> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')))
            .unwrap_or(rest.len());
        let name = &rest[..end];
        let Some(kind) = (self.kind_of)(name) else {
            return Err(self.wrong(
                format!("no variable {name}"),
                format!(
                    "declare it in playbook_variables; an incident gives {}",
                    given_names()
                ),
            ));
        };
        if !rest[end..].starts_with(":value") {
            return Err(self.wrong(format!("{name} without :value"), format!("write {name}:value")));
        }
        self.at += end + ":value".len();
        Ok(Operand::Variable(name.to_owned(), kind))
    }
}

fn given_names() -> String {
    super::variable::GIVEN.map(|g| g.name).join(", ")
}

fn one_or(mut terms: Vec<Term>, many: fn(Vec<Term>) -> Term) -> Term {
    match terms.len() {
        1 => terms.remove(0),
        _ => many(terms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(name: &str) -> Option<Kind> {
        match name {
            "__severity__" => Some(Kind::Int),
            "__zone__" => Some(Kind::Text),
            "__kinds__" => Some(Kind::List),
            "__taken__" => Some(Kind::Bool),
            "__ratio__" => Some(Kind::Opaque),
            "__unknown__" => Some(Kind::Text),
            _ => None,
        }
    }

    fn fact(name: &str) -> Fact {
        match name {
            "__severity__" => Fact::Int(2),
            "__zone__" => Fact::Text("lights".into()),
            "__kinds__" => Fact::List(vec!["scan".into(), "change".into()]),
            "__taken__" => Fact::Bool(true),
            _ => Fact::Unknown,
        }
    }

    #[test]
    fn conditions_have_the_value_that_they_say() {
        for (text, expected) in [
            ("__severity__:value <= 2", true),
            ("__severity__:value == 2 AND __zone__:value != 'lights'", false),
            ("__severity__:value = 3 OR 'scan' IN __kinds__:value", true),
            ("'flood' not in __kinds__:value and __taken__:value", true),
            ("NOT (__taken__:value AND __severity__:value > 1)", false),
            ("[__zone__:value IN ('video', 'lights')]", true),
            ("__taken__:value = false", false),
            ("-1 < __severity__:value", true),
            ("__unknown__:value = 'x' OR __unknown__:value != 'x'", false),
            ("NOT __unknown__:value = 'x'", false),
            ("__taken__:value OR __unknown__:value = 'x'", true),
            // AND binds tighter than OR.
            ("true OR true AND false", true),
        ] {
            let condition = Condition::parse(text, &kind_of).unwrap_or_else(|e| panic!("{text}: {e:?}"));
            assert_eq!(condition.holds(&fact), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let many = format!("true{}", " AND true".repeat(80));
        let deep = format!("{}true{}", "(".repeat(20), ")".repeat(20));
        for (text, at, what) in [
            ("", 0, "neither a variable nor a value"),
            ("__severty__:value < 2", 0, "no variable __severty__"),
            ("__severity__ < 2", 0, "__severity__ without :value"),
            ("__severity__:value < 'x'", 18, "a number is compared with a text"),
            ("__zone__:value < 'x'", 14, "a text has no order"),
            ("__kinds__:value = 'scan'", 15, "a list is compared with a text"),
            ("__severity__:value", 0, "a number alone is no condition"),
            (
                "__ratio__:value = 'x'",
                15,
                "of a type that conditions cannot use is compared with a text",
            ),
            ("(true", 5, "a bracket does not close"),
            ("true true", 5, "a condition ends before this"),
            (
                "__zone__:value IN ('a', 2)",
                23,
                "a number among values of a text",
            ),
            ("__zone__:value IN 'a'", 18, "a text IN a text asks nothing"),
            ("__zone__:value NOT 'a'", 19, "NOT stands here without IN"),
            ("'abc", 0, "a text does not end"),
            ("99999999999999999999 = 1", 0, "neither a variable nor a value"),
            ("true; rm -rf /", 4, "a condition ends before this"),
            (&many, 575, "more than 64 operators"),
            (&deep, 9, "deeper than 8 brackets"),
        ] {
            let (place, told, fix) = Condition::parse(text, &kind_of).expect_err(text);
            assert_eq!((place, told.as_str()), (at, what), "{text}");
            assert!(!fix.is_empty());
        }
    }
}

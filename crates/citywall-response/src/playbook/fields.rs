//! The properties of one object: what is there, what must be, what may not.
//!
//! Owns: unknown properties with the nearest known one, missing ones, and wrong types. Does not
//! own: which properties there are.

use super::error::{Report, limits};
use super::json::{Member, Node, Value};
use citywall_policy::nearest;

/// An object that is being read.
pub(crate) struct Fields<'n> {
    pub(crate) at: usize,
    pub(crate) path: String,
    members: &'n [Member],
}

impl<'n> Fields<'n> {
    /// `None`, and an error, where `node` is no object. Properties that are not in `known` are
    /// errors: the standard adds properties by extensions alone.
    pub(crate) fn of(
        node: &'n Node,
        path: &str,
        known: &[&str],
        report: &mut Report<'_>,
    ) -> Option<Fields<'n>> {
        let Value::Object(members) = &node.value else {
            report.error(
                node.at,
                path,
                format!("{} stands here", node.kind()),
                "write an object, {...}",
            );
            return None;
        };
        for member in members {
            if !known.contains(&member.name.as_str()) {
                let fix = match nearest(&member.name, known.iter().copied()) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => "remove it; what the standard does not know belongs into an extension".to_owned(),
                };
                report.error(
                    member.at,
                    path,
                    format!("no property {:?} here", member.name),
                    fix,
                );
            }
        }
        Some(Fields {
            at: node.at,
            path: path.to_owned(),
            members,
        })
    }

    pub(crate) fn path_of(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'n Node> {
        self.members.iter().find(|m| m.name == name).map(|m| &m.node)
    }

    pub(crate) fn need(&self, name: &str, report: &mut Report<'_>) -> Option<&'n Node> {
        let found = self.get(name);
        if found.is_none() {
            report.error(
                self.at,
                &self.path,
                format!("{name:?} is missing"),
                format!("add {name:?}"),
            );
        }
        found
    }

    fn wrong(&self, node: &Node, name: &str, wanted: &str, report: &mut Report<'_>) {
        let what = format!("{} stands here", node.kind());
        report.error(node.at, &self.path_of(name), what, format!("write {wanted}"));
    }

    /// A string that is there, with its place.
    pub(crate) fn text(&self, name: &str, report: &mut Report<'_>) -> Option<(&'n str, usize)> {
        let node = self.get(name)?;
        match &node.value {
            Value::Text(text) => Some((text, node.at)),
            _ => {
                self.wrong(node, name, "a string in \"\"", report);
                None
            }
        }
    }

    /// A string that must be there.
    pub(crate) fn need_text(&self, name: &str, report: &mut Report<'_>) -> Option<(&'n str, usize)> {
        self.need(name, report)?;
        self.text(name, report)
    }

    /// A sentence for people: bounded, and without control characters that would forge a screen.
    pub(crate) fn sentence(&self, name: &str, report: &mut Report<'_>) -> String {
        let Some((text, at)) = self.text(name, report) else {
            return String::new();
        };
        if text.chars().count() > limits::SENTENCE * 4 {
            let what = format!("more than {} characters", limits::SENTENCE * 4);
            report.error(at, &self.path_of(name), what, "say it in fewer words");
        }
        clean(text)
    }

    pub(crate) fn bool(&self, name: &str, report: &mut Report<'_>) -> Option<bool> {
        let node = self.get(name)?;
        match node.value {
            Value::Bool(value) => Some(value),
            _ => {
                self.wrong(node, name, "true or false", report);
                None
            }
        }
    }

    /// A whole number from 0 to `most`.
    pub(crate) fn number(&self, name: &str, most: u64, report: &mut Report<'_>) -> Option<u64> {
        let node = self.get(name)?;
        let number = match &node.value {
            Value::Number(text) => text.parse::<u64>().ok().filter(|n| *n <= most),
            _ => None,
        };
        if number.is_none() {
            self.wrong(node, name, &format!("a whole number from 0 to {most}"), report);
        }
        number
    }

    /// A list that is there.
    pub(crate) fn list(&self, name: &str, report: &mut Report<'_>) -> Option<&'n [Node]> {
        let node = self.get(name)?;
        match &node.value {
            Value::List(items) => Some(items),
            _ => {
                self.wrong(node, name, "a list, [...]", report);
                None
            }
        }
    }

    /// A list of strings, each with its place.
    pub(crate) fn texts(&self, name: &str, report: &mut Report<'_>) -> Vec<(&'n str, usize)> {
        let mut texts = Vec::new();
        for item in self.list(name, report).unwrap_or(&[]) {
            match &item.value {
                Value::Text(text) => texts.push((text.as_str(), item.at)),
                _ => self.wrong(item, name, "a string in \"\"", report),
            }
        }
        texts
    }

    /// A dictionary: its entries, at most `most`.
    pub(crate) fn entries(&self, name: &str, most: usize, report: &mut Report<'_>) -> &'n [Member] {
        let Some(node) = self.get(name) else {
            return &[];
        };
        let Value::Object(members) = &node.value else {
            self.wrong(node, name, "an object, {...}", report);
            return &[];
        };
        if members.len() > most {
            let what = format!("{} entries, {most} are the most", members.len());
            report.error(node.at, &self.path_of(name), what, "split the playbook");
            return &[];
        }
        members
    }
}

/// One line, without control characters.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

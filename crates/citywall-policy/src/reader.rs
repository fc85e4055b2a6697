//! Reading typed fields out of a TOML table, with the place of each.
//!
//! Owns: unknown fields, wrong types, missing fields, choices. Does not own: what a field means.
//! A wrong field is reported and read as absent, so that one slip does not hide the next.

use std::ops::Range;

use citywall_event::{Phrase, counted, say};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Report, quoted};
use crate::suggest::did_you_mean;

/// A text and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub text: String,
    pub span: Range<usize>,
}

/// The fields of one table of the file.
pub(crate) struct Fields<'a, 'i> {
    table: &'a DeTable<'i>,
    /// Where the table begins.
    pub span: Range<usize>,
    /// `[[zone]]`, for messages.
    section: &'static str,
}

/// Opens a table: reports its unknown fields. `None` where it is no table.
pub(crate) fn open<'a, 'i>(
    report: &mut Report<'_>,
    value: &'a Spanned<DeValue<'i>>,
    section: &'static str,
    known: &[&str],
) -> Option<Fields<'a, 'i>> {
    let Some(table) = value.get_ref().as_table() else {
        let found = value.get_ref().type_str();
        report.error(
            &value.span(),
            say!(
                "file-table",
                "a table is expected here, found {found}",
                found = found
            ),
            say!("file-write", "write {what}", what = section),
        );
        return None;
    };
    for key in table.keys() {
        let name: &str = key.get_ref();
        if !known.contains(&name) {
            let fix = did_you_mean(name, known.iter().copied(), || {
                say!(
                    "file-fields",
                    "{section} has the fields {fields}",
                    section = section,
                    fields = known.join(", ")
                )
            });
            let what = say!(
                "file-field-unknown",
                "unknown field {field} in {section}",
                field = quoted(name),
                section = section
            );
            report.error(&key.span(), what, fix);
        }
    }
    Some(Fields {
        table,
        span: value.span(),
        section,
    })
}

impl<'a, 'i> Fields<'a, 'i> {
    fn get(&self, name: &str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.table.get(name)
    }

    /// True where the field is there at all.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Where the field's value stands; the table's beginning where it is absent.
    pub(crate) fn span_of(&self, name: &str) -> Range<usize> {
        self.get(name).map_or(self.span.clone(), Spanned::span)
    }

    fn wrong(&self, report: &mut Report<'_>, name: &str, value: &Spanned<DeValue<'_>>, wanted: Phrase) {
        report.error(
            &value.span(),
            say!(
                "file-type",
                "{name} in {section} is {wanted}, found {found}",
                name = name,
                section = self.section,
                wanted = &wanted,
                found = value.get_ref().type_str()
            ),
            say!("file-write", "write {what}", what = wanted),
        );
    }

    fn missing(&self, name: &str) -> Phrase {
        say!(
            "file-missing",
            "{section} has no {name}",
            section = self.section,
            name = name
        )
    }

    /// A text.
    pub(crate) fn text(&self, report: &mut Report<'_>, name: &str) -> Option<Word> {
        let value = self.get(name)?;
        let Some(text) = value.get_ref().as_str() else {
            self.wrong(report, name, value, say!("file-a-text", "a text in quotes"));
            return None;
        };
        Some(Word {
            text: text.to_owned(),
            span: value.span(),
        })
    }

    /// A text that must be there.
    pub(crate) fn required_text(&self, report: &mut Report<'_>, name: &str) -> Option<Word> {
        if !self.has(name) {
            report.error(
                &self.span,
                self.missing(name),
                say!("file-add-text", "add `{name} = \"...\"`", name = name),
            );
        }
        self.text(report, name)
    }

    /// A name: not empty, not long, printable.
    pub(crate) fn name(&self, report: &mut Report<'_>) -> Option<Word> {
        let name = self.required_text(report, "name")?;
        let length = name.text.chars().count();
        if length == 0 || length > crate::limits::NAME || name.text.chars().any(char::is_control) {
            report.error(
                &name.span,
                say!(
                    "file-name",
                    "this name has {n} or holds control characters",
                    n = counted(length, "character", "characters")
                ),
                say!(
                    "file-name-form",
                    "use 1 to {n} printable characters",
                    n = crate::limits::NAME
                ),
            );
            return None;
        }
        Some(name)
    }

    /// Yes or no.
    pub(crate) fn flag(&self, report: &mut Report<'_>, name: &str) -> Option<bool> {
        let value = self.get(name)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong(report, name, value, say!("file-a-flag", "true or false"));
        }
        flag
    }

    /// A whole number within bounds.
    pub(crate) fn number(
        &self,
        report: &mut Report<'_>,
        name: &str,
        bounds: std::ops::RangeInclusive<u32>,
    ) -> Option<u32> {
        let value = self.get(name)?;
        let Some(written) = value.get_ref().as_integer() else {
            self.wrong(report, name, value, say!("file-a-number", "a whole number"));
            return None;
        };
        let number = u32::from_str_radix(written.as_str(), written.radix()).ok();
        let number = number.filter(|n| bounds.contains(n));
        if number.is_none() {
            report.error(
                &value.span(),
                say!(
                    "file-number",
                    "{name} in {section} cannot be {value}",
                    name = name,
                    section = self.section,
                    value = written.as_str()
                ),
                say!(
                    "file-number-fix",
                    "write {low} to {high}",
                    low = *bounds.start(),
                    high = *bounds.end()
                ),
            );
        }
        number
    }

    /// One text, or a list of texts.
    pub(crate) fn texts(&self, report: &mut Report<'_>, name: &str) -> Vec<Word> {
        let Some(value) = self.get(name) else {
            return Vec::new();
        };
        let word = |value: &Spanned<DeValue<'_>>| {
            value.get_ref().as_str().map(|text| Word {
                text: text.to_owned(),
                span: value.span(),
            })
        };
        if let Some(word) = word(value) {
            return vec![word];
        }
        let Some(items) = value.get_ref().as_array() else {
            let wanted = say!("file-a-text-or-list", "a text or a list of texts");
            self.wrong(report, name, value, wanted);
            return Vec::new();
        };
        let mut words = Vec::new();
        for item in items.iter() {
            match word(item) {
                Some(word) => words.push(word),
                None => self.wrong(report, name, item, say!("file-a-list", "a list of texts")),
            }
        }
        words
    }

    /// One or more texts that must be there.
    pub(crate) fn required_texts(&self, report: &mut Report<'_>, name: &str) -> Vec<Word> {
        if !self.has(name) {
            report.error(
                &self.span,
                self.missing(name),
                say!("file-add-list", "add `{name} = [...]`", name = name),
            );
            return Vec::new();
        }
        let words = self.texts(report, name);
        if words.is_empty()
            && self
                .get(name)
                .is_some_and(|v| v.get_ref().as_array().is_some_and(|a| a.is_empty()))
        {
            report.error(
                &self.span_of(name),
                say!(
                    "file-list-empty",
                    "{name} in {section} is empty",
                    name = name,
                    section = self.section
                ),
                say!("file-list-empty-fix", "name at least one"),
            );
        }
        words
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(
        &self,
        report: &mut Report<'_>,
        name: &str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let word = self.text(report, name)?;
        choose(report, name, &word, choices)
    }

    /// A date and time, a date or a time, as TOML has them.
    pub(crate) fn datetime(&self, report: &mut Report<'_>, name: &str) -> Option<toml::value::Datetime> {
        let value = self.get(name)?;
        let datetime = value.get_ref().as_datetime();
        if datetime.is_none() {
            let wanted = say!("file-a-time", "a date or time without quotes");
            self.wrong(report, name, value, wanted);
        }
        datetime.copied()
    }
}

/// One of a few words.
pub(crate) fn choose<T: Copy>(
    report: &mut Report<'_>,
    name: &str,
    word: &Word,
    choices: &[(&str, T)],
) -> Option<T> {
    let found = choices.iter().find(|(known, _)| *known == word.text);
    if found.is_none() {
        let known = || choices.iter().map(|(known, _)| *known);
        let fix = did_you_mean(&word.text, known(), || {
            let all = known().collect::<Vec<_>>().join(", ");
            say!("file-choice-fix", "use one of {all}", all = all)
        });
        let what = say!(
            "file-choice",
            "{name} cannot be {value}",
            name = name,
            value = quoted(&word.text)
        );
        report.error(&word.span, what, fix);
    }
    found.map(|(_, value)| *value)
}

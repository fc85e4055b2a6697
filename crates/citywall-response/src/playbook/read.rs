//! From a document to a [`Playbook`]: everything but the steps.
//!
//! Owns: the properties of the playbook object (CACAO 2.0 section 3), its variables, agents and
//! targets. Does not own: steps (`read_step`), the graph (`graph`).

use citywall_event::Nanos;

use super::error::{PlaybookError, Report, limits};
use super::fields::{Fields, clean};
use super::graph;
use super::json;
use super::model::Playbook;
use super::read_step::{self, Known};
use super::variable::{Fact, GIVEN, TYPES, Variable, is_name, is_uuid, read as read_value};
use citywall_policy::nearest;

const PROPERTIES: [&str; 38] = [
    "type",
    "spec_version",
    "id",
    "name",
    "description",
    "playbook_types",
    "playbook_activities",
    "playbook_processing_summary",
    "created_by",
    "created",
    "modified",
    "revoked",
    "valid_from",
    "valid_until",
    "derived_from",
    "related_to",
    "priority",
    "severity",
    "impact",
    "industry_sectors",
    "labels",
    "external_references",
    "markings",
    "playbook_variables",
    "workflow_start",
    "workflow_exception",
    "workflow",
    "playbook_extensions",
    "authentication_info_definitions",
    "agent_definitions",
    "target_definitions",
    "extension_definitions",
    "data_marking_definitions",
    "signatures",
    "features",
    "organization_type",
    "playbook_complexity",
    "playbook_class",
];

/// playbook-type-enum.
const TYPES_OF_PLAYBOOK: [&str; 8] = [
    "attack",
    "detection",
    "engagement",
    "investigation",
    "mitigation",
    "notification",
    "prevention",
    "remediation",
];

/// Kinds of evidence that a label `incident:KIND` may name, the weakest first; as `Notice::kinds`.
pub const INCIDENTS: [&str; 13] = [
    "forbidden-contact",
    "forbidden-read",
    "alert",
    "password-guessing",
    "scan",
    "flood",
    "rogue-device",
    "takeover",
    "stolen-credentials",
    "refused-change",
    "isolation",
    "unanswered-change",
    "change",
];

/// Parties (agent-target-type-ov) that are people, places or a kind of device. The others hold
/// addresses and credentials to reach a machine with, which Citywall never does.
const PARTIES: [&str; 7] = [
    "individual",
    "group",
    "organization",
    "location",
    "sector",
    "security-category",
    "net-address",
];

impl Playbook {
    /// Reads and checks a playbook. `file` is what errors name.
    ///
    /// # Errors
    /// All that is wrong with it, each with its place and the fix.
    pub fn parse(text: &str, file: &str) -> Result<Playbook, Vec<PlaybookError>> {
        let mut report = Report::new(file, text);
        if text.len() > limits::BYTES {
            let what = format!("{} bytes, {} are the most", text.len(), limits::BYTES);
            report.error(0, "$", what, "split the playbook");
            return Err(report.finish());
        }
        let node = match json::parse(text) {
            Ok(node) => node,
            Err((at, what, fix)) => {
                report.error(at, "$", what, fix);
                return Err(report.finish());
            }
        };
        let playbook = read(&node, file, &mut report);
        match playbook {
            Some(playbook) if report.is_empty() => Ok(playbook),
            _ => Err(report.finish()),
        }
    }

    /// May it be used now?
    pub fn is_valid_at(&self, now: Nanos) -> bool {
        self.valid_from.is_none_or(|from| now >= from) && self.valid_until.is_none_or(|until| now < until)
    }
}

fn read(node: &json::Node, file: &str, report: &mut Report<'_>) -> Option<Playbook> {
    let fields = Fields::of(node, "$", &PROPERTIES, report)?;
    version(&fields, report);
    refused(&fields, report);
    let id = identifier(&fields, "id", "playbook", report);
    let name = fields.need_text("name", report).map_or("", |t| t.0);
    let created_by = fields.need_text("created_by", report);
    if let Some((text, at)) = created_by {
        check_id(text, at, "identity", &fields.path_of("created_by"), report);
    }
    fields.need("created", report);
    fields.need("modified", report);
    let created = timestamp(&fields, "created", report);
    let modified = timestamp(&fields, "modified", report);
    order(&fields, ("created", created), ("modified", modified), report);
    let valid_from = timestamp(&fields, "valid_from", report);
    let valid_until = timestamp(&fields, "valid_until", report);
    order(
        &fields,
        ("valid_from", valid_from),
        ("valid_until", valid_until),
        report,
    );
    metadata(&fields, report);
    let variables = variables(&fields, "playbook_variables", true, report);
    let known = Known {
        agents: parties(&fields, "agent_definitions", report),
        targets: parties(&fields, "target_definitions", report),
        variables: &variables,
    };
    let steps = read_step::steps(&fields, &known, report);
    let (start, exception, steps) = graph::link(&fields, steps, report)?;
    let playbook = Playbook {
        file: file.to_owned(),
        id,
        name: clean(name),
        description: fields.sentence("description", report),
        modified: fields.text("modified", report).map_or("", |t| t.0).to_owned(),
        incidents: incidents(&fields, report),
        priority: fields
            .number("priority", 100, report)
            .filter(|p| *p > 0)
            .unwrap_or(101) as u8,
        valid_from,
        valid_until,
        has_signatures: fields.get("signatures").is_some(),
        variables,
        steps,
        start,
        exception,
    };
    graph::check(&playbook, &fields, report);
    Some(playbook)
}

fn version(fields: &Fields<'_>, report: &mut Report<'_>) {
    if let Some((text, at)) = fields.need_text("type", report)
        && text != "playbook"
    {
        let what = format!("a {text:?} is no playbook that can be run");
        report.error(at, &fields.path_of("type"), what, "write \"playbook\"");
    }
    if let Some((text, at)) = fields.need_text("spec_version", report)
        && text != "cacao-2.0"
    {
        let what = format!("version {text:?} of the standard");
        let fix = "write \"cacao-2.0\" after having brought the playbook to that version";
        report.error(at, &fields.path_of("spec_version"), what, fix);
    }
}

/// What the standard allows and Citywall refuses by name.
fn refused(fields: &Fields<'_>, report: &mut Report<'_>) {
    if let Some(node) = fields.get("authentication_info_definitions") {
        let fix = "remove it: Citywall logs in nowhere, and secrets do not belong in a playbook";
        let path = fields.path_of("authentication_info_definitions");
        report.error(node.at, &path, "credentials", fix);
    }
    if fields.bool("revoked", report) == Some(true) {
        report.error(
            fields.at,
            "$.revoked",
            "its maker has revoked this playbook",
            "get the version in force",
        );
    }
}

/// Properties that are for people and other tools: only their types are looked at.
fn metadata(fields: &Fields<'_>, report: &mut Report<'_>) {
    for (text, at) in fields.texts("playbook_types", report) {
        if !TYPES_OF_PLAYBOOK.contains(&text) {
            let fix = match nearest(text, TYPES_OF_PLAYBOOK) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("there are {}", TYPES_OF_PLAYBOOK.join(", ")),
            };
            let path = fields.path_of("playbook_types");
            report.error(at, &path, format!("no type of playbook {text:?}"), fix);
        }
    }
    for name in ["playbook_activities", "industry_sectors", "labels"] {
        fields.texts(name, report);
    }
    for (name, kind) in [("derived_from", "playbook"), ("related_to", "playbook")] {
        for (text, at) in fields.texts(name, report) {
            check_id(text, at, kind, &fields.path_of(name), report);
        }
    }
    for name in ["severity", "impact"] {
        fields.number(name, 100, report);
    }
}

fn incidents(fields: &Fields<'_>, report: &mut Report<'_>) -> Vec<String> {
    let mut kinds = Vec::new();
    for (text, at) in fields.texts("labels", report) {
        let Some(kind) = text.strip_prefix("incident:") else {
            continue;
        };
        if INCIDENTS.contains(&kind) {
            if !kinds.iter().any(|k| k == kind) {
                kinds.push(kind.to_owned());
            }
            continue;
        }
        let fix = match nearest(kind, INCIDENTS) {
            Some(near) => format!("did you mean \"incident:{near}\"?"),
            None => format!("there are {}", INCIDENTS.join(", ")),
        };
        report.error(at, "$.labels", format!("no kind of evidence {kind:?}"), fix);
    }
    kinds
}

/// `KIND--UUID` that must be there.
fn identifier(fields: &Fields<'_>, name: &str, kind: &str, report: &mut Report<'_>) -> String {
    let Some((text, at)) = fields.need_text(name, report) else {
        return String::new();
    };
    check_id(text, at, kind, &fields.path_of(name), report);
    text.to_owned()
}

/// An identifier is its type, two dashes and a UUID.
pub(crate) fn check_id(text: &str, at: usize, kind: &str, path: &str, report: &mut Report<'_>) -> bool {
    let uuid = text.strip_prefix(kind).and_then(|t| t.strip_prefix("--"));
    let good = uuid.is_some_and(is_uuid);
    if !good {
        let shown: String = clean(text).chars().take(60).collect();
        let fix = format!("write {kind}-- and a UUID, as {kind}--5f6c1a52-8c1e-4d4e-9a37-0d8e1c2b3a49");
        report.error(at, path, format!("{shown:?} is no identifier of a {kind}"), fix);
    }
    good
}

fn order(
    fields: &Fields<'_>,
    (earlier, from): (&str, Option<Nanos>),
    (later, to): (&str, Option<Nanos>),
    report: &mut Report<'_>,
) {
    if let (Some(from), Some(to)) = (from, to)
        && to < from
    {
        let at = fields.get(later).map_or(fields.at, |n| n.at);
        let what = format!("{later} is before {earlier}");
        report.error(at, &fields.path_of(later), what, "exchange the two");
    }
}

/// RFC 3339 in UTC, as the standard wants it: `2026-11-22T16:47:19.000Z`.
fn timestamp(fields: &Fields<'_>, name: &str, report: &mut Report<'_>) -> Option<Nanos> {
    let (text, at) = fields.text(name, report)?;
    let parsed = parse_time(text);
    if parsed.is_none() {
        let what = format!(
            "{:?} is no time",
            clean(text).chars().take(40).collect::<String>()
        );
        report.error(
            at,
            &fields.path_of(name),
            what,
            "write it in UTC, as 2026-11-22T16:47:19.000Z",
        );
    }
    parsed
}

pub(crate) fn parse_time(text: &str) -> Option<Nanos> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let number = |text: &str, digits: usize| -> Option<i64> {
        let good = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
        if good { text.parse().ok() } else { None }
    };
    let mut parts = date.split('-');
    let (year, month, day) = (
        number(parts.next()?, 4)?,
        number(parts.next()?, 2)?,
        number(parts.next()?, 2)?,
    );
    if parts.next().is_some() {
        return None;
    }
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut parts = clock.split(':');
    let (hour, minute, second) = (
        number(parts.next()?, 2)?,
        number(parts.next()?, 2)?,
        number(parts.next()?, 2)?,
    );
    let good_fraction = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    let in_range = (1970..=2261).contains(&year) && (1..=days).contains(&day) && hour < 24 && minute < 60;
    if parts.next().is_some() || !good_fraction || !in_range || second > 60 {
        return None;
    }
    let nanos: i64 = format!("{fraction:0<9}").parse().ok()?;
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(seconds * 1_000_000_000 + nanos)
}

/// Days of the Gregorian calendar before a date: years are counted from March, so that the leap
/// day is the last of its year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month < 3 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let before_year = 365 * year + year / 4 - year / 100 + year / 400;
    before_year + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// Variables of the playbook (`external` allowed) or of a step.
pub(crate) fn variables(
    fields: &Fields<'_>,
    name: &str,
    outer: bool,
    report: &mut Report<'_>,
) -> Vec<Variable> {
    let mut all: Vec<Variable> = Vec::new();
    for member in fields.entries(name, limits::VARIABLES, report) {
        let path = format!("{}.{name}.{}", fields.path, clean(&member.name));
        if !is_name(&member.name) {
            let what = format!("{:?} is no name of a variable", clean(&member.name));
            report.error(
                member.at,
                &path,
                what,
                "write it between two underscores, as __suspect__",
            );
            continue;
        }
        let known = ["type", "description", "value", "constant", "external"];
        let Some(inner) = Fields::of(&member.node, &path, &known, report) else {
            continue;
        };
        all.extend(variable(&inner, &member.name, outer, report));
    }
    all
}

fn variable(inner: &Fields<'_>, name: &str, outer: bool, report: &mut Report<'_>) -> Option<Variable> {
    inner.sentence("description", report);
    inner.bool("constant", report);
    let external = inner.bool("external", report) == Some(true);
    let (type_, at) = inner.need_text("type", report)?;
    let Some((_, kind)) = TYPES.iter().find(|(t, _)| *t == type_) else {
        let known = TYPES.map(|(t, _)| t);
        let fix = match nearest(type_, known) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("there are {}", known.join(", ")),
        };
        report.error(
            at,
            &inner.path_of("type"),
            format!("no type of variable {:?}", clean(type_)),
            fix,
        );
        return None;
    };
    let given = GIVEN.iter().find(|g| g.name == name);
    if external {
        let fix = match given {
            Some(given) if outer && given.type_ == type_ => None,
            Some(given) if outer => Some(format!("its type is {:?}", given.type_)),
            _ => Some(format!(
                "an incident gives the playbook {}",
                GIVEN.map(|g| g.name).join(", ")
            )),
        };
        if let Some(fix) = fix {
            report.error(
                inner.at,
                &inner.path,
                format!("nothing gives {name} such a value"),
                fix,
            );
        }
    } else if let Some(given) = given {
        // Else a playbook could call its own text "the suspected source".
        let what = format!("{name} is what an incident fills: {}", given.says);
        report.error(
            inner.at,
            &inner.path,
            what,
            "add \"external\": true, or choose another name",
        );
    }
    let value = match inner.get("value").map(|n| (&n.value, n.at)) {
        None | Some((json::Value::Null, _)) => Fact::Unknown,
        Some((json::Value::Text(text), at)) => match read_value(type_, text) {
            Ok(fact) => fact,
            Err(fix) => {
                report.error(
                    at,
                    &inner.path_of("value"),
                    format!("no value of type {type_}"),
                    fix,
                );
                Fact::Unknown
            }
        },
        Some((_, at)) => {
            report.error(
                at,
                &inner.path_of("value"),
                "values are strings",
                "write it in \"\"",
            );
            Fact::Unknown
        }
    };
    Some(Variable {
        name: name.to_owned(),
        kind: *kind,
        value: if external { Fact::Unknown } else { value },
        external,
    })
}

/// Ids, types and names of agents or targets.
fn parties(fields: &Fields<'_>, name: &str, report: &mut Report<'_>) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for member in fields.entries(name, limits::PARTIES, report) {
        let path = format!("{}.{name}.{}", fields.path, clean(&member.name));
        let json::Value::Object(members) = &member.node.value else {
            report.error(member.node.at, &path, "no object", "write an object, {...}");
            continue;
        };
        // What else a party has is for people: only the two that say what it is are looked at.
        let known: Vec<&str> = members.iter().map(|m| m.name.as_str()).collect();
        let Some(inner) = Fields::of(&member.node, &path, &known, report) else {
            continue;
        };
        inner.need_text("name", report);
        let Some((type_, at)) = inner.need_text("type", report) else {
            continue;
        };
        if !PARTIES.contains(&type_) {
            let what = format!("a party of type {:?}", clean(type_));
            let fix = format!(
                "Citywall connects to nothing that a playbook names; use one of {}",
                PARTIES.join(", ")
            );
            report.error(at, &inner.path_of("type"), what, fix);
            continue;
        }
        if check_id(&member.name, member.at, type_, &path, report) {
            all.push((member.name.clone(), type_.to_owned()));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::parse_time;

    #[test]
    fn times_are_read_as_the_calendar_has_them() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:00:00.5Z", Some(951_825_600_500_000_000)),
            ("2026-11-22T16:47:19.000Z", Some(1_795_366_039_000_000_000)),
            ("2100-02-29T00:00:00Z", None),
            ("2026-11-22T16:47:19", None),
            ("2026-11-22 16:47:19Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-11-22T24:00:00Z", None),
            ("2026-11-22T16:47:19.Z", None),
            ("9999-11-22T16:47:19Z", None),
        ] {
            assert_eq!(parse_time(text), expected, "{text}");
        }
    }
}

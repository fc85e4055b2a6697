//! Steps and commands of a playbook.
//!
//! Owns: the properties of each type of step (CACAO 2.0 section 4) and of commands (section 5), and
//! which of them are refused. Steps that follow are still named by id; `graph` finds them.

use citywall_event::Nanos;
use citywall_policy::nearest;

use super::condition::Condition;
use super::error::{Report, limits};
use super::fields::{Fields, clean};
use super::json::{Member, Value};
use super::model::{Command, Target};
use super::read::{check_id, variables};
use super::variable::{Kind, Variable};
use crate::Rung;

const COMMON: [&str; 12] = [
    "type",
    "name",
    "description",
    "external_references",
    "delay",
    "timeout",
    "step_variables",
    "owner",
    "on_completion",
    "on_success",
    "on_failure",
    "step_extensions",
];

/// Step types and the properties that each adds.
const TYPES: [(&str, &[&str]); 8] = [
    ("start", &[]),
    ("end", &[]),
    ("action", &["commands", "agent", "targets", "in_args", "out_args"]),
    (
        "playbook-action",
        &["playbook_id", "playbook_version", "in_args", "out_args"],
    ),
    ("parallel", &["next_steps"]),
    ("if-condition", &["condition", "on_true", "on_false"]),
    ("while-condition", &["condition", "on_true"]),
    ("switch-condition", &["switch", "cases"]),
];

/// command-type-ov: what the standard lets a playbook run, and Citywall never runs.
const NEVER_RUN: [&str; 13] = [
    "bash",
    "caldera-cmd",
    "elastic",
    "http-api",
    "jupyter",
    "kestrel",
    "openc2-http",
    "openc2-json",
    "powershell",
    "sigma",
    "ssh",
    "yara",
    "attack-cmd",
];

/// Citywall's own type of command.
pub(crate) const OURS: &str = "x-citywall";

/// A step that another step names.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) id: String,
    pub(crate) at: usize,
    pub(crate) path: String,
}

/// A step whose successors are still names.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) delay: Nanos,
    pub(crate) timeout: Option<Nanos>,
    pub(crate) deed: Deed,
    pub(crate) on_completion: Option<Name>,
    pub(crate) on_success: Option<Name>,
    pub(crate) on_failure: Option<Name>,
}

#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Start,
    End,
    Act(Vec<Command>),
    Parallel(Vec<Name>),
    If(Condition, Name, Option<Name>),
    While(Condition, Name),
    Switch(String, Vec<(String, Name)>, Option<Name>),
}

/// What steps may refer to.
pub(crate) struct Known<'a> {
    /// Ids and types.
    pub(crate) agents: Vec<(String, String)>,
    pub(crate) targets: Vec<(String, String)>,
    pub(crate) variables: &'a [Variable],
}

/// Reads all steps.
pub(crate) fn steps(playbook: &Fields<'_>, known: &Known<'_>, report: &mut Report<'_>) -> Vec<Read> {
    playbook.need("workflow", report);
    let entries = playbook.entries("workflow", limits::STEPS, report);
    entries
        .iter()
        .filter_map(|member| step(member, &playbook.path_of("workflow"), known, report))
        .collect()
}

fn step(member: &Member, path: &str, known: &Known<'_>, report: &mut Report<'_>) -> Option<Read> {
    let path = format!(
        "{path}.{}",
        clean(&member.name).chars().take(80).collect::<String>()
    );
    let Value::Object(members) = &member.node.value else {
        report.error(
            member.node.at,
            &path,
            "a step is no object",
            "write an object, {...}",
        );
        return None;
    };
    let type_ = members.iter().find(|m| m.name == "type");
    let type_name = type_.and_then(|m| match &m.node.value {
        Value::Text(text) => Some(text.as_str()),
        _ => None,
    });
    let Some((type_name, own)) = TYPES.iter().find(|(name, _)| Some(*name) == type_name) else {
        let names = TYPES.map(|(name, _)| name);
        let (at, what) = match type_name {
            Some(name) => (
                type_.map_or(member.at, |m| m.node.at),
                format!("no type of step {:?}", clean(name)),
            ),
            None => (member.node.at, "a step without a type".to_owned()),
        };
        let near = type_name.and_then(|name| nearest(name, names));
        let fix = match near {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("there are {}", names.join(", ")),
        };
        report.error(at, &path, what, fix);
        return None;
    };
    let properties = [&COMMON[..], own].concat();
    let fields = Fields::of(&member.node, &path, &properties, report)?;
    check_id(&member.name, member.at, type_name, &path, report);
    let step_variables = variables(&fields, "step_variables", false, report);
    if let Some(name) = known
        .variables
        .iter()
        .find(|v| step_variables.iter().any(|s| s.name == v.name))
    {
        let what = format!("{} is a variable of the playbook already", name.name);
        report.error(
            fields.at,
            &fields.path_of("step_variables"),
            what,
            "choose another name",
        );
    }
    let deed = deed(type_name, &fields, known, report)?;
    let milliseconds = |name: &str, report: &mut Report<'_>| {
        let number = fields.number(name, limits::SECONDS * 1_000, report)?;
        Some(number as Nanos * 1_000_000)
    };
    let delay = milliseconds("delay", report).unwrap_or(0);
    let timeout = milliseconds("timeout", report);
    let read = Read {
        id: member.name.clone(),
        name: fields.sentence("name", report),
        description: fields.sentence("description", report),
        delay,
        timeout,
        deed,
        on_completion: follow(&fields, "on_completion", report),
        on_success: follow(&fields, "on_success", report),
        on_failure: follow(&fields, "on_failure", report),
        path,
    };
    exclusive(&read, report);
    Some(read)
}

/// `on_completion` stands alone.
fn exclusive(step: &Read, report: &mut Report<'_>) {
    let either = step.on_success.as_ref().or(step.on_failure.as_ref());
    if let (Some(_), Some(other)) = (&step.on_completion, either) {
        let what = "on_completion stands with on_success or on_failure";
        report.error(
            other.at,
            &step.path,
            what,
            "keep on_completion alone, or the other two",
        );
    }
    let ends = matches!(step.deed, Deed::End);
    if let (true, Some(next)) = (ends, step.on_completion.as_ref().or(either)) {
        report.error(next.at, &next.path, "something follows an end step", "remove it");
    }
    let acts = matches!(step.deed, Deed::Act(_));
    if let (false, false, Some(next)) = (acts, ends, either) {
        let what = "only an action can succeed or fail";
        report.error(next.at, &next.path, what, "write on_completion");
    }
}

fn follow(fields: &Fields<'_>, name: &str, report: &mut Report<'_>) -> Option<Name> {
    let (id, at) = fields.text(name, report)?;
    Some(Name {
        id: id.to_owned(),
        at,
        path: fields.path_of(name),
    })
}

fn need_follow(fields: &Fields<'_>, name: &str, report: &mut Report<'_>) -> Option<Name> {
    fields.need(name, report)?;
    follow(fields, name, report)
}

fn deed(type_: &str, fields: &Fields<'_>, known: &Known<'_>, report: &mut Report<'_>) -> Option<Deed> {
    Some(match type_ {
        "start" => Deed::Start,
        "end" => Deed::End,
        "action" => Deed::Act(action(fields, known, report)),
        "parallel" => Deed::Parallel(branches(fields, report)),
        "if-condition" => {
            let condition = condition(fields, known, report);
            let on_true = need_follow(fields, "on_true", report);
            Deed::If(condition?, on_true?, follow(fields, "on_false", report))
        }
        "while-condition" => {
            let condition = condition(fields, known, report);
            Deed::While(condition?, need_follow(fields, "on_true", report)?)
        }
        "switch-condition" => switch(fields, known, report)?,
        _ => {
            let what = "a playbook that runs another";
            let fix = "copy its steps here: what is approved must stand in one document";
            report.error(fields.at, &fields.path, what, fix);
            return None;
        }
    })
}

fn branches(fields: &Fields<'_>, report: &mut Report<'_>) -> Vec<Name> {
    fields.need("next_steps", report);
    let path = fields.path_of("next_steps");
    let names: Vec<Name> = fields
        .texts("next_steps", report)
        .into_iter()
        .map(|(id, at)| Name {
            id: id.to_owned(),
            at,
            path: path.clone(),
        })
        .collect();
    if names.is_empty() || names.len() > limits::BRANCHES {
        let what = format!("{} branches", names.len());
        report.error(
            fields.at,
            &path,
            what,
            format!("name 1 to {} steps", limits::BRANCHES),
        );
    }
    for (place, name) in names.iter().enumerate() {
        if names[..place].iter().any(|n| n.id == name.id) {
            report.error(name.at, &path, "the same branch twice", "keep one");
        }
    }
    names
}

fn condition(fields: &Fields<'_>, known: &Known<'_>, report: &mut Report<'_>) -> Option<Condition> {
    let (text, at) = fields.need_text("condition", report)?;
    let kind_of = |name: &str| kind_of(known, name);
    match Condition::parse(text, &kind_of) {
        Ok(condition) => Some(condition),
        Err((place, what, fix)) => {
            // One for the quotation mark; escapes within a condition shift it.
            report.error(at + 1 + place, &fields.path_of("condition"), what, fix);
            None
        }
    }
}

fn kind_of(known: &Known<'_>, name: &str) -> Option<Kind> {
    known.variables.iter().find(|v| v.name == name).map(|v| v.kind)
}

fn switch(fields: &Fields<'_>, known: &Known<'_>, report: &mut Report<'_>) -> Option<Deed> {
    let (text, at) = fields.need_text("switch", report)?;
    let name = text.strip_suffix(":value").unwrap_or(text);
    let kind = kind_of(known, name);
    if !matches!(kind, Some(Kind::Text | Kind::Int | Kind::Bool)) {
        let what = match kind {
            None => format!("no variable {}", clean(name)),
            Some(kind) => format!("{} is {}", clean(name), kind.name()),
        };
        let fix = "switch on a text, a number or a bool that playbook_variables declares";
        report.error(at, &fields.path_of("switch"), what, fix);
    }
    fields.need("cases", report);
    let path = fields.path_of("cases");
    let mut cases = Vec::new();
    let mut default = None;
    let entries = fields.entries("cases", limits::BRANCHES, report);
    if entries.is_empty() {
        report.error(
            fields.at,
            &path,
            "no case",
            "add \"value\": \"step\", and \"default\"",
        );
    }
    for member in entries {
        let Value::Text(id) = &member.node.value else {
            report.error(
                member.node.at,
                &path,
                "a case leads to no step",
                "write the step's id",
            );
            continue;
        };
        let next = Name {
            id: id.clone(),
            at: member.node.at,
            path: format!("{path}.{}", clean(&member.name)),
        };
        match member.name.as_str() {
            "default" => default = Some(next),
            value => cases.push((value.to_owned(), next)),
        }
    }
    Some(Deed::Switch(name.to_owned(), cases, default))
}

fn action(fields: &Fields<'_>, known: &Known<'_>, report: &mut Report<'_>) -> Vec<Command> {
    party(fields, known, report);
    for name in ["in_args", "out_args"] {
        for (text, at) in fields.texts(name, report) {
            if name == "out_args" {
                let fix = "remove it: nothing that Citywall does gives a value to a variable";
                report.error(at, &fields.path_of(name), "a value that comes back", fix);
            } else if kind_of(known, text.strip_suffix(":value").unwrap_or(text)).is_none() {
                let fix = "declare it in playbook_variables";
                report.error(
                    at,
                    &fields.path_of(name),
                    format!("no variable {}", clean(text)),
                    fix,
                );
            }
        }
    }
    fields.need("commands", report);
    let path = fields.path_of("commands");
    let nodes = fields.list("commands", report).unwrap_or(&[]);
    if nodes.is_empty() || nodes.len() > limits::COMMANDS {
        let what = format!("{} commands", nodes.len());
        report.error(fields.at, &path, what, format!("write 1 to {}", limits::COMMANDS));
        return Vec::new();
    }
    let mut commands = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let known_here = [
            "type",
            "command",
            "command_b64",
            "description",
            "version",
            "playbook_activity",
            "external_references",
        ];
        // A command that is refused anyway need not be told what else is wrong with it.
        let path = format!("{path}[{index}]");
        if never_run(node, &path, report) {
            continue;
        }
        if let Some(inner) = Fields::of(node, &path, &known_here, report) {
            commands.extend(command(&inner, known, report));
        }
    }
    let asks = commands
        .iter()
        .filter(|c| matches!(c, Command::Ask { .. }))
        .count();
    if asks > 1 {
        let fix = "give each a step of its own: an answer names the step";
        report.error(
            fields.at,
            &path,
            format!("{asks} manual commands in one step"),
            fix,
        );
    }
    commands
}

fn party(fields: &Fields<'_>, known: &Known<'_>, report: &mut Report<'_>) {
    let none = |id: &str, list: &str| {
        (
            format!("no party {:?}", clean(id)),
            format!("define it in {list}"),
        )
    };
    if let Some((id, at)) = fields.need_text("agent", report)
        && !known.agents.iter().any(|(known, _)| known == id)
    {
        let (what, fix) = none(id, "agent_definitions");
        report.error(at, &fields.path_of("agent"), what, fix);
    }
    for (id, at) in fields.texts("targets", report) {
        if !known.targets.iter().any(|(known, _)| known == id) {
            let (what, fix) = none(id, "target_definitions");
            report.error(at, &fields.path_of("targets"), what, fix);
        }
    }
}

/// Types of command that are refused by name.
fn never_run(node: &super::json::Node, path: &str, report: &mut Report<'_>) -> bool {
    let Value::Object(members) = &node.value else {
        return false;
    };
    let Some((type_, at)) = members.iter().find_map(|m| match &m.node.value {
        Value::Text(text) if m.name == "type" => Some((text.as_str(), m.node.at)),
        _ => None,
    }) else {
        return false;
    };
    if type_ == OURS || type_ == "manual" {
        return false;
    }
    let what = match NEVER_RUN.contains(&type_) {
        true => format!("a {type_} command: Citywall runs no code and reaches no machine for a playbook"),
        false => format!("no type of command {:?}", clean(type_)),
    };
    let fix = format!("write it as \"{OURS}\" (a rung of the ladder), or as \"manual\" for a person to do");
    report.error(at, &format!("{path}.type"), what, fix);
    true
}

fn command(fields: &Fields<'_>, known: &Known<'_>, report: &mut Report<'_>) -> Option<Command> {
    let (type_, _) = fields.need_text("type", report)?;
    if let Some(node) = fields.get("command_b64") {
        let fix = "write it in \"command\": what a person cannot read nobody can approve";
        report.error(node.at, &fields.path_of("command_b64"), "an encoded command", fix);
        return None;
    }
    let reason = fields.sentence("description", report);
    let (text, at) = fields.need_text("command", report)?;
    let path = fields.path_of("command");
    if type_ == "manual" {
        let text = clean(text);
        let length = text.chars().count();
        if text.trim().is_empty() || length > limits::SENTENCE {
            let what = format!("{length} characters to tell a person what to do");
            report.error(at, &path, what, format!("write 1 to {}", limits::SENTENCE));
        }
        return Some(Command::Ask { text });
    }
    match want(text, known) {
        Ok((rung, target, time_to_live)) => Some(Command::Want {
            rung,
            target,
            time_to_live,
            reason,
        }),
        Err((place, what, fix)) => {
            report.error(at + 1 + place, &path, what, fix);
            None
        }
    }
}

/// What is wrong: where, what, and the fix.
type Wrong = (usize, String, String);

/// `RUNG TARGET [for DURATION]`.
fn want(text: &str, known: &Known<'_>) -> Result<(Rung, Target, Option<Nanos>), Wrong> {
    let place = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let (rung_word, target_word, rest) = match words.as_slice() {
        [rung, target, rest @ ..] => (*rung, *target, rest),
        _ => {
            let fix = "write RUNG TARGET [for DURATION], as deny-conduit __suspect__:value for 30m";
            return Err((0, "too few words".to_owned(), fix.to_owned()));
        }
    };
    let Some(rung) = Rung::parse(rung_word) else {
        let names = Rung::ALL.map(Rung::name);
        let fix = match nearest(rung_word, names) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("the ladder has {}", names.join(", ")),
        };
        return Err((place(rung_word), format!("no rung {:?}", clean(rung_word)), fix));
    };
    let named = Target::NAMES.iter().find(|(name, _)| *name == target_word);
    let Some((_, target)) = named else {
        let fix = "write __suspect__:value, __suspects__:value or __incident__:value: a playbook acts on its \
                   own incident's suspects alone, and names no address";
        return Err((
            place(target_word),
            format!("no target {:?}", clean(target_word)),
            fix.to_owned(),
        ));
    };
    let variable = target_word.trim_end_matches(":value");
    if kind_of(known, variable).is_none() {
        let fix = format!("add {variable:?} to playbook_variables, with \"external\": true");
        return Err((place(target_word), format!("{variable} is not declared"), fix));
    }
    let mild = rung <= Rung::Notify;
    if *target == Target::Incident && !mild {
        let fix = "write __suspect__:value or __suspects__:value";
        return Err((
            place(target_word),
            format!("{} the incident", rung.name()),
            fix.to_owned(),
        ));
    }
    let time_to_live = match rest {
        [] => None,
        ["for", duration] if !mild => Some(span(duration).ok_or_else(|| {
            let fix = format!(
                "write 90s, 30m, 12h or 7d; {} days are the most",
                limits::SECONDS / 86_400
            );
            (place(duration), format!("{:?} is no time", clean(duration)), fix)
        })?),
        [word, ..] => {
            let fix = match mild {
                true => "end it here: what touches nothing has no time to live",
                false => "write nothing more, or for DURATION",
            };
            return Err((
                place(word),
                format!("{:?} stands here", clean(word)),
                fix.to_owned(),
            ));
        }
    };
    Ok((rung, *target, time_to_live))
}

fn span(text: &str) -> Option<Nanos> {
    let split = text
        .len()
        .checked_sub(1)
        .filter(|at| text.is_char_boundary(*at))?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let good = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let count: u64 = if good { number.parse().ok()? } else { return None };
    let all = count
        .checked_mul(seconds)
        .filter(|s| (1..=limits::SECONDS).contains(s))?;
    Some(all as Nanos * 1_000_000_000)
}

//! The workflow as a graph: every name is a step, every step is reached, every way ends.
//!
//! Owns: finding the steps that others name, and the laws of the graph. Does not own: what a step
//! does.
//!
//! A branch (of `if`, `switch`, `while`, `parallel`) ends in an end step; then what follows the
//! branching step comes. The one way back that is allowed is from within the branch of a
//! `while-condition` to it, which says the same as ending the branch.

use hashbrown::HashMap;

use super::error::{Report, limits};
use super::fields::Fields;
use super::model::{Deed, Playbook, Step};
use super::read_step::{Deed as ReadDeed, Name, Read};
use citywall_policy::nearest;

/// Finds the steps that names mean. `None` where the start cannot be found.
pub(crate) fn link(
    playbook: &Fields<'_>,
    read: Vec<Read>,
    report: &mut Report<'_>,
) -> Option<(usize, Option<usize>, Vec<Step>)> {
    let places: HashMap<String, usize> = read.iter().enumerate().map(|(n, r)| (r.id.clone(), n)).collect();
    let named = |name: &str, report: &mut Report<'_>| {
        let (id, at) = playbook.text(name, report)?;
        let path = playbook.path_of(name);
        find(
            &places,
            &Name {
                id: id.to_owned(),
                at,
                path,
            },
            report,
        )
    };
    playbook.need("workflow_start", report);
    let start = named("workflow_start", report);
    let exception = named("workflow_exception", report);
    if let Some(step) = start.and_then(|s| read.get(s))
        && !matches!(step.deed, ReadDeed::Start)
    {
        let at = playbook.get("workflow_start").map_or(playbook.at, |n| n.at);
        let fix = "name a step of type start";
        report.error(
            at,
            "$.workflow_start",
            "the workflow starts with another step",
            fix,
        );
    }
    let steps = read
        .into_iter()
        .map(|step| link_step(step, &places, report))
        .collect();
    Some((start?, exception, steps))
}

fn find(places: &HashMap<String, usize>, name: &Name, report: &mut Report<'_>) -> Option<usize> {
    let found = places.get(&name.id).copied();
    if found.is_none() {
        let mut known: Vec<&str> = places.keys().map(String::as_str).collect();
        known.sort_unstable();
        let fix = match nearest(&name.id, known) {
            Some(near) => format!("did you mean {near:?}?"),
            None => "name a step of the workflow".to_owned(),
        };
        let shown: String = super::fields::clean(&name.id).chars().take(80).collect();
        report.error(name.at, &name.path, format!("no step {shown:?}"), fix);
    }
    found
}

/// A step that names one that is not there is kept without it: the error is told already.
fn link_step(step: Read, places: &HashMap<String, usize>, report: &mut Report<'_>) -> Step {
    let mut get = |name: &Option<Name>| name.as_ref().and_then(|name| find(places, name, report));
    let (on_completion, on_success, on_failure) = (
        get(&step.on_completion),
        get(&step.on_success),
        get(&step.on_failure),
    );
    let mut must = |name: &Name| find(places, name, report).unwrap_or(usize::MAX);
    let deed = match step.deed {
        ReadDeed::Start => Deed::Start,
        ReadDeed::End => Deed::End,
        ReadDeed::Act(commands) => Deed::Act(commands),
        ReadDeed::Parallel(names) => Deed::Parallel(names.iter().map(must).collect()),
        ReadDeed::If(condition, on_true, on_false) => Deed::If {
            condition,
            on_true: must(&on_true),
            on_false: on_false.as_ref().map(must),
        },
        ReadDeed::While(condition, on_true) => Deed::While {
            condition,
            on_true: must(&on_true),
        },
        ReadDeed::Switch(variable, cases, default) => Deed::Switch {
            variable,
            cases: cases
                .into_iter()
                .map(|(value, name)| (value, must(&name)))
                .collect(),
            default: default.as_ref().map(must),
        },
    };
    Step {
        id: step.id,
        name: step.name,
        description: step.description,
        delay: step.delay,
        timeout: step.timeout,
        deed,
        on_completion,
        on_success,
        on_failure,
    }
}

impl Step {
    /// The branches that it opens.
    pub(crate) fn branches(&self) -> Vec<usize> {
        match &self.deed {
            Deed::Start | Deed::End | Deed::Act(_) => Vec::new(),
            Deed::Parallel(steps) => steps.clone(),
            Deed::If {
                on_true, on_false, ..
            } => std::iter::once(*on_true).chain(*on_false).collect(),
            Deed::While { on_true, .. } => vec![*on_true],
            Deed::Switch { cases, default, .. } => cases.iter().map(|c| c.1).chain(*default).collect(),
        }
    }

    /// What comes after it.
    pub(crate) fn followers(&self) -> impl Iterator<Item = usize> {
        [self.on_completion, self.on_success, self.on_failure]
            .into_iter()
            .flatten()
    }
}

/// The laws of the graph. Told only of a playbook that has no other errors: a missing step would
/// make many of them.
pub(crate) fn check(playbook: &Playbook, fields: &Fields<'_>, report: &mut Report<'_>) {
    if !report.is_empty() {
        return;
    }
    let places: HashMap<&str, usize> = fields
        .entries("workflow", limits::STEPS, report)
        .iter()
        .map(|m| (m.name.as_str(), m.at))
        .collect();
    let mut tell = |step: &Step, what: String, fix: &str| {
        let at = places.get(step.id.as_str()).copied().unwrap_or(0);
        report.error(at, &format!("$.workflow.{}", step.id), what, fix);
    };
    let mut walk = Walk::new(playbook);
    for root in std::iter::once(playbook.start).chain(playbook.exception) {
        walk.visit(root);
    }
    for (place, step) in playbook.steps.iter().enumerate() {
        if !walk.seen[place] {
            tell(
                step,
                "no way leads to this step".to_owned(),
                "remove it, or name it in the step before",
            );
        }
        let starts = matches!(step.deed, Deed::Start);
        if starts && place != playbook.start {
            tell(
                step,
                "a second start step".to_owned(),
                "keep the one that workflow_start names",
            );
        }
        let acts = matches!(step.deed, Deed::Act(_));
        let ends = matches!(step.deed, Deed::End);
        let goes_on = step.on_completion.is_some() || step.on_success.is_some();
        if (acts || starts) && !goes_on {
            tell(
                step,
                "nothing follows".to_owned(),
                "add on_completion; the last step is one of type end",
            );
        }
        let _ = ends;
    }
    for (from, to) in &walk.back {
        let (Some(from), Some(to)) = (playbook.steps.get(*from), playbook.steps.get(*to)) else {
            continue;
        };
        let what = format!("the way goes in a circle, back to {}", to.id);
        tell(from, what, "repeat by a while-condition, which is bounded");
    }
    if !playbook.steps.iter().any(|s| matches!(s.deed, Deed::End)) {
        tell(
            &playbook.steps[playbook.start],
            "there is no end step".to_owned(),
            "add a step of type end",
        );
    }
    if !playbook.steps.iter().any(|s| matches!(s.deed, Deed::Act(_))) {
        let start = &playbook.steps[playbook.start];
        tell(
            start,
            "there is no action".to_owned(),
            "add a step of type action",
        );
    }
    for step in walk.too_deep {
        if let Some(step) = playbook.steps.get(step) {
            let what = format!("more than {} branches within branches", limits::NESTED);
            tell(step, what, "make it flatter");
        }
    }
}

/// Depth first, without recursion.
struct Walk<'a> {
    playbook: &'a Playbook,
    seen: Vec<bool>,
    /// Steps on the way from the root: for a `while`, whether the way leads through its branch.
    on_way: HashMap<usize, bool>,
    back: Vec<(usize, usize)>,
    too_deep: Vec<usize>,
}

impl<'a> Walk<'a> {
    fn new(playbook: &'a Playbook) -> Walk<'a> {
        Walk {
            playbook,
            seen: vec![false; playbook.steps.len()],
            on_way: HashMap::new(),
            back: Vec::new(),
            too_deep: Vec::new(),
        }
    }

    /// Edges of a step: to whom, and whether into a branch.
    fn edges(&self, place: usize) -> Vec<(usize, bool)> {
        let Some(step) = self.playbook.steps.get(place) else {
            return Vec::new();
        };
        let branches = step.branches().into_iter().map(|to| (to, true));
        branches.chain(step.followers().map(|to| (to, false))).collect()
    }

    fn visit(&mut self, root: usize) {
        if self.seen.get(root).copied().unwrap_or(true) {
            return;
        }
        self.seen[root] = true;
        self.on_way.insert(root, false);
        let mut way = vec![(root, self.edges(root), 0_usize, 0_usize)];
        while let Some((place, edges, next, depth)) = way.last_mut() {
            let (place, depth) = (*place, *depth);
            let Some((to, into)) = edges.get(*next).copied() else {
                self.on_way.remove(&place);
                way.pop();
                continue;
            };
            *next += 1;
            if into {
                self.on_way.insert(place, true);
            } else {
                self.on_way.insert(place, false);
            }
            if let Some(in_branch) = self.on_way.get(&to) {
                let loops = matches!(
                    self.playbook.steps.get(to).map(|s| &s.deed),
                    Some(Deed::While { .. })
                );
                if !(loops && *in_branch) {
                    self.back.push((place, to));
                }
                continue;
            }
            let deeper = depth + usize::from(into);
            if deeper > limits::NESTED {
                self.too_deep.push(to);
                continue;
            }
            if self.seen.get(to).copied().unwrap_or(true) {
                continue;
            }
            self.seen[to] = true;
            self.on_way.insert(to, false);
            let edges = self.edges(to);
            way.push((to, edges, 0, deeper));
        }
    }
}

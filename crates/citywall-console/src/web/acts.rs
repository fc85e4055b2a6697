//! What a person does: approve, reject, take back, and 'this is normal here'.
//!
//! Owns: the forms, and that nothing is asked of the gate that the table of permissions does not
//! allow. Does not own: the gate's judgement; what is refused there is shown in its words.

use axum::Form;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::context::{Ctx, Refusal, inside};
use super::incidents::{self, rung};
use super::layout::{self, csrf};
use super::{risks, said};
use crate::app::now;
use crate::board::Incident;
use crate::gate::{ActionView, Ask, GateError};
use crate::normal::{DAYS, Normal, TRIED};
use crate::permission::Deed;
use crate::text::{cut, plain};

/// Longest reason that is taken, in characters.
const REASON: usize = 500;
/// Actions that the page shows.
const SHOWN: usize = 300;
/// Measures of an action that are not folded.
const MEASURES: usize = 4;

/// An action, folded to one line unless `unfolded`: the plan as a diff, what holds it back, how it ends,
/// and what the person may do.
pub fn card(ctx: &Ctx, action: &ActionView, incident: &Incident, unfolded: bool) -> Markup {
    let l = ctx.l();
    let open = action.stage == "proposed";
    let in_force = matches!(action.stage.as_str(), "active" | "applying");
    let mine = action.approvals.contains(&ctx.person.name);
    let approve = open && !action.measures.is_empty() && ctx.may(Deed::Approve, incident) && !mine;
    let second = approve && !action.approvals.is_empty();
    html! {
        details class={ "action " (action.stage) } id={ "action-" (plain(&action.id)) } open[unfolded] {
            summary {
                h3 { (rung(ctx, &action.rung)) " " span class="quiet" { (said::target(ctx, action)) } }
                span class="quiet" { (l.t(&format!("stage-{}", action.stage))) }
            }
            p { (said::reason(ctx, action)) }
            @if !action.measures.is_empty() {
                @let measures: Vec<Markup> = said::each(ctx, &action.measures, &action.messages.measures).iter().map(|measure| html! {
                    span class="sign" aria-hidden="true" { @if in_force { "=" } @else if open { "+" } @else { "−" } } " " (measure)
                }).collect();
                // Not all of it: who approves must see at once what would be done.
                @let fold = layout::Fold { name: &format!("measures-{}", plain(&action.id)), more: "more-measures", open: MEASURES };
                (layout::folded(ctx, &fold, &measures, |items| html! { ul class="diff" aria-label=(l.t("action-diff")) { (items) } }))
            }
            p { strong { (l.t(&format!("stage-{}", action.stage))) } " "
                (said::outcome(ctx, action))
                @if open || in_force { " " (l.count("action-left", minutes(action.remaining_s))) }
            }
            @if open && !action.measures.is_empty() {
                p { (l.with("action-needed", &[("have", &action.approvals.len().to_string()), ("needed", &action.needed.to_string())]))
                    @if !action.approvals.is_empty() { " " (action.approvals.iter().map(|a| plain(a)).collect::<Vec<_>>().join(", ")) } }
                @if action.guards.is_empty() { p { (l.t("guards-none")) } } @else {
                    p { (l.t("guards")) }
                    ul { @for guard in said::each(ctx, &action.guards, &action.messages.guards) { li { (guard) } } }
                }
                @let risks = risks::of(ctx, action);
                @if !risks.is_empty() { p { (l.t("wrong")) } ul { @for risk in &risks { li { (risk) } } } }
                p class="quiet" { (l.count("action-ends", minutes(action.time_to_live_s))) }
            }
            @let deeds: Vec<(&str, &str)> = [
                ("approve", if second { "approve-second" } else { "approve" }, approve),
                ("reject", "reject", open && ctx.may(Deed::Reject, incident)),
                ("undo", "undo", in_force && ctx.may(Deed::Undo, incident)),
            ].into_iter().filter(|(_, _, may)| *may).map(|(deed, word, _)| (deed, word)).collect();
            @if open && mine { p { (l.t("approved-by-you")) } }
            @if !deeds.is_empty() { (form(ctx, action, &deeds)) }
        }
    }
}

fn minutes(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).div_ceil(60)
}

/// One reason, and a button for each deed.
fn form(ctx: &Ctx, action: &ActionView, deeds: &[(&str, &str)]) -> Markup {
    let l = ctx.l();
    let back = ctx.look.uri.path_and_query().map_or("/actions", |p| p.as_str());
    html! {
        form class="act" method="post" {
            (csrf(ctx))
            input type="hidden" name="hash" value=(action.hash);
            input type="hidden" name="back" value=(back);
            label { (l.t("act-why")) input type="text" name="reason" maxlength=(REASON) autocomplete="off"; }
            @for (deed, word) in deeds {
                button class=(deed) formaction={ "/actions/" (action.id) "/" (deed) } { (l.t(word)) }
            }
        }
    }
}

/// The form of an act.
#[derive(Debug, Default, Deserialize)]
pub struct ActForm {
    /// The session's.
    #[serde(default)]
    pub csrf: String,
    /// The plan that was read.
    #[serde(default)]
    pub hash: String,
    /// In the person's words.
    #[serde(default)]
    pub reason: String,
    /// The page to go back to.
    #[serde(default)]
    pub back: String,
}

/// Asks the gate, where the table of permissions lets it.
///
/// # Errors
/// Where it does not, or the gate refuses.
pub async fn perform(ctx: &Ctx, id: &str, deed: &str, hash: &str, reason: &str) -> Result<String, Refusal> {
    let away = |error: GateError| {
        let status = match &error {
            GateError::Refused { .. } => StatusCode::CONFLICT,
            GateError::Unreachable(_) => StatusCode::BAD_GATEWAY,
        };
        ctx.refuse_with(
            status,
            said::said(ctx, &error.to_string(), error.message()).text(),
        )
    };
    let (needed, ask) = match deed {
        "approve" => (
            Deed::Approve,
            Ask::Approve {
                action: id.to_owned(),
                hash: hash.to_owned(),
            },
        ),
        "reject" => (
            Deed::Reject,
            Ask::Reject {
                action: id.to_owned(),
            },
        ),
        "undo" => (
            Deed::Undo,
            Ask::Undo {
                action: id.to_owned(),
            },
        ),
        _ => return Err(ctx.refuse(StatusCode::NOT_FOUND, "error-nowhere")),
    };
    let actions = ctx.app().actions(&ctx.person.name).await.map_err(away)?;
    let missing = || ctx.refuse(StatusCode::NOT_FOUND, "error-action");
    let action = actions.into_iter().find(|a| a.id == id).ok_or_else(missing)?;
    let may = {
        let board = ctx.app().board();
        match board.incidents.get(&action.incident) {
            Some(incident) if !ctx.sees(incident) => return Err(missing()),
            Some(incident) => ctx.may(needed, incident),
            // What was proposed by hand is of the whole city.
            None => ctx.person.sees_city() && ctx.may_anywhere(needed),
        }
    };
    if !may {
        return Err(ctx.refuse(StatusCode::FORBIDDEN, "error-role"));
    }
    let person = ctx.person.name.clone();
    ctx.app()
        .ask(person, ask, cut(reason, REASON))
        .await
        .map_err(away)
}

/// `POST /actions/{id}/{deed}`.
///
/// # Errors
/// As `perform`.
pub async fn act(
    ctx: Ctx,
    Path((id, deed)): Path<(String, String)>,
    Form(form): Form<ActForm>,
) -> Result<Response, Refusal> {
    ctx.check(&form.csrf)?;
    perform(&ctx, &id, &deed, &form.hash, &form.reason).await?;
    Ok(Redirect::to(inside(&form.back)).into_response())
}

/// `GET /actions`: all actions, and the journals.
pub async fn page(ctx: Ctx) -> Response {
    let l = ctx.l();
    let actions = ctx.app().actions(&ctx.person.name).await;
    let known: std::collections::BTreeMap<String, Incident> = {
        let board = ctx.app().board();
        board
            .incidents
            .iter()
            .filter(|(_, i)| ctx.sees(i))
            .map(|(n, i)| (n.clone(), i.clone()))
            .collect()
    };
    let of_stage = |wanted: &[&str]| -> Vec<ActionView> {
        let actions = actions.as_ref().map_or(&[][..], Vec::as_slice);
        let list = actions
            .iter()
            .filter(|a| wanted.contains(&a.stage.as_str()) && known.contains_key(&a.incident));
        list.take(SHOWN).cloned().collect()
    };
    let groups = [
        ("actions-in-force", of_stage(&["applying", "active", "undoing"])),
        ("actions-proposed", of_stage(&["proposed"])),
        ("actions-ended", of_stage(&["ended"])),
    ];
    let acts: Vec<crate::app::Act> = match ctx.person.sees_city() {
        true => ctx.app().acts().last.iter().rev().take(200).cloned().collect(),
        false => Vec::new(),
    };
    let decisions = match ctx.person.sees_city() {
        true => ctx
            .app()
            .decisions(&ctx.person.name, 100)
            .await
            .unwrap_or_default(),
        false => Vec::new(),
    };
    let body = html! {
        @if let Err(error) = &actions { p class="error" { (l.t("gate-away")) " " (error) } }
        @for (id, list) in &groups {
            section {
                h2 { (l.t(id)) " " span class="quiet" { (list.len()) } }
                @if list.is_empty() { p { (l.t("none")) } }
                @for (place, action) in list.iter().enumerate() { @if let Some(incident) = known.get(&action.incident) {
                    // The title once over all that belongs to it.
                    @if place == 0 || list.get(place - 1).is_none_or(|before| before.incident != action.incident) {
                        p class="quiet" { a href={ "/incidents/" (incident.number) } { (said::title(&ctx, incident)) } }
                    }
                    (card(&ctx, action, incident, *id == "actions-in-force"))
                } }
            }
        }
        @if !acts.is_empty() {
            h2 { (l.t("journal")) }
            (layout::table(&l.t("journal"), &["col-when", "col-who", "col-what", "col-on", "col-why", "col-came"].map(|id| l.t(id)), html! {
                @for act in &acts { tr {
                    td { (ctx.known.time(i64::try_from(act.at).unwrap_or(0).saturating_mul(1_000_000_000))) } td { (plain(&act.who)) }
                    td { (plain(&act.what)) } td { (plain(&act.on)) } td data-verbatim { (plain(&act.why)) } td data-verbatim { (plain(&act.came)) }
                } }
            }))
        }
        @if !decisions.is_empty() {
            // For who proves something by it; everybody else has the table above.
            details id="decisions" { summary { h2 { (l.t("decisions")) } } ul class="events" { @for entry in decisions.iter().rev() { li { code { (cut(&entry.to_string(), 400)) } } } } }
        }
    };
    layout::page(&ctx, &l.t("nav-actions"), true, body)
}

/// The form of 'this is normal here'.
#[derive(Debug, Default, Deserialize)]
pub struct NormalForm {
    /// The session's.
    #[serde(default)]
    pub csrf: String,
    /// For how many days.
    #[serde(default)]
    pub days: u64,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// A page that was read by accident: it must be said twice.
    #[serde(default)]
    pub sure: Option<String>,
}

/// What it would be, and what of the week before it covers.
fn drafted(ctx: &Ctx, incident: &Incident, days: u64, reason: &str) -> (Normal, Vec<Incident>) {
    let normal = Normal {
        id: 0,
        incident: incident.number.clone(),
        suspect: incident
            .suspects
            .first()
            .map(|s| s.name.clone())
            .unwrap_or_default(),
        kinds: incident.kinds.clone(),
        zones: incident.zones.clone(),
        by: ctx.person.name.clone(),
        reason: cut(reason, REASON),
        until: now() + days.clamp(1, DAYS) * 86_400,
        covered: 0,
    };
    let board = ctx.app().board();
    let week = TRIED * 86_400 * 1_000_000_000;
    let since = board.span.map_or(0, |(_, last)| last - week);
    let recent = |i: &&Incident| crate::text::nanos(&i.last).is_some_and(|at| at >= since);
    let covered: Vec<Incident> = board
        .incidents
        .values()
        .filter(recent)
        .filter(|i| normal.covers(i))
        .cloned()
        .collect();
    (
        Normal {
            covered: covered.len(),
            ..normal
        },
        covered,
    )
}

fn harmful(incident: &Incident) -> bool {
    incident.severity == 1
}

/// `GET /incidents/{number}/normal`.
///
/// # Errors
/// Where there is no such incident, or the person may not.
pub async fn ask_normal(ctx: Ctx, Path(number): Path<String>) -> Result<Response, Refusal> {
    let (incident, _) = incidents::find(&ctx, &number)?;
    if !ctx.may(Deed::CallNormal, &incident) {
        return Err(ctx.refuse(StatusCode::FORBIDDEN, "error-role"));
    }
    let l = ctx.l();
    let (draft, covered) = drafted(&ctx, &incident, 7, "");
    let body = html! {
        p { a href={ "/incidents/" (incident.number) } { (said::title(&ctx, &incident)) } }
        p { (l.t("normal-means")) }
        dl {
            dt { (l.t("normal-suspect")) } dd { (plain(&draft.suspect)) }
            dt { (l.t("normal-kinds")) } dd { (draft.kinds.iter().map(|k| layout::kind(&ctx, k)).collect::<Vec<_>>().join("; ")) }
            dt { (l.t("normal-zones")) } dd { (draft.zones.iter().map(|z| plain(z)).collect::<Vec<_>>().join(", ")) }
        }
        h2 { (l.t("normal-tried")) }
        p { (l.count("normal-covers", covered.len() as u64)) }
        ul { @for incident in covered.iter().take(50) { li { (layout::severity(&ctx, incident.severity)) " " (said::title(&ctx, incident)) } } }
        @if harmful(&incident) { p class="error" { (l.t("normal-refused-worst")) } } @else {
            form method="post" action={ "/incidents/" (incident.number) "/normal" } {
                (csrf(&ctx))
                label { (l.t("normal-days")) input type="number" name="days" min="1" max=(DAYS) value="7"; }
                label { (l.t("act-why")) input type="text" name="reason" required maxlength=(REASON); }
                label class="check" { input type="checkbox" name="sure" value="yes" required; (l.t("normal-sure")) }
                button { (l.t("normal-call")) }
            }
        }
    };
    Ok(layout::page(&ctx, &l.t("normal-call"), false, body))
}

/// `POST /incidents/{number}/normal`.
///
/// # Errors
/// Where there is no such incident, the person may not, or it cannot be kept.
pub async fn call_normal(
    ctx: Ctx,
    Path(number): Path<String>,
    Form(form): Form<NormalForm>,
) -> Result<Response, Refusal> {
    ctx.check(&form.csrf)?;
    let (incident, _) = incidents::find(&ctx, &number)?;
    if !ctx.may(Deed::CallNormal, &incident) {
        return Err(ctx.refuse(StatusCode::FORBIDDEN, "error-role"));
    }
    if harmful(&incident) {
        return Err(ctx.refuse(StatusCode::CONFLICT, "normal-refused-worst"));
    }
    if form.sure.is_none() || form.reason.trim().is_empty() {
        return Err(ctx.refuse(StatusCode::BAD_REQUEST, "error-form"));
    }
    let (normal, covered) = drafted(&ctx, &incident, form.days, &form.reason);
    if covered.iter().any(harmful) {
        return Err(ctx.refuse(StatusCode::CONFLICT, "normal-refused-worst"));
    }
    let unkept = |error: String| ctx.refuse_with(StatusCode::INTERNAL_SERVER_ERROR, error);
    let recorded = ctx
        .app()
        .record(&ctx.person.name, "normal", &incident.number, &normal.reason)
        .await;
    recorded.map_err(|e| unkept(e.to_string()))?;
    ctx.app()
        .normals()
        .add(normal, now())
        .map_err(|e| unkept(e.to_string()))?;
    Ok(Redirect::to("/normal").into_response())
}

/// `GET /normal`: all that is normal here, in one place.
pub async fn normals(ctx: Ctx) -> Response {
    let l = ctx.l();
    let list: Vec<Normal> = {
        let normals = ctx.app().normals();
        let zones = |n: &Normal| {
            n.zones
                .iter()
                .filter_map(|z| ctx.known.zone(z))
                .collect::<Vec<_>>()
        };
        normals
            .holding(now())
            .filter(|n| ctx.person.sees(zones(n).into_iter()))
            .cloned()
            .collect()
    };
    let heads = [
        "normal-suspect",
        "normal-kinds",
        "normal-zones",
        "col-who",
        "col-why",
        "normal-until",
        "normal-covered",
        "col-do",
    ];
    let rows = html! { @for n in &list { tr id={ "n" (n.id) } {
        td { (plain(&n.suspect)) }
        td { (n.kinds.iter().map(|k| layout::kind(&ctx, k)).collect::<Vec<_>>().join("; ")) }
        td { (n.zones.iter().map(|z| plain(z)).collect::<Vec<_>>().join(", ")) }
        td { (plain(&n.by)) } td data-verbatim { (plain(&n.reason)) }
        td { (ctx.known.time(i64::try_from(n.until).unwrap_or(0).saturating_mul(1_000_000_000))) }
        td class="n" { (n.covered) }
        td { @if ctx.may_anywhere(Deed::CallNormal) {
            form method="post" action={ "/normal/" (n.id) "/end" } { (csrf(&ctx)) button { (l.t("normal-end")) } }
        } }
    } } };
    let body = html! {
        p { (l.t("normal-means")) }
        @if list.is_empty() { p { (l.t("none")) } } @else { (layout::table(&l.t("nav-normal"), &heads.map(|id| l.t(id)), rows)) }
    };
    layout::page(&ctx, &l.t("nav-normal"), false, body)
}

/// `POST /normal/{id}/end`.
///
/// # Errors
/// Where the person may not, or it cannot be kept.
pub async fn end_normal(
    ctx: Ctx,
    Path(id): Path<u64>,
    Query(_): Query<()>,
    Form(form): Form<ActForm>,
) -> Result<Response, Refusal> {
    ctx.check(&form.csrf)?;
    let zones: Vec<_> = {
        let normals = ctx.app().normals();
        let found = normals.holding(now()).find(|n| n.id == id);
        found
            .map(|n| n.zones.iter().filter_map(|z| ctx.known.zone(z)).collect())
            .unwrap_or_default()
    };
    if !ctx
        .person
        .may(Deed::CallNormal, ctx.person.reach(zones.into_iter()))
    {
        return Err(ctx.refuse(StatusCode::FORBIDDEN, "error-role"));
    }
    let unkept = |error: String| ctx.refuse_with(StatusCode::INTERNAL_SERVER_ERROR, error);
    let recorded = ctx
        .app()
        .record(&ctx.person.name, "normal-ended", &id.to_string(), "")
        .await;
    recorded.map_err(|e| unkept(e.to_string()))?;
    ctx.app().normals().end(id).map_err(|e| unkept(e.to_string()))?;
    Ok(Redirect::to("/normal").into_response())
}

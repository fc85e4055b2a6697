//! Rehearsal: what automatic mode would have done with the events that are kept, and what it would
//! have cut.
//!
//! Owns: the page. Does not own: the rehearsal (`citywall_response::rehearsal`), which is the one of
//! `citywall rehearse`.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use citywall_event::{OUTSIDE, Phrase};
use citywall_response::playbook::{Playbooks, Runs};
use citywall_response::rehearsal::{Rehearsal, Report};
use citywall_response::{Facts, Settings, VerifiedAct};
use maud::html;
use serde::Serialize;
use utoipa::ToSchema;

use super::context::{Ctx, Refusal};
use super::{incidents, layout, said};
use crate::gate::Messages;
use crate::known::Known;
use crate::said::Message;
use crate::text::{bytes, number, plain};

/// Actions that are shown.
const SHOWN: usize = 200;

/// An action that would have been in force.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TakenView {
    /// Its incident.
    pub incident: String,
    /// Rung.
    pub rung: String,
    /// On whom.
    pub target: String,
    /// Why.
    pub reason: String,
    /// What these say in any language.
    #[schema(value_type = Object)]
    pub messages: Messages,
    /// From when.
    pub from: String,
    /// Until when.
    pub until: String,
    /// Permitted work that it would have cut, in words.
    pub cuts: Vec<String>,
    /// Services that depend on who was cut.
    pub services: Vec<String>,
}

/// What would have been.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct RehearsalView {
    /// Conversations that were looked at.
    pub flows: u64,
    /// Notices of incidents.
    pub notices: u64,
    /// In force.
    pub taken: Vec<TakenView>,
    /// Wanted and not done.
    pub untaken: Vec<UntakenView>,
}

/// An action that was wanted and not done.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UntakenView {
    /// Its incident.
    pub incident: String,
    /// Rung.
    pub rung: String,
    /// On whom.
    pub target: String,
    /// Why it was wanted.
    pub reason: String,
    /// What these say in any language.
    #[schema(value_type = Object)]
    pub messages: Messages,
}

/// What target and reason say.
fn messages(target: &Phrase, reason: &Phrase) -> Messages {
    Messages {
        target: Message::of(target),
        reason: Message::of(reason),
        ..Messages::default()
    }
}

/// Rehearses; only for who answers for the whole city, as it is about all of it.
///
/// # Errors
/// Where the person may not see it, or there is no city.
pub async fn view(ctx: &Ctx) -> Result<RehearsalView, Refusal> {
    if !ctx.person.sees_city() {
        return Err(ctx.refuse(StatusCode::FORBIDDEN, "error-city-only"));
    }
    let (app, known) = (Arc::clone(ctx.app()), Arc::clone(&ctx.known));
    let Ok(_place) = ctx.app().searching.acquire().await else {
        return Err(ctx.refuse(StatusCode::SERVICE_UNAVAILABLE, "error-busy"));
    };
    let shown = tokio::task::spawn_blocking(move || {
        let city = known.city.as_ref()?;
        let zones = city
            .zones
            .iter()
            .map(|z| z.name.clone())
            .chain([OUTSIDE.to_owned()])
            .collect();
        let runs = Runs::new(Playbooks::default().and_built_in());
        let facts = Facts::of(city, 1, Vec::new(), Vec::new());
        let act = Some(VerifiedAct::rehearsed(zones));
        let mut rehearsal = Rehearsal::new(facts, Settings::of(city), runs, act);
        let snapshot = app.archive().snapshot();
        snapshot.each(&mut |line| {
            // A line that cannot be understood was counted when it came.
            let _ = rehearsal.line(line);
        });
        let (report, _) = rehearsal.finish();
        Some(shown(&known, report))
    });
    let shown = shown.await.ok().flatten();
    shown.ok_or_else(|| ctx.refuse(StatusCode::NOT_FOUND, "city-none"))
}

fn shown(known: &Known, report: Report) -> RehearsalView {
    RehearsalView {
        flows: report.flows,
        notices: report.notices,
        taken: report
            .taken
            .into_iter()
            .map(|taken| TakenView {
                incident: taken.incident,
                rung: taken.rung.name().to_owned(),
                messages: messages(&taken.target, &taken.reason),
                target: taken.target.to_string(),
                reason: taken.reason.to_string(),
                from: known.time(taken.from),
                until: known.time(taken.until),
                cuts: taken
                    .cuts
                    .iter()
                    .map(|c| {
                        format!(
                            "{} → {}, {}: {} ×, {}",
                            c.from,
                            c.to,
                            c.what,
                            c.flows,
                            bytes(c.bytes)
                        )
                    })
                    .collect(),
                services: taken.services,
            })
            .collect(),
        untaken: report
            .untaken
            .into_iter()
            .map(|u| UntakenView {
                messages: messages(&u.target, &u.reason),
                incident: u.incident,
                rung: u.rung,
                target: u.target.to_string(),
                reason: u.reason.to_string(),
            })
            .collect(),
    }
}

/// `GET /rehearsal`.
///
/// # Errors
/// As `view`.
pub async fn page(ctx: Ctx) -> Result<Response, Refusal> {
    let view = view(&ctx).await?;
    let l = ctx.l();
    let work = view.taken.iter().filter(|t| !t.cuts.is_empty()).count();
    let told = |text: &str, message: Option<&Message>| said::said(&ctx, text, message).markup(300);
    let body = html! {
        p { (l.t("rehearsal-what")) }
        p class="banner" {
            (l.count("rehearsal-taken", view.taken.len() as u64)) " " (l.count("rehearsal-work", work as u64))
            " " span class="quiet" { (l.with("rehearsal-of", &[("flows", &number(view.flows)), ("notices", &number(view.notices))])) }
        }
        h2 { (l.t("rehearsal-in-force")) }
        @if view.taken.is_empty() { p { (l.t("none")) } }
        @for taken in view.taken.iter().take(SHOWN) {
            article class="action" {
                h3 { (incidents::rung(&ctx, &taken.rung)) " " span class="quiet" { (told(&taken.target, taken.messages.target.as_ref())) } }
                p { (told(&taken.reason, taken.messages.reason.as_ref())) }
                p class="quiet" { (taken.from) " – " (taken.until) " · " a href={ "/incidents/" (taken.incident) } { (plain(&taken.incident)) } }
                @if taken.cuts.is_empty() { p { (l.t("rehearsal-no-harm")) } } @else {
                    p { strong { (l.t("rehearsal-harm")) } } ul { @for cut in taken.cuts.iter().take(20) { li { (plain(cut)) } } }
                }
            }
        }
        h2 { (l.t("rehearsal-untaken")) }
        @if view.untaken.is_empty() { p { (l.t("none")) } }
        ul { @for u in view.untaken.iter().take(SHOWN) { li {
            strong { (incidents::rung(&ctx, &u.rung)) } " " (told(&u.target, u.messages.target.as_ref())) ": "
            (told(&u.reason, u.messages.reason.as_ref())) " " a href={ "/incidents/" (u.incident) } { (plain(&u.incident)) }
        } } }
    };
    Ok(layout::page(&ctx, &l.t("nav-rehearsal"), false, body))
}

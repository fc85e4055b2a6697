//! The shift report: what happened, for the mayor; printed from the browser.
//!
//! Owns: the page. It says nothing that the other pages do not.

use axum::extract::Query;
use axum::response::Response;
use maud::html;
use serde::Deserialize;

use super::context::{Ctx, Refusal};
use super::{incidents, layout, said};
use crate::app::now;
use crate::board::Incident;
use crate::text::{number, plain};

/// What the report is about.
#[derive(Debug, Default, Deserialize)]
pub struct About {
    /// One incident; else all that the person sees.
    #[serde(default)]
    incident: String,
}

/// `GET /report`.
///
/// # Errors
/// Where there is no such incident.
pub async fn page(ctx: Ctx, Query(about): Query<About>) -> Result<Response, Refusal> {
    let list: Vec<Incident> = match about.incident.as_str() {
        "" => incidents::listed(&ctx, &incidents::Filter::default()).0,
        number => vec![incidents::find(&ctx, number)?.0],
    };
    let actions = ctx.app().actions(&ctx.person.name).await.unwrap_or_default();
    let l = ctx.l();
    let (devices, span) = {
        let board = ctx.app().board();
        let devices = board
            .devices
            .values()
            .filter(|d| super::devices::sees(&ctx, d))
            .count();
        (
            devices,
            board
                .span
                .map(|(first, last)| (ctx.known.time(first), ctx.known.time(last))),
        )
    };
    let severe = list.iter().filter(|i| i.severity <= 2).count();
    let body = html! {
        p class="no-print" { button type="button" data-print { (l.t("report-print")) } }
        p {
            @if let Some((first, last)) = &span { (first) " – " (last) " · " }
            (l.with("report-by", &[("name", &plain(&ctx.person.name)), ("at", &ctx.known.time(i64::try_from(now()).unwrap_or(0).saturating_mul(1_000_000_000)))]))
        }
        h2 { (l.t("report-short")) }
        p { (l.count("incidents-count", list.len() as u64)) " " (l.count("report-severe", severe as u64)) " " (l.count("devices-count", devices as u64)) }
        @if list.is_empty() { p { (l.t("banner-calm")) } }
        @for incident in list.iter().take(50) {
            section class="report" {
                h2 { (layout::severity(&ctx, incident.severity)) " " (said::title(&ctx, incident)) }
                p { (ctx.known.time_of(&incident.first)) " – " (ctx.known.time_of(&incident.last)) " · " code { (plain(&incident.number)) } }
                p { strong { (l.t("incident-what")) } " " (incident.kinds.iter().rev().map(|k| layout::kind(&ctx, k)).collect::<Vec<_>>().join("; ")) }
                p { strong { (l.t("stake")) } " " @if incident.services.is_empty() { (l.t("stake-none")) } @else { (incident.services.iter().map(|s| plain(s)).collect::<Vec<_>>().join(", ")) } }
                h3 { (l.t("timeline")) }
                ol class="timeline" { @for reason in &incident.reasons { li { (ctx.known.time_of(&reason.at)) " " (said::said(&ctx, &reason.text, reason.message.as_ref()).markup(300)) } } }
                h3 { (l.t("nav-actions")) }
                @let own: Vec<_> = actions.iter().filter(|a| a.incident == incident.number).collect();
                @if own.is_empty() { p { (l.t("actions-none")) } }
                ul { @for action in own { li {
                    (incidents::rung(&ctx, &action.rung)) " " (said::target(&ctx, action)) ": " (l.t(&format!("stage-{}", action.stage)))
                    @if action.outcome.is_some() { ", " (said::outcome(&ctx, action)) }
                    @if !action.approvals.is_empty() { " (" (action.approvals.iter().map(|a| plain(a)).collect::<Vec<_>>().join(", ")) ")" }
                } } }
            }
        }
        p class="quiet" { (l.with("report-events", &[("n", &number(ctx.app().archive().count()))])) }
    };
    Ok(layout::page(&ctx, &l.t("nav-report"), false, body))
}

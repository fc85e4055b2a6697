//! Health: what is seen, what is not, and why.
//!
//! Owns: the page. Does not own: the counters, which are those of `summary.json` and of the console.

use std::sync::atomic::Ordering;

use axum::response::Response;
use maud::html;
use serde::Serialize;
use utoipa::ToSchema;

use super::context::Ctx;
use super::layout;
use crate::text::{bytes, number, plain};

/// How the console and the run fare.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HealthView {
    /// The version of Citywall.
    pub version: String,
    /// Traffic is live; else a replay.
    pub live: bool,
    /// The replay is over.
    pub over: bool,
    /// First and last packet time.
    #[schema(value_type = Option<Vec<String>>)]
    pub span: Option<(String, String)>,
    /// Events by type.
    pub events: std::collections::BTreeMap<String, u64>,
    /// Events that can be searched no more, or never could.
    pub forgotten: u64,
    /// Events that found no room on their way to the console.
    pub shed: u64,
    /// What the pages could not keep, by what it was.
    pub beyond: std::collections::BTreeMap<String, u64>,
    /// Lines that could not be understood.
    pub unread: u64,
    /// Bytes of packed events.
    pub archive_bytes: usize,
    /// Resident memory of the whole process, bytes.
    pub memory: u64,
    /// Open event streams.
    pub streams: usize,
    /// `summary.json`, once the run is over.
    #[schema(value_type = Object)]
    pub summary: serde_json::Value,
}

fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line
        .and_then(|l| l.split_whitespace().next()?.parse().ok())
        .unwrap_or(0);
    kib * 1024
}

/// Gathers it.
pub fn view(ctx: &Ctx) -> HealthView {
    let app = ctx.app();
    let (forgotten, archive_bytes) = {
        let archive = app.archive();
        (archive.forgotten, archive.bytes())
    };
    let run = app.run().clone();
    let board = app.board();
    HealthView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        live: app.live,
        over: run.over,
        span: board.span.map(|(first, last)| (app.time(first), app.time(last))),
        events: board.counts.clone(),
        forgotten,
        shed: app.shed.load(Ordering::Relaxed),
        beyond: board
            .shed
            .iter()
            .map(|(what, n)| ((*what).to_owned(), *n))
            .collect(),
        unread: board.unread,
        archive_bytes,
        memory: memory(),
        streams: app.streams.load(Ordering::Relaxed),
        summary: run.summary,
    }
}

/// `GET /health`.
pub async fn page(ctx: Ctx) -> Response {
    let l = ctx.l();
    let view = view(&ctx);
    let drops = &view.summary["drops"];
    let kernel = drops["kernel"].as_u64();
    let clean = view.summary["nothing_was_shed"].as_bool();
    let fact = |id: &str, value: String| html! { dt { (l.t(id)) } dd { (value) } };
    let body = html! {
        @if view.shed + view.unread > 0 || kernel.is_some_and(|n| n > 0) || clean == Some(false) {
            p class="banner alarm" role="status" { (l.t("health-lost")) }
        } @else { p class="banner calm" { (l.t("health-well")) } }
        div class="columns" {
            section {
                h2 { (l.t("health-run")) }
                dl {
                    (fact("health-mode", l.t(if view.live { "health-live" } else if view.over { "health-replayed" } else { "health-replaying" })))
                    @if let Some((first, last)) = &view.span { (fact("health-span", format!("{first} – {last}"))) }
                    @if let Some(packets) = view.summary["packets"].as_u64() { (fact("health-packets", number(packets))) }
                    @if let Some(kernel) = kernel { (fact("health-drops", number(kernel))) }
                    (fact("health-version", view.version.clone()))
                }
            }
            section {
                h2 { (l.t("health-console")) }
                dl {
                    (fact("health-shed", number(view.shed)))
                    (fact("health-forgotten", number(view.forgotten)))
                    (fact("health-unread", number(view.unread)))
                    (fact("health-archive", bytes(view.archive_bytes as u64)))
                    (fact("health-memory", bytes(view.memory)))
                    (fact("health-streams", number(view.streams as u64)))
                }
                @if !view.beyond.is_empty() { p { (l.t("health-beyond")) } ul { @for (what, n) in &view.beyond { li { (what) ": " (number(*n)) } } } }
            }
        }
        h2 { (l.t("health-unseen")) }
        ul {
            li { (l.t("unseen-encrypted")) } li { (l.t("unseen-elsewhere")) } li { (l.t("unseen-protocols")) }
        }
        h2 { (l.t("health-events")) }
        (layout::table(&l.t("health-events"), &["col-kind", "col-times"].map(|id| l.t(id)), html! { @for (kind, count) in &view.events { tr {
            th scope="row" { a href=(layout::link("/events", &[("kind", kind)])) { (plain(kind)) } } td class="n" { (number(*count)) }
        } } }))
    };
    layout::page(&ctx, &l.t("nav-health"), true, body)
}

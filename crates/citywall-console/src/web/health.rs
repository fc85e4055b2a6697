//! Health: what is seen, what is not, and why.
//!
//! Owns: the page. Does not own: the counters, which are those of `summary.json` and of the console.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use axum::response::Response;
use citywall_event::ZoneId;
use maud::{Markup, html};
use serde::Serialize;
use utoipa::ToSchema;

use super::context::Ctx;
use super::{layout, traffic};
use crate::app::now;
use crate::board::Board;
use crate::text::{bytes, number, plain};
use crate::upkeep::{Drifted, Standing};

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
    /// What the run rests on, and what it takes of the disk.
    pub standing: Standing,
    /// How far classes of devices have moved from their signed models.
    pub drift: Vec<Moved>,
    /// What was not read, and why.
    pub unseen: Vec<Unseen>,
    /// `summary.json`, once the run is over.
    #[schema(value_type = Object)]
    pub summary: serde_json::Value,
}

/// A class, and how far it has moved.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Moved {
    /// The zone that the model is for, or `any`.
    pub class: String,
    /// `still`, `few`, `suddenly`, `slowly`.
    pub course: &'static str,
    /// The figures.
    #[serde(flatten)]
    pub drift: Drifted,
}

/// Something that is not seen.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Unseen {
    /// `encrypted`, `unknown`, `zone`.
    pub why: &'static str,
    /// A protocol, a zone.
    pub what: String,
    /// Conversations; none of a zone of which nothing was heard.
    pub flows: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// Protocols whose contents nobody reads on their way.
const SEALED: [&str; 3] = ["tls", "ssh", "quic"];
/// What carries a conversation whose application was not known.
const BARE: [&str; 4] = ["TCP", "UDP", "SCTP", "ethernet"];

/// What was not read: encrypted contents, protocols that nobody knows, zones of which nothing was heard.
fn unseen(ctx: &Ctx, board: &Board) -> Vec<Unseen> {
    let zone = |ip: &std::net::IpAddr| ctx.known.context.locate(Some(*ip), None).zone;
    let mut by_protocol: BTreeMap<(&'static str, &str), (u64, u64)> = BTreeMap::new();
    let mut heard: BTreeSet<ZoneId> = BTreeSet::new();
    for ((from, to, protocol), talk) in &board.talks {
        let zones = [zone(from), zone(to)];
        heard.extend(zones.into_iter().flatten());
        let why = match protocol.as_str() {
            name if SEALED.contains(&name) => "encrypted",
            name if BARE.contains(&name) => "unknown",
            _ => continue,
        };
        if ctx.person.sees_city() || ctx.person.sees(zones.into_iter().flatten()) {
            let sum = by_protocol.entry((why, protocol)).or_default();
            *sum = (sum.0 + talk.flows, sum.1.saturating_add(talk.bytes));
        }
    }
    let mut all: Vec<Unseen> = by_protocol
        .into_iter()
        .map(|((why, what), (flows, bytes))| Unseen {
            why,
            what: what.to_owned(),
            flows,
            bytes,
        })
        .collect();
    let zones = ctx.known.context.zones().iter().enumerate();
    for (id, info) in zones.filter_map(|(id, info)| Some((ZoneId::try_from(id).ok()?, info))) {
        if !heard.contains(&id) && ctx.person.sees(std::iter::once(id)) {
            all.push(Unseen {
                why: "zone",
                what: info.name.clone(),
                flows: 0,
                bytes: 0,
            });
        }
    }
    all
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
        span: board
            .span
            .map(|(first, last)| (ctx.known.time(first), ctx.known.time(last))),
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
        standing: match &app.upkeep {
            // Where files lie is the whole city's matter.
            Some(upkeep) if ctx.person.sees_city() => upkeep.now(),
            _ => Standing::default(),
        },
        drift: {
            let all = traffic::foreseen(ctx).into_iter();
            all.filter_map(|f| {
                f.drift.map(|drift| Moved {
                    class: f.class,
                    course: drift.course(),
                    drift,
                })
            })
            .collect()
        },
        unseen: unseen(ctx, &board),
        summary: run.summary,
    }
}

/// How old a time is, in words.
fn age(ctx: &Ctx, changed: Option<u64>) -> String {
    match changed {
        Some(changed) => ctx
            .l()
            .count("health-days", now().saturating_sub(changed) / 86_400),
        None => ctx.l().t("health-built-in"),
    }
}

/// What judgements rest on, and how old it is.
fn rests(ctx: &Ctx, standing: &Standing) -> Markup {
    let l = ctx.l();
    let heads = [
        "col-what",
        "col-name",
        "health-entries",
        "health-refused",
        "health-age",
    ]
    .map(|id| l.t(id));
    html! { @if !standing.files.is_empty() {
        h2 { (l.t("health-rests")) }
        (layout::table(&l.t("health-rests"), &heads, html! { @for file in &standing.files { tr {
            th scope="row" { (l.t(&format!("rests-{}", file.kind))) } td { code { (plain(&file.name)) } }
            td class="n" { @if let Some(entries) = file.entries { (number(entries)) } }
            td class="n" { @if file.refused > 0 { strong { (number(file.refused)) } } @else { "0" } }
            td { (age(ctx, file.changed)) }
        } } }))
        @if !standing.files.iter().any(|file| file.kind == "allow-list") { p class="quiet" { (l.t("health-no-list")) } }
        @if !standing.files.iter().any(|file| file.kind == "model") { p class="quiet" { (l.t("health-no-model")) } }
    } }
}

/// How far models still fit: what ages is told apart from what may be an attack.
fn drift(ctx: &Ctx, moved: &[Moved]) -> Markup {
    let l = ctx.l();
    let heads = ["col-class", "col-shift", "col-moved", "col-course"].map(|id| l.t(id));
    html! { @if !moved.is_empty() {
        h2 { (l.t("health-drift")) }
        p class="quiet" { (l.t("health-drift-what")) }
        (layout::table(&l.t("health-drift"), &heads, html! { @for m in moved { tr {
            th scope="row" { (traffic::class(ctx, &m.class)) }
            td class="n" { (format!("{:.2}", m.drift.shift)) }
            td class="n" { (l.with("drift-of", &[("moved", &number(m.drift.moved)), ("judged", &number(m.drift.judged))])) }
            td { (l.t(&format!("drift-course-{}", m.course))) }
        } } }))
    } }
}

/// The disk against its one number.
fn disk(ctx: &Ctx, standing: &Standing) -> Markup {
    let l = ctx.l();
    html! { @if let Some(disk) = &standing.disk {
        h2 { (l.t("health-disk")) }
        @let counted = disk.parts.iter().filter(|part| part.counted).map(|part| part.bytes).sum::<u64>();
        p { (l.with("health-disk-of", &[("used", &bytes(counted)), ("budget", &bytes(disk.budget))])) " "
            progress max=(disk.budget.max(1)) value=(counted) aria-label=(l.t("health-disk")) {} }
        (layout::table(&l.t("health-disk"), &["col-what", "col-bytes"].map(|id| l.t(id)), html! { @for part in &disk.parts { tr {
            th scope="row" { (l.t(&format!("disk-{}", part.kind))) @if !part.counted { " " span class="quiet" { (l.t("disk-beside")) } } }
            td class="n" { (bytes(part.bytes)) }
        } } }))
        @if let Some(lost) = standing.packets_given_up { p { (l.with("health-packets-lost", &[("n", &number(lost))])) } }
    } @else if standing.files.is_empty() {} @else { p class="quiet" { (l.t("health-no-disk")) } } }
}

/// `GET /health`.
pub async fn page(ctx: Ctx) -> Response {
    let l = ctx.l();
    let view = view(&ctx);
    let drops = &view.summary["drops"];
    let kernel = drops["kernel"].as_u64().or(view.standing.kernel_drops);
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
        (rests(&ctx, &view.standing))
        (drift(&ctx, &view.drift))
        (disk(&ctx, &view.standing))
        h2 { (l.t("health-unseen")) }
        @if !view.unseen.is_empty() {
            (layout::table(&l.t("health-unseen"), &["col-what", "col-why", "col-flows", "col-bytes"].map(|id| l.t(id)), html! { @for unseen in &view.unseen { tr {
                th scope="row" { (plain(&unseen.what)) } td { (l.t(&format!("unseen-why-{}", unseen.why))) }
                td class="n" { (number(unseen.flows)) } td class="n" { (bytes(unseen.bytes)) }
            } } }))
        }
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

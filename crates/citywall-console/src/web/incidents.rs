//! Incidents: the list, worst first, and everything about one.
//!
//! Owns: both pages. Does not own: the order (`board`), acts (`acts`), what is normal (`normal`).

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::context::{Ctx, Refusal};
use super::layout::{self, link};
use super::{acts, said};
use crate::app::now;
use crate::board::{Incident, Told};
use crate::gate::{ActionView, GateKind};
use crate::permission::Deed;
use crate::text::{SHOWN, plain};

/// Incidents of a page.
const PAGE: usize = 100;
/// What of a list stands open on an incident's page; on a phone the page would else be many screens long. The rest
/// is folded, and found by the browser's own search and by the keyboard.
const OPEN: usize = 5;

/// The address bar's filters.
#[derive(Debug, Default, Deserialize)]
pub struct Filter {
    /// A zone's name.
    #[serde(default)]
    pub zone: String,
    /// Words of the title.
    #[serde(default)]
    pub q: String,
}

/// The incidents that a person sees and a filter lets through, worst first; those that are normal
/// here stand apart.
pub fn listed(ctx: &Ctx, filter: &Filter) -> (Vec<Incident>, Vec<(Incident, u64)>) {
    let app = ctx.app();
    let normals = app.normals();
    let board = app.board();
    let words = filter.q.to_lowercase();
    let (mut list, mut normal) = (Vec::new(), Vec::new());
    for incident in board.worst_first(&ctx.known.context) {
        let in_zone = filter.zone.is_empty() || incident.zones.contains(&filter.zone);
        let fits = words.is_empty()
            || incident.title.to_lowercase().contains(&words)
            || said::said_with(ctx, &board, &incident.title, incident.message.as_ref())
                .text()
                .to_lowercase()
                .contains(&words)
            || incident.number.to_lowercase().contains(&words);
        if !in_zone || !fits || !ctx.sees(incident) {
            continue;
        }
        match normals.covering(incident, now()) {
            Some(covering) => normal.push((incident.clone(), covering.id)),
            None => list.push(incident.clone()),
        }
    }
    (list, normal)
}

/// `GET /incidents`.
pub async fn list(ctx: Ctx, Query(filter): Query<Filter>) -> Response {
    let l = ctx.l();
    let (list, normal) = listed(&ctx, &filter);
    let body = html! {
        (search(&ctx, &filter))
        section id="results" aria-live="off" {
            p class="quiet" { (l.count("incidents-count", list.len() as u64)) " " (l.t("incidents-order")) }
            @if list.is_empty() { p class="banner calm" { (l.t("banner-calm")) } }
            ol class="incidents" { @for incident in list.iter().take(PAGE) { li { (summary(&ctx, incident)) } } }
            @if list.len() > PAGE { p { (l.t("more-narrow")) } }
            @if !normal.is_empty() {
                h2 { (l.t("incidents-normal")) }
                ul { @for (incident, id) in normal.iter().take(PAGE) { li {
                    a href={ "/incidents/" (incident.number) } { (said::title(&ctx, incident)) } " "
                    a href={ "/normal#n" (id) } { (l.t("normal-see")) }
                } } }
            }
        }
        p { a href="/export/incidents.csv" { (l.t("export-csv")) } " " a href="/export/incidents.json" { (l.t("export-json")) } }
    };
    layout::page(&ctx, &l.t("nav-incidents"), true, body)
}

fn search(ctx: &Ctx, filter: &Filter) -> Markup {
    let l = ctx.l();
    html! {
        form class="filters" method="get" action="/incidents" role="search" data-search {
            label { (l.t("filter-text")) input type="search" name="q" value=(filter.q) maxlength="200"; }
            label { (l.t("col-zone")) (zone_choice(ctx, &filter.zone)) }
            button { (l.t("filter-go")) }
        }
    }
}

/// A choice of the zones that the person sees.
pub fn zone_choice(ctx: &Ctx, chosen: &str) -> Markup {
    let zones = ctx.known.context.zones().iter().enumerate();
    let seen = zones.filter(|(id, _)| ctx.person.sees(std::iter::once(*id as citywall_event::ZoneId)));
    html! {
        select name="zone" {
            option value="" { (ctx.l().t("all")) }
            @for (_, zone) in seen { option value=(zone.name) selected[zone.name == chosen] { (zone.name) } }
        }
    }
}

fn summary(ctx: &Ctx, incident: &Incident) -> Markup {
    let l = ctx.l();
    html! {
        article {
            h2 { (layout::severity(ctx, incident.severity)) " " a href={ "/incidents/" (incident.number) } { (said::title(ctx, incident)) } }
            p {
                @if incident.services.is_empty() { (l.t("stake-none")) }
                @else { strong { (l.t("stake")) } " " (incident.services.iter().map(|s| plain(s)).collect::<Vec<_>>().join(", ")) }
            }
            p class="quiet" {
                (ctx.known.time_of(&incident.first)) " – " (ctx.known.time_of(&incident.last)) " · "
                (incident.zones.iter().map(|z| plain(z)).collect::<Vec<_>>().join(", ")) " · "
                (l.count("reasons-count", incident.reasons.len() as u64)) " · " (l.t(&format!("change-{}", state(incident))))
            }
        }
    }
}

fn state(incident: &Incident) -> &'static str {
    if incident.change == "closed" {
        "closed"
    } else {
        "open"
    }
}

/// An incident that the person sees.
///
/// # Errors
/// Where there is none: who may not see it is told the same.
pub fn find(ctx: &Ctx, number: &str) -> Result<(Incident, Vec<Told>), Refusal> {
    let board = ctx.app().board();
    let found = board.incidents.get(number).filter(|i| ctx.sees(i));
    let told = board.told.get(number).cloned().unwrap_or_default();
    found
        .map(|incident| (incident.clone(), told))
        .ok_or_else(|| ctx.refuse(StatusCode::NOT_FOUND, "error-incident"))
}

/// `GET /incidents/{number}`.
pub async fn page(ctx: Ctx, Path(number): Path<String>) -> Result<Response, Refusal> {
    let (incident, told) = find(&ctx, &number)?;
    let actions = ctx.app().actions(&ctx.person.name).await;
    let l = ctx.l();
    let body = html! {
        p class="lead" {
            (layout::severity(&ctx, incident.severity)) " " (l.t(&format!("change-{}", state(&incident)))) " · "
            (l.t("since")) " " (ctx.known.time_of(&incident.first)) " · " (l.t("last-evidence")) " " (ctx.known.time_of(&incident.last))
            " · " code { (plain(&incident.number)) }
        }
        div class="columns" {
            section {
                h2 { (l.t("incident-what")) }
                ul { @for kind in incident.kinds.iter().rev() { li { (layout::kind(&ctx, kind)) } } }
                p { strong { (l.t("incident-sure")) } " " (sureness(&ctx, &incident)) }
                h2 { (l.t("stake")) }
                (stake(&ctx, &incident))
                h2 { (l.t("incident-who")) }
                (parties(&ctx, &incident))
                h2 { (l.t("triage")) }
                (triage(&ctx, &incident))
            }
            section {
                h2 { (l.t("incident-proposed")) }
                (proposals(&ctx, &incident, &actions, &told))
            }
        }
        h2 { (l.t("timeline")) }
        (timeline(&ctx, &incident))
        (techniques(&ctx, &incident))
        @if ctx.app().packets.is_none() { p class="quiet" { (l.t("packets-not-kept")) } }
        p {
            @if ctx.may(Deed::CallNormal, &incident) {
                a class="button plain" href={ "/incidents/" (incident.number) "/normal" } { (l.t("normal-call")) } " "
            }
            @if ctx.app().packets.is_some() && ctx.may(Deed::Packets, &incident) {
                a href={ "/incidents/" (incident.number) "/packets" } download { (l.t("packets-take")) } " "
            }
            a href=(link("/report", &[("incident", &incident.number)])) { (l.t("report-of-incident")) }
        }
    };
    Ok(layout::page(&ctx, &said::title(&ctx, &incident), true, body))
}

/// How sure: what was done counts more than what was tried, and many kinds of evidence more than one.
fn sureness(ctx: &Ctx, incident: &Incident) -> String {
    let shown = |kinds: &[&str]| incident.kinds.iter().any(|k| kinds.contains(&k.as_str()));
    let id = if shown(&["takeover", "change", "flood", "isolation", "stolen-credentials"])
        && incident.kinds.len() > 1
    {
        "sure-high"
    } else if incident.kinds.len() > 2 {
        "sure-middle"
    } else {
        "sure-low"
    };
    ctx.l().t(id)
}

fn stake(ctx: &Ctx, incident: &Incident) -> Markup {
    let l = ctx.l();
    let services = ctx.known.context.services();
    html! {
        @if incident.services.is_empty() { p { (l.t("stake-none")) } } @else {
            ol { @for name in &incident.services { li {
                (plain(name)) " "
                @if let Some(service) = services.iter().find(|s| s.name == *name) { (layout::criticality(ctx, service.criticality.name())) }
            } } }
            p class="quiet" { (l.t("stake-order")) }
        }
    }
}

fn parties(ctx: &Ctx, incident: &Incident) -> Markup {
    let l = ctx.l();
    html! {
        ul { @for party in &incident.suspects { li {
            (layout::device(&party.name)) @if let Some(ip) = party.ip.filter(|ip| ip.to_string() != party.name) { " " small { (ip) } }
            " " @if party.taken { strong { (l.t("party-taken")) } }
            " " @if !party.proved { span class="quiet" { (l.t("party-unproved")) } }
        } } }
        @if !incident.victims.is_empty() {
            p { (l.t("incident-to-whom")) }
            @let victims: Vec<Markup> = incident.victims.iter().take(24).map(|party| html! {
                (layout::device(&party.name)) @if party.taken { " " strong { (l.t("party-taken")) } }
            }).collect();
            (layout::folded(ctx, &fold("more-devices"), &victims, |items| html! { ul { (items) } }))
        }
    }
}

fn proposals(
    ctx: &Ctx,
    incident: &Incident,
    actions: &Result<Vec<ActionView>, crate::gate::GateError>,
    told: &[Told],
) -> Markup {
    let l = ctx.l();
    html! {
        @match actions {
            Ok(actions) => {
                @let own: Vec<&ActionView> = actions.iter().filter(|a| a.incident == incident.number).collect();
                @if own.is_empty() { p { (l.t("actions-none")) } } @else {
                    p { (l.t("action-wrong")) }
                    @if ctx.app().gate_kind == GateKind::Rehearsal { p class="quiet" { (l.t("rehearsal-act")) } }
                }
                // One decision at a time: the first that waits for this person is open.
                @let next = own.iter().position(|a| a.stage == "proposed" && !a.approvals.contains(&ctx.person.name));
                @if own.len() > 1 { p class="quiet" { (l.t("actions-one")) } }
                @for (place, action) in own.iter().enumerate() { (acts::card(ctx, action, incident, Some(place) == next)) }
            }
            Err(error) => { p class="error" { (l.t("gate-away")) " " (error) } }
        }
        @if !told.is_empty() {
            details {
                summary { (l.t("told")) }
                ul { @for told in told { li {
                    strong { (rung(ctx, &told.kind)) } " " (said::said(ctx, &told.target, told.messages.target.as_ref()).markup(SHOWN))
                    ": " (said::said(ctx, &told.reason, told.messages.reason.as_ref()).markup(SHOWN))
                    " " span class="quiet" { (status(ctx, &told.status)) @for guard in said::each(ctx, &told.guards, &told.messages.guards) { "; " (guard) } }
                } } }
            }
        }
    }
}

/// A rung of the ladder, in words.
pub fn rung(ctx: &Ctx, name: &str) -> String {
    ctx.l()
        .find(&format!("rung-{name}"))
        .unwrap_or_else(|| plain(name))
}

/// What became of something that was told, in words.
fn status(ctx: &Ctx, name: &str) -> String {
    ctx.l()
        .find(&format!("status-{name}"))
        .unwrap_or_else(|| plain(name))
}

fn timeline(ctx: &Ctx, incident: &Incident) -> Markup {
    let l = ctx.l();
    let reasons = incident.reasons.iter().map(|reason| html! {
        time datetime=(reason.at) { (ctx.known.time_of(&reason.at)) } " "
        (said::said(ctx, &reason.text, reason.message.as_ref()).markup(400)) " "
        @if let Some(technique) = &reason.technique { span class="tag" { (technique_words(ctx, &technique.id).unwrap_or_else(|| plain(&technique.name))) } " " }
        a href=(link("/events", &[("id", &reason.event)])) { (l.t("see-event")) }
    });
    let reasons: Vec<Markup> = reasons.collect();
    layout::folded(
        ctx,
        &fold("more-reasons"),
        &reasons,
        |items| html! { ol class="timeline" { (items) } },
    )
}

/// A list's fold on an incident's page.
fn fold(more: &str) -> layout::Fold<'_> {
    layout::Fold {
        name: more,
        more,
        open: OPEN,
    }
}

fn technique_words(ctx: &Ctx, id: &str) -> Option<String> {
    let id = id.to_ascii_lowercase().replace('.', "-");
    ctx.l().find(&format!("technique-{id}"))
}

fn techniques(ctx: &Ctx, incident: &Incident) -> Markup {
    let mut list: Vec<_> = incident
        .reasons
        .iter()
        .filter_map(|r| r.technique.as_ref())
        .collect();
    list.sort_by(|a, b| a.id.cmp(&b.id));
    list.dedup_by(|a, b| a.id == b.id);
    html! {
        @if !list.is_empty() {
            details id="techniques" {
                summary { h2 { (ctx.l().t("techniques")) } }
                dl { @for technique in list {
                    dt { code { (plain(&technique.id)) } " " (plain(&technique.name)) }
                    dd { (technique_words(ctx, &technique.id).unwrap_or_default()) }
                } }
            }
        }
    }
}

/// What to check, whom to call, what not to touch: of the worst kind of evidence.
fn triage(ctx: &Ctx, incident: &Incident) -> Markup {
    let l = ctx.l();
    let departments: Vec<String> = match &ctx.known.city {
        Some(city) => {
            let domains = city.domains.iter().filter(|d| incident.domains.contains(&d.name));
            domains
                .filter(|d| !d.department.is_empty())
                .map(|d| d.department.clone())
                .collect()
        }
        None => Vec::new(),
    };
    let kind = incident.kinds.last().map(String::as_str).unwrap_or_default();
    let group = triage_group(kind);
    html! {
        dl class="triage" {
            dt { (l.t("triage-check")) } dd { (l.t(&format!("triage-{group}-check"))) }
            dt { (l.t("triage-call")) } dd {
                @if departments.is_empty() { (l.t("triage-call-nobody")) } @else { (departments.join(", ")) }
            }
            dt { (l.t("triage-touch")) } dd { (l.t(&format!("triage-{group}-touch"))) }
            dt { (l.t("triage-avoid")) } dd { (l.t(&format!("triage-{group}-avoid"))) }
        }
    }
}

/// Kinds of evidence that are looked into alike.
fn triage_group(kind: &str) -> &'static str {
    const GROUPS: [(&str, &[&str]); 6] = [
        (
            "control",
            &["change", "unanswered-change", "refused-change", "deviation"],
        ),
        (
            "takeover",
            &["takeover", "stolen-credentials", "callback", "password-guessing"],
        ),
        ("flood", &["flood"]),
        ("leak", &["upload", "tunnel"]),
        ("stranger", &["rogue-device", "address-claimed", "isolation"]),
        (
            "contact",
            &["scan", "forbidden-contact", "forbidden-read", "alert"],
        ),
    ];
    GROUPS
        .iter()
        .find(|(_, kinds)| kinds.contains(&kind))
        .map_or("contact", |(group, _)| group)
}

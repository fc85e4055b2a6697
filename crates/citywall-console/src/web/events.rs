//! Search over the events.
//!
//! Owns: the filters of the address bar, paging, and what of an event is shown. Does not own: the
//! archive. A search runs on a thread that may take its time, two at most.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::Response;
use citywall_event::{Context, ZoneId};
use maud::{Markup, html};
use serde::Deserialize;
use utoipa::IntoParams;

use super::context::{Ctx, Refusal};
use super::incidents::zone_choice;
use super::layout::{self, link};
use super::said;
use crate::archive::{Head, Hit, Query as Wanted};
use crate::permission::Person;
use crate::said::Message;
use crate::text::{cut, nanos, plain};

/// Events of a page.
const PAGE: usize = 100;
/// Most events of one export.
pub const EXPORT: usize = 100_000;

/// The address bar's filters.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// An event type.
    #[serde(default)]
    pub kind: String,
    /// A device's name or address.
    #[serde(default)]
    pub device: String,
    /// A zone's name.
    #[serde(default)]
    pub zone: String,
    /// Text that stands in the event.
    #[serde(default)]
    pub q: String,
    /// Not before: `2026-04-30T13:20`, UTC.
    #[serde(default)]
    pub from: String,
    /// Before this.
    #[serde(default)]
    pub to: String,
    /// The id of one event.
    #[serde(default)]
    pub id: String,
    /// Where the page before ended.
    #[serde(default)]
    #[param(nullable = false, format = "uint64")]
    pub before: Option<u64>,
}

/// A time of a form: with or without seconds.
fn time(text: &str) -> Result<Option<i64>, ()> {
    if text.is_empty() {
        return Ok(None);
    }
    let candidates = [
        text.to_owned(),
        format!("{text}Z"),
        format!("{text}:00Z"),
        format!("{text}T00:00:00Z"),
    ];
    candidates.iter().find_map(|t| nanos(t)).map(Some).ok_or(())
}

/// Whether a person sees an event: what lies in none of the zones of a department is the city's.
fn visible(city: &Context, person: &Person, zone: Option<ZoneId>, head: &Head<'_>, line: &str) -> bool {
    let place = |ip: Option<IpAddr>| city.locate(ip, None).zone;
    let ends = [
        head.src_ip.and_then(|ip| place(Some(ip))),
        head.dest_ip.and_then(|ip| place(Some(ip))),
    ];
    // An incident concerns more zones than its line's two ends.
    let named = |id: ZoneId| {
        let wide = matches!(&*head.event_type, "incident" | "action");
        wide && city
            .zone(id)
            .is_some_and(|z| line.contains(&format!("\"{}\"", z.name)))
    };
    let in_zone = zone.is_none_or(|zone| ends.contains(&Some(zone)) || named(zone));
    if person.sees_city() {
        return in_zone;
    }
    let own = ends.into_iter().flatten().chain(
        (0..city.zones().len())
            .filter_map(|id| ZoneId::try_from(id).ok())
            .filter(|id| named(*id)),
    );
    in_zone && person.sees(own)
}

/// The newest events that a filter and the person's scope let through.
///
/// # Errors
/// Where a filter is no time, no zone or no device.
pub async fn search(ctx: &Ctx, filter: &Filter, limit: usize) -> Result<Vec<Hit>, Refusal> {
    let wrong = |id: &str| ctx.refuse(StatusCode::BAD_REQUEST, id);
    let (Ok(from), Ok(to)) = (time(&filter.from), time(&filter.to)) else {
        return Err(wrong("error-time"));
    };
    let app = Arc::clone(ctx.app());
    let zone = match filter.zone.as_str() {
        "" => None,
        name => Some(ctx.known.zone(name).ok_or_else(|| wrong("error-zone"))?),
    };
    let hosts = match filter.device.as_str() {
        "" => Vec::new(),
        name => hosts(ctx, name).ok_or_else(|| wrong("error-device"))?,
    };
    let text = match filter.id.as_str() {
        "" => filter.q.clone(),
        id => format!("\"id\":\"{}\"", cut(id, 80)),
    };
    let wanted = Wanted {
        from,
        to,
        kinds: Some(filter.kind.clone())
            .filter(|k| !k.is_empty())
            .into_iter()
            .collect(),
        hosts,
        text: cut(&text, 200),
        before: filter.before,
        limit,
    };
    let (person, known) = (ctx.person.clone(), Arc::clone(&ctx.known));
    let Ok(_place) = ctx.app().searching.acquire().await else {
        return Err(wrong("error-busy"));
    };
    let found = tokio::task::spawn_blocking(move || {
        let snapshot = app.archive().snapshot();
        snapshot.search(&wanted, &|head, line| {
            visible(&known.context, &person, zone, head, line)
        })
    });
    found.await.map_err(|_| wrong("error-busy"))
}

/// The addresses of a device, or the address itself.
fn hosts(ctx: &Ctx, name: &str) -> Option<Vec<IpAddr>> {
    if let Ok(ip) = name.parse() {
        return Some(vec![ip]);
    }
    if let Some(device) = ctx.app().board().devices.get(name) {
        return Some(device.addresses.clone()).filter(|list| !list.is_empty());
    }
    let asset = ctx.known.context.assets().iter().find(|a| a.name == name)?;
    Some(asset.addresses.iter().map(|(ip, _)| *ip).collect())
}

/// `GET /events`.
///
/// # Errors
/// As `search`.
pub async fn page(ctx: Ctx, Query(filter): Query<Filter>) -> Result<Response, Refusal> {
    let hits = search(&ctx, &filter, PAGE + 1).await?;
    let l = ctx.l();
    let more = hits.len() > PAGE;
    let shown = &hits[..hits.len().min(PAGE)];
    let kinds: Vec<String> = {
        let mut kinds = ctx.app().archive().kinds().to_vec();
        kinds.sort();
        kinds
    };
    let pairs = [
        ("kind", filter.kind.as_str()),
        ("device", &filter.device),
        ("zone", &filter.zone),
        ("q", &filter.q),
        ("from", &filter.from),
        ("to", &filter.to),
        ("id", &filter.id),
    ];
    let before = shown.last().map(|hit| hit.place.to_string()).unwrap_or_default();
    let next: Vec<(&str, &str)> = pairs
        .iter()
        .copied()
        .chain([("before", before.as_str())])
        .collect();
    let body = html! {
        form class="filters" method="get" action="/events" role="search" data-search {
            label { (l.t("filter-text")) input type="search" name="q" value=(filter.q) maxlength="200"; }
            label { (l.t("col-kind")) select name="kind" { option value="" { (l.t("all")) }
                @for kind in &kinds { option value=(kind) selected[*kind == filter.kind] { (plain(kind)) } } } }
            label { (l.t("col-device")) input name="device" value=(filter.device) maxlength="128"; }
            label { (l.t("col-zone")) (zone_choice(&ctx, &filter.zone)) }
            label { (l.t("filter-from")) input type="datetime-local" name="from" value=(filter.from); }
            label { (l.t("filter-to")) input type="datetime-local" name="to" value=(filter.to); }
            button { (l.t("filter-go")) }
        }
        section id="results" {
            @if shown.is_empty() { p { (l.t("events-none")) } }
            ul class="events" { @for hit in shown { li { (row(&ctx, hit)) } } }
            p class="pages" {
                @if filter.before.is_some() { a href=(link("/events", &pairs)) { (l.t("events-newest")) } " " }
                @if more { a rel="next" href=(link("/events", &next)) { (l.t("events-older")) } }
            }
            p { a href=(link("/export/events.csv", &pairs)) { (l.t("export-csv")) } " " a href=(link("/export/events.json", &pairs)) { (l.t("export-json")) } }
        }
    };
    Ok(layout::page(&ctx, &l.t("nav-events"), false, body))
}

/// An event's two ends, by name.
pub fn ends(ctx: &Ctx, event: &serde_json::Value) -> String {
    let board = ctx.app().board();
    let name = |field: &str| {
        let ip: Option<IpAddr> = event[field].as_str().and_then(|t| t.parse().ok());
        ip.map(|ip| board.name_of(ip, &ctx.known.context))
    };
    match (name("src_ip"), name("dest_ip")) {
        (Some(from), Some(to)) => format!("{from} → {to}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => String::new(),
    }
}

fn row(ctx: &Ctx, hit: &Hit) -> Markup {
    let event: serde_json::Value = serde_json::from_str(&hit.line).unwrap_or_default();
    let kind = event["event_type"].as_str().unwrap_or_default();
    let body = told(ctx, kind, &event[kind]);
    let pretty = serde_json::to_string_pretty(&event).unwrap_or_default();
    html! {
        details {
            summary {
                time { (ctx.known.time_of(event["timestamp"].as_str().unwrap_or_default())) } " "
                span class="tag" { (plain(kind)) } " " (plain(&ends(ctx, &event))) " " span class="quiet" { (body) }
            }
            pre { (clean(&pretty)) }
        }
    }
}

/// What an event says: its sentence, where it has one, else its members.
fn told(ctx: &Ctx, kind: &str, body: &serde_json::Value) -> Markup {
    let field = |names: &[&str]| names.iter().find_map(|name| body[name].as_str());
    let english = match kind {
        "violation" | "behaviour" => field(&["reason"]),
        "incident" => field(&["title"]),
        _ => None,
    };
    let message = Message::deserialize(&body["message"]).ok();
    match english {
        Some(english) => said::said(ctx, english, message.as_ref()).markup(160),
        None if kind == "action" => {
            let part = |name: &str| {
                let message = Message::deserialize(&body["messages"][name]).ok();
                said::said(ctx, body[name].as_str().unwrap_or_default(), message.as_ref()).markup(160)
            };
            let rung = super::incidents::rung(ctx, body["kind"].as_str().unwrap_or_default());
            html! { (rung) " " (part("target")) ": " (part("reason")) }
        }
        None if body.is_null() => Markup::default(),
        None => html! { (cut(&body.to_string(), 160)) },
    }
}

/// Lines stay lines; everything else that hides is shown.
fn clean(text: &str) -> String {
    text.lines()
        .take(400)
        .map(|line| cut(line, 1_000))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_a_form() {
        assert_eq!(time(""), Ok(None));
        assert_eq!(time("2026-04-30T13:20"), Ok(nanos("2026-04-30T13:20:00Z")));
        assert_eq!(time("2026-04-30"), Ok(nanos("2026-04-30T00:00:00Z")));
        assert_eq!(time("soon"), Err(()));
    }
}

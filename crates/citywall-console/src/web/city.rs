//! The city at a glance: zones by domain, their conduits, traffic, and what is wrong where.
//!
//! Owns: the drawing and what stands beside it. Does not own: lists (`incidents`, `devices`). The
//! drawing says nothing that the table below it does not say in words.

use std::collections::BTreeMap;

use axum::response::Response;
use citywall_event::{ConduitEnd, OUTSIDE};
use citywall_policy::City;
use maud::{Markup, html};
use serde::Serialize;
use utoipa::ToSchema;

use super::context::Ctx;
use super::layout::{self, link};
use super::said;
use crate::text::{bytes, number, plain};

/// Zones that are drawn; a larger city has the table alone.
const DRAWN: usize = 64;
/// Minutes that count as now.
const NOW: usize = 10;

/// A zone as it stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ZoneView {
    /// Its name.
    pub name: String,
    /// Its domain.
    pub domain: String,
    /// `safety`, `essential`, `normal`.
    pub criticality: String,
    /// Devices seen.
    pub devices: usize,
    /// Bytes of the last minutes, by the conversations that ended.
    pub bytes: u64,
    /// Contacts that the city file does not allow, from it and to it.
    pub violations: u64,
    /// Open incidents that concern it.
    pub incidents: usize,
    /// Severity of the worst of these; 0: none.
    pub worst: u8,
}

/// The zones that the person sees, in the order of the city file.
pub fn zones(ctx: &Ctx) -> Vec<ZoneView> {
    let app = ctx.app();
    let board = app.board();
    let mut devices: BTreeMap<&str, usize> = BTreeMap::new();
    for device in board.devices.values() {
        *devices
            .entry(device.zone.as_deref().unwrap_or(OUTSIDE))
            .or_default() += 1;
    }
    let mut bytes: BTreeMap<&str, u64> = BTreeMap::new();
    for minute in board.minutes.values().rev().take(NOW) {
        for (zone, count) in &minute.zones {
            *bytes.entry(zone).or_default() += count;
        }
    }
    let mut violations: BTreeMap<&str, u64> = BTreeMap::new();
    for ((from, to), crossing) in &board.crossings {
        *violations.entry(from).or_default() += crossing.violations;
        if from != to {
            *violations.entry(to).or_default() += crossing.violations;
        }
    }
    let mut wrong: BTreeMap<&str, (usize, u8)> = BTreeMap::new();
    for incident in board
        .incidents
        .values()
        .filter(|i| i.change != "closed" || !app.live)
    {
        for zone in &incident.zones {
            let entry = wrong.entry(zone).or_insert((0, u8::MAX));
            entry.0 += 1;
            entry.1 = entry.1.min(incident.severity);
        }
    }
    let zones = ctx.known.context.zones().iter().enumerate();
    let seen = zones.filter(|(id, _)| ctx.person.sees(std::iter::once(*id as citywall_event::ZoneId)));
    seen.map(|(_, zone)| {
        let name = zone.name.as_str();
        let (incidents, worst) = wrong.get(name).copied().unwrap_or_default();
        ZoneView {
            name: zone.name.clone(),
            domain: zone.domain.clone(),
            criticality: zone.criticality.name().to_owned(),
            devices: devices.get(name).copied().unwrap_or(0),
            bytes: bytes.get(name).copied().unwrap_or(0),
            violations: violations.get(name).copied().unwrap_or(0),
            incidents,
            worst,
        }
    })
    .collect()
}

/// `GET /`.
pub async fn page(ctx: Ctx) -> Response {
    let l = ctx.l();
    let views = zones(&ctx);
    let (open, events, worst) = {
        let board = ctx.app().board();
        let list = board.worst_first(&ctx.known.context);
        let seen: Vec<_> = list.into_iter().filter(|i| ctx.sees(i)).collect();
        let worst: Vec<_> = seen.iter().take(3).map(|i| (*i).clone()).collect();
        (seen.len(), ctx.app().archive().count(), worst)
    };
    let devices: usize = views.iter().map(|z| z.devices).sum();
    let body = html! {
        (banner(&ctx, open, &worst))
        ul class="figures" {
            (figure(&number(open as u64), &l.count("figure-incidents", open as u64), "/incidents"))
            (figure(&number(devices as u64), &l.count("figure-devices", devices as u64), "/devices"))
            (figure(&number(views.len() as u64), &l.t("figure-zones"), "/policy"))
            (figure(&number(events), &l.t("figure-events"), "/events"))
        }
        @if ctx.person.sees_city() { (services(&ctx)) }
        @if let Some(city) = &ctx.known.city {
            @if views.len() <= DRAWN {
                section class="wide" aria-labelledby="map" {
                    h2 id="map" { (l.t("city-map")) }
                    p class="quiet" { (l.t("city-map-legend")) }
                    div class="scroll" tabindex="0" role="region" aria-label=(l.t("city-map")) { (drawing(&ctx, city, &views)) }
                }
            }
        } @else {
            p { (l.t("city-none")) }
        }
        h2 { (l.t("city-zones")) }
        (zone_table(&ctx, &views))
    };
    layout::page(&ctx, &l.t("nav-city"), true, body)
}

fn banner(ctx: &Ctx, open: usize, worst: &[crate::board::Incident]) -> Markup {
    let l = ctx.l();
    html! {
        @if worst.is_empty() {
            p class="banner calm" { (l.t("banner-calm")) }
        } @else {
            section class="banner alarm" aria-labelledby="worst" {
                h2 id="worst" { (l.count("banner-open", open as u64)) }
                ul { @for incident in worst {
                    li {
                        (layout::severity(ctx, incident.severity)) " "
                        a href={ "/incidents/" (incident.number) } { (said::title(ctx, incident)) }
                        @if let Some(service) = incident.services.first() {
                            " " span class="stake" { (l.with("stake-next", &[("service", &plain(service))])) }
                        }
                    }
                } }
            }
        }
    }
}

/// What the city does for people, and which of it is in danger: what a mayor asks first.
fn services(ctx: &Ctx) -> Markup {
    let l = ctx.l();
    let app = ctx.app();
    let board = app.board();
    let open = board.worst_first(&ctx.known.context);
    let open: Vec<_> = open
        .into_iter()
        .filter(|i| i.change != "closed" || !app.live)
        .collect();
    let mut list: Vec<_> = ctx.known.context.services().iter().take(DRAWN).collect();
    list.sort_by_key(|s| std::cmp::Reverse(s.criticality));
    html! {
        @if !list.is_empty() {
            h2 { (l.t("city-services")) }
            ul class="services" { @for service in list {
                @let threat = open.iter().find(|i| i.services.contains(&service.name));
                li class={ "service " @if threat.is_some() { "threatened" } } {
                    strong { (plain(&service.name)) }
                    span class="quiet" { (l.t("col-criticality")) ": " (l.t(&format!("criticality-{}", service.criticality.name()))) }
                    @match threat {
                        Some(incident) => { a href={ "/incidents/" (incident.number) } { "▲ " (l.t("service-threatened")) } }
                        None => { span { "○ " (l.t("service-calm")) } }
                    }
                }
            } }
        }
    }
}

fn figure(value: &str, label: &str, to: &str) -> Markup {
    html! { li { a href=(to) { strong { (value) } " " span { (label) } } } }
}

fn zone_table(ctx: &Ctx, views: &[ZoneView]) -> Markup {
    let l = ctx.l();
    let heads = [
        "col-zone",
        "col-domain",
        "col-criticality",
        "col-devices",
        "col-traffic",
        "col-violations",
        "col-incidents",
    ];
    let heads: Vec<String> = heads.iter().map(|id| l.t(id)).collect();
    let rows = html! { @for zone in views {
        tr {
            th scope="row" { a href=(link("/devices", &[("zone", &zone.name)])) { (zone.name) } }
            td { (zone.domain) }
            td { (layout::criticality(ctx, &zone.criticality)) }
            td class="n" { (number(zone.devices as u64)) }
            td class="n" { (bytes(zone.bytes)) }
            td class="n" { (number(zone.violations)) }
            td { @if zone.worst > 0 {
                a href=(link("/incidents", &[("zone", &zone.name)])) { (zone.incidents) " " (layout::severity(ctx, zone.worst)) }
            } @else { (l.t("none")) } }
        }
    } };
    layout::table(&l.t("city-zones"), &heads, rows)
}

const BOX: (i32, i32) = (176, 78);
const GAP: (i32, i32) = (64, 26);
const TOP: i32 = 92;
/// Height that a line over the boxes gains with each column that it passes.
const LANE: i32 = 14;

/// The drawing: a column for each domain, a box for each zone, a line for each conduit between two
/// of them, and a broken line for what was seen and is not allowed.
fn drawing(ctx: &Ctx, city: &City, views: &[ZoneView]) -> Markup {
    let l = ctx.l();
    let mut domains: Vec<&str> = Vec::new();
    for view in views {
        if !domains.contains(&view.domain.as_str()) {
            domains.push(&view.domain);
        }
    }
    let mut places: BTreeMap<&str, (i32, i32)> = BTreeMap::new();
    let mut rows = 0;
    for (column, domain) in domains.iter().enumerate() {
        for (row, view) in views.iter().filter(|v| v.domain == *domain).enumerate() {
            rows = rows.max(row + 1);
            let x = 12 + column as i32 * (BOX.0 + GAP.0);
            places.insert(&view.name, (x, TOP + row as i32 * (BOX.1 + GAP.1)));
        }
    }
    let width = 24 + domains.len() as i32 * (BOX.0 + GAP.0) - GAP.0;
    let bottom = TOP + rows as i32 * (BOX.1 + GAP.1);
    places.insert(OUTSIDE, (12, bottom + 8));
    let height = bottom + 60;
    let lines = conduits(city);
    let forbidden: Vec<(String, String)> = {
        let board = ctx.app().board();
        let bad = board.crossings.iter().filter(|(_, c)| c.violations > 0);
        bad.map(|(zones, _)| zones.clone()).collect()
    };
    let path = |from: &str, to: &str| {
        let ((x1, y1), (x2, y2)) = (places.get(from)?, places.get(to)?);
        let (ax, ay) = (x1 + BOX.0 / 2, y1 + BOX.1 / 2);
        let (bx, by) = (x2 + BOX.0 / 2, y2 + BOX.1 / 2);
        // What passes other columns goes over them, not behind their boxes.
        let columns = (x2 - x1).abs() / (BOX.0 + GAP.0);
        if y1 == y2 && *y1 == TOP && columns > 1 {
            let over = TOP - LANE * columns.min(4) - 10;
            return Some(format!("M{ax} {TOP} C{ax} {over} {bx} {over} {bx} {TOP}"));
        }
        if columns == 1 && y1 == y2 {
            let (from, to) = if x1 < x2 {
                (x1 + BOX.0, *x2)
            } else {
                (*x1, x2 + BOX.0)
            };
            return Some(format!("M{from} {ay} L{to} {by}"));
        }
        // Lines of one column bow to the side, so that they do not hide behind the boxes between.
        let bow = if x1 == x2 { BOX.0 / 2 + GAP.0 / 2 } else { 0 };
        let (mx, my) = ((ax + bx) / 2 + bow, (ay + by) / 2 - (bx - ax).abs() / 10);
        Some(format!("M{ax} {ay} Q{mx} {my} {bx} {by}"))
    };
    html! {
        svg class="map" viewBox={ "0 0 " (width) " " (height) } width=(width) height=(height) role="group" aria-label=(l.t("city-map")) {
            defs { marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto" {
                path class="head" d="M0 0 L8 4 L0 8 z" {}
            } }
            @for (from, to) in &lines {
                @if let Some(d) = path(from, to) { path class="conduit" d=(d) {} }
            }
            @for (from, to) in &forbidden {
                @if let Some(d) = path(from, to) {
                    path class="forbidden" d=(d) marker-end="url(#head)" { title { (l.with("map-forbidden", &[("from", from), ("to", to)])) } }
                }
            }
            @for (column, domain) in domains.iter().enumerate() {
                text class="domain" x=(12 + column as i32 * (BOX.0 + GAP.0)) y="26" { (domain) }
            }
            @for view in views {
                @if let Some((x, y)) = places.get(view.name.as_str()) { (zone_box(ctx, view, *x, *y)) }
            }
            g { rect class="zone outside" x="12" y=(bottom + 8) width=(width - 24) height="40" rx="6" {}
                text x="24" y=(bottom + 33) { (l.t("outside")) } }
        }
    }
}

fn zone_box(ctx: &Ctx, view: &ZoneView, x: i32, y: i32) -> Markup {
    let l = ctx.l();
    let state = if view.worst > 0 {
        format!("sev{}", view.worst)
    } else {
        "calm".into()
    };
    let wrong = match view.incidents {
        0 => l.t("map-calm"),
        n => l.count("map-incidents", n as u64),
    };
    // The shape before the words says the same as the colour.
    let mark = match view.worst {
        0 => "○",
        1 => "▲",
        2 => "◆",
        _ => "■",
    };
    html! {
        a href=(link("/devices", &[("zone", &view.name)])) {
            rect class={ "zone " (state) " crit-" (view.criticality) } x=(x) y=(y) width=(BOX.0) height=(BOX.1) rx="6" {}
            text class="name" x=(x + 10) y=(y + 20) { (crate::text::cut(&view.name, 20)) }
            text x=(x + 10) y=(y + 37) { (l.t(&format!("criticality-{}", view.criticality))) }
            text x=(x + 10) y=(y + 53) { (l.count("map-devices", view.devices as u64)) ", " (bytes(view.bytes)) }
            text class="state" x=(x + 10) y=(y + 69) { (mark) " " (wrong) }
        }
    }
}

/// Pairs of different zones that a conduit joins, each once.
fn conduits(city: &City) -> Vec<(String, String)> {
    let zone = |end: &ConduitEnd| match end {
        ConduitEnd::Zone(id) => city.zones.get(usize::from(*id)).map(|z| z.name.clone()),
        ConduitEnd::Asset(id) => {
            let zone = city.assets.get(*id as usize).and_then(|a| a.zone);
            zone.and_then(|z| city.zones.get(z)).map(|z| z.name.clone())
        }
        ConduitEnd::Outside => Some(OUTSIDE.to_owned()),
        // What all zones reach would hide everything else.
        ConduitEnd::EveryZone => None,
    };
    let mut pairs = std::collections::BTreeSet::new();
    for conduit in &city.conduits {
        for from in conduit.from.iter().filter_map(zone) {
            for to in conduit.to.iter().filter_map(zone) {
                if from != to && pairs.len() < 512 {
                    pairs.insert(if from < to {
                        (from.clone(), to)
                    } else {
                        (to, from.clone())
                    });
                }
            }
        }
    }
    pairs.into_iter().collect()
}

//! Traffic: rates by zone and protocol, who talks most, floods.
//!
//! Owns: the page. Does not own: counting (`board`); what a flood is (`citywall-behaviour`).

use std::collections::{BTreeMap, BTreeSet};

use axum::response::Response;
use maud::{Markup, html};
use serde::Serialize;
use utoipa::ToSchema;

use super::context::Ctx;
use super::{chart, layout, said};
use crate::board::{Board, MINUTES};
use crate::permission::Scope;
use crate::text::{bytes, number, plain};
use crate::upkeep::Foreseen;

/// Series of a chart.
const SERIES: usize = 6;
/// Talkers that are listed.
const TALKERS: usize = 25;

/// Bytes of a zone or protocol in each minute.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Series {
    /// Zone or protocol.
    pub name: String,
    /// Minute since 1970, and bytes of the conversations that ended in it.
    pub minutes: Vec<(i64, u64)>,
    /// All bytes.
    pub bytes: u64,
}

/// Two that talk.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Talker {
    /// Who began.
    pub from: String,
    /// With whom.
    pub to: String,
    /// In which protocol.
    pub protocol: String,
    /// Conversations.
    pub flows: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Rates and talkers, as far as the person sees them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TrafficView {
    /// By zone, most first.
    pub zones: Vec<Series>,
    /// By protocol, most first; of the whole city, so only for who sees it.
    pub protocols: Vec<Series>,
    /// Who talks most.
    pub talkers: Vec<Talker>,
    /// What signed models expected of classes of devices in each hour, and what they exchanged.
    pub forecasts: Vec<Foreseen>,
}

fn series(
    board: &Board,
    of: impl Fn(&crate::board::Minute) -> &BTreeMap<String, u64>,
    seen: impl Fn(&str) -> bool,
) -> Vec<Series> {
    let names: BTreeSet<&str> = board
        .minutes
        .values()
        .flat_map(|counted| of(counted).keys().map(String::as_str))
        .filter(|name| seen(name))
        .collect();
    // A minute in which nothing ended is nothing: a line that slopes over it would be invented.
    let span = board.minutes.keys().next().zip(board.minutes.keys().next_back());
    let span = span.map(|(first, last)| *first.max(&(last - MINUTES as i64))..=*last);
    let bytes = |minute: i64, name: &str| {
        let counted = board.minutes.get(&minute);
        counted.and_then(|m| of(m).get(name).copied()).unwrap_or(0)
    };
    let all = names.into_iter().map(|name| {
        let minutes = span.clone().into_iter().flatten();
        (name, minutes.map(|m| (m, bytes(m, name))).collect::<Vec<_>>())
    });
    let mut list: Vec<Series> = all
        .map(|(name, minutes)| Series {
            name: name.to_owned(),
            bytes: minutes.iter().map(|(_, b)| b).sum(),
            minutes,
        })
        .collect();
    list.sort_by_key(|s| std::cmp::Reverse(s.bytes));
    list
}

/// What models expect, of the classes that the person sees: zones, and for the whole city's people the rest.
pub fn foreseen(ctx: &Ctx) -> Vec<Foreseen> {
    let all = ctx.app().upkeep.as_ref().map_or_else(Vec::new, |u| u.foreseen());
    let seen = all.into_iter().take(Foreseen::MOST);
    seen.filter(|f| ctx.person.sees_city() || ctx.person.sees(ctx.known.zone(&f.class).into_iter()))
        .collect()
}

/// A class in words.
pub fn class(ctx: &Ctx, name: &str) -> String {
    match name {
        Foreseen::ANY => ctx.l().t("traffic-any"),
        zone => plain(zone),
    }
}

/// The bands of each class, drawn and as a table.
fn bands(ctx: &Ctx, forecasts: &[Foreseen]) -> Markup {
    let l = ctx.l();
    let time = |hour: i64| ctx.known.time(hour.saturating_mul(3_600_000_000_000));
    let clock = |hour: i64| time(hour).get(5..16).unwrap_or_default().to_owned();
    let heads = ["col-hour", "traffic-expected", "col-exchanged", "col-held"].map(|id| l.t(id));
    // Where the run is over, no hour is under way any more.
    let open = l.t(match ctx.app().run().over {
        true => "traffic-not-whole",
        false => "traffic-under-way",
    });
    html! { @for forecast in forecasts.iter().filter(|f| !f.hours.is_empty()) {
        @let name = class(ctx, &forecast.class);
        @let label = l.with("traffic-band-of", &[("class", &name)]);
        h3 { (name) }
        (chart::band(&label, &forecast.hours, &clock))
        details {
            summary { (l.t("traffic-band-table")) }
            (layout::table(&label, &heads, html! { @for hour in forecast.hours.iter().rev() { tr {
                th scope="row" { (clock(hour.hour)) }
                td class="n" { (bytes(hour.low)) " – " (bytes(hour.high)) }
                td class="n" { @match hour.bytes { Some(n) => (bytes(n)), None => (open) } }
                td { @match (hour.held(), hour.bytes) {
                    (Some(true), _) => (l.t("traffic-held")),
                    (Some(false), Some(n)) if n > hour.high => strong { (l.t("traffic-above")) },
                    (Some(false), _) => strong { (l.t("traffic-below")) },
                    _ => {},
                } }
            } } }))
        }
    } }
}

/// Gathers them.
pub fn view(ctx: &Ctx) -> TrafficView {
    let app = ctx.app();
    let board = app.board();
    let city = ctx.person.scope == Scope::City;
    let zones = series(
        &board,
        |m| &m.zones,
        |name| city || ctx.person.sees(ctx.known.zone(name).into_iter()),
    );
    let protocols = if city {
        series(&board, |m| &m.protocols, |_| true)
    } else {
        Vec::new()
    };
    let zone = |ip| ctx.known.context.locate(Some(ip), None).zone;
    let mut talks: Vec<_> = board
        .talks
        .iter()
        .filter(|((from, to, _), _)| ctx.person.sees([zone(*from), zone(*to)].into_iter().flatten()))
        .collect();
    talks.sort_by(|(a, x), (b, y)| y.bytes.cmp(&x.bytes).then_with(|| a.cmp(b)));
    let talkers = talks
        .into_iter()
        .take(TALKERS)
        .map(|((from, to, protocol), talk)| Talker {
            from: board.name_of(*from, &ctx.known.context),
            to: board.name_of(*to, &ctx.known.context),
            protocol: protocol.clone(),
            flows: talk.flows,
            bytes: talk.bytes,
        })
        .collect();
    TrafficView {
        zones,
        protocols,
        talkers,
        forecasts: foreseen(ctx),
    }
}

/// `GET /traffic`.
pub async fn page(ctx: Ctx) -> Response {
    let l = ctx.l();
    let view = view(&ctx);
    let clock = |minute: i64| {
        let time = ctx.known.time(minute.saturating_mul(60_000_000_000));
        time.get(11..16).unwrap_or_default().to_owned()
    };
    let plot = |list: &[Series], label: &str| {
        let lines: Vec<_> = list
            .iter()
            .take(SERIES)
            .map(|s| {
                (
                    s.name.clone(),
                    s.minutes.iter().map(|(m, b)| (*m, *b as f64)).collect(),
                )
            })
            .collect();
        html! {
            (chart::lines(label, &lines, &clock))
            (layout::table(label, &["col-name", "col-bytes"].map(|id| l.t(id)), html! { @for (index, s) in list.iter().take(24).enumerate() { tr {
                th scope="row" { @if index < SERIES { span class=(chart::mark(index)) aria-hidden="true" {} " " } (plain(&s.name)) } td class="n" { (bytes(s.bytes)) }
            } } }))
        }
    };
    let floods: Vec<(String, String)> = {
        let board = ctx.app().board();
        let list = board
            .incidents
            .values()
            .filter(|i| i.kinds.iter().any(|k| k == "flood") && ctx.sees(i));
        list.map(|i| {
            let title = said::said_with(&ctx, &board, &i.title, i.message.as_ref()).text();
            (i.number.clone(), title)
        })
        .collect()
    };
    let heads = ["col-from", "col-to", "col-protocol", "col-flows", "col-bytes"].map(|id| l.t(id));
    let body = html! {
        p class="quiet" { (l.t("traffic-what")) }
        h2 { (l.t("traffic-zones")) } (plot(&view.zones, &l.t("traffic-zones")))
        @if !view.protocols.is_empty() { h2 { (l.t("traffic-protocols")) } (plot(&view.protocols, &l.t("traffic-protocols"))) }
        h2 { (l.t("traffic-bands")) }
        @if view.forecasts.iter().any(|f| !f.hours.is_empty()) { p class="quiet" { (l.t("traffic-bands-what")) } } @else { p class="quiet" { (l.t("traffic-no-bands")) } }
        (bands(&ctx, &view.forecasts))
        h2 { (l.t("traffic-floods")) }
        @if floods.is_empty() { p { (l.t("traffic-no-floods")) } }
        ul { @for (number, title) in floods.iter().take(20) { li { a href={ "/incidents/" (number) } { (plain(title)) } } } }
        h2 { (l.t("traffic-talkers")) }
        (layout::table(&l.t("traffic-talkers"), &heads, html! { @for t in &view.talkers { tr {
            td { (layout::device(&t.from)) } td { (layout::device(&t.to)) } td { (plain(&t.protocol)) } td class="n" { (number(t.flows)) } td class="n" { (bytes(t.bytes)) }
        } } }))
    };
    layout::page(&ctx, &l.t("nav-traffic"), true, body)
}

//! Devices: the inventory with search and facets, and everything about one device.
//!
//! Owns: both pages and what the API says of devices. Does not own: the inventory's conclusions.

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::Response;
use citywall_event::OUTSIDE;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::context::{Ctx, Refusal};
use super::incidents::zone_choice;
use super::layout::{self, link};
use super::said;
use crate::board::{Board, Deviation, Device};
use crate::said::Message;
use crate::text::{bytes, number, plain};
use crate::upkeep::Habit;

/// Devices of a page.
const PAGE: usize = 100;
/// Peers that stand there without being asked for.
const AT_ONCE: usize = 12;
/// Peers, commands and incidents of one device that are shown.
const SHOWN: usize = 60;

/// The address bar's filters.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// A zone's name.
    #[serde(default)]
    pub zone: String,
    /// A role.
    #[serde(default)]
    pub role: String,
    /// Part of a name, an address, a maker, a host name.
    #[serde(default)]
    pub q: String,
    /// Page, from 0.
    #[serde(default)]
    pub page: usize,
}

/// Does the person see this device?
pub fn sees(ctx: &Ctx, device: &Device) -> bool {
    let zone = device.zone.as_deref().and_then(|name| ctx.known.zone(name));
    ctx.person.sees(zone.into_iter())
}

/// The city's own by name first, then whoever is outside by address, and last who has no address but a MAC.
fn rank(device: &Device) -> (u8, &str) {
    let rank = match (&device.zone, device.addresses.is_empty()) {
        (Some(zone), _) if zone != OUTSIDE => 0,
        (_, false) => 1,
        (_, true) => 2,
    };
    (rank, &device.name)
}

/// The devices that a person sees and a filter lets through: the city's own first.
pub fn listed<'b>(ctx: &Ctx, board: &'b Board, filter: &Filter) -> Vec<&'b Device> {
    let words = filter.q.to_lowercase();
    let has = |text: &str| text.to_lowercase().contains(&words);
    let fits = |d: &Device| {
        words.is_empty()
            || has(&d.name)
            || d.mac.as_deref().is_some_and(has)
            || d.maker.as_deref().is_some_and(has)
            || d.addresses.iter().any(|ip| has(&ip.to_string()))
            || d.hostnames.iter().chain(&d.roles).any(|t| has(t))
    };
    let zone = |d: &Device| filter.zone.is_empty() || d.zone.as_deref().unwrap_or(OUTSIDE) == filter.zone;
    let role = |d: &Device| filter.role.is_empty() || d.roles.contains(&filter.role);
    let devices = board.devices.values();
    let mut list: Vec<&Device> = devices
        .filter(|d| zone(d) && role(d) && fits(d) && sees(ctx, d))
        .collect();
    list.sort_by_key(|device| rank(device));
    list
}

/// `GET /devices`.
pub async fn list(ctx: Ctx, Query(filter): Query<Filter>) -> Response {
    let l = ctx.l();
    let body = {
        let board = ctx.app().board();
        let all = listed(&ctx, &board, &filter);
        let mut roles: BTreeMap<&str, usize> = BTreeMap::new();
        for device in &all {
            for role in device.roles.iter().take(16) {
                *roles.entry(role).or_default() += 1;
            }
        }
        let mut roles: Vec<_> = roles.into_iter().collect();
        roles.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let pages = all.len().div_ceil(PAGE);
        let shown: Vec<_> = all
            .iter()
            .skip(filter.page.saturating_mul(PAGE))
            .take(PAGE)
            .copied()
            .collect();
        let to = |role: &str, page: usize| {
            let page = if page > 0 { page.to_string() } else { String::new() };
            link(
                "/devices",
                &[
                    ("q", &filter.q),
                    ("zone", &filter.zone),
                    ("role", role),
                    ("page", &page),
                ],
            )
        };
        html! {
            form class="filters" method="get" action="/devices" role="search" data-search {
                label { (l.t("filter-text")) input type="search" name="q" value=(filter.q) maxlength="200"; }
                label { (l.t("col-zone")) (zone_choice(&ctx, &filter.zone)) }
                @if !filter.role.is_empty() { input type="hidden" name="role" value=(filter.role); }
                button { (l.t("filter-go")) }
            }
            section id="results" {
                p class="quiet" { (l.count("devices-count", all.len() as u64)) }
                ul class="facets" aria-label=(l.t("col-roles")) {
                    @if !filter.role.is_empty() { li { a href=(to("", 0)) { "✕ " (plain(&filter.role)) } } }
                    @for (role, count) in roles.iter().take(16).filter(|(r, _)| *r != filter.role) {
                        li { a href=(to(role, 0)) { (plain(role)) " " span class="quiet" { (count) } } }
                    }
                }
                (rows(&ctx, &shown))
                @if pages > 1 { p class="pages" {
                    @if filter.page > 0 { a rel="prev" href=(to(&filter.role, filter.page - 1)) { (l.t("page-before")) } " " }
                    (l.with("page-of", &[("page", &(filter.page + 1).to_string()), ("pages", &pages.to_string())])) " "
                    @if filter.page + 1 < pages { a rel="next" href=(to(&filter.role, filter.page + 1)) { (l.t("page-after")) } }
                } }
            }
            p { a href="/export/devices.csv" { (l.t("export-csv")) } " " a href="/export/devices.json" { (l.t("export-json")) } }
        }
    };
    layout::page(&ctx, &l.t("nav-devices"), true, body)
}

fn rows(ctx: &Ctx, devices: &[&Device]) -> Markup {
    let l = ctx.l();
    let heads = [
        "col-name",
        "col-address",
        "col-zone",
        "col-roles",
        "col-maker",
        "col-last",
    ]
    .map(|id| l.t(id));
    layout::table(
        &l.t("nav-devices"),
        &heads,
        html! { @for device in devices { tr {
            th scope="row" { (layout::device(&device.name)) }
            td { @for ip in device.addresses.iter().take(3) { code { (ip) } " " } @if device.addresses.len() > 3 { "…" } }
            td { (plain(device.zone.as_deref().unwrap_or(OUTSIDE))) }
            td { (device.roles.iter().take(4).map(|r| plain(r)).collect::<Vec<_>>().join(", ")) }
            td { (plain(device.maker.as_deref().unwrap_or(""))) }
            td { (ctx.known.time_of(&device.last_seen)) }
        } } },
    )
}

/// Whom a device talks to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// Its address.
    #[schema(value_type = String)]
    pub ip: IpAddr,
    /// Its zone.
    pub zone: String,
    /// In which protocol.
    pub protocol: String,
    /// The device began.
    pub outward: bool,
    /// Conversations.
    pub flows: u64,
    /// Bytes.
    pub bytes: u64,
    /// The city file names a conduit between the two zones, or they are one.
    pub expected: bool,
}

/// What a device is told, or tells.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CommandView {
    /// Who tells.
    pub from: String,
    /// Whom.
    pub to: String,
    /// In which protocol.
    pub protocol: String,
    /// What.
    pub verb: String,
    /// How often.
    pub times: u64,
    /// How often the city file did not allow it.
    pub forbidden: u64,
    /// The last point and value.
    pub sample: String,
    /// The last time.
    pub last: String,
}

/// A sentence of the signed allow-list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HabitView {
    /// In words, English.
    pub text: String,
    /// Why it is only proposed; none where it is allowed.
    pub doubt: Option<String>,
    /// What these say in any language.
    #[schema(value_type = Vec<Object>)]
    pub messages: [Option<Message>; 2],
}

/// What the signed allow-list says of a device.
fn habits(ctx: &Ctx, device: &Device) -> Option<Vec<HabitView>> {
    let upkeep = ctx.app().upkeep.as_ref()?;
    let habits = upkeep.habits(&device.name, &device.addresses)?;
    let view = |habit: Habit| HabitView {
        messages: [
            Message::of(&habit.text),
            habit.doubt.as_ref().and_then(Message::of),
        ],
        text: habit.text.to_string(),
        doubt: habit.doubt.map(|doubt| doubt.to_string()),
    };
    Some(habits.into_iter().map(view).collect())
}

/// All about a device.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeviceView {
    /// What it is.
    pub device: Device,
    /// Whom it talks to, most first.
    pub peers: Vec<Peer>,
    /// What it is told and tells, the forbidden first.
    pub commands: Vec<CommandView>,
    /// What it does by the signed allow-list, English; none where there is no list.
    pub habits: Option<Vec<HabitView>>,
    /// What deviated from that, latest first.
    pub deviations: Vec<Deviation>,
    /// Incidents that name it.
    pub incidents: Vec<String>,
    /// 0 to 100: how much is wrong and how bad it would be.
    pub risk: u8,
    /// What the risk is made of, in message ids and points.
    pub risk_parts: Vec<(String, u8)>,
}

/// Gathers what is known of a device.
pub fn view(ctx: &Ctx, board: &Board, device: &Device) -> DeviceView {
    let context = &ctx.known.context;
    let own = |ip: &IpAddr| device.addresses.contains(ip);
    let mut peers: Vec<Peer> = board
        .talks
        .iter()
        .filter(|((from, to, _), _)| own(from) || own(to))
        .map(|((from, to, protocol), talk)| {
            let outward = own(from);
            let ip = if outward { *to } else { *from };
            let crossing = (
                context.locate(Some(*from), None).zone,
                context.locate(Some(*to), None).zone,
            );
            let pair = (
                context.zone_name(crossing.0).to_owned(),
                context.zone_name(crossing.1).to_owned(),
            );
            let violations = board.crossings.get(&pair).map_or(0, |c| c.violations);
            Peer {
                name: board.name_of(ip, context),
                ip,
                zone: context.zone_name(context.locate(Some(ip), None).zone).to_owned(),
                protocol: protocol.clone(),
                outward,
                flows: talk.flows,
                bytes: talk.bytes,
                expected: crossing.0 == crossing.1 || violations == 0,
            }
        })
        .collect();
    peers.sort_by(|a, b| {
        a.expected
            .cmp(&b.expected)
            .then(b.bytes.cmp(&a.bytes))
            .then(a.ip.cmp(&b.ip))
    });
    let mut commands = commands(ctx, board, &|from, to| own(&from) || own(&to));
    commands.truncate(SHOWN);
    let named =
        |i: &&crate::board::Incident| i.suspects.iter().chain(&i.victims).any(|p| p.name == device.name);
    let incidents: Vec<&crate::board::Incident> = board
        .incidents
        .values()
        .filter(named)
        .filter(|i| ctx.sees(i))
        .collect();
    let criticality = context.criticality(context.locate(device.addresses.first().copied(), None));
    let parts = [
        (
            "risk-criticality",
            match criticality.name() {
                "safety" => 30,
                "essential" => 20,
                _ => 5,
            },
        ),
        (
            "risk-incident",
            incidents
                .iter()
                .map(|i| 50 - 10 * i.severity.min(4))
                .max()
                .unwrap_or(0),
        ),
        (
            "risk-forbidden",
            if commands.iter().any(|c| c.forbidden > 0) {
                20
            } else {
                0
            },
        ),
        (
            "risk-peers",
            if peers.iter().any(|p| !p.expected) { 10 } else { 0 },
        ),
    ];
    peers.truncate(SHOWN);
    let deviations = device.addresses.iter().filter_map(|ip| board.deviations.get(ip));
    DeviceView {
        device: device.clone(),
        habits: habits(ctx, device),
        deviations: deviations.flat_map(|list| list.iter().rev()).cloned().collect(),
        peers,
        commands,
        incidents: incidents.iter().map(|i| i.number.clone()).collect(),
        risk: parts.iter().map(|(_, points)| points).sum::<u8>().min(100),
        risk_parts: parts
            .iter()
            .filter(|(_, p)| *p > 0)
            .map(|(id, p)| ((*id).to_owned(), *p))
            .collect(),
    }
}

/// Commands between ends that fit, the forbidden first, then the most frequent.
pub fn commands(ctx: &Ctx, board: &Board, fits: &dyn Fn(IpAddr, IpAddr) -> bool) -> Vec<CommandView> {
    let context = &ctx.known.context;
    let zone = |ip| context.locate(Some(ip), None).zone;
    let mut list: Vec<_> = board
        .commands
        .iter()
        .filter(|(order, _)| fits(order.from, order.to))
        .filter(|(order, _)| {
            ctx.person
                .sees([zone(order.from), zone(order.to)].into_iter().flatten())
        })
        .collect();
    list.sort_by(|(a, x), (b, y)| {
        (y.forbidden, y.times)
            .cmp(&(x.forbidden, x.times))
            .then_with(|| a.cmp(b))
    });
    list.into_iter()
        .take(1_000)
        .map(|(order, told)| CommandView {
            from: board.name_of(order.from, context),
            to: board.name_of(order.to, context),
            protocol: order.protocol.clone(),
            verb: order.verb.clone(),
            times: told.times.max(told.forbidden),
            forbidden: told.forbidden,
            sample: told.sample.clone(),
            last: ctx.known.time(told.last),
        })
        .collect()
}

/// `?name=`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Named {
    /// The device's name or address.
    pub name: String,
}

/// The device of a name or an address, where the person sees it.
///
/// # Errors
/// Where there is none, or the person may not see it.
pub fn find(ctx: &Ctx, name: &str) -> Result<DeviceView, Refusal> {
    let board = ctx.app().board();
    let by_address = name.parse().ok().and_then(|ip: IpAddr| board.device_at(ip));
    let device = board.devices.get(name).or(by_address).filter(|d| sees(ctx, d));
    device
        .map(|device| view(ctx, &board, device))
        .ok_or_else(|| ctx.refuse(StatusCode::NOT_FOUND, "error-device"))
}

/// The signed allow-list's sentences about a device, and what deviated.
fn learned(ctx: &Ctx, view: &DeviceView) -> Markup {
    let l = ctx.l();
    let sentence = |text: &str, message: Option<&Message>| said::said(ctx, text, message).markup(300);
    html! {
        h2 { (l.t("device-habits")) }
        @match &view.habits {
            None => { p class="quiet" { (l.t("health-no-list")) } }
            Some(habits) => {
                @if habits.is_empty() { p { (l.t("device-habits-none")) } }
                ul { @for habit in habits.iter().take(AT_ONCE) { (habit_row(&sentence, habit, &l.t("device-habit-doubt"))) } }
                @if habits.len() > AT_ONCE { details id="habits" {
                    summary { (l.count("device-peers-more", (habits.len() - AT_ONCE) as u64)) }
                    ul { @for habit in habits.iter().skip(AT_ONCE).take(SHOWN) { (habit_row(&sentence, habit, &l.t("device-habit-doubt"))) } }
                } }
                h3 { (l.t("device-deviations")) }
                @if view.deviations.is_empty() { p { (l.t("device-deviations-none")) } }
                ul { @for deviation in view.deviations.iter().take(SHOWN) { li {
                    time { (ctx.known.time_of(&deviation.at)) } " " (sentence(&deviation.text, deviation.message.as_ref())) " "
                    a href=(link("/events", &[("id", &deviation.event)])) { (l.t("see-event")) }
                } } }
            }
        }
    }
}

fn habit_row(
    sentence: &dyn Fn(&str, Option<&Message>) -> Markup,
    habit: &HabitView,
    doubted: &str,
) -> Markup {
    html! { li {
        (sentence(&habit.text, habit.messages[0].as_ref()))
        @if let Some(doubt) = &habit.doubt { " " span class="tag" { (doubted) " " (sentence(doubt, habit.messages[1].as_ref())) } }
    } }
}

/// `GET /device?name=`.
///
/// # Errors
/// Where there is none, or the person may not see it.
pub async fn page(ctx: Ctx, Query(named): Query<Named>) -> Result<Response, Refusal> {
    let view = find(&ctx, &named.name)?;
    let l = ctx.l();
    let device = &view.device;
    let host = device
        .addresses
        .first()
        .map(ToString::to_string)
        .unwrap_or_default();
    let fact = |id: &str, value: String| html! { @if !value.is_empty() { dt { (l.t(id)) } dd { (value) } } };
    let texts = |list: &[String]| list.iter().map(|t| plain(t)).collect::<Vec<_>>().join(", ");
    let body = html! {
        div class="columns" {
            section {
                h2 { (l.t("device-identity")) }
                dl {
                    (fact("col-address", device.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")))
                    (fact("col-mac", plain(device.mac.as_deref().unwrap_or(""))))
                    (fact("col-zone", plain(device.zone.as_deref().unwrap_or(OUTSIDE))))
                    (fact("col-roles", texts(&device.roles)))
                    (fact("col-hostnames", texts(&device.hostnames)))
                    (fact("col-maker", plain(device.maker.as_deref().unwrap_or(""))))
                    (fact("col-system", plain(device.system.as_deref().unwrap_or(""))))
                    (fact("col-first", ctx.known.time_of(&device.first_seen)))
                    (fact("col-last", ctx.known.time_of(&device.last_seen)))
                }
            }
            section {
                h2 { (l.t("device-risk")) " " (view.risk) "/100" }
                ul { @for (id, points) in &view.risk_parts { li { (l.t(id)) " +" (points) } } }
                @if !view.incidents.is_empty() {
                    h2 { (l.t("nav-incidents")) }
                    ul { @for number in &view.incidents { li { a href={ "/incidents/" (number) } { (number) } } } }
                }
                h2 { (l.t("device-evidence")) }
                ul { @for e in device.evidence.iter().take(40) { li { (plain(&e.what)) " " span class="quiet" { (l.t("from-source")) " " (plain(&e.source)) } } } }
            }
        }
        h2 { (l.t("device-peers")) }
        p class="quiet" { (l.t("device-peers-what")) }
        @let heads = ["col-name", "col-zone", "col-protocol", "col-direction", "col-flows", "col-bytes", "col-expected"].map(|id| l.t(id));
        @let peers = |list: &[Peer]| layout::table(&l.t("device-peers"), &heads, html! { @for p in list { tr {
            th scope="row" { (layout::device(&p.name)) } td { (plain(&p.zone)) } td { (plain(&p.protocol)) }
            td { @if p.outward { (l.t("outward")) } @else { (l.t("inward")) } }
            td class="n" { (number(p.flows)) } td class="n" { (bytes(p.bytes)) }
            td { @if p.expected { (l.t("yes")) } @else { strong { (l.t("no")) } } }
        } } });
        @let (first, rest) = view.peers.split_at(view.peers.len().min(AT_ONCE));
        (peers(first))
        @if !rest.is_empty() { details id="peers" { summary { (l.count("device-peers-more", rest.len() as u64)) } (peers(rest)) } }
        h2 { (l.t("device-commands")) }
        (super::commands::table(&ctx, &view.commands))
        (learned(&ctx, &view))
        p { a href=(link("/events", &[("device", &host)])) { (l.t("device-events")) } }
    };
    Ok(layout::page(&ctx, &plain(&device.name), true, body))
}

//! Policy: who may reach whom, seen against allowed.
//!
//! Owns: the page. Does not own: the policy (`citywall-policy`). It is changed in the city file alone; what is
//! proposed for it has pages of its own (`proposal`).

use axum::response::Response;
use citywall_event::OUTSIDE;
use citywall_policy::Cell;
use maud::html;
use serde::Serialize;
use utoipa::ToSchema;

use super::context::Ctx;
use super::{layout, proposal};
use crate::text::{number, plain};

/// Zones whose matrix is drawn; a larger city has the list alone.
const DRAWN: usize = 40;

/// What one zone may open with another, and what it did.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PairView {
    /// Who begins.
    pub from: String,
    /// With whom.
    pub to: String,
    /// `free`, `isolated`, `conduits`, `nothing`, `not-judged`.
    pub allowed: &'static str,
    /// The entries of the city file.
    pub ways: Vec<String>,
    /// Conversations seen.
    pub flows: u64,
    /// Contacts that are not allowed.
    pub violations: u64,
}

/// All pairs that the person sees.
pub fn view(ctx: &Ctx) -> Vec<PairView> {
    let Some(city) = &ctx.known.city else {
        return Vec::new();
    };
    let matrix = city.matrix();
    let board = ctx.app().board();
    let seen = |name: &str| ctx.known.zone(name);
    let mut pairs = Vec::new();
    for (from, row) in matrix.names.iter().zip(&matrix.cells) {
        for (to, cell) in matrix.names.iter().zip(row) {
            if !ctx.person.sees([seen(from), seen(to)].into_iter().flatten()) {
                continue;
            }
            let crossing = board
                .crossings
                .get(&(from.clone(), to.clone()))
                .copied()
                .unwrap_or_default();
            let (allowed, ways) = match cell {
                Cell::NotJudged => ("not-judged", Vec::new()),
                Cell::Isolated => ("isolated", Vec::new()),
                Cell::Free => ("free", Vec::new()),
                Cell::Ways(ways) if ways.is_empty() => ("nothing", Vec::new()),
                Cell::Ways(ways) => ("conduits", ways.iter().map(|w| w.allow.clone()).collect()),
            };
            pairs.push(PairView {
                from: from.clone(),
                to: to.clone(),
                allowed,
                ways,
                flows: crossing.flows,
                violations: crossing.violations,
            });
        }
    }
    pairs
}

/// `GET /policy`.
pub async fn page(ctx: Ctx) -> Response {
    let l = ctx.l();
    let pairs = view(&ctx);
    let mut names: Vec<&str> = Vec::new();
    for pair in &pairs {
        if !names.contains(&pair.from.as_str()) {
            names.push(&pair.from);
        }
    }
    let cell = |from: &str, to: &str| pairs.iter().find(|p| p.from == from && p.to == to);
    let broken: Vec<&PairView> = pairs.iter().filter(|p| p.violations > 0).collect();
    let open: Vec<&PairView> = pairs.iter().filter(|p| p.allowed == "conduits").collect();
    let body = html! {
        p { (l.t("policy-what")) }
        (proposal::pages::overview(&ctx))
        @if !names.is_empty() && names.len() <= DRAWN {
            div class="scroll wide" tabindex="0" role="region" aria-label=(l.t("policy-matrix")) {
                table class="matrix" {
                    caption { (l.t("policy-matrix")) }
                    thead { tr { td { (l.t("policy-from-to")) } @for name in &names { th scope="col" { (plain(name)) } } } }
                    tbody { @for from in &names { tr {
                        th scope="row" { (plain(from)) }
                        @for to in &names { @if let Some(pair) = cell(from, to) {
                            td class={ "cell " (pair.allowed) @if pair.violations > 0 { " broken" } } title=(pair.ways.join("; ")) {
                                (l.t(&format!("cell-{}", pair.allowed)))
                                @if pair.flows > 0 { " " span class="quiet" { (number(pair.flows)) } }
                                @if pair.violations > 0 { " " strong { "✕" (number(pair.violations)) } }
                            }
                        } @else { td {} } }
                    } } }
                }
            }
            p class="quiet wide" { (l.t("policy-legend")) }
        }
        h2 { (l.t("policy-broken")) }
        @if broken.is_empty() { p { (l.t("none")) } }
        ul { @for pair in &broken { li {
            (l.with("policy-broken-pair", &[("from", &plain(&pair.from)), ("to", &plain(&pair.to)), ("n", &number(pair.violations))])) " "
            a href=(layout::link("/events", &[("kind", "violation"), ("zone", if pair.from == OUTSIDE { &pair.to } else { &pair.from })])) { (l.t("see-event")) }
        } } }
        h2 { (l.t("policy-conduits")) }
        (layout::table(&l.t("policy-conduits"), &["col-from", "col-to", "col-allowed", "col-flows"].map(|id| l.t(id)), html! { @for pair in open.iter().take(500) { tr {
            td { (plain(&pair.from)) } td { (plain(&pair.to)) } td { (pair.ways.iter().map(|w| plain(w)).collect::<Vec<_>>().join("; ")) } td class="n" { (number(pair.flows)) }
        } } }))
        p class="quiet" { (l.t("policy-change")) }
    };
    layout::page(&ctx, &l.t("nav-policy"), true, body)
}

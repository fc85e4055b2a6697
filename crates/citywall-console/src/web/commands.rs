//! Commands: who told which device to do what.
//!
//! Owns: the page. Does not own: what a command is (`citywall-transaction`).

use axum::extract::Query;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use utoipa::IntoParams;

use super::context::Ctx;
use super::devices::{self, CommandView};
use super::layout;
use crate::text::{number, plain};

/// The address bar's filters.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Part of a name, a verb, a point.
    #[serde(default)]
    pub q: String,
    /// A protocol.
    #[serde(default)]
    pub protocol: String,
    /// Only what changes something or is not allowed.
    #[serde(default)]
    pub only: String,
}

/// Commands that a filter lets through.
pub fn listed(ctx: &Ctx, filter: &Filter) -> Vec<CommandView> {
    let board = ctx.app().board();
    let words = filter.q.to_lowercase();
    let fits = |c: &CommandView| {
        let text = format!("{} {} {} {}", c.from, c.to, c.verb, c.sample).to_lowercase();
        let changes = !matches!(c.verb.as_str(), "read" | "discover" | "subscribe");
        (words.is_empty() || text.contains(&words))
            && (filter.protocol.is_empty() || filter.protocol == c.protocol)
            && match filter.only.as_str() {
                "changes" => changes,
                "forbidden" => c.forbidden > 0,
                _ => true,
            }
    };
    let all = devices::commands(ctx, &board, &|_, _| true);
    all.into_iter().filter(fits).collect()
}

/// `GET /commands`.
pub async fn page(ctx: Ctx, Query(filter): Query<Filter>) -> Response {
    let l = ctx.l();
    let list = listed(&ctx, &filter);
    let choice =
        |value: &str, id: &str| html! { option value=(value) selected[filter.only == value] { (l.t(id)) } };
    let body = html! {
        p { (l.t("commands-what")) }
        form class="filters" method="get" action="/commands" role="search" data-search {
            label { (l.t("filter-text")) input type="search" name="q" value=(filter.q) maxlength="200"; }
            label { (l.t("col-protocol")) input name="protocol" value=(filter.protocol) maxlength="40"; }
            label { (l.t("filter-only")) select name="only" { (choice("", "all")) (choice("changes", "only-changes")) (choice("forbidden", "only-forbidden")) } }
            button { (l.t("filter-go")) }
        }
        section id="results" { p class="quiet" { (l.count("commands-count", list.len() as u64)) } (table(&ctx, &list[..list.len().min(300)])) }
        p { a href="/events?kind=command" { (l.t("commands-events")) } " " a href="/export/commands.csv" { (l.t("export-csv")) } }
    };
    layout::page(&ctx, &l.t("nav-commands"), true, body)
}

/// Commands as a table.
pub fn table(ctx: &Ctx, list: &[CommandView]) -> Markup {
    let l = ctx.l();
    let heads = [
        "col-from",
        "col-to",
        "col-protocol",
        "col-verb",
        "col-times",
        "col-forbidden",
        "col-sample",
        "col-last",
    ]
    .map(|id| l.t(id));
    layout::table(
        &l.t("nav-commands"),
        &heads,
        html! { @for c in list { tr {
            td { (layout::device(&c.from)) } td { (layout::device(&c.to)) } td { (plain(&c.protocol)) }
            td { (l.find(&format!("verb-{}", c.verb)).unwrap_or_else(|| plain(&c.verb))) }
            td class="n" { (number(c.times)) }
            td class="n" { @if c.forbidden > 0 { strong { (number(c.forbidden)) } } @else { "0" } }
            td { code { (plain(&c.sample)) } } td { (c.last) }
        } } },
    )
}

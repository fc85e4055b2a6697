//! The frame of every page.
//!
//! Owns: head, navigation, language and theme switches, and small parts that many pages share. Does
//! not own: what a page says.

use std::collections::BTreeSet;

use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::context::Ctx;
use crate::gate::GateKind;
use crate::text::plain;

/// Pages in the navigation: path, message.
const PAGES: [(&str, &str); 13] = [
    ("/", "nav-city"),
    ("/incidents", "nav-incidents"),
    ("/devices", "nav-devices"),
    ("/commands", "nav-commands"),
    ("/traffic", "nav-traffic"),
    ("/policy", "nav-policy"),
    ("/actions", "nav-actions"),
    ("/rehearsal", "nav-rehearsal"),
    ("/normal", "nav-normal"),
    ("/events", "nav-events"),
    ("/report", "nav-report"),
    ("/health", "nav-health"),
    ("/people", "nav-people"),
];

/// A page of somebody who is logged in. `live`: the page's code shows changes as they come.
pub fn page(ctx: &Ctx, title: &str, live: bool, body: Markup) -> Response {
    let l = ctx.l();
    let path = ctx.look.uri.path();
    let here = |page: &str| match page {
        "/" => path == "/",
        "/devices" => path == "/devices" || path == "/device",
        page => path == page || path.starts_with(&format!("{page}/")),
    };
    let back = ctx.look.uri.path_and_query().map_or("/", |p| p.as_str());
    let look = |name: &str, value: &str| {
        let query = serde_urlencoded::to_string([(name, value), ("back", back)]).unwrap_or_default();
        format!("/look?{query}")
    };
    let city = ctx
        .known
        .city
        .as_ref()
        .map(|c| c.name.clone())
        .unwrap_or_default();
    let whole = html! {
        (DOCTYPE)
        html lang=(ctx.look.tag) data-theme=[ctx.look.theme] {
            (head(&format!("{title} · {} Citywall", plain(&city))))
            body {
                a class="skip" href="#main" { (l.t("skip")) }
                header {
                    p class="brand" { a href="/" { "Citywall" } span { (plain(&city)) } }
                    nav aria-label=(l.t("nav")) {
                        ul { @for (page, id) in PAGES {
                            li { a href=(page) aria-current=[here(page).then_some("page")] { (l.t(id)) } }
                        } }
                    }
                    div class="me" {
                        span { (plain(&ctx.person.name)) }
                        form method="post" action="/logout" { (csrf(ctx)) button class="plain" { (l.t("logout")) } }
                        span class="looks" {
                            a href=(look("lang", "en")) lang="en" { "English" } " "
                            a href=(look("lang", "zh-CN")) lang="zh-CN" { "中文" } " "
                            a href=(look("theme", "light")) { (l.t("theme-light")) } " "
                            a href=(look("theme", "dark")) { (l.t("theme-dark")) }
                        }
                    }
                }
                @if ctx.app().gate_kind == GateKind::Rehearsal {
                    p class="rehearsal" role="note" { (l.t("rehearsal-note")) }
                }
                main id="main" tabindex="-1" data-live[live] { h1 { (title) } (body) }
                p id="live" class="quiet" role="status" data-lost=(l.t("live-lost")) data-on=(l.t("live-on")) {}
            }
        }
    };
    Html(whole.into_string()).into_response()
}

/// A page without navigation.
pub fn bare(tag: &str, theme: Option<&str>, title: &str, body: Markup) -> Response {
    let whole = html! {
        (DOCTYPE)
        html lang=(tag) data-theme=[theme] {
            (head(&format!("{title} · Citywall")))
            body class="bare" { main id="main" { p class="brand" { "Citywall" } (body) } }
        }
    };
    Html(whole.into_string()).into_response()
}

fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="robots" content="noindex";
            title { (title) }
            link rel="stylesheet" href="/assets/console.css";
            link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
            script type="module" src="/assets/console.js" {}
        }
    }
}

/// The hidden field of every form.
pub fn csrf(ctx: &Ctx) -> Markup {
    html! { input type="hidden" name="csrf" value=(ctx.csrf); }
}

/// A severity: never by colour alone.
pub fn severity(ctx: &Ctx, severity: u8) -> Markup {
    let severity = severity.clamp(1, 4);
    html! { span class={ "sev sev" (severity) } { (ctx.l().t(&format!("severity-{severity}"))) } }
}

/// How bad it is when something stops.
pub fn criticality(ctx: &Ctx, name: &str) -> Markup {
    html! { span class={ "crit crit-" (name) } { (ctx.l().t(&format!("criticality-{name}"))) } }
}

/// A link with a query.
pub fn link(path: &str, pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = pairs.iter().filter(|(_, value)| !value.is_empty()).collect();
    match serde_urlencoded::to_string(pairs) {
        Ok(query) if !query.is_empty() => format!("{path}?{query}"),
        _ => path.to_owned(),
    }
}

/// A device, linked by what names it.
pub fn device(name: &str) -> Markup {
    html! { a href=(link("/device", &[("name", name)])) { (plain(name)) } }
}

/// The kind of an incident's evidence, in words.
pub fn kind(ctx: &Ctx, kind: &str) -> String {
    ctx.l()
        .find(&format!("kind-{kind}"))
        .unwrap_or_else(|| plain(kind))
}

/// What of a list stands open, and what is folded away.
pub struct Fold<'f> {
    /// By which the page finds the fold again when it changes.
    pub name: &'f str,
    /// The message that says how many more there are.
    pub more: &'f str,
    /// So many stand open. One alone is not worth a fold.
    pub open: usize,
}

/// A list with a fold; `list` makes a list of items.
pub fn folded(ctx: &Ctx, fold: &Fold<'_>, items: &[Markup], list: impl Fn(Markup) -> Markup) -> Markup {
    let (first, rest) = match items.split_at_checked(fold.open) {
        Some((first, rest)) if rest.len() > 1 => (first, rest),
        _ => (items, &items[items.len()..]),
    };
    let of = |items: &[Markup]| list(html! { @for item in items { li { (item) } } });
    html! {
        (of(first))
        @if !rest.is_empty() {
            details id=(fold.name) { summary { (ctx.l().count(fold.more, rest.len() as u64)) } (of(rest)) }
        }
    }
}

/// A table whose rows become cards where the page is narrow: each cell then says its column's name.
pub fn table(caption: &str, heads: &[String], rows: Markup) -> Markup {
    let (rows, numbers) = labelled(heads, &rows.into_string());
    html! {
        table class="stack" {
            caption { (caption) }
            thead { tr { @for (column, head) in heads.iter().enumerate() {
                th scope="col" class=[numbers.contains(&column).then_some("n")] { (head) }
            } } }
            tbody { (rows) }
        }
    }
}

/// The rows with `data-label` on each cell, and which columns hold numbers (cells of class `n`). What the
/// network wrote is escaped by now, so a tag in `rows` is one of ours.
fn labelled(heads: &[String], rows: &str) -> (PreEscaped<String>, BTreeSet<usize>) {
    let mut out = String::with_capacity(rows.len() * 2);
    let (mut column, mut numbers) = (0, BTreeSet::new());
    for (place, piece) in rows.split('<').enumerate() {
        if place > 0 {
            out.push('<');
        }
        let tag = |name: &str| {
            let rest = piece.strip_prefix(name)?;
            rest.starts_with([' ', '>']).then_some(rest)
        };
        if tag("tr").is_some() {
            column = 0;
        }
        let cell = ["td", "th"].into_iter().find_map(|name| Some((name, tag(name)?)));
        let Some((name, rest)) = cell else {
            out.push_str(piece);
            continue;
        };
        if rest.starts_with(" class=\"n\"") {
            numbers.insert(column);
        }
        let label = heads.get(column).map(String::as_str).unwrap_or_default();
        let label = html! { (label) }.into_string();
        out.extend([name, " data-label=\"", &label, "\"", rest]);
        column += 1;
    }
    (PreEscaped(out), numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cell_says_its_column() {
        let heads = ["Name".to_owned(), "\"Bytes\" & more".to_owned()];
        let rows = html! { tr { th scope="row" { a href="/x" { "<td>" } } td class="n" { "7" } } tr { td { "b" } td {} } };
        expect_test::expect![[r#"<table class="stack"><caption>All</caption><thead><tr><th scope="col">Name</th><th scope="col" class="n">&quot;Bytes&quot; &amp; more</th></tr></thead><tbody><tr><th data-label="Name" scope="row"><a href="/x">&lt;td&gt;</a></th><td data-label="&quot;Bytes&quot; &amp; more" class="n">7</td></tr><tr><td data-label="Name">b</td><td data-label="&quot;Bytes&quot; &amp; more"></td></tr></tbody></table>"#]].assert_eq(&table("All", &heads, rows).into_string());
    }
}

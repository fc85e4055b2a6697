//! The pages of a city file to be: what is proposed, what a text would mean, who signs.
//!
//! Owns: the pages and their forms. Does not own: who may do what, and what comes of it (`super`).

use axum::Form;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::{KeptView, REASON, ToldView};
use crate::permission::Deed;
use crate::proposals::TEXT;
use crate::review::{ChangeView, Remark, Review};
use crate::text::{number, plain};
use crate::web::context::{Ctx, Refusal};
use crate::web::layout::{self, csrf};
use crate::web::said;

/// Longest sentence about a city file, in characters.
const REMARK: usize = 1_000;

/// The fields of a form, as often as they stand in it.
type Fields = Vec<(String, String)>;

fn field<'f>(fields: &'f Fields, name: &str) -> &'f str {
    let mut found = fields.iter().filter(|(key, _)| key == name);
    found.next().map_or("", |(_, value)| value)
}

fn names(all: &[String]) -> String {
    all.iter().map(|name| plain(name)).collect::<Vec<_>>().join(", ")
}

fn file_name(ctx: &Ctx) -> String {
    let city = ctx.known.city.as_ref();
    plain(city.map_or("city.toml", |city| &city.file))
}

/// `GET /policy/proposal`: what was seen, to be ticked.
///
/// # Errors
/// Where the person may not propose.
pub async fn propose(ctx: Ctx) -> Result<Response, Refusal> {
    let proposal = super::seen(&ctx).await?;
    let view = super::view(&ctx, &proposal);
    let l = ctx.l();
    let city_wide = ctx.person.sees_city();
    let body = html! {
        p { (l.t("proposal-what")) }
        @if !city_wide { p class="banner" { (l.t("proposal-own-zones")) } }
        form method="post" {
            (csrf(&ctx))
            h2 { (l.t("proposal-conduits")) }
            @if view.conduits.is_empty() { p { (l.t("proposal-nothing")) } } @else { (choices(&ctx, &view.conduits)) }
            @if !view.doubtful.is_empty() {
                h2 { (l.t("proposal-doubtful")) }
                p { (l.t("proposal-doubtful-what")) }
                (choices(&ctx, &view.doubtful))
            }
            p { button { (l.t("proposal-diff")) } }
        }
        @if !view.zones.is_empty() {
            h2 { (l.t("proposal-zones")) }
            p { (l.t("proposal-zones-what")) }
            (layout::table(&l.t("proposal-zones"), &["col-name", "proposal-network", "proposal-hint"].map(|id| l.t(id)), html! {
                @for zone in &view.zones { tr { td { (plain(&zone.name)) } td { (zone.network) } td data-verbatim lang="en" { (plain(&zone.hint)) } } }
            }))
        }
        @if !view.assets.is_empty() {
            h2 { (l.t("proposal-assets")) }
            p { (l.t("proposal-assets-what")) }
            (layout::table(&l.t("proposal-assets"), &["col-name", "col-address"].map(|id| l.t(id)), html! {
                @for asset in &view.assets { tr { td { (plain(&asset.name)) } td { (plain(&asset.address)) } } }
            }))
        }
        @if city_wide {
            p class="quiet" { (l.with("proposal-counts", &[("allowed", &number(view.allowed)), ("unanswered", &number(view.unanswered)), ("left", &number(view.left_out))])) }
        }
    };
    Ok(layout::page(&ctx, &l.t("proposal-title"), false, body))
}

fn choices(ctx: &Ctx, list: &[ToldView]) -> Markup {
    let l = ctx.l();
    html! { ul class="choices" { @for told in list { li {
        label class="check" {
            input type="checkbox" name="take" value=(told.key) disabled[!told.takeable];
            span {
                strong { (l.with("proposal-pair", &[("from", &names(&told.from)), ("to", &names(&told.to))])) }
                " " code { (told.allow.iter().map(|a| plain(a)).collect::<Vec<_>>().join("; ")) }
            }
        }
        p class="quiet" {
            (l.with(if told.changes { "proposal-commands" } else { "proposal-seen" }, &[
                ("n", &number(told.times)), ("from", &told.devices_from.to_string()), ("to", &told.devices_to.to_string()),
                ("first", &told.first), ("last", &told.last),
            ]))
            @if !told.note.is_empty() { " " strong { (said::said(ctx, &told.note, told.message.as_ref()).markup(300)) } }
        }
    } } } }
}

/// `POST /policy/proposal`: what is to be taken, or a text, becomes a text with what it would mean.
///
/// # Errors
/// Where the person may not propose.
pub async fn compare(ctx: Ctx, Form(fields): Form<Fields>) -> Result<Response, Refusal> {
    ctx.check(field(&fields, "csrf"))?;
    let sent = match fields.iter().find(|(key, _)| key == "text") {
        Some((_, text)) => text.replace("\r\n", "\n"),
        None => {
            let keys = fields.iter().filter(|(key, _)| key == "take");
            let keys: Vec<String> = keys.map(|(_, value)| value.clone()).collect();
            super::text_of(&ctx, &keys).await?
        }
    };
    let (review, _) = super::reviewed(&ctx, &sent).await?;
    Ok(compared(&ctx, &sent, &review, None, StatusCode::OK))
}

/// The text, to be changed, and what it would mean. `said`: why it was not handed in.
fn compared(ctx: &Ctx, sent: &str, review: &Review, said: Option<String>, status: StatusCode) -> Response {
    let l = ctx.l();
    let what = if ctx.person.sees_city() {
        "proposal-text-whole"
    } else {
        "proposal-text-added"
    };
    let body = html! {
        @if let Some(said) = said { p class="error" role="alert" { (said) } }
        p { (l.with("proposal-not-written", &[("file", &file_name(ctx))])) }
        (meaning(ctx, review))
        form method="post" action="/policy/proposal" {
            (csrf(ctx))
            input type="hidden" name="hash" value=(review.hash);
            h2 { (l.t("proposal-text")) }
            // HTML drops a line feed at the beginning of a text field.
            label class="text" { (l.t(what)) textarea name="text" rows="24" maxlength=(TEXT) spellcheck="false" wrap="off" { "\n" (sent) } }
            p { button class="plain" { (l.t("proposal-again")) } }
            @if review.is_fit() {
                h2 { (l.t("proposal-hand-in")) }
                p { (l.t("proposal-hand-in-what")) " " (needed(ctx, review)) }
                label { (l.t("act-why")) input type="text" name="reason" maxlength=(REASON) autocomplete="off"; }
                p { button formaction="/policy/proposals" { (l.t("proposal-hand-in")) } }
            }
        }
    };
    let mut page = layout::page(ctx, &l.t("proposal-diff-title"), false, body);
    *page.status_mut() = status;
    page
}

fn needed(ctx: &Ctx, review: &Review) -> String {
    let l = ctx.l();
    match (review.needed, review.safety.is_empty()) {
        (0 | 1, _) => l.t("proposal-one-signs"),
        (_, true) => l.t("proposal-two-sign"),
        (_, false) => l.with("proposal-two-sign-safety", &[("zones", &names(&review.safety))]),
    }
}

/// Errors, changes and what is suspicious.
fn meaning(ctx: &Ctx, review: &Review) -> Markup {
    let l = ctx.l();
    if !review.errors.is_empty() {
        return html! {
            div class="error" role="alert" { h2 { (l.t("proposal-errors")) } (remarks(ctx, review.errors.iter())) }
        };
    }
    let of = |change: &'static str| review.changes.iter().filter(move |c| c.change == change);
    let new = || review.findings.iter().filter(|f| !f.before);
    let old = || review.findings.iter().filter(|f| f.before);
    html! {
        @if review.beyond { p class="error" role="alert" { (l.t("proposal-beyond")) } }
        @if review.same { p class="banner" { (l.t("proposal-same")) } }
        @for (id, list) in [("proposal-now-allowed", of("now-allowed")), ("proposal-no-longer", of("no-longer"))] {
            (changes(ctx, id, list.collect()))
        }
        @if !review.declared.is_empty() {
            h2 { (l.t("proposal-declared")) }
            ul { @for line in said::each(ctx, &review.declared, &review.declared_messages) { li { (line) } } }
        }
        @if !review.same && !review.beyond {
            h2 { (l.t("proposal-findings")) }
            @if new().next().is_none() { p { (l.t("proposal-findings-none")) } } @else { (remarks(ctx, new())) }
        }
        @if old().next().is_some() {
            details { summary { (l.count("proposal-findings-before", old().count() as u64)) } (remarks(ctx, old())) }
        }
    }
}

fn remarks<'r>(ctx: &Ctx, list: impl Iterator<Item = &'r Remark>) -> Markup {
    html! { ul { @for remark in list { li {
        (ctx.l().with("proposal-line", &[("line", &remark.line.to_string())])) " "
        // What has no message are the words of the parser of TOML.
        @match remark.whole() {
            Some(message) => { (said::said(ctx, &remark.english(), Some(&message)).markup(REMARK)) }
            None => { span data-verbatim lang="en" { (plain(&remark.english())) } }
        }
    } } } }
}

fn changes(ctx: &Ctx, id: &str, list: Vec<&ChangeView>) -> Markup {
    let l = ctx.l();
    html! { @if !list.is_empty() {
        h2 { (l.t(id)) }
        ul class="diff" { @for change in list { li {
            span class="sign" aria-hidden="true" { @if change.change == "now-allowed" { "+" } @else { "−" } } " "
            @let from = said::texts(ctx, &change.from, &change.messages.from).join(", ");
            @let to = said::texts(ctx, &change.to, &change.messages.to).join(", ");
            (l.with("proposal-pair", &[("from", &from), ("to", &to)]))
            ul { @for what in said::each(ctx, &change.what, &change.messages.what) { li { (what) } } }
        } } }
    } }
}

/// `POST /policy/proposals`: hands the text in.
///
/// # Errors
/// Where the form is not this console's.
pub async fn hand_in(ctx: Ctx, Form(fields): Form<Fields>) -> Result<Response, Refusal> {
    ctx.check(field(&fields, "csrf"))?;
    let (text, hash) = (field(&fields, "text"), field(&fields, "hash"));
    match super::hand_in(&ctx, text, hash, field(&fields, "reason")).await {
        Ok(id) => Ok(Redirect::to(&format!("/policy/proposals/{id}")).into_response()),
        Err(refusal) => {
            // What somebody wrote is not lost by it.
            let (review, _) = super::reviewed(&ctx, text).await?;
            let sent = text.replace("\r\n", "\n");
            let status = refusal.status();
            Ok(compared(&ctx, &sent, &review, Some(refusal.into_text()), status))
        }
    }
}

/// `GET /policy/proposals/{id}`: one, to be read and signed.
///
/// # Errors
/// Where there is none that concerns the person.
pub async fn one(ctx: Ctx, Path(id): Path<u64>) -> Result<Response, Refusal> {
    let (view, review, text) = super::one(&ctx, id).await?;
    let l = ctx.l();
    let signed_by_me = view.signers.iter().any(|s| s.name == ctx.person.name);
    let may_sign =
        view.state == "open" && ctx.may_anywhere(Deed::SignPolicy) && !review.beyond && !signed_by_me;
    let path = format!("/policy/proposals/{id}");
    let body = html! {
        p { a href="/policy" { (l.t("nav-policy")) } }
        (state(&ctx, &view))
        (people(&ctx, &view))
        @if view.state == "open" { p { (needed(&ctx, &review)) } }
        @if matches!(view.state, "open" | "signed") { (meaning(&ctx, &review)) }
        @if !text.is_empty() {
            details { summary { (l.t("proposal-text")) } pre tabindex="0" { (text) } }
        }
        @if may_sign {
            h2 { (l.t("proposal-sign")) }
            form class="act" method="post" action={ (path) "/sign" } {
                (csrf(&ctx))
                input type="hidden" name="hash" value=(view.hash);
                label { (l.t("act-why")) input type="text" name="reason" maxlength=(REASON) autocomplete="off" required; }
                button class="approve" { (l.t("proposal-sign")) }
            }
        }
        @if signed_by_me && view.state == "open" { p { (l.t("proposal-signed-by-you")) } }
        @if view.state == "signed" { (take_away(&ctx, id)) }
        @if super::may_withdraw(&ctx, &view.by) {
            form class="act" method="post" action={ (path) "/withdraw" } {
                (csrf(&ctx)) button class="reject" { (l.t("proposal-withdraw")) }
            }
        }
    };
    let title = l.with("proposal-number", &[("id", &id.to_string())]);
    Ok(layout::page(&ctx, &title, false, body))
}

fn state(ctx: &Ctx, view: &KeptView) -> Markup {
    let l = ctx.l();
    html! { p class={ @if view.state == "outdated" { "error" } @else { "banner" } } {
        strong { (l.t(&format!("proposal-state-{}", view.state))) } " "
        @if view.state == "outdated" { (l.with("proposal-changed", &[("file", &file_name(ctx))])) }
    } }
}

fn people(ctx: &Ctx, view: &KeptView) -> Markup {
    let l = ctx.l();
    let time = |at: u64| {
        ctx.known
            .time(i64::try_from(at).unwrap_or(0).saturating_mul(1_000_000_000))
    };
    let signers = view.signers.iter().map(|signer| ("proposal-signed", signer));
    html! {
        (layout::table(&l.t("proposal-people"), &["col-when", "col-who", "col-what", "col-why"].map(|id| l.t(id)), html! {
            @for (id, person) in [("proposal-handed-in", &view.by)].into_iter().chain(signers) { tr {
                td { (time(person.at)) } td { (plain(&person.name)) } td { (l.t(id)) } td data-verbatim { (plain(&person.why)) }
            } }
        }))
        p class="quiet" { (l.t("proposal-hash")) " " code { (view.hash) } }
    }
}

/// How a signed one comes into force, in a shell.
fn take_away(ctx: &Ctx, id: u64) -> Markup {
    let l = ctx.l();
    let (public, file) = {
        let mut proposals = ctx.app().proposals();
        (proposals.public(), proposals.key_file())
    };
    let key = file.map_or_else(
        || crate::proposals::KEY.to_owned(),
        |file| file.display().to_string(),
    );
    html! {
        h2 { (l.t("proposal-in-force")) }
        p { (l.t("proposal-in-force-what")) }
        @if ctx.person.sees_city() {
            p { a class="button" href={ "/policy/proposals/" (id) "/file" } download { (l.t("proposal-download")) } }
        }
        pre tabindex="0" { "citywall policy accept policy-" (id) ".signed --city " (file_name(ctx)) " --key-ring keyring.toml --dry-run" }
        p { (l.t("proposal-trust")) }
        pre tabindex="0" {
            "citywall keys show " (plain(&key)) " --name console --principal 'Citywall console' --purpose policy-proposal >> keyring.toml"
        }
        @if let Ok(public) = public { p class="quiet" { (l.t("proposal-key")) " " code { (public.text()) } } }
    }
}

/// `POST /policy/proposals/{id}/{deed}`: `sign` or `withdraw`.
///
/// # Errors
/// Where the person may not.
pub async fn act(
    ctx: Ctx,
    Path((id, deed)): Path<(u64, String)>,
    Form(fields): Form<Fields>,
) -> Result<Response, Refusal> {
    ctx.check(field(&fields, "csrf"))?;
    let reason = field(&fields, "reason");
    match deed.as_str() {
        "sign" => {
            super::sign(&ctx, id, field(&fields, "hash"), reason).await?;
            Ok(Redirect::to(&format!("/policy/proposals/{id}")).into_response())
        }
        "withdraw" => {
            super::withdraw(&ctx, id, reason).await?;
            Ok(Redirect::to("/policy").into_response())
        }
        _ => Err(ctx.refuse(StatusCode::NOT_FOUND, "error-nowhere")),
    }
}

/// `GET /policy/proposals/{id}/file`.
///
/// # Errors
/// Where the person may not have it, or it is not signed yet.
pub async fn file(ctx: Ctx, Path(id): Path<u64>) -> Result<Response, Refusal> {
    super::file(&ctx, id).await
}

/// What the page *Policy* says of proposals: the way to a new one, and those that there are.
pub fn overview(ctx: &Ctx) -> Markup {
    let l = ctx.l();
    let list = super::list(ctx);
    html! {
        @if ctx.may_anywhere(Deed::Propose) {
            p { a class="button" href="/policy/proposal" { (l.t("proposal-title")) } }
        }
        @if !list.is_empty() {
            h2 { (l.t("proposal-list")) }
            (layout::table(&l.t("proposal-list"), &["proposal-one", "proposal-state", "col-who", "col-why", "proposal-signers"].map(|id| l.t(id)), html! {
                @for kept in &list { tr {
                    td { a href={ "/policy/proposals/" (kept.id) } { (l.with("proposal-number", &[("id", &kept.id.to_string())])) } }
                    td { (l.t(&format!("proposal-state-{}", kept.state))) }
                    td { (plain(&kept.by.name)) } td data-verbatim { (plain(&kept.by.why)) }
                    td { (kept.signers.iter().map(|s| plain(&s.name)).collect::<Vec<_>>().join(", ")) }
                } }
            }))
        }
    }
}

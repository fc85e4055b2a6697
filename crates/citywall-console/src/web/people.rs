//! Logging in and out, one-time links, who has an account, and language and theme.
//!
//! Owns: these pages. Does not own: hashing (`accounts`), sessions (`sessions`).

use std::sync::Arc;
use std::time::Instant;

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use serde::Deserialize;

use super::context::{Ctx, Look, Refusal, inside};
use super::layout::{self, csrf};
use super::passkeys;
use super::{cookie_name, session_cookie, set_cookie};
use crate::accounts;
use crate::app::App;
use crate::known::Known;
use crate::passkeys::Site;
use crate::permission::{Deed, ROLES};
use crate::text::{cut, plain};

/// Longest name that is looked up.
const NAME: usize = 128;

/// `?back=`.
#[derive(Debug, Default, Deserialize)]
pub struct Back {
    /// The page to go back to.
    #[serde(default)]
    pub back: String,
}

/// `GET /login`.
pub async fn login_page(look: Look, Query(back): Query<Back>) -> Response {
    login_form(&look, &back.back, None)
}

fn login_form(look: &Look, back: &str, error: Option<String>) -> Response {
    let l = look.l();
    let empty = look.app.accounts().is_empty();
    let failed = error.is_some();
    let body = html! {
        h1 { (l.t("login")) }
        @if let Some(error) = error { p class="error" role="alert" { (error) } }
        @if empty { p { (l.t("login-first")) } }
        form method="post" action="/login" {
            input type="hidden" name="back" value=(inside(back));
            label { (l.t("login-name")) input name="name" autocomplete="username" required maxlength=(NAME) autofocus; }
            label { (l.t("login-password")) input type="password" name="password" autocomplete="current-password" required maxlength="256"; }
            button { (l.t("login")) }
        }
        @if Site::of(&look.host, look.app.secure).is_some() {
            p { button type="button" class="plain" data-passkey-login hidden { (l.t("passkey-login")) } }
        } @else { p class="quiet" { (l.t("passkey-host")) } }
        p id="said" class="quiet" role="status" {}
        p class="quiet" { (l.t("login-lost")) }
        p { a href="/look?lang=en&back=/login" lang="en" { "English" } " " a href="/look?lang=zh-CN&back=/login" lang="zh-CN" { "中文" } }
    };
    let page = layout::bare(&look.tag, look.theme, &l.t("login"), body);
    if failed {
        (StatusCode::FORBIDDEN, page).into_response()
    } else {
        page
    }
}

/// The form of a login.
#[derive(Deserialize)]
pub struct LoginForm {
    name: String,
    password: String,
    #[serde(default)]
    back: String,
}

/// `POST /login`.
pub async fn login(look: Look, Form(form): Form<LoginForm>) -> Response {
    let app = Arc::clone(&look.app);
    let name = cut(form.name.trim(), NAME);
    let source = look.source.0;
    let waits = {
        let attempts = app.attempts();
        let of = |name: &str| attempts.wait(Instant::now(), source, name);
        of(&name).max(of(passkeys::ANYBODY))
    };
    if let Some(wait) = waits {
        let text = look.l().count("login-wait", wait.as_secs() + 1);
        return login_form(&look, &form.back, Some(text));
    }
    let stored = app.accounts().stored(&name);
    let password = form.password;
    let Ok(place) = app.hashing.acquire().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let fits = tokio::task::spawn_blocking(move || accounts::verify(&stored, &password)).await;
    drop(place);
    // Who left the city file has an account no more.
    let known = app.known().person(&name).is_some() && app.accounts().has(&name);
    if !fits.unwrap_or(false) || !known {
        {
            let mut attempts = app.attempts();
            attempts.failed(Instant::now(), source, &name);
            // Names that are made up must not fill the journal.
            attempts.failed(Instant::now(), source, passkeys::ANYBODY);
        }
        let _ = app.record(&name, "login-failed", &source.to_string(), "").await;
        return login_form(&look, &form.back, Some(look.l().t("login-wrong")));
    }
    app.attempts().worked(source, &name);
    begin(&look, &name, inside(&form.back)).await
}

/// A session, and on to a page.
pub async fn begin(look: &Look, name: &str, to: &str) -> Response {
    let app = &look.app;
    let (Ok(token), Ok(csrf)) = (accounts::token(), accounts::token()) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    if let Err(error) = app.record(name, "login", &look.source.0.to_string(), "").await {
        return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response();
    }
    app.sessions().begin(Instant::now(), &token, csrf, name);
    let mut response = Redirect::to(to).into_response();
    set_cookie(&mut response, &session_cookie(&token, app.secure));
    response
}

/// A form that holds nothing but the session's token.
#[derive(Debug, Deserialize)]
pub struct Bare {
    #[serde(default)]
    csrf: String,
}

/// `POST /logout`.
///
/// # Errors
/// Where the form is not of this session.
pub async fn logout(ctx: Ctx, Form(form): Form<Bare>) -> Result<Response, Refusal> {
    ctx.check(&form.csrf)?;
    ctx.app().sessions().end(&ctx.token);
    let secure = ctx.app().secure;
    let flag = if secure { "; Secure" } else { "" };
    let mut response = Redirect::to("/login").into_response();
    set_cookie(
        &mut response,
        &format!(
            "{}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0{flag}",
            cookie_name(secure)
        ),
    );
    Ok(response)
}

/// `GET /link/{token}`: somebody sets a password.
pub async fn link_page(look: Look, Path(token): Path<String>) -> Response {
    link_form(&look, &token, None)
}

fn link_form(look: &Look, token: &str, error: Option<String>) -> Response {
    let l = look.l();
    let mut status = match error {
        Some(_) => StatusCode::BAD_REQUEST,
        None => StatusCode::OK,
    };
    let body = match look.app.accounts().linked(token) {
        None => {
            status = StatusCode::NOT_FOUND;
            html! { h1 { (l.t("link")) } p class="error" { (l.t("link-over")) } }
        }
        Some(person) => html! {
            h1 { (l.t("link")) }
            p { (l.t("link-what")) }
            @if let Some(error) = error { p class="error" role="alert" { (error) } }
            form method="post" action={ "/link/" (token) } {
                @match &person {
                    Some(person) => { p { strong { (plain(person)) } } input type="hidden" name="name" value=(person); }
                    None => label { (l.t("link-who")) select name="name" required {
                        @for name in people_by_rank(&look.app.known()) { option value=(name.0) { (plain(&name.0)) " (" (name.1.iter().map(|r| l.t(&format!("role-{r}"))).collect::<Vec<_>>().join(", ")) ")" } }
                    } }
                }
                label { (l.t("link-password")) input type="password" name="password" autocomplete="new-password" required minlength="12" maxlength="256"; }
                label { (l.t("link-again")) input type="password" name="again" autocomplete="new-password" required minlength="12" maxlength="256"; }
                button { (l.t("link-set")) }
            }
            p class="quiet" { (l.t("link-rules")) }
        },
    };
    let page = layout::bare(&look.tag, look.theme, &l.t("link"), body);
    (status, page).into_response()
}

/// People with their roles; administrators first, as they can bring in the others.
fn people_by_rank(known: &Known) -> Vec<(String, Vec<&'static str>)> {
    let mut people: Vec<(String, Vec<&'static str>)> = known
        .people()
        .into_iter()
        .map(|name| {
            let roles = known.person(&name).map(|p| p.roles).unwrap_or_default();
            let words = ROLES
                .iter()
                .filter(|(role, _)| roles.contains(role))
                .map(|(_, word)| *word);
            (name, words.collect())
        })
        .collect();
    people.sort_by_key(|(_, roles)| !roles.contains(&"administrator"));
    people
}

/// The form of a link.
#[derive(Deserialize)]
pub struct LinkForm {
    name: String,
    password: String,
    again: String,
}

/// `POST /link/{token}`.
pub async fn use_link(look: Look, Path(token): Path<String>, Form(form): Form<LinkForm>) -> Response {
    let app = Arc::clone(&look.app);
    let Some(person) = app.accounts().linked(&token) else {
        return link_form(&look, &token, Some(look.l().t("link-over")));
    };
    let name = person.unwrap_or(form.name);
    if app.known().person(&name).is_none() {
        return link_form(&look, &token, Some(look.l().t("link-nobody")));
    }
    if form.password != form.again {
        return link_form(&look, &token, Some(look.l().t("link-differ")));
    }
    let (who, password) = (name.clone(), form.password);
    let Ok(place) = app.hashing.acquire().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let hashed = tokio::task::spawn_blocking(move || accounts::hash(&who, &password)).await;
    drop(place);
    let hashed = match hashed {
        Ok(Ok(hash)) => hash,
        Ok(Err(error)) => return link_form(&look, &token, Some(error.to_string())),
        Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    // In the journal before it holds.
    if let Err(error) = app
        .record(&name, "password", &look.source.0.to_string(), "")
        .await
    {
        return link_form(&look, &token, Some(error.to_string()));
    }
    {
        let mut accounts = app.accounts();
        // Two that come at once: the link works for one of them.
        if accounts.linked(&token).is_none() {
            drop(accounts);
            return link_form(&look, &token, Some(look.l().t("link-over")));
        }
        if let Err(error) = accounts.set(&name, hashed) {
            drop(accounts);
            return link_form(&look, &token, Some(error.to_string()));
        }
        accounts.use_up(&token);
        if let Err(error) = accounts.forget_passkeys(&name) {
            log::error!("{name}: passkeys: {error}");
        }
    }
    app.sessions().end_all(&name);
    begin(&look, &name, "/").await
}

/// `GET /people`.
pub async fn page(ctx: Ctx) -> Response {
    people(&ctx, None)
}

fn people(ctx: &Ctx, link: Option<(String, String)>) -> Response {
    let l = ctx.l();
    let invite = ctx.may_anywhere(Deed::Invite);
    let list: Vec<_> = people_by_rank(&ctx.known).into_iter().take(500).collect();
    let has: Vec<bool> = {
        let accounts = ctx.app().accounts();
        list.iter().map(|(name, _)| accounts.has(name)).collect()
    };
    let passkeys = ctx.app().accounts().passkeys(&ctx.person.name).count() as u64;
    let department = |name: &str| {
        let city = ctx.known.city.as_ref();
        city.and_then(|c| c.principal(name))
            .map(|p| p.department.clone())
            .unwrap_or_default()
    };
    let rows = html! { @for ((name, roles), has) in list.iter().zip(&has) { tr {
        th scope="row" { (plain(name)) } td { (plain(&department(name))) }
        td { (roles.iter().map(|r| l.t(&format!("role-{r}"))).collect::<Vec<_>>().join(", ")) }
        td { @if *has { (l.t("yes")) } @else { (l.t("no")) } }
        td { @if invite {
            form method="post" action="/people/link" { (csrf(ctx)) input type="hidden" name="name" value=(name); button { (l.t("people-link")) } }
            @if *has { form method="post" action="/people/end" { (csrf(ctx)) input type="hidden" name="name" value=(name); button { (l.t("people-end")) } } }
        } }
    } } };
    let heads = ["col-name", "col-department", "col-roles", "col-account", "col-do"].map(|id| l.t(id));
    let body = html! {
        p { (l.t("people-what")) }
        @if let Some((name, link)) = &link {
            p class="banner" role="status" { (l.with("people-link-made", &[("name", &plain(name))])) " " code { (link) } }
        }
        (layout::table(&l.t("nav-people"), &heads, rows))
        @if Site::of(&ctx.look.host, ctx.app().secure).is_some() {
            p { button type="button" data-passkey-add=(ctx.csrf) hidden { (l.t("passkey-add")) } " " span class="quiet" { (l.count("passkey-have", passkeys)) } }
        } @else { p class="quiet" { (l.t("passkey-host")) } }
    };
    layout::page(ctx, &l.t("nav-people"), false, body)
}

/// A form about a person.
#[derive(Debug, Deserialize)]
pub struct OfPerson {
    #[serde(default)]
    csrf: String,
    name: String,
}

impl OfPerson {
    fn checked(&self, ctx: &Ctx) -> Result<(), Refusal> {
        ctx.check(&self.csrf)?;
        if !ctx.may_anywhere(Deed::Invite) {
            return Err(ctx.refuse(StatusCode::FORBIDDEN, "error-role"));
        }
        match ctx.known.person(&self.name) {
            Some(_) => Ok(()),
            None => Err(ctx.refuse(StatusCode::NOT_FOUND, "link-nobody")),
        }
    }
}

/// `POST /people/link`: a one-time link for somebody.
///
/// # Errors
/// Where the person may not, or it cannot be made.
pub async fn invite(ctx: Ctx, Form(form): Form<OfPerson>) -> Result<Response, Refusal> {
    form.checked(&ctx)?;
    let failed = |error: String| ctx.refuse_with(StatusCode::INTERNAL_SERVER_ERROR, error);
    let recorded = ctx.app().record(&ctx.person.name, "link", &form.name, "").await;
    recorded.map_err(|e| failed(e.to_string()))?;
    let token = ctx
        .app()
        .accounts()
        .link(Some(&form.name))
        .map_err(|e| failed(e.to_string()))?;
    Ok(people(&ctx, Some((form.name, format!("/link/{token}")))))
}

/// `POST /people/end`: ends somebody's sessions.
///
/// # Errors
/// Where the person may not.
pub async fn end_sessions(ctx: Ctx, Form(form): Form<OfPerson>) -> Result<Response, Refusal> {
    form.checked(&ctx)?;
    let recorded = ctx
        .app()
        .record(&ctx.person.name, "sessions-ended", &form.name, "")
        .await;
    recorded.map_err(|e| ctx.refuse_with(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    ctx.app().sessions().end_all(&form.name);
    Ok(Redirect::to("/people").into_response())
}

/// Language or theme.
#[derive(Debug, Default, Deserialize)]
pub struct LookQuery {
    #[serde(default)]
    lang: String,
    #[serde(default)]
    theme: String,
    #[serde(default)]
    back: String,
}

/// `GET /look`: a preference, kept by the browser.
pub async fn look(State(app): State<Arc<App>>, Query(query): Query<LookQuery>) -> Response {
    let mut response = Redirect::to(inside(&query.back)).into_response();
    let mut keep = |name: &str, value: &str| {
        set_cookie(
            &mut response,
            &format!("{name}={value}; Path=/; Max-Age=31536000; SameSite=Lax"),
        );
    };
    if app.words.tags().any(|tag| tag == query.lang) {
        keep("lang", &query.lang);
    }
    if ["light", "dark"].contains(&query.theme.as_str()) {
        keep("theme", &query.theme);
    }
    response
}

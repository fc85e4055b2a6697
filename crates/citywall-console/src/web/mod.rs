//! The pages and the API: routes, and what holds for every request.
//!
//! Owns: the router, security headers, the checks of host and origin, sessions' cookies, deadlines.
//! Does not own: what stands on a page (one module each), the server below (`server`).

pub mod acts;
pub mod api;
pub mod assets;
pub mod chart;
pub mod city;
pub mod commands;
pub mod context;
pub mod devices;
pub mod events;
pub mod export;
pub mod health;
pub mod incidents;
pub mod layout;
pub mod packets;
pub mod passkeys;
pub mod people;
pub mod policy;
pub mod proposal;
pub mod rehearsal;
pub mod report;
pub mod risks;
pub mod said;
pub mod stream;
pub mod traffic;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::app::App;
use crate::sessions::Session;

/// Longest body of a request.
const BODY: usize = 64 << 10;
/// How long a request may take, an event stream excepted.
const DEADLINE: Duration = Duration::from_secs(30);
/// The header by which the page's own code asks for a page again: no sign of a person.
pub const FRAGMENT: &str = "x-fragment";

/// From where a request comes.
#[derive(Clone, Copy, Debug)]
pub struct Source(pub IpAddr);

/// Whose request it is.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    /// The session.
    pub session: Session,
    /// Its token.
    pub token: String,
}

/// All routes.
pub fn router(app: Arc<App>) -> Router {
    let pages = Router::new()
        .route("/", get(city::page))
        .route("/incidents", get(incidents::list))
        .route("/incidents/{number}", get(incidents::page))
        .route(
            "/incidents/{number}/normal",
            get(acts::ask_normal).post(acts::call_normal),
        )
        .route("/incidents/{number}/packets", get(packets::download))
        .route("/devices", get(devices::list))
        .route("/device", get(devices::page))
        .route("/commands", get(commands::page))
        .route("/traffic", get(traffic::page))
        .route("/policy", get(policy::page))
        .route(
            "/policy/proposal",
            get(proposal::pages::propose)
                .post(proposal::pages::compare)
                .layer(DefaultBodyLimit::max(proposal::BODY)),
        )
        .route(
            "/policy/proposals",
            post(proposal::pages::hand_in).layer(DefaultBodyLimit::max(proposal::BODY)),
        )
        .route("/policy/proposals/{id}", get(proposal::pages::one))
        .route("/policy/proposals/{id}/file", get(proposal::pages::file))
        .route("/policy/proposals/{id}/{deed}", post(proposal::pages::act))
        .route("/actions", get(acts::page))
        .route("/actions/{id}/{deed}", post(acts::act))
        .route("/normal", get(acts::normals))
        .route("/normal/{id}/end", post(acts::end_normal))
        .route("/rehearsal", get(rehearsal::page))
        .route("/events", get(events::page))
        .route("/health", get(health::page))
        .route("/report", get(report::page))
        .route("/people", get(people::page))
        .route("/people/link", post(people::invite))
        .route("/people/end", post(people::end_sessions))
        .route("/login", get(people::login_page).post(people::login))
        .route("/logout", post(people::logout))
        .route("/link/{token}", get(people::link_page).post(people::use_link))
        .route("/passkey/add/begin", post(passkeys::add_begin))
        .route("/passkey/add", post(passkeys::add))
        .route("/passkey/login/begin", post(passkeys::login_begin))
        .route("/passkey/login", post(passkeys::login))
        .route("/look", get(people::look))
        .route("/stream", get(stream::stream))
        .route("/export/{what}", get(export::export))
        .route("/assets/{name}", get(assets::asset))
        .route("/favicon.ico", get(assets::icon))
        .nest("/api/v1", api::router())
        .route("/api/openapi.json", get(api::document));
    pages
        .fallback(context::not_found)
        .method_not_allowed_fallback(context::not_allowed)
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn_with_state(Arc::clone(&app), guard))
        .with_state(app)
}

/// What every request goes through.
async fn guard(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = match refused(&app, &request) {
        Some(why) => (StatusCode::FORBIDDEN, why).into_response(),
        None => {
            let fragment = request.headers().contains_key(FRAGMENT);
            let stream = path == "/stream";
            let now = Instant::now();
            let token = cookie(request.headers(), cookie_name(app.secure)).map(str::to_owned);
            let found = token.and_then(|token| {
                let (session, old) = app.sessions().find(now, &token, !fragment && !stream)?;
                Some((LoggedIn { session, token }, old))
            });
            let mut rotated = None;
            if let Some((login, old)) = found {
                if old
                    && !stream
                    && let Ok(new) = crate::accounts::token()
                {
                    app.sessions().rotate(now, &login.token, &new);
                    rotated = Some(new);
                }
                request.extensions_mut().insert(login);
            }
            let answer = next.run(request);
            let mut response = match stream {
                true => answer.await,
                false => match tokio::time::timeout(DEADLINE, answer).await {
                    Ok(response) => response,
                    Err(_) => (StatusCode::REQUEST_TIMEOUT, "too slow\n").into_response(),
                },
            };
            // A login or logout has said its own.
            if let Some(new) = rotated
                && !response.headers().contains_key(header::SET_COOKIE)
            {
                set_cookie(&mut response, &session_cookie(&new, app.secure));
            }
            response
        }
    };
    secure(&mut response, &path, app.secure);
    response
}

/// Why a request is not answered at all: another site's page speaks, or leads here under its own name.
fn refused(app: &App, request: &Request<Body>) -> Option<&'static str> {
    let headers = request.headers();
    let text = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    let host = text(header::HOST).unwrap_or_default().to_ascii_lowercase();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => &host,
    };
    // A name of somebody else's that leads to this address (DNS rebinding).
    if !app.hosts.is_empty() && !app.hosts.iter().any(|h| h == name) {
        return Some("this console is not known by that name\n");
    }
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let scheme = if app.secure { "https" } else { "http" };
    let foreign = match (
        text(header::ORIGIN),
        text(header::HeaderName::from_static("sec-fetch-site")),
    ) {
        (Some(origin), _) => origin.to_ascii_lowercase() != format!("{scheme}://{host}"),
        (None, Some(site)) => site != "same-origin" && site != "none",
        (None, None) => false,
    };
    foreign.then_some("a page of another site may not ask this\n")
}

fn secure(response: &mut Response, path: &str, tls: bool) {
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    );
    set("x-content-type-options", "nosniff");
    set("x-frame-options", "DENY");
    // Not `no-referrer`: by that a browser says `Origin: null` of our own forms, too (Fetch, "append a request
    // `Origin` header"), and the check of origins would refuse them.
    set("referrer-policy", "same-origin");
    set("cross-origin-opener-policy", "same-origin");
    set("cross-origin-resource-policy", "same-origin");
    set(
        "permissions-policy",
        "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    );
    if !path.starts_with("/assets/") {
        set("cache-control", "no-store");
    }
    if tls {
        set("strict-transport-security", "max-age=31536000");
    }
}

/// The cookie's name; over TLS one that no other host or path can set (RFC 6265bis, 4.1.3.2).
pub fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-citywall" } else { "citywall" }
}

/// The session's cookie.
pub fn session_cookie(token: &str, secure: bool) -> String {
    let flag = if secure { "; Secure" } else { "" };
    format!(
        "{}={token}; Path=/; HttpOnly; SameSite=Lax{flag}",
        cookie_name(secure)
    )
}

/// Adds a cookie to an answer.
pub fn set_cookie(response: &mut Response, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// A cookie of a request.
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).into_iter();
    let pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

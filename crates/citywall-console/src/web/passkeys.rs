//! Passkeys: adding one, and logging in with one.
//!
//! Owns: the four requests that the page's script makes. Does not own: the proof (`passkeys`).

use std::time::Instant;

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::context::{Ctx, Look, Refusal};
use super::people;
use crate::passkeys::{Answer, Site, encode};

/// The name under which attempts with passkeys are counted.
pub const ANYBODY: &str = "";

fn random() -> Result<[u8; 32], StatusCode> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(bytes)
}

fn checked(ctx: &Ctx, headers: &HeaderMap) -> Result<Site, Refusal> {
    let csrf = headers.get("x-csrf-token").and_then(|v| v.to_str().ok());
    ctx.check(csrf.unwrap_or_default())?;
    let site = Site::of(&ctx.look.host, ctx.app().secure);
    site.ok_or_else(|| ctx.refuse(StatusCode::CONFLICT, "passkey-host"))
}

/// `POST /passkey/add/begin`: what the browser's `create()` needs.
///
/// # Errors
/// Where the console is not asked by a name, or the token is not the session's.
pub async fn add_begin(ctx: Ctx, headers: HeaderMap) -> Result<Response, Refusal> {
    let site = checked(&ctx, &headers)?;
    let bytes = random().map_err(|status| ctx.refuse(status, "error-busy"))?;
    let challenge = ctx
        .app()
        .challenges()
        .open(Instant::now(), bytes, Some(&ctx.person.name));
    let have: Vec<String> = ctx
        .app()
        .accounts()
        .passkeys(&ctx.person.name)
        .map(|p| p.id.clone())
        .collect();
    let name = &ctx.person.name;
    let user = crate::accounts::digest(name);
    let user = json!({ "id": encode(user.get(..32).unwrap_or_default().as_bytes()), "name": name });
    Ok(
        Json(json!({ "challenge": challenge, "host": site.host, "user": user, "have": have }))
            .into_response(),
    )
}

/// `POST /passkey/add`.
///
/// # Errors
/// Where the answer does not fit, or it cannot be kept.
pub async fn add(ctx: Ctx, headers: HeaderMap, Json(answer): Json<Answer>) -> Result<Json<Value>, Refusal> {
    let site = checked(&ctx, &headers)?;
    let name = ctx.person.name.clone();
    let made = ctx
        .app()
        .challenges()
        .register(Instant::now(), &answer, &site, &name);
    let passkey = made.map_err(|e| ctx.refuse_with(StatusCode::BAD_REQUEST, e.to_string()))?;
    let failed = |error: String| ctx.refuse_with(StatusCode::INTERNAL_SERVER_ERROR, error);
    let recorded = ctx.app().record(&name, "passkey", &site.host, "").await;
    recorded.map_err(|e| failed(e.to_string()))?;
    ctx.app()
        .accounts()
        .add_passkey(&name, passkey)
        .map_err(|e| failed(e.to_string()))?;
    Ok(Json(json!({})))
}

/// `POST /passkey/login/begin`: what the browser's `get()` needs.
pub async fn login_begin(look: Look) -> Response {
    let Some(site) = Site::of(&look.host, look.app.secure) else {
        return problem(&look, StatusCode::CONFLICT, "passkey-host");
    };
    match random() {
        Ok(bytes) => {
            let challenge = look.app.challenges().open(Instant::now(), bytes, None);
            Json(json!({ "challenge": challenge, "host": site.host })).into_response()
        }
        Err(status) => problem(&look, status, "error-busy"),
    }
}

/// `POST /passkey/login`.
pub async fn login(look: Look, Json(answer): Json<Answer>) -> Response {
    let Some(site) = Site::of(&look.host, look.app.secure) else {
        return problem(&look, StatusCode::CONFLICT, "passkey-host");
    };
    let (now, source) = (Instant::now(), look.source.0);
    if look.app.attempts().wait(now, source, ANYBODY).is_some() {
        return problem(&look, StatusCode::TOO_MANY_REQUESTS, "error-busy");
    }
    let holder = look.app.accounts().holder(&answer.id);
    let proved = holder.and_then(|(name, passkey)| {
        look.app.known().person(&name)?;
        let uses = look.app.challenges().prove(now, &answer, &site, &passkey).ok()?;
        look.app.accounts().used_passkey(&name, &answer.id, uses).ok()?;
        Some(name)
    });
    let Some(name) = proved else {
        look.app.attempts().failed(now, source, ANYBODY);
        return problem(&look, StatusCode::FORBIDDEN, "passkey-wrong");
    };
    look.app.attempts().worked(source, ANYBODY);
    people::begin(&look, &name, "/").await
}

fn problem(look: &Look, status: StatusCode, id: &str) -> Response {
    (status, Json(json!({ "error": look.l().t(id) }))).into_response()
}

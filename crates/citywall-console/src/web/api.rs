//! The HTTP API: what stands on the pages, as JSON, under the same permissions.
//!
//! Owns: the routes below `/api/v1` and their document. Does not own: the shapes, which are those that
//! the pages are made of. A call that changes something needs the session's token in `x-csrf-token`
//! (`GET /api/v1/me` tells it).

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, Query};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};

use super::context::{Ctx, Refusal};
use super::proposal::{self, BODY};
use super::{acts, city, commands, devices, events, health, incidents, packets, policy, rehearsal, traffic};
use crate::app::App;
use crate::board;
use crate::gate;
use crate::normal::Normal;
use crate::permission::ROLES;

/// Events of one answer at most.
const EVENTS: usize = 1_000;

/// Who asks.
#[derive(Serialize, ToSchema)]
struct Me {
    /// The person of the city file.
    name: String,
    roles: Vec<String>,
    /// Zones that the person sees; none: all.
    zones: Option<Vec<String>>,
    /// For the header `x-csrf-token`.
    csrf: String,
    /// Where acts go.
    gate: gate::GateKind,
}

/// Why a call was refused.
#[derive(Serialize, ToSchema)]
#[allow(dead_code)]
pub struct Problem {
    /// In words.
    error: String,
}

/// One incident, with what is proposed.
#[derive(Serialize, ToSchema)]
struct IncidentWhole {
    incident: board::Incident,
    told: Vec<board::Told>,
    actions: Vec<gate::ActionView>,
}

/// A page of events, newest first.
#[derive(Serialize, ToSchema)]
struct Events {
    /// Lines of the log (`docs/spec/event.md`).
    #[schema(value_type = Vec<Object>)]
    events: Vec<serde_json::Value>,
    /// The next page's `before`.
    before: Option<u64>,
}

/// How many.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Limit {
    /// 1 to 1000; 100 where it is not said.
    #[serde(default)]
    #[param(nullable = false, format = "uint64")]
    limit: Option<usize>,
}

/// An act.
#[derive(Deserialize, ToSchema)]
struct ActBody {
    /// The hash of the plan that was read; for approvals.
    #[serde(default)]
    hash: String,
    /// Why.
    #[serde(default)]
    reason: String,
}

/// What came of an act.
#[derive(Serialize, ToSchema)]
pub struct Done {
    /// In words.
    pub done: String,
}

/// All routes of the API.
pub fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/me", get(me))
        .route("/zones", get(zones))
        .route("/incidents", get(list_incidents))
        .route("/incidents/{number}", get(one_incident))
        .route("/incidents/{number}/packets", get(packets::download))
        .route("/devices", get(list_devices))
        .route("/device", get(one_device))
        .route("/commands", get(list_commands))
        .route("/traffic", get(show_traffic))
        .route("/policy", get(show_policy))
        .route("/policy/proposal", get(proposal::api::seen))
        .route(
            "/policy/proposal/text",
            post(proposal::api::text).layer(DefaultBodyLimit::max(BODY)),
        )
        .route(
            "/policy/proposal/diff",
            post(proposal::api::diff).layer(DefaultBodyLimit::max(BODY)),
        )
        .route(
            "/policy/proposals",
            get(proposal::api::list)
                .post(proposal::api::hand_in)
                .layer(DefaultBodyLimit::max(BODY)),
        )
        .route("/policy/proposals/{id}", get(proposal::api::one))
        .route("/policy/proposals/{id}/sign", post(proposal::api::sign))
        .route("/policy/proposals/{id}/withdraw", post(proposal::api::withdraw))
        .route("/policy/proposals/{id}/file", get(proposal::api::file))
        .route("/actions", get(list_actions))
        .route("/actions/{id}/{deed}", post(act))
        .route("/normal", get(list_normal))
        .route("/rehearsal", get(show_rehearsal))
        .route("/events", get(list_events))
        .route("/health", get(show_health))
}

#[utoipa::path(get, path = "/api/v1/me", responses((status = 200, body = Me), (status = 401, body = Problem)))]
async fn me(ctx: Ctx) -> Json<Me> {
    let roles = ROLES.iter().filter(|(role, _)| ctx.person.roles.contains(role));
    let zones = match &ctx.person.scope {
        crate::permission::Scope::City => None,
        crate::permission::Scope::Zones(zones) => {
            let name = |id| ctx.known.context.zone_name(Some(id)).to_owned();
            Some(zones.iter().map(|id| name(*id)).collect())
        }
    };
    Json(Me {
        roles: roles.map(|(_, word)| (*word).to_owned()).collect(),
        zones,
        csrf: ctx.csrf.clone(),
        gate: ctx.app().gate_kind,
        name: ctx.person.name,
    })
}

#[utoipa::path(get, path = "/api/v1/zones", responses((status = 200, body = Vec<city::ZoneView>), (status = 401, body = Problem)))]
async fn zones(ctx: Ctx) -> Json<Vec<city::ZoneView>> {
    Json(city::zones(&ctx))
}

#[utoipa::path(get, path = "/api/v1/incidents", params(("zone" = Option<String>, Query), ("q" = Option<String>, Query)),
    responses((status = 200, body = Vec<board::Incident>), (status = 401, body = Problem)))]
async fn list_incidents(ctx: Ctx, Query(filter): Query<incidents::Filter>) -> Json<Vec<board::Incident>> {
    Json(incidents::listed(&ctx, &filter).0)
}

#[utoipa::path(get, path = "/api/v1/incidents/{number}", params(("number" = String, Path)),
    responses((status = 200, body = IncidentWhole), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn one_incident(ctx: Ctx, Path(number): Path<String>) -> Result<Json<IncidentWhole>, Refusal> {
    let (incident, told) = incidents::find(&ctx, &number)?;
    let actions = ctx.app().actions(&ctx.person.name).await.unwrap_or_default();
    let actions = actions
        .into_iter()
        .filter(|a| a.incident == incident.number)
        .collect();
    Ok(Json(IncidentWhole {
        incident,
        told,
        actions,
    }))
}

#[utoipa::path(get, path = "/api/v1/devices", params(devices::Filter),
    responses((status = 200, body = Vec<board::Device>), (status = 400), (status = 401, body = Problem)))]
async fn list_devices(ctx: Ctx, Query(filter): Query<devices::Filter>) -> Json<Vec<board::Device>> {
    let board = ctx.app().board();
    let list = devices::listed(&ctx, &board, &filter);
    let page = list
        .into_iter()
        .skip(filter.page.saturating_mul(1_000))
        .take(1_000);
    Json(page.cloned().collect())
}

#[utoipa::path(get, path = "/api/v1/device", params(devices::Named),
    responses((status = 200, body = devices::DeviceView), (status = 400), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn one_device(
    ctx: Ctx,
    Query(named): Query<devices::Named>,
) -> Result<Json<devices::DeviceView>, Refusal> {
    devices::find(&ctx, &named.name).map(Json)
}

#[utoipa::path(get, path = "/api/v1/commands", params(commands::Filter),
    responses((status = 200, body = Vec<devices::CommandView>), (status = 401, body = Problem)))]
async fn list_commands(ctx: Ctx, Query(filter): Query<commands::Filter>) -> Json<Vec<devices::CommandView>> {
    Json(commands::listed(&ctx, &filter))
}

#[utoipa::path(get, path = "/api/v1/traffic", responses((status = 200, body = traffic::TrafficView), (status = 401, body = Problem)))]
async fn show_traffic(ctx: Ctx) -> Json<traffic::TrafficView> {
    Json(traffic::view(&ctx))
}

#[utoipa::path(get, path = "/api/v1/policy", responses((status = 200, body = Vec<policy::PairView>), (status = 401, body = Problem)))]
async fn show_policy(ctx: Ctx) -> Json<Vec<policy::PairView>> {
    Json(policy::view(&ctx))
}

#[utoipa::path(get, path = "/api/v1/actions",
    responses((status = 200, body = Vec<gate::ActionView>), (status = 401, body = Problem), (status = 502, body = Problem)))]
async fn list_actions(ctx: Ctx) -> Result<Json<Vec<gate::ActionView>>, Refusal> {
    let all = ctx.app().actions(&ctx.person.name).await;
    let all = all.map_err(|e| ctx.refuse_with(axum::http::StatusCode::BAD_GATEWAY, e.to_string()))?;
    let board = ctx.app().board();
    let seen = |a: &gate::ActionView| match board.incidents.get(&a.incident) {
        Some(incident) => ctx.sees(incident),
        None => ctx.person.sees_city(),
    };
    Ok(Json(all.into_iter().filter(seen).collect()))
}

#[utoipa::path(post, path = "/api/v1/actions/{id}/{deed}", request_body = ActBody,
    params(("id" = String, Path), ("deed" = String, Path, description = "approve, reject or undo"), ("x-csrf-token" = String, Header)),
    responses((status = 200, body = Done), (status = 400), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 413), (status = 415), (status = 422), (status = 502, body = Problem)))]
async fn act(
    ctx: Ctx,
    headers: HeaderMap,
    Path((id, deed)): Path<(String, String)>,
    Json(body): Json<ActBody>,
) -> Result<Json<Done>, Refusal> {
    let csrf = headers.get("x-csrf-token").and_then(|v| v.to_str().ok());
    ctx.check(csrf.unwrap_or_default())?;
    let done = acts::perform(&ctx, &id, &deed, &body.hash, &body.reason).await?;
    Ok(Json(Done { done }))
}

#[utoipa::path(get, path = "/api/v1/normal", responses((status = 200, body = Vec<Normal>), (status = 401, body = Problem)))]
async fn list_normal(ctx: Ctx) -> Json<Vec<Normal>> {
    let normals = ctx.app().normals();
    let zones = |n: &Normal| {
        n.zones
            .iter()
            .filter_map(|z| ctx.known.zone(z))
            .collect::<Vec<_>>()
    };
    let seen = normals
        .holding(crate::app::now())
        .filter(|n| ctx.person.sees(zones(n).into_iter()));
    Json(seen.cloned().collect())
}

#[utoipa::path(get, path = "/api/v1/rehearsal",
    responses((status = 200, body = rehearsal::RehearsalView), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
async fn show_rehearsal(ctx: Ctx) -> Result<Json<rehearsal::RehearsalView>, Refusal> {
    rehearsal::view(&ctx).await.map(Json)
}

#[utoipa::path(get, path = "/api/v1/events", params(events::Filter, Limit),
    responses((status = 200, body = Events), (status = 400), (status = 401, body = Problem)))]
async fn list_events(
    ctx: Ctx,
    Query(filter): Query<events::Filter>,
    Query(limit): Query<Limit>,
) -> Result<Json<Events>, Refusal> {
    let limit = limit.limit.unwrap_or(100).clamp(1, EVENTS);
    let hits = events::search(&ctx, &filter, limit).await?;
    Ok(Json(Events {
        before: hits.last().filter(|_| hits.len() == limit).map(|hit| hit.place),
        events: hits
            .iter()
            .filter_map(|hit| serde_json::from_str(&hit.line).ok())
            .collect(),
    }))
}

#[utoipa::path(get, path = "/api/v1/health", responses((status = 200, body = health::HealthView), (status = 401, body = Problem)))]
async fn show_health(ctx: Ctx) -> Json<health::HealthView> {
    Json(health::view(&ctx))
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Citywall console",
        description = "What stands on the console's pages, as JSON, under the same permissions."
    ),
    paths(
        me,
        zones,
        list_incidents,
        one_incident,
        packets::download,
        list_devices,
        one_device,
        list_commands,
        show_traffic,
        show_policy,
        proposal::api::seen,
        proposal::api::text,
        proposal::api::diff,
        proposal::api::list,
        proposal::api::hand_in,
        proposal::api::one,
        proposal::api::sign,
        proposal::api::withdraw,
        proposal::api::file,
        list_actions,
        act,
        list_normal,
        show_rehearsal,
        list_events,
        show_health
    )
)]
struct Document;

/// `GET /api/openapi.json`.
pub async fn document() -> Response {
    match Document::openapi().to_json() {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => (axum::http::StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

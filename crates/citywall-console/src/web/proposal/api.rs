//! The API's calls about city files to be.
//!
//! Owns: their shapes as they are sent, and their place in the document. Does not own: what they do
//! (`super`).

use axum::Json;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{KeptView, ProposalView};
use crate::review::Review;
use crate::web::api::{Done, Problem};
use crate::web::context::{Ctx, Refusal};

/// What is to be taken.
#[derive(Deserialize, ToSchema)]
pub struct TakeBody {
    /// Keys of what was proposed; what is proposed no more is passed over.
    take: Vec<String>,
}

/// A text.
#[derive(Deserialize, Serialize, ToSchema)]
pub struct Text {
    /// The city file to be; of who answers for some zones alone, what is to be added to the present one.
    text: String,
}

/// A text that is handed in.
#[derive(Deserialize, ToSchema)]
pub struct HandInBody {
    /// As in `Text`.
    text: String,
    /// The hash of the review that was read.
    hash: String,
    /// Why.
    reason: String,
}

/// A signature, or that a proposal is taken back.
#[derive(Deserialize, ToSchema)]
pub struct SignBody {
    /// The hash of what was read; for signatures.
    #[serde(default)]
    hash: String,
    /// Why.
    #[serde(default)]
    reason: String,
}

/// The number of what was handed in.
#[derive(Serialize, ToSchema)]
pub struct HandedIn {
    id: u64,
}

/// A proposal, and what it would mean: nothing is told where the city file is another by now.
#[derive(Serialize, ToSchema)]
pub struct Whole {
    proposal: KeptView,
    review: Review,
    /// The city file to be; empty for who answers for some zones alone.
    text: String,
}

fn check(ctx: &Ctx, headers: &HeaderMap) -> Result<(), Refusal> {
    let csrf = headers.get("x-csrf-token").and_then(|v| v.to_str().ok());
    ctx.check(csrf.unwrap_or_default())
}

/// A body is an object: serde would take a list of its fields' values, too.
fn object<T: DeserializeOwned>(ctx: &Ctx, body: Value) -> Result<T, Refusal> {
    let wrong = |error: String| ctx.refuse_with(StatusCode::UNPROCESSABLE_ENTITY, error);
    match body.is_object() {
        true => serde_json::from_value(body).map_err(|e| wrong(e.to_string())),
        false => Err(wrong("an object is expected".to_owned())),
    }
}

/// What is proposed from what was seen.
#[utoipa::path(get, path = "/api/v1/policy/proposal",
    responses((status = 200, body = ProposalView), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub async fn seen(ctx: Ctx) -> Result<Json<ProposalView>, Refusal> {
    let proposal = super::seen(&ctx).await?;
    Ok(Json(super::view(&ctx, &proposal)))
}

/// The text that has what is to be taken.
#[utoipa::path(post, path = "/api/v1/policy/proposal/text", request_body = TakeBody, params(("x-csrf-token" = String, Header)),
    responses((status = 200, body = Text), (status = 400), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 413), (status = 415), (status = 422)))]
pub async fn text(ctx: Ctx, headers: HeaderMap, Json(body): Json<Value>) -> Result<Json<Text>, Refusal> {
    check(&ctx, &headers)?;
    let body: TakeBody = object(&ctx, body)?;
    let text = super::text_of(&ctx, &body.take).await?;
    Ok(Json(Text { text }))
}

/// What a text would mean.
#[utoipa::path(post, path = "/api/v1/policy/proposal/diff", request_body = Text, params(("x-csrf-token" = String, Header)),
    responses((status = 200, body = Review), (status = 400), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 413), (status = 415), (status = 422)))]
pub async fn diff(ctx: Ctx, headers: HeaderMap, Json(body): Json<Value>) -> Result<Json<Review>, Refusal> {
    check(&ctx, &headers)?;
    let body: Text = object(&ctx, body)?;
    let (review, _) = super::reviewed(&ctx, &body.text).await?;
    Ok(Json(review))
}

/// City files to be, the newest first.
#[utoipa::path(get, path = "/api/v1/policy/proposals", responses((status = 200, body = Vec<KeptView>), (status = 401, body = Problem)))]
pub async fn list(ctx: Ctx) -> Json<Vec<KeptView>> {
    Json(super::list(&ctx))
}

/// Hands a text in.
#[utoipa::path(post, path = "/api/v1/policy/proposals", request_body = HandInBody, params(("x-csrf-token" = String, Header)),
    responses((status = 200, body = HandedIn), (status = 400), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 409, body = Problem), (status = 413), (status = 415), (status = 422)))]
pub async fn hand_in(
    ctx: Ctx,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<Json<HandedIn>, Refusal> {
    check(&ctx, &headers)?;
    let body: HandInBody = object(&ctx, body)?;
    let id = super::hand_in(&ctx, &body.text, &body.hash, &body.reason).await?;
    Ok(Json(HandedIn { id }))
}

/// One of them.
#[utoipa::path(get, path = "/api/v1/policy/proposals/{id}", params(("id" = u64, Path)),
    responses((status = 200, body = Whole), (status = 400), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub async fn one(ctx: Ctx, Path(id): Path<u64>) -> Result<Json<Whole>, Refusal> {
    let (proposal, review, text) = super::one(&ctx, id).await?;
    Ok(Json(Whole {
        proposal,
        review,
        text,
    }))
}

/// Signs one.
#[utoipa::path(post, path = "/api/v1/policy/proposals/{id}/sign", request_body = SignBody,
    params(("id" = u64, Path), ("x-csrf-token" = String, Header)),
    responses((status = 200, body = Done), (status = 400), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 413), (status = 415), (status = 422)))]
pub async fn sign(
    ctx: Ctx,
    headers: HeaderMap,
    Path(id): Path<u64>,
    Json(body): Json<Value>,
) -> Result<Json<Done>, Refusal> {
    check(&ctx, &headers)?;
    let body: SignBody = object(&ctx, body)?;
    let done = match super::sign(&ctx, id, &body.hash, &body.reason).await? {
        true => "signed",
        false => "another person must sign",
    };
    Ok(Json(Done {
        done: done.to_owned(),
    }))
}

/// Takes one back.
#[utoipa::path(post, path = "/api/v1/policy/proposals/{id}/withdraw", request_body = SignBody,
    params(("id" = u64, Path), ("x-csrf-token" = String, Header)),
    responses((status = 200, body = Done), (status = 400), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 413), (status = 415), (status = 422)))]
pub async fn withdraw(
    ctx: Ctx,
    headers: HeaderMap,
    Path(id): Path<u64>,
    Json(body): Json<Value>,
) -> Result<Json<Done>, Refusal> {
    check(&ctx, &headers)?;
    let body: SignBody = object(&ctx, body)?;
    super::withdraw(&ctx, id, &body.reason).await?;
    Ok(Json(Done {
        done: "withdrawn".to_owned(),
    }))
}

/// The signed form, for `citywall policy accept`.
#[utoipa::path(get, path = "/api/v1/policy/proposals/{id}/file", params(("id" = u64, Path)),
    responses((status = 200, body = Object), (status = 400), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn file(ctx: Ctx, Path(id): Path<u64>) -> Result<Response, Refusal> {
    super::file(&ctx, id).await
}

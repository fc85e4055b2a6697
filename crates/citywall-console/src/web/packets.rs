//! An incident's packets, as a file.
//!
//! Owns: who may have them, and that it is in the journal. Does not own: which they are (`packets`), and
//! cutting them from captures.

use std::sync::Arc;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::context::{Ctx, Refusal};
use super::incidents;
use crate::packets::wanted;
use crate::permission::Deed;

/// `GET /incidents/{number}/packets`, and the same of the API: a pcap of the evidence and of the
/// conversations around it, as far as one of the two ends is the person's.
///
/// # Errors
/// Where the person may not, no packets are kept, or they can no longer be read.
#[utoipa::path(get, path = "/api/v1/incidents/{number}/packets", params(("number" = String, Path)),
    responses((status = 200, body = [u8], content_type = "application/vnd.tcpdump.pcap"), (status = 401), (status = 403), (status = 404), (status = 500)))]
pub async fn download(ctx: Ctx, Path(number): Path<String>) -> Result<Response, Refusal> {
    let (incident, _) = incidents::find(&ctx, &number)?;
    if !ctx.may(Deed::Packets, &incident) {
        return Err(ctx.refuse(StatusCode::FORBIDDEN, "error-role"));
    }
    let packets = ctx.app().packets.clone();
    let packets = packets.ok_or_else(|| ctx.refuse(StatusCode::NOT_FOUND, "packets-not-kept"))?;
    let broken = |error: String| ctx.refuse_with(StatusCode::INTERNAL_SERVER_ERROR, error);
    let recorded = ctx
        .app()
        .record(&ctx.person.name, "packets", &incident.number, "")
        .await;
    recorded.map_err(|e| broken(e.to_string()))?;
    let (app, known) = (Arc::clone(ctx.app()), Arc::clone(&ctx.known));
    let (person, wanted) = (ctx.person.clone(), wanted(&incident));
    let Ok(place) = Arc::clone(&app.cutting).acquire_owned().await else {
        return Err(ctx.refuse(StatusCode::SERVICE_UNAVAILABLE, "error-busy"));
    };
    let cut = tokio::task::spawn_blocking(move || {
        // Also where nobody waits for the answer any more, the next begins when this one is done.
        let _place = place;
        let zone = |ip| known.context.locate(Some(ip), None).zone;
        packets.cut(&wanted, &|ends| {
            person.sees_city() || person.sees(ends.into_iter().flatten().filter_map(zone))
        })
    });
    let bytes = cut.await.map_err(|e| broken(e.to_string()))?.map_err(broken)?;
    let safe: String = incident
        .number
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(64)
        .collect();
    let headers = [
        (header::CONTENT_TYPE, "application/vnd.tcpdump.pcap".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{safe}.pcap\""),
        ),
    ];
    Ok((headers, bytes).into_response())
}

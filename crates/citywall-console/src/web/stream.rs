//! Changes as they come: server-sent events (HTML Living Standard, 9.2).
//!
//! Owns: the streams and how many there are. A stream says only that something changed; what changed is
//! asked for as a page, under the same permissions as any page.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::watch;

use super::context::{Ctx, Refusal};
use crate::app::App;

/// Streams at a time; the other connections are for pages.
const STREAMS: usize = 2_048;
/// Between two messages of a stream.
const EVERY: Duration = Duration::from_secs(1);
/// A stream looks at its session at least so often.
const LOOK: Duration = Duration::from_secs(20);

struct Open {
    app: Arc<App>,
    token: String,
    changes: watch::Receiver<u64>,
    first: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.app.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// `GET /stream`.
///
/// # Errors
/// Where there are too many streams.
pub async fn stream(ctx: Ctx) -> Result<Response, Refusal> {
    if ctx.app().streams.fetch_add(1, Ordering::Relaxed) >= STREAMS {
        ctx.app().streams.fetch_sub(1, Ordering::Relaxed);
        return Err(ctx.refuse(StatusCode::SERVICE_UNAVAILABLE, "error-busy"));
    }
    let open = Open {
        app: Arc::clone(ctx.app()),
        token: ctx.token.clone(),
        changes: ctx.app().changed.subscribe(),
        first: true,
    };
    let events = stream::unfold(open, |mut open| async move {
        if std::mem::take(&mut open.first) {
            return Some((
                Ok::<_, Infallible>(Event::default().event("hello").data("1")),
                open,
            ));
        }
        loop {
            let changed = tokio::time::timeout(LOOK, open.changes.changed()).await;
            // A session that is over takes its streams with it.
            open.app.sessions().find(Instant::now(), &open.token, false)?;
            match changed {
                Ok(Ok(())) => break,
                Ok(Err(_)) => return None,
                Err(_) => {}
            }
        }
        tokio::time::sleep(EVERY).await;
        let version = *open.changes.borrow_and_update();
        Some((
            Ok(Event::default().event("changed").data(version.to_string())),
            open,
        ))
    });
    Ok(Sse::new(events)
        .keep_alive(KeepAlive::new().interval(LOOK))
        .into_response())
}

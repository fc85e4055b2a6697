//! Files to take away: JSON and CSV of what the pages list, with the same filters.
//!
//! Owns: the columns. Does not own: the cells' safety (`text::csv_cell`).

use axum::extract::{Path, Query};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::context::{Ctx, Refusal};
use super::{commands, devices, events, incidents};
use crate::permission::Deed;
use crate::text::csv_cell;

fn csv(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut out = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        for (place, cell) in cells.enumerate() {
            if place > 0 {
                out.push(',');
            }
            csv_cell(&mut out, cell);
        }
        out.push_str("\r\n");
    };
    line(&mut heads.iter().copied());
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
    out
}

fn file(name: &str, body: String) -> Response {
    let kind = if name.ends_with(".csv") {
        "text/csv; charset=utf-8"
    } else {
        "application/json"
    };
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    (headers, body).into_response()
}

fn json<T: serde::Serialize>(list: &[T]) -> String {
    serde_json::to_string_pretty(list).unwrap_or_default()
}

/// `GET /export/{what}`: `events`, `incidents`, `devices`, `commands` as `.csv` or `.json`.
///
/// # Errors
/// Where there is no such file, or the person may not.
pub async fn export(
    ctx: Ctx,
    Path(what): Path<String>,
    Query(filter): Query<events::Filter>,
) -> Result<Response, Refusal> {
    if !ctx.may_anywhere(Deed::Export) {
        return Err(ctx.refuse(StatusCode::FORBIDDEN, "error-role"));
    }
    let text = |value: &serde_json::Value, field: &str| match &value[field] {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => String::new(),
        other => other.to_string(),
    };
    let body = match what.as_str() {
        "events.json" => {
            let hits = events::search(&ctx, &filter, events::EXPORT).await?;
            let lines: Vec<&str> = hits.iter().map(|hit| hit.line.as_str()).collect();
            format!("[{}]\n", lines.join(",\n"))
        }
        "events.csv" => {
            let hits = events::search(&ctx, &filter, events::EXPORT).await?;
            let heads = [
                "timestamp",
                "event_type",
                "src_ip",
                "src_port",
                "dest_ip",
                "dest_port",
                "proto",
                "app_proto",
                "id",
                "body",
            ];
            let rows = hits.iter().map(|hit| {
                let event: serde_json::Value = serde_json::from_str(&hit.line).unwrap_or_default();
                let kind = text(&event, "event_type");
                heads
                    .iter()
                    .map(|h| {
                        if *h == "body" {
                            text(&event, &kind)
                        } else {
                            text(&event, h)
                        }
                    })
                    .collect()
            });
            csv(&heads, rows)
        }
        "incidents.json" | "incidents.csv" => {
            let filter = incidents::Filter {
                zone: filter.zone.clone(),
                q: filter.q.clone(),
            };
            let (list, _) = incidents::listed(&ctx, &filter);
            if what.ends_with(".json") {
                json(&list)
            } else {
                let heads = [
                    "number", "severity", "change", "title", "services", "zones", "kinds", "first", "last",
                ];
                csv(
                    &heads,
                    list.iter().map(|i| {
                        let severity = i.severity.to_string();
                        let cells: [&str; 4] = [&i.number, &severity, &i.change, &i.title];
                        let lists = [i.services.join("; "), i.zones.join("; "), i.kinds.join("; ")];
                        cells
                            .map(str::to_owned)
                            .into_iter()
                            .chain(lists)
                            .chain([i.first.clone(), i.last.clone()])
                            .collect()
                    }),
                )
            }
        }
        "devices.json" | "devices.csv" => {
            let filter = devices::Filter {
                zone: filter.zone.clone(),
                q: filter.q.clone(),
                ..devices::Filter::default()
            };
            let board = ctx.app().board();
            let list = devices::listed(&ctx, &board, &filter);
            if what.ends_with(".json") {
                json(&list)
            } else {
                let heads = [
                    "name",
                    "mac",
                    "addresses",
                    "zone",
                    "roles",
                    "maker",
                    "hostnames",
                    "first_seen",
                    "last_seen",
                ];
                csv(
                    &heads,
                    list.iter().map(|d| {
                        let addresses: Vec<String> = d.addresses.iter().map(ToString::to_string).collect();
                        let or = |text: &Option<String>| text.clone().unwrap_or_default();
                        vec![
                            d.name.clone(),
                            or(&d.mac),
                            addresses.join(" "),
                            or(&d.zone),
                            d.roles.join(" "),
                            or(&d.maker),
                            d.hostnames.join(" "),
                            d.first_seen.clone(),
                            d.last_seen.clone(),
                        ]
                    }),
                )
            }
        }
        "commands.json" | "commands.csv" => {
            let filter = commands::Filter {
                q: filter.q.clone(),
                ..commands::Filter::default()
            };
            let list = commands::listed(&ctx, &filter);
            if what.ends_with(".json") {
                json(&list)
            } else {
                let heads = [
                    "from",
                    "to",
                    "protocol",
                    "verb",
                    "times",
                    "forbidden",
                    "sample",
                    "last",
                ];
                csv(
                    &heads,
                    list.into_iter().map(|c| {
                        vec![
                            c.from,
                            c.to,
                            c.protocol,
                            c.verb,
                            c.times.to_string(),
                            c.forbidden.to_string(),
                            c.sample,
                            c.last,
                        ]
                    }),
                )
            }
        }
        _ => return Err(ctx.refuse(StatusCode::NOT_FOUND, "error-nowhere")),
    };
    let recorded = ctx.app().record(&ctx.person.name, "export", &what, "").await;
    recorded.map_err(|e| ctx.refuse_with(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    Ok(file(&what, body))
}

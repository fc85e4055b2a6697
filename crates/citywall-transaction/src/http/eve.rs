//! The fields of the `http` event. Authorization is never among them.

use citywall_event::json::Object;

use super::HttpExchange;
use super::field::Field;
use super::uri;

/// Writes the `http` object with Suricata EVE's field names.
pub(super) fn write(exchange: &HttpExchange, o: &mut Object<'_>) {
    o.object("http", |o| {
        let (request, response) = (&exchange.request, &exchange.response);
        if let Some(authority) = exchange.authority() {
            let (host, port) = uri::host_and_port(authority);
            o.bytes("hostname", &uri::lower(host));
            if let Some(port) = port {
                o.u64("http_port", u64::from(port));
            }
        }
        if !request.is_empty() {
            o.bytes("url", &uri::shown(request.target()));
        }
        if let Some(agent) = request.field(Field::UserAgent) {
            o.bytes("http_user_agent", agent);
        }
        if let Some(clients) = request.field(Field::ForwardedFor) {
            o.bytes("xff", clients);
        }
        if let Some(kind) = response.field(Field::ContentType) {
            let end = memchr::memchr(b';', kind).unwrap_or(kind.len());
            o.bytes("http_content_type", kind[..end].trim_ascii_end());
        }
        if let Some(referer) = request.field(Field::Referer) {
            o.bytes("http_refer", &uri::shown(referer));
        }
        if !request.is_empty() {
            o.bytes("http_method", request.method());
        }
        let version = match request.request_version() {
            b"" => response.response_version(),
            version => version,
        };
        if !version.is_empty() {
            o.bytes("protocol", version);
        }
        if let Some(status) = exchange.status() {
            o.u64("status", u64::from(status));
            if let (300..=399, Some(location)) = (status, response.field(Field::Location)) {
                o.bytes("redirect", &uri::shown(location));
            }
        }
        o.u64("length", exchange.response_length);
    });
}

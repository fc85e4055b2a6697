//! Prometheus metrics over HTTP, in the text exposition format (0.0.4), when asked for.
//!
//! A server of the one path, on `tiny_http`; what it shows is a text that the ordered stage
//! renews, so a scrape never waits for the data plane.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::stats::Seen;

/// The server's handle.
pub struct Metrics {
    page: Arc<Mutex<String>>,
    renewed: Option<Instant>,
    address: SocketAddr,
}

impl Metrics {
    /// Serves `/metrics` on this address until the process ends.
    ///
    /// # Errors
    /// Where the address cannot be bound.
    pub fn serve(address: SocketAddr) -> anyhow::Result<Metrics> {
        let server = tiny_http::Server::http(address)
            .map_err(|error| anyhow::anyhow!("metrics: cannot listen on {address}: {error}"))?;
        let address = server.server_addr().to_ip().unwrap_or(address);
        let page = Arc::new(Mutex::new(String::new()));
        let shown = Arc::clone(&page);
        std::thread::Builder::new()
            .name("metrics".into())
            .spawn(move || answer(&server, &shown))?;
        Ok(Metrics {
            page,
            renewed: None,
            address,
        })
    }

    /// Where it really listens (port 0 asks for any).
    #[allow(dead_code)]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Renews the page, at most twice a second.
    pub fn update(
        &mut self,
        seen: &Seen,
        events: &BTreeMap<&'static str, u64>,
        sinks: &BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    ) {
        if self
            .renewed
            .is_some_and(|at| at.elapsed() < Duration::from_millis(500))
        {
            return;
        }
        self.renewed = Some(Instant::now());
        let text = render(seen, events, sinks);
        *self.page.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

fn answer(server: &tiny_http::Server, page: &Mutex<String>) {
    for request in server.incoming_requests() {
        let response = if request.url() == "/metrics" {
            let text = page.lock().unwrap_or_else(PoisonError::into_inner).clone();
            tiny_http::Response::from_string(text)
        } else {
            tiny_http::Response::from_string("see /metrics\n").with_status_code(404)
        };
        let kind = tiny_http::Header::from_bytes("Content-Type", "text/plain; version=0.0.4").ok();
        let response = kind.into_iter().fold(response, tiny_http::Response::with_header);
        // A scraper that went away is its own business.
        let _ = request.respond(response);
    }
}

/// Name, kind and meaning of what the workers count.
type Count = (&'static str, &'static str, &'static str, fn(&Seen) -> u64);

const COUNTS: [Count; 6] = [
    ("packets_total", "counter", "Packets seen.", |s| s.packets),
    ("bytes_total", "counter", "Bytes on the wire.", |s| s.bytes),
    (
        "kernel_drops_total",
        "counter",
        "Packets that the kernel dropped, as the ring was full.",
        |s| s.drops,
    ),
    ("flows_total", "counter", "Conversations begun.", |s| s.flows),
    ("flows_open", "gauge", "Conversations followed now.", |s| {
        s.flows_open
    }),
    (
        "flows_evicted_total",
        "counter",
        "Conversations given up because the table was full.",
        |s| s.flows_evicted,
    ),
];

fn render(
    seen: &Seen,
    events: &BTreeMap<&'static str, u64>,
    sinks: &BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    for (name, kind, help, count) in COUNTS {
        let _ = writeln!(
            text,
            "# HELP citywall_{name} {help}\n# TYPE citywall_{name} {kind}"
        );
        let _ = writeln!(text, "citywall_{name} {}", count(seen));
    }
    text.push_str("# HELP citywall_events_total Events by type.\n# TYPE citywall_events_total counter\n");
    for (kind, count) in events {
        let _ = writeln!(text, "citywall_events_total{{type=\"{kind}\"}} {count}");
    }
    text.push_str("# HELP citywall_messages_total Messages to syslog and webhook by fate.\n");
    text.push_str("# TYPE citywall_messages_total counter\n");
    for (sink, counts) in sinks {
        for (fate, count) in counts {
            let _ = writeln!(
                text,
                "citywall_messages_total{{sink=\"{sink}\",fate=\"{fate}\"}} {count}"
            );
        }
    }
    let usage = super::summary::Usage::now(Instant::now());
    text.push_str("# HELP process_cpu_seconds_total CPU time of the process.\n");
    text.push_str("# TYPE process_cpu_seconds_total counter\n");
    let _ = writeln!(text, "process_cpu_seconds_total {:.3}", usage.cpu);
    text.push_str("# HELP citywall_peak_memory_bytes Peak resident memory.\n");
    text.push_str("# TYPE citywall_peak_memory_bytes gauge\n");
    let _ = writeln!(text, "citywall_peak_memory_bytes {}", usage.peak_memory);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_scrape_gets_the_counts() {
        let mut metrics = Metrics::serve("127.0.0.1:0".parse().unwrap()).unwrap();
        let sinks = BTreeMap::from([("syslog", BTreeMap::from([("sent", 3)]))]);
        let seen = Seen {
            packets: 1_000,
            drops: 2,
            ..Seen::default()
        };
        metrics.update(&seen, &BTreeMap::from([("alert", 7)]), &sinks);
        let page = get(metrics.address(), "/metrics");
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
        assert!(
            page.contains("citywall_events_total{type=\"alert\"} 7\n"),
            "{page}"
        );
        assert!(
            page.contains("citywall_messages_total{sink=\"syslog\",fate=\"sent\"} 3\n"),
            "{page}"
        );
        assert!(page.contains("\ncitywall_packets_total 1000\n"), "{page}");
        assert!(page.contains("\ncitywall_kernel_drops_total 2\n"), "{page}");
        assert!(get(metrics.address(), "/").starts_with("HTTP/1.1 404"));
    }
}

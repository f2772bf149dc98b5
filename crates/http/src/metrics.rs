//! Numbers for the operator, in the Prometheus text format. They say how many
//! and how long, never whose.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::request::Asked;

/// Kinds of requests that are counted apart.
const KINDS: [&str; 6] = ["read", "search", "write", "bundle", "page", "other"];
/// Upper bounds of the duration histogram in microseconds.
const BOUNDS: [u64; 8] = [250, 1_000, 5_000, 20_000, 100_000, 500_000, 2_000_000, 10_000_000];

#[derive(Default)]
struct Kind {
    by_class: [AtomicU64; 6],
    buckets: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

/// Counters of requests.
#[derive(Default)]
pub struct Metrics {
    kinds: [Kind; KINDS.len()],
    busy: AtomicU64,
}

pub(crate) fn kind(asked: &Asked) -> usize {
    if !asked.path.starts_with("/fhir") {
        return if asked.path.starts_with("/health") || asked.path == "/metrics" { 5 } else { 4 };
    }
    let parts = asked.path.trim_matches('/').split('/').count();
    match (asked.method.as_str(), parts) {
        ("GET" | "HEAD", 3 | 5) => 0,
        ("GET" | "HEAD", _) => 1,
        ("POST", 1) => 3,
        ("POST", _) if asked.path.ends_with("_search") => 1,
        _ => 2,
    }
}

impl Metrics {
    pub(crate) fn answered(&self, kind: usize, status: u16, took: Duration) {
        let kind = &self.kinds[kind];
        kind.by_class[usize::from(status / 100).min(5)].fetch_add(1, Ordering::Relaxed);
        let microseconds = took.as_micros() as u64;
        let bucket = BOUNDS.partition_point(|bound| *bound < microseconds);
        kind.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        kind.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    pub(crate) fn refused_busy(&self) {
        self.busy.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn show(&self) -> String {
        let mut out = String::from("# TYPE tongmai_requests_total counter\n");
        for (name, kind) in KINDS.iter().zip(&self.kinds) {
            for (class, count) in kind.by_class.iter().enumerate() {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let _ = writeln!(
                        out,
                        "tongmai_requests_total{{kind=\"{name}\",class=\"{class}xx\"}} {count}"
                    );
                }
            }
        }
        out.push_str("# TYPE tongmai_request_seconds histogram\n");
        for (name, kind) in KINDS.iter().zip(&self.kinds) {
            let mut total = 0;
            for (index, bucket) in kind.buckets.iter().enumerate() {
                total += bucket.load(Ordering::Relaxed);
                let bound =
                    BOUNDS.get(index).map_or("+Inf".to_owned(), |bound| format!("{}", *bound as f64 / 1e6));
                let _ =
                    writeln!(out, "tongmai_request_seconds_bucket{{kind=\"{name}\",le=\"{bound}\"}} {total}");
            }
            let seconds = kind.microseconds.load(Ordering::Relaxed) as f64 / 1e6;
            let _ = writeln!(out, "tongmai_request_seconds_sum{{kind=\"{name}\"}} {seconds}");
            let _ = writeln!(out, "tongmai_request_seconds_count{{kind=\"{name}\"}} {total}");
        }
        let busy = self.busy.load(Ordering::Relaxed);
        let _ = writeln!(
            out,
            "# TYPE tongmai_requests_refused_total counter\ntongmai_requests_refused_total {busy}"
        );
        out
    }
}

//! Logs and metrics of the process.
//!
//! Logs go to stderr; output of commands goes to stdout, and is not a log. Metrics are Prometheus
//! text, rendered on request. Nothing that came from an item may reach either.

use std::any::Any;
use std::panic::{self, PanicHookInfo};
use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

/// Upper bounds of the buckets of every duration, seconds.
const DURATION_BUCKETS_S: [f64; 11] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why telemetry cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The filter makes no sense.
    #[error("log filter {filter:?} makes no sense")]
    Filter {
        /// The filter.
        filter: String,
        /// Why not.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The process logs already.
    #[error("logging has been set up before")]
    LoggingTwice,
    /// Another recorder collects the process's metrics.
    #[error("another recorder collects the metrics")]
    MetricsTwice,
}

/// Starts logging to stderr. `filter` is `info`, or `info,insitu_agent::uplink=debug`, and so on.
///
/// Panics are logged from here on, too: with their place, but with their message only where it is a
/// constant of the program. A formatted message may quote an item.
///
/// # Errors
/// [`TelemetryError::Filter`]; [`TelemetryError::LoggingTwice`] on the second call.
pub fn init(format: LogFormat, filter: &str) -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder()
        .parse(filter)
        .map_err(|source| TelemetryError::Filter { filter: filter.to_owned(), source })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    }
    .map_err(|_| TelemetryError::LoggingTwice)?;
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn log_panic(info: &PanicHookInfo<'_>) {
    let (file, line) = info.location().map_or(("", 0), |place| (place.file(), place.line()));
    tracing::error!(file, line, "panicked: {}", harmless_message(info.payload()));
}

/// What `panic!` was given: a literal arrives as a `&'static str`, formatted text as a `String`.
fn harmless_message(payload: &dyn Any) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("(message withheld)")
}

/// The process's metrics, for `/metrics`. Clones are cheap and show the same metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    handle: PrometheusHandle,
}

/// An error with its causes, on one line: for logs, notes and answers.
pub fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Collects the process's metrics from here on; later calls give the same collection.
///
/// # Errors
/// [`TelemetryError::MetricsTwice`] when a recorder that is not ours was installed before.
pub fn metrics() -> Result<Metrics, TelemetryError> {
    static METRICS: OnceLock<Option<Metrics>> = OnceLock::new();
    METRICS
        .get_or_init(|| {
            let builder = PrometheusBuilder::new().set_buckets(&DURATION_BUCKETS_S).ok()?;
            let handle = builder.install_recorder().ok()?;
            Some(Metrics { handle })
        })
        .clone()
        .ok_or(TelemetryError::MetricsTwice)
}

impl Metrics {
    /// All metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Adds the samples of histograms to their buckets. Until then each of them is kept, 16 bytes.
    pub fn fold(&self) {
        self.handle.run_upkeep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_rendered_once_set() {
        let first = metrics().unwrap();
        metrics::counter!("insitu_telemetry_test_total", "kind" => "probe").increment(3);
        metrics::histogram!("insitu_telemetry_test_seconds").record(0.003);
        let text = metrics().unwrap().render();
        assert!(text.contains("insitu_telemetry_test_total{kind=\"probe\"} 3"), "{text}");
        assert!(text.contains("insitu_telemetry_test_seconds_bucket{le=\"0.005\"} 1"), "{text}");
        assert!(first.render().contains("insitu_telemetry_test_total"));
    }

    #[test]
    fn a_panic_s_message_is_logged_only_when_it_quotes_nothing() {
        let payload = |cause: fn()| panic::catch_unwind(cause).unwrap_err();
        assert_eq!(harmless_message(&*payload(|| panic!("no such state"))), "no such state");
        let quoting = payload(|| panic!("no such state: {}", std::env::args().count()));
        assert_eq!(harmless_message(&*quoting), "(message withheld)");
    }

    #[test]
    fn a_filter_is_checked() {
        assert!(matches!(init(LogFormat::Text, "a=b=c"), Err(TelemetryError::Filter { .. })));
    }
}

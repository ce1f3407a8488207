//! What the library measures, as Prometheus asks for it. An application that measures already adds
//! nothing: the library tells whatever recorder of the crate `metrics` is installed.

use std::{fmt, sync::OnceLock, thread, time::Duration};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// From a lookup beside the database to a store that is silent.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const TOGETHER: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
/// Histograms keep each value until they are put into their buckets: also where nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// The answer of `/metrics`: the text format of Prometheus.
#[derive(Clone, Debug)]
pub struct Metrics(String);

impl Metrics {
    /// The `Content-Type` of that text.
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// What was measured until now in this process.
    pub(crate) fn now() -> Self {
        Self(recorder().render())
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The recorder of this process. There is one for all, as for a logger: it is installed at the first
/// call, which comes before the sessions are built, so that it hears the descriptions.
pub(crate) fn recorder() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let builder = with_buckets().unwrap_or_else(|error| {
            tracing::error!(%error, "no buckets: quantiles instead");
            PrometheusBuilder::new()
        });
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another recorder is installed: `/metrics` stays empty");
        }
        let kept = handle.clone();
        let upkeep = move || {
            loop {
                thread::sleep(UPKEEP);
                kept.run_upkeep();
            }
        };
        if let Err(error) = thread::Builder::new().name("metrics".into()).spawn(upkeep) {
            tracing::warn!(%error, "only scrapes keep the histograms small");
        }
        handle
    })
}

/// Buckets, which can be summed over nodes, in place of quantiles, which cannot.
fn with_buckets() -> Result<PrometheusBuilder, BuildError> {
    let of = |suffix: &str| Matcher::Suffix(suffix.into());
    PrometheusBuilder::new()
        .set_buckets_for_metric(of("_seconds"), &SECONDS)?
        .set_buckets_for_metric(of("_size"), &TOGETHER)
}

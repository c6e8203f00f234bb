//! Metrics and logs. A leaf room: it knows names and numbers, nothing of what they mean.
//!
//! The first two metrics carry the Argo CD controller's names and labels, so that dashboards keep working.

use prometheus::{
    Encoder as _, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

/// Every metric of the relay.
pub struct Metrics {
    registry: Registry,
    /// `argocd_notifications_deliveries_total{trigger,service,succeeded}`
    pub deliveries: IntCounterVec,
    /// `argocd_notifications_trigger_eval_total{name,triggered}`
    pub trigger_evaluations: IntCounterVec,
    /// `gatepost_decisions_total{reason}`
    pub decisions: IntCounterVec,
    /// `gatepost_attempts_total{service,outcome}`
    pub attempts: IntCounterVec,
    /// `gatepost_change_to_delivered_seconds`
    pub change_to_delivered: Histogram,
    /// `gatepost_queue_depth{state}`
    pub queue: IntGaugeVec,
    /// `gatepost_queue_oldest_seconds`
    pub oldest: IntGauge,
    /// `gatepost_breaker_state{service,host}`: 0 closed, 1 half-open, 2 open
    pub breaker: IntGaugeVec,
    /// `gatepost_config_broken_keys`
    pub config_broken: IntGauge,
    /// `gatepost_config_loads_total`
    pub config_loads: IntCounter,
    /// `gatepost_store{what}`: healthy, durable
    pub store: IntGaugeVec,
    /// `gatepost_reached_nobody_total{service}`
    pub reached_nobody: IntCounterVec,
    /// `gatepost_json_repairs_total{service}`
    pub json_repairs: IntCounterVec,
    /// `gatepost_annotation_patches_total{outcome}`
    pub annotation_patches: IntCounterVec,
    /// `gatepost_watch_events_total{kind}`
    pub watch_events: IntCounterVec,
}

impl Metrics {
    /// Registers every metric in a registry of its own.
    ///
    /// # Errors
    /// Two metrics of one name: a programming error that any test finds.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
            let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| -> Result<IntGaugeVec, prometheus::Error> {
            let metric = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let metric = IntGauge::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let buckets =
            vec![0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0];
        let options =
            HistogramOpts::new("gatepost_change_to_delivered_seconds", "Time from a decision to its delivery.");
        let change_to_delivered = Histogram::with_opts(options.buckets(buckets))?;
        registry.register(Box::new(change_to_delivered.clone()))?;
        let config_loads = IntCounter::new("gatepost_config_loads_total", "Times the configuration was loaded.")?;
        registry.register(Box::new(config_loads.clone()))?;
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(Self {
            deliveries: counters(
                "argocd_notifications_deliveries_total",
                "Number of delivered notifications.",
                &["trigger", "service", "succeeded"],
            )?,
            trigger_evaluations: counters(
                "argocd_notifications_trigger_eval_total",
                "Number of trigger evaluations.",
                &["name", "triggered"],
            )?,
            decisions: counters("gatepost_decisions_total", "Decisions by reason.", &["reason"])?,
            attempts: counters("gatepost_attempts_total", "Delivery attempts by outcome.", &["service", "outcome"])?,
            queue: gauges("gatepost_queue_depth", "Deliveries by state.", &["state"])?,
            oldest: gauge("gatepost_queue_oldest_seconds", "Age of the oldest delivery that is still open.")?,
            breaker: gauges("gatepost_breaker_state", "Breaker: 0 closed, 1 half-open, 2 open.", &["service", "host"])?,
            config_broken: gauge("gatepost_config_broken_keys", "Keys of the configuration that are broken now.")?,
            store: gauges("gatepost_store", "State of the store: healthy, durable (1 yes, 0 no).", &["what"])?,
            reached_nobody: counters("gatepost_reached_nobody_total", "Deliveries that reached nobody.", &["service"])?,
            json_repairs: counters(
                "gatepost_json_repairs_total",
                "Values escaped so that a JSON body stays valid.",
                &["service"],
            )?,
            annotation_patches: counters(
                "gatepost_annotation_patches_total",
                "Patches of the notified annotation.",
                &["outcome"],
            )?,
            watch_events: counters("gatepost_watch_events_total", "Events seen at the source.", &["kind"])?,
            change_to_delivered,
            config_loads,
            registry,
        })
    }

    /// All metrics in Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut out) {
            tracing::error!(error = %error, "failed to write the metrics");
        }
        out
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Starts logging to standard error at a level such as `info` or `gatepost=debug,kube=warn`.
pub fn start_logging(level: &str, format: LogFormat) {
    let filter =
        tracing_subscriber::EnvFilter::try_new(level).unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}

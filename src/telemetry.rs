//! Metrics and logs. A leaf room: it knows names and numbers, nothing of what they mean.
//!
//! The first two metrics carry the Argo CD controller's names and labels, so that dashboards keep working.

mod logging;

pub use logging::{
    FilterError, LogFilter, LogFormat, fall_back, log_filter, mask_log_lines, set_log_filter, start_logging,
};

use prometheus::{
    Encoder as _, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

/// Upper ends of histogram buckets, seconds.
const LAG_BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0, 300.0];
const AGE_BUCKETS: [f64; 8] = [1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0];
const WAITING_BUCKETS: [f64; 10] = [1.0, 5.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 21600.0, 43200.0, 86400.0];
const DELIVERY_BUCKETS: [f64; 16] =
    [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0];

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
    /// `gatepost_destination_disabled{namespace,service,host}`: 1 while it is switched off
    pub disabled: IntGaugeVec,
    /// `gatepost_hooks_total{outcome}`: accepted, unproven, tooLarge, tooOften, later
    pub hooks: IntCounterVec,
    /// `gatepost_config_broken_keys`
    pub config_broken: IntGauge,
    /// `gatepost_config_loads_total`
    pub config_loads: IntCounter,
    /// `gatepost_store{what}`: healthy, durable
    pub store: IntGaugeVec,
    /// `gatepost_reached_nobody_total{service}`
    pub reached_nobody: IntCounterVec,
    /// `gatepost_pressure_total{what}`
    pub held: IntCounterVec,
    /// `gatepost_json_repairs_total{service}`
    pub json_repairs: IntCounterVec,
    /// `gatepost_annotation_patches_total{outcome}`
    pub annotation_patches: IntCounterVec,
    /// `gatepost_watch_events_total{kind}`
    pub watch_events: IntCounterVec,
    /// `gatepost_watch_connected{kind}`: 1 while the last thing heard of a watch was no error
    pub watch_connected: IntGaugeVec,
    /// `gatepost_watch_last_event_timestamp_seconds{kind}`: its age is `time()` minus it
    pub watch_last_event: IntGaugeVec,
    /// `gatepost_departures_total{result}`: decided, forgotten
    pub departures: IntCounterVec,
    /// `gatepost_annotations_lost`: Applications held because too many lost theirs at once
    pub annotations_lost: IntGauge,
    /// `gatepost_looks_total{result}`: evaluated, unchanged
    pub looks: IntCounterVec,
    /// `gatepost_clock_checks_total{result}`: due, unchanged
    pub clock_checks: IntCounterVec,
    /// `gatepost_decision_lag_seconds`: from the receipt of a change to its durable decision
    pub decision_lag: Histogram,
    /// `gatepost_change_age_seconds`: from a change by the API server's clock to its decision; whole seconds
    pub change_age: Histogram,
    /// `gatepost_approval_runs_total{phase}`: runs by what they ended as
    pub approval_runs: IntCounterVec,
    /// `gatepost_approval_open_runs`
    pub approval_open: IntGauge,
    /// `gatepost_approval_oldest_seconds`
    pub approval_oldest: IntGauge,
    /// `gatepost_approval_decided_seconds`: from the opening of a run to its end
    pub approval_decided: Histogram,
    /// `gatepost_callbacks_total{status}`: answers of the callback endpoint
    pub callbacks: IntCounterVec,
    /// `gatepost_spans_total{result}`: sent, lost (no collector took them), dropped (too many waited)
    pub spans: IntCounterVec,
    /// `gatepost_relist_applications{what}`: seen and remaining in the running or last list of all Applications
    pub relist: IntGaugeVec,
    /// Those of gates.
    pub gates: GateMetrics,
}

/// Metrics of gates. The first two carry the GitOps Promoter's names and labels.
pub struct GateMetrics {
    /// `webrequest_commit_status_http_requests_total{namespace,name,response_code}`
    pub requests: IntCounterVec,
    /// `webrequest_commit_status_http_request_duration_seconds{namespace,name,response_code}`
    pub request_seconds: HistogramVec,
    /// `gatepost_gate_request_failures_total{namespace,name,reason}`: requests without an answer
    pub request_failures: IntCounterVec,
    /// `gatepost_gate_phase{namespace,name,branch,phase}`: 1 for the present one
    pub phases: IntGaugeVec,
    /// `gatepost_gate_looks_total{result}`
    pub looks: IntCounterVec,
    /// `gatepost_gate_writes_total{what}`: commitStatus, status, nothing (a CommitStatus that was as it should be)
    pub writes: IntCounterVec,
    /// `gatepost_gates`
    pub count: IntGauge,
}

impl GateMetrics {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
            let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let request_seconds = HistogramVec::new(
            HistogramOpts::new(
                "webrequest_commit_status_http_request_duration_seconds",
                "Duration of answered requests of gates.",
            ),
            &["namespace", "name", "response_code"],
        )?;
        registry.register(Box::new(request_seconds.clone()))?;
        let phases = IntGaugeVec::new(
            Opts::new("gatepost_gate_phase", "Phase that a gate reports for a branch (1 for the present one)."),
            &["namespace", "name", "branch", "phase"],
        )?;
        registry.register(Box::new(phases.clone()))?;
        let count = IntGauge::new("gatepost_gates", "Gates that are handled.")?;
        registry.register(Box::new(count.clone()))?;
        Ok(Self {
            requests: counters(
                "webrequest_commit_status_http_requests_total",
                "Answered requests of gates.",
                &["namespace", "name", "response_code"],
            )?,
            request_failures: counters(
                "gatepost_gate_request_failures_total",
                "Requests of gates without an answer: refused, transport, body, request, authentication.",
                &["namespace", "name", "reason"],
            )?,
            looks: counters("gatepost_gate_looks_total", "Looks at gates by result: done, trouble.", &["result"])?,
            writes: counters(
                "gatepost_gate_writes_total",
                "Writes for gates: commitStatus, status, or nothing where a CommitStatus was as it should be.",
                &["what"],
            )?,
            request_seconds,
            phases,
            count,
        })
    }
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
        let histogram = |name: &str, help: &str, buckets: &[f64]| -> Result<Histogram, prometheus::Error> {
            let metric = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
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
            hooks: counters("gatepost_hooks_total", "Requests to wake a gate, by outcome.", &["outcome"])?,
            queue: gauges("gatepost_queue_depth", "Deliveries by state.", &["state"])?,
            oldest: gauge("gatepost_queue_oldest_seconds", "Age of the oldest delivery that is still open.")?,
            breaker: gauges("gatepost_breaker_state", "Breaker: 0 closed, 1 half-open, 2 open.", &["service", "host"])?,
            disabled: gauges(
                "gatepost_destination_disabled",
                "Destinations that are switched off, by a person or by their receiver (410).",
                &["namespace", "service", "host"],
            )?,
            config_broken: gauge("gatepost_config_broken_keys", "Keys of the configuration that are broken now.")?,
            store: gauges("gatepost_store", "State of the store: healthy, durable (1 yes, 0 no).", &["what"])?,
            reached_nobody: counters("gatepost_reached_nobody_total", "Deliveries that reached nobody.", &["service"])?,
            held: counters(
                "gatepost_pressure_total",
                "Notifications beyond 60 an hour for one recipient (Flood) and beyond a tenant's quota of decisions (Quota) or open deliveries (Pending); a tenant's are held back.",
                &["what"],
            )?,
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
            watch_connected: gauges(
                "gatepost_watch_connected",
                "Whether a watch is connected (1 yes, 0 it failed and is tried again).",
                &["kind"],
            )?,
            watch_last_event: gauges(
                "gatepost_watch_last_event_timestamp_seconds",
                "When a watch last brought something, Unix seconds.",
                &["kind"],
            )?,
            departures: counters(
                "gatepost_departures_total",
                "Applications that are gone: decided where somebody asked to be told, else forgotten.",
                &["result"],
            )?,
            annotations_lost: gauge(
                "gatepost_annotations_lost",
                "Applications held because more than a tenth lost keys of their notified annotation at once.",
            )?,
            looks: counters(
                "gatepost_looks_total",
                "Events of Applications by what they took: evaluated, or unchanged in all that triggers read.",
                &["result"],
            )?,
            clock_checks: counters(
                "gatepost_clock_checks_total",
                "Checks of conditions that read the clock.",
                &["result"],
            )?,
            decision_lag: histogram(
                "gatepost_decision_lag_seconds",
                "Time from the receipt of a change to its durable decision.",
                &LAG_BUCKETS,
            )?,
            change_age: histogram(
                "gatepost_change_age_seconds",
                "Age of a change by the API server's clock (whole seconds) when it was decided.",
                &AGE_BUCKETS,
            )?,
            approval_runs: counters(
                "gatepost_approval_runs_total",
                "Runs of approvals by what they ended as.",
                &["phase"],
            )?,
            approval_open: gauge("gatepost_approval_open_runs", "Runs of approvals that are not decided.")?,
            approval_oldest: gauge("gatepost_approval_oldest_seconds", "Age of the oldest run that is not decided.")?,
            approval_decided: histogram(
                "gatepost_approval_decided_seconds",
                "Time from the opening of a run to its end.",
                &WAITING_BUCKETS,
            )?,
            callbacks: counters(
                "gatepost_callbacks_total",
                "Answers of the callback endpoint by status.",
                &["status"],
            )?,
            spans: counters(
                "gatepost_spans_total",
                "Spans by what became of them: sent, lost (no collector took them), dropped (too many waited).",
                &["result"],
            )?,
            relist: gauges(
                "gatepost_relist_applications",
                "Applications seen and remaining in the running or last list of all.",
                &["what"],
            )?,
            change_to_delivered: histogram(
                "gatepost_change_to_delivered_seconds",
                "Time from a decision to its delivery.",
                &DELIVERY_BUCKETS,
            )?,
            config_loads,
            gates: GateMetrics::new(&registry)?,
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

//! From settings, and the variables that OpenTelemetry names, to a tracer and its way to the collector.
//!
//! The collector is the operator's own, as PostgreSQL is: it is asked through a door of its own that opens to nobody else. Whatever is wrong
//! with the variables only keeps spans from being sent; what is wrong with the settings is told at the start.

use crate::egress::{Egress, Error, Policy, Redirects, Request, Rule, TlsOptions, Transport};
use crate::settings;
use crate::telemetry::Metrics;
use crate::trace::{Collector, Refusal, Sampling, Tracer};
use anyhow::{Context as _, bail};
use async_trait::async_trait;
use bytes::Bytes;
use secrecy::{ExposeSecret as _, SecretString};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use url::Url;

/// Path of OTLP below the collector's base URL.
const PATH: &str = "v1/traces";
/// The one protocol that is spoken.
const PROTOCOL: &str = "http/protobuf";
/// How long the end of the process waits for the last spans.
const PATIENCE: Duration = Duration::from_secs(3);

/// Reads a variable of the environment; empty ones are as good as none.
type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What the environment says.
pub(super) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where spans go.
#[derive(Debug, Clone)]
struct Target {
    url: Url,
    headers: Vec<(String, SecretString)>,
    ca_file: String,
}

/// Tracing as long as the process runs.
pub(super) struct Tracing {
    /// Where spans are told.
    pub tracer: Tracer,
    exporting: Option<tokio::task::JoinHandle<()>>,
    stop: CancellationToken,
}

impl Tracing {
    /// Sends what waits.
    pub(super) async fn end(self) {
        self.stop.cancel();
        if let Some(exporting) = self.exporting {
            drop(tokio::time::timeout(PATIENCE, exporting).await);
        }
    }
}

/// Starts it, if there is a collector. `instance` tells processes apart.
pub(super) fn start(
    settings: &settings::Tracing,
    instance: &str,
    metrics: &Metrics,
    variables: Variables<'_>,
) -> anyhow::Result<Tracing> {
    let stop = CancellationToken::new();
    let collector = match target(settings, variables).and_then(|target| target.map(Otlp::new).transpose()) {
        Ok(collector) => collector,
        // Nobody wrote that for Gatepost alone: it must not keep notifications from being sent.
        Err(error) if settings.endpoint.is_empty() => {
            tracing::warn!(error = format!("{error:#}"), "no traces are sent");
            None
        }
        Err(error) => return Err(error),
    };
    let Some(collector) = collector else {
        return Ok(Tracing { tracer: Tracer::default(), exporting: None, stop });
    };
    let shown = crate::egress::redact::target(&collector.url);
    tracing::info!(collector = shown, sampling = settings.sampling, "traces are sent");
    let sampling = Sampling::of(settings.sampling);
    let (tracer, exporter) = Tracer::new(sampling, settings.propagate, metrics.spans.clone());
    let running = exporter.run(collector, resource(instance, variables), stop.clone());
    Ok(Tracing { tracer, exporting: Some(tokio::spawn(running)), stop })
}

/// Where spans go; `None` where nobody says so.
fn target(settings: &settings::Tracing, variables: Variables<'_>) -> anyhow::Result<Option<Target>> {
    if variables("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    if !settings.endpoint.is_empty() {
        let url = based(&settings.endpoint).with_context(|| format!("tracing.endpoint = {:?}", settings.endpoint))?;
        let headers = headers(settings.headers.expose_secret()).context("tracing.headers")?;
        return Ok(Some(Target { url, headers, ca_file: settings.ca_file.clone() }));
    }
    of_variables(settings, variables)
}

/// What the standard variables say; those for traces alone go first.
fn of_variables(settings: &settings::Tracing, variables: Variables<'_>) -> anyhow::Result<Option<Target>> {
    if variables("OTEL_TRACES_EXPORTER").is_some_and(|exporter| exporter != "otlp") {
        return Ok(None);
    }
    let of = |what: &str| {
        let own = format!("OTEL_EXPORTER_OTLP_TRACES_{what}");
        variables(&own).or_else(|| variables(&format!("OTEL_EXPORTER_OTLP_{what}")))
    };
    let url = match (variables("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), variables("OTEL_EXPORTER_OTLP_ENDPOINT")) {
        (Some(whole), _) => http(&whole).context("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")?,
        (None, Some(base)) => below(&http(&base).context("OTEL_EXPORTER_OTLP_ENDPOINT")?),
        (None, None) => return Ok(None),
    };
    if let Some(other) = of("PROTOCOL").filter(|protocol| protocol != PROTOCOL) {
        bail!(
            "OTEL_EXPORTER_OTLP_PROTOCOL is {other}, and only {PROTOCOL} is spoken: name the collector's port for it (4318) in tracing.endpoint"
        );
    }
    let own = settings.headers.expose_secret().to_owned();
    let given = if own.is_empty() { of("HEADERS").unwrap_or_default() } else { own };
    let headers = headers(&given).context("OTEL_EXPORTER_OTLP_HEADERS")?;
    let ca_file = if settings.ca_file.is_empty() { of("CERTIFICATE") } else { None };
    Ok(Some(Target { url, headers, ca_file: ca_file.unwrap_or_else(|| settings.ca_file.clone()) }))
}

/// A URL without path is the collector's base.
fn based(text: &str) -> anyhow::Result<Url> {
    let url = http(text)?;
    Ok(if matches!(url.path(), "" | "/") { below(&url) } else { url })
}

fn http(text: &str) -> anyhow::Result<Url> {
    let url = Url::parse(text).context("this is no URL such as http://collector:4318")?;
    match (url.scheme(), url.host_str()) {
        ("http" | "https", Some(_)) => Ok(url),
        _ => bail!("only http:// and https:// are spoken, such as http://collector:4318"),
    }
}

fn below(base: &Url) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{PATH}", base.path().trim_end_matches('/')));
    url
}

/// `name=value`, parted by commas; values may be percent-encoded.
fn headers(text: &str) -> anyhow::Result<Vec<(String, SecretString)>> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let read = |part: &str| {
        let (name, value) = part.split_once('=').context("a header is name=value, several are parted by commas")?;
        let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8_lossy().into_owned();
        Ok((name.trim().to_owned(), SecretString::from(value)))
    };
    parts.map(read).collect()
}

/// Values of headers, which may be credentials.
pub(super) fn secrets(settings: &settings::Tracing, variables: Variables<'_>) -> Vec<String> {
    let found = target(settings, variables).ok().flatten().map(|target| target.headers).unwrap_or_default();
    found.into_iter().map(|(_, value)| value.expose_secret().to_owned()).collect()
}

/// Who tells: what the variables say, over what is known anyway.
fn resource(instance: &str, variables: Variables<'_>) -> Vec<(String, String)> {
    let mut all = std::collections::BTreeMap::from([
        ("service.name".to_owned(), "gatepost".to_owned()),
        ("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id".to_owned(), instance.to_owned()),
        ("telemetry.sdk.name".to_owned(), "gatepost".to_owned()),
        ("telemetry.sdk.language".to_owned(), "rust".to_owned()),
        ("telemetry.sdk.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
    ]);
    let named = variables("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    for (key, value) in named.split(',').filter_map(|part| part.split_once('=')) {
        let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8_lossy().into_owned();
        all.insert(key.trim().to_owned(), value);
    }
    if let Some(name) = variables("OTEL_SERVICE_NAME") {
        all.insert("service.name".to_owned(), name);
    }
    all.into_iter().collect()
}

/// A collector that speaks OTLP over HTTP.
struct Otlp {
    door: Egress,
    url: String,
    headers: Vec<(String, SecretString)>,
    transport: Transport,
}

impl Otlp {
    fn new(target: Target) -> anyhow::Result<Self> {
        let Target { url, headers, ca_file } = target;
        let place = format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(80));
        let rule = Rule::parse(&place).map_err(anyhow::Error::msg).context("the collector of traces")?;
        let door = Egress::new(Policy { allow: vec![rule], loopback_allowed: true, ..Policy::default() });
        let mut tls = TlsOptions::default();
        if !ca_file.is_empty() {
            tls.roots_pem =
                std::fs::read(&ca_file).with_context(|| format!("failed to read tracing.caFile {ca_file}"))?;
            tls.check().with_context(|| format!("failed to use tracing.caFile {ca_file}"))?;
        }
        let transport = Transport {
            owner: "tracing".into(),
            tls,
            connect_timeout: Duration::from_secs(3),
            answer_timeout: Duration::from_secs(10),
            redirects: Redirects::SameOrigin(Vec::new()),
            ..Transport::default()
        };
        Ok(Self { door, url: url.into(), headers, transport })
    }
}

#[async_trait]
impl Collector for Otlp {
    async fn take(&self, request: Bytes) -> Result<Bytes, Refusal> {
        let own = self.headers.iter().map(|(name, value)| (name.clone(), value.expose_secret().as_bytes().to_vec()));
        let content = ("Content-Type".to_owned(), b"application/x-protobuf".to_vec());
        let request = Request {
            method: "POST".into(),
            url: self.url.clone(),
            headers: own.chain([content]).collect(),
            body: request,
            transport: self.transport.clone(),
        };
        match self.door.send(&request).await {
            Ok(answer) if answer.status < 300 => Ok(answer.body),
            Ok(answer) => Err(refusal(answer.status)),
            Err(error @ (Error::Refused { .. } | Error::Invalid(_) | Error::Redirect { .. })) => {
                Err(Refusal::Never(error.to_string()))
            }
            Err(error) => Err(Refusal::Later(error.to_string())),
        }
    }
}

/// What may be sent again is the protocol's own list.
fn refusal(status: u16) -> Refusal {
    let cause = format!("it answers {status}");
    match status {
        429 | 502 | 503 | 504 => Refusal::Later(cause),
        _ => Refusal::Never(cause),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn settings(endpoint: &str, headers: &str) -> settings::Tracing {
        settings::Tracing {
            endpoint: endpoint.into(),
            headers: headers.to_owned().into(),
            ca_file: String::new(),
            sampling: 1.0,
            propagate: false,
        }
    }

    fn url(settings: &settings::Tracing, variables: &[(&str, &str)]) -> Option<String> {
        let read =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        target(settings, &read).unwrap_or_default().map(|target| target.url.into())
    }

    #[test]
    fn a_base_gets_the_path_of_the_protocol_and_a_whole_url_stays() {
        for (given, used) in [
            ("http://c:4318", "http://c:4318/v1/traces"),
            ("https://c.example/", "https://c.example/v1/traces"),
            ("http://c:4318/otlp/traces", "http://c:4318/otlp/traces"),
        ] {
            assert_eq!(url(&settings(given, ""), &[]).as_deref(), Some(used));
        }
        for wrong in ["c:4318", "grpc://c:4317", "x"] {
            let error = target(&settings(wrong, ""), &|_| None).unwrap_err();
            assert!(format!("{error:#}").contains("http://collector:4318"), "{error:#}");
        }
    }

    #[test]
    fn the_standard_variables_name_a_collector_and_settings_go_first() {
        let (nothing, base) = (settings("", ""), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://env:4318/base/"));
        assert_eq!(url(&nothing, &[]), None);
        assert_eq!(url(&nothing, &[base]).as_deref(), Some("http://env:4318/base/v1/traces"));
        let whole = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://env:4318/x");
        assert_eq!(url(&nothing, &[base, whole]).as_deref(), Some("http://env:4318/x"));
        assert_eq!(url(&settings("http://s", ""), &[base]).as_deref(), Some("http://s/v1/traces"));
        for off in [("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert_eq!(url(&nothing, &[base, off]), None, "{off:?}");
        }
        assert_eq!(
            url(&nothing, &[base, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]),
            None,
            "it is told, and harms nothing"
        );
        assert_eq!(url(&nothing, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "c:4317")]), None, "the same");
    }

    #[test]
    fn headers_are_read_as_the_standard_writes_them_and_are_secret() {
        let found = headers("api-key = a%20b ,x=y=z,").unwrap();
        let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
        assert_eq!(found, [("api-key", "a b"), ("x", "y=z")]);
        assert!(headers("nothing").is_err());
        let of = settings("http://c", "authorization=Bearer canary");
        assert_eq!(secrets(&of, &|_| None), ["Bearer canary"]);
        assert!(!format!("{:?}", target(&of, &|_| None)).contains("canary"));
    }

    #[test]
    fn who_tells_is_named_by_the_variables_over_what_is_known() {
        let variables = |name: &str| match name {
            "OTEL_RESOURCE_ATTRIBUTES" => Some("service.name=a,deployment.environment.name=prod%201".to_owned()),
            "OTEL_SERVICE_NAME" => Some("b".to_owned()),
            _ => None,
        };
        let found = resource("i", &variables);
        let of = |key: &str| found.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        assert_eq!(of("service.name"), Some("b"));
        assert_eq!(of("deployment.environment.name"), Some("prod 1"));
        assert_eq!(of("service.instance.id"), Some("i"));
    }

    #[test]
    fn only_overload_is_a_reason_to_send_again() {
        assert!(matches!(refusal(503), Refusal::Later(_)));
        assert!(matches!(refusal(400), Refusal::Never(_)));
        assert!(matches!(refusal(500), Refusal::Never(_)));
    }
}

//! A `WebRequestCommitStatus` as typed values: who it is, what it asks for, what was stored of it.
//!
//! Decides defaults and how durations are read (as Go reads them). What the API server's schema refuses is refused here
//! too where the pure part could not go on; nothing is compiled or rendered.

use super::status::Status;
use gatepost_value::time::parse_duration;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::time::Duration;

/// Timeout of a request that names none, or 0.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// Time between requests, or looks, of a mode that names none.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);

/// A `WebRequestCommitStatus` object.
#[derive(Debug, Clone)]
pub struct Gate {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`; empty outside a cluster.
    pub namespace: String,
    /// `metadata.uid`; empty outside a cluster.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// What it asks for.
    pub spec: Spec,
    /// What is stored of it.
    pub status: Status,
    /// The whole object, as expressions and templates see it.
    pub object: Json,
}

/// What a gate asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Name of the PromotionStrategy, in the gate's namespace.
    pub strategy: String,
    /// The key that strategies name the gate by.
    pub key: String,
    /// Template of the CommitStatus's description; empty where there is none.
    pub description: String,
    /// Template of the CommitStatus's URL; empty where there is none.
    pub url: String,
    /// Which commit is judged.
    pub report_on: ReportOn,
    /// The request.
    pub request: RequestSpec,
    /// What an answer means.
    pub success: When,
    /// When to ask.
    pub mode: Mode,
    /// For what to ask.
    pub context: Context,
}

/// Which commit of an environment a gate judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportOn {
    /// The one to be promoted.
    Proposed,
    /// The one that is deployed.
    Active,
}

/// How many requests a look makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// One for each applicable environment.
    Environments,
    /// One for the whole strategy.
    PromotionStrategy,
}

/// When a gate asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// At an interval; zero means at every look, and no timer.
    Polling {
        /// Time between requests.
        interval: Duration,
    },
    /// When an expression says so.
    Trigger {
        /// Time between looks; zero means no timer.
        requeue: Duration,
        /// Whether to ask.
        when: When,
        /// Expression of what is kept of an answer.
        response_output: Option<String>,
    },
}

impl Mode {
    /// Time between looks, `None` for no timer.
    #[must_use]
    pub fn every(&self) -> Option<Duration> {
        let (Self::Polling { interval: every } | Self::Trigger { requeue: every, .. }) = self;
        Some(*every).filter(|every| !every.is_zero())
    }
}

/// Expressions that belong together: variables, then the expression, then what is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct When {
    /// Gives `Variables`; unset where it is blank.
    pub variables: Option<String>,
    /// The expression itself.
    pub expression: String,
    /// Gives the map that is stored; unset where it is blank.
    pub output: Option<String>,
}

/// Templates of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestSpec {
    /// The URL.
    pub url: String,
    /// The method.
    pub method: Method,
    /// Headers by name.
    pub headers: BTreeMap<String, String>,
    /// The body; empty for none.
    pub body: String,
    /// How long a request may take.
    pub timeout: Duration,
    /// What it authenticates with.
    pub authentication: Option<Authentication>,
}

/// Where the method comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// The deprecated fixed field.
    Fixed(String),
    /// A template.
    Template(String),
}

/// What a request authenticates with. Secrets are named, never held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// `username` and `password` of a Secret.
    Basic {
        /// Name of the Secret, in the gate's namespace.
        secret: String,
    },
    /// `token` of a Secret.
    Bearer {
        /// Name of the Secret, in the gate's namespace.
        secret: String,
    },
    /// Client credentials: `clientID` and `clientSecret` of a Secret.
    OAuth2 {
        /// Name of the Secret, in the gate's namespace.
        secret: String,
        /// Where tokens are given out.
        token_url: String,
        /// What is asked for.
        scopes: Vec<String>,
    },
    /// A client certificate: `tls.crt`, `tls.key` and perhaps `ca.crt` of a Secret.
    Tls {
        /// Name of the Secret, in the gate's namespace.
        secret: String,
    },
    /// The credentials of the strategy's source-code provider.
    Scm,
}

/// An object is not a gate that can be looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is of another kind.
    #[error("failed to read the gate: expected kind WebRequestCommitStatus, got {0:?}")]
    Kind(String),
    /// A field is not there.
    #[error("failed to read the gate: {0} is missing")]
    Missing(&'static str),
    /// A field has a value that is not among its values.
    #[error("failed to read the gate: {field} is {got:?}, must be one of {expected}")]
    Unknown {
        /// Path of the field.
        field: &'static str,
        /// What it has.
        got: String,
        /// What it may have.
        expected: &'static str,
    },
    /// A duration cannot be read.
    #[error("failed to read the gate: {field}: {reason}")]
    Duration {
        /// Path of the field.
        field: &'static str,
        /// Go's words.
        reason: String,
    },
    /// Of several fields exactly one must be set.
    #[error("failed to read the gate: {0}")]
    OneOf(&'static str),
    /// The stored status cannot be read.
    #[error("failed to read the gate's status: {0}")]
    Status(#[from] super::status::Error),
}

impl Gate {
    /// Reads an object.
    ///
    /// # Errors
    /// Where it is no gate.
    pub fn parse(object: Json) -> Result<Self, Error> {
        let kind = text(&object, "/kind");
        if kind != "WebRequestCommitStatus" {
            return Err(Error::Kind(kind));
        }
        let object = with_defaults(object);
        let status = object.get("status").map(Status::parse).transpose()?.unwrap_or_default();
        Ok(Self {
            name: required(&object, "/metadata/name", "metadata.name")?,
            namespace: text(&object, "/metadata/namespace"),
            uid: text(&object, "/metadata/uid"),
            generation: object.pointer("/metadata/generation").and_then(Json::as_i64).unwrap_or_default(),
            spec: Spec::parse(object.get("spec").unwrap_or(&Json::Null))?,
            status,
            object,
        })
    }
}

impl Spec {
    fn parse(spec: &Json) -> Result<Self, Error> {
        Ok(Self {
            strategy: required(spec, "/promotionStrategyRef/name", "spec.promotionStrategyRef.name")?,
            key: required(spec, "/key", "spec.key")?,
            description: text(spec, "/descriptionTemplate"),
            url: text(spec, "/urlTemplate"),
            report_on: report_on(&text(spec, "/reportOn"))?,
            request: request(spec.get("httpRequest").ok_or(Error::Missing("spec.httpRequest"))?)?,
            success: when(spec.pointer("/success/when"), "spec.success.when.expression")?,
            mode: mode(spec.get("mode").ok_or(Error::Missing("spec.mode"))?)?,
            context: context(&text(spec, "/mode/context"))?,
        })
    }
}

/// With the defaults of the schema, which manifests lack and expressions may read.
fn with_defaults(mut object: Json) -> Json {
    let defaults: [(&str, &str, &str); 5] = [
        ("/spec", "reportOn", "proposed"),
        ("/spec/mode", "context", "environments"),
        ("/spec/mode/polling", "interval", "1m"),
        ("/spec/mode/trigger", "requeueDuration", "1m"),
        ("/spec/httpRequest", "timeout", "30s"),
    ];
    for (path, name, value) in defaults {
        if let Some(Json::Object(fields)) = object.pointer_mut(path) {
            fields.entry(name).or_insert_with(|| value.into());
        }
    }
    object
}

fn report_on(name: &str) -> Result<ReportOn, Error> {
    match name {
        "" | "proposed" => Ok(ReportOn::Proposed),
        "active" => Ok(ReportOn::Active),
        got => Err(Error::Unknown { field: "spec.reportOn", got: got.to_owned(), expected: "proposed, active" }),
    }
}

fn context(name: &str) -> Result<Context, Error> {
    let expected = "environments, promotionstrategy";
    match name {
        "" | "environments" => Ok(Context::Environments),
        "promotionstrategy" => Ok(Context::PromotionStrategy),
        got => Err(Error::Unknown { field: "spec.mode.context", got: got.to_owned(), expected }),
    }
}

fn mode(mode: &Json) -> Result<Mode, Error> {
    match (mode.get("polling"), mode.get("trigger")) {
        (Some(polling), None) => {
            let interval = duration(polling, "interval", "spec.mode.polling.interval")?.unwrap_or(DEFAULT_INTERVAL);
            Ok(Mode::Polling { interval })
        }
        (None, Some(trigger)) => {
            let field = "spec.mode.trigger.requeueDuration";
            Ok(Mode::Trigger {
                requeue: duration(trigger, "requeueDuration", field)?.unwrap_or(DEFAULT_INTERVAL),
                when: when(trigger.get("when"), "spec.mode.trigger.when.expression")?,
                response_output: trigger.get("response").map(|response| text(response, "/output/expression")),
            })
        }
        _ => Err(Error::OneOf("exactly one of spec.mode.polling and spec.mode.trigger must be set")),
    }
}

fn when(when: Option<&Json>, field: &'static str) -> Result<When, Error> {
    let when = when.ok_or(Error::Missing(field))?;
    let expression = when.get("expression").and_then(Json::as_str).ok_or(Error::Missing(field))?;
    let set = |path| Some(text(when, path)).filter(|expression| !expression.trim().is_empty());
    Ok(When {
        variables: set("/variables/expression"),
        expression: expression.to_owned(),
        output: set("/output/expression"),
    })
}

fn request(request: &Json) -> Result<RequestSpec, Error> {
    let (fixed, template) = (text(request, "/method"), text(request, "/methodTemplate"));
    let method = match (fixed.is_empty(), template.is_empty()) {
        (true, false) => Method::Template(template),
        (false, true) => Method::Fixed(fixed),
        _ => return Err(Error::OneOf("exactly one of method or methodTemplate must be set")),
    };
    let headers = request.get("headerTemplates").and_then(Json::as_object).into_iter().flatten();
    let timeout = duration(request, "timeout", "spec.httpRequest.timeout")?.filter(|timeout| !timeout.is_zero());
    Ok(RequestSpec {
        url: text(request, "/urlTemplate"),
        method,
        headers: headers.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect(),
        body: text(request, "/bodyTemplate"),
        timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
        authentication: request.get("authentication").map_or(Ok(None), authentication)?,
    })
}

fn authentication(auth: &Json) -> Result<Option<Authentication>, Error> {
    let kinds = ["basic", "bearer", "oauth2", "tls", "scm"];
    let mut set = kinds.into_iter().filter_map(|kind| auth.get(kind).map(|value| (kind, value)));
    let first = set.next();
    if set.next().is_some() {
        return Err(Error::OneOf("at most one of the authentications basic, bearer, oauth2, tls and scm may be set"));
    }
    Ok(first.map(|(kind, value)| {
        let secret = text(value, "/secretRef/name");
        match kind {
            "basic" => Authentication::Basic { secret },
            "bearer" => Authentication::Bearer { secret },
            "oauth2" => {
                let scopes = value.get("scopes").and_then(Json::as_array).into_iter().flatten();
                let scopes = scopes.filter_map(|scope| scope.as_str().map(str::to_owned)).collect();
                Authentication::OAuth2 { secret, token_url: text(value, "/tokenURL"), scopes }
            }
            "tls" => Authentication::Tls { secret },
            _ => Authentication::Scm,
        }
    }))
}

/// A duration as Go reads it; a negative one counts as zero, which means the same everywhere here.
fn duration(object: &Json, name: &str, field: &'static str) -> Result<Option<Duration>, Error> {
    let Some(text) = object.get(name).and_then(Json::as_str) else { return Ok(None) };
    let nanoseconds = parse_duration(text).map_err(|reason| Error::Duration { field, reason })?;
    Ok(Some(Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0))))
}

fn text(object: &Json, path: &str) -> String {
    object.pointer(path).and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn required(object: &Json, path: &str, field: &'static str) -> Result<String, Error> {
    Some(text(object, path)).filter(|text| !text.is_empty()).ok_or(Error::Missing(field))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn gate(spec: Json) -> Result<Gate, Error> {
        let mut object = json!({"kind": "WebRequestCommitStatus", "metadata": {"name": "g"}, "spec": {
            "promotionStrategyRef": {"name": "app"}, "key": "gate",
            "httpRequest": {"urlTemplate": "https://x", "methodTemplate": "GET"},
            "success": {"when": {"expression": "true"}}, "mode": {"polling": {}}}});
        json_patch::merge(&mut object["spec"], &spec);
        Gate::parse(object)
    }

    #[test]
    fn defaults_are_those_of_the_schema() {
        let spec = gate(json!({})).unwrap().spec;
        assert_eq!(spec.mode, Mode::Polling { interval: Duration::from_secs(60) });
        assert_eq!((spec.report_on, spec.context), (ReportOn::Proposed, Context::Environments));
        assert_eq!((spec.request.timeout, spec.request.authentication), (DEFAULT_TIMEOUT, None));
        assert_eq!(
            gate(json!({})).unwrap().object["spec"]["mode"],
            json!({"context": "environments", "polling": {"interval": "1m"}})
        );
        assert_eq!(gate(json!({"httpRequest": {"timeout": "0s"}})).unwrap().spec.request.timeout, DEFAULT_TIMEOUT);
    }

    #[test]
    fn durations_are_gos_and_negative_ones_are_none() {
        let every = |text: &str| gate(json!({"mode": {"polling": {"interval": text}}})).map(|g| g.spec.mode.every());
        assert_eq!(every("1h2m3.5s").unwrap(), Some(Duration::from_millis(3_723_500)));
        assert_eq!(every("0").unwrap(), None);
        assert_eq!(every("-5s").unwrap(), None);
        let refused = every("5 minutes").unwrap_err().to_string();
        assert!(refused.contains("spec.mode.polling.interval: time: unknown unit"), "{refused}");
    }

    #[test]
    fn what_the_schema_refuses_is_refused() {
        let refused = |spec: Json| gate(spec).unwrap_err().to_string();
        assert!(refused(json!({"httpRequest": {"method": "GET"}})).contains("exactly one of method or methodTemplate"));
        assert!(refused(json!({"mode": {"trigger": {}}})).contains("exactly one of spec.mode.polling"));
        assert!(refused(json!({"mode": {"context": "all"}})).contains("spec.mode.context is \"all\""));
        assert!(refused(json!({"reportOn": "x"})).contains("must be one of proposed, active"));
        assert!(refused(json!({"key": null})).contains("spec.key is missing"));
        let two = json!({"httpRequest": {"authentication": {"scm": {}, "tls": {"secretRef": {"name": "x"}}}}});
        assert!(refused(two).contains("at most one of the authentications"));
    }

    #[test]
    fn blank_variables_and_outputs_are_unset() {
        let spec = json!({"success": {"when": {"variables": {"expression": " \n"}, "output": {"expression": "{}"}}}});
        let when = gate(spec).unwrap().spec.success;
        assert_eq!((when.variables, when.output.as_deref()), (None, Some("{}")));
    }
}

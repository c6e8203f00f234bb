//! What a run asks: the request's templates with the world as it was when the run was opened, and how they are rendered. The same
//! order and language as a `WebRequestCommitStatus` has (`spec/gates.md` 7); templates see `.Callback`, `.Run` and `.Stage` besides.
//!
//! The callback's token is an argument of rendering and is stored nowhere. A URL that contains it is refused: URLs end in logs.

use super::run::{ApprovalId, Phase, Run, RunId, Stage, Subject};
use crate::gate::engine::{Engine, Surroundings};
use crate::gate::objects::{self, PROMOTION_STRATEGY};
use gatepost_value::json::{self, Numbers};
use gatepost_value::{Map, Str, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// The methods that a request may have.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Templates of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Templates {
    /// The URL.
    pub url: String,
    /// The method.
    pub method: String,
    /// Headers by name.
    pub headers: BTreeMap<String, String>,
    /// The body; `None`: none is sent.
    pub body: Option<String>,
}

/// What templates see of the world.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct World {
    /// The `WebhookApproval`.
    pub approval: Json,
    /// The `PromotionStrategy`, where there is one.
    pub strategy: Option<Json>,
    /// The Application, where there is one.
    pub application: Option<Json>,
    /// Labels of the namespace.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the namespace.
    pub annotations: BTreeMap<String, String>,
}

/// A run's question, as it is kept until it is delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The run.
    pub run: RunId,
    /// Its approval.
    pub approval: ApprovalId,
    /// What it is bound to.
    pub subject: Subject,
    /// When in a deployment.
    pub stage: Stage,
    /// When it times out, Unix milliseconds.
    pub deadline_ms: i64,
    /// What is rendered.
    pub templates: Templates,
    /// From what.
    pub world: World,
}

/// Where and with what the outside process answers.
#[derive(Clone, Default)]
pub struct Callback {
    /// The callback's URL.
    pub url: String,
    /// The run's token; empty where it is not to be seen.
    pub token: String,
}

/// A request without its credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Method.
    pub method: String,
    /// URL.
    pub url: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Option<String>,
}

/// A request that cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to render {template}: {cause}")]
pub struct Failure {
    /// Which template.
    pub template: String,
    /// Why.
    pub cause: String,
}

impl Asked {
    /// Renders the request.
    ///
    /// # Errors
    /// The template that cannot be rendered or is no such thing, or a URL that contains the token.
    pub fn render(&self, engine: &Engine, callback: &Callback, around: &Surroundings<'_>) -> Result<Rendered, Failure> {
        let data = data(&self.world, &Seen::of_asked(self), callback);
        let text = |template: &str, source: &str| {
            engine.render(source, &data, around).map_err(|cause| Failure { template: template.to_owned(), cause })
        };
        let method = method(&text("methodTemplate", &self.templates.method)?)?;
        let url = text("urlTemplate", &self.templates.url)?;
        if !callback.token.is_empty() && url.contains(&callback.token) {
            let cause = "the URL contains .Callback.Token; send it in a header or in the body".to_owned();
            return Err(Failure { template: "urlTemplate".to_owned(), cause });
        }
        let body = self.templates.body.as_deref().filter(|body| !body.is_empty());
        let body = body.map(|source| text("bodyTemplate", source)).transpose()?;
        let headers = self.templates.headers.iter();
        let headers =
            headers.map(|(name, source)| Ok((name.clone(), text(&format!("headerTemplates[{name}]"), source)?)));
        Ok(Rendered { method, url, headers: headers.collect::<Result<_, Failure>>()?, body })
    }
}

fn method(rendered: &str) -> Result<String, Failure> {
    let method = rendered.trim().to_uppercase();
    if METHODS.contains(&method.as_str()) {
        return Ok(method);
    }
    let cause = format!("invalid HTTP method {method:?} (must be one of {})", METHODS.join(", "));
    Err(Failure { template: "methodTemplate".to_owned(), cause })
}

/// Renders a text about a run: the CommitStatus's description or URL.
///
/// # Errors
/// The template that cannot be rendered.
pub fn text_about(
    engine: &Engine,
    (name, source): (&str, &str),
    world: &World,
    run: &Run,
    callback_url: &str,
    around: &Surroundings<'_>,
) -> Result<String, Failure> {
    // No token here: the text is for everybody.
    let callback = Callback { url: callback_url.to_owned(), token: String::new() };
    let data = data(world, &Seen::of_run(run), &callback);
    engine.render(source, &data, around).map_err(|cause| Failure { template: name.to_owned(), cause })
}

/// What a commit status says of a run of this phase.
#[must_use]
pub const fn commit_phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Requesting | Phase::Waiting | Phase::Superseded => "pending",
        Phase::Succeeded => "success",
        Phase::Failed | Phase::TimedOut | Phase::Cancelled => "failure",
    }
}

/// What templates see of a run.
struct Seen<'a> {
    id: RunId,
    subject: &'a Subject,
    stage: Stage,
    deadline_ms: i64,
    phase: &'static str,
    message: &'a str,
    reason: &'a str,
}

impl<'a> Seen<'a> {
    const fn of_asked(asked: &'a Asked) -> Self {
        let Asked { run, subject, stage, deadline_ms, .. } = asked;
        Self { id: *run, subject, stage: *stage, deadline_ms: *deadline_ms, phase: "", message: "", reason: "" }
    }

    fn of_run(run: &'a Run) -> Self {
        Self {
            id: run.id,
            subject: &run.subject,
            stage: run.stage,
            deadline_ms: run.deadline_ms,
            phase: commit_phase(run.phase),
            message: &run.message,
            reason: &run.reason,
        }
    }
}

fn data(world: &World, seen: &Seen<'_>, callback: &Callback) -> Value {
    let deadline = jiff::Timestamp::from_second(seen.deadline_ms.div_euclid(1000)).unwrap_or_default().to_string();
    let uri = callback.url.split_once("://").map_or(callback.url.as_str(), |(_, rest)| rest);
    let plain = json!({
        "Branch": seen.subject.branch,
        "Phase": seen.phase,
        "Stage": seen.stage.as_str(),
        "Callback": {"URL": callback.url, "URI": uri, "Token": callback.token},
        "Run": {"ID": seen.id, "Sha": seen.subject.sha, "Deadline": deadline, "Message": seen.message, "Reason": seen.reason},
        "NamespaceMetadata": {"Labels": world.labels, "Annotations": world.annotations},
        "WebhookApproval": world.approval,
        "Application": world.application,
        "TriggerOutput": {}, "ResponseOutput": {}, "SuccessOutput": {}, "TriggerVariables": {}, "SuccessVariables": {},
    });
    let mut entries = match json::from_serde(&plain, Numbers::Float) {
        Value::Map(map) => map.entries(),
        _ => Vec::new(),
    };
    if let Some(strategy) = &world.strategy {
        entries.push((Str::from_static("PromotionStrategy"), objects::object(&PROMOTION_STRATEGY, strategy)));
    }
    Value::Map(Map::frozen(entries))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::gate::engine::Integers;
    use gatepost_value::{Limits, Location, Time};

    fn asked(url: &str, body: &str) -> Asked {
        let headers = [("Content-Type".to_owned(), "application/json".to_owned())];
        Asked {
            run: RunId::new([1; 16]),
            approval: ApprovalId { namespace: "team".into(), name: "tests".into(), uid: "u".into() },
            subject: Subject { branch: "env/prod".into(), sha: "abc".into() },
            stage: Stage::AfterDeployment,
            deadline_ms: 1_800_000_000_000,
            templates: Templates {
                url: url.to_owned(),
                method: " post ".to_owned(),
                headers: headers.into(),
                body: Some(body.to_owned()),
            },
            world: World {
                strategy: Some(json!({"metadata": {"name": "app"}})),
                approval: json!({"spec": {"key": "tests"}}),
                ..World::default()
            },
        }
    }

    fn rendered(asked: &Asked) -> Result<Rendered, Failure> {
        let engine = Engine::new(Limits::default(), Integers::AsGo);
        let callback = Callback { url: "https://g.example/callbacks/v1/runs/01".into(), token: "gpr1.t".into() };
        let now = Time::parse_rfc3339("2026-11-21T10:00:00Z").unwrap();
        let around = Surroundings { now, local: Location::Utc, random: &|buffer| buffer.fill(4) };
        asked.render(&engine, &callback, &around)
    }

    #[test]
    fn templates_see_run_callback_and_strategy() {
        let body = r#"{"uri":"{{.Callback.URI}}","token":"{{.Callback.Token}}","run":"{{.Run.ID}}","sha":"{{.Run.Sha}}","at":"{{.Run.Deadline}}","stage":"{{.Stage}}","of":"{{.PromotionStrategy.Name}}","key":"{{.WebhookApproval.spec.key}}"}"#;
        let request = rendered(&asked("https://ci.example/{{ .Branch | urlQueryEscape }}", body)).unwrap();
        assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "https://ci.example/env%2Fprod"));
        let said: Json = serde_json::from_str(&request.body.unwrap()).unwrap();
        assert_eq!(said["uri"], "g.example/callbacks/v1/runs/01");
        assert_eq!((&said["token"], &said["sha"]), (&json!("gpr1.t"), &json!("abc")));
        assert_eq!((&said["at"], &said["of"]), (&json!("2027-01-15T08:00:00Z"), &json!("app")));
        assert_eq!((&said["stage"], &said["key"]), (&json!("afterDeployment"), &json!("tests")));
    }

    #[test]
    fn a_token_in_a_url_is_refused_and_the_template_named() {
        let failure = rendered(&asked("https://ci.example/?t={{.Callback.Token}}", "")).err().unwrap();
        assert_eq!(failure.template, "urlTemplate");
        assert!(!failure.to_string().contains("gpr1.t"), "{failure}");
        let missing = rendered(&asked("https://x/{{ fail \"no\" }}", "")).err().unwrap();
        assert!(missing.to_string().starts_with("failed to render urlTemplate: "), "{missing}");
    }

    #[test]
    fn only_methods_of_the_list_are_sent() {
        let mut asked = asked("https://x", "");
        asked.templates.method = "HEAD".to_owned();
        assert!(rendered(&asked).err().unwrap().cause.contains("must be one of GET, POST"));
        asked.templates.method = "get".to_owned();
        let request = rendered(&asked).unwrap();
        assert_eq!((request.method.as_str(), request.body), ("GET", None));
    }
}

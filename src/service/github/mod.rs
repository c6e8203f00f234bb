//! `service.github.<name>`: commit statuses, deployments, comments on pull requests, check runs and dispatches, in the name
//! of a GitHub App.
//!
//! One attempt is one conversation: a token, then each part that the template asks for. A part that is done is remembered
//! when a later one fails, so that the next attempt does not do it again.

mod message;
mod talk;

use super::http::{self, Options};
use super::jwt::Key;
use super::{Answer, Call, Draft, Kind, PrepareError, Prepared, RequestError, Step};
use crate::notify::configuration::Fault;
use crate::notify::kind::{Checked, Field, KindSpec, Merge, Record, SectionSpec, Shape};
use crate::notify::yaml::Node;
use crate::notify::{Occurrence, ServiceConfig};
use serde_json::{Map, Value as Json};
use sha2::{Digest as _, Sha256};

const STATUS: Record = Record {
    go: "GitHubStatus",
    fields: &[
        Field::new("state", Shape::Template).always(),
        Field::new("label", Shape::Template),
        Field::new("targetURL", Shape::Template),
    ],
};
const DEPLOYMENT: Record = Record {
    go: "GitHubDeployment",
    fields: &[
        Field::new("state", Shape::Template),
        Field::new("environment", Shape::Template),
        Field::new("environmentURL", Shape::Template),
        Field::new("logURL", Shape::Template),
        Field::new("requiredContexts", Shape::Texts).always(),
        Field::new("autoMerge", Shape::Bool).or("true").always(),
        Field::new("transientEnvironment", Shape::Bool).always(),
        Field::new("reference", Shape::Template),
    ],
};
const COMMENT: Record = Record {
    go: "GitHubPullRequestComment",
    fields: &[Field::new("content", Shape::Template).always(), Field::new("commentTag", Shape::Text)],
};
const OUTPUT: Record = Record {
    go: "GitHubCheckRunOutput",
    fields: &[
        Field::new("title", Shape::Template).always(),
        Field::new("summary", Shape::Template),
        Field::new("text", Shape::Template),
    ],
};
const CHECK_RUN: Record = Record {
    go: "GitHubCheckRun",
    fields: &[
        Field::new("name", Shape::Template).always(),
        Field::new("details_url", Shape::Template),
        Field::new("status", Shape::Template),
        Field::new("conclusion", Shape::Template),
        Field::new("started_at", Shape::Template),
        Field::new("completed_at", Shape::Template),
        Field::new("output", Shape::Record(&OUTPUT)),
    ],
};
const DISPATCH: Record = Record {
    go: "GitHubRepositoryDispatch",
    fields: &[Field::new("event_type", Shape::Template).always(), Field::new("client_payload", Shape::Template)],
};

static SPEC: KindSpec = KindSpec {
    name: "github",
    own: false,
    options: Record {
        go: "GitHubOptions",
        fields: &[
            Field::new("appID", Shape::Text),
            Field::new("installationID", Shape::Text),
            Field::new("privateKey", Shape::Text),
            Field::new("enterpriseBaseURL", Shape::Text),
        ],
    },
    transport: true,
    section: Some(SectionSpec {
        record: Record {
            go: "GitHubNotification",
            fields: &[
                Field::new("status", Shape::Record(&STATUS)),
                Field::new("deployment", Shape::Record(&DEPLOYMENT)),
                Field::new("pullRequestComment", Shape::Record(&COMMENT)),
                Field::new("repoURLPath", Shape::Template).or("{{.app.spec.source.repoURL}}"),
                Field::new("revisionPath", Shape::Template).or("{{.app.status.operationState.syncResult.revision}}"),
                Field::new("checkRun", Shape::Record(&CHECK_RUN)),
                Field::new("repositoryDispatch", Shape::Record(&DISPATCH)),
            ],
        },
        merge: Merge::Fieldwise,
    }),
    check,
};

/// The kind.
pub struct GitHub;

impl Kind for GitHub {
    fn spec(&self) -> &'static KindSpec {
        &SPEC
    }
    fn prepare(&self, draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
        message::prepare(draft)
    }
    fn step(&self, call: &Call<'_>, rounds: &[Vec<Answer>]) -> Result<Step, RequestError> {
        talk::step(call, rounds)
    }
    fn host(&self, config: &ServiceConfig, _: &str) -> String {
        http::host(&base_url(config))
    }
    fn memories(&self, _: &ServiceConfig, _: &[u8], occurrence: &Occurrence) -> Vec<String> {
        vec![done_key(occurrence)]
    }
}

/// Where the API is. An enterprise's address gets `/api/v3/` where it is missing, also for the token (which the Go
/// controller forgets).
fn base_url(config: &ServiceConfig) -> String {
    let options = Options(config);
    let own = options.text("enterpriseBaseURL").trim();
    if own.is_empty() {
        return "https://api.github.com".to_owned();
    }
    let own = own.trim_end_matches('/');
    let host = http::host(own);
    let complete = own.ends_with("/api/v3") || host.starts_with("api.") || host.contains(".api.");
    if complete { own.to_owned() } else { format!("{own}/api/v3") }
}

/// Under which key it is remembered what of an occurrence's notification is done.
fn done_key(occurrence: &Occurrence) -> String {
    let mut hash = Sha256::new();
    for part in [
        &occurrence.object.uid,
        &occurrence.trigger,
        &occurrence.condition_key,
        &occurrence.once_per,
        &occurrence.destination.service,
        &occurrence.destination.recipient,
        &occurrence.arming.to_string(),
    ] {
        hash.update(part.len().to_le_bytes());
        hash.update(part.as_bytes());
    }
    let hash = hash.finalize();
    format!("github/{}", hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn check(node: &Node, options: &Map<String, Json>) -> Checked {
    let text = |name: &str| options.get(name).and_then(Json::as_str).unwrap_or_default();
    let fault = |cause: String| Fault::at(node.place.line, node.place.column, cause);
    for name in ["appID", "installationID"] {
        let id = text(name).trim();
        if !id.is_empty() && id.parse::<i64>().is_err() {
            let cause = format!("unable to cast \"{}\" of type string to int64", id.escape_debug());
            return Err(fault(cause).advise(format!("set `{name}` to the number that GitHub shows")));
        }
    }
    Key::parse(text("privateKey")).map(|_| Vec::new()).map_err(|cause| {
        fault(cause).advise("set `privateKey` to the App's private key, as `$name` of a key of the Secret")
    })
}

#[cfg(test)]
mod tests;

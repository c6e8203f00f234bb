//! What is stored of a notification for GitHub: where it goes, and the bodies of the requests as far as they are known.

use super::SPEC;
use crate::notify::{Rendered, Text};
use crate::service::stored::{self, refuse};
use crate::service::{Draft, PrepareError, Prepared, embedded};
use gatepost_value::namespace::full_name_by_url;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

/// Characters of a description that GitHub takes.
const DESCRIPTION_MAX: usize = 140;
/// Characters of a comment that GitHub takes.
const COMMENT_MAX: usize = 65_536;

/// The stored form.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Message {
    /// Owner of the repository.
    pub owner: String,
    /// Name of the repository.
    pub repo: String,
    /// Commit; may be empty where only a dispatch is asked for.
    pub revision: String,
    /// Body of a commit status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Json>,
    /// A deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<Deployment>,
    /// A comment on each pull request of the commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Comment>,
    /// Body of a check run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_run: Option<Json>,
    /// Body of a dispatch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatch: Option<Json>,
}

/// A deployment and its status.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Deployment {
    /// Environment.
    pub environment: String,
    /// Body that creates the deployment.
    pub create: Json,
    /// Body of its status.
    pub status: Json,
}

/// A comment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Comment {
    /// Its text.
    pub body: String,
    /// What an earlier one of the same tag holds; empty without a tag.
    pub mark: String,
}

/// Makes what is stored.
pub fn prepare(draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
    let Some(section) = draft.notification.sections.get(SPEC.name) else {
        return Err(refuse(
            "the template has no section `github`",
            "add one to the template, or do not subscribe GitHub to it",
        ));
    };
    let (owner, repo) = repository(&section.string("repoURLPath"))?;
    let revision = section.string("revisionPath").trim().to_owned();
    let mut repairs = Vec::new();
    let description = cut(&draft.notification.message.lossy(), DESCRIPTION_MAX);
    let message = Message {
        status: section.get("status").map(|status| status_body(status, &description)),
        deployment: section.get("deployment").map(|part| deployment(part, &revision, &description)),
        comment: section.get("pullRequestComment").map(comment),
        check_run: section.get("checkRun").map(|part| check_run(part, &revision)).transpose()?,
        dispatch: match section.get("repositoryDispatch") {
            Some(part) => {
                let field = "github.repositoryDispatch.client_payload";
                let payload: &Text = &part.text("client_payload");
                let payload = embedded::json(field, payload, draft.context, &mut repairs)?;
                Some(dispatch(part, payload))
            }
            None => None,
        },
        owner,
        repo,
        revision,
    };
    refuse_unusable(&message)?;
    Ok(Prepared { repairs, ..Prepared::of(stored::write(&message)?) })
}

fn refuse_unusable(message: &Message) -> Result<(), PrepareError> {
    let of_commit = message.status.is_some()
        || message.deployment.is_some()
        || message.comment.is_some()
        || message.check_run.is_some();
    if !of_commit && message.dispatch.is_none() {
        let advice = "add `status`, `deployment`, `pullRequestComment`, `checkRun` or `repositoryDispatch`";
        return Err(refuse("the section `github` asks for nothing", advice));
    }
    if of_commit && (message.revision.is_empty() || message.revision.contains("<no value>")) {
        let advice = "the Application has no sync result yet, or it has several sources: set `github.revisionPath` to a \
                      template that prints the commit";
        return Err(refuse("there is no revision", advice));
    }
    Ok(())
}

fn repository(url: &str) -> Result<(String, String), PrepareError> {
    let name = full_name_by_url(url.trim());
    let advice = "set `github.repoURLPath` to a template that prints the repository's URL";
    match name.split_once('/') {
        Some((owner, repo)) if !owner.is_empty() && !repo.is_empty() => Ok((owner.to_owned(), repo.to_owned())),
        _ => Err(refuse(format!("GitHub.repoURL ({}) does not have a `/`", shown(url)), advice)),
    }
}

/// A URL may hold credentials.
fn shown(url: &str) -> String {
    url.rsplit_once('@').map_or(url, |(_, rest)| rest).escape_debug().to_string()
}

/// As the Go controller cuts.
fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(3)).chain("...".chars()).collect()
}

fn status_body(part: &Rendered, description: &str) -> Json {
    json!({
        "state": part.string("state"),
        "description": description,
        "context": part.string("label"),
        "target_url": part.string("targetURL"),
    })
}

fn deployment(part: &Rendered, revision: &str, description: &str) -> Deployment {
    let environment = part.string("environment");
    let fixed = |name: &str| part.get(name).map_or(Json::Null, Rendered::to_json);
    let reference = Some(part.string("reference")).filter(|reference| !reference.is_empty());
    let create = json!({
        "ref": reference.unwrap_or_else(|| revision.to_owned()),
        "environment": environment,
        "required_contexts": fixed("requiredContexts"),
        "auto_merge": part.flag("autoMerge"),
        "transient_environment": part.flag("transientEnvironment"),
    });
    let status = json!({
        "state": part.string("state"),
        "log_url": part.string("logURL"),
        "description": description,
        "environment": environment,
        "environment_url": part.string("environmentURL"),
    });
    Deployment { environment, create, status }
}

/// A tag stands behind the text, in a mark that nobody sees; room for it is kept where the text is long.
fn comment(part: &Rendered) -> Comment {
    let (content, tag) = (part.string("content"), part.string("commentTag"));
    if tag.is_empty() {
        return Comment { body: cut(&content, COMMENT_MAX), mark: String::new() };
    }
    let mark = format!("<!-- argocd-notifications {tag} -->");
    // Twice, as the Go controller has it.
    let marks = format!("\n{mark}\n{mark}");
    let room = COMMENT_MAX.saturating_sub(marks.chars().count());
    Comment { body: format!("{}{marks}", cut(&content, room)), mark }
}

fn check_run(part: &Rendered, revision: &str) -> Result<Json, PrepareError> {
    let field = |name: &str| part.string(name);
    let (mut status, conclusion, completed) = (field("status"), field("conclusion"), field("completed_at"));
    if !conclusion.is_empty() && status.is_empty() {
        "completed".clone_into(&mut status);
    }
    if (status == "completed" || !completed.is_empty()) && conclusion.is_empty() {
        let message = "github checkrun: conclusion is required when status is completed or completed_at is set";
        return Err(refuse(message, "set `github.checkRun.conclusion` in the template"));
    }
    let mut body = json!({
        "name": field("name"),
        "head_sha": revision,
        "details_url": field("details_url"),
        "external_id": "argocd-notifications",
    });
    for (name, value) in [("status", status), ("conclusion", conclusion)] {
        if !value.is_empty() {
            body[name] = value.into();
        }
    }
    for (name, value) in [("started_at", field("started_at")), ("completed_at", completed)] {
        if !value.is_empty() {
            body[name] = time(name, &value)?.into();
        }
    }
    if let Some(output) = part.get("output") {
        let text = |name: &str| output.string(name);
        body["output"] = json!({"title": text("title"), "summary": text("summary"), "text": text("text")});
    }
    Ok(body)
}

fn time<'a>(name: &str, text: &'a str) -> Result<&'a str, PrepareError> {
    if text.contains('T') && text.parse::<jiff::Timestamp>().is_ok() {
        return Ok(text);
    }
    let message = format!("github.checkRun.{name} is no time: '{}'", text.escape_debug());
    Err(refuse(message, "write RFC 3339, such as 2026-01-01T10:00:00Z"))
}

fn dispatch(part: &Rendered, payload: Option<Json>) -> Json {
    let mut body = json!({"event_type": part.string("event_type")});
    if let Some(payload) = payload {
        body["client_payload"] = payload;
    }
    body
}

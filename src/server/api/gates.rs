//! `/api/v1/gates`: gates by request and by Argo CD's outcomes, as their last looks left them. Read-only.

use super::parameters::Query;
use super::resource::Resource;
use super::{Answer, Kind, Problem, State, cut, parameters, shown};
use crate::controller::gate::Gates;
use crate::gate::Phase;
use crate::gate::application::KINDS;
use actix_web::web;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// Rows of a page, at most.
const PAGE_MAX: usize = 10_000;

pub(super) fn resources() -> Vec<Resource> {
    vec![Resource::at("/api/v1/gates").get(list), Resource::at("/api/v1/gates/{namespace}/{name}").get(show)]
}

/// Which gates; what is absent matches all.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// `WebRequestCommitStatus`, `ApplicationGate` or `ArgoCDCommitStatus`.
    #[param(value_type = Kinds)]
    kind: Option<String>,
    /// Namespace.
    #[param(value_type = String)]
    namespace: Option<String>,
    /// The PromotionStrategy that it gates.
    #[param(value_type = String)]
    strategy: Option<String>,
    /// Gates with an environment of this phase.
    #[param(value_type = String, pattern = r"^(pending|success|failure)$")]
    phase: Option<String>,
    /// Only those behind this one: the `next` of the page before.
    #[param(value_type = String, pattern = r"^[^/]+/[^/]+/[^/]+$")]
    after: Option<String>,
    /// Rows of a page; 0 and none read as 10000.
    #[param(value_type = usize, minimum = 0, maximum = 10000)]
    limit: Option<usize>,
}

/// A gate in short. Times are RFC 3339 with whole seconds.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct GateSummary {
    /// `WebRequestCommitStatus`, `ApplicationGate` or `ArgoCDCommitStatus`.
    kind: String,
    /// Namespace.
    namespace: String,
    /// Name.
    name: String,
    /// The PromotionStrategy that it gates.
    strategy: String,
    /// Its key.
    key: String,
    /// `polling`, `trigger` or `applications`; empty until its first look.
    mode: String,
    /// How each environment stands, by branch.
    phases: BTreeMap<String, EnvironmentView>,
    /// Its `Ready` condition; null until its first look.
    #[schema(required = true)]
    ready: Option<ReadyView>,
    /// Why the last look failed; null where it did not.
    #[schema(required = true)]
    error: Option<String>,
    /// When it was last looked at.
    #[schema(required = true)]
    looked_at: Option<String>,
    /// When it is looked at again by itself; null where only a change leads to a look.
    #[schema(required = true)]
    next_look: Option<String>,
    /// When something that failed is tried again.
    #[schema(required = true)]
    next_try: Option<String>,
}

/// How an environment stands.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct EnvironmentView {
    /// `pending`, `success` or `failure`.
    phase: String,
    /// The commit that it is about; empty where that is not known.
    sha: String,
    /// What its CommitStatus says; may be empty.
    #[serde(default)]
    description: String,
}

/// The `Ready` condition.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct ReadyView {
    /// `True`, `False` or `Unknown`.
    status: String,
    /// Why, as a word.
    reason: String,
    /// Why, for people.
    message: String,
}

/// A gate with everything that is known of it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct GateDetail {
    /// In short.
    #[serde(flatten)]
    summary: GateSummary,
    /// Why the gate is not passed, in sentences, the most important first.
    why: Vec<String>,
    /// Of a gate by request the steps of its last look: `scope`, `decision`, and what was evaluated.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    steps: Vec<Value>,
    /// Of a gate by request what was answered last, by scope.
    #[serde(default)]
    answers: BTreeMap<String, AnswerView>,
    /// Of an ApplicationGate or ArgoCDCommitStatus what each environment was judged by.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    environments: Vec<Value>,
    /// What each environment went through since this process began, oldest first.
    history: BTreeMap<String, Vec<PhaseChange>>,
    /// The CommitStatuses that it has written, as they are in the cluster.
    commit_statuses: Vec<WrittenStatus>,
}

/// Another phase, or the same one for another commit.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct PhaseChange {
    /// When.
    at: String,
    /// `pending`, `success` or `failure`.
    phase: String,
    /// The commit; empty where that is not known.
    sha: String,
}

/// A CommitStatus.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct WrittenStatus {
    /// Namespace.
    namespace: String,
    /// Name.
    name: String,
    /// Key.
    key: String,
    /// Commit.
    sha: String,
    /// Its `Ready` condition; empty until it has one.
    ready: String,
    /// Why, as a word.
    reason: String,
    /// Why, for people.
    message: String,
}

/// What an endpoint answered.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AnswerView {
    /// When.
    #[schema(required = true)]
    at: Option<String>,
    /// HTTP status.
    status: u16,
    /// Media type.
    content_type: String,
    /// How long it took.
    milliseconds: u64,
    /// Size of the body.
    bytes: u64,
    /// Which attempt it was.
    attempt: i64,
    /// What the body begins with, without the values of the gate's Secret.
    body: String,
}

/// Kinds of gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
pub(super) enum Kinds {
    /// A gate by request.
    WebRequestCommitStatus,
    /// A gate of what Argo CD made of a commit.
    ApplicationGate,
    /// The same, by the Promoter's kind.
    ArgoCDCommitStatus,
}

/// A page of gates.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GatePage {
    /// In order of namespace and name.
    items: Vec<GateSummary>,
    /// What keeps gates from being handled; empty where nothing does.
    obstacle: String,
    /// What the next page is asked for with, as the parameter `after`; null on the last page.
    #[schema(required = true)]
    next: Option<String>,
}

impl GateSummary {
    fn place(&self) -> (&str, &str, &str) {
        (&self.namespace, &self.name, &self.kind)
    }
}

impl Which {
    fn chooses(&self, gate: &GateSummary) -> bool {
        self.kind.as_ref().is_none_or(|wanted| *wanted == gate.kind)
            && self.namespace.as_ref().is_none_or(|wanted| *wanted == gate.namespace)
            && self.strategy.as_ref().is_none_or(|wanted| *wanted == gate.strategy)
            && self.phase.as_ref().is_none_or(|wanted| gate.phases.values().any(|one| one.phase == *wanted))
    }

    fn check(&self) -> Result<(), Problem> {
        if let Some(phase) = &self.phase {
            one_of("phase", phase, &PHASES)?;
        }
        self.kind.as_deref().map_or(Ok(()), check_kind)
    }
}

const PHASES: [&str; 3] = [Phase::Pending.as_str(), Phase::Success.as_str(), Phase::Failure.as_str()];

fn check_kind(kind: &str) -> Result<(), Problem> {
    let of_applications = KINDS.map(|dialect| dialect.kind);
    one_of("kind", kind, &[&["WebRequestCommitStatus"], &of_applications[..]].concat())
}

fn one_of(name: &str, found: &str, known: &[&str]) -> Result<(), Problem> {
    if known.contains(&found) {
        return Ok(());
    }
    let detail = format!("{name}: there is no {name} `{found}`; there are: {}", known.join(", "));
    Err(Problem::new(Kind::InvalidParameter, detail))
}

/// The names of a gate, as a page is continued with.
fn place(text: &str) -> Result<(&str, &str, &str), Problem> {
    let mut parts = text.split('/');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(namespace), Some(name), Some(kind), None) => Ok((namespace, name, kind)),
        _ => Err(Problem::new(Kind::InvalidParameter, format!("after: `{text}` is not the `next` of a page"))),
    }
}

/// List gates, in order of namespace and name.
#[utoipa::path(get, path = "/api/v1/gates", operation_id = "listGates", tag = "gates", params(Which),
    responses(
        (status = 200, description = "A page of gates.", body = GatePage),
        (status = 404, description = "Gates are not handled here.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(app: web::Data<State>, Query(which): Query<Which>) -> Answer {
    which.check()?;
    let page = match which.limit {
        None | Some(0) => PAGE_MAX,
        limit => parameters::page(limit, PAGE_MAX)?,
    };
    let after = which.after.as_deref().map(place).transpose()?;
    let gates = handled(&app)?;
    let mut all = gates.list();
    let obstacle = all["obstacle"].as_str().unwrap_or_default().to_owned();
    let mut found: Vec<GateSummary> = read(all["items"].take())?;
    found.extend(gates.list_applications().into_iter().map(read).collect::<Result<Vec<GateSummary>, _>>()?);
    found.sort_by(|a, b| a.place().cmp(&b.place()));
    found.retain(|gate| after.is_none_or(|after| gate.place() > after) && which.chooses(gate));
    let page = cut(found, page, |gate| format!("{}/{}/{}", gate.namespace, gate.name, gate.kind));
    shown(&app, &GatePage { items: page.items, obstacle, next: page.next })
}

/// Which of several gates of one name.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct OfKind {
    /// `WebRequestCommitStatus`, `ApplicationGate` or `ArgoCDCommitStatus`; without a word the first of them that there is.
    #[param(value_type = Kinds)]
    kind: Option<String>,
}

/// Show one gate: phases and why, the steps of its last look, and what was answered.
#[utoipa::path(get, path = "/api/v1/gates/{namespace}/{name}", operation_id = "getGate", tag = "gates",
    params(("namespace" = String, Path, description = "Its namespace."), ("name" = String, Path, description = "Its name."), OfKind),
    responses(
        (status = 200, description = "The gate.", body = GateDetail),
        (status = 404, description = "There is no such gate, or gates are not handled here.", body = Problem,
            content_type = "application/problem+json")))]
pub(super) async fn show(app: web::Data<State>, path: web::Path<(String, String)>, Query(of): Query<OfKind>) -> Answer {
    let (namespace, name) = path.into_inner();
    of.kind.as_deref().map_or(Ok(()), check_kind)?;
    let gates = handled(&app)?;
    let mut found = match of.kind.as_deref() {
        None | Some("WebRequestCommitStatus") => gates.show(&namespace, &name).await,
        Some(_) => None,
    };
    if found.is_none() {
        found = gates.show_application(of.kind.as_deref(), &namespace, &name);
    }
    let found = found.ok_or_else(|| {
        let detail = format!("no gate {namespace}/{name} is handled here; /api/v1/gates lists those that are");
        Problem::new(Kind::NoSuchGate, detail)
    })?;
    shown(&app, &read::<GateDetail>(found)?)
}

/// What the gates say of themselves, in the form that the document describes.
fn read<T: serde::de::DeserializeOwned>(view: Value) -> Result<T, Problem> {
    serde_json::from_value(view)
        .map_err(|error| Problem::new(Kind::Internal, format!("a gate's view has another form: {error}")))
}

fn handled(state: &State) -> Result<&Gates, Problem> {
    let detail = "gates are not handled: set gates.enabled = true, and run on a cluster";
    state.gates.as_deref().ok_or_else(|| Problem::new(Kind::SwitchedOff, detail))
}

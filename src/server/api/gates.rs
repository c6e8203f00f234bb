//! `/api/v1/gates`: gates by request as their last looks left them. Read-only.

use super::parameters::Query;
use super::resource::Resource;
use super::{Answer, Kind, Problem, State, cut, deliveries, parameters, shown};
use crate::controller::gate::Gates;
use crate::gate::Phase;
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
    #[param(value_type = String, pattern = r"^[^/]+/[^/]+$")]
    after: Option<String>,
    /// Rows of a page; 0 and none read as 10000.
    #[param(value_type = usize, minimum = 0, maximum = 10000)]
    limit: Option<usize>,
}

/// A gate in short. Times are RFC 3339 with whole seconds.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct GateSummary {
    /// Namespace.
    namespace: String,
    /// Name.
    name: String,
    /// The PromotionStrategy that it gates.
    strategy: String,
    /// Its key.
    key: String,
    /// `polling` or `trigger`; empty until its first look.
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
pub(super) struct GateDetail {
    /// In short.
    #[serde(flatten)]
    summary: GateSummary,
    /// Why the gate is not passed, in sentences, the most important first.
    why: Vec<String>,
    /// The steps of its last look: `scope`, `decision`, and what was evaluated.
    #[schema(value_type = Vec<Object>)]
    steps: Vec<Value>,
    /// What was answered last, by scope.
    answers: BTreeMap<String, AnswerView>,
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
    fn place(&self) -> (&str, &str) {
        (&self.namespace, &self.name)
    }
}

impl Which {
    fn chooses(&self, gate: &GateSummary) -> bool {
        self.namespace.as_ref().is_none_or(|wanted| *wanted == gate.namespace)
            && self.strategy.as_ref().is_none_or(|wanted| *wanted == gate.strategy)
            && self.phase.as_ref().is_none_or(|wanted| gate.phases.values().any(|one| one.phase == *wanted))
    }

    fn check(&self) -> Result<(), Problem> {
        const PHASES: [Phase; 3] = [Phase::Pending, Phase::Success, Phase::Failure];
        match &self.phase {
            Some(phase) if PHASES.iter().all(|known| known.as_str() != phase) => Err(Problem::new(
                Kind::InvalidParameter,
                format!("phase: there is no phase `{phase}`; there are: pending, success, failure"),
            )),
            _ => Ok(()),
        }
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
    let after = which.after.as_deref().map(deliveries::application).transpose()?;
    let mut all = handled(&app)?.list();
    let obstacle = all["obstacle"].as_str().unwrap_or_default().to_owned();
    let mut found: Vec<GateSummary> = read(all["items"].take())?;
    found.sort_by(|a, b| a.place().cmp(&b.place()));
    let behind = |gate: &GateSummary| after.as_ref().is_none_or(|(a, b)| gate.place() > (a.as_str(), b.as_str()));
    found.retain(|gate| behind(gate) && which.chooses(gate));
    let page = cut(found, page, |gate| format!("{}/{}", gate.namespace, gate.name));
    shown(&app, &GatePage { items: page.items, obstacle, next: page.next })
}

/// Show one gate: phases and why, the steps of its last look, and what was answered.
#[utoipa::path(get, path = "/api/v1/gates/{namespace}/{name}", operation_id = "getGate", tag = "gates",
    params(("namespace" = String, Path, description = "Its namespace."), ("name" = String, Path, description = "Its name.")),
    responses(
        (status = 200, description = "The gate.", body = GateDetail),
        (status = 404, description = "There is no such gate, or gates are not handled here.", body = Problem,
            content_type = "application/problem+json")))]
pub(super) async fn show(app: web::Data<State>, path: web::Path<(String, String)>) -> Answer {
    let (namespace, name) = path.into_inner();
    let found = handled(&app)?.show(&namespace, &name).await;
    let found = found.ok_or_else(|| {
        let detail = format!(
            "no WebRequestCommitStatus {namespace}/{name} is handled here; /api/v1/gates lists those that are"
        );
        Problem::new(Kind::NoSuchGate, detail)
    })?;
    shown(&app, &read::<GateDetail>(found)?)
}

/// What the gates say of themselves, in the form that the document describes.
fn read<T: serde::de::DeserializeOwned>(view: Value) -> Result<T, Problem> {
    serde_json::from_value(view).map_err(|error| Problem::new(Kind::Internal, format!("a gate's view has another form: {error}")))
}

fn handled(state: &State) -> Result<&Gates, Problem> {
    let detail = "gates are not handled: set gates.enabled = true, and run on a cluster";
    state.gates.as_deref().ok_or_else(|| Problem::new(Kind::SwitchedOff, detail))
}

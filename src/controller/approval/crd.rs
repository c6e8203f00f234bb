//! The `WebhookApproval` object. `config/crd/webhookapprovals.yaml` is generated from these types; a test keeps it so.

// Each printer column has a name, a type and a path.
#![allow(clippy::duplicated_attributes)]

use crate::gate::approval::people::Voters;
use crate::gate::approval::{ApprovalId, Stage};
use kube::{CustomResource, KubeSchema, ResourceExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Longest wait for a callback where the object says nothing.
const DEFAULT_TIMEOUT: &str = "24h";
/// What a Go duration is in nanoseconds, in milliseconds.
const NANOS_PER_MILLI: i64 = 1_000_000;

/// A gate that asks an outside process, lets it take its time, and takes its answer from a callback.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "gatepost.dev",
    version = "v1alpha1",
    kind = "WebhookApproval",
    namespaced,
    status = "WebhookApprovalStatus",
    shortname = "wha",
    printcolumn(name = "Key", type_ = "string", json_path = ".spec.key"),
    printcolumn(name = "Stage", type_ = "string", json_path = ".spec.stage"),
    printcolumn(name = "Strategy", type_ = "string", json_path = ".spec.promotionStrategyRef.name"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.runs[0].phase"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(has(self.promotionStrategyRef) && has(self.applicationRef))")
        .message("promotionStrategyRef and applicationRef exclude each other"),
    validation = Rule::new("self.stage != 'withinDeployment' || !(has(self.promotionStrategyRef) || has(self.applicationRef))")
        .message("a withinDeployment approval has no promotionStrategyRef and no applicationRef: its runs are opened through the API"),
    validation = Rule::new("!has(self.onFailure) || !self.onFailure.rollback || (has(self.applicationRef) && self.stage == 'afterDeployment')")
        .message("onFailure.rollback needs an applicationRef and stage afterDeployment"),
    validation = Rule::new("self.key == oldSelf.key && self.stage == oldSelf.stage")
        .message("key and stage cannot be changed: statuses that are there would be left behind; make another WebhookApproval")
)]
pub struct WebhookApprovalSpec {
    /// Key of the commit status, as the PromotionStrategy lists it.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub key: String,
    /// When in a deployment the outside process is asked.
    pub stage: StageName,
    /// The GitOps Promoter strategy whose SHAs are judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion_strategy_ref: Option<NameRef>,
    /// The Argo CD Application whose revisions are judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_ref: Option<ApplicationRef>,
    /// What is asked; the shape of a WebRequestCommitStatus, with .Callback and .Run for its templates.
    pub http_request: HttpRequest,
    /// How the answer comes.
    #[serde(default)]
    pub callback: Callback,
    /// People who have to agree besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manual_approval: Option<ManualApproval>,
    /// What a failure does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
    /// Description of the commit status.
    #[serde(default)]
    pub description_template: String,
    /// Link of the commit status.
    #[serde(default)]
    pub url_template: String,
}

/// The stages.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StageName {
    /// On the proposed SHA.
    BeforeDeployment,
    /// In a roll-out; runs are opened through the API.
    WithinDeployment,
    /// On the active SHA.
    AfterDeployment,
}

impl From<StageName> for Stage {
    fn from(name: StageName) -> Self {
        match name {
            StageName::BeforeDeployment => Self::BeforeDeployment,
            StageName::WithinDeployment => Self::WithinDeployment,
            StageName::AfterDeployment => Self::AfterDeployment,
        }
    }
}

/// An object of the same namespace.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// An Application.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its namespace; the approval's own where it is not said. Another one needs a grant of the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// The request, as a WebRequestCommitStatus has it.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.method) && self.method != '') != (has(self.methodTemplate) && self.methodTemplate != '')")
        .message("exactly one of method or methodTemplate must be set")
)]
pub struct HttpRequest {
    /// Template of the URL.
    pub url_template: String,
    /// Method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Template of the method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method_template: Option<String>,
    /// Templates of headers by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub header_templates: BTreeMap<String, String>,
    /// Template of the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_template: Option<String>,
    /// Go duration that the request may take; 30s where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Credentials of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<RequestAuthentication>,
}

/// Methods.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
}

/// Credentials of the request: Secrets of the approval's namespace.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("[has(self.basic), has(self.bearer), has(self.oauth2), has(self.tls), has(self.scm)].filter(set, set).size() <= 1")
        .message("at most one of the fields in [basic bearer oauth2 tls scm] may be set")
)]
pub struct RequestAuthentication {
    /// `username` and `password` of a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<SecretRef>,
    /// `token` of a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer: Option<SecretRef>,
    /// Client credentials: `clientID` and `clientSecret` of a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2: Option<OAuth2>,
    /// `tls.crt`, `tls.key` and perhaps `ca.crt` of a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<SecretRef>,
    /// The credentials of the strategy's repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scm: Option<Empty>,
}

/// Nothing to say but that it is wanted.
#[derive(KubeSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// Names a Secret.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// The Secret.
    pub secret_ref: NameRef,
}

/// OAuth2 client credentials.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OAuth2 {
    /// Where tokens are.
    #[serde(rename = "tokenURL")]
    pub token_url: String,
    /// What is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The Secret.
    pub secret_ref: NameRef,
}

/// How the answer comes.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callback {
    /// Go duration after which a run that has no answer has failed; 24h where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('2160h')")
        .message("timeout is a duration such as 24h or 90m, from 1s to 2160h"))]
    pub timeout: Option<String>,
    /// Which callers are believed; the run's own token where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<CallbackAuthentication>,
}

/// Which callers are believed: any of those that are set.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.runToken) || has(self.oauth) || has(self.kubernetes) || has(self.oidc)")
        .message("at least one of the fields in [runToken oauth kubernetes oidc] must be set")
)]
pub struct CallbackAuthentication {
    /// Whoever was given .Callback.Token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_token: Option<Empty>,
    /// Clients with a token of Gatepost's own /oauth/token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<OauthCallers>,
    /// Whoever the cluster knows (audience gatepost) and lets create webhookapprovals/callback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<Empty>,
    /// Tokens of OpenID Connect issuers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    pub oidc: Option<Vec<OidcCaller>>,
}

/// Clients of Gatepost's own token endpoint.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OauthCallers {
    /// Clients as `<namespace>/<name>` of their Secret. Nobody is believed where none is listed.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub clients: Vec<String>,
}

/// What a token of an issuer must say.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcCaller {
    /// The issuer, exactly as tokens have it.
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^https?://"))]
    pub issuer: String,
    /// The audience, exactly.
    #[schemars(length(min = 1, max = 1024))]
    pub audience: String,
    /// Signature algorithms that are taken.
    #[serde(default = "default_algorithms")]
    #[schemars(length(min = 1, max = 9))]
    pub algorithms: Vec<OidcAlgorithm>,
    /// Claims by name, each with the values of which the token's has to be, or hold, one. Nobody is believed without a rule.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 16))]
    pub claims: BTreeMap<String, Vec<String>>,
}

fn default_algorithms() -> Vec<OidcAlgorithm> {
    vec![OidcAlgorithm::RS256, OidcAlgorithm::ES256]
}

/// Algorithms of signatures with a public key.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // their own names
pub enum OidcAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

/// People who have to agree besides.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManualApproval {
    /// How many.
    #[serde(default = "one")]
    #[schemars(with = "i32", range(min = 1, max = 50))]
    pub min_approvals: u32,
    /// Who may; whoever the cluster lets create webhookapprovals/approve where nobody is listed.
    #[serde(default)]
    pub approvers: Approvers,
    /// Whether who opened a run may approve it.
    #[serde(default)]
    pub allow_author: bool,
}

const fn one() -> u32 {
    1
}

/// Who may vote.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approvers {
    /// Groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Logins.
    #[serde(default)]
    pub users: Vec<String>,
}

/// What a failure does.
#[derive(KubeSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OnFailure {
    /// Start Argo CD's rollback to the last revision that succeeded.
    #[serde(default)]
    pub rollback: bool,
    /// Switch automated sync off first; an ApplicationSet or parent Application may switch it on again.
    #[serde(default)]
    pub suspend_automation: bool,
}

/// What is going on.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookApprovalStatus {
    /// Generation that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Open runs and the newest that are over, newest first.
    #[serde(default)]
    #[schemars(length(max = 50))]
    pub runs: Vec<RunStatus>,
    /// Ready.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

/// One run.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunStatus {
    /// Its id.
    pub id: String,
    /// Environment's branch, or Application.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub branch: String,
    /// The SHA that is judged.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha: String,
    /// requesting, waiting, succeeded, failed, timedOut, superseded or cancelled.
    pub phase: String,
    /// When it was opened.
    pub requested_at: String,
    /// When it times out.
    pub deadline: String,
    /// When the callback came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<String>,
    /// Whose callback it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
    /// The callback's message as one plain line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Why it is where it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// People who approved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<String>,
    /// Times that the request was tried.
    #[serde(default)]
    #[schemars(with = "i32")]
    pub attempts: u32,
}

/// A condition, as Kubernetes has them.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Its type.
    #[serde(rename = "type")]
    pub type_: String,
    /// True, False or Unknown.
    pub status: String,
    /// CamelCase reason.
    pub reason: String,
    /// For people.
    pub message: String,
    /// When the status last changed.
    pub last_transition_time: String,
    /// Generation that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

impl WebhookApproval {
    /// Its identity.
    #[must_use]
    pub fn id(&self) -> ApprovalId {
        ApprovalId {
            namespace: self.namespace().unwrap_or_default(),
            name: self.name_any(),
            uid: self.uid().unwrap_or_default(),
        }
    }

    /// Milliseconds that a run may wait. The schema refuses what is no duration.
    #[must_use]
    pub fn timeout_ms(&self) -> i64 {
        let text = self.spec.callback.timeout.as_deref().unwrap_or(DEFAULT_TIMEOUT);
        let nanos = gatepost_value::time::parse_duration(text);
        nanos.or_else(|_| gatepost_value::time::parse_duration(DEFAULT_TIMEOUT)).unwrap_or_default() / NANOS_PER_MILLI
    }

    /// Approving people that a run needs.
    #[must_use]
    pub fn needed(&self) -> u32 {
        self.spec.manual_approval.as_ref().map_or(0, |manual| manual.min_approvals.max(1))
    }

    /// Who may vote.
    #[must_use]
    pub fn voters(&self) -> Option<Voters> {
        self.spec.manual_approval.as_ref().map(|manual| Voters {
            users: manual.approvers.users.clone(),
            groups: manual.approvers.groups.clone(),
            allow_author: manual.allow_author,
        })
    }

    /// Which callers are believed.
    #[must_use]
    pub fn believes(&self) -> CallbackAuthentication {
        let own = || CallbackAuthentication { run_token: Some(Empty {}), ..CallbackAuthentication::default() };
        self.spec.callback.authentication.clone().unwrap_or_else(own)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use kube::CustomResourceExt as _;

    const FILE: &str = "config/crd/webhookapprovals.yaml";

    #[test]
    fn the_manifest_in_config_is_generated_from_the_types() {
        let head = "# Generated from src/controller/approval/crd.rs; GATEPOST_WRITE_CRDS=1 cargo test --lib approval::crd writes it.\n";
        let wanted = format!("{head}{}", serde_yaml_ng::to_string(&WebhookApproval::crd()).unwrap());
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
        if std::env::var_os("GATEPOST_WRITE_CRDS").is_some() {
            std::fs::write(&path, &wanted).unwrap();
        }
        let held = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(held, wanted, "{FILE} is not what the types say; GATEPOST_WRITE_CRDS=1 writes it");
    }

    #[test]
    fn what_is_not_said_is_a_day_and_the_run_token() {
        let text = "apiVersion: gatepost.dev/v1alpha1\nkind: WebhookApproval\nmetadata: {name: a, namespace: n, uid: u}\nspec:\n  key: k\n  stage: beforeDeployment\n  httpRequest: {urlTemplate: 'http://x', method: POST}";
        let approval: WebhookApproval = serde_yaml_ng::from_str(text).unwrap();
        assert_eq!(approval.timeout_ms(), 24 * 60 * 60 * 1000);
        assert!(approval.believes().run_token.is_some() && approval.believes().oauth.is_none());
        assert_eq!((approval.needed(), approval.voters()), (0, None));
        assert_eq!(approval.id().uid, "u");
    }
}

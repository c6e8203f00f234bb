//! The table of the types: Go name, JSON name, Go type of every field, as the Promoter's API declares them. Goes on in `argocd.rs`.
//!
//! A test compares it with the schemas of the custom resources.

use Ty::{Bool, Duration, Int, Int64, Labels, List, Named, Pointer, Raw, Struct, Text, Time};

/// A field's Go type.
#[derive(Debug)]
pub enum Ty {
    /// `bool`
    Bool,
    /// `string`
    Text,
    /// `int`
    Int,
    /// `int64`
    Int64,
    /// A string whose type has a name: it equals no plain string.
    Named(&'static str),
    /// `metav1.Time`
    Time,
    /// `metav1.Duration`
    Duration,
    /// A pointer, which may be nil.
    Pointer(&'static Ty),
    /// A slice.
    List(&'static Ty),
    /// `map[string]string`
    Labels,
    /// JSON as it came, in a struct of that name with one field.
    Raw(&'static str),
    /// A struct.
    Struct(&'static GoStruct),
}

/// A field.
#[derive(Debug)]
pub struct Field {
    /// Its Go name.
    pub go: &'static str,
    /// Its JSON tag: the name, and after a comma when it is left out. Empty for one whose fields stand in its place.
    pub tag: &'static str,
    /// Its Go type.
    pub ty: Ty,
}

impl Field {
    /// Its JSON name.
    #[must_use]
    pub fn json(&self) -> &'static str {
        self.tag.split(',').next().unwrap_or_default()
    }
    /// Whether JSON leaves it out where it is empty.
    pub(super) fn omits_empty(&self) -> bool {
        self.tag.contains(",omitempty")
    }
    /// Whether JSON leaves it out where it is the zero value of its type.
    pub(super) fn omits_zero(&self) -> bool {
        self.tag.contains(",omitzero")
    }
}

/// A struct type.
#[derive(Debug)]
pub struct GoStruct {
    /// As Go prints it.
    pub name: &'static str,
    /// How many of the first fields are embedded: their own fields can be named without them.
    pub embedded: usize,
    /// Its fields.
    pub fields: &'static [Field],
}

macro_rules! go_structs {
    ($($(#[$doc:meta])* $vis:vis $id:ident: $name:literal $(embeds $embedded:literal)? { $($go:literal $tag:literal $ty:expr,)* })*) => {
        $($(#[$doc])* $vis static $id: GoStruct = GoStruct {
            name: $name,
            embedded: 0 $(+ $embedded)?,
            fields: &[$(Field { go: $go, tag: $tag, ty: $ty }),*],
        };)*
    };
}

pub(super) use go_structs;

go_structs! {
    pub(super) TYPE_META: "v1.TypeMeta" {
        "Kind" "kind,omitempty" Text,
        "APIVersion" "apiVersion,omitempty" Text,
    }

    pub(super) OBJECT_META: "v1.ObjectMeta" {
        "Name" "name,omitempty" Text,
        "GenerateName" "generateName,omitempty" Text,
        "Namespace" "namespace,omitempty" Text,
        "SelfLink" "selfLink,omitempty" Text,
        "UID" "uid,omitempty" Named("types.UID"),
        "ResourceVersion" "resourceVersion,omitempty" Text,
        "Generation" "generation,omitempty" Int64,
        "CreationTimestamp" "creationTimestamp,omitempty,omitzero" Time,
        "DeletionTimestamp" "deletionTimestamp,omitempty" Pointer(&Time),
        "DeletionGracePeriodSeconds" "deletionGracePeriodSeconds,omitempty" Pointer(&Int64),
        "Labels" "labels,omitempty" Labels,
        "Annotations" "annotations,omitempty" Labels,
        "OwnerReferences" "ownerReferences,omitempty" List(&Struct(&OWNER_REFERENCE)),
        "Finalizers" "finalizers,omitempty" List(&Text),
        "ManagedFields" "managedFields,omitempty" List(&Struct(&MANAGED_FIELDS_ENTRY)),
    }

    OWNER_REFERENCE: "v1.OwnerReference" {
        "APIVersion" "apiVersion" Text,
        "Kind" "kind" Text,
        "Name" "name" Text,
        "UID" "uid" Named("types.UID"),
        "Controller" "controller,omitempty" Pointer(&Bool),
        "BlockOwnerDeletion" "blockOwnerDeletion,omitempty" Pointer(&Bool),
    }

    MANAGED_FIELDS_ENTRY: "v1.ManagedFieldsEntry" {
        "Manager" "manager,omitempty" Text,
        "Operation" "operation,omitempty" Named("v1.ManagedFieldsOperationType"),
        "APIVersion" "apiVersion,omitempty" Text,
        "Time" "time,omitempty" Pointer(&Time),
        "FieldsType" "fieldsType,omitempty" Text,
        "FieldsV1" "fieldsV1,omitempty" Pointer(&Raw("v1.FieldsV1")),
        "Subresource" "subresource,omitempty" Text,
    }

    pub(super) CONDITION: "v1.Condition" {
        "Type" "type" Text,
        "Status" "status" Named("v1.ConditionStatus"),
        "ObservedGeneration" "observedGeneration,omitempty" Int64,
        "LastTransitionTime" "lastTransitionTime" Time,
        "Reason" "reason" Text,
        "Message" "message" Text,
    }

    LOCAL_OBJECT_REFERENCE: "v1.LocalObjectReference" {
        "Name" "name,omitempty" Text,
    }

    pub(super) OBJECT_REFERENCE: "v1alpha1.ObjectReference" {
        "Name" "name" Text,
    }

    OUTPUT_SPEC: "v1alpha1.OutputSpec" {
        "Expression" "expression" Text,
    }

    WHEN_WITH_OUTPUT_SPEC: "v1alpha1.WhenWithOutputSpec" {
        "Variables" "variables,omitempty" Pointer(&Struct(&OUTPUT_SPEC)),
        "Expression" "expression" Text,
        "Output" "output,omitempty" Pointer(&Struct(&OUTPUT_SPEC)),
    }

    SUCCESS_SPEC: "v1alpha1.SuccessSpec" {
        "When" "when" Struct(&WHEN_WITH_OUTPUT_SPEC),
    }

    RESPONSE_OUTPUT_SPEC: "v1alpha1.ResponseOutputSpec" {
        "Output" "output" Struct(&OUTPUT_SPEC),
    }

    POLLING_MODE_SPEC: "v1alpha1.PollingModeSpec" {
        "Interval" "interval,omitempty" Duration,
    }

    TRIGGER_MODE_SPEC: "v1alpha1.TriggerModeSpec" {
        "RequeueDuration" "requeueDuration,omitempty" Duration,
        "When" "when" Struct(&WHEN_WITH_OUTPUT_SPEC),
        "Response" "response,omitempty" Pointer(&Struct(&RESPONSE_OUTPUT_SPEC)),
    }

    MODE_SPEC: "v1alpha1.ModeSpec" {
        "Polling" "polling,omitempty" Pointer(&Struct(&POLLING_MODE_SPEC)),
        "Trigger" "trigger,omitempty" Pointer(&Struct(&TRIGGER_MODE_SPEC)),
        "Context" "context,omitempty" Named("v1alpha1.ContextMode"),
    }

    BASIC_AUTH: "v1alpha1.BasicAuth" {
        "SecretRef" "secretRef" Pointer(&Struct(&LOCAL_OBJECT_REFERENCE)),
    }

    BEARER_AUTH: "v1alpha1.BearerAuth" {
        "SecretRef" "secretRef" Pointer(&Struct(&LOCAL_OBJECT_REFERENCE)),
    }

    OAUTH2_AUTH: "v1alpha1.OAuth2Auth" {
        "TokenURL" "tokenURL" Text,
        "Scopes" "scopes,omitempty" List(&Text),
        "SecretRef" "secretRef" Pointer(&Struct(&LOCAL_OBJECT_REFERENCE)),
    }

    TLS_AUTH: "v1alpha1.TLSAuth" {
        "SecretRef" "secretRef" Pointer(&Struct(&LOCAL_OBJECT_REFERENCE)),
    }

    SCM: "v1alpha1.Scm" {
    }

    HTTP_AUTHENTICATION: "v1alpha1.HTTPAuthentication" {
        "Basic" "basic,omitempty" Pointer(&Struct(&BASIC_AUTH)),
        "Bearer" "bearer,omitempty" Pointer(&Struct(&BEARER_AUTH)),
        "OAuth2" "oauth2,omitempty" Pointer(&Struct(&OAUTH2_AUTH)),
        "TLS" "tls,omitempty" Pointer(&Struct(&TLS_AUTH)),
        "Scm" "scm,omitempty" Pointer(&Struct(&SCM)),
    }

    HTTP_REQUEST_SPEC: "v1alpha1.HTTPRequestSpec" {
        "URLTemplate" "urlTemplate" Text,
        "Method" "method,omitempty" Text,
        "MethodTemplate" "methodTemplate,omitempty" Text,
        "HeaderTemplates" "headerTemplates,omitempty" Labels,
        "BodyTemplate" "bodyTemplate,omitempty" Text,
        "Timeout" "timeout,omitempty" Duration,
        "Authentication" "authentication,omitempty" Pointer(&Struct(&HTTP_AUTHENTICATION)),
    }

    WEB_REQUEST_COMMIT_STATUS_SPEC: "v1alpha1.WebRequestCommitStatusSpec" {
        "PromotionStrategyRef" "promotionStrategyRef" Struct(&OBJECT_REFERENCE),
        "Key" "key" Text,
        "DescriptionTemplate" "descriptionTemplate,omitempty" Text,
        "UrlTemplate" "urlTemplate,omitempty" Text,
        "ReportOn" "reportOn,omitempty" Text,
        "HTTPRequest" "httpRequest" Struct(&HTTP_REQUEST_SPEC),
        "Success" "success" Struct(&SUCCESS_SPEC),
        "Mode" "mode" Struct(&MODE_SPEC),
    }

    WEB_REQUEST_COMMIT_STATUS_ENVIRONMENT_STATUS: "v1alpha1.WebRequestCommitStatusEnvironmentStatus" {
        "Branch" "branch" Text,
        "ReportedSha" "reportedSha,omitempty" Text,
        "LastSuccessfulSha" "lastSuccessfulSha,omitempty" Text,
        "Phase" "phase" Named("v1alpha1.CommitStatusPhase"),
        "LastRequestTime" "lastRequestTime,omitempty" Pointer(&Time),
        "LastResponseStatusCode" "lastResponseStatusCode,omitempty" Pointer(&Int),
        "TriggerOutput" "triggerOutput,omitempty" Pointer(&Raw("v1.JSON")),
        "ResponseOutput" "responseOutput,omitempty" Pointer(&Raw("v1.JSON")),
        "SuccessOutput" "successOutput,omitempty" Pointer(&Raw("v1.JSON")),
    }

    WEB_REQUEST_COMMIT_STATUS_PHASE_PER_BRANCH_ITEM: "v1alpha1.WebRequestCommitStatusPhasePerBranchItem" {
        "Branch" "branch" Text,
        "Phase" "phase" Named("v1alpha1.CommitStatusPhase"),
    }

    WEB_REQUEST_COMMIT_STATUS_LAST_SUCCESSFUL_SHA_ITEM: "v1alpha1.WebRequestCommitStatusLastSuccessfulShaItem" {
        "Branch" "branch" Text,
        "LastSuccessfulSha" "lastSuccessfulSha,omitempty" Text,
    }

    WEB_REQUEST_COMMIT_STATUS_PROMOTION_STRATEGY_CONTEXT_STATUS: "v1alpha1.WebRequestCommitStatusPromotionStrategyContextStatus" {
        "PhasePerBranch" "phasePerBranch,omitempty" List(&Struct(&WEB_REQUEST_COMMIT_STATUS_PHASE_PER_BRANCH_ITEM)),
        "LastRequestTime" "lastRequestTime,omitempty" Pointer(&Time),
        "LastResponseStatusCode" "lastResponseStatusCode,omitempty" Pointer(&Int),
        "TriggerOutput" "triggerOutput,omitempty" Pointer(&Raw("v1.JSON")),
        "ResponseOutput" "responseOutput,omitempty" Pointer(&Raw("v1.JSON")),
        "SuccessOutput" "successOutput,omitempty" Pointer(&Raw("v1.JSON")),
        "LastSuccessfulShas" "lastSuccessfulShas,omitempty" List(&Struct(&WEB_REQUEST_COMMIT_STATUS_LAST_SUCCESSFUL_SHA_ITEM)),
    }

    WEB_REQUEST_COMMIT_STATUS_STATUS: "v1alpha1.WebRequestCommitStatusStatus" {
        "ObservedGeneration" "observedGeneration,omitempty" Int64,
        "Environments" "environments,omitempty" List(&Struct(&WEB_REQUEST_COMMIT_STATUS_ENVIRONMENT_STATUS)),
        "PromotionStrategyContext" "promotionStrategyContext,omitempty" Pointer(&Struct(&WEB_REQUEST_COMMIT_STATUS_PROMOTION_STRATEGY_CONTEXT_STATUS)),
        "Conditions" "conditions,omitempty" List(&Struct(&CONDITION)),
        "InstanceID" "instanceID,omitempty" Pointer(&Text),
    }

    #[doc = "The kind `WebRequestCommitStatus`."]
    pub WEB_REQUEST_COMMIT_STATUS: "v1alpha1.WebRequestCommitStatus" embeds 2 {
        "TypeMeta" "" Struct(&TYPE_META),
        "ObjectMeta" "metadata" Struct(&OBJECT_META),
        "Spec" "spec" Struct(&WEB_REQUEST_COMMIT_STATUS_SPEC),
        "Status" "status,omitempty" Struct(&WEB_REQUEST_COMMIT_STATUS_STATUS),
    }

    COMMIT_STATUS_SELECTOR: "v1alpha1.CommitStatusSelector" {
        "Key" "key" Text,
    }

    ENVIRONMENT: "v1alpha1.Environment" {
        "Branch" "branch" Text,
        "AutoMerge" "autoMerge,omitempty" Pointer(&Bool),
        "ActiveCommitStatuses" "activeCommitStatuses,omitempty" List(&Struct(&COMMIT_STATUS_SELECTOR)),
        "ProposedCommitStatuses" "proposedCommitStatuses,omitempty" List(&Struct(&COMMIT_STATUS_SELECTOR)),
        "ActivePath" "activePath,omitempty" Text,
    }

    SCM_LABELS_SPEC: "v1alpha1.ScmLabelsSpec" {
        "Expression" "expression" Text,
    }

    PULL_REQUEST_POLICY_SPEC: "v1alpha1.PullRequestPolicySpec" {
        "Labels" "labels,omitempty" Pointer(&Struct(&SCM_LABELS_SPEC)),
    }

    PROMOTION_STRATEGY_SPEC: "v1alpha1.PromotionStrategySpec" {
        "RepositoryReference" "gitRepositoryRef" Struct(&OBJECT_REFERENCE),
        "ActiveCommitStatuses" "activeCommitStatuses,omitempty" List(&Struct(&COMMIT_STATUS_SELECTOR)),
        "ProposedCommitStatuses" "proposedCommitStatuses,omitempty" List(&Struct(&COMMIT_STATUS_SELECTOR)),
        "Environments" "environments" List(&Struct(&ENVIRONMENT)),
        "ActivePath" "activePath,omitempty" Text,
        "PullRequest" "pullRequest,omitempty" Pointer(&Struct(&PULL_REQUEST_POLICY_SPEC)),
    }

    COMMIT_METADATA: "v1alpha1.CommitMetadata" {
        "Author" "author,omitempty" Text,
        "Date" "date,omitempty" Pointer(&Time),
        "Subject" "subject,omitempty" Text,
        "Body" "body,omitempty" Text,
        "Sha" "sha,omitempty" Text,
        "RepoURL" "repoURL,omitempty" Text,
    }

    REVISION_REFERENCE: "v1alpha1.RevisionReference" {
        "Commit" "commit,omitempty" Pointer(&Struct(&COMMIT_METADATA)),
    }

    COMMIT_SHA_STATE: "v1alpha1.CommitShaState" {
        "Sha" "sha,omitempty" Text,
        "CommitTime" "commitTime,omitempty" Time,
        "RepoURL" "repoURL,omitempty" Text,
        "Author" "author,omitempty" Text,
        "Subject" "subject,omitempty" Text,
        "Body" "body,omitempty" Text,
        "References" "references,omitempty" List(&Struct(&REVISION_REFERENCE)),
    }

    HYDRATOR_METADATA: "v1alpha1.HydratorMetadata" {
        "RepoURL" "repoURL,omitempty" Text,
        "DrySha" "drySha,omitempty" Text,
        "Author" "author,omitempty" Text,
        "Date" "date,omitempty" Time,
        "Subject" "subject,omitempty" Text,
        "Body" "body,omitempty" Text,
        "References" "references,omitempty" List(&Struct(&REVISION_REFERENCE)),
    }

    CHANGE_REQUEST_POLICY_COMMIT_STATUS_PHASE: "v1alpha1.ChangeRequestPolicyCommitStatusPhase" {
        "Key" "key" Text,
        "Phase" "phase" Text,
        "Url" "url,omitempty" Text,
        "Description" "description,omitempty" Text,
    }

    COMMIT_BRANCH_STATE: "v1alpha1.CommitBranchState" {
        "Dry" "dry,omitempty" Struct(&COMMIT_SHA_STATE),
        "Hydrated" "hydrated,omitempty" Struct(&COMMIT_SHA_STATE),
        "Note" "note,omitempty" Pointer(&Struct(&HYDRATOR_METADATA)),
        "CommitStatuses" "commitStatuses,omitempty" List(&Struct(&CHANGE_REQUEST_POLICY_COMMIT_STATUS_PHASE)),
    }

    COMMIT_BRANCH_STATE_HISTORY_PROPOSED: "v1alpha1.CommitBranchStateHistoryProposed" {
        "Hydrated" "hydrated,omitempty" Struct(&COMMIT_SHA_STATE),
        "CommitStatuses" "commitStatuses,omitempty" List(&Struct(&CHANGE_REQUEST_POLICY_COMMIT_STATUS_PHASE)),
    }

    PULL_REQUEST_COMMON_STATUS: "v1alpha1.PullRequestCommonStatus" {
        "ID" "id,omitempty" Text,
        "State" "state,omitempty" Named("v1alpha1.PullRequestState"),
        "PRCreationTime" "prCreationTime,omitempty" Time,
        "PRMergeTime" "prMergeTime,omitempty" Time,
        "Url" "url,omitempty" Text,
        "ExternallyMergedOrClosed" "externallyMergedOrClosed,omitempty" Pointer(&Bool),
    }

    HEALTHY_DRY_SHAS: "v1alpha1.HealthyDryShas" {
        "Sha" "sha" Text,
        "Time" "time" Time,
    }

    HISTORY: "v1alpha1.History" {
        "Proposed" "proposed,omitempty" Struct(&COMMIT_BRANCH_STATE_HISTORY_PROPOSED),
        "Active" "active,omitempty" Struct(&COMMIT_BRANCH_STATE),
        "PullRequest" "pullRequest,omitempty" Pointer(&Struct(&PULL_REQUEST_COMMON_STATUS)),
    }

    ENVIRONMENT_STATUS: "v1alpha1.EnvironmentStatus" {
        "Branch" "branch" Text,
        "Proposed" "proposed" Struct(&COMMIT_BRANCH_STATE),
        "Active" "active" Struct(&COMMIT_BRANCH_STATE),
        "PullRequest" "pullRequest,omitempty" Pointer(&Struct(&PULL_REQUEST_COMMON_STATUS)),
        "LastHealthyDryShas" "lastHealthyDryShas" List(&Struct(&HEALTHY_DRY_SHAS)),
        "History" "history,omitempty" List(&Struct(&HISTORY)),
    }

    PROMOTION_STRATEGY_STATUS: "v1alpha1.PromotionStrategyStatus" {
        "ObservedGeneration" "observedGeneration,omitempty" Int64,
        "Environments" "environments" List(&Struct(&ENVIRONMENT_STATUS)),
        "Conditions" "conditions,omitempty" List(&Struct(&CONDITION)),
        "InstanceID" "instanceID,omitempty" Pointer(&Text),
    }

    #[doc = "The kind `PromotionStrategy`."]
    pub PROMOTION_STRATEGY: "v1alpha1.PromotionStrategy" embeds 2 {
        "TypeMeta" "" Struct(&TYPE_META),
        "ObjectMeta" "metadata" Struct(&OBJECT_META),
        "Spec" "spec" Struct(&PROMOTION_STRATEGY_SPEC),
        "Status" "status,omitempty" Struct(&PROMOTION_STRATEGY_STATUS),
    }
}

//! Field tables of the API types: Go name, JSON name, type. Made from the Go declarations.

use super::{Struct, Ty};

/// v1.TypeMeta
static TYPE_META: Struct = Struct {
    name: "v1.TypeMeta",
    embedded: 0,
    fields: &[("Kind", "kind,omitempty", Ty::Text), ("APIVersion", "apiVersion,omitempty", Ty::Text)],
};

/// v1.ObjectMeta
static OBJECT_META: Struct = Struct {
    name: "v1.ObjectMeta",
    embedded: 0,
    fields: &[
        ("Name", "name,omitempty", Ty::Text),
        ("GenerateName", "generateName,omitempty", Ty::Text),
        ("Namespace", "namespace,omitempty", Ty::Text),
        ("SelfLink", "selfLink,omitempty", Ty::Text),
        ("UID", "uid,omitempty", Ty::Named("types.UID")),
        ("ResourceVersion", "resourceVersion,omitempty", Ty::Text),
        ("Generation", "generation,omitempty", Ty::Int64),
        ("CreationTimestamp", "creationTimestamp", Ty::Time),
        ("DeletionTimestamp", "deletionTimestamp,omitempty", Ty::Pointer(&Ty::Time)),
        ("DeletionGracePeriodSeconds", "deletionGracePeriodSeconds,omitempty", Ty::Pointer(&Ty::Int64)),
        ("Labels", "labels,omitempty", Ty::Labels),
        ("Annotations", "annotations,omitempty", Ty::Labels),
        ("OwnerReferences", "ownerReferences,omitempty", Ty::List(&Ty::Struct(&OWNER_REFERENCE))),
        ("Finalizers", "finalizers,omitempty", Ty::List(&Ty::Text)),
    ],
};

/// v1.OwnerReference
static OWNER_REFERENCE: Struct = Struct {
    name: "v1.OwnerReference",
    embedded: 0,
    fields: &[
        ("APIVersion", "apiVersion", Ty::Text),
        ("Kind", "kind", Ty::Text),
        ("Name", "name", Ty::Text),
        ("UID", "uid", Ty::Named("types.UID")),
        ("Controller", "controller", Ty::Pointer(&Ty::Bool)),
        ("BlockOwnerDeletion", "blockOwnerDeletion", Ty::Pointer(&Ty::Bool)),
    ],
};

/// v1.Condition
static CONDITION: Struct = Struct {
    name: "v1.Condition",
    embedded: 0,
    fields: &[
        ("Type", "type", Ty::Text),
        ("Status", "status", Ty::Named("v1.ConditionStatus")),
        ("ObservedGeneration", "observedGeneration", Ty::Int64),
        ("LastTransitionTime", "lastTransitionTime", Ty::Time),
        ("Reason", "reason", Ty::Text),
        ("Message", "message", Ty::Text),
    ],
};

/// v1.JSON
static RAW_JSON: Struct = Struct { name: "v1.JSON", embedded: 0, fields: &[] };

/// v1alpha1.ObjectReference
static OBJECT_REFERENCE: Struct =
    Struct { name: "v1alpha1.ObjectReference", embedded: 0, fields: &[("Name", "name", Ty::Text)] };

/// v1alpha1.CommitStatusSelector
static COMMIT_STATUS_SELECTOR: Struct =
    Struct { name: "v1alpha1.CommitStatusSelector", embedded: 0, fields: &[("Key", "key", Ty::Text)] };

/// v1alpha1.Environment
static ENVIRONMENT: Struct = Struct {
    name: "v1alpha1.Environment",
    embedded: 0,
    fields: &[
        ("Branch", "branch", Ty::Text),
        ("AutoMerge", "autoMerge,omitempty", Ty::Pointer(&Ty::Bool)),
        ("ActiveCommitStatuses", "activeCommitStatuses,omitempty", Ty::List(&Ty::Struct(&COMMIT_STATUS_SELECTOR))),
        ("ProposedCommitStatuses", "proposedCommitStatuses,omitempty", Ty::List(&Ty::Struct(&COMMIT_STATUS_SELECTOR))),
    ],
};

/// v1alpha1.PromotionStrategySpec
static PROMOTION_STRATEGY_SPEC: Struct = Struct {
    name: "v1alpha1.PromotionStrategySpec",
    embedded: 0,
    fields: &[
        ("RepositoryReference", "gitRepositoryRef", Ty::Struct(&OBJECT_REFERENCE)),
        ("ActiveCommitStatuses", "activeCommitStatuses,omitempty", Ty::List(&Ty::Struct(&COMMIT_STATUS_SELECTOR))),
        ("ProposedCommitStatuses", "proposedCommitStatuses,omitempty", Ty::List(&Ty::Struct(&COMMIT_STATUS_SELECTOR))),
        ("Environments", "environments", Ty::List(&Ty::Struct(&ENVIRONMENT))),
    ],
};

/// v1alpha1.CommitStatusView
static COMMIT_STATUS_VIEW: Struct = Struct {
    name: "v1alpha1.CommitStatusView",
    embedded: 0,
    fields: &[
        ("Key", "key", Ty::Text),
        ("Phase", "phase", Ty::Text),
        ("Url", "url,omitempty", Ty::Text),
        ("Description", "description,omitempty", Ty::Text),
    ],
};

/// v1alpha1.CommitShaState
static COMMIT_SHA_STATE: Struct = Struct {
    name: "v1alpha1.CommitShaState",
    embedded: 0,
    fields: &[
        ("Sha", "sha,omitempty", Ty::Text),
        ("CommitTime", "commitTime,omitempty", Ty::Time),
        ("RepoURL", "repoURL,omitempty", Ty::Text),
        ("Author", "author,omitempty", Ty::Text),
        ("Subject", "subject,omitempty", Ty::Text),
        ("Body", "body,omitempty", Ty::Text),
    ],
};

/// v1alpha1.HydratorMetadata
static HYDRATOR_METADATA: Struct = Struct {
    name: "v1alpha1.HydratorMetadata",
    embedded: 0,
    fields: &[
        ("RepoURL", "repoURL,omitempty", Ty::Text),
        ("DrySha", "drySha,omitempty", Ty::Text),
        ("Author", "author,omitempty", Ty::Text),
        ("Date", "date,omitempty", Ty::Time),
        ("Subject", "subject,omitempty", Ty::Text),
    ],
};

/// v1alpha1.CommitBranchState
static COMMIT_BRANCH_STATE: Struct = Struct {
    name: "v1alpha1.CommitBranchState",
    embedded: 0,
    fields: &[
        ("Dry", "dry,omitempty", Ty::Struct(&COMMIT_SHA_STATE)),
        ("Hydrated", "hydrated,omitempty", Ty::Struct(&COMMIT_SHA_STATE)),
        ("Note", "note,omitempty", Ty::Pointer(&Ty::Struct(&HYDRATOR_METADATA))),
        ("CommitStatuses", "commitStatuses,omitempty", Ty::List(&Ty::Struct(&COMMIT_STATUS_VIEW))),
    ],
};

/// v1alpha1.PullRequestCommonStatus
static PULL_REQUEST_COMMON_STATUS: Struct = Struct {
    name: "v1alpha1.PullRequestCommonStatus",
    embedded: 0,
    fields: &[
        ("ID", "id,omitempty", Ty::Text),
        ("State", "state,omitempty", Ty::Named("v1alpha1.PullRequestState")),
        ("PRCreationTime", "prCreationTime,omitempty", Ty::Time),
        ("PRMergeTime", "prMergeTime,omitempty", Ty::Time),
        ("Url", "url,omitempty", Ty::Text),
        ("ExternallyMergedOrClosed", "externallyMergedOrClosed,omitempty", Ty::Pointer(&Ty::Bool)),
    ],
};

/// v1alpha1.HealthyDryShas
static HEALTHY_DRY_SHAS: Struct = Struct {
    name: "v1alpha1.HealthyDryShas",
    embedded: 0,
    fields: &[("Sha", "sha", Ty::Text), ("Time", "time", Ty::Time)],
};

/// v1alpha1.EnvironmentStatus
static ENVIRONMENT_STATUS: Struct = Struct {
    name: "v1alpha1.EnvironmentStatus",
    embedded: 0,
    fields: &[
        ("Branch", "branch", Ty::Text),
        ("Proposed", "proposed", Ty::Struct(&COMMIT_BRANCH_STATE)),
        ("Active", "active", Ty::Struct(&COMMIT_BRANCH_STATE)),
        ("PullRequest", "pullRequest,omitempty", Ty::Pointer(&Ty::Struct(&PULL_REQUEST_COMMON_STATUS))),
        ("LastHealthyDryShas", "lastHealthyDryShas", Ty::List(&Ty::Struct(&HEALTHY_DRY_SHAS))),
    ],
};

/// v1alpha1.PromotionStrategyStatus
static PROMOTION_STRATEGY_STATUS: Struct = Struct {
    name: "v1alpha1.PromotionStrategyStatus",
    embedded: 0,
    fields: &[
        ("ObservedGeneration", "observedGeneration,omitempty", Ty::Int64),
        ("Environments", "environments", Ty::List(&Ty::Struct(&ENVIRONMENT_STATUS))),
        ("Conditions", "conditions,omitempty", Ty::List(&Ty::Struct(&CONDITION))),
    ],
};

/// v1alpha1.PromotionStrategy
pub static PROMOTION_STRATEGY: Struct = Struct {
    name: "v1alpha1.PromotionStrategy",
    embedded: 2,
    fields: &[
        ("TypeMeta", "", Ty::Struct(&TYPE_META)),
        ("ObjectMeta", "metadata", Ty::Struct(&OBJECT_META)),
        ("Spec", "spec", Ty::Struct(&PROMOTION_STRATEGY_SPEC)),
        ("Status", "status,omitempty", Ty::Struct(&PROMOTION_STRATEGY_STATUS)),
    ],
};

/// v1alpha1.OutputSpec
static OUTPUT_SPEC: Struct =
    Struct { name: "v1alpha1.OutputSpec", embedded: 0, fields: &[("Expression", "expression", Ty::Text)] };

/// v1alpha1.WhenWithOutputSpec
static WHEN_WITH_OUTPUT_SPEC: Struct = Struct {
    name: "v1alpha1.WhenWithOutputSpec",
    embedded: 0,
    fields: &[
        ("Variables", "variables,omitempty", Ty::Pointer(&Ty::Struct(&OUTPUT_SPEC))),
        ("Expression", "expression", Ty::Text),
        ("Output", "output,omitempty", Ty::Pointer(&Ty::Struct(&OUTPUT_SPEC))),
    ],
};

/// v1alpha1.SuccessSpec
static SUCCESS_SPEC: Struct = Struct {
    name: "v1alpha1.SuccessSpec",
    embedded: 0,
    fields: &[("When", "when", Ty::Struct(&WHEN_WITH_OUTPUT_SPEC))],
};

/// v1alpha1.PollingModeSpec
static POLLING_MODE_SPEC: Struct = Struct {
    name: "v1alpha1.PollingModeSpec",
    embedded: 0,
    fields: &[("Interval", "interval,omitempty", Ty::Duration)],
};

/// v1alpha1.TriggerModeSpec
static TRIGGER_MODE_SPEC: Struct = Struct {
    name: "v1alpha1.TriggerModeSpec",
    embedded: 0,
    fields: &[
        ("RequeueDuration", "requeueDuration,omitempty", Ty::Duration),
        ("When", "when", Ty::Struct(&WHEN_WITH_OUTPUT_SPEC)),
    ],
};

/// v1alpha1.ModeSpec
static MODE_SPEC: Struct = Struct {
    name: "v1alpha1.ModeSpec",
    embedded: 0,
    fields: &[
        ("Polling", "polling,omitempty", Ty::Pointer(&Ty::Struct(&POLLING_MODE_SPEC))),
        ("Trigger", "trigger,omitempty", Ty::Pointer(&Ty::Struct(&TRIGGER_MODE_SPEC))),
        ("Context", "context,omitempty", Ty::Named("v1alpha1.ContextMode")),
    ],
};

/// v1alpha1.WebRequestCommitStatusSpec
static WEB_REQUEST_COMMIT_STATUS_SPEC: Struct = Struct {
    name: "v1alpha1.WebRequestCommitStatusSpec",
    embedded: 0,
    fields: &[
        ("PromotionStrategyRef", "promotionStrategyRef", Ty::Struct(&OBJECT_REFERENCE)),
        ("Key", "key", Ty::Text),
        ("DescriptionTemplate", "descriptionTemplate,omitempty", Ty::Text),
        ("ReportOn", "reportOn,omitempty", Ty::Text),
        ("Success", "success", Ty::Struct(&SUCCESS_SPEC)),
        ("Mode", "mode", Ty::Struct(&MODE_SPEC)),
    ],
};

/// v1alpha1.WebRequestCommitStatusEnvironmentStatus
static WEB_REQUEST_COMMIT_STATUS_ENVIRONMENT_STATUS: Struct = Struct {
    name: "v1alpha1.WebRequestCommitStatusEnvironmentStatus",
    embedded: 0,
    fields: &[
        ("Branch", "branch", Ty::Text),
        ("ReportedSha", "reportedSha,omitempty", Ty::Text),
        ("LastSuccessfulSha", "lastSuccessfulSha,omitempty", Ty::Text),
        ("Phase", "phase", Ty::Named("v1alpha1.CommitStatusPhase")),
        ("LastRequestTime", "lastRequestTime,omitempty", Ty::Pointer(&Ty::Time)),
        ("LastResponseStatusCode", "lastResponseStatusCode,omitempty", Ty::Pointer(&Ty::Int)),
        ("TriggerOutput", "triggerOutput,omitempty", Ty::Pointer(&Ty::Struct(&RAW_JSON))),
    ],
};

/// v1alpha1.PhasePerBranch
static PHASE_PER_BRANCH: Struct = Struct {
    name: "v1alpha1.PhasePerBranch",
    embedded: 0,
    fields: &[("Branch", "branch", Ty::Text), ("Phase", "phase", Ty::Named("v1alpha1.CommitStatusPhase"))],
};

/// v1alpha1.LastSuccessfulSha
static LAST_SUCCESSFUL_SHA: Struct = Struct {
    name: "v1alpha1.LastSuccessfulSha",
    embedded: 0,
    fields: &[("Branch", "branch", Ty::Text), ("LastSuccessfulSha", "lastSuccessfulSha,omitempty", Ty::Text)],
};

/// v1alpha1.WebRequestCommitStatusPromotionStrategyContextStatus
static WEB_REQUEST_COMMIT_STATUS_PROMOTION_STRATEGY_CONTEXT_STATUS: Struct = Struct {
    name: "v1alpha1.WebRequestCommitStatusPromotionStrategyContextStatus",
    embedded: 0,
    fields: &[
        ("PhasePerBranch", "phasePerBranch,omitempty", Ty::List(&Ty::Struct(&PHASE_PER_BRANCH))),
        ("LastRequestTime", "lastRequestTime,omitempty", Ty::Pointer(&Ty::Time)),
        ("LastResponseStatusCode", "lastResponseStatusCode,omitempty", Ty::Pointer(&Ty::Int)),
        ("LastSuccessfulShas", "lastSuccessfulShas,omitempty", Ty::List(&Ty::Struct(&LAST_SUCCESSFUL_SHA))),
    ],
};

/// v1alpha1.WebRequestCommitStatusStatus
static WEB_REQUEST_COMMIT_STATUS_STATUS: Struct = Struct {
    name: "v1alpha1.WebRequestCommitStatusStatus",
    embedded: 0,
    fields: &[
        ("ObservedGeneration", "observedGeneration,omitempty", Ty::Int64),
        (
            "Environments",
            "environments,omitempty",
            Ty::List(&Ty::Struct(&WEB_REQUEST_COMMIT_STATUS_ENVIRONMENT_STATUS)),
        ),
        (
            "PromotionStrategyContext",
            "promotionStrategyContext,omitempty",
            Ty::Pointer(&Ty::Struct(&WEB_REQUEST_COMMIT_STATUS_PROMOTION_STRATEGY_CONTEXT_STATUS)),
        ),
        ("Conditions", "conditions,omitempty", Ty::List(&Ty::Struct(&CONDITION))),
    ],
};

/// v1alpha1.WebRequestCommitStatus
pub static WEB_REQUEST_COMMIT_STATUS: Struct = Struct {
    name: "v1alpha1.WebRequestCommitStatus",
    embedded: 2,
    fields: &[
        ("TypeMeta", "", Ty::Struct(&TYPE_META)),
        ("ObjectMeta", "metadata", Ty::Struct(&OBJECT_META)),
        ("Spec", "spec", Ty::Struct(&WEB_REQUEST_COMMIT_STATUS_SPEC)),
        ("Status", "status,omitempty", Ty::Struct(&WEB_REQUEST_COMMIT_STATUS_STATUS)),
    ],
};

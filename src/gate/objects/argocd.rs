//! The table of the types, the part of `ArgoCDCommitStatus`.

use super::table::Ty::{Int64, Labels, List, Named, Pointer, Struct, Text, Time};
use super::table::{CONDITION, Field, GoStruct, OBJECT_META, OBJECT_REFERENCE, TYPE_META, go_structs};

go_structs! {
    LABEL_SELECTOR_REQUIREMENT: "v1.LabelSelectorRequirement" {
        "Key" "key" Text,
        "Operator" "operator" Named("v1.LabelSelectorOperator"),
        "Values" "values,omitempty" List(&Text),
    }

    LABEL_SELECTOR: "v1.LabelSelector" {
        "MatchLabels" "matchLabels,omitempty" Labels,
        "MatchExpressions" "matchExpressions,omitempty" List(&Struct(&LABEL_SELECTOR_REQUIREMENT)),
    }

    URL_CONFIG: "v1alpha1.URLConfig" {
        "Template" "template,omitempty" Text,
        "Options" "options,omitempty" List(&Text),
    }

    ARGOCD_COMMIT_STATUS_SPEC: "v1alpha1.ArgoCDCommitStatusSpec" {
        "PromotionStrategyRef" "promotionStrategyRef,omitempty" Struct(&OBJECT_REFERENCE),
        "Key" "key,omitempty" Text,
        "ApplicationSelector" "applicationSelector,omitempty" Pointer(&Struct(&LABEL_SELECTOR)),
        "URL" "url,omitempty" Struct(&URL_CONFIG),
    }

    APPLICATIONS_SELECTED: "v1alpha1.ApplicationsSelected" {
        "Namespace" "namespace" Text,
        "Name" "name" Text,
        "Phase" "phase" Named("v1alpha1.CommitStatusPhase"),
        "Sha" "sha" Text,
        "LastTransitionTime" "lastTransitionTime,omitempty" Pointer(&Time),
        "Environment" "environment" Text,
        "ClusterName" "clusterName" Text,
    }

    ARGOCD_COMMIT_STATUS_STATUS: "v1alpha1.ArgoCDCommitStatusStatus" {
        "ObservedGeneration" "observedGeneration,omitempty" Int64,
        "ApplicationsSelected" "applicationsSelected,omitempty" List(&Struct(&APPLICATIONS_SELECTED)),
        "Conditions" "conditions,omitempty" List(&Struct(&CONDITION)),
        "InstanceID" "instanceID,omitempty" Pointer(&Text),
    }

    #[doc = "The kind `ArgoCDCommitStatus`."]
    pub ARGOCD_COMMIT_STATUS: "v1alpha1.ArgoCDCommitStatus" embeds 2 {
        "TypeMeta" "" Struct(&TYPE_META),
        "ObjectMeta" "metadata,omitempty" Struct(&OBJECT_META),
        "Spec" "spec,omitempty" Struct(&ARGOCD_COMMIT_STATUS_SPEC),
        "Status" "status,omitempty" Struct(&ARGOCD_COMMIT_STATUS_STATUS),
    }
}

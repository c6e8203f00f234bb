//! What this process may not do on its cluster, asked once at the start and said once: under the Role of the Argo CD
//! notifications controller Gatepost works, with less.
//!
//! Nothing depends on the answers: each part meets its own refusal and goes on without.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::api::{Api, PostParams};

/// A right, and what goes without it.
struct Right {
    group: &'static str,
    resource: &'static str,
    verb: &'static str,
    without: &'static str,
}

const RIGHTS: [Right; 3] = [
    Right {
        group: "coordination.k8s.io",
        resource: "leases",
        verb: "update",
        without: "no Lease: nothing keeps a second Gatepost from sending the same; run one process only",
    },
    Right {
        group: "",
        resource: "events",
        verb: "create",
        without: "no Kubernetes Events: what owners should know is in the log only",
    },
    Right {
        group: "argoproj.io",
        resource: "notificationsconfigurations",
        verb: "watch",
        without: "a NotificationsConfiguration is not read: only the ConfigMap counts",
    },
];

/// What is limited, one sentence each. What has no answer is no limit. `lease`: its name, where one is wanted.
pub(super) async fn limits(client: kube::Client, namespace: &str, lease: Option<&str>) -> Vec<String> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client);
    let mut limits = Vec::new();
    for right in &RIGHTS {
        let name = match right.resource {
            "leases" if lease.is_none() => continue,
            // A Role may give the right to this one only.
            "leases" => lease,
            _ => None,
        };
        match reviews.create(&PostParams::default(), &review(right, namespace, name)).await {
            Ok(answer) if answer.status.as_ref().is_some_and(|status| !status.allowed) => {
                let Right { verb, resource, without, .. } = right;
                limits.push(format!("{without} (the Role has no {verb} on {resource})"));
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(error = %error, resource = right.resource, "failed to ask for a right"),
        }
    }
    limits
}

fn review(right: &Right, namespace: &str, name: Option<&str>) -> SelfSubjectAccessReview {
    let attributes = ResourceAttributes {
        group: Some(right.group.into()),
        resource: Some(right.resource.into()),
        verb: Some(right.verb.into()),
        namespace: Some(namespace.to_owned()),
        name: name.map(str::to_owned),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
    SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() }
}

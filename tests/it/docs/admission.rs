//! The admission sample: an API server takes it, and it refuses what it is there to refuse.

use super::ROOT;
use crate::env::{Namespace, PATIENCE, cluster, wait_until};
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use serde::Deserialize as _;
use serde_json::{Value as Json, json};

const PROMOTER: &str = "promoter.argoproj.io";

fn documents() -> Vec<Json> {
    let text = std::fs::read_to_string(format!("{ROOT}/config/samples/security/admission.yaml")).unwrap();
    serde_yaml_ng::Deserializer::from_str(&text).map(|document| Json::deserialize(document).unwrap()).collect()
}

fn resource(group: &str, version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

fn policies(client: &kube::Client, kind: &str) -> Api<DynamicObject> {
    let plural =
        if kind.ends_with("Binding") { "validatingadmissionpolicybindings" } else { "validatingadmissionpolicies" };
    Api::all_with(client.clone(), &resource("admissionregistration.k8s.io", "v1", kind, plural))
}

/// The sample for one namespace alone, under names of its own: the API server is that of all tests.
fn confined(namespace: &str) -> Vec<Json> {
    let mut all = documents();
    for document in &mut all {
        let name = format!("{}-{namespace}", document["metadata"]["name"].as_str().unwrap());
        document["metadata"]["name"] = json!(name);
        if document["kind"] == "ValidatingAdmissionPolicyBinding" {
            document["spec"]["policyName"] = json!(name);
            let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
            document["spec"]["matchResources"] = json!({"namespaceSelector": selector});
        }
    }
    all
}

/// A client of somebody whom RBAC lets do everything.
async fn client_of(user: &str, group: &str) -> kube::Client {
    let file = Kubeconfig::read_from(cluster().await.kubeconfig()).unwrap();
    let mut config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
    config.auth_info.impersonate = Some(user.to_owned());
    config.auth_info.impersonate_groups = Some(vec!["system:masters".to_owned(), group.to_owned()]);
    kube::Client::try_from(config).unwrap()
}

/// What the API server says to a new object, which is not kept.
async fn tried(
    client: &kube::Client,
    namespace: &Namespace,
    (kind, plural): (&str, &str),
    spec: Json,
) -> Result<(), String> {
    let api = Api::<DynamicObject>::namespaced_with(
        client.clone(),
        &namespace.name,
        &resource(PROMOTER, "v1alpha1", kind, plural),
    );
    let object =
        json!({"apiVersion": format!("{PROMOTER}/v1alpha1"), "kind": kind, "metadata": {"name": "x"}, "spec": spec});
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let done = api.create(&PostParams { dry_run: true, ..PostParams::default() }, &object).await;
    done.map(drop).map_err(|error| error.to_string())
}

fn gate(url: &str) -> Json {
    json!({
        "promotionStrategyRef": {"name": "s"}, "key": "k", "reportOn": "proposed",
        "httpRequest": {"urlTemplate": url, "methodTemplate": "GET"},
        "success": {"when": {"expression": "true"}}, "mode": {"polling": {"interval": "1m"}},
    })
}

const GATE: (&str, &str) = ("WebRequestCommitStatus", "webrequestcommitstatuses");
const STATUS: (&str, &str) = ("CommitStatus", "commitstatuses");

#[tokio::test]
async fn the_admission_sample_is_taken_by_an_api_server() {
    let client = cluster().await.client().await;
    for document in documents() {
        let api = policies(&client, document["kind"].as_str().unwrap());
        let params = PatchParams { dry_run: true, ..PatchParams::apply("gatepost-tests").force() };
        api.patch(document["metadata"]["name"].as_str().unwrap(), &params, &Patch::Apply(&document)).await.unwrap();
    }
}

#[tokio::test]
async fn the_admission_sample_refuses_what_it_is_there_to_refuse() {
    let namespace = cluster().await.namespace().await;
    let all = confined(&namespace.name);
    for document in &all {
        let api = policies(&namespace.client, document["kind"].as_str().unwrap());
        let params = PatchParams::apply("gatepost-tests").force();
        api.patch(document["metadata"]["name"].as_str().unwrap(), &params, &Patch::Apply(document)).await.unwrap();
    }
    let developer = client_of("dev", "developers").await;
    let platform = client_of("pat", "platform-engineers").await;
    let gatepost = client_of("system:serviceaccount:argocd:gatepost", "nobody").await;
    let good = "https://approvals.example.com/api/{{ .Branch }}";
    let status = json!({"gitRepositoryRef": {"name": "r"}, "sha": "a".repeat(40), "name": "n", "description": "", "phase": "success"});
    // Policies are in force a moment after they were written.
    wait_until("the last policy is in force", PATIENCE, || async {
        tried(&developer, &namespace, STATUS, status.clone()).await.is_err()
    })
    .await;
    wait_until("the first policy is in force", PATIENCE, || async {
        tried(&developer, &namespace, GATE, gate(good)).await.is_err()
    })
    .await;
    let other = gate("https://elsewhere.example.com/");
    wait_until("the second policy is in force", PATIENCE, || async {
        tried(&platform, &namespace, GATE, other.clone()).await.is_err()
    })
    .await;

    let refused = |result: Result<(), String>, said: &str| {
        let error = result.unwrap_err();
        assert!(error.contains(said), "{error}");
    };
    refused(tried(&developer, &namespace, GATE, gate(good)).await, "written by the platform team");
    refused(
        tried(&developer, &namespace, STATUS, status.clone()).await,
        "written by Gatepost and by the GitOps Promoter",
    );
    refused(
        tried(&platform, &namespace, GATE, other).await,
        "has to begin with https:// and one of approvals.example.com",
    );
    refused(tried(&platform, &namespace, GATE, gate("https://{{ .Branch }}/")).await, "has to begin with");
    refused(tried(&platform, &namespace, STATUS, status.clone()).await, "written by Gatepost");
    tried(&platform, &namespace, GATE, gate(good)).await.unwrap();
    tried(&gatepost, &namespace, STATUS, status).await.unwrap();
    for document in &all {
        let api = policies(&namespace.client, document["kind"].as_str().unwrap());
        api.delete(document["metadata"]["name"].as_str().unwrap(), &Default::default()).await.unwrap();
    }
}

//! Plays one scenario in a namespace of its own: objects, then steps; at each checkpoint what is there is compared.

use super::case::{Case, Tokens};
use super::compare;
use super::exceptions::Rule;
use super::script::{Pki, Script};
use crate::env::{Namespace, PATIENCE, cluster};
use k8s_openapi::api::core::v1::Namespace as KubeNamespace;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long nothing may change for a scenario to count as settled.
const QUIET: Duration = Duration::from_millis(900);
/// Time for the controller's watches between the objects and the gates, as when recording.
const HEAD_START: Duration = Duration::from_millis(300);

/// One scenario under way.
pub struct Scene {
    /// The scenario, tokens resolved.
    pub case: Case,
    /// What plays the external system.
    pub script: Script,
    namespace: Namespace,
    rule: Option<Rule>,
    checked: usize,
}

/// Plays a scenario to its end; the rule under which it differs on purpose, if one does.
pub async fn play(case: &Case, pki: &Pki) -> Result<Option<Rule>, String> {
    let namespace = cluster().await.namespace().await;
    let script = Script::start(pki).await;
    let tokens = tokens(&namespace, &script, pki).await;
    let case = case.resolved(&tokens);
    let rule = Rule::of(&case);
    script.play(case.list("httpScript"));
    let mut scene = Scene { case, script, namespace, rule, checked: 0 };
    let played = scene.run().await;
    // What is left over would go on asking servers that are gone.
    scene.delete_gates().await;
    played.map(|()| rule)
}

async fn tokens(namespace: &Namespace, script: &Script, pki: &Pki) -> Tokens {
    let closed = script.closed;
    Tokens(vec![
        ("@@SERVER@@", format!("http://{}", script.plain)),
        ("@@HOSTPORT@@", script.plain.to_string()),
        ("@@TLSHOSTPORT@@", script.tls.to_string()),
        ("@@TLS@@", format!("https://{}", script.tls)),
        ("@@CLOSEDHOSTPORT@@", closed.to_string()),
        ("@@CLOSED@@", format!("http://{closed}")),
        ("@@CA_CERT@@", pki.authority.clone()),
        ("@@CLIENT_CERT@@", pki.client.0.clone()),
        ("@@CLIENT_KEY@@", pki.client.1.clone()),
        ("@@NAMESPACE@@", namespace.name.clone()),
    ])
}

impl Scene {
    async fn run(&mut self) -> Result<(), String> {
        self.describe_namespace().await;
        let (gates, others): (Vec<_>, Vec<_>) = self
            .case
            .list("objects")
            .to_vec()
            .into_iter()
            .partition(|object| object["kind"] == "WebRequestCommitStatus");
        for object in &others {
            self.create(object).await?;
        }
        tokio::time::sleep(HEAD_START).await;
        for gate in &gates {
            self.create(gate).await?;
        }
        for step in self.case.list("steps").to_vec() {
            self.step(&step).await.map_err(|why| format!("at {step:.120}: {why}"))?;
        }
        if let Some(rule) = self.rule {
            return rule.check_requests(&self.case, &compare::requests(&self.script));
        }
        compare::same_requests(&self.case, &compare::requests(&self.script))?;
        self.same_events().await
    }

    async fn step(&mut self, step: &Value) -> Result<(), String> {
        let name = step["name"].as_str().unwrap_or_default();
        match step["op"].as_str().unwrap_or_default() {
            "settle" => self.settle().await,
            "sleep" => tokio::time::sleep(Duration::from_millis(step["ms"].as_u64().unwrap_or(0))).await,
            "waitRequests" => self.wait_requests(step["count"].as_u64().unwrap_or(0)).await?,
            "waitReady" => self.wait_ready(step["status"].as_str()).await?,
            "waitReadyAny" => self.wait_ready(None).await?,
            "checkpoint" => self.checkpoint().await?,
            "create" => return self.create_or_be_refused(step).await,
            "patch" => self.patch(&step["kind"], name, &step["patch"], false).await?,
            "patchStatus" => self.patch(&step["kind"], name, &json!({"status": step["status"]}), true).await?,
            "commitStatusReady" => self.child_ready(step).await?,
            other => return Err(format!("unknown step {other}")),
        }
        Ok(())
    }

    async fn describe_namespace(&self) {
        let wanted = &self.case.json["namespace"];
        let patch = json!({"metadata": {"labels": wanted["labels"], "annotations": wanted["annotations"]}});
        let api: Api<KubeNamespace> = Api::all(self.namespace.client.clone());
        api.patch(&self.namespace.name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }

    async fn create(&self, object: &Value) -> Result<(), String> {
        let kind = object["kind"].as_str().unwrap_or_default();
        let api = self.api(object["apiVersion"].as_str().unwrap_or_default(), kind);
        let wanted: DynamicObject = serde_json::from_value(object.clone()).map_err(|e| e.to_string())?;
        let made = api.create(&PostParams::default(), &wanted).await.map_err(|e| format!("{kind}: {e}"))?;
        if !object["status"].is_null() {
            let name = made.metadata.name.unwrap_or_default();
            self.patch(&object["kind"], &name, &json!({"status": object["status"]}), true).await?;
        }
        Ok(())
    }

    async fn create_or_be_refused(&self, step: &Value) -> Result<(), String> {
        let made = self.create(&step["object"]).await;
        if step["expectRejected"] != true {
            return made;
        }
        let expected = self.case.json["expected"]["rejected"]["message"].as_str().unwrap_or_default();
        let refusal = made.err().ok_or("was not rejected")?;
        // The name of the object and the list around the causes differ by the version of the API server.
        let cause = expected.rsplit(": ").next().unwrap_or_default();
        if refusal.contains(cause) { Ok(()) } else { Err(format!("rejected with {refusal}, expected {cause}")) }
    }

    async fn patch(&self, kind: &Value, name: &str, patch: &Value, status: bool) -> Result<(), String> {
        let api = self.promoter(kind.as_str().unwrap_or_default());
        let (parameters, patch) = (PatchParams::default(), Patch::Merge(patch));
        let patched = match status {
            true => api.patch_status(name, &parameters, &patch).await,
            false => api.patch(name, &parameters, &patch).await,
        };
        patched.map(drop).map_err(|e| format!("failed to patch {kind} {name}: {e}"))
    }

    async fn child_ready(&self, step: &Value) -> Result<(), String> {
        let branch = step["branch"].as_str().unwrap_or_default();
        let children = self.listed("CommitStatus").await;
        let child = children.iter().find(|child| {
            child.data["spec"]["name"].as_str().is_some_and(|name| name.ends_with(&format!("/{branch}")))
        });
        let metadata = &child.ok_or("no CommitStatus of that branch")?.metadata;
        let condition = json!({
            "type": "Ready", "status": step["status"], "reason": step["reason"], "message": step["message"],
            "observedGeneration": metadata.generation, "lastTransitionTime": "2026-01-02T03:04:05Z",
        });
        let patch = json!({"status": {"conditions": [condition]}});
        self.patch(&json!("CommitStatus"), metadata.name.as_deref().unwrap_or_default(), &patch, true).await
    }

    /// Waits until nothing changes, and every gate's spec has been looked at.
    async fn settle(&self) {
        let (mut last, mut since) = (self.fingerprint().await, Instant::now());
        let end = Instant::now() + PATIENCE;
        while (since.elapsed() < QUIET || !self.observed().await) && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let now = self.fingerprint().await;
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
    }

    async fn fingerprint(&self) -> (usize, Vec<Option<String>>) {
        let mut versions = Vec::new();
        for kind in ["CommitStatus", "WebRequestCommitStatus"] {
            versions.extend(self.listed(kind).await.into_iter().map(|object| object.metadata.resource_version));
        }
        (self.script.seen().len(), versions)
    }

    async fn observed(&self) -> bool {
        let gates = self.listed("WebRequestCommitStatus").await;
        gates.iter().all(|gate| gate.data["status"]["observedGeneration"].as_i64() == gate.metadata.generation)
    }

    async fn wait_requests(&self, count: u64) -> Result<(), String> {
        // A better outcome may need fewer.
        let count = self.rule.and_then(|rule| rule.requests(&self.case)).unwrap_or(count);
        let end = Instant::now() + PATIENCE;
        while (self.script.seen().len() as u64) < count {
            if Instant::now() > end {
                return Err(format!("{} requests instead of {count}", self.script.seen().len()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Waits for the Ready condition of every gate; any status with `None`.
    async fn wait_ready(&self, status: Option<&str>) -> Result<(), String> {
        let status = self.rule.map_or(status, |rule| rule.ready(&self.case, status));
        let end = Instant::now() + PATIENCE;
        loop {
            let gates = self.listed("WebRequestCommitStatus").await;
            let found: Vec<_> = gates.iter().map(|gate| compare::ready(&gate.data["status"]).clone()).collect();
            let is = |ready: &Value| !ready.is_null() && status.is_none_or(|status| ready["status"] == status);
            if found.iter().all(is) {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(format!("Ready is {found:?} instead of {status:?}"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Compares with the next recorded checkpoint; what is on its way is waited for.
    async fn checkpoint(&mut self) -> Result<(), String> {
        let nth = self.checked;
        self.checked += 1;
        let end = Instant::now() + PATIENCE;
        loop {
            let actual = self.snapshot().await;
            let same = match self.rule {
                Some(rule) => rule.check(&self.case, nth, &actual),
                None => compare::same(&self.case, &self.case.checkpoints()[nth], &actual),
            };
            match same {
                Ok(()) => return Ok(()),
                Err(why) if Instant::now() > end => {
                    let seen = self.script.seen();
                    let asked: Vec<_> =
                        seen.iter().map(|seen| format!("{} {}", seen.request.method, seen.request.path)).collect();
                    return Err(format!("{why}; asked {asked:?}"));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    /// What is there now, in the form of a recorded checkpoint.
    async fn snapshot(&self) -> Value {
        let mut children: Vec<Value> = self.listed("CommitStatus").await.iter().map(compare::child).collect();
        children.sort_by_key(|child| child["spec"]["name"].as_str().unwrap_or_default().to_owned());
        let mut gates: Vec<Value> = self.listed("WebRequestCommitStatus").await.iter().map(compare::gate).collect();
        gates.sort_by_key(|gate| gate["name"].as_str().unwrap_or_default().to_owned());
        json!({
            "requestsMade": self.script.seen().len(), "commitStatuses": children, "webRequestCommitStatuses": gates,
        })
    }

    /// At least the recorded reasons were told; Events come late.
    async fn same_events(&self) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let events = self.api("v1", "Event").list(&ListParams::default()).await.map_err(|e| e.to_string())?;
            let missing = compare::missing_events(&self.case, &events.items);
            if missing.is_empty() {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(format!("no Event {missing:?}"));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn delete_gates(&self) {
        let all = (Default::default(), ListParams::default());
        drop(self.promoter("WebRequestCommitStatus").delete_collection(&all.0, &all.1).await);
        drop(self.promoter("CommitStatus").delete_collection(&all.0, &all.1).await);
    }

    async fn listed(&self, kind: &str) -> Vec<DynamicObject> {
        let listed = self.promoter(kind).list(&ListParams::default()).await;
        listed.unwrap_or_else(|e| panic!("failed to list {kind}: {e}")).items
    }

    fn promoter(&self, kind: &str) -> Api<DynamicObject> {
        self.api("promoter.argoproj.io/v1alpha1", kind)
    }

    /// Without asking the API server for what it serves: that takes longer than many a scenario.
    fn api(&self, api_version: &str, kind: &str) -> Api<DynamicObject> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let plural = match kind {
            "CommitStatus" | "WebRequestCommitStatus" => format!("{}es", kind.to_lowercase()),
            "PromotionStrategy" => "promotionstrategies".to_owned(),
            "GitRepository" => "gitrepositories".to_owned(),
            other => format!("{}s", other.to_lowercase()),
        };
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), &plural);
        Api::namespaced_with(self.namespace.client.clone(), &self.namespace.name, &resource)
    }
}

//! Approvals by callback: memory of many waiting runs, callbacks while they wait, under a flood of bad client secrets and one after the
//! other as quickly as they are taken; and how long it takes until CommitStatuses say what callbacks said.

use crate::Options;
use crate::caller::{Caller, Sent};
use crate::env::{Namespace, Receiver, cluster, wait_until};
use crate::process::{self, Process};
use crate::report::{Report, quantile};
use futures::{StreamExt as _, stream};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Runs of one approval: as many as may be open.
const EACH: usize = 50;
/// Writers at once.
const WRITERS: usize = 16;
/// Callers at once, where it is about how many callbacks are taken.
const CALLERS: usize = 32;
/// Callers at once, where each waits for its CommitStatus.
const WAITING_CALLERS: usize = 256;
/// Callbacks whose time is taken while all others wait, one at a time.
const SINGLES: usize = 500;
/// Addresses that a flood comes from: each has limits of its own.
const FLOODERS: usize = 20;
/// Bad client secrets a minute.
const BAD_A_MINUTE: usize = 10_000;
/// Pause between two valid callbacks in a flood.
const VALID_PAUSE: Duration = Duration::from_millis(100);
/// What a valid callback may take in a flood, milliseconds.
const FLOOD_P99_MS: f64 = 50.0;
/// Callbacks a second that are to be taken.
const A_SECOND: f64 = 1_000.0;
const PATIENCE: Duration = Duration::from_secs(600);
const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;
const YES: &str = r#"{"success": true, "mdMessage": "all *good*"}"#;
const JSON: &str = "application/json";

/// Measures it.
pub async fn approvals(options: &Options, report: &mut Report) {
    let singles = SINGLES.min(options.runs);
    let valid = usize::try_from(u128::from(options.flood) * 1_000 / VALID_PAUSE.as_millis()).expect("a few");
    let scene = Scene::start(options).await;
    let mut runs = scene.opened(options.runs + singles + valid, report).await;
    scene.process.quiet().await;
    let what = format!("{} waiting runs", runs.len());
    report.add("gatepost", format!("{what}: RSS"), scene.process.sample().rss, "MiB", None);
    let took = scene.one_by_one(&runs.split_off(runs.len() - singles), Duration::ZERO).await;
    add_times(report, "a callback while they wait", &took, None);
    let (valid, runs) = runs.split_at(valid);
    scene.flood(valid, options.flood, report).await;
    scene.burst(runs, report).await;
    drop(scene);
    Scene::start(options).await.reported(options.reported, report).await;
}

fn add_times(report: &mut Report, what: &str, took: &[f64], p99: Option<f64>) {
    report.add("gatepost", format!("{what}, p50"), quantile(took, 0.5), "ms", None);
    report.add("gatepost", format!("{what}, p99"), quantile(took, 0.99), "ms", p99);
}

/// What the outside process was told: the run, and the token to answer it with.
struct Asked {
    run: String,
    token: String,
}

struct Scene {
    namespace: Namespace,
    outside: Receiver,
    process: Process,
    listener: SocketAddr,
}

impl Scene {
    async fn start(options: &Options) -> Self {
        let (namespace, outside) = (cluster().await.namespace().await, Receiver::start([]).await);
        let listener = SocketAddr::from((LOOPBACK, process::free_port()));
        let more =
            format!("[callbacks]\nbind = \"{listener}\"\nexternalUrl = \"http://{listener}\"\ncallerRate = 100000");
        let process = process::gatepost_with(&options.gatepost, cluster().await.kubeconfig(), &namespace.name, &more);
        process.ready().await;
        Self { namespace, outside, process, listener }
    }

    async fn approval(&self, name: &str, stage: &str, more: Value) {
        let body = r#"{"run": "{{ .Run.ID }}", "token": "{{ .Callback.Token }}"}"#;
        let mut spec = json!({"key": "tests", "stage": stage,
            "httpRequest": {"urlTemplate": format!("{}/start", self.outside.url()), "method": "POST", "bodyTemplate": body}});
        for (name, value) in more.as_object().expect("an object") {
            spec[name] = value.clone();
        }
        let approval = json!({"apiVersion": "gatepost.dev/v1alpha1", "kind": "WebhookApproval", "metadata": {"name": name}, "spec": spec});
        self.create("gatepost.dev/v1alpha1", "WebhookApproval", "webhookapprovals", approval).await;
    }

    /// Opens so many runs through the API, and waits until the outside process was told of all.
    async fn opened(&self, count: usize, report: &mut Report) -> Vec<Asked> {
        let token = self.token().await;
        for nth in 0..count.div_ceil(EACH) {
            self.approval(&format!("a{nth}"), "withinDeployment", json!({})).await;
        }
        self.process.quiet().await;
        let (next, began) = (AtomicUsize::new(0), Instant::now());
        let (next, token) = (&next, token.as_str());
        // Who asks the cluster about callers is limited by address.
        let addresses = (1..=8).map(|last| Ipv4Addr::new(127, 0, 1, last));
        let opening = addresses.map(|from| async move {
            let mut caller = Caller::connect(self.listener, from).await;
            loop {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                if nth >= count {
                    return;
                }
                let line = format!("PUT /api/v1/approvals/{}/a{}/runs/r{nth}", self.namespace.name, nth / EACH);
                let sent = Sent { line, bearer: token, kind: JSON, body: "" };
                loop {
                    match caller.send(&sent).await {
                        (200, _) => break,
                        (429 | 503, _) => tokio::time::sleep(Duration::from_millis(100)).await,
                        (status, body) => panic!("a run cannot be opened: {status} {body}"),
                    }
                }
            }
        });
        futures::future::join_all(opening).await;
        let asked = self.asked(count).await;
        report.add("gatepost", "runs opened and asked about", rate(count, began.elapsed()), "a second", None);
        asked
    }

    /// Waits until the outside process was told of so many runs, and each of them waits.
    async fn asked(&self, count: usize) -> Vec<Asked> {
        let told = self.outside.wait_for(count, PATIENCE).await;
        let told = told.iter().map(|request| request.json());
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        told.map(|told| Asked { run: text(&told["run"]), token: text(&told["token"]) }).collect()
    }

    /// A token of somebody who may open runs.
    async fn token(&self) -> String {
        let (group, name) = ("rbac.authorization.k8s.io", "opener");
        let rule = json!({"apiGroups": ["gatepost.dev"], "resources": ["webhookapprovals/runs"], "verbs": ["create"]});
        let subject = json!({"kind": "ServiceAccount", "name": name, "namespace": self.namespace.name});
        for manifest in [
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}),
            json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": {"name": name}, "rules": [rule]}),
            json!({"apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": {"name": name},
                "roleRef": {"apiGroup": group, "kind": "Role", "name": name}, "subjects": [subject]}),
        ] {
            self.namespace.apply(&manifest.to_string()).await;
        }
        let api: Api<ServiceAccount> = self.namespace.api();
        let spec = TokenRequestSpec { audiences: Some(vec!["gatepost".to_owned()]), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
        let made = api.create_token_request(name, &PostParams::default(), &request).await.expect("a token can be made");
        made.status.and_then(|status| status.token).expect("the token is in the answer")
    }

    /// Answers these runs one after the other; milliseconds of each, sorted.
    async fn one_by_one(&self, runs: &[Asked], pause: Duration) -> Vec<f64> {
        let mut caller = Caller::connect(self.listener, LOOPBACK).await;
        let mut took = Vec::with_capacity(runs.len());
        for run in runs {
            let began = Instant::now();
            assert_eq!(answer(&mut caller, run).await, 200);
            took.push(began.elapsed().as_secs_f64() * 1000.0);
            tokio::time::sleep(pause.saturating_sub(began.elapsed())).await;
        }
        took.sort_by(f64::total_cmp);
        took
    }

    /// Bad client secrets from many addresses, and valid callbacks among them.
    async fn flood(&self, valid: &[Asked], seconds: u32, report: &mut Report) {
        let (ends, judged) = (Instant::now() + Duration::from_secs(seconds.into()), AtomicUsize::new(0));
        let pause = Duration::from_secs(60).mul_f64(FLOODERS as f64 / BAD_A_MINUTE as f64);
        let (began, judged) = (Instant::now(), &judged);
        let flooding = (1..=FLOODERS).map(|last| async move {
            let from = Ipv4Addr::new(127, 0, 2, u8::try_from(last).expect("few"));
            let mut caller = Caller::connect(self.listener, from).await;
            let mut ticks = tokio::time::interval(pause);
            for nth in 0.. {
                ticks.tick().await;
                if Instant::now() >= ends {
                    return;
                }
                let client = format!("{}/client-{}", self.namespace.name, nth % 10);
                let body = format!("grant_type=client_credentials&client_id={client}&client_secret=guess-{last}-{nth}");
                let line = "POST /oauth/token".to_owned();
                let sent = Sent { line, bearer: "", kind: "application/x-www-form-urlencoded", body: &body };
                let (status, body) = caller.send(&sent).await;
                assert!(matches!(status, 401 | 429), "{status} {body}");
                judged.fetch_add(usize::from(status == 401), Ordering::Relaxed);
            }
        });
        let (_, took) = tokio::join!(futures::future::join_all(flooding), self.one_by_one(valid, VALID_PAUSE));
        let bad = rate(judged.load(Ordering::Relaxed), began.elapsed()) * 60.0;
        report.add("gatepost", format!("bad client secrets judged, of {BAD_A_MINUTE} a minute"), bad, "a minute", None);
        add_times(report, "a valid callback among them", &took, Some(FLOOD_P99_MS));
    }

    /// Answers all of these as quickly as they are taken.
    async fn burst(&self, runs: &[Asked], report: &mut Report) {
        let cpu = self.process.sample().cpu;
        let (took, statuses) = self.all_at_once(runs, CALLERS).await;
        assert!(statuses.iter().all(|status| *status == 200), "not all were taken");
        let what = format!("callbacks of {CALLERS} callers, decision durable");
        report.add_least("gatepost", what, rate(runs.len(), took), "a second", A_SECOND);
        let cores = (self.process.sample().cpu - cpu) / took.as_secs_f64();
        report.add("gatepost", "cores meanwhile", cores, "cores", None);
        report.add("gatepost", "RSS after them", self.process.sample().rss, "MiB", None);
        self.process.quiet().await;
        let cpu = self.process.sample().cpu - cpu;
        report.add("gatepost", "CPU for each, its status included", cpu * 1e6 / runs.len() as f64, "µs", None);
    }

    async fn all_at_once(&self, runs: &[Asked], callers: usize) -> (Duration, Vec<u16>) {
        let callers = (0..callers).map(|_| Caller::connect(self.listener, LOOPBACK));
        let callers: Vec<Caller> = futures::future::join_all(callers).await;
        let (next, began) = (AtomicUsize::new(0), Instant::now());
        let next = &next;
        let answering = callers.into_iter().map(|mut caller| async move {
            let mut statuses = Vec::new();
            while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                statuses.push(answer(&mut caller, run).await);
            }
            statuses
        });
        let statuses = futures::future::join_all(answering).await.concat();
        (began.elapsed(), statuses)
    }

    /// Runs of strategies: until the CommitStatuses say what the callbacks said, beside what the API server does by itself.
    async fn reported(&self, count: usize, report: &mut Report) {
        for nth in 0..count.div_ceil(EACH) {
            let name = format!("app{nth}");
            self.strategy(&name, EACH.min(count - nth * EACH)).await;
            self.approval(&name, "beforeDeployment", json!({"promotionStrategyRef": {"name": name}})).await;
        }
        let runs = self.asked(count).await;
        wait_until("all are reported", PATIENCE, || async { self.reports().await.len() == count }).await;
        self.process.quiet().await;
        let began = Instant::now();
        let (_, statuses) = self.all_at_once(&runs, WAITING_CALLERS).await;
        assert!(statuses.iter().all(|status| matches!(status, 200 | 202)), "not all were taken");
        // Whoever was answered 200 has its CommitStatus.
        if statuses.contains(&202) {
            let is_success = |object: &DynamicObject| object.data["spec"]["phase"] == "success";
            wait_until("all succeed", PATIENCE, || async { self.reports().await.iter().all(is_success) }).await;
        }
        let ours = rate(count, began.elapsed());
        self.process.quiet().await;
        let own = self.own_rate().await;
        let what = format!("callbacks of {count} runs until their CommitStatuses say so");
        report.add("gatepost", what, ours, "a second", None);
        report.add("API server", "the same patches, and nothing else", own, "a second", None);
        report.add("gatepost", "share of the API server's rate", ours / own, "times", None);
    }

    /// How many such patches the API server takes a second.
    async fn own_rate(&self) -> f64 {
        let (api, objects) = (self.commit_statuses(), self.reports().await);
        let mut took = Duration::ZERO;
        for phase in ["pending", "success"] {
            let began = Instant::now();
            let writes = objects.iter().map(|object| {
                let name = format!("own-{}", object.metadata.name.clone().unwrap_or_default());
                let mut spec = object.data["spec"].clone();
                spec["phase"] = json!(phase);
                let wanted = json!({"apiVersion": "promoter.argoproj.io/v1alpha1", "kind": "CommitStatus",
                    "metadata": {"name": name, "labels": object.metadata.labels}, "spec": spec});
                let api = api.clone();
                async move {
                    let parameters = PatchParams::apply("gatepost-bench").force();
                    api.patch(&name, &parameters, &Patch::Apply(&wanted)).await.expect("the patch is taken")
                }
            });
            stream::iter(writes).buffer_unordered(WRITERS).collect::<Vec<_>>().await;
            took = began.elapsed();
        }
        rate(objects.len(), took)
    }

    /// A strategy with so many environments, each with a proposed commit of its own.
    async fn strategy(&self, name: &str, environments: usize) {
        let branches: Vec<String> = (0..environments).map(|nth| format!("environment/{nth}")).collect();
        let listed: Vec<Value> = branches.iter().map(|branch| json!({"branch": branch})).collect();
        let version = "promoter.argoproj.io/v1alpha1";
        let strategy = json!({"apiVersion": version, "kind": "PromotionStrategy", "metadata": {"name": name}, "spec": {
            "gitRepositoryRef": {"name": "repo"}, "environments": listed, "proposedCommitStatuses": [{"key": "tests"}]}});
        self.create(version, "PromotionStrategy", "promotionstrategies", strategy).await;
        let shown = branches.iter().enumerate().map(|(nth, branch)| {
            let commit = json!({"sha": format!("{nth:040x}"), "commitTime": "2026-01-02T03:04:05Z"});
            let side = json!({"dry": commit, "hydrated": commit});
            json!({"branch": branch, "proposed": side, "active": side})
        });
        let status = json!({"status": {"environments": shown.collect::<Vec<_>>()}});
        let api = self.api(version, "PromotionStrategy", "promotionstrategies");
        let patched = api.patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await;
        patched.expect("the strategy's status can be written");
    }

    async fn reports(&self) -> Vec<DynamicObject> {
        let listed = self.commit_statuses().list(&ListParams::default()).await;
        listed.expect("CommitStatuses can be listed").items
    }

    fn commit_statuses(&self) -> Api<DynamicObject> {
        self.api("promoter.argoproj.io/v1alpha1", "CommitStatus", "commitstatuses")
    }

    async fn create(&self, version: &str, kind: &str, plural: &str, object: Value) {
        let object = serde_json::from_value(object).expect("an object");
        let made = self.api(version, kind, plural).create(&PostParams::default(), &object).await;
        made.unwrap_or_else(|error| panic!("failed to make a {kind}: {error}"));
    }

    fn api(&self, api_version: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
        let (group, version) = api_version.split_once('/').expect("a group");
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
        Api::namespaced_with(self.namespace.client.clone(), &self.namespace.name, &resource)
    }
}

async fn answer(caller: &mut Caller, run: &Asked) -> u16 {
    let line = format!("POST /callbacks/v1/runs/{}", run.run);
    let (status, body) = caller.send(&Sent { line, bearer: &run.token, kind: JSON, body: YES }).await;
    assert!(matches!(status, 200 | 202), "a callback was answered {status}: {body}");
    status
}

#[allow(clippy::cast_precision_loss)]
fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

//! Gates by request: memory of many, requests a second at a short interval, writes when nothing changed, and the time from a
//! strategy's new commit to the CommitStatus about it, one HTTP call between.

use crate::Options;
use crate::env::{Namespace, cluster, wait_until};
use crate::process::{self, Process};
use crate::report::{Report, quantile};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use gatepost::source::kubernetes;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

const API_VERSION: &str = "promoter.argoproj.io/v1alpha1";
const BRANCHES: [&str; 3] = ["environment/development", "environment/staging", "environment/production"];
/// Writers at once.
const WRITERS: usize = 16;
const PATIENCE: Duration = Duration::from_secs(300);
/// How long requests are counted.
const COUNTED: Duration = Duration::from_secs(20);
/// The GitOps Promoter's own figures, measured on an idle machine of two cores (RSS in MiB, requests a second, milliseconds).
const PEER_RSS: f64 = 57.3;
const PEER_MEDIAN_MS: f64 = 12.7;
const RSS: f64 = 30.0;
/// Commits of each strategy whose way is timed.
const SOON: usize = 100;
/// What a gate may take beyond a loop that watches and patches, milliseconds.
const ABOVE_BARE_MS: f64 = 5.0;
/// Of the requests that are due, how many may come late.
const LATE_SHARE: f64 = 1.0 / 30.0;

/// Answers every request alike, and counts.
struct Endpoint {
    url: String,
    asked: Arc<AtomicU64>,
    approves: Arc<AtomicBool>,
}

impl Endpoint {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
        let url = format!("http://{}", listener.local_addr().expect("the socket is bound"));
        let (asked, approves) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (count, answer) = (Arc::clone(&asked), Arc::clone(&approves));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer_all(stream, Arc::clone(&count), Arc::clone(&answer)));
            }
        });
        Self { url, asked, approves }
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

/// Requests have no body here: a head ends with an empty line.
async fn answer_all(stream: TcpStream, asked: Arc<AtomicU64>, approves: Arc<AtomicBool>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        if line.trim().is_empty() {
            asked.fetch_add(1, Ordering::Relaxed);
            let body = json!({"approved": approves.load(Ordering::Relaxed)}).to_string();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
            if stream.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
                return;
            }
        }
        line.clear();
    }
}

/// Measures it.
pub async fn gates(options: &Options, report: &mut Report) {
    let (namespace, endpoint) = (cluster().await.namespace().await, Endpoint::start().await);
    let more = format!("[gates]\nenabled = true\ninstanceId = \"{}\"", namespace.name);
    let process = process::gatepost_with(&options.gatepost, cluster().await.kubeconfig(), &namespace.name, &more);
    let objects = Objects { namespace, url: endpoint.url.clone() };
    let scene = Scene { objects, endpoint, process, gates: options.gates };
    scene.process.ready().await;
    scene.many(report).await;
    scene.often(report).await;
    scene.soon(report).await;
}

/// Makes so many gates with their strategies, for whoever handles this namespace; the endpoint that they ask does not approve.
pub async fn populate(namespace: &Namespace, gates: usize) {
    let namespace = Namespace { name: namespace.name.clone(), client: namespace.client.clone() };
    let objects = &Objects { namespace, url: Endpoint::start().await.url };
    let made = stream::iter(0..gates).map(|nth| async move {
        objects.strategy(&format!("app{nth}"), &BRANCHES, 1).await;
        objects.gate(nth, json!({"polling": {"interval": "1h"}})).await;
    });
    made.buffer_unordered(WRITERS).collect::<Vec<()>>().await;
}

struct Scene {
    objects: Objects,
    endpoint: Endpoint,
    process: Process,
    gates: usize,
}

impl Scene {
    async fn many(&self, report: &mut Report) {
        for nth in 0..self.gates {
            self.objects.strategy(&format!("app{nth}"), &BRANCHES, 1).await;
        }
        let began = Instant::now();
        let made =
            stream::iter(0..self.gates).map(|nth| self.objects.gate(nth, json!({"polling": {"interval": "1h"}})));
        made.buffer_unordered(WRITERS).collect::<Vec<_>>().await;
        let wanted = self.gates * BRANCHES.len();
        wait_until("all CommitStatuses", PATIENCE, || async { self.objects.versions().await.len() >= wanted }).await;
        let what = format!("{} gates with {} environments", self.gates, BRANCHES.len());
        report.add("gatepost", format!("{what}: until all say something"), began.elapsed().as_secs_f64(), "s", None);
        self.process.quiet().await;
        report.add("gatepost", format!("{what}: RSS (peer {PEER_RSS})"), self.process.sample().rss, "MiB", Some(RSS));
        let before = self.objects.versions().await;
        for nth in 0..self.gates {
            let touch = json!({"metadata": {"annotations": {"touched": "yes"}}});
            self.objects.patch("PromotionStrategy", "promotionstrategies", &format!("app{nth}"), &touch).await;
        }
        self.process.quiet().await;
        let after = self.objects.versions().await;
        let written = before.iter().zip(&after).filter(|(before, after)| before != after).count();
        #[allow(clippy::cast_precision_loss)]
        report.add("gatepost", "writes after a touch of every strategy", written as f64, "writes", Some(0.0));
    }

    /// Requests a second with an interval of one second, nothing approved.
    async fn often(&self, report: &mut Report) {
        for nth in 0..self.gates {
            let spec = json!({"spec": {"mode": {"polling": {"interval": "1s"}}}});
            self.objects
                .patch("WebRequestCommitStatus", "webrequestcommitstatuses", &format!("gate{nth}"), &spec)
                .await;
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
        let (asked, cpu) = (self.endpoint.asked(), self.process.sample().cpu);
        tokio::time::sleep(COUNTED).await;
        #[allow(clippy::cast_precision_loss)]
        let per_second = (self.endpoint.asked() - asked) as f64 / COUNTED.as_secs_f64();
        let cores = (self.process.sample().cpu - cpu) / COUNTED.as_secs_f64();
        report.add("gatepost", "requests at an interval of 1 s (peer 112.9)", per_second, "a second", None);
        #[allow(clippy::cast_precision_loss)]
        let due = (self.gates * BRANCHES.len()) as f64;
        report.add(
            "gatepost",
            format!("of {due} due, not asked"),
            due - per_second,
            "a second",
            Some(due * LATE_SHARE),
        );
        report.add("gatepost", "cores meanwhile", cores, "cores", None);
        report.add("gatepost", "RSS meanwhile", self.process.sample().rss, "MiB", Some(RSS));
        let gates = self.objects.api("WebRequestCommitStatus", "webrequestcommitstatuses");
        gates.delete_collection(&Default::default(), &ListParams::default()).await.expect("gates can be deleted");
        self.process.quiet().await;
    }

    /// A strategy's new commit to its CommitStatus, by a gate that asks its endpoint in between, and by a loop that only watches and patches.
    async fn soon(&self, report: &mut Report) {
        self.endpoint.approves.store(true, Ordering::Relaxed);
        self.objects.strategy("app0", &BRANCHES[..1], 1).await;
        let when = "find(PromotionStrategy.Status.Environments, {.Branch == Branch}).Proposed.Hydrated.Sha != (TriggerOutput[\"sha\"] ?? \"\")";
        let output = "{ sha: find(PromotionStrategy.Status.Environments, {.Branch == Branch}).Proposed.Hydrated.Sha }";
        let trigger = json!({"trigger": {"requeueDuration": "1h", "when": {"expression": when, "output": {"expression": output}}}});
        self.objects.gate(0, trigger).await;
        self.objects.strategy("bare", &BRANCHES[..1], 1).await;
        let bare = tokio::spawn(loop_without_a_gate(self.strategies(), self.children()));
        let [bare_took, took] = self.answered(["bare", "app0"]).await;
        bare.abort();
        let what = "a strategy's new commit to its CommitStatus";
        let (median, floor) = (quantile(&took, 0.5), quantile(&bare_took, 0.5));
        report.add(
            "gatepost",
            format!("{what}, median (peer {PEER_MEDIAN_MS})"),
            median,
            "ms",
            Some(floor + ABOVE_BARE_MS),
        );
        report.add("gatepost", format!("{what}, p95 (peer 30.1)"), quantile(&took, 0.95), "ms", None);
        report.add("bare loop", format!("{what}, median"), floor, "ms", None);
        report.add("bare loop", format!("{what}, p95"), quantile(&bare_took, 0.95), "ms", None);
    }

    /// Times from the PATCH of a strategy's status to the watch event of the CommitStatus about its commit, in order of length. The
    /// strategies take turns, so that what else the machine does costs both the same.
    async fn answered(&self, strategies: [&str; 2]) -> [Vec<f64>; 2] {
        let mut took = [Vec::new(), Vec::new()];
        for nth in 2..2 + SOON {
            for (strategy, took) in strategies.iter().zip(&mut took) {
                took.push(self.answered_once(strategy, nth).await);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        took.iter_mut().for_each(|took| took.sort_by(f64::total_cmp));
        took
    }

    async fn answered_once(&self, strategy: &str, nth: usize) -> f64 {
        let wanted = self.objects.sha(strategy, BRANCHES[0], nth);
        let mut watch = watched(&self.children()).await;
        let began = Instant::now();
        self.objects.strategy_status(strategy, &BRANCHES[..1], nth).await;
        while next_in(&mut watch).await.data["spec"]["sha"] != wanted {}
        began.elapsed().as_secs_f64() * 1000.0
    }

    fn strategies(&self) -> Api<DynamicObject> {
        self.objects.api("PromotionStrategy", "promotionstrategies")
    }

    fn children(&self) -> Api<DynamicObject> {
        self.objects.api("CommitStatus", "commitstatuses")
    }
}

/// Strategies and gates of one namespace.
struct Objects {
    namespace: Namespace,
    /// Whom the gates ask.
    url: String,
}

impl Objects {
    async fn strategy(&self, name: &str, branches: &[&str], nth: usize) {
        let environments: Vec<Value> = branches.iter().map(|branch| json!({"branch": branch})).collect();
        let strategy = json!({"apiVersion": API_VERSION, "kind": "PromotionStrategy", "metadata": {"name": name}, "spec": {
            "gitRepositoryRef": {"name": "repo"}, "environments": environments, "proposedCommitStatuses": [{"key": "gate"}]}});
        let api = self.api("PromotionStrategy", "promotionstrategies");
        let parameters = PatchParams::apply("gatepost-bench").force();
        api.patch(name, &parameters, &Patch::Apply(&strategy)).await.expect("the strategy can be made");
        self.strategy_status(name, branches, nth).await;
    }

    async fn strategy_status(&self, name: &str, branches: &[&str], nth: usize) {
        let side = |branch: &str| {
            let commit = json!({"sha": self.sha(name, branch, nth), "commitTime": "2026-01-02T03:04:05Z"});
            json!({"dry": commit, "hydrated": commit})
        };
        let environments: Vec<Value> = branches
            .iter()
            .map(|branch| json!({"branch": branch, "proposed": side(branch), "active": side(branch)}))
            .collect();
        let status = json!({"status": {"environments": environments}});
        let api = self.api("PromotionStrategy", "promotionstrategies");
        let patched = api.patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await;
        patched.expect("the strategy's status can be written");
    }

    async fn gate(&self, nth: usize, mode: Value) {
        let expression =
            "Response != nil ? Response.StatusCode == 200 && Response.Body.approved == true : Phase == \"success\"";
        let gate = json!({"apiVersion": API_VERSION, "kind": "WebRequestCommitStatus",
            "metadata": {"name": format!("gate{nth}"), "labels": {"promoter.argoproj.io/instance-id": self.namespace.name}},
            "spec": {"promotionStrategyRef": {"name": format!("app{nth}")}, "key": "gate", "mode": mode,
                "descriptionTemplate": "{{ .Branch }} {{ .Phase }}", "success": {"when": {"expression": expression}},
                "httpRequest": {"urlTemplate": format!("{}/check/{{{{ .Branch }}}}", self.url), "methodTemplate": "GET"}}});
        let gate = serde_json::from_value(gate).expect("a gate");
        let api = self.api("WebRequestCommitStatus", "webrequestcommitstatuses");
        api.create(&PostParams::default(), &gate).await.expect("the gate can be made");
    }

    async fn patch(&self, kind: &str, plural: &str, name: &str, patch: &Value) {
        let patched = self.api(kind, plural).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        patched.unwrap_or_else(|error| panic!("failed to patch {kind} {name}: {error}"));
    }

    /// Names and versions of the CommitStatuses.
    async fn versions(&self) -> Vec<(Option<String>, Option<String>)> {
        let listed = self.api("CommitStatus", "commitstatuses").list(&ListParams::default()).await;
        let items = listed.expect("CommitStatuses can be listed").items;
        items.into_iter().map(|object| (object.metadata.name, object.metadata.resource_version)).collect()
    }

    fn api(&self, kind: &str, plural: &str) -> Api<DynamicObject> {
        let resource = kubernetes::v1alpha1("promoter.argoproj.io", kind, plural);
        Api::namespaced_with(self.namespace.client.clone(), &self.namespace.name, &resource)
    }

    /// A commit of its own for each strategy, branch and turn, in the whole cluster.
    fn sha(&self, strategy: &str, branch: &str, nth: usize) -> String {
        use sha1::{Digest as _, Sha1};
        let digest = Sha1::digest(format!("{}/{strategy}/{branch}/{nth}", self.namespace.name));
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

type Watch = BoxStream<'static, kube::Result<WatchEvent<DynamicObject>>>;

/// What happens to these objects from now on.
async fn watched(api: &Api<DynamicObject>) -> Watch {
    let listed = api.list(&ListParams::default()).await.expect("objects can be listed");
    let from = listed.metadata.resource_version.unwrap_or_default();
    let api = api.clone();
    let watch = api.watch(&WatchParams::default(), &from).await.expect("objects can be watched");
    watch.boxed()
}

async fn next_in(watch: &mut Watch) -> DynamicObject {
    loop {
        let event = watch.try_next().await.expect("the watch goes on").expect("the watch does not end");
        if let WatchEvent::Added(object) | WatchEvent::Modified(object) = event {
            return object;
        }
    }
}

/// What no controller can be quicker than: it watches the strategy "bare" and answers each commit with one patch.
async fn loop_without_a_gate(strategies: Api<DynamicObject>, children: Api<DynamicObject>) {
    let mut watch = watched(&strategies).await;
    loop {
        let strategy = next_in(&mut watch).await;
        if strategy.metadata.name.as_deref() != Some("bare") {
            continue;
        }
        let sha = &strategy.data["status"]["environments"][0]["proposed"]["hydrated"]["sha"];
        let status = json!({"apiVersion": API_VERSION, "kind": "CommitStatus", "metadata": {"name": "bare"}, "spec": {
            "gitRepositoryRef": {"name": "repo"}, "sha": sha, "name": "bare", "description": "bare", "phase": "success"}});
        let parameters = PatchParams::apply("gatepost-bench").force();
        children.patch("bare", &parameters, &Patch::Apply(&status)).await.expect("the CommitStatus can be written");
    }
}

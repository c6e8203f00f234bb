//! The dashboard over many Applications and deliveries: how long the server takes for each page and each list of the API, how large they
//! are, and whether ten people who watch delay what is sent. A browser's part is played by a client with a session.

use crate::cluster::Fleet;
use crate::history::{Past, RARE_SERVICE, RARE_TRIGGER};
use crate::measure::{Singles, Subject};
use crate::process::{self, Process};
use crate::receiver::Receivers;
use crate::report::{Report, quantile};
use crate::{Options, env, gates};
use gatepost::gate::approval::ApprovalId;
use reqwest::Client;
use reqwest::header::{COOKIE, SET_COOKIE};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Longest that a page may take, milliseconds, and its largest size, KB.
const PAGE_MS: f64 = 200.0;
const PAGE_KB: f64 = 300.0;
/// How far in a page lies that somebody turned to: this share of the list.
const FAR: f64 = 0.7;
/// Who watches.
const WATCHERS: usize = 10;
/// What the median of a delivery's latency may be beside theirs, to that without them.
const DELAY: f64 = 1.2;
/// A page fetches itself anew at most so often (`gatepost.js`).
const REFRESH_PAUSE: Duration = Duration::from_secs(1);
/// The largest page of the API.
const LIST_MAX: u64 = 10_000;

/// Measures it.
pub async fn pages(options: &Options, fleet: &Fleet, receivers: &Receivers, report: &mut Report) {
    let namespace = &fleet.namespace.name;
    gates::populate(&fleet.namespace, options.gates).await;
    let folder = tempfile::tempdir().expect("a folder can be made");
    let applications = fleet.identities().await;
    let approval = approval(fleet).await;
    let past = Past { namespace, applications: &applications, deliveries: options.stored as u64, approval };
    let began = Instant::now();
    past.write(&process::store_in(folder.path())).await;
    eprintln!("a store with {} deliveries was made in {:.1?}", options.stored, began.elapsed());
    let port = process::free_port();
    let more = format!(
        "[gates]\nenabled = true\ninstanceId = \"{namespace}\"\n[callbacks]\nbind = \"127.0.0.1:{port}\"\nexternalUrl = \"http://127.0.0.1:{port}\""
    );
    let kubeconfig = env::cluster().await.kubeconfig();
    let process = process::gatepost_in(folder, &options.gatepost, kubeconfig, namespace, &more);
    process.ready().await;
    let subject = Subject { name: "gatepost", process, fleet, receivers };
    let browser = Browser::log_in(&subject.process).await;
    let size = format!("{} Applications and {} deliveries", options.apps, options.stored);
    report.add("gatepost", format!("RSS with {size}"), subject.process.sample().rss, "MiB", None);
    let Paths { all, own } = paths(&browser, options, &applications, namespace).await;
    for path in all {
        let name = own.iter().fold(path.clone(), |name, (of_this_run, word)| name.replace(of_this_run, word));
        browser.time((&name, &path), options.asks, report).await;
    }
    report.add("gatepost", "RSS after all pages", subject.process.sample().rss, "MiB", None);
    watched(options, &subject, &browser, report).await;
}

/// A `WebhookApproval` whose runs are opened through the API.
async fn approval(fleet: &Fleet) -> ApprovalId {
    let manifest = json!({
        "apiVersion": "gatepost.dev/v1alpha1", "kind": "WebhookApproval", "metadata": {"name": "release"},
        "spec": {"key": "release", "stage": "withinDeployment", "httpRequest": {"urlTemplate": "http://x.example", "method": "POST"}},
    });
    let made = fleet.namespace.apply(&manifest.to_string()).await.remove(0);
    let uid = made.metadata.uid.unwrap_or_default();
    ApprovalId { namespace: fleet.namespace.name.clone(), name: "release".into(), uid }
}

/// What is asked for.
struct Paths {
    /// The paths.
    all: Vec<String>,
    /// What in them is of this run only, and what the report says in its place.
    own: Vec<(String, &'static str)>,
}

/// Every page, and every list of the API.
async fn paths(browser: &Browser, options: &Options, applications: &[(String, String)], namespace: &str) -> Paths {
    let far = far_delivery(browser, options.stored).await;
    let first = |answer: Value, name: &str| answer["items"][0][name].as_str().expect("there is one").to_owned();
    let dead = first(browser.json("/api/v1/deliveries?state=dead&limit=1").await, "id");
    let run = first(browser.json("/api/v1/approvals/runs?limit=1").await, "id");
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let middle = &applications[(applications.len() as f64 * FAR) as usize].0;
    let app = format!("{namespace}/{middle}");
    let lists = [
        "status",
        "config",
        "decisions",
        "applications",
        "destinations",
        "gates",
        "approvals/runs",
        "series",
        "deliveries",
    ];
    let mut all: Vec<String> =
        ["/", "/applications", "/applications?q=bench-0", "/applications?q=nowhere"].map(str::to_owned).into();
    all.extend(["/applications?deliveries=failed", "/applications?health=Healthy&told=yes"].map(str::to_owned));
    all.push(format!("/applications?after={app}"));
    all.push(format!("/applications/{app}"));
    for filter in filters(&app) {
        all.push(format!("/deliveries{filter}"));
    }
    all.push(format!("/deliveries?after={far}"));
    all.push(format!("/deliveries?trigger=on-deployed&after={far}"));
    all.push(format!("/deliveries/{dead}"));
    all.extend(
        ["/dead-letters", "/dead-letters?service=broken-rejected&host=broken-rejected.example.com&reason=rejected"]
            .map(str::to_owned),
    );
    all.extend(["/destinations", "/configuration", "/gates", "/approvals"].map(str::to_owned));
    all.push(format!("/gates/{namespace}/gate0"));
    all.push(format!("/approvals/{run}"));
    all.extend(lists.map(|list| format!("/api/v1/{list}")));
    all.extend(filters(&app).into_iter().skip(1).map(|filter| format!("/api/v1/deliveries{filter}")));
    all.push(format!("/api/v1/deliveries?after={far}"));
    all.push(format!("/api/v1/applications?after={app}"));
    all.push(format!("/api/v1/applications/{app}"));
    let own = [(far, "FAR"), (dead, "DEAD"), (run, "RUN"), (app, "APP"), (namespace.to_owned(), "NAMESPACE")];
    Paths { all, own: own.into() }
}

/// What lists of deliveries are narrowed to: much, little and nothing, by one thing and by two.
fn filters(app: &str) -> Vec<String> {
    let states = ["dead", "delivered", "waiting", "prepared,claimed,waiting", "superseded", "takenOver"];
    let mut all = vec![String::new()];
    all.extend(states.map(|state| format!("?state={state}")));
    all.extend(["on-deployed", RARE_TRIGGER, "on-nothing"].map(|trigger| format!("?trigger={trigger}")));
    all.extend(["team-3", RARE_SERVICE, "nobody"].map(|service| format!("?service={service}")));
    all.push(format!("?trigger={RARE_TRIGGER}&state=delivered"));
    all.push(format!("?service={RARE_SERVICE}&state=dead"));
    all.push(format!("?trigger={RARE_TRIGGER}&service={RARE_SERVICE}"));
    all.push(format!("?app={app}"));
    all.push(format!("?app={app}&trigger={RARE_TRIGGER}&state=dead"));
    all
}

/// A delivery that most others are newer than.
async fn far_delivery(browser: &Browser, stored: usize) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let mut left = (stored as f64 * FAR) as u64;
    let mut after = String::new();
    while left > 0 {
        let limit = left.min(LIST_MAX);
        let page = browser.json(&format!("/api/v1/deliveries?limit={limit}{after}")).await;
        let last = page["items"].as_array().and_then(|items| items.last()).expect("there are so many");
        after = format!("&after={}", last["id"].as_str().expect("an id"));
        left -= limit;
    }
    after.split_once('=').map(|(_, id)| id.to_owned()).unwrap_or_default()
}

/// Single changes, first with nobody who looks, then with those who watch.
async fn watched(options: &Options, subject: &Subject<'_>, browser: &Browser, report: &mut Report) {
    subject.process.quiet().await;
    let alone = Singles { what: "one change, nobody watches", mark: "alone", hanging: 0 };
    let alone = subject.singles(options, report, &alone).await;
    let fetched = Arc::<AtomicU64>::default();
    let pages = ["/", "/deliveries", "/applications", "/destinations", "/dead-letters"];
    let watchers: Vec<JoinHandle<()>> = pages
        .into_iter()
        .cycle()
        .take(WATCHERS)
        .map(|page| tokio::spawn(watch(browser.clone(), page, Arc::clone(&fetched))))
        .collect();
    env::wait_until("everybody watches", Duration::from_secs(30), || async {
        fetched.load(Ordering::Relaxed) >= WATCHERS as u64
    })
    .await;
    let (before, began) = (fetched.load(Ordering::Relaxed), Instant::now());
    let what = format!("one change, {WATCHERS} browsers watch");
    let beside = subject.singles(options, report, &Singles { what: &what, mark: "watched", hanging: 0 }).await;
    #[allow(clippy::cast_precision_loss)]
    let rate = (fetched.load(Ordering::Relaxed) - before) as f64 / began.elapsed().as_secs_f64();
    report.add("gatepost", "pages that they fetched meanwhile", rate, "a second", None);
    report.add("gatepost", "the median beside them to that without", beside / alone.max(0.01), "times", Some(DELAY));
    watchers.iter().for_each(JoinHandle::abort);
}

/// What a page's script does: hears that something changed and fetches the page anew, at most once a second.
async fn watch(browser: Browser, page: &'static str, fetched: Arc<AtomicU64>) {
    let mut stream = browser.ask("/api/v1/stream").await;
    let mut last: Option<Instant> = None;
    // The first words are answered with a fetch, too: something may have changed before the line stood.
    while let Some(words) = stream.chunk().await.expect("the stream goes on") {
        if words.starts_with(b": still") {
            continue;
        }
        if let Some(last) = last {
            tokio::time::sleep(REFRESH_PAUSE.saturating_sub(last.elapsed())).await;
        }
        last = Some(Instant::now());
        browser.fetch(page).await;
        fetched.fetch_add(1, Ordering::Relaxed);
    }
}

/// A client that stays where a login would lead on, as the cookie is in that answer.
#[allow(clippy::disallowed_methods)]
fn without_redirects() -> Client {
    // Installed by whoever asked first.
    drop(env::client());
    let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    client.build().expect("a client without special settings builds")
}

/// Somebody who is logged in.
#[derive(Clone)]
struct Browser {
    client: Client,
    base: String,
    cookie: String,
}

impl Browser {
    /// Logs in as the page for it does, with the token of this machine.
    async fn log_in(process: &Process) -> Self {
        let client = without_redirects();
        let base = format!("http://127.0.0.1:{}", process.api);
        let token = gatepost::server::auth::local_token(process.api).expect("the process has left its token");
        let form = [("token", token.as_str()), ("next", "/")];
        let asked = client.post(format!("{base}/login")).header("Origin", &base).form(&form);
        let answer = asked.send().await.expect("the login is answered");
        let cookie = answer.headers().get(SET_COOKIE).and_then(|value| value.to_str().ok()).expect("a session");
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Self { client, base, cookie }
    }

    async fn ask(&self, path: &str) -> reqwest::Response {
        let asked = self.client.get(format!("{}{path}", self.base)).header(COOKIE, &self.cookie);
        let answer = asked.send().await.expect("the server answers");
        assert!(answer.status() == 200, "{path} is answered with {}", answer.status());
        answer
    }

    #[allow(clippy::disallowed_methods)]
    async fn fetch(&self, path: &str) -> bytes::Bytes {
        self.ask(path).await.bytes().await.expect("the body arrives")
    }

    async fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.fetch(path).await).expect("the body is JSON")
    }

    /// From the request to the last byte, again and again.
    async fn time(&self, (name, path): (&str, &str), asks: usize, report: &mut Report) {
        let (mut took, mut largest) = (Vec::with_capacity(asks), 0);
        for _ in 0..asks {
            let began = Instant::now();
            let body = self.fetch(path).await;
            took.push(began.elapsed().as_secs_f64() * 1000.0);
            largest = largest.max(body.len());
        }
        took.sort_by(f64::total_cmp);
        report.add("gatepost", format!("{name}: median"), quantile(&took, 0.5), "ms", None);
        report.add("gatepost", format!("{name}: worst of {asks}"), quantile(&took, 1.0), "ms", Some(PAGE_MS));
        #[allow(clippy::cast_precision_loss)]
        report.add("gatepost", format!("{name}: size"), largest as f64 / 1000.0, "KB", Some(PAGE_KB));
    }
}

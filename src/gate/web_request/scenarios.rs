//! The recorded scenarios of `tests/vectors/gates`, played without a cluster: what needs no network and no API server.
//!
//! An exception is a rule: what it covers, and what is better there.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::testing::World;
use super::{Answer, AskError, RenderedRequest};
use crate::gate::status::Condition;
use serde_json::{Map, Value as Json, json};
use std::path::PathBuf;
use std::time::Duration;

const SERVER: &str = "http://server.test";

/// One scenario with a world for each of its gates.
struct Play {
    scenario: Json,
    worlds: Vec<World>,
    complaints: Vec<String>,
}

/// A deliberate difference: which scenarios it covers and what holds there instead.
struct Exception {
    covers: fn(&Json) -> bool,
    better: fn(&Play) -> bool,
}

const EXCEPTIONS: &[Exception] = &[
    // A new commit inside the polling interval is asked about at once.
    Exception {
        covers: |scenario| is_polling(scenario) && commits_move(scenario),
        better: |play| play.worlds[0].requests.len() > recorded_requests(&play.scenario),
    },
    // A success that a trigger did not ask for does not pass to another commit.
    Exception {
        covers: |scenario| !is_polling(scenario) && commits_move(scenario),
        better: |play| play.worlds[0].commit_statuses.values().any(|commit| commit["spec"]["phase"] == "pending"),
    },
    // A finished gate keeps the texts that it had.
    Exception {
        covers: |scenario| scenario.to_string().contains("<no value> (success)"),
        better: |play| play.worlds[0].commit_statuses.values().all(|commit| !commit.to_string().contains("<no value>")),
    },
    // One environment's failure leaves the others, and what was stored, as they are.
    Exception {
        covers: |scenario| !is_shared(scenario) && fails(scenario),
        better: |play| {
            let world = &play.worlds[0];
            let environments = world.strategy.as_ref().unwrap()["spec"]["environments"].as_array().unwrap();
            world.status()["environments"].as_array().is_some_and(|kept| kept.len() == environments.len())
        },
    },
];

fn is_polling(scenario: &Json) -> bool {
    any_object(scenario, |object| object.pointer("/spec/mode/polling").is_some())
}

fn is_shared(scenario: &Json) -> bool {
    any_object(scenario, |object| object.pointer("/spec/mode/context").is_some_and(|of| of == "promotionstrategy"))
}

fn any_object(scenario: &Json, holds: impl Fn(&Json) -> bool) -> bool {
    scenario["objects"].as_array().unwrap().iter().any(holds)
}

/// Whether a proposed commit is another one later.
fn commits_move(scenario: &Json) -> bool {
    let commits = |status: &Json| -> Vec<Json> {
        let environments = status["environments"].as_array().into_iter().flatten();
        environments.map(|of| json!([of["branch"], of["proposed"]["hydrated"]["sha"]])).collect()
    };
    let objects = scenario["objects"].as_array().unwrap();
    let first = objects.iter().find(|object| object["kind"] == "PromotionStrategy");
    let first = first.map(|strategy| commits(&strategy["status"])).unwrap_or_default();
    let steps = scenario["steps"].as_array().unwrap().iter().filter(|step| step["op"] == "patchStatus");
    steps.map(|step| commits(&step["status"])).any(|later| later != first)
}

fn fails(scenario: &Json) -> bool {
    scenario["expected"].to_string().contains("ReconciliationError")
}

fn recorded_requests(scenario: &Json) -> usize {
    scenario["expected"]["requests"].as_array().map_or(0, Vec::len)
}

fn tagged(scenario: &Json, tag: &str) -> bool {
    scenario["tags"].as_array().unwrap().iter().any(|t| t == tag)
}

/// What only a real network or API server can answer.
fn needs_a_cluster(scenario: &Json) -> bool {
    let text = scenario.to_string();
    ["admission", "auth", "redirect"].into_iter().any(|tag| tagged(scenario, tag))
        || text.contains("@@TLS@@")
        || text.contains("\"Location\"")
        || tagged(scenario, "url")
}

impl Play {
    fn new(scenario: Json) -> Self {
        let objects = scenario["objects"].as_array().unwrap();
        let strategy = objects.iter().find(|object| object["kind"] == "PromotionStrategy");
        let gates = objects.iter().filter(|object| object["kind"] == "WebRequestCommitStatus");
        let worlds = gates.map(|gate| Self::world(&scenario, gate, strategy)).collect();
        Self { scenario, worlds, complaints: Vec::new() }
    }
    fn world(scenario: &Json, gate: &Json, strategy: Option<&Json>) -> World {
        let text = gate.to_string().replace("@@SERVER@@", SERVER).replace("@@CLOSED@@", "http://closed.test");
        let mut gate: Json = serde_json::from_str(&text).unwrap();
        gate["metadata"]["generation"] = json!(1);
        let timeout = gate.pointer("/spec/httpRequest/timeout").and_then(Json::as_str).unwrap_or("30s").to_owned();
        let mut world = World::new(gate, Json::Null);
        world.strategy = strategy.cloned();
        let labels = |field: &str| {
            let entries = scenario["namespace"][field].as_object().cloned().unwrap_or_default();
            entries.into_iter().map(|(name, value)| (name, value.as_str().unwrap().to_owned())).collect()
        };
        world.namespace.labels = labels("labels");
        world.namespace.annotations = labels("annotations");
        let mut rules: Vec<(Json, u64)> =
            scenario["httpScript"].as_array().unwrap().iter().map(|rule| (rule.clone(), 0)).collect();
        world.answering(move |request| respond(&mut rules, request, &timeout))
    }
    fn run(mut self) -> Self {
        self.look_all();
        for step in self.scenario["steps"].as_array().unwrap().clone() {
            self.step(&step);
        }
        let recorded = self.scenario["expected"]["requests"].as_array().cloned().unwrap_or_default();
        self.compare_requests(&recorded);
        self
    }
    fn look_all(&mut self) {
        for world in &mut self.worlds {
            world.look();
        }
    }
    /// Looks when the gates' own timers say so, until something holds or the time is over.
    fn until(&mut self, most: Duration, done: impl Fn(&Self) -> bool) {
        let end = self.worlds[0].now.add(i64::try_from(most.as_nanos()).unwrap());
        while !done(self) {
            let due = |world: &World| world.last.requeue_after.map(|wait| world.now.add(wait.as_nanos() as i64));
            let Some(next) = self.worlds.iter().filter_map(due).min_by(gatepost_value::Time::compare) else { break };
            if next.compare(&end).is_gt() {
                self.worlds.iter_mut().for_each(|world| world.now = end.clone());
                break;
            }
            for world in &mut self.worlds {
                let at = due(world);
                world.now = next.clone();
                if at.is_some_and(|at| at.compare(&next).is_le()) {
                    world.look();
                }
            }
        }
    }
    fn step(&mut self, step: &Json) {
        let text = |name: &str| step[name].as_str().unwrap_or_default();
        match text("op") {
            "settle" | "waitReadyAny" => self.until(Duration::from_millis(900), |_| false),
            "sleep" => self.until(Duration::from_millis(step["ms"].as_u64().unwrap()), |_| false),
            "waitRequests" => {
                let wanted = step["count"].as_u64().unwrap() as usize;
                let most = Duration::from_millis(step["timeoutMs"].as_u64().unwrap());
                self.until(most, |play| play.worlds.iter().map(|w| w.requests.len()).sum::<usize>() >= wanted);
            }
            "waitReady" => {
                let wanted = text("status").to_owned();
                self.until(Duration::from_secs(10), |play| play.worlds.iter().all(|w| w.ready_now().0 == wanted));
            }
            "checkpoint" => self.checkpoint(text("name")),
            "create" => {
                self.worlds.iter_mut().for_each(|world| world.strategy = Some(step["object"].clone()));
                self.look_all();
            }
            "patch" => {
                let patch = serde_json::from_str(&step["patch"].to_string().replace("@@SERVER@@", SERVER)).unwrap();
                self.patch(text("kind"), text("name"), &patch);
                self.look_all();
            }
            "patchStatus" => {
                for world in &mut self.worlds {
                    json_patch::merge(&mut world.strategy.as_mut().unwrap()["status"], &step["status"]);
                }
                self.look_all();
            }
            "commitStatusReady" => {
                let world = &mut self.worlds[0];
                let name = crate::gate::names::commit_status("gate", text("branch"));
                let condition = Condition {
                    kind: "Ready".into(),
                    status: text("status").into(),
                    reason: text("reason").into(),
                    message: text("message").into(),
                    observed_generation: 1,
                    ..Condition::default()
                };
                world.children.insert(name, condition);
            }
            other => panic!("no step {other}"),
        }
    }
    fn patch(&mut self, kind: &str, name: &str, patch: &Json) {
        if kind == "PromotionStrategy" {
            self.worlds.iter_mut().for_each(|world| json_patch::merge(world.strategy.as_mut().unwrap(), patch));
            return;
        }
        let world = self.worlds.iter_mut().find(|world| world.gate["metadata"]["name"] == name).unwrap();
        json_patch::merge(&mut world.gate, patch);
        let generation = world.gate["metadata"]["generation"].as_i64().unwrap();
        world.gate["metadata"]["generation"] = json!(generation + 1);
    }
    fn complain(&mut self, what: &str, got: &impl std::fmt::Debug, want: &impl std::fmt::Debug) {
        self.complaints.push(format!("{what}\n   got  {got:?}\n   want {want:?}"));
    }
    fn checkpoint(&mut self, name: &str) {
        let checkpoints = self.scenario["expected"]["checkpoints"].as_array().unwrap().clone();
        let expected = checkpoints.iter().find(|checkpoint| checkpoint["name"] == name).unwrap();
        let made: u64 = self.worlds.iter().map(|world| seen(world).count() as u64).sum();
        let wanted = expected["requestsMade"].as_u64().unwrap();
        if made < wanted || made > wanted && self.scenario["timing"] != "atLeast" {
            self.complain(&format!("{name}: requests"), &made, &wanted);
        }
        let part =
            |of: &Json| json!({"name": of["metadata"]["name"], "labels": of["metadata"]["labels"], "spec": of["spec"]});
        let mut got: Vec<_> = self.worlds.iter().flat_map(|world| world.commit_statuses.values().map(part)).collect();
        got.sort_by_key(|of| of["spec"]["name"].as_str().unwrap().to_owned());
        let flat = |of: &Json| json!({"name": of["name"], "labels": of["labels"], "spec": of["spec"]});
        let want: Vec<_> = expected["commitStatuses"].as_array().unwrap().iter().map(flat).collect();
        if got != want {
            self.complain(&format!("{name}: CommitStatuses"), &got, &want);
        }
        for want in expected["webRequestCommitStatuses"].as_array().unwrap() {
            self.compare_status(name, want);
        }
    }
    fn compare_status(&mut self, checkpoint: &str, want: &Json) {
        let world = self.worlds.iter().find(|world| world.gate["metadata"]["name"] == want["name"]).unwrap();
        let mut got = world.status();
        let (ready, reason, message) = world.ready_now();
        let mut want = want["status"].clone();
        let condition = want["conditions"][0].clone();
        for status in [&mut got, &mut want] {
            status.as_object_mut().unwrap().remove("conditions");
            without_times(status);
        }
        if got != want {
            self.complain(&format!("{checkpoint}: status"), &got, &want);
        }
        let (want_ready, want_reason) = (condition["status"].as_str().unwrap(), condition["reason"].as_str().unwrap());
        if (ready.as_str(), reason.as_str()) != (want_ready, want_reason) {
            self.complain(&format!("{checkpoint}: Ready"), &(&ready, &reason, &message), &condition);
        }
        let wanted = condition["message"].as_str().unwrap();
        // The innermost cause is what people search for.
        let tail = tail(wanted).replace("@@SERVER@@", SERVER).replace("@@CLOSED@@", "http://closed.test");
        if !message.contains(&tail) {
            self.complain(&format!("{checkpoint}: message"), &message, &tail);
        }
    }
    fn compare_requests(&mut self, recorded: &[Json]) {
        let mut made: Vec<_> = self.worlds.iter().flat_map(seen).map(shown).collect();
        let mut want: Vec<_> = recorded.iter().map(recorded_request).collect();
        if self.scenario["requestsUnordered"] == true {
            made.sort();
            want.sort();
        }
        if self.scenario["timing"] == "atLeast" {
            made.truncate(want.len());
        }
        if made != want {
            self.complain("requests", &made, &want);
        }
    }
}

/// The requests that reached the server.
fn seen(world: &World) -> impl Iterator<Item = &RenderedRequest> {
    world.requests.iter().filter(|request| request.url.starts_with(SERVER))
}

/// Method, path, headers and body of a request, without what a client adds by itself.
fn shown(request: &RenderedRequest) -> String {
    // As a client writes what may not stand in a path.
    let path = request.url.trim_start_matches(SERVER).replace('<', "%3C").replace('>', "%3E").replace(' ', "%20");
    let headers: Map<String, Json> =
        request.headers.iter().map(|(name, value)| (name.clone(), json!([value]))).collect();
    format!("{} {path} {} {}", request.method, Json::Object(headers), request.body.as_deref().unwrap_or_default())
}

fn recorded_request(request: &Json) -> String {
    let mut headers = request["headers"].as_object().unwrap().clone();
    headers.retain(|name, _| !matches!(name.as_str(), "User-Agent" | "Accept-Encoding"));
    let text = |name: &str| request[name].as_str().unwrap();
    format!("{} {} {} {}", text("method"), text("path"), Json::Object(headers), text("body"))
}

fn tail(message: &str) -> String {
    let message = message.trim_start_matches(" \"");
    let first_line = message.lines().next().unwrap_or_default();
    let network = first_line.find("HTTP request failed: ").map(|at| &first_line[at..at + 19]);
    let not_found = first_line.find(" not found:").map(|at| &first_line[..at]);
    let last = not_found.or(network).unwrap_or_else(|| first_line.rsplit(": ").next().unwrap_or_default());
    last.trim_start_matches("Reconciliation failed: ").to_owned()
}

fn without_times(status: &mut Json) {
    match status {
        Json::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                if name == "lastRequestTime" { *value = Json::Null } else { without_times(value) }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(without_times),
        _ => {}
    }
}

fn respond(rules: &mut [(Json, u64)], request: &RenderedRequest, timeout: &str) -> Result<Answer, AskError> {
    let Some(path) = request.url.strip_prefix(SERVER) else {
        return Err(AskError("HTTP request failed: connection refused".into()));
    };
    let path = path.split('?').next().unwrap();
    let fits = |(rule, used): &&mut (Json, u64)| {
        let is = |name: &str, value: &str| rule["match"].get(name).is_none_or(|wanted| wanted == value);
        is("path", path) && is("method", &request.method) && rule["times"].as_u64().is_none_or(|times| *used < times)
    };
    let Some((rule, used)) = rules.iter_mut().find(fits) else { return super::testing::answer(599, Json::Null) };
    *used += 1;
    let respond = &rule["respond"];
    let limit = gatepost_value::time::parse_duration(timeout).unwrap() / 1_000_000;
    if respond["delayMs"].as_i64().is_some_and(|delay| delay > limit) {
        return Err(AskError("HTTP request failed: deadline exceeded".into()));
    }
    let body = match (respond.get("json"), respond["body"].as_str()) {
        (Some(json), _) => json.to_string(),
        (None, text) => text.unwrap_or_default().to_owned(),
    };
    let mut headers = Vec::new();
    for header in respond["headers"].as_array().into_iter().flatten() {
        headers.push((header[0].as_str().unwrap().to_owned(), header[1].as_str().unwrap().to_owned()));
    }
    let status = u16::try_from(respond["status"].as_u64().unwrap()).unwrap();
    Ok(Answer { status, headers, body: body.into_bytes() })
}

#[test]
fn recorded_scenarios_come_out_as_in_the_promoter_or_better() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/gates");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let scenarios = files.iter().map(|path| serde_json::from_slice::<Json>(&std::fs::read(path).unwrap()).unwrap());
    let (mut played, mut failed) = (0, String::new());
    for scenario in scenarios.filter(|scenario| !needs_a_cluster(scenario)) {
        played += 1;
        let play = Play::new(scenario).run();
        let better = || EXCEPTIONS.iter().any(|rule| (rule.covers)(&play.scenario) && (rule.better)(&play));
        if !play.complaints.is_empty() && !better() {
            failed += &format!("{}:\n  {}\n", play.scenario["name"], play.complaints.join("\n  "));
        }
    }
    assert!(played > 45, "only {played} scenarios");
    assert!(failed.is_empty(), "{failed}");
}

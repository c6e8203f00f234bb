//! Plays a case and compares what comes out with what the Go controller did.

use super::case::{Case, Scene, config_input, merge};
use gatepost::egress::{Request, Response};
use gatepost::notify::{
    self, Change, ConditionOutcome, Configuration, Destination, KeyState, Notification, Occurrence, Phase, Reason,
    history,
};
use gatepost::service::{self, Call, Step, Verdict};
use gatepost_value::json::{Numbers, from_serde};
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Words of the controller's own that must be the same.
const OWN_WORDS: [&str; 4] =
    ["invalid service key; expected", "service type '", "notification service '", "template '"];

/// Compares a case with Go's answer.
pub fn compare(case: &Case) -> Result<(), String> {
    let actual = play(case)?;
    if case.expected.get("error").is_some() {
        return same_error(case, &actual);
    }
    if actual == case.expected { Ok(()) } else { Err(format!("\n  expected {}\n  actual   {actual}", case.expected)) }
}

fn same_error(case: &Case, actual: &Json) -> Result<(), String> {
    let wanted = case.expected["error"].as_str().unwrap_or_default();
    let got = actual["error"].as_str().ok_or_else(|| format!("no error, but {actual}; expected {wanted}"))?;
    let own = OWN_WORDS.iter().any(|words| wanted.starts_with(words)) && wanted.ends_with("is not supported")
        || wanted.starts_with(OWN_WORDS[0]);
    if own && !got.contains(wanted) {
        return Err(format!("error '{got}', expected '{wanted}'"));
    }
    for field in ["stage", "requests"] {
        if actual[field] != case.expected[field] {
            return Err(format!("{field}: {} instead of {} ({got})", actual[field], case.expected[field]));
        }
    }
    // Go's words for a refused request hold the whole body; what counts in them is the tries and the status.
    let count = |text: &str, before: &str| {
        let rest = text.split_once(before)?.1;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
    };
    let status = count(wanted, "has failed with error code ");
    if status.is_some() && status != actual["status"].as_u64() {
        return Err(format!("status {} instead of {status:?}", actual["status"]));
    }
    let tries = count(wanted, " giving up after ").filter(|_| !wanted.contains("unsupported protocol"));
    if tries.is_some_and(|tries| tries != actual["requests"].as_array().map_or(0, Vec::len) as u64) {
        return Err(format!("tries: {} instead of {tries:?}", actual["requests"]));
    }
    Ok(())
}

/// What this implementation answers, in the vectors' form.
pub fn play(case: &Case) -> Result<Json, String> {
    if case.op == "process" {
        return Ok(process(case).0);
    }
    if let Err(error) = Configuration::strict_load(&case.config_input(), &case.options()) {
        return Ok(json!({"error": error, "stage": "config"}));
    }
    match case.op.as_str() {
        "config" => Ok(config(&case.scene().config)),
        "destinations" => Ok(destinations(case)),
        "trigger" => Ok(trigger(case)),
        "render" => Ok(match rendered(case) {
            Ok(notification) => json!({"notification": notification.to_json()}),
            Err(error) => json!({"error": error, "stage": "render"}),
        }),
        "send" => Ok(send(case)),
        other => Err(format!("unknown op {other}")),
    }
}

fn config(config: &Configuration) -> Json {
    let triggers = config.triggers().iter().map(|(name, trigger)| {
        let conditions = trigger.conditions.iter().map(|condition| {
            let fields =
                [("when", &condition.when), ("oncePer", &condition.once_per), ("description", &condition.description)];
            let mut out: Map<String, Json> = fields
                .into_iter()
                .filter(|(_, text)| !text.is_empty())
                .map(|(name, text)| (name.to_owned(), text.clone().into()))
                .collect();
            if !condition.send.is_empty() {
                out.insert("send".into(), json!(condition.send));
            }
            Json::Object(out)
        });
        let conditions: Vec<Json> = conditions.collect();
        (name.clone(), if conditions.is_empty() { Json::Null } else { Json::Array(conditions) })
    });
    let templates = config.templates().iter().map(|(name, template)| (name.clone(), template.to_json()));
    let subscriptions = config.subscriptions().iter().map(|subscription| {
        let notify::GlobalSubscription { recipients, triggers, selector } = subscription;
        json!({"recipients": recipients, "triggers": triggers, "selector": selector})
    });
    json!({
        "services": config.services().keys().collect::<Vec<_>>(),
        "triggers": triggers.collect::<Map<_, _>>(),
        "templates": templates.collect::<Map<_, _>>(),
        "defaultTriggers": config.default_triggers(),
        "serviceDefaultTriggers": config.service_default_triggers(),
        "subscriptions": subscriptions.collect::<Vec<_>>(),
        "context": config.context(),
    })
}

fn destinations(case: &Case) -> Json {
    let scene = case.scene();
    let app = from_serde(&scene.app, Numbers::Kubernetes);
    let mut out: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for found in notify::subscriptions::of(&scene.config, &app, scene.project.as_ref()).all {
        let Destination { service, recipient } = found.destination;
        out.entry(found.trigger).or_default().push((service, recipient));
    }
    let lists = out.into_iter().map(|(trigger, mut list)| {
        list.sort();
        let list: Vec<Json> = list.into_iter().map(|(s, r)| json!({"service": s, "recipient": r})).collect();
        (trigger, Json::Array(list))
    });
    json!({"destinations": lists.collect::<Map<_, _>>()})
}

fn trigger(case: &Case) -> Json {
    let outcome = case.scene().look(|world| notify::try_trigger(world, case.text("trigger")));
    if outcome.reason == Reason::TriggerNotConfigured {
        return json!({"error": outcome.message, "stage": "trigger"});
    }
    let results = outcome.conditions.into_iter().map(|condition| {
        let ConditionOutcome { key, once_per, templates, triggered, .. } = condition;
        let templates = Some(templates).filter(|templates| !templates.is_empty());
        json!({"key": key, "oncePer": once_per, "templates": templates, "triggered": triggered})
    });
    json!({"results": results.collect::<Vec<_>>()})
}

/// What the templates of a case make.
pub fn rendered(case: &Case) -> Result<Notification, String> {
    let names = case.input["templates"].as_array().into_iter().flatten();
    let names: Vec<String> = names.filter_map(|name| name.as_str().map(str::to_owned)).collect();
    let rendered = case.scene().look(|world| notify::render_for(world, &names, &destination(case)));
    rendered.map_err(|failure| failure.message)
}

fn destination(case: &Case) -> Destination {
    Destination { service: case.text("service").to_owned(), recipient: case.text("recipient").to_owned() }
}

/// Answers of the receiver, in order; the last one repeats.
struct Answers(Vec<u16>);

impl Answers {
    fn of(json: &Json) -> Option<Self> {
        let codes: Vec<u16> = json.as_array()?.iter().filter_map(|code| code.as_u64()?.try_into().ok()).collect();
        Some(Self(codes))
    }
    fn next(&mut self) -> u16 {
        if self.0.len() > 1 { self.0.remove(0) } else { self.0.first().copied().unwrap_or(200) }
    }
}

fn send(case: &Case) -> Json {
    let scene = case.scene();
    let to = destination(case);
    let mut answers = Answers::of(&case.input["responses"]).unwrap_or(Answers(Vec::new()));
    let mut requests = Vec::new();
    let failed = |error: String, requests: Vec<Json>, status| json!({"error": error, "stage": "send", "requests": requests, "status": status});
    if scene.config.service(&to.service).is_none() {
        return failed(format!("notification service '{}' is not supported", to.service), requests, 0);
    }
    let notification = match rendered(case) {
        Ok(notification) => notification,
        Err(error) => return failed(error, requests, 0),
    };
    let occurrence = Occurrence {
        object: scene.look(|world| world.id.clone()),
        config_namespace: String::new(),
        trigger: "t".into(),
        condition_key: String::new(),
        once_per: String::new(),
        destination: to,
        arming: 1,
    };
    match deliver(&scene.config, &notification, &occurrence, &mut answers, &mut requests) {
        Ok(()) => json!({"requests": requests}),
        Err((error, status)) => failed(error, requests, status),
    }
}

/// Sends a case to a receiver that always answers with one code; the requests, or why there is none.
pub fn deliver_all(case: &Case, code: u16) -> Result<Vec<Json>, String> {
    let mut altered = clone(case);
    altered.input["responses"] = json!([code]);
    let out = send(&altered);
    match out["error"].as_str() {
        Some(error) => Err(error.to_owned()),
        None => Ok(out["requests"].as_array().cloned().unwrap_or_default()),
    }
}

fn clone(case: &Case) -> Case {
    let Case { name, op, input, expected } = case;
    Case { name: name.clone(), op: op.clone(), input: input.clone(), expected: expected.clone() }
}

/// Prepares, sends with the quick tries, and judges; error and last status where it fails.
fn deliver(
    config: &Configuration,
    notification: &Notification,
    occurrence: &Occurrence,
    answers: &mut Answers,
    requests: &mut Vec<Json>,
) -> Result<(), (String, u16)> {
    let service = config.service(&occurrence.destination.service).unwrap();
    let refused = |error: String| (error, 0);
    let prepared = service::prepare(service, notification, occurrence, &service::Context::default());
    let prepared = prepared.map_err(|error| refused(error.to_string()))?;
    let policy = service::policy(service);
    for attempt in 0..=policy.max {
        let verdict = attempt_once(service, &prepared, occurrence, answers, requests).map_err(&refused)?;
        match verdict {
            (Verdict::Delivered { .. }, _) => return Ok(()),
            (Verdict::Retry { .. }, _) if attempt < policy.max => {}
            (other, status) => return Err((format!("{other:?}"), status)),
        }
    }
    Err(refused("no try left".into()))
}

/// One attempt with the answers that come next; the verdict and the last status.
fn attempt_once(
    service: &notify::ServiceConfig,
    prepared: &service::Prepared,
    occurrence: &Occurrence,
    answers: &mut Answers,
    requests: &mut Vec<Json>,
) -> Result<(Verdict, u16), String> {
    let memory = BTreeMap::new();
    let payload = &prepared.payload;
    let call =
        Call { config: service, payload, occurrence, delivery_id: "id", now_ms: 0, decided_ms: 0, memory: &memory };
    let (mut rounds, mut status) = (Vec::new(), 0);
    loop {
        match service::step(&call, &rounds).map_err(|error| error.to_string())? {
            Step::Done(outcome) => return Ok((outcome.verdict, status)),
            Step::Send(mut all) => {
                let request = all[0].request_mut().expect("webhooks are HTTP");
                requests.push(shown(request));
                status = answers.next();
                rounds.push(vec![Ok(response(status))]);
            }
        }
    }
}

fn response(status: u16) -> Response {
    let body = format!("answer {status}").into_bytes().into();
    Response { status, headers: Vec::new(), body, truncated: false, elapsed: Duration::ZERO }
}

fn shown(request: &Request) -> Json {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = request.headers.iter().map(|(name, value)| (name.clone(), json!([text(value)])));
    let host = request.url.split('/').nth(2).unwrap_or_default();
    json!({
        "method": request.method, "host": host, "url": request.url,
        "headers": headers.collect::<Map<_, _>>(), "body": text(&request.body),
    })
}

/// Plays the steps of a `process` case; also gives the states at the end.
pub fn process(case: &Case) -> (Json, BTreeMap<String, KeyState>) {
    let mut scene = case.scene();
    let mut answers = Answers::of(&case.input["responses"]).unwrap_or(Answers(Vec::new()));
    let (mut configmap, mut secret) = (case.input["configmap"].clone(), case.input["secret"].clone());
    let mut steps = vec![step(&mut scene, &mut answers)];
    for change in case.input["steps"].as_array().into_iter().flatten() {
        if let Some(patch) = change.get("appPatch") {
            merge(&mut scene.app, patch);
            scene.version += 1;
        }
        configmap = change.get("configmap").cloned().unwrap_or(configmap);
        secret = change.get("secret").cloned().unwrap_or(secret);
        let input = config_input(&configmap, &secret);
        scene.config = Configuration::load(&input, Some(&scene.config), &case.options());
        answers = Answers::of(&change["responses"]).unwrap_or(answers);
        steps.push(step(&mut scene, &mut answers));
    }
    (json!({"steps": steps}), scene.states)
}

/// Looks until nothing changes: our own patch of the annotation is an event too.
fn step(scene: &mut Scene, answers: &mut Answers) -> Json {
    let (mut requests, mut errors, mut skipped) = (Vec::new(), BTreeSet::new(), None);
    for _ in 0..5 {
        let mut changes = Vec::new();
        for config in scene.tenant.iter().chain([&scene.config]) {
            let evaluation = scene.look_with(config, notify::evaluate);
            skipped = evaluation.skipped.filter(|reason| *reason == Reason::SyncStatusOutOfDate);
            for trigger in evaluation.triggers.iter().filter(|trigger| !trigger.message.is_empty()) {
                let failed = format!("Failed to evaluate condition of trigger {}: {}", trigger.name, trigger.message);
                errors.insert(failed + &using(config));
            }
            changes.extend(evaluation.changes);
        }
        if changes.is_empty() {
            break;
        }
        for change in changes {
            apply(scene, change, answers, &mut requests, &mut errors);
        }
        project(scene);
    }
    requests.sort_by_key(|request| (request["url"].to_string(), request["body"].to_string()));
    let keys = scene.annotation(history::ANNOTATION).map(|text| history::parse(text).into_keys().collect::<Vec<_>>());
    let mut out = json!({"requests": requests, "errors": errors, "notifiedKeys": keys});
    if skipped.is_some() {
        out["skipped"] = json!(["sync status out of date"]);
    }
    out
}

fn using(config: &Configuration) -> String {
    let namespace = if config.namespace().is_empty() { "argocd" } else { config.namespace() };
    format!(" using the configuration in namespace {namespace}")
}

fn apply(
    scene: &mut Scene,
    change: Change,
    answers: &mut Answers,
    requests: &mut Vec<Json>,
    errors: &mut BTreeSet<String>,
) {
    let armed = |arming, phase| KeyState { armed: true, arming, phase };
    match change {
        Change::Disarm { state_key, .. } => {
            let arming = scene.states.get(&state_key).map_or(0, |state| state.arming);
            scene.states.insert(state_key, KeyState { armed: false, arming, phase: Phase::Pending });
        }
        Change::Adopt { state_key, at } => {
            scene.states.insert(state_key, armed(0, Phase::Annotated { at, resource_version: String::new() }));
        }
        Change::Deliver { occurrence, state_key, rendered, digest, .. } => {
            let tenant = scene.tenant.as_ref().filter(|tenant| tenant.namespace() == occurrence.config_namespace);
            let config = tenant.unwrap_or(&scene.config);
            let delivered = match rendered {
                Err(failure) => Err(failure.message),
                Ok(notification) => {
                    deliver(config, &notification, &occurrence, answers, requests).map_err(|(error, _)| error)
                }
            };
            let phase = match delivered {
                Ok(()) => Phase::Delivered { at: 1_800_000_000 },
                Err(error) => {
                    let Destination { service, recipient } = &occurrence.destination;
                    let object = &occurrence.object;
                    errors.insert(format!(
                        "Failed to notify recipient {{{service} {recipient}}} defined in resource {}/{}: {error}{}",
                        object.namespace,
                        object.name,
                        using(config)
                    ));
                    Phase::Dead { digest }
                }
            };
            scene.states.insert(state_key, armed(occurrence.arming, phase));
        }
    }
}

fn project(scene: &mut Scene) {
    let found = history::parse(scene.annotation(history::ANNOTATION).unwrap_or_default());
    let projection = history::project(&scene.states, &found);
    for key in projection.truncated {
        scene.states.get_mut(&key).unwrap().phase = Phase::Truncated;
    }
    if projection.text.as_deref() != scene.annotation(history::ANNOTATION) {
        scene.annotate(history::ANNOTATION, projection.text);
    }
}

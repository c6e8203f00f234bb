//! The catalogue's decisions over a table of Applications, what its templates make of nasty texts, and that the printed
//! ConfigMap is in order.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::notify::repository::Repository;
use crate::notify::{ConfigInput, Configuration, Destination, Notification, ObjectId, World, render_for, try_trigger};
use gatepost_value::json::{Numbers, from_serde};
use gatepost_value::{Location, Time};
use serde_json::Value;

const NASTY: &str = "say \"no\"\n\tto C:\\temp, {\"a\": [1]} <b>&</b> {{.app}} é\u{2028}\u{1}";
const EVENTS: [&str; 8] = [
    "created",
    "deleted",
    "deployed",
    "health-degraded",
    "sync-failed",
    "sync-running",
    "sync-status-unknown",
    "sync-succeeded",
];

fn configuration() -> Configuration {
    let mut configmap = chosen(&entries().unwrap(), &[]).unwrap();
    configmap.insert("context".into(), "argocdUrl: https://argocd.example.com\n".into());
    let input = ConfigInput { configmap, ..ConfigInput::default() };
    Configuration::load(&input, None, &crate::cli::load_options())
}

fn with_world<T>(config: &Configuration, app: &Value, look: impl FnOnce(&World<'_>) -> T) -> T {
    let id = ObjectId { namespace: "argocd".into(), name: "shop".into(), uid: "u".into() };
    look(&World {
        config,
        object: &from_serde(app, Numbers::Kubernetes),
        id: &id,
        project: None,
        repository: &Repository::absent("no repo-server here"),
        states: &BTreeMap::new(),
        event_resource_version: "1",
        first_list: false,
        now: Time::unix(1_800_000_000, 0),
        local: Location::Utc,
        random: &|buffer| buffer.fill(0),
        trace: false,
    })
}

fn time(seconds: i64) -> String {
    Time::unix(1_790_000_000 + seconds, 0).format("2006-01-02T15:04:05Z07:00")
}

/// One state of an Application; times are seconds from a common beginning.
#[derive(Debug, Clone, Copy)]
struct State {
    phase: Option<&'static str>,
    health: Option<&'static str>,
    sync: Option<&'static str>,
    since: Option<i64>,
    deleted: bool,
}

const STARTED: i64 = 1000;
const FINISHED: i64 = 1100;

impl State {
    fn all() -> Vec<Self> {
        let mut out = Vec::new();
        for phase in [None, Some("Running"), Some("Succeeded"), Some("Failed"), Some("Error"), Some("Terminating")] {
            for health in [None, Some("Healthy"), Some("Degraded"), Some("Progressing")] {
                for sync in [None, Some("Synced"), Some("OutOfSync"), Some("Unknown")] {
                    // Before the sync, as it begins, and the minute around which late health is too early.
                    for since in [None, Some(999), Some(1000), Some(1039), Some(1040), Some(1041), Some(1200)] {
                        for deleted in [false, true] {
                            out.push(Self { phase, health, sync, since, deleted });
                        }
                    }
                }
            }
        }
        out
    }
    fn application(self) -> Value {
        let mut app = json!({"metadata": {"name": "shop"}, "spec": {}, "status": {}});
        if let Some(phase) = self.phase {
            app["status"]["operationState"] = json!({
                "phase": phase, "startedAt": time(STARTED), "finishedAt": time(FINISHED), "syncResult": {"revision": "r1"},
            });
        }
        if let Some(health) = self.health {
            app["status"]["health"] = json!({"status": health});
        }
        if let (Some(since), true) = (self.since, self.health.is_some()) {
            app["status"]["health"]["lastTransitionTime"] = time(since).into();
        }
        if let Some(sync) = self.sync {
            app["status"]["sync"] = json!({"status": sync});
        }
        if self.deleted {
            app["metadata"]["deletionTimestamp"] = time(2000).into();
        }
        app
    }
    /// What the conditions of Argo CD's catalogue say, in other words.
    fn expected(self, event: &str) -> bool {
        match event {
            "created" => true,
            "deleted" => self.deleted,
            "deployed" => {
                // Healthy not more than a minute before the end of the sync, or before its beginning.
                let in_time = self.since.is_some_and(|since| since + 60 >= FINISHED || since < STARTED);
                self.phase == Some("Succeeded") && self.health == Some("Healthy") && in_time
            }
            "health-degraded" => self.health == Some("Degraded"),
            "sync-failed" => matches!(self.phase, Some("Failed" | "Error")),
            "sync-running" => self.phase == Some("Running"),
            "sync-status-unknown" => self.sync == Some("Unknown"),
            _ => self.phase == Some("Succeeded"),
        }
    }
}

#[test]
fn each_trigger_decides_as_argo_cds_does() {
    let config = configuration();
    let mut looked_at = 0;
    for state in State::all() {
        let app = state.application();
        for event in EVENTS {
            for suffix in ["", "-backstage"] {
                let name = format!("on-{event}{suffix}");
                let outcome = with_world(&config, &app, |world| try_trigger(world, &name));
                let [condition] = outcome.conditions.as_slice() else { panic!("{name}: {outcome:?}") };
                assert_eq!(condition.triggered, state.expected(event), "{name}: {state:?}: {:?}", condition.error);
                if condition.triggered {
                    let once = match (event, state.phase) {
                        ("created" | "deleted", _) => "shop",
                        (_, Some(_)) => "r1",
                        (_, None) => "<nil>",
                    };
                    assert_eq!(condition.once_per, once, "{name}: {state:?}");
                    assert_eq!(condition.templates, [format!("app-{event}{suffix}")]);
                }
                looked_at += 1;
            }
        }
    }
    assert_eq!(looked_at, 6 * 4 * 4 * 7 * 2 * 16);
}

/// The key that Argo CD remembers holds the hash of the condition's text: recorded from Go.
#[test]
fn what_either_controller_sent_the_other_knows() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/notifications");
    for event in ["deployed", "deleted"] {
        let text = std::fs::read_to_string(folder.join(format!("trigger-catalog-on-{event}.json"))).unwrap();
        let case: Value = serde_json::from_str(&text).unwrap();
        let name = format!("on-{event}");
        let outcome = with_world(&configuration(), &case["input"]["app"], |world| try_trigger(world, &name));
        let (expected, condition) = (&case["expected"]["results"][0], &outcome.conditions[0]);
        assert_eq!(Value::from(condition.key.as_str()), expected["key"]);
        assert_eq!(Value::from(condition.once_per.as_str()), expected["oncePer"]);
        assert_eq!(Value::from(condition.triggered), expected["triggered"]);
    }
}

fn rendered(config: &Configuration, app: &Value, template: &str, service: &str) -> Notification {
    let to = Destination { service: service.into(), recipient: "r".into() };
    with_world(config, app, |world| render_for(world, &[template.to_owned()], &to)).unwrap()
}

/// An Application whose every free text is nasty.
fn nasty(state: State, source: &Value) -> Value {
    let mut app = state.application();
    app["metadata"]["annotations"] = json!({"backstage.io/entity-ref": "component:default/shop"});
    app["spec"] = source.clone();
    app["status"]["conditions"] = json!([{"type": "SyncError", "message": NASTY}, {"type": NASTY, "message": "m"}]);
    if state.phase.is_some() {
        app["status"]["operationState"]["message"] = NASTY.into();
    }
    if state.sync.is_some() {
        app["status"]["sync"]["revision"] = NASTY.into();
    }
    app
}

fn parsed(text: &Value) -> Value {
    let text = text.as_str().unwrap();
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn every_template_is_valid_json_whatever_the_messages_say() {
    let config = configuration();
    let sources = [
        json!({"project": "p", "source": {"repoURL": "git@h.example.com:o/r.git"}}),
        json!({"project": "p", "sources": [{"repoURL": "https://h.example.com/\"q\""}, {"repoURL": "https://h/two"}]}),
        json!({}),
    ];
    for state in State::all().into_iter().filter(|state| state.since == Some(1040) && !state.deleted) {
        for source in &sources {
            let app = nasty(state, source);
            for event in EVENTS {
                let with_attachments = !matches!(event, "created" | "deleted");
                let out = rendered(&config, &app, &format!("app-{event}"), "slack");
                assert!(out.message.lossy().contains("shop"));
                assert!(out.sections["email"].string("subject").contains("shop"));
                assert!(out.sections["teams"].string("title").contains("shop"));
                assert_eq!(out.sections.contains_key("slack"), with_attachments);
                if with_attachments {
                    check_fields(&out, source);
                }
                let backstage = out.backstage.unwrap();
                assert_eq!(backstage.entity_ref, "component:default/shop");
                assert!(backstage.link.starts_with("https://argocd.example.com/applications/shop"));
                check_webhook(&config, &app, event);
            }
        }
    }
}

fn check_fields(out: &Notification, source: &Value) {
    let attachments = parsed(&Value::from(out.sections["slack"].string("attachments")));
    let [card] = attachments.as_array().unwrap().as_slice() else { panic!("{attachments}") };
    assert!(card["title_link"].as_str().unwrap().starts_with("https://argocd.example.com/applications/shop"));
    let fields = card["fields"].as_array().unwrap();
    assert!(fields.iter().any(|field| field["title"] == "SyncError" && field["value"] == NASTY), "{fields:?}");
    let facts = parsed(&Value::from(out.sections["teams"].string("facts")));
    assert!(facts.as_array().unwrap().iter().any(|fact| fact["name"] == NASTY), "{facts}");
    let repositories = source["sources"].as_array().map_or(usize::from(source["source"].is_object()), Vec::len);
    let actions = parsed(&Value::from(out.sections["teams"].string("potentialAction")));
    assert_eq!(actions.as_array().unwrap().len(), 1 + repositories, "{actions}");
    assert!(actions.as_array().unwrap().iter().all(|action| action["targets"][0]["uri"].is_string()));
}

fn check_webhook(config: &Configuration, app: &Value, event: &str) {
    let out = rendered(config, app, &format!("app-{event}-backstage"), "backstage");
    let hook = &out.webhook["backstage"];
    assert_eq!(hook.method, "POST");
    let body = parsed(&Value::from(hook.body.lossy()));
    assert_eq!(body["recipients"], json!({"type": "entity", "entityRef": "component:default/shop"}));
    assert!(body["payload"]["title"].as_str().unwrap().starts_with("shop - "));
    assert!(body["payload"]["topic"].as_str().unwrap().starts_with("argocd."));
    if event == "sync-failed" && app["status"]["operationState"].is_object() {
        assert!(body["payload"]["description"].as_str().unwrap().ends_with(NASTY), "{body}");
    }
}

#[test]
fn without_a_url_nothing_links_anywhere() {
    let configmap = chosen(&entries().unwrap(), &[]).unwrap();
    let input = ConfigInput { configmap, ..ConfigInput::default() };
    let config = Configuration::load(&input, None, &crate::cli::load_options());
    let state = State { phase: Some("Failed"), health: None, sync: None, since: None, deleted: false };
    let out = rendered(&config, &state.application(), "app-sync-failed", "slack");
    let attachments = parsed(&Value::from(out.sections["slack"].string("attachments")));
    assert!(attachments[0].get("title_link").is_none());
    assert_eq!(parsed(&Value::from(out.sections["teams"].string("potentialAction"))), json!([]));
}

#[test]
fn what_is_printed_is_in_order_as_it_is() {
    let config = configuration();
    assert!(config.problems().is_empty(), "{:?}", config.problems());
    assert_eq!((config.triggers().len(), config.templates().len()), (16, 16));
    let input = ConfigInput { configmap: chosen(&entries().unwrap(), &[]).unwrap(), ..ConfigInput::default() };
    assert!(Configuration::strict_load(&input, &crate::cli::load_options()).is_ok(), "the Go controller refuses it");
    for event in EVENTS {
        assert!(config.triggers().contains_key(&format!("on-{event}")));
        assert!(config.templates().contains_key(&format!("app-{event}-backstage")));
    }
}

#[test]
fn a_trigger_brings_its_templates() {
    let entries = entries().unwrap();
    let keys = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        chosen(&entries, &names).map(|data| data.into_keys().collect::<Vec<_>>())
    };
    assert_eq!(keys(&["on-deployed"]).unwrap(), ["template.app-deployed", "trigger.on-deployed"]);
    assert_eq!(keys(&["app-deployed-backstage"]).unwrap(), ["template.app-deployed-backstage"]);
    assert!(keys(&["on-nothing"]).unwrap_err().to_string().contains("on-deployed-backstage"));
}

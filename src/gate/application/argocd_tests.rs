//! Looks at `ArgoCDCommitStatus` objects: the Promoter's rules, and where they are kept better.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::super::{EnvironmentStatus, Gate, Input, Outcome, Said, look};
use super::*;
use crate::gate::engine::{Engine, Integers};
use crate::gate::status::Phase;
use crate::gate::strategy::Strategy;
use gatepost_value::{Limits, Location};
use serde_json::json;
use std::path::PathBuf;

const DEV: &str = "1111111111111111111111111111111111111111";
const PROD: &str = "4444444444444444444444444444444444444444";
/// Unix seconds of 2026-01-01T00:01:00Z, a minute after the health of [`app`] changed.
const NOW: i64 = 1_767_225_660;

/// An Application at the commit of its environment, with all well.
fn app(name: &str, branch: &str, sha: &str) -> Json {
    json!({
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {"source": {"repoURL": "https://h/a.git", "targetRevision": branch}},
        "status": {"health": {"status": "Healthy", "lastTransitionTime": "2026-01-01T00:00:00Z"}, "sync": {"status": "Synced", "revision": sha}},
    })
}

fn dev(name: &str, health: &str) -> Json {
    with(app(name, "env/dev", DEV), "/status/health/status", json!(health))
}

fn with(mut object: Json, path: &str, value: Json) -> Json {
    *object.pointer_mut(path).unwrap() = value;
    object
}

/// It names no key: `argocd-health` holds nothing back, and is reported all the same.
fn strategy() -> Json {
    json!({
        "metadata": {"name": "app", "namespace": "team"},
        "spec": {"gitRepositoryRef": {"name": "repo"}, "environments": [{"branch": "env/prod"}, {"branch": "env/dev"}, {"branch": "env/none"}]},
        "status": {"environments": [
            {"branch": "env/dev", "active": {"hydrated": {"sha": DEV}}},
            {"branch": "env/prod", "active": {"hydrated": {"sha": PROD}}}]},
    })
}

fn object(url: &Json) -> Json {
    let selector = json!({"matchLabels": {"app": "orders"}, "matchExpressions": [{"key": "tier", "operator": "In", "values": ["b", "a"]}]});
    json!({
        "metadata": {"name": "health", "namespace": "team", "uid": "u", "generation": 3},
        "spec": {"promotionStrategyRef": {"name": "app"}, "applicationSelector": selector, "url": url},
        "status": {"applicationsSelected": [{"clusterName": "", "environment": "env/dev", "name": "old", "namespace": "n", "phase": "pending", "sha": ""}]},
    })
}

fn looked(object: &Json, strategy: &Json, apps: &[Json], said: &dyn Fn(&str) -> Option<Said>) -> Outcome {
    let gate = Gate::parse(&ARGOCD_COMMIT_STATUS, object).unwrap();
    let records: Vec<_> = apps.iter().map(Record::of).collect();
    let engine = Engine::new(Limits::default(), Integers::AsGo);
    let input = Input {
        gate: &gate,
        strategy: &Strategy::read(strategy.clone()),
        applications: &records.iter().collect::<Vec<_>>(),
        said,
        now: Time::unix(NOW, 0),
        local: Location::Utc,
        random: &|_| {},
    };
    look(&engine, &input)
}

fn of(apps: &[Json]) -> Outcome {
    looked(&object(&Json::Null), &strategy(), apps, &|_| None)
}

fn error(outcome: &Outcome) -> String {
    outcome.error(&ARGOCD_COMMIT_STATUS).unwrap_or_default()
}

/// What is said of an environment.
fn said(outcome: &Outcome, branch: &str) -> (Phase, String) {
    let entry = EnvironmentStatus::find(&outcome.environments, branch).expect("an entry");
    (entry.phase, entry.description.clone())
}

#[test]
fn one_application_is_judged_by_health_and_sync() {
    let case = |health: &str, sync: &str| {
        let app = with(dev("a", health), "/status/sync/status", json!(sync));
        (judge::health_and_sync(&Record::of(&app)), said(&of(&[app]), "env/dev").0)
    };
    for (health, sync, phase) in [
        ("Healthy", "Synced", Phase::Success),
        ("Healthy", "OutOfSync", Phase::Pending),
        ("Degraded", "Synced", Phase::Failure),
        ("Degraded", "OutOfSync", Phase::Failure),
        ("Progressing", "Synced", Phase::Pending),
        ("Missing", "Synced", Phase::Pending),
        ("Suspended", "Synced", Phase::Pending),
        ("", "", Phase::Pending),
    ] {
        assert_eq!(case(health, sync), (phase, phase), "{health} {sync}");
    }
}

#[test]
fn all_have_to_fail_for_a_failure() {
    let of = |apps: &[Json]| said(&of(apps), "env/dev");
    let waiting = |words: &str| (Phase::Pending, format!("Waiting for apps to be healthy ({words})"));
    assert_eq!(of(&[dev("a", "Healthy"), dev("b", "Healthy")]), (Phase::Success, "2/2 apps are healthy".into()));
    assert_eq!(of(&[dev("a", "Degraded"), dev("b", "Degraded")]), (Phase::Failure, "2/2 apps are degraded".into()));
    assert_eq!(of(&[dev("a", "Healthy"), dev("b", "Degraded")]), waiting("1 healthy, 1 degraded, 0 pending"));
    assert_eq!(of(&[dev("a", "Degraded"), dev("b", "Progressing")]), waiting("0 healthy, 1 degraded, 1 pending"));
    // Not at the commit: pending for the environment, whatever it is by itself.
    let behind = with(dev("a", "Degraded"), "/status/sync/revision", json!(PROD));
    assert_eq!(of(&[behind, dev("b", "Degraded")]), waiting("0 healthy, 1 degraded, 1 pending"));
}

#[test]
fn health_that_moved_a_moment_ago_is_pending_in_the_same_words() {
    let moved = |at: &str| with(dev("a", "Degraded"), "/status/health/lastTransitionTime", json!(at));
    // The second 00:00:55 ends at 56, and five seconds later it is 00:01:01.
    let outcome = of(&[moved("2026-01-01T00:00:55Z"), dev("b", "Degraded")]);
    assert_eq!(said(&outcome, "env/dev"), (Phase::Pending, "2/2 apps are degraded".into()));
    assert_eq!(outcome.look_again, Some((NOW + 1) * 1000));
    let outcome = of(&[moved("2026-01-01T00:00:54Z")]);
    assert_eq!((said(&outcome, "env/dev").0, outcome.look_again), (Phase::Failure, None));
}

#[test]
fn each_environment_with_applications_has_its_commit_status() {
    let outcome = of(&[dev("a", "Healthy"), app("p", "env/prod", DEV), app("x", "feature", DEV)]);
    assert_eq!(error(&outcome), "");
    let [prod, dev] = &outcome.commit_statuses[..] else { panic!("{:?}", outcome.commit_statuses) };
    assert_eq!((dev.title.as_str(), dev.sha.as_str(), dev.phase), ("argocd-health/env/dev", DEV, Phase::Success));
    assert_eq!((prod.sha.as_str(), prod.phase), (PROD, Phase::Pending));
    assert!(dev.name.starts_with("health-env-dev-argo-cd-"), "{}", dev.name);
    assert_eq!(dev.labels["promoter.argoproj.io/argo-cd-commit-status"], "health");
    assert_eq!(dev.labels["promoter.argoproj.io/commit-status"], "argocd-health");
    // What was written for another environment is an orphan now.
    assert_eq!(outcome.keep.unwrap(), [prod.name.clone(), dev.name.clone()]);
}

#[test]
fn the_status_lists_what_is_selected_in_the_strategys_order() {
    let hydrated = with(app("h", "", DEV), "/spec", json!({"sources": [{"repoURL": "https://h/a"}]}));
    let outcome = of(&[
        app("x", "feature", DEV),
        hydrated,
        dev("b", "Degraded"),
        with(dev("a", "Healthy"), "/status/sync/status", json!("OutOfSync")),
        with(app("p", "env/prod", "env/prod"), "/status/health/lastTransitionTime", json!("yesterday")),
    ]);
    let selected = &outcome.status.applications_selected;
    let order: Vec<_> = selected.iter().map(|one| (one.environment.as_str(), one.name.as_str())).collect();
    assert_eq!(
        order,
        [("env/prod", "p"), ("env/dev", "a"), ("env/dev", "b"), ("HEAD", "h"), ("feature", "x")],
        "those of no environment come last"
    );
    let shown: Vec<_> = selected.iter().map(|one| (one.phase, one.sha.as_str())).collect();
    // A revision that is no SHA, and one of an Application that is not synced, are not shown.
    use Phase::{Failure, Pending, Success};
    assert_eq!(shown, [(Success, ""), (Pending, ""), (Failure, DEV), (Success, DEV), (Success, DEV)]);
    assert_eq!(selected[0].last_transition_time, None);
    assert_eq!(selected[1].last_transition_time.as_deref(), Some("2026-01-01T00:00:00Z"));
    assert!(outcome.status.environments.is_empty(), "the custom resource has no place for them");
}

#[test]
fn the_stored_status_has_no_field_that_the_schema_does_not_know() {
    let mut status = of(&[dev("a", "Healthy")]).status;
    status.instance_id = Some("gatepost".into());
    let file = "tests/env/crds/gitops-promoter/promoter.argoproj.io_argocdcommitstatuses.yaml";
    let text = std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let crd: Json = serde_yaml_ng::from_str(&text).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"];
    let stored = json!(status);
    assert!(stored.as_object().unwrap().keys().all(|name| schema[name].is_object()), "{stored}");
    let entry = &schema["applicationsSelected"]["items"];
    let written = stored["applicationsSelected"][0].as_object().unwrap();
    assert!(written.keys().all(|name| entry["properties"][name].is_object()), "{written:?}");
    assert!(entry["required"].as_array().unwrap().iter().all(|name| written.contains_key(name.as_str().unwrap())));
    let again = with(object(&Json::Null), "/status", stored);
    let outcome = looked(&again, &strategy(), &[dev("a", "Healthy")], &|_| None);
    assert_eq!(outcome.status, status, "what is read back is the same: nothing to write");
}

#[test]
fn no_application_is_an_error_that_names_the_selector() {
    let child = |name: &str| name.contains("-dev-").then(|| Said { sha: DEV.into(), phase: Phase::Success });
    let outcome = looked(&object(&Json::Null), &strategy(), &[], &child);
    assert!(error(&outcome).contains("no Argo CD Applications found matching selector app=orders,tier in (a,b)"));
    assert!(outcome.status.applications_selected.is_empty() && outcome.keep.is_none(), "nothing is removed");
    assert_eq!(said(&outcome, "env/dev").0, Phase::Success, "people still see what the CommitStatus says");
    let condition = |operator: &str| json!({"matchExpressions": [{"key": "k", "operator": operator, "values": ["v"]}]});
    assert_eq!(written(&condition("NotIn")), "k notin (v)");
    assert_eq!((written(&condition("Exists")), written(&condition("DoesNotExist"))), ("k".into(), "!k".into()));
    assert_eq!(written(&json!({})), "<everything>");
}

#[test]
fn a_change_is_told_from_what_the_commit_status_said() {
    let notes = |said: &dyn Fn(&str) -> Option<Said>| {
        let outcome = looked(&object(&Json::Null), &strategy(), &[dev("a", "Healthy")], said);
        outcome.events.into_iter().map(|event| event.note).collect::<Vec<_>>()
    };
    let before = |phase| move |_: &str| Some(Said { sha: DEV.into(), phase });
    assert!(notes(&|_| None)[0].ends_with("changed from <none> to success"));
    assert!(notes(&before(Phase::Failure))[0].ends_with("changed from failure to success"));
    assert!(notes(&before(Phase::Success)).is_empty());
}

#[test]
fn one_environment_that_fails_is_its_own_affair() {
    let template =
        "{{ if eq .Environment \"env/dev\" }}ftp://h{{ else }}https://h/{{ .ArgoCDCommitStatus.Name }}{{ end }}";
    let apps = [dev("a", "Healthy"), app("p", "env/prod", PROD)];
    let outcome = looked(&object(&json!({"template": template})), &strategy(), &apps, &|_| None);
    assert!(error(&outcome).contains("environment \"env/dev\": the URL template gives \"ftp://h\""));
    assert_eq!(outcome.commit_statuses.len(), 1);
    assert_eq!(outcome.commit_statuses[0].url.as_deref(), Some("https://h/health"));
    assert_eq!((outcome.keep.unwrap().len(), outcome.status.applications_selected.len()), (2, 2));
    // An environment whose commit the Promoter has not reported yet.
    let unknown = with(strategy(), "/status/environments/0/branch", json!("env/other"));
    let outcome = looked(&object(&Json::Null), &unknown, &apps, &|_| None);
    assert!(error(&outcome).contains("environment \"env/dev\": environment \"env/dev\" not found"));
    assert_eq!(outcome.commit_statuses.len(), 1);
}

#[test]
fn applications_of_two_repositories_are_refused() {
    let other = with(dev("b", "Healthy"), "/spec/source/repoURL", json!("https://h/b"));
    let outcome = of(&[dev("a", "Healthy"), other]);
    assert!(error(&outcome).contains("all applications must have the same repo configured"));
    assert_eq!(outcome.status.applications_selected[0].name, "old", "what was stored stays");
}

#[test]
fn the_url_is_a_template_of_go_with_options() {
    let url = |template: &str, options: &[&str]| {
        let object = object(&json!({"template": template, "options": options}));
        let outcome = looked(&object, &strategy(), &[dev("a", "Healthy")], &|_| None);
        match outcome.commit_statuses.first().and_then(|one| one.url.clone()) {
            Some(url) => url,
            None => error(&outcome),
        }
    };
    let labels = "{{- $labels := \"\" -}}{{- range $key, $value := .ArgoCDCommitStatus.Spec.ApplicationSelector.MatchLabels -}}\
        {{- $labels = printf \"%s%s=%s,\" $labels $key $value -}}{{- end -}}{{ printf \"https://h/applications?labels=%s\" (urlQueryEscape $labels) }}";
    assert_eq!(url(labels, &[]), "https://h/applications?labels=app%3Dorders%2C");
    let absent = "https://h/{{ .ArgoCDCommitStatus.Labels.nosuch | default \"none\" }}";
    assert_eq!(url(absent, &["missingkey=zero"]), "https://h/none");
    let absent = "https://h/{{ .ArgoCDCommitStatus.Spec.ApplicationSelector.MatchLabels.nosuch }}";
    assert!(url(absent, &["missingkey=zero", "missingkey=error"]).contains("map has no entry for key \"nosuch\""));
    assert_eq!(url(absent, &["missingkey=error", "missingkey=zero"]), "https://h/", "the last one counts");
}

#[test]
fn an_unknown_option_is_an_error() {
    for (option, missing) in [
        ("missingkey=default", MissingKey::Default),
        ("missingkey=invalid", MissingKey::Default),
        ("missingkey=zero", MissingKey::Zero),
        ("missingkey=error", MissingKey::Error),
    ] {
        assert_eq!(one_option(option), Ok(missing));
    }
    let refused = |option: &str| {
        let error = Gate::parse(&ARGOCD_COMMIT_STATUS, &object(&json!({"options": ["missingkey=zero", option]})));
        error.unwrap_err().to_string()
    };
    for option in ["", "missingkey", "missingkey=panic", "other=1"] {
        let start = "failed to read the ArgoCDCommitStatus: spec.url.options: unrecognized option";
        assert!(refused(option).starts_with(start), "{option}");
    }
}

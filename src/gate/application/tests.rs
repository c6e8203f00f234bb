//! Looks at gates: what Applications come to, alone and together.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::gate::engine::Integers;
use crate::gate::names;
use gatepost_value::Limits;
use serde_json::{Value as Json, json};

const SHA: &str = "1111111111111111111111111111111111111111";
const OLD: &str = "2222222222222222222222222222222222222222";
const PROPOSED: &str = "3333333333333333333333333333333333333333";
const PROD: &str = "4444444444444444444444444444444444444444";
/// Unix seconds of 2026-01-01T00:01:00Z, a minute after the health of [`app`] changed.
const NOW: i64 = 1_767_225_660;

/// An Application of `env/dev` at the environment's commit, with all well.
fn app(name: &str) -> Json {
    json!({
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {"source": {"repoURL": "https://h/a.git", "targetRevision": "env/dev"}},
        "status": {
            "health": {"status": "Healthy", "lastTransitionTime": "2026-01-01T00:00:00Z"},
            "sync": {"status": "Synced", "revision": SHA},
            "operationState": {"phase": "Succeeded", "syncResult": {"revision": SHA}},
        },
    })
}

/// The same with changes, by pointer.
fn with(name: &str, changes: &[(&str, Json)]) -> Json {
    let mut app = app(name);
    for (path, value) in changes {
        *app.pointer_mut(path).unwrap() = value.clone();
    }
    app
}

fn strategy() -> Strategy {
    Strategy::read(json!({
        "metadata": {"name": "app", "namespace": "team"},
        "spec": {"gitRepositoryRef": {"name": "repo"}, "activeCommitStatuses": [{"key": "argocd-sync"}],
            "proposedCommitStatuses": [{"key": "argocd-sync"}], "environments": [{"branch": "env/dev"}, {"branch": "env/prod"}]},
        "status": {"environments": [
            {"branch": "env/dev", "active": {"hydrated": {"sha": SHA}}, "proposed": {"hydrated": {"sha": PROPOSED}}},
            {"branch": "env/prod", "active": {"hydrated": {"sha": PROD}}, "proposed": {"hydrated": {"sha": ""}}}]},
    }))
}

fn look_with(spec: Json, status: Json, strategy: &Strategy, apps: &[Json], now: i64) -> Outcome {
    let mut spec = spec;
    spec["promotionStrategyRef"] = json!({"name": "app"});
    let metadata = json!({"name": "gate", "namespace": "team", "uid": "u", "generation": 3});
    let gate = Gate::parse(&APPLICATION_GATE, &json!({"metadata": metadata, "spec": spec, "status": status})).unwrap();
    let records: Vec<_> = apps.iter().map(Record::of).collect();
    let applications: Vec<_> = records.iter().collect();
    let engine = Engine::new(Limits::default(), Integers::AsGo);
    let input = Input {
        gate: &gate,
        strategy,
        applications: &applications,
        said: &|_| None,
        now: Time::unix(now, 0),
        local: Location::Utc,
        random: &|_| {},
    };
    look(&engine, &input)
}

fn look_at_apps(apps: &[Json]) -> Outcome {
    look_with(json!({}), json!({}), &strategy(), apps, NOW)
}

fn error_of(outcome: &Outcome) -> Option<String> {
    outcome.error(&APPLICATION_GATE)
}

/// What is stored of a branch.
fn of<'o>(outcome: &'o Outcome, branch: &str) -> Option<&'o EnvironmentStatus> {
    EnvironmentStatus::find(&outcome.status.environments, branch)
}

/// Phase and description of `env/dev`.
fn dev(outcome: &Outcome) -> (Phase, String) {
    let entry = of(outcome, "env/dev").expect("an entry");
    (entry.phase, entry.description.clone())
}

#[test]
fn one_application_by_the_default_expression() {
    use Phase::{Failure, Pending, Success};
    let operation = "/status/operationState";
    let hydration = |phase: &str| {
        let mut app = app("a");
        app["status"]["sourceHydrator"] = json!({"currentOperation": {"phase": phase}});
        app
    };
    let cases = [
        (app("a"), Success),
        (with("a", &[("/status/health/status", json!("Degraded"))]), Failure),
        (with("a", &[("/status/health/status", json!("Progressing"))]), Pending),
        (with("a", &[("/status/health", Json::Null)]), Pending),
        (with("a", &[("/status/sync/status", json!("OutOfSync"))]), Pending),
        (with("a", &[(operation, json!({"phase": "Failed", "syncResult": {"revision": SHA}}))]), Failure),
        (with("a", &[(operation, json!({"phase": "Error", "syncResult": {"revision": SHA}}))]), Failure),
        (with("a", &[(operation, json!({"phase": "Failed", "syncResult": {"revision": OLD}}))]), Pending),
        (with("a", &[(operation, json!({"phase": "Running"}))]), Pending),
        (with("a", &[(operation, Json::Null)]), Pending),
        (with("a", &[("/status", json!({"sync": {"revision": SHA}}))]), Pending),
        (hydration("Failed"), Failure),
        (hydration("Hydrating"), Success),
    ];
    for (app, phase) in cases {
        let outcome = look_at_apps(std::slice::from_ref(&app));
        assert_eq!(error_of(&outcome), None);
        assert_eq!(dev(&outcome).0, phase, "{}", app["status"]);
    }
}

#[test]
fn one_that_is_not_at_the_commit_is_pending_whatever_it_is() {
    for health in ["Healthy", "Degraded"] {
        let behind = [("/status/sync/revision", json!(OLD)), ("/status/health/status", json!(health))];
        assert_eq!(dev(&look_at_apps(&[with("a", &behind)])).0, Phase::Pending);
    }
}

#[test]
fn several_are_combined_and_counted() {
    let degraded = || with("b", &[("/status/health/status", json!("Degraded"))]);
    let waiting = || with("c", &[("/status/health/status", json!("Progressing"))]);
    let of = |apps: &[Json]| dev(&look_at_apps(apps));
    assert_eq!(of(&[app("a"), app("b")]), (Phase::Success, "2/2 apps are healthy".into()));
    assert_eq!(of(&[app("a"), degraded(), waiting()]), (Phase::Failure, "1/3 apps are degraded".into()));
    let words = "Waiting for apps to be healthy (1 healthy, 0 degraded, 1 pending)";
    assert_eq!(of(&[app("a"), waiting()]), (Phase::Pending, words.into()));
    assert_eq!(of(&[]), (Phase::Pending, "No Application of env/dev is selected".into()));
}

#[test]
fn the_commit_status_is_what_the_promoter_looks_for() {
    let outcome = look_at_apps(&[app("a")]);
    let [dev, prod] = &outcome.commit_statuses[..] else { panic!("{:?}", outcome.commit_statuses) };
    assert_eq!((dev.title.as_str(), dev.sha.as_str(), dev.repository.as_str()), ("argocd-sync/env/dev", SHA, "repo"));
    assert_eq!(dev.labels[names::KEY_LABEL], "argocd-sync");
    assert_eq!(dev.labels[names::ENVIRONMENT_LABEL], "env-dev");
    assert_eq!(dev.labels[APPLICATION_GATE.gate_label], "gate");
    assert_eq!((prod.phase, prod.sha.as_str()), (Phase::Pending, PROD));
    assert_eq!(outcome.keep.unwrap(), [dev.name.clone(), prod.name.clone()]);
    assert_eq!(outcome.status.observed_generation, 3);
}

#[test]
fn health_that_moved_a_moment_ago_is_not_believed_yet() {
    let moved = |at: &str| with("a", &[("/status/health/lastTransitionTime", json!(at))]);
    // The second 00:00:56 ends at 57, and five seconds later it is 00:01:02.
    let outcome = look_at_apps(&[moved("2026-01-01T00:00:56Z")]);
    assert_eq!(dev(&outcome), (Phase::Pending, "1/1 apps are healthy".into()));
    assert_eq!(outcome.look_again, Some((NOW + 2) * 1000));
    assert_eq!(look_at_apps(&[moved("2026-01-01T00:00:54Z")]).look_again, None);
    let at_once = look_with(json!({"settle": "0s"}), json!({}), &strategy(), &[moved("2026-01-01T00:00:59Z")], NOW);
    assert_eq!(dev(&at_once).0, Phase::Success);
}

#[test]
fn proposed_judges_the_active_commit_and_reports_on_the_proposed_one() {
    let outcome = look_with(json!({"reportOn": "proposed"}), json!({}), &strategy(), &[app("a")], NOW);
    assert_eq!((outcome.commit_statuses[0].sha.as_str(), outcome.commit_statuses[0].phase), (PROPOSED, Phase::Success));
    // The other environment has no proposed commit, which is its own affair.
    assert_eq!(outcome.commit_statuses.len(), 1);
    assert!(
        error_of(&outcome).unwrap().contains("environment \"env/prod\": no SHA available"),
        "{:?}",
        error_of(&outcome)
    );
}

#[test]
fn environments_that_share_a_commit_need_a_key_each() {
    let mut object = strategy().object;
    object["status"]["environments"][1]["active"]["hydrated"]["sha"] = json!(SHA);
    let outcome = look_with(json!({}), json!({}), &Strategy::read(object), &[app("a")], NOW);
    assert!(outcome.commit_statuses.is_empty());
    let error = error_of(&outcome).unwrap();
    assert!(error.contains("env/dev, env/prod share commit 1111") && error.contains("a key of its own"), "{error}");
}

#[test]
fn all_selected_must_be_of_one_repository() {
    let other = with("b", &[("/spec/source/repoURL", json!("https://h/b"))]);
    let stored = json!({"environments": [{"branch": "env/dev", "phase": "success", "reportedSha": OLD}]});
    let outcome = look_with(json!({}), stored, &strategy(), &[app("a"), other], NOW);
    assert!(error_of(&outcome).unwrap().contains("same repo configured: a has h/a, b has h/b"));
    assert!(outcome.commit_statuses.is_empty() && outcome.keep.is_none(), "nothing is written or removed");
    assert_eq!(outcome.status.environments[0].reported_sha, OLD, "what was stored stays");
    let alike = with("b", &[("/spec/source/repoURL", json!("git@H:a"))]);
    assert_eq!(error_of(&look_at_apps(&[app("a"), alike])), None);
}

#[test]
fn ones_own_expression_sees_the_application_and_what_was_said_before() {
    let when = json!({
        "variables": {"expression": "{ready: app.status.health.status == 'Healthy' && PromotionStrategy.Name == 'app'}"},
        "expression": "Variables.ready && Revision == Environment.Sha ? {phase: Phase == 'pending' ? 'failure' : 'success'} : false",
        "output": {"expression": "{branch: Environment.Branch, at: now().Unix()}"},
    });
    let spec = json!({"when": when});
    let stored = json!({"environments": [{"branch": "env/dev", "phase": "pending"}]});
    let outcome = look_with(spec.clone(), stored, &strategy(), &[app("a")], NOW);
    assert_eq!(dev(&outcome).0, Phase::Failure);
    let entry = &of(&outcome, "env/dev").unwrap().applications[0];
    assert_eq!(entry.output, Some(json!({"branch": "env/dev", "at": NOW})));
    assert_eq!(dev(&look_with(spec, json!({}), &strategy(), &[app("a")], NOW)).0, Phase::Success);
}

#[test]
fn an_expression_that_fails_is_its_environments_own_affair() {
    let prod = with("p", &[("/spec/source/targetRevision", json!("env/prod")), ("/status/sync/revision", json!(PROD))]);
    let spec = json!({"when": {"expression": "Environment.Branch == 'env/prod' ? nothing.at.all : true"}});
    let stored = json!({"environments": [{"branch": "env/prod", "phase": "success", "reportedSha": OLD}]});
    let outcome = look_with(spec, stored, &strategy(), &[app("a"), prod], NOW);
    assert_eq!((dev(&outcome).0, outcome.commit_statuses.len()), (Phase::Success, 1));
    let error = error_of(&outcome).unwrap();
    assert!(error.contains("environment \"env/prod\": failed to evaluate when for Application p"), "{error}");
    assert_eq!(of(&outcome, "env/prod").unwrap().reported_sha, OLD);
    assert_eq!(outcome.keep.unwrap().len(), 2, "what is there stays");
    for broken in ["1 +", "'success'", "{phase: 'great'}"] {
        let outcome = look_with(json!({"when": {"expression": broken}}), json!({}), &strategy(), &[app("a")], NOW);
        assert!(error_of(&outcome).is_some(), "{broken}");
    }
}

#[test]
fn texts_and_links_are_templates() {
    let spec = json!({
        "descriptionTemplate": "{{ .Branch }}: {{ .Description }} {{ .Healthy }}/{{ .Total }}",
        "urlTemplate": "https://argocd.example/{{ .ApplicationGate.metadata.name }}?sha={{ .Environment.Sha }}",
    });
    let outcome = look_with(spec, json!({}), &strategy(), &[app("a")], NOW);
    assert_eq!(dev(&outcome).1, "env/dev: 1/1 apps are healthy 1/1");
    assert_eq!(outcome.commit_statuses[0].url.as_deref().unwrap(), format!("https://argocd.example/gate?sha={SHA}"));
    let outcome = look_with(json!({"urlTemplate": "javascript:1"}), json!({}), &strategy(), &[app("a")], NOW);
    assert!(error_of(&outcome).unwrap().contains("no http or https URL"));
}

#[test]
fn a_changed_phase_is_told_once() {
    let first = look_at_apps(&[app("a")]);
    let notes: Vec<_> = first.events.iter().map(|event| event.note.as_str()).collect();
    assert_eq!(
        notes[0],
        "Commit status \"argocd-sync/env/dev\" for environment branch env/dev changed from <none> to success"
    );
    let stored = serde_json::to_value(&first.status).unwrap();
    let again = look_with(json!({}), stored, &strategy(), &[app("a")], NOW);
    assert!(again.events.is_empty());
    assert_eq!(again.status, first.status, "nothing changed, nothing to write");
}

#[test]
fn what_is_stored_is_bounded_and_what_is_wrong_comes_first() {
    let mut apps: Vec<_> = (0..100).map(|n| app(&format!("a{n:03}"))).collect();
    apps.push(with("z", &[("/status/health/status", json!("Degraded"))]));
    let outcome = look_at_apps(&apps);
    let stored = &of(&outcome, "env/dev").unwrap().applications;
    assert_eq!((stored.len(), stored[0].name.as_str()), (MOST_APPLICATIONS, "z"));
}

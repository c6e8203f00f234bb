//! `gatepost gate run` and `gatepost check` on the examples that ship, as people call them.

use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output};

fn sample(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("config/samples/gates/{name}.yaml"));
    path.to_string_lossy().into_owned()
}

fn gatepost(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gatepost")).args(arguments).output().unwrap()
}

fn gate_run(name: &str, more: &[&str]) -> (bool, Value) {
    let (gate, strategy) = (sample(name), sample("strategy"));
    let mut arguments = vec!["gate", "run", &gate, "--strategy", &strategy, "-o", "json"];
    arguments.extend(more);
    let output = gatepost(&arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}\n{output:?}")))
}

#[test]
fn a_gate_is_tried_without_a_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let body = folder.path().join("answer.json");
    std::fs::write(&body, r#"{"approved": true}"#).unwrap();
    let (good, shown) = gate_run("external-approval", &["--response", body.to_str().unwrap()]);
    assert!(good, "{shown}");
    let url = "https://approvals.example.com/api/check/1111111111111111111111111111111111111111";
    assert_eq!(shown["requests"][0]["url"], url);
    assert_eq!(shown["commitStatuses"][2]["spec"]["phase"], "success");
    assert_eq!(shown["status"]["environments"][0]["lastResponseStatusCode"], 200);
    assert_eq!(shown["lookAgainAfter"], 120.0);
}

#[test]
fn a_request_that_is_not_answered_is_only_shown() {
    let (good, shown) = gate_run("team-approval", &[]);
    assert!(good, "{shown}");
    assert_eq!((shown["requests"].as_array().unwrap().len(), &shown["failures"]), (3, &serde_json::json!([])));
    let text = gatepost(&["gate", "run", &sample("team-approval"), "--strategy", &sample("strategy")]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("environment/dev: POST https://approvals.example.com/api/check"), "{text}");
    assert!(text.contains("not answered: give --status or --response"), "{text}");
}

#[test]
fn each_environment_may_have_its_own_answer_and_a_failure_is_honest() {
    let (good, shown) = gate_run("secure-validation", &["--status", "200", "--status", "environment/prod=503"]);
    assert!(good, "{shown}");
    let phases: Vec<_> = shown["looks"].as_array().unwrap().iter().map(|look| look["phases"].to_string()).collect();
    assert!(phases[0].contains("success") && phases[2].contains("pending"), "{phases:?}");
    assert!(shown["nextTry"].is_string());
    // An answer without the fields that the expression compares.
    let (good, shown) = gate_run("compliance-check", &["--status", "200"]);
    assert!(!good && shown["failures"][0].as_str().unwrap().contains("environment/prod"), "{shown}");
}

#[test]
fn the_samples_pass_a_strict_check_and_broken_ones_are_explained() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config/samples/gates");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    let mut arguments = vec!["check", "--strict"];
    arguments.extend(files.iter().map(|path| path.to_str().unwrap()));
    let output = gatepost(&arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("20 gates; 0 errors, 0 warnings"), "{text}");

    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("gate.yaml");
    let good = std::fs::read_to_string(sample("github-required-statuses")).unwrap();
    std::fs::write(&broken, good.replace("check_runs, .status", "check_runs, # r, r.status")).unwrap();
    let output = gatepost(&["check", broken.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success() && text.contains("a predicate has no parameter: write #"), "{text}");
    assert!(text.contains("gate.yaml:28:"), "{text}");
}

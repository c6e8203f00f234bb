//! What an expression is found to read, call and risk.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use gatepost_expr::analysis::Usage;
use gatepost_expr::{CompileOptions, Program};

fn usage(text: &str) -> Usage {
    Program::compile(text, &CompileOptions::default()).unwrap().usage()
}

fn paths(usage: &Usage) -> Vec<String> {
    usage.paths.iter().map(|(path, whole)| path.join(".") + if *whole { " whole" } else { "" }).collect()
}

#[test]
fn paths_are_found_through_chains_variables_and_predicates() {
    let found =
        usage("let s = app.status; s.sync.status == 'Synced' && any(app.status.resources, .health?.status == 'x')");
    assert_eq!(
        paths(&found),
        ["app.status.resources", "app.status.resources.health.status whole", "app.status.sync.status whole"]
    );
    assert!(found.reads(&["app", "status"]));
    assert!(found.reads(&["app", "status", "sync", "status", "deeper"]));
    assert!(!found.reads(&["app", "spec"]));
}

#[test]
fn computed_keys_cover_everything_behind() {
    let found = usage("app.metadata.labels[context.key]");
    assert!(found.reads(&["app", "metadata", "labels", "anything"]));
    assert!(usage("$env").reads(&["app"]));
}

#[test]
fn functions_and_the_clock_are_found() {
    let found = usage("repo.GetCommitMetadata(app.spec.source.targetRevision).Author");
    assert!(found.functions.contains("repo.GetCommitMetadata"));
    assert!(!found.clock);
    assert!(usage("time.Now().Sub(time.Parse(app.status.finishedAt)).Minutes() >= 5").clock);
    assert!(usage("now() > date('2024-01-01')").clock);
}

#[test]
fn members_of_what_may_be_nil_are_warned_of() {
    let warnings = usage("app.status.operationState.phase in ['Succeeded']").nil_warnings;
    assert!(warnings.iter().any(|w| w.path == "app.status.operationState" && w.member == "phase"));
    assert!(usage("app?.status?.operationState?.phase == 'x'").nil_warnings.is_empty());
}

#[test]
fn names_that_the_host_does_not_offer_are_listed() {
    assert_eq!(usage("appl.status == 'x' && app.spec").unknown_names(&["app"]), ["appl"]);
}

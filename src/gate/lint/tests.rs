#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use serde_json::json;

fn check_spec(spec: &str) -> Vec<Finding> {
    let mut gate = json!({"kind": "WebRequestCommitStatus", "metadata": {"name": "gate"}, "spec": {
        "promotionStrategyRef": {"name": "app"}, "key": "gate", "mode": {"polling": {"interval": "1m"}},
        "httpRequest": {"urlTemplate": "https://x.example/{{ .Branch }}", "methodTemplate": "GET"},
        "success": {"when": {"expression": "Response != nil && Response.StatusCode == 200"}}}});
    let spec: Json = serde_yaml_ng::from_str(spec).unwrap();
    json_patch::merge(&mut gate["spec"], &spec);
    check(&gate)
}

fn rules(spec: &str) -> Vec<&'static str> {
    check_spec(spec).iter().map(|finding| finding.rule).collect()
}

fn success(expression: &str) -> Vec<Finding> {
    check_spec(&json!({"success": {"when": {"expression": expression}}}).to_string())
}

#[test]
fn a_good_gate_has_no_findings() {
    assert_eq!(check_spec("{}"), []);
    let other = r#"any(PromotionStrategy.Status.Environments, any(.Proposed.CommitStatuses, {.Phase == "success"}))"#;
    assert_eq!(success(other), []);
    assert_eq!(success(r#"Response != nil ? Response.Body.ok == true : Phase == "success""#), []);
}

#[test]
fn an_unguarded_response_is_warned_of() {
    let found = success("Response.StatusCode == 200 && Response.Body.approved == true");
    assert_eq!((found.len(), found[0].severity, found[0].rule), (1, Severity::Warning, "gate-unanswered"));
    assert!(found[0].message.contains("cannot fetch StatusCode from <nil>"), "{}", found[0].message);
    assert!(found[0].fix.contains("Response != nil ?"));
    // Only the branch that a finished gate takes.
    assert_eq!(success(r#"Phase == "success" ? Response.Body.x : false"#)[0].rule, "gate-unanswered");
}

#[test]
fn named_strings_compared_with_text_are_warned_of() {
    let phases = "WebRequestCommitStatus.Status.Environments";
    for expression in [
        format!("any({phases} ?? [], {{.Phase == \"success\"}})"),
        format!("let own = find({phases} ?? [], {{.Branch == Branch}}); own != nil && own.Phase != \"failure\""),
        "WebRequestCommitStatus.Spec.Mode.Context in [\"environments\", \"x\"]".to_owned(),
    ] {
        let found = success(&expression);
        let named: Vec<_> = found.iter().filter(|finding| finding.rule == "gate-named-string").collect();
        assert_eq!(named.len(), 1, "{expression}: {found:?}");
        assert!(named[0].place.is_some() && named[0].fix.starts_with("write string("));
    }
    let right = format!("any({phases} ?? [], {{string(.Phase) == \"success\"}})");
    assert_eq!(success(&right), []);
}

#[test]
fn escaped_quotes_in_a_block_scalar_are_explained() {
    // As the seed prints it: the backslashes stay, because this is no quoted scalar.
    let found = check_spec(
        "httpRequest:\n  bodyTemplate: |\n    {\n      \"team\": \"{{ index .NamespaceMetadata.Labels \\\"team\\\" }}\"\n    }\n",
    );
    assert_eq!((found[0].severity, found[0].field.as_str()), (Severity::Error, "spec.httpRequest.bodyTemplate"));
    assert_eq!(found[0].place.map(|place| place.0), Some(2), "{found:?}");
    assert!(found[0].fix.contains("without the backslash"), "{}", found[0].fix);
    let header = check_spec(
        "httpRequest:\n  headerTemplates:\n    X-Team: '{{ index .NamespaceMetadata.Labels \\\"id\\\" }}'\n",
    );
    assert_eq!(header[0].field, "spec.httpRequest.headerTemplates.X-Team");
}

#[test]
fn a_missing_comma_in_a_json_body_is_found() {
    let found = check_spec(
        "httpRequest:\n  methodTemplate: POST\n  headerTemplates: {Content-Type: application/json}\n  bodyTemplate: |\n    {\n      \"phase\": \"{{ .Phase }}\"\n      \"team\": \"x\"\n    }\n",
    );
    assert_eq!((found[0].rule, found[0].place.map(|place| place.0)), ("gate-body", Some(3)), "{found:?}");
}

#[test]
fn a_lambda_with_a_parameter_is_explained() {
    let found = success("Response != nil && all(Response.Body.check_runs, # r, r.status == \"completed\")");
    assert_eq!((found[0].severity, found[0].rule), (Severity::Error, "gate-expression"));
    assert!(found[0].place.is_some() && found[0].fix.contains("write # for the element"), "{found:?}");
}

#[test]
fn names_and_fields_that_are_not_there_are_found() {
    assert_eq!(success("Respnse != nil")[0].rule, "gate-unknown-name");
    // The trigger has no answer yet.
    let trigger = "mode: {polling: null, trigger: {when: {expression: 'Response == nil'}}}";
    assert_eq!(rules(trigger), ["gate-unknown-name"]);
    let found = check_spec("descriptionTemplate: '{{ .ProposedHydratedSha }}'");
    assert_eq!((found[0].severity, found[0].rule), (Severity::Error, "gate-template"));
    let found = check_spec("httpRequest: {urlTemplate: 'https://x/{{ .Sha }}'}");
    assert!(found[0].message.contains("can't evaluate field Sha"), "{found:?}");
}

#[test]
fn a_shared_request_has_no_branch() {
    let own = "find(PromotionStrategy.Status.Environments, {.Branch == Branch}).Proposed.Hydrated.Sha != \"\"";
    let spec =
        json!({"mode": {"polling": null, "context": "promotionstrategy", "trigger": {"when": {"expression": own}}}});
    let found = check_spec(&spec.to_string());
    assert_eq!(found[0].field, "spec.mode.trigger.when");
    assert_eq!(found[0].fix, "in context promotionstrategy Branch is empty");
}

#[test]
fn what_is_no_gate_and_haste_are_told() {
    assert_eq!(rules("mode: {polling: {interval: 100ms}}"), ["gate-interval"]);
    assert_eq!(rules("mode: {polling: {interval: soon}}"), ["gate-spec"]);
    let known = |rule| RULES.iter().any(|(name, _)| *name == rule);
    assert!(known("gate-spec") && known("gate-interval"));
}

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::table::{GoStruct, Ty};
use super::{ARGOCD_COMMIT_STATUS, PROMOTION_STRATEGY, WEB_REQUEST_COMMIT_STATUS, object};
use crate::gate::engine::{Engine, Integers, Surroundings};
use gatepost_value::{Limits, Location, Time, Value};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The schema of a kind's custom resource.
fn schema(plural: &str) -> Json {
    let file = format!("tests/env/crds/gitops-promoter/promoter.argoproj.io_{plural}.yaml");
    let text = std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let crd: Json = serde_yaml_ng::from_str(&text).unwrap();
    crd.pointer("/spec/versions/0/schema/openAPIV3Schema").unwrap().clone()
}

fn compare(of: &GoStruct, schema: &Json, path: &str, wrong: &mut Vec<String>) {
    let empty = serde_json::Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    let fields = of.fields.iter().filter(|field| !field.tag.is_empty());
    let known: BTreeSet<&str> = fields.clone().map(|field| field.json()).collect();
    let declared: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
    // The schema has the type's own members, and says nothing of metadata.
    let inline: BTreeSet<&str> = if of.embedded > 0 { ["apiVersion", "kind"].into() } else { BTreeSet::new() };
    let expected: BTreeSet<&str> = known.union(&inline).copied().collect();
    if expected != declared {
        wrong.push(format!("{path}: {expected:?} is not {declared:?}"));
    }
    for field in fields.filter(|field| field.json() != "metadata") {
        compare_type(&field.ty, &properties[field.json()], &format!("{path}.{}", field.json()), wrong);
    }
}

fn compare_type(ty: &Ty, schema: &Json, path: &str, wrong: &mut Vec<String>) {
    let (kind, format) = (schema["type"].as_str().unwrap_or("?"), schema["format"].as_str().unwrap_or(""));
    let fits = match ty {
        Ty::Bool => kind == "boolean",
        Ty::Text | Ty::Named(_) | Ty::Duration => kind == "string" && format.is_empty(),
        Ty::Int => kind == "integer" && format.is_empty(),
        Ty::Int64 => (kind, format) == ("integer", "int64"),
        Ty::Time => (kind, format) == ("string", "date-time"),
        Ty::Labels => kind == "object" && schema["additionalProperties"]["type"] == "string",
        Ty::Raw(_) => kind == "object" && schema["x-kubernetes-preserve-unknown-fields"] == true,
        Ty::Pointer(to) => return compare_type(to, schema, path, wrong),
        Ty::List(of) => {
            compare_type(of, &schema["items"], &format!("{path}[]"), wrong);
            kind == "array"
        }
        Ty::Struct(of) => {
            compare(of, schema, path, wrong);
            kind == "object"
        }
    };
    if !fits {
        wrong.push(format!("{path}: {ty:?} is not {kind} {format}"));
    }
}

#[test]
fn the_table_has_what_the_schemas_have() {
    let mut wrong = Vec::new();
    compare(&PROMOTION_STRATEGY, &schema("promotionstrategies"), "PromotionStrategy", &mut wrong);
    compare(&WEB_REQUEST_COMMIT_STATUS, &schema("webrequestcommitstatuses"), "WebRequestCommitStatus", &mut wrong);
    compare(&ARGOCD_COMMIT_STATUS, &schema("argocdcommitstatuses"), "ArgoCDCommitStatus", &mut wrong);
    assert_eq!(wrong, Vec::<String>::new());
}

fn gate() -> Value {
    object(
        &WEB_REQUEST_COMMIT_STATUS,
        &json!({
        "apiVersion": "promoter.argoproj.io/v1alpha1", "kind": "WebRequestCommitStatus",
        "metadata": {"name": "gate", "labels": {"team": "shop"}, "creationTimestamp": "2026-01-02T03:04:05Z"},
        "spec": {"key": "k", "mode": {"polling": {"interval": "90s"}, "context": "environments"}},
        "status": {"environments": [{"branch": "dev", "phase": "success", "lastResponseStatusCode": 200,
            "triggerOutput": {"n": 1}}]}}),
    )
}

fn evaluated(expression: &str) -> String {
    let engine = Engine::new(Limits::default(), Integers::AsGo);
    let around = Surroundings { now: Time::unix(0, 0), local: Location::Utc, random: &|_| {} };
    let strategy = json!({"metadata": {"name": "app"}, "status": {"environments": [
        {"branch": "dev", "proposed": {"hydrated": {"commitTime": "2026-01-02T03:04:05Z"},
            "commitStatuses": [{"key": "x", "phase": "success"}]}}]}});
    let environment = Value::map(vec![
        ("WebRequestCommitStatus".into(), gate()),
        ("PromotionStrategy".into(), object(&PROMOTION_STRATEGY, &strategy)),
    ]);
    let value = engine.compile(expression, false).and_then(|program| engine.run(&program, &environment, &around));
    value.map_or_else(|error| error.lines().next().unwrap_or_default().to_owned(), |value| format!("{value:?}"))
}

#[test]
fn expressions_see_go_names_types_and_methods() {
    let own = "WebRequestCommitStatus.Status.Environments[0]";
    for (expression, result) in [
        ("WebRequestCommitStatus.Name", "gate"),
        ("WebRequestCommitStatus.ObjectMeta.Labels[\"team\"]", "shop"),
        ("WebRequestCommitStatus.GetName()", "gate"),
        ("WebRequestCommitStatus.Labels.nosuch", ""),
        ("WebRequestCommitStatus.Spec.Mode.Polling.Interval.Seconds()", "90"),
        ("WebRequestCommitStatus.Spec.Mode.Trigger == nil", "true"),
        ("WebRequestCommitStatus.Spec.HTTPRequest.Authentication?.Basic", "<nil>"),
        ("WebRequestCommitStatus.Spec.Mode.Context == \"environments\"", "false"),
        (&format!("{own}.Phase == \"success\""), "false"),
        (&format!("string({own}.Phase) == \"success\""), "true"),
        (&format!("{own}.LastResponseStatusCode == 200"), "true"),
        (&format!("{own}.LastRequestTime == nil"), "true"),
        (&format!("len({own}.TriggerOutput.Raw)"), "7"),
        ("PromotionStrategy.Status.Environments[0].Proposed.CommitStatuses[0].Phase == \"success\"", "true"),
        ("PromotionStrategy.Status.Environments[0].Proposed.Hydrated.CommitTime.Unix()", "1767323045"),
        ("PromotionStrategy.Status.Environments[0].PullRequest == nil", "true"),
        ("PromotionStrategy.Status.Environments[0].Active.Dry.CommitTime.IsZero()", "true"),
        ("PromotionStrategy.Spec.NoSuch", "cannot fetch NoSuch from v1alpha1.PromotionStrategySpec (1:24)"),
    ] {
        assert_eq!(evaluated(expression), result, "{expression}");
    }
    let times = "PromotionStrategy.Status.Environments[0].Proposed.Hydrated.CommitTime";
    assert_eq!(evaluated(&format!("{times}.Before(WebRequestCommitStatus.CreationTimestamp)")), "false");
}

#[test]
fn templates_print_them_as_go_does() {
    let engine = Engine::new(Limits::default(), Integers::AsGo);
    let around = Surroundings { now: Time::unix(0, 0), local: Location::Utc, random: &|_| {} };
    let shown = |template: &str| engine.render(template, &gate(), &around).unwrap();
    assert_eq!(shown("{{ .Spec.Mode | toJson }}"), r#"{"polling":{"interval":"1m30s"},"context":"environments"}"#);
    assert_eq!(shown("{{ .Spec.Mode.Polling.Interval }}"), "1m30s");
    assert_eq!(
        shown("{{ (index .Status.Environments 0) | toJson }}"),
        r#"{"branch":"dev","phase":"success","lastResponseStatusCode":200,"triggerOutput":{"n":1}}"#
    );
    assert_eq!(
        shown("{{ range .Status.Environments }}{{ if eq .Phase \"success\" }}{{ .Branch }}{{ end }}{{ end }}"),
        "dev"
    );
    assert_eq!(shown("{{ .CreationTimestamp.Format \"2006\" }} {{ .Namespace }}"), "2026 ");
}

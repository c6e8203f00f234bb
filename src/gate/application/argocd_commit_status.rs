//! `ArgoCDCommitStatus`, the Promoter's kind: judged by health and sync, by the Promoter's own rules (`spec/gates.md` 16).

use super::dialect::{Dialect, Found, Memory, Namespaces, Scope, Together, Told};
use super::judge;
use super::place::{self, Place};
use super::record::Record;
use super::spec::{DEFAULT_SETTLE, Error, Fields, Rule, Spec, Url};
use super::status::{SelectedApplication, Status};
use crate::gate::objects::{self, ARGOCD_COMMIT_STATUS as VIEW};
use crate::gate::spec::ReportOn;
use gatepost_template::MissingKey;
use gatepost_value::namespace::Record as Struct;
use gatepost_value::{Str, Time, Value};
use serde_json::Value as Json;

/// The kind.
pub static ARGOCD_COMMIT_STATUS: Dialect = Dialect {
    api_version: "promoter.argoproj.io/v1alpha1",
    kind: "ArgoCDCommitStatus",
    plural: "argocdcommitstatuses",
    manager: "promoter.argoproj.io/argocdcommitstatus-controller",
    commit_status_manager: "promoter.argoproj.io/argocdcommitstatus-controller",
    gate_label: "promoter.argoproj.io/argo-cd-commit-status",
    suffix: "argo-cd",
    default_key: "argocd-health",
    url_field: "spec.url.template",
    is_promoters: true,
    namespaces: Namespaces::Granted,
    empty_selects_all: true,
    scope: Scope::Populated,
    together: Together::AllFailures,
    memory: Memory::CommitStatuses,
    read,
    empty: |gate| Some(none_selected(&gate.object["spec"]["applicationSelector"])),
    data,
    store,
};

fn read(dialect: &'static Dialect, spec: &Json) -> Result<Spec, Error> {
    let fields = Fields::of(dialect, spec);
    let options = spec.pointer("/url/options").and_then(Json::as_array).into_iter().flatten();
    let missing = missing(options.filter_map(Json::as_str)).map_err(|why| fields.wrong("spec.url.options", why))?;
    Ok(Spec {
        strategy: fields.strategy()?,
        key: fields.key(),
        report_on: ReportOn::Active,
        rule: Rule::HealthAndSync,
        description: String::new(),
        url: Url { template: fields.text("/url/template"), missing },
        settle: DEFAULT_SETTLE,
    })
}

/// What the options of a template say of keys that are not there; the last one counts.
fn missing<'o>(options: impl Iterator<Item = &'o str>) -> Result<MissingKey, String> {
    options.map(one_option).try_fold(MissingKey::Default, |_, option| option)
}

fn one_option(option: &str) -> Result<MissingKey, String> {
    match option {
        "missingkey=default" | "missingkey=invalid" => Ok(MissingKey::Default),
        "missingkey=zero" => Ok(MissingKey::Zero),
        "missingkey=error" => Ok(MissingKey::Error),
        unknown => {
            Err(format!("unrecognized option {unknown:?}; there are missingkey=default, =invalid, =zero and =error"))
        }
    }
}

fn data(told: &Told<'_>) -> Value {
    let fields = [
        ("ArgoCDCommitStatus", objects::object(&VIEW, &told.gate.object)),
        ("Environment", Value::str(told.scene.branch)),
    ];
    let fields = fields.into_iter().map(|(name, value)| (Str::from_static(name), value)).collect();
    Struct::value("controller.URLTemplateData", fields)
}

fn none_selected(selector: &Json) -> String {
    format!(
        "no Argo CD Applications found matching selector {}: seen are those of the object's own namespace, and those of others by a grant in \
         authority.grants",
        written(selector)
    )
}

/// A label selector as Kubernetes prints it.
fn written(selector: &Json) -> String {
    let exact = selector["matchLabels"].as_object().into_iter().flatten();
    let exact = exact.map(|(key, value)| (key.as_str(), format!("{key}={}", value.as_str().unwrap_or_default())));
    let conditions = selector["matchExpressions"].as_array().into_iter().flatten().map(|condition| {
        let key = condition["key"].as_str().unwrap_or_default();
        let values = condition["values"].as_array().into_iter().flatten().filter_map(Json::as_str);
        let mut values: Vec<&str> = values.collect();
        values.sort_unstable();
        let values = values.join(",");
        let text = match condition["operator"].as_str().unwrap_or_default() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        };
        (key, text)
    });
    let mut all: Vec<(&str, String)> = exact.chain(conditions).collect();
    all.sort_by_key(|(key, _)| *key);
    let all: Vec<String> = all.into_iter().map(|(_, text)| text).collect();
    if all.is_empty() { "<everything>".to_owned() } else { all.join(",") }
}

/// In the strategy's order, then by namespace and name; Applications of no environment last.
fn store(status: &mut Status, found: &Found<'_>) {
    let mut selected: Vec<_> = found.applications.iter().map(|record| selected(record, found.branches)).collect();
    let order = |one: &SelectedApplication| found.branches.iter().position(|branch| *branch == one.environment);
    selected.sort_by_cached_key(|one| {
        let order = order(one).unwrap_or(usize::MAX);
        (order, one.environment.clone(), one.namespace.clone(), one.name.clone())
    });
    status.applications_selected = selected;
}

fn selected(record: &Record, branches: &[String]) -> SelectedApplication {
    let place = Place::of(record, branches);
    let revision = place.as_ref().map_or_else(|| record.text("/status/sync/revision"), |place| place.revision(record));
    let is_synced = record.text("/status/sync/status") == "Synced";
    let since = record.text("/status/health/lastTransitionTime");
    SelectedApplication {
        cluster_name: String::new(),
        environment: place.map_or_else(|| place::follows(record).to_owned(), |place| place.branch),
        namespace: record.namespace.clone(),
        name: record.name.clone(),
        phase: judge::health_and_sync(record),
        sha: if is_synced && is_sha(revision) { revision.to_owned() } else { String::new() },
        last_transition_time: Time::parse_rfc3339(since).is_ok().then(|| since.to_owned()),
    }
}

/// A whole SHA-1 or SHA-256: the schema refuses all else.
fn is_sha(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
#[path = "argocd_tests.rs"]
mod tests;

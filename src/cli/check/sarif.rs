//! The report as SARIF 2.1.0, the form that code review tools read.

use super::{Remark, Severity};
use crate::gate::lint::RULES;
use crate::notify::lint::Rule;
use serde_json::{Value, json};

/// Rules of the report that are not the linter's.
const OTHERS: [(&str, &str); 7] = [
    ("broken-key", "A key cannot be read; what needs it is out of order."),
    ("configuration", "A key can be read, but not all in it does what it says."),
    ("broken-subscription", "An annotation with subscriptions cannot be read; it subscribes nobody."),
    ("egress-refused", "Egress refuses the host of a service."),
    ("unresolved-host", "The host of a service cannot be resolved from here."),
    ("would-send", "Notifications would be sent at once with this configuration."),
    ("application-set", "An ApplicationSet will remove the subscription."),
];

/// The whole log.
pub(super) fn log(remarks: &[Remark]) -> Value {
    let rule = |id: &str, text: &str| json!({"id": id, "shortDescription": {"text": text}});
    let others = OTHERS.iter().map(|(id, text)| rule(id, text));
    let gates = RULES.iter().map(|(id, text)| rule(id, text));
    let own = Rule::ALL.iter().map(|r| rule(r.as_str(), r.description()));
    let rules: Vec<Value> = others.chain(own).chain(gates).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "gatepost", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "results": remarks.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}

fn result(remark: &Remark) -> Value {
    let level = match remark.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let advice = if remark.advice.is_empty() { String::new() } else { format!(" ({})", remark.advice) };
    let mut out = json!({
        "ruleId": remark.rule, "level": level,
        "message": {"text": format!("{}: {}{advice}", remark.key, remark.message)},
    });
    if !remark.file.is_empty() {
        let mut region = json!({"startLine": remark.line.unwrap_or(1).max(1)});
        if let Some(column) = remark.column.filter(|column| *column > 0) {
            region["startColumn"] = column.into();
        }
        let file = if remark.file == "-" { "stdin" } else { &remark.file };
        out["locations"] = json!([{"physicalLocation": {"artifactLocation": {"uri": file}, "region": region}}]);
    }
    out
}

//! Gates among the manifests: what their linter finds, at its place in the file.

use super::{Remark, Severity};
use crate::gate::lint;
use crate::notify::yaml::{self, Kind, Node};
use crate::source::files;
use gatepost_value::{Value, json};

/// What is found in the gates of a file, and how many there are.
pub(super) fn remarks(file: &str, text: &str) -> (usize, Vec<Remark>) {
    let (mut gates, mut first, mut out) = (0, 0, Vec::new());
    for part in text.split("\n---") {
        for gate in files::parse_documents(file, part).unwrap_or_default().iter().filter(|object| is_gate(object)) {
            gates += 1;
            let node = yaml::parse(part).ok();
            let found = lint::check(&json::to_serde(gate));
            out.extend(found.into_iter().map(|finding| of_finding(file, first, gate, node.as_ref(), finding)));
        }
        first += u32::try_from(part.matches('\n').count()).unwrap_or(0) + 1;
    }
    (gates, out)
}

fn is_gate(object: &Value) -> bool {
    lint::knows(&kind(object))
}

fn kind(object: &Value) -> String {
    object.get("kind").and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default()
}

fn of_finding(file: &str, first: u32, gate: &Value, node: Option<&Node>, finding: lint::Finding) -> Remark {
    let name = gate.at(&["metadata", "name"]).and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
    let begins = node.and_then(|node| find(node, &finding.field)).map(|found| found.place);
    let line = begins.map(|begins| first + begins.line + finding.place.map_or(0, |(line, _)| line.saturating_sub(1)));
    // Only the first line of a scalar begins where its node stands; a block's lines are all indented as much.
    let column = begins.zip(finding.place).map(|(begins, (_, column))| begins.column + column - 1);
    Remark {
        severity: match finding.severity {
            lint::Severity::Error => Severity::Error,
            lint::Severity::Warning => Severity::Warning,
        },
        rule: finding.rule,
        file: file.to_owned(),
        key: format!("{} {name} {}", kind(gate), finding.field),
        line,
        column,
        message: finding.message,
        advice: finding.fix,
    }
}

/// The value at a path of names, which may have dots themselves.
fn find<'n>(node: &'n Node, path: &str) -> Option<&'n Node> {
    let Kind::Map(pairs) = &node.kind else { return None };
    pairs.iter().find_map(|(key, value)| {
        let rest = path.strip_prefix(&key.key_text())?;
        if rest.is_empty() { Some(value) } else { find(value, rest.strip_prefix('.')?) }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GATE: &str = "kind: Secret\n---\nkind: WebRequestCommitStatus\nmetadata: {name: g}\nspec:\n  promotionStrategyRef: {name: app}\n  key: gate\n  httpRequest:\n    methodTemplate: GET\n    urlTemplate: https://x.example/\n    headerTemplates:\n      X.Y: '{{ nosuch }}'\n  success:\n    when:\n      expression: |\n        Response != nil &&\n          Response.Body.ok ==\n  mode: {polling: {interval: 1m}}\n";

    #[test]
    fn findings_stand_at_their_lines_in_the_file() {
        let (gates, found) = remarks("g.yaml", GATE);
        assert_eq!((gates, found.len()), (1, 2), "{found:?}");
        let expression = found.iter().find(|remark| remark.rule == "gate-expression").unwrap();
        assert_eq!(expression.key, "WebRequestCommitStatus g spec.success.when.expression");
        let line = usize::try_from(expression.line.unwrap()).unwrap();
        assert!((16..=18).contains(&line), "{line}");
        let header = found.iter().find(|remark| remark.rule == "gate-template").unwrap();
        assert_eq!((header.line, header.severity), (Some(12), Severity::Error));
    }

    #[test]
    fn gates_of_applications_are_checked_too() {
        let text = "kind: ArgoCDCommitStatus\nmetadata: {name: h}\nspec:\n  promotionStrategyRef: {name: app}\n  url:\n    template: '{{ nosuch }}'\n";
        let (gates, found) = remarks("g.yaml", text);
        assert_eq!((gates, found.len()), (1, 1), "{found:?}");
        assert_eq!((found[0].key.as_str(), found[0].line), ("ArgoCDCommitStatus h spec.url.template", Some(6)));
        assert_eq!(remarks("g.yaml", "kind: ApplicationGate\nmetadata: {name: h}\n").1[0].rule, "gate-spec");
    }
}

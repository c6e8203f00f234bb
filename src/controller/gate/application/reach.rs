//! Which Applications a gate may see: where they are, and by which labels it selects them.

use super::super::ask::Grant;
use crate::gate::application::Record;
use serde_json::Value as Json;

/// What the operator lets gates see.
#[derive(Clone)]
pub(in crate::controller::gate) struct Reach {
    /// Gatepost's own namespace, whose gates are the operator's.
    pub namespace: String,
    /// Whose gates may see the Applications of other namespaces.
    pub grants: Vec<Grant>,
}

/// What a gate selects.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Selection {
    /// Namespaces of the Applications.
    pub namespaces: Vec<String>,
    /// `spec.applicationSelector`.
    selector: Json,
}

impl Selection {
    /// What a gate of this namespace selects.
    ///
    /// # Errors
    /// A namespace that it may not see, and the setting that would let it.
    pub fn of(spec: &Json, own: &str, reach: &Reach) -> Result<Self, String> {
        let named = spec["applicationNamespaces"].as_array().into_iter().flatten();
        let mut namespaces: Vec<String> = named.filter_map(Json::as_str).map(str::to_owned).collect();
        if namespaces.is_empty() {
            namespaces.push(own.to_owned());
        }
        if let Some(refused) = namespaces.iter().find(|namespace| !reach.allows(own, namespace)) {
            return Err(format!(
                "gates of {own} may not see the Applications of {refused}; to allow it add {{ from = \"{own}\", to = \"{refused}\", what = [\"applications\"] }} to authority.grants"
            ));
        }
        Ok(Self { namespaces, selector: spec["applicationSelector"].clone() })
    }

    /// Whether a gate sees an Application.
    pub fn holds(&self, record: &Record) -> bool {
        self.namespaces.contains(&record.namespace) && selects(&self.selector, &record.labels)
    }
}

impl Reach {
    fn allows(&self, from: &str, to: &str) -> bool {
        let granted = |grant: &Grant| grant.to == to && grant.from.is_match(from);
        from == to || from == self.namespace || self.grants.iter().any(granted)
    }
}

/// A label selector. An empty one selects nothing: it would be everybody's.
fn selects(selector: &Json, labels: &[(String, String)]) -> bool {
    let value = |key: &str| labels.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let exact = selector["matchLabels"].as_object();
    let conditions = selector["matchExpressions"].as_array();
    let empty = exact.is_none_or(serde_json::Map::is_empty) && conditions.is_none_or(Vec::is_empty);
    let holds = |condition: &Json| {
        let found = value(condition["key"].as_str().unwrap_or_default());
        let listed = condition["values"].as_array().into_iter().flatten().any(|one| one.as_str() == found);
        match condition["operator"].as_str().unwrap_or_default() {
            "In" => found.is_some() && listed,
            "NotIn" => found.is_none() || !listed,
            "Exists" => found.is_some(),
            "DoesNotExist" => found.is_none(),
            _ => false,
        }
    };
    !empty
        && exact.into_iter().flatten().all(|(key, wanted)| value(key) == wanted.as_str())
        && conditions.into_iter().flatten().all(holds)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn reach() -> Reach {
        let from = globset::Glob::new("team-*").unwrap().compile_matcher();
        Reach { namespace: "argocd".into(), grants: vec![Grant { from, to: "argocd".into() }] }
    }

    #[test]
    fn other_namespaces_need_a_grant() {
        let of =
            |own: &str, namespaces: Json| Selection::of(&json!({"applicationNamespaces": namespaces}), own, &reach());
        assert_eq!(of("dev", json!([])).unwrap().namespaces, ["dev"]);
        assert_eq!(of("team-a", json!(["argocd"])).unwrap().namespaces, ["argocd"]);
        assert!(of("argocd", json!(["dev", "prod"])).is_ok(), "the operator's own");
        let refused = of("dev", json!(["dev", "argocd"])).unwrap_err();
        assert!(refused.contains("authority.grants") && refused.contains("to = \"argocd\""), "{refused}");
        assert!(of("team-a", json!(["team-b"])).is_err());
    }

    #[test]
    fn labels_select() {
        let labels = [("app".to_owned(), "orders".to_owned()), ("env".to_owned(), "dev".to_owned())];
        let expression = |key: &str, operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        for (selector, selected) in [
            (json!({"matchLabels": {"app": "orders"}}), true),
            (json!({"matchLabels": {"app": "orders", "env": "prod"}}), false),
            (expression("env", "In", &["dev", "test"]), true),
            (expression("none", "In", &["dev"]), false),
            (expression("env", "NotIn", &["dev"]), false),
            (expression("none", "NotIn", &["dev"]), true),
            (expression("env", "Exists", &[]), true),
            (expression("env", "DoesNotExist", &[]), false),
            (expression("env", "Near", &[]), false),
            (json!({}), false),
            (Json::Null, false),
        ] {
            assert_eq!(selects(&selector, &labels), selected, "{selector}");
        }
    }
}

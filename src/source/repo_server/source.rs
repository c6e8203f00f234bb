//! `spec.source` of an Application, from its JSON to the message that the repo-server reads.
//!
//! Only the forms that JSON and protobuf write differently are here; the rest is in the message's own names.

use super::wire_source::{
    ApplicationSource, IntOrString, KustomizeGvk, KustomizeResId, KustomizeSelector, OptionalArray, OptionalMap,
    RawExtension,
};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;

/// Reads a source.
pub(super) fn parse(json: &str) -> Result<ApplicationSource, String> {
    serde_json::from_str(json).map_err(|error| format!("the source of the Application cannot be read: {error}"))
}

/// Any JSON is handed on as its text.
pub(super) fn raw<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RawExtension>, D::Error> {
    let value = Option::<Value>::deserialize(deserializer)?;
    Ok(value.map(|value| RawExtension { raw: value.to_string().into_bytes() }))
}

/// A number of replicas, as a number or as text.
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IntOrString>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Count {
        Int(i32),
        Text(String),
    }
    Ok(Option::<Count>::deserialize(deserializer)?.map(|count| match count {
        Count::Int(int) => IntOrString { r#type: 0, int, text: String::new() },
        Count::Text(text) => IntOrString { r#type: 1, int: 0, text },
    }))
}

/// What a patch is for: one flat object in JSON, three nested messages on the wire.
pub(super) fn selector<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<KustomizeSelector>, D::Error> {
    #[derive(Deserialize, Default)]
    #[serde(default, rename_all = "camelCase")]
    struct Flat {
        group: String,
        version: String,
        kind: String,
        name: String,
        namespace: String,
        annotation_selector: String,
        label_selector: String,
    }
    Ok(Option::<Flat>::deserialize(deserializer)?.map(|flat| {
        let gvk = KustomizeGvk { group: flat.group, version: flat.version, kind: flat.kind };
        KustomizeSelector {
            res_id: Some(KustomizeResId { gvk: Some(gvk), name: flat.name, namespace: flat.namespace }),
            annotation_selector: flat.annotation_selector,
            label_selector: flat.label_selector,
        }
    }))
}

/// A plugin's parameter that is a map; an empty one is not an absent one.
pub(super) fn map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<OptionalMap>, D::Error> {
    let map = Option::<BTreeMap<String, String>>::deserialize(deserializer)?;
    Ok(map.map(|map| OptionalMap { map }))
}

/// A plugin's parameter that is a list.
pub(super) fn array<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<OptionalArray>, D::Error> {
    let array = Option::<Vec<String>>::deserialize(deserializer)?;
    Ok(array.map(|array| OptionalArray { array }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn every_part_of_a_source_is_read() {
        let source = json!({
            "repoURL": "https://h/r", "path": "p", "targetRevision": "main", "chart": "c", "tagPrefix": "t-", "unknown": 1,
            "helm": {"valueFiles": ["v.yaml"], "valuesObject": {"a": [1]}, "parameters": [{"name": "n", "value": "v", "forceString": true}]},
            "kustomize": {
                "images": ["a:1"], "commonLabels": {"k": "v"}, "replicas": [{"name": "d", "count": 3}, {"name": "e", "count": "50%"}],
                "patches": [{"patch": "x", "target": {"kind": "Deployment", "name": "d", "labelSelector": "l"}, "options": {"o": true}}],
            },
            "directory": {"recurse": true, "jsonnet": {"extVars": [{"name": "n", "value": "v", "code": true}]}},
            "plugin": {"name": "g", "env": [{"name": "E", "value": "1"}], "parameters": [
                {"name": "s", "string": ""}, {"name": "m", "map": {"a": "b"}}, {"name": "l", "array": []}]},
        });
        let read = parse(&source.to_string()).unwrap();
        assert_eq!(
            (read.repo_url.as_str(), read.target_revision.as_str(), read.tag_prefix.as_str()),
            ("https://h/r", "main", "t-")
        );
        let helm = read.helm.unwrap();
        assert_eq!(helm.values_object.unwrap().raw, br#"{"a":[1]}"#);
        assert!(helm.parameters[0].force_string);
        let kustomize = read.kustomize.unwrap();
        let counts: Vec<_> = kustomize.replicas.iter().map(|r| r.count.clone().unwrap()).collect();
        assert_eq!((counts[0].int, counts[1].text.as_str(), counts[1].r#type), (3, "50%", 1));
        let target = kustomize.patches[0].target.clone().unwrap();
        assert_eq!(target.res_id.unwrap().gvk.unwrap().kind, "Deployment");
        assert!(read.directory.unwrap().jsonnet.unwrap().ext_vars[0].code);
        let parameters = read.plugin.unwrap().parameters;
        assert_eq!(
            (parameters[0].string.as_deref(), parameters[2].array.clone()),
            (Some(""), Some(OptionalArray::default()))
        );
        assert_eq!(parameters[1].map.clone().unwrap().map["a"], "b");
    }

    #[test]
    fn a_source_of_the_wrong_form_is_said() {
        assert!(parse(r#"{"helm": 1}"#).unwrap_err().contains("cannot be read"));
    }
}

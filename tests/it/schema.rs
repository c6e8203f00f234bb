//! What is known of an Application's fields is what Argo CD's CRD says.

use serde_json::Value as Json;

const HELD: &str = include_str!("../../src/notify/lint/application.fields");

/// One line an object: its path and its fields, `!` where one is required.
fn walk(schema: &Json, path: &str, out: &mut Vec<String>) {
    let schema = if schema["type"] == "array" { &schema["items"] } else { schema };
    let open = schema["x-kubernetes-preserve-unknown-fields"] == true || !schema["additionalProperties"].is_null();
    let Some(fields) = schema["properties"].as_object().filter(|_| !open) else { return };
    let required =
        |name: &String| schema["required"].as_array().is_some_and(|all| all.contains(&Json::from(name.as_str())));
    let shown = fields.keys().map(|name| if required(name) { format!("{name}!") } else { name.clone() });
    let shown: Vec<_> = shown.collect();
    out.push(format!("{} {}", if path.is_empty() { "." } else { path }, shown.join(" ")));
    for (name, inner) in fields {
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        walk(inner, &below, out);
    }
}

#[test]
fn the_fields_of_an_application_are_those_of_the_crd() {
    let text = include_str!("../env/crds/argo-cd/application-crd.yaml");
    let crd: Json = serde_yaml_ng::from_str(text).unwrap();
    let versions = crd["spec"]["versions"].as_array().unwrap();
    let schema = &versions.iter().find(|version| version["storage"] == true).unwrap()["schema"]["openAPIV3Schema"];
    let mut lines = Vec::new();
    walk(schema, "", &mut lines);
    let held: Vec<&str> = HELD.lines().collect();
    assert!(lines.len() > 200, "the CRD was read");
    assert_eq!(held, lines, "write these lines to src/notify/lint/application.fields");
}

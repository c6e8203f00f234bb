//! `docs/reference/crds.md`, of the custom resources in `config/crd`.

use super::{code, head, plain, row, same_as_written};
use serde_json::Value as Json;
use std::fmt::Write as _;
use std::path::Path;

const HEAD: &str = "<!-- Made of config/crd by `make reference`. -->
# Custom resources

Those of Gatepost itself. `WebRequestCommitStatus`, `PromotionStrategy` and `CommitStatus` belong to the GitOps Promoter, whose documentation has their fields.
`[]` stands for each item of a list, `{}` for each value of a map. What a field has to be is checked by the API server, before Gatepost sees it.
";

/// A field with its path.
struct Field<'a> {
    path: String,
    schema: &'a Json,
    is_required: bool,
}

/// Every field below a schema, parents first.
fn fields<'a>(schema: &'a Json, path: &str, out: &mut Vec<Field<'a>>) {
    let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        out.push(Field { path: path.clone(), schema: inner, is_required: required(name) });
        below(inner, &path, out);
    }
}

fn below<'a>(schema: &'a Json, path: &str, out: &mut Vec<Field<'a>>) {
    fields(schema, path, out);
    if schema["items"].is_object() {
        below(&schema["items"], &format!("{path}[]"), out);
    }
    if schema["additionalProperties"].is_object() {
        below(&schema["additionalProperties"], &format!("{path}{{}}"), out);
    }
}

/// The type in one or two words.
fn kind(schema: &Json) -> String {
    let of = |inner: &Json| kind(inner);
    match schema["type"].as_str().unwrap_or("any") {
        "array" => format!("list of {}", of(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("map of {}", of(&schema["additionalProperties"]))
        }
        other => other.to_owned(),
    }
}

/// What a value has to be besides its type.
fn bounds(schema: &Json) -> String {
    let words = [
        ("enum", "one of", ""),
        ("minLength", "at least", " characters"),
        ("maxLength", "at most", " characters"),
        ("minItems", "at least", " items"),
        ("maxItems", "at most", " items"),
        ("minimum", "at least", ""),
        ("maximum", "at most", ""),
        ("pattern", "matches", ""),
    ];
    let there = words.iter().filter(|(name, ..)| !schema[*name].is_null());
    there.map(|(name, word, unit)| format!("{word} {}{unit}", bound(&schema[*name]))).collect::<Vec<_>>().join("; ")
}

fn bound(value: &Json) -> String {
    match value {
        Json::Array(all) => all.iter().map(|one| code(one.as_str().unwrap_or_default())).collect::<Vec<_>>().join(", "),
        Json::String(text) => code(text),
        other => other.as_f64().map_or_else(|| other.to_string(), |number| number.to_string()),
    }
}

fn described(schema: &Json) -> String {
    let text = plain(schema["description"].as_str().unwrap_or_default());
    match bounds(schema) {
        bounds if bounds.is_empty() => text,
        bounds => format!("{text} ({bounds})"),
    }
}

fn default(schema: &Json) -> String {
    match &schema["default"] {
        Json::Null => String::new(),
        Json::String(text) if !text.is_empty() => code(text),
        other => code(&other.to_string()),
    }
}

fn rules(schema: &Json, path: &str, out: &mut String) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let text = |name: &str| rule[name].as_str().unwrap_or_default().to_owned();
        row(out, &[&code(path), &plain(&text("message")), &code(&text("rule"))]);
    }
}

fn resource(out: &mut String, crd: &Json) {
    let version = &crd["spec"]["versions"][0];
    let names = &crd["spec"]["names"];
    let word = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    writeln!(out, "\n## {}", word(&names["kind"])).unwrap();
    writeln!(
        out,
        "`{}/{}`, `{}`, short `{}`.\n",
        word(&crd["spec"]["group"]),
        word(&version["name"]),
        word(&names["plural"]),
        word(&names["shortNames"][0])
    )
    .unwrap();
    let schema = &version["schema"]["openAPIV3Schema"];
    for part in ["spec", "status"] {
        let (schema, mut all) = (&schema["properties"][part], Vec::new());
        fields(schema, part, &mut all);
        writeln!(out, "{}\n", plain(schema["description"].as_str().unwrap_or_default())).unwrap();
        head(out, &["field", "type", "default", "what"]);
        for field in &all {
            let kind = if field.is_required { format!("{}, required", kind(field.schema)) } else { kind(field.schema) };
            row(out, &[&code(&field.path), &kind, &default(field.schema), &described(field.schema)]);
        }
        out.push('\n');
        let mut checked = String::new();
        rules(schema, part, &mut checked);
        all.iter().for_each(|field| rules(field.schema, &field.path, &mut checked));
        if !checked.is_empty() {
            head(out, &["of", "message", "rule (CEL)"]);
            writeln!(out, "{checked}").unwrap();
        }
    }
}

#[test]
fn the_page_of_the_custom_resources_says_what_the_crds_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/crd");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 2, "the CRDs were found");
    let mut page = HEAD.to_owned();
    for file in files {
        let crd: Json = serde_yaml_ng::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        resource(&mut page, &crd);
    }
    same_as_written("crds.md", &format!("{}\n", page.trim_end()));
}

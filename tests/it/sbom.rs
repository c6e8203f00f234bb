//! The software bill of materials: well-formed CycloneDX, complete, and of nothing that is not in the binary.

use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The parts of a CycloneDX document that are used, and no others: names as in its schema.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Bom {
    #[serde(rename = "$schema")]
    schema: String,
    bom_format: String,
    spec_version: String,
    serial_number: String,
    version: u32,
    metadata: Metadata,
    components: Vec<Component>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    component: Component,
    properties: Vec<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Component {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "bom-ref")]
    reference: String,
    name: String,
    version: String,
    purl: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    licenses: Vec<BTreeMap<String, String>>,
    #[serde(default)]
    hashes: Vec<BTreeMap<String, String>>,
    #[serde(default, rename = "externalReferences")]
    references: Vec<BTreeMap<String, String>>,
    scope: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Dependency {
    #[serde(rename = "ref")]
    reference: String,
    depends_on: Vec<String>,
}

fn printed() -> String {
    let output = Command::new(format!("{ROOT}/scripts/sbom")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_bill_of_materials_is_well_formed_and_the_same_each_time() {
    let text = printed();
    assert_eq!(text, printed());
    assert!(!text.contains(ROOT), "it says nothing of the machine");
    let bom: Bom = serde_json::from_str(&text).unwrap();
    assert_eq!((bom.bom_format.as_str(), bom.spec_version.as_str(), bom.version), ("CycloneDX", "1.6", 1));
    assert!(bom.schema.ends_with("bom-1.6.schema.json") && bom.serial_number.starts_with("urn:uuid:"));
    assert!(uuid::Uuid::parse_str(bom.serial_number.trim_start_matches("urn:uuid:")).is_ok());
    let own = &bom.metadata.component;
    assert_eq!(
        (own.kind.as_str(), own.name.as_str(), own.version.as_str()),
        ("application", "gatepost", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(bom.metadata.properties[0]["name"], "cdx:rustc:target");
    for one in &bom.components {
        assert_eq!((one.kind.as_str(), &one.reference), ("library", &one.purl), "{}", one.name);
        assert_eq!(one.purl, format!("pkg:cargo/{}@{}", one.name, one.version));
        let licence = one.licenses.first().and_then(|licence| licence.get("expression"));
        assert!(licence.is_some_and(|text| !text.is_empty() && !text.contains('/')), "{}: {licence:?}", one.name);
        assert!(
            one.references.iter().all(|link| link["type"] == "vcs" && link["url"].starts_with("http")),
            "{}",
            one.name
        );
        assert!(
            one.scope.as_deref().is_none_or(|scope| scope == "excluded") && !one.description.contains('\n'),
            "{}",
            one.name
        );
    }
    let known: BTreeSet<&str> = bom.components.iter().chain([own]).map(|one| one.reference.as_str()).collect();
    assert_eq!(known.len(), bom.components.len() + 1, "each is named once");
    let listed: BTreeSet<&str> = bom.dependencies.iter().map(|one| one.reference.as_str()).collect();
    assert_eq!(listed, known);
    assert!(bom.dependencies.iter().flat_map(|one| &one.depends_on).all(|one| known.contains(one.as_str())));
}

#[test]
fn the_bill_of_materials_has_what_is_in_the_binary_with_the_checksums_of_the_lock_file() {
    let bom: Bom = serde_json::from_str(&printed()).unwrap();
    let lock: Value = config::Config::builder()
        .add_source(config::File::new(&format!("{ROOT}/Cargo.lock"), config::FileFormat::Toml))
        .build()
        .unwrap()
        .try_deserialize()
        .unwrap();
    let text = |package: &Value, key: &str| package[key].as_str().unwrap_or_default().to_owned();
    let locked = lock["package"].as_array().unwrap().iter();
    let locked: BTreeMap<_, _> =
        locked.map(|package| ((text(package, "name"), text(package, "version")), text(package, "checksum"))).collect();
    for one in &bom.components {
        let checksum = &locked[&(one.name.clone(), one.version.clone())];
        let found = one.hashes.first().map_or("", |hash| hash["content"].as_str());
        assert_eq!(found, checksum, "{}", one.name);
        assert_eq!(checksum.is_empty(), one.name.starts_with("gatepost-"), "only ours are without: {}", one.name);
    }
    let names: BTreeSet<&str> = bom.components.iter().map(|one| one.name.as_str()).collect();
    for inside in
        ["gatepost-expr", "gatepost-template", "gatepost-value", "tokio", "libsqlite3-sys", "ring", "rustls", "kube"]
    {
        assert!(names.contains(inside), "{inside} is in the binary");
    }
    for outside in ["proptest", "standardwebhooks", "opentelemetry-proto", "aws-lc-sys", "openssl-sys", "cc"] {
        assert!(!names.contains(outside), "{outside} is not in the binary");
    }
}

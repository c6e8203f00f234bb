//! Argo CD's notifications controller, for a comparison: built from its modules, and how it is called.

use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::process::Command;

fn script(argument: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/argocd/build");
    let done = Command::new(script).arg(argument).output().expect("benches/argocd/build can be run");
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "Argo CD's notifications controller could not be built: {told}");
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

/// The program; the first call needs Go and minutes.
pub fn build() -> PathBuf {
    script("program").into()
}

/// The triggers and templates that Argo CD ships, as keys of a ConfigMap.
#[allow(dead_code)]
pub fn catalogue() -> Map<String, Value> {
    let file = script("catalogue");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("failed to read {file}: {error}"));
    let manifest: Value = serde_yaml_ng::from_str(&text).expect("a ConfigMap");
    manifest["data"].as_object().cloned().expect("a ConfigMap with data")
}

/// Its command line, as [`crate::process::peer`] takes it.
pub fn command(program: &Path) -> String {
    let program = program.display();
    format!(
        "{program} --kubeconfig {{kubeconfig}} --namespace {{namespace}} --metrics-port {{port}} --argocd-repo-server-plaintext --loglevel warn"
    )
}

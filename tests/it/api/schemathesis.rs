//! Schemathesis reads the OpenAPI document of a running Gatepost and asks whatever it allows and forbids; every check is on.

use super::scene::Scene;
use std::process::Command;

/// Requests that are made up for each operation and phase.
const EXAMPLES: &str = "10";
/// The same requests each time.
const SEED: &str = "20261121";

/// Where `tests/env/prepare.sh` has put it.
fn program() -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/env/prepare.sh");
    let found = Command::new(script).arg("schemathesis").output().unwrap();
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    let text = String::from_utf8(found.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("SCHEMATHESIS=")).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_does_what_its_document_says() {
    let (scene, folder) = (Scene::start(30).await, tempfile::tempdir().unwrap());
    let document = format!("{}/api/v1/openapi.json", scene.gatepost.api);
    let run = move || {
        let mut command = Command::new(program());
        command.args(["run", &document, "--checks", "all", "--max-examples", EXAMPLES, "--seed", SEED]);
        // The stream has no end to be waited for; its tests are its own.
        // What is logged cannot be said by a schema, and this process' log is wanted; it has tests of its own, too.
        command.args(["--exclude-path", "/api/v1/stream", "--exclude-path", "/api/v1/log"]);
        command.args(["--no-color", "--suppress-health-check", "all"]);
        command.args(["--generation-database", "none", "--continue-on-failure"]).current_dir(folder.path());
        (command.output().unwrap(), folder)
    };
    let (output, _folder) = tokio::task::spawn_blocking(run).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("API Operations:"), "{said}");
    assert_eq!(scene.gatepost.get("status").await["synced"], true, "it goes on");
}

//! Schemathesis reads the OpenAPI document of a running Gatepost and asks whatever it allows and forbids. Every check is on, but for the
//! one place that says why not.

use super::scene::Scene;
use crate::dashboard::cluster;
use crate::running::Gatepost;
use std::process::{Command, Output};

/// Requests that are made up for each operation and phase.
const EXAMPLES: &str = "10";
/// The same requests each time.
const SEED: &str = "20261121";
/// It has no end that could be waited for. What it says and how it ends is tested in `stream.rs`.
const ENDLESS: &str = "/api/v1/stream";
/// A filter is a language of its own, and a time is at most a day: a schema cannot say which texts are taken. Everything else is checked
/// there, too; which texts are taken is tested in `log_levels.rs`.
const LANGUAGE: &str = "/api/v1/log";

/// Where `tests/env/prepare.sh` has put it.
fn program() -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/env/prepare.sh");
    let found = Command::new(script).arg("schemathesis").output().unwrap();
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    let text = String::from_utf8(found.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("SCHEMATHESIS=")).unwrap().to_owned()
}

/// Runs it in a folder of its own.
async fn run(gatepost: &Gatepost, arguments: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.args(["run", &format!("{}/api/v1/openapi.json", gatepost.api), "--checks", "all"]);
    command.args([
        "--max-examples",
        EXAMPLES,
        "--seed",
        SEED,
        "--generation-database",
        "none",
        "--continue-on-failure",
    ]);
    command.args(["--no-color", "--suppress-health-check", "all"]).args(arguments);
    if let Some(token) = gatepost::server::auth::local_token(gatepost.port()) {
        command.args(["--header", &format!("Authorization: Bearer {token}")]);
    }
    let folder = tempfile::tempdir().unwrap();
    command.current_dir(folder.path());
    tokio::task::spawn_blocking(move || (command.output().unwrap(), folder)).await.unwrap().0
}

/// How many operations it says to have tested, and how many the document has that it was not to.
fn counted(said: &str) -> (usize, usize) {
    let number = |text: &str| text.trim().parse::<usize>().unwrap_or_else(|error| panic!("{text:?}: {error}: {said}"));
    let after = |word: &str| said.lines().find_map(|line| line.trim().strip_prefix(word)).unwrap_or_default();
    let (selected, all) = after("Selected:").split_once('/').unwrap_or_default();
    assert_eq!(number(after("Tested:")), number(selected), "{said}");
    (number(selected), number(all) - number(selected))
}

/// Everything that the document describes, in two runs.
async fn conforms(gatepost: &Gatepost) {
    let most = run(gatepost, &["--exclude-path", ENDLESS, "--exclude-path", LANGUAGE]).await;
    let log = run(gatepost, &["--include-path", LANGUAGE, "--exclude-checks", "positive_data_acceptance"]).await;
    let [most, log] = [most, log].map(|output| {
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        counted(&said)
    });
    // The log is shown and set; the stream is only watched.
    assert_eq!((most.1, log.0), (3, 2), "nothing else is left out");
    assert_eq!(gatepost.get("status").await["synced"], true, "it goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_does_what_its_document_says() {
    conforms(&Scene::start(30).await.gatepost).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_so_behind_a_login_with_gates_and_approvals() {
    conforms(&cluster::Scene::start().await.gatepost).await;
}

//! Log levels of a running Gatepost, changed through the command line.

use crate::env::{PATIENCE, cluster, wait_until};
use crate::running::{Around, Gatepost, Start};
use std::path::Path;
use std::process::{Command, Output};

fn log(gatepost: &Gatepost, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    command.arg("log").args(arguments).args(["--server", &gatepost.api]).output().unwrap()
}

fn said(gatepost: &Gatepost, arguments: &[&str]) -> String {
    let output = log(gatepost, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn has(path: &Path, word: &str) -> bool {
    std::fs::read_to_string(path).unwrap().contains(word)
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_are_changed_for_a_while_and_fall_back() {
    let (namespace, folder) = (cluster().await.namespace().await, tempfile::tempdir().unwrap());
    let file = folder.path().join("log");
    let start = Start { kubeconfig: cluster().await.kubeconfig(), namespace: &namespace.name, store: None };
    let gatepost = Gatepost::start_around(start, &[], &Around { log: Some(&file), ..Around::default() }).await;
    assert_eq!(said(&gatepost, &["show"]), "gatepost=info");
    assert!(!has(&file, "TRACE"), "not before it is asked for");
    let set = said(&gatepost, &["set", "gatepost=info,trace", "--for", "2s"]);
    assert!(set.starts_with("gatepost=info,trace until ") && set.ends_with(", then gatepost=info"), "{set}");
    wait_until("libraries are heard", PATIENCE, || async {
        gatepost.metrics().await;
        has(&file, "TRACE")
    })
    .await;
    wait_until("it is as before", PATIENCE, || async { said(&gatepost, &["show"]) == "gatepost=info" }).await;
    let set: serde_json::Value = serde_json::from_str(&said(&gatepost, &["set", "warn", "-o", "json"])).unwrap();
    assert_eq!(set, serde_json::json!({"filter": "warn", "until": null, "afterwards": null}));
    assert_eq!(gatepost.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let gatepost = Gatepost::start_on_files(folder.path()).await;
    for (arguments, told) in [
        (
            &["set", "gatepost=debug,kube=wran"][..],
            "filter, character 16: \"wran\" is no level; use one of off, error, warn, info, debug, trace",
        ),
        (&["set", "debgu"], "character 1: \"debgu\" is no level"),
        (&["set", "debug", "--for", "soon"], "for: \"soon\" is no duration; write 90s, 10m or 2h"),
        (&["set", "debug", "--for", "48h"], "is not between nothing and 24h"),
    ] {
        let output = log(&gatepost, arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && error.contains(told), "{arguments:?}: {error}");
    }
    assert_eq!(said(&gatepost, &["show"]), "gatepost=info");
}

//! The quick start, walked: its files, its commands in their order, and what it says that they lead to, against a real Backstage.

use super::{ROOT, blocks, fenced};
use crate::env::{PATIENCE, backstage, wait_until};
use crate::running::Gatepost;
use std::path::Path;
use std::process::{Command, Output};

fn page() -> String {
    std::fs::read_to_string(format!("{ROOT}/docs/quick-start.md")).unwrap()
}

/// Writes the files of the page; Backstage is where the test's is, and knows that one's token.
async fn write_files(folder: &Path) {
    let backstage = backstage().await;
    let mut written = 0;
    for block in fenced(&page()) {
        let Some(name) = block.info.strip_prefix("yaml walk=") else { continue };
        let text = block.text.replace("http://127.0.0.1:7007", backstage.url());
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text.replace("quick-start-token", backstage.token())).unwrap();
        written += 1;
    }
    assert_eq!(written, 3, "the files of the page");
}

/// The commands of a section, as they stand in its blocks.
fn commands(heading: &str) -> Vec<String> {
    let page = page();
    let section = page.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let all: Vec<String> = blocks(section, "").iter().flat_map(|(_, text)| text.lines()).map(str::to_owned).collect();
    assert!(!all.is_empty(), "{heading} has commands");
    all
}

/// Runs a line in a shell, with the binary on the `PATH`.
fn run(line: &str, folder: &Path, server: &str) -> Output {
    let binary = Path::new(env!("CARGO_BIN_EXE_gatepost")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-ec", line]).current_dir(folder).env("PATH", path).env("GATEPOST_SERVER_URL", server);
    shell.output().unwrap()
}

/// What it printed; it has to succeed.
fn printed(line: &str, folder: &Path, server: &str) -> String {
    let output = run(line, folder, server);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{line}: {out}{err}");
    out.into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_notification_arrives_as_the_quick_start_says() {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path()).await;
    let looked: Vec<String> = commands("2. ").iter().map(|line| printed(line, folder.path(), "")).collect();
    let [checked, ran, rendered] = looked.as_slice() else { panic!("{looked:?}") };
    assert!(checked.contains("1 services, 1 triggers, 1 templates in force; 0 errors"), "{checked}");
    assert!(ran.contains("true"), "{ran}");
    assert!(rendered.contains("order-service failed to sync"), "{rendered}");

    let lines = commands("3. ");
    assert_eq!(lines[0], "gatepost serve --files manifests");
    let running = Gatepost::start_on_files(&folder.path().join("manifests")).await;
    wait_until("the notification is in a member's inbox", PATIENCE, || async {
        let titled = backstage().await.titled("user:default/alice", "order-service failed to sync").await;
        titled.iter().any(|one| one["payload"]["description"] == "one \"Deployment\" is invalid")
    })
    .await;
    let asked: Vec<String> = lines[1..].iter().map(|line| printed(line, folder.path(), &running.api)).collect();
    assert!(asked[0].contains("on-sync-failed") && asked[1].contains("delivered"), "{asked:?}");
}

#[test]
fn the_first_gate_passes_as_the_quick_start_says() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(format!("{ROOT}/config"), folder.path().join("config")).unwrap();
    let told: Vec<String> = commands("4. ").iter().map(|line| printed(line, folder.path(), "")).collect();
    assert!(told[1].contains("GET https://approvals.example.com/api/check/1111"), "{}", told[1]);
    assert!(told[3].contains("success"), "{}", told[3]);
}

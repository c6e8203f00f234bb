//! `gatepost demo` ends on the dashboard: it says where, and what was told is seen there.

use crate::env::browser::PAGE_PATIENCE;
use crate::env::{PATIENCE, browser, wait_for};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

const SIZE: (u32, u32) = (1200, 1000);
/// How long the story may take.
const STORY: Duration = Duration::from_secs(60);

/// What it prints until it only goes on.
async fn told(lines: &mut tokio::io::Lines<BufReader<ChildStdout>>) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        told.push(line);
        if told.last().is_some_and(|line| line.contains("Ctrl-C ends it")) {
            return told;
        }
    }
    panic!("it ended by itself: {told:#?}");
}

async fn interrupted(child: &mut Child) -> Option<i32> {
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
    tokio::time::timeout(PATIENCE, child.wait()).await.expect("it ends").unwrap().code()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demonstration_ends_on_the_dashboard() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    let mut child = command.arg("demo").stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let told = tokio::time::timeout(STORY, told(&mut lines)).await.expect("the story ends");
    let last = told.iter().rev().flat_map(|line| line.split_whitespace()).find(|word| word.starts_with("http://"));
    let dashboard = last.expect("it says where to look").to_owned();
    assert!(told.contains(&format!("dashboard  {dashboard}")), "{told:#?}");
    let window = browser().await.window(SIZE).await;
    window.go(&dashboard).await;
    window.says("[data-live=recent]", "on-health-degraded").await;
    // What pictures are made of is taken every ten seconds.
    wait_for("what was delivered in the last hour", PAGE_PATIENCE, || async {
        window.go(&dashboard).await;
        let queue = window.text("[data-live=queue]").await;
        queue.split_whitespace().collect::<Vec<_>>().join(" ").contains("4 delivered in the last hour").then_some(())
    })
    .await;
    assert_eq!(window.run("return document.querySelectorAll('[data-live=recent] tbody tr').length").await, 4);
    window.picture("demo-overview").await;
    window.go(&format!("{dashboard}/applications/argocd/order-service")).await;
    window.says("[data-live=application-deliveries]", "on-sync-failed").await;
    window.picture("demo-application").await;
    assert_eq!(window.complaints().await, Vec::<String>::new());
    window.close().await;
    assert_eq!(interrupted(&mut child).await, Some(0));
}

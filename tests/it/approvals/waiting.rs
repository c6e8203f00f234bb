//! `gatepost approvals wait`, as a hook Job of Argo CD runs it: its exit code is the decision.

use super::house::{allow, token_of};
use super::stories::{NO, Story, YES, sha};
use crate::env::PATIENCE;
use serde_json::json;
use std::process::{Output, Stdio};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// Somebody who waits.
struct Waiter {
    child: Child,
    said: BufReader<tokio::process::ChildStdout>,
}

impl Waiter {
    /// Waits for these.
    fn start(story: &Story, what: &[&str]) -> Self {
        let mut child = wait(story, what).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said }
    }

    /// The next line that it prints.
    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = tokio::time::timeout(PATIENCE, self.said.read_line(&mut line)).await;
        assert!(read.expect("something is said").unwrap() > 0, "it ended without a word");
        line
    }

    /// The last line before it ends, and its exit code.
    async fn end(mut self) -> (String, i32) {
        let mut last = String::new();
        let status = tokio::time::timeout(PATIENCE, async {
            let mut line = String::new();
            while self.said.read_line(&mut line).await.unwrap() > 0 {
                last = std::mem::take(&mut line);
            }
            self.child.wait().await.unwrap()
        });
        let code = status.await.expect("it ends").code().unwrap();
        (last, code)
    }
}

fn wait(story: &Story, what: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    command.args(["approvals", "wait"]).args(what).arg("--token-file").arg(story.folder.path().join("ann"));
    command.args(["--server", &format!("http://127.0.0.1:{}", story.port)]).kill_on_drop(true);
    command
}

/// Waits for what needs no waiting.
async fn waited(story: &Story, what: &[&str]) -> (Output, i32) {
    let done = tokio::time::timeout(PATIENCE, wait(story, what).output()).await.expect("it ends").unwrap();
    let code = done.status.code().unwrap();
    (done, code)
}

/// A story with somebody who may read its runs.
async fn scene() -> Story {
    let story = Story::begin([]).await;
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "ann"}});
    story.namespace.apply(&account.to_string()).await;
    allow(&story.namespace, "ann", &["approve"]).await;
    let token = token_of(&story.namespace, "ann", "gatepost").await;
    std::fs::write(story.folder.path().join("ann"), token).unwrap();
    story.strategy(&sha('a'), &sha('0')).await;
    story.approval("beforeDeployment", json!({})).await;
    story
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_while_somebody_waits_is_their_exit_code() {
    let story = scene().await;
    let of = format!("{}/tests", story.namespace.name);
    let by_subject = |sha: &str| [of.clone(), "--branch".into(), "env/prod".into(), "--sha".into(), sha.to_owned()];
    // Before Gatepost is there, and before there is a run.
    let mut early = Waiter::start(&story, &by_subject(&sha('a')).each_ref().map(String::as_str));
    let _gatepost = story.gatepost().await;
    let asked = story.asked(0).await;
    let id = asked["run"].as_str().unwrap();
    let mut by_id = Waiter::start(&story, &[id]);
    for waiter in [&mut early, &mut by_id] {
        let line = waiter.line().await;
        assert!(line.starts_with(&format!("{id}: ")) && line.contains("ing ("), "{line}");
    }
    assert_eq!(story.call_back(&asked, YES).await.status, 200);
    for waiter in [early, by_id] {
        let (line, code) = waiter.end().await;
        assert_eq!((line.contains(": succeeded ("), code), (true, 0), "{line}");
    }

    story.strategy(&sha('b'), &sha('a')).await;
    let asked = story.asked(1).await;
    let mut waiter = Waiter::start(&story, &by_subject(&sha('b')).each_ref().map(String::as_str));
    waiter.line().await;
    assert_eq!(story.call_back(&asked, NO).await.status, 200);
    let (line, code) = waiter.end().await;
    assert_eq!((line.contains(": failed ("), code), (true, 1), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_decided_already_is_told_at_once_and_what_is_not_in_time_is_a_failure() {
    let story = scene().await;
    let _gatepost = story.gatepost().await;
    let yes = story.asked(0).await;
    assert_eq!(story.call_back(&yes, YES).await.status, 200);
    story.strategy(&sha('b'), &sha('a')).await;
    let no = story.asked(1).await;
    assert_eq!(story.call_back(&no, NO).await.status, 200);
    story.strategy(&sha('c'), &sha('a')).await;
    let open = story.asked(2).await;
    for (asked, phase, expected) in [(&yes, "succeeded", 0), (&no, "failed", 1)] {
        let (done, code) = waited(&story, &[asked["run"].as_str().unwrap()]).await;
        let said = String::from_utf8_lossy(&done.stdout);
        assert_eq!((said.lines().count(), said.contains(phase), code), (1, true, expected), "{said}");
    }
    let (done, code) = waited(&story, &[open["run"].as_str().unwrap(), "--timeout", "1s"]).await;
    assert_eq!(code, 1);
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(told.contains("not decided within 1s"), "{told}");
    assert_eq!(story.call_back(&open, YES).await.status, 200, "who waits in vain changes nothing");
}

//! The stream: one message after a change, many changes in one message, a sign of life, few watchers, and an end with the process.

use super::scene::Scene;
use crate::env::{PATIENCE, client};
use reqwest::Response;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Longer than a watcher waits for anything but a sign of life.
const A_WHILE: Duration = Duration::from_secs(3);
/// A sign of life comes every 15 seconds.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);

struct Watcher {
    response: Response,
    heard: String,
}

impl Watcher {
    #[allow(clippy::disallowed_methods)]
    async fn try_new(scene: &Scene, last_event: &str) -> Result<Self, Response> {
        let mut request = client().get(format!("{}/api/v1/stream", scene.gatepost.api));
        if !last_event.is_empty() {
            request = request.header("last-event-id", last_event);
        }
        let response = request.send().await.unwrap();
        if response.status() == 200 { Ok(Self { response, heard: String::new() }) } else { Err(response) }
    }

    async fn new(scene: &Scene) -> Self {
        let mut watcher = Self::try_new(scene, "").await.ok().unwrap();
        assert_eq!(watcher.response.headers()["content-type"], "text/event-stream");
        let greeting = watcher.block(PATIENCE).await.unwrap();
        assert!(greeting.contains("retry: ") && greeting.contains("id: "), "{greeting}");
        watcher
    }

    /// The next block up to an empty line; none where none comes in time, or the stream ends.
    async fn block(&mut self, patience: Duration) -> Option<String> {
        let read = async {
            loop {
                if let Some(end) = self.heard.find("\n\n") {
                    return Some(self.heard.drain(..end + 2).collect());
                }
                let chunk = self.response.chunk().await.ok().flatten()?;
                self.heard.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        };
        tokio::time::timeout(patience, read).await.ok().flatten()
    }

    /// What the next event says has changed.
    async fn changed(&mut self) -> Value {
        loop {
            let block = self.block(PATIENCE).await.expect("an event");
            if let Some(data) = block.lines().find_map(|line| line.strip_prefix("data: ")) {
                assert!(block.contains("event: changed"), "{block}");
                return serde_json::from_str(data).unwrap();
            }
        }
    }
}

async fn switch(scene: &Scene, verb: &str) {
    let request = client().post(format!("{}/api/v1/destinations/{verb}", scene.gatepost.api));
    crate::env::json(request.json(&json!({"service": "hook"}))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_one_message_and_many_are_one_a_second() {
    let scene = Scene::start(1).await;
    let mut watcher = Watcher::new(&scene).await;
    while watcher.block(A_WHILE).await.is_some() {}
    switch(&scene, "disable").await;
    assert_eq!(watcher.changed().await, json!({"what": ["queue"]}));
    assert_eq!(watcher.block(A_WHILE).await, None, "it is said once");
    let (began, mut heard) = (Instant::now(), 0);
    for _ in 0..30 {
        switch(&scene, "enable").await;
        switch(&scene, "disable").await;
    }
    while watcher.block(A_WHILE).await.is_some() {
        heard += 1;
    }
    let seconds = began.elapsed().as_secs();
    assert!((1..=seconds).contains(&heard), "{heard} messages in {seconds} s");
    scene.apply("third", &[("on-failed.refused", String::new())]);
    let what = loop {
        let what = watcher.changed().await["what"].to_string();
        if what.contains("deliveries") {
            break what;
        }
    };
    assert!(what.contains("queue"), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_again_hears_what_was_missed() {
    let scene = Scene::start(0).await;
    let mut first = Watcher::try_new(&scene, "").await.ok().unwrap();
    let greeting = first.block(PATIENCE).await.unwrap();
    let id = greeting.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    drop(first);
    switch(&scene, "disable").await;
    let mut again = Watcher::try_new(&scene, &id).await.ok().unwrap();
    assert!(again.changed().await["what"].as_array().unwrap().contains(&json!("queue")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_line_shows_a_sign_of_life() {
    let scene = Scene::start(0).await;
    let mut watcher = Watcher::new(&scene).await;
    let mut last = String::new();
    while !last.starts_with(": ") {
        last = watcher.block(SIGN_OF_LIFE).await.expect("an event or a sign of life");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_are_few_and_go_with_the_process() {
    let scene = Scene::start(0).await;
    let mut watchers = Vec::new();
    for _ in 0..64 {
        watchers.push(Watcher::new(&scene).await);
    }
    let refused = Watcher::try_new(&scene, "").await.err().expect("a refusal");
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (503, "5"));
    let began = Instant::now();
    let Scene { gatepost, .. } = scene;
    assert_eq!(gatepost.terminate().await, Some(0));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    for mut watcher in watchers {
        while watcher.block(PATIENCE).await.is_some() {}
    }
}

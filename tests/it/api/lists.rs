//! Lists: pages give each entry once, filters choose, and nothing that is secret is in any answer.

use super::scene::{SECRET, Scene};
use crate::env::{client, json, text};
use serde_json::{Value, json as value};
use std::collections::BTreeSet;

fn texts(items: &[Value], name: &str) -> BTreeSet<String> {
    items.iter().map(|item| item[name].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_give_each_of_a_thousand_deliveries_once() {
    let scene = Scene::start(998).await;
    let pages = scene.pages("deliveries", 70).await;
    let all = pages.concat();
    assert_eq!((all.len(), texts(&all, "id").len()), (1_000, 1_000));
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [vec![70; 14], vec![20]].concat());
    let whole = scene.gatepost.get("deliveries?limit=10000").await;
    assert_eq!(whole["items"].as_array().unwrap(), &all, "in the same order");
    assert!(whole["next"].is_null());
    let even = scene.pages("deliveries?state=dead", 499).await;
    assert_eq!(even.iter().map(Vec::len).collect::<Vec<_>>(), [499, 499], "a last page that is full is the last");
    let decisions = scene.pages("decisions", 300).await.concat();
    let numbers: BTreeSet<u64> = decisions.iter().map(|one| one["sequence"].as_u64().unwrap()).collect();
    assert_eq!(numbers.len(), decisions.len());
    assert!(decisions.len() >= 1_000, "{}", decisions.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_choose() {
    let scene = Scene::start(3).await;
    let count = async |path: &str| scene.gatepost.get(path).await["items"].as_array().unwrap().len();
    let dead = scene.gatepost.get("deliveries?state=dead").await["items"].clone();
    let (id, at) = (dead[0]["id"].as_str().unwrap(), dead[0]["createdMs"].as_i64().unwrap());
    let late = at + 3_600_000;
    let expected = [
        ("deliveries".to_owned(), 5),
        ("deliveries?app=argocd/shop".to_owned(), 3),
        ("deliveries?app=argocd/none".to_owned(), 0),
        ("deliveries?trigger=on-failed".to_owned(), 4),
        ("deliveries?trigger=on-degraded&service=hook".to_owned(), 1),
        ("deliveries?service=refused".to_owned(), 3),
        ("deliveries?state=delivered".to_owned(), 2),
        ("deliveries?state=delivered,dead&limit=4".to_owned(), 4),
        ("deliveries?state=waiting".to_owned(), 0),
        (format!("deliveries?ids={id}"), 1),
        (format!("deliveries?ids={id}&state=delivered"), 0),
        (format!("deliveries?since={late}"), 0),
        (format!("deliveries?until={late}"), 5),
        (format!("deliveries?until={}&state=dead", at - 3_600_000), 0),
        ("decisions?app=argocd/shop&reason=triggered".to_owned(), 3),
        ("decisions?service=hook&trigger=on-failed&reason=triggered".to_owned(), 1),
        ("decisions?reason=quota".to_owned(), 0),
        ("destinations".to_owned(), 2),
        ("destinations?service=hook&configNamespace=".to_owned(), 1),
        ("destinations?host=127.0.0.1".to_owned(), 2),
        ("destinations?configNamespace=team".to_owned(), 0),
        ("applications".to_owned(), 2),
        ("applications?q=ord".to_owned(), 1),
        ("applications?q=argocd/s".to_owned(), 1),
        ("applications?project=default&health=Degraded&sync=OutOfSync&phase=Failed".to_owned(), 2),
        ("applications?health=Healthy".to_owned(), 0),
        ("applications?subscribed=true".to_owned(), 2),
        ("applications?subscribed=false".to_owned(), 0),
    ];
    for (path, wanted) in expected {
        assert_eq!(count(&path).await, wanted, "{path}");
    }
    for path in ["destinations", "applications"] {
        let pages = scene.pages(path, 1).await;
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1], "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_shows_a_secret() {
    let scene = Scene::start(1).await;
    let dead = scene.gatepost.get("deliveries?state=dead").await["items"][0]["id"].as_str().unwrap().to_owned();
    let shown = scene.gatepost.get(&format!("deliveries/{dead}")).await;
    let excerpt = shown["attempts"][0]["excerpt"].as_str().unwrap();
    assert!(excerpt.contains("[secret]"), "the receiver's echo is kept, without the secret: {excerpt}");
    assert_eq!((&shown["request"], &shown["payload"]), (&value!("POST /in"), &value!("shop: no [secret]")));
    let index = client().get(format!("{}/api/v1", scene.gatepost.api));
    let paths = json(index).await["resources"].clone();
    let paths = paths.as_array().unwrap().iter().map(|path| path.as_str().unwrap().to_owned());
    // What has parameters in it is shown below; what is only to be posted, and what has no end, not at all.
    let plain = paths.filter(|path| !path.contains('{') && !path.ends_with("able") && path != "stream");
    let plain = plain.filter(|path| {
        !["deliveries/replay", "deliveries/discard", "gates", "approvals/runs"].contains(&path.as_str())
    });
    let more =
        [format!("deliveries/{dead}"), "applications/argocd/shop".to_owned(), "applications/argocd/orders".to_owned()];
    let mut searched = 0;
    for path in plain.chain(more) {
        let answer = text(client().get(format!("{}/api/v1/{path}", scene.gatepost.api))).await;
        assert!(!answer.contains(SECRET), "{path}: {answer}");
        searched += 1;
    }
    assert!(searched >= 11, "{searched} answers were searched");
}

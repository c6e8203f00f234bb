//! What people change on the dashboard: asked before, told after, and done.

use crate::api::scene::Scene;
use crate::env::{Answer, PATIENCE, browser};

const SIZE: (u32, u32) = (1280, 900);

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_replayed_and_arrives() {
    let (scene, window) = (Scene::start(3).await, browser().await.window(SIZE).await);
    let before = scene.refusing.count();
    scene.refusing.script([Answer::status(200)]);
    window.go(&format!("{}/dead-letters", scene.gatepost.api)).await;
    window.says("main", "All 3").await;
    let id = window.run("return document.querySelector('input[name=ids]').value").await;
    window.click("input[name=ids]").await;
    window.click("button[data-action$='replay'][data-picked]").await;
    window.says("#confirm-foreseen", "1 would be put back into the queue.").await;
    assert_eq!(scene.refusing.count(), before, "nothing is done before somebody says so");
    window.picture("replay").await;
    window.click("#confirm-go").await;
    window.says("#announce", "1 were put back into the queue.").await;
    scene.refusing.wait_for(before + 1, PATIENCE).await;
    window.says("main", "All 2").await;
    let id = id.as_str().unwrap();
    assert_eq!(scene.gatepost.get(&format!("deliveries/{id}")).await["delivery"]["state"], "delivered");
    assert_eq!(window.complaints().await, Vec::<String>::new());
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_is_switched_off_with_a_reason_and_on_again() {
    let (scene, window) = (Scene::start(1).await, browser().await.window(SIZE).await);
    window.go(&format!("{}/destinations", scene.gatepost.api)).await;
    window.says("main", "hook").await;
    let off = "button[data-action$='disable'][data-body*='\"hook\"']";
    window.click(off).await;
    window.write("#confirm-reason", "it is being moved").await;
    window.click("#confirm-go").await;
    window.says("[data-live=destinations]", "it is being moved").await;
    let before = scene.taking.count();
    scene.apply("late", &[("on-failed.hook", String::new())]);
    window.go(&format!("{}/deliveries?app=argocd/late", scene.gatepost.api)).await;
    window.says("[data-live=deliveries]", "argocd/late").await;
    assert_eq!(scene.taking.count(), before, "nothing goes there while it is off");
    window.go(&format!("{}/destinations", scene.gatepost.api)).await;
    window.click("button[data-action$='enable'][data-body*='\"hook\"']").await;
    window.click("#confirm-go").await;
    scene.taking.wait_for(before + 1, PATIENCE).await;
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_did_meanwhile_is_told() {
    let (scene, window) = (Scene::start(1).await, browser().await.window(SIZE).await);
    window.go(&format!("{}/dead-letters", scene.gatepost.api)).await;
    window.says("main", "All 1").await;
    window.click("input[name=ids]").await;
    window.click("button[data-action$='replay'][data-picked]").await;
    window.says("#confirm-foreseen", "1 would be put back into the queue.").await;
    scene.refusing.script([Answer::status(200)]);
    scene.gatepost.post("deliveries/replay", &serde_json::json!({"state": "dead"})).await;
    scene.settled(3, 0).await;
    window.click("#confirm-go").await;
    window.says("#announce", "0 were put back into the queue.").await;
    assert_eq!(scene.refusing.count(), 2, "it is sent once only");
    window.says("main", "Nothing was given up.").await;
    window.close().await;
}

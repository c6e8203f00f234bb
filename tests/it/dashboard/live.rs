//! What happens is seen without a reload, and without taking the focus, or what was typed, from anybody.

use crate::api::scene::Scene;
use crate::env::browser;

const SIZE: (u32, u32) = (1280, 900);

#[tokio::test(flavor = "multi_thread")]
async fn news_arrive_where_somebody_looks() {
    let (scene, window) = (Scene::start(1).await, browser().await.window(SIZE).await);
    window.go(&format!("{}/deliveries", scene.gatepost.api)).await;
    window.says("main", "argocd/orders").await;
    window.says("#live", "live").await;
    window.run("window.stayed = true; document.querySelector('input[name=app]').focus()").await;
    window.type_on("half a wo").await;
    scene.apply("billing", &[("on-failed.hook", String::new())]);
    window.says("main", "argocd/billing").await;
    let typed = "return [window.stayed, document.activeElement.name, document.activeElement.value]";
    assert_eq!(window.run(typed).await, serde_json::json!([true, "app", "half a wo"]));
    assert_eq!(window.complaints().await, Vec::<String>::new());
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_key_is_shown_with_its_place_and_its_healing_too() {
    let (scene, window) = (Scene::start(1).await, browser().await.window(SIZE).await);
    window.go(&format!("{}/configuration", scene.gatepost.api)).await;
    let said = window.says("[data-live=configuration]", "trigger.on-nothing").await;
    assert!(said.contains("1:"), "line and column: {said}");
    let path = scene.folder.path().join("config.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let healed = text.replace("- when: app.[", "- {when: app.metadata.name == '', send: [failed]}");
    assert_ne!(healed, text);
    std::fs::write(&path, healed).unwrap();
    window.says("[data-live=configuration]", "Every key is in order.").await;
    window.close().await;
}

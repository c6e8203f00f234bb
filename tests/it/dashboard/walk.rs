//! A walk through every page, on a wide and a narrow screen, by day and by night: nothing complains, everybody can read it, and no
//! secret is seen.

use crate::api::scene::{SECRET, Scene};
use crate::env::browser::PAGE_PATIENCE;
use crate::env::{Window, browser, wait_for};

const WIDE: (u32, u32) = (1400, 1000);
const NARROW: (u32, u32) = (390, 844);
/// Longest page, bytes.
const PAGE_MAX: usize = 300 << 10;

/// Every page that a folder's Gatepost has, and a word that must be read there.
async fn pages(scene: &Scene) -> Vec<(&'static str, String, &'static str)> {
    let dead = scene.gatepost.get("deliveries?state=dead&limit=1").await["items"][0]["id"].as_str().unwrap().to_owned();
    [
        ("overview", "/".to_owned(), "on-failed"),
        ("applications", "/applications".to_owned(), "argocd/orders"),
        ("application", "/applications/argocd/orders".to_owned(), "on-degraded"),
        ("deliveries", "/deliveries".to_owned(), "argocd/shop"),
        ("delivery", format!("/deliveries/{dead}"), "400"),
        ("dead-letters", "/dead-letters".to_owned(), "refused"),
        ("destinations", "/destinations".to_owned(), "refused"),
        ("configuration", "/configuration".to_owned(), "trigger.on-nothing"),
        ("gates", "/gates".to_owned(), "gates.enabled"),
        ("approvals", "/approvals".to_owned(), "callbacks.externalUrl"),
        ("missing", "/nowhere".to_owned(), "/nowhere"),
    ]
    .into()
}

/// A page's name, its path, and a word that must be read there.
pub(super) type PageOf = (String, String, String);

/// As a reader of the source has it, without the escaping that HTML needs.
fn unescaped(source: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    entities.iter().fold(source.to_owned(), |text, (entity, sign)| text.replace(entity, sign))
}

/// What is wrong with the page that is shown.
pub(super) async fn faults(window: &Window, name: &str, secrets: &[String]) -> Vec<String> {
    let source = window.source().await;
    let mut faults = window.barriers().await;
    // A page that is not there is answered with 404, which the console notes.
    faults.extend(window.complaints().await.into_iter().filter(|text| name != "missing" || !text.contains("404")));
    let read = unescaped(&source);
    let seen = secrets.iter().filter(|secret| read.contains(secret.as_str()) || source.contains(secret.as_str()));
    faults.extend(seen.map(|secret| format!("a secret is seen: {secret}")));
    if source.len() > PAGE_MAX {
        faults.push(format!("{} bytes", source.len()));
    }
    let overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
    if window.run(overflow).await.as_i64().unwrap() > 0 {
        faults.push("it is wider than the screen".to_owned());
    }
    faults.into_iter().map(|fault| format!("{name}: {fault}")).collect()
}

async fn walk(kind: &str, size: (u32, u32), dark: bool) {
    let (scene, window) = (Scene::start(60).await, browser().await.window(size).await);
    if dark {
        window.prefer_dark().await;
    }
    let mut all = Vec::new();
    for (name, path, word) in pages(&scene).await {
        window.go(&format!("{}{path}", scene.gatepost.api)).await;
        window.says("main", word).await;
        all.extend(faults(&window, name, &[SECRET.to_owned()]).await);
        window.picture(&format!("{kind}-{name}")).await;
    }
    window.close().await;
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_in_order_on_a_wide_screen() {
    walk("wide", WIDE, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_in_order_on_a_telephone_by_night() {
    walk("narrow-dark", NARROW, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_reaches_what_the_mouse_reaches() {
    let (scene, window) = (Scene::start(3).await, browser().await.window(WIDE).await);
    window.go(&format!("{}/applications", scene.gatepost.api)).await;
    window.says("main", "argocd/shop").await;
    window.run("document.body.focus()").await;
    window.type_on("\u{e004}").await;
    assert_eq!(window.run("return document.activeElement.textContent").await, "Skip to the content", "the first stop");
    window.run("document.activeElement.blur()").await;
    window.type_on("/").await;
    assert_eq!(window.run("return document.activeElement.name").await, "q", "/ goes to the search");
    window.type_on("orde\u{e007}").await;
    wait_for("the search", PAGE_PATIENCE, || async { window.address().await.contains("q=orde").then_some(()) }).await;
    let rows = window.says("[data-live=applications] tbody", "argocd/orders").await;
    assert!(!rows.contains("argocd/shop"), "{rows}");
    window.close().await;
}

//! Somebody logs in on a cluster's dashboard, approves one run and rejects another: with a name, a reason, and the commit's status.

use crate::approvals::house::{account_with, approving};
use crate::approvals::stories::{Story, YES, sha};
use crate::env::{Window, browser};
use crate::running::Gatepost;
use serde_json::json;

const SIZE: (u32, u32) = (1280, 900);

/// Somebody who may look at everything, and approve.
async fn person(story: &Story) -> String {
    let mut rules = approving(&["approve"]);
    let view = json!({"apiGroups": ["gatepost.dev"], "resources": ["relays"], "verbs": ["view"]});
    rules.as_array_mut().unwrap().push(view);
    account_with(&story.namespace, "ada", rules, "gatepost").await
}

/// Logs in with a token of the cluster.
pub(super) async fn log_in(window: &Window, gatepost: &Gatepost, (page, token): (&str, &str)) {
    window.go(&format!("{}{page}", gatepost.api)).await;
    window.says("h1", "Log in").await;
    assert_eq!(window.barriers().await, Vec::<String>::new());
    window.picture("login").await;
    window.write("#token", token).await;
    window.click("button[type=submit]").await;
}

/// Opens the run that waits, decides it, and waits until the page says so.
async fn decide(window: &Window, gatepost: &Gatepost, verb: &str, reason: &str) {
    window.go(&format!("{}/approvals", gatepost.api)).await;
    window.says("[data-live=approvals-waiting]", "env/prod").await;
    window.click("[data-live=approvals-waiting] a").await;
    window.says("[data-live=run]", "env/prod").await;
    assert_eq!(window.barriers().await, Vec::<String>::new());
    window.click(&format!("button[data-action$='/{verb}']")).await;
    window.write("#confirm-reason", reason).await;
    window.picture(verb).await;
    window.click("#confirm-go").await;
    window.says("[data-live=run-votes]", reason).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_approves_one_run_and_rejects_another() {
    let story = Story::begin([]).await;
    story.strategy(&sha('a'), &sha('0')).await;
    story.approval("beforeDeployment", json!({"manualApproval": {"minApprovals": 1}})).await;
    let gatepost = story.gatepost().await;
    let asked = story.asked(0).await;
    assert_eq!(story.call_back(&asked, YES).await.status, 200);
    story.reported(&sha('a'), "pending").await;
    let window = browser().await.window(SIZE).await;
    log_in(&window, &gatepost, ("/approvals", &person(&story).await)).await;
    decide(&window, &gatepost, "approve", "looked at the graphs").await;
    story.reported(&sha('a'), "success").await;
    story.strategy(&sha('b'), &sha('a')).await;
    story.reported(&sha('b'), "pending").await;
    decide(&window, &gatepost, "reject", "not on a Friday").await;
    story.reported(&sha('b'), "failure").await;
    window.says("[data-live=run-trail]", "rejected").await;
    assert_eq!(window.complaints().await, Vec::<String>::new());
    window.close().await;
}

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::super::approvals::tests::run;
use super::super::testing::{SECRET, checked, hostile, without_harm, words};
use super::*;
use crate::gate::approval::Caller;
use crate::gate::approval::run::Phase;
use crate::server::auth::Visitor;

const NOW: i64 = 1_800_000_000_000;

fn made(run: &Run, may_change: bool) -> Page {
    let visitor = Visitor { name: "ada".into(), may_read: true, may_change, csrf: None, groups: Vec::new() };
    let layout = Layout::new("shop/release", Section::Approvals, &visitor, &words());
    page(layout, run, &words(), NOW)
}

fn shown(run: &Run, may_change: bool) -> String {
    checked(&made(run, may_change))
}

fn vote(user: &str, approve: bool, reason: &str) -> Vote {
    Vote { user: user.into(), approve, at_ms: NOW - 60_000, from: "10.0.0.9".into(), reason: reason.into() }
}

#[test]
fn an_open_run_can_be_decided_by_whoever_may() {
    let html = shown(&run(1), true);
    let id = "01".repeat(16);
    for verb in ["approve", "reject", "cancel"] {
        assert!(html.contains(&format!("data-action=\"/api/v1/approvals/runs/{id}/{verb}\"")), "{verb}: {html}");
    }
    assert!(html.contains("has not answered") && html.contains("said nothing yet") && html.contains("0 of 2"));
    let html = shown(&run(1), false);
    assert!(!html.contains("data-action") && html.contains("not decide it here"), "{html}");
}

#[test]
fn a_decided_run_says_who_when_from_where_and_why() {
    let mut done = run(1);
    done.phase = Phase::Succeeded;
    done.decided_ms = Some(NOW - 60_000);
    done.message = format!("**12 tests** pass [log](https://ci.example/1) `{SECRET}`");
    done.votes = vec![vote("ada", true, "looks good"), vote("bob", false, "not on Friday")];
    let by = Caller { kind: "oauth".into(), name: "ci".into(), from: "10.0.0.8".into() };
    done.answer =
        Some(crate::gate::approval::Answer { success: true, by, at_ms: NOW - 120_000, body_sha256: "ab".into() });
    // What it says may lead outside; no other page does.
    let html = made(&done, true).render().unwrap();
    without_harm(&html);
    for expected in [
        "<strong>12 tests</strong>",
        "rel=\"noopener nofollow\"",
        "looks good",
        "not on Friday",
        "10.0.0.9",
        "oauth:ci",
        "answered yes",
    ] {
        assert!(html.contains(expected), "{expected} is missing in {html}");
    }
    assert!(!html.contains("data-action"), "it is decided");
}

#[test]
fn a_hostile_run_is_a_small_page() {
    let mut wild = run(1);
    wild.message = hostile(200_000);
    wild.reason = hostile(5_000);
    wild.opened_by = hostile(500);
    wild.votes = vec![vote(&hostile(300), true, &hostile(1_024)); 200];
    let entry = wild.trail.first().cloned().unwrap();
    wild.trail = vec![Entry { what: hostile(2_000), ..entry }; 200];
    let html = shown(&wild, true);
    assert!(html.contains("The first 140 entries are not shown."));
}

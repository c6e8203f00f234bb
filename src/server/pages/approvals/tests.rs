#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::super::testing::{checked, hostile, words};
use super::*;
use crate::gate::approval::run::Phase;
use crate::gate::approval::{ApprovalId, Opening, RunId, Stage, Subject};

const NOW: i64 = 1_800_000_000_000;

/// A run that waits.
pub(in crate::server::pages) fn run(nth: u8) -> Run {
    let opening = Opening {
        id: RunId::new([nth; 16]),
        approval: ApprovalId { namespace: "shop".into(), name: "release".into(), uid: "u".into() },
        subject: Subject { branch: "prod".into(), sha: format!("sha-{nth}") },
        stage: Stage::BeforeDeployment,
        timeout_ms: 3_600_000,
        needed: 2,
        opened_by: String::new(),
        polled: false,
    };
    Run::open(opening, NOW - 600_000).run
}

fn kept(run: Run) -> Kept {
    Kept { run, version: 1, owed: false }
}

fn shown(facts: &Facts, after: Option<RunId>) -> String {
    checked(&page(Layout::sample(Section::Approvals), facts, after, &words(), NOW))
}

fn facts(waiting: Vec<Kept>, open: u64, decided: Vec<Kept>) -> Facts {
    Facts { are_served: true, waiting, open, decided }
}

#[test]
fn without_runs_it_says_where_they_come_from() {
    let html = shown(&facts(Vec::new(), 0, Vec::new()), None);
    assert!(html.contains("config/samples/approvals") && html.contains("Nothing was decided yet."));
    let html = shown(&Facts { are_served: false, ..facts(Vec::new(), 0, Vec::new()) }, None);
    assert!(html.contains("callbacks.externalUrl"));
}

#[test]
fn what_waits_stands_first_with_its_age_and_deadline() {
    let done = Run { phase: Phase::Succeeded, decided_ms: Some(NOW - 1_000), ..run(2) };
    let html = shown(&facts(vec![kept(run(1))], 3, vec![kept(done)]), None);
    assert!(html.find("sha-1").unwrap() < html.find("sha-2").unwrap());
    assert!(html.contains("10 min ago") && html.contains("in 50 min") && html.contains("0 of 2"), "{html}");
    assert!(
        html.contains("<a href=\"/approvals/01010101") && html.contains("of which 2 with a later deadline"),
        "{html}"
    );
}

#[test]
fn a_full_page_of_hostile_runs_stays_small_and_leads_on() {
    let wild = || {
        let mut run = run(1);
        (run.message, run.reason) = (hostile(4_000), hostile(4_000));
        run.subject = Subject { branch: hostile(253), sha: hostile(253) };
        run.approval.name = hostile(253);
        kept(run)
    };
    let all = || (0..=PAGE_ROWS).map(|_| wild()).collect::<Vec<_>>();
    let waiting: Vec<Kept> = all().into_iter().take(PAGE_ROWS).collect();
    let html = shown(&facts(waiting, 51, all()), None);
    assert!(html.contains(&format!("/approvals?after={}", "01".repeat(16))));
    let later = shown(&facts(all(), 51, Vec::new()), Some(RunId::new([1; 16])));
    assert!(!later.contains("Waiting for a decision"), "what waits is on the first page");
}

//! What every store must do with runs of approvals; included by the tests of both databases like `conformance.rs`, so it names
//! its neighbours through `super`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::approval::{ApprovalId, Caller, Event, Opening, Phase, Run, RunId, Stage, Subject};
use super::conformance::Place;
use super::runs::{Left, Opened, RunFilter, Runs, Unshown};
use super::store::Error;

const NOW: i64 = 1_000_000;

fn run(number: u8, approval: &str, sha: &str) -> Run {
    let opening = Opening {
        id: RunId::new([number; 16]),
        approval: ApprovalId { namespace: "team".into(), name: approval.into(), uid: format!("uid-{approval}") },
        subject: Subject { branch: "env/prod".into(), sha: sha.into() },
        stage: Stage::BeforeDeployment,
        timeout_ms: 1_000 * i64::from(number),
        needed: 0,
        opened_by: String::new(),
        polled: false,
    };
    Run::open(opening, NOW + i64::from(number)).run
}

fn yes() -> Event {
    Event::Decision { success: true, message: "ok".into(), body_sha256: "00".into(), by: Caller::own() }
}

/// Runs the suite on an empty store.
pub(super) async fn check(store: &dyn Runs) {
    one_run_a_subject(store).await;
    of_two_changes_one_wins(store).await;
    what_is_owed_and_due(store).await;
    what_is_over_is_forgotten(store).await;
    pages_give_each_run_once(store).await;
}

/// What the outside process said of a run of [`put_an_answered_run`].
pub(super) const SAID: &str = "plain words of an answer to a run";

/// A run of the approval `sealed` that was answered and has to be shown.
pub(super) async fn put_an_answered_run(store: &dyn Runs, number: u8) -> Run {
    let open = run(number, "sealed", &number.to_string());
    assert!(matches!(store.open_run(&open, 50).await.unwrap(), Opened::New(_)));
    let by = Caller::own();
    let answer = Event::Decision { success: true, message: SAID.into(), body_sha256: "00".into(), by };
    let answered = open.on(answer, NOW + 20).run;
    assert!(store.put_run(&answered, 1, NOW + i64::from(number)).await.unwrap());
    answered
}

/// A run that is sealed opens with its key, old or new; one whose key is missing is in no list, is opened no second time, and keeps no
/// other from its turn. `places` as in `conformance::rotation`.
pub(super) async fn rotation([none, old, both, new]: [&dyn Place; 4]) {
    for (place, number) in [(none, 1), (old, 2), (both, 3)] {
        let store = place.open().await;
        put_an_answered_run(store.as_ref(), number).await;
        store.close().await;
    }
    let (all, locked) = (RunFilter::default(), RunId::new([2; 16]));
    let numbers = |kept: Vec<super::runs::Kept>| {
        assert!(kept.iter().all(|kept| kept.run.message == SAID));
        kept.iter().map(|kept| kept.run.subject.sha.clone()).collect::<Vec<_>>()
    };
    let store = both.open().await;
    assert_eq!(numbers(store.runs(&all).await.unwrap()), ["3", "2", "1"]);
    store.close().await;

    let store = new.open().await;
    assert_eq!(numbers(store.runs(&all).await.unwrap()), ["3", "1"]);
    assert_eq!(numbers(store.owed_runs(2).await.unwrap()), ["1", "3"], "what is closed takes no place");
    let closed = store.run(locked).await.unwrap_err();
    assert!(matches!(closed, Error::Sealed(_)) && closed.to_string().contains("\"k1\""), "{closed}");
    assert!(matches!(store.open_run(&run(9, "sealed", "2"), 50).await, Err(Error::Sealed(_))), "no second run");
    let plain = store.run(RunId::new([1; 16])).await.unwrap().unwrap();
    assert!(store.put_run(&plain.run, plain.version, NOW + 30).await.unwrap(), "sealed with the new key from now on");
    store.close().await;

    let store = old.open().await;
    assert_eq!(numbers(store.runs(&all).await.unwrap()), ["2"]);
    store.close().await;
}

async fn one_run_a_subject(store: &dyn Runs) {
    let first = run(1, "one", "a");
    assert!(matches!(store.open_run(&first, 2).await.unwrap(), Opened::New(kept) if kept.run == first && kept.owed));
    let Opened::Known(known) = store.open_run(&run(2, "one", "a"), 2).await.unwrap() else { panic!("a second run") };
    assert_eq!((known.run.id, known.version), (first.id, 1));
    assert!(matches!(store.open_run(&run(3, "one", "b"), 2).await.unwrap(), Opened::New(_)));
    assert_eq!(store.open_run(&run(4, "one", "c"), 2).await.unwrap(), Opened::Full);
    assert!(matches!(store.open_run(&run(5, "other", "c"), 2).await.unwrap(), Opened::New(_)));
    let superseded = first.clone().on(Event::Superseded { by_sha: "b".into() }, NOW + 1).run;
    assert!(store.put_run(&superseded, 1, NOW + 1).await.unwrap());
    assert!(matches!(store.open_run(&run(6, "one", "a"), 2).await.unwrap(), Opened::New(_)), "a SHA that comes back");
    let of_one = RunFilter { name: Some("one".into()), ..RunFilter::default() };
    let listed = store.runs(&of_one).await.unwrap();
    assert_eq!(listed.iter().map(|kept| kept.run.id).collect::<Vec<_>>(), [6, 3, 1].map(|n| RunId::new([n; 16])));
    let (branch, sha) = (Some(first.subject.branch), Some(first.subject.sha));
    let open = RunFilter { is_open: Some(true), branch, sha, limit: 1, ..of_one };
    assert_eq!(store.runs(&open).await.unwrap()[0].run.id, RunId::new([6; 16]));
    assert!(store.run(RunId::new([99; 16])).await.unwrap().is_none());
}

async fn of_two_changes_one_wins(store: &dyn Runs) {
    let Opened::New(kept) = store.open_run(&run(10, "two", "a"), 50).await.unwrap() else { panic!("not opened") };
    let changed = kept.run.clone().on(yes(), NOW + 20).run;
    assert!(store.put_run(&changed, kept.version, NOW + 20).await.unwrap());
    let late = kept.run.on(Event::Cancelled { by: Caller::own(), reason: "x".into() }, NOW + 21).run;
    assert!(!store.put_run(&late, kept.version, NOW + 21).await.unwrap());
    let now = store.run(changed.id).await.unwrap().unwrap();
    assert_eq!((now.run.phase, now.version, now.owed), (Phase::Succeeded, 2, true));
}

async fn what_is_owed_and_due(store: &dyn Runs) {
    let owed = store.owed_runs(100).await.unwrap();
    assert!(owed.iter().all(|kept| kept.owed) && owed.len() >= 4);
    for kept in &owed {
        store.shown_runs(vec![(kept.run.id, kept.version - 1)], Left::Nothing).await.unwrap();
        assert!(store.run(kept.run.id).await.unwrap().unwrap().owed, "an older version was shown");
    }
    let versions: Vec<(RunId, i64)> = owed.iter().map(|kept| (kept.run.id, kept.version)).collect();
    store.shown_runs(versions.clone(), Left::Status).await.unwrap();
    assert!(store.owed_runs(100).await.unwrap().is_empty());
    assert!(!store.run(versions[0].0).await.unwrap().unwrap().owed, "only its status is");
    let unshown: Vec<Unshown> = store.owed_statuses(100).await.unwrap();
    let approvals = owed.iter().map(|kept| kept.run.approval.clone());
    assert_eq!(unshown.iter().map(|unshown| (unshown.id, unshown.version)).collect::<Vec<_>>(), versions);
    assert!(approvals.eq(unshown.into_iter().map(|unshown| unshown.approval)));
    store.shown_runs(versions.clone(), Left::Nothing).await.unwrap();
    assert!(store.owed_statuses(100).await.unwrap().is_empty());
    store.shown_runs(versions, Left::Status).await.unwrap();
    assert!(store.owed_statuses(100).await.unwrap().is_empty(), "what is done is done");
    let (open, oldest) = store.open_runs().await.unwrap();
    assert_eq!((open, oldest), (3, Some(NOW + 3)));
    let due = store.due_runs(NOW + 5_005, 10).await.unwrap();
    assert_eq!(due.iter().map(|kept| kept.run.id).collect::<Vec<_>>(), [3, 5].map(|n| RunId::new([n; 16])));
}

async fn what_is_over_is_forgotten(store: &dyn Runs) {
    assert_eq!(store.prune_runs(NOW + 20).await.unwrap(), 1, "the superseded one; the other is not older");
    assert_eq!(store.prune_runs(NOW + 21).await.unwrap(), 1);
    assert_eq!(store.open_runs().await.unwrap().0, 3, "open ones stay however old");
}

/// Also those that were requested in the same millisecond.
async fn pages_give_each_run_once(store: &dyn Runs) {
    for number in 20..27 {
        let run = Run { requested_ms: NOW + i64::from(number / 4), ..run(number, "paged", &number.to_string()) };
        assert!(matches!(store.open_run(&run, 50).await.unwrap(), Opened::New(_)));
    }
    let all = RunFilter { name: Some("paged".into()), ..RunFilter::default() };
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.runs(&RunFilter { after, limit: 2, ..all.clone() }).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.run.id);
        seen.extend(page.iter().map(|kept| kept.run.id));
    }
    let whole: Vec<RunId> = store.runs(&all).await.unwrap().iter().map(|kept| kept.run.id).collect();
    assert_eq!((seen.len(), &seen), (7, &whole));
}

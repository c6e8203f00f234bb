//! The run: each arrow, and what holds whatever happens.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::answer::{Case, reply};
use super::people::{Person, Refusal, Voters, may_vote};
use super::run::{
    ApprovalId, Caller, Effect, Event, InvalidRunId, Opening, Outcome, Phase, Run, RunId, Stage, Step, Subject,
};
use proptest::prelude::*;

const BORN: i64 = 1_000_000;
const HOUR: i64 = 3_600_000;

fn opened(needed: u32) -> Run {
    let opening = Opening {
        id: RunId::new([0xab; 16]),
        approval: ApprovalId { namespace: "team".into(), name: "tests".into(), uid: "u1".into() },
        subject: Subject { branch: "env/prod".into(), sha: "a".repeat(40) },
        stage: Stage::BeforeDeployment,
        timeout_ms: HOUR,
        needed,
        opened_by: String::new(),
        polled: false,
    };
    let step = Run::open(opening, BORN);
    assert_eq!((step.outcome, step.effects), (Outcome::Changed, vec![Effect::Request, Effect::Show]));
    step.run
}

fn caller(name: &str) -> Caller {
    Caller { kind: "oauth".into(), name: name.into(), from: "10.0.0.1".into() }
}

fn decided(success: bool) -> Event {
    Event::Decision { success, message: "words".into(), body_sha256: "00".into(), by: caller("ci") }
}

fn voted(user: &str, approve: bool) -> Event {
    let person = Person { user: user.into(), groups: Vec::new() };
    Event::Vote { person, approve, reason: "seen".into(), from: "10.0.0.2".into() }
}

fn after(run: Run, events: impl IntoIterator<Item = Event>) -> Step {
    let start = Step { run, outcome: Outcome::Nothing, effects: Vec::new() };
    events.into_iter().fold(start, |step, event| step.run.on(event, BORN + 1))
}

fn status(outcome: Outcome, decision: bool, shown: bool, run: &Run) -> u16 {
    reply(&Case::Judged { outcome, decision, shown, run: Box::new(run.clone()) }).status
}

#[test]
fn a_yes_succeeds_and_a_no_fails() {
    let step = after(opened(0), [Event::Delivered]);
    assert_eq!((step.run.phase, step.run.reason.as_str()), (Phase::Waiting, "waits for the callback"));
    let yes = after(step.run.clone(), [decided(true)]);
    assert_eq!((yes.run.phase, yes.run.decided_ms), (Phase::Succeeded, Some(BORN + 1)));
    assert_eq!(yes.effects, [Effect::Show, Effect::Tell]);
    assert_eq!(status(yes.outcome, true, true, &yes.run), 200);
    assert_eq!(status(yes.outcome, true, false, &yes.run), 202);
    assert_eq!(after(step.run, [decided(false)]).run.phase, Phase::Failed);
}

#[test]
fn an_answer_before_the_request_is_known_as_delivered_counts() {
    let step = after(opened(0), [decided(true), Event::Delivered]);
    assert_eq!((step.run.phase, step.outcome), (Phase::Succeeded, Outcome::Nothing));
}

#[test]
fn the_first_decision_stands() {
    let yes = after(opened(0), [decided(true)]).run;
    let same = yes.clone().on(decided(true), BORN + HOUR * 2);
    assert_eq!((same.outcome, &same.run, same.effects.len()), (Outcome::Same, &yes, 0));
    assert_eq!(status(same.outcome, true, true, &yes), 200);
    let other = yes.clone().on(decided(false), BORN + 2);
    assert_eq!((other.outcome, &other.run), (Outcome::Conflict, &yes));
    let answer = reply(&Case::Judged { outcome: other.outcome, decision: true, shown: true, run: Box::new(yes) });
    assert_eq!((answer.status, &answer.body["success"]), (409, &serde_json::json!(true)));
}

#[test]
fn a_superseded_run_takes_no_answer() {
    let step = after(opened(0), [Event::Delivered, Event::Superseded { by_sha: "b".into() }]);
    assert_eq!(step.run.phase, Phase::Superseded);
    let late = step.run.on(decided(true), BORN + 2);
    assert_eq!(status(late.outcome, true, true, &late.run), 409);
}

#[test]
fn the_deadline_ends_it_also_when_a_callback_brings_the_news() {
    let waiting = after(opened(0), [Event::Delivered]).run;
    assert_eq!(waiting.clone().on(Event::Clock, BORN + HOUR - 1).outcome, Outcome::Nothing);
    let timed_out = waiting.clone().on(Event::Clock, BORN + HOUR);
    assert_eq!((timed_out.run.phase, timed_out.effects.len()), (Phase::TimedOut, 2));
    let late = waiting.on(decided(true), BORN + HOUR);
    assert_eq!((late.run.phase, late.outcome, late.run.answer.is_none()), (Phase::TimedOut, Outcome::Late, true));
    assert_eq!(status(late.outcome, true, true, &late.run), 410);
    let later = late.run.on(decided(true), BORN + HOUR + 5);
    assert_eq!(status(later.outcome, true, true, &later.run), 410);
}

#[test]
fn a_request_that_cannot_be_delivered_fails_the_run() {
    let tried = after(opened(0), [Event::Tried { cause: "503".into() }]);
    assert_eq!((tried.run.phase, tried.run.attempts), (Phase::Requesting, 1));
    let step = after(tried.run, [Event::Undeliverable { cause: "410".into() }]);
    assert_eq!((step.run.phase, step.run.reason.as_str()), (Phase::Failed, "the request cannot be delivered: 410"));
}

#[test]
fn news_are_shown_and_decide_nothing() {
    let news = Event::Progress { message: "half".into(), body_sha256: "1".into(), by: caller("ci") };
    let step = after(opened(0), [Event::Delivered, news]);
    assert_eq!((step.run.phase, step.run.message.as_str()), (Phase::Waiting, "half"));
    assert_eq!(status(step.outcome, false, true, &step.run), 202);
}

#[test]
fn a_quorum_of_two_holds_until_the_second_person() {
    let one = after(opened(2), [Event::Delivered, decided(true), voted("ann", true), voted("ann", true)]);
    assert_eq!((one.run.phase, one.run.approvals(), one.outcome), (Phase::Waiting, 1, Outcome::Same));
    assert_eq!(one.run.reason, "waits for 1 approving people");
    assert_eq!(after(one.run.clone(), [voted("bob", true)]).run.phase, Phase::Succeeded);
    assert_eq!(after(one.run, [voted("ann", false)]).outcome, Outcome::Conflict);
    let people_first = after(opened(1), [voted("ann", true), Event::Delivered]);
    assert_eq!(people_first.run.reason, "waits for the callback");
}

#[test]
fn a_failing_callback_beats_the_people_and_a_rejection_the_callback() {
    assert_eq!(after(opened(2), [voted("ann", true), decided(false)]).run.phase, Phase::Failed);
    let rejected = after(opened(1), [decided(true), voted("ann", false)]);
    assert_eq!((rejected.run.phase, rejected.run.reason.as_str()), (Phase::Failed, "rejected by ann"));
    let answered = rejected.run.clone().on(decided(true), BORN + 3);
    assert_eq!(answered.outcome, Outcome::Same, "its own answer is the recorded one");
}

#[test]
fn who_may_vote() {
    let mut run = opened(1);
    let ann = Person { user: "ann".into(), groups: vec!["sre".into()] };
    let voters = |users: &[&str], groups: &[&str], allow_author| Voters {
        users: users.iter().map(|u| (*u).to_owned()).collect(),
        groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        allow_author,
    };
    assert_eq!(may_vote(None, &run, &ann), Err(Refusal::NobodyAsked));
    assert_eq!(may_vote(Some(&voters(&["bob"], &[], false)), &run, &ann), Err(Refusal::NotListed));
    for fine in [voters(&["ann"], &[], false), voters(&[], &["sre"], false), voters(&[], &[], false)] {
        assert_eq!(may_vote(Some(&fine), &run, &ann), Ok(()));
    }
    run.opened_by = "ann".into();
    assert_eq!(may_vote(Some(&voters(&["ann"], &[], false)), &run, &ann), Err(Refusal::Author));
    assert_eq!(may_vote(Some(&voters(&["ann"], &[], true)), &run, &ann), Ok(()));
}

#[test]
fn ids_are_32_digits() {
    let id = RunId::new([0x0f; 16]);
    assert_eq!(id.to_string().parse::<RunId>(), Ok(id));
    for wrong in ["", "0F0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f", "0f", "../../0f0f0f0f0f0f0f0f0f0f0f0f0f0"] {
        assert_eq!(wrong.parse::<RunId>(), Err(InvalidRunId), "{wrong}");
    }
}

#[test]
fn strangers_are_all_answered_alike() {
    let answer = reply(&Case::Unknown);
    assert_eq!((answer.status, answer.retry_after), (401, None));
    assert_eq!(reply(&Case::StoreAway).retry_after, Some(5));
    assert_eq!(reply(&Case::TooMany { retry_after: 3 }).retry_after, Some(3));
    assert_eq!((reply(&Case::NoSuchRun).status, reply(&Case::Forbidden).status), (404, 403));
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Delivered),
        Just(Event::Clock),
        Just(Event::Polled),
        Just(Event::Tried { cause: "x".into() }),
        Just(Event::Undeliverable { cause: "x".into() }),
        Just(Event::Superseded { by_sha: "b".into() }),
        Just(Event::Cancelled { by: caller("ann"), reason: "enough".into() }),
        Just(Event::Progress { message: "m".into(), body_sha256: String::new(), by: caller("ci") }),
        any::<bool>().prop_map(decided),
        (0..4_u8, any::<bool>()).prop_map(|(who, approve)| voted(&format!("p{who}"), approve)),
    ]
}

proptest! {
    #[test]
    fn a_decided_run_never_goes_back(needed in 0..3_u32, events in proptest::collection::vec((any_event(), 0..HOUR / 4), 0..24)) {
        let (mut run, mut now) = (opened(needed), BORN);
        for (event, passed) in events {
            now += passed;
            let before = run.clone();
            let step = run.on(event, now);
            if before.phase.is_open() {
                prop_assert_eq!(step.run.phase.is_open(), step.run.decided_ms.is_none());
                prop_assert_eq!(step.effects.contains(&Effect::Tell), !step.run.phase.is_open());
            } else {
                prop_assert_eq!(&step.run, &before);
                prop_assert!(step.effects.is_empty());
            }
            if step.outcome != Outcome::Changed && step.outcome != Outcome::Late {
                prop_assert_eq!(&step.run, &before);
            }
            if let Some(answer) = &before.answer {
                prop_assert_eq!(step.run.answer.as_ref(), Some(answer), "the first answer stands");
            }
            run = step.run;
        }
        if run.phase == Phase::Succeeded {
            prop_assert!(run.answer.as_ref().is_some_and(|answer| answer.success));
            prop_assert!(run.approvals() >= needed && run.votes.iter().all(|vote| vote.approve));
        }
        if run.phase == Phase::TimedOut {
            prop_assert!(run.decided_ms.unwrap() >= run.deadline_ms);
        }
        let kept: Run = serde_json::from_str(&serde_json::to_string(&run).unwrap()).unwrap();
        prop_assert_eq!(kept, run);
    }
}

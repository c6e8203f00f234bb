//! Runs the vectors recorded from the Go controller (`tests/vectors/notifications`) against the pure rooms.
//!
//! HTTP is played: the requests that would leave are compared, the scripted answers are judged. Where Gatepost is to
//! differ, a rule in `exceptions` says when, why, and what must hold instead.

mod case;
mod exceptions;
mod play;

use exceptions::Rule;
use std::collections::BTreeMap;
use std::io::Write as _;

/// What became of one case.
enum Outcome {
    Same,
    Differs(Rule),
}

#[test]
fn notifications_vectors() {
    let cases = case::all();
    assert!(!cases.is_empty(), "no vectors found");
    let (mut rules, mut failures) = (BTreeMap::<Rule, usize>::new(), Vec::new());
    for case in &cases {
        match run(case) {
            Ok(Outcome::Same) => {}
            Ok(Outcome::Differs(rule)) => *rules.entry(rule).or_default() += 1,
            Err(why) => failures.push(format!("{}: {why}", case.name)),
        }
    }
    let mut out = std::io::stdout().lock();
    let passed = cases.len() - failures.len();
    writeln!(out, "{passed} of {} cases pass", cases.len()).unwrap();
    for (rule, count) in &rules {
        writeln!(out, "  {count} of them differ on purpose: {rule:?}: {}", rule.reason()).unwrap();
    }
    drop(out);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A rule that applies must hold its better outcome; every other case must equal Go's.
fn run(case: &case::Case) -> Result<Outcome, String> {
    match Rule::of(case) {
        Some(rule) => rule.check(case).map(|()| Outcome::Differs(rule)),
        None => play::compare(case).map(|()| Outcome::Same),
    }
}

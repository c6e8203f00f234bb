#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::super::testing::{checked, hostile, words};
use super::*;
use serde_json::json;

const NOW: i64 = 1_800_000_000_000;

fn gate(name: &str, phase: &str) -> Summary {
    serde_json::from_value(json!({
        "kind": "WebRequestCommitStatus", "namespace": "shop", "name": name, "strategy": "orders", "key": "check", "mode": "polling",
        "phases": {"prod": {"phase": phase, "sha": "aa"}}, "ready": {"status": "True", "reason": "R", "message": "fine"},
        "error": null, "lookedAt": "2027-01-15T07:59:00Z", "nextLook": "2027-01-15T08:01:00Z", "nextTry": null,
    }))
    .unwrap()
}

fn shown(facts: Facts, after: &str) -> String {
    checked(&page(Layout::sample(Section::Gates), facts, after, &words(), NOW))
}

fn enabled(all: Vec<Summary>) -> Facts {
    Facts { is_enabled: true, obstacle: String::new(), all }
}

#[test]
fn without_gates_it_says_what_to_set() {
    assert!(shown(Facts::default(), "").contains("gates.enabled = true"));
    assert!(shown(enabled(Vec::new()), "").contains("gates.takeOver = true"));
    let obstacle = "the cluster does not serve WebRequestCommitStatuses".to_owned();
    assert!(shown(Facts { obstacle, ..enabled(Vec::new()) }, "").contains("does not serve"));
}

#[test]
fn those_that_hold_something_come_first_and_pages_follow_each_other() {
    let mut all: Vec<Summary> = (0..60).map(|nth| gate(&format!("gate-{nth:02}"), "success")).collect();
    all.push(gate("zz-fails", "failure"));
    let facts = || enabled(all.clone());
    let first = shown(facts(), "");
    assert!(first.find("zz-fails").unwrap() < first.find("gate-00").unwrap());
    assert!(!first.contains("gate-49") && first.contains("after=3-shop%2Fgate-48"), "{first}");
    let second = shown(facts(), "3-shop/gate-48/WebRequestCommitStatus");
    assert!(second.contains("gate-49") && second.contains("gate-59") && !second.contains("gate-48<"), "{second}");
}

#[test]
fn a_gate_of_applications_has_an_address_of_its_own() {
    for kind in ["ApplicationGate", "ArgoCDCommitStatus"] {
        let one = Summary { kind: kind.into(), ..gate("orders", "pending") };
        assert!(shown(enabled(vec![one]), "").contains(&format!("/gates/shop/orders?kind={kind}")));
    }
}

#[test]
fn hostile_words_are_shown_as_words() {
    let mut one = gate(&hostile(253), &hostile(100));
    one.error = Some(hostile(5_000));
    one.phases = (0..100).map(|nth| (format!("{nth}{}", hostile(250)), PhaseOf::default())).collect();
    let clone = |_| Summary {
        phases: one.phases.clone(),
        error: one.error.clone(),
        strategy: hostile(253),
        key: hostile(253),
        ..gate(&one.name, "")
    };
    shown(enabled((0..60).map(clone).collect()), "");
}

#![allow(clippy::unwrap_used)]

use super::*;
use gatepost_value::json::{Numbers, from_serde};
use serde_json::json;
use std::collections::BTreeSet;

/// Most bytes that a record may take, its place in the index included.
const RECORD_BYTES: usize = 200;
const NOW: i64 = 1_800_000_000;

fn app(namespace: &str, name: &str, uid: &str, words: [&str; 4]) -> Object {
    let [project, sync, health, phase] = words;
    let object = json!({
        "metadata": {"namespace": namespace, "name": name, "uid": uid},
        "spec": {"project": project},
        "status": {
            "sync": {"status": sync}, "health": {"status": health, "lastTransitionTime": "2026-01-01T00:00:02Z"},
            "operationState": {"phase": phase, "startedAt": "2026-01-01T00:00:01Z"},
        },
    });
    Object::new(from_serde(&object, Numbers::Kubernetes))
}

fn fine(namespace: &str, name: &str) -> Object {
    app(namespace, name, &format!("{namespace}-{name}"), ["default", "Synced", "Healthy", "Succeeded"])
}

/// As many Applications as a large installation has, in ten namespaces.
fn many(count: usize) -> Roster {
    let roster = Roster::default();
    for nth in 0..count {
        let words = [["a", "b"][nth % 2], "Synced", if nth % 100 == 0 { "Degraded" } else { "Healthy" }, "Succeeded"];
        roster.put(&app(&format!("team-{}", nth % 10), &format!("app-{nth:05}"), &nth.to_string(), words), NOW);
    }
    roster
}

fn names(page: &Page) -> Vec<String> {
    page.rows.iter().map(|row| format!("{}/{}", row.namespace, row.name)).collect()
}

#[test]
fn a_record_says_what_the_object_said_and_since_when() {
    let roster = Roster::default();
    roster.put(&fine("n", "a"), NOW);
    let row = roster.get("n", "a").unwrap();
    assert_eq!((&*row.project, &*row.sync, &*row.health, &*row.phase), ("default", "Synced", "Healthy", "Succeeded"));
    assert_eq!((row.changed_secs, row.subscribed), (Some(1_767_225_602), Subscribed::Unknown));
    roster.note_subscribed(&fine("n", "a").id(), true);
    roster.put(&fine("n", "a"), NOW);
    assert_eq!(roster.get("n", "a").unwrap().changed_secs, Some(1_767_225_602), "nothing changed");
    roster.put(&app("n", "a", "n-a", ["default", "Synced", "Degraded", "Succeeded"]), NOW);
    let row = roster.get("n", "a").unwrap();
    assert_eq!((row.changed_secs, row.subscribed), (Some(NOW), Subscribed::Yes));
    roster.put(&Object::new(from_serde(&json!({"metadata": {"name": "bare"}}), Numbers::Kubernetes)), NOW);
    let bare = roster.get("", "bare").unwrap();
    assert_eq!((&*bare.health, bare.changed_secs), ("", None));
}

#[test]
fn counts_follow_the_records() {
    let roster = many(1_000);
    let totals = roster.totals();
    assert_eq!(totals.all, 1_000);
    assert_eq!(totals.healths, [(Arc::from("Healthy"), 990), (Arc::from("Degraded"), 10)]);
    assert_eq!(totals.projects, [(Arc::from("a"), 500), (Arc::from("b"), 500)]);
    for nth in (0..1_000).step_by(100) {
        let id = app(&format!("team-{}", nth % 10), &format!("app-{nth:05}"), &nth.to_string(), [""; 4]).id();
        roster.forget(&id);
    }
    assert_eq!(roster.totals().healths, [(Arc::from("Healthy"), 990)]);
}

#[test]
fn fifty_thousand_are_paged_in_order_each_once() {
    let roster = many(50_000);
    let (mut seen, mut query) = (Vec::new(), Query::default());
    loop {
        let page = roster.page(&query);
        assert_eq!((page.all, page.matching), (50_000, 50_000));
        assert!(page.rows.len() <= 50);
        seen.extend(names(&page));
        let Some(next) = page.next else { break };
        query.after = Some(next);
    }
    assert_eq!(seen.len(), 50_000);
    assert!(seen.is_sorted(), "the order is that of namespace and name");
    seen.dedup();
    assert_eq!(seen.len(), 50_000);
}

#[test]
fn search_and_filters_narrow_and_count() {
    let roster = many(50_000);
    let page = |query: Query| roster.page(&query);
    let found = page(Query { search: "app-0004".into(), ..Query::default() });
    assert_eq!((found.matching, found.rows.len(), found.next), (10, 10, None));
    let whole = page(Query { search: "team-3/app-00043".into(), ..Query::default() });
    assert_eq!(names(&whole), ["team-3/app-00043"]);
    let degraded = Query { health: Some("Degraded".into()), limit: 20, ..Query::default() };
    let first = page(degraded.clone());
    assert_eq!((first.matching, first.rows.len()), (500, 20));
    let second = page(Query { after: first.next.clone(), ..degraded.clone() });
    assert_eq!(second.matching, 500, "how many match is the same on each page");
    assert!(names(&first).last() < names(&second).first());
    assert_eq!(page(Query { project: Some("b".into()), ..degraded.clone() }).matching, 0);
    assert_eq!(page(Query { project: Some("a".into()), ..degraded }).matching, 500);
    assert_eq!(page(Query { sync: Some("OutOfSync".into()), ..Query::default() }).matching, 0);
    assert_eq!(page(Query { phase: Some("Succeeded".into()), ..Query::default() }).matching, 50_000);
    assert_eq!(page(Query { subscribed: Some(true), ..Query::default() }).matching, 0);
}

#[test]
fn some_can_be_named() {
    let roster = many(2_000);
    let place = |nth: usize| (format!("team-{}", nth % 10), format!("app-{nth:05}"));
    let mut among: BTreeSet<_> = (0..1_500).map(place).collect();
    among.insert(("team-0".into(), "gone".into()));
    let query = Query { among: Some(among), health: Some("Degraded".into()), limit: 10, ..Query::default() };
    let first = roster.page(&query);
    assert_eq!((first.matching, first.rows.len(), first.all), (15, 10, 2_000));
    let second = roster.page(&Query { after: first.next, ..query });
    assert_eq!((second.matching, second.rows.len(), second.next), (15, 5, None));
}

#[test]
fn what_a_list_does_not_bring_is_forgotten() {
    let roster = many(2_000);
    roster.end_list();
    assert_eq!(roster.totals().all, 2_000, "no list was going on");
    roster.begin_list();
    (0..700).for_each(|nth| roster.put(&fine("team-1", &format!("app-{nth:05}")), NOW));
    roster.put(&fine("new", "one"), NOW);
    assert!(roster.get("team-1", "app-01001").is_some(), "until the list is whole nothing is gone");
    roster.end_list();
    assert_eq!(roster.totals().all, 701);
    assert!(roster.get("team-1", "app-01001").is_none() && roster.get("new", "one").is_some());
    assert_eq!(roster.totals().projects, [(Arc::from("default"), 701)]);
}

#[test]
fn one_of_the_same_name_made_later_stays_when_the_earlier_one_goes() {
    let roster = Roster::default();
    let words = ["default", "Synced", "Healthy", ""];
    roster.put(&app("n", "a", "first", words), NOW);
    roster.note_subscribed(&app("n", "a", "first", words).id(), true);
    roster.put(&app("n", "a", "second", words), NOW);
    assert_eq!(roster.get("n", "a").unwrap().subscribed, Subscribed::Unknown);
    roster.forget(&app("n", "a", "first", words).id());
    assert!(roster.get("n", "a").is_some());
    roster.forget(&app("n", "a", "second", words).id());
    assert!(roster.get("n", "a").is_none() && roster.read().spaces.is_empty());
}

/// Reckoned for the worst case: a node of a B-tree holds 11 entries and 5 at least, one in five is an inner one with 12 pointers more; the
/// allocator takes 8 bytes and rounds up to 16.
#[test]
fn a_record_stays_small() {
    let entry = size_of::<Record>() + size_of::<Box<str>>();
    let node = 11 * entry + 16;
    let (leaf, inner) = (node.div_ceil(5), (node + 12 * 8).div_ceil(5 * 5));
    let name = "a-name-of-an-application-of-usual-length".len();
    let record = leaf + inner + (name + 8).next_multiple_of(16);
    assert_eq!(size_of::<Record>(), 24);
    assert!(record <= RECORD_BYTES, "{record} bytes");
}

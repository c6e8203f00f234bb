#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::super::testing::{checked, hostile, words};
use super::*;

const NOW: i64 = 1_800_000_000_000;

fn row(namespace: &str, name: &str, health: &str) -> RosterRow {
    RosterRow {
        namespace: Arc::from(namespace),
        name: name.to_owned(),
        project: Arc::from("default"),
        sync: Arc::from("Synced"),
        health: Arc::from(health),
        phase: Arc::from("Succeeded"),
        changed_secs: Some(1_799_999_940),
        subscribed: Subscribed::Yes,
    }
}

fn facts(rows: Vec<RosterRow>, all: usize) -> Facts {
    let last = rows.iter().map(|_| None).collect();
    let page = RosterPage { matching: all, all, next: None, rows };
    Facts { page, totals: RosterTotals::default(), last, standing: Standing::Unguarded, is_synced: true }
}

fn shown(asked: &Asked, facts: &Facts) -> String {
    checked(&page(Layout::sample(Section::Applications), asked, facts, &words(), NOW))
}

#[test]
fn without_applications_it_says_what_to_do() {
    let none = || facts(Vec::new(), 0);
    assert!(shown(&Asked::default(), &none()).contains("--application-namespaces"));
    assert!(shown(&Asked::default(), &Facts { is_synced: false, ..none() }).contains("is being read"));
    let standby = Facts { standing: Standing::Standby { holder: "other_1".into() }, ..none() };
    assert!(shown(&Asked::default(), &standby).contains("other_1 decides"));
    let filtered = Asked { q: "x".into(), ..Asked::default() };
    assert!(shown(&filtered, &facts(Vec::new(), 7)).contains("Take a filter away"));
}

#[test]
fn a_row_says_what_became_of_an_application_and_the_next_page_keeps_the_filters() {
    let mut some = facts(vec![row("argocd", "orders", "Degraded")], 60);
    some.page.next = Some(("argocd".into(), "orders".into()));
    some.totals.healths = vec![(Arc::from("Healthy"), 59), (Arc::from("Degraded"), 1)];
    let asked = Asked { health: "Degraded".into(), q: "or".into(), ..Asked::default() };
    let html = shown(&asked, &some);
    assert!(html.contains("<a href=\"/applications/argocd/orders\">argocd/orders</a>"), "{html}");
    assert!(html.contains("<span class=\"badge bad\">Degraded</span>") && html.contains(">1 min ago</time>"), "{html}");
    assert!(html.contains("/applications?q=or&#38;health=Degraded&#38;after=argocd%2Forders"), "{html}");
    assert!(html.contains("<option selected>Degraded</option>"), "{html}");
}

#[test]
fn hostile_words_are_shown_as_words_and_a_full_page_stays_small() {
    let mut rows = vec![row(&hostile(63), &hostile(253), &hostile(300)); PAGE_ROWS];
    rows.iter_mut().for_each(|row| row.project = Arc::from(hostile(253)));
    let mut full = facts(rows, 50_000);
    full.totals.projects = (0..500).map(|_| (Arc::from(hostile(253)), 1)).collect();
    full.totals.healths = (0..500).map(|_| (Arc::from(hostile(300)), 1)).collect();
    let asked = Asked { q: hostile(120), project: hostile(120), health: hostile(120), ..Asked::default() };
    shown(&asked, &full);
}

#[test]
fn what_is_asked_for_becomes_a_query() {
    let asked = Asked { q: " Orders ".into(), told: "no".into(), after: "ns/a".into(), ..Asked::default() };
    let query = asked.query();
    assert_eq!((query.search.as_str(), query.subscribed, query.project), ("orders", Some(false), None));
    assert_eq!(query.after, Some(("ns".into(), "a".into())));
}

//! What is equal, what differs as it is meant to, and what differs besides. Only the first two are good.

use crate::receiver::Seen;
use crate::{Catalogue, Told};
use std::collections::BTreeMap;

/// Headers that differ on purpose, and why.
const HEADERS: [(&str, &str); 2] =
    [("user-agent", "each names itself"), ("accept", "Gatepost says that it takes any answer")];
/// Why a body may differ.
const ESCAPED: &str = "a value that broke the JSON is escaped by Gatepost";
/// Differences that are shown of one change.
const SHOWN: usize = 3;

/// Prints what became of each change; how many requests differ without a reason.
pub fn report(catalogue: Catalogue, theirs: &[Told], ours: &[Told]) -> usize {
    println!("\nCatalogue of {catalogue:?}: requests that arrived");
    println!(
        "{:<30} {:>8} {:>9} {:>8} {:>8} {:>9}",
        "Applications", "argocd", "gatepost", "equal", "listed", "UNLISTED"
    );
    let (mut reasons, mut unlisted) = (BTreeMap::new(), 0);
    for (theirs, ours) in theirs.iter().zip(ours) {
        let (equal, listed, rest) = judge(&theirs.seen, &ours.seen, &mut reasons);
        let (what, left) = (theirs.step.what, rest.len());
        println!("{what:<30} {:>8} {:>9} {equal:>8} {listed:>8} {left:>9}", theirs.seen.len(), ours.seen.len());
        rest.iter().take(SHOWN).for_each(|text| println!("  {text}"));
        unlisted += left;
    }
    for (reason, count) in reasons {
        println!("listed: {count:>6} times {reason}");
    }
    unlisted
}

/// How many are equal, how many differ for a listed reason, and the rest.
fn judge(theirs: &[Seen], ours: &[Seen], reasons: &mut BTreeMap<String, usize>) -> (usize, usize, Vec<String>) {
    let (mut equal, mut listed, mut rest) = (0, 0, Vec::new());
    let mut left: BTreeMap<_, Vec<&Seen>> = BTreeMap::new();
    for seen in theirs {
        left.entry((&seen.method, &seen.target)).or_default().push(seen);
    }
    for own in ours {
        let candidates = left.entry((&own.method, &own.target)).or_default();
        // The equal one first: many requests share a target.
        let best = candidates.iter().position(|their| their.body == own.body);
        let best = best.or_else(|| candidates.iter().position(|their| is_escaped(their, own)));
        let Some(their) = best.map(|at| candidates.swap_remove(at)) else {
            rest.push(format!("only gatepost: {}", shown(own)));
            continue;
        };
        if own.body != their.body {
            *reasons.entry(ESCAPED.to_owned()).or_default() += 1;
            listed += 1;
        } else if bare(own) == bare(their) {
            equal += 1;
        } else {
            rest.push(format!("argocd {:?} gatepost {:?} of {}", bare(their), bare(own), shown(own)));
        }
        for (name, why) in HEADERS {
            if value(own, name) != value(their, name) {
                *reasons.entry(format!("header {name}: {why}")).or_default() += 1;
            }
        }
    }
    rest.extend(left.into_values().flatten().map(|seen| format!("only argocd: {}", shown(seen))));
    (equal, listed, rest)
}

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(body).is_ok()
}

fn is_escaped(their: &Seen, own: &Seen) -> bool {
    !is_json(&their.body) && is_json(&own.body) && value(own, "content-type") == Some("application/json")
}

fn value<'a>(seen: &'a Seen, name: &str) -> Option<&'a str> {
    seen.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
}

/// Headers without those that differ on purpose.
fn bare(seen: &Seen) -> Vec<&(String, String)> {
    seen.headers.iter().filter(|(name, _)| HEADERS.iter().all(|(listed, _)| listed != name)).collect()
}

fn shown(seen: &Seen) -> String {
    format!("{} {} {:?} {}", seen.method, seen.target, seen.headers, String::from_utf8_lossy(&seen.body))
}

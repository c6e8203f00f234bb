//! Plays the scenarios recorded from the GitOps Promoter (`tests/vectors/gates`) against the real `gatepost serve`, a
//! real API server and a scripted external system.
//!
//! Where Gatepost differs on purpose, a rule in `exceptions` says when, why, and what must hold instead.

mod case;
mod compare;
mod exceptions;
mod play;
mod script;

use crate::env::cluster;
use crate::running::{Gatepost, Start};
use exceptions::Rule;
use futures::StreamExt as _;
use std::collections::BTreeMap;
use std::io::Write as _;

/// Scenarios played at once.
const SIDE_BY_SIDE: usize = 12;
/// What the scenarios need: gates that nobody else handles, and a loopback that tenants may reach.
const SETTINGS: &str = "[gates]\nenabled = true\ntakeOver = true\ninstanceId = \"vectors\"\n\
                        [egress.tenants.\"it-*\"]\nallow = [\"127.0.0.0/8\"]\n";

#[tokio::test(flavor = "multi_thread")]
async fn gates_vectors() {
    let cases = case::all();
    assert!(!cases.is_empty(), "no vectors found");
    let (cluster, pki) = (cluster().await, script::Pki::new());
    let home = cluster.namespace().await;
    let start = Start { kubeconfig: cluster.kubeconfig(), namespace: &home.name, store: None };
    let gatepost = Gatepost::start_with(start, &[], SETTINGS).await;
    let pki = &pki;
    let played = futures::stream::iter(&cases).map(|case| async move { (case, play::play(case, pki).await) });
    let played: Vec<_> = played.buffer_unordered(SIDE_BY_SIDE).collect().await;
    drop(gatepost);
    let (mut rules, mut failures) = (BTreeMap::<Rule, usize>::new(), Vec::new());
    for (case, outcome) in played {
        match outcome {
            Ok(None) => {}
            Ok(Some(rule)) => *rules.entry(rule).or_default() += 1,
            Err(why) => failures.push(format!("{}: {why}", case.name)),
        }
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} of {} scenarios pass", cases.len() - failures.len(), cases.len()).unwrap();
    for (rule, count) in &rules {
        writeln!(out, "  {count} of them differ on purpose: {rule:?}: {}", rule.reason()).unwrap();
    }
    drop(out);
    failures.sort();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

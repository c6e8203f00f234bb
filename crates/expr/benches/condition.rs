//! How many evaluations a second a typical trigger condition makes. Run with `cargo bench -p gatepost-expr`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use gatepost_expr::{CompileOptions, Program};
use gatepost_value::{Budget, CallContext, Limits, Location, Time, json};
use std::time::Instant;

const ROUNDS: u32 = 1_000_000;

const CONDITIONS: [&str; 3] = [
    "app.status.operationState.phase in ['Error', 'Failed'] and app.status.health.status == 'Healthy'",
    "app.status.operationState.phase in ['Succeeded'] and app.status.health.status == 'Healthy'",
    "any(app.status.resources, {.kind == 'Service' and .health?.status == 'Degraded'})",
];

const APPLICATION: &str = r#"{"app": {
    "metadata": {"name": "shop", "namespace": "argocd", "annotations": {"a": "b"}},
    "spec": {"source": {"repoURL": "https://git.example.org/acme/shop"}, "project": "default"},
    "status": {
        "health": {"status": "Healthy"}, "sync": {"status": "Synced", "revision": "abc"},
        "operationState": {"phase": "Succeeded", "startedAt": "2026-05-01T10:00:00Z"},
        "resources": [{"kind": "Deployment", "health": {"status": "Healthy"}}, {"kind": "Service"}]
    }
}}"#;

fn main() {
    let env = json::parse(APPLICATION.as_bytes(), json::Numbers::Kubernetes).unwrap();
    let random = |_: &mut [u8]| {};
    for text in CONDITIONS {
        let program = Program::compile(text, &CompileOptions::default()).unwrap();
        let start = Instant::now();
        for _ in 0..ROUNDS {
            let budget = Budget::new(Limits::default());
            let (now, local) = (Time::unix(0, 0), Location::Utc);
            let ctx = CallContext { budget: &budget, now, local, random: &random, costly: false };
            std::hint::black_box(program.run(std::hint::black_box(&env), &ctx).unwrap());
        }
        let rate = f64::from(ROUNDS) / start.elapsed().as_secs_f64() / 1e6;
        println!("{rate:.2} M/s  {text}");
    }
}

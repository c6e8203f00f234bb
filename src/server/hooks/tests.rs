//! Hooks as they arrive: who wakes a gate, and what everybody else is told.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::controller::gate::ask::{Data, Kind, Objects};
use crate::controller::gate::{WakeReceiver, wakes};
use crate::egress::{Egress, Policy};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use serde_json::Value as Json;
use std::sync::atomic::{AtomicUsize, Ordering};

const KEY: &str = "a key of sixteen or more";

/// A cluster with the gate `team/gate`, whose Secret has two keys, and `team/open`, which names no Secret.
#[derive(Default)]
struct Cluster {
    reads: AtomicUsize,
}

#[async_trait::async_trait]
impl Annotations for Cluster {
    async fn of_gate(&self, namespace: &str, name: &str) -> Result<Named, String> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        match (namespace, name) {
            ("team", "gate") => Ok(Named { secret: Some("keys".into()), oidc: Some("no list of rules".into()) }),
            ("team", "broken") => Err("no answer".into()),
            _ => Ok(Named::default()),
        }
    }
}

#[async_trait::async_trait]
impl Objects for Cluster {
    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Data>, String> {
        let keys = ["bearer", "github"].map(|key| (key.to_owned(), KEY.as_bytes().to_vec()));
        Ok((namespace == "team" && name == "keys").then(|| Data::from(keys)))
    }
    async fn promoter(&self, _: Kind, _: &str, _: &str) -> Result<Option<Json>, String> {
        Ok(None)
    }
}

struct House {
    hooks: Arc<Hooks>,
    woken: WakeReceiver,
    cluster: Arc<Cluster>,
}

fn house(trusted: &[&str]) -> House {
    let (sender, woken) = wakes();
    let cluster = Arc::new(Cluster::default());
    let lookup = Lookup::new(Arc::clone(&cluster) as _, Arc::clone(&cluster) as _);
    let trusted_proxies = trusted.iter().map(|range| Cidr::parse(range).unwrap()).collect();
    let options = Options { body_limit: 1 << 10, trusted_proxies };
    let issuers = Arc::new(Issuers::new(Arc::new(Egress::new(Policy::default())), "gatepost".into()));
    let hooks = Hooks::new(lookup, issuers, sender, Arc::new(Metrics::new().unwrap()), options);
    House { hooks: Arc::new(hooks), woken, cluster }
}

fn post(path: &str) -> TestRequest {
    TestRequest::post().uri(path).peer_addr("192.0.2.1:1000".parse().unwrap())
}

fn bearer(key: &str) -> (&'static str, String) {
    ("Authorization", format!("Bearer {key}"))
}

async fn send(hooks: &Arc<Hooks>, request: TestRequest) -> (u16, String) {
    let app = init_service(App::new().app_data(web::Data::from(Arc::clone(hooks))).configure(routes)).await;
    let response = call_service(&app, request.to_request()).await;
    let status = response.status().as_u16();
    (status, String::from_utf8(read_body(response).await.to_vec()).unwrap())
}

#[actix_web::test]
async fn a_proven_hook_wakes_its_gate_and_carries_nothing_else() {
    let mut house = house(&[]);
    let request = post("/hooks/v1/gates/team/gate").insert_header(bearer(KEY)).set_payload("{\"approved\": true}");
    assert_eq!(send(&house.hooks, request).await.0, 202);
    assert_eq!(house.woken.try_recv().unwrap(), Wake { namespace: "team".into(), name: "gate".into() });
    assert!(house.woken.try_recv().is_err());
}

#[actix_web::test]
async fn whoever_proves_nothing_gets_one_answer() {
    let mut house = house(&[]);
    let mut answers = Vec::new();
    for (path, key) in [
        ("/hooks/v1/gates/team/gate", "a wrong key of sixteen"),
        ("/hooks/v1/gates/team/gate", ""),
        ("/hooks/v1/gates/team/open", KEY),
        ("/hooks/v1/gates/team/nobody", KEY),
        ("/hooks/v1/gates/other/gate", KEY),
        ("/hooks/v1/gates/team/..%2Fgate", KEY),
        ("/hooks/v1/gates/team/%00", KEY),
    ] {
        answers.push(send(&house.hooks, post(path).insert_header(bearer(key))).await);
    }
    let unsigned = post("/hooks/v1/gates/team/gate").insert_header(("X-Hub-Signature-256", "sha256=00"));
    answers.push(send(&house.hooks, unsigned.set_payload("x")).await);
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.0 == 401), "{answers:?}");
    assert!(house.woken.try_recv().is_err());
}

#[actix_web::test]
async fn a_body_is_read_for_its_signature_and_no_further_than_the_limit() {
    let house = house(&[]);
    let signed = || post("/hooks/v1/gates/team/gate").insert_header(("X-Hub-Signature-256", "sha256=00"));
    assert_eq!(send(&house.hooks, signed().set_payload(vec![b'a'; 2 << 10])).await.0, 413);
    let token = post("/hooks/v1/gates/team/gate").insert_header(bearer(KEY)).set_payload(vec![b'a'; 2 << 10]);
    assert_eq!(send(&house.hooks, token).await.0, 202, "a token needs no body");
}

#[actix_web::test]
async fn failures_are_counted_by_address_and_wakes_by_gate() {
    let house = house(&["192.0.2.0/24"]);
    let path = "/hooks/v1/gates/team/gate";
    let wrong = |from: &str| post(path).insert_header(("X-Forwarded-For", from.to_owned()));
    for _ in 0..20 {
        assert_eq!(send(&house.hooks, wrong("203.0.113.9, 192.0.2.7")).await.0, 401);
    }
    let (status, _) = send(&house.hooks, wrong("203.0.113.9")).await;
    assert_eq!(status, 429);
    assert_eq!(send(&house.hooks, wrong("203.0.113.10")).await.0, 401, "another address");
    for _ in 0..10 {
        assert_eq!(send(&house.hooks, wrong("203.0.113.11").insert_header(bearer(KEY))).await.0, 202);
    }
    assert_eq!(send(&house.hooks, wrong("203.0.113.12").insert_header(bearer(KEY))).await.0, 429);
    assert_eq!(house.cluster.reads.load(Ordering::SeqCst), 1, "what was found is kept");
}

#[actix_web::test]
async fn an_address_that_nobody_vouches_for_is_the_peers_own() {
    let house = house(&[]);
    for n in 0..20 {
        let request = post("/hooks/v1/gates/team/gate").insert_header(("X-Forwarded-For", format!("203.0.113.{n}")));
        assert_eq!(send(&house.hooks, request).await.0, 401);
    }
    assert_eq!(send(&house.hooks, post("/hooks/v1/gates/team/gate")).await.0, 429);
}

#[actix_web::test]
async fn a_cluster_that_does_not_answer_is_no_failure_of_the_caller() {
    let house = house(&[]);
    let (status, body) = send(&house.hooks, post("/hooks/v1/gates/team/broken").insert_header(bearer(KEY))).await;
    assert_eq!(status, 503);
    assert!(!body.contains("no answer"), "{body}");
}

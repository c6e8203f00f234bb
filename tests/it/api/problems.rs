//! Whatever goes wrong is a problem that says type, title, status, detail and instance.

use super::scene::Scene;
use crate::env::client;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

/// What a request is refused with.
#[allow(clippy::disallowed_methods)]
async fn refused(request: RequestBuilder) -> (Response, Value) {
    let mut response = request.send().await.unwrap();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.unwrap() {
        body.extend_from_slice(&chunk);
    }
    let text = String::from_utf8(body).unwrap();
    assert_eq!(kind, "application/problem+json", "{text}");
    (response, serde_json::from_str(&text).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_a_problem() {
    let scene = Scene::start(1).await;
    let at = |path: &str| format!("{}{path}", scene.gatepost.api);
    let get = |path: &str| client().get(at(path));
    let post = |path: &str, body: &str| {
        client().post(at(path)).header("content-type", "application/json").body(body.to_owned())
    };
    let large = format!("{{\"ids\": [\"{}\"]}}", "x".repeat(70_000));
    let none = "/api/v1/deliveries/dlv_0198c0de-0000-7000-8000-000000000000";
    let replay = "/api/v1/deliveries/replay";
    let cases: [(RequestBuilder, u16, &str, &str, &str); 18] = [
        (post("/api/v1/deliveries/discard", "[]"), 400, "invalid-body", "/api/v1/deliveries/discard", "expected a map"),
        (get("/api/v1/nowhere"), 404, "no-such-resource", "/api/v1/nowhere", "there is no GET /api/v1/nowhere"),
        (get(none), 404, "no-such-delivery", none, "there is no delivery dlv_"),
        (get("/api/v1/deliveries/x"), 400, "invalid-parameter", "/api/v1/deliveries/x", "is not a delivery id"),
        (
            get("/api/v1/applications/argocd/none"),
            404,
            "no-such-application",
            "/api/v1/applications/argocd/none",
            "argocd/none",
        ),
        (
            get("/api/v1/applications/argocd/..%2F..%2Fsecrets"),
            404,
            "no-such-application",
            "/api/v1/applications/argocd/..%2F..%2Fsecrets",
            "",
        ),
        (get("/api/v1/gates"), 404, "switched-off", "/api/v1/gates", "gates.enabled"),
        (get("/api/v1/approvals/runs"), 404, "switched-off", "/api/v1/approvals/runs", "callbacks.externalUrl"),
        (get("/api/v1/deliveries?triger=x"), 400, "unknown-parameter", "/api/v1/deliveries", "did you mean `trigger`?"),
        (get("/api/v1/status?x=y"), 400, "unknown-parameter", "/api/v1/status", "there are none here"),
        (get("/api/v1/deliveries?since=yesterday"), 400, "invalid-parameter", "/api/v1/deliveries", "since: "),
        (get("/api/v1/deliveries?state=deat"), 400, "invalid-parameter", "/api/v1/deliveries", "did you mean `dead`?"),
        (get("/api/v1/deliveries?limit=10001"), 400, "invalid-parameter", "/api/v1/deliveries", "more than 10000"),
        (post(replay, "{\"ids\": "), 400, "invalid-body", replay, "EOF"),
        (post(replay, "{\"idz\": []}"), 400, "invalid-body", replay, "unknown field `idz`"),
        (post(replay, &large), 413, "body-too-large", replay, "65536 bytes"),
        (client().post(at(replay)).body("{}"), 415, "unsupported-media-type", replay, "application/json"),
        (
            post("/api/v1/destinations/disable", "{\"service\": \"none\"}"),
            404,
            "no-such-destination",
            "/api/v1/destinations/disable",
            "",
        ),
    ];
    for (request, status, name, instance, detail) in cases {
        let (response, body) = refused(request).await;
        assert_eq!(response.status().as_u16(), status, "{body}");
        assert_eq!(body["type"], format!("urn:gatepost:problem:{name}"), "{body}");
        assert_eq!((&body["status"], &body["instance"]), (&json!(status), &json!(instance)));
        assert!(body["title"].is_string() && body["detail"].as_str().unwrap().contains(detail), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_method_is_told_what_there_is() {
    let scene = Scene::start(0).await;
    let at = |path: &str| format!("{}/api/v1/{path}", scene.gatepost.api);
    for (method, path, allow) in [
        (Method::DELETE, "deliveries", "GET"),
        (Method::GET, "deliveries/replay", "POST"),
        (Method::PUT, "status", "GET"),
    ] {
        let request = client().request(method, at(path)).header("content-type", "application/json");
        let (response, body) = refused(request).await;
        assert_eq!((response.status().as_u16(), response.headers()["allow"].to_str().unwrap()), (405, allow), "{path}");
        assert_eq!(body["type"], "urn:gatepost:problem:method-not-allowed");
    }
}

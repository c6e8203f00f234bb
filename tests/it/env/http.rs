//! Plain HTTP for the harness itself. What the tests judge goes through `egress`, never through this.

use serde_json::Value;

/// A client for loopback. The house rule against clients outside `egress` guards the product, not its harness.
#[allow(clippy::disallowed_methods)]
pub fn client() -> reqwest::Client {
    // The first caller installs it; for the others it is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().expect("a client without special settings builds")
}

/// The answer's body as text; panics with status and body unless the status is 2xx.
#[allow(clippy::disallowed_methods)]
pub async fn text(request: reqwest::RequestBuilder) -> String {
    let response = request.send().await.expect("the server answers");
    let (status, url) = (response.status(), response.url().clone());
    let body = response.text().await.expect("the body arrives");
    assert!(status.is_success(), "{url} answered {status}: {body}");
    body
}

/// The answer's body as JSON, whatever its status.
#[allow(clippy::disallowed_methods)]
pub async fn json_of_any(request: reqwest::RequestBuilder) -> Value {
    let body = request.send().await.expect("the server answers").text().await.expect("the body arrives");
    serde_json::from_str(&body).expect("the body is JSON")
}

/// The answer's body as JSON; panics unless the status is 2xx.
pub async fn json(request: reqwest::RequestBuilder) -> Value {
    serde_json::from_str(&text(request).await).expect("the body is JSON")
}

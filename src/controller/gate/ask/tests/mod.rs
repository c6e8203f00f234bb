//! Endpoints over raw TCP on loopback: credentials as they arrive, and what hostile endpoints are answered with.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod credentials;
mod hostile;
mod mutual_tls;
mod receiver;

use super::*;
use crate::egress::{Policy, Rule, Tenants};
use crate::gate::spec::Authentication;
use serde_json::{Value as Json, json};
use std::collections::HashMap;

/// Namespace of the gates.
const TEAM: &str = "team-a";

/// A cluster of a few objects.
#[derive(Default)]
struct Known {
    secrets: HashMap<(String, String), Data>,
    promoter: HashMap<(&'static str, String), Json>,
}

impl Known {
    fn secret(mut self, namespace: &str, name: &str, data: &[(&str, &str)]) -> Self {
        let data = data.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect();
        self.secrets.insert((namespace.to_owned(), name.to_owned()), data);
        self
    }
    fn promoter(mut self, kind: Kind, name: &str, spec: Json) -> Self {
        self.promoter.insert((kind.name(), name.to_owned()), spec);
        self
    }
    /// A repository `repo` of a provider `scm` with the Secret `creds`.
    fn repository(self, kind: Kind, mut provider: Json) -> Self {
        provider["secretRef"] = json!({"name": "creds"});
        let reference = json!({"kind": kind.name(), "name": "scm"});
        self.promoter(Kind::GitRepository, "repo", json!({"scmProviderRef": reference})).promoter(kind, "scm", provider)
    }
}

#[async_trait::async_trait]
impl Objects for Known {
    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Data>, String> {
        Ok(self.secrets.get(&(namespace.to_owned(), name.to_owned())).cloned())
    }
    async fn promoter(&self, kind: Kind, _: &str, name: &str) -> Result<Option<Json>, String> {
        Ok(self.promoter.get(&(kind.name(), name.to_owned())).cloned())
    }
}

/// A door that lets every tenant reach loopback.
fn door() -> Arc<Egress> {
    let namespaces = globset::Glob::new("*").unwrap().compile_matcher();
    let tenants = vec![Tenants { namespaces, allow: vec![Rule::parse("127.0.0.0/8").unwrap()] }];
    Arc::new(Egress::new(Policy { tenants, ..Policy::default() }))
}

fn asker(known: Known) -> Asker {
    asker_with(known, Options::default())
}

fn asker_with(known: Known, options: Options) -> Asker {
    crate::egress::install_provider();
    Asker::new(door(), Arc::new(known), options)
}

fn question(url: &str) -> Question {
    Question {
        namespace: TEAM.into(),
        gate: "gate".into(),
        method: "GET".into(),
        url: url.into(),
        headers: Vec::new(),
        body: None,
        timeout: Duration::from_secs(20),
        authentication: None,
        repository: "repo".into(),
        key: "gate_1".into(),
    }
}

fn with(url: &str, authentication: Authentication) -> Question {
    Question { authentication: Some(authentication), ..question(url) }
}

async fn refused(asker: &Asker, question: &Question) -> String {
    let error = asker.ask(question).await.unwrap_err();
    error.to_string()
}

#[test]
fn a_timeout_above_a_minute_is_kept() {
    let minutes = |n: u64| Duration::from_secs(60 * n);
    assert_eq!(limit(minutes(5), minutes(10)), minutes(5));
    assert_eq!(limit(minutes(50), minutes(10)), minutes(10));
    assert_eq!(limit(Duration::ZERO, minutes(10)), TIMEOUT);
}

#[tokio::test]
async fn a_question_arrives_as_it_was_rendered() {
    let endpoint = receiver::Receiver::answering(|_| {
        Some(receiver::answer(429, "Retry-After: 7\r\nx-two: a\r\nX-Two: b\r\n", "{\"a\":1}"))
    })
    .await;
    let headers = [("x-one", "1"), ("X-One", "2\n"), ("Host", "evil"), ("content-type", "text/x")];
    let mut asked = question(&endpoint.url("/check/dev?a=b"));
    asked.method = "POST".into();
    asked.headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    asked.body = Some("hello".into());
    let answer = asker(Known::default()).ask(&asked).await.unwrap();
    let seen = &endpoint.seen()[0];
    assert!(seen.starts_with("POST /check/dev?a=b HTTP/1.1\r\n") && seen.ends_with("\r\n\r\nhello"), "{seen}");
    assert_eq!(
        (receiver::header(seen, "X-One"), receiver::header(seen, "Content-Type")),
        ("2".into(), "text/x".into())
    );
    assert_eq!(receiver::header(seen, "Host"), format!("127.0.0.1:{}", endpoint.port));
    assert_eq!(receiver::header(seen, "Idempotency-Key"), "gate_1");
    assert_eq!((answer.status, &answer.body[..]), (429, b"{\"a\":1}".as_slice()));
    assert_eq!(answer.headers["X-Two"], ["a", "b"]);
    assert_eq!(answer.retry_after, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn a_gates_own_key_header_is_kept() {
    let endpoint = receiver::Receiver::answering(|_| Some(receiver::answer(200, "", ""))).await;
    let headers = vec![("idempotency-key".to_owned(), "mine".to_owned())];
    asker(Known::default()).ask(&Question { headers, ..question(&endpoint.url("/")) }).await.unwrap();
    assert_eq!(receiver::header(&endpoint.seen()[0], "Idempotency-Key"), "mine");
}

#[tokio::test]
async fn errors_name_the_request_without_its_values() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let asked = question(&format!("http://u:p@127.0.0.1:{port}/x?token=SECRET"));
    let error = asker(Known::default()).ask(&asked).await.unwrap_err();
    assert!(error.is_transport());
    let text = error.to_string();
    assert!(text.starts_with(&format!("HTTP request failed: Get \"http://127.0.0.1:{port}/x?token=…\": ")), "{text}");
    assert!(!text.contains("SECRET") && text.to_lowercase().contains("refused"), "{text}");
    for (url, says) in [("file:///etc/passwd", "unsupported protocol scheme"), ("nonsense", "cannot be parsed")] {
        let text = refused(&asker(Known::default()), &question(url)).await;
        assert!(text.starts_with("failed to create HTTP request: ") && text.contains(says), "{text}");
    }
    let headers = vec![("X-A".to_owned(), "1\r\nX-B: 2".to_owned())];
    let text = refused(&asker(Known::default()), &Question { headers, ..question("http://127.0.0.1:1/") }).await;
    assert!(text.contains("X-A") && !text.contains("X-B"), "{text}");
}

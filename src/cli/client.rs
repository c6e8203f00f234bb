//! Talks to a running Gatepost through its API.

use crate::egress::{Egress, Policy, Request, Transport};
use anyhow::{Context as _, bail};
use bytes::Bytes;
use serde_json::Value;

/// Where the running Gatepost is.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Server {
    /// Address of a running Gatepost's API (`kubectl port-forward` to its pod reaches one in a cluster).
    #[arg(long, env = "GATEPOST_SERVER_URL", default_value = "http://127.0.0.1:8080", global = true)]
    server: String,
}

/// Answers of the API that are read.
const ANSWER_LIMIT: usize = 64 << 20;

impl Server {
    /// GET of a path below `/api/v1/`.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call("GET", path, Bytes::new()).await
    }
    /// POST of JSON to a path below `/api/v1/`.
    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call("POST", path, Bytes::from(body.to_string())).await
    }

    async fn call(&self, method: &str, path: &str, body: Bytes) -> anyhow::Result<Value> {
        let egress = Egress::new(Policy { loopback_allowed: true, ..Policy::default() });
        let request = Request {
            method: method.into(),
            url: format!("{}/api/v1/{path}", self.server.trim_end_matches('/')),
            headers: vec![("Content-Type".into(), b"application/json".to_vec())],
            body,
            transport: Transport { owner: "cli".into(), answer_limit: ANSWER_LIMIT, ..Transport::default() },
        };
        let answer = egress.send(&request).await.with_context(|| {
            format!("no running Gatepost at {}; start `gatepost serve` or name it with --server", self.server)
        })?;
        let value: Value = serde_json::from_slice(&answer.body)
            .with_context(|| format!("{} does not answer like Gatepost (status {})", self.server, answer.status))?;
        if answer.status >= 300 {
            bail!("{}: {}", value["title"].as_str().unwrap_or("failed"), value["detail"].as_str().unwrap_or_default());
        }
        Ok(value)
    }
}

/// Percent-encodes one query value.
pub(super) fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

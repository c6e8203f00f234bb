//! Talks to a running Gatepost through its API.

use super::forward::Target;
use crate::egress::{Egress, Policy, Request, Transport};
use anyhow::{Context as _, bail};
use bytes::Bytes;
use serde_json::Value;

/// Where the running Gatepost is.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Server {
    /// Address of a running Gatepost's API; without it http://127.0.0.1:8080, or a port that kubectl forwards where a
    /// cluster is named or this is called as `kubectl gatepost`.
    #[arg(long, env = "GATEPOST_SERVER_URL", global = true)]
    server: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// Where it is without a word about it.
const DEFAULT: &str = "http://127.0.0.1:8080";

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

    /// PUT of JSON to a path below `/api/v1/`.
    pub(super) async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call("PUT", path, Bytes::from(body.to_string())).await
    }

    async fn call(&self, method: &str, path: &str, body: Bytes) -> anyhow::Result<Value> {
        let forward = match &self.server {
            None if self.target.is_named() || super::is_plugin() => Some(self.target.forward().await?),
            _ => None,
        };
        let named = self.server.as_deref().unwrap_or(DEFAULT);
        let server = forward.as_ref().map_or(named, |forward| forward.url.as_str()).trim_end_matches('/');
        let egress = Egress::new(Policy { loopback_allowed: true, ..Policy::default() });
        let request = Request {
            method: method.into(),
            url: format!("{server}/api/v1/{path}"),
            headers: vec![("Content-Type".into(), b"application/json".to_vec())],
            body,
            transport: Transport { owner: "cli".into(), answer_limit: ANSWER_LIMIT, ..Transport::default() },
        };
        let answer = egress.send(&request).await.with_context(|| {
            format!("no running Gatepost at {server}; start `gatepost serve` or name it with --server")
        })?;
        let value: Value = serde_json::from_slice(&answer.body)
            .with_context(|| format!("{server} does not answer like Gatepost (status {})", answer.status))?;
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

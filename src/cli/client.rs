//! Talks to a running Gatepost through its API.

use super::forward::{Forward, Target};
use super::token::Credentials;
use crate::egress::{Egress, Policy, Request, Transport};
use anyhow::{Context as _, bail};
use bytes::Bytes;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::{Mutex, OnceCell};

/// Where the running Gatepost is, and by which token it knows us.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Server {
    /// Address of a running Gatepost's API; without it http://127.0.0.1:8080, or a port that kubectl forwards where a
    /// cluster is named or this is called as `kubectl gatepost`.
    #[arg(long, env = "GATEPOST_SERVER_URL", global = true)]
    server: Option<String>,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    credentials: Credentials,
    /// The line of this command, opened by its first call.
    #[arg(skip)]
    line: Arc<OnceCell<Line>>,
}

/// Where it is without a word about it.
pub(super) const DEFAULT: &str = "http://127.0.0.1:8080";

/// Answers of the API that are read.
const ANSWER_LIMIT: usize = 64 << 20;

/// A way to a running Gatepost.
struct Line {
    url: String,
    egress: Arc<Egress>,
    token: Mutex<Option<SecretString>>,
    /// A port that is forwarded for as long as this lives.
    forward: Option<Forward>,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("url", &self.url).finish_non_exhaustive()
    }
}

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
        let line = self.line.get_or_try_init(|| self.open()).await?;
        let (mut status, mut value) = line.send(method, path, body.clone()).await?;
        if status == 401 && line.forward.is_some() && self.credentials.given()?.is_none() {
            // Whoever may run commands in its pod may have the token that it made for itself.
            let token = self.target.token().await.with_context(|| text(&value, "title").to_owned())?;
            *line.token.lock().await = Some(token);
            (status, value) = line.send(method, path, body).await?;
        }
        if status >= 300 {
            bail!(
                "{}: {}",
                Some(text(&value, "title")).filter(|title| !title.is_empty()).unwrap_or("failed"),
                text(&value, "detail")
            );
        }
        Ok(value)
    }

    async fn open(&self) -> anyhow::Result<Line> {
        let forward = match &self.server {
            None if self.target.is_named() || super::is_plugin() => Some(self.target.forward().await?),
            _ => None,
        };
        let named = self.server.as_deref().unwrap_or(DEFAULT);
        let url = forward.as_ref().map_or(named, |forward| forward.url.as_str()).trim_end_matches('/').to_owned();
        crate::egress::install_provider();
        let egress = Arc::new(Egress::new(Policy { loopback_allowed: true, ..Policy::default() }));
        // A forwarded port has a number of its own each time: no login and no file is of it.
        let token = match forward {
            Some(_) => self.credentials.given()?,
            None => self.credentials.of(&url, &egress).await?,
        };
        Ok(Line { url, egress, token: Mutex::new(token), forward })
    }
}

impl Line {
    /// Status and JSON of an answer.
    async fn send(&self, method: &str, path: &str, body: Bytes) -> anyhow::Result<(u16, Value)> {
        let mut headers = vec![("Content-Type".to_owned(), b"application/json".to_vec())];
        if let Some(token) = self.token.lock().await.as_ref() {
            headers.push(("Authorization".to_owned(), format!("Bearer {}", token.expose_secret()).into_bytes()));
        }
        let request = Request {
            method: method.into(),
            url: format!("{}/api/v1/{path}", self.url),
            headers,
            body,
            transport: Transport { owner: "cli".into(), answer_limit: ANSWER_LIMIT, ..Transport::default() },
        };
        let answer = self.egress.send(&request).await.with_context(|| {
            format!("no running Gatepost at {}; start `gatepost serve` or name it with --server", self.url)
        })?;
        let value = serde_json::from_slice(&answer.body)
            .with_context(|| format!("{} does not answer like Gatepost (status {})", self.url, answer.status))?;
        Ok((answer.status, value))
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// Percent-encodes one query value.
pub(super) fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

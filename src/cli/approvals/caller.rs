//! Calls the API of approvals of a running Gatepost, with a token of the cluster, of a login, or of Gatepost's own token endpoint.

use crate::cli::logins;
use crate::egress::{Egress, Policy, Request, TlsOptions, Transport};
use anyhow::{Context as _, bail};
use base64::Engine as _;
use bytes::Bytes;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;

/// Answers that are read.
const ANSWER_LIMIT: usize = 8 << 20;

/// Where the running Gatepost is, and who asks.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct Caller {
    /// Address of a running Gatepost's callbacks listener, or of its API.
    #[arg(long, env = "GATEPOST_APPROVALS_URL", default_value = "http://127.0.0.1:8090", global = true)]
    server: String,
    /// File with a bearer token, such as `kubectl create token NAME --audience gatepost` prints, or a mounted service account
    /// token. GATEPOST_TOKEN holds the token itself.
    #[arg(long, env = "GATEPOST_TOKEN_FILE", value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
    /// Id of a client of Gatepost's own token endpoint, `<namespace>/<name>`; its secret is in GATEPOST_CLIENT_SECRET.
    #[arg(long, env = "GATEPOST_CLIENT_ID", value_name = "ID", global = true)]
    client_id: Option<String>,
    /// PEM file of the certificates that the server's may be signed by.
    #[arg(long, env = "GATEPOST_CA_FILE", value_name = "FILE", global = true)]
    ca_file: Option<PathBuf>,
}

/// A caller with a token.
pub(super) struct Line {
    egress: Arc<Egress>,
    server: String,
    token: String,
    transport: Transport,
}

impl Caller {
    /// Gets a token.
    pub(super) async fn open(&self) -> anyhow::Result<Line> {
        crate::egress::install_provider();
        let roots_pem = match &self.ca_file {
            Some(path) => std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?,
            None => Vec::new(),
        };
        let tls = TlsOptions { roots_pem, ..TlsOptions::default() };
        let transport = Transport { owner: "cli".into(), answer_limit: ANSWER_LIMIT, tls, ..Transport::default() };
        let egress = Arc::new(Egress::new(Policy { loopback_allowed: true, ..Policy::default() }));
        let server = self.server.trim_end_matches('/').to_owned();
        let mut line = Line { egress, server, token: String::new(), transport };
        line.token = self.token(&line).await?;
        Ok(line)
    }

    async fn token(&self, line: &Line) -> anyhow::Result<String> {
        if let Some(path) = &self.token_file {
            let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
            return Ok(text.trim().to_owned());
        }
        if let Some(id) = &self.client_id {
            let secret = std::env::var("GATEPOST_CLIENT_SECRET")
                .context("--client-id needs the client's secret in GATEPOST_CLIENT_SECRET")?;
            return line.exchange(id, &secret).await;
        }
        if let Some(token) = std::env::var("GATEPOST_TOKEN").ok().filter(|token| !token.is_empty()) {
            return Ok(token);
        }
        let login = logins::token(&line.server, &line.egress).await;
        login.map(|token| token.expose_secret().to_owned()).context(
            "no token: run `gatepost login` for this server, name a --token-file or a --client-id, or set GATEPOST_TOKEN; see docs/approvals.md",
        )
    }
}

impl Line {
    /// GET of a path below `/api/v1/approvals/`.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call("GET", path, Bytes::new()).await
    }

    /// POST of JSON to a path below `/api/v1/approvals/`.
    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call("POST", path, Bytes::from(body.to_string())).await
    }

    async fn call(&self, method: &str, path: &str, body: Bytes) -> anyhow::Result<Value> {
        let headers = vec![
            ("Content-Type".to_owned(), b"application/json".to_vec()),
            ("Authorization".to_owned(), format!("Bearer {}", self.token).into_bytes()),
        ];
        let (status, answer) = self.send(method, &format!("/api/v1/approvals/{path}"), headers, body).await?;
        if status >= 300 {
            let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
            bail!("{}: {}", text("title"), text("detail"));
        }
        Ok(answer)
    }

    /// A token of Gatepost's own endpoint.
    async fn exchange(&self, id: &str, secret: &str) -> anyhow::Result<String> {
        let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encoded(id), encoded(secret));
        let basic = base64::engine::general_purpose::STANDARD.encode(pair);
        let headers = vec![
            ("Content-Type".to_owned(), b"application/x-www-form-urlencoded".to_vec()),
            ("Authorization".to_owned(), format!("Basic {basic}").into_bytes()),
        ];
        let form = Bytes::from_static(b"grant_type=client_credentials");
        let (status, answer) = self.send("POST", "/oauth/token", headers, form).await?;
        let token = answer["access_token"].as_str().filter(|_| status == 200);
        token.map(str::to_owned).with_context(|| {
            format!("no token for the client {id}: {}", answer["error_description"].as_str().unwrap_or("refused"))
        })
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: Vec<(String, Vec<u8>)>,
        body: Bytes,
    ) -> anyhow::Result<(u16, Value)> {
        let request = Request {
            method: method.to_owned(),
            url: format!("{}{path}", self.server),
            headers,
            body,
            transport: self.transport.clone(),
        };
        let answer = self.egress.send(&request).await.with_context(|| {
            format!("no Gatepost with approvals at {}; name its callbacks listener with --server", self.server)
        })?;
        let value = serde_json::from_slice(&answer.body)
            .with_context(|| format!("{} does not answer like Gatepost (status {})", self.server, answer.status))?;
        Ok((answer.status, value))
    }
}

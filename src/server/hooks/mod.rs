//! `POST /hooks/v1/gates/<namespace>/<name>`: somebody who holds a key of the gate, or whom an issuer vouches for as the gate demands, says
//! that it is worth asking now.
//!
//! A hook never carries a decision: its body is only what its signature is of, and nothing reads it. Whoever can prove
//! nothing learns nothing: no gate, no Secret, a wrong key and an unproven body have one answer. Proof comes before
//! everything; what fails to prove is counted by address, what proves by gate.

mod lookup;
mod proof;
mod rate;

pub use lookup::{ANNOTATION, Annotations, Gates, Lookup, Named, OIDC_ANNOTATION};

use super::{address, problem};
use crate::clock;
use crate::controller::approval::satisfies_one;
use crate::controller::gate::{Wake, WakeSender};
use crate::controller::identity::Issuers;
use crate::egress::address::Cidr;
use crate::telemetry::Metrics;
use actix_web::dev::Server;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use futures::StreamExt as _;
use lookup::Believed;
use proof::{Early, Shown};
use rate::Rate;
use std::net::{IpAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time that a request has, body included.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections at once.
const MOST_CONNECTIONS: usize = 256;
/// Longest names that Kubernetes has.
const NAME_MAX: usize = 253;

/// What the listener works with.
pub struct Hooks {
    lookup: Lookup,
    issuers: Arc<Issuers>,
    wakes: WakeSender,
    metrics: Arc<Metrics>,
    options: Options,
    failures: Mutex<Rate<IpAddr>>,
    gates: Mutex<Rate<Wake>>,
}

/// What the operator says of hooks.
pub struct Options {
    /// Bytes of a body.
    pub body_limit: usize,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Cidr>,
}

/// How a request ended.
enum End {
    Woken,
    Unproven,
    TooLarge(usize),
    TooOften(Duration),
    Later(&'static str),
}

impl Hooks {
    /// Hooks whose keys are found there, whose issuers are asked there, and whose wake-ups go here.
    #[must_use]
    pub fn new(
        lookup: Lookup,
        issuers: Arc<Issuers>,
        wakes: WakeSender,
        metrics: Arc<Metrics>,
        options: Options,
    ) -> Self {
        Self {
            lookup,
            issuers,
            wakes,
            metrics,
            options,
            failures: Mutex::new(Rate::new(Duration::from_secs(1), 20)),
            gates: Mutex::new(Rate::new(Duration::from_secs(1), 10)),
        }
    }

    async fn receive(&self, request: &HttpRequest, gate: Wake, body: web::Payload) -> End {
        let from = address::of(request, &self.options.trusted_proxies);
        if let Err(wait) = lock(&self.failures).look(&from, Instant::now()) {
            return End::TooOften(wait);
        }
        match tokio::time::timeout(PATIENCE, self.prove(request, &gate, body)).await {
            Ok(Ok(true)) => self.wake(gate),
            Ok(Ok(false)) => {
                let _ = lock(&self.failures).take(from, Instant::now());
                End::Unproven
            }
            Ok(Err(end)) => end,
            Err(_) => {
                let _ = lock(&self.failures).take(from, Instant::now());
                End::Unproven
            }
        }
    }

    async fn prove(&self, request: &HttpRequest, gate: &Wake, body: web::Payload) -> Result<bool, End> {
        let believed = self.lookup.believed(&gate.namespace, &gate.name).await;
        let believed = believed.map_err(|error| {
            tracing::warn!(
                gate = format!("{}/{}", gate.namespace, gate.name),
                error,
                "failed to read the keys of a hook"
            );
            End::Later("The cluster did not answer")
        })?;
        let early = proof::early(&believed.keys, request);
        if early == Early::Proven || self.is_vouched_for(request, gate, &believed).await {
            return Ok(true);
        }
        if early == Early::Nothing {
            return Ok(false);
        }
        let body = self.read(body).await?;
        Ok(proof::signed(&believed.keys, request, &body, clock::now().secs))
    }

    /// Whether the bearer is one of an issuer, as one of the gate's rules demands.
    async fn is_vouched_for(&self, request: &HttpRequest, gate: &Wake, believed: &Believed) -> bool {
        match proof::bearer(request) {
            Some(bearer) => satisfies_one(&self.issuers, &gate.namespace, &believed.callers, bearer).await,
            None => false,
        }
    }

    async fn read(&self, mut body: web::Payload) -> Result<Vec<u8>, End> {
        let mut read = Vec::new();
        while let Some(Ok(piece)) = body.next().await {
            if read.len() + piece.len() > self.options.body_limit {
                return Err(End::TooLarge(self.options.body_limit));
            }
            read.extend_from_slice(&piece);
        }
        Ok(read)
    }

    fn wake(&self, gate: Wake) -> End {
        if let Err(wait) = lock(&self.gates).take(gate.clone(), Instant::now()) {
            return End::TooOften(wait);
        }
        match self.wakes.try_send(gate) {
            Ok(()) => End::Woken,
            Err(_) => End::Later("Too many gates are waiting to be asked"),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shown for HttpRequest {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }
}

/// Serves the hooks.
///
/// # Errors
/// The listener cannot be used.
pub fn hooks(listener: TcpListener, hooks: Arc<Hooks>) -> std::io::Result<Server> {
    let app = move || {
        App::new()
            .app_data(web::Data::from(Arc::clone(&hooks)))
            .configure(routes)
            .default_service(web::to(|| async { problem::answer(StatusCode::NOT_FOUND, "No such resource", "") }))
    };
    let server = HttpServer::new(app).workers(1).max_connections(MOST_CONNECTIONS).client_request_timeout(PATIENCE);
    Ok(server.disable_signals().shutdown_timeout(2).listen(listener)?.run())
}

fn routes(config: &mut web::ServiceConfig) {
    config.route("/hooks/v1/gates/{namespace}/{name}", web::post().to(receive));
}

async fn receive(
    hooks: web::Data<Hooks>,
    path: web::Path<(String, String)>,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    let (namespace, name) = path.into_inner();
    let end = match is_name(&namespace) && is_name(&name) {
        true => hooks.receive(&request, Wake { namespace, name }, body).await,
        false => End::Unproven,
    };
    let (outcome, response) = answer(end);
    hooks.metrics.hooks.with_label_values(&[outcome]).inc();
    response
}

fn is_name(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(legal)
}

fn answer(end: End) -> (&'static str, HttpResponse) {
    let wait = |status, title: &str, seconds: u64| {
        let mut response = problem::answer(status, title, "");
        let value = actix_web::http::header::HeaderValue::from(seconds.max(1));
        response.headers_mut().insert(actix_web::http::header::RETRY_AFTER, value);
        response
    };
    match end {
        End::Woken => {
            let body = serde_json::json!({"status": "accepted"});
            ("accepted", HttpResponse::Accepted().json(body))
        }
        End::Unproven => {
            let detail = "there is no such gate, or nothing that was sent proves that you may wake it";
            ("unproven", problem::answer(StatusCode::UNAUTHORIZED, "Not proven", detail))
        }
        End::TooLarge(limit) => {
            let detail = format!("at most {limit} bytes are read");
            ("tooLarge", problem::answer(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large", &detail))
        }
        End::TooOften(left) => ("tooOften", wait(StatusCode::TOO_MANY_REQUESTS, "Too often", left.as_secs() + 1)),
        End::Later(why) => ("later", wait(StatusCode::SERVICE_UNAVAILABLE, why, 1)),
    }
}

#[cfg(test)]
mod tests;

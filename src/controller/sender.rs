//! One attempt: references are resolved with the configuration of now, the request goes through egress, the service judges the answer.

use super::relay::Relay;
use crate::egress::{self, Egress, redact};
use crate::notify::{ObjectId, history};
use crate::outbox::{Claimed, Lane, Policy, SendOutcome, Sender, Verdict};
use crate::{outbox, service};
use async_trait::async_trait;
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes of an answer that an attempt keeps.
const EXCERPT_BYTES: usize = 2048;

/// Reads an Application's `notified` annotation from the source, to see what happened while Gatepost was away.
#[async_trait]
pub trait ObjectReader: Send + Sync + 'static {
    /// The annotation's text, `Ok(None)` where the object or the annotation is absent.
    async fn notified(&self, object: &ObjectId) -> Result<Option<String>, String>;
}

/// The outbox's sender.
pub struct Outgoing {
    relay: Arc<Relay>,
    egress: Arc<Egress>,
    reader: Option<Arc<dyn ObjectReader>>,
    tls_folder: PathBuf,
}

/// Where the stock Deployment mounts `argocd-tls-certs-cm`; `ARGOCD_TLS_DATA_PATH` overrides it.
const TLS_FOLDER: &str = "/app/config/tls";

impl Outgoing {
    /// A sender; without a reader (files mode) nobody else can have sent a delivery meanwhile.
    #[must_use]
    pub fn new(relay: Arc<Relay>, egress: Arc<Egress>, reader: Option<Arc<dyn ObjectReader>>) -> Self {
        let tls_folder =
            std::env::var_os("ARGOCD_TLS_DATA_PATH").map_or_else(|| PathBuf::from(TLS_FOLDER), PathBuf::from);
        Self { relay, egress, reader, tls_folder }
    }

    /// Whether the Go controller sent it while this process was not there.
    async fn taken_over(&self, claimed: &Claimed) -> Result<Option<i64>, String> {
        let Some(reader) = self.reader.as_ref().filter(|_| claimed.earlier_process) else { return Ok(None) };
        let text = reader.notified(&claimed.delivery.occurrence.object).await?;
        let at = text.and_then(|text| history::parse(&text).get(&claimed.delivery.state_key).copied());
        Ok(at.filter(|at| *at >= claimed.delivery.created_ms / 1000))
    }

    /// The certificates that Argo CD's `argocd-tls-certs-cm` holds for a host; read at each attempt, so that a rotation needs no restart.
    async fn certificates(&self, host: &str) -> Vec<u8> {
        let plain_name = !host.is_empty() && !host.contains(['/', '\\']) && !host.starts_with('.');
        if !plain_name {
            return Vec::new();
        }
        tokio::fs::read(self.tls_folder.join(host)).await.unwrap_or_default()
    }

    async fn attempt(&self, claimed: &Claimed) -> SendOutcome {
        let name = &claimed.delivery.lane.service;
        let config = self.relay.configuration();
        let Some(service) = config.service(name) else {
            return not_tried(Verdict::NotReady { cause: format!("notification service '{name}' is not supported") });
        };
        match self.taken_over(claimed).await {
            Ok(None) => {}
            Ok(Some(at)) => return not_tried(Verdict::TakenOver { at }),
            Err(cause) => return not_tried(Verdict::NotReady { cause }),
        }
        let mut request = match service::request(service, &claimed.payload, &claimed.delivery.id.to_string()) {
            Ok(request) => request,
            Err(error) => return not_tried(unusable(&error)),
        };
        let target = redact::target(&request.url);
        request.transport.tls.roots_pem = self.certificates(&claimed.delivery.lane.host).await;
        match self.egress.send(&request).await {
            Err(error) => SendOutcome { status: None, target, excerpt: String::new(), verdict: failed(&error) },
            Ok(answer) => {
                let scrubber = self.relay.scrubber();
                let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(EXCERPT_BYTES)]).into_owned();
                let verdict = scrubbed(judged(service::judge(service, &claimed.payload, &answer)), &scrubber);
                SendOutcome { status: Some(answer.status), target, excerpt: scrubber.scrub(&body), verdict }
            }
        }
    }
}

#[async_trait]
impl Sender for Outgoing {
    async fn send(&self, claimed: &Claimed) -> SendOutcome {
        self.attempt(claimed).await
    }

    fn policy(&self, lane: &Lane) -> Policy {
        let config = self.relay.configuration();
        let Some(service) = config.service(&lane.service) else { return Policy::default() };
        let quick = service::policy(service);
        let max = i64::from(quick.max);
        let quick = outbox::QuickRetry { max, wait_min: quick.wait_min, wait_max: quick.wait_max };
        Policy { quick, give_up_after: self.relay.give_up_after(), ..Policy::default() }
    }
}

fn not_tried(verdict: Verdict) -> SendOutcome {
    SendOutcome { status: None, target: String::new(), excerpt: String::new(), verdict }
}

/// A request that cannot be made waits like refused credentials: nothing but a changed configuration mends it.
fn unusable(error: &service::RequestError) -> Verdict {
    match error {
        service::RequestError::Payload { .. } | service::RequestError::Kind { .. } => {
            Verdict::Permanent { cause: error.to_string() }
        }
        _ => Verdict::Credentials { cause: error.to_string() },
    }
}

fn failed(error: &egress::Error) -> Verdict {
    let cause = error.to_string();
    match error {
        egress::Error::Connect { .. } => Verdict::Retry { after: None, cause },
        egress::Error::NoAnswer { .. } => Verdict::Unknown { cause },
        egress::Error::Refused { .. } | egress::Error::Redirect { .. } => Verdict::SlowRetry { cause },
        egress::Error::Invalid(_) => Verdict::Credentials { cause },
    }
}

fn judged(verdict: service::Verdict) -> Verdict {
    match verdict {
        service::Verdict::Delivered { reached, note } => Verdict::Delivered {
            reached: reached.map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
            note: note.unwrap_or_default(),
        },
        service::Verdict::Retry { after, cause } => Verdict::Retry { after, cause },
        service::Verdict::SlowRetry { cause } => Verdict::SlowRetry { cause },
        service::Verdict::Credentials { cause } => Verdict::Credentials { cause },
        service::Verdict::Permanent { cause } => Verdict::Permanent { cause },
        service::Verdict::Gone { cause } => Verdict::Gone { cause },
    }
}

/// A receiver may repeat what it was sent; known secrets are masked before anything is kept.
fn scrubbed(verdict: Verdict, scrubber: &redact::Scrubber) -> Verdict {
    match verdict {
        Verdict::Retry { after, cause } => Verdict::Retry { after, cause: scrubber.scrub(&cause) },
        Verdict::SlowRetry { cause } => Verdict::SlowRetry { cause: scrubber.scrub(&cause) },
        Verdict::Credentials { cause } => Verdict::Credentials { cause: scrubber.scrub(&cause) },
        Verdict::Permanent { cause } => Verdict::Permanent { cause: scrubber.scrub(&cause) },
        Verdict::Gone { cause } => Verdict::Gone { cause: scrubber.scrub(&cause) },
        other => other,
    }
}

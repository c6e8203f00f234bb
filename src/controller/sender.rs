//! One attempt: the service says what to send with the configuration of now, it goes through egress, the service judges the answers.

use super::ambient;
use super::answers::Answers;
use super::commit_report::CommitReports;
use super::memory;
use super::relay::Relay;
use super::spans::{self, Ended, Place};
use crate::egress::{self, Egress, redact};
use crate::notify::{ObjectId, ServiceConfig, history};
use crate::outbox::{Claimed, Lane, Policy, SendOutcome, Sender, Verdict};
use crate::service::{Answer, Call, Step};
use crate::{clock, failpoint, outbox, service};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes of an answer that an attempt keeps.
const EXCERPT_BYTES: usize = 2048;
/// Rounds of requests in one attempt.
const ROUNDS_MAX: usize = 32;

/// Reads an Application from the source, to see what happened while Gatepost was away.
#[async_trait]
pub trait ObjectReader: Send + Sync + 'static {
    /// The annotation's text, `Ok(None)` where the object or the annotation is absent.
    async fn notified(&self, object: &ObjectId) -> Result<Option<String>, String>;

    /// Whether the very object is still there; also yes where it is none of this process's affairs.
    async fn exists(&self, object: &ObjectId) -> Result<bool, String>;
}

/// The outbox's sender.
pub struct Outgoing {
    relay: Arc<Relay>,
    egress: Arc<Egress>,
    reader: Option<Arc<dyn ObjectReader>>,
    reports: Option<Arc<dyn CommitReports>>,
    tls_folder: PathBuf,
    answers: Answers,
}

/// What is kept of an attempt's last answer.
#[derive(Default)]
struct Seen {
    status: Option<u16>,
    target: String,
    excerpt: String,
}

/// Where the stock Deployment mounts `argocd-tls-certs-cm`; `ARGOCD_TLS_DATA_PATH` overrides it.
const TLS_FOLDER: &str = "/app/config/tls";

impl Outgoing {
    /// A sender; without a reader (files mode) nobody else can have sent a delivery meanwhile.
    #[must_use]
    pub fn new(relay: Arc<Relay>, egress: Arc<Egress>, reader: Option<Arc<dyn ObjectReader>>) -> Self {
        let tls_folder =
            std::env::var_os("ARGOCD_TLS_DATA_PATH").map_or_else(|| PathBuf::from(TLS_FOLDER), PathBuf::from);
        Self { relay, egress, reader, reports: None, tls_folder, answers: Answers::default() }
    }

    /// One that can write commit statuses, too.
    #[must_use]
    pub fn reporting(self, reports: Option<Arc<dyn CommitReports>>) -> Self {
        Self { reports, ..self }
    }

    /// Whether the Go controller sent it while this process was not there.
    async fn taken_over(&self, claimed: &Claimed) -> Result<Option<i64>, String> {
        let Some(reader) = self.reader.as_ref().filter(|_| claimed.earlier_process) else { return Ok(None) };
        let text = reader.notified(&claimed.delivery.occurrence.object).await?;
        let at = text.and_then(|text| history::parse(&text).get(&claimed.delivery.state_key).copied());
        Ok(at.filter(|at| *at >= claimed.delivery.created_ms / 1000))
    }

    /// The certificates that Argo CD's `argocd-tls-certs-cm` holds for a host; read at each attempt, so that a rotation needs no restart.
    /// Read in place: a ConfigMap's files lie in memory, and the way to another thread and back takes longer than they do.
    fn certificates(&self, host: &str) -> Vec<u8> {
        let plain_name = !host.is_empty() && !host.contains(['/', '\\']) && !host.starts_with('.');
        if !plain_name {
            return Vec::new();
        }
        std::fs::read(self.tls_folder.join(host)).unwrap_or_default()
    }

    async fn attempt(&self, claimed: &Claimed) -> SendOutcome {
        let name = &claimed.delivery.lane.service;
        let config = self.relay.configuration_of(&claimed.delivery.lane.config_namespace);
        let Some(service) = config.as_ref().and_then(|config| config.service(name)) else {
            return not_tried(Verdict::NotReady { cause: format!("notification service '{name}' is not supported") });
        };
        match self.taken_over(claimed).await {
            Ok(None) => {}
            Ok(Some(at)) => return not_tried(Verdict::TakenOver { at }),
            Err(cause) => return not_tried(Verdict::NotReady { cause }),
        }
        match memory::recall(self.relay.store().as_ref(), service, claimed).await {
            Ok(memory) => self.converse(service, claimed, &memory).await,
            Err(cause) => not_tried(Verdict::NotReady { cause }),
        }
    }

    async fn converse(
        &self,
        service: &ServiceConfig,
        claimed: &Claimed,
        memory: &BTreeMap<String, String>,
    ) -> SendOutcome {
        let call = Call {
            config: service,
            payload: &claimed.payload,
            occurrence: &claimed.delivery.occurrence,
            delivery_id: &claimed.delivery.id.to_string(),
            now_ms: clock::now().millis(),
            decided_ms: claimed.delivery.created_ms,
            memory,
        };
        let place = spans::attempt(self.relay.tracer(), claimed);
        let (mut rounds, mut seen) = (Vec::new(), Seen::default());
        for _ in 0..ROUNDS_MAX {
            match service::step(&call, &rounds) {
                Err(error) => return seen.outcome(unusable(&error)),
                Ok(Step::Send(all)) => rounds.push(self.exchange(service, all, place.as_ref(), &mut seen).await),
                Ok(Step::Done(outcome)) => {
                    if outcome.forget_answers {
                        self.answers.forget(service);
                    }
                    memory::keep(self.relay.store().as_ref(), service, outcome.remember, call.now_ms).await;
                    let verdict = scrubbed(judged(outcome.verdict, service), &self.relay.scrubber());
                    return seen.outcome(verdict);
                }
            }
        }
        let cause = format!("no end after {ROUNDS_MAX} rounds of requests");
        seen.outcome(Verdict::SlowRetry { cause })
    }

    /// Sends what belongs together side by side.
    async fn exchange(
        &self,
        service: &ServiceConfig,
        all: Vec<service::Outgoing>,
        place: Option<&Place>,
        seen: &mut Seen,
    ) -> Vec<Answer> {
        let answers = futures::future::join_all(all.into_iter().map(|one| self.send_one(service, one, place))).await;
        for (target, answer, secret) in &answers {
            if target.is_empty() {
                continue; // nobody outside was asked
            }
            seen.target.clone_from(target);
            seen.status = answer.as_ref().ok().map(|answer| answer.status);
            seen.excerpt = match answer {
                Ok(answer) if !secret => self.excerpt(answer),
                _ => String::new(),
            };
        }
        answers.into_iter().map(|(_, answer, _)| answer).collect()
    }

    /// Scheme and host, the answer, and whether it is one that nobody may read.
    async fn send_one(
        &self,
        service: &ServiceConfig,
        one: service::Outgoing,
        place: Option<&Place>,
    ) -> (String, Answer, bool) {
        match one {
            service::Outgoing::Http(request) => {
                let target = redact::target(&request.url);
                (target, self.through_egress(request, place).await, false)
            }
            service::Outgoing::Mail(mut mail) => {
                mail.tls.roots_pem = self.certificates(&mail.host);
                (format!("smtp://{}:{}", mail.host, mail.port), self.egress.mail(&mail).await, false)
            }
            service::Outgoing::Publish(mut publish) => {
                let first = publish.servers.first().map(|server| (server.host.clone(), server.port));
                let (host, port) = first.unwrap_or_default();
                publish.tls.roots_pem = self.certificates(&host);
                (format!("nats://{host}:{port}"), self.egress.publish(&publish).await, false)
            }
            service::Outgoing::CommitStatus(report) => {
                let answer = match &self.reports {
                    Some(reports) => reports.report(service, &report).await,
                    None => Err(egress::Error::Invalid("commit statuses need a cluster".into())),
                };
                (format!("commitstatus://{}/{}", report.namespace, report.strategy), answer, false)
            }
            service::Outgoing::Ambient(wanted) => (String::new(), ambient::answer(service, &wanted).await, true),
            service::Outgoing::Reusable { request, key, lifetime } => {
                let target = redact::target(&request.url);
                let now_ms = clock::now().millis();
                if let Some(answer) = self.answers.get(service, key, now_ms) {
                    return (target, Ok(answer), true);
                }
                let answer = self.through_egress(request, place).await;
                let good = answer.as_ref().ok().filter(|answer| answer.status < 300);
                if let Some(answer) = good {
                    self.answers.keep(service, key, answer.clone(), now_ms, lifetime);
                }
                let secret = good.is_some();
                (target, answer, secret)
            }
        }
    }

    async fn through_egress(&self, mut request: egress::Request, place: Option<&Place>) -> Answer {
        let host = url::Url::parse(&request.url).ok().and_then(|url| url.host_str().map(str::to_owned));
        let tls = &mut request.transport.tls;
        // What a service names itself goes before what Argo CD knows of the host.
        if tls.roots_pem.is_empty() {
            tls.roots_pem = self.certificates(&host.unwrap_or_default());
        }
        let call = place.map(|place| spans::Call::of_request(place, &mut request));
        let answer = self.egress.send(&request).await;
        failpoint::pass("answer.received");
        if let Some(call) = call {
            call.end(Ended::from(&answer));
        }
        answer
    }

    fn excerpt(&self, answer: &egress::Response) -> String {
        let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(EXCERPT_BYTES)]).into_owned();
        self.relay.scrubber().scrub(&body)
    }
}

impl Seen {
    fn outcome(self, verdict: Verdict) -> SendOutcome {
        SendOutcome { status: self.status, target: self.target, excerpt: self.excerpt, verdict }
    }
}

#[async_trait]
impl Sender for Outgoing {
    async fn send(&self, claimed: &Claimed) -> SendOutcome {
        self.attempt(claimed).await
    }

    fn policy(&self, lane: &Lane) -> Policy {
        let config = self.relay.configuration_of(&lane.config_namespace);
        let Some(service) = config.as_ref().and_then(|config| config.service(&lane.service)) else {
            return Policy::default();
        };
        let quick = service::policy(service);
        let max = i64::from(quick.max);
        let quick = outbox::QuickRetry { max, wait_min: quick.wait_min, wait_max: quick.wait_max };
        Policy { quick, give_up_after: self.relay.give_up_after(), ..Policy::default() }
    }
}

fn not_tried(verdict: Verdict) -> SendOutcome {
    Seen::default().outcome(verdict)
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

fn judged(verdict: service::Verdict, service: &ServiceConfig) -> Verdict {
    match verdict {
        service::Verdict::Delivered { reached, note } => Verdict::Delivered {
            reached: reached.map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
            note: note.unwrap_or_default(),
        },
        service::Verdict::Retry { after, cause } => Verdict::Retry { after, cause },
        service::Verdict::SlowRetry { cause } => Verdict::SlowRetry { cause },
        service::Verdict::Credentials { cause } => Verdict::Credentials { cause },
        service::Verdict::Permanent { cause } => Verdict::Permanent { cause },
        service::Verdict::Unknown { cause } => Verdict::Unknown { cause },
        service::Verdict::Gone { cause } => Verdict::Gone { cause, switches_off: service::signs(service) },
    }
}

/// A receiver may repeat what it was sent; known secrets are masked before anything is kept.
fn scrubbed(verdict: Verdict, scrubber: &redact::Scrubber) -> Verdict {
    match verdict {
        Verdict::Retry { after, cause } => Verdict::Retry { after, cause: scrubber.scrub(&cause) },
        Verdict::SlowRetry { cause } => Verdict::SlowRetry { cause: scrubber.scrub(&cause) },
        Verdict::Credentials { cause } => Verdict::Credentials { cause: scrubber.scrub(&cause) },
        Verdict::Permanent { cause } => Verdict::Permanent { cause: scrubber.scrub(&cause) },
        Verdict::Unknown { cause } => Verdict::Unknown { cause: scrubber.scrub(&cause) },
        Verdict::Gone { cause, switches_off } => Verdict::Gone { cause: scrubber.scrub(&cause), switches_off },
        other => other,
    }
}

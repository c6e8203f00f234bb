//! Sends the requests of runs: a delivery of the outbox like any other, rendered when it is sent, so that the run's token is in
//! nothing that is stored. A run that ended meanwhile asks nobody.

use super::callers::run_token;
use super::crd::{RequestAuthentication, WebhookApproval};
use super::desk::Desk;
use crate::clock;
use crate::controller::gate::ask::{Answer, AskError, Asker, Question};
use crate::controller::spans::{self, Call, Ended};
use crate::gate::approval::request::{Asked, Callback, Failure, Rendered};
use crate::gate::approval::{ApprovalId, Event, Run, run};
use crate::gate::engine::{Engine, Surroundings};
use crate::gate::spec::Authentication;
use crate::notify::{Destination, ObjectId, Occurrence};
use crate::outbox::{self, Change, Claimed, Lane, NewDelivery, Observer, Policy, SendOutcome, Sender, Verdict};
use crate::telemetry::Metrics;
use crate::trace::Tracer;
use async_trait::async_trait;
use bytes::Bytes;
use gatepost_value::{Location, Time};
use rand::RngCore as _;
use std::sync::Arc;
use std::time::Duration;

/// What a delivery's kind is called.
pub const KIND: &str = "webhookapproval";
/// First part of a lane's service; no service of a ConfigMap can have a `/` in its name.
const LANE: &str = "webhookapproval/";
/// Bytes of an answer that an attempt keeps.
const EXCERPT_BYTES: usize = 2048;
/// Longest time that a request may be tried: a run's deadline comes first.
const GIVE_UP_AFTER: Duration = Duration::from_millis(run::TIMEOUT_MAX_MS.unsigned_abs());

/// Sends requests of runs, and hands all other deliveries on.
pub struct AskingSender {
    desk: Arc<Desk>,
    asker: Arc<Asker>,
    engine: Arc<Engine>,
    others: Arc<dyn Sender>,
    tracer: Tracer,
}

impl AskingSender {
    /// A sender beside the one for notifications.
    #[must_use]
    pub fn new(desk: Arc<Desk>, asker: Arc<Asker>, engine: Arc<Engine>, others: Arc<dyn Sender>) -> Self {
        Self { desk, asker, engine, others, tracer: Tracer::default() }
    }

    /// One whose requests are spans.
    #[must_use]
    pub fn traced(self, tracer: Tracer) -> Self {
        Self { tracer, ..self }
    }

    async fn ask(&self, claimed: &Claimed) -> SendOutcome {
        let asked: Asked = match serde_json::from_slice(&claimed.payload) {
            Ok(asked) => asked,
            Err(error) => {
                return untried(Verdict::Permanent { cause: format!("the stored request is unreadable: {error}") });
            }
        };
        let kept = match self.desk.store.run(asked.run).await {
            Ok(Some(kept)) => kept,
            Ok(None) => return untried(Verdict::Permanent { cause: "its run is gone".to_owned() }),
            Err(error) => return untried(Verdict::NotReady { cause: error.to_string() }),
        };
        if !kept.run.phase.is_open() || clock::now().millis() >= kept.run.deadline_ms {
            let note = format!("not sent: its run is {}", kept.run.phase.as_str());
            return untried(Verdict::Delivered { reached: None, note });
        }
        let Some(approval) = self.desk.shelf.of(&asked.approval) else {
            return untried(Verdict::NotReady { cause: "its WebhookApproval is not known yet".to_owned() });
        };
        let outcome = self.send_question(claimed, &asked, &kept.run, &approval).await;
        self.tell(&kept.run, outcome).await
    }

    async fn send_question(
        &self,
        claimed: &Claimed,
        asked: &Asked,
        run: &Run,
        approval: &WebhookApproval,
    ) -> SendOutcome {
        let Some(token) = run_token(&self.desk, run) else {
            return untried(Verdict::NotReady { cause: "there is no key for run tokens yet".to_owned() });
        };
        let callback = Callback { url: self.desk.callback_url(run.id), token };
        match self.rendered(asked, &callback) {
            Ok(rendered) => {
                let mut question = question(rendered, asked, approval);
                let target = crate::egress::redact::target(&question.url);
                let place = spans::attempt(&self.tracer, claimed);
                let call = place.map(|place| Call::of_question(&place, &mut question));
                let answer = self.asker.ask(&question).await;
                if let Some(call) = call {
                    call.end(Ended::from(&answer));
                }
                judged(answer, target, &callback.token)
            }
            Err(failure) => untried(Verdict::Permanent { cause: failure.to_string() }),
        }
    }

    fn rendered(&self, asked: &Asked, callback: &Callback) -> Result<Rendered, Failure> {
        let (now, fill) = (clock::now(), |buffer: &mut [u8]| rand::rng().fill_bytes(buffer));
        let around = Surroundings { now: Time::unix(now.secs, now.nanos), local: Location::Utc, random: &fill };
        asked.render(&self.engine, callback, &around)
    }

    /// The run hears of it before the delivery is recorded: after a crash in between the same request goes out once more.
    async fn tell(&self, run: &Run, outcome: SendOutcome) -> SendOutcome {
        let event = match &outcome.verdict {
            Verdict::Delivered { .. } => Event::Delivered,
            Verdict::Permanent { cause } | Verdict::Gone { cause, .. } => Event::Undeliverable { cause: cause.clone() },
            Verdict::NotReady { .. } | Verdict::TakenOver { .. } => return outcome,
            Verdict::Retry { cause, .. }
            | Verdict::SlowRetry { cause }
            | Verdict::Credentials { cause }
            | Verdict::Unknown { cause } => Event::Tried { cause: cause.clone() },
        };
        match self.desk.apply(run.id, event).await {
            Ok(_) => outcome,
            Err(error) => untried(Verdict::NotReady { cause: error.to_string() }),
        }
    }
}

#[async_trait]
impl Sender for AskingSender {
    async fn send(&self, claimed: &Claimed) -> SendOutcome {
        if claimed.delivery.service_kind == KIND { self.ask(claimed).await } else { self.others.send(claimed).await }
    }

    fn policy(&self, lane: &Lane) -> Policy {
        if !lane.service.starts_with(LANE) {
            return self.others.policy(lane);
        }
        Policy { give_up_after: GIVE_UP_AFTER, ..Policy::default() }
    }
}

/// Watches the dispatcher for everybody else; of requests of runs it counts the attempts. What they come to is told of the run.
pub struct AskingObserver {
    others: Arc<dyn Observer>,
    metrics: Arc<Metrics>,
}

impl AskingObserver {
    /// An observer before the one for notifications.
    #[must_use]
    pub fn new(others: Arc<dyn Observer>, metrics: Arc<Metrics>) -> Self {
        Self { others, metrics }
    }
}

impl Observer for AskingObserver {
    fn observe(&self, event: &outbox::Event<'_>) {
        match event {
            outbox::Event::Attempted { delivery, state, attempt, .. } if delivery.service_kind == KIND => {
                self.metrics.attempts.with_label_values(&[KIND, state.as_str()]).inc();
                let run = &delivery.occurrence.once_per;
                tracing::info!(run, delivery = %delivery.id, state = state.as_str(), attempt.reason, "a run's request was tried");
            }
            _ => self.others.observe(event),
        }
    }
}

/// The delivery of a run's request; made again, it is adopted.
///
/// # Errors
/// It is too large to be stored.
pub fn delivery(asked: &Asked) -> Result<(ObjectId, Change), String> {
    let payload = serde_json::to_vec(asked).map_err(|error| error.to_string())?;
    let ApprovalId { namespace, name, uid } = asked.approval.clone();
    let object = ObjectId { namespace: namespace.clone(), name: name.clone(), uid };
    let service = format!("{LANE}{name}");
    let occurrence = Occurrence {
        object: object.clone(),
        config_namespace: namespace.clone(),
        trigger: asked.stage.as_str().to_owned(),
        condition_key: String::new(),
        once_per: asked.run.to_string(),
        destination: Destination { service: service.clone(), recipient: asked.subject.branch.clone() },
        arming: 0,
    };
    let new = NewDelivery {
        occurrence,
        state_key: String::new(),
        service_kind: KIND.to_owned(),
        payload,
        lane: Lane { config_namespace: namespace, service, host: String::new() },
        ordering: None,
        supersedes: false,
        // The run id goes along as its idempotency key.
        idempotent: true,
        digest: String::new(),
        dead: None,
    };
    Ok((object, Change::Deliver(Box::new(new))))
}

fn question(rendered: Rendered, asked: &Asked, approval: &WebhookApproval) -> Question {
    let timeout = approval.spec.http_request.timeout.as_deref().map(gatepost_value::time::parse_duration);
    let nanos = timeout.and_then(Result::ok).unwrap_or(0).max(0).unsigned_abs();
    Question {
        namespace: asked.approval.namespace.clone(),
        gate: asked.approval.name.clone(),
        method: rendered.method,
        url: rendered.url,
        headers: rendered.headers,
        body: rendered.body.map(Bytes::from),
        timeout: Duration::from_nanos(nanos),
        authentication: approval.spec.http_request.authentication.as_ref().and_then(authentication),
        repository: repository(asked),
        key: asked.run.to_string(),
    }
}

/// The GitRepository of the run's strategy.
fn repository(asked: &Asked) -> String {
    let strategy = asked.world.strategy.as_ref();
    let name = strategy.and_then(|strategy| strategy.pointer("/spec/gitRepositoryRef/name")?.as_str());
    name.unwrap_or_default().to_owned()
}

/// The first that is named; the resource's rules allow one only.
fn authentication(of: &RequestAuthentication) -> Option<Authentication> {
    if let Some(basic) = &of.basic {
        return Some(Authentication::Basic { secret: basic.secret_ref.name.clone() });
    }
    if let Some(bearer) = &of.bearer {
        return Some(Authentication::Bearer { secret: bearer.secret_ref.name.clone() });
    }
    if let Some(oauth2) = &of.oauth2 {
        return Some(Authentication::OAuth2 {
            secret: oauth2.secret_ref.name.clone(),
            token_url: oauth2.token_url.clone(),
            scopes: oauth2.scopes.clone(),
        });
    }
    if let Some(tls) = &of.tls {
        return Some(Authentication::Tls { secret: tls.secret_ref.name.clone() });
    }
    of.scm.as_ref().map(|_| Authentication::Scm)
}

fn judged(answer: Result<Answer, AskError>, target: String, token: &str) -> SendOutcome {
    match answer {
        Ok(answer) => {
            let text = String::from_utf8_lossy(&answer.body[..answer.body.len().min(EXCERPT_BYTES)]).into_owned();
            let verdict = verdict(answer.status, answer.retry_after);
            // A receiver may repeat what it was sent.
            SendOutcome { status: Some(answer.status), target, excerpt: text.replace(token, "***"), verdict }
        }
        Err(error) => {
            let cause = error.to_string();
            let verdict = match error {
                AskError::Transport { .. } => Verdict::Retry { after: None, cause },
                AskError::Body { .. } => Verdict::Unknown { cause },
                AskError::Refused { .. } => Verdict::SlowRetry { cause },
                AskError::Authentication(_) => Verdict::Credentials { cause },
                _ => Verdict::Permanent { cause },
            };
            SendOutcome { status: None, target, excerpt: String::new(), verdict }
        }
    }
}

fn verdict(status: u16, after: Option<Duration>) -> Verdict {
    let cause = format!("the receiver answered {status}");
    match status {
        200..=299 => Verdict::Delivered { reached: None, note: String::new() },
        408 | 425 | 429 | 500 | 502..=599 => Verdict::Retry { after, cause },
        404 | 405 | 409 | 300..=399 => Verdict::SlowRetry { cause },
        401 | 403 => Verdict::Credentials { cause },
        410 => Verdict::Gone { cause, switches_off: false },
        _ => Verdict::Permanent { cause },
    }
}

fn untried(verdict: Verdict) -> SendOutcome {
    SendOutcome { status: None, target: String::new(), excerpt: String::new(), verdict }
}

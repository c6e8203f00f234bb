//! Asks the HTTP endpoint of a gate: credentials by reference, the call through the egress guard, the answer bounded.
//!
//! Decides nothing about a gate: what an answer means is the expression's. Must never read a Secret that the gate's author
//! could not name in the gate's own namespace, send credentials to another host, or show a query value or credential in an
//! error. Rules: `spec/gates.md` §7 and §21, `spec/security.md`.

mod credentials;
mod depth;
mod error;
mod github;
mod oauth2;
mod objects;
mod options;
mod places;
mod question;
mod scm;
mod tokens;

pub use error::AskError;
pub use objects::{Cluster, Data, Kind, Objects};
pub use options::{Grant, Options};
pub use question::{Answer, Question};

use crate::egress::{Egress, Headers, Redirects, Request, Response, TlsOptions, Transport, canonical};
use credentials::{Credential, Credentials};
use places::Places;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Time for everything where the gate names none.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time between two pieces of an answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Header that carries [`Question::key`].
const KEY_HEADER: &str = "Idempotency-Key";

/// Asks endpoints for all gates. Cheap to share behind an `Arc`.
pub struct Asker {
    credentials: Credentials,
    places: Places,
}

impl Asker {
    /// An asker that goes out through this door and reads credentials from there.
    #[must_use]
    pub fn new(egress: Arc<Egress>, objects: Arc<dyn Objects>, options: Options) -> Self {
        let places = Places::new(options.places, options.places_of_a_namespace);
        Self { credentials: Credentials::new(egress, objects, options), places }
    }

    /// Asks once. There is no attempt after the first, but for one case: an endpoint that refuses (401) a token of an
    /// earlier question is asked again with a new one. When to ask again is the gate's own decision.
    ///
    /// The question's time begins when there is a place for it.
    ///
    /// # Errors
    /// No credentials, a request that cannot be made, or no complete answer within the question's time.
    pub async fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        let _place = self.places.take(&question.namespace).await;
        let started = Instant::now();
        let limit = limit(question.timeout, self.credentials.options.longest_timeout);
        match tokio::time::timeout(limit, self.within_time(question, limit)).await {
            Ok(response) => self.answer(question, response?, started.elapsed()),
            Err(_) => Err(AskError::Transport {
                target: error::target(&question.method, &question.url),
                cause: format!("no complete answer within {} s (httpRequest.timeout)", limit.as_secs_f64()),
            }),
        }
    }

    async fn within_time(&self, question: &Question, limit: Duration) -> Result<Response, AskError> {
        let transport = self.transport(question, limit);
        let credential = self.credentials.find(question, &transport).await?;
        let reused = credential.reused.clone();
        let response = self.call(question, &transport, credential).await?;
        match reused {
            Some((key, token)) if response.status == 401 => {
                self.credentials.forget(key, &token).await;
                let credential = self.credentials.find(question, &transport).await?;
                self.call(question, &transport, credential).await
            }
            _ => Ok(response),
        }
    }

    async fn call(
        &self,
        question: &Question,
        transport: &Transport,
        credential: Credential,
    ) -> Result<Response, AskError> {
        let transport = Transport { tls: credential.tls.clone(), ..transport.clone() };
        let request = Request {
            method: question.method.clone(),
            url: question.url.clone(),
            headers: headers(question, credential)?.into_list(),
            body: question.body.clone().unwrap_or_default(),
            transport,
        };
        let sent = self.credentials.egress.send(&request).await;
        sent.map_err(|error| AskError::of(error, &question.method, &question.url))
    }

    /// How connections of a namespace's gates are made; those of one namespace to one host are shared.
    fn transport(&self, question: &Question, limit: Duration) -> Transport {
        let options = &self.credentials.options;
        let defaults = Transport::default();
        Transport {
            owner: format!("gates/{}", question.namespace),
            tenant: options.tenant(&question.namespace).to_owned(),
            tls: TlsOptions::default(),
            connect_timeout: defaults.connect_timeout.min(limit),
            // The question's own limit is shorter, and around everything.
            answer_timeout: options.longest_timeout,
            answer_limit: options.answer_limit,
            whole: true,
            longest_pause: LONGEST_PAUSE,
            longest_body: options.longest_timeout,
            redirects: Redirects::SameOrigin(options.redirects.clone()),
            ..defaults
        }
    }

    fn answer(&self, question: &Question, response: Response, took: Duration) -> Result<Answer, AskError> {
        if depth::is_too_deep(&response.body) {
            return Err(AskError::Body {
                target: error::target(&question.method, &question.url),
                cause: format!("its JSON nests deeper than {} levels", depth::DEEPEST),
            });
        }
        let retry_after = crate::service::retry_after(&response, crate::clock::now().millis());
        let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in &response.headers {
            headers.entry(canonical(name)).or_default().push(String::from_utf8_lossy(value).into_owned());
        }
        Ok(Answer { status: response.status, headers, body: response.body, took, retry_after })
    }
}

/// What a gate names is kept, also above a minute, up to the operator's longest.
fn limit(named: Duration, longest: Duration) -> Duration {
    if named.is_zero() { TIMEOUT.min(longest) } else { named.min(longest) }
}

/// The gate's own headers, then the credentials over them.
fn headers(question: &Question, credential: Credential) -> Result<Headers, AskError> {
    let illegal = |illegal: crate::egress::Illegal| AskError::Request(illegal.to_string());
    let mut headers = Headers::default();
    for (name, value) in &question.headers {
        headers.set(name, value.as_bytes()).map_err(illegal)?;
    }
    if !question.key.is_empty() && !headers.has(KEY_HEADER) {
        headers.set(KEY_HEADER, question.key.as_bytes()).map_err(illegal)?;
    }
    if let Some(accept) = credential.accept.filter(|_| !headers.has("Accept")) {
        headers.set("Accept", accept.as_bytes()).map_err(illegal)?;
    }
    for (name, value) in credential.headers.into_list() {
        headers.set(&name, &value).map_err(illegal)?;
    }
    Ok(headers)
}

#[cfg(test)]
mod tests;

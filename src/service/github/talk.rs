//! The conversation with GitHub: a token, then part after part, in the Go controller's order.

use super::message::{Comment, Deployment, Message};
use super::{base_url, done_key};
use crate::egress::{Request, Response};
use crate::service::conversation::{Pause, Tale};
use crate::service::github_app::{self, ACCEPT, App, TOKEN_LIFETIME};
use crate::service::http::{self, Headers, Options, check_url};
use crate::service::{Answer, Call, Outcome, Outgoing, RequestError, Step, Verdict, stored, text, unanswered};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// The same for deployments.
const ACCEPT_DEPLOYMENT: &str =
    "application/vnd.github.ant-man-preview+json, application/vnd.github.flash-preview+json";
/// The same for the pull requests of a commit.
const ACCEPT_PULLS: &str = "application/vnd.github.groot-preview+json";
/// The same for comments.
const ACCEPT_COMMENTS: &str = "application/vnd.github.squirrel-girl-preview";
/// The same for check runs.
const ACCEPT_CHECKS: &str = "application/vnd.github.antiope-preview+json";
/// Version of the API.
const API_VERSION: &str = "2022-11-28";
/// Time from the request to the end of the answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Lists of pull requests and comments are long.
const ANSWER_LIMIT: usize = 4 << 20;
/// What GitHub's documentation asks for after a secondary limit that names no time.
const SECONDARY_LIMIT_WAIT: Duration = Duration::from_secs(60);
/// Longest wait that is believed.
const WAIT_MAX: Duration = Duration::from_secs(24 * 3600);
/// Characters of GitHub's message that are repeated.
const MESSAGE_MAX: usize = 200;
/// What stays as it is in a part of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What comes next.
pub fn step(call: &Call<'_>, rounds: &[Vec<Answer>]) -> Result<Step, RequestError> {
    let key = done_key(call.occurrence);
    let before = call.memory.get(&key).map(String::as_str).unwrap_or_default();
    let done: BTreeSet<String> = before.split(' ').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let mut talk = Talk { call, done, notes: Vec::new(), token: String::new() };
    let step = Tale::tell(rounds, |tale| talk.all(tale))?;
    Ok(match step {
        Step::Done(mut outcome) => {
            let delivered = matches!(outcome.verdict, Verdict::Delivered { .. });
            let now = if delivered { String::new() } else { talk.done.into_iter().collect::<Vec<_>>().join(" ") };
            if now != before {
                outcome.remember.push((key, now));
            }
            Step::Done(outcome)
        }
        send => send,
    })
}

struct Talk<'a> {
    call: &'a Call<'a>,
    /// Parts that are done, in earlier attempts or in this one.
    done: BTreeSet<String>,
    /// What the operator should know.
    notes: Vec<String>,
    token: String,
}

/// One request in words.
struct Ask<'a> {
    method: &'static str,
    path: String,
    accept: &'static str,
    body: Option<&'a Json>,
}

impl<'a> Talk<'a> {
    fn all(&mut self, tale: &mut Tale<'_>) -> Result<Outcome, Pause> {
        let message: Message = stored::read(&self.call.config.name, self.call.payload)?;
        self.token = self.installation_token(tale)?;
        if let Some(body) = &message.status {
            self.part("status", |talk| talk.commit_status(tale, &message, body))?;
        }
        if let Some(part) = &message.deployment {
            self.part("deployment", |talk| talk.deployment(tale, &message, part))?;
        }
        if let Some(part) = &message.comment {
            self.part("comment", |talk| talk.comment(tale, &message, part))?;
        }
        if let Some(body) = &message.check_run {
            self.part("check-run", |talk| talk.post(tale, &message, "check-runs", ACCEPT_CHECKS, body))?;
        }
        if let Some(body) = &message.dispatch {
            self.part("dispatch", |talk| talk.post(tale, &message, "dispatches", ACCEPT, body))?;
        }
        let note = (!self.notes.is_empty()).then(|| self.notes.join("; "));
        Ok(outcome(Verdict::Delivered { reached: None, note }, false))
    }

    /// Does a part that is not done.
    fn part(&mut self, name: &str, work: impl FnOnce(&mut Self) -> Result<(), Pause>) -> Result<(), Pause> {
        if self.done.contains(name) {
            return Ok(());
        }
        work(self)?;
        self.done.insert(name.to_owned());
        Ok(())
    }

    fn installation_token(&self, tale: &mut Tale<'_>) -> Result<String, Pause> {
        let answer = tale.ask(|| {
            let request = token_request(self.call)?;
            Ok(Outgoing::Reusable { request, key: "installation-token", lifetime: TOKEN_LIFETIME })
        })?;
        if !(200..300).contains(&answer.status) {
            let refused = judge(answer, self.call.now_ms, "the App's token");
            // An installation that is not there is a wrong option, or an App that was removed.
            let refused = match refused {
                Verdict::SlowRetry { cause } | Verdict::Permanent { cause } => Verdict::Credentials { cause },
                other => other,
            };
            return Err(Pause::done(refused));
        }
        match github_app::token(&answer.body) {
            Some((token, _)) => Ok(token),
            None => {
                let cause = "GitHub answered without a token".to_owned();
                Err(Pause::Step(Step::Done(outcome(Verdict::Retry { after: None, cause }, true))))
            }
        }
    }

    fn commit_status(&mut self, tale: &mut Tale<'_>, message: &Message, body: &Json) -> Result<(), Pause> {
        let path = self.path(message, &format!("statuses/{}", segments(&message.revision)));
        let answer = self.ask(tale, &Ask { method: "POST", path, accept: ACCEPT, body: Some(body) })?;
        // 1,000 statuses a commit and context: there will never be room for this one.
        if answer.status == 422 && too_many(answer) {
            let context = body["context"].as_str().unwrap_or_default();
            let sha = &message.revision;
            self.notes.push(format!("too many commit statuses for sha {sha} and context {context}"));
            return Ok(());
        }
        self.accepted(answer, "the commit status").map(drop)
    }

    fn deployment(&mut self, tale: &mut Tale<'_>, message: &Message, part: &Deployment) -> Result<(), Pause> {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if !part.environment.is_empty() {
            query.append_pair("environment", &part.environment);
        }
        let query = query.append_pair("ref", &message.revision).finish();
        let path = self.path(message, &format!("deployments?{query}"));
        let found = self.ask(tale, &Ask { method: "GET", path, accept: ACCEPT, body: None })?;
        let mut id = self.accepted(found, "the deployments")?[0]["id"].clone();
        if id.is_null() {
            let path = self.path(message, "deployments");
            let ask = Ask { method: "POST", path, accept: ACCEPT_DEPLOYMENT, body: Some(&part.create) };
            let created = self.ask(tale, &ask)?;
            id = self.accepted(created, "the deployment")?["id"].clone();
        }
        let Some(id) = id.as_i64() else {
            // 202: GitHub merged the default branch first, and wants to be asked again.
            let cause = "GitHub has not made the deployment yet".to_owned();
            return Err(Pause::done(Verdict::Retry { after: None, cause }));
        };
        let path = self.path(message, &format!("deployments/{id}/statuses"));
        let ask = Ask { method: "POST", path, accept: ACCEPT_DEPLOYMENT, body: Some(&part.status) };
        let answer = self.ask(tale, &ask)?;
        self.accepted(answer, "the deployment's status").map(drop)
    }

    /// A comment on each pull request of the commit; one with a tag replaces the earlier one of that tag.
    fn comment(&mut self, tale: &mut Tale<'_>, message: &Message, part: &Comment) -> Result<(), Pause> {
        let path = self.path(message, &format!("commits/{}/pulls", segments(&message.revision)));
        let pulls = self.ask(tale, &Ask { method: "GET", path, accept: ACCEPT_PULLS, body: None })?;
        let pulls = numbers(&self.accepted(pulls, "the pull requests")?, "number");
        let body = json!({"body": part.body});
        let list = |pull: &i64| format!("issues/{pull}/comments");
        let targets: Vec<(&'static str, String)> = if part.mark.is_empty() || pulls.is_empty() {
            pulls.iter().map(|pull| ("POST", list(pull))).collect()
        } else {
            let asks = pulls.iter().map(|pull| ("GET", list(pull))).collect();
            let found = self.side_by_side(tale, message, asks, ACCEPT_COMMENTS, None, "the comments")?;
            let target = |(pull, comments): (&i64, Json)| match tagged(&comments, &part.mark) {
                Some(id) => ("PATCH", format!("issues/comments/{id}")),
                None => ("POST", list(pull)),
            };
            pulls.iter().zip(found).map(target).collect()
        };
        if targets.is_empty() {
            self.notes.push("the commit belongs to no pull request".to_owned());
            return Ok(());
        }
        self.side_by_side(tale, message, targets, ACCEPT, Some(&body), "the comment").map(drop)
    }

    fn side_by_side(
        &self,
        tale: &mut Tale<'_>,
        message: &Message,
        asks: Vec<(&'static str, String)>,
        accept: &'static str,
        body: Option<&Json>,
        what: &str,
    ) -> Result<Vec<Json>, Pause> {
        let answers = tale.ask_all(|| {
            let one = |(method, path)| {
                let path = self.path(message, path);
                self.request(&Ask { method, path, accept, body }).map(Outgoing::Http)
            };
            asks.iter().map(|(method, path)| one((*method, path.as_str()))).collect()
        })?;
        let read = |answer: &Answer| match answer {
            Ok(answer) => self.accepted(answer, what),
            Err(error) => Err(Pause::done(unanswered(error))),
        };
        answers.iter().map(read).collect()
    }

    fn post(
        &self,
        tale: &mut Tale<'_>,
        message: &Message,
        path: &str,
        accept: &'static str,
        body: &Json,
    ) -> Result<(), Pause> {
        let ask = Ask { method: "POST", path: self.path(message, path), accept, body: Some(body) };
        let answer = self.ask(tale, &ask)?;
        self.accepted(answer, &format!("POST {path}")).map(drop)
    }

    fn path(&self, message: &Message, rest: &str) -> String {
        format!("{}/repos/{}/{}/{rest}", base_url(self.call.config), segments(&message.owner), segments(&message.repo))
    }

    fn ask<'r>(&self, tale: &mut Tale<'r>, ask: &Ask<'_>) -> Result<&'r Response, Pause> {
        tale.ask(|| self.request(ask).map(Outgoing::Http))
    }

    fn request(&self, ask: &Ask<'_>) -> Result<Request, RequestError> {
        let service = &self.call.config.name;
        check_url(service, &ask.path)?;
        let mut headers = Headers::default();
        headers.set(service, "Accept", ask.accept)?;
        headers.set(service, "X-Github-Api-Version", API_VERSION)?;
        headers.set(service, "Authorization", &format!("token {}", self.token))?;
        if ask.body.is_some() {
            headers.set(service, "Content-Type", "application/json")?;
        }
        let body = ask.body.map(ToString::to_string).unwrap_or_default();
        Ok(request(self.call, ask.method, ask.path.clone(), headers, body))
    }

    /// The JSON of a good answer.
    fn accepted(&self, answer: &Response, what: &str) -> Result<Json, Pause> {
        if (200..300).contains(&answer.status) {
            return Ok(serde_json::from_slice(&answer.body).unwrap_or_default());
        }
        let verdict = judge(answer, self.call.now_ms, what);
        Err(Pause::Step(Step::Done(outcome(verdict, answer.status == 401))))
    }
}

const fn outcome(verdict: Verdict, forget_answers: bool) -> Outcome {
    Outcome { verdict, remember: Vec::new(), forget_answers }
}

fn request(call: &Call<'_>, method: &str, url: String, headers: Headers, body: String) -> Request {
    let mut transport = Options(call.config).transport(ANSWER_TIMEOUT);
    transport.answer_limit = ANSWER_LIMIT;
    Request { method: method.to_owned(), url, headers: headers.into_list(), body: body.into(), transport }
}

/// The request for an installation's token, in the name of the App.
fn token_request(call: &Call<'_>) -> Result<Request, RequestError> {
    let (config, options) = (call.config, Options(call.config));
    let unusable = |cause: &str| RequestError::Setting { service: config.name.clone(), cause: cause.to_owned() };
    let (app, installation) = (options.text("appID").trim(), options.text("installationID").trim());
    if app.is_empty() || installation.is_empty() {
        return Err(unusable("`appID` or `installationID` is missing"));
    }
    let api = base_url(config);
    let named = App { api: &api, id: app, private_key: options.text("privateKey") };
    let headers = named.headers(call.now_ms).map_err(|cause| unusable(&cause))?;
    let url = named.token_url(installation);
    check_url(&config.name, &url)?;
    Ok(request(call, "POST", url, headers.into(), String::new()))
}

/// Each part of a path by itself: a branch's slashes stay.
fn segments(text: &str) -> String {
    text.split('/').map(|part| utf8_percent_encode(part, SEGMENT).to_string()).collect::<Vec<_>>().join("/")
}

fn numbers(list: &Json, member: &str) -> Vec<i64> {
    list.as_array().into_iter().flatten().filter_map(|item| item[member].as_i64()).collect()
}

fn tagged(comments: &Json, mark: &str) -> Option<i64> {
    let holds = |comment: &&Json| comment["body"].as_str().is_some_and(|body| body.contains(mark));
    comments.as_array()?.iter().find(holds)?["id"].as_i64()
}

fn too_many(answer: &Response) -> bool {
    String::from_utf8_lossy(&answer.body).contains("maximum number of statuses")
}

/// What a refusal means. A limit is a 403 or 429 that says when it ends; any other 403 is a right that the App lacks.
fn judge(answer: &Response, now_ms: i64, what: &str) -> Verdict {
    let body: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
    let message = text::clip_chars(body["message"].as_str().unwrap_or_default(), MESSAGE_MAX);
    let cause = format!("GitHub answered {} to {what}: {message}", answer.status);
    if let Some(after) = limited(answer, &message, now_ms) {
        return Verdict::Retry { after: Some(after), cause };
    }
    match http::judge(answer, now_ms) {
        Verdict::Retry { after, .. } => Verdict::Retry { after, cause },
        Verdict::SlowRetry { .. } => Verdict::SlowRetry { cause },
        Verdict::Credentials { .. } => Verdict::Credentials { cause },
        Verdict::Permanent { .. } => Verdict::Permanent { cause },
        other => other,
    }
}

fn limited(answer: &Response, message: &str, now_ms: i64) -> Option<Duration> {
    if !matches!(answer.status, 403 | 429) {
        return None;
    }
    if let Some(wait) = http::retry_after(answer, now_ms) {
        return Some(wait);
    }
    if answer.header("x-ratelimit-remaining") == Some("0")
        && let Some(reset) = answer.header("x-ratelimit-reset").and_then(|text| text.parse::<i64>().ok())
    {
        let wait = u64::try_from(reset.saturating_mul(1000).saturating_sub(now_ms)).unwrap_or(0);
        return Some(Duration::from_millis(wait).min(WAIT_MAX));
    }
    (answer.status == 429 || message.contains("rate limit")).then_some(SECONDARY_LIMIT_WAIT)
}

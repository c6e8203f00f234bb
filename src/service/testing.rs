//! What the tests of each kind share: a service and a notification from their texts, and a whole attempt with scripted answers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::egress::{Mail, Publish, Request, Response};
use crate::notify::{ConfigInput, Configuration, Destination, LoadOptions, ObjectId, World};
use gatepost_value::json::{Numbers, from_serde};
use serde_json::json;
use std::collections::BTreeMap;

/// An RSA key that is used nowhere else.
pub const RSA_KEY: &str = include_str!("testdata/rsa.pem");

/// Loads `<key>` and `template.t` with the real loader; panics at any problem.
pub fn load(key: &str, service: &str, template: &str) -> Configuration {
    let pairs = [(key, service), ("template.t", template)];
    let configmap = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let input = ConfigInput { configmap, ..ConfigInput::default() };
    let config = Configuration::load(&input, None, &LoadOptions { kinds: kinds(), ..LoadOptions::default() });
    assert!(config.problems().is_empty(), "{:?}", config.problems());
    config
}

/// An Application whose message holds what breaks JSON.
pub fn application() -> serde_json::Value {
    json!({
        "metadata": {"name": "orders", "namespace": "argocd"},
        "spec": {"source": {"repoURL": "https://github.com/acme/orders.git"}},
        "status": {
            "operationState": {"message": "bad \"quote\"\nand \\ line", "phase": "Failed", "syncResult": {"revision": "0123456789abcdef"}},
            "sync": {"revision": "0123456789abcdef"},
        },
    })
}

/// Renders `template.t` for a destination.
pub fn rendered(config: &Configuration, to: &Destination) -> Result<Notification, String> {
    let (object, states) = (from_serde(&application(), Numbers::Kubernetes), BTreeMap::new());
    let id = ObjectId { namespace: "argocd".into(), name: "orders".into(), uid: "u".into() };
    let world = World {
        config,
        object: &object,
        id: &id,
        project: None,
        repository: &crate::notify::Repository::absent("none"),
        states: &states,
        event_resource_version: "",
        first_list: false,
        now: gatepost_value::Time::unix(1_800_000_000, 0),
        local: gatepost_value::Location::Utc,
        random: &|buffer| buffer.fill(7),
        trace: false,
    };
    crate::notify::render_for(&world, &["t".to_owned()], to).map_err(|failure| failure.message)
}

/// What a notification is about.
pub fn occurrence(to: Destination) -> Occurrence {
    Occurrence {
        object: ObjectId { namespace: "argocd".into(), name: "orders".into(), uid: "u".into() },
        config_namespace: String::new(),
        trigger: "on-failed".into(),
        condition_key: "[0].x".into(),
        once_per: String::new(),
        destination: to,
        arming: 1,
    }
}

/// An answer.
pub fn answer(status: u16, body: &str) -> Answer {
    answer_with(status, &[], body)
}

/// An answer with headers.
pub fn answer_with(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), v.as_bytes().to_vec())).collect();
    let body = bytes::Bytes::copy_from_slice(body.as_bytes());
    Ok(Response { status, headers, body, truncated: false, elapsed: Duration::ZERO })
}

/// What an attempt did.
#[derive(Debug)]
pub struct Played {
    /// Requests in order; those of one round one after the other.
    pub requests: Vec<Request>,
    /// Mails in order.
    pub mails: Vec<Mail>,
    /// NATS messages in order.
    pub publishes: Vec<Publish>,
    /// Reports on commits in order.
    pub reports: Vec<CommitReport>,
    /// What the process was asked for.
    pub asked: Vec<Ambient>,
    /// How it ended.
    pub outcome: Outcome,
    /// What was stored.
    pub prepared: Prepared,
}

impl Played {
    fn note(&mut self, one: Outgoing) {
        match one {
            Outgoing::Http(request) | Outgoing::Reusable { request, .. } => self.requests.push(request),
            Outgoing::Mail(mail) => self.mails.push(mail),
            Outgoing::Publish(publish) => self.publishes.push(publish),
            Outgoing::CommitStatus(report) => self.reports.push(report),
            Outgoing::Ambient(wanted) => self.asked.push(wanted),
        }
    }
    /// Body of a request as JSON.
    pub fn json(&self, index: usize) -> serde_json::Value {
        serde_json::from_slice(&self.requests[index].body).unwrap()
    }
    /// Body of a request as text.
    pub fn text(&self, index: usize) -> String {
        String::from_utf8(self.requests[index].body.to_vec()).unwrap()
    }
    /// Value of a request's header; empty where there is none.
    pub fn header(&self, index: usize, name: &str) -> String {
        let found = self.requests[index].headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| String::from_utf8(value.clone()).unwrap()).unwrap_or_default()
    }
    /// `METHOD URL` of each request.
    pub fn lines(&self) -> Vec<String> {
        self.requests.iter().map(|request| format!("{} {}", request.method, request.url)).collect()
    }
}

/// A notification from texts to the end of one attempt. `key` is `service.<type>.<name>`; answers are taken in order.
///
/// # Errors
/// What [`prepare`] or [`step`] refuse, as text.
pub fn play(key: &str, service: &str, template: &str, recipient: &str, answers: &[Answer]) -> Result<Played, String> {
    play_with(key, service, template, recipient, answers, &BTreeMap::new())
}

/// The same, with what earlier deliveries left.
///
/// # Errors
/// What [`prepare`] or [`step`] refuse, as text.
pub fn play_with(
    key: &str,
    service: &str,
    template: &str,
    recipient: &str,
    answers: &[Answer],
    memory: &BTreeMap<String, String>,
) -> Result<Played, String> {
    let config = load(key, service, template);
    let service = config.services().values().next().unwrap().as_ref();
    let to = Destination { service: service.name.clone(), recipient: recipient.to_owned() };
    let notification = rendered(&config, &to)?;
    let occurrence = occurrence(to);
    let prepared =
        prepare(service, &notification, &occurrence, &Context::default()).map_err(|error| error.to_string())?;
    let call = Call {
        config: service,
        payload: &prepared.payload,
        occurrence: &occurrence,
        delivery_id: "dlv_1",
        now_ms: 1_800_000_000_000,
        decided_ms: 1_700_000_000_123,
        memory,
    };
    let mut played = Played {
        requests: Vec::new(),
        mails: Vec::new(),
        publishes: Vec::new(),
        reports: Vec::new(),
        asked: Vec::new(),
        outcome: Outcome {
            verdict: Verdict::Unknown { cause: String::new() },
            remember: Vec::new(),
            forget_answers: false,
        },
        prepared: prepared.clone(),
    };
    let (mut rounds, mut left) = (Vec::new(), answers.iter());
    loop {
        match step(&call, &rounds).map_err(|error| error.to_string())? {
            Step::Done(outcome) => return Ok(Played { outcome, ..played }),
            Step::Send(all) => {
                rounds.push(all.iter().map(|_| left.next().expect("an answer for each request").clone()).collect());
                all.into_iter().for_each(|one| played.note(one));
            }
        }
    }
}

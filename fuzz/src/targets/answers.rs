//! Receivers that answer anything to any kind of service: an attempt ends in bounded rounds with a verdict, and what it
//! says of it is bounded too.

use super::{in_world, pairs};
use gatepost::egress::{Error, Response};
use gatepost::notify::{ConfigInput, Configuration, Destination, LoadOptions, Occurrence, render_for};
use gatepost::service::{self, Answer, Call, Context, Outgoing, Prepared, Step, Verdict};
use gatepost_value::json::{Numbers, parse};
use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::time::Duration;

/// Rounds of an attempt; the sender stops there.
const ROUNDS_MAX: usize = 32;
/// Bytes of a cause: an answer is quoted, not repeated.
const CAUSE_MAX: usize = 8 << 10;

struct Ready {
    config: Configuration,
    prepared: Vec<(Occurrence, Prepared)>,
}

thread_local! {
    static READY: LazyCell<Ready> = const { LazyCell::new(ready) };
}

fn ready() -> Ready {
    let configmap = pairs(include_str!("services.txt"));
    let options = LoadOptions { kinds: service::kinds(), ..LoadOptions::default() };
    // GitHub signs with it; it is used nowhere else.
    let key = include_bytes!("../../../src/service/testdata/rsa.pem").to_vec();
    let secret = [("key".to_owned(), key)].into();
    let config = Configuration::load(&ConfigInput { configmap, secret, ..ConfigInput::default() }, None, &options);
    assert!(config.problems().is_empty(), "{:?}", config.problems());
    let (mut prepared, mut unready) = (Vec::new(), Vec::new());
    for name in config.services().keys() {
        match prepare(&config, name) {
            Ok(ready) => prepared.push(ready),
            Err(why) => unready.push(format!("{name}: {why}")),
        }
    }
    assert!(prepared.len() >= 15, "{} services are ready; {unready:?}", prepared.len());
    Ready { config, prepared }
}

fn prepare(config: &Configuration, name: &str) -> Result<(Occurrence, Prepared), String> {
    let object = parse(include_bytes!("../application.json"), Numbers::Kubernetes).expect("it is JSON");
    let destination = Destination { service: name.to_owned(), recipient: "r".into() };
    let (object, notification) = in_world((config, &object), false, |world| {
        (world.id.clone(), render_for(world, &["t".to_owned()], &destination))
    });
    let notification = notification.map_err(|failure| failure.message)?;
    let occurrence = Occurrence {
        object,
        config_namespace: String::new(),
        trigger: "t".into(),
        condition_key: "[0].x".into(),
        once_per: String::new(),
        destination,
        arming: 1,
    };
    let config = config.service(name).expect("it is there");
    let prepared = service::prepare(config, &notification, &occurrence, &Context::default());
    prepared.map(|prepared| (occurrence, prepared)).map_err(|error| error.to_string())
}

/// Status, headers and body from bytes; the last answer repeats.
fn answers(bytes: &[u8]) -> Vec<Answer> {
    let mut all: Vec<Answer> = bytes.split(|byte| *byte == 0).take(8).map(answer).collect();
    all.reverse();
    all
}

fn answer(bytes: &[u8]) -> Answer {
    let [a, b, rest @ ..] = bytes else {
        return Err(Error::NoAnswer { target: "http://h".into(), cause: "closed".into() });
    };
    let status = 100 + u16::from_be_bytes([*a, *b]) % 500;
    let (head, body) = rest.iter().position(|byte| *byte == b'\n').map_or((&rest[..0], rest), |at| rest.split_at(at));
    let header = |line: &[u8]| {
        let at = line.iter().position(|byte| *byte == b':')?;
        Some((String::from_utf8_lossy(&line[..at]).to_lowercase(), line[at + 1..].to_vec()))
    };
    let headers = head.split(|byte| *byte == b'|').filter_map(header).collect();
    let body = bytes::Bytes::copy_from_slice(body);
    Ok(Response { status, headers, body, truncated: *a % 7 == 0, elapsed: Duration::ZERO })
}

fn attempt(ready: &Ready, which: usize, mut answers: Vec<Answer>) {
    let (occurrence, prepared) = &ready.prepared[which % ready.prepared.len()];
    let config = ready.config.service(&occurrence.destination.service).expect("it is there");
    let call = Call {
        config,
        payload: &prepared.payload,
        occurrence,
        delivery_id: "dlv_0198c0de-0000-7000-8000-000000000000",
        now_ms: 1_795_262_400_000,
        decided_ms: 1_795_262_300_000,
        memory: &BTreeMap::new(),
    };
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS_MAX {
        match service::step(&call, &rounds) {
            Ok(Step::Send(all)) => rounds.push(all.iter().map(|one| next(one, &mut answers)).collect()),
            Ok(Step::Done(outcome)) => return bounded(&outcome.verdict),
            Err(error) => return assert!(error.to_string().len() < CAUSE_MAX),
        }
    }
}

fn next(_: &Outgoing, answers: &mut Vec<Answer>) -> Answer {
    let last = answers.len() == 1;
    if last { answers[0].clone() } else { answers.pop().unwrap_or_else(|| answer(b"")) }
}

fn bounded(verdict: &Verdict) {
    let text = format!("{verdict:?}");
    assert!(text.len() < CAUSE_MAX, "{} bytes: {}", text.len(), text.chars().take(200).collect::<String>());
}

/// One input.
pub fn run(bytes: &[u8]) {
    let [which, rest @ ..] = bytes else { return };
    READY.with(|ready| attempt(ready, usize::from(*which), answers(rest)));
}

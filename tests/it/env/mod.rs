//! What the integration tests run against: a real Kubernetes API server, PostgreSQL, Backstage, SMTP and NATS servers, a browser, and
//! HTTP receivers that follow a script.
//!
//! Each part is started once, by the first test that asks for it, through the script of its name in `tests/env`, and
//! stops with the test binary, however that ends. A part that does not start fails the test with one sentence that says
//! what is missing: never skip, never fall back to an imitation.

pub mod backstage;
pub mod browser;
pub mod cluster;
pub mod http;
pub mod issuer;
pub mod nats;
mod part;
pub mod postgres;
pub mod receiver;
pub mod repo_server;
pub mod smtp;

use std::future::Future;
use std::time::Duration;

pub use backstage::backstage;
pub use browser::{Window, browser};
pub use cluster::{Namespace, cluster};
pub use http::{client, json, json_of_any, text};
pub use issuer::Issuer;
pub use nats::nats;
pub use postgres::postgres;
pub use receiver::{Answer, Receiver};
pub use smtp::smtp;

/// How long a test waits for something that should happen at once on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `probe` answers with a value, asking every 20 ms; panics with `what` after `timeout`.
pub async fn wait_for<T, F>(what: &str, timeout: Duration, mut probe: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let polled = async {
        loop {
            if let Some(value) = probe().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(timeout, polled).await {
        Ok(value) => value,
        Err(_) => panic!("waited {timeout:?} in vain for {what}"),
    }
}

/// Waits until `probe` answers true, asking every 20 ms; panics with `what` after `timeout`.
pub async fn wait_until<F>(what: &str, timeout: Duration, mut probe: impl FnMut() -> F)
where
    F: Future<Output = bool>,
{
    wait_for(what, timeout, || {
        let answer = probe();
        async move { answer.await.then_some(()) }
    })
    .await;
}

/// Asks for all of `period` whether `probe` stays true; panics with `what` at the first no.
pub async fn stays<F>(what: &str, period: Duration, mut probe: impl FnMut() -> F)
where
    F: Future<Output = bool>,
{
    let watched = async {
        while probe().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(period, watched).await.is_err(), "did not stay so for {period:?}: {what}");
}

//! `gatepost template notify`: renders a template for one Application and really sends it, once, through egress, as
//! `argocd admin notifications template notify` does. The recipient `console` prints instead.
//!
//! No outbox: nothing is stored, nothing is tried again, and what services would remember is not kept.

use super::manifests::{self, Files};
use super::{go_yaml, serve, template};
use crate::controller;
use crate::egress::redact::Scrubber;
use crate::egress::{self, Egress};
use crate::notify::{self, Configuration, Destination, Notification, Occurrence, Repository, ServiceConfig};
use crate::outbox::DeliveryId;
use crate::service::{self, Answer, Call, Context, Outgoing, Step, Verdict};
use crate::settings::Settings;
use crate::source::Object;
use crate::source::repo_server::RepoServer;
use anyhow::{anyhow, bail};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

/// The service that prints; there without being configured, as in the Argo CD command line.
const CONSOLE: &str = "console";
/// Rounds of requests in one attempt.
const ROUNDS_MAX: usize = 32;

/// What a run works with.
struct Run {
    config: Configuration,
    object: Object,
    repo_server: RepoServer,
    context: Context,
    door: Egress,
    scrubber: Scrubber,
}

pub(super) async fn run(
    name: &str,
    application: &str,
    recipients: &[String],
    files: &Files,
) -> anyhow::Result<ExitCode> {
    egress::install_provider();
    let settings = Settings::load(None)?;
    let (input, repo_server) = files.input_with_repo_server()?;
    let config = Configuration::load(&input, None, &super::load_options());
    let options: Vec<String> = config.services().values().flat_map(|one| service::secret_values(one)).collect();
    let secrets = input.secret.values().map(Vec::as_slice).chain(options.iter().map(String::as_bytes));
    let run = Run {
        scrubber: Scrubber::new(secrets),
        config,
        object: manifests::application(application)?,
        repo_server,
        context: serve::service_context(&settings),
        door: Egress::new(serve::policy(&settings, true)?),
    };
    let mut code = ExitCode::SUCCESS;
    for recipient in recipients {
        match run.notify(name, recipient).await {
            Ok(said) => print!("{said}"),
            Err(error) => {
                eprintln!("gatepost: failed to notify '{recipient}': {}", run.scrubber.scrub(&format!("{error:#}")));
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

impl Run {
    /// What is told of a success.
    async fn notify(&self, name: &str, recipient: &str) -> anyhow::Result<String> {
        let (service, to) = recipient.split_once(':').unwrap_or((recipient, ""));
        let to = Destination { service: service.to_owned(), recipient: to.to_owned() };
        let notification = self.render(name, &to).await?;
        if to.service == CONSOLE && self.config.service(CONSOLE).is_none() {
            return Ok(go_yaml::print(&shown(&notification)));
        }
        let verdict = self.send(&notification, to).await?;
        told(recipient, verdict, &self.scrubber)
    }

    async fn render(&self, name: &str, to: &Destination) -> anyhow::Result<Notification> {
        let names = [name.to_owned()];
        let look = |repository: &Arc<Repository>| {
            let render = |world: &notify::World<'_>| notify::evaluate::render_for(world, &names, to);
            template::with_world(&self.config, &self.object, repository, false, render)
        };
        let rendered = self.repo_server.consult(look).await;
        rendered.map_err(|failure| anyhow!(failure.message))
    }

    async fn send(&self, notification: &Notification, to: Destination) -> anyhow::Result<Verdict> {
        let Some(service) = self.config.service(&to.service) else {
            bail!("notification service '{}' is not supported; `gatepost check` says which are in order", to.service);
        };
        let occurrence = Occurrence {
            object: self.object.id(),
            config_namespace: String::new(),
            trigger: String::new(),
            condition_key: String::new(),
            once_per: String::new(),
            destination: to,
            arming: 0,
        };
        let prepared = service::prepare(service, notification, &occurrence, &self.context)?;
        let (now_ms, mut random) = (crate::clock::now().millis(), [0; 10]);
        rand::RngCore::fill_bytes(&mut rand::rng(), &mut random);
        let call = Call {
            config: service,
            payload: &prepared.payload,
            occurrence: &occurrence,
            delivery_id: &DeliveryId::new(now_ms, random).to_string(),
            now_ms,
            decided_ms: now_ms,
            memory: &BTreeMap::new(),
        };
        self.converse(&call).await
    }

    async fn converse(&self, call: &Call<'_>) -> anyhow::Result<Verdict> {
        let mut rounds: Vec<Vec<Answer>> = Vec::new();
        for _ in 0..ROUNDS_MAX {
            match service::step(call, &rounds)? {
                Step::Done(outcome) => return Ok(outcome.verdict),
                Step::Send(all) => {
                    rounds.push(
                        futures::future::join_all(all.into_iter().map(|one| self.answer(call.config, one))).await,
                    );
                }
            }
        }
        bail!("no end after {ROUNDS_MAX} rounds of requests")
    }

    async fn answer(&self, service: &ServiceConfig, one: Outgoing) -> Answer {
        match one {
            Outgoing::Http(request) | Outgoing::Reusable { request, .. } => self.door.send(&request).await,
            Outgoing::Mail(mail) => self.door.mail(&mail).await,
            Outgoing::Publish(message) => self.door.publish(&message).await,
            Outgoing::CommitStatus(_) => Err(egress::Error::Invalid(
                "a commit status is written by a running Gatepost only; nothing was sent".into(),
            )),
            Outgoing::Ambient(wanted) => controller::ambient(service, &wanted).await,
        }
    }
}

/// Success in words; everything else is an error.
fn told(recipient: &str, verdict: Verdict, scrubber: &Scrubber) -> anyhow::Result<String> {
    let cause = match verdict {
        Verdict::Delivered { reached, note } => {
            let reached = reached.map(|count| format!(", reached {count}")).unwrap_or_default();
            let note = note.map(|note| format!("; {}", scrubber.scrub(&note))).unwrap_or_default();
            return Ok(format!("{recipient}: delivered{reached}{note}\n"));
        }
        Verdict::Unknown { cause } => format!("it may have arrived: {cause}"),
        Verdict::Retry { cause, .. }
        | Verdict::SlowRetry { cause }
        | Verdict::Credentials { cause }
        | Verdict::Permanent { cause }
        | Verdict::Gone { cause } => cause,
    };
    bail!(cause)
}

/// What the Go controller would hold, and our own section if there is one.
fn shown(notification: &Notification) -> Value {
    let mut view = service::shown(notification, crate::clock::now().millis());
    if let Some(b) = &notification.backstage {
        let broadcast = if b.broadcast { "true" } else { "" };
        let fields = [
            ("entityRef", b.entity_ref.as_str()),
            ("broadcast", broadcast),
            ("title", &b.title),
            ("description", &b.description),
            ("link", &b.link),
            ("severity", &b.severity),
            ("topic", &b.topic),
            ("scope", &b.scope),
            ("icon", &b.icon),
        ];
        let filled = fields.into_iter().filter(|(_, text)| !text.is_empty());
        view["backstage"] = Value::Object(filled.map(|(name, text)| (name.to_owned(), json!(text))).collect());
    }
    view
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_a_delivery_is_a_success() {
        let scrubber = Scrubber::new([b"s3cret".as_slice()]);
        let delivered = Verdict::Delivered { reached: Some(2), note: Some("not s3cret".into()) };
        assert_eq!(told("a:b", delivered, &scrubber).unwrap(), "a:b: delivered, reached 2; not [secret]\n");
        let unknown = Verdict::Unknown { cause: "no answer".into() };
        assert_eq!(told("a:b", unknown, &scrubber).unwrap_err().to_string(), "it may have arrived: no answer");
        assert!(told("a:b", Verdict::SlowRetry { cause: "404".into() }, &scrubber).is_err());
    }
}

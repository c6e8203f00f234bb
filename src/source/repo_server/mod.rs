//! Argo CD's repo-server: what only the repositories know (`spec/notifications.md` 4.1, `repo.*`).
//!
//! The operator set its address, so it is outside the egress guard. Each question is asked once and its answer kept for a
//! while, bounded; a call has five seconds; a server that does not answer is left alone for a moment, so that nobody
//! waits for it in a row. What conditions and templates make of an answer is decided elsewhere.

mod cache;
mod channel;
mod credentials;
mod pause;
mod secret;
mod source;
mod wire;
mod wire_source;

pub use channel::{Settings, Tls};
pub use credentials::Keyring;

use crate::notify::Repository;
use crate::notify::repository::{Answer, Commit, Failure, Question};
use cache::Cache;
use credentials::Material;
use gatepost_value::Time;
use gatepost_value::namespace::{AppDetails, FileParameter, HelmDetails, Parameter};
use pause::Pause;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Status};
use wire_source::HelmParameter;

/// Longest that one call takes, as in the Go controller.
const CALL: Duration = Duration::from_secs(5);
/// Largest answer.
const MOST_BYTES: usize = 16 << 20;
/// Rounds of questions that one look has: each answer may lead to the next question.
const ROUNDS: usize = 8;
/// Questions that one look has.
const QUESTIONS: usize = 32;
/// How long Secrets and ConfigMap are believed before they are read again.
const MATERIAL: Duration = Duration::from_secs(10);

const COMMIT: &str = "/repository.RepoServerService/GetRevisionMetadata";
const DETAILS: &str = "/repository.RepoServerService/GetAppDetails";

/// What is said where no repo-server is configured.
const ABSENT: &str = "repo.GetCommitMetadata and repo.GetAppDetails need Argo CD's repo-server: name it with --argocd-repo-server HOST:PORT";

/// The repo-server cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be understood.
    #[error("--argocd-repo-server {0:?} is no address; write HOST:PORT, for example argocd-repo-server:8081")]
    Address(String),
    /// A file of certificates or keys.
    #[error("failed to read {what} {path} for the repo-server: {cause}")]
    File {
        /// What it should hold.
        what: &'static str,
        /// Which file.
        path: String,
        /// Why.
        cause: String,
    },
    /// Certificate and key do not belong together, or only one of them is named.
    #[error("failed to use the client certificate for the repo-server: {0}")]
    ClientCertificate(String),
    /// TLS as a whole.
    #[error("failed to set up TLS for the repo-server: {0}")]
    Tls(#[from] rustls::Error),
}

/// The repo-server, or none.
pub struct RepoServer(Result<Client, Arc<Repository>>);

struct Client {
    address: String,
    channel: Channel,
    keyring: Keyring,
    material: tokio::sync::Mutex<Option<(Instant, Arc<Material>)>>,
    cache: Cache,
    pause: Mutex<Pause>,
}

impl RepoServer {
    /// No repo-server: every question says how to configure one.
    #[must_use]
    pub fn absent() -> Self {
        Self(Err(Repository::absent(ABSENT)))
    }

    /// A client that connects when it is first asked.
    ///
    /// # Errors
    /// The address or the certificates cannot be used.
    pub fn new(settings: Settings, keyring: Keyring) -> Result<Self, Error> {
        let (address, channel) = (settings.address.clone(), channel::open(settings)?);
        Ok(Self(Ok(Client {
            address,
            channel,
            keyring,
            material: tokio::sync::Mutex::default(),
            cache: Cache::default(),
            pause: Mutex::default(),
        })))
    }

    /// Looks, asks what came up, and looks again until nothing is open. Only the last look counts.
    pub async fn consult<T>(&self, mut look: impl FnMut(&Arc<Repository>) -> T) -> T {
        let client = match &self.0 {
            Ok(client) => client,
            Err(absent) => return look(absent),
        };
        let (repository, mut asked) = (Arc::new(Repository::default()), 0);
        for _ in 0..ROUNDS {
            let seen = look(&repository);
            let open = repository.take_open();
            asked += open.len();
            if open.is_empty() {
                return seen;
            }
            if asked > QUESTIONS {
                break;
            }
            let asking = open.into_iter().map(|question| async {
                let answer = client.answer(&question).await;
                repository.learn(question, answer);
            });
            futures::future::join_all(asking).await;
        }
        repository.close(&format!("more than {QUESTIONS} questions, or {ROUNDS} rounds of them, to the repo-server"));
        look(&repository)
    }
}

impl Client {
    async fn answer(&self, question: &Question) -> Result<Answer, Failure> {
        self.cache.get(question, || self.ask(question)).await
    }

    async fn ask(&self, question: &Question) -> Result<Answer, Failure> {
        if let Some(text) = self.pause().stands(Instant::now()) {
            return Err(Failure { text, passing: true });
        }
        let material = self.material().await;
        let called = match question {
            Question::Commit { url, project, revision } => self.commit(&material, url, project, revision).await,
            Question::Details { application, project, source, .. } => {
                self.details(&material, application, project, source).await
            }
        };
        called.map_err(|fault| self.failed(question, fault, &material)).inspect(|_| self.pause().answered())
    }

    async fn commit(&self, material: &Material, url: &str, project: &str, revision: &str) -> Result<Answer, Fault> {
        let repo = material.repository(url, project).map_err(Fault::Own)?;
        let request = wire::RevisionMetadataRequest { repo: Some(repo), revision: revision.to_owned() };
        let found: wire::RevisionMetadata = self.call(COMMIT, request).await?;
        // Go reads whole seconds only, and no date as the zero time.
        let date = found.date.map_or_else(Time::zero, |date| Time::unix(date.seconds, 0));
        Ok(Answer::Commit(Commit { message: found.message, author: found.author, date, tags: found.tags }))
    }

    async fn details(
        &self,
        material: &Material,
        application: &str,
        project: &str,
        source: &str,
    ) -> Result<Answer, Fault> {
        let source = source::parse(source).map_err(Fault::Own)?;
        let request = wire::AppDetailsQuery {
            repo: Some(material.repository(&source.repo_url, project).map_err(Fault::Own)?),
            repos: material.helm_repositories().map_err(Fault::Own)?,
            kustomize_options: Some(material.kustomize_options()),
            helm_options: Some(material.helm_options()),
            app_name: application.to_owned(),
            source: Some(source.clone()),
        };
        let found: wire::AppDetailsResponse = self.call(DETAILS, request).await?;
        let size = prost::Message::encoded_len(&found);
        let overrides = source.helm.map(|helm| helm.parameters).unwrap_or_default();
        Ok(Answer::Details { value: details(found, overrides).value(), size })
    }

    /// One unary call. A connection that broke while idle shows itself at the next call, so there is a second try.
    async fn call<Q, A>(&self, path: &'static str, request: Q) -> Result<A, Fault>
    where
        Q: prost::Message + Clone + Default + 'static,
        A: prost::Message + Default + 'static,
    {
        let calling = async {
            match self.call_once(path, request.clone()).await {
                Err(status) if status.code() == Code::Unavailable => self.call_once(path, request).await,
                outcome => outcome,
            }
        };
        match tokio::time::timeout(CALL, calling).await {
            Ok(outcome) => outcome.map_err(|status| match status.code() {
                // The same deadline, noticed by tonic or by the repo-server.
                Code::DeadlineExceeded | Code::Cancelled => Fault::Late,
                _ => Fault::Status(status),
            }),
            Err(_) => Err(Fault::Late),
        }
    }

    async fn call_once<Q, A>(&self, path: &'static str, request: Q) -> Result<A, Status>
    where
        Q: prost::Message + Clone + Default + 'static,
        A: prost::Message + Default + 'static,
    {
        let mut grpc = tonic::client::Grpc::new(self.channel.clone()).max_decoding_message_size(MOST_BYTES);
        grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
        let mut request = tonic::Request::new(request);
        request.set_timeout(CALL);
        let codec = tonic_prost::ProstCodec::<Q, A>::default();
        grpc.unary(request, PathAndQuery::from_static(path), codec).await.map(tonic::Response::into_inner)
    }

    async fn material(&self) -> Arc<Material> {
        let mut held = self.material.lock().await;
        if let Some((read, material)) = &*held
            && read.elapsed() < MATERIAL
        {
            return Arc::clone(material);
        }
        let material = Arc::new(self.keyring.read().await);
        *held = Some((Instant::now(), Arc::clone(&material)));
        material
    }

    fn failed(&self, question: &Question, fault: Fault, material: &Material) -> Failure {
        let (what, address) = (told(question), &self.address);
        let missing = material.missing.iter().map(|missing| format!("; {missing}")).collect::<String>();
        let (cause, advice, passing) = match &fault {
            Fault::Own(cause) => (cause.clone(), "", false),
            Fault::Late => (format!("no answer within {} s", CALL.as_secs()), "", true),
            Fault::Status(status) => (causes(status), advice(status.code()), passing(status.code())),
        };
        let text = format!("failed to ask the repo-server at {address} for {what}: {cause}{advice}{missing}");
        let text = material.scrub(text);
        match fault {
            Fault::Late => self.pause().late(Instant::now(), &text),
            Fault::Status(status) if status.code() == Code::Unavailable => self.pause().gone(Instant::now(), &text),
            _ => self.pause().answered(),
        }
        Failure { text, passing }
    }

    fn pause(&self) -> std::sync::MutexGuard<'_, Pause> {
        self.pause.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why there is no answer.
enum Fault {
    /// It was never asked: the question cannot be put.
    Own(String),
    /// The time was over.
    Late,
    /// Its refusal, or that of the connection.
    Status(Status),
}

/// Whether the same question may have an answer later: the repo-server says `Unknown` when Git does not answer it.
const fn passing(code: Code) -> bool {
    !matches!(
        code,
        Code::InvalidArgument
            | Code::NotFound
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::Unimplemented
            | Code::OutOfRange
    )
}

const fn advice(code: Code) -> &'static str {
    match code {
        Code::Unavailable => {
            "; check --argocd-repo-server, its TLS flags, and that network policies let this pod reach it"
        }
        Code::Unauthenticated | Code::PermissionDenied => {
            "; check the client certificate (--repo-server-client-cert-path)"
        }
        _ => "",
    }
}

/// A refusal with its causes: tonic's own words for a connection are only "transport error".
fn causes(status: &Status) -> String {
    let mut out = status.message().to_owned();
    let mut at = std::error::Error::source(status);
    while let Some(cause) = at {
        let text = cause.to_string();
        if !out.contains(&text) && text != "transport error" {
            out = format!("{out}: {text}");
        }
        at = cause.source();
    }
    if out.is_empty() { status.code().to_string() } else { out }
}

fn told(question: &Question) -> String {
    match question {
        Question::Commit { url, revision, .. } => format!("commit {revision} of {}", credentials::without_user(url)),
        Question::Details { application, .. } => format!("the source of {application}"),
    }
}

fn details(found: wire::AppDetailsResponse, overrides: Vec<HelmParameter>) -> AppDetails {
    let parameter = |p: HelmParameter| Parameter { name: p.name, value: p.value, force_string: p.force_string };
    let helm = found.helm.map(|helm| HelmDetails {
        name: helm.name,
        value_files: helm.value_files,
        parameters: helm.parameters.into_iter().map(parameter).collect(),
        values: helm.values,
        file_parameters: helm
            .file_parameters
            .into_iter()
            .map(|file| FileParameter { name: file.name, path: file.path })
            .collect(),
        overrides: overrides.into_iter().map(parameter).collect(),
    });
    AppDetails {
        kind: found.r#type,
        helm,
        kustomize: found.kustomize.map(|kustomize| kustomize.images),
        directory: found.directory.is_some(),
    }
}

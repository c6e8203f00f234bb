//! A gRPC server in the place of Argo CD's repo-server: it answers what a test says and remembers what it was asked.
//!
//! Its messages are written down here once more, from Argo CD's public `.proto` files, so that a wrong field number of
//! Gatepost's own cannot hide.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tonic::body::Body;
use tonic::codegen::http::{Request as HttpRequest, Response as HttpResponse};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::Service;

/// `v1alpha1.Repository`, as far as tests look at it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Repository {
    #[prost(string, tag = "1")]
    pub repo: String,
    #[prost(string, tag = "2")]
    pub username: String,
    #[prost(string, tag = "3")]
    pub password: String,
    #[prost(bool, tag = "13")]
    pub inherited: bool,
    #[prost(string, tag = "20")]
    pub project: String,
}

/// `repository.RepoServerRevisionMetadataRequest`
#[derive(Clone, PartialEq, prost::Message)]
pub struct CommitQuestion {
    #[prost(message, optional, tag = "1")]
    pub repo: Option<Repository>,
    #[prost(string, tag = "2")]
    pub revision: String,
}

/// `v1alpha1.RevisionMetadata`
#[derive(Clone, PartialEq, prost::Message)]
struct Commit {
    #[prost(string, tag = "1")]
    author: String,
    #[prost(message, optional, tag = "2")]
    date: Option<Time>,
    #[prost(string, repeated, tag = "3")]
    tags: Vec<String>,
    #[prost(string, tag = "4")]
    message: String,
    /// `signatureInfo`, which nobody here reads.
    #[prost(string, tag = "5")]
    signature: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Time {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// `v1alpha1.ApplicationSource`, as far as tests look at it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Source {
    #[prost(string, tag = "1")]
    pub url: String,
    #[prost(string, tag = "2")]
    pub path: String,
    #[prost(string, tag = "4")]
    pub target: String,
}

/// `repository.RepoServerAppDetailsQuery`
#[derive(Clone, PartialEq, prost::Message)]
pub struct DetailsQuestion {
    #[prost(message, optional, tag = "1")]
    pub repo: Option<Repository>,
    #[prost(message, optional, tag = "2")]
    pub source: Option<Source>,
    #[prost(string, tag = "5")]
    pub app_name: String,
}

/// `repository.RepoAppDetailsResponse`
#[derive(Clone, PartialEq, prost::Message)]
struct Details {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(message, optional, tag = "3")]
    helm: Option<Helm>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Helm {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "4")]
    parameters: Vec<Parameter>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Parameter {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// What the server does with a question.
#[derive(Debug, Clone)]
pub enum Manner {
    /// Answers.
    Answer,
    /// Never answers.
    Hang,
    /// Refuses.
    Refuse(Status),
}

#[derive(Default)]
struct Asked {
    commits: Vec<CommitQuestion>,
    details: Vec<DetailsQuestion>,
}

/// The server. Stops when dropped.
pub struct RepoServer {
    address: SocketAddr,
    state: State,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct State {
    asked: Arc<Mutex<Asked>>,
    manner: Arc<Mutex<Manner>>,
}

/// The commit that the server knows for every revision: 2026-01-02T03:04:05Z.
pub const COMMITTED: i64 = 1_767_323_045;

impl RepoServer {
    /// Starts one, with TLS if there is something to show.
    pub async fn start(tls: Option<rustls::ServerConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { asked: Arc::default(), manner: Arc::new(Mutex::new(Manner::Answer)) };
        let acceptor = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        let incoming = futures::stream::unfold((listener, acceptor), |(listener, acceptor)| async {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let connection: Box<dyn Stream> = match &acceptor {
                    None => Box::new(tcp),
                    // A handshake that fails is the client's to tell.
                    Some(acceptor) => match acceptor.accept(tcp).await {
                        Ok(stream) => Box::new(stream),
                        Err(_) => continue,
                    },
                };
                return Some((Ok::<_, std::io::Error>(Connection(connection)), (listener, acceptor)));
            }
        });
        let service = Answering(state.clone());
        let serving = tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming);
        let task = tokio::spawn(async move { serving.await.unwrap() });
        Self { address, state, task }
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// From now on it behaves so.
    pub fn behave(&self, manner: Manner) {
        *self.state.manner.lock().unwrap() = manner;
    }

    /// What it was asked about commits.
    pub fn commits(&self) -> Vec<CommitQuestion> {
        self.state.asked.lock().unwrap().commits.clone()
    }

    /// What it was asked about sources.
    pub fn details(&self) -> Vec<DetailsQuestion> {
        self.state.asked.lock().unwrap().details.clone()
    }
}

impl Drop for RepoServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    async fn answer<T>(self, answer: T) -> Result<Response<T>, Status> {
        let manner = self.manner.lock().unwrap().clone();
        match manner {
            Manner::Answer => Ok(Response::new(answer)),
            Manner::Hang => futures::future::pending().await,
            Manner::Refuse(status) => Err(status),
        }
    }
}

struct GetCommit(State);

impl UnaryService<CommitQuestion> for GetCommit {
    type Response = Commit;
    type Future = BoxFuture<'static, Result<Response<Commit>, Status>>;
    fn call(&mut self, request: Request<CommitQuestion>) -> Self::Future {
        let question = request.into_inner();
        let commit = Commit {
            author: "Ada <ada@example.com>".into(),
            date: Some(Time { seconds: COMMITTED, nanos: 0 }),
            tags: vec!["v1.2".into()],
            message: format!("fix \"it\" at {}", question.revision),
            signature: "unread".into(),
        };
        self.0.asked.lock().unwrap().commits.push(question);
        Box::pin(self.0.clone().answer(commit))
    }
}

struct GetDetails(State);

impl UnaryService<DetailsQuestion> for GetDetails {
    type Response = Details;
    type Future = BoxFuture<'static, Result<Response<Details>, Status>>;
    fn call(&mut self, request: Request<DetailsQuestion>) -> Self::Future {
        self.0.asked.lock().unwrap().details.push(request.into_inner());
        let parameters = vec![Parameter { name: "image.tag".into(), value: "1.2.3".into() }];
        let details = Details { kind: "Helm".into(), helm: Some(Helm { name: "shop".into(), parameters }) };
        Box::pin(self.0.clone().answer(details))
    }
}

#[derive(Clone)]
struct Answering(State);

impl NamedService for Answering {
    const NAME: &'static str = "repository.RepoServerService";
}

impl Service<HttpRequest<Body>> for Answering {
    type Response = HttpResponse<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<HttpResponse<Body>, Infallible>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, request: HttpRequest<Body>) -> Self::Future {
        let state = self.0.clone();
        Box::pin(async move {
            Ok(match request.uri().path() {
                "/repository.RepoServerService/GetRevisionMetadata" => {
                    Grpc::new(ProstCodec::default()).unary(GetCommit(state), request).await
                }
                "/repository.RepoServerService/GetAppDetails" => {
                    Grpc::new(ProstCodec::default()).unary(GetDetails(state), request).await
                }
                other => panic!("the repo-server has no {other}"),
            })
        })
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection with or without TLS.
struct Connection(Box<dyn Stream>);

impl Connected for Connection {
    type ConnectInfo = ();
    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

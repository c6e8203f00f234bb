//! The listener for those outside: callbacks of approvals, Gatepost's own token endpoint, and the API of approvals. Who calls is
//! known before a body is read; a body is bounded, and nothing of a credential is ever answered or logged.

mod approvals;
mod run;
mod tls;
mod token;

use super::{address, problem};
use crate::controller::approval::Desk;
use crate::egress::address::Cidr;
use crate::gate::approval::Reply;
use actix_web::http::{StatusCode, header};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::Server, web};
use std::net::{IpAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Time that a caller has for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections at once, in each worker.
const CONNECTIONS_MAX: usize = 2048;
/// Workers.
const WORKERS: usize = 2;

/// PEM files of the certificate chain and its key; read again when they change.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The chain, the server's own first.
    pub chain: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// How the listener is reached.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// Its certificate; without one there is no TLS.
    pub certificate: Option<Certificate>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Cidr>,
}

/// The proxies, for the handlers.
struct Trusted(Vec<Cidr>);

/// The listener cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Socket.
    #[error("failed to serve callbacks: {0}")]
    Listen(#[from] std::io::Error),
    /// Certificate.
    #[error(transparent)]
    Certificate(#[from] tls::Error),
}

/// Serves callbacks; with a certificate over TLS. `more` adds what else is to be heard on this listener.
///
/// # Errors
/// The socket or the certificate cannot be used.
pub fn callbacks(
    listener: TcpListener,
    desk: Arc<Desk>,
    reach: Reach,
    more: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
) -> Result<Server, Error> {
    let trusted = web::Data::new(Trusted(reach.trusted_proxies));
    let app = move || {
        App::new()
            .app_data(web::Data::from(Arc::clone(&desk)))
            .app_data(trusted.clone())
            .app_data(web::QueryConfig::default().error_handler(problem::bad_query))
            .app_data(web::JsonConfig::default().limit(approvals::BODY_MAX).error_handler(problem::bad_body))
            .wrap(actix_web::middleware::from_fn(super::api::problems))
            .configure(routes)
            .configure(crate::server::assets::routes)
            .configure(more.clone())
            .route("/healthz", web::get().to(|| async { HttpResponse::Ok().body("ok\n") }))
            .default_service(web::to(problem::not_found))
    };
    let server = HttpServer::new(app)
        .workers(WORKERS)
        .max_connections(CONNECTIONS_MAX)
        .client_request_timeout(HEAD_TIMEOUT)
        .disable_signals()
        .shutdown_timeout(8);
    let server = match reach.certificate {
        Some(certificate) => server.listen_rustls_0_23(listener, tls::config(certificate)?)?,
        None => server.listen(listener)?,
    };
    Ok(server.run())
}

/// Adds the routes; the API listener has those of approvals as well.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/callbacks/v1/runs/{id}").route(web::post().to(run::answer)).route(web::get().to(run::page)),
        )
        .route("/oauth/token", web::post().to(token::issue))
        .route("/oauth/jwks", web::get().to(token::keys))
        .route("/.well-known/oauth-authorization-server", web::get().to(token::about))
        .route("/login/methods", web::get().to(methods))
        .configure(approvals::routes);
}

/// How people log in, for `gatepost login`.
async fn methods(desk: web::Data<Desk>) -> HttpResponse {
    HttpResponse::Ok().json(super::auth::login_methods(desk.people.as_deref()))
}

/// The address that a request came from.
fn from(request: &HttpRequest) -> IpAddr {
    let trusted = request.app_data::<web::Data<Trusted>>();
    address::of(request, trusted.map_or(&[], |trusted| trusted.0.as_slice()))
}

/// The token of `Authorization: Bearer …`; one header only.
fn bearer(request: &HttpRequest) -> Option<&str> {
    let mut all = request.headers().get_all(header::AUTHORIZATION);
    let (first, second) = (all.next()?, all.next());
    let (scheme, token) = first.to_str().ok()?.split_once(' ')?;
    (second.is_none() && scheme.eq_ignore_ascii_case("bearer")).then(|| token.trim())
}

fn answered(reply: Reply) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = HttpResponse::build(status);
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    if let Some(seconds) = reply.retry_after {
        answer.insert_header((header::RETRY_AFTER, seconds.to_string()));
    }
    if status == StatusCode::UNAUTHORIZED {
        answer.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
    }
    if reply.status >= 400 {
        answer.content_type("application/problem+json");
    }
    answer.json(reply.body)
}

//! The client for the API server: kube's own, with connections that do not wait.
//!
//! It decides how a connection is made and nothing else. kube's default leaves Nagle's algorithm on: the body of a PATCH then waits until the
//! API server has acknowledged its head, which takes it 40 ms. Go's clients switch it off, and so does this one.

use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::retry::RetryPolicy;
use kube::client::{Body, ConfigExt as _};
use kube::{Client, Config};
use tower::limit::ConcurrencyLimitLayer;
use tower::retry::RetryLayer;
use tower::{BoxError, ServiceBuilder};
use tower_http::decompression::DecompressionLayer;

/// Requests that wait for the head of their answer at once. A server answers no more of them any sooner, and each connection that a burst
/// leaves behind holds tens of kilobytes.
const AT_ONCE: usize = 16;

/// A client as `kube::Client::try_from` makes it, without a wait between the head and the body of a request.
///
/// # Errors
/// What kube says of credentials, certificates or a proxy that cannot be used.
pub fn client(config: Config) -> Result<Client, kube::Error> {
    if config.proxy_url.is_some() {
        return Client::try_from(config);
    }
    let connections = legacy::Client::builder(TokioExecutor::new()).build::<_, Body>(connector(&config)?);
    let retry = config.default_retry.then(|| RetryLayer::new(RetryPolicy::server_retry()));
    let unpacked = DecompressionLayer::new().gzip(!config.disable_compression);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .layer(unpacked)
        .option_layer(retry)
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .layer(ConcurrencyLimitLayer::new(AT_ONCE))
        .map_err(BoxError::from)
        .service(connections);
    Ok(Client::new(service, config.default_namespace))
}

type Connector = TimeoutConnector<hyper_rustls::HttpsConnector<HttpConnector>>;

fn connector(config: &Config) -> Result<Connector, kube::Error> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let mut connector = TimeoutConnector::new(config.rustls_https_connector_with_connector(tcp)?);
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_write_timeout(config.write_timeout);
    connector.set_reset_reader_on_write(config.reset_reader_on_write);
    Ok(connector)
}

//! `gatepost login` and `gatepost logout`: OpenID Connect's device flow (RFC 8628), so that a person logs in with a browser anywhere, and
//! this machine gets a token without ever seeing a password.

use super::logins::{self, Login};
use crate::controller::identity::{Discovery, Issuers};
use crate::egress::{self, Egress, Policy, Request, Transport};
use anyhow::{Context as _, bail};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Seconds between two questions where the issuer says nothing.
const INTERVAL: u64 = 5;
/// Seconds that a person has where the issuer says nothing.
const PATIENCE: u64 = 600;
/// What is asked for where the server says nothing.
const SCOPES: [&str; 3] = ["openid", "profile", "email"];
/// Asks for a refresh token, so that a login outlives its first token.
const OFFLINE: &str = "offline_access";

/// Which server.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// Address of the running Gatepost, as the other commands name it: of its API, or of its callbacks listener for `gatepost approvals`.
    #[arg(long, env = "GATEPOST_SERVER_URL", default_value = super::client::DEFAULT)]
    server: String,
}

/// What `gatepost login` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  gatepost login --server https://gatepost.example.com")]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Issuer; without it the one that the server names.
    #[arg(long, requires = "client_id")]
    issuer: Option<String>,
    /// Client at the issuer.
    #[arg(long, requires = "issuer")]
    client_id: Option<String>,
}

/// Where somebody logs in.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Way {
    issuer: String,
    client_id: String,
    #[serde(default)]
    scopes: Vec<String>,
}

/// What the issuer says at the beginning.
#[derive(Deserialize)]
struct Device {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: Option<u64>,
    interval: Option<u64>,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    egress::install_provider();
    let door = Arc::new(Egress::new(Policy { loopback_allowed: true, ..Policy::default() }));
    let server = logins::normal(&arguments.place.server);
    let mut way = match arguments.issuer.zip(arguments.client_id) {
        Some((issuer, client_id)) => Way { issuer, client_id, scopes: SCOPES.map(str::to_owned).to_vec() },
        None => named(&door, &server).await?,
    };
    let issuers = Issuers::new(door, String::new());
    let discovery = issuers.discover("", &way.issuer).await;
    let discovery = discovery.map_err(|cause| anyhow::anyhow!("the issuer {} cannot be asked: {cause}", way.issuer))?;
    check(&way, &discovery)?;
    if discovery.scopes_supported.iter().any(|scope| scope == OFFLINE)
        && !way.scopes.iter().any(|scope| scope == OFFLINE)
    {
        way.scopes.push(OFFLINE.to_owned());
    }
    let device = begin(&issuers, &way, &discovery).await?;
    tell(&device);
    let tokens = wait(&issuers, &way, &discovery, &device).await?;
    let login = Login {
        server: server.clone(),
        client_id: way.client_id,
        token_endpoint: discovery.token_endpoint,
        id_token: tokens["id_token"]
            .as_str()
            .context("the issuer gave no id_token: ask it for the scope openid")?
            .to_owned(),
        refresh_token: tokens["refresh_token"].as_str().unwrap_or_default().to_owned(),
    };
    let path = logins::keep(&login)?;
    println!("Logged in at {server}; kept in {}.", path.display());
    Ok(ExitCode::SUCCESS)
}

pub(super) fn forget(place: &Place) -> anyhow::Result<ExitCode> {
    let server = logins::normal(&place.server);
    match logins::forget(&server)? {
        true => println!("The login at {server} is forgotten."),
        false => println!("There is no login at {server}."),
    }
    Ok(ExitCode::SUCCESS)
}

/// The issuer that a server names.
async fn named(door: &Egress, server: &str) -> anyhow::Result<Way> {
    let request = Request {
        method: "GET".into(),
        url: format!("{server}/login/methods"),
        headers: Vec::new(),
        body: Bytes::new(),
        transport: Transport { owner: "cli".into(), ..Transport::default() },
    };
    let answer = door.send(&request).await;
    let answer = answer.with_context(|| format!("no running Gatepost at {server}; name it with --server"))?;
    let value: Value = serde_json::from_slice(&answer.body)
        .with_context(|| format!("{server} does not answer like Gatepost (status {})", answer.status))?;
    if answer.status != 200 {
        bail!("{server} does not say how to log in: {}", value["detail"].as_str().unwrap_or("no reason is given"));
    }
    if value["oidc"].is_null() {
        bail!("{server} names no issuer (auth.issuer): use --token or --token-file with the other commands");
    }
    serde_json::from_value(value["oidc"].clone()).context("the server's answer cannot be read")
}

/// A device code and a refresh token are for the issuer's ears.
fn check(way: &Way, discovery: &Discovery) -> anyhow::Result<()> {
    if discovery.device_authorization_endpoint.is_empty() {
        bail!("the issuer {} has no device flow: bring a token by --token-file", way.issuer);
    }
    let plain = way.issuer.starts_with("http://");
    for endpoint in [&discovery.device_authorization_endpoint, &discovery.token_endpoint] {
        if !endpoint.starts_with("https://") && !plain {
            bail!("the issuer {} names {endpoint:?}, which is not https", way.issuer);
        }
    }
    let here = url::Url::parse(&way.issuer).ok().and_then(|url| url.host_str().map(str::to_owned));
    let is_here = here
        .is_some_and(|host| host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()));
    if plain && !is_here {
        bail!("the issuer {} is not https: whoever is on the way could log in as you", way.issuer);
    }
    Ok(())
}

async fn begin(issuers: &Issuers, way: &Way, discovery: &Discovery) -> anyhow::Result<Device> {
    let scopes = way.scopes.join(" ");
    let form = [("client_id", way.client_id.as_str()), ("scope", scopes.as_str())];
    let answer = issuers.post("", discovery.device_authorization_endpoint.clone(), &form, None).await;
    let (status, answer) =
        answer.map_err(|cause| anyhow::anyhow!("the issuer {} did not answer: {cause}", way.issuer))?;
    if status != 200 {
        bail!("the issuer {} refuses the client {}: {}", way.issuer, way.client_id, error_of(&answer));
    }
    serde_json::from_value(answer).context("the issuer's answer cannot be read")
}

fn tell(device: &Device) {
    let plain = |text: &str| text.chars().filter(|c| c.is_ascii_graphic()).collect::<String>();
    println!("Open {} and enter the code {}.", plain(&device.verification_uri), plain(&device.user_code));
    if let Some(whole) = &device.verification_uri_complete {
        println!("Or open {}, and see that it shows the same code.", plain(whole));
    }
}

/// Asks until the person has decided.
async fn wait(issuers: &Issuers, way: &Way, discovery: &Discovery, device: &Device) -> anyhow::Result<Value> {
    let end = Instant::now() + Duration::from_secs(device.expires_in.unwrap_or(PATIENCE));
    let mut interval = Duration::from_secs(device.interval.unwrap_or(INTERVAL).max(1));
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", device.device_code.as_str()),
        ("client_id", way.client_id.as_str()),
    ];
    while Instant::now() < end {
        tokio::time::sleep(interval).await;
        let answer = issuers.post("", discovery.token_endpoint.clone(), &form, None).await;
        match next(answer) {
            Next::Done(tokens) => return Ok(tokens),
            Next::Again => {}
            Next::Slower => interval += Duration::from_secs(5),
            Next::Over(why) => bail!("the login came to nothing: {why}"),
        }
    }
    bail!("nobody entered the code in time: run the command again")
}

/// What follows from an answer of the issuer.
#[derive(Debug, PartialEq)]
enum Next {
    Done(Value),
    Again,
    Slower,
    Over(String),
}

fn next(answer: Result<(u16, Value), String>) -> Next {
    match answer {
        Ok((200, tokens)) => Next::Done(tokens),
        Ok((_, said)) => match said["error"].as_str() {
            Some("authorization_pending") => Next::Again,
            Some("slow_down") => Next::Slower,
            _ => Next::Over(error_of(&said)),
        },
        // A connection that broke says nothing about the person.
        Err(_) => Next::Slower,
    }
}

fn error_of(answer: &Value) -> String {
    let text = |name: &str| answer[name].as_str().unwrap_or_default();
    let said = format!("{} {}", text("error"), text("error_description"));
    let plain: String = said.trim().chars().filter(|c| !c.is_control()).take(200).collect();
    if plain.is_empty() { "no reason is given".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn the_issuers_answers_mean_what_the_standard_says() {
        let said = |error: &str| next(Ok((400, json!({"error": error}))));
        assert_eq!((said("authorization_pending"), said("slow_down")), (Next::Again, Next::Slower));
        assert_eq!(said("access_denied"), Next::Over("access_denied".into()));
        assert_eq!(said("expired_token"), Next::Over("expired_token".into()));
        assert_eq!(next(Err("broken".into())), Next::Slower);
        assert_eq!(next(Ok((200, json!({"id_token": "x"})))), Next::Done(json!({"id_token": "x"})));
        assert_eq!(next(Ok((500, json!({})))), Next::Over("no reason is given".into()));
    }

    #[test]
    fn only_an_issuer_that_nobody_can_listen_to_is_logged_in_at() {
        let way = |issuer: &str| Way { issuer: issuer.into(), client_id: "c".into(), scopes: Vec::new() };
        let at = |base: &str| Discovery {
            device_authorization_endpoint: format!("{base}/device"),
            token_endpoint: format!("{base}/token"),
            ..Discovery::default()
        };
        assert!(check(&way("https://i"), &at("https://i")).is_ok());
        assert!(check(&way("http://127.0.0.1:1"), &at("http://127.0.0.1:1")).is_ok());
        assert!(
            check(&way("https://i"), &at("http://i")).is_err() && check(&way("http://i"), &at("http://i")).is_err()
        );
        let told = check(&way("https://i"), &Discovery::default()).unwrap_err().to_string();
        assert!(told.contains("no device flow"), "{told}");
    }
}

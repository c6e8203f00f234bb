//! Which token a command shows to a running Gatepost: the one that is given, else that of a login at it, else that of this machine.

use super::logins;
use crate::egress::Egress;
use crate::server::auth::local_token;
use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Port of the API where nothing else is said.
const PORT: u16 = 8080;

/// A token that is given.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Credentials {
    /// Bearer token. Others on this machine can see command lines: better GATEPOST_TOKEN or --token-file. Without any, the login of
    /// `gatepost login` is used, or on the machine of the running Gatepost its own token.
    #[arg(long, env = "GATEPOST_TOKEN", hide_env_values = true, value_name = "TOKEN", global = true, value_parser = secret)]
    token: Option<SecretString>,
    /// File with a bearer token, such as `kubectl create token NAME --audience gatepost` prints.
    #[arg(long, env = "GATEPOST_TOKEN_FILE", value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
}

fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(SecretString::from(text.trim().to_owned()))
}

/// What `gatepost token` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  kubectl exec deployment/gatepost -- /gatepost token")]
pub(super) struct Arguments {
    /// Port of the API.
    #[arg(long, default_value_t = PORT)]
    port: u16,
}

/// Prints the token of this machine's Gatepost.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let token = local_token(arguments.port).with_context(|| {
        format!(
            "no Gatepost of this user has its API at port {} of this machine, or it asks for no login",
            arguments.port
        )
    })?;
    println!("{token}");
    Ok(ExitCode::SUCCESS)
}

impl Credentials {
    /// The token for a server; `None`: there is none.
    ///
    /// # Errors
    /// A file that cannot be read, a token that somebody on the way could read.
    pub(super) async fn of(&self, server: &str, egress: &Arc<Egress>) -> anyhow::Result<Option<SecretString>> {
        if let Some(token) = self.given()? {
            return Ok(Some(token));
        }
        let here = loopback_port(server);
        let may_be_shown = here.is_some() || server.starts_with("https://");
        if may_be_shown && let Some(token) = logins::token(server, egress).await {
            return Ok(Some(token));
        }
        Ok(here.and_then(local_token).map(SecretString::from))
    }

    /// The one of the command line or of the environment.
    pub(super) fn given(&self) -> anyhow::Result<Option<SecretString>> {
        if let Some(token) = self.token.as_ref().filter(|token| !token.expose_secret().is_empty()) {
            return Ok(Some(token.clone()));
        }
        let Some(path) = &self.token_file else { return Ok(None) };
        let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
        Ok(Some(SecretString::from(text.trim().to_owned())))
    }
}

/// The port of a URL whose host is this machine's loopback.
fn loopback_port(server: &str) -> Option<u16> {
    let url = url::Url::parse(server).ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    is_here.then(|| url.port_or_known_default()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_this_machine_is_for_this_machine() {
        for (server, port) in [
            ("http://127.0.0.1:8080", 8080),
            ("http://localhost:1", 1),
            ("http://[::1]:9", 9),
            ("http://localhost", 80),
        ] {
            assert_eq!(loopback_port(server), Some(port), "{server}");
        }
        for elsewhere in [
            "https://gatepost.example.com",
            "http://localhost.example.com:8080",
            "http://10.0.0.1:8080",
            "127.0.0.1:8080",
        ] {
            assert_eq!(loopback_port(elsewhere), None, "{elsewhere}");
        }
    }
}

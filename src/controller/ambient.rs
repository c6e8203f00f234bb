//! What the operator gave the process itself: environment variables and files, such as cloud credentials.
//!
//! Only the controller's own configuration is answered: what a tenant's asks is done with the tenant's reach. Answers are
//! credentials; they are never kept and never shown.

use crate::egress::{Error, Response};
use crate::notify::ServiceConfig;
use crate::service::{Ambient, Answer};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

/// Largest file that is read.
const FILE_MAX: u64 = 64 << 10;

/// Answers a question.
///
/// # Errors
/// Where a tenant's configuration asks.
pub async fn answer(service: &ServiceConfig, wanted: &Ambient) -> Answer {
    if !service.namespace.is_empty() {
        return Err(Error::Refused {
            target: "the controller's environment".into(),
            rule: format!(
                "the configuration of namespace '{}' may not use the controller's identity",
                service.namespace
            ),
            setting: "credentials to the service".into(),
        });
    }
    match wanted {
        Ambient::Variables(names) => Ok(response(200, variables(names))),
        Ambient::File(path) => Ok(match read(path).await {
            Ok(content) => response(200, content),
            Err(error) => response(404, error.to_string().into_bytes()),
        }),
    }
}

fn variables(names: &[&str]) -> Vec<u8> {
    let set = names.iter().filter_map(|name| std::env::var(name).ok().map(|value| ((*name).to_owned(), value.into())));
    serde_json::Value::Object(set.collect()).to_string().into_bytes()
}

async fn read(path: &str) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    tokio::fs::File::open(path).await?.take(FILE_MAX).read_to_end(&mut content).await?;
    Ok(content)
}

fn response(status: u16, body: Vec<u8>) -> Response {
    Response { status, headers: Vec::new(), body: body.into(), truncated: false, elapsed: Duration::ZERO }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn service(namespace: &str) -> ServiceConfig {
        let (name, kind, digest) = ("s".to_owned(), "awssqs".to_owned(), String::new());
        ServiceConfig { namespace: namespace.to_owned(), name, kind, options: serde_json::Value::Null, digest }
    }

    #[tokio::test]
    async fn a_tenant_never_gets_what_is_the_controllers() {
        for wanted in [Ambient::Variables(&["PATH"]), Ambient::File("/etc/hostname".into())] {
            let refused = answer(&service("team-a"), &wanted).await.unwrap_err();
            assert!(matches!(refused, Error::Refused { .. }), "{refused}");
            assert!(refused.to_string().contains("team-a"));
        }
    }

    #[tokio::test]
    async fn the_controllers_own_configuration_gets_what_is_there() {
        let found = answer(&service(""), &Ambient::Variables(&["PATH", "GATEPOST_SURELY_UNSET"])).await.unwrap();
        let found: serde_json::Value = serde_json::from_slice(&found.body).unwrap();
        assert!(found["PATH"].is_string() && found.get("GATEPOST_SURELY_UNSET").is_none());
        let missing = answer(&service(""), &Ambient::File("/nonexistent/key.json".into())).await.unwrap();
        assert_eq!(missing.status, 404);
    }
}

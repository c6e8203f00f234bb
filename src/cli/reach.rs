//! Whether egress would let the hosts of services be reached, by what their names resolve to here. Connects to nobody.

use crate::egress::Policy;
use crate::notify::ServiceConfig;
use serde_json::Value as Json;
use std::net::IpAddr;
use std::time::Duration;

/// How long a name may take to resolve.
const PATIENCE: Duration = Duration::from_secs(3);
/// Options that hold one URL.
const URLS: [&str; 6] = ["url", "apiURL", "apiUrl", "serverUrl", "endpointUrl", "enterpriseBaseURL"];
/// Options that hold a URL for each recipient.
const URLS_BY_RECIPIENT: [&str; 2] = ["recipientUrls", "webhooks"];

/// Why a host of a service is not reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Egress refuses it.
    Refused(String),
    /// Its name has no address here.
    Unresolved(String),
}

/// What is in the way of a service, one entry a host.
pub(super) async fn troubles(service: &ServiceConfig, policy: &Policy) -> Vec<Trouble> {
    let mut out = Vec::new();
    for (host, port) in endpoints(service) {
        out.extend(trouble(&host, port, policy).await);
    }
    out
}

async fn trouble(host: &str, port: u16, policy: &Policy) -> Option<Trouble> {
    let unresolved = |cause: String| Some(Trouble::Unresolved(format!("{host} cannot be resolved here ({cause})")));
    let addresses: Vec<IpAddr> = match host.parse() {
        Ok(ip) => vec![ip],
        Err(_) => match tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host, port))).await {
            Ok(Ok(found)) => found.map(|address| address.ip()).collect(),
            Ok(Err(error)) => return unresolved(error.to_string()),
            Err(_) => return unresolved(format!("no answer within {} s", PATIENCE.as_secs())),
        },
    };
    let refusals: Vec<_> = addresses.iter().filter_map(|ip| policy.judge(host, *ip, port).err()).collect();
    let refusal = refusals.first().filter(|_| refusals.len() == addresses.len())?;
    Some(Trouble::Refused(format!(
        "egress refuses {host}:{port}: {}; to allow it add {}",
        refusal.rule, refusal.setting
    )))
}

/// Hosts and ports that the options of a service name; those that are fixed in its kind are public.
fn endpoints(service: &ServiceConfig) -> Vec<(String, u16)> {
    let text = |name: &str| service.options.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
    let of_recipients = URLS_BY_RECIPIENT.iter().filter_map(|name| service.options.get(name)?.as_object());
    let of_recipients = of_recipients.flat_map(|urls| urls.values().filter_map(Json::as_str));
    let mut found: Vec<_> = URLS.iter().filter_map(|name| text(name)).chain(of_recipients).filter_map(of_url).collect();
    if service.kind == "email" {
        let port = service.options.get("port").and_then(Json::as_u64).and_then(|port| u16::try_from(port).ok());
        found.extend(text("host").map(|host| (host.to_owned(), port.unwrap_or(587))));
    }
    let targets = service.options.get("targets").and_then(Json::as_array).into_iter().flatten();
    found.extend(targets.filter_map(|target| of_url(&format!("http://{}", target.as_str()?))));
    found.sort();
    found.dedup();
    found
}

fn of_url(text: &str) -> Option<(String, u16)> {
    let url = url::Url::parse(text).ok()?;
    let port = url.port_or_known_default().or_else(|| (url.scheme() == "nats").then_some(4222))?;
    Some((url.host_str()?.trim_matches(['[', ']']).to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::serve;
    use crate::notify::{ConfigInput, Configuration};
    use crate::settings::Settings;

    async fn of(key: &str, text: &str) -> Vec<Trouble> {
        let policy = serve::policy(&Settings::load(None).unwrap(), false).unwrap();
        let configmap = [(key.to_owned(), text.to_owned())].into();
        let input = ConfigInput { configmap, ..ConfigInput::default() };
        let config = Configuration::load(&input, None, &crate::cli::load_options());
        let service = config.services().values().next().unwrap_or_else(|| panic!("{:?}", config.problems()));
        troubles(service, &policy).await
    }

    #[tokio::test]
    async fn hosts_that_egress_refuses_are_named_with_the_setting() {
        let found = of("service.webhook.meta", "url: http://169.254.169.254/x\n").await;
        assert!(matches!(&found[..], [Trouble::Refused(why)] if why.contains("egress.allow")), "{found:?}");
        assert_eq!(of("service.webhook.ok", "url: http://10.0.0.1/\n").await, []);
        let found =
            of("service.teams", "recipientUrls: {a: 'https://127.0.0.1/a', b: 'https://127.0.0.2:81/b'}\n").await;
        assert_eq!(found.len(), 2, "{found:?}");
        let found = of("service.email", "host: 127.0.0.1\nport: 25\nfrom: a@b.example\n").await;
        assert!(matches!(&found[..], [Trouble::Refused(why)] if why.contains("127.0.0.1:25")), "{found:?}");
        let found = of("service.alertmanager", "targets: ['127.0.0.1:9093']\n").await;
        assert_eq!(found.len(), 1, "{found:?}");
        let found = of("service.webhook.nobody", "url: http://nobody.invalid/\n").await;
        assert!(matches!(&found[..], [Trouble::Unresolved(_)]), "{found:?}");
    }
}

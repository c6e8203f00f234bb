//! `docs/security/egress.md` read as a test: every row of its tables is tried at the real door, and a row that is not
//! known here fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::client::Egress;
use super::policy::{Policy, Rule, Tenants};
use super::request::{Error, Request, Transport};
use super::resolver::Lookup;
use super::testing::{Peer, door, request};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const PAGE: &str = include_str!("../../docs/security/egress.md");

/// Rows of the table below a heading, each a list of cells.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let section = PAGE.split("\n## ").find(|section| section.starts_with(heading)).expect("the heading is there");
    let lines = section.lines().filter(|line| line.starts_with("| `"));
    let cells = |line: &str| -> Vec<String> {
        let inner = line.trim_matches('|').split(" |").map(|cell| cell.trim().trim_start_matches('|').trim());
        inner.map(|cell| cell.trim_matches('`').to_owned()).collect()
    };
    lines.map(cells).collect()
}

fn listed(entry: Option<&str>, tenant: &str) -> Policy {
    let allow: Vec<Rule> = entry.iter().map(|text| Rule::parse(text).unwrap()).collect();
    match tenant {
        "" => Policy { allow, ..Policy::default() },
        _ => {
            let namespaces = globset::Glob::new("team-*").unwrap().compile_matcher();
            Policy { tenants: vec![Tenants { namespaces, allow }], ..Policy::default() }
        }
    }
}

/// What the door says to a request, with a resolver that knows one address.
async fn asked(url: &str, address: IpAddr, tenant: &str, policy: Policy) -> Result<(), Error> {
    let lookup = Lookup::new(move |_| vec![SocketAddr::new(address, 0)]);
    let transport = Transport {
        tenant: tenant.to_owned(),
        // Long enough to be refused; nobody is there.
        connect_timeout: Duration::from_millis(30),
        answer_timeout: Duration::from_millis(30),
        ..Transport::default()
    };
    let request = Request { transport, ..request(url) };
    Egress::for_tests(policy, lookup, None).send(&request).await.map(drop)
}

#[tokio::test]
async fn every_address_of_the_table_is_refused_or_allowed_as_it_says() {
    let rows = rows("Addresses");
    assert!(rows.len() > 40, "{} rows", rows.len());
    for row in rows {
        let [url, address, platform, tenant, rule, entry] = row.as_slice() else { panic!("{row:?} has other cells") };
        let address: IpAddr = address.parse().unwrap_or_else(|_| panic!("{row:?}: {address} is no address"));
        for (namespace, expected) in [("", platform), ("team-a", tenant)] {
            let found = asked(url, address, namespace, listed(None, namespace)).await;
            match (expected.as_str(), found) {
                ("allowed", Err(error @ Error::Refused { .. })) => panic!("{url} by '{namespace}': {error}"),
                ("allowed", _) => {}
                ("refused", Err(Error::Refused { rule: said, setting, .. })) => {
                    assert!(said.contains(rule.as_str()), "{url} by '{namespace}': {said}");
                    assert!(setting.contains(entry.as_str()), "{url} by '{namespace}': {setting}");
                    let list = if namespace.is_empty() { "egress.allow" } else { "egress.tenants.\"team-a\"" };
                    assert!(setting.contains(list), "{setting}");
                    let advised = setting.split('"').nth(1).unwrap();
                    let again = asked(url, address, namespace, listed(Some(advised), namespace)).await;
                    assert!(!matches!(again, Err(Error::Refused { .. })), "{url} is refused in spite of {advised}");
                }
                (expected, found) => panic!("{url} by '{namespace}' is to be {expected}, and: {found:?}"),
            }
        }
    }
}

#[tokio::test]
async fn every_behaviour_of_the_table_has_a_case() {
    let ids: Vec<String> = rows("Behaviour").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(ids.len(), 17);
    for id in ids {
        match id.as_str() {
            "own-addresses" => own_addresses().await,
            "deny-is-stronger" => deny_is_stronger().await,
            "other-schemes" => unparsable(&["ftp://203.0.113.5/", "file:///etc/passwd", "gopher://x/", "//x"]).await,
            "zone-ids" => unparsable(&["http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/"]).await,
            "dns-changes" => dns_changes().await,
            "dns-several" => dns_several().await,
            "redirect-to-another-host" => redirect_to_another_host().await,
            "redirect-on-the-same-host" => redirect_on_the_same_host().await,
            // A handshake is needed for it: `tls_tests.rs`.
            "redirect-to-plain-http" => super::tls_tests::redirect_to_plain_http().await,
            "proxy-for-tenants" => proxy_for_tenants().await,
            "proxy-and-literals" => proxy_and_literals().await,
            "server-name" => super::tls_tests::a_server_name_is_no_address().await,
            "answer-size" => super::answer_tests::size().await,
            "answer-inflated" => super::answer_tests::inflated().await,
            "answer-headers" => super::answer_tests::headers().await,
            "answer-drips" => super::answer_tests::drips().await,
            "answer-never" => super::answer_tests::never().await,
            other => panic!("row `{other}` has no case"),
        }
    }
}

async fn own_addresses() {
    let own = Policy {
        own: vec![("203.0.113.9".parse().unwrap(), 6443)],
        own_names: vec![("db.example".into(), 5432)],
        ..Policy::default()
    };
    for (url, address) in [("https://203.0.113.9:6443/", "203.0.113.9"), ("http://db.example:5432/", "203.0.113.7")] {
        let address: IpAddr = address.parse().unwrap();
        let Err(Error::Refused { rule, setting, .. }) = asked(url, address, "", own.clone()).await else {
            panic!("{url} is reached")
        };
        assert!(rule.contains("Gatepost itself"), "{rule}");
        let allow = vec![Rule::parse(setting.split('"').nth(1).unwrap()).unwrap()];
        let again = asked(url, address, "", Policy { allow, ..own.clone() }).await;
        assert!(!matches!(again, Err(Error::Refused { .. })), "{again:?}");
    }
}

async fn deny_is_stronger() {
    let rule = || vec![Rule::parse("203.0.113.5").unwrap()];
    let policy = Policy { allow: rule(), deny: rule(), ..Policy::default() };
    let refused = asked("http://203.0.113.5/", "203.0.113.5".parse().unwrap(), "", policy).await.unwrap_err();
    assert!(refused.to_string().contains("is on egress.deny"), "{refused}");
}

async fn unparsable(urls: &[&str]) {
    for url in urls {
        let refused = asked(url, "203.0.113.5".parse().unwrap(), "", Policy::default()).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{url}: {refused:?}");
    }
}

/// A policy that knows two loopback addresses as one good and one bad.
fn only(address: &str) -> Policy {
    Policy { allow: vec![Rule::parse(address).unwrap()], ..Policy::default() }
}

async fn dns_changes() {
    let good = Peer::start("127.0.0.1", &["HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"]).await;
    let bad = Peer::start_at(SocketAddr::new("127.0.0.2".parse().unwrap(), good.port()), &[]).await;
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let lookup = Lookup::new(move |_| {
        let first = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
        let ip = if first { "127.0.0.1" } else { "127.0.0.2" };
        vec![SocketAddr::new(ip.parse().unwrap(), 0)]
    });
    let egress = Egress::for_tests(only("127.0.0.1"), lookup, None);
    let url = format!("http://changes.example:{}/", good.port());
    assert_eq!(egress.send(&request(&url)).await.unwrap().status, 200);
    let second = egress.send(&request(&url)).await;
    assert!(matches!(second, Err(Error::Refused { .. })), "{second:?}");
    assert_eq!((good.heard().len(), bad.heard().len()), (1, 0));
}

async fn dns_several() {
    let good = Peer::start("127.0.0.1", &["HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"]).await;
    let bad = Peer::start_at(SocketAddr::new("127.0.0.2".parse().unwrap(), good.port()), &[]).await;
    let lookup = Lookup::new(|_| ["127.0.0.2:0", "127.0.0.1:0"].map(|text| text.parse().unwrap()).to_vec());
    let egress = Egress::for_tests(only("127.0.0.1"), lookup, None);
    let url = format!("http://several.example:{}/", good.port());
    assert_eq!(egress.send(&request(&url)).await.unwrap().status, 200);
    assert_eq!((good.heard().len(), bad.heard().len()), (1, 0));
}

async fn redirect_to_another_host() {
    let target = Peer::start("127.0.0.2", &[]).await;
    let inside = format!("http://127.0.0.2:{}/secret-path", target.port());
    for location in
        [inside.as_str(), "http://169.254.169.254/latest", "http://10.0.0.1/", "//127.0.0.2/x", "http://[::1]/"]
    {
        let answer = format!("HTTP/1.1 307 Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let peer = Peer::start("127.0.0.1", &[&answer]).await;
        let mut request = request(&peer.url());
        request.headers.push(("Authorization".into(), b"Bearer credential".to_vec()));
        let error = door(only("127.0.0.0/8")).send(&request).await.unwrap_err();
        assert!(matches!(error, Error::Redirect { .. }), "{location}: {error}");
        assert!(error.to_string().contains("another host") && !error.to_string().contains("secret-path"), "{error}");
    }
    assert!(target.heard().is_empty());
}

async fn redirect_on_the_same_host() {
    let moved = "HTTP/1.1 302 Moved\r\nlocation: /next\r\ncontent-length: 0\r\n\r\n";
    let fine = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let peer = Peer::start("127.0.0.1", &[moved, moved, moved, fine]).await;
    assert_eq!(door(only("127.0.0.1")).send(&request(&peer.url())).await.unwrap().status, 200);
    let endless = Peer::start("127.0.0.1", &[moved; 9]).await;
    let error = door(only("127.0.0.1")).send(&request(&endless.url())).await.unwrap_err();
    assert!(error.to_string().contains("more than 3 redirects"), "{error}");
    assert_eq!(endless.heard().len(), 4);
}

async fn proxy_for_tenants() {
    let proxy = Peer::start("127.0.0.1", &["HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"; 2]).await;
    let ask = |policy: Policy, tenant: &str| {
        let egress = Egress::for_tests(policy, Lookup::default(), Some(&proxy.url()));
        let transport = Transport { tenant: tenant.to_owned(), ..Transport::default() };
        let request = Request { transport, ..request("http://hooks.example.com/") };
        async move { egress.send(&request).await }
    };
    let refused = ask(Policy::default(), "team-a").await.unwrap_err();
    assert!(refused.to_string().contains("egress.proxy"), "{refused}");
    assert!(proxy.heard().is_empty());
    assert_eq!(ask(Policy { proxy_enforces: true, ..Policy::default() }, "team-a").await.unwrap().status, 200);
    assert_eq!(ask(Policy::default(), "").await.unwrap().status, 200);
}

async fn proxy_and_literals() {
    let proxy = Peer::start("127.0.0.1", &[]).await;
    let egress = Egress::for_tests(Policy::default(), Lookup::default(), Some(&proxy.url()));
    let refused = egress.send(&request("http://169.254.169.254/")).await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    assert!(proxy.heard().is_empty());
}

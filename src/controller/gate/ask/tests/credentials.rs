//! Credentials of each kind as they arrive, and the words where there are none.

use super::receiver::{Receiver, answer, header};
use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

fn named(secret: &str) -> [Authentication; 4] {
    let secret = secret.to_owned();
    [
        Authentication::Basic { secret: secret.clone() },
        Authentication::Bearer { secret: secret.clone() },
        Authentication::OAuth2 { secret: secret.clone(), token_url: "http://127.0.0.1:1/".into(), scopes: Vec::new() },
        Authentication::Tls { secret },
    ]
}

async fn authorization(known: Known, authentication: Authentication) -> String {
    let endpoint = Receiver::answering(|_| Some(answer(200, "", ""))).await;
    let mut asked = with(&endpoint.url("/x"), authentication);
    asked.headers = vec![("authorization".into(), "of the template".into())];
    asker(known).ask(&asked).await.unwrap();
    header(&endpoint.seen()[0], "Authorization")
}

#[tokio::test]
async fn basic_and_bearer_take_the_place_of_the_templates_own() {
    let known = || Known::default().secret(TEAM, "creds", &[("username", "u"), ("password", ""), ("token", "abc")]);
    let secret = || "creds".to_owned();
    assert_eq!(authorization(known(), Authentication::Basic { secret: secret() }).await, "Basic dTo=");
    assert_eq!(authorization(known(), Authentication::Bearer { secret: secret() }).await, "Bearer abc");
}

/// Deliberately unlike the peer, whose request fails: HTTP cannot carry the line break, so nobody can mean it.
#[tokio::test]
async fn a_line_break_at_the_end_of_a_token_is_left_out() {
    let known = Known::default().secret(TEAM, "creds", &[("token", "abc\n")]);
    assert_eq!(authorization(known, Authentication::Bearer { secret: "creds".into() }).await, "Bearer abc");
    let known = Known::default().secret(TEAM, "creds", &[("token", "a\nX-Evil: 1")]);
    let text =
        refused(&asker(known), &with("http://127.0.0.1:1/", Authentication::Bearer { secret: "creds".into() })).await;
    assert!(text.contains("\"Authorization\"") && !text.contains("Evil"), "{text}");
}

#[tokio::test]
async fn what_is_missing_is_named_in_the_peers_words() {
    let url = "http://127.0.0.1:1/";
    let [basic, bearer, oauth2, tls] = named("creds");
    let lacking = [
        (basic, "basic auth: failed to get basic auth secret", "basic auth: failed to get username from secret"),
        (bearer, "bearer auth: failed to get bearer auth secret", "bearer auth: failed to get token from secret"),
        (oauth2, "oauth2 auth: failed to get OAuth2 secret", "oauth2 auth: failed to get client ID from secret"),
        (tls, "failed to get TLS secret", "failed to get certificate from secret"),
    ];
    for (authentication, no_secret, no_key) in lacking {
        let text = refused(&asker(Known::default()), &with(url, authentication.clone())).await;
        let says = format!("{no_secret} \"creds\": failed to get secret: Secret \"creds\" not found");
        assert!(text.starts_with("failed to apply authentication: ") && text.ends_with(&says), "{text}");
        let elsewhere = Known::default().secret("other", "creds", &[("token", "t")]).secret(TEAM, "creds", &[]);
        let text = refused(&asker(elsewhere), &with(url, authentication)).await;
        assert!(text.contains(no_key) && text.ends_with("not found in secret \"creds\""), "{text}");
    }
    let broken = Known::default().secret(TEAM, "creds", &[("tls.crt", "x"), ("tls.key", "SECRET")]);
    let text = refused(&asker(broken), &with(url, Authentication::Tls { secret: "creds".into() })).await;
    assert!(text.contains("failed to build TLS client: failed to load client certificate"), "{text}");
    assert!(!text.contains("SECRET"));
}

/// An endpoint with a place for tokens: `/token` hands out `t1`, `t2`, …; elsewhere only the newest is taken.
struct Tokens {
    endpoint: Receiver,
    revoked: Arc<AtomicUsize>,
}

impl Tokens {
    async fn start(takes_header: bool) -> Self {
        let (made, revoked) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        let until = Arc::clone(&revoked);
        let endpoint = Receiver::answering(move |request| {
            if request.starts_with("POST /token") {
                if !takes_header && !header(request, "Authorization").is_empty() {
                    return Some(answer(401, "", r#"{"error":"invalid_client"}"#));
                }
                let token = made.fetch_add(1, Ordering::SeqCst) + 1;
                let body = format!("{{\"access_token\":\"t{token}\",\"expires_in\":3600}}");
                return Some(answer(200, "Content-Type: application/json\r\n", &body));
            }
            let shown = header(request, "Authorization");
            let number: usize = shown.strip_prefix("Bearer t").and_then(|n| n.parse().ok()).unwrap_or(0);
            Some(answer(if number > until.load(Ordering::SeqCst) { 200 } else { 401 }, "", ""))
        })
        .await;
        Self { endpoint, revoked }
    }
    fn question(&self, secret: &str) -> Question {
        let scopes = vec!["deployments:read".to_owned(), "approvals:read".to_owned()];
        let token_url = self.endpoint.url("/token");
        with(&self.endpoint.url("/check"), Authentication::OAuth2 { secret: secret.into(), token_url, scopes })
    }
    fn made(&self) -> Vec<String> {
        self.endpoint.seen().into_iter().filter(|request| request.starts_with("POST /token")).collect()
    }
}

fn clients() -> Known {
    let known = Known::default().secret(TEAM, "creds", &[("clientID", "cid"), ("clientSecret", "s&cret")]);
    known.secret(TEAM, "other", &[("clientID", "cid"), ("clientSecret", "rotated")])
}

#[tokio::test]
async fn a_token_is_fetched_once_and_used_until_it_is_refused() {
    let (tokens, asker) = (Tokens::start(true).await, asker(clients()));
    let question = tokens.question("creds");
    let all = futures::future::join_all((0..4).map(|_| asker.ask(&question))).await;
    assert!(all.iter().all(|answer| answer.as_ref().unwrap().status == 200));
    let made = tokens.made();
    assert_eq!(made.len(), 1, "four gates at once, one token");
    assert_eq!(header(&made[0], "Authorization"), "Basic Y2lkOnMlMjZjcmV0");
    assert!(made[0].ends_with("\r\n\r\ngrant_type=client_credentials&scope=deployments%3Aread+approvals%3Aread"));

    tokens.revoked.store(1, Ordering::SeqCst);
    assert_eq!(asker.ask(&question).await.unwrap().status, 200, "asked again with a new one");
    assert_eq!(tokens.made().len(), 2);
    assert_eq!(asker.ask(&tokens.question("other")).await.unwrap().status, 200);
    assert_eq!(tokens.made().len(), 3, "another credential is another token");

    tokens.revoked.store(9, Ordering::SeqCst);
    assert_eq!(asker.ask(&question).await.unwrap().status, 401, "once and no more");
}

#[tokio::test]
async fn a_place_that_wants_a_form_is_asked_with_a_form_from_then_on() {
    let (tokens, asker) = (Tokens::start(false).await, asker(clients()));
    asker.ask(&tokens.question("creds")).await.unwrap();
    asker.ask(&tokens.question("other")).await.unwrap();
    let made = tokens.made();
    let by_form = made.iter().map(|request| header(request, "Authorization").is_empty()).collect::<Vec<_>>();
    assert_eq!(by_form, [false, true, true]);
    assert!(made[1].contains("client_id=cid&client_secret=s%26cret&"));
}

#[tokio::test]
async fn a_place_for_tokens_has_the_gates_time_and_the_gates_reach() {
    let silent = Receiver::answering(|_| None).await;
    let at = |token_url: String| {
        let authentication = Authentication::OAuth2 { secret: "creds".into(), token_url, scopes: Vec::new() };
        Question { timeout: Duration::from_millis(500), ..with("http://127.0.0.1:1/", authentication) }
    };
    let error = asker(clients()).ask(&at(silent.url("/token"))).await.unwrap_err();
    assert!(error.is_transport() && error.to_string().contains("no complete answer within 0.5 s"), "{error}");
    let error = asker(clients()).ask(&at("http://169.254.169.254/token".into())).await.unwrap_err();
    assert!(matches!(&error, AskError::Authentication(cause) if cause.contains("metadata")), "{error}");
    let down = Receiver::answering(|_| Some(answer(503, "", ""))).await;
    let error = asker(clients()).ask(&at(down.url("/token"))).await.unwrap_err();
    assert!(error.is_transport() && error.to_string().contains("cannot fetch token: 503"), "{error}");
    assert_eq!(down.seen().len(), 1, "one that is down is not asked in two ways");
}

fn scm(kind: Kind, provider: Json) -> Known {
    Known::default().secret(TEAM, "creds", &[("token", "pat-1")]).repository(kind, provider)
}

#[tokio::test]
async fn scm_credentials_go_to_their_own_host_only() {
    let azure = json!({"azureDevOps": {"organization": "org", "domain": "127.0.0.1"}});
    assert_eq!(authorization(scm(Kind::ScmProvider, azure), Authentication::Scm).await, "Basic OnBhdC0x");
    let gitlab = scm(Kind::ScmProvider, json!({"gitlab": {"domain": "gitlab.example.com"}}));
    let text = refused(&asker(gitlab), &with("http://127.0.0.1:1/x", Authentication::Scm)).await;
    assert_eq!(
        text,
        "SCM host validation failed: URL host \"127.0.0.1\" is not allowed for the configured SCM provider; permitted host: \"gitlab.example.com\""
    );
    let text = refused(&asker(Known::default()), &with("http://127.0.0.1:1/x", Authentication::Scm)).await;
    assert!(
        text.ends_with("failed to get GitRepository for SCM host validation: GitRepository \"repo\" not found"),
        "{text}"
    );
    let no_secret = Known::default().repository(Kind::ScmProvider, json!({"gitlab": {"domain": "127.0.0.1"}}));
    let text = refused(&asker(no_secret), &with("http://127.0.0.1:1/x", Authentication::Scm)).await;
    assert!(text.contains("secret from ScmProvider not found"), "{text}");
}

#[tokio::test]
async fn the_clusters_scm_credentials_need_a_grant() {
    let gitea = json!({"gitea": {"domain": "127.0.0.1"}});
    let known = || {
        let known = Known::default().repository(Kind::ClusterScmProvider, gitea.clone());
        known.secret("promoter-system", "creds", &[("token", "t")])
    };
    let endpoint = Receiver::answering(|_| Some(answer(200, "", ""))).await;
    let asked = with(&endpoint.url("/x"), Authentication::Scm);
    let home = || Options { cluster_secrets: "promoter-system".into(), ..Options::default() };
    let text = refused(&asker_with(known(), home()), &asked).await;
    assert!(
        text.contains("authority.grants") && text.contains("from = \"team-a\", to = \"promoter-system\""),
        "{text}"
    );
    assert!(endpoint.seen().is_empty());
    let from = globset::Glob::new("team-*").unwrap().compile_matcher();
    let granted = Options { grants: vec![Grant { from, to: "promoter-system".into() }], ..home() };
    asker_with(known(), granted).ask(&asked).await.unwrap();
    assert_eq!(header(&endpoint.seen()[0], "Authorization"), "token t");
}

#[tokio::test]
async fn an_apps_installation_is_found_by_its_owner_and_its_token_kept() {
    let endpoint = Receiver::answering(|request| {
        Some(if request.starts_with("GET /app/installations?per_page=100&page=1 ") {
            answer(200, "", r#"[{"id":7,"account":{"login":"Acme"}}]"#)
        } else if request.starts_with("POST /app/installations/7/access_tokens ") {
            answer(201, "", r#"{"token":"ghs_1","expires_at":"2999-01-01T00:00:00Z"}"#)
        } else {
            answer(404, "", r#"{"message":"Not Found"}"#)
        })
    })
    .await;
    crate::egress::install_provider();
    let (door, tokens) = (door(), super::super::tokens::Tokens::default());
    let transport = Transport { tenant: TEAM.into(), ..Transport::default() };
    let base = endpoint.url("");
    let app = |installation, owner| super::super::github::Installation {
        api: &base,
        app: "1",
        private_key: include_str!("../../../../service/testdata/rsa.pem"),
        installation,
        owner,
        namespace: TEAM,
    };
    for _ in 0..3 {
        let (_, held) = super::super::github::token(&door, &transport, &tokens, &app("", "acme")).await.unwrap();
        assert_eq!(&*held.value, "ghs_1");
    }
    assert_eq!(endpoint.seen().len(), 2, "one list, one token");
    assert!(header(&endpoint.seen()[1], "Authorization").starts_with("Bearer ey"));
    let denied = super::super::github::token(&door, &transport, &tokens, &app("", "stranger")).await.err().unwrap();
    assert_eq!(denied.cause, "installation of app 1 not found for org: stranger");
    let denied = super::super::github::token(&door, &transport, &tokens, &app("8", "")).await.err().unwrap();
    assert_eq!(denied.cause, "GitHub answered 404 to the App: Not Found");
}

//! What a page of somebody else, a program on the way and a curious person try at API and dashboard.

use super::browser::{client, send};
use super::{Answer, Browser, CHANGE, READ, tokens};
use crate::running::Gatepost;
use reqwest::Method;
use serde_json::json;

const SESSION: &str = "__Host-gatepost";
const DISCARD: &str = "/api/v1/deliveries/discard";

async fn gatepost() -> (tempfile::TempDir, Gatepost) {
    let folder = tempfile::tempdir().unwrap();
    let running = Gatepost::start_on_files_set(folder.path(), &tokens()).await;
    (folder, running)
}

async fn logged_in(gatepost: &Gatepost) -> Browser {
    let mut browser = Browser::at(&gatepost.api);
    assert_eq!(browser.log_in(CHANGE).await.status, 303);
    browser
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_a_session_in_a_cookie_that_no_script_and_no_other_site_gets() {
    let (_folder, gatepost) = gatepost().await;
    let mut browser = Browser::at(&gatepost.api);
    let led = browser.open("/deliveries?app=a/b&state=dead").await;
    assert_eq!((led.status, led.header("location")), (303, "/login?next=%2Fdeliveries%3Fapp%3Da%2Fb%26state%3Ddead"));
    let page = browser.open(led.header("location")).await;
    assert_eq!((page.status, page.field("next")), (200, Some("/deliveries?app=a/b&#38;state=dead")), "{}", page.body);
    assert!(browser.cookie(SESSION).is_none(), "nobody has logged in yet");
    let wrong = browser.log_in("nonsense").await;
    assert_eq!((wrong.status, wrong.cookie(SESSION)), (401, None));
    let entered = browser.log_in(CHANGE).await;
    assert_eq!((entered.status, entered.header("location")), (303, "/deliveries"));
    let cookie = entered.cookie(SESSION).unwrap();
    for attribute in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain") && !cookie.contains(CHANGE), "{cookie}");
    assert_eq!(browser.open("/").await.status, 200);
    assert_eq!(browser.open("/api/v1/status").await.status, 200);
    assert_eq!(browser.open("/login?next=/gates").await.header("location"), "/gates", "who is in is not asked again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_cannot_be_given_to_somebody_and_ends_when_it_is_left() {
    let (_folder, gatepost) = gatepost().await;
    let mut browser = Browser::at(&gatepost.api);
    browser.plant(SESSION, "chosen-by-an-attacker");
    browser.log_in(CHANGE).await;
    let first = browser.cookie(SESSION).unwrap().to_owned();
    assert_ne!(first, "chosen-by-an-attacker");
    let mut attacker = Browser::at(&gatepost.api);
    attacker.plant(SESSION, "chosen-by-an-attacker");
    assert_eq!(attacker.open("/api/v1/status").await.status, 401);
    browser.log_in(CHANGE).await;
    assert_ne!(browser.cookie(SESSION), Some(first.as_str()));
    attacker.plant(SESSION, &first);
    assert_eq!(attacker.open("/api/v1/status").await.status, 401, "a new login ends the old session");

    let (csrf, second) = (browser.csrf().await, browser.cookie(SESSION).unwrap().to_owned());
    assert_eq!(browser.post("/logout", &[("csrf", "x")]).await.status, 403);
    assert_ne!(browser.open("/logout").await.status, 303, "nobody is logged out by a link");
    assert_eq!(browser.open("/api/v1/status").await.status, 200);
    assert_eq!(browser.post("/logout", &[("csrf", &csrf)]).await.status, 303);
    assert!(browser.cookie(SESSION).is_none());
    attacker.plant(SESSION, &second);
    assert_eq!(attacker.open("/api/v1/status").await.status, 401, "it is gone here, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_changes_nothing() {
    let (_folder, gatepost) = gatepost().await;
    let mut browser = logged_in(&gatepost).await;
    let csrf = browser.csrf().await;
    let origin = gatepost.api.clone();
    let body = json!({"dryRun": true});
    let post = || browser.request(Method::POST, DISCARD);
    let json = |csrf: &str| post().header("x-csrf-token", csrf.to_owned()).json(&body);
    let attempts = [
        ("a form", post().header("origin", "https://evil.example").form(&[("dryRun", "true")]), 415),
        ("a form that says nothing of itself", post().form(&[("dryRun", "true")]), 415),
        ("plain text", post().header("content-type", "text/plain").body(body.to_string()), 415),
        ("something like JSON", post().header("content-type", "application/jsonp").body(body.to_string()), 415),
        ("no content type", post().body(body.to_string()), 415),
        ("a foreign origin", json(&csrf).header("origin", "https://evil.example"), 403),
        ("another port", json(&csrf).header("origin", "http://127.0.0.1:1"), 403),
        ("another name of this machine", json(&csrf).header("origin", origin.replace("127.0.0.1", "localhost")), 403),
        ("a sandboxed frame", json(&csrf).header("origin", "null"), 403),
        ("a browser that says cross-site", json(&csrf).header("origin", &origin).header("sec-fetch-site", "cross-site"), 403),
        ("a browser that says same-site", json(&csrf).header("origin", &origin).header("sec-fetch-site", "same-site"), 403),
        ("no token", post().header("origin", &origin).json(&body), 403),
        ("a wrong token", json("x").header("origin", &origin), 403),
        ("an empty token", json("").header("origin", &origin), 403),
        ("nobody says where it was made", json(&csrf), 403),
    ];
    for (what, request, status) in attempts {
        let answer = send(request).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
    }
    let own = browser.change(DISCARD, &csrf, &body).await;
    assert_eq!(own.status, 200, "our own page: {}", own.body);
    let mut another = logged_in(&gatepost).await;
    assert_eq!(another.change(DISCARD, &csrf, &body).await.status, 403, "a token of another session");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_login_it_is_the_same_for_pages_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let gatepost = Gatepost::start_on_files(folder.path()).await;
    let post = |origin: &str| client().post(format!("{}{DISCARD}", gatepost.api)).header("origin", origin.to_owned());
    let body = json!({"dryRun": true});
    assert_eq!(send(post("https://evil.example").json(&body)).await.status, 403);
    assert_eq!(send(post("null").json(&body)).await.status, 403);
    assert_eq!(send(post(&gatepost.api).json(&body)).await.status, 200);
    assert_eq!(send(client().post(format!("{}{DISCARD}", gatepost.api)).json(&body)).await.status, 200, "a program");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_logged_in_by_a_page_of_another_site() {
    let (_folder, gatepost) = gatepost().await;
    let browser = Browser::at(&gatepost.api);
    let form = [("token", CHANGE), ("next", "/")];
    for (origin, site) in [(Some("https://evil.example"), Some("cross-site")), (Some("null"), None), (None, None), (None, Some("cross-site"))] {
        let mut request = browser.request(Method::POST, "/login").form(&form);
        for (name, value) in [("origin", origin), ("sec-fetch-site", site)] {
            request = value.map_or_else(|| request.try_clone().unwrap(), |value| request.try_clone().unwrap().header(name, value));
        }
        let answer = send(request).await;
        assert_eq!((answer.status, answer.cookie(SESSION)), (403, None), "{origin:?} {site:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_was_bound_to_loopback_is_refused_everywhere() {
    let (_folder, gatepost) = gatepost().await;
    let ask = |path: &str, host: &str| {
        let request = client().get(format!("{}{path}", gatepost.api)).bearer_auth(CHANGE);
        send(request.header("host", host.to_owned()).header("x-forwarded-host", "localhost").header("forwarded", "host=localhost"))
    };
    let hosts = ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "0.0.0.0"];
    for path in ["/", "/login", "/login/methods", "/api/v1/status", "/healthz", "/static/x", "/nowhere"] {
        for host in hosts {
            let answer = ask(path, host).await;
            assert_eq!(answer.status, 403, "{host} {path}");
            assert!(answer.body.contains("Host not allowed"), "{}", answer.body);
        }
    }
    for host in ["localhost", "localhost:9", "LOCALHOST", "127.0.0.1", "[::1]:8080"] {
        assert_eq!(ask("/api/v1/status", host).await.status, 200, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_the_settings_name_is_answered_to() {
    let folder = tempfile::tempdir().unwrap();
    // Tests write [server] themselves: the environment adds to it.
    let environment = [
        ("GATEPOST_SERVER__EXTERNALURL", "https://gatepost.example.com".into()),
        ("GATEPOST_SERVER__HOSTS", "alias.example, 10.1.2.3".into()),
    ];
    let gatepost = Gatepost::start_on_files_in(folder.path(), &environment).await;
    let ask = |host: &str| send(client().get(format!("{}/api/v1/status", gatepost.api)).header("host", host.to_owned()));
    for host in ["gatepost.example.com", "alias.example", "10.1.2.3:8080", "localhost"] {
        assert_eq!(ask(host).await.status, 200, "{host}");
    }
    assert_eq!(ask("other.example").await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leads_elsewhere_after_a_login() {
    let (_folder, gatepost) = gatepost().await;
    for next in ["//evil.example", "/\\evil.example", "https://evil.example", "/%09/evil.example\t", "javascript:alert(1)", "/.//evil.example"] {
        let mut browser = Browser::at(&gatepost.api);
        let page = send(browser.request(Method::GET, "/login").query(&[("next", next)])).await;
        assert_eq!(page.field("next"), Some("/"), "{next}");
        let entered = browser.post("/login", &[("token", CHANGE), ("next", next)]).await;
        assert_eq!((entered.status, entered.header("location")), (303, "/"), "{next}");
    }
    let page = send(Browser::at(&gatepost.api).request(Method::GET, "/login").query(&[("next", "/\"><script>x</script>")])).await;
    assert!(!page.body.contains("<script>"), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_may_be_framed_sniffed_or_kept() {
    let (_folder, gatepost) = gatepost().await;
    let browser = logged_in(&gatepost).await;
    let stranger = Browser::at(&gatepost.api);
    let answers: [(&str, Answer); 8] = [
        ("a page", send(browser.request(Method::GET, "/")).await),
        ("the login", send(stranger.request(Method::GET, "/login")).await),
        ("the way to it", send(stranger.request(Method::GET, "/deliveries")).await),
        ("an answer of the API", send(browser.request(Method::GET, "/api/v1/status")).await),
        ("a refusal", send(stranger.request(Method::GET, "/api/v1/status")).await),
        ("a foreign host", send(stranger.request(Method::GET, "/").header("host", "evil.example")).await),
        ("nothing", send(browser.request(Method::GET, "/api/v1/nothing")).await),
        ("a wrong body", send(browser.request(Method::POST, DISCARD).body("x")).await),
    ];
    for (what, answer) in answers {
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{what}: {policy}");
        assert!(!policy.contains("unsafe"), "{what}: {policy}");
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.header(name), value, "{what}: {name}");
        }
        assert!(matches!(answer.header("referrer-policy"), "no-referrer" | "same-origin"), "{what}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_browser_fetches_ahead_changes_nothing() {
    let (_folder, gatepost) = gatepost().await;
    let browser = logged_in(&gatepost).await;
    let paths = [
        "/api/v1/deliveries/replay",
        "/api/v1/deliveries/discard",
        "/api/v1/destinations/enable?service=x",
        "/api/v1/destinations/disable?service=x",
        "/logout",
    ];
    for path in paths {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            let request = browser.request(method.clone(), path).header("sec-purpose", "prefetch");
            let answer = send(request).await;
            assert!((400..500).contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.body);
        }
    }
    assert_eq!(send(browser.request(Method::GET, "/api/v1/status")).await.status, 200, "still logged in");
    let login = send(Browser::at(&gatepost.api).request(Method::GET, &format!("/login?token={CHANGE}"))).await;
    assert!(login.cookie(SESSION).is_none() && !login.body.contains(CHANGE), "a link logs nobody in");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_of_another_site_finds_the_session_at_the_second_knock() {
    let (_folder, gatepost) = gatepost().await;
    // A strict cookie stays at home when another site's link is followed.
    let stranger = Browser::at(&gatepost.api);
    let from_chat = stranger.request(Method::GET, "/deliveries?x=1&y=2");
    let answer = send(from_chat.header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "navigate")).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("http-equiv=\"refresh\" content=\"0; url=/deliveries?x=1&#38;y=2\""), "{}", answer.body);
    let again = stranger.request(Method::GET, "/deliveries?x=1&y=2").header("sec-fetch-site", "same-origin");
    assert_eq!(send(again.header("sec-fetch-mode", "navigate")).await.status, 303, "who has none is led to the login");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_look_may_change_nothing() {
    let (_folder, gatepost) = gatepost().await;
    let ask = |method: Method, path: &str, token: &str| {
        client().request(method, format!("{}{path}", gatepost.api)).bearer_auth(token.to_owned())
    };
    assert_eq!(send(ask(Method::GET, "/api/v1/status", READ)).await.status, 200);
    let refused = send(ask(Method::POST, DISCARD, READ).json(&json!({"dryRun": true}))).await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("token:viewer") && refused.body.contains("operate"), "{}", refused.body);
    assert_eq!(send(ask(Method::POST, DISCARD, CHANGE).json(&json!({"dryRun": true}))).await.status, 200);
    for wrong in ["", "x", "A-token-that-may-change-0123456789"] {
        let answer = send(ask(Method::GET, "/api/v1/status", wrong)).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer realm=\"gatepost\""), "{wrong:?}");
    }
    let twice = ask(Method::GET, "/api/v1/status", CHANGE).header("authorization", "Bearer x");
    assert_eq!(send(twice).await.status, 401, "of two headers neither is believed");
    let mut browser = logged_in(&gatepost).await;
    let mixed = browser.request(Method::GET, "/api/v1/status").bearer_auth("wrong");
    assert_eq!(browser.take(mixed).await.status, 401, "a wrong token is not mended by a cookie");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_typed_in_on_this_machine_only() {
    let (_folder, gatepost) = gatepost().await;
    let browser = Browser::at(&gatepost.api);
    let form = |request: reqwest::RequestBuilder| {
        request.header("sec-fetch-site", "same-origin").form(&[("token", CHANGE), ("next", "/")])
    };
    let by_proxy = browser.request(Method::POST, "/login").header("x-forwarded-for", "203.0.113.9");
    let answer = send(form(by_proxy)).await;
    assert_eq!((answer.status, answer.cookie(SESSION)), (403, None));
    let page = send(browser.request(Method::GET, "/login").header("x-forwarded-for", "203.0.113.9")).await;
    assert!(!page.body.contains("name=\"token\"") && page.body.contains("auth.issuer"), "{}", page.body);
}

#[test]
fn without_a_login_it_listens_on_loopback_only() {
    let folder = tempfile::tempdir().unwrap();
    let serve = |settings: &str| {
        let config = folder.path().join("gatepost.toml");
        std::fs::write(&config, format!("[server]\nmetrics = \"127.0.0.1:0\"\napi = \"0.0.0.0:0\"\n{settings}")).unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gatepost"));
        let output = command.args(["serve", "--files"]).arg(folder.path()).arg("--config").arg(&config).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let told = serve("");
    assert!(told.contains("nobody could log in there") && told.contains("auth.issuer"), "{told}");
    let told = serve("[auth]\nmode = \"none\"");
    assert!(told.contains("auth.mode = \"none\" is refused"), "{told}");
}

//! Logins of people at an issuer that the test runs: by code, with PKCE, state and nonce.

use super::browser::send;
use super::{Answer, Browser};
use crate::env::Issuer;
use crate::running::Gatepost;
use reqwest::Method;
use serde_json::{Value, json};

const SESSION: &str = "__Host-gatepost";
const LOGIN: &str = "__Host-gatepost-login";

struct Scene {
    _folder: tempfile::TempDir,
    issuer: Issuer,
    gatepost: Gatepost,
}

impl Scene {
    async fn set() -> Self {
        let (folder, issuer) = (tempfile::tempdir().unwrap(), Issuer::start().await);
        let settings = format!(
            "[auth]\nissuer = \"{}\"\nclientId = \"gatepost\"\nreaders = [\"developers\"]\noperators = [\"platform\", \"user:root@x.example\"]",
            issuer.url()
        );
        let gatepost = Gatepost::start_on_files_set(folder.path(), &settings).await;
        Self { _folder: folder, issuer, gatepost }
    }

    fn browser(&self) -> Browser {
        Browser::at(&self.gatepost.api)
    }

    /// Goes to the issuer, where somebody with these claims logs in; the way back, not gone yet.
    async fn depart(&self, browser: &mut Browser, claims: Value) -> String {
        let led = browser.open("/login/oidc?next=%2Fdeliveries%3Fstate%3Ddead").await;
        assert_eq!(led.status, 303, "{}", led.body);
        let kept = led.cookie(LOGIN).unwrap();
        for attribute in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/", "; Max-Age=600"] {
            assert!(kept.contains(attribute), "{kept}");
        }
        let (code, state) = self.issuer.log_in(led.header("location"), claims);
        format!("/login/callback?code={code}&state={state}")
    }

    /// Comes back as the issuer's redirect has it: from another site.
    async fn arrive(&self, browser: &mut Browser, way: &str) -> Answer {
        let request = browser.request(Method::GET, way).header("sec-fetch-site", "cross-site");
        browser.take(request.header("sec-fetch-mode", "navigate")).await
    }
}

fn ann(groups: &[&str]) -> Value {
    json!({"email": "ann@x.example", "email_verified": true, "groups": groups})
}

#[tokio::test(flavor = "multi_thread")]
async fn people_log_in_and_their_groups_say_what_they_may() {
    let scene = Scene::set().await;
    let cases = [(ann(&["developers"]), 403), (ann(&["platform"]), 200), (json!({"email": "root@x.example"}), 200)];
    for (claims, change) in cases {
        let mut browser = scene.browser();
        let way = scene.depart(&mut browser, claims.clone()).await;
        let arrived = scene.arrive(&mut browser, &way).await;
        assert_eq!(arrived.status, 200, "{}", arrived.body);
        assert!(arrived.body.contains("url=/deliveries?state=dead"), "a page of ours leads on: {}", arrived.body);
        assert!(browser.cookie(SESSION).is_some() && browser.cookie(LOGIN).is_none());
        let csrf = browser.csrf().await;
        let changed = browser.change("/api/v1/deliveries/discard", &csrf, &json!({"dryRun": true})).await;
        assert_eq!(changed.status, change, "{claims}: {}", changed.body);
        let page = browser.open("/").await;
        assert!(page.body.contains(claims["email"].as_str().unwrap()), "it says who is in");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_no_list_is_told_and_gets_no_session() {
    let scene = Scene::set().await;
    let mut browser = scene.browser();
    let way = scene.depart(&mut browser, ann(&["others", "user:root@x.example", "*"])).await;
    let arrived = scene.arrive(&mut browser, &way).await;
    assert_eq!((arrived.status, browser.cookie(SESSION)), (403, None));
    assert!(arrived.body.contains("ann@x.example") && arrived.body.contains("auth.readers"), "{}", arrived.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_of_this_login_is_refused() {
    let scene = Scene::set().await;
    let now = gatepost::clock::now().secs;
    let wrong = [
        ("the nonce of another login", json!({"nonce": "x"})),
        ("no nonce", json!({"nonce": null})),
        ("for somebody else", json!({"aud": "another"})),
        ("for nobody", json!({"aud": null})),
        ("for others too, given to one of them", json!({"aud": ["gatepost", "another"], "azp": "another"})),
        ("for others too, given to nobody knows whom", json!({"aud": ["gatepost", "another"]})),
        ("of another issuer", json!({"iss": "https://other.example"})),
        ("expired", json!({"exp": now - 120, "iat": now - 600})),
        ("without an end", json!({"exp": null})),
        ("of the future", json!({"iat": now + 600, "exp": now + 1200})),
        ("without a subject", json!({"sub": null})),
        ("without a name", json!({"email": null})),
        ("with an address that is not verified", json!({"email_verified": false})),
    ];
    for (what, claims) in wrong {
        let mut all = ann(&["platform"]);
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        let mut browser = scene.browser();
        let way = scene.depart(&mut browser, all).await;
        let arrived = scene.arrive(&mut browser, &way).await;
        assert_eq!((arrived.status, browser.cookie(SESSION)), (401, None), "{what}: {}", arrived.body);
        assert!(arrived.body.contains("role=\"alert\""), "{what}: it says so: {}", arrived.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_this_browser_did_not_ask_for_is_refused() {
    let scene = Scene::set().await;
    let mut browser = scene.browser();
    let way = scene.depart(&mut browser, ann(&["platform"])).await;
    let (_, state) = way.split_once("state=").unwrap();

    let mut victim = scene.browser();
    let other = scene.depart(&mut victim, ann(&["platform"])).await;
    let (code, _) = other.split_once("&state=").unwrap();
    let mixed = [
        ("another's state", format!("{code}&state={state}")),
        ("no state", code.to_owned()),
        ("no code", format!("/login/callback?state={}", other.split_once("state=").unwrap().1)),
        ("another issuer", format!("{other}&iss=https://evil.example")),
        ("a refusal of the issuer", format!("{other}&error=access_denied")),
    ];
    for (what, way) in mixed {
        let begun = victim.cookie(LOGIN).unwrap().to_owned();
        let arrived = scene.arrive(&mut victim, &way).await;
        assert_eq!((arrived.status, victim.cookie(SESSION)), (401, None), "{what}: {}", arrived.body);
        assert!(victim.cookie(LOGIN).is_none(), "{what}: of one login there is one answer");
        victim.plant(LOGIN, &begun);
    }
    let mut stranger = scene.browser();
    assert_eq!(scene.arrive(&mut stranger, &way).await.status, 401, "a browser that began nothing");
    stranger.plant(LOGIN, "AAAA");
    assert_eq!(scene.arrive(&mut stranger, &way).await.status, 401);
    let verifier_of_another = format!("{}&state={}", way.split_once("&state=").unwrap().0, other.split_once("state=").unwrap().1);
    assert_eq!(scene.arrive(&mut victim, &verifier_of_another).await.status, 401, "another's code");
    assert_eq!(scene.arrive(&mut browser, &way).await.status, 401, "and that code is used up");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_token_is_a_bearer_token_until_it_ends() {
    let scene = Scene::set().await;
    let now = gatepost::clock::now().secs;
    let ask = |token: String| {
        send(scene.browser().request(Method::GET, "/api/v1/status").bearer_auth(token))
    };
    let token = |more: Value| {
        let mut all = ann(&["developers"]);
        all["aud"] = json!("gatepost");
        for (name, value) in more.as_object().unwrap() {
            all[name] = value.clone();
        }
        scene.issuer.token(all)
    };
    assert_eq!(ask(token(json!({}))).await.status, 200);
    assert_eq!(ask(token(json!({"groups": []}))).await.status, 403);
    for wrong in [json!({"aud": "x"}), json!({"aud": null}), json!({"exp": now - 61}), json!({"iss": "https://x"})] {
        assert_eq!(ask(token(wrong.clone())).await.status, 401, "{wrong}");
    }
    let mut forged = token(json!({}));
    forged.replace_range(forged.len() - 4.., "AAAA");
    assert_eq!(ask(forged).await.status, 401);
    let unsigned = "eyJhbGciOiJub25lIn0.e30.";
    assert_eq!(ask(unsigned.to_owned()).await.status, 401);
    assert_eq!(scene.issuer.fetches(), 2, "discovery and keys once, whatever came");
    assert_eq!(scene.gatepost.get("status").await["synced"], json!(true), "the token of this machine works beside it");
}

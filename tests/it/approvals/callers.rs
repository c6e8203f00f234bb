//! Callers of all four kinds told apart, Gatepost's own token endpoint, and the seed's two command lines, by curl.

use super::answers::{HOUR_MS, YES};
use super::house::House;
use crate::env::Issuer;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn callers_of_all_kinds_are_told_apart() {
    let house = House::start(false).await;
    let issuer = Issuer::start().await;
    let listed = house.client("ci", "a-secret-of-32-random-bytes-say").await;
    let believed = json!({
        "oauth": {"clients": [listed]},
        "kubernetes": {},
        "oidc": [{"issuer": issuer.url(), "audience": "gatepost", "algorithms": ["ES256"], "claims": {"repository": ["org/app"]}}],
    });
    let approval = house.approval("kinds", believed).await;
    let oauth = access_token(&house, &listed, "a-secret-of-32-random-bytes-say").await;
    let unlisted = house.client("stranger", "another-secret-of-32-random-byte").await;
    let unlisted = access_token(&house, &unlisted, "another-secret-of-32-random-byte").await;
    let (account, idle) = (house.account("runner", "gatepost").await, house.account("idle", "gatepost").await);
    house.allow("runner", &["callback"]).await;
    let elsewhere = house.account("elsewhere", "https://other.example").await;
    let of = |repository: &str, audience: Value| {
        issuer.token(json!({"sub": "repo:org/app", "aud": audience, "repository": repository}))
    };
    let (subject, wrong) = (of("org/app", json!("gatepost")), of("org/other", json!("gatepost")));
    let cases = [
        ("a listed client", oauth.as_str(), 200, 404),
        ("a client that is not listed", unlisted.as_str(), 403, 404),
        ("an account that may", account.as_str(), 200, 404),
        ("an account that may not", idle.as_str(), 403, 404),
        ("a token for others", elsewhere.as_str(), 401, 401),
        ("a subject with the claim", subject.as_str(), 200, 404),
        ("a subject with another claim", wrong.as_str(), 403, 404),
        ("an audience of others", &of("org/app", json!("other")), 401, 401),
        ("no audience at all", &of("org/app", Value::Null), 401, 401),
    ];
    for (what, token, status, unknown) in cases {
        let run = house.open(&approval, HOUR_MS).await;
        let answer = house.call(&run.id.to_string(), Some(token), YES).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
        let answer = house.call(&"0".repeat(32), Some(token), YES).await;
        assert_eq!(answer.status, unknown, "{what}, unknown run: {}", answer.body);
    }
    let run = house.open(&approval, HOUR_MS).await;
    let answer = house.call(&run.id.to_string(), Some(&house.token(&run)), YES).await;
    assert_eq!(answer.status, 403, "run tokens are not among the believed");
    // A new secret is another generation: what was issued before is void.
    house.client("ci", "yet-another-secret-of-32-bytes-x").await;
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert_eq!(house.call(&run.id.to_string(), Some(&oauth), YES).await.status, 401, "the client was rotated");
    assert_eq!(issuer.fetches(), 2, "discovery and keys once, whatever came");
    let kept = house.desk.store.run(run.id).await.unwrap().unwrap();
    assert!(kept.run.phase.is_open());
    house.stop().await;
}

/// A token of Gatepost's own token endpoint.
pub async fn access_token(house: &House, client: &str, secret: &str) -> String {
    let form = format!("grant_type=client_credentials&client_id={client}&client_secret={secret}");
    let answer = house.curl(&["--request", "POST", "--data", &form], &format!("{}/oauth/token", house.url)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_endpoint_answers_as_the_standard_says() {
    let house = House::start(false).await;
    let id = house.client("ci", "a-secret-of-32-random-bytes-say").await;
    let url = format!("{}/oauth/token", house.url);
    let ask = async |form: String| house.curl(&["--data", &form], &url).await;
    let good = format!("grant_type=client_credentials&client_id={id}&client_secret=a-secret-of-32-random-bytes-say");
    let wrong = ask(format!("grant_type=client_credentials&client_id={id}&client_secret=x")).await;
    let unknown = ask("grant_type=client_credentials&client_id=a/b&client_secret=x".to_owned()).await;
    assert_eq!((wrong.status, &wrong.json()["error"]), (401, &json!("invalid_client")));
    assert_eq!((unknown.status, &unknown.body), (401, &wrong.body), "alike");
    assert_eq!(ask(format!("{good}&audience=https://other.example")).await.status, 400);
    let grant = ask(good.replace("client_credentials", "password")).await;
    assert_eq!((grant.status, &grant.json()["error"]), (400, &json!("unsupported_grant_type")));
    let basic = house
        .curl(
            &[
                "--user",
                &format!("{}:a-secret-of-32-random-bytes-say", id.replace('/', "%2F")),
                "--data",
                "grant_type=client_credentials",
            ],
            &url,
        )
        .await;
    assert_eq!((basic.status, &basic.json()["token_type"]), (200, &json!("Bearer")), "{}", basic.body);
    assert!(basic.head.contains("cache-control: no-store"));
    let keys = house.curl(&[], &format!("{}/oauth/jwks", house.url)).await.json();
    let header = jsonwebtoken::decode_header(basic.json()["access_token"].as_str().unwrap()).unwrap();
    assert_eq!((keys["keys"][0]["kid"].as_str(), header.typ.as_deref()), (header.kid.as_deref(), Some("at+jwt")));
    house.stop().await;
}

/// The two command lines of the seed, with nothing but host names, ids and credentials changed.
#[tokio::test(flavor = "multi_thread")]
async fn the_seeds_command_lines_work() {
    let house = House::start(true).await;
    let client = house.client("cdaas", "0f7c2a9d4be81365c0ffee0123456789").await;
    let approval = house.approval("seed", json!({"oauth": {"clients": [client]}})).await;
    let run = house.open(&approval, HOUR_MS).await;
    let data = format!(
        "data=audience=https://api.gatepost.example&grant_type=client_credentials&client_id={client}&client_secret=0f7c2a9d4be81365c0ffee0123456789"
    );
    let url = format!("{}/oauth/token", house.url);
    let arguments =
        ["--request", "POST", "--header", "Content-Type: application/x-www-form-urlencoded", "--data", &data, "--url"];
    let answer = house.curl(&arguments, &url).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["expires_in"], 86400);
    let bearer = format!("Authorization: Bearer {}", answer.json()["access_token"].as_str().unwrap());
    let uri = house.desk.callback_url(run.id).split_once("://").unwrap().1.to_owned();
    let arguments = [
        "--request",
        "POST",
        "--header",
        &bearer,
        "--header",
        "Content-Type: application/json",
        "--data",
        r#"{"success": true, "mdMessage": "Webhook successful"}"#,
        "--url",
    ];
    let answer = house.curl(&arguments, &format!("https://{uri}")).await;
    assert_eq!((answer.status, &answer.json()["phase"]), (200, &json!("succeeded")), "{}", answer.body);
    let kept = house.desk.store.run(run.id).await.unwrap().unwrap();
    assert_eq!((kept.run.message.as_str(), kept.run.answer.unwrap().by.name), ("Webhook successful", client));
    house.stop().await;
}

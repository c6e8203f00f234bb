//! `service.gcppubsub.<name>`: a message to a topic of Google Cloud Pub/Sub, over its REST API.
//!
//! Who publishes is, for the controller's own configuration only: the service account of `keyFile`, or what the operator
//! gave the process (application default credentials: a key file, else the metadata server, which `egress.allow` has to
//! list). `PUBSUB_EMULATOR_HOST` is obeyed as Google's own clients do.

use super::conversation::{Pause, Tale};
use super::http::{self, Headers, Options, check_url};
use super::jwt::Key;
use super::payload::Payload;
use super::stored::{self, refuse};
use super::{
    Ambient, Answer, Call, Draft, Kind, Outcome, Outgoing, PrepareError, Prepared, RequestError, Step, Verdict,
};
use crate::egress::{Request, Response};
use crate::notify::kind::{Field, KindSpec, Merge, Record, SectionSpec, Shape, unchecked};
use crate::notify::{Rendered, ServiceConfig};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::time::Duration;
use url::form_urlencoded::Serializer;

/// Google's endpoint.
const ENDPOINT: &str = "https://pubsub.googleapis.com";
/// Where a service account's key says nothing else.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// What a token is asked for.
const SCOPE: &str = "https://www.googleapis.com/auth/pubsub";
/// Time from the request to the end of the answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Tokens are good for an hour.
const TOKEN_SECONDS: i64 = 3600;
/// How long one is used.
const TOKEN_LIFETIME: Duration = Duration::from_secs(50 * 60);
/// The metadata server may hand out a token that is good for five minutes only.
const METADATA_LIFETIME: Duration = Duration::from_secs(4 * 60);
/// What the operator may have given the process.
const VARIABLES: &[&str] = &["PUBSUB_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS", "GCE_METADATA_HOST"];
/// Where a pod asks for its identity.
const METADATA: &str = "169.254.169.254";
/// What stays as it is in a part of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b':');

static SPEC: KindSpec = KindSpec {
    name: "gcppubsub",
    own: false,
    options: Record {
        go: "GcpPubsubOptions",
        fields: &[
            Field::new("topic", Shape::Text),
            Field::new("project", Shape::Text),
            Field::new("keyFile", Shape::Text),
            // Ours: a regional endpoint.
            Field::new("endpoint", Shape::Text),
        ],
    },
    transport: false,
    section: Some(SectionSpec {
        record: Record { go: "GcpPubsubNotification", fields: &[Field::new("attributes", Shape::TemplateMap)] },
        merge: Merge::Fieldwise,
    }),
    check: unchecked,
};

/// What is stored.
#[derive(Serialize, Deserialize)]
struct Message {
    /// Topic that the recipient names; empty for the service's.
    topic: String,
    /// Base64.
    data: String,
    attributes: BTreeMap<String, String>,
}

/// The kind.
pub struct GcpPubsub;

impl Kind for GcpPubsub {
    fn spec(&self) -> &'static KindSpec {
        &SPEC
    }
    fn prepare(&self, draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
        let body = Payload::new("", "", &draft.notification.message.bytes()).body;
        let section = draft.notification.sections.get(SPEC.name);
        let topic = draft.occurrence.destination.recipient.trim().to_owned();
        let message = Message { topic, data: body, attributes: attributes(section) };
        if message.data.is_empty() && message.attributes.is_empty() {
            let advice = "set `message` or `gcppubsub.attributes` in the template";
            return Err(refuse("there is neither a message nor an attribute, which Pub/Sub does not take", advice));
        }
        stored::write(&message).map(Prepared::of)
    }
    fn step(&self, call: &Call<'_>, rounds: &[Vec<Answer>]) -> Result<Step, RequestError> {
        Tale::tell(rounds, |tale| send(call, tale))
    }
    fn host(&self, config: &ServiceConfig, _: &str) -> String {
        let options = Options(config);
        let endpoint = options.text("endpoint");
        http::host(if endpoint.is_empty() { ENDPOINT } else { endpoint })
    }
}

fn attributes(section: Option<&Rendered>) -> BTreeMap<String, String> {
    let Some(Rendered::Map(members)) = section.and_then(|section| section.get("attributes")) else {
        return BTreeMap::new();
    };
    members
        .iter()
        .map(|(name, value)| (name.clone(), value.to_json().as_str().unwrap_or_default().to_owned()))
        .collect()
}

fn unusable(call: &Call<'_>, cause: impl Into<String>) -> RequestError {
    RequestError::Setting { service: call.config.name.clone(), cause: cause.into() }
}

fn send(call: &Call<'_>, tale: &mut Tale<'_>) -> Result<Outcome, Pause> {
    let message: Message = stored::read(&call.config.name, call.payload)?;
    let options = Options(call.config);
    if options.text("project").is_empty() {
        return Err(unusable(call, "`project` is missing").into());
    }
    let topic = if message.topic.is_empty() { options.text("topic") } else { &message.topic };
    if topic.is_empty() {
        return Err(
            unusable(call, "no topic is named; set `topic`, or name one as the subscription's recipient").into()
        );
    }
    if !call.config.namespace.is_empty() {
        let cause = "Google's credentials are those of the controller, and not for this namespace's configuration";
        return Err(unusable(call, cause).into());
    }
    let answer = tale.ask(|| Ok(Outgoing::Ambient(Ambient::Variables(VARIABLES))))?;
    let variables: Map<String, Json> = serde_json::from_slice(&answer.body).unwrap_or_default();
    let variable = |name: &str| variables.get(name).and_then(Json::as_str).unwrap_or_default();
    let emulator = variable("PUBSUB_EMULATOR_HOST");
    let token = if emulator.is_empty() { Some(token(call, tale, &variable)?) } else { None };
    let endpoint = match (emulator, options.text("endpoint")) {
        ("", "") => ENDPOINT.to_owned(),
        ("", endpoint) => endpoint.trim_end_matches('/').to_owned(),
        (host, _) => format!("http://{host}"),
    };
    let published = tale.ask(|| publish(call, &endpoint, topic, &message, token.as_deref()).map(Outgoing::Http))?;
    Ok(judge(published, call.now_ms))
}

/// An access token, told from what the process was given.
fn token<'v>(call: &Call<'_>, tale: &mut Tale<'_>, variable: &dyn Fn(&str) -> &'v str) -> Result<String, Pause> {
    let options = Options(call.config);
    let own = options.text("keyFile").trim();
    let file = if own.is_empty() { variable("GOOGLE_APPLICATION_CREDENTIALS") } else { own };
    let key = "access-token";
    let answer = if file.is_empty() {
        let host = Some(variable("GCE_METADATA_HOST")).filter(|host| !host.is_empty()).unwrap_or(METADATA);
        let request = metadata(call, host);
        tale.ask(|| Ok(Outgoing::Reusable { request, key, lifetime: METADATA_LIFETIME }))?
    } else {
        let content = tale.ask(|| Ok(Outgoing::Ambient(Ambient::File(file.to_owned()))))?;
        if content.status != 200 {
            return Err(unusable(call, "the key file cannot be read; mount it, and check `keyFile`").into());
        }
        let account = Account::read(&content.body).map_err(|cause| unusable(call, cause))?;
        tale.ask(|| Ok(Outgoing::Reusable { request: account.exchange(call)?, key, lifetime: TOKEN_LIFETIME }))?
    };
    let body: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
    match body["access_token"].as_str().filter(|_| answer.status < 300) {
        Some(token) => Ok(token.to_owned()),
        None => Err(Pause::done(no_token(answer, call.now_ms))),
    }
}

/// 400 is Google's word for a key that was deleted, a wrong clock and the like.
fn no_token(answer: &Response, now_ms: i64) -> Verdict {
    let cause = format!("Google gave no access token: it answered {}", answer.status);
    match http::judge(answer, now_ms) {
        Verdict::Retry { after, .. } => Verdict::Retry { after, cause },
        _ => Verdict::Credentials { cause },
    }
}

fn metadata(call: &Call<'_>, host: &str) -> Request {
    Request {
        method: "GET".to_owned(),
        url: format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token"),
        headers: vec![("Metadata-Flavor".to_owned(), b"Google".to_vec())],
        body: Vec::new().into(),
        transport: Options(call.config).transport(ANSWER_TIMEOUT),
    }
}

/// A key of a service account.
#[derive(Deserialize)]
struct Account {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    client_email: String,
    #[serde(default)]
    private_key: String,
    #[serde(default)]
    token_uri: String,
}

impl Account {
    /// Reads a key file; an error holds nothing of it.
    fn read(content: &[u8]) -> Result<Self, &'static str> {
        let account: Self = serde_json::from_slice(content).map_err(|_| "the key file is no JSON")?;
        let known = account.kind == "service_account" && !account.client_email.is_empty();
        known.then_some(account).ok_or("the key file is not that of a service account")
    }

    /// The request for a token.
    fn exchange(&self, call: &Call<'_>) -> Result<Request, RequestError> {
        let url = if self.token_uri.is_empty() { TOKEN_URI } else { &self.token_uri };
        check_url(&call.config.name, url)?;
        let now = call.now_ms / 1000;
        let claims = json!({
            "iss": self.client_email, "scope": SCOPE, "aud": url, "iat": now - 10, "exp": now - 10 + TOKEN_SECONDS,
        });
        let key = Key::parse(&self.private_key).map_err(|cause| unusable(call, cause))?;
        let assertion = key.token(&claims).map_err(|cause| unusable(call, cause))?;
        let body = Serializer::new(String::new())
            .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
            .append_pair("assertion", &assertion)
            .finish();
        Ok(Request {
            method: "POST".to_owned(),
            url: url.to_owned(),
            headers: vec![("Content-Type".to_owned(), b"application/x-www-form-urlencoded".to_vec())],
            body: body.into(),
            transport: Options(call.config).transport(ANSWER_TIMEOUT),
        })
    }
}

fn publish(
    call: &Call<'_>,
    endpoint: &str,
    topic: &str,
    message: &Message,
    token: Option<&str>,
) -> Result<Request, RequestError> {
    let service = &call.config.name;
    let part = |text: &str| utf8_percent_encode(text, SEGMENT).to_string();
    let project = part(Options(call.config).text("project"));
    let url = format!("{endpoint}/v1/projects/{project}/topics/{}:publish", part(topic));
    check_url(service, &url)?;
    let mut one = json!({"data": message.data});
    if !message.attributes.is_empty() {
        one["attributes"] = json!(message.attributes);
    }
    let mut headers = Headers::default();
    headers.set(service, "Content-Type", "application/json")?;
    if let Some(token) = token {
        headers.set(service, "Authorization", &format!("Bearer {token}"))?;
    }
    Ok(Request {
        method: "POST".to_owned(),
        url,
        headers: headers.into_list(),
        body: json!({"messages": [one]}).to_string().into(),
        transport: Options(call.config).transport(ANSWER_TIMEOUT),
    })
}

fn judge(response: &Response, now_ms: i64) -> Outcome {
    let body: Json = serde_json::from_slice(&response.body).unwrap_or_default();
    let status: String = body["error"]["status"].as_str().unwrap_or_default().chars().take(60).collect();
    let cause = format!("Pub/Sub answered {} {status}", response.status).trim_end().to_owned();
    let verdict = match http::judge(response, now_ms) {
        Verdict::Credentials { .. } => Verdict::Credentials { cause },
        Verdict::Permanent { .. } => Verdict::Permanent { cause },
        Verdict::SlowRetry { .. } => Verdict::SlowRetry { cause },
        other => other,
    };
    Outcome { verdict, remember: Vec::new(), forget_answers: response.status == 401 }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::service::testing::{self, Played, RSA_KEY, answer};

    const KEY: &str = "service.gcppubsub.p";
    const SERVICE: &str = "topic: t\nproject: example.com:proj\nkeyFile: /key.json\n";
    const TEMPLATE: &str = "message: '{{.app.status.operationState.message}}'\ngcppubsub: {attributes: {app: '{{.app.metadata.name}}', more: '{{.app.status.operationState.message}}'}}";
    const PATH: &str = "/v1/projects/example.com:proj/topics/t:publish";

    fn play(service: &str, recipient: &str, answers: &[Answer]) -> Result<Played, String> {
        testing::play(KEY, service, TEMPLATE, recipient, answers)
    }
    fn key_file() -> String {
        let account = json!({"type": "service_account", "client_email": "a@p.iam.gserviceaccount.com", "private_key": RSA_KEY, "token_uri": "https://t.example.com/token"});
        account.to_string()
    }
    fn token() -> Answer {
        answer(200, r#"{"access_token": "tok", "expires_in": 3599}"#)
    }

    #[test]
    fn a_service_account_gets_a_token_and_publishes() {
        let answers = [answer(200, "{}"), answer(200, &key_file()), token(), answer(200, r#"{"messageIds": ["1"]}"#)];
        let played = play(SERVICE, "", &answers).unwrap();
        assert_eq!(played.asked, [Ambient::Variables(VARIABLES), Ambient::File("/key.json".into())]);
        let publish = format!("POST https://pubsub.googleapis.com{PATH}");
        assert_eq!(played.lines(), ["POST https://t.example.com/token", publish.as_str()]);
        let form: BTreeMap<String, String> =
            url::form_urlencoded::parse(played.text(0).as_bytes()).into_owned().collect();
        assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
        let claims = form["assertion"].split('.').nth(1).unwrap();
        let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).unwrap();
        let claims: Json = serde_json::from_slice(&claims).unwrap();
        assert_eq!(
            (claims["aud"].as_str(), claims["scope"].as_str()),
            (Some("https://t.example.com/token"), Some(SCOPE))
        );
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
        assert_eq!(played.header(1, "authorization"), "Bearer tok");
        let message = "bad \"quote\"\nand \\ line";
        let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, message);
        let expected = json!({"messages": [{"data": data, "attributes": {"app": "orders", "more": message}}]});
        assert_eq!(played.json(1), expected);
        assert_eq!(played.outcome.verdict, Verdict::Delivered { reached: None, note: None });
    }

    #[test]
    fn the_recipient_names_another_topic_and_the_emulator_needs_no_token() {
        let answers = [answer(200, r#"{"PUBSUB_EMULATOR_HOST": "localhost:8085"}"#), answer(200, "{}")];
        let played = play("topic: t\nproject: p\n", "o/ther", &answers).unwrap();
        assert_eq!(played.lines(), ["POST http://localhost:8085/v1/projects/p/topics/o%2Fther:publish"]);
        assert_eq!(played.header(0, "authorization"), "");
    }

    #[test]
    fn without_a_key_the_metadata_server_is_asked() {
        let played =
            play("topic: t\nproject: p\nendpoint: https://eu/\n", "", &[answer(200, "{}"), token(), answer(200, "{}")])
                .unwrap();
        let expected = [
            "GET http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token",
            "POST https://eu/v1/projects/p/topics/t:publish",
        ];
        assert_eq!(played.lines(), expected);
        assert_eq!(played.header(0, "metadata-flavor"), "Google");
        let adc = [
            answer(200, r#"{"GOOGLE_APPLICATION_CREDENTIALS": "/adc.json"}"#),
            answer(200, &key_file()),
            token(),
            answer(200, "{}"),
        ];
        assert_eq!(play("topic: t\nproject: p\n", "", &adc).unwrap().asked[1], Ambient::File("/adc.json".into()));
    }

    #[test]
    fn refusals_are_told_apart() {
        let publish = |status, body: &str| {
            let answers = [answer(200, "{}"), answer(200, &key_file()), token(), answer(status, body)];
            play(SERVICE, "", &answers).unwrap().outcome
        };
        let denied = publish(403, r#"{"error": {"status": "PERMISSION_DENIED", "message": "tok"}}"#);
        assert_eq!(denied.verdict, Verdict::Credentials { cause: "Pub/Sub answered 403 PERMISSION_DENIED".into() });
        assert!(publish(401, "").forget_answers);
        assert!(matches!(publish(404, "").verdict, Verdict::SlowRetry { .. }));
        assert!(matches!(publish(400, "").verdict, Verdict::Permanent { .. }));
        assert!(matches!(publish(503, "").verdict, Verdict::Retry { .. }));
        let exchange = |status| {
            let answers = [answer(200, "{}"), answer(200, &key_file()), answer(status, "{}")];
            play(SERVICE, "", &answers).unwrap().outcome.verdict
        };
        assert!(matches!(exchange(400), Verdict::Credentials { .. }) && matches!(exchange(500), Verdict::Retry { .. }));
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = |service: &str, answers: &[Answer]| play(service, "", answers).unwrap_err();
        assert!(error("topic: t", &[]).contains("`project`") && error("project: p", &[]).contains("`topic`"));
        assert!(error(SERVICE, &[answer(200, "{}"), answer(404, "no such file")]).contains("cannot be read"));
        for content in ["nonsense", "{}", r#"{"type": "authorized_user"}"#] {
            assert!(error(SERVICE, &[answer(200, "{}"), answer(200, content)]).contains("key file"), "{content}");
        }
        assert!(testing::play(KEY, SERVICE, "message: ''", "", &[]).unwrap_err().contains("neither"));
    }
}

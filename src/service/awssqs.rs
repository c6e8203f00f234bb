//! `service.awssqs.<name>`: a message to a queue of AWS SQS, as the SDK of the Go controller sends it (AWS JSON 1.0).
//!
//! Credentials are those of the service, or, for the controller's own configuration only, what the operator gave the
//! process: environment variables, or a web identity (IAM roles for service accounts).

use super::conversation::{Pause, Tale};
use super::http::{self, Options, check_url};
use super::sigv4::{self, Credentials, Scope};
use super::stored::{self, refuse};
use super::{
    Ambient, Answer, Call, Draft, Kind, Outcome, Outgoing, PrepareError, Prepared, RequestError, Step, Verdict,
};
use crate::egress::{Request, Response};
use crate::notify::kind::{Field, KindSpec, Merge, Record, SectionSpec, Shape, unchecked};
use crate::notify::{Rendered, ServiceConfig};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::time::Duration;
use url::form_urlencoded::Serializer;

/// Seconds until a message can be received, as the Go controller has it.
const DELAY_SECONDS: u32 = 10;
/// Time from the request to the end of the answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Credentials of a web identity are good for an hour.
const CREDENTIALS_LIFETIME: Duration = Duration::from_secs(45 * 60);
/// What the operator may have given the process.
const VARIABLES: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_SQS",
    "AWS_ENDPOINT_URL_STS",
];

static SPEC: KindSpec = KindSpec {
    name: "awssqs",
    own: false,
    options: Record {
        go: "AwsSqsOptions",
        fields: &[
            Field::new("queue", Shape::Text),
            Field::new("account", Shape::Text),
            Field::new("region", Shape::Text),
            Field::new("endpointUrl", Shape::Text),
            Field::new("key", Shape::Text),
            Field::new("secret", Shape::Text),
        ],
    },
    transport: false,
    section: Some(SectionSpec {
        record: Record {
            go: "AwsSqsNotification",
            fields: &[
                Field::new("messageAttributes", Shape::TemplateMap).always(),
                Field::new("messageGroupId", Shape::Template),
            ],
        },
        merge: Merge::Fieldwise,
    }),
    check: unchecked,
};

/// What is stored.
#[derive(Serialize, Deserialize)]
struct Message {
    /// Queue that the recipient names; empty for the service's.
    queue: String,
    body: String,
    attributes: BTreeMap<String, String>,
    group: String,
}

/// The kind.
pub struct AwsSqs;

impl Kind for AwsSqs {
    fn spec(&self) -> &'static KindSpec {
        &SPEC
    }
    fn prepare(&self, draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
        prepare(draft)
    }
    fn step(&self, call: &Call<'_>, rounds: &[Vec<Answer>]) -> Result<Step, RequestError> {
        Tale::tell(rounds, |tale| send(call, tale))
    }
    fn host(&self, config: &ServiceConfig, _: &str) -> String {
        let options = Options(config);
        match (options.text("endpointUrl"), options.text("region")) {
            ("", "") => String::new(),
            ("", region) => http::host(&endpoint_of("sqs", region)),
            (url, _) => http::host(url),
        }
    }
}

fn prepare(draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
    let section = draft.notification.sections.get(SPEC.name);
    let message = Message {
        queue: draft.occurrence.destination.recipient.trim().to_owned(),
        body: draft.notification.message.lossy(),
        attributes: attributes(section),
        group: section.map(|section| section.string("messageGroupId")).unwrap_or_default(),
    };
    if message.body.is_empty() {
        return Err(refuse("the message is empty, which SQS does not take", "set `message` in the template"));
    }
    let options = Options(draft.config);
    let queue = if message.queue.is_empty() { options.text("queue") } else { &message.queue };
    if is_fifo(queue) && message.group.is_empty() {
        let advice = "set `awssqs.messageGroupId` in the template, for example to the Application's name";
        return Err(refuse(format!("the queue '{queue}' is a FIFO queue, whose messages need a group"), advice));
    }
    // A FIFO queue drops what has the delivery's id a second time.
    Ok(Prepared { idempotent: is_fifo(queue), ..Prepared::of(stored::write(&message)?) })
}

fn is_fifo(queue: &str) -> bool {
    queue.ends_with(".fifo")
}

/// SQS refuses empty values.
fn attributes(section: Option<&Rendered>) -> BTreeMap<String, String> {
    let Some(Rendered::Map(members)) = section.and_then(|section| section.get("messageAttributes")) else {
        return BTreeMap::new();
    };
    let text = |value: &Rendered| value.to_json().as_str().unwrap_or_default().to_owned();
    members.iter().map(|(name, value)| (name.clone(), text(value))).filter(|(_, value)| !value.is_empty()).collect()
}

/// What a request is made with.
struct Account<'a> {
    call: &'a Call<'a>,
    region: String,
    endpoint: String,
    credentials: Credentials,
}

fn send(call: &Call<'_>, tale: &mut Tale<'_>) -> Result<Outcome, Pause> {
    let message: Message = stored::read(&call.config.name, call.payload)?;
    let account = account(call, tale)?;
    let options = Options(call.config);
    let queue = if message.queue.is_empty() { options.text("queue") } else { &message.queue };
    if queue.is_empty() {
        return Err(
            unusable(call, "no queue is named; set `queue`, or name one as the subscription's recipient").into()
        );
    }
    let mut wanted = json!({"QueueName": queue});
    if !options.text("account").is_empty() {
        wanted["QueueOwnerAWSAccountId"] = options.text("account").into();
    }
    let found = tale.ask(|| account.request("GetQueueUrl", &wanted).map(Outgoing::Http))?;
    let found: Json = accepted(found, call.now_ms)?;
    let url = found["QueueUrl"].as_str().unwrap_or_default();
    let body = body(&message, url, queue, call.delivery_id);
    let sent = tale.ask(|| account.request("SendMessage", &body).map(Outgoing::Http))?;
    accepted(sent, call.now_ms)?;
    Ok(Outcome {
        verdict: Verdict::Delivered { reached: None, note: None },
        remember: Vec::new(),
        forget_answers: false,
    })
}

fn body(message: &Message, url: &str, queue: &str, delivery_id: &str) -> Json {
    let mut body = json!({"QueueUrl": url, "MessageBody": message.body});
    if is_fifo(queue) {
        // A FIFO queue has no delay of single messages.
        body["MessageDeduplicationId"] = delivery_id.into();
    } else {
        body["DelaySeconds"] = DELAY_SECONDS.into();
    }
    if !message.group.is_empty() {
        body["MessageGroupId"] = message.group.clone().into();
    }
    let attribute =
        |(name, value): (&String, &String)| (name.clone(), json!({"DataType": "String", "StringValue": value}));
    if !message.attributes.is_empty() {
        body["MessageAttributes"] = Json::Object(message.attributes.iter().map(attribute).collect());
    }
    body
}

fn unusable(call: &Call<'_>, cause: &str) -> RequestError {
    RequestError::Setting { service: call.config.name.clone(), cause: cause.to_owned() }
}

fn endpoint_of(service: &str, region: &str) -> String {
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://{service}.{region}.{suffix}/")
}

/// The variables of the process that are set.
struct Variables(Map<String, Json>);

impl Variables {
    fn first(&self, names: &[&str]) -> String {
        let mut found = names.iter().filter_map(|name| self.0.get(*name).and_then(Json::as_str));
        found.find(|value| !value.is_empty()).unwrap_or_default().to_owned()
    }
}

fn account<'a>(call: &'a Call<'a>, tale: &mut Tale<'_>) -> Result<Account<'a>, Pause> {
    let options = Options(call.config);
    let own = |name| options.text(name).trim().to_owned();
    let (key, secret) = (own("key"), own("secret"));
    let complete = !key.is_empty() && !secret.is_empty();
    let needs_no_more = complete && !own("region").is_empty();
    let variables = if needs_no_more || !call.config.namespace.is_empty() {
        Variables(Map::new())
    } else {
        let answer = tale.ask(|| Ok(Outgoing::Ambient(Ambient::Variables(VARIABLES))))?;
        Variables(serde_json::from_slice(&answer.body).unwrap_or_default())
    };
    let or = |text: String, names: &[&str]| if text.is_empty() { variables.first(names) } else { text };
    let region = or(own("region"), &["AWS_DEFAULT_REGION", "AWS_REGION"]);
    if region.is_empty() {
        return Err(unusable(call, "`region` is missing; set it, or AWS_DEFAULT_REGION of the controller").into());
    }
    let credentials = if complete {
        Credentials { key, secret, token: String::new() }
    } else {
        ambient(call, tale, &variables, &region)?
    };
    let endpoint = or(own("endpointUrl"), &["AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL"]);
    let endpoint = if endpoint.is_empty() { endpoint_of("sqs", &region) } else { endpoint };
    Ok(Account { call, region, endpoint, credentials })
}

/// Credentials that the operator gave the process.
fn ambient(call: &Call<'_>, tale: &mut Tale<'_>, variables: &Variables, region: &str) -> Result<Credentials, Pause> {
    let (key, secret) = (variables.first(&["AWS_ACCESS_KEY_ID"]), variables.first(&["AWS_SECRET_ACCESS_KEY"]));
    if !key.is_empty() && !secret.is_empty() {
        return Ok(Credentials { key, secret, token: variables.first(&["AWS_SESSION_TOKEN"]) });
    }
    let file = variables.first(&["AWS_WEB_IDENTITY_TOKEN_FILE"]);
    if !call.config.namespace.is_empty() {
        let cause = "`key` and `secret` are missing; the controller's own credentials are not for this namespace";
        return Err(unusable(call, cause).into());
    }
    if file.is_empty() {
        let cause = "there are no credentials; set `key` and `secret`, or AWS_ACCESS_KEY_ID and \
                     AWS_SECRET_ACCESS_KEY of the controller, or give its service account an IAM role";
        return Err(unusable(call, cause).into());
    }
    let token = tale.ask(|| Ok(Outgoing::Ambient(Ambient::File(file.clone()))))?;
    if token.status != 200 {
        return Err(unusable(call, "the file of AWS_WEB_IDENTITY_TOKEN_FILE cannot be read").into());
    }
    let token = String::from_utf8_lossy(&token.body).trim().to_owned();
    let key = "web-identity";
    let answer = tale.ask(|| {
        let request = assume_role(call, variables, region, &token)?;
        Ok(Outgoing::Reusable { request, key, lifetime: CREDENTIALS_LIFETIME })
    })?;
    if !(200..300).contains(&answer.status) {
        return Err(refused(answer, call.now_ms));
    }
    let text = String::from_utf8_lossy(&answer.body);
    let part = |name| element(&text, name).to_owned();
    Ok(Credentials { key: part("AccessKeyId"), secret: part("SecretAccessKey"), token: part("SessionToken") })
}

/// Text of the first element of a name; STS escapes nothing in what is looked for.
fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let found = xml.split_once(&format!("<{name}>")).map(|(_, rest)| rest);
    found.and_then(|rest| rest.split_once("</")).map(|(text, _)| text.trim()).unwrap_or_default()
}

fn assume_role(call: &Call<'_>, variables: &Variables, region: &str, token: &str) -> Result<Request, RequestError> {
    let session = variables.first(&["AWS_ROLE_SESSION_NAME"]);
    let body = Serializer::new(String::new())
        .append_pair("Action", "AssumeRoleWithWebIdentity")
        .append_pair("Version", "2011-06-15")
        .append_pair("RoleArn", &variables.first(&["AWS_ROLE_ARN"]))
        .append_pair("RoleSessionName", if session.is_empty() { "gatepost" } else { &session })
        .append_pair("WebIdentityToken", token)
        .finish();
    let endpoint = variables.first(&["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"]);
    let url = if endpoint.is_empty() { endpoint_of("sts", region) } else { endpoint };
    check_url(&call.config.name, &url)?;
    let kind = b"application/x-www-form-urlencoded".to_vec();
    Ok(Request {
        method: "POST".to_owned(),
        url,
        headers: vec![("Content-Type".to_owned(), kind)],
        body: body.into(),
        transport: Options(call.config).transport(ANSWER_TIMEOUT),
    })
}

impl Account<'_> {
    fn request(&self, action: &str, body: &Json) -> Result<Request, RequestError> {
        let service = &self.call.config.name;
        check_url(service, &self.endpoint)?;
        let url_error = |cause: String| RequestError::Url { service: service.clone(), cause };
        let url = url::Url::parse(&self.endpoint).map_err(|error| url_error(error.to_string()))?;
        let (target, body) = (format!("AmazonSQS.{action}"), body.to_string());
        let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target.as_str())];
        let scope = Scope { region: &self.region, service: "sqs", now_ms: self.call.now_ms };
        let signed = sigv4::sign(&self.credentials, &scope, "POST", &url, &headers, body.as_bytes());
        let signed = signed.ok_or_else(|| url_error("the clock is beyond the calendar".to_owned()))?;
        let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).chain(signed);
        Ok(Request {
            method: "POST".to_owned(),
            url: url.to_string(),
            headers: headers.map(|(name, value)| (name, value.into_bytes())).collect(),
            body: body.into(),
            transport: Options(self.call.config).transport(ANSWER_TIMEOUT),
        })
    }
}

/// The JSON of a good answer.
fn accepted(answer: &Response, now_ms: i64) -> Result<Json, Pause> {
    if !(200..300).contains(&answer.status) {
        return Err(refused(answer, now_ms));
    }
    Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
}

fn refused(answer: &Response, now_ms: i64) -> Pause {
    let (verdict, forget_answers) = judge(answer, now_ms);
    Pause::Step(Step::Done(Outcome { verdict, remember: Vec::new(), forget_answers }))
}

/// What a refusal means, and whether temporary credentials are of no more use. AWS's message is not repeated: that of a
/// wrong signature holds the session token.
fn judge(answer: &Response, now_ms: i64) -> (Verdict, bool) {
    let code = error_code(answer);
    let cause = format!("AWS answered {} {code}", answer.status);
    let is = |names: &[&str]| names.iter().any(|name| code.contains(name));
    if is(&[
        "Throttl",
        "TooManyRequests",
        "SlowDown",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "IDPCommunicationError",
    ]) {
        return (Verdict::Retry { after: http::retry_after(answer, now_ms), cause }, false);
    }
    if is(&["QueueDoesNotExist", "NonExistentQueue", "QueueDeletedRecently"]) {
        return (Verdict::SlowRetry { cause }, false);
    }
    let denied = [
        "AccessDenied",
        "Signature",
        "Token",
        "UnrecognizedClient",
        "InvalidSecurity",
        "OptInRequired",
        "InvalidAccessKey",
    ];
    if is(&denied) {
        return (Verdict::Credentials { cause }, true);
    }
    let verdict = match http::judge(answer, now_ms) {
        Verdict::Permanent { .. } => Verdict::Permanent { cause },
        other => other,
    };
    (verdict, matches!(answer.status, 401 | 403))
}

/// `com.amazonaws.sqs#QueueDoesNotExist` or `AWS.SimpleQueueService.NonExistentQueue;Sender`: the name itself; or the
/// code of an answer in XML.
fn error_code(answer: &Response) -> String {
    let body: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = String::from_utf8_lossy(&answer.body);
    let code =
        body["__type"].as_str().or_else(|| answer.header("x-amzn-query-error")).unwrap_or(element(&text, "Code"));
    let code = code.split(';').next().unwrap_or_default();
    let code = code.rsplit(['#', '.']).next().unwrap_or_default();
    code.chars().filter(char::is_ascii_alphanumeric).take(80).collect()
}

#[cfg(test)]
#[path = "awssqs_tests.rs"]
mod tests;

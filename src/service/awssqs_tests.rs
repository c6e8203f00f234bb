#![allow(clippy::unwrap_used)]
use super::*;
use crate::service::testing::{self, Played, answer};

const KEY: &str = "service.awssqs.q";
const SERVICE: &str = "queue: q\naccount: '123'\nregion: eu-west-1\nkey: AKID\nsecret: s3cr3t\n";
const TEMPLATE: &str = "message: '{{.app.status.operationState.message}}'\nawssqs: {messageAttributes: {app: '{{.app.metadata.name}}', none: ''}, messageGroupId: '{{.app.metadata.name}}'}";
const FOUND: &str = r#"{"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/123/q"}"#;

fn play(service: &str, template: &str, recipient: &str, answers: &[Answer]) -> Result<Played, String> {
    testing::play(KEY, service, template, recipient, answers)
}

#[test]
fn a_message_is_two_signed_calls() {
    let played = play(SERVICE, TEMPLATE, "", &[answer(200, FOUND), answer(200, r#"{"MessageId": "m"}"#)]).unwrap();
    assert_eq!(
        played.lines(),
        ["POST https://sqs.eu-west-1.amazonaws.com/", "POST https://sqs.eu-west-1.amazonaws.com/"]
    );
    assert_eq!(played.header(0, "x-amz-target"), "AmazonSQS.GetQueueUrl");
    assert_eq!(played.header(1, "x-amz-target"), "AmazonSQS.SendMessage");
    assert_eq!(played.header(1, "content-type"), "application/x-amz-json-1.0");
    assert_eq!(played.header(1, "x-amz-date"), "20270115T080000Z");
    let authorization = played.header(1, "authorization");
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKID/20270115/eu-west-1/sqs/aws4_request, "));
    assert_eq!(played.json(0), json!({"QueueName": "q", "QueueOwnerAWSAccountId": "123"}));
    let expected = json!({
        "QueueUrl": "https://sqs.eu-west-1.amazonaws.com/123/q", "MessageBody": "bad \"quote\"\nand \\ line", "DelaySeconds": 10,
        "MessageGroupId": "orders", "MessageAttributes": {"app": {"DataType": "String", "StringValue": "orders"}},
    });
    assert_eq!(played.json(1), expected);
    assert_eq!(played.outcome.verdict, Verdict::Delivered { reached: None, note: None });
    let stored = String::from_utf8(played.prepared.payload).unwrap();
    assert!(!stored.contains("AKID") && !stored.contains("s3cr3t") && !stored.contains("amazonaws"), "{stored}");
}

#[test]
fn the_recipient_names_another_queue_and_an_endpoint_another_host() {
    let service = "queue: q\nregion: us-east-2\nendpointUrl: http://localhost:4566\nkey: a\nsecret: b\n";
    let played = play(service, "message: m", "other", &[answer(200, "{}"), answer(200, "{}")]).unwrap();
    assert_eq!(played.lines()[0], "POST http://localhost:4566/");
    assert_eq!(played.json(0), json!({"QueueName": "other"}));
    assert_eq!(played.json(1), json!({"QueueUrl": "", "MessageBody": "m", "DelaySeconds": 10}));
}

#[test]
fn a_fifo_queue_gets_the_deliverys_id_and_no_delay() {
    let played = play(SERVICE, TEMPLATE, "q.fifo", &[answer(200, FOUND), answer(200, "{}")]).unwrap();
    assert_eq!(played.json(1)["MessageDeduplicationId"], "dlv_1");
    assert!(played.json(1).get("DelaySeconds").is_none() && played.prepared.idempotent);
    let error = play(SERVICE, "message: m", "q.fifo", &[]).unwrap_err();
    assert!(error.contains("messageGroupId"), "{error}");
}

#[test]
fn credentials_of_the_process_are_asked_for_where_the_service_has_none() {
    let variables = json!({"AWS_ACCESS_KEY_ID": "ENV", "AWS_SECRET_ACCESS_KEY": "x", "AWS_SESSION_TOKEN": "session", "AWS_REGION": "eu-north-1"});
    let answers = [answer(200, &variables.to_string()), answer(200, FOUND), answer(200, "{}")];
    let played = play("queue: q", "message: m", "", &answers).unwrap();
    assert_eq!(played.asked, [Ambient::Variables(VARIABLES)]);
    assert_eq!(played.lines()[0], "POST https://sqs.eu-north-1.amazonaws.com/");
    assert_eq!(played.header(0, "x-amz-security-token"), "session");
    assert!(played.header(0, "authorization").contains("Credential=ENV/"));
    let error = play("queue: q", "message: m", "", &[answer(200, r#"{"AWS_REGION": "x"}"#)]).unwrap_err();
    assert!(error.contains("AWS_ACCESS_KEY_ID"), "{error}");
    let error = play("queue: q\nkey: a\nsecret: b\n", "message: m", "", &[answer(200, "{}")]).unwrap_err();
    assert!(error.contains("`region`"), "{error}");
}

#[test]
fn a_web_identity_becomes_temporary_credentials() {
    let variables = json!({"AWS_ROLE_ARN": "arn:aws:iam::1:role/r", "AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_REGION": "eu-north-1"});
    let xml = "<R><Credentials><AccessKeyId>TMP</AccessKeyId><SecretAccessKey>a/b+c=</SecretAccessKey><SessionToken>tok</SessionToken></Credentials></R>";
    let answers = [
        answer(200, &variables.to_string()),
        answer(200, "jwt\n"),
        answer(200, xml),
        answer(200, FOUND),
        answer(200, "{}"),
    ];
    let played = play("queue: q", "message: m", "", &answers).unwrap();
    assert_eq!(played.asked[1], Ambient::File("/t".into()));
    assert_eq!(played.lines()[0], "POST https://sts.eu-north-1.amazonaws.com/");
    let form = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=gatepost&WebIdentityToken=jwt";
    assert_eq!(played.text(0), form);
    assert!(played.header(1, "authorization").contains("Credential=TMP/"));
    assert_eq!(played.header(1, "x-amz-security-token"), "tok");
    let denied = "<E><Code>InvalidIdentityToken</Code></E>";
    let answers = [answer(200, &variables.to_string()), answer(200, "jwt"), answer(400, denied)];
    let outcome = play("queue: q", "message: m", "", &answers).unwrap().outcome;
    assert_eq!(outcome.verdict, Verdict::Credentials { cause: "AWS answered 400 InvalidIdentityToken".into() });
    let unreadable = [answer(200, &variables.to_string()), answer(404, "no such file")];
    assert!(play("queue: q", "message: m", "", &unreadable).unwrap_err().contains("cannot be read"));
}

#[test]
fn a_tenant_gets_nothing_of_the_process() {
    let config = ServiceConfig {
        namespace: "team-a".into(),
        name: "q".into(),
        kind: "awssqs".into(),
        options: json!({"queue": "q", "region": "eu-west-1"}),
        digest: String::new(),
    };
    let occurrence = testing::occurrence(crate::notify::Destination { service: "q".into(), recipient: String::new() });
    let message = Message { queue: String::new(), body: "m".into(), attributes: BTreeMap::new(), group: String::new() };
    let (payload, memory) = (stored::write(&message).unwrap(), BTreeMap::new());
    let call = Call {
        config: &config,
        payload: &payload,
        occurrence: &occurrence,
        delivery_id: "d",
        now_ms: 0,
        decided_ms: 0,
        memory: &memory,
    };
    let error = AwsSqs.step(&call, &[]).unwrap_err().to_string();
    assert!(error.contains("not for this namespace"), "{error}");
}

#[test]
fn refusals_are_judged_by_their_code() {
    let verdict = |status: u16, body: &str| {
        let played = play(SERVICE, TEMPLATE, "", &[answer(status, body)]).unwrap();
        (played.outcome.verdict, played.outcome.forget_answers)
    };
    let code =
        |name: &str| format!(r#"{{"__type": "com.amazonaws.sqs#{name}", "message": "x-amz-security-token:tok"}}"#);
    let (missing, _) = verdict(400, &code("QueueDoesNotExist"));
    assert_eq!(missing, Verdict::SlowRetry { cause: "AWS answered 400 QueueDoesNotExist".into() });
    assert!(matches!(
        verdict(400, r#"{"__type": "AWS.SimpleQueueService.NonExistentQueue;Sender"}"#).0,
        Verdict::SlowRetry { .. }
    ));
    assert!(matches!(verdict(400, &code("ThrottlingException")).0, Verdict::Retry { .. }));
    assert!(matches!(verdict(403, &code("ExpiredTokenException")), (Verdict::Credentials { .. }, true)));
    assert!(matches!(verdict(403, &code("SignatureDoesNotMatch")), (Verdict::Credentials { .. }, true)));
    assert!(matches!(verdict(400, &code("InvalidMessageContents")).0, Verdict::Permanent { .. }));
    assert!(matches!(verdict(503, "").0, Verdict::Retry { .. }));
    assert!(play(SERVICE, "message: ''", "", &[]).unwrap_err().contains("empty"));
    assert!(play("region: r\nkey: a\nsecret: b\n", "message: m", "", &[]).unwrap_err().contains("`queue`"));
}

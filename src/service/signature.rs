//! Standard Webhooks (https://www.standardwebhooks.com, specification 1.0.0): a receiver with the same secret can tell that a
//! request is ours, fresh, and which delivery it is.
//!
//! Signed at each attempt with the secrets of now, so that a rotated one reaches what is pending. Off unless
//! `signingSecret` is set. Must never put a secret into an error.

use super::{Call, RequestError};
use crate::egress::Request;
use crate::notify::ServiceConfig;
use crate::notify::kind::{Field, Shape, Warning};
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Map, Value as Json};
use sha2::Sha256;

/// The option: one secret or several, each signs.
pub const FIELD: Field = Field::new("signingSecret", Shape::Words);

/// How Standard Webhooks marks a secret.
const PREFIX: &str = "whsec_";
/// Bytes of a secret that the specification asks for.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Secrets that sign at once; more than two are hardly a rotation.
const SECRETS_MAX: usize = 8;

/// Base64 whether it is padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether a service signs.
pub fn is_wanted(config: &ServiceConfig) -> bool {
    secrets(&config.options).next().is_some()
}

/// Secrets that receivers may refuse or that are easily guessed.
pub fn warnings(options: &Map<String, Json>) -> Vec<Warning> {
    let list = options.get(FIELD.name).and_then(Json::as_array);
    let texts = list.into_iter().flatten().filter_map(Json::as_str);
    let faults = texts.zip(1..).filter_map(|(text, number)| {
        let cause = match key(text) {
            // A `$name` without its Secret key has a warning of its own.
            None if text.starts_with('$') => return None,
            None => format!("secret {number} of `signingSecret` is not base64, so nothing can be sent"),
            Some(key) if KEY_BYTES.contains(&key.len()) => return None,
            Some(key) => format!("secret {number} of `signingSecret` has {} bytes", key.len()),
        };
        Some(Warning { line: 0, cause, advice: ADVICE.to_owned() })
    });
    faults.collect()
}

const ADVICE: &str = "Standard Webhooks wants 24 to 64: echo whsec_$(head -c 32 /dev/urandom | base64)";

/// Adds id, time and signatures over them and the body.
///
/// # Errors
/// A secret that cannot be used.
pub fn sign(call: &Call<'_>, request: &mut Request) -> Result<(), RequestError> {
    let mut signatures = Vec::new();
    let time = call.now_ms.div_euclid(1000).to_string();
    for (text, number) in secrets(&call.config.options).zip(1..=SECRETS_MAX) {
        let key = key(text).filter(|key| !key.is_empty()).ok_or_else(|| unusable(call.config, number))?;
        let message = [call.delivery_id.as_bytes(), b".", time.as_bytes(), b".", &request.body[..]];
        signatures.push(format!("v1,{}", STANDARD.encode(hmac(&key, &message))));
    }
    if signatures.is_empty() {
        return Ok(());
    }
    let added = [
        ("webhook-id", call.delivery_id.to_owned()),
        ("webhook-timestamp", time),
        ("webhook-signature", signatures.join(" ")),
    ];
    request.headers.retain(|(known, _)| !added.iter().any(|(name, _)| known.eq_ignore_ascii_case(name)));
    request.headers.extend(added.map(|(name, value)| (name.to_owned(), value.into_bytes())));
    Ok(())
}

fn secrets(options: &Json) -> impl Iterator<Item = &str> {
    options.get(FIELD.name).and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str)
}

/// The key of a secret; base64 with or without the mark, as the libraries of receivers read it.
fn key(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.strip_prefix(PREFIX).unwrap_or(text)).ok()
}

fn unusable(config: &ServiceConfig, number: usize) -> RequestError {
    RequestError::Setting {
        service: config.name.clone(),
        cause: format!("secret {number} of `signingSecret` is not base64; {ADVICE}"),
    }
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::service::testing::{Played, answer, play};
    use standardwebhooks::Webhook;

    const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const NEW: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    fn signed(option: &str) -> Result<Played, String> {
        let options = format!("url: http://h/x\n{option}\n");
        let template = "webhook: {hook: {method: POST, body: '{\"app\": \"{{.app.metadata.name}}\"}'}}";
        play("gatepost.service.webhook.hook", &options, template, "", &[answer(200, "")])
    }

    /// The check of the reference library, but for the age: the time of these attempts is a fixed one.
    fn verify(played: &Played, secret: &str) -> Result<(), String> {
        let signature = played.header(0, "webhook-signature");
        let time: i64 = played.header(0, "webhook-timestamp").parse().unwrap();
        let webhook = Webhook::new(secret).unwrap();
        let expected = webhook.sign(&played.header(0, "webhook-id"), time, played.text(0).as_bytes()).unwrap();
        match signature.split(' ').any(|one| one == expected) {
            true => Ok(()),
            false => Err(format!("{signature} has no {expected}")),
        }
    }

    #[test]
    fn the_reference_library_accepts_what_is_signed() {
        let played = signed(&format!("signingSecret: {NEW}")).unwrap();
        verify(&played, NEW).unwrap();
        assert!(verify(&played, OLD).is_err());
        assert_eq!(
            (played.header(0, "webhook-id"), played.header(0, "webhook-timestamp")),
            ("dlv_1".into(), "1800000000".into())
        );
    }

    #[test]
    fn during_a_rotation_both_secrets_are_accepted() {
        for option in [format!("signingSecret: {NEW} {OLD}"), format!("signingSecret: [{NEW}, {OLD}]")] {
            let played = signed(&option).unwrap();
            verify(&played, NEW).unwrap();
            verify(&played, OLD).unwrap();
            assert_eq!(played.header(0, "webhook-signature").split(' ').count(), 2);
        }
    }

    /// What a service with this secret adds to a request.
    fn added(secret: &str) -> Result<Request, RequestError> {
        let config = ServiceConfig {
            namespace: String::new(),
            name: "hook".into(),
            kind: "webhook".into(),
            options: serde_json::json!({"signingSecret": [secret]}),
            digest: String::new(),
        };
        let occurrence = crate::service::testing::occurrence(crate::notify::Destination {
            service: "hook".into(),
            recipient: String::new(),
        });
        let call = Call {
            config: &config,
            payload: &[],
            occurrence: &occurrence,
            delivery_id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            now_ms: 1_614_265_330_999,
            decided_ms: 0,
            memory: &std::collections::BTreeMap::new(),
        };
        let mut request = Request {
            method: "POST".into(),
            url: "http://h/".into(),
            headers: vec![("Webhook-Id".into(), b"other".to_vec())],
            body: bytes::Bytes::from_static(br#"{"test": 2432232314}"#),
            transport: crate::egress::Transport::default(),
        };
        sign(&call, &mut request).map(|()| request)
    }

    #[test]
    fn the_specifications_own_example() {
        let request = added(OLD).unwrap();
        let value =
            |name: &'static str| request.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name));
        assert_eq!(value("webhook-id").count(), 1);
        let signature = value("webhook-signature").map(|(_, value)| value.clone()).next().unwrap();
        assert_eq!(signature, b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_none_is_refused_without_being_shown() {
        for secret in ["not+base64!", "whsec_", "$absent"] {
            let error = added(secret).unwrap_err().to_string();
            assert!(error.contains("signingSecret") && !error.contains("not+base64"), "{error}");
        }
    }

    #[test]
    fn weak_secrets_are_warned_of() {
        let told = |secret: &str| {
            let options = serde_json::json!({"signingSecret": [secret]});
            warnings(options.as_object().unwrap()).len()
        };
        assert_eq!((told(OLD), told("whsec_AAAA"), told("!!"), told("$absent")), (0, 1, 1, 0));
    }
}

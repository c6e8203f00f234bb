//! Private keys and X.509 certificates as sprig makes them.
//!
//! Decides what is in a certificate: a subject with a common name only, a random serial number of 128 bits, the names and
//! addresses given, valid from now on, for servers and clients. Keys, certificates and signatures come from [`keys`] and
//! rcgen. All of it is refused unless [`gatepost_value::CallContext::costly`] is set; then the time a key takes is not
//! counted against the render, but each costs so many steps that a render makes a handful at most.

use super::encoding::decode_base64;
use super::keys::{PrivateKey, first_block, pem_block};
use super::{Answer, fail, text};
use crate::function::{Call, Effect, FunctionSpec, Offered::Notifications, ParamType, ParamType::*, SignatureSpec};
use gatepost_value::namespace::Record;
use gatepost_value::{CallError, Str, Value, fmt};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use std::net::IpAddr;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;

/// Steps that each key or certificate costs.
const STEPS: u64 = 100_000;
const LARGE_RSA: u64 = 4_096;
const USUAL_RSA: u64 = 2_048;
const DAY_NANOSECONDS: i64 = 86_400_000_000_000;
const TYPE: &str = "sprig.certificate";
const CERTIFICATE: ParamType = Struct(TYPE);

const fn spec(name: &'static str, params: &'static [ParamType], run: fn(&mut Call<'_>) -> Answer) -> FunctionSpec {
    FunctionSpec::new(name, SignatureSpec::fixed(params), run).offered(Notifications).costly()
}
/// Functions of which each call answers something else.
const fn random(name: &'static str, params: &'static [ParamType], run: fn(&mut Call<'_>) -> Answer) -> FunctionSpec {
    spec(name, params, run).effect(Effect::Random)
}

pub(super) const TABLE: &[FunctionSpec] = &[
    random("genPrivateKey", &[String], private_key),
    spec("buildCustomCert", &[String, String], custom),
    random("genCA", &[String, Int], |call| own(call, new_key(call)?, &authority(call)?)),
    random("genCAWithKey", &[String, Int, String], |call| own(call, given_key(call, 2)?, &authority(call)?)),
    random("genSelfSignedCert", &[String, List, List, Int], |call| own(call, new_key(call)?, &server(call)?)),
    random("genSelfSignedCertWithKey", &[String, List, List, Int, String], |call| {
        own(call, given_key(call, 4)?, &server(call)?)
    }),
    random("genSignedCert", &[String, List, List, Int, CERTIFICATE], |call| signed(call, new_key(call)?)),
    random("genSignedCertWithKey", &[String, List, List, Int, CERTIFICATE, String], |call| {
        signed(call, given_key(call, 5)?)
    }),
];

/// Pays for one key.
fn pay(call: &Call<'_>) -> Result<(), CallError> {
    call.budget().step(STEPS)?;
    Ok(call.budget().check_time()?)
}

fn private_key(call: &mut Call<'_>) -> Answer {
    pay(call)?;
    let random = call.context.random;
    let made = call.budget().uncounted(|| match call.bytes(0) {
        b"" | b"rsa" => Ok(PrivateKey::rsa(LARGE_RSA, random)),
        b"dsa" => Ok(PrivateKey::dsa(random)),
        b"ecdsa" => Ok(PrivateKey::p256()),
        b"ed25519" => Ok(Some(PrivateKey::ed25519(random))),
        _ => Err(format!("Unknown type {}", call.text(0))),
    });
    match made {
        Ok(Some(key)) => text(call, key.to_pem()),
        Ok(None) => text(call, "failed to generate private key: the random source gives no primes"),
        Err(unknown) => text(call, unknown),
    }
}

/// An RSA key of the size that sprig gives certificates.
fn new_key(call: &Call<'_>) -> Result<PrivateKey, CallError> {
    pay(call)?;
    let made = call.budget().uncounted(|| PrivateKey::rsa(USUAL_RSA, call.context.random));
    made.ok_or_else(|| CallError::new("error generating rsa key: the random source gives no primes"))
}

fn given_key(call: &Call<'_>, index: usize) -> Result<PrivateKey, CallError> {
    pay(call)?;
    PrivateKey::from_pem(call.bytes(index)).or_else(|e| fail(format!("parsing private key: {e}")))
}

fn custom(call: &mut Call<'_>) -> Answer {
    let decoded = |index: usize, what: &str| {
        decode_base64(call.bytes(index)).or_else(|_| fail(format!("unable to decode base64 {what}")))
    };
    let (certificate, key) = (decoded(0, "certificate")?, decoded(1, "private key")?);
    let Some(block) = first_block(&certificate) else { return fail("unable to decode certificate") };
    parsed(block.contents(), "decodedCert.Bytes")?;
    PrivateKey::from_pem(&key).or_else(|e| fail(format!("error parsing private key: {e}")))?;
    answer(call, certificate, key)
}

fn parsed<'d>(der: &'d [u8], name: &str) -> Result<X509Certificate<'d>, CallError> {
    match x509_parser::parse_x509_certificate(der) {
        Ok((_, certificate)) => Ok(certificate),
        Err(e) => fail(format!("error parsing certificate: {name}: x509: malformed certificate: {e}")),
    }
}

fn answer(call: &Call<'_>, certificate: impl Into<Str>, key: impl Into<Str>) -> Answer {
    let fields =
        vec![(Str::from_static("Cert"), text(call, certificate)?), (Str::from_static("Key"), text(call, key)?)];
    Ok(Record::value(TYPE, fields))
}

/// What all certificates have: the arguments are a name, addresses, other names and days.
fn base(call: &Call<'_>, alternatives: Vec<SanType>, days: i64) -> Result<CertificateParams, CallError> {
    let name = call.text(0).to_lossy().into_owned();
    let mut subject = DistinguishedName::new();
    // As Go: the plainest type of text that can hold the name.
    let value = name.as_str().try_into().map_or_else(|_| DnValue::Utf8String(name.clone()), DnValue::PrintableString);
    subject.push(DnType::CommonName, value);
    let mut serial = [0; 16];
    (call.context.random)(&mut serial);
    let mut params = CertificateParams::default();
    params.distinguished_name = subject;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.subject_alt_names = alternatives;
    (params.not_before, params.not_after) = validity(call, days)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.is_ca = IsCa::ExplicitNoCa;
    Ok(params)
}

/// From now on for so many days; a number that Go's durations cannot hold wraps as it does there.
fn validity(call: &Call<'_>, days: i64) -> Result<(OffsetDateTime, OffsetDateTime), CallError> {
    let duration = DAY_NANOSECONDS.wrapping_mul(days);
    let at = |seconds: i64| {
        OffsetDateTime::from_unix_timestamp(seconds)
            .or_else(|_| fail("error creating certificate: cannot represent time as GeneralizedTime"))
    };
    let now = call.context.now.secs;
    Ok((at(now)?, at(now.saturating_add(duration.div_euclid(1_000_000_000)))?))
}

fn authority(call: &Call<'_>) -> Result<CertificateParams, CallError> {
    let mut params = base(call, Vec::new(), call.int(1))?;
    params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(params)
}

fn server(call: &Call<'_>) -> Result<CertificateParams, CallError> {
    let mut alternatives = names(call.arg(2))?;
    alternatives.extend(addresses(call.arg(1))?);
    base(call, alternatives, call.int(3))
}

fn elements(value: &Value) -> &[Value] {
    match value {
        Value::List(list) => &list.items,
        _ => &[],
    }
}

fn addresses(value: &Value) -> Result<Vec<SanType>, CallError> {
    let address = |value: &Value| {
        let Value::Str(text) = value else {
            return fail(format!("error parsing ip: {} is not a string", fmt::sprint_v(value)));
        };
        let address = text.as_str().and_then(|text| text.parse::<IpAddr>().ok());
        address
            .map(|ip| SanType::IpAddress(ip.to_canonical()))
            .map_or_else(|| fail(format!("error parsing ip: {text}")), Ok)
    };
    elements(value).iter().map(address).collect()
}

fn names(value: &Value) -> Result<Vec<SanType>, CallError> {
    let name = |value: &Value| {
        let Value::Str(text) = value else {
            return fail(format!("error processing alternate dns name: {} is not a string", fmt::sprint_v(value)));
        };
        let plain = text.as_str().and_then(|text| text.try_into().ok());
        let quoted = fmt::quote(text.as_bytes());
        let refused = || fail(format!("error creating certificate: x509: {quoted} cannot be encoded as an IA5String"));
        plain.map(SanType::DnsName).map_or_else(refused, Ok)
    };
    elements(value).iter().map(name).collect()
}

fn signer(key: &PrivateKey) -> Result<KeyPair, CallError> {
    key.signer().or_else(|e| fail(format!("error creating certificate: {e}")))
}

/// A certificate that the key signs for itself.
fn own(call: &Call<'_>, key: PrivateKey, params: &CertificateParams) -> Answer {
    let made = params.self_signed(&signer(&key)?).or_else(|e| fail(format!("error creating certificate: {e}")))?;
    answer(call, pem_block("CERTIFICATE", made.der()), key.to_pem())
}

/// A certificate that an authority signs.
fn signed(call: &Call<'_>, key: PrivateKey) -> Answer {
    let Value::Struct(authority) = call.arg(4) else { return fail("unable to decode certificate") };
    let field = |name: &str| match authority.field(name) {
        Some(Value::Str(text)) => text,
        _ => Str::default(),
    };
    let Some(block) = first_block(field("Cert").as_bytes()) else { return fail("unable to decode certificate") };
    let certificate = parsed(block.contents(), "decodedSignerCert.Bytes")?;
    let signing = PrivateKey::from_pem(field("Key").as_bytes())
        .or_else(|e| fail(format!("error parsing private key: {e}")))
        .and_then(|key| signer(&key))?;
    if signing.subject_public_key_info() != certificate.public_key().raw {
        return fail("error creating certificate: x509: provided PrivateKey doesn't match parent's PublicKey");
    }
    // A name part with several attributes, or none, cannot be carried over as it is.
    if certificate.subject().iter().any(|part| part.iter().count() != 1) {
        return fail("error creating certificate: the authority's subject has a part with several attributes");
    }
    let mut params = server(call)?;
    params.use_authority_key_identifier_extension = true;
    let made = Issuer::from_ca_cert_der(&block.contents().into(), signing)
        .and_then(|issuer| params.signed_by(&signer_of(&key)?, &issuer))
        .or_else(|e| fail(format!("error creating certificate: {e}")))?;
    answer(call, pem_block("CERTIFICATE", made.der()), key.to_pem())
}

fn signer_of(key: &PrivateKey) -> Result<KeyPair, rcgen::Error> {
    key.signer().map_err(|_| rcgen::Error::CouldNotParseKeyPair)
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use gatepost_value::{Budget, CallContext, Limits, Location, Time};
    use std::string::String;

    /// Calls with randomness in which primes can be found.
    fn make(name: &str, args: &[Value]) -> Answer {
        let state = std::cell::Cell::new(42_u64);
        let random = |buffer: &mut [u8]| {
            for byte in buffer {
                state.set(state.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
                let z = (state.get() ^ (state.get() >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                *byte = (z >> 56) as u8;
            }
        };
        let budget = Budget::new(Limits::default());
        let context = CallContext {
            budget: &budget,
            now: Time::unix(NOW, 0),
            local: Location::Utc,
            random: &random,
            costly: true,
        };
        let overlay = crate::overlay::Overlay::default();
        let spec = TABLE.iter().find(|spec| spec.name == name).expect(name);
        (spec.run)(&mut Call::new(&context, args, &overlay))
    }
    fn key(kind: &str) -> String {
        match make("genPrivateKey", &[s(kind)]) {
            Ok(Value::Str(text)) => text.to_lossy().into_owned(),
            other => panic!("{kind}: {other:?}"),
        }
    }
    fn refusal(name: &str, args: &[Value]) -> String {
        make(name, args).expect_err(name).to_string()
    }
    fn part(certificate: &Value, name: &str) -> Vec<u8> {
        match certificate.get(name) {
            Some(Value::Str(text)) => text.as_bytes().to_vec(),
            other => panic!("{name}: {other:?}"),
        }
    }
    /// Looks at the certificate of an answer.
    fn with<R>(answer: &Value, look: impl FnOnce(&X509Certificate<'_>) -> R) -> R {
        let text = part(answer, "Cert");
        assert!(text.starts_with(b"-----BEGIN CERTIFICATE-----\n") && text.ends_with(b"-----END CERTIFICATE-----\n"));
        let block = first_block(&text).expect("a block");
        look(&x509_parser::parse_x509_certificate(block.contents()).expect("a certificate").1)
    }

    #[test]
    fn every_kind_of_key_in_its_own_block() {
        for (kind, label) in [
            ("ecdsa", "EC PRIVATE KEY"),
            ("ed25519", "PRIVATE KEY"),
            ("dsa", "DSA PRIVATE KEY"),
            ("rsa", "RSA PRIVATE KEY"),
        ] {
            let text = key(kind);
            assert!(text.starts_with(&format!("-----BEGIN {label}-----\n")), "{text}");
            assert!(text.ends_with(&format!("\n-----END {label}-----\n")), "{text}");
            let read = PrivateKey::from_pem(text.as_bytes()).unwrap_or_else(|e| panic!("{kind}: {e}"));
            assert_eq!(read.to_pem(), text, "{kind}");
            assert_eq!(read.signer().is_ok(), kind != "dsa");
        }
        assert_eq!(key("bad"), "Unknown type bad");
    }

    #[test]
    fn a_chain_that_verifies() {
        let (root_key, leaf_key) = (key("ed25519"), key("ecdsa"));
        let root = make("genCAWithKey", &[s("root"), i(365), s(&root_key)]).expect("root");
        let (addresses, names) = (l(&[s("10.0.0.1"), s("::1")]), l(&[s("a.example.com"), s("*.b.example.com")]));
        let args = [s("leaf.example.com"), addresses, names, i(30), root.clone(), s(&leaf_key)];
        let leaf = make("genSignedCertWithKey", &args).expect("leaf");
        with(&root, |root| {
            assert!(root.is_ca() && root.verify_signature(None).is_ok());
            with(&leaf, |leaf| {
                assert!(leaf.verify_signature(Some(root.public_key())).is_ok());
                assert_eq!(leaf.issuer().as_raw(), root.subject().as_raw());
                assert_eq!(leaf.subject().to_string(), "CN=leaf.example.com");
                assert!(!leaf.is_ca());
                let validity = leaf.validity();
                assert_eq!(validity.not_before.timestamp(), NOW);
                assert_eq!(validity.not_after.timestamp() - NOW, 30 * 86_400);
                let alternatives = leaf.subject_alternative_name().expect("names").expect("names");
                let shown: Vec<String> = alternatives.value.general_names.iter().map(ToString::to_string).collect();
                assert_eq!(shown.len(), 4, "{shown:?}");
            });
        });
        assert_eq!(part(&leaf, "Key"), leaf_key.as_bytes());
    }

    #[test]
    fn rsa_is_what_certificates_have_unless_a_key_is_given() {
        let root = make("genCA", &[s("root"), i(1)]).expect("root");
        assert!(part(&root, "Key").starts_with(b"-----BEGIN RSA PRIVATE KEY-----"));
        let nothing = || Value::TypedNil(gatepost_value::GoType::Slice(Box::new(gatepost_value::GoType::Any)));
        let leaf = make("genSignedCert", &[s("leaf"), nothing(), nothing(), i(1), root.clone()]).expect("leaf");
        with(&root, |root| with(&leaf, |leaf| assert!(leaf.verify_signature(Some(root.public_key())).is_ok())));
        let own = make("genSelfSignedCert", &[s("own"), nothing(), nothing(), i(1)]).expect("own");
        with(&own, |own| assert!(own.verify_signature(None).is_ok() && !own.is_ca()));
        let encoded =
            |name: &str| Value::str(base64::Engine::encode(&base64::prelude::BASE64_STANDARD, part(&root, name)));
        let again = make("buildCustomCert", &[encoded("Cert"), encoded("Key")]).expect("custom");
        assert_eq!(part(&again, "Cert"), part(&root, "Cert"));
    }

    #[test]
    fn refusals_in_the_words_of_the_original() {
        assert_eq!(refusal("buildCustomCert", &[s("!"), s("")]), "unable to decode base64 certificate");
        assert_eq!(refusal("buildCustomCert", &[s(""), s("!")]), "unable to decode base64 private key");
        assert_eq!(refusal("buildCustomCert", &[s("YWJj"), s("YWJj")]), "unable to decode certificate");
        assert_eq!(refusal("genCAWithKey", &[s("cn"), i(1), s("x")]), "parsing private key: no PEM data in input");
        let odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(
            refusal("genCAWithKey", &[s("cn"), i(1), s(odd)]),
            "parsing private key: no private key data in PEM block of type CERTIFICATE"
        );
        let dsa = key("dsa");
        assert_eq!(
            refusal("genCAWithKey", &[s("cn"), i(1), s(&dsa)]),
            "error creating certificate: x509: certificate private key does not implement crypto.Signer"
        );
        let ed = s(&key("ed25519"));
        let with_lists = |addresses: Value, names: Value| {
            refusal("genSelfSignedCertWithKey", &[s("cn"), addresses, names, i(1), ed.clone()])
        };
        assert_eq!(with_lists(l(&[i(1)]), l(&[])), "error parsing ip: 1 is not a string");
        assert_eq!(with_lists(l(&[s("1.2.3")]), l(&[])), "error parsing ip: 1.2.3");
        assert_eq!(with_lists(l(&[]), l(&[i(1)])), "error processing alternate dns name: 1 is not a string");
        assert!(with_lists(l(&[]), l(&[s("é")])).contains("cannot be encoded as an IA5String"));
        let empty = Record::value(TYPE, vec![]);
        assert_eq!(
            refusal("genSignedCertWithKey", &[s("cn"), l(&[]), l(&[]), i(1), empty, ed.clone()]),
            "unable to decode certificate"
        );
        let root = make("genCAWithKey", &[s("root"), i(1), ed.clone()]).expect("root");
        let other = make("genCAWithKey", &[s("root"), i(1), s(&key("ecdsa"))]).expect("other");
        let mixed = Record::value(
            TYPE,
            vec![("Cert".into(), Value::str(part(&root, "Cert"))), ("Key".into(), Value::str(part(&other, "Key")))],
        );
        assert!(refusal("genSignedCertWithKey", &[s("cn"), l(&[]), l(&[]), i(1), mixed, ed]).contains("doesn't match"));
    }

    #[test]
    fn keys_are_paid_for() {
        let limits = Limits { steps: STEPS - 1, ..Limits::default() };
        assert!(matches!(call_with(limits, true, "genPrivateKey", &[s("ed25519")]), Err(CallError::Limit(_))));
    }
}

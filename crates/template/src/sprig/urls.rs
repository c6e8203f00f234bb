//! `urlParse`, `urlJoin` and the gate templates' `urlQueryEscape`.

use super::url::{Url, query_escape};
use super::{Answer, dicts, fail, text};
use crate::function::{Call, FunctionSpec, Offered::Gates, ParamType, ParamType::*, SignatureSpec};
use gatepost_value::{CallError, Str, Value, fmt};
use std::collections::BTreeMap;

pub(super) const TABLE: &[FunctionSpec] = &[
    FunctionSpec::new("urlParse", SignatureSpec::fixed(&[String]), parse),
    FunctionSpec::new("urlJoin", SignatureSpec::fixed(&[ParamType::Map]), join),
    FunctionSpec::new("urlQueryEscape", SignatureSpec::fixed(&[String]), |call| {
        text(call, query_escape(call.bytes(0)))
    })
    .offered(Gates),
];

fn parse(call: &mut Call<'_>) -> Answer {
    let url = Url::parse(call.bytes(0)).or_else(|e| fail(format!("unable to parse url: {e}")))?;
    call.budget().allocate(call.bytes(0).len() as u64)?;
    let parts = [
        ("hostname", url.hostname().to_vec()),
        ("userinfo", url.userinfo()),
        ("scheme", url.scheme),
        ("host", url.host),
        ("path", url.path),
        ("query", url.query),
        ("opaque", url.opaque),
        ("fragment", url.fragment),
    ];
    let entries: BTreeMap<Str, Value> = parts.into_iter().map(|(k, v)| (Str::from_static(k), Value::str(v))).collect();
    dicts::live(call, entries)
}

/// A part of the URL; absent ones are empty, anything but a string is refused.
fn part(call: &Call<'_>, key: &str) -> Result<Vec<u8>, CallError> {
    match call.map(0).and_then(|map| map.get(key.as_bytes())) {
        None => Ok(Vec::new()),
        Some(Value::Str(text)) => Ok(text.as_bytes().to_vec()),
        Some(Value::Nil | Value::NoValue) => fail("runtime error: invalid memory address or nil pointer dereference"),
        Some(other) => {
            let kind = fmt::kind_name(&other);
            fail(format!("unable to parse {key} key, must be of type string, but {kind} found"))
        }
    }
}

fn join(call: &mut Call<'_>) -> Answer {
    let mut url = Url {
        scheme: part(call, "scheme")?,
        host: part(call, "host")?,
        path: part(call, "path")?,
        query: part(call, "query")?,
        opaque: part(call, "opaque")?,
        fragment: part(call, "fragment")?,
        user: None,
    };
    let userinfo = part(call, "userinfo")?;
    if !userinfo.is_empty() {
        let probe = [b"proto://", userinfo.as_slice(), b"@host"].concat();
        let parsed = Url::parse(&probe).or_else(|e| fail(format!("unable to parse userinfo in dict: {e}")))?;
        url.user = parsed.user;
    }
    text(call, url.join())
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    #[test]
    fn there_and_back() {
        let parts = call("urlParse", &[s("https://u:p@h.org:80/a b?q=1#top")]).expect("url");
        assert_eq!(shown("get", &[parts.clone(), s("hostname")]), "h.org");
        assert_eq!(shown("urlJoin", &[parts]), "https://u:p@h.org:80/a%20b?q=1#top");
        assert!(refused("urlParse", &[s("http://h:x")]).starts_with("unable to parse url: parse "));
        let wrong = refused("urlJoin", &[m(&[("host", i(1))])]);
        assert_eq!(wrong, "unable to parse host key, must be of type string, but int found");
    }
}

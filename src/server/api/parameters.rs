//! What a request may say: parameters of the query, the size of a page, and which names there are.
//!
//! A name that the OpenAPI document does not have is refused with the nearest one that it has: a misspelt filter would else
//! match everything.

use super::problem::{Kind, Problem};
use actix_web::dev::Payload;
use actix_web::{Error, FromRequest, HttpRequest, web};
use futures::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::future::{Ready, ready};

/// Entries of a page that names no limit.
pub(super) const PAGE: usize = 100;
/// Least likeness of a name that is suggested, of 1.
const LIKENESS: f64 = 0.6;

/// The query, read into `T`; a problem that names the parameter where it cannot be.
#[derive(Debug)]
pub(super) struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let read = read(request.query_string()).map(Self);
        ready(read.map_err(|detail| Problem::new(Kind::InvalidParameter, detail).into()))
    }
}

/// The body, read into `T`: a JSON object and nothing else. A list would be read as one too, field by field, and an empty one as an
/// order that chooses everything.
#[derive(Debug)]
pub(super) struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Body<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let object = web::Json::<Map<String, Value>>::from_request(request, payload);
        Box::pin(async move { Ok(Self(of_object(object.await?.into_inner())?)) })
    }
}

fn of_object<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, Problem> {
    let object: Map<String, Value> = object.into_iter().map(|(name, value)| (name, whole(value))).collect();
    serde_json::from_value(object.into()).map_err(|error| Problem::new(Kind::InvalidBody, error.to_string()))
}

/// A number without a fraction is a whole one, however it is written (`7.0`, `1e3`).
fn whole(value: Value) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value.as_f64() {
        Some(number) if value.is_f64() && number.fract() == 0.0 && number.abs() <= EXACT => (number as i64).into(),
        _ => value,
    }
}

/// Reads a query. Every parameter can be absent, so each can be tried alone to find the one that is wrong.
pub(super) fn read<T: DeserializeOwned>(query: &str) -> Result<T, String> {
    let whole = match web::Query::<T>::from_query(query) {
        Ok(read) => return Ok(read.into_inner()),
        Err(error) => reason(&error),
    };
    let alone = url::form_urlencoded::parse(query.as_bytes()).find_map(|(name, value)| {
        let one = url::form_urlencoded::Serializer::new(String::new()).append_pair(&name, &value).finish();
        let error = web::Query::<T>::from_query(&one).err()?;
        Some(format!("{name}: {}", reason(&error)))
    });
    Err(alone.unwrap_or(whole))
}

fn reason(error: &actix_web::error::QueryPayloadError) -> String {
    match error {
        actix_web::error::QueryPayloadError::Deserialize(cause) => cause.to_string(),
        other => other.to_string(),
    }
}

/// The size of a page: what was asked for, up to `most`.
pub(super) fn page(limit: Option<usize>, most: usize) -> Result<usize, Problem> {
    match limit {
        None | Some(0) => Ok(PAGE.min(most)),
        Some(limit) if limit <= most => Ok(limit),
        Some(limit) => Err(Problem::new(
            Kind::InvalidParameter,
            format!("limit: {limit} is more than {most}; ask for the next page with what `next` says"),
        )),
    }
}

/// Refuses a query with a name that is not one of these.
pub(super) fn check_names(query: &str, known: &[String]) -> Result<(), Problem> {
    let mut names = url::form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name);
    let Some(unknown) = names.find(|name| !known.iter().any(|known| known == name)) else { return Ok(()) };
    let shown: String = unknown.chars().take(64).collect();
    let advice = match nearest(&shown, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "there are none here".to_owned(),
        None => format!("there are: {}", known.join(", ")),
    };
    Err(Problem::new(Kind::UnknownParameter, format!("there is no parameter `{shown}`; {advice}")))
}

/// The one of `known` that somebody may have meant.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let likeness = known.map(|known| (strsim::jaro_winkler(&name, &known.to_lowercase()), known));
    let best = likeness.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best.0 >= LIKENESS).then_some(best.1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(default)]
    struct Some {
        name: String,
        since: Option<i64>,
    }

    #[test]
    fn the_parameter_that_is_wrong_is_named() {
        let read = |query: &str| read::<Some>(query).map(|some| (some.name, some.since));
        assert_eq!(read("name=a&since=7"), Ok(("a".into(), Option::Some(7))));
        assert!(read("name=a&since=b").unwrap_err().starts_with("since: "), "{:?}", read("name=a&since=b"));
        assert!(read("name=a&name=b").unwrap_err().contains("duplicate"));
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest() {
        let known = ["trigger".to_owned(), "service".to_owned()];
        assert!(check_names("service=a&trigger=b", &known).is_ok() && check_names("", &[]).is_ok());
        let said = |query| check_names(query, &known).unwrap_err().to_string();
        assert!(said("triger=a").contains("did you mean `trigger`?"), "{}", said("triger=a"));
        assert!(said("zzz=1").contains("there are: trigger, service"), "{}", said("zzz=1"));
        assert!(check_names("a=1", &[]).unwrap_err().to_string().contains("there are none here"));
    }

    #[test]
    fn a_body_is_an_object_with_whole_numbers() {
        let object = serde_json::json!({"name": "a", "since": 7.0}).as_object().cloned().unwrap();
        let read: Some = of_object(object).unwrap();
        assert_eq!((read.name.as_str(), read.since), ("a", Option::Some(7)));
        for number in ["7.5", "1e300", "-1e19"] {
            let value: Value = serde_json::from_str(number).unwrap();
            assert_eq!(whole(value.clone()), value, "{number}");
        }
        assert_eq!(whole(Value::from(1e3)), Value::from(1000));
    }

    #[test]
    fn a_page_has_a_size() {
        assert_eq!(page(None, 1000).ok(), Option::Some(100));
        assert_eq!(
            (page(Option::Some(7), 1000).ok(), page(Option::Some(0), 50).ok()),
            (Option::Some(7), Option::Some(50))
        );
        assert!(page(Option::Some(1001), 1000).unwrap_err().to_string().contains("more than 1000"));
    }
}

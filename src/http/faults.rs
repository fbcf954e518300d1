//! `/faults`: faults on demand as JSON.

use std::collections::BTreeMap;
use std::fmt;

use hyper::Response;
use hyper::header::CONTENT_TYPE;
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Number, Value, json};

use super::body::ResponseBody;
use super::health::to_json;
use super::problem::{Problem, clip};
use super::read::APPLICATION_JSON;
use crate::types::{DelayRange, Faults, Rate};

/// The answer to everything that leaves faults in force: these.
pub(super) fn shown(faults: Faults) -> Response<ResponseBody> {
    answer(&FaultsJson {
        send_delay_ms: faults.send_delay.map(range),
        store_delay_ms: faults.store_delay.map(range),
        error_rate: faults.error_rate.get(),
        drop_rate: faults.drop_rate.get(),
        duplicate_rate: faults.duplicate_rate.get(),
        paused: faults.paused,
        seed: faults.seed,
    })
}

/// Faults in the order and under the names of the contract.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FaultsJson {
    send_delay_ms: Option<[Number; 2]>,
    store_delay_ms: Option<[Number; 2]>,
    error_rate: f64,
    drop_rate: f64,
    duplicate_rate: f64,
    paused: bool,
    seed: Option<u64>,
}

/// The answer to `POST /faults/disconnect`.
pub(super) fn disconnected(connections: usize) -> Response<ResponseBody> {
    answer(&json!({ "disconnected": connections }))
}

fn answer(value: &impl Serialize) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::full(to_json(value)));
    response.headers_mut().insert(CONTENT_TYPE, APPLICATION_JSON);
    response
}

/// A range in milliseconds, whole ones without a point.
fn range(range: DelayRange) -> [Number; 2] {
    [range.min(), range.max()].map(|delay| match delay.as_micros() as u64 {
        micros if micros.is_multiple_of(1000) => (micros / 1000).into(),
        micros => Number::from_f64(micros as f64 / 1000.0).unwrap_or_else(|| 0.into()),
    })
}

/// Reads the faults of a request's body. What is missing or null is none.
///
/// # Errors
/// When the body is no JSON object, has a member that is not known, or one with a value that it cannot have.
pub(super) fn parse(body: &[u8]) -> Result<Faults, Problem> {
    let no_object = |text: String| Problem::Faults(format!("the body is no JSON object: {text}"));
    let Members(members) =
        serde_json::from_slice(body).map_err(|error| no_object(error.to_string()))?;
    let mut faults = Faults::default();
    for (name, value) in &members {
        let is_absent = value.is_null();
        match name.as_str() {
            "sendDelayMs" | "storeDelayMs" | "errorRate" | "dropRate" | "duplicateRate"
            | "paused" | "seed"
                if is_absent => {}
            "sendDelayMs" => faults.send_delay = Some(delay(name, value)?),
            "storeDelayMs" => faults.store_delay = Some(delay(name, value)?),
            "errorRate" => faults.error_rate = rate(name, value)?,
            "dropRate" => faults.drop_rate = rate(name, value)?,
            "duplicateRate" => faults.duplicate_rate = rate(name, value)?,
            "paused" => {
                faults.paused =
                    value.as_bool().ok_or_else(|| wrong(name, "true or false", value))?;
            }
            "seed" => {
                let seed = value.as_u64();
                faults.seed =
                    Some(seed.ok_or_else(|| wrong(name, "a whole number from 0", value))?);
            }
            _ => {
                return Err(Problem::Faults(format!(
                    "{:?} is not known; known are sendDelayMs, storeDelayMs, errorRate, dropRate, \
                     duplicateRate, paused and seed",
                    clip(name)
                )));
            }
        }
    }
    Ok(faults)
}

/// An object's members; a name may stand there once only.
struct Members(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            let twice = format_args!("{:?} is given twice", clip(&name)).to_string();
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom(twice));
            }
        }
        Ok(Members(members))
    }
}

fn wrong(name: &str, expected: &str, value: &Value) -> Problem {
    Problem::Faults(format!("{name:?} is {expected}, not {}", clip(&value.to_string())))
}

fn rate(name: &str, value: &Value) -> Result<Rate, Problem> {
    let rate = value.as_f64().and_then(Rate::new);
    rate.ok_or_else(|| wrong(name, "a number from 0 to 1", value))
}

fn delay(name: &str, value: &Value) -> Result<DelayRange, Problem> {
    let millis = |value: &Value| value.as_number().map(Number::to_string);
    let range = match value.as_array().map(Vec::as_slice) {
        // Read as on the command line, so that the limits are the same.
        Some([min, max]) => millis(min).zip(millis(max)).map(|(min, max)| format!("{min}..{max}")),
        _ => None,
    };
    range.and_then(|range| range.parse().ok()).ok_or_else(|| {
        let expected = "[min, max] in milliseconds, not below 0, not above a year, min <= max";
        wrong(name, expected, value)
    })
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn text(faults: Faults) -> String {
        let body = shown(faults).into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn faults_are_shown_in_full_and_read_back_as_they_were() {
        assert_eq!(
            text(Faults::default()).await,
            concat!(
                r#"{"sendDelayMs":null,"storeDelayMs":null,"errorRate":0.0,"dropRate":0.0,"#,
                r#""duplicateRate":0.0,"paused":false,"seed":null}"#
            )
        );
        let body = concat!(
            r#"{"sendDelayMs":[0,50],"storeDelayMs":[1.5,2000],"errorRate":0.3,"dropRate":0.25,"#,
            r#""duplicateRate":1.0,"paused":true,"seed":18446744073709551615}"#
        );
        let faults = parse(body.as_bytes()).ok().unwrap();
        assert_eq!(text(faults).await, body);
        assert_eq!(faults.send_delay, "0..50ms".parse().ok());
    }

    #[test]
    fn missing_and_null_mean_none() {
        let none = Faults::default();
        assert_eq!(parse(b"{}").ok(), Some(none));
        assert_eq!(parse(b"{\"seed\":null,\"paused\":null,\"dropRate\":null}").ok(), Some(none));
        let some = parse(b"{\"errorRate\":1}").ok().unwrap();
        assert_eq!(some, Faults { error_rate: Rate::new(1.0).unwrap(), ..none });
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_reason() {
        let cases = [
            ("", "no JSON object"),
            ("[]", "no JSON object"),
            ("7", "no JSON object"),
            ("{\"errorRate\":0.3", "no JSON object"),
            ("{\"errorRate\":1.01}", "\"errorRate\" is a number from 0 to 1, not 1.01"),
            ("{\"dropRate\":-0.1}", "\"dropRate\" is a number from 0 to 1, not -0.1"),
            ("{\"duplicateRate\":\"0.5\"}", "\"duplicateRate\" is a number"),
            ("{\"dropRate\":true}", "\"dropRate\" is a number"),
            ("{\"dropRate\":1e999}", "no JSON object"),
            ("{\"paused\":1}", "\"paused\" is true or false, not 1"),
            ("{\"seed\":-1}", "\"seed\" is a whole number"),
            ("{\"seed\":1.5}", "\"seed\" is a whole number"),
            ("{\"sendDelayMs\":50}", "\"sendDelayMs\" is [min, max]"),
            ("{\"sendDelayMs\":[1]}", "\"sendDelayMs\" is [min, max]"),
            ("{\"sendDelayMs\":[2,1]}", "\"sendDelayMs\" is [min, max]"),
            ("{\"storeDelayMs\":[-1,1]}", "\"storeDelayMs\" is [min, max]"),
            ("{\"storeDelayMs\":[0,99999999999999]}", "\"storeDelayMs\" is [min, max]"),
            ("{\"storeDelayMs\":[\"0\",\"1\"]}", "\"storeDelayMs\" is [min, max]"),
            ("{\"paused\":false,\"paused\":true}", "\"paused\" is given twice"),
            ("{\"errorrate\":0.3}", "\"errorrate\" is not known"),
        ];
        for (body, reason) in cases {
            let problem = parse(body.as_bytes()).err().unwrap();
            assert_eq!(problem.status().as_u16(), 400, "{body}");
            assert!(problem.to_string().contains(reason), "{body}: {problem}");
            assert!(problem.to_string().contains("nothing was changed"), "{body}: {problem}");
        }
    }
}

//! `/faults`: the injected faults as JSON.

use std::fmt;

use acklog_api as api;
use acklog_types::{DelayRange, Faults, Rate};
use hyper::Response;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::params::{whole, without_byte_order_mark};
use super::problem::{RequestProblem, clip};
use super::response::{ResponseBody, json_response};
use crate::contract::faults_body;

/// Returns the answer that shows the faults in force.
pub(super) fn shown(faults: Faults) -> Response<ResponseBody> {
    json_response(&faults_body(faults))
}

/// Returns the answer to `POST /faults/disconnect`.
pub(super) fn disconnected(connections: usize) -> Response<ResponseBody> {
    json_response(&api::Disconnected { disconnected: connections as u64 })
}

/// Reads the faults of a request's body. A member that is missing or null means none.
///
/// # Errors
/// When the body is not a JSON object, has an unknown member, or a member with an invalid value.
pub(super) fn parse(body: &[u8]) -> Result<Faults, RequestProblem> {
    let body = without_byte_order_mark(body);
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(RequestProblem::Faults("the body is no JSON object".to_owned()));
    }
    match serde_json::from_slice(body) {
        Ok(Wanted(faults)) => Ok(faults),
        Err(error) if error.is_data() => Err(RequestProblem::Faults(error.to_string())),
        Err(error) => Err(RequestProblem::Faults(format!("the body is no JSON object: {error}"))),
    }
}

/// Faults as a body has them. Read by hand, so that nothing but these few values is ever allocated.
#[derive(Default)]
struct Wanted(Faults);

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(WantedVisitor)
    }
}

struct WantedVisitor;

impl<'de> Visitor<'de> for WantedVisitor {
    type Value = Wanted;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Wanted, A::Error> {
        let mut faults = Faults::default();
        let mut seen = [false; api::Faults::MEMBERS.len()];
        while let Some(Name(name)) = map.next_key()? {
            let place = api::Faults::MEMBERS.iter().position(|member| *member == name);
            let Some(seen) = place.and_then(|place| seen.get_mut(place)) else {
                let known = api::Faults::MEMBERS.join(", ");
                let text = format_args!("{:?} is not known; known are {known}", clip(&name));
                return Err(A::Error::custom(text));
            };
            if std::mem::replace(seen, true) {
                return Err(A::Error::custom(format_args!("{name:?} is given twice")));
            }
            let value: FaultValue = map.next_value()?;
            set(&mut faults, &name, &value).map_err(|expected| {
                A::Error::custom(format_args!("{name:?} is {expected}, not {value}"))
            })?;
        }
        Ok(Wanted(faults))
    }
}

/// Sets the fault of a member; an error says which values it accepts.
fn set(faults: &mut Faults, name: &str, value: &FaultValue) -> Result<(), &'static str> {
    if matches!(value, FaultValue::Null) {
        return Ok(());
    }
    match name {
        "sendDelayMs" => faults.send_delay = Some(delay(value)?),
        "storeDelayMs" => faults.store_delay = Some(delay(value)?),
        "errorRate" => faults.error_rate = rate(value)?,
        "dropRate" => faults.drop_rate = rate(value)?,
        "duplicateRate" => faults.duplicate_rate = rate(value)?,
        "paused" => match value {
            FaultValue::Bool(paused) => faults.paused = *paused,
            _ => return Err("true or false"),
        },
        _ => match value {
            FaultValue::Number(number) => {
                let seed = number.as_u64().or_else(|| number.as_f64().and_then(whole));
                faults.seed = Some(seed.ok_or("a whole number from 0")?);
            }
            _ => return Err("a whole number from 0"),
        },
    }
    Ok(())
}

fn rate(value: &FaultValue) -> Result<Rate, &'static str> {
    let number = match value {
        FaultValue::Number(number) => number.as_f64(),
        _ => None,
    };
    number.and_then(Rate::new).ok_or("a number from 0 to 1")
}

fn delay(value: &FaultValue) -> Result<DelayRange, &'static str> {
    let range = match value {
        // Parsed as on the command line, so that the limits are the same.
        FaultValue::Pair(min, max) => format!("{min}..{max}").parse().ok(),
        _ => None,
    };
    range.ok_or("[min, max] in milliseconds, not below 0, not above a year, min <= max")
}

/// A member's name.
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// A member's value, as far as some member accepts it.
enum FaultValue {
    Null,
    Bool(bool),
    Number(Number),
    Pair(Number, Number),
    /// Anything else, as a noun.
    Other(&'static str),
}

impl fmt::Display for FaultValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Pair(min, max) => write!(f, "[{min}, {max}]"),
            Self::Other(noun) => f.write_str(noun),
        }
    }
}

impl<'de> Deserialize<'de> for FaultValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FaultValueVisitor)
    }
}

struct FaultValueVisitor;

impl<'de> Visitor<'de> for FaultValueVisitor {
    type Value = FaultValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<FaultValue, E> {
        Ok(FaultValue::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<FaultValue, E> {
        Ok(FaultValue::Bool(value))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<FaultValue, E> {
        Ok(FaultValue::Number(number.into()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<FaultValue, E> {
        Ok(FaultValue::Number(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<FaultValue, E> {
        Ok(Number::from_f64(number).map_or(FaultValue::Other("such a number"), FaultValue::Number))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<FaultValue, E> {
        Ok(FaultValue::Other("a string"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<FaultValue, A::Error> {
        let (min, max): (Option<Self::Value>, Option<Self::Value>) =
            (seq.next_element()?, seq.next_element()?);
        let mut is_longer = false;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            is_longer = true;
        }
        Ok(match (min, max) {
            (Some(FaultValue::Number(min)), Some(FaultValue::Number(max))) if !is_longer => {
                FaultValue::Pair(min, max)
            }
            _ => FaultValue::Other("an array of anything else"),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FaultValue, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(FaultValue::Other("an object"))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn text(faults: Faults) -> String {
        let body = shown(faults).into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        text.strip_suffix('\n').expect("a line feed behind the body").to_owned()
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
    fn a_mark_before_the_body_and_a_point_in_whole_numbers_are_taken() {
        let faults = parse("\u{feff}{\"seed\":7.0,\"sendDelayMs\":[1.0,2e1]}".as_bytes());
        let faults = faults.ok().unwrap();
        assert_eq!((faults.seed, faults.send_delay), (Some(7), "1ms..20ms".parse().ok()));
    }

    #[test]
    fn a_long_or_deep_value_is_not_repeated() {
        let long = "x".repeat(100_000);
        for body in [
            format!("{{\"seed\":\"{long}\"}}"),
            format!("{{\"{long}\":1}}"),
            format!("{{\"sendDelayMs\":[{}1]}}", "1,".repeat(10_000)),
            format!("{{\"seed\":{}1{}}}", "[".repeat(100), "]".repeat(100)),
            format!("\"{long}\""),
            "[".repeat(100_000),
        ] {
            assert!(parse(body.as_bytes()).err().unwrap().to_string().len() < 400);
        }
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
            ("{\"seed\":1e30}", "\"seed\" is a whole number"),
            ("{\"seed\":{\"a\":[1]}}", "\"seed\" is a whole number from 0, not an object"),
            ("{\"sendDelayMs\":[1,2,3]}", "\"sendDelayMs\" is [min, max]"),
            ("{\"sendDelayMs\":[[1],2]}", "\"sendDelayMs\" is [min, max]"),
            ("\"a\"", "no JSON object"),
            ("{} x", "no JSON object"),
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

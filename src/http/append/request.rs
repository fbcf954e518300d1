//! The body of `POST /newMessage`: which member may be what.
//!
//! Read by hand and not by a derive: a derive takes an array for an object, tells nothing of a
//! member that is given twice under two names, and repeats the client's text in its errors.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::http::problem::{Problem, clip};
use crate::node::Append;
use crate::types::WriteConcern;

/// Longest time that a sender waits, so that adding it to a clock reading cannot overflow: a year.
/// A longer `timeoutMs` is taken for this one; nobody will see the difference.
const TIMEOUT_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Reads the message to append from a request's body. Messages are at most `message_bytes_max`
/// bytes.
///
/// # Errors
/// [`Problem::Body`] when the body is not what it should be, [`Problem::MessageTooLong`].
pub(super) fn parse(body: &[u8], message_bytes_max: usize) -> Result<Append, Problem> {
    if body.is_empty() {
        return Err(Problem::Body("the body is empty".to_owned()));
    }
    let members: Members<'_> = serde_json::from_slice(body).map_err(|error| {
        // The parser's own texts may repeat a string of the body.
        let text = error.to_string();
        if error.is_data() {
            Problem::Body(text)
        } else {
            Problem::Body(format!("the body is no JSON: {text}"))
        }
    })?;
    let text = match members.message {
        Some(Value::Text(text)) => text,
        Some(other) => return Err(wrong("message", "a string", &other)),
        None => return Err(Problem::Body("\"message\" is missing".to_owned())),
    };
    let write_concern = match (
        members.write_concern.map(|value| write_concern("writeConcern", &value)).transpose()?,
        members.w.map(|value| write_concern("w", &value)).transpose()?,
    ) {
        (Some(one), Some(other)) if one != other => {
            let text =
                "\"w\" is another name of \"writeConcern\", and they differ: give one of them";
            return Err(Problem::Body(text.to_owned()));
        }
        (one, other) => one.or(other),
    };
    let timeout = match members.timeout_ms {
        None => None,
        Some(Value::Unsigned(ms)) => Some(Duration::from_millis(ms).min(TIMEOUT_MAX)),
        Some(other) => return Err(wrong("timeoutMs", "a whole number of milliseconds", &other)),
    };
    if text.len() > message_bytes_max {
        return Err(Problem::MessageTooLong { length: text.len(), limit: message_bytes_max });
    }
    Ok(Append { text: text.into_owned(), write_concern, timeout })
}

fn write_concern(member: &str, value: &Value<'_>) -> Result<WriteConcern, Problem> {
    match value {
        // 0 means 1, and so the two are equal.
        Value::Unsigned(nodes) => Ok(WriteConcern::Nodes((*nodes).max(1))),
        Value::Text(text) if text == "majority" => Ok(WriteConcern::Majority),
        Value::Text(text) if text == "all" => Ok(WriteConcern::All),
        other => Err(wrong(member, "a whole number, \"majority\" or \"all\"", other)),
    }
}

fn wrong(member: &str, expected: &str, found: &Value<'_>) -> Problem {
    Problem::Body(format!("{member:?} is {expected}, not {found}"))
}

/// The members of the object; none where absent or null.
#[derive(Default)]
struct Members<'a> {
    message: Option<Value<'a>>,
    write_concern: Option<Value<'a>>,
    w: Option<Value<'a>>,
    timeout_ms: Option<Value<'a>>,
}

/// A member's value, as far as it is of interest.
enum Value<'a> {
    Text(Cow<'a, str>),
    Unsigned(u64),
    /// Negative, with a fraction or an exponent, or beyond 64 bits.
    OtherNumber,
    Bool,
    Array,
    Object,
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "the string {:?}", clip(text)),
            Self::Unsigned(number) => write!(f, "the number {number}"),
            Self::OtherNumber => f.write_str("a number that is negative, not whole or too large"),
            Self::Bool => f.write_str("a boolean"),
            Self::Array => f.write_str("an array"),
            Self::Object => f.write_str("an object"),
        }
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MembersVisitor)
    }
}

struct MembersVisitor;

/// Refuses everything but an object without repeating it.
impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(E::custom("the body is a JSON string and not an object"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(A::Error::custom("the body is a JSON array and not an object"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members::default();
        let mut seen = [false; Key::KNOWN];
        while let Some(key) = map.next_key::<Key>()? {
            let (slot, place) = match key {
                Key::Message => (&mut members.message, 0),
                Key::WriteConcern => (&mut members.write_concern, 1),
                Key::W => (&mut members.w, 2),
                Key::TimeoutMs => (&mut members.timeout_ms, 3),
                Key::Unknown(name) => {
                    return Err(A::Error::custom(format_args!(
                        "the member {name:?} is not known; known are \"message\", \
                         \"writeConcern\" (or \"w\") and \"timeoutMs\""
                    )));
                }
            };
            // Apart from the value: a null is a member that was given, too.
            if seen.get_mut(place).is_some_and(|seen| std::mem::replace(seen, true)) {
                return Err(A::Error::custom("a member is given twice"));
            }
            *slot = map.next_value()?;
        }
        Ok(members)
    }
}

/// A member's name.
enum Key {
    Message,
    WriteConcern,
    W,
    TimeoutMs,
    Unknown(String),
}

impl Key {
    /// How many names are known.
    const KNOWN: usize = 4;
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Key, E> {
        Ok(match name {
            "message" => Key::Message,
            "writeConcern" => Key::WriteConcern,
            "w" => Key::W,
            "timeoutMs" => Key::TimeoutMs,
            unknown => Key::Unknown(clip(unknown)),
        })
    }
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Value::Unsigned(number))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Value::OtherNumber)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Value::OtherNumber)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Value::Bool)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 1000;

    fn parsed(body: &str) -> (String, Option<WriteConcern>, Option<u64>) {
        let append = parse(body.as_bytes(), MAX).unwrap_or_else(|problem| panic!("{problem}"));
        let millis = append.timeout.map(|timeout| timeout.as_millis() as u64);
        (append.text, append.write_concern, millis)
    }

    fn refused(body: impl AsRef<[u8]>) -> String {
        let body = body.as_ref();
        let problem = parse(body, MAX).map(|append| append.text).unwrap_err();
        assert_eq!(problem.status().as_u16(), 400, "{}", String::from_utf8_lossy(body));
        problem.to_string()
    }

    #[test]
    fn a_message_alone_leaves_the_rest_to_the_node() {
        assert_eq!(parsed(r#"{"message": "Msg1"}"#), ("Msg1".to_owned(), None, None));
        assert_eq!(parsed(" \n{\"message\":\"\"}\r\n").0, "");
        let nulls = r#"{"writeConcern":null,"w":null,"timeoutMs":null,"message":"a"}"#;
        assert_eq!(parsed(nulls), ("a".to_owned(), None, None));
    }

    #[test]
    fn a_write_concern_is_a_number_or_a_word_under_either_name() {
        let concern = |text: &str| parsed(&format!(r#"{{"message":"a",{text}}}"#)).1.unwrap();
        assert_eq!(concern(r#""w":2"#), WriteConcern::Nodes(2));
        assert_eq!(concern(r#""writeConcern":0"#), WriteConcern::Nodes(1));
        assert_eq!(concern(r#""w":"majority""#), WriteConcern::Majority);
        assert_eq!(concern(r#""writeConcern":"all""#), WriteConcern::All);
        assert_eq!(concern(r#""writeConcern":3,"w":3"#), WriteConcern::Nodes(3));
        assert_eq!(concern(r#""writeConcern":null,"w":3"#), WriteConcern::Nodes(3));
        assert_eq!(concern(r#""w":18446744073709551615"#), WriteConcern::Nodes(u64::MAX));
    }

    #[test]
    fn a_timeout_is_a_whole_number_however_large() {
        let timeout = |text: &str| parsed(&format!(r#"{{"message":"a","timeoutMs":{text}}}"#)).2;
        assert_eq!(timeout("0"), Some(0));
        assert_eq!(timeout("1500"), Some(1500));
        assert_eq!(timeout("18446744073709551615"), Some(TIMEOUT_MAX.as_millis() as u64));
    }

    #[test]
    fn escapes_are_decoded() {
        let text = parsed(r#"{"message":"\u0041\"\\\n\ud83e\udd80\u0000\u2028"}"#).0;
        assert_eq!(text, "A\"\\\n🦀\0\u{2028}");
        assert_eq!(parsed(r#"{"\u006dessage":"a"}"#).0, "a");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for body in ["", " ", "[]", r#"["a"]"#, "\"a\"", "1", "-1", "1.5", "true", "null", "{"] {
            refused(body);
        }
        for body in ["message=a", r#"{"message":"a"}x"#, r#"{"message":"a"}{}"#, "{'message':'a'}"]
        {
            assert!(refused(body).contains("no JSON"), "{body}");
        }
        for body in [r#"{"message":"a",}"#, r#"{"message":"a"#, "\u{feff}{\"message\":\"a\"}"] {
            refused(body);
        }
        refused("[".repeat(100_000));
        refused(format!("{{\"message\":{}", "[".repeat(100_000)));
    }

    #[test]
    fn what_is_no_unicode_is_refused() {
        refused(b"{\"message\":\"\xff\"}");
        refused(b"{\"message\":\"\xed\xa0\x80\"}");
        refused(r#"{"message":"\ud800"}"#);
        refused(r#"{"message":"\udc00\ud800"}"#);
        refused("{\"message\":\"a\nb\"}");
    }

    #[test]
    fn a_message_that_is_missing_or_no_string_is_refused() {
        for body in ["{}", r#"{"message":null}"#, r#"{"w":1}"#] {
            assert!(refused(body).contains("\"message\" is missing"), "{body}");
        }
        for value in ["1", "-1", "1.5", "true", "[]", "{}", "[\"a\"]", "{\"a\":[1]}"] {
            let detail = refused(format!("{{\"message\":{value}}}"));
            assert!(detail.contains("\"message\" is a string, not"), "{detail}");
        }
    }

    #[test]
    fn an_unknown_write_concern_or_timeout_is_refused() {
        let bad = ["-1", "-0", "1.0", "1e2", "true", "\"2\"", "\"ALL\"", "\"\"", "[1]", "{}"];
        for member in ["writeConcern", "w", "timeoutMs"] {
            for value in bad.iter().chain(&["18446744073709551616"]) {
                let detail = refused(format!(r#"{{"message":"a","{member}":{value}}}"#));
                assert!(detail.contains(member), "{detail}");
            }
        }
        refused(r#"{"message":"a","timeoutMs":"all"}"#);
    }

    #[test]
    fn unknown_and_repeated_members_are_refused_even_when_null() {
        for member in ["writeconcern", "write_concern", "W", "Message", "", "id", "timeout"] {
            let detail = refused(format!(r#"{{"message":"a","{member}":null}}"#));
            assert!(detail.contains("is not known"), "{detail}");
        }
        for body in [
            r#"{"message":"a","message":"a"}"#,
            r#"{"message":"a","w":null,"w":2}"#,
            r#"{"message":"a","w":2,"w":2}"#,
            r#"{"message":null,"message":"a"}"#,
        ] {
            assert!(refused(body).contains("given twice"), "{body}");
        }
        for body in [r#""w":1,"writeConcern":2"#, r#""w":"all","writeConcern":3"#] {
            assert!(refused(format!("{{\"message\":\"a\",{body}}}")).contains("differ"));
        }
    }

    #[test]
    fn no_detail_repeats_more_than_a_little_of_the_body() {
        let long = "x".repeat(100_000);
        for body in [
            format!("\"{long}\""),
            format!("{{\"{long}\":1}}"),
            format!("{{\"message\":\"a\",\"w\":\"{long}\"}}"),
            format!("{{\"message\":\"a\",\"timeoutMs\":\"{long}\"}}"),
            format!("{{\"message\":\"a\",\"timeoutMs\":{}}}", "9".repeat(100_000)),
            long,
        ] {
            assert!(refused(body).len() < 400);
        }
    }

    #[test]
    fn a_message_is_measured_in_bytes_of_the_decoded_string() {
        let longest = format!("{{\"message\":\"{}\"}}", "\\u0041".repeat(MAX));
        assert_eq!(parsed(&longest).0.len(), MAX);
        let longer = format!("{{\"message\":\"{}\"}}", "é".repeat(MAX / 2 + 1));
        let problem = parse(longer.as_bytes(), MAX).map(|append| append.text).unwrap_err();
        assert_eq!(problem, Problem::MessageTooLong { length: MAX + 2, limit: MAX });
        assert_eq!(problem.status().as_u16(), 413);
    }
}

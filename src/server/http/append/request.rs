//! Parses the body of `POST /newMessage`: a message or a batch.
//!
//! By hand and not by a derive: a derive accepts an array for an object, does not notice a member
//! that is given twice under two names, and repeats the client's text in its errors.

use std::borrow::Cow;
use std::fmt;

use acklog_protocol::Wait;
use acklog_types::{
    BATCH_BYTES_MAX, Batch, IDEMPOTENCY_KEY_BYTES_MAX, IdempotencyKey, LogEnd, RECORD_HEADER_BYTES,
    WriteConcern,
};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::server::http::params::{one_of_two_names, timeout_of, whole, without_byte_order_mark};
use crate::server::http::problem::{RequestProblem, clip};

/// A request to append, parsed from its body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ParsedAppend {
    /// The messages.
    pub(crate) batch: Batch,
    /// Their number; none where a single message was sent, and not as a batch.
    pub(crate) count: Option<usize>,
    /// The write concern and timeout that the client asked for.
    pub(crate) wait: Wait,
    /// The end that the log must have for the append to be taken; none if any will do.
    pub(crate) expected_end: Option<LogEnd>,
    /// The idempotency key that stands in a line of an append stream.
    pub(crate) key: Option<IdempotencyKey>,
}

/// Parses a request's body. Each message is at most `message_bytes_max` bytes.
///
/// # Errors
/// [`RequestProblem::Body`] when the body is invalid, [`RequestProblem::MessageTooLong`],
/// [`RequestProblem::BatchTooLong`].
pub(crate) fn parse(body: &[u8], message_bytes_max: usize) -> Result<ParsedAppend, RequestProblem> {
    let members = members(body)?;
    if members.has_key {
        let text = "the member \"key\" is known in the lines of an append stream alone; send the \
                    key as the header Idempotency-Key";
        return Err(RequestProblem::Body(text.to_owned()));
    }
    append(members, message_bytes_max)
}

/// Parses a line of an append stream, which is the body of a request, and may have a key.
///
/// # Errors
/// As [`parse`].
pub(crate) fn parse_line(
    line: &[u8],
    message_bytes_max: usize,
) -> Result<ParsedAppend, RequestProblem> {
    append(members(line)?, message_bytes_max)
}

fn members(body: &[u8]) -> Result<Members<'_>, RequestProblem> {
    let body = without_byte_order_mark(body);
    if body.is_empty() {
        return Err(RequestProblem::Body("the body is empty".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| {
        // The parser's own texts may repeat a string of the body.
        let text = error.to_string();
        if error.is_data() {
            RequestProblem::Body(text)
        } else {
            RequestProblem::Body(format!("the body is no JSON: {text}"))
        }
    })
}

fn append(members: Members<'_>, message_bytes_max: usize) -> Result<ParsedAppend, RequestProblem> {
    let (batch, count, longest, length) = match (members.message, members.messages) {
        (Some(MemberValue::Text(text)), None) => {
            let longest = text.len();
            (Batch::new(text.into_owned()), None, longest, 0)
        }
        (Some(other), None) => return Err(wrong("message", "a string", &other)),
        (None, Some(MemberValue::Array(list))) => {
            let List { batch, count, longest, text_bytes, wrong } = list;
            if let Some(wrong) = wrong {
                return Err(RequestProblem::Body(format!("\"messages\" are strings; {wrong}")));
            }
            let none =
                || RequestProblem::Body("\"messages\" is empty: send at least one".to_owned());
            let batch = batch.ok_or_else(none)?;
            (batch, Some(count), longest, record_bytes_max(count, text_bytes))
        }
        (None, Some(other)) => return Err(wrong("messages", "an array of strings", &other)),
        (None, None) => return Err(RequestProblem::Body("\"message\" is missing".to_owned())),
        (Some(_), Some(_)) => {
            let text = "\"message\" and \"messages\" are both given: send one of them";
            return Err(RequestProblem::Body(text.to_owned()));
        }
    };
    let write_concern = one_of_two_names(
        members.write_concern.map(|value| write_concern("writeConcern", &value)).transpose()?,
        members.w.map(|value| write_concern("w", &value)).transpose()?,
    )
    .map_err(|text| RequestProblem::Body(text.to_owned()))?;
    let timeout = match members.timeout_ms {
        None => None,
        Some(MemberValue::Unsigned(ms)) => Some(timeout_of(ms)),
        Some(other) => return Err(wrong("timeoutMs", "a whole number of milliseconds", &other)),
    };
    let expected_end = match members.expected_end {
        None => None,
        Some(MemberValue::Unsigned(end)) => Some(LogEnd::new(end)),
        Some(other) => {
            return Err(wrong("expectedEnd", "the id that the message is to get", &other));
        }
    };
    let key = match members.key {
        None => None,
        Some(MemberValue::Text(text)) => Some(text.parse().map_err(RequestProblem::LineKey)?),
        Some(other) => return Err(wrong("key", "a string", &other)),
    };
    let shows_copies = match members.receipt {
        None => false,
        Some(MemberValue::Bool(wanted)) => wanted,
        Some(other) => return Err(wrong("receipt", "true or false", &other)),
    };
    if longest > message_bytes_max {
        return Err(RequestProblem::MessageTooLong { length: longest, limit: message_bytes_max });
    }
    if count > Some(1) && length > BATCH_BYTES_MAX {
        return Err(RequestProblem::BatchTooLong { length });
    }
    let wait = Wait { write_concern, timeout, shows_copies };
    Ok(ParsedAppend { batch, count, wait, expected_end, key })
}

/// Returns the size of a batch's records in bytes, with the longest key.
fn record_bytes_max(messages: usize, text_bytes: usize) -> usize {
    messages * RECORD_HEADER_BYTES + 1 + IDEMPOTENCY_KEY_BYTES_MAX + text_bytes
}

fn write_concern(member: &str, value: &MemberValue<'_>) -> Result<WriteConcern, RequestProblem> {
    match value {
        // 0 means 1, and so the two are equal.
        MemberValue::Unsigned(nodes) => Ok(WriteConcern::Nodes((*nodes).max(1))),
        MemberValue::Text(text) if text == "majority" => Ok(WriteConcern::Majority),
        MemberValue::Text(text) if text == "all" => Ok(WriteConcern::All),
        other => Err(wrong(member, "a whole number, \"majority\" or \"all\"", other)),
    }
}

fn wrong(member: &str, expected: &str, found: &MemberValue<'_>) -> RequestProblem {
    RequestProblem::Body(format!("{member:?} is {expected}, not {found}"))
}

/// The members of the object; none where absent or null.
#[derive(Default)]
struct Members<'a> {
    message: Option<MemberValue<'a>>,
    messages: Option<MemberValue<'a>>,
    write_concern: Option<MemberValue<'a>>,
    w: Option<MemberValue<'a>>,
    timeout_ms: Option<MemberValue<'a>>,
    expected_end: Option<MemberValue<'a>>,
    key: Option<MemberValue<'a>>,
    /// Whether there is a key, and be it null.
    has_key: bool,
    receipt: Option<MemberValue<'a>>,
}

/// A member's value, as far as it matters.
enum MemberValue<'a> {
    Text(Cow<'a, str>),
    Unsigned(u64),
    /// Negative, not whole, or beyond 64 bits.
    OtherNumber,
    Bool(bool),
    Array(List),
    Object,
}

/// The elements of an array, as far as they are strings.
#[derive(Default)]
struct List {
    /// None while there is no string. Beyond the limit of a batch, further strings are counted and
    /// not stored: millions of empty messages fit into a body.
    batch: Option<Batch>,
    count: usize,
    /// Length of the longest string, in bytes.
    longest: usize,
    /// Length of all strings, in bytes.
    text_bytes: usize,
    /// Kind and place of the first element that is not a string; those after it are ignored.
    wrong: Option<String>,
}

impl List {
    fn push(&mut self, text: &str) {
        self.count += 1;
        self.longest = self.longest.max(text.len());
        self.text_bytes += text.len();
        match &mut self.batch {
            Some(batch) if record_bytes_max(self.count, self.text_bytes) <= BATCH_BYTES_MAX => {
                batch.push(text);
            }
            Some(_) => {}
            None => self.batch = Some(text.into()),
        }
    }
}

impl fmt::Display for MemberValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "the string {:?}", clip(text)),
            Self::Unsigned(number) => write!(f, "the number {number}"),
            Self::OtherNumber => f.write_str("a number that is negative, not whole or too large"),
            Self::Bool(_) => f.write_str("a boolean"),
            Self::Array(_) => f.write_str("an array"),
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
        let mut seen = [false; MemberName::KNOWN];
        while let Some(key) = map.next_key::<MemberName>()? {
            let (slot, place) = match key {
                MemberName::Message => (&mut members.message, 0),
                MemberName::WriteConcern => (&mut members.write_concern, 1),
                MemberName::W => (&mut members.w, 2),
                MemberName::TimeoutMs => (&mut members.timeout_ms, 3),
                MemberName::Messages => (&mut members.messages, 4),
                MemberName::ExpectedEnd => (&mut members.expected_end, 5),
                MemberName::Key => {
                    members.has_key = true;
                    (&mut members.key, 6)
                }
                MemberName::Receipt => (&mut members.receipt, 7),
                MemberName::Unknown(name) => {
                    return Err(A::Error::custom(format_args!(
                        "the member {name:?} is not known; known are \"message\" or \
                         \"messages\", \"writeConcern\" (or \"w\"), \"timeoutMs\", \
                         \"expectedEnd\", \"receipt\" and, in a line of an append stream, \
                         \"key\""
                    )));
                }
            };
            // Apart from the value: a member that is null was given too.
            if seen.get_mut(place).is_some_and(|seen| std::mem::replace(seen, true)) {
                return Err(A::Error::custom("a member is given twice"));
            }
            *slot = map.next_value()?;
        }
        Ok(members)
    }
}

/// A member's name.
enum MemberName {
    Message,
    Messages,
    WriteConcern,
    W,
    TimeoutMs,
    ExpectedEnd,
    Key,
    Receipt,
    Unknown(String),
}

impl MemberName {
    /// The number of known names.
    const KNOWN: usize = 8;
}

impl<'de> Deserialize<'de> for MemberName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(MemberNameVisitor)
    }
}

struct MemberNameVisitor;

impl Visitor<'_> for MemberNameVisitor {
    type Value = MemberName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<MemberName, E> {
        Ok(match name {
            "message" => MemberName::Message,
            "messages" => MemberName::Messages,
            "writeConcern" => MemberName::WriteConcern,
            "w" => MemberName::W,
            "timeoutMs" => MemberName::TimeoutMs,
            "expectedEnd" => MemberName::ExpectedEnd,
            "key" => MemberName::Key,
            "receipt" => MemberName::Receipt,
            unknown => MemberName::Unknown(clip(unknown)),
        })
    }
}

impl<'de> Deserialize<'de> for MemberValue<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MemberValueVisitor)
    }
}

struct MemberValueVisitor;

impl<'de> Visitor<'de> for MemberValueVisitor {
    type Value = MemberValue<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(MemberValue::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(MemberValue::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(MemberValue::Unsigned(number))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(MemberValue::OtherNumber)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(whole(number).map_or(MemberValue::OtherNumber, MemberValue::Unsigned))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(MemberValue::Bool(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let (mut list, mut at) = (List::default(), 0);
        while list.wrong.is_none()
            && let Some(element) = seq.next_element()?
        {
            match element {
                Some(MemberValue::Text(text)) => list.push(&text),
                Some(other) => list.wrong = Some(format!("the one at index {at} is {other}")),
                None => list.wrong = Some(format!("the one at index {at} is null")),
            }
            at += 1;
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(MemberValue::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(MemberValue::Object)
    }
}

#[cfg(test)]
mod tests;

//! Reads query strings. An unknown or repeated parameter is refused, not ignored.

use std::borrow::Cow;
use std::time::Duration;

use acklog_api::follow::{EventId, NoEventId};
use acklog_api::query as names;
use acklog_api::{EventsRequest, view};
use acklog_protocol::Wait;
use acklog_types::{NodeName, WriteConcern};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::params::{one_of_two_names, timeout_of};
use super::problem::{RequestProblem, clip};
use super::read_request::{LONG_POLL_MAX, ReadBegin, ReadRequest};

/// The detail for a reader that follows and has a time limit.
pub(super) const FOLLOW_HAS_NO_TIMEOUT: &str =
    "a reader that follows waits without a time limit: leave out timeoutMs, or follow";

/// Reads the query of `GET /messages`.
///
/// # Errors
/// As every function here: when a parameter is unknown, given twice, or has a bad value. Also when
/// the read would begin at two places, or waits and follows.
pub(super) fn read(query: Option<&str>) -> Result<ReadRequest, RequestProblem> {
    let known = "known are from, last, since, until, limit, readConcern, timeoutMs, follow and \
                 lastEventId";
    let [from, last, since, until, limit, concern, timeout_ms, follow, last_event] =
        parameters(query, names::OF_LISTING, known)?;
    let number_of = |name, value: Option<Cow<'_, str>>| {
        value.map(|value| whole_number(name, &value)).transpose()
    };
    let begins = [
        number_of(names::FROM, from)?.map(ReadBegin::From),
        number_of(names::LAST, last)?.map(ReadBegin::Last),
        since.map(|value| instant(&value).map(ReadBegin::Since)).transpose()?,
    ];
    let mut begins = begins.into_iter().flatten();
    let begin = begins.next().unwrap_or(ReadRequest::ALL.begin);
    if begins.next().is_some() {
        return Err(bad("from, last and since each say where to begin: give one of them"));
    }
    let timeout = number_of(names::TIMEOUT_MS, timeout_ms)?.map(long_poll).transpose()?;
    let follow = follow.map_or(Ok(false), |value| truth(names::FOLLOW, &value))?;
    if follow && timeout.is_some() {
        return Err(bad(FOLLOW_HAS_NO_TIMEOUT));
    }
    Ok(ReadRequest {
        begin,
        until: number_of(names::UNTIL, until)?.unwrap_or(ReadRequest::ALL.until),
        limit: number_of(names::LIMIT, limit)?.unwrap_or(ReadRequest::ALL.limit),
        concern: concern.map(|value| concern_of(names::READ_CONCERN, &value)).transpose()?,
        timeout,
        follow,
        // A program without an event yet may leave the value empty. No reader sends such a header.
        last_event: last_event
            .filter(|value| !value.is_empty())
            .map(|value| last_event_of(&value))
            .transpose()?,
    })
}

/// Reads the query of `GET /events`.
pub(super) fn events(query: Option<&str>) -> Result<EventsRequest, RequestProblem> {
    let [nodes, include] = parameters(query, names::OF_EVENTS, "known are nodes and include")?;
    let mut request = EventsRequest::default();
    match nodes.as_deref() {
        None | Some(names::OWN_NODE) => {}
        Some(names::ALL_NODES) => request.all_nodes = true,
        Some(other) => return Err(bad_value(names::NODES, "self or all", other)),
    }
    for name in include.iter().flat_map(|names| names.split(',')) {
        match name {
            view::STATE_EVENT => request.state = true,
            view::MESSAGES_EVENT => request.messages = true,
            other => {
                let expected = "state, messages, or both with a comma between";
                return Err(bad_value(names::INCLUDE, expected, other));
            }
        }
    }
    Ok(request)
}

/// Reads `?node=<name>`: the node that a request about faults is for; none where it is for the node
/// that it is sent to.
pub(super) fn node(query: Option<&str>) -> Result<Option<NodeName>, RequestProblem> {
    let [name] = parameters(query, names::OF_FAULTS, "known is node")?;
    let parsed = name.map(|name| name.parse::<NodeName>()).transpose();
    parsed.map_err(|error| RequestProblem::Name(error.to_string()))
}

/// Reads the id of the last event that a reader received.
pub(super) fn last_event_of(text: &str) -> Result<EventId, RequestProblem> {
    text.parse().map_err(|NoEventId| {
        bad_value("lastEventId (or the header Last-Event-ID)", "the id of an event", text)
    })
}

/// Reads an instant by RFC 3339, as milliseconds since 1970, rounded up.
fn instant(text: &str) -> Result<u64, RequestProblem> {
    // A plus sign that is not encoded arrives as a space.
    let zone = text.len().checked_sub("+00:00".len());
    let encoded = zone.filter(|&at| text.as_bytes().get(at) == Some(&b' ')).map(|at| {
        let (front, behind) = text.split_at(at);
        format!("{front}+{}", behind.trim_start())
    });
    let parsed = OffsetDateTime::parse(encoded.as_deref().unwrap_or(text), &Rfc3339);
    let Ok(instant) = parsed else {
        let expected = "an instant with a zone, as 2026-11-28T10:00:00Z";
        return Err(bad_value(names::SINCE, expected, text));
    };
    let nanoseconds = u128::try_from(instant.unix_timestamp_nanos()).unwrap_or(0);
    Ok(u64::try_from(nanoseconds.div_ceil(1_000_000)).unwrap_or(u64::MAX))
}

fn truth(name: &str, value: &str) -> Result<bool, RequestProblem> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(bad_value(name, "true or false", value)),
    }
}

fn long_poll(ms: u64) -> Result<Duration, RequestProblem> {
    let (timeout, max) = (Duration::from_millis(ms), LONG_POLL_MAX.as_millis());
    if timeout > LONG_POLL_MAX {
        return Err(bad(&format!(
            "a read waits for at most {max} ms: give a timeoutMs of at most that, and ask again"
        )));
    }
    Ok(timeout)
}

fn bad(text: &str) -> RequestProblem {
    RequestProblem::Query(text.to_owned())
}

/// Reads `?writeConcern=<w>&timeoutMs=<ms>`: what to wait for before a message is shown; none where
/// nothing is given.
pub(super) fn wait(query: Option<&str>) -> Result<Option<Wait>, RequestProblem> {
    let known = "known are writeConcern (or w) and timeoutMs";
    let [write_concern, w, timeout_ms] = parameters(query, names::OF_WAIT, known)?;
    let concern =
        |name, value: Option<Cow<'_, str>>| value.map(|value| concern_of(name, &value)).transpose();
    let write_concern =
        one_of_two_names(concern(names::WRITE_CONCERN, write_concern)?, concern(names::W, w)?)
            .map_err(bad)?;
    let timeout = timeout_ms
        .map(|value| whole_number(names::TIMEOUT_MS, &value).map(timeout_of))
        .transpose()?;
    match (write_concern, timeout) {
        (None, Some(_)) => {
            Err(bad("timeoutMs limits the wait for a write concern: give a writeConcern, too"))
        }
        (None, None) => Ok(None),
        (write_concern, timeout) => Ok(Some(Wait::until(write_concern, timeout))),
    }
}

/// Reads a query string that must have no parameter.
pub(super) fn none(query: Option<&str>) -> Result<(), RequestProblem> {
    parameters(query, [], "there are none here").map(|[]| ())
}

/// Returns the values of the parameters with these names.
fn parameters<'a, const N: usize>(
    query: Option<&'a str>,
    names: [&str; N],
    known: &str,
) -> Result<[Option<Cow<'a, str>>; N], RequestProblem> {
    let mut values = [const { None }; N];
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let slot = names.iter().zip(&mut values).find(|(known, _)| **known == name);
        let Some((_, slot)) = slot else {
            let name = clip(&name);
            return Err(RequestProblem::Query(format!(
                "the parameter {name:?} is not known; {known}"
            )));
        };
        if slot.replace(value).is_some() {
            return Err(RequestProblem::Query(format!("the parameter {name} is given twice")));
        }
    }
    Ok(values)
}

fn whole_number(name: &str, value: &str) -> Result<u64, RequestProblem> {
    number(value).ok_or_else(|| bad_value(name, "a whole number", value))
}

fn concern_of(name: &str, value: &str) -> Result<WriteConcern, RequestProblem> {
    match (value, number(value)) {
        // 0 means 1, and so the two are equal.
        (_, Some(nodes)) => Ok(WriteConcern::Nodes(nodes.max(1))),
        ("majority", _) => Ok(WriteConcern::Majority),
        ("all", _) => Ok(WriteConcern::All),
        _ => Err(bad_value(name, "a whole number, majority or all", value)),
    }
}

fn bad_value(name: &str, expected: &str, value: &str) -> RequestProblem {
    let value = clip(value);
    RequestProblem::Query(format!("the parameter {name} is {expected}, not {value:?}"))
}

/// Reads digits; a number beyond 64 bits becomes the largest one, which is beyond every log too.
pub(super) fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

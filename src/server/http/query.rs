//! Reads query strings. An unknown or repeated parameter is refused, not ignored.

use std::borrow::Cow;

use acklog_api::query as names;
use acklog_protocol::Wait;
use acklog_types::WriteConcern;

use super::params::{one_of_two_names, timeout_of};
use super::problem::{RequestProblem, clip};
use super::read::ListingSelection;

/// Reads `?from=<id>&limit=<n>`.
///
/// # Errors
/// As every function here: when a parameter is unknown, given twice, or has a bad value.
pub(super) fn selection(query: Option<&str>) -> Result<ListingSelection, RequestProblem> {
    let [from, limit] = parameters(query, names::OF_LISTING, "known are from and limit")?;
    let all = ListingSelection::ALL;
    Ok(ListingSelection {
        from: from.map_or(Ok(all.from), |value| whole_number(names::FROM, &value))?,
        limit: limit.map_or(Ok(all.limit), |value| whole_number(names::LIMIT, &value))?,
    })
}

/// Reads `?writeConcern=<w>&timeoutMs=<ms>`: what to wait for before a message is shown; none where
/// nothing is given.
pub(super) fn wait(query: Option<&str>) -> Result<Option<Wait>, RequestProblem> {
    let known = "known are writeConcern (or w) and timeoutMs";
    let [write_concern, w, timeout_ms] = parameters(query, names::OF_WAIT, known)?;
    let concern = |name, value: Option<Cow<'_, str>>| {
        value.map(|value| self::write_concern(name, &value)).transpose()
    };
    let write_concern =
        one_of_two_names(concern(names::WRITE_CONCERN, write_concern)?, concern(names::W, w)?)
            .map_err(|text| RequestProblem::Query(text.to_owned()))?;
    let timeout = timeout_ms
        .map(|value| whole_number(names::TIMEOUT_MS, &value).map(timeout_of))
        .transpose()?;
    match (write_concern, timeout) {
        (None, Some(_)) => {
            let text = "timeoutMs limits the wait for a write concern: give a writeConcern, too";
            Err(RequestProblem::Query(text.to_owned()))
        }
        (None, None) => Ok(None),
        (write_concern, timeout) => Ok(Some(Wait { write_concern, timeout })),
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

fn write_concern(name: &str, value: &str) -> Result<WriteConcern, RequestProblem> {
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

//! Decides which form of a listing a client prefers.
//!
//! As in RFC 9110, 12.5.1: of the ranges that match a form the most specific one gives its weight.
//! Lines are for clients that prefer them to an array. All others get the array: those that state
//! no preference, those that like both alike, and those that accept neither; the RFC lets a server
//! answer the last of them as if there were no header, and an answer helps more than a refusal.
//! Anything that is not a media range is ignored, and so is each parameter but `q`.

use hyper::header::HeaderValue;
use mediatype::names::{_STAR, APPLICATION, JSON};
use mediatype::{MediaType, MediaTypeList, Name, ReadParams};

const Q: Name<'static> = Name::new_unchecked("q");
const X_NDJSON: Name<'static> = Name::new_unchecked("x-ndjson");

/// Returns whether the client prefers lines to an array.
pub(super) fn prefers_lines<'a>(headers: impl IntoIterator<Item = &'a HeaderValue>) -> bool {
    let (mut lines, mut array) = (Weight::default(), Weight::default());
    for header in headers {
        for range in MediaTypeList::new(header.to_str().unwrap_or_default()).flatten() {
            lines.apply(&range, X_NDJSON);
            array.apply(&range, JSON);
        }
    }
    lines.q > array.q
}

/// The weight that a client gives a form.
#[derive(Default)]
struct Weight {
    /// 2: the form is named, 1: it matches `application/*`, 0: it matches `*/*`.
    specific: u8,
    q: f32,
}

impl Weight {
    /// Takes a range into account.
    fn apply(&mut self, range: &MediaType<'_>, subtype: Name<'_>) {
        let of_application = range.ty == APPLICATION;
        let specific = if of_application && range.subty == subtype && range.suffix.is_none() {
            2
        } else if of_application && range.subty == _STAR {
            1
        } else if range.ty == _STAR && range.subty == _STAR {
            0
        } else {
            return;
        };
        let Some(q) = weight(range) else { return };
        if specific > self.specific {
            *self = Self { specific, q };
        } else if specific == self.specific {
            self.q = self.q.max(q);
        }
    }
}

/// Returns the parameter `q`, 1 where it is missing; none where it is not a weight.
fn weight(range: &MediaType<'_>) -> Option<f32> {
    let Some(q) = range.get_param(Q) else { return Some(1.0) };
    q.as_str().parse().ok().filter(|q| (0.0..=1.0).contains(q))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(headers: &[&'static str]) -> bool {
        let headers: Vec<_> =
            headers.iter().map(|header| HeaderValue::from_static(header)).collect();
        prefers_lines(&headers)
    }

    #[test]
    fn who_asks_for_lines_gets_them() {
        for accept in [
            "application/x-ndjson",
            "Application/X-NDJSON",
            "application/x-ndjson;charset=utf-8",
            "application/x-ndjson; q=0.5",
            "application/x-ndjson ; Q=1.000",
            "application/x-ndjson, */*;q=0.1",
            "text/html,application/x-ndjson",
            "application/json;q=0.5, application/x-ndjson",
            "application/json;q=0, */*",
            "application/json;q=0.2, application/*;q=0.8",
            "application/x-ndjson;profile=\"a,application/json\"",
            "nonsense, , application/x-ndjson",
        ] {
            assert!(lines(&[accept]), "{accept}");
        }
        assert!(lines(&["text/html", "application/x-ndjson"]));
        assert!(lines(&["application/json;q=0.1", "application/x-ndjson;q=0.2"]));
    }

    #[test]
    fn everybody_else_gets_the_array() {
        for accept in [
            "",
            "*/*",
            "application/*",
            "application/json",
            "application/json, application/x-ndjson",
            "application/x-ndjson, application/json",
            "application/x-ndjson, */*",
            "application/x-ndjson, application/*",
            "application/x-ndjson;q=0.5, application/json;q=0.500",
            "application/x-ndjson;q=0",
            "application/x-ndjson;q=0, */*",
            "application/x-ndjson;q=0, application/x-ndjson;q=0.0",
            "application/x-ndjson;q=2",
            "application/x-ndjson;q=NaN",
            "application/x-ndjson;q=",
            "application/x-ndjson+json",
            "application/ndjson",
            "text/x-ndjson",
            "text/html",
            "*/x-ndjson",
        ] {
            assert!(!lines(&[accept]), "{accept}");
        }
        assert!(!lines(&[]));
        assert!(!lines(&["application/x-ndjson;q=0.9", "application/json"]));
    }
}

//! Decides which form of a read a client prefers.
//!
//! Lines and events are for clients that prefer them. All others get the array: those that state no
//! preference, those that like all alike, and those that accept none; RFC 9110 lets a server answer
//! the last of them as if there were no header, and an answer helps more than a refusal. Anything
//! that is not a media range is ignored, and so is each parameter but `q`.

use hyper::header::HeaderValue;
use mediatype::names::{APPLICATION, EVENT_STREAM, JSON, TEXT};
use mediatype::{MediaTypeList, Name};

use crate::server::http::media_weight::MediaWeight;

const X_NDJSON: Name<'static> = Name::new_unchecked("x-ndjson");

/// The form of the answer to a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadForm {
    /// One array.
    Array,
    /// One object a line.
    Lines,
    /// Server-sent events.
    Events,
}

/// The weights of all forms.
#[derive(Default)]
pub(super) struct Accepted {
    array: MediaWeight,
    lines: MediaWeight,
    events: MediaWeight,
}

impl Accepted {
    /// Reads the headers `Accept`.
    pub(super) fn by<'a>(headers: impl IntoIterator<Item = &'a HeaderValue>) -> Self {
        let mut accepted = Self::default();
        for header in headers {
            for range in MediaTypeList::new(header.to_str().unwrap_or_default()).flatten() {
                accepted.array.apply(&range, (APPLICATION, JSON));
                accepted.lines.apply(&range, (APPLICATION, X_NDJSON));
                accepted.events.apply(&range, (TEXT, EVENT_STREAM));
            }
        }
        accepted
    }

    /// Returns the form that the client prefers.
    pub(super) fn preferred(&self) -> ReadForm {
        let others = self.array.get().max(self.lines.get());
        match () {
            () if self.events.get() > others => ReadForm::Events,
            () if self.lines.get() > self.array.get() => ReadForm::Lines,
            () => ReadForm::Array,
        }
    }

    /// Returns the form that the client prefers for a stream without end; none where it takes an
    /// array only.
    pub(super) fn preferred_stream(&self) -> Option<ReadForm> {
        match self.preferred() {
            ReadForm::Array if self.lines.get() > 0.0 || self.array.get() == 0.0 => {
                Some(ReadForm::Lines)
            }
            ReadForm::Array => None,
            form => Some(form),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(headers: &[&'static str]) -> Accepted {
        let headers: Vec<_> =
            headers.iter().map(|header| HeaderValue::from_static(header)).collect();
        Accepted::by(&headers)
    }

    fn lines(headers: &[&'static str]) -> bool {
        accepted(headers).preferred() == ReadForm::Lines
    }

    #[test]
    fn who_prefers_events_gets_them() {
        for accept in [
            "text/event-stream",
            "Text/Event-Stream;q=0.1",
            "text/event-stream, */*;q=0.1",
            "application/json;q=0.5, text/event-stream, application/x-ndjson;q=0.9",
            "text/*",
        ] {
            assert_eq!(accepted(&[accept]).preferred(), ReadForm::Events, "{accept}");
        }
        let lines = "text/event-stream;q=0.5, application/x-ndjson";
        assert_eq!(accepted(&[lines]).preferred(), ReadForm::Lines);
        for accept in ["text/event-stream, */*", "text/event-stream;q=0", "text/html"] {
            assert_eq!(accepted(&[accept]).preferred(), ReadForm::Array, "{accept}");
        }
    }

    #[test]
    fn a_stream_is_in_lines_unless_events_are_preferred_or_nothing_but_an_array_is_taken() {
        let stream = |accept: &'static str| accepted(&[accept]).preferred_stream();
        for accept in ["*/*", "", "text/html", "application/x-ndjson", "application/*"] {
            assert_eq!(stream(accept), Some(ReadForm::Lines), "{accept}");
        }
        assert_eq!(accepted(&[]).preferred_stream(), Some(ReadForm::Lines));
        assert_eq!(stream("text/event-stream"), Some(ReadForm::Events));
        assert_eq!(stream("application/json, */*;q=0.1"), Some(ReadForm::Lines));
        assert_eq!(stream("application/json"), None);
        assert_eq!(stream("application/json, application/x-ndjson;q=0"), None);
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

//! The weights that a client gives media types.
//!
//! As in RFC 9110, 12.5.1: of the ranges that match a type the most specific one gives its weight.

use mediatype::names::_STAR;
use mediatype::{MediaType, Name, ReadParams};

const Q: Name<'static> = Name::new_unchecked("q");

/// The weight that the header `Accept` gives a media type; 0 where it does not name it.
#[derive(Debug, Default)]
pub(super) struct MediaWeight {
    /// 2: the type is named, 1: it matches `application/*`, for example, 0: it matches `*/*`.
    specific: u8,
    q: f32,
}

impl MediaWeight {
    /// Returns the weight, from 0 to 1.
    pub(super) fn get(&self) -> f32 {
        self.q
    }

    /// Takes a range into account.
    pub(super) fn apply(&mut self, range: &MediaType<'_>, (ty, subtype): (Name<'_>, Name<'_>)) {
        let is_of_type = range.ty == ty;
        let specific = if is_of_type && range.subty == subtype && range.suffix.is_none() {
            2
        } else if is_of_type && range.subty == _STAR {
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

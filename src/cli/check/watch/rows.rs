//! Parses the rows of a listing, in either form, while it arrives.

use acklog_api::{Message, headers};
use acklog_client::Lines;

use super::objects::Objects;

/// The form of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListForm {
    /// One JSON array.
    Array,
    /// One JSON object per line.
    Lines,
}

/// Splits a listing into its rows.
pub(super) enum ListRows {
    Array(Objects),
    Lines(Lines),
}

impl ListForm {
    /// Returns one of the forms at random.
    pub(super) fn any() -> Self {
        if rand::random() { Self::Array } else { Self::Lines }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::Array => Self::Lines,
            Self::Lines => Self::Array,
        }
    }

    /// Returns the `Accept` header that requests this form.
    pub(super) fn accept(self) -> &'static str {
        match self {
            Self::Array => headers::APPLICATION_JSON,
            Self::Lines => headers::APPLICATION_NDJSON,
        }
    }

    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::Array => "an array of messages with id and message",
            Self::Lines => "messages with id and message, one a line",
        }
    }
}

impl ListRows {
    pub(super) fn new(form: ListForm) -> Self {
        match form {
            ListForm::Array => Self::Array(Objects::default()),
            ListForm::Lines => Self::Lines(Lines::default()),
        }
    }

    /// Takes the next piece and passes each row to `take` that is complete with it, or its text if
    /// it is no message.
    ///
    /// # Errors
    /// When a row is longer than any message can be.
    pub(super) fn add(
        &mut self,
        piece: &[u8],
        mut take: impl FnMut(Result<Message<'_>, &[u8]>),
    ) -> anyhow::Result<()> {
        let parse = |text: &[u8]| {
            take(serde_json::from_slice(text).map_err(|_| text));
            Ok(())
        };
        match self {
            Self::Array(objects) => objects.add(piece, parse),
            Self::Lines(lines) => lines.add(piece, parse),
        }
    }

    /// Returns whether the list is complete, as far as its form can tell.
    pub(super) fn is_whole(&self) -> bool {
        match self {
            Self::Array(objects) => objects.is_whole(),
            Self::Lines(lines) => lines.is_complete(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_in_both_forms_however_they_are_cut_up() {
        for (form, list) in [
            (ListForm::Array, "[{\"id\":0,\"message\":\"a\\n\"},{\"id\":1,\"message\":\"}{\"}]\n"),
            (ListForm::Lines, "{\"id\":0,\"message\":\"a\\n\"}\n{\"id\":1,\"message\":\"}{\"}\n"),
        ] {
            for size in 1..list.len() {
                let (mut rows, mut found) = (ListRows::new(form), Vec::new());
                for piece in list.as_bytes().chunks(size) {
                    let take = |row: Result<Message<'_>, &[u8]>| {
                        let row = row.unwrap();
                        found.push((row.id, row.message.into_owned()));
                    };
                    rows.add(piece, take).unwrap();
                }
                assert!(rows.is_whole());
                assert_eq!(found, [(0, "a\n".to_owned()), (1, "}{".to_owned())], "{size}");
            }
        }
    }

    #[test]
    fn an_array_is_no_list_of_lines() {
        for (list, is_wrong) in
            [("", false), ("{\"id\":0,\"message\":\"a\"}\n", false), ("[]\n", true), ("\n", true)]
        {
            let (mut rows, mut wrong) = (ListRows::new(ListForm::Lines), false);
            rows.add(list.as_bytes(), |row| wrong |= row.is_err()).unwrap();
            assert_eq!((rows.is_whole(), wrong), (true, is_wrong), "{list:?}");
        }
        let mut rows = ListRows::new(ListForm::Lines);
        rows.add(b"{\"id\":0,", |_| ()).unwrap();
        assert!(!rows.is_whole());
    }
}

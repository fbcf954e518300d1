//! A write concern as it stands in a body: a number, `"majority"` or `"all"`.
//!
//! For a field of `Option<WriteConcern>`, by `#[serde(with = "acklog_api::concern")]`.

use acklog_types::WriteConcern;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

#[derive(Deserialize)]
#[serde(untagged)]
enum Given {
    Nodes(u64),
    Word(String),
}

/// Writes a number or a word; `None` as null.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(
    concern: &Option<WriteConcern>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match concern {
        None => serializer.serialize_none(),
        Some(WriteConcern::Nodes(nodes)) => serializer.serialize_u64(*nodes),
        Some(word) => serializer.collect_str(word),
    }
}

/// Reads a number or a word; null as `None`.
///
/// # Errors
/// When it is anything else.
pub fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<WriteConcern>, D::Error> {
    match Option::<Given>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Given::Nodes(nodes)) => Ok(Some(WriteConcern::Nodes(nodes))),
        Some(Given::Word(word)) if word.starts_with(|first: char| first.is_ascii_digit()) => {
            Err(D::Error::custom("a number of nodes is not a string"))
        }
        Some(Given::Word(word)) => word.parse().map(Some).map_err(D::Error::custom),
    }
}
